//! From keys to what a training is: the model with its sizes, data that is read, parted, scaled and cut.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::folder::Run;
use super::source::{Known, Part, Reading};
use crate::api::{self, CellSpec};
use crate::cli::args::WeightArgs;
use crate::cli::config::Settings;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::feed::{self, weights::Weights};
use crate::cli::load::Loaded;
use crate::cli::values;
use crate::diag::Code;
use crate::exec::{Bound, EngineOptions};
use crate::ir::{self, Feedback, InputRole};
use crate::text::Name;
use crate::train::{
    self, Coins, Cut, Data, Decay, Optimizer, Options, OwnShape, ScaleKind, Scales, Schedule,
};

/// The model and the data of a training.
pub struct Problem {
    /// The model with its sizes.
    pub bound: Bound,
    /// The training data, scaled and cut.
    pub data: Data,
    /// The validation data.
    pub valid: Option<Data>,
    /// The units of the data.
    pub scales: Scales,
    /// The facts by which later data is read.
    pub known: Known,
    /// A checksum for each array.
    pub checksums: BTreeMap<String, String>,
    /// The origin of the data.
    pub part: Part,
    /// The starting weights.
    pub weights: Weights,
}

/// Reads everything that the keys name, and checks all of it; `tells` what was decided.
pub fn prepare(
    ctx: &mut Context,
    settings: &Settings,
    loaded: &Loaded,
    spec: &CellSpec,
    tells: bool,
) -> Result<Problem, CliError> {
    let cell = spec.ir();
    model(cell)?;
    let mut known = Known::default();
    let share = settings.real("valid").unwrap_or(0.0);
    let held = move |count: usize| (share * count as f64).round() as usize;
    let trained = |count: usize| count - held(count).min(count);
    let reading =
        Reading { cell, settings, before: None, unread: &[], prefix: "", trained: &trained, tells };
    if !reading.is_said() {
        let message = "no data is given: --data DIR, --csv FILE, --text FILE, or --input and --target NAME=FILE.npy";
        return Err(CliError::Fit { code: Code::DataDoesNotFit, message: message.to_owned() });
    }
    check_valid(settings)?;
    let part = reading.read(ctx, None, &mut known)?;
    check_series(settings, &part)?;
    let ahead = if part.is_text { 1 } else { settings.size("ahead").unwrap_or(0) };
    check_leak(settings, cell, &known, ahead)?;
    let whole = windowed(part.data(ahead)?, settings)?;

    let mut checksums = part.checksums.clone();
    let (train, valid) = match valid_source(settings) {
        Some(folder) => {
            let everything = |count: usize| count;
            let reading = Reading {
                cell,
                settings,
                before: None,
                unread: &[],
                prefix: "valid_",
                trained: &everything,
                tells: false,
            };
            let valid = reading.read(ctx, folder.as_deref(), &mut known)?;
            checksums.extend(
                valid.checksums.iter().map(|(name, it)| (format!("valid.{name}"), it.clone())),
            );
            if valid.is_series != part.is_series {
                let message = "the data to validate on is not cut as the data to train on: one is a series, the other sequences";
                return Err(CliError::Fit {
                    code: Code::DataDoesNotFit,
                    message: message.to_owned(),
                });
            }
            (whole, Some(windowed(valid.data(ahead)?, settings)?))
        }
        None if share > 0.0 => {
            let seed = settings.whole("seed").unwrap_or(0);
            let (train, valid) = whole.split(share, seed, settings.is("shuffle"))?;
            (train, Some(valid))
        }
        None => (whole, None),
    };
    if valid.is_none() {
        for key in ["patience", "min_delta", "valid_every", "valid_feedback", "eval_batch"] {
            let why = format!(
                "`{key}` has no effect without validation data: `valid`, or a key `valid_..`"
            );
            settings.clash(key, &why)?;
        }
    }
    if train.cut() == Cut::Streams {
        settings.clash_flag(
            "shuffle",
            true,
            "streams are never shuffled: `shuffle` has no effect",
        )?;
    }

    if !cell.has_teacher() {
        let why = format!(
            "`{}` has no feedback with a teacher, so `valid_feedback` has no effect",
            cell.name
        );
        settings.clash("valid_feedback", &why)?;
    }

    let scales = fit(ctx, settings, &train, part.is_table, tells);
    let (train, valid) = (scales.apply(train), valid.map(|it| scales.apply(it)));

    let mut notes = Vec::new();
    let weights = feed::weights::read(
        ctx,
        cell,
        &weight_args(settings),
        settings.whole("seed").unwrap_or(0),
        &mut notes,
    )?;
    let set = feed::set_sizes(cell, &loaded.set);
    check_words(settings, cell, &known, &set)?;
    let mut evidence = weights.evidence(cell);
    evidence.extend(part.evidence.iter().cloned());
    let sizes = api::infer_sizes(cell, &set, &evidence)?;
    let bound = spec.bind(sizes.iter().map(|(name, size)| (&**name, *size)))?;
    for data in std::iter::once(&train).chain(&valid) {
        data.check(&bound).map_err(|it| part.told(it))?;
    }
    notes.iter().filter(|_| tells).for_each(|it| ctx.note(it));
    Ok(Problem { bound, data: train, valid, scales, known, checksums, part, weights })
}

