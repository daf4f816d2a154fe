//! The fast engine against the reference interpreter.

use ndarray::ArrayD;

use super::weights::Needs;
use super::*;
use crate::exec::{self, Bound, Feed, InitialState, Inputs, Masks, Params, Upstream};
use crate::ir::{Env, Real};

pub(super) fn sized(cell: &crate::ir::Cell, size: i64) -> Option<Bound> {
    let mut env = Env::default();
    for (at, dim) in cell.dims.iter().enumerate() {
        if dim.default.is_none() && dim.like.is_none() {
            env.sizes.insert(dim.name.clone(), size + at as i64);
        }
    }
    exec::bind(cell, env).ok()
}

pub(super) fn noise(shape: &[usize], seed: u64) -> ArrayD<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let shape = ndarray::IxDyn(shape);
    ArrayD::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32 * 1.6 - 0.8
    })
}

/// The Euclidean norm of a difference; infinities of one sign are the same.
fn apart(a: &ArrayD<f32>, b: &ArrayD<f64>, counts: &dyn Fn(usize) -> bool) -> f64 {
    let pairs = a.iter().map(|it| f64::from(*it)).zip(b).enumerate();
    let pairs = pairs.filter(|(at, (a, b))| a != *b && counts(*at));
    pairs.map(|(_, (a, b))| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// A result is as near to double precision as 1e-5, or as the interpreter in single precision is;
/// where that gives no number, it gives none.
fn close(what: &str, actual: &ArrayD<f32>, plain: &ArrayD<f32>, exact: &ArrayD<f64>) {
    assert_eq!(actual.shape(), exact.shape(), "{what}");
    let none: Vec<bool> = plain.iter().map(|it| it.is_nan()).collect();
    assert!(actual.iter().zip(&none).all(|(it, none)| it.is_nan() == *none), "{what}: NaN");
    let counts = |at: usize| !none[at];
    let norm = exact.iter().filter(|it| it.is_finite()).map(|it| it * it).sum::<f64>().sqrt();
    let error = apart(actual, exact, &counts);
    let bound = (1e-5 * norm.max(1.0)).max(2.0 * apart(plain, exact, &counts));
    assert!(error <= bound, "{what}: {error:.2e} of {norm:.2e}, {bound:.2e} allowed");
}

fn same_bits(what: &str, a: &ArrayD<f32>, b: &ArrayD<f32>) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()), "{what}");
}

/// What a cell is run with.
pub(super) struct Case<F> {
    pub params: Params<F>,
    pub inputs: Inputs<F>,
    pub state: InitialState<F>,
    pub masks: Masks<F>,
    pub upstream: Upstream<F>,
}

impl Case<f32> {
    pub fn new(
        bound: &Bound,
        steps: usize,
        batch: usize,
        lengths: Option<Vec<usize>>,
    ) -> Case<f32> {
        let cell = bound.cell();
        let feed = |(at, shape): (usize, &Vec<usize>)| {
            let all = [&[steps, batch], &shape[..]].concat();
            let index = cell.inputs[at].index.is_some();
            let array = noise(&all, at as u64 + 5);
            Some(Feed::Batch(if index { array.mapv(|_| 0.0) } else { array }))
        };
        let feeds = bound.input_shapes().iter().enumerate().map(feed).collect();
        let mut inputs = Inputs::new(feeds);
        inputs.lengths = lengths;
        (inputs.steps, inputs.batch) = (Some(steps), Some(batch));
        let outputs = (0..cell.outputs.len())
            .map(|it| Some(noise(&[&[steps, batch], bound.output_shape(it)].concat(), 8)));
        let states = bound.carry_shapes().iter();
        let states = states.map(|it| Some(noise(&[&[batch], &it[..]].concat(), 9)));
        Case {
            params: bound.init(1).unwrap(),
            inputs,
            state: InitialState::declared(cell.carries.len()),
            masks: if cell.masks.is_empty() { Masks::Eval } else { Masks::train(3) },
            upstream: Upstream { outputs: outputs.collect(), states: states.collect() },
        }
    }

