//! Training: from data and a model to params, as values without files, printing, clock or threads of their own.
//!
//! [`Data`] holds what a model is trained on, checked and scaled; [`Batches`] says which steps of which sequences an
//! update reads; [`Optimizer`] and [`Schedule`] say what it makes of the gradients; [`Coins`] what a feedback reads under
//! scheduled sampling; [`Metrics`] what a score says. Each is a pure function of the seed and of numbers of epochs, sequences and
//! steps, so no position in a random stream is state: a training that is taken up from a snapshot goes on with the same
//! bits.

mod batches;
mod best;
mod coins;
mod data;
mod error;
mod feeder;
mod finite;
mod leak;
mod metrics;
mod optimizer;
mod options;
mod random;
mod reach;
mod scales;
mod schedule;
mod score;
mod snapshot;
pub mod tasks;
mod text;
mod trainer;

pub use batches::{Batch, Batches, Epoch, Order};
pub use best::{Best, Verdict};
pub use coins::{Coins, OwnShape};
pub use data::{Axes, Cut, Data, Field, Role, Sequence};
pub use error::{Error, Place};
pub use leak::{check_columns, check_teachers};
pub use metrics::{Compared, Comparison, Metrics, Tally};
pub use optimizer::{Buffers, Optimizer, clip, norm};
pub use options::Options;
pub use scales::{Scale, ScaleKind, Scales};
pub use schedule::{Decay, Schedule};
pub use score::{Score, Scorer, Scoring, predict, score};
pub use snapshot::Snapshot;
pub use text::{Unknown, Vocabulary, decode};
pub use trainer::{Trainer, Update};
