//! The loss of a batch: the mean over its valid steps, each counting once, and not a mean of means.
//!
//! Of sequences of 2 and 1 steps with the losses 1, 2 and 4 it is 7/3. With `at last` the last step of each sequence
//! counts alone, and a sequence without steps not at all.

use ndarray::{ArrayD, IxDyn};

use super::arrays::{InitialState, Inputs, Params, Upstream};
use super::engine::{Engine, Run};
use super::masks::Masks;
use super::reference::RunError;
use super::views::Lent;
use crate::ir::{Cell, LOSS, Real};

/// The sum of the losses of some steps, in f64, and how many there are.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct BatchLoss {
    /// The sum, step after step, and at each the sequences in their order.
    pub sum: f64,
    /// The number of steps that count; with `at last`, of sequences.
    pub count: usize,
}

impl BatchLoss {
    /// Returns the mean; NaN where no step counts.
    pub fn mean(&self) -> f64 {
        self.sum / self.count as f64
    }
}

/// Returns the place of the loss among the outputs of a cell, and whether the last step counts alone.
fn loss_of(cell: &Cell) -> Option<(usize, bool)> {
    Some((cell.output(LOSS)?, cell.losses.first()?.at_last))
}

/// Returns the steps of sequences that count, in their order.
fn counted(lengths: &[usize], at_last: bool) -> impl Iterator<Item = (usize, usize)> {
    let steps = lengths.iter().copied().max().unwrap_or(0);
    (0..steps).flat_map(move |step| {
        let all = lengths.iter().enumerate();
        let counts = move |it: &(usize, &usize)| match at_last {
            true => step + 1 == *it.1,
            false => step < *it.1,
        };
        all.filter(counts).map(move |it| (step, it.0))
    })
}

impl<F: Real> Run<F> {
    /// Returns the loss of the batch; `None` where the cell gives none.
    pub fn loss(&self, cell: &Cell) -> Option<BatchLoss> {
        let (output, at_last) = loss_of(cell)?;
        let mut loss = BatchLoss::default();
        for (step, sequence) in counted(self.lengths(), at_last) {
            loss.sum += Real::to_f64(self.outputs[output][[step, sequence]]);
            loss.count += 1;
        }
        Some(loss)
    }
}

impl<F: Real> Upstream<F> {
    /// Returns the adjoints that give the gradient of the mean loss of a run; zeros where the cell gives no loss.
    pub fn of_loss(cell: &Cell, run: &Run<F>) -> Upstream<F> {
        let count = loss_of(cell).map_or(0, |it| counted(run.lengths(), it.1).count());
        Upstream::of_loss_among(cell, run, count)
    }

    /// As [`Upstream::of_loss`], for a run that has a part of a batch, in which `count` steps count.
    pub fn of_loss_among(cell: &Cell, run: &Run<F>, count: usize) -> Upstream<F> {
        let mut upstream = Upstream::ones(cell.outputs.len(), cell.carries.len());
        let mut adjoint = ArrayD::zeros(IxDyn(&[run.steps(), run.batch()]));
        if let Some((output, at_last)) = loss_of(cell) {
            let share = F::of(1.0 / count as f64);
            for (step, sequence) in counted(run.lengths(), at_last) {
                adjoint[[step, sequence]] = share;
            }
            upstream.outputs[output] = Some(adjoint);
        }
        upstream
    }
}

impl Engine {
    /// Runs a batch and gives its loss with the run.
    ///
    /// # Errors
    ///
    /// As [`Engine::forward_with`]; and where the cell gives no loss.
    pub fn loss<F: Real>(
        &self,
        params: &Params<F>,
        inputs: &Inputs<F>,
        state: &InitialState<F>,
        masks: &Masks<F>,
    ) -> Result<(Run<F>, BatchLoss), RunError> {
        self.with_loss(self.forward_with(params, inputs, state, masks)?)
    }

    /// As [`Engine::loss`], of arrays that are lent, as [`Engine::forward_lent`] takes them.
    ///
    /// # Errors
    ///
    /// As [`Engine::loss`].
    pub fn loss_lent<F: Real>(
        &self,
        lent: Lent<'_, F>,
        masks: &Masks<F>,
    ) -> Result<(Run<F>, BatchLoss), RunError> {
        self.with_loss(self.forward_lent(lent, masks)?)
    }

    fn with_loss<F: Real>(&self, run: Run<F>) -> Result<(Run<F>, BatchLoss), RunError> {
        let cell = self.bound().cell();
        let none = || RunError::Data(format!("`{}` gives no loss", cell.name));
        let loss = run.loss(cell).ok_or_else(none)?;
        Ok((run, loss))
    }
}
