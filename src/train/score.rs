//! Scores a model on data: the loss over all steps that count, and metrics.
//!
//! Sums are kept for each sequence and added in the order of the data, so no figure depends on how many sequences run together or on
//! how they are cut into chunks.

use ndarray::{ArrayD, Axis};

use super::batches::{Batch, Batches};
use super::data::{Cut, Data};
use super::error::Error;
use super::feeder::{Columns, Feeder, Piece, join_carried};
use super::metrics::{Compared, Comparison, Metrics, Tally};
use super::scales::{Scale, Scales};
use crate::exec::engine::Run;
use crate::exec::{Bound, Draws, Engine, EngineOptions, Feed, Params};
use crate::ir::{Cost, Feedback, Gives, InputRole, Mode, Real, Term};

/// Streams run in pieces of so many steps, so that they need no memory for all of their length.
const CHUNK: usize = 512;

/// The options of a score.
#[derive(Clone, Debug)]
pub struct Scoring<'a> {
    /// The value that feedbacks carry: [`Feedback::Scheduled`] is no mode of an evaluation.
    pub feedback: Feedback,
    /// The streams of a series, or the sequences that run together.
    pub eval_batch: usize,
    /// The seed of `sample`.
    pub seed: u64,
    /// The number of steps of each sequence that are told the target of the step before; the model then runs free, and only steps
    /// from there on count.
    pub prime: Option<usize>,
    /// The options of the engine.
    pub engine: EngineOptions,
    /// The units of the data.
    pub scales: &'a Scales,
}

/// The score of a model on some data.
#[derive(Clone, PartialEq, Debug)]
pub struct Score {
    /// The loss over all steps that count.
    pub loss: f64,
    /// The number of steps that count; with a loss at last, of sequences.
    pub steps: usize,
    /// The number of sequences, windows or streams with a step.
    pub sequences: usize,
    /// The metrics that follow from the comparisons in the loss.
    pub metrics: Metrics,
}

/// The sums of one sequence.
#[derive(Clone, Default)]
struct Sums {
    loss: f64,
    steps: usize,
    tallies: Vec<Tally>,
}

/// Scores a model.
pub fn score<F: Real>(
    model: &Bound,
    params: &Params<F>,
    data: &Data,
    scoring: &Scoring<'_>,
) -> Result<Score, Error> {
    Scorer::new(model, data, scoring)?.score(params)
}

/// Scores a model again and again, such as after each epoch: the engine and the arrays are made once.
#[derive(Debug)]
pub struct Scorer<'a, F> {
    walk: Walk<'a, F>,
    compared: Vec<Compared>,
    at_last: bool,
}

