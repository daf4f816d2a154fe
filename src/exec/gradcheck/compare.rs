//! The comparisons at one sample.

use ndarray::{ArrayD, IxDyn};

use super::super::arrays::{Direction, Gradients};
use super::super::arrays::{InitialState, Inputs, Params};
use super::super::reference::{Call, Run, backward, forward, tangent};
use super::sample::{Noise, Sample, Structure, declared_starts};
use super::single::{Outcome, Single};
use super::{CheckError, Derived, Kind, Line, Options, Report, Worst};
use crate::ir::{Cell, Literal, Op, Start};

/// Random directions per tensor in forward mode.
const DIRECTIONS: usize = 2;

/// A gradient below this part of the norm of the adjoints from outside is compared with that part:
/// what vanishes is known to no more digits than what it is made of.
const FLOOR: f64 = 1e-2;

/// Returns a line for each tensor that has a gradient.
pub(super) fn blank(cell: &Cell) -> Report {
    let line = |name: &crate::text::Name, kind| Line {
        name: name.clone(),
        kind,
        forward: None,
        difference: None,
        fast: None,
        forward_alone: None,
        no_difference: None,
        no_fast: None,
        passes: false,
    };
    let params = cell.params.iter().filter(|it| it.trained).map(|it| line(&it.name, Kind::Param));
    let inputs = cell.inputs.iter().filter(|it| it.is_real()).map(|it| line(&it.name, Kind::Input));
    let starts =
        cell.carries.iter().filter(|it| it.is_real()).map(|it| line(&it.name, Kind::Start));
    Report { lines: params.chain(inputs).chain(starts).collect(), samples: 0 }
}

/// A tensor that has a gradient, by its position in the cell.
#[derive(Clone, Copy)]
pub(super) enum Tensor {
    Param(usize),
    Input(usize),
    Start(usize),
}

/// Returns the tensors in the order of [`blank`].
fn tensors(cell: &Cell) -> Vec<Tensor> {
    let params = (0..cell.params.len()).filter(|it| cell.params[*it].trained).map(Tensor::Param);
    let inputs = (0..cell.inputs.len()).filter(|it| cell.inputs[*it].is_real()).map(Tensor::Input);
    let starts =
        (0..cell.carries.len()).filter(|it| cell.carries[*it].is_real()).map(Tensor::Start);
    params.chain(inputs).chain(starts).collect()
}

impl Tensor {
    pub(super) fn gradient<F>(self, gradients: &Gradients<F>) -> Option<&ArrayD<F>> {
        match self {
            Tensor::Param(it) => gradients.params[it].as_ref(),
            Tensor::Input(it) => gradients.inputs[it].as_ref(),
            Tensor::Start(it) => gradients.starts[it].as_ref(),
        }
    }

    fn forward_alone(self, structure: &Structure) -> Option<&'static str> {
        match self {
            Tensor::Param(it) => structure.params[it],
            Tensor::Input(it) => structure.inputs[it],
            Tensor::Start(it) => structure.carries[it],
        }
    }
}

/// Compares all gradients at one sample and keeps the worst.
pub(super) fn sample(
    report: &mut Report,
    derived: &Derived,
    structure: &Structure,
    sample: &Sample<'_>,
    options: &Options,
    noise: &mut Noise,
) -> Result<(), CheckError> {
    let call = Call { bound: &derived.bound, ..sample.call() };
    let run = forward(call, &[])?;
    let gradients = backward(&run, &derived.adjoint, &sample.upstream)?;
    let single = match &derived.engine {
        Some(engine) => Some(Single::new(derived, engine, sample)?),
        None => None,
    };
    let point = Point { sample, run: &run, derived, options, scale: scale(sample, &run) };
    report.samples += 1;
    for (line, tensor) in report.lines.iter_mut().zip(tensors(sample.bound.cell())) {
        let Some(gradient) = tensor.gradient(&gradients) else { continue };
        let (error, element) = point.against_forward(tensor, gradient, noise)?;
        keep(&mut line.forward, error, element, sample);
        if let Some(why) = tensor.forward_alone(structure) {
            line.forward_alone = Some(why);
        } else if !sample.smooth {
            line.no_difference.get_or_insert("no sample is away from a kink or a jump");
        } else if let Some((error, element)) = point.against_differences(tensor, gradient, noise)? {
            keep(&mut line.difference, error, element, sample);
        } else {
            line.no_difference = Some("differences of two steps disagree with each other");
        }
        match &single {
            None => {}
            Some(Err(why)) => line.no_fast = Some(why),
            Some(Ok(single)) => {
                match single.compare(tensor, FLOOR * point.scale, options.fast_bound) {
                    Outcome::Apart(error, element) => keep(&mut line.fast, error, element, sample),
                    Outcome::Missing(why) => line.no_fast = Some(why),
                }
            }
        }
    }
    Ok(())
}

