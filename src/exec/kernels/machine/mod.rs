//! Straight-line code over rows: what a pass of a plan becomes when its sizes are known.
//!
//! A program holds no data and knows neither the batch nor the steps; it is checked once. A
//! [`Frame`] gives each of its buffers memory for the rows of a call, and [`Program::run`] runs it.

mod apply;
mod frame;
mod rows;
mod run;
mod split;
mod sums;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use apply::apply;
pub use frame::{Bases, Frame, Memory};
pub use rows::{Packing, Rows};
pub use run::Workspace;
pub use sums::{Columns, Gradient, Outer, Scatter};

use super::strip::Kind;
use super::{Packed, Path, RowOp, Strip};
use crate::ir::{Env, Op, Order};
use crate::text::work;

/// How many rows an instruction that has no loop over time takes at once, so that what one leaves for
/// the next stays in the second cache; a multiple of the rows of a tile.
pub const BLOCK: usize = 192;

/// Memory with rows of one width.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// How many numbers a row has.
    pub width: usize,
    /// How many rows there are.
    pub extent: Extent,
    /// Whether the program may write to it; else somebody lends it.
    pub own: bool,
}

/// How many rows a buffer has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// One.
    Fixed,
    /// One for each row of all steps.
    Each,
    /// Those, and one for each sequence.
    Carried,
    /// Those of a step or a block.
    Local,
}

/// Where a value stands: a part of each row of a buffer.
#[derive(Clone, Copy, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The position of the buffer.
    pub buffer: usize,
    /// The first number of the part.
    pub offset: usize,
    /// Which rows.
    pub rows: Rows,
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        work::count();
        (self.buffer, self.offset, self.rows) == (other.buffer, other.offset, other.rows)
    }
}

/// An operand of a strip: where it stands, and how its numbers repeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream {
    /// Where.
    pub place: Place,
    /// From one of the outer elements to the next.
    pub outer: usize,
    /// One number for each element, or one for all that an outer element has.
    pub kind: Kind,
}

impl Stream {
    /// For each of some streams of at most `n` numbers the others with which it may have some in
    /// common.
    pub fn meeting(streams: &[Stream], n: usize) -> Vec<Vec<u16>> {
        let mut meeting = vec![Vec::new(); streams.len()];
        let lens = vec![n; streams.len()];
        overlaps(streams, &lens, &mut |a, b| {
            if streams[a].place.rows == streams[b].place.rows {
                meeting[a].push(b as u16);
                meeting[b].push(a as u16);
            }
        });
        meeting
    }
}

/// Calls for each two streams that are in the same part of a buffer.
fn overlaps(streams: &[Stream], lens: &[usize], found: &mut dyn FnMut(usize, usize)) {
    let mut order: Vec<usize> = (0..streams.len()).collect();
    let begin = |at: &usize| {
        work::count();
        (streams[*at].place.buffer, streams[*at].place.offset)
    };
    order.sort_unstable_by_key(begin);
    for (at, first) in order.iter().enumerate() {
        let (buffer, offset) = begin(first);
        let end = (buffer, offset.saturating_add(lens[*first]));
        let rest = order[at + 1..].iter().take_while(|it| begin(it) < end);
        rest.for_each(|it| found(*first, *it));
    }
}

/// One instruction.
#[derive(Clone, Debug)]
pub enum Code {
    /// Elementwise operators on `outer * inner` numbers of each row.
    Strip {
        /// What is done.
        strip: Strip,
        /// How many times `inner` numbers a row has.
        outer: usize,
        /// How many numbers stand together.
        inner: usize,
        /// The operands and results.
        streams: Vec<Stream>,
    },
    /// A sum of products with packed matrices: [`Packed::product`].
    Product {
        /// The position of the packed matrices.
        pack: usize,
        /// The rows, for each term.
        values: Vec<Place>,
        /// Where the sum begins.
        added: Option<Place>,
        /// Where it goes.
        to: Place,
        /// How many numbers the sum has.
        columns: usize,
        /// It is made of results of so many numbers each, side by side.
        unit: usize,
    },
    /// Any other operator, row by row.
    Row(RowCode),
    /// The rows of the first step at all others of their sequences: only in a part that
    /// [`Part::is_first`].
    Repeat {
        /// Where, in rows of all steps.
        place: Place,
        /// How many numbers.
        n: usize,
    },
    /// Rows as they are.
    Copy {
        /// From where.
        from: Place,
        /// To where.
        to: Place,
        /// How many numbers.
        n: usize,
    },
}

