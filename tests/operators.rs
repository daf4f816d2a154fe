//! Every row of the table of elementwise operators: slopes against central differences, ranges
//! against values. A new row is picked up by itself.

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{Value, eval, shapes};
use rnnc::ir::pointwise::{Interval, Row, Smooth, closed, table, write_slope};
use rnnc::ir::{Const, Env, Graph, Leaf, Node, NodeId, Op, Pointwise, Shape};
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
            let point = sample(&row, &mut numbers);
            if distance(&row, &point) < 1e-2 {
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
                        let slope = slope_at(&row, position, &point);
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
            let value: f64 = row.op.eval(&sample(&row, &mut numbers));
            assert!(value >= range.lo && value <= range.hi, "{:?}: {value} and {range:?}", row.op);
        }
    }
}

#[test]
fn both_number_types_agree() {
    let mut numbers = Numbers(4);
    for row in table() {
        for _ in 0..50 {
            let point = sample(&row, &mut numbers);
            if distance(&row, &point) < 1e-3 {
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
        let point = sample(&row, &mut numbers);
        let args = point.iter().map(|it| Const::Number(*it)).collect();
        assert_eq!(Const::Apply(row.op, args).as_number(), Some(row.op.eval(&point)));
    }
}
