//! Checkpoints: how one is written, and which one is taken.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;

use super::super::{
    DataError, Real32or64, Safetensors, read_file, read_safetensors_with_metadata,
    write_safetensors,
};
use super::Files;

/// Under which remark a checkpoint has the checksum of its data.
const CHECKSUM: &str = "crc32c";

/// The folder of checkpoints within that of a training.
pub const FOLDER: &str = "checkpoints";

/// A checkpoint that is whole.
#[derive(Debug)]
pub struct Found {
    /// The update after which it was written.
    pub step: u64,
    /// The file.
    pub path: PathBuf,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// The contents.
    pub content: Safetensors,
}

/// Returns the bytes of a checkpoint: tensors and remarks, with a checksum over the data.
pub fn seal<F: Real32or64>(
    tensors: &[(String, ArrayD<F>)],
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, DataError> {
    // The checksum is part of the header, so the data is written once to know it.
    let mut metadata = metadata.clone();
    metadata.insert(CHECKSUM.to_owned(), "00000000".to_owned());
    let bytes = write_safetensors(tensors, &metadata)?;
    metadata.insert(CHECKSUM.to_owned(), checksum(&bytes));
    write_safetensors(tensors, &metadata)
}

/// Returns the checksum of all that follows the header.
fn checksum(bytes: &[u8]) -> String {
    let header = bytes.first_chunk().map_or(0, |it| u64::from_le_bytes(*it));
    let start = usize::try_from(header).unwrap_or(usize::MAX).saturating_add(size_of::<u64>());
    checksum_of(bytes.get(start..).unwrap_or_default())
}

/// Returns the checksum of bytes, as eight digits.
pub fn checksum_of(bytes: &[u8]) -> String {
    format!("{:08x}", crc32c::crc32c(bytes))
}

/// Reads a checkpoint: its bytes and what it holds. The error says why it is none.
pub fn read(path: &Path) -> Result<(Vec<u8>, Safetensors), String> {
    let bytes = read_file(path).map_err(|it| it.to_string())?;
    let content = read_safetensors_with_metadata(&bytes).map_err(|it| it.to_string())?;
    match content.metadata.get(CHECKSUM) {
        Some(it) if *it == checksum(&bytes) => Ok((bytes, content)),
        Some(_) => Err("its checksum is another".to_owned()),
        None => Err("it has no checksum".to_owned()),
    }
}

fn name(step: u64) -> String {
    format!("step-{step:08}.safetensors")
}

/// Returns all checkpoints of a training by their updates, the oldest first.
pub fn list(run: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(run.join(FOLDER)).into_iter().flatten().flatten();
    let mut all: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let step = name.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?;
            Some((step.parse().ok()?, entry.path()))
        })
        .collect();
    all.sort();
    all
}

/// Returns the newest checkpoint that is whole, and those that are newer and are not, with the reasons.
pub fn newest(run: &Path) -> (Option<Found>, Vec<(PathBuf, String)>) {
    let mut bad = Vec::new();
    for (step, path) in list(run).into_iter().rev() {
        match read(&path) {
            Ok((bytes, content)) => return (Some(Found { step, path, bytes, content }), bad),
            Err(reason) => bad.push((path, reason)),
        }
    }
    (None, bad)
}

/// Writes the checkpoint of an update, then removes the oldest beyond `keep`. Should anything fail, the older ones are still
/// there.
pub fn save(
    files: &mut dyn Files,
    run: &Path,
    step: u64,
    bytes: &[u8],
    keep: usize,
) -> Result<(), DataError> {
    let folder = run.join(FOLDER);
    place(files, &folder, &run.join("metrics.jsonl"), &folder.join(name(step)), bytes)?;
    let all = list(run);
    // Checkpoints of later updates are no news: a resume began before them.
    let older: Vec<&PathBuf> = all.iter().filter(|it| it.0 <= step).map(|it| &it.1).collect();
    for path in &older[..older.len().saturating_sub(keep)] {
        files.remove(path).map_err(|source| write_fault(path, source))?;
    }
    Ok(())
}

/// Writes the best checkpoint.
pub fn save_best(files: &mut dyn Files, run: &Path, bytes: &[u8]) -> Result<(), DataError> {
    place(files, run, &run.join("metrics.jsonl"), &run.join("best.safetensors"), bytes)
}

fn place(
    files: &mut dyn Files,
    folder: &Path,
    log: &Path,
    path: &Path,
    bytes: &[u8],
) -> Result<(), DataError> {
    let temporary = folder.join(format!(".tmp-{}", std::process::id()));
    let mut write = || {
        files.write(&temporary, bytes)?;
        // A file that may not be on the disk is not used.
        files.sync(&temporary)?;
        files.sync(log)?;
        files.rename(&temporary, path)?;
        files.sync_folder(folder)
    };
    let done = write();
    if done.is_err() {
        // What led here matters more.
        let _ = fs::remove_file(&temporary);
    }
    done.map_err(|source| write_fault(path, source))
}

fn write_fault(path: &Path, source: io::Error) -> DataError {
    DataError::Write { path: path.to_owned(), source }
}

/// Removes temporary files of a start that was killed: those of checkpoints and those of [`super::super::write_file`].
pub fn sweep(run: &Path) {
    for folder in [run.to_owned(), run.join(FOLDER)] {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_left =
                |it: &str| it.starts_with(".tmp-") || (it.starts_with('.') && it.contains(".tmp."));
            if name.to_str().is_some_and(is_left) {
                // It is in nobody's way.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
