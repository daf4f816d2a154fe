//! Engines, runs and streams. A call comes as an object of Python whose arrays are lent for as long as it lasts.

use std::sync::{Mutex, TryLockError};

use ndarray::{ArrayD, ArrayViewD};
use pyo3::prelude::*;
use pyo3::types::PyList;
use rnnc::exec::{
    self, Draws, EngineKind, EngineOptions, FeedView, InitialState, Inputs, InputsView, Masks,
    OnNotFinite, ParamsView, StateView, Team, Training, UpstreamView,
};

use crate::arrays::{Lent, Number, borrow, borrow_all, give_all, views};
use crate::bound::{Held, Params};
use crate::error::{Fault, guard};

type Any<'py> = Bound<'py, PyAny>;
type Arrays<'py> = Vec<Option<Any<'py>>>;
type List<'py> = Bound<'py, PyList>;

/// The options of an engine.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    threads: usize,
    memory: Option<u64>,
    traces: Vec<String>,
    reference: bool,
    find: bool,
    flow: bool,
}

/// Runs a cell.
#[pyclass(frozen, module = "rnnc._rnnc")]
pub struct Engine {
    inner: exec::Engine,
}

/// The values that forward kept.
#[pyclass(frozen, module = "rnnc._rnnc")]
pub struct Run {
    held: AnyRun,
}

enum AnyRun {
    Single(exec::engine::Run<f32>),
    Double(exec::engine::Run<f64>),
}

/// A type of numbers in which an engine runs.
trait Runs: Held {
    fn run(run: exec::engine::Run<Self>) -> AnyRun;
    fn own(run: &AnyRun) -> Option<&exec::engine::Run<Self>>;
    fn stream(stream: exec::Stream<Self>, params: exec::Params<Self>) -> AnyStream;
}

impl Runs for f32 {
    fn run(run: exec::engine::Run<f32>) -> AnyRun {
        AnyRun::Single(run)
    }

    fn own(run: &AnyRun) -> Option<&exec::engine::Run<f32>> {
        match run {
            AnyRun::Single(run) => Some(run),
            AnyRun::Double(_) => None,
        }
    }

    fn stream(stream: exec::Stream<f32>, params: exec::Params<f32>) -> AnyStream {
        AnyStream::Single(stream, params)
    }
}

impl Runs for f64 {
    fn run(run: exec::engine::Run<f64>) -> AnyRun {
        AnyRun::Double(run)
    }

    fn own(run: &AnyRun) -> Option<&exec::engine::Run<f64>> {
        match run {
            AnyRun::Double(run) => Some(run),
            AnyRun::Single(_) => None,
        }
    }

    fn stream(stream: exec::Stream<f64>, params: exec::Params<f64>) -> AnyStream {
        AnyStream::Double(stream, params)
    }
}

/// The arguments of a run.
#[derive(FromPyObject)]
pub struct Call<'py> {
    /// Arrays, or [`Params`].
    params: Any<'py>,
    feeds: Arrays<'py>,
    /// Which feeds are one sequence for all.
    shared: Vec<bool>,
    lengths: Option<Vec<usize>>,
    steps: Option<usize>,
    batch: Option<usize>,
    state: Arrays<'py>,
    train: bool,
    seed: u64,
    first_sequence: u64,
    first_step: u64,
    masks: Arrays<'py>,
}

/// The arrays of a call, borrowed.
struct Borrowed<'py, F: Number> {
    params: Option<Vec<Lent<'py, F>>>,
    kept: Option<PyRef<'py, Params>>,
    feeds: Vec<Option<Lent<'py, F>>>,
    /// The draws of a model: coins, and the numbers by which `sample` chooses.
    drawn: Vec<Option<ArrayD<F>>>,
    state: Vec<Option<Lent<'py, F>>>,
    masks: Masks<F>,
}

