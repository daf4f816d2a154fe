//! All steps of a sequence, where some carried values go from the last step to the first.
//!
//! A step is then no unit of work: of `f` that reads forward, `b` that reads backward and `y = f + b`, no step of `y` is
//! known before all of `b` are. So a value is computed when somebody asks for it, after what it reads: its operands at
//! the same step, and of a carried value the next value of the step before, which is the step after for one that goes
//! backward. What comes out does not depend on the order of asking.

use super::super::eval::{Program, Value, zeros};
use crate::ir::{Carry, Node, NodeId, Op, Order, Real};

/// The values that go from step to step in a pass over a sequence.
pub(super) struct Flow<'f> {
    /// The carried value that a leaf reads.
    pub read: fn(&Op) -> Option<usize>,
    /// The node that gives each carried value to the next step; 0 where none does.
    pub next: Vec<Option<NodeId>>,
    /// The direction of each.
    pub order: Vec<Order>,
    /// The shape of each.
    pub shapes: &'f [Vec<usize>],
}

impl<'f> Flow<'f> {
    /// Of values that go the way of the cell's carried values, or `against` it as adjoints do.
    pub fn new(
        carries: &[Carry],
        against: bool,
        read: fn(&Op) -> Option<usize>,
        next: Vec<Option<NodeId>>,
        shapes: &'f [Vec<usize>],
    ) -> Flow<'f> {
        let order = |it: &Carry| if against { it.order.reversed() } else { it.order };
        Flow { read, next, order: carries.iter().map(order).collect(), shapes }
    }
}

/// A sequence from end to end.
pub(super) struct Steps<F> {
    /// Every node at every step.
    pub values: Vec<Vec<Value<F>>>,
    /// The carried values as each step reads them, and then as they are after the last step on their way.
    pub carried: Vec<Vec<Value<F>>>,
}

/// Evaluates a graph at all steps of a sequence. `starts` are the carried values where they begin; `leaf` gives all other
/// leaves at a step.
pub(super) fn steps<F: Real>(
    program: &Program<'_, F>,
    flow: &Flow<'_>,
    length: usize,
    starts: &[Value<F>],
    leaf: &mut dyn FnMut(usize, &Node) -> Value<F>,
) -> Steps<F> {
    let graph = program.graph();
    let mut known: Vec<Vec<Option<Value<F>>>> = vec![vec![None; graph.nodes().len()]; length];
    let asked = (0..length).flat_map(|t| graph.ids().map(move |id| (t, id)));
    for one in asked {
        let mut open = vec![one];
        while let Some(&(t, id)) = open.last() {
            if known[t][id.idx()].is_some() {
                open.pop();
                continue;
            }
            let node = graph.node(id);
            let carry = (flow.read)(&node.op);
            let reads: Vec<(usize, NodeId)> = match carry {
                Some(carry) => flow.before(carry, t, length).into_iter().collect(),
                None => node.args.iter().map(|it| (t, *it)).collect(),
            };
            let waits = open.len();
            open.extend(reads.into_iter().filter(|(t, id)| known[*t][id.idx()].is_none()));
            if open.len() > waits {
                continue;
            }
            let value = match (carry, program.known(id)) {
                (Some(carry), _) => flow.value(carry, t, length, starts, &known),
                (None, Some(value)) => value.clone(),
                (None, None) => {
                    let args: Vec<&Value<F>> =
                        node.args.iter().filter_map(|it| known[t][it.idx()].as_ref()).collect();
                    program.value(id, &args, &mut |_, node| leaf(t, node))
                }
            };
            known[t][id.idx()] = Some(value);
        }
    }
    let all = |t: usize| {
        (0..flow.next.len()).map(|it| flow.value(it, t, length, starts, &known)).collect()
    };
    let mut carried: Vec<Vec<Value<F>>> = (0..length).map(all).collect();
    let last = |carry: usize| match (flow.order[carry].last(length), flow.next[carry]) {
        (None, _) => starts[carry].clone(),
        (Some(t), Some(next)) => known[t][next.idx()].clone().unwrap_or_default(),
        (Some(_), None) => zeros(&flow.shapes[carry]),
    };
    carried.push((0..flow.next.len()).map(last).collect());
    let values = known.into_iter().map(|it| it.into_iter().flatten().collect());
    Steps { values: values.collect(), carried }
}

impl Flow<'_> {
    /// Returns the step and node that a carried value at a step is read of; `None` where it begins there or nothing gives it.
    fn before(&self, carry: usize, t: usize, length: usize) -> Option<(usize, NodeId)> {
        Some((self.order[carry].before(t, length)?, self.next[carry]?))
    }

    /// Returns a carried value as a step reads it, which is known.
    fn value<F: Real>(
        &self,
        carry: usize,
        t: usize,
        length: usize,
        starts: &[Value<F>],
        known: &[Vec<Option<Value<F>>>],
    ) -> Value<F> {
        match (self.order[carry].before(t, length), self.before(carry, t, length)) {
            (None, _) => starts[carry].clone(),
            (Some(_), Some((t, next))) => known[t][next.idx()].clone().unwrap_or_default(),
            (Some(_), None) => zeros(&self.shapes[carry]),
        }
    }
}
