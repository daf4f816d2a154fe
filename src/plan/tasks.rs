//! The order of the nodes of one stage: elementwise ones gathered into runs of one shape, sums of
//! products of the same values into one product.

use std::collections::BTreeMap;

use super::flow::Flow;
use super::linear::LinearSum;
use crate::ir::{NodeId, Op};

/// A piece of work on all rows of a stage.
#[derive(Clone, PartialEq, Debug)]
pub enum Task {
    /// Elementwise operators of one shape, operands before users.
    Elementwise(Vec<NodeId>),
    /// Sums of products of the same values with matrices that are the same for all rows.
    Products(Vec<LinearSum>),
    /// Any other operator.
    Single(NodeId),
    /// The next value of a carried value is there: it is kept for the step that comes next.
    Hold(usize),
}

impl Task {
    /// The nodes that it computes, without those that are parts of sums.
    pub fn nodes(&self) -> Vec<NodeId> {
        match self {
            Task::Elementwise(nodes) => nodes.clone(),
            Task::Products(sums) => sums.iter().map(|it| it.node).collect(),
            Task::Single(id) => vec![*id],
            Task::Hold(_) => Vec::new(),
        }
    }
}

/// The tasks of a stage, in order.
pub type Tasks = Vec<Task>;

/// What waits for others: a node, or the holding of a carried value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Node(NodeId),
    Hold(usize),
}

/// The pieces of a stage, and how many each one waits for.
struct Waiting {
    waits: BTreeMap<Piece, usize>,
    users: BTreeMap<Piece, Vec<Piece>>,
    ready: Vec<Piece>,
}

impl Waiting {
    /// A piece waits for others of the stage.
    fn add(&mut self, piece: Piece, operands: impl Iterator<Item = Piece>) {
        let mut count = 0;
        for operand in operands {
            self.users.entry(operand).or_default().push(piece);
            count += 1;
        }
        self.waits.insert(piece, count);
        if count == 0 {
            self.ready.push(piece);
        }
    }

    /// A piece that was ready is done.
    fn done(&mut self, piece: Piece) {
        for user in self.users.remove(&piece).unwrap_or_default() {
            if let Some(waits) = self.waits.get_mut(&user) {
                *waits -= 1;
                if *waits == 0 {
                    self.ready.push(user);
                }
            }
        }
    }

    /// Takes the first ready piece for which this holds.
    fn take(&mut self, wanted: impl Fn(Piece) -> bool) -> Option<Piece> {
        let at = self.ready.iter().position(|it| wanted(*it))?;
        Some(self.ready.remove(at))
    }
}

/// Sorts the nodes of a stage into tasks. `within` says which nodes belong to it, `held` are the
/// carried values that it keeps for the next step, in a loop or for all steps at once.
pub(super) fn schedule(
    flow: &Flow<'_>,
    within: &dyn Fn(NodeId) -> bool,
    sums: &[Option<LinearSum>],
    absorbed: &[bool],
    held: &[usize],
    is_loop: bool,
) -> Tasks {
    let graph = flow.graph;
    let piece = |id: NodeId| within(id) && !absorbed[id.idx()];
    let mut waiting = Waiting { waits: BTreeMap::new(), users: BTreeMap::new(), ready: Vec::new() };
    // A leaf of a value that is held in this stage, and in no loop, has its rows when it is held.
    let leaf = |id: NodeId| {
        let carry = (flow.carry)(&graph.node(id).op)?;
        held.contains(&carry).then_some(carry)
    };
    let before = |id: NodeId| {
        let of_leaf = leaf(id).filter(|_| !is_loop).map(Piece::Hold);
        of_leaf.or(piece(id).then_some(Piece::Node(id)))
    };
    for id in graph.ids().filter(|it| piece(*it)) {
        let operands: Vec<NodeId> = match &sums[id.idx()] {
            Some(sum) => sum.values().chain(sum.added).collect(),
            None => graph.node(id).args.clone(),
        };
        waiting.add(Piece::Node(id), operands.into_iter().filter_map(before));
    }
    for carry in held {
        let next = flow.next[*carry].into_iter();
        let own = |it: &Piece| *it != Piece::Hold(*carry);
        waiting.add(Piece::Hold(*carry), next.filter_map(before).filter(own));
    }
    let elementwise = |it: Piece| match it {
        Piece::Node(id) => matches!(graph.node(id).op, Op::Map(_)) && sums[id.idx()].is_none(),
        Piece::Hold(_) => false,
    };
    let mut tasks = Vec::new();
    while !waiting.ready.is_empty() {
        waiting.ready.sort();
        // What is not elementwise comes first, so that runs of elementwise nodes grow long.
        match waiting.take(|it| !elementwise(it)) {
            Some(Piece::Hold(carry)) => {
                waiting.done(Piece::Hold(carry));
                tasks.push(Task::Hold(carry));
            }
            Some(Piece::Node(id)) => {
                let Some(sum) = &sums[id.idx()] else {
                    waiting.done(Piece::Node(id));
                    tasks.push(Task::Single(id));
                    continue;
                };
                let mut all = vec![sum.clone()];
                let values: Vec<NodeId> = sum.values().collect();
                let same = |it: Piece| match it {
                    Piece::Node(id) => sums[id.idx()]
                        .as_ref()
                        .is_some_and(|it| it.values().eq(values.iter().copied())),
                    Piece::Hold(_) => false,
                };
                while let Some(Piece::Node(other)) = waiting.take(same) {
                    all.extend(sums[other.idx()].clone());
                }
                all.iter().for_each(|it| waiting.done(Piece::Node(it.node)));
                tasks.push(Task::Products(all));
            }
            None => {
                let Piece::Node(first) = waiting.ready[0] else { continue };
                let shape = graph.shape(first).clone();
                let fits = |it: Piece| match it {
                    Piece::Node(id) => elementwise(it) && *graph.shape(id) == shape,
                    Piece::Hold(_) => false,
                };
                let mut run = Vec::new();
                while let Some(Piece::Node(id)) = waiting.take(fits) {
                    waiting.done(Piece::Node(id));
                    run.push(id);
                }
                tasks.push(Task::Elementwise(run));
            }
        }
    }
    tasks
}
