//! The fast engine's inner loops, for f32: the only place with `unsafe`.
//!
//! A kernel is one text over [`simd::Simd`], compiled for AVX-512, for AVX2 with FMA and for any
//! processor; [`Path`] says which is run and is chosen once. On one path the same operands give the
//! same bits, however rows are divided among calls.

#![allow(unsafe_code, reason = "vectors and raw rows; nowhere else in the crate")]

mod lanes;
mod math;
mod product;
mod several;
mod simd;
mod strip;
mod team;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use product::{Added, Packed, Results, Rows};
pub use strip::{
    Instruction, Kind, LaneOp, MOST_REGISTERS, Operand, RawStream, RawStrip, Stream, Strip, Target,
};
pub use team::Team;

/// Which instructions the kernels use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Path {
    /// Vectors of 16.
    Avx512,
    /// Vectors of 8, multiplication and addition in one.
    Avx2,
    /// What every processor has.
    Portable,
}

impl Path {
    /// The paths that this processor can run, the fastest first.
    pub fn available() -> Vec<Path> {
        let mut paths = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                paths.push(Path::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                paths.push(Path::Avx2);
            }
        }
        paths.push(Path::Portable);
        paths
    }

    /// The fastest path of this processor.
    pub fn best() -> Path {
        Path::available()[0]
    }

    /// Its name, for reports.
    pub fn name(self) -> &'static str {
        match self {
            Path::Avx512 => "avx512",
            Path::Avx2 => "avx2",
            Path::Portable => "portable",
        }
    }

    /// How many numbers a vector holds.
    pub fn lanes(self) -> usize {
        match self {
            Path::Avx512 => 16,
            Path::Avx2 | Path::Portable => 8,
        }
    }
}

/// Compiles the kernels for a kind of vector, in functions that have its features switched on.
macro_rules! compiled {
    ($module:ident, $simd:ty, $vectors:literal by $rows:literal, $(#[$feature:meta])?) => {
        mod $module {
            use super::{product, strip};

            impl product::Tiles for $simd {
                const VECTORS: usize = $vectors;
                const ROWS: usize = $rows;
            }

            pub fn width() -> usize {
                product::width::<$simd>()
            }

            pub fn packed_len(k: usize, n: usize) -> usize {
                product::packed_len::<$simd>(k, n)
            }

            pub fn pack(
                k: usize,
                n: usize,
                element: impl Fn(usize, usize) -> f32,
                packed: &mut [f32],
            ) {
                product::pack::<$simd>(k, n, element, packed);
            }

            /// # Safety
            /// As for the kernel; the processor has the features.
            $(#[$feature])?
            pub unsafe fn product(
                size: (usize, usize, usize),
                rows: product::RawRows,
                packed: *const f32,
                results: product::RawResults,
            ) {
                // SAFETY: the caller's promise.
                unsafe { product::product::<$simd>(size, rows, packed, results) }
            }

            /// # Safety
            /// As for the kernel; the processor has the features.
            $(#[$feature])?
            pub unsafe fn strip(it: &strip::Strip, over: &strip::RawStrip<'_>) {
                // SAFETY: the caller's promise.
                unsafe { strip::run::<$simd>(it, over) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(avx512, crate::exec::kernels::x86::Avx512, 3 by 8, #[target_feature(enable = "avx512f,avx512dq")]);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, crate::exec::kernels::x86::Avx2, 2 by 6, #[target_feature(enable = "avx2,fma")]);
compiled!(portable, crate::exec::kernels::simd::Portable, 2 by 2,);

/// Calls a kernel of the path; the processor was asked when the path was made.
macro_rules! on_path {
    ($path:expr, $kernel:ident($($arg:expr),*)) => {
        match $path {
            #[cfg(target_arch = "x86_64")]
            $crate::exec::kernels::Path::Avx512 => $crate::exec::kernels::avx512::$kernel($($arg),*),
            #[cfg(target_arch = "x86_64")]
            $crate::exec::kernels::Path::Avx2 => $crate::exec::kernels::avx2::$kernel($($arg),*),
            #[cfg(not(target_arch = "x86_64"))]
            $crate::exec::kernels::Path::Avx512 | $crate::exec::kernels::Path::Avx2 => {
                unreachable!("such a path is not made on this processor")
            }
            $crate::exec::kernels::Path::Portable => $crate::exec::kernels::portable::$kernel($($arg),*),
        }
    };
}
use on_path;
