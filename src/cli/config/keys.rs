//! The table of keys.

use super::{Settings, Value};

/// A key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Its name in a file; the flag has `-` for `_`.
    pub name: &'static str,
    /// The values that it takes.
    pub kind: Kind,
    /// The value where no flag and no file has it.
    pub default: Default,
    /// Its effect.
    pub help: &'static str,
    /// Under which heading the help has it.
    pub group: &'static str,
}

/// The values that a key takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text or a path.
    Text,
    /// A whole number.
    Whole {
        /// The least that it may be.
        least: u64,
    },
    /// A number.
    Real(Range),
    /// True or false.
    Bool,
    /// One of these.
    Word(&'static [&'static str]),
    /// Names with values, which are called so.
    Map(&'static str),
}

/// The numbers that a key takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Range {
    /// 0 and above.
    From0,
    /// Above 0.
    Above0,
    /// From 0 to below 1.
    Below1,
    /// From 0 to 1.
    To1,
}

/// The value of a key where no flag and no file has it.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// Nothing; the key is optional.
    None,
    /// This value, written as for a flag.
    Is(&'static str),
    /// Nothing said, or what other keys or the data decide.
    Depends(&'static str),
}

impl Range {
    /// Returns true if a number is in the range.
    pub fn holds(self, it: f64) -> bool {
        match self {
            Range::From0 => it >= 0.0 && it.is_finite(),
            Range::Above0 => it > 0.0 && it.is_finite(),
            Range::Below1 => (0.0..1.0).contains(&it),
            Range::To1 => (0.0..=1.0).contains(&it),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Range::From0 => "a number of at least 0",
            Range::Above0 => "a number above 0",
            Range::Below1 => "a number of at least 0 and below 1",
            Range::To1 => "a number from 0 to 1",
        }
    }
}

impl Key {
    /// Describes the values that it may have.
    pub fn range(&self) -> String {
        let words = match self.kind {
            Kind::Text => "a text".to_owned(),
            Kind::Whole { least } => format!("a whole number of at least {least}"),
            Kind::Real(range) => range.words().to_owned(),
            Kind::Bool => "true or false".to_owned(),
            Kind::Word(words) => match words {
                [first @ .., last] => format!("{} or {last}", first.join(", ")),
                [] => String::new(),
            },
            Kind::Map(value) => format!("{{NAME: {value}}}"),
        };
        if self.is_optional() { format!("{words}, or none") } else { words }
    }

    /// Returns true if `none` empties it.
    pub fn is_optional(&self) -> bool {
        match self.default {
            Default::None => true,
            Default::Is(_) | Default::Depends(_) => {
                matches!(self.name, "clip" | "epochs" | "bptt")
            }
        }
    }
}

const fn row(
    group: &'static str,
    name: &'static str,
    kind: Kind,
    default: Default,
    help: &'static str,
) -> Key {
    Key { name, kind, default, help, group }
}

const WHOLE_0: Kind = Kind::Whole { least: 0 };
const WHOLE_1: Kind = Kind::Whole { least: 1 };
const FROM_0: Kind = Kind::Real(Range::From0);
const ABOVE_0: Kind = Kind::Real(Range::Above0);
const BELOW_1: Kind = Kind::Real(Range::Below1);
const TO_1: Kind = Kind::Real(Range::To1);

const MODEL: &str = "Model";
const DATA: &str = "Data";
const VALID: &str = "Validation";
const LOOP: &str = "Training";
const FEEDBACK: &str = "Feedback";
const OPTIMIZER: &str = "Optimizer";
const RATE: &str = "Learning rate";
const RUN: &str = "Running";

/// All keys, in the order in which they are printed.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    row(MODEL, "spec", Kind::Text, Default::None, "A .rnn file, a compiled .ron artifact, or std/NAME"),
    row(MODEL, "cell", Kind::Text, Default::None, "Which model of the file, when it holds several"),
    row(MODEL, "set", Kind::Map("VALUE"), Default::None, "Dims and hypers of the model"),
    row(MODEL, "params", Kind::Text, Default::None, "Starting weights; drawn from the seed without it"),
    row(MODEL, "layout", Kind::Text, Default::None, "How the weights are laid out in the file, such as pytorch"),
    row(MODEL, "prefix", Kind::Text, Default::None, "What comes before the names in the file"),
    row(MODEL, "suffix", Kind::Text, Default::None, "What comes after the names in the file"),
    row(MODEL, "partial", Kind::Bool, Default::Is("false"), "Draws the weights that the file lacks"),
    row(MODEL, "ignore_extra", Kind::Bool, Default::Is("false"), "Takes weights of which some have no place in the model"),
    row(MODEL, "seed", WHOLE_0, Default::Is("0"), "What weights, orders, masks, coins and samples are drawn from"),

    row(DATA, "data", Kind::Text, Default::None, "A folder with input.NAME.npy, target.NAME.npy and lengths.npy, or series.csv, or text.txt; its folder valid has the same to validate on"),
    row(DATA, "input", Kind::Map("FILE.npy"), Default::None, "The array of an input; with csv its columns, NAME=COLUMN,COLUMN"),
    row(DATA, "target", Kind::Map("FILE.npy"), Default::None, "The array of a target; with csv its columns"),
    row(DATA, "lengths", Kind::Text, Default::None, "How many steps each sequence has: N,N or a file"),
    row(DATA, "batch_first", Kind::Bool, Default::Is("false"), "Arrays are [N, T, ..], not [T, N, ..]"),
    row(DATA, "csv", Kind::Text, Default::None, "A table: one series, a row per step"),
    row(DATA, "text", Kind::Text, Default::None, "A text: one series of characters"),
    row(DATA, "columns", Kind::Text, Default::None, "The columns of a table for the model's one input: A,B"),
    row(DATA, "header", Kind::Word(&["yes", "no"]), Default::Depends("yes if no cell of the first row is a number"), "The first row of a table has names"),
    row(DATA, "decimal", Kind::Word(&["point", "comma"]), Default::Depends("what the table shows"), "How a table writes decimals"),
    row(DATA, "missing", Kind::Word(&["nan", "zero", "previous"]), Default::Depends("an error"), "What an empty cell of a table is, and NA, NaN, null"),
    row(DATA, "sequence_column", Kind::Text, Default::None, "The column of a table that tells its sequences apart; one series without it"),
    row(DATA, "window", WHOLE_1, Default::None, "Steps of a window that is cut out of a series; streams without it"),
    row(DATA, "stride", WHOLE_1, Default::Is("1"), "Steps from one training window to the next"),
    row(DATA, "ahead", WHOLE_0, Default::Is("0"), "The target of step t is row t + ahead of the series"),
    row(DATA, "scale", Kind::Word(&["standard", "minmax", "none"]), Default::Depends("standard for a table, else none"), "How columns are scaled, fitted on the training part alone"),

    row(VALID, "valid", BELOW_1, Default::Is("0"), "The share of the data that is held out"),
    row(VALID, "valid_data", Kind::Text, Default::None, "Validation data of its own, as for data"),
    row(VALID, "valid_input", Kind::Map("FILE.npy"), Default::None, "The same for an input"),
    row(VALID, "valid_target", Kind::Map("FILE.npy"), Default::None, "The same for a target"),
    row(VALID, "valid_lengths", Kind::Text, Default::None, "The same for lengths"),
    row(VALID, "valid_csv", Kind::Text, Default::None, "The same for a table"),
    row(VALID, "valid_text", Kind::Text, Default::None, "The same for a text"),
    row(VALID, "valid_every", WHOLE_1, Default::Depends("the end of each epoch"), "Updates from one validation to the next"),
    row(VALID, "valid_feedback", Kind::Word(&["teacher", "own"]), Default::Is("teacher"), "What feedbacks read in validation"),
    row(VALID, "eval_batch", WHOLE_1, Default::Depends("1 for streams, else batch"), "Sequences or streams of an evaluation"),
    row(VALID, "patience", WHOLE_1, Default::None, "Ends after so many validations in a row without a better one"),
    row(VALID, "min_delta", FROM_0, Default::Is("0"), "How much better a validation must be to count for patience"),

    row(LOOP, "batch", WHOLE_1, Default::Is("32"), "Sequences, windows or streams of an update"),
    row(LOOP, "bptt", WHOLE_1, Default::Depends("64 for streams, else none"), "Steps of an update: the gradient stops where it began"),
    row(LOOP, "shuffle", Kind::Bool, Default::Is("true"), "Takes the sequences in a new order each epoch"),
    row(LOOP, "epochs", WHOLE_0, Default::Depends("10, none where steps is said"), "Passes over the training part"),
    row(LOOP, "steps", WHOLE_0, Default::None, "Updates"),

    row(FEEDBACK, "feedback", Kind::Word(&["teacher", "own", "scheduled"]), Default::Is("teacher"), "What feedbacks read: the target, the model's own output, or a coin decides"),
    row(FEEDBACK, "own", TO_1, Default::Is("0"), "How often a coin takes the model's own output, at the beginning"),
    row(FEEDBACK, "own_end", TO_1, Default::Depends("own"), "The same at the end"),
    row(FEEDBACK, "own_shape", Kind::Word(&["linear", "exponential", "sigmoid"]), Default::Is("linear"), "How it goes from the one to the other"),
    row(FEEDBACK, "own_over", WHOLE_1, Default::Depends("all updates"), "Over how many updates"),

    row(OPTIMIZER, "optimizer", Kind::Word(&["sgd", "rmsprop", "adam", "adamw"]), Default::Is("adam"), "What the gradient does to the weights"),
    row(OPTIMIZER, "lr", FROM_0, Default::Depends("0.001, rmsprop 0.01"), "The learning rate"),
    row(OPTIMIZER, "momentum", BELOW_1, Default::Is("0"), "Momentum (sgd, rmsprop)"),
    row(OPTIMIZER, "dampening", TO_1, Default::Is("0"), "Dampening of the momentum (sgd)"),
    row(OPTIMIZER, "nesterov", Kind::Bool, Default::Is("false"), "Nesterov's momentum (sgd)"),
    row(OPTIMIZER, "alpha", TO_1, Default::Is("0.99"), "How long squares are remembered (rmsprop)"),
    row(OPTIMIZER, "centered", Kind::Bool, Default::Is("false"), "Divides by the variance (rmsprop)"),
    row(OPTIMIZER, "beta1", BELOW_1, Default::Is("0.9"), "How long gradients are remembered (adam, adamw)"),
    row(OPTIMIZER, "beta2", BELOW_1, Default::Is("0.999"), "How long squares are remembered (adam, adamw)"),
    row(OPTIMIZER, "eps", ABOVE_0, Default::Is("1e-8"), "Added to the denominator (rmsprop, adam, adamw)"),
    row(OPTIMIZER, "weight_decay", FROM_0, Default::Depends("0, adamw 0.01"), "Pulls all params towards 0"),
    row(OPTIMIZER, "clip", ABOVE_0, Default::Is("1"), "The most that the norm of all gradients may be"),

    row(RATE, "schedule", Kind::Word(&["constant", "step", "exponential", "cosine"]), Default::Is("constant"), "How the learning rate goes on"),
    row(RATE, "warmup", WHOLE_0, Default::Is("0"), "Updates until the full learning rate"),
    row(RATE, "step_size", WHOLE_1, Default::None, "Updates between two factors (schedule step)"),
    row(RATE, "gamma", ABOVE_0, Default::Depends("0.1 for step"), "The factor (schedules step and exponential)"),
    row(RATE, "lr_min", FROM_0, Default::Is("0"), "The last learning rate (schedule cosine)"),

    row(RUN, "save_every", WHOLE_1, Default::Depends("the end of each epoch"), "Updates from one checkpoint to the next"),
    row(RUN, "keep", WHOLE_1, Default::Is("2"), "How many of the newest checkpoints are kept, beside the best"),
    row(RUN, "log_every", WHOLE_1, Default::Is("1"), "Updates per line of metrics.jsonl"),
    row(RUN, "tensorboard", Kind::Bool, Default::Is("false"), "Writes events for TensorBoard, too"),
    row(RUN, "dtype", Kind::Word(&["f32", "f64"]), Default::Is("f32"), "The type that is computed in; f64 runs on the interpreter"),
    row(RUN, "engine", Kind::Word(&["fast", "reference"]), Default::Is("fast"), "What computes"),
    row(RUN, "threads", WHOLE_1, Default::None, "How many threads the fast engine may use; results are the same for any number"),
    row(RUN, "memory", Kind::Text, Default::None, "How many bytes the fast engine may hold, such as 64M"),
];

