//! Both modes of differentiation, operator by operator: against each other to rounding, and against
//! central differences. Everything is done three times: as derived, after simplification of what
//! was derived, and for the simplified cell.

use ndarray::{ArrayD, IxDyn};
use rnnc::derive::{
    Adjoint, Tangent, adjoint, print_backward, print_tangent, simplify_bound, simplify_cell,
    tangent,
};
use rnnc::exec::{Value, eval, shapes};
use rnnc::ir::pointwise::table;
use rnnc::ir::verify::{Role, verify, verify_graph};
use rnnc::ir::{
    Along, Cell, Const, Contract, Dim, DimDecl, Env, Gradient, Graph, Hyper, HyperKind, Indexed,
    Input, InputRole, Leaf, Move, Node, NodeId, Op, Output, Pointwise, Reduction, Shape, Source,
};
use rnnc::text::{FileId, Span};

const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

/// Sizes that are all different, so that axes cannot be mistaken.
const SIZES: [(&str, i64); 4] = [("A", 2), ("B", 3), ("C", 4), ("N", 6)];

fn dim(text: &str) -> Dim {
    match text.parse() {
        Ok(number) => Dim::number(number),
        Err(_) => Dim::symbol(text),
    }
}

fn shape(axes: &[&str]) -> Shape {
    Shape(axes.iter().map(|it| dim(it)).collect())
}

fn env() -> Env {
    let sizes = SIZES.iter().map(|(name, size)| ((*name).into(), *size)).collect();
    Env { sizes, ..Env::default() }
}

/// A cell without state: `y` is what `build` makes of its inputs.
fn cell(inputs: &[&[&str]], build: &dyn Fn(&mut Graph, &[NodeId]) -> NodeId) -> Cell {
    let mut step = Graph::default();
    let mut leaves = Vec::new();
    let mut declared = Vec::new();
    for (idx, axes) in inputs.iter().enumerate() {
        let shape = shape(axes);
        leaves.push(step.add(Leaf::Input(idx), Vec::new(), shape.clone(), NOWHERE));
        let name = format!("x{idx}").into();
        let role = InputRole::Input;
        let (index, default, per_sequence, span) = (None, None, false, NOWHERE);
        declared.push(Input { name, shape, index, default, per_sequence, role, span });
    }
    let node = build(&mut step, &leaves);
    let dims = SIZES
        .iter()
        .map(|(name, _)| DimDecl {
            name: (*name).into(),
            default: None,
            like: None,
            fixed: false,
            span: NOWHERE,
        })
        .collect();
    Cell {
        name: "Test".into(),
        doc: Vec::new(),
        dims,
        derived: Vec::new(),
        hypers: Vec::new(),
        inputs: declared,
        carries: Vec::new(),
        params: Vec::new(),
        masks: Vec::new(),
        step,
        start: Graph::default(),
        outputs: vec![Output { name: "y".into(), node }],
        losses: Vec::new(),
        is_model: false,
        values: Vec::new(),
        shared: Vec::new(),
        layouts: Vec::new(),
        layers: Vec::new(),
    }
}

struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64 * 4.0 - 2.0
    }

    fn array(&mut self, shape: &[usize]) -> Value<f64> {
        ArrayD::from_shape_fn(IxDyn(shape), |_| self.next()).into_shared()
    }
}

fn run(graph: &Graph, leaf: &dyn Fn(&Op) -> Value<f64>) -> Vec<Value<f64>> {
    let env = env();
    let sizes = shapes(graph, &env).expect("the sizes fit");
    eval(graph, &sizes, &env, &mut |_, node: &Node| leaf(&node.op))
}

fn forward(cell: &Cell, inputs: &[Value<f64>]) -> Vec<Value<f64>> {
    run(&cell.step, &|op| match op {
        Op::Leaf(Leaf::Input(idx)) => inputs[*idx].clone(),
        other => unreachable!("{other:?}"),
    })
}

fn dot(a: &Value<f64>, b: &Value<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * (1.0 + a.abs().max(b.abs()))
}

/// The adjoints of the inputs; zeros where there is none.
fn pulled(
    cell: &Cell,
    adjoint: &Adjoint,
    inputs: &[Value<f64>],
    upstream: &Value<f64>,
) -> Vec<Value<f64>> {
    let known = forward(cell, inputs);
    let values = run(&adjoint.graph, &|op| match op {
        Op::Leaf(Leaf::Input(idx)) => inputs[*idx].clone(),
        Op::Leaf(Leaf::Forward(id)) => known[id.idx()].clone(),
        Op::Leaf(Leaf::OutputAdjoint(0)) => upstream.clone(),
        other => unreachable!("{other:?}"),
    });
    let of = |(root, input): (&Option<NodeId>, &Value<f64>)| match root {
        Some(root) => values[root.idx()].clone(),
        None => ArrayD::zeros(input.raw_dim()).into_shared(),
    };
    adjoint.inputs.iter().zip(inputs).map(of).collect()
}

