//! rnnc compiles recurrent neural-network cells: it checks a cell written as its paper writes it, derives the backward pass
//! through time, and runs both.
//!
//! ```
//! use ndarray::ArrayD;
//! use rnnc::exec::{EngineOptions, Feed, InitialState, Inputs, Upstream};
//!
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
//! let spec = rnnc::Spec::parse(source)?;                          // all diagnostics are in the error
//! let cell = spec.cell("Elman")?.bind([("I", 3), ("H", 4)])?;     // sizes are fixed
//! let params = cell.init::<f32>(0)?;
//! let engine = cell.engine(EngineOptions::default())?;
//!
//! // 10 steps of a batch of 2; the state starts as the cell says.
//! let inputs = Inputs::new(vec![Some(Feed::Batch(ArrayD::ones(vec![10, 2, 3])))]);
//! let state = InitialState::declared(1);
//! let run = engine.forward(&params, &inputs, &state)?;
//! assert_eq!(run.outputs[0].shape(), [10, 2, 4]);
//!
//! // Without adjoints from outside, those of the main output are ones.
//! let gradients = engine.backward(&run, &Upstream::ones(1, 1))?;
//! assert_eq!(gradients.params[0].as_ref().map(|it| it.shape()), Some(&[4, 3][..]));
//!
//! // Step by step the results are the same.
//! let mut stream = engine.stream(&params, &state, 2)?;
//! let x = ArrayD::ones(vec![2, 3]);
//! let h = engine.step(&params, &[x.view()], &mut stream)?;
//! assert_eq!(h[0], run.outputs[0].index_axis(ndarray::Axis(0), 0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The stages are folders; each knows only those before it: [`text`], [`diag`], [`syntax`] and [`ir`], [`hir`], [`check`], [`mod@derive`],
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

pub use api::{Artifact, CellSpec, Error, Resolver, Spec, SpecError, UseError};
pub use exec::{Bound, Engine, EngineOptions};
