//! `rnnc grad`: a sequence goes through a cell and its adjoints come back.

use ndarray::{Array2, ArrayD};
use serde::Serialize;

use super::args::{FloatType, GradArgs};
use super::context::Context;
use super::error::CliError;
use super::feed::{self, Prepared};
use super::output::{self, Named};
use crate::data::{self, Real32or64};
use crate::derive;
use crate::exec::{self, Call, Gradients, Upstream};
use crate::ir::{self, Real, pointwise};

/// The gradients as JSON: their norms.
#[derive(Serialize)]
struct Report {
    version: u32,
    cell: String,
    dtype: &'static str,
    steps: usize,
    batch: usize,
    gradients: Vec<Norm>,
}

#[derive(Serialize)]
struct Norm {
    name: String,
    shape: Vec<usize>,
    norm: f64,
}

/// Runs in the type that was asked for.
pub fn grad(ctx: &mut Context, args: &GradArgs) -> Result<(), CliError> {
    let prepared = feed::prepare(ctx, &args.data)?;
    match args.data.dtype {
        FloatType::F32 => grad_in::<f32>(ctx, args, &prepared),
        FloatType::F64 => grad_in::<f64>(ctx, args, &prepared),
    }
}

fn grad_in<F: Real + Real32or64>(
    ctx: &mut Context,
    args: &GradArgs,
    prepared: &Prepared,
) -> Result<(), CliError> {
    let bound = &prepared.bound;
    let cell = bound.cell();
    let adjoint = derive::adjoint(cell, &pointwise::table());
    ctx.lap("derive");
    let (params, inputs, state) = (prepared.params::<F>()?, prepared.inputs(), prepared.states());
    let call = Call { bound, params: &params, inputs: &inputs, state: &state };
    let run = exec::forward(call, &[])?;
    ctx.lap("forward");
    if let Some(it) = &run.not_finite {
        return Err(it.clone().into());
    }
    let upstream = upstream(cell, args, prepared, run.batch())?;
    let gradients = exec::backward(&run, &adjoint, &upstream)?;
    ctx.lap("backward");
    let not_finite = exec::check_gradients(bound, &gradients);
    let (steps, batch) = (run.steps(), run.batch());
    if let Some(path) = &args.flow {
        let bytes = flow(cell, &gradients);
        data::write_file(path, &bytes).map_err(|it| CliError::data(path, it))?;
        ctx.note(&format!("wrote {}", path.display()));
    }

    let all = named(cell, gradients, prepared.single);
    let norms: Vec<Norm> = all
        .iter()
        .map(|it| Norm {
            name: it.name.clone(),
            shape: it.array.shape().to_vec(),
            norm: it.array.iter().map(|it| Real::to_f64(*it).powi(2)).sum::<f64>().sqrt(),
        })
        .collect();
    if args.data.json {
        let (cell, dtype) = (cell.name.to_string(), <F as Real>::NAME);
        ctx.json(&Report { version: 1, cell, dtype, steps, batch, gradients: norms })?;
    } else {
        print(ctx, cell, bound.env(), steps, batch, &norms, <F as Real>::NAME)?;
    }
    if let Some(path) = &args.output {
        let tensors: Vec<(String, ArrayD<F>)> =
            all.into_iter().map(|it| (it.name, it.array)).collect();
        let bytes = output::safetensors(&tensors)?;
        data::write_file(path, &bytes).map_err(|it| CliError::data(path, it))?;
        ctx.note(&format!("wrote {}", path.display()));
    }
    ctx.lap("write");
    if args.data.timings {
        ctx.show_timings();
    }
    not_finite.map_or(Ok(()), |it| Err(it.into()))
}

