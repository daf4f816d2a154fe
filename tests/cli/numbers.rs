//! What commands write is what the library computes.

use ndarray::{ArrayD, Axis};
use rnnc::data;
use rnnc::derive;
use rnnc::exec::{
    self, Bound, Call, Feed, Gradients, InitialState, Inputs, Masks, Params, Upstream,
};

use crate::scratch::{Scratch, assert_same, wave};

/// Two states, a delayed state, a learned start, an optional input and a value to trace.
const CELL: &str = "\
cell Pair {
  dims I, H
  input x: [I], k: [] = 1
  param W: [H, I], U: [H, H], b: [H] init uniform(1), h0: [H] init normal(0.5)
  state h: [H] = h0
  state c: [H]
  gate z = sigmoid(W @ x + U @ prev h + b)
  c = z * prev c + k * tanh(W @ x)
  h = tanh(c) + 0.1 * prev(h, 2)
  output h, z
}
";

const T: usize = 5;
const B: usize = 3;

fn bound() -> Bound {
    let spec = rnnc::Spec::parse(CELL).unwrap();
    spec.cell("Pair").unwrap().bind([("I", 2), ("H", 4)]).unwrap()
}

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("pair.rnn", CELL);
    scratch.array("x.npy", &wave(&[T, B, 2], 0.1));
    scratch.array("one.npy", &wave(&[T, 2], 0.1));
    scratch
}

/// Outputs, final states, the traces of `c` and `z`, gradients.
type Results = (Vec<ArrayD<f64>>, Vec<ArrayD<f64>>, Vec<ArrayD<f64>>, Gradients<f64>);

/// Runs and differentiates in the library.
fn library(
    inputs: Inputs<f64>,
    state: InitialState<f64>,
    upstream: Option<Upstream<f64>>,
) -> Results {
    let bound = bound();
    let params: Params<f64> = exec::init(&bound, 7).unwrap();
    let call = Call {
        bound: &bound,
        params: &params,
        inputs: &inputs,
        state: &state,
        masks: &Masks::Eval,
    };
    let traces = ["c", "z"].map(Into::into);
    let run = exec::forward(call, &traces).unwrap();
    let adjoint = derive::adjoint(bound.cell());
    let upstream = upstream.unwrap_or_else(|| Upstream::ones(2, 3));
    let gradients = exec::backward(&run, &adjoint, &upstream).unwrap();
    (run.outputs.clone(), run.states.clone(), run.traces.clone(), gradients)
}

fn batch() -> Inputs<f64> {
    Inputs::new(vec![Some(Feed::Batch(wave(&[T, B, 2], 0.1))), None])
}

fn declared() -> InitialState<f64> {
    InitialState::declared(3)
}

const RUN: &str = "run pair.rnn --set H=4 --dtype f64 --seed 7 --quiet";
const GRAD: &str = "grad pair.rnn --set H=4 --dtype f64 --seed 7 --quiet -o g.safetensors";

#[test]
fn run_saves_outputs_states_and_traces() {
    let scratch = scratch();
    let (outputs, states, traces, _) = library(batch(), declared(), None);
    let expected = [
        ("output.h", &outputs[0]),
        ("output.z", &outputs[1]),
        ("state.c", &states[1]),
        ("state.h.2", &states[2]),
        ("state.h", &states[0]),
        ("trace.c", &traces[0]),
        ("trace.z", &traces[1]),
    ];

    scratch.rnnc(&format!("{RUN} --input x=x.npy --trace c,z --save out -o y.npy")).expect(0);
    let mut names: Vec<String> = expected.iter().map(|(name, _)| format!("{name}.npy")).collect();
    names.push("rnnc-save.json".to_owned());
    names.sort();
    assert_eq!(scratch.names("out"), names);
    for (name, array) in expected {
        assert_same(&scratch.npy(&format!("out/{name}.npy")), array, name);
    }
    assert_same(&scratch.npy("y.npy"), &outputs[0], "the main output");

    scratch.rnnc(&format!("{RUN} --input x=x.npy --trace c,z --save all.safetensors")).expect(0);
    let tensors = scratch.tensors("all.safetensors");
    assert_eq!(tensors.len(), expected.len());
    for (name, array) in expected {
        let (_, tensor) = tensors.iter().find(|it| it.0 == name).expect(name);
        assert_same(tensor, array, name);
    }
}

