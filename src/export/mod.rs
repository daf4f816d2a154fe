//! A cell with its weights as a file that runs elsewhere.
//!
//! Three facts, made once by [`lower`], are all that a back-end reads: the graph for the sizes that are known, what is
//! computed when, and the user's names. A back-end gives every operator a meaning in one exhaustive match without a
//! wildcard, and returns named bytes; it touches no file.
//!
//! | file | what it does |
//! |---|---|
//! | `lower` | the graph, the stages, the names |
//! | `names` | identifiers of a target language |
//! | `expr` | expressions of Python, and what differs between its languages |
//! | `python` | functions of whole arrays: one walk for the three Python targets |
//! | `program`, `lines` | the file around these functions, and its parts |
//! | `draws` | how params are drawn |
//! | `onnx` | a graph with a loop for each recurrence |
//! | `c` | a step in loops |
//! | `numpy`, `torch`, `jax` | the tables of expressions, and what else differs |

mod c;
mod draws;
mod expr;
mod jax;
mod lines;
mod lower;
mod names;
mod numpy;
mod onnx;
mod product;
mod program;
mod python;
mod torch;

pub use onnx::{OPSET, OPSETS};

use std::collections::BTreeMap;

use ndarray::{ArrayD, Dimension};
use serde::Serialize;

use crate::data::{self, DataError};
use crate::exec::{BindError, Bound};

/// The target of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// ONNX.
    Onnx,
    /// A module of PyTorch.
    Pytorch,
    /// Pure functions for JAX.
    Jax,
    /// Pure functions for NumPy.
    Numpy,
    /// C99.
    C,
}

/// The types of weights.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Weights {
    /// In single precision.
    #[default]
    F32,
    /// Matrices in half precision.
    F16,
    /// Matrices as whole numbers with a factor for each row.
    I8,
}

/// The sources of elementary functions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Math {
    /// The library of the system.
    #[default]
    Libm,
    /// The file itself.
    Own,
}

/// The choices beside the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// The types of weights.
    pub weights: Weights,
    /// The sources of elementary functions.
    pub math: Math,
    /// The prefix of what a file of C has.
    pub name: Option<String>,
    /// True if an ONNX model is one step.
    pub step: bool,
    /// True if an ONNX model takes lengths.
    pub lengths: bool,
    /// True if inputs of an ONNX model have defaults.
    pub defaults: bool,
    /// The version of ONNX operators.
    pub opset: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            weights: Weights::F32,
            math: Math::Libm,
            name: None,
            step: false,
            lengths: false,
            defaults: true,
            opset: OPSET,
        }
    }
}

impl Target {
    /// All of them, in the order in which they are listed.
    pub const ALL: &[Target] =
        &[Target::Onnx, Target::Pytorch, Target::Jax, Target::Numpy, Target::C];

    /// Returns the word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Target::Onnx => "onnx",
            Target::Pytorch => "pytorch",
            Target::Jax => "jax",
            Target::Numpy => "numpy",
            Target::C => "c",
        }
    }

    /// Returns the ending of its file.
    pub fn ending(self) -> &'static str {
        match self {
            Target::Onnx => "onnx",
            Target::Pytorch | Target::Jax | Target::Numpy => "py",
            Target::C => "c",
        }
    }

    /// Returns the endings of what it writes beside its file.
    pub fn companions(self) -> &'static [&'static str] {
        match self {
            Target::Pytorch | Target::Jax | Target::Numpy => &[".safetensors"],
            Target::C => &[".h"],
            Target::Onnx => &[],
        }
    }

    /// Returns true if the written program can be trained, so that gradients matter.
    fn trains(self) -> bool {
        match self {
            Target::Pytorch | Target::Jax => true,
            Target::Onnx | Target::Numpy | Target::C => false,
        }
    }
}

/// The reasons for which a cell cannot be written for a target.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ExportError {
    /// Nothing tells the number of steps and sequences.
    #[error("`{0}` has no input, which would tell the number of steps and sequences")]
    NoInput(String),
    /// A layer reads backward where there are single steps.
    #[error(
        "cell `{cell}` has no single step: `{carry}` goes from the last step of a sequence to the first; run whole sequences"
    )]
    Backward {
        /// The cell.
        cell: String,
        /// The carried value.
        carry: String,
    },
    /// More than a file may hold.
    #[error("the weights take {0} bytes; an ONNX file holds at most 2 GiB")]
    TooLarge(u64),
    /// A draw is asked for where there is no stream of random numbers.
    #[error("`{cell}` draws with `sample`, which {target} cannot: export it for pytorch or jax")]
    Draws {
        /// The cell.
        cell: String,
        /// The target.
        target: &'static str,
    },
    /// The sizes do not fit.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The weights cannot be written.
    #[error("the weights cannot be written: {0}")]
    Weights(String),
}

impl From<DataError> for ExportError {
    fn from(error: DataError) -> ExportError {
        ExportError::Weights(error.to_string())
    }
}

/// A file that is to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    /// The ending after the stem that the user chose, such as `.py` and `.safetensors`.
    pub ending: &'static str,
    /// The contents.
    pub bytes: Vec<u8>,
}

/// A number, or what JSON has no number for.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Number {
    /// A finite number.
    Finite(f64),
    /// `inf`, `-inf` or `nan`.
    Word(&'static str),
}

