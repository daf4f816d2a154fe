//! Finds the interval of each node of a step, whatever the inputs and params are.
//!
//! Lints use it: a `log` whose operand may be 0, a gate that is not in (0, 1). Intervals go from the operands to the users: `sigmoid`
//! is in [0, 1] for any operand, `tanh` in [-1, 1]. For a GRU, `h = (1 - z) * n + z * prev h`, that is not enough:
//!
//! * **Equal operands.** With z in [0, 1] and both values in [-1, 1], plain intervals give h in [-2, 2], since they forget that both z are
//!   the same. Sums of products are treated as polynomials too ([`poly`]), where h is a mean of n and prev h, in [-1, 1]. The interval of
//!   a node is the intersection of both.
//! * **Old values.** prev h is the h of the step before, whose interval is yet to be found. [`infer`] proves it by induction over the
//!   steps: it claims that prev h is in [-1, 1], and computes h. If h is in it too, and so is the start, the claim holds at every
//!   step. If not, the next weaker claim of [`CLAIMS`] is tried, and the last one is any value. A start that a caller gives is trusted to
//!   lie in the interval.
//!
//! All claims are tried together, since carried values depend on each other, and each round drops at least one. Polynomials may take
//! [`BUDGET`] steps per cell; beyond, plain intervals must do.

mod axes;
mod poly;
#[cfg(test)]
mod tests;

use std::cell::Cell as Counter;
use std::collections::BTreeMap;

use crate::ir::pointwise::{ANY, Interval, closed};
use crate::ir::{
    Along, Cell, Const, Dim, Env, Graph, HyperKind, Indexed, Leaf, Literal, Move, NodeId, Op,
    Pointwise, Reduction, Start,
};

/// The ranges of the nodes of a cell's step.
pub(super) struct Ranges {
    /// One for each node of the step graph.
    pub nodes: Vec<Interval>,
}

/// The intervals that an old value may be assumed to lie in; the first that can be proved is taken.
const CLAIMS: [Interval; 4] =
    [closed(0.0, 1.0), closed(-1.0, 1.0), closed(0.0, f64::INFINITY), ANY];

/// The steps that the polynomials of one cell may take; then plain intervals must do, so that time stays linear.
const BUDGET: usize = 300_000;

/// Rounding in the ranges themselves must not look like leaving an interval.
const SLACK: f64 = 1e-9;

/// Finds the ranges of all nodes of the step, with most care for what these nodes depend on.
pub(super) fn infer(cell: &Cell, wanted: &[NodeId]) -> Ranges {
    let facts = Facts::new(cell);
    let start = Walk::new(&facts, &cell.start, &[]).run(&[]);
    let starts: Vec<Interval> = (0..cell.carries.len()).map(|it| first(cell, &start, it)).collect();
    let mut claims: Vec<usize> = starts.iter().map(|it| weaker(it, 0)).collect();
    let walk = Walk::new(&facts, &cell.step, wanted);
    // Each round drops at least one claim; a huge cell gives up early.
    let rounds = (2_000_000 / (cell.step.nodes().len() + 1)).clamp(2, 100);
    for _ in 0..rounds {
        let carries: Vec<Interval> = claims.iter().map(|it| CLAIMS[*it]).collect();
        let nodes = walk.run(&carries);
        let next: Vec<usize> = cell
            .carries
            .iter()
            .zip(&claims)
            .map(|(carry, claim)| weaker(&nodes[carry.next.idx()], *claim))
            .collect();
        if next == claims {
            return Ranges { nodes };
        }
        claims = next;
    }
    Ranges { nodes: walk.run(&vec![ANY; cell.carries.len()]) }
}

/// Returns true if all values of an interval lie in another, but for rounding.
pub(super) fn lies_in(inner: &Interval, outer: &Interval) -> bool {
    inner.lo >= outer.lo - SLACK && inner.hi <= outer.hi + SLACK
}

/// Returns the first claim from this one on that holds for all values of an interval.
fn weaker(values: &Interval, from: usize) -> usize {
    (from..CLAIMS.len()).find(|it| lies_in(values, &CLAIMS[*it])).unwrap_or(CLAIMS.len() - 1)
}

/// Returns the values that a carry can start from.
fn first(cell: &Cell, start: &[Interval], mut carry: usize) -> Interval {
    // Starts point to earlier carries in practice; the bound is there so that no mistake can loop.
    for _ in 0..cell.carries.len() {
        match cell.carries[carry].start {
            Start::Node(node) => return start[node.idx()],
            Start::SameAs(other) => carry = other,
        }
    }
    ANY
}

/// Facts that are known without a graph.
struct Facts<'a> {
    cell: &'a Cell,
    env: Env,
}

