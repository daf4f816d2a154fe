//! Products of rows with a packed matrix.
//!
//! A matrix `[K, N]` is packed once into panels of a few vectors of columns, each panel K rows long
//! and without gaps. A tile of the result, a few rows by one panel, stays in registers while K runs:
//! it loads the panel's vectors, one number per row, and does one multiplication with addition for
//! each row and vector. Every element is summed over K in order, so a result does not depend on how
//! rows and panels are divided.

use super::simd::Simd;
use super::{Path, Team, on_path};

/// How many vectors a panel is wide, and how many rows a tile may have, so that the sums, the
/// panel's vectors and one number fit into the registers.
pub(super) trait Tiles: Simd {
    const VECTORS: usize;
    const ROWS: usize;
}

/// The rows of a product: row i, element k stands at `at + i * row + k * step`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawRows {
    pub at: *const f32,
    pub row: usize,
    pub step: usize,
}

/// Where results go, row i, column j at `at + i * row + j`, and what is added to them, if anything.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawResults {
    pub at: *mut f32,
    pub row: usize,
    /// Rows that the product is added to, as far apart as said; may be the results themselves.
    pub added: Option<(*const f32, usize)>,
}

/// How many columns a panel has.
pub(super) fn width<S: Tiles>() -> usize {
    S::VECTORS * S::LANES
}

/// How many numbers the packed form of a matrix takes.
pub(super) fn packed_len<S: Tiles>(k: usize, n: usize) -> usize {
    let width = width::<S>();
    n.div_ceil(width) * width * k
}

/// Packs a matrix: `element(k, j)` is the number at row k and column j.
pub(super) fn pack<S: Tiles>(
    k: usize,
    n: usize,
    element: impl Fn(usize, usize) -> f32,
    packed: &mut [f32],
) {
    let width = width::<S>();
    assert_eq!(packed.len(), packed_len::<S>(k, n));
    for (panel, rows) in packed.chunks_exact_mut((width * k).max(1)).enumerate() {
        for (at, row) in rows.chunks_exact_mut(width).enumerate() {
            for (lane, number) in row.iter_mut().enumerate() {
                let column = panel * width + lane;
                *number = if column < n { element(at, column) } else { 0.0 };
            }
        }
    }
}

/// `results = [added +] rows @ packed`.
///
/// # Safety
///
/// The processor must have what S needs; `packed` is the packed form of `[k, n]`; rows, results and
/// what is added are as large as `m`, `k` and `n` say.
#[inline(always)]
pub(super) unsafe fn product<S: Tiles>(
    (m, k, n): (usize, usize, usize),
    rows: RawRows,
    packed: *const f32,
    results: RawResults,
) {
    let width = width::<S>();
    // Where a panel serves several tiles, so much of it at once that it stays in the first cache;
    // and so many rows that they stay in the second one while all panels pass.
    let depth = if m > S::ROWS { DEPTH.min(k) } else { k };
    let block = (48 * 1024 / depth.max(1)).max(S::ROWS) / S::ROWS * S::ROWS;
    // A few rows keep too few sums to hide how long one takes: several panels at once.
    let most = if m <= 2 { 4 / m.max(1) } else { 1 };
    let mut turned = Vec::new();
    for first in (0..m).step_by(block) {
        let count = block.min(m - first);
        let tiles = count.div_ceil(S::ROWS);
        let mut begin = 0;
        loop {
            let depth = depth.min(k - begin);
            // SAFETY: rows, depth, panel and columns lie within what the caller promises.
            unsafe {
                let mut rows =
                    RawRows { at: rows.at.add(first * rows.row + begin * rows.step), ..rows };
                if rows.step != 1 && tiles > 1 {
                    // Read from far apart for each panel anew they would cost more than the product.
                    turn(&mut turned, count, depth, rows);
                    rows = RawRows { at: turned.as_ptr(), row: 1, step: count };
                }
                let mut results = RawResults { at: results.at.add(first * results.row), ..results };
                results.added = match results.added {
                    _ if begin > 0 => Some((results.at.cast_const(), results.row)),
                    Some((it, row)) => Some((it.add(first * row), row)),
                    None => None,
                };
                let mut column = 0;
                while column < n {
                    let panels = if n - column >= most * width { most } else { 1 };
                    let panel = Panel {
                        at: packed.add(column * k + begin * width),
                        next: width * k,
                        columns: (panels * width).min(n - column),
                    };
                    let mut at = 0;
                    for tile in 0..tiles {
                        // Tiles of about the same height: a low one at the end would run slowly.
                        let these = (count - at).div_ceil(tiles - tile);
                        let rows = RawRows { at: rows.at.add(at * rows.row), ..rows };
                        let results = RawResults {
                            at: results.at.add(at * results.row + column),
                            row: results.row,
                            added: results.added.map(|(it, row)| (it.add(at * row + column), row)),
                        };
                        tile_of::<S>((these, panels), depth, rows, panel, results);
                        at += these;
                    }
                    column += panels * width;
                }
            }
            begin += depth;
            if begin >= k {
                break;
            }
        }
    }
}

