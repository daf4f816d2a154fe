//! The inner loops of contractions.

use super::contract::{Contraction, Loop};
use super::reduce::{load, store};
use super::wide::{MOST_LANES, Wide};

/// The beginnings of both operands and of the result of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factors {
    pub left: *const f32,
    pub right: *const f32,
    pub to: *mut f32,
}

impl Factors {
    /// Returns the same, further on.
    #[inline(always)]
    unsafe fn add(self, at: [usize; 3]) -> Factors {
        // SAFETY: the caller stays within operands and result.
        unsafe {
            Factors {
                left: self.left.add(at[0]),
                right: self.right.add(at[1]),
                to: self.to.add(at[2]),
            }
        }
    }
}

/// The rows of a tile.
const HIGH: usize = 4;

/// Results that are contiguous along an axis of the second operand: a tile of them stays in
/// registers while the sum runs. With `SINGLE` there is one row of tiles, and the sum is taken in
/// several parts at once, because each addition waits for the one before it.
///
/// # Safety
///
/// What the plan's loops reach is valid, with `down` in the place of the plan's; the processor has
/// what S needs.
#[inline(always)]
pub(super) unsafe fn tiles<S: Wide, const SINGLE: bool>(
    plan: &Contraction,
    down: Loop,
    factors: Factors,
) {
    let n = plan.across.n;
    // SAFETY: the caller's promise.
    unsafe {
        for outer in &plan.outer {
            let factors = factors.add(*outer);
            let mut at = 0;
            macro_rules! column {
                ($parts:literal, $vectors:literal, $part:expr) => {{
                    let factors = factors.add([0, at, at]);
                    if SINGLE {
                        single::<S, $parts, $vectors>(plan, factors, $part);
                    } else {
                        column::<S, $vectors>(plan, down, factors, $part);
                    }
                }};
            }
            while S::WIDTH >= 4 && at + 4 * S::LANES <= n {
                column!(2, 4, None);
                at += 4 * S::LANES;
            }
            while S::WIDTH >= 2 && at + 2 * S::LANES <= n {
                column!(4, 2, None);
                at += 2 * S::LANES;
            }
            while at + S::LANES <= n {
                column!(4, 1, None);
                at += S::LANES;
            }
            if at < n {
                column!(4, 1, Some(n - at));
            }
        }
    }
}

/// A column of tiles.
///
/// # Safety
///
/// As for [`tiles`].
#[inline(always)]
unsafe fn column<S: Wide, const V: usize>(
    plan: &Contraction,
    down: Loop,
    factors: Factors,
    part: Option<usize>,
) {
    let mut row = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while row + HIGH <= down.n {
            let factors = factors.add([row * down.at[0], 0, row * down.at[2]]);
            tile::<S, HIGH, V>(plan, down, factors, part);
            row += HIGH;
        }
        while row < down.n {
            let factors = factors.add([row * down.at[0], 0, row * down.at[2]]);
            tile::<S, 1, V>(plan, down, factors, part);
            row += 1;
        }
    }
}

