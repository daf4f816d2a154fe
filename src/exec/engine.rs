//! The way into running for programs: an engine for a cell with its sizes.

use std::any::Any;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::arrays::{Feed, Gradients, InitialState, Inputs, Params, Upstream};
use super::bind::{Bound, MAX_BYTES};
use super::fast::{self, Fast};
use super::init::{InitError, init};
use super::kernels::Path;
use super::masks::Masks;
use super::reference::{self, Call, NotFinite, RunError};
use crate::derive::Adjoint;
use crate::ir::{Env, Real};
use crate::plan::pipeline::{self, Graphs};
use crate::text::Name;

/// What computes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
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
    /// How many bytes a run of the fast engine may hold beside what it is given, its results and what
    /// has the size of params. Where what forward keeps for backward would take more, forward keeps
    /// the carried values at some steps alone, and backward runs the steps between them again.
    /// Outputs are the same, bit by bit; gradients are sums in another order. The interpreter, which
    /// also looks for the first number that is not finite, takes what it needs.
    pub memory: Option<u64>,
}

impl EngineOptions {
    /// The plain interpreter.
    pub fn reference() -> EngineOptions {
        EngineOptions { kind: EngineKind::Reference, ..EngineOptions::default() }
    }
}

/// Runs a cell forward and backward, any number of times. It holds the derived backward step; the fast
/// engine also keeps packed weights, memory of a few runs and threads for later runs, until it is
/// dropped.
#[derive(Clone, Debug)]
pub struct Engine {
    bound: Bound,
    /// The backward step of the interpreter, derived when it is first wanted.
    adjoint: OnceLock<Adjoint>,
    options: EngineOptions,
    fast: Option<Arc<Fast>>,
}

/// The results of a forward run, and what the backward run needs.
#[derive(Debug)]
pub struct Run<'a, F> {
    /// Each output, `[T, B, ...]`; 0 beyond a sequence's length.
    pub outputs: Vec<ArrayD<F>>,
    /// Each carried value after the last step of each sequence, `[B, ...]`.
    pub states: Vec<ArrayD<F>>,
    /// Each named value that was asked for, `[T, B, ...]`; 0 beyond a sequence's length.
    pub traces: Vec<ArrayD<F>>,
    /// The first NaN of a named value or infinity of an output.
    pub not_finite: Option<NotFinite>,
    kept: Kept<'a, F>,
}

