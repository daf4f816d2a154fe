//! Characters of a Markov chain, whose entropy is known.

use super::{Draw, Figures, Key, Made, Part, Task, entropy, entropy_of};
use crate::exec::Bits;

/// A chain: for every context, the last characters read as a number, the probabilities of the next.
struct Chain {
    symbols: usize,
    rows: Vec<Vec<f64>>,
}

/// The number of characters that are drawn before the first one counts.
const BEFORE: usize = 1000;

/// Returns a text of the letters from `a` on.
pub(super) fn markov(task: &Task) -> Made {
    let (symbols, order) = (task.size(Key::Symbols), task.get(Key::Order));
    let seed = task.get(Key::Seed);
    let contexts = (0..order).fold(1, |product, _| product * symbols);
    let draw = Draw { seed, purpose: "data markov".to_owned() };
    let rows = (0..contexts).map(|it| row(symbols, &mut draw.sequence(it))).collect();
    let chain = Chain { symbols, rows };
    let mut bits = Bits::of_use(seed, "data markov text", 0);
    let mut context = bits.below(contexts as u64) as usize;
    let mut text = String::new();
    for at in 0..BEFORE + task.size(Key::Steps) {
        let symbol = chain.next(context, bits.unit());
        context = chain.after(context, symbol);
        if at >= BEFORE {
            text.push(char::from(b'a' + symbol as u8));
        }
    }
    let (baseline, best) = chain.figures();
    Made { train: Part::Text(text), valid: None, baseline, best }
}

/// Weights that are squares of exponential numbers: some characters are likely, and others rare.
fn row(symbols: usize, bits: &mut Bits) -> Vec<f64> {
    let weights: Vec<f64> = (0..symbols)
        .map(|_| {
            let exponential = libm::log(bits.unit());
            exponential * exponential
        })
        .collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|it| it / total).collect()
}

impl Chain {
    /// Returns the smallest symbol up to which the probabilities exceed `u`.
    fn next(&self, context: usize, u: f64) -> usize {
        let mut sum = 0.0;
        let found = self.rows[context].iter().position(|it| {
            sum += it;
            sum > u
        });
        found.unwrap_or(self.symbols - 1)
    }

    fn after(&self, context: usize, symbol: usize) -> usize {
        (context * self.symbols + symbol) % self.rows.len()
    }

    /// Returns the share of each context in the long run. Every probability is above 0, so the chain forgets its start.
    fn stationary(&self) -> Vec<f64> {
        let count = self.rows.len();
        let mut now = vec![1.0 / count as f64; count];
        for _ in 0..10_000 {
            let mut next = vec![0.0; count];
            for (context, row) in self.rows.iter().enumerate() {
                for (symbol, probability) in row.iter().enumerate() {
                    next[self.after(context, symbol)] += now[context] * probability;
                }
            }
            let change: f64 = now.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
            now = next;
            if change < 1e-15 {
                break;
            }
        }
        now
    }

    /// Returns the entropy of the characters by themselves, and the entropy rate.
    fn figures(&self) -> (Figures, Figures) {
        let often = self.stationary();
        let mut single = vec![0.0; self.symbols];
        let (mut nats, mut right) = (0.0, 0.0);
        for (row, often) in self.rows.iter().zip(&often) {
            nats += often * entropy_of(row);
            right += often * row.iter().copied().fold(0.0, f64::max);
            for (all, it) in single.iter_mut().zip(row) {
                *all += often * it;
            }
        }
        let (mut baseline, mut best) = (entropy(entropy_of(&single)), entropy(nats));
        baseline.insert("accuracy", single.iter().copied().fold(0.0, f64::max));
        best.insert("accuracy", right);
        (baseline, best)
    }
}
