//! burn-nn on the backend Flex, its fastest for a CPU; it keeps a matrix per gate, [in, out].

use burn::module::Param;
use burn::nn::gru::{Gru, GruConfig};
use burn::nn::{GateController, Lstm, LstmConfig, LstmState};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use crate::{Anyhow, Case, Found, Peer};

enum Kind {
    Lstm(Lstm),
    Gru(Gru),
}

impl Kind {
    /// In PyTorch's order.
    fn gates(&self) -> Vec<&GateController> {
        match self {
            Kind::Lstm(it) => {
                let forget = it.forget_gate.as_ref().expect("the forget gate is not coupled");
                vec![&it.input_gate, forget, &it.cell_gate, &it.output_gate]
            }
            Kind::Gru(it) => vec![&it.reset_gate, &it.update_gate, &it.new_gate],
        }
    }
}

/// A layer with its input and starts on one device.
struct Side {
    kind: Kind,
    x: Tensor<3>,
    starts: Vec<Tensor<2>>,
}

/// The layer without gradients, and with them.
pub struct Layer {
    plain: Side,
    traced: Side,
}

impl Layer {
    pub fn new(case: &Case) -> Anyhow<Layer> {
        Ok(Layer {
            plain: Side::new(case, &Device::flex(), false)?,
            traced: Side::new(case, &Device::flex().autodiff(), true)?,
        })
    }
}

impl Side {
    fn new(case: &Case, device: &Device, traced: bool) -> Anyhow<Side> {
        let Case { batch, inputs, size, .. } = *case;
        let values =
            |name: &str| -> Anyhow<Vec<f32>> { Ok(case.given[name].flatten_all()?.to_vec1()?) };
        let mut kind = match case.cell.as_str() {
            "lstm" => {
                Kind::Lstm(LstmConfig::new(inputs, size, true).with_batch_first(false).init(device))
            }
            _ => Kind::Gru(GruConfig::new(inputs, size, true).init(device)),
        };
        let gates: Vec<&mut GateController> = match &mut kind {
            Kind::Lstm(it) => {
                let forget = it.forget_gate.as_mut().ok_or("the forget gate is coupled")?;
                vec![&mut it.input_gate, forget, &mut it.cell_gate, &mut it.output_gate]
            }
            Kind::Gru(it) => vec![&mut it.reset_gate, &mut it.update_gate, &mut it.new_gate],
        };
        for (k, gate) in gates.into_iter().enumerate() {
            for (linear, part, width) in [
                (&mut gate.input_transform, "ih", inputs),
                (&mut gate.hidden_transform, "hh", size),
            ] {
                let weight = values(&format!("weight_{part}"))?;
                let block = &weight[k * size * width..(k + 1) * size * width];
                // [out, in] becomes [in, out], in memory too.
                let turned: Vec<f32> =
                    (0..width * size).map(|at| block[at % size * width + at / size]).collect();
                linear.weight = Param::from_data(TensorData::new(turned, [width, size]), device);
                let bias = values(&format!("bias_{part}"))?[k * size..(k + 1) * size].to_vec();
                linear.bias = Some(Param::from_data(TensorData::new(bias, [size]), device));
            }
        }
        let x =
            Tensor::from_data(TensorData::new(values("x")?, [case.steps, batch, inputs]), device);
        let starts = (0..if case.cell == "lstm" { 2 } else { 1 })
            .map(|_| Tensor::zeros([batch, size], device));
        let (x, starts) = if traced {
            (x.require_grad(), starts.map(Tensor::require_grad).collect())
        } else {
            (x, starts.collect())
        };
        Ok(Side { kind, x, starts })
    }

    /// [T, B, H]; the GRU knows only [B, T, ..], which is a view here.
    fn forward(&self) -> Tensor<3> {
        let (x, starts) = (self.x.clone(), &self.starts);
        match &self.kind {
            Kind::Lstm(layer) => {
                let start = LstmState::new(starts[1].clone(), starts[0].clone());
                layer.forward(x, Some(start)).0
            }
            Kind::Gru(layer) => {
                layer.forward(x.swap_dims(0, 1), Some(starts[0].clone())).swap_dims(0, 1)
            }
        }
    }
}

impl Peer for Layer {
    const TRAINS: bool = true;
    type Run = (Tensor<3>, Option<Gradients>);

    fn infer(&self) -> Anyhow<Self::Run> {
        Ok((self.plain.forward(), None))
    }

    fn train(&self) -> Anyhow<Self::Run> {
        let y = self.traced.forward();
        // Begins with ones, whatever the shape.
        let gradients = y.backward();
        Ok((y, Some(gradients)))
    }

    fn found(&self, (y, gradients): Self::Run) -> Anyhow<Found> {
        let mut found = Found::from([("y".to_owned(), moved(y)?)]);
        let Some(gradients) = gradients else { return Ok(found) };
        let side = &self.traced;
        found.insert("x".to_owned(), moved(side.x.grad(&gradients).ok_or("no gradient of x")?)?);
        for (k, start) in side.starts.iter().enumerate() {
            found.insert(
                format!("start {k}"),
                moved(start.grad(&gradients).ok_or("no gradient of a start")?)?,
            );
        }
        for part in ["ih", "hh"] {
            let (mut weights, mut biases) = (Vec::new(), Vec::new());
            for gate in side.kind.gates() {
                let linear =
                    if part == "ih" { &gate.input_transform } else { &gate.hidden_transform };
                let weight =
                    linear.weight.val().grad(&gradients).ok_or("no gradient of a weight")?;
                weights.push(weight.transpose());
                let bias = linear.bias.as_ref().ok_or("no bias")?.val();
                biases.push(bias.grad(&gradients).ok_or("no gradient of a bias")?);
            }
            found.insert(format!("d weight_{part}"), moved(Tensor::cat(weights, 0))?);
            found.insert(format!("d bias_{part}"), moved(Tensor::cat(biases, 0))?);
        }
        Ok(found)
    }
}

fn moved<const D: usize>(tensor: Tensor<D>) -> Anyhow<candle_core::Tensor> {
    let shape: [usize; D] = tensor.dims();
    let values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
    Ok(candle_core::Tensor::from_vec(values, shape.to_vec(), &candle_core::Device::Cpu)?)
}
