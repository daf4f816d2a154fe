//! Inputs that are given once for each sequence: the same as one that is given at every step and does
//! not change, without its steps.

use std::collections::BTreeMap;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use rnnc::Spec;
use rnnc::exec::{
    Bound, Engine, EngineOptions, Feed, Gradients, InitialState, Inputs, Params, Upstream,
};
use rnnc::ir::{NodeId, Real};
use rnnc::plan::{Plan, Task};

const STEPS: usize = 6;
const BATCH: usize = 4;

/// An LSTM whose input gate depends on what never changes. The attributes are read as they are, too,
/// held back, and as an output; the place has an embedding.
fn source(per: &str) -> String {
    format!(
        "cell Ea {{
  dims D, S, H, V
  input x: [D], attr: [S]{per}, place: index[V]{per}, rate: [] = 0.5{per}
  state h, c: [H]
  param W: [H, D], U: [H, H], A: [H, S], E: [V, H], b: [H], s: [S] init 0.3
  gate i = sigmoid(A @ (attr * s) + E[place] + b)
  let before = tanh(A @ attr)
  c = (1 - i) * prev c + i * tanh(W @ x + U @ prev h + A @ attr) + rate * prev before
  h = tanh(c) * mean(attr) + 0.1 * mean(prev x)
  output h, i, twice = 2 * attr
}}"
    )
}

fn bound(per: &str) -> Bound {
    let spec = Spec::parse(&source(per)).unwrap().configure(None, &[]).unwrap();
    spec.bind([("D", 3), ("S", 2), ("H", 4), ("V", 5)]).unwrap()
}

fn waves<F: Real>(shape: &[usize], at: f64) -> ArrayD<F> {
    let mut count = at;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        count += 0.7;
        F::of(libm::sin(count))
    })
}

/// The same array at every step.
fn repeated<F: Real>(array: &ArrayD<F>) -> ArrayD<F> {
    let all: Vec<_> = (0..STEPS).map(|_| array.view()).collect();
    ndarray::stack(Axis(0), &all).unwrap()
}

/// What both are given, once and at every step; `shared` says so of the attributes.
fn inputs<F: Real>(shared: bool, lengths: Option<&[usize]>) -> [Inputs<F>; 2] {
    let attr: ArrayD<F> = if shared { waves(&[2], 0.2) } else { waves(&[BATCH, 2], 0.2) };
    let place = ArrayD::from_shape_vec(IxDyn(&[BATCH]), [4.0, 0.0, 3.0, 0.0].map(F::of).to_vec());
    let place = place.unwrap();
    let x: ArrayD<F> = waves(&[STEPS, BATCH, 3], 0.5);
    let feed = |it: ArrayD<F>| Some(if shared { Feed::Shared(it) } else { Feed::Batch(it) });
    let rate: ArrayD<F> = waves(&[BATCH], 0.9);
    let all = [
        (feed(attr.clone()), place.clone(), rate.clone()),
        (feed(repeated(&attr)), repeated(&place), repeated(&rate)),
    ];
    all.map(|(attr, place, rate)| {
        let feeds = vec![
            Some(Feed::Batch(x.clone())),
            attr,
            Some(Feed::Batch(place)),
            Some(Feed::Batch(rate)),
        ];
        Inputs { lengths: lengths.map(<[usize]>::to_vec), ..Inputs::new(feeds) }
    })
}

fn fast(threads: usize, memory: Option<u64>) -> EngineOptions {
    let mut options = EngineOptions::default();
    (options.threads, options.memory) = (threads, memory);
    options
}

type Results<F> = (Vec<ArrayD<F>>, Gradients<F>);

