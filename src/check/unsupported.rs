//! What the language has and the compiler not yet: models, and what only they have a use for.

use crate::diag::{Code, Diagnostic};
use crate::hir::builtin::Builtin;
use crate::hir::{Callee, Cell, CellId, Expr, Kind, Tree, walk};
use crate::syntax::ast::Role;
use crate::text::Span;

/// Finds all of it in a program, each with the cell that has it.
pub(super) fn find(tree: &Tree<'_>) -> Vec<(Option<CellId>, Diagnostic)> {
    let mut found = Vec::new();
    let mut all = Vec::new();
    for function in &tree.functions {
        walk::function(function, &mut |it| call(it, &mut found));
    }
    all.extend(found.drain(..).map(|it| (None, it)));
    for (id, it) in tree.cells.pairs() {
        cell(it, &mut found);
        all.extend(found.drain(..).map(|it| (Some(id), it)));
    }
    all
}

fn cell(cell: &Cell<'_>, found: &mut Vec<Diagnostic>) {
    if cell.is_model() {
        return found.push(report("model", keyword(cell.ast.span, "model")));
    }
    for group in &cell.groups {
        // A cell has no use for these; a model is told of as a whole.
        if let Role::Target | Role::Feedback = group.role {
            let word = group.role.keyword();
            found.push(report(word, keyword(group.decl.span, word)));
        }
    }
    found.extend(cell.losses.iter().map(|it| report("loss", it.decl.span)));
    walk::cell(cell, &mut |it| call(it, found));
}

fn call(expr: &Expr<'_>, found: &mut Vec<Diagnostic>) {
    if let Kind::Call(call) = &expr.kind
        && let Callee::Builtin(signature) = call.callee
        && let Builtin::OfModel(_) = signature.what
    {
        found.push(report(signature.name, expr.span()));
    }
}

fn keyword(whole: Span, word: &str) -> Span {
    Span { end: whole.start + word.len() as u32, ..whole }
}

fn report(what: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::NotSupportedYet, span, format!("`{what}` is not supported yet"))
}