#[test]
fn a_single_sequence_has_no_batch_axis_anywhere() {
    let scratch = scratch();
    let feed = wave(&[T, 2], 0.1).insert_axis(Axis(1));
    let (outputs, states, _, gradients) =
        library(Inputs::new(vec![Some(Feed::Batch(feed)), None]), declared(), None);
    scratch.rnnc(&format!("{RUN} --input x=one.npy --save out -o y.csv")).expect(0);
    let first = |array: &ArrayD<f64>, axis| array.index_axis(Axis(axis), 0).to_owned();
    assert_same(&scratch.npy("out/output.h.npy"), &first(&outputs[0], 1), "output");
    assert_same(&scratch.npy("out/state.c.npy"), &first(&states[1], 0), "state");
    let table = data::read_csv(&scratch.read("y.csv")).unwrap();
    assert_eq!(table.header.unwrap(), ["h[0]", "h[1]", "h[2]", "h[3]"]);
    for (column, values) in table.columns.iter().enumerate() {
        for (step, value) in values.iter().enumerate() {
            assert_eq!(*value, outputs[0][[step, 0, column]], "a .csv loses no digit");
        }
    }

    scratch.rnnc(&format!("{GRAD} --input x=one.npy")).expect(0);
    for (name, tensor) in scratch.tensors("g.safetensors") {
        let expected = match name.as_str() {
            "input.x" => first(gradients.inputs[0].as_ref().unwrap(), 1),
            "state.h" => first(gradients.starts[0].as_ref().unwrap(), 0),
            "state.c" => first(gradients.starts[1].as_ref().unwrap(), 0),
            "state.h.2" => first(gradients.starts[2].as_ref().unwrap(), 0),
            param => {
                let idx = bound().cell().param(param).expect(param);
                gradients.params[idx].clone().unwrap()
            }
        };
        assert_same(&tensor, &expected, &name);
    }
}

#[test]
fn batch_first_swaps_what_is_read_and_what_is_written() {
    let scratch = scratch();
    let swapped = |array: &ArrayD<f64>| {
        let mut array = array.clone();
        array.swap_axes(0, 1);
        array.as_standard_layout().into_owned()
    };
    scratch.array("bt.npy", &swapped(&wave(&[T, B, 2], 0.1)));
    scratch.array("up.npy", &wave(&[T, B, 4], 0.9));
    scratch.array("up_bt.npy", &swapped(&wave(&[T, B, 4], 0.9)));
    scratch.rnnc(&format!("{RUN} --input x=x.npy -o y.npy --save a --trace z")).expect(0);
    let flag = "--batch-first --input x=bt.npy";
    scratch.rnnc(&format!("{RUN} {flag} -o y_bt.npy --save b --trace z")).expect(0);
    assert_same(&scratch.npy("y_bt.npy"), &swapped(&scratch.npy("y.npy")), "-o");
    assert_eq!(scratch.npy("y_bt.npy").shape(), [B, T, 4]);
    for name in ["output.z.npy", "trace.z.npy"] {
        let (a, b) = (scratch.npy(&format!("a/{name}")), scratch.npy(&format!("b/{name}")));
        assert_same(&b, &swapped(&a), name);
    }
    assert_same(&scratch.npy("b/state.h.npy"), &scratch.npy("a/state.h.npy"), "states");

    scratch.rnnc(&format!("{GRAD} --input x=x.npy --upstream h=up.npy")).expect(0);
    let expected = scratch.tensors("g.safetensors");
    scratch.rnnc(&format!("{GRAD} {flag} --upstream h=up_bt.npy")).expect(0);
    for ((name, found), (_, expected)) in scratch.tensors("g.safetensors").iter().zip(&expected) {
        let expected = if name == "input.x" { swapped(expected) } else { expected.clone() };
        assert_same(found, &expected, name);
    }
}

