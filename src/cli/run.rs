//! `rnnc run`: a sequence goes through a cell.

use serde::Serialize;

use super::args::{FloatType, RunArgs};
use super::context::Context;
use super::error::CliError;
use super::feed::{self, Prepared};
use super::output::{self, Named, Summary};
use crate::data::Real32or64;
use crate::diag::Code;
use crate::exec::{self, Call, NotFinite, RunError};
use crate::ir::Real;
use crate::text::Name;

/// The results as JSON.
#[derive(Serialize)]
struct Report {
    version: u32,
    cell: String,
    dtype: &'static str,
    steps: usize,
    batch: usize,
    outputs: Vec<Summary>,
    states: Vec<Summary>,
}

/// Runs in the type that was asked for.
pub fn run(ctx: &mut Context, args: &RunArgs) -> Result<(), CliError> {
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
    let bound = &prepared.bound;
    let cell = bound.cell();
    let (params, inputs, state) = (prepared.params::<F>()?, prepared.inputs(), prepared.states());
    let call = Call { bound, params: &params, inputs: &inputs, state: &state };
    let traces: Vec<Name> = args.trace.iter().map(|it| it.as_str().into()).collect();
    let run = exec::forward(call, &traces)?;
    ctx.lap("forward");

    let (steps, batch, not_finite) = (run.steps(), run.batch(), run.not_finite.clone());
    let outputs = over_time(
        cell.outputs.iter().map(|it| it.name.to_string()).zip(run.outputs),
        prepared.single,
    );
    let traces = over_time(args.trace.iter().cloned().zip(run.traces), prepared.single);
    let states: Vec<Named<F>> = cell
        .carries
        .iter()
        .zip(run.states)
        .map(|(carry, array)| Named {
            name: carry.name.to_string(),
            array: if prepared.single { output::without_batch(array, 0) } else { array },
        })
        .collect();

    if args.data.json {
        ctx.json(&Report {
            version: 1,
            cell: cell.name.to_string(),
            dtype: <F as Real>::NAME,
            steps,
            batch,
            outputs: outputs.iter().map(Summary::of).collect(),
            states: states.iter().map(Summary::of).collect(),
        })?;
    } else {
        let many = if batch == 1 { "sequence" } else { "sequences" };
        ctx.line(&format!(
            "{}: {steps} steps, {batch} {many}, {}, {}",
            cell.name,
            feed::sizes_text(bound.env()),
            <F as Real>::NAME
        ))?;
        ctx.line("outputs")?;
        ctx.out(&output::table(&outputs.iter().map(Summary::of).collect::<Vec<_>>()))?;
        if !states.is_empty() {
            ctx.line("final states")?;
            ctx.out(&output::table(&states.iter().map(Summary::of).collect::<Vec<_>>()))?;
        }
    }
    if let Some(path) = &args.output {
        output::write_array(path, &outputs[0], prepared.single)?;
        ctx.note(&format!("wrote {}", path.display()));
    }
    if let Some(path) = &args.save {
        let prefixed = |prefix: &str, all: Vec<Named<F>>| -> Vec<Named<F>> {
            let name = |it: &Named<F>| format!("{prefix}.{}", it.name);
            all.into_iter().map(|it| Named { name: name(&it), array: it.array }).collect()
        };
        let mut all = prefixed("output", outputs);
        all.extend(prefixed("state", states));
        all.extend(prefixed("trace", traces));
        output::save(path, all)?;
        ctx.note(&format!("wrote {}", path.display()));
    }
    ctx.lap("write");
    if args.data.timings {
        ctx.show_timings();
    }
    // What was computed up to here has been shown and written: it is what one needs to find the reason.
    not_finite.map_or(Ok(()), |it| Err(it.into()))
}

/// Arrays `[T, B, ..]` with names, `[T, ..]` for a single sequence.
fn over_time<F: Real>(
    arrays: impl Iterator<Item = (String, ndarray::ArrayD<F>)>,
    single: bool,
) -> Vec<Named<F>> {
    arrays
        .map(|(name, array)| Named {
            name,
            array: if single { output::without_batch(array, 1) } else { array },
        })
        .collect()
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> CliError {
        CliError::Fit { code: error.code(), message: error.to_string() }
    }
}

impl From<NotFinite> for CliError {
    fn from(error: NotFinite) -> CliError {
        CliError::Fit { code: Code::NotFinite, message: error.to_string() }
    }
}
