//! The files that are drawn, and how those of another kind are told from them.

use ndarray::ArrayD;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Source;
use crate::cli::error::CliError;
use crate::cli::output;
use crate::data::{self, Table, TableOptions};

/// The losses of a run, with the updates that they belong to.
#[derive(Default)]
pub struct Log {
    pub train: Vec<(f64, f64)>,
    pub valid: Vec<(f64, f64)>,
}

/// A line of `metrics.jsonl`, as far as it is drawn.
#[derive(Deserialize)]
struct Line {
    step: u64,
    #[serde(default, deserialize_with = "there")]
    loss: Option<Value>,
    #[serde(default, deserialize_with = "there")]
    valid_loss: Option<Value>,
}

/// Reads a value that is there, which may be null: so the log writes what is not finite.
fn there<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Reads `metrics.jsonl`; a last line that is still being written is none.
pub fn metrics(source: &Source) -> Result<Log, CliError> {
    let mut log = Log::default();
    let text = String::from_utf8_lossy(&source.bytes);
    for (at, line) in text.split_inclusive('\n').enumerate().filter(|it| !it.1.trim().is_empty()) {
        let read = serde_json::from_str::<Line>(line).ok();
        let read = read.filter(|it| it.loss.is_some() || it.valid_loss.is_some());
        let Some(read) = read else {
            if !line.ends_with('\n') && at > 0 {
                break;
            }
            let message = format!(
                "line {} is none of metrics.jsonl, as `rnnc train` writes it: {{\"step\":1,..,\"loss\":0.5,..}}",
                at + 1
            );
            return Err(source.fault(&message));
        };
        let step = read.step as f64;
        log.train.extend(read.loss.map(|it| (step, number(&it))));
        log.valid.extend(read.valid_loss.map(|it| (step, number(&it))));
    }
    if log.train.is_empty() && log.valid.is_empty() {
        return Err(source.fault("there is no update in it"));
    }
    Ok(log)
}

/// Returns a number; JSON has none that is not finite, so these are texts, or null.
fn number(value: &Value) -> f64 {
    let text = || value.as_str().and_then(|it| it.parse().ok());
    value.as_f64().or_else(text).unwrap_or(f64::NAN)
}

/// Reads a table of `grad --flow`: for each state its norms, step by step.
pub fn flow(source: &Source) -> Result<Vec<(String, Vec<f64>)>, CliError> {
    let other = "no table of `rnnc grad --flow`, which has a column `step` and one for each state";
    let table = table(source).map_err(|_| source.fault(other))?;
    let Some(header) = &table.header else { return Err(source.fault(other)) };
    let steps = table.columns.first().filter(|_| header[0] == "step" && header.len() > 1);
    let in_order = |it: &&Vec<f64>| it.iter().enumerate().all(|(at, step)| *step == at as f64);
    if steps.filter(in_order).is_none() {
        return Err(source.fault(other));
    }
    if table.n_rows() == 0 {
        return Err(source.fault("there is no step in it"));
    }
    Ok(header.iter().cloned().zip(table.columns).skip(1).collect())
}

fn table(source: &Source) -> Result<Table, CliError> {
    data::read_csv(&source.bytes).map_err(|it| CliError::data(&source.path, it))
}

/// Says which column of a table has words, if one has: a curve has no place for them.
fn words(source: &Source) -> Option<CliError> {
    let options = TableOptions::default();
    let names = data::read_names(&source.bytes, &options).ok()?;
    let is_words = |name: &&String| {
        let read = data::read_cells(&source.bytes, &[name.as_str()], &options);
        read.is_ok_and(|(cells, _)| cells.iter().flatten().all(|it| it.parse::<f64>().is_err()))
    };
    let name = names.iter().find(is_words)?;
    let message = format!(
        "column `{name}` has words, and curves are drawn of numbers; `rnnc predict RUN -o y.npy` writes the outputs \
         alone, of classes a number for each, and `rnnc plot prediction y.npy` draws them"
    );
    Some(source.fault(&message))
}

