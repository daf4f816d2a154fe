//! The order in which the tiles of a product are done, so that what they read is in a near cache.

use super::tile::{LINE, STEPS, Spot, Work, tile_of};
use super::vectors::Tiles;

/// Selects panels of a packed matrix: `first`, `first + step` and so on, `count` of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PanelSet {
    /// The first one.
    pub first: usize,
    /// The number of panels.
    pub count: usize,
    /// From one to the next.
    pub step: usize,
}

/// Panels in memory, without gaps. They are nearly equally wide, so that none has much fewer sums to
/// work on than the others: some panels are a vector narrower than those before them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panels {
    pub at: *const f32,
    /// The number of elements that are summed.
    pub depth: usize,
    /// The columns of all panels together.
    pub columns: usize,
    /// The number of panels.
    pub count: usize,
    /// The number of wide panels, which come first.
    wide: usize,
    /// The vectors of a wide panel.
    vectors: usize,
}

/// One panel of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub at: *const f32,
    pub vectors: usize,
    /// Its first column, and how many it has.
    pub column: usize,
    pub columns: usize,
    /// The columns of its last vector.
    last: usize,
}

impl Panels {
    pub fn new<S: Tiles>(at: *const f32, depth: usize, columns: usize) -> Panels {
        let vectors = columns.div_ceil(S::LANES);
        let count = vectors.div_ceil(S::VECTORS);
        let most = vectors.div_ceil(count.max(1));
        // As many as are needed beside those that have one less.
        let wide = vectors - count * most.saturating_sub(1);
        Panels { at, depth, columns, count, wide, vectors: most }
    }

    /// Returns the panel of this number.
    pub fn get<S: Tiles>(&self, panel: usize) -> Panel {
        let vectors = if panel < self.wide { self.vectors } else { self.vectors - 1 };
        let narrower = panel.saturating_sub(self.wide);
        let column = (panel * self.vectors - narrower) * S::LANES;
        let columns = (vectors * S::LANES).min(self.columns - column);
        let last = columns - (vectors - 1) * S::LANES;
        Panel { at: self.at.wrapping_add(column * self.depth), vectors, column, columns, last }
    }
}

/// Returns the beginning of part `part` of `parts` nearly equal parts of `whole`.
pub(super) fn cut(whole: usize, part: usize, parts: usize) -> usize {
    // In this form it does not overflow.
    whole / parts * part + (whole % parts) * part / parts
}

/// The elements of the rows that pass by one panel after the other: together with a panel they fit the L2 cache.
const ROWS: usize = 96 * 1024;

/// The elements that are summed before the sums are stored, where a panel serves several tiles.
const DEPTH: usize = 512;

/// The results of `rows`, from and to, in the columns of some panels.
///
/// # Safety
///
/// The processor must have what S needs; rows, panels and results are as large as said.
pub(super) unsafe fn drive<S: Tiles>(
    work: &Work<'_>,
    (begin, end): (usize, usize),
    panels: Panels,
    set: PanelSet,
) {
    let m = end - begin;
    if m == 0 || set.count == 0 {
        return;
    }
    let most = S::PANELS / m.min(S::PANELS + 1);
    if m <= 2 && most > 1 {
        // SAFETY: the caller's promise.
        unsafe { few_rows::<S>(work, (begin, end), panels, set, most) };
        return;
    }
    let blocks = m.div_ceil((ROWS / panels.depth.max(1)).max(2 * S::ROWS[0]));
    for block in 0..blocks {
        let first = begin + cut(m, block, blocks);
        let beyond = begin + cut(m, block + 1, blocks);
        for number in 0..set.count {
            let panel = panels.get::<S>(set.first + number * set.step);
            let next = panels.get::<S>(set.first + (number + 1).min(set.count - 1) * set.step);
            // SAFETY: the caller's promise.
            unsafe { pass::<S>(work, (first, beyond), panels.depth, panel, next) };
        }
    }
}

/// All rows of a block by one panel.
///
/// # Safety
///
/// As for [`drive`].
unsafe fn pass<S: Tiles>(
    work: &Work<'_>,
    (first, beyond): (usize, usize),
    depth: usize,
    panel: Panel,
    next: Panel,
) {
    let m = beyond - first;
    let tiles = m.div_ceil(S::ROWS[panel.vectors - 1]);
    let width = panel.vectors * S::LANES;
    let chunks = if tiles > 1 { depth.div_ceil(DEPTH).max(1) } else { 1 };
    let results = [work.to.as_rows()];
    for chunk in 0..chunks {
        let (begin, end) = (cut(depth, chunk, chunks), cut(depth, chunk + 1, chunks));
        let at = panel.at.wrapping_add(begin * width);
        let soon = if chunk + 1 < chunks { panel.at.wrapping_add(end * width) } else { next.at };
        let added = if chunk == 0 { work.added } else { &results };
        let work = Work { added, ..*work };
        // All tiles together ask for the next chunk.
        let lines = (STEPS * width / LINE).div_ceil((tiles - 1).max(2));
        for tile in 0..tiles {
            let row = first + cut(m, tile, tiles);
            let rows = first + cut(m, tile + 1, tiles) - row;
            let then = if tile + 1 < tiles {
                (row + rows, panel.column)
            } else {
                (first, if chunk + 1 < chunks { panel.column } else { next.column })
            };
            let spot = Spot {
                row,
                begin,
                end,
                panel: at,
                next: 0,
                next_columns: 0,
                column: panel.column,
                last: panel.last,
                ahead: soon
                    .wrapping_add(tile.saturating_sub(1) * lines * LINE * ((end - begin) / STEPS)),
                lines: if tile > 0 { lines } else { 0 },
                then,
            };
            // SAFETY: the caller's promise.
            unsafe { tile_of::<S>(rows, 1, panel.vectors)(&work, &spot) };
        }
    }
}

/// One or two rows: they keep too few sums to hide how long one takes, so they pass several panels
/// at once.
///
/// # Safety
///
/// As for [`drive`].
unsafe fn few_rows<S: Tiles>(
    work: &Work<'_>,
    (begin, end): (usize, usize),
    panels: Panels,
    set: PanelSet,
    most: usize,
) {
    // How many panels of the set are wide; the others, each a vector narrower, are as far apart too.
    let wide = panels.wide.saturating_sub(set.first).div_ceil(set.step.max(1)).min(set.count);
    for (start, end_panel) in [(0, wide), (wide, set.count)] {
        let count = end_panel - start;
        let groups = count.div_ceil(most);
        for group in 0..groups {
            let first = start + cut(count, group, groups);
            let of_group = start + cut(count, group + 1, groups) - first;
            let panel = panels.get::<S>(set.first + first * set.step);
            let last = panels.get::<S>(set.first + (first + of_group - 1) * set.step).last;
            let next = (first + of_group).min(set.count - 1);
            let next = panels.get::<S>(set.first + next * set.step);
            let apart = set.step * panel.vectors * S::LANES;
            let spot = Spot {
                row: begin,
                begin: 0,
                end: panels.depth,
                panel: panel.at,
                next: apart * panels.depth,
                next_columns: apart,
                column: panel.column,
                last,
                ahead: panel.at,
                lines: 0,
                then: (begin, next.column),
            };
            // SAFETY: the caller's promise.
            unsafe { tile_of::<S>(end - begin, of_group, panel.vectors)(work, &spot) };
        }
    }
}
