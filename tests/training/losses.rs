//! Losses and their gradients as PyTorch has them: `tests/reference/training/losses.py`.

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{EngineOptions, Params};
use rnnc::ir::Real;
use rnnc::train::{Axes, Data, Field, Optimizer, Options, Schedule, Trainer};
use serde_json::Value;

use crate::models::{bound, options};

/// Returns the largest difference of loss and gradient of a case from PyTorch's, relative to their sizes.
fn worst<F: Real>(case: &Value, engine: &EngineOptions) -> f64 {
    let numbers = |key: &str| -> Vec<f64> {
        case[key].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
    };
    let name = case["name"].as_str().unwrap();
    let call = match name {
        "huber" => format!("huber(y, t, {})", case["delta"]),
        _ => format!("{name}(y, t)"),
    };
    let (target, own): (&str, &[usize]) =
        if name == "cross_entropy" { ("index[3]", &[]) } else { ("[3]", &[3]) };
    let text = format!(
        "model M {{\n  input x: [3]\n  target t: {target}\n  param w: [3]\n  output y = w * x\n  loss {call}\n}}"
    );
    let model = bound(&text, &[]);
    let array = |key: &str, own: &[usize]| {
        ArrayD::from_shape_vec(IxDyn(&[&[6, 2], own].concat()), numbers(key)).unwrap()
    };
    let fields = vec![
        Field::input("x", Axes::Batch, array("x", &[3])),
        Field::target("t", Axes::Batch, array("t", own)),
    ];
    let data = Data::sequences(fields, None).unwrap();
    let w = ArrayD::from_shape_vec(IxDyn(&[3]), numbers("w")).unwrap();
    // An update of gradient descent with rate 1 shows the gradient.
    let with = Options {
        optimizer: Optimizer::Sgd {
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            weight_decay: 0.0,
        },
        schedule: Schedule::constant(1.0),
        clip: None,
        engine: engine.clone(),
        ..options(1)
    };
    let params = Params::new(vec![w.mapv(F::of)]);
    let mut trainer = Trainer::new(&model, params, &data, with).unwrap();
    let loss = trainer.update().unwrap().unwrap().loss;
    let after = trainer.params().arrays()[0].mapv(|it| Real::to_f64(it));
    let expected = case["loss"].as_f64().unwrap();
    let gradient = numbers("gradient");
    let size = gradient.iter().fold(1.0f64, |most, it| most.max(it.abs()));
    let differences =
        w.iter().zip(&after).zip(&gradient).map(|((w, v), g)| (w - v - g).abs() / size);
    differences.fold((loss - expected).abs() / expected.abs(), f64::max)
}

#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    let stored: Value =
        serde_json::from_str(include_str!("../reference/training/stored/losses.json")).unwrap();
    let cases = stored["cases"].as_array().unwrap();
    let names: Vec<&str> = cases.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["mse", "mae", "huber", "binary_cross_entropy", "cross_entropy"]);
    for case in cases {
        let name = &case["name"];
        let double = worst::<f64>(case, &EngineOptions::reference());
        assert!(double < 1e-12, "{name}: {double:e}");
        for engine in [EngineOptions::default(), EngineOptions::reference()] {
            let single = worst::<f32>(case, &engine);
            assert!(single < 2e-6, "{name}: {single:e}");
        }
    }
}
