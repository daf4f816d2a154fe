//! The streams of a command: data goes to standard output, everything else to standard error.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::args::ColorChoice;
use super::error::{CliError, shown};
use crate::data::{self, DataError, MAX_STREAM, Place};
use crate::diag::render::{self, Style};
use crate::diag::{Diagnostic, json};
use crate::text::SourceMap;

/// The most diagnostics that a run shows.
pub const SHOWN: usize = 20;

/// The amount of information on standard error beside errors.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Words {
    /// Nothing that only informs.
    Quiet,
    /// Notes about decisions for the user.
    Notes,
    /// Files that are read, and draws and choices, too.
    All,
}

/// The two streams and how to write to them.
pub struct Context {
    out: io::BufWriter<io::Stdout>,
    words: Words,
    style: Style,
    has_read_stdin: bool,
    /// The files that are read, and those that will be written: the two never meet.
    inputs: Vec<(PathBuf, Place)>,
    outputs: Vec<(String, PathBuf, Option<Place>)>,
    /// The written files and the notes, for documents of JSON.
    told: RefCell<Told>,
    /// Standard output gets an array, and the words go to standard error.
    words_to_stderr: bool,
    has_json: bool,
    started: Instant,
    timings: Vec<(&'static str, f64)>,
}

/// The messages on the way.
#[derive(Default, Serialize)]
struct Told {
    /// Files and folders.
    wrote: Vec<String>,
    notes: Vec<String>,
}

/// The document of a command that makes something.
#[derive(Serialize)]
struct Made<'m, T> {
    version: u32,
    #[serde(flatten)]
    made: &'m T,
    #[serde(flatten)]
    told: Told,
}

impl Context {
    /// Decides about colors once.
    pub fn new(words: Words, color: ColorChoice) -> Context {
        let on_terminal = || {
            let forbidden = std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|it| it == "dumb");
            io::stderr().is_terminal() && !forbidden && !dumb
        };
        let color = match color {
            ColorChoice::Auto => on_terminal(),
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        Context {
            out: io::BufWriter::new(io::stdout()),
            words,
            style: if color { Style::Color } else { Style::Plain },
            has_read_stdin: false,
            inputs: Vec::new(),
            outputs: Vec::new(),
            told: RefCell::default(),
            words_to_stderr: false,
            has_json: false,
            started: Instant::now(),
            timings: Vec::new(),
        }
    }

    /// Returns true if only data and errors are wanted.
    pub fn is_quiet(&self) -> bool {
        self.words == Words::Quiet
    }

    /// Reads a data file, or standard input for `-`, which can be read once.
    pub fn read(&mut self, path: &Path) -> Result<Vec<u8>, CliError> {
        match path.as_os_str() == "-" {
            true => {
                let bytes = self.read_stdin(MAX_STREAM + 1)?;
                if bytes.len() as u64 > MAX_STREAM {
                    let (path, limit) = (shown(path), MAX_STREAM);
                    let error = DataError::EndlessInput { path: path.clone(), limit };
                    return Err(CliError::data(path, error));
                }
                Ok(bytes)
            }
            false => {
                self.will_read(path)?;
                let bytes = data::read_file(path).map_err(|it| CliError::data(path, it))?;
                self.has_read(path, bytes.len());
                Ok(bytes)
            }
        }
    }

    /// Remembers a file that is read; one that will be written is refused.
    pub fn will_read(&mut self, path: &Path) -> Result<(), CliError> {
        let Some(place) = Place::of(path) else { return Ok(()) };
        if let Some((flag, output, _)) =
            self.outputs.iter().find(|it| it.2.as_ref() == Some(&place))
        {
            return Err(written_over(flag, output, path));
        }
        self.inputs.push((path.to_owned(), place));
        Ok(())
    }

