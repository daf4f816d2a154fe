//! Every row of the table of elementwise operators: slopes against central differences, ranges
//! against values. A new row is picked up by itself.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{
    Bound, Call, Direction, EngineKind, EngineOptions, Feed, InitialState, Inputs, Masks, Params,
    Upstream, Value, eval, shapes,
};
use rnnc::ir::pointwise::{Interval, Row, Smooth, Syntax, closed, table, write_slope};
use rnnc::ir::{Const, Env, Graph, Leaf, Node, NodeId, Op, Pointwise, Real, Shape};
use rnnc::text::{FileId, Span};

const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

/// A small generator, so that the tests are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn within(&mut self, lo: f64, hi: f64) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        lo + (hi - lo) * ((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

/// The slope by one operand at a point, computed as any graph is.
fn slope_at(row: &Row, position: usize, point: &[f64]) -> f64 {
    let mut graph = Graph::default();
    let leaf = |it| Op::Leaf(Leaf::Input(it));
    let args: Vec<NodeId> = (0..point.len())
        .map(|it| graph.add(leaf(it), Vec::new(), Shape::scalar(), NOWHERE))
        .collect();
    let result = graph.map(row.op, &args, NOWHERE);
    let slope = row.slopes[position].expect("asked for a slope that is there");
    let slope = write_slope(&mut graph, slope, &args, result, NOWHERE);
    let env = Env::default();
    let sizes = shapes(&graph, &env).unwrap();
    let values: Vec<Value<f64>> = eval(&graph, &sizes, &env, &mut |_, node: &Node| match node.op {
        Op::Leaf(Leaf::Input(idx)) => ArrayD::from_elem(IxDyn(&[]), point[idx]).into_shared(),
        _ => unreachable!("only the operands are leaves"),
    });
    values[slope.idx()][IxDyn(&[])]
}

fn sample(row: &Row, numbers: &mut Numbers) -> Vec<f64> {
    row.sample[..row.op.arity()].iter().map(|(lo, hi)| numbers.within(*lo, *hi)).collect()
}

fn distance(row: &Row, point: &[f64]) -> f64 {
    match row.smooth {
        Smooth::Everywhere => f64::INFINITY,
        Smooth::Kinks(distance) | Smooth::Jumps(distance) => distance(point),
    }
}

#[test]
fn slopes_are_central_differences() {
    let mut numbers = Numbers(1);
    for row in table() {
        let mut compared = 0;
        while compared < 60 {
            let point = sample(row, &mut numbers);
            if distance(row, &point) < 1e-2 {
                continue;
            }
            compared += 1;
            for position in 0..point.len() {
                let step = 1e-3;
                let at = |by: f64| {
                    let mut moved = point.clone();
                    moved[position] += by * step;
                    row.op.eval(&moved)
                };
                // Of fourth order, so that rounding and truncation are both near 1e-11.
                let central = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * step);
                match row.slopes[position] {
                    Some(_) => {
                        let slope = slope_at(row, position, &point);
                        assert!(
                            (slope - central).abs() <= 1e-8 * (1.0 + central.abs()),
                            "{:?} by operand {position} at {point:?}: {slope} and {central}",
                            row.op
                        );
                    }
                    None if matches!(row.smooth, Smooth::Jumps(_)) => {
                        assert_eq!(central, 0.0, "{:?} at {point:?}", row.op);
                    }
                    // Constants of an activation, and the condition of `where`.
                    None => assert!(position > 0 || row.op == Pointwise::Where, "{:?}", row.op),
                }
            }
        }
    }
}

#[test]
fn values_lie_in_their_range() {
    let mut numbers = Numbers(2);
    for row in table() {
        for _ in 0..60 {
            let bounds: Vec<Interval> = row.sample[..row.op.arity()]
                .iter()
                .map(|(lo, hi)| {
                    let (a, b) = (numbers.within(*lo, *hi), numbers.within(*lo, *hi));
                    closed(a.min(b), a.max(b))
                })
                .collect();
            let range = (row.range)(&bounds);
            assert!(range.lo <= range.hi, "{:?} of {bounds:?}: {range:?}", row.op);
            for corner in 0..20 {
                let point: Vec<f64> = bounds
                    .iter()
                    .enumerate()
                    .map(|(idx, it)| match corner >> idx & 1 {
                        _ if corner >= 8 => numbers.within(it.lo, it.hi),
                        0 => it.lo,
                        _ => it.hi,
                    })
                    .collect();
                let value: f64 = row.op.eval(&point);
                let slack = 1e-12 * (1.0 + value.abs());
                assert!(
                    value >= range.lo - slack && value <= range.hi + slack,
                    "{:?} of {point:?} in {bounds:?} is {value}, outside of {range:?}",
                    row.op
                );
            }
        }
    }
}

