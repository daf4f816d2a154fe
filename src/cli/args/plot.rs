//! The arguments of `rnnc plot`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::examples;

/// The kinds of plots.
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
    /// The kind of plot
    #[arg(value_enum)]
    pub kind: PlotKind,
    /// The files that other commands wrote
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The file of the picture
    #[arg(long, short, value_name = "FILE.svg")]
    pub output: PathBuf,
    /// The name of a file in the picture, one for each in their order; without it, that of the file
    #[arg(long, value_name = "NAME")]
    pub label: Vec<String>,
    /// Prints the drawn and written file as JSON
    #[arg(long)]
    pub json: bool,
}
