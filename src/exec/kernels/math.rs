//! exp, log, tanh and their relatives on vectors, at most 2 ulp from the true value (a test over
//! all numbers of f32 says so).
//!
//! They are written from the definitions: a reduction of the argument to a small interval, a
//! polynomial there whose coefficients are those of the series, corrected to be least in the
//! greatest error, and a reconstruction.

use super::simd::Simd;

/// ln 2 in two parts, the first with few enough digits that a whole multiple up to 2^8 is exact.
const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;

/// The value where the argument is a number, else NaN.
#[inline(always)]
unsafe fn horner<S: Simd>(x: S::V, coefficients: &[f32]) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let mut sum = S::splat(coefficients[0]);
        for it in &coefficients[1..] {
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

/// The nearest whole number where |x| < 2^22: beyond 1.5 * 2^23 no digits are left behind the point.
/// Rounding by an instruction of its own is slow where the processor has none.
#[inline(always)]
unsafe fn round_small<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let magic = S::splat(12_582_912.0);
        S::sub(S::add(x, magic), magic)
    }
}

/// x = n ln 2 + r with whole n and |r| <= ln 2 / 2; gives n and r.
#[inline(always)]
unsafe fn reduce<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: the caller knows the processor.
    unsafe {
        let n = round_small::<S>(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let r = S::fma(n, S::splat(-LN2_HI), x);
        (n, S::fma(n, S::splat(-LN2_LO), r))
    }
}

/// (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2.
#[inline(always)]
unsafe fn exp_tail<S: Simd>(r: S::V) -> S::V {
    const C: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    // SAFETY: the caller knows the processor.
    unsafe { horner::<S>(r, &C) }
}

/// y * 2^n for whole n from -252 to 254: in two steps, so that results below the normal numbers
/// are rounded once.
#[inline(always)]
unsafe fn scale<S: Simd>(y: S::V, n: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let half = round_small::<S>(S::mul(n, S::splat(0.5)));
        S::mul(S::mul(y, S::power_of_two(half)), S::power_of_two(S::sub(n, half)))
    }
}

/// exp(x)
#[inline(always)]
pub(super) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        // Beyond, the result is 0 or infinite anyway. A NaN stays, being the second operand.
        let x = S::min(S::splat(89.0), S::max(S::splat(-104.0), x));
        let (n, r) = reduce::<S>(x);
        let y = S::fma(S::mul(r, r), exp_tail::<S>(r), r);
        scale::<S>(S::add(y, S::splat(1.0)), n)
    }
}

/// 1 / (1 + exp(-x)); exp(x) / (1 + exp(x)) where x < 0, so that small values are accurate too.
///
/// With exp(-|x|) = s (1 + y), s a power of two, the second quotient is q + q y with q = s / (1 + exp),
/// so that the rounding of the exponential does not count; what the sum 1 + exp lost is put back too.
#[inline(always)]
pub(super) unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let (zero, one) = (S::splat(0.0), S::splat(1.0));
        let (y, half, rest) = exp_parts::<S>(neg::<S>(abs::<S>(x)));
        let (s, rest_s) = (S::power_of_two(half), S::power_of_two(rest));
        let e = S::mul(S::fma(s, y, s), rest_s);
        let negative = |yes, no| S::if_less(x, zero, yes, no);
        let sum = S::add(one, e);
        let lost = S::sub(e, S::sub(sum, one));
        let inverse = S::div(one, sum);
        let more = S::sub(negative(y, zero), S::mul(lost, inverse));
        let q = S::mul(negative(s, one), inverse);
        S::mul(S::fma_exact(q, more, q), negative(rest_s, one))
    }
}

/// exp(x) = 2^half 2^rest (1 + y) for x <= 0; a NaN stays in y.
#[inline(always)]
unsafe fn exp_parts<S: Simd>(x: S::V) -> (S::V, S::V, S::V) {
    // SAFETY: the caller knows the processor.
    unsafe {
        let (n, r) = reduce::<S>(S::max(S::splat(-104.0), x));
        let y = S::fma(S::mul(r, r), exp_tail::<S>(r), r);
        let half = round_small::<S>(S::mul(n, S::splat(0.5)));
        (y, half, S::sub(n, half))
    }
}

