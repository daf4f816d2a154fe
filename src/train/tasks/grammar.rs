//! Strings of a grammar, of which the next symbol is asked for: a^n b^n, and the embedded Reber grammar.
//!
//! A string `S a a b b E` is the inputs `S a a b b` and the targets `a a b b E`. The best predictor knows the grammar and all that
//! came before; its loss is the entropy of a string over the mean number of steps.

use ndarray::{ArrayD, IxDyn};

use super::{Array, Draw, Figures, entropy, entropy_of, filled};
use crate::exec::Bits;

/// The tokens of a^n b^n: start, a, b, end.
const START: i64 = 0;
const A: i64 = 1;
const B: i64 = 2;
const END: i64 = 3;

/// The letters of the Reber grammar, which are its tokens 0 to 6. `B` begins a string and `E` ends it.
const LETTERS: &str = "BTSXVPE";

/// The branches of the Reber grammar: from each node two letters with the nodes they lead to. Nodes from [`LAST`] on end.
const BRANCHES: [[(char, usize); 2]; LAST] = [
    [('T', 1), ('P', 2)],
    [('S', 1), ('X', 3)],
    [('T', 2), ('V', 4)],
    [('X', 2), ('S', LAST)],
    [('P', 3), ('V', LAST)],
];
const LAST: usize = 5;

/// Strings as `input.token`, `target.next` and `lengths`, padded with 0.
pub(super) fn arrays(
    draw: &Draw,
    count: usize,
    make: impl Fn(&mut Bits) -> Vec<i64>,
) -> Vec<(&'static str, Array)> {
    let strings: Vec<Vec<i64>> = (0..count).map(|it| make(&mut draw.sequence(it))).collect();
    let steps = strings.iter().map(|it| it.len() - 1).max().unwrap_or(0);
    let shifted = |by: usize| {
        Array::Index(filled(steps, count, None, |sequence, put| {
            let string = &strings[sequence];
            for step in 0..string.len() - 1 {
                put(step, 0, string[step + by]);
            }
        }))
    };
    let lengths = strings.iter().map(|it| it.len() as i64 - 1).collect();
    let lengths = ArrayD::from_shape_vec(IxDyn(&[count]), lengths).expect("a length each");
    vec![
        ("input.token", shifted(0)),
        ("target.next", shifted(1)),
        ("lengths", Array::Index(lengths)),
    ]
}

/// n a's and n b's between the marks, n from 1 to `max`.
pub(super) fn anbn(max: usize, bits: &mut Bits) -> Vec<i64> {
    let n = 1 + bits.below(max as u64) as usize;
    let mut string = vec![START];
    string.extend(std::iter::repeat_n(A, n));
    string.extend(std::iter::repeat_n(B, n));
    string.push(END);
    string
}

/// A string is its n, so it has ln max nats, and max + 2 targets in the mean.
pub(super) fn anbn_figures(max: usize) -> (Figures, Figures) {
    let max = max as f64;
    let each = (max + 1.0) / 2.0;
    (entropy(entropy_of(&[each, each, 1.0])), entropy(libm::log(max) / (max + 2.0)))
}

/// `B`, `T` or `P`, a string of the plain grammar, the same `T` or `P` again, `E`.
pub(super) fn reber(bits: &mut Bits) -> Vec<i64> {
    let token = |letter: char| LETTERS.find(letter).map_or(0, |it| it as i64);
    let outer = ['T', 'P'][bits.below(2) as usize];
    let mut letters = vec!['B', outer, 'B'];
    let mut node = 0;
    while let Some(branches) = BRANCHES.get(node) {
        let (letter, next) = branches[bits.below(2) as usize];
        letters.push(letter);
        node = next;
    }
    letters.extend(['E', outer, 'E']);
    letters.into_iter().map(token).collect()
}

/// Each branch has ln 2 nats, and all else follows from what came before.
pub(super) fn reber_figures() -> (Figures, Figures) {
    let visits = visits();
    let branches = 1.0 + visits.iter().sum::<f64>();
    // All letters but the first `B` are targets.
    let mut weights = vec![0.0; LETTERS.len()];
    let mut count = |letter: char, weight: f64| {
        if let Some(at) = LETTERS.find(letter) {
            weights[at] += weight;
        }
    };
    for (letter, weight) in [('T', 1.0), ('P', 1.0), ('B', 1.0), ('E', 2.0)] {
        count(letter, weight);
    }
    for (branch, visits) in BRANCHES.iter().zip(visits) {
        branch.iter().for_each(|it| count(it.0, visits / 2.0));
    }
    let steps: f64 = weights.iter().sum();
    (entropy(entropy_of(&weights)), entropy(branches * std::f64::consts::LN_2 / steps))
}

/// Returns the mean number of visits of a string to each node. What is still on its way halves at least every second step, so
/// after these steps nothing is left in f64.
fn visits() -> [f64; LAST] {
    let mut visits = [0.0; LAST];
    let mut at = [0.0; LAST + 1];
    at[0] = 1.0;
    for _ in 0..4096 {
        let mut next = [0.0; LAST + 1];
        for (node, branches) in BRANCHES.iter().enumerate() {
            visits[node] += at[node];
            branches.iter().for_each(|it| next[it.1] += at[node] / 2.0);
        }
        at = next;
    }
    visits
}
