//! Traces a NaN or an infinity to its origin.
//!
//! A NaN is mostly what is left of an infinity: `h = c / n` is NaN where `c` and `n` overflowed, maybe
//! some steps before. So operands are followed from what was found to the first value that is not
//! finite though all that it is made of is, and through carried values to earlier steps. An infinity
//! that somebody wrote, as the start of a maximum, is no cause.

use std::collections::BTreeMap;

use super::super::eval::Value;
use super::finite::{NotFinite, Place};
use crate::ir::{Cell, Leaf, NodeId, Op, Order, Pointwise, Real};

/// Computes the nodes of a step from the carried values before it.
type Step<'p, F> = dyn Fn(usize, &[Value<F>]) -> Vec<Value<F>> + 'p;

/// The known values of the steps of one sequence.
pub(super) struct Past<'p, F> {
    pub cell: &'p Cell,
    pub sequence: usize,
    pub read: Known<'p, F>,
    /// The nodes of the step, from those.
    pub values: &'p Step<'p, F>,
}

/// The carried values as steps read them.
#[derive(Clone, Copy)]
pub(crate) struct Known<'p, F> {
    /// The steps of which they are there, in order. Of a run in segments the steps between are not, in which nothing
    /// overflowed.
    pub steps: &'p [usize],
    /// The carried values that a step reads.
    pub at: &'p dyn Fn(usize) -> Option<Vec<Value<F>>>,
}

/// An element of a node that is not finite, and what leads to it within its step.
struct Traced {
    /// The elements by node, those that were followed.
    reached: BTreeMap<NodeId, Vec<usize>>,
    /// The first node that is made of finite values alone, or is an input or param.
    origin: Option<NodeId>,
    /// The first node that is NaN though no operand is.
    turned: Option<NodeId>,
    /// The carried values among what leads to it.
    carries: Vec<(usize, Vec<usize>)>,
}

/// Returns the first value that is not finite on the way to an element of a node at a step, whose values are given; `None` where
/// that is what was found itself, or nothing else is known.
pub(super) fn cause<F: Real>(
    past: &Past<'_, F>,
    (mut node, mut at): (NodeId, Vec<usize>),
    mut step: usize,
    mut values: Vec<Value<F>>,
) -> Option<NotFinite> {
    // Each iteration leads to another step; values computed anew in another order of sums may lead back.
    for _ in 0..=2 * past.read.steps.len() {
        let traced = trace(past.cell, &values, node, at);
        let earlier = traced.carries.iter().find_map(|(carry, at)| {
            let found = overflow(past, *carry, at, step)?;
            Some((*carry, at.clone(), found))
        });
        let Some((carry, element, found)) = earlier else {
            let origin = traced.origin.or(traced.turned)?;
            return told(past, &traced, origin, &values, step);
        };
        step = found;
        values = (past.values)(step, &(past.read.at)(step)?);
        (node, at) = (past.cell.carries[carry].next, element);
        if is_finite(&values[node.idx()], &at) {
            return None;
        }
    }
    None
}

/// Returns the step that gave a carried value this element, which was finite before; `None` where it was so from the start.
fn overflow<F: Real>(past: &Past<'_, F>, carry: usize, at: &[usize], step: usize) -> Option<usize> {
    let known = past.read.steps;
    let here = known.partition_point(|it| *it < step);
    let was_finite = |it: &usize| (past.read.at)(*it).is_some_and(|all| is_finite(&all[carry], at));
    match past.cell.carries[carry].order {
        Order::Ascending => known[..here].iter().rev().copied().find(was_finite),
        Order::Descending => {
            let later = known[here..].iter().copied().filter(|it| *it > step);
            later.into_iter().find(was_finite)
        }
    }
}

fn is_finite<F: Real>(value: &Value<F>, at: &[usize]) -> bool {
    value.get(at).is_none_or(|it| Real::to_f64(*it).is_finite())
}

