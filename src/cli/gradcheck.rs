//! `rnnc gradcheck`: are the gradients right?

use serde::Serialize;

use super::args::GradcheckArgs;
use super::columns::WIDTH;
use super::context::Context;
use super::error::CliError;
use super::{feed, load};
use crate::api;
use crate::exec::gradcheck::{self, CheckError, Kind, Line, Options, Worst};
use crate::ir::{Env, pointwise};

/// The table as JSON.
#[derive(Serialize)]
struct Report {
    version: u32,
    cell: String,
    samples: usize,
    bounds: Bounds,
    passed: bool,
    gradients: Vec<Row>,
}

#[derive(Serialize)]
struct Bounds {
    forward: f64,
    difference: f64,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    passed: bool,
    forward: Option<Place>,
    difference: Option<Place>,
    /// Why there are no central differences.
    forward_alone: Option<String>,
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
    notes.iter().for_each(|it| ctx.note(it));
    let options = Options {
        env,
        params,
        lengths: args.steps.iter().map(|it| usize::from(*it)).collect(),
        seeds: args.seeds,
        ..Options::default()
    };
    let report = gradcheck::gradcheck(spec.ir(), &pointwise::table(), &options)?;
    ctx.lap("gradcheck");
    let passed = report.passes();
    let cell = spec.ir().name.to_string();
    if args.json {
        ctx.json(&Report {
            version: 1,
            cell,
            samples: report.samples,
            bounds: Bounds { forward: options.forward_bound, difference: options.difference_bound },
            passed,
            gradients: report.lines.iter().map(Row::of).collect(),
        })?;
    } else {
        let samples = report.samples;
        ctx.line(&format!("{cell}: {samples} random samples in f64, steps {:?}", options.lengths))?;
        ctx.out(&table(&report.lines, &options))?;
        let failed = report.lines.iter().filter(|it| !it.passes).count();
        let all = report.lines.len();
        ctx.line(&match failed {
            0 => format!("all {all} gradients agree"),
            _ => format!("{failed} of {all} gradients disagree"),
        })?;
    }
    if args.timings {
        ctx.show_timings();
    }
    if passed { Ok(()) } else { Err(CliError::Failed) }
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
            forward_alone: line.forward_alone.map(str::to_owned),
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

/// The name that the gradient has in the files of `rnnc grad`.
fn full_name(line: &Line) -> String {
    match line.kind {
        Kind::Param => line.name.to_string(),
        Kind::Input => format!("input.{}", line.name),
        Kind::Start => format!("state.{}", line.name),
    }
}

/// A line for each gradient with its worst difference, and the element where it is.
fn table(lines: &[Line], options: &Options) -> String {
    let names: Vec<String> = lines.iter().map(full_name).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0).max(8);
    let (forward, difference) = (options.forward_bound, options.difference_bound);
    let mut text = format!(
        "  {:width$}  {:>12} {:>12}  worst element\n  {:width$}  {:>12} {:>12}\n",
        "gradient",
        "forward mode",
        "differences",
        "bound",
        format!("{forward:.0e}"),
        format!("{difference:.0e}"),
    );
    for (name, line) in names.iter().zip(lines) {
        let error = |it: &Option<Worst>| {
            it.as_ref().map_or("-".to_owned(), |it| match it.error {
                0.0 => "0".to_owned(),
                error => format!("{error:.1e}"),
            })
        };
        // Central differences say where; forward mode may not have looked.
        let place = [&line.difference, &line.forward].into_iter().flatten();
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
        let (forward, difference) = (error(&line.forward), error(&line.difference));
        let row = format!("  {name:width$}  {forward:>12} {difference:>12}  ");
        // A long reason goes on below, so that the columns stay on narrow terminals.
        if row.len() + words.len() > WIDTH && line.forward_alone.is_some() {
            text.push_str(&format!("{}\n      {words}\n", row.trim_end()));
        } else {
            text.push_str(&format!("{}\n", format!("{row}{words}").trim_end()));
        }
    }
    text
}

impl From<CheckError> for CliError {
    fn from(error: CheckError) -> CliError {
        CliError::Fit { code: error.code(), message: error.to_string() }
    }
}
