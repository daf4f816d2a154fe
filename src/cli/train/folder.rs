//! The folder of a training: what is written first, what is found again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::source::Known;
use crate::api::{Artifact, CellSpec};
use crate::cli::args::CellArgs;
use crate::cli::config::{Settings, Value};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::load::{self, Loaded};
use crate::data::training::{self, Lock};
use crate::data::{self, DataError, Safetensors};
use crate::diag::Code;
use crate::exec::Bound;
use crate::ir;
use crate::train::{Scale, Scales};

/// The files of a training.
pub const CONFIG: &str = "config.ron";
const MODEL: &str = "model.ron";
const DATA: &str = "data.json";
/// The log.
pub const LOG: &str = "metrics.jsonl";
/// The end of a training.
pub const SUMMARY: &str = "summary.json";
/// The weights of the end.
pub const PARAMS: &str = "params.safetensors";
/// The best checkpoint.
pub const BEST: &str = "best.safetensors";

/// All of them beside the checkpoints.
const OWN: &[&str] = &[CONFIG, MODEL, DATA, LOG, SUMMARY, PARAMS, BEST];

/// Keys that a training may go on with when they are others.
const FREE: &[&str] =
    &["epochs", "steps", "save_every", "keep", "log_every", "threads", "memory", "tensorboard"];

/// `data.json`: what data of the model is read by.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct About {
    version: u32,
    /// The sizes of the model.
    pub sizes: BTreeMap<String, i64>,
    /// Columns, categories, vocabulary.
    pub known: Known,
    /// The number of rows that the targets are ahead.
    pub ahead: usize,
    scales: BTreeMap<String, StoredScale>,
    /// A checksum for each array.
    pub checksums: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct StoredScale {
    shift: Vec<f64>,
    factor: Vec<f64>,
}

impl About {
    /// Describes a problem.
    pub fn new(problem: &Problem) -> About {
        let sizes = problem.bound.env().sizes.iter();
        let scale = |it: &Scale| StoredScale { shift: it.shift.clone(), factor: it.factor.clone() };
        About {
            version: 1,
            sizes: sizes.map(|(name, size)| (name.to_string(), *size)).collect(),
            known: problem.known.clone(),
            ahead: problem.data.ahead(),
            scales: problem
                .scales
                .0
                .iter()
                .map(|(name, it)| (name.to_string(), scale(it)))
                .collect(),
            checksums: problem.checksums.clone(),
        }
    }

    /// Returns the units of the data.
    pub fn scales(&self) -> Scales {
        let scale = |it: &StoredScale| Scale { shift: it.shift.clone(), factor: it.factor.clone() };
        Scales(self.scales.iter().map(|(name, it)| (name.as_str().into(), scale(it))).collect())
    }
}

/// A training that is there.
pub struct Run {
    /// Its folder.
    pub folder: PathBuf,
    /// Its keys.
    pub settings: Settings,
    /// Its spec.
    pub loaded: Loaded,
    /// Its model.
    pub spec: CellSpec,
    /// Its model with its sizes.
    pub bound: Bound,
    /// The facts by which its data is read.
    pub about: About,
}

impl Run {
    /// Announces the files of the run and those that it was trained on, so that no output takes their place.
    pub fn keep_data(&self, ctx: &mut Context) -> Result<(), CliError> {
        for name in OWN {
            ctx.will_read(&self.folder.join(name))?;
        }
        for (_, path) in training::list(&self.folder) {
            ctx.will_read(&path)?;
        }
        for key in ["text", "csv", "valid_text", "valid_csv", "lengths", "valid_lengths"] {
            if let Some(path) = self.settings.path(key) {
                ctx.will_read(&path)?;
            }
        }
        for key in ["input", "target", "valid_input", "valid_target"] {
            for (_, file) in self.settings.map(key) {
                ctx.will_read(Path::new(&file))?;
            }
        }
        Ok(())
    }
}

fn wrong(message: String) -> CliError {
    CliError::Fit { code: Code::WrongFolder, message }
}