/// How many rows of a panel are used at once.
const DEPTH: usize = 256;

/// Copies `count` rows of `depth` elements so that those of one element follow each other.
///
/// # Safety
///
/// As for [`product`].
#[inline(always)]
unsafe fn turn(to: &mut Vec<f32>, count: usize, depth: usize, rows: RawRows) {
    to.clear();
    to.reserve(count * depth);
    for k in 0..depth {
        // SAFETY: the caller's promise.
        to.extend((0..count).map(|row| unsafe { *rows.at.add(k * rows.step + row * rows.row) }));
    }
}

/// A panel, or several that follow each other.
#[derive(Clone, Copy, Debug)]
struct Panel {
    at: *const f32,
    /// From a panel to the next.
    next: usize,
    /// How many columns all of them have; the last of several has all of its own.
    columns: usize,
}

/// A tile of so many rows and panels.
///
/// # Safety
///
/// As for [`product`].
#[inline(always)]
unsafe fn tile_of<S: Tiles>(
    size: (usize, usize),
    k: usize,
    a: RawRows,
    panel: Panel,
    to: RawResults,
) {
    macro_rules! tile {
        ($rows:literal, $panels:literal) => {
            // SAFETY: the caller's promise.
            unsafe {
                match S::VECTORS {
                    2 => tile::<S, $rows, $panels, 2>(k, a, panel, to),
                    3 => tile::<S, $rows, $panels, 3>(k, a, panel, to),
                    vectors => unreachable!("no tile is {vectors} vectors wide"),
                }
            }
        };
    }
    match size {
        (1, 4) => tile!(1, 4),
        (2, 2) => tile!(2, 2),
        (1, 1) => tile!(1, 1),
        (2, 1) => tile!(2, 1),
        (3, 1) => tile!(3, 1),
        (4, 1) => tile!(4, 1),
        (5, 1) => tile!(5, 1),
        (6, 1) => tile!(6, 1),
        (7, 1) => tile!(7, 1),
        (8, 1) => tile!(8, 1),
        (rows, panels) => unreachable!("no tile has {rows} rows of {panels} panels"),
    }
}

/// The sums of R rows and P panels of V vectors of columns, over k.
///
/// # Safety
///
/// As for [`product`].
#[inline(always)]
unsafe fn tile<S: Tiles, const R: usize, const P: usize, const V: usize>(
    k: usize,
    a: RawRows,
    panel: Panel,
    to: RawResults,
) {
    let width = V * S::LANES;
    let is_whole = panel.columns == P * width;
    // SAFETY: the caller's promise; panels are padded to whole vectors.
    unsafe {
        let mut sums = [[[S::splat(0.0); V]; P]; R];
        // Plain loops over the sums: the compiler leaves them in memory where an iterator flattens them.
        // The last panel is used by itself, and whole vectors would reach into the next row.
        let mut rest = [0.0f32; 64];
        if let Some((added, step)) = to.added {
            for (row, sums) in sums.iter_mut().enumerate() {
                let mut from = added.add(row * step);
                if !is_whole {
                    std::ptr::copy_nonoverlapping(from, rest.as_mut_ptr(), panel.columns);
                    from = rest.as_ptr();
                }
                for (p, sums) in sums.iter_mut().enumerate() {
                    for (idx, sum) in sums.iter_mut().enumerate() {
                        *sum = S::load(from.add((p * V + idx) * S::LANES));
                    }
                }
            }
        }
        let mut b = panel.at;
        let mut element = a.at;
        for _ in 0..k {
            for p in 0..P {
                let mut vectors = [S::splat(0.0); V];
                for (idx, it) in vectors.iter_mut().enumerate() {
                    *it = S::load(b.add(p * panel.next + idx * S::LANES));
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let number = S::splat(*element.add(row * a.row));
                    for (sum, vector) in sums[p].iter_mut().zip(vectors) {
                        *sum = S::fma(number, vector, *sum);
                    }
                }
            }
            b = b.add(width);
            element = element.add(a.step);
        }
        for (row, sums) in sums.iter().enumerate() {
            let target = to.at.add(row * to.row);
            let whole = if is_whole { target } else { rest.as_mut_ptr() };
            for (p, sums) in sums.iter().enumerate() {
                for (idx, sum) in sums.iter().enumerate() {
                    S::store(whole.add((p * V + idx) * S::LANES), *sum);
                }
            }
            if !is_whole {
                std::ptr::copy_nonoverlapping(rest.as_ptr(), target, panel.columns);
            }
        }
    }
}