#[derive(Debug)]
enum Kept<'a, F> {
    Plain(Box<reference::Run<'a, F>>),
    Fast(Held<'a>, RunSize, Vec<ArrayD<F>>),
}

/// A run of the fast engine, which gets its memory back.
#[derive(Debug)]
struct Held<'a> {
    engine: &'a Fast,
    /// One backward run at a time has what forward kept.
    run: Option<Box<Mutex<fast::Run<'a>>>>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            self.engine.end(run.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Sequences that come step by step: their carried values, and all that a step works in.
#[derive(Debug)]
pub struct Stream<F> {
    outputs: Vec<ArrayD<F>>,
    batch: usize,
    held: Streamed<F>,
}

#[derive(Debug)]
enum Streamed<F> {
    Fast(Box<fast::Stream>),
    Plain(InitialState<F>),
}

#[derive(Clone, Debug)]
struct RunSize {
    steps: usize,
    batch: usize,
    lengths: Vec<usize>,
    segments: usize,
}

impl<F: Real> Run<'_, F> {
    /// T, the number of steps of the longest possible sequence.
    pub fn steps(&self) -> usize {
        match &self.kept {
            Kept::Plain(run) => run.steps(),
            Kept::Fast(_, size, _) => size.steps,
        }
    }

    /// B, the number of sequences.
    pub fn batch(&self) -> usize {
        match &self.kept {
            Kept::Plain(run) => run.batch(),
            Kept::Fast(_, size, _) => size.batch,
        }
    }

    /// How many bytes of what the fast engine computed a backward run reads: the values that the plan
    /// lists as kept, for each step of each sequence, and carried values before the first step too.
    /// `None` where the interpreter ran, which keeps everything.
    pub fn kept_bytes(&self) -> Option<usize> {
        match &self.kept {
            Kept::Plain(_) => None,
            Kept::Fast(held, ..) => {
                let run = held.run.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
                Some(run.kept_bytes())
            }
        }
    }

    /// How many steps each sequence has.
    pub fn lengths(&self) -> &[usize] {
        match &self.kept {
            Kept::Plain(run) => run.lengths(),
            Kept::Fast(_, size, _) => &size.lengths,
        }
    }

    /// How many segments the steps were divided into, to stay within [`EngineOptions::memory`];
    /// backward runs all but one of them again.
    pub fn segments(&self) -> usize {
        match &self.kept {
            Kept::Plain(_) => 1,
            Kept::Fast(_, size, _) => size.segments,
        }
    }

    /// In training the bits of each mask, `[T, B, ...]`, `[B, ...]` or `[...]` as its scope is, and
    /// 0 beyond a sequence's length; nothing in evaluation.
    pub fn masks(&self) -> &[ArrayD<F>] {
        match &self.kept {
            Kept::Plain(run) => run.masks(),
            Kept::Fast(_, _, masks) => masks,
        }
    }
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
    pub fn engine(&self, options: EngineOptions) -> Engine {
        let fast = match options.kind {
            EngineKind::Reference => None,
            EngineKind::Fast => {
                let fast = Fast::new(self, &options.traces, Path::best(), options.threads);
                fast.map(|it| Arc::new(it.within(options.memory)))
            }
        };
        Engine { bound: self.clone(), adjoint: OnceLock::new(), options, fast }
    }
}

/// A run of the fast engine, where the numbers are f32 and all is finite.
fn fast_run<'a, F: Real>(
    fast: &'a Fast,
    params: &'a Params<F>,
    inputs: &'a Inputs<F>,
    state: &'a InitialState<F>,
    masks: &'a Masks<F>,
    keeps: bool,
) -> Option<Result<Run<'a, F>, RunError>> {
    let call = Call {
        bound: fast.bound(),
        params: same_ref(params)?,
        inputs: same_ref(inputs)?,
        state: same_ref(state)?,
        masks: same_ref(masks)?,
    };
    let mut run = match fast.forward(call, keeps)? {
        Ok(run) => run,
        Err(fault) => return Some(Err(fault)),
    };
    if !run.is_finite {
        fast.end(run);
        return None;
    }
    let size = RunSize {
        steps: run.steps(),
        batch: run.batch(),
        lengths: run.lengths().to_vec(),
        segments: run.segments(),
    };
    let taken = [
        std::mem::take(&mut run.outputs),
        std::mem::take(&mut run.states),
        std::mem::take(&mut run.traces),
        run.masks().to_vec(),
    ];
    let [outputs, states, traces, masks] = same::<_, [Vec<ArrayD<F>>; 4]>(taken)?;
    let held = Held { engine: fast, run: Some(Box::new(Mutex::new(run))) };
    Some(Ok(Run { outputs, states, traces, not_finite: None, kept: Kept::Fast(held, size, masks) }))
}

impl Engine {
    /// What computes runs in f32 whose results are finite.
    pub fn kind(&self) -> EngineKind {
        if self.fast.is_some() { EngineKind::Fast } else { EngineKind::Reference }
    }

