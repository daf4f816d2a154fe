//! Where values stand in memory.
//!
//! Sequences are sorted by length, the longest first. The rows of a value are packed: step t has a
//! row for each sequence that is not over, one after the other, so that all steps together are rows
//! without gaps, and every sequence costs what its steps cost.

/// The rows of all steps.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    /// For each place in the sorted order the sequence that stands there.
    pub order: Vec<usize>,
    /// How many sequences have a step t.
    pub active: Vec<usize>,
    /// The first row of step t; at the end the number of rows.
    pub first: Vec<usize>,
}

impl Packing {
    pub fn new(lengths: &[usize]) -> Packing {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|it| std::cmp::Reverse(lengths[*it]));
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let active: Vec<usize> =
            (0..steps).map(|t| lengths.iter().filter(|it| **it > t).count()).collect();
        let mut first = vec![0];
        for it in &active {
            first.push(first[first.len() - 1] + it);
        }
        Packing { order, active, first }
    }

    pub fn steps(&self) -> usize {
        self.active.len()
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.first[self.first.len() - 1]
    }

    /// How many sequences have any step.
    pub fn width(&self) -> usize {
        self.active.first().copied().unwrap_or(0)
    }

    /// Whether all sequences that have a step have all.
    pub fn is_even(&self) -> bool {
        self.active.iter().all(|it| *it == self.width())
    }

    /// The rows of one step.
    pub fn step(&self, t: usize) -> Rows {
        let old = if t == 0 { 0 } else { self.width() + self.first[t - 1] };
        Rows { first: self.first[t], old, count: self.active[t] }
    }

    /// The rows of all steps at once.
    pub fn all(&self) -> Rows {
        Rows { first: 0, old: 0, count: self.rows() }
    }
}

/// Some rows that follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    /// The first one, among those of all steps.
    pub first: usize,
    /// The first one among carried values: those before the first step come first, then those after
    /// each step.
    pub old: usize,
    pub count: usize,
}

/// How the rows of a value are numbered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The same for all rows.
    Fixed,
    /// One for each row of all steps.
    Each,
    /// A carried value before the step.
    Old,
    /// Only those of the step that runs.
    Local,
}

/// Where a value stands: row r from `at + r * row` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub at: usize,
    pub row: usize,
    pub kind: Kind,
}

impl Place {
    /// The first number of some rows.
    pub fn first(&self, rows: Rows) -> usize {
        self.at
            + self.row
                * match self.kind {
                    Kind::Fixed | Kind::Local => 0,
                    Kind::Each => rows.first,
                    Kind::Old => rows.old,
                }
    }

    /// A part of each row.
    pub fn from(self, offset: usize) -> Place {
        Place { at: self.at + offset, ..self }
    }
}

/// Hands out memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allocator {
    pub used: usize,
}

impl Allocator {
    pub fn take(&mut self, len: usize) -> usize {
        let at = self.used;
        // Buffers begin where a cache line does.
        self.used = (at + len).next_multiple_of(16);
        at
    }

    pub fn fixed(&mut self, n: usize) -> Place {
        Place { at: self.take(n), row: 0, kind: Kind::Fixed }
    }

    pub fn each(&mut self, n: usize, packing: &Packing) -> Place {
        Place { at: self.take(n * packing.rows()), row: n, kind: Kind::Each }
    }

    pub fn local(&mut self, n: usize, packing: &Packing) -> Place {
        Place { at: self.take(n * packing.width()), row: n, kind: Kind::Local }
    }
}
