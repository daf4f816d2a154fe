//! Reading a whole file.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::DataError;

/// The most that is read from a pipe or a device, of which nobody knows beforehand how much will
/// come.
pub const MAX_STREAM: u64 = 1 << 30;

/// Reads all of a file, a pipe or a device. Room is made for what the file has, and for a pipe as
/// it comes.
pub fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    let fault = |source| DataError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(fault)?;
    let about = file.metadata().map_err(fault)?;
    if about.is_dir() {
        return Err(fault(io::ErrorKind::IsADirectory.into()));
    }
    let mut bytes = Vec::new();
    if about.is_file() {
        // A length that does not fit is a length for which there is no memory.
        let length = usize::try_from(about.len()).unwrap_or(usize::MAX);
        bytes
            .try_reserve_exact(length)
            .map_err(|_| DataError::OutOfMemory { bytes: length }.in_file(path))?;
        file.read_to_end(&mut bytes).map_err(fault)?;
        return Ok(bytes);
    }
    file.take(MAX_STREAM + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > MAX_STREAM {
        return Err(DataError::EndlessInput { path: path.to_owned(), limit: MAX_STREAM });
    }
    Ok(bytes)
}
