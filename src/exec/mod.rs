//! Running graphs: sizes are fixed, params drawn, steps interpreted or, in f32, run by the fast engine.
//!
//! The interpreter is the measure of everything that is faster: it takes the graphs one step of one
//! sequence at a time, in f32 or f64. It knows neither the syntax nor the checker; a graph that was
//! read from an artifact is as good.

pub mod arrays;
pub mod bind;
mod choose;
mod draws;
pub mod engine;
pub mod eval;
pub mod fast;
pub mod gradcheck;
pub mod init;
pub(crate) mod kernels;
pub mod layout;
mod loss;
pub mod masks;
mod portable;
pub mod reference;
mod run;
mod team;
mod views;
mod workers;

pub use crate::plan::pipeline::plain;
pub use arrays::{
    Direction, Feed, Gradients, InitialState, Inputs, Params, Tangents, Upstream, Wanted,
};
pub use bind::{BindError, Bound, bind, known, shapes};
pub use draws::Draws;
pub use engine::{Engine, EngineKind, EngineOptions, OnNotFinite, Stream};
pub use eval::{Program, Value, eval};
pub use fast::EngineError;
pub(crate) use init::Bits;
pub use init::{InitError, init, init_param};
pub use loss::BatchLoss;
pub use masks::{Masks, Training};
pub(crate) use reference::ask;
pub use reference::{
    Call, NotFinite, Place, Run, RunError, backward, check_gradients, forward, tangent,
};
pub use team::Team;
pub use views::{FeedView, InputsView, Lent, ParamsView, StateView, UpstreamView};
pub use workers::Workers;

#[cfg(test)]
mod hand;

/// The instructions that the kernels use on this machine, such as `avx512`.
pub fn kernel_path() -> &'static str {
    kernels::Path::best().name()
}
