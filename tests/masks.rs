//! Random masks in whole cells: what is drawn, what it means, and that backward reads what forward
//! drew.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn, Slice};
use proptest::prelude::*;
use rnnc::Spec;
use rnnc::derive;
use rnnc::exec::gradcheck::{self, Options};
use rnnc::exec::{
    self, Bound, Call, EngineOptions, Feed, Gradients, InitialState, Inputs, Masks, Params, Run,
    RunError, Training, Upstream,
};
use rnnc::ir;

/// All scopes in one cell, and a matrix among the masks.
const ALL: &str = "cell All {
  dims I, H
  hyper drop = 0.3, zone = 0.4, connect = 0.25
  input x: [I]
  state h, c: [H]
  mask keep: [I] = bernoulli(1 - drop) per step
  mask moves: [H] = bernoulli(1 - zone) per step
  mask sees: [H] = bernoulli(1 - drop) per sequence
  mask wires: [H, H] = bernoulli(1 - connect) per run
  param W: [H, I], U, V: [H, H], b: [H] init normal(1)
  let u = U * wires / (1 - connect)
  let n = tanh(W @ (x * keep / (1 - drop)) + u @ (prev h * sees / (1 - drop)) + b)
  c = 0.5 * prev c + moves * n
  h = moves * (V @ c) + (1 - moves) * prev h
  output h, n
}";

/// The usual ways of using masks, each by itself.
const WAYS: &[(&str, &str)] = &[
    (
        "dropout",
        "mask d: [H] = bernoulli(0.7) per step
         h = tanh(W @ x + U @ prev h) * d / 0.7",
    ),
    (
        "variational dropout",
        "mask d: [H] = bernoulli(0.7) per sequence
         h = tanh(W @ x + U @ (prev h * d / 0.7))",
    ),
    (
        "zoneout",
        "mask d: [H] = bernoulli(0.7) per step
         h = prev h + d * (tanh(W @ x + U @ prev h) - prev h)",
    ),
    (
        "DropConnect",
        "mask d: [H, H] = bernoulli(0.7) per run
         h = tanh(W @ x + (U * d / 0.7) @ prev h)",
    ),
    (
        "one bit for all units",
        "mask d: [] = bernoulli(0.7) per step
         h = tanh(W @ x + U @ prev h) * d",
    ),
    (
        "the past of a bit",
        "mask d: [H] = bernoulli(0.7) per step
         let kept = d
         h = tanh(W @ x + U @ (prev h * prev kept)) * d",
    ),
    (
        "a bit decides a branch",
        "mask d: [H] = bernoulli(0.7) per step
         h = where(d > 0.5, tanh(W @ x), U @ prev h)",
    ),
];

fn way(body: &str) -> String {
    format!(
        "cell Way {{ dims I, H input x: [I] state h: [H] = h0
         param W: [H, I], U: [H, H], h0: [H] init normal(1)
         {body}
         output h }}"
    )
}

fn bound(source: &str, sizes: &[(&str, i64)]) -> Bound {
    let spec = Spec::parse(source).unwrap_or_else(|it| panic!("{it}"));
    let sizes: BTreeMap<_, _> = sizes.iter().map(|(name, size)| ((*name).into(), *size)).collect();
    exec::bind(&spec.cells()[0], ir::Env { sizes, ..ir::Env::default() }).expect("sizes fit")
}

/// Numbers in -1..1 that depend on the seed alone.
fn noise(seed: u64, shape: &[usize]) -> ArrayD<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    ArrayD::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

/// A bound cell with params and one batch of inputs.
struct Setting {
    bound: Bound,
    params: Params<f64>,
    inputs: Inputs<f64>,
    state: InitialState<f64>,
}

