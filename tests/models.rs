//! Models in their modes: teacher forcing, running free and scheduled sampling, with both engines.

use ndarray::{ArrayD, Axis, IxDyn};
use rnnc::exec::gradcheck::{Line, Options, gradcheck};
use rnnc::exec::{
    BatchLoss, Bound, Draws, Engine, EngineKind, EngineOptions, Feed, InitialState, Inputs, Masks,
    Params, Upstream,
};
use rnnc::ir::{Feedback, Gives, InputRole, Mode, Real};

const MODES: [Feedback; 3] = [Feedback::Teacher, Feedback::Own, Feedback::Scheduled];

fn model(text: &str, sizes: &[(&str, i64)]) -> Bound {
    let spec = rnnc::Spec::parse(text).unwrap_or_else(|it| panic!("{it}"));
    let main = spec.main().expect("a file with one model means it").name.to_string();
    spec.cell(&main).unwrap().bind(sizes.iter().copied()).unwrap()
}

fn plain(model: &Bound, feedback: Feedback, gives: Gives) -> Bound {
    model.plain(&Mode::new(feedback, gives)).unwrap()
}

fn engines(bound: &Bound) -> [Engine; 2] {
    [EngineOptions::default(), EngineOptions::reference()].map(|it| bound.engine(it).unwrap())
}

/// Inputs by name; what is drawn is drawn.
fn inputs<F: Real>(bound: &Bound, given: &[(&str, ArrayD<F>)], draws: &Draws) -> Inputs<F> {
    let find = |name: &str| given.iter().find(|it| it.0 == name);
    let feeds = bound.cell().inputs.iter().map(|it| Some(Feed::Batch(find(&it.name)?.1.clone())));
    let mut inputs = Inputs::new(feeds.collect());
    let shape = given.first().map(|it| it.1.shape().to_vec()).unwrap_or(vec![1, 1]);
    (inputs.steps, inputs.batch) = (Some(shape[0]), Some(shape[1]));
    draws.fill(bound, &mut inputs).unwrap();
    inputs
}

fn array<F: Real>(shape: &[usize], values: &[f64]) -> ArrayD<F> {
    ArrayD::from_shape_vec(IxDyn(shape), values.iter().map(|it| F::of(*it)).collect()).unwrap()
}

fn numbers(array: &ArrayD<f32>) -> Vec<f32> {
    array.iter().copied().collect()
}

/// The example of the language: targets 5, 6, 7; `y` shows what the step read of its past.
const PAST: &str = "model Past {
  target   load: []
  feedback y: [] = 0 teacher load
  y = 100 + prev y + 10 * prev(y, 2)
  output one = prev y
  output two = prev(y, 2)
  output y
  loss square(y - load)
}";

#[test]
fn prev_of_a_feedback_is_the_target_before_or_the_own_value_before() {
    let model = model(PAST, &[]);
    let load = array(&[3, 1], &[5.0, 6.0, 7.0]);
    let expected = [
        (Feedback::Teacher, [0.0, 5.0, 6.0], [0.0, 0.0, 5.0], [100.0, 105.0, 156.0], [7.0, 6.0]),
        (
            Feedback::Own,
            [0.0, 100.0, 200.0],
            [0.0, 0.0, 100.0],
            [100.0, 200.0, 1300.0],
            [1300.0, 200.0],
        ),
    ];
    for (feedback, one, two, y, last) in expected {
        let bound = plain(&model, feedback, Gives::Both);
        for engine in engines(&bound) {
            let params = Params::new(Vec::new());
            let given = inputs::<f32>(&bound, &[("load", load.clone())], &Draws::new(0));
            let state = InitialState::declared(2);
            let run = engine.forward(&params, &given, &state).unwrap();
            assert_eq!(numbers(&run.outputs[0]), one, "{feedback:?}");
            assert_eq!(numbers(&run.outputs[1]), two, "{feedback:?}");
            assert_eq!(numbers(&run.outputs[2]), y, "the own value: {feedback:?}");
            let names: Vec<&str> = bound.cell().carries.iter().map(|it| &*it.name).collect();
            assert_eq!(names, ["y", "y.2"]);
            assert_eq!(run.states.iter().flat_map(numbers).collect::<Vec<_>>(), last);
            // The loss compares own values in every mode.
            let loss: Vec<f32> =
                y.iter().zip([5.0, 6.0, 7.0]).map(|(y, t)| (y - t) * (y - t)).collect();
            assert_eq!(numbers(&run.outputs[3]), loss);
        }
    }
}

