//! `rnnc test`: snapshot tests of people's own specs.
//!
//! A snapshot holds what a cell compiles to and what a seeded run gives, to six digits. It is
//! in `snapshots/NAME.snap` beside the spec, so that a change of a cell, or of rnnc, shows as a
//! change of a text file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ndarray::ArrayD;
use serde::Serialize;

use super::args::TestArgs;
use super::context::Context;
use super::difference::difference;
use super::error::CliError;
use super::feed::{self, demo, demo::Demo};
use super::load::{self, Source};
use super::progress::Progress;
use crate::api::{self, CellSpec};
use crate::data;
use crate::exec::{self, Bound, Call, Draws, EngineOptions, InitialState, Inputs, Masks, Upstream};
use crate::ir;
use crate::plan::pipeline::{self, Graphs, Part};

/// Compares every spec with its snapshot, or writes the snapshots. What is wrong with one spec does
/// not hide the others.
pub fn test(ctx: &mut Context, args: &TestArgs) -> Result<(), CliError> {
    let mut files = Vec::new();
    for spec in &args.specs {
        let path = Path::new(spec);
        if path.starts_with("std") || path.as_os_str() == "-" {
            let shown = path.display();
            let message = format!("a snapshot lies beside its spec, and `{shown}` is no file");
            return Err(CliError::Usage(message));
        }
        if path.is_dir() {
            let before = files.len();
            collect(path, &mut files)?;
            if files.len() == before {
                let message = format!("there is no .rnn file in {}", path.display());
                return Err(CliError::Usage(message));
            }
        } else {
            files.push(path.to_owned());
        }
    }
    files.sort();
    files.dedup();
    if args.update {
        announce(ctx, &files)?;
    }

    let (mut report, mut worst) = (Report { version: 1, ..Report::default() }, 0);
    for (at, file) in files.iter().enumerate() {
        let progress = Progress::new(ctx);
        progress.tell(&format!("{} of {} specs: {}", at + 1, files.len(), file.display()));
        let tested = test_one(ctx, file, args);
        drop(progress);
        let told = match tested {
            Ok(told) => told,
            Err(error @ (CliError::BrokenPipe | CliError::Usage(_))) => return Err(error),
            Err(error) => {
                ctx.report(&error);
                worst = worst.max(error.exit_code());
                let words = if args.json { reason(&error) } else { "no result".to_owned() };
                Told::new(Outcome::Failed, words)
            }
        };
        report.add(ctx, file, told, args.json)?;
    }
    for file in orphans(args)? {
        let told = Told::new(Outcome::NoSpec, "no spec; it is compared with nothing");
        report.add(ctx, &file, told, args.json)?;
    }
    if report.failed > 0 {
        worst = worst.max(CliError::Failed.exit_code());
    }
    if args.json {
        ctx.json(&report)?;
    } else {
        let Report { passed, failed, written, .. } = report;
        let written = if args.update { format!(", {written} written") } else { String::new() };
        ctx.line(&format!("{passed} passed, {failed} failed{written}"))?;
    }
    if worst > 0 { Err(CliError::Reported(worst)) } else { Ok(()) }
}

/// Refuses to write snapshots over what is read, over each other or over what is read-only, before any is
/// written.
fn announce(ctx: &mut Context, files: &[PathBuf]) -> Result<(), CliError> {
    for file in files.iter().filter(|it| it.exists()) {
        ctx.will_read(file)?;
    }
    let mut taken: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    for file in files {
        let place = snapshot_path(file);
        if let Some(other) = taken.insert(place.clone(), file) {
            let (place, other, file) = (place.display(), other.display(), file.display());
            let message =
                format!("--update: {place} would be the snapshot of {other} and of {file}");
            return Err(CliError::Usage(message));
        }
        // A folder that is not there is made.
        if place.parent().is_some_and(Path::is_dir) {
            ctx.will_write("--update", &place)?;
        }
    }
    ctx.check_outputs()
}

/// The results of all specs.
#[derive(Default, Serialize)]
struct Report {
    version: u32,
    specs: Vec<Told>,
    passed: usize,
    failed: usize,
    written: usize,
}

impl Report {
    /// Counts what became of a spec, and tells it unless all is told as JSON at the end.
    fn add(
        &mut self,
        ctx: &mut Context,
        file: &Path,
        mut told: Told,
        json: bool,
    ) -> Result<(), CliError> {
        told.file = file.display().to_string();
        match told.outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Written => self.written += 1,
            Outcome::NoCell => {}
            Outcome::Changed | Outcome::NoSnapshot | Outcome::NoSpec | Outcome::Failed => {
                self.failed += 1;
            }
        }
        if !json && told.outcome != Outcome::Passed {
            ctx.line(&format!("{} ... {}", told.file, told.words))?;
            ctx.out(told.difference.as_deref().unwrap_or_default())?;
        }
        self.specs.push(told);
        Ok(())
    }
}

