//! Every operator on random shapes against the interpreter, on every path that this processor has.

use ndarray::{ArrayD, IxDyn};

use super::*;
use crate::exec::eval::{Value, eval};
use crate::ir::{Const, Contract, Gradient, Graph, Leaf, Node, NodeId, Real, Shape};
use crate::text::Span;

/// A random stream.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let it = (self.0 ^ (self.0 >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it ^ (it >> 32)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.bits() >> 33) as usize % n
    }

    /// From -2 to 2.
    fn number(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32 * 4.0 - 2.0
    }

    fn size(&mut self) -> usize {
        [1, 2, 3, 7, 8, 16, 17, 33][self.below(8)]
    }

    /// A shape of a rank that is not too large.
    fn shape(&mut self, rank: usize) -> Vec<usize> {
        loop {
            let shape: Vec<usize> = (0..rank).map(|_| self.size()).collect();
            if shape.iter().product::<usize>() <= 6000 {
                return shape;
            }
        }
    }

    /// Some axes, ascending.
    fn axes(&mut self, rank: usize) -> Vec<usize> {
        (0..rank).filter(|_| self.below(2) == 0).collect()
    }

    fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        (1..n).for_each(|it| order.swap(it, self.below(it + 1)));
        order
    }
}

fn number(size: usize) -> Dim {
    Dim::number(size as i64)
}

fn of_shape(shape: &[usize]) -> Shape {
    Shape(shape.iter().map(|it| number(*it)).collect())
}

/// The rows of a run, and the elements between two of them.
const ROWS: usize = 5;
const GAP: usize = 3;

/// The value of elements that may not be written.
const UNTOUCHED: f32 = 12345.0;

/// Draws an element of an operand.
type Draw = dyn Fn(&mut Random, usize) -> f32;

/// An operator with the shapes of its operands and of its result.
struct Case {
    op: Op,
    args: Vec<Vec<usize>>,
    shape: Vec<usize>,
}

impl Case {
    fn new(op: Op, args: &[&[usize]], shape: &[usize]) -> Case {
        Case { op, args: args.iter().map(|it| it.to_vec()).collect(), shape: shape.to_vec() }
    }