/// Returns true if a folder holds a training.
pub fn is_run(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

/// Refuses an output that would be one of the files of a training, be that file there yet or not.
pub fn refuse_own(flag: &str, path: &Path) -> Result<(), CliError> {
    let inside = path.parent().filter(|it| !it.as_os_str().is_empty());
    // A folder that is not there is for the writer to tell.
    let Ok(inside) = fs::canonicalize(inside.unwrap_or(Path::new("."))) else { return Ok(()) };
    let is_own = || OWN.iter().any(|it| path.file_name().is_some_and(|name| name == *it));
    let is_checkpoints = inside.ends_with(training::FOLDER);
    let of_run = is_run(&inside) && is_own();
    if !(of_run || is_checkpoints && inside.parent().is_some_and(is_run)) {
        return Ok(());
    }
    let shown = path.display();
    let message =
        format!("{flag} {shown}: this file belongs to a training; choose another name or folder");
    Err(CliError::Usage(message))
}

/// Returns the keys of a training that is there.
pub fn settings(ctx: &mut Context, folder: &Path) -> Result<Settings, CliError> {
    let path = folder.join(CONFIG);
    if !path.is_file() {
        return Err(wrong(format!("{} holds no training", folder.display())));
    }
    let bytes = ctx.read(&path)?;
    let mut settings = Settings::default();
    settings.add_file(&path.display().to_string(), &String::from_utf8_lossy(&bytes))?;
    Ok(settings)
}

/// Returns the spec of a training that is there: the artifact in its folder.
pub fn spec(ctx: &mut Context, folder: &Path) -> Result<(Loaded, CellSpec), CliError> {
    let path = folder.join(MODEL);
    if !path.is_file() {
        return Err(wrong(format!(
            "{} holds no whole training: {MODEL} is missing",
            folder.display()
        )));
    }
    let args = CellArgs { spec: path.into_os_string(), cell: None, set: Vec::new() };
    let loaded = load::load(ctx, &args)?;
    let spec = load::choose(ctx, &loaded)?;
    Ok((loaded, spec))
}

fn about(ctx: &mut Context, folder: &Path) -> Result<About, CliError> {
    let path = folder.join(DATA);
    let damaged =
        |why: String| wrong(format!("{} holds no whole training: {why}", folder.display()));
    if !path.is_file() {
        return Err(damaged(format!("{DATA} is missing")));
    }
    let bytes = ctx.read(&path)?;
    serde_json::from_slice(&bytes).map_err(|it| damaged(format!("{DATA}: {it}")))
}

/// Returns true if a folder has all files that are written before the first update.
pub fn is_begun(folder: &Path) -> bool {
    [CONFIG, MODEL, DATA].iter().all(|it| folder.join(it).is_file())
}

/// Opens a training for a command that uses its model.
pub fn open(ctx: &mut Context, folder: &Path) -> Result<Run, CliError> {
    let settings = settings(ctx, folder)?;
    let (loaded, spec) = self::spec(ctx, folder)?;
    let about = about(ctx, folder)?;
    let bound = spec.bind(about.sizes.iter().map(|(name, size)| (name.as_str(), *size)))?;
    Ok(Run { folder: folder.to_owned(), settings, loaded, spec, bound, about })
}

impl Run {
    /// Returns the checkpoint of a choice: `best`, `last` or an update; the best by itself where there was validation.
    pub fn checkpoint(&self, ctx: &Context, choice: Option<&str>) -> Result<Checkpoint, CliError> {
        let best = self.folder.join(BEST);
        let choice = choice.unwrap_or(if best.is_file() { "best" } else { "last" });
        let folder = self.folder.display();
        match choice {
            "best" => {
                if !best.is_file() {
                    let message = format!(
                        "{folder} has no best checkpoint, since nothing was validated; --checkpoint last"
                    );
                    return Err(wrong(message));
                }
                let content = training::read(&best);
                let (_, content) =
                    content.map_err(|why| wrong(format!("{}: {why}", best.display())))?;
                Ok(Checkpoint { step: step_of(&content), content })
            }
            "last" => {
                let (found, bad) = training::newest(&self.folder);
                for (path, why) in bad {
                    ctx.note(&format!("{} is passed over: {why}", path.display()));
                }
                let found =
                    found.ok_or_else(|| wrong(format!("{folder} has no checkpoint yet")))?;
                Ok(Checkpoint { step: found.step, content: found.content })
            }
            number => {
                let all = training::list(&self.folder);
                let wanted: Option<u64> = number.parse().ok();
                let Some((step, path)) = all.iter().find(|it| Some(it.0) == wanted) else {
                    let has: Vec<String> = all.iter().map(|it| it.0.to_string()).collect();
                    let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
                    let message = format!("{folder} has no checkpoint `{number}`; it has {has}");
                    return Err(wrong(message));
                };
                let content = training::read(path);
                let (_, content) =
                    content.map_err(|why| wrong(format!("{}: {why}", path.display())))?;
                Ok(Checkpoint { step: *step, content })
            }
        }
    }
}

/// A checkpoint that was read.
pub struct Checkpoint {
    /// The update after which it was written.
    pub step: u64,
    /// The contents.
    pub content: Safetensors,
}

fn step_of(content: &Safetensors) -> u64 {
    content.metadata.get("train.step").and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// Adds what is said now to the keys of a training that goes on, and refuses what may not change.
pub fn merge(mut old: Settings, now: &Settings) -> Result<Settings, CliError> {
    for (name, said) in now.all() {
        if FREE.contains(&name) {
            continue;
        }
        let (before, after) = (old.value(name), said.value.clone());
        if before != after {
            let shown = |it: &Option<Value>| it.as_ref().map_or("none".to_owned(), Value::shown);
            let message = format!(
                "`{name}` was {} when this training began, now {}; a new `-o` folder takes other keys",
                shown(&before),
                shown(&after)
            );
            return Err(now.fault(name, &message));
        }
    }
    // What ends the training is said anew as a whole.
    if now.said("steps").is_some() || now.said("epochs").is_some() {
        for name in ["epochs", "steps"] {
            match now.said(name) {
                Some(said) => old.replace(name, said.clone()),
                None => old.replace(name, crate::cli::config::Said::none()),
            }
        }
    }
    for name in FREE.iter().filter(|it| !["epochs", "steps"].contains(it)) {
        if let Some(said) = now.said(name) {
            old.replace(name, said.clone());
        }
    }
    Ok(old)
}

/// Refuses data that is not that of the training.
pub fn same_data(ctx: &mut Context, folder: &Path, problem: &Problem) -> Result<(), CliError> {
    let old = about(ctx, folder)?;
    let now = &problem.checksums;
    let names = old.checksums.keys().chain(now.keys());
    for name in names {
        if old.checksums.get(name) != now.get(name) {
            let folder = folder.display();
            return Err(wrong(format!("{folder} was made from other data: `{name}` differs")));
        }
    }
    Ok(())
}

/// Refuses a SPEC that says another model by now than the one of the training.
pub fn same_spec(
    ctx: &mut Context,
    folder: &Path,
    settings: &Settings,
    old: &CellSpec,
) -> Result<(), CliError> {
    let Some(spec) = settings.text("spec") else { return Ok(()) };
    let (cell, set) = (settings.text("cell"), settings.map("set"));
    let args = CellArgs { spec: spec.clone().into(), cell, set };
    let loaded = load::model(load::load(ctx, &args)?)?;
    let now = loaded.spec.configure(loaded.cell.as_deref(), &loaded.set())?;
    // What a comment or a line break changes is no other model.
    if ir::print::cell(now.ir()) == ir::print::cell(old.ir()) {
        return Ok(());
    }
    Err(wrong(format!(
        "{} was made from another model: {spec} has changed since; without SPEC the training goes on with its own, \
         and a new -o folder takes the new one",
        folder.display()
    )))
}

/// Makes a folder, or takes one that is there and empty.
pub fn make(folder: &Path, resume: bool) -> Result<(), CliError> {
    let shown = folder.display();
    if is_run(folder) && !resume {
        let message = format!("{shown} holds a training: `--resume` goes on with it");
        return Err(CliError::Io(message));
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_ours = |name: &str| name == "lock" || name.starts_with('.');
    let other = entries.map(|it| it.file_name()).find(|it| !is_ours(&it.to_string_lossy()));
    if let (Some(_), false) = (other, is_run(folder)) {
        let message =
            format!("{shown} is not empty and holds no training; name a new folder with -o");
        return Err(CliError::Io(message));
    }
    data::check_folder(folder).map_err(|it| CliError::data(folder, it))
}

/// Takes the lock of a folder.
pub fn lock(folder: &Path) -> Result<Lock, CliError> {
    let lock = Lock::take(&folder.join("lock")).map_err(|it| CliError::data(folder, it))?;
    lock.ok_or_else(|| {
        CliError::Io(format!("{} is being trained by another process", folder.display()))
    })
}

/// Makes the folder of a new training, and takes its lock.
pub fn take(folder: &Path, resume: bool) -> Result<Lock, CliError> {
    fs::create_dir_all(folder).map_err(|source| {
        CliError::data(folder, DataError::Write { path: folder.to_owned(), source })
    })?;
    let lock = lock(folder)?;
    // Another process may have begun since the folder was looked at.
    make(folder, resume)?;
    Ok(lock)
}

/// Returns true if the keys are no longer those that are written down.
pub fn has_changed(folder: &Path, settings: &Settings) -> bool {
    fs::read_to_string(folder.join(CONFIG)).is_ok_and(|it| it != settings.print())
}

/// Writes what the training is, before the first update.
pub fn begin(
    folder: &Path,
    settings: &Settings,
    loaded: &Loaded,
    problem: &Problem,
) -> Result<(), CliError> {
    write(&folder.join(CONFIG), settings.print().as_bytes())?;
    let artifact = Artifact::new(&loaded.spec, loaded.cell.as_deref(), &loaded.set())?;
    write(&folder.join(MODEL), artifact.to_ron().as_bytes())?;
    let text = serde_json::to_string_pretty(&About::new(problem)).map_err(std::io::Error::from)?;
    write(&folder.join(DATA), format!("{text}\n").as_bytes())
}

/// Makes the folder of checkpoints; a kill may have come before it was made.
pub fn make_checkpoints(folder: &Path) -> Result<(), CliError> {
    let checkpoints = folder.join("checkpoints");
    fs::create_dir_all(&checkpoints).map_err(|source| {
        CliError::data(&checkpoints, DataError::Write { path: checkpoints.clone(), source })
    })
}

/// Writes a file under a temporary name and renames it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    data::write_file(path, bytes).map_err(|it| CliError::data(path, it))
}
