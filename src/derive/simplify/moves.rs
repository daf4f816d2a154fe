//! Nodes that are not elementwise: broadcasts, reductions, products and moves of elements.

use super::Simplifier;
use crate::ir::{
    Along, Const, Contract, Dim, Gradient, Linearity, Move, NodeId, Op, Pointwise, Reduction, Shape,
};
use crate::text::Span;

impl Simplifier<'_> {
    /// Returns a simpler node with the value of this one, which is not elementwise.
    pub(super) fn moved(
        &mut self,
        op: &Op,
        args: &[NodeId],
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        let &first = args.first()?;
        if let Some(turned) = self.minus_outward(op, args, shape, span) {
            return Some(turned);
        }
        let before = self.out.shape(first).clone();
        let zero = Dim::number(0);
        match op {
            Op::Move(Move::Expand(places)) => {
                if places.len() == shape.rank() {
                    return Some(first);
                }
                let inner = self.unnamed(first)?;
                let Op::Move(Move::Expand(earlier)) = &inner.op else { return None };
                let places = earlier.iter().map(|it| places[*it]).collect();
                let x = inner.args[0];
                Some(self.make(&Op::Move(Move::Expand(places)), &[x], shape, span))
            }
            Op::Move(Move::Permute(order)) => self.permuted(order, first, shape, span),
            Op::Contract(labels) => self.contracted(labels, args, shape, span),
            Op::Along(Along::Reduce(reduction, axes)) => {
                self.reduced(*reduction, axes, first, shape, span)
            }
            Op::Move(Move::Concat(_)) if args.len() == 1 => Some(first),
            Op::Move(Move::Reshape) => {
                if before == *shape {
                    return Some(first);
                }
                if let Some(value) = self.splat(first).cloned() {
                    return Some(self.fill(value, shape, span));
                }
                let inner = self.unnamed(first)?;
                if inner.op != Op::Move(Move::Reshape) {
                    return None;
                }
                let x = inner.args[0];
                Some(self.make(&Op::Move(Move::Reshape), &[x], shape, span))
            }
            Op::Move(Move::Slice { axis, from, to }) => {
                if *from == zero && *to == before.0[*axis] {
                    return Some(first);
                }
                self.sliced(*axis, from, to, first, shape, span)
            }
            Op::Move(Move::Pad { before, after, .. }) if *before == zero && *after == zero => {
                Some(first)
            }
            Op::Move(Move::Pick(index)) => self.picked(index, first, shape, span),
            Op::Gradient(Gradient::Guard) if self.number(first).is_some_and(|it| it != 0.0) => {
                Some(args[1])
            }
            Op::Gradient(Gradient::StopGrad) if self.splat(first).is_some() => Some(first),
            Op::Gradient(Gradient::StopGrad)
                if self.out.node(first).op == Op::Gradient(Gradient::StopGrad) =>
            {
                Some(first)
            }
            _ => None,
        }
    }

    /// A linear operator of `-x` is minus that of `x`: sums can then be written with a minus.
    fn minus_outward(
        &mut self,
        op: &Op,
        args: &[NodeId],
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        // Through a broadcast a minus goes the other way, to where it is computed once.
        if matches!(op, Op::Move(Move::Expand(_)) | Op::Gradient(_)) {
            return None;
        }
        let linear_in = |position: usize| {
            let varies: Vec<bool> = (0..args.len()).map(|it| it == position).collect();
            op.linearity(&varies) == Linearity::Linear
        };
        let minus = |it: &NodeId| {
            let node = self.unnamed(*it)?;
            (node.op == Op::Map(Pointwise::Neg)).then(|| node.args[0])
        };
        let (position, inner) =
            args.iter().enumerate().find_map(|(idx, it)| Some((idx, minus(it)?)))?;
        if !linear_in(position) {
            return None;
        }
        let mut args = args.to_vec();
        args[position] = inner;
        let value = self.make(op, &args, shape, span);
        Some(self.make(&Op::Map(Pointwise::Neg), &[value], shape, span))
    }

    /// A product with the same number everywhere is a sum, repeated: no product at all.
    fn with_constant(
        &mut self,
        labels: &Contract,
        args: &[NodeId],
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        let Contract { left, right, result } = labels;
        let (constant, own, other) = if let Some(value) = self.splat(args[0]) {
            (value.clone(), right, args[1])
        } else {
            (self.splat(args[1])?.clone(), left, args[0])
        };
        // Sum over what the result does not have.
        let axes: Vec<usize> = (0..own.len()).filter(|it| !result.contains(&own[*it])).collect();
        let kept: Vec<usize> = (0..own.len()).filter(|it| !axes.contains(it)).collect();
        let of = |this: &Self, id: NodeId, axes: &[usize]| {
            let all = this.out.shape(id);
            Shape(axes.iter().map(|it| all.0[*it].clone()).collect())
        };
        let summed = of(self, other, &kept);
        let sum =
            self.make(&Op::Along(Along::Reduce(Reduction::Sum, axes)), &[other], &summed, span);
        // In the order of the result.
        let place = |it: usize| result.iter().position(|label| *label == own[kept[it]]);
        let mut order: Vec<usize> = (0..kept.len()).collect();
        order.sort_by_key(|it| place(*it));
        let places: Option<Vec<usize>> = order.iter().map(|it| place(*it)).collect();
        let turned = of(self, sum, &order);
        let sum = self.make(&Op::Move(Move::Permute(order)), &[sum], &turned, span);
        let spread = self.make(&Op::Move(Move::Expand(places?)), &[sum], shape, span);
        let constant = self.fill(constant, shape, span);
        Some(self.make(&Op::Map(Pointwise::Mul), &[constant, spread], shape, span))
    }

    fn permuted(
        &mut self,
        order: &[usize],
        first: NodeId,
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        if order.iter().enumerate().all(|(a, b)| a == *b) {
            return Some(first);
        }
        if let Some(value) = self.splat(first).cloned() {
            return Some(self.fill(value, shape, span));
        }
        let inner = self.unnamed(first)?.clone();
        match &inner.op {
            Op::Move(Move::Permute(earlier)) => {
                let order = order.iter().map(|it| earlier[*it]).collect();
                Some(self.make(&Op::Move(Move::Permute(order)), &inner.args, shape, span))
            }
            Op::Contract(labels) => {
                self.single(first)?;
                let result = order.iter().map(|it| labels.result[*it]).collect();
                let labels = Contract { result, ..labels.clone() };
                Some(self.make(&Op::Contract(labels), &inner.args, shape, span))
            }
            _ => None,
        }
    }

    /// A transposed operand is read in another order instead; a product of scalars is an
    /// elementwise one.
    fn contracted(
        &mut self,
        labels: &Contract,
        args: &[NodeId],
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        if let Some(sum) = self.with_constant(labels, args, shape, span) {
            return Some(sum);
        }
        let Contract { left, right, result } = labels;
        for (position, old) in [left, right].into_iter().enumerate() {
            let inner = self.out.node(args[position]);
            let Op::Move(Move::Permute(order)) = &inner.op else { continue };
            if inner.name.is_some() {
                continue;
            }
            let mut new = old.clone();
            for (label, axis) in old.iter().zip(order) {
                new[*axis] = *label;
            }
            let mut args = args.to_vec();
            args[position] = inner.args[0];
            let mut labels = labels.clone();
            *(if position == 0 { &mut labels.left } else { &mut labels.right }) = new;
            return Some(self.make(&Op::Contract(labels), &args, shape, span));
        }
        let fits =
            |own: &[u8], other: &[u8]| own == result && (other == result || other.is_empty());
        if !fits(left, right) && !fits(right, left) {
            return None;
        }
        let mut spread = |it: NodeId| {
            if self.out.shape(it).rank() == shape.rank() {
                it
            } else {
                self.make(&Op::Move(Move::Expand(Vec::new())), &[it], shape, span)
            }
        };
        let args = [spread(args[0]), spread(args[1])];
        Some(self.make(&Op::Map(Pointwise::Mul), &args, shape, span))
    }

    fn reduced(
        &mut self,
        reduction: Reduction,
        axes: &[usize],
        first: NodeId,
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        if axes.is_empty() && reduction != Reduction::Norm {
            return Some(first);
        }
        let inner = self.unnamed(first)?.clone();
        let of_extreme = matches!(reduction, Reduction::Max | Reduction::Min);
        match &inner.op {
            Op::Along(Along::Reduce(Reduction::Sum, earlier)) if reduction == Reduction::Sum => {
                self.single(first)?;
                // The axes of the inner operand that the inner sum left.
                let x = inner.args[0];
                let rank = self.out.shape(x).rank();
                let left: Vec<usize> = (0..rank).filter(|it| !earlier.contains(it)).collect();
                let mut all: Vec<usize> = axes.iter().map(|it| left[*it]).collect();
                all.extend(earlier);
                all.sort_unstable();
                Some(self.make(&Op::Along(Along::Reduce(Reduction::Sum, all)), &[x], shape, span))
            }
            Op::Move(Move::Expand(places)) if reduction == Reduction::Sum || of_extreme => {
                // Along an axis that only repeats, a sum is a product with its size.
                let new: Vec<usize> =
                    axes.iter().copied().filter(|it| !places.contains(it)).collect();
                if new.is_empty() {
                    return None;
                }
                let axis = |it: usize| inner.shape.0[it].clone();
                let count =
                    new.iter().try_fold(Dim::number(1), |product, it| product.mul(&axis(*it)));
                let count = count.ok()?;
                let place = |it: usize| it - new.iter().filter(|new| **new < it).count();
                let kept = (0..inner.shape.rank()).filter(|it| !new.contains(it));
                let smaller = Shape(kept.map(axis).collect());
                let places = places.iter().map(|it| place(*it)).collect();
                let spread =
                    self.make(&Op::Move(Move::Expand(places)), &inner.args, &smaller, span);
                let rest: Vec<usize> =
                    axes.iter().filter(|it| !new.contains(it)).map(|it| place(*it)).collect();
                let rest =
                    self.make(&Op::Along(Along::Reduce(reduction, rest)), &[spread], shape, span);
                if of_extreme {
                    return Some(rest);
                }
                let count = match count.as_number() {
                    Some(number) => Const::Number(number as f64),
                    None => Const::Size(count),
                };
                let count = self.fill(count, shape, span);
                Some(self.make(&Op::Map(Pointwise::Mul), &[count, rest], shape, span))
            }
            _ => None,
        }
    }

    fn sliced(
        &mut self,
        axis: usize,
        from: &Dim,
        to: &Dim,
        first: NodeId,
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        let inner = self.unnamed(first)?.clone();
        match &inner.op {
            Op::Move(Move::Slice { axis: other, from: start, .. }) if *other == axis => {
                // With sizes still open the bounds of both must be checked when they are bound.
                let size = inner.shape.0[axis].as_number()?;
                if !(0..=to.as_number()?).contains(&from.as_number()?) || to.as_number()? > size {
                    return None;
                }
                let (from, to) = (start.add(from).ok()?, start.add(to).ok()?);
                Some(self.make(&Op::Move(Move::Slice { axis, from, to }), &inner.args, shape, span))
            }
            Op::Move(Move::Concat(other)) if *other == axis => {
                let mut start = Dim::number(0);
                for part in &inner.args {
                    let end = start.add(&self.out.shape(*part).0[axis]).ok()?;
                    if start == *from && end == *to {
                        return Some(*part);
                    }
                    start = end;
                }
                None
            }
            Op::Move(Move::Pad { axis: other, before, .. }) if *other == axis => {
                let x = inner.args[0];
                let end = before.add(&self.out.shape(x).0[axis]).ok()?;
                (before == from && end == *to).then_some(x)
            }
            _ => None,
        }
    }

    fn picked(&mut self, index: &Dim, first: NodeId, shape: &Shape, span: Span) -> Option<NodeId> {
        let inner = self.unnamed(first)?.clone();
        match &inner.op {
            Op::Move(Move::Stack) => {
                let index = usize::try_from(index.as_number()?).ok()?;
                inner.args.get(index).copied()
            }
            Op::Move(Move::Place(other)) if other == index => Some(inner.args[0]),
            Op::Move(Move::Expand(places)) if !places.contains(&0) => {
                let places = places.iter().map(|it| it - 1).collect();
                Some(self.make(&Op::Move(Move::Expand(places)), &inner.args, shape, span))
            }
            _ => None,
        }
    }
}