/// # Safety
///
/// As for [`tiles`].
#[inline(always)]
unsafe fn tile<S: Wide, const R: usize, const V: usize>(
    plan: &Contraction,
    down: Loop,
    factors: Factors,
    part: Option<usize>,
) {
    let (n, [by_left, by_right, _]) = (plan.sum.n, plan.sum.at);
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; R];
        for [left, right] in &plan.parts {
            let (left, right) = (factors.left.add(*left), factors.right.add(*right));
            for at in 0..n {
                let (left, right) = (left.add(at * by_left), right.add(at * by_right));
                let mut vectors = [S::splat(0.0); V];
                for (it, vector) in vectors.iter_mut().enumerate() {
                    *vector = load::<S>(right.add(it * S::LANES), part);
                }
                for (row, sums) in sums.iter_mut().enumerate() {
                    let number = S::splat(*left.add(row * down.at[0]));
                    for (sum, vector) in sums.iter_mut().zip(&vectors) {
                        *sum = S::fma(number, *vector, *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.into_iter().enumerate() {
            for (it, sum) in sums.into_iter().enumerate() {
                store::<S>(factors.to.add(row * down.at[2] + it * S::LANES), part, sum);
            }
        }
    }
}

/// One row of a tile, `P` parts of its sums at once.
///
/// # Safety
///
/// As for [`tiles`].
#[inline(always)]
unsafe fn single<S: Wide, const P: usize, const V: usize>(
    plan: &Contraction,
    factors: Factors,
    part: Option<usize>,
) {
    let (n, [by_left, by_right, _]) = (plan.sum.n, plan.sum.at);
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[S::splat(0.0); V]; P];
        for [left, right] in &plan.parts {
            let (left, right) = (factors.left.add(*left), factors.right.add(*right));
            let mut at = 0;
            while at + P <= n {
                for (it, sums) in sums.iter_mut().enumerate() {
                    let number = S::splat(*left.add((at + it) * by_left));
                    let right = right.add((at + it) * by_right);
                    for (it, sum) in sums.iter_mut().enumerate() {
                        *sum = S::fma(number, load::<S>(right.add(it * S::LANES), part), *sum);
                    }
                }
                at += P;
            }
            while at < n {
                let number = S::splat(*left.add(at * by_left));
                let right = right.add(at * by_right);
                for (it, sum) in sums[0].iter_mut().enumerate() {
                    *sum = S::fma(number, load::<S>(right.add(it * S::LANES), part), *sum);
                }
                at += 1;
            }
        }
        for it in 0..V {
            let mut sum = sums[0][it];
            for more in &sums[1..] {
                sum = S::add(sum, more[it]);
            }
            store::<S>(factors.to.add(it * S::LANES), part, sum);
        }
    }
}

/// Results that are sums over what is contiguous in both operands: as many at once as a vector
/// holds, so that the sums across vectors are one vector.
///
/// # Safety
///
/// As for [`tiles`].
#[inline(always)]
pub(super) unsafe fn dots<S: Wide>(plan: &Contraction, factors: Factors) {
    let Loop { n, at: step } = plan.across;
    // SAFETY: the caller's promise; the last sums of a group are those of a line again where there
    // is none left, and not written.
    unsafe {
        for outer in &plan.outer {
            let factors = factors.add(*outer);
            if n == 1 {
                *factors.to = dot::<S>(plan, factors);
                continue;
            }
            for first in (0..n).step_by(S::LANES) {
                let count = (n - first).min(S::LANES);
                let mut sums = [S::splat(0.0); MOST_LANES];
                for eight in (0..S::LANES).step_by(EIGHT) {
                    if eight < count {
                        let line = first + eight;
                        let own = if step[0] == 0 {
                            eight_dots::<S, true>(plan, factors, line)
                        } else {
                            eight_dots::<S, false>(plan, factors, line)
                        };
                        for (sum, own) in sums[eight..].iter_mut().zip(own) {
                            *sum = own;
                        }
                    }
                }
                let sums = S::sums(&sums);
                if step[2] == 1 {
                    store::<S>(factors.to.add(first), (count < S::LANES).then_some(count), sums);
                } else {
                    let mut numbers = [0.0f32; MOST_LANES];
                    S::store(numbers.as_mut_ptr(), sums);
                    for (it, number) in numbers[..count].iter().enumerate() {
                        *factors.to.add((first + it) * step[2]) = *number;
                    }
                }
            }
        }
    }
}

/// The number of sums that run at once, because each addition waits for the one before it. No vector holds less.
const EIGHT: usize = 8;

/// Eight sums from a line on, each still a vector. With `SAME` the first operand is the same for all.
/// Beyond the last line that is taken again.
///
/// # Safety
///
/// As for [`tiles`].
#[inline(always)]
unsafe fn eight_dots<S: Wide, const SAME: bool>(
    plan: &Contraction,
    factors: Factors,
    line: usize,
) -> [S::V; EIGHT] {
    let n = plan.sum.n;
    let Loop { n: lines, at: [by_left, by_right, _] } = plan.across;
    // SAFETY: the caller's promise.
    unsafe {
        let mut own = [S::splat(0.0); EIGHT];
        for [left, right] in &plan.parts {
            let mut lefts = [factors.left.add(*left + line * by_left); EIGHT];
            let mut rights = [factors.right.add(*right + line * by_right); EIGHT];
            for it in 1..EIGHT {
                let more = usize::from(line + it < lines);
                lefts[it] = lefts[it - 1].add(more * by_left);
                rights[it] = rights[it - 1].add(more * by_right);
            }
            macro_rules! take {
                ($at:expr, $part:expr) => {
                    let mut x = load::<S>(lefts[0].add($at), $part);
                    for it in 0..EIGHT {
                        if !SAME && it > 0 {
                            x = load::<S>(lefts[it].add($at), $part);
                        }
                        own[it] = S::fma(x, load::<S>(rights[it].add($at), $part), own[it]);
                    }
                };
            }
            let whole = n - n % S::LANES;
            let mut at = 0;
            while at < whole {
                take!(at, None);
                at += S::LANES;
            }
            if whole < n {
                take!(whole, Some(n - whole));
            }
        }
        own
    }
}

/// Returns one sum.
///
/// # Safety
///
/// As for [`tiles`].
#[inline(always)]
unsafe fn dot<S: Wide>(plan: &Contraction, factors: Factors) -> f32 {
    let n = plan.sum.n;
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [S::splat(0.0); 4];
        for [left, right] in &plan.parts {
            let (left, right) = (factors.left.add(*left), factors.right.add(*right));
            let mut at = 0;
            while at + 4 * S::LANES <= n {
                for (it, sum) in sums.iter_mut().enumerate() {
                    let at = at + it * S::LANES;
                    *sum = S::fma(S::load(left.add(at)), S::load(right.add(at)), *sum);
                }
                at += 4 * S::LANES;
            }
            while at + S::LANES <= n {
                sums[0] = S::fma(S::load(left.add(at)), S::load(right.add(at)), sums[0]);
                at += S::LANES;
            }
            if at < n {
                let x = S::load_first(left.add(at), n - at, 0.0);
                sums[1] = S::fma(x, S::load_first(right.add(at), n - at, 0.0), sums[1]);
            }
        }
        S::sum(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])))
    }
}

