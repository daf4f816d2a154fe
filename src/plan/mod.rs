//! What runs when: the nodes of a step, sorted into those that are computed once, for all steps at
//! once before the loop over time, step by step, and for all steps at once after it; and within
//! each part into tasks that share their work.

mod backward;
mod cost;
mod forward;
mod print;
mod schedule;
mod told;
mod whole;

pub use backward::{Backward, Sum, backward};
pub use cost::Flops;
pub use forward::{Forward, forward};
pub use print::print;
pub use schedule::{Task, Tasks};
pub use whole::Plan;

use crate::ir::{Graph, NodeId, Op};

/// The operand of a node that is the node's own value, if it only hands it on.
pub fn alias(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let node = graph.node(id);
    let operand = match &node.op {
        Op::Guard => 1,
        Op::Reshape | Op::Declared | Op::StopGrad | Op::ClipGrad(_) => 0,
        // A value in its own shape.
        Op::Permute(order) if order.is_sorted() => 0,
        Op::Map(crate::ir::Pointwise::Identity) => 0,
        Op::Map(_)
        | Op::Permute(_)
        | Op::Input(_)
        | Op::Carry(_)
        | Op::Param(_)
        | Op::Mask(_)
        | Op::Constant(_)
        | Op::Array(_)
        | Op::Eye
        | Op::Iota
        | Op::Forward(_)
        | Op::OutputAdjoint(_)
        | Op::CarryAdjoint(_)
        | Op::Tangent(_)
        | Op::Expand(_)
        | Op::Contract(_)
        | Op::Reduce(..)
        | Op::Softmax(_)
        | Op::CumSum { .. }
        | Op::ProductOfOthers(_)
        | Op::Concat(_)
        | Op::Stack
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Pick(_)
        | Op::Place(_)
        | Op::Lookup
        | Op::Scatter => return None,
    };
    Some(node.args[operand])
}
