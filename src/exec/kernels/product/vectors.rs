//! Operations on vectors that products need beside arithmetic: partial loads and stores, transposition, prefetching; and the
//! kernels, compiled for each kind of vector.

use super::pack::{self, Block};
use super::tile::{self, Spot, Work};
use crate::exec::kernels::simd::{Portable, Simd};
#[cfg(target_arch = "x86_64")]
use crate::exec::kernels::x86::{Avx2, Avx512};

/// The most vectors that a panel is wide.
pub(super) const MOST_VECTORS: usize = 4;

/// A kind of vector with kernels compiled for it.
///
/// # Safety
///
/// As for [`Simd`]: a caller must know that the processor has the instructions, and that pointers
/// are valid.
pub(super) trait Tiles: Simd {
    /// The vectors of a panel's width.
    const VECTORS: usize;
    /// The most rows of a tile of 1, 2, .. vectors, so that sums, the panel's vectors and one element fit the registers. A narrow
    /// tile has more rows: its sums wait for each other.
    const ROWS: [usize; MOST_VECTORS];
    /// The elements of all panels that one row may pass at once.
    const PANELS: usize;

    /// Returns the first `count` elements, and zeros.
    unsafe fn load_first(from: *const f32, count: usize) -> Self::V;
    /// Writes the first `count` elements, and nothing beyond them.
    unsafe fn store_first(to: *mut f32, count: usize, value: Self::V);
    /// Prefetches the elements from here on into the L2 cache. Any address may be
    /// given.
    unsafe fn prefetch(at: *const f32);
    /// The same, into the L1 cache.
    unsafe fn prefetch_near(at: *const f32);
    /// Transposes the first [`Simd::LANES`] vectors.
    unsafe fn transpose(it: &mut [Self::V; 16]);

