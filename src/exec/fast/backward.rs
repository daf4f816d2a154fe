//! Back-propagation through time.

use std::sync::Arc;

use ndarray::{ArrayD, Axis};

use super::compile::{Backward, Compiled};
use super::forward::{Machine, Run};
use super::gradients::param_gradients;
use super::places::FIXED;
use super::rows::{fill, is_plain, pack, squares, unpack};
use super::weights::Weights;
use crate::exec::arrays::{Feed, Gradients, Upstream};
use crate::exec::kernels::machine::{Frame, Memory, Place, Rows};
use crate::exec::reference::{Checked, RunError, finish_starts, zero_gradients};

/// The gradients of a run whose plan keeps what they need.
pub(super) fn backward(
    run: &mut Run<'_>,
    weights: &Weights,
    memory: &mut Memory,
    upstream: &Upstream<f32>,
    machine: Machine<'_>,
) -> Result<Gradients<f32>, RunError> {
    let compiled = Arc::clone(&run.compiled);
    let Some(program) = &compiled.backward else {
        return Err(RunError::Data("the run kept nothing for a backward run".to_owned()));
    };
    let mut gradients = zero_gradients(&run.given);
    let checked = Checked::new(&run.given, upstream)?;
    let staged = stage(run, program, upstream, &checked);
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
            None => frame.lend(
                *buffer,
                upstream.outputs[*output].as_ref().and_then(|it| it.as_slice()).unwrap_or_default(),
            ),
        }
    }
    seed(run, &compiled, program, &checked, &mut frame);
    let mut work = program.program.workspace(machine.team.parts());
    program.program.run(machine.path, &weights.packs, &mut frame, &mut work, machine.team);

    let env = run.given.bound.env();
    param_gradients(&compiled, program, weights, env, &frame, machine, &mut gradients.params);
    let batch = run.given.batch;
    for ((gradient, feed), root) in
        gradients.inputs.iter_mut().zip(&run.given.inputs.feeds).zip(&compiled.plan.adjoint.inputs)
    {
        let (Some(gradient), Some(feed), Some(root)) = (gradient, feed, root) else { continue };
        let Some(place) = program.places[root.idx()] else { continue };
        let batch = match feed {
            Feed::Batch(_) => Some(batch),
            Feed::Shared(_) => None,
        };
        unpack(&frame, place, batch, gradient);
    }
    starts(run, program, &checked, &frame, &mut gradients.starts);
    gradients.flow = flow(run, program, &frame, &gradients);
    drop(frame);
    drop(forward);
    run.memory = forward_memory;
    finish_starts(&run.given, &compiled.plan.adjoint, &mut gradients)?;
    Ok(gradients)
}

/// The adjoints of outputs, packed; none where they stand as they are wanted.
fn stage(
    run: &Run<'_>,
    program: &Backward,
    upstream: &Upstream<f32>,
    checked: &Checked<'_, f32>,
) -> Vec<Option<Vec<f32>>> {
    let packing = &run.packing;
    let one = |(output, buffer): &(usize, usize)| {
        let n = program.program.buffers()[*buffer].width;
        match &upstream.outputs[*output] {
            Some(given) if is_plain(packing, run.given.batch) && given.as_slice().is_some() => None,
            Some(given) => {
                let row = |t: usize, sequence: usize| {
                    given.index_axis(Axis(0), t).index_axis_move(Axis(0), sequence)
                };
                Some(pack(packing, n, row))
            }
            None => Some(vec![checked.filled(*output); n * packing.rows()]),
        }
    };
    program.outputs.iter().map(one).collect()
}

/// The adjoints of carried values after the last step of each sequence; 0 where nothing flows back.
fn seed(
    run: &Run<'_>,
    compiled: &Compiled,
    program: &Backward,
    checked: &Checked<'_, f32>,
    frame: &mut Frame<'_>,
) {
    let packing = &run.packing;
    for (carry, buffer) in program.carries.iter().enumerate() {
        let n = frame.width(*buffer);
        if compiled.plan.adjoint.carries[carry].is_none() {
            frame.data_mut(*buffer).fill(0.0);
        }
        let place = Place { buffer: *buffer, offset: 0, rows: Rows::New };
        for (position, sequence) in packing.order[..packing.width()].iter().enumerate() {
            let last = run.given.lengths[*sequence] - 1;
            let first = frame.offset(place, last, position);
            let to = &mut frame.data_mut(*buffer)[first..first + n];
            match checked.given_state(carry, *sequence) {
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
    checked: &Checked<'_, f32>,
    frame: &Frame<'_>,
    starts: &mut [Option<ArrayD<f32>>],
) {
    for (carry, buffer) in program.carries.iter().enumerate() {
        let Some(start) = &mut starts[carry] else { continue };
        let n = frame.width(*buffer);
        let Some(to) = start.as_slice_mut() else { continue };
        for (position, sequence) in run.packing.order.iter().enumerate() {
            let to = &mut to[sequence * n..(sequence + 1) * n];
            if run.given.lengths[*sequence] > 0 {
                to.copy_from_slice(&frame.data(*buffer)[position * n..(position + 1) * n]);
            } else if let Some(given) = checked.given_state(carry, *sequence) {
                fill(to, &given);
            }
        }
    }
}

/// The norm of the adjoint of each carried value before each step and after the last.
fn flow(
    run: &Run<'_>,
    program: &Backward,
    frame: &Frame<'_>,
    gradients: &Gradients<f32>,
) -> Vec<Option<Vec<f32>>> {
    let packing = &run.packing;
    let one = |(carry, buffer): (usize, &usize)| {
        // Sequences without a step count before the first one.
        let start = gradients.starts[carry].as_ref()?;
        let n = frame.width(*buffer);
        let mut norms = vec![0.0; run.given.steps + 1];
        norms[0] = start.as_slice().map_or(0.0, squares).sqrt();
        let place = Place { buffer: *buffer, offset: 0, rows: Rows::New };
        for t in 0..packing.steps() {
            let first = frame.offset(place, t, 0);
            let rows = &frame.data(*buffer)[first..first + packing.active[t] * n];
            norms[t + 1] = squares(rows).sqrt();
        }
        Some(norms)
    };
    program.carries.iter().enumerate().map(one).collect()
}