#[test]
fn lengths_states_and_adjoints_reach_the_library() {
    let scratch = scratch();
    let (h, c, up, last) =
        (wave(&[B, 4], 2.0), wave(&[4], 3.0), wave(&[T, B, 4], 4.0), wave(&[B, 4], 5.0));
    scratch.array("h.npy", &h);
    scratch.array("c.npy", &c);
    scratch.array("up.npy", &up);
    scratch.array("last.npy", &last);
    scratch.array("n.npy", &ndarray::arr1(&[2.0, 5.0, 0.0]).into_dyn());
    let mut inputs = batch();
    inputs.lengths = Some(vec![2, 5, 0]);
    let state = InitialState(vec![Some(h), Some(c), None]);
    let upstream = Upstream { outputs: vec![None, Some(up)], states: vec![None, Some(last), None] };
    let (outputs, _, _, gradients) = library(inputs, state, Some(upstream));

    let given = "--input x=x.npy --lengths n.npy --state h=h.npy --state c=c.npy";
    scratch.rnnc(&format!("{RUN} {given} -o y.npy")).expect(0);
    assert_same(&scratch.npy("y.npy"), &outputs[0], "the main output");
    let adjoints = "--upstream z=up.npy --upstream state.c=last.npy";
    scratch.rnnc(&format!("{GRAD} {given} {adjoints} --flow flow.csv")).expect(0);
    let tensors = scratch.tensors("g.safetensors");
    let names: Vec<&str> = tensors.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["U", "W", "b", "h0", "input.x", "state.c", "state.h", "state.h.2"],
        "an input that was not given has no gradient"
    );
    for (name, idx) in [("W", 0), ("U", 1), ("b", 2), ("h0", 3)] {
        let found = &tensors.iter().find(|it| it.0 == name).unwrap().1;
        assert_same(found, gradients.params[idx].as_ref().unwrap(), name);
    }
    assert_same(&tensors[4].1, gradients.inputs[0].as_ref().unwrap(), "input.x");
    assert_same(&tensors[5].1, gradients.starts[1].as_ref().unwrap(), "state.c");
    assert!(gradients.params[3].as_ref().unwrap().iter().all(|it| *it == 0.0), "h was given");

    let flow = data::read_csv(&scratch.read("flow.csv")).unwrap();
    assert_eq!(flow.header.as_ref().unwrap(), &["step", "h", "c", "h.2"]);
    assert_eq!(flow.columns[0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    for (column, flow_of) in flow.columns[1..].iter().zip(&gradients.flow) {
        assert_eq!(column, flow_of.as_ref().unwrap());
    }
}

#[test]
fn a_sequence_beside_a_batch_is_shared() {
    let scratch = scratch();
    let k = wave(&[T], 6.0);
    scratch.array("k.npy", &k);
    let mut inputs = batch();
    inputs.feeds[1] = Some(Feed::Shared(k));
    let (outputs, _, _, gradients) = library(inputs, declared(), None);
    scratch.rnnc(&format!("{RUN} --input x=x.npy --input k=k.npy -o y.npy")).expect(0);
    assert_same(&scratch.npy("y.npy"), &outputs[0], "output");
    scratch.rnnc(&format!("{GRAD} --input x=x.npy --input k=k.npy")).expect(0);
    let tensors = scratch.tensors("g.safetensors");
    let found = &tensors.iter().find(|it| it.0 == "input.k").unwrap().1;
    assert_same(found, gradients.inputs[1].as_ref().unwrap(), "input.k");
    assert_eq!(found.shape(), [T]);
}

#[test]
fn tables_are_sequences() {
    let scratch = scratch();
    scratch.write("day.csv", "k,b,a\n1,2,3\n0.5,-1,4\n");
    scratch.write("bare.csv", "3,2\n4,-1\n");
    let array = ndarray::arr2(&[[3.0, 2.0], [4.0, -1.0]]).into_dyn();
    scratch.array("x.npy", &array);
    let same = |arguments: &str| {
        scratch.rnnc(&format!("{RUN} {arguments} -o y.npy")).expect(0);
        scratch.npy("y.npy")
    };
    let expected = same("--input x=x.npy");
    assert_same(&same("--input x=day.csv --columns a,b"), &expected, "columns by name");
    assert_same(&same("--input x=bare.csv"), &expected, "no header");
    assert_same(&same("--input bare.csv"), &expected, "the one input that must be given");
    let swapped = same("--input bare.csv --columns 2,1");
    assert_same(&swapped, &same("--input x=day.csv --columns b,a"), "columns by number");

    scratch.write(
        "sum.rnn",
        "cell Sum { input a: [], k: []  state s: []  s = prev s + a * k  output s }",
    );
    scratch.rnnc("run sum.rnn --input day.csv --quiet -o s.csv").expect(0);
    assert_eq!(scratch.text("s.csv"), "s\n3.0\n5.0\n");
    let stdin = scratch.read("day.csv");
    scratch.run(["run", "sum.rnn", "--input", "-", "--quiet", "-o", "t.csv"], &stdin).expect(0);
    assert_eq!(scratch.text("t.csv"), "s\n3.0\n5.0\n");
}

/// Someone with nothing at hand: a first run, then weights of their own, then gradients of the same
/// numbers.
#[test]
fn a_stranger_gets_from_nothing_to_gradients() {
    let scratch = Scratch::new();
    let first = scratch.rnnc("run std/gru --save first").expect(0);
    assert!(first.stderr.contains("seed 0"), "{}", first.stderr);
    assert!(first.stderr.contains("demonstration sequence"), "{}", first.stderr);
    assert!(first.stderr.contains("I = 3, H = 4"), "{}", first.stderr);
    assert!(first.stdout.contains("final states"), "{}", first.stdout);

    let sized = scratch.rnnc("init std/gru --set I=3 --set H=4 -o p.safetensors").expect(0);
    assert!(sized.stderr.contains("12 tensors"), "{}", sized.stderr);
    let again = scratch.rnnc("run std/gru --params p.safetensors --save again").expect(0);
    assert!(!again.stderr.contains("seed"), "{}", again.stderr);
    assert_eq!(first.stdout, again.stdout);
    for name in scratch.names("first").iter().filter(|it| it.ends_with(".npy")) {
        assert_eq!(scratch.read(&format!("first/{name}")), scratch.read(&format!("again/{name}")));
    }

    scratch.rnnc("grad std/gru -o drawn.safetensors").expect(0);
    scratch.rnnc("grad std/gru --params p.safetensors -o read.safetensors").expect(0);
    assert_eq!(scratch.tensors("drawn.safetensors"), scratch.tensors("read.safetensors"));
    let gradients = scratch.tensors("read.safetensors");
    let params = scratch.tensors("p.safetensors");
    for (name, param) in &params {
        let (_, gradient) = gradients.iter().find(|it| it.0 == *name).expect(name);
        assert_eq!(gradient.shape(), param.shape(), "{name}");
        assert!(gradient.iter().any(|it| *it != 0.0), "{name}");
    }
    assert_eq!(gradients.len(), params.len() + 2);
}

/// A state that is given says how large the demonstration is to be.
#[test]
fn a_demonstration_takes_its_sizes_from_what_is_given() {
    let scratch = scratch();
    scratch.array("h.npy", &wave(&[6], 0.0));
    let output = scratch.rnnc("run pair.rnn --state h=h.npy").expect(0);
    assert!(output.stdout.starts_with("Pair: 8 steps, 1 sequence, I = 3, H = 6, f32"));
    assert!(output.stderr.contains("8 steps with I = 3\n"), "{}", output.stderr);
}

#[test]
fn init_writes_what_the_library_draws() {
    let scratch = scratch();
    for (dtype, bytes) in [("f32", 4), ("f64", 8)] {
        let arguments = format!("--set I=2 --set H=4 --seed 7 --dtype {dtype} -o p.safetensors");
        scratch.rnnc(&format!("init pair.rnn {arguments}")).expect(0);
        let bound = bound();
        let drawn: Params<f64> = exec::init(&bound, 7).unwrap();
        for (name, tensor) in scratch.tensors("p.safetensors") {
            let expected = &drawn.arrays()[bound.cell().param(&name).unwrap()];
            let expected = match bytes {
                4 => expected.mapv(|it| f64::from(it as f32)),
                _ => expected.clone(),
            };
            assert_same(&tensor, &expected, &name);
        }
    }
}

#[test]
fn weights_may_be_partial_and_more() {
    let scratch = scratch();
    scratch
        .rnnc("init pair.rnn --set I=2 --set H=4 --seed 7 --dtype f64 -o p.safetensors")
        .expect(0);
    let mut tensors = scratch.tensors("p.safetensors");
    tensors.retain(|(name, _)| name != "b");
    tensors.push(("spare".to_owned(), wave(&[3], 0.0)));
    let bytes = data::write_safetensors(&tensors, &Default::default()).unwrap();
    scratch.write("some.safetensors", bytes);
    scratch.rnnc(&format!("{RUN} --input x=x.npy -o y.npy")).expect(0);
    let run = "run pair.rnn --params some.safetensors --dtype f64 --seed 7 --input x=x.npy";
    scratch.rnnc(&format!("{run} -o z.npy")).expect(4);
    scratch.rnnc(&format!("{run} --partial -o z.npy")).expect(4);
    scratch.rnnc(&format!("{run} --ignore-extra -o z.npy")).expect(4);
    let both = scratch.rnnc(&format!("{run} --partial --ignore-extra -o z.npy")).expect(0);
    assert!(both.stderr.contains("drawn from seed 7: b: [H]"), "{}", both.stderr);
    assert_same(&scratch.npy("z.npy"), &scratch.npy("y.npy"), "the same draw fills the gap");
}

#[test]
fn json_is_versioned_and_says_what_the_text_says() {
    let scratch = scratch();
    let run = scratch.rnnc(&format!("{RUN} --input x=x.npy --json")).expect(0).json();
    assert_eq!(run["version"], 1);
    assert_eq!(run["cell"], "Pair");
    assert_eq!((&run["dtype"], &run["engine"]), (&"f64".into(), &"reference".into()));
    assert_eq!((&run["steps"], &run["batch"]), (&T.into(), &B.into()));
    assert_eq!(run["sizes"]["H"], 4);
    assert_eq!(run["outputs"][0]["name"], "h");
    assert_eq!(run["outputs"][0]["shape"], serde_json::json!([T, B, 4]));
    let (outputs, ..) = library(batch(), declared(), None);
    let greatest = outputs[0].iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert_eq!(run["outputs"][0]["max"].as_f64().unwrap(), greatest);

    let grad = scratch.rnnc(&format!("{GRAD} --input x=x.npy --json")).expect(0).json();
    assert_eq!(grad["version"], 1);
    let norm = |array: &ArrayD<f64>| array.iter().map(|it| it * it).sum::<f64>().sqrt();
    for (name, tensor) in scratch.tensors("g.safetensors") {
        let listed = grad["gradients"].as_array().unwrap();
        let listed = listed.iter().find(|it| it["name"] == name.as_str()).unwrap();
        let found = listed["norm"].as_f64().unwrap();
        assert!((found - norm(&tensor)).abs() <= 1e-12 * norm(&tensor).max(1.0), "{name}");
    }

    let check = scratch.rnnc("check pair.rnn --json").expect(0).json();
    assert_eq!(check["version"], 1);
    assert_eq!(check["errors"], 0);
    for command in ["compile pair.rnn", "gradcheck pair.rnn --seeds 1 --steps 2", "list"] {
        let json = scratch.rnnc(&format!("{command} --json")).expect(0).json();
        assert_eq!(json["version"], 1, "{command}");
    }
}
