//! `EngineOptions::memory`, seen from outside: what a run takes, counted by the allocator.

#[path = "data/allocation.rs"]
#[allow(dead_code, reason = "only one of its functions counts what a run takes")]
mod allocation;

use allocation::measured;
use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{
    Bound, EngineOptions, Feed, Gradients, InitialState, Inputs, Lent, Masks, Params, Upstream,
};

fn waves(shape: &[usize]) -> ArrayD<f32> {
    let mut at = 0.0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        at += 0.7f32;
        at.sin()
    })
}

fn norm(all: &ArrayD<f32>) -> f32 {
    all.iter().map(|it| it * it).sum::<f32>().sqrt()
}

const STEPS: usize = 400;
const BATCH: usize = 8;
const SIZES: [(&str, i64); 2] = [("I", 8), ("H", 32)];

struct Case {
    bound: Bound,
    params: Params<f32>,
    inputs: Inputs<f32>,
    state: InitialState<f32>,
}

impl Case {
    fn new(name: &str, lengths: Option<Vec<usize>>) -> Case {
        let source = rnnc::api::library_file(name).unwrap().source;
        let cell = rnnc::Spec::parse(source).unwrap().configure(None, &[]).unwrap();
        let bound = cell.bind(SIZES).unwrap();
        let mut inputs = Inputs::new(vec![Some(Feed::Batch(waves(&[STEPS, BATCH, 8])))]);
        inputs.lengths = lengths;
        let state = InitialState::declared(bound.cell().carries.len());
        Case { params: bound.init(1).unwrap(), inputs, state, bound }
    }

    /// The outputs and gradients of a run after one of a few steps, the most that it took beside
    /// them, and in how many segments it went.
    fn run(&self, memory: Option<u64>) -> (Vec<ArrayD<f32>>, Gradients<f32>, usize, usize) {
        let mut options = EngineOptions::default();
        // The allocator counts for each thread.
        (options.threads, options.memory) = (1, memory);
        let engine = self.bound.engine(options).unwrap();
        let cell = self.bound.cell();
        let ones = Upstream::ones(cell.outputs.len(), cell.carries.len());
        let go = |inputs: &Inputs<f32>| {
            let (params, state) = (&self.params, &self.state);
            let lent =
                || Lent { params: params.view(), inputs: inputs.view(), state: state.view() };
            let mut run = engine.forward_lent(lent(), &Masks::Eval).unwrap();
            let gradients = engine.backward_with(&run, lent(), &ones.view()).unwrap();
            (std::mem::take(&mut run.outputs), gradients, run.segments())
        };
        // Weights are packed, which is no part of what a run takes.
        go(&Inputs::new(vec![Some(Feed::Batch(waves(&[2, 1, 8])))]));
        let ((outputs, gradients, segments), taken) = measured(|| go(&self.inputs));
        let kinds = [&gradients.params, &gradients.inputs, &gradients.starts];
        let results = kinds.into_iter().flatten().flatten().chain(&outputs);
        let results: usize = results.map(|it| 4 * it.len()).sum();
        (outputs, gradients, taken.peak - results, segments)
    }
}

#[test]
fn a_run_takes_no_more_than_it_may() {
    for name in ["lstm", "gru", "indrnn"] {
        for lengths in [None, Some((0..BATCH).map(|it| it * 57).collect())] {
            let case = Case::new(name, lengths);
            let (outputs, expected, all, segments) = case.run(None);
            assert_eq!(segments, 1);
            for share in [2, 4, 8] {
                let limit = all / share;
                let (found, gradients, taken, segments) = case.run(Some(limit as u64));
                // What sums of products are computed in has the size of params.
                let params: usize = case.params.arrays().iter().map(|it| 4 * it.len()).sum();
                let bound = limit + 4 * params + 32 * 1024;
                assert!(segments > 1 && taken <= bound, "{name}: {taken} of {limit}, {segments}");
                assert_eq!(found, outputs);
                for (a, b) in gradients.params.iter().zip(&expected.params) {
                    let (a, b) = (a.as_ref().unwrap(), b.as_ref().unwrap());
                    let apart = norm(&(a - b));
                    // Thousands of numbers of one sign, added in another order.
                    assert!(apart <= 2e-6 * norm(b).max(1.0), "{name}: {apart} of {}", norm(b));
                }
                let rest = |it: &Gradients<f32>| [it.inputs.clone(), it.starts.clone()];
                assert_eq!(rest(&gradients), rest(&expected), "{name}");
            }
        }
    }
}

#[test]
fn what_does_not_fit_says_what_would() {
    let case = Case::new("lstm", None);
    let mut options = EngineOptions::default();
    options.memory = Some(1000);
    let engine = case.bound.engine(options).unwrap();
    let fault = engine.forward(&case.params, &case.inputs, &case.state).unwrap_err();
    let rnnc::exec::RunError::Memory { least, limit: 1000 } = fault else { panic!("{fault}") };
    let mut options = EngineOptions::default();
    options.memory = Some(least);
    let engine = case.bound.engine(options).unwrap();
    assert!(engine.forward(&case.params, &case.inputs, &case.state).unwrap().segments() > 1);
}
