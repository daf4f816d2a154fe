//! From a batch to what an engine takes: arrays in the order of the plain cell's inputs, and starts.
//!
//! A feedback whose teacher is known before the first step of a sequence, as in a window in the middle of a series, starts with it; others
//! start as declared. An engine takes one or the other for a whole batch, so sequences that differ in it run apart, as pieces whose
//! losses and gradients are added. After the first chunk all go on with what they carry, in one piece.

use std::sync::Arc;

use ndarray::{ArrayD, Axis, IxDyn};

use super::batches::Batch;
use super::data::{Axes, Data, Field, Role};
use super::error::Error;
use crate::exec::{Bound, Feed, InitialState, Inputs, Params, eval};
use crate::ir::{Cell, Input, Leaf, Op, Real, Start};
use crate::text::Name;

/// The values of one input, as the engine wants them.
#[derive(Clone, Debug)]
struct Column<F> {
    axes: Axes,
    /// The number of rows from a step to its value.
    ahead: usize,
    shape: Vec<usize>,
    /// The number of elements of a value.
    width: usize,
    /// The sequences of the arrays.
    count: usize,
    values: Vec<F>,
}

/// The values of all fields of some data by name, in the type of the engine. Several feeders share them.
#[derive(Clone, Debug)]
pub(super) struct Columns<F>(Vec<(Name, Arc<Column<F>>)>);

impl<F: Real> Columns<F> {
    pub(super) fn of(data: &Data) -> Columns<F> {
        let column = |it: &Field| (it.name.clone(), Arc::new(Column::of(data, it)));
        Columns(data.fields().iter().map(column).collect())
    }

    fn get(&self, name: &str) -> Option<Arc<Column<F>>> {
        Some(self.0.iter().find(|it| &*it.0 == name)?.1.clone())
    }
}

impl<F: Real> Column<F> {
    fn of(data: &Data, field: &Field) -> Column<F> {
        let ahead = if field.role == Role::Target { data.ahead() } else { 0 };
        let shape = field.shape().to_vec();
        Column {
            axes: field.axes,
            ahead,
            width: shape.iter().product(),
            shape,
            count: if field.axes == Axes::Batch { field.values.shape()[1] } else { 1 },
            values: field.values.iter().map(|it| F::of(*it)).collect(),
        }
    }

    /// Returns the elements of the value at a row, of a sequence where each has its own.
    fn at(&self, row: usize, sequence: usize) -> &[F] {
        let place = match self.axes {
            Axes::Batch => row * self.count + sequence,
            Axes::Shared => row,
            Axes::Last => sequence,
        };
        &self.values[place * self.width..][..self.width]
    }

    /// Returns one value for each sequence.
    fn feed_once(&self, batch: &Batch, places: &[usize]) -> Feed<F> {
        let columns = places.iter().map(|it| batch.sequences[*it].column);
        let values = columns.flat_map(|it| self.at(0, it)).copied().collect();
        Feed::Batch(array(&[&[places.len()], &self.shape[..]].concat(), values))
    }

    /// Returns the values of some steps of some sequences, 0 beyond their lengths.
    fn feed(&self, batch: &Batch, places: &[usize], is_series: bool) -> Feed<F> {
        if self.axes == Axes::Shared && !is_series {
            let shape = [&[batch.steps], &self.shape[..]].concat();
            let values =
                self.values[batch.from * self.width..][..batch.steps * self.width].to_vec();
            return Feed::Shared(array(&shape, values));
        }
        let shape = [&[batch.steps, places.len()], &self.shape[..]].concat();
        let mut values = Vec::with_capacity(shape.iter().product());
        for step in batch.from..batch.from + batch.steps {
            for place in places {
                let sequence = &batch.sequences[*place];
                if step < sequence.steps {
                    values.extend_from_slice(
                        self.at(sequence.first + step + self.ahead, sequence.column),
                    );
                } else {
                    values.resize(values.len() + self.width, F::zero());
                }
            }
        }
        Feed::Batch(array(&shape, values))
    }
}

fn array<F: Real>(shape: &[usize], values: Vec<F>) -> ArrayD<F> {
    match ArrayD::from_shape_vec(IxDyn(shape), values) {
        Ok(array) => array,
        Err(fault) => unreachable!("there is a value for each place of the shape: {fault}"),
    }
}

/// A carried value with a teacher, and how many steps back it looks.
#[derive(Clone, Debug)]
struct Taught<F> {
    carry: usize,
    back: usize,
    teacher: Option<Arc<Column<F>>>,
}

/// Makes arrays of batches.
#[derive(Clone, Debug)]
pub(super) struct Feeder<F> {
    data: Data,
    /// For each input its values, and whether it takes one for each sequence.
    columns: Vec<(Option<Arc<Column<F>>>, bool)>,
    taught: Vec<Taught<F>>,
    carries: usize,
}

/// Sequences of a batch that run together.
#[derive(Debug)]
pub(super) struct Piece<F> {
    /// Their places in the batch.
    pub(super) places: Vec<usize>,
    /// The arrays that they read.
    pub(super) inputs: Inputs<F>,
    /// The values that they start with.
    pub(super) state: InitialState<F>,
}

