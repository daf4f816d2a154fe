//! Every cell of the library: streaming equals the whole sequence, lengths equal running alone,
//! gradients are right.
//!
//! A new file in `specs/` is picked up by itself.

use ndarray::{ArrayD, Axis, IxDyn, Slice};
use rnnc::exec::gradcheck::{Options, gradcheck};
use rnnc::exec::{
    Bound, Call, Feed, InitialState, Inputs, Masks, Params, Run, Training, bind, forward, init,
};
use rnnc::ir::{Cell, Env};

/// Every cell of every file of the library.
fn cells() -> Vec<(String, Cell)> {
    let mut cells = Vec::new();
    for file in rnnc::api::library() {
        let spec =
            rnnc::Spec::parse(file.source).unwrap_or_else(|it| panic!("{}: {it}", file.name));
        for cell in spec.cells() {
            cells.push((format!("std/{}: {}", file.name, cell.name), cell.clone()));
        }
    }
    assert!(cells.len() >= 12, "{} cells", cells.len());
    cells
}

/// Sizes that all differ, so that no axis is mistaken for another.
fn small(cell: &Cell) -> Bound {
    let mut env = Env::default();
    for (idx, dim) in cell.dims.iter().filter(|it| it.like.is_none()).enumerate() {
        // What a size has decided in the graph stays as it is.
        let size = dim.default.filter(|_| dim.fixed).unwrap_or(2 + idx as i64);
        env.sizes.insert(dim.name.clone(), size);
    }
    bind(cell, env).unwrap()
}

/// Numbers without a pattern, the same each time.
fn numbers(shape: &[usize], seed: u32) -> ArrayD<f64> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) * 2.0 - 1.0
    })
}

/// A batch for all inputs; those with a default stay absent.
fn batch(bound: &Bound, steps: usize, batch: usize) -> Inputs<f64> {
    let inputs = bound.cell().inputs.iter().zip(bound.input_shapes()).enumerate();
    let feeds = inputs.map(|(idx, (input, own))| {
        if input.default.is_some() {
            return None;
        }
        let mut shape = vec![steps, batch];
        shape.extend(own);
        let mut array = numbers(&shape, idx as u32);
        if let Some(index) = &input.index {
            let limit = bound.index_limit(index) as f64;
            array.mapv_inplace(|it| ((it + 1.0) / 2.0 * limit).floor());
        }
        Some(Feed::Batch(array))
    });
    let mut inputs = Inputs::new(feeds.collect());
    inputs.steps = Some(steps);
    inputs.batch = Some(batch);
    inputs
}

/// Part of a batch: some steps, some sequences.
fn part(inputs: &Inputs<f64>, steps: Slice, sequences: Slice) -> Inputs<f64> {
    let feeds = inputs.feeds.iter().map(|feed| {
        feed.as_ref().map(|it| {
            let cut = it.array().slice_axis(Axis(0), steps);
            Feed::Batch(cut.slice_axis(Axis(1), sequences).to_owned())
        })
    });
    let len = |all: Option<usize>, cut: Slice| {
        let all = all.unwrap() as isize;
        (cut.end.unwrap_or(all) - cut.start) as usize
    };
    let mut cut = Inputs::new(feeds.collect());
    cut.steps = Some(len(inputs.steps, steps));
    cut.batch = Some(len(inputs.batch, sequences));
    cut
}

/// Bits for the sequences and steps from these on. In evaluation all steps are alike, which proves
/// less.
fn masks<F>(sequence: usize, step: usize) -> Masks<F> {
    Masks::Train(Training {
        seed: 9,
        first_sequence: sequence as u64,
        first_step: step as u64,
        given: Vec::new(),
        ..Training::new(0)
    })
}

fn run<'a>(
    bound: &'a Bound,
    params: &'a Params<f64>,
    inputs: &'a Inputs<f64>,
    state: &'a InitialState<f64>,
    masks: &'a Masks<f64>,
) -> Run<'a, f64> {
    forward(Call { bound, params, inputs, state, masks }, &[]).unwrap()
}

fn assert_same_bits(name: &str, a: &[ArrayD<f64>], b: &[ArrayD<f64>]) {
    for (a, b) in a.iter().zip(b) {
        let bits = |it: &ArrayD<f64>| it.mapv(f64::to_bits);
        assert_eq!(bits(a), bits(b), "{name}");
    }
}

