//! Inputs, lengths and initial states from files.

use std::ffi::OsStr;
use std::path::Path;

use ndarray::{ArrayD, Axis};

use super::{Names, counted, evidence, list, named_arrays, named_file, read_as};
use crate::api::Evidence;
use crate::cli::args::{DataArgs, TableArgs};
use crate::cli::context::Context;
use crate::cli::error::{CliError, shown};
use crate::data::{self, FileKind, Stored, Table};
use crate::diag::Code;
use crate::exec::Feed;
use crate::ir::{self, InputRole};

/// The data of the files of `--input`.
pub struct Given {
    /// For each input of the cell.
    pub feeds: Vec<Option<Feed<f64>>>,
    /// The number of steps of each sequence, where a column of a table tells them apart.
    pub lengths: Option<Vec<usize>>,
}

/// Reads the files of `--input` into the inputs of the cell.
pub fn read(
    ctx: &mut Context,
    cell: &ir::Cell,
    args: &DataArgs,
    notes: &mut Vec<String>,
) -> Result<Given, CliError> {
    let feeds = cell.inputs.iter().map(|_| None).collect();
    let mut reading = Reading { cell, args, given: Given { feeds, lengths: None }, names: None };
    let names = |role| -> Vec<String> {
        let of_role = cell.inputs.iter().filter(|it| it.role == role);
        of_role.map(|it| it.name.to_string()).collect()
    };
    let mut has_table = false;
    let inputs = args.input.iter().map(|it| (it, InputRole::Input));
    let options = inputs.chain(args.target.iter().map(|it| (it, InputRole::Target)));
    for (option, role) in options {
        let (name, path) = named_file(option);
        let names = names(role);
        let (flag, what) = match role {
            InputRole::Target => ("--target", "targets"),
            InputRole::Input | InputRole::Draw | InputRole::Coin => ("--input", "inputs"),
        };
        let of_role = |idx: &usize| cell.inputs[*idx].role == role;
        let idx = match name {
            Some(name) => Some(cell.input(&name).filter(of_role).ok_or_else(|| {
                let known = list(&names);
                CliError::Usage(format!("{flag} {name}: the cell's {what} are {known}"))
            })?),
            // The only input that must be given is the one that is meant.
            None => only_input(cell, role),
        };
        let bytes = ctx.read(&path)?;
        match FileKind::of(&path, &bytes) {
            FileKind::Table => {
                has_table = true;
                notes.push(reading.table(idx, &bytes, &path)?);
            }
            FileKind::Several => {
                let arrays = data::read_named(&path, bytes);
                reading.several(idx, arrays.map_err(|it| CliError::data(&path, it))?, &path)?;
            }
            FileKind::Npy => {
                let Some(idx) = idx else {
                    let known = list(&names);
                    let file = shown(&path);
                    let file = file.display();
                    let message = format!("{flag} {file}: write NAME=FILE; the {what} are {known}");
                    return Err(CliError::Usage(message));
                };
                let tensor = data::read_npy(&bytes).map_err(|it| CliError::data(&path, it))?;
                reading.array(idx, tensor.values, &path)?;
            }
        }
    }
    let TableArgs { columns, header, decimal, missing, sequence_column } = &args.table;
    let asked = [
        (!columns.is_empty(), "--columns"),
        (header.is_some(), "--header"),
        (decimal.is_some(), "--decimal"),
        (missing.is_some(), "--missing"),
        (sequence_column.is_some(), "--sequence-column"),
    ];
    match asked.iter().find(|it| it.0 && !has_table && args.data.is_none()) {
        Some((_, flag)) => {
            let message = format!("{flag} is about tables, such as a .csv, and no --input is one");
            Err(CliError::Usage(message))
        }
        None => Ok(reading.given),
    }
}

struct Reading<'a> {
    cell: &'a ir::Cell,
    args: &'a DataArgs,
    given: Given,
    /// The names of the sequences in a column.
    names: Option<Vec<String>>,
}

