//! What others got wrong, each as a test that fails where the fault is planted. Traps of data, batches and metrics alone are beside these.

use rnnc::exec::EngineOptions;
use rnnc::ir::Feedback;
use rnnc::train::{Data, Error, Options, Scales, Scoring, Trainer, predict, score};

use crate::models::{CHARS, FORECASTER, bound, filled, forecasts, options, text, with_values};

fn scoring(feedback: Feedback, prime: Option<usize>, scales: &Scales) -> Scoring<'_> {
    Scoring { feedback, eval_batch: 2, seed: 0, prime, engine: EngineOptions::default(), scales }
}

/// The series with another load in a row.
fn with_load(row: usize) -> Data {
    let data = forecasts(21);
    let fields = data.fields().iter().map(|it| match &*it.name {
        "load" => with_values(it, |values| values[[row, 0]] += 10.0),
        _ => it.clone(),
    });
    Data::series(fields.collect(), 1).unwrap()
}

/// The outputs of all steps, one stream.
fn outputs(data: &Data, feedback: Feedback) -> Vec<f32> {
    let model = bound(FORECASTER, &[]);
    let scales = Scales::default();
    let with = Scoring { eval_batch: 1, ..scoring(feedback, None, &scales) };
    let all = predict(&model, &filled::<f32>(&model, 0.8), data, &with).unwrap();
    all[0][0].iter().copied().collect()
}

#[test]
fn an_output_never_sees_the_target_of_its_own_step() {
    let plain = outputs(&forecasts(21), Feedback::Teacher);
    // The target of step t is row t + 1: step 7 is the first that may read row 7.
    let other = outputs(&with_load(7), Feedback::Teacher);
    let first = (0..plain.len()).find(|it| plain[*it] != other[*it]);
    assert_eq!(first, Some(7));
    // Running free nothing of it is seen but what is known before the first step.
    assert_eq!(outputs(&with_load(7), Feedback::Own), outputs(&forecasts(21), Feedback::Own));
    assert_ne!(outputs(&with_load(0), Feedback::Own), outputs(&forecasts(21), Feedback::Own));
}

#[test]
fn a_prime_is_told_targets_and_the_rest_is_not() {
    let model = bound(FORECASTER, &[]);
    let params = filled::<f64>(&model, 0.8);
    let scales = Scales::default();
    let of = |data: &Data, feedback, prime| {
        let with = Scoring { eval_batch: 1, ..scoring(feedback, prime, &scales) };
        let all = predict(&model, &params, data, &with).unwrap();
        (
            all[0][0].iter().copied().collect::<Vec<f64>>(),
            score(&model, &params, data, &with).unwrap(),
        )
    };
    let (teacher, _) = of(&forecasts(21), Feedback::Teacher, None);
    let (primed, found) = of(&forecasts(21), Feedback::Own, Some(5));
    // Steps up to 5 read true values, step 6 is the first that reads an own one.
    assert_eq!(primed[..6], teacher[..6]);
    assert_ne!(primed[6], teacher[6]);
    assert_eq!(found.steps, 20 - 5);
    // Row 5 is the target of step 4, which step 5 reads; row 6 is read by none.
    assert_ne!(of(&with_load(5), Feedback::Own, Some(5)).0[5], primed[5]);
    assert_eq!(of(&with_load(6), Feedback::Own, Some(5)).0, primed);
}

#[test]
fn a_validation_that_runs_free_is_not_told_the_answer() {
    let model = bound(FORECASTER, &[]);
    let trainer = Trainer::new(
        &model,
        filled::<f32>(&model, 0.8),
        &forecasts(21),
        Options { batch: 1, eval_batch: 1, ..options(1) },
    )
    .unwrap();
    let loss =
        |feedback| trainer.evaluate(&forecasts(21), feedback, &Scales::default()).unwrap().loss;
    assert_ne!(loss(Feedback::Own), loss(Feedback::Teacher));
}

