//! Results: short summaries for people, the same as JSON, and arrays in files.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{ArrayD, Axis};
use serde::Serialize;

use super::error::CliError;
use crate::data::{self, Real32or64};
use crate::ir::Real;

/// How many of the last values a summary shows.
const LAST: usize = 4;

/// An array with the name that it has on the command line and in files.
pub struct Named<F> {
    /// Such as `h` or `state.h`.
    pub name: String,
    /// The values, without a batch axis when nothing given had one.
    pub array: ArrayD<F>,
}

/// What is said about an array.
#[derive(Serialize)]
pub struct Summary {
    name: String,
    shape: Vec<usize>,
    #[serde(serialize_with = "number")]
    min: f64,
    #[serde(serialize_with = "number")]
    mean: f64,
    #[serde(serialize_with = "number")]
    max: f64,
    #[serde(serialize_with = "numbers")]
    last: Vec<f64>,
}

/// JSON has no infinities and no NaN; they are written as text.
fn number<S: serde::Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_finite() {
        serializer.serialize_f64(*value)
    } else {
        serializer.serialize_str(&value.to_string())
    }
}

fn numbers<S: serde::Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct One(#[serde(serialize_with = "number")] f64);
    serializer.collect_seq(values.iter().map(|it| One(*it)))
}

impl Summary {
    /// Summarizes an array; the last values are those of the last step.
    pub fn of<F: Real>(it: &Named<F>) -> Summary {
        let values: Vec<f64> = it.array.iter().map(|it| Real::to_f64(*it)).collect();
        let count = values.len().max(1) as f64;
        Summary {
            name: it.name.clone(),
            shape: it.array.shape().to_vec(),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            mean: values.iter().sum::<f64>() / count,
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            last: values[values.len().saturating_sub(LAST)..].to_vec(),
        }
    }
}

/// Summaries as a table.
pub fn table(summaries: &[Summary]) -> String {
    let shapes: Vec<String> = summaries.iter().map(|it| format!("{:?}", it.shape)).collect();
    let name_width = summaries.iter().map(|it| it.name.len()).max().unwrap_or(0).max(4);
    let shape_width = shapes.iter().map(String::len).max().unwrap_or(0).max(5);
    let mut text = format!(
        "  {:name_width$}  {:shape_width$} {:>9} {:>9} {:>9}  last values\n",
        "name", "shape", "min", "mean", "max"
    );
    for (it, shape) in summaries.iter().zip(&shapes) {
        let last: Vec<String> = it.last.iter().map(|it| short(*it)).collect();
        text.push_str(&format!(
            "  {:name_width$}  {shape:shape_width$} {:>9} {:>9} {:>9}  {}\n",
            it.name,
            short(it.min),
            short(it.mean),
            short(it.max),
            last.join(" ")
        ));
    }
    text
}

/// A number in at most nine characters.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !value.is_finite() {
        value.to_string()
    } else if (1e-3..1e5).contains(&size) {
        // Five digits after the point, fewer the more stand before it.
        let before = size.log10().floor().max(0.0) as usize;
        format!("{value:.*}", 5usize.saturating_sub(before))
    } else {
        format!("{value:.2e}")
    }
}

/// Removes the batch axis, which is the one after time or the first, from the results of a single sequence.
pub fn without_batch<F: Real>(array: ArrayD<F>, axis: usize) -> ArrayD<F> {
    array.index_axis_move(Axis(axis), 0).as_standard_layout().into_owned()
}

/// Writes one array: `.npy`, or `.csv` for one sequence of numbers or vectors.
pub fn write_array<F: Real + Real32or64>(
    path: &Path,
    it: &Named<F>,
    single: bool,
) -> Result<(), CliError> {
    let is_csv = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("csv"));
    let bytes = if is_csv { csv(it, single)? } else { data::write_npy(&it.array.view()) };
    data::write_file(path, &bytes).map_err(|it| CliError::data(path, it))
}

fn csv<F: Real + Real32or64>(it: &Named<F>, single: bool) -> Result<Vec<u8>, CliError> {
    let shape = it.array.shape().to_vec();
    let columns = match shape.as_slice() {
        [_] if single => 1,
        [_, columns] if single => *columns,
        _ => {
            let message = format!(
                "`{}` has the shape {shape:?}; a .csv takes one sequence of numbers or vectors, write .npy",
                it.name
            );
            return Err(CliError::Usage(message));
        }
    };
    let rows = it.array.to_shape((shape[0], columns)).expect("the same elements in two axes");
    let header: Vec<String> = match columns {
        1 => vec![it.name.clone()],
        many => (0..many).map(|idx| format!("{}[{idx}]", it.name)).collect(),
    };
    Ok(data::write_csv(Some(&header), &rows.view()))
}

/// Writes arrays: one `.npy` each into a folder, or all into one `.safetensors`.
pub fn save<F: Real + Real32or64>(path: &Path, all: Vec<Named<F>>) -> Result<(), CliError> {
    if path.extension().is_some_and(|it| it == "safetensors") {
        let tensors: Vec<(String, ArrayD<F>)> =
            all.into_iter().map(|it| (it.name, it.array)).collect();
        let bytes = safetensors(&tensors)?;
        return data::write_file(path, &bytes).map_err(|it| CliError::data(path, it));
    }
    std::fs::create_dir_all(path)
        .map_err(|it| CliError::Io(format!("cannot create {}: {it}", path.display())))?;
    for it in &all {
        let file = path.join(format!("{}.npy", it.name));
        let bytes = data::write_npy(&it.array.view());
        data::write_file(&file, &bytes).map_err(|it| CliError::data(&file, it))?;
    }
    Ok(())
}

/// Tensors as the bytes of a file.
pub fn safetensors<F: Real32or64>(tensors: &[(String, ArrayD<F>)]) -> Result<Vec<u8>, CliError> {
    data::write_safetensors(tensors, &BTreeMap::new())
        .map_err(|it| CliError::Fit { code: it.code(), message: it.to_string() })
}
