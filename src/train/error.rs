//! The faults of data, and their places.

use std::fmt;

use crate::exec::RunError;
use crate::text::Name;

/// A place in the data. What does not apply is absent; all numbers count from 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The step of a sequence.
    pub step: Option<usize>,
    /// The sequence.
    pub sequence: Option<usize>,
    /// The row of a series.
    pub row: Option<usize>,
    /// The element of the value, as the axes have it; the caller knows its column.
    pub element: Vec<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.row.map(|it| format!("row {it}")),
            self.step.map(|it| format!("step {it}")),
            self.sequence.map(|it| format!("sequence {it}")),
            (!self.element.is_empty()).then(|| format!("element {:?}", self.element)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { Ok(()) } else { write!(f, " at {}", parts.join(", ")) }
    }
}

/// The reasons for which there is no training, or none further. No message names a file: the caller knows which array came from
/// where.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Error {
    /// An array that is missing, has a wrong shape, or a number in it that is none.
    #[error("{message}{place}")]
    Data {
        /// The input or target, where it is one.
        name: Option<Name>,
        /// The fault, up to the place.
        message: String,
        /// The place.
        place: Place,
    },
    /// A number that is no index below its limit.
    #[error("`{name}` is {value}{place}, but must be a whole number in 0..{limit}")]
    Index {
        /// The input or target.
        name: Name,
        /// The value there.
        value: f64,
        /// The size that it must be below.
        limit: u64,
        /// The place.
        place: Place,
    },
    /// Lengths that do not fit the arrays.
    #[error("{0}")]
    Lengths(String),
    /// Data that cannot be cut into parts, windows, streams or chunks as it was asked for.
    #[error("{0}")]
    Cut(String),
    /// A target that would be told before it is known.
    #[error("{0}")]
    Leak(String),
    /// Settings that contradict each other.
    #[error("{0}")]
    Options(String),
    /// A NaN or an infinity in a loss or a gradient: the update was not made.
    #[error("update {update}, epoch {epoch}: {what}")]
    NotFinite {
        /// The number that the update would have had.
        update: u64,
        /// Its epoch.
        epoch: u64,
        /// The first place, such as `sequence 17, step 25: s[3] is inf`.
        what: String,
    },
    /// A snapshot that does not fit the model or is no snapshot.
    #[error("{0}")]
    Snapshot(String),
    /// The engine could not run.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Error {
    pub(super) fn data(message: impl Into<String>) -> Error {
        Error::Data { name: None, message: message.into(), place: Place::default() }
    }

    pub(super) fn of(name: &Name, message: impl Into<String>) -> Error {
        Error::Data { name: Some(name.clone()), message: message.into(), place: Place::default() }
    }
}
