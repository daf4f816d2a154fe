//! `rnnc bench`: how long a cell takes, and how near that is to what the machine can do.

mod machine;
mod work;

use std::collections::BTreeMap;
use std::time::Instant;

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use serde::Serialize;

use super::args::BenchArgs;
use super::context::Context;
use super::error::CliError;
use super::feed;
use super::progress::Progress;
use crate::diag::Code;
use crate::exec::kernels::{Path, Team};
use crate::exec::{
    Bound, Engine, EngineOptions, Feed, Gradients, InitialState, Inputs, Params, Upstream,
};
use crate::ir::{Gives, Mode};
use crate::plan::Plan;
use machine::{Machine, Probe};
use work::{Work, Works};

/// The most numbers that a call may work on: more would measure the paging of the system.
const MAX_NUMBERS: f64 = (1u64 << 31) as f64;

/// The greatest difference of the two engines, relative to the norm of the interpreter's result.
const BOUND: f64 = 1e-4;

/// The steps of one sequence that are compared and streamed.
const PIECE: usize = 4;
const STREAMED: usize = 256;

/// The results as JSON.
#[derive(Serialize)]
struct Report {
    version: u32,
    cell: String,
    sizes: BTreeMap<String, i64>,
    batch: usize,
    steps: usize,
    threads: usize,
    path: &'static str,
    repeats: u16,
    /// The bytes that a run may hold, and how many segments training goes in for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<usize>,
    /// The largest relative difference of the fast engine's results from the interpreter's.
    difference: f64,
    inference_ms: f64,
    forward_ms: f64,
    training_ms: f64,
    /// Of a cell that has single steps.
    step_us: Option<f64>,
    /// Operations in products of forward and backward together, by the formula of the plan.
    flops: f64,
    forward_flops: f64,
    elementwise: f64,
    inference_gflops: f64,
    forward_gflops: f64,
    training_gflops: f64,
    peak_gflops: f64,
    bandwidth_gbs: f64,
    inference_roofline_share: f64,
    forward_roofline_share: f64,
    /// Of training.
    roofline_share: f64,
    notes: Vec<String>,
}

/// Measures a cell.
pub fn bench(ctx: &mut Context, args: &BenchArgs) -> Result<(), CliError> {
    let (bound, _) = feed::cell_with_sizes(ctx, &args.cell)?;
    let feedback = args.feedback.of(bound.cell())?;
    let loss = if bound.cell().losses.is_empty() { Gives::Outputs } else { Gives::Loss };
    let bound = bound.plain(&Mode::new(feedback, loss))?;
    let (batch, steps) = (args.batch as usize, args.steps as usize);
    let too_large =
        |what: &str| CliError::Fit { code: Code::SizesTooLarge, message: what.to_owned() };
    let plan = Plan::with(bound.cell(), bound.env());
    let plan = plan.map_err(|it| CliError::Usage(it.to_string()))?;
    let works = Works::new(&bound, &plan, batch, steps).map_err(|it| too_large(&it.to_string()))?;
    if works.numbers > MAX_NUMBERS {
        let numbers = works.numbers;
        let message = format!("a call would work on {numbers:.1e} numbers; the most is 2 ^ 31");
        return Err(too_large(&message));
    }
    let notes = notes();
    notes.iter().for_each(|it| ctx.note(it));
    let progress = Progress::of(ctx, "comparing the engines");
    let difference = compare(&bound, (batch.min(2), steps.min(PIECE)), threads(args))?;
    drop(progress);
    ctx.lap("compare");
    if difference.is_nan() || difference > BOUND {
        let message = format!(
            "the fast engine differs from the interpreter by {difference:.1e}: nothing is timed"
        );
        ctx.note(&message);
        return Err(CliError::Failed);
    }
    let progress = Progress::of(ctx, "measuring");
    let times = Times::measure(&bound, args, &progress)?;
    drop(progress);
    ctx.lap("measure");
    let report = Report::new(&bound, args, &works, &times, difference, notes);
    if args.json { ctx.json(&report) } else { ctx.out(&report.text()) }
}

