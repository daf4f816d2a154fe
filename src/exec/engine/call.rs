//! Runs of an engine, forward and backward.
//!
//! Which engine computes follows from the type of the numbers: f32 is what the fast one takes, all else is the
//! interpreter's. [`Real::to_single`] says it.

use std::marker::PhantomData;
use std::sync::Arc;

use ndarray::ArrayD;

use super::super::arrays::{Gradients, InitialState, Inputs, Params, Upstream};
use super::super::eval::Value;
use super::super::fast::{self, Fast};
use super::super::masks::Masks;
use super::super::reference::{self, InCall, LentCall, NotFinite, RunError};
use super::super::run::{Held, Kept, Own, Run, RunSize};
use super::super::views::{InputsView, Lent, StateView, UpstreamView};
use super::{Engine, EngineKind, OnNotFinite};
use crate::ir::{InReal, Real};

pub(super) const OTHER_ENGINE: &str = "the run is another engine's";
const NOTHING_KEPT: &str = "the run kept nothing for a backward run";
const LENT: &str = "the arrays of the run were lent to it: give them again, with `backward_with`";

/// The results of a run in each type.
struct InResults;

impl InReal for InResults {
    type In<F: Real> = ([Vec<ArrayD<F>>; 3], Option<Arc<Vec<ArrayD<F>>>>);
}

/// The arrays that are lent for a backward run.
struct InBackward<'a>(PhantomData<&'a ()>);

impl<'a> InReal for InBackward<'a> {
    type In<F: Real> = (Lent<'a, F>, UpstreamView<'a, F>);
}

struct InGradients;

impl InReal for InGradients {
    type In<F: Real> = Gradients<F>;
}

fn other() -> RunError {
    RunError::Data(OTHER_ENGINE.to_owned())
}

