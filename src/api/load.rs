//! From a source text to the trees of all files that it uses.

use std::collections::BTreeMap;

use super::library::{library_file, similar_names};
use super::resolve::{Resolver, UseError};
use crate::check::Program;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::{self, ast};
use crate::text::{FileId, SourceMap, Span};

/// A spec has at most this many files.
const MAX_FILES: usize = 256;

/// The files of a spec hold at most this many bytes together.
const MAX_TOTAL: usize = 16 << 20;

/// A file that uses a file that uses a file ... ends after this many.
const MAX_CHAIN: usize = 64;

/// All files of a spec have at most this many `use` items together. Each asks the system where it leads.
const MAX_USES: usize = 4096;

/// All files of a spec, read and parsed. An editor analyses its program ([`crate::check::analyse`]) whatever is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// The texts.
    pub sources: SourceMap,
    /// Their trees.
    pub program: Program,
    /// The diagnostics of the parser, and of files that could not be used.
    pub diagnostics: Vec<Diagnostic>,
}

/// Identifies a file; one of the library may have the name of one on disk.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Library(String),
    File(String),
}

impl Key {
    fn name(&self) -> String {
        match self {
            Key::Library(name) => format!("std/{name}"),
            Key::File(name) => name.clone(),
        }
    }
}

struct Loader<'r> {
    resolver: &'r dyn Resolver,
    loaded: Loaded,
    /// `None` for a file that is no text: what it would define is not known.
    known: BTreeMap<Key, Option<FileId>>,
    /// From the first file to the one whose `use` items are being followed.
    chain: Vec<Key>,
    bytes: usize,
    /// The number of `use` items that were followed.
    uses: usize,
}

/// Returns the files of a spec as they were once read: names, texts, and where the `use` items of each lead. `None` if that is
/// not what a spec is made of.
pub(super) fn again<'f>(
    files: impl Iterator<Item = (&'f str, &'f str, &'f [u16])>,
) -> Option<Loaded> {
    let program = Program { files: Vec::new(), uses: Vec::new() };
    let mut loaded = Loaded { sources: SourceMap::default(), program, diagnostics: Vec::new() };
    let mut bytes = 0;
    for (idx, (name, text, uses)) in files.enumerate() {
        bytes += text.len();
        if idx >= MAX_FILES || bytes > MAX_TOTAL {
            return None;
        }
        let (_, mut found) = loaded.add(name, text.as_bytes());
        loaded.diagnostics.append(&mut found);
        loaded.program.uses[idx] = uses.iter().map(|it| Some(FileId(*it))).collect();
    }
    let Program { files, uses } = &loaded.program;
    let fits = files.iter().zip(uses).all(|(file, uses)| {
        let there = |it: &FileId| usize::from(it.0) < files.len();
        file.uses().count() == uses.len() && uses.iter().flatten().all(there)
    });
    fits.then_some(loaded)
}

/// Reads a file and all that it uses.
pub fn load(name: &str, bytes: &[u8], resolver: &dyn Resolver) -> Loaded {
    let program = Program { files: Vec::new(), uses: Vec::new() };
    let loaded = Loaded { sources: SourceMap::default(), program, diagnostics: Vec::new() };
    let (known, chain) = (BTreeMap::new(), Vec::new());
    let mut loader = Loader { resolver, loaded, known, chain, bytes: 0, uses: 0 };
    loader.add(Key::File(name.to_owned()), bytes);
    loader.loaded
}