impl<'a, F: Real> Scorer<'a, F> {
    /// Makes what scoring a model on this data takes.
    pub fn new(model: &Bound, data: &Data, scoring: &Scoring<'a>) -> Result<Scorer<'a, F>, Error> {
        let cell = model.cell();
        let Some(loss) = cell.losses.first() else {
            return Err(Error::Options(format!("`{}` has no loss", cell.name)));
        };
        let compared = |it: &Term| Compared { how: how(it.of), target: it.target.clone() };
        let traces = loss.terms.iter().map(|it| it.predicted.clone()).collect();
        Ok(Scorer {
            walk: Walk::new(model, data, scoring, Gives::Loss, traces)?,
            compared: loss.terms.iter().map(compared).collect(),
            at_last: loss.at_last,
        })
    }

    /// Scores these params.
    pub fn score(&self, params: &Params<F>) -> Result<Score, Error> {
        let Scorer { walk, compared, at_last } = self;
        let (scoring, at_last) = (&walk.scoring, *at_last);
        let scales: Vec<Option<&Scale>> =
            compared.iter().map(|it| scoring.scales.of(&it.target)).collect();
        let plain = walk.engine.bound();
        let targets: Vec<Option<usize>> =
            compared.iter().map(|it| plain.cell().input(&it.target)).collect();
        let from = scoring.prime.unwrap_or(0);
        let mut sums =
            vec![
                Sums { tallies: vec![Tally::default(); compared.len()], ..Sums::default() };
                walk.batches.sequences().len()
            ];
        walk.run(params, &mut |first, batch, piece, run| {
            let Some(output) = plain.cell().output(crate::ir::LOSS) else { return };
            for (idx, (place, length)) in piece.places.iter().zip(run.lengths()).enumerate() {
                let sums = &mut sums[first + place];
                let ends = batch.ends(*place);
                for step in 0..*length {
                    let counts = if at_last {
                        ends && step + 1 == *length
                    } else {
                        batch.from + step >= from
                    };
                    if !counts {
                        continue;
                    }
                    sums.loss += Real::to_f64(run.outputs[output][[step, idx]]);
                    sums.steps += 1;
                    for (k, call) in compared.iter().enumerate() {
                        let Some(Some(feed)) = targets[k].map(|it| &piece.inputs.feeds[it]) else {
                            continue;
                        };
                        let given = elements(&run.traces[k], step, Some(idx));
                        let target = match feed {
                            Feed::Batch(array) => elements(array, step, Some(idx)),
                            Feed::Shared(array) => elements(array, step, None),
                        };
                        sums.tallies[k].add(call.how, &given, &target, scales[k]);
                    }
                }
            }
        })?;
        let mut all = Sums { tallies: vec![Tally::default(); compared.len()], ..Sums::default() };
        for it in &sums {
            all.loss += it.loss;
            all.steps += it.steps;
            all.tallies.iter_mut().zip(&it.tallies).for_each(|(sum, it)| sum.join(it));
        }
        if all.steps == 0 {
            let longest = walk.batches.sequences().iter().map(|it| it.steps).max().unwrap_or(0);
            return Err(match scoring.prime {
                Some(prime) if !at_last && longest > 0 => Error::Cut(format!(
                    "no step is left to score: {prime} are told, and no sequence or window has more than {longest}; \
                 `--prime-steps {}` is the most",
                    longest - 1
                )),
                Some(_) | None => Error::data("no step counts"),
            });
        }
        Ok(Score {
            loss: all.loss / all.steps as f64,
            steps: all.steps,
            sequences: walk.batches.sequences().iter().filter(|it| it.steps > 0).count(),
            metrics: Metrics::of(compared, &all.tallies),
        })
    }
}

/// Returns the outputs of a model at every step of an evaluation: for each sequence those of the model in its order, `[steps,
/// ...]`, in scaled units.
pub fn predict<F: Real>(
    model: &Bound,
    params: &Params<F>,
    data: &Data,
    scoring: &Scoring<'_>,
) -> Result<Vec<Vec<ArrayD<F>>>, Error> {
    let walk = Walk::new(model, data, scoring, Gives::Outputs, Vec::new())?;
    let bound = walk.engine.bound();
    let outputs = bound.cell().outputs.len();
    let zeros = |steps: usize, output: usize| {
        ArrayD::zeros([&[steps], bound.output_shape(output)].concat())
    };
    let mut all: Vec<Vec<ArrayD<F>>> = walk
        .batches
        .sequences()
        .iter()
        .map(|it| (0..outputs).map(|output| zeros(it.steps, output)).collect())
        .collect();
    walk.run(params, &mut |first, batch, piece, run| {
        for (idx, (place, length)) in piece.places.iter().zip(run.lengths()).enumerate() {
            for (to, from) in all[first + place].iter_mut().zip(&run.outputs) {
                for step in 0..*length {
                    let value = from.index_axis(Axis(0), step).index_axis_move(Axis(0), idx);
                    to.index_axis_mut(Axis(0), batch.from + step).assign(&value);
                }
            }
        }
    })?;
    Ok(all)
}

fn how(cost: Cost) -> Comparison {
    match cost {
        Cost::Mse | Cost::Mae | Cost::Huber => Comparison::Difference,
        Cost::CrossEntropy => Comparison::CrossEntropy,
        Cost::BinaryCrossEntropy => Comparison::BinaryCrossEntropy,
    }
}

fn elements<F: Real>(array: &ArrayD<F>, step: usize, sequence: Option<usize>) -> Vec<F> {
    let mut value = array.index_axis(Axis(0), step);
    if let Some(sequence) = sequence {
        value = value.index_axis_move(Axis(0), sequence);
    }
    value.iter().copied().collect()
}

/// A way through data in evaluation mode.
#[derive(Debug)]
struct Walk<'a, F> {
    engine: Engine,
    feeder: Feeder<F>,
    batches: Batches,
    scoring: Scoring<'a>,
}

