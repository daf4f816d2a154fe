//! `rnnc explain`: what a code means.

use serde::Serialize;

use super::args::ExplainArgs;
use super::columns;
use super::context::Context;
use super::error::CliError;
use crate::diag::{self, Code, Severity, json};

/// Explains one code, or lists all.
pub fn explain(ctx: &mut Context, args: &ExplainArgs) -> Result<(), CliError> {
    if args.json {
        return json(ctx, args);
    }
    let terminal = columns::terminal();
    match &args.code {
        None => diag::table()
            .iter()
            .try_for_each(|it| ctx.out(&columns::entry(it.code.as_str(), 5, it.title, terminal))),
        Some(text) => match Code::find(text.trim()) {
            Some(code) => ctx.out(&diag::explain(code)),
            None => Err(unknown(text)),
        },
    }
}

fn unknown(text: &str) -> CliError {
    CliError::Usage(format!("there is no code `{text}`; `rnnc explain` lists all"))
}

#[derive(Serialize)]
struct Explained {
    code: Code,
    severity: Severity,
    title: &'static str,
    /// Left out of the list of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize)]
struct All {
    version: u32,
    codes: Vec<Explained>,
}

fn json(ctx: &mut Context, args: &ExplainArgs) -> Result<(), CliError> {
    let code = match &args.code {
        Some(text) => Some(Code::find(text.trim()).ok_or_else(|| unknown(text))?),
        None => None,
    };
    let rows = diag::table().iter().filter(|it| code.is_none_or(|code| code == it.code));
    let codes = rows.map(|it| Explained {
        code: it.code,
        severity: it.code.severity(),
        title: it.title,
        text: code.map(diag::explain),
    });
    ctx.json(&All { version: json::VERSION, codes: codes.collect() })
}
