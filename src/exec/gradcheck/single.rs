//! The comparison with the engine that trains, which computes in f32.
//!
//! Its gradients are compared with those of the interpreter in f64 at the same point, whose numbers
//! all have an f32. What f32 cannot know is no fault: where the interpreter itself, in f32, is too far
//! from f64, because a cell amplifies rounding from step to step, nothing is compared; nor is it where
//! a kink or a jump is so near that rounding may cross it.

use ndarray::ArrayD;

use super::super::arrays::{Feed, Gradients, InitialState, Inputs, Params, Upstream};
use super::super::engine::Engine;
use super::super::masks::Masks;
use super::super::reference::{Call, backward, forward};
use super::compare::Tensor;
use super::sample::Sample;
use super::{CheckError, Derived};
use crate::ir::Real;

/// The interpreter in f32 may be off by this part of the bound, or the sample says nothing.
const OWN_PART: f64 = 0.1;

/// Everything that a run takes.
struct SampleArrays<F> {
    params: Params<F>,
    inputs: Inputs<F>,
    state: InitialState<F>,
    masks: Masks<F>,
    upstream: Upstream<F>,
}

impl<F: Real> SampleArrays<F> {
    /// Returns the numbers of a sample, rounded to f32.
    fn of(sample: &Sample<'_>) -> SampleArrays<F> {
        let array = |it: &ArrayD<f64>| it.mapv(|it| F::of(f64::from(it as f32)));
        let maybe = |it: &Option<ArrayD<f64>>| it.as_ref().map(array);
        let all = |it: &[Option<ArrayD<f64>>]| it.iter().map(maybe).collect();
        let feed = |it: &Feed<f64>| match it {
            Feed::Batch(it) => Feed::Batch(array(it)),
            Feed::Shared(it) => Feed::Shared(array(it)),
        };
        SampleArrays {
            params: Params::new(sample.params.arrays().iter().map(array).collect()),
            inputs: Inputs {
                feeds: sample.inputs.feeds.iter().map(|it| it.as_ref().map(feed)).collect(),
                lengths: sample.inputs.lengths.clone(),
                steps: sample.inputs.steps,
                batch: sample.inputs.batch,
            },
            state: InitialState(all(&sample.state.0)),
            masks: match &sample.masks {
                Masks::Eval => Masks::Eval,
                Masks::Train(bits) => Masks::train(bits.seed),
            },
            upstream: Upstream {
                outputs: all(&sample.upstream.outputs),
                states: all(&sample.upstream.states),
            },
        }
    }

    fn interpreted(&self, derived: &Derived) -> Result<Gradients<F>, CheckError> {
        let SampleArrays { params, inputs, state, masks, upstream } = self;
        let run = forward(Call { bound: &derived.bound, params, inputs, state, masks }, &[])?;
        Ok(backward(&run, &derived.adjoint, upstream)?)
    }
}

/// The gradients at a sample.
pub(super) struct Single {
    exact: Gradients<f64>,
    plain: Gradients<f32>,
    fast: Gradients<f32>,
}

/// The outcome of the comparison for one tensor.
pub(super) enum Outcome {
    /// The normwise difference, and the element that differs most.
    Apart(f64, Option<Vec<usize>>),
    /// The reason for which there is none.
    Missing(&'static str),
}

impl Single {
    /// Runs a sample three times; the reason where there is nothing to compare.
    pub(super) fn new(
        derived: &Derived,
        engine: &Engine,
        sample: &Sample<'_>,
    ) -> Result<Result<Single, &'static str>, CheckError> {
        if !sample.is_decided {
            return Ok(Err("no sample is away from a kink or a jump"));
        }
        let given = SampleArrays::<f32>::of(sample);
        let SampleArrays { params, inputs, state, masks, upstream } = &given;
        let run = engine.forward_with(params, inputs, state, masks)?;
        let fast = engine.backward(&run, upstream)?;
        let exact = SampleArrays::<f64>::of(sample).interpreted(derived)?;
        let plain = given.interpreted(derived)?;
        Ok(Ok(Single { exact, plain, fast }))
    }

    /// Compares the gradients of a tensor; one that is smaller than `least` with that.
    pub(super) fn compare(&self, tensor: Tensor, least: f64, bound: f64) -> Outcome {
        let gradients = (
            tensor.gradient(&self.exact),
            tensor.gradient(&self.plain),
            tensor.gradient(&self.fast),
        );
        let (Some(exact), Some(plain), Some(fast)) = gradients else {
            return Outcome::Missing("the engine gives none");
        };
        let size = super::compare::norm(exact).max(least);
        let apart = |of: &ArrayD<f32>| {
            let each = exact.iter().zip(of).map(|(a, b)| a - f64::from(*b));
            let norm = each.map(|it| it * it).sum::<f64>().sqrt();
            if norm > 0.0 { norm / size } else { norm }
        };
        let own = apart(plain);
        if own.is_nan() || own > OWN_PART * bound {
            return Outcome::Missing("f32 itself is not exact enough");
        }
        let error = apart(fast);
        let each = exact.indexed_iter().zip(fast);
        let worst = each
            .map(|((at, a), b)| (at, (a - f64::from(*b)).abs()))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        let worst = worst.map(|(at, _)| (0..exact.ndim()).map(|axis| at[axis]).collect());
        Outcome::Apart(error, worst)
    }
}
