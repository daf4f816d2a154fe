//! Plans a pass over a sequence: stages one after the other, each for all rows at once or step by step.
//!
//! [`Flow::levels`] gives every node the earliest level at which it may run. For a GRU, whose state `h` is read with `prev`:
//!
//! ```text
//! level 0, all rows   W @ x                                one product over all steps
//! level 1, loop of h  U @ prev h, then r, z, n, h          a step at a time
//! ```
//!
//! This module makes stages of the levels, in four moves:
//!
//! 1. [`sums`] finds sums of products with loop-invariant matrices. One product computes such a sum; the nodes in it are *absorbed*, and
//!    `W @ x` of level 0 becomes the beginning of the sum in the loop.
//! 2. `keys` gives each node its stage. A cheap node outside of loops, such as `1 - z`, moves into the stage that alone reads it, so
//!    that no rows of all steps have to be kept for it. The readers of a node come after it in the graph, so one walk from the last
//!    node to the first moves whole chains.
//! 3. A carried value without a loop of its own is *held*: the stage that computes its next value writes the rows of all steps, one step
//!    late.
//! 4. [`Scheduler`] puts the nodes of each stage into tasks: elementwise runs, and products that share a value.
//!
//! A node that is loop-invariant, a leaf, or not needed has no stage.

use super::alias;
use super::flow::{Flow, Levels};
use super::linear::{LinearSum, Sums, sums};
use super::tasks::{Members, Scheduler, Tasks};
use crate::ir::{Graph, NodeId, Order};

/// A part of a pass.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage {
    /// The carried values that go from step to step; none where all rows are computed at once.
    pub carries: Vec<usize>,
    /// True if it runs once for each sequence, because its values are the same at all steps.
    pub per_sequence: bool,
    /// Of a loop, which way it goes through the steps.
    pub order: Option<Order>,
    /// The tasks, in order.
    pub tasks: Tasks,
}

impl Stage {
    /// Returns true if the stage is a loop over time.
    pub fn is_loop(&self) -> bool {
        self.order.is_some()
    }
}

/// The stages of a graph, and facts of its nodes.
#[derive(Clone, PartialEq, Debug)]
pub struct Pass {
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// For each node the stage in which it is computed for each row; `None` for leaves, for what is
    /// the same for all rows, and for what nobody needs.
    pub stage_of: Vec<Option<usize>>,
    /// The loop-invariant nodes.
    pub once: Vec<bool>,
    /// The nodes that have one value for each sequence.
    pub per_sequence: Vec<bool>,
    /// The nodes that are needed.
    pub needed: Vec<bool>,
    /// The nodes that are computed as parts of a sum of products.
    pub absorbed: Vec<bool>,
    /// The carried values that only hold back values which are there for all steps.
    pub held: Vec<bool>,
}

impl Pass {
    /// Returns true if a node is computed for each row.
    pub fn is_each(&self, id: NodeId) -> bool {
        self.stage_of[id.idx()].is_some()
    }
}

/// In which order stages come: by level, and loops of one level one after the other.
type Key = (u32, usize);

/// Plans a pass.
pub(super) fn pass(flow: Flow<'_>) -> Pass {
    let levels = flow.levels();
    let Sums { sums, absorbed } = sums(&flow, &levels);
    let keys = keys(&flow, &levels, &sums, &absorbed);
    let graph = flow.graph;
    let computed = |id: NodeId| {
        levels.needed[id.idx()] && !flow.once[id.idx()] && !graph.node(id).op.is_leaf()
    };
    // A carried value is held for the next step when its next value is there.
    let held_at: Vec<Option<Key>> = (flow.next.iter().zip(&levels.loop_of_carry))
        .map(|(next, own)| match (own, next) {
            (Some(own), _) => Some((levels.loops[*own].level, *own)),
            (None, Some(next)) => {
                let (level, _) = keys[next.idx()];
                // The rows of all steps are written.
                let level = level.max(levels.first);
                Some((level + level % 2, 0))
            }
            (None, None) => None,
        })
        .collect();
    let mut order: Vec<Key> =
        graph.ids().filter(|it| computed(*it)).map(|it| keys[it.idx()]).collect();
    order.extend(held_at.iter().flatten());
    order.sort_unstable();
    order.dedup();
    let stage = |key: Key| order.binary_search(&key).ok();
    let stage_of: Vec<Option<usize>> =
        graph.ids().map(|it| stage(keys[it.idx()]).filter(|_| computed(it))).collect();
    let mut members: Vec<Members> = order.iter().map(|_| Members::default()).collect();
    for id in graph.ids() {
        if let Some(at) = stage_of[id.idx()] {
            members[at].nodes.push(id);
        }
    }
    for (carry, key) in held_at.iter().enumerate() {
        if let Some(at) = key.and_then(stage) {
            members[at].held.push(carry);
        }
    }
    let mut scheduler = Scheduler::new(&flow, &stage_of, &sums, &absorbed);
    let stages = order.iter().zip(&members).enumerate().map(|(at, (key, members))| {
        let own = (key.0 % 2 == 1).then(|| &levels.loops[key.1]);
        let carries = own.map_or(Vec::new(), |it| it.carries.clone());
        let per_sequence = members.nodes.iter().any(|it| flow.per_sequence[it.idx()]);
        let tasks = scheduler.schedule(at, members, own.is_some());
        Stage { tasks, per_sequence, carries, order: own.map(|it| it.order) }
    });
    let stages = stages.collect();
    let held = levels.loop_of_carry.iter().map(Option::is_none).collect();
    let Flow { once, per_sequence, .. } = flow;
    Pass { stages, stage_of, once, per_sequence, needed: levels.needed, absorbed, held }
}

/// Returns the stage of each node. What costs little is computed where it is read, if that is one place: a value that a loop
/// alone reads needs no memory for all steps.
fn keys(
    flow: &Flow<'_>,
    levels: &Levels,
    sums: &[Option<LinearSum>],
    absorbed: &[bool],
) -> Vec<Key> {
    let graph = flow.graph;
    let mut keys: Vec<Key> = graph
        .ids()
        .map(|it| (levels.level[it.idx()], levels.loop_of[it.idx()].unwrap_or(0)))
        .collect();
    let mut is_held = vec![false; keys.len()];
    for (next, in_loop) in flow.next.iter().zip(&levels.loop_of_carry) {
        if let (Some(next), None) = (next, in_loop) {
            is_held[next.idx()] = true;
        }
    }
    // The one stage that reads a node; `Some(None)` when there are several.
    let mut readers: Vec<Option<Option<Key>>> = vec![None; keys.len()];
    for id in graph.ids().rev().filter(|it| levels.needed[it.idx()]) {
        let moves = !flow.once[id.idx()]
            && !flow.per_sequence[id.idx()]
            && levels.loop_of[id.idx()].is_none()
            && sums[id.idx()].is_none()
            && !absorbed[id.idx()]
            && !is_held[id.idx()]
            && graph.node(id).op.is_cheap();
        if let (true, Some(Some(reader))) = (moves, readers[id.idx()]) {
            keys[id.idx()] = reader;
        }
        let own = keys[id.idx()];
        for arg in &graph.node(id).args {
            let slot = &mut readers[arg.idx()];
            *slot = match slot {
                None => Some(Some(own)),
                Some(Some(other)) if *other == own => continue,
                Some(_) => Some(None),
            };
        }
    }
    keys
}

/// Returns the node whose memory a node shares because it only hands on its value, through any number of such nodes.
pub fn source(graph: &Graph, id: NodeId) -> NodeId {
    let mut at = id;
    while let Some(operand) = alias(graph, at) {
        at = operand;
    }
    at
}