/// The tangent of the output.
fn pushed(
    cell: &Cell,
    tangent: &Tangent,
    inputs: &[Value<f64>],
    direction: &[Value<f64>],
) -> Value<f64> {
    let known = forward(cell, inputs);
    let values = run(&tangent.graph, &|op| match op {
        Op::Leaf(Leaf::Input(idx)) => inputs[*idx].clone(),
        Op::Leaf(Leaf::Forward(id)) => known[id.idx()].clone(),
        Op::Leaf(Leaf::Tangent(Source::Input(idx))) => direction[*idx].clone(),
        other => unreachable!("{other:?}"),
    });
    values[tangent.outputs[0].idx()].clone()
}

/// Checks one cell at one point, against central differences when `numeric`.
fn check_at(cell: &Cell, inputs: &[Value<f64>], numbers: &mut Numbers, numeric: bool) {
    check_within(1e-12, cell, inputs, numbers, numeric);
}

fn check_within(
    slack: f64,
    cell: &Cell,
    inputs: &[Value<f64>],
    numbers: &mut Numbers,
    numeric: bool,
) {
    verify(cell).unwrap();
    let simple = simplify_cell(cell);
    verify(&simple).unwrap();
    let y = forward(cell, inputs)[cell.outputs[0].node.idx()].clone();
    let upstream = numbers.array(y.shape());
    let direction: Vec<Value<f64>> = inputs.iter().map(|it| numbers.array(it.shape())).collect();
    for cell in [cell, &simple] {
        let again = forward(cell, inputs)[cell.outputs[0].node.idx()].clone();
        assert!(again.iter().zip(&y).all(|(a, b)| close(*a, *b, slack)), "{again} and {y}");
        let derived = adjoint(cell);
        let moved = tangent(cell);
        for (derived, moved) in [(&derived, &moved), (&derived.simplified(), &moved.simplified())] {
            verify_graph(cell, &derived.graph, Role::DerivedStep).unwrap();
            verify_graph(cell, &moved.graph, Role::DerivedStep).unwrap();
            let adjoints = pulled(cell, derived, inputs, &upstream);
            let rate = pushed(cell, moved, inputs, &direction);
            let left = dot(&upstream, &rate);
            let right: f64 = adjoints.iter().zip(&direction).map(|(a, b)| dot(a, b)).sum();
            assert!(close(left, right, slack), "forward mode {left}, reverse mode {right}");
            if numeric {
                differences(cell, inputs, &upstream, &adjoints);
            }
        }
    }
}

fn differences(cell: &Cell, inputs: &[Value<f64>], upstream: &Value<f64>, adjoints: &[Value<f64>]) {
    let loss =
        |inputs: &[Value<f64>]| dot(upstream, &forward(cell, inputs)[cell.outputs[0].node.idx()]);
    for (idx, input) in inputs.iter().enumerate() {
        for place in 0..input.len() {
            let at = |by: f64| {
                let mut moved = inputs.to_vec();
                if let Some(it) = moved[idx].iter_mut().nth(place) {
                    *it += by * 1e-3;
                }
                loss(&moved)
            };
            let central = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / 12e-3;
            let found = adjoints[idx].iter().nth(place).copied().unwrap_or(f64::NAN);
            assert!(close(central, found, 1e-7), "x{idx}[{place}]: {central}, adjoint {found}");
        }
    }
}

fn inputs_of(cell: &Cell, numbers: &mut Numbers) -> Vec<Value<f64>> {
    let env = env();
    let sizes = |it: &Shape| -> Vec<usize> {
        it.axes().iter().map(|it| env.size(it).expect("set") as usize).collect()
    };
    cell.inputs.iter().map(|it| numbers.array(&sizes(&it.shape))).collect()
}

fn check(inputs: &[&[&str]], build: impl Fn(&mut Graph, &[NodeId]) -> NodeId) -> Cell {
    let cell = cell(inputs, &build);
    let mut numbers = Numbers(7);
    for _ in 0..3 {
        let inputs = inputs_of(&cell, &mut numbers);
        check_at(&cell, &inputs, &mut numbers, true);
    }
    cell
}

fn op(graph: &mut Graph, op: Op, args: &[NodeId], axes: &[&str]) -> NodeId {
    graph.add(op, args.to_vec(), shape(axes), NOWHERE)
}

fn map(graph: &mut Graph, op: Pointwise, args: &[NodeId]) -> NodeId {
    graph.map(op, args, NOWHERE)
}

fn labels(left: &[u8], right: &[u8], result: &[u8]) -> Op {
    Op::Contract(Contract { left: left.to_vec(), right: right.to_vec(), result: result.to_vec() })
}