impl Setting {
    fn new(source: &str, sizes: &[(&str, i64)], steps: usize, batch: usize) -> Setting {
        let bound = bound(source, sizes);
        let params = exec::init(&bound, 1).unwrap();
        let feeds = bound.input_shapes().iter().enumerate().map(|(idx, own)| {
            let mut shape = vec![steps, batch];
            shape.extend(own);
            Some(Feed::Batch(noise(2 + idx as u64, &shape)))
        });
        let inputs = Inputs::new(feeds.collect());
        let state = InitialState::declared(bound.cell().carries.len());
        Setting { bound, params, inputs, state }
    }

    fn run<'a>(&'a self, inputs: &'a Inputs<f64>, masks: &'a Masks<f64>) -> Run<'a, f64> {
        self.try_run(inputs, masks).unwrap_or_else(|it| panic!("{it}"))
    }

    fn try_run<'a>(
        &'a self,
        inputs: &'a Inputs<f64>,
        masks: &'a Masks<f64>,
    ) -> Result<Run<'a, f64>, RunError> {
        let (bound, params, state) = (&self.bound, &self.params, &self.state);
        exec::forward(Call { bound, params, inputs, state, masks }, &[])
    }

    fn gradients(&self, masks: &Masks<f64>) -> Gradients<f64> {
        let run = self.run(&self.inputs, masks);
        let cell = self.bound.cell();
        let adjoint = derive::adjoint(cell);
        let upstream = Upstream::ones(cell.outputs.len(), cell.carries.len());
        exec::backward(&run, &adjoint, &upstream).unwrap()
    }

    fn outputs(&self, masks: &Masks<f64>) -> Vec<ArrayD<f64>> {
        self.run(&self.inputs, masks).outputs
    }
}

fn from(seed: u64, first_sequence: usize, first_step: usize) -> Masks<f64> {
    Masks::Train(Training {
        seed,
        first_sequence: first_sequence as u64,
        first_step: first_step as u64,
        given: Vec::new(),
        ..Training::new(0)
    })
}

fn given(bits: Vec<Option<ArrayD<f64>>>) -> Masks<f64> {
    Masks::Train(Training {
        seed: 0,
        first_sequence: 0,
        first_step: 0,
        given: bits,
        ..Training::new(0)
    })
}

/// A part of the inputs.
fn cut(inputs: &Inputs<f64>, steps: std::ops::Range<usize>, batch: &[usize]) -> Inputs<f64> {
    let feeds = inputs.feeds.iter().flatten().map(|it| {
        let part = it.array().slice_axis(Axis(0), Slice::from(steps.clone()));
        Some(Feed::Batch(part.select(Axis(1), batch)))
    });
    Inputs::new(feeds.collect())
}

const SIZES: &[(&str, i64)] = &[("I", 3), ("H", 4)];

#[test]
fn gradients_of_every_way_pass_both_comparisons_with_the_bits_fixed() {
    let sources = WAYS.iter().map(|(name, body)| (*name, way(body)));
    for (name, source) in sources.chain([("all", ALL.to_owned())]) {
        let spec = Spec::parse(&source).unwrap_or_else(|it| panic!("{name}: {it}"));
        let options = Options { lengths: vec![1, 2, 9], ..Options::default() };
        let report = gradcheck::gradcheck(&spec.cells()[0], &options).unwrap();
        // Both modes of three seeds at three lengths.
        assert_eq!(report.samples, 18, "{name}");
        for line in &report.lines {
            assert!(line.passes, "{name}: {line:#?}");
            assert!(line.difference.is_some(), "{name}: {line:#?}");
        }
    }
}

#[test]
fn backward_reads_the_bits_that_forward_drew() {
    // The gradient of `b` in the sum of d * b is the number of ones, if the bits are the same.
    let source = "cell A { dims H input x: [H] param b: [H] mask d: [H] = bernoulli(0.5) per step
        output y = d * b + 0 * x }";
    let setting = Setting::new(source, &[("H", 6)], 7, 5);
    let masks = Masks::train(3);
    let ones = setting.run(&setting.inputs, &masks).masks()[0].sum_axis(Axis(0)).sum_axis(Axis(0));
    let gradient = setting.gradients(&masks).params.swap_remove(0).unwrap();
    assert_eq!(gradient, ones);
    assert!(ones.iter().any(|it| *it != ones[[0]]), "all units alike would prove little: {ones}");
}

