//! Each operator that is no row of the table, in a cell of its own, must pass. `ProductOfOthers`
//! occurs in derived graphs alone and has no derivative.

use super::super::hand::{self, NOWHERE, shape};
use super::super::masks::Masks;
use super::*;
use crate::ir::{
    Along, Contract, Dim, Gradient, Graph, Indexed, Move, NodeId, Op, Pointwise, Reduction, Shape,
};

/// `y = op(m, v)` with `m: [A, B]`, `v: [B]` and `n: [A, B]`, all params, squared first so that
/// slopes vary.
fn cell_of(build: &dyn Fn(&mut Graph, NodeId, NodeId, NodeId) -> NodeId) -> Cell {
    let mut cell = hand::empty("Single", &["A", "B"]);
    let m = hand::param(&mut cell, "m", &["A", "B"]);
    let v = hand::param(&mut cell, "v", &["B"]);
    let n = hand::param(&mut cell, "n", &["A", "B"]);
    let graph = &mut cell.step;
    let [m, v, n] = [m, v, n].map(|it| hand::map(graph, Pointwise::Sin, &[it]));
    let y = build(graph, m, v, n);
    // An output that is linear in the operator would not see a Hessian's worth of mistakes;
    // squaring it does.
    let y = hand::map(graph, Pointwise::Square, &[y]);
    hand::output(&mut cell, "y", y);
    let steps = hand::input(&mut cell, "unused", &[]);
    let _ = steps;
    cell
}

fn passes(what: &str, build: &dyn Fn(&mut Graph, NodeId, NodeId, NodeId) -> NodeId) {
    let mut options = Options { lengths: vec![1], seeds: 3, ..Options::default() };
    options.env.sizes.insert("A".into(), 3);
    options.env.sizes.insert("B".into(), 4);
    let report = gradcheck(&cell_of(build), &options).unwrap();
    for line in &report.lines {
        assert!(line.passes, "{what}: {line:?}");
        assert_eq!(line.forward_alone, None, "{what}");
        assert!(line.difference.is_some());
    }
}

fn unary(op: Op, result: Shape) {
    let what = format!("{op:?}");
    passes(&what, &|graph, m, _, _| graph.add(op.clone(), vec![m], result.clone(), NOWHERE));
}

fn symbol(name: &str) -> Dim {
    Dim::symbol(name)
}

#[test]
fn products_pass_in_every_arrangement_of_axes() {
    let contract = |left: &[u8], right: &[u8], result: &[u8], axes: &[&str], second: usize| {
        let labels = Contract { left: left.into(), right: right.into(), result: result.into() };
        passes(&format!("{labels:?}"), &|graph, m, v, n| {
            let other = [m, v, n][second];
            let op = Op::Contract(labels.clone());
            graph.add(op, vec![m, other], shape(axes), NOWHERE)
        });
    };
    contract(&[0, 1], &[1], &[0], &["A"], 1);
    contract(&[0, 1], &[2, 1], &[0, 2], &["A", "A"], 2);
    contract(&[0, 1], &[2, 1], &[2, 0], &["A", "A"], 2);
    contract(&[0, 1], &[0, 1], &[0], &["A"], 2);
    contract(&[0, 1], &[0, 1], &[], &[], 2);
    contract(&[0, 1], &[0, 2], &[1, 0, 2], &["B", "A", "B"], 2);
    contract(&[0, 1], &[2], &[0, 2, 1], &["A", "B", "B"], 1);
    contract(&[0, 1], &[1], &[1, 0], &["B", "A"], 1);
    // The same value on both sides.
    contract(&[0, 1], &[2, 1], &[0, 2], &["A", "A"], 0);
}

#[test]
fn what_works_along_axes_passes() {
    for reduction in Reduction::ALL {
        unary(Op::Along(Along::Reduce(reduction, vec![0])), shape(&["B"]));
        unary(Op::Along(Along::Reduce(reduction, vec![1])), shape(&["A"]));
        unary(Op::Along(Along::Reduce(reduction, vec![0, 1])), shape(&[]));
    }
    let same = || shape(&["A", "B"]);
    for axes in [vec![0], vec![1], vec![0, 1]] {
        unary(Op::Along(Along::Softmax(axes)), same());
    }
    for axis in 0..2 {
        for reverse in [false, true] {
            unary(Op::Along(Along::CumSum { axis, reverse }), same());
        }
    }
}

