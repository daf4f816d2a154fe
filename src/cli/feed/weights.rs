//! Weights from a file, or drawn.

use std::path::Path;

use ndarray::ArrayD;

use crate::api::{self, Affixes, Evidence, weights};
use crate::cli::args::WeightArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::diag::Code;
use crate::exec::{self, Bound, Params};
use crate::ir::{self, Layout, Real, Row};

/// The weights that were given; the others are drawn.
pub struct Weights {
    given: Option<api::Weights>,
    /// The file that they come from, for messages.
    file: String,
    seed: u64,
}

/// A file of weights, and its arrangement.
pub struct File<'a> {
    /// The file.
    pub path: &'a Path,
    /// The layout of its tensors.
    pub layout: &'a str,
    /// The texts around the layout's names.
    pub affixes: Affixes,
    /// True if it may hold more than the cell needs.
    pub ignore_extra: bool,
    /// True if it may hold less.
    pub partial: bool,
    /// True if there is an option by which it may.
    pub may_be_partial: bool,
}

/// Reads `--params` and says what is drawn.
pub fn read(
    ctx: &mut Context,
    cell: &ir::Cell,
    args: &WeightArgs,
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<Weights, CliError> {
    let given = given(ctx, cell, args, &format!("drawn from seed {seed}"), notes)?;
    if given.is_none() && !cell.params.is_empty() {
        notes.push(format!("no --params given: drawn from seed {seed}"));
    }
    let file = args.params.as_ref().map(|it| it.display().to_string()).unwrap_or_default();
    Ok(Weights { given, file, seed })
}

/// Reads `--params` alone; `drawn` says what becomes of the others.
pub fn given(
    ctx: &mut Context,
    cell: &ir::Cell,
    args: &WeightArgs,
    drawn: &str,
    notes: &mut Vec<String>,
) -> Result<Option<api::Weights>, CliError> {
    let Some(path) = &args.params else { return Ok(None) };
    let file = File {
        path,
        layout: args.layout.as_deref().unwrap_or(ir::layout::OWN),
        affixes: affixes(args.prefix.as_deref(), args.suffix.as_deref()),
        ignore_extra: args.ignore_extra,
        partial: args.partial,
        may_be_partial: true,
    };
    let given = read_file(ctx, cell, &file, notes)?;
    let missing = given.missing_params();
    if !missing.is_empty() {
        let missing = missing.iter().map(|it| &cell.params[*it]);
        let missing: Vec<String> = missing.map(|it| format!("{}: {}", it.name, it.shape)).collect();
        notes.push(format!("{drawn}: {}", missing.join(", ")));
    }
    notes.extend(notes_of_reading(cell, given.layout()));
    notes.extend(note_of_zeros(cell, &given));
    Ok(Some(given))
}

/// Returns the options as the library takes them.
pub fn affixes(prefix: Option<&str>, suffix: Option<&str>) -> Affixes {
    Affixes { prefix: prefix.unwrap_or_default().to_owned(), suffix: suffix.map(ToOwned::to_owned) }
}

/// Reads the tensors of a layout, all that it needs and no more.
pub fn read_file(
    ctx: &mut Context,
    cell: &ir::Cell,
    file: &File<'_>,
    notes: &mut Vec<String>,
) -> Result<api::Weights, CliError> {
    let layout = weights::layout(cell, file.layout)?;
    let tensors = super::named_tensors(ctx, file.path)?;
    let at = |error| in_file(&file.path.display().to_string(), error);
    let found = api::Weights::find(cell, layout, &file.affixes, tensors).map_err(at)?;
    let bad = |message: String| at(api::Error::fit(Code::WeightsDoNotFit, message));
    let (missing, extra) = (found.missing(cell), found.extra());
    if !missing.is_empty() && !file.partial {
        let mut message = format!("no tensor for {}", some(&missing));
        if let Some(prefix) = found.optional_prefix() {
            message.push_str(&format!(", nor for the same without `{prefix}`"));
        }
        if file.may_be_partial {
            message.push_str(" (--partial draws what is missing)");
        }
        let suffixes = found.suffixes_in_file();
        if let Some(prefix) = found.prefix_in_file() {
            message.push_str(&format!("; it has such names after `{prefix}`: --prefix {prefix}"));
        } else if !suffixes.is_empty() {
            message.push_str(&format!("; it has such names before {}: --suffix", list(suffixes)));
        } else if !extra.is_empty() {
            message.push_str(&format!("; what it has besides is {}", list(&extra)));
        }
        return Err(bad(message));
    }
    if !extra.is_empty() && !file.ignore_extra {
        let message = format!("the cell has no {}; --ignore-extra leaves them out", list(&extra));
        return Err(bad(message));
    }
    match found.elsewhere() {
        0 => {}
        count => {
            let others = super::counted(count as u64, "other tensor");
            notes.push(format!("{others} of {} left out", file.path.display()));
        }
    }
    Ok(found)
}

/// Returns a few of what may be many.
fn some(all: &[String]) -> String {
    const SHOWN: usize = 4;
    match all.len().saturating_sub(SHOWN) {
        // To name the last one takes no more room than to count it.
        0 | 1 => all.join(", "),
        more => format!("{} and {more} more", all[..SHOWN].join(", ")),
    }
}

fn list(names: &[String]) -> String {
    some(&names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>())
}

/// Describes what reading a row does to sums; nothing for other rows.
fn folded_by_reading(cell: &ir::Cell, row: &Row) -> Option<String> {
    let stored = row.stored.join(" + ");
    if row.stored.len() > 1 {
        return Some(format!("the sum {stored} is read into {}", weights::holds(cell, row)));
    }
    let sums = row.value.sums();
    let (first, rest) = (names(cell, sums.iter().map(|it| &it[..1])), rest(cell, &sums));
    (!sums.is_empty()).then(|| format!("{stored} is read into {first}, and 0 into {rest}"))
}

/// Describes what writing a row loses; nothing for other rows.
fn folded_by_writing(cell: &ir::Cell, row: &Row) -> Option<String> {
    if let [first, others @ ..] = row.stored.as_slice()
        && !others.is_empty()
    {
        let holds = weights::holds(cell, row);
        let go = if row.params().len() > 1 { "go" } else { "goes" };
        return Some(format!("{holds} {go} into {first}, and 0 into {}", others.join(", ")));
    }
    let sums = row.value.sums();
    let added: Vec<String> =
        sums.iter().map(|it| names(cell, [*it].into_iter()).replace(", ", " + ")).collect();
    (!sums.is_empty()).then(|| {
        format!("{} holds sums whose parts are lost: {}", row.stored.join(" + "), added.join(", "))
    })
}

/// Lists the values that are lost or set to 0 when weights are written through a layout.
pub fn notes_of_writing(cell: &ir::Cell, layout: &Layout) -> Vec<String> {
    layout.rows.iter().filter_map(|it| folded_by_writing(cell, it)).collect()
}

/// Lists the values that are lost or set to 0 when weights are read through a layout.
pub fn notes_of_reading(cell: &ir::Cell, layout: &Layout) -> Vec<String> {
    layout.rows.iter().filter_map(|it| folded_by_reading(cell, it)).collect()
}

/// Names the params that are 0 because the file has no tensor for them, and need have none.
pub fn note_of_zeros(cell: &ir::Cell, given: &api::Weights) -> Option<String> {
    let (tensors, params) = given.zeros(cell)?;
    Some(format!(
        "the file has no {}, as without biases: 0 into {}",
        list(&tensors),
        params.join(", ")
    ))
}

fn rest(cell: &ir::Cell, sums: &[&[usize]]) -> String {
    names(cell, sums.iter().map(|it| &it[1..]))
}

fn names<'s>(cell: &ir::Cell, params: impl Iterator<Item = &'s [usize]>) -> String {
    let names: Vec<&str> = params.flatten().map(|it| &*cell.params[*it].name).collect();
    names.join(", ")
}