#[test]
fn contractions() {
    type Axes = &'static [&'static str];
    let cases: [(Axes, Axes, Op, Axes); 7] = [
        (&["A", "B"], &["B"], labels(&[0, 1], &[1], &[0]), &["A"]),
        (&["A"], &["B"], labels(&[0], &[1], &[0, 1]), &["A", "B"]),
        (&["A"], &["A"], labels(&[0], &[0], &[]), &[]),
        (&["A", "B"], &["B", "C"], labels(&[0, 1], &[1, 2], &[0, 2]), &["A", "C"]),
        // Block-diagonal: a batch axis that both have.
        (&["A", "B", "C"], &["A", "C"], labels(&[0, 1, 2], &[0, 2], &[0, 1]), &["A", "B"]),
        // `[M, D] @ [N, D]` is `[N, M]`.
        (&["A", "B"], &["C", "B"], labels(&[0, 1], &[2, 1], &[2, 0]), &["C", "A"]),
        (&["A", "B"], &["B", "A"], labels(&[0, 1], &[1, 0], &[]), &[]),
    ];
    for (left, right, product, result) in cases {
        check(&[left, right], |g, x| op(g, product.clone(), &[x[0], x[1]], result));
    }
}

#[test]
fn reductions() {
    use Reduction::{LogSumExp, Max, Min, Norm, Product, Sum};
    for reduction in [Sum, Max, Min, Product, Norm, LogSumExp] {
        let axes: [(&[usize], &[&str]); 3] =
            [(&[0], &["B", "C"]), (&[1], &["A", "C"]), (&[0, 2], &["B"])];
        for (axes, result) in axes {
            check(&[&["A", "B", "C"]], |g, x| {
                op(g, Op::Along(Along::Reduce(reduction, axes.to_vec())), &[x[0]], result)
            });
        }
    }
}

/// Returns how many nodes of the backward step have this word, and how many elements all its nodes have.
fn made(cell: &Cell, word: &str) -> (usize, i64) {
    let nodes = adjoint(cell).graph.into_nodes();
    let elements = nodes.iter().map(|it| env().size(&it.shape.size().unwrap()).unwrap()).sum();
    (nodes.iter().filter(|it| it.op.word() == word).count(), elements)
}

/// The sum of parts of `x`, each times its place.
fn parts(g: &mut Graph, x: NodeId, parts: &[Move], result: &[&str]) -> NodeId {
    let mut sum = g.number(0.0, &shape(result), NOWHERE);
    for (at, part) in parts.iter().enumerate() {
        let part = op(g, Op::Move(part.clone()), &[x], result);
        let weight = g.number(1.0 + at as f64, &shape(result), NOWHERE);
        let part = map(g, Pointwise::Mul, &[weight, part]);
        sum = map(g, Pointwise::Add, &[sum, part]);
    }
    sum
}

#[test]
fn pieces_of_one_value_become_one_array() {
    let pick = |at: i64| Move::Pick(Dim::number(at));
    let slice = |axis, from: i64, to: i64| Move::Slice {
        axis,
        from: Dim::number(from),
        to: Dim::number(to),
    };
    // Rows in any order, some of them twice, and not all.
    for rows in [vec![0, 1, 2, 3], vec![3, 1, 2, 0, 1], vec![2, 1], vec![0, 3], vec![2, 2]] {
        let moves: Vec<Move> = rows.iter().copied().map(pick).collect();
        let cell = check(&[&["C", "A"]], |g, x| parts(g, x[0], &moves, &["A"]));
        assert!(made(&cell, "place").0 <= 1, "{rows:?}");
        let twice = rows.len() == 5 || rows[0] == rows[1];
        assert_eq!(made(&cell, "sum").0, usize::from(twice), "{rows:?}");
    }
    // Slices side by side, and upon each other.
    let side_by_side = [slice(1, 0, 1), slice(1, 1, 2), slice(1, 2, 3), slice(1, 3, 4)];
    let cell = check(&[&["B", "C"]], |g, x| parts(g, x[0], &side_by_side, &["B", "1"]));
    // `C` may be more than 4.
    assert_eq!((made(&cell, "concat").0, made(&cell, "pad").0), (1, 1));
    let windows = [slice(0, 0, 2), slice(0, 1, 3), slice(0, 2, 4), slice(0, 3, 5)];
    let cell = check(&[&["N"]], |g, x| parts(g, x[0], &windows, &["2"]));
    assert_eq!((made(&cell, "concat").0, made(&cell, "sum").0), (2, 1));
    // An element and slices of the same axis.
    check(&[&["C", "A"]], |g, x| {
        let element = op(g, Op::Move(pick(3)), &[x[0]], &["A"]);
        let both = parts(g, x[0], &[slice(0, 0, 1), slice(0, 1, 2)], &["1", "A"]);
        let both = op(g, Op::Move(Move::Reshape), &[both], &["A"]);
        map(g, Pointwise::Mul, &[element, both])
    });
    // Where sizes decide whether slices overlap they stay apart: they do here if `A` is 1.
    let rest = Dim::symbol("N").sub(&Dim::symbol("A")).unwrap();
    let slices = [
        (slice(0, 0, 2), shape(&["2"])),
        (Move::Slice { axis: 0, from: Dim::symbol("A"), to: Dim::symbol("N") }, Shape(vec![rest])),
    ];
    let cell = check(&[&["N"]], |g, x| {
        let sums = slices.clone().map(|(slice, shape)| {
            let part = g.add(Op::Move(slice), vec![x[0]], shape, NOWHERE);
            let square = map(g, Pointwise::Square, &[part]);
            op(g, Op::Along(Along::Reduce(Reduction::Sum, vec![0])), &[square], &[])
        });
        map(g, Pointwise::Add, &sums)
    });
    assert_eq!((made(&cell, "concat").0, made(&cell, "pad").0), (0, 2));
    // One index, looked up twice.
    let cell = check(&[&["C", "A"]], |g, x| {
        let index = g.constant(Const::Number(3.0), NOWHERE);
        let rows = [0, 1].map(|_| op(g, Op::Indexed(Indexed::Lookup), &[x[0], index], &["A"]));
        map(g, Pointwise::Mul, &rows)
    });
    assert_eq!((made(&cell, "scatter").0, made(&cell, "scatter").1 < 40), (1, true));
}

