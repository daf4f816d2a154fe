//! `rnnc init`: draws the parameters of a cell into a file.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::{FloatType, InitArgs};
use super::context::Context;
use super::error::CliError;
use super::feed::{self, counted, weights};
use super::origin::origin;
use super::output::{self, Named};
use crate::api;
use crate::data::Real32or64;
use crate::exec::{self, Bound};
use crate::ir::{self, Real};

/// Draws from the seed and writes the file.
pub fn init(ctx: &mut Context, args: &InitArgs) -> Result<(), CliError> {
    output::check_ending("-o", &args.output, &["safetensors"])?;
    ctx.will_write("-o", &args.output)?;
    let (bound, set) = feed::cell_with_sizes(ctx, &args.cell)?;
    ctx.check_outputs()?;
    let origin = origin(bound.cell(), &bound.env().sizes, &set, Some(args.seed));
    let bytes = match args.dtype {
        FloatType::F32 => drawn::<f32>(&bound, args, &origin)?,
        FloatType::F64 => drawn::<f64>(&bound, args, &origin)?,
    };
    let layout = layout(bound.cell(), args)?;
    let tensors = layout.rows.iter().map(|it| it.stored.len()).sum::<usize>();
    let (tensors, numbers) =
        (counted(tensors as u64, "tensor"), counted(bound.param_count(), "number"));
    ctx.note(&format!("{tensors} with {numbers}, drawn from seed {}", args.seed));
    weights::notes_of_writing(bound.cell(), &layout).iter().for_each(|it| ctx.note(it));
    ctx.write(&args.output, &bytes)?;
    if args.json {
        let names = layout.rows.iter().flat_map(|it| &it.stored).map(|it| it.to_string()).collect();
        ctx.made(&Drawn { seed: args.seed, parameters: bound.param_count(), tensors: names })?;
    }
    Ok(())
}

/// The document of `--json`.
#[derive(Serialize)]
struct Drawn {
    seed: u64,
    /// The number of elements.
    parameters: u64,
    tensors: Vec<String>,
}

fn layout(cell: &ir::Cell, args: &InitArgs) -> Result<ir::Layout, CliError> {
    Ok(api::weights::layout(cell, args.layout.as_deref().unwrap_or(ir::layout::OWN))?)
}

fn drawn<F: Real + Real32or64>(
    bound: &Bound,
    args: &InitArgs,
    origin: &BTreeMap<String, String>,
) -> Result<Vec<u8>, CliError> {
    let params = exec::init::<F>(bound, args.seed)?;
    let layout = layout(bound.cell(), args)?;
    let affixes = weights::affixes(args.prefix.as_deref(), args.suffix.as_deref());
    let stored = api::weights::stored(bound.env(), &layout, &affixes, params.arrays())?;
    let named = stored.into_iter().map(|(name, array)| Named { name, array });
    output::safetensors(named.collect(), origin)
}
