//! Bits, moments and shapes of the draws.

use super::super::bind::bind;
use super::super::hand::{self, sizes};
use super::*;
use crate::ir::{Dim, Pointwise};

fn drawn(shape: &[i64], init: Init, name: &str, seed: u64) -> Result<ArrayD<f64>, InitError> {
    let mut cell = hand::empty("Draws", &[]);
    hand::param(&mut cell, name, &[]);
    cell.params[0].shape.0 = shape.iter().map(|it| Dim::number(*it)).collect();
    cell.params[0].init = init;
    // The leaf of the step graph has no part in this.
    cell.step = crate::ir::Graph::default();
    init_param(&bind(&cell, sizes(&[])).unwrap(), 0, seed)
}

fn number(value: f64) -> Const {
    Const::Number(value)
}

fn uniform(lo: f64, hi: f64) -> Init {
    Init::Draw(Draw::Uniform(number(lo), number(hi)))
}

#[test]
fn draws_keep_their_bits_in_every_release() {
    let bits = |init, shape: &[i64]| {
        let values = drawn(shape, init, "a.W_z", 7).unwrap();
        let bits: Vec<String> = values.iter().map(|it| format!("{:016x}", it.to_bits())).collect();
        bits.join(" ")
    };
    assert_eq!(
        bits(uniform(-1.0, 1.0), &[3]),
        "bfed752e71d11eee 3fe1d0c1aa58e772 3fe46ae084268db6"
    );
    let normal = Init::Draw(Draw::Normal(number(0.0), number(1.0)));
    assert_eq!(bits(normal, &[3]), "3fdcd202b41fb0a9 3fe375bd9be8d18a 3ff672975d541dbb");
    let orthogonal = Init::Draw(Draw::Orthogonal(number(1.0)));
    assert_eq!(
        bits(orthogonal, &[2, 2]),
        "3fe30b1a65b4dc4c 3fe9b77b5c493f86 3fe9b77b5c493f87 bfe30b1a65b4dc4c"
    );
    let nested = [Pointwise::Exp, Pointwise::Expm1, Pointwise::Log]
        .into_iter()
        .fold(uniform(-7.0, -2.0), |init, op| Init::Apply(op, vec![init]));
    assert_eq!(bits(nested, &[2]), "c01b340cb7c68b90 c008af9a070d7f0e");
}

#[test]
fn draws_depend_on_seed_and_name_alone() {
    let first = drawn(&[4], uniform(0.0, 1.0), "W", 0).unwrap();
    assert_eq!(first, drawn(&[4], uniform(0.0, 1.0), "W", 0).unwrap());
    assert_ne!(first, drawn(&[4], uniform(0.0, 1.0), "W", 1).unwrap());
    assert_ne!(first, drawn(&[4], uniform(0.0, 1.0), "V", 0).unwrap());
    // Two draws of one initialiser differ from each other.
    let twice = Init::Apply(Pointwise::Sub, vec![uniform(0.0, 1.0), uniform(0.0, 1.0)]);
    assert!(drawn(&[4], twice, "W", 0).unwrap().iter().all(|it| *it != 0.0));
    // More elements do not change the first ones.
    let longer = drawn(&[9], uniform(0.0, 1.0), "W", 0).unwrap();
    assert_eq!(first.as_slice().unwrap(), &longer.as_slice().unwrap()[..4]);
}