    fn exact(&self) -> Case<f64> {
        let wide = |it: &ArrayD<f32>| it.mapv(f64::from);
        let all = |it: &[Option<ArrayD<f32>>]| it.iter().map(|it| it.as_ref().map(wide)).collect();
        let feed = |it: &Option<Feed<f32>>| it.as_ref().map(|it| Feed::Batch(wide(it.array())));
        Case {
            params: Params::new(self.params.arrays().iter().map(wide).collect()),
            inputs: Inputs {
                feeds: self.inputs.feeds.iter().map(feed).collect(),
                lengths: self.inputs.lengths.clone(),
                steps: self.inputs.steps,
                batch: self.inputs.batch,
            },
            state: InitialState::declared(self.state.0.len()),
            masks: match self.masks {
                Masks::Eval => Masks::Eval,
                Masks::Train(_) => Masks::train(3),
            },
            upstream: Upstream {
                outputs: all(&self.upstream.outputs),
                states: all(&self.upstream.states),
            },
        }
    }
}

/// All results of a run, by their names.
pub(super) type Results<F> = Vec<(String, ArrayD<F>)>;

pub(super) fn named<F: Clone>(kind: &str, all: &[ArrayD<F>]) -> Results<F> {
    all.iter().enumerate().map(|(at, it)| (format!("{kind} {at}"), it.clone())).collect()
}

pub(super) fn of_gradients<F: Real>(gradients: Gradients<F>) -> Results<F> {
    let flow = gradients.flow.into_iter();
    let flow = flow.map(|it| it.map(|it| ndarray::Array1::from(it).into_dyn()));
    let kinds = [
        ("param", gradients.params),
        ("input", gradients.inputs),
        ("start", gradients.starts),
        ("flow", flow.collect()),
    ];
    let mut all = Vec::new();
    for (kind, arrays) in kinds {
        for (at, array) in arrays.into_iter().enumerate() {
            all.extend(array.map(|it| (format!("gradient of {kind} {at}"), it)));
        }
    }
    all
}

/// What the interpreter gives.
fn expected<F: Real>(bound: &Bound, case: &Case<F>, traces: &[Name]) -> Results<F> {
    let Case { params, inputs, state, masks, upstream } = case;
    let run = exec::forward(Call { bound, params, inputs, state, masks }, traces).unwrap();
    let plain = crate::derive::adjoint(bound.cell());
    let gradients = exec::backward(&run, &plain, upstream).unwrap();
    let mut all = named("output", &run.outputs);
    all.extend(named("state", &run.states));
    all.extend(named("trace", &run.traces));
    all.extend(of_gradients(gradients));
    all
}

/// What an engine gives, with gradients or without.
pub(super) fn found(fast: &Fast, case: &Case<f32>, keeps: bool) -> Results<f32> {
    let Case { params, inputs, state, masks, upstream } = case;
    let call = Call { bound: fast.bound(), params, inputs, state, masks };
    let mut run = fast.forward(call, keeps.then_some(Wanted::ALL)).unwrap();
    let mut all = named("output", &run.outputs);
    all.extend(named("state", &run.states));
    all.extend(named("trace", &run.traces));
    if keeps {
        all.extend(of_gradients(fast.backward(&mut run, &upstream.view()).unwrap()));
        // What forward kept is still there.
        let again = of_gradients(fast.backward(&mut run, &upstream.view()).unwrap());
        let last = &all[all.len() - again.len()..];
        last.iter().zip(&again).for_each(|(a, b)| same_bits(&a.0, &a.1, &b.1));
    }
    fast.end(run.keep());
    all
}

/// Compares all results on these paths with those of the interpreter, and those of two and three
/// threads with those of one.
fn compare(name: &str, bound: &Bound, case: &Case<f32>, paths: &[Path]) {
    let names: Vec<Name> = bound.cell().values.iter().map(|it| it.name.clone()).collect();
    let plain = expected(bound, case, &names);
    let exact = expected(bound, &case.exact(), &names);
    for path in paths {
        for traces in [&names[..], &[]] {
            let engine = |threads: usize| {
                Fast::with(bound, traces, (true, Wanted::ALL), *path, exec::Team::new(threads))
                    .expect(name)
            };
            let fast = engine(1);
            for keeps in [false, true] {
                let results = found(&fast, case, keeps);
                let wanted = plain.iter().zip(&exact);
                let mut wanted = wanted.filter(|((kind, _), _)| {
                    (keeps || !kind.starts_with("gradient"))
                        && (!traces.is_empty() || !kind.starts_with("trace"))
                });
                for (kind, array) in &results {
                    let ((_, plain), (expected, exact)) = wanted.next().expect("as many results");
                    assert_eq!(kind, expected, "{name}");
                    close(&format!("{name} {path:?} {kind}"), array, plain, exact);
                }
                assert!(wanted.next().is_none(), "{name}: results are missing");
                for threads in [2, 3] {
                    let others = found(&engine(threads), case, keeps);
                    for ((kind, one), (_, other)) in results.iter().zip(&others) {
                        let what = format!("{name} {path:?} {kind}: {threads} threads");
                        same_bits(&what, one, other);
                    }
                }
            }
        }
    }
}

