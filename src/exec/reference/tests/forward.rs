//! Properties of the forward run.

use ndarray::{ArrayD, Axis, IxDyn};

use super::super::{Call, RunError, forward};
use super::{batch, bound, declared, numbers, run};
use crate::diag::Code;
use crate::exec::Masks;
use crate::exec::arrays::{Feed, InitialState, Inputs};
use crate::exec::bind::bind;
use crate::exec::hand::{self, sizes};
use crate::exec::init::init;

#[test]
fn many_steps_at_once_are_one_step_many_times() {
    let bound = bound();
    let params = init(&bound, 1).unwrap();
    let inputs = batch(6, 2);
    let whole_state = declared();
    let whole = run(&bound, &params, &inputs, &whole_state).unwrap();
    let mut state = declared();
    let Some(Feed::Batch(x)) = &inputs.feeds[0] else { unreachable!() };
    for step in 0..6 {
        let now = x.slice_axis(Axis(0), ndarray::Slice::from(step..=step)).to_owned();
        let now = Inputs::new(vec![Some(Feed::Batch(now))]);
        let one = run(&bound, &params, &now, &state).unwrap();
        // To the last bit.
        let at = |of: &ArrayD<f64>, step| of.index_axis(Axis(0), step).to_owned();
        assert_eq!(at(&one.outputs[0], 0), at(&whole.outputs[0], step));
        assert_eq!(at(&one.traces[0], 0), at(&whole.traces[0], step));
        let states = one.states.clone();
        drop(one);
        state = InitialState(states.into_iter().map(Some).collect());
    }
    assert_eq!(state.0, whole.states.into_iter().map(Some).collect::<Vec<_>>());
}

#[test]
fn lengths_equal_running_each_sequence_alone_and_nothing_beyond_is_read() {
    let bound = bound();
    let params = init(&bound, 1).unwrap();
    let lengths = [3, 0, 5];
    let mut inputs = batch(5, 3);
    let Some(Feed::Batch(x)) = &mut inputs.feeds[0] else { unreachable!() };
    for (sequence, length) in lengths.iter().enumerate() {
        x.index_axis_mut(Axis(1), sequence)
            .slice_axis_mut(Axis(0), ndarray::Slice::from(*length..))
            .fill(f64::NAN);
    }
    let x = x.clone();
    inputs.lengths = Some(lengths.to_vec());
    let start = numbers(&[3, 4], 5);
    let state = InitialState(vec![Some(start.clone()), None]);
    let all = run(&bound, &params, &inputs, &state).unwrap();
    assert_eq!(all.not_finite, None);
    for (sequence, length) in lengths.into_iter().enumerate() {
        let own = all.outputs[0].index_axis(Axis(1), sequence);
        let (valid, beyond) = own.view().split_at(Axis(0), length);
        assert!(beyond.iter().all(|it| *it == 0.0));
        let last = all.states[0].index_axis(Axis(0), sequence);
        if length == 0 {
            assert_eq!(last, start.index_axis(Axis(0), sequence));
            continue;
        }
        let own = x.index_axis(Axis(1), sequence);
        let own = own.slice_axis(Axis(0), ndarray::Slice::from(..length)).to_owned();
        let inputs = Inputs::new(vec![Some(Feed::Shared(own))]);
        let state = InitialState(vec![Some(start.index_axis(Axis(0), sequence).to_owned()), None]);
        let alone = run(&bound, &params, &inputs, &state).unwrap();
        assert_eq!(alone.outputs[0].index_axis(Axis(1), 0), valid);
        assert_eq!(alone.states[0].index_axis(Axis(0), 0), last);
    }
}

#[test]
fn a_given_start_replaces_the_older_values_too() {
    let bound = bound();
    let params = init(&bound, 1).unwrap();
    let inputs = batch(1, 1);
    let given = numbers(&[4], 9);
    let one = InitialState(vec![Some(given.clone()), None]);
    let both = InitialState(vec![Some(given.clone()), Some(given.clone())]);
    let apart = InitialState(vec![Some(given), Some(numbers(&[4], 10))]);
    let result = |state| run(&bound, &params, &inputs, state).unwrap().outputs;
    assert_eq!(result(&one), result(&both));
    assert_ne!(result(&one), result(&apart));
    assert_ne!(result(&one), result(&declared()));
}

#[test]
fn a_shared_sequence_stands_beside_each_of_a_batch() {
    let bound = bound();
    let params = init(&bound, 1).unwrap();
    let shared = numbers(&[2, 3], 1);
    let mut inputs = Inputs::new(vec![Some(Feed::Shared(shared.clone()))]);
    inputs.batch = Some(2);
    let state = declared();
    let outputs = run(&bound, &params, &inputs, &state).unwrap().outputs;
    let repeated = ndarray::stack(Axis(1), &[shared.view(), shared.view()]).unwrap();
    let inputs = Inputs::new(vec![Some(Feed::Batch(repeated))]);
    assert_eq!(outputs, run(&bound, &params, &inputs, &state).unwrap().outputs);
}

