//! Moving elements: everything that only says where an element goes is a few pieces, each a strided
//! copy, planned once.

use super::wide::Wide;
use super::{RawResults, RawRows, table};
use crate::exec::choose;
use crate::ir::Choice;

/// A loop of a copy: how often it runs, and how far the next element is, where it comes from and
/// where it goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub n: usize,
    pub from: usize,
    pub to: usize,
}

/// Some pieces that together write every element of the result.
#[derive(Clone, Debug, Default)]
pub(in crate::exec::kernels) struct Moves(Vec<Piece>);

/// A strided copy.
#[derive(Clone, Debug)]
struct Piece {
    /// The operand; zeros where there is none.
    arg: Option<usize>,
    /// Where each block begins.
    blocks: Vec<[usize; 2]>,
    /// The outer loop of a block.
    outer: Step,
    inner: Inner,
}

/// The inner loop of a block.
#[derive(Clone, Copy, Debug)]
enum Inner {
    /// As many numbers that follow each other, here and there.
    Line(usize),
    /// The same number so often.
    Fill(usize),
    /// Numbers apart.
    Apart(Step),
    /// Two loops at once, of which the first goes along what is read and the second along what is
    /// written.
    Turn(Step, Step),
}

impl Moves {
    /// Copies from an operand, or zeros, in loops whose order does not matter.
    pub(super) fn add(&mut self, arg: Option<usize>, from: usize, to: usize, steps: &[Step]) {
        if steps.iter().any(|it| it.n == 0) {
            return;
        }
        let mut steps = merged(steps);
        // The last one goes along the result; where that is short, a longer one may pay more.
        steps.sort_by_key(|it| std::cmp::Reverse(it.to));
        let along_result = steps.last().copied();
        let along_operand = steps.iter().position(|it| it.from == 1);
        let inner = match (along_result, along_operand) {
            (None, _) => Inner::Line(1),
            (Some(last), _) if last.to == 1 && last.from == 1 => {
                steps.pop();
                Inner::Line(last.n)
            }
            (Some(last), _) if last.to == 1 && last.from == 0 => {
                steps.pop();
                Inner::Fill(last.n)
            }
            (Some(last), Some(at)) if last.to == 1 => {
                steps.pop();
                Inner::Turn(steps.remove(at), last)
            }
            (Some(_), Some(_) | None) => {
                let longest = (0..steps.len()).max_by_key(|it| steps[*it].n).unwrap_or(0);
                Inner::Apart(steps.remove(longest))
            }
        };
        let outer = steps.pop().unwrap_or(Step { n: 1, from: 0, to: 0 });
        let loops: Vec<(usize, [usize; 2])> =
            steps.iter().map(|it| (it.n, [it.from, it.to])).collect();
        let mut blocks = table(&loops);
        for block in &mut blocks {
            block[0] += from;
            block[1] += to;
        }
        self.0.push(Piece { arg, blocks, outer, inner });
    }

    /// Copies an operand as it is.
    pub(super) fn whole(n: usize) -> Moves {
        let mut moves = Moves::default();
        moves.add(Some(0), 0, 0, &[Step { n, from: 1, to: 1 }]);
        moves
    }

    /// The same copies from another operand.
    pub(super) fn of(mut self, arg: usize) -> Moves {
        self.0.iter_mut().for_each(|it| it.arg = it.arg.map(|_| arg));
        self
    }
}

/// Loops that go on where others end are one with them.
fn merged(steps: &[Step]) -> Vec<Step> {
    let mut steps: Vec<Step> = steps.iter().copied().filter(|it| it.n != 1).collect();
    let goes_on = |a: &Step, b: &Step| a.from == b.n * b.from && a.to == b.n * b.to;
    'again: loop {
        for a in 0..steps.len() {
            for b in 0..steps.len() {
                if a != b && goes_on(&steps[a], &steps[b]) {
                    steps[b].n *= steps[a].n;
                    steps.remove(a);
                    continue 'again;
                }
            }
        }
        return steps;
    }
}

/// # Safety
///
/// As for [`super::RowOp::run`].
#[inline(always)]
pub(in crate::exec::kernels) unsafe fn run<S: Wide>(
    moves: &Moves,
    rows: usize,
    args: &[RawRows],
    to: RawResults,
) {
    static ZERO: f32 = 0.0;
    for row in 0..rows {
        for piece in &moves.0 {
            // SAFETY: the plan stays within operands and result, of which the caller knows the
            // length; zeros are read from one place alone.
            unsafe {
                let from = match piece.arg {
                    Some(arg) => args[arg].at.add(row * args[arg].row),
                    None => &raw const ZERO,
                };
                let to = to.at.add(row * to.row);
                for [from_block, to_block] in &piece.blocks {
                    block::<S>(piece, from.add(*from_block), to.add(*to_block));
                }
            }
        }
    }
}