impl<'py, F: Held> Borrowed<'py, F> {
    fn of(call: &Call<'py>, bound: &exec::Bound) -> Result<Borrowed<'py, F>, Fault> {
        let kept = call.params.extract::<PyRef<'py, Params>>().ok();
        let params = match &kept {
            Some(_) => None,
            None => {
                let arrays: Vec<Any<'py>> = call.params.extract()?;
                Some(arrays.iter().map(borrow::<F>).collect::<PyResult<Vec<_>>>()?)
            }
        };
        let masks = match call.train {
            false => Masks::Eval,
            true => {
                let given = borrow_all::<F>(&call.masks)?;
                let mut training = Training::new(call.seed);
                training.first_sequence = call.first_sequence;
                training.first_step = call.first_step;
                let own = given.iter().map(|it| it.as_ref().map(|it| it.as_array().to_owned()));
                training.given = own.collect();
                Masks::Train(training)
            }
        };
        let mut drawn = Vec::new();
        if bound.cell().inputs.iter().any(|it| !it.is_given()) {
            let mut inputs = Inputs::<F>::new(bound.cell().inputs.iter().map(|_| None).collect());
            (inputs.steps, inputs.batch) = (call.steps, call.batch);
            let mut draws = Draws::new(call.seed);
            draws.first_sequence = call.first_sequence;
            draws.first_step = call.first_step;
            draws.fill(bound, &mut inputs)?;
            drawn = inputs.feeds.into_iter().map(|it| it.map(|it| it.array().clone())).collect();
        }
        let (feeds, state) = (borrow_all(&call.feeds)?, borrow_all(&call.state)?);
        Ok(Borrowed { params, kept, feeds, drawn, state, masks })
    }

    fn lent<'a>(&'a self, call: &'a Call<'py>) -> Result<exec::Lent<'a, F>, Fault> {
        let params = match (&self.params, &self.kept) {
            (Some(arrays), _) => ParamsView::new(arrays.iter().map(|it| it.as_array()).collect()),
            (None, Some(kept)) => match F::held(&kept.0) {
                Some(params) => params.view(),
                None => {
                    let message = "the params have another type than the run".to_owned();
                    return Err(Fault::Data(None, message));
                }
            },
            (None, None) => ParamsView::new(Vec::new()),
        };
        let feeds = self.feeds.iter().enumerate().map(|(at, feed)| match feed {
            Some(array) if call.shared.get(at).copied().unwrap_or(false) => {
                Some(FeedView::Shared(array.as_array()))
            }
            Some(array) => Some(FeedView::Batch(array.as_array())),
            None => {
                let drawn = self.drawn.get(at).and_then(Option::as_ref);
                drawn.map(|it| FeedView::Batch(it.view()))
            }
        });
        let mut inputs = InputsView::new(feeds.collect());
        inputs.lengths = call.lengths.as_deref();
        (inputs.steps, inputs.batch) = (call.steps, call.batch);
        Ok(exec::Lent { params, inputs, state: StateView(views(&self.state)) })
    }
}

/// Outputs, states, traces and masks of a run.
type Results<'py> = (Run, [List<'py>; 4]);

impl Engine {
    /// An engine as Python asks for it.
    pub fn new(py: Python<'_>, bound: &exec::Bound, options: Options) -> Result<Engine, Fault> {
        let mut asked = EngineOptions::default();
        asked.traces = options.traces.iter().map(|it| it.as_str().into()).collect();
        asked.kind = if options.reference { EngineKind::Reference } else { EngineKind::Fast };
        asked.threads = options.threads;
        asked.team = Some(Team::new(options.threads));
        asked.not_finite = if options.find { OnNotFinite::Find } else { OnNotFinite::Flow };
        asked.flow = options.flow;
        asked.memory = options.memory;
        let inner = py.detach(|| bound.engine(asked))?;
        Ok(Engine { inner })
    }

