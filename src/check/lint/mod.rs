//! Warnings: what compiles and probably is not what was meant.
//!
//! What is about names and writing is found in the tree, what is about values in the graph. A false alarm costs more than
//! a missed one: where a lint cannot tell, it is silent. What a layer brings in is left to the inner cell.

mod accuracy;
mod gates;
mod items;
mod params;
#[cfg(test)]
mod tests;
mod usage;
mod uses;
mod walk;
mod written;

pub(super) use params::only_added;

use super::Program;
use crate::diag::Diagnostic;
use crate::ir;
use crate::syntax::ast;

/// All warnings about one cell; `cell` is the checked form of `ast`.
pub(super) fn lint(ast: &ast::Cell, cell: &ir::Cell) -> Vec<Diagnostic> {
    let mut found = usage::unused(ast);
    found.extend(accuracy::of_cell(ast));
    found.extend(gates::outside(ast, cell));
    found.extend(params::only_sums(ast, cell));
    found.extend(params::zero_gradients(ast, cell));
    found
}

/// All warnings about the functions and activations of a file.
pub(super) fn lint_items(file: &ast::File) -> Vec<Diagnostic> {
    items::lint(file)
}

/// All warnings about what a file without errors uses.
pub(super) fn lint_uses(program: &Program) -> Vec<Diagnostic> {
    uses::lint(program)
}
