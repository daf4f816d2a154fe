//! From the tree to the graph: names, cycles, shapes, constants; every diagnostic of a file in one run.

mod analysis;
mod backward;
mod carries;
mod cell;
mod consts;
mod declared;
mod dims;
mod equation;
mod hypers;
mod inits;
mod layer;
mod layout;
mod lint;
mod lower;
mod masks;
mod pieces;
mod range;
mod shapes;
#[cfg(test)]
mod tests;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use types::Recorder;

pub use self::analysis::{Analysis, analyse};
pub use self::types::{Type, Typed};
use crate::diag::{self, Diagnostic};
pub use crate::hir::Program;
use crate::hir::{self, Cell, CellId, Tree, builtin, show, suggest};
use crate::ir;
use crate::syntax::ast;

/// The settings from outside, as written: `--set dt=0.5`, `--set act=relu`, `--set H=4`. The last of a name wins. The spans of
/// the expressions lie in a source file of their own, so that messages can show them.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Names of dims and hypers, and their values.
    pub values: Vec<(ast::Ident, ast::Expr)>,
}

/// The result of checking a file.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The cells of the file without errors, in the order of the source.
    pub cells: Vec<ir::Cell>,
    /// The cell that the file is about, by its position: its only model; else its only cell, or the only one that is no
    /// layer of another.
    pub main: Option<usize>,
    /// Those of the files that it uses.
    pub used: Vec<ir::Cell>,
    /// Everything found, errors and warnings, in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
}

/// Returns the names of the built-in functions that values can be computed with, in order.
pub fn functions() -> impl Iterator<Item = &'static str> {
    use builtin::Builtin;
    let of_values = |it: Builtin| !matches!(it, Builtin::Bernoulli | Builtin::OfModel(_));
    builtin::names().filter(move |it| builtin::find(it).is_some_and(|it| of_values(it.what)))
}

/// Returns the names that may precede an argument list anywhere: functions, initialisers, and the operators of layouts.
pub fn callable() -> impl Iterator<Item = &'static str> {
    const OF_LAYOUTS: [&str; 4] = ["rows", "cols", "permute", "flatten"];
    builtin::names().chain(builtin::draws()).chain(OF_LAYOUTS)
}

/// Checks all items of a file and of those that it uses. `settings` hold for the cell named `cell` (the only one when
/// `None`). There are warnings about the first file alone.
pub fn check(program: &Program, cell: Option<&str>, settings: &Settings) -> Checked {
    run(&hir::resolve(program), cell, settings, None)
}

fn run(
    tree: &Tree<'_>,
    cell: Option<&str>,
    settings: &Settings,
    types: Option<&Recorder>,
) -> Checked {
    let program = tree.program;
    let mut checked = Checked::default();
    let sink = &mut checked.diagnostics;
    sink.extend(tree.diagnostics.iter().cloned());
    for function in &tree.functions {
        let mut unknown = |_: &hir::Expr<'_>| Ok(None);
        hir::walk::function(function, &mut |it| declared::check_sizes(it, &mut unknown, sink));
    }
    let set: hypers::Settings<'_> =
        settings.values.iter().map(|(name, value)| (&*name.name, (name, value))).collect();
    let (unset, given) = (hypers::Settings::new(), layer::Given::default());
    let is_set = |it: &Cell<'_>| match cell {
        Some(name) => **it.name() == *name,
        None => tree.cells.len() == 1,
    };
    // Inner cells come before those that are made of them; what is set holds for the outermost one.
    let store = layer::Store::new(|tree, id, given, store, sink| {
        cell::check(tree, id, &hypers::Settings::new(), given, store, None, sink)
    });
    let mut found: BTreeMap<CellId, ir::Cell> = BTreeMap::new();
    let mut done: BTreeSet<CellId> = BTreeSet::new();
    for id in &tree.order {
        let it = &tree.cells[*id];
        if sink.len() >= hir::MANY {
            break;
        }
        if it.is_model() || is_set(it) && !set.is_empty() && !it.is_inner {
            continue;
        }
        let inner = cell::check(tree, *id, &unset, &given, &store, types, sink).map(Rc::new);
        if let Some(inner) = &inner {
            found.insert(*id, inner.cell.clone());
        }
        store.keep(*id, inner);
        if set.is_empty() || !is_set(it) {
            done.insert(*id);
        }
    }
    let mut outer = Vec::new();
    for (id, it) in tree.cells.pairs() {
        if sink.len() >= hir::MANY {
            break;
        }
        if !done.contains(&id) {
            let settings = if is_set(it) { &set } else { &unset };
            match cell::check(tree, id, settings, &given, &store, types, sink) {
                Some(inner) => found.insert(id, inner.cell),
                None => found.remove(&id),
            };
        }
        if let Some(cell) = found.remove(&id) {
            if let Some(types) = types {
                types.note_ranges(id, &cell);
            }
            if program.is_used(it.ast.span) {
                checked.used.push(cell);
            } else {
                sink.extend(lint::lint(tree, it, &cell));
                if !it.is_inner {
                    outer.push(checked.cells.len());
                }
                checked.cells.push(cell);
            }
        }
    }
    sink.extend(lint::lint_items(tree));
    // What an erroneous file needs is not known.
    if !diag::has_errors(sink) {
        sink.extend(lint::lint_uses(tree));
    }
    let models = (0..checked.cells.len()).filter(|it| checked.cells[*it].is_model);
    checked.main = match (&models.collect::<Vec<usize>>()[..], &outer[..]) {
        ([only], _) | (_, [only]) => Some(*only),
        (_, _) => None,
    };
    diag::sort(sink);
    checked.diagnostics = show::without_repetitions(std::mem::take(sink));
    checked
}
