//! The operators RNN, GRU and LSTM of ONNX: nodes in ONNX's own terms are run with our cells.
//!
//! `onnx/nodes.json` holds the test cases that ONNX has for these operators, and nodes that ONNX
//! Runtime has computed; `reference/onnx_nodes.py` wrote it. Each node is translated here as a user
//! would: its attributes are settings of `std/onnx_rnn`, `std/onnx_gru` or `std/onnx_lstm`, its
//! weights come through the layout `onnx`, and what the operator says about running (directions,
//! lengths, the order of axes) is done around the cell. All of it is in single precision there.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayD, Axis, IxDyn, concatenate, stack};
use rnnc::api::{Affixes, Weights, infer_sizes};
use rnnc::data::{DType, Tensor};
use rnnc::exec::{Call, Feed, InitialState, Inputs, Masks, Params, bind, forward};
use rnnc::ir::Env;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Stored {
    shape: Vec<usize>,
    data: Vec<f64>,
}

#[derive(Deserialize)]
struct Node {
    name: String,
    op: String,
    attributes: BTreeMap<String, Value>,
    inputs: BTreeMap<String, Stored>,
    outputs: BTreeMap<String, Stored>,
}

#[derive(Deserialize)]
struct File {
    nodes: Vec<Node>,
}

type Array = ArrayD<f64>;

fn nodes() -> Vec<Node> {
    let file: File = serde_json::from_str(include_str!("onnx/nodes.json")).unwrap();
    file.nodes
}

impl Stored {
    fn array(&self) -> Array {
        Array::from_shape_vec(IxDyn(&self.shape), self.data.clone()).unwrap()
    }
}

impl Node {
    fn input(&self, name: &str) -> Option<Array> {
        self.inputs.get(name).map(Stored::array)
    }

    fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute).map(|it| it.as_str().unwrap())
    }

    /// Whether the batch stands before time.
    fn batch_first(&self) -> bool {
        self.attributes.get("layout").is_some_and(|it| it.as_i64() == Some(1))
    }

    /// The spec and its settings for one of the directions.
    fn spec(&self, direction: usize) -> (&'static str, Vec<(&'static str, String)>) {
        let (spec, activations): (_, &[_]) = match self.op.as_str() {
            "RNN" => ("onnx_rnn", &["act"]),
            "GRU" => ("onnx_gru", &["gate_act", "act"]),
            "LSTM" => ("onnx_lstm", &["gate_act", "act", "out_act"]),
            other => panic!("{other}"),
        };
        let mut set = Vec::new();
        for (name, value) in &self.attributes {
            match name.as_str() {
                "activations" => {
                    let names = value.as_array().unwrap()[direction * activations.len()..].iter();
                    set.extend(activations.iter().zip(names).map(|(hyper, name)| {
                        (*hyper, activation(name.as_str().unwrap()).to_owned())
                    }));
                }
                "clip" => set.push(("clip", value.to_string())),
                "linear_before_reset" => set.push(("linear_before_reset", value.to_string())),
                "input_forget" => set.push(("input_forget", value.to_string())),
                "hidden_size" | "direction" | "layout" => {}
                other => panic!("{}: attribute {other}", self.name),
            }
        }
        (spec, set)
    }
}

/// An activation of ONNX with its defaults, in this language.
fn activation(name: &str) -> &'static str {
    match name {
        "Sigmoid" => "sigmoid",
        "Tanh" => "tanh",
        "Softsign" => "softsign",
        "Elu" => "elu",
        "LeakyRelu" => "leaky_relu",
        "HardSigmoid" => "hard_sigmoid(slope = 0.2)",
        other => panic!("{other}"),
    }
}

/// Each sequence `[T, B, ..]` from its own end; what lies beyond its length stays.
fn reversed(sequences: &Array, lengths: &[usize]) -> Array {
    let mut turned = sequences.clone();
    for (b, length) in lengths.iter().enumerate() {
        for t in 0..*length {
            let mut to = turned.index_axis_mut(Axis(0), t);
            to.index_axis_mut(Axis(0), b)
                .assign(&sequences.index_axis(Axis(0), length - 1 - t).index_axis(Axis(0), b));
        }
    }
    turned
}