impl Reading<'_> {
    fn put(&mut self, idx: usize, feed: Feed<f64>) -> Result<(), CliError> {
        if self.given.feeds[idx].replace(feed).is_some() {
            let name = &self.cell.inputs[idx].name;
            return Err(CliError::Usage(format!("input `{name}` is given twice")));
        }
        Ok(())
    }

    fn array(&mut self, idx: usize, array: ArrayD<f64>, path: &Path) -> Result<(), CliError> {
        let feed = read_as::from_array(&self.cell.inputs[idx], array, self.args.batch_first, path)?;
        self.put(idx, feed)
    }

    /// Arrays with names go to the inputs of these names, or the only one to the input that is meant.
    fn several(
        &mut self,
        idx: Option<usize>,
        arrays: Vec<(String, Stored)>,
        path: &Path,
    ) -> Result<(), CliError> {
        let names: Vec<String> = arrays.iter().map(|it| it.0.clone()).collect();
        let find = |name: &str| {
            let is_it = |it: &&(String, Stored)| it.0 == name || it.0 == format!("input.{name}");
            arrays.iter().find(is_it)
        };
        let wanted: Vec<usize> = match idx {
            Some(idx) => vec![idx],
            None => (0..self.cell.inputs.len()).collect(),
        };
        let mut found = false;
        for idx in wanted.iter().copied() {
            let name = &*self.cell.inputs[idx].name;
            let only = || arrays.first().filter(|_| arrays.len() == 1 && wanted.len() == 1);
            if let Some((name, stored)) = find(name).or_else(only) {
                let tensor = stored.tensor().map_err(|it| CliError::Fit {
                    code: it.code(),
                    message: format!("{}: `{name}`: {it}", path.display()),
                })?;
                self.array(idx, tensor.values, path)?;
                found = true;
            }
        }
        if found {
            return Ok(());
        }
        let wanted: Vec<String> =
            wanted.iter().map(|it| self.cell.inputs[*it].name.to_string()).collect();
        let (path, has) = (shown(path), list(&names));
        Err(CliError::misfit(format!(
            "{}: no array for {}; it has {has}",
            path.display(),
            list(&wanted)
        )))
    }

    /// Hands the columns of a table to one input, or to the scalar inputs of their names. Returns a note that says so.
    fn table(&mut self, idx: Option<usize>, bytes: &[u8], path: &Path) -> Result<String, CliError> {
        let options = self.args.table.options();
        // Columns that go nowhere, such as dates, need not be numbers.
        let wanted = |column: &str| idx.is_some() || scalar_input(self.cell, column).is_some();
        let table = data::read_table(bytes, &options, &wanted);
        let table = table.map_err(|it| CliError::data(path, it))?;
        let mut taken = match idx {
            Some(idx) => {
                let input = &self.cell.inputs[idx];
                let feed = read_as::from_table(input, &table, true, path)?;
                self.put(idx, feed)?;
                match (&table.header, table.columns.len()) {
                    (Some(names), _) => format!("{} is {}", input.name, names.join(", ")),
                    (None, 1) => format!("no header; {} is the column", input.name),
                    (None, count) => format!("no header; {} is {count} columns", input.name),
                }
            }
            None => self.spread(&table, path)?,
        };
        if !table.notation.is_empty() {
            taken.push_str(&format!("; {}", table.notation));
        }
        if let Some(lengths) = table.lengths() {
            taken.push_str(&format!("; {}", counted(lengths.len() as u64, "sequence")));
            self.sequences(idx, &table, lengths, path)?;
        }
        Ok(format!("{}: {taken}", shown(path).display()))
    }

    /// Returns true if all inputs that a table is for are given per sequence.
    fn is_once(&self, idx: Option<usize>, table: &Table) -> bool {
        let header = table.header.iter().flatten();
        let by_name = header.filter_map(|it| scalar_input(self.cell, it));
        let mut all: Box<dyn Iterator<Item = usize>> = match idx {
            Some(idx) => Box::new(std::iter::once(idx)),
            None => Box::new(by_name),
        };
        all.all(|it| self.cell.inputs[it].per_sequence)
    }

    /// The sequences of a table are those of the tables before it.
    fn sequences(
        &mut self,
        idx: Option<usize>,
        table: &Table,
        lengths: Vec<usize>,
        path: &Path,
    ) -> Result<(), CliError> {
        let fault =
            |message: &str| Err(CliError::misfit(format!("{}: {message}", shown(path).display())));
        let names: Vec<String> = table.sequences.iter().map(|it| it.0.clone()).collect();
        if *self.names.get_or_insert_with(|| names.clone()) != names {
            return fault("the sequences of the tables have other names, or another order");
        }
        // A row for each sequence is enough for what is given per sequence.
        if self.is_once(idx, table) {
            return Ok(());
        }
        if *self.given.lengths.get_or_insert_with(|| lengths.clone()) != lengths {
            return fault("the sequences of the tables have different lengths");
        }
        Ok(())
    }

    /// Hands the columns of a table to the scalar inputs of the same names. Returns a note that says so.
    fn spread(&mut self, table: &Table, path: &Path) -> Result<String, CliError> {
        let Some(header) = &table.header else {
            let message = "a table without a header for several inputs; write --input NAME=FILE";
            return Err(CliError::misfit(format!("{}: {message}", shown(path).display())));
        };
        let mut taken = Vec::new();
        let is_once = self.is_once(None, table);
        for (column, name) in header.iter().enumerate() {
            let Some(idx) = scalar_input(self.cell, name) else { continue };
            let one = Table { columns: vec![table.columns[column].clone()], ..table.clone() };
            self.put(idx, read_as::from_table(&self.cell.inputs[idx], &one, is_once, path)?)?;
            taken.push(name.clone());
        }
        if taken.is_empty() {
            let inputs: Vec<String> =
                self.cell.inputs.iter().map(|it| it.name.to_string()).collect();
            let message = format!("no column is called as a scalar input, of {}", list(&inputs));
            return Err(CliError::misfit(format!("{}: {message}", shown(path).display())));
        }
        Ok(format!("{} by the names of columns", taken.join(", ")))
    }
}

