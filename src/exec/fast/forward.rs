//! A forward run.

use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn};

use super::compile::{Compiled, Forward, Kept};
use super::places::FIXED;
use super::rows::{fill, is_finite, is_plain, pack, unpack};
use super::weights::Weights;
use crate::exec::arrays::Feed;
use crate::exec::kernels::machine::{Frame, Memory, Packing, Rows};
use crate::exec::kernels::{Path, Team};
use crate::exec::reference::{Given, RunError};
use crate::ir::NodeId;

/// The results of a forward run, and what the backward run needs.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// Each output, `[T, B, ...]`; 0 beyond a sequence's length.
    pub outputs: Vec<ArrayD<f32>>,
    /// Each carried value after the last step of each sequence, `[B, ...]`.
    pub states: Vec<ArrayD<f32>>,
    /// Each node that was asked for, `[T, B, ...]`; 0 beyond a sequence's length.
    pub traces: Vec<ArrayD<f32>>,
    /// Whether no NaN and no infinity stands in the results.
    pub is_finite: bool,
    pub(super) compiled: Arc<Compiled>,
    pub(super) given: Given<'a, f32>,
    pub(super) packing: Packing,
    pub(super) weights: Arc<Weights>,
    /// The rows of inputs and masks that do not stand in the caller's arrays as they are wanted: by
    /// buffer.
    pub(super) staged: Vec<(usize, Vec<f32>)>,
    pub(super) memory: Memory,
}

/// What a run computes with.
#[derive(Clone, Copy)]
pub(super) struct Machine<'m> {
    pub path: Path,
    pub team: &'m Team,
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
    let packing = Packing::new(&given.lengths);
    let staged = stage(&given, &compiled.forward, &packing);
    let mut run = Run {
        outputs: Vec::new(),
        states: Vec::new(),
        traces: Vec::new(),
        is_finite: true,
        compiled: Arc::clone(&compiled),
        given,
        packing,
        weights,
        staged,
        memory,
    };
    let program = &compiled.forward;
    let mut memory = std::mem::take(&mut run.memory);
    let mut frame = run.frame(&mut memory, machine.team);
    for (carry, buffer) in program.carries.iter().enumerate() {
        let width = frame.width(*buffer);
        let rows = frame.data_mut(*buffer);
        for (position, sequence) in run.packing.order[..run.packing.width()].iter().enumerate() {
            let to = &mut rows[position * width..(position + 1) * width];
            match run.given.start_view(carry, *sequence) {
                Some(start) => fill(to, &start),
                None => to.fill(0.0),
            }
        }
    }
    let mut work = program.program.workspace(machine.team.parts());
    program.program.run(machine.path, &run.weights.packs, &mut frame, &mut work, machine.team);
    let bound = run.given.bound;
    let gather = |node: NodeId| -> Result<ArrayD<f32>, RunError> {
        let mut all = run.given.zeros(&bound.step_shapes()[node.idx()])?;
        if let Some(place) = program.places[node.idx()] {
            unpack(&frame, place, Some(run.given.batch), &mut all);
        }
        Ok(all)
    };
    let outputs =
        bound.cell().outputs.iter().map(|it| gather(it.node)).collect::<Result<_, _>>()?;
    let traces = traces.iter().map(|it| gather(*it)).collect::<Result<_, _>>()?;
    let states = (0..program.carries.len()).map(|it| run.last(&frame, it)).collect();
    drop(frame);
    (run.outputs, run.traces, run.states) = (outputs, traces, states);
    let results = [&run.outputs, &run.states, &run.traces];
    let finite = |it: &ArrayD<f32>| it.as_slice().is_some_and(is_finite);
    run.is_finite = results.into_iter().flatten().all(finite);
    run.memory = memory;
    Ok(run)
}

