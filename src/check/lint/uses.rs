//! `use` items that add nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::{CellId, Expr, FunctionId, Program, Tree, walk};
use crate::syntax::ast::Use;
use crate::text::{FileId, Span};

/// Finds what the first file uses twice, or without need.
pub(super) fn lint(tree: &Tree<'_>) -> Vec<Diagnostic> {
    let program = tree.program;
    let main = &program.files[0];
    let mut found = Vec::new();
    let mut first: BTreeMap<FileId, &Use> = BTreeMap::new();
    // A file without cells may gather what others use.
    let gathers = tree.cells.iter().all(|it| program.is_used(it.ast.span));
    let needed = if gathers { BTreeSet::new() } else { needed(tree) };
    for (item, target) in main.uses().zip(&program.uses[0]) {
        let Some(target) = *target else { continue };
        if let Some(before) = first.get(&target) {
            let message = format!("`{}` is used twice", item.target);
            found.push(idle(item, message).label(before.span, "here already"));
            continue;
        }
        first.insert(target, item);
        if !gathers && reached(program, target).is_disjoint(&needed) {
            let message = format!("nothing of `{}` is needed", item.target);
            found.push(idle(item, message).at("no cell and no function of this file needs it"));
        }
    }
    found
}

fn idle(item: &Use, message: String) -> Diagnostic {
    Diagnostic::new(Code::IdleUse, item.span, message).fix(Applicability::Maybe, item.span, "")
}

/// Returns a file and all that it uses, directly or through others.
fn reached(program: &Program, from: FileId) -> BTreeSet<FileId> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(program.uses[usize::from(file.0)].iter().flatten());
        }
    }
    reached
}

/// Returns the files that define what the items of the first file name, directly or through others.
fn needed(tree: &Tree<'_>) -> BTreeSet<FileId> {
    let own = |span: Span| !tree.program.is_used(span);
    let cells = tree.cells.pairs().filter(|it| own(it.1.ast.span)).map(|it| Item::Cell(it.0));
    let functions = tree.functions.pairs().filter(|it| own(it.1.name().span));
    let mut open: Vec<Item> = cells.chain(functions.map(|it| Item::Function(it.0))).collect();
    let mut seen: BTreeSet<Item> = BTreeSet::new();
    let mut files = BTreeSet::new();
    while let Some(item) = open.pop() {
        if !seen.insert(item) {
            continue;
        }
        let mut calls = |it: &Expr<'_>| open.extend(tree.function_of(it).map(Item::Function));
        match item {
            Item::Cell(id) => {
                let cell = &tree.cells[id];
                files.insert(cell.ast.span.file);
                walk::cell(cell, &mut calls);
                open.extend(cell.layers.iter().filter_map(|it| it.cell).map(Item::Cell));
            }
            Item::Function(id) => {
                files.insert(tree.functions[id].name().span.file);
                walk::function(&tree.functions[id], &mut calls);
            }
        }
    }
    files
}

/// The item that another one names: a layer's cell, or a called function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Item {
    Cell(CellId),
    Function(FunctionId),
}