#[test]
fn a_loss_is_a_mean_over_valid_steps() {
    let text =
        |at| format!("model A {{ input x: []  target t: []  output y = x  loss y - t {at} }}");
    let losses = array::<f32>(&[2, 2], &[1.0, 4.0, 2.0, f64::NAN]);
    let zeros = array::<f32>(&[2, 2], &[0.0; 4]);
    let of = |at, lengths: [usize; 2]| {
        let bound = plain(&model(&text(at), &[]), Feedback::Teacher, Gives::Loss);
        let mut given =
            inputs(&bound, &[("x", losses.clone()), ("t", zeros.clone())], &Draws::new(0));
        given.lengths = Some(lengths.to_vec());
        let (params, state) = (Params::new(Vec::new()), InitialState::declared(0));
        let all = engines(&bound).map(|engine| {
            let (run, loss) = engine.loss(&params, &given, &state, &Masks::Eval).unwrap();
            let upstream = Upstream::of_loss(bound.cell(), &run);
            let gradients = engine.backward(&run, &upstream).unwrap();
            assert!(gradients.inputs[1].is_none(), "a target has no gradient");
            (loss, numbers(gradients.inputs[0].as_ref().unwrap()))
        });
        assert_eq!(all[0], all[1]);
        all[0].clone()
    };
    let third = 1.0 / 3.0;
    let (loss, gradient) = of("", [2, 1]);
    assert_eq!((loss.sum, loss.count), (7.0, 3));
    assert_eq!(gradient, [third, third, third, 0.0]);
    let (loss, gradient) = of("at last", [2, 1]);
    assert_eq!((loss.sum, loss.count, loss.mean()), (6.0, 2, 3.0));
    assert_eq!(gradient, [0.0, 0.5, 0.5, 0.0]);
    let (loss, _) = of("at last", [0, 1]);
    assert_eq!((loss.sum, loss.count), (4.0, 1));
    assert_eq!(of("", [0, 0]).0, BatchLoss { sum: 0.0, count: 0 });
}

/// A language model: what it samples is what it reads.
const TOKENS: &str = "model Tokens {
  dims V = 5, H = 3
  target   next: index[V]
  feedback c: index[V] = 2 teacher next
  state h: [H]
  param T: [V, H], U: [H, H], W: [V, H]
  h = tanh(T[prev c] + U @ prev h)
  let logits = 4 * (W @ h)
  c = sample(logits)
  loss cross_entropy(logits, next)
}";

#[test]
fn a_sample_is_drawn_where_somebody_reads_it() {
    let model = model(TOKENS, &[]);
    let roles = |it: &Bound| it.cell().inputs.iter().map(|it| it.role).collect::<Vec<_>>();
    let training = plain(&model, Feedback::Teacher, Gives::Loss);
    assert_eq!(roles(&training), [InputRole::Target], "no draw is asked for");
    assert!(training.cell().values.iter().all(|it| &*it.name != "c"));
    let free = plain(&model, Feedback::Own, Gives::Outputs);
    assert_eq!(roles(&free), [InputRole::Draw], "no target is asked for");
    let params = model.init::<f32>(3).unwrap();
    let run = |draws: &Draws, batch: usize| {
        let mut given = Inputs::new(vec![None]);
        (given.steps, given.batch) = (Some(12), Some(batch));
        draws.fill(&free, &mut given).unwrap();
        let all = engines(&free).map(|engine| {
            let state = InitialState::declared(free.cell().carries.len());
            let run = engine.forward(&params, &given, &state).unwrap();
            (numbers(&run.outputs[0]), run.states[0].clone())
        });
        assert_eq!(all[0].0, all[1].0, "both engines choose alike");
        all[0].0.clone()
    };
    let three = run(&Draws::new(9), 3);
    assert!(three.iter().all(|it| (0.0..5.0).contains(it) && it.fract() == 0.0));
    // A sequence alone draws what it draws in a batch.
    let second = run(&Draws { first_sequence: 1, ..Draws::new(9) }, 1);
    assert_eq!(second, three.iter().skip(1).step_by(3).copied().collect::<Vec<_>>());
    assert_ne!(run(&Draws::new(8), 3), three);
    assert_ne!(run(&Draws { epoch: Some(0), ..Draws::new(9) }, 3), three);
}