#[test]
fn drawn_bits_given_again_are_the_same_run() {
    let setting = Setting::new(ALL, SIZES, 6, 3);
    let drawn = Masks::train(5);
    let bits = setting.run(&setting.inputs, &drawn).masks().to_vec();
    let shapes: Vec<&[usize]> = bits.iter().map(|it| it.shape()).collect();
    assert_eq!(shapes, [&[6, 3, 3][..], &[6, 3, 4], &[3, 4], &[4, 4]]);
    let again = given(bits.into_iter().map(Some).collect());
    assert_eq!(setting.outputs(&drawn), setting.outputs(&again));
    assert_eq!(setting.gradients(&drawn), setting.gradients(&again));
    assert_ne!(setting.outputs(&drawn), setting.outputs(&Masks::train(6)));
    assert!(setting.run(&setting.inputs, &Masks::Eval).masks().is_empty());
}

#[test]
fn a_batch_is_its_sequences_alone_under_their_numbers() {
    let setting = Setting::new(ALL, SIZES, 6, 4);
    let masks = from(8, 100, 7);
    let whole = setting.run(&setting.inputs, &masks);
    for sequence in 0..4 {
        let alone = cut(&setting.inputs, 0..6, &[sequence]);
        let masks = from(8, 100 + sequence, 7);
        let run = setting.run(&alone, &masks);
        for (whole, alone) in whole.outputs.iter().zip(&run.outputs) {
            assert_eq!(whole.index_axis(Axis(1), sequence), alone.index_axis(Axis(1), 0));
        }
        for (whole, alone) in whole.states.iter().zip(&run.states) {
            assert_eq!(whole.index_axis(Axis(0), sequence), alone.index_axis(Axis(0), 0));
        }
    }
}

#[test]
fn a_permuted_batch_with_permuted_bits_gives_permuted_results() {
    let setting = Setting::new(ALL, SIZES, 5, 3);
    let order = [2, 0, 1];
    let drawn = Masks::train(1);
    let run = setting.run(&setting.inputs, &drawn);
    let bits = run.masks();
    let turned = given(vec![
        Some(bits[0].select(Axis(1), &order)),
        Some(bits[1].select(Axis(1), &order)),
        Some(bits[2].select(Axis(0), &order)),
        Some(bits[3].clone()),
    ]);
    let inputs = cut(&setting.inputs, 0..5, &order);
    let permuted = setting.run(&inputs, &turned);
    for (all, permuted) in run.outputs.iter().zip(&permuted.outputs) {
        assert_eq!(all.select(Axis(1), &order), permuted);
    }
}

#[test]
fn chunks_and_single_steps_are_the_whole_run() {
    let setting = Setting::new(ALL, SIZES, 8, 2);
    let whole = setting.outputs(&Masks::train(4));
    let engine = setting.bound.engine(EngineOptions::default()).unwrap();
    for chunk in [1, 3, 8] {
        let mut state = setting.state.clone();
        let mut masks = Masks::train(4);
        let mut start = 0;
        while start < 8 {
            let end = 8.min(start + chunk);
            let part = cut(&setting.inputs, start..end, &[0, 1]);
            let outputs = engine.step_with(&setting.params, &part, &mut state, &mut masks).unwrap();
            for (whole, part) in whole.iter().zip(&outputs) {
                assert_eq!(whole.slice_axis(Axis(0), Slice::from(start..end)), part, "{chunk}");
            }
            start = end;
        }
        let expected = setting.run(&setting.inputs, &Masks::train(4)).states.clone();
        let states: Vec<ArrayD<f64>> = state.0.into_iter().flatten().collect();
        assert_eq!(states, expected);
    }
}

