//! The reference interpreter: each sequence alone, one step after the other, on unbatched arrays.
//!
//! Nothing here is clever. That a batch equals its sequences run alone, that lengths cut, and that
//! T steps at once equal T runs of one step hold because nothing else is done. What is given is
//! checked before the first step.

mod backward;
mod both_ways;
mod cause;
mod error;
mod finite;
mod given;
mod tangent;

use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn};

pub use backward::backward;
pub(crate) use backward::{
    At, Checked, backward_from, finish_starts, first_not_finite, look_back, zero_gradients,
};
pub(crate) use cause::Known;
pub use error::RunError;
pub(crate) use finite::look_again;
pub use finite::{NotFinite, Place, check_gradients};
pub(crate) use given::{Given, InCall, Kept as KeptGiven, LentCall, ask, zeros};
pub use tangent::tangent;

use super::arrays::{InitialState, Inputs, Params};
use super::bind::Bound;
use super::eval::{Program, Value};
use super::masks::Masks;
use super::views::Lent;
use crate::ir::{Leaf, Node, NodeId, Op, Real};
use crate::plan;
use crate::text::Name;

/// The cell and graphs that one call runs.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a, F> {
    /// The cell with its sizes.
    pub bound: &'a Bound,
    /// Its weights.
    pub params: &'a Params<F>,
    /// The arrays that run through it.
    pub inputs: &'a Inputs<F>,
    /// The start of the carried values.
    pub state: &'a InitialState<F>,
    /// The masks; [`Masks::Eval`] does for a cell without any.
    pub masks: &'a Masks<F>,
}

/// The results of a forward run, and what the backward run needs.
#[derive(Clone, Debug)]
pub struct Run<'a, F> {
    /// Each output, `[T, B, ...]`; 0 beyond a sequence's length.
    pub outputs: Vec<ArrayD<F>>,
    /// Each carried value after the last step of each sequence, `[B, ...]`.
    pub states: Vec<ArrayD<F>>,
    /// Each named value that was asked for, `[T, B, ...]`; 0 beyond a sequence's length.
    pub traces: Vec<ArrayD<F>>,
    /// The first NaN of a named value or infinity of an output.
    pub not_finite: Option<NotFinite>,
    pub(crate) given: Given<'a, F>,
    pub(crate) step: Program<'a, F>,
    /// For each sequence, the carried values as each of its steps reads them, and after the last.
    pub(crate) past: Arc<Past<F>>,
}

/// For each sequence, for each step, the carried values.
type Past<F> = Vec<Vec<Vec<Value<F>>>>;

/// The values that a backward run needs beside the arrays that the forward run was lent.
#[derive(Clone, Debug)]
pub(crate) struct Kept<F> {
    pub(crate) given: KeptGiven<F>,
    past: Arc<Past<F>>,
}

impl<F: Real> Kept<F> {
    /// Returns the run once more, but for its results.
    pub(crate) fn again<'a>(
        &self,
        bound: &'a Bound,
        lent: Lent<'a, F>,
    ) -> Result<Run<'a, F>, RunError> {
        let given = self.given.clone().again(bound, lent)?;
        let step = step_program(&given);
        Ok(Run {
            outputs: Vec::new(),
            states: Vec::new(),
            traces: Vec::new(),
            not_finite: None,
            given,
            step,
            past: Arc::clone(&self.past),
        })
    }
}

impl<F: Real> Run<'_, F> {
    /// Returns the rest of the run, and gives the arrays back.
    pub(crate) fn keep(self) -> Kept<F> {
        Kept { given: self.given.keep(), past: self.past }
    }
}

/// Returns the step, with all that is the same at every step.
fn step_program<'a, F: Real>(given: &Given<'a, F>) -> Program<'a, F> {
    let bound = given.bound;
    let fixed = &mut |_, node: &Node| given.fixed(&node.op);
    Program::new(&bound.cell().step, bound.step_shapes(), bound.env(), fixed)
}

/// Runs T steps of a batch. `traces` are names of [`crate::ir::Cell::values`].
pub fn forward<'a, F: Real>(call: Call<'a, F>, traces: &[Name]) -> Result<Run<'a, F>, RunError> {
    run(call.into(), traces, true)
}

