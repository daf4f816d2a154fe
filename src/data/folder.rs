//! The folder of a spec: which files a `use` in it may name.
//!
//! A spec may come from anybody. So a path is followed to where it really leads before it is
//! opened, and that must be a regular file in the folder of the file that names it, or below.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// The reasons for which a file of a folder is not read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Nothing has this name.
    #[error("there is no such file")]
    Missing,
    /// It is a folder.
    #[error("it is a folder")]
    IsFolder,
    /// A pipe, a device or the like.
    #[error("it is no regular file")]
    NotRegular,
    /// The path, or a link on it, leads elsewhere.
    #[error("it leads out of the folder of the file that uses it")]
    Outside,
    /// Messages and other files could not name it.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// The system refuses.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for FolderError {
    fn from(error: io::Error) -> FolderError {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FolderError::Missing,
            _ => FolderError::Io(error),
        }
    }
}

/// The files that a spec may use: those in its folder and below.
///
/// A file has one name however it is reached: the path of the spec with its last part replaced by
/// the way from its folder to the file, links followed and `/` between folders.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    /// The folder as it was given; empty for the current one.
    folder: PathBuf,
    /// The file name of the spec, if it is in the folder.
    main: Option<PathBuf>,
    /// The beginning of each file's name: the path of the spec without its file name.
    prefix: String,
}

impl Folder {
    /// Returns the folder of a spec. The disk is not touched before something is asked for.
    pub fn of_file(spec: &Path) -> Folder {
        let file = spec.file_name().map(PathBuf::from);
        let text = spec.display().to_string();
        let name = file.as_ref().map(|it| it.display().to_string()).unwrap_or_default();
        Folder {
            folder: spec.parent().unwrap_or(Path::new("")).to_owned(),
            main: file,
            prefix: text.strip_suffix(&name).unwrap_or_default().to_owned(),
        }
    }

    /// Returns the current folder, for a spec that comes from nowhere, such as standard input.
    pub fn current() -> Folder {
        Folder { folder: PathBuf::new(), main: None, prefix: String::new() }
    }

    /// Returns the name of the file that the path `target` means in the file named `from`.
    pub fn locate(&self, from: &str, target: &str) -> Result<String, FolderError> {
        let root = self.root()?;
        // Names follow links, but for that of the spec: it uses what is beside the link.
        let inner = from.strip_prefix(&self.prefix).ok_or(FolderError::Outside)?;
        let mut folder = below(&root, inner);
        folder.pop();
        let path = fs::canonicalize(below(&folder, target))?;
        if !path.starts_with(&folder) {
            return Err(FolderError::Outside);
        }
        regular(&path)?;
        if let Some(main) = &self.main
            && fs::canonicalize(root.join(main)).is_ok_and(|it| it == path)
        {
            return Ok(format!("{}{}", self.prefix, main.display()));
        }
        let inner = path.strip_prefix(&root).map_err(|_| FolderError::Outside)?;
        let mut parts = Vec::new();
        for part in inner.components() {
            match part {
                Component::Normal(it) => parts.push(it.to_str().ok_or(FolderError::NotUtf8)?),
                Component::Prefix(_)
                | Component::RootDir
                | Component::CurDir
                | Component::ParentDir => return Err(FolderError::Outside),
            }
        }
        Ok(format!("{}{}", self.prefix, parts.join("/")))
    }

    /// Reads the file of a name that [`Folder::locate`] gave, at most `limit` bytes of it.
    pub fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, FolderError> {
        let inner = name.strip_prefix(&self.prefix).ok_or(FolderError::Outside)?;
        let root = self.root()?;
        let path = fs::canonicalize(below(&root, inner))?;
        if !path.starts_with(&root) {
            return Err(FolderError::Outside);
        }
        regular(&path)?;
        let mut bytes = Vec::new();
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn root(&self) -> Result<PathBuf, FolderError> {
        let here = self.folder.as_os_str().is_empty();
        Ok(fs::canonicalize(if here { Path::new(".") } else { &self.folder })?)
    }
}

/// Returns a path with `/` between its parts, on any system.
fn below(folder: &Path, path: &str) -> PathBuf {
    let mut below = folder.to_owned();
    below.extend(path.split('/'));
    below
}

/// Only a regular file is opened: opening a pipe waits, reading a device may never end.
fn regular(path: &Path) -> Result<(), FolderError> {
    let about = fs::metadata(path)?;
    match (about.is_dir(), about.is_file()) {
        (true, _) => Err(FolderError::IsFolder),
        (_, true) => Ok(()),
        (_, false) => Err(FolderError::NotRegular),
    }
}
