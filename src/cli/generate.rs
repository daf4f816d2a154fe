//! `rnnc generate`: a trained model runs free.
//!
//! A prime of known values runs under teacher forcing; its final carried values are those that the free run begins with. Of a
//! text, and of a series whose targets are the next row, the first known value is what a feedback reads at the first step, as in
//! training; so `K` known values take `K - 1` steps there, and `K` steps elsewhere.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn, Slice};

use serde::Serialize;

use super::args::GenerateArgs;
use super::config::Settings;
use super::context::Context;
use super::error::CliError;
use super::eval;
use super::output::{self, Named};
use super::predict::{scale_of, unscale, words};
use super::train::folder::{self, Checkpoint, Run};
use super::train::problem;
use crate::data::{self, Real32or64};
use crate::diag::Code;
use crate::exec::{Bound, Draws, EngineOptions, Feed, InitialState, Inputs, Params};
use crate::ir::{self, Feedback, Gives, InputRole, Mode, Real};
use crate::text::Name;
use crate::train::{Axes, Role, Vocabulary};

/// So many steps run at once, so that memory does not grow with the text.
const CHUNK: usize = 1024;

/// Generates.
pub fn generate(ctx: &mut Context, args: &GenerateArgs) -> Result<(), CliError> {
    let settings = Settings::new(&args.keys.said)?;
    let run = folder::open(ctx, &args.run)?;
    run.keep_data(ctx)?;
    let cell = run.bound.cell();
    if !cell.has_teacher() {
        let is_text = run.about.known.vocabulary.is_some();
        let message = match is_text {
            true => format!(
                "the character of `{}` is an input, so it cannot run free; the fix is \
                 `feedback c: index[V] = 0 teacher next`, and `prev c` in place of the input",
                cell.name
            ),
            false => {
                format!("`{}` has no feedback with a teacher, so it cannot run free", cell.name)
            }
        };
        return Err(CliError::misfit(message));
    }
    if let Some(path) = &args.output {
        let endings: &[&str] =
            if run.about.known.vocabulary.is_some() { &["txt"] } else { &["npy", "csv"] };
        output::check_ending("-o", path, endings)?;
        ctx.will_write("-o", path)?;
    }
    let checkpoint = run.checkpoint(ctx, args.checkpoint.as_deref())?;
    match eval::merged(&settings, &run).word("dtype") {
        Some("f64") => generate_in::<f64>(ctx, args, &settings, &run, &checkpoint),
        _ => generate_in::<f32>(ctx, args, &settings, &run, &checkpoint),
    }
}

/// The values that are known before the model runs free: for each input and target `[T, B, ..]`, in scaled units.
struct Given {
    arrays: BTreeMap<Name, ArrayD<f64>>,
    /// Those of them that are `[B, ..]`, a value for each sequence.
    once: Vec<Name>,
    /// The number of sequences.
    batch: usize,
    /// True if no array has a batch axis.
    single: bool,
    /// The number of known values of the targets.
    known: usize,
    /// By how many values a step is ahead of the ones that a feedback reads: 1 where it starts with the first known value.
    shift: usize,
}

/// A trained model in a mode.
struct Runner<F> {
    params: Params<F>,
    model: Bound,
    options: EngineOptions,
    seed: u64,
    temperature: f64,
}

/// The results of some steps.
struct Stretch<F> {
    outputs: Vec<ArrayD<F>>,
    traces: Vec<ArrayD<F>>,
    states: Vec<ArrayD<F>>,
}

fn generate_in<F: Real + Real32or64>(
    ctx: &mut Context,
    args: &GenerateArgs,
    settings: &Settings,
    run: &Run,
    checkpoint: &Checkpoint,
) -> Result<(), CliError> {
    let merged = eval::merged(settings, run);
    let runner = Runner {
        params: eval::params::<F>(&run.bound, checkpoint)?,
        model: run.bound.clone(),
        options: problem::engine(&merged),
        seed: merged.whole("seed").unwrap_or(0),
        temperature: args.temperature.unwrap_or(1.0),
    };
    if args.temperature.is_some() {
        let plain = runner.model.plain(&Mode::new(Feedback::Own, Gives::Outputs))?;
        if plain.cell().inputs.iter().all(|it| it.role != InputRole::Draw) {
            let message =
                "--temperature divides the logits of `sample`, and the model draws nothing";
            return Err(CliError::Usage(message.to_owned()));
        }
    }
    match &run.about.known.vocabulary {
        Some(it) => text(ctx, args, settings, run, &runner, &Vocabulary::of(it)),
        None => numbers(ctx, args, settings, run, &runner),
    }
}

