//! Sequences that come step by step.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::super::arrays::{Feed, InitialState, Inputs, Params};
use super::super::bind::MAX_BYTES;
use super::super::fast;
use super::super::masks::Masks;
use super::super::reference::{self, InCall, LentCall, RunError};
use super::super::views::Lent;
use super::Engine;
use super::call::OTHER_ENGINE;
use crate::ir::{InReal, Real};

/// The arrays that a step works on, in each type.
struct InStep<'a>(std::marker::PhantomData<&'a ()>);

impl<'a> InReal for InStep<'a> {
    type In<F: Real> = (&'a Params<F>, &'a mut Vec<ArrayD<F>>);
}

struct InArrays;

impl InReal for InArrays {
    type In<F: Real> = Vec<ArrayD<F>>;
}

/// Sequences that come step by step: their carried values, and all that a step works in.
#[derive(Debug)]
pub struct Stream<F> {
    outputs: Vec<ArrayD<F>>,
    batch: usize,
    held: Streamed<F>,
}

#[derive(Debug)]
enum Streamed<F> {
    Fast(Box<fast::Stream>),
    /// The carried values, and the inputs per sequence.
    Plain(InitialState<F>, Vec<ArrayD<F>>),
}

impl Engine {
    /// Begins sequences that come step by step: a batch of them, from these starts. All inputs are
    /// given at every step, those with a default too; masks are as in evaluation. A cell with inputs
    /// per sequence takes [`Engine::stream_with`].
    pub fn stream<F: Real>(
        &self,
        params: &Params<F>,
        state: &InitialState<F>,
        batch: usize,
    ) -> Result<Stream<F>, RunError> {
        self.stream_with(params, state, batch, &[])
    }

