//! Elementwise operators on vectors: one loop each, generic over the processor.

use super::math;
use super::several::Several;
use super::simd::{MOST_LANES, Simd, Work};
use super::strip::LaneOp;
use crate::ir::Pointwise;
use std::marker::PhantomData;

/// Lays out the vectors of a block: three loops, one in the other, and the lanes of each vector that are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    /// The iterations of each loop, the innermost last.
    pub counts: [usize; 3],
    /// The lanes of a vector that are read and written.
    pub lanes: usize,
}

/// An operand or a result of a block: its first element, and the distance of each loop per iteration; 0
/// where a vector is read again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    pub at: *mut f32,
    pub steps: [usize; 3],
}

/// Computes a vector of results from a vector of each operand.
trait Body<S: Simd, const N: usize> {
    /// # Safety
    ///
    /// The processor has what S needs.
    unsafe fn of(args: [S::V; N]) -> S::V;
}

/// A body over a grid, U vectors at a time. The operands whose bit is set in `SAME` are one vector,
/// read once. What is promised is as for [`apply`].
struct Sweep<'a, S, B, const N: usize, const U: usize, const SAME: usize> {
    grid: &'a Grid,
    args: *const Lane,
    to: &'a Lane,
    of: PhantomData<(S, B)>,
}

impl<S, B, const N: usize, const U: usize, const SAME: usize> Work for Sweep<'_, S, B, N, U, SAME>
where
    S: Simd,
    B: Body<S, N> + Body<Several<S, U>, N>,
{
    #[inline(always)]
    unsafe fn run(self) {
        // Copies, which no result can meet: the compiler keeps them where it is quickest.
        let [outermost, middle, inner] = self.grid.counts;
        let is_whole = self.grid.lanes == S::LANES;
        // SAFETY: the caller says that the operands of the operator are there.
        let args: [&Lane; N] = std::array::from_fn(|idx| unsafe { &*self.args.add(idx) });
        let to = self.to;
        let step: [usize; N] = std::array::from_fn(|idx| args[idx].steps[2]);
        let to_step = to.steps[2];
        // SAFETY: the caller says that the lanes of all vectors of the grid are there; no pointer
        // is read beyond the iterations of its loop.
        unsafe {
            let mask = S::mask(self.grid.lanes);
            let mut same = [S::splat(0.0); N];
            for idx in 0..N {
                if SAME >> idx & 1 == 1 {
                    same[idx] = S::load(args[idx].at);
                }
            }
            for first in 0..outermost {
                for second in 0..middle {
                    let begin = |lane: &Lane| {
                        lane.at.wrapping_add(first * lane.steps[0] + second * lane.steps[1])
                    };
                    let mut from: [*mut f32; N] = std::array::from_fn(|idx| begin(args[idx]));
                    let mut result = begin(to);
                    let mut left = inner;
                    while left >= U && is_whole {
                        let mut given = same.map(|it| [it; U]);
                        for idx in 0..N {
                            if SAME >> idx & 1 == 0 {
                                for (turn, value) in given[idx].iter_mut().enumerate() {
                                    *value = S::load(from[idx].wrapping_add(turn * step[idx]));
                                }
                            }
                        }
                        let values = <B as Body<Several<S, U>, N>>::of(given);
                        for (turn, value) in values.into_iter().enumerate() {
                            S::store(result.wrapping_add(turn * to_step), value);
                        }
                        for idx in 0..N {
                            from[idx] = from[idx].wrapping_add(U * step[idx]);
                        }
                        result = result.wrapping_add(U * to_step);
                        left -= U;
                    }
                    for _ in 0..left {
                        let mut given = same;
                        for idx in 0..N {
                            if SAME >> idx & 1 == 0 {
                                given[idx] = S::load_part(from[idx], mask);
                                from[idx] = from[idx].wrapping_add(step[idx]);
                            }
                        }
                        S::store_part(result, <B as Body<S, N>>::of(given), mask);
                        result = result.wrapping_add(to_step);
                    }
                }
            }
        }
    }
}

/// 1 or 0 by a comparison.
macro_rules! truth {
    ($compare:path, $a:expr, $b:expr) => {
        $compare($a, $b, S::splat(1.0), S::splat(0.0))
    };
}

