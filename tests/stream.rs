//! Step by step is a run: the same bits, for every cell.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use rnnc::exec::{
    Bound, Engine, EngineOptions, Feed, InitialState, Inputs, Params, RunError, bind,
};
use rnnc::ir::Env;

fn library(name: &str, size: i64) -> Bound {
    let source = rnnc::api::library_file(name).unwrap().source;
    let spec = rnnc::Spec::parse(source).unwrap();
    let cell = spec.main().unwrap();
    let mut env = Env::default();
    for dim in cell.dims.iter().filter(|it| it.like.is_none() && it.default.is_none()) {
        env.sizes.insert(dim.name.clone(), size);
    }
    bind(cell, env).unwrap()
}

fn waves(shape: &[usize]) -> ArrayD<f32> {
    let mut at = 0.0f32;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        at += 0.7;
        at.sin()
    })
}

/// All inputs, `[T, B, ...]`; 0 where they are indices.
fn arrays(bound: &Bound, steps: usize, batch: usize) -> Vec<ArrayD<f32>> {
    let inputs = bound.cell().inputs.iter().zip(bound.input_shapes());
    let one = |(input, own): (&rnnc::ir::Input, &Vec<usize>)| {
        let shape = [&[steps, batch], &own[..]].concat();
        if input.index.is_some() { ArrayD::zeros(IxDyn(&shape)) } else { waves(&shape) }
    };
    inputs.map(one).collect()
}

/// Some steps of all inputs.
fn feeds(arrays: &[ArrayD<f32>], steps: std::ops::Range<usize>, batch: usize) -> Inputs<f32> {
    let of = |it: &ArrayD<f32>| it.slice_axis(Axis(0), steps.clone().into()).to_owned();
    let mut inputs = Inputs::new(arrays.iter().map(|it| Some(Feed::Batch(of(it)))).collect());
    (inputs.steps, inputs.batch) = (Some(steps.len()), Some(batch));
    inputs
}

fn at(arrays: &[ArrayD<f32>], t: usize) -> Vec<ArrayViewD<'_, f32>> {
    arrays.iter().map(|it| it.index_axis(Axis(0), t)).collect()
}

fn bits(array: &ArrayViewD<'_, f32>) -> Vec<u32> {
    array.iter().map(|it| it.to_bits()).collect()
}

/// Steps of a stream are those of two runs, the second with other params.
fn check(name: &str, engine: &Engine, batch: usize) {
    let bound = engine.bound();
    let arrays = arrays(bound, 7, batch);
    let params: [Params<f32>; 2] = [1, 2].map(|seed| bound.init(seed).unwrap());
    let mut state = InitialState::declared(bound.cell().carries.len());
    let mut stream = engine.stream(&params[0], &state, batch).unwrap();
    for (params, steps) in params.iter().zip([0..4, 4..7]) {
        let inputs = feeds(&arrays, steps.clone(), batch);
        let run = engine.infer(params, &inputs, &state).unwrap();
        for t in steps.clone() {
            let outputs = engine.step(params, &at(&arrays, t), &mut stream).unwrap();
            assert_eq!(outputs.len(), run.outputs.len(), "{name}");
            for (step, whole) in outputs.iter().zip(&run.outputs) {
                let whole = whole.index_axis(Axis(0), t - steps.start);
                assert_eq!(step.shape(), whole.shape(), "{name}");
                assert_eq!(bits(&step.view()), bits(&whole), "{name}, step {t}");
            }
        }
        let states = engine.states(&mut stream).unwrap();
        assert_eq!(states.len(), run.states.len(), "{name}");
        for (step, whole) in states.iter().zip(&run.states) {
            assert_eq!(step.shape(), whole.shape(), "{name}");
            assert_eq!(bits(&step.view()), bits(&whole.view()), "{name}, after {steps:?}");
        }
        let last = run.states.iter().cloned().map(Some).collect();
        drop(run);
        state = InitialState(last);
    }
}

fn engine(bound: &Bound, threads: usize) -> Engine {
    let mut options = EngineOptions::default();
    options.threads = threads;
    bound.engine(options).unwrap()
}

#[test]
fn steps_are_a_run_for_every_cell() {
    for file in rnnc::api::library() {
        let bound = library(file.name, 4);
        for (batch, threads) in [(1, 1), (3, 1), (3, 2)] {
            check(file.name, &engine(&bound, threads), batch);
        }
    }
}

/// Large enough that threads share the numbers of a row.
#[test]
fn steps_are_a_run_where_threads_share_them() {
    for name in ["gru", "lstm", "gru_before", "mgu"] {
        let bound = library(name, 128);
        for batch in [1, 5] {
            check(name, &engine(&bound, 2), batch);
        }
    }
}

#[test]
fn the_interpreter_has_streams_too() {
    for name in ["gru", "lstm", "mingru"] {
        check(name, &library(name, 4).engine(EngineOptions::reference()).unwrap(), 2);
    }
}

