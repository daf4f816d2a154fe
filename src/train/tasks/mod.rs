//! Classic tasks: data whose best score is known, drawn from a seed.
//!
//! `parity`, for example, has sequences of random bits, and asks at every step whether the ones so far are odd. A predictor
//! without memory cannot do better than ln 2 nats; one that keeps one bit needs none. So the figures of a task tell a model that
//! remembers from one that does not.
//!
//! A sequence depends on the seed, the task, the part (training or validation) and its own number alone, so a longer set begins as
//! a shorter one. Everything is computed in f64 with functions that give the same bits on every machine.

mod grammar;
mod sequences;
mod series;
mod text;

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};

use crate::exec::Bits;

/// The tasks, in the order in which they are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The sum of two marked numbers.
    Adding,
    /// Symbols that come back after a delay.
    Copy,
    /// Odd or even count of ones.
    Parity,
    /// Strings of `n` a's and as many b's.
    AnBn,
    /// Strings of the embedded Reber grammar.
    Reber,
    /// Sine waves of random phase.
    Sine,
    /// A chaotic series of one column.
    MackeyGlass,
    /// A chaotic series of three columns.
    Lorenz,
    /// Characters of a Markov chain.
    Markov,
}

/// An option of a task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// The number of sequences.
    Sequences,
    /// Steps of a sequence, the delay of `copy`, rows, or characters.
    Steps,
    /// The number of sequences for validation.
    Valid,
    /// The seed of all draws.
    Seed,
    /// The number of different symbols.
    Symbols,
    /// The number of symbols to keep.
    Length,
    /// The largest n.
    Max,
    /// Steps of a period.
    Period,
    /// The number of characters that decide the next.
    Order,
}

/// A task with its options.
#[derive(Clone, PartialEq, Debug)]
pub struct Task {
    /// The task.
    pub kind: Kind,
    /// The options that it has, with their values.
    pub options: Vec<(Key, u64)>,
}

/// An array of a task: numbers as f32, indices as i64.
#[derive(Clone, PartialEq, Debug)]
pub enum Array {
    /// Numbers.
    Real(ArrayD<f32>),
    /// Whole numbers from 0 on.
    Index(ArrayD<i64>),
}

/// The data of a task.
#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    /// Sequences: arrays by the names of their files.
    Arrays(Vec<(&'static str, Array)>),
    /// One series: the names of its columns, and rows.
    Series(&'static [&'static str], ArrayD<f32>),
    /// Characters.
    Text(String),
}

/// Figures under the names of the metrics.
pub type Figures = BTreeMap<&'static str, f64>;

/// The data of a task.
#[derive(Clone, PartialEq, Debug)]
pub struct Made {
    /// To train on.
    pub train: Part,
    /// To validate on.
    pub valid: Option<Part>,
    /// The figures of a predictor without memory.
    pub baseline: Figures,
    /// The figures of the best predictor.
    pub best: Figures,
}

/// The most elements that an array of a task may have.
const MAX_ELEMENTS: u64 = 1 << 28;

impl Kind {
    /// All tasks.
    pub const ALL: [Kind; 9] = [
        Kind::Adding,
        Kind::Copy,
        Kind::Parity,
        Kind::AnBn,
        Kind::Reber,
        Kind::Sine,
        Kind::MackeyGlass,
        Kind::Lorenz,
        Kind::Markov,
    ];

