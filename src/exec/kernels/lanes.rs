//! Elementwise operators on vectors: one function each, generic over the processor. What has no
//! vector form here is computed number by number from the table.

use super::math;
use super::simd::Simd;
use crate::ir::Pointwise;

/// Calls a macro-like closure for an operator that has a vector form; the arms are the list of those.
/// `$one`, `$two`, `$three` receive the function by the number of its operands.
macro_rules! vector_form {
    ($op:expr, $one:ident, $two:ident, $three:ident, $none:expr) => {
        match $op {
            Pointwise::Add => $two!(|a, b| S::add(a, b)),
            Pointwise::Sub => $two!(|a, b| S::sub(a, b)),
            Pointwise::Mul => $two!(|a, b| S::mul(a, b)),
            Pointwise::Div => $two!(|a, b| S::div(a, b)),
            Pointwise::Neg => $one!(|v| math::neg::<S>(v)),
            Pointwise::Less => $two!(|a, b| truth!(S::if_less, a, b)),
            Pointwise::LessEqual => $two!(|a, b| truth!(S::if_less_equal, a, b)),
            Pointwise::Greater => $two!(|a, b| truth!(S::if_less, b, a)),
            Pointwise::GreaterEqual => $two!(|a, b| truth!(S::if_less_equal, b, a)),
            Pointwise::Equal => $two!(|a, b| truth!(S::if_equal, a, b)),
            Pointwise::NotEqual => {
                $two!(|a, b| S::if_equal(a, b, S::splat(0.0), S::splat(1.0)))
            }
            Pointwise::Where => $three!(|cond, a, b| S::if_equal(cond, S::splat(0.0), b, a)),
            Pointwise::Exp => $one!(|v| math::exp::<S>(v)),
            Pointwise::Log => $one!(|v| math::log::<S>(v)),
            Pointwise::Sqrt => $one!(|v| S::sqrt(v)),
            Pointwise::Rsqrt => $one!(|v| S::div(S::splat(1.0), S::sqrt(v))),
            Pointwise::Abs => $one!(|v| math::abs::<S>(v)),
            Pointwise::Floor => $one!(|v| S::floor(v)),
            Pointwise::Ceil => $one!(|v| math::neg::<S>(S::floor(math::neg::<S>(v)))),
            Pointwise::Round => $one!(|v| S::round(v)),
            Pointwise::Square => $one!(|v| S::mul(v, v)),
            Pointwise::Max => $two!(|a, b| S::if_equal(a, a, S::max(a, b), a)),
            Pointwise::Min => $two!(|a, b| S::if_equal(a, a, S::min(a, b), a)),
            Pointwise::Clamp => $three!(|v, lo, hi| S::min(hi, S::max(lo, v))),
            Pointwise::Sigmoid => $one!(|v| math::sigmoid::<S>(v)),
            Pointwise::Tanh => $one!(|v| math::tanh::<S>(v)),
            Pointwise::Relu => $one!(|v| S::if_less(v, S::splat(0.0), S::splat(0.0), v)),
            Pointwise::Silu => $one!(|v| S::mul(v, math::sigmoid::<S>(v))),
            Pointwise::Softplus => $one!(|v| math::softplus::<S>(v)),
            Pointwise::Softsign => {
                $one!(|v| S::div(v, S::add(S::splat(1.0), math::abs::<S>(v))))
            }
            Pointwise::LogSigmoid => {
                $one!(|v| math::neg::<S>(math::softplus::<S>(math::neg::<S>(v))))
            }
            Pointwise::HardTanh => {
                $one!(|v| S::min(S::splat(1.0), S::max(S::splat(-1.0), v)))
            }
            Pointwise::Identity => $one!(|v| v),
            Pointwise::Step => $one!(|v| truth!(S::if_less, S::splat(0.0), v)),
            Pointwise::LecunTanh => $one!(|v| {
                let y = math::tanh::<S>(S::mul(v, S::splat(2.0 / 3.0)));
                S::mul(S::splat(1.7159), y)
            }),
            Pointwise::LeakyRelu => {
                $two!(|v, slope| S::if_less(S::splat(0.0), v, v, S::mul(slope, v)))
            }
            Pointwise::Isru => $two!(|v, alpha| {
                let inner = S::fma(S::mul(alpha, v), v, S::splat(1.0));
                S::div(v, S::sqrt(inner))
            }),
            Pointwise::HardSigmoid => $three!(|v, slope, offset| {
                let line = S::add(S::mul(slope, v), offset);
                S::min(S::splat(1.0), S::max(S::splat(0.0), line))
            }),
            Pointwise::Pow
            | Pointwise::Log1p
            | Pointwise::Expm1
            | Pointwise::Sign
            | Pointwise::Sin
            | Pointwise::Cos
            | Pointwise::Erf
            | Pointwise::Mod
            | Pointwise::LogAddExp
            | Pointwise::Selu
            | Pointwise::Gelu
            | Pointwise::GeluTanh
            | Pointwise::Elu
            | Pointwise::Isrlu => $none,
        }
    };
}