#[test]
fn the_first_number_that_is_none_is_named() {
    let bound = bound();
    let params = init(&bound, 1).unwrap();
    let mut inputs = batch(3, 2);
    let state = declared();
    let Some(Feed::Batch(x)) = &mut inputs.feeds[0] else { unreachable!() };
    x[[2, 0, 0]] = f64::NAN;
    x[[1, 1, 2]] = f64::NAN;
    let found = run(&bound, &params, &inputs, &state).unwrap().not_finite.unwrap();
    assert_eq!(found.to_string(), "`z` is NaN at step 1, sequence 1, unit [0]");
    assert_eq!(found.code(), Code::NotFinite);
}

#[test]
fn what_does_not_fit_is_an_error_that_says_what_was_expected() {
    let bound = bound();
    let params = init(&bound, 1).unwrap();
    let fault = |inputs: &Inputs<f64>, state: &InitialState<f64>| {
        let fault = run(&bound, &params, inputs, state).err().unwrap();
        (fault.code().as_str(), fault.to_string())
    };
    let none = Inputs::new(vec![None]);
    assert_eq!(
        fault(&none, &declared()),
        ("E0703", "input `x` is not given and has no default".to_owned())
    );
    let thin = Inputs::new(vec![Some(Feed::Batch(numbers(&[5, 2, 2], 0)))]);
    assert_eq!(
        fault(&thin, &declared()).1,
        "input `x` has shape [5, 2, 2], expected [T, B, ..] of [I] = [3]"
    );
    assert!(fault(&batch(0, 2), &declared()).1.contains("no steps"));
    assert!(fault(&batch(2, 0), &declared()).1.contains("empty"));
    let state = InitialState(vec![Some(numbers(&[3, 4], 0)), None]);
    assert_eq!(
        fault(&batch(5, 2), &state).1,
        "initial state `h` has 3 sequences, but input `x` has 2"
    );
    let mut inputs = batch(5, 2);
    inputs.lengths = Some(vec![1, 2, 3]);
    assert_eq!(fault(&inputs, &declared()).0, "E0708");
    inputs.lengths = Some(vec![1, 6]);
    assert_eq!(
        fault(&inputs, &declared()),
        ("E0708", "a length is 6, but there are only 5 steps".to_owned())
    );
    let mut wrong = params.clone();
    wrong.arrays_mut()[3] = numbers(&[5], 0);
    let inputs = batch(1, 1);
    let state = declared();
    let fault = run(&bound, &wrong, &inputs, &state).err().unwrap();
    assert_eq!(fault.to_string(), "param `v` has shape [5], expected [H] = [4]");
    assert_eq!(fault.code(), Code::WeightsDoNotFit);
    let call = Call {
        bound: &bound,
        params: &params,
        inputs: &inputs,
        state: &state,
        masks: &Masks::Eval,
    };
    let fault = forward(call, &["q".into()]).err().unwrap();
    assert_eq!(fault.to_string(), "cell `Gated` has no named value `q`; it has `h`, `z`");
}

#[test]
fn indices_are_checked_where_they_are_read() {
    let mut cell = hand::empty("Embeds", &["V", "D"]);
    let e = hand::param(&mut cell, "E", &["V", "D"]);
    let token = hand::input(&mut cell, "token", &[]);
    cell.inputs[0].index = Some(crate::ir::Dim::symbol("V"));
    let looked = cell.step.add(
        crate::ir::Op::Indexed(crate::ir::Indexed::Lookup),
        vec![e, token],
        hand::shape(&["D"]),
        hand::NOWHERE,
    );
    hand::output(&mut cell, "y", looked);
    let bound = bind(&cell, sizes(&[("V", 3), ("D", 2)])).unwrap();
    let params = init::<f64>(&bound, 0).unwrap();
    let state = InitialState::declared(0);
    let tokens = |values: [f64; 3]| {
        let array = ArrayD::from_shape_vec(IxDyn(&[3, 1]), values.to_vec()).unwrap();
        Inputs::new(vec![Some(Feed::Batch(array))])
    };
    let run = |inputs: &Inputs<f64>| -> Result<ArrayD<f64>, RunError> {
        let call =
            Call { bound: &bound, params: &params, inputs, state: &state, masks: &Masks::Eval };
        Ok(forward(call, &[])?.outputs.remove(0))
    };
    let result = run(&tokens([2.0, 0.0, 2.0])).unwrap();
    assert_eq!(result.index_axis(Axis(0), 0), result.index_axis(Axis(0), 2));
    assert_eq!(result[[1, 0, 1]], params.arrays()[0][[0, 1]]);
    for wrong in [3.0, -1.0, 0.5, f64::NAN] {
        let fault = run(&tokens([0.0, 1.0, wrong])).unwrap_err();
        assert_eq!(fault.code(), Code::BadIndex);
        assert!(fault.to_string().contains("at step 2 of sequence 0"), "{fault}");
    }
    let mut inputs = tokens([0.0, 1.0, f64::NAN]);
    inputs.lengths = Some(vec![2]);
    assert!(run(&inputs).is_ok());
}
