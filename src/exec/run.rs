//! What a forward run gives, and keeps for the backward run.

use std::sync::{Mutex, PoisonError};

use ndarray::ArrayD;

use super::engine::EngineKind;
use super::fast::{self, Fast};
use super::reference::{self, NotFinite};
use crate::ir::Real;

/// The results of a forward run, and what the backward run needs.
#[derive(Debug)]
pub struct Run<'a, F> {
    /// Each output, `[T, B, ...]`; 0 beyond a sequence's length.
    pub outputs: Vec<ArrayD<F>>,
    /// Each carried value after the last step of each sequence, `[B, ...]`.
    pub states: Vec<ArrayD<F>>,
    /// Each named value that was asked for, `[T, B, ...]`; 0 beyond a sequence's length.
    pub traces: Vec<ArrayD<F>>,
    /// The first NaN of a named value or infinity of an output. The fast engine looks where outputs,
    /// traces or last carried values are not finite, and finds the first step at which an output, a
    /// trace, an input or a carried value is at fault; a NaN that a step keeps to itself, as one that
    /// `where` does not select, is no fault then.
    pub not_finite: Option<NotFinite>,
    pub(super) kept: Kept<'a, F>,
}

#[derive(Debug)]
pub(super) enum Kept<'a, F> {
    Plain(Box<reference::Run<'a, F>>),
    Fast(Held<'a>, RunSize, Vec<ArrayD<F>>),
}

/// A run of the fast engine, which gets its memory back.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub engine: &'a Fast,
    /// One backward run at a time has what forward kept.
    pub run: Option<Box<Mutex<fast::Run<'a>>>>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            self.engine.end(run.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct RunSize {
    pub steps: usize,
    pub batch: usize,
    pub lengths: Vec<usize>,
    pub segments: usize,
}

impl<F: Real> Run<'_, F> {
    /// What computed: the interpreter also where the fast engine was asked for and the type is f64.
    pub fn engine(&self) -> EngineKind {
        match &self.kept {
            Kept::Plain(_) => EngineKind::Reference,
            Kept::Fast(..) => EngineKind::Fast,
        }
    }

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

    /// Returns how many segments the steps were divided into, to stay within the bound of
    /// [`EngineOptions`](super::EngineOptions); backward runs all but one of them again.
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
