//! From the tree to the graph: names, cycles, shapes, constants; every diagnostic of a file in one run.

mod args;
mod builtin;
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
mod order;
mod pieces;
mod range;
mod resolve;
mod shapes;
mod show;
mod suggest;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::diag::{self, Code, Diagnostic};
use crate::ir;
use crate::syntax::ast;
use crate::text::{FileId, Span};

/// A file and all that it uses, directly or through others.
#[derive(Clone, Debug)]
pub struct Program {
    /// The trees, each where its [`FileId`] says; the first is the file that was asked for.
    pub files: Vec<ast::File>,
    /// For each file where its `use` items lead, in their order; `None` for one that could not be followed.
    pub uses: Vec<Vec<Option<FileId>>>,
}

impl Program {
    /// A file alone; what it uses is not there.
    pub fn single(file: ast::File) -> Program {
        let uses = file.uses().map(|_| None).collect();
        Program { files: vec![file], uses: vec![uses] }
    }

    /// Whether every `use` was followed, so that a name that is nowhere is nowhere.
    pub fn is_complete(&self) -> bool {
        self.uses.iter().flatten().all(Option::is_some)
    }

    /// Whether this place lies in a file that is only used. Who checks a file is told nothing of what others
    /// could write better.
    pub fn is_used(&self, span: Span) -> bool {
        (1..self.files.len()).contains(&usize::from(span.file.0))
    }
}

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
    builtin::names()
        .filter(|it| builtin::find(it).is_some_and(|it| it.what != builtin::Builtin::Later))
}

/// Checks all items of a file and of those that it uses. `settings` hold for the cell named `cell` (the only one when
/// `None`). There are warnings about the first file alone.
pub fn check(program: &Program, cell: Option<&str>, settings: &Settings) -> Checked {
    let mut checked = Checked::default();
    let sink = &mut checked.diagnostics;
    let mut items = items::collect(program, sink);
    let order = layer::order(&mut items, sink);
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
        let checked = cell::check(face.cell, &items, &unset, &given, &store, sink).map(Rc::new);
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
            let word = Span { end: it.span.start + "model".len() as u32, ..it.span };
            let message = "`model` is not supported yet";
            sink.push(Diagnostic::new(Code::NotSupportedYet, word, message));
            continue;
        }
        let is_known = items.cell(&it.name.name).is_some_and(|idx| {
            std::ptr::eq(items.cells[idx].cell, *it) && (set.is_empty() || !is_set(it))
        });
        if !is_known {
            let settings = if is_set(it) { &set } else { &unset };
            let checked = cell::check(it, &items, settings, &given, &store, sink);
            match checked {
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