/// Lists what a reader of the figures must know.
fn notes() -> Vec<String> {
    let mut notes = Vec::new();
    if cfg!(debug_assertions) {
        notes.push("rnnc was built without optimisation: times say nothing".to_owned());
    }
    notes
}

/// The arguments of a run: data that neither decay nor grow.
struct Case {
    params: Params<f32>,
    inputs: Inputs<f32>,
    state: InitialState<f32>,
    upstream: Upstream<f32>,
}

impl Case {
    fn new(bound: &Bound, batch: usize, steps: usize) -> Result<Case, CliError> {
        let cell = bound.cell();
        let feeds = cell.inputs.iter().zip(bound.input_shapes()).map(|(input, shape)| {
            if input.default.is_some() {
                return None;
            }
            let mut whole = if input.per_sequence { vec![batch] } else { vec![steps, batch] };
            whole.extend(shape);
            let limit = input.index.as_ref().map(|it| bound.index_limit(it).max(1));
            let mut at = 0u64;
            Some(Feed::Batch(ArrayD::from_shape_simple_fn(IxDyn(&whole), || {
                at += 1;
                match limit {
                    Some(limit) => (at % limit) as f32,
                    None if !input.is_given() => (0.5 + 0.49 * libm::sin(0.7 * at as f64)) as f32,
                    None => libm::sin(0.7 * at as f64) as f32,
                }
            })))
        });
        let mut inputs = Inputs::new(feeds.collect());
        (inputs.steps, inputs.batch) = (Some(steps), Some(batch));
        let upstream = (0..cell.outputs.len()).map(|output| {
            let mut whole = vec![steps, batch];
            whole.extend(bound.output_shape(output));
            (output == 0).then(|| ArrayD::from_elem(IxDyn(&whole), 1.0))
        });
        let carries = cell.carries.len();
        Ok(Case {
            params: bound.init(0).map_err(|it| {
                let message = format!("params cannot be drawn: {it}");
                CliError::Fit { code: Code::SizesTooLarge, message }
            })?,
            inputs,
            state: InitialState::declared(carries),
            upstream: Upstream { outputs: upstream.collect(), states: vec![None; carries] },
        })
    }
}

/// Returns the largest relative difference between the engines on a small piece. Gradients are measured against the largest of
/// all: one that is 0 but for rounding says nothing.
fn compare(bound: &Bound, (batch, steps): (usize, usize), threads: usize) -> Result<f64, CliError> {
    let case = Case::new(bound, batch, steps)?;
    let results = |options: EngineOptions| -> Result<[Vec<ArrayD<f32>>; 2], CliError> {
        let engine = bound.engine(options)?;
        let run = engine.forward(&case.params, &case.inputs, &case.state)?;
        let Gradients { params, inputs, starts, flow: _ } =
            engine.backward(&run, &case.upstream)?;
        let gradients = params.into_iter().chain(inputs).chain(starts).flatten().collect();
        Ok([run.outputs.iter().chain(&run.states).cloned().collect(), gradients])
    };
    let expected = results(EngineOptions::reference())?;
    let found = results(EngineOptions { threads, ..EngineOptions::default() })?;
    let norm = |all: &ArrayD<f32>| all.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt();
    let mut worst = 0.0;
    for (expected, found) in expected.iter().zip(&found) {
        let largest = expected.iter().map(norm).fold(1e-6, f64::max);
        for (a, b) in expected.iter().zip(found) {
            let apart = norm(&(a - b)) / largest;
            // A NaN stays one.
            if apart > worst || apart.is_nan() {
                worst = apart;
            }
        }
    }
    Ok(worst)
}

/// Medians, and the best of the machine in the same minute.
struct Times {
    inference_ms: f64,
    forward_ms: f64,
    training_ms: f64,
    step_us: Option<f64>,
    segments: usize,
    machine: Machine,
}

