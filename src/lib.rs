//! rnnc
pub mod diag;
pub mod syntax;
pub mod text;
