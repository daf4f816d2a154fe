//! `use` items that add nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Program;
use super::items::{cell_exprs, mentions};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::{DeclKind, Item, Use};
use crate::text::{FileId, Name};

/// Finds what the first file uses twice, or without need.
pub(super) fn lint(program: &Program) -> Vec<Diagnostic> {
    let main = &program.files[0];
    let mut found = Vec::new();
    let mut first: BTreeMap<FileId, &Use> = BTreeMap::new();
    // A file without cells may gather what others use.
    let gathers = !main.items.iter().any(|it| matches!(it, Item::Cell(_)));
    let needed = if gathers { BTreeSet::new() } else { needed(program) };
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

/// A file and all that it uses, directly or through others.
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

/// The files that define what the items of the first file name, directly or through others.
fn needed(program: &Program) -> BTreeSet<FileId> {
    let mut definitions: BTreeMap<&Name, (FileId, &Item)> = BTreeMap::new();
    for item in program.files.iter().flat_map(|it| &it.items) {
        let name = match item {
            Item::Cell(it) => &it.name,
            Item::Activation(it) => &it.name,
            Item::Function(it) => &it.name,
            Item::Use(_) => continue,
        };
        definitions.insert(&name.name, (name.span.file, item));
    }
    let mut open: Vec<Name> = Vec::new();
    program.files[0].items.iter().for_each(|it| names_in(it, &mut open));
    let mut seen: BTreeSet<Name> = BTreeSet::new();
    let mut files = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some((file, item)) = definitions.get(&name) else { continue };
        if seen.insert(name) {
            files.insert(*file);
            names_in(item, &mut open);
        }
    }
    files
}

/// What an item calls, names or has as a layer.
fn names_in(item: &Item, names: &mut Vec<Name>) {
    match item {
        Item::Cell(cell) => {
            cell_exprs(cell, &mut |it| mentions(it, names));
            for decl in &cell.decls {
                if let DeclKind::Layer(layer) = &decl.kind {
                    names.push(layer.cell.name.clone());
                }
            }
        }
        Item::Activation(it) => {
            mentions(&it.body, names);
            it.derivative.iter().for_each(|it| mentions(it, names));
            it.constants.iter().for_each(|(_, it)| mentions(it, names));
        }
        Item::Function(it) => mentions(&it.body, names),
        Item::Use(_) => {}
    }
}
