use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use super::*;
use crate::exec::kernels::{Path, Team};
use crate::train::{Decay, Schedule};

fn stored() -> Value {
    serde_json::from_str(include_str!("../../../tests/reference/training/stored/optimizers.json"))
        .unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
}

fn array<F: Real>(value: &Value) -> ArrayD<F> {
    let values: Vec<F> = numbers(value).into_iter().map(F::of).collect();
    ArrayD::from_shape_vec(IxDyn(&[values.len()]), values).unwrap()
}

/// The optimizer of a case and its rate.
fn optimizer(case: &Value) -> (Optimizer, f64) {
    let options = &case["options"];
    let number = |name: &str, default: f64| options[name].as_f64().unwrap_or(default);
    let flag = |name: &str| options[name].as_bool().unwrap_or(false);
    let beta = |idx: usize, default: f64| options["betas"][idx].as_f64().unwrap_or(default);
    let (beta1, beta2, eps) = (beta(0, 0.9), beta(1, 0.999), number("eps", 1e-8));
    let (momentum, weight_decay) = (number("momentum", 0.0), number("weight_decay", 0.0));
    let name = case["name"].as_str().unwrap();
    let optimizer = match name.split('_').next().unwrap() {
        "sgd" => Optimizer::Sgd {
            momentum,
            dampening: number("dampening", 0.0),
            nesterov: flag("nesterov"),
            weight_decay,
        },
        "rmsprop" => Optimizer::RmsProp {
            alpha: number("alpha", 0.99),
            eps,
            centered: flag("centered"),
            momentum,
            weight_decay,
        },
        "adam" => Optimizer::Adam { beta1, beta2, eps, weight_decay },
        "adamw" => {
            Optimizer::AdamW { beta1, beta2, eps, weight_decay: number("weight_decay", 0.01) }
        }
        other => panic!("no optimizer {other}"),
    };
    (optimizer, number("lr", f64::NAN))
}

/// The largest difference to PyTorch over all updates of a case, relative to 1 + |value|.
fn worst<F: Real>(all: &Value, case: &Value, workers: Workers<'_>) -> f64 {
    let (optimizer, rate) = optimizer(case);
    let limit = all["clip"].as_f64();
    let mut params: Vec<ArrayD<F>> = all["start"].as_array().unwrap().iter().map(array).collect();
    let untouched = params[2].clone();
    let shapes = [Some(params[0].shape().to_vec()), Some(params[1].shape().to_vec()), None];
    let mut buffers = optimizer.buffers::<F>(&shapes);
    let mut worst: f64 = 0.0;
    for (idx, given) in all["gradients"].as_array().unwrap().iter().enumerate() {
        let mut gradients: Vec<Option<ArrayD<F>>> =
            given.as_array().unwrap().iter().map(|it| Some(array(it))).collect();
        gradients.push(None);
        let norm = norm(&gradients, workers);
        worst = worst.max((norm - case["norms"][idx].as_f64().unwrap()).abs() / (1.0 + norm));
        let scale = clip(norm, limit);
        optimizer.step(
            &mut buffers,
            (idx as u64 + 1, rate, scale),
            &mut params,
            &gradients,
            workers,
        );
    }
    assert_eq!(params[2], untouched, "a param without a gradient");
    for (param, after) in params.iter().zip(case["after"].as_array().unwrap()) {
        for (found, expected) in param.iter().zip(numbers(after)) {
            worst = worst.max((Real::to_f64(*found) - expected).abs() / (1.0 + expected.abs()));
        }
    }
    worst
}

#[test]
fn every_optimizer_is_that_of_pytorch() {
    let all = stored();
    let cases = all["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let workers = Workers::default();
        let (worst, limit) = match case["dtype"].as_str().unwrap() {
            "f64" => (worst::<f64>(&all, case, workers), 1e-14),
            _ => (worst::<f32>(&all, case, workers), 3e-7),
        };
        assert!(worst <= limit, "{} in {}: {worst:e}", case["name"], case["dtype"]);
    }
}

#[test]
fn every_schedule_is_that_of_pytorch() {
    let all = stored();
    let cases = [
        ("step", 0, Decay::Step { step_size: 3, gamma: 0.5 }),
        ("exponential", 0, Decay::Exponential { gamma: 0.7 }),
        ("cosine", 0, Decay::Cosine { lr_min: 0.1 }),
        ("warmup_cosine", 4, Decay::Cosine { lr_min: 0.1 }),
    ];
    for (name, warmup, decay) in cases {
        let schedule = Schedule { lr: 0.8, warmup, decay };
        for (update, expected) in numbers(&all["schedules"][name]).into_iter().enumerate() {
            let found = schedule.rate(update as u64, 8);
            assert!((found - expected).abs() < 1e-14, "{name}, {update}: {found} and {expected}");
        }
    }
}

#[test]
fn a_norm_is_summed_in_double_precision_over_all_params() {
    // Elements whose squares single precision does not hold, and more than eight of them.
    let large = ArrayD::from_elem(IxDyn(&[3, 7]), 3e25f32);
    let found = norm(
        &[Some(large), None, Some(ArrayD::from_elem(IxDyn(&[4]), 3e25f32))],
        Workers::default(),
    );
    assert!((found / 15e25 - 1.0).abs() < 1e-7, "{found}");
    assert_eq!(clip(10.0, None), 1.0);
    assert_eq!(clip(0.5, Some(1.0)), 1.0);
    assert_eq!(clip(4.0, Some(2.0)), 2.0 / (4.0 + 1e-6));
}

/// Params longer than a piece, after some updates: on no threads of an engine, and on each path with several.
#[test]
fn updates_are_the_same_bits_on_any_path_and_threads() {
    let all = stored();
    let cases = all["cases"].as_array().unwrap().iter().filter(|it| it["dtype"] == "f32");
    let shapes = [Some(vec![40_001]), None, Some(vec![3, 5])];
    let draw = |seed: usize, count: usize| -> Vec<f32> {
        let of = |at: usize| ((at * 7919 + seed * 104_729) * (at + 3) % 2003) as f32 / 2003.0 - 0.5;
        (0..count).map(of).collect()
    };
    let arrays = |seed: usize| -> Vec<ArrayD<f32>> {
        let shapes = [&[40_001][..], &[7], &[3, 5]].into_iter().enumerate();
        let array = |(idx, shape): (usize, &[usize])| {
            let values = draw(seed + idx, shape.iter().product());
            ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
        };
        shapes.map(array).collect()
    };
    for case in cases {
        let (optimizer, rate) = optimizer(case);
        let run = |workers: Workers<'_>| {
            let (mut params, mut buffers) = (arrays(1), optimizer.buffers(&shapes));
            let mut norms = Vec::new();
            for update in 1..4 {
                let mut gradients: Vec<_> = arrays(10 * update).into_iter().map(Some).collect();
                gradients[1] = None;
                norms.push(norm(&gradients, workers));
                let numbers = (update as u64, rate, 0.5);
                optimizer.step(&mut buffers, numbers, &mut params, &gradients, workers);
            }
            (params, buffers, norms)
        };
        let alone = run(Workers::default());
        assert_ne!(alone.0[0], arrays(1)[0]);
        for path in Path::available() {
            for threads in [1, 3] {
                let team = Team::new(threads);
                assert_eq!(
                    run(Workers::new(path, &team)),
                    alone,
                    "{}, {path:?}, {threads}",
                    case["name"]
                );
            }
        }
    }
}