    /// Returns its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Adding => "adding",
            Kind::Copy => "copy",
            Kind::Parity => "parity",
            Kind::AnBn => "anbn",
            Kind::Reber => "reber",
            Kind::Sine => "sine",
            Kind::MackeyGlass => "mackey-glass",
            Kind::Lorenz => "lorenz",
            Kind::Markov => "markov",
        }
    }

    /// Returns the options that it has, with what they are where nobody says. That of `valid` follows from the sequences.
    pub fn options(self) -> &'static [(Key, u64)] {
        use Key::{Length, Max, Order, Period, Seed, Sequences, Steps, Symbols, Valid};
        match self {
            Kind::Adding => &[(Sequences, 5000), (Steps, 100), (Valid, 0), (Seed, 0)],
            Kind::Copy => &[
                (Sequences, 2000),
                (Steps, 100),
                (Symbols, 8),
                (Length, 10),
                (Valid, 0),
                (Seed, 0),
            ],
            Kind::Parity => &[(Sequences, 2000), (Steps, 20), (Valid, 0), (Seed, 0)],
            Kind::AnBn => &[(Sequences, 2000), (Max, 12), (Valid, 0), (Seed, 0)],
            Kind::Reber => &[(Sequences, 2000), (Valid, 0), (Seed, 0)],
            Kind::Sine => &[(Sequences, 2000), (Steps, 100), (Period, 25), (Valid, 0), (Seed, 0)],
            Kind::MackeyGlass => &[(Steps, 10_000), (Seed, 0)],
            Kind::Lorenz => &[(Steps, 10_000)],
            Kind::Markov => &[(Steps, 100_000), (Symbols, 8), (Order, 1), (Seed, 0)],
        }
    }

    /// Returns the least and the greatest value of an option.
    fn range(self, key: Key) -> (u64, u64) {
        match (self, key) {
            (_, Key::Sequences | Key::Length | Key::Max | Key::Order) => (1, 1 << 20),
            (Kind::Adding, Key::Steps) => (2, MAX_ELEMENTS),
            (_, Key::Steps) => (1, MAX_ELEMENTS),
            (_, Key::Valid) => (0, 1 << 20),
            (_, Key::Seed) => (0, u64::MAX),
            // The letters of the alphabet are the symbols of a text.
            (Kind::Markov, Key::Symbols) => (2, 26),
            (_, Key::Symbols) => (1, 1 << 20),
            (_, Key::Period) => (2, 1 << 20),
        }
    }
}

impl Key {
    /// All options, in the order in which they are told.
    pub const ALL: [Key; 9] = [
        Key::Sequences,
        Key::Steps,
        Key::Valid,
        Key::Seed,
        Key::Symbols,
        Key::Length,
        Key::Max,
        Key::Period,
        Key::Order,
    ];

    /// Returns its name, which is that of the flag.
    pub fn name(self) -> &'static str {
        match self {
            Key::Sequences => "sequences",
            Key::Steps => "steps",
            Key::Valid => "valid",
            Key::Seed => "seed",
            Key::Symbols => "symbols",
            Key::Length => "length",
            Key::Max => "max",
            Key::Period => "period",
            Key::Order => "order",
        }
    }
}

impl Task {
    /// Takes the options that were given and those that are so anyway. The error names the option and what it may be.
    pub fn new(kind: Kind, given: &[(Key, u64)]) -> Result<Task, String> {
        let mut options = kind.options().to_vec();
        for &(key, value) in given {
            let flag = format!("--{}", key.name());
            let Some(option) = options.iter_mut().find(|it| it.0 == key) else {
                let has: Vec<String> =
                    kind.options().iter().map(|it| format!("--{}", it.0.name())).collect();
                return Err(format!("{flag}: `{}` has {}", kind.name(), has.join(", ")));
            };
            let (least, most) = kind.range(key);
            if !(least..=most).contains(&value) {
                return Err(format!(
                    "{flag} is {value}; it is a whole number of {least} to {most}"
                ));
            }
            option.1 = value;
        }
        if !given.iter().any(|it| it.0 == Key::Valid) {
            let valid = options.iter().find(|it| it.0 == Key::Sequences).map_or(0, |it| it.1 / 10);
            options.iter_mut().filter(|it| it.0 == Key::Valid).for_each(|it| it.1 = valid);
        }
        let task = Task { kind, options };
        let steps = match kind {
            Kind::Copy => task.get(Key::Steps).saturating_add(2 * task.get(Key::Length)),
            Kind::AnBn => 2 * task.get(Key::Max) + 1,
            Kind::Reber => 64,
            Kind::Markov => (0..task.get(Key::Order))
                .fold(1u64, |product, _| product.saturating_mul(task.get(Key::Symbols)))
                .saturating_mul(task.get(Key::Symbols) << 10),
            Kind::Adding | Kind::Parity | Kind::Sine | Kind::MackeyGlass | Kind::Lorenz => {
                task.get(Key::Steps)
            }
        };
        match steps.saturating_mul(task.get(Key::Sequences).max(1)) > MAX_ELEMENTS {
            true => {
                Err(format!("`{}` would be larger than 2^28 elements at these sizes", kind.name()))
            }
            false => Ok(task),
        }
    }

