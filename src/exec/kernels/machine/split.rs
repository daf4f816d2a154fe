//! What threads must know that share the numbers of a row: where they wait for each other.
//!
//! Each thread owns the same share of every value of one size: whole panels of columns where the
//! size is a multiple of a panel, else whole vectors. An elementwise instruction that reads what
//! the same thread wrote needs no barrier; a product reads whole rows, and waits.

use super::{Code, Part, Place, RowCode, Rows, Stream, reads, writes};
use crate::exec::kernels::Kind;

/// How a part of a program is divided.
#[derive(Clone, Debug)]
pub(super) struct Split {
    /// For each instruction, whether threads that share rows by their numbers wait before it.
    pub waits: Vec<bool>,
    /// Whether instructions read, in other rows, what the same part writes: all of it is there
    /// before the next instruction begins, even where rows are divided.
    pub is_ordered: bool,
    /// Whether threads may share rows by their numbers: nothing needs whole rows but products.
    pub may_share: bool,
}

/// How what was written is divided among threads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Each has its share of every `unit` numbers from `offset` on.
    Units { offset: usize, unit: usize },
    /// In another way.
    Other,
}

/// A part of a buffer that was written or read since threads last waited.
struct Touched {
    buffer: usize,
    from: usize,
    to: usize,
    owner: Owner,
    rows: Rows,
}

/// What an instruction reads or writes.
struct Access {
    place: Place,
    len: usize,
    owner: Owner,
}

impl Split {
    pub fn of(part: &Part) -> Split {
        let mut waits = vec![false; part.code.len()];
        let (mut written, mut read): (Vec<Touched>, Vec<Touched>) = (Vec::new(), Vec::new());
        // The second time what the end of a step leaves for the next one is known.
        for again in [false, true] {
            for (code, waits) in part.code.iter().zip(&mut waits) {
                let (reads, writes) = accesses(code);
                // What is written over: rows of the step alone, which the next step writes over too.
                let own_rows = |it: &Access, other: &Touched| match it.place.rows {
                    Rows::Local => true,
                    Rows::Fixed | Rows::Each | Rows::Old | Rows::New => {
                        !again && other.rows == it.place.rows
                    }
                };
                let meets = |all: &[Touched], it: &Access, over: bool| {
                    all.iter().any(|other| {
                        let (from, to) = (it.place.offset, it.place.offset + it.len);
                        let same =
                            other.buffer == it.place.buffer && other.from < to && from < other.to;
                        let own = other.owner == it.owner && it.owner != Owner::Other;
                        same && !own && (!over || own_rows(it, other))
                    })
                };
                let must = reads.iter().any(|it| meets(&written, it, false))
                    || writes.iter().any(|it| meets(&written, it, true) || meets(&read, it, true));
                if must {
                    *waits = true;
                }
                if *waits {
                    written.clear();
                    read.clear();
                }
                let touched = |it: &Access| Touched {
                    buffer: it.place.buffer,
                    from: it.place.offset,
                    to: it.place.offset + it.len,
                    owner: it.owner,
                    rows: it.place.rows,
                };
                written.extend(writes.iter().map(touched));
                read.extend(reads.iter().map(touched));
            }
        }
        let mut old = Vec::new();
        let mut new = Vec::new();
        for code in &part.code {
            let (reads, writes) = accesses(code);
            let other_rows = |it: &&Access| matches!(it.place.rows, Rows::Old | Rows::New);
            old.extend(reads.iter().filter(other_rows).map(|it| it.place.buffer));
            new.extend(writes.iter().filter(other_rows).map(|it| it.place.buffer));
        }
        let is_ordered = !part.is_loop && new.iter().any(|it| old.contains(it));
        let may_share = part.code.iter().all(|it| match it {
            Code::Product { unit, .. } => unit % 64 == 0,
            Code::Row(_) => false,
            Code::Strip { outer, .. } => *outer == 1,
            Code::Copy { .. } => true,
        });
        Split { waits, is_ordered, may_share }
    }
}

/// What an instruction reads and writes.
fn accesses(code: &Code) -> (Vec<Access>, Vec<Access>) {
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
                if writes(strip, at) {
                    written.push(access(stream));
                }
                if reads(strip, at) {
                    read.push(access(stream));
                }
            }
            (read, written)
        }
        Code::Product { pack: _, values, added, to, columns, unit } => {
            // How long values are is not known here: to the end of the row.
            let whole =
                |it: &Place| Access { place: *it, len: usize::MAX / 2, owner: Owner::Other };
            let mut reads: Vec<Access> = values.iter().map(whole).collect();
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
        Code::Copy { from, to, n } => {
            let access = |it: &Place| Access { place: *it, len: *n, owner: Owner::Other };
            (vec![access(from)], vec![access(to)])
        }
    }
}
