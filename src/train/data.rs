//! The data that a model is trained on: arrays of sequences, or one long series of rows, cut into windows or streams.
//!
//! A series of rows `r0 .. r1` has the steps `r0 .. r1 - 1 - ahead`: step t has the inputs of row t and the targets of row
//! `t + ahead`, so no step of a part reads a row of another. A text is a series with `ahead` 1. For 10 rows, `ahead` 1 and windows
//! of 3, the last 3 rows held out: the training part has rows 0 to 6, steps 0 to 5 and the windows at 0, 1, 2 and 3; the part that
//! is held out has steps 7 and 8, and one window of 2.
//!
//! Parts share the arrays of the data they are of; scaling makes new ones. Everything is checked here, before the first update.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, Axis};

use super::error::{Error, Place};
use super::random::draw_order;
use crate::exec::Bound;
use crate::ir::InputRole;
use crate::text::Name;

/// The purpose of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The model reads it.
    Input,
    /// The model learns to give it.
    Target,
}

/// The axes of an array before those of the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Axes {
    /// `[T, N, ...]`, a value for each step of each sequence.
    Batch,
    /// `[T, ...]`: one sequence for all; a row of a series.
    Shared,
    /// `[N, ...]`, a value for each sequence: of an input per sequence, or of a target at its end.
    Last,
}

/// The values of an input or target.
#[derive(Clone, PartialEq, Debug)]
pub struct Field {
    /// The input or target.
    pub name: Name,
    /// The purpose.
    pub role: Role,
    /// The axes before those of the value.
    pub axes: Axes,
    /// For an index, the number below which its values lie: the vocabulary or the categories. Such a field has no scale.
    pub index: Option<u64>,
    /// The values.
    pub values: Arc<ArrayD<f64>>,
}

impl Field {
    /// Returns an input of real values.
    pub fn input(name: impl Into<Name>, axes: Axes, values: ArrayD<f64>) -> Field {
        Field { name: name.into(), role: Role::Input, axes, index: None, values: Arc::new(values) }
    }

    /// Returns a target of real values.
    pub fn target(name: impl Into<Name>, axes: Axes, values: ArrayD<f64>) -> Field {
        Field { role: Role::Target, ..Field::input(name, axes, values) }
    }

    /// Returns the same with whole numbers below a limit.
    pub fn below(self, limit: u64) -> Field {
        Field { index: Some(limit), ..self }
    }

    /// Returns the shape of a value.
    pub fn shape(&self) -> &[usize] {
        let leading = match self.axes {
            Axes::Batch => 2,
            Axes::Shared | Axes::Last => 1,
        };
        self.values.shape().get(leading..).unwrap_or(&[])
    }

    /// Returns the value at a row, of a sequence where each has its own.
    pub fn at(&self, row: usize, sequence: usize) -> ArrayViewD<'_, f64> {
        let values = self.values.view();
        match self.axes {
            Axes::Batch => values.index_axis_move(Axis(0), row).index_axis_move(Axis(0), sequence),
            Axes::Shared => values.index_axis_move(Axis(0), row),
            Axes::Last => values.index_axis_move(Axis(0), sequence),
        }
    }
}

/// The ways in which data becomes sequences.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Each sequence of the arrays has a start of its own.
    Sequences,
    /// Windows of a series: training takes one at every `stride` steps, as far as they fit; an evaluation takes one after the
    /// other, of which the last may be shorter.
    Windows {
        /// The steps of a window.
        length: usize,
        /// From one training window to the next.
        stride: usize,
    },
    /// A series is cut into as many long pieces as a batch has places; each goes on from update to update.
    Streams,
}

/// Steps that follow each other from a start of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sequence {
    /// The number that random streams know it by: that of the sequence in the data, of the window or of the stream.
    pub number: u64,
    /// The sequence in the arrays; 0 for a series.
    pub column: usize,
    /// The row of its first step.
    pub first: usize,
    /// The number of steps.
    pub steps: usize,
}

/// The part of the arrays that is meant.
#[derive(Clone, PartialEq, Debug)]
enum Part {
    Rows(Range<usize>),
    Columns(Vec<usize>),
}

