//! rnnc compiles recurrent neural-network cells: it checks a cell written as its paper writes it, derives the backward pass
//! through time, and runs both.
//!
//! From a text to gradients:
//!
//! ```
//! use ndarray::Array;
//! use rnnc::{Cell, Upstream};
//!
//! let cell = Cell::parse("
//!     /// An Elman network.
//!     cell Elman {
//!       dims  I, H
//!       input x: [I]
//!       state h: [H]
//!       param W: [H, I], U: [H, H], b: [H]
//!       h = tanh(W @ x + U @ prev h + b)
//!       output h
//!     }")?                                              // all diagnostics are in the error
//! .bind([("I", 3), ("H", 4)])?;                           // sizes are fixed
//!
//! let engine = cell.engine().threads(2).build()?;
//! let params = cell.init::<f32>(0)?;                      // drawn from a seed
//! let x = Array::ones((10, 2, 3));                        // 10 steps of a batch of 2
//! let run = engine.forward(&params, &x)?;
//! assert_eq!(run.output("h")?.shape(), [10, 2, 4]);
//! let gradients = engine.backward(&run, Upstream::ones())?;
//! assert_eq!(gradients.param("U")?.shape(), [4, 4]);
//! # Ok::<(), rnnc::Error>(())
//! ```
//!
//! Weights of a PyTorch checkpoint, whose sizes are those of the cell:
//!
//! ```
//! use rnnc::{Cell, Layout};
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let file = dir.path().join("model.safetensors");
//! # let made = Cell::std("lstm")?.bind([("I", 3), ("H", 4)])?.init::<f32>(0)?;
//! # made.save(&file, &Layout::named("pytorch").prefix("encoder.rnn.").suffix("_l0"))?;
//! let layout = Layout::named("pytorch").prefix("encoder.rnn.");
//! let (cell, params) = Cell::std("lstm")?.load::<f32>(&file, &layout)?;
//! assert_eq!(params["U_f"].shape(), [4, 4]);
//! let engine = cell.engine().build()?;
//! # assert!(engine.infer(&params, &ndarray::Array::ones((1, 1, 3))).is_ok());
//! # Ok::<(), rnnc::Error>(())
//! ```
//!
//! A stream, one step at a time:
//!
//! ```
//! use ndarray::Array;
//! use rnnc::{Cell, Inputs};
//!
//! let cell = Cell::std("gru")?.bind([("I", 3), ("H", 4)])?;
//! let (engine, params) = (cell.engine().build()?, cell.init::<f32>(0)?);
//! let mut stream = engine.stream(&params, Inputs::new().batch(2))?;
//! for _ in 0..10 {
//!     stream.step(&Array::ones((2, 3)))?;
//!     assert_eq!(stream.output("h")?.shape(), [2, 4]);
//! }
//! # Ok::<(), rnnc::Error>(())
//! ```
//!
//! Everything goes by name. Arrays are those of [`ndarray`], in f32 (fast) or f64 (exact), time first: `[T, B, ...]`. Models are
//! trained by [`train`].
//!
//! The stages behind it are folders; each knows only those before it, and they may change from release to release: [`text`], [`diag`], [`syntax`] and [`ir`], [`hir`], [`check`], [`mod@derive`],
//! [`exec`], [`data`], [`train`], [`api`], and the command line.

pub mod api;
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod data;
pub mod derive;
pub mod diag;
pub mod docgen;
pub mod exec;
pub mod export;
pub mod graph;
pub mod hir;
pub mod ir;
pub mod mend;
pub mod plan;
pub mod syntax;
pub mod text;
pub mod train;

#[cfg(feature = "artifacts")]
pub use api::Artifact;
pub use api::named::{
    Cell, Engine, EngineBuilder, Gradients, Inputs, Layout, Lengths, Memory, Params, Run, Stream,
    Upstream,
};
pub use api::{CellSpec, Error, ErrorKind, Resolver, Spec, SpecError, UseError};
pub use diag::Diagnostic;
pub use exec::{Bound, EngineOptions, OnNotFinite, Team};

/// The stages behind the five things of the root. They are public so that tools can be built on them, and may change in every
/// release.
pub mod internals {
    pub use crate::{
        api, check, data, derive, diag, exec, graph, hir, ir, mend, plan, syntax, text,
    };
}

/// The page of the guide is tested.
#[cfg(doctest)]
#[doc = include_str!("../docs/rust.md")]
struct InRust;
