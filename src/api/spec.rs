//! A source file and the cells in it.

use std::sync::Arc;

use super::allow;
use super::error::{Error, SpecError};
use super::library::{library_file, similar_names};
use super::load::{self, Loaded};
use super::resolve::{NoFiles, Resolver};
use crate::check::{self, Program, Settings};
use crate::diag::{self, Code, Diagnostic};
use crate::exec::{self, Bound, RunError};
use crate::ir::{self, Env};
use crate::mend::{self, Attempt};
use crate::syntax::{self, ast};
use crate::text::{FileId, Name, SourceFile, SourceMap, Span};

/// More settings than this no cell has use for; each is a source file of its own, and files have
/// small numbers.
const MAX_SETTINGS: usize = 1000;

/// What the source files of settings are called in messages.
pub(super) const SETTING: &str = "--set";

/// A file that parses and checks: the way into the library.
///
/// ```
/// let source = "cell Leaky { dims H  input x: [H]  state h: [H]  hyper a = 0.9  h = a * prev h + x  output h }";
/// let spec = rnnc::Spec::parse(source)?;
/// let cell = spec.cell("Leaky")?.bind([("H", 4)])?;
/// assert_eq!(cell.cell().outputs.len(), 1);
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Spec {
    inner: Arc<Inner>,
    cells: Vec<ir::Cell>,
    main: Option<usize>,
    used: Vec<ir::Cell>,
    warnings: Vec<Diagnostic>,
}

#[derive(Debug)]
struct Inner {
    sources: SourceMap,
    /// The same under all settings.
    program: Arc<Program>,
    /// What the parser had to say; `check` adds its own.
    parsed: Vec<Diagnostic>,
}

impl Spec {
    /// Parses and checks a source text. All diagnostics are in the error. It may use the built-in library, but no
    /// files: see [`Spec::load`].
    pub fn parse(source: &str) -> Result<Spec, SpecError> {
        Spec::read("<source>", source.as_bytes())
    }

    /// A file of the built-in library, such as `gru` or `std/gru`.
    ///
    /// # Errors
    ///
    /// Fails where there is no such file.
    pub fn std(name: &str) -> Result<Spec, Error> {
        let name = name.strip_prefix("std/").unwrap_or(name);
        let Some(file) = library_file(name) else {
            let similar = similar_names(name);
            let near = similar.first().map(|it| format!("; did you mean `std/{it}`?"));
            let message = format!("the library has no `std/{name}`{}", near.unwrap_or_default());
            return Err(Error::fit(Code::BadUse, message));
        };
        Ok(Spec::read(&format!("std/{name}"), file.source.as_bytes())?)
    }

