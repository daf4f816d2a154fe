//! Gradients of params: sums over all rows, taken apart into products of two values over all rows
//! and into values that are summed as they are.

use crate::ir::{Contract, Graph, Indexed, Linearity, NodeId, Op};

/// How the sum of a value over all rows is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sum {
    /// The value is the same for all rows.
    Once,
    /// The operator is linear in the operands that differ from row to row: it is applied to their
    /// sums.
    Linear,
    /// A product of two values that differ from row to row: one product over all rows.
    Product,
    /// A value of each row that belongs to the row of a table which an index names: it is added there.
    Scatter,
    /// The value of each row is computed, and summed.
    Rows,
}

/// How the sums of these roots, and of what they are made of, are found.
pub(super) fn sums(
    graph: &Graph,
    roots: impl Iterator<Item = NodeId>,
    once: &[bool],
) -> Vec<Option<Sum>> {
    let mut sums: Vec<Option<Sum>> = vec![None; graph.nodes().len()];
    let mut open: Vec<NodeId> = roots.collect();
    while let Some(id) = open.pop() {
        if sums[id.idx()].is_some() {
            continue;
        }
        let sum = sum_of(graph, id, once);
        if sum == Sum::Linear {
            open.extend(graph.node(id).args.iter().filter(|it| !once[it.idx()]));
        }
        sums[id.idx()] = Some(sum);
    }
    sums
}

/// How many leading axes two values and their product share, when they share no others: for each
/// index of those the product is one of all numbers of one block with all of another.
pub fn blocks(labels: &Contract) -> Option<usize> {
    let Contract { left, right, result } = labels;
    let shared = left.iter().filter(|it| right.contains(it)).count();
    let leading = |all: &[u8]| all.get(..shared) == left.get(..shared);
    let whole = result.len() == left.len() + right.len() - shared;
    // What is shared whole is an elementwise product.
    let is_outer = shared == 0 || (left.len() > shared && right.len() > shared);
    (whole && is_outer && leading(right) && leading(result)).then_some(shared)
}

/// The nodes that sums over all rows read row by row.
pub fn row_operands(graph: &Graph, sums: &[Option<Sum>]) -> Vec<NodeId> {
    let mut all = Vec::new();
    for id in graph.ids() {
        match &sums[id.idx()] {
            Some(Sum::Product | Sum::Scatter) => all.extend(&graph.node(id).args),
            Some(Sum::Rows) => all.push(id),
            Some(Sum::Once | Sum::Linear) | None => {}
        }
    }
    all
}

/// How the sum of a node over all rows is found.
fn sum_of(graph: &Graph, id: NodeId, once: &[bool]) -> Sum {
    if once[id.idx()] {
        return Sum::Once;
    }
    let node = graph.node(id);
    let varies: Vec<bool> = node.args.iter().map(|it| !once[it.idx()]).collect();
    match (&node.op, node.op.linearity(&varies)) {
        (_, Linearity::Linear) => Sum::Linear,
        // Rows of both are taken as they are: no axis is shared beside the rows, or a block of each
        // by itself.
        (Op::Contract(labels), _) if blocks(labels).is_some() => Sum::Product,
        // The whole table of each row, which is 0 but for one row of it, is never made.
        (Op::Indexed(Indexed::Scatter), _) if varies.iter().all(|it| *it) => Sum::Scatter,
        // A term that is the same for all rows would count once for each.
        (_, Linearity::Affine | Linearity::Nonlinear) => Sum::Rows,
    }
}
