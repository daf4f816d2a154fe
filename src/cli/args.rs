//! The arguments of all commands. Help texts, completions and the dispatch all come from here.

mod data;
mod examples;
mod export;
mod graph;
mod plot;
mod task;
mod train;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, Resettable, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::error::CliError;
use crate::ir;

use super::values::{Denied, bytes, denied, seed, setting, tolerance, warning};
use crate::diag::Code;
use crate::plan::pipeline;
pub use data::{DataArgs, EngineChoice, FloatType, Mode, TableArgs, WeightArgs};
pub use export::{ExportArgs, MathChoice, WeightsChoice};
pub use graph::{GraphArgs, GraphFormat, GraphGround, GraphLevel, GraphTheme};
pub use plot::{PlotArgs, PlotKind};
pub use task::TaskArgs;
pub use train::{EvalArgs, GenerateArgs, PredictArgs, TrainArgs};

/// The headings under which the help of a command has its options.
mod heading {
    pub const CELL: &str = "Cell";
    pub const WEIGHTS: &str = "Weights";
    pub const DATA: &str = "Data";
    pub const TABLES: &str = "Tables";
    pub const RUNNING: &str = "Running";
    pub const RESULTS: &str = "Results";
    pub const WARNINGS: &str = "Warnings";
}

/// A compiler for recurrent neural-network cells.
#[derive(Debug, Parser)]
#[command(name = "rnnc", version, max_term_width = 80, propagate_version = false)]
#[command(after_help = examples::ALL)]
pub struct Cli {
    /// Says less: no notes and no progress on standard error
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Says more: what is read, drawn and chosen
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub verbose: bool,

    /// Colors messages; `auto` does so on a terminal without NO_COLOR
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub color: ColorChoice,

    #[command(subcommand)]
    pub command: Command,
}

/// The times at which messages are colored: on a terminal unless NO_COLOR is set, always, never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[allow(missing_docs, reason = "help texts stay short without a line for each")]
pub enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reports all errors and warnings of specs
    Check(CheckArgs),
    /// Shows what a cell compiles to, or writes the artifact
    Compile(CompileArgs),
    /// Runs a cell over a sequence
    Run(RunArgs),
    /// Runs a cell, then back-propagates through time
    Grad(GradArgs),
    /// Compares reverse mode with forward mode and with central differences
    Gradcheck(GradcheckArgs),
    /// Runs snapshot tests of specs
    Test(TestArgs),
    /// Draws the parameters of a cell
    Init(InitArgs),
    /// Lists the built-in library
    List(ListArgs),
    /// Prints the source of a library cell or of an artifact
    Show(ShowArgs),
    /// Draws one step of a cell, as papers do
    Graph(GraphArgs),
    /// Draws what other commands wrote: losses, gradient flow, gates, predictions
    Plot(PlotArgs),
    /// Explains an error or a warning
    Explain(ExplainArgs),
    /// Moves weights between the layouts of frameworks
    Convert(ConvertArgs),
    /// Writes a cell for where it runs: ONNX, PyTorch, JAX, NumPy, C
    Export(ExportArgs),
    /// Trains a model into a folder
    Train(TrainArgs),
    /// Scores a trained model
    Eval(EvalArgs),
    /// Predicts with a trained model, one step ahead
    Predict(PredictArgs),
    /// Runs a trained model free
    Generate(GenerateArgs),
    /// Writes a classic task to train on, with its known best scores
    Data(TaskArgs),
    /// Compares arrays element by element
    Compare(CompareArgs),
    /// Times a cell, and compares it with what the machine can do
    Bench(BenchArgs),
    /// Prints a completion script for a shell
    Completions(CompletionsArgs),
    /// Writes the manual pages
    Man(ManArgs),
    /// Prints version, commit, processor path and features
    Version(VersionArgs),
}

