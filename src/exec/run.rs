//! The results of a forward run, and the values that it keeps for the backward run.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::ArrayD;

use super::arrays::{InitialState, Inputs, Params};
use super::engine::EngineKind;
use super::fast::{self, Fast};
use super::reference::{self, NotFinite, RunError};
use super::views::{InputsView, Lent, StateView};
use crate::ir::Real;

/// The results of a forward run, and what the backward run needs. It borrows nothing: it can be returned, stored and
/// sent to another thread.
///
/// While it lives it has memory that its engine gave it and gets back; the engine's own memory lives as long.
#[derive(Debug)]
pub struct Run<F> {
    /// Each output, `[T, B, ...]`; 0 beyond a sequence's length.
    pub outputs: Vec<ArrayD<F>>,
    /// Each carried value after the last step of each sequence, `[B, ...]`.
    pub states: Vec<ArrayD<F>>,
    /// Each named value that was asked for, `[T, B, ...]`; 0 beyond a sequence's length.
    pub traces: Vec<ArrayD<F>>,
    /// The first NaN of a named value or infinity of an output. The fast engine looks where outputs,
    /// traces or last carried values are not finite, and finds the first step at which an output, a
    /// trace, an input or a carried value is at fault; a NaN that a step keeps to itself, as one that
    /// `where` does not select, is no fault then. Nothing where
    /// [`EngineOptions::not_finite`](super::EngineOptions::not_finite) lets it flow.
    pub not_finite: Option<NotFinite>,
    pub(super) kept: Kept<F>,
    /// The arrays that it was given; none where they were lent.
    pub(super) own: Option<Own<F>>,
    pub(super) size: RunSize,
    pub(super) masks: Option<Arc<Vec<ArrayD<F>>>>,
}

/// The values that a backward run needs beside the arrays that were given.
#[derive(Debug)]
pub(super) enum Kept<F> {
    Nothing,
    Plain(reference::Kept<F>),
    Fast(Held),
}

/// Copies of what was given; those of params share their arrays.
#[derive(Debug)]
pub(super) struct Own<F> {
    params: Params<F>,
    inputs: Inputs<F>,
    state: InitialState<F>,
}

impl<F: Real> Own<F> {
    pub fn of(
        params: &Params<F>,
        inputs: &InputsView<'_, F>,
        state: &StateView<'_, F>,
    ) -> Result<Own<F>, RunError> {
        let feeds = inputs.feeds.iter().flatten().map(|it| it.array().len());
        let starts = state.0.iter().flatten().map(|it| it.len());
        reference::ask::<F>(feeds.chain(starts).sum(), "what a backward run reads again")?;
        Ok(Own { params: params.clone(), inputs: inputs.to_owned(), state: state.to_owned() })
    }

    pub fn view(&self) -> Lent<'_, F> {
        let Own { params, inputs, state } = self;
        Lent { params: params.view(), inputs: inputs.view(), state: state.view() }
    }
}

/// A run of the fast engine, which gets its memory back.
#[derive(Debug)]
pub(super) struct Held {
    pub engine: Arc<Fast>,
    /// One backward run at a time has what forward kept.
    run: Option<Box<Mutex<fast::Kept>>>,
}

impl Held {
    pub fn new(engine: Arc<Fast>, run: fast::Kept) -> Held {
        Held { engine, run: Some(Box::new(Mutex::new(run))) }
    }

    /// Returns the values that forward kept.
    pub fn run(&self) -> Option<&Mutex<fast::Kept>> {
        self.run.as_deref()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            self.engine.end(run.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct RunSize {
    pub engine: EngineKind,
    pub steps: usize,
    pub batch: usize,
    pub lengths: Vec<usize>,
    pub segments: usize,
}

impl<F: Real> Run<F> {
    /// Returns the engine that ran: the interpreter also if the fast engine was asked for and the type is f64.
    pub fn engine(&self) -> EngineKind {
        self.size.engine
    }

    /// T, the number of steps of the longest possible sequence.
    pub fn steps(&self) -> usize {
        self.size.steps
    }

    /// B, the number of sequences.
    pub fn batch(&self) -> usize {
        self.size.batch
    }

    /// Returns the bytes of the fast engine's values that a backward run reads: those that the plan lists as kept, for each step
    /// of each sequence, and carried values before the first step too. `None` where the interpreter ran, which keeps everything.
    pub fn kept_bytes(&self) -> Option<usize> {
        match (&self.kept, self.size.engine) {
            (Kept::Plain(_), _) | (_, EngineKind::Reference) => None,
            (Kept::Nothing, EngineKind::Fast) => Some(0),
            (Kept::Fast(held), _) => {
                let run = held.run.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
                Some(run.kept_bytes())
            }
        }
    }

    /// Returns the number of steps of each sequence.
    pub fn lengths(&self) -> &[usize] {
        &self.size.lengths
    }

    /// Returns how many segments the steps were divided into, to stay within the bound of
    /// [`EngineOptions`](super::EngineOptions); backward runs all but one of them again.
    pub fn segments(&self) -> usize {
        self.size.segments
    }

    /// In training the bits of each mask, `[T, B, ...]`, `[B, ...]` or `[...]` as its scope is, and
    /// 0 beyond a sequence's length; nothing in evaluation.
    pub fn masks(&self) -> &[ArrayD<F>] {
        self.masks.as_ref().map_or(&[], |it| it.as_slice())
    }
}
