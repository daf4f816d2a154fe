//! Products of rows with packed matrices, and sums over rows.
//!
//! A matrix `[K, N]` is packed into panels of a few vectors of columns, each panel K rows long and
//! without gaps; of several terms that are summed, one matrix after the other in each panel. A tile
//! of the result, a few rows by one panel, stays in registers while K runs: it loads the panel's
//! vectors, one number per row, and does one multiplication with addition for each row and vector.
//! Every element begins with what is added and is then summed term by term, over K in order, so a
//! result does not depend on how rows and panels are divided.
//!
//! Gradients of weights sum over rows instead: [`gram()`] packs both operands piece by piece, the left
//! one transposed, and runs the same tiles.

#![allow(
    clippy::needless_range_loop,
    reason = "an index counts vectors in registers and in memory at once"
)]

mod drive;
mod gram;
mod pack;
#[cfg(test)]
mod tests;
mod tile;
mod vectors;

pub use drive::PanelSet;
pub use gram::{Gram, Left, Scratch, Span, column_sums, gram, scratch, table_sums};

use super::Path;
use drive::Panels;
use pack::Block;
use tile::{LINE, Work};
use vectors::Tiles;

/// Does something with the kind of vector of a path; the processor was asked when the path was made.
macro_rules! with_vectors {
    ($path:expr, $S:ident => $do:expr) => {
        match $path {
            #[cfg(target_arch = "x86_64")]
            $crate::exec::kernels::Path::Avx512 => {
                type $S = $crate::exec::kernels::x86::Avx512;
                $do
            }
            #[cfg(target_arch = "x86_64")]
            $crate::exec::kernels::Path::Avx2 => {
                type $S = $crate::exec::kernels::x86::Avx2;
                $do
            }
            #[cfg(not(target_arch = "x86_64"))]
            $crate::exec::kernels::Path::Avx512 | $crate::exec::kernels::Path::Avx2 => {
                unreachable!("such a path is not made on this processor")
            }
            $crate::exec::kernels::Path::Portable => {
                type $S = $crate::exec::kernels::simd::Portable;
                $do
            }
        }
    };
}
use with_vectors;

/// Rows of numbers in memory: row i, element k stands at `at + i * row + k`.
#[derive(Clone, Copy, Debug)]
pub struct RawRows {
    /// The first number of the first row.
    pub at: *const f32,
    /// From a row to the next; 0 where one row serves for all.
    pub row: usize,
}

/// Where results go: row i, column j to `at + i * row + j`.
#[derive(Clone, Copy, Debug)]
pub struct RawResults {
    /// The first number of the first row.
    pub at: *mut f32,
    /// From a row to the next.
    pub row: usize,
}

impl RawResults {
    /// They as rows that are read.
    pub fn as_rows(self) -> RawRows {
        RawRows { at: self.at, row: self.row }
    }
}

/// A matrix in an array: row k, column j is number `first + k * down + j * right`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// The array.
    pub data: &'a [f32],
    /// The first number of the first row.
    pub first: usize,
    /// From a row to the next.
    pub down: usize,
    /// From a column to the next.
    pub right: usize,
    /// How many rows it has: the elements that are summed.
    pub rows: usize,
    /// How many columns it has.
    pub columns: usize,
}

impl Matrix<'_> {
    /// Whether all its numbers are in the array.
    fn is_within(&self) -> bool {
        let last = |count: usize, step: usize| count.checked_sub(1).map(|it| it.checked_mul(step));
        match (last(self.rows, self.down), last(self.columns, self.right)) {
            (None, _) | (_, None) => true,
            (Some(down), Some(right)) => down
                .zip(right)
                .and_then(|(down, right)| self.first.checked_add(down)?.checked_add(right))
                .is_some_and(|it| it < self.data.len()),
        }
    }
}

/// A line of a cache.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers of which the first stands at the begin of a line: no vector of a panel lies in two.
#[derive(Clone, Debug, Default)]
struct Lines(Vec<Line>);

impl Lines {
    /// At least so many numbers; what is there already stays.
    fn reserve(&mut self, numbers: usize) {
        let lines = numbers.div_ceil(LINE);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0.0; LINE]));
        }
    }
}

/// One or several matrices `[K, N]`, the terms of a sum of products, in the form that products want
/// on one path.
#[derive(Clone, Debug)]
pub struct Packed {
    path: Path,
    /// How many rows each term has.
    depths: Vec<usize>,
    /// All of them.
    depth: usize,
    n: usize,
    lines: Lines,
}

impl Packed {
    /// Zeros: terms with so many rows, all with `n` columns.
    pub fn new(path: Path, depths: &[usize], n: usize) -> Packed {
        let depth = depths.iter().sum();
        let columns = n.next_multiple_of(path.lanes());
        let mut lines = Lines::default();
        lines.reserve(columns * depth);
        Packed { path, depths: depths.to_vec(), depth, n, lines }
    }

    /// The panels where they are.
    fn layout<S: Tiles>(&self) -> Panels {
        Panels::new::<S>(self.lines.0.as_ptr().cast(), self.depth, self.n)
    }

    /// How many panels there are.
    pub fn panels(&self) -> usize {
        with_vectors!(self.path, S => self.layout::<S>().count)
    }

    /// How many columns a panel has at most.
    pub fn width(&self) -> usize {
        with_vectors!(self.path, S => S::VECTORS * self.path.lanes())
    }