/// A matrix `[K, N]` in the form that products want, for one path.
#[derive(Clone, Debug)]
pub struct Packed {
    path: Path,
    k: usize,
    n: usize,
    panels: Vec<f32>,
}

/// Rows of an array: row i, element k is number `first + i * row + k * step`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The array.
    pub data: &'a [f32],
    /// The first number of the first row.
    pub first: usize,
    /// From a row to the next.
    pub row: usize,
    /// From an element to the next.
    pub step: usize,
}

/// Rows of an array that results go into: row i, column j is number `first + i * row + j`.
#[derive(Debug)]
pub struct Results<'a> {
    /// The array.
    pub data: &'a mut [f32],
    /// The first number of the first row.
    pub first: usize,
    /// From a row to the next; at least N.
    pub row: usize,
}

/// What is added to a product.
#[derive(Clone, Copy, Debug)]
pub enum Added<'a> {
    /// Nothing.
    Nothing,
    /// What stands in the results already.
    Results,
    /// Rows of another array; its `step` must be 1, its `row` may be 0 for one row for all.
    Rows(Rows<'a>),
}

/// How many multiplications a product has at least that is divided: less is sooner done alone.
const LEAST: usize = 200_000;

/// A product of which threads compute parts.
struct Whole {
    path: Path,
    size: (usize, usize, usize),
    rows: RawRows,
    packed: *const f32,
    to: RawResults,
}

// SAFETY: rows, panels and what is added are only read, and each part writes results of its own;
// where they are added to, it reads those alone.
unsafe impl Sync for Whole {}

impl Whole {
    /// Computes some of the columns, or of the rows.
    ///
    /// # Safety
    ///
    /// As for [`product`]; no part is computed twice at once.
    unsafe fn part(&self, part: usize, parts: usize) {
        let (m, k, n) = self.size;
        let width = on_path!(self.path, width());
        let panels = n.div_ceil(width);
        let (mut size, mut rows, mut packed, mut to) = (self.size, self.rows, self.packed, self.to);
        // With columns a part of the matrix stays with each thread from step to step. Rows that
        // are turned first are so only once when they are divided.
        let (down, right) = if rows.step != 1 || panels < 2 * parts {
            let (begin, end) = (m * part / parts, m * (part + 1) / parts);
            size.0 = end - begin;
            (begin, 0)
        } else {
            let (begin, end) = (panels * part / parts, panels * (part + 1) / parts);
            size.2 = (end * width).min(n) - begin * width;
            (0, begin * width)
        };
        // SAFETY: rows and columns are among those that the caller promises; panels begin where
        // columns do.
        unsafe {
            rows.at = rows.at.add(down * rows.row);
            packed = packed.add(right * k);
            to.at = to.at.add(down * to.row + right);
            to.added = to.added.map(|(it, row)| (it.add(down * row + right), row));
            on_path!(self.path, product(size, rows, packed, to));
        }
    }
}

/// The last number of `m` rows of `n`, if there is any.
fn last(m: usize, n: usize, first: usize, row: usize, step: usize) -> Option<usize> {
    let beyond =
        (m.checked_sub(1)?).checked_mul(row)?.checked_add(n.checked_sub(1)?.checked_mul(step)?)?;
    first.checked_add(beyond)
}

