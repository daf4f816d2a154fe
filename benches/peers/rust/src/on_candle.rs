//! candle-nn. Its layers take [B, T, I]; a view of [T, B, I] in that order has steps that need no copy.

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{GRU, GRUConfig, LSTM, LSTMConfig, RNN, VarBuilder, rnn};

use crate::{Anyhow, Case, Found, Peer};

enum Kind {
    Lstm(LSTM),
    Gru(GRU),
}

/// The layer without gradients, and with them.
pub struct Layer {
    plain: (Kind, Tensor, Vec<Tensor>),
    traced: (Kind, Tensor, Vec<Tensor>),
    /// What gets a gradient, by its name.
    vars: HashMap<String, Var>,
}

impl Layer {
    pub fn new(case: &Case) -> Anyhow<Layer> {
        let states = if case.cell == "lstm" { 2 } else { 1 };
        let mut all = case.given.clone();
        for k in 0..states {
            let zero = Tensor::zeros((case.batch, case.size), DType::F32, &Device::Cpu)?;
            all.insert(format!("start {k}"), zero);
        }
        let vars: HashMap<String, Var> = all
            .iter()
            .map(|(name, it)| Ok((name.clone(), Var::from_tensor(it)?)))
            .collect::<Anyhow<_>>()?;
        let make = |all: &HashMap<String, Tensor>| -> Anyhow<_> {
            let named = all.iter().map(|(name, it)| (format!("{name}_l0"), it.clone())).collect();
            let weights = VarBuilder::from_tensors(named, DType::F32, &Device::Cpu);
            let kind = match case.cell.as_str() {
                "lstm" => {
                    Kind::Lstm(rnn::lstm(case.inputs, case.size, LSTMConfig::default(), weights)?)
                }
                _ => Kind::Gru(rnn::gru(case.inputs, case.size, GRUConfig::default(), weights)?),
            };
            let starts = (0..states).map(|k| all[&format!("start {k}")].clone()).collect();
            Ok((kind, all["x"].clone(), starts))
        };
        let traced = vars.iter().map(|(name, it)| (name.clone(), it.as_tensor().clone())).collect();
        Ok(Layer { plain: make(&all)?, traced: make(&traced)?, vars })
    }
}

fn forward((kind, x, starts): &(Kind, Tensor, Vec<Tensor>)) -> Anyhow<Tensor> {
    let x = x.transpose(0, 1)?;
    let outputs: Vec<Tensor> = match kind {
        Kind::Lstm(layer) => {
            let start = rnn::LSTMState::new(starts[0].clone(), starts[1].clone());
            layer.seq_init(&x, &start)?.into_iter().map(|it| it.h).collect()
        }
        Kind::Gru(layer) => {
            let start = rnn::GRUState { h: starts[0].clone() };
            layer.seq_init(&x, &start)?.into_iter().map(|it| it.h).collect()
        }
    };
    Ok(Tensor::stack(&outputs, 0)?)
}

impl Peer for Layer {
    const TRAINS: bool = true;
    type Run = (Tensor, Option<GradStore>);

    fn infer(&self) -> Anyhow<Self::Run> {
        Ok((forward(&self.plain)?, None))
    }

    fn train(&self) -> Anyhow<Self::Run> {
        let y = forward(&self.traced)?;
        // Begins with ones, whatever the shape.
        let gradients = y.backward()?;
        Ok((y, Some(gradients)))
    }

    fn found(&self, (y, gradients): Self::Run) -> Anyhow<Found> {
        let mut found = Found::from([("y".to_owned(), y.detach())]);
        if let Some(gradients) = gradients {
            for (name, var) in &self.vars {
                let gradient =
                    gradients.get(var).ok_or_else(|| format!("no gradient of {name}"))?;
                let plain = name == "x" || name.starts_with("start");
                let name = if plain { name.clone() } else { format!("d {name}") };
                found.insert(name, gradient.contiguous()?);
            }
        }
        Ok(found)
    }
}