#[test]
fn the_range_of_everything_holds_everything() {
    let mut numbers = Numbers(3);
    let any = closed(f64::NEG_INFINITY, f64::INFINITY);
    for row in table() {
        let range = (row.range)(&vec![any; row.op.arity()]);
        for _ in 0..50 {
            let value: f64 = row.op.eval(&sample(row, &mut numbers));
            assert!(value >= range.lo && value <= range.hi, "{:?}: {value} and {range:?}", row.op);
        }
    }
}

#[test]
fn both_number_types_agree() {
    let mut numbers = Numbers(4);
    for row in table() {
        for _ in 0..50 {
            let point = sample(row, &mut numbers);
            if distance(row, &point) < 1e-3 {
                continue;
            }
            let wide: f64 = row.op.eval(&point);
            let narrow: Vec<f32> = point.iter().map(|it| *it as f32).collect();
            let narrow = f64::from(row.op.eval(&narrow));
            assert!(
                (wide - narrow).abs() <= 1e-5 * (1.0 + wide.abs()),
                "{:?} at {point:?}: {wide} and {narrow}",
                row.op
            );
        }
    }
}

#[test]
fn slopes_at_kinks_are_those_of_the_language() {
    let rows = table();
    let at = |op: Pointwise, position: usize, point: &[f64]| {
        let row = rows.iter().find(|it| it.op == op).expect("the table has all operators");
        slope_at(row, position, point)
    };
    assert_eq!(at(Pointwise::Relu, 0, &[0.0]), 0.0);
    assert_eq!(at(Pointwise::Abs, 0, &[0.0]), 0.0);
    assert_eq!(at(Pointwise::LeakyRelu, 0, &[0.0, 0.2]), 0.2);
    assert_eq!(at(Pointwise::Elu, 0, &[0.0, 1.5]), 1.5);
    assert_eq!(at(Pointwise::HardTanh, 0, &[1.0]), 0.0);
    assert_eq!(at(Pointwise::HardTanh, 0, &[-1.0]), 0.0);
    assert_eq!(at(Pointwise::HardSigmoid, 0, &[2.5, 0.2, 0.5]), 0.0);
    assert_eq!(at(Pointwise::HardSigmoid, 0, &[-2.5, 0.2, 0.5]), 0.0);
    assert_eq!(at(Pointwise::Clamp, 0, &[1.0, -1.0, 1.0]), 1.0);
    assert_eq!(at(Pointwise::Clamp, 0, &[-1.0, -1.0, 1.0]), 1.0);
    assert_eq!(at(Pointwise::Max, 0, &[2.0, 2.0]), 0.5);
    assert_eq!(at(Pointwise::Min, 1, &[2.0, 2.0]), 0.5);
    assert_eq!(at(Pointwise::Mod, 0, &[4.0, 2.0]), 1.0);
    assert_eq!(at(Pointwise::Mod, 1, &[4.0, 2.0]), -2.0);
    // A constant whole exponent works for every base.
    assert_eq!(at(Pointwise::Pow, 0, &[0.0, 0.0]), 0.0);
    assert_eq!(at(Pointwise::Pow, 0, &[0.0, 1.0]), 1.0);
    assert_eq!(at(Pointwise::Pow, 0, &[-2.0, 3.0]), 12.0);
    assert_eq!(at(Pointwise::Pow, 0, &[0.0, 2.0]), 0.0);
    // Two -inf have equal shares.
    let low = f64::NEG_INFINITY;
    assert_eq!(at(Pointwise::LogAddExp, 0, &[low, low]), 0.5);
    assert_eq!(at(Pointwise::LogAddExp, 0, &[low, 1.0]), 0.0);
}

