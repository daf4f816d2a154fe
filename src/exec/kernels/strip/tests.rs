//! Strips against the table of operators, on every path that this processor has.
//!
//! Nothing may be written between and beyond the rows, which the tests see, nor read there or before
//! it is written, which valgrind sees on the path that it can follow. With the test program of
//! `cargo test --lib --no-run`:
//! `PORTABLE=1 valgrind --error-exitcode=1 target/debug/deps/rnnc-<hash> kernels::strip`.

use super::super::tests::numbers;
use super::super::*;
use super::Step;
use crate::ir::{Pointwise, pointwise};

/// The paths to test: the portable one alone where valgrind, which knows no AVX-512, is asked for.
fn paths() -> Vec<Path> {
    match std::env::var_os("PORTABLE") {
        Some(_) => vec![Path::Portable],
        None => Path::available(),
    }
}

const FUSED: [LaneOp; 17] = [
    LaneOp::MultiplyAdd,
    LaneOp::MultiplySubtract,
    LaneOp::SubtractProduct,
    LaneOp::SumOfProducts,
    LaneOp::DifferenceOfProducts,
    LaneOp::Mix,
    LaneOp::Toward,
    LaneOp::Sum,
    LaneOp::SigmoidSlope,
    LaneOp::TanhSlope,
    LaneOp::SigmoidSlopeOfProduct,
    LaneOp::TanhSlopeOfProduct,
    LaneOp::SigmoidOfSum,
    LaneOp::SigmoidOfSum3,
    LaneOp::TanhOfSum,
    LaneOp::TanhOfSum3,
    LaneOp::TimesTanh,
];

fn operators() -> impl Iterator<Item = LaneOp> {
    Pointwise::ALL.iter().map(|it| LaneOp::Map(*it)).chain(FUSED)
}

/// Computes an operator by the table.
fn value(op: LaneOp, args: &[f64]) -> f64 {
    let sigmoid = |x: f64| Pointwise::Sigmoid.eval(&[x]);
    match (op, args) {
        (LaneOp::Map(op), args) => op.eval(args),
        (LaneOp::MultiplyAdd, &[a, b, c]) => a * b + c,
        (LaneOp::MultiplySubtract, &[a, b, c]) => a * b - c,
        (LaneOp::SubtractProduct, &[a, b, c]) => c - a * b,
        (LaneOp::SumOfProducts, &[a, b, c, d]) => a * b + c * d,
        (LaneOp::DifferenceOfProducts, &[a, b, c, d]) => a * b - c * d,
        (LaneOp::Mix, &[a, b, c]) => a * b + (1.0 - a) * c,
        (LaneOp::Toward, &[a, b, c]) => a + b * (c - a),
        (LaneOp::Sum, &[a, b, c]) => a + b + c,
        (LaneOp::SigmoidSlope, &[a, b]) => a * b * (1.0 - b),
        (LaneOp::TanhSlope, &[a, b]) => a * (1.0 - b * b),
        (LaneOp::SigmoidSlopeOfProduct, &[a, b, c]) => a * b * c * (1.0 - c),
        (LaneOp::TanhSlopeOfProduct, &[a, b, c]) => a * b * (1.0 - c * c),
        (LaneOp::SigmoidOfSum, &[a, b]) => sigmoid(a + b),
        (LaneOp::SigmoidOfSum3, &[a, b, c]) => sigmoid(a + b + c),
        (LaneOp::TanhOfSum, &[a, b]) => (a + b).tanh(),
        (LaneOp::TanhOfSum3, &[a, b, c]) => (a + b + c).tanh(),
        (LaneOp::TimesTanh, &[a, b]) => a * b.tanh(),
        (op, args) => unreachable!("{op:?} of {args:?}"),
    }
}

/// The value of elements that may not be written.
const GUARD: f32 = f32::from_bits(0x7fc1_2345);