impl Engine {
    /// Runs T steps of a batch: outputs `[T, B, ...]`, final carried values `[B, ...]`, and what
    /// backward needs. The run copies the inputs and starts, for nobody promises that they stay as they are; one that
    /// copies nothing is [`Engine::forward_lent`].
    ///
    /// # Errors
    ///
    /// Fails where an array has not the shape that the cell asks for, or memory does not suffice.
    pub fn forward<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &InitialState<F>,
    ) -> Result<Run<F>, RunError> {
        self.forward_with(params, inputs, state, &Masks::Eval)
    }

    /// As [`Engine::forward`], with masks for training; [`Run::masks`] gives their bits.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`].
    pub fn forward_with<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &InitialState<F>,
        masks: &Masks<F>,
    ) -> Result<Run<F>, RunError> {
        self.forward_copied(params, inputs.view(), state.view(), masks)
    }

    /// As [`Engine::forward_with`], which copies inputs and starts from where they are.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`].
    pub fn forward_copied<'a, F: Real>(
        &self,
        params: &'a Params<F>,
        inputs: InputsView<'a, F>,
        state: StateView<'a, F>,
        masks: &Masks<F>,
    ) -> Result<Run<F>, RunError> {
        let lent = Lent { params: params.view(), inputs, state };
        let mut run = self.run(&lent, masks, true)?;
        run.own = Some(Own::of(params, &lent.inputs, &lent.state)?);
        Ok(run)
    }

    /// As [`Engine::forward`], where no backward run follows: nothing is kept for one.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`].
    pub fn infer<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &InitialState<F>,
    ) -> Result<Run<F>, RunError> {
        self.infer_with(params, inputs, state, &Masks::Eval)
    }

    /// As [`Engine::infer`], with masks as [`Engine::forward_with`] has them.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`].
    pub fn infer_with<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &InitialState<F>,
        masks: &Masks<F>,
    ) -> Result<Run<F>, RunError> {
        let lent = Lent { params: params.view(), inputs: inputs.view(), state: state.view() };
        self.infer_lent(lent, masks)
    }

    /// As [`Engine::forward_with`], of arrays in any memory, in any strides. The run keeps none of them:
    /// [`Engine::backward_with`] takes them again.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`].
    pub fn forward_lent<F: Real>(
        &self,
        lent: Lent<'_, F>,
        masks: &Masks<F>,
    ) -> Result<Run<F>, RunError> {
        self.run(&lent, masks, true)
    }

    /// As [`Engine::infer_with`], of arrays in any memory, in any strides.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`].
    pub fn infer_lent<F: Real>(
        &self,
        lent: Lent<'_, F>,
        masks: &Masks<F>,
    ) -> Result<Run<F>, RunError> {
        self.run(&lent, masks, false)
    }

    fn run<F: Real>(
        &self,
        lent: &Lent<'_, F>,
        masks: &Masks<F>,
        keeps: bool,
    ) -> Result<Run<F>, RunError> {
        let Some(fast) = self.fast.as_ref().filter(|_| F::NAME == f32::NAME) else {
            let lent = lent.reborrow();
            return self.plain_run(LentCall { bound: &self.bound, lent, masks }, keeps);
        };
        let call = LentCall { bound: fast.bound(), lent: lent.reborrow(), masks };
        match F::to_single::<InCall<'_>>(call.clone()) {
            Some(call) => {
                let wanted = keeps.then_some(self.options.wanted);
                self.fast_run(fast, fast.forward(call, wanted)?, keeps)
            }
            // Another type of this name, in tests.
            None => self.plain_run(LentCall { bound: &self.bound, ..call }, keeps),
        }
    }

    fn plain_run<F: Real>(&self, call: LentCall<'_, F>, keeps: bool) -> Result<Run<F>, RunError> {
        let finds = self.options.not_finite == OnNotFinite::Find;
        let mut run = reference::run(call, &self.options.traces, finds)?;
        let size = RunSize {
            engine: EngineKind::Reference,
            steps: run.steps(),
            batch: run.batch(),
            lengths: run.lengths().to_vec(),
            segments: 1,
        };
        Ok(Run {
            outputs: std::mem::take(&mut run.outputs),
            states: std::mem::take(&mut run.states),
            traces: std::mem::take(&mut run.traces),
            not_finite: run.not_finite.take(),
            masks: run.given.bits.clone(),
            own: None,
            size,
            kept: if keeps { Kept::Plain(run.keep()) } else { Kept::Nothing },
        })
    }

    /// A run of the fast engine as one in `F`, which is f32.
    fn fast_run<F: Real>(
        &self,
        engine: &Arc<Fast>,
        mut run: fast::Run<'_>,
        keeps: bool,
    ) -> Result<Run<F>, RunError> {
        let size = RunSize {
            engine: EngineKind::Fast,
            steps: run.steps(),
            batch: run.batch(),
            lengths: run.lengths().to_vec(),
            segments: run.segments(),
        };
        let not_finite = run.suspect.take().map(|it| {
            let steps: Vec<usize> = it.past.keys().copied().collect();
            let at = |step: usize| -> Option<Vec<Value<f32>>> {
                Some(it.past.get(&step)?.iter().map(|it| it.to_shared()).collect())
            };
            let read = reference::Known { steps: &steps, at: &at };
            let again =
                reference::look_again(&self.bound, run.given(), read, (it.step, it.sequence));
            // Another order of sums may be finite.
            again.unwrap_or(it.seen)
        });
        let arrays = [
            std::mem::take(&mut run.outputs),
            std::mem::take(&mut run.states),
            std::mem::take(&mut run.traces),
        ];
        let results = F::of_single::<InResults>((arrays, run.masks()));
        let ([outputs, states, traces], masks) = results.ok_or_else(other)?;
        let kept = Held::new(Arc::clone(engine), run.keep());
        // What kept nothing gives its memory back at once.
        let kept = if keeps { Kept::Fast(kept) } else { Kept::Nothing };
        Ok(Run { outputs, states, traces, not_finite, kept, own: None, size, masks })
    }

    /// Back-propagates through time: the gradients of params, given inputs and starts. The run stays as it is, for it
    /// may go back from several upstream gradients, as for the rows of a Jacobian.
    ///
    /// # Errors
    ///
    /// Fails where an adjoint has not the shape of what it belongs to, the run is another engine's, or it kept nothing
    /// to go back with: [`Engine::infer`], [`Engine::forward_lent`].
    pub fn backward<F: Real>(
        &self,
        run: &Run<F>,
        upstream: &Upstream<F>,
    ) -> Result<Gradients<F>, RunError> {
        self.backward_from(run, &upstream.view())
    }

    /// As [`Engine::backward`], from adjoints that are lent.
    ///
    /// # Errors
    ///
    /// As [`Engine::backward`].
    pub fn backward_from<F: Real>(
        &self,
        run: &Run<F>,
        upstream: &UpstreamView<'_, F>,
    ) -> Result<Gradients<F>, RunError> {
        self.backward_with(run, own(run)?, upstream)
    }

    /// As [`Engine::backward`], of a run whose arrays were lent: they are lent again and hold what they held, which is
    /// checked by their shapes alone.
    ///
    /// # Errors
    ///
    /// As [`Engine::backward`]; and where an array has another shape than in the forward run.
    pub fn backward_with<F: Real>(
        &self,
        run: &Run<F>,
        lent: Lent<'_, F>,
        upstream: &UpstreamView<'_, F>,
    ) -> Result<Gradients<F>, RunError> {
        match &run.kept {
            Kept::Nothing => Err(RunError::Data(NOTHING_KEPT.to_owned())),
            Kept::Plain(kept) => {
                let run = kept.again(&self.bound, lent.reborrow())?;
                let mut gradients = reference::backward_from(&run, self.adjoint()?, upstream)?;
                if !self.options.flow {
                    gradients.flow = Vec::new();
                }
                Ok(gradients.only(self.options.wanted))
            }
            Kept::Fast(held) => {
                let (lent, upstream) = (lent.reborrow(), upstream.reborrow());
                let lent = F::to_single::<InBackward<'_>>((lent, upstream));
                let (lent, upstream) = lent.ok_or_else(other)?;
                let gradients =
                    self.with_run(held, lent, |run| held.engine.backward(run, &upstream))?;
                F::of_single::<InGradients>(gradients).ok_or_else(other)
            }
        }
    }

    /// Returns the place where gradients begin not to be finite on the way from the last step to the first: the
    /// first such adjoint of the latest step, called by the equation that it is of. For a run whose gradients
    /// [`check_gradients`](super::super::check_gradients) complains about; it costs another backward run.
    ///
    /// # Errors
    ///
    /// As [`Engine::backward`].
    pub fn first_not_finite<F: Real>(
        &self,
        run: &Run<F>,
        upstream: &Upstream<F>,
    ) -> Result<Option<NotFinite>, RunError> {
        self.first_not_finite_with(run, own(run)?, &upstream.view())
    }

    /// As [`Engine::first_not_finite`], of a run whose arrays were lent.
    ///
    /// # Errors
    ///
    /// As [`Engine::backward_with`].
    pub fn first_not_finite_with<F: Real>(
        &self,
        run: &Run<F>,
        lent: Lent<'_, F>,
        upstream: &UpstreamView<'_, F>,
    ) -> Result<Option<NotFinite>, RunError> {
        let (lent, upstream) = (lent.reborrow(), upstream.reborrow());
        let held = match &run.kept {
            Kept::Nothing => return Err(RunError::Data(NOTHING_KEPT.to_owned())),
            Kept::Plain(kept) => {
                let run = kept.again(&self.bound, lent)?;
                return reference::first_not_finite(&run, self.adjoint()?, &upstream);
            }
            Kept::Fast(held) => held,
        };
        let lent = F::to_single::<InBackward<'_>>((lent, upstream));
        let (lent, upstream) = lent.ok_or_else(other)?;
        self.with_run(held, lent, |run| {
            let Some(blame) = held.engine.blame(run, &upstream)? else { return Ok(None) };
            let shared = |all: Vec<ArrayD<f32>>| -> Vec<Value<f32>> {
                all.into_iter().map(ArrayD::into_shared).collect()
            };
            let (before, adjoints) = (shared(blame.before), shared(blame.adjoints));
            let at = reference::At {
                time: blame.step,
                sequence: blame.sequence,
                before: &before,
                adjoints: &adjoints,
            };
            reference::look_back(&self.bound, self.adjoint()?, run.given(), &upstream, &at)
        })
    }

    /// Does something with a run of this engine, as long as which nobody else has it.
    fn with_run<R>(
        &self,
        held: &Held,
        lent: Lent<'_, f32>,
        work: impl FnOnce(&mut fast::Run<'_>) -> Result<R, RunError>,
    ) -> Result<R, RunError> {
        let own = self.fast.as_ref().is_some_and(|it| Arc::ptr_eq(&held.engine, it));
        let kept = held.run().filter(|_| own).ok_or_else(other)?;
        // After a panic nobody knows what is left of the rows that forward kept.
        let panicked = |_| RunError::Data("a backward run of this run panicked".to_owned());
        let mut kept = kept.lock().map_err(panicked)?;
        let mut run = kept.again(held.engine.bound(), lent.reborrow())?;
        let done = work(&mut run);
        kept.take(run);
        done
    }

    /// Runs some steps and moves the state on, with masks for training, whose number of the step
    /// moves on too: the bits are those of one run of all steps. Given masks are those of these
    /// steps alone.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`]; and where the cell has no single step.
    pub fn step_with<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &mut InitialState<F>,
        masks: &mut Masks<F>,
    ) -> Result<Vec<ArrayD<F>>, RunError> {
        RunError::check_steps(self.bound.cell())?;
        let run = self.infer_with(params, inputs, state, masks)?;
        masks.move_on(run.steps() as u64);
        *state = InitialState(run.states.into_iter().map(Some).collect());
        Ok(run.outputs)
    }
}

/// The arrays that a run has itself.
fn own<F: Real>(run: &Run<F>) -> Result<Lent<'_, F>, RunError> {
    let why = if let Kept::Nothing = run.kept { NOTHING_KEPT } else { LENT };
    run.own.as_ref().map(Own::view).ok_or_else(|| RunError::Data(why.to_owned()))
}
