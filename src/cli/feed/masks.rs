//! Masks: bits from files, and the seed for the others.

use ndarray::{ArrayD, Axis};

use super::{Names, evidence, named_arrays, typed};
use crate::api::Evidence;
use crate::cli::args::{DataArgs, Mode};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output::Layout;
use crate::diag::Code;
use crate::exec::{self, Training};
use crate::ir::{self, Real, Scope};

/// The masks of this run.
pub struct Masks {
    /// In training, the bits that were given.
    given: Option<Vec<Option<ArrayD<f64>>>>,
    seed: u64,
}

/// Bits have no meaning in evaluation.
pub fn check_mode(args: &DataArgs) -> Result<(), CliError> {
    if args.mode == Mode::Eval && !args.mask.is_empty() {
        let message = "--mask gives bits for training; say --mode train";
        return Err(CliError::Usage(message.to_owned()));
    }
    Ok(())
}

/// Reads `--mask`: `[T, B, ..]`, `[B, ..]` or `[..]` as the scope of the mask is, without a batch
/// axis where nothing else has one.
pub fn read(
    ctx: &mut Context,
    cell: &ir::Cell,
    args: &DataArgs,
    layout: Layout,
    evidences: &mut Vec<Evidence>,
    notes: &mut Vec<String>,
) -> Result<Masks, CliError> {
    if args.mode == Mode::Eval {
        return Ok(Masks { given: None, seed: args.seed });
    }
    let known: Vec<String> = cell.masks.iter().map(|it| it.name.to_string()).collect();
    let names = Names { flag: "--mask", known: &known, prefix: "mask." };
    let mut arrays = named_arrays(ctx, &args.mask, &names)?;
    let mut given = Vec::with_capacity(cell.masks.len());
    let mut drawn = Vec::new();
    for mask in &cell.masks {
        given.push(match arrays.remove(&*mask.name) {
            Some(array) => Some(with_axes(mask, array, layout, evidences)?),
            None => {
                drawn.push(mask.name.to_string());
                None
            }
        });
    }
    if !drawn.is_empty() {
        notes.push(format!("masks drawn from seed {}: {}", args.seed, drawn.join(", ")));
    }
    Ok(Masks { given: Some(given), seed: args.seed })
}

/// Returns a mask with the axes that a run wants: time, batch, its own.
fn with_axes(
    mask: &ir::Mask,
    array: ArrayD<f64>,
    layout: Layout,
    evidences: &mut Vec<Evidence>,
) -> Result<ArrayD<f64>, CliError> {
    let (leading, letters) = match (mask.scope, layout.single, layout.batch_first) {
        (Scope::Step, true, _) => (1, "[T, ..]"),
        (Scope::Step, false, false) => (2, "[T, B, ..]"),
        (Scope::Step, false, true) => (2, "[B, T, ..]"),
        (Scope::Sequence, true, _) | (Scope::Run, _, _) => (0, "[..]"),
        (Scope::Sequence, false, _) => (1, "[B, ..]"),
    };
    if array.ndim() != leading + mask.shape.rank() {
        return Err(CliError::misfit(format!(
            "mask `{}` is {letters} of {}, the array is {:?}",
            mask.name,
            mask.shape,
            array.shape()
        )));
    }
    let what = format!("mask `{}`", mask.name);
    let own = &array.shape()[leading..];
    evidences.push(evidence(what, &mask.shape, own, Code::DataDoesNotFit));
    Ok(match mask.scope {
        Scope::Step => layout.read_over_time(array)?,
        Scope::Sequence if layout.single => array.insert_axis(Axis(0)),
        Scope::Sequence | Scope::Run => array,
    })
}

impl Masks {
    /// Returns the masks of the run.
    pub fn masks<F: Real>(&self) -> Result<exec::Masks<F>, CliError> {
        Ok(match &self.given {
            None => exec::Masks::Eval,
            Some(given) => exec::Masks::Train(Training {
                seed: self.seed,
                first_sequence: 0,
                first_step: 0,
                given: given
                    .iter()
                    .map(|it| it.as_ref().map(typed).transpose())
                    .collect::<Result<_, _>>()?,
                ..Training::new(0)
            }),
        })
    }
}

/// Returns the bits of a mask as they are written.
pub fn written<F: Real>(mask: &ir::Mask, bits: &ArrayD<F>, layout: Layout) -> ArrayD<F> {
    match mask.scope {
        Scope::Step => layout.over_time(bits.clone()),
        Scope::Sequence => layout.per_sequence(bits.clone()),
        Scope::Run => bits.clone(),
    }
}
