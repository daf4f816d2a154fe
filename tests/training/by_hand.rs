//! The worked examples of trainings, and what follows from their definitions.

use ndarray::{ArrayD, IxDyn, arr0};
use rnnc::exec::Params;
use rnnc::ir::Feedback;
use rnnc::train::{
    Axes, Coins, Data, Field, Optimizer, Options, Scales, Schedule, Trainer, Update,
};

use crate::models::{
    CHARS, CLASSIFIER, FORECASTER, bound, classes, filled, forecasts, options, text,
};

/// `s = w * prev s + x`, against targets of 0.
const LINE: &str = "model Line {
  input x: []
  target y: []
  state s: []
  param w: []
  s = w * prev s + x
  output s
  loss mse(s, y)
}";

/// As it, with a learned start.
const LEARNED: &str = "model Learned {
  input x: []
  target y: []
  param w: [], s0: []
  state s: [] = s0
  s = w * prev s + x
  output s
  loss mse(s, y)
}";

/// The output is the input, so that losses are those of the data.
const ECHO: &str = "model Echo {
  input x: []
  target y: []
  param w: []
  let s = w * x
  output s
  loss mae(s, y)
}";

fn still(bptt: Option<usize>) -> Options {
    let mut options = options(0);
    (options.epochs, options.steps) = (Some(1), None);
    options.optimizer =
        Optimizer::Sgd { momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 };
    (options.schedule, options.clip, options.bptt) = (Schedule::constant(0.0), None, bptt);
    options
}

fn scalars(values: &[f64]) -> Params<f64> {
    Params::new(values.iter().map(|it| arr0(*it).into_dyn()).collect())
}

fn ones(steps: usize) -> Data {
    let field = |values| ArrayD::from_elem(IxDyn(&[steps, 1]), values);
    let fields = vec![
        Field::input("x", Axes::Batch, field(1.0)),
        Field::target("y", Axes::Batch, field(0.0)),
    ];
    Data::sequences(fields, None).unwrap()
}

fn all(trainer: &mut Trainer<f64>) -> Vec<Update> {
    std::iter::from_fn(|| trainer.update().unwrap()).collect()
}

#[test]
fn gradients_of_full_and_truncated_back_propagation() {
    let model = bound(LINE, &[]);
    let train = |bptt| {
        let mut trainer = Trainer::new(&model, scalars(&[0.5]), &ones(4), still(bptt)).unwrap();
        all(&mut trainer).iter().map(|it| (it.loss, it.grad_norm)).collect::<Vec<_>>()
    };
    assert_eq!(train(None), [(9.828125 / 4.0, 5.078125)]);
    assert_eq!(train(Some(4)), train(None));
    assert_eq!(train(Some(2)), [(3.25 / 2.0, 1.5), (6.578125 / 2.0, 7.3125)]);
}

#[test]
fn a_learned_start_gets_its_gradient_from_the_first_chunk_alone() {
    let model = bound(LEARNED, &[]);
    let mut with = still(Some(2));
    // Without the other param the norm is that of the start: its gradients in the first chunk are 2 (s w) and 2 (s w^2).
    with.schedule = Schedule::constant(1.0);
    let mut trainer = Trainer::new(&model, scalars(&[0.5, 2.0]), &ones(4), with).unwrap();
    let start = |trainer: &Trainer<f64>| trainer.params().arrays()[1][[]];
    trainer.update().unwrap();
    // s = 2, 2: the mean of 2 * 2 * 0.5 and 2 * 2 * 0.25.
    assert_eq!(start(&trainer), 2.0 - 1.5);
    trainer.update().unwrap();
    assert_eq!(start(&trainer), 0.5);
}

#[test]
fn the_loss_is_the_mean_over_all_valid_steps() {
    // Step losses 1, 2 of one sequence and 4 of another; what is beyond a length is not read.
    let mut y = ArrayD::from_elem(IxDyn(&[2, 2]), f64::NAN);
    (y[[0, 0]], y[[1, 0]], y[[0, 1]]) = (1.0, 2.0, 4.0);
    let x = ArrayD::zeros(IxDyn(&[2, 2]));
    let fields = vec![Field::input("x", Axes::Batch, x), Field::target("y", Axes::Batch, y)];
    let data = Data::sequences(fields, Some(vec![2, 1])).unwrap();
    let mut trainer = Trainer::new(&bound(ECHO, &[]), scalars(&[1.0]), &data, still(None)).unwrap();
    assert_eq!(trainer.update().unwrap().unwrap().loss, 7.0 / 3.0);
    for size in [1, 2] {
        let mut with = still(None);
        with.eval_batch = size;
        let trainer = Trainer::new(&bound(ECHO, &[]), scalars(&[1.0]), &data, with).unwrap();
        let score = trainer.evaluate(&data, Feedback::Teacher, &Scales::default()).unwrap();
        assert_eq!((score.loss, score.steps, score.sequences), (7.0 / 3.0, 3, 2));
        assert_eq!(score.metrics.get("mae"), Some(7.0 / 3.0));
        assert_eq!(score.metrics.get("mse"), Some(21.0 / 3.0));
    }
}

#[test]
fn no_figure_of_an_evaluation_depends_on_how_it_is_cut() {
    let model = bound(CLASSIFIER, &[]);
    let score = |size| {
        let with = Options { eval_batch: size, ..options(1) };
        let trainer = Trainer::new(&model, filled::<f32>(&model, 1.0), &classes(), with).unwrap();
        trainer.evaluate(&classes(), Feedback::Teacher, &Scales::default()).unwrap()
    };
    let whole = score(13);
    assert_eq!((whole.steps, whole.sequences), (12, 12));
    assert!(whole.metrics.get("accuracy").is_some());
    for size in [1, 5, 12] {
        assert_eq!(score(size), whole);
    }
}