#[test]
fn under_teacher_forcing_an_output_knows_no_later_target() {
    let model = model(TOKENS, &[]);
    let bound = plain(&model, Feedback::Teacher, Gives::Both);
    let params = model.init::<f32>(1).unwrap();
    let engine = bound.engine(EngineOptions::default()).unwrap();
    let of = |targets: &[f64]| {
        let given = inputs::<f32>(&bound, &[("next", array(&[5, 1], targets))], &Draws::new(0));
        let state = InitialState::declared(2);
        numbers(&engine.forward(&params, &given, &state).unwrap().outputs[0])
    };
    let known = of(&[1.0, 0.0, 3.0, 4.0, 2.0]);
    for t in 0..5 {
        let mut other = vec![1.0, 0.0, 3.0, 4.0, 2.0];
        other[t..].iter_mut().for_each(|it| *it = (*it + 1.0) % 5.0);
        assert_eq!(of(&other)[..=t], known[..=t], "{t}");
    }
}

const FORECASTER: &str = "
cell Gru2 { dims I, H  input x: [I]  state h: [H]  param W: [H, I], U: [H, H], b: [H]
  h = tanh(W @ x + U @ prev h + b)  output h }
model Forecaster {
  dims H = 4
  input    weather: [3]
  target   load: [1]
  feedback y: [1] = 0 teacher load
  layer a = Gru2(x = concat(weather, prev y), H = H)
  param W: [1, H], b: [1]
  y = W @ a + b
  loss mse(y, load)
}";

#[test]
fn scheduled_sampling_with_one_side_of_the_coin_is_that_mode_bit_by_bit() {
    let model = model(FORECASTER, &[]);
    let params = model.init::<f32>(5).unwrap();
    let weather =
        ArrayD::from_shape_fn(IxDyn(&[7, 2, 3]), |it| (it[0] * 3 + it[2]) as f32 / 9.0 - 1.0);
    let load = ArrayD::from_shape_fn(IxDyn(&[7, 2, 1]), |it| (it[0] + it[1]) as f32 / 4.0);
    let of = |feedback, own| {
        let bound = plain(&model, feedback, Gives::Both);
        let given = [("weather", weather.clone()), ("load", load.clone())];
        let given = inputs(&bound, &given, &Draws { own, ..Draws::new(4) });
        let state = InitialState::declared(bound.cell().carries.len());
        engines(&bound).map(|engine| {
            let (run, _) = engine.loss(&params, &given, &state, &Masks::Eval).unwrap();
            let upstream = Upstream::of_loss(bound.cell(), &run);
            let params = engine.backward(&run, &upstream).unwrap().params;
            (run.outputs.clone(), run.states.clone(), params)
        })
    };
    for (one, other, own) in
        [(Feedback::Teacher, Feedback::Scheduled, 0.0), (Feedback::Own, Feedback::Scheduled, 1.0)]
    {
        let (a, b) = (of(one, own), of(other, own));
        assert_eq!(a[1].2, b[1].2, "the interpreter has one order");
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a.0, b.0);
            assert_eq!(a.1, b.1);
            // The products of a loop are summed in another order than those of all rows: in f32 the last bit may differ.
            let near = |a: &ArrayD<f32>, b: &ArrayD<f32>| (a - b).iter().all(|it| it.abs() < 1e-6);
            let pairs = a.2.iter().flatten().zip(b.2.iter().flatten());
            assert!(pairs.clone().all(|(a, b)| near(a, b)));
            assert!(one == Feedback::Teacher || a.2 == b.2);
        }
    }
    let half = of(Feedback::Scheduled, 0.5);
    assert_ne!(half[0].0, of(Feedback::Own, 0.0)[0].0);
    assert_ne!(half[0].0, of(Feedback::Teacher, 0.0)[0].0);
}

