//! The fast engine against the reference interpreter.

use ndarray::ArrayD;

use super::*;
use crate::exec::{self, Bound, Feed, InitialState, Inputs, Masks, Upstream};
use crate::ir::{Env, pointwise};

fn sized(cell: &crate::ir::Cell, size: i64) -> Option<Bound> {
    let mut env = Env::default();
    for (at, dim) in cell.dims.iter().enumerate() {
        if dim.default.is_none() && dim.like.is_none() {
            env.sizes.insert(dim.name.clone(), size + at as i64);
        }
    }
    exec::bind(cell, env).ok()
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

/// What a cell is run with.
struct Case {
    inputs: Inputs<f32>,
    state: InitialState<f32>,
    masks: Masks<f32>,
    upstream: Upstream<f32>,
}

impl Case {
    fn new(bound: &Bound, steps: usize, batch: usize, lengths: Option<Vec<usize>>) -> Case {
        let cell = bound.cell();
        let feed = |(at, shape): (usize, &Vec<usize>)| {
            let all = [&[steps, batch], &shape[..]].concat();
            let index = cell.inputs[at].index.is_some();
            let array = noise(&all, at as u64 + 5);
            Some(Feed::Batch(if index { array.mapv(|_| 0.0) } else { array }))
        };
        let feeds = bound.input_shapes().iter().enumerate().map(feed).collect();
        let mut inputs = Inputs::new(feeds);
        inputs.lengths = lengths;
        (inputs.steps, inputs.batch) = (Some(steps), Some(batch));
        let outputs = (0..cell.outputs.len()).map(|it| {
            Some(noise(&[&[steps, batch], bound.output_shape(it)].concat(), 8))
        });
        let states = bound.carry_shapes().iter();
        let states = states.map(|it| Some(noise(&[&[batch], &it[..]].concat(), 9)));
        Case {
            inputs,
            state: InitialState::declared(cell.carries.len()),
            masks: if cell.masks.is_empty() { Masks::Eval } else { Masks::train(3) },
            upstream: Upstream { outputs: outputs.collect(), states: states.collect() },
        }
    }

    fn call<'a>(
        &'a self,
        bound: &'a Bound,
        params: &'a exec::Params<f32>,
    ) -> Call<'a, f32> {
        Call { bound, params, inputs: &self.inputs, state: &self.state, masks: &self.masks }
    }
}

/// Compares all results of an engine with those of the interpreter.
fn compare(name: &str, bound: &Bound, case: &Case, engines: &[(Path, usize)]) {
    let params = bound.init::<f32>(1).unwrap();
    let names: Vec<_> = bound.cell().values.iter().map(|it| it.name.clone()).collect();
    let expected = exec::forward(case.call(bound, &params), &names).unwrap();
    let plain = derive::adjoint(bound.cell(), &pointwise::table());
    let expected_gradients = exec::backward(&expected, &plain, &case.upstream).unwrap();
    for (path, threads) in engines {
        for traces in [&names[..], &[]] {
            let fast = Fast::new(bound, traces, *path, *threads).expect(name);
            let what = |it: &str| format!("{name} {path:?} {} traces, {it}", traces.len());
            let call = case.call(fast.bound(), &params);
            for keeps in [false, true] {
                let mut run = fast.forward(call, keeps).expect("a program").unwrap();
                let pairs = run.outputs.iter().zip(&expected.outputs);
                pairs.for_each(|(a, e)| close(&what("output"), a, e));
                let pairs = run.states.iter().zip(&expected.states);
                pairs.for_each(|(a, e)| close(&what("state"), a, e));
                for ((a, e), name) in run.traces.iter().zip(&expected.traces).zip(&names) {
                    close(&what(name), a, e);
                }
                if !keeps {
                    fast.end(run);
                    continue;
                }
                let gradients = fast.backward(&mut run, &case.upstream).unwrap();
                let pairs = |a: &[Option<ArrayD<f32>>], e: &[Option<ArrayD<f32>>], kind: &str| {
                    assert_eq!(a.len(), e.len());
                    for (at, (a, e)) in a.iter().zip(e).enumerate() {
                        match (a, e) {
                            (Some(a), Some(e)) => close(&what(&format!("{kind} {at}")), a, e),
                            (None, None) => {}
                            _ => panic!("{}", what(kind)),
                        }
                    }
                };
                pairs(&gradients.params, &expected_gradients.params, "param");
                pairs(&gradients.inputs, &expected_gradients.inputs, "input");
                pairs(&gradients.starts, &expected_gradients.starts, "start");
                for (a, e) in gradients.flow.iter().zip(&expected_gradients.flow) {
                    let array = |it: &Option<Vec<f32>>| {
                        ndarray::Array1::from(it.clone().unwrap_or_default()).into_dyn()
                    };
                    close(&what("flow"), &array(a), &array(e));
                }
                fast.end(run);
            }
        }
    }
}

fn library(name: &str) -> Bound {
    let spec = crate::Spec::parse(crate::api::library_file(name).unwrap().source).unwrap();
    let cell = spec.configure(None, &[]).unwrap();
    cell.bind([("I", 3), ("H", 4)]).unwrap()
}

#[test]
fn every_cell_of_the_library() {
    let all: Vec<(Path, usize)> = Path::available().into_iter().map(|it| (it, 1)).collect();
    let mut count = 0;
    for file in crate::api::library() {
        let spec = crate::Spec::parse(file.source).unwrap();
        let Some(cell) = spec.cells().last() else { continue };
        let Some(bound) = sized(cell, 3) else { continue };
        count += 1;
        for lengths in [None, Some(vec![4, 0, 5, 1])] {
            compare(file.name, &bound, &Case::new(&bound, 5, 4, lengths), &all);
        }
    }
    assert!(count > 140, "{count} cells");
}