#[test]
fn streams_go_on_with_their_state_and_start_anew_at_each_epoch() {
    let (data, size) = text("abacabadabacabae abacabadabacaba");
    let model = bound(CHARS, &[("V", size)]);
    // Nothing is learned, so equal losses are equal states.
    let with = |bptt| {
        let mut with = Options { batch: 1, bptt: Some(bptt), ..options(0) };
        (with.epochs, with.steps) = (Some(2), None);
        with.schedule.lr = 0.0;
        with
    };
    let losses = |bptt| -> Vec<f64> {
        let mut trainer =
            Trainer::new(&model, filled::<f64>(&model, 1.5), &data, with(bptt)).unwrap();
        std::iter::from_fn(|| trainer.update().unwrap()).map(|it| it.loss).collect()
    };
    let (single, double) = (losses(1), losses(2));
    // The state of step t is that of all steps before, wherever the cuts are.
    for (idx, pair) in single[..30].chunks(2).enumerate() {
        assert!((pair[0] + pair[1] - 2.0 * double[idx]).abs() < 1e-12, "{idx}");
    }
    let (first, second) = single.split_at(31);
    assert_eq!(first, second);
    // The same character after the same character has another loss where the past is another.
    assert_ne!(first[0], first[16]);
}

#[test]
fn one_coin_is_thrown_for_each_sequence_and_step() {
    // Two windows with the same values: under one coin per batch their sums would always be equal.
    let model = bound(FORECASTER, &[]);
    let rows = forecasts(9);
    let twice = rows.fields().iter().map(|it| {
        let values =
            ndarray::concatenate(ndarray::Axis(0), &[it.values.view(), it.values.view()]).unwrap();
        rnnc::train::Field { values: std::sync::Arc::new(values), ..it.clone() }
    });
    let data = Data::series(twice.collect(), 1).unwrap().windows(8, 9).unwrap();
    let with = |batch| {
        let coins = rnnc::train::Coins::constant(0.5);
        let mut with = Options { batch, feedback: Feedback::Scheduled, coins, ..options(0) };
        (with.epochs, with.steps) = (Some(1), None);
        with.schedule.lr = 0.0;
        with
    };
    let losses = |batch| -> Vec<f64> {
        let mut trainer =
            Trainer::new(&model, filled::<f64>(&model, 0.8), &data, with(batch)).unwrap();
        std::iter::from_fn(|| trainer.update().unwrap()).map(|it| it.loss).collect()
    };
    let apart = losses(1);
    assert_ne!(apart[0], apart[1]);
    // And a batch has the coins that its sequences have alone.
    assert!((losses(2)[0] - (apart[0] + apart[1]) / 2.0).abs() < 1e-14);
}

#[test]
fn an_update_that_is_not_finite_is_not_made_and_its_place_is_named() {
    let text = "model Blow {
  input x: []
  target y: []
  state s: [2]
  param w: [2]
  s = w * prev s * prev s + x
  output s
  loss mse(sum(s), y)
}";
    let model = bound(text, &[]);
    let values =
        |of: fn(usize) -> f64| ndarray::Array2::from_shape_fn((12, 3), |(_, n)| of(n)).into_dyn();
    let fields = vec![
        rnnc::train::Field::input(
            "x",
            rnnc::train::Axes::Batch,
            values(|n| if n == 1 { 30.0 } else { 0.1 }),
        ),
        rnnc::train::Field::target("y", rnnc::train::Axes::Batch, values(|_| 0.0)),
    ];
    let data = Data::sequences(fields, None).unwrap();
    let params = || rnnc::exec::Params::new(vec![ndarray::arr1(&[0.0f32, 1.0]).into_dyn()]);
    let mut trainer = Trainer::new(&model, params(), &data, options(5)).unwrap();
    let fault = trainer.update().unwrap_err();
    // 30, 930, 864930, .. passes the largest number of single precision at step 5.
    assert_eq!(fault.to_string(), "update 1, epoch 1: sequence 1, step 5: s[1] is inf");
    assert!(matches!(fault, Error::NotFinite { .. }));
    assert_eq!(trainer.step(), 0);
    assert!(*trainer.params() == params());
}