    /// [`tile::tile`].
    unsafe fn tile<const R: usize, const P: usize, const V: usize>(work: &Work<'_>, spot: &Spot);
    /// [`pack::copy`].
    unsafe fn copy(block: &Block);
    /// [`pack::turn`].
    unsafe fn turn(block: &Block);
    /// [`pack::add_rows`].
    unsafe fn add_rows(block: &Block);
}

/// Compiles the kernels in functions that have the vector's features switched on.
macro_rules! compiled {
    ($(#[$feature:meta])?) => {
        #[inline(always)]
        unsafe fn tile<const R: usize, const P: usize, const V: usize>(
            work: &Work<'_>,
            spot: &Spot,
        ) {
            $(#[$feature])?
            #[inline(never)]
            unsafe fn compiled<const R: usize, const P: usize, const V: usize>(
                work: &Work<'_>,
                spot: &Spot,
            ) {
                // SAFETY: the caller's promise.
                unsafe { tile::tile::<It, R, P, V>(work, spot) }
            }
            // SAFETY: the caller's promise.
            unsafe { compiled::<R, P, V>(work, spot) }
        }
        compiled!(copy, $(#[$feature])?);
        compiled!(turn, $(#[$feature])?);
        compiled!(add_rows, $(#[$feature])?);
    };
    ($kernel:ident, $(#[$feature:meta])?) => {
        #[inline(always)]
        unsafe fn $kernel(block: &Block) {
            $(#[$feature])?
            #[inline(never)]
            unsafe fn compiled(block: &Block) {
                // SAFETY: the caller's promise.
                unsafe { pack::$kernel::<It>(block) }
            }
            // SAFETY: the caller's promise.
            unsafe { compiled(block) }
        }
    };
}

// SAFETY of every block below: the trait's contract is that the caller knows the processor to have
// the features that the type names, and that pointers are valid.
macro_rules! call {
    ($($body:tt)*) => {
        // SAFETY: see above.
        unsafe { $($body)* }
    };
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use super::*;

    type It = Avx512;

    fn mask(count: usize) -> __mmask16 {
        ((1u32 << count) - 1) as __mmask16
    }

    impl Tiles for Avx512 {
        const VECTORS: usize = 4;
        const ROWS: [usize; MOST_VECTORS] = [12, 12, 8, 6];
        const PANELS: usize = 4;

        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> __m512 {
            call!(_mm512_maskz_loadu_ps(mask(count), from))
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, count: usize, value: __m512) {
            call!(_mm512_mask_storeu_ps(to, mask(count), value))
        }
        #[inline(always)]
        unsafe fn prefetch(at: *const f32) {
            call!(_mm_prefetch::<_MM_HINT_T1>(at.cast()))
        }
        #[inline(always)]
        unsafe fn prefetch_near(at: *const f32) {
            call!(_mm_prefetch::<_MM_HINT_T0>(at.cast()))
        }
        #[inline(always)]
        unsafe fn transpose(it: &mut [__m512; 16]) {
            call! {
                // Of every four rows, quarters of 4 by 4; then the quarters of all rows.
                let mut quads = [_mm512_setzero_ps(); 16];
                for four in 0..4 {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|row| it[4 * four + row]);
                    let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
                    let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
                    quads[4 * four] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                    quads[4 * four + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                    let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
                    let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
                    quads[4 * four + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
                    quads[4 * four + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
                }
                for column in 0..4 {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|four| quads[4 * four + column]);
                    let (ab, cd) =
                        (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d));
                    it[column] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
                    it[4 + column] = _mm512_shuffle_f32x4::<0xdd>(ab, cd);
                    let (ab, cd) =
                        (_mm512_shuffle_f32x4::<0xee>(a, b), _mm512_shuffle_f32x4::<0xee>(c, d));
                    it[8 + column] = _mm512_shuffle_f32x4::<0x88>(ab, cd);
                    it[12 + column] = _mm512_shuffle_f32x4::<0xdd>(ab, cd);
                }
            }
        }

        compiled!(#[target_feature(enable = "avx512f,avx512dq")]);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::*;

    type It = Avx2;

    /// A window of this, from `8 - count` on, has `count` elements that are set.
    const MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    #[inline(always)]
    unsafe fn mask(count: usize) -> __m256i {
        let window: &[i32; 8] = MASKS[8 - count..16 - count].try_into().unwrap_or(&[0; 8]);
        call!(_mm256_loadu_si256(window.as_ptr().cast()))
    }

    impl Tiles for Avx2 {
        const VECTORS: usize = 2;
        const ROWS: [usize; MOST_VECTORS] = [12, 6, 0, 0];
        const PANELS: usize = 4;

        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> __m256 {
            call!(_mm256_maskload_ps(from, mask(count)))
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, count: usize, value: __m256) {
            call!(_mm256_maskstore_ps(to, mask(count), value))
        }
        #[inline(always)]
        unsafe fn prefetch(at: *const f32) {
            call!(_mm_prefetch::<_MM_HINT_T1>(at.cast()))
        }
        #[inline(always)]
        unsafe fn prefetch_near(at: *const f32) {
            call!(_mm_prefetch::<_MM_HINT_T0>(at.cast()))
        }
        #[inline(always)]
        unsafe fn transpose(it: &mut [__m256; 16]) {
            call! {
                let mut quads = [_mm256_setzero_ps(); 8];
                for four in 0..2 {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|row| it[4 * four + row]);
                    let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
                    let (ab, cd) = (_mm256_castps_pd(ab), _mm256_castps_pd(cd));
                    quads[4 * four] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
                    quads[4 * four + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
                    let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
                    let (ab, cd) = (_mm256_castps_pd(ab), _mm256_castps_pd(cd));
                    quads[4 * four + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd));
                    quads[4 * four + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd));
                }
                for column in 0..4 {
                    let (a, b) = (quads[column], quads[4 + column]);
                    it[column] = _mm256_permute2f128_ps::<0x20>(a, b);
                    it[4 + column] = _mm256_permute2f128_ps::<0x31>(a, b);
                }
            }
        }

        compiled!(#[target_feature(enable = "avx2,fma")]);
    }
}

mod portable {
    use super::*;

    type It = Portable;

    impl Tiles for Portable {
        const VECTORS: usize = 2;
        const ROWS: [usize; MOST_VECTORS] = [4, 2, 0, 0];
        const PANELS: usize = 1;

        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self::V {
            // SAFETY: the caller says that `count` elements are there.
            std::array::from_fn(|it| if it < count { unsafe { *from.add(it) } } else { 0.0 })
        }
        #[inline(always)]
        unsafe fn store_first(to: *mut f32, count: usize, value: Self::V) {
            // SAFETY: there is room for `count` elements.
            unsafe { std::ptr::copy_nonoverlapping(value.as_ptr(), to, count) }
        }
        #[inline(always)]
        unsafe fn prefetch(_: *const f32) {}
        #[inline(always)]
        unsafe fn prefetch_near(_: *const f32) {}
        #[inline(always)]
        unsafe fn transpose(it: &mut [Self::V; 16]) {
            let rows = *it;
            for (column, vector) in it[..Self::LANES].iter_mut().enumerate() {
                *vector = std::array::from_fn(|row| rows[row][column]);
            }
        }

        compiled!();
    }
}
