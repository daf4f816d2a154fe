//! The fast engine: runs a plan on packed rows, in f32.

mod backward;
mod code;
mod forward;
mod place;
#[cfg(test)]
mod tests;

pub use backward::backward;
pub use forward::{Run, forward};