    fn run<'py, F: Runs>(
        &self,
        py: Python<'py>,
        call: &Call<'py>,
        keep: bool,
    ) -> Result<Results<'py>, Fault> {
        let borrowed = Borrowed::<F>::of(call, self.inner.bound())?;
        let lent = borrowed.lent(call)?;
        let (engine, masks) = (&self.inner, &borrowed.masks);
        let run = py.detach(move || match keep {
            true => engine.forward_lent(lent, masks),
            false => engine.infer_lent(lent, masks),
        });
        let mut run = run?;
        let hand =
            |all: &mut Vec<ArrayD<F>>| give_all(py, std::mem::take(all).into_iter().map(Some));
        let results = [hand(&mut run.outputs)?, hand(&mut run.states)?, hand(&mut run.traces)?];
        let [outputs, states, traces] = results;
        let masks = give_all(py, run.masks().iter().map(|it| Some(it.clone())))?;
        Ok((Run { held: F::run(run) }, [outputs, states, traces, masks]))
    }

    fn back<'py, F: Runs>(
        &self,
        py: Python<'py>,
        run: &AnyRun,
        call: &Call<'py>,
        upstream: (Arrays<'py>, Arrays<'py>, bool),
    ) -> Result<[List<'py>; 4], Fault> {
        let other = || Fault::Data(None, "the run is of another type".to_owned());
        let run = F::own(run).ok_or_else(other)?;
        let borrowed = Borrowed::<F>::of(call, self.inner.bound())?;
        let lent = borrowed.lent(call)?;
        let (outputs, states) = (borrow_all::<F>(&upstream.0)?, borrow_all::<F>(&upstream.1)?);
        let view =
            UpstreamView { outputs: views(&outputs), states: views(&states), ones: upstream.2 };
        let engine = &self.inner;
        let found = py.detach(move || engine.backward_with(run, lent, &view))?;
        let flow = found.flow.into_iter().map(|it| it.map(|it| ndarray::arr1(&it).into_dyn()));
        Ok([
            give_all(py, found.params)?,
            give_all(py, found.inputs)?,
            give_all(py, found.starts)?,
            give_all(py, flow)?,
        ])
    }

    fn begin<F: Runs>(
        &self,
        py: Python<'_>,
        call: &Call<'_>,
        batch: usize,
    ) -> Result<Stream, Fault> {
        let borrowed = Borrowed::<F>::of(call, self.inner.bound())?;
        let params = match borrowed.kept.as_ref().and_then(|it| F::held(&it.0)) {
            Some(kept) => kept.clone(),
            None => {
                let arrays = borrowed.params.iter().flatten().map(|it| it.as_array().to_owned());
                exec::Params::new(arrays.collect())
            }
        };
        let state = views(&borrowed.state).into_iter().map(|it| it.map(|it| it.to_owned()));
        let state = InitialState(state.collect());
        let once = views(&borrowed.feeds).into_iter().flatten().collect::<Vec<_>>();
        let engine = &self.inner;
        let stream = py.detach(|| engine.stream_with(&params, &state, batch, &once))?;
        let own = Mutex::new(F::stream(stream, params));
        Ok(Stream { engine: self.inner.clone(), own })
    }
}

#[pymethods]
impl Engine {
    /// Runs a call, and gives the run with its outputs, states, traces and masks.
    fn forward<'py>(
        &self,
        py: Python<'py>,
        call: Call<'py>,
        double: bool,
        keep: bool,
    ) -> PyResult<(Run, List<'py>, List<'py>, List<'py>, List<'py>)> {
        let done = guard(py, || match double {
            true => self.run::<f64>(py, &call, keep),
            false => self.run::<f32>(py, &call, keep),
        });
        let (run, [outputs, states, traces, masks]) = done?;
        Ok((run, outputs, states, traces, masks))
    }

    /// The gradients of params, inputs and starts, and the flow. The call is that of the run.
    #[allow(clippy::too_many_arguments)]
    fn backward<'py>(
        &self,
        py: Python<'py>,
        run: PyRef<'py, Run>,
        call: Call<'py>,
        outputs: Arrays<'py>,
        states: Arrays<'py>,
        ones: bool,
    ) -> PyResult<[List<'py>; 4]> {
        let upstream = (outputs, states, ones);
        guard(py, || match &run.held {
            AnyRun::Single(_) => self.back::<f32>(py, &run.held, &call, upstream),
            AnyRun::Double(_) => self.back::<f64>(py, &run.held, &call, upstream),
        })
    }

    /// Begins a stream; the feeds of the call are the inputs per sequence.
    fn stream(
        &self,
        py: Python<'_>,
        call: Call<'_>,
        batch: usize,
        double: bool,
    ) -> PyResult<Stream> {
        guard(py, || match double {
            true => self.begin::<f64>(py, &call, batch),
            false => self.begin::<f32>(py, &call, batch),
        })
    }
}

