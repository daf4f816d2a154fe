//! Both passes of a cell together, as the fast engine derives them: from the simplified step and the
//! simplified backward step.

use super::backward::{Backward, backward};
use super::forward::{Forward, forward};
use crate::derive::{self, Adjoint};
use crate::ir::{Cell, NodeId, Op, Scope, pointwise};

/// The plan of a cell whose inputs are all given and whose masks are drawn.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// The cell, simplified.
    pub cell: Cell,
    /// Its backward step, simplified.
    pub adjoint: Adjoint,
    /// The nodes of the step that the backward step reads, each once.
    pub kept: Vec<NodeId>,
    /// The forward pass, which keeps them.
    pub forward: Forward,
    /// The backward pass.
    pub backward: Backward,
}

impl Plan {
    /// Plans both passes of a checked cell.
    pub fn new(cell: &Cell) -> Plan {
        let cell = derive::simplify_cell(cell);
        let adjoint = derive::adjoint(&cell, &pointwise::table()).simplified();
        let read = adjoint.graph.nodes().iter().filter_map(|it| match it.op {
            Op::Forward(of) => Some(of),
            _ => None,
        });
        let mut kept: Vec<NodeId> = read.collect();
        kept.sort();
        kept.dedup();
        let forward = forward(&cell, &kept, &|_| false);
        let known = same_for_all_rows(&cell, &adjoint, &forward);
        let backward = backward(&adjoint, &|it| known[it.idx()]);
        Plan { cell, adjoint, kept, forward, backward }
    }
}

/// Which nodes of the backward step have one value for all rows, for they read params and
/// constants alone.
fn same_for_all_rows(cell: &Cell, adjoint: &Adjoint, forward: &Forward) -> Vec<bool> {
    let graph = &adjoint.graph;
    let mut known: Vec<bool> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let fixed = match &node.op {
            Op::Forward(of) => forward.is_once(*of),
            Op::Mask(mask) => cell.masks[*mask].scope == Scope::Run,
            op => !op.is_leaf() || matches!(op, Op::Param(_)),
        };
        known.push(fixed && node.args.iter().all(|it| known[it.idx()]));
    }
    known
}
