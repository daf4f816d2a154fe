//! `rnnc train`: a model learns from data, into a folder.
//!
//! Everything is read and checked before the folder is made. Then an update is a line of the log; a validation comes before the
//! checkpoint of the same update; a signal ends the training between two updates. What an update does follows from seed and
//! numbers (`train::Trainer`), so a training that is killed anywhere and goes on ends with the same weights.

pub mod folder;
pub mod problem;
mod signals;
pub mod source;
mod table;
pub mod told;

use std::path::Path;
use std::time::{Instant, SystemTime};

use self::folder::{BEST, LOG, PARAMS, SUMMARY};
use self::problem::Problem;
use self::signals::Signals;
use self::told::{Best, Display, State, Summary};
use super::args::{CellArgs, TrainArgs};
use super::config::{Settings, Value};
use super::context::Context;
use super::error::{CliError, shown};
use super::load::{self, Loaded};
use crate::data::training::{self, Disk, Events, Lock, Log};
use crate::data::{self, Real32or64};
use crate::diag::Code;
use crate::exec::kernel_path;
use crate::ir::{self, InputRole, Real};
use crate::train::{Metrics, Score, Scorer, Snapshot, Trainer, Update};

/// Trains a model.
pub fn train(ctx: &mut Context, args: &TrainArgs) -> Result<(), CliError> {
    let mut settings = said(ctx, args)?;
    let folder = args.output.as_deref();
    let goes_on = folder.filter(|it| args.resume && folder::is_run(it));
    let mut end_moved = false;
    if let Some(folder) = goes_on {
        let before = folder::settings(ctx, folder)?;
        let end = |it: &Settings| (it.whole("epochs"), it.whole("steps"));
        let was = end(&before);
        settings = folder::merge(before, &settings)?;
        end_moved = end(&settings) != was;
    }
    settings.check()?;
    if args.print_config {
        return ctx.out(&settings.print());
    }
    let Some(folder) = folder else {
        return Err(CliError::Usage("give the folder of the training: -o DIR".to_owned()));
    };
    folder::make(folder, args.resume)?;
    let begun = args.resume && folder::is_begun(folder);
    let (loaded, spec) = match begun {
        true => folder::spec(ctx, folder)?,
        false => {
            let Some(spec) = settings.text("spec") else {
                let message = "which model? name a SPEC, such as std/char_lm";
                return Err(settings.fault("spec", message));
            };
            let args = CellArgs {
                spec: spec.into(),
                cell: settings.text("cell"),
                set: settings.map("set"),
            };
            let loaded = load::model(load::load(ctx, &args)?)?;
            let spec = load::choose(ctx, &loaded)?;
            (loaded, spec)
        }
    };
    if begun && args.spec.is_some() {
        folder::same_spec(ctx, folder, &settings, &spec)?;
    }
    let problem = problem::prepare(ctx, &settings, &loaded, &spec, !begun)?;
    let mut lock = None;
    if begun {
        folder::same_data(ctx, folder, &problem)?;
        lock = Some(folder::lock(folder)?);
    }
    let job =
        Job { folder, settings: &settings, loaded: &loaded, problem: &problem, lock, end_moved };
    match settings.word("dtype") {
        Some("f64") => {
            if settings.word("engine") == Some("fast") {
                ctx.note("f64 runs on the interpreter, the fast engine computes in f32");
            }
            run::<f64>(ctx, args, job)
        }
        _ => run::<f32>(ctx, args, job),
    }
}

/// The subject of a training, and its folder.
struct Job<'a> {
    folder: &'a Path,
    settings: &'a Settings,
    loaded: &'a Loaded,
    problem: &'a Problem,
    /// Taken where the training is there already.
    lock: Option<Lock>,
    /// True if it has another end than before.
    end_moved: bool,
}

/// Returns the keys of flags and file.
fn said(ctx: &mut Context, args: &TrainArgs) -> Result<Settings, CliError> {
    let mut settings = Settings::new(&args.keys.said)?;
    if let Some(spec) = &args.spec {
        let spec = spec.to_str().ok_or_else(|| {
            CliError::Usage("the path of the spec is not UTF-8, and config.ron is text".to_owned())
        })?;
        settings.put("spec", Value::Text(spec.to_owned()));
    }
    if let Some(path) = &args.config {
        let name = shown(path).display().to_string();
        let text = String::from_utf8(ctx.read(path)?).map_err(|it| {
            let at = it.utf8_error().valid_up_to();
            let message = format!("{name}: byte {at} is no UTF-8 text");
            CliError::Fit { code: Code::BadKey, message }
        })?;
        settings.add_file(&name, &text)?;
    }
    Ok(settings)
}

