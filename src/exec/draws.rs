//! The random draws of a model: those by which `sample` chooses, and the coins of scheduled sampling.
//!
//! Both are inputs of the plain cell, with one number per sequence and step. A draw depends on the seed, the name, the
//! numbers of the sequence and the step and, in training, of the epoch: as with masks, batches, chunks and the order of
//! work do not matter. A number of [0, 1) has 24 bits, so that f32 and f64 choose alike.

use ndarray::{ArrayD, Axis, IxDyn};

use super::arrays::{Feed, Inputs};
use super::bind::{Bound, MAX_BYTES, extent};
use super::init::Bits;
use super::reference::RunError;
use crate::ir::{InputRole, Real};

/// The seed and the positions that draws depend on, beside names.
#[derive(Clone, PartialEq, Debug)]
pub struct Draws {
    /// The seed.
    pub seed: u64,
    /// The epoch of a training; none elsewhere.
    pub epoch: Option<u64>,
    /// The number of the first sequence of the batch.
    pub first_sequence: u64,
    /// The number of each sequence of the batch, where they do not follow on the first.
    pub sequences: Vec<u64>,
    /// The number of the first step.
    pub first_step: u64,
    /// The probability with which a feedback carries the model's own value.
    pub own: f64,
}

impl Draws {
    /// Draws from the first step of the first sequence on; coins show the target.
    pub fn new(seed: u64) -> Draws {
        let sequences = Vec::new();
        Draws { seed, epoch: None, first_sequence: 0, sequences, first_step: 0, own: 0.0 }
    }

    /// Draws every coin and number that is not given. T and B are those of the other inputs.
    pub fn fill<F: Real>(&self, bound: &Bound, inputs: &mut Inputs<F>) -> Result<(), RunError> {
        let (mut steps, mut batch) = (inputs.steps, inputs.batch);
        for (feed, input) in inputs.feeds.iter().zip(&bound.cell().inputs) {
            let Some(feed) = feed else { continue };
            let mut axes = feed.array().shape().iter().copied();
            if !input.per_sequence {
                steps = steps.or(axes.next());
            }
            if let Feed::Batch(_) = feed {
                batch = batch.or(axes.next());
            }
        }
        if let Some(lengths) = &inputs.lengths {
            batch = batch.or(Some(lengths.len()));
        }
        let (steps, batch) = (steps.unwrap_or(0), batch.unwrap_or(1));
        for (feed, input) in inputs.feeds.iter_mut().zip(&bound.cell().inputs) {
            let is_coin = match input.role {
                InputRole::Coin => true,
                InputRole::Draw => false,
                InputRole::Input | InputRole::Target => continue,
            };
            if feed.is_some() {
                continue;
            }
            let bytes = extent(&[steps, batch]).saturating_mul(size_of::<F>() as u64);
            if bytes > MAX_BYTES {
                return Err(RunError::TooLarge { what: format!("`{}`", input.name), bytes });
            }
            let mut array = ArrayD::zeros(IxDyn(&[steps, batch]));
            for (sequence, mut column) in array.axis_iter_mut(Axis(1)).enumerate() {
                // What is certain needs no coin.
                if is_coin && (self.own <= 0.0 || self.own >= 1.0) {
                    column.fill(F::of(self.own.clamp(0.0, 1.0)));
                    continue;
                }
                let bits = self.bits(&input.name, is_coin, sequence);
                for (step, number) in column.iter_mut().enumerate() {
                    let value = unit(bits.at_step(self.first_step.wrapping_add(step as u64)));
                    *number = match is_coin {
                        true => F::of(if value < self.own { 1.0 } else { 0.0 }),
                        false => F::of(value),
                    };
                }
            }
            *feed = Some(Feed::Batch(array));
        }
        Ok(())
    }

    /// Returns the bits that decide the draws of a sequence of the batch.
    fn bits(&self, name: &str, is_coin: bool, sequence: usize) -> Bits {
        let purpose = if is_coin { "own" } else { "sample" };
        let name = name.rsplit_once('.').map_or(name, |it| it.0);
        let key = match self.epoch {
            None => format!("{purpose} {name}"),
            Some(epoch) => format!("{purpose} {name} epoch {epoch}"),
        };
        let following = self.first_sequence.wrapping_add(sequence as u64);
        let sequence = self.sequences.get(sequence).copied().unwrap_or(following);
        Bits::of_sequence(self.seed, &key, sequence)
    }
}

/// Returns a number of [0, 1) with 24 bits.
fn unit(mut bits: Bits) -> f64 {
    const ALL: f64 = (1 << 24) as f64;
    (bits.unit() * ALL).floor() / ALL
}
