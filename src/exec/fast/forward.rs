//! A forward run.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayBase, ArrayD, Axis, Data, IxDyn, Slice};

use super::checkpoint::Checkpoints;
use super::compile::{self, Compiled, Forward};
use super::finite::{Blame, Overflows, Suspect, suspect};
use super::places::FIXED;
use super::rows::{fill, is_finite, is_plain, pack, unpack};
use super::weights::Weights;
use crate::exec::bind::Bound;
use crate::exec::kernels::machine::{Frame, Memory, Packing, Place, Program, Rows, Workspace};
use crate::exec::kernels::{Path, Team};
use crate::exec::reference::{Given, KeptGiven, RunError, ask};
use crate::exec::views::{FeedView, Lent};
use crate::ir::{Input, NodeId};

/// The results of a forward run, and what the backward run needs.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// Each output, `[T, B, ...]`; 0 beyond a sequence's length.
    pub outputs: Vec<ArrayD<f32>>,
    /// Each carried value after the last step of each sequence, `[B, ...]`.
    pub states: Vec<ArrayD<f32>>,
    /// Each node that was asked for, `[T, B, ...]`; 0 beyond a sequence's length.
    pub traces: Vec<ArrayD<f32>>,
    /// The place where a value is first not finite; `None` if the results have no NaN and no infinity.
    pub suspect: Option<Suspect>,
    /// True if backward gives norms.
    pub(super) flow: bool,
    /// True if backward looks for values that are not finite, and the first one that it found.
    pub(super) looks: bool,
    pub(super) blame: Option<Blame>,
    pub(super) compiled: Arc<Compiled>,
    pub(super) given: Given<'a, f32>,
    /// The step of the given arrays that is the first one here: in a segment of a run all steps
    /// count from its own first one.
    pub(super) begin: usize,
    pub(super) packing: Packing,
    pub(super) weights: Arc<Weights>,
    /// The rows of inputs and masks that the caller's arrays do not have in the wanted order: by
    /// buffer.
    pub(super) staged: Vec<(usize, Vec<f32>)>,
    pub(super) memory: Memory,
    /// The segments of a run that is divided; it has no rows of its own then.
    pub(super) checkpoints: Option<Checkpoints>,
}

/// The rest of a run when the arrays that it was lent are given back.
#[derive(Debug)]
pub(crate) struct Kept {
    compiled: Arc<Compiled>,
    given: KeptGiven<f32>,
    packing: Packing,
    weights: Arc<Weights>,
    staged: Vec<(usize, Vec<f32>)>,
    /// Gone while a backward run has it.
    memory: Memory,
    checkpoints: Option<Checkpoints>,
}

impl Kept {
    /// Returns the run once more, but for its results. The memory goes there; [`Kept::take`] brings it back.
    pub fn again<'a>(
        &mut self,
        bound: &'a Bound,
        lent: Lent<'a, f32>,
    ) -> Result<Run<'a>, RunError> {
        let given = self.given.clone().again(bound, lent)?;
        let (compiled, weights) = (Arc::clone(&self.compiled), Arc::clone(&self.weights));
        let mut run = Run::bare(given, compiled, weights, std::mem::take(&mut self.memory), 0);
        run.staged = std::mem::take(&mut self.staged);
        run.checkpoints = self.checkpoints.take();
        Ok(run)
    }

    /// Takes back what [`Kept::again`] lent to a run.
    pub fn take(&mut self, run: Run<'_>) {
        (self.memory, self.staged, self.checkpoints) = (run.memory, run.staged, run.checkpoints);
    }

    /// Returns the memory alone, of a run that is over.
    pub fn into_memory(self) -> Memory {
        self.memory
    }

    /// Returns the bytes of carried values, and of other values of the program's own that a backward run reads.
    pub fn kept_bytes(&self) -> usize {
        let Some(backward) = &self.compiled.backward else { return 0 };
        let program = &self.compiled.forward;
        let buffers = program.program.buffers();
        let carried = program.carries.iter().map(|it| buffers[*it].numbers(&self.packing));
        let own =
            |it: &&compile::Kept| buffers[it.buffer].own && !program.carries.contains(&it.buffer);
        let values = backward.kept.iter().filter(own).map(|it| it.n * self.packing.rows());
        carried.chain(values).sum::<usize>() * size_of::<f32>()
    }
}

/// The engine's parts that a run computes with.
#[derive(Clone, Copy)]
pub(super) struct Machine<'m> {
    pub path: Path,
    pub team: &'m Team,
    /// True if forward looks for values that are not finite.
    pub finds: bool,
}