impl Number {
    /// Wraps a number.
    pub fn of(value: f64) -> Number {
        match value {
            _ if value.is_nan() => Number::Word("nan"),
            f64::INFINITY => Number::Word("inf"),
            f64::NEG_INFINITY => Number::Word("-inf"),
            _ => Number::Finite(value),
        }
    }
}

/// The start of a carried value.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Begin {
    /// The same number everywhere.
    All(Number),
    /// A number for each element, row-major.
    Each(Vec<Number>),
}

impl Begin {
    /// Tells the start of a carried value.
    pub fn of(values: &ArrayD<f64>) -> Begin {
        let all: Vec<Number> = values.iter().map(|it| Number::of(f64::from(*it as f32))).collect();
        match all.first() {
            Some(first) if all.iter().all(|it| it == first) => Begin::All(first.clone()),
            Some(_) => Begin::Each(all),
            None => Begin::All(Number::Finite(0.0)),
        }
    }
}

/// A value that goes into a file or comes out of it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Told {
    /// The user's name.
    pub name: String,
    /// The name in the file.
    pub id: String,
    /// The shape of one step of one sequence.
    pub shape: Vec<usize>,
    /// The type, of inputs and states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dtype: Option<&'static str>,
    /// The default of an input; the inner value is none where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Option<Number>>,
    /// Of an input, that it is given once for each sequence.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub per_sequence: bool,
    /// The start of a state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Begin>,
    /// Of weights, whether they are trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trained: Option<bool>,
}

impl Told {
    /// Returns a value without anything but its names and its shape.
    fn new(name: &str, id: &str, shape: &[usize]) -> Told {
        Told {
            name: name.to_owned(),
            id: id.to_owned(),
            shape: shape.to_vec(),
            dtype: None,
            default: None,
            per_sequence: false,
            start: None,
            trained: None,
        }
    }
}

/// The files that were written.
#[derive(Clone, PartialEq, Debug)]
pub struct Exported {
    /// The class or the prefix of what the file has.
    pub symbol: String,
    /// The files, that of `-o` first.
    pub files: Vec<File>,
    /// The sizes of the cell.
    pub sizes: BTreeMap<String, i64>,
    /// The operator that it became.
    pub operator: Option<&'static str>,
    /// The inputs, in the order of the file.
    pub inputs: Vec<Told>,
    /// The outputs, in the order of the cell.
    pub outputs: Vec<Told>,
    /// All carried values, in the order of the cell.
    pub states: Vec<Told>,
    /// The weights.
    pub params: Vec<Told>,
    /// The memory that a file of C takes.
    pub bytes: Option<Bytes>,
    /// The error that rounding of the weights causes.
    pub error: Option<Error>,
}

/// Memory in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Bytes {
    /// Of constants.
    pub weights: u64,
    /// Of the state.
    pub state: u64,
    /// Of the locals of a step.
    pub scratch: u64,
}

/// The error that rounding of the weights causes.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Error {
    /// The largest difference of each output on the demonstration sequence.
    pub outputs: BTreeMap<String, f64>,
}

/// Writes a cell with its weights for a target. The cell is plain: of a model, the one that runs free.
pub fn export(
    bound: &Bound,
    params: &[ArrayD<f64>],
    target: Target,
    options: &Options,
) -> Result<Exported, ExportError> {
    let lowered = lower::Lowered::new(bound, params, target)?;
    match target {
        Target::Pytorch => torch::export(&lowered),
        Target::Jax => jax::export(&lowered),
        Target::Numpy => numpy::export(&lowered),
        Target::C => c::export(&lowered, options),
        Target::Onnx => onnx::export(&lowered, options),
    }
}

/// Refuses a param with an element that a type of weights cannot hold.
fn check_elements(
    lowered: &lower::Lowered,
    param: usize,
    kind: &str,
    holds: impl Fn(f64) -> bool,
) -> Result<(), ExportError> {
    let Some((at, value)) = lowered.params[param].indexed_iter().find(|it| !holds(*it.1)) else {
        return Ok(());
    };
    let name = &lowered.cell.params[param].name;
    let at: Vec<String> = at.slice().iter().map(usize::to_string).collect();
    let at = at.join(", ");
    Err(ExportError::Weights(format!(
        "param `{name}` is {value} at [{at}], which {kind} cannot hold; export without `--weights {kind}`"
    )))
}

/// Returns the weights as the file beside a Python file, under these names.
impl Exported {
    /// Returns the description of files; `told` has inputs, outputs, states and params.
    fn new(
        low: &lower::Lowered,
        symbol: String,
        files: Vec<File>,
        told: [Vec<Told>; 4],
    ) -> Exported {
        let sizes = low.env.sizes.iter().map(|(name, it)| (name.to_string(), *it)).collect();
        let [inputs, outputs, states, params] = told;
        let (operator, bytes, error) = (None, None, None);
        Exported { symbol, files, sizes, operator, inputs, outputs, states, params, bytes, error }
    }
}

fn weights(lowered: &lower::Lowered, names: &[String]) -> Result<File, ExportError> {
    let typed = lowered.params.iter().map(|it| it.mapv(|it| it as f32));
    let named: Vec<(String, ArrayD<f32>)> = names.iter().cloned().zip(typed).collect();
    let rnnc = env!("CARGO_PKG_VERSION").to_owned();
    let metadata = [("cell", lowered.cell.name.to_string()), ("rnnc", rnnc)];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
    let bytes = data::write_safetensors(&named, &metadata)?;
    Ok(File { ending: ".safetensors", bytes })
}
