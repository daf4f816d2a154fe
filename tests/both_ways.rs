//! A layer that reads backward is the cell run over each sequence from its end: nothing else is done to its values,
//! states and gradients.

use ndarray::{ArrayD, Axis, IxDyn};
use rnnc::Spec;
use rnnc::exec::{
    Engine, EngineOptions, Feed, Gradients, InitialState, Inputs, Masks, Params, RunError, Upstream,
};

/// A cell with all that goes from step to step: a learned start, an older state, the past of an input, a value that is no
/// state, and the number of the step.
const INNER: &str = "
cell Inner {
  dims I, H
  input x: [I]
  state h: [H] = h0
  param h0: [H] init uniform(1), W: [H, I], U, V: [H, H]
  let n = tanh(W @ x + U @ prev h + V @ prev(h, 2))
  h = n + 0.5 * prev n + sum(prev x) / (1 + time())
  output h, n
}
";

const BACKWARD: &str = "
cell Outer {
  dims I, H
  input x: [I]
  layer b = Inner(x = x, H = H) backward
  output b.h, b.n
}
";

const LENGTHS: [usize; 4] = [3, 5, 0, 4];
const STEPS: usize = 5;

fn engine(source: &str, cell: &str, options: EngineOptions) -> Engine {
    let spec = Spec::parse(source).unwrap();
    let cell = spec.configure(Some(cell), &[]).unwrap();
    cell.bind([("I", 2), ("H", 3)]).unwrap().engine(options).unwrap()
}

fn waves(shape: &[usize], factor: f64) -> ArrayD<f64> {
    let mut at = 0.0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        at += 1.0;
        0.7 * f64::sin(at * factor)
    })
}

/// The valid steps of each sequence from the last to the first; what lies beyond stays where it is.
fn turned(array: &ArrayD<f64>) -> ArrayD<f64> {
    let mut turned = array.clone();
    for (sequence, length) in LENGTHS.iter().enumerate() {
        for t in 0..*length {
            let from = array.index_axis(Axis(0), length - 1 - t);
            let from = from.index_axis(Axis(0), sequence);
            turned.index_axis_mut(Axis(0), t).index_axis_mut(Axis(0), sequence).assign(&from);
        }
    }
    turned
}

struct Results {
    outputs: Vec<ArrayD<f64>>,
    states: Vec<ArrayD<f64>>,
    gradients: Gradients<f64>,
}

fn results(engine: &Engine, x: ArrayD<f64>, upstream: &Upstream<f64>) -> Results {
    let bound = engine.bound();
    // Draws depend on names, which differ.
    let shapes = bound.param_shapes().iter().enumerate();
    let params = Params::new(shapes.map(|(at, it)| waves(it, 1.3 + at as f64)).collect());
    let mut inputs = Inputs::new(vec![Some(Feed::Batch(x))]);
    inputs.lengths = Some(LENGTHS.to_vec());
    let carries = &bound.cell().carries;
    let mut state = InitialState::declared(carries.len());
    // One start is given.
    state.0[3] = Some(waves(&[&[LENGTHS.len()], &bound.carry_shapes()[3][..]].concat(), 2.1));
    let run = engine.forward(&params, &inputs, &state).unwrap();
    let gradients = engine.backward(&run, upstream).unwrap();
    Results { outputs: run.outputs.clone(), states: run.states.clone(), gradients }
}

#[test]
fn a_layer_backward_is_its_cell_on_the_turned_sequence() {
    let source = format!("{INNER}{BACKWARD}");
    let plain = engine(&source, "Inner", EngineOptions::reference());
    let outer = engine(&source, "Outer", EngineOptions::reference());
    let names = |it: &Engine| -> Vec<String> {
        it.bound().cell().carries.iter().map(|it| it.name.to_string()).collect()
    };
    assert_eq!(names(&plain), ["h", "x.1", "h.2", "n.1", "time"]);
    assert_eq!(names(&outer), ["b.h", "b.x.1", "b.h.2", "b.n.1", "time.reverse"]);

    let x = waves(&[STEPS, LENGTHS.len(), 2], 0.9);
    let outputs: Vec<ArrayD<f64>> =
        [0.4, 0.6].map(|it| waves(&[STEPS, LENGTHS.len(), 3], it)).to_vec();
    let states: Vec<Option<ArrayD<f64>>> = (plain.bound().carry_shapes().iter())
        .map(|it| Some(waves(&[&[LENGTHS.len()], &it[..]].concat(), 0.3)))
        .collect();
    let upstream = |outputs: Vec<ArrayD<f64>>| Upstream {
        outputs: outputs.into_iter().map(Some).collect(),
        states: states.clone(),
    };
    let expected = results(&plain, x.clone(), &upstream(outputs.clone()));
    let found = results(&outer, turned(&x), &upstream(outputs.iter().map(turned).collect()));
    for (found, expected) in found.outputs.iter().zip(&expected.outputs) {
        assert_eq!(found, turned(expected));
        // Nothing stands beyond a length.
        assert_eq!(found[[3, 0, 0]], 0.0);
        assert!(found[[2, 0, 0]] != 0.0);
    }
    assert_eq!(found.states, expected.states);
    let close = |a: &ArrayD<f64>, b: &ArrayD<f64>| {
        a.shape() == b.shape()
            && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-14 * b.abs().max(1.0))
    };
    let (a, b) = (&found.gradients, &expected.gradients);
    for (a, b) in a.params.iter().zip(&b.params).chain(a.starts.iter().zip(&b.starts)) {
        assert!(a.iter().zip(b).all(|(a, b)| close(a, b)) && a.is_some() == b.is_some());
    }
    let inputs = [a, b].map(|it| it.inputs[0].clone().unwrap());
    assert!(close(&inputs[0], &turned(&inputs[1])));
    assert!(inputs[0].iter().any(|it| *it != 0.0));
}