/// Takes the place of a batch's first sequence among all, the batch, and a piece of it with its run.
type See<'a, F> = dyn FnMut(usize, &Batch, &Piece<F>, &Run<F>) + 'a;

impl<'a, F: Real> Walk<'a, F> {
    fn new(
        model: &Bound,
        data: &Data,
        scoring: &Scoring<'a>,
        gives: Gives,
        traces: Vec<crate::text::Name>,
    ) -> Result<Walk<'a, F>, Error> {
        super::check_teachers(model.cell(), data.ahead())?;
        let feedback = match scoring.prime {
            // Coins say where the model goes over from targets to its own values.
            Some(_) if model.cell().has_teacher() => Feedback::Scheduled,
            Some(_) | None => scoring.feedback,
        };
        let plain = model.plain(&Mode::new(feedback, gives)).map_err(|it| Error::Run(it.into()))?;
        let feeder = Feeder::new(model.cell(), &plain, data, &Columns::of(data))?;
        let whole = plain.cell().reads_backward() || data.cut() != Cut::Streams;
        let batches = Batches::evaluation(data, scoring.eval_batch, (!whole).then_some(CHUNK))?;
        let engine =
            plain.engine(EngineOptions { traces, flow: false, ..scoring.engine.clone() })?;
        Ok(Walk { engine, feeder, batches, scoring: scoring.clone() })
    }

    fn run(&self, params: &Params<F>, see: &mut See<'_, F>) -> Result<(), Error> {
        let epoch = self.batches.epoch(1);
        let mut carried: Option<Vec<ArrayD<F>>> = None;
        let bound = self.engine.bound();
        for update in 0..epoch.len() {
            let Some(batch) = epoch.batch(update) else { break };
            let mut next = Vec::new();
            let pieces = self.feeder.pieces(
                (bound, params),
                &batch,
                carried.take().filter(|_| batch.from > 0),
            );
            for mut piece in pieces {
                self.prime(&batch, &mut piece);
                let draws = Draws {
                    sequences: piece.places.iter().map(|it| batch.sequences[*it].number).collect(),
                    first_step: batch.from as u64,
                    ..Draws::new(self.scoring.seed)
                };
                draws.fill(bound, &mut piece.inputs)?;
                let mut run = self.engine.infer(params, &piece.inputs, &piece.state)?;
                let states = std::mem::take(&mut run.states);
                see(epoch.first_of(update), &batch, &piece, &run);
                join_carried(&mut next, batch.sequences.len(), &piece.places, states);
            }
            carried = Some(next);
        }
        Ok(())
    }

    /// Gives the coins that say where the model goes over to its own values: that of a step decides what the next one reads.
    fn prime(&self, batch: &Batch, piece: &mut Piece<F>) {
        let Some(prime) = self.scoring.prime else { return };
        let inputs = &self.engine.bound().cell().inputs;
        for (feed, input) in piece.inputs.feeds.iter_mut().zip(inputs) {
            if input.role == InputRole::Coin {
                let coin =
                    |step: usize| if batch.from + step < prime { F::zero() } else { F::one() };
                let coins: Vec<F> = (0..batch.steps).map(coin).collect();
                let shape = (batch.steps, piece.places.len());
                let coins = ndarray::Array2::from_shape_fn(shape, |(step, _)| coins[step]);
                *feed = Some(Feed::Batch(coins.into_dyn()));
            }
        }
    }
}
