//! Documents about cells: formulas, the page of the library.

pub mod backward;
mod formula;
pub mod latex;
pub mod page;
mod symbol;
