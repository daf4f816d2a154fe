//! What the fast engine takes of the system: nothing for a step, nothing within a loop over time,
//! and for a backward run as much as the plan says.

#![allow(
    unsafe_code,
    reason = "an allocator can be written in no other way; it only counts and passes on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{self, Bound, EngineOptions, Feed, InitialState, Inputs, Masks, Upstream};
use rnnc::ir::Env;
use rnnc::plan::Plan;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often any thread took a block.
static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the allocator of the system as it came; `realloc` and `alloc_zeroed`
// are the default ones, which call `alloc`.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

/// How often a call takes a block, in all threads.
fn counted<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = COUNT.load(Ordering::Relaxed);
    let result = call();
    (result, COUNT.load(Ordering::Relaxed) - before)
}

/// A cell of the library; sizes that units of threads fit.
fn library(name: &str, size: i64) -> Bound {
    let source = rnnc::api::library_file(name).unwrap().source;
    let spec = rnnc::Spec::parse(source).unwrap();
    let cell = spec.main().unwrap();
    let mut env = Env::default();
    for dim in cell.dims.iter().filter(|it| it.like.is_none() && it.default.is_none()) {
        env.sizes.insert(dim.name.clone(), size);
    }
    exec::bind(cell, env).unwrap()
}

fn waves(shape: &[usize]) -> ArrayD<f32> {
    let mut at = 0.0f32;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        at += 0.7;
        at.sin()
    })
}

/// An input, 0 where it is an index.
fn feed(bound: &Bound, input: usize, outer: &[usize]) -> ArrayD<f32> {
    let shape = [outer, &bound.input_shapes()[input]].concat();
    match bound.cell().inputs[input].index {
        Some(_) => ArrayD::zeros(IxDyn(&shape)),
        None => waves(&shape),
    }
}

fn inputs(bound: &Bound, steps: usize, batch: usize, lengths: Option<Vec<usize>>) -> Inputs<f32> {
    let feeds = (0..bound.cell().inputs.len()).map(|it| feed(bound, it, &[steps, batch]));
    let mut inputs = Inputs::new(feeds.map(|it| Some(Feed::Batch(it))).collect());
    inputs.lengths = lengths;
    (inputs.steps, inputs.batch) = (Some(steps), Some(batch));
    inputs
}

fn engine(bound: &Bound, threads: usize) -> exec::Engine {
    let mut options = EngineOptions::default();
    options.threads = threads;
    bound.engine(options).unwrap()
}

/// The counter sees all threads: so there is one test, and what is measured runs alone.
#[test]
fn memory() {
    let (_, count) = counted(|| std::thread::spawn(|| vec![0u8; 100]).join().unwrap());
    assert!(count > 0, "the counter counts");
    steps_take_nothing();
    loops_take_nothing();
    backward_reads_what_the_plan_keeps();
}

fn steps_take_nothing() {
    for threads in [1, 2] {
        for file in rnnc::api::library() {
            let bound = library(file.name, 4);
            steps(file.name, &bound, 3, threads);
        }
        // Large enough to be divided.
        for name in ["gru", "lstm", "mgu", "gru_before", "mingru", "mlstm"] {
            steps(name, &library(name, if name == "mlstm" { 16 } else { 192 }), 4, threads);
        }
    }
}

fn steps(name: &str, bound: &Bound, batch: usize, threads: usize) {
    let engine = engine(bound, threads);
    assert_eq!(engine.kind(), exec::EngineKind::Fast, "{name}");
    let params = bound.init::<f32>(1).unwrap();
    let start = InitialState::declared(bound.cell().carries.len());
    let mut stream = engine.stream(&params, &start, batch).unwrap();
    let inputs: Vec<ArrayD<f32>> =
        (0..bound.cell().inputs.len()).map(|it| feed(bound, it, &[batch])).collect();
    let views: Vec<_> = inputs.iter().map(|it| it.view()).collect();
    engine.step(&params, &views, &mut stream).unwrap();
    // A thread that begins late takes what it needs while the first steps run: the fewest of three.
    let five = || {
        let steps = || {
            (0..5).for_each(|_| {
                engine.step(&params, &views, &mut stream).unwrap();
            })
        };
        counted(steps).1
    };
    let count = std::iter::repeat_with(five).take(3).min().unwrap();
    assert_eq!(count, 0, "{name}, {threads} threads: steps allocate");
}