impl Times {
    fn measure(bound: &Bound, args: &BenchArgs, progress: &Progress) -> Result<Times, CliError> {
        let mut case = Case::new(bound, args.batch as usize, args.steps as usize)?;
        let stream = Case::new(bound, 1, 1)?;
        let threads = threads(args);
        let memory = args.memory;
        let engine = bound.engine(EngineOptions { threads, memory, ..EngineOptions::default() })?;
        let mut segments = 1;
        let mut probe = Probe::new(Path::best(), threads);
        let mut machine = Machine::default();
        let [mut inference, mut forward, mut training, mut step] = [(); 4].map(|()| Vec::new());
        // The first round warms up; in each, everything has its turn.
        for round in 0..=args.repeats {
            progress.tell(&format!("measured {round} of {} rounds", args.repeats + 1));
            probe.measure(&mut machine);
            // Weights are packed in the run before the one that counts.
            drop(engine.infer(&case.params, &case.inputs, &case.state)?);
            let begin = Instant::now();
            drop(engine.infer(&case.params, &case.inputs, &case.state)?);
            let now_inference = begin.elapsed().as_secs_f64();
            // Params that may have changed are packed anew, in both passes.
            case.params.arrays_mut();
            let begin = Instant::now();
            let run = engine.forward(&case.params, &case.inputs, &case.state)?;
            let now_forward = begin.elapsed().as_secs_f64();
            if let Some(it) = &run.not_finite {
                // Naming it takes time, too.
                let message = format!("{it}: nothing is timed");
                return Err(CliError::Fit { code: Code::NotFinite, message });
            }
            segments = run.segments();
            let gradients = engine.backward(&run, &case.upstream)?;
            let now_training = begin.elapsed().as_secs_f64();
            drop((run, gradients));
            let has_steps = !bound.cell().reads_backward();
            let now_step = has_steps.then(|| streamed(&engine, &stream)).transpose()?;
            if round > 0 {
                inference.push(now_inference * 1e3);
                forward.push(now_forward * 1e3);
                training.push(now_training * 1e3);
                step.extend(now_step.map(|it| it * 1e6));
            }
        }
        Ok(Times {
            inference_ms: median(inference),
            forward_ms: median(forward),
            training_ms: median(training),
            step_us: (!step.is_empty()).then(|| median(step)),
            segments,
            machine,
        })
    }
}

/// Returns the number of threads that the engine uses.
fn threads(args: &BenchArgs) -> usize {
    Team::threads(usize::from(args.threads))
}

/// Returns the seconds of one step of one sequence that comes bit by bit.
fn streamed(engine: &Engine, case: &Case) -> Result<f64, CliError> {
    let bound = engine.bound();
    let all = bound.cell().inputs.iter().zip(&case.inputs.feeds).zip(bound.input_shapes());
    let (mut once, mut inputs) = (Vec::new(), Vec::new());
    for ((input, feed), shape) in all {
        let zeros = || ArrayD::zeros(IxDyn(&[&[1], &shape[..]].concat()));
        let array = feed.as_ref().map(Feed::array);
        match input.per_sequence {
            true => once.push(array.cloned().unwrap_or_else(zeros)),
            false => {
                inputs.push(array.map_or_else(zeros, |it| it.index_axis(Axis(0), 0).to_owned()))
            }
        }
    }
    fn views(all: &[ArrayD<f32>]) -> Vec<ArrayViewD<'_, f32>> {
        all.iter().map(|it| it.view()).collect()
    }
    let mut stream = engine.stream_with(&case.params, &case.state, 1, &views(&once))?;
    let inputs = views(&inputs);
    engine.step(&case.params, &inputs, &mut stream)?;
    let begin = Instant::now();
    for _ in 0..STREAMED {
        engine.step(&case.params, &inputs, &mut stream)?;
    }
    Ok(begin.elapsed().as_secs_f64() / STREAMED as f64)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Machine {
    /// Returns the milliseconds below which this work cannot be done.
    fn floor_ms(&self, work: &Work) -> f64 {
        let products = work.flops / self.peak_gflops;
        let moved = work.bytes / self.bandwidth_gbs;
        products.max(moved) * 1e-6
    }
}

