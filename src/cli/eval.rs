//! `rnnc eval`: how good a trained model is on data.

use serde::Serialize;

use super::args::EvalArgs;
use super::config::Settings;
use super::context::Context;
use super::error::CliError;
use super::feed::counted;
use super::output::short;
use super::train::folder::{self, Checkpoint, Run};
use super::train::problem;
use crate::data::Real32or64;
use crate::diag::Code;
use crate::exec::{Bound, Params};
use crate::ir::{Feedback, Real};
use crate::train::{self, Data, Scales, Scoring};

/// The score as JSON.
#[derive(Serialize)]
struct Report {
    version: u32,
    loss: f64,
    steps: usize,
    sequences: usize,
    feedback: &'static str,
    checkpoint: u64,
    metrics: serde_json::Map<String, serde_json::Value>,
}

/// Scores a model.
pub fn eval(ctx: &mut Context, args: &EvalArgs) -> Result<(), CliError> {
    let settings = Settings::new(&args.keys.said)?;
    let run = folder::open(ctx, &args.run)?;
    let checkpoint = run.checkpoint(ctx, args.checkpoint.as_deref())?;
    let data = data(ctx, &settings, &run, args.part.as_deref(), &run.bound)?;
    let settings = merged(&settings, &run);
    match settings.word("dtype") {
        Some("f64") => eval_in::<f64>(ctx, args, &settings, &run, &checkpoint, &data),
        _ => eval_in::<f32>(ctx, args, &settings, &run, &checkpoint, &data),
    }
}

/// Returns the weights of a checkpoint, in any type.
pub fn params<F: Real>(bound: &Bound, checkpoint: &Checkpoint) -> Result<Params<F>, CliError> {
    let wrong = |message: String| CliError::Fit { code: Code::WrongFolder, message };
    let named = bound.cell().params.iter().zip(bound.param_shapes());
    let arrays = named.map(|(param, shape)| {
        let found = checkpoint.content.tensors.iter().find(|it| it.0 == *param.name);
        match found {
            Some((_, tensor)) if tensor.shape == *shape => Ok(tensor.values.mapv(F::of)),
            Some(_) | None => {
                Err(wrong(format!("the checkpoint has no `{}` of {shape:?}", param.name)))
            }
        }
    });
    Ok(Params::new(arrays.collect::<Result<_, CliError>>()?))
}

/// Returns true if flags name data.
pub fn says_data(settings: &Settings) -> bool {
    ["data", "input", "target", "csv", "text"].iter().any(|it| settings.is_said(it))
}

/// Returns the data that is said, or that of the training: what was held out, unless the other part is asked for. `plain` is what
/// runs on it.
pub fn data(
    ctx: &mut Context,
    settings: &Settings,
    run: &Run,
    part: Option<&str>,
    plain: &Bound,
) -> Result<Data, CliError> {
    if says_data(settings) {
        if part.is_some() {
            let message = "--part is about the data of the training, and other data is given";
            return Err(CliError::Usage(message.to_owned()));
        }
        return problem::other(ctx, settings, run, plain);
    }
    let mut own = run.settings.clone();
    if let Some(said) = settings.said("window") {
        own.replace("window", said.clone());
    }
    let read = problem::prepare(ctx, &own, &run.loaded, &run.spec, false)?;
    folder::same_data(ctx, &run.folder, &read)?;
    if part == Some("train") {
        return Ok(read.data);
    }
    let folder = run.folder.display();
    read.valid.ok_or_else(|| {
        CliError::Usage(format!(
            "{folder} held no data out; give --data, --csv, --text or arrays, or --part train"
        ))
    })
}

/// Returns how data is scored, by the settings that [`merged`] gives.
pub fn scoring<'s>(
    settings: &Settings,
    data: &Data,
    scales: &'s Scales,
    feedback: Feedback,
    prime: Option<usize>,
) -> Scoring<'s> {
    Scoring {
        feedback,
        eval_batch: problem::eval_batch(settings, data.cut()),
        seed: settings.whole("seed").unwrap_or(0),
        prime,
        engine: problem::engine(settings),
        scales,
    }
}

fn eval_in<F: Real + Real32or64>(
    ctx: &mut Context,
    args: &EvalArgs,
    settings: &Settings,
    run: &Run,
    checkpoint: &Checkpoint,
    data: &Data,
) -> Result<(), CliError> {
    let feedback = feedback(run, args.feedback.as_deref())?;
    if args.prime_steps.is_some() && feedback != Feedback::Own {
        let message = "--prime-steps says where a model begins to run free: --feedback own";
        return Err(CliError::Usage(message.to_owned()));
    }
    let scales = run.about.scales();
    let scoring = scoring(settings, data, &scales, feedback, args.prime_steps);
    let params = params::<F>(&run.bound, checkpoint)?;
    let score = train::score(&run.bound, &params, data, &scoring)?;
    if !score.loss.is_finite() {
        let message = format!("the loss is {}", score.loss);
        return Err(CliError::Fit { code: Code::NotFinite, message });
    }
    let word = feedback.name();
    if args.json {
        let metric = |(name, value): &(String, f64)| (name.clone(), (*value).into());
        return ctx.json(&Report {
            version: 1,
            loss: score.loss,
            steps: score.steps,
            sequences: score.sequences,
            feedback: word,
            checkpoint: checkpoint.step,
            metrics: score.metrics.0.iter().map(metric).collect(),
        });
    }
    let (steps, sequences) =
        (counted(score.steps as u64, "step"), counted(score.sequences as u64, "sequence"));
    let name = &run.bound.cell().name;
    let mode =
        if run.bound.cell().has_teacher() { format!(", feedback {word}") } else { String::new() };
    ctx.line(&format!("{name} after update {}: {steps} of {sequences}{mode}", checkpoint.step))?;
    ctx.line(&format!("  {:<11} {}", "loss", short(score.loss)))?;
    for (name, value) in &score.metrics.0 {
        ctx.line(&format!("  {name:<11} {}", short(*value)))?;
    }
    Ok(())
}

/// Returns the keys of the training, with what is said now about cutting, drawing and computing.
pub fn merged(settings: &Settings, run: &Run) -> Settings {
    let mut merged = run.settings.clone();
    for key in ["seed", "batch", "eval_batch", "engine", "threads", "dtype"] {
        if let Some(said) = settings.said(key) {
            merged.replace(key, said.clone());
        }
    }
    merged
}

/// Returns the value that feedbacks read.
pub fn feedback(run: &Run, said: Option<&str>) -> Result<Feedback, CliError> {
    if said == Some("own") && !run.bound.cell().has_teacher() {
        let name = &run.bound.cell().name;
        let message = format!(
            "`{name}` has no feedback with a teacher, so there is nothing to choose by `feedback`"
        );
        return Err(CliError::Fit { code: Code::BadKey, message });
    }
    Ok(problem::feedback(said))
}