/// Says of a gradient, once all samples are compared, whether it passes and what was not compared. What
/// some sample could not compare another may have.
pub(super) fn conclude(line: &mut Line, cell: &Cell, options: &Options) {
    let beyond =
        |worst: &Option<Worst>, bound: f64| worst.as_ref().is_some_and(|it| it.error > bound);
    if line.difference.is_none() && line.forward_alone.is_none() && immovable(cell, line) {
        line.forward_alone = Some("it starts at an infinity");
    }
    if line.difference.is_some() || line.forward_alone.is_some() {
        line.no_difference = None;
    }
    if line.fast.is_some() {
        line.no_fast = None;
    }
    line.passes = !beyond(&line.forward, options.forward_bound)
        && !beyond(&line.difference, options.difference_bound)
        && !beyond(&line.fast, options.fast_bound);
}

fn keep(worst: &mut Option<Worst>, error: f64, element: Option<Vec<usize>>, at: &Sample<'_>) {
    // A NaN is worse than any number.
    let error = if error.is_nan() { f64::INFINITY } else { error };
    if worst.as_ref().is_none_or(|it| error > it.error) {
        *worst = Some(Worst { error, element, steps: at.steps, seed: at.seed });
    }
}

pub(super) fn norm<'a>(all: impl IntoIterator<Item = &'a f64>) -> f64 {
    all.into_iter().fold(0.0, |sum, it| sum + it * it).sqrt()
}

/// Returns the size of a derivative that could be called neither great nor small here.
fn scale(sample: &Sample<'_>, run: &Run<'_, f64>) -> f64 {
    let arrays = sample.upstream.outputs.iter().chain(&sample.upstream.states).flatten();
    let finite = |it: &f64| if it.is_finite() { it.abs() } else { 0.0 };
    let results = run.outputs.iter().chain(&run.states);
    let greatest = results.flat_map(|it| it.iter().map(finite)).fold(1.0, f64::max);
    norm(arrays.flat_map(|it| it.iter())) * greatest
}

/// The distance of two gradients, normwise, and the element that is furthest, if it was looked for.
type Apart = (f64, Option<Vec<usize>>);

/// Returns the index of the element that is `flat` elements from the first.
fn position(shape: &[usize], mut flat: usize) -> Vec<usize> {
    let mut at = vec![0; shape.len()];
    for (at, size) in at.iter_mut().zip(shape).rev() {
        *at = flat % size;
        flat /= size;
    }
    at
}

struct Point<'a, 'r> {
    sample: &'a Sample<'a>,
    run: &'r Run<'r, f64>,
    derived: &'r Derived,
    options: &'a Options,
    scale: f64,
}