impl Report {
    fn new(
        bound: &Bound,
        args: &BenchArgs,
        works: &Works,
        times: &Times,
        difference: f64,
        notes: Vec<String>,
    ) -> Report {
        let cell = bound.cell();
        let Works { forward, training, numbers: _ } = works;
        let machine = &times.machine;
        let gflops = |work: &Work, ms: f64| work.flops / ms * 1e-6;
        let share = |work: &Work, ms: f64| machine.floor_ms(work) / ms;
        let sizes = cell.dims.iter().filter_map(|it| {
            let size = bound.env().sizes.get(&it.name)?;
            Some((it.name.to_string(), *size))
        });
        Report {
            version: 1,
            cell: cell.name.to_string(),
            sizes: sizes.collect(),
            batch: args.batch as usize,
            steps: args.steps as usize,
            threads: threads(args),
            path: Path::best().name(),
            repeats: args.repeats,
            memory: args.memory,
            segments: args.memory.map(|_| times.segments),
            difference,
            inference_ms: times.inference_ms,
            forward_ms: times.forward_ms,
            training_ms: times.training_ms,
            step_us: times.step_us,
            flops: training.flops,
            forward_flops: forward.flops,
            elementwise: training.elementwise,
            inference_gflops: gflops(forward, times.inference_ms),
            forward_gflops: gflops(forward, times.forward_ms),
            training_gflops: gflops(training, times.training_ms),
            peak_gflops: machine.peak_gflops,
            bandwidth_gbs: machine.bandwidth_gbs,
            inference_roofline_share: share(forward, times.inference_ms),
            forward_roofline_share: share(forward, times.forward_ms),
            roofline_share: share(training, times.training_ms),
            notes,
        }
    }

    fn text(&self) -> String {
        let sizes: Vec<String> =
            self.sizes.iter().map(|(name, size)| format!("{name} = {size}")).collect();
        let mut text = format!(
            "{}: {}; B = {}, T = {}; f32, {} {}, {}\n",
            self.cell,
            sizes.join(", "),
            self.batch,
            self.steps,
            self.threads,
            if self.threads == 1 { "thread" } else { "threads" },
            self.path
        );
        text.push_str(&format!(
            "  machine     {:.1} GFLOP/s in products, {:.1} GB/s copied (the best seen)\n",
            self.peak_gflops, self.bandwidth_gbs
        ));
        text.push_str(&format!(
            "  difference  {:.1e} from the interpreter, on a small piece\n\n",
            self.difference
        ));
        if let (Some(memory), Some(segments)) = (self.memory, self.segments) {
            let memory = memory as f64 / (1u64 << 20) as f64;
            text.insert_str(
                text.len() - 1,
                &format!("  memory      {memory:.1} MiB: training in {segments} segments\n"),
            );
        }
        text.push_str(&format!(
            "  {:20} {:>10} {:>10} {:>10}\n",
            format!("median of {}", self.repeats),
            "ms",
            "GFLOP/s",
            "roofline"
        ));
        for (name, ms, gflops, share) in [
            ("inference", self.inference_ms, self.inference_gflops, self.inference_roofline_share),
            ("forward", self.forward_ms, self.forward_gflops, self.forward_roofline_share),
            ("forward + backward", self.training_ms, self.training_gflops, self.roofline_share),
        ] {
            let share = share * 100.0;
            text.push_str(&format!("  {name:20} {ms:10.3} {gflops:10.1} {share:8.0} %\n"));
        }
        if let Some(step) = self.step_us {
            text.push_str(&format!("  {:20} {step:10.2} us\n", "step of 1 sequence"));
        }
        text
    }
}