/// One operator over streams of all kinds, with gaps between rows, and an element of guard around.
fn operator(path: Path, op: LaneOp, (rows, outer, inner): (usize, usize, usize), kinds: usize) {
    let mut data = vec![GUARD];
    let mut streams = Vec::new();
    for idx in 0..op.arity() {
        let (lo, hi) = match op {
            LaneOp::Map(op) => {
                pointwise::table().iter().find(|it| it.op == op).unwrap().sample[idx]
            }
            _ => (-2.0, 2.0),
        };
        // As the bits say, a stream has one value for each outer index, or the same for all.
        let (kind, width, step) = match kinds >> (2 * idx) & 3 {
            0 | 3 => (Kind::Each, outer * inner, inner),
            1 => (Kind::PerOuter, outer, 1),
            _ => (Kind::Each, inner, 0),
        };
        let row = width + idx;
        let first = data.len();
        streams.push(Stream { first, row, outer: step, kind });
        data.resize(first + rows * row + 1, GUARD);
        for (at, it) in numbers(rows * width, idx as u32 + 7).into_iter().enumerate() {
            let unit = (f64::from(it) + 2.0) / 4.0;
            data[first + at / width * row + at % width] = (lo + unit * (hi - lo)) as f32;
        }
    }
    let (first, row) = (data.len(), outer * (inner + 1) + 2);
    data.resize(first + rows * row + 1, GUARD);
    streams.push(Stream { first, row, outer: inner + 1, kind: Kind::Each });
    let args: Vec<Operand> = (0..op.arity() as u16).map(Operand::Stream).collect();
    let instruction = Instruction::new(op, &args, Target::Stream(op.arity() as u16));
    let strip = Strip::new(vec![instruction], streams.len() as u16).unwrap();
    let before = data.clone();
    strip.run_within(path, (rows, outer, inner), (0, inner), &mut data, &streams);
    let mut expected = before.clone();
    for (row, out) in (0..rows).flat_map(|row| (0..outer).map(move |out| (row, out))) {
        for at in 0..inner {
            let place = |it: &Stream| {
                let at = if it.kind == Kind::Each { at } else { 0 };
                it.first + row * it.row + out * it.outer + at
            };
            let given: Vec<f64> =
                streams[..op.arity()].iter().map(|it| f64::from(before[place(it)])).collect();
            let (exact, to) = (value(op, &given), place(&streams[op.arity()]));
            let actual = f64::from(data[to]);
            // Compound forms round several times, what they cancel too.
            let largest = given.iter().fold(exact.abs(), |it, x| it.max(x.abs()));
            let fused = if matches!(op, LaneOp::Map(_)) { 1.0 } else { 4.0 };
            let unit = f64::from(f32::EPSILON) * largest * fused;
            assert!(
                (actual - exact).abs() <= 4.0 * unit,
                "{path:?} {op:?} {rows}x{outer}x{inner}: of {given:?} {actual}, expected {exact}"
            );
            expected[to] = data[to];
        }
    }
    let bits = |it: &[f32]| it.iter().map(|it| it.to_bits()).collect::<Vec<u32>>();
    assert!(bits(&data) == bits(&expected), "{path:?} {op:?} {inner}: written beyond the ends");
}

#[test]
fn every_operator_with_every_tail() {
    for path in paths() {
        for op in operators() {
            for n in 1..=33 {
                operator(path, op, (2, 1, n), 0);
            }
        }
    }
}

#[test]
fn streams_of_all_kinds() {
    for path in paths() {
        for op in operators() {
            for kinds in [0b01, 0b10, 0b0100, 0b1001, 0b01_00_01, 0b01_10_01_10] {
                operator(path, op, (3, 5, 7), kinds);
            }
        }
    }
}

