//! What runs when: the nodes of a step, sorted into stages that are computed for all steps at once or
//! step by step, and within each stage into tasks that share their work.
//!
//! | file | what it does |
//! |---|---|
//! | `flow` | which nodes depend on which past: levels, and the loops that carried values share |
//! | `regroup` | sums in an order that lets most of them be done before the loop |
//! | `linear` | sums of products that one product computes |
//! | `pass`, `tasks` | stages, and the tasks of each |
//! | `sums` | how gradients of params are found |
//! | `whole` | both passes of a cell |
//! | `cost`, `told`, `print` | what it costs, and all of it as text |

mod cost;
mod flow;
mod linear;
mod pass;
mod print;
mod regroup;
mod sums;
mod tasks;
mod told;
mod whole;

pub use cost::Flops;
pub use flow::once;
pub use linear::{LinearSum, Term};
pub use pass::{Pass, Stage, source};
pub use print::print;
pub use sums::{Sum, blocks, row_operands};
pub use tasks::{Task, Tasks};
pub use whole::{Fixed, Plan, adjoint, forward, kept, ordered, ordered_with};

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

/// Whether an operator only moves numbers.
fn moves(op: &Op) -> bool {
    matches!(
        op,
        Op::Expand(_)
            | Op::Permute(_)
            | Op::Concat(_)
            | Op::Stack
            | Op::Slice { .. }
            | Op::Pad { .. }
            | Op::Reshape
            | Op::Pick(_)
            | Op::Place(_)
    )
}
