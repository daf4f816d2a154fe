//! Identifies the file that a path leads to, so that nothing is written over a file that is read.
//!
//! `x.npy`, `./x.npy`, a link to it and, where the file system does not tell case, `X.npy` are one file.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    DataError,
    write::{Temporary, folder, regular_target},
};

/// A file, however its path is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place(Identity);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Identity {
    /// One that is there, by the numbers of its device and of itself.
    #[cfg(unix)]
    Number(u64, u64),
    /// One that is there, by its only path.
    #[cfg(not(unix))]
    Path(PathBuf),
    /// One that is not there yet, by its folder and its name.
    New(Box<Identity>, OsString),
}

impl Place {
    /// Returns the regular file that a path leads to; nothing if there is none.
    pub fn of(path: &Path) -> Option<Place> {
        fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Place(identity(path).ok()?))
    }

    /// Returns the regular file that writing to a path would make or replace; nothing for a pipe or a device. An error if it
    /// cannot be written: its folder is not there or takes no files, or it is a folder.
    pub fn to_write(path: &Path) -> Result<Option<Place>, DataError> {
        let fault = |source| DataError::Write { path: path.to_owned(), source };
        let Some(target) = regular_target(path).map_err(fault)? else { return Ok(None) };
        // Whether a file can be made there is known when one is made; it is gone again at once.
        let (temporary, _) = Temporary::create(&target).map_err(fault)?;
        match fs::metadata(&target) {
            Ok(_) => Ok(Some(Place(identity(&target).map_err(fault)?))),
            Err(_) => {
                let inside = identity(folder(&target)).map_err(fault)?;
                let name = target.file_name().unwrap_or_default().to_owned();
                let name = if temporary.case_is_ignored() {
                    OsString::from(name.to_string_lossy().to_lowercase())
                } else {
                    name
                };
                Ok(Some(Place(Identity::New(Box::new(inside), name))))
            }
        }
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;

    let about = fs::metadata(path)?;
    Ok(Identity::Number(about.dev(), about.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    Ok(Identity::Path(fs::canonicalize(path)?))
}

/// Refuses a file that is there and read-only. This is a check of its own because it comes last: a slip that would write over
/// what is read is to be told as that.
pub fn check_writable(path: &Path) -> Result<(), DataError> {
    match fs::metadata(path) {
        Ok(old) if old.is_file() && old.permissions().readonly() => {
            let source = io::Error::from(io::ErrorKind::PermissionDenied);
            Err(DataError::Write { path: path.to_owned(), source })
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Checks that a folder is there or can be made: the nearest folder above it takes files.
pub fn check_folder(path: &Path) -> Result<(), DataError> {
    let fault = |source| DataError::Write { path: path.to_owned(), source };
    let mut at: PathBuf = path.to_owned();
    loop {
        let here = if at.as_os_str().is_empty() { Path::new(".") } else { &at };
        match fs::metadata(here) {
            Ok(about) if about.is_dir() => {
                return Temporary::create(&here.join("array")).map(drop).map_err(fault);
            }
            Ok(_) => return Err(fault(io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound && at.pop() => {}
            Err(error) => return Err(fault(error)),
        }
    }
}
