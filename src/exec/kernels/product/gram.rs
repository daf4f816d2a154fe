//! Products of columns with columns over many rows, as gradients of weights are, and sums of rows.

use super::drive::{PanelSet, Panels, cut, drive};
use super::pack::Block;
use super::tile::{LINE, Work};
use super::vectors::Tiles;
use super::{Lines, RawResults, RawRows, with_vectors};
use crate::exec::kernels::Path;

/// Rows that follow each other, of both operands.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first row of the left operand.
    pub a: *const f32,
    /// The first row of the right operand.
    pub b: *const f32,
    /// How many rows.
    pub count: usize,
}

/// `to[i, j] = [to[i, j] +] sum over rows r of a[r, i] * b[r, j]`.
#[derive(Clone, Copy, Debug)]
pub struct Gram<'a> {
    /// The rows, in order.
    pub spans: &'a [Span],
    /// From a row of the left operand to the next, and of the right one.
    pub rows: (usize, usize),
    /// How many columns the operands have: the size of the result.
    pub size: (usize, usize),
    /// Where the result goes.
    pub to: RawResults,
    /// Whether it is added to what is there.
    pub accumulate: bool,
}

/// Memory that [`gram`] works in; it grows to what is needed and stays.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    left: Lines,
    right: Lines,
}

/// How many rows are summed before the sums are put down.
const DEPTH: usize = 384;

/// How many columns of the left operand, with so many rows, stay in the second cache.
const LEFT: usize = 192;

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
    let (n_a, n_b) = gram.size;
    let panels = n_b.div_ceil(width);
    // The longer side is divided, so that less is packed by several parts.
    let (rows, columns) = if n_a >= n_b || panels < 2 * parts {
        ((cut(n_a, part, parts), cut(n_a, part + 1, parts)), (0, n_b))
    } else {
        let at = |part: usize| (cut(panels, part, parts) * width).min(n_b);
        ((0, n_a), (at(part), at(part + 1)))
    };
    let columns_from = columns.0;
    let (m, n) = (rows.1 - rows.0, columns.1 - columns_from);
    if m == 0 || n == 0 {
        return;
    }
    let to = RawResults {
        // SAFETY: this part of the result exists.
        at: unsafe { gram.to.at.add(rows.0 * gram.to.row + columns.0) },
        row: gram.to.row,
    };
    let total: usize = gram.spans.iter().map(|it| it.count).sum();
    let depth = DEPTH.min(total);
    scratch.left.reserve(LEFT.min(m) * (depth.next_multiple_of(LINE) + LINE));
    scratch.right.reserve(n.next_multiple_of(S::LANES) * depth);
    let left = scratch.left.0.as_mut_ptr().cast::<f32>();
    let right = scratch.right.0.as_mut_ptr().cast::<f32>();
    let set = PanelSet { first: 0, count: n.div_ceil(width), step: 1 };
    let results = [to.as_rows()];
    let mut begin = 0;
    // Without rows the result is still set.
    loop {
        let depth = DEPTH.min(total - begin);
        let left_row = depth.next_multiple_of(LINE) + LINE;
        let is_first = begin == 0 && !gram.accumulate;
        let added: &[RawRows] = if is_first { &[] } else { &results };
        let pieces = || pieces(gram.spans, begin, depth);
        for panel in 0..set.count {
            let columns = width.min(n - panel * width);
            let padded = columns.next_multiple_of(S::LANES);
            for (done, span, row, count) in pieces() {
                // SAFETY: the rows exist, and the panels have room for them.
                unsafe {
                    S::copy(&Block {
                        from: span.b.add(row * gram.rows.1 + columns_from + panel * width),
                        from_row: gram.rows.1,
                        rows: count,
                        columns,
                        to: right.add(panel * width * depth + done * padded),
                        to_row: padded,
                        negate: false,
                    });
                }
            }
        }
        let panels = Panels { at: right, depth, columns: n };
        for first in (0..m).step_by(LEFT) {
            let count = LEFT.min(m - first);
            for (done, span, row, rows_here) in pieces() {
                // SAFETY: as above.
                unsafe {
                    S::turn(&Block {
                        from: span.a.add(row * gram.rows.0 + rows.0 + first),
                        from_row: gram.rows.0,
                        rows: rows_here,
                        columns: count,
                        to: left.add(done),
                        to_row: left_row,
                        negate: false,
                    });
                }
            }
            // SAFETY: what was packed is as large as said, and so is the result.
            unsafe {
                let terms = [RawRows { at: left, row: left_row }];
                let to = RawResults { at: to.at.add(first * to.row), row: to.row };
                let moved = [to.as_rows()];
                let added = if added.is_empty() { added } else { &moved[..] };
                let work = Work { terms: &terms, depths: &[depth], added, to };
                drive::<S>(&work, (0, count), panels, set);
            }
        }
        begin += depth;
        if begin >= total {
            break;
        }
    }
}

/// Of `count` rows from `begin` on, counted through all spans, the pieces that lie in one span: how
/// many rows came before, the span, its first row, how many.
fn pieces(
    spans: &[Span],
    begin: usize,
    count: usize,
) -> impl Iterator<Item = (usize, Span, usize, usize)> {
    let mut passed = 0;
    spans.iter().filter_map(move |span| {
        let first = begin.max(passed);
        let end = (begin + count).min(passed + span.count);
        let row = first.saturating_sub(passed);
        passed += span.count;
        (first < end).then(|| (first - begin, *span, row, end - first))
    })
}

/// `to[j] = [to[j] +] sum over rows r of a[r, j]`, in order, where each span is the first number of
/// its first row and how many rows it has.
///
/// # Safety
///
/// All rows have `to.len()` numbers, `row` apart, and nobody writes them meanwhile.
pub unsafe fn column_sums(
    path: Path,
    spans: &[(*const f32, usize)],
    row: usize,
    to: &mut [f32],
    accumulate: bool,
) {
    if !accumulate {
        to.fill(0.0);
    }
    // A few rows at a time pass through all columns: they lie in as many pages.
    let at_once = (16 * 1024 / to.len().max(1)).clamp(8, 256);
    let pieces = spans.iter().flat_map(|(from, rows)| {
        (0..*rows)
            .step_by(at_once)
            .map(move |first| (from.wrapping_add(first * row), at_once.min(rows - first)))
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
