//! Drawings of cells: one step as a paper would draw it.
//!
//! Gates are boxes over their sums, what meets element by element is a small circle, and a state
//! whose old value reaches the new one through sums and products alone is a thick straight line. The
//! way is: tree ([`read`]) to expressions ([`sketch`]) to boxes and what each reads ([`diagram`],
//! made by [`equations`] or, from the step graph, by [`operators`]) to places ([`picture`],
//! [`layout`]) to text ([`svg`], [`dot`], [`mermaid`], [`json`]).

mod backward;
pub mod diagram;
pub mod dot;
pub mod equations;
pub mod json;
pub mod layout;
pub mod mermaid;
mod operators;
mod order;
pub mod picture;
mod place;
mod rails;
pub mod read;
pub mod sketch;
mod sums;
pub mod svg;
pub mod text;
mod whole;
mod written;

use crate::ir;
pub use diagram::Diagram;

/// What the signs of a drawing mean.
pub const LEGEND: &[&str] = &[
    "thick: additive path of a state",
    "dashed: between steps",
    "⊙ elementwise",
    "□ what a line brings",
];

/// How much of a cell is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// The cell as one box.
    Cell,
    /// What the author wrote, an equation a box.
    Equations,
    /// The step graph, an operator a box.
    Operators,
}

impl Detail {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Detail::Cell => "cell",
            Detail::Equations => "equations",
            Detail::Operators => "operators",
        }
    }
}

/// Draws one step of a cell, or one backward step.
pub fn draw<'t>(
    library: &'t read::Library<'t>,
    cell: &'t ir::Cell,
    detail: Detail,
    is_backward: bool,
) -> Diagram {
    match (detail, is_backward, library.cell(&cell.name)) {
        (Detail::Equations, false, Some(id)) => {
            equations::diagram(&read::sketch(library, id, Some(cell)))
        }
        (Detail::Cell, false, _) => whole::diagram(cell),
        (Detail::Equations, true, _) => equations::diagram(&backward::sketch(cell)),
        (Detail::Cell, true, _) => whole::backward(cell),
        (Detail::Operators | Detail::Equations, false, _) => operators::diagram(cell),
        (Detail::Operators, true, _) => operators::backward(cell),
    }
}
