//! Random sizes, params, inputs and starts, at which the cell is finite and away from kinks and
//! jumps.

use ndarray::{ArrayD, IxDyn};

use super::super::arrays::{Feed, InitialState, Inputs, Params, Upstream};
use super::super::bind::{BindError, Bound, bind};
use super::super::eval::Value;
use super::super::init::init;
use super::super::masks::Masks;
use super::super::reference::{Call, Run, forward};
use super::CheckError;
use crate::ir::pointwise::Smooth;
use crate::ir::{
    Along, Cell, Choice, Env, Gradient, Graph, InputRole, Leaf, NodeId, Op, Pointwise, Reduction,
    Start,
};

/// The least distance from a kink: far beyond the way that a step of a difference moves a value.
const MARGIN: f64 = 1e-3;

/// A small generator of its own (SplitMix64), so that reports never change with a library.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Noise {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a whole number below `limit`.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.bits() % limit.max(1)
    }

    fn unit(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1u64 << 52) as f64
    }

    pub(super) fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(self.unit()));
        radius * libm::cos(2.0 * std::f64::consts::PI * self.unit())
    }

    pub(super) fn array(&mut self, shape: &[usize]) -> ArrayD<f64> {
        ArrayD::from_shape_simple_fn(IxDyn(shape), || self.normal())
    }
}

/// Binds a cell to small sizes, drawn where none is given.
pub(super) fn sizes(cell: &Cell, given: &Env, noise: &mut Noise) -> Result<Bound, BindError> {
    let mut fault = None;
    // Some sizes do not fit: an index beyond a small axis, a slice of nothing. Later tries are
    // larger.
    for attempt in 0..60 {
        let mut env = given.clone();
        for dim in cell.dims.iter().filter(|it| it.like.is_none() && !it.fixed) {
            let size = 1 + noise.below(4) + attempt / 10;
            env.sizes.entry(dim.name.clone()).or_insert(size as i64);
        }
        match bind(cell, env) {
            Ok(bound) => return Ok(bound),
            Err(other) => fault = Some(other),
        }
    }
    match (bind(cell, given.clone()), fault) {
        (Ok(bound), _) => Ok(bound),
        // What was given does not fit at all, whatever is drawn.
        (Err(_), Some(fault)) | (Err(fault), None) => Err(fault),
    }
}

/// Facts of the step graph that do not depend on values.
pub(super) struct Structure {
    /// The nodes that may be near a kink or jump, with the distance from it.
    kinks: Vec<(NodeId, Distance)>,
    /// The reason for which the derivative of a carried value, input or param is not that of the function, where it is not.
    pub(super) params: Vec<Option<&'static str>>,
    pub(super) inputs: Vec<Option<&'static str>>,
    pub(super) carries: Vec<Option<&'static str>>,
    /// True if an adjoint may be clipped.
    clips: bool,
}

#[derive(Clone)]
enum Distance {
    Row(fn(&[f64]) -> f64),
    Extreme(Reduction, Vec<usize>),
    Zero,
    Sample,
}

