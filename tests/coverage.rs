//! What random cells are made of: every operator, every function and every way to use a layer, so
//! that what holds for them is known of the whole language.

mod support {
    pub mod generate;
}

use std::collections::BTreeMap;

use rnnc::check;
use rnnc::ir::{Along, Cell, Choice, Gradient, Graph, Indexed, Leaf, Literal, Move, Op, Pointwise};
use rnnc::{Spec, derive};

const CELLS: u64 = 400;

/// The choices of a cell; each number gives others.
fn tape(number: u64) -> Vec<u8> {
    let mut state = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    let length = 2 * usize::from(byte());
    (0..length).map(|_| byte()).collect()
}

fn text(number: u64) -> String {
    support::generate::cell(&tape(number))
}

macro_rules! operators {
    ($($pattern:pat => $name:literal,)*) => {
        /// The name of an operator. A new one does not compile until it is named here.
        fn operator(op: &Op) -> &'static str {
            match op { $($pattern => $name,)* }
        }

        const OPERATORS: &[&str] = &[$($name,)*];
    };
}

operators! {
    Op::Leaf(Leaf::Input(_)) => "input",
    Op::Leaf(Leaf::Carry(_)) => "carry",
    Op::Leaf(Leaf::Param(_)) => "param",
    Op::Leaf(Leaf::Mask(_)) => "mask",
    Op::Literal(Literal::Scalar(_)) => "constant",
    Op::Literal(Literal::Array(_)) => "array",
    Op::Literal(Literal::Eye) => "eye",
    Op::Literal(Literal::Iota) => "iota",
    Op::Leaf(Leaf::Forward(_)) => "forward",
    Op::Leaf(Leaf::OutputAdjoint(_)) => "output adjoint",
    Op::Leaf(Leaf::CarryAdjoint(_)) => "carry adjoint",
    Op::Leaf(Leaf::Tangent(_)) => "tangent",
    Op::Map(_) => "map",
    Op::Move(Move::Expand(_)) => "expand",
    Op::Contract(_) => "contract",
    Op::Along(Along::Reduce(..)) => "reduce",
    Op::Along(Along::Softmax(_)) => "softmax",
    Op::Along(Along::CumSum { reverse: false, .. }) => "running sum",
    Op::Along(Along::CumSum { reverse: true, .. }) => "running sum from the end",
    Op::Along(Along::ProductOfOthers(_)) => "product of others",
    Op::Move(Move::Permute(_)) => "permute",
    Op::Move(Move::Concat(_)) => "concat",
    Op::Move(Move::Stack) => "stack",
    Op::Move(Move::Slice { .. }) => "slice",
    Op::Move(Move::Pad { .. }) => "pad",
    Op::Move(Move::Reshape) => "reshape",
    Op::Move(Move::Pick(_)) => "pick",
    Op::Move(Move::Place(_)) => "place",
    Op::Indexed(Indexed::Lookup) => "lookup",
    Op::Indexed(Indexed::Scatter) => "scatter",
    Op::Choice(Choice::ArgMax) => "argmax",
    Op::Choice(Choice::Sample) => "sample",
    Op::Gradient(Gradient::Guard) => "guard",
    Op::Gradient(Gradient::Declared) => "declared",
    Op::Gradient(Gradient::StopGrad) => "stop_grad",
    Op::Gradient(Gradient::ClipGrad(_)) => "clip_grad",
}

/// How often each of some things was met.
struct Count(BTreeMap<&'static str, usize>);

impl Count {
    fn of(things: impl Iterator<Item = &'static str>) -> Count {
        Count(things.map(|it| (it, 0)).collect())
    }

    fn met(&mut self, thing: &'static str) {
        *self.0.get_mut(thing).expect("a thing that is counted") += 1;
    }

    fn never(&self) -> Vec<&'static str> {
        self.0.iter().filter(|it| *it.1 == 0).map(|it| *it.0).collect()
    }
}

/// The step, its start and what is derived from them.
fn graphs(cell: &Cell) -> [Graph; 4] {
    let (adjoint, tangent) = (derive::adjoint(cell), derive::tangent(cell));
    [cell.step.clone(), cell.start.clone(), adjoint.graph, tangent.graph]
}

