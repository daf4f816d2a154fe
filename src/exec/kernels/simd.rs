//! The vector operations that the kernels are written in, and the portable form of them.
//!
//! A kernel is one text, generic over [`Simd`], compiled once for each kind of processor inside a
//! function that has that processor's features switched on. Everything here must therefore be
//! inlined: a vector operation that is called costs more than it does.

/// A kind of vector of f32.
///
/// # Safety
///
/// The methods may use instructions that only some processors have: a caller must know that the
/// processor has them, and pointers must be valid for as many numbers as the method says.
pub(super) trait Simd: Copy {
    /// How many numbers a vector holds.
    const LANES: usize;
    /// A vector.
    type V: Copy;

    /// The same number everywhere.
    unsafe fn splat(value: f32) -> Self::V;
    /// The [`Simd::LANES`] numbers from here on, aligned or not.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Writes [`Simd::LANES`] numbers.
    unsafe fn store(to: *mut f32, value: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a * b + c, rounded once where the processor can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a * b + c, rounded once as nearly as can be, however long it takes.
    #[inline(always)]
    unsafe fn fma_exact(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the caller knows the processor.
        unsafe { Self::fma(a, b, c) }
    }
    /// The greater one; `b` where one is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The lesser one; `b` where one is NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// The nearest whole number, the even one of two.
    unsafe fn round(a: Self::V) -> Self::V;
    unsafe fn floor(a: Self::V) -> Self::V;
    /// Bit by bit.
    unsafe fn and(a: Self::V, b: Self::V) -> Self::V;
    /// Bit by bit.
    unsafe fn or(a: Self::V, b: Self::V) -> Self::V;
    /// Bit by bit.
    unsafe fn xor(a: Self::V, b: Self::V) -> Self::V;
    /// `yes` where a < b, else `no`.
    unsafe fn if_less(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `yes` where a <= b, else `no`.
    unsafe fn if_less_equal(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `yes` where a == b, else `no`.
    unsafe fn if_equal(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// 2^n for whole n in -126..=127, given as numbers.
    unsafe fn power_of_two(n: Self::V) -> Self::V;
    /// The exponent of a normal positive number, as a number: `2^exponent <= a < 2^(exponent + 1)`.
    unsafe fn exponent(a: Self::V) -> Self::V;
}

/// Vectors as arrays, for processors that nothing is known of.
#[derive(Clone, Copy)]
pub(super) struct Portable;

const WIDE: usize = 8;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; WIDE] {
    std::array::from_fn(f)
}

#[inline(always)]
fn bits(a: [f32; WIDE], b: [f32; WIDE], f: impl Fn(u32, u32) -> u32) -> [f32; WIDE] {
    each(|it| f32::from_bits(f(a[it].to_bits(), b[it].to_bits())))
}

impl Simd for Portable {
    const LANES: usize = WIDE;
    type V = [f32; WIDE];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; WIDE]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller says that so many numbers stand there; arrays of f32 have its alignment.
        unsafe { from.cast::<Self::V>().read() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<Self::V>().write(value) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(|it| a[it] + b[it])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(|it| a[it] - b[it])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(|it| a[it] * b[it])
    }
    #[inline(always)]
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V {
        each(|it| a[it] / b[it])
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Without the instruction `mul_add` is a call of a function that takes many times as long.
        each(|it| a[it] * b[it] + c[it])
    }
    #[inline(always)]
    unsafe fn fma_exact(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|it| (f64::from(a[it]) * f64::from(b[it]) + f64::from(c[it])) as f32)
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        each(|it| if a[it] > b[it] { a[it] } else { b[it] })
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        each(|it| if a[it] < b[it] { a[it] } else { b[it] })
    }
    #[inline(always)]
    unsafe fn sqrt(a: Self::V) -> Self::V {
        each(|it| a[it].sqrt())
    }
    #[inline(always)]
    unsafe fn round(a: Self::V) -> Self::V {
        each(|it| a[it].round_ties_even())
    }
    #[inline(always)]
    unsafe fn floor(a: Self::V) -> Self::V {
        each(|it| a[it].floor())
    }
    #[inline(always)]
    unsafe fn and(a: Self::V, b: Self::V) -> Self::V {
        bits(a, b, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn or(a: Self::V, b: Self::V) -> Self::V {
        bits(a, b, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn xor(a: Self::V, b: Self::V) -> Self::V {
        bits(a, b, |a, b| a ^ b)
    }
    #[inline(always)]
    unsafe fn if_less(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        each(|it| if a[it] < b[it] { yes[it] } else { no[it] })
    }
    #[inline(always)]
    unsafe fn if_less_equal(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        each(|it| if a[it] <= b[it] { yes[it] } else { no[it] })
    }
    #[inline(always)]
    unsafe fn if_equal(a: Self::V, b: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        each(|it| if a[it] == b[it] { yes[it] } else { no[it] })
    }
    #[inline(always)]
    unsafe fn power_of_two(n: Self::V) -> Self::V {
        // Added to 1.5 * 2^23, a whole number stands in the last bits; a conversion would be slower.
        each(|it| f32::from_bits((n[it] + 12_582_912.0).to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    unsafe fn exponent(a: Self::V) -> Self::V {
        each(|it| ((a[it].to_bits() >> 23) as i32 - 127) as f32)
    }
}