impl Structure {
    pub(super) fn of(bound: &Bound) -> Structure {
        let cell = bound.cell();
        let moves = moving(cell);
        let mut kinks = Vec::new();
        let mut taints: Vec<Option<&'static str>> = vec![None; cell.step.nodes().len()];
        for id in cell.step.ids() {
            let node = cell.step.node(id);
            let moved = |it: usize| moves[node.args[it].idx()];
            let any = node.args.iter().any(|it| moves[it.idx()]);
            if let Op::Map(op) = &node.op {
                match op.row().smooth {
                    Smooth::Kinks(distance) => {
                        // A condition that is itself a comparison does not move; the jump is where
                        // it is compared.
                        let near = if *op == Pointwise::Where { moved(0) } else { any };
                        if near {
                            kinks.push((id, Distance::Row(distance)));
                        }
                    }
                    // What is compared with itself is equal however it moves.
                    Smooth::Jumps(_) if node.args.len() == 2 && node.args[0] == node.args[1] => {}
                    Smooth::Jumps(distance) if any => {
                        kinks.push((id, Distance::Row(distance)));
                        taints[id.idx()] = Some("behind a jump");
                    }
                    Smooth::Jumps(_) | Smooth::Everywhere => {}
                }
            }
            if let Op::Along(Along::Reduce(reduction, axes)) = &node.op
                && any
            {
                match reduction {
                    Reduction::Max | Reduction::Min => {
                        kinks.push((id, Distance::Extreme(*reduction, axes.clone())));
                    }
                    Reduction::Norm => kinks.push((id, Distance::Zero)),
                    Reduction::Sum | Reduction::Product | Reduction::LogSumExp => {}
                }
            }
            // A choice jumps where another element is chosen.
            if let (Op::Choice(choice), true) = (&node.op, any) {
                kinks.push((
                    id,
                    match choice {
                        Choice::ArgMax => Distance::Extreme(Reduction::Max, vec![0]),
                        Choice::Sample => Distance::Sample,
                    },
                ));
            }
            if any && let Some(why) = other_derivative(&node.op) {
                taints[id.idx()] = Some(why);
            }
        }
        let (params, inputs, carries) = behind(cell, taints);
        let clips = |graph: &Graph| {
            graph.nodes().iter().any(|it| matches!(it.op, Op::Gradient(Gradient::ClipGrad(_))))
        };
        Structure { kinks, params, inputs, carries, clips: clips(&cell.step) || clips(&cell.start) }
    }

    /// Returns the distance of the nearest kink or jump at any step of any sequence, and that of the nearest one where the point
    /// does not lie on it.
    fn nearest(&self, run: &Run<'_, f64>) -> (f64, f64) {
        let graph = &run.given.bound.cell().step;
        let (mut nearest, mut beside) = (f64::INFINITY, f64::INFINITY);
        for (sequence, past) in run.past.iter().enumerate() {
            for (time, before) in past.iter().take(run.lengths()[sequence]).enumerate() {
                let values = run.values(sequence, time, before);
                for (id, distance) in &self.kinks {
                    let args: Vec<&Value<f64>> =
                        graph.node(*id).args.iter().map(|it| &values[it.idx()]).collect();
                    distance.each(&args, &values[id.idx()], &mut |it| {
                        nearest = nearest.min(it);
                        if it > 0.0 {
                            beside = beside.min(it);
                        }
                    });
                }
            }
        }
        (nearest, beside)
    }
}

impl Distance {
    /// Tells the distance of each element.
    fn each(&self, args: &[&Value<f64>], result: &Value<f64>, tell: &mut dyn FnMut(f64)) {
        match self {
            Distance::Row(distance) => {
                let flat: Vec<Vec<f64>> =
                    args.iter().map(|it| it.iter().copied().collect()).collect();
                for at in 0..result.len() {
                    let operands: Vec<f64> = flat.iter().map(|it| it[at]).collect();
                    tell(distance(&operands));
                }
            }
            Distance::Extreme(reduction, axes) => {
                let sign = if *reduction == Reduction::Max { 1.0 } else { -1.0 };
                for mut row in super::super::eval::rows(args[0], axes) {
                    row.sort_by(|a, b| (sign * b).total_cmp(&(sign * a)));
                    if let [first, second, ..] = row.as_slice() {
                        tell((first - second).abs());
                    }
                }
            }
            Distance::Zero => result.iter().for_each(|it| tell(it.abs())),
            Distance::Sample => {
                let draw = args[1].first().copied().unwrap_or_default();
                let most = args[0].iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let powers: Vec<f64> = args[0].iter().map(|it| (it - most).exp()).collect();
                let total: f64 = powers.iter().sum();
                let mut sum = 0.0;
                for power in &powers[..powers.len().saturating_sub(1)] {
                    sum += power / total;
                    tell((sum - draw).abs());
                }
            }
        }
    }
}

