//! The adjoint rule of each operator: from the adjoint of the result to those of the operands.

use super::build::Builder;
use crate::ir::{
    Along, Const, Contract, Dim, Gradient, Indexed, Move, NodeId, Op, Pointwise, Reduction, Shape,
};

/// Returns the contributions of a forward node to the adjoints of its operands, given its own adjoint `d`: position and value.
/// `wanted` says which operands need one.
pub(super) fn pull(
    b: &mut Builder<'_>,
    id: NodeId,
    d: NodeId,
    wanted: &dyn Fn(usize) -> bool,
) -> Vec<(usize, NodeId)> {
    let forward = b.forward;
    let node = forward.node(id);
    let span = node.span;
    let args = node.args.as_slice();
    let shape_of = |position: usize| forward.shape(args[position]).clone();
    match &node.op {
        // Written out, because a product with a slope of 0 would let a NaN through.
        Op::Map(Pointwise::Where) => {
            let cond = b.value(args[0]);
            let branch = |b: &mut Builder<'_>, it: usize| (it, b.where_taken(cond, d, it == 1));
            [1, 2].into_iter().filter(|it| wanted(*it)).map(|it| branch(b, it)).collect()
        }
        Op::Map(op) => {
            let mut all = Vec::new();
            for position in (0..args.len()).filter(|it| wanted(*it)) {
                if let Some(slope) = b.slope_of(*op, position) {
                    let slope = b.slope(id, slope);
                    if b.as_number(slope) != Some(0.0) {
                        let may_be = [b.infinite.adjoint(id), b.infinite.slope(id, position)];
                        all.push((position, b.chain(d, slope, may_be)));
                    }
                }
            }
            all
        }
        Op::Contract(labels) => {
            let mut all = Vec::new();
            if wanted(0) {
                let right = b.value(args[1]);
                let labels = (&*labels.result, &*labels.right, &*labels.left);
                all.push((0, contract(b, labels, d, right, shape_of(0))));
            }
            if wanted(1) {
                let left = b.value(args[0]);
                let labels = (&*labels.left, &*labels.result, &*labels.right);
                all.push((1, contract(b, labels, left, d, shape_of(1))));
            }
            all
        }
        Op::Move(Move::Stack) => {
            let pick = |b: &mut Builder<'_>, it: usize| {
                b.push(Move::Pick(Dim::number(it as i64)), &[d], shape_of(it), span)
            };
            (0..args.len()).filter(|it| wanted(*it)).map(|it| (it, pick(b, it))).collect()
        }
        Op::Move(Move::Concat(axis)) => {
            let mut all = Vec::new();
            let mut from = Dim::number(0);
            for position in 0..args.len() {
                let to = sum(&from, &shape_of(position).0[*axis]);
                if wanted(position) {
                    let slice = Op::Move(Move::Slice { axis: *axis, from, to: to.clone() });
                    all.push((position, b.push(slice, &[d], shape_of(position), span)));
                }
                from = to;
            }
            all
        }
        // All others have one operand that takes part.
        op => {
            let Some(position) = (0..args.len()).find(|it| wanted(*it)) else {
                return Vec::new();
            };
            let x = args[position];
            unary(b, op, id, x, d).map(|it| (position, it)).into_iter().collect()
        }
    }
}

