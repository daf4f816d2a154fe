//! The bits of masks.
//!
//! In evaluation a mask is the probability of a 1. In training its bits are given or drawn, once,
//! when a run begins; forward keeps them and backward reads the same.
//!
//! A drawn bit depends on the seed, the full name of the mask, the number of the sequence and of
//! the step (as far as its scope goes) and its place in the mask alone. So a batch gives what its
//! sequences give alone under their numbers, chunks give what the whole run gives, and no order of
//! work matters. Like the draws of params the bits are kept from release to release: the key is
//! that of a param named `mask NAME`, which no param is called, with the number of the sequence in
//! place of the draw; the step is the stream; element k takes the k-th pair of words.

use ndarray::{ArrayD, Axis};

use super::bind::{Bound, MAX_BYTES, extent};
use super::eval::Value;
use super::init::Bits;
use super::reference::{RunError, zeros};
use crate::ir::{Mask, Real, Scope};

/// The masks of a run.
#[derive(Clone, PartialEq, Debug)]
pub enum Masks<F> {
    /// Evaluation: each mask is the probability of a 1.
    Eval,
    /// Training: each mask holds bits.
    Train(Training<F>),
}

/// The bits of a run in training: the seed, and masks that are given.
#[derive(Clone, PartialEq, Debug)]
pub struct Training<F> {
    /// The seed of the bits, together with names and positions.
    pub seed: u64,
    /// The number of the first sequence of the batch, where a batch is a part of something larger.
    pub first_sequence: u64,
    /// The number of each sequence of the batch, where they do not follow on the first.
    pub sequences: Vec<u64>,
    /// The epoch of a training; none elsewhere.
    pub epoch: Option<u64>,
    /// The number of the run, from which bits that are drawn once per run are drawn.
    pub call: u64,
    /// The number of the first step, where a run goes on with sequences that began before.
    pub first_step: u64,
    /// For each mask its bits, instead of drawn ones: `[T, B, ...]`, `[B, ...]` or `[...]` as its
    /// scope is. Shorter than the list of masks, the others are drawn.
    pub given: Vec<Option<ArrayD<F>>>,
}

impl<F> Masks<F> {
    /// Training from the first step of the first sequence, all bits drawn.
    pub fn train(seed: u64) -> Masks<F> {
        Masks::Train(Training::new(seed))
    }

    /// Goes on after a run of so many steps.
    pub fn move_on(&mut self, steps: u64) {
        match self {
            Masks::Eval => {}
            Masks::Train(it) => it.first_step = it.first_step.wrapping_add(steps),
        }
    }
}

impl<F> Training<F> {
    /// Returns the first step of the first sequence of the first run, all bits drawn.
    pub fn new(seed: u64) -> Training<F> {
        Training {
            seed,
            first_sequence: 0,
            sequences: Vec::new(),
            epoch: None,
            call: 0,
            first_step: 0,
            given: Vec::new(),
        }
    }

    /// Returns the number from which the bits of a sequence of the batch are drawn, or those of the run.
    fn number(&self, sequence: Option<usize>) -> u64 {
        let following = |idx: usize| self.first_sequence.wrapping_add(idx as u64);
        match sequence {
            None => self.call,
            Some(idx) => self.sequences.get(idx).copied().unwrap_or_else(|| following(idx)),
        }
    }
}

/// T, B and the lengths of a run.
pub(crate) struct Extents<'a> {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) lengths: &'a [usize],
}

/// Returns the axes that a mask has before its own.
fn leading(scope: Scope, steps: usize, batch: usize) -> Vec<usize> {
    match scope {
        Scope::Step => vec![steps, batch],
        Scope::Sequence => vec![batch],
        Scope::Run => Vec::new(),
    }
}