/// Returns the nodes that move a little when params, inputs and carried values do.
fn moving(cell: &Cell) -> Vec<bool> {
    let mut moves: Vec<bool> = Vec::with_capacity(cell.step.nodes().len());
    for node in cell.step.nodes() {
        let moved = if let Op::Leaf(Leaf::Param(param)) = node.op {
            cell.params[param].trained
        } else if let Op::Leaf(Leaf::Input(input)) = node.op {
            cell.inputs[input].is_real()
        } else if let Op::Leaf(Leaf::Carry(carry)) = node.op {
            cell.carries[carry].is_real()
        } else if let Op::Map(op) = node.op
            && let Smooth::Jumps(_) = op.row().smooth
        {
            false
        } else if let Op::Gradient(it) = &node.op {
            moves[node.args[it.operand()].idx()]
        } else {
            node.args.iter().any(|it| moves[it.idx()])
        };
        moves.push(moved);
    }
    moves
}

/// Returns the reason for which an operator's derivative is not that of its value, where it is not.
fn other_derivative(op: &Op) -> Option<&'static str> {
    match op {
        Op::Gradient(Gradient::Declared) => Some("behind a declared derivative"),
        Op::Gradient(Gradient::StopGrad) => Some("behind stop_grad"),
        Op::Gradient(Gradient::ClipGrad(_)) => Some("behind clip_grad"),
        Op::Leaf(_)
        | Op::Literal(_)
        | Op::Map(_)
        | Op::Move(_)
        | Op::Contract(_)
        | Op::Along(_)
        | Op::Indexed(_)
        | Op::Choice(_)
        | Op::Gradient(Gradient::Guard) => None,
    }
}

type Reasons = Vec<Option<&'static str>>;

/// Returns the params, inputs and carried values that lead to a tainted node, at this step or a later one.
fn behind(cell: &Cell, mut taints: Reasons) -> (Reasons, Reasons, Reasons) {
    let mut carries: Reasons = vec![None; cell.carries.len()];
    loop {
        for id in cell.step.ids().rev() {
            if let Some(why) = taints[id.idx()] {
                for arg in &cell.step.node(id).args {
                    taints[arg.idx()].get_or_insert(why);
                }
            }
        }
        let mut grew = false;
        for id in cell.step.ids() {
            if let (Op::Leaf(Leaf::Carry(carry)), Some(why)) =
                (&cell.step.node(id).op, taints[id.idx()])
                && carries[*carry].is_none()
            {
                carries[*carry] = Some(why);
                taints[cell.carries[*carry].next.idx()].get_or_insert(why);
                grew = true;
            }
        }
        if !grew {
            break;
        }
    }
    // What a start is computed from lies behind what the carry lies behind, and behind what is
    // in the start itself.
    let mut starts: Reasons = vec![None; cell.start.nodes().len()];
    for (carry, why) in cell.carries.iter().zip(&carries) {
        if let (Start::Node(node), Some(why)) = (&carry.start, why) {
            starts[node.idx()].get_or_insert(why);
        }
    }
    for id in cell.start.ids().rev() {
        let node = cell.start.node(id);
        if let Some(why) = starts[id.idx()].or(other_derivative(&node.op)) {
            for arg in &node.args {
                starts[arg.idx()].get_or_insert(why);
            }
        }
    }
    // A carry that starts as another moves with it.
    for idx in (0..carries.len()).rev() {
        if let (Start::SameAs(other), Some(why)) = (&cell.carries[idx].start, carries[idx]) {
            carries[*other].get_or_insert(why);
        }
    }
    let mut params: Reasons = vec![None; cell.params.len()];
    let mut inputs: Reasons = vec![None; cell.inputs.len()];
    for (graph, taints) in [(&cell.step, &taints), (&cell.start, &starts)] {
        for (node, why) in graph.nodes().iter().zip(taints) {
            let Some(why) = why else { continue };
            if let Op::Leaf(Leaf::Param(param)) = node.op {
                params[param].get_or_insert(why);
            } else if let Op::Leaf(Leaf::Input(input)) = node.op {
                inputs[input].get_or_insert(why);
            }
        }
    }
    (params, inputs, carries)
}