#[test]
fn along_axes() {
    for axes in [vec![0], vec![1], vec![0, 1]] {
        check(&[&["A", "B"]], |g, x| {
            op(g, Op::Along(Along::Softmax(axes.clone())), &[x[0]], &["A", "B"])
        });
    }
    for (axis, reverse) in [(0, false), (1, false), (0, true), (1, true)] {
        check(&[&["A", "B"]], |g, x| {
            op(g, Op::Along(Along::CumSum { axis, reverse }), &[x[0]], &["A", "B"])
        });
    }
}

#[test]
fn moves() {
    check(&[&["B"]], |g, x| op(g, Op::Move(Move::Expand(vec![1])), &[x[0]], &["A", "B", "C"]));
    check(&[&[]], |g, x| op(g, Op::Move(Move::Expand(vec![])), &[x[0]], &["A", "B"]));
    check(&[&["A", "B", "C"]], |g, x| {
        op(g, Op::Move(Move::Permute(vec![2, 0, 1])), &[x[0]], &["C", "A", "B"])
    });
    check(&[&["A", "B"], &["A", "C"]], |g, x| {
        let sum = Dim::symbol("B").add(&Dim::symbol("C")).unwrap();
        let result = Shape(vec![Dim::symbol("A"), sum]);
        g.add(Op::Move(Move::Concat(1)), vec![x[0], x[1]], result, NOWHERE)
    });
    check(&[&["A"], &["A"], &["A"]], |g, x| {
        // One operand twice.
        op(g, Op::Move(Move::Stack), &[x[0], x[1], x[0], x[2]], &["4", "A"])
    });
    let slice = Op::Move(Move::Slice { axis: 1, from: Dim::number(1), to: Dim::number(3) });
    check(&[&["A", "C"]], |g, x| op(g, slice.clone(), &[x[0]], &["A", "2"]));
    let to_end = Op::Move(Move::Slice { axis: 0, from: Dim::symbol("A"), to: Dim::symbol("N") });
    check(&[&["N", "B"]], |g, x| {
        let rest = Dim::symbol("N").sub(&Dim::symbol("A")).unwrap();
        g.add(to_end.clone(), vec![x[0]], Shape(vec![rest, Dim::symbol("B")]), NOWHERE)
    });
    check(&[&["A", "B"]], |g, x| {
        let sum = Dim::symbol("B").add(&Dim::number(3)).unwrap();
        let pad = Op::Move(Move::Pad { axis: 1, before: Dim::number(1), after: Dim::number(2) });
        g.add(pad, vec![x[0]], Shape(vec![Dim::symbol("A"), sum]), NOWHERE)
    });
    check(&[&["A", "B"]], |g, x| op(g, Op::Move(Move::Reshape), &[x[0]], &["N"]));
    check(&[&["B", "A"]], |g, x| op(g, Op::Move(Move::Pick(Dim::number(2))), &[x[0]], &["A"]));
    check(&[&["A"]], |g, x| op(g, Op::Move(Move::Place(Dim::number(1))), &[x[0]], &["B", "A"]));
    check(&[&["C", "A"]], |g, x| {
        let index = g.constant(Const::Number(3.0), NOWHERE);
        op(g, Op::Indexed(Indexed::Lookup), &[x[0], index], &["A"])
    });
    check(&[&["A"]], |g, x| {
        let index = g.constant(Const::Number(2.0), NOWHERE);
        op(g, Op::Indexed(Indexed::Scatter), &[x[0], index], &["C", "A"])
    });
}