#[test]
fn gradients_of_a_batch_are_the_sum_of_its_sequences() {
    let setting = Setting::new(ALL, SIZES, 6, 3);
    let whole = setting.gradients(&Masks::train(2));
    let mut sums: Vec<ArrayD<f64>> =
        whole.params.iter().flatten().map(|it| ArrayD::zeros(it.raw_dim())).collect();
    for sequence in 0..3 {
        let inputs = cut(&setting.inputs, 0..6, &[sequence]);
        let alone = Setting { inputs, ..Setting::new(ALL, SIZES, 6, 3) };
        let gradients = alone.gradients(&from(2, sequence, 0));
        for (sum, one) in sums.iter_mut().zip(gradients.params.iter().flatten()) {
            *sum += one;
        }
    }
    for (whole, sum) in whole.params.iter().flatten().zip(&sums) {
        assert!(whole.iter().zip(sum).all(|(a, b)| (a - b).abs() < 1e-12 * (1.0 + b.abs())));
    }
}

/// All patterns of so many bits, as arrays of a shape, with the probability of each when every bit
/// is 1 with probability `p`.
fn patterns(shape: &[usize], p: f64) -> Vec<(ArrayD<f64>, f64)> {
    let n: usize = shape.iter().product();
    (0..1usize << n)
        .map(|pattern| {
            let bits: Vec<f64> = (0..n).map(|it| (pattern >> it & 1) as f64).collect();
            let weight = bits.iter().map(|it| if *it == 1.0 { p } else { 1.0 - p }).product();
            (ArrayD::from_shape_vec(IxDyn(shape), bits).unwrap(), weight)
        })
        .collect()
}

#[test]
fn evaluation_is_the_mean_over_all_bits_of_a_cell_that_is_linear_in_them() {
    // Each bit enters every term at most once, so the mean of the outputs is the output at the mean
    // bits; the state makes products of bits of different steps.
    let step = "cell A { dims H input x: [H] state h: [H] hyper p = 0.3
        mask d: [H] = bernoulli(1 - p) per step
        h = d * (x + 0.8 * prev h) + (1 - d) * prev h output h }";
    let sequence = "cell A { dims H input x: [H] state h: [H] hyper p = 0.3
        mask d: [H] = bernoulli(1 - p) per sequence
        h = 0.5 * prev h + x * d / (1 - p) output h }";
    let run = "cell A { dims H input x: [H] state h: [H] hyper p = 0.3
        mask d: [H, H] = bernoulli(1 - p) per run param W: [H, H]
        h = 0.5 * prev h + (W * d / (1 - p)) @ x output h }";
    for (source, shape) in [(step, vec![3, 2, 2]), (sequence, vec![2, 2]), (run, vec![2, 2])] {
        let setting = Setting::new(source, &[("H", 2)], 3, 2);
        let expected = setting.outputs(&Masks::Eval).swap_remove(0);
        let mut mean: ArrayD<f64> = ArrayD::zeros(expected.raw_dim());
        let mut total = 0.0;
        for (bits, weight) in patterns(&shape, 0.7) {
            mean += &(setting.outputs(&given(vec![Some(bits)])).swap_remove(0) * weight);
            total += weight;
        }
        assert!((total - 1.0).abs() < 1e-12);
        let apart = (&mean - &expected).iter().fold(0.0f64, |worst, it| worst.max(it.abs()));
        assert!(apart < 1e-12, "{source}: {apart:e}");
    }
}

#[test]
fn the_mean_over_many_seeds_comes_near_evaluation() {
    let source = way(WAYS[2].1).replace("tanh", "0.5 * identity");
    let setting = Setting::new(&source, SIZES, 4, 50);
    let expected = setting.outputs(&Masks::Eval).swap_remove(0);
    let runs = 200;
    let (mut mean, mut squares) = (expected.clone() * 0.0, expected.clone() * 0.0);
    for seed in 0..runs {
        let output = setting.outputs(&Masks::train(seed)).swap_remove(0);
        squares += &output.mapv(|it| it * it);
        mean += &output;
    }
    let n = runs as f64;
    mean /= n;
    let variance = squares / n - mean.mapv(|it| it * it);
    // The errors of the means, in units of their standard deviations, have mean square 1.
    let deviations: Vec<f64> = mean
        .iter()
        .zip(&expected)
        .zip(&variance)
        .filter(|(_, variance)| **variance > 1e-6)
        .map(|((mean, expected), variance)| (mean - expected).powi(2) / (variance / n))
        .collect();
    let ratio = deviations.iter().sum::<f64>() / deviations.len() as f64;
    assert!(deviations.len() > 500 && (0.7..1.4).contains(&ratio), "{ratio}");
}

