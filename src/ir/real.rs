//! The two number types that graphs are evaluated in.

use std::fmt::{Debug, Display};

/// f32 or f64.
pub trait Real:
    num_traits::Float
    + num_traits::NumAssign
    + ndarray::LinalgScalar
    + Debug
    + Display
    + Default
    + Send
    + Sync
    + 'static
{
    /// `f32` or `f64`.
    const NAME: &'static str;
    /// The nearest number of this type.
    fn of(value: f64) -> Self;
    /// The exact value.
    fn to_f64(self) -> f64;
    /// The error function.
    fn erf(self) -> Self;
    /// The nearest whole number, the even one of two.
    fn round_even(self) -> Self;
}

impl Real for f32 {
    const NAME: &'static str = "f32";

    fn of(value: f64) -> f32 {
        value as f32
    }

    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn erf(self) -> f32 {
        libm::erff(self)
    }

    fn round_even(self) -> f32 {
        self.round_ties_even()
    }
}

impl Real for f64 {
    const NAME: &'static str = "f64";

    fn of(value: f64) -> f64 {
        value
    }

    fn to_f64(self) -> f64 {
        self
    }

    fn erf(self) -> f64 {
        libm::erf(self)
    }

    fn round_even(self) -> f64 {
        self.round_ties_even()
    }
}
