//! The rows of a batch of sequences.
//!
//! Sequences are sorted by length, the longest first. The rows of a value are packed: step t has a
//! row for each sequence that is not over, one after the other, so that all steps together are rows
//! without gaps, and every sequence costs what its steps cost.
//!
//! A carried value has a row for each sequence at each place between its steps, before the first and
//! after the last too: what a step leaves there the next one reads without a copy. Place t has a row
//! for each sequence that is not over at step t, and then one for each that ended there. Of sequences
//! of 3, 2 and 2 steps:
//!
//! ```text
//!          place 0    place 1    place 2    place 3
//! row      a b c      a b c      a  b c     a
//! step 0   old        new
//! step 1              old        new
//! step 2                         old        new
//! ```
//!
//! A loop from the first step to the last reads old rows and writes new ones, and its values start at
//! place 0. One from the last step to the first reads new rows and writes old ones; its values start
//! where each sequence ends, in the very rows that are after those of the sequences that go on.

use std::ops::Range;

use crate::ir::Order;

/// Selects the rows of a buffer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rows {
    /// One row that serves for all.
    Fixed,
    /// One for each row of all steps.
    Each,
    /// A carried value at the place before the step.
    Old,
    /// A carried value at the place after the step.
    New,
    /// Rows of the step, or of the block, that runs.
    Local,
}

impl Rows {
    /// Returns the rows of a carried value that a step reads, where its loop goes this way.
    pub fn read(order: Order) -> Rows {
        match order {
            Order::Ascending => Rows::Old,
            Order::Descending => Rows::New,
        }
    }

    /// Returns the rows that it writes.
    pub fn written(order: Order) -> Rows {
        Rows::read(order.reversed())
    }
}

/// The rows of all steps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Packing {
    /// The sequence at each position of the sorted order.
    pub(super) order: Vec<usize>,
    /// The number of sequences that have step t.
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

    /// Returns the rows of the first steps alone.
    pub fn prefix(&self, steps: usize) -> Packing {
        Packing {
            order: self.order.clone(),
            active: self.active[..steps].to_vec(),
            first: self.first[..=steps].to_vec(),
        }
    }

    /// Returns the sequence at each position.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Returns the number of sequences of each step.
    pub fn active(&self) -> &[usize] {
        &self.active
    }

    /// Returns the steps of the longest sequence.
    pub fn steps(&self) -> usize {
        self.active.len()
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.first.last().copied().unwrap_or(0)
    }

    /// Returns the number of sequences that have any step.
    pub fn width(&self) -> usize {
        self.active.first().copied().unwrap_or(0)
    }

    /// Returns true if all sequences that have a step have all steps.
    pub fn is_even(&self) -> bool {
        self.active.last().copied().unwrap_or(0) == self.width()
    }

    /// Returns the rows of one step, of the sequences at these positions.
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

    /// Returns the first row, and how many, of each run of rows that follow each other in every buffer.
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

    /// Returns the first old row of a step.
    fn old(&self, t: usize) -> usize {
        self.step(t, 0..self.width()).old
    }

    /// Returns the first row of a step in a buffer.
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