#[test]
fn both_engines_agree_and_gradients_are_those_of_differences() {
    let model = model(FORECASTER, &[]);
    let params = model.init::<f64>(5).unwrap();
    let weather = ArrayD::from_shape_fn(IxDyn(&[5, 2, 3]), |it| {
        (it[0] * 3 + it[2] + it[1]) as f64 / 9.0 - 1.0
    });
    let load = ArrayD::from_shape_fn(IxDyn(&[5, 2, 1]), |it| (it[0] + it[1]) as f64 / 4.0);
    for feedback in MODES {
        let bound = plain(&model, feedback, Gives::Loss);
        let engine = bound.engine(EngineOptions::default()).unwrap();
        let given = [("weather", weather.clone()), ("load", load.clone())];
        let given = inputs(&bound, &given, &Draws { own: 0.5, ..Draws::new(4) });
        let state = InitialState::declared(bound.cell().carries.len());
        let loss = |params: &Params<f64>| {
            engine.loss(params, &given, &state, &Masks::Eval).unwrap().1.mean()
        };
        let (run, _) = engine.loss(&params, &given, &state, &Masks::Eval).unwrap();
        let gradients = engine.backward(&run, &Upstream::of_loss(bound.cell(), &run)).unwrap();
        for (param, gradient) in gradients.params.iter().enumerate() {
            for (at, gradient) in gradient.as_ref().unwrap().iter().enumerate() {
                let moved = |by: f64| {
                    let mut moved = params.clone();
                    *moved.arrays_mut()[param].iter_mut().nth(at).unwrap() += by;
                    loss(&moved)
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!(
                    (difference - gradient).abs() < 1e-8,
                    "{feedback:?} {param} {at}: {difference} {gradient}"
                );
            }
        }
        let in_f32 = |it: &ArrayD<f64>| it.mapv(|it| it as f32);
        let params32 = Params::new(params.arrays().iter().map(in_f32).collect());
        let feeds =
            given.feeds.iter().map(|it| it.as_ref().map(|it| Feed::Batch(in_f32(it.array()))));
        let given32 = Inputs { feeds: feeds.collect(), ..Inputs::new(Vec::new()) };
        let state32 = InitialState::declared(bound.cell().carries.len());
        let (run32, loss32) = engine.loss(&params32, &given32, &state32, &Masks::Eval).unwrap();
        assert!((loss32.mean() - loss(&params)).abs() < 1e-6);
        let fast = engine.backward(&run32, &Upstream::of_loss(bound.cell(), &run32)).unwrap();
        for (fast, plain) in fast.params.iter().zip(&gradients.params) {
            let (fast, plain) = (fast.as_ref().unwrap(), plain.as_ref().unwrap());
            assert!(fast.iter().zip(plain).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5));
        }
    }
}

