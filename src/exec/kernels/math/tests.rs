//! The functions that promise 2 ulp, over samples of all numbers and, when asked, over all of them.

use super::super::*;
use crate::ir::Pointwise;

type Exact = fn(f64) -> f64;

/// The functions with the promise, each by f64.
const FUNCTIONS: [(Pointwise, Exact); 5] = [
    (Pointwise::Exp, f64::exp),
    (Pointwise::Log, f64::ln),
    (Pointwise::Tanh, f64::tanh),
    (Pointwise::Sigmoid, |x| {
        if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
    }),
    (Pointwise::Softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
];

/// The greatest error in ulp over every `step`th number, and where it is; numbers a few vectors at a
/// time, so that a test finishes.
fn worst(path: Path, op: Pointwise, exact: Exact, step: usize) -> (f64, f32) {
    let n = 4096;
    let strip = Strip::new(
        vec![Instruction::new(LaneOp::Map(op), &[Operand::Stream(0)], Target::Stream(1))],
        2,
    )
    .unwrap();
    let streams = [0, n].map(|first| Stream { first, row: n, outer: n, kind: Kind::Each });
    let mut data = vec![0.0f32; 2 * n];
    let mut worst = (0.0, 0.0f32);
    for first in (0..=u32::MAX).step_by(n * step) {
        for (at, it) in data[..n].iter_mut().enumerate() {
            *it = f32::from_bits(first.wrapping_add((at * step) as u32));
        }
        strip.run_within(path, (1, 1, n), (0, n), &mut data, &streams);
        for (x, y) in data[..n].iter().zip(&data[n..]) {
            let error = ulps(*y, exact(f64::from(*x)));
            if error > worst.0 {
                worst = (error, *x);
            }
        }
    }
    worst
}

/// Returns the distance of a result from the true value, in units of the last digit of the nearest f32.
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

#[test]
fn samples_of_all_numbers_to_2_ulp() {
    for path in Path::available() {
        for (op, exact) in FUNCTIONS {
            let (error, at) = worst(path, op, exact, 4999);
            assert!(error <= 2.0, "{path:?} {op:?}: {error} ulp at {at:e}");
        }
    }
}

#[test]
fn nothing_leaves_its_range() {
    for path in Path::available() {
        for op in [Pointwise::Tanh, Pointwise::Sigmoid, Pointwise::Erf] {
            let n = 4096;
            let instruction =
                Instruction::new(LaneOp::Map(op), &[Operand::Stream(0)], Target::Stream(1));
            let strip = Strip::new(vec![instruction], 2).unwrap();
            let streams = [0, n].map(|first| Stream { first, row: n, outer: n, kind: Kind::Each });
            let mut data: Vec<f32> = (0..n).map(|it| it as f32 * 0.01 - 20.48).collect();
            data.extend(vec![0.0; n]);
            strip.run_within(path, (1, 1, n), (0, n), &mut data, &streams);
            let low = if op == Pointwise::Sigmoid { 0.0 } else { -1.0 };
            assert!(data[n..].iter().all(|it| (low..=1.0).contains(it)), "{path:?} {op:?}");
        }
    }
}

/// Every number of f32: at most 2 ulp. Takes minutes for each of the threads:
/// `cargo test --release --lib kernels::math -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes; run it after changing anything in math"]
#[allow(clippy::print_stdout, reason = "whoever runs it wants to see the figures")]
fn all_numbers_to_2_ulp() {
    std::thread::scope(|scope| {
        for path in Path::available() {
            scope.spawn(move || {
                for (op, exact) in FUNCTIONS {
                    let (error, at) = worst(path, op, exact, 1);
                    println!("{path:?} {op:?}: {error:.3} ulp at {at:e}");
                    assert!(error <= 2.0, "{path:?} {op:?}: {error} ulp at {at:e}");
                }
            });
        }
    });
}