/// Returns the input that a file without a name is for.
fn only_input(cell: &ir::Cell, role: InputRole) -> Option<usize> {
    let all = || cell.inputs.iter().enumerate().filter(|it| it.1.role == role);
    let mut needed = all().filter(|(_, it)| it.default.is_none());
    if let (Some((only, _)), 1) = (all().next(), all().count()) {
        return Some(only);
    }
    match (needed.next(), needed.next(), all().count()) {
        (Some((idx, _)), None, _) => Some(idx),
        _ => None,
    }
}

/// Returns every input without a default must be there as soon as one is.
pub fn complete(cell: &ir::Cell, feeds: &[Option<Feed<f64>>]) -> Result<(), CliError> {
    let missing = cell.inputs.iter().zip(feeds);
    let missing: Vec<_> = missing
        .filter(|(input, feed)| feed.is_none() && input.default.is_none())
        .filter(|(input, _)| input.is_given())
        .collect();
    let flag = match missing.first() {
        Some((input, _)) if input.role == InputRole::Target => "--target",
        Some(_) | None => "--input",
    };
    let missing: Vec<String> = missing.iter().map(|it| it.0.name.to_string()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let free = if flag == "--target" { ", or --feedback own" } else { "" };
    Err(CliError::misfit(format!(
        "no data for {}; give {flag} {}=FILE{free}",
        list(&missing),
        missing[0]
    )))
}

/// Returns the scalar input that a column of this name goes to.
fn scalar_input(cell: &ir::Cell, column: &str) -> Option<usize> {
    cell.input(column).filter(|idx| cell.inputs[*idx].shape.rank() == 0)
}

/// Returns the evidence of the inputs about sizes.
pub fn evidence_of(cell: &ir::Cell, feeds: &[Option<Feed<f64>>]) -> Vec<Evidence> {
    let given = cell.inputs.iter().zip(feeds);
    let given = given.filter_map(|(input, feed)| Some((input, feed.as_ref()?)));
    given
        .map(|(input, feed)| {
            let what = format!("input `{}`", input.name);
            let sizes = &feed.array().shape()[feed.outer(input)..];
            evidence(what, &input.shape, sizes, Code::DataDoesNotFit)
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
    notes: &mut Vec<String>,
) -> Result<Vec<Option<ArrayD<f64>>>, CliError> {
    let known: Vec<String> = cell.carries.iter().map(|it| it.name.to_string()).collect();
    let names = Names { flag: "--state", known: &known, prefix: "state." };
    let mut arrays = named_arrays(ctx, &args.state, &names)?;
    let forgotten: Vec<String> =
        known.iter().filter(|it| !arrays.contains_key(*it)).cloned().collect();
    if !arrays.is_empty() && !forgotten.is_empty() {
        notes.push(format!("not given, so as in the first step: {}", forgotten.join(", ")));
    }
    let mut states = Vec::new();
    for carry in &cell.carries {
        let state = arrays.remove(&*carry.name);
        if let Some(array) = &state {
            let skip = match array.ndim().checked_sub(carry.shape.rank()) {
                Some(0) => 0,
                Some(1) if array.shape()[0] == batch => 1,
                Some(1) => {
                    return Err(CliError::misfit(format!(
                        "state `{}` is given for {} sequences, there are {batch}",
                        carry.name,
                        array.shape()[0]
                    )));
                }
                _ => {
                    return Err(CliError::misfit(format!(
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

/// Reads `--lengths`: whole numbers, one for each sequence, in a file or as they are. Whether they fit T and B is known when
/// running.
pub fn read_lengths(ctx: &mut Context, given: &OsStr) -> Result<Vec<usize>, CliError> {
    let bad = |message: String| CliError::Fit {
        code: Code::BadLengths,
        message: format!("{}: {message}", shown(Path::new(given)).display()),
    };
    if let Some(lengths) = given.to_str().and_then(data::parse_lengths) {
        return Ok(lengths);
    }
    let path = Path::new(given);
    let bytes = ctx.read(path)?;
    let array = match FileKind::of(path, &bytes) {
        FileKind::Table => {
            let table = data::read_csv(&bytes).map_err(|it| CliError::data(path, it))?;
            if table.columns.len() != 1 {
                let count = table.columns.len();
                return Err(bad(format!("lengths are one column, the table has {count}")));
            }
            let array = table.array().map_err(|it| CliError::data(path, it))?;
            array.index_axis_move(Axis(1), 0)
        }
        FileKind::Npy | FileKind::Several => {
            data::read_npy(&bytes).map_err(|it| CliError::data(path, it))?.values
        }
    };
    if array.ndim() != 1 {
        return Err(bad(format!("lengths are [B], the array is {:?}", array.shape())));
    }
    let lengths = array.iter().enumerate();
    lengths
        .map(|(idx, value)| {
            // Beyond 2^53 a float is no longer an exact count; no sequence is that long.
            if value.fract() == 0.0 && (0.0..9e15).contains(value) {
                Ok(*value as usize)
            } else {
                Err(bad(format!("length {value} of sequence {idx} is no number of steps")))
            }
        })
        .collect()
}
