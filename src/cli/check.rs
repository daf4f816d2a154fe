//! `rnnc check`: all diagnostics of all files in one run.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::args::{CheckArgs, MessageFormat};
use super::columns::{self, section};
use super::context::Context;
use super::error::CliError;
use super::feed::counted;
use super::load::{self, Source};
use super::test::collect;
use super::values::Denied;
use crate::api::{Spec, SpecError};
use crate::diag::{Applicability, Diagnostic, formats, json};
use crate::text::{FileId, Span};
use crate::{data, ir};

/// The most rounds of edits of a file; each may bring to light what it hid.
const MAX_ROUNDS: usize = 10;

/// Checks each spec; fails when one has an error, or a warning that is denied. A spec that cannot be read does not hide
/// what is wrong with the others.
pub fn check(ctx: &mut Context, args: &CheckArgs) -> Result<(), CliError> {
    let mut worst = 0;
    let mut report = json::Report::default();
    let format = args.format();
    for spec in &specs(&args.specs)? {
        if args.fix
            && let Err(error) = fix(ctx, spec)
        {
            ctx.report(&error);
            error.tell(&mut report);
            worst = worst.max(error.exit_code());
            continue;
        }
        let read = load::source(ctx, spec).and_then(|source| match source {
            Source::Text(text) => Ok((text.spec(), text.name)),
            Source::Artifact(it) => Ok((Ok(it.spec()?), spec.to_string_lossy().into_owned())),
        });
        let (checked, name) = match read {
            Ok(it) => it,
            Err(error) => {
                if matches!(format, MessageFormat::Text | MessageFormat::Json) {
                    ctx.report(&error);
                }
                error.tell(&mut report);
                worst = worst.max(error.exit_code());
                continue;
            }
        };
        ctx.lap("check");
        let (diagnostics, sources) = match &checked {
            Ok(spec) => (spec.warnings(), spec.sources()),
            Err(error) => (&error.diagnostics[..], &error.sources),
        };
        let is_told = |it: &&Diagnostic| !args.allow.contains(&it.code);
        let diagnostics: Vec<Diagnostic> = diagnostics.iter().filter(is_told).cloned().collect();
        let is_denied = |it: &Diagnostic| {
            let denies = |denied: &Denied| match denied {
                Denied::Warnings => true,
                Denied::Code(code) => *code == it.code,
            };
            it.is_error() || args.deny.iter().any(denies)
        };
        if diagnostics.iter().any(is_denied) {
            worst = worst.max(CliError::Failed.exit_code());
        }
        report.add(&diagnostics, sources);
        if format == MessageFormat::Text {
            ctx.diagnostics(&diagnostics, sources);
            if let (Ok(spec), false) = (&checked, ctx.is_quiet()) {
                for cell in spec.cells() {
                    ctx.out(&sharing(&name, cell))?;
                }
            }
        }
    }
    match format {
        MessageFormat::Text => {}
        MessageFormat::Short => ctx.out(&formats::short(&report))?,
        MessageFormat::Github => ctx.out(&formats::github(&report))?,
        MessageFormat::Json => ctx.json(&report)?,
        MessageFormat::Sarif => ctx.json(&formats::sarif(&report))?,
    }
    if args.timings {
        ctx.show_timings();
    }
    if worst > 0 { Err(CliError::Reported(worst)) } else { Ok(()) }
}

/// Returns the specs, with the files of a folder in its place.
fn specs(given: &[OsString]) -> Result<Vec<OsString>, CliError> {
    let mut out = Vec::new();
    for spec in given {
        let path = Path::new(spec);
        if spec == "-" || path.starts_with("std") && !path.exists() || !path.is_dir() {
            out.push(spec.clone());
            continue;
        }
        let mut files: Vec<PathBuf> = Vec::new();
        collect(path, &mut files)?;
        if files.is_empty() {
            let message = format!("there is no .rnn file in {}", path.display());
            return Err(CliError::Usage(message));
        }
        files.sort();
        out.extend(files.into_iter().map(PathBuf::into_os_string));
    }
    Ok(out)
}

/// Applies the sure edits of a file until there is none.
fn fix(ctx: &mut Context, spec: &OsStr) -> Result<(), CliError> {
    let path = Path::new(spec);
    let is_file = path.extension().is_some_and(|it| it == "rnn") && !path.starts_with("std");
    if !is_file {
        let message = format!("--fix changes .rnn files, and `{}` is none", path.display());
        return Err(CliError::Usage(message));
    }
    let mut applied = 0;
    for _ in 0..MAX_ROUNDS {
        let Source::Text(text) = load::source(ctx, spec)? else { break };
        let diagnostics = match text.spec() {
            Ok(spec) => Spec::warnings(&spec).to_vec(),
            Err(SpecError { diagnostics, .. }) => diagnostics,
        };
        let edits = sure(&diagnostics);
        let mark = if text.bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let mut bytes = text.bytes.clone();
        // From the end, so that earlier places stay.
        for (span, new) in edits.iter().rev() {
            let range = span.start as usize + mark..span.end as usize + mark;
            if range.end <= bytes.len() {
                bytes.splice(range, new.bytes());
            }
        }
        if bytes == text.bytes || std::str::from_utf8(&bytes).is_err() {
            break;
        }
        data::write_file(path, &bytes).map_err(|it| CliError::data(path, it))?;
        applied += edits.len();
    }
    if applied > 0 {
        ctx.note(&format!("{}: {} applied", path.display(), counted(applied as u64, "edit")));
    }
    Ok(())
}

/// Returns the edits of the main file that are sure, in order, none of which reaches into another.
fn sure(diagnostics: &[Diagnostic]) -> Vec<(Span, String)> {
    let mut out: Vec<(Span, String)> = Vec::new();
    for fix in diagnostics.iter().filter_map(|it| it.fix.as_ref()) {
        let apart = |it: &(Span, String)| {
            out.iter().all(|(other, _)| it.0.end < other.start || other.end < it.0.start)
        };
        let is_here = fix.edits.iter().all(|it| it.0.file == FileId(0) && apart(it));
        if fix.applicability == Applicability::Certain && is_here {
            out.extend(fix.edits.iter().cloned());
        }
    }
    out.sort_by_key(|it| it.0.start);
    out
}

/// Reports the number of trained parameters, and the number that sharing saves.
fn sharing(file: &str, cell: &ir::Cell) -> String {
    let formula = cell.parameter_formula().to_string();
    let unshared = match formula.contains(' ') {
        true => format!("({formula}) * T, over T steps"),
        false => format!("{formula} * T, over T steps"),
    };
    let unshared = match formula.as_str() {
        "0" => String::new(),
        _ => columns::formula("not shared", &unshared),
    };
    let shared: Vec<String> = cell.shared.iter().map(|it| it.to_string()).collect();
    format!(
        "{file}: {} {}\n{}{}{}",
        if cell.is_model { "model" } else { "cell" },
        cell.name,
        columns::formula("parameters", &formula),
        unshared,
        section("used often", &shared),
    )
}
