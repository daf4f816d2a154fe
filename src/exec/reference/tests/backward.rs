//! Properties of back-propagation. That the numbers are derivatives is what gradcheck tests.

use ndarray::{ArrayD, Axis, Slice};

use super::super::{backward, check_gradients};
use super::{batch, bound, declared, numbers, run};
use crate::derive;
use crate::exec::arrays::{Feed, Gradients, InitialState, Inputs, Upstream};
use crate::exec::bind::Bound;
use crate::exec::init::init;

/// Gradients with the params of seed 1.
fn gradients(
    bound: &Bound,
    inputs: &Inputs<f64>,
    state: &InitialState<f64>,
    upstream: &Upstream<f64>,
) -> Gradients<f64> {
    let params = init(bound, 1).unwrap();
    let run = run(bound, &params, inputs, state).unwrap();
    backward(&run, &derive::adjoint(bound.cell()), upstream).unwrap()
}

fn ones() -> Upstream<f64> {
    Upstream::ones(1, 2)
}

fn near(a: &ArrayD<f64>, b: &ArrayD<f64>) {
    assert_eq!(a.shape(), b.shape());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= 1e-13 * b.abs().max(1.0), "{a} {b}");
    }
}

/// The positions of params of the gated cell.
const UNUSED: usize = 4;
const H0: usize = 5;

#[test]
fn a_learned_start_gets_the_sum_of_the_batch_and_nothing_where_it_is_given() {
    let bound = bound();
    let inputs = batch(4, 3);
    let all = gradients(&bound, &inputs, &declared(), &ones());
    let start = all.starts[0].clone().unwrap();
    assert_eq!(start.shape(), [3, 4]);
    near(all.params[H0].as_ref().unwrap(), &start.sum_axis(Axis(0)));
    assert!(start.iter().all(|it| *it != 0.0));

    let given = InitialState(vec![Some(numbers(&[3, 4], 4)), None]);
    let all = gradients(&bound, &inputs, &given, &ones());
    assert!(all.params[H0].as_ref().unwrap().iter().all(|it| *it == 0.0));
    assert!(all.starts[0].as_ref().unwrap().iter().all(|it| *it != 0.0));
    assert!(all.params[UNUSED].as_ref().unwrap().iter().all(|it| *it == 0.0));
}

#[test]
fn the_gradient_of_a_start_is_the_sum_over_all_places_that_read_it() {
    let bound = bound();
    let inputs = batch(1, 1);
    let h = numbers(&[1, 4], 4);
    let one = InitialState(vec![Some(h.clone()), None]);
    let both = InitialState(vec![Some(h.clone()), Some(h)]);
    let one = gradients(&bound, &inputs, &one, &ones()).starts;
    let both = gradients(&bound, &inputs, &both, &ones()).starts;
    let (first, second) = (both[0].as_ref().unwrap(), both[1].as_ref().unwrap());
    assert!(second.iter().all(|it| *it != 0.0));
    near(one[0].as_ref().unwrap(), &(first + second));
}

#[test]
fn nothing_given_means_ones_for_the_main_output_and_one_given_means_zeros_elsewhere() {
    let bound = bound();
    let inputs = batch(3, 2);
    let default = gradients(&bound, &inputs, &declared(), &ones());
    let mut upstream = ones();
    upstream.outputs[0] = Some(ArrayD::ones(vec![3, 2, 4]));
    assert_eq!(default, gradients(&bound, &inputs, &declared(), &upstream));
    upstream.outputs[0] = None;
    upstream.states[0] = Some(numbers(&[2, 4], 3));
    let last = gradients(&bound, &inputs, &declared(), &upstream);
    // The adjoint of the final state is that of the last output.
    let mut outputs = ArrayD::zeros(vec![3, 2, 4]);
    outputs.index_axis_mut(Axis(0), 2).assign(&numbers(&[2, 4], 3));
    let upstream = Upstream { outputs: vec![Some(outputs)], states: vec![None, None] };
    let same = gradients(&bound, &inputs, &declared(), &upstream);
    assert_eq!(last.params, same.params);
    assert_eq!(last.inputs, same.inputs);
}

