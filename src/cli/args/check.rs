//! The arguments of `rnnc check`.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use crate::cli::values::{Denied, denied, warning};
use crate::diag::Code;

/// `rnnc check`
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rnnc check cells/*.rnn\n  rnnc check cells/ --deny warnings --allow W0603\n  \
    rnnc check my.rnn --fix\n  rnnc check - --json < my.rnn"
)]
pub struct CheckArgs {
    /// Files, `-`, artifacts, std/NAME, or folders in which all .rnn files are checked
    #[arg(required = true)]
    pub specs: Vec<OsString>,
    /// How diagnostics are told: text for people; the others on standard output, for tools
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub message_format: Option<MessageFormat>,
    /// --message-format json
    #[arg(long, conflicts_with = "message_format")]
    pub json: bool,
    /// Applies the edits that are sure to the files, then tells what is left
    #[arg(long)]
    pub fix: bool,
    /// Warnings that are not told, by their codes
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = warning)]
    pub allow: Vec<Code>,
    /// More warnings
    #[arg(long)]
    pub pedantic: bool,
    /// Warnings that fail the check: codes, or `warnings` for all
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = denied)]
    pub deny: Vec<Denied>,
    /// Prints how long each stage took
    #[arg(long)]
    pub timings: bool,
}

impl CheckArgs {
    /// How diagnostics are told.
    pub fn format(&self) -> MessageFormat {
        let json = if self.json { MessageFormat::Json } else { MessageFormat::Text };
        self.message_format.unwrap_or(json)
    }
}

/// How diagnostics are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum MessageFormat {
    /// With the lines of the source, for people.
    Text,
    /// A line each.
    Short,
    /// One JSON document.
    Json,
    /// Workflow commands of GitHub.
    Github,
    /// SARIF 2.1.0.
    Sarif,
}
