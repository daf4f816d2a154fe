//! `rnnc grad`: a sequence goes through a cell and its adjoints come back.

use std::collections::BTreeMap;
use std::ffi::OsString;

use ndarray::{Array2, ArrayD};
use serde::Serialize;

use super::args::{FloatType, GradArgs};
use super::context::Context;
use super::error::CliError;
use super::feed::{self, Names, Prepared};
use super::output::{self, Layout, Named};
use super::progress::Progress;
use crate::data::{self, Real32or64};
use crate::diag::Code;
use crate::exec::{self, EngineKind, Gradients, Lent, NotFinite, Upstream};
use crate::ir::{self, Real};

/// The gradients as JSON: their norms.
#[derive(Serialize)]
struct Report {
    version: u32,
    cell: String,
    dtype: &'static str,
    engine: EngineKind,
    steps: usize,
    batch: usize,
    gradients: Vec<Norm>,
}

#[derive(Serialize)]
struct Norm {
    name: String,
    shape: Vec<usize>,
    #[serde(serialize_with = "output::number")]
    norm: Option<f64>,
}

impl Norm {
    fn of<F: Real>(it: &Named<F>) -> Norm {
        let squares = it.array.iter().map(|it| Real::to_f64(*it).powi(2));
        Norm {
            name: it.name.clone(),
            shape: it.array.shape().to_vec(),
            norm: Some(squares.sum::<f64>().sqrt()),
        }
    }
}

/// Runs in the type that was asked for.
pub fn grad(ctx: &mut Context, args: &GradArgs) -> Result<(), CliError> {
    let outputs = [("-o", &args.output, "safetensors"), ("--flow", &args.flow, "csv")];
    for (flag, path, ending) in outputs {
        if let Some(path) = path {
            output::check_ending(flag, path, &[ending])?;
            ctx.will_write(flag, path)?;
        }
    }
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
    let engine = prepared.engine(ctx, &args.data, Vec::new(), args.flow.is_some())?;
    ctx.lap("derive");
    let adjoints = Adjoints::read(ctx, args, cell)?;
    let (params, inputs, state) = (prepared.params::<F>()?, prepared.inputs()?, prepared.states()?);
    let masks = prepared.masks()?;
    let progress = Progress::of(ctx, "forward");
    // What is here until the end need not be copied.
    let lent = || Lent { params: params.view(), inputs: inputs.view(), state: state.view() };
    let run = engine.forward_lent(lent(), &masks)?;
    drop(progress);
    ctx.lap("forward");
    if let Some(it) = &run.not_finite {
        return Err(it.clone().into());
    }
    let (steps, batch) = (run.steps(), run.batch());
    if args.data.memory.is_some() {
        feed::note_segments(ctx, run.segments());
    }
    let upstream = match args.upstream.is_empty() && run.loss(cell).is_some() {
        true => Upstream::of_loss(cell, &run),
        false => adjoints.upstream(prepared, steps, batch)?,
    };
    let progress = Progress::of(ctx, "backward");
    let gradients = engine.backward_with(&run, lent(), &upstream.view())?;
    ctx.lap("backward");
    let not_finite = match exec::check_gradients(bound, &gradients) {
        Some(found) => {
            let first = engine.first_not_finite_with(&run, lent(), &upstream.view())?;
            Some(told(found, first))
        }
        None => None,
    };
    drop(progress);
    if let Some(path) = &args.flow {
        ctx.write(path, &flow(cell, &gradients))?;
    }

    let all = named(cell, gradients, prepared.layout);
    let norms: Vec<Norm> = all.iter().map(Norm::of).collect();
    let dtype = <F as Real>::NAME;
    if args.data.json {
        let cell = cell.name.to_string();
        ctx.json(&Report {
            version: 1,
            cell,
            dtype,
            engine: run.engine(),
            steps,
            batch,
            gradients: norms,
        })?;
    } else {
        ctx.line(&feed::title(bound, steps, batch, dtype))?;
        ctx.out(&table(&norms))?;
    }
    if let Some(path) = &args.output {
        output::room(&all)?;
        ctx.write(path, &output::safetensors(all, &prepared.origin)?)?;
    }
    ctx.lap("write");
    if args.data.timings {
        ctx.show_timings();
    }
    not_finite.map_or(Ok(()), Err)
}

/// Returns a gradient that is not finite, and where it begins.
fn told(found: NotFinite, first: Option<NotFinite>) -> CliError {
    let message = match first {
        Some(first) => format!("{first}, so {found}"),
        None => found.to_string(),
    };
    CliError::Fit { code: Code::NotFinite, message }
}

/// The adjoints that were given, by output and by carried value.
struct Adjoints {
    arrays: BTreeMap<String, ArrayD<f64>>,
    /// Those that are 1 everywhere.
    ones: Vec<String>,
    outputs: Vec<String>,
    states: Vec<String>,
}

