//! The data of a folder, as a training reads it, for a cell or model that runs.

use std::path::Path;

use ndarray::{ArrayD, Axis, IxDyn, Slice};

use super::inputs::Given;
use crate::api::Evidence;
use crate::cli::args::DataArgs;
use crate::cli::config::Settings;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::train::source::{self, Known, Part, Reading};
use crate::data::{Decimal, Missing};
use crate::exec::Feed;
use crate::ir::{self, InputRole};
use crate::text::Name;
use crate::train::{Axes, Role};

/// Adds the data of a folder for all that nothing else gives, and returns what words and characters say about sizes. `cell` is
/// what runs of the model.
pub fn read(
    ctx: &mut Context,
    model: &ir::Cell,
    cell: &ir::Cell,
    args: &DataArgs,
    folder: &Path,
    given: &mut Given,
) -> Result<Vec<Evidence>, CliError> {
    let is_given =
        |it: &ir::Input| cell.input(&it.name).is_some_and(|idx| given.feeds[idx].is_some());
    let optional = |it: &&ir::Input| it.role == InputRole::Target || is_given(it);
    let unread: Vec<Name> =
        model.inputs.iter().filter(optional).map(|it| it.name.clone()).collect();
    let (part, known) = part(ctx, model, &keys(args, folder)?, &unread)?;
    let data = part.data(usize::from(part.is_text))?;
    let rows = data.rows().map(|it| it.len() - data.ahead());
    for (input, feed) in cell.inputs.iter().zip(&mut given.feeds) {
        let (Some(field), None) = (data.field(&input.name), &feed) else { continue };
        let values = || (*field.values).clone();
        *feed = Some(match field.axes {
            Axes::Batch => Feed::Batch(values()),
            Axes::Last if input.per_sequence => Feed::Batch(values()),
            Axes::Last | Axes::Shared => {
                let from = if field.role == Role::Target { data.ahead() } else { 0 };
                let end = rows.map_or(field.values.shape()[0], |it| from + it);
                Feed::Shared(values().slice_axis(Axis(0), Slice::from(from..end)).to_owned())
            }
        });
    }
    if given.lengths.is_none() && args.lengths.is_none() {
        given.lengths = part.lengths().cloned();
    }
    Ok(words(model, &known, folder))
}

/// Returns the evidence of a folder's data about sizes.
pub fn sizes(
    ctx: &mut Context,
    model: &ir::Cell,
    folder: &Path,
) -> Result<Vec<Evidence>, CliError> {
    let targets: Vec<Name> = model.targets().map(|it| it.1.name.clone()).collect();
    let (part, _) = part(ctx, model, &[("data", vec![text(folder)?])], &targets)?;
    Ok(part.evidence)
}

fn part(
    ctx: &mut Context,
    model: &ir::Cell,
    keys: &[(&'static str, Vec<String>)],
    unread: &[Name],
) -> Result<(Part, Known), CliError> {
    let settings = Settings::new(keys)?;
    let reading = Reading {
        cell: model,
        settings: &settings,
        before: None,
        unread,
        prefix: "",
        trained: &|count| count,
        tells: true,
    };
    let mut known = Known::default();
    Ok((reading.read(ctx, None, &mut known)?, known))
}

fn text(folder: &Path) -> Result<String, CliError> {
    let text = folder.to_str().map(str::to_owned);
    text.ok_or_else(|| {
        CliError::Usage(format!("--data {}: the path is not UTF-8", folder.display()))
    })
}

/// Returns the keys of a training that say the same as the options.
fn keys(args: &DataArgs, folder: &Path) -> Result<Vec<(&'static str, Vec<String>)>, CliError> {
    let mut keys = vec![("data", vec![text(folder)?])];
    let mut put = |key, value: Option<String>| keys.extend(value.map(|it| (key, vec![it])));
    let table = &args.table;
    put("batch_first", args.batch_first.then(|| "true".to_owned()));
    put("columns", (!table.columns.is_empty()).then(|| table.columns.join(",")));
    put("header", table.header.clone());
    let decimal = |it| match it {
        Decimal::Point => "point",
        Decimal::Comma => "comma",
    };
    put("decimal", table.decimal.map(|it| decimal(it).to_owned()));
    let missing = |it| match it {
        Missing::Nan => "nan",
        Missing::Zero => "zero",
        Missing::Previous => "previous",
    };
    put("missing", table.missing.map(|it| missing(it).to_owned()));
    put("sequence_column", table.sequence_column.clone());
    Ok(keys)
}

/// Returns the number of words or characters of each index.
fn words(model: &ir::Cell, known: &Known, folder: &Path) -> Vec<Evidence> {
    let count = |it: &ir::Input| {
        let column = known.columns.get(&*it.name).and_then(|it| it.first());
        let words = column.and_then(|it| known.categories.get(it)).map(Vec::len);
        words.or(known.vocabulary.as_ref().map(|it| it.chars().count()))
    };
    let indices = model.inputs.iter().filter(|it| it.index.is_some());
    let folder = folder.display().to_string();
    let found = indices
        .filter_map(|it| Some(source::vocabulary_evidence(model, &it.name, &folder, count(it)?)));
    found.collect()
}

/// Gives a target at the end of sequences, of which there is one for each, to every step of them.
pub fn at_last(model: &ir::Cell, cell: &ir::Cell, feeds: &mut [Option<Feed<f64>>]) {
    let over_time = cell.inputs.iter().zip(&*feeds).filter(|it| !it.0.per_sequence);
    let mut inputs = over_time.filter(|it| it.0.role == InputRole::Input);
    let Some(steps) = inputs.find_map(|it| Some(it.1.as_ref()?.array().shape()[0])) else { return };
    for (input, feed) in cell.inputs.iter().zip(feeds) {
        let is_last = input.role == InputRole::Target
            && model.input(&input.name).is_some_and(|it| source::is_last(model, it));
        let Some(Feed::Shared(array)) = feed else { continue };
        if is_last {
            let shape = [&[steps], array.shape()].concat();
            let all = array.broadcast(IxDyn(&shape)).map(|it| it.to_owned());
            *feed = Some(Feed::Batch(all.unwrap_or_else(|| ArrayD::zeros(IxDyn(&shape)))));
        }
    }
}