    /// The graph of the operator alone.
    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        let mut push = |op: Op, args: Vec<NodeId>, shape: &[usize]| {
            let span = Span::default();
            graph.push(Node { op, args, shape: of_shape(shape), name: None, span })
        };
        let args = self
            .args
            .iter()
            .enumerate()
            .map(|(at, it)| push(Op::Leaf(Leaf::Input(at)), Vec::new(), it));
        let args = args.collect();
        push(self.op.clone(), args, &self.shape);
        graph
    }

    /// Computes the expected result with the interpreter, in f32 or f64.
    fn expected<F: Real>(&self, args: &[&[f32]]) -> Vec<F> {
        let graph = self.graph();
        let mut shapes = self.args.clone();
        shapes.push(self.shape.clone());
        let values = eval::<F>(&graph, &shapes, &Env::default(), &mut |id, _| -> Value<F> {
            let numbers = args[id.idx()].iter().map(|it| F::of(f64::from(*it))).collect();
            ArrayD::from_shape_vec(IxDyn(&shapes[id.idx()]), numbers).unwrap().into_shared()
        });
        values.last().unwrap().iter().copied().collect()
    }

    /// Runs it on rows with gaps, operand by operand the same for all rows or not, and compares each
    /// row with the interpreter's, and with itself run alone.
    fn check(&self, random: &mut Random, draw: &Draw, scale: f32) {
        let fixed: Vec<bool> = self.args.iter().map(|_| random.below(3) == 0).collect();
        let lens: Vec<usize> = self.args.iter().map(|it| it.iter().product()).collect();
        let n: usize = self.shape.iter().product();
        let data: Vec<Vec<f32>> = lens
            .iter()
            .enumerate()
            .map(|(arg, len)| (0..ROWS * (len + GAP) - GAP).map(|_| draw(random, arg)).collect())
            .collect();
        let row_of = |arg: usize| if fixed[arg] { 0 } else { lens[arg] + GAP };
        let shapes: Vec<&[usize]> = self.args.iter().map(Vec::as_slice).collect();
        let env = Env::default();
        let op = RowOp::new(&self.op, &env, &shapes, &self.shape).unwrap();
        // In f32 it says what is not finite, in f64 what a long sum is.
        let expected: Vec<(Vec<f32>, Vec<f64>)> = (0..ROWS)
            .map(|row| {
                let of = |arg: usize| &data[arg][row * row_of(arg)..][..lens[arg]];
                let args: Vec<&[f32]> = (0..lens.len()).map(of).collect();
                (self.expected(&args), self.expected(&args))
            })
            .collect();
        for path in Path::available() {
            let run = |first: usize, rows: usize| {
                let mut result = vec![UNTOUCHED; ROWS * (n + GAP) + GAP];
                let mut scratch = vec![f32::NAN; op.scratch() + GAP];
                let args: Vec<RawRows> = (0..lens.len())
                    .map(|arg| {
                        let row = row_of(arg);
                        // Each operand in memory that ends with it.
                        RawRows { at: data[arg][first * row..].as_ptr(), row }
                    })
                    .collect();
                let to =
                    RawResults { at: result[GAP + first * (n + GAP)..].as_mut_ptr(), row: n + GAP };
                // SAFETY: operands and result have so many rows, and the path is available.
                unsafe { op.run(path, rows, &args, to, scratch.as_mut_ptr()) };
                let beyond = &scratch[op.scratch()..];
                assert!(beyond.iter().all(|it| it.is_nan()), "{path:?} {self}: scratch");
                result
            };
            let all = run(0, ROWS);
            for (row, (single, double)) in expected.iter().enumerate() {
                let begin = GAP + row * (n + GAP);
                let actual = &all[begin..begin + n];
                assert!(
                    all[begin - GAP..begin].iter().all(|it| *it == UNTOUCHED),
                    "{path:?} {self}"
                );
                let alone = run(row, 1);
                for (at, actual) in actual.iter().enumerate() {
                    let (single, double) = (single[at], double[at]);
                    let close = if single.is_finite() {
                        let wrong = (f64::from(*actual) - double).abs();
                        *actual == single || wrong <= 1e-6 * f64::from(scale).max(double.abs())
                    } else {
                        *actual == single || (actual.is_nan() && single.is_nan())
                    };
                    assert!(close, "{path:?} {self}, row {row}, {at}: {actual} and {single}");
                    let alone = alone[begin + at];
                    assert_eq!(actual.to_bits(), alone.to_bits(), "{path:?} {self}: {row} alone");
                }
                let outside = alone[..begin].iter().chain(&alone[begin + n..]);
                assert!(
                    outside.copied().all(|it| it == UNTOUCHED),
                    "{path:?} {self}: written beyond"
                );
            }
        }
    }

    /// With elements in any order.
    fn plain(&self, random: &mut Random) {
        self.check(random, &|random, _| random.number(), 1.0);
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {:?} to {:?}", self.op, self.args, self.shape)
    }
}

const REDUCTIONS: [Reduction; 6] = [
    Reduction::Sum,
    Reduction::Max,
    Reduction::Min,
    Reduction::Product,
    Reduction::Norm,
    Reduction::LogSumExp,
];

fn without(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    let kept = shape.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    kept.map(|(_, size)| *size).collect()
}

