//! tract, inference only: the model is an ONNX file with one operator, its sizes known when it is optimised.

use std::path::Path;
use std::sync::Arc;

use candle_core::Device;
use tract_linalg::multithread::{Executor, set_default_executor};
use tract_onnx::prelude::*;

use crate::{Anyhow, Case, Found, Peer};

pub struct Layer {
    plan: Arc<TypedRunnableModel>,
    x: TValue,
}

impl Layer {
    pub fn new(case: &Case, model: &Path) -> Anyhow<Layer> {
        let threads = rayon::current_num_threads();
        set_default_executor(if threads > 1 {
            Executor::RayonGlobal
        } else {
            Executor::SingleThread
        });
        let shape = [case.steps, case.batch, case.inputs];
        let plan = tract_onnx::onnx()
            .model_for_path(model)?
            .with_input_fact(0, f32::fact(shape).into())?
            .into_optimized()?
            .into_runnable()?;
        let values: Vec<f32> = case.given["x"].flatten_all()?.to_vec1()?;
        Ok(Layer { plan, x: Tensor::from_shape(&shape, &values)?.into() })
    }
}

impl Peer for Layer {
    const TRAINS: bool = false;
    type Run = TValue;

    fn infer(&self) -> Anyhow<TValue> {
        Ok(self.plan.run(tvec!(self.x.clone()))?.remove(0))
    }

    fn train(&self) -> Anyhow<TValue> {
        Err("tract computes no gradients".into())
    }

    fn found(&self, y: TValue) -> Anyhow<Found> {
        let view = y.to_plain_array_view::<f32>()?;
        let values: Vec<f32> = view.iter().copied().collect();
        let y = candle_core::Tensor::from_vec(values, view.shape().to_vec(), &Device::Cpu)?;
        Ok(Found::from([("y".to_owned(), y)]))
    }
}