/// A model in which nothing recurs but what the teacher knows has no loop.
#[test]
fn teacher_forcing_leaves_the_loops_of_layers_alone() {
    let loops = |text: &str, feedback| {
        let bound = plain(&model(text, &[]), feedback, Gives::Loss);
        let plan = rnnc::plan::Plan::new(bound.cell()).unwrap();
        let count = |pass: &rnnc::plan::Pass| pass.stages.iter().filter(|it| it.is_loop()).count();
        (count(&plan.forward), count(&plan.backward))
    };
    assert_eq!(loops(FORECASTER, Feedback::Teacher), (1, 1));
    assert_eq!(loops(FORECASTER, Feedback::Own), (1, 1));
    let text = "model Auto { dims D = 2  target t: [D]  feedback y: [D] = 0 teacher t
        param W: [D, D]  y = tanh(W @ prev y)  loss mse(y, t) }";
    assert_eq!(loops(text, Feedback::Teacher), (0, 0), "all steps run at once");
    assert_eq!(loops(text, Feedback::Own), (1, 1));
    assert_eq!(loops(text, Feedback::Scheduled), (1, 1));
}

#[test]
fn time_goes_on_where_a_chunk_begins() {
    let model = model(FORECASTER, &[]);
    let params = model.init::<f32>(5).unwrap();
    let weather =
        ArrayD::from_shape_fn(IxDyn(&[6, 2, 3]), |it| (it[0] * 3 + it[2]) as f32 / 9.0 - 1.0);
    let load = ArrayD::from_shape_fn(IxDyn(&[6, 2, 1]), |it| (it[0] + it[1]) as f32 / 4.0);
    for feedback in MODES {
        let bound = plain(&model, feedback, Gives::Both);
        let engine = bound.engine(EngineOptions::default()).unwrap();
        let chunk = |from: usize, to: usize| {
            let part = |it: &ArrayD<f32>| it.slice_axis(Axis(0), (from..to).into()).to_owned();
            let given = [("weather", part(&weather)), ("load", part(&load))];
            inputs(&bound, &given, &Draws { own: 0.5, first_step: from as u64, ..Draws::new(4) })
        };
        let start = InitialState::declared(bound.cell().carries.len());
        let all = chunk(0, 6);
        let whole = engine.infer(&params, &all, &start).unwrap();
        let first = chunk(0, 2);
        let run = engine.infer(&params, &first, &start).unwrap();
        let state = InitialState(run.states.iter().cloned().map(Some).collect());
        let rest = chunk(2, 6);
        let second = engine.infer(&params, &rest, &state).unwrap();
        let joined = ndarray::concatenate![Axis(0), run.outputs[0], second.outputs[0]];
        assert_eq!(joined, whole.outputs[0], "{feedback:?}");
        assert_eq!(second.states, whole.states, "{feedback:?}");
    }
}

/// Every model of the library in every mode, with the graphs of both engines; the column of the fast one is among them.
#[test]
fn gradients_of_the_models_of_the_library_are_right() {
    let mut checked = 0;
    for file in rnnc::api::models() {
        let spec = rnnc::Spec::parse(file.source).unwrap();
        let cell = spec.main().unwrap();
        let modes = if cell.has_teacher() { &MODES[..] } else { &MODES[..1] };
        let mut options =
            Options { lengths: vec![1, 4], seeds: 1, elements: 3, ..Options::default() };
        // The sizes of a training would take minutes.
        for (idx, dim) in cell.dims.iter().enumerate() {
            options.env.sizes.insert(dim.name.clone(), 4 + idx as i64);
        }
        for feedback in modes {
            let plain = rnnc::derive::plain(cell, &Mode::new(*feedback, Gives::Loss));
            for engine in [EngineKind::Fast, EngineKind::Reference] {
                let options = Options { engine, ..options.clone() };
                let report = gradcheck(&plain, &options).unwrap();
                let (name, mode) = (file.name, feedback.name());
                assert!(report.passes(), "{name}, {mode}: {:#?}", report.lines);
                let compared = |it: &Line| it.difference.is_some() || it.forward_alone.is_some();
                assert!(report.lines.iter().any(compared), "{name}, {mode}");
                assert_eq!(
                    engine == EngineKind::Fast,
                    report.lines.iter().any(|it| it.fast.is_some())
                );
                checked += 1;
            }
        }
    }
    // Three of the twelve have a teacher.
    assert_eq!(checked, (12 + 2 * 3) * 2);
}
