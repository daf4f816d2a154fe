//! Forward mode: how fast outputs and final states move when params, inputs and starts move along a
//! direction.

use ndarray::{ArrayD, Axis, IxDyn};

use super::super::arrays::{Direction, Tangents};
use super::super::bind::shapes;
use super::super::eval::{Program, Value, eval, zeros};
use super::both_ways::{Flow, steps};
use super::{Run, RunError};
use crate::derive::Tangent;
use crate::ir::{Leaf, Node, Op, Real, Source, Start};

/// Returns the directional derivative of a run. `derived` is derived from [`super::super::Bound::cell`] of the cell that ran.
pub fn tangent<F: Real>(
    run: &Run<'_, F>,
    derived: &Tangent,
    direction: &Direction<F>,
) -> Result<Tangents<F>, RunError> {
    let given = &run.given;
    let bound = given.bound;
    let cell = bound.cell();
    check(run, direction)?;
    let param = |param: usize| match &direction.params[param] {
        Some(it) => it.to_shared(),
        None => zeros(&bound.param_shapes()[param]),
    };
    let graph_shapes = shapes(&derived.graph, bound.env())?;
    let program = Program::new(&derived.graph, &graph_shapes, bound.env(), &mut |_, node| {
        if let Op::Leaf(Leaf::Forward(of)) = node.op {
            run.known(of)
        } else if let Op::Leaf(Leaf::Tangent(Source::Param(idx))) = node.op {
            Some(param(idx))
        } else {
            given.fixed(&node.op)
        }
    });

    let start_shapes = shapes(&derived.start, bound.env())?;
    let start = eval(&derived.start, &start_shapes, bound.env(), &mut |_, node: &Node| {
        if let Op::Leaf(Leaf::Forward(of)) = node.op {
            given.start[of.idx()].clone()
        } else if let Op::Leaf(Leaf::Tangent(Source::Param(idx))) = node.op {
            param(idx)
        } else if let Some(value) = given.fixed(&node.op) {
            value
        } else {
            unreachable!("the tangent of a start reads the start, params and their tangents")
        }
    });
    let mut tangents = Tangents {
        outputs: run.outputs.iter().map(|it| ArrayD::zeros(it.raw_dim())).collect(),
        states: run.states.iter().map(|it| ArrayD::zeros(it.raw_dim())).collect(),
    };
    for (sequence, past) in run.past.iter().enumerate() {
        // How the start of a carry moves by itself, without what it starts as.
        let moved = |carry: usize| match &direction.starts[carry] {
            Some(it) => it.index_axis(Axis(0), sequence).to_owned().into_shared(),
            None => zeros(&bound.carry_shapes()[carry]),
        };
        let mut carried: Vec<Value<F>> = (0..cell.carries.len())
            .map(|carry| {
                let origin = given.origin(carry);
                let mut sum = moved(carry);
                if origin != carry {
                    sum += &moved(origin);
                }
                if given.state.0[origin].is_none()
                    && let Start::Node(_) = cell.carries[origin].start
                    && let Some(root) = derived.starts[origin]
                {
                    sum += &start[root.idx()];
                }
                sum
            })
            .collect();
        let leaf = |node: &Node, time: usize, values: &[Value<F>]| {
            if let Op::Leaf(Leaf::Forward(of)) = node.op {
                values[of.idx()].clone()
            } else if let Op::Leaf(Leaf::Tangent(Source::Input(input))) = node.op {
                match (&direction.inputs[input], &given.inputs.feeds[input]) {
                    (Some(array), Some(feed)) => {
                        let now = feed.at(&cell.inputs[input], array.view(), time, sequence);
                        now.to_owned().into_shared()
                    }
                    (Some(_), None) | (None, _) => zeros(&bound.input_shapes()[input]),
                }
            } else {
                given.leaf(node, sequence, time, &past[time])
            }
        };
        let length = given.lengths[sequence];
        let mut place = |time: usize, step: &[Value<F>]| {
            for (all, root) in tangents.outputs.iter_mut().zip(&derived.outputs) {
                super::place(all, time, sequence, &step[root.idx()]);
            }
        };
        let values = (0..length).map(|time| run.values(sequence, time, &past[time]));
        if cell.reads_backward() {
            let values: Vec<Vec<Value<F>>> = values.collect();
            let nexts = derived.carries.iter().map(|it| Some(*it)).collect();
            let flow = Flow::new(&cell.carries, false, read, nexts, bound.carry_shapes());
            let leaf = &mut |time: usize, node: &Node| leaf(node, time, &values[time]);
            let mut all = steps(&program, &flow, length, &carried, leaf);
            all.values.iter().enumerate().for_each(|(time, step)| place(time, step));
            carried = std::mem::take(&mut all.carried[length]);
        } else {
            for (time, values) in values.enumerate() {
                let step = program.run(&mut |_, node| match read(&node.op) {
                    Some(carry) => carried[carry].clone(),
                    None => leaf(node, time, &values),
                });
                place(time, &step);
                carried = derived.carries.iter().map(|it| step[it.idx()].clone()).collect();
            }
        }
        for (all, last) in tangents.states.iter_mut().zip(&carried) {
            all.index_axis_mut(Axis(0), sequence).assign(last);
        }
    }
    Ok(tangents)
}

/// Returns the carried value whose tangent a leaf reads.
fn read(op: &Op) -> Option<usize> {
    match op {
        Op::Leaf(Leaf::Tangent(Source::Carry(carry))) => Some(*carry),
        _ => None,
    }
}

fn check<F: Real>(run: &Run<'_, F>, direction: &Direction<F>) -> Result<(), RunError> {
    let given = &run.given;
    let bound = given.bound;
    let fault =
        || Err(RunError::Data("a direction does not have the shape of what it moves".into()));
    let fits = |given: &Option<ArrayD<F>>, shape: &[usize]| {
        given.as_ref().is_none_or(|it| it.raw_dim() == IxDyn(shape))
    };
    let counts = direction.params.len() == bound.param_shapes().len()
        && direction.inputs.len() == bound.input_shapes().len()
        && direction.starts.len() == bound.carry_shapes().len();
    if !counts {
        return fault();
    }
    let params =
        direction.params.iter().zip(bound.param_shapes()).all(|(it, shape)| fits(it, shape));
    let inputs = direction.inputs.iter().zip(&given.inputs.feeds).all(|(it, feed)| match feed {
        Some(feed) => fits(it, feed.array().shape()),
        None => it.is_none(),
    });
    let starts = direction.starts.iter().zip(&run.states).all(|(it, own)| fits(it, own.shape()));
    if params && inputs && starts { Ok(()) } else { fault() }
}
