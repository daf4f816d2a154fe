//! Finds the values that each node of a step depends on, and so its phase: once, for all steps at once, or step by step.

use serde::Serialize;

use super::graph::NodeId;
use super::op::{Leaf, Op};
use super::{Cell, Graph, Scope};
use crate::text::order;

/// The time at which a value can be computed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Depends on params, masks per run and constants alone: once per call.
    Once,
    /// Depends on inputs or masks per sequence besides: once for every sequence.
    PerSequence,
    /// Depends on inputs or masks per step, and on no earlier step: for all steps at once, before the loop.
    BeforeLoop,
    /// Depends on an earlier step, and a later step on it: step by step.
    Loop,
    /// Depends on an earlier step, and no later step on it: for all steps at once, after the loop.
    AfterLoop,
}

/// Returns the phase of each node of the step graph, by position.
pub fn phases(cell: &Cell) -> Vec<Phase> {
    let graph = &cell.step;
    let delays = delays(cell);
    let mut phases: Vec<Phase> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let own = match node.op.leaf() {
            // The past of an input is among the inputs already.
            Some(Leaf::Carry(idx)) if delays[idx] => Phase::BeforeLoop,
            Some(Leaf::Carry(_)) => Phase::Loop,
            Some(Leaf::Input(idx)) if cell.inputs[idx].per_sequence => Phase::PerSequence,
            Some(Leaf::Input(_)) => Phase::BeforeLoop,
            Some(Leaf::Mask(mask)) => match cell.masks[mask].scope {
                Scope::Step => Phase::BeforeLoop,
                Scope::Sequence => Phase::PerSequence,
                Scope::Run => Phase::Once,
            },
            Some(
                Leaf::Param(_)
                | Leaf::Forward(_)
                | Leaf::OutputAdjoint(_)
                | Leaf::CarryAdjoint(_)
                | Leaf::Tangent(_),
            )
            | None => Phase::Once,
        };
        let args = node.args.iter().map(|it| phases[it.idx()]);
        phases.push(args.fold(own, Phase::max));
    }
    let reach = reaches_next(cell, graph, &delays);
    for (phase, reaches) in phases.iter_mut().zip(reach) {
        if *phase == Phase::Loop && !reaches {
            *phase = Phase::AfterLoop;
        }
    }
    phases
}

/// Returns the carried values that only hold back values which depend on no state: the past of inputs and of functions of inputs.
pub fn delays(cell: &Cell) -> Vec<bool> {
    // A carried value waits for its next value, every other node for its operands: what waits for itself through any chain
    // depends on a state, and what has nothing left to wait for does not.
    let graph = &cell.step;
    let reads = graph.ids().map(|id| match graph.node(id).op.leaf() {
        Some(Leaf::Carry(carry)) => vec![cell.carries[carry].next.idx()],
        _ => graph.node(id).args.iter().map(|it| it.idx()).collect(),
    });
    let reads: Vec<Vec<usize>> = reads.collect();
    let mut is_free = vec![false; reads.len()];
    order::without_circles(&reads).into_iter().for_each(|it| is_free[it] = true);
    cell.carries.iter().map(|it| is_free[it.next.idx()]).collect()
}

/// Returns the nodes that a state's next value depends on.
fn reaches_next(cell: &Cell, graph: &Graph, delays: &[bool]) -> Vec<bool> {
    let mut reach = vec![false; graph.nodes().len()];
    for (carry, is_delay) in cell.carries.iter().zip(delays) {
        if !is_delay {
            reach[carry.next.idx()] = true;
        }
    }
    for id in graph.ids().rev() {
        if reach[id.idx()] {
            for arg in &graph.node(id).args {
                reach[arg.idx()] = true;
            }
        }
    }
    reach
}

/// The products of a step, counted by phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct ProductCount {
    /// Of params alone.
    pub once: usize,
    /// Once for every sequence.
    pub per_sequence: usize,
    /// Before the loop, for all steps at once.
    pub before_loop: usize,
    /// In the loop.
    pub in_loop: usize,
    /// The longest chain of products within a step that wait for each other: 1 for an LSTM, 2 for a
    /// GRU whose reset gate is applied before the product.
    pub depth: usize,
    /// After the loop, for all steps at once.
    pub after_loop: usize,
}

/// Counts the products of a step by phase.
pub fn products(cell: &Cell) -> ProductCount {
    let phases = phases(cell);
    let mut count = ProductCount::default();
    let mut depth = vec![0usize; phases.len()];
    for id in cell.step.ids() {
        let node = cell.step.node(id);
        let before = node.args.iter().map(|it| depth[it.idx()]).max().unwrap_or(0);
        let is_product = is_product(&cell.step, id);
        let phase = phases[id.idx()];
        depth[id.idx()] = before + usize::from(is_product && phase == Phase::Loop);
        if is_product {
            match phase {
                Phase::Once => count.once += 1,
                Phase::PerSequence => count.per_sequence += 1,
                Phase::BeforeLoop => count.before_loop += 1,
                Phase::Loop => count.in_loop += 1,
                Phase::AfterLoop => count.after_loop += 1,
            }
        }
        count.depth = count.depth.max(depth[id.idx()]);
    }
    count
}

/// Returns a contraction that sums over something: an outer product is elementwise work.
fn is_product(graph: &Graph, id: NodeId) -> bool {
    matches!(&graph.node(id).op, Op::Contract(it) if !it.is_outer())
}
