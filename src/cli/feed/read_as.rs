//! Decides the meaning of the axes of a given array: steps, sequences and those of one value.

use std::path::Path;

use ndarray::{ArrayD, Axis};

use super::list;
use crate::cli::error::{CliError, shown};
use crate::data::Table;
use crate::exec::Feed;
use crate::ir;

/// `[S]` with axes before it, for messages.
fn with(input: &ir::Input, first: &[&str]) -> String {
    let axes = input.shape.axes().iter().map(|it| it.to_string());
    let all: Vec<String> = first.iter().map(|it| (*it).to_owned()).chain(axes).collect();
    format!("[{}]", all.join(", "))
}

/// Returns the declaration of a value per sequence, for messages.
fn declared(input: &ir::Input) -> String {
    let kind = match &input.index {
        Some(dim) => format!("index[{dim}]"),
        None => input.shape.to_string(),
    };
    format!("`input {}: {kind} per sequence`", input.name)
}

/// The rank decides: `[T, ..]` is one sequence, `[T, B, ..]` a batch; per sequence `[..]` and `[B, ..]`.
pub fn from_array(
    input: &ir::Input,
    mut array: ArrayD<f64>,
    batch_first: bool,
    path: &Path,
) -> Result<Feed<f64>, CliError> {
    refuse_one_hot(input, &array, path)?;
    let outer = array.ndim().checked_sub(input.shape.rank());
    let shape = array.shape().to_vec();
    let fault = |takes: String, why: String| {
        let shown = shown(path);
        let name = &input.name;
        let message =
            format!("{}: input `{name}` {takes}; the array is {shape:?}{why}", shown.display());
        Err(CliError::misfit(message))
    };
    match (input.per_sequence, outer) {
        (false, Some(1)) | (true, Some(0)) => Ok(Feed::Shared(array)),
        (true, Some(1)) => Ok(Feed::Batch(array)),
        (false, Some(2)) => {
            if batch_first {
                array.swap_axes(0, 1);
                array = array.as_standard_layout().into_owned();
            }
            Ok(Feed::Batch(array))
        }
        (false, _) => {
            let batch = if batch_first { ["B", "T"] } else { ["T", "B"] };
            let (one, all) = (with(input, &["T"]), with(input, &batch));
            let why = match outer {
                Some(0) => format!(". One value for all steps is declared {}", declared(input)),
                _ => String::new(),
            };
            fault(format!("takes {one} for one sequence or {all} for a batch"), why)
        }
        (true, _) => {
            let (one, all) = (with(input, &[]), with(input, &["B"]));
            let why = match outer {
                Some(2) => ". A value for each step is declared without `per sequence`".to_owned(),
                _ => String::new(),
            };
            let takes =
                format!("is given per sequence: {one} for one sequence or {all} for a batch");
            fault(takes, why)
        }
    }
}

/// So many rows in each of which one number of so many is a 1 and all others are 0 are no accident.
const ROWS: usize = 2;
const CLASSES: usize = 3;

/// An index is a number, and not a row that has a 1 in its place.
fn refuse_one_hot(input: &ir::Input, array: &ArrayD<f64>, path: &Path) -> Result<(), CliError> {
    let Some((classes, leading)) = array.shape().split_last() else { return Ok(()) };
    let rows: usize = leading.iter().product();
    let axes = if input.per_sequence { 0 } else { 1 };
    if input.index.is_none() || leading.len() < axes || rows < ROWS || *classes < CLASSES {
        return Ok(());
    }
    let is_one_hot = |row: ndarray::ArrayView1<'_, f64>| {
        row.iter().filter(|it| **it == 1.0).count() == 1
            && row.iter().all(|it| *it == 0.0 || *it == 1.0)
    };
    if !array.rows().into_iter().all(is_one_hot) {
        return Ok(());
    }
    let kind = input.index.as_ref().map(ToString::to_string).unwrap_or_default();
    Err(CliError::misfit(format!(
        "{}: input `{}` is an index[{kind}], whose values are whole numbers, but the array {:?} has \
         one-hot rows; save `a.argmax(-1)` of it, or declare `input {}: [{kind}]` for a vector",
        shown(path).display(),
        input.name,
        array.shape(),
        input.name
    )))
}