/// Ten times as many steps take as many blocks, but for a few, forward and backward.
fn loops_take_nothing() {
    for (name, size) in [
        ("gru", 6),
        ("lstm", 64),
        ("mgu", 6),
        ("gru_before", 6),
        ("mingru", 6),
        ("mlstm", 4),
        ("fs_lstm", 6),
        ("mamba", 4),
    ] {
        let bound = library(name, size);
        for threads in [1, 2] {
            for ragged in [false, true] {
                let engine = engine(&bound, threads);
                let least = |steps: usize| {
                    let all: Vec<_> = (0..3).map(|_| runs(&engine, steps, ragged)).collect();
                    (all.iter().map(|it| it.0).min(), all.iter().map(|it| it.1).min())
                };
                // The long runs leave memory that is large enough for the short ones.
                let (long, short) = (least(200), least(20));
                // What is worth threads is cut into pieces: a few blocks more, however long it is.
                let near = |long: Option<usize>, short: Option<usize>| {
                    long.zip(short).is_some_and(|(long, short)| long <= short + 8)
                };
                assert!(
                    near(long.0, short.0) && near(long.1, short.1),
                    "{name}, {threads} threads, ragged: {ragged}: {long:?}, {short:?}"
                );
            }
        }
    }
}

/// How many blocks a forward run and a backward run take.
fn runs(engine: &exec::Engine, steps: usize, ragged: bool) -> (usize, usize) {
    let bound = engine.bound();
    let lengths = ragged.then(|| vec![steps / 2, steps, 0, steps / 4]);
    let inputs = inputs(bound, steps, 4, lengths);
    let params = bound.init::<f32>(1).unwrap();
    let state = InitialState::declared(bound.cell().carries.len());
    let masks = if bound.cell().masks.is_empty() { Masks::Eval } else { Masks::train(1) };
    let run = || engine.forward_with(&params, &inputs, &state, &masks).unwrap();
    let (run, forward) = counted(run);
    let upstream = Upstream::ones(bound.cell().outputs.len(), bound.cell().carries.len());
    let (_, backward) = counted(|| engine.backward(&run, &upstream).unwrap());
    (forward, backward)
}

fn backward_reads_what_the_plan_keeps() {
    let mut compared = 0;
    for file in rnnc::api::library() {
        let name = file.name;
        let bound = library(name, 4);
        // The engine knows the numbers of hypers, and leaves out what they make 0.
        let cell = bound.cell();
        let numbers = Plan::with(bound.cell(), bound.env()).unwrap().kept_numbers().unwrap();
        let numbers = bound.env().size(&numbers).unwrap() as usize;
        let carried: usize =
            bound.carry_shapes().iter().map(|it| it.iter().product::<usize>()).sum();
        let engine = engine(&bound, 1);
        let params = bound.init::<f32>(1).unwrap();
        let state = InitialState::declared(bound.cell().carries.len());
        let masks = if cell.masks.is_empty() { Masks::Eval } else { Masks::train(1) };
        for lengths in [None, Some(vec![2, 5, 0])] {
            let inputs = inputs(&bound, 5, 3, lengths);
            let run = engine.forward_with(&params, &inputs, &state, &masks).unwrap();
            let rows: usize = run.lengths().iter().sum();
            let starts = run.lengths().iter().filter(|it| **it > 0).count();
            let expected = 4 * (numbers * rows + carried * starts);
            // Where something is not finite the interpreter ran.
            if let Some(bytes) = run.kept_bytes() {
                assert_eq!(bytes, expected, "{name}, {:?}", run.lengths());
                compared += 1;
            }
        }
    }
    assert!(compared > 280, "{compared} runs");
}
