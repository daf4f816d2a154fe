//! `rnnc check`: all diagnostics of all files in one run.

use super::args::CheckArgs;
use super::columns::section;
use super::context::Context;
use super::error::CliError;
use super::load::{self, Source};
use crate::diag::json;
use crate::ir;

/// Checks each spec; fails when one has an error, or a warning under `--deny warnings`. A spec that
/// cannot be read does not hide what is wrong with the others.
pub fn check(ctx: &mut Context, args: &CheckArgs) -> Result<(), CliError> {
    let mut worst = 0;
    let mut report = json::Report::default();
    for spec in &args.specs {
        let read = load::source(ctx, spec).and_then(|source| match source {
            Source::Text(text) => Ok((text.spec(), text.name)),
            Source::Artifact(it) => Ok((Ok(it.spec()?), spec.to_string_lossy().into_owned())),
        });
        let (checked, name) = match read {
            Ok(it) => it,
            Err(error) => {
                ctx.report(&error);
                worst = worst.max(error.exit_code());
                continue;
            }
        };
        ctx.lap("check");
        let (diagnostics, sources) = match &checked {
            Ok(spec) => (spec.warnings(), spec.sources()),
            Err(error) => (&error.diagnostics[..], &error.sources),
        };
        if checked.is_err() || (args.deny.is_some() && !diagnostics.is_empty()) {
            worst = worst.max(CliError::Failed.exit_code());
        }
        if args.json {
            report.add(diagnostics, sources);
        } else {
            ctx.diagnostics(diagnostics, sources);
            if let (Ok(spec), false) = (&checked, ctx.is_quiet()) {
                for cell in spec.cells() {
                    ctx.out(&sharing(&name, cell))?;
                }
            }
        }
    }
    if args.json {
        ctx.json(&report)?;
    }
    if args.timings {
        ctx.show_timings();
    }
    if worst > 0 { Err(CliError::Reported(worst)) } else { Ok(()) }
}

/// How many numbers are trained, and what sharing saves.
fn sharing(file: &str, cell: &ir::Cell) -> String {
    let formula = cell.parameter_formula().to_string();
    let unshared = match formula.contains(' ') {
        true => format!("({formula}) * T, over T steps"),
        false => format!("{formula} * T, over T steps"),
    };
    let has_none = formula == "0";
    let unshared = if has_none { Vec::new() } else { vec![unshared] };
    let shared: Vec<String> = cell.shared.iter().map(|it| it.to_string()).collect();
    format!(
        "{file}: cell {}\n{}{}{}",
        cell.name,
        section("parameters", &[formula]),
        section("not shared", &unshared),
        section("used often", &shared),
    )
}