/// Results that are contiguous along an axis that both operands have too.
///
/// # Safety
///
/// As for [`tiles`].
#[inline(always)]
pub(super) unsafe fn lanes<S: Wide>(plan: &Contraction, factors: Factors) {
    let n = plan.across.n;
    // SAFETY: the caller's promise.
    unsafe {
        for outer in &plan.outer {
            let factors = factors.add(*outer);
            let mut at = 0;
            while at + 4 * S::LANES <= n {
                some_lanes::<S, 4>(plan, factors.add([at; 3]), None);
                at += 4 * S::LANES;
            }
            while at < n {
                let part = (at + S::LANES > n).then_some(n - at);
                some_lanes::<S, 1>(plan, factors.add([at; 3]), part);
                at += S::LANES;
            }
        }
    }
}

/// # Safety
///
/// As for [`tiles`].
#[inline(always)]
unsafe fn some_lanes<S: Wide, const V: usize>(
    plan: &Contraction,
    factors: Factors,
    part: Option<usize>,
) {
    let (n, [by_left, by_right, _]) = (plan.sum.n, plan.sum.at);
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [S::splat(0.0); V];
        for [left, right] in &plan.parts {
            let (left, right) = (factors.left.add(*left), factors.right.add(*right));
            for at in 0..n {
                let (left, right) = (left.add(at * by_left), right.add(at * by_right));
                for (it, sum) in sums.iter_mut().enumerate() {
                    let x = load::<S>(left.add(it * S::LANES), part);
                    let y = load::<S>(right.add(it * S::LANES), part);
                    *sum = S::fma(x, y, *sum);
                }
            }
        }
        for (it, sum) in sums.into_iter().enumerate() {
            store::<S>(factors.to.add(it * S::LANES), part, sum);
        }
    }
}