    /// Returns the value of an option, and 0 for one that the task does not have.
    fn get(&self, key: Key) -> u64 {
        self.options.iter().find(|it| it.0 == key).map_or(0, |it| it.1)
    }

    fn size(&self, key: Key) -> usize {
        // `new` has bounded all sizes.
        usize::try_from(self.get(key)).unwrap_or(usize::MAX)
    }

    /// Makes the data and the figures.
    pub fn make(&self) -> Made {
        let (baseline, best) = match self.kind {
            Kind::Adding => sequences::adding_figures(),
            Kind::Copy => sequences::copy_figures(self),
            Kind::Parity => sequences::parity_figures(),
            Kind::AnBn => grammar::anbn_figures(self.size(Key::Max)),
            Kind::Reber => grammar::reber_figures(),
            Kind::Sine => sequences::sine_figures(self.get(Key::Period)),
            Kind::MackeyGlass => return series::mackey_glass(self),
            Kind::Lorenz => return series::lorenz(self),
            Kind::Markov => return text::markov(self),
        };
        let part = |name: &str, count: usize| {
            let draw =
                Draw { seed: self.get(Key::Seed), purpose: format!("{name} {}", self.kind.name()) };
            Part::Arrays(match self.kind {
                Kind::Adding => sequences::adding(self, &draw, count),
                Kind::Copy => sequences::copy(self, &draw, count),
                Kind::Parity => sequences::parity(self, &draw, count),
                Kind::Sine => sequences::sine(self, &draw, count),
                Kind::AnBn => {
                    grammar::arrays(&draw, count, |bits| grammar::anbn(self.size(Key::Max), bits))
                }
                Kind::Reber => grammar::arrays(&draw, count, grammar::reber),
                Kind::MackeyGlass | Kind::Lorenz | Kind::Markov => Vec::new(),
            })
        };
        let valid = self.size(Key::Valid);
        Made {
            train: part("data", self.size(Key::Sequences)),
            valid: (valid > 0).then(|| part("data valid", valid)),
            baseline,
            best,
        }
    }
}

/// The source of the random numbers of a part.
struct Draw {
    seed: u64,
    purpose: String,
}

impl Draw {
    /// Returns the random numbers of a sequence.
    fn sequence(&self, number: usize) -> Bits {
        Bits::of_use(self.seed, &self.purpose, number as u64)
    }
}

/// Returns an array of this shape, filled sequence by sequence: `fill` gets the place of a step of a sequence, `[T, N, ..]`.
fn filled<T: Clone + Default>(
    steps: usize,
    count: usize,
    width: Option<usize>,
    mut fill: impl FnMut(usize, &mut dyn FnMut(usize, usize, T)),
) -> ArrayD<T> {
    let inner = width.unwrap_or(1);
    let mut values = vec![T::default(); steps * count * inner];
    for sequence in 0..count {
        fill(sequence, &mut |step, element, value| {
            values[(step * count + sequence) * inner + element] = value;
        });
    }
    let mut shape = vec![steps, count];
    shape.extend(width);
    ArrayD::from_shape_vec(IxDyn(&shape), values).expect("as many values as the shape has")
}

/// Returns the figures of a mean cross-entropy.
fn entropy(nats: f64) -> Figures {
    let bits = nats / std::f64::consts::LN_2;
    BTreeMap::from([("nats", nats), ("bits", bits), ("perplexity", libm::exp(nats))])
}

/// Returns the entropy of symbols that come with these weights.
fn entropy_of(weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let parts = weights.iter().filter(|it| **it > 0.0).map(|it| it / total);
    -parts.map(|it| it * libm::log(it)).sum::<f64>()
}

/// Returns the figures of squared and absolute errors.
fn errors(mse: f64, mae: f64) -> Figures {
    BTreeMap::from([("mse", mse), ("rmse", libm::sqrt(mse)), ("mae", mae)])
}

#[cfg(test)]
mod tests;