impl<F: Real> Runner<F> {
    /// Runs some steps from a state.
    fn run(
        &self,
        feedback: Feedback,
        given: &Given,
        (from, steps): (usize, usize),
        state: &InitialState<F>,
        traces: Vec<Name>,
    ) -> Result<Stretch<F>, CliError> {
        let mode = Mode { temperature: self.temperature, ..Mode::new(feedback, Gives::Outputs) };
        let plain = self.model.plain(&mode)?;
        let options = EngineOptions { traces, ..self.options.clone() };
        let engine = plain.engine(options)?;
        let feed = |name: &Name, role: InputRole| {
            let array = given.arrays.get(name)?;
            if given.once.contains(name) {
                return Some(Feed::Batch(array.mapv(F::of)));
            }
            // The target of a step is the known value after the one that the feedback starts with.
            let from = from + if role == InputRole::Target { given.shift } else { 0 };
            let end = (from + steps).min(array.shape()[0]);
            let part = array.slice_axis(Axis(0), Slice::from(from.min(end)..end));
            Some(Feed::Batch(part.mapv(F::of)))
        };
        let feeds = plain.cell().inputs.iter().map(|it| feed(&it.name, it.role)).collect();
        let mut inputs = Inputs::new(feeds);
        let mut over_time =
            inputs.feeds.iter().zip(&plain.cell().inputs).filter(|it| !it.1.per_sequence);
        if over_time.all(|it| it.0.is_none()) {
            inputs.steps = Some(steps);
        }
        inputs.batch = Some(given.batch);
        let draws = Draws { first_step: from as u64, own: 1.0, ..Draws::new(self.seed) };
        draws.fill(&plain, &mut inputs)?;
        let run = engine.infer(&self.params, &inputs, state)?;
        if let Some(it) = &run.not_finite {
            return Err(it.clone().into());
        }
        Ok(Stretch { outputs: run.outputs, traces: run.traces, states: run.states })
    }

    /// Returns the state after the prime.
    fn prime(&self, given: &Given) -> Result<InitialState<F>, CliError> {
        let cell = self.model.cell();
        let mut state = InitialState(vec![None; cell.carries.len()]);
        if given.shift == 1 && given.known > 0 {
            for (carry, start) in cell.carries.iter().zip(&mut state.0) {
                let teacher = carry.teacher.map(|it| &cell.inputs[it].name);
                // Older values of a feedback are before the data.
                if let Some(array) = teacher.and_then(|it| given.arrays.get(it))
                    && !carry.name.contains('.')
                {
                    *start = Some(array.index_axis(Axis(0), 0).mapv(F::of));
                }
            }
        }
        let steps = given.known.saturating_sub(given.shift);
        let mut at = 0;
        while at < steps {
            let now = CHUNK.min(steps - at);
            let stretch = self.run(Feedback::Teacher, given, (at, now), &state, Vec::new())?;
            state = InitialState(stretch.states.into_iter().map(Some).collect());
            at += now;
        }
        Ok(state)
    }

    /// Runs free for some steps after the prime, in pieces.
    fn free(
        &self,
        given: &Given,
        steps: usize,
        traces: &[Name],
        see: &mut dyn FnMut(&Stretch<F>),
    ) -> Result<(), CliError> {
        let mut state = self.prime(given)?;
        let first = given.known.saturating_sub(given.shift);
        let mut at = 0;
        while at < steps {
            let now = CHUNK.min(steps - at);
            let stretch =
                self.run(Feedback::Own, given, (first + at, now), &state, traces.to_vec())?;
            see(&stretch);
            state = InitialState(stretch.states.into_iter().map(Some).collect());
            at += now;
        }
        Ok(())
    }
}

