//! The fast engine's inner loops, for f32: the only place with `unsafe`.
//!
//! A kernel is one text over [`simd::Simd`], compiled for AVX-512, for AVX2 with FMA and for any
//! processor; [`Path`] says which is run and is chosen once. On one path the same operands give the
//! same bits, however rows are divided among calls.

#![allow(unsafe_code, reason = "vectors and raw rows; nowhere else in the crate")]

mod lanes;
pub mod machine;
mod math;
mod product;
mod rowop;
mod several;
mod simd;
mod strip;
mod team;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use product::{Matrix, Packed};
pub use rowop::RowOp;
#[cfg(test)]
pub use strip::Stream;
pub use strip::{Instruction, Kind, LaneOp, MOST_REGISTERS, Operand, Strip, Target};
pub use team::{Part, Team};

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
    ($module:ident, $simd:ty, $(#[$feature:meta])?) => {
        mod $module {
            use super::product::{RawResults, RawRows};
            use super::rowop::plans::{Along, Contraction, Indexed, Lines, Moves};
            use super::{rowop, strip};
            use crate::ir::Reduction;

            /// # Safety
            /// The processor has the features.
            $(#[$feature])?
            pub unsafe fn plain<R>(work: impl FnOnce() -> R) -> R {
                work()
            }

            /// # Safety
            /// As for the kernel; the processor has the features.
            $(#[$feature])?
            pub unsafe fn strip(it: &strip::Strip, over: &strip::RawStrip<'_>) {
                // SAFETY: the caller's promise.
                unsafe { strip::run::<$simd>(it, over) }
            }

            /// # Safety
            /// As for the operator; the processor has the features.
            $(#[$feature])?
            pub unsafe fn row_moves(
                moves: &Moves,
                rows: usize,
                args: &[RawRows],
                to: RawResults,
            ) {
                // SAFETY: the caller's promise.
                unsafe { rowop::run_moves::<$simd>(moves, rows, args, to) }
            }

            /// # Safety
            /// As for the operator; the processor has the features.
            $(#[$feature])?
            pub unsafe fn row_indexed(
                what: Indexed,
                rows: usize,
                args: &[RawRows],
                to: RawResults,
            ) {
                // SAFETY: the caller's promise.
                unsafe { rowop::run_indexed::<$simd>(what, rows, args, to) }
            }

            /// # Safety
            /// As for the operator; the processor has the features.
            $(#[$feature])?
            pub unsafe fn row_reduce(
                what: Reduction,
                lines: &Lines,
                rows: usize,
                arg: RawRows,
                to: RawResults,
            ) {
                // SAFETY: the caller's promise.
                unsafe { rowop::run_reduce::<$simd>(what, lines, rows, arg, to) }
            }

            /// # Safety
            /// As for the operator; the processor has the features.
            $(#[$feature])?
            pub unsafe fn row_along(
                what: Along,
                lines: &Lines,
                rows: usize,
                arg: RawRows,
                to: RawResults,
            ) {
                // SAFETY: the caller's promise.
                unsafe { rowop::run_along::<$simd>(what, lines, rows, arg, to) }
            }

            /// # Safety
            /// As for the operator; the processor has the features.
            $(#[$feature])?
            pub unsafe fn row_contract(
                plan: &Contraction,
                rows: usize,
                args: &[RawRows],
                to: RawResults,
                scratch: *mut f32,
            ) {
                // SAFETY: the caller's promise.
                unsafe { rowop::run_contract::<$simd>(plan, rows, args, to, scratch) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
compiled!(avx512, crate::exec::kernels::x86::Avx512, #[target_feature(enable = "avx512f,avx512dq")]);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, crate::exec::kernels::x86::Avx2, #[target_feature(enable = "avx2,fma")]);
compiled!(portable, crate::exec::kernels::simd::Portable,);

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

/// Does something in a function that is compiled for the vectors of a path: the compiler makes plain loops over slices use them. Their
/// results are the same bits on each, for nothing is reordered. The work must be `#[inline(always)]`.
pub fn on_vectors<R>(path: Path, work: impl FnOnce() -> R) -> R {
    // SAFETY: a path is only made for a processor that has its features.
    unsafe { on_path!(path, plain(work)) }
}
