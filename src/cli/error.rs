//! The reasons for which a command fails, and its exit code.

use std::io;
use std::path::{Path, PathBuf};

use crate::api;
use crate::data::DataError;
use crate::diag::{Code, json};

/// The reasons for which a command ends without success.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The spec or the check failed and has been reported.
    #[error("")]
    Failed,
    /// Some of several specs failed, each has been reported, and this is the highest of their exit codes.
    #[error("")]
    Reported(u8),
    /// The request cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(String),
    /// A cell where a model is needed.
    #[error("{0}")]
    NoModel(String),
    /// Data, sizes or weights do not fit the cell.
    #[error("{message}")]
    Fit {
        /// The stable code.
        code: Code,
        /// One line.
        message: String,
    },
    /// The spec does not compile.
    #[error("{0}")]
    Spec(Box<api::SpecError>),
    /// The other end of standard output is gone: nobody reads, so there is nothing to say.
    #[error("")]
    BrokenPipe,
}

impl CliError {
    /// Returns the error of data that does not fit the cell.
    pub fn misfit(message: impl Into<String>) -> CliError {
        CliError::Fit { code: Code::DataDoesNotFit, message: message.into() }
    }

    /// Returns the exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Failed | CliError::NoModel(_) => 1,
            CliError::Reported(code) => *code,
            // A spec that is right and a setting that is not: the setting does not fit.
            CliError::Spec(it) if it.only_settings() => 4,
            CliError::Spec(_) => 1,
            CliError::Usage(_) => 2,
            CliError::Io(_) => 3,
            CliError::Fit { code: Code::NotFinite, .. } => 5,
            CliError::Fit { code: Code::BadKey, .. } => 2,
            CliError::Fit { .. } => 4,
            // Whoever closed the pipe has what they wanted.
            CliError::BrokenPipe => 0,
        }
    }

    /// Adds what went wrong to a report.
    pub fn tell(&self, report: &mut json::Report) {
        match self {
            CliError::Spec(it) => report.add(&it.diagnostics, &it.sources),
            CliError::Usage(message) | CliError::Io(message) | CliError::NoModel(message) => {
                report.fail(None, message);
            }
            CliError::Fit { code, message } => report.fail(Some(*code), message),
            CliError::Failed | CliError::Reported(_) => report.fail(None, "the command failed"),
            CliError::BrokenPipe => {}
        }
    }

    /// Returns an error of data at a file.
    pub fn data(path: impl Into<PathBuf>, error: DataError) -> CliError {
        if error.io_kind() == Some(io::ErrorKind::BrokenPipe) {
            CliError::BrokenPipe
        } else if error.is_io() {
            CliError::Io(error.to_string())
        } else {
            CliError::Fit {
                code: error.code(),
                message: error.in_file(&shown(&path.into())).to_string(),
            }
        }
    }
}

impl From<api::Error> for CliError {
    fn from(error: api::Error) -> CliError {
        match error {
            api::Error::Spec(error) => CliError::Spec(error),
            api::Error::NoSuchCell { .. } | api::Error::NoSuchLayout { .. } => {
                CliError::Usage(error.to_string())
            }
            api::Error::WhichCell { ref known, ref used }
                if known.is_empty() && used.is_empty() =>
            {
                CliError::Usage("the file holds no cell, only functions".to_owned())
            }
            api::Error::WhichCell { .. } => {
                CliError::Usage(format!("{error}; name one with --cell"))
            }
            api::Error::Fit { code, message, .. } => CliError::Fit { code, message },
        }
    }
}

impl From<DataError> for CliError {
    fn from(error: DataError) -> CliError {
        CliError::data("", error)
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> CliError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::BrokenPipe,
            _ => CliError::Io(format!("cannot write to standard output: {error}")),
        }
    }
}

/// Returns a path as messages name it.
pub fn shown(path: &Path) -> PathBuf {
    if path.as_os_str() == "-" { PathBuf::from("<stdin>") } else { path.to_owned() }
}
