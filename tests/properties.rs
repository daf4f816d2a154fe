//! What holds for every cell: random ones here, those of the library here and in `tests/exec.rs`.

mod support {
    pub mod generate;
}

use ndarray::{ArrayD, Axis, Slice};
use proptest::prelude::*;
use rnnc::exec::gradcheck::{self, Options};
use rnnc::exec::{
    self, Bound, Call, Feed, InitialState, Inputs, Masks, Params, Training, Upstream,
};
use rnnc::ir;
use rnnc::text::FileId;
use rnnc::{Spec, derive, syntax};

const STEPS: usize = 6;
const LENGTHS: [usize; 3] = [6, 4, 0];

/// The cells of the library, with their names.
fn library() -> Vec<(&'static str, Spec)> {
    let all: Vec<_> = rnnc::api::library()
        .map(|it| (it.name, Spec::read(it.name, it.source.as_bytes()).expect("the library checks")))
        .collect();
    assert!(all.len() >= 14, "only {} files", all.len());
    all
}

fn bound(cell: &ir::Cell) -> Bound {
    let mut env = ir::Env::default();
    for (idx, dim) in cell.dims.iter().filter(|it| it.like.is_none()).enumerate() {
        env.sizes.insert(dim.name.clone(), dim.default.unwrap_or(2 + idx as i64));
    }
    exec::bind(cell, env).expect("small sizes fit")
}

/// Numbers in -1..1 that depend on the seed alone.
fn noise(seed: u64, shape: &[usize]) -> ArrayD<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    ArrayD::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

/// A batch of three sequences for every input.
fn inputs(bound: &Bound, seed: u64) -> Inputs<f64> {
    let cell = bound.cell();
    let feeds = cell.inputs.iter().enumerate().map(|(idx, input)| {
        let mut shape = if input.per_sequence { vec![] } else { vec![STEPS] };
        shape.push(LENGTHS.len());
        shape.extend(&bound.input_shapes()[idx]);
        let array = noise(seed + idx as u64, &shape);
        Some(Feed::Batch(match &input.index {
            Some(dim) => {
                let limit = bound.index_limit(dim) as f64;
                array.mapv(|it| ((it + 1.0) / 2.0 * limit).floor().min(limit - 1.0))
            }
            None => array,
        }))
    });
    Inputs::new(feeds.collect())
}

fn declared(cell: &ir::Cell) -> InitialState<f64> {
    InitialState::declared(cell.carries.len())
}

struct Outcome {
    outputs: Vec<ArrayD<f64>>,
    states: Vec<ArrayD<f64>>,
}

/// Bits for the sequences and steps from these on. In evaluation all steps are alike, which proves
/// less.
fn masks(sequence: usize, step: usize) -> Masks<f64> {
    Masks::Train(Training {
        seed: 9,
        first_sequence: sequence as u64,
        first_step: step as u64,
        given: Vec::new(),
        ..Training::new(0)
    })
}

fn run(
    bound: &Bound,
    params: &Params<f64>,
    inputs: &Inputs<f64>,
    state: &InitialState<f64>,
    masks: &Masks<f64>,
) -> Outcome {
    let call = Call { bound, params, inputs, state, masks };
    let run = exec::forward(call, &[]).expect("the data fit");
    Outcome { outputs: run.outputs, states: run.states }
}

/// The part of the inputs that lies in some steps and sequences.
fn cut(
    cell: &ir::Cell,
    inputs: &Inputs<f64>,
    steps: std::ops::Range<usize>,
    batch: std::ops::Range<usize>,
) -> Inputs<f64> {
    let feeds = inputs.feeds.iter().zip(&cell.inputs).map(|(it, input)| {
        it.as_ref().map(|feed| {
            let mut part = feed.array().view();
            if !input.per_sequence {
                part.slice_axis_inplace(Axis(0), Slice::from(steps.clone()));
            }
            let axis = Axis(usize::from(!input.per_sequence));
            Feed::Batch(part.slice_axis(axis, Slice::from(batch.clone())).to_owned())
        })
    });
    Inputs::new(feeds.collect())
}

