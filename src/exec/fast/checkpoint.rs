//! Runs in segments of steps, so that memory does not grow with all of them.
//!
//! What forward keeps for backward grows with the steps. Where that is more than the caller allows,
//! forward keeps the carried values before each segment and nothing else of it; backward runs each
//! segment forward again, from the last to the first, and goes back through it while its rows are
//! there. Everything that a step knows of its past is carried, the number of the step too, so that a
//! segment from there on gives the very bits of the whole run.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use ndarray::ArrayD;

use super::backward::{self, Back};
use super::compile::{Compiled, RowSum};
use super::finite::Overflows;
use super::forward::{Machine, Results, Run};
use super::rows::is_plain;
use super::weights::Weights;
use crate::exec::arrays::{Gradients, InitialState};
use crate::exec::kernels::machine::{Frame, Memory, Packing};
use crate::exec::reference::{Checked, Given, RunError};
use crate::exec::views::{FeedView, UpstreamView, reborrow};
use crate::ir::NodeId;

/// A run that keeps nothing goes in segments of about so many rows at most, whatever is allowed: it
/// then takes the same memory however long its sequences are, and a segment is long enough that what
/// is done once for each does not count.
pub(super) const ROWS: usize = 1 << 14;

/// The bytes of a number, and of an index in the lists of a packing.
const NUMBER: u64 = size_of::<f32>() as u64;
const INDEX: u64 = size_of::<usize>() as u64;

/// Where the segments of a run begin.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// How many steps a segment has; the last one may have fewer.
    length: usize,
    count: usize,
    /// The carried values before each segment but the first one; none where no backward run follows.
    starts: Vec<InitialState<f32>>,
    /// The segment whose rows stand in the memory of the run.
    ready: Option<usize>,
}

impl Checkpoints {
    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.count
    }
}

/// What a run is divided by.
pub(super) struct Sizes<'s, 'g> {
    pub given: &'s Given<'g, f32>,
    pub compiled: &'s Compiled,
    /// The rows of all steps.
    pub packing: &'s Packing,
    /// How many threads there are.
    pub parts: usize,
}

/// What segments of a length need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Need {
    /// The steps of a segment.
    pub length: usize,
    /// The numbers of the memory that forward and backward have for a segment.
    pub forward: usize,
    pub backward: usize,
    /// All that the run holds at once, beside what is given, the results and what has the size of
    /// params.
    pub bytes: u64,
}

impl Sizes<'_, '_> {
    /// What segments of so many steps need.
    pub fn need(&self, length: usize) -> Need {
        let Compiled { plan: _, forward, backward, wanted: _ } = self.compiled;
        // No segment has more rows than the first one, for sequences only end.
        let (steps, packing) = (self.packing.steps(), self.packing.prefix(length));
        let numbers = |program| Frame::numbers(program, &packing, self.parts);
        let of_forward = numbers(&forward.program);
        let of_backward = backward.as_ref().map_or(0, |it| numbers(&it.program));
        let sums = backward.iter().flat_map(|it| it.sums.iter().flatten());
        let outers = sums.flat_map(|it| match it {
            RowSum::Outer(blocks) => blocks.clone(),
            RowSum::Scatter(_) | RowSum::Columns(_) => Vec::new(),
        });
        let of_sums = Frame::sums_numbers(outers, packing.rows(), self.parts);
        let width = |buffer: usize| forward.program.buffers()[buffer].width;
        // Rows that do not stand in the caller's arrays as they are wanted are copied.
        let is_plain = is_plain(self.packing, self.given.batch);
        let feeds = self.given.inputs.feeds.iter().zip(&forward.inputs);
        let feeds = feeds.zip(&self.given.bound.cell().inputs);
        let copied = feeds.filter_map(|((feed, buffer), input)| match feed.as_ref()? {
            FeedView::Batch(all) if is_plain && !input.per_sequence && all.as_slice().is_some() => {
                None
            }
            FeedView::Batch(_) | FeedView::Shared(_) => Some(width((*buffer)?)),
        });
        let masks = forward.masks.iter().flatten().map(|it| width(*it));
        // What upstream will be is not known yet.
        let adjoints = backward.iter().flat_map(|it| {
            let buffers = it.program.buffers();
            it.outputs.iter().map(|(_, buffer)| buffers[*buffer].width)
        });
        let row: usize = copied.chain(masks).chain(adjoints).sum();
        let carried: usize = forward.carries.iter().map(|it| width(*it)).sum();
        // Backward has three sets of adjoints of carried values beside those that forward left.
        let sets = match (steps.div_ceil(length.max(1)), backward) {
            (0 | 1, _) => 0,
            (_, None) => 2,
            (count, Some(_)) => count - 1 + 3,
        };
        let product = |a: usize, b: usize| (a as u64).saturating_mul(b as u64);
        let numbers = product(packing.rows(), row)
            .saturating_add(product(sets, self.given.batch).saturating_mul(carried as u64))
            .saturating_add(of_forward as u64)
            .saturating_add(of_backward as u64)
            .saturating_add(of_sums as u64);
        let indices = 3 * self.given.batch + 2 * (steps + length);
        let bytes = NUMBER.saturating_mul(numbers).saturating_add(product(indices, 1) * INDEX);
        Need { length, forward: of_forward, backward: of_backward, bytes }
    }

