//! From the files on the command line to what a cell runs on: inputs, lengths, states, weights and
//! the sizes that follow.

pub mod demo;
pub mod folder;
mod inputs;
pub mod masks;
pub mod read_as;
pub mod weights;

pub use inputs::read_lengths;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use ndarray::ArrayD;

use super::args::{CellArgs, DataArgs, EngineChoice, FloatType};
use super::context::Context;
use super::error::CliError;
use super::load;
use super::origin::origin;
use super::output::Layout;
use super::progress::Progress;
use crate::api::{self, CellSpec, Evidence};
use crate::data::{self, FileKind};
use crate::diag::Code;
use crate::exec::kernels::Team;
use crate::exec::{
    self, Bound, Draws, Engine, EngineKind, EngineOptions, Feed, InitialState, Inputs, Params,
};
use crate::ir::{self, Real};
use crate::text::Name;

/// Everything that a run needs, in f64; [`Prepared::inputs`] and the others give it in the type
/// that is computed in.
pub struct Prepared {
    /// The cell with its sizes.
    pub bound: Bound,
    /// The axes of results, and of adjoints of results.
    pub layout: Layout,
    /// The origin of results.
    pub origin: BTreeMap<String, String>,
    feeds: Vec<Option<Feed<f64>>>,
    lengths: Option<Vec<usize>>,
    /// The number of steps, where no input says so.
    steps: Option<usize>,
    states: Vec<Option<ArrayD<f64>>>,
    masks: masks::Masks,
    weights: weights::Weights,
}

impl Prepared {
    /// Prepares the engine that runs the cell and gives these values beside its outputs. Says what of the options has no effect
    /// on the engine that runs.
    pub fn engine(
        &self,
        ctx: &Context,
        args: &DataArgs,
        traces: Vec<Name>,
        flow: bool,
    ) -> Result<Engine, CliError> {
        let on_interpreter = match (args.engine, args.dtype) {
            (EngineChoice::Fast, FloatType::F32) => false,
            (EngineChoice::Fast, FloatType::F64) => {
                ctx.note("f64 runs on the interpreter, the fast engine computes in f32");
                true
            }
            (EngineChoice::Reference, FloatType::F32 | FloatType::F64) => true,
        };
        if on_interpreter && args.threads.is_some() {
            ctx.note("--threads has no effect: the interpreter runs on one thread");
        }
        let mut options = EngineOptions { traces, flow, ..EngineOptions::default() };
        options.threads = args.threads.map_or(0, usize::from);
        options.memory = args.memory;
        options.kind = args.engine.kind();
        let threads = Team::threads(options.threads);
        let progress = Progress::of(ctx, "preparing the engine");
        let engine = self.bound.engine(options)?;
        drop(progress);
        ctx.detail(&match engine.kind() {
            EngineKind::Fast => {
                format!(
                    "chose the fast engine, {}, {}",
                    exec::kernel_path(),
                    counted(threads as u64, "thread")
                )
            }
            EngineKind::Reference => "chose the interpreter".to_owned(),
        });
        Ok(engine)
    }

    /// Returns the inputs of the run.
    pub fn inputs<F: Real>(&self) -> Result<Inputs<F>, CliError> {
        let feeds = self.feeds.iter().map(|it| {
            Ok(match it {
                None => None,
                Some(Feed::Batch(array)) => Some(Feed::Batch(typed(array)?)),
                Some(Feed::Shared(array)) => Some(Feed::Shared(typed(array)?)),
            })
        });
        let mut inputs = Inputs::new(feeds.collect::<Result<_, CliError>>()?);
        inputs.lengths.clone_from(&self.lengths);
        inputs.steps = self.steps;
        inputs.batch = self.layout.single.then_some(1);
        Ok(inputs)
    }

    /// Returns the carried values that were given.
    pub fn states<F: Real>(&self) -> Result<InitialState<F>, CliError> {
        let states = self.states.iter().map(|it| it.as_ref().map(typed).transpose());
        Ok(InitialState(states.collect::<Result<_, _>>()?))
    }

    /// Returns the masks.
    pub fn masks<F: Real>(&self) -> Result<exec::Masks<F>, CliError> {
        self.masks.masks()
    }