/// Refuses a cell, which has nothing to learn.
pub fn model(cell: &ir::Cell) -> Result<(), CliError> {
    if !cell.losses.is_empty() {
        return Ok(());
    }
    let message = match cell.is_model {
        true => format!("`{}` has no `loss`, so there is nothing to train for", cell.name),
        false => format!(
            "`{}` is a cell; a model has a `target` and a `loss`, and cells as layers: see docs/training.md",
            cell.name
        ),
    };
    Err(CliError::NoModel(message))
}

/// Checks that a size that follows from characters or words is not set to another.
fn check_words(
    settings: &Settings,
    cell: &ir::Cell,
    known: &Known,
    set: &BTreeMap<Name, i64>,
) -> Result<(), CliError> {
    for input in &cell.inputs {
        let column = known.columns.get(&*input.name).and_then(|it| it.first());
        let words = column.and_then(|it| known.categories.get(it)).map(Vec::len);
        let characters = known.vocabulary.as_ref().map(|it| it.chars().count());
        let (count, what) = match (words, characters) {
            (Some(words), _) => (words, "words"),
            (None, Some(characters)) => (characters, "characters"),
            (None, None) => continue,
        };
        let Some(dim) = input.index.as_ref().map(|it| Name::from(it.to_string())) else { continue };
        if let Some(said) = set.get(&dim).filter(|it| **it != count as i64) {
            let message = format!(
                "`set` says {dim} = {said}, and it follows from the data, which has {count} {what}: leave {dim} out"
            );
            return Err(settings.fault("set", &message));
        }
    }
    Ok(())
}

/// Keys of series have no effect on sequences.
fn check_series(settings: &Settings, part: &Part) -> Result<(), CliError> {
    if part.is_series {
        return Ok(());
    }
    for key in ["window", "stride"] {
        let why = format!("`{key}` cuts a series, and these are sequences");
        settings.clash(key, &why)?;
    }
    if settings.whole("ahead") != Some(0) {
        let why = "`ahead` is about the rows of a series, and these are sequences";
        return Err(settings.fault("ahead", why));
    }
    Ok(())
}

fn check_leak(
    settings: &Settings,
    cell: &ir::Cell,
    known: &Known,
    ahead: usize,
) -> Result<(), CliError> {
    let columns = |role: InputRole| -> Vec<Name> {
        let of_role = cell.inputs.iter().filter(|it| it.role == role);
        let columns = of_role.filter_map(|it| known.columns.get(&*it.name)).flatten();
        columns.map(|it| Name::from(it.as_str())).collect()
    };
    let said = settings.is_said("ahead").then_some(ahead);
    train::check_columns(&columns(InputRole::Input), &columns(InputRole::Target), said)?;
    Ok(train::check_teachers(cell, ahead)?)
}

