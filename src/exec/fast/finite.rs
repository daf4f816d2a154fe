//! Where a run first has a NaN, or an infinity where there must be none.
//!
//! Outputs and traces stand in arrays over all steps, inputs and carried values in rows for all
//! steps, so the first step at fault is found by looking. What else that step computed is not known
//! any more: the interpreter computes this one step of this one sequence again, from the carried
//! values before it, and names the first value at fault (`reference::look_again`).
//!
//! A NaN that a step keeps to itself, as one that `where` does not select, shows in none of these.

use ndarray::{ArrayD, IxDyn};

use super::compile::Backward;
use super::forward::{Results, Run, from_step};
use crate::exec::kernels::machine::{Frame, Packing, Place, Rows};
use crate::exec::reference::NotFinite;
use crate::ir::NodeId;
use crate::plan;

/// The first step at which something is not finite.
#[derive(Debug)]
pub(crate) struct Suspect {
    /// What shows there.
    pub seen: NotFinite,
    /// The step.
    pub step: usize,
    /// The sequence.
    pub sequence: usize,
    /// Its carried values before the step.
    pub before: Vec<ArrayD<f32>>,
}

/// The last step at which an adjoint is not finite, which is the first on the way back.
#[derive(Debug)]
pub(crate) struct Blame {
    /// The step.
    pub step: usize,
    /// The sequence.
    pub sequence: usize,
    /// Its carried values before the step.
    pub before: Vec<ArrayD<f32>>,
    /// The adjoints of its carried values after the step.
    pub adjoints: Vec<ArrayD<f32>>,
}

/// The carried values of one sequence, or their adjoints, in these rows of a step.
fn carried(
    run: &Run<'_>,
    (buffers, frame): (&[usize], &Frame<'_>),
    (rows, t, position): (Rows, usize, usize),
) -> Vec<ArrayD<f32>> {
    let carries = buffers.iter().zip(run.given.bound.carry_shapes());
    let one = |(buffer, shape): (&usize, &Vec<usize>)| {
        let first = frame.offset(Place { buffer: *buffer, offset: 0, rows }, t, position);
        let row = &frame.data(*buffer)[first..first + frame.width(*buffer)];
        ArrayD::from_shape_vec(IxDyn(shape), row.to_vec()).unwrap_or_default()
    };
    carries.map(one).collect()
}

/// Looks through the adjoints of a run, or of a segment of one, that were computed. `frames` are those
/// of forward and of backward.
pub(super) fn blame(run: &Run<'_>, program: &Backward, frames: [&Frame<'_>; 2]) -> Option<Blame> {
    let (plan, packing) = (&run.compiled.plan, &run.packing);
    let [forward, frame] = frames;
    let graph = &plan.adjoint.graph;
    let old = |buffer: &usize| {
        (Place { buffer: *buffer, offset: 0, rows: Rows::Old }, frame.width(*buffer))
    };
    let carries = program.carries.iter().zip(&plan.adjoint.carries);
    let carries = carries.filter(|it| it.1.is_some()).map(|it| old(it.0));
    // What gradients of params are made of, but for what forward computed.
    let summed = plan::row_operands(graph, &plan.sums).into_iter();
    let summed = summed.filter(|it| !graph.node(*it).op.is_leaf());
    let nodes = plan.adjoint.inputs.iter().flatten().copied().chain(summed);
    let nodes = nodes.filter_map(|it| {
        Some((program.places[it.idx()]?, program.shapes[it.idx()].iter().product()))
    });
    let places: Vec<(Place, usize)> = carries.chain(nodes).collect();
    let wrong = |t: usize, position: usize| {
        places.iter().any(|(place, n)| {
            let first = frame.offset(*place, t, position);
            frame.data(place.buffer)[first..first + n].iter().any(|it| !it.is_finite())
        })
    };
    for t in (0..packing.steps()).rev() {
        let positions = (0..packing.active()[t]).filter(|it| wrong(t, *it));
        if let Some(position) = positions.min_by_key(|it| packing.order()[*it]) {
            return Some(Blame {
                step: run.begin + t,
                sequence: packing.order()[position],
                before: carried(
                    run,
                    (&run.compiled.forward.carries, forward),
                    (Rows::Old, t, position),
                ),
                adjoints: carried(run, (&program.carries, frame), (Rows::New, t, position)),
            });
        }
    }
    None
}

