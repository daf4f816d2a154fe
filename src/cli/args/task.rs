//! The arguments of `rnnc data`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::examples;
use crate::train::tasks::{Key, Kind};

/// `rnnc data`
#[derive(Debug, Args)]
#[command(after_help = examples::DATA)]
pub struct TaskArgs {
    /// The task
    #[arg(hide_possible_values = true, value_parser = kinds())]
    pub task: Kind,
    /// The folder to make; one that is there must be empty
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
    /// The number of sequences, 2000 where the task says nothing else
    #[arg(long, value_name = "N")]
    pub sequences: Option<u64>,
    /// Steps of a sequence, the delay of `copy`, rows, or characters
    #[arg(long, value_name = "T")]
    pub steps: Option<u64>,
    /// The number of sequences for validation, by default a tenth of the others; 0 for none
    #[arg(long, value_name = "N")]
    pub valid: Option<u64>,
    /// The seed of all draws
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// The number of different symbols (copy, markov)
    #[arg(long, value_name = "K")]
    pub symbols: Option<u64>,
    /// The number of symbols to keep (copy)
    #[arg(long, value_name = "L")]
    pub length: Option<u64>,
    /// The largest n (anbn)
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,
    /// Steps of a period (sine)
    #[arg(long, value_name = "T")]
    pub period: Option<u64>,
    /// The number of characters that decide the next (markov)
    #[arg(long, value_name = "N")]
    pub order: Option<u64>,
    /// Prints the task, with its best scores, as JSON
    #[arg(long)]
    pub json: bool,
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).try_map(|it| {
        Kind::ALL.into_iter().find(|kind| kind.name() == it).ok_or("is not one of the tasks")
    })
}

impl TaskArgs {
    /// Returns the options that were given.
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