impl Point<'_, '_> {
    /// Returns the slope of the weighted results as one tensor moves along a direction, by forward mode.
    fn slope(&self, tensor: Tensor, along: ArrayD<f64>) -> Result<f64, CheckError> {
        let cell = self.sample.bound.cell();
        let mut direction = Direction {
            params: vec![None; cell.params.len()],
            inputs: vec![None; cell.inputs.len()],
            starts: vec![None; cell.carries.len()],
        };
        match tensor {
            Tensor::Param(it) => direction.params[it] = Some(along),
            Tensor::Input(it) => direction.inputs[it] = Some(along),
            Tensor::Start(it) => direction.starts[it] = Some(along),
        }
        let moved = tangent(self.run, &self.derived.tangent, &direction)?;
        let upstream = &self.sample.upstream;
        let pairs = upstream.outputs.iter().zip(&moved.outputs);
        let pairs = pairs.chain(upstream.states.iter().zip(&moved.states));
        Ok(pairs.fold(0.0, |sum, (weight, moved)| match weight {
            Some(weight) => sum + weight.iter().zip(moved).map(|(a, b)| a * b).sum::<f64>(),
            None => sum,
        }))
    }

    fn against_forward(
        &self,
        tensor: Tensor,
        gradient: &ArrayD<f64>,
        noise: &mut Noise,
    ) -> Result<Apart, CheckError> {
        let mut worst = 0.0f64;
        for _ in 0..DIRECTIONS {
            let along = noise.array(gradient.shape());
            let reverse: f64 = gradient.iter().zip(&along).map(|(a, b)| a * b).sum();
            let size = norm(&along) * norm(gradient).max(FLOOR * self.scale);
            let forward = self.slope(tensor, along)?;
            // Both sides are 0 where nothing is there to differ.
            let error = if size > 0.0 { (reverse - forward).abs() / size } else { 0.0 };
            worst = if error.is_nan() { f64::INFINITY } else { worst.max(error) };
        }
        if worst <= self.options.forward_bound {
            return Ok((worst, None));
        }
        // Something is wrong: which element?
        let mut found = (0.0, None);
        for flat in self.elements(gradient.len(), noise) {
            let mut along = ArrayD::zeros(gradient.raw_dim());
            let at = position(gradient.shape(), flat);
            along[IxDyn(&at)] = 1.0;
            let difference = (self.slope(tensor, along)? - gradient[IxDyn(&at)]).abs();
            if difference > found.0 || difference.is_nan() {
                found = (difference, Some(at));
            }
        }
        Ok((worst, found.1))
    }

    /// Returns all elements of a tensor, or some.
    fn elements(&self, len: usize, noise: &mut Noise) -> Vec<usize> {
        // Long sequences cost more and say less that short ones did not.
        let most = if self.sample.steps > 2 {
            self.options.elements.min(12)
        } else {
            self.options.elements
        };
        if len <= most {
            return (0..len).collect();
        }
        (0..most).map(|_| noise.below(len as u64) as usize).collect()
    }

    /// `None` where nothing finite can be moved, and where the function bends so much that
    /// differences of two steps disagree with each other.
    fn against_differences(
        &self,
        tensor: Tensor,
        gradient: &ArrayD<f64>,
        noise: &mut Noise,
    ) -> Result<Option<Apart>, CheckError> {
        let elements = self.elements(gradient.len(), noise);
        let mut here: Vec<(Vec<usize>, f64)> = Vec::new();
        for flat in elements {
            let at = position(gradient.shape(), flat);
            // An infinite start cannot be moved.
            if self.value(tensor, &at)?.is_finite() {
                let value = gradient[IxDyn(&at)];
                here.push((at, value));
            }
        }
        if here.is_empty() && !gradient.is_empty() {
            return Ok(None);
        }
        let differences = |step: f64| -> Result<Vec<f64>, CheckError> {
            here.iter().map(|(at, _)| self.difference(tensor, at, step)).collect()
        };
        let whole = differences(self.options.step)?;
        let reverse: Vec<f64> = here.iter().map(|(_, it)| *it).collect();
        let size = norm(&reverse).max(norm(&whole)).max(FLOOR * self.scale);
        let apart = |a: &[f64], b: &[f64]| {
            if size > 0.0 {
                norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / size
            } else {
                0.0
            }
        };
        let error = apart(&reverse, &whole);
        if error.is_nan() || error > self.options.difference_bound {
            let half = differences(0.5 * self.options.step)?;
            let doubt = apart(&whole, &half);
            if doubt > 0.1 * self.options.difference_bound && doubt > 0.1 * error {
                return Ok(None);
            }
        }
        let furthest = (0..here.len()).max_by(|a, b| {
            (reverse[*a] - whole[*a]).abs().total_cmp(&(reverse[*b] - whole[*b]).abs())
        });
        Ok(Some((error, furthest.map(|it| here[it].0.clone()))))
    }

