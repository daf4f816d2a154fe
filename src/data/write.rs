//! Writing a whole file, so that under its name there is always the old one or the new one, never a
//! part of one.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::DataError;

/// The most symbolic links that are followed; the kernel has the same bound.
const MAX_LINKS: usize = 40;

/// The most names that are tried for the temporary file.
const MAX_TRIES: usize = 100;

/// Writes a file: under a temporary name in the same folder, then to the disk, then under its name.
///
/// A symbolic link stays one, and what it points to is replaced; the new file has the permissions
/// of the old. What is no regular file, such as a pipe or `/dev/stdout`, cannot be replaced and is
/// written directly.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    write(path, bytes).map_err(|source| DataError::Write { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(target) = regular_target(path)? else {
        // Without `append`, an output that the shell sent into a file would be overwritten from its
        // beginning.
        let mut stream = OpenOptions::new().append(true).open(path)?;
        stream.write_all(bytes)?;
        return stream.flush();
    };
    let (mut temporary, mut file) = Temporary::create(&target)?;
    file.write_all(bytes)?;
    if let Ok(old) = fs::metadata(&target) {
        if old.permissions().readonly() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
        }
        // Some file systems have no permissions; that is no reason to lose the data.
        let _ = file.set_permissions(old.permissions());
    }
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary.path, &target)?;
    temporary.kept = true;
    sync_folder(&target);
    Ok(())
}

/// Returns the file to replace, behind all symbolic links; nothing if it is there and no regular file.
pub(super) fn regular_target(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::metadata(path) {
        Ok(about) if about.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(about) if !about.is_file() => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        // Here the system keeps names for files that are already open: `/dev/stdout` and
        // `/proc/self/fd/1` may lead to a regular file, and replacing that would take it away from
        // the one who opened it.
        if cfg!(unix) && ["/dev", "/proc"].iter().any(|it| target.starts_with(it)) {
            return Ok(None);
        }
        let Ok(link) = fs::read_link(&target) else { return Ok(Some(target)) };
        target = folder(&target).join(link);
    }
    Err(io::Error::other("too many symbolic links"))
}

/// A file that is removed again unless it got its name.
pub(super) struct Temporary {
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    pub(super) fn create(target: &Path) -> io::Result<(Temporary, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        // A part of the name is enough for people to know whose it is, and the whole may be as long
        // as is allowed.
        let name: String = name.to_string_lossy().chars().take(40).collect();
        // There are no processes in a browser, and asking for their number would abort.
        let process = if cfg!(target_family = "wasm") { 0 } else { std::process::id() };
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for _ in 0..MAX_TRIES {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path =
                folder(target).join(OsString::from(format!(".{name}.tmp.{process}.{number}")));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((Temporary { path, kept: false }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Returns true if the file system finds it under its name in capital letters, too.
    pub(super) fn case_is_ignored(&self) -> bool {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        // `.TMP.` is in every such name, so the two names differ.
        self.path.with_file_name(name).exists()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            // The fault that led here matters more than this one.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Returns the folder of a file; a bare name lies in the current one.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the new name outlive a loss of power. The data is safe already, and not every system can
/// open a folder, so a failure here is none.
fn sync_folder(target: &Path) {
    if cfg!(unix)
        && let Ok(folder) = File::open(folder(target))
    {
        let _ = folder.sync_all();
    }
}
