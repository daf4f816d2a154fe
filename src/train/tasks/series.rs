//! Chaotic series: Mackey-Glass and Lorenz.

use ndarray::{ArrayD, IxDyn};

use super::{Figures, Key, Made, Part, Task, errors};
use crate::exec::Bits;

/// The time of one step of Euler's rule, and how many of them are one unit of time and one delay.
const EULER: f64 = 0.1;
const UNIT: usize = 10;
const DELAY: usize = 17 * UNIT;

/// `dx/dt = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x`, from t = 1001 on, once a unit of time.
pub(super) fn mackey_glass(task: &Task) -> Made {
    let (rows, seed) = (task.size(Key::Steps), task.get(Key::Seed));
    let start = match seed {
        0 => 1.2,
        _ => 1.2 + (0.2 * Bits::of_use(seed, "data mackey-glass", 0).unit() - 0.1),
    };
    // The last values, of which the oldest is the one of the delay.
    let mut past = vec![start; DELAY + 1];
    let mut values = Vec::with_capacity(rows);
    let mut at = 0;
    for step in 1..=(1000 + rows) * UNIT {
        let (now, delayed) = (past[at], past[(at + 1) % past.len()]);
        let square = delayed * delayed;
        let fourth = square * square;
        let slope = 0.2 * delayed / (1.0 + fourth * fourth * square) - 0.1 * now;
        at = (at + 1) % past.len();
        past[at] = now + EULER * slope;
        if step % UNIT == 0 && step > 1000 * UNIT {
            values.push(past[at] as f32);
        }
    }
    made(&["value"], rows, values)
}

/// Returns the equations of Lorenz with 10, 28, 8/3, from t = 20.02 on, every 0.02.
pub(super) fn lorenz(task: &Task) -> Made {
    let rows = task.size(Key::Steps);
    let slope = |[x, y, z]: [f64; 3]| [10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z];
    let moved = |from: [f64; 3], by: [f64; 3], time: f64| {
        [from[0] + time * by[0], from[1] + time * by[1], from[2] + time * by[2]]
    };
    let time = 0.01;
    let mut at = [1.0; 3];
    let mut values = Vec::with_capacity(3 * rows);
    for step in 1..=2000 + 2 * rows {
        let first = slope(at);
        let second = slope(moved(at, first, time / 2.0));
        let third = slope(moved(at, second, time / 2.0));
        let fourth = slope(moved(at, third, time));
        for axis in 0..3 {
            let sum = first[axis] + 2.0 * second[axis] + 2.0 * third[axis] + fourth[axis];
            at[axis] += time / 6.0 * sum;
        }
        if step > 2000 && step % 2 == 0 {
            values.extend(at.map(|it| it as f32));
        }
    }
    made(&["x", "y", "z"], rows, values)
}

fn made(columns: &'static [&'static str], rows: usize, values: Vec<f32>) -> Made {
    let baseline = persistence(&values, columns.len());
    let shape = IxDyn(&[rows, columns.len()]);
    let table = ArrayD::from_shape_vec(shape, values).expect("a value for each row and column");
    Made { train: Part::Series(columns, table), valid: None, baseline, best: errors(0.0, 0.0) }
}

/// Returns the errors of one who says the row before.
fn persistence(values: &[f32], columns: usize) -> Figures {
    let differences = || {
        let pairs = values.iter().zip(values.iter().skip(columns));
        pairs.map(|(old, new)| f64::from(*new) - f64::from(*old))
    };
    let count = values.len().saturating_sub(columns).max(1) as f64;
    let mse = differences().map(|it| it * it).sum::<f64>() / count;
    errors(mse, differences().map(f64::abs).sum::<f64>() / count)
}
