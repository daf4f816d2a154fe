//! The arguments that say what a cell runs on: weights, arrays, tables, the engine.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CellArgs, FeedbackArgs, heading};
use crate::cli::values::{bytes, seed};
use crate::data::{Decimal, Missing, TableOptions};
use crate::exec::EngineKind;

/// The type that is computed in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FloatType {
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// The modes of masks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Mode {
    /// A mask is the probability of its ones.
    Eval,
    /// A mask holds bits, drawn from the seed or given.
    Train,
}

/// The engines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum EngineChoice {
    /// Plans and runs all sequences at once; f64 runs on the interpreter.
    Fast,
    /// The plain reference interpreter.
    Reference,
}

impl EngineChoice {
    /// Returns the engine.
    pub fn kind(self) -> EngineKind {
        match self {
            EngineChoice::Fast => EngineKind::Fast,
            EngineChoice::Reference => EngineKind::Reference,
        }
    }
}

/// The weights of a cell.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::WEIGHTS)]
pub struct WeightArgs {
    /// Weights: .safetensors, a .index.json of shards, .npz, or .pt as torch.save writes it; drawn without it
    #[arg(long, value_name = "FILE")]
    pub params: Option<PathBuf>,
    /// The layout of the file, such as pytorch; else the cell's own names
    #[arg(long, value_name = "NAME", requires = "params")]
    pub layout: Option<String>,
    /// The text before the names in the file, such as encoder.rnn.; other tensors are left out
    #[arg(long, value_name = "TEXT", requires = "params")]
    pub prefix: Option<String>,
    /// The text after the names, such as _l1 or _l0_reverse, where the file has several layers
    #[arg(long, value_name = "TEXT", requires = "params")]
    pub suffix: Option<String>,
    /// Takes weights of which some have no place in the cell
    #[arg(long, requires = "params")]
    pub ignore_extra: bool,
    /// Draws the weights that the file lacks
    #[arg(long, requires = "params")]
    pub partial: bool,
}

/// Options of the commands that run a cell.
#[derive(Debug, Args)]
pub struct DataArgs {
    #[command(flatten)]
    pub cell: CellArgs,

    #[command(flatten)]
    pub weights: WeightArgs,
    /// Draws the weights, and the masks in training
    #[arg(help_heading = heading::WEIGHTS, long, default_value_t = 0, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub seed: u64,

    /// A folder as `rnnc train --data` reads it, for all that --input and --target do not give
    #[arg(help_heading = heading::DATA, long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// An input as .npy, .npz or a table (.csv, .tsv, .txt); the name may be left out when there is only one
    #[arg(help_heading = heading::DATA, long, value_name = "[NAME=]FILE")]
    pub input: Vec<OsString>,
    /// Arrays of batches are [B, T, ..], not [T, B, ..]: those that are read (inputs, upstream) and those that are
    /// written (outputs, traces, gradients of inputs) alike
    #[arg(help_heading = heading::DATA, long)]
    pub batch_first: bool,
    #[command(flatten)]
    pub table: TableArgs,
    /// The number of steps of each sequence: B whole numbers, as 7,4,9 or in a file
    #[arg(help_heading = heading::DATA, long, value_name = "N,N|FILE")]
    pub lengths: Option<OsString>,
    /// The number of steps of a demonstration, or of a cell without inputs
    #[arg(help_heading = heading::DATA, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub steps: Option<u32>,
    /// An initial state or other carried value: [B, ..], or [..] for all sequences; without a name, all that --save wrote
    #[arg(help_heading = heading::DATA, long, value_name = "[NAME=]FILE")]
    pub state: Vec<OsString>,

    /// The mode of masks: each is the probability of its ones, or bits from --seed or --mask
    #[arg(help_heading = heading::RUNNING, long, value_enum, default_value_t = Mode::Eval)]
    pub mode: Mode,
    /// The bits of a mask in training: [T, B, ..] per step, [B, ..] per sequence, [..] per run; without a name, all that
    /// --save wrote
    #[arg(help_heading = heading::DATA, long, value_name = "[NAME=]FILE")]
    pub mask: Vec<OsString>,
    /// The type that is computed in
    #[arg(help_heading = heading::RUNNING, long, value_enum, default_value_t = FloatType::F32)]
    pub dtype: FloatType,
    /// The engine
    #[arg(help_heading = heading::RUNNING, long, value_enum, default_value_t = EngineChoice::Fast)]
    pub engine: EngineChoice,
    /// The most threads of the fast engine, by default all; results are the same for any number
    #[arg(help_heading = heading::RUNNING, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// The bytes that the fast engine may hold, beside data, results and weights, such as 64M; it keeps less and computes more
    #[arg(help_heading = heading::RUNNING, long, value_name = "BYTES", value_parser = bytes)]
    pub memory: Option<u64>,
    /// A target of a model, as an input is given
    #[arg(help_heading = heading::DATA, long, value_name = "[NAME=]FILE")]
    pub target: Vec<OsString>,
    #[command(flatten)]
    pub feedback: FeedbackArgs,

    /// The summary as JSON
    #[arg(help_heading = heading::RESULTS, long)]
    pub json: bool,
    /// Prints how long each stage took
    #[arg(help_heading = heading::RESULTS, long)]
    pub timings: bool,
}

/// Options of reading tables.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::TABLES)]
pub struct TableArgs {
    /// The columns of a table, in order: by header, or by number from 1 where it has none
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Says if the first row of a table has names; by default it has if no cell of it is a number
    #[arg(long, value_name = "yes|no", value_parser = ["yes", "no"], hide_possible_values = true)]
    pub header: Option<String>,
    /// The decimal sign of a table, where that is not clear
    #[arg(long, value_name = "point|comma")]
    pub decimal: Option<Decimal>,
    /// The value of an empty cell of a table, and of `NA`, `NaN`, `null`: nan, zero, or the previous number of its column
    #[arg(long, value_name = "nan|zero|previous")]
    pub missing: Option<Missing>,
    /// The column of a table that tells its sequences apart, such as the name of a patient
    #[arg(long, value_name = "NAME")]
    pub sequence_column: Option<String>,
}

impl TableArgs {
    /// Returns the options as the library takes them.
    pub fn options(&self) -> TableOptions {
        TableOptions {
            columns: self.columns.clone(),
            header: self.header.as_ref().map(|it| it == "yes"),
            decimal: self.decimal,
            missing: self.missing,
            sequence: self.sequence_column.clone(),
        }
    }
}