    /// Announces a file that will be written, before anything is computed: its place must take one, and neither be read
    /// nor be the place of another output. `flag` is the option that names it.
    pub fn will_write(&mut self, flag: &str, path: &Path) -> Result<(), CliError> {
        let shown = path.display();
        if path.as_os_str() == "-" {
            let message = format!(
                "{flag} -: results are written to files; write {flag} /dev/stdout for standard output"
            );
            return Err(CliError::Usage(message));
        }
        let place = Place::to_write(path).map_err(|it| CliError::data(path, it))?;
        if let Some((input, _)) = self.inputs.iter().find(|it| Some(&it.1) == place.as_ref()) {
            return Err(written_over(flag, path, input));
        }
        let is_stdout =
            ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|it| path == Path::new(it));
        let twice = |it: &&(String, PathBuf, Option<Place>)| match &place {
            Some(place) => it.2.as_ref() == Some(place),
            None => is_stdout && it.1 == path,
        };
        if let Some((other, _, _)) = self.outputs.iter().find(twice) {
            let message = format!("{flag} {shown}: {other} is written to the same file");
            return Err(CliError::Usage(message));
        }
        self.words_to_stderr |= is_stdout;
        self.outputs.push((flag.to_owned(), path.to_owned(), place));
        Ok(())
    }

    /// Reads a text of which more than `limit` bytes are an error anyway, and no more than that.
    pub fn read_at_most(&mut self, path: &Path, limit: u64) -> Result<Vec<u8>, CliError> {
        if path.as_os_str() == "-" {
            return self.read_stdin(limit);
        }
        let fault = |source| {
            let path = path.to_owned();
            CliError::data(path.clone(), DataError::Read { path, source })
        };
        let mut bytes = Vec::new();
        self.will_read(path)?;
        let file = File::open(path).map_err(fault)?;
        file.take(limit).read_to_end(&mut bytes).map_err(fault)?;
        self.has_read(path, bytes.len());
        Ok(bytes)
    }

    fn read_stdin(&mut self, limit: u64) -> Result<Vec<u8>, CliError> {
        if std::mem::replace(&mut self.has_read_stdin, true) {
            let message = "standard input can be read once, and `-` stands for it twice";
            return Err(CliError::Usage(message.to_owned()));
        }
        self.will_read(Path::new("/dev/stdin"))?;
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
        read.map_err(|it| CliError::Io(format!("cannot read standard input: {it}")))?;
        self.has_read(Path::new("standard input"), bytes.len());
        Ok(bytes)
    }

    /// Refuses outputs that are read-only, once all is read and before anything is computed.
    pub fn check_outputs(&self) -> Result<(), CliError> {
        for (_, path, _) in &self.outputs {
            data::check_writable(path).map_err(|it| CliError::data(path, it))?;
        }
        Ok(())
    }

    /// Writes a file that was announced, and says so.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), CliError> {
        data::write_file(path, bytes).map_err(|it| CliError::data(path, it))?;
        self.wrote(path);
        Ok(())
    }

    /// Says that a file or a folder was written.
    pub fn wrote(&self, path: &Path) {
        let shown = path.display().to_string();
        self.say(&format!("wrote {shown}"));
        self.told.borrow_mut().wrote.push(shown);
    }

    /// Writes to standard output as it is. Where an array goes there, words go to standard error, and not with `--quiet`.
    pub fn out(&mut self, text: &str) -> Result<(), CliError> {
        if self.words_to_stderr {
            if !self.is_quiet() {
                self.err(text);
            }
            return Ok(());
        }
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// Writes a line to standard output.
    pub fn line(&mut self, text: &str) -> Result<(), CliError> {
        self.out(text)?;
        self.out("\n")
    }

    /// Writes a value as indented JSON to standard output.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        self.has_json = true;
        self.line(&text)
    }

    /// Writes what a command has made as JSON, with the files that were written and what was noted.
    pub fn made(&mut self, made: &impl Serialize) -> Result<(), CliError> {
        let told = self.told.take();
        self.json(&Made { version: json::VERSION, made, told })
    }

    /// Says in JSON why a command failed, unless it has come to print its own document.
    pub fn json_failure(&mut self, error: &CliError) -> Result<(), CliError> {
        if self.has_json {
            return Ok(());
        }
        let mut report = json::Report::default();
        error.tell(&mut report);
        self.json(&report)
    }

    /// Tells people what was decided for them, on standard error; not with `--quiet`.
    pub fn note(&self, text: &str) {
        self.told.borrow_mut().notes.push(text.to_owned());
        self.say(text);
    }

    fn say(&self, text: &str) {
        if !self.is_quiet() {
            self.err(&format!("note: {text}\n"));
        }
    }

    /// Tells with `--verbose` what is read, drawn or chosen, on standard error.
    pub fn detail(&self, text: &str) {
        if self.words == Words::All {
            self.err(&format!("info: {text}\n"));
        }
    }

    /// Tells that a file was read.
    pub fn has_read(&self, path: &Path, bytes: usize) {
        self.detail(&format!("read {}, {bytes} bytes", path.display()));
    }

    /// Shows diagnostics on standard error. `--quiet` is about notes: a warning may change what a result means.
    pub fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        if !diagnostics.is_empty() {
            self.err(&render::render_all(diagnostics, sources, self.style, SHOWN));
        }
    }

    /// Says why a command failed.
    pub fn report(&self, error: &CliError) {
        match error {
            CliError::Failed | CliError::Reported(_) | CliError::BrokenPipe => {}
            CliError::Spec(error) => self.diagnostics(&error.diagnostics, &error.sources),
            CliError::Usage(message) | CliError::Io(message) | CliError::NoModel(message) => {
                self.error(None, message);
            }
            CliError::Fit { code, message } => self.error(Some(code.as_str()), message),
        }
    }

    fn error(&self, code: Option<&str>, message: &str) {
        let head = code.map_or("error".to_owned(), |it| format!("error[{it}]"));
        let head = match self.style {
            Style::Plain => head,
            Style::Color => format!("\x1b[1;31m{head}\x1b[0m"),
        };
        self.err(&format!("{head}: {message}\n"));
    }

    fn err(&self, text: &str) {
        // When standard error is gone there is nobody to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }

    /// Notes how long the stage that ends here took.
    pub fn lap(&mut self, stage: &'static str) {
        self.timings.push((stage, self.started.elapsed().as_secs_f64()));
        self.started = Instant::now();
    }

    /// Prints the stages' times to standard error.
    pub fn show_timings(&mut self) {
        // Should that fail, the end of the command tells.
        let _ = self.out.flush();
        for (stage, seconds) in &self.timings {
            self.err(&format!("{stage:>10} {:9.3} ms\n", seconds * 1e3));
        }
    }

    /// Writes what is still in the buffer.
    pub fn finish(&mut self) -> Result<(), CliError> {
        Ok(self.out.flush()?)
    }
}

fn written_over(flag: &str, output: &Path, input: &Path) -> CliError {
    let (output, read) = (output.display(), shown(input));
    let same = if output.to_string() == read.display().to_string() {
        "it is read".to_owned()
    } else {
        format!("it is {}, which is read", read.display())
    };
    CliError::Usage(format!("{flag} {output}: {same}, and what is read is not written over"))
}
