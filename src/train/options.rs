//! The options of a training.

use super::{Coins, Optimizer, Schedule};
use crate::exec::EngineOptions;
use crate::ir::Feedback;

/// The options of a training. Everything that decides the result is here or in the data.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sequences, windows or streams of an update.
    pub batch: usize,
    /// The number of steps that an update reads; all of a sequence when absent.
    pub bptt: Option<usize>,
    /// True if each epoch draws an order of its own.
    pub shuffle: bool,
    /// The seed of all random streams.
    pub seed: u64,
    /// The value that feedbacks with a teacher carry.
    pub feedback: Feedback,
    /// The probability of an own value, under [`Feedback::Scheduled`].
    pub coins: Coins,
    /// The end, after so many passes over the data.
    pub epochs: Option<u64>,
    /// The end, after so many updates: what comes first.
    pub steps: Option<u64>,
    /// The rule that turns gradients into updates.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub schedule: Schedule,
    /// The largest norm of all gradients.
    pub clip: Option<f64>,
    /// The streams of an evaluation, or the sequences that run together in it.
    pub eval_batch: usize,
    /// After how many validations in a row without a new best the training ends.
    pub patience: Option<u64>,
    /// By how much a loss must be below the best one to be one.
    pub min_delta: f64,
    /// The options of the engine.
    pub engine: EngineOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            batch: 32,
            bptt: None,
            shuffle: true,
            seed: 0,
            feedback: Feedback::Teacher,
            coins: Coins::constant(0.0),
            epochs: Some(10),
            steps: None,
            optimizer: Optimizer::default(),
            schedule: Schedule::constant(0.001),
            clip: Some(1.0),
            eval_batch: 32,
            patience: None,
            min_delta: 0.0,
            engine: EngineOptions::default(),
        }
    }
}