/// The adjoints that were given, by output and by carried value.
fn upstream<F: Real>(
    cell: &ir::Cell,
    args: &GradArgs,
    prepared: &Prepared,
    batch: usize,
) -> Result<Upstream<F>, CliError> {
    let outputs: Vec<String> = cell.outputs.iter().map(|it| it.name.to_string()).collect();
    let states: Vec<String> = cell.carries.iter().map(|it| format!("state.{}", it.name)).collect();
    let known: Vec<String> = outputs.iter().chain(&states).cloned().collect();
    let mut given = feed::named_arrays(&args.upstream, "--upstream", &known)?;
    let batch_first = args.data.batch_first;
    let outputs = outputs.iter().map(|name| {
        given.remove(name).map(|mut array| {
            // As results, `[T, ..]` for a single sequence.
            if prepared.single && array.ndim() > 0 {
                array.insert_axis_inplace(ndarray::Axis(1));
            } else if batch_first && array.ndim() > 1 {
                array.swap_axes(0, 1);
            }
            feed::typed(&array)
        })
    });
    let outputs: Vec<Option<ArrayD<F>>> = outputs.collect();
    let states = states.iter().zip(&cell.carries).map(|(name, carry)| {
        given.remove(name).map(|array| {
            // One adjoint for all sequences, or the only one.
            if array.ndim() == carry.shape.rank() {
                let mut shape = vec![batch];
                shape.extend(array.shape());
                feed::typed(&array.broadcast(shape).expect("a new first axis").to_owned())
            } else {
                feed::typed(&array)
            }
        })
    });
    Ok(Upstream { outputs, states: states.collect() })
}

/// All gradients under the names that they have in files.
fn named<F: Real>(cell: &ir::Cell, gradients: Gradients<F>, single: bool) -> Vec<Named<F>> {
    let mut all = Vec::new();
    for (param, array) in cell.params.iter().zip(gradients.params) {
        all.extend(array.map(|array| Named { name: param.name.to_string(), array }));
    }
    for (input, array) in cell.inputs.iter().zip(gradients.inputs) {
        // The gradient has the axes of what was given; a single sequence was made a batch of one here.
        let array = array.map(|it| if single { output::without_batch(it, 1) } else { it });
        all.extend(array.map(|array| Named { name: format!("input.{}", input.name), array }));
    }
    for (carry, array) in cell.carries.iter().zip(gradients.starts) {
        let array = array.map(|it| if single { output::without_batch(it, 0) } else { it });
        all.extend(array.map(|array| Named { name: format!("state.{}", carry.name), array }));
    }
    all
}

fn print(
    ctx: &mut Context,
    cell: &ir::Cell,
    env: &ir::Env,
    steps: usize,
    batch: usize,
    norms: &[Norm],
    dtype: &str,
) -> Result<(), CliError> {
    let many = if batch == 1 { "sequence" } else { "sequences" };
    let sizes = feed::sizes_text(env);
    ctx.line(&format!("{}: {steps} steps, {batch} {many}, {sizes}, {dtype}", cell.name))?;
    let shapes: Vec<String> = norms.iter().map(|it| format!("{:?}", it.shape)).collect();
    let name_width = norms.iter().map(|it| it.name.len()).max().unwrap_or(0).max(8);
    let shape_width = shapes.iter().map(String::len).max().unwrap_or(0).max(5);
    ctx.line(&format!("  {:name_width$}  {:shape_width$}      norm", "gradient", "shape"))?;
    for (it, shape) in norms.iter().zip(&shapes) {
        let norm = output::short(it.norm);
        ctx.line(&format!("  {:name_width$}  {shape:shape_width$} {norm:>9}", it.name))?;
    }
    Ok(())
}

/// The norms of the states' adjoints: a row per step, 0 being before the first, a column per carried value.
fn flow<F: Real + Real32or64>(cell: &ir::Cell, gradients: &Gradients<F>) -> Vec<u8> {
    let columns: Vec<(&str, &Vec<F>)> = cell
        .carries
        .iter()
        .zip(&gradients.flow)
        .filter_map(|(carry, flow)| Some((&*carry.name, flow.as_ref()?)))
        .collect();
    let rows = columns.first().map_or(0, |(_, flow)| flow.len());
    let table = Array2::from_shape_fn((rows, columns.len() + 1), |(row, column)| match column {
        0 => F::of(row as f64),
        _ => columns[column - 1].1[row],
    });
    let names = columns.iter().map(|(name, _)| (*name).to_owned());
    let header: Vec<String> = std::iter::once("step".to_owned()).chain(names).collect();
    data::write_csv(Some(&header), &table.view())
}
