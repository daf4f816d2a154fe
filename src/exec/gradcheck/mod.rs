//! Are the gradients right? Reverse mode against forward mode and against central differences, in
//! f64.
//!
//! Forward mode has no step size and sees faults of relative size 1e-12, but shares the table of
//! operators with reverse mode; central differences are coarser and share nothing. Both look at
//! each param, input and initial state by itself, so that a fault is named.

mod compare;
mod sample;

use ndarray::ArrayD;

use crate::derive::{self, Adjoint, Tangent};
use crate::diag::Code;
use crate::ir::pointwise::Row;
use crate::ir::{Cell, Env};
use crate::text::Name;

use super::bind::BindError;
use super::init::InitError;
use super::masks::Masks;
use super::reference::RunError;

/// What to check, and how closely.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sizes and hypers that are not to be drawn.
    pub env: Env,
    /// Params that are not to be drawn, by their position in the cell; those beyond its end are.
    pub params: Vec<Option<ArrayD<f64>>>,
    /// The lengths of the sequences.
    pub lengths: Vec<usize>,
    /// How many samples of each length; also the seeds, from 0.
    pub seeds: u64,
    /// The greatest normwise difference from forward mode.
    pub forward_bound: f64,
    /// The greatest normwise difference from central differences.
    pub difference_bound: f64,
    /// The step of the differences, times the size of the element where that is above 1.
    pub step: f64,
    /// How many elements of a tensor are moved: all, or this many drawn ones.
    pub elements: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            env: Env::default(),
            params: Vec::new(),
            lengths: vec![1, 2, 7, 20],
            seeds: 3,
            forward_bound: 1e-12,
            difference_bound: 1e-7,
            step: 1e-5,
            elements: 64,
        }
    }
}

/// What kind of thing a gradient belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A trained param.
    Param,
    /// A real input.
    Input,
    /// The start of a real carried value.
    Start,
}

/// The worst of one comparison over all samples.
#[derive(Clone, PartialEq, Debug)]
pub struct Worst {
    /// The normwise difference: that of the tensors over the norm of the gradient.
    pub error: f64,
    /// The element that differs most, where it was looked for.
    pub element: Option<Vec<usize>>,
    /// The length of the sequences.
    pub steps: usize,
    /// The seed of the sample.
    pub seed: u64,
}

/// One line of the report.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// The name, such as `W_z`, `x` or `h.2`.
    pub name: Name,
    /// What it is.
    pub kind: Kind,
    /// Reverse against forward mode.
    pub forward: Option<Worst>,
    /// Reverse mode against central differences.
    pub difference: Option<Worst>,
    /// Why there are no central differences, where there are none.
    pub forward_alone: Option<&'static str>,
    /// Whether all comparisons stay within their bounds.
    pub passes: bool,
}

/// The result of a check: a line for each param, input and start.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// Params in the order of the cell, then inputs, then starts.
    pub lines: Vec<Line>,
    /// How many samples were compared.
    pub samples: usize,
}

impl Report {
    /// Whether every line passes.
    pub fn passes(&self) -> bool {
        self.lines.iter().all(|it| it.passes)
    }
}

/// Why a cell cannot be checked.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum CheckError {
    /// No sizes fit.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A param cannot be drawn.
    #[error(transparent)]
    Init(#[from] InitError),
    /// A run cannot start.
    #[error(transparent)]
    Run(#[from] RunError),
    /// All samples gave NaN or infinity.
    #[error(
        "no random sample gives finite numbers over {steps} steps, so there is nothing to compare"
    )]
    NothingFinite {
        /// The length that was tried.
        steps: usize,
    },
}

impl CheckError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            CheckError::Bind(fault) => fault.code(),
            CheckError::Init(fault) => fault.code(),
            CheckError::Run(fault) => fault.code(),
            CheckError::NothingFinite { .. } => Code::NotFinite,
        }
    }
}

/// Checks the gradients that `table` gives for a cell. Equal arguments give equal reports.
pub fn gradcheck(cell: &Cell, table: &[Row], options: &Options) -> Result<Report, CheckError> {
    check_derived(cell, table, options, &|it| {
        (derive::adjoint(it, table), derive::tangent(it, table))
    })
}

/// What the masks of a cell are in turn: their mean, and bits that stay as they are while
/// everything else moves.
fn modes(cell: &Cell, seed: u64) -> Vec<Masks<f64>> {
    match cell.masks.is_empty() {
        true => vec![Masks::Eval],
        false => vec![Masks::Eval, Masks::train(seed)],
    }
}

/// As [`gradcheck`], with derived graphs from elsewhere, so that a test may spoil them.
pub(crate) fn check_derived(
    cell: &Cell,
    table: &[Row],
    options: &Options,
    derive: &dyn Fn(&Cell) -> (Adjoint, Tangent),
) -> Result<Report, CheckError> {
    let mut report = compare::blank(cell);
    for seed in 0..options.seeds {
        let mut noise = sample::Noise::new(seed);
        let bound = sample::sizes(cell, &options.env, &mut noise)?;
        let (adjoint, tangent) = derive(bound.cell());
        let structure = sample::Structure::of(&bound, table);
        for &steps in &options.lengths {
            for masks in modes(cell, seed) {
                let given = &options.params;
                let sample =
                    sample::draw(&bound, &structure, given, steps, seed, &masks, &mut noise)?;
                compare::sample(
                    &mut report,
                    compare::Derived { adjoint: &adjoint, tangent: &tangent },
                    &structure,
                    &sample,
                    options,
                    &mut noise,
                )?;
            }
        }
    }
    for line in &mut report.lines {
        let within =
            |worst: &Option<Worst>, bound: f64| worst.as_ref().is_some_and(|it| it.error <= bound);
        if line.difference.is_none() && line.forward_alone.is_none() {
            line.forward_alone =
                compare::immovable(cell, line).then_some("it starts at an infinity");
        }
        line.passes = within(&line.forward, options.forward_bound)
            && (line.forward_alone.is_some() || within(&line.difference, options.difference_bound));
    }
    Ok(report)
}

#[cfg(test)]
mod operators;
#[cfg(test)]
mod tests;