/// The result of one spec, for people and for scripts.
#[derive(Serialize)]
struct Told {
    file: String,
    outcome: Outcome,
    #[serde(rename = "message")]
    words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
}

impl Told {
    fn new(outcome: Outcome, words: impl Into<String>) -> Told {
        Told { file: String::new(), outcome, words: words.into(), difference: None }
    }
}

/// The possible results of one spec.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Passed,
    Changed,
    Written,
    /// The file is there for others to use.
    NoCell,
    NoSnapshot,
    /// A snapshot whose spec is gone.
    NoSpec,
    Failed,
}

/// Returns why a spec has no result, in one line or few.
fn reason(error: &CliError) -> String {
    match error {
        CliError::Spec(it) => {
            let errors = it.diagnostics.iter().filter(|it| it.is_error());
            let told = errors.map(|it| format!("error[{}]: {}", it.code.as_str(), it.message));
            told.collect::<Vec<_>>().join("\n")
        }
        CliError::Failed
        | CliError::Reported(_)
        | CliError::BrokenPipe
        | CliError::Usage(_)
        | CliError::Io(_)
        | CliError::NoModel(_)
        | CliError::Fit { .. } => error.to_string(),
    }
}

fn test_one(ctx: &mut Context, file: &Path, args: &TestArgs) -> Result<Told, CliError> {
    let set: Vec<(&str, &str)> = args.set.iter().map(|(a, b)| (&**a, &**b)).collect();
    let now = match load::source(ctx, file.as_os_str())? {
        Source::Text(text) => {
            let spec = text.spec().map_err(api::Error::from)?;
            if spec.cells().is_empty() {
                return Ok(Told::new(Outcome::NoCell, "no cell"));
            }
            let cells = spec.cells().iter().map(|it| spec.configure(Some(&it.name), &of(it, &set)));
            snapshot(&cells.collect::<Result<Vec<_>, _>>()?)?
        }
        Source::Artifact(it) => {
            let cell = it.spec()?.configure(Some(it.cell_name()), &it.set())?;
            let all: Vec<(&str, &str)> = it.set().into_iter().chain(of(cell.ir(), &set)).collect();
            snapshot(&[it.spec()?.configure(Some(it.cell_name()), &all)?])?
        }
    };
    // A snapshot of other settings differs in its first line already.
    let head: String =
        args.set.iter().map(|(name, value)| format!("== set {name}={value}\n")).collect();
    let now = format!("{head}{now}");
    let place = snapshot_path(file);
    let before = if place.exists() {
        let bytes = data::read_file(&place).map_err(|it| CliError::data(&place, it))?;
        // Version control may have changed the ends of lines.
        Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    } else {
        None
    };
    if before.as_deref() == Some(&now) {
        return Ok(Told::new(Outcome::Passed, "passed"));
    }
    if args.update {
        let folder = place.parent().expect("a snapshot stands in a folder");
        std::fs::create_dir_all(folder)
            .map_err(|it| CliError::Io(format!("cannot create {}: {it}", folder.display())))?;
        data::write_file(&place, now.as_bytes()).map_err(|it| CliError::data(&place, it))?;
        return Ok(Told::new(Outcome::Written, "written"));
    }
    let place = place.display();
    Ok(match before {
        Some(before) => {
            let told = Told::new(Outcome::Changed, format!("changed (- {place}, + now)"));
            Told { difference: Some(difference(&before, &now)), ..told }
        }
        None => Told::new(Outcome::NoSnapshot, format!("no snapshot {place}; --update writes it")),
    })
}

/// Returns the settings whose names a cell has.
fn of<'s>(cell: &ir::Cell, set: &[(&'s str, &'s str)]) -> Vec<(&'s str, &'s str)> {
    let has = |name: &str| {
        let is_dim = cell.dims.iter().any(|it| &*it.name == name);
        is_dim || cell.hypers.iter().any(|it| &*it.name == name)
    };
    set.iter().filter(|it| has(it.0)).copied().collect()
}

/// Returns the snapshots in folders that were asked for whose specs are gone.
fn orphans(args: &TestArgs) -> Result<Vec<PathBuf>, CliError> {
    let mut out = Vec::new();
    for folder in args.specs.iter().map(Path::new).filter(|it| it.is_dir()) {
        let mut all = Vec::new();
        below(folder, "snap", &mut all)?;
        out.extend(all.into_iter().filter(|it| {
            let Some(folder) = it.parent().filter(|it| it.ends_with("snapshots")) else {
                return false;
            };
            let beside = folder.parent().unwrap_or(Path::new(""));
            let name = it.file_stem().unwrap_or_default().to_string_lossy();
            !["rnn", "ron"].iter().any(|kind| beside.join(format!("{name}.{kind}")).exists())
        }));
    }
    out.sort();
    out.dedup();
    Ok(out)
}

