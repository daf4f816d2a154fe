//! Warnings: what compiles and probably is not what was meant.
//!
//! What is about names and writing is found in the tree, what is about values in the graph. A false alarm costs more than
//! a missed one: where a lint cannot tell, it is silent. What a layer brings in is left to the inner cell.

mod accuracy;
mod gates;
mod items;
mod masks;
mod params;
#[cfg(test)]
mod tests;
mod usage;
mod uses;
mod written;

pub(super) use params::only_added;

use crate::diag::Diagnostic;
use crate::hir::{Cell, Tree};
use crate::ir;

/// Returns all warnings about one cell; `cell` is the checked form of `source`.
pub(super) fn lint(tree: &Tree<'_>, source: &Cell<'_>, cell: &ir::Cell) -> Vec<Diagnostic> {
    let mut found = usage::unused(source);
    found.extend(accuracy::of_cell(source));
    found.extend(gates::outside(source, cell));
    found.extend(masks::deciding(tree, source, cell));
    found.extend(params::only_sums(source, cell));
    found.extend(params::zero_gradients(source, cell));
    found
}

/// Returns all warnings about the functions and activations of a file.
pub(super) fn lint_items(tree: &Tree<'_>) -> Vec<Diagnostic> {
    items::lint(tree)
}

/// Returns all warnings about what a file without errors uses.
pub(super) fn lint_uses(tree: &Tree<'_>) -> Vec<Diagnostic> {
    uses::lint(tree)
}
