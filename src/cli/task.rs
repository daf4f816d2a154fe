//! `rnnc data`: writes a classic task into a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Ix2;
use serde::Serialize;

use super::args::TaskArgs;
use super::context::Context;
use super::error::CliError;
use super::feed::counted;
use crate::data::{self, DataError};
use crate::train::tasks::{Array, Figures, Key, Made, Part, Task};

/// `task.json`.
#[derive(Serialize)]
struct About {
    version: u32,
    task: &'static str,
    options: BTreeMap<&'static str, u64>,
    baseline: Figures,
    best: Figures,
}

/// Makes the task and writes its files.
pub fn data(ctx: &mut Context, args: &TaskArgs) -> Result<(), CliError> {
    let task = Task::new(args.task, &args.given()).map_err(CliError::Usage)?;
    let folder = &args.output;
    let is_there = refuse_full(folder)?;
    data::check_folder(folder).map_err(|it| CliError::data(folder, it))?;
    let made = task.make();
    // A folder of the right name is whole, or was there before.
    let place = if is_there { folder.clone() } else { temporary(folder) };
    let written = fill(&place, &task, &made);
    let written = match (written, is_there) {
        (Ok(()), false) => fs::rename(&place, folder).map_err(|it| failed(folder, it)),
        (written, _) => written,
    };
    if written.is_err() && !is_there {
        // What led here matters more than a failure of this.
        let _ = fs::remove_dir_all(&place);
    }
    written?;
    if args.json {
        ctx.wrote(folder);
        return ctx.made(&Told {
            task: task.kind.name(),
            made: told(&task, &made),
            made_of: options(&task),
            baseline: &made.baseline,
            best: &made.best,
        });
    }
    let figures = |all: &Figures| {
        let each = all.iter().map(|(name, it)| format!("{name} {}", super::output::short(*it)));
        each.collect::<Vec<_>>().join(", ")
    };
    ctx.line(&format!("{}: {}", folder.display(), told(&task, &made)))?;
    ctx.line(&format!("without memory  {}", figures(&made.baseline)))?;
    ctx.line(&format!("best            {}", figures(&made.best)))
}

/// The document of `--json`.
#[derive(Serialize)]
struct Told<'m> {
    task: &'static str,
    /// In words.
    made: String,
    #[serde(rename = "options")]
    made_of: BTreeMap<&'static str, u64>,
    baseline: &'m Figures,
    best: &'m Figures,
}

fn options(task: &Task) -> BTreeMap<&'static str, u64> {
    task.options.iter().map(|(key, value)| (key.name(), *value)).collect()
}

/// Describes the task that was made.
fn told(task: &Task, made: &Made) -> String {
    let value = |key: Key| task.options.iter().find(|it| it.0 == key).map_or(0, |it| it.1);
    match &made.train {
        Part::Arrays(_) => {
            let train = counted(value(Key::Sequences), "sequence");
            match made.valid {
                Some(_) => format!("{train}, and {} for validation", value(Key::Valid)),
                None => train,
            }
        }
        Part::Series(columns, _) => {
            format!("{} of {}", counted(value(Key::Steps), "row"), columns.join(", "))
        }
        Part::Text(text) => counted(text.len() as u64, "character"),
    }
}

/// Returns true if a folder is there. One that holds something is refused.
fn refuse_full(folder: &Path) -> Result<bool, CliError> {
    let Ok(mut entries) = fs::read_dir(folder) else { return Ok(false) };
    match entries.next() {
        Some(_) => {
            let folder = folder.display();
            Err(CliError::Io(format!("{folder} is not empty; name a new folder with -o")))
        }
        None => Ok(true),
    }
}

/// Returns a name beside the folder, until all is written.
fn temporary(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.tmp.{}", std::process::id()))
}

fn failed(path: &Path, source: std::io::Error) -> CliError {
    CliError::data(path, DataError::Write { path: path.to_owned(), source })
}

fn fill(folder: &Path, task: &Task, made: &Made) -> Result<(), CliError> {
    part(folder, &made.train)?;
    if let Some(valid) = &made.valid {
        part(&folder.join("valid"), valid)?;
    }
    let about = About {
        version: 1,
        task: task.kind.name(),
        options: options(task),
        baseline: made.baseline.clone(),
        best: made.best.clone(),
    };
    let text = serde_json::to_string_pretty(&about).map_err(std::io::Error::from)?;
    write(&folder.join("task.json"), format!("{text}\n").as_bytes())
}

fn part(folder: &Path, part: &Part) -> Result<(), CliError> {
    fs::create_dir_all(folder).map_err(|it| failed(folder, it))?;
    match part {
        Part::Arrays(arrays) => {
            for (name, array) in arrays {
                let bytes = match array {
                    Array::Real(it) => data::write_npy(&it.view()),
                    Array::Index(it) => data::write_npy_whole(&it.view()),
                };
                write(&folder.join(format!("{name}.npy")), &bytes)?;
            }
            Ok(())
        }
        Part::Series(columns, table) => {
            let header: Vec<String> = columns.iter().map(|it| (*it).to_owned()).collect();
            let rows = table.view().into_dimensionality::<Ix2>().expect("rows and columns");
            write(&folder.join("series.csv"), &data::write_csv(Some(&header), &rows))
        }
        Part::Text(text) => write(&folder.join("text.txt"), text.as_bytes()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    data::write_file(path, bytes).map_err(|it| CliError::data(path, it))
}
