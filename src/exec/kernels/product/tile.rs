//! Computes a tile of a product: R rows of the result by P panels of V vectors of columns, in registers while k runs.
//!
//! A plain product of rows `[M, K]` with a matrix `[K, N]` would load two elements for each multiplication. A tile keeps its block of
//! sums in registers and uses every loaded vector R times. With R = 4, P = 1, V = 2 and vectors of 8 lanes:
//!
//! ```text
//!                panel, 16 columns
//!                 b0      b1              for each k:
//! row 0   a0   [sum 00][sum 01]             load b0, b1            2 loads for
//! row 1   a1   [sum 10][sum 11]             for each row r:        4 rows x 2 vectors
//! row 2   a2   [sum 20][sum 21]               broadcast a_r        = 8 multiply-adds
//! row 3   a3   [sum 30][sum 31]               sum_r0 += a_r * b0
//!                                             sum_r1 += a_r * b1
//! ```
//!
//! R and V are as large as the registers allow: the sums, the vectors of one k, and one broadcast element
//! ([`Tiles::ROWS`]). A product with few rows takes several panels at once instead, or its sums would
//! wait for each other.
//!
//! * A sum begins with the terms in `added`, then goes through all terms of `terms` in order, and through k in order within each. No
//!   choice of rows, panels or threads changes that order, so none changes a bit of a result.
//! * The panel of one k follows that of the one before without a gap ([`pack`](super::pack)), so that the tile reads memory in order.
//!   Only the last vector of the last panel may be partial.
//! * Every [`STEPS`] elements a tile prefetches the lines that later tiles need: of the next panel ([`Spot::ahead`]) and of the `added`
//!   rows of the next tile ([`Soon`]).

use super::vectors::Tiles;
use super::{RawResults, RawRows};

/// The operands and sizes that all tiles of a product share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work<'a> {
    /// The rows of each term.
    pub terms: &'a [RawRows],
    /// The length of each term's sum.
    pub depths: &'a [usize],
    /// The terms that the sums begin with.
    pub added: &'a [RawRows],
    pub to: RawResults,
}

/// The position of a tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The first row.
    pub row: usize,
    /// The elements that are summed, counted through all terms.
    pub begin: usize,
    pub end: usize,
    /// The panel's elements for element `begin`.
    pub panel: *const f32,
    /// From a panel of this tile to the next, in elements and in columns.
    pub next: usize,
    pub next_columns: usize,
    /// The first column.
    pub column: usize,
    /// The columns of the last vector of the last panel.
    pub last: usize,
    /// The address to prefetch from, and the cache lines to prefetch every [`STEPS`] elements.
    pub ahead: *const f32,
    pub lines: usize,
    /// The first row and column of the tile that comes after it.
    pub then: (usize, usize),
}

/// The elements that are summed between two prefetches.
pub(super) const STEPS: usize = 4;

/// The elements of a cache line.
pub(super) const LINE: usize = 16;

/// The sums of R rows and P panels of V vectors of columns.
///
/// # Safety
///
/// The processor must have what S needs; all rows, elements and columns that the spot names exist.
#[inline(always)]
pub(super) unsafe fn tile<S: Tiles, const R: usize, const P: usize, const V: usize>(
    work: &Work<'_>,
    spot: &Spot,
) {
    let width = V * S::LANES;
    let (row, column) = (spot.row, spot.column);
    // SAFETY: the processor has what S needs.
    let zero = unsafe { S::splat(0.0) };
    // Plain loops over the sums: the compiler leaves them in memory where an iterator flattens them.
    let mut sums = [[[zero; V]; P]; R];
    // SAFETY: the caller's promise; panels are padded to whole vectors, and of the last vector of
    // rows no more is touched than the columns that there are.
    unsafe {
        for (idx, added) in work.added.iter().enumerate() {
            for r in 0..R {
                let from = added.at.add((row + r) * added.row + column);
                for p in 0..P {
                    for v in 0..V {
                        let from = from.add(p * spot.next_columns + v * S::LANES);
                        let is_last = p + 1 == P && v + 1 == V && spot.last < S::LANES;
                        let more =
                            if is_last { S::load_first(from, spot.last) } else { S::load(from) };
                        let sum = &mut sums[r][p][v];
                        *sum = if idx == 0 { more } else { S::add(*sum, more) };
                    }
                }
            }
        }
        let mut soon = Soon::new(work.added, spot, R, width);
        let (mut panel, mut ahead) = (spot.panel, spot.ahead);
        let mut passed = 0;
        for (rows, depth) in work.terms.iter().zip(work.depths) {
            let first = spot.begin.max(passed) - passed;
            let beyond = spot.end.min(passed + depth).saturating_sub(passed);
            passed += depth;
            if first >= beyond {
                continue;
            }
            let mut from = rows.at.add(row * rows.row + first);
            let mut left = beyond - first;
            macro_rules! step {
                ($k:expr) => {
                    for p in 0..P {
                        let at = panel.add(p * spot.next + $k * width);
                        let mut vectors = [zero; V];
                        for v in 0..V {
                            vectors[v] = S::load(at.add(v * S::LANES));
                        }
                        for r in 0..R {
                            let number = S::splat(*from.add(r * rows.row + $k));
                            for v in 0..V {
                                sums[r][p][v] = S::fma(number, vectors[v], sums[r][p][v]);
                            }
                        }
                    }
                };
            }
            while left >= STEPS {
                for _ in 0..spot.lines {
                    S::prefetch(ahead);
                    ahead = ahead.wrapping_add(LINE);
                }
                soon.ask::<S>();
                step!(0);
                step!(1);
                step!(2);
                step!(3);
                from = from.add(STEPS);
                panel = panel.add(STEPS * width);
                left -= STEPS;
            }
            while left > 0 {
                step!(0);
                from = from.add(1);
                panel = panel.add(width);
                left -= 1;
            }
        }
        for r in 0..R {
            let to = work.to.at.add((row + r) * work.to.row + column);
            for p in 0..P {
                for v in 0..V {
                    let to = to.add(p * spot.next_columns + v * S::LANES);
                    if p + 1 == P && v + 1 == V && spot.last < S::LANES {
                        S::store_first(to, spot.last, sums[r][p][v]);
                    } else {
                        S::store(to, sums[r][p][v]);
                    }
                }
            }
        }
    }
}

