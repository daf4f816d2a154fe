//! Operations on vectors that row operators need beside arithmetic: partial vectors, sums over lanes, and transposed tiles.

use crate::exec::kernels::simd::{Portable, Simd};

/// The most elements a vector of any path holds.
pub(super) const MOST_LANES: usize = 16;

/// Vectors that can be loaded in part and summed across.
///
/// # Safety
///
/// As for [`Simd`].
pub(in crate::exec::kernels) trait Wide: Simd {
    /// The width, in vectors, of a tile of a product of small matrices.
    const WIDTH: usize;

    /// Returns the `n` elements from here on, at most a vector of them, and `beyond` in the other places.
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize, beyond: f32) -> Self::V {
        let mut numbers = [beyond; MOST_LANES];
        // SAFETY: the caller says that n elements are there, and no more than a vector holds.
        unsafe {
            std::ptr::copy_nonoverlapping(from, numbers.as_mut_ptr(), n);
            Self::load(numbers.as_ptr())
        }
    }

    /// Writes the first `n` elements.
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, n: usize, value: Self::V) {
        let mut numbers = [0.0; MOST_LANES];
        // SAFETY: the caller says that there is place for n elements, no more than a vector holds.
        unsafe {
            Self::store(numbers.as_mut_ptr(), value);
            std::ptr::copy_nonoverlapping(numbers.as_ptr(), to, n);
        }
    }

    /// Element i is what was element `i ^ STEP`; STEP is a power of two within the vector.
    unsafe fn partner<const STEP: usize>(value: Self::V) -> Self::V;

    /// Returns the first element.
    #[inline(always)]
    unsafe fn first(value: Self::V) -> f32 {
        let mut numbers = [0.0f32; MOST_LANES];
        // SAFETY: no vector is longer; the caller knows the processor.
        unsafe { Self::store(numbers.as_mut_ptr(), value) };
        numbers[0]
    }

    /// Returns the sum of all elements of a vector.
    #[inline(always)]
    unsafe fn sum(value: Self::V) -> f32 {
        // SAFETY: the caller knows the processor.
        unsafe { across::<Self>(value, |a, b| Self::add(a, b)) }
    }

    /// Element t is the sum of vector t; there are as many as a vector holds.
    #[inline(always)]
    unsafe fn sums(values: &[Self::V; MOST_LANES]) -> Self::V {
        let mut sums = [0.0; MOST_LANES];
        // SAFETY: the caller knows the processor.
        unsafe {
            for (sum, value) in sums.iter_mut().zip(values).take(Self::LANES) {
                *sum = Self::sum(*value);
            }
            Self::load(sums.as_ptr())
        }
    }

    /// Transposes a tile of as many rows as a vector has elements: row i, element j of `from` becomes
    /// row j, element i of `to`.
    #[inline(always)]
    unsafe fn turn(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        for i in 0..Self::LANES {
            for j in 0..Self::LANES {
                // SAFETY: the caller says that the tile is there.
                unsafe { *to.add(j * to_row + i) = *from.add(i * from_row + j) }
            }
        }
    }
}

/// Joins all lanes of a vector, halves upon halves.
#[inline(always)]
pub(super) unsafe fn across<S: Wide>(value: S::V, join: impl Fn(S::V, S::V) -> S::V) -> f32 {
    // SAFETY: the caller knows the processor.
    unsafe {
        let eight = if S::LANES > 8 { join(value, S::partner::<8>(value)) } else { value };
        let four = join(eight, S::partner::<4>(eight));
        let two = join(four, S::partner::<2>(four));
        S::first(join(two, S::partner::<1>(two)))
    }
}

impl Wide for Portable {
    const WIDTH: usize = 1;

