//! `rnnc gradcheck`: are the gradients right?

use serde::Serialize;

use super::args::GradcheckArgs;
use super::columns;
use super::context::Context;
use super::error::CliError;
use super::progress::Progress;
use super::{feed, load};
use crate::api;
use crate::exec::EngineKind;
use crate::exec::gradcheck::{self, CheckError, Kind, Line, Options, Worst};
use crate::ir::{self, Env, Feedback, Gives, Mode};
use crate::plan::pipeline;

/// The table as JSON.
#[derive(Serialize)]
struct Report {
    version: u32,
    cell: String,
    /// The mode of a model that has two.
    #[serde(skip_serializing_if = "Option::is_none")]
    feedback: Option<&'static str>,
    samples: usize,
    bounds: Bounds,
    passed: bool,
    gradients: Vec<Row>,
}

#[derive(Serialize)]
struct Bounds {
    forward: f64,
    difference: f64,
    /// Absent where the fast engine is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    fast: Option<f64>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    passed: bool,
    forward: Option<Place>,
    difference: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fast: Option<Place>,
    /// The reason for which the derivative is not that of the function.
    forward_alone: Option<String>,
    /// The comparisons that could not be made, with reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_compared: Vec<String>,
}

#[derive(Serialize)]
struct Place {
    error: Option<f64>,
    element: Option<Vec<usize>>,
    steps: usize,
    seed: u64,
}

/// Compares the gradients of the cell; fails when one is beyond its bound.
pub fn gradcheck(ctx: &mut Context, args: &GradcheckArgs) -> Result<(), CliError> {
    let loaded = load::load(ctx, &args.cell)?;
    let spec = load::choose(ctx, &loaded)?;
    let cell = spec.ir();
    let mut env = Env { sizes: feed::set_sizes(cell, &loaded.set), ..Env::default() };
    let (mut params, mut notes) = (Vec::new(), Vec::new());
    let drawn = "drawn for each sample";
    if let Some(given) = feed::weights::given(ctx, cell, &args.weights, drawn, &mut notes)? {
        let file = args.weights.params.as_ref().map(|it| it.display().to_string());
        let at = |it| feed::weights::in_file(file.as_deref().unwrap_or_default(), it);
        env.sizes = api::infer_sizes(cell, &env.sizes, &given.evidence(cell)).map_err(at)?;
        params = given.params(cell, &env).map_err(at)?;
    }
    if let Some(folder) = &args.data {
        let evidence = feed::folder::sizes(ctx, cell, folder)?;
        env.sizes = api::infer_sizes(cell, &env.sizes, &evidence)?;
    }
    notes.iter().for_each(|it| ctx.note(it));
    let options = Options {
        env,
        params,
        lengths: args.steps.iter().map(|it| usize::from(*it)).collect(),
        seeds: args.seeds,
        engine: args.engine.kind(),
        ..Options::default()
    };
    // Of a model the loss is checked, in each of its modes; of a cell all outputs.
    let mut reports = Vec::new();
    for feedback in modes(spec.ir()) {
        let gives = if spec.ir().losses.is_empty() { Gives::Outputs } else { Gives::Loss };
        let plain = pipeline::plain(spec.ir(), &Mode::new(feedback, gives));
        let progress = Progress::new(ctx);
        let report = gradcheck::gradcheck_with(&plain, &options, &mut |done, all| {
            progress.tell(&format!("compared {done} of {all} samples"));
            std::ops::ControlFlow::Continue(())
        })?;
        reports.push((spec.ir().has_teacher().then_some(feedback.name()), report));
    }
    ctx.lap("gradcheck");
    let passed = reports.iter().all(|it| it.1.passes());
    let name = spec.ir().name.to_string();
    let mut told = Vec::new();
    for (feedback, report) in &reports {
        let cell = name.clone();
        if !args.json {
            let title = feedback.map_or(String::new(), |it| format!(", feedback {it}"));
            let samples = report.samples;
            let steps = &options.lengths;
            ctx.line(&format!("{cell}{title}: {samples} random samples in f64, steps {steps:?}"))?;
            ctx.out(&table(&report.lines, &options))?;
            ctx.line(&verdict(&report.lines))?;
            continue;
        }
        let passed = report.passes();
        told.push(Report {
            version: 1,
            cell,
            feedback: *feedback,
            samples: report.samples,
            bounds: Bounds {
                forward: options.forward_bound,
                difference: options.difference_bound,
                fast: has_fast(&options).then_some(options.fast_bound),
            },
            passed,
            gradients: report.lines.iter().map(Row::of).collect(),
        });
    }
    match &told[..] {
        [] => {}
        [one] => ctx.json(one)?,
        several => ctx.json(&several)?,
    }
    if args.timings {
        ctx.show_timings();
    }
    if passed { Ok(()) } else { Err(CliError::Failed) }
}

/// Returns the modes of a model in which feedbacks differ; of all others there is one.
pub(super) fn modes(cell: &ir::Cell) -> Vec<Feedback> {
    match cell.has_teacher() {
        true => vec![Feedback::Teacher, Feedback::Own],
        false => vec![Feedback::Own],
    }
}