/// Whether two arrays hold the same bits, a NaN being one.
fn same(a: &ArrayD<f64>, b: &ArrayD<f64>) -> bool {
    a.shape() == b.shape() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// T steps at once are T runs of one step with everything carried.
fn streaming_equals_batch(cell: &ir::Cell) -> Result<(), String> {
    let bound = bound(cell);
    let params = exec::init(&bound, 1).unwrap();
    let inputs = inputs(&bound, 2);
    let whole = run(&bound, &params, &inputs, &declared(cell), &masks(0, 0));
    let mut state = declared(cell);
    for step in 0..STEPS {
        let part = cut(cell, &inputs, step..step + 1, 0..LENGTHS.len());
        let now = run(&bound, &params, &part, &state, &masks(0, step));
        for (output, (whole, now)) in
            cell.outputs.iter().zip(whole.outputs.iter().zip(&now.outputs))
        {
            let whole = whole.slice_axis(Axis(0), Slice::from(step..step + 1)).to_owned();
            if !same(&whole, now) {
                return Err(format!("output `{}` differs at step {step}", output.name));
            }
        }
        state = InitialState(now.states.into_iter().map(Some).collect());
    }
    for (idx, carry) in cell.carries.iter().enumerate() {
        if !same(&whole.states[idx], state.0[idx].as_ref().unwrap()) {
            return Err(format!("`{}` differs after the last step", carry.name));
        }
    }
    Ok(())
}

/// Lengths give what running each sequence alone gives, and what stands beyond is never read.
fn lengths_equal_running_alone(cell: &ir::Cell) -> Result<(), String> {
    let bound = bound(cell);
    let params = exec::init(&bound, 3).unwrap();
    let clean = inputs(&bound, 4);
    let mut padded = clean.clone();
    for (feed, input) in padded.feeds.iter_mut().zip(&cell.inputs) {
        let (Some(Feed::Batch(array)), false) = (feed, input.per_sequence) else { continue };
        for (sequence, &length) in LENGTHS.iter().enumerate() {
            array
                .index_axis_mut(Axis(1), sequence)
                .slice_axis_mut(Axis(0), Slice::from(length..))
                .fill(f64::NAN);
        }
    }
    padded.lengths = Some(LENGTHS.to_vec());
    let all = run(&bound, &params, &padded, &declared(cell), &masks(0, 0));
    for (sequence, &length) in LENGTHS.iter().enumerate() {
        for (idx, output) in cell.outputs.iter().enumerate() {
            let mine = all.outputs[idx].index_axis(Axis(1), sequence);
            let beyond = mine.slice_axis(Axis(0), Slice::from(length..));
            if beyond.iter().any(|it| *it != 0.0) {
                return Err(format!("output `{}` is not 0 beyond length {length}", output.name));
            }
        }
        if length == 0 {
            continue;
        }
        let alone = cut(cell, &clean, 0..length, sequence..sequence + 1);
        let alone = run(&bound, &params, &alone, &declared(cell), &masks(sequence, 0));
        for (idx, output) in cell.outputs.iter().enumerate() {
            let mine = all.outputs[idx].slice_axis(Axis(0), Slice::from(..length));
            let mine = mine.slice_axis(Axis(1), Slice::from(sequence..sequence + 1)).to_owned();
            if !same(&mine, &alone.outputs[idx]) {
                return Err(format!("output `{}` differs at length {length}", output.name));
            }
        }
        for (idx, carry) in cell.carries.iter().enumerate() {
            let mine = all.states[idx].slice_axis(Axis(0), Slice::from(sequence..sequence + 1));
            if !same(&mine.to_owned(), &alone.states[idx]) {
                return Err(format!("`{}` differs at length {length}", carry.name));
            }
        }
    }
    Ok(())
}

/// Simplifying changes no output, state or gradient by more than rounding.
fn simplifying_keeps_numbers(cell: &ir::Cell) -> Result<(), String> {
    let simple = derive::simplify_cell(cell);
    ir::verify::verify(&simple)?;
    let results = |cell: &ir::Cell| {
        let bound = bound(cell);
        let params = exec::init(&bound, 5).unwrap();
        let (inputs, state) = (inputs(&bound, 6), declared(cell));
        let call = Call {
            bound: &bound,
            params: &params,
            inputs: &inputs,
            state: &state,
            masks: &masks(0, 0),
        };
        let run = exec::forward(call, &[]).unwrap();
        // Binding empties nodes that no root needs once the conditions on hypers are decided.
        let adjoint = derive::adjoint(bound.cell());
        let upstream = Upstream::ones(cell.outputs.len(), cell.carries.len());
        let gradients = exec::backward(&run, &adjoint, &upstream).unwrap();
        let mut all = run.outputs.clone();
        all.extend(run.states.iter().cloned());
        all.extend(gradients.params.into_iter().flatten());
        all.extend(gradients.inputs.into_iter().flatten());
        all.extend(gradients.starts.into_iter().flatten());
        all
    };
    let (plain, simple) = (results(cell), results(&simple));
    for (idx, (a, b)) in plain.iter().zip(&simple).enumerate() {
        let size = a.iter().fold(1.0, |size: f64, it| size.max(it.abs()));
        let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        // Sums may be taken in another order.
        if worst.is_nan() || worst > 1e-10 * size {
            return Err(format!("result {idx} differs by {worst:e} at size {size:e}"));
        }
    }
    Ok(())
}

fn printing_is_the_identity(source: &str) -> Result<(), String> {
    let (_, mut tree, found) = syntax::parse_bytes("one", source.as_bytes(), FileId(0));
    if !found.is_empty() {
        return Err(format!("{found:?}"));
    }
    let printed = syntax::print(&tree);
    let (_, mut again, found) = syntax::parse_bytes("two", printed.as_bytes(), FileId(0));
    syntax::erase_spans(&mut tree);
    syntax::erase_spans(&mut again);
    if !found.is_empty() || tree != again || syntax::print(&again) != printed {
        return Err(format!("printed differently:\n{printed}"));
    }
    Ok(())
}

#[test]
fn simplifying_keeps_the_numbers_of_every_cell_of_the_library() {
    for (name, spec) in library() {
        for cell in spec.cells() {
            simplifying_keeps_numbers(cell).unwrap_or_else(|it| panic!("{name}: {it}"));
        }
    }
}

#[test]
fn every_file_of_the_library_prints_as_itself() {
    for file in rnnc::api::library() {
        printing_is_the_identity(file.source).unwrap_or_else(|it| panic!("{}: {it}", file.name));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_cells_hold_what_all_cells_hold(tape in prop::collection::vec(any::<u8>(), 0..300)) {
        let source = support::generate::cell(&tape);
        printing_is_the_identity(&source).map_err(|it| TestCaseError::fail(format!("{source}\n{it}")))?;
        let spec = Spec::parse(&source)
            .map_err(|it| TestCaseError::fail(format!("{source}\n{it}")))?;
        let cell = &spec.cells()[0];
        for holds in [streaming_equals_batch, lengths_equal_running_alone, simplifying_keeps_numbers] {
            holds(cell).map_err(|it| TestCaseError::fail(format!("{source}\n{it}")))?;
        }
        // Central differences of random cells meet too many kinks; forward mode knows none.
        let options = Options { seeds: 1, lengths: vec![5], elements: 0, ..Options::default() };
        let report = gradcheck::gradcheck(cell, &options)
            .map_err(|it| TestCaseError::fail(format!("{source}\n{it}")))?;
        for line in &report.lines {
            let agrees = line.forward.as_ref().is_some_and(|it| it.error <= options.forward_bound);
            prop_assert!(agrees, "{}\n{:#?}", source, line);
        }
    }
}

/// The gradient of `param` in the sum of `v` over one step, at sizes 2 and 3.
fn gradient(source: &str, param: &str) -> ArrayD<f64> {
    let spec = Spec::parse(source).expect("the cell checks");
    let cell = &spec.cells()[0];
    let bound = bound(cell);
    let params = exec::init(&bound, 7).unwrap();
    let inputs = cut(cell, &inputs(&bound, 8), 0..1, 0..1);
    let state = declared(cell);
    let call = Call {
        bound: &bound,
        params: &params,
        inputs: &inputs,
        state: &state,
        masks: &Masks::Eval,
    };
    let run = exec::forward(call, &[]).unwrap();
    let adjoint = derive::adjoint(bound.cell());
    let upstream = Upstream::ones(cell.outputs.len(), cell.carries.len());
    let gradients = exec::backward(&run, &adjoint, &upstream).unwrap();
    gradients.params[cell.param(param).unwrap()].clone().unwrap()
}

#[test]
fn a_branch_not_taken_sends_exactly_zero_even_where_it_is_nan() {
    // The logarithm of a negative number is NaN, and so is its derivative times 0.
    let cell = |value: &str| {
        format!(
            "cell A {{ dims H, N input x: [H] state h: [H] param a: [H] init -1, b: [H] init 2, m: [H, N] init -1
             h = prev h + x let v = {value} output v, h }}"
        )
    };
    let zero = ArrayD::<f64>::zeros(ndarray::IxDyn(&[2]));
    assert_eq!(gradient(&cell("where(a > 0, log(a), b)"), "a"), zero);
    assert_eq!(gradient(&cell("where(a > 0, b * log(a) ^ 0.5, b)"), "a"), zero);
    // The sum over the other axis mixes elements, and none of them is taken.
    assert_eq!(gradient(&cell("where(a > 0, sum(log(m) * b, over N), b)"), "m").sum(), 0.0);
}

