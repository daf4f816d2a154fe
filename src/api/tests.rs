//! From a text to an engine that is ready, for cells of many equations.

#[path = "../../tests/support/large.rs"]
mod large;

use super::Spec;
use crate::exec::{Engine, EngineKind, EngineOptions};
use crate::ir::Graph;
use crate::plan::pipeline::{FAST, Graphs, PLAIN};
use crate::text::work;

/// The engine of a cell of a family.
fn prepare(family: &str, equations: usize) -> Engine {
    let spec = Spec::parse(&large::source(family, equations)).expect(family);
    let bound = spec.configure(None, &[]).expect(family).bind([]).expect(family);
    let engine = bound.engine(EngineOptions::default()).expect(family);
    assert_eq!(engine.kind(), EngineKind::Fast, "{family}");
    engine
}

/// Any scan per node, value, instruction or loop makes the larger cell take four times as much for each
/// equation as the smaller one.
#[test]
fn work_grows_as_the_cell() {
    for family in large::FAMILIES {
        let work = |equations: usize| {
            let before = work::done();
            prepare(family, equations);
            work::done() - before
        };
        let (small, large) = (work(400), work(1600));
        assert!(large < 5 * small, "{family}: {small} steps of work become {large}");
    }
}

/// The elements that the graphs compute in a step grow as the cell, too: no iteration of a loop makes an array of all.
#[test]
fn elements_grow_as_the_cell() {
    for family in large::FAMILIES {
        for passes in [PLAIN, FAST] {
            let elements = |equations: usize| -> i64 {
                let spec = Spec::parse(&large::source(family, equations)).expect(family);
                let bound = spec.configure(None, &[]).expect(family).bind([]).expect(family);
                let graphs = Graphs::new(bound.cell(), bound.env(), &[]).run(passes);
                let (cell, adjoint) = graphs.training().expect(family);
                let size = |name: &str| bound.env().sizes.get(name).copied();
                let of = |graph: &Graph| -> i64 {
                    let sizes = graph.nodes().iter().map(|it| it.shape.size().ok()?.eval(&size));
                    sizes.sum::<Option<i64>>().expect(family)
                };
                of(&cell.step) + of(&adjoint.graph)
            };
            let (small, large) = (elements(400), elements(1600));
            assert!(large < 5 * small, "{family}: {small} elements become {large}");
        }
    }
}

/// A thread of a program has 2 MiB, however deep a chain of equations is.
#[test]
fn ten_thousand_equations_need_no_deep_stack() {
    for family in large::FAMILIES {
        let run = move || {
            prepare(family, 10_000);
        };
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(run);
        thread.expect("a thread").join().expect(family);
    }
}