/// Data, or a part of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Data {
    fields: Vec<Field>,
    /// The steps of each sequence of the arrays; nothing for a series.
    lengths: Vec<usize>,
    ahead: usize,
    part: Part,
    cut: Cut,
}

impl Data {
    /// Arrays of sequences, each with a start of its own. Without lengths all have T steps.
    pub fn sequences(fields: Vec<Field>, lengths: Option<Vec<usize>>) -> Result<Data, Error> {
        let mut steps = Common { what: "steps", known: None };
        let mut count = Common { what: "sequences", known: None };
        for field in &fields {
            let leading = field.values.shape();
            match (field.axes, leading) {
                (Axes::Batch, [t, n, ..]) => {
                    steps.set(&field.name, *t)?;
                    count.set(&field.name, *n)?;
                }
                (Axes::Shared, [t, ..]) => steps.set(&field.name, *t)?,
                (Axes::Last, [n, ..]) => count.set(&field.name, *n)?,
                (Axes::Batch | Axes::Shared | Axes::Last, _) => {
                    let message =
                        format!("`{}` has no axis of time: its shape is {leading:?}", field.name);
                    return Err(Error::of(&field.name, message));
                }
            }
        }
        let most = steps.known.map_or(0, |it| it.1);
        let lengths =
            lengths.unwrap_or_else(|| vec![most; count.known.as_ref().map_or(1, |it| it.1)]);
        if let Some((name, n)) = &count.known
            && *n != lengths.len()
        {
            let given = lengths.len();
            return Err(Error::Lengths(format!(
                "there are {given} lengths, and `{name}` has {n} sequences"
            )));
        }
        if let Some(at) = lengths.iter().position(|it| *it > most) {
            let long = lengths[at];
            let message =
                format!("the length of sequence {at} is {long}, but there are {most} steps");
            return Err(Error::Lengths(message));
        }
        let part = Part::Columns((0..lengths.len()).collect());
        let data = Data { fields, lengths, ahead: 0, part, cut: Cut::Sequences };
        data.check_values()?;
        if data.training_sequences(1)?.iter().all(|it| it.steps == 0) {
            return Err(Error::data("there is no valid step: every sequence has length 0"));
        }
        Ok(data)
    }

    /// Returns one long series of rows, `[M, ...]` each; the targets of step t are those of row `t + ahead`. It is cut into
    /// streams, if [`Data::windows`] does not say otherwise.
    pub fn series(fields: Vec<Field>, ahead: usize) -> Result<Data, Error> {
        let mut rows = Common { what: "rows", known: None };
        for field in &fields {
            match (field.axes, field.values.shape()) {
                (Axes::Shared, [count, ..]) => rows.set(&field.name, *count)?,
                (Axes::Batch | Axes::Shared | Axes::Last, shape) => {
                    let message =
                        format!("`{}` is no series of rows: its shape is {shape:?}", field.name);
                    return Err(Error::of(&field.name, message));
                }
            }
        }
        let rows = rows.known.map_or(0, |it| it.1);
        let part = Part::Rows(0..rows);
        let data = Data { fields, lengths: Vec::new(), ahead, part, cut: Cut::Streams };
        data.check_steps()?;
        data.check_values()?;
        Ok(data)
    }

    /// Returns a text, as the numbers of its characters in a vocabulary of this size: each is the target of the step before, and
    /// the input of its own step where the model has one.
    pub fn text(
        numbers: Vec<f64>,
        size: u64,
        input: Option<Name>,
        target: Name,
    ) -> Result<Data, Error> {
        let values: ArrayD<f64> = ndarray::Array1::from(numbers).into_dyn();
        let target = Field::target(target, Axes::Shared, values).below(size);
        let values = target.values.clone();
        let input = input.map(|name| Field { name, role: Role::Input, values, ..target.clone() });
        Data::series(input.into_iter().chain([target]).collect(), 1)
    }

