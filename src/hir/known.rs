//! The names that a program defines: functions, activations and cells, unique in one name space, and the names of each cell.

use std::collections::BTreeMap;

use super::args::Form;
use super::builtin;
use super::declare::{self, Names};
use super::id::{CellId, FunctionId};
use super::program::Program;
use super::report::twice;
use super::tree::Callable;
use crate::diag::{self, Code, Diagnostic};
use crate::syntax::ast::{self, Ident, Item};
use crate::text::id::IdVec;

/// The names that every expression of a program may use.
#[derive(Default)]
pub(super) struct Known<'a> {
    pub cells: IdVec<CellId, Names<'a>>,
    pub cells_by_name: BTreeMap<&'a str, CellId>,
    pub functions: IdVec<FunctionId, Callable<'a>>,
    pub functions_by_name: BTreeMap<&'a str, FunctionId>,
    /// A file that could not be had may define what is lacking.
    pub incomplete: bool,
    /// The text that could not be read, which may define them too.
    pub unread: Vec<&'a ast::Unread>,
}

impl<'a> Known<'a> {
    pub fn function(&self, name: &str) -> Option<FunctionId> {
        self.functions_by_name.get(name).copied()
    }

    /// Returns true if this name may be defined where it cannot be seen.
    pub fn may_hold(&self, name: &str) -> bool {
        self.incomplete || self.unread.iter().any(|it| it.holds(name))
    }

    pub fn function_names(&self) -> impl Iterator<Item = &'a str> {
        self.functions_by_name.keys().copied()
    }
}

/// Returns the form of calls of a function of the program.
pub(super) fn form(callable: Callable<'_>) -> Form<'_> {
    let params = match callable {
        Callable::Function(it) => it.params.iter().map(|it| (&*it.name, false)).collect(),
        Callable::Activation(it) => std::iter::once((&*it.value.name, false))
            .chain(it.constants.iter().map(|(name, _)| (&*name.name, true)))
            .collect(),
    };
    Form { name: &callable.name().name, params, variadic: false, over: false }
}

/// Collects the items of all files, and the names of all cells.
pub(super) fn collect<'a>(program: &'a Program, sink: &mut Vec<Diagnostic>) -> Known<'a> {
    let mut known = Known {
        cells: IdVec::new(),
        cells_by_name: BTreeMap::new(),
        functions: IdVec::new(),
        functions_by_name: BTreeMap::new(),
        incomplete: !program.is_complete(),
        unread: program.files.iter().map(|it| &it.unread).collect(),
    };
    let mut taken: BTreeMap<&str, &Ident> = BTreeMap::new();
    for item in program.files.iter().flat_map(|it| &it.items) {
        let (callable, name) = match item {
            Item::Cell(cell) => (None, &cell.name),
            Item::Activation(it) => (Some(Callable::Activation(it)), &it.name),
            Item::Function(it) => (Some(Callable::Function(it)), &it.name),
            Item::Use(_) => continue,
        };
        let fault = if builtin::is_taken(&name.name) {
            let message = format!("`{}` is a built-in function", name.name);
            let fault = Diagnostic::new(Code::BuiltInName, name.span, message)
                .help("choose another name; whoever reads a built-in name should know what it is");
            Some(fault)
        } else {
            taken.get(&*name.name).map(|first| twice(name, first))
        };
        let is_known = fault.is_none();
        sink.extend(fault);
        if is_known {
            taken.insert(&name.name, name);
        }
        if let (Some(callable), true) = (callable, is_known) {
            let id = known.functions.push(callable);
            known.functions_by_name.insert(&name.name, id);
        }
        if let Item::Cell(cell) = item {
            let first = sink.len();
            let mut names = declare::collect(cell, sink);
            names.sound = !diag::has_errors(&sink[first..]);
            names.is_known = is_known;
            let id = known.cells.push(names);
            if is_known {
                known.cells_by_name.insert(&name.name, id);
            }
        }
    }
    known
}
