//! Errors of the library as exceptions of Python.
//!
//! The classes are Python's (`rnnc/_errors.py`): here an error becomes its kind, code, message and, for a spec, the
//! diagnostics as JSON.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use rnnc::api;
use rnnc::data;
use rnnc::diag::{self, Code, render};
use rnnc::exec::{BindError, InitError, RunError, gradcheck};
use rnnc::text::SourceMap;

/// A failure, before it is an exception.
pub enum Fault {
    /// A spec that does not compile.
    Spec(Box<api::SpecError>),
    /// Data, sizes, weights or settings that do not fit.
    Data(Option<Code>, String),
    /// A name that does not exist.
    Name(Option<Code>, String),
    /// A file.
    Os(String, std::io::Error),
    /// An object that another thread is using.
    Busy(String),
    /// A Rust panic.
    Panic(String),
    /// An exception already.
    Python(PyErr),
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Fault {
        Fault::Python(error)
    }
}

impl From<api::SpecError> for Fault {
    fn from(error: api::SpecError) -> Fault {
        Fault::Spec(Box::new(error))
    }
}

impl From<api::Error> for Fault {
    fn from(error: api::Error) -> Fault {
        let message = error.to_string();
        match error {
            api::Error::Spec(error) => Fault::Spec(error),
            api::Error::NoSuchCell { .. } | api::Error::NoSuchLayout { .. } => {
                Fault::Name(None, message)
            }
            api::Error::WhichCell { .. } => Fault::Data(None, message),
            api::Error::Fit { code, message, .. } => Fault::Data(Some(code), message),
        }
    }
}

impl From<RunError> for Fault {
    fn from(error: RunError) -> Fault {
        Fault::Data(Some(error.code()), error.to_string())
    }
}

impl From<BindError> for Fault {
    fn from(error: BindError) -> Fault {
        Fault::Data(Some(error.code()), error.to_string())
    }
}

impl From<InitError> for Fault {
    fn from(error: InitError) -> Fault {
        Fault::Data(Some(error.code()), error.to_string())
    }
}

impl From<gradcheck::CheckError> for Fault {
    fn from(error: gradcheck::CheckError) -> Fault {
        Fault::Data(Some(error.code()), error.to_string())
    }
}

impl From<data::DataError> for Fault {
    fn from(error: data::DataError) -> Fault {
        let message = error.to_string();
        match error {
            data::DataError::Read { path, source } | data::DataError::Write { path, source } => {
                Fault::Os(path.display().to_string(), source)
            }
            _ => Fault::Data(None, message),
        }
    }
}

impl Fault {
    /// The exception.
    pub fn raise(self, py: Python<'_>) -> PyErr {
        let made = match self {
            Fault::Python(error) => return error,
            Fault::Spec(error) => {
                let (json, rendered) = told(&error.diagnostics, &error.sources);
                make(py, "spec", None, &rendered, Some(&json))
            }
            Fault::Data(code, message) => make(py, "data", code, &message, None),
            Fault::Name(code, message) => make(py, "name", code, &message, None),
            Fault::Busy(message) => make(py, "busy", None, &message, None),
            Fault::Panic(message) => make(py, "internal", None, &message, None),
            Fault::Os(path, error) => {
                let Some(number) = error.raw_os_error() else {
                    return pyo3::exceptions::PyOSError::new_err(format!("{path}: {error}"));
                };
                let text = error.to_string();
                let text = text.split(" (os error").next().unwrap_or_default().to_owned();
                return pyo3::exceptions::PyOSError::new_err((number, text, path));
            }
        };
        made.unwrap_or_else(|error| error)
    }
}

fn make(
    py: Python<'_>,
    kind: &str,
    code: Option<Code>,
    message: &str,
    diagnostics: Option<&str>,
) -> PyResult<PyErr> {
    let code = code.map(Code::as_str);
    let class = py.import("rnnc._errors")?.getattr("make")?;
    Ok(PyErr::from_value(class.call1((kind, code, message, diagnostics))?))
}

/// Diagnostics as JSON, and as the command line shows them, without colours.
pub fn told(diagnostics: &[diag::Diagnostic], sources: &SourceMap) -> (String, String) {
    let json = diag::json::report(diagnostics, sources).to_json();
    let text = render::render_all(diagnostics, sources, render::Style::Plain, render::LIMIT);
    (json, text)
}

/// Does something and turns what goes wrong into an exception, a panic too.
pub fn guard<T>(py: Python<'_>, work: impl FnOnce() -> Result<T, Fault>) -> PyResult<T> {
    let done = catch_unwind(AssertUnwindSafe(work));
    done.unwrap_or_else(|panic| Err(Fault::Panic(words(&*panic)))).map_err(|it| it.raise(py))
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|it| (*it).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
