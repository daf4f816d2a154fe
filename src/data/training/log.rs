//! `metrics.jsonl`: a line of JSON for each update and each validation.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::super::{DataError, read_file};

/// The log, open at its end. Every line is one write, so a kill tears the last line at most.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// Opens a log, or makes one.
    pub fn open(path: &Path) -> Result<Log, DataError> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|it| fault(path, it))?;
        Ok(Log { file, path: path.to_owned() })
    }

    /// Adds a line.
    pub fn line(&mut self, text: &str) -> Result<(), DataError> {
        let line = format!("{text}\n");
        self.file.write_all(line.as_bytes()).map_err(|it| fault(&self.path, it))
    }
}

/// Cuts a log to the lines up to an update; a torn last line goes. Returns the lines that stay.
pub fn cut_log(path: &Path, step: u64) -> Result<Vec<String>, DataError> {
    let bytes = match read_file(path) {
        Ok(bytes) => bytes,
        Err(it) if it.io_kind() == Some(io::ErrorKind::NotFound) => return Ok(Vec::new()),
        Err(it) => return Err(it),
    };
    let mut kept = Vec::new();
    let mut end = 0;
    for line in bytes.split_inclusive(|it| *it == b'\n') {
        let text = line.strip_suffix(b"\n").and_then(|it| std::str::from_utf8(it).ok());
        let value = text.and_then(|it| serde_json::from_str::<serde_json::Value>(it).ok());
        let of = value.and_then(|it| it.get("step")?.as_u64());
        if of.is_none_or(|it| it > step) {
            break;
        }
        end += line.len();
        kept.extend(text.map(str::to_owned));
    }
    if end < bytes.len() {
        let file = OpenOptions::new().write(true).open(path).map_err(|it| fault(path, it))?;
        file.set_len(end as u64).map_err(|it| fault(path, it))?;
    }
    Ok(kept)
}

fn fault(path: &Path, source: io::Error) -> DataError {
    DataError::Write { path: path.to_owned(), source }
}