fn results<F: Real>(engine: &Engine, inputs: &Inputs<F>) -> Results<F> {
    let params = engine.bound().init::<F>(3).unwrap();
    let state = InitialState::declared(engine.bound().cell().carries.len());
    let run = engine.forward(&params, inputs, &state).unwrap();
    let upstream = Upstream {
        outputs: run.outputs.iter().map(|it| Some(waves(it.shape(), 1.5))).collect(),
        states: run.states.iter().map(|it| Some(waves(it.shape(), 2.5))).collect(),
    };
    let gradients = engine.backward(&run, &upstream).unwrap();
    let all = run.outputs.iter().chain(&run.states).cloned().collect();
    (all, gradients)
}

fn far<F: Real>(a: &ArrayD<F>, b: &ArrayD<F>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (Real::to_f64(*a) - Real::to_f64(*b)).abs()).fold(0.0, f64::max)
}

/// Compares a run with one whose values come at every step, in the interpreter.
fn check<F: Real>(options: &EngineOptions, shared: bool, lengths: Option<&[usize]>, bar: f64) {
    let [once, each] = inputs::<F>(shared, lengths);
    let engine = bound(" per sequence").engine(options.clone()).unwrap();
    let plain = bound("").engine(EngineOptions::reference()).unwrap();
    let (found, gradients) = results(&engine, &once);
    let (expected, whole) = results(&plain, &each);
    for (a, b) in found.iter().zip(&expected) {
        assert!(far(a, b) < bar, "{options:?} {shared} {lengths:?}: {a} for {b}");
    }
    for (a, b) in gradients.params.iter().zip(&whole.params) {
        assert!(far(a.as_ref().unwrap(), b.as_ref().unwrap()) < bar, "{options:?}");
    }
    let axes = |it: &Gradients<F>| it.inputs.iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!((axes(&gradients), axes(&whole)), (vec![true, true, false, true], axes(&gradients)));
    for idx in [1, 3] {
        let summed = whole.inputs[idx].as_ref().unwrap().sum_axis(Axis(0));
        let own = gradients.inputs[idx].as_ref().unwrap();
        assert!(far(own, &summed) < bar, "{options:?} {shared} {lengths:?}: {own} for {summed}");
    }
    assert!(far(gradients.inputs[0].as_ref().unwrap(), whole.inputs[0].as_ref().unwrap()) < bar);
}

#[test]
fn a_value_per_sequence_is_one_that_does_not_change() {
    let lengths: [Option<&[usize]>; 3] = [None, Some(&[2, 6, 0, 5]), Some(&[6, 1, 6, 6])];
    for lengths in lengths {
        for shared in [false, true] {
            check::<f64>(&EngineOptions::reference(), shared, lengths, 1e-12);
            check::<f32>(&EngineOptions::reference(), shared, lengths, 1e-5);
            for threads in [1, 3] {
                check::<f32>(&fast(threads, None), shared, lengths, 1e-5);
            }
        }
    }
}

#[test]
fn segments_of_a_run_read_it_too() {
    let engine = |memory| bound(" per sequence").engine(fast(1, memory)).unwrap();
    let [inputs, _] = inputs::<f32>(false, Some(&[6, 3, 5, 6]));
    let (whole, gradients) = results(&engine(None), &inputs);
    let limit = (1..200).map(|it| it * 512).find(|limit| {
        let engine = engine(Some(*limit));
        let (params, state) = (engine.bound().init::<f32>(3).unwrap(), InitialState::declared(4));
        engine.forward(&params, &inputs, &state).is_ok_and(|it| it.segments() > 1)
    });
    let (found, again) =
        results(&engine(Some(limit.expect("some bound divides the run"))), &inputs);
    assert_eq!(whole, found);
    for (a, b) in gradients.inputs.iter().zip(&again.inputs) {
        if let (Some(a), Some(b)) = (a, b) {
            assert!(far(a, b) < 1e-5, "{a} {b}");
        }
    }
}

