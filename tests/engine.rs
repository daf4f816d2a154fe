//! The fast engine is what the interpreter is, seen from outside.

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{Bound, EngineKind, EngineOptions, Feed, InitialState, Inputs, Params, Upstream};

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
            bound.engine(options).unwrap()
        });
    let expected = plain.forward(&params, &inputs, &state).unwrap();
    let run = fast.forward(&params, &inputs, &state).unwrap();
    assert_eq!((run.steps(), run.batch(), run.lengths()), (5, 3, &[2, 5, 0][..]));
    let all = |run: &rnnc::exec::engine::Run<f32>| {
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
        let engine = rnnc::exec::bind(cell, env).unwrap().engine(EngineOptions::default()).unwrap();
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
        let [plain, fast] = [EngineOptions::reference(), EngineOptions::default()]
            .map(|it| bound.engine(it).unwrap());
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

/// What a cell of the library is run with, and what goes wrong in it.
struct Faulty {
    bound: Bound,
    params: Params<f32>,
    inputs: Inputs<f32>,
    state: InitialState<f32>,
}

const STEPS: usize = 6;
const LENGTHS: [usize; 4] = [4, 6, 0, 5];

impl Faulty {
    fn new(cell: &rnnc::ir::Cell) -> Faulty {
        let mut env = rnnc::ir::Env::default();
        for dim in cell.dims.iter().filter(|it| it.like.is_none()) {
            env.sizes.insert(dim.name.clone(), dim.default.unwrap_or(4));
        }
        let bound = rnnc::exec::bind(cell, env).unwrap();
        let feeds = cell.inputs.iter().zip(bound.input_shapes()).map(|(input, own)| {
            let shape = [&[STEPS, LENGTHS.len()], &own[..]].concat();
            Some(Feed::Batch(match &input.index {
                Some(_) => ArrayD::zeros(IxDyn(&shape)),
                None => waves(&shape, 0.7),
            }))
        });
        let mut inputs = Inputs::new(feeds.collect());
        inputs.lengths = Some(LENGTHS.to_vec());
        (inputs.steps, inputs.batch) = (Some(STEPS), Some(LENGTHS.len()));
        let state = InitialState::declared(cell.carries.len());
        Faulty { params: bound.init(7).unwrap(), inputs, state, bound }
    }

    /// Makes something wrong; false where the cell has nothing of the kind.
    fn spoil(&mut self, fault: usize, at: usize) -> bool {
        let cell = self.bound.cell();
        let nan = |array: &mut ArrayD<f32>, value: f32| {
            let n = array.len();
            let Some(it) = array.iter_mut().nth((at * 31) % n.max(1)) else { return false };
            *it = value;
            true
        };
        match fault {
            // An input, at any step.
            0 | 1 => {
                let own: Vec<usize> =
                    (0..cell.inputs.len()).filter(|it| cell.inputs[*it].index.is_none()).collect();
                let Some(input) = own.get(at % own.len().max(1)) else { return false };
                let Some(Feed::Batch(array)) = &mut self.inputs.feeds[*input] else { return false };
                nan(array, if fault == 0 { f32::NAN } else { f32::INFINITY })
            }
            // A param, so that all steps are at fault; a large one, so that a later step is.
            2 | 3 => {
                let mut all = self.params.arrays().to_vec();
                let Some(last) = all.len().checked_sub(1) else { return false };
                match fault {
                    2 => {
                        nan(&mut all[at % (last + 1)], f32::NAN);
                    }
                    _ => all.iter_mut().for_each(|it| it.mapv_inplace(|it| it * 1e15)),
                }
                self.params = Params::new(all);
                true
            }
            // A start.
            _ => {
                let own: Vec<usize> =
                    (0..cell.carries.len()).filter(|it| cell.carries[*it].is_real()).collect();
                let Some(carry) = own.get(at % own.len().max(1)) else { return false };
                let shape = [&[LENGTHS.len()], &self.bound.carry_shapes()[*carry][..]].concat();
                let mut start = waves(&shape, 0.3);
                let value = if fault == 4 { f32::NAN } else { f32::NEG_INFINITY };
                let found = nan(&mut start, value);
                self.state.0[*carry] = Some(start);
                found
            }
        }
    }
}

/// The least memory with which a run is possible, which is more than is asked for here.
fn least(
    bound: &Bound,
    mut options: EngineOptions,
    asked: u64,
    params: &Params<f32>,
    inputs: &Inputs<f32>,
) -> u64 {
    options.memory = Some(asked);
    let state = InitialState::declared(bound.cell().carries.len());
    match bound.engine(options).unwrap().forward(params, inputs, &state) {
        Err(rnnc::exec::RunError::Memory { least, .. }) => least,
        other => panic!("{other:?}"),
    }
}

/// Whether the fast engine could see anything: it looks where results are not finite.
fn shows(run: &rnnc::exec::engine::Run<f32>) -> bool {
    let states = run.states.iter().flat_map(|it| it.outer_iter().zip(LENGTHS));
    let states = states.filter(|it| it.1 > 0).any(|it| it.0.iter().any(|it| !it.is_finite()));
    states || run.outputs.iter().chain(&run.traces).flatten().any(|it| !it.is_finite())
}

#[test]
fn what_is_not_finite_is_what_the_interpreter_finds() {
    let (mut found, mut finite) = (0, 0);
    let mut others = Vec::new();
    for (nth, file) in rnnc::api::library().enumerate() {
        let spec = rnnc::Spec::parse(file.source).unwrap();
        let cell = spec.main().unwrap();
        for fault in 0..6 {
            let mut case = Faulty::new(cell);
            if !case.spoil(fault, nth + fault) {
                continue;
            }
            let Faulty { bound, params, inputs, state } = &case;
            let what = format!("std/{} with fault {fault}", file.name);
            let traces: Vec<_> =
                cell.values.iter().map(|it| it.name.clone()).take(nth % 3).collect();
            let engine = |kind: EngineKind, memory: Option<u64>| {
                let mut options = EngineOptions::default();
                (options.kind, options.memory) = (kind, memory);
                options.traces.clone_from(&traces);
                bound.engine(options).unwrap()
            };
            let plain = engine(EngineKind::Reference, None);
            let expected = match plain.forward(params, inputs, state) {
                Ok(run) => run,
                // An index that is none is refused before anything runs.
                Err(fault) => panic!("{what}: {fault}"),
            };
            let whole = engine(EngineKind::Fast, None);
            let mut options = EngineOptions::default();
            options.traces.clone_from(&traces);
            let pieces = engine(EngineKind::Fast, Some(least(bound, options, 1, params, inputs)));
            for engine in [&whole, &pieces] {
                for run in [
                    engine.forward(params, inputs, state).unwrap(),
                    engine.infer(params, inputs, state).unwrap(),
                ] {
                    assert_eq!(run.engine(), EngineKind::Fast);
                    if shows(&run) {
                        let own = format!("{:?}", run.not_finite);
                        let expected = format!("{:?}", expected.not_finite);
                        if own != expected {
                            let segments = run.segments();
                            others.push(format!("{what}, {segments} segments: {own}, {expected}"));
                        }
                        found += 1;
                    } else {
                        assert_eq!(run.not_finite, None, "{what}");
                        finite += 1;
                    }
                }
            }
        }
    }
    // Where numbers overflow, the order of a sum may decide whether it is infinite or none.
    let overflows = |it: &String| it.contains("with fault 3");
    assert!(others.iter().all(overflows) && others.len() < 40, "{others:#?}");
    assert!(found > 1000 && finite > 100, "{found} found, {finite} finite");
}

/// The flow of a state is its whole adjoint: that of an input that is added to it, step by step; and no
/// norm is too small or too large.
#[test]
fn the_flow_is_the_whole_adjoint_of_the_state() {
    let source = "cell Flow {
  dims I, H
  input x: [I], e: [H]
  state h: [H], c: [H]
  param W: [H, I], U: [H, H] init orthogonal, V: [I, H]
  c = 0.9 * prev c + tanh(prev h)
  h = tanh(W @ x + U @ prev h) + e
  output y = V @ h + x, h
}";
    let cell = rnnc::Spec::parse(source).unwrap().configure(None, &[]).unwrap();
    let bound = cell.bind([("I", 3), ("H", 4)]).unwrap();
    let params = bound.init::<f32>(7).unwrap();
    let feeds = [waves(&[6, 3, 3], 0.7), waves(&[6, 3, 4], 0.3)];
    let mut inputs = Inputs::new(feeds.map(|it| Some(Feed::Batch(it))).to_vec());
    inputs.lengths = Some(vec![6, 2, 0]);
    let state = InitialState::declared(2);
    for (kind, memory) in
        [(EngineKind::Reference, None), (EngineKind::Fast, None), (EngineKind::Fast, Some(3000))]
    {
        for scale in [1.0, 1e-30, 1e30] {
            let mut options = EngineOptions::default();
            (options.kind, options.flow) = (kind, true);
            // As little as does.
            options.memory = memory.map(|it| least(&bound, options.clone(), it, &params, &inputs));
            let engine = bound.engine(options).unwrap();
            let run = engine.forward(&params, &inputs, &state).unwrap();
            assert_eq!(run.segments() > 1, memory.is_some());
            let scaled = |it: ArrayD<f32>| Some(it.mapv(|it| it * scale));
            let upstream = Upstream {
                outputs: vec![scaled(waves(&[6, 3, 3], 1.1)), scaled(waves(&[6, 3, 4], 1.3))],
                states: vec![scaled(waves(&[3, 4], 0.2)), None],
            };
            let gradients = engine.backward(&run, &upstream).unwrap();
            let flow = gradients.flow[0].as_ref().unwrap();
            assert_eq!(flow.len(), 7);
            let norm = |it: &mut dyn Iterator<Item = &f32>| {
                it.map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt()
            };
            let added = gradients.inputs[1].as_ref().unwrap();
            for (step, now) in added.outer_iter().enumerate() {
                let (own, whole) = (f64::from(flow[step + 1]), norm(&mut now.iter()));
                assert!(whole > 0.0 && (own - whole).abs() < 1e-5 * whole, "{kind:?} {step}");
            }
            let start = norm(&mut gradients.starts[0].as_ref().unwrap().iter());
            assert!((f64::from(flow[0]) - start).abs() < 1e-5 * start);
            // Nobody asks, nothing is told.
            let silent = bound.engine(EngineOptions::default()).unwrap();
            let run = silent.forward(&params, &inputs, &state).unwrap();
            assert!(silent.backward(&run, &upstream).unwrap().flow.is_empty());
        }
    }
}