    /// Divides a run into as few segments as fit what is allowed, all about as long as each other:
    /// the fewer there are the less is kept of each, and the last one, whose rows are still there
    /// when backward begins, is not run again.
    pub fn divide(&self, limit: Option<u64>) -> Result<Need, RunError> {
        let steps = self.packing.steps();
        // A layer that reads backward begins at the end, where no segment but the last one is.
        let whole = self.compiled.plan.cell.reads_backward();
        let mut count = match self.compiled.backward {
            _ if whole => 1,
            Some(_) => 1,
            None => self.packing.rows().div_ceil(ROWS).max(1),
        };
        let mut least = u64::MAX;
        loop {
            let need = self.need(steps.div_ceil(count));
            let Some(limit) = limit.filter(|it| need.bytes > *it) else { return Ok(need) };
            least = least.min(need.bytes);
            if need.length <= 1 || whole {
                return Err(RunError::Memory { least, limit });
            }
            // The fewest segments that are shorter.
            count = steps.div_ceil(need.length - 1);
        }
    }
}

/// The first step of each segment, and the first one after it.
fn segments(
    steps: usize,
    length: usize,
) -> impl DoubleEndedIterator<Item = Range<usize>> + ExactSizeIterator {
    let count = steps.div_ceil(length);
    (0..count).map(move |it| it * length..steps.min((it + 1) * length))
}

/// What a segment is given: steps count from its own first one.
fn part<'p>(
    whole: &'p Given<'_, f32>,
    state: Option<&'p InitialState<f32>>,
    segment: &Range<usize>,
) -> Given<'p, f32> {
    let lengths = whole.lengths.iter();
    let lengths = lengths.map(|it| it.saturating_sub(segment.start).min(segment.len()));
    let lent = whole.lent();
    Given {
        bound: whole.bound,
        inputs: lent.inputs,
        state: state.map_or(lent.state, InitialState::view),
        params: lent.params,
        stamp: whole.stamp,
        steps: segment.len(),
        batch: whole.batch,
        lengths: lengths.collect(),
        bits: whole.bits.as_ref().map(Arc::clone),
        start: whole.start.clone(),
    }
}

