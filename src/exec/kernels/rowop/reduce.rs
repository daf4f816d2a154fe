//! Reductions: operators that make one element of each line.

use super::lines::{Form, Lines};
use super::wide::{Wide, across};
use super::{RawResults, RawRows, moves};
use crate::exec::kernels::math;
use crate::ir::Reduction;

/// Folds the elements of a line into one: vectors are gathered into a vector, whose lanes are then joined.
pub(super) trait Fold<S: Wide> {
    /// The value that a line begins with.
    const START: f32;
    /// A value that changes nothing, for the lanes of a vector beyond a line.
    const NEUTRAL: f32;
    /// Takes in a vector of elements.
    unsafe fn take(&self, sum: S::V, x: S::V) -> S::V;
    /// Joins vectors that were gathered apart.
    unsafe fn join(a: S::V, b: S::V) -> S::V;
    /// Joins the elements of a vector.
    #[inline(always)]
    unsafe fn all(sum: S::V) -> f32 {
        // SAFETY: the caller knows the processor.
        unsafe { across::<S>(sum, |a, b| Self::join(a, b)) }
    }
}

macro_rules! fold {
    (
        $(#[$doc:meta])* $name:ident, $start:expr, $neutral:expr,
        |$sum:ident, $x:ident| $take:expr, |$a:ident, $b:ident| $join:expr
    ) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl<S: Wide> Fold<S> for $name {
            const START: f32 = $start;
            const NEUTRAL: f32 = $neutral;
            #[inline(always)]
            unsafe fn take(&self, $sum: S::V, $x: S::V) -> S::V {
                // SAFETY: the caller knows the processor.
                unsafe { $take }
            }
            #[inline(always)]
            unsafe fn join($a: S::V, $b: S::V) -> S::V {
                // SAFETY: the caller knows the processor.
                unsafe { $join }
            }
        }
    };
}

fold! {
    /// The sum.
    Sum, 0.0, 0.0, |sum, x| S::add(sum, x), |a, b| S::add(a, b)
}
fold! {
    /// The sum of the squares.
    Squares, 0.0, 0.0, |sum, x| S::fma(x, x, sum), |a, b| S::add(a, b)
}
fold! {
    /// The product.
    Product, 1.0, 1.0, |sum, x| S::mul(sum, x), |a, b| S::mul(a, b)
}
fold! {
    /// The greatest, NaN where one is NaN.
    Max, f32::NEG_INFINITY, f32::NEG_INFINITY,
    |sum, x| S::if_equal(sum, sum, S::max(sum, x), sum),
    |a, b| S::if_equal(a, a, S::max(a, b), a)
}
fold! {
    /// The least, NaN where one is NaN.
    Min, f32::INFINITY, f32::INFINITY,
    |sum, x| S::if_equal(sum, sum, S::min(sum, x), sum),
    |a, b| S::if_equal(a, a, S::min(a, b), a)
}

/// The sum of the exponentials of the distances from a number.
pub(super) struct Powers<S: Wide>(pub S::V);

impl<S: Wide> Fold<S> for Powers<S> {
    const START: f32 = 0.0;
    const NEUTRAL: f32 = f32::NEG_INFINITY;
    #[inline(always)]
    unsafe fn take(&self, sum: S::V, x: S::V) -> S::V {
        // SAFETY: the caller knows the processor.
        unsafe { S::add(sum, math::exp::<S>(S::sub(x, self.0))) }
    }
    #[inline(always)]
    unsafe fn join(a: S::V, b: S::V) -> S::V {
        // SAFETY: the caller knows the processor.
        unsafe { S::add(a, b) }
    }
}