fn trace<F: Real>(cell: &Cell, values: &[Value<F>], node: NodeId, at: Vec<usize>) -> Traced {
    let mut open = BTreeMap::from([(node, at)]);
    let mut traced =
        Traced { reached: BTreeMap::new(), origin: None, turned: None, carries: Vec::new() };
    // Operands come before their users, so the last one is open no more.
    while let Some((id, at)) = open.pop_last() {
        let own = &cell.step.node(id);
        let is_nan = |id: NodeId, at: &[usize]| {
            values[id.idx()].get(at).is_some_and(|it| Real::to_f64(*it).is_nan())
        };
        let mut wrong: Vec<(NodeId, Vec<usize>)> = Vec::new();
        for arg in followed(&own.op, &own.args, values, &at) {
            wrong.extend(element(&own.op, &values[arg.idx()], &at).map(|at| (arg, at)));
        }
        // A NaN comes from a NaN, if there is one.
        if wrong.iter().any(|(id, at)| is_nan(*id, at)) {
            wrong.retain(|(id, at)| is_nan(*id, at));
        } else if is_nan(id, &at) && !own.op.is_leaf() {
            traced.turned = Some(id);
        }
        if let Op::Leaf(Leaf::Carry(carry)) = own.op {
            traced.carries.push((carry, at.clone()));
        } else if wrong.is_empty() && !matches!(own.op, Op::Literal(_)) {
            traced.origin = Some(id);
        }
        for (arg, at) in wrong {
            open.entry(arg).or_insert(at);
        }
        traced.reached.insert(id, at);
    }
    traced
}

/// Returns the operands that an element may be made of: of a choice those that were chosen.
fn followed<F: Real>(op: &Op, args: &[NodeId], values: &[Value<F>], at: &[usize]) -> Vec<NodeId> {
    let ([condition, yes, no], Op::Map(Pointwise::Where)) = (args, op) else {
        return args.to_vec();
    };
    let chosen = values[condition.idx()].get(at).is_some_and(|it| *it != F::zero());
    vec![*condition, if chosen { *yes } else { *no }]
}

/// Returns the element of an operand that is not finite: that at the same place, or the first one where elements meet or move.
fn element<F: Real>(op: &Op, value: &Value<F>, at: &[usize]) -> Option<Vec<usize>> {
    match op {
        Op::Map(_) => (!is_finite(value, at)).then(|| at.to_vec()),
        Op::Leaf(_)
        | Op::Literal(_)
        | Op::Contract(_)
        | Op::Along(_)
        | Op::Move(_)
        | Op::Indexed(_)
        | Op::Choice(_)
        | Op::Gradient(_) => {
            let same = (value.ndim() == at.len() && !is_finite(value, at)).then(|| at.to_vec());
            let wrong = |it: &&F| !Real::to_f64(**it).is_finite();
            let first = || value.indexed_iter().find(|it| wrong(&it.1)).map(|it| it.0);
            same.or_else(|| first().map(|it| ndarray::Dimension::slice(&it).to_vec()))
        }
    }
}

/// Names a finding after the first value that has one and is made of it.
fn told<F: Real>(
    past: &Past<'_, F>,
    traced: &Traced,
    origin: NodeId,
    values: &[Value<F>],
    step: usize,
) -> Option<NotFinite> {
    let cell = past.cell;
    let value = |id: NodeId, at: &[usize]| values[id.idx()].get(at).map(|it| Real::to_f64(*it));
    if let Op::Leaf(Leaf::Param(param)) = cell.step.node(origin).op {
        let unit = traced.reached[&origin].clone();
        let place = Place { step: None, sequence: None, unit };
        let value = value(origin, &place.unit)?;
        let name = format!("`{}`", cell.params[param].name);
        return Some(NotFinite { name, value, place, so: None });
    }
    let named = cell.values.iter().filter(|it| it.node >= origin);
    let named = named.filter(|it| traced.reached.contains_key(&it.node));
    let first = named.min_by_key(|it| it.node)?;
    let unit = traced.reached[&first.node].clone();
    let value = value(first.node, &unit)?;
    let place = Place { step: Some(step), sequence: Some(past.sequence), unit };
    Some(NotFinite { name: format!("`{}`", first.name), value, place, so: None })
}