impl<F: Real> Feeder<F> {
    /// Returns a feeder of a model's plain cell; the model knows the teachers.
    pub(super) fn new(
        model: &Cell,
        plain: &Bound,
        data: &Data,
        all: &Columns<F>,
    ) -> Result<Feeder<F>, Error> {
        data.check(plain)?;
        check_last(model, data)?;
        let column = |it: &Input| (all.get(&it.name), it.per_sequence);
        let columns = plain.cell().inputs.iter().map(column).collect();
        let mut taught = Vec::new();
        for (carry, it) in model.carries.iter().enumerate() {
            // `y.2` holds what the feedback `y` was two steps ago.
            let (base, back) = match it.name.rsplit_once('.') {
                Some((base, back)) => (base, back.parse().unwrap_or(0)),
                None => (&*it.name, 1),
            };
            let teacher = model.carry(base).and_then(|it| model.carries[it].teacher);
            let Some(teacher) = teacher.filter(|_| back > 0) else { continue };
            let name = &model.inputs[teacher].name;
            taught.push(Taught { carry, back, teacher: all.get(name) });
        }
        Ok(Feeder { data: data.clone(), columns, taught, carries: model.carries.len() })
    }

    /// Returns the pieces of a batch: one where it goes on with what it carried, else one for each way in which its sequences
    /// start.
    pub(super) fn pieces(
        &self,
        (plain, params): (&Bound, &Params<F>),
        batch: &Batch,
        carried: Option<Vec<ArrayD<F>>>,
    ) -> Vec<Piece<F>> {
        if let Some(carried) = carried {
            let all: Vec<usize> = (0..batch.sequences.len()).collect();
            let state = InitialState(carried.into_iter().map(Some).collect());
            return vec![Piece { inputs: self.inputs(batch, &all), places: all, state }];
        }
        let known = |place: usize| -> Vec<Option<usize>> {
            let row = |it: &Taught<F>| self.data.row_before(&batch.sequences[place], it.back);
            self.taught.iter().map(|it| row(it).filter(|_| it.teacher.is_some())).collect()
        };
        let mut groups: Vec<(Vec<bool>, Vec<usize>)> = Vec::new();
        for place in 0..batch.sequences.len() {
            let given: Vec<bool> = known(place).iter().map(Option::is_some).collect();
            match groups.iter_mut().find(|it| it.0 == given) {
                Some(group) => group.1.push(place),
                None => groups.push((given, vec![place])),
            }
        }
        let piece = |(given, places): (Vec<bool>, Vec<usize>)| {
            let mut state = InitialState::declared(self.carries);
            for (idx, taught) in self.taught.iter().enumerate() {
                let rows: Option<Vec<usize>> = places.iter().map(|it| known(*it)[idx]).collect();
                if let (Some(rows), Some(teacher)) = (rows, &taught.teacher) {
                    let values: Vec<F> =
                        rows.iter().flat_map(|it| teacher.at(*it, 0)).copied().collect();
                    state.0[taught.carry] =
                        Some(array(&[&[rows.len()], &teacher.shape[..]].concat(), values));
                } else if taught.back > 1 && given.contains(&true) {
                    // Left alone it would start as the given start of a younger one.
                    state.0[taught.carry] = declared(plain, params, taught.carry);
                }
            }
            Piece { inputs: self.inputs(batch, &places), places, state }
        };
        groups.into_iter().map(piece).collect()
    }

    fn inputs(&self, batch: &Batch, places: &[usize]) -> Inputs<F> {
        let is_series = self.data.rows().is_some();
        let feed = |(column, per_sequence): &(Option<Arc<Column<F>>>, bool)| {
            let column = column.as_ref()?;
            Some(match per_sequence {
                true => column.feed_once(batch, places),
                false => column.feed(batch, places, is_series),
            })
        };
        let lengths = batch.lengths();
        Inputs {
            feeds: self.columns.iter().map(feed).collect(),
            lengths: Some(places.iter().map(|it| lengths[*it]).collect()),
            steps: Some(batch.steps),
            batch: Some(places.len()),
        }
    }
}

/// A target without an axis of time is one at the end of each sequence: no other step has it.
fn check_last(model: &Cell, data: &Data) -> Result<(), Error> {
    let at_last = model.losses.iter().all(|it| it.at_last);
    for (idx, target) in model.targets() {
        let taught = model.carries.iter().any(|it| it.teacher == Some(idx));
        let field = data.field(&target.name).filter(|it| it.axes == Axes::Last);
        if field.is_some() && (taught || !at_last) {
            let name = &target.name;
            let message =
                format!("`{name}` has one value for each sequence, and every step needs one");
            return Err(Error::of(name, message));
        }
    }
    Ok(())
}

/// Returns the start that a cell declares for a carried value.
fn declared<F: Real>(plain: &Bound, params: &Params<F>, carry: usize) -> Option<ArrayD<F>> {
    let cell = plain.cell();
    let mut origin = carry;
    let node = cell.carries.iter().find_map(|_| match cell.carries[origin].start {
        Start::Node(node) => Some(node),
        Start::SameAs(other) => {
            origin = other;
            None
        }
    })?;
    let values =
        eval(&cell.start, plain.start_shapes(), plain.env(), &mut |_, node| match node.op {
            Op::Leaf(Leaf::Param(param)) => params.arrays()[param].to_shared(),
            _ => unreachable!("a start graph reads params alone"),
        });
    Some(values[node.idx()].to_owned())
}

/// Puts the carried values of a piece in their places of the whole batch.
pub(super) fn join_carried<F: Real>(
    all: &mut Vec<ArrayD<F>>,
    batch: usize,
    places: &[usize],
    carried: Vec<ArrayD<F>>,
) {
    if places.len() == batch {
        *all = carried;
        return;
    }
    if all.is_empty() {
        let whole = |it: &ArrayD<F>| ArrayD::zeros(IxDyn(&[&[batch], &it.shape()[1..]].concat()));
        *all = carried.iter().map(whole).collect();
    }
    for (whole, part) in all.iter_mut().zip(&carried) {
        for (place, it) in places.iter().zip(part.axis_iter(Axis(0))) {
            whole.index_axis_mut(Axis(0), *place).assign(&it);
        }
    }
}
