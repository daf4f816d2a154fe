//! Back-propagation through time: the adjoint graph, one step of one sequence at a time, from the last step to the first.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::super::arrays::{Gradients, Upstream};
use super::super::bind::{Bound, shapes};
use super::super::eval::{Program, Value, eval, zeros};
use super::super::views::{FeedView, UpstreamView};
use super::both_ways::{Flow, Steps, steps};
use super::finite::{self, NotFinite};
use super::given::Given;
use super::{Run, RunError};
use crate::derive::Adjoint;
use crate::ir::{Leaf, Node, NodeId, Op, Real, Start};
use crate::plan;

/// Returns the gradients of a run. `adjoint` is derived from [`super::super::Bound::cell`] of the cell that ran.
///
/// The adjoint of a sequence's last step comes from `upstream` alone; its elements beyond the length are not read.
pub fn backward<F: Real>(
    run: &Run<'_, F>,
    adjoint: &Adjoint,
    upstream: &Upstream<F>,
) -> Result<Gradients<F>, RunError> {
    backward_from(run, adjoint, &upstream.view())
}

/// As [`backward`], from adjoints that are lent.
pub(crate) fn backward_from<F: Real>(
    run: &Run<'_, F>,
    adjoint: &Adjoint,
    upstream: &UpstreamView<'_, F>,
) -> Result<Gradients<F>, RunError> {
    let given = &run.given;
    let bound = given.bound;
    let cell = bound.cell();
    let upstream = Checked::new(given, upstream)?;
    let graph_shapes = shapes(&adjoint.graph, bound.env())?;
    let program = backward_program(given, bound, &run.step, (adjoint, &graph_shapes));

    let real: Vec<bool> = cell.carries.iter().map(|it| it.is_real()).collect();
    let mut gradients = zero_gradients(given)?;
    let mut flow = vec![vec![Norm::default(); given.steps + 1]; cell.carries.len()];
    for (sequence, past) in run.past.iter().enumerate() {
        let length = given.lengths[sequence];
        let mut adjoints: Vec<Value<F>> =
            (0..cell.carries.len()).map(|it| upstream.state(it, sequence)).collect();
        let mut all = cell
            .reads_backward()
            .then(|| both_ways(run, (adjoint, &program), &upstream, sequence, &adjoints));
        for time in (0..length).rev() {
            let step = match &mut all {
                Some(all) => {
                    adjoints = std::mem::take(&mut all.carried[time]);
                    std::mem::take(&mut all.values[time])
                }
                None => {
                    let at = At { time, sequence, before: &past[time], adjoints: &adjoints };
                    back(given, [&run.step, &program], &upstream, &at)
                }
            };
            for (sum, root) in gradients.params.iter_mut().zip(&adjoint.params) {
                if let (Some(sum), Some(root)) = (sum, root) {
                    *sum += &step[root.idx()];
                }
            }
            let inputs = gradients.inputs.iter_mut().zip(&given.inputs.feeds).zip(&adjoint.inputs);
            for (((sum, feed), root), input) in inputs.zip(&cell.inputs) {
                let (Some(sum), Some(feed), Some(root)) = (sum, feed, root) else { continue };
                let mut now = feed.at(input, sum.view_mut(), time, sequence);
                match feed {
                    FeedView::Batch(_) if !input.per_sequence => now.assign(&step[root.idx()]),
                    FeedView::Batch(_) | FeedView::Shared(_) => now += &step[root.idx()],
                }
            }
            for (carry, root) in adjoint.nexts.iter().enumerate() {
                let whole = root.map_or(&adjoints[carry], |it| &step[it.idx()]);
                flow[carry][cell.carries[carry].order.after(time)].add(whole);
            }
            for (carry, root) in adjoint.carries.iter().enumerate() {
                adjoints[carry] = match root {
                    Some(root) => step[root.idx()].clone(),
                    None => zeros(&bound.carry_shapes()[carry]),
                };
            }
        }
        if let Some(all) = &mut all {
            adjoints = std::mem::take(&mut all.carried[length]);
        }
        for ((flow, adjoint), carry) in flow.iter_mut().zip(&adjoints).zip(&cell.carries) {
            flow[carry.order.start(length)].add(adjoint);
        }
        for (start, adjoint) in gradients.starts.iter_mut().zip(&adjoints) {
            if let Some(start) = start {
                start.index_axis_mut(Axis(0), sequence).assign(adjoint);
            }
        }
    }
    finish_starts(given, adjoint, &mut gradients)?;
    let flow = flow.into_iter().map(|it| it.iter().map(Norm::value).collect());
    gradients.flow = flow.zip(real).map(|(it, real)| real.then_some(it)).collect();
    Ok(gradients)
}