impl<'a> Facts<'a> {
    fn new(cell: &'a Cell) -> Facts<'a> {
        let mut env = Env::default();
        for hyper in &cell.hypers {
            match &hyper.kind {
                HyperKind::Number(value) => {
                    if let Some(value) = value.eval(&env) {
                        env.hypers.insert(hyper.name.clone(), value);
                    }
                }
                HyperKind::Activation(_) => {}
            }
        }
        Facts { cell, env }
    }

    fn map(&self, op: Pointwise, args: &[Interval]) -> Interval {
        tidy((op.row().range)(args))
    }

    fn constant(&self, value: &Const) -> Interval {
        if let Some(value) = value.eval(&self.env) {
            return closed(value, value);
        }
        match value {
            Const::Number(value) => closed(*value, *value),
            Const::Size(dim) => self.size(dim),
            Const::Hyper(_) => ANY,
            Const::Apply(op, args) => {
                let args: Vec<Interval> = args.iter().map(|it| self.constant(it)).collect();
                if let (Pointwise::Div, [a, b]) = (op, args.as_slice()) {
                    return quotient(*a, *b);
                }
                self.map(*op, &args)
            }
        }
    }

    /// A dim is at least 1; any other polynomial may be anything.
    fn size(&self, dim: &Dim) -> Interval {
        match dim.as_number() {
            Some(value) => closed(value as f64, value as f64),
            None if dim.as_symbol().is_some()
                || self.cell.derived.iter().any(|it| it.1 == *dim) =>
            {
                closed(1.0, f64::INFINITY)
            }
            None => ANY,
        }
    }
}

/// The ranges of one graph.
struct Walk<'a> {
    facts: &'a Facts<'a>,
    graph: &'a Graph,
    /// For each node the first one that always has the same value.
    same: Vec<NodeId>,
    /// The nodes that are treated as polynomials.
    refined: Vec<bool>,
    budget: Counter<usize>,
}

