//! Why a command failed, and with which exit code.

use std::io;
use std::path::PathBuf;

use crate::api;
use crate::data::DataError;
use crate::diag::Code;

/// Why a command ends without success.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The spec or the check failed and has been reported.
    #[error("")]
    Failed,
    /// What was asked for cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read or written.
    #[error("{0}")]
    Io(String),
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
    /// The exit code of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            CliError::Failed => 1,
            // A spec that is right and a setting that is not: the setting does not fit.
            CliError::Spec(it) if it.only_settings() => 4,
            CliError::Spec(_) => 1,
            CliError::Usage(_) => 2,
            CliError::Io(_) => 3,
            CliError::Fit { code: Code::NotFinite, .. } => 5,
            CliError::Fit { .. } => 4,
            // Whoever closed the pipe has what they wanted.
            CliError::BrokenPipe => 0,
        }
    }

    /// An error of data at a file.
    pub fn data(path: impl Into<PathBuf>, error: DataError) -> CliError {
        if error.is_io() {
            CliError::Io(error.to_string())
        } else {
            let path: PathBuf = path.into();
            CliError::Fit { code: error.code(), message: format!("{}: {error}", path.display()) }
        }
    }
}

impl From<api::Error> for CliError {
    fn from(error: api::Error) -> CliError {
        match error {
            api::Error::Spec(error) => CliError::Spec(error),
            api::Error::NoSuchCell { .. } | api::Error::WhichCell { .. } => {
                CliError::Usage(format!("{error}; name it with --cell"))
            }
            api::Error::Fit { code, message } => CliError::Fit { code, message },
        }
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> CliError {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::BrokenPipe,
            _ => CliError::Io(format!("cannot write: {error}")),
        }
    }
}
