//! From the tree to the graph: names, cycles, shapes, constants; every diagnostic of a file in one run.

mod args;
mod builtin;
mod carries;
mod cell;
mod consts;
mod declare;
mod dims;
mod hypers;
mod inits;
mod items;
mod lint;
mod lower;
mod masks;
mod names;
mod order;
mod range;
mod resolve;
mod show;
mod suggest;
#[cfg(test)]
mod tests;

use crate::diag::{self, Code, Diagnostic};
use crate::ir;
use crate::syntax::ast;
use crate::text::Span;

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
    let mut checked = Checked::default();
    let sink = &mut checked.diagnostics;
    let items = items::collect(file, sink);
    let cells: Vec<&ast::Cell> = file
        .items
        .iter()
        .filter_map(|it| match it {
            ast::Item::Cell(cell) => Some(cell),
            ast::Item::Activation(_) | ast::Item::Function(_) | ast::Item::Use(_) => None,
        })
        .collect();
    let set: hypers::Settings<'_> =
        settings.values.iter().map(|(name, value)| (&*name.name, (name, value))).collect();
    let unset = hypers::Settings::new();
    for it in &cells {
        if sink.len() >= items::MANY {
            break;
        }
        if it.kind == ast::CellKind::Model {
            let word = Span { end: it.span.start + "model".len() as u32, ..it.span };
            let message = "`model` is not supported yet";
            sink.push(Diagnostic::new(Code::NotSupportedYet, word, message));
            continue;
        }
        let is_set = match cell {
            Some(name) => *it.name.name == *name,
            None => cells.len() == 1,
        };
        let settings = if is_set { &set } else { &unset };
        if let Some(found) = cell::check(it, &items, settings, sink) {
            sink.extend(lint::lint(it, &found));
            checked.cells.push(found);
        }
    }
    sink.extend(lint::lint_items(file));
    diag::sort(sink);
    checked.diagnostics = show::without_repetitions(std::mem::take(sink));
    checked
}
