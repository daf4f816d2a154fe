//! exp, log, tanh and their relatives on vectors, at most 2 ulp from the true value (a test over
//! all numbers of f32 says so).
//!
//! They are written from the definitions: a reduction of the argument to a small interval, a
//! polynomial there that is least in the greatest error, and a reconstruction. Quotients are an
//! estimate of the reciprocal, corrected once by what the estimate leaves of the numerator: exact
//! to the last rounding, and shorter than a division where the processor estimates.

mod more;
#[cfg(test)]
mod tests;

pub(super) use more::{
    cos, elu, erf, expm1, gelu, gelu_tanh, isrlu, log_add_exp, log1p, modulo, selu, sign, sin,
};

use super::simd::Simd;

/// ln 2 in two parts, the first with few enough digits that a whole multiple up to 2^8 is exact.
/// Both are positive, so that an infinite multiple is one.
const LN2_HI: f32 = 0.693_145_75;
const LN2_LO: f32 = 1.428_606_8e-6;

/// (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2, the constant first.
const EXP_TAIL: [f32; 5] = [0.5, 0.166_665_39, 0.041_666_61, 8.367_073e-3, 1.391_932_8e-3];

/// Returns the coefficients of p(factor x) * scale, where p has these.
const fn stretched(mut of: [f32; 5], factor: f32, scale: f32) -> [f32; 5] {
    let (mut at, mut power) = (0, scale);
    while at < of.len() {
        of[at] *= power;
        power *= factor;
        at += 1;
    }
    of
}

/// Returns the value of a polynomial, its constant first.
#[inline(always)]
unsafe fn polynomial<S: Simd, const N: usize>(x: S::V, coefficients: &[f32; N]) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let mut sum = S::splat(coefficients[N - 1]);
        for it in coefficients[..N - 1].iter().rev() {
            sum = S::fma(sum, x, S::splat(*it));
        }
        sum
    }
}

/// |x|
#[inline(always)]
pub(super) unsafe fn abs<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe { S::and(x, S::splat(f32::from_bits(0x7fff_ffff))) }
}

/// -x
#[inline(always)]
pub(super) unsafe fn neg<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe { S::xor(x, S::splat(-0.0)) }
}

/// `size`, which has no sign, with the sign of x.
#[inline(always)]
unsafe fn with_sign<S: Simd>(size: S::V, x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe { S::or(size, S::and(x, S::splat(-0.0))) }
}

/// Returns the nearest whole number where |x| < 2^22: beyond 1.5 * 2^23 no digits are left behind the point. Rounding by an
/// instruction of its own is slow where the processor has none.
#[inline(always)]
unsafe fn round_product<S: Simd>(x: S::V, factor: f32) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let magic = S::splat(12_582_912.0);
        S::sub(S::fma(x, S::splat(factor), magic), magic)
    }
}

/// x = n ln 2 / parts + r / parts with whole n and |r| <= ln 2 / 2; gives n and r / parts.
#[inline(always)]
unsafe fn reduce<S: Simd>(x: S::V, parts: f32) -> (S::V, S::V) {
    // SAFETY: the caller knows the processor.
    unsafe {
        let n = round_product::<S>(x, parts * std::f32::consts::LOG2_E);
        let r = S::fnma(n, S::splat(LN2_HI / parts), x);
        (n, S::fnma(n, S::splat(LN2_LO / parts), r))
    }
}

/// exp(x) = 2^n (1 + y); gives n and y.
#[inline(always)]
unsafe fn exp_parts<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: the caller knows the processor.
    unsafe {
        let (n, r) = reduce::<S>(x, 1.0);
        (n, S::fma(S::mul(r, r), polynomial::<S, 5>(r, &EXP_TAIL), r))
    }
}

/// exp(x)
#[inline(always)]
pub(super) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        // Beyond, the result is 0 or infinite anyway. A NaN stays, being the second operand.
        let x = S::min(S::splat(89.0), S::max(S::splat(-104.0), x));
        let (n, y) = exp_parts::<S>(x);
        S::scale(S::add(y, S::splat(1.0)), n)
    }
}

