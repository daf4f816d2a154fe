//! Graph to graph: simplification, one backward step (reverse mode), one forward-mode step.
//!
//! What is derived is a graph again, with names made of the user's: people can read it, and
//! whatever runs graphs runs it. Both modes read the same table of elementwise operators, so that
//! each checks the other and central differences check the table.

mod active;
mod adjoint;
mod build;
mod decide;
mod gather;
mod infinite;
mod model;
mod names;
mod print;
mod rules;
mod simplify;
mod sweep;
mod tangent;
mod verify;

pub use adjoint::{Adjoint, StartAdjoint, adjoint, adjoint_by};
pub use decide::decide;
pub use model::plain;
pub use print::{print_backward, print_tangent};
pub use simplify::{Simplified, simplify, simplify_bound, simplify_cell};
pub use tangent::{Tangent, tangent, tangent_by};
pub use verify::{verify_adjoint, verify_tangent};
