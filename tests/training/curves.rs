//! Losses of trainings, update after update, as PyTorch has them: `tests/reference/training/curves.py`.

use rnnc::exec::Params;
use rnnc::ir::{Feedback, Real};
use rnnc::train::{Data, Decay, Optimizer, Options, Schedule, Trainer};
use serde_json::Value;

use crate::models::{
    CHARS, CLASSIFIER, FORECASTER, bound, classes, fill, forecasts, options, text,
};

fn stored() -> Value {
    serde_json::from_str(include_str!("../reference/training/stored/curves.json")).unwrap()
}

/// The model, data and options of a case; the model by its name in the table of params.
fn case(
    name: &str,
    all: &Value,
    updates: u64,
) -> (&'static str, &'static str, Vec<(&'static str, i64)>, Data, Options) {
    let mut with = options(updates);
    let windows = || forecasts(61).windows(9, 4).unwrap();
    let rate = |lr, decay| Schedule { lr, warmup: 0, decay };
    match name {
        "chars" => {
            let (data, size) = text(all["text"].as_str().unwrap());
            (with.batch, with.bptt, with.clip) = (3, Some(8), Some(0.25));
            return ("Chars", CHARS, vec![("V", size)], data, with);
        }
        "classes" => {
            with.batch = 5;
            with.schedule = rate(0.003, Decay::Constant);
            return ("Classifier", CLASSIFIER, Vec::new(), classes(), with);
        }
        "teacher" => {}
        "own" => with.feedback = Feedback::Own,
        "sgd_step" => {
            with.optimizer = Optimizer::Sgd {
                momentum: 0.9,
                dampening: 0.0,
                nesterov: true,
                weight_decay: 0.01,
            };
            with.schedule = rate(0.1, Decay::Step { step_size: 7, gamma: 0.5 });
        }
        "rmsprop_exponential" => {
            with.optimizer = Optimizer::RmsProp {
                alpha: 0.9,
                eps: 1e-8,
                centered: true,
                momentum: 0.5,
                weight_decay: 0.0,
            };
            with.schedule = rate(0.01, Decay::Exponential { gamma: 0.9 });
        }
        "adam_cosine" => {
            with.optimizer =
                Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.05 };
            with.schedule = rate(0.02, Decay::Cosine { lr_min: 0.001 });
        }
        "adamw_constant" => {
            with.optimizer =
                Optimizer::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.2 };
            with.schedule = rate(0.02, Decay::Constant);
        }
        other => panic!("no case {other}"),
    }
    with.batch = 4;
    ("Forecaster", FORECASTER, Vec::new(), windows(), with)
}

/// The largest difference of a loss, and of the first norms, relative to PyTorch's.
fn worst<F: Real>(all: &Value, found: &Value) -> f64 {
    let numbers = |it: &Value| -> Vec<f64> {
        it.as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
    };
    let (losses, norms) = (numbers(&found["losses"]), numbers(&found["norms"]));
    let name = found["name"].as_str().unwrap();
    let (table, spec, sizes, data, options) = case(name, all, losses.len() as u64);
    let model = bound(spec, &sizes);
    let scale = all["scale"].as_f64().unwrap();
    // Values are filled in by the place of a param in the table.
    let named = all["params"][table].as_array().unwrap();
    let place = |name: &str| named.iter().position(|it| it[0].as_str() == Some(name)).unwrap();
    assert_eq!(named.len(), model.cell().params.len());
    let of = |(param, shape): (&rnnc::ir::Param, &Vec<usize>)| {
        fill(place(&param.name), shape).mapv(|it| F::of(it * scale))
    };
    let params = model.cell().params.iter().zip(model.param_shapes()).map(of).collect();
    let params = Params::new(params);
    let mut trainer = Trainer::new(&model, params, &data, options).unwrap();
    let mut worst: f64 = 0.0;
    for (idx, expected) in losses.iter().enumerate() {
        let update = trainer.update().unwrap().unwrap();
        worst = worst.max((update.loss - expected).abs() / expected.abs());
        if let Some(expected) = norms[..3].get(idx) {
            worst = worst.max((update.grad_norm - expected).abs() / expected.abs());
        }
    }
    assert_eq!(trainer.update().unwrap(), None);
    worst
}

fn compare(names: &[&str]) {
    let all = stored();
    for name in names {
        let mut cases = 0;
        for found in all["cases"].as_array().unwrap().iter().filter(|it| it["name"] == *name) {
            let (worst, limit) = match found["dtype"].as_str().unwrap() {
                "f64" => (worst::<f64>(&all, found), 1e-9),
                _ => (worst::<f32>(&all, found), 1e-4),
            };
            assert!(worst <= limit, "{name} in {}: {worst:e}", found["dtype"]);
            cases += 1;
        }
        assert_eq!(cases, 2, "{name}");
    }
}

#[test]
fn characters_with_truncated_back_propagation_and_clipping() {
    compare(&["chars"]);
}

#[test]
fn ragged_sequences_with_the_loss_at_last() {
    compare(&["classes"]);
}

#[test]
fn a_forecaster_under_teacher_forcing_and_running_free() {
    compare(&["teacher", "own"]);
}

#[test]
fn every_optimizer_and_schedule() {
    compare(&["sgd_step", "rmsprop_exponential", "adam_cosine", "adamw_constant"]);
}