/// Returns the adjoint of the only operand `x` that takes part.
fn unary(b: &mut Builder<'_>, op: &Op, id: NodeId, x: NodeId, d: NodeId) -> Option<NodeId> {
    let forward = b.forward;
    let node = forward.node(id);
    let span = node.span;
    let shape = forward.shape(x).clone();
    let rank = node.shape.rank();
    let adjoint = match op {
        Op::Move(Move::Expand(places)) => {
            let new: Vec<usize> = (0..rank).filter(|it| !places.contains(it)).collect();
            b.reduce_sum(d, &new)
        }
        Op::Along(Along::Reduce(Reduction::Sum, axes)) => b.expand_along(d, axes, &shape),
        Op::Along(Along::Reduce(reduction, axes)) => {
            let slope = reduction_slope(b, *reduction, axes, id, x);
            let spread = b.expand_along(d, axes, &shape);
            b.chain(spread, slope, [b.infinite.adjoint(id), false])
        }
        Op::Along(Along::Softmax(axes)) => {
            let y = b.value(id);
            let product = b.map(Pointwise::Mul, &[d, y]);
            let mean = b.reduce_sum(product, axes);
            let mean = b.expand_along(mean, axes, &shape);
            let centred = b.map(Pointwise::Sub, &[d, mean]);
            b.map(Pointwise::Mul, &[y, centred])
        }
        Op::Along(Along::CumSum { axis, reverse }) => {
            b.push(Along::CumSum { axis: *axis, reverse: !reverse }, &[d], shape, span)
        }
        Op::Move(Move::Permute(order)) => {
            let mut inverse = vec![0; order.len()];
            for (to, from) in order.iter().enumerate() {
                inverse[*from] = to;
            }
            b.push(Move::Permute(inverse), &[d], shape, span)
        }
        Op::Move(Move::Slice { axis, from, to }) => {
            let after = difference(&shape.0[*axis], to);
            b.push(Move::Pad { axis: *axis, before: from.clone(), after }, &[d], shape, span)
        }
        Op::Move(Move::Pad { axis, before, .. }) => {
            let to = sum(before, &shape.0[*axis]);
            b.push(Move::Slice { axis: *axis, from: before.clone(), to }, &[d], shape, span)
        }
        Op::Move(Move::Reshape) => b.push(Move::Reshape, &[d], shape, span),
        Op::Move(Move::Pick(index)) => b.push(Move::Place(index.clone()), &[d], shape, span),
        Op::Move(Move::Place(index)) => b.push(Move::Pick(index.clone()), &[d], shape, span),
        Op::Indexed(Indexed::Lookup) => {
            let index = b.value(node.args[1]);
            b.push(Indexed::Scatter, &[d, index], shape, span)
        }
        Op::Indexed(Indexed::Scatter) => {
            let index = b.value(node.args[1]);
            b.push(Indexed::Lookup, &[d, index], shape, span)
        }
        Op::Gradient(Gradient::Guard) => {
            let cond = b.value(node.args[0]);
            b.where_taken(cond, d, true)
        }
        Op::Gradient(Gradient::Declared) => {
            let slope = b.value(node.args[2]);
            b.chain(d, slope, [b.infinite.adjoint(id), false])
        }
        Op::Gradient(Gradient::ClipGrad(limit)) => {
            let low = Const::Apply(Pointwise::Neg, vec![limit.clone()]);
            let low = low.as_number().map_or(low, Const::Number);
            let low = b.graph.constant(low, span);
            let low = b.graph.fill(low, &shape, span);
            let high = b.graph.constant(limit.clone(), span);
            let high = b.graph.fill(high, &shape, span);
            b.map(Pointwise::Clamp, &[d, low, high])
        }
        // Leaves have no operands, and through these nothing passes; the verifier keeps `ProductOfOthers` to derived graphs.
        Op::Gradient(Gradient::StopGrad)
        | Op::Choice(_)
        | Op::Along(Along::ProductOfOthers(_))
        | Op::Leaf(_)
        | Op::Literal(_)
        | Op::Map(_)
        | Op::Contract(_)
        | Op::Move(Move::Concat(_) | Move::Stack) => return None,
    };
    Some(adjoint)
}

/// Returns the derivative of a reduction by each of its elements, in the shape of the operand. `Sum` has ones and is never asked.
pub(super) fn reduction_slope(
    b: &mut Builder<'_>,
    reduction: Reduction,
    axes: &[usize],
    id: NodeId,
    x: NodeId,
) -> NodeId {
    let forward = b.forward;
    let span = forward.node(id).span;
    let shape = forward.shape(x).clone();
    match reduction {
        Reduction::Sum => b.number(1.0, &shape, span),
        // Those that reach the bound share it equally.
        Reduction::Max | Reduction::Min => {
            let x = b.value(x);
            let y = b.value(id);
            let y = b.expand_along(y, axes, &shape);
            let reached = b.map(Pointwise::Equal, &[x, y]);
            let count = b.reduce_sum(reached, axes);
            let count = b.expand_along(count, axes, &shape);
            b.map(Pointwise::Div, &[reached, count])
        }
        Reduction::Product => {
            let x = b.value(x);
            b.push(Along::ProductOfOthers(axes.to_vec()), &[x], shape, span)
        }
        Reduction::Norm => {
            let x = b.value(x);
            let y = b.value(id);
            let y = b.expand_along(y, axes, &shape);
            let zero = b.number(0.0, &shape, span);
            let none = b.map(Pointwise::Equal, &[y, zero]);
            let unit = b.map(Pointwise::Div, &[x, y]);
            b.where_taken(none, unit, false)
        }
        Reduction::LogSumExp => {
            let x = b.value(x);
            b.push(Along::Softmax(axes.to_vec()), &[x], shape, span)
        }
    }
}

/// Returns a contraction. Where nothing is summed and one operand is a scalar it is a plain product.
pub(super) fn contract(
    b: &mut Builder<'_>,
    labels: (&[u8], &[u8], &[u8]),
    left: NodeId,
    right: NodeId,
    shape: Shape,
) -> NodeId {
    let (l, r, result) = labels;
    let span = b.graph.node(left).span;
    let expanded = |b: &mut Builder<'_>, value: NodeId| {
        let places = Vec::new();
        b.graph.expand(value, places, shape.clone(), span)
    };
    if l.is_empty() && r == result {
        let left = expanded(b, left);
        return b.map(Pointwise::Mul, &[left, right]);
    }
    if r.is_empty() && l == result {
        let right = expanded(b, right);
        return b.map(Pointwise::Mul, &[left, right]);
    }
    let labels = Contract { left: l.to_vec(), right: r.to_vec(), result: result.to_vec() };
    b.push(labels, &[left, right], shape, span)
}

/// The verifier has computed these sums and differences, so they do not overflow; a size that did would be refused when
/// sizes are bound.
fn sum(a: &Dim, b: &Dim) -> Dim {
    a.add(b).unwrap_or_else(|_| Dim::number(i64::MAX))
}

fn difference(a: &Dim, b: &Dim) -> Dim {
    a.sub(b).unwrap_or_else(|_| Dim::number(i64::MAX))
}