/// Whether a long form of a test is asked for, by the variable RNNC_EXHAUSTIVE.
fn is_exhaustive() -> bool {
    std::env::var_os("RNNC_EXHAUSTIVE").is_some()
}

/// Runs a test on the cells of the library; all failures are reported.
pub(super) fn every_cell(test: impl Fn(usize, &str, &crate::ir::Cell)) {
    let (mut count, mut wrong) = (0, Vec::new());
    for (at, file) in crate::api::library().enumerate() {
        let spec = crate::Spec::parse(file.source).unwrap();
        let Some(cell) = spec.cells().last() else { continue };
        count += 1;
        let run = std::panic::AssertUnwindSafe(|| test(at, file.name, cell));
        if std::panic::catch_unwind(run).is_err() {
            wrong.push(file.name);
        }
    }
    assert_eq!(wrong, Vec::<&str>::new());
    assert!(count > 140, "{count} cells");
}

#[test]
fn every_cell_of_the_library() {
    every_cell(|_, name, cell| {
        let bound = sized(cell, 3).expect("sizes that fit");
        for lengths in [None, Some(vec![4, 0, 5, 1])] {
            compare(name, &bound, &Case::new(&bound, 5, 4, lengths), &Path::available());
        }
    });
}

/// Around the sizes of vectors, tiles and panels, for one sequence and one step too. Each cell takes
/// two of the sizes; with RNNC_EXHAUSTIVE set, which takes an hour, it takes all.
#[test]
fn every_size() {
    const SIZES: [i64; 14] = [1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 47, 49, 64, 65];
    every_cell(|at, name, cell| {
        let count = if is_exhaustive() { SIZES.len() } else { 2 };
        for k in 0..count {
            let size = SIZES[(at + 5 * k) % SIZES.len()];
            // Sizes that a cell refuses, as a head that must be even, are left out.
            let Some(bound) = sized(cell, size) else { continue };
            let (steps, batch) = [(1, 3), (3, 1), (2, 7)][(at + k) % 3];
            compare(name, &bound, &Case::new(&bound, steps, batch, None), &Path::available());
        }
    });
}

/// Large enough that threads share rows, and units of rows; and cells whose past inputs or repeated
/// values make threads wait.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (name, size) in
        [("lstm", 72), ("gru", 128), ("gru_before", 192), ("mamba", 24), ("gla", 16)]
    {
        let spec = crate::Spec::parse(crate::api::library_file(name).unwrap().source).unwrap();
        let bound = sized(spec.cells().last().unwrap(), size).unwrap();
        for (steps, batch, lengths) in [
            (9, 33, None),
            (9, 33, Some((0..33).map(|it| it % 10).collect())),
            (6, 1, None),
            (5, 5, None),
        ] {
            let case = Case::new(&bound, steps, batch, lengths);
            for path in Path::available() {
                let one = found(&Fast::new(&bound, &[], path, 1).unwrap(), &case, true);
                assert!(one.iter().any(|it| it.1.iter().any(|it| *it != 0.0)));
                for threads in [2, 3] {
                    let fast = Fast::new(&bound, &[], path, threads).unwrap();
                    let found = found(&fast, &case, true);
                    for ((kind, one), (_, other)) in one.iter().zip(&found) {
                        let shape = format!("{steps}x{batch}, {threads} threads");
                        same_bits(&format!("{name} {path:?} {kind}: {shape}"), one, other);
                    }
                }
            }
        }
    }
}

/// A cell of these lines, whose dims are set.
fn own(lines: &str, sizes: &[(&str, i64)]) -> Bound {
    let cell = crate::Spec::parse(&format!("cell Own {{\n{lines}\n}}")).unwrap();
    cell.configure(None, &[]).unwrap().bind(sizes.iter().copied()).unwrap()
}

