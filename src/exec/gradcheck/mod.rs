//! Are the gradients right? Reverse mode in f64 against forward mode and against central differences,
//! and the fast engine in f32 against reverse mode in f64.
//!
//! | comparison | sees | shares with what it checks |
//! |---|---|---|
//! | forward mode | a wrong adjoint, from 1e-12 on | the slopes of the table, the simplified step |
//! | differences | any wrong derivative, coarsely | nothing: they move the cell as it was written |
//! | fast engine | a wrong plan or kernel, as closely as f32 goes | the graphs |
//!
//! Reverse mode interprets the graphs that the fast engine runs (`plan::pipeline::FAST`), or those of
//! the interpreter where that is to be checked alone. Each param, input and initial state is looked at
//! by itself, so that a fault is named.

mod compare;
mod sample;
mod single;

use std::ops::ControlFlow;

use ndarray::ArrayD;

use crate::derive::{Adjoint, Tangent};
use crate::diag::Code;
use crate::ir::{Cell, Env};
use crate::plan::pipeline::{self, Graphs};
use crate::text::Name;

use super::bind::{BindError, Bound};
use super::engine::{Engine, EngineKind, EngineOptions};
use super::fast::EngineError;
use super::init::InitError;
use super::masks::Masks;
use super::reference::RunError;

/// The samples to draw, and the bounds.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sizes and hypers that are not to be drawn.
    pub env: Env,
    /// Params that are not to be drawn, by their position in the cell; those beyond its end are.
    pub params: Vec<Option<ArrayD<f64>>>,
    /// The lengths of the sequences.
    pub lengths: Vec<usize>,
    /// The samples of each length; also the seeds, from 0.
    pub seeds: u64,
    /// The greatest normwise difference from forward mode.
    pub forward_bound: f64,
    /// The greatest normwise difference from central differences.
    pub difference_bound: f64,
    /// The engine whose graphs are checked; the fast one is compared too.
    pub engine: EngineKind,
    /// The greatest normwise difference of the fast engine, in f32, from f64.
    pub fast_bound: f64,
    /// The step of the differences, times the size of the element where that is above 1.
    pub step: f64,
    /// The most elements of a tensor that are moved: all, or this number of drawn ones.
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
            engine: EngineKind::Fast,
            fast_bound: 1e-4,
            step: 1e-5,
            elements: 64,
        }
    }
}

/// The kinds of values that a gradient belongs to.
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
    /// The kind of the value.
    pub kind: Kind,
    /// Reverse against forward mode.
    pub forward: Option<Worst>,
    /// Reverse mode against central differences.
    pub difference: Option<Worst>,
    /// The fast engine in f32 against reverse mode in f64.
    pub fast: Option<Worst>,
    /// The reason for which the declared derivative is not that of the function, so that there are no central differences.
    pub forward_alone: Option<&'static str>,
    /// The reason for which central differences could not be compared, though there are some.
    pub no_difference: Option<&'static str>,
    /// The reason for which the fast engine could not be compared, though it was asked for.
    pub no_fast: Option<&'static str>,
    /// True if all comparisons that were made stay within their bounds.
    pub passes: bool,
}

/// The result of a check: a line for each param, input and start.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// Params in the order of the cell, then inputs, then starts.
    pub lines: Vec<Line>,
    /// The number of samples that were compared.
    pub samples: usize,
}

impl Report {
    /// Returns true if no comparison is beyond its bound.
    pub fn passes(&self) -> bool {
        self.lines.iter().all(|it| it.passes)
    }
}

/// The reasons for which a cell cannot be checked.
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
    /// Whoever was told of the progress stopped it.
    #[error("the check was stopped")]
    Stopped,
}

impl CheckError {
    /// Returns the stable code.
    pub fn code(&self) -> Code {
        match self {
            CheckError::Bind(fault) => fault.code(),
            CheckError::Init(fault) => fault.code(),
            CheckError::Run(fault) => fault.code(),
            CheckError::NothingFinite { .. } => Code::NotFinite,
            CheckError::Stopped => Code::BadSetting,
        }
    }
}

/// Checks the gradients of a cell. Equal arguments give equal reports.
pub fn gradcheck(cell: &Cell, options: &Options) -> Result<Report, CheckError> {
    gradcheck_with(cell, options, &mut |_, _| ControlFlow::Continue(()))
}

/// As [`gradcheck`]; `progress` is told how many samples are done, of how many, and may stop the check.
pub fn gradcheck_with(
    cell: &Cell,
    options: &Options,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Report, CheckError> {
    check_derived(cell, options, &|it| Derived::new(it, options.engine), progress)
}

/// The graphs under test, for the sizes of a cell.
pub(crate) struct Derived {
    /// The cell as it runs.
    bound: Bound,
    adjoint: Adjoint,
    tangent: Tangent,
    engine: Option<Engine>,
}

impl Derived {
    fn new(bound: &Bound, engine: EngineKind) -> Result<Derived, CheckError> {
        let passes = match engine {
            EngineKind::Fast => pipeline::FAST,
            EngineKind::Reference => pipeline::PLAIN,
        };
        let graphs = Graphs::new(bound.cell(), bound.env(), &[]).run(passes).run(pipeline::CHECK);
        let none = |it| RunError::from(EngineError::new(&bound.cell().step, None, it));
        let (cell, adjoint, tangent) = graphs.checked().map_err(none)?;
        // Another number of threads gives the same bits.
        let options = EngineOptions { threads: 1, ..EngineOptions::default() };
        let engine = (engine == EngineKind::Fast).then(|| bound.engine(options)).transpose()?;
        Ok(Derived { bound: bound.with(&cell)?, adjoint, tangent, engine })
    }
}

/// Returns the masks to run with in turn: their mean, and bits that stay the same while everything else moves.
fn modes(cell: &Cell, seed: u64) -> Vec<Masks<f64>> {
    match cell.masks.is_empty() {
        true => vec![Masks::Eval],
        false => vec![Masks::Eval, Masks::train(seed)],
    }
}

/// As [`gradcheck_with`], with what is under test from elsewhere, so that a test may spoil it.
pub(crate) fn check_derived(
    cell: &Cell,
    options: &Options,
    derive: &dyn Fn(&Bound) -> Result<Derived, CheckError>,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Report, CheckError> {
    let mut report = compare::blank(cell);
    let modes_of_one = modes(cell, 0).len();
    let all = options.seeds as usize * options.lengths.len() * modes_of_one;
    for seed in 0..options.seeds {
        let mut noise = sample::Noise::new(seed);
        let bound = sample::sizes(cell, &options.env, &mut noise)?;
        let derived = derive(&bound)?;
        let structure = sample::Structure::of(&bound);
        for &steps in &options.lengths {
            for masks in modes(cell, seed) {
                if progress(report.samples, all).is_break() {
                    return Err(CheckError::Stopped);
                }
                let given = &options.params;
                let sample =
                    sample::draw(&bound, &structure, given, steps, seed, &masks, &mut noise)?;
                compare::sample(&mut report, &derived, &structure, &sample, options, &mut noise)?;
            }
        }
    }
    for line in &mut report.lines {
        compare::conclude(line, cell, options);
    }
    Ok(report)
}

#[cfg(test)]
mod operators;
#[cfg(test)]
mod tests;
