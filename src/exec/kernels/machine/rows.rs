//! The rows of a batch of sequences.
//!
//! Sequences are sorted by length, the longest first. The rows of a value are packed: step t has a
//! row for each sequence that is not over, one after the other, so that all steps together are rows
//! without gaps, and every sequence costs what its steps cost. Carried values have in front of these
//! a row for each sequence before its first step: the new value of a step is the old one of the next
//! without being copied, in both directions.

use std::ops::Range;

/// Which rows of a buffer a place means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rows {
    /// One row that serves for all.
    Fixed,
    /// One for each row of all steps.
    Each,
    /// A carried value before the step.
    Old,
    /// A carried value after the step.
    New,
    /// Rows of the step, or of the block, that runs.
    Local,
}

/// The rows of all steps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Packing {
    /// For each position in the sorted order the sequence that stands there.
    pub(super) order: Vec<usize>,
    /// How many sequences have a step t.
    pub(super) active: Vec<usize>,
    /// The first row of step t; at the end the number of rows.
    pub(super) first: Vec<usize>,
}

impl Packing {
    /// Packs sequences of these lengths.
    pub fn new(lengths: &[usize]) -> Packing {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|it| std::cmp::Reverse(lengths[*it]));
        let steps = order.first().map_or(0, |it| lengths[*it]);
        let mut active = vec![0; steps];
        for length in lengths {
            if let Some(last) = length.checked_sub(1) {
                active[last] += 1;
            }
        }
        for t in (1..steps).rev() {
            active[t - 1] += active[t];
        }
        let mut first = Vec::with_capacity(steps + 1);
        first.push(0);
        let mut rows = 0;
        for it in &active {
            rows += it;
            first.push(rows);
        }
        Packing { order, active, first }
    }

    /// The rows of the first steps alone.
    pub fn prefix(&self, steps: usize) -> Packing {
        Packing {
            order: self.order.clone(),
            active: self.active[..steps].to_vec(),
            first: self.first[..=steps].to_vec(),
        }
    }

    /// The sequence that stands at each position.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// How many sequences have each step.
    pub fn active(&self) -> &[usize] {
        &self.active
    }

    /// The steps of the longest sequence.
    pub fn steps(&self) -> usize {
        self.active.len()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.first.last().copied().unwrap_or(0)
    }

    /// How many sequences have any step.
    pub fn width(&self) -> usize {
        self.active.first().copied().unwrap_or(0)
    }

    /// Whether all sequences that have a step have all.
    pub fn is_even(&self) -> bool {
        self.active.last().copied().unwrap_or(0) == self.width()
    }

    /// The rows of one step, of the sequences at these positions.
    pub(super) fn step(&self, t: usize, positions: Range<usize>) -> Window {
        let begin = positions.start;
        let width = self.width();
        Window {
            each: self.first[t] + begin,
            old: begin + if t == 0 { 0 } else { width + self.first[t - 1] },
            new: width + self.first[t] + begin,
            local: begin,
            count: positions.end.min(self.active[t]).saturating_sub(begin),
        }
    }

    /// Some rows of all steps; a carried value before the step among them only where the packing is
    /// even.
    pub(super) fn block(&self, rows: Range<usize>, local: usize) -> Window {
        let begin = rows.start;
        Window { each: begin, old: begin, new: self.width() + begin, local, count: rows.len() }
    }

    /// The first row, and how many, of each run of rows that follow each other in every buffer.
    pub fn spans(&self, rows: Rows) -> Vec<(usize, usize)> {
        match rows {
            Rows::Old if !self.is_even() => {
                (0..self.steps()).map(|t| (self.old(t), self.active[t])).collect()
            }
            Rows::Old => vec![(0, self.rows())],
            Rows::New => vec![(self.width(), self.rows())],
            Rows::Each | Rows::Fixed | Rows::Local => vec![(0, self.rows())],
        }
    }

    /// The first old row of a step.
    fn old(&self, t: usize) -> usize {
        self.step(t, 0..self.width()).old
    }

    /// The first row of a step in a buffer.
    pub fn first_row(&self, rows: Rows, t: usize) -> usize {
        self.step(t, 0..self.width()).first(rows)
    }
}

/// Some rows that follow each other: the number of the first one in each kind of buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub each: usize,
    pub old: usize,
    pub new: usize,
    pub local: usize,
    pub count: usize,
}

impl Window {
    pub fn first(&self, rows: Rows) -> usize {
        match rows {
            Rows::Fixed => 0,
            Rows::Each => self.each,
            Rows::Old => self.old,
            Rows::New => self.new,
            Rows::Local => self.local,
        }
    }
}
