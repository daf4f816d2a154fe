//! Functions and activations: those that no cell uses, and what is lossy in them.

use std::collections::BTreeSet;

use super::accuracy;
use crate::diag::{Code, Diagnostic};
use crate::hir::{Function, FunctionId, Kind, Tree, walk};

/// Finds what is wrong with the functions and activations of the first file.
pub(super) fn lint(tree: &Tree<'_>) -> Vec<Diagnostic> {
    let own = |it: &Function<'_>| !tree.program.is_used(it.name().span);
    let mut found = Vec::new();
    for function in tree.functions.iter().filter(|it| own(it)) {
        found.extend(accuracy::of_function(function));
        if !function.is_activation() {
            found.extend(unused_params(function));
        }
    }
    // A file without cells is a library; whoever uses it decides what is used.
    let mut open: Vec<FunctionId> = Vec::new();
    let mut cells = tree.cells.iter().filter(|it| !tree.program.is_used(it.ast.span)).peekable();
    if cells.peek().is_none() {
        return found;
    }
    cells.for_each(|it| walk::cell(it, &mut |it| open.extend(tree.function_of(it))));
    let mut used: BTreeSet<FunctionId> = BTreeSet::new();
    while let Some(id) = open.pop() {
        if used.insert(id) {
            walk::function(&tree.functions[id], &mut |it| open.extend(tree.function_of(it)));
        }
    }
    for (id, function) in tree.functions.pairs() {
        if own(function) && !used.contains(&id) {
            let what = if function.is_activation() { "activation" } else { "fn" };
            let name = function.name();
            let message = format!("{what} `{}` is never used", name.name);
            found.push(
                Diagnostic::new(Code::UnusedName, name.span, message)
                    .at("no cell of this file calls it"),
            );
        }
    }
    found
}

fn unused_params(function: &Function<'_>) -> Vec<Diagnostic> {
    // By name, for two parameters of one name are an error of its own.
    let mut read = BTreeSet::new();
    walk::expr(&function.body, &mut |it| {
        if let Kind::Local(local) = it.kind {
            read.insert(&function.params[local].name.name);
        }
    });
    (function.params.iter().filter(|it| !read.contains(&it.name.name)))
        .map(|param| {
            let (param, name) = (param.name, &function.name().name);
            let message = format!("`{}` of `{name}` is never used", param.name);
            Diagnostic::new(Code::UnusedName, param.span, message).at("the body does not read it")
        })
        .collect()
}
