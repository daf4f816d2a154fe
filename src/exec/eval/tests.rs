//! Each family of operators on small arrays.

use super::super::hand::NOWHERE;
use super::*;
use crate::ir::{Dim, Leaf, Shape};

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