#[test]
fn every_elementwise_operator_in_a_graph() {
    for row in table() {
        // Positive operands are in every domain, and halves keep away from kinks at whole numbers.
        let axes: Vec<&[&str]> = vec![&["A", "B"]; row.op.arity()];
        let cell = cell(&axes, &|g, x| {
            let inner: Vec<NodeId> = (0..row.op.arity())
                .map(|it| {
                    let (lo, hi) = row.sample[it];
                    let s = map(g, Pointwise::Sigmoid, &[x[it]]);
                    let width = g.number((hi - lo) * 0.9, &shape(&["A", "B"]), NOWHERE);
                    let low = g.number(lo + (hi - lo) * 0.07, &shape(&["A", "B"]), NOWHERE);
                    let scaled = map(g, Pointwise::Mul, &[s, width]);
                    let value = map(g, Pointwise::Add, &[low, scaled]);
                    // What a slope says nothing about is a constant or is not differentiable by it.
                    if row.slopes[it].is_some() {
                        value
                    } else {
                        g.add(
                            Op::Gradient(Gradient::StopGrad),
                            vec![value],
                            shape(&["A", "B"]),
                            NOWHERE,
                        )
                    }
                })
                .collect();
            map(g, row.op, &inner)
        });
        let mut numbers = Numbers(11);
        for _ in 0..4 {
            let inputs = inputs_of(&cell, &mut numbers);
            check_at(&cell, &inputs, &mut numbers, false);
        }
    }
}

#[test]
fn one_value_used_often() {
    // tanh(x * x + x) * x - x / (1 + x ^ 2), with a broadcast sum of itself.
    check(&[&["A", "B"]], |g, x| {
        let all = shape(&["A", "B"]);
        let one = g.number(1.0, &all, NOWHERE);
        let two = g.number(2.0, &all, NOWHERE);
        let square = map(g, Pointwise::Mul, &[x[0], x[0]]);
        let sum = map(g, Pointwise::Add, &[square, x[0]]);
        let tanh = map(g, Pointwise::Tanh, &[sum]);
        let left = map(g, Pointwise::Mul, &[tanh, x[0]]);
        let power = map(g, Pointwise::Pow, &[x[0], two]);
        let below = map(g, Pointwise::Add, &[one, power]);
        let right = map(g, Pointwise::Div, &[x[0], below]);
        let all = map(g, Pointwise::Sub, &[left, right]);
        let total = op(g, Op::Along(Along::Reduce(Reduction::Sum, vec![1])), &[all], &["A"]);
        let again = op(g, Op::Move(Move::Expand(vec![0])), &[total], &["A", "B"]);
        map(g, Pointwise::Mul, &[again, all])
    });
}

#[test]
fn a_branch_not_taken_gives_exactly_zero() {
    // where(x > 0, sqrt(x), 0): at negative x the square root is a NaN and so is its derivative.
    let cell = cell(&[&["B"]], &|g, x| {
        let zero = g.number(0.0, &shape(&["B"]), NOWHERE);
        let cond = map(g, Pointwise::Greater, &[x[0], zero]);
        let inner = op(g, Op::Gradient(Gradient::Guard), &[cond, x[0]], &["B"]);
        let root = map(g, Pointwise::Sqrt, &[inner]);
        map(g, Pointwise::Where, &[cond, root, zero])
    });
    verify(&cell).unwrap();
    for cell in [&cell, &simplify_cell(&cell)] {
        let inputs =
            [ArrayD::from_shape_vec(IxDyn(&[3]), vec![4.0, -1.0, 0.0]).unwrap().into_shared()];
        let ones = ArrayD::from_elem(IxDyn(&[3]), 1.0).into_shared();
        for derived in [adjoint(cell), adjoint(cell).simplified()] {
            let found = pulled(cell, &derived, &inputs, &ones);
            assert_eq!(found[0].iter().copied().collect::<Vec<f64>>(), [0.25, 0.0, 0.0]);
        }
        let moved = tangent(cell).simplified();
        let found = pushed(cell, &moved, &inputs, &[ones]);
        assert_eq!(found.iter().copied().collect::<Vec<f64>>(), [0.25, 0.0, 0.0]);
    }
}

