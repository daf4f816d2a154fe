//! Maps names to their meaning: for going to a definition, and for finding all references.

use super::id::{CellId, DefId, FunctionId, LocalId};
use crate::text::{FileId, Span};

/// The meaning of a name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Target {
    /// A cell or model.
    Cell(CellId),
    /// A function or activation.
    Function(FunctionId),
    /// A name that a cell defines.
    Def(CellId, DefId),
    /// A parameter, or what a loop binds.
    Local(Owner, LocalId),
    /// A built-in function, an initialiser, or a form of layouts.
    Builtin(&'static str),
    /// A parameter of a built-in function.
    Parameter(&'static str),
}

/// Whose locals are meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Owner {
    /// Those of a cell's loops.
    Cell(CellId),
    /// The parameters of a function.
    Function(FunctionId),
}

/// A name at a place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reference {
    /// The place of the name.
    pub span: Span,
    /// The meaning.
    pub target: Target,
    /// True for the definition itself.
    pub is_definition: bool,
}

/// All names of a program, in the order of the source.
#[derive(Clone, Debug, Default)]
pub struct References {
    list: Vec<Reference>,
}

impl References {
    pub(super) fn new(mut list: Vec<Reference>) -> References {
        list.sort();
        list.dedup();
        References { list }
    }

    /// Lists all names, in the order of the source.
    pub fn iter(&self) -> impl Iterator<Item = &Reference> {
        self.list.iter()
    }

    /// Returns the name at a byte of a file; the byte after a name belongs to it, as editors place their cursor.
    pub fn at(&self, file: FileId, byte: u32) -> Option<&Reference> {
        let after = self.list.partition_point(|it| (it.span.file, it.span.start) <= (file, byte));
        let found = self.list[..after].last()?;
        (found.span.file == file && byte <= found.span.end).then_some(found)
    }

    /// Lists the places where something is named, its definition included.
    pub fn of(&self, target: Target) -> impl Iterator<Item = &Reference> {
        self.list.iter().filter(move |it| it.target == target)
    }
}
