//! `rnnc check`: all diagnostics of all files in one run.

use super::args::CheckArgs;
use super::context::Context;
use super::error::CliError;
use super::load::{self, Source};
use crate::api::Spec;
use crate::diag::json;

/// Checks each spec; fails when one has an error, or a warning under `--deny warnings`.
pub fn check(ctx: &mut Context, args: &CheckArgs) -> Result<(), CliError> {
    let mut failed = false;
    let mut report = json::Report::default();
    for spec in &args.specs {
        let (name, bytes) = match load::source(spec)? {
            Source::Text { name, bytes, .. } => (name, bytes),
            Source::Artifact(artifact) => {
                (spec.to_string_lossy().into_owned(), artifact.source().as_bytes().to_vec())
            }
        };
        let (diagnostics, sources, ok) = match Spec::read(&name, &bytes) {
            Ok(spec) => {
                let ok = spec.warnings().is_empty() || args.deny.is_none();
                (spec.warnings().to_vec(), spec.sources().clone(), ok)
            }
            Err(error) => (error.diagnostics, error.sources, false),
        };
        ctx.lap("check");
        failed |= !ok;
        if args.json {
            report.add(&diagnostics, &sources);
        } else {
            ctx.diagnostics(&diagnostics, &sources);
        }
    }
    if args.json {
        ctx.json(&report)?;
    }
    if args.timings {
        ctx.show_timings();
    }
    if failed { Err(CliError::Failed) } else { Ok(()) }
}