/// The outputs of one direction: `[T, B, H]`, and the last states `[B, H]`.
fn run(node: &Node, direction: usize, x: &Array, lengths: &[usize]) -> (Array, Vec<Array>) {
    let (spec, set) = node.spec(direction);
    let file = rnnc::api::library_file(spec).unwrap();
    let set: Vec<(&str, &str)> = set.iter().map(|(name, it)| (*name, it.as_str())).collect();
    let cell = rnnc::Spec::parse(file.source).unwrap().configure(None, &set).unwrap();
    let cell = cell.ir();

    // The tensors of this direction; those that are optional and missing are 0.
    let of = |array: Array| {
        array.index_axis(Axis(0), direction).insert_axis(Axis(0)).to_owned().into_dyn()
    };
    let rows = node.inputs["W"].shape[1];
    let units = node.inputs["R"].shape[2];
    let mut tensors = vec![
        ("W", of(node.input("W").unwrap())),
        ("R", of(node.input("R").unwrap())),
        ("B", node.input("B").map_or_else(|| Array::zeros(IxDyn(&[1, 2 * rows])), of)),
    ];
    if node.op == "LSTM" {
        let none = || Array::zeros(IxDyn(&[1, 3 * units]));
        tensors.push(("P", node.input("P").map_or_else(none, of)));
    }
    let tensor = |(name, it): (&str, Array)| {
        let shape = it.shape().to_vec();
        (name.to_owned(), Tensor { shape, dtype: DType::F32, values: it })
    };
    let tensors = tensors.into_iter().map(tensor);
    let layout = cell.layout("onnx").unwrap();
    let weights = Weights::find(cell, layout, &Affixes::default(), tensors).unwrap();
    assert_eq!((weights.missing(cell), weights.extra()), (vec![], vec![]), "{}", node.name);
    let sizes = infer_sizes(cell, &BTreeMap::new(), &weights.evidence(cell)).unwrap();
    let bound = bind(cell, Env { sizes, ..Env::default() }).unwrap();
    let params = weights.params(bound.cell(), bound.env()).unwrap();
    let params = Params::new(params.into_iter().map(Option::unwrap).collect());

    let mut inputs = Inputs::new(vec![Some(Feed::Batch(x.clone()))]);
    inputs.lengths = Some(lengths.to_vec());
    let start = |name: &str| {
        let start = node.input(&format!("initial_{name}"))?;
        let axis = if node.batch_first() { Axis(1) } else { Axis(0) };
        Some(start.index_axis(axis, direction).to_owned())
    };
    let state = InitialState(bound.cell().carries.iter().map(|it| start(&it.name)).collect());
    let call = Call {
        bound: &bound,
        params: &params,
        inputs: &inputs,
        state: &state,
        masks: &Masks::Eval,
    };
    let mut results = forward(call, &[]).unwrap();
    let order = ["h", "c"].map(|name| bound.cell().carry(name));
    let states = order.into_iter().flatten().map(|it| results.states[it].clone()).collect();
    (results.outputs.swap_remove(0), states)
}

