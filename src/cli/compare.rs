//! `rnnc compare`: two arrays, or all arrays of two files or folders, element by element.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ndarray::ArrayD;
use serde::Serialize;

use super::args::CompareArgs;
use super::context::Context;
use super::error::CliError;
use super::feed;
use super::output;
use crate::data::{self, DataError, FileKind};

/// The name of an array that is alone in its file.
const ALONE: &str = "array";

/// The comparison as JSON.
#[derive(Serialize)]
struct Report {
    version: u32,
    tolerance: f64,
    same: bool,
    arrays: Vec<ArrayLine>,
}

#[derive(Serialize)]
struct ArrayLine {
    name: String,
    same: bool,
    /// The shape in A, and in B; null where there is no such array.
    shapes: [Option<Vec<usize>>; 2],
    #[serde(serialize_with = "output::number")]
    distance: Option<f64>,
    /// The position of the worst element, and its values in A and in B.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Vec<usize>>,
    #[serde(serialize_with = "output::number", skip_serializing_if = "Option::is_none")]
    a: Option<f64>,
    #[serde(serialize_with = "output::number", skip_serializing_if = "Option::is_none")]
    b: Option<f64>,
}

/// Compares, and fails above the bound.
pub fn compare(ctx: &mut Context, args: &CompareArgs) -> Result<(), CliError> {
    let [mut a, mut b] = [read(ctx, &args.a)?, read(ctx, &args.b)?];
    // One array is compared with one array, whatever their names.
    if let (1, 1) = (a.len(), b.len())
        && (a.contains_key(ALONE) || b.contains_key(ALONE))
    {
        let name = a.keys().chain(b.keys()).find(|it| *it != ALONE).cloned();
        let name = name.unwrap_or_else(|| ALONE.to_owned());
        for all in [&mut a, &mut b] {
            *all = std::mem::take(all).into_values().map(|it| (name.clone(), it)).collect();
        }
    }
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let lines: Vec<ArrayLine> =
        names.into_iter().map(|it| line(it, a.get(it), b.get(it), args.tol)).collect();
    let same = lines.iter().all(|it| it.same);
    if args.json {
        ctx.json(&Report { version: 1, tolerance: args.tol, same, arrays: lines })?;
    } else {
        ctx.out(&text(&lines, args))?;
    }
    if same { Ok(()) } else { Err(CliError::Failed) }
}

fn line(name: &str, a: Option<&ArrayD<f64>>, b: Option<&ArrayD<f64>>, bound: f64) -> ArrayLine {
    let shapes = [a, b].map(|it| it.map(|it| it.shape().to_vec()));
    let there = a.zip(b).filter(|(a, b)| a.shape() == b.shape());
    let worst = there.and_then(|(a, b)| data::worst(a, b));
    let distance = there.map(|_| worst.as_ref().map_or(0.0, |it| it.distance));
    ArrayLine {
        name: name.to_owned(),
        same: distance.is_some_and(|it| it <= bound),
        shapes,
        distance,
        place: worst.as_ref().map(|it| it.place.clone()),
        a: worst.as_ref().map(|it| it.a),
        b: worst.as_ref().map(|it| it.b),
    }
}

/// Returns one line for each array that differs, and one for all.
fn text(lines: &[ArrayLine], args: &CompareArgs) -> String {
    let (a, b) = (args.a.display(), args.b.display());
    let mut text = String::new();
    for it in lines.iter().filter(|it| !it.same) {
        let what = match &it.shapes {
            [Some(_), None] => format!("not in {b}"),
            [None, _] => format!("not in {a}"),
            [Some(one), Some(other)] if one != other => format!("{one:?} and {other:?}"),
            [Some(_), Some(_)] => values(it),
        };
        text.push_str(&format!("  {}  {what}\n", it.name));
    }
    let differ = lines.iter().filter(|it| !it.same).count();
    let arrays = feed::counted(lines.len() as u64, "array");
    let bound = if args.tol > 0.0 { format!(" within {:e}", args.tol) } else { String::new() };
    if differ > 0 {
        let differ =
            if lines.len() == 1 { "differs".to_owned() } else { format!("{differ} differ") };
        text.push_str(&format!("{arrays}, {differ}\n"));
        return text;
    }
    let worst = lines.iter().filter(|it| it.distance.is_some_and(|it| it > 0.0));
    let worst = worst
        .max_by(|a, b| a.distance.partial_cmp(&b.distance).unwrap_or(std::cmp::Ordering::Equal));
    text.push_str(&format!("{arrays}, the same{bound}\n"));
    if let Some(it) = worst {
        text.push_str(&format!("  worst  {} {}\n", it.name, values(it)));
    }
    text
}

fn values(it: &ArrayLine) -> String {
    let (a, b) = (it.a.unwrap_or(f64::NAN), it.b.unwrap_or(f64::NAN));
    let place = it.place.as_deref().unwrap_or_default();
    format!("{place:?}: {a} and {b}, {:.1e} apart", (a - b).abs())
}

/// Returns all arrays of a file or a folder.
fn read(ctx: &mut Context, path: &Path) -> Result<BTreeMap<String, ArrayD<f64>>, CliError> {
    let fault = |it| CliError::data(path, it);
    if path.is_dir() {
        let listed = fs::read_dir(path).and_then(|it| it.collect::<Result<Vec<_>, _>>());
        let listed =
            listed.map_err(|source| fault(DataError::Read { path: path.to_owned(), source }))?;
        let mut arrays = BTreeMap::new();
        for file in listed.into_iter().map(|it| it.path()) {
            let is_array = file.extension().is_some_and(|it| it == "npy");
            if let Some(name) = file.file_stem().filter(|_| is_array) {
                arrays.insert(name.to_string_lossy().into_owned(), feed::read_npy(ctx, &file)?);
            }
        }
        return Ok(arrays);
    }
    let bytes = ctx.read(path)?;
    let alone = |array| BTreeMap::from([(ALONE.to_owned(), array)]);
    match FileKind::of(path, &bytes) {
        FileKind::Npy => Ok(alone(data::read_npy(&bytes).map_err(fault)?.values)),
        FileKind::Table => {
            Ok(alone(data::read_csv(&bytes).and_then(|it| it.array()).map_err(fault)?))
        }
        FileKind::Several => {
            let all = data::read_named(path, bytes).map_err(fault)?;
            let arrays = all.into_iter().map(|(name, it)| match it.tensor() {
                Ok(tensor) => Ok((name, tensor.values)),
                Err(error) => Err(CliError::Fit {
                    code: error.code(),
                    message: format!("{}: tensor `{name}`: {error}", path.display()),
                }),
            });
            arrays.collect()
        }
    }
}
