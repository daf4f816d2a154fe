//! Operators that replace each line by another of the same length.

use super::lines::{Form, Lines};
use super::reduce::{Max, load, of_line, of_lines, store};
use super::wide::Wide;
use super::{RawResults, RawRows};
use crate::exec::kernels::math;

/// The operators on a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::exec::kernels) enum Along {
    Softmax,
    /// The running sum.
    Sum,
    /// The running sum from the end.
    SumFromEnd,
    /// For each element the product of the others.
    ProductOfOthers,
}

/// # Safety
///
/// As for [`super::RowOp::run`].
#[inline(always)]
pub(in crate::exec::kernels) unsafe fn run<S: Wide>(
    what: Along,
    lines: &Lines,
    rows: usize,
    arg: RawRows,
    to: RawResults,
) {
    if lines.is_empty_along() {
        return;
    }
    for row in 0..rows {
        for start in &lines.starts {
            // SAFETY: the caller's promise; results are where their operands are.
            unsafe {
                let from = arg.at.add(row * arg.row + start);
                let to = to.at.add(row * to.row + start);
                match lines.form {
                    Form::Along => match what {
                        Along::Softmax => softmax::<S>(&lines.along, lines.n, from, to),
                        Along::Sum => line::<false, true>(&lines.along, lines.n, from, to),
                        Along::SumFromEnd => line::<true, true>(&lines.along, lines.n, from, to),
                        Along::ProductOfOthers => {
                            line::<false, false>(&lines.along, lines.n, from, to);
                            line::<true, false>(&lines.along, lines.n, from, to);
                        }
                    },
                    Form::Across => {
                        for at in (0..lines.n).step_by(S::LANES) {
                            let part = (at + S::LANES > lines.n).then_some(lines.n - at);
                            let (from, to) = (from.add(at), to.add(at));
                            match what {
                                Along::Softmax => {
                                    softmax_across::<S>(&lines.along, part, from, to);
                                }
                                Along::Sum => {
                                    across::<S, false, true>(&lines.along, part, from, to);
                                }
                                Along::SumFromEnd => {
                                    across::<S, true, true>(&lines.along, part, from, to);
                                }
                                Along::ProductOfOthers => {
                                    across::<S, false, false>(&lines.along, part, from, to);
                                    across::<S, true, false>(&lines.along, part, from, to);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
///
/// The line can be read and its result written.
#[inline(always)]
unsafe fn softmax<S: Wide>(along: &[usize], n: usize, from: *const f32, to: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let max = S::splat(of_line::<S, _>(&Max, from, along, n));
        let mut sums = [S::splat(0.0); 2];
        for start in along {
            let (from, to) = (from.add(*start), to.add(*start));
            let mut at = 0;
            while at + 2 * S::LANES <= n {
                for (it, sum) in sums.iter_mut().enumerate() {
                    let at = at + it * S::LANES;
                    let power = math::exp::<S>(S::sub(S::load(from.add(at)), max));
                    S::store(to.add(at), power);
                    *sum = S::add(*sum, power);
                }
                at += 2 * S::LANES;
            }
            while at < n {
                let len = (n - at).min(S::LANES);
                // What is beyond the line counts as exp(-infinity).
                let x = S::load_first(from.add(at), len, f32::NEG_INFINITY);
                let power = math::exp::<S>(S::sub(x, max));
                S::store_first(to.add(at), len, power);
                sums[0] = S::add(sums[0], power);
                at += S::LANES;
            }
        }
        // The sum is at least 1, the greatest being exp(0).
        let scale = S::splat(1.0 / S::sum(S::add(sums[0], sums[1])));
        for start in along {
            let to = to.add(*start);
            for at in (0..n).step_by(S::LANES) {
                let part = (at + S::LANES > n).then_some(n - at);
                store::<S>(to.add(at), part, S::mul(load::<S>(to.add(at), part), scale));
            }
        }
    }
}

/// A vector of lines.
///
/// # Safety
///
/// As for [`softmax`].
#[inline(always)]
unsafe fn softmax_across<S: Wide>(
    along: &[usize],
    part: Option<usize>,
    from: *const f32,
    to: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let [max] = of_lines::<S, _, 1>(&[Max], from, along, part);
        let mut sum = S::splat(0.0);
        for at in along {
            let power = math::exp::<S>(S::sub(load::<S>(from.add(*at), part), max));
            store::<S>(to.add(*at), part, power);
            sum = S::add(sum, power);
        }
        let scale = S::div(S::splat(1.0), sum);
        for at in along {
            store::<S>(to.add(*at), part, S::mul(load::<S>(to.add(*at), part), scale));
        }
    }
}

/// A running sum, or the running product of what came before: in the direction from the end it is
/// multiplied with what the other left.
///
/// # Safety
///
/// As for [`softmax`].
#[inline(always)]
unsafe fn line<const FROM_END: bool, const SUM: bool>(
    along: &[usize],
    n: usize,
    from: *const f32,
    to: *mut f32,
) {
    let mut running = if SUM { 0.0f32 } else { 1.0 };
    for part in 0..along.len() {
        let part = if FROM_END { along[along.len() - 1 - part] } else { along[part] };
        for at in 0..n {
            let at = part + if FROM_END { n - 1 - at } else { at };
            // SAFETY: the caller's promise.
            unsafe {
                let x = *from.add(at);
                if SUM {
                    running += x;
                    *to.add(at) = running;
                } else {
                    *to.add(at) = if FROM_END { *to.add(at) * running } else { running };
                    running *= x;
                }
            }
        }
    }
}

/// As [`line()`], for a vector of lines.
///
/// # Safety
///
/// As for [`softmax`].
#[inline(always)]
unsafe fn across<S: Wide, const FROM_END: bool, const SUM: bool>(
    along: &[usize],
    part: Option<usize>,
    from: *const f32,
    to: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut running = S::splat(if SUM { 0.0 } else { 1.0 });
        for at in 0..along.len() {
            let at = if FROM_END { along[along.len() - 1 - at] } else { along[at] };
            let x = load::<S>(from.add(at), part);
            if SUM {
                running = S::add(running, x);
                store::<S>(to.add(at), part, running);
            } else {
                let value =
                    if FROM_END { S::mul(load::<S>(to.add(at), part), running) } else { running };
                store::<S>(to.add(at), part, value);
                running = S::mul(running, x);
            }
        }
    }
}
