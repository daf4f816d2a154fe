//! The arguments of `rnnc data`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::train::tasks::{Key, Kind};

/// `rnnc data`
#[derive(Debug, Args)]
#[command(after_help = "\
Tasks, and the options that each has:
  adding        the sum of two marked numbers: --sequences 5000 --steps 100
  copy          symbols after a delay: --steps 100 --symbols 8 --length 10
  parity        whether the ones so far are odd: --steps 20
  anbn          n a's, n b's, the end: --max 12
  reber         the embedded Reber grammar
  sine          waves of random phase: --steps 100 --period 25
  mackey-glass  a chaotic series: --steps 10000 rows
  lorenz        a chaotic series of three columns: --steps 10000 rows
  markov        a text: --steps 100000 characters --symbols 8 --order 1

Examples:
  rnnc data parity -o p20
  rnnc data adding --steps 50 --sequences 1000 --seed 1 -o add
  rnnc data markov --symbols 4 -o text")]
pub struct TaskArgs {
    /// The task
    #[arg(hide_possible_values = true, value_parser = kinds())]
    pub task: Kind,
    /// The folder to make; one that is there must be empty
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// How many sequences, 2000 where the task says nothing else
    #[arg(long, value_name = "N")]
    pub sequences: Option<u64>,
    /// Steps of a sequence, the delay of `copy`, rows, or characters
    #[arg(long, value_name = "T")]
    pub steps: Option<u64>,
    /// How many sequences for validation, a tenth of the others where nobody says; 0 for none
    #[arg(long, value_name = "N")]
    pub valid: Option<u64>,
    /// What is drawn from
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// How many different symbols (copy, markov)
    #[arg(long, value_name = "K")]
    pub symbols: Option<u64>,
    /// How many symbols are to be kept (copy)
    #[arg(long, value_name = "L")]
    pub length: Option<u64>,
    /// The largest n (anbn)
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// Steps of a period (sine)
    #[arg(long, value_name = "T")]
    pub period: Option<u64>,
    /// How many characters decide the next (markov)
    #[arg(long, value_name = "N")]
    pub order: Option<u64>,
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|it| {
        Kind::ALL.into_iter().find(|kind| kind.name() == it).ok_or("is not one of the tasks")
    })
}

impl TaskArgs {
    /// The options that were given.
    pub fn given(&self) -> Vec<(Key, u64)> {
        let value = |key: Key| match key {
            Key::Sequences => self.sequences,
            Key::Steps => self.steps,
            Key::Valid => self.valid,
            Key::Seed => self.seed,
            Key::Symbols => self.symbols,
            Key::Length => self.length,
            Key::Max => self.max,
            Key::Period => self.period,
            Key::Order => self.order,
        };
        Key::ALL.into_iter().filter_map(|key| Some((key, value(key)?))).collect()
    }
}