/// # Safety
///
/// What the piece's loops reach is valid.
#[inline(always)]
unsafe fn block<S: Wide>(piece: &Piece, from: *const f32, to: *mut f32) {
    let outer = piece.outer;
    for at in 0..outer.n {
        // SAFETY: the caller's promise.
        unsafe {
            let (from, to) = (from.add(at * outer.from), to.add(at * outer.to));
            match piece.inner {
                Inner::Line(n) => line::<S>(from, to, n),
                Inner::Fill(n) => fill::<S>(*from, to, n),
                Inner::Apart(step) => {
                    for at in 0..step.n {
                        *to.add(at * step.to) = *from.add(at * step.from);
                    }
                }
                Inner::Turn(a, b) => turn::<S>(from, to, a, b),
            }
        }
    }
}

/// # Safety
///
/// So many numbers can be read and written.
#[inline(always)]
pub(super) unsafe fn line<S: Wide>(from: *const f32, to: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = 0;
        while at + 4 * S::LANES <= n {
            for it in 0..4 {
                S::store(to.add(at + it * S::LANES), S::load(from.add(at + it * S::LANES)));
            }
            at += 4 * S::LANES;
        }
        while at + S::LANES <= n {
            S::store(to.add(at), S::load(from.add(at)));
            at += S::LANES;
        }
        if at < n {
            S::store_first(to.add(at), n - at, S::load_first(from.add(at), n - at, 0.0));
        }
    }
}

/// # Safety
///
/// So many numbers can be written.
#[inline(always)]
pub(super) unsafe fn fill<S: Wide>(value: f32, to: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let vector = S::splat(value);
        let mut at = 0;
        while at + S::LANES <= n {
            S::store(to.add(at), vector);
            at += S::LANES;
        }
        if at < n {
            S::store_first(to.add(at), n - at, vector);
        }
    }
}

/// Tiles, then what is left of both axes.
///
/// # Safety
///
/// What the two loops reach is valid; `a` goes along what is read, `b` along what is written.
#[inline(always)]
unsafe fn turn<S: Wide>(from: *const f32, to: *mut f32, a: Step, b: Step) {
    let tiles = (a.n - a.n % S::LANES, b.n - b.n % S::LANES);
    // SAFETY: the caller's promise.
    unsafe {
        for i in (0..tiles.0).step_by(S::LANES) {
            for j in (0..tiles.1).step_by(S::LANES) {
                S::turn(from.add(i + j * b.from), b.from, to.add(i * a.to + j), a.to);
            }
        }
        for i in 0..a.n {
            let first = if i < tiles.0 { tiles.1 } else { 0 };
            for j in first..b.n {
                *to.add(i * a.to + j) = *from.add(i + j * b.from);
            }
        }
    }
}

/// The row of an operand that an index names, or a place for one.
#[derive(Clone, Copy, Debug)]
pub(in crate::exec::kernels) enum Indexed {
    /// That row of so many, so long.
    Lookup { rows: usize, n: usize },
    /// Zeros but for that row.
    Scatter { rows: usize, n: usize },
}

/// # Safety
///
/// As for [`super::RowOp::run`].
#[inline(always)]
pub(in crate::exec::kernels) unsafe fn indexed<S: Wide>(
    what: Indexed,
    rows: usize,
    args: &[RawRows],
    to: RawResults,
) {
    for row in 0..rows {
        // SAFETY: the caller's promise; an index below the number of rows stays within the value.
        unsafe {
            let (value, to) = (args[0].at.add(row * args[0].row), to.at.add(row * to.row));
            let index = *args[1].at.add(row * args[1].row);
            match what {
                Indexed::Lookup { rows, n } => match whole(index, rows) {
                    Some(index) => line::<S>(value.add(index * n), to, n),
                    None => fill::<S>(f32::NAN, to, n),
                },
                Indexed::Scatter { rows, n } => {
                    fill::<S>(0.0, to, rows * n);
                    if let Some(index) = whole(index, rows) {
                        line::<S>(value, to.add(index * n), n);
                    }
                }
            }
        }
    }
}

/// Which element of a row is chosen.
#[derive(Clone, Copy, Debug)]
pub(in crate::exec::kernels) struct Chosen {
    pub of: Choice,
    /// How many elements there are.
    pub n: usize,
}

/// # Safety
///
/// As for [`super::RowOp::run`].
pub(super) unsafe fn choose(what: Chosen, rows: usize, args: &[RawRows], to: RawResults) {
    for row in 0..rows {
        // SAFETY: the caller's promise.
        unsafe {
            let from = std::slice::from_raw_parts(args[0].at.add(row * args[0].row), what.n);
            let chosen = match what.of {
                Choice::ArgMax => choose::largest(from),
                Choice::Sample => {
                    choose::sample(from, f64::from(*args[1].at.add(row * args[1].row)))
                }
            };
            *to.at.add(row * to.row) = chosen as f32;
        }
    }
}

/// A whole number below `rows`, else nothing.
pub(in crate::exec::kernels) fn whole(index: f32, rows: usize) -> Option<usize> {
    let value = f64::from(index);
    (value >= 0.0 && value < rows as f64 && value.fract() == 0.0).then_some(value as usize)
}
