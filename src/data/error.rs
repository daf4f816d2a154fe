//! The faults of a file, as facts. Each prints as one line in lower case and names the place in the file.

use std::{
    fmt::Write,
    io,
    path::{Path, PathBuf},
};

use super::{CsvFault, MAX_AXES};
use crate::diag::Code;

/// The reasons for which a file could not be read or written, or does not hold what it should.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The operating system refused to open or read a file.
    #[error("cannot read {}: {}", path.display(), reason(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The operating system refused to write a file.
    #[error("cannot write {}: {}", path.display(), reason(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A pipe or a device gave more than an array file may have there.
    #[error("cannot read {}: it gives more than {limit} bytes and is no regular file", path.display())]
    EndlessInput {
        /// The pipe or device.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// There is no room for what the file holds.
    #[error("there is not enough memory for an array of {bytes} bytes in the file")]
    OutOfMemory {
        /// The bytes that the array takes in the file.
        bytes: usize,
    },
    /// Any other fault, with the file in which it is.
    #[error("{}: {error}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// The fault of the file.
        error: Box<DataError>,
    },
    /// Any other fault, with the tensor in which it is.
    #[error("tensor `{}`: {error}", one_line(name))]
    InTensor {
        /// The name of the tensor.
        name: String,
        /// The fault of the file.
        error: Box<DataError>,
    },
    /// The elements have a type that is not read.
    #[error("elements of type `{}` cannot be read{}", one_line(dtype), dtype_help(dtype))]
    UnsupportedType {
        /// The type, as the file spells it.
        dtype: String,
    },
    /// The shape names more elements than any memory holds.
    #[error("the shape {shape:?} is too large")]
    ShapeTooLarge {
        /// The lengths of the axes.
        shape: Vec<usize>,
    },
    /// The array has more than [`MAX_AXES`] axes.
    #[error("the array has more than {MAX_AXES} axes")]
    TooManyAxes,
    /// A large integer that would become another number.
    #[error("the element {place:?} is {value}, which no 64-bit float holds exactly")]
    InexactInteger {
        /// The indices of the element.
        place: Vec<usize>,
        /// The integer.
        value: i128,
    },
    /// A truth value that is neither 0 nor 1.
    #[error("the element {place:?} is the byte {byte}, and a truth value is 0 or 1")]
    NotABool {
        /// The indices of the element.
        place: Vec<usize>,
        /// The byte at that place.
        byte: u8,
    },
    /// The file is no `.npy` file.
    #[error("not a sound .npy file: {0}")]
    Npy(#[from] NpyFault),
    /// The file is no `.safetensors` file.
    #[error("not a sound .safetensors file: {0}")]
    Safetensors(#[from] SafetensorsFault),
    /// A file of several arrays cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveFault),
    /// The file is no table of numbers.
    #[error(transparent)]
    Csv(#[from] CsvFault),
}

/// The faults of the frame of a `.npy` file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NpyFault {
    /// The first bytes are others.
    #[error("it does not begin with the bytes \\x93NUMPY")]
    Magic,
    /// The version is not known.
    #[error("version {major}.{minor} at byte 6; 1.0, 2.0 and 3.0 are read")]
    Version {
        /// The first number.
        major: u8,
        /// The second number.
        minor: u8,
    },
    /// The file ends within its header.
    #[error("the file ends at byte {found}, within the header, which needs {expected} bytes")]
    HeaderCut {
        /// The end of the header.
        expected: u64,
        /// The end of the file.
        found: usize,
    },
    /// The header is longer than any array of numbers needs.
    #[error("the header has {found} bytes, more than {limit}")]
    HeaderTooLong {
        /// The value in the file.
        found: u64,
        /// The most that is read.
        limit: usize,
    },
    /// The header is not the dictionary that it should be.
    #[error("header, byte {at}: expected {expected}")]
    Syntax {
        /// The place in the file.
        at: usize,
        /// The text that should be there.
        expected: &'static str,
    },
    /// The header has a key twice.
    #[error("header, byte {at}: `{key}` stands twice")]
    KeyTwice {
        /// The place in the file.
        at: usize,
        /// The key.
        key: &'static str,
    },
    /// A key is missing in the header.
    #[error("the header has no `{key}`")]
    NoKey {
        /// The key.
        key: &'static str,
    },
    /// The data is shorter or longer than the header says.
    #[error(
        "shape {shape:?} needs {expected} bytes of data from byte {start} on, and there are {found}"
    )]
    Length {
        /// The lengths of the axes.
        shape: Vec<usize>,
        /// The beginning of the data.
        start: usize,
        /// The bytes that the header announces.
        expected: usize,
        /// The bytes that are there.
        found: usize,
    },
}