impl Row {
    fn of(line: &Line) -> Row {
        Row {
            name: full_name(line),
            kind: match line.kind {
                Kind::Param => "param",
                Kind::Input => "input",
                Kind::Start => "state",
            },
            passed: line.passes,
            forward: line.forward.as_ref().map(Place::of),
            difference: line.difference.as_ref().map(Place::of),
            fast: line.fast.as_ref().map(Place::of),
            forward_alone: line.forward_alone.map(str::to_owned),
            not_compared: not_compared(line),
        }
    }
}

impl Place {
    fn of(worst: &Worst) -> Place {
        Place {
            // JSON has no number for what is not finite.
            error: worst.error.is_finite().then_some(worst.error),
            element: worst.element.clone(),
            steps: worst.steps,
            seed: worst.seed,
        }
    }
}

/// Returns the name that the gradient has in the files of `rnnc grad`.
fn full_name(line: &Line) -> String {
    match line.kind {
        Kind::Param => line.name.to_string(),
        Kind::Input => format!("input.{}", line.name),
        Kind::Start => format!("state.{}", line.name),
    }
}

/// Returns true if the fast engine has a column.
fn has_fast(options: &Options) -> bool {
    options.engine == EngineKind::Fast
}

/// Lists the comparisons of a gradient that could not be made, with reasons.
fn not_compared(line: &Line) -> Vec<String> {
    let with = [("differences", line.no_difference), ("the fast engine", line.no_fast)];
    let with = with.into_iter().filter_map(|(what, why)| Some((what, why?)));
    with.map(|(what, why)| format!("with {what}: {why}")).collect()
}

/// Counts the gradients that agree, disagree and could not be compared in full.
fn verdict(lines: &[Line]) -> String {
    let all = lines.len();
    let missing = lines.iter().filter(|it| !not_compared(it).is_empty()).count();
    let agree = match lines.iter().filter(|it| !it.passes).count() {
        0 if all == 1 => "the gradient agrees".to_owned(),
        0 => format!("all {all} gradients agree"),
        1 if all == 1 => "the gradient disagrees".to_owned(),
        failed => format!("{failed} of {all} gradients disagree"),
    };
    match missing {
        0 => agree,
        _ if all == 1 => format!("{agree} as far as it was compared, which was not in every way"),
        1 => format!("{agree} as far as they were compared; 1 was not in every way"),
        _ => format!("{agree} as far as they were compared; {missing} were not in every way"),
    }
}

/// Returns a line for each gradient with its worst difference, and the element where it is.
fn table(lines: &[Line], options: &Options) -> String {
    let names: Vec<String> = lines.iter().map(full_name).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0).max(8);
    let columns = |name: &str, [forward, difference, fast]: [&str; 3]| {
        let row = format!("  {name:width$}  {forward:>12} {difference:>11}");
        if has_fast(options) { format!("{row} {fast:>8}  ") } else { format!("{row}  ") }
    };
    let bounds = [options.forward_bound, options.difference_bound, options.fast_bound];
    let [forward, difference, fast] = bounds.map(|it| format!("{it:.0e}"));
    let head = columns("gradient", ["forward mode", "differences", "fast f32"]);
    let bound = columns("bound", [&forward, &difference, &fast]);
    let mut text = format!("{head}worst element\n{}\n", bound.trim_end());
    for (name, line) in names.iter().zip(lines) {
        let kinds = [&line.forward, &line.difference, &line.fast];
        let [forward, difference, fast] = kinds.map(|it| {
            it.as_ref().map_or("-".to_owned(), |it| match it.error {
                0.0 => "0".to_owned(),
                error => format!("{error:.1e}"),
            })
        });
        // What is beyond its bound says where, else the differences: forward mode may not have looked.
        let beyond = kinds
            .into_iter()
            .zip(bounds)
            .filter(|(worst, bound)| worst.as_ref().is_some_and(|it| it.error > *bound));
        let place = beyond.map(|it| it.0).chain([&line.difference, &line.forward]).flatten();
        let place = place.into_iter().find_map(|it| it.element.as_ref().map(|at| (it, at)));
        let mut words = place.map_or(String::new(), |(it, at)| {
            let steps = if it.steps == 1 { "step" } else { "steps" };
            format!("{at:?}, {} {steps}, seed {}", it.steps, it.seed)
        });
        if let Some(why) = line.forward_alone {
            words = format!("forward mode alone: {why}");
        }
        if !line.passes {
            words = format!("WRONG {words}");
        }
        let row = columns(name, [&forward, &difference, &fast]);
        // What is too long goes on below, so that the columns stay.
        if row.len() + words.len() > columns::width() {
            text.push_str(&format!("{}\n      {words}\n", row.trim_end()));
        } else {
            text.push_str(&format!("{}\n", format!("{row}{words}").trim_end()));
        }
        for why in not_compared(line) {
            text.push_str(&format!("      not compared {why}\n"));
        }
    }
    text
}

impl From<CheckError> for CliError {
    fn from(error: CheckError) -> CliError {
        CliError::Fit { code: error.code(), message: error.to_string() }
    }
}