/// The outputs of a node under ONNX's names.
fn outputs(node: &Node) -> BTreeMap<&'static str, Array> {
    let mut x = node.input("X").unwrap();
    if node.batch_first() {
        x.swap_axes(0, 1);
        x = x.as_standard_layout().to_owned();
    }
    let whole = vec![x.shape()[0]; x.shape()[1]];
    let lengths = node.inputs.get("sequence_lens");
    let lengths = lengths.map_or(whole, |it| it.data.iter().map(|it| *it as usize).collect());
    let backward: &[bool] = match node.text("direction") {
        None | Some("forward") => &[false],
        Some("reverse") => &[true],
        Some("bidirectional") => &[false, true],
        Some(other) => panic!("{other}"),
    };
    let (mut all, mut last): (Vec<Array>, Vec<Vec<Array>>) = (Vec::new(), Vec::new());
    for (direction, backward) in backward.iter().enumerate() {
        let given = if *backward { reversed(&x, &lengths) } else { x.clone() };
        let (y, states) = run(node, direction, &given, &lengths);
        all.push(if *backward { reversed(&y, &lengths) } else { y });
        last.push(states);
    }
    // Directions stand after time, and after the batch where that comes first.
    let joined = |parts: &[Array], axis: usize| {
        let views: Vec<_> = parts.iter().map(|it| it.view()).collect();
        stack(Axis(axis), &views).unwrap()
    };
    let mut y = joined(&all, 1);
    if node.batch_first() {
        y = y.permuted_axes(IxDyn(&[2, 0, 1, 3])).as_standard_layout().to_owned();
    }
    let mut found = BTreeMap::from([("Y", y)]);
    for (state, name) in ["Y_h", "Y_c"].into_iter().enumerate().take(last[0].len()) {
        let parts: Vec<Array> = last.iter().map(|it| it[state].clone()).collect();
        found.insert(name, joined(&parts, usize::from(node.batch_first())));
    }
    found
}

/// The greatest difference, relative to 1 + |value|; infinite where shapes differ.
fn apart(actual: &Array, expected: &Array) -> f64 {
    if actual.shape() != expected.shape() {
        return f64::INFINITY;
    }
    let each = actual.iter().zip(expected).map(|(a, b)| (a - b).abs() / (1.0 + b.abs()));
    each.fold(0.0, |worst, it| if it.is_nan() { f64::INFINITY } else { f64::max(worst, it) })
}

#[test]
fn nodes_give_the_same_numbers() {
    for node in nodes() {
        let found = outputs(&node);
        assert!(!node.outputs.is_empty());
        for (name, expected) in &node.outputs {
            let error = apart(&found[name.as_str()], &expected.array());
            assert!(error < 2e-6, "{} {name}: {error:e}", node.name);
        }
    }
}

#[test]
fn the_nodes_have_all_that_an_operator_can() {
    let nodes = nodes();
    assert!(nodes.iter().filter(|it| it.name.starts_with("test_")).count() >= 18);
    for (op, attributes, inputs) in [
        ("RNN", vec!["activations", "clip", "direction", "layout"], vec!["B", "sequence_lens"]),
        ("GRU", vec!["linear_before_reset", "clip", "layout"], vec!["B", "initial_h"]),
        ("LSTM", vec!["activations", "clip", "input_forget", "layout"], vec!["P", "initial_c"]),
    ] {
        let of_op = || nodes.iter().filter(|it| it.op == op);
        let set: BTreeSet<&str> =
            of_op().flat_map(|it| it.attributes.keys().map(String::as_str)).collect();
        let given: BTreeSet<&str> =
            of_op().flat_map(|it| it.inputs.keys().map(String::as_str)).collect();
        assert!(attributes.iter().all(|it| set.contains(it)), "{op}: {set:?}");
        assert!(inputs.iter().all(|it| given.contains(it)), "{op}: {given:?}");
    }
}

/// An order of gates that is not ONNX's gives other numbers: the tolerance is not what makes the test
/// pass.
#[test]
fn gates_in_another_order_are_noticed() {
    for mut node in nodes().into_iter().filter(|it| it.name.starts_with("onnxruntime_")) {
        if node.op == "RNN" {
            continue;
        }
        let weights = node.input("R").unwrap();
        let units = weights.shape()[2];
        let (first, rest) = weights.view().split_at(Axis(1), units);
        let turned = concatenate(Axis(1), &[rest, first]).unwrap();
        node.inputs.get_mut("R").unwrap().data = turned.into_iter().collect();
        let error = apart(&outputs(&node)["Y"], &node.outputs["Y"].array());
        assert!(error > 1e-2, "{}: {error:e}", node.name);
    }
}