/// A table is one sequence, a row per step, or several, which then are as long as the longest. For an
/// input per sequence a table of its own has a row for each sequence; beside others, or with a column
/// that tells sequences apart, its numbers are the same within a sequence.
pub fn from_table(
    input: &ir::Input,
    table: &Table,
    is_own: bool,
    path: &Path,
) -> Result<Feed<f64>, CliError> {
    let per = if input.per_sequence { "sequence" } else { "step" };
    match (input.shape.rank(), table.columns.len()) {
        (0, 1) | (1, _) => {}
        (0, count) => {
            return Err(CliError::misfit(format!(
                "{}: input `{}` is one number per {per}, the table has {count} columns; pick one with --columns",
                shown(path).display(),
                input.name,
            )));
        }
        (rank, _) => {
            return Err(CliError::misfit(format!(
                "{}: input `{}` has {rank} axes per {per}, a table has one; use .npy",
                path.display(),
                input.name
            )));
        }
    }
    let fault = |it| CliError::data(path, it);
    let by_sequence = !table.sequences.is_empty();
    let mut array = match (input.per_sequence, by_sequence || !is_own) {
        (false, _) | (true, false) => table.array().map_err(fault)?,
        (true, true) => firsts(input, table, path)?.array().map_err(fault)?,
    };
    if input.shape.rank() == 0 {
        let last = Axis(array.ndim() - 1);
        array.index_axis_inplace(last, 0);
    }
    if !input.per_sequence {
        return Ok(if by_sequence { Feed::Batch(array) } else { Feed::Shared(array) });
    }
    // One row is one value for whatever sequences there are.
    if array.len_of(Axis(0)) == 1 && !by_sequence {
        array.index_axis_inplace(Axis(0), 0);
        return Ok(Feed::Shared(array));
    }
    Ok(Feed::Batch(array))
}

/// Returns the first row of each sequence, as a table without any; all rows of a sequence must be alike.
fn firsts(input: &ir::Input, table: &Table, path: &Path) -> Result<Table, CliError> {
    let lengths = table.lengths().unwrap_or_else(|| vec![table.n_rows()]);
    let begins = lengths.iter().scan(0, |at, length| Some(std::mem::replace(at, *at + length)));
    let begins: Vec<usize> = begins.collect();
    let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
    for column in &table.columns {
        for (at, (begin, length)) in begins.iter().zip(&lengths).enumerate() {
            let rows = &column[*begin..begin + length];
            let Some(other) = rows.iter().position(|it| !same(*it, rows[0])) else { continue };
            let sequence = table.sequences.get(at).map(|it| format!(" of sequence `{}`", it.0));
            return Err(CliError::misfit(format!(
                "{}: input `{}` is given per sequence, but is {} in the first row{} and {} in a later one; \
                 leave `per sequence` out to read it at each step",
                shown(path).display(),
                input.name,
                rows[0],
                sequence.unwrap_or_default(),
                rows[other],
            )));
        }
    }
    let pick = |it: &Vec<f64>| begins.iter().filter_map(|at| it.get(*at).copied()).collect();
    let columns = table.columns.iter().map(pick).collect();
    Ok(Table { columns, sequences: Vec::new(), ..table.clone() })
}

