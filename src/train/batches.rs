//! Decides which steps of which sequences an update reads.
//!
//! [`Batches`] is a pure function: from the number of an epoch and of an update in it to a [`Batch`]. Nothing is read on, so a training
//! that is taken up anywhere goes on with the batches that it would have had.
//!
//! An epoch takes the sequences in an order drawn from (seed, `shuffle`, epoch), or as they are. A batch of sequences advances
//! `bptt` steps per update, as far as its longest one goes. Streams advance all together, always in their order.

use super::data::{Cut, Data, Sequence};
use super::error::Error;
use super::random::draw_order;

/// The order in which an epoch takes the sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// As they are.
    Kept,
    /// Drawn anew for each epoch.
    Shuffled(u64),
}

/// All batches of a training.
#[derive(Clone, PartialEq, Debug)]
pub struct Batches {
    sequences: Vec<Sequence>,
    size: usize,
    bptt: Option<usize>,
    order: Order,
}

/// The batches of one epoch.
#[derive(Clone, PartialEq, Debug)]
pub struct Epoch {
    number: u64,
    /// The sequences in the order of the epoch.
    sequences: Vec<Sequence>,
    size: usize,
    bptt: Option<usize>,
    /// For each batch the number of its first update, and after the last the number of all updates.
    first: Vec<usize>,
}

/// The steps and sequences that one update reads.
#[derive(Clone, PartialEq, Debug)]
pub struct Batch {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The sequences, in the order of the batch.
    pub sequences: Vec<Sequence>,
    /// The first step that is read; where it is 0 the sequences start, else they go on.
    pub from: usize,
    /// The number of steps that are read of the longest.
    pub steps: usize,
}

impl Batch {
    /// Returns the number of steps that are read of each sequence.
    pub fn lengths(&self) -> Vec<usize> {
        self.sequences.iter().map(|it| it.steps.saturating_sub(self.from).min(self.steps)).collect()
    }

    /// Returns true if a sequence ends with these steps.
    pub fn ends(&self, sequence: usize) -> bool {
        let steps = self.sequences[sequence].steps;
        self.from < steps && steps <= self.from + self.steps
    }

    /// Returns true if some of the sequences go on after these steps.
    pub fn goes_on(&self) -> bool {
        self.sequences.iter().any(|it| it.steps > self.from + self.steps)
    }

    /// Returns the steps that count: the sum of the lengths, or with a loss at last the sequences that end.
    pub fn counted(&self, at_last: bool) -> usize {
        match at_last {
            true => (0..self.sequences.len()).filter(|it| self.ends(*it)).count(),
            false => self.lengths().iter().sum(),
        }
    }
}

impl Batches {
    /// Returns the batches of the training part: `size` sequences, windows or streams each.
    pub fn training(
        data: &Data,
        size: usize,
        bptt: Option<usize>,
        order: Order,
    ) -> Result<Batches, Error> {
        let sequences = data.training_sequences(size)?;
        let order = if data.cut() == Cut::Streams { Order::Kept } else { order };
        Batches::of(sequences, size, bptt, order)
    }

    /// Returns the batches of an evaluation, in the order of the data. A series cut into streams has `size` of them.
    pub fn evaluation(data: &Data, size: usize, chunk: Option<usize>) -> Result<Batches, Error> {
        Batches::of(data.evaluation_sequences(size)?, size, chunk, Order::Kept)
    }

    fn of(
        sequences: Vec<Sequence>,
        size: usize,
        bptt: Option<usize>,
        order: Order,
    ) -> Result<Batches, Error> {
        if size == 0 || bptt == Some(0) {
            return Err(Error::Options("a batch and its chunks have at least one step".to_owned()));
        }
        Ok(Batches { sequences, size, bptt, order })
    }

    /// Returns the sequences, in the order of the data.
    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }

    /// Returns the longest sequence and the steps of an update, where a chunk is shorter than it.
    pub fn cut(&self) -> Option<(usize, usize)> {
        let longest = self.sequences.iter().map(|it| it.steps).max()?;
        self.bptt.filter(|it| *it < longest).map(|it| (longest, it))
    }

    /// Returns the batches of an epoch, from 1.
    pub fn epoch(&self, number: u64) -> Epoch {
        let sequences: Vec<Sequence> = match self.order {
            Order::Kept => self.sequences.clone(),
            Order::Shuffled(seed) => {
                let order = draw_order(seed, "shuffle", number, self.sequences.len());
                order.into_iter().map(|it| self.sequences[it]).collect()
            }
        };
        let mut first = vec![0];
        for batch in sequences.chunks(self.size) {
            let longest = batch.iter().map(|it| it.steps).max().unwrap_or(0);
            // A batch without a valid step is none.
            let updates = self.bptt.map_or(usize::from(longest > 0), |it| longest.div_ceil(it));
            first.push(first[first.len() - 1] + updates);
        }
        Epoch { number, sequences, size: self.size, bptt: self.bptt, first }
    }

    /// Returns the number of updates of a training, counted over the orders of all epochs; it ends with `epochs` or `steps`, what
    /// comes first.
    pub fn updates(&self, epochs: Option<u64>, steps: Option<u64>) -> u64 {
        let limit = steps.unwrap_or(u64::MAX);
        let Some(epochs) = epochs else { return limit };
        let each = self.sequences.first().map_or(0, |it| it.steps);
        if self.order == Order::Kept || self.sequences.iter().all(|it| it.steps == each) {
            return epochs.saturating_mul(self.epoch(1).len() as u64).min(limit);
        }
        let mut updates = 0u64;
        for epoch in 1..=epochs {
            updates = updates.saturating_add(self.epoch(epoch).len() as u64);
            if updates >= limit {
                return limit;
            }
        }
        updates
    }
}

impl Epoch {
    /// Returns its number, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the number of updates.
    pub fn len(&self) -> usize {
        self.first.last().copied().unwrap_or(0)
    }

    /// Returns true if it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the place, in the order of the epoch, of the first sequence that an update reads.
    pub(super) fn first_of(&self, update: usize) -> usize {
        self.batch_of(update) * self.size
    }

    /// Returns the last batch that begins with an update or before: those without updates begin where the next one does.
    fn batch_of(&self, update: usize) -> usize {
        self.first.partition_point(|it| *it <= update) - 1
    }

    /// Returns the steps that an update of the epoch reads, counted from 0.
    pub fn batch(&self, update: usize) -> Option<Batch> {
        if update >= self.len() {
            return None;
        }
        let at = self.batch_of(update);
        let sequences = self.sequences.chunks(self.size).nth(at)?.to_vec();
        let longest = sequences.iter().map(|it| it.steps).max().unwrap_or(0);
        let from = self.bptt.map_or(0, |it| it * (update - self.first[at]));
        let steps = self.bptt.map_or(longest, |it| it.min(longest - from));
        Some(Batch { epoch: self.number, sequences, from, steps })
    }
}

#[cfg(test)]
mod tests;