fn text<F: Real>(
    ctx: &mut Context,
    args: &GenerateArgs,
    settings: &Settings,
    run: &Run,
    runner: &Runner<F>,
    vocabulary: &Vocabulary,
) -> Result<(), CliError> {
    if eval::says_data(settings) || args.prime_steps.is_some() {
        let message = "a model of characters is primed with --prime or --prime-file";
        return Err(CliError::Usage(message.to_owned()));
    }
    let (place, prime) = match (&args.prime, &args.prime_file) {
        (Some(text), _) => ("--prime".to_owned(), text.clone()),
        (None, Some(path)) => {
            let bytes = ctx.read(path)?;
            let text = crate::train::decode(&bytes).map_err(|at| CliError::Fit {
                code: Code::BadFile,
                message: format!("{}: byte {at} is no UTF-8 text", path.display()),
            })?;
            (path.display().to_string(), text.to_owned())
        }
        (None, None) => (String::new(), String::new()),
    };
    let characters = vocabulary.characters();
    let numbers = vocabulary.encode(&prime).map_err(|it| {
        let (count, of) = (characters.len(), run.about.known.vocabulary_of.clone());
        CliError::Fit {
            code: Code::BadIndex,
            message: format!(
                "{place}: line {}, column {}: `{}` is not among the {count} characters of {}",
                it.line,
                it.column,
                it.character.escape_debug(),
                of.unwrap_or_default()
            ),
        }
    })?;
    let count = args.count.unwrap_or(1);
    let cell = run.bound.cell();
    let fed = cell.carries.iter().find(|it| it.teacher.is_some());
    let Some((fed, target)) = fed.and_then(|it| Some((it, &cell.inputs[it.teacher?].name))) else {
        return Err(CliError::misfit(format!("`{}` cannot run free", cell.name)));
    };
    let known = numbers.len();
    let shape = IxDyn(&[known, count]);
    let array = ArrayD::from_shape_fn(shape, |at| numbers[at[0]]);
    let given = Given {
        arrays: [(target.clone(), array)].into(),
        once: Vec::new(),
        batch: count,
        single: false,
        known,
        shift: usize::from(known > 0),
    };
    let mut texts = vec![prime; count];
    runner.free(&given, args.steps, std::slice::from_ref(&fed.name), &mut |stretch| {
        for values in stretch.traces[0].outer_iter() {
            for (text, value) in texts.iter_mut().zip(values.iter()) {
                text.extend(characters.get(Real::to_f64(*value) as usize));
            }
        }
    })?;
    let all = texts.join("\n\n");
    match &args.output {
        Some(path) => ctx.write(path, all.as_bytes())?,
        None if args.json => {}
        None => ctx.out(&all)?,
    }
    if args.json {
        ctx.made(&Texts { texts })?;
    }
    Ok(())
}

fn numbers<F: Real + Real32or64>(
    ctx: &mut Context,
    args: &GenerateArgs,
    settings: &Settings,
    run: &Run,
    runner: &Runner<F>,
) -> Result<(), CliError> {
    if args.prime.is_some() || args.prime_file.is_some() {
        let message =
            "a model of numbers is primed with its targets: --target NAME=FILE, --csv or --data";
        return Err(CliError::Usage(message.to_owned()));
    }
    let given = given(ctx, args, settings, run)?;
    let mut pieces: Vec<ArrayD<F>> = Vec::new();
    let cell = run.bound.cell();
    // Of classes, what is generated is what was drawn and fed back, not their logits.
    let of_classes = |it: &&ir::Carry| it.teacher.is_some_and(|at| cell.inputs[at].index.is_some());
    let drawn = cell.carries.iter().find(of_classes);
    let traces: Vec<Name> = drawn.iter().map(|it| it.name.clone()).collect();
    runner.free(&given, args.steps, &traces, &mut |stretch| {
        let made = if drawn.is_some() { &stretch.traces } else { &stretch.outputs };
        pieces.extend(made.first().cloned());
    })?;
    let views: Vec<_> = pieces.iter().map(|it| it.view()).collect();
    let name = drawn.map(|it| &it.name).or(cell.outputs.first().map(|it| &it.name));
    let Some(name) = name.filter(|_| !views.is_empty()) else {
        return Err(CliError::Usage("there is nothing to generate".to_owned()));
    };
    let teacher = drawn.and_then(|it| it.teacher);
    let words = teacher.and_then(|it| words(run, &cell.inputs[it].name));
    let mut array =
        ndarray::concatenate(Axis(0), &views).map_err(|it| CliError::misfit(it.to_string()))?;
    let scales = run.about.scales();
    if drawn.is_none() {
        if let Some(scale) = scale_of(cell, name, &scales) {
            unscale(&mut array, scale);
        }
        tell_error(ctx, run, &given, &array);
    }
    if given.single {
        array.index_axis_inplace(Axis(1), 0);
    }
    let axes = array.ndim() - usize::from(!given.single) - 1;
    let named = Named { name: name.to_string(), array: array.as_standard_layout().into_owned() };
    let csv = || match words {
        Some(words) => worded(&named, words),
        None => output::Format::Csv.bytes(&named),
    };
    match &args.output {
        Some(path) => {
            let format = output::Format::of(path, axes, given.single)?;
            let is_csv = matches!(format, output::Format::Csv);
            ctx.write(path, &if is_csv { csv() } else { format.bytes(&named) })?;
        }
        None if args.json => {}
        None if words.is_some() || (given.single && axes <= 1) => {
            ctx.out(&String::from_utf8_lossy(&csv()))?;
        }
        None => ctx.out(&output::table(&[output::Summary::of(&named, None)]))?,
    }
    if args.json {
        let values = named.array.iter().map(|it| Real::to_f64(*it)).collect();
        let (name, shape) = (&*named.name, named.array.shape());
        ctx.made(&Numbers { name, shape, values, classes: words })?;
    }
    Ok(())
}

