//! Sums put in order, so that as much of each as can be is computed before the loop: what is the
//! same for all rows first, then what each level adds, its products last.

use super::flow::{Flow, Levels};
use super::linear::product;
use crate::ir::{Graph, Node, NodeId, Op, Pointwise};

/// The same graph with its sums in order, and where each node went; parts of a sum that nobody else
/// reads are gone.
pub(super) fn regroup(flow: &Flow<'_>, levels: &Levels) -> (Graph, Vec<Option<NodeId>>) {
    let graph = flow.graph;
    let n = graph.nodes().len();
    let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); n];
    for id in graph.ids().filter(|it| levels.needed[it.idx()]) {
        graph.node(id).args.iter().for_each(|it| users[it.idx()].push(id));
    }
    let mut root = flow.wanted.clone();
    flow.next.iter().flatten().for_each(|it| root[it.idx()] = true);
    let is_sum = |id: NodeId| is_sum(&graph.node(id).op) && !flow.once[id.idx()];
    let inner = |id: NodeId| {
        let one = users[id.idx()].len() == 1 && users[id.idx()].iter().all(|it| is_sum(*it));
        is_sum(id) && one && !root[id.idx()]
    };
    let product = |it: &Leaf| product(graph, it.id, &flow.once).is_some();
    let order = |it: &Leaf| (!flow.once[it.id.idx()], levels.level[it.id.idx()], product(it));
    let mut ordered: Vec<Option<Vec<Leaf>>> = (0..n).map(|_| None).collect();
    let mut gone: Vec<bool> = levels.needed.iter().map(|it| !it).collect();
    for id in graph.ids().filter(|it| levels.needed[it.idx()] && is_sum(*it) && !inner(*it)) {
        let (mut leaves, mut parts) = (Vec::new(), Vec::new());
        flatten(graph, id, &|it| it != id && !inner(it), &mut leaves, &mut parts);
        if leaves.len() > 2 && leaves.iter().any(product) {
            leaves.sort_by_key(order);
            // A sum does not begin with what is taken away, where it can be helped.
            let first = leaves.first().map(order);
            let positive = leaves.iter().position(|it| !it.negative && Some(order(it)) == first);
            leaves.swap(0, positive.unwrap_or(0));
            parts.iter().for_each(|it| gone[it.idx()] = true);
            gone[id.idx()] = false;
            ordered[id.idx()] = Some(leaves);
        }
    }
    let mut out = Graph::default();
    let mut map: Vec<Option<NodeId>> = vec![None; n];
    for id in graph.ids().filter(|it| !gone[it.idx()]) {
        let node = graph.node(id);
        map[id.idx()] = match &ordered[id.idx()] {
            Some(leaves) => chain(&mut out, node, leaves, &map),
            None => {
                let args = node.args.iter().filter_map(|it| map[it.idx()]).collect();
                Some(out.push(Node { args, ..node.clone() }))
            }
        };
    }
    (out, map)
}

/// An operand of a sum.
struct Leaf {
    id: NodeId,
    negative: bool,
}

fn is_sum(op: &Op) -> bool {
    matches!(op, Op::Map(Pointwise::Add | Pointwise::Sub | Pointwise::Neg))
}

/// The leaves of a sum, and the sums that it is made of.
fn flatten(
    graph: &Graph,
    root: NodeId,
    is_leaf: &dyn Fn(NodeId) -> bool,
    leaves: &mut Vec<Leaf>,
    parts: &mut Vec<NodeId>,
) {
    let mut open = vec![(root, false)];
    while let Some((id, negative)) = open.pop() {
        if is_leaf(id) {
            leaves.push(Leaf { id, negative });
            continue;
        }
        parts.push(id);
        let node = graph.node(id);
        let last = node.args.len() - 1;
        for (at, arg) in node.args.iter().enumerate().rev() {
            let turns = matches!(node.op, Op::Map(Pointwise::Neg))
                || (matches!(node.op, Op::Map(Pointwise::Sub)) && at == last);
            open.push((*arg, negative != turns));
        }
    }
}

/// The sum of leaves in this order.
fn chain(out: &mut Graph, node: &Node, leaves: &[Leaf], map: &[Option<NodeId>]) -> Option<NodeId> {
    let mut sum: Option<NodeId> = None;
    for (at, leaf) in leaves.iter().enumerate() {
        let id = map[leaf.id.idx()]?;
        let op = match (sum, leaf.negative) {
            (None, false) => {
                sum = Some(id);
                continue;
            }
            (None, true) => Pointwise::Neg,
            (Some(_), false) => Pointwise::Add,
            (Some(_), true) => Pointwise::Sub,
        };
        let args: Vec<NodeId> = sum.into_iter().chain([id]).collect();
        let name = node.name.clone().filter(|_| at + 1 == leaves.len());
        let (shape, span) = (node.shape.clone(), node.span);
        sum = Some(out.push(Node { op: Op::Map(op), args, shape, name, span }));
    }
    sum
}