fn run<F: Real + Real32or64>(
    ctx: &mut Context,
    args: &TrainArgs,
    job: Job<'_>,
) -> Result<(), CliError> {
    let Job { folder, settings, loaded, problem, lock, end_moved } = job;
    let options = problem::options(settings, problem.data.cut());
    let (found, bad) = if lock.is_some() { training::newest(folder) } else { (None, Vec::new()) };
    for (path, why) in bad {
        ctx.note(&format!("{} is passed over: {why}", path.display()));
    }
    let mut snapshot = None;
    let trainer = match &found {
        Some(found) => {
            let read = Snapshot::<F>::from_bytes(&found.bytes)?;
            let trainer = Trainer::resume(&problem.bound, &problem.data, options, &read);
            snapshot = Some(read);
            trainer
        }
        None => {
            let params = problem.weights.params::<F>(&problem.bound)?;
            Trainer::new(&problem.bound, params, &problem.data, options)
        }
    };
    let trainer = trainer.map_err(|it| problem.part.told(it))?;
    // Nothing is written before all is known to be right.
    let begun = lock.is_some();
    let _lock = match lock {
        Some(lock) => lock,
        None => folder::take(folder, args.resume)?,
    };
    training::sweep(folder);
    if !begun || folder::has_changed(folder, settings) {
        folder::begin(folder, settings, loaded, problem)?;
    }
    folder::make_checkpoints(folder)?;
    let step = trainer.step();
    let kept = training::cut_log(&folder.join(LOG), step);
    kept.map_err(|it| CliError::data(folder, it))?;
    let log = Log::open(&folder.join(LOG)).map_err(|it| CliError::data(folder, it))?;
    let events = match settings.is("tensorboard") {
        true => Some(
            Events::new(folder, now(), found.as_ref().map(|it| it.step))
                .map_err(|it| CliError::data(folder, it))?,
        ),
        false => None,
    };
    let mut past = Past::default();
    if let Some(snapshot) = &snapshot {
        past = Past::read(&snapshot.metadata);
        note_path(ctx, &past.path);
    }
    let display = Display::new(ctx);
    let session = Session {
        folder,
        settings,
        problem,
        trainer,
        log,
        events,
        display,
        scorer: None,
        past,
        started: Instant::now(),
        validated: found.is_some().then_some(step),
        saved: found.is_some().then_some(step),
    };
    if found.is_some() {
        session.note_start(ctx, end_moved);
    }
    session.run(ctx, args)
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |it| it.as_secs_f64())
}

/// Says that another processor goes on: sums may round in another way.
fn note_path(ctx: &Context, before: &str) {
    let path = kernel_path();
    if !before.is_empty() && before != path {
        ctx.note(&format!(
            "this training began on {before} and goes on on {path}: sums round in another way"
        ));
    }
}

/// The messages of a training so far, which its checkpoints keep.
#[derive(Clone, Default)]
struct Past {
    seconds: f64,
    loss: Option<f64>,
    valid: Option<f64>,
    metrics: Vec<(String, f64)>,
    path: String,
}

impl Past {
    fn read(metadata: &std::collections::BTreeMap<String, String>) -> Past {
        let number = |name: &str| metadata.get(name).and_then(|it| it.parse().ok());
        let metrics = metadata.get("metrics").map_or("", String::as_str);
        Past {
            seconds: number("seconds").unwrap_or(0.0),
            loss: number("loss"),
            valid: number("valid_loss"),
            metrics: serde_json::from_str(metrics).unwrap_or_default(),
            path: metadata.get("kernels").cloned().unwrap_or_default(),
        }
    }
}

