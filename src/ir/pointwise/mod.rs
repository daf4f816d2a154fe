//! The table of elementwise operators: one row each.
//!
//! A row gives the operator's text, value, slopes, range and where it may be tested. Evaluation,
//! both modes of differentiation, interval arithmetic, printing and the generic tests read it;
//! adding an activation is adding a row.
//!
//! Slopes are written over graph values, so that a backward pass is a graph that people can read.

mod slope;

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::real::Real;
pub use slope::{Args, Slope, Value, write as write_slope};

/// The values that an operand or result can take: `lo..=hi`, the ends not reached when `open`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// The least value.
    pub lo: f64,
    /// The greatest value.
    pub hi: f64,
    /// True if the ends themselves are only approached.
    pub open: bool,
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = if self.open || self.lo.is_infinite() { '(' } else { '[' };
        let right = if self.open || self.hi.is_infinite() { ')' } else { ']' };
        write!(f, "{left}{}, {}{right}", rounded(self.lo), rounded(self.hi))
    }
}

/// Returns a number to six digits, without trailing zeros.
pub(crate) fn rounded(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{}", value + 0.0);
    }
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    if (1e-4..1e7).contains(&rounded.abs()) { format!("{rounded}") } else { format!("{rounded:e}") }
}

/// Any number.
pub const ANY: Interval = Interval { lo: f64::NEG_INFINITY, hi: f64::INFINITY, open: false };

/// Returns a closed interval.
pub const fn closed(lo: f64, hi: f64) -> Interval {
    Interval { lo, hi, open: false }
}

/// Returns an interval without its ends.
pub const fn open(lo: f64, hi: f64) -> Interval {
    Interval { lo, hi, open: true }
}

/// The notation of an operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// Between its operands.
    Infix(&'static str),
    /// Before its operand.
    Prefix(&'static str),
    /// With parentheses.
    Function,
}

/// Properties that a test or a bound must know beside.
#[derive(Clone, Copy)]
pub enum Smooth {
    /// Differentiable where it is defined.
    Everywhere,
    /// The distance of the operands from the nearest kink.
    Kinks(fn(&[f64]) -> f64),
    /// The distance of the operands from the nearest jump; the derivative is 0.
    Jumps(fn(&[f64]) -> f64),
}

/// One row of the table.
#[derive(Clone)]
pub struct Row {
    /// The operator.
    pub op: Pointwise,
    /// The notation.
    pub syntax: Syntax,
    /// The derivative by each operand; `None` for operands that are constants or have derivative 0.
    pub slopes: [Option<Slope>; 3],
    /// Computes the interval of the result from those of the operands.
    pub range: fn(&[Interval]) -> Interval,
    /// The intervals that tests draw each operand from.
    pub sample: [(f64, f64); 3],
    /// The points at which it is not differentiable.
    pub smooth: Smooth,
}

/// A parameter of an elementwise operator that takes a constant; the table has no derivative by it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Constant {
    /// Its value where it is not given; it must be given where there is none.
    pub default: Option<f64>,
    /// True if it must be above 0.
    pub is_positive: bool,
}

/// Writes the kind of a parameter after its name: nothing for a value, `= 0.5` for a constant with a default, `: positive` for
/// one that must be given.
macro_rules! constant {
    () => {
        None
    };
    (= $default:tt) => {
        Some(Constant { default: Some($default), is_positive: false })
    };
    (: positive) => {
        Some(Constant { default: None, is_positive: true })
    };
}

