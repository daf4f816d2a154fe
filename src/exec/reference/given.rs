//! The arguments of a call, checked against the cell before anything runs.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::super::arrays::fresh;
use super::super::bind::{Bound, MAX_BYTES, extent};
use super::super::eval::{Value, eval};
use super::super::masks::{self, Extents, Masks};
use super::super::views::{FeedView, InputsView, Lent, ParamsView, StateView};
use super::{Call, RunError};
use crate::ir::{InReal, Leaf, Node, Op, Real, Scope, Start};
use crate::text::Name;

/// Step numbers up to this are exact in double precision.
const MOST_STEPS: u64 = 1 << 53;

/// The cell and arrays that one call runs, all of them lent.
#[derive(Clone, Debug)]
pub(crate) struct LentCall<'a, F> {
    pub(crate) bound: &'a Bound,
    pub(crate) lent: Lent<'a, F>,
    pub(crate) masks: &'a Masks<F>,
}

/// A call in each type of numbers.
pub(crate) struct InCall<'a>(std::marker::PhantomData<&'a ()>);

impl<'a> InReal for InCall<'a> {
    type In<F: Real> = LentCall<'a, F>;
}

impl<'a, F: Real> From<Call<'a, F>> for LentCall<'a, F> {
    fn from(call: Call<'a, F>) -> LentCall<'a, F> {
        let Call { bound, params, inputs, state, masks } = call;
        let lent = Lent { params: params.view(), inputs: inputs.view(), state: state.view() };
        LentCall { bound, lent, masks }
    }
}

/// The inputs, starts and params of a call; all fit.
#[derive(Clone, Debug)]
pub(crate) struct Given<'a, F> {
    pub(crate) bound: &'a Bound,
    pub(crate) inputs: InputsView<'a, F>,
    pub(crate) state: StateView<'a, F>,
    pub(crate) params: ParamsView<'a, F>,
    /// The stamp that distinguishes these params from others.
    pub(crate) stamp: u64,
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) lengths: Vec<usize>,
    /// The bits of each mask; none in evaluation. The segments of a run share them.
    pub(crate) bits: Option<Arc<Vec<ArrayD<F>>>>,
    /// The value of each node of the start graph.
    pub(crate) start: Vec<Value<F>>,
}

impl<'a, F: Real> Given<'a, F> {
    pub(crate) fn check(call: impl Into<LentCall<'a, F>>) -> Result<Given<'a, F>, RunError> {
        let LentCall { bound, lent: Lent { params, inputs, state }, masks } = call.into();
        if bound.cell().is_model {
            let name = &bound.cell().name;
            let message = format!("`{name}` is a model, which runs as a plain cell in some mode");
            return Err(RunError::Data(message));
        }
        check_params(bound, params.arrays())?;
        let (steps, batch) = check_extents(bound, &inputs, &state)?;
        let lengths = inputs.lengths.map_or_else(|| vec![steps; batch], <[usize]>::to_vec);
        if let Some(length) = lengths.iter().find(|it| **it > steps) {
            return Err(RunError::Lengths(format!(
                "a length is {length}, but there are only {steps} steps"
            )));
        }
        let bytes = bound.step_count().saturating_mul(size_of::<F>() as u64);
        if bytes > MAX_BYTES {
            return Err(RunError::TooLarge { what: "one step".to_owned(), bytes });
        }
        let cell = bound.cell();
        let bits = masks::bits(bound, masks, &Extents { steps, batch, lengths: &lengths })?;
        let (bits, start) = (bits.map(Arc::new), Vec::new());
        let stamp = params.stamp().unwrap_or_else(fresh);
        let mut given =
            Given { bound, inputs, state, params, stamp, steps, batch, lengths, bits, start };
        given.start =
            eval(&cell.start, bound.start_shapes(), bound.env(), &mut |_, node| match given
                .fixed(&node.op)
            {
                Some(value) => value,
                None => unreachable!("a start graph reads params alone"),
            });
        given.check_indices()?;
        Ok(given)
    }

    /// Returns the arrays, lent for a shorter time.
    pub(crate) fn lent(&self) -> Lent<'_, F> {
        let Given { params, inputs, state, .. } = self;
        Lent { params: params.reborrow(), inputs: inputs.reborrow(), state: state.reborrow() }
    }

