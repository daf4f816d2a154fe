//! What the fast engine takes for cells of the library: `cargo bench --bench engine [NAME ..]`.
//!
//! One thread, f32, weights packed in every call. The medians of seven runs in milliseconds: of forward,
//! and of forward and backward together with the gradients of params, inputs and starts.

#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::error::Error;
use std::time::Instant;

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{EngineOptions, Feed, InitialState, Inputs, Upstream};

const SHAPES: [[usize; 4]; 4] =
    [[1, 128, 128, 256], [32, 128, 256, 100], [64, 512, 512, 50], [16, 1024, 1024, 25]];
const CELLS: [&str; 6] = ["lstm", "gru", "rnn", "mgu", "indrnn", "mingru"];

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let cells =
        CELLS.iter().copied().filter(|it| asked.is_empty() || asked.iter().any(|a| a == it));
    println!(
        "{:10} {:>4} {:>5} {:>5} {:>4} {:>10} {:>10}",
        "cell", "B", "I", "H", "T", "forward", "both"
    );
    for name in cells {
        for [b, i, h, t] in SHAPES {
            let (forward, both) = measure(name, b, i, h, t)?;
            println!("{name:10} {b:4} {i:5} {h:5} {t:4} {forward:10.2} {both:10.2}");
        }
    }
    Ok(())
}

fn measure(
    name: &str,
    b: usize,
    i: usize,
    h: usize,
    t: usize,
) -> Result<(f64, f64), Box<dyn Error>> {
    let source = rnnc::api::library_file(name).map_or("", |it| it.source);
    let cell = rnnc::Spec::parse(source)?.configure(None, &[])?;
    let bound = cell.bind([("I", i as i64), ("H", h as i64)])?;
    let mut options = EngineOptions::default();
    options.threads = 1;
    let engine = bound.engine(options).unwrap();
    let mut params = bound.init::<f32>(1)?;
    let mut at = 0.0f32;
    let x = ArrayD::from_shape_simple_fn(IxDyn(&[t, b, i]), || {
        at += 1.0;
        (at * 0.7).sin()
    });
    let inputs = Inputs::new(vec![Some(Feed::Batch(x))]);
    let carries = bound.cell().carries.len();
    let state = InitialState::declared(carries);
    let upstream = Upstream::ones(1, carries);
    let (mut forward, mut both) = (Vec::new(), Vec::new());
    for _ in 0..7 {
        // As after a step of an optimiser.
        params.arrays_mut();
        let begin = Instant::now();
        let run = engine.forward(&params, &inputs, &state)?;
        forward.push(begin.elapsed().as_secs_f64() * 1e3);
        engine.backward(&run, &upstream)?;
        both.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok((median(forward), median(both)))
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
