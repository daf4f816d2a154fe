//! How long it takes from a source text to an engine that is ready: `cargo bench --bench prepare [NAME ..]`.
//!
//! Cells of the library in milliseconds, and the families of `tests/support/large.rs` in seconds for 1,000 to 8,000
//! equations, with the factor by which each doubling grows: 2 is linear, 4 is quadratic. The best of several runs.

#![allow(clippy::print_stdout, reason = "a bench prints")]

#[path = "../tests/support/large.rs"]
mod large;

use std::error::Error;
use std::time::Instant;

use rnnc::exec::EngineOptions;

const SIZES: [usize; 4] = [1000, 2000, 4000, 8000];
const CELLS: [&str; 4] = ["lstm", "gru", "indrnn", "mamba2"];

/// What is measured, in the order in which it happens.
const STAGES: [&str; 4] = ["check", "bind", "engine", "all"];

fn main() -> Result<(), Box<dyn Error>> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|it| it == name);
    let [check, bind, engine, all] = STAGES;
    println!("{:8} {:>9} {check:>9} {bind:>9} {engine:>9} {all:>9}", "cell", "");
    for name in CELLS.into_iter().filter(|it| wanted(it)) {
        let source = rnnc::api::library_file(name).map_or("", |it| it.source);
        let times = best(source, 100)?;
        print_row(name, "ms", times.map(|it| it * 1e3));
    }
    for family in large::FAMILIES.into_iter().filter(|it| wanted(it)) {
        let mut before = None;
        for size in SIZES {
            let times = best(&large::source(family, size), 2)?;
            print_row(family, &size.to_string(), times);
            if let Some(before) = before {
                let mut factors = times;
                factors.iter_mut().zip(before).for_each(|(now, before): (_, f64)| *now /= before);
                print_row("", "factor", factors);
            }
            before = Some(times);
        }
    }
    Ok(())
}

fn print_row(name: &str, what: &str, [check, bind, engine, all]: [f64; 4]) {
    println!("{name:8} {what:>9} {check:9.3} {bind:9.3} {engine:9.3} {all:9.3}");
}

/// The seconds of each stage of the fastest run.
fn best(source: &str, runs: usize) -> Result<[f64; 4], Box<dyn Error>> {
    let mut best: Option<[f64; 4]> = None;
    for _ in 0..runs {
        let begin = Instant::now();
        let spec = rnnc::Spec::parse(source)?;
        let check = begin.elapsed().as_secs_f64();
        let cell = spec.configure(None, &[])?;
        let open = cell.ir().dims.iter().filter(|it| it.default.is_none() && it.like.is_none());
        let sizes: Vec<(String, i64)> = open.map(|it| (it.name.to_string(), 8)).collect();
        let bound = cell.bind(sizes.iter().map(|(name, size)| (name.as_str(), *size)))?;
        let bind = begin.elapsed().as_secs_f64() - check;
        let mut options = EngineOptions::default();
        options.threads = 1;
        let engine = bound.engine(options)?;
        let all = begin.elapsed().as_secs_f64();
        drop(engine);
        if best.is_none_or(|it| all < it[3]) {
            best = Some([check, bind, all - check - bind, all]);
        }
    }
    Ok(best.unwrap_or_default())
}