/// Looks whether all inputs have the same steps and sequences. Where they do not, or where an array
/// could be read in another way that fits too, says how it was read and what gives the other reading.
pub fn agree(
    cell: &ir::Cell,
    feeds: &[Option<Feed<f64>>],
    batch_first: bool,
    notes: &mut Vec<String>,
) -> Result<(), CliError> {
    let given: Vec<(&ir::Input, &Feed<f64>)> =
        cell.inputs.iter().zip(feeds).filter_map(|it| Some((it.0, it.1.as_ref()?))).collect();
    let steps = |(input, feed): &(&ir::Input, &Feed<f64>)| {
        (!input.per_sequence).then(|| feed.array().shape()[0])
    };
    let batch = |(input, feed): &(&ir::Input, &Feed<f64>)| match feed {
        Feed::Batch(array) => Some(array.shape()[feed.outer(input) - 1]),
        Feed::Shared(_) => None,
    };
    // What has both axes says most about the others.
    let whole = given.iter().find(|it| steps(it).is_some() && batch(it).is_some());
    let n_batch = whole.or_else(|| given.iter().find(|it| batch(it).is_some())).and_then(&batch);
    let first = whole.or_else(|| given.iter().find(|it| steps(it).is_some()));
    let n_steps = first.and_then(&steps);
    for it in &given {
        let (input, feed) = it;
        let (name, shape) = (&input.name, feed.array().shape());
        if let (Some((other, one)), Some(own)) = (whole, batch(it))
            && Some(own) != n_batch
        {
            return Err(CliError::misfit(of_other_batch(
                (input, own, shape),
                (other, one),
                batch_first,
            )));
        }
        let once = matches!(feed, Feed::Shared(_)) && !input.per_sequence;
        if once && steps(it) != n_steps {
            let other = if let Some((other, _)) = first { &*other.name } else { continue };
            let (own, all) = (shape[0], n_steps.unwrap_or(0));
            let sequences = n_batch.map(|it| format!(" in {it} sequences")).unwrap_or_default();
            // What has as many rows as there are sequences is a value for each of them.
            let other_reading = match n_batch == Some(own) {
                true => format!("; one value for each sequence is declared {}", declared(input)),
                false => String::new(),
            };
            return Err(CliError::misfit(format!(
                "input `{name}`, {shape:?}, is read as {}, one sequence of {own} steps, but input `{other}` \
                 has {all} steps{sequences}{other_reading}",
                with(input, &["T"]),
            )));
        }
        if once && n_batch == steps(it) && n_batch > Some(1) {
            notes.push(format!(
                "input `{name}`, {shape:?}, is read as {}, steps that all sequences share; one value for \
                 each sequence is declared {}",
                with(input, &["T"]),
                declared(input)
            ));
        }
        if input.per_sequence && batch(it).is_some() && whole.is_none() && batch(it) == n_steps {
            let others = given.iter().filter(|it| !it.0.per_sequence);
            let others: Vec<String> = others.map(|it| it.0.name.to_string()).collect();
            notes.push(format!(
                "input `{name}`, {shape:?}, is read as {}, a value for each of {} sequences that share \
                 {}; for a value at each step declare it without `per sequence`",
                with(input, &["B"]),
                shape[0],
                list(&others)
            ));
        }
    }
    Ok(())
}

/// That an input has other sequences than one with steps and sequences; where that would have as many if its
/// axes were in the other order, the way to exchange them.
fn of_other_batch(
    (input, own, shape): (&ir::Input, usize, &[usize]),
    (other, feed): (&ir::Input, &Feed<f64>),
    batch_first: bool,
) -> String {
    let mut given = feed.array().shape().to_vec();
    let (steps, sequences) = (given[0], given[1]);
    if batch_first {
        given.swap(0, 1);
    }
    let axes: &[&str] = if batch_first { &["B", "T"] } else { &["T", "B"] };
    let mut text = format!(
        "input `{}` has {own} sequences in {shape:?}, but input `{}`, {given:?}, is read as {}, with {sequences} \
         sequences",
        input.name,
        other.name,
        with(other, axes)
    );
    if own == steps {
        let word = if batch_first { "without" } else { "with" };
        text.push_str(&format!("; {word} --batch-first it has {own}"));
    }
    text
}
