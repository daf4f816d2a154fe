//! Cells, runs, params and gradients by name: what a program that uses the library sees.
//!
//! It is thin: names become the positions of [`exec`](crate::exec), which computes.

mod cell;
mod engine;
mod inputs;
#[cfg(feature = "formats")]
mod load;
mod names;
mod params;
mod run;

pub use cell::{Cell, Layout};
pub use engine::{Engine, EngineBuilder, Memory, Stream};
pub use inputs::{Inputs, Lengths, Upstream};
pub use params::Params;
pub use run::{Gradients, Run};
