//! Elementwise nodes: constants, broadcasts and the laws of arithmetic that floating point keeps.

use super::Simplifier;
use crate::ir::{Const, Leaf, Literal, Move, NodeId, Op, Pointwise, Shape};
use crate::text::Span;

/// Constants nested deeper than this are left to the graph, so that a long unrolled loop over a
/// hyper nests no further.
const MAX_DEPTH: usize = 16;

impl Simplifier<'_> {
    /// Returns a simpler node with the value of this elementwise one.
    pub(super) fn map(
        &mut self,
        op: Pointwise,
        args: &[NodeId],
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        self.folded(op, args, shape, span)
            .or_else(|| self.below_broadcast(op, args, shape, span))
            .or_else(|| self.law(op, args, shape, span))
    }

    /// Of constants: a constant.
    fn folded(
        &mut self,
        op: Pointwise,
        args: &[NodeId],
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        let values: Option<Vec<Const>> = args.iter().map(|it| self.splat(*it).cloned()).collect();
        let value = Const::Apply(op, values?);
        let value = match value.as_number() {
            // What is no number is left where it arises, for messages.
            Some(number) if number.is_nan() => return None,
            Some(number) => Const::Number(number),
            None if depth(&value) > MAX_DEPTH => return None,
            None => value,
        };
        Some(self.fill(value, shape, span))
    }

    /// Of values repeated along the same axes: computed once, then repeated.
    fn below_broadcast(
        &mut self,
        op: Pointwise,
        args: &[NodeId],
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        let repeated = |it: &NodeId| {
            let node = self.unnamed(*it)?;
            let Op::Move(Move::Expand(places)) = &node.op else { return None };
            let inner = node.args[0];
            self.splat(inner).is_none().then(|| (places.clone(), inner))
        };
        let (places, first) = args.iter().find_map(repeated)?;
        let small = self.out.shape(first).clone();
        let mut inner = Vec::with_capacity(args.len());
        for arg in args {
            let of = match self.splat(*arg).cloned() {
                Some(value) => self.fill(value, &small, span),
                None => {
                    let node = self.unnamed(*arg)?;
                    if node.op != Op::Move(Move::Expand(places.clone())) {
                        return None;
                    }
                    node.args[0]
                }
            };
            if *self.out.shape(of) != small {
                return None;
            }
            inner.push(of);
        }
        let value = self.make(&Op::Map(op), &inner, &small, span);
        Some(self.make(&Op::Move(Move::Expand(places)), &[value], shape, span))
    }

    /// Returns the laws of arithmetic.
    fn law(&mut self, op: Pointwise, args: &[NodeId], shape: &Shape, span: Span) -> Option<NodeId> {
        use Pointwise::{Add, Clamp, Div, Identity, Mul, Neg, Pow, Square, Sub, Where};
        let make = |this: &mut Self, op: Pointwise, args: &[NodeId]| {
            Some(this.make(&Op::Map(op), args, shape, span))
        };
        match (op, args) {
            (Identity, &[x]) => Some(x),
            (Add, &[x, y]) => {
                if self.number(x) == Some(0.0) {
                    Some(y)
                } else if self.number(y) == Some(0.0) {
                    Some(x)
                } else if let Some(p) = self.negated(y) {
                    make(self, Sub, &[x, p])
                } else if let Some(p) = self.negated(x) {
                    make(self, Sub, &[y, p])
                } else {
                    self.factored(Add, x, y, shape, span)
                        .or_else(|| self.flattened(x, y, shape, span))
                }
            }
            (Sub, &[x, y]) => {
                if self.number(y) == Some(0.0) {
                    Some(x)
                } else if self.number(x) == Some(0.0) {
                    make(self, Neg, &[y])
                } else if let Some(p) = self.negated(y) {
                    make(self, Add, &[x, p])
                } else {
                    self.factored(Sub, x, y, shape, span)
                }
            }
            (Mul, &[x, y]) => {
                for (number, other) in [(x, y), (y, x)] {
                    match self.number(number) {
                        Some(1.0) => return Some(other),
                        Some(-1.0) => return make(self, Neg, &[other]),
                        Some(0.0) if self.is_finite(other) => {
                            return Some(self.fill(Const::Number(0.0), shape, span));
                        }
                        Some(_) => {
                            let chain = self.chain(number, other, shape, span);
                            if chain.is_some() {
                                return chain;
                            }
                        }
                        None => {}
                    }
                }
                if x == y {
                    return make(self, Square, &[x]);
                }
                for (turned, other, first) in [(x, y, true), (y, x, false)] {
                    if let Some([p]) = self.operands(Neg, turned) {
                        let args = if first { [p, other] } else { [other, p] };
                        let product = self.make(&Op::Map(Mul), &args, shape, span);
                        return make(self, Neg, &[product]);
                    }
                    if let Some([one, p]) = self.operands(Div, turned)
                        && self.number(one) == Some(1.0)
                    {
                        return make(self, Div, &[other, p]);
                    }
                }
                None
            }
            (Div, &[x, y]) => {
                if self.number(y) == Some(1.0) {
                    return Some(x);
                }
                if self.number(y) == Some(-1.0) {
                    return make(self, Neg, &[x]);
                }
                let quotient = if let Some([p]) = self.operands(Neg, x) {
                    self.make(&Op::Map(Div), &[p, y], shape, span)
                } else {
                    let [p] = self.operands(Neg, y)?;
                    self.make(&Op::Map(Div), &[x, p], shape, span)
                };
                make(self, Neg, &[quotient])
            }
            (Neg, &[x]) => {
                if let Some([p]) = self.operands(Neg, x) {
                    return Some(p);
                }
                self.single(x)?;
                let [p, q] = self.operands(Sub, x)?;
                make(self, Sub, &[q, p])
            }
            (Square, &[x]) => {
                let [p] = self.operands(Neg, x)?;
                make(self, Square, &[p])
            }
            (Pow, &[x, y]) => match self.number(y)? {
                // Also that of a NaN is 1.
                0.0 => Some(self.fill(Const::Number(1.0), shape, span)),
                1.0 => Some(x),
                2.0 => make(self, Square, &[x]),
                -1.0 => {
                    let one = self.fill(Const::Number(1.0), shape, span);
                    make(self, Div, &[one, x])
                }
                _ => None,
            },
            // Bounds that nothing is beyond. A single one stays: there is no operator that has one alone
            // and lets the adjoint pass at the bound.
            (Clamp, &[v, low, high]) => {
                let bounds = (self.number(low)?, self.number(high)?);
                (bounds == (f64::NEG_INFINITY, f64::INFINITY)).then_some(v)
            }
            (Where, &[cond, yes, no]) => match self.number(cond) {
                Some(cond) => Some(if cond != 0.0 { yes } else { no }),
                None => (yes == no).then_some(yes),
            },
            _ => None,
        }
    }

    /// Returns the operands of a node with this operator that may be looked through.
    fn operands<const N: usize>(&self, op: Pointwise, id: NodeId) -> Option<[NodeId; N]> {
        let node = self.unnamed(id)?;
        if node.op != Op::Map(op) {
            return None;
        }
        node.args.as_slice().try_into().ok()
    }

    /// Returns x if a node is -x, also if the minus was repeated along axes.
    fn negated(&mut self, id: NodeId) -> Option<NodeId> {
        if let Some([inner]) = self.operands(Pointwise::Neg, id) {
            return Some(inner);
        }
        let node = self.unnamed(id)?;
        let (Op::Move(Move::Expand(places)), &[arg]) = (&node.op, node.args.as_slice()) else {
            return None;
        };
        let (op, shape, span) =
            (Move::Expand(places.clone()).into(), node.shape.clone(), node.span);
        let [inner] = self.operands(Pointwise::Neg, arg)?;
        Some(self.make(&op, &[inner], &shape, span))
    }

    /// `c * (k * x)` of two numbers: one factor.
    fn chain(
        &mut self,
        number: NodeId,
        product: NodeId,
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        self.single(product)?;
        let [p, q] = self.operands(Pointwise::Mul, product)?;
        let outer = self.number(number)?;
        let (inner, x) = match (self.number(p), self.number(q)) {
            (Some(inner), _) => (inner, q),
            (None, Some(inner)) => (inner, p),
            (None, None) => return None,
        };
        let factor = Some(outer * inner).filter(|it| it.is_normal())?;
        let factor = self.fill(Const::Number(factor), shape, span);
        Some(self.make(&Op::Map(Pointwise::Mul), &[factor, x], shape, span))
    }

    /// `a * b - a * c`: `a * (b - c)`, where the products serve nothing else.
    fn factored(
        &mut self,
        op: Pointwise,
        x: NodeId,
        y: NodeId,
        shape: &Shape,
        span: Span,
    ) -> Option<NodeId> {
        if !self.factor || x == y {
            return None;
        }
        self.single(x).and(self.single(y))?;
        let [a, b] = self.operands(Pointwise::Mul, x)?;
        let [c, d] = self.operands(Pointwise::Mul, y)?;
        let (common, left, right) = if a == c {
            (a, b, d)
        } else if a == d {
            (a, b, c)
        } else if b == c {
            (b, a, d)
        } else if b == d {
            (b, a, c)
        } else {
            return None;
        };
        if self.number(common).is_some() {
            return None;
        }
        let sum = self.make(&Op::Map(op), &[left, right], shape, span);
        Some(self.make(&Op::Map(Pointwise::Mul), &[common, sum], shape, span))
    }

    /// `x + (a + b)`, also with minus: `x + a + b`.
    fn flattened(&mut self, x: NodeId, y: NodeId, shape: &Shape, span: Span) -> Option<NodeId> {
        if !self.factor {
            return None;
        }
        self.single(y)?;
        for op in [Pointwise::Add, Pointwise::Sub] {
            if let Some([a, b]) = self.operands(op, y) {
                let sum = self.make(&Op::Map(Pointwise::Add), &[x, a], shape, span);
                return Some(self.make(&Op::Map(op), &[sum, b], shape, span));
            }
        }
        None
    }

    /// Returns true if it can have no infinity and no NaN, whatever comes from outside.
    fn is_finite(&self, id: NodeId) -> bool {
        let node = self.out.node(id);
        match &node.op {
            Op::Literal(Literal::Scalar(Const::Number(value))) => value.is_finite(),
            Op::Literal(Literal::Scalar(Const::Size(_)) | Literal::Eye | Literal::Iota)
            | Op::Leaf(Leaf::Mask(_)) => true,
            Op::Move(Move::Expand(_) | Move::Permute(_) | Move::Reshape) => {
                self.is_finite(node.args[0])
            }
            Op::Map(op) => op.is_truth(),
            _ => false,
        }
    }
}

fn depth(value: &Const) -> usize {
    match value {
        Const::Number(_) | Const::Size(_) | Const::Hyper(_) => 0,
        Const::Apply(_, args) => 1 + args.iter().map(depth).max().unwrap_or(0),
    }
}
