//! The arguments of `rnnc plot`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::examples;

/// What is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PlotKind {
    /// The loss of trainings, update by update: metrics.jsonl, or the folders that hold one
    Loss,
    /// The adjoints of states, step by step, on a logarithmic axis: tables of grad --flow
    Flow,
    /// Units by steps, and the share of saturated ones: arrays of run --trace (.npy, .safetensors)
    Gates,
    /// Values step by step: .npy or .csv, predictions first, targets last
    Prediction,
}

/// `rnnc plot`
#[derive(Debug, Args)]
#[command(after_help = examples::PLOT)]
pub struct PlotArgs {
    /// What is shown
    #[arg(value_enum)]
    pub kind: PlotKind,
    /// What other commands wrote
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where the picture goes
    #[arg(long, short, value_name = "FILE.svg")]
    pub output: PathBuf,
    /// What a file is called in the picture, one for each in their order; without it as the file is
    #[arg(long, value_name = "NAME")]
    pub label: Vec<String>,
    /// What was drawn and written as JSON
    #[arg(long)]
    pub json: bool,
}