/// Returns all backward steps of a sequence of a cell that reads backward. `adjoints` are those of the carried values after their
/// last steps.
fn both_ways<F: Real>(
    run: &Run<'_, F>,
    (adjoint, program): (&Adjoint, &Program<'_, F>),
    upstream: &Checked<'_, '_, F>,
    sequence: usize,
    adjoints: &[Value<F>],
) -> Steps<F> {
    let given = &run.given;
    let past = &run.past[sequence];
    let length = given.lengths[sequence];
    let forward: Vec<Vec<Value<F>>> =
        (0..length).map(|time| run.values(sequence, time, &past[time])).collect();
    let carries = &given.bound.cell().carries;
    let read = |op: &Op| if let Op::Leaf(Leaf::CarryAdjoint(it)) = op { Some(*it) } else { None };
    let flow = Flow::new(carries, true, read, adjoint.carries.clone(), given.bound.carry_shapes());
    steps(program, &flow, length, adjoints, &mut |time, node| match node.op {
        Op::Leaf(Leaf::Forward(of)) => forward[time][of.idx()].clone(),
        Op::Leaf(Leaf::OutputAdjoint(output)) => upstream.output(output, time, sequence),
        _ => given.leaf(node, sequence, time, &past[time]),
    })
}

/// A step on the way back: which it is, the carried values before it and the adjoints of those after it.
#[derive(Clone, Copy)]
pub(crate) struct At<'a, F> {
    pub(crate) time: usize,
    pub(crate) sequence: usize,
    pub(crate) before: &'a [Value<F>],
    pub(crate) adjoints: &'a [Value<F>],
}

/// Returns the values of the backward step at one step; `programs` are those of the step forward and back.
fn back<F: Real>(
    given: &Given<'_, F>,
    programs: [&Program<'_, F>; 2],
    upstream: &Checked<'_, '_, F>,
    at: &At<'_, F>,
) -> Vec<Value<F>> {
    let At { time, sequence, before, adjoints } = *at;
    let leaf = |node: &Node| given.leaf(node, sequence, time, before);
    let values = programs[0].run(&mut |_, node| leaf(node));
    programs[1].run(&mut |_, node| match node.op {
        Op::Leaf(Leaf::Forward(of)) => values[of.idx()].clone(),
        Op::Leaf(Leaf::OutputAdjoint(output)) => upstream.output(output, time, sequence),
        Op::Leaf(Leaf::CarryAdjoint(carry)) => adjoints[carry].clone(),
        _ => leaf(node),
    })
}

/// Returns the backward step, with all that does not vary.
fn backward_program<'p, F: Real>(
    given: &Given<'_, F>,
    bound: &'p Bound,
    step: &Program<'_, F>,
    (adjoint, shapes): (&'p Adjoint, &'p [Vec<usize>]),
) -> Program<'p, F> {
    Program::new(&adjoint.graph, shapes, bound.env(), &mut |_, node| match node.op {
        Op::Leaf(Leaf::Forward(of)) => step.known(of).cloned(),
        _ => given.fixed(&node.op),
    })
}

/// Returns the first adjoint that is not finite at a step, by the equation that it is of. `given` may be that of another graph
/// than that of `bound`, whose adjoint this is.
pub(crate) fn look_back<F: Real>(
    bound: &Bound,
    adjoint: &Adjoint,
    given: &Given<'_, F>,
    upstream: &UpstreamView<'_, F>,
    at: &At<'_, F>,
) -> Result<Option<NotFinite>, RunError> {
    let upstream = Checked::new(given, upstream)?;
    let sizes = shapes(&adjoint.graph, bound.env())?;
    let fixed = &mut |_, node: &Node| given.fixed(&node.op);
    let step = Program::new(&bound.cell().step, bound.step_shapes(), bound.env(), fixed);
    let program = backward_program(given, bound, &step, (adjoint, &sizes));
    let values = back(given, [&step, &program], &upstream, at);
    let whens = bound.cell().reads_backward().then(|| plan::when_back(bound.cell(), adjoint));
    let at = (at.time, at.sequence);
    Ok(finite::adjoint(bound.cell(), adjoint, &values, at, whens.as_deref()).map(|it| it.1))
}