/// Runs T steps of a batch in segments of so many.
pub(super) fn forward<'a>(
    given: Given<'a, f32>,
    compiled: Arc<Compiled>,
    weights: Arc<Weights>,
    memory: Memory,
    traces: &[NodeId],
    machine: Machine<'_>,
    length: usize,
) -> Result<Run<'a>, RunError> {
    let mut results = Results::zeros(&given, traces)?;
    let mut run = Run::bare(given, compiled, weights, memory, 0);
    let mut work = run.compiled.forward.program.workspace(machine.team.parts());
    let mut starts: Vec<InitialState<f32>> = Vec::new();
    let segments = segments(run.packing.steps(), length);
    let count = segments.len();
    let (mut suspect, mut overflows) = (None, Overflows::default());
    for (number, segment) in segments.enumerate() {
        let given = part(&run.given, starts.last(), &segment);
        let memory = std::mem::take(&mut run.memory);
        let (compiled, weights) = (Arc::clone(&run.compiled), Arc::clone(&run.weights));
        let mut now = Run::new(given, compiled, weights, memory, segment.start)?;
        now.compute(&mut work, machine)?;
        now.gather(traces, &mut results, machine);
        // The next segment takes the memory of these rows.
        if machine.finds && suspect.is_none() {
            suspect = now.look(&results, traces, machine);
        }
        if suspect.is_none() && number + 1 < count {
            now.note(&mut overflows, machine);
        }
        run.memory = now.memory;
        if number + 1 < count {
            if run.compiled.backward.is_none() {
                starts.clear();
            }
            let states = std::mem::take(&mut results.states);
            starts.push(InitialState(states.into_iter().map(Some).collect()));
        }
    }
    run.suspect = suspect.filter(|_| !run.is_finite(&results, machine));
    if let Some(it) = &mut run.suspect {
        it.past.extend(overflows.of(it.sequence));
    }
    run.take_results(results);
    run.checkpoints = Some(Checkpoints { length, count, starts, ready: Some(count - 1) });
    Ok(run)
}

/// The gradients of a run that went in segments.
pub(super) fn backward(
    run: &mut Run<'_>,
    weights: &Weights,
    memory: &mut Memory,
    upstream: &UpstreamView<'_, f32>,
    machine: Machine<'_>,
) -> Result<Gradients<f32>, RunError> {
    let compiled = Arc::clone(&run.compiled);
    let program = backward::backward_of(&compiled)?;
    let checked = Checked::new(&run.given, upstream)?;
    let mut gradients = backward::zeros(run)?;
    let Some(Checkpoints { length, count: _, starts, ready }) = &mut run.checkpoints else {
        return Ok(gradients);
    };
    let parts = machine.team.parts();
    let mut forward_work = compiled.forward.program.workspace(parts);
    let mut work = program.program.workspace(parts);
    // The rows that are there are those of one segment as long as no other one is run; should anything
    // fail, of none.
    let mut ready = ready.take();
    let mut states: Option<Vec<Option<ArrayD<f32>>>> = None;
    for (number, segment) in segments(run.packing.steps(), *length).enumerate().rev() {
        let given = part(&run.given, number.checked_sub(1).map(|it| &starts[it]), &segment);
        let memory_of_run = std::mem::take(&mut run.memory);
        let weights_forward = Arc::clone(&run.weights);
        let mut now =
            Run::new(given, Arc::clone(&compiled), weights_forward, memory_of_run, segment.start)?;
        if ready.take() != Some(number) {
            now.compute(&mut forward_work, machine)?;
        }
        let states_now = match &states {
            Some(states) => states.iter().map(|it| it.as_ref().map(|it| it.view())).collect(),
            None => reborrow(&upstream.states),
        };
        let back = Back { weights, upstream, checked: &checked, states: states_now, adds: true };
        now.looks = run.looks && run.blame.is_none();
        backward::rows(&mut now, &back, memory, &mut work, &mut gradients, machine)?;
        (run.memory, run.blame) = (now.memory, run.blame.take().or(now.blame));
        if number > 0 {
            // What comes to the beginning of a segment comes to the end of the one before.
            let zeros = |it: &Option<ArrayD<f32>>| Some(ArrayD::zeros(it.as_ref()?.raw_dim()));
            let next = gradients.starts.iter().map(zeros).collect();
            states = Some(std::mem::replace(&mut gradients.starts, next));
        }
    }
    if let Some(it) = &mut run.checkpoints {
        it.ready = Some(0);
    }
    backward::finish(run, &mut gradients)?;
    Ok(gradients)
}
