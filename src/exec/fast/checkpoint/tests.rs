//! Runs in segments are the runs that they are segments of.

use ndarray::{ArrayD, Axis, ShapeBuilder};

use super::super::tests::{Case, Results, every_cell, found, named, noise, of_gradients, sized};
use super::super::{Fast, Path, Wanted};
use super::*;
use crate::exec::reference::Call;
use crate::exec::{Bound, Feed, Team};
use crate::text::Name;

fn call<'c>(fast: &'c Fast, case: &'c Case<f32>) -> Call<'c, f32> {
    let Case { params, inputs, state, masks, upstream: _ } = case;
    Call { bound: fast.bound(), params, inputs, state, masks }
}

/// What a run in segments of so many steps gives, with gradients or without.
fn segmented(fast: &Fast, case: &Case<f32>, keeps: bool, length: usize) -> Results<f32> {
    let call = call(fast, case);
    let given = Given::check(call).unwrap();
    let prepared = fast.prepare_for(&given, keeps.then_some(Wanted::ALL)).unwrap();
    let weights = fast.forward_weights(&prepared, &given).unwrap();
    let compiled = Arc::clone(&prepared.compiled);
    let (memory, machine) = (Memory::default(), fast.machine());
    let run = forward(given, compiled, weights, memory, &fast.traced, machine, length);
    let mut run = run.unwrap();
    let steps = run.packing.steps();
    assert_eq!(run.segments(), steps.div_ceil(length));
    let mut all = named("output", &run.outputs);
    all.extend(named("state", &run.states));
    all.extend(named("trace", &run.traces));
    if keeps {
        all.extend(of_gradients(fast.backward(&mut run, &case.upstream.view()).unwrap()));
        // Whichever segment stands in memory, what forward kept is still there.
        let again = of_gradients(fast.backward(&mut run, &case.upstream.view()).unwrap());
        assert!(all.ends_with(&again));
    }
    all
}

fn norm(all: &ArrayD<f32>) -> f64 {
    all.iter().map(|it| f64::from(*it).powi(2)).sum::<f64>().sqrt()
}

/// Gradients of params, and of what all sequences share, are sums in another order, and so are norms;
/// all else has the same bits.
fn same(what: &str, whole: &Results<f32>, found: &Results<f32>) {
    assert_eq!(whole.len(), found.len(), "{what}");
    for ((kind, whole), (other, found)) in whole.iter().zip(found) {
        assert_eq!((kind, whole.shape()), (other, found.shape()), "{what}");
        let is_sum = kind.starts_with("gradient of param")
            || kind.starts_with("gradient of flow")
            || (kind.starts_with("gradient of input") && what.contains("shared"));
        if is_sum {
            let apart = norm(&(whole - found));
            let bound = 1e-6 * norm(whole).max(1.0);
            assert!(apart <= bound, "{what}, {kind}: {apart:.1e} of {:.1e}", norm(whole));
        } else {
            let same = whole.iter().zip(found).all(|(a, b)| a.to_bits() == b.to_bits());
            assert!(same, "{what}, {kind}");
        }
    }
}

fn compare(what: &str, fast: &Fast, case: &Case<f32>, lengths: &[usize]) {
    for keeps in [false, true] {
        let whole = found(fast, case, keeps);
        for length in lengths {
            let found = segmented(fast, case, keeps, *length);
            same(&format!("{what}, segments of {length}, keeps {keeps}"), &whole, &found);
        }
    }
}

/// The cell of a file of the library that has its name, with these sizes.
fn cell(name: &str, sizes: &[(&str, i64)]) -> Bound {
    let spec = crate::Spec::parse(crate::api::library_file(name).unwrap().source).unwrap();
    let cell = spec.configure(None, &[]).unwrap();
    cell.bind(sizes.iter().copied()).unwrap()
}

#[test]
fn every_cell_of_the_library() {
    every_cell(|at, name, cell| {
        let bound = sized(cell, 3).expect("sizes that fit");
        let names: Vec<Name> = bound.cell().values.iter().map(|it| it.name.clone()).collect();
        let fast = Fast::with(&bound, &names, (true, Wanted::ALL), Path::best(), Team::new(1))
            .expect(name);
        for lengths in [None, Some(vec![3, 0, 6, 1])] {
            let case = Case::new(&bound, 7, 4, lengths);
            compare(name, &fast, &case, &[1, 2 + at % 3]);
        }
    });
}

