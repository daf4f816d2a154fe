//! Ranges of what runs along axes: reductions, running sums, and weights such as those of a softmax.

use super::{Walk, lies_in};
use crate::ir::pointwise::{ANY, Interval, closed};
use crate::ir::{Along, Const, Dim, Indexed, Literal, Move, NodeId, Op, Pointwise, Reduction};

impl Walk<'_> {
    /// Returns the constant that a node is, through repetition along axes.
    pub(super) fn scale_of(&self, id: NodeId) -> Option<Const> {
        let node = self.graph.node(self.unexpanded(id));
        if let Op::Literal(Literal::Scalar(value)) = &node.op { Some(value.clone()) } else { None }
    }

    fn unexpanded(&self, mut id: NodeId) -> NodeId {
        while let Op::Move(Move::Expand(_)) = self.graph.node(id).op {
            id = self.graph.node(id).args[0];
        }
        id
    }

    /// Returns the range of `sum(x) / size`, where `size` is how many were summed: that of `x`.
    pub(super) fn mean(
        &self,
        sum: NodeId,
        size: Option<&Const>,
        ranges: &[Interval],
    ) -> Option<Interval> {
        let node = self.graph.node(self.unexpanded(sum));
        let (Op::Along(Along::Reduce(Reduction::Sum, axes)), Some(size)) = (&node.op, size) else {
            return None;
        };
        let shape = self.graph.shape(node.args[0]);
        let count =
            axes.iter().try_fold(Dim::number(1), |all, it| all.mul(&shape.axes()[*it])).ok()?;
        let summed = match (size, count.as_number()) {
            (Const::Size(size), _) => *size == count,
            (Const::Number(size), Some(count)) => *size == count as f64,
            (Const::Number(_) | Const::Hyper(_) | Const::Apply(..), _) => false,
        };
        summed.then(|| ranges[node.args[0].idx()])
    }

    pub(super) fn reduce(
        &self,
        reduction: Reduction,
        axes: &[usize],
        arg: NodeId,
        ranges: &[Interval],
    ) -> Interval {
        let one = ranges[arg.idx()];
        let shape = self.graph.shape(arg);
        let count = axes
            .iter()
            .try_fold(1.0, |all: f64, it| Some(all * shape.axes()[*it].as_number()? as f64));
        match reduction {
            Reduction::Max | Reduction::Min => one,
            Reduction::Sum => {
                let all_weights = match (axes, &self.graph.node(arg).op) {
                    ([axis], _) => self.weights(arg, Some(*axis), ranges),
                    (_, Op::Along(Along::Softmax(over))) => axes.iter().all(|it| over.contains(it)),
                    _ => false,
                };
                match count {
                    _ if all_weights => closed(0.0, 1.0),
                    Some(count) => closed(count * one.lo, count * one.hi),
                    None => closed(
                        if one.lo >= 0.0 { one.lo } else { f64::NEG_INFINITY },
                        if one.hi <= 0.0 { one.hi } else { f64::INFINITY },
                    ),
                }
            }
            Reduction::Product => {
                let small = one.lo >= -1.0 && one.hi <= 1.0;
                match (one.lo >= 0.0, small) {
                    (true, true) => closed(0.0, one.hi),
                    (true, false) => closed(0.0, f64::INFINITY),
                    (false, true) => closed(-1.0, 1.0),
                    (false, false) => ANY,
                }
            }
            Reduction::Norm => {
                let most = one.lo.abs().max(one.hi.abs());
                closed(0.0, count.map_or(f64::INFINITY, |it| it.sqrt() * most))
            }
            Reduction::LogSumExp => {
                closed(one.lo, count.map_or(f64::INFINITY, |it| one.hi + it.ln()))
            }
        }
    }

    /// Returns true if the elements along an axis are not negative and sum to at most 1, as those of a softmax do.
    pub(super) fn weights(&self, id: NodeId, axis: Option<usize>, ranges: &[Interval]) -> bool {
        let (mut id, Some(mut axis)) = (id, axis) else { return false };
        loop {
            let node = self.graph.node(id);
            if let Some(operand) = node.op.hands_on() {
                id = node.args[operand];
                continue;
            }
            match &node.op {
                Op::Along(Along::Softmax(over)) => return over.contains(&axis),
                Op::Literal(Literal::Eye) => return true,
                Op::Indexed(Indexed::Lookup) => axis += 1,
                Op::Move(Move::Slice { .. }) => {}
                Op::Move(Move::Permute(order)) => axis = order[axis],
                Op::Move(Move::Expand(places)) => match places.iter().position(|it| *it == axis) {
                    Some(before) => axis = before,
                    None => return false,
                },
                Op::Map(Pointwise::Mul) => {
                    let unit = |at: usize| lies_in(&ranges[node.args[at].idx()], &closed(0.0, 1.0));
                    let other = match (unit(0), unit(1)) {
                        // Both may be the weights; one look at the shallower choice is enough in practice.
                        (true, true) if !self.is_softmax(node.args[0]) => node.args[1],
                        (_, true) => node.args[0],
                        (true, false) => node.args[1],
                        (false, false) => return false,
                    };
                    id = other;
                    continue;
                }
                _ => return false,
            }
            id = node.args[0];
        }
    }

    fn is_softmax(&self, id: NodeId) -> bool {
        matches!(self.graph.node(self.unexpanded(id)).op, Op::Along(Along::Softmax(_)))
    }
}