#[test]
fn ties_and_zeros() {
    let at = |reduction: Reduction, values: &[f64]| {
        let cell = cell(&[&["B"]], &|g, x| {
            op(g, Op::Along(Along::Reduce(reduction, vec![0])), &[x[0]], &[])
        });
        let inputs = [ArrayD::from_shape_vec(IxDyn(&[3]), values.to_vec()).unwrap().into_shared()];
        let one = ArrayD::from_elem(IxDyn(&[]), 1.0).into_shared();
        let derived = adjoint(&cell).simplified();
        pulled(&cell, &derived, &inputs, &one)[0].iter().copied().collect::<Vec<f64>>()
    };
    assert_eq!(at(Reduction::Max, &[2.0, 1.0, 2.0]), [0.5, 0.0, 0.5]);
    assert_eq!(at(Reduction::Min, &[2.0, 2.0, 2.0]), [1.0 / 3.0; 3]);
    assert_eq!(at(Reduction::Norm, &[0.0, 0.0, 0.0]), [0.0; 3]);
    assert_eq!(at(Reduction::Product, &[0.0, 3.0, 2.0]), [6.0, 0.0, 0.0]);
    assert_eq!(at(Reduction::Product, &[0.0, 3.0, 0.0]), [0.0; 3]);
}

#[test]
fn gradients_that_are_declared_stopped_and_clipped() {
    // y = step(x) with the derivative 3 x; stop_grad(x) * x; clip_grad(x, 0.5).
    let x = [ArrayD::from_shape_vec(IxDyn(&[3]), vec![2.0, -1.0, 0.1]).unwrap().into_shared()];
    let ones = ArrayD::from_elem(IxDyn(&[3]), 1.0).into_shared();
    let gradient = |build: &dyn Fn(&mut Graph, &[NodeId]) -> NodeId| {
        let cell = cell(&[&["B"]], build);
        verify(&cell).unwrap();
        let derived = adjoint(&cell).simplified();
        pulled(&cell, &derived, &x, &ones)[0].iter().copied().collect::<Vec<f64>>()
    };
    let declared = gradient(&|g, x| {
        let three = g.number(3.0, &shape(&["B"]), NOWHERE);
        let step = map(g, Pointwise::Step, &[x[0]]);
        let slope = map(g, Pointwise::Mul, &[three, x[0]]);
        op(g, Op::Gradient(Gradient::Declared), &[step, x[0], slope], &["B"])
    });
    assert_eq!(declared, [6.0, -3.0, 3.0 * 0.1]);
    let stopped = gradient(&|g, x| {
        let stopped = op(g, Op::Gradient(Gradient::StopGrad), &[x[0]], &["B"]);
        map(g, Pointwise::Mul, &[stopped, x[0]])
    });
    assert_eq!(stopped, [2.0, -1.0, 0.1]);
    let clipped = gradient(&|g, x| {
        let cut = op(g, Op::Gradient(Gradient::ClipGrad(Const::Number(0.5))), &[x[0]], &["B"]);
        map(g, Pointwise::Square, &[cut])
    });
    assert_eq!(clipped, [0.5, -0.5, 0.2]);
}

#[test]
fn what_needs_no_gradient_has_none() {
    let cell = cell(&[&["B"], &["B"]], &|g, x| {
        let stopped = op(g, Op::Gradient(Gradient::StopGrad), &[x[1]], &["B"]);
        let step = map(g, Pointwise::Step, &[x[1]]);
        let sum = map(g, Pointwise::Add, &[stopped, step]);
        map(g, Pointwise::Mul, &[x[0], sum])
    });
    let derived = adjoint(&cell);
    assert!(derived.inputs[0].is_some());
    assert_eq!(derived.inputs[1], None);
    // The adjoint of y, what x0 is multiplied with, and their product.
    assert_eq!(derived.graph.nodes().len(), 3);
}

#[test]
fn simplification_keeps_a_nan() {
    let cell = cell(&[&["B"]], &|g, x| {
        let zero = g.number(0.0, &shape(&["B"]), NOWHERE);
        map(g, Pointwise::Mul, &[x[0], zero])
    });
    let simple = simplify_cell(&cell);
    let inputs = [ArrayD::from_elem(IxDyn(&[3]), f64::NAN).into_shared()];
    assert!(forward(&simple, &inputs)[simple.outputs[0].node.idx()].iter().all(|it| it.is_nan()));
}

