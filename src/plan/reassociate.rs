//! Sums put in order, so that as much of each as can be is computed before the loop: what is the
//! same for all rows first, then what each level adds, its products last.

use super::flow::{Flow, Levels, once};
use super::linear::product;
use super::sums::sums;
use super::whole::{Fixed, backward_flow, forward_flow, once_backward};
use crate::derive::Adjoint;
use crate::ir::{Cell, Graph, Leaf, Loss, NamedValue, Node, NodeId, Op, Output, Pointwise};

/// Returns the cell with the sums of its step in order, and where each node of the step went. Named values that are only parts of
/// sums are no values of it any more; these nodes stay.
pub(super) fn cell(cell: &Cell, wanted: &[NodeId]) -> (Cell, Vec<Option<NodeId>>) {
    let fixed = Fixed::default();
    let flow = forward_flow(cell, once(&cell.step, &|op| fixed.leaf(cell, op)), wanted);
    let (step, map) = graph(&flow, &flow.levels());
    let moved = |it: NodeId| map[it.idx()];
    let mut ordered = cell.clone();
    ordered.step = step;
    for carry in &mut ordered.carries {
        carry.next = moved(carry.next).unwrap_or(carry.next);
    }
    for Output { node, .. } in &mut ordered.outputs {
        *node = moved(*node).unwrap_or(*node);
    }
    for Loss { node, .. } in &mut ordered.losses {
        *node = moved(*node).unwrap_or(*node);
    }
    let values = cell.values.iter();
    let values = values.filter_map(|it| Some(NamedValue { node: moved(it.node)?, ..it.clone() }));
    ordered.values = values.collect();
    (ordered, map)
}

/// The backward step of a cell whose nodes went elsewhere: it reads the same values.
pub(super) fn reread(adjoint: &mut Adjoint, map: &[Option<NodeId>]) {
    let mut graph = Graph::default();
    for node in adjoint.graph.nodes() {
        let mut node = node.clone();
        if let Op::Leaf(Leaf::Forward(of)) = &mut node.op {
            *of = map[of.idx()].unwrap_or(*of);
        }
        graph.push(node);
    }
    adjoint.graph = graph;
}

/// Returns the backward step of a cell, its sums in order.
pub(super) fn adjoint(cell: &Cell, adjoint: &Adjoint) -> Adjoint {
    let fixed = Fixed::default();
    let forward = once(&cell.step, &|op| fixed.leaf(cell, op));
    let known = once_backward(cell, adjoint, &fixed, &forward);
    let sums = sums(&adjoint.graph, adjoint.params.iter().flatten().copied(), &known);
    // Sums over all rows are split in their own order.
    let asked = adjoint.graph.ids().filter(|it| sums[it.idx()].is_some());
    let summed: Vec<NodeId> = asked.collect();
    let flow = backward_flow(cell, adjoint, known, &summed);
    let (graph, map) = graph(&flow, &flow.levels());
    let moved = |all: &[Option<NodeId>]| -> Vec<Option<NodeId>> {
        all.iter().map(|it| it.and_then(|it| map[it.idx()])).collect()
    };
    let values = adjoint.values.iter();
    Adjoint {
        carries: moved(&adjoint.carries),
        nexts: moved(&adjoint.nexts),
        inputs: moved(&adjoint.inputs),
        params: moved(&adjoint.params),
        values: values.filter_map(|(name, it)| Some((name.clone(), map[it.idx()]?))).collect(),
        param_names: adjoint.param_names.clone(),
        start: adjoint.start.clone(),
        graph,
    }
}

/// Returns the same graph with its sums in order, and where each node went; parts of a sum that nobody else reads are gone.
fn graph(flow: &Flow<'_>, levels: &Levels) -> (Graph, Vec<Option<NodeId>>) {
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
    let product = |it: &Term| product(graph, it.id, &flow.once).is_some();
    let order = |it: &Term| (!flow.once[it.id.idx()], levels.level[it.id.idx()], product(it));
    let mut ordered: Vec<Option<Vec<Term>>> = (0..n).map(|_| None).collect();
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
struct Term {
    id: NodeId,
    negative: bool,
}

fn is_sum(op: &Op) -> bool {
    matches!(op, Op::Map(Pointwise::Add | Pointwise::Sub | Pointwise::Neg))
}

/// Returns the leaves of a sum, and the sums that it is made of.
fn flatten(
    graph: &Graph,
    root: NodeId,
    is_leaf: &dyn Fn(NodeId) -> bool,
    leaves: &mut Vec<Term>,
    parts: &mut Vec<NodeId>,
) {
    let mut open = vec![(root, false)];
    while let Some((id, negative)) = open.pop() {
        if is_leaf(id) {
            leaves.push(Term { id, negative });
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

/// Returns the sum of leaves in this order.
fn chain(out: &mut Graph, node: &Node, leaves: &[Term], map: &[Option<NodeId>]) -> Option<NodeId> {
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