#[test]
fn elements_are_moved_where_they_belong() {
    let mut random = Random(1);
    for round in 0..150 {
        let r = &mut random;
        let shape = r.shape(round % 5);
        let rank = shape.len();
        let n: usize = shape.iter().product();
        let order = r.order(rank);
        let permuted: Vec<usize> = order.iter().map(|it| shape[*it]).collect();
        Case::new(Op::Move(Move::Permute(order)), &[&shape], &permuted).plain(r);
        let places = r.axes(rank);
        let part: Vec<usize> = places.iter().map(|it| shape[*it]).collect();
        Case::new(Op::Move(Move::Expand(places)), &[&part], &shape).plain(r);
        Case::new(Op::Move(Move::Reshape), &[&shape], &[n]).plain(r);
        Case::new(Op::Gradient(Gradient::StopGrad), &[&shape], &shape).plain(r);
        Case::new(Op::Gradient(Gradient::ClipGrad(Const::Number(1.0))), &[&shape], &shape).plain(r);
        Case::new(Op::Gradient(Gradient::Guard), &[&shape, &shape], &shape).plain(r);
        Case::new(Op::Gradient(Gradient::Declared), &[&shape, &shape, &shape], &shape).plain(r);
        let mut stacked = vec![3];
        stacked.extend(&shape);
        Case::new(Op::Move(Move::Stack), &[&shape, &shape, &shape], &stacked).plain(r);
        let index = r.below(3);
        Case::new(Op::Move(Move::Place(number(index))), &[&shape], &stacked).plain(r);
        Case::new(Op::Move(Move::Pick(number(index))), &[&stacked], &shape).plain(r);
        if rank == 0 {
            continue;
        }
        let axis = r.below(rank);
        let resized = |size: usize| {
            let mut shape = shape.clone();
            shape[axis] = size;
            shape
        };
        let sizes = [r.size(), r.below(3), r.size()];
        let parts = sizes.map(resized);
        let parts: Vec<&[usize]> = parts.iter().map(Vec::as_slice).collect();
        Case::new(Op::Move(Move::Concat(axis)), &parts, &resized(sizes.iter().sum())).plain(r);
        let (before, after) = (r.below(4), r.below(4));
        let padded = resized(shape[axis] + before + after);
        let (before, to) = (number(before), number(before + shape[axis]));
        let slice = Op::Move(Move::Slice { axis, from: before.clone(), to });
        Case::new(slice, &[&padded], &shape).plain(r);
        let pad = Op::Move(Move::Pad { axis, before, after: number(after) });
        Case::new(pad, &[&shape], &padded).plain(r);
    }
}

#[test]
fn tiles_of_all_sizes_are_turned_over() {
    let mut random = Random(2);
    for n in [1, 7, 16, 17, 31, 32, 50] {
        for m in [2, 8, 16, 33, 64] {
            Case::new(Op::Move(Move::Permute(vec![1, 0])), &[&[n, m]], &[m, n]).plain(&mut random);
            Case::new(Op::Move(Move::Permute(vec![1, 0, 2])), &[&[n, m, 2]], &[m, n, 2])
                .plain(&mut random);
            Case::new(Op::Move(Move::Permute(vec![2, 1, 0])), &[&[n, 2, m]], &[m, 2, n])
                .plain(&mut random);
        }
    }
}

#[test]
fn rows_are_found_by_their_index_and_none_by_any_other() {
    let mut random = Random(3);
    for round in 0..60 {
        let r = &mut random;
        let shape = r.shape(round % 4);
        let rows = r.size();
        let mut whole = vec![rows];
        whole.extend(&shape);
        // The index is the second operand.
        let draw = move |r: &mut Random, arg: usize| match (arg, r.below(8)) {
            (1, 0) => [f32::NAN, -1.0, 0.5, rows as f32, f32::INFINITY, -0.0][r.below(6)],
            (1, _) => r.below(rows) as f32,
            (_, _) => r.number(),
        };
        Case::new(Op::Indexed(ir::Indexed::Lookup), &[&whole, &[]], &shape).check(r, &draw, 1.0);
        Case::new(Op::Indexed(ir::Indexed::Scatter), &[&shape, &[]], &whole).check(r, &draw, 1.0);
    }
}

