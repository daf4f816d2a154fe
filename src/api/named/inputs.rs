//! Arrays for a run, by name.

use ndarray::{Array, ArrayView, ArrayViewD, Dimension};

use super::names::Of;
use crate::api::Error;
use crate::diag::Code;
use crate::exec::{Bound, FeedView, InputsView, Masks, StateView, UpstreamView};
use crate::ir::Real;

/// The number of steps of each sequence of a batch.
///
/// ```
/// let lengths = rnnc::Lengths::from([3, 0, 5]);
/// assert_eq!(lengths.as_slice(), [3, 0, 5]);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lengths(Vec<usize>);

impl Lengths {
    /// One for each sequence.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }
}

impl From<Vec<usize>> for Lengths {
    fn from(all: Vec<usize>) -> Lengths {
        Lengths(all)
    }
}

impl From<&[usize]> for Lengths {
    fn from(all: &[usize]) -> Lengths {
        Lengths(all.to_vec())
    }
}

impl<const N: usize> From<[usize; N]> for Lengths {
    fn from(all: [usize; N]) -> Lengths {
        Lengths(all.to_vec())
    }
}

/// Arrays for a run, by name: views of arrays in any strides. The only input, and an array by itself, needs no name.
///
/// An input is `[T, B, ...]`, T steps of B sequences, or `[T, ...]`, one sequence for all; one that is declared per
/// sequence has no T. A state is `[B, ...]`, or `[...]` for all sequences; what is not given starts as the cell says.
///
/// ```
/// use ndarray::Array;
/// use rnnc::{Cell, Inputs};
///
/// let cell = Cell::std("gru")?.bind([("I", 3), ("H", 4)])?;
/// let engine = cell.engine().build()?;
/// let params = cell.init::<f32>(0)?;
/// let (x, h) = (Array::zeros((5, 2, 3)), Array::ones((2, 4)));
/// let inputs = Inputs::new().with("x", x.view()).state("h", h.view()).lengths([5, 3]);
/// let run = engine.forward(&params, inputs)?;
/// assert_eq!(run.output("h")?.shape(), [5, 2, 4]);
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Inputs<'a, F> {
    arrays: Vec<(Option<String>, ArrayViewD<'a, F>)>,
    states: Vec<(Option<String>, ArrayViewD<'a, F>)>,
    lengths: Option<Lengths>,
    steps: Option<usize>,
    batch: Option<usize>,
    pub(super) masks: Masks<F>,
}

impl<F> Default for Inputs<'_, F> {
    fn default() -> Self {
        Inputs {
            arrays: Vec::new(),
            states: Vec::new(),
            lengths: None,
            steps: None,
            batch: None,
            masks: Masks::Eval,
        }
    }
}

impl<'a, F> Inputs<'a, F> {
    /// Nothing yet.
    pub fn new() -> Inputs<'a, F> {
        Inputs::default()
    }

    /// The values of an input.
    pub fn with<D: Dimension>(mut self, name: &str, values: ArrayView<'a, F, D>) -> Self {
        self.arrays.push((Some(name.to_owned()), values.into_dyn()));
        self
    }

    /// Gives a state its start.
    pub fn state<D: Dimension>(mut self, name: &str, start: ArrayView<'a, F, D>) -> Self {
        self.states.push((Some(name.to_owned()), start.into_dyn()));
        self
    }

    /// Gives each sequence its number of steps; elements beyond are never read.
    pub fn lengths(mut self, lengths: impl Into<Lengths>) -> Self {
        self.lengths = Some(lengths.into());
        self
    }

    /// T, where no input says so.
    pub fn steps(mut self, steps: usize) -> Self {
        self.steps = Some(steps);
        self
    }

    /// B, where nothing says so.
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = Some(batch);
        self
    }

    /// A run of a training: masks are drawn from a seed.
    pub fn train(self, seed: u64) -> Self {
        self.masks(Masks::train(seed))
    }

    /// Sets the masks.
    pub fn masks(mut self, masks: Masks<F>) -> Self {
        self.masks = masks;
        self
    }
}

impl<'a, F: Real> Inputs<'a, F> {
    /// The arrays in the order of the cell.
    pub(super) fn placed(
        &self,
        bound: &Bound,
    ) -> Result<(InputsView<'_, F>, StateView<'_, F>), Error> {
        let cell = bound.cell();
        let mut feeds: Vec<Option<FeedView<'_, F>>> = cell.inputs.iter().map(|_| None).collect();
        for (name, values) in &self.arrays {
            let at = Of::Input.place(cell, name.as_deref())?;
            let outer = if cell.inputs[at].per_sequence { 1 } else { 2 };
            let shared = values.ndim() + 1 == outer + bound.input_shapes()[at].len();
            let feed = if shared {
                FeedView::Shared(values.view())
            } else {
                FeedView::Batch(values.view())
            };
            once(&mut feeds[at], feed, "input", &cell.inputs[at].name)?;
        }
        let mut inputs = InputsView::new(feeds);
        inputs.lengths = self.lengths.as_ref().map(Lengths::as_slice);
        (inputs.steps, inputs.batch) = (self.steps, self.batch);
        Ok((inputs, self.placed_states(bound)?))
    }

