//! The functions of the table that follow from the others or are asked for less often.

use super::super::simd::{MOST_LANES, Simd};
use super::{abs, exp_parts, log, log1p_exp_neg, neg, polynomial, tanh, with_sign};

/// exp(x) - 1
#[inline(always)]
pub(in super::super) unsafe fn expm1<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        // Beyond, the result is -1 or infinite. A NaN stays, being the second operand.
        let near = S::min(S::splat(89.0), S::max(S::splat(-30.0), x));
        let (n, y) = exp_parts::<S>(near);
        // Half of the result, since 2^n may be one too large.
        let half = S::splat(0.5);
        let power = S::power_of_two(S::sub(n, S::splat(1.0)));
        let result = S::fma(power, y, S::sub(power, half));
        // The smallest numbers have no half, and zeros keep their sign.
        S::if_less(abs::<S>(x), S::splat(1e-20), x, S::add(result, result))
    }
}

/// log(1 + x): the logarithm of the rounded sum, and what the rounding lost.
#[inline(always)]
pub(in super::super) unsafe fn log1p<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let (zero, one) = (S::splat(0.0), S::splat(1.0));
        let sum = S::add(one, x);
        let lost = S::div(S::sub(x, S::sub(sum, one)), sum);
        // At the ends the logarithm is infinite and nothing was lost.
        let lost = S::if_less(zero, sum, lost, zero);
        let lost = S::if_less(sum, S::splat(f32::INFINITY), lost, zero);
        let y = S::add(log::<S>(sum), lost);
        // Zeros keep their sign.
        S::if_less(abs::<S>(x), S::splat(1e-20), x, y)
    }
}

/// -1, 0 or 1; zeros keep their sign, and a NaN is one.
#[inline(always)]
pub(in super::super) unsafe fn sign<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let (zero, one) = (S::splat(0.0), S::splat(1.0));
        S::if_less(zero, x, one, S::if_less(x, zero, S::splat(-1.0), x))
    }
}

/// a - floor(a / b) b, rounded at each step as the table does.
#[inline(always)]
pub(in super::super) unsafe fn modulo<S: Simd>(a: S::V, b: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe { S::sub(a, S::mul(S::floor(S::div(a, b)), b)) }
}

/// The largest argument for which the reduction of [`sin`] and [`cos`] is accurate.
const FAR: f32 = 50_000.0;

/// pi / 2 in three parts; products with the first leave nothing when they are rounded once.
const HALF_PI: [f32; 3] = [1.570_796_4, -4.371_139e-8, -1.715_120_8e-15];

/// sin(x + quarters pi / 2) for |x| <= [`FAR`].
#[inline(always)]
unsafe fn sin_near<S: Simd>(x: S::V, quarters: f32) -> S::V {
    // sin(r) = r + r^3 p(r^2), cos(r) = 1 - r^2 / 2 + r^4 p(r^2) for |r| <= pi / 4.
    const SIN: [f32; 3] = [-0.166_666_55, 8.332_19e-3, -1.951_840_5e-4];
    const COS: [f32; 3] = [0.041_666_646, -1.388_730_1e-3, 2.443_069e-5];
    // SAFETY: the caller knows the processor.
    unsafe {
        // Added to 1.5 * 2^23, a whole number is in the last bits.
        let magic = S::splat(12_582_912.0);
        let shifted = S::fma(x, S::splat(std::f32::consts::FRAC_2_PI), magic);
        let n = S::sub(shifted, magic);
        let mut r = x;
        for part in HALF_PI {
            r = S::fnma_exact(n, S::splat(part), r);
        }
        let square = S::mul(r, r);
        let sin = S::fma(S::mul(r, square), polynomial::<S, 3>(square, &SIN), r);
        // A zero keeps its sign.
        let sin = S::if_equal(x, S::splat(0.0), x, sin);
        let half = S::fnma(square, S::splat(0.5), S::splat(1.0));
        let cos = S::fma(S::mul(square, square), polynomial::<S, 3>(square, &COS), half);
        let turned = S::add(shifted, S::splat(quarters));
        let zero = S::splat(0.0);
        let (odd, third) = (S::splat(f32::from_bits(1)), S::splat(f32::from_bits(2)));
        let y = S::if_equal(S::and(turned, odd), zero, sin, cos);
        S::if_equal(S::and(turned, third), zero, y, neg::<S>(y))
    }
}

