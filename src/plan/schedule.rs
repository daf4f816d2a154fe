//! The order of the nodes of one part of a pass: elementwise ones gathered into runs of one shape,
//! products of one value with several matrices gathered into one product.

use crate::ir::{Graph, NodeId, Op};

/// A piece of work on all rows of a part.
#[derive(Clone, PartialEq, Debug)]
pub enum Task {
    /// Elementwise operators of one shape, operands before users.
    Elementwise(Vec<NodeId>),
    /// Products of one value with matrices that are the same for all rows.
    Products {
        /// The value that they share.
        value: NodeId,
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// Any other operator.
    Single(NodeId),
}

impl Task {
    /// The nodes that it computes.
    pub fn nodes(&self) -> &[NodeId] {
        match self {
            Task::Elementwise(nodes) | Task::Products { nodes, .. } => nodes,
            Task::Single(id) => std::slice::from_ref(id),
        }
    }
}

/// The tasks of a part, in order.
pub type Tasks = Vec<Task>;

/// A product of a value of each row with a value that is the same for all: which operand is which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MatrixProduct {
    pub value: NodeId,
    pub matrix: NodeId,
}

/// Whether a node is a product with a matrix that is the same for all rows: the value's axes are all
/// summed, in the order in which they stand, so that a row of it is a row of the product.
pub(super) fn matrix_product(
    graph: &Graph,
    id: NodeId,
    once: &dyn Fn(NodeId) -> bool,
) -> Option<MatrixProduct> {
    let Op::Contract(labels) = &graph.node(id).op else { return None };
    let [a, b] = graph.node(id).args[..] else { return None };
    let (value, matrix, own, other) = match (once(a), once(b)) {
        (false, true) => (a, b, &labels.left, &labels.right),
        (true, false) => (b, a, &labels.right, &labels.left),
        (true, true) | (false, false) => return None,
    };
    let summed = own.iter().all(|it| !labels.result.contains(it) && other.contains(it));
    (summed && !own.is_empty()).then_some(MatrixProduct { value, matrix })
}

/// Sorts the nodes of a part into tasks. `within` says which nodes belong to it, `before` gives what
/// a node waits for beside its operands.
pub(super) fn schedule(
    graph: &Graph,
    within: &dyn Fn(NodeId) -> bool,
    once: &dyn Fn(NodeId) -> bool,
    before: &dyn Fn(NodeId) -> Vec<NodeId>,
) -> Tasks {
    let nodes: Vec<NodeId> = graph.ids().filter(|it| within(*it)).collect();
    let mut waits = vec![0usize; graph.nodes().len()];
    let mut users: Vec<Vec<NodeId>> = vec![Vec::new(); graph.nodes().len()];
    for id in &nodes {
        let operands = graph.node(*id).args.iter().copied().chain(before(*id));
        for arg in operands.filter(|it| within(*it)) {
            waits[id.idx()] += 1;
            users[arg.idx()].push(*id);
        }
    }
    let mut ready: Vec<NodeId> = nodes.iter().copied().filter(|it| waits[it.idx()] == 0).collect();
    let mut tasks = Vec::new();
    let mut done = |id: NodeId, ready: &mut Vec<NodeId>| {
        for user in &users[id.idx()] {
            waits[user.idx()] -= 1;
            if waits[user.idx()] == 0 {
                ready.push(*user);
            }
        }
    };
    let elementwise = |id: &NodeId| matches!(graph.node(*id).op, Op::Map(_));
    while !ready.is_empty() {
        // What is not elementwise comes first, so that runs of elementwise nodes grow long.
        if let Some(at) = ready.iter().position(|it| !elementwise(it)) {
            let id = ready.remove(at);
            match matrix_product(graph, id, once) {
                Some(product) => {
                    let mut nodes = vec![id];
                    ready.retain(|it| {
                        let other = matrix_product(graph, *it, once);
                        let same = other.is_some_and(|it| it.value == product.value);
                        if same {
                            nodes.push(*it);
                        }
                        !same
                    });
                    nodes.sort();
                    nodes.iter().for_each(|it| done(*it, &mut ready));
                    tasks.push(Task::Products { value: product.value, nodes });
                }
                None => {
                    done(id, &mut ready);
                    tasks.push(Task::Single(id));
                }
            }
            continue;
        }
        ready.sort();
        let shape = graph.shape(ready[0]).clone();
        let mut run = Vec::new();
        while let Some(at) =
            ready.iter().position(|it| elementwise(it) && *graph.shape(*it) == shape)
        {
            let id = ready.remove(at);
            done(id, &mut ready);
            run.push(id);
        }
        tasks.push(Task::Elementwise(run));
    }
    tasks
}
