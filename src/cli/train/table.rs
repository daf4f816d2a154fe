//! Reading a table to train on: columns become inputs and targets, words become numbers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ndarray::{Array1, Array2, ArrayD};

use super::source::{Known, Part, Reading, vocabulary_evidence};
use crate::api::Evidence;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::feed::list;
use crate::data::{self, TableOptions};
use crate::diag::Code;
use crate::ir::{self, InputRole};
use crate::train::Axes;

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
    let bytes = ctx.read(path)?;
    let names = data::read_names(&bytes).map_err(fault)?;
    let shown = path.display().to_string();
    let mut part = Part::new(true);
    for input in &reading.cell.inputs {
        let (kind, said) = match input.role {
            InputRole::Input => ("input", inputs),
            InputRole::Target => ("target", targets),
            InputRole::Coin | InputRole::Draw => continue,
        };
        let said = said.get(&*input.name);
        let Some(columns) = columns(input, said, known, &names) else {
            if input.default.is_some() {
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
        let (cells, has_header) = data::read_cells(&bytes, &picked).map_err(fault)?;
        let above = usize::from(has_header);
        let index = input.index.as_ref();
        let is_words = |cells: &[String]| cells.iter().any(|it| !is_whole(it));
        let (values, limit) = match (index, cells.first()) {
            (Some(_), Some(cells))
                if known.categories.contains_key(picked[0]) || is_words(cells) =>
            {
                let trained = (reading.trained)(cells.len());
                let words = categories(known, picked[0], &cells[..trained.min(cells.len())]);
                let numbers = numbers(&words, cells, &shown, picked[0], above)?;
                let evidence = vocabulary_evidence(reading.cell, &input.name, &shown, words.len());
                part.evidence.push(evidence);
                (Array1::from(numbers).into_dyn(), Some(words.len() as u64))
            }
            _ => (numeric(&bytes, &picked, input).map_err(fault)?, None),
        };
        if index.is_none() {
            part.evidence.push(Evidence {
                what: format!("{shown}: {kind} `{}`", input.name),
                shape: input.shape.clone(),
                sizes: values.shape()[1..].to_vec(),
                code: Code::DataDoesNotFit,
            });
        }
        known.columns.insert(input.name.to_string(), columns.clone());
        part.put(kind, &input.name, &shown, columns, above, &values);
        part.push(input, Axes::Shared, values, limit);
    }
    Ok(part)
}

/// The columns of an input: those that were said, those of the run, or those of its name.
fn columns(
    input: &ir::Input,
    said: Option<&String>,
    known: &Known,
    names: &[String],
) -> Option<Vec<String>> {
    if let Some(said) = said {
        return Some(said.split(',').map(|it| it.trim().to_owned()).collect());
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

/// The words of a column: those of the run, or those of the training part.
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

/// Columns of numbers as `[M]` or `[M, D]`.
fn numeric(
    bytes: &[u8],
    columns: &[&str],
    input: &ir::Input,
) -> Result<ArrayD<f64>, data::DataError> {
    let picked = columns.iter().map(|it| (*it).to_owned()).collect();
    let options = TableOptions { columns: picked, ..TableOptions::default() };
    let table = data::read_table(bytes, &options, &|_| true)?;
    let rows = table.n_rows();
    Ok(match input.shape.rank() {
        0 => Array1::from(table.columns.first().cloned().unwrap_or_default()).into_dyn(),
        _ => {
            let shape = (rows, table.columns.len());
            Array2::from_shape_fn(shape, |(row, column)| table.columns[column][row]).into_dyn()
        }
    })
}
