//! Engines that take names.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewMut, Dimension};

use super::cell::Cell;
use super::inputs::{Inputs, Upstream};
use super::names::Of;
use super::params::Params;
use super::run::{Gradients, Run};
use crate::api::Error;
use crate::diag::Code;
use crate::exec::{self, Bound, EngineKind, EngineOptions, Lent, OnNotFinite, Team};
use crate::ir::Real;
use crate::text::Name;

/// A number of bytes that a run may hold: a number, or one with K, M or G, such as `64M`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Memory(Result<u64, String>);

impl From<u64> for Memory {
    fn from(bytes: u64) -> Memory {
        Memory(Ok(bytes))
    }
}

impl From<&str> for Memory {
    fn from(text: &str) -> Memory {
        let (number, shift) = match text.char_indices().last() {
            Some((at, 'K' | 'k')) => (&text[..at], 10),
            Some((at, 'M' | 'm')) => (&text[..at], 20),
            Some((at, 'G' | 'g')) => (&text[..at], 30),
            Some(_) | None => (text, 0),
        };
        let bytes = number.parse::<u64>().ok().and_then(|it| it.checked_mul(1 << shift));
        Memory(bytes.ok_or_else(|| format!("`{text}` is no amount of memory, such as 64M")))
    }
}

/// Makes an engine: [`Cell::engine`].
///
/// ```
/// let cell = rnnc::Cell::std("gru")?.bind([("I", 3), ("H", 4)])?;
/// let engine = cell.engine().threads(2).memory("64M").trace(["z"]).build()?;
/// assert!(cell.engine().trace(["q"]).build().is_err());
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EngineBuilder<'c> {
    cell: &'c Cell,
    options: EngineOptions,
    memory: Option<Memory>,
}

impl<'c> EngineBuilder<'c> {
    pub(super) fn new(cell: &'c Cell) -> EngineBuilder<'c> {
        EngineBuilder { cell, options: EngineOptions::default(), memory: None }
    }

    /// Sets the number of threads that it may use; 0, as without it, for as many as the processor runs at once. Results do not depend on it.
    pub fn threads(mut self, threads: usize) -> Self {
        self.options.threads = threads;
        self
    }

    /// Threads that several engines share.
    pub fn team(mut self, team: &Team) -> Self {
        self.options.team = Some(team.clone());
        self
    }

    /// Bounds what a run holds beside what it is given and gives: backward then runs parts of the steps again.
    pub fn memory(mut self, memory: impl Into<Memory>) -> Self {
        self.memory = Some(memory.into());
        self
    }

    /// The named values of the step that a run gives beside its outputs.
    pub fn trace<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.options.traces = names.into_iter().map(Name::from).collect();
        self
    }

    /// Asks backward for norms of what comes to states: [`Gradients::flow`].
    pub fn flow(mut self, flow: bool) -> Self {
        self.options.flow = flow;
        self
    }

    /// Sets what is done about NaN and infinity.
    pub fn not_finite(mut self, what: OnNotFinite) -> Self {
        self.options.not_finite = what;
        self
    }

    /// The plain interpreter, which is slow and the measure of all else.
    pub fn reference(mut self) -> Self {
        self.options.kind = EngineKind::Reference;
        self
    }

    /// The engine.
    ///
    /// # Errors
    ///
    /// Fails where a size is not set, the cell has no such value to trace, or the memory is none.
    pub fn build(self) -> Result<Engine, Error> {
        let EngineBuilder { cell, mut options, memory } = self;
        if let Some(Memory(memory)) = memory {
            options.memory = Some(memory.map_err(|it| Error::fit(Code::BadSetting, it))?);
        }
        let traces = options.traces.clone().into();
        let bound = cell.bound()?;
        let inner = bound.engine(options)?;
        Ok(Engine { inner, bound: Arc::new(bound), traces })
    }
}

/// Runs a cell forward and backward, any number of times, in several threads at once if need be: f32 is fast, f64 exact and slow.
/// It keeps packed weights and memory for later runs; a copy shares them.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: exec::Engine,
    bound: Arc<Bound>,
    traces: Arc<[Name]>,
}