/// The faults of the frame of a `.safetensors` file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SafetensorsFault {
    /// The file ends within its header.
    #[error("the file ends at byte {found}, within the header, which needs {expected} bytes")]
    HeaderCut {
        /// The end of the header.
        expected: u64,
        /// The end of the file.
        found: usize,
    },
    /// The header is longer than a file of weights needs.
    #[error("the header has {found} bytes, more than {limit}")]
    HeaderTooLong {
        /// The value in the file.
        found: u64,
        /// The most that is read and written.
        limit: usize,
    },
    /// The header is not the JSON that it should be.
    #[error("header: {}", one_line(message))]
    Header {
        /// The fault, and its place.
        message: String,
    },
    /// There are too many tensors.
    #[error("more than {limit} tensors")]
    TooManyTensors {
        /// The most that are read and written.
        limit: usize,
    },
    /// Two tensors have the same name.
    #[error("the tensor `{}` stands twice", one_line(name))]
    NameTwice {
        /// The name.
        name: String,
    },
    /// A tensor has the name that is kept for the remarks about the file.
    #[error("a tensor cannot be called `__metadata__`")]
    ReservedName,
    /// The places of the tensors overlap, leave gaps or do not fit their shapes.
    #[error("{}", one_line(message))]
    Offsets {
        /// The fault, in words.
        message: String,
    },
    /// The data is shorter or longer than the header says.
    #[error(
        "the tensors need {expected} bytes of data from byte {start} on, and there are {found}"
    )]
    Length {
        /// The beginning of the data.
        start: usize,
        /// The bytes that the header announces.
        expected: usize,
        /// The bytes that are there.
        found: usize,
    },
}

/// The faults of a file of several arrays.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ArchiveFault {
    /// The zip file is damaged, or of a kind that is not read.
    #[error("not a sound zip file: {message}")]
    Zip {
        /// The fault, in words.
        message: &'static str,
    },
    /// The pickle in an archive of PyTorch holds more than tensors.
    #[error(
        "the pickle in the PyTorch archive is not read: byte {at} has {}",
        one_line_of(message, 200)
    )]
    Pickle {
        /// The place in the pickle.
        at: usize,
        /// The text that is there.
        message: String,
    },
    /// A tensor is not as it is described.
    #[error("{}", one_line_of(message, 200))]
    Tensor {
        /// The fault, in words.
        message: String,
    },
    /// The list of shards is not sound.
    #[error("not a sound list of shards: {}", one_line_of(message, 200))]
    Index {
        /// The fault, in words.
        message: String,
    },
    /// There is no array in it.
    #[error(
        "{what} holds no arrays by name; save `model.state_dict()`, or arrays with numpy.savez"
    )]
    NoTensors {
        /// The name of the empty thing.
        what: &'static str,
    },
    /// A known kind of file that is not read.
    #[error("it is {what}, which is not read; {instead}")]
    Foreign {
        /// The kind of the file.
        what: &'static str,
        /// The line that makes a readable file of it.
        instead: String,
    },
}

impl DataError {
    /// Returns the same fault, with the file in which it is. What already names a file stays as it is.
    pub fn in_file(self, path: &Path) -> DataError {
        if self.is_io() || matches!(self, DataError::InFile { .. }) {
            return self;
        }
        DataError::InFile { path: path.to_owned(), error: Box::new(self) }
    }

    /// Returns the same fault, with the tensor in which it is.
    pub(super) fn in_tensor(self, name: &str) -> DataError {
        DataError::InTensor { name: name.to_owned(), error: Box::new(self) }
    }

    /// Returns the code under which the fault is explained.
    pub fn code(&self) -> Code {
        match self {
            DataError::Read { .. } | DataError::Write { .. } => Code::BadFile,
            DataError::EndlessInput { .. } | DataError::OutOfMemory { .. } => Code::BadFile,
            DataError::InFile { error, path: _ } | DataError::InTensor { error, name: _ } => {
                error.code()
            }
            DataError::UnsupportedType { .. } | DataError::InexactInteger { .. } => {
                Code::DataDoesNotFit
            }
            DataError::ShapeTooLarge { .. }
            | DataError::TooManyAxes
            | DataError::NotABool { .. } => Code::BadFile,
            DataError::Npy(_) | DataError::Safetensors(_) | DataError::Archive(_) => Code::BadFile,
            DataError::Csv(fault) => match fault {
                CsvFault::NoHeader { .. }
                | CsvFault::NoColumn { .. }
                | CsvFault::ColumnTwice { .. } => Code::DataDoesNotFit,
                CsvFault::Empty
                | CsvFault::Encoding { .. }
                | CsvFault::LongLine { .. }
                | CsvFault::EmptyLine { .. }
                | CsvFault::Quote { .. }
                | CsvFault::CarriageReturn { .. }
                | CsvFault::Spaces { .. }
                | CsvFault::MixedHeader { .. }
                | CsvFault::NoName { .. }
                | CsvFault::UnclearComma { .. }
                | CsvFault::TooLarge { .. }
                | CsvFault::NothingBefore { .. }
                | CsvFault::Ragged { .. }
                | CsvFault::EmptyCell { .. }
                | CsvFault::NoNumber { .. } => Code::BadFile,
            },
        }
    }

