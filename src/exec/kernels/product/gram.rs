//! Products of columns with columns over many rows, as gradients of weights are, and sums of rows.

use super::drive::{PanelSet, Panels, cut, drive};
use super::pack::Block;
use super::tile::{LINE, Work};
use super::vectors::Tiles;
use super::{Lines, RawResults, RawRows, with_vectors};
use crate::exec::kernels::Path;

/// Rows that follow each other as far apart as said elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first number of the first row.
    pub at: *const f32,
    /// How many rows.
    pub count: usize,
}

/// A left operand, and its own part of the result.
#[derive(Clone, Copy, Debug)]
pub struct Left<'a> {
    /// The first number of each span, which has as many rows as the right operand's.
    pub spans: &'a [*const f32],
    /// From a row to the next.
    pub row: usize,
    /// How many columns.
    pub columns: usize,
    /// Where the result goes: a row for each of these columns.
    pub to: RawResults,
}

/// `left.to[i, j] = [left.to[i, j] +] sum over rows r of left[r, i] * right[r, j]`, for one or several
/// left operands and the same right one, which is then packed only once.
#[derive(Clone, Copy, Debug)]
pub struct Gram<'a> {
    /// The left operands.
    pub lefts: &'a [Left<'a>],
    /// The rows of the right operand, in order.
    pub right: &'a [Span],
    /// From a row of it to the next.
    pub row: usize,
    /// How many columns it has.
    pub columns: usize,
    /// Whether the result is added to what is there.
    pub accumulate: bool,
}

/// Memory that [`gram`] works in; it grows to what is needed and stays.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    left: Lines,
    right: Lines,
}

/// How many rows are summed before the sums are put down.
const DEPTH: usize = 512;

/// How many columns of the left operand, with so many rows, stay in the second cache.
const LEFT: usize = 192;

/// How many numbers the memory of one [`gram`] over so many rows has at most, where all left operands
/// together and the right one have so many columns.
pub fn scratch(rows: usize, left: usize, right: usize) -> usize {
    let depth = DEPTH.min(rows);
    LEFT.min(left) * (depth.next_multiple_of(LINE) + LINE) + right.next_multiple_of(LINE) * depth
}

/// Computes a part of a [`Gram`]. Every element is summed row by row, however many parts there are.
///
/// # Safety
///
/// All rows exist and nobody writes them meanwhile; nobody else reads or writes this part of the
/// result.
pub unsafe fn gram(
    path: Path,
    gram: &Gram<'_>,
    (part, parts): (usize, usize),
    scratch: &mut Scratch,
) {
    // SAFETY: the caller's promise; a path is only made for a processor that has it.
    with_vectors!(path, S => unsafe { gram_on::<S>(gram, (part, parts), scratch) });
}

/// # Safety
///
/// As for [`gram`]; the processor must have what S needs.
unsafe fn gram_on<S: Tiles>(gram: &Gram<'_>, (part, parts): (usize, usize), scratch: &mut Scratch) {
    let width = S::VECTORS * S::LANES;
    let n_a = gram.lefts.iter().map(|it| it.columns).sum();
    let n_b = gram.columns;
    let panels = n_b.div_ceil(width);
    // The longer side is divided, so that less is packed by several parts.
    let (rows, columns) = if n_a >= n_b || panels < 2 * parts {
        ((cut(n_a, part, parts), cut(n_a, part + 1, parts)), (0, n_b))
    } else {
        let at = |part: usize| (cut(panels, part, parts) * width).min(n_b);
        ((0, n_a), (at(part), at(part + 1)))
    };
    let (m, first_column, n) = (rows.1 - rows.0, columns.0, columns.1 - columns.0);
    if m == 0 || n == 0 {
        return;
    }
    let total: usize = gram.right.iter().map(|it| it.count).sum();
    // A line more, since rows a power of two apart would contend for the same places in the cache.
    let left_row = DEPTH.min(total).next_multiple_of(LINE) + LINE;
    scratch.left.reserve(LEFT.min(m) * left_row);
    scratch.right.reserve(n.next_multiple_of(S::LANES) * DEPTH.min(total));
    let left_at = scratch.left.0.as_mut_ptr().cast::<f32>();
    let right_at = scratch.right.0.as_mut_ptr().cast::<f32>();
    // Without any row there is still one round, which sets the result.
    for begin in (0..total.max(1)).step_by(DEPTH) {
        let depth = DEPTH.min(total - begin);
        let is_added = gram.accumulate || begin > 0;
        let panels = Panels::new::<S>(right_at, depth, n);
        let set = PanelSet { first: 0, count: panels.count, step: 1 };
        for panel in (0..panels.count).map(|it| panels.get::<S>(it)) {
            let width = panel.vectors * S::LANES;
            for piece in pieces(gram.right, begin, depth) {
                let first = piece.row * gram.row + first_column + panel.column;
                // SAFETY: the rows exist, and the panels have room for them.
                unsafe {
                    S::copy(&Block {
                        from: gram.right[piece.span].at.add(first),
                        from_row: gram.row,
                        rows: piece.count,
                        columns: panel.columns,
                        to: right_at.add(panel.column * depth + piece.done * width),
                        to_row: width,
                        negate: false,
                    });
                }
            }
        }
        let mut passed = 0;
        for left in gram.lefts {
            let first = rows.0.max(passed) - passed;
            let end = rows.1.min(passed + left.columns).saturating_sub(passed);
            passed += left.columns;
            for first in (first..end).step_by(LEFT) {
                let count = LEFT.min(end - first);
                // SAFETY: rows and results exist, and what was packed is as large as said.
                unsafe {
                    for piece in pieces(gram.right, begin, depth) {
                        S::turn(&Block {
                            from: left.spans[piece.span].add(piece.row * left.row + first),
                            from_row: left.row,
                            rows: piece.count,
                            columns: count,
                            to: left_at.add(piece.done),
                            to_row: left_row,
                            negate: false,
                        });
                    }
                    let at = left.to.at.add(first * left.to.row + first_column);
                    let to = RawResults { at, row: left.to.row };
                    let terms = [RawRows { at: left_at, row: left_row }];
                    let results = [to.as_rows()];
                    let added = if is_added { &results[..] } else { &[] };
                    let work = Work { terms: &terms, depths: &[depth], added, to };
                    drive::<S>(&work, (0, count), panels, set);
                }
            }
        }
    }
}

