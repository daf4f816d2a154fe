//! The fast engine against the reference interpreter.

use ndarray::ArrayD;

use super::*;
use crate::derive::{self, Adjoint};
use crate::exec::kernels::Path;
use crate::exec::{self, Bound, Call, Feed, InitialState, Inputs, Masks, Upstream};
use crate::ir::{Env, NodeId, Op, pointwise};

fn sized(cell: &crate::ir::Cell, size: i64) -> Option<Bound> {
    let mut env = Env::default();
    for (at, dim) in cell.dims.iter().enumerate() {
        if dim.default.is_none() && dim.like.is_none() {
            env.sizes.insert(dim.name.clone(), size + at as i64);
        }
    }
    exec::bind(cell, env).ok()
}

/// The nodes of the step that a backward run reads.
fn kept(adjoint: &Adjoint) -> Vec<NodeId> {
    let read = adjoint.graph.nodes().iter().filter_map(|it| match it.op {
        Op::Forward(of) => Some(of),
        _ => None,
    });
    read.collect()
}

fn noise(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let shape = ndarray::IxDyn(shape);
    ArrayD::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 * 1.6 - 0.8
    })
}

fn close(what: &str, actual: &ArrayD<f32>, expected: &ArrayD<f32>) {
    assert_eq!(actual.shape(), expected.shape(), "{what}");
    // Infinities are compared as such.
    let pairs = || actual.iter().zip(expected).filter(|(a, b)| a != b);
    let norm = expected.iter().filter(|it| it.is_finite()).map(|it| it * it).sum::<f32>().sqrt();
    let norm = norm.max(1.0);
    let error = pairs().map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
    assert!(error <= 1e-5 * norm, "{what}: {error} of {norm}");
}

#[test]
fn every_cell_of_the_library() {
    for file in crate::api::library() {
        let spec = crate::Spec::parse(file.source).unwrap();
        let Some(cell) = spec.cells().last() else { continue };
        let Some(bound) = sized(cell, 3) else { continue };
        let params = bound.init::<f32>(1).unwrap();
        for lengths in [None, Some(vec![4, 0, 5, 1])] {
            let feed = |(at, shape): (usize, &Vec<usize>)| {
                let mut all = vec![5, 4];
                all.extend(shape);
                let index = cell.inputs[at].index.is_some();
                let array = noise(&all, at as u64 + 5);
                Some(Feed::Batch(if index { array.mapv(|_| 0.0) } else { array }))
            };
            let feeds = bound.input_shapes().iter().enumerate().map(feed).collect();
            let mut inputs = Inputs::new(feeds);
            inputs.lengths = lengths;
            let state = InitialState::declared(bound.cell().carries.len());
            let masks = if cell.masks.is_empty() { Masks::Eval } else { Masks::train(3) };
            let call = Call {
                bound: &bound,
                params: &params,
                inputs: &inputs,
                state: &state,
                masks: &masks,
            };
            let names: Vec<_> = bound.cell().values.iter().map(|it| it.name.clone()).collect();
            let nodes: Vec<NodeId> = bound.cell().values.iter().map(|it| it.node).collect();
            let expected = exec::forward(call, &names).unwrap();
            let plain = derive::adjoint(bound.cell(), &pointwise::table());
            let adjoint = plain.simplified();
            let kept = kept(&adjoint);
            let upstream = Upstream {
                outputs: expected.outputs.iter().map(|it| Some(noise(it.shape(), 8))).collect(),
                states: expected.states.iter().map(|it| Some(noise(it.shape(), 9))).collect(),
            };
            let expected_gradients = exec::backward(&expected, &plain, &upstream).unwrap();
            for path in Path::available() {
                let mut run = forward(call, &kept, &nodes, path, 1).unwrap();
                let what = |it: &str| format!("{} {path:?} {it}", file.name);
                for (a, e) in run.outputs.iter().zip(&expected.outputs) {
                    close(&what("output"), a, e);
                }
                for (a, e) in run.states.iter().zip(&expected.states) {
                    close(&what("state"), a, e);
                }
                for ((a, e), name) in run.traces.iter().zip(&expected.traces).zip(&names) {
                    close(&what(name), a, e);
                }
                let gradients = backward(&mut run, &adjoint, &upstream).unwrap();
                let pairs = |a: &[Option<ArrayD<f32>>], e: &[Option<ArrayD<f32>>], kind: &str| {
                    for (at, (a, e)) in a.iter().zip(e).enumerate() {
                        match (a, e) {
                            (Some(a), Some(e)) => close(&what(&format!("{kind} {at}")), a, e),
                            (None, None) => {}
                            _ => panic!("{}", what(kind)),
                        }
                    }
                };
                let expected = &expected_gradients;
                pairs(&gradients.params, &expected.params, "param");
                pairs(&gradients.inputs, &expected.inputs, "input");
                pairs(&gradients.starts, &expected.starts, "start");
                for (a, e) in gradients.flow.iter().zip(&expected.flow) {
                    let array = |it: &Option<Vec<f32>>| {
                        ndarray::Array1::from(it.clone().unwrap_or_default()).into_dyn()
                    };
                    close(&what("flow"), &array(a), &array(e));
                }
            }
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for name in ["lstm", "gru"] {
        let spec = crate::Spec::parse(crate::api::library_file(name).unwrap().source).unwrap();
        let cell = spec.configure(None, &[]).unwrap();
        let bound = cell.bind([("I", 40), ("H", 72)]).unwrap();
        let params = bound.init::<f32>(1).unwrap();
        let mut inputs = Inputs::new(vec![Some(Feed::Batch(noise(&[9, 33, 40], 5)))]);
        for lengths in [None, Some((0..33).map(|it| it % 10).collect())] {
            inputs.lengths = lengths;
            let carries = bound.cell().carries.len();
            let state = InitialState::declared(carries);
            let call = Call {
                bound: &bound,
                params: &params,
                inputs: &inputs,
                state: &state,
                masks: &Masks::Eval,
            };
            let adjoint = derive::adjoint(bound.cell(), &pointwise::table()).simplified();
            let kept = kept(&adjoint);
            let bits = |threads: usize| {
                let mut run = forward(call, &kept, &[], Path::best(), threads).unwrap();
                let gradients = backward(&mut run, &adjoint, &Upstream::ones(1, carries)).unwrap();
                let given = gradients.params.iter().chain(&gradients.inputs).flatten();
                let all = run.outputs.iter().chain(&run.states).chain(given);
                all.flat_map(|it| it.iter().map(|it| it.to_bits())).collect::<Vec<u32>>()
            };
            let one = bits(1);
            assert!(one.iter().any(|it| *it != 0));
            assert!(bits(2) == one && bits(3) == one, "{name}");
        }
    }
}
