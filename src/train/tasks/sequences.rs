//! Tasks of sequences of one length: adding, copy, parity, sine.

use std::f64::consts::PI;

use ndarray::{ArrayD, IxDyn};

use super::{Array, Draw, Figures, Key, Task, entropy, errors, filled};

type Arrays = Vec<(&'static str, Array)>;

/// Random numbers, two of which are marked, one in each half; their sum is asked for.
pub(super) fn adding(task: &Task, draw: &Draw, count: usize) -> Arrays {
    let steps = task.size(Key::Steps);
    let half = steps / 2;
    let mut sums = vec![0.0; count];
    let x = filled(steps, count, Some(2), |sequence, put| {
        let mut bits = draw.sequence(sequence);
        let first = bits.below(half as u64) as usize;
        let second = half + bits.below((steps - half) as u64) as usize;
        for step in 0..steps {
            // Rounded to f32 it stays below 1, as a number of 24 bits.
            let value = (bits.below(1 << 24) as f32) / (1 << 24) as f32;
            put(step, 0, value);
            if step == first || step == second {
                put(step, 1, 1.0);
                sums[sequence] += value;
            }
        }
    });
    let sums = ArrayD::from_shape_vec(IxDyn(&[count, 1]), sums).expect("a sum for each sequence");
    vec![("input.x", Array::Real(x)), ("target.sum", Array::Real(sums))]
}

/// The sum of two uniform numbers has variance 1/6 and lies 1/3 from 1 in the mean.
pub(super) fn adding_figures() -> (Figures, Figures) {
    (errors(1.0 / 6.0, 1.0 / 3.0), errors(0.0, 0.0))
}

/// Symbols, a delay, a mark; then the symbols are asked for.
pub(super) fn copy(task: &Task, draw: &Draw, count: usize) -> Arrays {
    let (delay, length) = (task.size(Key::Steps), task.size(Key::Length));
    let symbols = task.get(Key::Symbols);
    let steps = delay + 2 * length;
    let drawn = |sequence: usize| {
        let mut bits = draw.sequence(sequence);
        (0..length).map(move |_| 1 + bits.below(symbols) as i64)
    };
    let token = filled(steps, count, None, |sequence, put| {
        for (step, symbol) in drawn(sequence).enumerate() {
            put(step, 0, symbol);
        }
        put(length + delay - 1, 0, symbols as i64 + 1);
    });
    let symbol = filled(steps, count, None, |sequence, put| {
        for (step, symbol) in drawn(sequence).enumerate() {
            put(length + delay + step, 0, symbol);
        }
    });
    vec![("input.token", Array::Index(token)), ("target.symbol", Array::Index(symbol))]
}

/// Without memory a predictor knows from the steps what is blank, and guesses the symbols.
pub(super) fn copy_figures(task: &Task) -> (Figures, Figures) {
    let (delay, length) = (task.get(Key::Steps) as f64, task.get(Key::Length) as f64);
    let (symbols, steps) = (task.get(Key::Symbols) as f64, delay + 2.0 * length);
    let mut baseline = entropy(length * libm::log(symbols) / steps);
    baseline.insert("accuracy", (delay + length + length / symbols) / steps);
    let mut best = entropy(0.0);
    best.insert("accuracy", 1.0);
    (baseline, best)
}

/// Random bits; asked for is whether the ones so far are odd.
pub(super) fn parity(task: &Task, draw: &Draw, count: usize) -> Arrays {
    let steps = task.size(Key::Steps);
    let drawn = |sequence: usize| {
        let mut bits = draw.sequence(sequence);
        (0..steps).map(move |_| bits.below(2) as i64)
    };
    let x = filled(steps, count, Some(1), |sequence, put| {
        for (step, bit) in drawn(sequence).enumerate() {
            put(step, 0, bit as f32);
        }
    });
    let odd = filled(steps, count, None, |sequence, put| {
        let mut odd = 0;
        for (step, bit) in drawn(sequence).enumerate() {
            odd ^= bit;
            put(step, 0, odd);
        }
    });
    let numbers = ArrayD::from_shape_fn(IxDyn(&[steps]), |at| at[0] as i64);
    vec![
        ("input.x", Array::Real(x)),
        ("input.step", Array::Index(numbers)),
        ("target.odd", Array::Index(odd)),
    ]
}

pub(super) fn parity_figures() -> (Figures, Figures) {
    let (mut baseline, mut best) = (entropy(std::f64::consts::LN_2), entropy(0.0));
    baseline.insert("accuracy", 0.5);
    best.insert("accuracy", 1.0);
    (baseline, best)
}

/// Sine waves of random phase.
pub(super) fn sine(task: &Task, draw: &Draw, count: usize) -> Arrays {
    let (steps, period) = (task.size(Key::Steps), task.get(Key::Period) as f64);
    let value = filled(steps, count, Some(1), |sequence, put| {
        let phase = 2.0 * PI * draw.sequence(sequence).unit();
        for step in 0..steps {
            put(step, 0, libm::sin(2.0 * PI * step as f64 / period + phase) as f32);
        }
    });
    vec![("target.value", Array::Real(value))]
}

/// Persistence says the value of the step before. Over all phases the square of `sin(a + d) - sin(a)` is `1 - cos(d)` in the mean,
/// and its absolute value `2 sin(d / 2) * 2 / pi`.
pub(super) fn sine_figures(period: u64) -> (Figures, Figures) {
    let step = 2.0 * PI / period as f64;
    let baseline = errors(1.0 - libm::cos(step), 4.0 / PI * libm::sin(step / 2.0).abs());
    (baseline, errors(0.0, 0.0))
}