    /// Returns the value of one element of a tensor at this sample.
    fn value(&self, tensor: Tensor, at: &[usize]) -> Result<f64, CheckError> {
        let mut params = self.sample.params.clone();
        let mut inputs = self.sample.inputs.clone();
        let mut state = self.start_given(tensor)?;
        Ok(*element(tensor, &mut params, &mut inputs, &mut state, at))
    }

    /// Returns the initial state with the start that is to be moved made explicit.
    fn start_given(&self, tensor: Tensor) -> Result<InitialState<f64>, CheckError> {
        let mut state = self.sample.state.clone();
        if let Tensor::Start(carry) = tensor {
            state.0[carry] = Some(declared_starts(self.sample)?.swap_remove(carry));
        }
        Ok(state)
    }

    /// Returns the central difference by one element.
    fn difference(&self, tensor: Tensor, at: &[usize], step: f64) -> Result<f64, CheckError> {
        let sample = self.sample;
        let mut params = sample.params.clone();
        let mut inputs = sample.inputs.clone();
        let mut state = self.start_given(tensor)?;
        let step = step * element(tensor, &mut params, &mut inputs, &mut state, at).abs().max(1.0);
        let mut moved = Vec::new();
        let before = *element(tensor, &mut params, &mut inputs, &mut state, at);
        for to in [before + step, before - step] {
            *element(tensor, &mut params, &mut inputs, &mut state, at) = to;
            let call = Call {
                bound: sample.bound,
                params: &params,
                inputs: &inputs,
                state: &state,
                masks: &sample.masks,
            };
            let run = forward(call, &[])?;
            moved.push((run.outputs, run.states, to));
        }
        let (above, below) = (&moved[0], &moved[1]);
        let mut sum = 0.0;
        let outputs = above.0.iter().zip(&below.0).zip(&sample.upstream.outputs);
        let states = above.1.iter().zip(&below.1).zip(&sample.upstream.states);
        for ((above, below), weight) in outputs.chain(states) {
            let Some(weight) = weight else { continue };
            for ((a, b), weight) in above.iter().zip(below).zip(weight) {
                // Two equal infinities do not differ.
                if a != b {
                    sum += weight * (a - b);
                }
            }
        }
        // The step that was really taken, after rounding.
        Ok(sum / (above.2 - below.2))
    }
}

fn element<'a>(
    tensor: Tensor,
    params: &'a mut Params<f64>,
    inputs: &'a mut Inputs<f64>,
    state: &'a mut InitialState<f64>,
    at: &[usize],
) -> &'a mut f64 {
    let array = match tensor {
        Tensor::Param(it) => Some(&mut params.arrays_mut()[it]),
        Tensor::Input(it) => inputs.feeds[it].as_mut().map(super::super::arrays::Feed::array_mut),
        Tensor::Start(it) => state.0[it].as_mut(),
    };
    match array {
        Some(array) => &mut array[IxDyn(at)],
        None => unreachable!("samples give every input, and the start that is moved"),
    }
}

/// Returns true if a line belongs to a carried value whose declared start is an infinite constant, so that only samples that
/// start it elsewhere have differences.
fn immovable(cell: &Cell, line: &Line) -> bool {
    let Some(carry) = cell.carries.iter().find(|it| it.name == line.name) else { return false };
    let Start::Node(mut node) = carry.start else { return false };
    while let [only] = cell.start.node(node).args.as_slice() {
        node = *only;
    }
    let Op::Literal(Literal::Scalar(value)) = &cell.start.node(node).op else { return false };
    line.kind == Kind::Start && value.as_number().is_some_and(f64::is_infinite)
}
