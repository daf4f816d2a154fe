//! The kernels against plain arithmetic, on every path that this processor has.

use super::*;
use crate::ir::Pointwise;

fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / (1 << 24) as f32 * 4.0 - 2.0
    };
    (0..n).map(|_| next()).collect()
}

#[test]
fn every_operator_is_what_the_table_says() {
    for path in Path::available() {
        for op in Pointwise::ALL.iter().copied() {
            for n in [1, 7, 8, 9, 16, 31, STRIP, STRIP + 5] {
                operator(path, op, n);
            }
        }
    }
}

fn operator(path: Path, op: Pointwise, n: usize) {
    let table = crate::ir::pointwise::table();
    let row = table.iter().find(|it| it.op == op).unwrap();
    let rows = 3;
    let mut data = Vec::new();
    let mut streams = Vec::new();
    let mut args = [Operand::Number(0.0); 3];
    for (idx, operand) in args[..op.arity()].iter_mut().enumerate() {
        let (lo, hi) = row.sample[idx];
        // The last operand is one number per row.
        let each = idx == 0 || idx + 1 < op.arity();
        let width = if each { n } else { 1 };
        streams.push(Stream { first: data.len(), row: width, each });
        let unit = numbers(rows * width, idx as u32 + 7).into_iter();
        data.extend(unit.map(|it| (lo + (f64::from(it) + 2.0) / 4.0 * (hi - lo)) as f32));
        *operand = Operand::Stream(idx as u16);
    }
    let first = data.len();
    data.extend(vec![f32::NAN; rows * n]);
    streams.push(Stream { first, row: n, each: true });
    let to = Target::Stream(op.arity() as u16);
    let instruction = Instruction { op: LaneOp::Map(op), args, to };
    let strip = Strip::new(vec![instruction], streams.len() as u16).unwrap();
    let before = data.clone();
    strip.run(path, (rows, n), &mut data, &streams, &Team::default());
    assert_eq!(data[..first], before[..first]);
    for row in 0..rows {
        for at in 0..n {
            let arg = |it: &Stream| before[it.first + row * it.row + if it.each { at } else { 0 }];
            let given: Vec<f64> =
                streams[..op.arity()].iter().map(|it| f64::from(arg(it))).collect();
            let expected = op.eval(&given);
            let actual = f64::from(data[first + row * n + at]);
            // Compound forms round several times, what they cancel too.
            let largest = given.iter().fold(expected.abs(), |it, x| it.max(x.abs()));
            let unit = f64::from(f32::EPSILON) * largest;
            let close = (actual - expected).abs() <= 4.0 * unit;
            assert!(close, "{path:?} {op:?} {n}: of {given:?} {actual}, expected {expected}");
        }
    }
}

#[test]
fn what_is_special_stays_special() {
    let given =
        [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0, 1e-42, -1e-42, 90.0, -110.0];
    for path in Path::available() {
        for op in Pointwise::ALL.iter().copied().filter(|it| it.arity() == 1) {
            let mut data = given.to_vec();
            data.extend([0.5; 9]);
            let args = [Operand::Stream(0), Operand::Number(0.0), Operand::Number(0.0)];
            let instruction = Instruction { op: LaneOp::Map(op), args, to: Target::Stream(1) };
            let streams = [0, 9].map(|first| Stream { first, row: 9, each: true });
            Strip::new(vec![instruction], 2).unwrap().run(
                path,
                (1, 9),
                &mut data,
                &streams,
                &Team::default(),
            );
            for (x, y) in given.iter().zip(&data[9..]) {
                let expected: f32 = op.eval(&[*x]);
                let same = *y == expected
                    || (y.is_nan() && expected.is_nan())
                    || (y - expected).abs() <= 3.0 * f32::EPSILON * expected.abs()
                    || (y - expected).abs() <= f32::from_bits(2);
                assert!(same, "{path:?} {op:?} of {x}: {y}, expected {expected}");
            }
        }
    }
}

#[test]
fn registers_hand_on_and_faults_are_found() {
    let arg = Operand::Stream(0);
    let zero = Operand::Number(0.0);
    let to = Target::Register(0);
    let first = Instruction { op: LaneOp::Map(Pointwise::Tanh), args: [arg, zero, zero], to };
    let args = [Operand::Register(0), Operand::Number(2.0), arg];
    let second = Instruction { op: LaneOp::MultiplyAdd, args, to: Target::Stream(1) };
    assert!(Strip::new(vec![second], 2).is_none());
    assert!(Strip::new(vec![first, second], 1).is_none());
    let strip = Strip::new(vec![first, second], 2).unwrap();
    for path in Path::available() {
        let n = 1000;
        let mut data = numbers(n, 5);
        data.extend(vec![0.0; n]);
        let streams = [0, n].map(|first| Stream { first, row: n, each: true });
        strip.run(path, (1, n), &mut data, &streams, &Team::default());
        for at in 0..n {
            let expected = 2.0 * data[at].tanh() + data[at];
            assert!((data[n + at] - expected).abs() < 1e-6, "{path:?} {at}");
        }
    }
}

/// Every number of f32 through exp, log, tanh, sigmoid and softplus: at most 2 ulp. Takes minutes:
/// `cargo test --release --lib kernels -- --ignored`.
#[test]
#[ignore = "takes minutes; run it after changing math.rs"]
#[allow(clippy::print_stdout, reason = "whoever runs it wants to see the figures")]
fn all_numbers_to_2_ulp() {
    let sigmoid =
        |x: f64| if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) };
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    type Exact<'a> = &'a dyn Fn(f64) -> f64;
    let functions: [(Pointwise, Exact<'_>); 5] = [
        (Pointwise::Exp, &f64::exp),
        (Pointwise::Log, &f64::ln),
        (Pointwise::Tanh, &f64::tanh),
        (Pointwise::Sigmoid, &sigmoid),
        (Pointwise::Softplus, &softplus),
    ];
    let n = 4096;
    let streams = [0, n].map(|first| Stream { first, row: n, each: true });
    for path in Path::available() {
        for (op, exact) in functions {
            let args = [Operand::Stream(0), Operand::Number(0.0), Operand::Number(0.0)];
            let instruction = Instruction { op: LaneOp::Map(op), args, to: Target::Stream(1) };
            let strip = Strip::new(vec![instruction], 2).unwrap();
            let mut data = vec![0.0f32; 2 * n];
            let mut worst = (0.0, 0.0f32);
            for first in (0..=u32::MAX).step_by(n) {
                for (at, it) in data[..n].iter_mut().enumerate() {
                    *it = f32::from_bits(first + at as u32);
                }
                strip.run(path, (1, n), &mut data, &streams, &Team::default());
                for (x, y) in data[..n].iter().zip(&data[n..]) {
                    let error = ulps(*y, exact(f64::from(*x)));
                    if error > worst.0 {
                        worst = (error, *x);
                    }
                }
            }
            println!("{path:?} {op:?}: {:.3} ulp at {:e}", worst.0, worst.1);
            assert!(worst.0 <= 2.0, "{path:?} {op:?}: {} ulp at {:e}", worst.0, worst.1);
        }
    }
}

/// How far a number is from the true value, in units of the last digit of the nearest f32.
fn ulps(actual: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if actual == nearest || (actual.is_nan() && exact.is_nan()) {
        return 0.0;
    }
    if !actual.is_finite() || !nearest.is_finite() {
        return f64::INFINITY;
    }
    let power = (nearest.abs().to_bits() >> 23).max(1) as i32 - 127 - 23;
    (f64::from(actual) - exact).abs() / 2f64.powi(power)
}
