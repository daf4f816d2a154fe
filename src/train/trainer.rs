//! Updates: a batch forward and backward, the gradients clipped, the params moved.
//!
//! What an update does depends on its number, the options and what a [`super::Snapshot`] holds: params, buffers of the optimizer and
//! the values that a cut sequence carries. Its batch and all draws follow from seed and numbers. So a training that is resumed is, bit
//! by bit, one that was never stopped.

use ndarray::ArrayD;

use super::batches::{Batch, Batches, Epoch, Order};
use super::best::{Best, Verdict};
use super::data::{Cut, Data};
use super::error::Error;
use super::feeder::{Columns, Feeder, Piece, join_carried};
use super::optimizer::{Buffers, clip, norm};
use super::options::Options;
use super::score::{Score, Scorer, Scoring};
use super::{Scales, finite, reach};
use crate::exec::engine::Run;
use crate::exec::{
    Bound, Draws, Engine, EngineOptions, Lent, Masks, Params, Training, Upstream, Wanted,
};
use crate::ir::{Feedback, Gives, Mode, Real};

/// One update, as the log has it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Update {
    /// Its number, from 1.
    pub step: u64,
    /// Its epoch, from 1.
    pub epoch: u64,
    /// The loss before it: the sum over the steps that count, divided by their number.
    pub loss: f64,
    /// The norm of all gradients before clipping.
    pub grad_norm: f64,
    /// The learning rate.
    pub lr: f64,
    /// The probability of an own value, under scheduled sampling.
    pub own: Option<f64>,
    /// How many steps of sequences it read.
    pub steps: usize,
    /// Whether it is the last of its epoch.
    pub ends_epoch: bool,
}

/// A model in one mode.
#[derive(Clone, Debug)]
struct Way<F> {
    feedback: Feedback,
    engine: Engine,
    feeder: Feeder<F>,
    /// The params that get a gradient.
    reached: Vec<bool>,
}

impl<F: Real> Way<F> {
    fn new(
        model: &Bound,
        data: &Data,
        columns: &Columns<F>,
        feedback: Feedback,
        options: &Options,
    ) -> Result<Way<F>, Error> {
        let plain =
            model.plain(&Mode::new(feedback, Gives::Loss)).map_err(|it| Error::Run(it.into()))?;
        let feeder = Feeder::new(model.cell(), &plain, data, columns)?;
        let reached = reach::reached(plain.cell());
        let engine = EngineOptions { wanted: Wanted::PARAMS, ..options.engine.clone() };
        Ok(Way { feedback, engine: plain.engine(engine)?, feeder, reached })
    }
}

/// The modes that a training uses. Scheduled sampling is teacher forcing where no coin shows an own value, and running free where all
/// do; taken as such, these updates give the same bits as the other modes do, whose sums have another order.
fn modes(options: &Options) -> Vec<Feedback> {
    let mut modes = vec![options.feedback];
    if options.feedback == Feedback::Scheduled {
        let ends = [options.coins.own, options.coins.own_end];
        modes.extend(ends.contains(&0.0).then_some(Feedback::Teacher));
        modes.extend(ends.contains(&1.0).then_some(Feedback::Own));
    }
    modes
}

/// A training.
#[derive(Clone, Debug)]
pub struct Trainer<F> {
    pub(super) model: Bound,
    /// The ways in which an update may run, that of the options first.
    ways: Vec<Way<F>>,
    pub(super) params: Params<F>,
    pub(super) buffers: Buffers<F>,
    batches: Batches,
    options: Options,
    at_last: bool,
    updates: u64,
    /// How many updates are done.
    pub(super) step: u64,
    epoch: Epoch,
    /// How many updates of the epoch are done.
    pub(super) place: usize,
    /// What the sequences of a batch carry to its next chunk; nothing where one begins.
    pub(super) carried: Option<Vec<ArrayD<F>>>,
    pub(super) best: Best,
}

impl<F: Real> Trainer<F> {
    /// A training of a model from these params. Everything that can be wrong with data and options is found here.
    pub fn new(
        model: &Bound,
        params: Params<F>,
        data: &Data,
        options: Options,
    ) -> Result<Trainer<F>, Error> {
        let cell = model.cell();
        let Some(loss) = cell.losses.first() else {
            return Err(Error::Options(format!("`{}` has no loss to train for", cell.name)));
        };
        let at_last = loss.at_last;
        if !cell.has_teacher() && options.feedback != Feedback::Teacher {
            return Err(Error::Options(format!(
                "`{}` has no feedback with a teacher, so there is nothing to choose by `feedback`",
                cell.name
            )));
        }
        if options.epochs.is_none() && options.steps.is_none() {
            return Err(Error::Options(
                "a training has an end: `epochs`, `steps` or both".to_owned(),
            ));
        }
        super::check_teachers(cell, data.ahead())?;
        let columns = Columns::of(data);
        let way = |it: Feedback| Way::new(model, data, &columns, it, &options);
        let ways: Vec<Way<F>> = modes(&options).into_iter().map(way).collect::<Result<_, _>>()?;
        let plain = ways[0].engine.bound();
        let order = if options.shuffle { Order::Shuffled(options.seed) } else { Order::Kept };
        let batches = Batches::training(data, options.batch, options.bptt, order)?;
        check_cut(plain, at_last, data, &batches)?;
        let epoch = batches.epoch(1);
        if epoch.is_empty() {
            return Err(Error::data("there is no valid step to train on"));
        }
        let shapes = ways[0].reached.iter().zip(plain.param_shapes());
        let shapes: Vec<_> = shapes.map(|(reached, it)| reached.then(|| it.clone())).collect();
        Ok(Trainer {
            model: model.clone(),
            ways,
            params,
            buffers: options.optimizer.buffers(&shapes),
            updates: batches.updates(options.epochs, options.steps),
            batches,
            options,
            at_last,
            step: 0,
            epoch,
            place: 0,
            carried: None,
            best: Best::default(),
        })
    }