#[test]
fn a_clamp_without_bounds_is_its_value() {
    let build = |low: Const, high: Const| {
        cell(&[&["B"]], &|g, x| {
            let bounds = [&low, &high].map(|it| {
                let number = g.constant(it.clone(), NOWHERE);
                op(g, Op::Move(Move::Expand(vec![])), &[number], &["B"])
            });
            map(g, Pointwise::Clamp, &[x[0], bounds[0], bounds[1]])
        })
    };
    let is_value =
        |cell: &Cell| cell.step.node(cell.outputs[0].node).op == Op::Leaf(Leaf::Input(0));
    let [least, most] = [f64::NEG_INFINITY, f64::INFINITY].map(Const::Number);
    assert!(is_value(&simplify_cell(&build(least.clone(), most.clone()))));
    // One bound is enough to cut something.
    for (low, high) in [(least, Const::Number(1.0)), (Const::Number(-1.0), most)] {
        let cell = build(low, high);
        assert_eq!(simplify_cell(&cell).step, cell.step);
    }
    // Bounds that a hyper gives are known once it is.
    let clip = Const::Hyper("clip".into());
    let mut cell = build(Const::Apply(Pointwise::Neg, vec![clip.clone()]), clip);
    let kind = HyperKind::Number(Const::Number(f64::INFINITY));
    cell.hypers.push(Hyper { name: "clip".into(), kind, span: NOWHERE });
    for (value, free) in [(f64::INFINITY, true), (3.0, false)] {
        let env = Env { hypers: [("clip".into(), value)].into(), ..Env::default() };
        assert_eq!(is_value(&simplify_bound(&cell, &env)), free);
    }
}

#[test]
fn simplification_leaves_what_is_needed() {
    let count = |inputs: &[&[&str]], build: &dyn Fn(&mut Graph, &[NodeId]) -> NodeId| {
        simplify_cell(&cell(inputs, build)).step.nodes().len()
    };
    // x * 1 + 0 is x; --x is x; transpose of transpose; a whole slice; the middle of what was
    // joined.
    assert_eq!(
        count(&[&["B"]], &|g, x| {
            let one = g.number(1.0, &shape(&["B"]), NOWHERE);
            let zero = g.number(0.0, &shape(&["B"]), NOWHERE);
            let product = map(g, Pointwise::Mul, &[one, x[0]]);
            let sum = map(g, Pointwise::Add, &[product, zero]);
            let minus = map(g, Pointwise::Neg, &[sum]);
            map(g, Pointwise::Neg, &[minus])
        }),
        1
    );
    assert_eq!(
        count(&[&["A", "B"]], &|g, x| {
            let turned = op(g, Op::Move(Move::Permute(vec![1, 0])), &[x[0]], &["B", "A"]);
            let back = op(g, Op::Move(Move::Permute(vec![1, 0])), &[turned], &["A", "B"]);
            op(
                g,
                Op::Move(Move::Slice { axis: 1, from: Dim::number(0), to: Dim::symbol("B") }),
                &[back],
                &["A", "B"],
            )
        }),
        1
    );
    // Equal nodes merge, also with operands swapped: two leaves, one sum, its square.
    assert_eq!(
        count(&[&["B"], &["B"]], &|g, x| {
            let one = map(g, Pointwise::Add, &[x[0], x[1]]);
            let two = map(g, Pointwise::Add, &[x[1], x[0]]);
            map(g, Pointwise::Mul, &[one, two])
        }),
        4
    );
    // The sum over a broadcast is a factor: x, the size, their product.
    assert_eq!(
        count(&[&[]], &|g, x| {
            let wide = op(g, Op::Move(Move::Expand(vec![])), &[x[0]], &["A"]);
            op(g, Op::Along(Along::Reduce(Reduction::Sum, vec![0])), &[wide], &[])
        }),
        3
    );
}

#[test]
fn the_verifier_refuses_hostile_graphs() {
    let good = check(&[&["A", "B"], &["B"]], |g, x| {
        op(g, labels(&[0, 1], &[1], &[0]), &[x[0], x[1]], &["A"])
    });
    let changed = |change: &dyn Fn(&mut Node)| {
        let mut cell = good.clone();
        let mut graph = Graph::default();
        for node in cell.step.nodes() {
            graph.push(node.clone());
        }
        let mut last = graph.nodes()[2].clone();
        change(&mut last);
        graph.push(last);
        cell.step = graph;
        verify(&cell)
    };
    assert_eq!(changed(&|_| {}), Ok(()));
    let faults: [&dyn Fn(&mut Node); 9] = [
        &|it| it.shape = shape(&["B"]),
        &|it| it.args.truncate(1),
        &|it| it.op = labels(&[0, 0], &[1], &[0]),
        &|it| it.op = labels(&[0, 1], &[2], &[0]),
        &|it| it.op = Op::Along(Along::Reduce(Reduction::Sum, vec![7])),
        &|it| it.op = Op::Move(Move::Permute(vec![usize::MAX, 0])),
        &|it| it.op = Op::Leaf(Leaf::Param(3)),
        &|it| {
            *it = Node { op: Op::Leaf(Leaf::Forward(NodeId(9))), args: Vec::new(), ..it.clone() };
        },
        &|it| it.op = Op::Map(Pointwise::Where),
    ];
    for (idx, fault) in faults.iter().enumerate() {
        assert!(changed(fault).is_err(), "fault {idx}");
    }
    let mut cell = good.clone();
    cell.outputs[0].node = NodeId(77);
    assert!(verify(&cell).is_err());
}