    /// Parses and checks the bytes of a file; `name` is what messages call it. As in [`Spec::parse`] there are no
    /// other files.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Spec, SpecError> {
        Spec::load(name, bytes, &NoFiles)
    }

    /// Parses and checks the bytes of a file and of all files that it uses, directly or through others, which the
    /// resolver gives. For files on disk that is [`Folder`](crate::data::Folder), and `name` is then the path of
    /// this file.
    pub fn load(name: &str, bytes: &[u8], resolver: &dyn Resolver) -> Result<Spec, SpecError> {
        Spec::of(load::load(name, bytes, resolver))
    }

    pub(super) fn of(loaded: Loaded) -> Result<Spec, SpecError> {
        let Loaded { sources, program, diagnostics } = loaded;
        let inner = Inner { sources, program: Arc::new(program), parsed: diagnostics };
        Spec::check(Arc::new(inner), None, &Settings::default())
    }

    fn check(
        inner: Arc<Inner>,
        cell: Option<&str>,
        settings: &Settings,
    ) -> Result<Spec, SpecError> {
        let (checked, mut diagnostics) = {
            let source = inner.sources.files().first();
            found(&inner.program, &inner.parsed, cell, settings, source)
        };
        if settings.values.is_empty() {
            inner.mend(&mut diagnostics);
        }
        if diag::has_errors(&diagnostics) {
            return Err(SpecError { diagnostics, sources: inner.sources.clone() });
        }
        let check::Checked { cells, main, used, diagnostics: _ } = checked;
        Ok(Spec { inner, cells, main, used, warnings: diagnostics })
    }

    /// What is probably not meant in the file itself; what it uses is taken as it is.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The files that the spans of diagnostics and graphs lie in.
    pub fn sources(&self) -> &SourceMap {
        &self.inner.sources
    }

    /// The tree of the file.
    pub fn tree(&self) -> &ast::File {
        &self.inner.program.files[0]
    }

    /// The trees of all files, and which uses which.
    pub fn program(&self) -> &Program {
        &self.inner.program
    }

    /// The cells of the file itself, in the order of the source.
    pub fn cells(&self) -> &[ir::Cell] {
        &self.cells
    }

    /// The cells of the files that it uses.
    pub fn used_cells(&self) -> &[ir::Cell] {
        &self.used
    }

    /// The cell of this name, be it of the file itself or of one that it uses.
    pub fn cell(&self, name: &str) -> Result<CellSpec, Error> {
        self.configure(Some(name), &[])
    }

    /// The cell of this name, or the one that the file is about, with some dims and hypers set: `("H", "4")`,
    /// `("act", "leaky_relu(0.2)")`. The last value of a name holds.
    pub fn configure(&self, name: Option<&str>, set: &[(&str, &str)]) -> Result<CellSpec, Error> {
        let names = |cells: &[ir::Cell]| cells.iter().map(|it| it.name.to_string()).collect();
        let (known, used) = (|| names(&self.cells), || names(&self.used));
        let name: Name = match name {
            None => match self.main() {
                Some(cell) => cell.name.clone(),
                None => return Err(Error::WhichCell { known: known(), used: used() }),
            },
            Some(name) => match self.find(name) {
                Some(cell) => cell.name.clone(),
                None => {
                    let name = name.to_owned();
                    return Err(Error::NoSuchCell { name, known: known(), used: used() });
                }
            },
        };
        if set.len() > MAX_SETTINGS {
            let message = format!("{} settings, more than {MAX_SETTINGS}", set.len());
            return Err(Error::fit(Code::BadSetting, message));
        }
        let spec = if set.is_empty() { self.clone() } else { self.with_settings(&name, set)? };
        let cell = spec.find(&name).cloned();
        let cell = cell.expect("a cell keeps its name under other settings");
        let warnings = spec.warnings.clone();
        Ok(CellSpec { cell, warnings, sources: spec.inner.sources.clone() })
    }

    /// The cell that the file is about: its only one, or the only one that is no layer of another.
    pub fn main(&self) -> Option<&ir::Cell> {
        Some(&self.cells[self.main?])
    }

    fn find(&self, name: &str) -> Option<&ir::Cell> {
        self.cells.iter().chain(&self.used).find(|it| &*it.name == name)
    }

    /// Checks anew under settings, which stand in a source file of their own so that messages can
    /// show them.
    fn with_settings(&self, cell: &str, set: &[(&str, &str)]) -> Result<Spec, SpecError> {
        let mut sources = self.inner.sources.clone();
        let mut parsed = self.inner.parsed.clone();
        let mut settings = Settings::default();
        for (name, value) in set {
            let source = SourceFile::new(SETTING, format!("{name}={value}"));
            let file = FileId(sources.files().len() as u16);
            match syntax::parse_setting(&source, file) {
                Ok(setting) => settings.values.push(setting),
                Err(mut found) => parsed.append(&mut found),
            }
            sources.add(source);
        }
        let program = self.inner.program.clone();
        let inner = Arc::new(Inner { sources, program, parsed });
        Spec::check(inner, Some(cell), &settings).map_err(|error| self.near(cell, set, error))
    }

    /// Proposes a function for a name in a setting that is none, if the cell can be checked with it.
    fn near(&self, cell: &str, set: &[(&str, &str)], mut error: SpecError) -> SpecError {
        let first = self.inner.sources.files().len();
        let unknown = |it: &Diagnostic| {
            let is_name = matches!(it.code, Code::UnknownName | Code::UnknownFunction);
            is_name && usize::from(it.span.file.0) >= first && !it.message.contains("did you mean")
        };
        let Some(idx) = error.diagnostics.iter().position(unknown) else { return error };
        let span = error.diagnostics[idx].span;
        let name = error.sources.snippet(span).to_owned();
        let at = usize::from(span.file.0) - first;
        let most = if name.len() < 6 { 1 } else { 2 };
        let near = mend::near_functions(&name, most).find(|other| {
            let (key, value) = set[at];
            let value = value.replace(&name, other);
            let mut set = set.to_vec();
            set[at] = (key, &value);
            Spec::check_settings(self, cell, &set).is_ok()
        });
        if let Some(other) = near {
            let found = &mut error.diagnostics[idx];
            found.message = format!("{}; did you mean `{other}`?", found.message);
        }
        error
    }

    /// Whether settings can be checked; nothing is proposed.
    fn check_settings(&self, cell: &str, set: &[(&str, &str)]) -> Result<(), Vec<Diagnostic>> {
        let mut settings = Settings::default();
        for (idx, (name, value)) in set.iter().enumerate() {
            let source = SourceFile::new(SETTING, format!("{name}={value}"));
            let file = FileId((self.inner.sources.files().len() + idx) as u16);
            settings.values.push(syntax::parse_setting(&source, file)?);
        }
        let (_, found) = found(&self.inner.program, &[], Some(cell), &settings, None);
        if diag::has_errors(&found) { Err(found) } else { Ok(()) }
    }
}

