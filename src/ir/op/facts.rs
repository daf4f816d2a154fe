//! Facts that passes ask of operators, each stated once.
//!
//! A fact is a method here, so that a new operator gets all its answers in this file: the compiler names the
//! methods that lack one. What an operator computes, its derivative and its shape are elsewhere, each with a
//! stage of its own.

use super::{
    Along, Choice, Contract, Gradient, Indexed, Leaf, Literal, Move, Op, Reduction, Source,
};
use crate::ir::Pointwise;

/// The way in which a value depends on some of its operands while the others are held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Linearity {
    /// The value for a sum is the sum of the values: `W @ x` of `x`.
    Linear,
    /// Linear, plus what the held operands give: `x + b` of `x`.
    Affine,
    /// Anything else.
    Nonlinear,
}

impl Leaf {
    /// Returns true if it is a leaf of the step graph, not one that only a derived graph has.
    pub fn is_of_step(self) -> bool {
        match self {
            Leaf::Input(_) | Leaf::Carry(_) | Leaf::Param(_) | Leaf::Mask(_) => true,
            Leaf::Forward(_)
            | Leaf::OutputAdjoint(_)
            | Leaf::CarryAdjoint(_)
            | Leaf::Tangent(_) => false,
        }
    }

    /// Returns the input, old carried value or param that one can differentiate by, if it is one.
    pub fn source(self) -> Option<Source> {
        match self {
            Leaf::Input(idx) => Some(Source::Input(idx)),
            Leaf::Carry(idx) => Some(Source::Carry(idx)),
            Leaf::Param(idx) => Some(Source::Param(idx)),
            Leaf::Mask(_)
            | Leaf::Forward(_)
            | Leaf::OutputAdjoint(_)
            | Leaf::CarryAdjoint(_)
            | Leaf::Tangent(_) => None,
        }
    }
}

impl Contract {
    /// Returns true if nothing is summed, so that each element is one product.
    pub fn is_outer(&self) -> bool {
        self.left.iter().all(|it| self.result.contains(it))
    }
}

impl Gradient {
    /// Returns the position of the operand that it is.
    pub fn operand(&self) -> usize {
        match self {
            Gradient::Guard => 1,
            Gradient::Declared | Gradient::StopGrad | Gradient::ClipGrad(_) => 0,
        }
    }
}

impl Pointwise {
    /// Returns true if the order of both operands does not matter.
    pub fn commutes(self) -> bool {
        use Pointwise::{Add, Equal, LogAddExp, Max, Min, Mul, NotEqual};
        matches!(self, Add | Mul | Max | Min | Equal | NotEqual | LogAddExp)
    }

    /// Returns true if the value is 1 or 0, yes or no.
    pub fn is_truth(self) -> bool {
        use Pointwise::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual, Step};
        matches!(self, Equal | Greater | GreaterEqual | Less | LessEqual | NotEqual | Step)
    }

    fn linearity(self, varies: &[bool]) -> Linearity {
        let all = varies.iter().all(|it| *it);
        let sum = if all { Linearity::Linear } else { Linearity::Affine };
        match (self, varies) {
            (Pointwise::Add | Pointwise::Sub, _) => sum,
            (Pointwise::Neg | Pointwise::Identity, _) => Linearity::Linear,
            (Pointwise::Mul, [true, false] | [false, true]) => Linearity::Linear,
            (Pointwise::Div, [true, false]) => Linearity::Linear,
            (Pointwise::Where, [false, true, true]) => Linearity::Linear,
            (Pointwise::Where, [false, ..]) => Linearity::Affine,
            (_, _) => Linearity::Nonlinear,
        }
    }
}

impl Reduction {
    /// All of them.
    pub const ALL: [Reduction; 6] = [
        Reduction::Sum,
        Reduction::Max,
        Reduction::Min,
        Reduction::Product,
        Reduction::Norm,
        Reduction::LogSumExp,
    ];

    /// Returns its name in the language.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// Returns the name of the operator in a sentence.
    pub fn word(self) -> &'static str {
        self.names().1
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Reduction::Sum => ("sum", "sum of elements"),
            Reduction::Max => ("max", "maximum"),
            Reduction::Min => ("min", "minimum"),
            Reduction::Product => ("prod", "product of elements"),
            Reduction::Norm => ("norm", "norm"),
            Reduction::LogSumExp => ("logsumexp", "logsumexp"),
        }
    }
}

impl Op {
    /// Returns the leaf that it is, if any: what comes from outside of the graph. Literals do not.
    pub fn leaf(&self) -> Option<Leaf> {
        if let Op::Leaf(leaf) = self { Some(*leaf) } else { None }
    }

    /// Returns true if its value comes from outside of the graph.
    pub fn is_leaf(&self) -> bool {
        self.leaf().is_some()
    }

    /// Returns true if it is a leaf of the step graph.
    pub fn is_leaf_of_step(&self) -> bool {
        self.leaf().is_some_and(Leaf::is_of_step)
    }

    /// Returns the input, old carried value or param that one can differentiate by, if it is one.
    pub fn source(&self) -> Option<Source> {
        self.leaf().and_then(Leaf::source)
    }

    /// Returns the position of the operand whose value it hands on in the same shape.
    pub fn hands_on(&self) -> Option<usize> {
        match self {
            Op::Gradient(it) => Some(it.operand()),
            Op::Map(Pointwise::Identity) => Some(0),
            Op::Leaf(_)
            | Op::Literal(_)
            | Op::Map(_)
            | Op::Contract(_)
            | Op::Along(_)
            | Op::Move(_)
            | Op::Indexed(_)
            | Op::Choice(_) => None,
        }
    }

