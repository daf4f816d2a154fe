//! Vectors of AVX2 with FMA and of AVX-512.

use std::arch::x86_64::*;

use super::simd::Simd;

/// 8 numbers; needs `avx2` and `fma`.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// 16 numbers; needs `avx512f` and `avx512dq`.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

// SAFETY of every block below: the trait's contract is that the caller knows the processor to have
// the features that the type names, and that pointers are valid for a whole vector.
macro_rules! call {
    ($($body:tt)*) => {
        // SAFETY: see above.
        unsafe { $($body)* }
    };
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    type V = __m256;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        call!(_mm256_set1_ps(value))
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        call!(_mm256_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m256) {
        call!(_mm256_storeu_ps(to, value))
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        call!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m256) -> __m256 {
        call!(_mm256_sqrt_ps(a))
    }
    #[inline(always)]
    unsafe fn round(a: __m256) -> __m256 {
        call!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    unsafe fn floor(a: __m256) -> __m256 {
        call!(_mm256_floor_ps(a))
    }
    #[inline(always)]
    unsafe fn and(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_and_ps(a, b))
    }
    #[inline(always)]
    unsafe fn or(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_or_ps(a, b))
    }
    #[inline(always)]
    unsafe fn xor(a: __m256, b: __m256) -> __m256 {
        call!(_mm256_xor_ps(a, b))
    }
    #[inline(always)]
    unsafe fn if_less(a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        call!(_mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)))
    }
    #[inline(always)]
    unsafe fn if_less_equal(a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        call!(_mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LE_OQ>(a, b)))
    }
    #[inline(always)]
    unsafe fn if_equal(a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        call!(_mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)))
    }
    #[inline(always)]
    unsafe fn power_of_two(n: __m256) -> __m256 {
        call! {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    unsafe fn exponent(a: __m256) -> __m256 {
        call! {
            let biased = _mm256_srli_epi32::<23>(_mm256_castps_si256(a));
            _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)))
        }
    }
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    type V = __m512;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        call!(_mm512_set1_ps(value))
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        call!(_mm512_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        call!(_mm512_storeu_ps(to, value))
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        call!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    unsafe fn sqrt(a: __m512) -> __m512 {
        call!(_mm512_sqrt_ps(a))
    }
    #[inline(always)]
    unsafe fn round(a: __m512) -> __m512 {
        call!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    unsafe fn floor(a: __m512) -> __m512 {
        call!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    unsafe fn and(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_and_ps(a, b))
    }
    #[inline(always)]
    unsafe fn or(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_or_ps(a, b))
    }
    #[inline(always)]
    unsafe fn xor(a: __m512, b: __m512) -> __m512 {
        call!(_mm512_xor_ps(a, b))
    }
    #[inline(always)]
    unsafe fn if_less(a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        call!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes))
    }
    #[inline(always)]
    unsafe fn if_less_equal(a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        call!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b), no, yes))
    }
    #[inline(always)]
    unsafe fn if_equal(a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        call!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), no, yes))
    }
    #[inline(always)]
    unsafe fn power_of_two(n: __m512) -> __m512 {
        call! {
            let biased = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        }
    }
    #[inline(always)]
    unsafe fn exponent(a: __m512) -> __m512 {
        call! {
            let biased = _mm512_srli_epi32::<23>(_mm512_castps_si512(a));
            _mm512_cvtepi32_ps(_mm512_sub_epi32(biased, _mm512_set1_epi32(127)))
        }
    }
}