/// An operator with its sizes, its operands and its result.
#[derive(Clone, Debug)]
pub struct RowCode {
    op: RowOp,
    /// The operands, and how many numbers each has.
    args: Vec<(Place, usize)>,
    /// The result, and how many numbers it has.
    to: (Place, usize),
}

impl RowCode {
    /// `None` for what is elementwise or no operator.
    pub fn new(
        op: &Op,
        env: &Env,
        args: &[(Place, &[usize])],
        (to, shape): (Place, &[usize]),
    ) -> Option<RowCode> {
        let shapes: Vec<&[usize]> = args.iter().map(|it| it.1).collect();
        let op = RowOp::new(op, env, &shapes, shape)?;
        let len = |shape: &[usize]| shape.iter().product();
        let args = args.iter().map(|(place, shape)| (*place, len(shape))).collect();
        Some(RowCode { op, args, to: (to, len(shape)) })
    }
}

/// A part of a program.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which way it goes step by step; else it takes all rows, a block at a time.
    pub order: Option<Order>,
    /// Whether it takes the rows of the first step alone, for what is the same at all steps of a
    /// sequence.
    pub is_first: bool,
    /// What is done.
    pub code: Vec<Code>,
}

impl Part {
    /// Whether it goes step by step.
    pub fn is_loop(&self) -> bool {
        self.order.is_some()
    }
}

/// Which matrices a product multiplies with: how many numbers each term sums, and how many columns
/// there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PackSize {
    /// The numbers of each term.
    pub depths: Vec<usize>,
    /// The columns.
    pub columns: usize,
}

/// Why code is no program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsound {
    /// Where the instruction at fault writes; `None` where no single one is.
    pub target: Option<Place>,
    /// What is wrong.
    pub reason: &'static str,
}

/// Code whose places were checked.
#[derive(Clone, Debug)]
pub struct Program {
    buffers: Vec<Buffer>,
    packs: Vec<PackSize>,
    parts: Vec<Part>,
    /// For each part, what threads that share the units of a row must know.
    splits: Vec<split::Split>,
}

impl Program {
    /// Checks code. It is unsound where a place leaves its buffer, something is written that is
    /// lent, an instruction writes what it reads elsewhere, or the number of operands is wrong.
    pub fn new(
        buffers: Vec<Buffer>,
        packs: Vec<PackSize>,
        parts: Vec<Part>,
    ) -> Result<Program, Unsound> {
        for part in &parts {
            let checker = Checker { buffers: &buffers, packs: &packs, part };
            if let Some(code) = part.code.iter().find(|it| !checker.is_sound(it)) {
                let reason = "an instruction leaves its rows, or writes what is read elsewhere";
                return Err(Unsound { target: code.targets().first().copied(), reason });
            }
            if !writes_one_way(part) {
                let reason = "a loop writes the rows before and after a step";
                return Err(Unsound { target: None, reason });
            }
        }
        let splits = parts.iter().map(|it| split::Split::of(it, &packs)).collect();
        Ok(Program { buffers, packs, parts, splits })
    }

    /// The buffers.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Memory for the matrices, on a path.
    pub fn packed(&self, path: Path) -> Vec<Packed> {
        self.packs.iter().map(|it| Packed::new(path, &it.depths, it.columns)).collect()
    }

    /// How many multiplications a row takes.
    pub fn work(&self) -> usize {
        self.packs.iter().map(|it| it.depths.iter().sum::<usize>() * it.columns).sum()
    }
}

/// Whether no buffer is written both before and after a step: the rows after one step are those
/// before the next, and who wrote them last would depend on who was faster.
fn writes_one_way(part: &Part) -> bool {
    let written = |rows: Rows| -> BTreeSet<usize> {
        let targets = part.code.iter().flat_map(Code::targets);
        targets.filter(|it| it.rows == rows).map(|it| it.buffer).collect()
    };
    written(Rows::Old).is_disjoint(&written(Rows::New))
}

impl Code {
    /// Where it writes.
    fn targets(&self) -> Vec<Place> {
        match self {
            Code::Strip { strip, streams, .. } => {
                let own = streams.iter().enumerate().filter(|(at, _)| strip.writes(*at));
                own.map(|(_, it)| it.place).collect()
            }
            Code::Product { to, .. } | Code::Copy { to, .. } => vec![*to],
            Code::Repeat { place, .. } => vec![*place],
            Code::Row(RowCode { to: (to, _), .. }) => vec![*to],
        }
    }
}