#[test]
fn many_steps_at_once_are_one_step_many_times() {
    for (name, cell) in cells() {
        let bound = small(&cell);
        let params = init(&bound, 1).unwrap();
        let inputs = batch(&bound, 5, 2);
        let declared = InitialState::declared(cell.carries.len());
        let from_start = masks(0, 0);
        let whole = run(&bound, &params, &inputs, &declared, &from_start);
        let mut state = declared.clone();
        for step in 0..5isize {
            let now = part(&inputs, Slice::from(step..step + 1), Slice::from(..));
            let masks = masks(0, step as usize);
            let one = run(&bound, &params, &now, &state, &masks);
            let steps: Vec<ArrayD<f64>> = whole
                .outputs
                .iter()
                .map(|it| it.slice_axis(Axis(0), Slice::from(step..step + 1)).to_owned())
                .collect();
            assert_same_bits(&name, &one.outputs, &steps);
            let states = one.states.clone();
            drop(one);
            state = InitialState(states.into_iter().map(Some).collect());
        }
        let states: Vec<ArrayD<f64>> = state.0.into_iter().flatten().collect();
        assert_same_bits(&name, &states, &whole.states);
    }
}

#[test]
fn lengths_equal_running_each_sequence_alone() {
    for (name, cell) in cells() {
        let bound = small(&cell);
        let params = init(&bound, 2).unwrap();
        let mut inputs = batch(&bound, 6, 3);
        let lengths = [2usize, 6, 0];
        let full = inputs.clone();
        for feed in inputs.feeds.iter_mut().flatten() {
            for (sequence, length) in lengths.iter().enumerate() {
                let mut own = feed.array_mut().index_axis_mut(Axis(1), sequence);
                own.slice_axis_mut(Axis(0), Slice::from(*length..)).fill(f64::NAN);
            }
        }
        inputs.lengths = Some(lengths.to_vec());
        let declared = InitialState::declared(cell.carries.len());
        let from_start = masks(0, 0);
        let all = run(&bound, &params, &inputs, &declared, &from_start);
        assert_eq!(all.not_finite, None, "{name}");
        for (sequence, length) in lengths.into_iter().enumerate() {
            let own = |it: &ArrayD<f64>, axis| {
                let at = Slice::from(sequence..=sequence);
                it.slice_axis(Axis(axis), at).to_owned()
            };
            let outputs: Vec<ArrayD<f64>> = all.outputs.iter().map(|it| own(it, 1)).collect();
            for output in &outputs {
                let beyond = output.slice_axis(Axis(0), Slice::from(length..));
                assert!(beyond.iter().all(|it| *it == 0.0), "{name}");
            }
            if length == 0 {
                continue;
            }
            let at = sequence as isize;
            let alone = part(&full, Slice::from(..length as isize), Slice::from(at..at + 1));
            let masks = masks(sequence, 0);
            let alone = run(&bound, &params, &alone, &declared, &masks);
            let valid: Vec<ArrayD<f64>> = outputs
                .iter()
                .map(|it| it.slice_axis(Axis(0), Slice::from(..length)).to_owned())
                .collect();
            assert_same_bits(&name, &alone.outputs, &valid);
            let states: Vec<ArrayD<f64>> = all.states.iter().map(|it| own(it, 0)).collect();
            assert_same_bits(&name, &alone.states, &states);
        }
    }
}

#[test]
fn single_precision_is_near_double_precision() {
    for (name, cell) in cells() {
        let bound = small(&cell);
        let inputs = batch(&bound, 8, 2);
        let declared = InitialState::declared(cell.carries.len());
        let params = init::<f64>(&bound, 3).unwrap();
        let wide = masks(0, 0);
        let precise = run(&bound, &params, &inputs, &declared, &wide).outputs;
        let narrow = |it: &ArrayD<f64>| it.mapv(|it| it as f32);
        let inputs = Inputs {
            feeds: inputs
                .feeds
                .iter()
                .map(|it| it.as_ref().map(|it| Feed::Batch(narrow(it.array()))))
                .collect(),
            lengths: None,
            steps: inputs.steps,
            batch: inputs.batch,
        };
        let params = Params::new(params.arrays().iter().map(narrow).collect());
        let state = InitialState::declared(cell.carries.len());
        let call = Call {
            bound: &bound,
            params: &params,
            inputs: &inputs,
            state: &state,
            masks: &masks(0, 0),
        };
        let outputs = forward(call, &[]).unwrap().outputs;
        for (a, b) in outputs.iter().zip(&precise) {
            for (a, b) in a.iter().zip(b) {
                assert!((f64::from(*a) - b).abs() <= 1e-5 * b.abs().max(1.0), "{name}: {a} {b}");
            }
        }
    }
}

#[test]
fn gradients_are_right() {
    for (name, cell) in cells() {
        let mut options = Options::default();
        // A default is a size to train with, and would take minutes here.
        for (idx, dim) in cell.dims.iter().enumerate() {
            if dim.default.is_some_and(|it| it > 8) {
                options.env.sizes.insert(dim.name.clone(), 2 + idx as i64);
            }
        }
        // Of cells with many params fewer elements are moved.
        if cell.params.len() > 30 {
            options.elements = 4;
        }
        let report = gradcheck(&cell, &options).unwrap_or_else(|it| panic!("{name}: {it}"));
        for line in &report.lines {
            assert!(line.passes, "{name}: {line:#?}");
        }
    }
}
