//! `rnnc explain`: what a code means.

use super::args::ExplainArgs;
use super::columns;
use super::context::Context;
use super::error::CliError;
use crate::diag::{self, Code};

/// Explains one code, or lists all.
pub fn explain(ctx: &mut Context, args: &ExplainArgs) -> Result<(), CliError> {
    let terminal = columns::terminal();
    match &args.code {
        None => diag::table()
            .iter()
            .try_for_each(|it| ctx.out(&columns::entry(it.code.as_str(), 5, it.title, terminal))),
        Some(text) => match Code::find(text.trim()) {
            Some(code) => ctx.out(&diag::explain(code)),
            None => {
                Err(CliError::Usage(format!("there is no code `{text}`; `rnnc explain` lists all")))
            }
        },
    }
}