macro_rules! pointwise {
    ($($(#[$doc:meta])* $name:ident, $text:literal
        ($($arg:ident $(= $default:tt)? $(: $bound:ident)?),+), $syntax:expr;
        $value:expr;
        [$($slope:expr),*];
        $range:expr, [$($sample:expr),*], $smooth:expr;)*) => {
        /// An elementwise operator.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum Pointwise { $($(#[$doc])* $name,)* }

        impl Pointwise {
            /// Every operator, in the order of the table.
            pub const ALL: &[Pointwise] = &[$(Pointwise::$name,)*];

            /// Returns its name in the language; for infix operators, a name for messages.
            pub fn name(self) -> &'static str {
                match self { $(Pointwise::$name => $text,)* }
            }

            /// Returns the names of its parameters, the value first.
            pub fn params(self) -> &'static [&'static str] {
                match self { $(Pointwise::$name => &[$(stringify!($arg)),+],)* }
            }

            /// Returns the requirements of the parameter at this position, if it takes a constant.
            pub fn constant(self, position: usize) -> Option<Constant> {
                match self {
                    $(Pointwise::$name => {
                        [$(constant!($(= $default)? $(: $bound)?)),+].get(position).copied().flatten()
                    })*
                }
            }

            /// Returns the notation.
            pub fn syntax(self) -> Syntax {
                match self { $(Pointwise::$name => $syntax,)* }
            }

            /// Returns its value. `args` has [`Pointwise::arity`] numbers.
            pub fn eval<F: Real>(self, args: &[F]) -> F {
                match self {
                    $(Pointwise::$name => match *args {
                        [$($arg),+] => $value,
                        _ => unreachable!("{} takes {} operands", $text, self.arity()),
                    },)*
                }
            }
        }

        fn rows() -> Vec<Row> {
            vec![$(Row {
                op: Pointwise::$name,
                syntax: $syntax,
                slopes: pad([$($slope),*], None),
                range: $range,
                sample: pad([$($sample),*], (0.0, 0.0)),
                smooth: $smooth,
            },)*]
        }
    };
}

/// Returns the table, in the order of the operators. Copy it to try other derivatives.
pub fn table() -> &'static [Row] {
    static TABLE: LazyLock<Vec<Row>> = LazyLock::new(rows);
    &TABLE
}

impl Pointwise {
    /// Returns its row of the table.
    pub fn row(self) -> &'static Row {
        &table()[self as usize]
    }
}

fn pad<T: Copy, const N: usize>(given: [T; N], rest: T) -> [T; 3] {
    let mut all = [rest; 3];
    all[..N].copy_from_slice(&given);
    all
}

fn c<F: Real>(value: f64) -> F {
    F::of(value)
}

fn truth<F: Real>(it: bool) -> F {
    if it { F::one() } else { F::zero() }
}

/// Returns the order of two numbers, none with a NaN.
fn order<F: Real>(a: F, b: F) -> Option<Ordering> {
    a.partial_cmp(&b)
}

const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
/// sqrt(2 / pi), of the tanh form of gelu.
const GELU_FACTOR: f64 = 0.797_884_560_802_865_4;
const GELU_CUBIC: f64 = 0.044_715;

use Smooth::{Everywhere, Jumps, Kinks};
use Syntax::{Function, Infix, Prefix};

const REAL: (f64, f64) = (-3.0, 3.0);
const POSITIVE: (f64, f64) = (0.2, 3.0);
const TRUTH: Interval = closed(0.0, 1.0);

/// Maps the ends of an interval through an increasing function; NaN ends mean any number.
fn rising(a: Interval, f: impl Fn(f64) -> f64) -> Interval {
    let (lo, hi) = (f(a.lo), f(a.hi));
    if lo.is_nan() || hi.is_nan() { ANY } else { Interval { lo, hi, open: a.open } }
}

/// Returns the hull of a function of two operands that is monotone in each: its extremes lie at the corners.
fn corners(a: Interval, b: Interval, f: impl Fn(f64, f64) -> f64) -> Interval {
    // 0 * inf at a corner is 0: the bound is approached, the infinity never reached.
    let at = |x, y| {
        let value = f(x, y);
        if value.is_nan() { 0.0 } else { value }
    };
    let all = [at(a.lo, b.lo), at(a.lo, b.hi), at(a.hi, b.lo), at(a.hi, b.hi)];
    let lo = all.iter().copied().fold(f64::INFINITY, f64::min);
    let hi = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Interval { lo, hi, open: a.open || b.open }
}

fn comparison(a: &[f64]) -> f64 {
    (a[0] - a[1]).abs()
}

/// Returns the distance from the nearest whole number.
fn to_whole(x: f64) -> f64 {
    (x - x.round()).abs()
}