/// The norm after each step stands at the place between steps where the value does.
#[test]
fn flow_of_what_goes_backward_is_that_of_the_turned_sequence() {
    let source = format!("{INNER}{BACKWARD}");
    for options in [EngineOptions::reference(), EngineOptions::default()] {
        let [plain, outer] = ["Inner", "Outer"].map(|cell| {
            let mut options = options.clone();
            options.flow = true;
            let engine = engine(&source, cell, options);
            let params = engine.bound().param_shapes().iter().enumerate();
            let params = params.map(|(at, it)| waves(it, 1.3 + at as f64).mapv(|it| it as f32));
            let params = Params::new(params.collect());
            let x = waves(&[STEPS, 1, 2], 0.9).mapv(|it| it as f32);
            let mut x: Vec<_> = x.outer_iter().map(|it| it.to_owned()).collect();
            if cell == "Outer" {
                x.reverse();
            }
            let x: Vec<_> = x.iter().map(|it| it.view()).collect();
            let inputs = Inputs::new(vec![Some(Feed::Batch(ndarray::stack(Axis(0), &x).unwrap()))]);
            let state = InitialState::declared(engine.bound().cell().carries.len());
            let run = engine.forward(&params, &inputs, &state).unwrap();
            engine.backward(&run, &Upstream::ones(2, state.0.len())).unwrap().flow
        });
        for (plain, outer) in plain.iter().zip(&outer) {
            let (Some(plain), Some(outer)) = (plain, outer) else {
                assert!(plain.is_none() && outer.is_none());
                continue;
            };
            assert!(plain.len() == STEPS + 1 && plain[0] != plain[STEPS]);
            let turned = outer.iter().rev();
            assert!(
                plain.iter().zip(turned).all(|(a, b)| (a - b).abs() < 1e-4 * a.abs()),
                "{outer:?}"
            );
        }
    }
}

#[test]
fn a_cell_that_reads_backward_has_no_single_step() {
    let source = format!("{INNER}{BACKWARD}");
    for options in [EngineOptions::reference(), EngineOptions::default()] {
        let engine = engine(&source, "Outer", options);
        let params = engine.bound().init::<f32>(1).unwrap();
        let mut state = InitialState::declared(engine.bound().cell().carries.len());
        let fault = engine.stream(&params, &state, 1).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "cell `Outer` has no single step: `b.h` goes from the last step of a sequence to the first; run whole sequences"
        );
        let inputs = Inputs::new(vec![Some(Feed::Batch(ArrayD::zeros(IxDyn(&[1, 1, 2]))))]);
        let again = engine.step_with(&params, &inputs, &mut state, &mut Masks::Eval);
        assert!(matches!(again, Err(RunError::ReadsBackward { .. })));
    }
}

/// What is at fault is told where it arose, though in one direction or the other it spoils all that comes.
#[test]
fn what_is_not_finite_is_told_where_it_arose() {
    let source = "
cell Root {
  input x: []
  state s: []
  let r = sqrt(x)
  s = 0.5 * prev s + r
  output s
}
cell Log {
  input x: []
  state s: []
  s = log(x - 2) + 0.5 * prev s
  output s
}
cell Outer {
  input x: []
  layer f = Root(x = x)
  layer b = Root(x = x) backward
  output f, b.s
}
cell Later {
  input x: []
  layer b = Log(x = x) backward
  layer f = Root(x = 1 + 0 * b)
  output f
}
";
    let look = |cell: &str, x: [f32; 6], options: EngineOptions| {
        let spec = Spec::parse(source).unwrap();
        let bound = spec.configure(Some(cell), &[]).unwrap().bind([]).unwrap();
        let engine = bound.engine(options).unwrap();
        let params = Params::new(Vec::new());
        let x = ArrayD::from_shape_vec(IxDyn(&[3, 2]), x.to_vec()).unwrap();
        let mut inputs = Inputs::new(vec![Some(Feed::Batch(x))]);
        inputs.lengths = Some(vec![3, 2]);
        let state = InitialState::declared(bound.cell().carries.len());
        let run = engine.forward(&params, &inputs, &state).unwrap();
        run.not_finite.as_ref().map(ToString::to_string)
    };
    for options in [EngineOptions::reference(), EngineOptions::default()] {
        let found = look("Outer", [1.0, 1.0, 1.0, -1.0, 1.0, 1.0], options.clone());
        assert_eq!(found.unwrap(), "`f.r` is NaN at step 1, sequence 1");
        // The last step is the first of the layer.
        let found = look("Later", [1.0, 3.0, 3.0, 3.0, 1.0, 3.0], options.clone());
        assert_eq!(found.unwrap(), "`b.s` is NaN at step 2, sequence 0");
        // An infinity is no fault before it becomes an output, or a NaN; then it is the cause.
        let found = look("Later", [3.0, 3.0, 3.0, 3.0, 2.0, 3.0], options.clone());
        let told = "`b.s` is -inf at step 2, sequence 0, so `f.x` is NaN at step 0";
        assert_eq!(found.unwrap(), told);
    }
}