/// Rows that lie in one span.
struct Piece {
    /// How many rows came before it.
    done: usize,
    span: usize,
    /// Its first row in the span.
    row: usize,
    count: usize,
}

/// The pieces of `count` rows from `begin` on, counted through all spans.
fn pieces(spans: &[Span], begin: usize, count: usize) -> impl Iterator<Item = Piece> {
    let mut passed = 0;
    spans.iter().enumerate().filter_map(move |(span, it)| {
        let first = begin.max(passed);
        let end = (begin + count).min(passed + it.count);
        let row = first.saturating_sub(passed);
        passed += it.count;
        (first < end).then(|| Piece { done: first - begin, span, row, count: end - first })
    })
}

/// `to[j] = [to[j] +] sum over rows r of a[r, j]`, in order.
///
/// # Safety
///
/// All rows have `to.len()` numbers, `row` apart, and nobody writes them meanwhile.
pub unsafe fn column_sums(
    path: Path,
    spans: &[Span],
    row: usize,
    to: &mut [f32],
    accumulate: bool,
) {
    if !accumulate {
        to.fill(0.0);
    }
    // A few rows at a time pass through all columns: they lie in as many pages.
    let at_once = (16 * 1024 / to.len().max(1)).clamp(8, 256);
    let pieces = spans.iter().flat_map(|it| {
        (0..it.count)
            .step_by(at_once)
            .map(move |first| (it.at.wrapping_add(first * row), at_once.min(it.count - first)))
    });
    for (from, rows) in pieces {
        let block = Block {
            from,
            from_row: row,
            rows,
            columns: to.len(),
            to: to.as_mut_ptr(),
            to_row: 0,
            negate: false,
        };
        // SAFETY: the caller's promise; a path is only made for a processor that has it.
        with_vectors!(path, S => unsafe { S::add_rows(&block) });
    }
}

/// `to[index[r], j] += a[r, j]` for all rows r, in order, in a table of `table` rows. A row whose index is none of the table's counts
/// nothing.
///
/// # Safety
///
/// All rows have `columns` numbers, `row` apart, and nobody writes them meanwhile; nobody else reads or writes these columns of the
/// table.
pub unsafe fn table_sums(
    path: Path,
    spans: &[Span],
    (row, columns): (usize, usize),
    index: impl Fn(usize, usize) -> Option<usize>,
    to: RawResults,
) {
    for (span, it) in spans.iter().enumerate() {
        for at in 0..it.count {
            let Some(place) = index(span, at) else { continue };
            let block = Block {
                from: it.at.wrapping_add(at * row),
                from_row: row,
                rows: 1,
                columns,
                to: to.at.wrapping_add(place * to.row),
                to_row: 0,
                negate: false,
            };
            // SAFETY: the caller's promise; a path is only made for a processor that has it.
            with_vectors!(path, S => unsafe { S::add_rows(&block) });
        }
    }
}