/// A graph of random operators, some of their results named, with many chances to simplify.
fn random(g: &mut Graph, x: &[NodeId], numbers: &mut Numbers) -> NodeId {
    let mut pick = |n: usize| ((numbers.next() + 2.0) / 4.0 * n as f64) as usize % n;
    let shapes: [&[&str]; 5] = [&[], &["A"], &["B"], &["A", "B"], &["B", "A"]];
    let mut pool: Vec<Vec<NodeId>> = shapes
        .iter()
        .map(|axes| x.iter().copied().filter(|it| *g.shape(*it) == shape(axes)).collect())
        .collect();
    for round in 0..24 {
        let kind = pick(5);
        let axes = shapes[kind];
        let one = pool[kind][pick(pool[kind].len())];
        let two = pool[kind][pick(pool[kind].len())];
        let vector = |at: usize, it: usize, pool: &[Vec<NodeId>]| pool[at][it % pool[at].len()];
        let (to, node) = match pick(14) {
            0 => (kind, map(g, Pointwise::Add, &[one, two])),
            1 => (kind, map(g, Pointwise::Sub, &[one, two])),
            2 | 3 => (kind, map(g, Pointwise::Mul, &[one, two])),
            4 => (kind, map(g, Pointwise::Neg, &[one])),
            5 => {
                let op = [Pointwise::Tanh, Pointwise::Sigmoid, Pointwise::Identity][pick(3)];
                (kind, map(g, op, &[one]))
            }
            6 | 7 => {
                let value = [0.0, 1.0, -1.0, 2.0, 0.5][pick(5)];
                (kind, g.number(value, &shape(axes), NOWHERE))
            }
            8 => {
                let below = map(g, Pointwise::Exp, &[two]);
                let bounded = map(g, Pointwise::Add, &[below, below]);
                let one = map(g, Pointwise::Tanh, &[one]);
                (kind, map(g, Pointwise::Div, &[one, bounded]))
            }
            9 => {
                let from = 1 + pick(2);
                let v = vector(from, pick(9), &pool);
                (3, op(g, Op::Move(Move::Expand(vec![from - 1])), &[v], shapes[3]))
            }
            10 => {
                let m = vector(3, pick(9), &pool);
                let axis = pick(2);
                (
                    2 - axis,
                    op(
                        g,
                        Op::Along(Along::Reduce(Reduction::Sum, vec![axis])),
                        &[m],
                        shapes[2 - axis],
                    ),
                )
            }
            11 => {
                let m = vector(4, pick(9), &pool);
                let v = vector(1, pick(9), &pool);
                (2, op(g, labels(&[0, 1], &[1], &[0]), &[m, v], shapes[2]))
            }
            12 => {
                let (a, b) = (vector(1, pick(9), &pool), vector(2, pick(9), &pool));
                (3, op(g, labels(&[0], &[1], &[0, 1]), &[a, b], shapes[3]))
            }
            _ => {
                let m = vector(3, pick(9), &pool);
                (4, op(g, Op::Move(Move::Permute(vec![1, 0])), &[m], shapes[4]))
            }
        };
        if pick(4) == 0 && !g.node(node).op.is_leaf() {
            g.set_name(node, format!("v{round}").into());
        }
        pool[to].push(node);
    }
    // Everything that was made is needed.
    let mut total = g.constant(Const::Number(0.0), NOWHERE);
    for (kind, nodes) in pool.iter().enumerate() {
        for node in nodes {
            let axes = (0..shapes[kind].len()).collect();
            let node = map(g, Pointwise::Tanh, &[*node]);
            let sum = op(g, Op::Along(Along::Reduce(Reduction::Sum, axes)), &[node], &[]);
            total = map(g, Pointwise::Add, &[total, sum]);
        }
    }
    total
}

#[test]
fn random_graphs() {
    for seed in 0..150 {
        let cell = cell(&[&[], &["A"], &["B"], &["A", "B"], &["B", "A"]], &|g, x| {
            random(g, x, &mut Numbers(seed))
        });
        let mut numbers = Numbers(seed + 1000);
        let inputs = inputs_of(&cell, &mut numbers);
        check_within(1e-9, &cell, &inputs, &mut numbers, false);
        // Whatever it is, it can be shown.
        let simple = simplify_cell(&cell);
        let text = print_backward(&simple, &adjoint(&simple).simplified());
        assert!(text.lines().all(|it| it.trim_end() == it), "{text}");
        assert!(print_tangent(&simple, &tangent(&simple).simplified()).contains("t_y"));
    }
}