    /// Returns the part that a run keeps between calls: none of the arrays.
    pub(crate) fn keep(self) -> Kept<F> {
        let (feeds, starts) = shapes(&self.inputs, &self.state);
        let Given { stamp, steps, batch, lengths, bits, start, .. } = self;
        Kept { stamp, steps, batch, lengths, bits, start, feeds, starts }
    }

    fn check_indices(&self) -> Result<(), RunError> {
        let cell = self.bound.cell();
        let check = |name: &Name, limit: u64, step, sequence, value: F| {
            let value = Real::to_f64(value);
            if value >= 0.0 && value < limit as f64 && value.fract() == 0.0 {
                return Ok(());
            }
            Err(RunError::Index { name: name.clone(), step, sequence, value, limit })
        };
        for (idx, input) in cell.inputs.iter().enumerate() {
            let (Some(index), Some(_)) = (&input.index, &self.inputs.feeds[idx]) else { continue };
            let limit = self.bound.index_limit(index);
            let steps = if input.per_sequence { self.steps.min(1) } else { self.steps };
            for step in 0..steps {
                for sequence in (0..self.batch).filter(|it| step < self.lengths[*it]) {
                    for value in &self.input(idx, step, sequence) {
                        let step = (!input.per_sequence).then_some(step);
                        check(&input.name, limit, step, sequence, *value)?;
                    }
                }
            }
        }
        for (idx, carry) in cell.carries.iter().enumerate() {
            let limit = match &carry.index {
                Some(index) => self.bound.index_limit(index),
                None if carry.is_time() => MOST_STEPS,
                None => continue,
            };
            for sequence in 0..self.batch {
                for value in &self.start_of(idx, sequence) {
                    check(&carry.name, limit, Some(0), sequence, *value)?;
                }
            }
        }
        Ok(())
    }

    /// Zeros of shape `[T, B, ...]`, for something.
    pub(crate) fn zeros(&self, shape: &[usize], what: &str) -> Result<ArrayD<F>, RunError> {
        let mut all = vec![self.steps, self.batch];
        all.extend(shape);
        let bytes = extent(&all).saturating_mul(size_of::<F>() as u64);
        if bytes > MAX_BYTES {
            return Err(RunError::TooLarge { what: what.to_owned(), bytes });
        }
        zeros(&all, what)
    }

    /// Returns the value of a leaf that is the same at every step of every sequence: params, masks in evaluation or per run, and
    /// inputs that are not given.
    pub(crate) fn fixed(&self, op: &Op) -> Option<Value<F>> {
        if let Op::Leaf(Leaf::Param(param)) = op {
            Some(self.params.arrays()[*param].to_shared())
        } else if let Op::Leaf(Leaf::Mask(mask)) = op {
            self.fixed_mask(*mask)
        } else if let Op::Leaf(Leaf::Input(input)) = op {
            self.default(*input)
        } else {
            None
        }
    }

    /// Returns the value of an input that is not given: its default.
    fn default(&self, input: usize) -> Option<Value<F>> {
        if self.inputs.feeds[input].is_some() {
            return None;
        }
        let default = self.bound.cell().inputs[input].default.as_ref()?;
        let default = default.eval(self.bound.env()).map_or(F::nan(), F::of);
        let shape = IxDyn(&self.bound.input_shapes()[input]);
        Some(ArrayD::from_elem(shape, default).into_shared())
    }

    /// Returns the value of a mask that is the same everywhere: in evaluation, or with one draw per run.
    fn fixed_mask(&self, mask: usize) -> Option<Value<F>> {
        let declared = &self.bound.cell().masks[mask];
        let Some(bits) = &self.bits else {
            let probability = declared.probability.eval(self.bound.env());
            let shape = IxDyn(&self.bound.mask_shapes()[mask]);
            let value = ArrayD::from_elem(shape, probability.map_or(F::nan(), F::of));
            return Some(value.into_shared());
        };
        match declared.scope {
            Scope::Run => Some(bits[mask].to_shared()),
            Scope::Step | Scope::Sequence => None,
        }
    }