#[test]
fn with_a_rate_of_zero_the_losses_of_all_chunks_are_those_of_one_run() {
    let (data, size) = text("to be or not to be, that is the question: whether it is nobler");
    let model = bound(CHARS, &[("V", size)]);
    let sums = |bptt| {
        let with = Options { batch: 2, ..still(bptt) };
        let mut trainer = Trainer::new(&model, filled::<f64>(&model, 1.0), &data, with).unwrap();
        all(&mut trainer).iter().map(|it| it.loss * it.steps as f64).sum::<f64>()
    };
    let whole = sums(None);
    assert!((sums(Some(7)) - whole).abs() < 1e-12 * whole);
    assert!((sums(Some(1)) - whole).abs() < 1e-12 * whole);
}

#[test]
fn scheduled_sampling_is_teacher_forcing_at_zero_and_running_free_at_one_bit_by_bit() {
    let model = bound(FORECASTER, &[]);
    let data = forecasts(41).windows(6, 2).unwrap();
    let train = |feedback, own: f64| {
        let with = Options {
            batch: 4,
            bptt: Some(4),
            feedback,
            coins: Coins::constant(own),
            ..options(12)
        };
        let mut trainer = Trainer::new(&model, filled::<f32>(&model, 0.8), &data, with).unwrap();
        let losses: Vec<u64> =
            std::iter::from_fn(|| trainer.update().unwrap()).map(|it| it.loss.to_bits()).collect();
        (losses, trainer.params().clone())
    };
    let (teacher, own) = (train(Feedback::Teacher, 0.0), train(Feedback::Own, 0.0));
    assert!(train(Feedback::Scheduled, 0.0) == teacher);
    assert!(train(Feedback::Scheduled, 1.0) == own);
    let half = train(Feedback::Scheduled, 0.5);
    assert!(half != teacher && half != own && teacher != own);
}

#[test]
fn a_param_without_a_gradient_is_left_as_it_is() {
    let text = LINE
        .replace("param w: []", "param w: [], idle: []")
        .replace("output s", "let side = idle * x\n  output s, side");
    let model = bound(&text, &[]);
    let mut with = still(None);
    with.schedule = Schedule::constant(0.1);
    with.optimizer =
        Optimizer::Sgd { momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.5 };
    let mut trainer = Trainer::new(&model, scalars(&[0.5, 3.0]), &ones(4), with).unwrap();
    all(&mut trainer);
    let after: Vec<f64> = trainer.params().arrays().iter().map(|it| it[[]]).collect();
    assert!(after[0] != 0.5);
    assert_eq!(after[1], 3.0);
}

#[test]
fn what_cannot_be_cut_is_refused_with_a_way_out() {
    let model = bound(CLASSIFIER, &[]);
    let fault = |data: &Data, bptt| {
        let with = Options { bptt, ..options(1) };
        Trainer::new(&model, filled::<f32>(&model, 1.0), data, with)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let found = fault(&classes(), Some(2));
    for part in ["stands at the last step", "`--bptt 2`", "7 steps", "leave `--bptt` out"] {
        assert!(found.contains(part), "{found}");
    }
    let both = LINE.replace(
        "state s: []\n  param w: []\n  s = w * prev s + x",
        "param w: []\n  layer b = Gru(x = concat(x, x), H = 1) backward\n  let s = w * sum(b)",
    );
    let both = bound(&format!("use std/gru\n{both}"), &[]);
    let with = Options { bptt: Some(2), ..options(1) };
    let found = Trainer::new(&both, filled::<f32>(&both, 1.0), &ones(4), with);
    let found = found.map(|_| ()).unwrap_err().to_string();
    assert!(found.contains("reads from the end") && found.contains("`--bptt 2`"), "{found}");
    let rows = |values: ArrayD<f64>| Field::target("label", Axes::Shared, values).below(4);
    let x = Field::input("x", Axes::Shared, ArrayD::zeros(IxDyn(&[9, 3])));
    let series = Data::series(vec![x, rows(ArrayD::zeros(IxDyn(&[9])))], 0).unwrap();
    assert!(fault(&series, None).contains("streams"));
    let (text, size) = text("abcabc");
    let found = Trainer::new(
        &bound(CHARS, &[("V", size)]),
        filled::<f32>(&bound(CHARS, &[("V", size)]), 1.0),
        &text,
        Options { batch: 6, ..options(1) },
    );
    assert!(found.map(|_| ()).unwrap_err().to_string().contains("`--batch 5` is the most"));
}

#[test]
fn an_input_per_sequence_takes_one_value_for_each() {
    // The loss of a sequence is its own value, at every step.
    let text = ECHO.replace("input x: []", "input x: [] per sequence");
    let model = bound(&text, &[]);
    let y = ArrayD::zeros(IxDyn(&[3, 4]));
    let of = |axes, shape: &[usize]| {
        let values = (0..shape.iter().product()).map(|it| 1.0 + it as f64).collect();
        let values = ArrayD::from_shape_vec(IxDyn(shape), values).unwrap();
        let fields =
            vec![Field::input("x", axes, values), Field::target("y", Axes::Batch, y.clone())];
        let data = Data::sequences(fields, Some(vec![3, 1, 2, 0])).unwrap();
        Trainer::new(&model, scalars(&[1.0]), &data, still(None))
    };
    let mut trainer = of(Axes::Last, &[4]).unwrap();
    assert_eq!(trainer.update().unwrap().unwrap().loss, (3.0 + 2.0 + 6.0) / 6.0);
    let fault = of(Axes::Batch, &[3, 4]).map(|_| ()).unwrap_err().to_string();
    assert_eq!(fault, "`x` needs one value for each sequence");
}
