//! Sums over all rows: what gradients of params are made of.

use std::cell::UnsafeCell;

use super::run::part_of;
use super::{Frame, Place};
use crate::exec::kernels::product::{Gram, RawResults, Scratch, Span, column_sums, gram};
use crate::exec::kernels::team::{Part as Share, Team};
use crate::exec::kernels::Path;

/// The sum of the products of each number of one value with each of another: `[left, right]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outer {
    /// One value, and how many numbers it has.
    pub left: (Place, usize),
    /// The other one.
    pub right: (Place, usize),
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
    /// Of a value.
    Columns(Columns, &'g mut [f32]),
}

/// What a thread works in.
struct PerThread(Vec<UnsafeCell<Scratch>>);

// SAFETY: each thread takes the scratch of its own number, and computes its own part of results.
unsafe impl Sync for PerThread {}

enum What {
    Outer(Outer),
    Columns(Columns),
}

struct Job {
    what: What,
    spans: Vec<Span>,
    /// From a row to the next, of both values.
    rows: (usize, usize),
    /// The result, of which threads compute parts.
    target: *mut f32,
}

// SAFETY: what is read nobody writes meanwhile, for the frame is borrowed; parts of a target are
// computed by one thread each.
unsafe impl Sync for Job {}

/// The work of one sum and of all that is worth the start of threads, in multiplications.
const LEAST: usize = 1_000_000;

impl Frame<'_> {
    /// Computes sums over all rows; each is written over what its target held. `add` says of each
    /// whether it is added to that instead.
    ///
    /// # Panics
    ///
    /// When a place leaves its buffer, or a target is too short: a fault of the caller.
    pub fn sums(&self, path: Path, sums: &mut [(Gradient<'_>, bool)], team: &Team) {
        let rows = self.packing.rows();
        let mut work = 0;
        let jobs: Vec<(Job, bool)> = sums
            .iter_mut()
            .map(|(it, add)| {
                let (what, spans, target) = match it {
                    Gradient::Outer(Outer { left, right }, to) => {
                        assert!(to.len() >= left.1 * right.1, "a sum has its place");
                        work += rows * left.1 * right.1;
                        let what = What::Outer(Outer { left: *left, right: *right });
                        (what, self.spans(*left, *right), to.as_mut_ptr())
                    }
                    Gradient::Columns(Columns { value }, to) => {
                        assert!(to.len() >= value.1, "a sum has its place");
                        work += rows * value.1;
                        let what = What::Columns(Columns { value: *value });
                        (what, self.spans(*value, *value), to.as_mut_ptr())
                    }
                };
                let row_of = |it: Place| self.buffers[it.buffer].width;
                let rows = match &what {
                    What::Outer(it) => (row_of(it.left.0), row_of(it.right.0)),
                    What::Columns(it) => (row_of(it.value.0), row_of(it.value.0)),
                };
                (Job { what, spans, rows, target }, *add)
            })
            .collect();
        let scratch = PerThread((0..team.parts()).map(|_| UnsafeCell::default()).collect());
        let run = |share: &Share<'_>| {
            let scratch = &scratch;
            // SAFETY: the number of a thread is its own.
            let scratch = unsafe { &mut *scratch.0[share.part].get() };
            for (job, add) in &jobs {
                // SAFETY: places were looked at in `spans`, targets above.
                unsafe { sum(path, job, *add, share, scratch) };
            }
        };
        if work < LEAST { run(&Share::whole()) } else { team.run(&run) }
    }

    /// The rows of two values that follow each other in both.
    fn spans(&self, left: (Place, usize), right: (Place, usize)) -> Vec<Span> {
        let row_of = |it: Place| self.buffers[it.buffer].width;
        let (own, other) = (self.packing.spans(left.0.rows), self.packing.spans(right.0.rows));
        // The finer of both divisions: one of them is all rows at once, or they are the same.
        let steps = |coarse: (usize, usize)| {
            let mut first = coarse.0;
            self.packing.active.iter().map(move |count| {
                first += count;
                (first - count, *count)
            })
        };
        let (own, other): (Vec<_>, Vec<_>) = match (own.len(), other.len()) {
            (a, b) if a == b => (own, other),
            (1, _) => (steps(own[0]).collect(), other),
            (_, _) => (own, steps(other[0]).collect()),
        };
        let at = |(place, n): (Place, usize), (first, count): (usize, usize)| {
            let row = row_of(place);
            let begin = place.offset + first * row;
            let (base, len) = self.bases[place.buffer];
            let end = begin + count.saturating_sub(1) * row + n;
            assert!(count == 0 || (place.offset + n <= row && end <= len), "a sum has its rows");
            base.wrapping_add(begin).cast_const()
        };
        let both = own.into_iter().zip(other);
        both.map(|(a, b)| Span { a: at(left, a), b: at(right, b), count: a.1 }).collect()
    }
}

/// A thread's part of a sum.
///
/// # Safety
///
/// Spans and targets are as [`Frame::sums`] looked.
unsafe fn sum(
    path: Path,
    job: &Job,
    accumulate: bool,
    share: &Share<'_>,
    scratch: &mut Scratch,
) {
    let Share { part, parts, .. } = *share;
    match &job.what {
        What::Outer(Outer { left, right }) => {
            let what = Gram {
                spans: &job.spans,
                rows: job.rows,
                size: (left.1, right.1),
                to: RawResults { at: job.target, row: right.1 },
                accumulate,
            };
            // SAFETY: the caller's promise.
            unsafe { gram(path, &what, (part, parts), scratch) };
        }
        What::Columns(Columns { value }) => {
            let own = part_of(value.1, part, parts);
            let spans = job.spans.iter().map(|it| (it.a.wrapping_add(own.start), it.count));
            let spans: Vec<(*const f32, usize)> = spans.collect();
            // SAFETY: the caller's promise; no two threads have the same numbers.
            unsafe {
                let to =
                    std::slice::from_raw_parts_mut(job.target.add(own.start), own.len());
                column_sums(path, &spans, job.rows.0, to, accumulate);
            }
        }
    }
}