#[pymethods]
impl Run {
    /// T, B, the lengths, the segments and the bytes that are kept.
    fn info(&self) -> (usize, usize, Vec<usize>, usize, Option<usize>) {
        fn info<F: Runs>(
            it: &exec::engine::Run<F>,
        ) -> (usize, usize, Vec<usize>, usize, Option<usize>) {
            (it.steps(), it.batch(), it.lengths().to_vec(), it.segments(), it.kept_bytes())
        }
        match &self.held {
            AnyRun::Single(it) => info(it),
            AnyRun::Double(it) => info(it),
        }
    }

    /// The first number that is none, where the engine looks for it.
    fn not_finite(&self) -> Option<String> {
        let found = match &self.held {
            AnyRun::Single(it) => &it.not_finite,
            AnyRun::Double(it) => &it.not_finite,
        };
        found.as_ref().map(ToString::to_string)
    }
}

enum AnyStream {
    Single(exec::Stream<f32>, exec::Params<f32>),
    Double(exec::Stream<f64>, exec::Params<f64>),
}

/// Sequences that come step by step.
#[pyclass(frozen, module = "rnnc._rnnc")]
pub struct Stream {
    engine: exec::Engine,
    own: Mutex<AnyStream>,
}

impl Stream {
    fn with<T>(&self, work: impl FnOnce(&mut AnyStream) -> Result<T, Fault>) -> Result<T, Fault> {
        match self.own.try_lock() {
            Ok(mut own) => work(&mut own),
            Err(TryLockError::WouldBlock) => {
                Err(Fault::Busy("the stream is used by another thread".to_owned()))
            }
            Err(TryLockError::Poisoned(_)) => {
                Err(Fault::Panic("a step of this stream panicked".to_owned()))
            }
        }
    }

    fn run<'py, F: Number>(
        &self,
        py: Python<'py>,
        stream: &mut exec::Stream<F>,
        params: &exec::Params<F>,
        inputs: &[Any<'py>],
    ) -> Result<List<'py>, Fault> {
        let lent = inputs.iter().map(borrow::<F>).collect::<PyResult<Vec<_>>>()?;
        let views: Vec<ArrayViewD<'_, F>> = lent.iter().map(|it| it.as_array()).collect();
        let engine = &self.engine;
        let outputs: Result<Vec<ArrayD<F>>, exec::RunError> =
            py.detach(|| engine.step(params, &views, stream).map(<[ArrayD<F>]>::to_vec));
        Ok(give_all(py, outputs?.into_iter().map(Some))?)
    }
}

#[pymethods]
impl Stream {
    /// One step: `[B, ...]` of each input that is not given per sequence.
    fn step<'py>(&self, py: Python<'py>, inputs: Vec<Any<'py>>) -> PyResult<List<'py>> {
        guard(py, || {
            self.with(|own| match own {
                AnyStream::Single(stream, params) => self.run(py, stream, params, &inputs),
                AnyStream::Double(stream, params) => self.run(py, stream, params, &inputs),
            })
        })
    }

    /// The carried values as they are now.
    fn states<'py>(&self, py: Python<'py>) -> PyResult<List<'py>> {
        guard(py, || {
            self.with(|own| match own {
                AnyStream::Single(stream, _) => {
                    Ok(give_all(py, self.engine.states(stream)?.into_iter().map(Some))?)
                }
                AnyStream::Double(stream, _) => {
                    Ok(give_all(py, self.engine.states(stream)?.into_iter().map(Some))?)
                }
            })
        })
    }
}
