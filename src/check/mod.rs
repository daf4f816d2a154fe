//! From the tree to the graph: names, cycles, shapes, constants; every diagnostic of a file in one run.

mod carries;
mod cell;
mod consts;
mod declare;
mod dims;
mod fold;
mod hypers;
mod inits;
mod items;
mod layer;
mod layout;
mod lint;
mod lower;
mod masks;
mod names;
mod pieces;
mod range;
mod resolve;
mod shapes;
#[cfg(test)]
mod tests;
mod unsupported;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::diag::{self, Diagnostic};
pub use crate::hir::Program;
use crate::hir::{self, args, builtin, order, show, suggest};
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
    /// The cells of the file without errors, in the order of the source.
    pub cells: Vec<ir::Cell>,
    /// Those of the files that it uses.
    pub used: Vec<ir::Cell>,
    /// Everything found, errors and warnings, in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
}

/// The names of the built-in functions that values can be computed with, in order.
pub fn functions() -> impl Iterator<Item = &'static str> {
    use builtin::Builtin;
    let of_values = |it: Builtin| !matches!(it, Builtin::Bernoulli | Builtin::OfModel(_));
    builtin::names().filter(move |it| builtin::find(it).is_some_and(|it| of_values(it.what)))
}

/// Checks all items of a file and of those that it uses. `settings` hold for the cell named `cell` (the only one when
/// `None`). There are warnings about the first file alone.
pub fn check(program: &Program, cell: Option<&str>, settings: &Settings) -> Checked {
    let mut checked = Checked::default();
    let sink = &mut checked.diagnostics;
    let tree = hir::resolve(program);
    sink.extend(unsupported::find(&tree));
    sink.extend(tree.diagnostics.iter().cloned());
    let sound: BTreeMap<Span, bool> =
        tree.cells.iter().map(|it| (it.ast.name.span, it.sound)).collect();
    let mut told = Vec::new();
    let mut items = items::collect(program, &mut told);
    let order = layer::order(&mut items, &mut told);
    let items = items;
    let cells: Vec<&ast::Cell> = program
        .files
        .iter()
        .flat_map(|it| &it.items)
        .filter_map(|it| match it {
            ast::Item::Cell(cell) => Some(cell),
            ast::Item::Activation(_) | ast::Item::Function(_) | ast::Item::Use(_) => None,
        })
        .collect();
    let set: hypers::Settings<'_> =
        settings.values.iter().map(|(name, value)| (&*name.name, (name, value))).collect();
    let (unset, given) = (hypers::Settings::new(), layer::Given::default());
    let is_set = |it: &ast::Cell| match cell {
        Some(name) => *it.name.name == *name,
        None => cells.len() == 1,
    };
    // Inner cells come before those that are made of them; what is set holds for the outermost one.
    let store = layer::Store::default();
    let mut found: BTreeMap<Span, ir::Cell> = BTreeMap::new();
    for idx in order {
        let face = &items.cells[idx];
        if sink.len() >= items::MANY {
            break;
        }
        if face.is_model() || is_set(face.cell) && !set.is_empty() && !face.is_inner {
            continue;
        }
        let checked = cell::check(face.cell, &items, &unset, &given, &store, sink);
        let checked = checked.filter(|_| sound[&face.cell.name.span]).map(Rc::new);
        if let Some(checked) = &checked {
            found.insert(face.cell.span, checked.cell.clone());
        }
        store.keep(idx, checked);
    }
    for it in &cells {
        if sink.len() >= items::MANY {
            break;
        }
        if it.kind == ast::CellKind::Model {
            continue;
        }
        let is_known = items.cell(&it.name.name).is_some_and(|idx| {
            std::ptr::eq(items.cells[idx].cell, *it) && (set.is_empty() || !is_set(it))
        });
        if !is_known {
            let settings = if is_set(it) { &set } else { &unset };
            let checked = cell::check(it, &items, settings, &given, &store, sink);
            match checked.filter(|_| sound[&it.name.span]) {
                Some(checked) => found.insert(it.span, checked.cell),
                None => found.remove(&it.span),
            };
        }
        if let Some(cell) = found.remove(&it.span) {
            if program.is_used(it.span) {
                checked.used.push(cell);
            } else {
                sink.extend(lint::lint(it, &cell));
                checked.cells.push(cell);
            }
        }
    }
    sink.extend(lint::lint_items(&program.files[0]));
    // What an erroneous file needs is not known.
    if !diag::has_errors(sink) {
        sink.extend(lint::lint_uses(program));
    }
    diag::sort(sink);
    checked.diagnostics = show::without_repetitions(std::mem::take(sink));
    checked
}
