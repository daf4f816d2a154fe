//! Finds the places where a derivative may be infinite.
//!
//! The square root has an infinite slope at 0, which is where a rectifier before it is closed: in
//! `sqrt(relu(x))` the slope of the one is infinite and that of the other exactly 0. Such a product is
//! 0, for the result does not move with `x`, but a multiplication makes a NaN of it. Rectifiers and
//! the like select instead (`Builder::times`), which costs nothing. All other slopes are multiplied
//! with, and where an infinite slope may meet one of 0 the product is guarded (`Builder::chain`):
//!
//! * behind a slope that may be infinite, in the direction of differentiation, slopes may not be 0
//!   unnoticed;
//! * at such a slope itself, the derivative that comes may not.
//!
//! Most cells have no such slope and no guard: what is under a root or in a logarithm has a range
//! without 0, as a mean of squares plus 1e-5 has.

use std::collections::BTreeMap;

use crate::ir::pointwise::{ANY, Interval, closed};
use crate::ir::{
    Along, Cell, Const, Gradient, Graph, Indexed, Leaf, Literal, Move, Node, NodeId, Op, Pointwise,
    Reduction,
};
use crate::text::Name;

/// For each node of a graph what may be infinite there.
pub(super) struct Infinite {
    /// The derivative by the operand at each position.
    slopes: Vec<[bool; 3]>,
    /// Its adjoint.
    adjoints: Vec<bool>,
    /// Its tangent.
    tangents: Vec<bool>,
}

impl Infinite {
    /// Looks at a graph of a cell.
    pub fn of(cell: &Cell, graph: &Graph, varies: &[bool]) -> Infinite {
        let n = graph.nodes().len();
        let ranges = ranges(cell, graph);
        let slopes: Vec<[bool; 3]> = (graph.nodes().iter())
            .map(|node| {
                let args: Vec<Interval> = node.args.iter().map(|it| ranges[it.idx()]).collect();
                std::array::from_fn(|it| is_infinite(node, &args, it))
            })
            .collect();
        let mut all = Infinite { slopes, adjoints: vec![false; n], tangents: vec![false; n] };
        if all.slopes.iter().any(|it| it.contains(&true)) {
            all.spread(cell, graph, varies);
        }
        all
    }

    /// Returns true if the derivative by an operand may be infinite.
    pub fn slope(&self, id: NodeId, position: usize) -> bool {
        self.slopes[id.idx()].get(position).copied().unwrap_or(false)
    }

    /// Returns true if an adjoint may be infinite.
    pub fn adjoint(&self, id: NodeId) -> bool {
        self.adjoints[id.idx()]
    }

    /// Returns true if a tangent may be infinite.
    pub fn tangent(&self, id: NodeId) -> bool {
        self.tangents[id.idx()]
    }

    /// Hands on what is infinite: adjoints to operands, tangents to users, and both to the next step
    /// or the one before. Every node is visited once.
    fn spread(&mut self, cell: &Cell, graph: &Graph, varies: &[bool]) {
        let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes().len()];
        let (mut back, mut forth) = (Vec::new(), Vec::new());
        for id in graph.ids().filter(|it| varies[it.idx()]) {
            let node = graph.node(id);
            // What a step leaves the next one reads; the graph of the starts reads nothing.
            if let Op::Leaf(Leaf::Carry(carry)) = node.op {
                users[cell.carries[carry].next.idx()].push(id);
            }
            for (position, arg) in node.args.iter().enumerate() {
                if !varies[arg.idx()] || !node.op.passes(position) {
                    continue;
                }
                users[arg.idx()].push(id);
                if self.slope(id, position) {
                    back.push(*arg);
                    forth.push(id);
                }
            }
        }
        while let Some(id) = back.pop() {
            let node = graph.node(id);
            let is_clipped = matches!(node.op, Op::Gradient(Gradient::ClipGrad(_)));
            if std::mem::replace(&mut self.adjoints[id.idx()], true) || is_clipped {
                continue;
            }
            let operands = node.args.iter().enumerate();
            let operands = operands.filter(|it| varies[it.1.idx()] && node.op.passes(it.0));
            back.extend(operands.map(|it| *it.1));
            if let Op::Leaf(Leaf::Carry(carry)) = node.op {
                back.push(cell.carries[carry].next);
            }
        }
        while let Some(id) = forth.pop() {
            if !std::mem::replace(&mut self.tangents[id.idx()], true) {
                forth.extend(&users[id.idx()]);
            }
        }
    }
}

