//! From a SPEC on the command line to a checked cell.

use std::ffi::OsStr;
use std::path::Path;

use super::args::CellArgs;
use super::context::Context;
use super::error::{CliError, shown};
use super::output;
use crate::api::{self, Artifact, CellSpec, Spec, SpecError};
use crate::data::{self, Folder};
use crate::diag::Code;

/// What a SPEC names.
pub enum Source {
    /// A source text.
    Text(Text),
    /// A compiled artifact.
    Artifact(Box<Artifact>),
}

/// A source text.
pub struct Text {
    /// What messages call it.
    pub name: String,
    /// What it holds, not yet known to be UTF-8.
    pub bytes: Vec<u8>,
    /// The files that it may use; `None` in the built-in library, whose warnings are not the user's to mend.
    folder: Option<Folder>,
}

impl Text {
    /// Checks the text with all that it uses.
    pub fn spec(&self) -> Result<Spec, SpecError> {
        match &self.folder {
            Some(folder) => Spec::load(&self.name, &self.bytes, folder),
            None => Spec::read(&self.name, &self.bytes),
        }
    }
}

/// Reads what a SPEC names, without checking a source text.
pub fn source(ctx: &mut Context, spec: &OsStr) -> Result<Source, CliError> {
    let text = spec.to_string_lossy();
    if let Some(name) = text.strip_prefix("std/") {
        let name = name.strip_suffix(".rnn").unwrap_or(name);
        let file = api::library_file(name).ok_or_else(|| unknown_library_file(name))?;
        let bytes = file.source.as_bytes().to_vec();
        return Ok(Source::Text(Text { name: format!("std/{name}"), bytes, folder: None }));
    }
    let path = Path::new(spec);
    if api::library_file(&text).is_some() && !path.exists() {
        let message =
            format!("cannot read {text}: no such file or folder; did you mean `std/{text}`?");
        return Err(CliError::Io(message));
    }
    if path.extension().is_some_and(|it| it == "ron") {
        let bytes = ctx.read(path)?;
        return Ok(Source::Artifact(Box::new(artifact(path, bytes)?)));
    }
    if path.is_dir() {
        let shown = path.display();
        let message = format!(
            "{shown} is a folder, not a spec; name a .rnn file in it (`rnnc check` and `rnnc test` take folders, \
             `rnnc eval`, `predict`, `generate` and `export` those of trainings)"
        );
        return Err(CliError::Usage(message));
    }
    // One byte more than the language allows is enough for its error.
    let bytes = ctx.read_at_most(path, crate::syntax::MAX_SOURCE as u64 + 1)?;
    let name = shown(path).display().to_string();
    if let Some(kind) = array(path, &bytes) {
        let message = format!("{name} is {kind}, not a spec; {}", array_help(path));
        return Err(CliError::Usage(message));
    }
    let folder = if spec == "-" { Folder::current() } else { Folder::of_file(path) };
    Ok(Source::Text(Text { name, bytes, folder: Some(folder) }))
}

/// What a file of numbers begins with.
fn array(path: &Path, bytes: &[u8]) -> Option<&'static str> {
    let header = |it: &[u8]| it.len() > 8 && it[5..8] == [0; 3] && it[8] == b'{';
    match bytes {
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some("an array (.npy)"),
        [b'P', b'K', 3, 4, ..] => Some("an archive (.npz, .pt)"),
        [0x89, b'H', b'D', b'F', ..] => Some("an HDF5 file"),
        _ if header(bytes) => Some("a file of weights (.safetensors)"),
        [b'{', ..] => Some("JSON"),
        _ if is_table(path, bytes) => Some("a table"),
        _ => None,
    }
}

/// Returns true if a text is a table by its name, or holds nothing but numbers below a header.
fn is_table(path: &Path, bytes: &[u8]) -> bool {
    let ending = output::extension(path).unwrap_or_default();
    matches!(&*ending, "csv" | "tsv" | "tab" | "dat")
        || data::read_csv(bytes).is_ok_and(|it| it.n_rows() > 0)
}

/// Returns the help that says where such a file is given instead.
fn array_help(path: &Path) -> String {
    let ending = output::extension(path).unwrap_or_default();
    let option = match &*ending {
        "npy" | "csv" | "tsv" | "tab" | "dat" | "txt" => "--input",
        _ => "--params",
    };
    format!("a spec comes first, then `{option} {}`", path.display())
}

