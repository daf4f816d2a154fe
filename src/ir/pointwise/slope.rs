//! Writing slopes over graph values as plain formulas: `v.y() * (1.0 - v.y())`.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use super::Pointwise;
use crate::ir::constant::Const;
use crate::ir::graph::{Graph, NodeId};
use crate::ir::op::Literal;
use crate::text::Span;

/// The derivative of an operator by one operand, as a formula.
pub type Slope = for<'g> fn(Args<'g>) -> Value<'g>;

/// The values that a slope may use: the operands, the result, constants and operators.
#[derive(Clone, Copy)]
pub struct Args<'g> {
    graph: &'g RefCell<Graph>,
    args: [NodeId; 3],
    result: NodeId,
    span: Span,
}

/// A value of the graph in a formula.
#[derive(Clone, Copy)]
pub struct Value<'g> {
    graph: &'g RefCell<Graph>,
    id: NodeId,
    span: Span,
}

/// A value or a number.
pub trait Term<'g> {
    /// Returns the value; a number takes the shape of `like`.
    fn value(self, like: &Args<'g>) -> Value<'g>;
}

impl<'g> Term<'g> for Value<'g> {
    fn value(self, _: &Args<'g>) -> Value<'g> {
        self
    }
}

impl<'g> Term<'g> for f64 {
    fn value(self, like: &Args<'g>) -> Value<'g> {
        like.number(self)
    }
}

/// Writes a slope into a graph. `args` and `result` are nodes of that graph of one shape: the
/// operands and the value of the operator.
pub fn write(
    graph: &mut Graph,
    slope: Slope,
    args: &[NodeId],
    result: NodeId,
    span: Span,
) -> NodeId {
    let mut all = [result; 3];
    all[..args.len()].copy_from_slice(args);
    let cell = RefCell::new(std::mem::take(graph));
    let id = slope(Args { graph: &cell, args: all, result, span }).id;
    *graph = cell.into_inner();
    id
}

impl<'g> Args<'g> {
    fn of(&self, id: NodeId) -> Value<'g> {
        Value { graph: self.graph, id, span: self.span }
    }

    /// Returns the first operand.
    pub fn a(&self) -> Value<'g> {
        self.of(self.args[0])
    }

    /// Returns the second operand.
    pub fn b(&self) -> Value<'g> {
        self.of(self.args[1])
    }

    /// Returns the third operand.
    pub fn third(&self) -> Value<'g> {
        self.of(self.args[2])
    }

    /// Returns the result.
    pub fn y(&self) -> Value<'g> {
        self.of(self.result)
    }

    /// Returns a number, in the shape of the result.
    pub fn number(&self, value: f64) -> Value<'g> {
        self.y().number(value)
    }

    /// Returns a function of one value.
    pub fn f(&self, op: Pointwise, value: Value<'g>) -> Value<'g> {
        value.apply(op, &[value])
    }

    /// `a ^ b`.
    pub fn pow(&self, a: Value<'g>, b: Value<'g>) -> Value<'g> {
        a.apply(Pointwise::Pow, &[a, b])
    }

    /// Returns a comparison, 0 or 1.
    pub fn is(&self, op: Pointwise, a: Value<'g>, b: impl Term<'g>) -> Value<'g> {
        a.apply(op, &[a, b.value(self)])
    }

    /// `a` where the condition is not 0, else `b`.
    pub fn select(&self, cond: Value<'g>, a: impl Term<'g>, b: impl Term<'g>) -> Value<'g> {
        cond.apply(Pointwise::Where, &[cond, a.value(self), b.value(self)])
    }

    /// 1 where the comparison of the two operands holds, a half where they are equal, else 0.
    pub fn half_at_tie(&self, op: Pointwise) -> Value<'g> {
        let tie = self.is(Pointwise::Equal, self.a(), self.b());
        self.select(tie, 0.5, self.is(op, self.a(), self.b()))
    }
}

impl<'g> Value<'g> {
    fn apply(self, op: Pointwise, args: &[Value<'g>]) -> Value<'g> {
        let ids: Vec<NodeId> = args.iter().map(|it| it.id).collect();
        let id = self.graph.borrow_mut().map(op, &ids, self.span);
        Value { id, ..self }
    }

    fn number(self, value: f64) -> Value<'g> {
        let mut graph = self.graph.borrow_mut();
        let shape = graph.shape(self.id).clone();
        let scalar = graph.add(
            Literal::Scalar(Const::Number(value)),
            Vec::new(),
            crate::ir::dim::Shape::scalar(),
            self.span,
        );
        let id = graph.fill(scalar, &shape, self.span);
        drop(graph);
        Value { id, ..self }
    }
}

macro_rules! infix {
    ($trait:ident, $method:ident, $op:ident) => {
        impl<'g> $trait for Value<'g> {
            type Output = Value<'g>;
            fn $method(self, other: Value<'g>) -> Value<'g> {
                self.apply(Pointwise::$op, &[self, other])
            }
        }
        impl<'g> $trait<f64> for Value<'g> {
            type Output = Value<'g>;
            fn $method(self, other: f64) -> Value<'g> {
                self.apply(Pointwise::$op, &[self, self.number(other)])
            }
        }
        impl<'g> $trait<Value<'g>> for f64 {
            type Output = Value<'g>;
            fn $method(self, other: Value<'g>) -> Value<'g> {
                other.apply(Pointwise::$op, &[other.number(self), other])
            }
        }
    };
}

infix!(Add, add, Add);
infix!(Sub, sub, Sub);
infix!(Mul, mul, Mul);
infix!(Div, div, Div);

impl<'g> Neg for Value<'g> {
    type Output = Value<'g>;
    fn neg(self) -> Value<'g> {
        self.apply(Pointwise::Neg, &[self])
    }
}