    /// Returns the weights that were given, and draws for the others.
    pub fn params<F: Real>(&self) -> Result<Params<F>, CliError> {
        self.weights.params(&self.bound)
    }
}

/// Returns an array in the type that is computed in.
pub fn typed<F: Real>(array: &ArrayD<f64>) -> Result<ArrayD<F>, CliError> {
    exec::ask::<F>(array.len(), "the data")?;
    Ok(array.mapv(F::of))
}

/// Reads everything that the options name and fixes the sizes.
pub fn prepare(ctx: &mut Context, args: &DataArgs) -> Result<Prepared, CliError> {
    check_memory(args)?;
    masks::check_mode(args)?;
    let loaded = load::load(ctx, &args.cell)?;
    let spec = load::choose(ctx, &loaded)?;
    let feedback = args.feedback.of(spec.ir())?;

    // What was decided for people is said once nothing can be wrong with what they said.
    let mut notes = Vec::new();
    let weights = weights::read(ctx, spec.ir(), &args.weights, args.seed, &mut notes)?;
    let Chosen { spec, given, lengths, words } = choose(ctx, &spec, feedback, args, &mut notes)?;
    let cell = spec.ir();
    let mut evidence = weights.evidence(cell);
    evidence.extend(words);
    let mut sizes = set_sizes(cell, &loaded.set);
    let batch = given.iter().zip(&cell.inputs).find_map(|(feed, input)| match feed {
        Some(feed @ Feed::Batch(array)) => Some(array.shape()[feed.outer(input) - 1]),
        Some(Feed::Shared(_)) | None => None,
    });
    let states =
        inputs::read_states(ctx, cell, args, batch.unwrap_or(1), &mut evidence, &mut notes)?;
    let (feeds, steps) = if given.iter().all(Option::is_none) {
        let steps = args.steps.map_or(demo::STEPS, |it| it as usize);
        let demo = demo::Demo::new(&spec, steps, &mut sizes, &evidence)?;
        notes.push(demo.note());
        (demo.feeds, Some(steps))
    } else {
        inputs::complete(cell, &given)?;
        let mut over_time = given.iter().zip(&cell.inputs).filter(|it| !it.1.per_sequence);
        let says = over_time.any(|it| it.0.is_some());
        match (says, args.steps) {
            (true, Some(_)) => {
                let message = "--steps: how many there are is said by the inputs";
                return Err(CliError::Usage(message.to_owned()));
            }
            (false, None) => {
                let message = "no input has steps: say how many there are with --steps";
                return Err(CliError::Usage(message.to_owned()));
            }
            (true, None) | (false, Some(_)) => {}
        }
        read_as::agree(cell, &given, args.batch_first, &mut notes)?;
        (given, args.steps.map(|it| it as usize))
    };
    // Without any array that has a batch axis, results have none.
    let single = batch.is_none();
    let feeds: Vec<Option<Feed<f64>>> = feeds
        .into_iter()
        .zip(&cell.inputs)
        .map(|(feed, input)| match single {
            true => feed.map(|it| with_batch(input, it)),
            false => feed,
        })
        .collect();
    evidence.extend(inputs::evidence_of(cell, &feeds));
    let layout = Layout { single, batch_first: args.batch_first };
    let masks = masks::read(ctx, cell, args, layout, &mut evidence, &mut notes)?;
    let lengths = match (&args.lengths, lengths) {
        (Some(_), Some(_)) => {
            let message = "--lengths: how long each sequence is follows from --sequence-column";
            return Err(CliError::Usage(message.to_owned()));
        }
        (Some(given), None) => Some(inputs::read_lengths(ctx, given)?),
        (None, lengths) => lengths,
    };

    let sizes = api::infer_sizes(cell, &sizes, &evidence)?;
    let bound = bind(&spec, &sizes)?;
    let mut inputs = Inputs { feeds, lengths, steps, batch: single.then_some(1) };
    Draws::new(args.seed).fill(&bound, &mut inputs)?;
    let Inputs { feeds, lengths, .. } = inputs;
    ctx.check_outputs()?;
    for note in &notes {
        ctx.note(note);
    }
    details(ctx, &bound, &feeds);
    ctx.lap("read");
    let origin = origin(cell, &bound.env().sizes, &loaded.set, Some(args.seed));
    Ok(Prepared { bound, layout, origin, feeds, lengths, steps, states, masks, weights })
}