    /// The params.
    pub fn params(&self) -> &Params<F> {
        &self.params
    }

    /// How many updates the training has in all, unless patience ends it.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// How many updates are done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The epoch of the last update, from 1.
    pub fn epoch(&self) -> u64 {
        self.epoch.number()
    }

    /// The best validation, and how many came since.
    pub fn best(&self) -> Best {
        self.best
    }

    /// Takes in the loss of a validation after the last update.
    pub fn note(&mut self, loss: f64) -> Verdict {
        self.best.note(self.step, loss, self.options.patience, self.options.min_delta)
    }

    /// Goes to the end of an update: so many are done, `place` of them in the epoch.
    pub(super) fn seek(&mut self, step: u64, epoch: u64, place: usize) -> Result<(), Error> {
        self.epoch = self.batches.epoch(epoch.max(1));
        if place > self.epoch.len() {
            let has = self.epoch.len();
            return Err(Error::Snapshot(format!(
                "epoch {epoch} has {has} updates, not {place}: the data is another"
            )));
        }
        self.step = step;
        self.place = place;
        Ok(())
    }

    /// Makes the next update; nothing after the last.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] where the loss or a gradient is NaN or infinite; nothing has changed then.
    pub fn update(&mut self) -> Result<Option<Update>, Error> {
        if self.step >= self.updates {
            return Ok(None);
        }
        let next = match self.place < self.epoch.len() {
            true => None,
            false => Some(self.batches.epoch(self.epoch.number() + 1)),
        };
        let place = if next.is_some() { 0 } else { self.place };
        let epoch = next.as_ref().unwrap_or(&self.epoch);
        let Some(batch) = epoch.batch(place) else {
            return Err(Error::data("there is no valid step to train on"));
        };
        let own = self.options.coins.probability(self.step, self.updates);
        let way = &self.ways[self.way(own)];
        let found = self.gradients(way, &batch, own)?;
        let workers = way.engine.workers();
        let grad_norm = norm(&found.gradients, workers);
        if !(found.loss.is_finite() && grad_norm.is_finite()) {
            return Err(self.not_finite(way, (&batch, own), &found, grad_norm));
        }
        let lr = self.options.schedule.rate(self.step, self.updates);
        let scale = clip(grad_norm, self.options.clip);
        let params = self.params.arrays_mut();
        self.options.optimizer.step(
            &mut self.buffers,
            (self.step + 1, lr, scale),
            params,
            &found.gradients,
            workers,
        );
        self.carried = batch.goes_on().then_some(found.carried);
        if let Some(next) = next {
            self.epoch = next;
        }
        self.place = place + 1;
        self.step += 1;
        Ok(Some(Update {
            step: self.step,
            epoch: batch.epoch,
            loss: found.loss,
            grad_norm,
            lr,
            own: (self.options.feedback == Feedback::Scheduled).then_some(own),
            steps: batch.counted(false),
            ends_epoch: self.place == self.epoch.len(),
        }))
    }

    /// The score of a part in evaluation mode.
    pub fn evaluate(
        &self,
        data: &Data,
        feedback: Feedback,
        scales: &Scales,
    ) -> Result<Score, Error> {
        self.scorer(data, feedback, scales)?.score(&self.params)
    }

