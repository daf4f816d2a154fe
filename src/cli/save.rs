//! `--save`: what a run gives, as a folder of `.npy` files or as one `.safetensors`.
//!
//! A folder has a list of what was written there, so that the next run takes away what it does not write itself. Nobody
//! then takes an array of one run for one of another, and what is not on the list is never touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::context::Context;
use super::error::CliError;
use super::output::{self, Named};
use crate::data::{self, DataError, Real32or64};

/// The list in a folder.
const LIST: &str = "rnnc-save.json";

/// The arrays that an earlier run wrote.
#[derive(Serialize, Deserialize)]
struct List {
    /// The origin of the arrays.
    #[serde(default)]
    origin: BTreeMap<String, String>,
    /// The names of the files beside the list.
    files: Vec<String>,
}

/// A place for arrays, which was announced.
pub struct Save<'a> {
    path: &'a Path,
    is_file: bool,
    /// The files that an earlier run wrote and this one does not.
    stale: Vec<PathBuf>,
}

/// Refuses a place that cannot be meant or cannot be written.
pub fn check(ctx: &mut Context, path: &Path) -> Result<(), CliError> {
    let shown = path.display();
    match output::extension(path).as_deref() {
        Some("safetensors") => return ctx.will_write("--save", path),
        // A folder cannot be called like another kind of file.
        Some(
            kind @ ("npy" | "npz" | "csv" | "tsv" | "txt" | "json" | "ron" | "rnn" | "pt" | "h5"),
        ) => {
            return Err(CliError::Usage(format!(
                "--save {shown}: write the name of a folder or of a .safetensors file, not of a .{kind}"
            )));
        }
        Some(_) | None => {}
    }
    if path.as_os_str() == "-" {
        let message = "--save -: write the name of a folder or of a .safetensors file";
        return Err(CliError::Usage(message.to_owned()));
    }
    data::check_folder(path).map_err(|it| CliError::data(path, it))?;
    // A folder that is still to be made has a name that no other output may have.
    match path.parent() {
        Some(it) if !path.exists() && (it.as_os_str().is_empty() || it.is_dir()) => {
            ctx.will_write("--save", path)
        }
        Some(_) | None => Ok(()),
    }
}

impl<'a> Save<'a> {
    /// Announces the arrays of these names.
    pub fn new(ctx: &mut Context, path: &'a Path, names: &[String]) -> Result<Save<'a>, CliError> {
        let is_file = output::extension(path).as_deref() == Some("safetensors");
        let mut save = Save { path, is_file, stale: Vec::new() };
        if is_file || !path.exists() {
            return Ok(save);
        }
        for name in names {
            ctx.will_write("--save", &save.array(name))?;
        }
        let list = path.join(LIST);
        ctx.will_write("--save", &list)?;
        // A list that is none says nothing about what is there.
        let old = fs::read(&list).ok().and_then(|it| serde_json::from_slice::<List>(&it).ok());
        let old = old.map(|it| it.files).unwrap_or_default();
        for name in names {
            let file = save.array(name);
            let is_ours = old.iter().any(|it| *it == format!("{name}.npy"));
            if !is_ours && fs::symlink_metadata(&file).is_ok() {
                return Err(CliError::Usage(format!(
                    "--save {}: {} is there, and {LIST} does not name it as written by rnnc; write the name of another folder, or move the file away",
                    path.display(),
                    file.display()
                )));
            }
        }
        for file in old {
            let path = path.join(&file);
            let is_plain = Path::new(&file).components().count() == 1 && file.ends_with(".npy");
            let is_ours = is_plain && fs::symlink_metadata(&path).is_ok_and(|it| it.is_file());
            if is_ours && names.iter().all(|it| save.array(it) != path) {
                ctx.will_write("--save", &path)?;
                save.stale.push(path);
            }
        }
        ctx.check_outputs()?;
        Ok(save)
    }

    fn array(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.npy"))
    }

    /// Writes the arrays.
    pub fn write<F: Real32or64>(
        self,
        ctx: &Context,
        all: Vec<Named<F>>,
        origin: &BTreeMap<String, String>,
    ) -> Result<(), CliError> {
        if self.is_file {
            output::room(&all)?;
            return ctx.write(self.path, &output::safetensors(all, origin)?);
        }
        let path = self.path;
        fs::create_dir_all(path).map_err(|source| {
            CliError::data(path, DataError::Write { path: path.to_owned(), source })
        })?;
        let names = all.iter().map(|it| format!("{}.npy", it.name));
        let mut list = List { origin: origin.clone(), files: names.collect() };
        let write = |file: &Path, bytes: &[u8]| {
            data::write_file(file, bytes).map_err(|it| CliError::data(file, it))
        };
        let write_list = |list: &List| {
            let text = serde_json::to_string_pretty(list).map_err(std::io::Error::from)?;
            write(&path.join(LIST), format!("{text}\n").as_bytes())
        };
        // Until the last array is written, and should that fail, the list names the old ones, too.
        let count = list.files.len();
        let stale = self.stale.iter().filter_map(|it| it.file_name());
        list.files.extend(stale.map(|it| it.to_string_lossy().into_owned()));
        write_list(&list)?;
        for it in &all {
            output::room(std::slice::from_ref(it))?;
            write(&self.array(&it.name), &data::write_npy(&it.array.view()))?;
        }
        for file in &self.stale {
            fs::remove_file(file).map_err(|source| {
                CliError::data(file, DataError::Write { path: file.clone(), source })
            })?;
        }
        list.files.truncate(count);
        write_list(&list)?;
        let removed = match self.stale.len() {
            0 => String::new(),
            stale => format!(" and removed {stale} of an earlier run"),
        };
        ctx.note(&format!("wrote {count} arrays to {}{removed}", path.display()));
        Ok(())
    }
}
