//! The way into running for programs: an engine for a cell with its sizes.

use ndarray::ArrayD;

use super::arrays::{Gradients, InitialState, Inputs, Params, Upstream};
use super::bind::Bound;
use super::init::{InitError, init};
use super::masks::Masks;
use super::reference::{self, Call, Run, RunError};
use crate::derive::{self, Adjoint};
use crate::ir::{Real, pointwise};
use crate::text::Name;

/// How an engine runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The named values of the step, such as gates, that a forward run gives beside the outputs.
    pub traces: Vec<Name>,
}

/// Runs a cell forward and backward. It holds the derived backward step and no data, so one serves
/// any number of runs.
#[derive(Clone, Debug)]
pub struct Engine {
    bound: Bound,
    adjoint: Adjoint,
    options: EngineOptions,
}

impl Bound {
    /// Draws params. A draw depends on the seed and the full name alone.
    pub fn init<F: Real>(&self, seed: u64) -> Result<Params<F>, InitError> {
        init(self, seed)
    }

    /// An engine for this cell, which is the plain interpreter.
    pub fn engine(&self, options: EngineOptions) -> Engine {
        let adjoint = derive::adjoint(self.cell(), &pointwise::table());
        Engine { bound: self.clone(), adjoint, options }
    }
}

impl Engine {
    /// The cell with its sizes.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Runs T steps of a batch: outputs `[T, B, ...]`, final carried values `[B, ...]`, and what
    /// backward needs.
    pub fn forward<'a, F: Real>(
        &'a self,
        params: &'a Params<F>,
        inputs: &'a Inputs<F>,
        state: &'a InitialState<F>,
    ) -> Result<Run<'a, F>, RunError> {
        self.forward_with(params, inputs, state, &Masks::Eval)
    }

    /// As [`Engine::forward`], with masks for training; [`Run::masks`] gives their bits.
    pub fn forward_with<'a, F: Real>(
        &'a self,
        params: &'a Params<F>,
        inputs: &'a Inputs<F>,
        state: &'a InitialState<F>,
        masks: &'a Masks<F>,
    ) -> Result<Run<'a, F>, RunError> {
        let call = Call { bound: &self.bound, params, inputs, state, masks };
        reference::forward(call, &self.options.traces)
    }

    /// Back-propagates through time: the gradients of params, given inputs and starts.
    pub fn backward<F: Real>(
        &self,
        run: &Run<'_, F>,
        upstream: &Upstream<F>,
    ) -> Result<Gradients<F>, RunError> {
        reference::backward(run, &self.adjoint, upstream)
    }

    /// Runs one step (inputs of T = 1) and moves the state on, for sequences that come bit by bit.
    /// Gives each output, `[1, B, ...]`. T calls give what one run of T steps gives.
    pub fn step<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &mut InitialState<F>,
    ) -> Result<Vec<ArrayD<F>>, RunError> {
        self.step_with(params, inputs, state, &mut Masks::Eval)
    }

    /// As [`Engine::step`], with masks for training, whose number of the step moves on: the bits
    /// are those of one run of T steps. Given masks are those of this step alone.
    pub fn step_with<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &mut InitialState<F>,
        masks: &mut Masks<F>,
    ) -> Result<Vec<ArrayD<F>>, RunError> {
        let run = self.forward_with(params, inputs, state, masks)?;
        let steps = run.steps() as u64;
        let (outputs, states) = (run.outputs, run.states);
        *state = InitialState(states.into_iter().map(Some).collect());
        masks.move_on(steps);
        Ok(outputs)
    }
}