/// One point at which gradients are compared.
pub(super) struct Sample<'a> {
    pub(super) bound: &'a Bound,
    pub(super) params: Params<f64>,
    pub(super) inputs: Inputs<f64>,
    pub(super) state: InitialState<f64>,
    pub(super) masks: Masks<f64>,
    pub(super) upstream: Upstream<f64>,
    pub(super) steps: usize,
    pub(super) seed: u64,
    /// True if no kink is near, so that differences are valid.
    pub(super) smooth: bool,
    /// True if rounding leaves every kink on its side: it is not near, or the point lies on it.
    pub(super) is_decided: bool,
}

impl Sample<'_> {
    /// Returns the call that runs the sample.
    pub(super) fn call(&self) -> Call<'_, f64> {
        Call {
            bound: self.bound,
            params: &self.params,
            inputs: &self.inputs,
            state: &self.state,
            masks: &self.masks,
        }
    }
}

/// Draws samples until one is finite and away from kinks; if none is, the last finite one is taken.
pub(super) fn draw<'a>(
    bound: &'a Bound,
    structure: &Structure,
    given: &[Option<ArrayD<f64>>],
    steps: usize,
    seed: u64,
    masks: &Masks<f64>,
    noise: &mut Noise,
) -> Result<Sample<'a>, CheckError> {
    let mut last = None;
    for attempt in 0..240 {
        let mut sample = draw_once(bound, structure, given, steps, seed, attempt, noise)?;
        sample.masks.clone_from(masks);
        let run = forward(sample.call(), &[])?;
        let tame = |it: &f64| it.abs() < 1e6;
        let finite = run.not_finite.is_none()
            && run.outputs.iter().all(|it| it.iter().all(tame))
            && run.past.iter().all(|it| {
                it.last().is_some_and(|it| it.iter().all(|it| !it.iter().any(|it| it.is_nan())))
            });
        if !finite {
            continue;
        }
        // Long runs of many kinks are rarely far from all of them.
        let margin = if attempt < 120 { MARGIN } else { 0.1 * MARGIN };
        let (nearest, beside) = structure.nearest(&run);
        drop(run);
        (sample.smooth, sample.is_decided) = (nearest > margin, beside > margin);
        if sample.smooth {
            return Ok(sample);
        }
        if sample.is_decided || last.as_ref().is_none_or(|it: &Sample<'_>| !it.is_decided) {
            last = Some(sample);
        }
    }
    last.ok_or(CheckError::NothingFinite { steps })
}

