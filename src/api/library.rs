//! The built-in library: the files of `specs/`, embedded.

use crate::text::Name;

/// One file of the library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LibraryFile {
    /// The name that follows `std/`.
    pub name: &'static str,
    /// Its folder; empty at the top.
    pub group: &'static str,
    /// The source.
    pub source: &'static str,
}

static FILES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// A folder of the library: its name, and what its cells have in common.
pub type Group = (&'static str, &'static str);

/// The folders, in the order in which a reader meets them.
pub static GROUPS: &[Group] = &[
    ("frameworks", "Cells exactly as the large frameworks ship them"),
    ("gated", "Gated cells, mostly with one state"),
    ("lstm", "Long short-term memory and its relatives"),
    ("scan", "No product with the old state, so that each element can run by itself"),
    ("attention", "Matrix states: linear attention, delta rules, fast weights"),
    (
        "dynamics",
        "Differential equations, oscillators, reservoirs, spikes, and cells that know the time",
    ),
    ("deep", "Depth within a step, and cells within cells"),
];

/// The folder of the models: not cells, but what learns with them.
pub static MODELS: Group =
    ("models", "Models to train: what cells learn with, and what they are to learn");

/// Returns every file of models, in the order of the names.
pub fn models() -> impl Iterator<Item = LibraryFile> {
    let files = FILES.iter().filter(|it| it.1 == MODELS.0);
    files.map(|&(name, group, source)| LibraryFile { name, group, source })
}

/// Returns every file of cells, by folder in the order of [`GROUPS`], then in the order of the names.
pub fn library() -> impl Iterator<Item = LibraryFile> {
    let files = |group| FILES.iter().filter(move |it| it.1 == group);
    let all = GROUPS.iter().flat_map(move |(group, _)| files(*group));
    all.map(|&(name, group, source)| LibraryFile { name, group, source })
}

/// Returns the file that `std/NAME` names.
pub fn library_file(name: &str) -> Option<LibraryFile> {
    library().chain(models()).find(|it| it.name == name)
}

/// Library names like this one, the most alike first, for messages.
pub fn similar_names(name: &str) -> Vec<Name> {
    let mut all: Vec<(usize, &str)> = library()
        .chain(models())
        .map(|it| (crate::text::distance(name, it.name), it.name))
        .filter(|(distance, it)| *distance <= 2 + it.len() / 4)
        .collect();
    all.sort();
    all.into_iter().map(|(_, it)| it.into()).take(3).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FILES, GROUPS, MODELS, library, models};

    #[test]
    fn every_file_stands_in_a_known_folder_and_has_a_name_of_its_own() {
        let known: BTreeSet<&str> = GROUPS.iter().chain([&MODELS]).map(|it| it.0).collect();
        let found: BTreeSet<&str> = FILES.iter().map(|it| it.1).collect();
        assert_eq!(found, known);
        let names: BTreeSet<&str> = library().chain(models()).map(|it| it.name).collect();
        assert_eq!(names.len(), FILES.len());
    }
}
