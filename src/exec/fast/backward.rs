//! Back-propagation through time.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, Axis};

use super::compile::{Backward, Compiled};
use super::error::EngineError;
use super::finite::blame;
use super::forward::{Machine, Run, from_step, make_room, steps};
use super::gradients::{Target, param_gradients};
use super::places::FIXED;
use super::rows::{fill, is_plain, norm, norms, pack, sum_steps, unpack};
use super::weights::Weights;
use crate::exec::arrays::Gradients;
use crate::exec::kernels::machine::{Frame, Memory, Place, Rows, Workspace};
use crate::exec::reference::{Checked, RunError, ask, finish_starts, zero_gradients};
use crate::exec::views::{FeedView, UpstreamView, reborrow};
use crate::ir::Order;

/// The memory of a backward run over the rows of a run, or of a segment of one.
pub(super) struct Back<'b, 'v> {
    pub weights: &'b Weights,
    pub upstream: &'b UpstreamView<'v, f32>,
    pub checked: &'b Checked<'b, 'v, f32>,
    /// The adjoints of the carried values after the last step of each sequence.
    pub states: Vec<Option<ArrayViewD<'b, f32>>>,
    /// True if gradients of params are added to those that are there.
    pub adds: bool,
}

impl Back<'_, '_> {
    /// Returns the adjoint of a carried value after the last step of a sequence, if any comes.
    fn state(&self, carry: usize, sequence: usize) -> Option<ArrayViewD<'_, f32>> {
        Some(self.states[carry].as_ref()?.index_axis(Axis(0), sequence))
    }
}

/// Returns the gradients of a run whose plan keeps what they need.
pub(super) fn backward(
    run: &mut Run<'_>,
    weights: &Weights,
    memory: &mut Memory,
    upstream: &UpstreamView<'_, f32>,
    machine: Machine<'_>,
) -> Result<Gradients<f32>, RunError> {
    let compiled = Arc::clone(&run.compiled);
    let program = backward_of(&compiled)?;
    let mut gradients = zeros(run)?;
    let checked = Checked::new(&run.given, upstream)?;
    let states = reborrow(&upstream.states);
    let back = Back { weights, upstream, checked: &checked, states, adds: false };
    let mut work = program.program.workspace(machine.team.parts());
    rows(run, &back, memory, &mut work, &mut gradients, machine)?;
    finish(run, &mut gradients)?;
    Ok(gradients)
}

/// Returns the program of the backward pass.
pub(super) fn backward_of(compiled: &Compiled) -> Result<&Backward, RunError> {
    let none = || RunError::Data("the run kept nothing for a backward run".to_owned());
    compiled.backward.as_ref().ok_or_else(none)
}

/// Gradients without anything in them yet.
pub(super) fn zeros(run: &Run<'_>) -> Result<Gradients<f32>, RunError> {
    let mut gradients = zero_gradients(&run.given)?;
    if run.flow {
        let flow = |it: &Option<ArrayD<f32>>| it.as_ref().map(|_| vec![0.0; run.given.steps + 1]);
        gradients.flow = gradients.starts.iter().map(flow).collect();
    }
    Ok(gradients)
}

/// Ends a backward run once adjoints have come to the first step.
pub(super) fn finish(run: &Run<'_>, gradients: &mut Gradients<f32>) -> Result<(), RunError> {
    let carries = &run.compiled.plan.cell.carries;
    for ((flow, start), carry) in gradients.flow.iter_mut().zip(&gradients.starts).zip(carries) {
        let (Some(flow), Some(start)) = (flow, start) else { continue };
        match carry.order {
            // Sequences without a step count before the first one.
            Order::Ascending => flow[0] = start.as_slice().map_or(0.0, norm),
            // Those that end at a step start beside others that go on.
            Order::Descending => {
                for (start, length) in start.outer_iter().zip(&run.given.lengths) {
                    let own = start.as_slice().map_or(0.0, norm);
                    flow[*length] = flow[*length].hypot(own);
                }
            }
        }
    }
    finish_starts(&run.given, &run.compiled.plan.adjoint, gradients)
}

/// Back-propagates through the rows that forward kept. Gradients of inputs and norms are written at
/// the steps of the run; those of starts are the adjoints before its first step.
pub(super) fn rows(
    run: &mut Run<'_>,
    back: &Back<'_, '_>,
    memory: &mut Memory,
    work: &mut Workspace,
    gradients: &mut Gradients<f32>,
    machine: Machine<'_>,
) -> Result<(), RunError> {
    let compiled = Arc::clone(&run.compiled);
    let program = backward_of(&compiled)?;
    let Back { weights, upstream, .. } = *back;
    let staged = stage(run, program, back)?;
    let what = "what a backward run computes";
    make_room(memory, &program.program, &run.packing, machine.team, what)?;
    let mut forward_memory = std::mem::take(&mut run.memory);
    let forward = run.frame(&mut forward_memory, machine.team);
    let mut frame = Frame::new(&program.program, &run.packing, machine.team.parts(), memory);
    frame.lend(FIXED, &weights.fixed);
    for (buffer, of) in &program.lent {
        frame.lend(*buffer, forward.data(*of));
    }
    for ((output, buffer), staged) in program.outputs.iter().zip(&staged) {
        match staged {
            Some(rows) => frame.lend(*buffer, rows),
            None => {
                let given = upstream.outputs[*output].as_ref();
                let rows = given.and_then(|it| from_step(it, run.begin));
                let none = || {
                    let cell = &compiled.plan.cell;
                    let (graph, node) = (&cell.step, cell.outputs[*output].node);
                    EngineError::at(graph, node, "no adjoint of it is given, and backward reads it")
                };
                frame.lend(*buffer, rows.ok_or_else(none)?);
            }
        }
    }
    seed(run, &compiled, program, back, &mut frame);
    program.program.run(machine.path, &weights.packs, &mut frame, work, machine.team);

    let env = run.given.bound.env();
    let params = Target { gradients: &mut gradients.params, adds: back.adds };
    param_gradients(&compiled, program, weights, env, &frame, machine, params)?;
    let batch = run.given.batch;
    let declared = &run.given.bound.cell().inputs;
    let feeds = run.given.inputs.feeds.iter().zip(declared);
    for ((gradient, (feed, input)), root) in
        gradients.inputs.iter_mut().zip(feeds).zip(&compiled.plan.adjoint.inputs)
    {
        let (Some(gradient), Some(feed), Some(root)) = (gradient, feed, root) else { continue };
        let Some(place) = program.places[root.idx()] else { continue };
        let batch = match feed {
            FeedView::Batch(_) => Some(batch),
            FeedView::Shared(_) => None,
        };
        if input.per_sequence {
            sum_steps(&frame, place, batch.is_some(), gradient.view_mut());
            continue;
        }
        let now = run.begin..run.begin + run.given.steps;
        unpack(&frame, place, batch, steps(gradient, now), machine.team);
    }
    let found = run.looks.then(|| blame(run, program, [&forward, &frame])).flatten();
    starts(run, program, back, &frame, &mut gradients.starts);
    flow(run, program, &frame, &mut gradients.flow, machine);
    drop(frame);
    drop(forward);
    run.memory = forward_memory;
    run.blame = found;
    Ok(())
}