    /// Returns a scorer, which scores a part again and again, as [`Trainer::evaluate`] does once.
    pub fn scorer<'a>(
        &self,
        data: &Data,
        feedback: Feedback,
        scales: &'a Scales,
    ) -> Result<Scorer<'a, F>, Error> {
        let Options { eval_batch, seed, ref engine, .. } = self.options;
        let scoring =
            Scoring { feedback, eval_batch, seed, prime: None, engine: engine.clone(), scales };
        Scorer::new(&self.model, data, &scoring)
    }

    /// The place of the way that an update takes, by the probability of an own value.
    fn way(&self, own: f64) -> usize {
        let certain = match own {
            0.0 => Some(Feedback::Teacher),
            1.0 => Some(Feedback::Own),
            _ => None,
        };
        let found = self.ways.iter().position(|it| Some(it.feedback) == certain);
        found.filter(|_| self.options.feedback == Feedback::Scheduled).unwrap_or(0)
    }

    fn pieces(&self, way: &Way<F>, batch: &Batch, own: f64) -> Result<Vec<Piece<F>>, Error> {
        let carried = self.carried.clone().filter(|_| batch.from > 0);
        let bound = way.engine.bound();
        let mut pieces = way.feeder.pieces((bound, &self.params), batch, carried);
        for piece in &mut pieces {
            let draws = Draws {
                epoch: Some(batch.epoch),
                sequences: piece.places.iter().map(|it| batch.sequences[*it].number).collect(),
                first_step: batch.from as u64,
                own,
                ..Draws::new(self.options.seed)
            };
            draws.fill(bound, &mut piece.inputs)?;
        }
        Ok(pieces)
    }

    /// The masks of a piece: the bits of an epoch, of an update where they are drawn once per run.
    fn masks(&self, batch: &Batch, piece: &Piece<F>) -> Masks<F> {
        Masks::Train(Training {
            epoch: Some(batch.epoch),
            call: self.step,
            sequences: piece.places.iter().map(|it| batch.sequences[*it].number).collect(),
            first_step: batch.from as u64,
            ..Training::new(self.options.seed)
        })
    }

    fn gradients(&self, way: &Way<F>, batch: &Batch, own: f64) -> Result<Found<F>, Error> {
        let count = batch.counted(self.at_last);
        let mut found = Found { loss: 0.0, gradients: Vec::new(), carried: Vec::new() };
        let bound = way.engine.bound();
        for piece in self.pieces(way, batch, own)? {
            let masks = self.masks(batch, &piece);
            // The piece outlives the run, so nothing of it is copied.
            let lent = || Lent {
                params: self.params.view(),
                inputs: piece.inputs.view(),
                state: piece.state.view(),
            };
            let (mut run, loss) = way.engine.loss_lent(lent(), &masks)?;
            let upstream = Upstream::of_loss_among(bound.cell(), &run, count);
            let gradients = way.engine.backward_with(&run, lent(), &upstream.view())?.params;
            found.loss += loss.sum;
            join_carried(
                &mut found.carried,
                batch.sequences.len(),
                &piece.places,
                std::mem::take(&mut run.states),
            );
            if found.gradients.is_empty() {
                found.gradients = gradients;
                continue;
            }
            for (sum, it) in found.gradients.iter_mut().flatten().zip(gradients.iter().flatten()) {
                *sum += it;
            }
        }
        found.loss /= count as f64;
        // A param that the loss does not depend on has no gradient, which is not the same as one of 0: it does not decay either.
        for (gradient, reached) in found.gradients.iter_mut().zip(&way.reached) {
            gradient.take_if(|_| !reached);
        }
        Ok(found)
    }

    /// Runs a batch again on the interpreter, to name the first place that is not finite.
    fn not_finite(
        &self,
        way: &Way<F>,
        (batch, own): (&Batch, f64),
        found: &Found<F>,
        grad_norm: f64,
    ) -> Error {
        let again = || -> Result<Option<String>, Error> {
            let mut places = Vec::new();
            for piece in self.pieces(way, batch, own)? {
                let masks = self.masks(batch, &piece);
                let run = (&self.params, &piece.inputs, &piece.state, &masks);
                let count = batch.counted(self.at_last);
                let cell = way.engine.bound().cell();
                let upstream = |run: &Run<F>| Upstream::of_loss_among(cell, run, count);
                places.extend(finite::first(way.engine.bound(), run, &upstream, |it| {
                    piece.places[it]
                })?);
            }
            let first = places.into_iter().min_by_key(|it| it.order);
            Ok(first.map(|it| {
                let sequence = batch.sequences[it.sequence].number;
                format!("sequence {sequence}, step {}: {}", batch.from + it.step, it.what)
            }))
        };
        // What the fast engine sums in another order may be finite on the interpreter.
        let what = again().ok().flatten().unwrap_or_else(|| match found.loss.is_finite() {
            true => format!("the norm of the gradients is {grad_norm}"),
            false => format!("the loss is {}", found.loss),
        });
        Error::NotFinite { update: self.step + 1, epoch: batch.epoch, what }
    }
}

/// What a batch gives.
struct Found<F> {
    loss: f64,
    gradients: Vec<Option<ArrayD<F>>>,
    carried: Vec<ArrayD<F>>,
}

/// Refuses chunks for what must see a sequence as a whole.
fn check_cut(plain: &Bound, at_last: bool, data: &Data, batches: &Batches) -> Result<(), Error> {
    let why = if at_last {
        "the loss stands at the last step"
    } else if plain.cell().reads_backward() {
        "a layer reads from the end"
    } else {
        return Ok(());
    };
    if data.cut() == Cut::Streams {
        return Err(Error::Cut(format!(
            "{why}, and streams have no end: `--window` cuts windows that have one"
        )));
    }
    match batches.cut() {
        None => Ok(()),
        Some((longest, chunk)) => Err(Error::Cut(format!(
            "{why}, and `--bptt {chunk}` cuts it off from the {} steps before; leave `--bptt` out",
            longest - chunk
        ))),
    }
}