/// Products that share axes are summed over rows as they are; their axes may stand in any order.
#[test]
fn gradients_of_products_that_share_several_axes() {
    let spec = |first: &str, second: &str, sum: &str| {
        format!(
            "  dims A, B, C, R, T, Q
  input v: [A, B, C]
  param G: [2, Q, B * T], F: [2, R, T, C]
  let one = {first}
  let two = {second}
  output y = {sum}"
        )
    };
    let chain = |at: usize| format!("transpose(reshape(transpose(F[{at}] @ v), [A, B * T, R]))");
    let plain = |at: usize| format!("reshape(F[{at}] @ v, [A, B * T, R])");
    let sizes = [("A", 3), ("B", 2), ("C", 4), ("R", 5), ("T", 3), ("Q", 2)];
    for (first, second, sum) in [
        (chain(0), chain(1), "G[0] @ one + G[1] @ two"),
        (chain(0), chain(0), "(G[0] @ one) * (G[1] @ two)"),
        (chain(1), chain(0), "tanh(G[1] @ one) - G[1] @ two"),
        (plain(0), plain(1), "G[0] @ transpose(one) + G[1] @ transpose(two)"),
        (plain(0), chain(1), "transpose(G[0] @ transpose(one)) - transpose(G[0] @ two)"),
    ] {
        let bound = own(&spec(&first, &second, sum), &sizes);
        for lengths in [None, Some(vec![4, 0, 5])] {
            compare(sum, &bound, &Case::new(&bound, 5, 3, lengths), &Path::available());
        }
    }
}

/// The programs for all that may be given and left out, in training and in evaluation.
#[test]
fn every_cell_of_the_library_has_every_program() {
    every_cell(|_, name, cell| {
        let bound = sized(cell, 3).expect("sizes that fit");
        let fast = Fast::new(&bound, &[], Path::best(), 1).expect(name);
        let has_default = |it: &crate::ir::Input| it.default.is_some();
        for left_out in [false, true] {
            let inputs = bound.cell().inputs.iter();
            let inputs: Vec<bool> = inputs.map(|it| left_out && has_default(it)).collect();
            for (masks, keeps) in [(false, false), (false, true), (true, false), (true, true)] {
                let fixed = Fixed { inputs: inputs.clone(), masks };
                fast.prepare(Key { fixed, keeps: keeps.then_some(Wanted::ALL) }).expect(name);
            }
        }
    });
}

/// What no cell draws: plans that are spoilt on their way to a program.
#[test]
fn a_plan_that_does_not_fit_is_an_error_that_names_the_value() {
    let bound = own(
        "  dims N
  input x: [N], s: []
  param p: [N]
  let q = tanh(p)
  let wide = sigmoid(x) * q
  let narrow = exp(s)
  output wide, narrow",
        &[("N", 5)],
    );
    let fast = Fast::new(&bound, &[], Path::best(), 1).unwrap();
    let plan = || Plan::of(fast.bound.cell(), &fast.adjoint, &fast.streamed(), &[]);
    assert!(Compiled::new(&fast.bound, plan(), &[], Some(Wanted::ALL)).is_ok());
    let fault = |plan| Compiled::new(&fast.bound, plan, &[], Some(Wanted::ALL)).unwrap_err();
    let ends_well = |fault: &EngineError| {
        assert!(fault.to_string().ends_with("--engine reference"), "{fault}");
        assert!(RunError::from(fault.clone()).to_string().ends_with("--engine reference"));
    };

    // A value of five numbers among those of one: it is written beyond its rows.
    let mut spoilt = plan();
    let tasks = |spoilt: &mut Plan| {
        let stage = spoilt.forward.stages.iter().position(|it| !it.tasks.is_empty()).unwrap();
        std::mem::take(&mut spoilt.forward.stages[stage].tasks)
    };
    let all: Vec<NodeId> = tasks(&mut spoilt).iter().flat_map(plan::Task::nodes).collect();
    let stage = spoilt.forward.stages.iter().position(|it| it.tasks.is_empty()).unwrap();
    spoilt.forward.stages[stage].tasks = vec![plan::Task::Elementwise(all)];
    let found = fault(spoilt);
    assert!(["`wide`", "`narrow`", "a value of `sigmoid`"].contains(&&*found.what), "{found}");
    assert!(found.span.is_some());
    ends_well(&found);

    // What is the same for all rows, read row by row.
    let mut spoilt = plan();
    let graph = &spoilt.adjoint.graph;
    let of_q = |it: &NodeId| {
        let op = &graph.node(*it).op;
        matches!(op, Op::Leaf(Leaf::Forward(of)) if fast.bound.cell().step.node(*of).name.as_deref() == Some("q"))
    };
    let leaf = graph.ids().find(of_q).expect("backward reads q");
    spoilt.backward.once[leaf.idx()] = false;
    let found = fault(spoilt);
    assert_eq!(found.what, "`q`");
    ends_well(&found);

    // An operator that nothing computes row by row, and one among elementwise ones that is none.
    let graph = &fast.bound.cell().step;
    let input = graph.ids().find(|it| graph.node(*it).op.is_leaf()).expect("the step has leaves");
    for (task, reason) in [
        (plan::Task::Single(input), "no kernel computes it for rows"),
        (plan::Task::Elementwise(vec![input]), "it was gathered as elementwise and is not"),
    ] {
        let mut spoilt = plan();
        spoilt.forward.stages[stage].tasks.insert(0, task);
        let found = fault(spoilt);
        assert_eq!((&*found.reason, found.span), (reason, Some(graph.node(input).span)));
        ends_well(&found);
    }

    // Weights that are not the same for all rows after all.
    let source = Source {
        path: Path::best(),
        graph,
        shapes: fast.bound.step_shapes(),
        env: fast.bound.env(),
        params: &[],
        leaf: &|_| None,
    };
    let x = graph.ids().find(|it| matches!(graph.node(*it).op, Op::Leaf(Leaf::Input(_))));
    let needs = Needs { fixed: Vec::new(), fillings: Vec::new(), others: vec![x.unwrap()] };
    let found = Weights::default().fill(&needs, &source, fast.machine().team).unwrap_err();
    assert!(found.reason.contains("the same for all rows"), "{found}");
    ends_well(&found);
}

