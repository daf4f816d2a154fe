//! Finds the first NaN of a run, or the first infinity where there must be none.
//!
//! Outputs and traces are in arrays over all steps, inputs and carried values in rows for all
//! steps, so the first step at fault is found by looking. What else that step computed is not known
//! any more: the interpreter computes this one step of this one sequence again, from the carried
//! values before it, and names the first value at fault (`reference::look_again`).
//!
//! A NaN that a step keeps to itself, as one that `where` does not select, shows in none of these.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use super::compile::Backward;
use super::forward::{Results, Run, from_step};
use super::rows::each;
use crate::exec::kernels::machine::{Frame, Packing, Place, Rows};
use crate::exec::reference::NotFinite;
use crate::ir::{Carry, NodeId};
use crate::plan;

/// The first step at which something is not finite.
#[derive(Debug)]
pub(crate) struct Suspect {
    /// The value in which it shows.
    pub seen: NotFinite,
    /// The step.
    pub step: usize,
    /// The sequence.
    pub sequence: usize,
    /// Its carried values as the step reads them; while any of them is not finite as the step before it does too, as far as
    /// rows are there, and as the steps of earlier segments did in which some overflowed.
    pub past: BTreeMap<usize, Vec<ArrayD<f32>>>,
}

/// The most steps of a sequence whose carried values are kept, in which some overflowed.
const MOST_STEPS: usize = 8;
/// The most such sequences.
const MOST_SEQUENCES: usize = 256;

/// The steps of segments that are gone at which carried values ceased to be finite, by sequence: a NaN may come of them much
/// later.
#[derive(Debug, Default)]
pub(super) struct Overflows(BTreeMap<usize, BTreeMap<usize, Vec<ArrayD<f32>>>>);

impl Overflows {
    /// Looks through the rows of a segment.
    pub fn note(&mut self, run: &Run<'_>, frame: &Frame<'_>) {
        let buffers = &run.compiled.forward.carries;
        let is_finite = |it: &usize| frame.data(*it).iter().all(|it| it.is_finite());
        if buffers.iter().all(is_finite) {
            return;
        }
        let cell = run.given.bound.cell();
        for (t, sequence, position) in each(&run.packing) {
            let overflows = buffers.iter().zip(&cell.carries).any(|(buffer, carry)| {
                let row = |rows| {
                    let place = Place { buffer: *buffer, offset: 0, rows };
                    let first = frame.offset(place, t, position);
                    &frame.data(*buffer)[first..first + frame.width(*buffer)]
                };
                let (old, new) = (row(Rows::read(carry.order)), row(Rows::written(carry.order)));
                old.iter().zip(new).any(|(old, new)| old.is_finite() && !new.is_finite())
            });
            if !overflows || !self.0.contains_key(&sequence) && self.0.len() >= MOST_SEQUENCES {
                continue;
            }
            let known = self.0.entry(sequence).or_default();
            if known.len() < MOST_STEPS {
                known.insert(run.begin + t, carried(run, (buffers, frame), false, (t, position)));
            }
        }
    }