/// 1 or 0 by a comparison.
macro_rules! truth {
    ($compare:path, $a:expr, $b:expr) => {
        $compare($a, $b, S::splat(1.0), S::splat(0.0))
    };
}

/// Where an operand of a strip stands: its first number, and how far the next one is, 0 for one that
/// is the same everywhere (a whole vector of it stands there).
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    pub at: *const f32,
    pub step: usize,
}

impl Lane {
    /// The operand from another element on.
    #[inline(always)]
    unsafe fn from(self, idx: usize) -> *const f32 {
        // SAFETY: the caller stays within the strip.
        unsafe { self.at.add(idx * self.step) }
    }
}

/// Applies an operator to `n` elements. A strip is padded: what stands between `n` and the next
/// multiple of [`Simd::LANES`] may be read and written, in operands and result.
///
/// # Safety
///
/// The processor must have what S needs, and all operands must be as long as said above; those
/// with step 0 hold a whole vector.
#[inline(always)]
pub(super) unsafe fn apply<S: Simd>(op: Pointwise, args: [Lane; 3], to: *mut f32, n: usize) {
    let [a, b, c] = args;
    // SAFETY: the caller's promise; every index is below the padded length.
    unsafe {
        macro_rules! one {
            (|$v:ident| $value:expr) => {
                for idx in (0..n).step_by(S::LANES) {
                    let $v = S::load(a.from(idx));
                    S::store(to.add(idx), $value);
                }
            };
        }
        macro_rules! two {
            (|$x:ident, $y:ident| $value:expr) => {
                for idx in (0..n).step_by(S::LANES) {
                    let ($x, $y) = (S::load(a.from(idx)), S::load(b.from(idx)));
                    S::store(to.add(idx), $value);
                }
            };
        }
        macro_rules! three {
            (|$x:ident, $y:ident, $z:ident| $value:expr) => {
                for idx in (0..n).step_by(S::LANES) {
                    let ($x, $y) = (S::load(a.from(idx)), S::load(b.from(idx)));
                    let $z = S::load(c.from(idx));
                    S::store(to.add(idx), $value);
                }
            };
        }
        vector_form!(op, one, two, three, by_number(op, args, to, n));
    }
}

/// a * b + c on `n` elements; see [`apply`].
///
/// # Safety
///
/// As for [`apply`].
#[inline(always)]
pub(super) unsafe fn multiply_add<S: Simd>(args: [Lane; 3], to: *mut f32, n: usize) {
    let [a, b, c] = args;
    // SAFETY: the caller's promise.
    unsafe {
        for idx in (0..n).step_by(S::LANES) {
            let (x, y, z) = (S::load(a.from(idx)), S::load(b.from(idx)), S::load(c.from(idx)));
            S::store(to.add(idx), S::fma(x, y, z));
        }
    }
}

/// An operator without a vector form.
#[inline(never)]
unsafe fn by_number(op: Pointwise, args: [Lane; 3], to: *mut f32, n: usize) {
    let arity = op.arity();
    let mut values = [0.0f32; 3];
    for idx in 0..n {
        // SAFETY: the caller's promise; only the operands that there are are read.
        unsafe {
            for (value, arg) in values.iter_mut().zip(&args[..arity]) {
                *value = *arg.from(idx);
            }
            *to.add(idx) = op.eval(&values[..arity]);
        }
    }
}
