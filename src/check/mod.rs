//! From the tree to the graph: names, cycles, shapes, constants; every diagnostic of a file in one run.

#[allow(dead_code, reason = "called as soon as cells are checked")]
mod lint;
#[allow(dead_code, reason = "called as soon as cells are checked")]
mod range;

use crate::diag::Diagnostic;
use crate::ir;
use crate::syntax::ast;

/// What was set from outside before checking, as written: `--set dt=0.5`, `--set act=relu`, `--set H=4`. The last of a name
/// wins. The spans of the expressions lie in a source file of their own, so that messages can show them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Names of dims and hypers, and their values.
    pub values: Vec<(ast::Ident, ast::Expr)>,
}

/// What checking a file gives.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The cells without errors, in the order of the source.
    pub cells: Vec<ir::Cell>,
    /// Everything found, errors and warnings, in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks all items of a file. `settings` hold for the cell named `cell` (the only one when `None`).
pub fn check(file: &ast::File, cell: Option<&str>, settings: &Settings) -> Checked {
    let _ = (file, cell, settings);
    Checked::default()
}
