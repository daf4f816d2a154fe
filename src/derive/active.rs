//! Finds the values that have a derivative at all.
//!
//! A value varies when a real input, a real carried value or a trained param reaches it along
//! operands that its operators pass a derivative through. All others need no adjoint and have no
//! tangent.

use crate::ir::{Cell, Graph, Source};

/// For each node, whether it varies.
pub(super) fn varying(cell: &Cell, graph: &Graph) -> Vec<bool> {
    let mut varies: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let leaf = node.op.source().is_some_and(|it| match it {
            Source::Input(idx) => cell.inputs[idx].is_real(),
            Source::Carry(idx) => cell.carries[idx].is_real(),
            Source::Param(idx) => cell.params[idx].trained,
        });
        let through =
            (0..node.args.len()).any(|it| varies[node.args[it].idx()] && node.op.passes(it));
        varies.push(leaf || through);
    }
    varies
}
