//! The order of the nodes of one stage: elementwise ones gathered into runs of one shape, sums of
//! products of the same values into one product.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::Flow;
use super::linear::LinearSum;
use crate::ir::{NodeId, Op, Shape};

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
    /// Returns the nodes that it computes, without those that are parts of sums.
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

/// A unit that waits for others: a node, or the holding of a carried value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Node(NodeId),
    Hold(usize),
}

/// The nodes and carried values of a stage.
#[derive(Default)]
pub(super) struct Members {
    /// The nodes, operands before users.
    pub nodes: Vec<NodeId>,
    /// The carried values that it keeps for the next step, in a loop or for all steps at once.
    pub held: Vec<usize>,
}

/// Pieces that may share a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Elementwise operators of one shape.
    Elementwise(usize),
    /// Sums of products of the same values.
    Products(usize),
    /// A node with a task of its own.
    Single,
}

/// The pieces of a stage, and how many each one waits for.
#[derive(Default)]
struct Waiting {
    waits: BTreeMap<Piece, usize>,
    users: BTreeMap<Piece, Vec<Piece>>,
    /// The elementwise pieces that are ready, then the others; a piece is in its class too.
    elementwise: BTreeSet<Piece>,
    others: BTreeSet<Piece>,
    alike: BTreeMap<usize, BTreeSet<Piece>>,
}

/// Sorts the nodes of stages into tasks.
pub(super) struct Scheduler<'p> {
    flow: &'p Flow<'p>,
    stage_of: &'p [Option<usize>],
    sums: &'p [Option<LinearSum>],
    absorbed: &'p [bool],
    classes: Vec<Class>,
    /// For each carried value the last stage that held it.
    held_in: Vec<Option<usize>>,
}