#[test]
fn a_branch_taken_in_part_keeps_what_its_elements_send_to_each_other() {
    // Only the first element of the softmax is taken, and it depends on both.
    let source = "cell A { dims H input x: [H] state h: [H] param p: [H] init iota(H)
        h = prev h + x let v = where(iota(H) < 1, softmax(p), 0) output v, h }";
    let share = 1.0 / (1.0 + std::f64::consts::E);
    let slope = share * (1.0 - share);
    let got = gradient(source, "p");
    assert!((got[0] - slope).abs() < 1e-15 && (got[1] + slope).abs() < 1e-15, "{got}");
}

#[test]
fn clip_grad_cuts_the_adjoint_and_nothing_else() {
    let source = "cell A { dims H input x: [H] state h: [H] param p: [H] init 2
        h = prev h + x let v = 3 * clip_grad(0.25 * p, 0.5) output v, h }";
    // The adjoint 3 is cut to 0.5 before it reaches 0.25 * p.
    assert!(gradient(source, "p").iter().all(|it| *it == 0.125));
}

/// The outputs and final states of the only cell of a text.
fn numbers(source: &str) -> Outcome {
    let spec = Spec::parse(source).unwrap();
    let bound = bound(&spec.cells()[0]);
    let params = exec::init(&bound, 5).unwrap();
    let inputs = Inputs { lengths: Some(LENGTHS.to_vec()), ..inputs(&bound, 6) };
    run(&bound, &params, &inputs, &declared(bound.cell()), &masks(0, 0))
}

