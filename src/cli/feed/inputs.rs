//! Inputs, lengths and initial states from files.

use std::path::Path;

use ndarray::{Array1, Array2, ArrayD, Axis};

use super::{evidence, list, misfit, named_arrays, named_file, read_npy};
use crate::api::Evidence;
use crate::cli::args::DataArgs;
use crate::cli::context::Context;
use crate::cli::error::{CliError, shown};
use crate::data::{self, DataError, Table};
use crate::diag::Code;
use crate::exec::Feed;
use crate::ir;

/// Reads the files of `--input` into the inputs of the cell.
pub fn read(
    ctx: &mut Context,
    cell: &ir::Cell,
    args: &DataArgs,
) -> Result<Vec<Option<Feed<f64>>>, CliError> {
    let mut feeds: Vec<Option<Feed<f64>>> = cell.inputs.iter().map(|_| None).collect();
    let names: Vec<String> = cell.inputs.iter().map(|it| it.name.to_string()).collect();
    let mut has_table = false;
    for option in &args.input {
        let (name, path) = named_file(option);
        let idx = match name {
            Some(name) => Some(cell.input(&name).ok_or_else(|| {
                let known = list(&names);
                CliError::Usage(format!("--input {name}: the cell's inputs are {known}"))
            })?),
            // The only input that must be given is the one that is meant.
            None => only_input(cell),
        };
        let bytes = ctx.read(&path)?;
        let in_file = |it| CliError::data(&path, it);
        if is_table(&path, &bytes) {
            has_table = true;
            // Columns that go nowhere, such as dates, need not be numbers.
            let wanted = |column: &str| match (args.columns.is_empty(), idx) {
                (false, _) => args.columns.iter().any(|it| it == column),
                (true, Some(_)) => true,
                (true, None) => scalar_input(cell, column).is_some(),
            };
            let table = data::read_csv_columns(&bytes, &wanted).map_err(in_file)?;
            let table = columns(table, &args.columns).map_err(in_file)?;
            match idx {
                Some(idx) => {
                    let feed = from_table(&cell.inputs[idx], &table, &path)?;
                    put(&mut feeds, idx, feed, cell)?;
                }
                None => spread(cell, &table, &path, &mut feeds)?,
            }
        } else {
            let Some(idx) = idx else {
                let known = list(&names);
                let file = shown(&path);
                let file = file.display();
                let message = format!("--input {file}: write NAME=FILE; the inputs are {known}");
                return Err(CliError::Usage(message));
            };
            let tensor = data::read_npy(&bytes).map_err(in_file)?;
            let feed = from_array(&cell.inputs[idx], tensor.values, args.batch_first, &path)?;
            put(&mut feeds, idx, feed, cell)?;
        }
    }
    if !args.columns.is_empty() && !has_table {
        let message = "--columns picks columns of a .csv, and no --input is one";
        return Err(CliError::Usage(message.to_owned()));
    }
    Ok(feeds)
}

/// Whether a file is a table, by its name; what comes through standard input has none and is told by its first bytes.
fn is_table(path: &Path, bytes: &[u8]) -> bool {
    match path.as_os_str() == "-" {
        true => !bytes.starts_with(b"\x93NUMPY"),
        false => path.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv")),
    }
}

