//! Models on the command line: their modes, their targets, what their two architectures are.

use ndarray::{ArrayD, IxDyn};

use crate::scratch::Scratch;

const PAST: &str = "model Past {
  target   load: []
  feedback y: [] = 0 teacher load
  param    W: [1] init 1
  y = 100 * W[0] + prev y + 10 * prev(y, 2)
  loss square(y - load)
}";

const FORECASTER: &str =
    "cell Cell { dims I, H  input x: [I]  state h: [H]  param W: [H, I], U: [H, H]
  h = tanh(W @ x + U @ prev h)  output h }
model Forecaster {
  dims H = 4
  input    weather: [3]
  target   load: [1]
  feedback y: [1] = 0 teacher load
  layer a = Cell(x = concat(weather, prev y), H = H)
  param W: [1, H], b: [1]
  y = W @ a + b
  loss mse(y, load)
}";

const TOKENS: &str = "model Tokens {
  dims V = 5
  target   next: index[V]
  feedback c: index[V] = 0 teacher next
  param T: [V, V]
  let logits = T[prev c]
  c = sample(logits)
  loss cross_entropy(logits, next)
}";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("past.rnn", PAST);
    scratch.write("f.rnn", FORECASTER);
    scratch.write("tokens.rnn", TOKENS);
    let load = ArrayD::from_shape_vec(IxDyn(&[3]), vec![5.0, 6.0, 7.0]).unwrap();
    scratch.array("load.npy", &load);
    scratch
}

#[test]
fn run_takes_targets_and_runs_in_both_modes() {
    let scratch = scratch();
    let of = |options: &str| {
        let command = format!("run past.rnn --target load=load.npy --dtype f64 --json {options}");
        let report = scratch.rnnc(&command).expect(0).json();
        let loss = report["loss"].as_f64().unwrap();
        scratch.rnnc(&format!("{command} -o y.npy")).expect(0);
        (scratch.npy("y.npy").iter().copied().collect::<Vec<f64>>(), loss)
    };
    let mean = |y: [f64; 3]| {
        y.iter().zip([5.0, 6.0, 7.0]).map(|(y, t)| (y - t).powi(2)).sum::<f64>() / 3.0
    };
    for (options, y) in [
        ("", [100.0, 105.0, 156.0]),
        ("--feedback teacher", [100.0, 105.0, 156.0]),
        ("--feedback own", [100.0, 200.0, 1300.0]),
    ] {
        assert_eq!(of(options), (y.to_vec(), mean(y)), "{options}");
    }
    // Running free needs no target; teacher forcing does.
    let output = scratch.rnnc("run past.rnn --feedback own --steps 3").expect(0);
    assert!(output.stdout.contains("loss"), "a demonstration has targets: {}", output.stdout);
    scratch.array("weather.npy", &ArrayD::zeros(IxDyn(&[3, 3])));
    let output = scratch.rnnc("run f.rnn --input weather.npy --feedback own").expect(0);
    assert!(!output.stdout.contains("loss"), "{}", output.stdout);
    let output = scratch.rnnc("run f.rnn --input weather.npy").expect(4);
    let expected = "no data for `load`; give --target load=FILE, or --feedback own";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    let output = scratch.rnnc("run std/gru --feedback own").expect(2);
    assert!(output.stderr.contains("only models have feedbacks"), "{}", output.stderr);
    let output = scratch.rnnc("run f.rnn --target weather=weather.npy").expect(2);
    assert!(output.stderr.contains("the cell's targets are `load`"), "{}", output.stderr);
}

#[test]
fn samples_follow_the_seed() {
    let scratch = scratch();
    let of = |options: &str| {
        scratch
            .rnnc(&format!("run tokens.rnn --feedback own --steps 20 -o c.npy {options}"))
            .expect(0);
        scratch.npy("c.npy").iter().copied().collect::<Vec<f64>>()
    };
    let first = of("");
    assert!(first.iter().all(|it| (0.0..5.0).contains(it) && it.fract() == 0.0));
    assert_eq!(of("--engine reference"), first);
    assert_ne!(of("--seed 1"), first);
}

#[test]
fn gradients_are_those_of_the_loss_and_are_checked_in_both_modes() {
    let scratch = scratch();
    // d/dW of the mean of (100 W + ..  - load)^2 under teacher forcing.
    let output = scratch.rnnc("grad past.rnn --target load=load.npy --dtype f64 -o g.safetensors");
    output.expect(0);
    let tensors = scratch.tensors("g.safetensors");
    let names: Vec<&str> = tensors.iter().map(|it| &*it.0).collect();
    assert_eq!(names, ["W", "state.y", "state.y.2"], "a target has no gradient");
    let expected = 2.0 * 100.0 * ((100.0 - 5.0) + (105.0 - 6.0) + (156.0 - 7.0)) / 3.0;
    assert!((tensors[0].1[[0]] - expected).abs() < 1e-9 * expected);
    for file in ["f.rnn", "tokens.rnn"] {
        let output = scratch.rnnc(&format!("gradcheck {file} --seeds 1 --steps 1,4")).expect(0);
        for mode in ["feedback teacher: ", "feedback own: "] {
            assert!(output.stdout.contains(mode), "{file}: {}", output.stdout);
        }
    }
}

#[test]
fn compile_tells_what_the_architectures_are() {
    let scratch = scratch();
    let text = |file: &str| scratch.rnnc(&format!("compile {file}")).expect(0).stdout;
    let told = text("f.rnn");
    assert!(told.starts_with("model Forecaster\n"), "{told}");
    let expected = "architectures
    teacher forcing   a.h recurs, y does not
    running free      a.h, y recur
";
    assert!(told.contains(expected), "{told}");
    let told = text("tokens.rnn");
    assert!(told.contains("    teacher forcing   nothing recurs: all steps at once\n"), "{told}");
    scratch.write("alone.rnn", "model A { feedback y: [] = 0.5  param w: []  y = w * prev y }");
    assert!(text("alone.rnn").contains("architecture  y recurs\n"), "{}", text("alone.rnn"));
    for (mode, loops) in [("teacher", false), ("own", true)] {
        let command = format!("compile tokens.rnn --emit plan --feedback {mode}");
        let plan = scratch.rnnc(&command).expect(0).stdout;
        assert_eq!(plan.contains("every step, for c"), loops, "{plan}");
    }
}

#[test]
fn models_are_benched_drawn_tested_and_stored() {
    let scratch = scratch();
    for mode in ["teacher", "own"] {
        let command = format!("bench f.rnn --steps 4 --batch 2 --repeats 1 --feedback {mode}");
        scratch.rnnc(&command).expect(0);
    }
    scratch.rnnc("init f.rnn -o w.safetensors").expect(0);
    let names: Vec<String> = scratch.tensors("w.safetensors").into_iter().map(|it| it.0).collect();
    assert_eq!(names, ["W", "a.U", "a.W", "b"]);
    scratch.rnnc("compile f.rnn -o f.ron").expect(0);
    scratch.rnnc("run f.ron --params w.safetensors --feedback own").expect(0);
    scratch.rnnc("test f.rnn --update").expect(0);
    let snapshot = scratch.text("snapshots/f.snap");
    for title in ["== Forecaster run, feedback teacher", "== Forecaster run, feedback own"] {
        assert!(snapshot.contains(title), "{snapshot}");
    }
    scratch.rnnc("test f.rnn").expect(0);
}
