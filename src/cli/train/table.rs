//! Reading a table to train on: columns become inputs and targets, words become numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ndarray::{ArrayD, Axis};

use super::source::{Known, Part, Reading, vocabulary_evidence};
use crate::api::Evidence;
use crate::cli::config::Value;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::feed::{list, read_as};
use crate::data::{self, Table, TableOptions};
use crate::diag::Code;
use crate::exec::Feed;
use crate::ir::{self, InputRole};
use crate::train::Axes;

/// The rows of a table by the sequences that they are of, in the order in which these begin.
struct Sequences {
    lengths: Vec<(String, usize)>,
    rows: Vec<usize>,
}

impl Sequences {
    fn of(cells: &[String]) -> Sequences {
        let mut places = BTreeMap::new();
        let mut lengths: Vec<(String, usize)> = Vec::new();
        let mut of_row = Vec::new();
        for cell in cells {
            let place = *places.entry(cell).or_insert(lengths.len());
            if place == lengths.len() {
                lengths.push((cell.clone(), 0));
            }
            lengths[place].1 += 1;
            of_row.push(place);
        }
        let mut rows: Vec<usize> = (0..cells.len()).collect();
        rows.sort_by_key(|it| of_row[*it]);
        Sequences { lengths, rows }
    }
}

impl Reading<'_> {
    /// Returns a key about tables: what is said now, else what was said when the model was trained.
    fn of_table(&self, key: &str) -> Option<Value> {
        match (self.settings.said(key), self.before) {
            (None, Some(before)) => before.value(key),
            (_, _) => self.settings.value(key),
        }
    }

    fn table_options(&self) -> TableOptions {
        let word = |key| match self.of_table(key) {
            Some(Value::Word(it)) => Some(it),
            Some(_) | None => None,
        };
        let sequence = match self.of_table("sequence_column") {
            Some(Value::Text(it)) => Some(it),
            Some(_) | None => None,
        };
        TableOptions {
            columns: Vec::new(),
            header: word("header").map(|it| it == "yes"),
            // Every word of these keys is one that can be read.
            decimal: word("decimal").and_then(|it| it.parse().ok()),
            missing: word("missing").and_then(|it| it.parse().ok()),
            sequence,
        }
    }

    /// Returns the input that `columns` is for: the only one.
    fn only_columns(&self) -> Result<Option<(String, Vec<String>)>, CliError> {
        let Some(columns) = self.settings.text("columns") else { return Ok(None) };
        let inputs = self.cell.inputs.iter().filter(|it| it.role == InputRole::Input);
        let names: Vec<String> = inputs.map(|it| it.name.to_string()).collect();
        match &names[..] {
            [only] => Ok(Some((only.clone(), parted(&columns)))),
            all => {
                let message = format!(
                    "`columns` is for a model with one input, and this one has {}; --{} NAME=COLUMN,COLUMN names \
                     the columns of each",
                    list(all),
                    self.key("input")
                );
                Err(self.settings.fault("columns", &message))
            }
        }
    }
}

fn parted(columns: &str) -> Vec<String> {
    columns.split(',').map(|it| it.trim().to_owned()).collect()
}

