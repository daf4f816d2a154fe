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

use crate::derive;
use crate::ir::{self, Feedback, Gives, Mode};
pub use diagram::Diagram;

/// The meaning of the signs of a drawing.
pub const LEGEND: &[&str] = &[
    "thick: additive path of a state",
    "dashed: between steps",
    "⊙ elementwise",
    "□ what a line brings",
];

/// The detail in which a cell is drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    /// The cell as one box.
    Cell,
    /// The equations that the author wrote, a box each.
    Equations,
    /// The step graph, an operator a box.
    Operators,
}

impl Detail {
    /// Returns its name.
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
    if is_backward {
        // What is derived of a model is its loss, under teacher forcing.
        let cell = derive::plain(cell, &Mode::new(Feedback::Teacher, Gives::Loss));
        return match detail {
            Detail::Cell => whole::backward(&cell),
            Detail::Equations => equations::diagram(&backward::sketch(&cell)),
            Detail::Operators => operators::backward(&cell),
        };
    }
    match (detail, library.cell(&cell.name)) {
        (Detail::Cell, _) => whole::diagram(cell),
        (Detail::Equations, Some(id)) => equations::diagram(&read::sketch(library, id, Some(cell))),
        (Detail::Equations, None) | (Detail::Operators, _) => operators::diagram(cell),
    }
}