/// Tells sizes, arrays and weights with `--verbose`.
fn details(ctx: &Context, bound: &Bound, feeds: &[Option<Feed<f64>>]) {
    let cell = bound.cell();
    let sizes = cell.dims.iter().filter_map(|it| {
        let size = bound.env().sizes.get(&it.name)?;
        Some(format!("{} = {size}", it.name))
    });
    ctx.detail(&format!("sizes {}", sizes.collect::<Vec<_>>().join(", ")));
    for (input, feed) in cell.inputs.iter().zip(feeds) {
        let Some(feed) = feed else { continue };
        let shared = match feed {
            Feed::Batch(_) => "",
            Feed::Shared(_) => ", the same for all sequences",
        };
        ctx.detail(&format!("input `{}` is {:?}{shared}", input.name, feed.array().shape()));
    }
    let elements = counted(bound.param_count(), "element");
    ctx.detail(&format!("{} with {elements}", counted(cell.params.len() as u64, "param")));
}

/// A spec in the mode in which it runs, with the data that were given for it.
struct Chosen {
    spec: CellSpec,
    given: Vec<Option<Feed<f64>>>,
    lengths: Option<Vec<usize>>,
    /// The evidence of words and characters about sizes.
    words: Vec<Evidence>,
}

/// Reads the data of a cell. A model without the targets of its loss gives its outputs alone.
fn choose(
    ctx: &mut Context,
    spec: &CellSpec,
    feedback: ir::Feedback,
    args: &DataArgs,
    notes: &mut Vec<String>,
) -> Result<Chosen, CliError> {
    let plain = spec.plain(&ir::Mode::new(feedback, ir::Gives::Both));
    let mut given = inputs::read(ctx, plain.ir(), args, notes)?;
    let words = match &args.data {
        Some(folder) => folder::read(ctx, spec.ir(), plain.ir(), args, folder, &mut given)?,
        None => Vec::new(),
    };
    let inputs::Given { mut feeds, lengths } = given;
    folder::at_last(spec.ir(), plain.ir(), &mut feeds);
    let targets = || plain.ir().targets();
    let demonstrates = feeds.iter().all(Option::is_none);
    if demonstrates || targets().all(|it| feeds[it.0].is_some()) {
        return Ok(Chosen { spec: plain, given: feeds, lengths, words });
    }
    let spec = spec.plain(&ir::Mode::new(feedback, ir::Gives::Outputs));
    let mut given: Vec<Option<Feed<f64>>> = spec.ir().inputs.iter().map(|_| None).collect();
    for (feed, input) in feeds.into_iter().zip(&plain.ir().inputs) {
        if let Some(idx) = spec.ir().input(&input.name) {
            given[idx] = feed;
        }
    }
    notes.push("no loss: a target is not given".to_owned());
    Ok(Chosen { spec, given, lengths, words })
}

/// Refuses options of the fast engine for the interpreter.
fn check_memory(args: &DataArgs) -> Result<(), CliError> {
    let plain = match (args.engine, args.dtype) {
        (EngineChoice::Fast, FloatType::F32) => return Ok(()),
        (EngineChoice::Fast, FloatType::F64) => "f64 runs on the interpreter",
        (EngineChoice::Reference, FloatType::F32 | FloatType::F64) => {
            "the interpreter keeps everything; add --engine fast"
        }
    };
    match args.memory {
        Some(_) => Err(CliError::Usage(format!("--memory: {plain}"))),
        None => Ok(()),
    }
}

/// Says that a run was divided.
pub fn note_segments(ctx: &Context, segments: usize) {
    if segments > 1 {
        ctx.note(&format!("{segments} segments, to stay within --memory"));
    }
}

/// Returns a single sequence as a batch of one.
pub fn with_batch(input: &ir::Input, feed: Feed<f64>) -> Feed<f64> {
    let axis = ndarray::Axis(feed.outer(input));
    match feed {
        Feed::Batch(array) => Feed::Batch(array),
        Feed::Shared(array) => Feed::Batch(array.insert_axis(axis)),
    }
}

