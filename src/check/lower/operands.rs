//! Operands: values with the text that they came from, brought to the shape and guard that an operation needs.

use super::{Lower, Value};
use crate::check::show::Shown;
use crate::diag::{Code, Diagnostic};
use crate::hir::DefId;
use crate::ir::{Literal, Move, NodeId, Shape};
use crate::text::Span;

/// A value and how the author wrote it.
#[derive(Clone, Debug)]
pub(in crate::check) struct Operand<'e> {
    pub shown: Shown<'e>,
    /// The definition that it names, if it is a bare name.
    pub def: Option<DefId>,
    pub value: Value,
}

/// The way in which the axes of one shape lie in another.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Embedding {
    /// In one way: axis `k` is axis `places[k]`.
    One(Vec<usize>),
    /// Not at all.
    None,
    /// In several ways.
    Many,
}

/// Finds the ways in which the axes of `small` are an ordered subset of those of `big`.
pub(super) fn embed(small: &Shape, big: &Shape) -> Embedding {
    if small == big {
        return Embedding::One((0..big.rank()).collect());
    }
    // ways[k]: in how many ways the first k axes of `small` lie in the axes of `big` seen so far; 2 means more.
    let mut ways = vec![0u8; small.rank() + 1];
    ways[0] = 1;
    for axis in big.axes() {
        for k in (0..small.rank()).rev() {
            if small.axes()[k] == *axis {
                ways[k + 1] = (ways[k + 1] + ways[k]).min(2);
            }
        }
    }
    match ways[small.rank()] {
        0 => Embedding::None,
        1 => {
            let mut places = Vec::with_capacity(small.rank());
            for (idx, axis) in big.axes().iter().enumerate() {
                if small.axes().get(places.len()) == Some(axis) {
                    places.push(idx);
                }
            }
            Embedding::One(places)
        }
        _ => Embedding::Many,
    }
}

impl Lower<'_, '_> {
    /// Returns the shape of an operand; a report for an index, which is no number to compute with.
    pub(super) fn numeric(&mut self, operand: &Operand<'_>) -> Option<Shape> {
        if let Value::Index(_, dim) = &operand.value {
            let text = operand.shown.short();
            let message = format!("`{text}` is an index below `{dim}`, not a number");
            let fault = Diagnostic::new(Code::WrongKindOfName, operand.shown.span(), message).help(
                format!("write `eye({dim})[{text}]` for its one-hot vector, or look a row up"),
            );
            return self.fail(fault);
        }
        Some(self.shape(&operand.value))
    }

    /// a 0 in a graph that is thrown away.
    pub(in crate::check) fn node(&mut self, value: &Value, span: Span) -> NodeId {
        match value {
            Value::Node(node) | Value::Index(node, _) => *node,
            Value::Constant(constant, _) => {
                self.add(Literal::Scalar(constant.clone()), Vec::new(), Shape::scalar(), span)
            }
        }
    }

    /// Returns the node of an operand as it is, guarded against branches that are not taken.
    pub(super) fn entered(&mut self, operand: &Operand<'_>) -> NodeId {
        let span = operand.shown.span();
        let node = self.node(&operand.value, span);
        self.guard(node, node, span)
    }

    /// Returns the node of an operand repeated to a shape, guarded against branches that are not taken.
    pub(super) fn spread(
        &mut self,
        operand: &Operand<'_>,
        places: Vec<usize>,
        shape: &Shape,
    ) -> NodeId {
        let span = operand.shown.span();
        let node = self.node(&operand.value, span);
        let spread = self.expand(node, places, shape, span);
        self.guard(node, spread, span)
    }

    /// As [`crate::ir::Graph::expand`].
    pub(super) fn expand(
        &mut self,
        node: NodeId,
        places: Vec<usize>,
        shape: &Shape,
        span: Span,
    ) -> NodeId {
        if places.len() == shape.rank() {
            return node;
        }
        self.add(Move::Expand(places), vec![node], shape.clone(), span)
    }

    /// Returns a scalar repeated to a shape.
    pub(in crate::check) fn fill(&mut self, scalar: NodeId, shape: &Shape, span: Span) -> NodeId {
        self.expand(scalar, Vec::new(), shape, span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Dim;

    fn shape(names: &[&str]) -> Shape {
        Shape(names.iter().map(|it| Dim::symbol(*it)).collect())
    }

    #[test]
    fn axes_lie_in_others_by_name_and_in_order() {
        assert_eq!(embed(&shape(&["D"]), &shape(&["N", "D"])), Embedding::One(vec![1]));
        assert_eq!(embed(&shape(&[]), &shape(&["N", "D"])), Embedding::One(vec![]));
        assert_eq!(embed(&shape(&["H"]), &shape(&["H", "H"])), Embedding::Many);
        assert_eq!(embed(&shape(&["H", "H"]), &shape(&["H", "H"])), Embedding::One(vec![0, 1]));
        assert_eq!(embed(&shape(&["D", "N"]), &shape(&["N", "D"])), Embedding::None);
        assert_eq!(
            embed(&shape(&["H", "D"]), &shape(&["H", "D", "H"])),
            Embedding::One(vec![0, 1])
        );
        assert_eq!(embed(&shape(&["H"]), &shape(&["H", "D", "H"])), Embedding::Many);
    }
}