impl Packed {
    /// Packs a matrix: `element(k, j)` is the number at row k and column j.
    pub fn new(path: Path, k: usize, n: usize, element: impl Fn(usize, usize) -> f32) -> Packed {
        let mut packed = Packed { path, k, n, panels: Vec::new() };
        packed.pack(element);
        packed
    }

    /// How many numbers the matrix has.
    pub fn size(&self) -> usize {
        self.k * self.n
    }

    /// Packs other numbers in the place of those that it holds.
    pub fn pack(&mut self, element: impl Fn(usize, usize) -> f32) {
        self.panels.resize(on_path!(self.path, packed_len(self.k, self.n)), 0.0);
        on_path!(self.path, pack(self.k, self.n, element, &mut self.panels));
    }

    /// `results = rows @ self + added` for `m` rows, divided among a team.
    ///
    /// # Panics
    ///
    /// When rows or results are shorter than `m` asks for: a fault of the caller.
    pub fn product(
        &self,
        m: usize,
        rows: Rows<'_>,
        results: Results<'_>,
        added: Added<'_>,
        team: &Team,
    ) {
        if m == 0 || self.n == 0 {
            return;
        }
        let within = |last: Option<usize>, len: usize| last.is_some_and(|it| it < len);
        let has_rows = self.k == 0
            || within(last(m, self.k, rows.first, rows.row, rows.step), rows.data.len());
        assert!(has_rows, "the rows of a product lie in their array");
        assert!(m == 1 || results.row >= self.n, "the results of a product do not overlap");
        let end = last(m, self.n, results.first, results.row, 1);
        assert!(within(end, results.data.len()), "the results of a product lie in their array");
        let to = results.data.as_mut_ptr().wrapping_add(results.first);
        let added = match added {
            Added::Nothing => None,
            Added::Results => Some((to.cast_const(), results.row)),
            Added::Rows(it) => {
                let end = last(m, self.n, it.first, it.row, 1);
                assert!(
                    it.step == 1 && within(end, it.data.len()),
                    "what is added lies in its array"
                );
                Some((it.data.as_ptr().wrapping_add(it.first), it.row))
            }
        };
        let from = RawRows {
            at: rows.data.as_ptr().wrapping_add(rows.first),
            row: rows.row,
            step: rows.step,
        };
        let to = RawResults { at: to, row: results.row, added };
        let size = (m, self.k, self.n);
        let whole = Whole { path: self.path, size, rows: from, packed: self.panels.as_ptr(), to };
        let parts = if m * self.k * self.n < LEAST { 1 } else { team.parts() };
        // SAFETY: the last number of each array was looked at, the panels are as long as packing
        // made them, and a path is only made for a processor that has it.
        let work = |part: usize| unsafe { whole.part(part, parts) };
        if parts == 1 { work(0) } else { team.run(&work) }
    }

    /// As [`Packed::product`], with rows and results in one array: of each the first number and
    /// how far it is from row to row. They must not meet.
    ///
    /// # Panics
    ///
    /// When they meet or leave the array: a fault of the caller.
    pub fn product_within(
        &self,
        m: usize,
        data: &mut [f32],
        (from, from_row): (usize, usize),
        (to, to_row): (usize, usize),
        team: &Team,
    ) {
        if m == 0 || self.n == 0 {
            return;
        }
        let from_end = last(m, self.k, from, from_row, 1).map_or(from, |it| it + 1);
        let to_end = last(m, self.n, to, to_row, 1).map_or(to, |it| it + 1);
        assert!(from_end <= data.len() && to_end <= data.len(), "a product lies in its array");
        let (low, high) = if from_end <= to {
            data.split_at_mut(to)
        } else {
            assert!(to_end <= from, "the operand and the results of a product do not meet");
            data.split_at_mut(from)
        };
        let ((rows, first), (results, to)) =
            if from_end <= to { ((&*low, from), (high, 0)) } else { ((&*high, 0), (low, to)) };
        let rows = Rows { data: rows, first, row: from_row, step: 1 };
        let results = Results { data: results, first: to, row: to_row };
        self.product(m, rows, results, Added::Nothing, team);
    }
}