    /// Returns the position of the operand whose elements it has in the same order, in any shape: it needs no memory of its own.
    pub fn shares(&self) -> Option<usize> {
        match self {
            Op::Move(Move::Reshape) => Some(0),
            Op::Move(Move::Permute(order)) if order.is_sorted() => Some(0),
            op => op.hands_on(),
        }
    }

    /// Returns true if it costs about as much as reading its operands.
    pub fn is_cheap(&self) -> bool {
        match self {
            Op::Map(_) | Op::Move(_) | Op::Gradient(_) => true,
            Op::Contract(labels) => labels.is_outer(),
            Op::Along(_) | Op::Indexed(_) | Op::Choice(_) | Op::Leaf(_) | Op::Literal(_) => false,
        }
    }

    /// Returns true if each element of the result depends only on the elements at the same place of the operands.
    pub fn keeps_places(&self) -> bool {
        matches!(self, Op::Map(_) | Op::Move(Move::Expand(_)) | Op::Gradient(_))
    }

    /// Returns how the value depends on the operands that vary, of which there is at least one.
    pub fn linearity(&self, varies: &[bool]) -> Linearity {
        let all = varies.iter().all(|it| *it);
        match self {
            Op::Map(op) => op.linearity(varies),
            Op::Move(_) if all => Linearity::Linear,
            // Beside operands that are held.
            Op::Move(_) => Linearity::Affine,
            Op::Along(Along::Reduce(Reduction::Sum, _) | Along::CumSum { .. }) => Linearity::Linear,
            Op::Along(_) => Linearity::Nonlinear,
            Op::Contract(_) if !all => Linearity::Linear,
            Op::Indexed(_) if varies == [true, false] => Linearity::Linear,
            Op::Contract(_) | Op::Indexed(_) | Op::Choice(_) => Linearity::Nonlinear,
            Op::Gradient(it) if varies[it.operand()] => Linearity::Linear,
            // The condition of a guard and a declared slope only matter to the gradient.
            Op::Gradient(_) => Linearity::Affine,
            Op::Leaf(_) | Op::Literal(_) => Linearity::Affine,
        }
    }

    /// Returns true if a derivative passes from the result to the operand at this position.
    pub fn passes(&self, position: usize) -> bool {
        match self {
            // Its slopes are written by hand, since a product with a slope of 0 would let a NaN through.
            Op::Map(Pointwise::Where) => position > 0,
            Op::Map(op) => op.row().slopes[position].is_some(),
            Op::Contract(_) | Op::Along(_) | Op::Move(_) => true,
            // The index, the condition, and a declared slope are read and not differentiated.
            Op::Indexed(_) => position == 0,
            Op::Gradient(Gradient::Guard | Gradient::Declared) => position == 1,
            Op::Gradient(Gradient::StopGrad) => false,
            Op::Gradient(Gradient::ClipGrad(_)) => true,
            Op::Leaf(_) | Op::Literal(_) | Op::Choice(_) => false,
        }
    }

    /// Returns the name of a node with this operator in a sentence.
    pub fn word(&self) -> &'static str {
        match self {
            Op::Leaf(Leaf::Input(_)) => "input",
            Op::Leaf(Leaf::Carry(_)) => "old value",
            Op::Leaf(Leaf::Param(_)) => "param",
            Op::Leaf(Leaf::Mask(_)) => "mask",
            Op::Leaf(Leaf::Forward(_)) => "kept value",
            Op::Leaf(Leaf::OutputAdjoint(_) | Leaf::CarryAdjoint(_)) => "adjoint",
            Op::Leaf(Leaf::Tangent(_)) => "tangent",
            Op::Literal(Literal::Scalar(_) | Literal::Array(_) | Literal::Eye | Literal::Iota) => {
                "constant"
            }
            Op::Map(Pointwise::Add | Pointwise::Sub) => "sum",
            Op::Map(Pointwise::Where) => "choice",
            Op::Map(_) => "term",
            Op::Contract(labels) if labels.is_outer() => "outer product",
            Op::Contract(_) => "product",
            Op::Along(Along::Reduce(reduction, _)) => reduction.word(),
            Op::Along(Along::Softmax(_)) => "softmax",
            Op::Along(Along::CumSum { .. }) => "running sum",
            Op::Along(Along::ProductOfOthers(_)) => "product of others",
            Op::Move(Move::Expand(_)) => "broadcast",
            Op::Move(Move::Permute(_)) => "transpose",
            Op::Move(Move::Concat(_)) => "concat",
            Op::Move(Move::Stack) => "stack",
            Op::Move(Move::Slice { .. }) => "slice",
            Op::Move(Move::Pad { .. }) => "pad",
            Op::Move(Move::Reshape) => "reshape",
            Op::Move(Move::Pick(_)) => "element",
            Op::Move(Move::Place(_)) => "place",
            Op::Indexed(Indexed::Lookup) => "lookup",
            Op::Indexed(Indexed::Scatter) => "scatter",
            Op::Choice(Choice::ArgMax) => "argmax",
            Op::Choice(Choice::Sample) => "sample",
            Op::Gradient(Gradient::Guard) => "branch",
            Op::Gradient(Gradient::Declared) => "activation",
            Op::Gradient(Gradient::StopGrad) => "stop_grad",
            Op::Gradient(Gradient::ClipGrad(_)) => "clip_grad",
        }
    }
}
