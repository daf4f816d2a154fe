//! The built-in library: the files of `specs/`, embedded.

use crate::text::Name;

/// One file of the library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LibraryFile {
    /// The name that follows `std/`.
    pub name: &'static str,
    /// The folder it stands in; empty at the top.
    pub group: &'static str,
    /// The source.
    pub source: &'static str,
}

static FILES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// Every file, grouped by folder, in the order of the names.
pub fn library() -> impl Iterator<Item = LibraryFile> {
    FILES.iter().map(|&(name, group, source)| LibraryFile { name, group, source })
}

/// The file that `std/NAME` names.
pub fn library_file(name: &str) -> Option<LibraryFile> {
    library().find(|it| it.name == name)
}

/// Library names like this one, the most alike first, for messages.
pub fn similar_names(name: &str) -> Vec<Name> {
    let mut all: Vec<(usize, &str)> = library()
        .map(|it| (crate::text::distance(name, it.name), it.name))
        .filter(|(distance, it)| *distance <= 2 + it.len() / 4)
        .collect();
    all.sort();
    all.into_iter().map(|(_, it)| it.into()).take(3).collect()
}