/// Computes element by element in the lanes where |x| is greater than [`FAR`].
#[inline(always)]
unsafe fn mend<S: Simd>(x: S::V, near: S::V, far: fn(f32) -> f32) -> S::V {
    // SAFETY: the caller knows the processor; no vector is longer than the arrays.
    unsafe {
        if !S::any_less(S::splat(FAR), abs::<S>(x)) {
            return near;
        }
        let (mut given, mut result) = ([0.0f32; MOST_LANES], [0.0f32; MOST_LANES]);
        S::store(given.as_mut_ptr(), x);
        S::store(result.as_mut_ptr(), near);
        for (x, y) in given.iter().zip(&mut result) {
            if x.abs() > FAR {
                *y = far(*x);
            }
        }
        S::load(result.as_ptr())
    }
}

/// sin(x)
#[inline(always)]
pub(in super::super) unsafe fn sin<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe { mend::<S>(x, sin_near::<S>(x, 0.0), f32::sin) }
}

/// cos(x)
#[inline(always)]
pub(in super::super) unsafe fn cos<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe { mend::<S>(x, sin_near::<S>(x, 1.0), f32::cos) }
}

/// Returns the error function: a polynomial near 0, else 1 - exp(p(|x|)).
#[inline(always)]
pub(in super::super) unsafe fn erf<S: Simd>(x: S::V) -> S::V {
    // erf(x) = x + x p(x^2) for |x| <= 0.93.
    const NEAR: [f32; 6] =
        [0.128_379_15, -0.376_124_98, 0.112_818_27, -0.026_766_231, 4.991_762e-3, -5.980_214_3e-4];
    // log(1 - erf(x)) for x from 0.92 to 4.1.
    const FAR: [f32; 8] = [
        1.758_736_6e-4,
        -1.129_520_8,
        -0.633_334_9,
        -0.108_293_55,
        0.025_128_262,
        -4.174_459e-3,
        4.351_652_2e-4,
        -2.115_447e-5,
    ];
    // SAFETY: the caller knows the processor.
    unsafe {
        let square = S::mul(x, x);
        let near = S::fma(x, polynomial::<S, 6>(square, &NEAR), x);
        // From 3.92 on the result rounds to 1. A NaN stays, being the second operand.
        let size = S::min(S::splat(4.0), abs::<S>(x));
        let (n, y) = exp_parts::<S>(polynomial::<S, 8>(size, &FAR));
        let power = S::power_of_two(n);
        let far = S::sub(S::splat(1.0), S::fma(power, y, power));
        S::if_less(size, S::splat(0.925), near, with_sign::<S>(far, x))
    }
}

/// x / 2 (1 + erf(x / sqrt 2))
#[inline(always)]
pub(in super::super) unsafe fn gelu<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let y = erf::<S>(S::mul(x, S::splat(std::f32::consts::FRAC_1_SQRT_2)));
        S::mul(S::mul(S::splat(0.5), x), S::add(S::splat(1.0), y))
    }
}

/// Returns the tanh form of [`gelu`].
#[inline(always)]
pub(in super::super) unsafe fn gelu_tanh<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let cube = S::mul(S::mul(S::mul(S::splat(0.044_715), x), x), x);
        let y = tanh::<S>(S::mul(S::splat(0.797_884_6), S::add(x, cube)));
        S::mul(S::mul(S::splat(0.5), x), S::add(S::splat(1.0), y))
    }
}

/// x above 0, else alpha (exp(x) - 1).
#[inline(always)]
pub(in super::super) unsafe fn elu<S: Simd>(x: S::V, alpha: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe { S::if_less(S::splat(0.0), x, x, S::mul(alpha, expm1::<S>(x))) }
}

/// scale x above 0, else scale alpha (exp(x) - 1).
#[inline(always)]
pub(in super::super) unsafe fn selu<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let below = S::mul(S::splat(1.758_099_3), expm1::<S>(x));
        S::if_less(S::splat(0.0), x, S::mul(S::splat(1.050_701), x), below)
    }
}

/// x / sqrt(1 + alpha x^2) below 0, else x.
#[inline(always)]
pub(in super::super) unsafe fn isrlu<S: Simd>(x: S::V, alpha: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let inner = S::fma(S::mul(alpha, x), x, S::splat(1.0));
        S::if_less(x, S::splat(0.0), S::div(x, S::sqrt(inner)), x)
    }
}

/// log(exp(a) + exp(b)) = max(a, b) + log(1 + exp(-|a - b|))
#[inline(always)]
pub(in super::super) unsafe fn log_add_exp<S: Simd>(a: S::V, b: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let y = S::add(S::max(a, b), log1p_exp_neg::<S>(abs::<S>(S::sub(a, b))));
        // Of two equal infinities the difference is none.
        S::if_equal(a, b, S::add(a, S::splat(std::f32::consts::LN_2)), y)
    }
}