/// As [`forward`]; with `finds` it looks for what is not finite.
pub(crate) fn run<'a, F: Real>(
    call: LentCall<'a, F>,
    traces: &[Name],
    finds: bool,
) -> Result<Run<'a, F>, RunError> {
    let given = Given::check(call)?;
    let bound = given.bound;
    let cell = bound.cell();
    let traced: Vec<NodeId> = traces
        .iter()
        .map(|name| {
            let found = cell.values.iter().find(|it| it.name == *name);
            found.map(|it| it.node).ok_or_else(|| RunError::unknown_value(cell, name))
        })
        .collect::<Result<_, _>>()?;

    let step = step_program(&given);
    let out = |node: NodeId, what: &str| given.zeros(step.shape(node), what);
    let mut run = Run {
        outputs: cell
            .outputs
            .iter()
            .map(|it| out(it.node, "an output"))
            .collect::<Result<_, _>>()?,
        traces: traced.iter().map(|it| out(*it, "a trace")).collect::<Result<_, _>>()?,
        states: Vec::new(),
        not_finite: None,
        past: Arc::default(),
        given,
        step,
    };
    let mut pasts: Past<F> = Vec::with_capacity(run.given.batch);
    run.given.ask_for_steps()?;
    let whens = cell.reads_backward().then(|| plan::when(cell));
    let mut earliest = whens.as_deref().map(finite::Earliest::new);
    for sequence in 0..run.given.batch {
        let mut past = vec![run.given.starts(sequence)];
        if let Some(earliest) = &mut earliest {
            let all = run.both_ways(sequence);
            for (time, values) in all.values.iter().enumerate() {
                run.place(&traced, time, sequence, values);
            }
            earliest.look(cell, &all.values, sequence);
            past = all.carried;
        } else {
            for time in 0..run.given.lengths[sequence] {
                let values = run.values(sequence, time, &past[time]);
                run.place(&traced, time, sequence, &values);
                finite::look(&mut run.not_finite, cell, &values, time, sequence);
                past.push(cell.carries.iter().map(|it| values[it.next.idx()].clone()).collect());
            }
        }
        pasts.push(past);
    }
    run.past = Arc::new(pasts);
    if !finds {
        (run.not_finite, earliest) = (None, None);
    }
    if let Some(earliest) = earliest {
        run.not_finite = earliest.found();
    }
    if let Some((step, sequence)) =
        run.not_finite.as_ref().and_then(|it| it.place.step.zip(it.place.sequence))
    {
        let steps: Vec<usize> = (0..run.given.lengths[sequence]).collect();
        let at = |step: usize| run.past[sequence].get(step).cloned();
        let read = Known { steps: &steps, at: &at };
        run.not_finite = look_again(bound, &run.given, read, (step, sequence));
    }
    for carry in 0..cell.carries.len() {
        let mut shape = vec![run.given.batch];
        shape.extend(&bound.carry_shapes()[carry]);
        let mut last = ArrayD::zeros(IxDyn(&shape));
        for (sequence, past) in run.past.iter().enumerate() {
            last.index_axis_mut(Axis(0), sequence).assign(&past[past.len() - 1][carry]);
        }
        run.states.push(last);
    }
    Ok(run)
}

fn place<F: Real>(all: &mut ArrayD<F>, time: usize, sequence: usize, value: &Value<F>) {
    all.index_axis_mut(Axis(0), time).index_axis_mut(Axis(0), sequence).assign(value);
}

impl<F: Real> Run<'_, F> {
    /// Puts what a step of a sequence gives into the results.
    fn place(&mut self, traced: &[NodeId], time: usize, sequence: usize, values: &[Value<F>]) {
        for (output, of) in self.outputs.iter_mut().zip(&self.given.bound.cell().outputs) {
            place(output, time, sequence, &values[of.node.idx()]);
        }
        for (trace, node) in self.traces.iter_mut().zip(traced) {
            place(trace, time, sequence, &values[node.idx()]);
        }
    }

    /// Returns all steps of a sequence of a cell that reads backward.
    fn both_ways(&self, sequence: usize) -> both_ways::Steps<F> {
        let bound = self.given.bound;
        let carries = &bound.cell().carries;
        let read = |op: &Op| if let Op::Leaf(Leaf::Carry(it)) = op { Some(*it) } else { None };
        let nexts = carries.iter().map(|it| Some(it.next)).collect();
        let flow = both_ways::Flow::new(carries, false, read, nexts, bound.carry_shapes());
        let (length, starts) = (self.given.lengths[sequence], self.given.starts(sequence));
        both_ways::steps(&self.step, &flow, length, &starts, &mut |time, node| {
            self.given.leaf(node, sequence, time, &[])
        })
    }

    /// T, the number of steps of the longest possible sequence.
    pub fn steps(&self) -> usize {
        self.given.steps
    }

    /// B, the number of sequences.
    pub fn batch(&self) -> usize {
        self.given.batch
    }

    /// Returns the number of steps of each sequence.
    pub fn lengths(&self) -> &[usize] {
        &self.given.lengths
    }

    /// In training the bits of each mask, `[T, B, ...]`, `[B, ...]` or `[...]` as its scope is, and
    /// 0 beyond a sequence's length; nothing in evaluation.
    pub fn masks(&self) -> &[ArrayD<F>] {
        self.given.bits.as_ref().map_or(&[], |it| it.as_slice())
    }

    /// Returns every node of the step graph at one step of one sequence. They are computed anew rather than kept, so that memory
    /// is that of the carried values alone.
    pub(crate) fn values(
        &self,
        sequence: usize,
        time: usize,
        before: &[Value<F>],
    ) -> Vec<Value<F>> {
        self.step.run(&mut |_, node| self.given.leaf(node, sequence, time, before))
    }
}

#[cfg(test)]
mod tests;
