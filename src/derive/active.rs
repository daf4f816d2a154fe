//! Which values have a derivative at all.
//!
//! A value varies when a real input, a real carried value or a trained param reaches it along
//! operands that its operators pass a derivative through. All others need no adjoint and have no
//! tangent.

use crate::ir::pointwise::Row;
use crate::ir::{Cell, Graph, Node, Op, Pointwise, Source};

/// For each node, whether it varies.
pub(super) fn varying(cell: &Cell, graph: &Graph, table: &[Row]) -> Vec<bool> {
    let mut varies: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let leaf = node.op.source().is_some_and(|it| match it {
            Source::Input(idx) => cell.inputs[idx].index.is_none(),
            Source::Carry(idx) => cell.carries[idx].is_real(),
            Source::Param(idx) => cell.params[idx].trained,
        });
        let through =
            (0..node.args.len()).any(|it| varies[node.args[it].idx()] && passes(node, it, table));
        varies.push(leaf || through);
    }
    varies
}

/// Whether a node passes derivatives through its operand at this position.
pub(super) fn passes(node: &Node, position: usize, table: &[Row]) -> bool {
    match &node.op {
        Op::Map(Pointwise::Where) => position > 0,
        Op::Map(op) => row(table, *op).is_some_and(|it| it.slopes[position].is_some()),
        // The condition, the declared slope and an index are read and not differentiated.
        Op::Guard | Op::Declared => position == 1,
        Op::Lookup | Op::Scatter => position == 0,
        Op::StopGrad => false,
        Op::Expand(_)
        | Op::Contract(_)
        | Op::Reduce(..)
        | Op::Softmax(_)
        | Op::CumSum { .. }
        | Op::ProductOfOthers(_)
        | Op::Permute(_)
        | Op::Concat(_)
        | Op::Stack
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Reshape
        | Op::Pick(_)
        | Op::Place(_)
        | Op::ClipGrad(_) => true,
        Op::Input(_)
        | Op::Carry(_)
        | Op::Param(_)
        | Op::Mask(_)
        | Op::Constant(_)
        | Op::Array(_)
        | Op::Eye
        | Op::Iota
        | Op::Forward(_)
        | Op::OutputAdjoint(_)
        | Op::CarryAdjoint(_)
        | Op::Tangent(_) => false,
    }
}

/// The row of an operator.
pub(super) fn row(table: &[Row], op: Pointwise) -> Option<&Row> {
    table.iter().find(|it| it.op == op)
}