/// Returns the first adjoint of a run that is not finite, on the way from the last step to the first.
pub(crate) fn first_not_finite<F: Real>(
    run: &Run<'_, F>,
    adjoint: &Adjoint,
    upstream: &UpstreamView<'_, F>,
) -> Result<Option<NotFinite>, RunError> {
    let given = &run.given;
    let (bound, cell) = (given.bound, given.bound.cell());
    let upstream = Checked::new(given, upstream)?;
    let sizes = shapes(&adjoint.graph, bound.env())?;
    let program = backward_program(given, bound, &run.step, (adjoint, &sizes));
    if cell.reads_backward() {
        let whens = plan::when_back(cell, adjoint);
        let mut earliest = finite::Earliest::new(&whens);
        for sequence in 0..given.batch {
            let last: Vec<Value<F>> =
                (0..cell.carries.len()).map(|it| upstream.state(it, sequence)).collect();
            let all = both_ways(run, (adjoint, &program), &upstream, sequence, &last);
            earliest.look_back(cell, adjoint, &all.values, sequence);
        }
        return Ok(earliest.found());
    }
    let mut found: Option<NotFinite> = None;
    for (sequence, past) in run.past.iter().enumerate() {
        let mut adjoints: Vec<Value<F>> =
            (0..cell.carries.len()).map(|it| upstream.state(it, sequence)).collect();
        for time in (0..given.lengths[sequence]).rev() {
            // Of two sequences at one step the first one.
            if found.as_ref().is_some_and(|it| it.place.step >= Some(time)) {
                break;
            }
            let at = At { time, sequence, before: &past[time], adjoints: &adjoints };
            let step = back(given, [&run.step, &program], &upstream, &at);
            if let Some(it) = finite::adjoint(cell, adjoint, &step, (time, sequence), None) {
                found = Some(it.1);
                break;
            }
            let next = |(carry, root): (usize, &Option<NodeId>)| match root {
                Some(root) => step[root.idx()].clone(),
                None => zeros(&bound.carry_shapes()[carry]),
            };
            adjoints = adjoint.carries.iter().enumerate().map(next).collect();
        }
    }
    Ok(found)
}

/// Returns the gradients of a run, all 0.
pub(crate) fn zero_gradients<F: Real>(given: &Given<'_, F>) -> Result<Gradients<F>, RunError> {
    let bound = given.bound;
    let cell = bound.cell();
    let params = cell.params.iter().zip(bound.param_shapes());
    let inputs = cell.inputs.iter().zip(&given.inputs.feeds);
    let starts = cell.carries.iter().zip(bound.carry_shapes());
    Ok(Gradients {
        params: params.map(|(it, shape)| it.trained.then(|| ArrayD::zeros(IxDyn(shape)))).collect(),
        inputs: inputs
            .map(|(it, feed)| match (it.is_real(), feed) {
                (true, Some(feed)) => {
                    let what = format!("the gradient of input `{}`", it.name);
                    super::zeros(feed.array().shape(), &what).map(Some)
                }
                (false, _) | (true, None) => Ok(None),
            })
            .collect::<Result<_, _>>()?,
        starts: starts
            .map(|(it, shape)| {
                let mut all = vec![given.batch];
                all.extend(shape);
                it.is_real().then(|| ArrayD::zeros(IxDyn(&all)))
            })
            .collect(),
        flow: Vec::new(),
    })
}

/// A Euclidean norm, as a multiple of the largest number so far: no square is too small or too large.
#[derive(Clone, Copy, Default)]
struct Norm {
    largest: f64,
    squares: f64,
}

impl Norm {
    fn add<F: Real>(&mut self, values: &Value<F>) {
        for it in values.iter().map(|it| Real::to_f64(*it).abs()).filter(|it| *it != 0.0) {
            if it > self.largest {
                self.squares *= (self.largest / it).powi(2);
                self.largest = it;
            }
            // Also of two infinities, whose quotient is none.
            self.squares += if it == self.largest { 1.0 } else { (it / self.largest).powi(2) };
        }
    }

    fn value<F: Real>(&self) -> F {
        F::of(self.largest * self.squares.sqrt())
    }
}

/// Hands the gradients of starts on to the values that they start as, and to params.
pub(crate) fn finish_starts<F: Real>(
    given: &Given<'_, F>,
    adjoint: &Adjoint,
    gradients: &mut Gradients<F>,
) -> Result<(), RunError> {
    gather_starts(given, gradients);
    learn_starts(given, adjoint, gradients)
}

/// A carry that starts as another adds its gradient to that of the other.
fn gather_starts<F: Real>(given: &Given<'_, F>, gradients: &mut Gradients<F>) {
    for carry in 0..gradients.starts.len() {
        let origin = given.origin(carry);
        if origin == carry {
            continue;
        }
        let own = gradients.starts[carry].clone();
        if let (Some(sum), Some(own)) = (&mut gradients.starts[origin], own) {
            *sum += &own;
        }
    }
}

