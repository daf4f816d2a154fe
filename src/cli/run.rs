//! `rnnc run`: a sequence goes through a cell.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::ArrayD;
use serde::Serialize;

use super::args::{FloatType, Mode, RunArgs};
use super::context::Context;
use super::error::CliError;
use super::feed::{self, Prepared};
use super::output::{self, Format, Named, Steps, Summary};
use super::progress::Progress;
use super::save::{self, Save};
use crate::data::Real32or64;
use crate::diag::Code;
use crate::exec::{EngineKind, NotFinite, RunError};
use crate::ir::{self, Real, Scope};
use crate::text::Name;

/// The results as JSON.
#[derive(Serialize)]
struct Report {
    version: u32,
    cell: String,
    dtype: &'static str,
    engine: EngineKind,
    steps: usize,
    batch: usize,
    sizes: BTreeMap<String, i64>,
    /// Of a model, the mean over all valid steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<f64>,
    outputs: Vec<Summary>,
    states: Vec<Summary>,
    /// In training.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    masks: Vec<Summary>,
}

/// Runs in the type that was asked for.
pub fn run(ctx: &mut Context, args: &RunArgs) -> Result<(), CliError> {
    if let Some(path) = &args.output {
        output::check_ending("-o", path, &["npy", "csv"])?;
        ctx.will_write("-o", path)?;
    }
    if let Some(path) = &args.save {
        save::check(ctx, path)?;
    }
    let prepared = feed::prepare(ctx, &args.data)?;
    match args.data.dtype {
        FloatType::F32 => run_in::<f32>(ctx, args, &prepared),
        FloatType::F64 => run_in::<f64>(ctx, args, &prepared),
    }
}

fn run_in<F: Real + Real32or64>(
    ctx: &mut Context,
    args: &RunArgs,
    prepared: &Prepared,
) -> Result<(), CliError> {
    let (bound, layout) = (&prepared.bound, prepared.layout);
    let cell = bound.cell();
    let traces = traces(cell, &args.trace)?;
    let format = match &args.output {
        Some(path) => Some((path, Format::of(path, bound.output_shape(0).len(), layout.single)?)),
        None => None,
    };
    let save = match &args.save {
        Some(path) => Some(Save::new(ctx, path, &saved(cell, args, &traces))?),
        None => None,
    };
    let (params, inputs, state) = (prepared.params::<F>()?, prepared.inputs()?, prepared.states()?);
    let masks = prepared.masks()?;
    let engine = prepared.engine(ctx, &args.data, traces.clone(), false)?;
    let progress = Progress::of(ctx, "forward");
    let run = engine.infer_with(&params, &inputs, &state, &masks)?;
    drop(progress);
    ctx.lap("forward");
    if args.data.memory.is_some() {
        feed::note_segments(ctx, run.segments());
    }

    let loss = run.loss(cell).map(|it| it.mean());
    let run_by = run.engine();
    let lengths = run.lengths().to_vec();
    let (steps, batch, not_finite) = (run.steps(), run.batch(), run.not_finite.clone());
    let masks = cell.masks.iter().zip(run.masks());
    let masks: Vec<Named<F>> = masks
        .map(|(it, bits)| Named {
            name: it.name.to_string(),
            array: feed::masks::written(it, bits, layout),
        })
        .collect();
    let over_time = |(name, array): (&Name, ArrayD<F>)| Named {
        name: name.to_string(),
        array: layout.over_time(array),
    };
    let names = cell.outputs.iter().map(|it| &it.name);
    let outputs: Vec<Named<F>> = names.zip(run.outputs).map(over_time).collect();
    let traces: Vec<Named<F>> = traces.iter().zip(run.traces).map(over_time).collect();
    let states = cell.carries.iter().zip(run.states);
    let states: Vec<Named<F>> = states
        .map(|(it, array)| Named { name: it.name.to_string(), array: layout.per_sequence(array) })
        .collect();

    // Where all sequences have all steps nothing is padding.
    let is_ragged = lengths.iter().any(|it| *it < steps);
    let by_step = is_ragged.then_some(Steps { lengths: &lengths, layout });
    let summaries = |all: &[Named<F>], steps: Option<Steps<'_>>| {
        all.iter().map(|it| Summary::of(it, steps)).collect::<Vec<_>>()
    };
    let (outputs_told, states_told) = (summaries(&outputs, by_step), summaries(&states, None));
    let masks_told = masks
        .iter()
        .zip(&cell.masks)
        .map(|(it, mask)| Summary::of(it, by_step.filter(|_| mask.scope == Scope::Step)));
    let masks_told: Vec<Summary> = masks_told.collect();
    let (dtype, sizes) = (<F as Real>::NAME, bound.env());
    if args.data.json {
        ctx.json(&Report {
            version: 1,
            cell: cell.name.to_string(),
            dtype,
            engine: run_by,
            steps,
            batch,
            sizes: sizes.sizes.iter().map(|(name, size)| (name.to_string(), *size)).collect(),
            loss: loss.filter(|it| it.is_finite()),
            outputs: outputs_told,
            states: states_told,
            masks: masks_told,
        })?;
    } else {
        ctx.line(&feed::title(bound, steps, batch, dtype))?;
        if let Some(loss) = loss {
            ctx.line(&format!("loss {}", output::short(loss)))?;
        }
        ctx.line("outputs")?;
        ctx.out(&output::table(&outputs_told))?;
        if !states.is_empty() {
            ctx.line("final states")?;
            ctx.out(&output::table(&states_told))?;
        }
        if !masks.is_empty() {
            ctx.line("masks")?;
            ctx.out(&output::table(&masks_told))?;
        }
    }
    if let Some((path, format)) = format {
        output::room(&outputs[..1])?;
        ctx.write(path, &format.bytes(&outputs[0]))?;
    }
    if let Some(save) = save {
        let prefixed = |prefix: &'static str, all: Vec<Named<F>>| {
            all.into_iter().map(move |mut it| {
                it.name.insert_str(0, prefix);
                it
            })
        };
        let all = prefixed("output.", outputs).chain(prefixed("state.", states));
        let all = all.chain(prefixed("mask.", masks));
        let all = all.chain(prefixed("trace.", traces)).collect();
        save.write(ctx, all, &prepared.origin)?;
    }
    ctx.lap("write");
    if args.data.timings {
        ctx.show_timings();
    }
    // What was computed up to here has been shown and written: it is what one needs to find the
    // reason.
    not_finite.map_or(Ok(()), |it| Err(it.into()))
}

