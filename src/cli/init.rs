//! `rnnc init`: draws the parameters of a cell into a file.

use super::args::{FloatType, InitArgs};
use super::context::Context;
use super::error::CliError;
use super::feed::{self, counted};
use super::output::{self, Named};
use crate::data::Real32or64;
use crate::exec::{self, Bound};
use crate::ir::Real;

/// Draws from the seed and writes the file.
pub fn init(ctx: &mut Context, args: &InitArgs) -> Result<(), CliError> {
    let bound = feed::cell_with_sizes(ctx, &args.cell)?;
    let bytes = match args.dtype {
        FloatType::F32 => drawn::<f32>(&bound, args.seed)?,
        FloatType::F64 => drawn::<f64>(&bound, args.seed)?,
    };
    let (tensors, count) = (bound.cell().params.len(), bound.param_count());
    let (tensors, numbers) = (counted(tensors as u64, "tensor"), counted(count, "number"));
    ctx.note(&format!("{tensors} with {numbers}, drawn from seed {}", args.seed));
    ctx.write(&args.output, &bytes)
}

fn drawn<F: Real + Real32or64>(bound: &Bound, seed: u64) -> Result<Vec<u8>, CliError> {
    let params = exec::init::<F>(bound, seed)?;
    let named = bound.cell().params.iter().zip(params.0);
    let named = named.map(|(it, array)| Named { name: it.name.to_string(), array });
    output::safetensors(named.collect())
}