    /// Returns true if input or output failed, in contrast to a file that was read and does not hold what it should.
    pub fn is_io(&self) -> bool {
        match self {
            DataError::Read { .. } | DataError::Write { .. } | DataError::EndlessInput { .. } => {
                true
            }
            DataError::InFile { error, path: _ } | DataError::InTensor { error, name: _ } => {
                error.is_io()
            }
            DataError::OutOfMemory { .. }
            | DataError::UnsupportedType { .. }
            | DataError::ShapeTooLarge { .. }
            | DataError::TooManyAxes
            | DataError::InexactInteger { .. }
            | DataError::NotABool { .. }
            | DataError::Npy(_)
            | DataError::Safetensors(_)
            | DataError::Archive(_)
            | DataError::Csv(_) => false,
        }
    }

    /// Returns the error of the operating system, if it was the one that failed; a closed pipe is recognised by it.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            DataError::Read { source, path: _ } | DataError::Write { source, path: _ } => {
                Some(source.kind())
            }
            DataError::InFile { error, path: _ } | DataError::InTensor { error, name: _ } => {
                error.io_kind()
            }
            DataError::EndlessInput { .. }
            | DataError::OutOfMemory { .. }
            | DataError::UnsupportedType { .. }
            | DataError::ShapeTooLarge { .. }
            | DataError::TooManyAxes
            | DataError::InexactInteger { .. }
            | DataError::NotABool { .. }
            | DataError::Npy(_)
            | DataError::Safetensors(_)
            | DataError::Archive(_)
            | DataError::Csv(_) => None,
        }
    }
}

/// The longest piece of a file that a message repeats, in characters.
const MAX_QUOTED: usize = 60;

/// Text from a file for a message: without control characters and not longer than people read.
pub(super) fn one_line(text: &str) -> String {
    one_line_of(text, MAX_QUOTED)
}

fn one_line_of(text: &str, longest: usize) -> String {
    let mut line = String::new();
    for (number, character) in text.chars().enumerate() {
        if number == longest {
            line.push('…');
            break;
        }
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// Returns the words for what the system said, without its number where ours are clearer.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is no folder".to_owned(),
        _ => one_line(&error.to_string()),
    }
}

/// Returns the way out for a type that is not read.
fn dtype_help(dtype: &str) -> &'static str {
    let kind = dtype.trim_start_matches(['<', '>', '|', '=']);
    if kind.starts_with('O') {
        "; pickled objects are not supported, save the array again with `.astype('float32')`"
    } else if dtype.starts_with('[') {
        "; save each field as an array of its own"
    } else if kind.starts_with('c') || dtype.starts_with('C') {
        "; save the real and the imaginary part as two arrays"
    } else {
        "; floats, integers and truth values are"
    }
}

/// Returns a few names, in backticks.
pub(super) fn list(names: &[String]) -> String {
    let mut text = String::new();
    for (number, name) in names.iter().enumerate() {
        if number == 10 {
            let _ = write!(text, " and {} more", names.len() - number);
            break;
        }
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}`{}`", one_line(name));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line_whatever_the_file_holds() {
        let name = "a\nb\u{1b}[31m".to_owned() + &"x".repeat(5_000);
        let error = DataError::TooManyAxes.in_tensor(&name).in_file(Path::new("w.safetensors"));
        let text = error.to_string();
        assert!(text.starts_with("w.safetensors: tensor `a\\nb\\u{1b}[31mxxx"), "{text}");
        assert!(text.ends_with("…`: the array has more than 8 axes"), "{text}");
        assert!(text.chars().count() < 150, "{text}");
    }

    #[test]
    fn a_path_is_named_once() {
        let path = Path::new("gone.npy");
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error = DataError::Read { path: path.to_owned(), source }.in_file(path);
        assert_eq!(error.to_string(), "cannot read gone.npy: no such file or folder");
        assert!(error.is_io());
        let error = DataError::TooManyAxes.in_file(path).in_file(path);
        assert_eq!(error.to_string(), "gone.npy: the array has more than 8 axes");
        assert!(!error.is_io());
    }
}
