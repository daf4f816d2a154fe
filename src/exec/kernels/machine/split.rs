//! Finds the barriers of threads that share the elements of a row.
//!
//! In a loop with few sequences there are too few rows to share, so each thread computes a part of every row. A value of
//! 128 elements on two threads:
//!
//! ```text
//!             thread 0       thread 1
//! s = U @ h   s[0..64]       s[64..128]     reads all of h: both halves must be there
//! z = sig(s)  z[0..64]       z[64..128]     reads its own half of s: no wait
//! h = z * n   h[0..64]       h[64..128]     writes what the product has read: wait before
//! ```
//!
//! Each thread owns the same share of every value of one size: whole panels of columns if the size is a multiple of a panel, else
//! whole vectors. So an elementwise instruction that reads values of the same size needs no barrier, and a product, which reads
//! whole rows, does.
//!
//! [`Split::of`] walks the instructions with the pieces of memory that were written and read since the last barrier. It puts a barrier before
//! an instruction that reads a piece which another thread may have written, or writes one which another may have read or written. It walks
//! the loop twice, because a step meets what the end of the step before has left.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, PackSize, Part, Place, RowCode, Rows, Stream};
use crate::exec::kernels::Kind;
use crate::text::work;

/// The plan by which a part of a program is divided.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// For each instruction, true if threads that share rows by their elements wait before it.
    pub waits: Vec<bool>,
    /// True if instructions read, in other rows, values that the same part writes: all of them must be there before the next
    /// instruction begins, even where rows are divided.
    pub is_ordered: bool,
    /// True if threads may share the elements of rows: nothing needs whole rows but products.
    pub may_share: bool,
}

/// The way in which a written value is divided among threads.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// Each has its share of every `unit` elements from `offset` on.
    Units { offset: usize, unit: usize },
    /// In another way.
    Other,
}

/// A part of a buffer that was written or read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct MemoryPiece {
    buffer: usize,
    from: usize,
    to: usize,
    owner: Owner,
    rows: Rows,
}

impl MemoryPiece {
    /// Comes before all pieces of a buffer from an element on.
    fn first(buffer: usize, from: usize) -> MemoryPiece {
        MemoryPiece {
            buffer,
            from,
            to: 0,
            owner: Owner::Units { offset: 0, unit: 0 },
            rows: Rows::Fixed,
        }
    }
}

/// The pieces that were written, or read, since the last barrier.
#[derive(Default)]
struct Touched {
    pieces: BTreeSet<MemoryPiece>,
    /// The length of the longest piece of each buffer: no other begins so far before what it meets.
    longest: BTreeMap<usize, usize>,
}

impl Touched {
    fn add(&mut self, it: &Access) {
        let Access { place: Place { buffer, offset, rows }, len, owner } = *it;
        self.pieces.insert(MemoryPiece { buffer, from: offset, to: offset + len, owner, rows });
        let longest = self.longest.entry(buffer).or_default();
        *longest = len.max(*longest);
    }

    fn clear(&mut self) {
        self.pieces.clear();
        self.longest.clear();
    }

    /// Returns true if a piece that another thread may own, in such rows, shares elements with this one.
    fn meets(&self, it: &Access, rows: impl Fn(Rows) -> bool) -> bool {
        let Place { buffer, offset: from, .. } = it.place;
        let Some(longest) = self.longest.get(&buffer) else { return false };
        let before = MemoryPiece::first(buffer, from.saturating_sub(*longest));
        let end = MemoryPiece::first(buffer, from + it.len);
        self.pieces.range(before..end).any(|other| {
            work::count();
            let own = other.owner == it.owner && it.owner != Owner::Other;
            other.to > from && !own && rows(other.rows)
        })
    }
}

/// A piece of memory that an instruction reads or writes.
struct Access {
    place: Place,
    len: usize,
    owner: Owner,
}

