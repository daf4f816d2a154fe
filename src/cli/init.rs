//! `rnnc init`: draws the parameters of a cell into a file.

use ndarray::ArrayD;

use super::args::{FloatType, InitArgs};
use super::context::Context;
use super::error::CliError;
use super::feed;
use crate::diag::Code;
use crate::exec::{self, Bound};
use crate::ir::Real;
use crate::{cli::output, data};

/// Draws from the seed and writes the file.
pub fn init(ctx: &mut Context, args: &InitArgs) -> Result<(), CliError> {
    let bound = feed::cell_with_sizes(ctx, &args.cell)?;
    let bytes = match args.dtype {
        FloatType::F32 => drawn::<f32>(&bound, args.seed)?,
        FloatType::F64 => drawn::<f64>(&bound, args.seed)?,
    };
    data::write_file(&args.output, &bytes).map_err(|it| CliError::data(&args.output, it))?;
    let count = bound.param_count();
    let tensors = bound.cell().params.len();
    ctx.note(&format!("wrote {tensors} tensors, {count} numbers, to {}", args.output.display()));
    Ok(())
}

fn drawn<F: Real + data::Real32or64>(bound: &Bound, seed: u64) -> Result<Vec<u8>, CliError> {
    let params = exec::init::<F>(bound, seed)
        .map_err(|it| CliError::Fit { code: Code::BadSetting, message: it.to_string() })?;
    let names = bound.cell().params.iter().map(|it| it.name.to_string());
    let tensors: Vec<(String, ArrayD<F>)> = names.zip(params.0).collect();
    output::safetensors(&tensors)
}
