//! rnnc
pub mod check;
pub mod data;
pub mod diag;
pub mod exec;
pub mod ir;
pub mod syntax;
pub mod text;