#[test]
fn a_loop_is_what_its_turns_are_written_out() {
    let around = |equations: &str| {
        format!(
            "cell A {{ dims I, H, L = 3 input x: [I] state s: [H] param W: [H, I], R: [L, H, H]
             {equations} output s, v }}"
        )
    };
    let looped = around(
        "let (u, v) = fold (u, v) from (W @ x, prev s) for l in 0 .. L {
           let n = fold n from u for j in l .. 2 { yield tanh(R[j] @ n) + prev(s, l + 1) }
           yield (u + v * n, v + sin(u))
         }
         s = fold s from 0.5 * u for l in 1 .. 1 { yield tanh(s) }",
    );
    let written = around(
        "let u0 = W @ x  let v0 = prev s
         let n00 = tanh(R[0] @ u0) + prev s  let n01 = tanh(R[1] @ n00) + prev s
         let u1 = u0 + v0 * n01  let v1 = v0 + sin(u0)
         let n11 = tanh(R[1] @ u1) + prev(s, 2)
         let u2 = u1 + v1 * n11  let v2 = v1 + sin(u1)
         let u = u2 + v2 * u2  let v = v2 + sin(u2)
         s = 0.5 * u",
    );
    let (a, b) = (numbers(&looped), numbers(&written));
    assert!(a.outputs.iter().zip(&b.outputs).all(|(a, b)| same(a, b)));
    assert_eq!(a.states.len(), 2);
    assert!(a.states.iter().zip(&b.states).all(|(a, b)| same(a, b)));
    assert!(a.outputs[0].iter().any(|it| *it != 0.0));
}