/// Reads the arrays of `run --trace`: one, or those of a file of several.
pub fn traces(source: &Source) -> Result<Vec<(String, ArrayD<f64>)>, CliError> {
    let fault = |it| CliError::data(&source.path, it);
    match output::extension(&source.path).as_deref() {
        Some("npy") => {
            let tensor = data::read_npy(&source.bytes).map_err(fault)?;
            Ok(vec![(source.label.clone(), tensor.values)])
        }
        Some("safetensors" | "npz") => {
            let all = data::read_named(&source.path, source.bytes.clone()).map_err(fault)?;
            let mut traces = Vec::new();
            for (name, stored) in &all {
                if let Some(name) = name.strip_prefix("trace.") {
                    traces.push((name.to_owned(), stored.tensor().map_err(fault)?.values));
                }
            }
            match traces.is_empty() {
                true => Err(source.fault(
                    "no array in it is called trace.NAME, as `rnnc run --trace` calls them",
                )),
                false => Ok(traces),
            }
        }
        Some(_) | None => Err(source.fault(
            "a heat map is drawn of .npy or .safetensors, as `rnnc run --trace` writes them",
        )),
    }
}

/// Values step by step.
pub struct Values {
    /// The name of the things that the steps count.
    pub across: &'static str,
    pub steps: Vec<f64>,
    /// The columns with their names.
    pub columns: Vec<(String, Vec<f64>)>,
    /// As many that they are compared with, or none.
    pub targets: Vec<(String, Vec<f64>)>,
}

/// Reads values step by step. The columns `target.NAME` of a table are what the others are compared with, where there are as
/// many.
pub fn values(source: &Source) -> Result<Values, CliError> {
    let fault = |it| CliError::data(&source.path, it);
    let counted = |steps: usize| (0..steps).map(|it| it as f64).collect();
    match output::extension(&source.path).as_deref() {
        Some("csv") => {
            let table = table(source).map_err(|it| words(source).unwrap_or(it))?;
            let steps = table.n_rows();
            let names = table.header.unwrap_or(vec![String::new(); table.columns.len()]);
            let mut columns: Vec<(String, Vec<f64>)> =
                names.into_iter().zip(table.columns).collect();
            // The number of a step or of a row is no value.
            let (mut across, mut at) = ("step", counted(steps));
            if columns.len() > 1 && ["step", "row"].contains(&columns[0].0.as_str()) {
                let (name, numbers) = columns.remove(0);
                if name == "row" {
                    (across, at) = ("row", numbers);
                }
            }
            let (targets, others): (Vec<_>, Vec<_>) =
                columns.iter().cloned().partition(|it| it.0.starts_with("target."));
            if !targets.is_empty() && targets.len() == others.len() {
                return Ok(Values { across, steps: at, columns: others, targets });
            }
            Ok(Values { across, steps: at, columns, targets: Vec::new() })
        }
        Some("npy") => {
            let array = data::read_npy(&source.bytes).map_err(fault)?.values;
            let steps = array.shape().first().copied().unwrap_or(0);
            let width = match array.shape() {
                [_] => 1,
                [_, width] | [_, 1, width] => *width,
                shape => {
                    let message =
                        format!("{shape:?}; values step by step are [T] or [T, C] of one sequence");
                    return Err(source.fault(&message));
                }
            };
            let all: Vec<f64> = array.iter().copied().collect();
            let column = |at: usize| {
                let name = if width > 1 { format!("[{at}]") } else { String::new() };
                (name, (0..steps).map(|step| all[step * width + at]).collect())
            };
            let columns = (0..width).map(column).collect();
            Ok(Values { across: "step", steps: counted(steps), columns, targets: Vec::new() })
        }
        Some(_) | None => Err(source.fault("values step by step are read from .npy or .csv")),
    }
}