    fn adjoint(&self) -> &Adjoint {
        self.adjoint.get_or_init(|| {
            let graphs = Graphs::new(self.bound.cell(), &Env::default(), &[]);
            graphs.run(pipeline::PLAIN).training().1
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
        let fast = self.fast.as_deref();
        // Where something is not finite the interpreter finds out what, and where first.
        if let Some(run) = fast.and_then(|it| fast_run(it, params, inputs, state, masks, keeps)) {
            return run;
        }
        let traces = &self.options.traces;
        let call = Call { bound: &self.bound, params, inputs, state, masks };
        let mut run = reference::forward(call, traces)?;
        Ok(Run {
            outputs: std::mem::take(&mut run.outputs),
            states: std::mem::take(&mut run.states),
            traces: std::mem::take(&mut run.traces),
            not_finite: run.not_finite.clone(),
            kept: Kept::Plain(Box::new(run)),
        })
    }

    /// Back-propagates through time: the gradients of params, given inputs and starts.
    pub fn backward<F: Real>(
        &self,
        run: &Run<'_, F>,
        upstream: &Upstream<F>,
    ) -> Result<Gradients<F>, RunError> {
        match (&run.kept, &self.fast) {
            (Kept::Plain(run), _) => reference::backward(run, self.adjoint(), upstream),
            (Kept::Fast(held, ..), Some(fast)) => {
                let other = || RunError::Data(OTHER_ENGINE.to_owned());
                let run = held.run.as_ref().filter(|_| std::ptr::eq(held.engine, &**fast));
                // After a panic nobody knows what is left of the rows that forward kept.
                let lost = |_| RunError::Data("a backward run of this run panicked".to_owned());
                let mut run = run.ok_or_else(other)?.lock().map_err(lost)?;
                let gradients = fast.backward(&mut run, same_ref(upstream).ok_or_else(other)?)?;
                same(gradients).ok_or_else(other)
            }
            (Kept::Fast(..), None) => Err(RunError::Data(OTHER_ENGINE.to_owned())),
        }
    }

    /// Begins sequences that come step by step: a batch of them, from these starts. All inputs are
    /// given at every step, those with a default too; masks are as in evaluation.
    pub fn stream<F: Real>(
        &self,
        params: &Params<F>,
        state: &InitialState<F>,
        batch: usize,
    ) -> Result<Stream<F>, RunError> {
        let shapes = self.bound.input_shapes();
        let numbers = self.bound.step_count().saturating_add(1).saturating_mul(batch as u64);
        let bytes = numbers.saturating_mul(size_of::<F>() as u64);
        if bytes > MAX_BYTES {
            return Err(RunError::TooLarge { what: "a step of the batch".to_owned(), bytes });
        }
        let feeds = shapes.iter().map(|it| {
            let whole: Vec<usize> = [&[1, batch], &it[..]].concat();
            Some(Feed::Batch(ArrayD::<F>::zeros(IxDyn(&whole))))
        });
        let mut inputs = Inputs::new(feeds.collect());
        (inputs.steps, inputs.batch) = (Some(1), Some(batch));
        let outputs = (0..self.bound.cell().outputs.len()).map(|it| {
            let whole: Vec<usize> = [&[batch], self.bound.output_shape(it)].concat();
            ArrayD::zeros(IxDyn(&whole))
        });
        let outputs = outputs.collect();
        let fast = self.fast.as_deref().and_then(|fast| {
            let call = Call {
                bound: fast.bound(),
                params: same_ref(params)?,
                inputs: same_ref(&inputs)?,
                state: same_ref(state)?,
                masks: &Masks::Eval,
            };
            fast.stream(call)
        });
        let held = match fast {
            Some(stream) => Streamed::Fast(Box::new(stream?)),
            None => {
                let (bound, masks, inputs) = (&self.bound, &Masks::Eval, &inputs);
                reference::Given::check(Call { bound, params, inputs, state, masks })?;
                Streamed::Plain(state.clone())
            }
        };
        Ok(Stream { outputs, batch, held })
    }

    /// One step of sequences that come step by step: takes `[B, ...]` of each input, gives `[B, ...]`
    /// of each output. T steps give what one run of T steps gives.
    ///
    /// The fast engine allocates nothing here, unless the params are others than before. A number
    /// that is none is given like any other.
    pub fn step<'s, F: Real>(
        &self,
        params: &Params<F>,
        inputs: &[ArrayViewD<'_, F>],
        stream: &'s mut Stream<F>,
    ) -> Result<&'s [ArrayD<F>], RunError> {
        self.check_step(inputs, stream.batch)?;
        let other = || RunError::Data(OTHER_ENGINE.to_owned());
        match (&mut stream.held, self.fast.as_deref()) {
            (Streamed::Fast(held), Some(fast)) if fast.is_own(held) => {
                let params = same_ref(params).ok_or_else(other)?;
                let outputs: &mut dyn Any = &mut stream.outputs;
                let outputs = outputs.downcast_mut::<Vec<ArrayD<f32>>>().ok_or_else(other)?;
                fast.step(params, inputs, held, outputs)?;
            }
            (Streamed::Fast(_), _) => return Err(other()),
            (Streamed::Plain(state), _) => {
                let feeds =
                    inputs.iter().map(|it| Some(Feed::Batch(it.to_owned().insert_axis(Axis(0)))));
                let mut now = Inputs::new(feeds.collect());
                (now.steps, now.batch) = (Some(1), Some(stream.batch));
                let outputs = self.step_with(params, &now, state, &mut Masks::Eval)?;
                for (to, from) in stream.outputs.iter_mut().zip(outputs) {
                    to.assign(&from.index_axis(Axis(0), 0));
                }
            }
        }
        Ok(&stream.outputs)
    }

    fn check_step<F: Real>(
        &self,
        inputs: &[ArrayViewD<'_, F>],
        batch: usize,
    ) -> Result<(), RunError> {
        let shapes = self.bound.input_shapes();
        if inputs.len() != shapes.len() {
            let (given, own) = (inputs.len(), shapes.len());
            return Err(RunError::Data(format!("there are {given} inputs, the cell has {own}")));
        }
        let declared = &self.bound.cell().inputs;
        for ((input, own), declared) in inputs.iter().zip(shapes).zip(declared) {
            let given = input.shape();
            if given.first() != Some(&batch) || given[1..] != own[..] {
                return Err(RunError::Data(format!(
                    "input `{}` of a step has shape {given:?}, expected [{batch}] and {own:?}",
                    declared.name
                )));
            }
            let Some(index) = &declared.index else { continue };
            let limit = self.bound.index_limit(index);
            for (at, value) in input.iter().enumerate() {
                let value = Real::to_f64(*value);
                if !(value >= 0.0 && value < limit as f64 && value.fract() == 0.0) {
                    let sequence = at / own.iter().product::<usize>().max(1);
                    let name = declared.name.clone();
                    return Err(RunError::Index { name, step: 0, sequence, value, limit });
                }
            }
        }
        Ok(())
    }

    /// The carried values of sequences that come step by step, as they are now: `[B, ...]`. Before the
    /// first step of the interpreter there are only those that were given.
    pub fn states<F: Real>(&self, stream: &mut Stream<F>) -> Result<Vec<ArrayD<F>>, RunError> {
        let other = || RunError::Data(OTHER_ENGINE.to_owned());
        match (&mut stream.held, self.fast.as_deref()) {
            (Streamed::Fast(held), Some(fast)) if fast.is_own(held) => {
                same(fast.states(held)).ok_or_else(other)
            }
            (Streamed::Fast(_), _) => Err(other()),
            (Streamed::Plain(state), _) => Ok(state.0.iter().flatten().cloned().collect()),
        }
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
    use super::super::{bind, hand};
    use super::*;

    #[test]
    fn the_interpreters_adjoint_is_derived_when_it_runs_backward() {
        let bound = bind(&hand::gated(), hand::sizes(&[("I", 2), ("H", 3)])).unwrap();
        for (options, derives) in
            [(EngineOptions::default(), false), (EngineOptions::reference(), true)]
        {
            let engine = bound.engine(options);
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