impl Inner {
    /// Puts diagnostics into the words of the slips behind them, and keeps of their edits those that mend.
    fn mend(&self, diagnostics: &mut Vec<Diagnostic>) {
        let Some(source) = self.sources.files().first() else { return };
        let attempt = |text: &str| {
            let source = SourceFile::new("", text);
            let (tree, parsed) = syntax::parse(&source, FileId(0));
            let mut program = Program::clone(&self.program);
            // Other files are not read again: what is used must be among those that were.
            let known: Vec<_> = program.files[0].uses().map(|it| it.target.clone()).collect();
            let targets = tree.uses().map(|it| {
                let at = known.iter().position(|known| says_the_same(known, &it.target))?;
                Some(program.uses[0][at])
            });
            program.uses[0] = targets.collect::<Option<Vec<_>>>()?;
            program.files[0] = tree;
            let (_, diagnostics) =
                found(&program, &parsed, None, &Settings::default(), Some(&source));
            let tree = program.files.swap_remove(0);
            Some(Attempt { tree, diagnostics })
        };
        mend::mend(&source.text, &self.program.files[0], diagnostics, &attempt);
    }
}

/// Whether two `use` items name the same file.
fn says_the_same(a: &ast::UseTarget, b: &ast::UseTarget) -> bool {
    a.to_string() == b.to_string()
}

/// Checks a program, and tells what is found in it with what the parser had to say.
fn found(
    program: &Program,
    parsed: &[Diagnostic],
    cell: Option<&str>,
    settings: &Settings,
    source: Option<&SourceFile>,
) -> (check::Checked, Vec<Diagnostic>) {
    let mut checked = check::check(program, cell, settings);
    let mut diagnostics = parsed.to_vec();
    // Where the parser has found something, what comes after it is only guessed.
    let broken: Vec<Span> =
        diagnostics.iter().filter(|it| it.is_error()).map(|it| it.span).collect();
    let within = |it: &Diagnostic| {
        let holds = |outer: &Span| {
            let same = outer.file == it.span.file;
            same && outer.start <= it.span.start && it.span.start < outer.end
        };
        broken.iter().any(holds)
    };
    if !broken.is_empty() {
        checked.diagnostics.retain(|it| it.is_error() && !within(it));
    }
    diagnostics.append(&mut checked.diagnostics);
    diagnostics.retain(|it| it.is_error() || !program.is_used(it.span));
    if let Some(source) = source {
        allow::apply(source, &program.files[0], &mut diagnostics);
    }
    diag::sort(&mut diagnostics);
    (checked, diagnostics)
}