    /// Returns a mask at one step of one sequence, in training.
    pub(crate) fn mask(&self, mask: usize, time: usize, sequence: usize) -> Value<F> {
        match &self.bits {
            Some(bits) => masks::value(&self.bound.cell().masks[mask], &bits[mask], time, sequence),
            None => unreachable!("in evaluation masks are fixed"),
        }
    }

    /// Returns a given input at one step of one sequence.
    pub(crate) fn input(&self, input: usize, time: usize, sequence: usize) -> Value<F> {
        match &self.inputs.feeds[input] {
            Some(feed) => {
                let input = &self.bound.cell().inputs[input];
                feed.at(input, feed.array().view(), time, sequence).to_shared()
            }
            None => unreachable!("an input that is not given has its default, which is fixed"),
        }
    }

    /// Returns a leaf of the step graph at one step of one sequence; derived graphs may read it too.
    pub(crate) fn leaf(
        &self,
        node: &Node,
        sequence: usize,
        time: usize,
        before: &[Value<F>],
    ) -> Value<F> {
        if let Op::Leaf(Leaf::Input(input)) = node.op {
            self.input(input, time, sequence)
        } else if let Op::Leaf(Leaf::Carry(carry)) = node.op {
            before[carry].clone()
        } else if let Op::Leaf(Leaf::Mask(mask)) = node.op {
            self.mask(mask, time, sequence)
        } else {
            unreachable!(
                "a graph reads inputs, masks, carried values and what is fixed: {:?}",
                node.op
            )
        }
    }

    /// Returns the carried values before the first step of a sequence.
    pub(crate) fn starts(&self, sequence: usize) -> Vec<Value<F>> {
        (0..self.bound.cell().carries.len()).map(|it| self.start_of(it, sequence)).collect()
    }

    fn start_of(&self, carry: usize, sequence: usize) -> Value<F> {
        match self.start_view(carry, sequence) {
            Some(start) => start.to_owned().into_shared(),
            None => super::super::eval::zeros(&self.bound.carry_shapes()[carry]),
        }
    }

    /// Returns the position of a carried value before the first step of a sequence.
    pub(crate) fn start_view(&self, carry: usize, sequence: usize) -> Option<ArrayViewD<'_, F>> {
        let origin = self.origin(carry);
        if let Some(given) = &self.state.0[origin] {
            let shared = given.ndim() == self.bound.carry_shapes()[origin].len();
            return Some(if shared { given.view() } else { given.index_axis(Axis(0), sequence) });
        }
        match self.bound.cell().carries[origin].start {
            Start::Node(node) => Some(self.start[node.idx()].view()),
            // `origin` follows these; only a ring of them, which no checker makes, is left.
            Start::SameAs(_) => None,
        }
    }

    /// Asks for the carried values of all steps, which a run of the interpreter keeps.
    pub(super) fn ask_for_steps(&self) -> Result<(), RunError> {
        let one = |shape: &Vec<usize>| extent(shape).saturating_mul(size_of::<F>() as u64) + ARRAY;
        let of_step: u64 = self.bound.carry_shapes().iter().map(one).sum();
        let steps = self.lengths.iter().map(|it| *it as u64 + 1).sum::<u64>();
        let bytes = usize::try_from(steps.saturating_mul(of_step)).unwrap_or(usize::MAX);
        ask::<u8>(bytes, "the steps of the interpreter")
    }

    /// Returns the carry whose start a carry takes: itself, if it was given or has a start of its own.
    pub(crate) fn origin(&self, carry: usize) -> usize {
        let carries = &self.bound.cell().carries;
        let mut origin = carry;
        for _ in carries {
            match carries[origin].start {
                Start::SameAs(other) if self.state.0[origin].is_none() => origin = other,
                Start::SameAs(_) | Start::Node(_) => break,
            }
        }
        origin
    }
}

