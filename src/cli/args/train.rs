//! The arguments of the commands about training.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::TypedValueParser as _;

use super::examples;
use crate::cli::config::{Eval, Flags, Generate, Predict, Train};

/// `rnnc train`
#[derive(Debug, Args)]
#[command(after_help = examples::TRAIN)]
pub struct TrainArgs {
    /// A .rnn file, a compiled .ron artifact, or std/NAME; with --resume it may be left out
    pub spec: Option<OsString>,
    /// The folder of the training; a new one, or with --resume one that is there
    #[arg(long, short, value_name = "DIR", required_unless_present = "print_config")]
    pub output: Option<PathBuf>,
    /// Reads keys from a file; flags win
    #[arg(long, value_name = "FILE.ron")]
    pub config: Option<PathBuf>,
    /// Goes on from the newest good checkpoint; from nothing when there is none
    #[arg(long)]
    pub resume: bool,
    /// Prints the configuration that is meant, with a comment for each key, and ends
    #[arg(long)]
    pub print_config: bool,
    /// The summary as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub keys: Flags<Train>,
}

/// `rnnc eval`
#[derive(Debug, Args)]
#[command(after_help = examples::EVAL)]
pub struct EvalArgs {
    /// The folder of a training
    #[arg(value_name = "DIR")]
    pub run: PathBuf,
    /// The checkpoint: best, last, or an update [default: best where there was validation, else last]
    #[arg(long, value_name = "best|last|N")]
    pub checkpoint: Option<String>,
    /// The value that feedbacks read
    #[arg(long, value_name = "teacher|own", value_parser = ["teacher", "own"], hide_possible_values = true)]
    pub feedback: Option<String>,
    /// The number of steps that are told the target of the step before, until the model runs free; later steps alone count
    #[arg(long, value_name = "K", value_parser = count, allow_negative_numbers = true)]
    pub prime_steps: Option<usize>,
    /// The part of the training's own data
    #[arg(long, value_name = "train|valid", value_parser = ["train", "valid"], hide_possible_values = true)]
    pub part: Option<String>,
    /// The score as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub keys: Flags<Eval>,
}

/// `rnnc predict`
#[derive(Debug, Args)]
#[command(after_help = examples::PREDICT)]
pub struct PredictArgs {
    /// The folder of a training
    #[arg(value_name = "DIR")]
    pub run: PathBuf,
    /// Writes the main output: .npy, or for a series .csv with the rows and the targets
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Writes all outputs: a folder of .npy, or one .safetensors
    #[arg(long, value_name = "DIR|FILE.safetensors")]
    pub save: Option<PathBuf>,
    /// The checkpoint: best, last, or an update [default: best where there was validation, else last]
    #[arg(long, value_name = "best|last|N")]
    pub checkpoint: Option<String>,
    /// The value that feedbacks read
    #[arg(long, value_name = "teacher|own", value_parser = ["teacher", "own"], hide_possible_values = true)]
    pub feedback: Option<String>,
    /// The part of the training's own data
    #[arg(long, value_name = "train|valid", value_parser = ["train", "valid"], hide_possible_values = true)]
    pub part: Option<String>,
    /// Shapes, least, mean and greatest values of the outputs as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub keys: Flags<Predict>,
}

/// `rnnc generate`
#[derive(Debug, Args)]
#[command(after_help = examples::GENERATE)]
pub struct GenerateArgs {
    /// The folder of a training
    #[arg(value_name = "DIR")]
    pub run: PathBuf,
    /// The number of new values
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub steps: usize,
    /// The beginning of the text
    #[arg(long, value_name = "TEXT", conflicts_with = "prime_file")]
    pub prime: Option<String>,
    /// A file that holds what a text begins with
    #[arg(long, value_name = "FILE")]
    pub prime_file: Option<PathBuf>,
    /// The number of steps of the targets that are known [default: all there are]
    #[arg(long, value_name = "K", value_parser = count, allow_negative_numbers = true)]
    pub prime_steps: Option<usize>,
    /// The value that feedbacks read after the prime: the model's own output
    #[arg(long, value_name = "own", value_parser = ["own"], hide_possible_values = true)]
    pub feedback: Option<String>,
    /// Divides the logits of `sample`; 0 takes the largest
    #[arg(long, value_name = "X", value_parser = temperature, allow_negative_numbers = true)]
    pub temperature: Option<f64>,
    /// The number of sequences, each with draws of its own
    #[arg(long, value_name = "C", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub count: Option<usize>,
    /// Writes what is generated instead of printing it
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The checkpoint: best, last, or an update [default: best where there was validation, else last]
    #[arg(long, value_name = "best|last|N")]
    pub checkpoint: Option<String>,
    /// Prints the generated values as JSON
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub keys: Flags<Generate>,
}

fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "write a whole number of at least 0".to_owned())
}

fn temperature(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.parse().ok();
    let number = number.filter(|it| it.is_finite() && *it >= 0.0);
    number.ok_or_else(|| "write a number of at least 0, such as 0.7".to_owned())
}
