//! What can go wrong between a source and its numbers.

use std::fmt;
#[cfg(feature = "formats")]
use std::path::Path;
use std::sync::Arc;

use super::spec::SETTING;
use crate::data::DataError;
use crate::diag::{Code, Diagnostic};
use crate::exec::gradcheck::CheckError;
use crate::exec::{BindError, InitError, RunError};
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
        /// The error of the stage where it was found, if it has one of its own.
        source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    },
}

/// The kinds of errors, for programs that do something about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The spec has errors: [`Error::diagnostics`].
    Spec,
    /// There is no cell or layout of this name.
    Name,
    /// A size, a hyper, a name or another setting does not fit.
    Setting,
    /// An array does not fit.
    Data,
    /// Weights do not fit.
    Weights,
    /// It takes more memory than there is, or than it may.
    Memory,
    /// A number is NaN or infinite.
    NotFinite,
    /// A file cannot be read or written, or is not what it should be.
    File,
}

impl Error {
    /// Data, sizes or weights that do not fit.
    pub fn fit(code: Code, message: impl Into<String>) -> Error {
        Error::Fit { code, message: message.into(), source: None }
    }

    /// As [`Error::fit`], in the words of another error.
    fn caused(code: Code, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Fit { code, message: source.to_string(), source: Some(Arc::new(source)) }
    }

    /// The same error, with the file that it is about.
    #[cfg(feature = "formats")]
    pub(super) fn of_file(self, path: &Path) -> Error {
        match self {
            Error::Fit { code, message, source } => {
                Error::Fit { code, message: format!("{}: {message}", path.display()), source }
            }
            Error::Spec(_)
            | Error::NoSuchCell { .. }
            | Error::WhichCell { .. }
            | Error::NoSuchLayout { .. } => self,
        }
    }

    /// Returns the kind of the error.
    ///
    /// ```
    /// use rnnc::{Cell, ErrorKind};
    ///
    /// let error = Cell::parse("cell A {").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Spec);
    /// assert!(!error.diagnostics().is_empty());
    /// assert_eq!(Cell::std("gru").unwrap().engine().build().unwrap_err().kind(), ErrorKind::Setting);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Spec(_) => ErrorKind::Spec,
            Error::NoSuchCell { .. } | Error::WhichCell { .. } | Error::NoSuchLayout { .. } => {
                ErrorKind::Name
            }
            Error::Fit { source: Some(it), .. } if it.is::<DataError>() => ErrorKind::File,
            Error::Fit { code: Code::WeightsDoNotFit, .. } => ErrorKind::Weights,
            Error::Fit { code: Code::SizesTooLarge, .. } => ErrorKind::Memory,
            Error::Fit { code: Code::NotFinite, .. } => ErrorKind::NotFinite,
            Error::Fit { code: Code::BadArtifact, .. } => ErrorKind::File,
            Error::Fit { code, .. } => {
                let data = [Code::DataDoesNotFit, Code::BadIndex, Code::BadLengths];
                if data.contains(code) { ErrorKind::Data } else { ErrorKind::Setting }
            }
        }
    }

    /// All that is wrong with the spec, where it is the spec.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Error::Spec(it) => &it.diagnostics,
            Error::NoSuchCell { .. }
            | Error::WhichCell { .. }
            | Error::NoSuchLayout { .. }
            | Error::Fit { .. } => &[],
        }
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

/// Errors of stages that have codes.
macro_rules! from_stage {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Error {
                Error::caused(error.code(), error)
            }
        })*
    };
}
from_stage!(RunError, BindError, InitError, CheckError, DataError);

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
