//! The way into running for programs: an engine for a cell with its sizes.

mod stream;

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use ndarray::ArrayD;
use serde::Serialize;

use super::arrays::{Gradients, InitialState, Inputs, Params, Upstream};
use super::bind::Bound;
use super::eval::Value;
use super::fast::{self, EngineError, Fast};
use super::init::{InitError, init};
use super::kernels::Path;
use super::masks::Masks;
use super::reference::{self, Call, NotFinite, RunError};
pub use super::run::Run;
use super::run::{Held, Kept, RunSize};
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
    /// Whether backward gives the norms of the states' adjoints, [`Gradients::flow`].
    pub flow: bool,
    /// How many bytes a run of the fast engine may hold beside what it is given, its results and what
    /// has the size of params. Where what forward keeps for backward would take more, forward keeps
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

const OTHER_ENGINE: &str = "the run is another engine's";

/// The same value under the name of its own type, which `F` is; `None` where it is another.
fn same<A: 'static, B: 'static>(value: A) -> Option<B> {
    let value: Box<dyn Any> = Box::new(value);
    value.downcast::<B>().ok().map(|it| *it)
}

fn same_ref<A: 'static, B: 'static>(value: &A) -> Option<&B> {
    (value as &dyn Any).downcast_ref::<B>()
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
        let EngineOptions { traces, threads, memory, flow, .. } = &options;
        let cell = self.cell();
        let unknown = |it: &&Name| !cell.values.iter().any(|value| value.name == **it);
        if let Some(name) = traces.iter().find(unknown) {
            return Err(RunError::unknown_value(cell, name));
        }
        let fast = match options.kind {
            EngineKind::Reference => None,
            EngineKind::Fast => {
                let fast = Fast::with(self, traces, *flow, Path::best(), *threads)?;
                Some(Arc::new(fast.within(*memory)))
            }
        };
        Ok(Engine { bound: self.clone(), adjoint: OnceLock::new(), options, fast })
    }
}

