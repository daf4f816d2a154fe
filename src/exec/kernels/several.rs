//! Several vectors as one, their operations side by side.
//!
//! What follows one vector through a function waits for each operation before it begins the next. A
//! processor overlaps vectors only as far as it looks ahead, which is less than a function is long;
//! written side by side they overlap at once.

use std::marker::PhantomData;

use super::simd::{Simd, Work};

/// N vectors of S.
#[derive(Clone, Copy)]
pub(super) struct Several<S, const N: usize>(PhantomData<S>);

// SAFETY of every block below: the trait's contract is that of S, N times over.
macro_rules! each {
    ($idx:ident, $value:expr) => {
        // SAFETY: see above.
        unsafe {
            let mut result = [S::splat(0.0); N];
            let mut $idx = 0;
            while $idx < N {
                result[$idx] = $value;
                $idx += 1;
            }
            result
        }
    };
}

macro_rules! by_vector {
    ($($name:ident($($arg:ident),+);)*) => {
        $(#[inline(always)]
        unsafe fn $name($($arg: Self::V),+) -> Self::V {
            each!(idx, S::$name($($arg[idx]),+))
        })*
    };
}

impl<S: Simd, const N: usize> Simd for Several<S, N> {
    const LANES: usize = N * S::LANES;
    type V = [S::V; N];
    type Mask = [S::Mask; N];

    #[inline(always)]
    unsafe fn apart<W: Work>(work: W) {
        // SAFETY: the caller's promise.
        unsafe { S::apart(work) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { [S::splat(value); N] }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        each!(idx, S::load(from.wrapping_add(idx * S::LANES)))
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::V) {
        for (idx, value) in value.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { S::store(to.wrapping_add(idx * S::LANES), value) }
        }
    }
    #[inline(always)]
    unsafe fn mask(n: usize) -> Self::Mask {
        // SAFETY: the caller's promise.
        unsafe {
            let mut masks = [S::mask(0); N];
            for (idx, mask) in masks.iter_mut().enumerate() {
                *mask = S::mask(n.saturating_sub(idx * S::LANES).min(S::LANES));
            }
            masks
        }
    }
    #[inline(always)]
    unsafe fn load_part(from: *const f32, mask: Self::Mask) -> Self::V {
        each!(idx, S::load_part(from.wrapping_add(idx * S::LANES), mask[idx]))
    }
    #[inline(always)]
    unsafe fn store_part(to: *mut f32, value: Self::V, mask: Self::Mask) {
        for (idx, value) in value.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { S::store_part(to.wrapping_add(idx * S::LANES), value, mask[idx]) }
        }
    }
    by_vector! {
        add(a, b);
        sub(a, b);
        mul(a, b);
        div(a, b);
        fma(a, b, c);
        fms(a, b, c);
        fnma(a, b, c);
        fma_exact(a, b, c);
        fnma_exact(a, b, c);
        estimate_reciprocal(a);
        max(a, b);
        min(a, b);
        sqrt(a);
        round(a);
        floor(a);
        and(a, b);
        or(a, b);
        xor(a, b);
        if_less(a, b, yes, no);
        if_less_equal(a, b, yes, no);
        if_equal(a, b, yes, no);
        power_of_two(n);
        any_power_of_two(n);
        scale(y, n);
        exponent(a);
    }
    #[inline(always)]
    unsafe fn any_less(a: Self::V, b: Self::V) -> bool {
        // SAFETY: the caller's promise.
        (0..N).any(|idx| unsafe { S::any_less(a[idx], b[idx]) })
    }
    #[inline(always)]
    unsafe fn split(a: Self::V) -> (Self::V, Self::V) {
        // SAFETY: the caller's promise.
        unsafe {
            let (mut n, mut m) = (a, a);
            for idx in 0..N {
                (n[idx], m[idx]) = S::split(a[idx]);
            }
            (n, m)
        }
    }
}
