//! Results: short summaries for people, the same as JSON, and arrays in files.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{ArrayD, Axis};
use serde::{Serialize, Serializer};

use super::columns;
use super::error::CliError;
use crate::data::{self, Real32or64};
use crate::exec;
use crate::ir::Real;

/// The most last values of a summary.
const LAST: usize = 4;

/// An array with the name that it has on the command line and in files.
pub struct Named<F> {
    /// Such as `h` or `state.h`.
    pub name: String,
    /// The values, without a batch axis when nothing given had one.
    pub array: ArrayD<F>,
}

/// The axes of the arrays of a command, on the way in and on the way out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Nothing given has a batch axis, so nothing that comes out has one.
    pub single: bool,
    /// The batch axis comes before time.
    pub batch_first: bool,
}

impl Layout {
    /// `[T, B, ..]` as it is written.
    pub fn over_time<F: Real>(self, mut array: ArrayD<F>) -> ArrayD<F> {
        if self.single {
            array.index_axis_inplace(Axis(1), 0);
        } else if self.batch_first {
            array.swap_axes(0, 1);
        }
        // An array in order may be large, and is not copied.
        if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }
    }

    /// `[B, ..]` as it is written.
    pub fn per_sequence<F: Real>(self, mut array: ArrayD<F>) -> ArrayD<F> {
        if self.single {
            array.index_axis_inplace(Axis(0), 0);
        }
        array
    }

    /// Returns the leading axes of an array over time, as it is given or written.
    pub fn leading(self, steps: usize, batch: usize) -> Vec<usize> {
        match (self.single, self.batch_first) {
            (true, _) => vec![steps],
            (false, false) => vec![steps, batch],
            (false, true) => vec![batch, steps],
        }
    }

    /// Returns an array over time that was given, as `[T, B, ..]`.
    pub fn read_over_time(self, mut array: ArrayD<f64>) -> Result<ArrayD<f64>, CliError> {
        if self.single {
            array.insert_axis_inplace(Axis(1));
        } else if self.batch_first {
            array.swap_axes(0, 1);
        }
        if array.is_standard_layout() {
            return Ok(array);
        }
        exec::ask::<f64>(array.len(), "the data")?;
        Ok(array.as_standard_layout().into_owned())
    }
}

/// The summary of an array; an empty one has no values.
#[derive(Serialize)]
pub struct Summary {
    name: String,
    shape: Vec<usize>,
    #[serde(serialize_with = "number")]
    min: Option<f64>,
    #[serde(serialize_with = "number")]
    mean: Option<f64>,
    #[serde(serialize_with = "number")]
    max: Option<f64>,
    #[serde(serialize_with = "numbers")]
    last: Vec<f64>,
}

/// JSON has no infinities and no NaN; they are written as text, and what is not there as null.
pub fn number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        None => serializer.serialize_none(),
        Some(value) if value.is_finite() => serializer.serialize_f64(*value),
        Some(value) => serializer.serialize_str(&value.to_string()),
    }
}

/// Numbers, each as [`number`] writes it.
pub fn numbers<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct One(#[serde(serialize_with = "number")] Option<f64>);
    serializer.collect_seq(values.iter().map(|it| One(Some(*it))))
}

/// The steps of the sequences of arrays over time.
#[derive(Clone, Copy)]
pub struct Steps<'l> {
    /// The number of steps of each sequence.
    pub lengths: &'l [usize],
    /// The axes of arrays.
    pub layout: Layout,
}

