//! The resolved tree: what every name of a program means.
//!
//! [`resolve()`] reads the text's trees of all files once. It gives every definition an id and a kind, turns every path into the
//! id of a definition, a local or a value of a layer, and every call into a callee with its arguments in the order of the
//! parameters. What is wrong is reported and becomes an `Error` node, so that a file with errors has a whole tree; whoever
//! reads one is silent about it. Lowering, warnings, layouts, formulas and editors read this tree, and nothing after it looks a
//! name up.

pub(crate) mod args;
pub mod builtin;
mod declare;
pub mod expr;
pub mod facts;
mod fold;
pub mod id;
mod items;
pub mod kind;
mod known;
mod masks;
mod program;
mod references;
mod report;
mod resolve;
pub(crate) mod show;
pub(crate) mod suggest;
pub mod tree;
pub mod walk;
mod written;

pub use expr::*;
pub use id::*;
pub(crate) use items::MANY;
pub use kind::*;
pub use program::Program;
pub use references::{Owner, Reference, References, Target};
pub(crate) use report::no_size;
pub use tree::*;

use crate::diag::Diagnostic;
use crate::syntax::ast;
pub use crate::syntax::ast::{BinaryOp, Decl, Role, Scope, ValueRole};
use crate::text::id::IdVec;
use resolve::Shared;
use suggest::Suggest;

/// Resolves all names of a program.
pub fn resolve(program: &Program) -> Tree<'_> {
    let mut sink = Vec::new();
    let mut known = known::collect(program, &mut sink);
    let order = items::order(&mut known, &mut sink);
    let suggest = Suggest::new();
    let mut shared = Shared { sink, suggest, references: Vec::new(), n_exprs: 0 };
    let functions = items::functions(&known, &mut shared);
    let mut cells = IdVec::new();
    for id in known.cells.ids() {
        let span = known.cells[id].ast.name.span;
        let target = Target::Cell(id);
        shared.references.push(Reference { span, target, is_definition: true });
        cells.push(resolve::cell(&known, id, &mut shared));
    }
    Tree {
        program,
        cells,
        functions,
        order,
        references: References::new(shared.references),
        n_exprs: shared.n_exprs,
        diagnostics: shared.sink,
    }
}

/// Resolves a number that is set from outside: a constant without names.
pub(crate) fn resolve_number<'a>(tree: &Tree<'a>, expr: &'a ast::Expr) -> Expr<'a> {
    resolve_setting(tree, |known, shared| resolve::number(known, expr, shared)).0
}

/// Resolves an activation that is set from outside, whose constants may be given by position; `None` where it is none.
pub(crate) fn resolve_activation<'a>(
    tree: &Tree<'a>,
    expr: &'a ast::Expr,
) -> Option<Result<Expr<'a>, Box<Diagnostic>>> {
    let resolve =
        |known: &known::Known<'a>, shared: &mut Shared| resolve::activation(known, expr, shared);
    let (found, faults) = resolve_setting(tree, resolve);
    let first = faults.into_iter().next();
    found.map(|it| first.map_or(Ok(it), |fault| Err(Box::new(fault))))
}

fn resolve_setting<'a, T>(
    tree: &Tree<'a>,
    resolve: impl FnOnce(&known::Known<'a>, &mut Shared) -> T,
) -> (T, Vec<Diagnostic>) {
    let mut known = known::Known::default();
    for function in &tree.functions {
        let id = known.functions.push(function.ast);
        known.functions_by_name.insert(&function.name().name, id);
    }
    let (suggest, n_exprs) = (Suggest::none(), tree.n_exprs);
    let mut shared = Shared { sink: Vec::new(), suggest, references: Vec::new(), n_exprs };
    let found = resolve(&known, &mut shared);
    (found, shared.sink)
}