#[test]
fn sizes_of_all_shapes_of_blocks() {
    let sizes = [
        (1, 1, 255),
        (1, 1, 513),
        (2, 1, 1031),
        (300, 1, 1),
        (70, 1, 20),
        (67, 1, 32),
        (3, 64, 64),
        (2, 200, 5),
        (40, 3, 16),
        (5, 4, 130),
    ];
    let ops = [LaneOp::Map(Pointwise::Tanh), LaneOp::MultiplyAdd, LaneOp::Map(Pointwise::Sub)];
    for path in paths() {
        for size in sizes {
            for op in ops {
                for kinds in [0, 0b0110, 0b1001] {
                    operator(path, op, size, kinds);
                }
            }
        }
    }
}

/// A longer list: registers, literals, a stream that is written and read again.
fn cell() -> Strip {
    let map = |op, args: &[Operand], to| Instruction::new(LaneOp::Map(op), args, to);
    let (x, h, bias) = (Operand::Stream(0), Operand::Stream(1), Operand::Stream(2));
    let register = Operand::Register;
    let list = vec![
        map(Pointwise::Add, &[x, bias], Target::Register(0)),
        map(Pointwise::Sigmoid, &[register(0)], Target::Register(1)),
        map(Pointwise::Mul, &[register(1), h], Target::Register(2)),
        map(Pointwise::Sub, &[Operand::Number(1.0), register(1)], Target::Register(3)),
        map(Pointwise::Tanh, &[register(0)], Target::Stream(3)),
        map(Pointwise::Mul, &[Operand::Stream(3), register(3)], Target::Register(0)),
        map(Pointwise::Add, &[register(2), register(0)], Target::Stream(1)),
    ];
    Strip::new(list, 4).unwrap()
}

#[test]
fn divided_among_calls_the_bits_are_the_same() {
    let (rows, outer, inner) = (5, 3, 100);
    let n = rows * outer * inner;
    let strip = cell();
    let each = |first| Stream { first, row: outer * inner, outer: inner, kind: Kind::Each };
    let bias = Stream { first: 3 * n, row: outer, outer: 1, kind: Kind::PerOuter };
    let streams = [each(0), each(n), bias, each(2 * n)];
    for path in paths() {
        for strip in [&strip, &strip.fused(&[])] {
            let mut whole = numbers(3 * n + rows * outer, 3);
            let start = whole.clone();
            strip.run_within(path, (rows, outer, inner), (0, inner), &mut whole, &streams);
            let mut parts = start.clone();
            for row in 0..rows {
                let shifted = streams.map(|it| Stream { first: it.first + row * it.row, ..it });
                for lanes in [(48, 100), (0, 16), (16, 48)] {
                    strip.run_within(path, (1, outer, inner), lanes, &mut parts, &shifted);
                }
            }
            assert_eq!(whole, parts, "{path:?}");
        }
    }
}

#[test]
fn what_is_special_stays_special() {
    let given =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-42, -1e-42, 90.0, -110.0];
    let others = [1.0, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::NAN];
    for path in paths() {
        for op in Pointwise::ALL.iter().copied().filter(|it| it.arity() < 3) {
            for other in others {
                let mut data = given.to_vec();
                data.extend([0.5; 9]);
                let args = [Operand::Stream(0), Operand::Number(other)];
                let args = &args[..op.arity()];
                let instruction = Instruction::new(LaneOp::Map(op), args, Target::Stream(1));
                let strip = Strip::new(vec![instruction], 2).unwrap();
                let streams =
                    [0, 9].map(|first| Stream { first, row: 9, outer: 9, kind: Kind::Each });
                strip.run_within(path, (1, 1, 9), (0, 9), &mut data, &streams);
                for (x, y) in given.iter().zip(&data[9..]) {
                    let expected: f32 = op.eval(&[*x, other][..op.arity()]);
                    let same = (*y == expected
                        && y.is_sign_negative() == expected.is_sign_negative())
                        || (y.is_nan() && expected.is_nan())
                        || (expected != 0.0
                            && (y - expected).abs() <= 3.0 * f32::EPSILON * expected.abs())
                        || (expected != 0.0 && (y - expected).abs() <= f32::from_bits(2));
                    assert!(same, "{path:?} {op:?} of {x} and {other}: {y}, expected {expected}");
                }
            }
        }
    }
}