fn draw_once<'a>(
    bound: &'a Bound,
    structure: &Structure,
    given: &[Option<ArrayD<f64>>],
    steps: usize,
    seed: u64,
    attempt: u64,
    noise: &mut Noise,
) -> Result<Sample<'a>, CheckError> {
    let cell = bound.cell();
    // Some cells are defined for positive values alone, or near their own start: later tries are
    // tamer.
    let positive = attempt % 3 == 1;
    let scale = 0.5 / (1 + attempt / 30) as f64;
    let number = |noise: &mut Noise| {
        let number = noise.normal();
        if positive { number.abs() } else { number }
    };
    let mut params: Params<f64> = init(bound, seed)?;
    for (param, declared) in params.arrays_mut().iter_mut().zip(&cell.params) {
        if declared.trained {
            param.mapv_inplace(|it| it + 0.5 * scale * number(noise));
        }
    }
    for (param, given) in params.arrays_mut().iter_mut().zip(given) {
        if let Some(given) = given {
            param.clone_from(given);
        }
    }
    let batch = 2 + noise.below(2) as usize;
    let mut lengths = vec![steps, 1 + noise.below(steps as u64) as usize];
    lengths.resize_with(batch, || noise.below(steps as u64 + 1) as usize);
    let mut feeds = Vec::new();
    for (idx, (input, shape)) in cell.inputs.iter().zip(bound.input_shapes()).enumerate() {
        let limit = input.index.as_ref().map(|it| bound.index_limit(it));
        let default = input.default.as_ref().and_then(|it| it.eval(bound.env()));
        let role = input.role;
        let mut draw = || match (limit, default) {
            _ if role == InputRole::Draw => noise.unit(),
            _ if role == InputRole::Coin => noise.below(2) as f64,
            (Some(limit), _) => noise.below(limit) as f64,
            (None, Some(default)) => default + 0.3 * scale * number(noise),
            (None, None) => 2.0 * scale * number(noise),
        };
        // Where there are several inputs, one of them is sometimes a single sequence beside the
        // batch.
        let shared = idx > 0 && seed % 2 == 1;
        let mut all = if input.per_sequence { vec![] } else { vec![steps] };
        all.extend((!shared).then_some(batch));
        all.extend(shape);
        let array = ArrayD::from_shape_simple_fn(IxDyn(&all), &mut draw);
        feeds.push(Some(if shared { Feed::Shared(array) } else { Feed::Batch(array) }));
    }
    let inputs = Inputs { feeds, lengths: Some(lengths), steps: Some(steps), batch: Some(batch) };
    let mut sample = Sample {
        bound,
        params,
        inputs,
        state: InitialState::declared(cell.carries.len()),
        masks: Masks::Eval,
        upstream: Upstream::ones(cell.outputs.len(), cell.carries.len()),
        steps,
        seed,
        smooth: false,
        is_decided: false,
    };
    // Every second seed runs from the declared starts, so that learned ones are checked; so does
    // every third try.
    if seed.is_multiple_of(2) && attempt % 3 != 2 {
        sample.state = random_starts(&sample, scale, positive, noise)?;
    }
    let weight = if structure.clips { 1e-6 } else { 1.0 };
    for (idx, upstream) in sample.upstream.outputs.iter_mut().enumerate() {
        let mut shape = vec![steps, batch];
        shape.extend(bound.output_shape(idx));
        *upstream = Some(noise.array(&shape) * weight);
    }
    for (upstream, shape) in sample.upstream.states.iter_mut().zip(bound.carry_shapes()) {
        let mut all = vec![batch];
        all.extend(shape);
        *upstream = Some(noise.array(&all) * weight);
    }
    Ok(sample)
}

/// Returns the declared starts with noise; one that is not finite stays as it is.
fn random_starts(
    sample: &Sample<'_>,
    scale: f64,
    positive: bool,
    noise: &mut Noise,
) -> Result<InitialState<f64>, CheckError> {
    let bound = sample.bound;
    let starts = declared_starts(sample)?;
    let mut state = InitialState::declared(starts.len());
    for ((given, start), carry) in state.0.iter_mut().zip(starts).zip(&bound.cell().carries) {
        // A step number stays a number of steps.
        let whole = !carry.is_real();
        let infinite = start.iter().any(|it| !it.is_finite());
        // An infinite start is a case of its own and stays, except in some samples that start from
        // numbers.
        if whole || (infinite && sample.seed % 4 != 2) {
            continue;
        }
        *given = Some(start.mapv(|it| {
            let number = noise.normal();
            let own = if infinite { 0.0 } else { it };
            own + scale * if positive { number.abs() } else { number }
        }));
    }
    Ok(state)
}

/// Returns the start of each carry for each sequence, `[B, ...]`, as it would run now.
pub(super) fn declared_starts(sample: &Sample<'_>) -> Result<Vec<ArrayD<f64>>, CheckError> {
    let given = super::super::reference::Given::check(sample.call())?;
    let mut starts: Vec<ArrayD<f64>> = sample
        .bound
        .carry_shapes()
        .iter()
        .map(|it| {
            let mut shape = vec![given.batch];
            shape.extend(it);
            ArrayD::zeros(IxDyn(&shape))
        })
        .collect();
    for sequence in 0..given.batch {
        for (all, own) in starts.iter_mut().zip(given.starts(sequence)) {
            all.index_axis_mut(ndarray::Axis(0), sequence).assign(&own);
        }
    }
    Ok(starts)
}