    /// Returns the same series, cut into windows.
    pub fn windows(self, length: usize, stride: usize) -> Result<Data, Error> {
        if let Part::Columns(_) = self.part {
            return Err(Error::Cut(
                "windows are cut out of a series of rows, and these are sequences".to_owned(),
            ));
        }
        let steps = self.check_steps()?;
        if length == 0 || stride == 0 || length > steps {
            let message =
                format!("{steps} steps have no window of {length}: `--window {steps}` is the most");
            return Err(Error::Cut(message));
        }
        Ok(Data { cut: Cut::Windows { length, stride }, ..self })
    }

    /// Returns the fields.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns the field of an input or target.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|it| &*it.name == name)
    }

    pub(super) fn fields_mut(&mut self) -> &mut [Field] {
        &mut self.fields
    }

    /// Returns the way in which the data becomes sequences.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Returns the number of rows from the inputs of a step to its targets.
    pub fn ahead(&self) -> usize {
        self.ahead
    }

    /// Returns the rows of the part, where the data is a series.
    pub fn rows(&self) -> Option<Range<usize>> {
        match &self.part {
            Part::Rows(rows) => Some(rows.clone()),
            Part::Columns(_) => None,
        }
    }

    /// Returns the sequences of the part by their places in the arrays, where the data is not a series.
    pub fn columns(&self) -> Option<&[usize]> {
        match &self.part {
            Part::Rows(_) => None,
            Part::Columns(columns) => Some(columns),
        }
    }

    /// Returns the steps of a sequence of the arrays.
    pub fn length(&self, column: usize) -> usize {
        self.lengths.get(column).copied().unwrap_or(0)
    }

    /// Parts the data into what is trained on and what is held out: of a series the last rows, of sequences some that the seed
    /// draws, or the last where the order is kept.
    pub fn split(self, share: f64, seed: u64, shuffled: bool) -> Result<(Data, Data), Error> {
        let count = match &self.part {
            Part::Rows(rows) => rows.len(),
            Part::Columns(columns) => columns.len(),
        };
        let held = (share * count as f64).round() as usize;
        // A part has a step: more rows than targets are ahead, or a sequence.
        let least = 1 + self.ahead;
        if held < least || held + least > count {
            let what = self.unit();
            let way = match (2 * least <= count, held < least) {
                (false, _) => "there are too few for two parts".to_owned(),
                (true, true) => {
                    format!("`--valid {}` holds out the fewest", share_of(least, count))
                }
                (true, false) => {
                    format!("`--valid {}` holds out the most", share_of(count - least, count))
                }
            };
            return Err(Error::Cut(format!(
                "{share} of {count} {what} is {held}, and each part has at least {least}: {way}"
            )));
        }
        let (train, valid) = match &self.part {
            Part::Rows(rows) => {
                let cut = rows.end - held;
                (Part::Rows(rows.start..cut), Part::Rows(cut..rows.end))
            }
            Part::Columns(columns) => {
                let order = match shuffled {
                    true => draw_order(seed, "split", 0, count),
                    false => (0..count).collect(),
                };
                let (train, valid) = order.split_at(count - held);
                let of = |places: &[usize]| {
                    let mut chosen: Vec<usize> = places.iter().map(|it| columns[*it]).collect();
                    chosen.sort_unstable();
                    Part::Columns(chosen)
                };
                (of(train), of(valid))
            }
        };
        let train = Data { part: train, ..self.clone() };
        let valid = Data { part: valid, ..self };
        for part in [&train, &valid] {
            part.check_steps()?;
        }
        Ok((train, valid))
    }

    fn unit(&self) -> &'static str {
        match self.part {
            Part::Rows(_) => "rows",
            Part::Columns(_) => "sequences",
        }
    }

    /// Returns the number of steps of the part, at least one.
    fn check_steps(&self) -> Result<usize, Error> {
        let (steps, message) = match &self.part {
            Part::Rows(rows) => {
                let message = format!(
                    "{} rows with targets {} ahead have no step in rows {}..{}",
                    rows.len(),
                    self.ahead,
                    rows.start,
                    rows.end
                );
                (rows.len().saturating_sub(self.ahead), message)
            }
            Part::Columns(columns) => {
                let message = format!("{} sequences have no valid step", columns.len());
                (columns.iter().map(|it| self.lengths[*it]).sum(), message)
            }
        };
        if steps == 0 { Err(Error::Cut(message)) } else { Ok(steps) }
    }

    /// Returns the steps that count: the sum over all sequences.
    pub fn steps(&self) -> usize {
        self.check_steps().unwrap_or(0)
    }

    /// Returns the sequences of the training, in the order of the data; streams for a batch of this size.
    pub fn training_sequences(&self, batch: usize) -> Result<Vec<Sequence>, Error> {
        let rows = match &self.part {
            Part::Columns(columns) => return Ok(self.of_columns(columns)),
            Part::Rows(rows) => rows,
        };
        let steps = self.check_steps()?;
        match self.cut {
            Cut::Windows { length, stride } => {
                let starts = (0..).map(|it| it * stride).take_while(|it| it + length <= steps);
                let window =
                    |(number, at): (usize, usize)| sequence(number, rows.start + at, length);
                let all: Vec<Sequence> = starts.enumerate().map(window).collect();
                if all.is_empty() {
                    let message = format!(
                        "{steps} steps have no window of {length}: `--window {steps}` is the most"
                    );
                    return Err(Error::Cut(message));
                }
                Ok(all)
            }
            Cut::Streams | Cut::Sequences => streams(rows, steps, batch, "batch"),
        }
    }

    /// Returns the sequences of an evaluation: as many streams as are said, or windows one after the other, so that every step
    /// counts once; sequences as they are.
    pub fn evaluation_sequences(&self, streams_count: usize) -> Result<Vec<Sequence>, Error> {
        let rows = match &self.part {
            Part::Columns(columns) => return Ok(self.of_columns(columns)),
            Part::Rows(rows) => rows,
        };
        let steps = self.check_steps()?;
        match self.cut {
            Cut::Windows { length, .. } => {
                let starts = (0..steps).step_by(length.max(1)).enumerate();
                Ok(starts
                    .map(|(k, at)| sequence(k, rows.start + at, length.min(steps - at)))
                    .collect())
            }
            Cut::Streams | Cut::Sequences => streams(rows, steps, streams_count, "eval-batch"),
        }
    }

    fn of_columns(&self, columns: &[usize]) -> Vec<Sequence> {
        let of = |it: &usize| Sequence {
            number: *it as u64,
            column: *it,
            first: 0,
            steps: self.lengths[*it],
        };
        columns.iter().map(of).collect()
    }

    /// Returns the row of the target that is known `back` steps before the first step of a sequence, if the part has it: what a
    /// feedback starts with.
    pub fn row_before(&self, sequence: &Sequence, back: usize) -> Option<usize> {
        let rows = self.rows()?;
        let row = (sequence.first + self.ahead).checked_sub(back)?;
        rows.contains(&row).then_some(row)
    }

    /// Checks that the fields are what a model reads: all of them, in its shapes, indices below its sizes. `bound` has the targets
    /// among its inputs.
    pub fn check(&self, bound: &Bound) -> Result<(), Error> {
        let cell = bound.cell();
        for (input, shape) in cell.inputs.iter().zip(bound.input_shapes()) {
            let Some(field) = self.field(&input.name) else {
                let kind = match input.role {
                    InputRole::Input if input.default.is_some() => continue,
                    InputRole::Input => "input",
                    InputRole::Target => "target",
                    // These are drawn.
                    InputRole::Draw | InputRole::Coin => continue,
                };
                return Err(Error::of(
                    &input.name,
                    format!("the {kind} `{}` is not given", input.name),
                ));
            };
            if field.shape() != shape {
                let message = format!(
                    "`{}` has the values {:?}, expected {} = {shape:?}",
                    field.name,
                    field.shape(),
                    input.shape
                );
                return Err(Error::of(&field.name, message));
            }
            let once = field.axes == Axes::Last;
            if once != input.per_sequence && (input.per_sequence || field.role == Role::Input) {
                let each = if input.per_sequence { "sequence" } else { "step of each sequence" };
                let message = format!("`{}` needs one value for each {each}", field.name);
                return Err(Error::of(&field.name, message));
            }
            let limit = input.index.as_ref().map(|it| bound.index_limit(it));
            if let Some(limit) = limit.or(field.index) {
                self.check_field(field, Some(limit))?;
            }
        }
        Ok(())
    }

    /// No number that a step reads is NaN or infinite, and no index is out of its range.
    fn check_values(&self) -> Result<(), Error> {
        self.fields.iter().try_for_each(|it| self.check_field(it, it.index))
    }

    fn check_field(&self, field: &Field, limit: Option<u64>) -> Result<(), Error> {
        let check = |row: usize, sequence: usize| -> Result<(), Error> {
            for (at, value) in field.at(row, sequence).indexed_iter() {
                let place = || Place {
                    row: self.rows().map(|_| row),
                    step: (self.rows().is_none() && field.axes != Axes::Last).then_some(row),
                    sequence: (field.axes != Axes::Shared).then_some(sequence),
                    element: ndarray::Dimension::slice(&at).to_vec(),
                };
                let name = field.name.clone();
                if !value.is_finite() {
                    let message = format!("`{name}` is {value}");
                    return Err(Error::Data { name: Some(name), message, place: place() });
                }
                if let Some(limit) = limit
                    && !(*value >= 0.0 && *value < limit as f64 && value.fract() == 0.0)
                {
                    return Err(Error::Index { name, value: *value, limit, place: place() });
                }
            }
            Ok(())
        };
        match (&self.part, field.axes) {
            (Part::Rows(rows), _) => rows.clone().try_for_each(|row| check(row, 0)),
            (Part::Columns(columns), Axes::Shared) => {
                let longest = columns.iter().map(|it| self.lengths[*it]).max().unwrap_or(0);
                (0..longest).try_for_each(|row| check(row, 0))
            }
            (Part::Columns(columns), Axes::Last) => {
                let mut valid = columns.iter().filter(|it| self.lengths[**it] > 0);
                valid.try_for_each(|it| check(0, *it))
            }
            (Part::Columns(columns), Axes::Batch) => {
                // By steps first: what is wrong earliest is named.
                let longest = columns.iter().map(|it| self.lengths[*it]).max().unwrap_or(0);
                (0..longest).try_for_each(|row| {
                    let mut valid = columns.iter().filter(|it| row < self.lengths[**it]);
                    valid.try_for_each(|it| check(row, *it))
                })
            }
        }
    }
}