    /// Returns the known values of a sequence.
    pub fn of(mut self, sequence: usize) -> BTreeMap<usize, Vec<ArrayD<f32>>> {
        self.0.remove(&sequence).unwrap_or_default()
    }
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

/// Returns the carried values of one sequence as a step reads them, or their adjoints, which go against them.
fn carried(
    run: &Run<'_>,
    (buffers, frame): (&[usize], &Frame<'_>),
    against: bool,
    (t, position): (usize, usize),
) -> Vec<ArrayD<f32>> {
    let carries = &run.given.bound.cell().carries;
    let carries = buffers.iter().zip(carries).zip(run.given.bound.carry_shapes());
    let one = |((buffer, carry), shape): ((&usize, &Carry), &Vec<usize>)| {
        let rows = if against { Rows::written(carry.order) } else { Rows::read(carry.order) };
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
    let whens = plan.cell.reads_backward().then(|| plan::when_back(&plan.cell, &plan.adjoint));
    let carries = program.carries.iter().zip(&plan.adjoint.carries).zip(&plan.cell.carries);
    // What a step gives to the one that comes next on the way back.
    let carries = carries.filter_map(|((buffer, root), carry)| {
        let rows = Rows::read(carry.order);
        Some(((*root)?, Place { buffer: *buffer, offset: 0, rows }, frame.width(*buffer)))
    });
    // What gradients of params are made of, but for what forward computed.
    let summed = plan::row_operands(graph, &plan.sums).into_iter();
    let summed = summed.filter(|it| !graph.node(*it).op.is_leaf());
    let nodes = plan.adjoint.inputs.iter().flatten().copied().chain(summed);
    let nodes = nodes.filter_map(|it| {
        Some((it, program.places[it.idx()]?, program.shapes[it.idx()].iter().product()))
    });
    let places: Vec<(NodeId, Place, usize)> = carries.chain(nodes).collect();
    let wrong = |place: &Place, n: usize, t: usize, position: usize| {
        let first = frame.offset(*place, t, position);
        frame.data(place.buffer)[first..first + n].iter().any(|it| !it.is_finite())
    };
    // The first on the way back: from the last step, or where adjoints go both ways, in the order of the pass.
    let key = |node: NodeId, t: usize, sequence: usize| match &whens {
        None => (0, packing.steps() - 1 - t),
        Some(whens) => whens[node.idx()].key(t, run.given.lengths[sequence]),
    };
    let mut first = None;
    for (t, sequence, position) in each(packing) {
        for (node, place, n) in &places {
            let key = (key(*node, t, sequence), sequence);
            if first.as_ref().is_none_or(|it: &((_, _), _)| key < it.0)
                && wrong(place, *n, t, position)
            {
                first = Some((key, (t, position)));
            }
        }
    }
    let ((_, sequence), at) = first?;
    Some(Blame {
        step: run.begin + at.0,
        sequence,
        before: carried(run, (&run.compiled.forward.carries, forward), false, at),
        adjoints: carried(run, (&program.carries, frame), true, at),
    })
}

/// All that some value is at the steps of a run.
struct Values<'v> {
    name: String,
    shape: &'v [usize],
    /// The node of the step, or of an input the step alone tells when it is known.
    node: Option<NodeId>,
    wrong: fn(f32) -> bool,
    all: &'v [f32],
    stands: Stands,
}

/// The way in which the rows of a value lie.
#[derive(Clone, Copy)]
enum Stands {
    /// In an array `[T, B, ...]` of so many sequences.
    Array(usize),
    /// Packed.
    Packed(Rows),
}

impl Values<'_> {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns true if any step has a wrong value.
    fn is_wrong(&self, packing: &Packing) -> bool {
        let rows = match self.stands {
            Stands::Array(batch) => batch * packing.steps(),
            Stands::Packed(Rows::Old | Rows::New) => packing.width() + packing.rows(),
            Stands::Packed(Rows::Each | Rows::Fixed | Rows::Local) => packing.rows(),
        };
        // In blocks, without a way out: that is done with vectors.
        let block = |it: &[f32]| it.iter().fold(false, |found, it| found | (self.wrong)(*it));
        self.all[..rows * self.len()].chunks(1024).any(block)
    }

    /// Returns the first wrong element at a step of a sequence, given by its position.
    fn wrong_at(&self, packing: &Packing, t: usize, position: usize) -> Option<(usize, f32)> {
        let row = match self.stands {
            Stands::Array(batch) => t * batch + packing.order()[position],
            Stands::Packed(rows) => packing.first_row(rows, t) + position,
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
    let cell = run.given.bound.cell();
    let whens = cell.reads_backward().then(|| plan::when(cell));
    // The first step, or where values go both ways, the first in the order of the pass.
    let key = |node: Option<NodeId>, t: usize, sequence: usize| match (&whens, node) {
        (Some(whens), Some(node)) => whens[node.idx()].key(t, run.given.lengths[sequence]),
        (Some(_), None) | (None, _) => (0, t),
    };
    let mut first = None;
    for (t, sequence, position) in each(packing) {
        for it in &wrong {
            let key = (key(it.node, t, sequence), sequence);
            if first.as_ref().is_none_or(|it: &((_, _), _)| key < it.0)
                && let Some((at, value)) = it.wrong_at(packing, t, position)
            {
                let step = run.begin + t;
                let value = f64::from(value);
                let seen = NotFinite::at_step(&it.name, value, step, sequence, at, it.shape);
                first = Some((key, (seen, t, position)));
            }
        }
    }
    let ((_, sequence), (seen, t, position)) = first?;
    let mut past = BTreeMap::new();
    // Where values go both ways any step may be one that it comes from.
    let steps = if whens.is_some() { run.given.lengths[sequence] } else { t + 1 };
    for t in (0..steps).rev() {
        // A sequence keeps its place among those that are not over.
        let read = carried(run, (&run.compiled.forward.carries, frame), false, (t, position));
        let is_finite = read.iter().flatten().all(|it| it.is_finite());
        past.insert(run.begin + t, read);
        if is_finite && whens.is_none() {
            break;
        }
    }
    Some(Suspect { seen, step: run.begin + t, sequence, past })
}

/// Lists the values of the interpreter that are there, in its order.
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
        let (all_rows, stands) = (frame.data(*buffer), Stands::Packed(Rows::Each));
        all.push(Values { name, shape, node: None, wrong: is_nan, all: all_rows, stands });
    }
    let over_time = |name: &str, shape, node, wrong, array: &'v ArrayD<f32>| {
        let all = from_step(array, run.begin).unwrap_or_default();
        let stands = Stands::Array(run.given.batch);
        Values { name: name.to_owned(), shape, node: Some(node), wrong, all, stands }
    };
    for (node, array) in traces.iter().zip(&results.traces) {
        if let Some(value) = cell.values.iter().find(|it| it.node == *node) {
            let shape = &bound.step_shapes()[node.idx()];
            all.push(over_time(&value.name, shape, *node, is_nan, array));
        }
    }
    let carries = cell.carries.iter().zip(&program.carries).zip(bound.carry_shapes());
    for ((carry, buffer), shape) in carries {
        let (name, node) = (carry.name.to_string(), Some(carry.next));
        let (all_rows, stands) = (frame.data(*buffer), Stands::Packed(Rows::written(carry.order)));
        all.push(Values { name, shape, node, wrong: is_nan, all: all_rows, stands });
    }
    for (at, (output, array)) in cell.outputs.iter().zip(&results.outputs).enumerate() {
        let shape = bound.output_shape(at);
        all.push(over_time(&output.name, shape, output.node, |it| !it.is_finite(), array));
    }
    all
}