/// Returns the data, cut into windows where that was said.
fn windowed(data: Data, settings: &Settings) -> Result<Data, CliError> {
    match settings.size("window") {
        Some(length) => Ok(data.windows(length, settings.size("stride").unwrap_or(1))?),
        None => Ok(data),
    }
}

/// Returns the folder of the validation data, if there is some; none inside where keys of its own name it.
fn valid_source(settings: &Settings) -> Option<Option<PathBuf>> {
    let keys = ["data", "input", "target", "csv", "text"];
    if keys.iter().any(|it| settings.is_said(&format!("valid_{it}"))) {
        return Some(None);
    }
    own_valid(settings).map(Some)
}

/// Returns the validation data that the folder of the data has.
fn own_valid(settings: &Settings) -> Option<PathBuf> {
    settings.path("data").map(|it| it.join("valid")).filter(|it| it.is_dir())
}

/// Refuses a share to hold out where the folder of the data has its own data to validate on.
fn check_valid(settings: &Settings) -> Result<(), CliError> {
    let Some(folder) = own_valid(settings) else { return Ok(()) };
    let folder = folder.display();
    let why = format!(
        "`valid` holds a part of the data out, and {folder} has data to validate on: leave `valid` out, or \
         name the files of the data with --input and --target, --csv or --text"
    );
    settings.clash("valid", &why)
}

/// Fits scales. Where nobody says one, a table is standardized, also that of a folder.
fn fit(ctx: &Context, settings: &Settings, train: &Data, is_table: bool, tells: bool) -> Scales {
    let kind = match settings.word("scale") {
        Some("standard") => ScaleKind::Standard,
        Some("minmax") => ScaleKind::MinMax,
        None if is_table && !settings.has("scale") => ScaleKind::Standard,
        Some(_) | None => return Scales::default(),
    };
    let (scales, constant) = Scales::fit(train, kind);
    for (name, element) in constant.into_iter().filter(|_| tells) {
        ctx.note(&format!("`{name}`, element {element}, is the same everywhere; it is not scaled"));
    }
    scales
}

/// Returns the keys about weights as the commands that run have them.
fn weight_args(settings: &Settings) -> WeightArgs {
    WeightArgs {
        params: settings.path("params"),
        layout: settings.text("layout"),
        prefix: settings.text("prefix"),
        suffix: settings.text("suffix"),
        ignore_extra: settings.is("ignore_extra"),
        partial: settings.is("partial"),
    }
}

/// Returns the options of the engine.
pub fn engine(settings: &Settings) -> EngineOptions {
    let mut engine = match settings.word("engine") {
        Some("reference") => EngineOptions::reference(),
        _ => EngineOptions::default(),
    };
    engine.threads = settings.size("threads").unwrap_or(0);
    engine.memory = settings.text("memory").and_then(|it| values::bytes(&it).ok());
    engine
}

/// Returns the number of sequences or streams that an evaluation takes at once.
pub fn eval_batch(settings: &Settings, cut: Cut) -> usize {
    let default = if cut == Cut::Streams { Some(1) } else { settings.size("batch") };
    settings.size("eval_batch").or(default).unwrap_or(1)
}

/// Returns a mode of feedback.
pub fn feedback(word: Option<&str>) -> Feedback {
    match word {
        Some("own") => Feedback::Own,
        Some("scheduled") => Feedback::Scheduled,
        _ => Feedback::Teacher,
    }
}