/// The columns that were asked for: by their names, or by numbers from 1 in a table without names.
fn columns(table: Table, names: &[String]) -> Result<Table, DataError> {
    if names.is_empty() {
        return Ok(table);
    }
    let numbers: Option<Vec<usize>> = names.iter().map(|it| it.parse().ok()).collect();
    match (&table.header, numbers) {
        (None, Some(numbers))
            if numbers.iter().all(|it| (1..=table.columns.len()).contains(it)) =>
        {
            let columns = numbers.iter().map(|it| table.columns[it - 1].clone()).collect();
            Ok(Table { header: None, columns })
        }
        (None | Some(_), _) => table.select(&names.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

/// The input that a file without a name is for.
fn only_input(cell: &ir::Cell) -> Option<usize> {
    let mut needed = cell.inputs.iter().enumerate().filter(|(_, it)| it.default.is_none());
    match (needed.next(), needed.next(), cell.inputs.len()) {
        (_, _, 1) => Some(0),
        (Some((idx, _)), None, _) => Some(idx),
        _ => None,
    }
}

fn put(
    feeds: &mut [Option<Feed<f64>>],
    idx: usize,
    feed: Feed<f64>,
    cell: &ir::Cell,
) -> Result<(), CliError> {
    if feeds[idx].replace(feed).is_some() {
        let name = &cell.inputs[idx].name;
        return Err(CliError::Usage(format!("input `{name}` is given twice")));
    }
    Ok(())
}

/// Every input without a default must be there as soon as one is.
pub fn complete(cell: &ir::Cell, feeds: &[Option<Feed<f64>>]) -> Result<(), CliError> {
    let missing = cell.inputs.iter().zip(feeds);
    let missing: Vec<String> = missing
        .filter(|(input, feed)| feed.is_none() && input.default.is_none())
        .map(|(input, _)| input.name.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(misfit(format!("no data for {}; give --input {}=FILE", list(&missing), missing[0])))
}

/// The rank decides: `[T, ..]` is one sequence, `[T, B, ..]` a batch.
fn from_array(
    input: &ir::Input,
    array: ArrayD<f64>,
    batch_first: bool,
    path: &Path,
) -> Result<Feed<f64>, CliError> {
    let rank = input.shape.rank();
    match array.ndim().checked_sub(rank) {
        Some(1) => Ok(Feed::Shared(array)),
        Some(2) => {
            let mut array = array;
            if batch_first {
                array.swap_axes(0, 1);
                array = array.as_standard_layout().into_owned();
            }
            Ok(Feed::Batch(array))
        }
        _ => {
            let axes: Vec<String> = input.shape.axes().iter().map(|it| it.to_string()).collect();
            let with = |first: &[&str]| {
                let first = first.iter().map(|it| (*it).to_owned());
                format!("[{}]", first.chain(axes.iter().cloned()).collect::<Vec<_>>().join(", "))
            };
            let batch = if batch_first { ["B", "T"] } else { ["T", "B"] };
            Err(misfit(format!(
                "{}: input `{}` takes {} for one sequence or {} for a batch, the array is {:?}",
                shown(path).display(),
                input.name,
                with(&["T"]),
                with(&batch),
                array.shape()
            )))
        }
    }
}

/// A table is one sequence, a row per step.
fn from_table(input: &ir::Input, table: &Table, path: &Path) -> Result<Feed<f64>, CliError> {
    let rows = table.n_rows();
    match (input.shape.rank(), table.columns.as_slice()) {
        (0, [column]) => Ok(Feed::Shared(Array1::from(column.clone()).into_dyn())),
        (0, columns) => Err(misfit(format!(
            "{}: input `{}` is one number per step, the table has {} columns; pick one with --columns",
            shown(path).display(),
            input.name,
            columns.len()
        ))),
        (1, columns) => {
            let array = Array2::from_shape_fn((rows, columns.len()), |(t, i)| columns[i][t]);
            Ok(Feed::Shared(array.into_dyn()))
        }
        (rank, _) => Err(misfit(format!(
            "{}: input `{}` has {rank} axes per step, a table has one; use .npy",
            path.display(),
            input.name
        ))),
    }
}

/// The scalar input that a column of this name goes to.
fn scalar_input(cell: &ir::Cell, column: &str) -> Option<usize> {
    cell.input(column).filter(|idx| cell.inputs[*idx].shape.rank() == 0)
}

/// The columns of a table go to the scalar inputs of the same names.
fn spread(
    cell: &ir::Cell,
    table: &Table,
    path: &Path,
    feeds: &mut [Option<Feed<f64>>],
) -> Result<(), CliError> {
    let Some(header) = &table.header else {
        let message = "a table without a header for several inputs; write --input NAME=FILE";
        return Err(misfit(format!("{}: {message}", shown(path).display())));
    };
    let mut found = false;
    for (name, column) in header.iter().zip(&table.columns) {
        let Some(idx) = scalar_input(cell, name) else { continue };
        put(feeds, idx, Feed::Shared(Array1::from(column.clone()).into_dyn()), cell)?;
        found = true;
    }
    if !found {
        let message = format!("no column is called as a scalar input; there are {}", list(header));
        return Err(misfit(format!("{}: {message}", shown(path).display())));
    }
    Ok(())
}

/// What the inputs say about sizes.
pub fn evidence_of(cell: &ir::Cell, feeds: &[Option<Feed<f64>>]) -> Vec<Evidence> {
    let given = cell.inputs.iter().zip(feeds);
    let given = given.filter_map(|(input, feed)| Some((input, feed.as_ref()?)));
    given
        .map(|(input, feed)| {
            let (array, skip) = match feed {
                Feed::Batch(array) => (array, 2),
                Feed::Shared(array) => (array, 1),
            };
            let what = format!("input `{}`", input.name);
            evidence(what, &input.shape, &array.shape()[skip..], Code::DataDoesNotFit)
        })
        .collect()
}

/// Reads `--state`: `[B, ..]`, or `[..]` for all sequences.
pub fn read_states(
    ctx: &mut Context,
    cell: &ir::Cell,
    args: &DataArgs,
    batch: usize,
    evidences: &mut Vec<Evidence>,
) -> Result<Vec<Option<ArrayD<f64>>>, CliError> {
    let known: Vec<String> = cell.carries.iter().map(|it| it.name.to_string()).collect();
    let mut arrays = named_arrays(ctx, &args.state, "--state", &known)?;
    let mut states = Vec::new();
    for carry in &cell.carries {
        let state = arrays.remove(&*carry.name);
        if let Some(array) = &state {
            let skip = match array.ndim().checked_sub(carry.shape.rank()) {
                Some(0) => 0,
                Some(1) if array.shape()[0] == batch => 1,
                Some(1) => {
                    return Err(misfit(format!(
                        "state `{}` is given for {} sequences, there are {batch}",
                        carry.name,
                        array.shape()[0]
                    )));
                }
                _ => {
                    return Err(misfit(format!(
                        "state `{}` is {} for each sequence, the array is {:?}",
                        carry.name,
                        carry.shape,
                        array.shape()
                    )));
                }
            };
            let what = format!("state `{}`", carry.name);
            let sizes = &array.shape()[skip..];
            evidences.push(evidence(what, &carry.shape, sizes, Code::DataDoesNotFit));
        }
        states.push(state);
    }
    Ok(states)
}

/// Reads `--lengths`: whole numbers, one for each sequence. Whether they fit T and B is known when running.
pub fn read_lengths(ctx: &mut Context, path: &Path) -> Result<Vec<usize>, CliError> {
    let bad = |message: String| CliError::Fit {
        code: Code::BadLengths,
        message: format!("{}: {message}", shown(path).display()),
    };
    let array = read_npy(ctx, path)?;
    if array.ndim() != 1 {
        return Err(bad(format!("lengths are [B], the array is {:?}", array.shape())));
    }
    let lengths = array.axis_iter(Axis(0)).enumerate();
    lengths
        .map(|(idx, value)| {
            let value = value.first().copied().unwrap_or(f64::NAN);
            // Beyond 2^53 a float is no longer an exact count; no sequence is that long.
            if value.fract() == 0.0 && (0.0..9e15).contains(&value) {
                Ok(value as usize)
            } else {
                Err(bad(format!("length {value} of sequence {idx} is no number of steps")))
            }
        })
        .collect()
}
