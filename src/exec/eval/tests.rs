//! Each family of operators on small arrays.

use super::super::hand::NOWHERE;
use super::*;
use crate::ir::{Dim, Gradient, Leaf, Linearity, Shape};

fn shape_of(sizes: &[i64]) -> Shape {
    Shape(sizes.iter().map(|it| Dim::number(*it)).collect())
}

/// Applies one operator to arrays.
fn apply(op: Op, args: &[(&[i64], &[f64])], result: &[i64]) -> Vec<f64> {
    let mut graph = Graph::default();
    let leaves: Vec<NodeId> = (0..args.len())
        .map(|it| graph.add(Leaf::Input(it), Vec::new(), shape_of(args[it].0), NOWHERE))
        .collect();
    graph.add(op, leaves, shape_of(result), NOWHERE);
    let env = Env::default();
    let shapes = super::super::shapes(&graph, &env).unwrap();
    let values = eval::<f64>(&graph, &shapes, &env, &mut |id, _| {
        from_vec(&shapes[id.idx()], args[id.idx()].1.to_vec())
    });
    values.last().unwrap().iter().copied().collect()
}

const M: (&[i64], &[f64]) = (&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);

#[test]
fn contractions_sum_share_and_keep_axes_by_their_labels() {
    let labels = |left: &[u8], right: &[u8], result: &[u8]| {
        Op::Contract(Contract {
            left: left.to_vec(),
            right: right.to_vec(),
            result: result.to_vec(),
        })
    };
    let v: (&[i64], &[f64]) = (&[3], &[1.0, 10.0, 100.0]);
    assert_eq!(apply(labels(&[0, 1], &[1], &[0]), &[M, v], &[2]), [321.0, 654.0]);
    assert_eq!(apply(labels(&[1], &[0, 1], &[0]), &[v, M], &[2]), [321.0, 654.0]);
    // Outer product, with the axes in the other order.
    let w: (&[i64], &[f64]) = (&[2], &[1.0, -1.0]);
    assert_eq!(
        apply(labels(&[0], &[1], &[1, 0]), &[w, v], &[3, 2]),
        [1.0, -1.0, 10.0, -10.0, 100.0, -100.0]
    );
    // Shared first axis: a dot product per row.
    assert_eq!(apply(labels(&[0, 1], &[0, 1], &[0]), &[M, M], &[2]), [14.0, 77.0]);
    // Everything summed.
    assert_eq!(apply(labels(&[0, 1], &[0, 1], &[]), &[M, M], &[]), [91.0]);
    // A matrix product with a transposed result.
    let square: (&[i64], &[f64]) = (&[2, 2], &[0.0, 1.0, 1.0, 0.0]);
    assert_eq!(
        apply(labels(&[2, 0], &[0, 1], &[1, 2]), &[square, M], &[3, 2]),
        [4.0, 1.0, 5.0, 2.0, 6.0, 3.0]
    );
    // Nothing to sum gives zeros.
    let none: (&[i64], &[f64]) = (&[2, 0], &[]);
    assert_eq!(apply(labels(&[0, 1], &[1], &[0]), &[none, (&[0], &[])], &[2]), [0.0, 0.0]);
}

#[test]
fn reductions_work_along_any_axes() {
    let sum = |axes: &[usize], result: &[i64]| {
        apply(Op::Along(Along::Reduce(Reduction::Sum, axes.to_vec())), &[M], result)
    };
    assert_eq!(sum(&[0], &[3]), [5.0, 7.0, 9.0]);
    assert_eq!(sum(&[1], &[2]), [6.0, 15.0]);
    assert_eq!(sum(&[0, 1], &[]), [21.0]);
    let last = |reduction| apply(Op::Along(Along::Reduce(reduction, vec![1])), &[M], &[2]);
    assert_eq!(last(Reduction::Max), [3.0, 6.0]);
    assert_eq!(last(Reduction::Min), [1.0, 4.0]);
    assert_eq!(last(Reduction::Product), [6.0, 120.0]);
    assert_eq!(last(Reduction::Norm)[0], 14f64.sqrt());
    let far: (&[i64], &[f64]) = (&[2], &[1000.0, 1000.0]);
    let lse = |it| apply(Op::Along(Along::Reduce(Reduction::LogSumExp, vec![0])), &[it], &[])[0];
    assert_eq!(lse(far), 1000.0 + 2f64.ln());
    assert_eq!(lse((&[2], &[f64::NEG_INFINITY; 2])), f64::NEG_INFINITY);
    assert!(
        apply(Op::Along(Along::Reduce(Reduction::Max, vec![0])), &[(&[2], &[f64::NAN, 1.0])], &[])
            [0]
        .is_nan()
    );
}