/// A stream takes them at the start, and new params are used with them.
#[test]
fn streams_take_it_at_the_start() {
    let bound = bound(" per sequence");
    let [whole, _] = inputs::<f32>(false, None);
    for options in [EngineOptions::default(), EngineOptions::reference()] {
        let engine = bound.engine(options).unwrap();
        let arrays: Vec<ArrayViewD<'_, f32>> =
            whole.feeds.iter().flatten().map(|it| it.array().view()).collect();
        let params: [Params<f32>; 2] = [3, 4].map(|it| engine.bound().init(it).unwrap());
        let mut state = InitialState::declared(engine.bound().cell().carries.len());
        let mut stream = engine.stream_with(&params[0], &state, BATCH, &arrays[1..]).unwrap();
        for (params, steps) in params.iter().zip([0..4, 4..STEPS]) {
            let mut part = whole.clone();
            let x = arrays[0].slice_axis(Axis(0), steps.clone().into()).to_owned();
            part.feeds[0] = Some(Feed::Batch(x));
            let mut run = engine.infer(params, &part, &state).unwrap();
            for (at, t) in steps.enumerate() {
                let x = arrays[0].index_axis(Axis(0), t);
                let outputs = engine.step(params, &[x], &mut stream).unwrap();
                for (a, b) in outputs.iter().zip(&run.outputs) {
                    assert!(far(a, &b.index_axis(Axis(0), at).to_owned()) < 1e-6);
                }
            }
            let states = std::mem::take(&mut run.states);
            drop(run);
            state = InitialState(states.into_iter().map(Some).collect());
        }
        let few = engine.stream(&params[0], &InitialState::declared(4), BATCH).unwrap_err();
        assert!(few.to_string().contains("0 inputs per sequence, the cell has 3"), "{few}");
        let wide = [arrays[1].clone(), arrays[2].clone(), arrays[0].clone()];
        let wide = engine.stream_with(&params[0], &InitialState::declared(4), BATCH, &wide);
        assert!(wide.unwrap_err().to_string().contains("input `rate` of a sequence has shape"));
    }
}

#[test]
fn a_wrong_index_of_a_sequence_is_told_without_a_step() {
    let [mut once, _] = inputs::<f64>(false, Some(&[6, 0, 6, 6]));
    let engine = bound(" per sequence").engine(EngineOptions::reference()).unwrap();
    let params = engine.bound().init::<f64>(3).unwrap();
    let state = InitialState::declared(engine.bound().cell().carries.len());
    let Some(Feed::Batch(place)) = &mut once.feeds[2] else { unreachable!() };
    // A sequence without a step is not read.
    place[[1]] = 9.0;
    assert!(engine.forward(&params, &once, &state).is_ok());
    let Some(Feed::Batch(place)) = &mut once.feeds[2] else { unreachable!() };
    place[[2]] = 5.0;
    let fault = engine.forward(&params, &once, &state).unwrap_err().to_string();
    assert!(fault.starts_with("`place` is 5 at sequence 2, but must be"), "{fault}");
}

/// What depends on them alone is computed in the first stage, once for each sequence, and nothing else
/// is; without them there is no such stage.
#[test]
fn what_depends_on_it_alone_is_computed_once_for_each_sequence() {
    let names = |per: &str| -> BTreeMap<String, bool> {
        let plan = Plan::new(bound(per).cell()).unwrap();
        let stages = plan.forward.stages.iter().enumerate();
        let first = stages.filter(|it| it.1.per_sequence).map(|it| it.0);
        assert_eq!(first.collect::<Vec<_>>(), if per.is_empty() { vec![] } else { vec![0] });
        let once: Vec<NodeId> = (plan.forward.stages.iter().filter(|it| it.per_sequence))
            .flat_map(|it| it.tasks.iter().flat_map(Task::nodes))
            .collect();
        let named = plan.cell.values.iter();
        named.map(|it| (it.name.to_string(), once.contains(&it.node))).collect()
    };
    assert!(names("").values().all(|it| !it));
    let once: Vec<String> =
        names(" per sequence").into_iter().filter(|it| it.1).map(|it| it.0).collect();
    assert_eq!(once, ["before", "i", "twice"]);
}
