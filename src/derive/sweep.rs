//! Leaving out what no root needs.

use crate::ir::{Graph, NodeId};

/// Returns the nodes that some root needs.
pub(super) fn needed(graph: &Graph, roots: impl IntoIterator<Item = NodeId>) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes().len()];
    for root in roots {
        needed[root.idx()] = true;
    }
    for id in graph.ids().rev() {
        if needed[id.idx()] {
            for arg in &graph.node(id).args {
                needed[arg.idx()] = true;
            }
        }
    }
    needed
}

/// Returns the graph without the nodes that no root needs, and where the others went.
pub(super) fn sweep(
    graph: Graph,
    roots: impl IntoIterator<Item = NodeId>,
) -> (Graph, Vec<Option<NodeId>>) {
    let needed = needed(&graph, roots);
    let mut swept = Graph::default();
    let mut map: Vec<Option<NodeId>> = vec![None; needed.len()];
    for (idx, mut node) in graph.into_nodes().into_iter().enumerate() {
        if needed[idx] {
            // Operands of a needed node are needed and come before it.
            let moved = |it: &mut NodeId| map[it.idx()].into_iter().for_each(|new| *it = new);
            node.args.iter_mut().for_each(moved);
            map[idx] = Some(swept.push(node));
        }
    }
    (swept, map)
}