/// One cell of a spec, in symbolic dims.
#[derive(Clone, Debug)]
pub struct CellSpec {
    cell: ir::Cell,
    warnings: Vec<Diagnostic>,
    sources: SourceMap,
}

impl CellSpec {
    /// A cell that was made elsewhere, such as one that was derived from another. `sources` are the files that its spans lie in.
    ///
    /// # Errors
    ///
    /// Fails where it is none: a graph that reads what it does not have, a shape that does not fit.
    pub fn from_ir(cell: ir::Cell, sources: SourceMap) -> Result<CellSpec, Error> {
        ir::verify::verify(&cell).map_err(|it| Error::fit(Code::BadArtifact, it))?;
        Ok(CellSpec { cell, warnings: Vec::new(), sources })
    }

    /// The same cell with other named values as outputs, the first one the main output: all of them have adjoints then.
    ///
    /// ```
    /// let cell = rnnc::Spec::std("lstm")?.cell("Lstm")?.with_outputs(&["h", "c"])?;
    /// assert_eq!(cell.ir().outputs.len(), 2);
    /// # Ok::<(), rnnc::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails where the cell has no value of such a name, or a name comes twice; and for a model, whose outputs its ways say.
    pub fn with_outputs(&self, names: &[&str]) -> Result<CellSpec, Error> {
        let cell = &self.cell;
        let refuse = |message: String| Err(Error::fit(Code::BadSetting, message));
        if cell.is_model {
            return refuse(format!("`{}` is a model: its ways say what it gives", cell.name));
        }
        let mut outputs: Vec<ir::Output> = Vec::new();
        for name in names {
            let Some(value) = cell.values.iter().find(|it| &*it.name == *name) else {
                return Err(RunError::unknown_value(cell, &(*name).into()).into());
            };
            if outputs.iter().any(|it| it.name == value.name) {
                return refuse(format!("the output `{name}` is asked for twice"));
            }
            outputs.push(ir::Output { name: value.name.clone(), node: value.node });
        }
        if outputs.is_empty() {
            return refuse(format!("`{}` needs an output", cell.name));
        }
        Ok(CellSpec { cell: ir::Cell { outputs, ..cell.clone() }, ..self.clone() })
    }

    /// The checked cell.
    pub fn ir(&self) -> &ir::Cell {
        &self.cell
    }

    /// The plain cell that a model is in a mode; a cell stays as it is.
    pub fn plain(&self, mode: &ir::Mode) -> CellSpec {
        CellSpec { cell: exec::plain(&self.cell, mode), ..self.clone() }
    }

    /// What is probably not meant, in the whole file.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The files that the spans lie in, those of settings last.
    pub fn sources(&self) -> &SourceMap {
        &self.sources
    }

    /// Fixes the sizes of dims and the values of numeric hypers. Dims with a default need not be
    /// given.
    pub fn bind<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, i64)>,
    ) -> Result<Bound, Error> {
        let mut env = Env::default();
        for (name, size) in values {
            if !self.cell.dims.iter().any(|it| &*it.name == name && it.like.is_none()) {
                let message = format!("`{}` has no dim `{name}` that can be set", self.cell.name);
                return Err(Error::fit(Code::BadSetting, message));
            }
            env.sizes.insert(name.into(), size);
        }
        Ok(exec::bind(&self.cell, env)?)
    }
}