/// Returns the share with the fewest digits that gives this number of `count`.
fn share_of(held: usize, count: usize) -> f64 {
    let exact = held as f64 / count as f64;
    let digits = (1..17).map(|it| 10f64.powi(it)).map(|it| (exact * it).round() / it);
    let gives = |it: &f64| (0.0..1.0).contains(it) && (it * count as f64).round() == held as f64;
    digits.into_iter().find(gives).unwrap_or(exact)
}

fn sequence(number: usize, first: usize, steps: usize) -> Sequence {
    Sequence { number: number as u64, column: 0, first, steps }
}

fn streams(
    rows: &Range<usize>,
    steps: usize,
    count: usize,
    key: &str,
) -> Result<Vec<Sequence>, Error> {
    let each = steps / count.max(1);
    if each == 0 {
        let message = format!(
            "{steps} steps cannot be cut into {count} streams: `--{key} {steps}` is the most"
        );
        return Err(Error::Cut(message));
    }
    Ok((0..count).map(|it| sequence(it, rows.start + it * each, each)).collect())
}

/// A size on which all fields agree.
struct Common {
    what: &'static str,
    known: Option<(Name, usize)>,
}

impl Common {
    fn set(&mut self, name: &Name, size: usize) -> Result<(), Error> {
        let (what, Some((first, known))) = (self.what, &self.known) else {
            self.known = Some((name.clone(), size));
            return Ok(());
        };
        if *known == size {
            return Ok(());
        }
        Err(Error::of(name, format!("`{name}` has {size} {what}, `{first}` has {known}")))
    }
}

#[cfg(test)]
mod tests;