#[test]
fn lines_become_one_number() {
    let mut random = Random(4);
    for round in 0..200 {
        let r = &mut random;
        let shape = r.shape(round % 5);
        let axes = r.axes(shape.len());
        let len: usize = axes.iter().map(|it| shape[*it]).product();
        for reduction in REDUCTIONS {
            let case = Case::new(
                Op::Along(ir::Along::Reduce(reduction, axes.clone())),
                &[&shape],
                &without(&shape, &axes),
            );
            // A product has a rounding for each factor; factors near 1 keep it within the range.
            let product = reduction == Reduction::Product;
            let draw = move |r: &mut Random, _| {
                if product { 1.0 + r.number() / 64.0 } else { r.number() }
            };
            let scale = (len as f32).sqrt().max(1.0);
            case.check(r, &draw, if product { scale * 4.0 } else { scale });
        }
    }
}

#[test]
fn lines_become_other_lines() {
    let mut random = Random(5);
    for round in 0..200 {
        let r = &mut random;
        let shape = r.shape(round % 5);
        let axes = r.axes(shape.len());
        Case::new(Op::Along(ir::Along::Softmax(axes.clone())), &[&shape], &shape).plain(r);
        let near_one = |r: &mut Random, _: usize| 1.0 + r.number() / 64.0;
        Case::new(Op::Along(ir::Along::ProductOfOthers(axes)), &[&shape], &shape)
            .check(r, &near_one, 1.0);
        if !shape.is_empty() {
            let axis = r.below(shape.len());
            for reverse in [false, true] {
                Case::new(Op::Along(ir::Along::CumSum { axis, reverse }), &[&shape], &shape)
                    .plain(r);
            }
        }
    }
}

#[test]
fn what_is_special_stays_special_in_lines() {
    let mut random = Random(6);
    let draw = |r: &mut Random, _: usize| match r.below(12) {
        0 => [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 2e19, 0.0][r.below(5)],
        1 | 2 => f32::NEG_INFINITY,
        _ => r.number() * 50.0,
    };
    let no_numbers = |_: &mut Random, _: usize| f32::NEG_INFINITY;
    for _ in 0..40 {
        let r = &mut random;
        for (shape, axes) in [
            (vec![33, 3], vec![1]),
            (vec![3, 33], vec![0]),
            (vec![5, 20], vec![1]),
            (vec![90], vec![0]),
        ] {
            let kept = without(&shape, &axes);
            let all: [&Draw; 2] = [&draw, &no_numbers];
            for draw in all {
                for reduction in REDUCTIONS {
                    // Whether a product overflows is decided by its order.
                    if reduction != Reduction::Product {
                        let op = Op::Along(ir::Along::Reduce(reduction, axes.clone()));
                        Case::new(op, &[&shape], &kept).check(r, draw, 1e3);
                    }
                }
                Case::new(Op::Along(ir::Along::Softmax(axes.clone())), &[&shape], &shape)
                    .check(r, draw, 1.0);
            }
            let zeros = |r: &mut Random, _: usize| if r.below(9) == 0 { 0.0 } else { 1.0 };
            Case::new(Op::Along(ir::Along::ProductOfOthers(axes)), &[&shape], &shape)
                .check(r, &zeros, 1.0);
        }
    }
}

#[test]
fn axes_without_elements() {
    let r = &mut Random(7);
    for axes in [vec![], vec![0], vec![1], vec![2], vec![0, 2], vec![1, 2], vec![0, 1, 2]] {
        for shape in [[3, 0, 2], [0, 4, 2], [3, 4, 0]] {
            for reduction in REDUCTIONS {
                let op = Op::Along(ir::Along::Reduce(reduction, axes.clone()));
                Case::new(op, &[&shape], &without(&shape, &axes)).plain(r);
            }
            Case::new(Op::Along(ir::Along::Softmax(axes.clone())), &[&shape], &shape).plain(r);
            Case::new(Op::Along(ir::Along::ProductOfOthers(axes.clone())), &[&shape], &shape)
                .plain(r);
            let permuted = [shape[2], shape[0], shape[1]];
            Case::new(Op::Move(Move::Permute(vec![2, 0, 1])), &[&shape], &permuted).plain(r);
        }
    }
    Case::new(contraction(&[0, 1], &[1], &[0]), &[&[4, 0], &[0]], &[4]).plain(r);
    Case::new(contraction(&[0, 1], &[1], &[0]), &[&[0, 4], &[4]], &[0]).plain(r);
    Case::new(contraction(&[0], &[0], &[]), &[&[0], &[0]], &[]).plain(r);
    Case::new(Op::Indexed(ir::Indexed::Lookup), &[&[0, 3], &[]], &[3]).check(r, &|_, _| 0.0, 1.0);
    Case::new(Op::Indexed(ir::Indexed::Scatter), &[&[3], &[]], &[0, 3]).check(r, &|_, _| 0.0, 1.0);
}

