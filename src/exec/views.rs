//! The arrays of a call as they are lent: views in any strides of what belongs to somebody else.
//!
//! The engines read these alone. Arrays of one's own are lent by `view`, as those of [`ndarray`] are; who has the
//! numbers elsewhere, as a binding of another language has, makes the views from what is there, and nothing is copied
//! that is as an engine wants it.

use ndarray::{ArrayBase, ArrayViewD, Axis, IxDyn, RawData};

use super::arrays::{Feed, InitialState, Inputs};
use crate::ir::Input;

/// The value of each param and stored const, in the order of the cell.
#[derive(Clone, Debug)]
pub struct ParamsView<'a, F> {
    arrays: Vec<ArrayViewD<'a, F>>,
    /// The stamp that distinguishes params of one's own; none for others, which nobody promises not to change.
    stamp: Option<u64>,
}

impl<'a, F> ParamsView<'a, F> {
    /// Params that are somewhere. An engine packs them anew in every run.
    pub fn new(arrays: Vec<ArrayViewD<'a, F>>) -> ParamsView<'a, F> {
        ParamsView { arrays, stamp: None }
    }

    /// Params that have this stamp as long as they are not changed.
    pub(super) fn stamped(arrays: Vec<ArrayViewD<'a, F>>, stamp: u64) -> ParamsView<'a, F> {
        ParamsView { arrays, stamp: Some(stamp) }
    }

    /// Returns the values.
    pub fn arrays(&self) -> &[ArrayViewD<'a, F>] {
        &self.arrays
    }

    pub(crate) fn stamp(&self) -> Option<u64> {
        self.stamp
    }
}

/// The values of one input: those of [`Feed`], lent.
#[derive(Clone, Debug)]
pub enum FeedView<'a, F> {
    /// One sequence each: `[T, B, ...]`.
    Batch(ArrayViewD<'a, F>),
    /// One sequence for all, `[T, ...]`.
    Shared(ArrayViewD<'a, F>),
}

impl<'a, F> FeedView<'a, F> {
    /// Returns the array, however it is shared.
    pub fn array(&self) -> &ArrayViewD<'a, F> {
        match self {
            FeedView::Batch(array) | FeedView::Shared(array) => array,
        }
    }

    /// Returns a copy of the array.
    fn to_owned(&self) -> Feed<F>
    where
        F: Clone,
    {
        match self {
            FeedView::Batch(array) => Feed::Batch(array.to_owned()),
            FeedView::Shared(array) => Feed::Shared(array.to_owned()),
        }
    }

    /// Returns the same, lent for a shorter time.
    fn reborrow(&self) -> FeedView<'_, F> {
        match self {
            FeedView::Batch(array) => FeedView::Batch(array.view()),
            FeedView::Shared(array) => FeedView::Shared(array.view()),
        }
    }

    /// Returns the number of axes of the array before those of one value.
    pub(crate) fn outer(&self, input: &Input) -> usize {
        let steps = usize::from(!input.per_sequence);
        match self {
            FeedView::Batch(_) => steps + 1,
            FeedView::Shared(_) => steps,
        }
    }

    /// Returns the part of an array with these axes that belongs to a step of a sequence.
    pub(crate) fn at<S: RawData>(
        &self,
        input: &Input,
        mut array: ArrayBase<S, IxDyn>,
        step: usize,
        sequence: usize,
    ) -> ArrayBase<S, IxDyn> {
        if !input.per_sequence {
            array.index_axis_inplace(Axis(0), step);
        }
        if let FeedView::Batch(_) = self {
            array.index_axis_inplace(Axis(0), sequence);
        }
        array
    }
}

/// The arrays that run through a cell: [`Inputs`], lent.
#[derive(Clone, Debug)]
pub struct InputsView<'a, F> {
    /// For each input its values, or none to use its default at every step.
    pub feeds: Vec<Option<FeedView<'a, F>>>,
    /// The number of steps of each sequence, `0..=T`; all have T when absent.
    pub lengths: Option<&'a [usize]>,
    /// T, where no input is given that says so.
    pub steps: Option<usize>,
    /// B, where nothing given says so; else 1.
    pub batch: Option<usize>,
}