#[test]
fn a_pair_within_a_loop_is_what_its_turns_are_written_out() {
    let around = |equations: &str| {
        format!(
            "cell A {{ dims I, H, L = 2 input x: [I] state s: [H] param W: [H, I], R: [L, H, H]
             {equations}
             s = tanh(u) output s, u, w }}"
        )
    };
    let looped = around(
        "let (u, w) = fold (u, v) from (W @ x, prev s) for l in 0 .. L {
           let (p, q) = fold (p, q) from (u, v) for j in l .. 3 { yield (tanh(R[l] @ q) + j * p, p - q) }
           let n = p * q
           yield (n, sin(q + u))
         }",
    );
    let written = around(
        "let u0 = W @ x  let v0 = prev s
         let p00 = tanh(R[0] @ v0) + 0 * u0  let q00 = u0 - v0
         let p01 = tanh(R[0] @ q00) + 1 * p00  let q01 = p00 - q00
         let p02 = tanh(R[0] @ q01) + 2 * p01  let q02 = p01 - q01
         let u1 = p02 * q02  let v1 = sin(q02 + u0)
         let p11 = tanh(R[1] @ v1) + 1 * u1  let q11 = u1 - v1
         let p12 = tanh(R[1] @ q11) + 2 * p11  let q12 = p11 - q11
         let u = p12 * q12  let w = sin(q12 + u1)",
    );
    let (a, b) = (numbers(&looped), numbers(&written));
    assert_eq!(a.outputs.len(), 3);
    assert!(a.outputs.iter().zip(&b.outputs).all(|(a, b)| same(a, b)));
    assert!(a.states.iter().zip(&b.states).all(|(a, b)| same(a, b)));
    assert!(a.outputs.iter().all(|it| it.iter().any(|it| *it != 0.0)));
}

#[test]
fn the_step_number_counts_from_zero_and_stops_with_the_length() {
    let text = "cell A { input x: [] output t = time() + 0 * x }";
    let found = numbers(text);
    for (sequence, length) in LENGTHS.iter().enumerate() {
        for step in 0..STEPS {
            let expected = if step < *length { step as f64 } else { 0.0 };
            assert_eq!(found.outputs[0][[step, sequence]], expected);
        }
        assert_eq!(found.states[0][[sequence]], *length as f64);
    }
    let spec = Spec::parse(text).unwrap();
    streaming_equals_batch(&spec.cells()[0]).unwrap();
}

#[test]
fn a_size_that_bounds_a_loop_is_changed_by_checking_only() {
    let spec = Spec::parse(
        "cell A { dims H, L = 3 input x: [H] param w: [L, H]
         let s = fold s from x for l in 0 .. L { yield tanh(w[l] * s) } output s }",
    )
    .unwrap();
    let fault = spec.cell("A").unwrap().bind([("H", 2), ("L", 5)]).unwrap_err().to_string();
    assert!(fault.contains("`L` was 3 when the cell was checked"), "{fault}");
    let five = spec.configure(Some("A"), &[("L", "5")]).unwrap();
    assert_eq!(five.bind([("H", 2)]).unwrap().param_shapes()[0], [5, 2]);
    let weights = rnnc::api::Evidence {
        what: "weight `w`".into(),
        shape: five.ir().params[0].shape.clone(),
        sizes: vec![4, 2],
        code: rnnc::diag::Code::WeightsDoNotFit,
    };
    let fault = rnnc::api::infer_sizes(five.ir(), &Default::default(), &[weights]).unwrap_err();
    let expected =
        "`L` = 5 decides the structure of the cell; another size is set with `--set L=..`";
    assert!(fault.to_string().contains(expected), "{fault}");
}