/// Runs T steps of a batch.
pub(super) fn forward<'a>(
    given: Given<'a, f32>,
    compiled: Arc<Compiled>,
    weights: Arc<Weights>,
    memory: Memory,
    traces: &[NodeId],
    machine: Machine<'_>,
) -> Result<Run<'a>, RunError> {
    let mut run = Run::new(given, compiled, weights, memory, 0)?;
    let mut work = run.compiled.forward.program.workspace(machine.team.parts());
    run.compute(&mut work, machine)?;
    let mut results = Results::zeros(&run.given, traces)?;
    run.gather(traces, &mut results, machine);
    if machine.finds && !run.is_finite(&results, machine) {
        run.suspect = run.look(&results, traces, machine);
    }
    run.take_results(results);
    Ok(run)
}

/// Looks whether there is memory for what a program computes.
pub(super) fn make_room(
    memory: &mut Memory,
    program: &Program,
    packing: &Packing,
    team: &Team,
    what: &str,
) -> Result<(), RunError> {
    let numbers = Frame::numbers(program, packing, team.parts());
    if memory.numbers() >= numbers {
        return Ok(());
    }
    // What was there is given back first, as it is when the larger one is taken.
    *memory = Memory::default();
    ask::<f32>(numbers, what)
}

/// The arrays of a run over all of its steps.
pub(super) struct Results {
    pub outputs: Vec<ArrayD<f32>>,
    pub traces: Vec<ArrayD<f32>>,
    /// The carried values after the last step so far.
    pub states: Vec<ArrayD<f32>>,
}

impl Results {
    /// Zeros, for all steps.
    pub fn zeros(given: &Given<'_, f32>, traces: &[NodeId]) -> Result<Results, RunError> {
        let zeros =
            |node: NodeId, what: &str| given.zeros(&given.bound.step_shapes()[node.idx()], what);
        let outputs = given.bound.cell().outputs.iter().map(|it| zeros(it.node, "an output"));
        Ok(Results {
            outputs: outputs.collect::<Result<_, _>>()?,
            traces: traces.iter().map(|it| zeros(*it, "a trace")).collect::<Result<_, _>>()?,
            states: Vec::new(),
        })
    }
}

/// Returns the steps of an array that has them as its first axis.
pub(super) fn steps(all: &mut ArrayD<f32>, steps: Range<usize>) -> ndarray::ArrayViewMutD<'_, f32> {
    all.slice_axis_mut(Axis(0), Slice::from(steps))
}

/// Returns the rows of inputs and masks that must be packed.
fn stage(
    given: &Given<'_, f32>,
    begin: usize,
    program: &Forward,
    packing: &Packing,
) -> Result<Vec<(usize, Vec<f32>)>, RunError> {
    let mut staged = Vec::new();
    let inputs = &given.bound.cell().inputs;
    for ((feed, buffer), input) in given.inputs.feeds.iter().zip(&program.inputs).zip(inputs) {
        let (Some(feed), Some(buffer)) = (feed, buffer) else { continue };
        if direct(input, feed, begin, packing, given.batch).is_some() {
            continue;
        }
        let n = program.program.buffers()[*buffer].width;
        ask::<f32>(n * packing.rows(), "the rows of an input")?;
        let row =
            |t: usize, sequence: usize| feed.at(input, feed.array().view(), begin + t, sequence);
        staged.push((*buffer, pack(packing, n, row)));
    }
    for (mask, buffer) in program.masks.iter().enumerate() {
        let Some(buffer) = buffer else { continue };
        let n = program.program.buffers()[*buffer].width;
        ask::<f32>(n * packing.rows(), "the rows of a mask")?;
        let mut rows = Vec::with_capacity(n * packing.rows());
        for (t, sequence, _) in super::rows::each(packing) {
            rows.extend(given.mask(mask, begin + t, sequence).iter());
        }
        staged.push((*buffer, rows));
    }
    Ok(staged)
}

/// Returns the rows of an input from a step on in the caller's array, if it has the wanted order.
fn direct<'f>(
    input: &Input,
    feed: &'f FeedView<'_, f32>,
    begin: usize,
    packing: &Packing,
    batch: usize,
) -> Option<&'f [f32]> {
    match feed {
        FeedView::Batch(array) if !input.per_sequence && is_plain(packing, batch) => {
            from_step(array, begin)
        }
        FeedView::Batch(_) | FeedView::Shared(_) => None,
    }
}