impl<'p> Scheduler<'p> {
    /// Nothing is sorted yet.
    pub fn new(
        flow: &'p Flow<'p>,
        stage_of: &'p [Option<usize>],
        sums: &'p [Option<LinearSum>],
        absorbed: &'p [bool],
    ) -> Scheduler<'p> {
        let graph = flow.graph;
        let mut shapes: BTreeMap<&Shape, usize> = BTreeMap::new();
        let mut values: BTreeMap<Vec<NodeId>, usize> = BTreeMap::new();
        let mut count = 0;
        let mut new = || {
            count += 1;
            count
        };
        let class = |id: NodeId| match (&sums[id.idx()], &graph.node(id).op) {
            (Some(_), _) if absorbed[id.idx()] => Class::Single,
            (Some(sum), _) => {
                Class::Products(*values.entry(sum.values().collect()).or_insert_with(&mut new))
            }
            (None, Op::Map(_)) => {
                Class::Elementwise(*shapes.entry(graph.shape(id)).or_insert_with(&mut new))
            }
            (None, _) => Class::Single,
        };
        let classes = graph.ids().map(class).collect();
        let held_in = vec![None; flow.next.len()];
        Scheduler { flow, stage_of, sums, absorbed, classes, held_in }
    }

    fn class(&self, piece: Piece) -> Class {
        match piece {
            Piece::Node(id) => self.classes[id.idx()],
            Piece::Hold(_) => Class::Single,
        }
    }

    /// A piece is ready.
    fn add_ready(&self, waiting: &mut Waiting, piece: Piece) {
        match self.class(piece) {
            Class::Elementwise(class) => {
                waiting.elementwise.insert(piece);
                waiting.alike.entry(class).or_default().insert(piece);
            }
            Class::Products(class) => {
                waiting.others.insert(piece);
                waiting.alike.entry(class).or_default().insert(piece);
            }
            Class::Single => {
                waiting.others.insert(piece);
            }
        }
    }

    /// A piece waits for others of the stage.
    fn add(&self, waiting: &mut Waiting, piece: Piece, operands: impl Iterator<Item = Piece>) {
        let mut count = 0;
        for operand in operands {
            waiting.users.entry(operand).or_default().push(piece);
            count += 1;
        }
        waiting.waits.insert(piece, count);
        if count == 0 {
            self.add_ready(waiting, piece);
        }
    }

    /// Returns the pieces of a stage, those that wait for none being ready.
    fn waiting(&mut self, stage: usize, members: &Members, is_loop: bool) -> Waiting {
        let graph = self.flow.graph;
        members.held.iter().for_each(|it| self.held_in[*it] = Some(stage));
        let piece = |id: NodeId| self.stage_of[id.idx()] == Some(stage) && !self.absorbed[id.idx()];
        // A leaf of a value that is held in this stage, and in no loop, has its rows when it is held.
        let before = |id: NodeId| {
            let carry = (self.flow.carry)(&graph.node(id).op);
            let held = carry.filter(|it| !is_loop && self.held_in[*it] == Some(stage));
            held.map(Piece::Hold).or(piece(id).then_some(Piece::Node(id)))
        };
        let mut waiting = Waiting::default();
        for id in members.nodes.iter().copied().filter(|it| piece(*it)) {
            let operands: Vec<NodeId> = match &self.sums[id.idx()] {
                Some(sum) => sum.values().chain(sum.added).collect(),
                None => graph.node(id).args.clone(),
            };
            self.add(&mut waiting, Piece::Node(id), operands.into_iter().filter_map(before));
        }
        for carry in &members.held {
            let next = self.flow.next[*carry].into_iter();
            let own = |it: &Piece| *it != Piece::Hold(*carry);
            self.add(&mut waiting, Piece::Hold(*carry), next.filter_map(before).filter(own));
        }
        waiting
    }

    /// Returns the tasks of a stage; `is_loop` says whether it goes step by step.
    pub fn schedule(&mut self, stage: usize, members: &Members, is_loop: bool) -> Tasks {
        let mut waiting = self.waiting(stage, members, is_loop);
        let mut tasks = Vec::new();
        // What is not elementwise comes first, so that runs of elementwise nodes grow long.
        while let Some(first) = waiting.first() {
            let run = match self.class(first) {
                Class::Elementwise(class) => {
                    // What becomes ready comes last in the run.
                    let mut run: Vec<Piece> = waiting.take_alike(class).into_iter().collect();
                    let mut at = 0;
                    while let Some(piece) = run.get(at) {
                        for ready in waiting.done(*piece) {
                            match self.class(ready) == Class::Elementwise(class) {
                                true => run.push(ready),
                                false => self.add_ready(&mut waiting, ready),
                            }
                        }
                        at += 1;
                    }
                    tasks.push(Task::Elementwise(nodes(&run)));
                    continue;
                }
                Class::Products(class) => waiting.take_alike(class).into_iter().collect(),
                Class::Single => {
                    waiting.others.remove(&first);
                    vec![first]
                }
            };
            for piece in &run {
                for ready in waiting.done(*piece) {
                    self.add_ready(&mut waiting, ready);
                }
            }
            let sums = nodes(&run).into_iter().filter_map(|it| self.sums[it.idx()].clone());
            tasks.push(match first {
                Piece::Hold(carry) => Task::Hold(carry),
                Piece::Node(id) if self.sums[id.idx()].is_none() => Task::Single(id),
                Piece::Node(_) => Task::Products(sums.collect()),
            });
        }
        tasks
    }
}

impl Waiting {
    /// Returns the first piece of all that are ready.
    fn first(&self) -> Option<Piece> {
        self.others.first().or(self.elementwise.first()).copied()
    }

    /// Takes all ready pieces of a class.
    fn take_alike(&mut self, class: usize) -> BTreeSet<Piece> {
        let all = self.alike.remove(&class).unwrap_or_default();
        for piece in &all {
            self.others.remove(piece);
            self.elementwise.remove(piece);
        }
        all
    }

    /// Returns a piece that was ready is done; gives what waited for it alone.
    fn done(&mut self, piece: Piece) -> Vec<Piece> {
        let mut ready = Vec::new();
        for user in self.users.remove(&piece).unwrap_or_default() {
            if let Some(waits) = self.waits.get_mut(&user) {
                *waits -= 1;
                if *waits == 0 {
                    ready.push(user);
                }
            }
        }
        ready
    }
}

fn nodes(pieces: &[Piece]) -> Vec<NodeId> {
    let node = |it: &Piece| match it {
        Piece::Node(id) => Some(*id),
        Piece::Hold(_) => None,
    };
    pieces.iter().filter_map(node).collect()
}