/// Returns the sizes that were set on the command line. Checking has evaluated them and made them the dims' defaults.
pub fn set_sizes(cell: &ir::Cell, set: &[(String, String)]) -> BTreeMap<Name, i64> {
    let is_set = |name: &str| set.iter().any(|(it, _)| it == name);
    cell.dims
        .iter()
        .filter(|it| is_set(&it.name))
        .filter_map(|it| Some((it.name.clone(), it.default?)))
        .collect()
}

/// Returns a cell whose sizes come from the command line alone, and all settings.
pub fn cell_with_sizes(
    ctx: &mut Context,
    args: &CellArgs,
) -> Result<(Bound, Vec<(String, String)>), CliError> {
    let loaded = load::load(ctx, args)?;
    let spec = load::choose(ctx, &loaded)?;
    let bound = bind(&spec, &set_sizes(spec.ir(), &loaded.set))?;
    Ok((bound, loaded.set))
}

fn bind(spec: &CellSpec, sizes: &BTreeMap<Name, i64>) -> Result<Bound, CliError> {
    let sizes = sizes.iter().map(|(name, size)| (&**name, *size));
    Ok(spec.bind(sizes)?)
}

/// Splits `NAME=FILE`; a text without a name, or whose name part looks like a path, is a file
/// alone.
fn named_file(text: &OsStr) -> (Option<String>, PathBuf) {
    match split_at_equals(text) {
        Some((name, file)) if is_name(&name) => (Some(name), file),
        Some(_) | None => (None, PathBuf::from(text)),
    }
}

/// Returns the texts before and after the first `=`. The name of a file need not be UTF-8 where the system asks for bytes only.
#[cfg(unix)]
fn split_at_equals(text: &OsStr) -> Option<(String, PathBuf)> {
    use std::os::unix::ffi::OsStrExt;

    let bytes = text.as_bytes();
    let at = bytes.iter().position(|it| *it == b'=')?;
    let name = std::str::from_utf8(&bytes[..at]).ok()?;
    Some((name.to_owned(), PathBuf::from(OsStr::from_bytes(&bytes[at + 1..]))))
}

/// Returns the texts before and after the first `=`.
#[cfg(not(unix))]
fn split_at_equals(text: &OsStr) -> Option<(String, PathBuf)> {
    let (name, file) = text.to_str()?.split_once('=')?;
    Some((name.to_owned(), PathBuf::from(file)))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_alphabetic())
        && text.chars().all(|it| it.is_ascii_alphanumeric() || "_.[]".contains(it))
}

/// The values that an option gives arrays for.
pub struct Names<'a> {
    /// The option.
    pub flag: &'a str,
    /// The names that are there.
    pub known: &'a [String],
    /// The prefix of these names in a file that this program wrote.
    pub prefix: &'a str,
}

impl Names<'_> {
    /// Returns the name of a value in a file that this program wrote.
    fn in_file(&self, name: &str) -> String {
        if name.starts_with("state.") { name.to_owned() } else { format!("{}{name}", self.prefix) }
    }
}

/// Reads the arrays of `[NAME=]FILE` options, each name once and known. A file of several arrays, or a folder as `--save`
/// writes it, has the names inside.
pub fn named_arrays(
    ctx: &mut Context,
    options: &[OsString],
    names: &Names<'_>,
) -> Result<BTreeMap<String, ArrayD<f64>>, CliError> {
    let Names { flag, known, prefix: _ } = names;
    let mut arrays = BTreeMap::new();
    for option in options {
        let (name, path) = named_file(option);
        if let Some(name) = name.as_ref().filter(|it| !known.contains(it)) {
            let message = format!("{flag} {name}: there is no such value, only {}", list(known));
            return Err(CliError::Usage(message));
        }
        let found = match name {
            Some(name) => {
                vec![(name.clone(), one_array(ctx, &path, &names.in_file(&name), &name)?)]
            }
            None => all_arrays(ctx, &path, names)?,
        };
        for (name, array) in found {
            if arrays.insert(name.clone(), array).is_some() {
                return Err(CliError::Usage(format!("{flag} {name} is given twice")));
            }
        }
    }
    Ok(arrays)
}