/// The rows of inputs and masks that must be packed.
fn stage(given: &Given<'_, f32>, program: &Forward, packing: &Packing) -> Vec<(usize, Vec<f32>)> {
    let mut staged = Vec::new();
    for (feed, buffer) in given.inputs.feeds.iter().zip(&program.inputs) {
        let (Some(feed), Some(buffer)) = (feed, buffer) else { continue };
        if direct(feed, packing, given.batch).is_some() {
            continue;
        }
        let n = program.program.buffers()[*buffer].width;
        let row = |t: usize, sequence: usize| {
            let now = feed.array().index_axis(Axis(0), t);
            match feed {
                Feed::Batch(_) => now.index_axis_move(Axis(0), sequence),
                Feed::Shared(_) => now,
            }
        };
        staged.push((*buffer, pack(packing, n, row)));
    }
    for (mask, buffer) in program.masks.iter().enumerate() {
        let Some(buffer) = buffer else { continue };
        let n = program.program.buffers()[*buffer].width;
        let mut rows = Vec::with_capacity(n * packing.rows());
        for (t, sequence, _) in super::rows::each(packing) {
            rows.extend(given.mask(mask, t, sequence).iter());
        }
        staged.push((*buffer, rows));
    }
    staged
}

/// The rows of an input where they stand, if they stand as they are wanted.
fn direct<'f>(feed: &'f Feed<f32>, packing: &Packing, batch: usize) -> Option<&'f [f32]> {
    match feed {
        Feed::Batch(array) if is_plain(packing, batch) => array.as_slice(),
        Feed::Batch(_) | Feed::Shared(_) => None,
    }
}

impl<'a> Run<'a> {
    /// The memory of the run as the forward program has it.
    pub(super) fn frame<'m>(&'m self, memory: &'m mut Memory, team: &Team) -> Frame<'m> {
        let program = &self.compiled.forward;
        let mut frame = Frame::new(&program.program, &self.packing, team.parts(), memory);
        frame.lend(FIXED, &self.weights.fixed);
        for (feed, buffer) in self.given.inputs.feeds.iter().zip(&program.inputs) {
            if let (Some(feed), Some(buffer)) = (feed, buffer)
                && let Some(rows) = direct(feed, &self.packing, self.given.batch)
            {
                frame.lend(*buffer, rows);
            }
        }
        for (buffer, rows) in &self.staged {
            frame.lend(*buffer, rows);
        }
        frame
    }

    /// The bytes of carried values, and of other values of the program's own that a backward run
    /// reads.
    pub fn kept_bytes(&self) -> usize {
        let Some(backward) = &self.compiled.backward else { return 0 };
        let program = &self.compiled.forward;
        let buffers = program.program.buffers();
        let carried = program.carries.iter().map(|it| buffers[*it].numbers(&self.packing));
        let own = |it: &&Kept| buffers[it.buffer].own && !program.carries.contains(&it.buffer);
        let values = backward.kept.iter().filter(own).map(|it| it.n * self.packing.rows());
        carried.chain(values).sum::<usize>() * size_of::<f32>()
    }

    /// T.
    pub fn steps(&self) -> usize {
        self.given.steps
    }

    /// B.
    pub fn batch(&self) -> usize {
        self.given.batch
    }

    /// How many steps each sequence has.
    pub fn lengths(&self) -> &[usize] {
        &self.given.lengths
    }

    /// The bits of each mask in training.
    pub fn masks(&self) -> &[ArrayD<f32>] {
        self.given.bits.as_deref().unwrap_or_default()
    }

    /// A carried value after the last step of each sequence.
    fn last(&self, frame: &Frame<'_>, carry: usize) -> ArrayD<f32> {
        let shape = &self.given.bound.carry_shapes()[carry];
        let mut all = vec![self.given.batch];
        all.extend(shape);
        let mut last = ArrayD::zeros(IxDyn(&all));
        let buffer = self.compiled.forward.carries[carry];
        let n = frame.width(buffer);
        let place = crate::exec::kernels::machine::Place { buffer, offset: 0, rows: Rows::New };
        let Some(to) = last.as_slice_mut() else { return last };
        for (position, sequence) in self.packing.order.iter().enumerate() {
            let to = &mut to[sequence * n..(sequence + 1) * n];
            match self.given.lengths[*sequence].checked_sub(1) {
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
