//! Properties of runs, on a small gated cell built by hand.

mod backward;
mod forward;

use ndarray::{ArrayD, IxDyn};

use super::{Call, Run, RunError};
use crate::exec::Masks;
use crate::exec::arrays::{Feed, InitialState, Inputs, Params};
use crate::exec::bind::{Bound, bind};
use crate::exec::hand::{self, sizes};

fn bound() -> Bound {
    bind(&hand::gated(), sizes(&[("I", 3), ("H", 4)])).unwrap()
}

/// Numbers without a pattern, the same each time.
fn numbers(shape: &[usize], seed: u32) -> ArrayD<f64> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) * 2.0 - 1.0
    })
}

fn batch(steps: usize, batch: usize) -> Inputs<f64> {
    Inputs::new(vec![Some(Feed::Batch(numbers(&[steps, batch, 3], 1)))])
}

fn declared() -> InitialState<f64> {
    InitialState::declared(2)
}

fn run<'a>(
    bound: &'a Bound,
    params: &'a Params<f64>,
    inputs: &'a Inputs<f64>,
    state: &'a InitialState<f64>,
) -> Result<Run<'a, f64>, RunError> {
    super::forward(Call { bound, params, inputs, state, masks: &Masks::Eval }, &["z".into()])
}