/// The document of `--json` for a model of characters.
#[derive(Serialize)]
struct Texts {
    texts: Vec<String>,
}

/// The document of `--json` for a model of numbers: all of them, the last axis fastest.
#[derive(Serialize)]
struct Numbers<'n> {
    name: &'n str,
    shape: &'n [usize],
    #[serde(serialize_with = "output::numbers")]
    values: Vec<f64>,
    /// The words that they are the numbers of.
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<&'n Vec<String>>,
}

/// Returns a table of drawn words: a row for each step, a column for each sequence.
fn worded<F: Real>(named: &Named<F>, words: &[String]) -> Vec<u8> {
    let width: usize = named.array.shape()[1..].iter().product();
    let header: Vec<String> = match width {
        1 => vec![named.name.clone()],
        _ => (0..width).map(|it| format!("{}[{it}]", named.name)).collect(),
    };
    let mut text = header.join(",") + "\n";
    let values: Vec<F> = named.array.iter().copied().collect();
    for step in values.chunks(width.max(1)) {
        let word = |it: &F| words.get(Real::to_f64(*it) as usize).map(|it| data::csv_cell(it));
        let cells: Vec<String> = step.iter().filter_map(word).collect();
        text.push_str(&(cells.join(",") + "\n"));
    }
    text.into_bytes()
}

/// Says how far the new values are from targets that go beyond the prime.
fn tell_error<F: Real>(ctx: &Context, run: &Run, given: &Given, array: &ArrayD<F>) {
    let cell = run.bound.cell();
    let scales = run.about.scales();
    let Some(target) = cell.carries.iter().find_map(|it| it.teacher) else { return };
    // From the declared start on, the values of a series whose targets are ahead are those of no row that is known.
    if run.about.ahead > 0 && given.known == 0 {
        return;
    }
    let name = &cell.inputs[target].name;
    let Some(known) = given.arrays.get(name) else { return };
    let beyond = known.shape()[0].saturating_sub(given.known).min(array.shape()[0]);
    if beyond == 0 || known.shape()[1..] != array.shape()[1..] {
        return;
    }
    let mut truth =
        known.slice_axis(Axis(0), Slice::from(given.known..given.known + beyond)).to_owned();
    if let Some(scale) = scales.of(name) {
        unscale(&mut truth, scale);
    }
    let new = array.slice_axis(Axis(0), Slice::from(0..beyond));
    let squares = truth.iter().zip(new.iter()).map(|(a, b)| (a - Real::to_f64(*b)).powi(2));
    let mse = squares.sum::<f64>() / truth.len().max(1) as f64;
    ctx.note(&format!(
        "against `{name}` over {beyond} steps: mse {}, rmse {}",
        output::short(mse),
        output::short(mse.sqrt())
    ));
}

