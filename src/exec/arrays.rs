//! The arrays that go into a run and come out of it. Time comes first, then the batch:
//! `[T, B, ...]`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayD, ArrayViewD};

use super::views::{FeedView, InputsView, ParamsView, StateView, UpstreamView};
use crate::ir::Input;

/// The value of each param and stored const, in the order of the cell, each in its declared shape.
///
/// An engine brings weights into the form in which it multiplies with them, and keeps that as long as
/// the params are the same: they bear a stamp that changes whenever somebody may have changed them. A copy
/// shares the arrays until one of the two is changed.
#[derive(Clone, Debug)]
pub struct Params<F> {
    arrays: Arc<Vec<ArrayD<F>>>,
    stamp: u64,
}

impl<F: Clone> Params<F> {
    /// Params with these values.
    pub fn new(arrays: Vec<ArrayD<F>>) -> Params<F> {
        Params { arrays: Arc::new(arrays), stamp: fresh() }
    }

    /// The values, lent.
    pub fn view(&self) -> ParamsView<'_, F> {
        ParamsView::stamped(self.arrays.iter().map(|it| it.view()).collect(), self.stamp)
    }

    /// The values.
    pub fn arrays(&self) -> &[ArrayD<F>] {
        &self.arrays
    }

    /// The values, to change them.
    pub fn arrays_mut(&mut self) -> &mut [ArrayD<F>] {
        self.stamp = fresh();
        Arc::make_mut(&mut self.arrays).as_mut_slice()
    }

    /// The values alone.
    pub fn into_arrays(self) -> Vec<ArrayD<F>> {
        Arc::unwrap_or_clone(self.arrays)
    }

    /// A number that no other params have, but for copies of these.
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }
}

impl<F: PartialEq> PartialEq for Params<F> {
    fn eq(&self, other: &Params<F>) -> bool {
        self.arrays == other.arrays
    }
}

/// A number that was not given before.
pub(crate) fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The values of one input. One that is given per sequence has no axis of steps: `[B, ...]`, or
/// `[...]` for all sequences.
#[derive(Clone, PartialEq, Debug)]
pub enum Feed<F> {
    /// One sequence each: `[T, B, ...]`.
    Batch(ArrayD<F>),
    /// One sequence for all, `[T, ...]`; its gradient is summed over the batch.
    Shared(ArrayD<F>),
}

impl<F> Feed<F> {
    /// The array, however it is shared.
    pub fn array(&self) -> &ArrayD<F> {
        match self {
            Feed::Batch(array) | Feed::Shared(array) => array,
        }
    }

    /// How many axes of the array come before those of one value.
    pub fn outer(&self, input: &Input) -> usize {
        let steps = usize::from(!input.per_sequence);
        match self {
            Feed::Batch(_) => steps + 1,
            Feed::Shared(_) => steps,
        }
    }

    /// The array, lent.
    pub fn view(&self) -> FeedView<'_, F> {
        match self {
            Feed::Batch(array) => FeedView::Batch(array.view()),
            Feed::Shared(array) => FeedView::Shared(array.view()),
        }
    }

    /// The array, to change it.
    pub fn array_mut(&mut self) -> &mut ArrayD<F> {
        match self {
            Feed::Batch(array) | Feed::Shared(array) => array,
        }
    }
}

/// What runs through a cell.
#[derive(Clone, PartialEq, Debug)]
pub struct Inputs<F> {
    /// For each input its values, or none to use its default at every step.
    pub feeds: Vec<Option<Feed<F>>>,
    /// How many steps each sequence has, `0..=T`; all have T when absent. What stands in arrays
    /// beyond is never read.
    pub lengths: Option<Vec<usize>>,
    /// T, where no input is given that says so.
    pub steps: Option<usize>,
    /// B, where nothing given says so; else 1.
    pub batch: Option<usize>,
}

impl<F> Inputs<F> {
    /// The given feeds, all of full length.
    pub fn new(feeds: Vec<Option<Feed<F>>>) -> Inputs<F> {
        Inputs { feeds, lengths: None, steps: None, batch: None }
    }

    /// All of it, lent.
    pub fn view(&self) -> InputsView<'_, F> {
        InputsView {
            feeds: self.feeds.iter().map(|it| it.as_ref().map(Feed::view)).collect(),
            lengths: self.lengths.as_deref(),
            steps: self.steps,
            batch: self.batch,
        }
    }
}

/// Where the carried values start, in the order of the cell: `[B, ...]`, or `[...]` for all
/// sequences, or none for the start that the cell declares.
#[derive(Clone, PartialEq, Debug)]
pub struct InitialState<F>(pub Vec<Option<ArrayD<F>>>);

