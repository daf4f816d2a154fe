//! Sums over all rows: what gradients of params are made of.

use std::cell::UnsafeCell;

use super::run::part_of;
use super::{Frame, Place};
use crate::exec::kernels::Path;
use crate::exec::kernels::product::{
    self, Gram, Left, RawResults, Scratch, Span, column_sums, gram, table_sums,
};
use crate::exec::kernels::rowop::whole;
use crate::exec::kernels::team::{Part as Share, Team};

/// A part of rows, and how many numbers it has.
type Value = (Place, usize);

/// The sum of the products of each number of one value with each of another: `[left, right]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outer {
    /// One value, and how many numbers it has.
    pub left: (Place, usize),
    /// The other one.
    pub right: (Place, usize),
}

/// The rows of a value, each added to the row of a table that its index names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scatter {
    /// The value, and how many numbers it has.
    pub value: (Place, usize),
    /// The index.
    pub index: Place,
    /// The number of rows of the table.
    pub table: usize,
}

/// The sum of the rows of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Columns {
    /// The value, and how many numbers it has.
    pub value: (Place, usize),
}

/// A sum over all rows, and where it goes.
#[derive(Debug)]
pub enum Gradient<'g> {
    /// Of products.
    Outer(Outer, &'g mut [f32]),
    /// Of a value, into a table.
    Scatter(Scatter, &'g mut [f32]),
    /// Of a value.
    Columns(Columns, &'g mut [f32]),
}

/// Products with the same right value.
struct OuterJob {
    lefts: Vec<LeftJob>,
    right: Value,
    spans: Vec<Span>,
    row: usize,
    accumulate: bool,
}

struct LeftJob {
    spans: Vec<*const f32>,
    row: usize,
    columns: usize,
    target: *mut f32,
}

struct ScatterJob {
    spans: Vec<Span>,
    row: usize,
    columns: usize,
    indices: Vec<Span>,
    index_row: usize,
    table: usize,
    target: *mut f32,
}

struct ColumnsJob {
    spans: Vec<Span>,
    row: usize,
    columns: usize,
    target: *mut f32,
    accumulate: bool,
}

/// What threads do parts of, and what each works in.
#[derive(Default)]
struct Jobs {
    outer: Vec<OuterJob>,
    scatter: Vec<ScatterJob>,
    columns: Vec<ColumnsJob>,
    scratch: Vec<UnsafeCell<Scratch>>,
}

// SAFETY: what is read nobody writes meanwhile, for the frame is borrowed; each thread computes parts
// of targets of its own, and takes the scratch of its own number.
unsafe impl Sync for Jobs {}

/// So many multiplications are worth the start of threads.
const LEAST: usize = 1_000_000;

impl Frame<'_> {
    /// How many numbers so many threads work in at most when these sums over so many rows are
    /// computed.
    pub fn sums_numbers(outers: impl Iterator<Item = Outer>, rows: usize, parts: usize) -> usize {
        // Either operand may become the right one.
        let all = outers.map(|Outer { left, right }| (left.1 + right.1, left.1.max(right.1)));
        let (sum, most) = all.fold((0, 0), |(a, b), (sum, most)| (a + sum, b.max(most)));
        parts * product::scratch(rows, sum, most)
    }

    /// Computes sums over all rows. Each is written over what its target held, or added to it where
    /// that is said.
    ///
    /// # Panics
    ///
    /// When a place leaves its buffer, or a target is too short: a fault of the caller.
    pub fn sums(&self, path: Path, sums: &mut [(Gradient<'_>, bool)], team: &Team) {
        let rows = self.packing.rows();
        let mut work = 0;
        let mut jobs = Jobs::default();
        for (it, accumulate) in sums {
            match it {
                Gradient::Outer(Outer { left, right }, to) => {
                    assert!(to.len() >= left.1 * right.1, "a sum has its place");
                    work += rows * left.1 * right.1;
                    self.outer(*left, *right, to.as_mut_ptr(), *accumulate, &mut jobs);
                }
                Gradient::Scatter(Scatter { value, index, table }, to) => {
                    assert!(to.len() >= *table * value.1, "a sum has its place");
                    work += rows * value.1;
                    if !*accumulate {
                        to[..*table * value.1].fill(0.0);
                    }
                    let (spans, indices) = self.spans(*value, (*index, 1));
                    jobs.scatter.push(ScatterJob {
                        spans,
                        row: self.buffers[value.0.buffer].width,
                        columns: value.1,
                        indices,
                        index_row: self.buffers[index.buffer].width,
                        table: *table,
                        target: to.as_mut_ptr(),
                    });
                }
                Gradient::Columns(Columns { value }, to) => {
                    assert!(to.len() >= value.1, "a sum has its place");
                    work += rows * value.1;
                    let spans = self.packing.spans(value.0.rows);
                    let job = ColumnsJob {
                        spans: spans.iter().map(|it| self.span(*value, *it)).collect(),
                        row: self.buffers[value.0.buffer].width,
                        columns: value.1,
                        target: to.as_mut_ptr(),
                        accumulate: *accumulate,
                    };
                    jobs.columns.push(job);
                }
            }
        }
        jobs.scratch = (0..team.parts()).map(|_| UnsafeCell::default()).collect();
        let jobs = &jobs;
        let run = |share: &Share<'_>| {
            // SAFETY: places were looked at in `span`, targets above; threads have parts of their own.
            unsafe { jobs.run(path, share) };
        };
        if work < LEAST { run(&Share::whole()) } else { team.run(&run) }
    }

    /// Adds a product to those with the same right value.
    fn outer(
        &self,
        left: Value,
        right: Value,
        target: *mut f32,
        accumulate: bool,
        jobs: &mut Jobs,
    ) {
        let (own, other) = self.spans(left, right);
        let counts = |all: &[Span]| all.iter().map(|it| it.count).collect::<Vec<usize>>();
        let job = LeftJob {
            spans: own.iter().map(|it| it.at).collect(),
            row: self.buffers[left.0.buffer].width,
            columns: left.1,
            target,
        };
        let known = jobs.outer.iter_mut().find(|it| {
            it.right == right && it.accumulate == accumulate && counts(&it.spans) == counts(&other)
        });
        match known {
            Some(known) => known.lefts.push(job),
            None => jobs.outer.push(OuterJob {
                lefts: vec![job],
                right,
                spans: other,
                row: self.buffers[right.0.buffer].width,
                accumulate,
            }),
        }
    }

    /// Some rows of a value.
    fn span(&self, (place, n): Value, (first, count): (usize, usize)) -> Span {
        let row = self.buffers[place.buffer].width;
        let begin = place.offset + first * row;
        let (base, len) = self.bases[place.buffer];
        let end = begin + count.saturating_sub(1) * row + n;
        assert!(count == 0 || (place.offset + n <= row && end <= len), "a sum has its rows");
        Span { at: base.wrapping_add(begin).cast_const(), count }
    }

    /// The rows of two values that follow each other in both.
    fn spans(&self, left: Value, right: Value) -> (Vec<Span>, Vec<Span>) {
        let (own, other) = (self.packing.spans(left.0.rows), self.packing.spans(right.0.rows));
        // The finer of both divisions: one of them is all rows at once, or they are the same.
        let steps = |coarse: (usize, usize)| -> Vec<(usize, usize)> {
            let mut first = coarse.0;
            let step = |count: &usize| {
                first += count;
                (first - count, *count)
            };
            self.packing.active.iter().map(step).collect()
        };
        let (own, other) = match (own.len(), other.len()) {
            (a, b) if a == b => (own, other),
            (1, _) => (steps(own[0]), other),
            (_, _) => (own, steps(other[0])),
        };
        let of = |value: Value, all: Vec<(usize, usize)>| -> Vec<Span> {
            all.into_iter().map(|it| self.span(value, it)).collect()
        };
        (of(left, own), of(right, other))
    }
}

impl Jobs {
    /// A thread's part of all sums.
    ///
    /// # Safety
    ///
    /// Spans and targets are as [`Frame::sums`] looked; no other thread has the number of this one.
    unsafe fn run(&self, path: Path, share: &Share<'_>) {
        let Share { part, parts, .. } = *share;
        for job in &self.outer {
            let lefts: Vec<Left<'_>> = job
                .lefts
                .iter()
                .map(|it| Left {
                    spans: &it.spans,
                    row: it.row,
                    columns: it.columns,
                    to: RawResults { at: it.target, row: job.right.1 },
                })
                .collect();
            let what = Gram {
                lefts: &lefts,
                right: &job.spans,
                row: job.row,
                columns: job.right.1,
                accumulate: job.accumulate,
            };
            // SAFETY: the caller's promise.
            unsafe { gram(path, &what, (part, parts), &mut *self.scratch[part].get()) };
        }
        for job in &self.scatter {
            let own = part_of(job.columns, part, parts);
            let spans = job.spans.iter();
            let spans = spans.map(|it| Span { at: it.at.wrapping_add(own.start), ..*it });
            let spans: Vec<Span> = spans.collect();
            // SAFETY: the caller's promise; every row of the value has an index.
            let index = |span: usize, row: usize| unsafe {
                whole(*job.indices[span].at.add(row * job.index_row), job.table)
            };
            let to = RawResults { at: job.target.wrapping_add(own.start), row: job.columns };
            // SAFETY: the caller's promise; no two threads have the same columns.
            unsafe { table_sums(path, &spans, (job.row, own.len()), index, to) };
        }
        for job in &self.columns {
            let own = part_of(job.columns, part, parts);
            let spans = job.spans.iter();
            let spans = spans.map(|it| Span { at: it.at.wrapping_add(own.start), ..*it });
            let spans: Vec<Span> = spans.collect();
            // SAFETY: the caller's promise; no two threads have the same numbers.
            unsafe {
                let to = std::slice::from_raw_parts_mut(job.target.add(own.start), own.len());
                column_sums(path, &spans, job.row, to, job.accumulate);
            }
        }
    }
}