#[test]
fn what_moves_elements_passes() {
    unary(Op::Move(Move::Permute(vec![1, 0])), shape(&["B", "A"]));
    unary(Op::Move(Move::Expand(vec![0, 2])), shape(&["A", "B", "B"]));
    unary(Op::Move(Move::Expand(vec![1, 2])), shape(&["B", "A", "B"]));
    unary(Op::Move(Move::Reshape), Shape(vec![symbol("A").mul(&symbol("B")).unwrap()]));
    unary(Op::Move(Move::Pick(Dim::number(1))), shape(&["B"]));
    unary(Op::Move(Move::Place(Dim::number(2))), shape(&["B", "A", "B"]));
    let less = |name: &str, by: i64| symbol(name).sub(&Dim::number(by)).unwrap();
    for (axis, name) in [(0, "A"), (1, "B")] {
        let mut cut = shape(&["A", "B"]);
        cut.0[axis] = less(name, 2);
        unary(Op::Move(Move::Slice { axis, from: Dim::number(1), to: less(name, 1) }), cut);
        let mut wide = shape(&["A", "B"]);
        wide.0[axis] = symbol(name).add(&Dim::number(3)).unwrap();
        unary(Op::Move(Move::Pad { axis, before: Dim::number(1), after: Dim::number(2) }), wide);
        let mut twice = shape(&["A", "B"]);
        twice.0[axis] = symbol(name).add(&symbol(name)).unwrap();
        passes("concat", &|graph, m, _, n| {
            graph.add(Move::Concat(axis), vec![m, n], twice.clone(), NOWHERE)
        });
    }
    let stacked = Shape([vec![Dim::number(3)], shape(&["A", "B"]).0].concat());
    passes("stack", &|graph, m, _, n| {
        graph.add(Move::Stack, vec![m, n, m], stacked.clone(), NOWHERE)
    });
    for row in [0.0, 2.0] {
        passes("lookup", &|graph, m, _, _| {
            let index = graph.number(row, &shape(&[]), NOWHERE);
            graph.add(Indexed::Lookup, vec![m, index], shape(&["B"]), NOWHERE)
        });
        passes("scatter", &|graph, _, v, _| {
            let index = graph.number(row, &shape(&[]), NOWHERE);
            graph.add(Indexed::Scatter, vec![v, index], shape(&["A", "B"]), NOWHERE)
        });
    }
}

/// `where(x > 0, log(w * x), b)` with guards at the entry of its branches, as the checker writes
/// it.
#[test]
fn a_branch_not_taken_gives_exactly_zero_even_where_it_is_nan() {
    use ndarray::{ArrayD, IxDyn};

    use super::super::{Feed, InitialState, Inputs, Params, Upstream, backward, bind, forward};

    let mut cell = hand::empty("Guarded", &["H"]);
    let x = hand::input(&mut cell, "x", &["H"]);
    let w = hand::param(&mut cell, "w", &["H"]);
    let b = hand::param(&mut cell, "b", &["H"]);
    let graph = &mut cell.step;
    let zero = graph.number(0.0, &shape(&["H"]), NOWHERE);
    let cond = hand::map(graph, Pointwise::Greater, &[x, zero]);
    let not = hand::map(graph, Pointwise::LessEqual, &[x, zero]);
    let guard = |graph: &mut Graph, cond, it| {
        graph.add(Gradient::Guard, vec![cond, it], shape(&["H"]), NOWHERE)
    };
    let (inner_w, inner_x) = (guard(graph, cond, w), guard(graph, cond, x));
    let other = guard(graph, not, b);
    let product = hand::map(graph, Pointwise::Mul, &[inner_w, inner_x]);
    let log = hand::map(graph, Pointwise::Log, &[product]);
    let y = hand::map(graph, Pointwise::Where, &[cond, log, other]);
    hand::output(&mut cell, "y", y);

    let bound = bind(&cell, hand::sizes(&[("H", 3)])).unwrap();
    let of = |values: [f64; 3]| ArrayD::from_shape_vec(IxDyn(&[3]), values.to_vec()).unwrap();
    let params = Params::new(vec![of([1.0, 2.0, 3.0]), of([5.0, 6.0, 7.0])]);
    // Zero gives log(0) = -inf with slope inf, -1 gives NaN; neither is taken.
    let x = of([4.0, 0.0, -1.0]).into_shape_with_order(IxDyn(&[1, 1, 3])).unwrap();
    let inputs = Inputs::new(vec![Some(Feed::Batch(x))]);
    let state = InitialState::declared(0);
    let call = super::super::Call {
        bound: &bound,
        params: &params,
        inputs: &inputs,
        state: &state,
        masks: &Masks::Eval,
    };
    let run = forward(call, &[]).unwrap();
    let y: Vec<f64> = run.outputs[0].iter().copied().collect();
    assert_eq!(y, [4f64.ln(), 6.0, 7.0]);
    let graphs = Graphs::new(bound.cell(), bound.env(), &[]).run(pipeline::PLAIN);
    let (_, adjoint) = graphs.training().unwrap();
    let all = backward(&run, &adjoint, &Upstream::ones(1, 0)).unwrap();
    let values =
        |it: &Option<ArrayD<f64>>| -> Vec<f64> { it.as_ref().unwrap().iter().copied().collect() };
    assert_eq!(values(&all.params[0]), [1.0, 0.0, 0.0]);
    assert_eq!(values(&all.params[1]), [0.0, 1.0, 1.0]);
    assert_eq!(values(&all.inputs[0]), [0.25, 0.0, 0.0]);
}