impl<F> InitialState<F> {
    /// The starts that the cell declares.
    pub fn declared(carries: usize) -> InitialState<F> {
        InitialState((0..carries).map(|_| None).collect())
    }

    /// The starts, lent.
    pub fn view(&self) -> StateView<'_, F> {
        StateView(lend(&self.0))
    }
}

/// Adjoints from outside. As soon as one is given, all others are 0; without any, that of the main
/// output is 1 everywhere.
#[derive(Clone, PartialEq, Debug)]
pub struct Upstream<F> {
    /// For each output, `[T, B, ...]`.
    pub outputs: Vec<Option<ArrayD<F>>>,
    /// For each carried value after the last step, `[B, ...]`.
    pub states: Vec<Option<ArrayD<F>>>,
}

impl<F> Upstream<F> {
    /// Ones for the main output.
    pub fn ones(outputs: usize, carries: usize) -> Upstream<F> {
        Upstream {
            outputs: (0..outputs).map(|_| None).collect(),
            states: (0..carries).map(|_| None).collect(),
        }
    }

    /// The adjoints, lent.
    pub fn view(&self) -> UpstreamView<'_, F> {
        let ones = self.outputs.iter().chain(&self.states).all(Option::is_none);
        UpstreamView { outputs: lend(&self.outputs), states: lend(&self.states), ones }
    }
}

fn lend<F>(all: &[Option<ArrayD<F>>]) -> Vec<Option<ArrayViewD<'_, F>>> {
    all.iter().map(|it| it.as_ref().map(|it| it.view())).collect()
}

/// Which gradients backward gives. Others are none, and what they alone need is not computed: of a layer's input that is a third of
/// the products. Those that are wanted are the same but for rounding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Those of params.
    pub params: bool,
    /// Those of inputs.
    pub inputs: bool,
    /// Those of the starts of carried values.
    pub starts: bool,
}

impl Wanted {
    /// All gradients.
    pub const ALL: Wanted = Wanted { params: true, inputs: true, starts: true };
    /// Those of a training.
    pub const PARAMS: Wanted = Wanted { params: true, inputs: false, starts: false };
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted::ALL
    }
}

impl<F> Gradients<F> {
    /// The gradients that are wanted.
    pub(crate) fn only(mut self, wanted: Wanted) -> Gradients<F> {
        let Wanted { params, inputs, starts } = wanted;
        let all =
            [(&mut self.params, params), (&mut self.inputs, inputs), (&mut self.starts, starts)];
        for (gradients, _) in all.into_iter().filter(|it| !it.1) {
            gradients.iter_mut().for_each(|it| *it = None);
        }
        self
    }
}

/// The result of back-propagation through time.
#[derive(Clone, PartialEq, Debug)]
pub struct Gradients<F> {
    /// For each param its gradient, zeros where it is not used; none for stored consts, and where [`Wanted`] says so, as for all of these.
    pub params: Vec<Option<ArrayD<F>>>,
    /// For each given real input, in the shape of its array: summed over what it is the same for; none
    /// for the others.
    pub inputs: Vec<Option<ArrayD<F>>>,
    /// For each real carried value the gradient of its start, `[B, ...]`; none for indices. Where a
    /// carry starts as another and was not given itself, its gradient is also part of that of the
    /// other.
    pub starts: Vec<Option<ArrayD<F>>>,
    /// For each real carried value, the Euclidean norm of its adjoint over the batch before each
    /// step and after the last: T + 1 numbers. It is the whole adjoint, what outputs and other values
    /// of its step give it too. A value that goes backward stands at the same places between steps:
    /// what step t gives is number t, its start is after the last step. Nothing where [`super::EngineOptions::flow`] did not ask for it.
    pub flow: Vec<Option<Vec<F>>>,
}

/// A direction in which everything moves, for forward mode; none stands for zeros.
#[derive(Clone, PartialEq, Debug)]
pub struct Direction<F> {
    /// For each param, in its shape.
    pub params: Vec<Option<ArrayD<F>>>,
    /// For each given input, in the shape of its array.
    pub inputs: Vec<Option<ArrayD<F>>>,
    /// For each carried value, `[B, ...]`; added to what its start moves with the params.
    pub starts: Vec<Option<ArrayD<F>>>,
}

/// How fast the results move along a [`Direction`].
#[derive(Clone, PartialEq, Debug)]
pub struct Tangents<F> {
    /// For each output, `[T, B, ...]`.
    pub outputs: Vec<ArrayD<F>>,
    /// For each carried value after the last step, `[B, ...]`.
    pub states: Vec<ArrayD<F>>,
}