impl Command {
    /// Returns true if standard output is to be one JSON document.
    pub fn wants_json(&self) -> bool {
        match self {
            Command::Check(it) => it.format() == MessageFormat::Json,
            Command::Compile(it) => it.json,
            Command::Run(it) => it.data.json,
            Command::Grad(it) => it.data.json,
            Command::Gradcheck(it) => it.json,
            Command::Test(it) => it.json,
            Command::List(it) => it.json,
            Command::Bench(it) => it.json,
            Command::Compare(it) => it.json,
            Command::Graph(it) => it.json || it.format == Some(GraphFormat::Json),
            Command::Train(it) => it.json,
            Command::Eval(it) => it.json,
            Command::Version(it) => it.json,
            Command::Init(it) => it.json,
            Command::Show(it) => it.json,
            Command::Explain(it) => it.json,
            Command::Convert(it) => it.json,
            Command::Plot(it) => it.json,
            Command::Data(it) => it.json,
            Command::Predict(it) => it.json,
            Command::Generate(it) => it.json,
            Command::Export(it) => it.json,
            Command::Completions(_) | Command::Man(_) => false,
        }
    }
}

/// The cell, and the settings in it.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::CELL)]
pub struct CellArgs {
    /// A .rnn file, `-` for standard input, a compiled .ron artifact, or std/NAME
    #[arg(help_heading = Resettable::Reset)]
    pub spec: OsString,

    /// The cell of the file, when it holds several
    #[arg(long, value_name = "NAME")]
    pub cell: Option<String>,

    /// Sets a dim or hyper: I=3, dt=0.5, 'act=leaky_relu(0.2)'; the last of a name wins
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
}

/// `rnnc check`
#[derive(Debug, Args)]
#[command(after_help = examples::CHECK)]
pub struct CheckArgs {
    /// Files, `-`, artifacts, std/NAME, or folders in which all .rnn files are checked
    #[arg(required = true)]
    pub specs: Vec<OsString>,
    /// The form of diagnostics: text for people; the others on standard output, for tools
    #[arg(help_heading = heading::RESULTS, long, value_enum, value_name = "FORMAT")]
    pub message_format: Option<MessageFormat>,
    /// --message-format json
    #[arg(help_heading = heading::RESULTS, long, conflicts_with = "message_format")]
    pub json: bool,
    /// Applies the edits that are sure to the files, then tells what is left
    #[arg(long)]
    pub fix: bool,
    /// Warnings that are not told, by their codes
    #[arg(help_heading = heading::WARNINGS, long, value_name = "CODE", value_delimiter = ',', value_parser = warning)]
    pub allow: Vec<Code>,
    /// More warnings
    #[arg(help_heading = heading::WARNINGS, long)]
    pub pedantic: bool,
    /// Warnings that fail the check: codes, or `warnings` for all
    #[arg(help_heading = heading::WARNINGS, long, value_name = "CODE", value_delimiter = ',', value_parser = denied)]
    pub deny: Vec<Denied>,
    /// Prints how long each stage took
    #[arg(help_heading = heading::RESULTS, long)]
    pub timings: bool,
}

impl CheckArgs {
    /// Returns the form of diagnostics.
    pub fn format(&self) -> MessageFormat {
        let json = if self.json { MessageFormat::Json } else { MessageFormat::Text };
        self.message_format.unwrap_or(json)
    }
}

/// The forms of diagnostics.
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

/// The graphs and texts that `compile --emit` prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Emit {
    /// The source as it was understood.
    Ast,
    /// The step graph, as written.
    Ir,
    /// The step graph, simplified.
    Forward,
    /// One backward step, derived.
    Backward,
    /// One forward-mode step, derived.
    Tangent,
    /// The schedule: stages and tasks.
    Plan,
    /// The passes.
    Passes,
    /// The graph after a pass, by the name of the pass.
    After(&'static str),
}

impl Emit {
    /// Returns the choices, with the words for each.
    fn all() -> impl Iterator<Item = (Emit, String, String)> {
        let fixed = [
            (Emit::Ast, "ast", "The source as it was understood"),
            (Emit::Ir, "ir", "The step graph, as written"),
            (Emit::Forward, "forward", "The step graph, simplified"),
            (Emit::Backward, "backward", "One backward step, derived"),
            (Emit::Tangent, "tangent", "One forward-mode step, derived"),
            (Emit::Plan, "plan", "What runs when"),
            (Emit::Passes, "passes", "The passes, and how many nodes each leaves"),
        ];
        let fixed = fixed.map(|(it, name, help)| (it, name.to_owned(), help.to_owned()));
        let after = pipeline::passes().map(|it| {
            let help = format!("The {} graph after the pass that {}", it.part.name(), it.what);
            (Emit::After(it.name), format!("after:{}", it.name), help)
        });
        fixed.into_iter().chain(after)
    }

