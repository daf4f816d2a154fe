//! Compiled artifacts: a cell with all the text that it was made of, in one RON file.
//!
//! The sources in it are the truth: reading an artifact checks them anew, which takes about a
//! millisecond, and compares the graph with the stored one. So an artifact from elsewhere can
//! neither smuggle a graph that its text does not say, nor run with another meaning under a later
//! version.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::load;
use super::spec::Spec;
use crate::diag::Code;
use crate::ir;

/// The version of the format; it changes when an old file would be read wrongly.
const FORMAT: u32 = 2;

/// The depth to which a file may nest; above that of any spec within the limits of the language.
const DEPTH: usize = 640;

/// The contents of an artifact file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The version of this format.
    format: u32,
    /// The version of rnnc that wrote it, for people.
    rnnc: String,
    /// The name of the source, for messages.
    source_name: String,
    /// The source text.
    source: String,
    /// The files that its `use` items lead to: 1 is the first file of `used`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uses: Vec<u16>,
    /// All files that it uses, directly or through others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    used: Vec<UsedFile>,
    /// The settings at the time of compiling, in order.
    settings: Vec<(String, String)>,
    /// The step graph of the cell, for other tools.
    cell: ir::Cell,
}

/// A file that the source of an artifact uses.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename = "file", deny_unknown_fields)]
struct UsedFile {
    /// Its name, for messages.
    name: String,
    /// Its text.
    text: String,
    /// The files that its own `use` items lead to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uses: Vec<u16>,
}

/// The only field that must be read to know whether the others can be. The name is the one in
/// messages.
#[derive(Deserialize)]
#[serde(rename = "artifact")]
struct Header {
    format: u32,
}

impl Artifact {
    /// Packs a cell of a spec under settings.
    pub fn new(spec: &Spec, cell: Option<&str>, set: &[(&str, &str)]) -> Result<Artifact, Error> {
        let compiled = spec.configure(cell, set)?;
        let uses = |idx: usize| spec.program().uses[idx].iter().flatten().map(|it| it.0).collect();
        let files = &spec.sources().files()[..spec.program().files.len()];
        let main = &files[0];
        let used = files.iter().enumerate().skip(1).map(|(idx, it)| UsedFile {
            name: it.name.clone(),
            text: it.text.clone(),
            uses: uses(idx),
        });
        Ok(Artifact {
            format: FORMAT,
            rnnc: env!("CARGO_PKG_VERSION").to_owned(),
            source_name: main.name.clone(),
            source: main.text.clone(),
            uses: uses(0),
            used: used.collect(),
            settings: set.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            cell: compiled.ir().clone(),
        })
    }

    /// Returns the file's text.
    pub fn to_ron(&self) -> String {
        let pretty = ron::ser::PrettyConfig::new().depth_limit(4).new_line("\n");
        ron::Options::default()
            .without_recursion_limit()
            .to_string_pretty(self, pretty)
            .expect("every field of an artifact can be written")
    }

    /// Reads a file's text and proves that its graph is what its source says.
    pub fn from_ron(text: &str) -> Result<Artifact, Error> {
        let bad = |message: String| Error::fit(Code::BadArtifact, message);
        let options = ron::Options::default().with_recursion_limit(DEPTH);
        let header: Header = options
            .from_str(text)
            .map_err(|it| bad(format!("not a compiled cell: {}", fault(&it))))?;
        if header.format != FORMAT {
            return Err(bad(format!(
                "the artifact has format {}, this version reads {FORMAT}; compile its source again",
                header.format
            )));
        }
        let artifact: Artifact = options
            .from_str(text)
            .map_err(|it| bad(format!("a damaged artifact: {}", fault(&it))))?;
        if artifact.files().any(|(name, _, _)| name.chars().any(char::is_control)) {
            return Err(bad("a damaged artifact: the name of its source is no name".to_owned()));
        }
        // What does not compile was not compiled: the artifact is damaged, not the work of whoever
        // uses it.
        let stale =
            |error: Error| bad(format!("the source in the artifact does not compile: {error}"));
        let spec = artifact.spec().map_err(stale)?;
        let cell = spec.configure(Some(&artifact.cell.name), &artifact.set()).map_err(stale)?;
        if !same(cell.ir(), &artifact.cell) {
            return Err(bad(
                "the graph in the artifact is not what its source says; compile the source again"
                    .to_owned(),
            ));
        }
        Ok(artifact)
    }

    /// Returns the spec inside, checked; no file is touched.
    pub fn spec(&self) -> Result<Spec, Error> {
        let Some(loaded) = load::again(self.files()) else {
            let message = "the files in it are not those that its source uses";
            return Err(Error::fit(Code::BadArtifact, message));
        };
        Ok(Spec::of(loaded)?)
    }

    /// Returns the name, the text and the `use` items of each file, the source first.
    fn files(&self) -> impl Iterator<Item = (&str, &str, &[u16])> {
        let main = (&*self.source_name, &*self.source, &*self.uses);
        std::iter::once(main).chain(self.used.iter().map(|it| (&*it.name, &*it.text, &*it.uses)))
    }

    /// Returns the source text inside, without the files that it uses.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the name of the cell that was compiled.
    pub fn cell_name(&self) -> &str {
        &self.cell.name
    }

    /// Returns the settings at the time of compiling; later ones come after these.
    pub fn set(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect()
    }
}

/// Returns true if two cells are the same. A constant may be NaN, which equals nothing, so what differs as numbers is compared as
/// it is written.
fn same(a: &ir::Cell, b: &ir::Cell) -> bool {
    let options = ron::Options::default().without_recursion_limit();
    let written = |it: &ir::Cell| options.to_string(it).ok();
    a == b || written(a).is_some_and(|it| Some(it) == written(b))
}

/// Explains the fault of a text, in words for people who do not know the reader.
fn fault(error: &ron::error::SpannedError) -> String {
    match error.code {
        ron::Error::ExceededRecursionLimit => format!("{}: it nests too deeply", error.span),
        _ => error.to_string(),
    }
}