/// Returns one number of a line, given by its contiguous parts.
///
/// # Safety
///
/// All parts can be read; the processor has what S needs.
#[inline(always)]
pub(super) unsafe fn of_line<S: Wide, F: Fold<S>>(
    fold: &F,
    line: *const f32,
    along: &[usize],
    n: usize,
) -> f32 {
    // SAFETY: the caller's promise; `n - at` is less than a vector in the end.
    unsafe {
        let start = S::splat(F::START);
        let mut sums = [start; 4];
        for part in along {
            let part = line.add(*part);
            let mut at = 0;
            while at + 4 * S::LANES <= n {
                for (it, sum) in sums.iter_mut().enumerate() {
                    *sum = fold.take(*sum, S::load(part.add(at + it * S::LANES)));
                }
                at += 4 * S::LANES;
            }
            while at + S::LANES <= n {
                sums[0] = fold.take(sums[0], S::load(part.add(at)));
                at += S::LANES;
            }
            if at < n {
                let rest = S::load_first(part.add(at), n - at, F::NEUTRAL);
                sums[1] = fold.take(sums[1], rest);
            }
        }
        F::all(F::join(F::join(sums[0], sums[1]), F::join(sums[2], sums[3])))
    }
}

/// `WIDE` vectors of neighbouring lines, an element for each.
///
/// # Safety
///
/// As for [`of_line`]; `n` elements can be read in each of the vectors.
#[inline(always)]
pub(super) unsafe fn of_lines<S: Wide, F: Fold<S>, const WIDE: usize>(
    fold: &[F; WIDE],
    lines: *const f32,
    along: &[usize],
    part: Option<usize>,
) -> [S::V; WIDE] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [S::splat(F::START); WIDE];
        for at in along {
            for it in 0..WIDE {
                let x = load::<S>(lines.add(at + it * S::LANES), part);
                sums[it] = fold[it].take(sums[it], x);
            }
        }
        sums
    }
}

/// Returns a vector, or its first elements.
///
/// # Safety
///
/// They can be read; the processor has what S needs.
#[inline(always)]
pub(super) unsafe fn load<S: Wide>(from: *const f32, part: Option<usize>) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        match part {
            None => S::load(from),
            Some(n) => S::load_first(from, n, 0.0),
        }
    }
}

/// Writes a vector, or its first elements.
///
/// # Safety
///
/// As for [`load`].
#[inline(always)]
pub(super) unsafe fn store<S: Wide>(to: *mut f32, part: Option<usize>, value: S::V) {
    // SAFETY: the caller's promise.
    unsafe {
        match part {
            None => S::store(to, value),
            Some(n) => S::store_first(to, n, value),
        }
    }
}

/// # Safety
///
/// As for [`super::RowOp::run`].
#[inline(always)]
pub(in crate::exec::kernels) unsafe fn run<S: Wide>(
    reduction: Reduction,
    lines: &Lines,
    rows: usize,
    arg: RawRows,
    to: RawResults,
) {
    for row in 0..rows {
        // SAFETY: the caller's promise.
        unsafe {
            let (from, to) = (arg.at.add(row * arg.row), to.at.add(row * to.row));
            if lines.is_empty_along() {
                let value = match reduction {
                    Reduction::Sum | Reduction::Norm => 0.0,
                    Reduction::Product => 1.0,
                    Reduction::Max | Reduction::LogSumExp => f32::NEG_INFINITY,
                    Reduction::Min => f32::INFINITY,
                };
                moves::fill::<S>(value, to, lines.count());
                continue;
            }
            match reduction {
                Reduction::Sum => plain::<S, _>(&Sum, lines, from, to),
                Reduction::Max => plain::<S, _>(&Max, lines, from, to),
                Reduction::Min => plain::<S, _>(&Min, lines, from, to),
                Reduction::Product => plain::<S, _>(&Product, lines, from, to),
                Reduction::Norm => {
                    plain::<S, _>(&Squares, lines, from, to);
                    roots::<S>(to, lines.count());
                }
                Reduction::LogSumExp => log_sum_exp::<S>(lines, from, to),
            }
        }
    }
}

