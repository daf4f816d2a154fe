//! rnnc
pub mod check;
pub mod diag;
pub mod ir;
pub mod syntax;
pub mod text;