/// A state is declared before what it is made of, and is not to blame for it.
#[test]
fn the_first_value_in_the_order_of_computing_is_blamed() {
    let bound = own(
        "  dims N
  input x: [N]
  state h: [N]
  h = z + tanh(prev h)
  let z = 0 * log(y - 9)
  let y = sigmoid(x)
  output h",
        &[("N", 2)],
    );
    let case = Case::new(&bound, 3, 1, None);
    for options in [exec::EngineOptions::default(), exec::EngineOptions::reference()] {
        let engine = bound.engine(options).unwrap();
        let run = engine.forward(&case.params, &case.inputs, &case.state).unwrap();
        let found = run.not_finite.as_ref().map(ToString::to_string);
        assert_eq!(found.as_deref(), Some("`z` is NaN at step 0, sequence 0, unit [0]"));
    }
}

/// One step of one sequence is interpreted, and backward goes on in the fast engine.
#[test]
fn what_is_not_finite_takes_one_step_of_the_interpreter() {
    let spec = crate::Spec::parse(crate::api::library_file("lstm").unwrap().source).unwrap();
    let bound = sized(spec.cells().last().unwrap(), 4).unwrap();
    let mut case = Case::new(&bound, 9, 3, Some(vec![9, 4, 9]));
    let spoil = |case: &mut Case<f32>, at: [usize; 3]| {
        if let Some(Feed::Batch(x)) = &mut case.inputs.feeds[0] {
            x[at] = f32::NAN;
        }
    };
    // Padding is not read.
    spoil(&mut case, [5, 1, 0]);
    for (spoilt, steps) in [(false, 0), (true, 1)] {
        if spoilt {
            spoil(&mut case, [6, 2, 1]);
        }
        for memory in [None, Some(1 << 15)] {
            let options = exec::EngineOptions { memory, ..exec::EngineOptions::default() };
            let engine = bound.engine(options).unwrap();
            let before = exec::eval::RUNS.get();
            let run = engine.forward(&case.params, &case.inputs, &case.state).unwrap();
            assert_eq!(run.segments() > 1, memory.is_some());
            let found = run.not_finite.as_ref().map(ToString::to_string);
            let expected = "`x` is NaN at step 6, sequence 2, unit [1]".to_owned();
            assert_eq!(found, spoilt.then_some(expected));
            assert_eq!(run.engine(), exec::EngineKind::Fast);
            let gradients = engine.backward(&run, &case.upstream).unwrap();
            assert_eq!(gradients.params[0].as_ref().unwrap()[[0, 1]].is_nan(), spoilt);
            assert_eq!(exec::eval::RUNS.get() - before, steps);
        }
    }
}

mod both_ways;
mod wanted;