#[test]
fn moments_are_those_of_the_distributions() {
    let moments = |draw| {
        let values = drawn(&[200, 100], Init::Draw(draw), "W", 3).unwrap();
        let mean = values.mean().unwrap();
        let max = values.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        (mean, values.std(0.0), max)
    };
    let near = |a: f64, b: f64| assert!((a - b).abs() < 0.02 * b.abs().max(0.5), "{a} {b}");
    let (mean, std, _) = moments(Draw::Normal(number(2.0), number(3.0)));
    near(mean, 2.0);
    near(std, 3.0);
    let (mean, std, max) = moments(Draw::TruncatedNormal(number(1.0)));
    near(mean, 0.0);
    near(std, 0.8796);
    assert!(max <= 2.0 && max > 1.99);
    let scaled = |family, uniform, fan_out: Option<f64>| {
        let fan_out = fan_out.map(Const::Number);
        moments(Draw::Scaled { family, uniform, fan_in: None, fan_out })
    };
    let (_, std, max) = scaled(Family::Glorot, true, None);
    near(std * 10.0, 10.0 * (2.0f64 / 300.0).sqrt());
    assert!(max < (6.0f64 / 300.0).sqrt());
    near(scaled(Family::He, false, None).1 * 10.0, 10.0 * (2.0f64 / 100.0).sqrt());
    near(scaled(Family::LeCun, false, None).1, 0.1);
    near(scaled(Family::Glorot, true, Some(800.0)).1 * 10.0, 10.0 * (2.0f64 / 900.0).sqrt());
    let values =
        drawn(&[10_000], Init::Draw(Draw::LogUniform(number(0.01), number(100.0))), "W", 3)
            .unwrap();
    assert!(values.mapv(f64::ln).mean().unwrap().abs() < 0.1);
    assert!(values.iter().all(|it| *it > 0.01 && *it < 100.0));
}

#[test]
fn orthogonal_matrices_have_orthonormal_rows_or_columns_in_each_copy() {
    for (rows, cols) in [(4, 4), (3, 7), (7, 3), (1, 5), (1, 1)] {
        let init = Init::Draw(Draw::Orthogonal(number(2.0)));
        let all = drawn(&[2, rows, cols], init, "U", 1).unwrap();
        for copy in all.outer_iter() {
            let m = copy.into_dimensionality::<ndarray::Ix2>().unwrap();
            let square = if rows <= cols { m.dot(&m.t()) } else { m.t().dot(&m) };
            for ((i, j), value) in square.indexed_iter() {
                let expected = if i == j { 4.0 } else { 0.0 };
                assert!((value - expected).abs() < 1e-13, "{rows} {cols} {square}");
            }
        }
        assert!(
            rows * cols == 1
                || all.index_axis(ndarray::Axis(0), 0) != all.index_axis(ndarray::Axis(0), 1)
        );
    }
}

#[test]
fn orthogonal_signs_are_fair() {
    // Without the correction of the signs, the first entry would always be negative.
    let init = || Init::Draw(Draw::Orthogonal(number(1.0)));
    let positive =
        (0..400).filter(|seed| drawn(&[3, 3], init(), "U", *seed).unwrap()[[0, 0]] > 0.0).count();
    assert!((150..250).contains(&positive), "{positive}");
}

#[test]
fn fixed_patterns_are_exact() {
    let values = |shape: &[i64], init| -> Vec<f64> {
        drawn(shape, init, "W", 0).unwrap().iter().copied().collect()
    };
    assert_eq!(values(&[2, 3], Init::Iota(Dim::number(3))), [0.0, 1.0, 2.0, 0.0, 1.0, 2.0]);
    assert_eq!(values(&[3], Init::Linspace(number(1.0), number(2.0))), [1.0, 1.5, 2.0]);
    assert_eq!(values(&[1], Init::Linspace(number(1.0), number(2.0))), [1.0]);
    assert_eq!(
        values(&[2, 3], Init::Draw(Draw::Identity(number(0.5)))),
        [0.5, 0.0, 0.0, 0.0, 0.5, 0.0]
    );
    assert_eq!(values(&[], Init::Const(number(-1.5))), [-1.5]);
}

#[test]
fn arguments_out_of_range_are_errors() {
    let fault = |draw| drawn(&[2], Init::Draw(draw), "W", 0).unwrap_err().to_string();
    assert_eq!(
        fault(Draw::Uniform(number(1.0), number(0.0))),
        "param `W` cannot be drawn: the range 1 to 0 is empty"
    );
    assert_eq!(
        fault(Draw::Normal(number(0.0), number(-1.0))),
        "param `W` cannot be drawn: the standard deviation must not be negative, but is -1"
    );
    assert!(fault(Draw::LogUniform(number(0.0), number(1.0))).contains("above 0"));
    assert!(fault(Draw::Orthogonal(number(f64::NAN))).contains("finite"));
    let fault = drawn(&[2], Init::Iota(Dim::number(3)), "W", 0).unwrap_err();
    assert_eq!(fault.code(), Code::ConstantOutOfRange);
}
