//! The files of a program and which uses which.

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
    /// Returns a file alone; what it uses is not there.
    pub fn single(file: ast::File) -> Program {
        let uses = file.uses().map(|_| None).collect();
        Program { files: vec![file], uses: vec![uses] }
    }

    /// Returns true if every `use` was followed, so that a name that was not found is not defined.
    pub fn is_complete(&self) -> bool {
        self.uses.iter().flatten().all(Option::is_some)
    }

    /// Returns true if this place lies in a file that is only used. Who checks a file is told nothing of what others could write
    /// better.
    pub fn is_used(&self, span: Span) -> bool {
        (1..self.files.len()).contains(&usize::from(span.file.0))
    }
}
