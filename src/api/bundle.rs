//! A cell as one text: its source with all that it uses and what was set, without the graph.
//!
//! A program that keeps many cells, or passes them on with every call, wants a text that is as small as the sources are.
//! Reading it parses and checks them anew; a compiled `Artifact` has the graph too, for other tools.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::load;
use super::spec::{CellSpec, Spec};
use crate::diag::Code;

/// The version of the format; it changes when an old text would be read wrongly.
const FORMAT: u32 = 1;

/// A cell with all the text that it is made of.
///
/// ```
/// use rnnc::{Spec, api::Bundle};
///
/// let text = Bundle::new(&Spec::std("gru")?, None, &[("H", "4")]).to_text();
/// let cell = Bundle::from_text(&text)?.cell()?;
/// assert_eq!(&*cell.ir().name, "Gru");
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    format: u32,
    cell: Option<String>,
    settings: Vec<(String, String)>,
    /// The source first.
    files: Vec<File>,
}

/// A file with the places of those that its `use` items lead to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    uses: Vec<u16>,
}

impl Bundle {
    /// Packs a spec and what [`Spec::configure`] takes.
    pub fn new(spec: &Spec, cell: Option<&str>, set: &[(&str, &str)]) -> Bundle {
        let program = spec.program();
        let files = spec.sources().files().iter().zip(&program.uses);
        let file = |(it, uses): (&crate::text::SourceFile, &Vec<_>)| File {
            name: it.name.clone(),
            text: it.text.clone(),
            uses: uses.iter().flatten().map(|it: &crate::text::FileId| it.0).collect(),
        };
        Bundle {
            format: FORMAT,
            cell: cell.map(str::to_owned),
            settings: set.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect(),
            files: files.map(file).collect(),
        }
    }

    /// The text, of one line.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("every field of a bundle can be written")
    }

    /// Reads a text that [`Bundle::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// Fails where it is none, or one of a later version.
    pub fn from_text(text: &str) -> Result<Bundle, Error> {
        let bad = |message: String| Error::fit(Code::BadArtifact, message);
        let bundle: Bundle =
            serde_json::from_str(text).map_err(|it| bad(format!("not a bundled cell: {it}")))?;
        if bundle.format != FORMAT {
            let found = bundle.format;
            return Err(bad(format!("the bundle has format {found}, this version reads {FORMAT}")));
        }
        Ok(bundle)
    }

    /// The spec, parsed and checked; no file is touched.
    ///
    /// # Errors
    ///
    /// Fails where the files are not all that the source uses, or do not compile.
    pub fn spec(&self) -> Result<Spec, Error> {
        let files = self.files.iter().map(|it| (&*it.name, &*it.text, &*it.uses));
        let missing = || {
            let message = "the files in it are not those that its source uses";
            Error::fit(Code::BadArtifact, message)
        };
        Ok(Spec::of(load::again(files).ok_or_else(missing)?)?)
    }

    /// The cell, under its settings.
    ///
    /// # Errors
    ///
    /// As [`Bundle::spec`]; and where the spec has no such cell, or a setting does not fit.
    pub fn cell(&self) -> Result<CellSpec, Error> {
        let set: Vec<(&str, &str)> =
            self.settings.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        self.spec()?.configure(self.cell.as_deref(), &set)
    }
}