/// Returns all `.rnn` files below a folder, but not those in folders that start with a point or that links lead to.
pub(super) fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    below(folder, "rnn", files)
}

/// Returns all files of a kind below a folder.
fn below(folder: &Path, kind: &str, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let cannot = |it| CliError::Io(format!("cannot read {}: {it}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let path = entry.path();
        if entry.file_type().map_err(cannot)?.is_dir() {
            if !hidden {
                below(&path, kind, files)?;
            }
        } else if path.extension().is_some_and(|it| it == kind) {
            files.push(path);
        }
    }
    Ok(())
}

fn snapshot_path(file: &Path) -> PathBuf {
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    file.parent().unwrap_or(Path::new("")).join("snapshots").join(format!("{name}.snap"))
}

/// Returns the text of a snapshot: for each cell the step, the backward pass that runs, and a seeded run with its gradients.
fn snapshot(cells: &[CellSpec]) -> Result<String, CliError> {
    let mut text = String::new();
    for cell in cells {
        let name = cell.ir().name.clone();
        let mut part = |title: &str, body: &str| {
            writeln!(text, "== {name} {title}\n{}\n", body.trim_end())
                .expect("writing to a string cannot fail");
        };
        part("ir", &ir::print::cell(cell.ir()));
        for feedback in super::gradcheck::modes(cell.ir()) {
            let title = match cell.ir().has_teacher() {
                true => format!(", feedback {}", feedback.name()),
                false => String::new(),
            };
            let plain = cell.plain(&ir::Mode::new(feedback, ir::Gives::Both));
            let (bound, demo) = bind(&plain)?;
            let graphs = Graphs::new(bound.cell(), bound.env(), &[]).run(pipeline::FAST);
            part(&format!("backward{title}"), &graphs.print(Part::Backward));
            part(&format!("run{title}"), &seeded_run(&bound, graphs, demo)?);
        }
    }
    Ok(text)
}

/// Returns the cell in the sizes of its demonstration sequence, and the sequence.
fn bind(cell: &CellSpec) -> Result<(Bound, Demo), CliError> {
    let mut sizes = BTreeMap::new();
    let demo = Demo::new(cell, demo::STEPS, &mut sizes, &[])?;
    Ok((cell.bind(sizes.iter().map(|(name, size)| (&**name, *size)))?, demo))
}

/// Runs the graphs of the fast engine in f64.
fn seeded_run(bound: &Bound, graphs: Graphs, demo: Demo) -> Result<String, CliError> {
    let (cell, adjoint) = graphs.training().map_err(|it| CliError::Usage(it.to_string()))?;
    let bound = &bound.with(&cell)?;
    let cell = bound.cell();
    let params = exec::init::<f64>(bound, 0)?;
    let feeds = demo.feeds.into_iter().zip(&cell.inputs);
    let feeds = feeds.map(|(feed, input)| feed.map(|it| feed::with_batch(input, it)));
    let mut inputs = Inputs::new(feeds.collect());
    inputs.steps = Some(demo::STEPS);
    inputs.batch = Some(1);
    Draws::new(0).fill(bound, &mut inputs)?;
    let state = InitialState::declared(cell.carries.len());
    let engine = bound.engine(EngineOptions::reference())?;
    let run = engine.forward(&params, &inputs, &state)?;
    let upstream = match run.loss(cell) {
        Some(_) => Upstream::of_loss(cell, &run),
        None => Upstream::ones(cell.outputs.len(), cell.carries.len()),
    };
    let masks = &Masks::Eval;
    let call = Call { bound, params: &params, inputs: &inputs, state: &state, masks };
    let gradients = exec::backward(&exec::forward(call, &[])?, &adjoint, &upstream)?;

    let mut text = String::new();
    let mut row = |name: String, array: &ArrayD<f64>| {
        let values: Vec<String> = array.iter().map(|it| six_digits(*it)).collect();
        writeln!(text, "{name} {:?}", array.shape()).expect("writing to a string cannot fail");
        for line in values.chunks(6) {
            writeln!(text, "  {}", line.join(" ")).expect("writing to a string cannot fail");
        }
    };
    for (output, array) in cell.outputs.iter().zip(&run.outputs) {
        row(output.name.to_string(), array);
    }
    for (carry, array) in cell.carries.iter().zip(&run.states) {
        row(format!("state.{}", carry.name), array);
    }
    for (param, array) in cell.params.iter().zip(&gradients.params) {
        if let Some(array) = array {
            row(format!("d_{}", param.name), array);
        }
    }
    Ok(text)
}

/// Returns a number to six digits; what rounding leaves of 0 is 0.
fn six_digits(value: f64) -> String {
    if value.abs() < 1e-12 { "0".to_owned() } else { format!("{value:.5e}") }
}