/// Adds the gradient of a learned start, summed over the batch, to those of its params; a start that was given adds nothing.
fn learn_starts<F: Real>(
    given: &Given<'_, F>,
    adjoint: &Adjoint,
    gradients: &mut Gradients<F>,
) -> Result<(), RunError> {
    let bound = given.bound;
    let cell = bound.cell();
    let sums: Vec<Value<F>> = (0..cell.carries.len())
        .map(|carry| {
            let own = matches!(cell.carries[carry].start, Start::Node(_));
            match &gradients.starts[carry] {
                Some(start) if own && given.state.0[carry].is_none() => {
                    start.sum_axis(Axis(0)).into_shared()
                }
                Some(_) | None => zeros(&bound.carry_shapes()[carry]),
            }
        })
        .collect();
    let start = &adjoint.start;
    let graph_shapes = shapes(&start.graph, bound.env())?;
    let values = eval(&start.graph, &graph_shapes, bound.env(), &mut |_, node: &Node| {
        if let Op::Leaf(Leaf::Forward(of)) = node.op {
            given.start[of.idx()].clone()
        } else if let Op::Leaf(Leaf::CarryAdjoint(carry)) = node.op {
            sums[carry].clone()
        } else if let Some(value) = given.fixed(&node.op) {
            value
        } else {
            unreachable!("the adjoint of a start reads the start, its adjoint and params")
        }
    });
    for (sum, root) in gradients.params.iter_mut().zip(&start.params) {
        if let (Some(sum), Some(root)) = (sum, root) {
            *sum += &values[root.idx()];
        }
    }
    Ok(())
}

/// The adjoints from outside, with their defaults.
pub(crate) struct Checked<'u, 'v, F> {
    bound: &'u Bound,
    upstream: &'u UpstreamView<'v, F>,
}

impl<'u, 'v, F: Real> Checked<'u, 'v, F> {
    /// Looks whether the adjoints fit what a run gave.
    pub(crate) fn new<'g: 'u>(
        given: &Given<'g, F>,
        upstream: &'u UpstreamView<'v, F>,
    ) -> Result<Checked<'u, 'v, F>, RunError> {
        let bound = given.bound;
        let cell = bound.cell();
        if upstream.outputs.len() != cell.outputs.len()
            || upstream.states.len() != cell.carries.len()
        {
            return Err(RunError::Data(format!(
                "there are adjoints for {} outputs and {} states, the cell has {} and {}",
                upstream.outputs.len(),
                upstream.states.len(),
                cell.outputs.len(),
                cell.carries.len()
            )));
        }
        let fits =
            |name: String, own: &[usize], outer: &[usize], given: &Option<ArrayViewD<'_, F>>| {
                let expected = [outer, own].concat();
                match given {
                    Some(given) if given.shape() != expected => Err(RunError::Data(format!(
                        "the adjoint of {name} has shape {:?}, expected {expected:?}",
                        given.shape()
                    ))),
                    Some(_) | None => Ok(()),
                }
            };
        for (at, (it, output)) in upstream.outputs.iter().zip(&cell.outputs).enumerate() {
            let name = format!("output `{}`", output.name);
            fits(name, bound.output_shape(at), &[given.steps, given.batch], it)?;
        }
        for ((it, carry), own) in
            upstream.states.iter().zip(&cell.carries).zip(bound.carry_shapes())
        {
            fits(format!("state `{}`", carry.name), own, &[given.batch], it)?;
        }
        Ok(Checked { bound, upstream })
    }

    pub(crate) fn output(&self, output: usize, time: usize, sequence: usize) -> Value<F> {
        match &self.upstream.outputs[output] {
            Some(given) => {
                let now = given.index_axis(Axis(0), time);
                now.index_axis(Axis(0), sequence).to_owned().into_shared()
            }
            None => {
                let shape = IxDyn(self.bound.output_shape(output));
                ArrayD::from_elem(shape, self.filled(output)).into_shared()
            }
        }
    }

    /// Returns the adjoint of an output that is not given; it is the same everywhere.
    pub(crate) fn filled(&self, output: usize) -> F {
        if self.upstream.ones && output == 0 { F::one() } else { F::zero() }
    }

    pub(crate) fn state(&self, carry: usize, sequence: usize) -> Value<F> {
        match self.given_state(carry, sequence) {
            Some(given) => given.to_owned().into_shared(),
            None => zeros(&self.bound.carry_shapes()[carry]),
        }
    }

    /// Returns the adjoint of a carried value after the last step, if it is given.
    pub(crate) fn given_state(&self, carry: usize, sequence: usize) -> Option<ArrayViewD<'u, F>> {
        let given = self.upstream.states[carry].as_ref()?;
        Some(given.index_axis(Axis(0), sequence))
    }
}

impl<F: Real> Run<'_, F> {
    /// Returns the value of a node of the step graph that does not vary, if it does not.
    pub(crate) fn known(&self, node: NodeId) -> Option<Value<F>> {
        self.step.known(node).cloned()
    }
}
