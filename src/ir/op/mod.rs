//! The closed set of operators, in families: operators of one family take their operands alike, and most
//! passes treat them alike. What each is otherwise, such as linear or cheap, is in [`facts`](self).

mod facts;

use serde::{Deserialize, Serialize};

use super::constant::Const;
use super::dim::Dim;
use super::graph::NodeId;
use super::pointwise::Pointwise;

pub use facts::Linearity;

/// The operator of a node. `x` is the first operand, shapes are those of the node unless said otherwise.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Op {
    /// A value that comes from outside of the graph.
    Leaf(Leaf),
    /// A value that sizes and hypers determine.
    Literal(Literal),
    /// A row of the table in [`super::pointwise`], applied element by element to operands of one shape.
    Map(Pointwise),
    /// A sum of products over named positions: see [`Contract`].
    Contract(Contract),
    /// Computes along axes of `x`.
    Along(Along),
    /// Only moves or repeats elements, or puts zeros beside them.
    Move(Move),
    /// Moves elements to or from a row whose number is the second operand, a scalar index.
    Indexed(Indexed),
    /// Is one of its operands, and differs from it in the derivative alone.
    Gradient(Gradient),
    /// The number of an element of `x`, a vector: an index.
    Choice(Choice),
}

/// Values that come from outside of the graph. The numbers are positions in the lists of the cell.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Leaf {
    // Of a step graph.
    /// The value of an input at this step.
    Input(usize),
    /// A carried value as it was before this step.
    Carry(usize),
    /// A param or stored const.
    Param(usize),
    /// The bits of a mask.
    Mask(usize),

    // Of a derived graph.
    /// The value that a node of the step graph had at this step.
    Forward(NodeId),
    /// The adjoint of an output (adjoint graph).
    OutputAdjoint(usize),
    /// The adjoint of a new carried value (adjoint graph).
    CarryAdjoint(usize),
    /// The tangent of an input, old carried value or param (tangent graph).
    Tangent(Source),
}

/// The value that a tangent leaf is the tangent of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Source {
    /// An input.
    Input(usize),
    /// An old carried value.
    Carry(usize),
    /// A param.
    Param(usize),
}

/// Values that sizes and hypers determine.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Literal {
    /// A scalar constant.
    Scalar(Const),
    /// A vector of constants.
    Array(Vec<Const>),
    /// The identity matrix `[n, n]`.
    Eye,
    /// 0, 1, 2, .. of shape `[n]`.
    Iota,
}

/// Operators along axes: those of `x`, ascending.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Along {
    /// One element for the elements along these axes, which disappear.
    Reduce(Reduction, Vec<usize>),
    /// exp(x) over its sum along the axes.
    Softmax(Vec<usize>),
    /// The running sum along an axis, from its end when `reverse`.
    CumSum {
        /// The axis.
        axis: usize,
        /// True if it runs from the end; the adjoint of one direction is the other.
        reverse: bool,
    },
    /// For each element the product of all others along the axes: the derivative of `prod`, right
    /// at zeros too.
    ProductOfOthers(Vec<usize>),
}

/// The functions by which elements become one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the function of the same name")]
pub enum Reduction {
    Sum,
    Max,
    Min,
    Product,
    /// The Euclidean norm, with derivative 0 at 0.
    Norm,
    LogSumExp,
}

/// Operators that move elements.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Move {
    /// Repeats along new axes: axis `k` of `x` is axis `places[k]` of the result; ascending.
    Expand(Vec<usize>),
    /// Axis `k` of the result is axis `order[k]` of `x`.
    Permute(Vec<usize>),
    /// Joins the operands along an axis.
    Concat(usize),
    /// A new first axis, one operand each.
    Stack,
    /// The elements `from..to` of an axis.
    Slice {
        /// The axis.
        axis: usize,
        /// The first element.
        from: Dim,
        /// The element after the last.
        to: Dim,
    },
    /// Zeros before and after `x` along an axis: the adjoint of `Slice`.
    Pad {
        /// The axis.
        axis: usize,
        /// The elements before.
        before: Dim,
        /// The elements after.
        after: Dim,
    },
    /// The same elements, row-major, in another shape of the same product; also renames axes.
    Reshape,
    /// Element `k` of the first axis, which disappears.
    Pick(Dim),
    /// Zeros but for element `k` of a new first axis: the adjoint of `Pick`.
    Place(Dim),
}

/// Operators that an index decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Indexed {
    /// The row of `x` with that number.
    Lookup,
    /// Zeros but for `x` as the row with that number: the adjoint of `Lookup`.
    Scatter,
}

/// The rule that chooses an element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Choice {
    /// The largest, of equal ones the first.
    ArgMax,
    /// The first up to which the softmax of `x` sums to more than the second operand, a number of [0, 1).
    Sample,
}

/// Operators that only the derivative sees.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Gradient {
    /// Is the second operand; its adjoint is cut to exactly 0 where the first operand is 0.
    /// It is at the entry of the branches of `where`, so that a branch not taken gives 0 even when
    /// its derivative is NaN.
    Guard,
    /// Is `x`; the second operand is the argument of an activation and the third its declared
    /// derivative there, which both modes of differentiation use instead of what `x` was computed
    /// from.
    Declared,
    /// Is `x` and passes no gradient.
    StopGrad,
    /// Is `x`; its adjoint is cut to `-limit..limit`, element by element.
    ClipGrad(Const),
}

/// A product of two operands summed over the positions that the result does not have, as an
/// Einstein sum: each axis carries a label, labels are unique within an operand, every label of an
/// operand is in the result or in the other operand, every label of the result in an operand.
/// `W @ x` of `[H, I] @ [I]` is `([0, 1], [1]) -> [0]`.
///
/// One rule gives both adjoints: that of the left operand is the contraction of the result's
/// adjoint with the right one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Contract {
    /// The labels of the first operand's axes.
    pub left: Vec<u8>,
    /// The labels of the second operand's axes.
    pub right: Vec<u8>,
    /// The labels of the result's axes.
    pub result: Vec<u8>,
}

macro_rules! families {
    ($($family:ident),*) => {$(
        impl From<$family> for Op {
            fn from(it: $family) -> Op {
                Op::$family(it)
            }
        }
    )*};
}

families!(Leaf, Literal, Contract, Along, Move, Indexed, Gradient, Choice);
