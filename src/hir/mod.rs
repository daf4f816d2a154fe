//! The resolved tree: what every name of a program means.
//!
//! [`resolve`] reads the text's trees of all files once. It gives every definition an id and a kind, turns every path into the
//! id of a definition, a local or a value of a layer, and every call into a callee with its arguments in the order of the
//! parameters. What is wrong is reported and becomes an `Error` node, so that a file with errors has a whole tree; whoever
//! reads one is silent about it. Lowering, warnings, layouts, formulas and editors read this tree, and nothing after it looks a
//! name up.

pub(crate) mod args;
pub mod builtin;
mod declare;
mod fold;
mod items;
mod masks;
pub(crate) mod order;
mod references;
mod report;
mod resolve;
pub(crate) mod show;
pub(crate) mod suggest;
pub mod tree;
pub mod walk;

pub(crate) use items::MANY;
pub use references::{Owner, Reference, References, Target};
#[allow(unused_imports)]
pub(crate) use report::no_size;
pub use tree::*;

use crate::diag::Diagnostic;
use crate::syntax::ast;
use crate::text::id::IdVec;
use crate::text::{FileId, Span};
use resolve::Shared;
use suggest::Suggest;

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

/// Resolves all names of a program.
pub fn resolve(program: &Program) -> Tree<'_> {
    let mut sink = Vec::new();
    let mut known = items::collect(program, &mut sink);
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

#[allow(dead_code)]
/// Resolves what is set from outside: a constant without names, or an activation whose constants may be given by position.
/// Gives what is wrong with it too.
pub(crate) fn resolve_setting<'a>(
    tree: &Tree<'a>,
    expr: &'a ast::Expr,
) -> (Expr<'a>, Vec<Diagnostic>) {
    let mut known = items::Known {
        cells: IdVec::new(),
        cells_by_name: Default::default(),
        functions: IdVec::new(),
        functions_by_name: Default::default(),
        incomplete: false,
        unread: Vec::new(),
    };
    for function in &tree.functions {
        let id = known.functions.push(function.ast);
        known.functions_by_name.insert(&function.name().name, id);
    }
    let suggest = Suggest::none();
    let n_exprs = tree.n_exprs;
    let mut shared = Shared { sink: Vec::new(), suggest, references: Vec::new(), n_exprs };
    let expr = resolve::setting(&known, expr, &mut shared);
    (expr, shared.sink)
}