#[test]
fn constants_are_evaluated_as_values_are() {
    let mut numbers = Numbers(5);
    for row in table() {
        let point = sample(row, &mut numbers);
        let args = point.iter().map(|it| Const::Number(*it)).collect();
        assert_eq!(Const::Apply(row.op, args).as_number(), Some(row.op.eval(&point)));
    }
}

/// A cell of scalars, and what an engine gives for one step of it.
struct Scalars {
    bound: Bound,
}

impl Scalars {
    fn new(body: &str) -> Scalars {
        let source = format!("cell Scalars {{\n{body}\n}}");
        let spec = rnnc::Spec::parse(&source).unwrap_or_else(|it| panic!("{source}\n{it}"));
        Scalars { bound: spec.configure(None, &[]).unwrap().bind([]).unwrap() }
    }

    /// The outputs at the last step, and the gradients of the inputs at the first one for an adjoint
    /// of 1 of the output at this position, beside the tangents of that output for each input.
    fn run<F: Real>(
        &self,
        kind: EngineKind,
        inputs: &[f64],
        output: usize,
        steps: usize,
    ) -> [Vec<f64>; 3] {
        let (bound, cell) = (&self.bound, self.bound.cell());
        let scalar = |value: f64| ArrayD::from_elem(IxDyn(&[steps, 1]), F::of(value));
        let inputs = Inputs::new(inputs.iter().map(|it| Some(Feed::Batch(scalar(*it)))).collect());
        let params = Params::new(Vec::new());
        let state = InitialState::declared(cell.carries.len());
        let mut options = EngineOptions::default();
        options.kind = kind;
        let engine = bound.engine(options).unwrap();
        let run = engine.forward(&params, &inputs, &state).unwrap();
        let adjoint = |it: usize| (it == output).then(|| scalar(1.0));
        let upstream = Upstream {
            outputs: (0..cell.outputs.len()).map(adjoint).collect(),
            states: vec![None; cell.carries.len()],
        };
        let gradients = engine.backward(&run, &upstream).unwrap();
        let first = |it: &Option<ArrayD<F>>| it.as_ref().map_or(0.0, |it| it[[0, 0]].to_f64());
        let gradients = gradients.inputs.iter().map(first).collect();
        let masks = Masks::Eval;
        let call = Call { bound, params: &params, inputs: &inputs, state: &state, masks: &masks };
        let plain = rnnc::exec::forward(call, &[]).unwrap();
        let derived = rnnc::derive::tangent(cell);
        let tangent = |input: usize| {
            let moves = |it: usize| (it == input).then(|| scalar(1.0));
            let direction = Direction {
                params: Vec::new(),
                inputs: (0..cell.inputs.len()).map(moves).collect(),
                starts: vec![None; cell.carries.len()],
            };
            let tangents = rnnc::exec::tangent(&plain, &derived, &direction).unwrap();
            tangents.outputs[output][[steps - 1, 0]].to_f64()
        };
        let tangents = (0..cell.inputs.len()).map(tangent).collect();
        let outputs = run.outputs.iter().map(|it| it[[steps - 1, 0]].to_f64()).collect();
        [outputs, gradients, tangents]
    }

    /// The same in single precision by both engines, and in double precision.
    fn all(&self, inputs: &[f64], output: usize, steps: usize) -> [[Vec<f64>; 3]; 3] {
        [
            self.run::<f32>(EngineKind::Fast, inputs, output, steps),
            self.run::<f32>(EngineKind::Reference, inputs, output, steps),
            self.run::<f64>(EngineKind::Reference, inputs, output, steps),
        ]
    }
}