impl Steps<'_> {
    /// For each row of an array of this shape, a row being the numbers of one step of one sequence,
    /// which step it is and of which sequence.
    fn rows(&self, shape: &[usize]) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (steps, batch) = match (self.layout.single, self.layout.batch_first) {
            (true, _) => (shape[0], 1),
            (false, false) => (shape[0], shape[1]),
            (false, true) => (shape[1], shape[0]),
        };
        let batch_first = self.layout.batch_first;
        (0..steps * batch).map(move |row| match batch_first {
            false => (row / batch, row % batch),
            true => (row % steps, row / steps),
        })
    }

    /// For each row of an array of this shape whether it is a value and no padding, and the row of the last
    /// step of the last sequence that has any.
    fn values(&self, shape: &[usize]) -> (Vec<bool>, Option<usize>) {
        let last = self.lengths.iter().rposition(|it| *it > 0);
        let last = last.map(|sequence| (self.lengths[sequence] - 1, sequence));
        let is_value = self.rows(shape).map(|(step, sequence)| step < self.lengths[sequence]);
        let of_last = self.rows(shape).position(|it| Some(it) == last);
        (is_value.collect(), of_last)
    }
}

impl Summary {
    /// Summarizes an array; one over time as far as its sequences go. The last values are those of the
    /// last step of the last sequence, and do not reach back over the beginning of the last axis, so
    /// that a vector of three shows the three numbers of its last step and not a fourth of the step
    /// before.
    pub fn of<F: Real>(it: &Named<F>, steps: Option<Steps<'_>>) -> Summary {
        // The array may be as large as memory: nothing of its size is made.
        let (is_value, last_row) = match steps {
            Some(steps) => steps.values(it.array.shape()),
            None => (vec![true], Some(0)),
        };
        let n = it.array.len() / is_value.len().max(1);
        let all = || it.array.iter().map(|it| Real::to_f64(*it)).enumerate();
        let values = || all().filter(|it| is_value[it.0 / n]).map(|it| it.1);
        let count = is_value.iter().filter(|it| **it).count() * n;
        let last = it.array.shape().last().map_or(1, |it| LAST.min(*it));
        // Comparisons with a NaN are false, so it must be said that it wins.
        let pick = |wins: fn(f64, f64) -> bool| {
            let better = |a: f64, b: f64| if a.is_nan() || wins(a, b) { a } else { b };
            values().reduce(better)
        };
        let begin = last_row.map_or(0, |it| (it + 1) * n - last.min(n));
        Summary {
            name: it.name.clone(),
            shape: it.array.shape().to_vec(),
            min: pick(|a, b| a < b),
            mean: (count > 0).then(|| values().sum::<f64>() / count as f64),
            max: pick(|a, b| a > b),
            last: match last_row {
                Some(_) => all().skip(begin).take(last.min(n)).map(|it| it.1).collect(),
                None => Vec::new(),
            },
        }
    }
}

/// Returns summaries as a table, with as many of the last values as there is room for. Where names leave too little room for
/// the columns, each has a line of its own.
pub fn table(summaries: &[Summary]) -> String {
    table_within(summaries, columns::width())
}