/// Where gradients are not finite both engines name the same equation, step, sequence and unit.
#[test]
fn gradients_begin_not_to_be_finite_at_the_same_place() {
    let source = "cell Steep {
  dims H
  input x: [H], e: [H]
  state h: [H], c: [H]
  param U: [H, H] init orthogonal, p: [H] init uniform(0.5, 1)
  let root = sqrt(e)
  c = 0.5 * prev c + p * root
  h = tanh(x + U @ prev h + c)
  output h
}";
    let cell = rnnc::Spec::parse(source).unwrap().configure(None, &[]).unwrap();
    let bound = cell.bind([("H", 3)]).unwrap();
    let params = bound.init::<f32>(7).unwrap();
    let state = InitialState::declared(2);
    for (places, expected) in [
        (vec![], None),
        (vec![[2, 1, 0]], Some("step 2, sequence 1, unit [0]")),
        (vec![[1, 0, 2], [4, 2, 1]], Some("step 4, sequence 2, unit [1]")),
        (vec![[4, 2, 1], [4, 0, 2]], Some("step 4, sequence 0, unit [2]")),
        // Padding of the second sequence.
        (vec![[5, 1, 1]], None),
    ] {
        let mut e = waves(&[6, 3, 3], 0.3).mapv(|it| it.abs() + 0.5);
        places.iter().for_each(|at| e[*at] = 0.0);
        let feeds = vec![Some(Feed::Batch(waves(&[6, 3, 3], 0.7))), Some(Feed::Batch(e))];
        let mut inputs = Inputs::new(feeds);
        inputs.lengths = Some(vec![6, 4, 5]);
        for (kind, memory) in
            [(EngineKind::Reference, None), (EngineKind::Fast, None), (EngineKind::Fast, Some(1))]
        {
            let mut options = EngineOptions::default();
            options.kind = kind;
            options.memory = memory.map(|it| least(&bound, options.clone(), it, &params, &inputs));
            let engine = bound.engine(options).unwrap();
            let run = engine.forward(&params, &inputs, &state).unwrap();
            assert_eq!((run.segments() > 1, &run.not_finite), (memory.is_some(), &None));
            let upstream = Upstream::ones(1, 2);
            let gradients = engine.backward(&run, &upstream).unwrap();
            let complained = rnnc::exec::check_gradients(&bound, &gradients);
            assert_eq!(complained.is_some(), expected.is_some());
            let found = engine.first_not_finite(&run, &upstream).unwrap();
            let told = |it: &str| format!("the adjoint in the equation of `root` is inf at {it}");
            assert_eq!(found.map(|it| it.to_string()), expected.map(told), "{kind:?}");
        }
    }
}