    /// The columns of a panel.
    ///
    /// # Panics
    ///
    /// When there is no such panel: a fault of the caller.
    #[cfg(test)]
    pub fn columns_of(&self, panel: usize) -> std::ops::Range<usize> {
        assert!(panel < self.panels(), "columns are asked of a panel that there is");
        let panel = with_vectors!(self.path, S => self.layout::<S>().get::<S>(panel));
        panel.column..panel.column + panel.columns
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.n
    }

    /// How many numbers each term sums.
    pub fn depths(&self) -> &[usize] {
        &self.depths
    }

    /// How much memory the panels take.
    pub fn bytes(&self) -> usize {
        size_of_val(self.lines.0.as_slice())
    }

    /// All panels.
    pub fn all(&self) -> PanelSet {
        PanelSet { first: 0, count: self.panels(), step: 1 }
    }

    /// The panels of one of several parts, as many as of every other part or one less.
    pub fn part(&self, part: usize, parts: usize) -> PanelSet {
        let (first, end) =
            (drive::cut(self.panels(), part, parts), drive::cut(self.panels(), part + 1, parts));
        PanelSet { first, count: end - first, step: 1 }
    }

    /// Puts a matrix into the columns of a term from `first_column` on.
    ///
    /// # Panics
    ///
    /// When the matrix leaves its array, has not as many rows as the term, or more columns than are
    /// left: a fault of the caller.
    pub fn fill(&mut self, term: usize, first_column: usize, matrix: Matrix<'_>, negate: bool) {
        assert!(matrix.is_within(), "a matrix lies in its array");
        assert_eq!(matrix.rows, self.depths[term], "a matrix has the rows of its term");
        let end = first_column.checked_add(matrix.columns);
        assert!(end.is_some_and(|it| it <= self.n), "a matrix lies in the columns of a sum");
        let skipped: usize = self.depths[..term].iter().sum();
        // SAFETY: the matrix lies in its array and, as was looked at, in the panels, which are as
        // long as `new` made them; a path is only made for a processor that has it.
        with_vectors!(self.path, S => unsafe {
            self.fill_on::<S>(skipped, first_column, matrix, negate);
        });
    }

    /// # Safety
    ///
    /// The processor must have what S needs; the matrix lies in its array and in the panels, after
    /// so many rows.
    unsafe fn fill_on<S: Tiles>(
        &mut self,
        skipped: usize,
        first_column: usize,
        matrix: Matrix<'_>,
        negate: bool,
    ) {
        let at = self.lines.0.as_mut_ptr().cast::<f32>();
        let panels = self.layout::<S>();
        for panel in (0..panels.count).map(|it| panels.get::<S>(it)) {
            let column = first_column.max(panel.column);
            let end = (first_column + matrix.columns).min(panel.column + panel.columns);
            if column >= end {
                continue;
            }
            let (columns, width) = (end - column, panel.vectors * S::LANES);
            let first = matrix.first + (column - first_column) * matrix.right;
            // SAFETY: the caller's promise.
            unsafe {
                let to =
                    at.add(panel.column * self.depth + skipped * width + column - panel.column);
                // Without rows it is read from nowhere.
                let from = matrix.data.as_ptr().wrapping_add(first);
                let (rows, from_row) = (matrix.rows, matrix.down);
                let block = Block { from, from_row, rows, columns, to, to_row: width, negate };
                if matrix.right == 1 {
                    S::copy(&block);
                } else if matrix.down == 1 {
                    let (rows, columns) = (columns, rows);
                    S::turn(&Block { from_row: matrix.right, rows, columns, ..block });
                } else {
                    pack::gather(&block, matrix.right);
                }
            }
        }
    }

    /// `to[i, j] = added[i, j] + .. + sum over terms s and k of terms[s][i, k] * matrix_s[k, j]`, for
    /// `m` rows and the columns of some panels. Each element is summed in this order whatever `m` and
    /// the panels are.
    ///
    /// # Safety
    ///
    /// All rows of `terms` and `added` exist, and nobody writes them meanwhile; there is room for the
    /// results in the columns of the panels, which nobody else reads or writes. Results may be what is added, row for row, and nothing else that is read.
    ///
    /// # Panics
    ///
    /// When the number of terms is not that of the matrices, or panels are named that do not exist.
    pub unsafe fn product(
        &self,
        m: usize,
        terms: &[RawRows],
        added: &[RawRows],
        to: RawResults,
        set: PanelSet,
    ) {
        assert_eq!(terms.len(), self.depths.len(), "a product has rows for each of its terms");
        let Some(last) = set.count.checked_sub(1) else { return };
        assert!(set.first + last * set.step < self.panels(), "a product has the panels asked for");
        let work = Work { terms, depths: &self.depths, added, to };
        // SAFETY: the caller's promise; a path is only made for a processor that has it.
        with_vectors!(self.path, S => unsafe {
            drive::drive::<S>(&work, (0, m), self.layout::<S>(), set);
        });
    }

    /// The product of rows without gaps, for the only term that there is.
    ///
    /// # Panics
    ///
    /// When there are several terms, or the arrays have not as many numbers as `m` rows ask for.
    #[cfg(any(feature = "cli", test))]
    pub fn product_in(&self, m: usize, rows: &[f32], results: &mut [f32]) {
        assert_eq!(rows.len(), m * self.depth, "the rows of a product are whole");
        assert_eq!(results.len(), m * self.n, "the results of a product are whole");
        let rows = RawRows { at: rows.as_ptr(), row: self.depth };
        let to = RawResults { at: results.as_mut_ptr(), row: self.n };
        // SAFETY: both arrays have as many numbers as were asked for, and only this function has
        // the results.
        unsafe { self.product(m, &[rows], &[], to, self.all()) }
    }
}