    fn parser() -> impl TypedValueParser<Value = Emit> {
        let values = Emit::all().map(|(_, name, help)| PossibleValue::new(name).help(help));
        PossibleValuesParser::new(values.collect::<Vec<_>>()).try_map(|it| {
            let found = Emit::all().find(|(_, name, _)| *name == it);
            found.map(|(emit, ..)| emit).ok_or("is not one of the choices")
        })
    }
}

/// `rnnc compile`
#[derive(Debug, Args)]
#[command(after_help = examples::COMPILE)]
pub struct CompileArgs {
    #[command(flatten)]
    pub cell: CellArgs,
    #[command(flatten)]
    pub feedback: FeedbackArgs,
    /// Prints one stage instead of the summary; where --set is given, for these values and the defaults of the others
    #[arg(help_heading = heading::RESULTS, long, value_name = "STAGE", value_parser = Emit::parser())]
    pub emit: Option<Emit>,
    /// Writes the artifact
    #[arg(help_heading = heading::RESULTS, long, short, value_name = "FILE.ron")]
    pub output: Option<PathBuf>,
    /// The summary as JSON
    #[arg(help_heading = heading::RESULTS, long, conflicts_with = "emit")]
    pub json: bool,
    /// Prints how long each stage took
    #[arg(help_heading = heading::RESULTS, long)]
    pub timings: bool,
}

/// The mode of a model.
#[derive(Debug, Args)]
#[command(next_help_heading = heading::RUNNING)]
pub struct FeedbackArgs {
    /// The value that the feedbacks of a model with a teacher read: the target of the step before, or the model's own value. By
    /// default the target
    #[arg(long, value_enum)]
    pub feedback: Option<FeedbackChoice>,
}

/// The value of the step before that a feedback reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum FeedbackChoice {
    /// The target: teacher forcing
    Teacher,
    /// The model's own value: it runs free
    Own,
}

impl FeedbackArgs {
    /// Returns the mode of a cell; a plain cell has none to choose.
    pub fn of(&self, cell: &ir::Cell) -> Result<ir::Feedback, CliError> {
        let name = &cell.name;
        match self.feedback {
            Some(_) if !cell.is_model => {
                let message =
                    format!("--feedback: `{name}` is a cell, and only models have feedbacks");
                Err(CliError::Usage(message))
            }
            Some(FeedbackChoice::Own) => Ok(ir::Feedback::Own),
            Some(FeedbackChoice::Teacher) | None => Ok(ir::Feedback::Teacher),
        }
    }
}

/// `rnnc run`
#[derive(Debug, Args)]
#[command(after_help = examples::RUN)]
pub struct RunArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Writes the main output: .npy, or .csv for one sequence
    #[arg(help_heading = heading::RESULTS, long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Writes outputs, final states, masks and traces: a folder of .npy, or one .safetensors
    #[arg(help_heading = heading::RESULTS, long, value_name = "DIR|FILE.safetensors")]
    pub save: Option<PathBuf>,
    /// Named values to save
    #[arg(help_heading = heading::RESULTS, long, value_name = "NAMES", value_delimiter = ',', requires = "save")]
    pub trace: Vec<String>,
}

/// `rnnc grad`
#[derive(Debug, Args)]
#[command(after_help = examples::GRAD)]
pub struct GradArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// The adjoint of an output, or of a final state as state.NAME, all others being 0; `ones` in place of a file, or a
    /// file of several arrays without a name
    #[arg(help_heading = heading::DATA, long, value_name = "[NAME=]FILE|NAME=ones")]
    pub upstream: Vec<OsString>,
    /// Writes the gradients
    #[arg(help_heading = heading::RESULTS, long, short, value_name = "FILE.safetensors")]
    pub output: Option<PathBuf>,
    /// Writes the norm of the adjoint of each state at each step
    #[arg(help_heading = heading::RESULTS, long, value_name = "FILE.csv")]
    pub flow: Option<PathBuf>,
}