/// tanh(x): near 0 a polynomial, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x.
#[inline(always)]
pub(super) unsafe fn tanh<S: Simd>(x: S::V) -> S::V {
    // tanh(x) = x + x^3 p(x^2) for |x| <= 0.625.
    const C: [f32; 5] =
        [-5.704_988_7e-3, 2.063_908_8e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1];
    // SAFETY: the caller knows the processor.
    unsafe {
        let size = abs::<S>(x);
        let square = S::mul(x, x);
        let near = S::fma(S::mul(horner::<S>(square, &C), square), x, x);
        let one = S::splat(1.0);
        // From 9.02 on the result rounds to 1; below, nothing overflows.
        let twice = S::min(S::splat(20.0), S::add(size, size));
        let (n, r) = reduce::<S>(twice);
        let y = S::fma(S::mul(r, r), exp_tail::<S>(r), r);
        let e = S::mul(S::add(y, one), S::power_of_two(n));
        let far = S::sub(one, S::div(S::splat(2.0), S::add(e, one)));
        let sign = S::and(x, S::splat(-0.0));
        S::if_less(size, S::splat(0.625), near, S::or(far, sign))
    }
}

/// The logarithm of a positive normal number, and of what `exponent` says beside it.
#[inline(always)]
unsafe fn log_normal<S: Simd>(x: S::V, beside: S::V) -> S::V {
    // log(1 + f) = f - f^2 / 2 + f^3 p(f) for f from sqrt(1/2) - 1 to sqrt(2) - 1.
    const C: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_7e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    // SAFETY: the caller knows the processor.
    unsafe {
        let exponent = S::exponent(x);
        let mantissa = S::or(S::and(x, S::splat(f32::from_bits(0x007f_ffff))), S::splat(1.0));
        let one = S::splat(1.0);
        // From 1..2 to sqrt(1/2)..sqrt(2).
        let root = S::splat(std::f32::consts::SQRT_2);
        let n = S::add(S::if_less(root, mantissa, S::add(exponent, one), exponent), beside);
        let m = S::if_less(root, mantissa, S::mul(mantissa, S::splat(0.5)), mantissa);
        let f = S::sub(m, one);
        let square = S::mul(f, f);
        let y = S::mul(S::mul(f, square), horner::<S>(f, &C));
        let y = S::fma(n, S::splat(LN2_LO), y);
        let y = S::fma(square, S::splat(-0.5), y);
        S::fma(n, S::splat(LN2_HI), S::add(f, y))
    }
}

/// log(x); -infinity at 0, NaN below.
#[inline(always)]
pub(super) unsafe fn log<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let (zero, least) = (S::splat(0.0), S::splat(f32::MIN_POSITIVE));
        let infinity = S::splat(f32::INFINITY);
        // Numbers below the normal ones are brought up by 2^23.
        let beside = S::if_less(x, least, S::splat(-23.0), zero);
        let scaled = S::if_less(x, least, S::mul(x, S::splat(8_388_608.0)), x);
        let y = log_normal::<S>(scaled, beside);
        let y = S::if_equal(x, zero, S::splat(f32::NEG_INFINITY), y);
        let y = S::if_equal(x, infinity, infinity, y);
        // What is not at least 0 is negative or NaN.
        S::if_less_equal(zero, x, y, S::splat(f32::NAN))
    }
}

/// log(1 + x) for x >= 0: the logarithm of the rounded sum, and what the rounding lost.
#[inline(always)]
pub(super) unsafe fn log1p_not_negative<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let one = S::splat(1.0);
        let sum = S::add(one, x);
        let lost = S::sub(x, S::sub(sum, one));
        let y = S::add(log_normal::<S>(sum, S::splat(0.0)), S::div(lost, sum));
        // A NaN is neither less nor not; an infinity stays one.
        S::if_less(x, S::splat(f32::MAX), y, x)
    }
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))
#[inline(always)]
pub(super) unsafe fn softplus<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller knows the processor.
    unsafe {
        let e = exp::<S>(neg::<S>(abs::<S>(x)));
        let y = S::add(S::max(x, S::splat(0.0)), log1p_not_negative::<S>(e));
        S::if_equal(x, x, y, x)
    }
}