/// All that some value is at the steps of a run.
struct Values<'v> {
    name: String,
    shape: &'v [usize],
    wrong: fn(f32) -> bool,
    all: &'v [f32],
    /// How many sequences an array `[T, B, ...]` has; `None` of packed rows.
    batch: Option<usize>,
}

impl Values<'_> {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether anything is wrong at any step.
    fn is_wrong(&self, packing: &Packing) -> bool {
        let rows = self.batch.map_or(packing.rows(), |it| it * packing.steps());
        // In blocks, without a way out: that is done with vectors.
        let block = |it: &[f32]| it.iter().fold(false, |found, it| found | (self.wrong)(*it));
        self.all[..rows * self.len()].chunks(1024).any(block)
    }

    /// The first wrong number at a step of a sequence, which stands at a position.
    fn wrong_at(&self, packing: &Packing, t: usize, position: usize) -> Option<(usize, f32)> {
        let row = match self.batch {
            Some(batch) => t * batch + packing.order()[position],
            None => packing.first_row(Rows::Each, t) + position,
        };
        let numbers = self.all[row * self.len()..].iter().copied().take(self.len());
        numbers.enumerate().find(|it| (self.wrong)(it.1))
    }
}

/// Looks through the rows of a run, or of a segment of one, that were computed.
pub(super) fn suspect(
    run: &Run<'_>,
    frame: &Frame<'_>,
    results: &Results,
    traces: &[NodeId],
) -> Option<Suspect> {
    let packing = &run.packing;
    let values = all_values(run, frame, results, traces);
    let wrong: Vec<&Values<'_>> = values.iter().filter(|it| it.is_wrong(packing)).collect();
    for t in 0..packing.steps() {
        let is_wrong =
            |position: &usize| wrong.iter().any(|it| it.wrong_at(packing, t, *position).is_some());
        let positions = (0..packing.active()[t]).filter(is_wrong);
        let Some(position) = positions.min_by_key(|it| packing.order()[*it]) else { continue };
        let step = run.begin + t;
        let sequence = packing.order()[position];
        let seen = wrong.iter().find_map(|it| {
            let (at, value) = it.wrong_at(packing, t, position)?;
            Some(NotFinite::at_step(&it.name, f64::from(value), step, sequence, at, it.shape))
        });
        let buffers = &run.compiled.forward.carries;
        let before = carried(run, (buffers, frame), (Rows::Old, t, position));
        return Some(Suspect { seen: seen?, step, sequence, before });
    }
    None
}

/// What is looked through: the values of the interpreter that are there, in its order.
fn all_values<'v>(
    run: &'v Run<'_>,
    frame: &'v Frame<'_>,
    results: &'v Results,
    traces: &[NodeId],
) -> Vec<Values<'v>> {
    let bound = run.given.bound;
    let (cell, program) = (bound.cell(), &run.compiled.forward);
    let is_nan: fn(f32) -> bool = |it| it.is_nan();
    let mut all = Vec::new();
    let inputs = cell.inputs.iter().zip(&program.inputs).zip(bound.input_shapes());
    for ((input, buffer), shape) in inputs {
        let Some(buffer) = buffer else { continue };
        let name = input.name.to_string();
        all.push(Values { name, shape, wrong: is_nan, all: frame.data(*buffer), batch: None });
    }
    let over_time = |name: &str, shape, wrong, array: &'v ArrayD<f32>| {
        let all = from_step(array, run.begin).unwrap_or_default();
        let batch = Some(run.given.batch);
        Values { name: name.to_owned(), shape, wrong, all, batch }
    };
    for (node, array) in traces.iter().zip(&results.traces) {
        if let Some(value) = cell.values.iter().find(|it| it.node == *node) {
            let shape = &bound.step_shapes()[node.idx()];
            all.push(over_time(&value.name, shape, is_nan, array));
        }
    }
    let carries = cell.carries.iter().zip(&program.carries).zip(bound.carry_shapes());
    for ((carry, buffer), shape) in carries {
        let new = &frame.data(*buffer)[run.packing.width() * frame.width(*buffer)..];
        let name = carry.name.to_string();
        all.push(Values { name, shape, wrong: is_nan, all: new, batch: None });
    }
    for (at, (output, array)) in cell.outputs.iter().zip(&results.outputs).enumerate() {
        all.push(over_time(&output.name, bound.output_shape(at), |it| !it.is_finite(), array));
    }
    all
}
