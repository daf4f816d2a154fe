//! The fast engine computes random cells as the interpreter does.

mod support {
    pub mod generate;
}

use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;
use rnnc::exec::{Bound, EngineOptions, Feed, InitialState, Inputs, Masks, Params, Upstream};
use rnnc::ir::{self, Feedback, Gives, InputRole, Mode, Real};

const STEPS: usize = 5;
const LENGTHS: [usize; 4] = [3, 5, 0, 5];

fn bound(cell: &ir::Cell) -> Bound {
    let mut env = ir::Env::default();
    for (idx, dim) in cell.dims.iter().filter(|it| it.like.is_none()).enumerate() {
        env.sizes.insert(dim.name.clone(), dim.default.unwrap_or(2 + idx as i64));
    }
    rnnc::exec::bind(cell, env).expect("small sizes fit")
}

/// Numbers in -1..1 that both types hold exactly.
fn noise<F: Real>(seed: u64, shape: &[usize]) -> ArrayD<F> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        F::of((state >> 44) as f64 / f64::from(1 << 19) - 1.0)
    })
}

fn inputs<F: Real>(bound: &Bound) -> Inputs<F> {
    let feeds = bound.cell().inputs.iter().zip(bound.input_shapes()).enumerate();
    let feeds = feeds.map(|(at, (input, own))| {
        let outer = [STEPS, LENGTHS.len()];
        let outer = if input.per_sequence { &outer[1..] } else { &outer };
        let shape = [outer, own.as_slice()].concat();
        let array = noise::<F>(3 + at as u64, &shape);
        Some(Feed::Batch(match &input.index {
            Some(dim) => {
                let limit = bound.index_limit(dim) as f64;
                let whole = |it: F| ((it.to_f64() + 1.0) / 2.0 * limit).floor().min(limit - 1.0);
                array.mapv(|it| F::of(whole(it)))
            }
            None if input.role == InputRole::Coin => {
                array.mapv(|it| F::of(f64::from(u8::from(it.to_f64() > 0.0))))
            }
            None => array,
        }))
    });
    let mut inputs = Inputs::new(feeds.collect());
    inputs.lengths = Some(LENGTHS.to_vec());
    inputs
}

/// Outputs, final states and gradients, in f64; `None` where something is not finite.
fn results<F: Real>(bound: &Bound, options: EngineOptions) -> Option<Vec<(String, ArrayD<f64>)>> {
    let cell = bound.cell();
    let kind = options.kind;
    let engine = bound.engine(options).unwrap();
    assert_eq!(engine.kind(), kind);
    let params = bound.init::<f64>(1).expect("params are drawn");
    let params = Params::new(params.arrays().iter().map(|it| it.mapv(F::of)).collect());
    let (inputs, state) = (inputs::<F>(bound), InitialState::declared(cell.carries.len()));
    let masks = Masks::train(5);
    let run = engine.forward_with(&params, &inputs, &state, &masks).expect("the data fit");
    let like = |it: &ArrayD<F>| Some(noise(9, it.shape()));
    let upstream = Upstream {
        outputs: run.outputs.iter().map(like).collect(),
        states: run.states.iter().map(like).collect(),
    };
    let gradients = engine.backward(&run, &upstream).expect("the upstream fits");
    let named = |what: &str, all: Vec<Option<ArrayD<F>>>| {
        let all = all.into_iter().enumerate();
        all.filter_map(|(at, it)| Some((format!("{what} {at}"), it?.mapv(Real::to_f64))))
            .collect::<Vec<_>>()
    };
    let some = |all: &[ArrayD<F>]| all.iter().cloned().map(Some).collect();
    let all = [
        named("output", some(&run.outputs)),
        named("state", some(&run.states)),
        named("gradient of param", gradients.params),
        named("gradient of input", gradients.inputs),
        named("gradient of start", gradients.starts),
    ]
    .concat();
    all.iter().all(|(_, it)| it.iter().all(|it| it.is_finite())).then_some(all)
}

fn distance(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    let size = b.iter().map(|it| it * it).sum::<f64>().sqrt().max(1.0);
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() / size
}

/// Sixty cells, or as many as the variable PROPTEST_CASES says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(60)
}

/// Compares both engines on a cell.
fn compare(source: &str, bound: &Bound) -> Result<(), TestCaseError> {
    let exact = results::<f64>(bound, EngineOptions::reference());
    let plain = results::<f32>(bound, EngineOptions::reference());
    let fast = results::<f32>(bound, EngineOptions::default());
    // What leaves the range of f32 in one of the runs proves nothing.
    if let (Some(exact), Some(plain), Some(fast)) = (exact, plain, fast) {
        for (((what, exact), (_, plain)), (_, fast)) in exact.iter().zip(&plain).zip(&fast) {
            // Where rounding decides a jump, or is amplified, both are far away.
            let (rounding, error) = (distance(plain, exact), distance(fast, exact));
            prop_assert!(
                error <= 2e-5 + 20.0 * rounding,
                "{source}\n{what}: {error} beside {rounding}\n{fast}\n{plain}"
            );
        }
    }
    Ok(())
}

fn grown(source: &str) -> Result<Bound, TestCaseError> {
    let fail = |it: rnnc::api::Error| TestCaseError::fail(format!("{source}\n{it}"));
    let spec = rnnc::Spec::parse(source).map_err(|it| fail(it.into()))?;
    Ok(bound(spec.main().expect("one cell is none's layer")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_engine_is_as_near_to_double_precision_as_the_interpreter(
        tape in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        let source = support::generate::cell(&tape);
        compare(&source, &grown(&source)?)?;
    }

    #[test]
    fn layers_that_read_backward_are_computed_alike(
        tape in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        let source = support::generate::both_ways(&tape);
        compare(&source, &grown(&source)?)?;
    }

    #[test]
    fn models_are_computed_alike_in_every_mode(
        tape in prop::collection::vec(any::<u8>(), 0..300)
    ) {
        let source = support::generate::model(&tape);
        let model = grown(&source)?;
        for feedback in [Feedback::Teacher, Feedback::Own, Feedback::Scheduled] {
            let mode = Mode::new(feedback, Gives::Both);
            compare(&source, &model.plain(&mode).expect("a model has all modes"))?;
        }
    }
}
