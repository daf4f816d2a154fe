//! rnnc compiles recurrent neural-network cells: it checks a cell written as its paper writes it, derives the backward pass
//! through time, and runs both.
//!
//! ```
//! let source = "
//!     /// An Elman network.
//!     cell Elman {
//!       dims  I, H
//!       input x: [I]
//!       state h: [H]
//!       param W: [H, I], U: [H, H], b: [H]
//!       h = tanh(W @ x + U @ prev h + b)
//!       output h
//!     }";
//! let spec = rnnc::Spec::parse(source)?;
//! let cell = spec.cell("Elman")?.bind([("I", 3), ("H", 4)])?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The stages are folders; each knows only those before it: [`text`], [`diag`], [`syntax`] and [`ir`], [`check`], [`derive`],
//! [`exec`], [`data`], [`api`], and the command line.

pub mod api;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod data;
pub mod derive;
pub mod diag;
pub mod exec;
pub mod ir;
pub mod syntax;
pub mod text;

pub use api::{Artifact, CellSpec, Error, Spec, SpecError};