/// A call in f32, which the fast engine takes; `None` in another type.
fn in_f32<'a, F: Real>(bound: &'a Bound, call: Call<'a, F>) -> Option<Call<'a, f32>> {
    Some(Call {
        bound,
        params: same_ref(call.params)?,
        inputs: same_ref(call.inputs)?,
        state: same_ref(call.state)?,
        masks: same_ref(call.masks)?,
    })
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
        self.run(params, inputs, state, masks, true)
    }

    /// As [`Engine::forward`], where no backward run follows: the fast engine then keeps nothing
    /// for one.
    pub fn infer<'a, F: Real>(
        &'a self,
        params: &'a Params<F>,
        inputs: &'a Inputs<F>,
        state: &'a InitialState<F>,
    ) -> Result<Run<'a, F>, RunError> {
        self.infer_with(params, inputs, state, &Masks::Eval)
    }

    /// As [`Engine::infer`], with masks as [`Engine::forward_with`] has them.
    pub fn infer_with<'a, F: Real>(
        &'a self,
        params: &'a Params<F>,
        inputs: &'a Inputs<F>,
        state: &'a InitialState<F>,
        masks: &'a Masks<F>,
    ) -> Result<Run<'a, F>, RunError> {
        self.run(params, inputs, state, masks, false)
    }

    fn run<'a, F: Real>(
        &'a self,
        params: &'a Params<F>,
        inputs: &'a Inputs<F>,
        state: &'a InitialState<F>,
        masks: &'a Masks<F>,
        keeps: bool,
    ) -> Result<Run<'a, F>, RunError> {
        let call = Call { bound: &self.bound, params, inputs, state, masks };
        if let Some(fast) = &self.fast
            && let Some(call) = in_f32(fast.bound(), call)
        {
            return self.fast_run(fast, fast.forward(call, keeps)?);
        }
        let mut run = reference::forward(call, &self.options.traces)?;
        Ok(Run {
            outputs: std::mem::take(&mut run.outputs),
            states: std::mem::take(&mut run.states),
            traces: std::mem::take(&mut run.traces),
            not_finite: run.not_finite.clone(),
            kept: Kept::Plain(Box::new(run)),
        })
    }

    /// A run of the fast engine as one in `F`, which is f32.
    fn fast_run<'a, F: Real>(
        &self,
        engine: &'a Fast,
        mut run: fast::Run<'a>,
    ) -> Result<Run<'a, F>, RunError> {
        let size = RunSize {
            steps: run.steps(),
            batch: run.batch(),
            lengths: run.lengths().to_vec(),
            segments: run.segments(),
        };
        let not_finite = run.suspect.take().map(|it| {
            let before = |step: usize| -> Option<Vec<Value<f32>>> {
                let before = it.before.get(it.step.checked_sub(step)?)?;
                Some(before.iter().map(|it| it.to_shared()).collect())
            };
            let again =
                reference::look_again(&self.bound, run.given(), &before, it.step, it.sequence);
            // Another order of sums may be finite.
            again.unwrap_or(it.seen)
        });
        let taken = [
            std::mem::take(&mut run.outputs),
            std::mem::take(&mut run.states),
            std::mem::take(&mut run.traces),
            run.masks().to_vec(),
        ];
        let held = Held { engine, run: Some(Box::new(Mutex::new(run))) };
        let other = || RunError::Data(OTHER_ENGINE.to_owned());
        let [outputs, states, traces, masks] =
            same::<_, [Vec<ArrayD<F>>; 4]>(taken).ok_or_else(other)?;
        Ok(Run { outputs, states, traces, not_finite, kept: Kept::Fast(held, size, masks) })
    }

    /// Back-propagates through time: the gradients of params, given inputs and starts.
    pub fn backward<F: Real>(
        &self,
        run: &Run<'_, F>,
        upstream: &Upstream<F>,
    ) -> Result<Gradients<F>, RunError> {
        match (&run.kept, &self.fast) {
            (Kept::Plain(run), _) => {
                let mut gradients = reference::backward(run, self.adjoint()?, upstream)?;
                if !self.options.flow {
                    gradients.flow = Vec::new();
                }
                Ok(gradients)
            }
            (Kept::Fast(held, ..), Some(fast)) => {
                let other = || RunError::Data(OTHER_ENGINE.to_owned());
                let mut run = self.own(held)?;
                let gradients = fast.backward(&mut run, same_ref(upstream).ok_or_else(other)?)?;
                same(gradients).ok_or_else(other)
            }
            (Kept::Fast(..), None) => Err(RunError::Data(OTHER_ENGINE.to_owned())),
        }
    }

    /// Where gradients begin not to be finite on the way from the last step to the first: the first
    /// such adjoint of the latest step, called by the equation that it is of. For a run whose gradients
    /// [`super::check_gradients`] complains about; it costs another backward run.
    pub fn first_not_finite<F: Real>(
        &self,
        run: &Run<'_, F>,
        upstream: &Upstream<F>,
    ) -> Result<Option<NotFinite>, RunError> {
        let other = || RunError::Data(OTHER_ENGINE.to_owned());
        let (fast, mut held) = match (&run.kept, &self.fast) {
            (Kept::Plain(run), _) => {
                return reference::first_not_finite(run, self.adjoint()?, upstream);
            }
            (Kept::Fast(held, ..), Some(fast)) => (fast, self.own(held)?),
            (Kept::Fast(..), None) => return Err(other()),
        };
        let upstream = same_ref(upstream).ok_or_else(other)?;
        let Some(blame) = fast.blame(&mut held, upstream)? else { return Ok(None) };
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
        reference::look_back(&self.bound, self.adjoint()?, held.given(), upstream, &at)
    }

    /// A run of this engine, for a backward run.
    fn own<'r, 'a>(&self, held: &'r Held<'a>) -> Result<MutexGuard<'r, fast::Run<'a>>, RunError> {
        let own = self.fast.as_ref().is_some_and(|it| std::ptr::eq(held.engine, &**it));
        let run = held.run.as_ref().filter(|_| own);
        let run = run.ok_or_else(|| RunError::Data(OTHER_ENGINE.to_owned()))?;
        // After a panic nobody knows what is left of the rows that forward kept.
        run.lock().map_err(|_| RunError::Data("a backward run of this run panicked".to_owned()))
    }

    /// Runs some steps and moves the state on, with masks for training, whose number of the step
    /// moves on too: the bits are those of one run of all steps. Given masks are those of these
    /// steps alone.
    pub fn step_with<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &mut InitialState<F>,
        masks: &mut Masks<F>,
    ) -> Result<Vec<ArrayD<F>>, RunError> {
        RunError::check_steps(self.bound.cell())?;
        let (outputs, states, steps) = {
            let mut run = self.run(params, inputs, state, masks, false)?;
            let steps = run.steps() as u64;
            (std::mem::take(&mut run.outputs), std::mem::take(&mut run.states), steps)
        };
        *state = InitialState(states.into_iter().map(Some).collect());
        masks.move_on(steps);
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::IxDyn;

    use super::super::{Feed, bind, hand};
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
