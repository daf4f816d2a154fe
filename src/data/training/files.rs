//! The operations of the protocol on files, one at a time, so that a test can let any of them fail.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use super::super::DataError;

/// The operations on files of which a checkpoint is made.
pub trait Files {
    /// Writes a new file.
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Forces a file to the disk; one that is not there has nothing to lose.
    fn sync(&mut self, path: &Path) -> io::Result<()>;
    /// Forces the names in a folder to the disk.
    fn sync_folder(&mut self, path: &Path) -> io::Result<()>;
    /// Gives a file another name; one that had it is gone.
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, path: &Path) -> io::Result<()>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        File::create(path)?.write_all(bytes)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        match OpenOptions::new().append(true).open(path) {
            Ok(file) => file.sync_all(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        // Other systems open no folders; their renames are as safe as they make them.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// A lock of the operating system on a file: it goes with the process, however that ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock is held as long as the file is open")] File);

impl Lock {
    /// Takes the lock; nothing if another process has it.
    pub fn take(path: &Path) -> Result<Option<Lock>, DataError> {
        let fault = |source| DataError::Write { path: path.to_owned(), source };
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(fault)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(fault(source)),
        }
    }
}