/// Returns an error of the library, with the file that it is about.
pub fn in_file(file: &str, error: api::Error) -> CliError {
    match error {
        api::Error::Fit { code, message, .. } => {
            CliError::Fit { code, message: format!("{file}: {message}") }
        }
        api::Error::Spec(_)
        | api::Error::NoSuchCell { .. }
        | api::Error::WhichCell { .. }
        | api::Error::NoSuchLayout { .. } => error.into(),
    }
}

impl Weights {
    /// Returns the evidence of the weights about sizes.
    pub fn evidence(&self, cell: &ir::Cell) -> Vec<Evidence> {
        self.given.as_ref().map(|it| it.evidence(cell)).unwrap_or_default()
    }

    /// Returns all params of the cell.
    pub fn params<F: Real>(&self, bound: &Bound) -> Result<Params<F>, CliError> {
        let cell = bound.cell();
        let given = match &self.given {
            Some(given) => given.params(cell, bound.env()).map_err(|it| in_file(&self.file, it))?,
            None => cell.params.iter().map(|_| None).collect(),
        };
        let params = given.into_iter().enumerate();
        let params: Result<Vec<ArrayD<F>>, CliError> = params
            .map(|(idx, given)| match given {
                Some(array) => Ok(array),
                None => Ok(exec::init_param(bound, idx, self.seed)?),
            })
            .collect();
        Ok(Params::new(params?))
    }
}