/// Returns the elements of an array from a step on, if they have no gaps.
pub(super) fn from_step<S: Data<Elem = f32>>(
    array: &ArrayBase<S, IxDyn>,
    begin: usize,
) -> Option<&[f32]> {
    let all = array.as_slice()?;
    let step = all.len() / array.len_of(Axis(0)).max(1);
    all.get(begin * step..)
}

impl<'a> Run<'a> {
    /// Returns a run, or a segment of one that begins at a step of the given arrays. Nothing is computed.
    pub(super) fn new(
        given: Given<'a, f32>,
        compiled: Arc<Compiled>,
        weights: Arc<Weights>,
        memory: Memory,
        begin: usize,
    ) -> Result<Run<'a>, RunError> {
        let mut run = Run::bare(given, compiled, weights, memory, begin);
        run.staged = stage(&run.given, begin, &run.compiled.forward, &run.packing)?;
        Ok(run)
    }

    /// As [`Run::new`], of which only segments are run: no rows are packed for it.
    pub(super) fn bare(
        given: Given<'a, f32>,
        compiled: Arc<Compiled>,
        weights: Arc<Weights>,
        memory: Memory,
        begin: usize,
    ) -> Run<'a> {
        let packing = Packing::new(&given.lengths);
        Run {
            outputs: Vec::new(),
            states: Vec::new(),
            traces: Vec::new(),
            suspect: None,
            flow: false,
            looks: false,
            blame: None,
            compiled,
            given,
            begin,
            packing,
            weights,
            staged: Vec::new(),
            memory,
            checkpoints: None,
        }
    }

    /// Runs all steps, from the starts on.
    pub(super) fn compute(
        &mut self,
        work: &mut Workspace,
        machine: Machine<'_>,
    ) -> Result<(), RunError> {
        let program = &self.compiled.forward;
        let what = "what a forward run computes";
        make_room(&mut self.memory, &program.program, &self.packing, machine.team, what)?;
        let mut memory = std::mem::take(&mut self.memory);
        let mut frame = self.frame(&mut memory, machine.team);
        let carries = &self.given.bound.cell().carries;
        for (carry, buffer) in program.carries.iter().enumerate() {
            let (width, order) = (frame.width(*buffer), carries[carry].order);
            let place = Place { buffer: *buffer, offset: 0, rows: Rows::read(order) };
            let positions = &self.packing.order()[..self.packing.width()];
            for (position, sequence) in positions.iter().enumerate() {
                // Where the first step on its way reads it.
                let t = order.reversed().last(self.given.lengths[*sequence]).unwrap_or_default();
                let first = frame.offset(place, t, position);
                let to = &mut frame.data_mut(*buffer)[first..first + width];
                match self.given.start_view(carry, *sequence) {
                    Some(start) => fill(to, &start),
                    None => to.fill(0.0),
                }
            }
        }
        program.program.run(machine.path, &self.weights.packs, &mut frame, work, machine.team);
        drop(frame);
        self.memory = memory;
        Ok(())
    }

    /// Writes what was computed into the steps of the results that are those of this run.
    pub(super) fn gather(
        &mut self,
        traces: &[NodeId],
        results: &mut Results,
        machine: Machine<'_>,
    ) {
        let mut memory = std::mem::take(&mut self.memory);
        let program = &self.compiled.forward;
        let frame = self.frame(&mut memory, machine.team);
        let now = self.begin..self.begin + self.given.steps;
        let gather = |node: NodeId, to: &mut ArrayD<f32>| {
            if let Some(place) = program.places[node.idx()] {
                unpack(&frame, place, Some(self.given.batch), steps(to, now.clone()), machine.team);
            }
        };
        let outputs = self.given.bound.cell().outputs.iter();
        outputs.zip(&mut results.outputs).for_each(|(it, to)| gather(it.node, to));
        traces.iter().zip(&mut results.traces).for_each(|(it, to)| gather(*it, to));
        results.states = (0..program.carries.len()).map(|it| self.last(&frame, it)).collect();
        drop(frame);
        self.memory = memory;
    }

    /// Makes results those of the run.
    pub(super) fn take_results(&mut self, results: Results) {
        let Results { outputs, traces, states } = results;
        (self.outputs, self.traces, self.states) = (outputs, traces, states);
    }

    /// Looks where something is first not finite, in the rows that were computed.
    pub(super) fn look(
        &mut self,
        results: &Results,
        traces: &[NodeId],
        machine: Machine<'_>,
    ) -> Option<Suspect> {
        let mut memory = std::mem::take(&mut self.memory);
        let frame = self.frame(&mut memory, machine.team);
        let found = suspect(self, &frame, results, traces);
        drop(frame);
        self.memory = memory;
        found
    }

    /// Notes where carried values overflowed in the rows that were computed.
    pub(super) fn note(&mut self, overflows: &mut Overflows, machine: Machine<'_>) {
        let mut memory = std::mem::take(&mut self.memory);
        let frame = self.frame(&mut memory, machine.team);
        overflows.note(self, &frame);
        drop(frame);
        self.memory = memory;
    }

    /// Returns true if all results of all steps are finite.
    pub(super) fn is_finite(&self, results: &Results, machine: Machine<'_>) -> bool {
        let all = |it: &ArrayD<f32>| it.as_slice().is_some_and(|it| is_finite(it, machine.team));
        // A sequence without steps keeps its start, which may be infinite.
        let lengths = &self.given.lengths;
        let moved = |it: &ArrayD<f32>| match lengths.contains(&0) {
            false => all(it),
            true => {
                let rows = it.outer_iter().zip(lengths).filter(|it| *it.1 > 0);
                rows.flat_map(|it| it.0.into_iter()).all(|it| it.is_finite())
            }
        };
        let over_time = results.outputs.iter().chain(&results.traces);
        over_time.clone().all(all) && results.states.iter().all(moved)
    }

    /// Returns the memory of the run as the forward program has it.
    pub(super) fn frame<'m>(&'m self, memory: &'m mut Memory, team: &Team) -> Frame<'m> {
        let program = &self.compiled.forward;
        let mut frame = Frame::new(&program.program, &self.packing, team.parts(), memory);
        frame.lend(FIXED, &self.weights.fixed);
        let inputs = &self.given.bound.cell().inputs;
        let feeds = self.given.inputs.feeds.iter().zip(&program.inputs).zip(inputs);
        for ((feed, buffer), input) in feeds {
            if let (Some(feed), Some(buffer)) = (feed, buffer)
                && let Some(rows) = direct(input, feed, self.begin, &self.packing, self.given.batch)
            {
                frame.lend(*buffer, rows);
            }
        }
        for (buffer, rows) in &self.staged {
            frame.lend(*buffer, rows);
        }
        frame
    }

    /// Returns the arguments of the run.
    pub fn given(&self) -> &Given<'a, f32> {
        &self.given
    }

    /// T.
    pub fn steps(&self) -> usize {
        self.given.steps
    }

    /// B.
    pub fn batch(&self) -> usize {
        self.given.batch
    }

    /// Returns the number of steps of each sequence.
    pub fn lengths(&self) -> &[usize] {
        &self.given.lengths
    }

    /// Returns the number of segments that the steps were divided into.
    pub fn segments(&self) -> usize {
        self.checkpoints.as_ref().map_or(1, Checkpoints::segments)
    }

    /// Returns the bits of each mask in training.
    pub fn masks(&self) -> Option<Arc<Vec<ArrayD<f32>>>> {
        self.given.bits.clone()
    }

    /// Returns the rest of the run, and gives the arrays back.
    pub fn keep(self) -> Kept {
        let Run { compiled, given, packing, weights, staged, memory, checkpoints, .. } = self;
        Kept { compiled, given: given.keep(), packing, weights, staged, memory, checkpoints }
    }

    /// Returns a carried value after the last step of each sequence.
    fn last(&self, frame: &Frame<'_>, carry: usize) -> ArrayD<f32> {
        let shape = &self.given.bound.carry_shapes()[carry];
        let mut all = vec![self.given.batch];
        all.extend(shape);
        let mut last = ArrayD::zeros(IxDyn(&all));
        let buffer = self.compiled.forward.carries[carry];
        let n = frame.width(buffer);
        let order = self.given.bound.cell().carries[carry].order;
        let place = Place { buffer, offset: 0, rows: Rows::written(order) };
        let Some(to) = last.as_slice_mut() else { return last };
        for (position, sequence) in self.packing.order().iter().enumerate() {
            let to = &mut to[sequence * n..(sequence + 1) * n];
            match order.last(self.given.lengths[*sequence]) {
                None => {
                    if let Some(start) = self.given.start_view(carry, *sequence) {
                        fill(to, &start);
                    }
                }
                Some(t) => {
                    let first = frame.offset(place, t, position);
                    to.copy_from_slice(&frame.data(buffer)[first..first + n]);
                }
            }
        }
        last
    }
}