#[test]
fn zoneout_keeps_units_bit_by_bit() {
    let setting = Setting::new(&way(WAYS[2].1), SIZES, 6, 3);
    let masks = Masks::train(12);
    let run = setting.run(&setting.inputs, &masks);
    let (bits, h) = (&run.masks()[0], &run.outputs[0]);
    let mut kept = 0;
    for step in 1..6 {
        for (place, bit) in bits.index_axis(Axis(0), step).indexed_iter() {
            let now = h.index_axis(Axis(0), step)[&place];
            let before = h.index_axis(Axis(0), step - 1)[&place];
            assert_eq!(now == before, *bit == 0.0);
            kept += usize::from(*bit == 0.0);
        }
    }
    assert!((5..40).contains(&kept), "{kept}");
}

#[test]
fn probabilities_of_zero_and_one_are_exact_in_both_modes() {
    for (p, expected) in [("0", 0.0), ("1", 1.0)] {
        for scope in ["step", "sequence", "run"] {
            let source = format!(
                "cell A {{ dims H input x: [H] mask d: [H] = bernoulli({p}) per {scope}
                 output y = d * x }}"
            );
            let setting = Setting::new(&source, &[("H", 3)], 4, 2);
            for masks in [Masks::Eval, Masks::train(7)] {
                let output = setting.outputs(&masks).swap_remove(0);
                let Some(Feed::Batch(x)) = &setting.inputs.feeds[0] else { unreachable!() };
                assert_eq!(output, x * expected);
            }
        }
    }
}

#[test]
fn a_mask_may_be_returned() {
    let source = "cell A { dims H input x: [H] mask d: [H] = bernoulli(0.25) per sequence
        output y = x * d, d }";
    let setting = Setting::new(source, &[("H", 5)], 3, 2);
    assert!(setting.outputs(&Masks::Eval)[1].iter().all(|it| *it == 0.25));
    let masks = Masks::train(0);
    let run = setting.run(&setting.inputs, &masks);
    for step in run.outputs[1].axis_iter(Axis(0)) {
        assert_eq!(step, run.masks()[0]);
    }
}

#[test]
fn every_layer_has_bits_of_its_own_also_where_weights_are_shared() {
    for scope in ["step", "sequence", "run"] {
        let source = format!(
            "cell A {{ dims H input x: [H] layer a = Noisy(x = x) layer b = Noisy(x = x)
             layer c = Noisy(x = x) shares a layer s[2] = Noisy(x = x)
             output p = a, q = b, r = c, s0 = s[0].v, s1 = s }}
             cell Noisy {{ dims H input x: [H] param w: [H] init 2
             mask d: [H] = bernoulli(0.5) per {scope} let v = w * x * d output v }}"
        );
        let setting = Setting::new(&source, &[("H", 40)], 3, 2);
        let names = setting.bound.cell().masks.iter().map(|it| it.name.to_string());
        assert_eq!(names.collect::<Vec<_>>(), ["a.d", "b.d", "c.d", "s[0].d", "s[1].d"]);
        let masks = Masks::train(3);
        let run = setting.run(&setting.inputs, &masks);
        let bits = run.masks();
        for (idx, one) in bits.iter().enumerate() {
            assert!(bits[..idx].iter().all(|it| it != one), "per {scope}: mask {idx}");
        }
        // Each layer reads the mask that bears its name.
        let x = setting.inputs.feeds[0].as_ref().unwrap().array();
        for (output, bits) in run.outputs.iter().zip(bits).take(4) {
            assert_eq!(output, &(2.0 * x * bits), "per {scope}");
        }
        assert_eq!(run.outputs[4], 2.0 * &run.outputs[3] * &bits[4], "per {scope}");
    }
}