/// A training that runs.
struct Session<'a, F> {
    folder: &'a Path,
    settings: &'a Settings,
    problem: &'a Problem,
    trainer: Trainer<F>,
    log: Log,
    events: Option<Events>,
    display: Display,
    /// Made for the first validation.
    scorer: Option<Scorer<'a, F>>,
    past: Past,
    started: Instant,
    /// After which update the last validation and the last checkpoint were.
    validated: Option<u64>,
    saved: Option<u64>,
}

impl<F: Real + Real32or64> Session<'_, F> {
    fn run(mut self, ctx: &mut Context, args: &TrainArgs) -> Result<(), CliError> {
        let signals = Signals::new();
        let is_done = self.is_done();
        let whole = is_done && self.saved.is_some() && self.folder.join(PARAMS).is_file();
        let mut stopped = self.reason();
        if whole {
            return self.end(ctx, args, stopped, false);
        }
        while !self.is_done() {
            let update = match self.trainer.update() {
                Ok(Some(update)) => update,
                Ok(None) => break,
                Err(error) => return Err(self.failed(ctx, args, error)),
            };
            self.logged(&update)?;
            let last = self.trainer.step() == self.trainer.updates();
            let due = |every: Option<u64>| match every {
                Some(every) => update.step.is_multiple_of(every),
                None => update.ends_epoch,
            };
            let mut stop = false;
            let validates = self.problem.valid.is_some();
            if validates && (last || due(self.settings.whole("valid_every"))) {
                stop = self.validate()?;
            }
            if update.ends_epoch || self.validated == Some(update.step) {
                self.display.line(&self.state(&update));
            } else {
                self.display.update(&self.state(&update), update.steps);
            }
            let signal = signals.code().filter(|_| !last && !stop);
            if last || stop || signal.is_some() || due(self.settings.whole("save_every")) {
                self.save()?;
            }
            if let Some(code) = signal {
                self.display.end();
                self.summary("signal").write(self.folder)?;
                let folder = self.folder.display();
                ctx.note(&format!(
                    "saved after update {}; `rnnc train -o {folder} --resume` goes on",
                    update.step
                ));
                if args.json {
                    ctx.json(&self.summary("signal"))?;
                }
                return Err(CliError::Reported(code));
            }
            if stop {
                stopped = "patience";
                break;
            }
        }
        self.display.end();
        self.end(ctx, args, stopped, true)
    }

    /// Says where a training that was there already goes on, or why it does not.
    fn note_start(&self, ctx: &Context, end_moved: bool) {
        let (step, updates) = (self.trainer.step(), self.trainer.updates());
        if self.reason() == "patience" {
            ctx.note(&format!(
                "this training is finished: `patience` ended it after update {step}; a new -o folder takes another"
            ));
            return;
        }
        if step >= updates {
            let key = self.reason();
            let beyond = if step > updates {
                format!(", and `{key}` now ends it after {updates}")
            } else {
                String::new()
            };
            ctx.note(&format!(
                "this training is finished: it made {step} updates{beyond}; more --{key} go on with it"
            ));
            return;
        }
        ctx.note(&format!("goes on after update {step} of {updates}"));
        if !end_moved {
            return;
        }
        let is_cosine = self.settings.word("schedule") == Some("cosine");
        let is_scheduled = self.settings.word("feedback") == Some("scheduled")
            && self.settings.whole("own_over").is_none();
        let what = match (is_cosine, is_scheduled) {
            (true, true) => "the learning rate (`cosine`) and the feedback (`scheduled`) turn",
            (true, false) => "the learning rate (`cosine`) turns",
            (false, true) => "the feedback (`scheduled`) turns",
            (false, false) => return,
        };
        ctx.note(&format!("the end is another than before: from here on {what} by the new one"));
    }

    /// Returns true if there is no more to do.
    fn is_done(&self) -> bool {
        let waited = self.trainer.best().waited;
        let patience = self.settings.whole("patience");
        self.trainer.step() >= self.trainer.updates() || patience.is_some_and(|it| waited >= it)
    }

    /// Returns the reason that ends the training.
    fn reason(&self) -> &'static str {
        let waited = self.trainer.best().waited;
        if self.settings.whole("patience").is_some_and(|it| waited >= it) {
            return "patience";
        }
        match self.settings.whole("steps") {
            Some(steps) if steps <= self.trainer.updates() => "steps",
            _ => "epochs",
        }
    }

    fn state(&self, update: &Update) -> State {
        State {
            epoch: update.epoch,
            epochs: self.settings.whole("epochs").filter(|_| self.reason() == "epochs"),
            step: update.step,
            updates: self.trainer.updates(),
            loss: update.loss,
            valid: self.past.valid,
        }
    }

    fn seconds(&self) -> f64 {
        let all = self.past.seconds + self.started.elapsed().as_secs_f64();
        (all * 1e3).round() / 1e3
    }

    fn io(&self, error: data::DataError) -> CliError {
        CliError::data(self.folder, error)
    }

    fn logged(&mut self, update: &Update) -> Result<(), CliError> {
        self.past.loss = Some(update.loss);
        let every = self.settings.whole("log_every").unwrap_or(1);
        if !update.step.is_multiple_of(every) {
            return Ok(());
        }
        let mut numbers =
            vec![("loss", update.loss), ("grad_norm", update.grad_norm), ("lr", update.lr)];
        numbers.extend(update.own.map(|it| ("own", it)));
        let scalars = |it: &(&str, f64)| (format!("train/{}", it.0), it.1);
        let all: Vec<(String, f64)> = numbers.iter().map(scalars).collect();
        let line = self.line(update.step, update.epoch, &numbers);
        self.log.line(&line).map_err(|it| CliError::data("", it))?;
        self.event(update.step, &all)
    }

    /// Returns a line of the log; numbers are the shortest that read back the same.
    fn line(&self, step: u64, epoch: u64, numbers: &[(&str, f64)]) -> String {
        let mut line = format!("{{\"step\":{step},\"epoch\":{epoch}");
        for (name, value) in numbers.iter().chain(&[("seconds", self.seconds())]) {
            let value = serde_json::Number::from_f64(*value)
                .map_or_else(|| "null".to_owned(), |it| it.to_string());
            line.push_str(&format!(",\"{name}\":{value}"));
        }
        line.push('}');
        line
    }

    fn event(&mut self, step: u64, scalars: &[(String, f64)]) -> Result<(), CliError> {
        match &mut self.events {
            Some(events) => {
                events.scalars(now(), step, scalars).map_err(|it| CliError::data("", it))
            }
            None => Ok(()),
        }
    }

    /// Validates; whether the training is to stop.
    fn validate(&mut self) -> Result<bool, CliError> {
        let Some(valid) = &self.problem.valid else { return Ok(false) };
        let scorer = match self.scorer.take() {
            Some(it) => it,
            None => {
                let feedback = problem::feedback(self.settings.word("valid_feedback"));
                self.trainer.scorer(valid, feedback, &self.problem.scales)?
            }
        };
        let Score { loss, metrics: Metrics(metrics), .. } =
            self.scorer.insert(scorer).score(self.trainer.params())?;
        let (step, epoch) = (self.trainer.step(), self.trainer.epoch());
        let named: Vec<(String, f64)> =
            metrics.iter().map(|(name, it)| (format!("valid_{name}"), *it)).collect();
        let mut numbers = vec![("valid_loss", loss)];
        numbers.extend(named.iter().map(|(name, it)| (name.as_str(), *it)));
        let line = self.line(step, epoch, &numbers);
        self.log.line(&line).map_err(|it| CliError::data("", it))?;
        let mut scalars = vec![("valid/loss".to_owned(), loss)];
        scalars.extend(metrics.iter().map(|(name, it)| (format!("valid/{name}"), *it)));
        self.event(step, &scalars)?;
        self.past.valid = Some(loss);
        self.past.metrics = metrics;
        self.validated = Some(step);
        let verdict = self.trainer.note(loss);
        if verdict.best {
            let bytes = self.sealed()?;
            training::save_best(&mut Disk, self.folder, &bytes).map_err(|it| self.io(it))?;
        }
        Ok(verdict.stop)
    }

    /// Returns the bytes of a checkpoint.
    fn sealed(&self) -> Result<Vec<u8>, CliError> {
        let Snapshot { tensors, mut metadata } = self.trainer.snapshot();
        let mut note = |name: &str, value: String| metadata.insert(name.to_owned(), value);
        note("seconds", self.seconds().to_string());
        note("kernels", kernel_path().to_owned());
        if let Some(loss) = self.past.loss {
            note("loss", format!("{loss:?}"));
        }
        if let Some(loss) = self.past.valid {
            note("valid_loss", format!("{loss:?}"));
            let metrics =
                serde_json::to_string(&self.past.metrics).map_err(std::io::Error::from)?;
            note("metrics", metrics);
        }
        let tensors: Vec<_> = tensors.into_iter().collect();
        training::seal(&tensors, &metadata).map_err(|it| self.io(it))
    }

    fn save(&mut self) -> Result<(), CliError> {
        let (step, keep) = (self.trainer.step(), self.settings.size("keep").unwrap_or(2));
        let bytes = self.sealed()?;
        training::save(&mut Disk, self.folder, step, &bytes, keep).map_err(|it| self.io(it))?;
        self.saved = Some(step);
        Ok(())
    }

    fn summary(&self, stopped: &'static str) -> Summary {
        let best = self.trainer.best().at;
        let metric = |(name, value): &(String, f64)| (name.clone(), (*value).into());
        Summary {
            version: 1,
            model: self.problem.bound.cell().name.to_string(),
            parameters: self.problem.bound.param_count(),
            updates: self.trainer.step(),
            epochs: if self.trainer.step() == 0 { 0 } else { self.trainer.epoch() },
            seconds: self.seconds(),
            loss: self.past.loss,
            valid_loss: self.past.valid,
            best: best.map(|(step, valid_loss)| Best { step, valid_loss }),
            stopped,
            metrics: self.past.metrics.iter().map(metric).collect(),
        }
    }

    /// Returns an update that could not be made: no checkpoint is written.
    fn failed(
        &mut self,
        ctx: &mut Context,
        args: &TrainArgs,
        error: crate::train::Error,
    ) -> CliError {
        self.display.end();
        if let crate::train::Error::NotFinite { .. } = &error {
            ctx.note(
                "the update was not made, and the checkpoints are as they were; a smaller --lr or --clip in a new folder \
                 may help: `rnnc explain E0709`",
            );
            let summary = self.summary("not finite");
            let told = summary.write(self.folder).and_then(|()| match args.json {
                true => ctx.json(&summary),
                false => Ok(()),
            });
            if let Err(error) = told {
                return error;
            }
        }
        error.into()
    }

    /// Writes the weights of the end and says how it went; nothing is written where that was done before.
    fn end(
        &mut self,
        ctx: &mut Context,
        args: &TrainArgs,
        stopped: &'static str,
        writes: bool,
    ) -> Result<(), CliError> {
        if self.saved != Some(self.trainer.step()) {
            self.save()?;
        }
        let summary = self.summary(stopped);
        if writes {
            self.write_params()?;
            summary.write(self.folder)?;
        }
        if args.json {
            return ctx.json(&summary);
        }
        // With inputs of its own a model runs free only where these are known.
        let cell = self.problem.bound.cell();
        let reads = |it: &ir::Input| it.role == InputRole::Input && it.default.is_none();
        let generates = cell.has_teacher() && !cell.inputs.iter().any(reads);
        ctx.out(&summary.text(&self.folder.display().to_string(), generates))
    }

    /// `params.safetensors`: the weights of the best checkpoint, or of the last.
    fn write_params(&self) -> Result<(), CliError> {
        let best = self.folder.join(BEST);
        let params = match best.is_file() {
            true => {
                let (bytes, _) = training::read(&best).map_err(|why| CliError::Fit {
                    code: Code::WrongFolder,
                    message: format!("{}: {why}", best.display()),
                })?;
                Snapshot::<F>::from_bytes(&bytes)?.params(&self.problem.bound)?
            }
            false => self.trainer.params().clone(),
        };
        let names = self.problem.bound.cell().params.iter().map(|it| it.name.to_string());
        let tensors: Vec<_> = names.zip(params.arrays().iter().cloned()).collect();
        let about = [("rnnc".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into();
        let bytes = data::write_safetensors(&tensors, &about).map_err(|it| self.io(it))?;
        folder::write(&self.folder.join(PARAMS), &bytes)
    }
}

impl Summary {
    fn write(&self, folder: &Path) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from)?;
        folder::write(&folder.join(SUMMARY), format!("{text}\n").as_bytes())
    }
}
