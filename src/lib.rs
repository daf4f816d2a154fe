//! rnnc
pub mod diag;
pub mod text;
