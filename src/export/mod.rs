//! What rnnc writes for others: a cell as formulas, the page of the library.

pub mod backward;
mod formula;
pub mod latex;
pub mod page;
mod symbol;