/// Returns the bits of all masks of a run, each `[T, B, ...]`, `[B, ...]` or `[...]` as its scope is, and 0 beyond the length of
/// a sequence; `None` in evaluation.
pub(crate) fn bits<F: Real>(
    bound: &Bound,
    masks: &Masks<F>,
    run: &Extents<'_>,
) -> Result<Option<Vec<ArrayD<F>>>, RunError> {
    let training = match masks {
        Masks::Eval => return Ok(None),
        Masks::Train(training) => training,
    };
    let cell = bound.cell();
    if training.given.len() > cell.masks.len() {
        let (given, own) = (training.given.len(), cell.masks.len());
        return Err(RunError::Data(format!("there are {given} masks, the cell has {own}")));
    }
    let mut all = Vec::with_capacity(cell.masks.len());
    for (idx, (mask, own)) in cell.masks.iter().zip(bound.mask_shapes()).enumerate() {
        let mut shape = leading(mask.scope, run.steps, run.batch);
        shape.extend(own);
        let bytes = extent(&shape).saturating_mul(size_of::<F>() as u64);
        if bytes > MAX_BYTES {
            return Err(RunError::TooLarge { what: format!("the mask `{}`", mask.name), bytes });
        }
        let mut array = zeros(&shape, &format!("the mask `{}`", mask.name))?;
        let given = training.given.get(idx).and_then(Option::as_ref);
        if let Some(given) = given
            && given.shape() != shape
        {
            return Err(RunError::Data(format!(
                "mask `{}` has shape {:?}, expected {shape:?}",
                mask.name,
                given.shape()
            )));
        }
        let probability = mask.probability.eval(bound.env()).unwrap_or(f64::NAN);
        // Outside of training the bits of a release are those of every other.
        let key = match training.epoch {
            None => mask.name.to_string(),
            Some(epoch) => format!("{} epoch {epoch}", mask.name),
        };
        for (step, sequence) in places(mask.scope, run) {
            let mut part = at_mut(&mut array, step, sequence);
            match given {
                Some(given) => {
                    let given = at(given, step, sequence);
                    check(mask, &given, step, sequence)?;
                    part.assign(&given);
                }
                None => {
                    let sequence = training.number(sequence);
                    let step = step.map_or(0, |it| training.first_step.wrapping_add(it as u64));
                    let mut bits = Bits::of_mask(training.seed, &key, sequence, step);
                    part.mapv_inplace(
                        |_| {
                            if bits.unit() < probability { F::one() } else { F::zero() }
                        },
                    );
                }
            }
        }
        all.push(array);
    }
    Ok(Some(all))
}

/// Returns the steps and sequences for which a mask has bits of their own.
fn places(scope: Scope, run: &Extents<'_>) -> Vec<(Option<usize>, Option<usize>)> {
    match scope {
        Scope::Step => (0..run.batch)
            .flat_map(|it| (0..run.lengths[it]).map(move |step| (Some(step), Some(it))))
            .collect(),
        Scope::Sequence => (0..run.batch).map(|it| (None, Some(it))).collect(),
        Scope::Run => vec![(None, None)],
    }
}

fn at<F>(
    array: &ArrayD<F>,
    step: Option<usize>,
    sequence: Option<usize>,
) -> ndarray::ArrayViewD<'_, F> {
    let mut part = array.view();
    for idx in [step, sequence].into_iter().flatten() {
        part.index_axis_inplace(Axis(0), idx);
    }
    part
}

fn at_mut<F>(
    array: &mut ArrayD<F>,
    step: Option<usize>,
    sequence: Option<usize>,
) -> ndarray::ArrayViewMutD<'_, F> {
    let mut part = array.view_mut();
    for idx in [step, sequence].into_iter().flatten() {
        part.index_axis_inplace(Axis(0), idx);
    }
    part
}

/// Given bits are 0 or 1.
fn check<F: Real>(
    mask: &Mask,
    part: &ndarray::ArrayViewD<'_, F>,
    step: Option<usize>,
    sequence: Option<usize>,
) -> Result<(), RunError> {
    let wrong = |it: &F| *it != F::zero() && *it != F::one();
    match part.indexed_iter().find(|(_, it)| wrong(it)) {
        None => Ok(()),
        Some((unit, value)) => Err(RunError::Bit {
            name: mask.name.clone(),
            place: super::reference::Place {
                step,
                sequence,
                unit: ndarray::Dimension::slice(&unit).to_vec(),
            },
            value: Real::to_f64(*value),
        }),
    }
}

/// Returns the bits of a mask at one step of one sequence.
pub(crate) fn value<F: Real>(
    mask: &Mask,
    bits: &ArrayD<F>,
    step: usize,
    sequence: usize,
) -> Value<F> {
    let (step, sequence) = match mask.scope {
        Scope::Step => (Some(step), Some(sequence)),
        Scope::Sequence => (None, Some(sequence)),
        Scope::Run => (None, None),
    };
    at(bits, step, sequence).to_owned().into_shared()
}

#[cfg(test)]
mod tests;