/// `rnnc gradcheck`
#[derive(Debug, Args)]
#[command(after_help = examples::GRADCHECK)]
pub struct GradcheckArgs {
    #[command(flatten)]
    pub cell: CellArgs,
    #[command(flatten)]
    pub weights: WeightArgs,
    /// A folder as `rnnc train --data` reads it: sizes follow from its data, which is drawn all the same
    #[arg(help_heading = heading::DATA, long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The number of random draws of sizes, weights and data
    #[arg(help_heading = heading::DATA, long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// The lengths of the sequences
    #[arg(help_heading = heading::DATA, long, default_value = "1,2,7,20", value_name = "T,T", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub steps: Vec<u16>,
    /// Whose graphs are checked; the fast engine has a column of its own, in f32 against f64
    #[arg(help_heading = heading::RUNNING, long, value_enum, default_value_t = EngineChoice::Fast)]
    pub engine: EngineChoice,
    /// The table as JSON
    #[arg(help_heading = heading::RESULTS, long)]
    pub json: bool,
    /// Prints how long each stage took
    #[arg(help_heading = heading::RESULTS, long)]
    pub timings: bool,
}

/// `rnnc test`
#[derive(Debug, Args)]
#[command(after_help = examples::TEST)]
pub struct TestArgs {
    /// .rnn files, artifacts, or folders in which all .rnn files are tested
    #[arg(required = true)]
    pub specs: Vec<OsString>,
    /// Accepts what the specs do now: writes the snapshots that differ
    #[arg(long)]
    pub update: bool,
    /// Sets a dim or hyper in every cell that has it: H=4
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
    /// Prints the result of each spec as JSON
    #[arg(long)]
    pub json: bool,
}

/// `rnnc init`
#[derive(Debug, Args)]
#[command(after_help = examples::INIT)]
pub struct InitArgs {
    #[command(flatten)]
    pub cell: CellArgs,
    /// Draws the weights
    #[arg(help_heading = heading::WEIGHTS, long, default_value_t = 0, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub seed: u64,
    /// The type that is written
    #[arg(help_heading = heading::RESULTS, long, value_enum, default_value_t = FloatType::F32)]
    pub dtype: FloatType,
    /// The layout of the file, such as pytorch; else the cell's own names
    #[arg(help_heading = heading::RESULTS, long, value_name = "NAME")]
    pub layout: Option<String>,
    /// The text to write before the names
    #[arg(help_heading = heading::RESULTS, long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// The text to write after the names
    #[arg(help_heading = heading::RESULTS, long, value_name = "TEXT")]
    pub suffix: Option<String>,
    /// The file to write
    #[arg(help_heading = heading::RESULTS, long, short, value_name = "FILE.safetensors")]
    pub output: PathBuf,
    /// Prints the drawn and written file as JSON
    #[arg(help_heading = heading::RESULTS, long)]
    pub json: bool,
}

/// `rnnc convert`
#[derive(Debug, Args)]
#[command(after_help = examples::CONVERT)]
pub struct ConvertArgs {
    #[command(flatten)]
    pub cell: CellArgs,
    /// The weights: .safetensors, a .index.json of shards, .npz, or .pt as torch.save writes it
    #[arg(value_name = "IN")]
    pub input: PathBuf,
    /// The file to write
    #[arg(help_heading = heading::RESULTS, long, short, value_name = "OUT.safetensors")]
    pub output: PathBuf,
    /// The layout of the weights; `own` are the cell's own names
    #[arg(help_heading = heading::WEIGHTS, long, value_name = "NAME", default_value = "own")]
    pub from: String,
    /// The layout that is written; `own` are the cell's own names
    #[arg(help_heading = heading::RESULTS, long, value_name = "NAME", default_value = "own")]
    pub to: String,
    /// The text before the names that are read, such as encoder.rnn.; other tensors are left out
    #[arg(help_heading = heading::WEIGHTS, long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// The text after the names that are read, such as _l1 or _l0_reverse
    #[arg(help_heading = heading::WEIGHTS, long, value_name = "TEXT")]
    pub suffix: Option<String>,
    /// The text to write before the names
    #[arg(help_heading = heading::RESULTS, long, value_name = "TEXT")]
    pub to_prefix: Option<String>,
    /// The text to write after the names
    #[arg(help_heading = heading::RESULTS, long, value_name = "TEXT")]
    pub to_suffix: Option<String>,
    /// Takes weights of which some have no place in the cell
    #[arg(help_heading = heading::WEIGHTS, long)]
    pub ignore_extra: bool,
    /// Prints the converted and written file as JSON
    #[arg(help_heading = heading::RESULTS, long)]
    pub json: bool,
}