/// Returns true if the derivative of a node by an operand may be infinite for operands in these intervals.
fn is_infinite(node: &Node, args: &[Interval], position: usize) -> bool {
    let has_zero = |it: Interval| it.lo <= 0.0 && it.hi >= 0.0;
    match (&node.op, position) {
        (Op::Map(Pointwise::Sqrt | Pointwise::Log), 0) => has_zero(args[0]),
        (Op::Map(Pointwise::Log1p), 0) => args[0].lo <= -1.0,
        // Also a quotient has such slopes, but is infinite itself there, which a run complains about.
        (Op::Map(Pointwise::Pow), 0) => has_zero(args[0]) && args[1].lo < 1.0,
        (Op::Map(Pointwise::Pow), 1) => has_zero(args[0]) && args[1].lo <= 0.0,
        _ => false,
    }
}

/// Returns the intervals of the values of each node, as far as that is easily seen.
fn ranges(cell: &Cell, graph: &Graph) -> Vec<Interval> {
    let mut ranges: Vec<Interval> = Vec::with_capacity(graph.nodes().len());
    let mut hypers = BTreeMap::new();
    for (name, value) in cell.numbers() {
        hypers.insert(name, constant(value, &hypers));
    }
    for node in graph.nodes() {
        let of = |it: usize| ranges[node.args[it].idx()];
        let hull = |a: Interval, b: Interval| closed(a.lo.min(b.lo), a.hi.max(b.hi));
        let positive = closed(0.0, f64::INFINITY);
        let range = match &node.op {
            Op::Leaf(Leaf::Mask(_)) => closed(0.0, 1.0),
            Op::Leaf(_) => ANY,
            Op::Literal(Literal::Scalar(value)) => constant(value, &hypers),
            Op::Literal(Literal::Array(_) | Literal::Eye | Literal::Iota) => ANY,
            Op::Map(Pointwise::Mul) if node.args[0] == node.args[1] => positive,
            Op::Map(op) => {
                let args: Vec<Interval> = (0..node.args.len()).map(of).collect();
                (op.row().range)(&args)
            }
            Op::Contract(_) if of(0).lo >= 0.0 && of(1).lo >= 0.0 => positive,
            Op::Contract(_) => ANY,
            Op::Along(Along::Reduce(Reduction::Max | Reduction::Min, _)) => of(0),
            // At least one term.
            Op::Along(Along::Reduce(Reduction::Sum, _) | Along::CumSum { .. })
                if of(0).lo >= 0.0 =>
            {
                closed(of(0).lo, f64::INFINITY)
            }
            Op::Along(Along::Reduce(Reduction::Product, _)) if of(0).lo >= 0.0 => positive,
            Op::Along(Along::Reduce(Reduction::Norm, _)) => positive,
            Op::Along(Along::Softmax(_)) => closed(0.0, 1.0),
            Op::Along(Along::Reduce(..) | Along::CumSum { .. } | Along::ProductOfOthers(_)) => ANY,
            Op::Move(Move::Pad { .. } | Move::Place(_)) | Op::Indexed(Indexed::Scatter) => {
                hull(of(0), closed(0.0, 0.0))
            }
            Op::Move(_) => (1..node.args.len()).fold(of(0), |all, it| hull(all, of(it))),
            Op::Indexed(Indexed::Lookup) => of(0),
            Op::Choice(_) => positive,
            Op::Gradient(it) => of(it.operand()),
        };
        ranges.push(range);
    }
    ranges
}

/// Returns the range of a constant; `hypers` has those of hypers as they are declared.
fn constant(value: &Const, hypers: &BTreeMap<&Name, Interval>) -> Interval {
    match value {
        Const::Number(value) => closed(*value, *value),
        Const::Size(_) => closed(1.0, f64::INFINITY),
        Const::Hyper(name) => hypers.get(name).copied().unwrap_or(ANY),
        Const::Apply(op, args) => {
            let args: Vec<Interval> = args.iter().map(|it| constant(it, hypers)).collect();
            (op.row().range)(&args)
        }
    }
}