    /// As [`Engine::stream`], with `[B, ...]` of each input per sequence, in their order: they are
    /// taken here and not at the steps.
    pub fn stream_with<F: Real>(
        &self,
        params: &Params<F>,
        state: &InitialState<F>,
        batch: usize,
        once: &[ArrayViewD<'_, F>],
    ) -> Result<Stream<F>, RunError> {
        RunError::check_steps(self.bound.cell())?;
        self.check_given(once, batch, true)?;
        let shapes = self.bound.input_shapes();
        let numbers = self.bound.step_count().saturating_add(1).saturating_mul(batch as u64);
        let bytes = numbers.saturating_mul(size_of::<F>() as u64);
        if bytes > MAX_BYTES {
            return Err(RunError::TooLarge { what: "a step of the batch".to_owned(), bytes });
        }
        let mut given = once.iter();
        let feeds = shapes.iter().zip(&self.bound.cell().inputs).map(|(it, input)| {
            let whole: Vec<usize> = [&[1, batch], &it[..]].concat();
            let given = if input.per_sequence { given.next() } else { None };
            let array = given.map(ArrayViewD::to_owned);
            Some(Feed::Batch(array.unwrap_or_else(|| ArrayD::zeros(IxDyn(&whole)))))
        });
        let mut inputs = Inputs::new(feeds.collect());
        (inputs.steps, inputs.batch) = (Some(1), Some(batch));
        let outputs = (0..self.bound.cell().outputs.len()).map(|it| {
            let whole: Vec<usize> = [&[batch], self.bound.output_shape(it)].concat();
            ArrayD::zeros(IxDyn(&whole))
        });
        let outputs = outputs.collect();
        let lent = Lent { params: params.view(), inputs: inputs.view(), state: state.view() };
        let call = LentCall { bound: &self.bound, lent, masks: &Masks::Eval };
        let single = self.fast.as_ref().and_then(|fast| {
            let call = LentCall { bound: fast.bound(), ..call.clone() };
            Some(fast.stream(F::to_single::<InCall<'_>>(call)?))
        });
        let held = match single {
            Some(stream) => Streamed::Fast(Box::new(stream?)),
            None => {
                reference::Given::check(call)?;
                Streamed::Plain(state.clone(), once.iter().map(ArrayViewD::to_owned).collect())
            }
        };
        Ok(Stream { outputs, batch, held })
    }

    /// Returns one step of sequences that come step by step: takes `[B, ...]` of each input that is not given per sequence, gives
    /// `[B, ...]` of each output. T steps give what one run of T steps gives.
    ///
    /// The fast engine allocates nothing here, unless the params are others than before. A number
    /// that is none is given like any other.
    pub fn step<'s, F: Real>(
        &self,
        params: &Params<F>,
        inputs: &[ArrayViewD<'_, F>],
        stream: &'s mut Stream<F>,
    ) -> Result<&'s [ArrayD<F>], RunError> {
        self.check_given(inputs, stream.batch, false)?;
        let other = || RunError::Data(OTHER_ENGINE.to_owned());
        match (&mut stream.held, self.fast.as_deref()) {
            (Streamed::Fast(held), Some(fast)) if fast.is_own(held) => {
                let single = F::to_single::<InStep<'_>>((params, &mut stream.outputs));
                let (params, outputs) = single.ok_or_else(other)?;
                fast.step(params, inputs, held, outputs)?;
            }
            (Streamed::Fast(_), _) => return Err(other()),
            (Streamed::Plain(state, once), _) => {
                let (mut once, mut inputs) = (once.iter(), inputs.iter());
                let feeds = self.bound.cell().inputs.iter().map(|it| {
                    let step = |it: &ArrayViewD<'_, F>| it.to_owned().insert_axis(Axis(0));
                    let array = match it.per_sequence {
                        true => once.next().cloned(),
                        false => inputs.next().map(step),
                    };
                    array.map(Feed::Batch)
                });
                let mut now = Inputs::new(feeds.collect());
                (now.steps, now.batch) = (Some(1), Some(stream.batch));
                let outputs = self.step_with(params, &now, state, &mut Masks::Eval)?;
                for (to, from) in stream.outputs.iter_mut().zip(outputs) {
                    to.assign(&from.index_axis(Axis(0), 0));
                }
            }
        }
        Ok(&stream.outputs)
    }

    /// Looks whether what a stream is given fits the inputs per sequence, or the others.
    fn check_given<F: Real>(
        &self,
        inputs: &[ArrayViewD<'_, F>],
        batch: usize,
        per_sequence: bool,
    ) -> Result<(), RunError> {
        let all = self.bound.cell().inputs.iter().zip(self.bound.input_shapes());
        let all = all.filter(|it| it.0.per_sequence == per_sequence);
        let own = all.clone().count();
        if inputs.len() != own {
            let which = if per_sequence { " per sequence" } else { "" };
            let given = inputs.len();
            let message = format!("there are {given} inputs{which}, the cell has {own}");
            return Err(RunError::Data(message));
        }
        let of = if per_sequence { "sequence" } else { "step" };
        for (input, (declared, own)) in inputs.iter().zip(all) {
            let given = input.shape();
            if given.first() != Some(&batch) || given[1..] != own[..] {
                return Err(RunError::Data(format!(
                    "input `{}` of a {of} has shape {given:?}, expected [{batch}] and {own:?}",
                    declared.name
                )));
            }
            let Some(index) = &declared.index else { continue };
            let limit = self.bound.index_limit(index);
            for (at, value) in input.iter().enumerate() {
                let value = Real::to_f64(*value);
                if !(value >= 0.0 && value < limit as f64 && value.fract() == 0.0) {
                    let sequence = at / own.iter().product::<usize>().max(1);
                    let name = declared.name.clone();
                    let step = (!per_sequence).then_some(0);
                    return Err(RunError::Index { name, step, sequence, value, limit });
                }
            }
        }
        Ok(())
    }

    /// Returns the carried values of sequences that come step by step, as they are now: `[B, ...]`. Before the first step of the
    /// interpreter there are only those that were given.
    pub fn states<F: Real>(&self, stream: &mut Stream<F>) -> Result<Vec<ArrayD<F>>, RunError> {
        let other = || RunError::Data(OTHER_ENGINE.to_owned());
        match (&mut stream.held, self.fast.as_deref()) {
            (Streamed::Fast(held), Some(fast)) if fast.is_own(held) => {
                F::of_single::<InArrays>(fast.states(held)).ok_or_else(other)
            }
            (Streamed::Fast(_), _) => Err(other()),
            (Streamed::Plain(state, _), _) => Ok(state.0.iter().flatten().cloned().collect()),
        }
    }
}
