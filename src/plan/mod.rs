//! Schedules the nodes of a step: it sorts them into stages, which are computed for all steps at once or step by step, and within
//! each stage into tasks that share their work.
//!
//! | file | what it does |
//! |---|---|
//! | `pipeline` | the passes from a checked cell to the graphs that run |
//! | `reassociate` | sums in an order that lets most of them be done before the loop |
//! | `flow` | which nodes depend on which past: levels, and the loops that carried values share |
//! | `linear` | sums of products that one product computes |
//! | `pass`, `tasks` | stages, and the tasks of each |
//! | `sums` | how gradients of params are found |
//! | `whole` | both passes of a cell |
//! | `cost`, `told`, `print` | what it costs, and all of it as text |

mod cost;
mod flow;
mod linear;
mod pass;
pub mod pipeline;
mod print;
mod reassociate;
mod sums;
mod tasks;
mod told;
mod whole;

pub use cost::Flops;
pub use flow::{When, once};
pub use linear::{LinearSum, Term};
pub use pass::{Pass, Stage, source};
pub use print::print;
pub use sums::{Sum, blocks, row_operands};
pub use tasks::{Task, Tasks};
pub use whole::{Fixed, Plan, forward, kept, when, when_back};

use crate::ir::{Graph, NodeId};

/// Returns the operand that a node shares its memory with, if it only hands it on.
pub fn alias(graph: &Graph, id: NodeId) -> Option<NodeId> {
    let node = graph.node(id);
    node.op.shares().map(|it| node.args[it])
}
