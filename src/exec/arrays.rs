//! The arrays that go into a run and come out of it. Time comes first, then the batch:
//! `[T, B, ...]`.

use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{ArrayBase, ArrayD, Axis, IxDyn, RawData};

use crate::ir::Input;

/// The value of each param and stored const, in the order of the cell, each in its declared shape.
///
/// An engine brings weights into the form in which it multiplies with them, and keeps that as long as
/// the params are the same: they bear a stamp that changes whenever somebody may have changed them.
#[derive(Clone, Debug)]
pub struct Params<F> {
    arrays: Vec<ArrayD<F>>,
    stamp: u64,
}

impl<F> Params<F> {
    /// Params with these values.
    pub fn new(arrays: Vec<ArrayD<F>>) -> Params<F> {
        Params { arrays, stamp: fresh() }
    }

    /// The values.
    pub fn arrays(&self) -> &[ArrayD<F>] {
        &self.arrays
    }

    /// The values, to change them.
    pub fn arrays_mut(&mut self) -> &mut [ArrayD<F>] {
        self.stamp = fresh();
        &mut self.arrays
    }

    /// The values alone.
    pub fn into_arrays(self) -> Vec<ArrayD<F>> {
        self.arrays
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

    /// What an array that is laid out as this one has for a step of a sequence.
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
        if let Feed::Batch(_) = self {
            array.index_axis_inplace(Axis(0), sequence);
        }
        array
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

    pub(crate) fn is_empty(&self) -> bool {
        self.outputs.iter().chain(&self.states).all(Option::is_none)
    }
}

/// The result of back-propagation through time.
#[derive(Clone, PartialEq, Debug)]
pub struct Gradients<F> {
    /// For each param its gradient, zeros where it is not used; none for stored consts.
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