/// Returns the names of what `--save` writes.
fn saved(cell: &ir::Cell, args: &RunArgs, traces: &[Name]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    names.extend(cell.outputs.iter().map(|it| format!("output.{}", it.name)));
    names.extend(cell.carries.iter().map(|it| format!("state.{}", it.name)));
    if args.data.mode == Mode::Train {
        names.extend(cell.masks.iter().map(|it| format!("mask.{}", it.name)));
    }
    names.extend(traces.iter().map(|it| format!("trace.{it}")));
    names
}

/// Returns the values to trace, each once; all must be there.
fn traces(cell: &ir::Cell, names: &[String]) -> Result<Vec<Name>, CliError> {
    let mut seen = BTreeSet::new();
    let named = cell.values.iter().map(|it| &*it.name);
    let known: Vec<String> = named.filter(|it| seen.insert(*it)).map(str::to_owned).collect();
    let mut traces: Vec<Name> = Vec::new();
    for name in names.iter().map(|it| it.trim()) {
        if !seen.contains(name) {
            let known = feed::list(&known);
            let message = format!("--trace {name}: there is no such value, only {known}");
            return Err(CliError::Usage(message));
        }
        if !traces.iter().any(|it| &**it == name) {
            traces.push(name.into());
        }
    }
    Ok(traces)
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> CliError {
        let help = match &error {
            RunError::OutOfMemory { .. } => {
                "; --memory bounds what a run of the fast engine holds, and fewer steps or sequences take less"
            }
            _ => "",
        };
        CliError::Fit { code: error.code(), message: format!("{error}{help}") }
    }
}

impl From<NotFinite> for CliError {
    fn from(error: NotFinite) -> CliError {
        CliError::Fit { code: Code::NotFinite, message: error.to_string() }
    }
}