/// The part of its arguments that a run keeps, so that a backward run takes the arrays again.
#[derive(Clone, Debug)]
pub(crate) struct Kept<F> {
    stamp: u64,
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) lengths: Vec<usize>,
    pub(crate) bits: Option<Arc<Vec<ArrayD<F>>>>,
    start: Vec<Value<F>>,
    /// Of each given input whether it is shared, and its shape.
    feeds: Vec<Option<(bool, Vec<usize>)>>,
    starts: Vec<Option<Vec<usize>>>,
}

type Shapes = (Vec<Option<(bool, Vec<usize>)>>, Vec<Option<Vec<usize>>>);

fn shapes<F>(inputs: &InputsView<'_, F>, state: &StateView<'_, F>) -> Shapes {
    let feed =
        |it: &FeedView<'_, F>| (matches!(it, FeedView::Shared(_)), it.array().shape().to_vec());
    let feeds = inputs.feeds.iter().map(|it| it.as_ref().map(feed));
    let starts = state.0.iter().map(|it| it.as_ref().map(|it| it.shape().to_vec()));
    (feeds.collect(), starts.collect())
}

impl<F: Real> Kept<F> {
    /// Returns the same with its arrays, which are lent once more.
    pub(crate) fn again<'a>(
        self,
        bound: &'a Bound,
        lent: Lent<'a, F>,
    ) -> Result<Given<'a, F>, RunError> {
        let Lent { params, inputs, state } = lent;
        check_params(bound, params.arrays())?;
        let (feeds, starts) = shapes(&inputs, &state);
        let other = |what: &str, name: &Name| {
            let message = format!("{what} `{name}` has another shape than in the forward run");
            Err(RunError::Data(message))
        };
        if feeds.len() != self.feeds.len() || starts.len() != self.starts.len() {
            let message = "there are not as many inputs and states as in the forward run";
            return Err(RunError::Data(message.to_owned()));
        }
        let mut named = feeds.iter().zip(&self.feeds).zip(&bound.cell().inputs);
        if let Some((_, input)) = named.find(|((now, then), _)| now != then) {
            return other("input", &input.name);
        }
        let mut named = starts.iter().zip(&self.starts).zip(&bound.cell().carries);
        if let Some((_, carry)) = named.find(|((now, then), _)| now != then) {
            return other("initial state", &carry.name);
        }
        if inputs.lengths.is_some_and(|it| it != self.lengths) {
            let message = "the lengths are not those of the forward run".to_owned();
            return Err(RunError::Lengths(message));
        }
        let Kept { stamp, steps, batch, lengths, bits, start, .. } = self;
        let given =
            Given { bound, inputs, state, params, stamp, steps, batch, lengths, bits, start };
        // Whoever lent them may have changed them since.
        given.check_indices()?;
        Ok(given)
    }
}

/// About what an array takes beside its numbers.
const ARRAY: u64 = 256;

/// Looks whether the system gives memory for so many numbers: what is allocated next would else end the
/// program. Nothing is written there.
pub(crate) fn ask<F>(numbers: usize, what: &str) -> Result<(), RunError> {
    let mut memory: Vec<F> = Vec::new();
    let asked = memory.try_reserve_exact(numbers);
    // Else the compiler may leave out what nobody uses.
    std::hint::black_box(&memory);
    asked.map_err(|_| RunError::OutOfMemory {
        what: what.to_owned(),
        bytes: (numbers as u64).saturating_mul(size_of::<F>() as u64),
    })
}

/// Zeros, for something.
pub(crate) fn zeros<F: Real>(shape: &[usize], what: &str) -> Result<ArrayD<F>, RunError> {
    ask::<F>(usize::try_from(extent(shape)).unwrap_or(usize::MAX), what)?;
    Ok(ArrayD::zeros(IxDyn(shape)))
}