/// Returns the targets that no feedback reads, and without a prime all of them.
fn unread(args: &GenerateArgs, run: &Run) -> Vec<Name> {
    let cell = run.bound.cell();
    let is_told = |it: usize| {
        args.prime_steps != Some(0) && cell.carries.iter().any(|carry| carry.teacher == Some(it))
    };
    cell.targets().filter(|it| !is_told(it.0)).map(|it| it.1.name.clone()).collect()
}

/// Reads what is known.
fn given(
    ctx: &mut Context,
    args: &GenerateArgs,
    settings: &Settings,
    run: &Run,
) -> Result<Given, CliError> {
    let count = args.count.unwrap_or(1);
    if !eval::says_data(settings) {
        let known = args.prime_steps.unwrap_or(0);
        if known > 0 {
            let message =
                "--prime-steps: give the targets with --target NAME=FILE, --csv or --data";
            return Err(CliError::Usage(message.to_owned()));
        }
        let (arrays, once, single) = (BTreeMap::new(), Vec::new(), count == 1);
        return Ok(Given { arrays, once, batch: count, single, known, shift: 0 });
    }
    let part = problem::read_other(ctx, settings, run, &unread(args, run))?;
    let scales = run.about.scales();
    let single = part.fields().iter().all(|it| it.axes == Axes::Shared);
    let batch = part.fields().iter().find_map(|it| match it.axes {
        Axes::Batch => Some(it.values.shape()[1]),
        Axes::Last => Some(it.values.shape()[0]),
        Axes::Shared => None,
    });
    let batch = batch.unwrap_or(1);
    if batch > 1 && count > 1 {
        let message = format!("--count {count}: the data has {batch} sequences already");
        return Err(CliError::Usage(message));
    }
    let copies = if single { count } else { batch };
    let (mut arrays, mut once) = (BTreeMap::new(), Vec::new());
    let (mut targets, mut inputs) = (usize::MAX, usize::MAX);
    for field in part.fields() {
        let mut values = (*field.values).clone();
        if field.axes == Axes::Last && field.role == Role::Target {
            return Err(CliError::misfit(format!("`{}` has no steps to begin with", field.name)));
        }
        if let Some(scale) = scales.of(&field.name) {
            let elements = scale.shift.len().max(1);
            for (idx, value) in values.iter_mut().enumerate() {
                *value = scale.scaled(idx % elements, *value);
            }
        }
        if field.axes == Axes::Last {
            once.push(field.name.clone());
            arrays.insert(field.name.clone(), values);
            continue;
        }
        let rows = values.shape()[0];
        match field.role {
            Role::Target => targets = targets.min(rows),
            Role::Input => inputs = inputs.min(rows),
        }
        if field.axes == Axes::Shared {
            let shape = [&[rows, copies], &values.shape()[1..]].concat();
            let wide = values.insert_axis(Axis(1));
            values = wide.broadcast(IxDyn(&shape)).map(|it| it.to_owned()).unwrap_or(wide);
        }
        arrays.insert(field.name.clone(), values);
    }
    let known = args.prime_steps.unwrap_or(if targets == usize::MAX { 0 } else { targets });
    // Without a known value the model begins as it is declared.
    let shift = usize::from(part.is_series && run.about.ahead == 1 && known > 0);
    if targets != usize::MAX && known > targets {
        return Err(CliError::misfit(format!(
            "--prime-steps {known}: only {targets} steps are known"
        )));
    }
    let needed = known + args.steps - shift.min(known + args.steps);
    if inputs != usize::MAX && inputs < needed {
        let at_most = inputs.saturating_sub(args.steps) + shift;
        return Err(CliError::misfit(format!(
            "the inputs have {inputs} steps, and {known} of the prime and {} new ones need {needed}: \
             `--prime-steps {at_most}` is the most",
            args.steps
        )));
    }
    for (name, values) in &arrays {
        if let Some((at, value)) = values.indexed_iter().find(|(_, it)| !it.is_finite()) {
            let at = ndarray::Dimension::slice(&at).to_vec();
            let is_target =
                part.fields().iter().any(|it| it.name == *name && it.role == Role::Target);
            if !is_target || at[0] < known {
                let place = match once.contains(name) {
                    true => format!("sequence {}", at[0]),
                    false => format!("step {}, sequence {}", at[0], at[1]),
                };
                return Err(CliError::misfit(format!("`{name}` is {value} at {place}")));
            }
        }
    }
    Ok(Given { arrays, once, batch: copies, single: single && count == 1, known, shift })
}