impl Loader<'_> {
    /// Takes in a file with all that it uses; a chain of files is no longer than [`MAX_CHAIN`].
    fn add(&mut self, key: Key, bytes: &[u8]) -> Option<FileId> {
        let (id, mut found) = self.loaded.add(&key.name(), bytes);
        self.bytes += bytes.len();
        let idx = usize::from(id.0);
        let tree = &self.loaded.program.files[idx];
        let is_text = !tree.items.is_empty() || !tree.unread.names.is_empty();
        let id = is_text.then_some(id);
        self.known.insert(key.clone(), id);
        self.chain.push(key);
        let uses: Vec<ast::Use> = tree.uses().cloned().collect();
        let errors = found.iter().filter(|it| it.is_error());
        let broken: Vec<Span> = errors.map(|it| it.span).collect();
        self.loaded.diagnostics.append(&mut found);
        for item in uses {
            self.uses += 1;
            let within = |it: &Span| item.span.start <= it.start && it.end <= item.span.end;
            let target = if self.uses > MAX_USES + 1 || broken.iter().any(within) {
                // It is complained about already.
                Ok(None)
            } else {
                self.follow(&item)
            };
            let target = target.unwrap_or_else(|fault| {
                self.loaded.diagnostics.push(*fault);
                None
            });
            self.loaded.program.uses[idx].push(target);
        }
        self.chain.pop();
        id
    }

    /// Returns the file that an item means, which is read if it is new.
    fn follow(&mut self, item: &ast::Use) -> Result<Option<FileId>, Box<Diagnostic>> {
        let too_large = |message: String| {
            let message = format!("`{}` cannot be used: {message}", item.target);
            Err(Box::new(Diagnostic::new(Code::TooLarge, item.span, message)))
        };
        if self.uses > MAX_USES {
            return too_large(format!("the files of a spec hold at most {MAX_USES} `use` items"));
        }
        let key = match &item.target {
            ast::UseTarget::Library(library, file) => in_library(item.span, library, file)?,
            ast::UseTarget::File(path) => self.on_disk(item.span, path)?,
        };
        if let Some(at) = self.chain.iter().position(|it| *it == key) {
            return Err(Box::new(circle(item.span, &self.chain[at..])));
        }
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        if self.chain.len() >= MAX_CHAIN {
            return too_large(format!("a chain of files holds at most {MAX_CHAIN}"));
        }
        if self.loaded.program.files.len() >= MAX_FILES {
            return too_large(format!("a spec has at most {MAX_FILES} files"));
        }
        let bytes = match &key {
            Key::Library(name) => match library_file(name) {
                Some(file) => Ok(file.source.as_bytes().to_vec()),
                None => Err(UseError::Missing),
            },
            Key::File(name) => self.resolver.read(name),
        };
        let bytes = bytes.map_err(|it| cannot(item.span, &item.target.to_string(), &it))?;
        if self.bytes + bytes.len() > MAX_TOTAL {
            return too_large(format!("the files of a spec hold at most {MAX_TOTAL} bytes"));
        }
        Ok(self.add(key, &bytes))
    }

    fn on_disk(&self, span: Span, path: &str) -> Result<Key, Box<Diagnostic>> {
        let parts = parts(path).map_err(|it| cannot(span, path, &UseError::Refused(it)))?;
        let from = match self.chain.last() {
            Some(Key::File(name)) => name,
            Some(Key::Library(_)) | None => {
                let message = "a file of the library uses only the library".to_owned();
                return Err(cannot(span, path, &UseError::Refused(message)));
            }
        };
        let clean = parts.join("/");
        let locate = |path: &str| self.resolver.locate(from, path);
        locate(&clean).map(Key::File).map_err(|error| {
            let fault = cannot(span, path, &error);
            if error != UseError::Missing {
                return fault;
            }
            let longer = format!("{clean}.rnn");
            let in_library = clean.strip_prefix("std/").unwrap_or(&clean);
            let in_library = in_library.strip_suffix(".rnn").unwrap_or(in_library);
            let instead = if locate(&longer).is_ok() {
                format!("\"{longer}\"")
            } else if library_file(in_library).is_some() {
                format!("std/{in_library}")
            } else {
                return fault
                    .help("a path starts at the folder of the file that it stands in")
                    .into();
            };
            let help = format!("did you mean `use {instead}`?");
            fault.help(help).fix(Applicability::Maybe, span, format!("use {instead}")).into()
        })
    }
}

impl Loaded {
    /// Parses a file and gives it the next id; where its `use` items lead is still open. Also gives what the parser
    /// had to say.
    fn add(&mut self, name: &str, bytes: &[u8]) -> (FileId, Vec<Diagnostic>) {
        let next = FileId(u16::try_from(self.program.files.len()).expect("files are few"));
        let (source, tree, found) = syntax::parse_bytes(name, bytes, next);
        self.program.files.push(tree);
        self.program.uses.push(Vec::new());
        (self.sources.add(source), found)
    }
}

fn cannot(span: Span, target: &str, why: &UseError) -> Box<Diagnostic> {
    let message = format!("cannot use `{target}`: {why}");
    Box::new(Diagnostic::new(Code::BadUse, span, message))
}

/// Returns the parts of a path, if it is one that every system reads alike and that does not leave its folder.
fn parts(path: &str) -> Result<Vec<&str>, String> {
    if path.contains('\\') {
        return Err("write `/` between folders".to_owned());
    }
    if path.starts_with('/') {
        return Err("the path is absolute; write it relative to this file".to_owned());
    }
    if path.contains(':') {
        return Err("the path names a drive; write it relative to this file".to_owned());
    }
    let parts: Vec<&str> = path.split('/').filter(|it| !matches!(*it, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err("`..` leaves the folder; a file uses what is beside or below it".to_owned());
    }
    if parts.is_empty() {
        return Err("the path names no file".to_owned());
    }
    Ok(parts)
}

fn in_library(span: Span, library: &ast::Ident, file: &ast::Ident) -> Result<Key, Box<Diagnostic>> {
    let name = &*file.name;
    if &*library.name != "std" {
        let message = format!("there is no library `{}`; the built-in one is `std`", library.name);
        let path = format!("\"{}/{name}.rnn\"", library.name);
        return Err(Diagnostic::new(Code::BadUse, span, message)
            .help(format!("a file is named in quotes: `use {path}`"))
            .into());
    }
    if library_file(name).is_some() {
        return Ok(Key::Library(name.to_owned()));
    }
    let fault = Diagnostic::new(Code::BadUse, span, format!("the library has no `std/{name}`"));
    Err(Box::new(match similar_names(name).first() {
        Some(it) => fault.help(format!("did you mean `std/{it}`?")).fix(
            Applicability::Maybe,
            file.span,
            it.to_string(),
        ),
        None => fault.help("`rnnc list` shows all"),
    }))
}

fn circle(span: Span, chain: &[Key]) -> Diagnostic {
    let names: Vec<String> = chain.iter().map(Key::name).collect();
    let mut circle: Vec<&str> = names.iter().map(String::as_str).collect();
    if circle.len() > 8 {
        circle.splice(4..circle.len() - 3, [".."]);
    }
    let message = format!("`{}` uses itself: {} -> {}", names[0], circle.join(" -> "), names[0]);
    Diagnostic::new(Code::BadUse, span, message).help(match names.len() {
        1 => "a file has its own items without using itself",
        _ => "put what both need into another file, which each of them uses",
    })
}
