//! The fast engine is what the interpreter is, seen from outside.

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{Bound, EngineOptions, Feed, InitialState, Inputs, Upstream};

fn gru() -> Bound {
    let source = rnnc::api::library_file("gru").unwrap().source;
    let cell = rnnc::Spec::parse(source).unwrap().configure(None, &[]).unwrap();
    cell.bind([("I", 3), ("H", 4)]).unwrap()
}

fn waves(shape: &[usize], factor: f32) -> ArrayD<f32> {
    let mut at = 0.0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        at += 1.0;
        (at * factor).sin()
    })
}

fn close(a: &ArrayD<f32>, b: &ArrayD<f32>) -> bool {
    a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0))
}

#[test]
fn both_engines_give_the_same_runs_and_gradients() {
    let bound = gru();
    let params = bound.init::<f32>(7).unwrap();
    let mut inputs = Inputs::new(vec![Some(Feed::Batch(waves(&[5, 3, 3], 0.7)))]);
    inputs.lengths = Some(vec![2, 5, 0]);
    let state = InitialState(vec![Some(waves(&[3, 4], 0.9))]);
    let traces = vec!["r".into(), "n".into()];
    let [plain, fast] =
        [EngineOptions::reference(), EngineOptions::default()].map(|mut options| {
            options.traces.clone_from(&traces);
            bound.engine(options)
        });
    let expected = plain.forward(&params, &inputs, &state).unwrap();
    let run = fast.forward(&params, &inputs, &state).unwrap();
    assert_eq!((run.steps(), run.batch(), run.lengths()), (5, 3, &[2, 5, 0][..]));
    let all = |run: &rnnc::exec::engine::Run<'_, f32>| {
        [run.outputs.clone(), run.states.clone(), run.traces.clone()].concat()
    };
    assert!(all(&run).iter().zip(&all(&expected)).all(|(a, b)| close(a, b)));
    // Beyond a length there is nothing, and a sequence without steps keeps its start.
    assert_eq!(run.outputs[0][[2, 0, 0]], 0.0);
    assert_eq!(run.states[0][[2, 1]], waves(&[3, 4], 0.9)[[2, 1]]);
    let upstream = Upstream { outputs: vec![Some(waves(&[5, 3, 4], 1.1))], states: vec![None] };
    let expected = plain.backward(&expected, &upstream).unwrap();
    // Twice, because backward writes beside what forward kept.
    for _ in 0..2 {
        let gradients = fast.backward(&run, &upstream).unwrap();
        let pairs = [
            (&gradients.params, &expected.params),
            (&gradients.inputs, &expected.inputs),
            (&gradients.starts, &expected.starts),
        ];
        for (a, b) in pairs.into_iter().flat_map(|(a, b)| a.iter().zip(b)) {
            assert!(close(a.as_ref().unwrap(), b.as_ref().unwrap()));
        }
    }
}

#[test]
fn the_fast_engine_takes_every_cell_of_the_library() {
    for file in rnnc::api::library() {
        let spec = rnnc::Spec::parse(file.source).unwrap();
        let cell = spec.main().unwrap();
        let mut env = rnnc::ir::Env::default();
        for dim in cell.dims.iter().filter(|it| it.like.is_none()) {
            env.sizes.insert(dim.name.clone(), dim.default.unwrap_or(4));
        }
        let engine = rnnc::exec::bind(cell, env).unwrap().engine(EngineOptions::default());
        assert_eq!(engine.kind(), rnnc::exec::EngineKind::Fast, "std/{}", file.name);
    }
}

/// A value that is repeated, and handed on by a branch or read by a product, has all its numbers.
#[test]
fn repeated_values_are_there_for_all_who_read_them() {
    for body in [
        "let y = where(p > 0.13, q, s * p)",
        "let y = where(p > 0.13, q, where(q > 0, s, p))",
        "let y = tanh(U @ (s * p) + s) * sigmoid(V @ (s * p) + s)",
        "let y = tanh(U @ (s * p) - s) * sigmoid(V @ (s * p) - s) + s",
    ] {
        let source = format!(
            "cell Repeated {{
  dims N
  input s: []
  param U, V: [N, N] init normal(0, 0.5)
  param p, q: [N] init normal(0, 0.5)
  {body}
  output y
}}"
        );
        let cell = rnnc::Spec::parse(&source).unwrap().configure(None, &[]).unwrap();
        let bound = cell.bind([("N", 5)]).unwrap();
        let params = bound.init::<f32>(1).unwrap();
        let inputs = Inputs::new(vec![Some(Feed::Batch(waves(&[3, 2], 0.7)))]);
        let state = InitialState::declared(0);
        let [plain, fast] =
            [EngineOptions::reference(), EngineOptions::default()].map(|it| bound.engine(it));
        let expected = plain.forward(&params, &inputs, &state).unwrap();
        let run = fast.forward(&params, &inputs, &state).unwrap();
        assert!(close(&run.outputs[0], &expected.outputs[0]), "{body}");
        let upstream = Upstream::ones(1, 0);
        let expected = plain.backward(&expected, &upstream).unwrap();
        let gradients = fast.backward(&run, &upstream).unwrap();
        let kinds = [(gradients.params, expected.params), (gradients.inputs, expected.inputs)];
        for (a, b) in kinds.iter().flat_map(|(a, b)| a.iter().zip(b)) {
            assert!(close(a.as_ref().unwrap(), b.as_ref().unwrap()), "{body}");
        }
    }
}

#[test]
fn what_is_not_finite_is_found_with_its_place() {
    let bound = gru();
    let params = bound.init::<f32>(7).unwrap();
    let mut x = waves(&[4, 2, 3], 0.3);
    x[[2, 1, 0]] = f32::NAN;
    let inputs = Inputs::new(vec![Some(Feed::Batch(x))]);
    let state = InitialState::declared(1);
    let runs = [EngineOptions::reference(), EngineOptions::default()].map(|it| {
        let engine = bound.engine(it);
        engine.forward(&params, &inputs, &state).unwrap().not_finite
    });
    assert!(runs[0].is_some());
    assert_eq!(format!("{:?}", runs[0]), format!("{:?}", runs[1]));
}