fn table_within(summaries: &[Summary], width: usize) -> String {
    let shapes: Vec<String> = summaries.iter().map(|it| format!("{:?}", it.shape)).collect();
    let longest = summaries.iter().map(|it| it.name.chars().count()).max().unwrap_or(0).max(4);
    let shape_width = shapes.iter().map(String::len).max().unwrap_or(0).max(5);
    // Indent, two blanks, three numbers of nine characters with a blank each, and one last value.
    let is_wide = 2 + longest + 2 + shape_width + 3 * 10 + 11 <= width;
    let name_width = if is_wide { longest } else { 0 };
    let name = |it: &str| if is_wide { String::new() } else { format!("  {it}\n") };
    let mut text = name("name");
    let head = if is_wide { "name" } else { "" };
    text.push_str(&format!(
        "  {head:name_width$}  {:shape_width$} {:>9} {:>9} {:>9}  last values\n",
        "shape", "min", "mean", "max"
    ));
    let number = |it: Option<f64>| it.map_or("-".to_owned(), short);
    for (it, shape) in summaries.iter().zip(&shapes) {
        text.push_str(&name(&it.name));
        let head = if is_wide { it.name.as_str() } else { "" };
        let mut line = format!(
            "  {head:name_width$}  {shape:shape_width$} {:>9} {:>9} {:>9} ",
            number(it.min),
            number(it.mean),
            number(it.max),
        );
        let last: Vec<String> = it.last.iter().map(|it| short(*it)).collect();
        let mut shown = last.len();
        let wide = |from: usize| last[from..].iter().map(|it| it.len() + 1).sum::<usize>();
        while shown > 1 && line.len() + wide(last.len() - shown) > width {
            shown -= 1;
        }
        for value in &last[last.len() - shown..] {
            line.push(' ');
            line.push_str(value);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns a number in at most nine characters.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if !value.is_finite() {
        value.to_string()
    } else if (1e-3..1e5).contains(&size) {
        // Five digits after the point, fewer the more there are before it.
        let before = size.log10().floor().max(0.0) as usize;
        format!("{value:.*}", 5usize.saturating_sub(before))
    } else {
        format!("{value:.2e}")
    }
}

/// Refuses a name whose ending does not fit what is written. Names without one are taken: pipes and devices have none.
pub fn check_ending(flag: &str, path: &Path, endings: &[&str]) -> Result<(), CliError> {
    match extension(path) {
        Some(found) if !endings.contains(&&*found) => {
            let endings: Vec<String> = endings.iter().map(|it| format!(".{it}")).collect();
            let message = format!("{flag} {}: write {}", path.display(), endings.join(" or "));
            Err(CliError::Usage(message))
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns the text after the last point of a name, in small letters.
pub fn extension(path: &Path) -> Option<String> {
    path.extension().map(|it| it.to_string_lossy().to_lowercase())
}

/// The forms in which `-o` writes an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Any array.
    Npy,
    /// One sequence of numbers or vectors.
    Csv,
}

impl Format {
    /// Returns the form that a name asks for, before anything is computed; `axes` is the number of axes of one step.
    pub fn of(path: &Path, axes: usize, single: bool) -> Result<Format, CliError> {
        check_ending("-o", path, &["npy", "csv"])?;
        let shown = path.display();
        match extension(path).as_deref() {
            Some("csv") if single && axes <= 1 => Ok(Format::Csv),
            Some("csv") => Err(CliError::Usage(format!(
                "-o {shown}: a .csv takes one sequence of numbers or vectors; write .npy"
            ))),
            Some(_) | None => Ok(Format::Npy),
        }
    }

    /// Returns the bytes of a file.
    pub fn bytes<F: Real + Real32or64>(self, it: &Named<F>) -> Vec<u8> {
        match self {
            Format::Npy => data::write_npy(&it.array.view()),
            Format::Csv => csv(it),
        }
    }
}

/// Returns a row for each step. `it` has one axis or two, as [`Format::of`] has made sure.
fn csv<F: Real + Real32or64>(it: &Named<F>) -> Vec<u8> {
    let shape = it.array.shape();
    let columns: usize = shape[1..].iter().product();
    let rows = it.array.to_shape((shape[0], columns)).expect("the same elements in two axes");
    let header: Vec<String> = match shape.len() {
        1 => vec![it.name.clone()],
        _ => (0..columns).map(|idx| format!("{}[{idx}]", it.name)).collect(),
    };
    data::write_csv(Some(&header), &rows.view())
}

/// Looks whether there is memory for the bytes of a file of arrays.
pub fn room<F>(all: &[Named<F>]) -> Result<(), CliError> {
    Ok(exec::ask::<F>(all.iter().map(|it| it.array.len()).sum(), "the file")?)
}

/// Named arrays as the bytes of a file.
pub fn safetensors<F: Real32or64>(
    all: Vec<Named<F>>,
    origin: &BTreeMap<String, String>,
) -> Result<Vec<u8>, CliError> {
    let tensors: Vec<(String, ArrayD<F>)> = all.into_iter().map(|it| (it.name, it.array)).collect();
    data::write_safetensors(&tensors, origin)
        .map_err(|it| CliError::Fit { code: it.code(), message: it.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_at_most_nine_characters() {
        for value in [0.0, 1.0, -1.0, 0.12345678, -99999.4, 1e5, -1.5e-12, 2.5e300, -1e-3, 9.999996]
        {
            let text = short(value);
            assert!(text.len() <= 9, "{text}");
            let back: f64 = text.parse().unwrap();
            assert!((back - value).abs() <= value.abs() * 0.005, "{value} as {text}");
        }
        assert_eq!(short(f64::NAN), "NaN");
        assert_eq!(short(f64::NEG_INFINITY), "-inf");
    }

    #[test]
    fn a_nan_is_the_least_and_the_greatest() {
        for values in [[1.0, f64::NAN, 2.0], [f64::NAN, 1.0, 2.0], [1.0, 2.0, f64::NAN]] {
            let array = ndarray::arr1(&values).into_dyn();
            let summary = Summary::of(&Named { name: "y".to_owned(), array }, None);
            assert!(summary.min.unwrap().is_nan() && summary.max.unwrap().is_nan());
        }
    }

    #[test]
    fn nothing_is_said_about_no_values() {
        let array = ArrayD::<f32>::zeros(vec![0, 3]);
        let summary = Summary::of(&Named { name: "y".to_owned(), array }, None);
        let json = serde_json::to_value(&summary).unwrap();
        assert!(json["min"].is_null() && json["mean"].is_null());
        assert!(table(&[summary]).contains(" - "));
    }

    #[test]
    fn long_names_have_a_line_of_their_own() {
        let of = |name: &str| {
            let array = ndarray::arr2(&[[0.5, -123.25, 1e-7, 3.0]]).into_dyn();
            Summary::of(&Named { name: name.to_owned(), array }, None)
        };
        let name = "encoder.layers.attention.recurrent.state";
        for (width, lines) in [(80, 3), (60, 3)] {
            let text = table_within(&[of("h"), of("c")], width);
            assert!(text.lines().all(|it| it.len() <= width), "{text}");
            assert_eq!(text.lines().count(), lines, "{text}");
        }
        let text = table_within(&[of("h"), of(name)], 80);
        assert!(text.lines().all(|it| it.len() <= 80), "{text}");
        assert!(text.contains(&format!("\n  {name}\n    [1, 4]")), "{text}");
    }

    /// `[T, B]` of sequences of 3, 1 and 0 steps, where padding would be the least and the last.
    #[test]
    fn padding_is_no_value() {
        let lengths = [3, 1, 0];
        let array = ndarray::arr2(&[[5.0, 7.0, 0.0], [6.0, 0.0, 0.0], [9.0, 0.0, 0.0]]);
        for batch_first in [false, true] {
            let layout = Layout { single: false, batch_first };
            let array = layout.over_time(array.clone().into_dyn());
            let named = Named { name: "y".to_owned(), array };
            let summary = Summary::of(&named, Some(Steps { lengths: &lengths, layout }));
            assert_eq!((summary.min, summary.max), (Some(5.0), Some(9.0)));
            assert_eq!((summary.mean, summary.last), (Some(27.0 / 4.0), vec![7.0]));
        }
        let layout = Layout { single: true, batch_first: false };
        let array = ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]).into_dyn();
        let named = Named { name: "y".to_owned(), array };
        for (lengths, last) in [([2], vec![3.0, 4.0]), ([1], vec![1.0, 2.0])] {
            let summary = Summary::of(&named, Some(Steps { lengths: &lengths, layout }));
            assert_eq!(summary.last, last);
        }
        let summary = Summary::of(&named, Some(Steps { lengths: &[0], layout }));
        assert_eq!((summary.min, summary.last), (None, vec![]));
    }
}