pointwise! {
    /// `a + b`
    Add, "add"(a, b), Infix("+");
        a + b;
        [Some(|v| v.number(1.0)), Some(|v| v.number(1.0))];
        |r| Interval { lo: r[0].lo + r[1].lo, hi: r[0].hi + r[1].hi, open: r[0].open || r[1].open },
        [REAL, REAL], Everywhere;
    /// `a - b`
    Sub, "sub"(a, b), Infix("-");
        a - b;
        [Some(|v| v.number(1.0)), Some(|v| v.number(-1.0))];
        |r| Interval { lo: r[0].lo - r[1].hi, hi: r[0].hi - r[1].lo, open: r[0].open || r[1].open },
        [REAL, REAL], Everywhere;
    /// `a * b`
    Mul, "mul"(a, b), Infix("*");
        a * b;
        [Some(|v| v.b()), Some(|v| v.a())];
        |r| corners(r[0], r[1], |x, y| x * y), [REAL, REAL], Everywhere;
    /// `a / b`
    Div, "div"(a, b), Infix("/");
        a / b;
        [Some(|v| 1.0 / v.b()), Some(|v| -v.y() / v.b())];
        |r| if r[1].lo > 0.0 || r[1].hi < 0.0 { corners(r[0], r[1], |x, y| x / y) } else { ANY },
        [REAL, POSITIVE], Everywhere;
    /// `a ^ b`
    Pow, "pow"(a, b), Infix("^");
        a.powf(b);
        // At b = 0 the derivative is 0, also where a is 0 and a ^ -1 is not finite.
        [Some(|v| v.select(v.is(Pointwise::Equal, v.b(), 0.0), 0.0, v.b() * v.pow(v.a(), v.b() - 1.0))),
         // And where the power is 0: not 0 times the logarithm of 0.
         Some(|v| v.select(v.is(Pointwise::Equal, v.y(), 0.0), 0.0, v.y() * v.f(Pointwise::Log, v.a())))];
        |r| if r[0].lo >= 0.0 { corners(r[0], r[1], f64::powf) } else { ANY },
        [POSITIVE, REAL], Everywhere;
    /// `-v`
    Neg, "neg"(v), Prefix("-");
        -v; [Some(|v| v.number(-1.0))];
        |r| Interval { lo: -r[0].hi, hi: -r[0].lo, open: r[0].open }, [REAL], Everywhere;
    /// `a < b`
    Less, "less"(a, b), Infix("<");
        truth(a < b); []; |_| TRUTH, [REAL, REAL], Jumps(comparison);
    /// `a <= b`
    LessEqual, "less_equal"(a, b), Infix("<=");
        truth(a <= b); []; |_| TRUTH, [REAL, REAL], Jumps(comparison);
    /// `a > b`
    Greater, "greater"(a, b), Infix(">");
        truth(a > b); []; |_| TRUTH, [REAL, REAL], Jumps(comparison);
    /// `a >= b`
    GreaterEqual, "greater_equal"(a, b), Infix(">=");
        truth(a >= b); []; |_| TRUTH, [REAL, REAL], Jumps(comparison);
    /// `a == b`
    Equal, "equal"(a, b), Infix("==");
        truth(a == b); []; |_| TRUTH, [REAL, REAL], Jumps(comparison);
    /// `a != b`
    NotEqual, "not_equal"(a, b), Infix("!=");
        truth(a != b); []; |_| TRUTH, [REAL, REAL], Jumps(comparison);
    /// Selects `a` where the condition is not 0, else `b`. Its adjoint is written out in `derive`,
    /// because a product with a slope of 0 would let a NaN through.
    Where, "where"(cond, a, b), Function;
        if cond != F::zero() { a } else { b };
        [None, Some(|v| v.is(Pointwise::NotEqual, v.a(), 0.0)), Some(|v| v.is(Pointwise::Equal, v.a(), 0.0))];
        |r| Interval { lo: r[1].lo.min(r[2].lo), hi: r[1].hi.max(r[2].hi), open: r[1].open && r[2].open },
        [REAL, REAL, REAL], Kinks(|a| a[0].abs());
    /// The exponential.
    Exp, "exp"(v), Function;
        v.exp(); [Some(|v| v.y())];
        |r| rising(r[0], f64::exp), [REAL], Everywhere;
    /// The natural logarithm.
    Log, "log"(v), Function;
        v.ln(); [Some(|v| 1.0 / v.a())];
        |r| rising(r[0], f64::ln), [POSITIVE], Everywhere;
    /// log(1 + v)
    Log1p, "log1p"(v), Function;
        v.ln_1p(); [Some(|v| 1.0 / (1.0 + v.a()))];
        |r| rising(r[0], f64::ln_1p), [POSITIVE], Everywhere;
    /// exp(v) - 1
    Expm1, "expm1"(v), Function;
        v.exp_m1(); [Some(|v| v.y() + 1.0)];
        |r| rising(r[0], f64::exp_m1), [REAL], Everywhere;
    /// The square root.
    Sqrt, "sqrt"(v), Function;
        v.sqrt(); [Some(|v| 0.5 / v.y())];
        |r| rising(r[0], f64::sqrt), [POSITIVE], Everywhere;
    /// 1 / sqrt(v)
    Rsqrt, "rsqrt"(v), Function;
        v.sqrt().recip(); [Some(|v| -0.5 * v.y() / v.a())];
        |r| Interval { lo: r[0].hi.max(0.0).sqrt().recip(), hi: r[0].lo.max(0.0).sqrt().recip(), open: r[0].open },
        [POSITIVE], Everywhere;
    /// The absolute value; derivative 0 at 0.
    Abs, "abs"(v), Function;
        v.abs(); [Some(|v| v.f(Pointwise::Sign, v.a()))];
        |r| Interval {
            lo: if r[0].lo > 0.0 { r[0].lo } else if r[0].hi < 0.0 { -r[0].hi } else { 0.0 },
            hi: r[0].hi.max(-r[0].lo), open: r[0].open },
        [REAL], Kinks(|a| a[0].abs());
    /// -1, 0 or 1.
    Sign, "sign"(v), Function;
        if v > F::zero() { F::one() } else if v < F::zero() { -F::one() } else { v };
        []; |_| closed(-1.0, 1.0), [REAL], Jumps(|a| a[0].abs());
    /// The whole number below.
    Floor, "floor"(v), Function;
        v.floor(); []; |r| rising(closed(r[0].lo, r[0].hi), f64::floor), [REAL], Jumps(|a| to_whole(a[0]));
    /// The whole number above.
    Ceil, "ceil"(v), Function;
        v.ceil(); []; |r| rising(closed(r[0].lo, r[0].hi), f64::ceil), [REAL], Jumps(|a| to_whole(a[0]));
    /// The nearest whole number, the even one of two.
    Round, "round"(v), Function;
        v.round_even(); []; |r| rising(closed(r[0].lo, r[0].hi), f64::round_ties_even),
        [REAL], Jumps(|a| to_whole(a[0] + 0.5));
    /// The sine.
    Sin, "sin"(v), Function;
        v.sin(); [Some(|v| v.f(Pointwise::Cos, v.a()))]; |_| closed(-1.0, 1.0), [REAL], Everywhere;
    /// The cosine.
    Cos, "cos"(v), Function;
        v.cos(); [Some(|v| -v.f(Pointwise::Sin, v.a()))]; |_| closed(-1.0, 1.0), [REAL], Everywhere;
    /// The error function.
    Erf, "erf"(v), Function;
        v.erf();
        [Some(|v| std::f64::consts::FRAC_2_SQRT_PI * v.f(Pointwise::Exp, -v.f(Pointwise::Square, v.a())))];
        |r| rising(r[0], libm::erf), [REAL], Everywhere;
    /// v * v
    Square, "square"(v), Function;
        v * v; [Some(|v| 2.0 * v.a())];
        |r| Interval {
            lo: if r[0].lo <= 0.0 && r[0].hi >= 0.0 { 0.0 } else { (r[0].lo * r[0].lo).min(r[0].hi * r[0].hi) },
            hi: (r[0].lo * r[0].lo).max(r[0].hi * r[0].hi), open: r[0].open },
        [REAL], Everywhere;
    /// The rest of the floored division; derivative 1 in a and -floor(a / b) in b.
    Mod, "mod"(a, b), Function;
        a - (a / b).floor() * b;
        [Some(|v| v.number(1.0)), Some(|v| -v.f(Pointwise::Floor, v.a() / v.b()))];
        |r| if r[1].lo >= 0.0 { closed(0.0, r[1].hi) } else { ANY },
        [REAL, POSITIVE], Kinks(|a| to_whole(a[0] / a[1]));
    /// The greater one; equal operands share the adjoint in halves.
    Max, "max"(a, b), Function;
        match order(a, b) { Some(Ordering::Less) => b, Some(_) => a, None => F::nan() };
        [Some(|v| v.half_at_tie(Pointwise::Greater)), Some(|v| v.half_at_tie(Pointwise::Less))];
        |r| closed(r[0].lo.max(r[1].lo), r[0].hi.max(r[1].hi)), [REAL, REAL], Kinks(comparison);
    /// The smaller one; equal operands share the adjoint in halves.
    Min, "min"(a, b), Function;
        match order(a, b) { Some(Ordering::Greater) => b, Some(_) => a, None => F::nan() };
        [Some(|v| v.half_at_tie(Pointwise::Less)), Some(|v| v.half_at_tie(Pointwise::Greater))];
        |r| closed(r[0].lo.min(r[1].lo), r[0].hi.min(r[1].hi)), [REAL, REAL], Kinks(comparison);
    /// Cut to the bounds, at which the adjoint passes.
    Clamp, "clamp"(v, lo, hi), Function;
        if v < lo { lo } else if v > hi { hi } else { v };
        [Some(|v| v.is(Pointwise::GreaterEqual, v.a(), v.b()) * v.is(Pointwise::LessEqual, v.a(), v.third()))];
        |r| closed(r[0].lo.max(r[1].lo).min(r[2].lo), r[0].hi.min(r[2].hi).max(r[1].hi)),
        [REAL, (-1.0, -0.5), (0.5, 1.0)], Kinks(|a| (a[0] - a[1]).abs().min((a[0] - a[2]).abs()));
    /// log(exp(a) + exp(b))
    LogAddExp, "logaddexp"(a, b), Function;
        // Equal operands are a case of their own, so that two -inf give -inf.
        if a == b { a + c(std::f64::consts::LN_2) }
        else { order(a, b).map_or(F::nan(), |it| if it == Ordering::Less { b } else { a })
            + (-(a - b).abs()).exp().ln_1p() };
        [Some(|v| v.select(v.is(Pointwise::Equal, v.a(), v.b()), 0.5, v.f(Pointwise::Sigmoid, v.a() - v.b()))),
         Some(|v| v.select(v.is(Pointwise::Equal, v.a(), v.b()), 0.5, v.f(Pointwise::Sigmoid, v.b() - v.a())))];
        |_| ANY, [REAL, REAL], Everywhere;
    /// The logistic function.
    Sigmoid, "sigmoid"(v), Function;
        sigmoid(v); [Some(|v| v.y() * (1.0 - v.y()))]; |_| open(0.0, 1.0), [REAL], Everywhere;
    /// The hyperbolic tangent.
    Tanh, "tanh"(v), Function;
        v.tanh(); [Some(|v| 1.0 - v.y() * v.y())]; |_| open(-1.0, 1.0), [REAL], Everywhere;
    /// max(v, 0); derivative 0 at 0.
    Relu, "relu"(v), Function;
        if v < F::zero() { F::zero() } else { v };
        [Some(|v| v.is(Pointwise::Greater, v.a(), 0.0))];
        |r| closed(r[0].lo.max(0.0), r[0].hi.max(0.0)), [REAL], Kinks(|a| a[0].abs());
    /// Klambauer et al. 2017.
    Selu, "selu"(v), Function;
        if v > F::zero() { c::<F>(SELU_SCALE) * v } else { c::<F>(SELU_SCALE * SELU_ALPHA) * v.exp_m1() };
        [Some(|v| v.select(v.is(Pointwise::Greater, v.a(), 0.0), SELU_SCALE, v.y() + SELU_SCALE * SELU_ALPHA))];
        |_| Interval { lo: -SELU_SCALE * SELU_ALPHA, hi: f64::INFINITY, open: true }, [REAL], Kinks(|a| a[0].abs());
    /// v times the normal distribution function (Hendrycks and Gimpel 2016).
    Gelu, "gelu"(v), Function;
        c::<F>(0.5) * v * (F::one() + (v * c(std::f64::consts::FRAC_1_SQRT_2)).erf());
        [Some(|v| {
            let phi = 0.5 * (1.0 + v.f(Pointwise::Erf, v.a() * std::f64::consts::FRAC_1_SQRT_2));
            // 1 / sqrt(2 pi) is the density at 0.
            let density = 0.398_942_280_401_432_7 * v.f(Pointwise::Exp, -0.5 * v.f(Pointwise::Square, v.a()));
            phi + v.a() * density
        })];
        |_| closed(-0.17, f64::INFINITY), [REAL], Everywhere;
    /// The tanh form of gelu.
    GeluTanh, "gelu_tanh"(v), Function;
        c::<F>(0.5) * v * (F::one() + (c::<F>(GELU_FACTOR) * (v + c::<F>(GELU_CUBIC) * v * v * v)).tanh());
        [Some(|v| {
            let x = v.a();
            let t = v.f(Pointwise::Tanh, GELU_FACTOR * (x + GELU_CUBIC * (x * x * x)));
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * (GELU_FACTOR * (1.0 + 3.0 * GELU_CUBIC * (x * x)))
        })];
        |_| closed(-0.171, f64::INFINITY), [REAL], Everywhere;
    /// v * sigmoid(v)
    Silu, "silu"(v), Function;
        v * sigmoid(v);
        [Some(|v| {
            let s = v.f(Pointwise::Sigmoid, v.a());
            s * (1.0 + v.a() * (1.0 - s))
        })];
        |_| closed(-0.279, f64::INFINITY), [REAL], Everywhere;
    /// log(1 + exp(v)), exact at both ends.
    Softplus, "softplus"(v), Function;
        softplus(v); [Some(|v| v.f(Pointwise::Sigmoid, v.a()))];
        |r| Interval { lo: 0.0, hi: softplus(r[0].hi), open: true }, [REAL], Everywhere;
    /// v / (1 + abs(v))
    Softsign, "softsign"(v), Function;
        v / (F::one() + v.abs());
        [Some(|v| 1.0 / v.f(Pointwise::Square, 1.0 + v.f(Pointwise::Abs, v.a())))];
        |_| open(-1.0, 1.0), [REAL], Everywhere;
    /// log(sigmoid(v)) without loss.
    LogSigmoid, "log_sigmoid"(v), Function;
        -softplus(-v); [Some(|v| v.f(Pointwise::Sigmoid, -v.a()))];
        |_| Interval { lo: f64::NEG_INFINITY, hi: 0.0, open: true }, [REAL], Everywhere;
    /// Cut to -1..1, with derivative 0 at the ends.
    HardTanh, "hard_tanh"(v), Function;
        if v < -F::one() { -F::one() } else if v > F::one() { F::one() } else { v };
        [Some(|v| v.is(Pointwise::Greater, v.a(), -1.0) * v.is(Pointwise::Less, v.a(), 1.0))];
        |_| closed(-1.0, 1.0), [REAL], Kinks(|a| (a[0].abs() - 1.0).abs());
    /// v
    Identity, "identity"(v), Function;
        v; [Some(|v| v.number(1.0))]; |r| r[0], [REAL], Everywhere;
    /// 1 where v > 0, else 0.
    Step, "step"(v), Function;
        truth(v > F::zero()); []; |_| TRUTH, [REAL], Jumps(|a| a[0].abs());
    /// 1.7159 tanh(2 v / 3) (LeCun et al. 1998).
    LecunTanh, "lecun_tanh"(v), Function;
        c::<F>(1.7159) * (c::<F>(2.0 / 3.0) * v).tanh();
        [Some(|v| 1.7159 * 2.0 / 3.0 * (1.0 - v.f(Pointwise::Square, v.y() / 1.7159)))];
        |_| open(-1.7159, 1.7159), [REAL], Everywhere;
    /// limit * tanh(v / limit): v near 0, held between -limit and limit. A limit of inf is none.
    Softcap, "softcap"(v, limit: positive), Function;
        if limit < F::infinity() { limit * (v / limit).tanh() } else { v };
        [Some(|v| 1.0 - v.f(Pointwise::Square, v.y() / v.b()))];
        |r| open(-r[1].hi, r[1].hi), [REAL, (0.5, 2.0)], Everywhere;
    /// v for v > 0, else slope * v.
    LeakyRelu, "leaky_relu"(v, slope = 0.01), Function;
        if v > F::zero() { v } else { slope * v };
        [Some(|v| v.select(v.is(Pointwise::Greater, v.a(), 0.0), 1.0, v.b()))];
        |_| ANY, [REAL, (0.1, 0.3)], Kinks(|a| a[0].abs());
    /// v for v > 0, else alpha * (exp(v) - 1).
    Elu, "elu"(v, alpha = 1.0), Function;
        if v > F::zero() { v } else { alpha * v.exp_m1() };
        [Some(|v| v.select(v.is(Pointwise::Greater, v.a(), 0.0), 1.0, v.y() + v.b()))];
        |_| ANY, [REAL, (0.5, 2.0)], Kinks(|a| a[0].abs());
    /// v / sqrt(1 + alpha v^2)
    Isru, "isru"(v, alpha = 1.0), Function;
        v / (F::one() + alpha * v * v).sqrt();
        [Some(|v| {
            let root = v.f(Pointwise::Rsqrt, 1.0 + v.b() * (v.a() * v.a()));
            root * (root * root)
        })];
        |r| if r[1].lo > 0.0 { open(-r[1].lo.sqrt().recip(), r[1].lo.sqrt().recip()) } else { ANY }, [REAL, (0.5, 2.0)], Everywhere;
    /// v / sqrt(1 + alpha v^2) for v < 0, else v.
    Isrlu, "isrlu"(v, alpha = 1.0), Function;
        if v < F::zero() { v / (F::one() + alpha * v * v).sqrt() } else { v };
        [Some(|v| {
            let root = v.f(Pointwise::Rsqrt, 1.0 + v.b() * (v.a() * v.a()));
            v.select(v.is(Pointwise::Less, v.a(), 0.0), root * (root * root), 1.0)
        })];
        |_| ANY, [REAL, (0.5, 2.0)], Kinks(|a| a[0].abs());
    /// slope * v + offset, cut to 0..1, with derivative 0 at the knees.
    HardSigmoid, "hard_sigmoid"(v, slope = (1.0 / 6.0), offset = 0.5), Function;
        {
            let line = slope * v + offset;
            if line < F::zero() { F::zero() } else if line > F::one() { F::one() } else { line }
        };
        [Some(|v| v.b() * (v.is(Pointwise::Greater, v.y(), 0.0) * v.is(Pointwise::Less, v.y(), 1.0)))];
        |_| TRUTH, [REAL, (0.15, 0.25), (0.4, 0.6)],
        Kinks(|a| {
            let line = a[1] * a[0] + a[2];
            line.abs().min((line - 1.0).abs()) / a[1].abs()
        });
}

impl Pointwise {
    /// Returns the number of operands.
    pub fn arity(self) -> usize {
        self.params().len()
    }

    /// Returns the operator that is called by this name.
    pub fn function(name: &str) -> Option<Pointwise> {
        Pointwise::ALL
            .iter()
            .copied()
            .find(|it| it.name() == name && matches!(it.syntax(), Syntax::Function))
    }
}

fn sigmoid<F: Real>(v: F) -> F {
    // Each side uses the exponential that cannot overflow.
    if v >= F::zero() {
        (F::one() + (-v).exp()).recip()
    } else {
        let e = v.exp();
        e / (F::one() + e)
    }
}

fn softplus<F: Real>(v: F) -> F {
    // Not `max`, which would drop a NaN.
    let positive = if v < F::zero() { F::zero() } else { v };
    positive + (-v.abs()).exp().ln_1p()
}
