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
/// processor has them, and pointers must be valid for as many elements as the method says.
pub(super) trait Simd: Copy {
    /// The number of lanes of a vector.
    const LANES: usize;
    /// A vector.
    type V: Copy;
    /// Selects the first few lanes of a vector.
    type Mask: Copy;

    /// Does a piece of work in a function of its own that has the processor's features: what is
    /// inlined into one place is too much for a compiler.
    unsafe fn apart<W: Work>(work: W);
    /// Returns the same value in every lane.
    unsafe fn splat(value: f32) -> Self::V;
    /// Returns the [`Simd::LANES`] elements from here on, aligned or not.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Writes [`Simd::LANES`] elements.
    unsafe fn store(to: *mut f32, value: Self::V);
    /// Returns the first `n` lanes, at most all.
    unsafe fn mask(n: usize) -> Self::Mask;
    /// Reads the lanes of the mask and nothing else; the others are 0.
    unsafe fn load_part(from: *const f32, mask: Self::Mask) -> Self::V;
    /// Writes the lanes of the mask and nothing else.
    unsafe fn store_part(to: *mut f32, value: Self::V, mask: Self::Mask);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a * b + c, rounded once where the processor can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a * b - c, rounded as [`Simd::fma`] is.
    unsafe fn fms(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// c - a * b, rounded as [`Simd::fma`] is.
    unsafe fn fnma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a * b + c, rounded once as nearly as can be, however long it takes.
    #[inline(always)]
    unsafe fn fma_exact(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the caller knows the processor.
        unsafe { Self::fma(a, b, c) }
    }
    /// c - a * b, rounded once as nearly as can be.
    #[inline(always)]
    unsafe fn fnma_exact(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: the caller knows the processor.
        unsafe { Self::fnma(a, b, c) }
    }
    /// 1 / a within a part in 2^14 for normal a: a start for what corrects it.
    #[inline(always)]
    unsafe fn estimate_reciprocal(a: Self::V) -> Self::V {
        // SAFETY: the caller knows the processor.
        unsafe { Self::div(Self::splat(1.0), a) }
    }
    /// Returns the greater one; `b` where one is NaN.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// Returns the lesser one; `b` where one is NaN.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sqrt(a: Self::V) -> Self::V;
    /// Returns the nearest whole number, the even one of two.
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
    /// Returns true if a < b in any lane.
    unsafe fn any_less(a: Self::V, b: Self::V) -> bool;
    /// 2^n for whole n in -126..=127, given as numbers.
    unsafe fn power_of_two(n: Self::V) -> Self::V;
    /// 2^n for whole n from -150 to 127: what is below the normal numbers too.
    #[inline(always)]
    unsafe fn any_power_of_two(n: Self::V) -> Self::V {
        // SAFETY: the caller knows the processor.
        unsafe {
            let least = Self::splat(-126.0);
            let normal = Self::max(least, n);
            let below = Self::sub(n, normal);
            Self::mul(Self::power_of_two(normal), Self::power_of_two(below))
        }
    }
    /// y * 2^n for whole n from -252 to 254: in two steps, so that results below the normal numbers
    /// are rounded once.
    #[inline(always)]
    unsafe fn scale(y: Self::V, n: Self::V) -> Self::V {
        // SAFETY: the caller knows the processor.
        unsafe {
            let magic = Self::splat(12_582_912.0);
            let half = Self::sub(Self::fma(n, Self::splat(0.5), magic), magic);
            let rest = Self::sub(n, half);
            Self::mul(Self::mul(y, Self::power_of_two(half)), Self::power_of_two(rest))
        }
    }
    /// Returns the exponent of a normal positive number, as a number: `2^exponent <= a < 2^(exponent + 1)`.
    unsafe fn exponent(a: Self::V) -> Self::V;
    /// a = m 2^n with whole n and m from 0.75 up to 1.5; gives n and m. For 0 and infinity m is 1 and
    /// n infinite; for what is below 0 and NaN, m is NaN.
    #[inline(always)]
    unsafe fn split(a: Self::V) -> (Self::V, Self::V) {
        // SAFETY: the caller knows the processor.
        unsafe {
            let (zero, one) = (Self::splat(0.0), Self::splat(1.0));
            let (least, infinity) = (Self::splat(f32::MIN_POSITIVE), Self::splat(f32::INFINITY));
            // Numbers below the normal ones are brought up by 2^23.
            let beside = Self::if_less(a, least, Self::splat(-23.0), zero);
            let x = Self::if_less(a, least, Self::mul(a, Self::splat(8_388_608.0)), a);
            let digits = Self::splat(f32::from_bits(0x007f_ffff));
            let m = Self::or(Self::and(x, digits), one);
            let n = Self::add(Self::exponent(x), beside);
            let middle = Self::splat(1.5);
            let n = Self::if_less(m, middle, n, Self::add(n, one));
            let m = Self::if_less(m, middle, m, Self::mul(m, Self::splat(0.5)));
            let n = Self::if_equal(a, zero, Self::splat(f32::NEG_INFINITY), n);
            let (n, m) = (Self::if_equal(a, infinity, a, n), Self::if_equal(a, infinity, one, m));
            let m = Self::if_equal(a, zero, one, m);
            (n, Self::if_less_equal(zero, a, m, Self::splat(f32::NAN)))
        }
    }
}

/// The lanes of the longest vector of any path: four of the longest of a processor.
pub(super) const MOST_LANES: usize = 64;

/// Something to do with vectors.
pub(super) trait Work {
    /// # Safety
    ///
    /// The processor has what the vectors need, and what the work says.
    unsafe fn run(self);
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
    /// The number of lanes.
    type Mask = usize;

    #[inline(never)]
    unsafe fn apart<W: Work>(work: W) {
        // SAFETY: the caller's promise.
        unsafe { work.run() }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; WIDE]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller says that so many elements are there; arrays of f32 have its alignment.
        unsafe { from.cast::<Self::V>().read() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<Self::V>().write(value) }
    }
    #[inline(always)]
    unsafe fn mask(n: usize) -> usize {
        n
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: usize) -> Self::V {
        let mut value = [0.0; WIDE];
        for (at, it) in value.iter_mut().enumerate().take(mask) {
            // SAFETY: the caller says that the lanes of the mask are there.
            *it = unsafe { from.add(at).read() };
        }
        value
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, value: Self::V, mask: usize) {
        for (at, it) in value.into_iter().enumerate().take(mask) {
            // SAFETY: as in `load_part`.
            unsafe { to.add(at).write(it) }
        }
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
    unsafe fn fms(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|it| a[it] * b[it] - c[it])
    }
    #[inline(always)]
    unsafe fn fnma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|it| c[it] - a[it] * b[it])
    }
    #[inline(always)]
    unsafe fn fma_exact(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|it| (f64::from(a[it]) * f64::from(b[it]) + f64::from(c[it])) as f32)
    }
    #[inline(always)]
    unsafe fn fnma_exact(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|it| (f64::from(c[it]) - f64::from(a[it]) * f64::from(b[it])) as f32)
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
    unsafe fn any_less(a: Self::V, b: Self::V) -> bool {
        (0..WIDE).any(|it| a[it] < b[it])
    }
    #[inline(always)]
    unsafe fn power_of_two(n: Self::V) -> Self::V {
        // Added to 1.5 * 2^23, a whole number is in the last bits; a conversion would be slower.
        each(|it| f32::from_bits((n[it] + 12_582_912.0).to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    unsafe fn exponent(a: Self::V) -> Self::V {
        each(|it| ((a[it].to_bits() >> 23) as i32 - 127) as f32)
    }
}
