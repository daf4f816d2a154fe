//! Leaving out what no root needs.

use crate::ir::{Graph, Node, NodeId};

/// The nodes that some root needs.
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

/// The graph without the nodes that no root needs, and where the others went.
pub(super) fn sweep(
    graph: &Graph,
    roots: impl IntoIterator<Item = NodeId>,
) -> (Graph, Vec<Option<NodeId>>) {
    let needed = needed(graph, roots);
    let mut swept = Graph::default();
    let mut map: Vec<Option<NodeId>> = vec![None; needed.len()];
    for id in graph.ids() {
        if needed[id.idx()] {
            let node = graph.node(id);
            // Operands of a needed node are needed and come before it.
            let args = node.args.iter().filter_map(|it| map[it.idx()]).collect();
            map[id.idx()] = Some(swept.push(Node { args, ..node.clone() }));
        }
    }
    (swept, map)
}