/// `rnnc compare`
#[derive(Debug, Args)]
#[command(after_help = examples::COMPARE)]
pub struct CompareArgs {
    /// An array, a table, a file of several arrays, or a folder of .npy files
    pub a: PathBuf,
    /// The arrays to compare with
    pub b: PathBuf,
    /// How far elements may be apart: at most this, plus this times the size of the element of B
    #[arg(long, value_name = "BOUND", default_value_t = 0.0, value_parser = tolerance,
        allow_hyphen_values = true)]
    pub tol: f64,
    /// The worst element of each array as JSON
    #[arg(long)]
    pub json: bool,
}

/// `rnnc bench`
#[derive(Debug, Args)]
#[command(after_help = examples::BENCH)]
pub struct BenchArgs {
    #[command(flatten)]
    pub cell: CellArgs,
    #[command(flatten)]
    pub feedback: FeedbackArgs,
    /// The number of sequences
    #[arg(help_heading = heading::DATA, long, default_value_t = 1, value_name = "B", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// The steps of each sequence
    #[arg(help_heading = heading::DATA, long, default_value_t = 100, value_name = "T", value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// The most threads to use
    #[arg(help_heading = heading::RUNNING, long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// The bytes that a run may hold, beside data, results and weights, such as 64M
    #[arg(help_heading = heading::RUNNING, long, value_name = "BYTES", value_parser = bytes)]
    pub memory: Option<u64>,
    /// The number of measurements
    #[arg(help_heading = heading::RUNNING, long, default_value_t = 7, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeats: u16,
    /// The figures as JSON
    #[arg(help_heading = heading::RESULTS, long)]
    pub json: bool,
}

/// `rnnc list`
#[derive(Debug, Args)]
#[command(after_help = examples::LIST)]
pub struct ListArgs {
    /// Dims, states, parameters, class of each cell as JSON
    #[arg(long)]
    pub json: bool,
    /// Every cell with its equations, as a page of Markdown with LaTeX
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// `rnnc show`
#[derive(Debug, Args)]
#[command(after_help = examples::SHOW)]
pub struct ShowArgs {
    /// std/NAME, a .rnn file, or an artifact to see the source in it
    pub name: OsString,
    /// Its equations in LaTeX
    #[arg(long)]
    pub latex: bool,
    /// With the equations of its backward pass
    #[arg(long, requires = "latex")]
    pub backward: bool,
    /// The text as JSON
    #[arg(help_heading = heading::RESULTS, long)]
    pub json: bool,
}

/// `rnnc explain`
#[derive(Debug, Args)]
#[command(after_help = examples::EXPLAIN)]
pub struct ExplainArgs {
    /// A code such as E0301; without it, all codes are listed
    pub code: Option<String>,
    /// The text, or the list, as JSON
    #[arg(help_heading = heading::RESULTS, long)]
    pub json: bool,
}

/// `rnnc completions`
#[derive(Debug, Args)]
#[command(after_help = examples::COMPLETIONS)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `rnnc man`
#[derive(Debug, Args)]
#[command(after_help = examples::MAN)]
pub struct ManArgs {
    /// The folder of the pages; made if it is not there
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// `rnnc version`
#[derive(Debug, Args)]
#[command(after_help = examples::VERSION)]
pub struct VersionArgs {
    /// The same as JSON
    #[arg(long)]
    pub json: bool,
}
