//! Products of rows with a packed matrix.
//!
//! A matrix `[K, N]` is packed once into panels of a few vectors of columns, each panel K rows long
//! and without gaps. A tile of the result, a few rows by one panel, stays in registers while K runs:
//! it loads the panel's vectors, one number per row, and does one multiplication with addition for
//! each row and vector. Every element is summed over K in order, so a result does not depend on how
//! rows and panels are divided.

use super::simd::Simd;
use super::{Path, on_path};

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

/// How many numbers the packed form of a matrix takes.
pub(super) fn packed_len<S: Tiles>(k: usize, n: usize) -> usize {
    let width = S::VECTORS * S::LANES;
    n.div_ceil(width) * width * k
}

/// Packs a matrix: `element(k, j)` is the number at row k and column j.
pub(super) fn pack<S: Tiles>(
    k: usize,
    n: usize,
    element: impl Fn(usize, usize) -> f32,
    packed: &mut [f32],
) {
    let width = S::VECTORS * S::LANES;
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

/// `results = rows @ packed [+ added]`.
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
    let width = S::VECTORS * S::LANES;
    // So many rows at once that they stay in the second cache while all panels pass.
    let block = (48 * 1024 / k.max(1)).max(S::ROWS) / S::ROWS * S::ROWS;
    for first in (0..m).step_by(block) {
        let end = m.min(first + block);
        for (panel, column) in (0..n).step_by(width).enumerate() {
            // SAFETY: the panel, rows and columns lie within what the caller promises.
            unsafe {
                let panel = packed.add(panel * width * k);
                let columns = width.min(n - column);
                let mut at = first;
                while at < end {
                    let these = S::ROWS.min(end - at);
                    let rows = RawRows { at: rows.at.add(at * rows.row), ..rows };
                    let results = RawResults {
                        at: results.at.add(at * results.row + column),
                        row: results.row,
                        added: results.added.map(|(it, row)| (it.add(at * row + column), row)),
                    };
                    tile_of::<S>(these, k, rows, panel, results, columns);
                    at += these;
                }
            }
        }
    }
}

/// A tile of so many rows.
///
/// # Safety
///
/// As for [`product`].
#[inline(always)]
unsafe fn tile_of<S: Tiles>(
    rows: usize,
    k: usize,
    a: RawRows,
    panel: *const f32,
    to: RawResults,
    columns: usize,
) {
    macro_rules! tile {
        ($rows:literal) => {
            // SAFETY: the caller's promise.
            unsafe {
                match S::VECTORS {
                    2 => tile::<S, $rows, 2>(k, a, panel, to, columns),
                    3 => tile::<S, $rows, 3>(k, a, panel, to, columns),
                    vectors => unreachable!("no tile is {vectors} vectors wide"),
                }
            }
        };
    }
    match rows {
        1 => tile!(1),
        2 => tile!(2),
        3 => tile!(3),
        4 => tile!(4),
        5 => tile!(5),
        6 => tile!(6),
        7 => tile!(7),
        8 => tile!(8),
        rows => unreachable!("no tile has {rows} rows"),
    }
}

/// The sums of R rows and V vectors of columns, over k.
///
/// # Safety
///
/// As for [`product`].
#[inline(always)]
unsafe fn tile<S: Tiles, const R: usize, const V: usize>(
    k: usize,
    a: RawRows,
    panel: *const f32,
    to: RawResults,
    columns: usize,
) {
    // SAFETY: the caller's promise; the panel is padded to whole vectors.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; R];
        let mut b = panel;
        let mut element = a.at;
        for _ in 0..k {
            let mut vectors = [S::splat(0.0); V];
            for (idx, it) in vectors.iter_mut().enumerate() {
                *it = S::load(b.add(idx * S::LANES));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let number = S::splat(*element.add(row * a.row));
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = S::fma(number, vector, *sum);
                }
            }
            b = b.add(V * S::LANES);
            element = element.add(a.step);
        }
        let width = V * S::LANES;
        for (row, sums) in sums.iter().enumerate() {
            let target = to.at.add(row * to.row);
            let added = to.added.map(|(it, step)| it.add(row * step));
            if columns == width {
                for (idx, sum) in sums.iter().enumerate() {
                    let at = idx * S::LANES;
                    let sum = match added {
                        Some(added) => S::add(*sum, S::load(added.add(at))),
                        None => *sum,
                    };
                    S::store(target.add(at), sum);
                }
            } else {
                // The last panel: whole vectors would reach into the next row.
                let mut whole = [0.0f32; 64];
                for (idx, sum) in sums.iter().enumerate() {
                    S::store(whole.as_mut_ptr().add(idx * S::LANES), *sum);
                }
                for (idx, sum) in whole[..columns].iter().enumerate() {
                    let more = added.map_or(0.0, |it| *it.add(idx));
                    *target.add(idx) = sum + more;
                }
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

    /// Packs other numbers in the place of those that it holds.
    pub fn pack(&mut self, element: impl Fn(usize, usize) -> f32) {
        self.panels.resize(on_path!(self.path, packed_len(self.k, self.n)), 0.0);
        on_path!(self.path, pack(self.k, self.n, element, &mut self.panels));
    }

    /// `results = rows @ self + added` for `m` rows.
    ///
    /// # Panics
    ///
    /// When rows or results are shorter than `m` asks for: a fault of the caller.
    pub fn product(&self, m: usize, rows: Rows<'_>, results: Results<'_>, added: Added<'_>) {
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
        // SAFETY: the last number of each array was looked at, the panels are as long as packing
        // made them, and a path is only made for a processor that has it.
        unsafe { on_path!(self.path, product(size, from, self.panels.as_ptr(), to)) }
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
        self.product(m, rows, Results { data: results, first: to, row: to_row }, Added::Nothing);
    }
}