/// Returns the array of a file, or that of these names in a file of several.
fn one_array(
    ctx: &mut Context,
    path: &Path,
    in_file: &str,
    name: &str,
) -> Result<ArrayD<f64>, CliError> {
    let bytes = ctx.read(path)?;
    let fault = |it| CliError::data(path, it);
    match FileKind::of(path, &bytes) {
        FileKind::Npy | FileKind::Table => Ok(data::read_npy(&bytes).map_err(fault)?.values),
        FileKind::Several => {
            let all = data::read_named(path, bytes).map_err(fault)?;
            let by = |name: &str| all.iter().find(|it| it.0 == name);
            let only = all.first().filter(|_| all.len() == 1);
            let found = by(in_file).or_else(|| by(name)).or(only);
            let has: Vec<String> = all.iter().map(|it| it.0.clone()).collect();
            let message = format!("no array `{in_file}`; it has {}", list(&has));
            let found =
                found.ok_or_else(|| CliError::misfit(format!("{}: {message}", path.display())))?;
            Ok(found.1.tensor().map_err(fault)?.values)
        }
    }
}

/// Returns the arrays that a file or a folder has for the values of an option.
fn all_arrays(
    ctx: &mut Context,
    path: &Path,
    names: &Names<'_>,
) -> Result<Vec<(String, ArrayD<f64>)>, CliError> {
    let Names { flag, known, prefix: _ } = names;
    let shown = path.display();
    let mut found = Vec::new();
    if path.is_dir() {
        for name in known.iter() {
            let file = path.join(format!("{}.npy", names.in_file(name)));
            if file.is_file() {
                found.push((name.clone(), read_npy(ctx, &file)?));
            }
        }
    } else {
        let bytes = ctx.read(path)?;
        if FileKind::of(path, &bytes) != FileKind::Several {
            let message =
                format!("{flag} {shown}: write NAME=FILE, or name a file of several arrays");
            return Err(CliError::Usage(message));
        }
        let fault = |it| CliError::data(path, it);
        let all = data::read_named(path, bytes).map_err(fault)?;
        let has = |name: &str| all.iter().find(|it| it.0 == name);
        // What this program wrote has names for each kind of value; in other files they are alone.
        let ours = known.iter().any(|it| has(&names.in_file(it)).is_some());
        for name in known.iter() {
            let stored = if ours { has(&names.in_file(name)) } else { has(name) };
            if let Some((_, stored)) = stored {
                found.push((name.clone(), stored.tensor().map_err(fault)?.values));
            }
        }
    }
    match found.is_empty() {
        true => Err(CliError::misfit(format!("{shown}: no array for {}", list(known)))),
        false => Ok(found),
    }
}

/// Reads the named tensors of a file of weights of any kind.
pub fn named_tensors(
    ctx: &mut Context,
    path: &Path,
) -> Result<Vec<(String, data::Stored)>, CliError> {
    data::read_weights(path, &mut |path| ctx.read(path))
}

/// Reads one `.npy` file.
pub fn read_npy(ctx: &mut Context, path: &Path) -> Result<ArrayD<f64>, CliError> {
    let bytes = ctx.read(path)?;
    let tensor = data::read_npy(&bytes).map_err(|it| CliError::data(path, it))?;
    Ok(tensor.values)
}

/// Names for a message.
pub fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}

impl From<exec::InitError> for CliError {
    fn from(error: exec::InitError) -> CliError {
        CliError::Fit { code: error.code(), message: error.to_string() }
    }
}

impl From<exec::BindError> for CliError {
    fn from(error: exec::BindError) -> CliError {
        CliError::Fit { code: error.code(), message: error.to_string() }
    }
}

/// `1 step`, `2 steps`.
pub fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Returns the first line of results: `Gru: 8 steps, 1 sequence, H = 4, I = 3, f32`.
pub fn title(bound: &Bound, steps: usize, batch: usize, dtype: &str) -> String {
    let mut parts = vec![counted(steps as u64, "step"), counted(batch as u64, "sequence")];
    let dims = bound
        .cell()
        .dims
        .iter()
        .filter_map(|it| Some((&it.name, bound.env().sizes.get(&it.name)?)));
    parts.extend(dims.map(|(name, size)| format!("{name} = {size}")));
    parts.push(dtype.to_owned());
    format!("{}: {}", bound.cell().name, parts.join(", "))
}

/// Returns the evidence of an array about sizes, under this name.
fn evidence(what: String, shape: &ir::Shape, sizes: &[usize], code: Code) -> Evidence {
    Evidence { what, shape: shape.clone(), sizes: sizes.to_vec(), code }
}