fn artifact(path: &Path, bytes: Vec<u8>) -> Result<Artifact, CliError> {
    let bad = |code: Code, message: String| CliError::Fit {
        code,
        message: format!("{}: {message}", path.display()),
    };
    let text = String::from_utf8(bytes).map_err(|_| {
        bad(Code::BadArtifact, "a compiled cell is UTF-8 text, and this is not".to_owned())
    })?;
    Artifact::from_ron(&text).map_err(|error| match error {
        api::Error::Fit { code, message, .. } => bad(code, message),
        api::Error::Spec(_)
        | api::Error::NoSuchCell { .. }
        | api::Error::WhichCell { .. }
        | api::Error::NoSuchLayout { .. } => bad(Code::BadArtifact, error.to_string()),
    })
}

/// The message for a library name that does not exist.
pub fn unknown_library_file(name: &str) -> CliError {
    let similar = api::similar_names(name);
    let hint = match similar.first() {
        Some(it) => format!("did you mean `std/{it}`?"),
        None => "`rnnc list` shows all".to_owned(),
    };
    CliError::Io(format!("the library has no `std/{name}`; {hint}"))
}

/// A spec with what an artifact adds to the command line's choices.
pub struct Loaded {
    /// The checked file.
    pub spec: Spec,
    /// The cell that was asked for, or that the artifact holds.
    pub cell: Option<String>,
    /// All settings, the artifact's first.
    pub set: Vec<(String, String)>,
    library: bool,
}

impl Loaded {
    /// The settings as the library takes them.
    pub fn set(&self) -> Vec<(&str, &str)> {
        self.set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

/// Reads and checks a SPEC.
pub fn load(ctx: &mut Context, args: &CellArgs) -> Result<Loaded, CliError> {
    let loaded = match source(ctx, &args.spec)? {
        Source::Text(text) => {
            let spec = text.spec().map_err(api::Error::from)?;
            if text.folder.is_some() {
                for (idx, file) in spec.sources().files().iter().enumerate() {
                    ctx.will_read(Path::new(&file.name))?;
                    if idx > 0 {
                        ctx.has_read(Path::new(&file.name), file.text.len());
                    }
                }
            }
            let library = text.folder.is_none();
            Loaded { spec, cell: args.cell.clone(), set: args.set.clone(), library }
        }
        Source::Artifact(artifact) => {
            let set = artifact.set().into_iter().map(|(a, b)| (a.to_owned(), b.to_owned()));
            Loaded {
                spec: artifact.spec()?,
                cell: Some(args.cell.clone().unwrap_or(artifact.cell_name().to_owned())),
                set: set.chain(args.set.iter().cloned()).collect(),
                // Its warnings were shown when it was compiled.
                library: true,
            }
        }
    };
    ctx.lap("check");
    Ok(loaded)
}

/// Takes the only model of a file that has cells too, where no name was given.
pub fn model(mut loaded: Loaded) -> Result<Loaded, CliError> {
    if loaded.cell.is_some() || loaded.spec.main().is_some() {
        return Ok(loaded);
    }
    let models = loaded.spec.cells().iter().filter(|it| it.is_model);
    let names: Vec<String> = models.map(|it| it.name.to_string()).collect();
    match &names[..] {
        [] => {}
        [only] => loaded.cell = Some(only.clone()),
        all => {
            let message = format!("which model? {}; name one with --cell", all.join(", "));
            return Err(CliError::Usage(message));
        }
    }
    Ok(loaded)
}

/// The cell that is meant, with its settings; shows the warnings of the file.
pub fn choose(ctx: &Context, loaded: &Loaded) -> Result<CellSpec, CliError> {
    let cell = loaded.spec.configure(loaded.cell.as_deref(), &loaded.set())?;
    let settings: Vec<String> =
        loaded.set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let with = if settings.is_empty() { "" } else { " with " };
    ctx.detail(&format!("chose `{}`{with}{}", cell.ir().name, settings.join(", ")));
    if !loaded.library {
        ctx.diagnostics(cell.warnings(), cell.sources());
    }
    Ok(cell)
}