    /// The starts in the order of the cell.
    pub(super) fn placed_states(&self, bound: &Bound) -> Result<StateView<'_, F>, Error> {
        let cell = bound.cell();
        let mut states = StateView::declared(cell.carries.len());
        for (name, start) in &self.states {
            let at = Of::State.place(cell, name.as_deref())?;
            once(&mut states.0[at], start.view(), "state", &cell.carries[at].name)?;
        }
        Ok(states)
    }

    /// B, where it is said.
    pub(super) fn said_batch(&self) -> Option<usize> {
        self.batch
    }

    /// The arrays of the inputs of each step, or of those that are given per sequence, in the order of the cell.
    pub(super) fn placed_once(
        &self,
        bound: &Bound,
        per_sequence: bool,
    ) -> Result<Vec<ArrayViewD<'_, F>>, Error> {
        let cell = bound.cell();
        let mut all: Vec<Option<ArrayViewD<'_, F>>> = cell.inputs.iter().map(|_| None).collect();
        for (name, values) in &self.arrays {
            let at = Of::Input.place(cell, name.as_deref())?;
            once(&mut all[at], values.view(), "input", &cell.inputs[at].name)?;
        }
        let own = all.into_iter().zip(&cell.inputs).filter(|it| it.1.per_sequence == per_sequence);
        own.map(|(array, input)| {
            let missing = || format!("input `{}` is not given", input.name);
            array.ok_or_else(|| Error::fit(Code::DataDoesNotFit, missing()))
        })
        .collect()
    }
}

fn once<T>(slot: &mut Option<T>, value: T, what: &str, name: &str) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::fit(Code::DataDoesNotFit, format!("{what} `{name}` is given twice"))),
    }
}

/// The only input of a cell.
impl<'a, F, D: Dimension> From<ArrayView<'a, F, D>> for Inputs<'a, F> {
    fn from(values: ArrayView<'a, F, D>) -> Inputs<'a, F> {
        Inputs { arrays: vec![(None, values.into_dyn())], ..Inputs::default() }
    }
}

/// The only input of a cell.
impl<'a, F, D: Dimension> From<&'a Array<F, D>> for Inputs<'a, F> {
    fn from(values: &'a Array<F, D>) -> Inputs<'a, F> {
        values.view().into()
    }
}

/// Adjoints from outside, by name. As soon as one is given, all others are 0.
///
/// ```
/// use ndarray::Array;
/// use rnnc::{Cell, Upstream};
///
/// let cell = Cell::std("gru")?.bind([("I", 3), ("H", 4)])?;
/// let engine = cell.engine().build()?;
/// let run = engine.forward(&cell.init::<f32>(0)?, &Array::ones((5, 2, 3)))?;
/// // Of the last state alone.
/// let last = Array::ones((2, 4));
/// let gradients = engine.backward(&run, Upstream::zeros().state("h", last.view()))?;
/// assert_eq!(gradients.input("x")?.shape(), [5, 2, 3]);
/// # Ok::<(), rnnc::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Upstream<'a, F> {
    outputs: Vec<(String, ArrayViewD<'a, F>)>,
    states: Vec<(String, ArrayViewD<'a, F>)>,
    ones: bool,
}

impl<'a, F> Upstream<'a, F> {
    /// 1 everywhere for the main output: the gradients are those of its sum.
    pub fn ones() -> Upstream<'a, F> {
        Upstream { ones: true, ..Upstream::zeros() }
    }

    /// Nothing.
    pub fn zeros() -> Upstream<'a, F> {
        Upstream { outputs: Vec::new(), states: Vec::new(), ones: false }
    }

    /// The adjoint of an output, `[T, B, ...]`.
    pub fn output<D: Dimension>(mut self, name: &str, adjoint: ArrayView<'a, F, D>) -> Self {
        self.outputs.push((name.to_owned(), adjoint.into_dyn()));
        self.ones = false;
        self
    }

    /// The adjoint of a state after the last step, `[B, ...]`.
    pub fn state<D: Dimension>(mut self, name: &str, adjoint: ArrayView<'a, F, D>) -> Self {
        self.states.push((name.to_owned(), adjoint.into_dyn()));
        self.ones = false;
        self
    }

    pub(super) fn placed(&self, bound: &Bound) -> Result<UpstreamView<'_, F>, Error> {
        let cell = bound.cell();
        let mut placed = UpstreamView::zeros(cell.outputs.len(), cell.carries.len());
        placed.ones = self.ones;
        for (name, adjoint) in &self.outputs {
            let at = Of::Output.place(cell, Some(name))?;
            once(&mut placed.outputs[at], adjoint.view(), "the adjoint of output", name)?;
        }
        for (name, adjoint) in &self.states {
            let at = Of::State.place(cell, Some(name))?;
            once(&mut placed.states[at], adjoint.view(), "the adjoint of state", name)?;
        }
        Ok(placed)
    }
}