/// Returns the options of training that the keys ask for.
pub fn options(settings: &Settings, cut: Cut) -> Options {
    let real = |name: &str| settings.real(name).unwrap_or(0.0);
    let (momentum, weight_decay) = (real("momentum"), real("weight_decay"));
    let (beta1, beta2, eps) = (real("beta1"), real("beta2"), real("eps"));
    let optimizer = match settings.word("optimizer") {
        Some("sgd") => Optimizer::Sgd {
            momentum,
            dampening: real("dampening"),
            nesterov: settings.is("nesterov"),
            weight_decay,
        },
        Some("rmsprop") => Optimizer::RmsProp {
            alpha: real("alpha"),
            eps,
            momentum,
            centered: settings.is("centered"),
            weight_decay,
        },
        Some("adamw") => Optimizer::AdamW { beta1, beta2, eps, weight_decay },
        _ => Optimizer::Adam { beta1, beta2, eps, weight_decay },
    };
    let decay = match settings.word("schedule") {
        Some("step") => Decay::Step {
            step_size: settings.whole("step_size").unwrap_or(1),
            gamma: real("gamma"),
        },
        Some("exponential") => Decay::Exponential { gamma: real("gamma") },
        Some("cosine") => Decay::Cosine { lr_min: real("lr_min") },
        _ => Decay::Constant,
    };
    let shape = match settings.word("own_shape") {
        Some("exponential") => OwnShape::Exponential,
        Some("sigmoid") => OwnShape::Sigmoid,
        _ => OwnShape::Linear,
    };
    Options {
        batch: settings.size("batch").unwrap_or(1),
        bptt: match (settings.said("bptt"), cut) {
            (None, Cut::Streams) => Some(64),
            _ => settings.size("bptt"),
        },
        shuffle: settings.is("shuffle"),
        seed: settings.whole("seed").unwrap_or(0),
        feedback: feedback(settings.word("feedback")),
        coins: Coins {
            own: real("own"),
            own_end: real("own_end"),
            shape,
            over: settings.whole("own_over"),
        },
        epochs: settings.whole("epochs"),
        steps: settings.whole("steps"),
        optimizer,
        schedule: Schedule { lr: real("lr"), warmup: settings.whole("warmup").unwrap_or(0), decay },
        clip: settings.real("clip"),
        eval_batch: eval_batch(settings, cut),
        patience: settings.whole("patience"),
        min_delta: real("min_delta"),
        engine: engine(settings),
    }
}

/// Reads data of its own for a model that is trained, some of whose targets may be missing.
pub fn read_other(
    ctx: &mut Context,
    settings: &Settings,
    run: &Run,
    unread: &[Name],
) -> Result<Part, CliError> {
    let reading = Reading {
        cell: run.bound.cell(),
        settings,
        before: Some(&run.settings),
        unread,
        prefix: "",
        trained: &|count| count,
        tells: true,
    };
    let part = reading.read(ctx, None, &mut run.about.known.clone())?;
    check_series(settings, &part)?;
    Ok(part)
}

/// Data of its own for a model that is trained: read, scaled and cut as the data of its training. `plain` is what runs on
/// it; a target that it does not read may be missing.
pub fn other(
    ctx: &mut Context,
    settings: &Settings,
    run: &Run,
    plain: &Bound,
) -> Result<Data, CliError> {
    let targets = run.bound.cell().targets().map(|it| &it.1.name);
    let unread: Vec<Name> =
        targets.filter(|it| plain.cell().input(it).is_none()).cloned().collect();
    let part = read_other(ctx, settings, run, &unread)?;
    let ahead = if part.is_text { 1 } else { run.about.ahead };
    let data = part.data(ahead)?;
    let window = settings.size("window").or(run.settings.size("window"));
    let data = match window.filter(|_| part.is_series && !part.is_text) {
        Some(length) => {
            let most = data.steps().max(1);
            data.windows(length.min(most), 1)?
        }
        None => data,
    };
    let data = run.about.scales().apply(data);
    data.check(plain).map_err(|it| part.told(it))?;
    Ok(data)
}