/// What else a call may be given: one sequence for all, arrays whose axes stand otherwise, starts,
/// and no adjoints.
#[test]
fn whatever_is_given() {
    for name in ["gru", "lstm", "lstm_peephole", "clockwork"] {
        let Some(file) = crate::api::library_file(name) else { continue };
        let spec = crate::Spec::parse(file.source).unwrap();
        let bound = sized(spec.cells().last().unwrap(), 4).unwrap();
        let fast = Fast::new(&bound, &[], Path::best(), 1).unwrap();
        for lengths in [None, Some(vec![5, 0, 9]), Some(vec![2, 4, 3])] {
            let new = || Case::new(&bound, 9, 3, lengths.clone());
            let mut shared = new();
            let mut turned = new();
            for (at, feed) in shared.inputs.feeds.iter_mut().enumerate() {
                let shape: Vec<usize> = [&[9], &bound.input_shapes()[at][..]].concat();
                *feed = feed.is_some().then(|| Feed::Shared(noise(&shape, 7)));
            }
            for feed in turned.inputs.feeds.iter_mut().flatten() {
                let from = feed.array();
                let mut to = ArrayD::zeros(from.raw_dim().f());
                to.assign(from);
                *feed = Feed::Batch(to);
            }
            let mut started = new();
            for (start, shape) in started.state.0.iter_mut().zip(bound.carry_shapes()) {
                let shape: Vec<usize> = [&[3], &shape[..]].concat();
                *start = Some(noise(&shape, 4));
            }
            let mut plain = new();
            plain.upstream.outputs.fill(None);
            plain.upstream.states.fill(None);
            let mut ends = new();
            ends.upstream.outputs.fill(None);
            let cases = [
                ("shared", shared),
                ("turned", turned),
                ("started", started),
                ("ones", plain),
                ("ends", ends),
            ];
            for (what, case) in cases {
                compare(&format!("{name}, {what}, {lengths:?}"), &fast, &case, &[1, 2, 4, 8]);
            }
        }
    }
}

/// The memory that a run with a limit holds, forward and backward, is what was promised.
#[test]
fn memory_stays_within_what_is_allowed() {
    let bound = cell("lstm", &[("I", 8), ("H", 16)]);
    for lengths in [None, Some((0..6).map(|it| 20 * it).collect())] {
        let case = Case::new(&bound, 100, 6, lengths);
        let whole = Fast::new(&bound, &[], Path::best(), 2).unwrap();
        let expected = found(&whole, &case, true);
        let given = Given::check(call(&whole, &case)).unwrap();
        let packing = Packing::new(&given.lengths);
        let compiled = Arc::clone(&whole.prepare_for(&given, Some(Wanted::ALL)).unwrap().compiled);
        let sizes = Sizes { given: &given, compiled: &compiled, packing: &packing, parts: 2 };
        let all = sizes.need(100).bytes;
        let least = match sizes.divide(Some(1)) {
            Err(RunError::Memory { least, limit: 1 }) => least,
            other => panic!("{other:?}"),
        };
        assert!(least < all / 3, "{least} of {all}");
        for limit in [all, all - 1, all / 2, least] {
            let fast = Fast::new(&bound, &[], Path::best(), 2).unwrap().within(Some(limit));
            // Twice, for memory is kept from run to run.
            for _ in 0..2 {
                let mut run = fast.forward(call(&fast, &case), Some(Wanted::ALL)).unwrap();
                assert_eq!(run.segments() == 1, limit == all, "{limit}");
                fast.backward(&mut run, &case.upstream.view()).unwrap();
                let memory = |it: &Memory| it.numbers() as u64 * NUMBER;
                let pool: u64 = super::super::lock(&fast.memory).iter().map(memory).sum();
                let starts = run.checkpoints.iter().flat_map(|it| &it.starts);
                let starts = starts.flat_map(|it| it.0.iter().flatten()).map(|it| it.len() as u64);
                let held = memory(&run.memory) + pool + starts.sum::<u64>() * NUMBER;
                // What sums over rows work in is counted and not in it.
                assert!(held <= limit && held > limit / 5, "{held} of {limit}");
                fast.end(run.keep());
            }
            same(&format!("at most {limit}"), &expected, &found(&fast, &case, true));
            found(&fast, &case, false);
        }
        let fast = Fast::new(&bound, &[], Path::best(), 2).unwrap().within(Some(least - 1));
        let fault = fast.forward(call(&fast, &case), Some(Wanted::ALL)).unwrap_err();
        assert_eq!(fault, RunError::Memory { least, limit: least - 1 });
    }
}

/// A long run that keeps nothing goes in segments by itself.
#[test]
fn inference_takes_the_memory_of_a_segment() {
    let bound = cell("gru", &[("I", 2), ("H", 3)]);
    let steps = ROWS + 5;
    let case = Case::new(&bound, steps, 2, Some(vec![steps, steps - 3]));
    let fast = Fast::new(&bound, &[], Path::best(), 1).unwrap();
    let run = fast.forward(call(&fast, &case), None).unwrap();
    assert_eq!(run.segments(), 3);
    let whole = fast.forward(call(&fast, &case), Some(Wanted::ALL)).unwrap();
    assert_eq!(whole.segments(), 1);
    assert_eq!(run.outputs[0].len_of(Axis(0)), steps);
    assert_eq!((&run.outputs, &run.states), (&whole.outputs, &whole.states));
    assert!(run.memory.numbers() * 2 < whole.memory.numbers());
}