impl<'a> Walk<'a> {
    fn new(facts: &'a Facts<'a>, graph: &'a Graph, wanted: &[NodeId]) -> Walk<'a> {
        let (same, refined) = (same_values(graph), sources(facts, graph, wanted));
        Walk { facts, graph, same, refined, budget: Counter::new(BUDGET) }
    }

    fn run(&self, carries: &[Interval]) -> Vec<Interval> {
        let mut ranges: Vec<Interval> = Vec::with_capacity(self.graph.nodes().len());
        for id in self.graph.ids() {
            let plain = tidy(self.node(id, &ranges, carries));
            ranges.push(plain);
            if self.refined[id.idx()] && self.budget.get() > 0 {
                let better = self.refine(id, &ranges);
                ranges[id.idx()] = meet(plain, better);
            }
        }
        ranges
    }

    fn node(&self, id: NodeId, ranges: &[Interval], carries: &[Interval]) -> Interval {
        let node = self.graph.node(id);
        let arg = |at: usize| ranges[node.args[at].idx()];
        let facts = self.facts;
        match &node.op {
            Op::Leaf(Leaf::Input(at)) => match facts.cell.inputs[*at].index {
                Some(_) => closed(0.0, f64::INFINITY),
                None => ANY,
            },
            Op::Leaf(Leaf::Carry(at)) => match facts.cell.carries[*at].is_real() {
                false => closed(0.0, f64::INFINITY),
                true => carries.get(*at).copied().unwrap_or(ANY),
            },
            Op::Leaf(
                Leaf::Param(_)
                | Leaf::Forward(_)
                | Leaf::OutputAdjoint(_)
                | Leaf::CarryAdjoint(_)
                | Leaf::Tangent(_),
            )
            | Op::Along(Along::ProductOfOthers(_)) => ANY,
            Op::Leaf(Leaf::Mask(_)) | Op::Literal(Literal::Eye) | Op::Along(Along::Softmax(_)) => {
                closed(0.0, 1.0)
            }
            Op::Literal(Literal::Scalar(value)) => facts.constant(value),
            Op::Literal(Literal::Array(values)) => hull(values.iter().map(|it| facts.constant(it))),
            Op::Literal(Literal::Iota) => {
                let size = node.shape.axes().first().map_or(ANY, |it| facts.size(it));
                closed(0.0, (size.hi - 1.0).max(0.0))
            }
            Op::Map(op) => self.map(*op, &node.args, ranges),
            Op::Contract(contract) => {
                let (left, right) = (arg(0), arg(1));
                let summed: Vec<u8> = contract
                    .left
                    .iter()
                    .copied()
                    .filter(|it| !contract.result.contains(it))
                    .collect();
                let axis = |labels: &[u8]| {
                    let [label] = summed.as_slice() else { return None };
                    labels.iter().position(|it| it == label)
                };
                if summed.is_empty() {
                    facts.map(Pointwise::Mul, &[left, right])
                } else if self.weights(node.args[0], axis(&contract.left), ranges) {
                    with_zero(right)
                } else if self.weights(node.args[1], axis(&contract.right), ranges) {
                    with_zero(left)
                } else if left.lo >= 0.0 && right.lo >= 0.0 {
                    closed(0.0, f64::INFINITY)
                } else {
                    ANY
                }
            }
            Op::Along(Along::Reduce(reduction, axes)) => {
                self.reduce(*reduction, axes, node.args[0], ranges)
            }
            Op::Along(Along::CumSum { axis, reverse: _ }) => {
                if self.weights(node.args[0], Some(*axis), ranges) {
                    return closed(0.0, 1.0);
                }
                let one = arg(0);
                closed(
                    if one.lo >= 0.0 { one.lo } else { f64::NEG_INFINITY },
                    if one.hi <= 0.0 { one.hi } else { f64::INFINITY },
                )
            }
            Op::Move(
                Move::Expand(_)
                | Move::Permute(_)
                | Move::Slice { .. }
                | Move::Reshape
                | Move::Pick(_),
            )
            | Op::Indexed(Indexed::Lookup) => arg(0),
            Op::Choice(_) => closed(0.0, f64::INFINITY),
            Op::Gradient(it) => arg(it.operand()),
            Op::Move(Move::Concat(_) | Move::Stack) => {
                hull(node.args.iter().map(|it| ranges[it.idx()]))
            }
            Op::Move(Move::Pad { .. } | Move::Place(_)) | Op::Indexed(Indexed::Scatter) => {
                with_zero(arg(0))
            }
        }
    }

    fn map(&self, op: Pointwise, args: &[NodeId], ranges: &[Interval]) -> Interval {
        let of: Vec<Interval> = args.iter().map(|it| ranges[it.idx()]).collect();
        if op == Pointwise::Div {
            let scale = self.scale_of(args[1]);
            return match self.mean(args[0], scale.as_ref(), ranges) {
                Some(mean) => mean,
                None => quotient(of[0], of[1]),
            };
        }
        if op == Pointwise::Mul {
            // A square needs no refinement to be known as not negative.
            if self.same[args[0].idx()] == self.same[args[1].idx()] {
                return self.facts.map(Pointwise::Square, &of[..1]);
            }
            for (value, scale) in [(args[0], args[1]), (args[1], args[0])] {
                let size = match self.scale_of(scale) {
                    Some(Const::Apply(Pointwise::Div, parts)) => match parts.as_slice() {
                        [Const::Number(1.0), size] => Some(size.clone()),
                        _ => None,
                    },
                    Some(
                        Const::Number(_) | Const::Size(_) | Const::Hyper(_) | Const::Apply(..),
                    )
                    | None => None,
                };
                if let Some(mean) = self.mean(value, size.as_ref(), ranges) {
                    return mean;
                }
            }
        }
        if op == Pointwise::Pow && of[1].lo == of[1].hi && of[1].lo % 2.0 == 0.0 && of[1].lo > 0.0 {
            let size = self.facts.map(Pointwise::Abs, &of[..1]);
            return self.facts.map(Pointwise::Pow, &[size, of[1]]);
        }
        self.facts.map(op, &of)
    }

    /// Computes sums and quotients so that equal operands are seen as equal.
    fn refine(&self, id: NodeId, ranges: &[Interval]) -> Interval {
        let node = self.graph.node(id);
        let sum = matches!(node.op, Op::Map(Pointwise::Add | Pointwise::Sub));
        // A product of what is bounded may be less than its factors tell: `2 * z * (1 - z)`.
        let range = ranges[id.idx()];
        let product = node.op == Op::Map(Pointwise::Mul)
            && range.lo.is_finite()
            && range.hi.is_finite()
            && !lies_in(&range, &closed(-1.0, 1.0));
        if sum || product {
            meet(self.expander(ranges, false).range(id), self.expander(ranges, true).range(id))
        } else if let Op::Map(Pointwise::Div) = node.op {
            self.share(node.args[0], node.args[1], ranges)
        } else {
            ANY
        }
    }

    fn expander<'r>(&'r self, ranges: &'r [Interval], stop_at_names: bool) -> poly::Expander<'r> {
        poly::Expander::new(self.graph, &self.same, ranges, stop_at_names, &self.budget)
    }

    /// Returns the range of `a / b` where `b` is `a` and something more.
    fn share(&self, a: NodeId, b: NodeId, ranges: &[Interval]) -> Interval {
        let (top, bottom) = (ranges[a.idx()], ranges[b.idx()]);
        if bottom.lo < 0.0 {
            return ANY;
        }
        let rest = self.graph.node(a);
        if rest.op == Op::Map(Pointwise::Mod) && self.same[rest.args[1].idx()] == self.same[b.idx()]
        {
            return closed(0.0, 1.0);
        }
        if let Op::Move(Move::Expand(places)) = &self.graph.node(b).op {
            let total = self.graph.node(self.graph.node(b).args[0]);
            if let Op::Along(Along::Reduce(reduction, axes)) = &total.op
                && self.same[total.args[0].idx()] == self.same[a.idx()]
                && places.iter().all(|it| !axes.contains(it))
            {
                match reduction {
                    Reduction::Norm => return closed(-1.0, 1.0),
                    Reduction::Sum | Reduction::Max if top.lo >= 0.0 => return closed(0.0, 1.0),
                    Reduction::Sum
                    | Reduction::Max
                    | Reduction::Min
                    | Reduction::Product
                    | Reduction::LogSumExp => {}
                }
            }
        }
        let gap = |sign: f64| self.expander(ranges, false).combination(b, a, sign).lo;
        closed(
            if top.lo >= 0.0 {
                0.0
            } else if gap(1.0) >= 0.0 {
                -1.0
            } else {
                f64::NEG_INFINITY
            },
            if gap(-1.0) >= 0.0 { 1.0 } else { f64::INFINITY },
        )
    }
}

/// Returns the nodes that the ranges of some nodes rest on. The operands of `sigmoid` and the like do not matter for its range.
fn sources(facts: &Facts<'_>, graph: &Graph, wanted: &[NodeId]) -> Vec<bool> {
    let mut reached = vec![false; graph.nodes().len()];
    let mut open = wanted.to_vec();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut reached[id.idx()], true) {
            continue;
        }
        let node = graph.node(id);
        if let Op::Leaf(Leaf::Carry(carry)) = node.op {
            open.push(facts.cell.carries[carry].next);
        }
        let settled = if let Op::Map(op) = node.op {
            let range = facts.map(op, &vec![ANY; op.arity()]);
            range.lo.is_finite() && range.hi.is_finite()
        } else {
            matches!(node.op, Op::Along(Along::Softmax(_)))
        };
        if !settled {
            open.extend(&node.args);
        }
    }
    reached
}