impl<'a, F> InputsView<'a, F> {
    /// Returns the given feeds, all of full length.
    pub fn new(feeds: Vec<Option<FeedView<'a, F>>>) -> InputsView<'a, F> {
        InputsView { feeds, lengths: None, steps: None, batch: None }
    }

    /// Returns copies of all arrays.
    pub fn to_owned(&self) -> Inputs<F>
    where
        F: Clone,
    {
        Inputs {
            feeds: self.feeds.iter().map(|it| it.as_ref().map(FeedView::to_owned)).collect(),
            lengths: self.lengths.map(<[usize]>::to_vec),
            steps: self.steps,
            batch: self.batch,
        }
    }
}

/// The starts of the carried values: [`InitialState`], lent.
#[derive(Clone, Debug)]
pub struct StateView<'a, F>(pub Vec<Option<ArrayViewD<'a, F>>>);

impl<F> StateView<'_, F> {
    /// Returns the starts that the cell declares.
    pub fn declared(carries: usize) -> Self {
        StateView((0..carries).map(|_| None).collect())
    }

    /// Returns copies of all arrays.
    pub fn to_owned(&self) -> InitialState<F>
    where
        F: Clone,
    {
        InitialState(self.0.iter().map(|it| it.as_ref().map(|it| it.to_owned())).collect())
    }
}

/// The arrays that a run reads: all of them are lent.
#[derive(Clone, Debug)]
pub struct Lent<'a, F> {
    /// The weights.
    pub params: ParamsView<'a, F>,
    /// The arrays that run through the cell.
    pub inputs: InputsView<'a, F>,
    /// The starts of the carried values.
    pub state: StateView<'a, F>,
}

// A view of ndarray is not one of a shorter life by itself, so one is made.
impl<F> Lent<'_, F> {
    /// Returns the same, lent for a shorter time.
    pub(crate) fn reborrow(&self) -> Lent<'_, F> {
        let Lent { params, inputs, state } = self;
        Lent { params: params.reborrow(), inputs: inputs.reborrow(), state: state.reborrow() }
    }
}

impl<F> ParamsView<'_, F> {
    pub(crate) fn reborrow(&self) -> ParamsView<'_, F> {
        let arrays = self.arrays.iter().map(|it| it.view()).collect();
        ParamsView { arrays, stamp: self.stamp }
    }
}

impl<F> InputsView<'_, F> {
    pub(crate) fn reborrow(&self) -> InputsView<'_, F> {
        let feeds = self.feeds.iter().map(|it| it.as_ref().map(FeedView::reborrow)).collect();
        InputsView { feeds, lengths: self.lengths, steps: self.steps, batch: self.batch }
    }
}

impl<F> StateView<'_, F> {
    pub(crate) fn reborrow(&self) -> StateView<'_, F> {
        StateView(reborrow(&self.0))
    }
}

/// Returns the same arrays, lent for a shorter time.
pub(crate) fn reborrow<'s, F>(
    all: &'s [Option<ArrayViewD<'_, F>>],
) -> Vec<Option<ArrayViewD<'s, F>>> {
    all.iter().map(|it| it.as_ref().map(|it| it.view())).collect()
}

/// Adjoints from outside, lent.
#[derive(Clone, Debug)]
pub struct UpstreamView<'a, F> {
    /// For each output, `[T, B, ...]`.
    pub outputs: Vec<Option<ArrayViewD<'a, F>>>,
    /// For each carried value after the last step, `[B, ...]`.
    pub states: Vec<Option<ArrayViewD<'a, F>>>,
    /// True if the adjoint of the main output is 1 everywhere where it is not given; else it is 0, as all others are.
    pub ones: bool,
}

impl<F> UpstreamView<'_, F> {
    /// Returns the same, lent for a shorter time.
    pub(crate) fn reborrow(&self) -> UpstreamView<'_, F> {
        let UpstreamView { outputs, states, ones } = self;
        UpstreamView { outputs: reborrow(outputs), states: reborrow(states), ones: *ones }
    }

    /// Nothing comes from outside: all gradients are 0.
    pub fn zeros(outputs: usize, carries: usize) -> Self {
        UpstreamView {
            outputs: (0..outputs).map(|_| None).collect(),
            states: (0..carries).map(|_| None).collect(),
            ones: false,
        }
    }

    /// Ones for the main output.
    pub fn ones(outputs: usize, carries: usize) -> Self {
        UpstreamView { ones: true, ..UpstreamView::zeros(outputs, carries) }
    }
}