/// Starts that are given, for all sequences or for each.
#[test]
fn streams_begin_where_they_are_told() {
    let bound = library("gru", 4);
    let engine = engine(&bound, 1);
    let params = bound.init::<f32>(1).unwrap();
    let arrays = arrays(&bound, 1, 3);
    for start in [waves(&[4]), waves(&[3, 4])] {
        let state = InitialState(vec![Some(start)]);
        let run =
            engine.infer(&params, &feeds(&arrays, 0..1, 3), &state).unwrap().outputs.remove(0);
        let mut stream = engine.stream(&params, &state, 3).unwrap();
        let step = &engine.step(&params, &at(&arrays, 0), &mut stream).unwrap()[0];
        assert_eq!(bits(&step.view()), bits(&run.index_axis(Axis(0), 0)));
    }
}

fn told(result: Result<&[ArrayD<f32>], RunError>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_does_not_fit_is_refused() {
    let bound = library("gru", 4);
    let engine = engine(&bound, 1);
    let params = bound.init::<f32>(1).unwrap();
    let start = InitialState::declared(1);
    let mut stream = engine.stream(&params, &start, 2).unwrap();
    let good = waves(&[2, 4]);
    engine.step(&params, &[good.view()], &mut stream).unwrap();
    let before = engine.states(&mut stream).unwrap();
    for shape in [&[2, 3][..], &[3, 4], &[2], &[], &[2, 4, 1], &[1, 2, 4]] {
        let told = told(engine.step(&params, &[waves(shape).view()], &mut stream));
        assert!(told.contains("input `x` of a step has shape"), "{told}");
    }
    for views in [&[][..], &[good.view(), good.view()]] {
        assert!(told(engine.step(&params, views, &mut stream)).contains("the cell has 1"));
    }
    // Other params, which are those of another cell.
    let others = library("lstm", 4).init::<f32>(1).unwrap();
    assert!(engine.step(&others, &[good.view()], &mut stream).is_err());
    let others = library("gru", 5).init::<f32>(1).unwrap();
    assert!(engine.step(&others, &[good.view()], &mut stream).is_err());
    // None of these was a step.
    assert_eq!(engine.states(&mut stream).unwrap(), before);
    engine.step(&params, &[good.view()], &mut stream).unwrap();

    for engine in [engine, bound.engine(EngineOptions::reference()).unwrap()] {
        let starts =
            [vec![], vec![Some(waves(&[3, 4]))], vec![Some(waves(&[2, 5]))], vec![None; 2]];
        for start in starts {
            assert!(engine.stream(&params, &InitialState(start.clone()), 2).is_err(), "{start:?}");
        }
        let empty = engine.stream(&params, &InitialState::declared(1), 0).unwrap_err();
        assert!(empty.to_string().contains("the batch is empty"), "{empty}");
    }
}

#[test]
fn a_stream_goes_on_in_its_engine_alone() {
    let (gru, lstm) = (library("gru", 4), library("lstm", 4));
    let engines = [engine(&gru, 1), engine(&gru, 1), engine(&lstm, 1)];
    let params = [&gru, &gru, &lstm].map(|it| it.init::<f32>(1).unwrap());
    let mut stream = engines[0].stream(&params[0], &InitialState::declared(1), 2).unwrap();
    let x = waves(&[2, 4]);
    for (engine, params) in engines.iter().zip(&params).skip(1) {
        let told = told(engine.step(params, &[x.view()], &mut stream));
        assert!(told.contains("another engine"), "{told}");
    }
    let plain = gru.engine(EngineOptions::reference()).unwrap();
    assert!(plain.step(&params[0], &[x.view()], &mut stream).is_err());
    let mut other = plain.stream(&params[0], &InitialState::declared(1), 2).unwrap();
    assert!(engines[0].step(&params[0], &[x.view()], &mut other).is_ok());
    // A copy of an engine is the same.
    engines[0].clone().step(&params[0], &[x.view()], &mut stream).unwrap();
}

#[test]
fn indices_are_looked_at_in_every_step() {
    let source = "cell Tokens {
  dims V, H
  input token: index[V]
  state h: [H] = 0
  param E: [V, H] init normal(0, 1)
  h = tanh(E[token] + prev h)
  output h
}";
    let cell = rnnc::Spec::parse(source).unwrap().configure(None, &[]).unwrap();
    let bound = cell.bind([("V", 3), ("H", 4)]).unwrap();
    let engine = engine(&bound, 1);
    let params = bound.init::<f32>(1).unwrap();
    let mut stream = engine.stream(&params, &InitialState::declared(1), 2).unwrap();
    let token = |numbers: [f32; 2]| ArrayD::from_shape_vec(IxDyn(&[2]), numbers.to_vec()).unwrap();
    engine.step(&params, &[token([0.0, 2.0]).view()], &mut stream).unwrap();
    for wrong in [[0.0, 3.0], [-1.0, 0.0], [0.5, 0.0], [f32::NAN, 0.0]] {
        let wrong = token(wrong);
        assert!(engine.step(&params, &[wrong.view()], &mut stream).is_err(), "{wrong}");
    }
}