impl Split {
    pub fn of(part: &Part, packs: &[PackSize]) -> Split {
        let mut waits = vec![false; part.code.len()];
        let all: Vec<(Vec<Access>, Vec<Access>)> =
            part.code.iter().map(|it| accesses(it, packs)).collect();
        let (mut written, mut read) = (Touched::default(), Touched::default());
        // The second time what the end of a step leaves for the next one is known.
        for again in [false, true] {
            for ((reads, writes), waits) in all.iter().zip(&mut waits) {
                // What is written over: rows of the step alone, which the next step writes over too.
                let over = |it: &Access, all: &Touched| {
                    all.meets(it, |other| match it.place.rows {
                        Rows::Local => true,
                        Rows::Fixed | Rows::Each | Rows::Old | Rows::New => {
                            !again && other == it.place.rows
                        }
                    })
                };
                let must = reads.iter().any(|it| written.meets(it, |_| true))
                    || writes.iter().any(|it| over(it, &written) || over(it, &read));
                if must {
                    *waits = true;
                }
                if *waits {
                    written.clear();
                    read.clear();
                }
                writes.iter().for_each(|it| written.add(it));
                reads.iter().for_each(|it| read.add(it));
            }
        }
        let mut old = BTreeSet::new();
        let mut new = BTreeSet::new();
        for (reads, writes) in &all {
            let other_rows = |it: &&Access| matches!(it.place.rows, Rows::Old | Rows::New);
            old.extend(reads.iter().filter(other_rows).map(|it| it.place.buffer));
            new.extend(writes.iter().filter(other_rows).map(|it| it.place.buffer));
        }
        let is_ordered = !part.is_loop() && !new.is_disjoint(&old);
        let may_share = part.code.iter().all(|it| match it {
            Code::Product { unit, .. } => unit % 64 == 0,
            Code::Row(_) => false,
            Code::Strip { outer, .. } => *outer == 1,
            Code::Copy { .. } | Code::Repeat { .. } => true,
        });
        Split { waits, is_ordered, may_share }
    }
}

/// Lists the pieces that an instruction reads and writes.
fn accesses(code: &Code, packs: &[PackSize]) -> (Vec<Access>, Vec<Access>) {
    match code {
        Code::Strip { strip, outer, inner, streams } => {
            let owner = |it: &Stream| match (outer, it.kind) {
                (1, Kind::Each) => Owner::Units { offset: it.place.offset, unit: *inner },
                (_, Kind::Each | Kind::PerOuter) => Owner::Other,
            };
            let access = |it: &Stream| {
                let last = (outer - 1) * it.outer;
                let own = match it.kind {
                    Kind::Each => *inner,
                    Kind::PerOuter => 1,
                };
                Access { place: it.place, len: last + own, owner: owner(it) }
            };
            let (mut read, mut written) = (Vec::new(), Vec::new());
            for (at, stream) in streams.iter().enumerate() {
                if strip.writes(at) {
                    written.push(access(stream));
                }
                if strip.reads(at) {
                    read.push(access(stream));
                }
            }
            (read, written)
        }
        Code::Product { pack, values, added, to, columns, unit } => {
            let values = values.iter().zip(&packs[*pack].depths);
            let whole = |(it, depth): (&Place, &usize)| Access {
                place: *it,
                len: *depth,
                owner: Owner::Other,
            };
            let mut reads: Vec<Access> = values.map(whole).collect();
            let mut writes = Vec::new();
            // The results, unit by unit.
            let owner = |offset: usize| match unit % 64 {
                0 => Owner::Units { offset, unit: *unit },
                _ => Owner::Other,
            };
            for at in 0..columns / unit {
                let part = |place: Place| {
                    let place = Place { offset: place.offset + at * unit, ..place };
                    Access { place, len: *unit, owner: owner(place.offset) }
                };
                reads.extend(added.map(part));
                writes.push(part(*to));
            }
            (reads, writes)
        }
        Code::Row(RowCode { op: _, args, to }) => {
            let access = |(place, len): &(Place, usize)| Access {
                place: *place,
                len: *len,
                owner: Owner::Other,
            };
            (args.iter().map(access).collect(), vec![access(to)])
        }
        Code::Repeat { place, n } => {
            let access = || Access { place: *place, len: *n, owner: Owner::Other };
            (vec![access()], vec![access()])
        }
        Code::Copy { from, to, n } => {
            let access = |it: &Place| Access { place: *it, len: *n, owner: Owner::Other };
            (vec![access(from)], vec![access(to)])
        }
    }
}
