//! The reasons for which a run cannot be.

use super::super::bind::BindError;
use super::super::fast::EngineError;
use super::Place;
use crate::diag::Code;
use crate::ir::Cell;
use crate::text::Name;

/// The reasons for which a call cannot run.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum RunError {
    /// An array of a wrong shape, or none where one is needed.
    #[error("{0}")]
    Data(String),
    /// A param of a wrong shape.
    #[error("{0}")]
    Weights(String),
    /// An index that is no whole number below its limit.
    #[error(
        "`{name}` is {value} at {}sequence {sequence}, but must be a whole number in 0..{limit}",
        step.map_or(String::new(), |it| format!("step {it} of "))
    )]
    Index {
        /// The input or carried value.
        name: Name,
        /// The step, from 0; none of what is given per sequence.
        step: Option<usize>,
        /// The sequence, from 0.
        sequence: usize,
        /// The wrong value.
        value: f64,
        /// The size that it must be below.
        limit: u64,
    },
    /// A bit of a given mask that is none.
    #[error("the mask `{name}` is {value}{place}, but a mask is 0 or 1")]
    Bit {
        /// The mask.
        name: Name,
        /// Its position.
        place: Place,
        /// The wrong value.
        value: f64,
    },
    /// Lengths that do not fit the batch.
    #[error("{0}")]
    Lengths(String),
    /// More than any machine holds.
    #[error("{what} needs {bytes} bytes, more than this program agrees to ask for")]
    TooLarge {
        /// The name of the array.
        what: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// More than the caller allows, however short the segments are that a run goes in.
    #[error("the run needs {least} bytes of memory at least, but {limit} are allowed")]
    Memory {
        /// The bytes that are enough.
        least: u64,
        /// The bytes that are allowed.
        limit: u64,
    },
    /// A cell that cannot be run step by step.
    #[error(
        "cell `{cell}` has no single step: `{carry}` goes from the last step of a sequence to the first; run whole sequences"
    )]
    ReadsBackward {
        /// The cell.
        cell: Name,
        /// A carried value of a layer that reads backward.
        carry: Name,
    },
    /// Memory that the system does not give.
    #[error("no memory for {what}: {bytes} bytes")]
    OutOfMemory {
        /// The purpose of the memory.
        what: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// A derived graph that does not fit the sizes.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A cell that the fast engine cannot run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A name that is asked for and that the cell does not have.
    #[error("cell `{cell}` has no named value `{name}`; it has {known}")]
    UnknownValue {
        /// The cell.
        cell: Name,
        /// The name that was asked for.
        name: Name,
        /// The names that are there.
        known: String,
    },
}

impl RunError {
    /// Returns the stable code.
    pub fn code(&self) -> Code {
        match self {
            RunError::Data(_) | RunError::Bit { .. } => Code::DataDoesNotFit,
            RunError::ReadsBackward { .. } => Code::ReadsBackward,
            RunError::Weights(_) => Code::WeightsDoNotFit,
            RunError::Index { .. } => Code::BadIndex,
            RunError::Lengths(_) => Code::BadLengths,
            RunError::TooLarge { .. } | RunError::Memory { .. } | RunError::OutOfMemory { .. } => {
                Code::SizesTooLarge
            }
            RunError::Bind(fault) => fault.code(),
            RunError::Engine(_) | RunError::UnknownValue { .. } => Code::BadSetting,
        }
    }

    /// Refuses a cell that has no single step.
    pub(crate) fn check_steps(cell: &Cell) -> Result<(), RunError> {
        match cell.carries.iter().find(|it| !it.order.is_ascending()) {
            None => Ok(()),
            Some(it) => {
                let (cell, carry) = (cell.name.clone(), it.name.clone());
                Err(RunError::ReadsBackward { cell, carry })
            }
        }
    }

    pub(crate) fn unknown_value(cell: &Cell, name: &Name) -> RunError {
        let mut known: Vec<String> = Vec::new();
        for value in &cell.values {
            let text = format!("`{}`", value.name);
            if !known.contains(&text) {
                known.push(text);
            }
        }
        RunError::UnknownValue {
            cell: cell.name.clone(),
            name: name.clone(),
            known: known.join(", "),
        }
    }
}