#[test]
fn rows_are_replaced_along_any_axis() {
    let sums = |axis, reverse| apply(Op::Along(Along::CumSum { axis, reverse }), &[M], &[2, 3]);
    assert_eq!(sums(0, false), [1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
    assert_eq!(sums(1, true), [6.0, 5.0, 3.0, 15.0, 11.0, 6.0]);
    let zero: (&[i64], &[f64]) = (&[3], &[2.0, 0.0, 3.0]);
    assert_eq!(apply(Op::Along(Along::ProductOfOthers(vec![0])), &[zero], &[3]), [0.0, 6.0, 0.0]);
    assert_eq!(
        apply(Op::Along(Along::Softmax(vec![0])), &[(&[2], &[900.0, 900.0])], &[2]),
        [0.5, 0.5]
    );
    let column = apply(Op::Along(Along::Softmax(vec![0])), &[M], &[2, 3]);
    assert!((column[0] + column[3] - 1.0).abs() < 1e-15);
}

#[test]
fn elements_move_where_the_operator_says() {
    assert_eq!(
        apply(Op::Move(Move::Permute(vec![1, 0])), &[M], &[3, 2]),
        [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]
    );
    let slice = Op::Move(Move::Slice { axis: 1, from: Dim::number(1), to: Dim::number(3) });
    assert_eq!(apply(slice, &[M], &[2, 2]), [2.0, 3.0, 5.0, 6.0]);
    let pad = Op::Move(Move::Pad { axis: 0, before: Dim::number(1), after: Dim::number(0) });
    let v: (&[i64], &[f64]) = (&[2], &[7.0, 8.0]);
    assert_eq!(apply(pad, &[v], &[3]), [0.0, 7.0, 8.0]);
    assert_eq!(apply(Op::Move(Move::Concat(0)), &[v, (&[1], &[9.0])], &[3]), [7.0, 8.0, 9.0]);
    assert_eq!(apply(Op::Move(Move::Stack), &[v, v], &[2, 2]), [7.0, 8.0, 7.0, 8.0]);
    assert_eq!(apply(Op::Move(Move::Pick(Dim::number(1))), &[M], &[3]), [4.0, 5.0, 6.0]);
    assert_eq!(apply(Op::Move(Move::Place(Dim::number(1))), &[v], &[2, 2]), [0.0, 0.0, 7.0, 8.0]);
    let one: (&[i64], &[f64]) = (&[], &[1.0]);
    assert_eq!(apply(Op::Indexed(Indexed::Lookup), &[M, one], &[3]), [4.0, 5.0, 6.0]);
    assert_eq!(
        apply(Op::Indexed(Indexed::Scatter), &[v, one], &[3, 2]),
        [0.0, 0.0, 7.0, 8.0, 0.0, 0.0]
    );
    assert_eq!(apply(Op::Move(Move::Expand(vec![1])), &[v], &[2, 2]), [7.0, 8.0, 7.0, 8.0]);
    assert_eq!(apply(Op::Move(Move::Expand(vec![0])), &[v], &[2, 2]), [7.0, 7.0, 8.0, 8.0]);
    assert_eq!(apply(Op::Literal(Literal::Eye), &[], &[2, 2]), [1.0, 0.0, 0.0, 1.0]);
    assert_eq!(apply(Op::Literal(Literal::Iota), &[], &[3]), [0.0, 1.0, 2.0]);
    assert_eq!(apply(Op::Map(Pointwise::Where), &[one, one, one], &[]), [1.0]);
}

/// An operator, the shapes of its operands and that of its result.
type Sample = (Op, Vec<&'static [i64]>, Vec<i64>);

/// Operators with operands of these shapes: of each kind one, and every row of the table.
fn operators() -> Vec<Sample> {
    let (m, v, s): (&[i64], &[i64], &[i64]) = (&[2, 3], &[3], &[]);
    let labels = Contract { left: vec![0, 1], right: vec![1], result: vec![0] };
    let (from, to) = (Dim::number(1), Dim::number(3));
    let mut all: Vec<Sample> = vec![
        (labels.into(), vec![m, v], vec![2]),
        (Along::Softmax(vec![1]).into(), vec![m], m.to_vec()),
        (Along::CumSum { axis: 1, reverse: false }.into(), vec![m], m.to_vec()),
        (Along::CumSum { axis: 0, reverse: true }.into(), vec![m], m.to_vec()),
        (Along::ProductOfOthers(vec![1]).into(), vec![m], m.to_vec()),
        (Move::Expand(vec![1]).into(), vec![v], m.to_vec()),
        (Move::Permute(vec![1, 0]).into(), vec![m], vec![3, 2]),
        (Move::Permute(vec![0, 1]).into(), vec![m], m.to_vec()),
        (Move::Concat(0).into(), vec![m, m], vec![4, 3]),
        (Move::Stack.into(), vec![v, v], m.to_vec()),
        (Move::Slice { axis: 1, from: from.clone(), to }.into(), vec![m], vec![2, 2]),
        (Move::Pad { axis: 0, before: from.clone(), after: from.clone() }.into(), vec![v], vec![5]),
        (Move::Reshape.into(), vec![m], vec![6]),
        (Move::Pick(from.clone()).into(), vec![m], v.to_vec()),
        (Move::Place(from).into(), vec![v], m.to_vec()),
        (Indexed::Lookup.into(), vec![m, s], v.to_vec()),
        (Indexed::Scatter.into(), vec![v, s], m.to_vec()),
        (Gradient::Guard.into(), vec![v, v], v.to_vec()),
        (Gradient::Declared.into(), vec![v, v, v], v.to_vec()),
        (Gradient::StopGrad.into(), vec![v], v.to_vec()),
        (Gradient::ClipGrad(Const::Number(1.0)).into(), vec![v], v.to_vec()),
    ];
    for reduction in Reduction::ALL {
        all.push((Along::Reduce(reduction, vec![1]).into(), vec![m], vec![2]));
    }
    for op in Pointwise::ALL {
        all.push((Op::Map(*op), vec![v; op.arity()], v.to_vec()));
    }
    all
}

/// Numbers of both signs; a scalar is an index.
fn numbers(shape: &[i64], seed: usize) -> Vec<f64> {
    let count = shape.iter().product::<i64>() as usize;
    let number = |it: usize| ((it * 7 + seed * 5) % 11) as f64 * 0.7 - 2.95;
    if shape.is_empty() { vec![1.0] } else { (0..count).map(number).collect() }
}

/// Facts of operators against their values.
#[test]
fn what_is_called_linear_is_linear_and_what_hands_on_is_its_operand() {
    for (op, shapes, result) in operators() {
        let given = |seed: usize| -> Vec<Vec<f64>> {
            (shapes.iter().enumerate()).map(|(at, it)| numbers(it, seed * 3 + at)).collect()
        };
        let value = |args: &[Vec<f64>]| {
            let args: Vec<(&[i64], &[f64])> =
                shapes.iter().zip(args).map(|(shape, it)| (*shape, &it[..])).collect();
            apply(op.clone(), &args, &result)
        };
        let held = given(0);
        for position in op.hands_on().into_iter().chain(op.shares()) {
            assert_eq!(value(&held), held[position], "{op:?}");
        }
        for chosen in 1..1usize << shapes.len() {
            let varies: Vec<bool> = (0..shapes.len()).map(|it| chosen >> it & 1 == 1).collect();
            let at = |change: &dyn Fn(usize, usize) -> f64| {
                let mut args = held.clone();
                for (position, arg) in args.iter_mut().enumerate().filter(|it| varies[it.0]) {
                    arg.iter_mut().enumerate().for_each(|(at, it)| *it = change(position, at));
                }
                value(&args)
            };
            let (a, b) = (given(1), given(2));
            let sum = at(&|p, it| a[p][it] + b[p][it]);
            let (of_a, of_b) = (at(&|p, it| a[p][it]), at(&|p, it| b[p][it]));
            let of_none = at(&|_, _| 0.0);
            let near = |rest: f64| {
                (0..sum.len()).all(|it| {
                    let parts = of_a[it] + of_b[it] - rest * of_none[it];
                    (sum[it] - parts).abs() < 1e-9
                })
            };
            let found = match (near(0.0), near(1.0)) {
                (true, _) => Linearity::Linear,
                (false, true) => Linearity::Affine,
                (false, false) => Linearity::Nonlinear,
            };
            let told = op.linearity(&varies);
            // Rows of the table, and what does not matter at all, may be called less than they are.
            let may_be_less = matches!(op, Op::Map(_) | Op::Gradient(_));
            let sound = match told {
                Linearity::Linear => found == Linearity::Linear,
                Linearity::Affine => found != Linearity::Nonlinear,
                Linearity::Nonlinear => true,
            };
            assert!(
                sound && (may_be_less || told == found),
                "{op:?} {varies:?}: {told:?}, {found:?}"
            );
        }
    }
}
