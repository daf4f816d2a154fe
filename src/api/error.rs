//! What can go wrong between a source and its numbers.

use std::fmt;

use super::spec::SETTING;
use crate::diag::{Code, Diagnostic};
use crate::exec::RunError;
use crate::text::SourceMap;

/// A spec that does not compile: everything found in it, with the sources to show it in.
#[derive(Clone, Debug)]
pub struct SpecError {
    /// Errors and warnings, in the order of the source.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that the spans lie in.
    pub sources: SourceMap,
}

impl SpecError {
    /// Whether the spec itself is right and only what was set in it is not: settings are applied to
    /// specs without errors.
    pub fn only_settings(&self) -> bool {
        self.sources.files().iter().any(|it| it.name == SETTING)
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, it) in self.diagnostics.iter().filter(|it| it.is_error()).enumerate() {
            if idx > 0 {
                f.write_str("\n")?;
            }
            let place = self.sources.place(it.span);
            let file = &self.sources.file(it.span.file).name;
            write!(f, "{file}:{}:{}: ", place.line, place.column)?;
            write!(f, "error[{}]: {}", it.code.as_str(), it.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecError {}

/// A cell that cannot be had from a spec, bound to sizes, or run on given data.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spec has errors.
    #[error("{0}")]
    Spec(#[from] Box<SpecError>),
    /// There is no such cell in the file.
    #[error("there is no cell `{name}`; {}", one_of(.known, .used))]
    NoSuchCell {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
        /// Those in the files that it uses.
        used: Vec<String>,
    },
    /// The file holds several cells, or none.
    #[error("which cell? {}", one_of(.known, .used))]
    WhichCell {
        /// The names that there are.
        known: Vec<String>,
        /// Those in the files that it uses.
        used: Vec<String>,
    },
    /// The cell has no such layout.
    #[error("cell `{cell}` has no layout `{name}`; it has {}", known.join(", "))]
    NoSuchLayout {
        /// The cell.
        cell: String,
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// Data, sizes or weights that do not fit the cell.
    #[error("{message}")]
    Fit {
        /// The stable code, E07..
        code: Code,
        /// One line, in lower case.
        message: String,
    },
}

impl Error {
    /// Data, sizes or weights that do not fit.
    pub fn fit(code: Code, message: impl Into<String>) -> Error {
        Error::Fit { code, message: message.into() }
    }

    /// The stable code, if it has one of its own.
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Fit { code, .. } => Some(*code),
            Error::Spec(_)
            | Error::NoSuchCell { .. }
            | Error::WhichCell { .. }
            | Error::NoSuchLayout { .. } => None,
        }
    }
}

impl From<RunError> for Error {
    fn from(error: RunError) -> Error {
        Error::fit(error.code(), error.to_string())
    }
}

impl From<SpecError> for Error {
    fn from(error: SpecError) -> Error {
        Error::Spec(Box::new(error))
    }
}

fn one_of(own: &[String], used: &[String]) -> String {
    let list = |names: &[String]| {
        names.iter().map(|it| format!("`{it}`")).collect::<Vec<String>>().join(", ")
    };
    let own = match own {
        [] => "the file holds no cell".to_owned(),
        [one] => format!("the file holds only `{one}`"),
        many => format!("the file holds {}", list(many)),
    };
    if used.is_empty() { own } else { format!("{own}, and uses {}", list(used)) }
}