/// Returns the adjoints of outputs, packed; none if the caller's arrays have the wanted order.
fn stage(
    run: &Run<'_>,
    program: &Backward,
    back: &Back<'_, '_>,
) -> Result<Vec<Option<Vec<f32>>>, RunError> {
    let packing = &run.packing;
    let one = |(output, buffer): &(usize, usize)| {
        let n = program.program.buffers()[*buffer].width;
        Ok(match &back.upstream.outputs[*output] {
            Some(given) if is_plain(packing, run.given.batch) && given.as_slice().is_some() => None,
            Some(given) => {
                ask::<f32>(n * packing.rows(), "the adjoints of an output")?;
                let row = |t: usize, sequence: usize| {
                    given.index_axis(Axis(0), run.begin + t).index_axis_move(Axis(0), sequence)
                };
                Some(pack(packing, n, row))
            }
            None => {
                ask::<f32>(n * packing.rows(), "the adjoints of an output")?;
                Some(vec![back.checked.filled(*output); n * packing.rows()])
            }
        })
    };
    program.outputs.iter().map(one).collect()
}

/// The adjoints of carried values after the last step of each sequence; 0 where nothing flows back.
fn seed(
    run: &Run<'_>,
    compiled: &Compiled,
    program: &Backward,
    back: &Back<'_, '_>,
    frame: &mut Frame<'_>,
) {
    let packing = &run.packing;
    for (carry, buffer) in program.carries.iter().enumerate() {
        let n = frame.width(*buffer);
        if compiled.plan.adjoint.carries[carry].is_none() {
            frame.data_mut(*buffer).fill(0.0);
        }
        let order = compiled.plan.cell.carries[carry].order;
        let place = Place { buffer: *buffer, offset: 0, rows: Rows::written(order) };
        for (position, sequence) in packing.order()[..packing.width()].iter().enumerate() {
            let last = order.last(run.given.lengths[*sequence]).unwrap_or_default();
            let first = frame.offset(place, last, position);
            let to = &mut frame.data_mut(*buffer)[first..first + n];
            match back.state(carry, *sequence) {
                Some(given) => fill(to, &given),
                None => to.fill(0.0),
            }
        }
    }
}

/// The gradients of the carried values before the first step.
fn starts(
    run: &Run<'_>,
    program: &Backward,
    back: &Back<'_, '_>,
    frame: &Frame<'_>,
    starts: &mut [Option<ArrayD<f32>>],
) {
    for (carry, buffer) in program.carries.iter().enumerate() {
        let Some(start) = &mut starts[carry] else { continue };
        let n = frame.width(*buffer);
        let Some(to) = start.as_slice_mut() else { continue };
        let order = run.compiled.plan.cell.carries[carry].order;
        let place = Place { buffer: *buffer, offset: 0, rows: Rows::read(order) };
        for (position, sequence) in run.packing.order().iter().enumerate() {
            let to = &mut to[sequence * n..(sequence + 1) * n];
            if let Some(t) = order.reversed().last(run.given.lengths[*sequence]) {
                let first = frame.offset(place, t, position);
                to.copy_from_slice(&frame.data(*buffer)[first..first + n]);
            } else if let Some(given) = back.state(carry, *sequence) {
                fill(to, &given);
            }
        }
    }
}

/// The norm of all that comes to each carried value after each step of the run.
fn flow(
    run: &Run<'_>,
    program: &Backward,
    frame: &Frame<'_>,
    flow: &mut [Option<Vec<f32>>],
    machine: Machine<'_>,
) {
    let nexts = &run.compiled.plan.adjoint.nexts;
    for (carry, norms_of) in flow.iter_mut().enumerate() {
        let Some(norms_of) = norms_of else { continue };
        // A value that does not vary has what comes from the next step.
        let of_next = nexts[carry].and_then(|it| program.places[it.idx()]);
        let buffer = program.carries[carry];
        let order = run.compiled.plan.cell.carries[carry].order;
        let place = of_next.unwrap_or(Place { buffer, offset: 0, rows: Rows::written(order) });
        let first = run.begin + order.after(0);
        let now = &mut norms_of[first..first + run.packing.steps()];
        norms(frame, place, frame.width(buffer), now, machine.team);
    }
}
