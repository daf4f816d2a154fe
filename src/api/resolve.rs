//! Resolvers, which find the files that a spec uses.

use crate::data::{Folder, FolderError};
use crate::syntax;

/// Gives the files that `use "..."` names. `use std/...` needs none: the library is built in.
///
/// Before a resolver is asked, the path has been checked: it is relative, with `/` between its parts, and
/// has no part `..` or `.`. [`Folder`] is the resolver for files on disk.
///
/// ```
/// use std::collections::BTreeMap;
/// use rnnc::{Resolver, Spec, UseError};
///
/// /// Files in memory, all in one folder.
/// struct Memory(BTreeMap<String, String>);
///
/// impl Resolver for Memory {
///     fn locate(&self, _from: &str, path: &str) -> Result<String, UseError> {
///         match self.0.contains_key(path) {
///             true => Ok(path.to_owned()),
///             false => Err(UseError::Missing),
///         }
///     }
///
///     fn read(&self, name: &str) -> Result<Vec<u8>, UseError> {
///         self.0.get(name).map(|it| it.clone().into_bytes()).ok_or(UseError::Missing)
///     }
/// }
///
/// let gates = "fn blend(z, a, b) = z * a + (1 - z) * b";
/// let main = "
///     use \"gates.rnn\"
///     cell Leaky {
///       dims  H
///       input x: [H]
///       state h: [H]
///       param a: [H]
///       h = blend(sigmoid(a), prev h, x)
///       output h
///     }";
/// let files = Memory([("gates.rnn".to_owned(), gates.to_owned())].into());
/// let spec = Spec::load("main.rnn", main.as_bytes(), &files)?;
/// assert_eq!(spec.sources().files().len(), 2);
///
/// // Without a resolver there are no files.
/// assert!(Spec::parse(main).is_err());
/// # Ok::<(), rnnc::SpecError>(())
/// ```
pub trait Resolver {
    /// Returns the name of the file that `path` means where the file named `from` says it. Two files with one name are one file;
    /// messages show the name.
    fn locate(&self, from: &str, path: &str) -> Result<String, UseError>;

    /// Returns the contents of the file of a name that [`Resolver::locate`] gave. Of more than
    /// [`MAX_SOURCE`](crate::syntax::MAX_SOURCE) bytes, any that are more will do.
    fn read(&self, name: &str) -> Result<Vec<u8>, UseError>;
}

/// The reasons for which a resolver does not give a file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum UseError {
    /// Nothing has this name; messages then look for a similar one.
    #[error("there is no such file")]
    Missing,
    /// Another reason, in a few words that go on a sentence: `it is a folder`.
    #[error("{0}")]
    Refused(String),
}

/// No files at all.
pub(super) struct NoFiles;

impl Resolver for NoFiles {
    fn locate(&self, from: &str, _path: &str) -> Result<String, UseError> {
        Err(UseError::Refused(format!("`{from}` was read by itself, without other files")))
    }

    fn read(&self, _name: &str) -> Result<Vec<u8>, UseError> {
        Err(UseError::Missing)
    }
}

impl Resolver for Folder {
    fn locate(&self, from: &str, path: &str) -> Result<String, UseError> {
        Ok(Folder::locate(self, from, path)?)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, UseError> {
        // One byte more than the language allows is enough for its error.
        Ok(Folder::read(self, name, syntax::MAX_SOURCE as u64 + 1)?)
    }
}

impl From<FolderError> for UseError {
    fn from(error: FolderError) -> UseError {
        match error {
            FolderError::Missing => UseError::Missing,
            FolderError::IsFolder
            | FolderError::NotRegular
            | FolderError::Outside
            | FolderError::NotUtf8
            | FolderError::Io(_) => UseError::Refused(error.to_string()),
        }
    }
}