/// Applies an operator to the vectors of a grid. `number` is the position of an operand that is the
/// same vector everywhere, for operators that often have one.
///
/// # Safety
///
/// The processor must have what S needs. There are as many operands as the operator takes;
/// operands and result are where the grid and their steps
/// lead, as many lanes as the grid says; those with no steps are a whole vector. A result is one of
/// the operands or meets none.
#[inline(always)]
pub(super) unsafe fn apply<S: Simd>(
    op: LaneOp,
    number: Option<u8>,
    grid: &Grid,
    args: *const Lane,
    to: &Lane,
) {
    macro_rules! body {
        ($unroll:literal, $count:literal, $same:expr, [$($arg:ident),+], $value:expr) => {{
            struct It;
            impl<S: Simd> Body<S, $count> for It {
                #[inline(always)]
                #[allow(unused_unsafe, reason = "one body does nothing")]
                unsafe fn of([$($arg),+]: [S::V; $count]) -> S::V {
                    // SAFETY: the caller knows the processor.
                    unsafe { $value }
                }
            }
            // SAFETY: the caller's promise.
            unsafe {
                let of = PhantomData;
                S::apart(Sweep::<S, It, $count, $unroll, { $same }> { grid, args, to, of })
            }
        }};
    }
    // Few operations; of one, two, three or four operands.
    macro_rules! few {
        (|$a:ident| $value:expr) => {
            body!(4, 1, 0, [$a], $value)
        };
        (|$a:ident, $b:ident| $value:expr) => {
            body!(4, 2, 0, [$a, $b], $value)
        };
        (|$a:ident, $b:ident, $c:ident| $value:expr) => {
            body!(4, 3, 0, [$a, $b, $c], $value)
        };
        (|$a:ident, $b:ident, $c:ident, $d:ident| $value:expr) => {
            body!(4, 4, 0, [$a, $b, $c, $d], $value)
        };
    }
    // The same, where one operand is often a number.
    macro_rules! with_number {
        (|$a:ident, $b:ident| $value:expr) => {
            if number == Some(0) {
                body!(4, 2, 1, [$a, $b], $value)
            } else if number == Some(1) {
                body!(4, 2, 2, [$a, $b], $value)
            } else {
                body!(4, 2, 0, [$a, $b], $value)
            }
        };
    }
    // Many operations.
    macro_rules! many {
        (|$a:ident| $value:expr) => {
            body!(4, 1, 0, [$a], $value)
        };
        (|$a:ident, $b:ident| $value:expr) => {
            body!(4, 2, 0, [$a, $b], $value)
        };
        (|$a:ident, $b:ident, $c:ident| $value:expr) => {
            body!(4, 3, 0, [$a, $b, $c], $value)
        };
    }
    match op {
        LaneOp::MultiplyAdd => few!(|a, b, c| S::fma(a, b, c)),
        LaneOp::MultiplySubtract => few!(|a, b, c| S::fms(a, b, c)),
        LaneOp::SubtractProduct => few!(|a, b, c| S::fnma(a, b, c)),
        LaneOp::SumOfProducts => few!(|a, b, c, d| S::fma(a, b, S::mul(c, d))),
        LaneOp::DifferenceOfProducts => few!(|a, b, c, d| S::fms(a, b, S::mul(c, d))),
        LaneOp::Mix => {
            few!(|a, b, c| S::fma(S::sub(S::splat(1.0), a), c, S::mul(a, b)))
        }
        LaneOp::Toward => few!(|a, b, c| S::fma(b, S::sub(c, a), a)),
        LaneOp::Sum => few!(|a, b, c| S::add(S::add(a, b), c)),
        LaneOp::SigmoidSlope => few!(|g, y| S::mul(g, S::fnma(y, y, y))),
        LaneOp::TanhSlope => few!(|g, y| S::mul(g, S::fnma(y, y, S::splat(1.0)))),
        LaneOp::SigmoidSlopeOfProduct => {
            few!(|a, b, y| S::mul(S::mul(a, b), S::fnma(y, y, y)))
        }
        LaneOp::TanhSlopeOfProduct => {
            few!(|a, b, y| S::mul(S::mul(a, b), S::fnma(y, y, S::splat(1.0))))
        }
        LaneOp::SigmoidOfSum => many!(|a, b| math::sigmoid::<S>(S::add(a, b))),
        LaneOp::SigmoidOfSum3 => {
            many!(|a, b, c| math::sigmoid::<S>(S::add(S::add(a, b), c)))
        }
        LaneOp::TanhOfSum => many!(|a, b| math::tanh::<S>(S::add(a, b))),
        LaneOp::TanhOfSum3 => many!(|a, b, c| math::tanh::<S>(S::add(S::add(a, b), c))),
        LaneOp::TimesTanh => many!(|a, b| S::mul(a, math::tanh::<S>(b))),
        LaneOp::Map(op) => match op {
            Pointwise::Add => with_number!(|a, b| S::add(a, b)),
            Pointwise::Sub => with_number!(|a, b| S::sub(a, b)),
            Pointwise::Mul => with_number!(|a, b| S::mul(a, b)),
            Pointwise::Div => with_number!(|a, b| S::div(a, b)),
            Pointwise::Pow => many!(|a, b| by_number::<S>(f32::powf, a, b)),
            Pointwise::Neg => few!(|v| math::neg::<S>(v)),
            Pointwise::Less => few!(|a, b| truth!(S::if_less, a, b)),
            Pointwise::LessEqual => few!(|a, b| truth!(S::if_less_equal, a, b)),
            Pointwise::Greater => few!(|a, b| truth!(S::if_less, b, a)),
            Pointwise::GreaterEqual => few!(|a, b| truth!(S::if_less_equal, b, a)),
            Pointwise::Equal => few!(|a, b| truth!(S::if_equal, a, b)),
            Pointwise::NotEqual => {
                few!(|a, b| S::if_equal(a, b, S::splat(0.0), S::splat(1.0)))
            }
            Pointwise::Where => few!(|cond, a, b| S::if_equal(cond, S::splat(0.0), b, a)),
            Pointwise::Exp => many!(|v| math::exp::<S>(v)),
            Pointwise::Log => many!(|v| math::log::<S>(v)),
            Pointwise::Log1p => many!(|v| math::log1p::<S>(v)),
            Pointwise::Expm1 => many!(|v| math::expm1::<S>(v)),
            Pointwise::Sqrt => few!(|v| S::sqrt(v)),
            Pointwise::Rsqrt => few!(|v| S::div(S::splat(1.0), S::sqrt(v))),
            Pointwise::Abs => few!(|v| math::abs::<S>(v)),
            Pointwise::Sign => few!(|v| math::sign::<S>(v)),
            Pointwise::Floor => few!(|v| S::floor(v)),
            Pointwise::Ceil => few!(|v| math::neg::<S>(S::floor(math::neg::<S>(v)))),
            Pointwise::Round => few!(|v| S::round(v)),
            Pointwise::Sin => many!(|v| math::sin::<S>(v)),
            Pointwise::Cos => many!(|v| math::cos::<S>(v)),
            Pointwise::Erf => many!(|v| math::erf::<S>(v)),
            Pointwise::Square => few!(|v| S::mul(v, v)),
            Pointwise::Mod => few!(|a, b| math::modulo::<S>(a, b)),
            Pointwise::Max => few!(|a, b| S::if_equal(b, b, S::if_less(a, b, b, a), b)),
            Pointwise::Min => few!(|a, b| S::if_equal(b, b, S::if_less(b, a, b, a), b)),
            Pointwise::Clamp => few!(|v, lo, hi| S::min(hi, S::max(lo, v))),
            Pointwise::LogAddExp => many!(|a, b| math::log_add_exp::<S>(a, b)),
            Pointwise::Sigmoid => many!(|v| math::sigmoid::<S>(v)),
            Pointwise::Tanh => many!(|v| math::tanh::<S>(v)),
            Pointwise::Relu => few!(|v| S::if_less(v, S::splat(0.0), S::splat(0.0), v)),
            Pointwise::Selu => many!(|v| math::selu::<S>(v)),
            Pointwise::Gelu => many!(|v| math::gelu::<S>(v)),
            Pointwise::GeluTanh => many!(|v| math::gelu_tanh::<S>(v)),
            Pointwise::Silu => many!(|v| S::mul(v, math::sigmoid::<S>(v))),
            Pointwise::Softplus => many!(|v| math::softplus::<S>(v)),
            Pointwise::Softsign => {
                few!(|v| S::div(v, S::add(S::splat(1.0), math::abs::<S>(v))))
            }
            Pointwise::LogSigmoid => {
                many!(|v| math::neg::<S>(math::softplus::<S>(math::neg::<S>(v))))
            }
            Pointwise::HardTanh => few!(|v| S::min(S::splat(1.0), S::max(S::splat(-1.0), v))),
            Pointwise::Identity => few!(|v| v),
            Pointwise::Step => few!(|v| truth!(S::if_less, S::splat(0.0), v)),
            Pointwise::LecunTanh => many!(|v| {
                let y = math::tanh::<S>(S::mul(v, S::splat(2.0 / 3.0)));
                S::mul(S::splat(1.7159), y)
            }),
            Pointwise::Softcap => {
                many!(|v, limit| {
                    let capped = S::mul(limit, math::tanh::<S>(S::div(v, limit)));
                    S::if_less(limit, S::splat(f32::INFINITY), capped, v)
                })
            }
            Pointwise::LeakyRelu => {
                few!(|v, slope| S::if_less(S::splat(0.0), v, v, S::mul(slope, v)))
            }
            Pointwise::Elu => many!(|v, alpha| math::elu::<S>(v, alpha)),
            Pointwise::Isru => few!(|v, alpha| {
                let inner = S::fma(S::mul(alpha, v), v, S::splat(1.0));
                S::div(v, S::sqrt(inner))
            }),
            Pointwise::Isrlu => few!(|v, alpha| math::isrlu::<S>(v, alpha)),
            Pointwise::HardSigmoid => few!(|v, slope, offset| {
                let line = S::add(S::mul(slope, v), offset);
                S::min(S::splat(1.0), S::max(S::splat(0.0), line))
            }),
        },
    }
}

/// Returns an operator without a vector form, element by element.
#[inline(always)]
unsafe fn by_number<S: Simd>(f: fn(f32, f32) -> f32, a: S::V, b: S::V) -> S::V {
    // SAFETY: the caller knows the processor; no vector is longer than the arrays.
    unsafe {
        let (mut x, mut y) = ([0.0f32; MOST_LANES], [0.0f32; MOST_LANES]);
        S::store(x.as_mut_ptr(), a);
        S::store(y.as_mut_ptr(), b);
        for (x, y) in x.iter_mut().zip(&y).take(S::LANES) {
            *x = f(*x, *y);
        }
        S::load(x.as_ptr())
    }
}
