//! Reports that several parts of the resolver make.

use super::suggest::Suggest;
use super::tree::Def;
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::Ident;

/// Returns the second definition of a name. Of two files the one that was asked for, or else comes first in it, is the one where
/// the reader can do something.
pub(super) fn twice(name: &Ident, first: &Ident) -> Diagnostic {
    if name.span.file != first.span.file {
        let message = format!("`{}` is defined in two files", name.name);
        return Diagnostic::new(Code::DefinedTwice, first.span, message)
            .label(name.span, "and here")
            .help("a file and all that it uses share their names; rename one of the two");
    }
    Diagnostic::new(Code::DefinedTwice, name.span, format!("`{}` is defined twice", name.name))
        .label(first.span, "first defined here")
}

/// Returns a name that is no size.
pub(crate) fn no_size(name: &Ident, def: &Def<'_>) -> Diagnostic {
    let message = format!("`{}` is {}, not a size", name.name, def.kind.article());
    Diagnostic::new(Code::WrongKindOfName, name.span, message)
        .label(def.name.span, "declared here")
        .help("sizes are declared with `dims`")
}

/// Returns a name that is nowhere, where a size is wanted.
pub(super) fn unknown_size<'n>(name: &Ident, known: impl Iterator<Item = &'n str>) -> Diagnostic {
    let fault = Suggest::unlimited().report(Code::UnknownDim, "size", name, known);
    if fault.fix.is_some() || fault.help.is_some() {
        return fault;
    }
    fault.help(format!("declare it with `dims {}`", name.name))
}