#[test]
fn lengths_cut_masks_as_everything_else() {
    let setting = Setting::new(ALL, SIZES, 5, 3);
    let mut inputs = setting.inputs.clone();
    inputs.lengths = Some(vec![2, 5, 0]);
    let drawn = Masks::train(9);
    let short = setting.run(&inputs, &drawn);
    let full = setting.run(&setting.inputs, &drawn);
    for (sequence, length) in [(0, 2), (1, 5)] {
        for (short, full) in short.outputs.iter().zip(&full.outputs) {
            let valid = Slice::from(..length);
            assert_eq!(
                short.index_axis(Axis(1), sequence).slice_axis(Axis(0), valid),
                full.index_axis(Axis(1), sequence).slice_axis(Axis(0), valid)
            );
        }
    }
    let bits = &short.masks()[0];
    assert_eq!(bits.index_axis(Axis(1), 2).sum(), 0.0);
    assert_eq!(bits.index_axis(Axis(1), 0).slice_axis(Axis(0), Slice::from(2..)).sum(), 0.0);
    // What stands beyond a length in given bits is no bit and is not read.
    let mut all = short.masks().to_vec();
    all[0].index_axis_mut(Axis(1), 2).fill(f64::NAN);
    let again = given(all.into_iter().map(Some).collect());
    assert_eq!(setting.run(&inputs, &again).outputs, short.outputs);
}

#[test]
fn what_is_no_bit_is_named_with_its_place() {
    let setting = Setting::new(ALL, SIZES, 5, 3);
    let masks = Masks::train(9);
    let bits = setting.run(&setting.inputs, &masks).masks().to_vec();
    let fault = |mask: usize, place: &[usize], value: f64| {
        let mut all: Vec<Option<ArrayD<f64>>> = vec![None; 4];
        let mut wrong = bits[mask].clone();
        wrong[place] = value;
        all[mask] = Some(wrong);
        let fault = setting.try_run(&setting.inputs, &given(all)).unwrap_err();
        assert_eq!(fault.code(), rnnc::diag::Code::DataDoesNotFit);
        fault.to_string()
    };
    let rest = "but a mask is 0 or 1";
    assert_eq!(
        fault(0, &[4, 2, 1], 0.5),
        format!("the mask `keep` is 0.5 at step 4, sequence 2, unit [1], {rest}")
    );
    assert_eq!(
        fault(2, &[1, 3], f64::NAN),
        format!("the mask `sees` is NaN at sequence 1, unit [3], {rest}")
    );
    assert_eq!(fault(3, &[0, 2], -1.0), format!("the mask `wires` is -1 at unit [0, 2], {rest}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// However a run is cut into batches and chunks, its numbers are the same.
    #[test]
    fn any_cut_of_a_run_is_the_run(
        seed in any::<u64>(),
        first in 0usize..1 << 40,
        step in 0usize..7,
        sequence in 0usize..4,
    ) {
        let setting = Setting::new(ALL, SIZES, 7, 4);
        let whole = setting.outputs(&from(seed, first, first));
        let batch: Vec<usize> = (sequence..4).collect();
        let (mut state, mut at) = (setting.state.clone(), 0);
        for steps in [step, 7 - step] {
            if steps == 0 {
                continue;
            }
            let part = cut(&setting.inputs, at..at + steps, &batch);
            let masks = from(seed, first + sequence, first + at);
            let now = Setting { state, ..Setting::new(ALL, SIZES, 7, 4) };
            let run = now.run(&part, &masks);
            for (whole, part) in whole.iter().zip(&run.outputs) {
                let expected = whole.slice_axis(Axis(0), Slice::from(at..at + steps));
                prop_assert_eq!(expected.select(Axis(1), &batch), part);
            }
            state = InitialState(run.states.iter().cloned().map(Some).collect());
            at += steps;
        }
    }
}