/// 1 / (1 + exp(-x)).
///
/// With exp(-x) = (1 + y) / q, q a power of two, it is q / (q + 1 + y), so that small values are
/// accurate too. The rounding of that sum does not count: the correction is by its parts.
#[inline(always)]
pub(super) unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    const TAIL: [f32; 5] = stretched(EXP_TAIL, -1.0, 1.0);
    // SAFETY: the caller knows the processor.
    unsafe {
        // Above, the result is 1, below 0. A NaN stays, being the second operand.
        let x = S::min(S::splat(30.0), S::max(S::splat(-104.0), x));
        let (n, r) = reduce::<S>(x, 1.0);
        let y = S::fms(S::mul(r, r), polynomial::<S, 5>(r, &TAIL), r);
        let one = S::splat(1.0);
        let q = S::any_power_of_two(n);
        let sum = S::add(q, one);
        let inverse = S::estimate_reciprocal(S::add(sum, y));
        let left = S::fnma_exact(inverse, y, S::fnma_exact(inverse, sum, one));
        let first = S::mul(q, inverse);
        S::fma_exact(first, left, first)
    }
}

/// tanh(x) = e / (e + 1) with e = (exp(2 |x|) - 1) / 2 and the sign of x.
#[inline(always)]
pub(super) unsafe fn tanh<S: Simd>(x: S::V) -> S::V {
    // Half of exp(2 r) - 1 is r + r^2 p(r).
    const TAIL: [f32; 5] = stretched(EXP_TAIL, 2.0, 2.0);
    // SAFETY: the caller knows the processor.
    unsafe {
        // From 9.02 on the result rounds to 1. A NaN stays, being the second operand.
        let size = S::min(S::splat(9.1), abs::<S>(x));
        let (n, r) = reduce::<S>(size, 2.0);
        let y = S::fma(S::mul(r, r), polynomial::<S, 5>(r, &TAIL), r);
        let power = S::power_of_two(n);
        let half = S::splat(0.5);
        let e = S::fma(power, y, S::fms(power, half, half));
        let inverse = S::estimate_reciprocal(S::add(e, S::splat(1.0)));
        let first = S::mul(e, inverse);
        let left = S::fnma_exact(first, e, S::sub(e, first));
        with_sign::<S>(S::fma_exact(inverse, left, first), x)
    }
}

/// log(x); -infinity at 0, NaN below.
#[inline(always)]
pub(super) unsafe fn log<S: Simd>(x: S::V) -> S::V {
    // log(1 + f) = f - f^2 / 2 + f^3 p(f) for f from -1/4 to 1/2.
    const C: [f32; 8] = [
        0.333_334_48,
        -0.250_001_94,
        0.199_911_13,
        -0.166_437_79,
        0.144_674_63,
        -0.131_866_44,
        0.105_85,
        -0.046_203_796,
    ];
    // SAFETY: the caller knows the processor.
    unsafe {
        let (n, m) = S::split(x);
        let f = S::sub(m, S::splat(1.0));
        let square = S::mul(f, f);
        let y = S::mul(S::mul(f, square), polynomial::<S, 8>(f, &C));
        let y = S::fma(n, S::splat(LN2_LO), y);
        let y = S::fnma(square, S::splat(0.5), y);
        S::fma(n, S::splat(LN2_HI), S::add(f, y))
    }
}

/// log(1 + exp(-x)) for x >= 0: with e = exp(-x) it is 2 atanh(z / 2), z = e / (1 + e / 2).
#[inline(always)]
unsafe fn log1p_exp_neg<S: Simd>(x: S::V) -> S::V {
    const C: [f32; 4] = [0.083_333_015, 0.012_506_797, 2.187_360_3e-3, 5.474_498e-4];
    // SAFETY: the caller knows the processor.
    unsafe {
        // Beyond, the result is 0. A NaN stays, being the second operand.
        let (n, y) = exp_parts::<S>(neg::<S>(S::min(S::splat(104.0), x)));
        let power = S::any_power_of_two(n);
        let e = S::fma_exact(power, y, power);
        // What the rounding of e lost counts in the quotient: the numerator has all of it, the
        // denominator half.
        let lost = S::fma(power, y, S::sub(power, e));
        let half = S::mul(e, S::splat(0.5));
        let inverse = S::estimate_reciprocal(S::add(half, S::splat(1.0)));
        let first = S::mul(e, inverse);
        let left = S::fnma_exact(first, half, S::sub(e, first));
        let left = S::fma(lost, inverse, left);
        let z = S::fma_exact(inverse, left, first);
        let square = S::mul(z, z);
        S::fma(S::mul(z, square), polynomial::<S, 4>(square, &C), z)
    }
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))
#[inline(always)]
pub(super) unsafe fn softplus<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe { S::add(S::max(x, S::splat(0.0)), log1p_exp_neg::<S>(abs::<S>(x))) }
}
