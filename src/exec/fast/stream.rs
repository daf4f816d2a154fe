//! One step at a time, for sequences that come bit by bit.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::compile::Compiled;
use super::forward::Machine;
use super::places::FIXED;
use super::rows::fill;
use super::weights::Weights;
use crate::exec::kernels::machine::{Bases, Frame, Memory, Packing, Workspace};
use crate::exec::reference::Given;
use crate::ir::{Input, Real};

/// The carried values of a batch between two steps, and all that a step works in: a step allocates
/// nothing.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The stamp of the engine.
    engine: u64,
    /// The params that the weights are of.
    stamp: u64,
    weights: Arc<Weights>,
    compiled: Arc<Compiled>,
    packing: Packing,
    memory: Memory,
    bases: Bases,
    work: Workspace,
    /// The rows of each given input, by buffer; those of inputs per sequence stay.
    inputs: Vec<(usize, Vec<f32>)>,
    batch: usize,
    /// True after the first step with these weights: the values that are the same at all steps are there.
    begun: bool,
}

impl Stream {
    /// At the start of sequences: those of a call.
    pub(super) fn new(
        engine: u64,
        given: &Given<'_, f32>,
        compiled: Arc<Compiled>,
        weights: Arc<Weights>,
        machine: Machine<'_>,
    ) -> Stream {
        let program = &compiled.forward;
        let batch = given.batch;
        let packing = Packing::new(&vec![1; batch]);
        let buffers = program.program.buffers();
        let slots = given.bound.cell().inputs.iter().zip(&program.inputs).enumerate();
        let slots = slots.filter_map(|(idx, (input, buffer))| Some((idx, input, (*buffer)?)));
        let rows = |(idx, input, buffer): (usize, &Input, usize)| {
            let n = buffers[buffer].width;
            let mut rows = vec![0.0; n * batch];
            if input.per_sequence && n > 0 {
                let to = rows.chunks_exact_mut(n).enumerate();
                to.for_each(|(sequence, to)| fill(to, &given.input(idx, 0, sequence).view()));
            }
            (buffer, rows)
        };
        let inputs = slots.map(rows).collect();
        let work = program.program.workspace(machine.team.parts());
        let mut memory = Memory::default();
        let mut frame = Frame::new(&program.program, &packing, machine.team.parts(), &mut memory);
        for (carry, buffer) in program.carries.iter().enumerate() {
            let width = frame.width(*buffer);
            for sequence in 0..batch {
                let to = &mut frame.data_mut(*buffer)[sequence * width..(sequence + 1) * width];
                match given.start_view(carry, sequence) {
                    Some(start) => fill(to, &start),
                    None => to.fill(0.0),
                }
            }
        }
        let bases = frame.end();
        let stamp = given.stamp;
        Stream {
            engine,
            stamp,
            weights,
            compiled,
            packing,
            memory,
            bases,
            work,
            inputs,
            batch,
            begun: false,
        }
    }

    /// Returns the stamp of the engine that it is of.
    pub(super) fn engine(&self) -> u64 {
        self.engine
    }

    /// Returns the stamp of the params that the weights are of.
    pub(super) fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Goes on with other weights.
    pub(super) fn renew(&mut self, stamp: u64, weights: Arc<Weights>) {
        (self.stamp, self.weights, self.begun) = (stamp, weights, false);
    }

    /// One step: reads `[B, ...]` of each input of a step, writes `[B, ...]` of each output.
    pub(super) fn step<F: Real>(
        &mut self,
        inputs: &[ArrayViewD<'_, F>],
        outputs: &mut [ArrayD<f32>],
        machine: Machine<'_>,
    ) {
        let program = &self.compiled.forward;
        let mut inputs = inputs.iter();
        let mut slots = self.inputs.iter_mut();
        for (input, buffer) in self.compiled.plan.cell.inputs.iter().zip(&program.inputs) {
            let given = if input.per_sequence { None } else { inputs.next() };
            let slot = buffer.and_then(|_| slots.next());
            if let (Some(from), Some((_, rows))) = (given, slot) {
                rows.iter_mut().zip(from).for_each(|(to, from)| *to = Real::to_f64(*from) as f32);
            }
        }
        let bases = std::mem::take(&mut self.bases);
        let parts = machine.team.parts();
        let mut frame =
            Frame::again(&program.program, &self.packing, parts, &mut self.memory, bases);
        frame.lend(FIXED, &self.weights.fixed);
        for (buffer, rows) in &self.inputs {
            frame.lend(*buffer, rows);
        }
        frame.begun = std::mem::replace(&mut self.begun, true);
        let packs = &self.weights.packs;
        program.program.run(machine.path, packs, &mut frame, &mut self.work, machine.team);
        let nodes = self.compiled.plan.cell.outputs.iter().map(|it| it.node);
        for (output, node) in outputs.iter_mut().zip(nodes) {
            let Some(place) = program.places[node.idx()] else { continue };
            let Some(to) = output.as_slice_mut() else { continue };
            let n = to.len() / self.batch;
            for position in 0..self.batch {
                let first = frame.offset(place, 0, position);
                let from = &frame.data(place.buffer)[first..first + n];
                to[position * n..(position + 1) * n].copy_from_slice(from);
            }
        }
        // The rows after the step are those before the next one.
        for buffer in &program.carries {
            let n = frame.width(*buffer) * self.batch;
            frame.data_mut(*buffer).copy_within(n..2 * n, 0);
        }
        self.bases = frame.end();
    }

    /// Returns the carried values as they are now, `[B, ...]`.
    pub(super) fn states(&mut self, shapes: &[Vec<usize>], parts: usize) -> Vec<ArrayD<f32>> {
        let program = &self.compiled.forward;
        let frame = Frame::new(&program.program, &self.packing, parts, &mut self.memory);
        let one = |(shape, buffer): (&Vec<usize>, &usize)| {
            let whole: Vec<usize> = [&[self.batch], &shape[..]].concat();
            let n = whole.iter().product();
            let rows = frame.data(*buffer)[..n].to_vec();
            ArrayD::from_shape_vec(IxDyn(&whole), rows).unwrap_or_default()
        };
        shapes.iter().zip(&program.carries).map(one).collect()
    }
}