/// Returns the key of a name that the program itself knows.
pub fn key(name: &str) -> &'static Key {
    let found = KEYS.iter().find(|it| it.name == name);
    found.unwrap_or_else(|| unreachable!("`{name}` is no key of the table"))
}

/// Returns the default of a key, as far as the other keys decide it.
pub fn default(key: &'static Key, settings: &Settings) -> Option<Value> {
    let is = |text: &str| super::value::of_text(key, text).ok();
    match (key.default, key.name) {
        (Default::Is(text), _) => is(text),
        (Default::Depends(_), "scale") if settings.is_said("csv") => is("standard"),
        (Default::Depends(_), "epochs") if !settings.is_said("steps") => is("10"),
        (Default::Depends(_), "lr") => is(match settings.word("optimizer") {
            Some("rmsprop") => "0.01",
            _ => "0.001",
        }),
        (Default::Depends(_), "weight_decay") => is(match settings.word("optimizer") {
            Some("adamw") => "0.01",
            _ => "0",
        }),
        (Default::Depends(_), "gamma") if settings.word("schedule") == Some("step") => is("0.1"),
        (Default::Depends(_), "own_end") => settings.value("own"),
        (Default::None | Default::Depends(_), _) => None,
    }
}

/// Returns the value that asks for what is so anyway, where a key has no effect.
pub fn neutral(name: &str) -> Option<Value> {
    let text = match name {
        "shuffle" | "partial" | "ignore_extra" | "batch_first" | "nesterov" | "centered" => "false",
        "momentum" | "dampening" | "valid" | "own" | "own_end" | "min_delta" => "0",
        "stride" => "1",
        "scale" => "none",
        "feedback" | "valid_feedback" => "teacher",
        _ => return None,
    };
    super::value::of_text(key(name), text).ok()
}

/// Returns the key that is meant by a name that is none.
pub fn nearest(name: &str) -> Option<&'static str> {
    let all = KEYS.iter().map(|it| (crate::text::distance(name, it.name), it.name));
    all.filter(|(distance, it)| *distance <= 1 + it.len() / 4).min().map(|it| it.1)
}
