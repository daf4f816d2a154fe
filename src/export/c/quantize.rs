//! Matrices as whole numbers of a byte with a factor for each row, and what that does to the outputs.

use std::collections::BTreeSet;

use ndarray::ArrayD;

use super::emit::Emit;
use crate::exec::{EngineKind, EngineOptions, Feed, InitialState, Inputs, Params};
use crate::export::lower::Lowered;
use crate::export::{Error, ExportError, check_elements};
use crate::ir::{Contract, Leaf, NodeId, Op};

/// Returns the params that nothing but products read, as matrices.
pub fn matrices(low: &Lowered) -> BTreeSet<NodeId> {
    let graph = low.graph();
    let is_product = |op: &Op| matches!(op, Op::Contract(Contract { left, result, .. }) if left.iter().any(|it| !result.contains(it)));
    let is_matrix = |id: &NodeId| {
        let node = graph.node(*id);
        let readers = || graph.nodes().iter().filter(|it| it.args.contains(id));
        matches!(node.op, Op::Leaf(Leaf::Param(_)))
            && low.shape(*id).len() >= 2
            && readers().next().is_some()
            && readers().all(|it| is_product(&it.op))
    };
    graph.ids().filter(is_matrix).collect()
}

/// Refuses a matrix with an element that is no finite number: as a whole number it would be another.
pub fn check(low: &Lowered, matrices: &BTreeSet<NodeId>) -> Result<(), ExportError> {
    for id in matrices {
        if let Op::Leaf(Leaf::Param(it)) = low.graph().node(*id).op {
            check_elements(low, it, "i8", f64::is_finite)?;
        }
    }
    Ok(())
}

/// Returns the whole numbers and the factors of the rows of a matrix.
pub fn quantize(values: &ArrayD<f64>) -> (Vec<i8>, Vec<f32>) {
    let rows = values.shape().first().copied().unwrap_or(1).max(1);
    let all: Vec<f64> = values.iter().copied().collect();
    let width = (all.len() / rows).max(1);
    let (mut whole, mut factors) = (Vec::new(), Vec::new());
    for row in all.chunks(width) {
        let largest = row.iter().fold(0.0f64, |largest, it| largest.max(it.abs()));
        let factor = if largest > 0.0 { (largest / 127.0) as f32 } else { 1.0 };
        factors.push(factor);
        whole.extend(
            row.iter().map(|it| (it / f64::from(factor)).round().clamp(-127.0, 127.0) as i8),
        );
    }
    (whole, factors)
}

/// Returns the distance of the outputs with whole numbers for weights, on a slow sine of eight steps.
pub fn error(low: &Lowered, emit: &Emit<'_>) -> Result<Error, ExportError> {
    let mut rounded = low.params.clone();
    for id in &emit.quantized {
        if let Op::Leaf(Leaf::Param(it)) = low.graph().node(*id).op {
            let (whole, factors) = quantize(&rounded[it]);
            let width = (whole.len() / factors.len().max(1)).max(1);
            for (at, value) in rounded[it].iter_mut().enumerate() {
                *value = f64::from(whole[at]) * f64::from(factors[at / width]);
            }
        }
    }
    let wrong = |it: String| ExportError::Weights(it);
    let options = EngineOptions { kind: EngineKind::Reference, ..EngineOptions::default() };
    let engine = low.bound.engine(options).map_err(|it| wrong(it.to_string()))?;
    let inputs = demonstration(low);
    let run = |params: &[ArrayD<f64>]| {
        let params = Params::new(params.to_vec());
        let state = InitialState::declared(low.cell.carries.len());
        let run = engine.infer::<f64>(&params, &inputs, &state);
        run.map(|it| it.outputs).map_err(|it| wrong(it.to_string()))
    };
    let (exact, near) = (run(&low.params)?, run(&rounded)?);
    let outputs = low.cell.outputs.iter().zip(exact.iter().zip(&near));
    let outputs = outputs.map(|(it, (a, b))| {
        let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        (it.name.to_string(), (apart * 1e6).round() / 1e6)
    });
    Ok(Error { outputs: outputs.collect() })
}

/// Returns the sequence that a cell runs on where nothing is given.
fn demonstration(low: &Lowered) -> Inputs<f64> {
    const STEPS: usize = 8;
    let feeds = low.cell.inputs.iter().enumerate().map(|(at, input)| {
        if input.default.is_some() {
            return None;
        }
        let own = low.input_shape(at);
        let lead: &[usize] = if input.per_sequence { &[1] } else { &[STEPS, 1] };
        let shape: Vec<usize> = lead.iter().copied().chain(own.iter().copied()).collect();
        let per_step: usize = own.iter().product::<usize>().max(1);
        let limit = input.index.as_ref().map(|it| low.size(it).max(1));
        let count: usize = shape.iter().product();
        let values = (0..count).map(|it| {
            let (step, element) = (it / per_step, it % per_step);
            match limit {
                Some(limit) => (step % limit) as f64,
                None => libm::sin(0.7 * step as f64 + 1.3 * element as f64 + 0.4 * at as f64),
            }
        });
        ArrayD::from_shape_vec(shape, values.collect()).ok().map(Feed::Batch)
    });
    let mut inputs = Inputs::new(feeds.collect());
    inputs.steps =
        low.cell.inputs.iter().all(|it| it.per_sequence || it.default.is_some()).then_some(STEPS);
    inputs.batch = Some(1);
    inputs
}