impl Engine {
    /// Runs T steps of a batch and keeps what backward needs, with copies of the inputs: they may change meanwhile.
    ///
    /// # Errors
    ///
    /// Fails where a name or a shape does not fit the cell, or memory does not suffice.
    pub fn forward<'a, F: Real>(
        &self,
        params: &Params<F>,
        inputs: impl Into<Inputs<'a, F>>,
    ) -> Result<Run<F>, Error> {
        let given = inputs.into();
        let (inputs, state) = given.placed(&self.bound)?;
        Ok(self.named(self.inner.forward_copied(&params.inner, inputs, state, &given.masks)?))
    }

    /// Runs T steps of a batch where no backward run follows.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`].
    pub fn infer<'a, F: Real>(
        &self,
        params: &Params<F>,
        inputs: impl Into<Inputs<'a, F>>,
    ) -> Result<Run<F>, Error> {
        let given = inputs.into();
        let (inputs, state) = given.placed(&self.bound)?;
        let lent = Lent { params: params.inner.view(), inputs, state };
        Ok(self.named(self.inner.infer_lent(lent, &given.masks)?))
    }

    /// As [`Engine::forward`], without copies: [`Engine::backward_with`] takes the same arrays again.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`].
    pub fn forward_lent<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<'_, F>,
    ) -> Result<Run<F>, Error> {
        let masks = &inputs.masks;
        let (inputs, state) = inputs.placed(&self.bound)?;
        let lent = Lent { params: params.inner.view(), inputs, state };
        Ok(self.named(self.inner.forward_lent(lent, masks)?))
    }

    /// As [`Engine::forward`], with outputs written to arrays of the caller, `[T, B, ...]`; the run gives the others.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward`]; and where an array has another shape than the output.
    pub fn forward_into<'a, 'o, F: Real, D: Dimension>(
        &self,
        params: &Params<F>,
        inputs: impl Into<Inputs<'a, F>>,
        outputs: impl IntoIterator<Item = (&'o str, ArrayViewMut<'o, F, D>)>,
    ) -> Result<Run<F>, Error> {
        let mut run = self.forward(params, inputs)?;
        for (name, to) in outputs {
            let at = Of::Output.place(self.bound.cell(), Some(name))?;
            let from = std::mem::take(&mut run.inner.outputs[at]);
            let mut to = to.into_dyn();
            if to.shape() != from.shape() {
                let (found, expected) = (to.shape(), from.shape());
                let message = format!("output `{name}` has shape {expected:?}, not {found:?}");
                return Err(Error::fit(Code::DataDoesNotFit, message));
            }
            to.assign(&from);
        }
        Ok(run)
    }

    fn named<F: Real>(&self, inner: exec::engine::Run<F>) -> Run<F> {
        Run { bound: Arc::clone(&self.bound), traces: Arc::clone(&self.traces), inner }
    }

    /// Goes back through a run. The run stays as it is, for it may go back from several adjoints.
    ///
    /// # Errors
    ///
    /// Fails where an adjoint does not fit, the run is another engine's, or it kept nothing to go back with.
    pub fn backward<F: Real>(
        &self,
        run: &Run<F>,
        upstream: Upstream<'_, F>,
    ) -> Result<Gradients<F>, Error> {
        let placed = upstream.placed(&self.bound)?;
        let inner = self.inner.backward_from(&run.inner, &placed)?;
        Ok(Gradients { bound: Arc::clone(&self.bound), inner })
    }

    /// Goes back through a run that was lent its arrays: they are lent again, and hold what they held.
    ///
    /// # Errors
    ///
    /// As [`Engine::backward`]; and where an array has another shape than in the forward run.
    pub fn backward_with<F: Real>(
        &self,
        run: &Run<F>,
        params: &Params<F>,
        inputs: &Inputs<'_, F>,
        upstream: Upstream<'_, F>,
    ) -> Result<Gradients<F>, Error> {
        let placed = upstream.placed(&self.bound)?;
        let (inputs, state) = inputs.placed(&self.bound)?;
        let lent = Lent { params: params.inner.view(), inputs, state };
        let inner = self.inner.backward_with(&run.inner, lent, &placed)?;
        Ok(Gradients { bound: Arc::clone(&self.bound), inner })
    }

    /// Begins sequences that come step by step: a batch of them, 1 if nothing says so, from the states that are given, with the
    /// inputs that are declared per sequence.
    ///
    /// # Errors
    ///
    /// Fails where a state does not fit, or the cell has no single step, as one with a layer that reads backward.
    pub fn stream<'a, F: Real>(
        &self,
        params: &Params<F>,
        start: impl Into<Inputs<'a, F>>,
    ) -> Result<Stream<F>, Error> {
        let start = start.into();
        let once = start.placed_once(&self.bound, true)?;
        let state = start.placed_states(&self.bound)?.to_owned();
        let shapes = state.0.iter().zip(self.bound.carry_shapes());
        let mut of_states = shapes.filter_map(|(given, own)| {
            let given = given.as_ref()?;
            (given.ndim() > own.len()).then(|| given.shape()[0])
        });
        let of_inputs = once.first().and_then(|it| it.shape().first().copied());
        let batch = start.said_batch().or(of_inputs).or_else(|| of_states.next()).unwrap_or(1);
        let params = params.inner.clone();
        let inner = self.inner.stream_with(&params, &state, batch, &once)?;
        Ok(Stream {
            engine: self.inner.clone(),
            bound: Arc::clone(&self.bound),
            params,
            inner,
            last: Vec::new(),
        })
    }
}