/// The beginning of the next tile, prefetched bit by bit: all at once, far lines would hold up the near ones of the panel.
struct Soon<'a> {
    added: &'a [RawRows],
    then: (usize, usize),
    rows: usize,
    lines: usize,
    /// The next line to prefetch: the operand, its row and the line in it.
    next: (usize, usize, usize),
    /// The number of lines prefetched at once.
    at_once: usize,
}

impl<'a> Soon<'a> {
    #[inline(always)]
    fn new(added: &'a [RawRows], spot: &Spot, rows: usize, width: usize) -> Soon<'a> {
        let lines = width.div_ceil(LINE);
        let times = ((spot.end - spot.begin) / STEPS).max(1);
        // A division takes as long as some rows do.
        let wanted = added.len() * rows * lines;
        let at_once = if wanted <= times { wanted.min(1) } else { wanted.div_ceil(times) };
        Soon { added, then: spot.then, rows, lines, next: (0, 0, 0), at_once }
    }

    /// # Safety
    ///
    /// The processor must have what S needs.
    #[inline(always)]
    unsafe fn ask<S: Tiles>(&mut self) {
        for _ in 0..self.at_once {
            let (which, row, line) = self.next;
            let Some(added) = self.added.get(which) else { return };
            let at = (self.then.0 + row) * added.row + self.then.1 + line * LINE;
            // SAFETY: the caller's promise; any address may be asked for.
            unsafe { S::prefetch_near(added.at.wrapping_add(at)) };
            self.next = if line + 1 < self.lines {
                (which, row, line + 1)
            } else if row + 1 < self.rows {
                (which, row + 1, 0)
            } else {
                (which + 1, 0, 0)
            };
        }
    }
}

/// A tile of so many rows and panels, compiled. To be called as [`tile`] is.
pub(super) type Tile = unsafe fn(&Work<'_>, &Spot);

/// Returns the tile of a number of rows, panels, and vectors of each panel.
pub(super) fn tile_of<S: Tiles>(rows: usize, panels: usize, vectors: usize) -> Tile {
    /// Compiles nothing for a tile that the kind of vector does not have.
    struct Of<S, const R: usize, const P: usize, const V: usize>(S);
    impl<S: Tiles, const R: usize, const P: usize, const V: usize> Of<S, R, P, V> {
        const TILE: Option<Tile> = if V <= S::VECTORS && R * P <= S::ROWS[V - 1] && P <= S::PANELS {
            // SAFETY: as for `tile`, which whoever calls it promises.
            Some(|work, spot| unsafe { S::tile::<R, P, V>(work, spot) })
        } else {
            None
        };
    }
    macro_rules! tiles {
        ($($rows:literal by $panels:literal),*) => {
            match (rows, panels, vectors) {
                $(
                    ($rows, $panels, 1) => Of::<S, $rows, $panels, 1>::TILE,
                    ($rows, $panels, 2) => Of::<S, $rows, $panels, 2>::TILE,
                    ($rows, $panels, 3) => Of::<S, $rows, $panels, 3>::TILE,
                    ($rows, $panels, 4) => Of::<S, $rows, $panels, 4>::TILE,
                )*
                _ => None,
            }
        };
    }
    tiles!(
        1 by 1, 2 by 1, 3 by 1, 4 by 1, 5 by 1, 6 by 1, 7 by 1, 8 by 1, 9 by 1, 10 by 1, 11 by 1,
        12 by 1, 1 by 2, 1 by 3, 1 by 4, 2 by 2
    )
    .unwrap_or_else(|| unreachable!("no tile has {rows} rows of {panels} panels of {vectors}"))
}
