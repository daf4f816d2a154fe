//! Vectors of AVX2 with FMA and of AVX-512.

use std::arch::x86_64::*;

use super::simd::{Simd, Work};

/// 8 elements; needs `avx2` and `fma`.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// 16 elements; needs `avx512f` and `avx512dq`.
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
    /// Ones in the lanes that are meant, and whether these are all.
    type Mask = (__m256i, bool);

    #[inline(always)]
    unsafe fn apart<W: Work>(work: W) {
        #[target_feature(enable = "avx2,fma")]
        #[inline(never)]
        unsafe fn with_features<W: Work>(work: W) {
            call!(work.run())
        }
        call!(with_features(work))
    }
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
    unsafe fn mask(n: usize) -> (__m256i, bool) {
        call! {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            (_mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lanes), n == 8)
        }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: (__m256i, bool)) -> __m256 {
        call!(_mm256_maskload_ps(from, mask.0))
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, value: __m256, mask: (__m256i, bool)) {
        // A store with a mask takes many times as long as one without.
        if mask.1 {
            call!(_mm256_storeu_ps(to, value))
        } else {
            call!(_mm256_maskstore_ps(to, mask.0, value))
        }
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
    unsafe fn fms(a: __m256, b: __m256, c: __m256) -> __m256 {
        call!(_mm256_fmsub_ps(a, b, c))
    }
    #[inline(always)]
    unsafe fn fnma(a: __m256, b: __m256, c: __m256) -> __m256 {
        call!(_mm256_fnmadd_ps(a, b, c))
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
    unsafe fn any_less(a: __m256, b: __m256) -> bool {
        call!(_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) != 0)
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
    type Mask = __mmask16;

    #[inline(always)]
    unsafe fn apart<W: Work>(work: W) {
        #[target_feature(enable = "avx512f,avx512dq")]
        #[inline(never)]
        unsafe fn with_features<W: Work>(work: W) {
            call!(work.run())
        }
        call!(with_features(work))
    }
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
    unsafe fn mask(n: usize) -> __mmask16 {
        ((1u32 << n) - 1) as __mmask16
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: __mmask16) -> __m512 {
        call!(_mm512_maskz_loadu_ps(mask, from))
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, value: __m512, mask: __mmask16) {
        call!(_mm512_mask_storeu_ps(to, mask, value))
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
    unsafe fn fms(a: __m512, b: __m512, c: __m512) -> __m512 {
        call!(_mm512_fmsub_ps(a, b, c))
    }
    #[inline(always)]
    unsafe fn fnma(a: __m512, b: __m512, c: __m512) -> __m512 {
        call!(_mm512_fnmadd_ps(a, b, c))
    }
    #[inline(always)]
    unsafe fn estimate_reciprocal(a: __m512) -> __m512 {
        call!(_mm512_rcp14_ps(a))
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
    unsafe fn any_less(a: __m512, b: __m512) -> bool {
        call!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) != 0)
    }
    #[inline(always)]
    unsafe fn any_power_of_two(n: __m512) -> __m512 {
        call!(_mm512_scalef_ps(_mm512_set1_ps(1.0), n))
    }
    #[inline(always)]
    unsafe fn scale(y: __m512, n: __m512) -> __m512 {
        call!(_mm512_scalef_ps(y, n))
    }
    #[inline(always)]
    unsafe fn split(a: __m512) -> (__m512, __m512) {
        call! {
            let m = _mm512_getmant_ps::<_MM_MANT_NORM_P75_1P5, _MM_MANT_SIGN_NAN>(a);
            // The exponent of m is -1 below 1, where that of a is one too small.
            let n = _mm512_sub_ps(_mm512_getexp_ps(a), _mm512_getexp_ps(m));
            // -0 has the digit of 1 with its sign.
            let size = _mm512_castsi512_ps(_mm512_set1_epi32(0x7fff_ffff));
            (n, _mm512_and_ps(m, size))
        }
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