impl Adjoints {
    fn read(ctx: &mut Context, args: &GradArgs, cell: &ir::Cell) -> Result<Adjoints, CliError> {
        let outputs: Vec<String> = cell.outputs.iter().map(|it| it.name.to_string()).collect();
        let states: Vec<String> =
            cell.carries.iter().map(|it| format!("state.{}", it.name)).collect();
        let known: Vec<String> = outputs.iter().chain(&states).cloned().collect();
        let is_ones = |it: &&OsString| it.to_str().is_some_and(|it| it.ends_with("=ones"));
        let (ones, files): (Vec<&OsString>, Vec<&OsString>) =
            args.upstream.iter().partition(is_ones);
        let files: Vec<OsString> = files.into_iter().cloned().collect();
        let names = Names { flag: "--upstream", known: &known, prefix: "output." };
        let arrays = feed::named_arrays(ctx, &files, &names)?;
        let ones = ones.iter().map(|it| it.to_string_lossy().replace("=ones", ""));
        let ones: Vec<String> = ones.collect();
        for (idx, name) in ones.iter().enumerate() {
            let message = match known.contains(name) {
                false => format!("there is no such value, only {}", feed::list(&known)),
                true if arrays.contains_key(name) || ones[..idx].contains(name) => {
                    "it is given twice".to_owned()
                }
                true => continue,
            };
            return Err(CliError::Usage(format!("--upstream {name}: {message}")));
        }
        Ok(Adjoints { arrays, ones, outputs, states })
    }

    /// Checks the shapes, which follow from the run.
    fn upstream<F: Real>(
        mut self,
        prepared: &Prepared,
        steps: usize,
        batch: usize,
    ) -> Result<Upstream<F>, CliError> {
        let (bound, layout) = (&prepared.bound, prepared.layout);
        let misfit = |name: &str, expected: &str, array: &ArrayD<f64>| CliError::Fit {
            code: Code::DataDoesNotFit,
            message: format!(
                "--upstream {name} should be {expected}, the array is {:?}",
                array.shape()
            ),
        };
        let mut upstream = Upstream { outputs: Vec::new(), states: Vec::new() };
        for (idx, name) in self.outputs.iter().enumerate() {
            let mut expected = layout.leading(steps, batch);
            expected.extend(bound.output_shape(idx));
            let ones = || self.ones.contains(name).then(|| ArrayD::ones(expected.clone()));
            upstream.outputs.push(match self.arrays.remove(name).or_else(ones) {
                None => None,
                Some(array) if array.shape() == expected => {
                    Some(feed::typed(&layout.read_over_time(array)?)?)
                }
                Some(array) => return Err(misfit(name, &format!("{expected:?}"), &array)),
            });
        }
        for (name, shape) in self.states.iter().zip(bound.carry_shapes()) {
            let mut expected = vec![batch];
            expected.extend(shape);
            let ones = || self.ones.contains(name).then(|| ArrayD::ones(expected.clone()));
            upstream.states.push(match self.arrays.remove(name).or_else(ones) {
                None => None,
                Some(array) if array.shape() == expected => Some(feed::typed(&array)?),
                // One adjoint for all sequences, or the only one.
                Some(array) if array.shape() == shape => {
                    let array = array.broadcast(expected).expect("a new first axis");
                    Some(feed::typed(&array.to_owned())?)
                }
                Some(array) => {
                    return Err(misfit(name, &format!("{expected:?} or {shape:?}"), &array));
                }
            });
        }
        Ok(upstream)
    }
}

/// Returns all gradients under the names and with the axes that they have in files.
fn named<F: Real>(cell: &ir::Cell, gradients: Gradients<F>, layout: Layout) -> Vec<Named<F>> {
    let mut all = Vec::new();
    for (param, array) in cell.params.iter().zip(gradients.params) {
        all.extend(array.map(|array| Named { name: param.name.to_string(), array }));
    }
    for (input, array) in cell.inputs.iter().zip(gradients.inputs) {
        // The gradient of what a batch shares is summed and has no batch axis.
        let has_batch = |it: &ArrayD<F>| {
            it.ndim() == input.shape.rank() + if input.per_sequence { 1 } else { 2 }
        };
        let array = array.map(|it| match (has_batch(&it), input.per_sequence) {
            (false, _) => it,
            (true, false) => layout.over_time(it),
            (true, true) => layout.per_sequence(it),
        });
        all.extend(array.map(|array| Named { name: format!("input.{}", input.name), array }));
    }
    for (carry, array) in cell.carries.iter().zip(gradients.starts) {
        let array = array.map(|it| layout.per_sequence(it));
        all.extend(array.map(|array| Named { name: format!("state.{}", carry.name), array }));
    }
    all
}

/// Returns the norms as a table.
fn table(norms: &[Norm]) -> String {
    let shapes: Vec<String> = norms.iter().map(|it| format!("{:?}", it.shape)).collect();
    let name_width = norms.iter().map(|it| it.name.len()).max().unwrap_or(0).max(8);
    let shape_width = shapes.iter().map(String::len).max().unwrap_or(0).max(5);
    let mut text = format!("  {:name_width$}  {:shape_width$}      norm\n", "gradient", "shape");
    for (it, shape) in norms.iter().zip(&shapes) {
        let norm = output::short(it.norm.unwrap_or(0.0));
        text.push_str(&format!("  {:name_width$}  {shape:shape_width$} {norm:>9}\n", it.name));
    }
    text
}

/// Returns the norms of the states' adjoints: a row per step, 0 being before the first, a column per carried value.
fn flow<F: Real + Real32or64>(cell: &ir::Cell, gradients: &Gradients<F>) -> Vec<u8> {
    let columns: Vec<(&str, &Vec<F>)> = cell
        .carries
        .iter()
        .zip(&gradients.flow)
        .filter_map(|(carry, flow)| Some((&*carry.name, flow.as_ref()?)))
        .collect();
    let rows = columns.first().map_or(0, |(_, flow)| flow.len());
    let table =
        Array2::from_shape_fn((rows, columns.len()), |(row, column)| columns[column].1[row]);
    let names = columns.iter().map(|(name, _)| (*name).to_owned());
    let header: Vec<String> = std::iter::once("step".to_owned()).chain(names).collect();
    data::write_csv_numbered(&header, &table.view())
}