    #[inline(always)]
    unsafe fn partner<const STEP: usize>(value: Self::V) -> Self::V {
        std::array::from_fn(|it| value[it ^ STEP])
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{MOST_LANES, Wide};
    use crate::exec::kernels::x86::{Avx2, Avx512};

    /// 8 elements with their sign bit set, then 8 without: a mask of n begins n before the middle.
    static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    // SAFETY of every block below: the trait's contract is that the caller knows the processor to
    // have the features that the type names, and that pointers are valid as the trait says.
    macro_rules! call {
        ($($body:tt)*) => {
            // SAFETY: see above.
            unsafe { $($body)* }
        };
    }

    #[inline(always)]
    unsafe fn mask8(n: usize) -> __m256i {
        debug_assert!(n <= 8);
        call!(_mm256_loadu_si256(MASKS.as_ptr().add(8 - n).cast()))
    }

    #[inline(always)]
    unsafe fn mask16(n: usize) -> __mmask16 {
        debug_assert!(n <= 16);
        ((1u32 << n) - 1) as __mmask16
    }

    impl Wide for Avx2 {
        const WIDTH: usize = 2;

        #[inline(always)]
        unsafe fn load_first(from: *const f32, n: usize, beyond: f32) -> __m256 {
            call! {
                let mask = mask8(n);
                let numbers = _mm256_maskload_ps(from, mask);
                _mm256_blendv_ps(_mm256_set1_ps(beyond), numbers, _mm256_castsi256_ps(mask))
            }
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, n: usize, value: __m256) {
            call!(_mm256_maskstore_ps(to, mask8(n), value))
        }
        #[inline(always)]
        unsafe fn partner<const STEP: usize>(value: __m256) -> __m256 {
            match STEP {
                4 => call!(_mm256_permute2f128_ps::<0x01>(value, value)),
                2 => call!(_mm256_permute_ps::<0x4e>(value)),
                1 => call!(_mm256_permute_ps::<0xb1>(value)),
                _ => unreachable!("a vector has no such partners"),
            }
        }
        #[inline(always)]
        unsafe fn first(value: __m256) -> f32 {
            call!(_mm256_cvtss_f32(value))
        }
        #[inline(always)]
        unsafe fn sums(v: &[__m256; MOST_LANES]) -> __m256 {
            macro_rules! singles {
                ($a:expr, $b:expr) => {
                    _mm256_add_ps(_mm256_unpacklo_ps($a, $b), _mm256_unpackhi_ps($a, $b))
                };
            }
            macro_rules! pairs {
                ($a:expr, $b:expr) => {{
                    let (a, b) = (_mm256_castps_pd($a), _mm256_castps_pd($b));
                    let (low, high) = (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b));
                    _mm256_add_ps(_mm256_castpd_ps(low), _mm256_castpd_ps(high))
                }};
            }
            call! {
                let first = pairs!(singles!(v[0], v[1]), singles!(v[2], v[3]));
                let second = pairs!(singles!(v[4], v[5]), singles!(v[6], v[7]));
                _mm256_add_ps(
                    _mm256_permute2f128_ps::<0x20>(first, second),
                    _mm256_permute2f128_ps::<0x31>(first, second),
                )
            }
        }
        #[inline(always)]
        unsafe fn turn(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
            call! {
                let mut u = [_mm256_setzero_ps(); 8];
                for g in 0..2 {
                    let at = from.add(4 * g * from_row);
                    let a = _mm256_loadu_ps(at);
                    let b = _mm256_loadu_ps(at.add(from_row));
                    let c = _mm256_loadu_ps(at.add(2 * from_row));
                    let d = _mm256_loadu_ps(at.add(3 * from_row));
                    let ab = _mm256_castps_pd(_mm256_unpacklo_ps(a, b));
                    let ab_high = _mm256_castps_pd(_mm256_unpackhi_ps(a, b));
                    let cd = _mm256_castps_pd(_mm256_unpacklo_ps(c, d));
                    let cd_high = _mm256_castps_pd(_mm256_unpackhi_ps(c, d));
                    u[4 * g] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
                    u[4 * g + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
                    u[4 * g + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab_high, cd_high));
                    u[4 * g + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab_high, cd_high));
                }
                for c in 0..4 {
                    let (low, high) = (u[c], u[4 + c]);
                    let first = _mm256_permute2f128_ps::<0x20>(low, high);
                    _mm256_storeu_ps(to.add(c * to_row), first);
                    let second = _mm256_permute2f128_ps::<0x31>(low, high);
                    _mm256_storeu_ps(to.add((4 + c) * to_row), second);
                }
            }
        }
    }

    impl Wide for Avx512 {
        const WIDTH: usize = 4;

        #[inline(always)]
        unsafe fn load_first(from: *const f32, n: usize, beyond: f32) -> __m512 {
            call!(_mm512_mask_loadu_ps(_mm512_set1_ps(beyond), mask16(n), from))
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, n: usize, value: __m512) {
            call!(_mm512_mask_storeu_ps(to, mask16(n), value))
        }
        #[inline(always)]
        unsafe fn partner<const STEP: usize>(value: __m512) -> __m512 {
            match STEP {
                8 => call!(_mm512_shuffle_f32x4::<0x4e>(value, value)),
                4 => call!(_mm512_shuffle_f32x4::<0xb1>(value, value)),
                2 => call!(_mm512_permute_ps::<0x4e>(value)),
                1 => call!(_mm512_permute_ps::<0xb1>(value)),
                _ => unreachable!("a vector has no such partners"),
            }
        }
        #[inline(always)]
        unsafe fn first(value: __m512) -> f32 {
            call!(_mm512_cvtss_f32(value))
        }
        #[inline(always)]
        unsafe fn sums(v: &[__m512; MOST_LANES]) -> __m512 {
            macro_rules! singles {
                ($a:expr, $b:expr) => {
                    _mm512_add_ps(_mm512_unpacklo_ps($a, $b), _mm512_unpackhi_ps($a, $b))
                };
            }
            macro_rules! pairs {
                ($a:expr, $b:expr) => {{
                    let (a, b) = (_mm512_castps_pd($a), _mm512_castps_pd($b));
                    let (low, high) = (_mm512_unpacklo_pd(a, b), _mm512_unpackhi_pd(a, b));
                    _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high))
                }};
            }
            macro_rules! quarters {
                ($a:expr, $b:expr) => {{
                    let (a, b) = ($a, $b);
                    let even = _mm512_shuffle_f32x4::<0x88>(a, b);
                    _mm512_add_ps(even, _mm512_shuffle_f32x4::<0xdd>(a, b))
                }};
            }
            call! {
                let a = pairs!(singles!(v[0], v[1]), singles!(v[2], v[3]));
                let b = pairs!(singles!(v[4], v[5]), singles!(v[6], v[7]));
                let c = pairs!(singles!(v[8], v[9]), singles!(v[10], v[11]));
                let d = pairs!(singles!(v[12], v[13]), singles!(v[14], v[15]));
                quarters!(quarters!(a, b), quarters!(c, d))
            }
        }
        #[inline(always)]
        unsafe fn turn(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
            call! {
                // After this, quarter l of u[4 g + c] is element 4 l + c of the rows 4 g to 4 g + 3.
                let mut u = [_mm512_setzero_ps(); 16];
                for g in 0..4 {
                    let at = from.add(4 * g * from_row);
                    let a = _mm512_loadu_ps(at);
                    let b = _mm512_loadu_ps(at.add(from_row));
                    let c = _mm512_loadu_ps(at.add(2 * from_row));
                    let d = _mm512_loadu_ps(at.add(3 * from_row));
                    let ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                    let ab_high = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                    let cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                    let cd_high = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                    u[4 * g] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                    u[4 * g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                    u[4 * g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab_high, cd_high));
                    u[4 * g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab_high, cd_high));
                }
                for c in 0..4 {
                    let even = _mm512_shuffle_f32x4::<0x88>(u[c], u[4 + c]);
                    let odd = _mm512_shuffle_f32x4::<0xdd>(u[c], u[4 + c]);
                    let even_high = _mm512_shuffle_f32x4::<0x88>(u[8 + c], u[12 + c]);
                    let odd_high = _mm512_shuffle_f32x4::<0xdd>(u[8 + c], u[12 + c]);
                    let row = |it: usize| to.add((4 * it + c) * to_row);
                    _mm512_storeu_ps(row(0), _mm512_shuffle_f32x4::<0x88>(even, even_high));
                    _mm512_storeu_ps(row(1), _mm512_shuffle_f32x4::<0x88>(odd, odd_high));
                    _mm512_storeu_ps(row(2), _mm512_shuffle_f32x4::<0xdd>(even, even_high));
                    _mm512_storeu_ps(row(3), _mm512_shuffle_f32x4::<0xdd>(odd, odd_high));
                }
            }
        }
    }
}
