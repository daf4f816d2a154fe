//! A number type with the same bits on every machine.
//!
//! The standard library takes `exp`, `sin` and their like from the platform, which may round them
//! otherwise elsewhere. Initialisers promise equal draws everywhere, so they compute in this type:
//! an f64 whose functions are those of `libm`, written in plain Rust arithmetic.

use std::fmt;
use std::num::FpCategory;
use std::ops::{
    Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Rem, RemAssign, Sub, SubAssign,
};

use num_traits::{Float, Num, NumCast, One, ToPrimitive, Zero};

use crate::ir::Real;

/// An f64 that uses nothing of the platform but `+ - * /` and the square root, which IEEE 754
/// defines to the last bit.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub(crate) struct Portable(pub f64);

impl fmt::Display for Portable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! infix {
    ($($trait:ident $method:ident $assign_trait:ident $assign:ident;)*) => {$(
        impl $trait for Portable {
            type Output = Portable;
            fn $method(self, other: Portable) -> Portable {
                Portable(self.0.$method(other.0))
            }
        }
        impl $assign_trait for Portable {
            fn $assign(&mut self, other: Portable) {
                self.0.$assign(other.0);
            }
        }
    )*};
}

infix! {
    Add add AddAssign add_assign;
    Sub sub SubAssign sub_assign;
    Mul mul MulAssign mul_assign;
    Div div DivAssign div_assign;
    Rem rem RemAssign rem_assign;
}

impl Neg for Portable {
    type Output = Portable;
    fn neg(self) -> Portable {
        Portable(-self.0)
    }
}

impl Zero for Portable {
    fn zero() -> Portable {
        Portable(0.0)
    }
    fn is_zero(&self) -> bool {
        self.0 == 0.0
    }
}

impl One for Portable {
    fn one() -> Portable {
        Portable(1.0)
    }
}

impl Num for Portable {
    type FromStrRadixErr = <f64 as Num>::FromStrRadixErr;
    fn from_str_radix(text: &str, radix: u32) -> Result<Portable, Self::FromStrRadixErr> {
        f64::from_str_radix(text, radix).map(Portable)
    }
}

impl ToPrimitive for Portable {
    fn to_i64(&self) -> Option<i64> {
        self.0.to_i64()
    }
    fn to_u64(&self) -> Option<u64> {
        self.0.to_u64()
    }
    fn to_f64(&self) -> Option<f64> {
        Some(self.0)
    }
}

impl NumCast for Portable {
    fn from<T: ToPrimitive>(value: T) -> Option<Portable> {
        value.to_f64().map(Portable)
    }
}

macro_rules! float {
    (numbers { $($number:ident = $value:expr;)* }
     unary { $($unary:ident = $f:expr;)* }
     binary { $($binary:ident = $g:expr;)* }
     tests { $($test:ident;)* }) => {
        impl Float for Portable {
            $(fn $number() -> Portable { Portable($value) })*
            $(fn $unary(self) -> Portable { Portable($f(self.0)) })*
            $(fn $binary(self, other: Portable) -> Portable { Portable($g(self.0, other.0)) })*
            $(fn $test(self) -> bool { self.0.$test() })*
            fn classify(self) -> FpCategory {
                self.0.classify()
            }
            fn mul_add(self, a: Portable, b: Portable) -> Portable {
                Portable(libm::fma(self.0, a.0, b.0))
            }
            fn powi(self, exponent: i32) -> Portable {
                Portable(libm::pow(self.0, <f64 as From<i32>>::from(exponent)))
            }
            fn sin_cos(self) -> (Portable, Portable) {
                (self.sin(), self.cos())
            }
            fn integer_decode(self) -> (u64, i16, i8) {
                self.0.integer_decode()
            }
        }
    };
}

float! {
    numbers {
        nan = f64::NAN;
        infinity = f64::INFINITY;
        neg_infinity = f64::NEG_INFINITY;
        neg_zero = -0.0;
        min_value = f64::MIN;
        min_positive_value = f64::MIN_POSITIVE;
        max_value = f64::MAX;
    }
    unary {
        floor = libm::floor;
        ceil = libm::ceil;
        round = libm::round;
        trunc = libm::trunc;
        fract = |it: f64| it - libm::trunc(it);
        abs = f64::abs;
        signum = f64::signum;
        recip = |it: f64| 1.0 / it;
        sqrt = libm::sqrt;
        exp = libm::exp;
        exp2 = libm::exp2;
        ln = libm::log;
        log2 = libm::log2;
        log10 = libm::log10;
        cbrt = libm::cbrt;
        sin = libm::sin;
        cos = libm::cos;
        tan = libm::tan;
        asin = libm::asin;
        acos = libm::acos;
        atan = libm::atan;
        exp_m1 = libm::expm1;
        ln_1p = libm::log1p;
        sinh = libm::sinh;
        cosh = libm::cosh;
        tanh = libm::tanh;
        asinh = libm::asinh;
        acosh = libm::acosh;
        atanh = libm::atanh;
    }
    binary {
        powf = libm::pow;
        log = |it: f64, base: f64| libm::log(it) / libm::log(base);
        max = f64::max;
        min = f64::min;
        abs_sub = libm::fdim;
        hypot = libm::hypot;
        atan2 = libm::atan2;
    }
    tests {
        is_nan;
        is_infinite;
        is_finite;
        is_normal;
        is_sign_positive;
        is_sign_negative;
    }
}

impl crate::ir::real::sealed::Sealed for Portable {}

impl Real for Portable {
    const NAME: &'static str = "f64";
    fn of(value: f64) -> Portable {
        Portable(value)
    }
    fn to_f64(self) -> f64 {
        self.0
    }
    fn erf(self) -> Portable {
        Portable(libm::erf(self.0))
    }
    fn round_even(self) -> Portable {
        Portable(libm::rint(self.0))
    }
}