fn contraction(left: &[u8], right: &[u8], result: &[u8]) -> Op {
    Op::Contract(Contract { left: left.to_vec(), right: right.to_vec(), result: result.to_vec() })
}

/// A contraction of these sizes for its labels.
fn contract(r: &mut Random, labels: [&[u8]; 3], sizes: &[usize]) {
    let [left, right, result] = labels.map(|labels| {
        let sizes = labels.iter().map(|it| sizes[usize::from(*it)]);
        sizes.collect::<Vec<usize>>()
    });
    let summed = labels[0].iter().filter(|it| !labels[2].contains(it));
    let terms: usize = summed.map(|it| sizes[usize::from(*it)]).product();
    let terms = terms as f32;
    // Roundings of the sums along the way, which may be larger than the last one.
    let scale = terms.sqrt() * 4.0;
    let op = contraction(labels[0], labels[1], labels[2]);
    Case::new(op, &[&left, &right], &result).check(r, &|r, _| r.number(), scale);
}

#[test]
fn contractions_of_any_labels() {
    let mut random = Random(8);
    for _ in 0..600 {
        let r = &mut random;
        let count = 1 + r.below(5);
        let sizes = loop {
            let sizes: Vec<usize> = (0..count).map(|_| r.size()).collect();
            if sizes.iter().product::<usize>() <= 20_000 {
                break sizes;
            }
        };
        // For each label whether it is in both operands and the result, or in two of the three.
        let classes: Vec<usize> = (0..count).map(|_| r.below(4)).collect();
        let mut of = |absent: usize| {
            let order = r.order(count);
            let labels = order.into_iter().filter(|it| classes[*it] != absent);
            labels.map(|it| it as u8).collect::<Vec<u8>>()
        };
        let (left, right, result) = (of(0), of(1), of(2));
        contract(r, [&left, &right, &result], &sizes);
    }
}

#[test]
fn contractions_that_cells_have() {
    let mut random = Random(9);
    let r = &mut random;
    for n in [1, 2, 5, 16, 31, 48, 64, 70, 128] {
        for m in [1, 3, 16, 33, 64, 100] {
            contract(r, [&[0], &[1], &[0, 1]], &[n, m]);
            contract(r, [&[0], &[1], &[1, 0]], &[n, m]);
            contract(r, [&[0, 1], &[1], &[0]], &[n, m]);
            contract(r, [&[0], &[0, 1], &[1]], &[n, m]);
            contract(r, [&[0, 1], &[0, 1], &[]], &[n, m]);
            contract(r, [&[0, 1], &[1, 0], &[]], &[n, m]);
            contract(r, [&[0, 1], &[0, 1], &[0]], &[n, m]);
            contract(r, [&[0, 1], &[0, 1], &[1]], &[n, m]);
            for k in [1, 4, 17] {
                contract(r, [&[0, 1], &[1, 2], &[0, 2]], &[n, k, m]);
                contract(r, [&[0, 1], &[2, 1], &[0, 2]], &[n, k, m]);
                contract(r, [&[1, 0], &[1, 2], &[0, 2]], &[n, k, m]);
                contract(r, [&[1, 0], &[2, 1], &[2, 0]], &[n, k, m]);
                contract(r, [&[0, 1, 2], &[0, 2], &[0, 1]], &[k, n, m]);
                contract(r, [&[0, 1, 2], &[0, 1], &[0, 2]], &[k, n, m]);
                contract(r, [&[0, 1], &[0, 2], &[0, 1, 2]], &[k, n, m]);
            }
        }
    }
}