/// Whether the function is called, by its whole name.
fn calls(text: &str, function: &str) -> bool {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    text.match_indices(function).any(|(at, _)| {
        !text[..at].ends_with(is_name) && text[at + function.len()..].starts_with('(')
    })
}

/// Ways to write and to read a layer, as the generator writes them.
const LAYERS: &[&str] = &[
    "layer l0 = ",
    "layer l1 = ",
    "layer l0[2] = ",
    "[L] = Inner",
    " shares l0",
    "prev h = ",
    "act = leaky_relu",
    "prev l0",
    "prev l0.h",
    "prev(l0, ",
    "prev(l0.",
    "prev l0[1].",
    "prev(l0[1], ",
    "l0[0].",
    ".l0",
    ".l0[1]",
    ".d0",
    ".p0",
    ".x",
    ".y",
];

/// What only models have.
const CHOICES: &str = "model M { dims V  feedback c, d: index[V] = 0  param T: [V, V]
    c = argmax(T[prev d])  d = sample(T[prev c]) }";

#[test]
fn random_cells_have_every_operator_and_every_function() {
    let mut operators = Count::of(OPERATORS.iter().copied());
    let mut rows = Count::of(Pointwise::ALL.iter().map(|it| it.name()));
    let mut functions = Count::of(check::functions());
    let mut layers = Count::of(LAYERS.iter().copied());
    for number in 0..CELLS {
        let text = text(number);
        let spec = Spec::parse(&text).unwrap_or_else(|it| panic!("{text}\n{it}"));
        let cell = &spec.cells()[0];
        assert_eq!(&*cell.name, "Random");
        for node in cell.step.nodes() {
            if let Op::Map(row) = &node.op {
                rows.met(row.name());
            }
        }
        for node in graphs(cell).iter().flat_map(Graph::nodes) {
            operators.met(operator(&node.op));
        }
        for function in check::functions().filter(|it| calls(&text, it)) {
            functions.met(function);
        }
        for way in LAYERS.iter().copied().filter(|it| text.contains(it)) {
            layers.met(way);
        }
    }
    for node in graphs(Spec::parse(CHOICES).unwrap().main().unwrap()).iter().flat_map(Graph::nodes)
    {
        operators.met(operator(&node.op));
    }
    for (what, count) in
        [("operators", operators), ("rows", rows), ("functions", functions), ("layers", layers)]
    {
        assert!(count.never().is_empty(), "{what} that no cell has: {:?}", count.never());
    }
}

/// Ways to write a layer that reads backward, and a model.
const BACKWARD: &[&str] =
    &["layer l0 = ", "layer l0[2] = ", "layer l0[L] = ", "shares l0", "x = x,", "l0[1].h", "l0.v0"];
const MODELS: &[&str] = &[
    "prev f",
    "prev(f, 2)",
    "at last",
    "mse(",
    "mae(",
    "huber(f, t)",
    "delta = ",
    "binary_cross_entropy(",
    "loss cross_entropy(",
    "+ 0.3 * cross_entropy(",
    "layer l0",
    "mask",
];

#[test]
fn random_cells_read_backward_and_random_models_have_every_loss() {
    type Grow = fn(&[u8]) -> String;
    let forms: [(Grow, &str, &[&str]); 2] = [
        (support::generate::both_ways, " backward\n", BACKWARD),
        (support::generate::model, "model Random {", MODELS),
    ];
    for (grow, always, ways) in forms {
        let mut count = Count::of(ways.iter().copied());
        for number in 0..CELLS {
            let text = grow(&tape(number));
            let spec = Spec::parse(&text).unwrap_or_else(|it| panic!("{text}\n{it}"));
            assert_eq!(spec.main().unwrap().is_model, always.starts_with("model"));
            assert!(text.contains(always), "{text}");
            for way in ways.iter().copied().filter(|it| text.contains(it)) {
                count.met(way);
            }
        }
        assert!(count.never().is_empty(), "{always}: never {:?}", count.never());
    }
}