/// An element for each line.
///
/// # Safety
///
/// The lines can be read and their results written.
#[inline(always)]
unsafe fn plain<S: Wide, F: Fold<S>>(fold: &F, lines: &Lines, from: *const f32, to: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        match lines.form {
            Form::Along => {
                for (at, start) in lines.starts.iter().enumerate() {
                    *to.add(at) = of_line::<S, F>(fold, from.add(*start), &lines.along, lines.n);
                }
            }
            Form::Across => {
                for (group, start) in lines.starts.iter().enumerate() {
                    let (from, to) = (from.add(*start), to.add(group * lines.n));
                    side_by_side::<S, F>(fold, &lines.along, lines.n, from, to);
                }
            }
        }
    }
}

/// # Safety
///
/// `n` neighbouring lines can be read, and so many results written.
#[inline(always)]
unsafe fn side_by_side<S: Wide, F: Fold<S>>(
    fold: &F,
    along: &[usize],
    n: usize,
    from: *const f32,
    to: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut at = 0;
        while at + 4 * S::LANES <= n {
            let sums = of_lines::<S, &F, 4>(&[fold; 4], from.add(at), along, None);
            for (it, sum) in sums.into_iter().enumerate() {
                S::store(to.add(at + it * S::LANES), sum);
            }
            at += 4 * S::LANES;
        }
        while at < n {
            let part = (at + S::LANES > n).then_some(n - at);
            let [sum] = of_lines::<S, &F, 1>(&[fold], from.add(at), along, part);
            store::<S>(to.add(at), part, sum);
            at += S::LANES;
        }
    }
}

impl<S: Wide, F: Fold<S>> Fold<S> for &F {
    const START: f32 = F::START;
    const NEUTRAL: f32 = F::NEUTRAL;
    #[inline(always)]
    unsafe fn take(&self, sum: S::V, x: S::V) -> S::V {
        // SAFETY: the caller knows the processor.
        unsafe { F::take(self, sum, x) }
    }
    #[inline(always)]
    unsafe fn join(a: S::V, b: S::V) -> S::V {
        // SAFETY: the caller knows the processor.
        unsafe { F::join(a, b) }
    }
}

/// # Safety
///
/// `n` elements can be read and written.
#[inline(always)]
unsafe fn roots<S: Wide>(to: *mut f32, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        for at in (0..n).step_by(S::LANES) {
            let part = (at + S::LANES > n).then_some(n - at);
            store::<S>(to.add(at), part, S::sqrt(load::<S>(to.add(at), part)));
        }
    }
}

/// # Safety
///
/// As for [`plain`].
#[inline(always)]
unsafe fn log_sum_exp<S: Wide>(lines: &Lines, from: *const f32, to: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        match lines.form {
            Form::Along => {
                for (at, start) in lines.starts.iter().enumerate() {
                    let line = from.add(*start);
                    let max = of_line::<S, _>(&Max, line, &lines.along, lines.n);
                    // An infinite maximum is the result; subtracting it would give a NaN.
                    *to.add(at) = if max.is_infinite() {
                        max
                    } else {
                        let powers = Powers::<S>(S::splat(max));
                        max + of_line::<S, _>(&powers, line, &lines.along, lines.n).ln()
                    };
                }
            }
            Form::Across => {
                let infinity = S::splat(f32::INFINITY);
                for (group, start) in lines.starts.iter().enumerate() {
                    for at in (0..lines.n).step_by(S::LANES) {
                        let line = from.add(start + at);
                        let part = (at + S::LANES > lines.n).then_some(lines.n - at);
                        let [max] = of_lines::<S, _, 1>(&[Max], line, &lines.along, part);
                        let powers = [Powers::<S>(max)];
                        let [sum] = of_lines::<S, _, 1>(&powers, line, &lines.along, part);
                        let value = S::add(max, math::log::<S>(sum));
                        let value = S::if_equal(math::abs::<S>(max), infinity, max, value);
                        store::<S>(to.add(group * lines.n + at), part, value);
                    }
                }
            }
        }
    }
}
