//! The two number types that graphs are evaluated in.

use std::fmt::{Debug, Display};

/// Something that has a type of its own for each type of numbers; see [`Real::to_single`].
#[doc(hidden)]
pub trait InReal {
    /// The same type with elements of `F`.
    type In<F: Real>;
}

/// f32 or f64; nothing outside of this crate is one.
pub trait Real:
    sealed::Sealed
    + num_traits::Float
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
    /// Returns the nearest number of this type.
    fn of(value: f64) -> Self;
    /// Returns the exact value.
    fn to_f64(self) -> f64;
    /// Returns the error function.
    fn erf(self) -> Self;
    /// Returns the nearest whole number, the even one of two.
    fn round_even(self) -> Self;

    /// Returns the same value in f32, where that is this type: the fast engine takes it then.
    #[doc(hidden)]
    fn to_single<I: InReal>(_: I::In<Self>) -> Option<I::In<f32>> {
        None
    }

    /// Returns the other way round.
    #[doc(hidden)]
    fn of_single<I: InReal>(_: I::In<f32>) -> Option<I::In<Self>> {
        None
    }
}

/// A trait that no other crate can implement.
pub(crate) mod sealed {
    /// See [`super::Real`].
    pub trait Sealed {}

    impl Sealed for f32 {}
    impl Sealed for f64 {}
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

    fn to_single<I: InReal>(it: I::In<f32>) -> Option<I::In<f32>> {
        Some(it)
    }

    fn of_single<I: InReal>(it: I::In<f32>) -> Option<I::In<f32>> {
        Some(it)
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
