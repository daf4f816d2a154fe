//! The forward pass.

use super::schedule::{Tasks, schedule};
use crate::ir::dependence::{self, Phase};
use crate::ir::{Cell, NodeId, Op};

/// When the nodes of a step are computed.
#[derive(Clone, PartialEq, Debug)]
pub struct Forward {
    /// For each node its phase; `None` for those that nobody needs.
    pub phases: Vec<Option<Phase>>,
    /// For each carried value, whether it only holds back what depends on no state.
    pub delays: Vec<bool>,
    /// Before the loop, for all steps at once.
    pub before: Tasks,
    /// Step by step.
    pub in_loop: Tasks,
    /// After the loop, for all steps at once.
    pub after: Tasks,
}

impl Forward {
    /// Whether a node is the same for all rows.
    pub fn is_once(&self, id: NodeId) -> bool {
        self.phases[id.idx()] == Some(Phase::Once)
    }
}

/// Plans the forward pass of a cell; `wanted` are nodes that somebody reads afterwards, beside
/// outputs and new carried values; `known` says of a node that its value is the same for all rows
/// for another reason than being made of params: inputs that are not given, masks in evaluation.
pub fn forward(cell: &Cell, wanted: &[NodeId], known: &dyn Fn(NodeId) -> bool) -> Forward {
    let graph = &cell.step;
    let delays = dependence::delays(cell);
    let mut needed = vec![false; graph.nodes().len()];
    let roots = cell.carries.iter().map(|it| it.next).chain(cell.outputs.iter().map(|it| it.node));
    for root in roots.chain(wanted.iter().copied()) {
        needed[root.idx()] = true;
    }
    for id in graph.ids().rev() {
        if needed[id.idx()] {
            graph.node(id).args.iter().for_each(|it| needed[it.idx()] = true);
        }
    }
    let phases: Vec<Option<Phase>> = (dependence::phases(cell).into_iter().zip(needed))
        .zip(graph.ids())
        .map(|((phase, needed), id)| {
            let phase = match phase {
                _ if known(id) => Phase::Once,
                // What is the same for all steps of a sequence has a row for each of them.
                Phase::PerSequence => Phase::BeforeLoop,
                Phase::Once | Phase::BeforeLoop | Phase::Loop | Phase::AfterLoop => phase,
            };
            needed.then_some(phase)
        })
        .collect();
    let part = |wanted: Phase| {
        let within = |id: NodeId| phases[id.idx()] == Some(wanted) && !graph.node(id).op.is_leaf();
        let once = |id: NodeId| phases[id.idx()] == Some(Phase::Once);
        // The past of a value is known when the value is: what reads a delay waits for what it holds back.
        let before = |id: NodeId| -> Vec<NodeId> {
            graph.node(id).args.iter().filter_map(|it| held_back(cell, &delays, *it)).collect()
        };
        schedule(graph, &within, &once, &before)
    };
    let (before, in_loop, after) =
        (part(Phase::BeforeLoop), part(Phase::Loop), part(Phase::AfterLoop));
    Forward { phases, delays, before, in_loop, after }
}

/// The value that a delay holds back, through a chain of them.
fn held_back(cell: &Cell, delays: &[bool], id: NodeId) -> Option<NodeId> {
    let mut found = None;
    let mut at = id;
    // Delays do not run in circles.
    while let Op::Carry(carry) = cell.step.node(at).op
        && delays[carry]
    {
        at = cell.carries[carry].next;
        found = Some(at);
    }
    found
}