/// Every row of the table, wherever its slope is exactly 0, before a root of 0: the derivative is 0
/// and not 0 times infinity.
#[test]
fn a_slope_of_0_before_an_infinite_one_gives_0() {
    const AT: [f64; 15] =
        [0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 6.0, -6.0, 40.0, -40.0, 150.0, -150.0, 1e4, -1e4];
    let mut found = BTreeMap::new();
    for row in table() {
        let name = row.op.name();
        let names = ["a", "b", "c"];
        let arity = row.op.arity();
        let args: Vec<String> = (0..arity)
            .map(|it| match (row.op, row.slopes[it], row.syntax) {
                (Pointwise::Where, None, _) => "a > 0".to_owned(),
                (_, None, Syntax::Function) if arity > 1 => format!("{:?}", row.sample[it].0),
                (..) => names[it].to_owned(),
            })
            .collect();
        let text = match row.syntax {
            Syntax::Infix(op) => format!("a {op} b"),
            Syntax::Prefix(op) => format!("{op}a"),
            Syntax::Function => format!("{name}({})", args.join(", ")),
        };
        let body = format!(
            "  input a, b, c, t: []\n  let z = {text}\n  output y = sqrt(z - t), z, u = a + b + c"
        );
        let scalars = Scalars::new(&body);
        for position in (0..arity).filter(|it| row.slopes[*it].is_some()) {
            for at in AT {
                let mut inputs = [0.3, 0.7, 0.6, 0.0];
                inputs[position] = at;
                // Of two operands, equal ones and others.
                for other in [inputs[(position + 1) % 3], at] {
                    inputs[(position + 1) % 3] = other;
                    for (engine, [outputs, slopes, _]) in
                        scalars.all(&inputs, 1, 1).into_iter().enumerate()
                    {
                        if slopes[position] != 0.0 || !outputs[1].is_finite() {
                            continue;
                        }
                        let mut inputs = inputs;
                        inputs[3] = outputs[1];
                        let [outputs, gradients, tangents] =
                            scalars.all(&inputs, 0, 1)[engine].clone();
                        if outputs[0] != 0.0 {
                            continue;
                        }
                        let what = format!("{name} at {inputs:?}, engine {engine}");
                        assert_eq!(gradients[position], 0.0, "{what}");
                        assert_eq!(tangents[position], 0.0, "{what}");
                        // The root itself is infinitely steep there.
                        assert_eq!(gradients[3], f64::NEG_INFINITY, "{what}");
                        *found.entry((name, engine)).or_insert(0) += 1;
                    }
                }
            }
        }
    }
    for name in [
        "mul",
        "pow",
        "square",
        "abs",
        "where",
        "max",
        "min",
        "clamp",
        "relu",
        "hard_tanh",
        "tanh",
        "sigmoid",
        "hard_sigmoid",
        "cos",
        "gelu",
        "softplus",
        "exp",
        "sign",
        "step",
    ] {
        let row = table().iter().find(|it| it.op.name() == name).unwrap();
        for engine in (0..3).filter(|_| row.slopes.iter().any(Option::is_some)) {
            assert!(found.contains_key(&(name, engine)), "{name}, engine {engine}: {found:?}");
        }
    }
}

/// The zero may come after the infinite slope, or a step later.
#[test]
fn an_infinite_slope_before_one_of_0_gives_0() {
    for (body, steps) in [
        ("output y = relu(sqrt(a) - 1)", 1),
        ("output y = square(sqrt(a))", 1),
        ("output y = sqrt(relu(a - 1))", 1),
        ("output y = sqrt(square(a) + relu(-a))", 1),
        ("output y = exp(2 * log(a))", 1),
        ("output y = max(sqrt(a), 1)", 1),
        ("output y = clamp(sqrt(a), 0.5, 1)", 1),
        ("state h: []\n  h = square(a)\n  output y = sqrt(prev h)", 2),
        ("state h: []\n  h = sqrt(a)\n  output y = square(prev h)", 2),
    ] {
        let scalars = Scalars::new(&format!("  input a: []\n  {body}"));
        for [outputs, gradients, tangents] in scalars.all(&[0.0], 0, steps) {
            assert!(outputs[0].is_finite());
            assert_eq!((gradients[0], tangents[0]), (0.0, 0.0), "{body}");
        }
    }
}

/// What has a range without 0 is not guarded: training costs what it did.
#[test]
fn nothing_is_guarded_where_nothing_is_infinite() {
    let guards = |name: &str| {
        let spec = rnnc::Spec::parse(rnnc::api::library_file(name).unwrap().source).unwrap();
        let adjoint = rnnc::derive::adjoint(spec.main().unwrap());
        let choices = adjoint.graph.nodes().iter();
        choices.filter(|it| it.op == Op::Map(Pointwise::Where)).count()
    };
    for name in ["lstm", "gru", "mamba", "xlstm_mlstm", "ln_lstm"] {
        if rnnc::api::library_file(name).is_some() {
            assert_eq!(guards(name), 0, "std/{name}");
        }
    }
}