/// Reads a table with the columns that were said, or that are called as the inputs and targets.
pub fn read(
    reading: &Reading<'_>,
    ctx: &mut Context,
    path: &Path,
    inputs: &BTreeMap<String, String>,
    targets: &BTreeMap<String, String>,
    known: &mut Known,
) -> Result<Part, CliError> {
    let fault = |it| CliError::data(path, it);
    let options = reading.table_options();
    let bytes = ctx.read(path)?;
    let names = data::read_names(&bytes, &options).map_err(fault)?;
    let shown = path.display().to_string();
    let only = reading.only_columns()?;
    let sequences = match &options.sequence {
        Some(column) => {
            let (cells, _) =
                data::read_cells(&bytes, &[column.as_str()], &options).map_err(fault)?;
            cells.first().map(|it| Sequences::of(it))
        }
        None => None,
    };
    let mut part = Part::new(sequences.is_none());
    part.is_table = true;
    if let Some(it) = &sequences {
        part.put_lengths(it.lengths.iter().map(|it| it.1).collect());
    }
    for input in &reading.cell.inputs {
        let (kind, said) = match input.role {
            InputRole::Input => ("input", inputs),
            InputRole::Target => ("target", targets),
            InputRole::Coin | InputRole::Draw => continue,
        };
        let only = only.iter().find(|it| it.0 == *input.name).map(|it| it.1.clone());
        let said = said.get(&*input.name).map(|it| parted(it)).or(only);
        let is_unread = said.is_none() && reading.unread.contains(&input.name);
        let there = |it: &Vec<String>| !is_unread || it.iter().all(|it| names.contains(it));
        let Some(columns) = columns(input, said, known, &names).filter(there) else {
            if input.default.is_some() || is_unread {
                continue;
            }
            let name = &input.name;
            let has = list(&names);
            let message = format!(
                "{shown}: no column `{name}`, only {has}; give --{kind} {name}=COLUMN,COLUMN"
            );
            return Err(CliError::misfit(message));
        };
        if input.shape.rank() > 1 || (input.shape.rank() == 0 && columns.len() != 1) {
            let (name, shape, count) = (&input.name, &input.shape, columns.len());
            let message =
                format!("{shown}: {kind} `{name}` of {shape} does not take {count} columns");
            return Err(CliError::misfit(message));
        }
        let picked: Vec<&str> = columns.iter().map(String::as_str).collect();
        let (cells, has_header) = data::read_cells(&bytes, &picked, &options).map_err(fault)?;
        let above = usize::from(has_header);
        let index = input.index.as_ref();
        let is_words = |cells: &[String]| cells.iter().any(|it| !is_whole(it));
        let (table, limit) = match (index, cells.first()) {
            (Some(_), Some(cells))
                if known.categories.contains_key(picked[0]) || is_words(cells) =>
            {
                // Which sequences are held out is drawn later, so that the words are those of all.
                let trained = match &sequences {
                    Some(_) => cells.len(),
                    None => (reading.trained)(cells.len()),
                };
                let words = categories(known, picked[0], &cells[..trained.min(cells.len())]);
                let mut numbers = numbers(&words, cells, &shown, picked[0], above)?;
                let mut table = Table::default();
                if let Some(it) = &sequences {
                    numbers = it.rows.iter().map(|it| numbers[*it]).collect();
                    table.sequences.clone_from(&it.lengths);
                }
                table.columns = vec![numbers];
                let evidence = vocabulary_evidence(reading.cell, &input.name, &shown, words.len());
                part.evidence.push(evidence);
                (table, Some(words.len() as u64))
            }
            (_, _) => {
                let options = TableOptions { columns: columns.clone(), ..options.clone() };
                (data::read_table(&bytes, &options, &|_| true).map_err(fault)?, None)
            }
        };
        if cells.first().is_none_or(Vec::is_empty) {
            let message = format!("{shown}: the table has no rows, only the names of its columns");
            return Err(CliError::Fit { code: Code::CannotCut, message });
        }
        let (axes, values) = values(input, &table, sequences.is_some(), path)?;
        if index.is_none() {
            part.evidence.push(Evidence {
                what: format!("{shown}: {kind} `{}`", input.name),
                shape: input.shape.clone(),
                sizes: values.shape()[values.ndim() - input.shape.rank()..].to_vec(),
                code: Code::DataDoesNotFit,
            });
        }
        known.columns.insert(input.name.to_string(), columns.clone());
        part.put(kind, &input.name, &shown, columns, above, &values);
        part.push(input, axes, values, limit);
    }
    Ok(part)
}

/// Returns the values of an input: a row for each step, or for each step of each sequence, or one for each sequence.
fn values(
    input: &ir::Input,
    table: &Table,
    by_sequence: bool,
    path: &Path,
) -> Result<(Axes, ArrayD<f64>), CliError> {
    if by_sequence {
        return Ok(match read_as::from_table(input, table, true, path)? {
            Feed::Batch(array) if input.per_sequence => (Axes::Last, array),
            Feed::Batch(array) => (Axes::Batch, array),
            Feed::Shared(array) => (Axes::Shared, array),
        });
    }
    if input.per_sequence {
        return Err(CliError::misfit(format!(
            "{}: input `{}` is given per sequence; --sequence-column NAME says which rows are one",
            path.display(),
            input.name
        )));
    }
    let mut array = table.array().map_err(|it| CliError::data(path, it))?;
    if input.shape.rank() == 0 {
        array.index_axis_inplace(Axis(1), 0);
    }
    Ok((Axes::Shared, array))
}

/// Returns the columns of an input: those that were said, those of the run, or those of its name.
fn columns(
    input: &ir::Input,
    said: Option<Vec<String>>,
    known: &Known,
    names: &[String],
) -> Option<Vec<String>> {
    if said.is_some() {
        return said;
    }
    if let Some(columns) = known.columns.get(&*input.name) {
        return Some(columns.clone());
    }
    let name = input.name.to_string();
    if names.contains(&name) {
        return Some(vec![name]);
    }
    let numbered = (0..).map(|it| format!("{name}[{it}]")).take_while(|it| names.contains(it));
    let numbered: Vec<String> = numbered.collect();
    (!numbered.is_empty()).then_some(numbered)
}

fn is_whole(cell: &str) -> bool {
    cell.parse::<f64>().is_ok_and(|it| it.fract() == 0.0)
}

/// Returns the words of a column: those of the run, or those of the training part.
fn categories(known: &mut Known, column: &str, trained: &[String]) -> Vec<String> {
    let words = known.categories.entry(column.to_owned()).or_insert_with(|| {
        let all: BTreeSet<&String> = trained.iter().collect();
        all.into_iter().cloned().collect()
    });
    words.clone()
}

fn numbers(
    words: &[String],
    cells: &[String],
    file: &str,
    column: &str,
    above: usize,
) -> Result<Vec<f64>, CliError> {
    let number = |(row, cell): (usize, &String)| match words.binary_search(cell) {
        Ok(at) => Ok(at as f64),
        Err(_) => {
            let row = row + above + 1;
            let known = words.len();
            let message = format!(
                "{file}: row {row}, column `{column}`: `{}` is not among the {known} words of the training part",
                cell.escape_debug()
            );
            Err(CliError::Fit { code: Code::BadIndex, message })
        }
    };
    cells.iter().enumerate().map(number).collect()
}