/// Sequences that come step by step. T steps give what one run of T steps gives.
///
/// ```
/// use ndarray::{Array, Axis};
/// use rnnc::{Cell, Inputs};
///
/// let cell = Cell::std("gru")?.bind([("I", 3), ("H", 4)])?;
/// let engine = cell.engine().build()?;
/// let params = cell.init::<f32>(0)?;
/// let mut stream = engine.stream(&params, Inputs::new().batch(2))?;
/// let x = Array::ones((2, 3));
/// stream.step(&x)?;
/// assert_eq!(stream.output("h")?.shape(), [2, 4]);
/// stream.step(&x)?;
///
/// let run = engine.infer(&params, &Array::ones((2, 2, 3)))?;
/// assert_eq!(stream.output("h")?, run.output("h")?.index_axis(Axis(0), 1));
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream<F> {
    engine: exec::Engine,
    bound: Arc<Bound>,
    params: exec::Params<F>,
    inner: exec::Stream<F>,
    /// The outputs of the last step.
    last: Vec<ArrayD<F>>,
}

impl<F: Real> Stream<F> {
    /// One step: `[B, ...]` of each input, those with a default too.
    ///
    /// # Errors
    ///
    /// Fails where an input is missing or has another shape.
    pub fn step<'a>(&mut self, inputs: impl Into<Inputs<'a, F>>) -> Result<(), Error>
    where
        F: 'a,
    {
        let inputs = inputs.into();
        let placed = inputs.placed_once(&self.bound, false)?;
        let outputs = self.engine.step(&self.params, &placed, &mut self.inner)?;
        if self.last.len() == outputs.len() {
            self.last.iter_mut().zip(outputs).for_each(|(to, from)| to.assign(from));
        } else {
            self.last = outputs.to_vec();
        }
        Ok(())
    }

    /// An output of the last step, `[B, ...]`; the main one without a name.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such output, or there was no step yet.
    pub fn output<'n>(&self, name: impl Into<Option<&'n str>>) -> Result<&ArrayD<F>, Error> {
        let at = Of::Output.place(self.bound.cell(), name.into())?;
        let none = || Error::fit(Code::DataDoesNotFit, "there was no step yet");
        self.last.get(at).ok_or_else(none)
    }

    /// A state as it is now, `[B, ...]`; the only one without a name.
    ///
    /// # Errors
    ///
    /// Fails where the cell has no such state.
    pub fn state<'n>(&mut self, name: impl Into<Option<&'n str>>) -> Result<ArrayD<F>, Error> {
        let at = Of::State.place(self.bound.cell(), name.into())?;
        let mut all = self.engine.states(&mut self.inner)?;
        // Before the first step of the interpreter there are only those that were given.
        let none = || Error::fit(Code::DataDoesNotFit, "there was no step yet");
        if at < all.len() { Ok(all.swap_remove(at)) } else { Err(none()) }
    }
}
