//! The first number of a batch that is NaN or infinite: the earliest step, then the order of the equations, then of the sequences.

use super::error::Error;
use crate::exec::engine::Run;
use crate::exec::{Bound, EngineOptions, InitialState, Inputs, Masks, Params, Upstream};
use crate::ir::{Real, ValueKind};
use crate::text::Name;

/// A place that is not finite.
pub(super) struct Found {
    /// By which places of several pieces are compared.
    pub(super) order: (bool, usize, usize, usize),
    pub(super) step: usize,
    /// The place in the batch.
    pub(super) sequence: usize,
    /// The fault, such as `s[3] is inf`.
    pub(super) what: String,
}

/// The arguments of a run.
type Given<'a, F> = (&'a Params<F>, &'a Inputs<F>, &'a InitialState<F>, &'a Masks<F>);

/// Runs a piece of a batch on the interpreter; where all values are finite, backward too.
pub(super) fn first<F: Real>(
    plain: &Bound,
    (params, inputs, state, masks): Given<'_, F>,
    upstream: &dyn Fn(&Run<F>) -> Upstream<F>,
    place: impl Fn(usize) -> usize,
) -> Result<Option<Found>, Error> {
    let values = plain.cell().values.iter().filter(|it| it.kind != ValueKind::Input);
    let mut traces: Vec<Name> = Vec::new();
    for name in values.map(|it| &it.name) {
        if !traces.contains(name) {
            traces.push(name.clone());
        }
    }
    let engine =
        plain.engine(EngineOptions { traces: traces.clone(), ..EngineOptions::reference() })?;
    let run = engine.forward_with(params, inputs, state, masks)?;
    for step in 0..run.steps() {
        for (equation, (name, values)) in traces.iter().zip(&run.traces).enumerate() {
            for sequence in (0..run.batch()).filter(|it| step < run.lengths()[*it]) {
                let value = values.index_axis(ndarray::Axis(0), step);
                let value = value.index_axis(ndarray::Axis(0), sequence);
                let Some((at, wrong)) = value.indexed_iter().find(|it| !it.1.is_finite()) else {
                    continue;
                };
                let unit = ndarray::Dimension::slice(&at);
                let unit = if unit.is_empty() { String::new() } else { format!("{unit:?}") };
                let sequence = place(sequence);
                return Ok(Some(Found {
                    order: (false, step, equation, sequence),
                    step,
                    sequence,
                    what: format!("{name}{unit} is {wrong}"),
                }));
            }
        }
    }
    let found = engine.first_not_finite(&run, &upstream(&run))?;
    Ok(found.map(|it| {
        let step = it.place.step.unwrap_or(0);
        let sequence = place(it.place.sequence.unwrap_or(0));
        // Backward goes from the last step to the first.
        let order = (true, run.steps() - step, 0, sequence);
        Found { order, step, sequence, what: format!("{} is {}", it.name, it.value) }
    }))
}
