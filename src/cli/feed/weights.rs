//! Weights from a file, or drawn.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::{evidence, list, typed};
use crate::api::Evidence;
use crate::cli::args::DataArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::data;
use crate::diag::Code;
use crate::exec::{self, Bound, Params};
use crate::ir::{self, Real};

/// The weights that were given, by the position of the param; the others are drawn.
pub struct Weights {
    given: Vec<Option<ArrayD<f64>>>,
    seed: u64,
}

/// Reads `--params` and says what is drawn.
pub fn read(
    ctx: &mut Context,
    cell: &ir::Cell,
    args: &DataArgs,
    notes: &mut Vec<String>,
) -> Result<Weights, CliError> {
    let mut given: Vec<Option<ArrayD<f64>>> = cell.params.iter().map(|_| None).collect();
    let Some(path) = &args.params else {
        if !cell.params.is_empty() {
            notes.push(format!("no --params given: drawn from seed {}", args.seed));
        }
        return Ok(Weights { given, seed: args.seed });
    };
    let in_file = |it| CliError::data(path, it);
    let bytes = ctx.read(path)?;
    let tensors = data::read_safetensors(&bytes).map_err(in_file)?;
    let mut tensors: BTreeMap<String, data::Tensor> = tensors.into_iter().collect();
    let mut missing = Vec::new();
    for (param, slot) in cell.params.iter().zip(&mut given) {
        match tensors.remove(&*param.name) {
            Some(tensor) => *slot = Some(tensor.values),
            None => missing.push(format!("{}: {}", param.name, param.shape)),
        }
    }
    let bad = |message: String| CliError::Fit {
        code: Code::WeightsDoNotFit,
        message: format!("{}: {message}", path.display()),
    };
    let extra: Vec<String> =
        tensors.iter().map(|(name, tensor)| format!("{name} {:?}", tensor.shape)).collect();
    if !missing.is_empty() && !args.partial {
        let found = if extra.is_empty() {
            String::new()
        } else {
            format!("; what it has besides is {}", list(&extra))
        };
        let missing = list(&missing);
        let message = format!("no tensor for {missing} (--partial draws what is missing){found}");
        return Err(bad(message));
    }
    if !extra.is_empty() && !args.ignore_extra {
        let message = format!("the cell has no {}; --ignore-extra leaves them out", list(&extra));
        return Err(bad(message));
    }
    if !missing.is_empty() {
        notes.push(format!("drawn from seed {}: {}", args.seed, missing.join(", ")));
    }
    Ok(Weights { given, seed: args.seed })
}

impl Weights {
    /// What the weights say about sizes.
    pub fn evidence(&self, cell: &ir::Cell) -> Vec<Evidence> {
        let given = cell.params.iter().zip(&self.given);
        given
            .filter_map(|(param, array)| {
                let what = format!("param `{}`", param.name);
                let sizes = array.as_ref()?.shape();
                Some(evidence(what, &param.shape, sizes, Code::WeightsDoNotFit))
            })
            .collect()
    }

    /// All params of the cell.
    pub fn params<F: Real>(&self, bound: &Bound) -> Result<Params<F>, CliError> {
        let params = self.given.iter().enumerate();
        let params: Result<Vec<ArrayD<F>>, CliError> = params
            .map(|(idx, given)| match given {
                Some(array) => Ok(typed(array)),
                None => Ok(exec::init_param(bound, idx, self.seed)?),
            })
            .collect();
        Ok(Params(params?))
    }
}