/// What places are checked against.
struct Checker<'c> {
    buffers: &'c [Buffer],
    packs: &'c [PackSize],
    /// What the code is part of.
    part: &'c Part,
}

impl Checker<'_> {
    /// Whether so many numbers from a place on lie in the rows that it means.
    fn is_within(&self, place: &Place, n: usize) -> bool {
        let Some(buffer) = self.buffers.get(place.buffer) else { return false };
        let rows = match (place.rows, buffer.extent) {
            (Rows::Fixed, Extent::Fixed)
            | (Rows::Each, Extent::Each)
            | (Rows::Old | Rows::New, Extent::Carried)
            | (Rows::Local, Extent::Local) => true,
            (Rows::Fixed | Rows::Each | Rows::Old | Rows::New | Rows::Local, _) => false,
        };
        rows && place.offset.checked_add(n).is_some_and(|end| end <= buffer.width)
    }

    fn is_written(&self, place: &Place, n: usize) -> bool {
        self.is_within(place, n) && self.buffers[place.buffer].own && place.rows != Rows::Fixed
    }

    /// Whether two parts of rows may have numbers in common.
    fn overlap(&self, a: (&Place, usize), b: (&Place, usize)) -> bool {
        overlap(self.part.is_loop(), a, b)
    }

    /// Whether every result and any other stream are the same or have nothing in common.
    fn are_apart(&self, strip: &Strip, streams: &[Stream], lens: &[usize]) -> bool {
        let mut sound = true;
        overlaps(streams, lens, &mut |a, b| {
            let (is_written, same) = (strip.writes(a) || strip.writes(b), streams[a] == streams[b]);
            let rows = streams[a].place.rows == streams[b].place.rows || !self.part.is_loop();
            sound &= !is_written || same || !rows;
        });
        sound
    }

    fn is_sound(&self, code: &Code) -> bool {
        match code {
            Code::Strip { strip, outer, inner, streams } => {
                let len = |it: &Stream| {
                    let last = outer.saturating_sub(1).saturating_mul(it.outer);
                    last.saturating_add(match it.kind {
                        Kind::Each => *inner,
                        Kind::PerOuter => 1,
                    })
                };
                let lens: Vec<usize> = streams.iter().map(len).collect();
                *outer > 0
                    && *inner > 0
                    && streams.len() >= strip.streams()
                    && streams.iter().zip(&lens).enumerate().all(|(at, (it, len))| {
                        match strip.writes(at) {
                            // Results lie without gaps.
                            true => {
                                it.kind == Kind::Each
                                    && (*outer == 1 || it.outer == *inner)
                                    && self.is_written(&it.place, *len)
                            }
                            false => self.is_within(&it.place, *len),
                        }
                    })
                    && self.are_apart(strip, streams, &lens)
            }
            Code::Product { pack, values, added, to, columns, unit } => {
                let Some(size) = self.packs.get(*pack) else { return false };
                let n = size.columns;
                let meets = |it: &Place, len: usize| self.overlap((it, len), (to, n));
                values.len() == size.depths.len()
                    && n == *columns
                    && *unit > 0
                    && n % unit == 0
                    && self.is_written(to, n)
                    && values
                        .iter()
                        .zip(&size.depths)
                        .all(|(it, depth)| self.is_within(it, *depth) && !meets(it, *depth))
                    && added
                        .is_none_or(|it| self.is_within(&it, n) && (it == *to || !meets(&it, n)))
            }
            Code::Row(RowCode { op: _, args, to: (to, n) }) => {
                self.is_written(to, *n)
                    && args.iter().all(|(it, len)| {
                        self.is_within(it, *len) && !self.overlap((it, *len), (to, *n))
                    })
            }
            Code::Repeat { place, n } => {
                self.part.is_first && place.rows == Rows::Each && self.is_written(place, *n)
            }
            Code::Copy { from, to, n } => {
                self.is_within(from, *n)
                    && self.is_written(to, *n)
                    && !self.overlap((from, *n), (to, *n))
            }
        }
    }
}

/// Whether two parts of rows may have numbers in common. In a loop old and new rows are not the
/// same; where all rows are computed at once they are, those of another step.
fn overlap(is_loop: bool, (a, a_len): (&Place, usize), (b, b_len): (&Place, usize)) -> bool {
    work::count();
    a.buffer == b.buffer
        && (a.rows == b.rows || !is_loop)
        && a.offset < b.offset.saturating_add(b_len)
        && b.offset < a.offset.saturating_add(a_len)
}
