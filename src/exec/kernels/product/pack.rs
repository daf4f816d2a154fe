//! Moves elements into the order in which tiles read them, and sums rows.

use super::vectors::Tiles;

/// Rows of elements, and their destination.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub from: *const f32,
    pub from_row: usize,
    pub rows: usize,
    pub columns: usize,
    pub to: *mut f32,
    pub to_row: usize,
    /// True if the signs are changed on the way.
    pub negate: bool,
}

/// Copies rows to rows.
///
/// # Safety
///
/// The processor must have what S needs; both blocks of elements exist and do not overlap.
#[inline(always)]
pub(super) unsafe fn copy<S: Tiles>(block: &Block) {
    let whole = block.columns / S::LANES * S::LANES;
    let rest = block.columns - whole;
    // SAFETY: the caller's promise.
    unsafe {
        let sign = S::splat(if block.negate { -0.0 } else { 0.0 });
        for row in 0..block.rows {
            let from = block.from.add(row * block.from_row);
            let to = block.to.add(row * block.to_row);
            let mut at = 0;
            while at < whole {
                S::store(to.add(at), S::xor(S::load(from.add(at)), sign));
                at += S::LANES;
            }
            if rest > 0 {
                S::store_first(to.add(at), rest, S::xor(S::load_first(from.add(at), rest), sign));
            }
        }
    }
}

/// The square blocks, a vector high and wide, that are prefetched before they are transposed.
const AHEAD: usize = 8;

/// Copies rows to columns: row i, element j goes to row j, element i.
///
/// # Safety
///
/// As for [`copy`].
#[inline(always)]
pub(super) unsafe fn turn<S: Tiles>(block: &Block) {
    // SAFETY: the caller's promise; no more rows or columns are touched than the block has.
    unsafe {
        let sign = S::splat(if block.negate { -0.0 } else { 0.0 });
        let mut row = 0;
        while row < block.rows {
            let rows = S::LANES.min(block.rows - row);
            let mut column = 0;
            while column < block.columns {
                let columns = S::LANES.min(block.columns - column);
                let from = block.from.add(row * block.from_row + column);
                let to = block.to.add(column * block.to_row + row);
                // Rows are far apart: no processor guesses what comes after the end of each.
                let soon = column + AHEAD * S::LANES;
                let soon = if soon < block.columns {
                    block.from.wrapping_add(row * block.from_row + soon)
                } else {
                    block
                        .from
                        .wrapping_add((row + S::LANES) * block.from_row)
                        .wrapping_add((soon - block.columns) / S::LANES * S::LANES)
                };
                if rows == S::LANES && columns == S::LANES {
                    let mut vectors = [sign; 16];
                    for r in 0..S::LANES {
                        let from = from.add(r * block.from_row);
                        S::prefetch(soon.wrapping_add(r * block.from_row));
                        vectors[r] = S::xor(S::load(from), sign);
                    }
                    S::transpose(&mut vectors);
                    for c in 0..S::LANES {
                        S::store(to.add(c * block.to_row), vectors[c]);
                    }
                } else {
                    let mut vectors = [sign; 16];
                    for r in 0..rows {
                        let from = from.add(r * block.from_row);
                        vectors[r] = S::xor(S::load_first(from, columns), sign);
                    }
                    S::transpose(&mut vectors);
                    for c in 0..columns {
                        S::store_first(to.add(c * block.to_row), rows, vectors[c]);
                    }
                }
                column += columns;
            }
            row += rows;
        }
    }
}

/// Copies rows of which the elements are `step` apart.
///
/// # Safety
///
/// Both blocks of elements exist and do not overlap.
pub(super) unsafe fn gather(block: &Block, step: usize) {
    for row in 0..block.rows {
        for column in 0..block.columns {
            // SAFETY: the caller's promise.
            unsafe {
                let number = *block.from.add(row * block.from_row + column * step);
                let to = block.to.add(row * block.to_row + column);
                *to = if block.negate { -number } else { number };
            }
        }
    }
}

/// Adds rows to the one row at `to`, in order.
///
/// # Safety
///
/// As for [`copy`].
#[inline(always)]
pub(super) unsafe fn add_rows<S: Tiles>(block: &Block) {
    const WIDE: usize = 8;
    // SAFETY: the caller's promise.
    unsafe {
        let mut column = 0;
        // Sums of several columns at once, since each waits for the one before.
        while column + WIDE * S::LANES <= block.columns {
            let mut sums = [S::splat(0.0); WIDE];
            for v in 0..WIDE {
                sums[v] = S::load(block.to.add(column + v * S::LANES));
            }
            let mut from = block.from.add(column);
            for _ in 0..block.rows {
                for v in 0..WIDE {
                    sums[v] = S::add(sums[v], S::load(from.add(v * S::LANES)));
                }
                from = from.wrapping_add(block.from_row);
            }
            for v in 0..WIDE {
                S::store(block.to.add(column + v * S::LANES), sums[v]);
            }
            column += WIDE * S::LANES;
        }
        while column < block.columns {
            let columns = S::LANES.min(block.columns - column);
            let mut sum = S::load_first(block.to.add(column), columns);
            let mut from = block.from.add(column);
            for _ in 0..block.rows {
                sum = S::add(sum, S::load_first(from, columns));
                from = from.wrapping_add(block.from_row);
            }
            S::store_first(block.to.add(column), columns, sum);
            column += columns;
        }
    }
}
