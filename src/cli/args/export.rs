//! The arguments of `rnnc export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{CellArgs, WeightArgs, examples, heading};
use crate::cli::values::seed;
use crate::export::Target;

/// `rnnc export`
#[derive(Debug, Args)]
#[command(after_help = examples::EXPORT)]
#[command(mut_arg("spec", |it| it.help("A .rnn file, `-` for standard input, a compiled .ron artifact, std/NAME, or the folder of a training")))]
pub struct ExportArgs {
    #[command(flatten)]
    pub cell: CellArgs,
    /// The target that it runs on
    #[arg(long, value_enum, value_name = "TARGET")]
    pub to: TargetChoice,
    /// The file to write; others beside it have the same name and another ending
    #[arg(long, short, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub weights: WeightArgs,
    /// Draws the weights that are not given; 0 by default
    #[arg(help_heading = heading::WEIGHTS, long, value_name = "N", value_parser = seed, allow_hyphen_values = true)]
    pub seed: Option<u64>,
    /// The type of weights: f16 for onnx, i8 for c
    #[arg(long = "weights", value_enum, value_name = "f32|f16|i8")]
    pub weights_as: Option<WeightsChoice>,
    /// The source of elementary functions (c): the library of the system, or the file itself
    #[arg(long, value_enum, value_name = "libm|own")]
    pub math: Option<MathChoice>,
    /// The prefix of functions and types (c); by default the name of the cell in small letters
    #[arg(long, value_name = "SYMBOL")]
    pub name: Option<String>,
    /// A model of one step, states in and out (onnx)
    #[arg(long)]
    pub step: bool,
    /// Adds the input `lengths` (onnx)
    #[arg(long)]
    pub lengths: bool,
    /// Leaves out the defaults of inputs and states, for runtimes that take them for constants (onnx)
    #[arg(long)]
    pub no_defaults: bool,
    /// The version of the operators: 15 to 21, by default 17 (onnx)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(15..=21))]
    pub opset: Option<u8>,
    /// Prints the written files as JSON
    #[arg(long)]
    pub json: bool,
}

/// The targets of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum TargetChoice {
    /// An ONNX model
    Onnx,
    /// A module of PyTorch, which trains
    Pytorch,
    /// Pure functions for JAX, which train
    Jax,
    /// Pure functions for NumPy
    Numpy,
    /// C99 without a heap, for microcontrollers
    C,
}

/// The types of weights.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum WeightsChoice {
    /// In single precision
    F32,
    /// Matrices in half precision
    F16,
    /// Matrices as whole numbers, with a factor for each row
    I8,
}

/// The sources of elementary functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum MathChoice {
    /// The library of the system
    Libm,
    /// The file itself
    Own,
}

impl TargetChoice {
    /// Returns the target.
    pub fn target(self) -> Target {
        match self {
            TargetChoice::Onnx => Target::Onnx,
            TargetChoice::Pytorch => Target::Pytorch,
            TargetChoice::Jax => Target::Jax,
            TargetChoice::Numpy => Target::Numpy,
            TargetChoice::C => Target::C,
        }
    }
}