#[test]
fn lengths_cut_gradients_as_running_alone_does() {
    let bound = bound();
    let lengths = [2usize, 0, 4];
    let mut inputs = batch(4, 3);
    let mut upstream = ones();
    upstream.outputs[0] = Some(numbers(&[4, 3, 4], 8));
    upstream.states[0] = Some(numbers(&[3, 4], 9));
    let (whole, weights) = (inputs.clone(), upstream.clone());
    // What lies beyond the lengths is never read, not even NaN.
    for array in
        [inputs.feeds[0].as_mut().unwrap().array_mut(), upstream.outputs[0].as_mut().unwrap()]
    {
        for (sequence, length) in lengths.iter().enumerate() {
            let mut own = array.index_axis_mut(Axis(1), sequence);
            own.slice_axis_mut(Axis(0), Slice::from(*length..)).fill(f64::NAN);
        }
    }
    inputs.lengths = Some(lengths.to_vec());
    let all = gradients(&bound, &inputs, &declared(), &upstream);
    assert_eq!(check_gradients(&bound, &all), None);
    let dx = all.inputs[0].as_ref().unwrap();
    let mut sums: Vec<ArrayD<f64>> =
        all.params.iter().map(|it| ArrayD::zeros(it.as_ref().unwrap().raw_dim())).collect();
    for (sequence, length) in lengths.into_iter().enumerate() {
        let beyond = dx.index_axis(Axis(1), sequence);
        let (valid, beyond) = beyond.split_at(Axis(0), length);
        assert!(beyond.iter().all(|it| *it == 0.0));
        let start = all.starts[0].as_ref().unwrap().index_axis(Axis(0), sequence);
        let state = weights.states[0].as_ref().unwrap().index_axis(Axis(0), sequence);
        if length == 0 {
            // The final state is the initial one.
            assert_eq!(start, state);
            sums[H0] += &state;
            continue;
        }
        let cut = |array: &ArrayD<f64>| {
            let own = array.index_axis(Axis(1), sequence);
            own.slice_axis(Axis(0), Slice::from(..length)).to_owned()
        };
        let alone =
            Inputs::new(vec![Some(Feed::Shared(cut(whole.feeds[0].as_ref().unwrap().array())))]);
        let upstream = Upstream {
            outputs: vec![Some(cut(weights.outputs[0].as_ref().unwrap()).insert_axis(Axis(1)))],
            states: vec![Some(state.to_owned().insert_axis(Axis(0))), None],
        };
        let alone = gradients(&bound, &alone, &declared(), &upstream);
        assert_eq!(valid, *alone.inputs[0].as_ref().unwrap());
        assert_eq!(start, alone.starts[0].as_ref().unwrap().index_axis(Axis(0), 0));
        for (sum, own) in sums.iter_mut().zip(&alone.params) {
            *sum += own.as_ref().unwrap();
        }
    }
    for (sum, own) in sums.iter().zip(&all.params) {
        near(own.as_ref().unwrap(), sum);
    }
}

#[test]
fn the_gradient_of_a_shared_sequence_is_summed() {
    let bound = bound();
    let shared = numbers(&[3, 3], 1);
    let mut one = Inputs::new(vec![Some(Feed::Shared(shared.clone()))]);
    one.batch = Some(2);
    let repeated = ndarray::stack(Axis(1), &[shared.view(), shared.view()]).unwrap();
    let two = Inputs::new(vec![Some(Feed::Batch(repeated))]);
    let one = gradients(&bound, &one, &declared(), &ones());
    let two = gradients(&bound, &two, &declared(), &ones());
    near(one.inputs[0].as_ref().unwrap(), &two.inputs[0].as_ref().unwrap().sum_axis(Axis(1)));
    assert_eq!(one.params, two.params);
}

#[test]
fn the_flow_is_the_norm_of_the_adjoint_at_each_step() {
    let bound = bound();
    let all = gradients(&bound, &batch(4, 2), &declared(), &ones());
    let flow = all.flow[0].as_ref().unwrap();
    assert_eq!(flow.len(), 5);
    // After the last step there is what outputs give, before the first it is the gradient of the
    // start.
    assert!(flow[4] > 0.0);
    let mut start = all.starts[0].clone().unwrap();
    // The start of `h` also has what comes through `h.2`, which starts as `h`.
    start -= all.starts[1].as_ref().unwrap();
    let norm = start.iter().map(|it| it * it).sum::<f64>().sqrt();
    assert!((flow[0] - norm).abs() < 1e-12);
}

#[test]
fn consts_have_no_gradient_and_shapes_of_adjoints_are_checked() {
    let mut cell = bound().cell().clone();
    cell.params[3].trained = false;
    let bound = crate::exec::bind(&cell, crate::exec::hand::sizes(&[("I", 3), ("H", 4)])).unwrap();
    let inputs = batch(2, 1);
    let all = gradients(&bound, &inputs, &declared(), &ones());
    assert_eq!(all.params[3], None);
    let params = init(&bound, 1).unwrap();
    let state = declared();
    let run = run(&bound, &params, &inputs, &state).unwrap();
    let adjoint = derive::adjoint(bound.cell());
    let mut upstream = ones();
    upstream.outputs[0] = Some(numbers(&[2, 1, 5], 0));
    let fault = backward(&run, &adjoint, &upstream).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the adjoint of output `h` has shape [2, 1, 5], expected [2, 1, 4]"
    );
}

#[test]
fn an_infinite_gradient_is_named() {
    let bound = bound();
    let mut upstream = ones();
    let mut weights = ArrayD::zeros(vec![2, 2, 4]);
    weights[[1, 1, 2]] = f64::INFINITY;
    upstream.outputs[0] = Some(weights);
    let all = gradients(&bound, &batch(2, 2), &declared(), &upstream);
    let found = check_gradients(&bound, &all).unwrap();
    assert!(found.name.contains("input `x`"), "{found}");
    assert_eq!(found.place.sequence, Some(1));
}
