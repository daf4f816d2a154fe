//! What a drawing takes: `cargo bench --bench graph`. For each level the cell of the library that takes longest, and all
//! of them together, in milliseconds; the least of five.

#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::error::Error;
use std::time::Instant;

use rnnc::graph::picture::picture;
use rnnc::graph::read::Library;
use rnnc::graph::svg::{Theme, svg};
use rnnc::graph::{self, Detail, LEGEND};
use rnnc::{Spec, check};

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:10} {:>8} {:>8}  slowest", "level", "all", "slowest");
    for (detail, back) in
        [(Detail::Equations, false), (Detail::Equations, true), (Detail::Operators, false)]
    {
        let (mut all, mut slowest) = (0.0, (0.0, ""));
        for file in rnnc::api::library() {
            let spec = Spec::parse(file.source)?;
            let cell = spec.configure(None, &[])?;
            let mut least = f64::MAX;
            for _ in 0..5 {
                let start = Instant::now();
                let analysis = check::analyse(spec.program());
                let cells = spec.cells().iter().chain(spec.used_cells()).collect();
                let range = |it| analysis.type_of(it)?.range;
                let (tree, open) = (&analysis.tree, &|_: &str| false);
                let library = Library { tree, cells, open, range: &range };
                let diagram = graph::draw(&library, cell.ir(), detail, back);
                let text = svg(&diagram, &picture(&diagram, LEGEND), Theme::Auto, true);
                std::hint::black_box(text);
                least = least.min(start.elapsed().as_secs_f64() * 1e3);
            }
            all += least;
            if least > slowest.0 {
                slowest = (least, file.name);
            }
        }
        let name = if back { "backward" } else { detail.word() };
        println!("{name:10} {all:8.1} {:8.1}  {}", slowest.0, slowest.1);
    }
    Ok(())
}
