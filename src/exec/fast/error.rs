//! The reasons for which the fast engine cannot run a cell.

use std::fmt;

use crate::ir::{Graph, NodeId, Op};
use crate::text::Span;

/// A cell that the fast engine cannot run, which is a fault of the compiler and not of the cell. The
/// interpreter runs every cell.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the fast engine cannot run {what}: {reason}; this is a fault of rnnc, and the interpreter runs \
     every cell: --engine reference"
)]
pub struct EngineError {
    /// The name of the value that is at fault, or its operator; the cell where no value is.
    pub what: String,
    /// The place of the node in the source.
    pub span: Option<Span>,
    /// The reason, in words.
    pub reason: String,
}

impl EngineError {
    /// Returns a node that is at fault.
    pub(super) fn at(graph: &Graph, node: NodeId, reason: impl fmt::Display) -> EngineError {
        EngineError::new(graph, Some(node), reason)
    }

    pub(in crate::exec) fn new(
        graph: &Graph,
        node: Option<NodeId>,
        reason: impl fmt::Display,
    ) -> EngineError {
        let reason = reason.to_string();
        let Some(node) = node.map(|it| graph.node(it)) else {
            return EngineError { what: "the cell".to_owned(), span: None, reason };
        };
        let what = match (&node.name, &node.op) {
            (Some(name), _) => format!("`{name}`"),
            (None, Op::Map(op)) => format!("a value of `{}`", op.name()),
            (None, op) => format!("the value of a {}", op.word()),
        };
        EngineError { what, span: Some(node.span), reason }
    }
}