/// Wide ranges, where reductions have most to do.
#[test]
fn functions_of_large_and_small_arguments() {
    type Exact = fn(f64) -> f64;
    let table: [(Pointwise, Exact); 6] = [
        (Pointwise::Sin, f64::sin),
        (Pointwise::Cos, f64::cos),
        (Pointwise::Expm1, f64::exp_m1),
        (Pointwise::Log1p, f64::ln_1p),
        (Pointwise::Erf, libm::erf),
        (Pointwise::Gelu, |x| Pointwise::Gelu.eval(&[x])),
    ];
    let n = 8000;
    let mut given: Vec<f32> = (0..n).map(|it| (it as f32 / 200.0 - 20.0).exp()).collect();
    given.extend((0..n).map(|it| -(it as f32 / 400.0 - 16.0).exp()));
    let n = given.len();
    for path in paths() {
        for (op, exact) in table {
            let mut data = given.clone();
            data.extend(vec![0.0; n]);
            let args = &[Operand::Stream(0)];
            let instruction = Instruction::new(LaneOp::Map(op), args, Target::Stream(1));
            let strip = Strip::new(vec![instruction], 2).unwrap();
            let streams = [0, n].map(|first| Stream { first, row: n, outer: n, kind: Kind::Each });
            strip.run_within(path, (1, 1, n), (0, n), &mut data, &streams);
            for (x, y) in given.iter().zip(&data[n..]) {
                let exact = exact(f64::from(*x));
                // One minus what is nearly one is as good as its larger part.
                let part = if op == Pointwise::Gelu { f64::from(x.abs()) } else { 0.0 };
                let unit = f64::from(f32::EPSILON) * exact.abs().max(part);
                let good = (exact.is_nan() && y.is_nan())
                    || f64::from(*y) == exact as f32 as f64
                    || (f64::from(*y) - exact).abs() <= 3.0 * unit;
                assert!(good, "{path:?} {op:?} of {x}: {y}, expected {exact}");
            }
        }
    }
}

#[test]
fn faults_are_found() {
    let to = Target::Stream(1);
    let tanh = LaneOp::Map(Pointwise::Tanh);
    let strip = |arg, to, streams| Strip::new(vec![Instruction::new(tanh, &[arg], to)], streams);
    assert!(strip(Operand::Stream(0), to, 2).is_some());
    assert!(strip(Operand::Register(0), to, 2).is_none());
    assert!(strip(Operand::Stream(0), to, 1).is_none());
    assert!(strip(Operand::Stream(2), to, 2).is_none());
    let register = |idx| strip(Operand::Stream(0), Target::Register(idx), 1);
    assert!(register(MOST_REGISTERS as u16 - 1).is_some());
    assert!(register(MOST_REGISTERS as u16).is_none());
    assert!(std::mem::size_of::<Step>() <= 64);
}

/// An operator, its operands and the stream that it writes, if any.
type Line<'a> = (Pointwise, &'a [Operand], Option<u16>);

