//! The way into running for programs: an engine for a cell with its sizes.

mod call;
mod stream;

use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::arrays::{Params, Wanted};
use super::bind::Bound;
use super::fast::{EngineError, Fast};
use super::init::{InitError, init};
use super::kernels::Path;
use super::reference::RunError;
pub use super::run::Run;
use super::team::Team;
use super::workers::Workers;
use crate::derive::Adjoint;
use crate::ir::{Cell, Env, Real};
use crate::plan::pipeline::{self, Graphs};
use crate::text::Name;

pub use stream::Stream;

/// What computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// The plain interpreter.
    Reference,
    /// The fast engine for f32; f64 runs on the interpreter.
    #[default]
    Fast,
}

/// The treatment of NaN and infinity in results.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnNotFinite {
    /// Nothing: they flow on, at full speed.
    Flow,
    /// It names where they begin, in [`Run::not_finite`]; the interpreter then runs some steps again.
    #[default]
    Find,
}

/// How an engine runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The named values of the step, such as gates, that a forward run gives beside the outputs.
    pub traces: Vec<Name>,
    /// What computes.
    pub kind: EngineKind,
    /// How many threads the fast engine may use; 0 for as many as the processor runs at once.
    /// Results are the same, bit by bit, for any number.
    pub threads: usize,
    /// The threads of the fast engine, where several engines share them; `threads` says nothing then.
    pub team: Option<Team>,
    /// The treatment of NaN and infinity.
    pub not_finite: OnNotFinite,
    /// Makes backward give the norms of the states' adjoints, [`crate::exec::Gradients::flow`].
    pub flow: bool,
    /// Which gradients backward gives.
    pub wanted: Wanted,
    /// The bytes that a run of the fast engine may hold beside what it is given and copies of that, its
    /// results and what has the size of params. Where what forward keeps for backward would take more, forward keeps
    /// the carried values at some steps alone, and backward runs the steps between them again.
    /// Outputs are the same, bit by bit; gradients are sums in another order. The interpreter takes
    /// what it needs.
    pub memory: Option<u64>,
}

impl EngineOptions {
    /// The plain interpreter.
    pub fn reference() -> EngineOptions {
        EngineOptions { kind: EngineKind::Reference, ..EngineOptions::default() }
    }
}

/// Runs a cell forward and backward, any number of times. The fast engine keeps packed weights, memory
/// of a few runs and threads for later runs, until it is dropped; the interpreter the derived backward
/// step.
#[derive(Clone, Debug)]
pub struct Engine {
    bound: Bound,
    /// The backward step of the interpreter, derived when it is first wanted.
    adjoint: OnceLock<Adjoint>,
    options: EngineOptions,
    fast: Option<Arc<Fast>>,
}

impl Bound {
    /// Draws params. A draw depends on the seed and the full name alone.
    pub fn init<F: Real>(&self, seed: u64) -> Result<Params<F>, InitError> {
        init(self, seed)
    }

    /// An engine for this cell.
    ///
    /// # Errors
    ///
    /// When the cell has no value of a name in [`EngineOptions::traces`]; and where the fast engine
    /// is asked for and cannot run the cell, which is a fault of its compiler.
    pub fn engine(&self, options: EngineOptions) -> Result<Engine, RunError> {
        let EngineOptions { traces, threads, memory, flow, wanted, .. } = &options;
        let finds = options.not_finite == OnNotFinite::Find;
        let cell = self.cell();
        let unknown = |it: &&Name| !cell.values.iter().any(|value| value.name == **it);
        if let Some(name) = traces.iter().find(unknown) {
            return Err(RunError::unknown_value(cell, name));
        }
        let fast = match options.kind {
            EngineKind::Reference => None,
            EngineKind::Fast => {
                let team = options.team.clone().unwrap_or_else(|| Team::new(*threads));
                let fast = Fast::with(self, traces, (*flow, *wanted), Path::best(), team)?;
                Some(Arc::new(fast.within(*memory).finding(finds)))
            }
        };
        Ok(Engine { bound: self.clone(), adjoint: OnceLock::new(), options, fast })
    }
}

impl Engine {
    /// What computes runs in f32; those in f64 are the interpreter's.
    pub fn kind(&self) -> EngineKind {
        if self.fast.is_some() { EngineKind::Fast } else { EngineKind::Reference }
    }

    /// The backward step of the interpreter, which also names what is not finite in the fast engine.
    fn adjoint(&self) -> Result<&Adjoint, EngineError> {
        if let Some(known) = self.adjoint.get() {
            return Ok(known);
        }
        let graphs = Graphs::new(self.bound.cell(), &Env::default(), &[]).with_flow(true);
        let derived = graphs.run(pipeline::PLAIN).training();
        let none = |it| EngineError::new(&self.bound.cell().step, None, it);
        let (_, adjoint) = derived.map_err(none)?;
        Ok(self.adjoint.get_or_init(|| adjoint))
    }

    /// Returns the graphs that run: the cell after all passes, and its backward step.
    pub fn graphs(&self) -> Result<(&Cell, &Adjoint), RunError> {
        Ok(match &self.fast {
            Some(fast) => (fast.bound().cell(), fast.adjoint()),
            None => (self.bound.cell(), self.adjoint()?),
        })
    }

    /// The cell with its sizes.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The threads and vectors of the engine, for other loops.
    pub fn workers(&self) -> Workers<'_> {
        self.fast.as_ref().map_or_else(Workers::default, |it| it.workers())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, IxDyn};

    use super::super::{Feed, InitialState, Inputs, Upstream, bind, hand};
    use super::*;

    #[test]
    fn the_interpreters_adjoint_is_derived_when_it_runs_backward() {
        let bound = bind(&hand::gated(), hand::sizes(&[("I", 2), ("H", 3)])).unwrap();
        for (options, derives) in
            [(EngineOptions::default(), false), (EngineOptions::reference(), true)]
        {
            let engine = bound.engine(options).unwrap();
            let params = bound.init::<f32>(1).unwrap();
            let shape = [&[2, 1], &bound.input_shapes()[0][..]].concat();
            let inputs = Inputs::new(vec![Some(Feed::Batch(ArrayD::zeros(IxDyn(&shape))))]);
            let state = InitialState::declared(bound.cell().carries.len());
            let run = engine.forward(&params, &inputs, &state).unwrap();
            assert!(engine.adjoint.get().is_none());
            let outputs = bound.cell().outputs.len();
            engine.backward(&run, &Upstream::ones(outputs, bound.cell().carries.len())).unwrap();
            assert_eq!(engine.adjoint.get().is_some(), derives);
        }
    }
}