fn check_params<F: Real>(bound: &Bound, params: &[ArrayViewD<'_, F>]) -> Result<(), RunError> {
    let declared = &bound.cell().params;
    if params.len() != declared.len() {
        return Err(RunError::Weights(format!(
            "there are {} params, the cell has {}",
            params.len(),
            declared.len()
        )));
    }
    for ((param, shape), declared) in params.iter().zip(bound.param_shapes()).zip(declared) {
        if param.shape() != shape {
            return Err(RunError::Weights(format!(
                "param `{}` has shape {:?}, expected {} = {shape:?}",
                declared.name,
                param.shape(),
                declared.shape
            )));
        }
    }
    Ok(())
}

/// T and B, on which everything that is given must agree.
fn check_extents<F: Real>(
    bound: &Bound,
    inputs: &InputsView<'_, F>,
    state: &StateView<'_, F>,
) -> Result<(usize, usize), RunError> {
    let cell = bound.cell();
    let data = |message: String| Err(RunError::Data(message));
    if inputs.feeds.len() != cell.inputs.len() {
        let (given, own) = (inputs.feeds.len(), cell.inputs.len());
        return data(format!("there are {given} inputs, the cell has {own}"));
    }
    if state.0.len() != cell.carries.len() {
        let (given, own) = (state.0.len(), cell.carries.len());
        return data(format!("there are {given} initial states, the cell carries {own} values"));
    }
    let mut steps = Extent { what: "steps", known: None };
    let mut batch = Extent { what: "sequences", known: None };
    for ((feed, input), shape) in inputs.feeds.iter().zip(&cell.inputs).zip(bound.input_shapes()) {
        let Some(feed) = feed else {
            if input.default.is_none() {
                return data(format!("input `{}` is not given and has no default", input.name));
            }
            continue;
        };
        let outer = feed.outer(input);
        let letters = match (feed, input.per_sequence) {
            (FeedView::Batch(_), false) => "[T, B, ..]",
            (FeedView::Shared(_), false) => "[T, ..]",
            (FeedView::Batch(_), true) => "[B, ..]",
            (FeedView::Shared(_), true) => "[..]",
        };
        let given = feed.array().shape();
        if given.len() != outer + shape.len() || given[outer..] != *shape {
            return data(format!(
                "input `{}` has shape {given:?}, expected {letters} of {} = {shape:?}",
                input.name, input.shape
            ));
        }
        let name = format!("input `{}`", input.name);
        if !input.per_sequence {
            steps.set(&name, given[0])?;
        }
        if let FeedView::Batch(_) = feed {
            batch.set(&name, given[outer - 1])?;
        }
    }
    for ((given, carry), shape) in state.0.iter().zip(&cell.carries).zip(bound.carry_shapes()) {
        let Some(given) = given else { continue };
        let name = format!("initial state `{}`", carry.name);
        match given.shape() {
            all if all == shape.as_slice() => {}
            [size, own @ ..] if own == shape.as_slice() => batch.set(&name, *size)?,
            other => {
                return data(format!(
                    "{name} has shape {other:?}, expected {} = {shape:?}, or that for each sequence",
                    carry.shape
                ));
            }
        }
    }
    if let Some(given) = inputs.steps {
        steps.set("the number of steps", given)?;
    }
    if let Some(given) = inputs.batch {
        batch.set("the batch", given)?;
    }
    if let Some(lengths) = inputs.lengths {
        if let Some((what, known)) = &batch.known
            && *known != lengths.len()
        {
            return Err(RunError::Lengths(format!(
                "there are {} lengths, but {what} has {known} sequences",
                lengths.len()
            )));
        }
        batch.set("the lengths", lengths.len())?;
    }
    let batch = batch.known.map_or(1, |(_, size)| size);
    if batch == 0 {
        return data("the batch is empty".to_owned());
    }
    match steps.known {
        None => data("no input is given, so the number of steps is not known".to_owned()),
        Some((what, 0)) => data(format!("{what} has no steps; a sequence needs at least one")),
        Some((_, steps)) => Ok((steps, batch)),
    }
}

/// A size on which all that is given must agree.
struct Extent {
    what: &'static str,
    known: Option<(String, usize)>,
}

impl Extent {
    fn set(&mut self, name: &str, size: usize) -> Result<(), RunError> {
        match &self.known {
            None => self.known = Some((name.to_owned(), size)),
            Some((other, known)) if *known != size => {
                return Err(RunError::Data(format!(
                    "{name} has {size} {}, but {other} has {known}",
                    self.what
                )));
            }
            Some(_) => {}
        }
        Ok(())
    }
}