/// Instructions in one line each: an operator and its operands; each result goes to the register of
/// its position, but to the stream that is given with it.
fn list(lines: &[Line<'_>]) -> Strip {
    let instruction = |(at, (op, args, to)): (usize, &Line<'_>)| {
        let to = to.map_or(Target::Register(at as u16), Target::Stream);
        Instruction::new(LaneOp::Map(*op), args, to)
    };
    Strip::new(lines.iter().enumerate().map(instruction).collect(), 9).unwrap()
}

#[test]
fn fusions_happen() {
    use Operand::{Number, Register as R, Stream as S};
    use Pointwise::{Add, Mul, Sigmoid, Square, Sub, Tanh};
    let out = Some(8);
    let cases: [(&[Line<'_>], &[LaneOp]); 19] = [
        (&[(Mul, &[S(0), S(1)], None), (Add, &[S(2), R(0)], out)], &[LaneOp::MultiplyAdd]),
        (&[(Square, &[S(0)], None), (Add, &[S(2), R(0)], out)], &[LaneOp::MultiplyAdd]),
        (&[(Mul, &[S(0), S(1)], None), (Sub, &[R(0), S(2)], out)], &[LaneOp::MultiplySubtract]),
        (&[(Mul, &[S(0), S(1)], None), (Sub, &[S(2), R(0)], out)], &[LaneOp::SubtractProduct]),
        (
            &[(Mul, &[S(0), S(1)], None), (Mul, &[S(2), S(3)], None), (Add, &[R(0), R(1)], out)],
            &[LaneOp::SumOfProducts],
        ),
        (
            &[(Mul, &[S(0), S(1)], None), (Mul, &[S(2), S(3)], None), (Sub, &[R(0), R(1)], out)],
            &[LaneOp::DifferenceOfProducts],
        ),
        (
            &[
                (Sub, &[Number(1.0), S(0)], None),
                (Mul, &[R(0), S(1)], None),
                (Mul, &[S(0), S(2)], None),
                (Add, &[R(1), R(2)], out),
            ],
            &[LaneOp::Mix],
        ),
        (
            &[(Sub, &[S(1), S(0)], None), (Mul, &[R(0), S(2)], None), (Add, &[S(0), R(1)], out)],
            &[LaneOp::Toward],
        ),
        (
            &[
                (Mul, &[S(0), S(1)], None),
                (Sub, &[Number(1.0), S(1)], None),
                (Mul, &[R(0), R(1)], out),
            ],
            &[LaneOp::SigmoidSlope],
        ),
        (
            &[
                (Sub, &[Number(1.0), S(1)], None),
                (Mul, &[S(1), R(0)], None),
                (Mul, &[S(0), R(1)], out),
            ],
            &[LaneOp::SigmoidSlope],
        ),
        (
            &[
                (Square, &[S(1)], None),
                (Sub, &[Number(1.0), R(0)], None),
                (Mul, &[S(0), R(1)], out),
            ],
            &[LaneOp::TanhSlope],
        ),
        (
            &[
                (Mul, &[S(0), S(2)], None),
                (Mul, &[R(0), S(1)], None),
                (Sub, &[Number(1.0), S(1)], None),
                (Mul, &[R(1), R(2)], out),
            ],
            &[LaneOp::SigmoidSlopeOfProduct],
        ),
        (
            &[
                (Mul, &[S(0), S(2)], None),
                (Square, &[S(1)], None),
                (Sub, &[Number(1.0), R(1)], None),
                (Mul, &[R(0), R(2)], out),
            ],
            &[LaneOp::TanhSlopeOfProduct],
        ),
        (&[(Add, &[S(0), S(1)], None), (Sigmoid, &[R(0)], out)], &[LaneOp::SigmoidOfSum]),
        (&[(Add, &[S(0), S(1)], None), (Tanh, &[R(0)], out)], &[LaneOp::TanhOfSum]),
        (
            &[(Add, &[S(0), S(1)], None), (Add, &[S(2), R(0)], None), (Sigmoid, &[R(1)], out)],
            &[LaneOp::SigmoidOfSum3],
        ),
        (
            &[(Add, &[S(0), S(1)], None), (Add, &[S(2), R(0)], None), (Tanh, &[R(1)], out)],
            &[LaneOp::TanhOfSum3],
        ),
        (&[(Tanh, &[S(0)], None), (Mul, &[R(0), S(1)], out)], &[LaneOp::TimesTanh]),
        // What is read twice, or stored, stays.
        (
            &[(Mul, &[S(0), S(1)], None), (Add, &[S(2), R(0)], Some(7)), (Add, &[S(3), R(0)], out)],
            &[
                LaneOp::Map(Pointwise::Mul),
                LaneOp::Map(Pointwise::Add),
                LaneOp::Map(Pointwise::Add),
            ],
        ),
    ];
    for (lines, expected) in cases {
        let strip = list(lines);
        let fused = strip.fused(&[]);
        let ops: Vec<LaneOp> = fused.instructions().iter().map(|it| it.op).collect();
        assert_eq!(ops, expected);
        same_values(&strip, &fused, 9);
    }
    assert_eq!(cell().fused(&[]).instructions().len(), 4);
}

#[test]
fn nothing_moves_past_a_write_that_it_may_meet() {
    use Operand::{Register as R, Stream as S};
    let strip = list(&[
        (Pointwise::Mul, &[S(0), S(1)], None),
        (Pointwise::Add, &[S(2), S(3)], Some(7)),
        (Pointwise::Add, &[R(0), S(4)], Some(8)),
    ]);
    assert_eq!(strip.fused(&[]).instructions().len(), 2);
    let mut meeting = vec![Vec::new(); 8];
    (meeting[0], meeting[7]) = (vec![7], vec![0]);
    assert_eq!(strip.fused(&meeting).instructions().len(), 3);
}

/// Runs both and compares what they leave.
fn same_values(one: &Strip, other: &Strip, count: usize) {
    let n = 37;
    let streams: Vec<Stream> =
        (0..count).map(|it| Stream { first: it * n, row: n, outer: n, kind: Kind::Each }).collect();
    for path in paths() {
        let mut a: Vec<f32> = numbers(count * n, 11).iter().map(|it| it * 0.5).collect();
        let mut b = a.clone();
        one.run_within(path, (1, 1, n), (0, n), &mut a, &streams);
        other.run_within(path, (1, 1, n), (0, n), &mut b, &streams);
        for (x, y) in a.iter().zip(&b) {
            let close = (x - y).abs() <= 1e-6 * x.abs().max(1.0) || (x.is_nan() && y.is_nan());
            assert!(close, "{path:?}: {x} and {y} of {one:#?} and {other:#?}");
        }
    }
}

#[test]
fn random_lists_keep_their_values() {
    let ops = [
        Pointwise::Add,
        Pointwise::Sub,
        Pointwise::Mul,
        Pointwise::Mul,
        Pointwise::Square,
        Pointwise::Sigmoid,
        Pointwise::Tanh,
    ];
    let (mut given, mut left) = (0, 0);
    for seed in 1..400u32 {
        let mut dice = numbers(400, seed).into_iter().map(|it| ((it + 2.0) * 16384.0) as usize);
        let mut roll = |sides: usize| dice.next().unwrap() % sides;
        let mut lines = Vec::new();
        let mut written: Vec<u16> = Vec::new();
        for at in 0..12u16 {
            let op = ops[roll(ops.len())];
            let args: Vec<Operand> = (0..op.arity())
                .map(|_| match roll(5) {
                    0 => Operand::Number(1.0),
                    1 => Operand::Stream(roll(6) as u16),
                    _ if written.is_empty() => Operand::Stream(0),
                    _ => Operand::Register(written[written.len() - 1 - roll(written.len().min(4))]),
                })
                .collect();
            let to = match roll(6) {
                0 => Target::Stream(roll(6) as u16),
                _ => {
                    written.push(at);
                    Target::Register(at)
                }
            };
            lines.push(Instruction::new(LaneOp::Map(op), &args, to));
        }
        lines.push(Instruction::new(
            LaneOp::Map(Pointwise::Tanh),
            &[written.last().map_or(Operand::Stream(0), |it| Operand::Register(*it))],
            Target::Stream(0),
        ));
        let strip = Strip::new(lines, 6).unwrap();
        let fused = strip.fused(&[]);
        given += strip.instructions().len();
        left += fused.instructions().len();
        // Squares of squares lose digits that no list could keep.
        let squares = strip.instructions().iter();
        if squares.filter(|it| it.op == LaneOp::Map(Pointwise::Square)).count() < 3 {
            same_values(&strip, &fused, 6);
        }
    }
    assert!(left * 4 < given * 3, "{left} of {given}");
}