/// For each node the first one with the same operation on the same operands.
fn same_values(graph: &Graph) -> Vec<NodeId> {
    let mut known: BTreeMap<(String, Vec<NodeId>, String), NodeId> = BTreeMap::new();
    let mut same: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    for id in graph.ids() {
        let node = graph.node(id);
        let mut args: Vec<NodeId> = node.args.iter().map(|it| same[it.idx()]).collect();
        // What only changes what flows back is its operand.
        let it = match node.op.hands_on() {
            Some(operand) => args[operand],
            None => {
                if matches!(node.op, Op::Map(op) if op.commutes()) {
                    args.sort();
                }
                let key = (format!("{:?}", node.op), args, node.shape.to_string());
                *known.entry(key).or_insert(id)
            }
        };
        same.push(it);
    }
    same
}

/// Returns the quotient; a divisor that touches 0 without changing its sign is never 0 where the result is a number.
fn quotient(a: Interval, b: Interval) -> Interval {
    if b.hi <= 0.0 && b.lo < 0.0 {
        let negate = |it: Interval| Interval { lo: -it.hi, hi: -it.lo, open: it.open };
        return quotient(negate(a), negate(b));
    }
    if b.lo < 0.0 {
        return ANY;
    }
    let lo = if a.lo >= 0.0 { a.lo / b.hi } else { a.lo / b.lo };
    let hi = if a.hi <= 0.0 { a.hi / b.hi } else { a.hi / b.lo };
    let open = a.open || b.open;
    tidy(Interval {
        lo: if lo.is_nan() && a.lo >= 0.0 { 0.0 } else { lo },
        hi: if hi.is_nan() && a.hi <= 0.0 { 0.0 } else { hi },
        open,
    })
}

/// Ends that are no numbers mean that nothing is known.
fn tidy(it: Interval) -> Interval {
    Interval {
        lo: if it.lo.is_nan() { f64::NEG_INFINITY } else { it.lo },
        hi: if it.hi.is_nan() { f64::INFINITY } else { it.hi },
        open: it.open,
    }
}

fn with_zero(it: Interval) -> Interval {
    hull([it, closed(0.0, 0.0)].into_iter())
}

fn hull(mut all: impl Iterator<Item = Interval>) -> Interval {
    let Some(first) = all.next() else { return ANY };
    all.fold(first, |a, b| Interval {
        lo: a.lo.min(b.lo),
        hi: a.hi.max(b.hi),
        open: a.open && b.open,
    })
}

/// Returns both hold.
fn meet(a: Interval, b: Interval) -> Interval {
    let (lo, hi) = (a.lo.max(b.lo), a.hi.min(b.hi));
    // Rounding can make two tight ranges miss each other.
    if lo > hi { a } else { Interval { lo, hi, open: a.open && lo == a.lo && hi == a.hi } }
}
