//! Rules of the language that only numbers can show: what stands before the first step, what a given state replaces, and
//! where its gradient goes. Small cells, from their text, against numbers that were worked out by hand.

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{
    self, Bound, Call, Feed, Gradients, InitialState, Inputs, Masks, Params, Upstream, backward,
};
use rnnc::ir::Env;
use rnnc::{EngineOptions, Spec, derive};

fn cell(source: &str) -> Bound {
    let spec = Spec::parse(source).unwrap_or_else(|it| panic!("{it}"));
    exec::bind(&spec.cells()[0], Env::default()).expect("sizes are set")
}

/// `[T, B]`.
fn feed(rows: &[&[f64]]) -> Option<Feed<f64>> {
    let all: Vec<f64> = rows.iter().flat_map(|it| it.iter().copied()).collect();
    Some(Feed::Batch(ArrayD::from_shape_vec(IxDyn(&[rows.len(), rows[0].len()]), all).unwrap()))
}

/// Three steps of two sequences.
fn steps() -> Option<Feed<f64>> {
    feed(&[&[1.0, 10.0], &[2.0, 20.0], &[3.0, 30.0]])
}

/// `[B]`, given as the start of the carried value with this name.
fn start(bound: &Bound, given: &[(&str, &[f64])]) -> InitialState<f64> {
    let mut state = InitialState::declared(bound.cell().carries.len());
    for (name, values) in given {
        let carry = bound.cell().carry(name).unwrap_or_else(|| panic!("nothing carries {name}"));
        state.0[carry] =
            Some(ArrayD::from_shape_vec(IxDyn(&[values.len()]), values.to_vec()).unwrap());
    }
    state
}

struct Results {
    outputs: Vec<Vec<f64>>,
    gradients: Gradients<f64>,
}

/// Runs forward, and backward from ones at the main output.
fn run(
    bound: &Bound,
    params: &[f64],
    feeds: Vec<Option<Feed<f64>>>,
    lengths: Option<Vec<usize>>,
    state: &InitialState<f64>,
) -> Results {
    let scalar = |it: &f64| ArrayD::from_elem(IxDyn(&[]), *it);
    let params = Params::new(params.iter().map(scalar).collect());
    let mut inputs = Inputs::new(feeds);
    inputs.lengths = lengths;
    let call = Call { bound, params: &params, inputs: &inputs, state, masks: &Masks::Eval };
    let run = exec::forward(call, &[]).expect("the data fit");
    let cell = bound.cell();
    let adjoint = derive::adjoint(cell);
    let upstream = Upstream::ones(cell.outputs.len(), cell.carries.len());
    let gradients = backward(&run, &adjoint, &upstream).expect("the adjoints fit");
    let outputs = run.outputs.iter().map(|it| it.iter().copied().collect()).collect();
    Results { outputs, gradients }
}

fn flat(gradient: &Option<ArrayD<f64>>) -> Vec<f64> {
    gradient.as_ref().expect("a gradient").iter().copied().collect()
}

/// The start is read by `prev h`, `prev(h, 2)` and `prev(h, 3)`, each told apart by its factor.
const OLD: &str = "cell Old { input x: [] state h: [] = h0 param h0: []
    h = x + 0 * prev h
    output y = prev h + 10 * prev(h, 2) + 100 * prev(h, 3) }";

#[test]
fn the_past_of_a_state_before_the_first_step_is_its_start() {
    let bound = cell(OLD);
    let got = run(&bound, &[7.0], vec![steps()], None, &start(&bound, &[]));
    assert_eq!(got.outputs[0], [777.0, 777.0, 771.0, 780.0, 712.0, 820.0]);
    // At the first step 111 reads of the start, at the second 110, at the third 100; two sequences share it.
    assert_eq!(flat(&got.gradients.params[0]), [2.0 * 321.0]);
    let h = bound.cell().carry("h").unwrap();
    assert_eq!(flat(&got.gradients.starts[h]), [321.0, 321.0]);
}

#[test]
fn a_given_state_replaces_the_start_at_all_places_and_takes_its_gradient() {
    let bound = cell(OLD);
    let got = run(&bound, &[7.0], vec![steps()], None, &start(&bound, &[("h", &[4.0, 5.0])]));
    assert_eq!(got.outputs[0], [444.0, 555.0, 441.0, 560.0, 412.0, 620.0]);
    // The learned start was not read.
    assert_eq!(flat(&got.gradients.params[0]), [0.0]);
    let h = bound.cell().carry("h").unwrap();
    assert_eq!(flat(&got.gradients.starts[h]), [321.0, 321.0]);
}

#[test]
fn an_older_value_that_is_given_stands_for_itself_and_those_before_it() {
    let bound = cell(OLD);
    let given = start(&bound, &[("h.2", &[4.0, 5.0]), ("h.3", &[8.0, 9.0])]);
    let got = run(&bound, &[7.0], vec![steps()], None, &given);
    assert_eq!(got.outputs[0], [847.0, 957.0, 471.0, 580.0, 712.0, 820.0]);
    // `prev h` at the first step, then as `prev(h, 2)` at the second and `prev(h, 3)` at the third.
    assert_eq!(flat(&got.gradients.params[0]), [2.0 * 111.0]);
    let of = |name: &str| flat(&got.gradients.starts[bound.cell().carry(name).unwrap()]);
    assert_eq!(of("h"), [111.0, 111.0]);
    assert_eq!(of("h.2"), [110.0, 110.0]);
    assert_eq!(of("h.3"), [100.0, 100.0]);
}

#[test]
fn the_past_of_an_optional_input_is_its_default_and_that_of_others_is_zero() {
    let bound = cell(
        "cell Past { input x: [] input dt: [] = 4 let v = 3 * x + 1
         output y = prev x + 10 * prev dt + 1000 * prev(dt, 2), z = prev v }",
    );
    let feeds = || vec![steps(), feed(&[&[1.0, 1.5], &[2.0, 2.5], &[3.0, 3.5]])];
    let got = run(&bound, &[], feeds(), None, &start(&bound, &[]));
    assert_eq!(got.outputs[0], [4040.0, 4040.0, 4011.0, 4025.0, 1022.0, 1545.0]);
    assert_eq!(got.outputs[1], [0.0, 0.0, 4.0, 31.0, 7.0, 61.0]);
    let given = start(&bound, &[("x.1", &[6.0, 7.0]), ("dt.1", &[8.0, 9.0])]);
    let got = run(&bound, &[], feeds(), None, &given);
    assert_eq!(got.outputs[0][..4], [4086.0, 4097.0, 8011.0, 9025.0]);
    // Not given at all, it has its default at every step.
    let got = run(&bound, &[], vec![steps(), None], None, &start(&bound, &[]));
    assert_eq!(got.outputs[0], [4040.0, 4040.0, 4041.0, 4050.0, 4042.0, 4060.0]);
}

#[test]
fn the_past_of_a_second_layer_begins_as_that_layer_does() {
    let bound = cell(
        "cell Two { input x: [] layer a = Kept(x = x) layer b = Kept(x = 10 * x) let v = a + b
         output y = prev b.h + 10 * prev(b.h, 2) + 100 * prev(b.h, 3), z = prev(a.h, 3), v }
         cell Kept { input x: [] state h: [] = 7 h = x + 0 * prev h output h }",
    );
    let of = |given: &[(&str, &[f64])]| {
        let got = run(&bound, &[], vec![steps()], None, &start(&bound, given));
        [got.outputs[0].clone(), got.outputs[1].clone()]
    };
    let declared = [777.0, 777.0, 780.0, 870.0, 820.0, 1900.0];
    assert_eq!(of(&[]), [declared, [7.0; 6]]);
    let second = [444.0, 555.0, 450.0, 650.0, 520.0, 1700.0];
    assert_eq!(of(&[("b.h", &[4.0, 5.0])]), [second, [7.0; 6]]);
    let first = [4.0, 5.0, 4.0, 5.0, 4.0, 5.0];
    assert_eq!(of(&[("a.h", &[4.0, 5.0])]), [declared, first]);
}

/// The step number in a cell, in a layer of it, in a layer of that, and in both layers of a stack.
const CLOCKS: &str = "cell Clocks { input x: []
    layer a = Clock(x = x) layer b = Deep(x = x) layer c[2] = Clock(x = x)
    output y = time(), p = a, q = b, r = c[0].v, s = c }
    cell Deep { input x: [] layer a = Clock(x = x) let v = 10 * a + 100 * time() output v }
    cell Clock { input x: [] let v = time() + 0 * x output v }";

#[test]
fn the_step_number_is_0_at_the_first_step_and_1_at_the_second() {
    let bound = cell(CLOCKS);
    let got = run(&bound, &[], vec![steps()], None, &start(&bound, &[]));
    let counted = vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
    let deep = vec![0.0, 0.0, 110.0, 110.0, 220.0, 220.0];
    assert_eq!(got.outputs, [counted.clone(), counted.clone(), deep, counted.clone(), counted]);
}

#[test]
fn the_step_number_goes_on_from_the_one_that_is_given() {
    let bound = cell(CLOCKS);
    let given = start(&bound, &[("time", &[5.0, 0.0])]);
    let got = run(&bound, &[], vec![steps()], None, &given);
    let counted = vec![5.0, 0.0, 6.0, 1.0, 7.0, 2.0];
    let deep = vec![550.0, 0.0, 660.0, 110.0, 770.0, 220.0];
    assert_eq!(got.outputs, [counted.clone(), counted.clone(), deep, counted.clone(), counted]);
}

#[test]
fn the_turns_of_a_loop_go_from_the_first_bound_up_to_the_last() {
    let bound = cell(
        "cell Turns { input x: [] const w: [3] = [2, 3, 5]
         let s = fold s from x for l in 0 .. 3 { yield 2 * s + l }
         let t = fold t from x for l in 0 .. 3 { yield w[l] * t + 1 }
         let r = fold r from x for l in 4 .. 7 { yield 10 * r + l }
         let (p, q) = fold (p, q) from (x, 0) for i in 0 .. 2 {
           let (a, b) = fold (a, b) from (p, q) for j in 0 .. 3 { yield (b + j, 2 * a - i) }
           yield (a, 10 * q + b)
         }
         output s, t, r, p, q }",
    );
    let got = run(&bound, &[], vec![feed(&[&[1.0, 10.0]])], None, &start(&bound, &[]));
    // 8x + 0 * 4 + 1 * 2 + 2
    assert_eq!(got.outputs[0], [12.0, 84.0]);
    // ((2x + 1) * 3 + 1) * 5 + 1
    assert_eq!(got.outputs[1], [51.0, 321.0]);
    assert_eq!(got.outputs[2], [1456.0, 10456.0]);
    // From x = 1: (0, 2), (3, 0), (2, 6), so p = 2 and q = 6; then (6, 3), (4, 11), (13, 7).
    // From x = 10: (0, 20), (21, 0), (2, 42), so p = 2 and q = 42; then (42, 3), (4, 83), (85, 7).
    assert_eq!(got.outputs[3], [13.0, 85.0]);
    assert_eq!(got.outputs[4], [67.0, 427.0]);
}

#[test]
fn nothing_beyond_a_length_has_a_gradient_or_is_read() {
    let bound = cell(
        "cell Sum { input x: [] state h: [] param w: []
         h = prev h + w * x  output h }",
    );
    let nan = f64::NAN;
    let padded = feed(&[&[1.0, 10.0, nan], &[2.0, nan, nan], &[3.0, nan, nan]]);
    let lengths = Some(vec![3, 1, 0]);
    let got = run(&bound, &[2.0], vec![padded], lengths, &start(&bound, &[]));
    assert_eq!(got.outputs[0], [2.0, 20.0, 0.0, 6.0, 0.0, 0.0, 12.0, 0.0, 0.0]);
    // The first sequence has 3 * 1 + 2 * 2 + 3, the second its one step, the third none.
    assert_eq!(flat(&got.gradients.params[0]), [20.0]);
    assert_eq!(flat(&got.gradients.inputs[0]), [6.0, 2.0, 0.0, 4.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
    assert_eq!(flat(&got.gradients.starts[0]), [3.0, 1.0, 0.0]);
}

#[test]
fn a_const_has_no_gradient_and_an_unused_param_has_zeros() {
    let bound = cell(
        "cell Fixed { input x: [] const c: [] init 2 param w: [], unused: []
         output y = c * w * x }",
    );
    let got = run(&bound, &[2.0, 3.0, 1.0], vec![steps()], None, &start(&bound, &[]));
    let of = |name: &str| &got.gradients.params[bound.cell().param(name).unwrap()];
    assert!(of("c").is_none());
    assert_eq!(flat(of("w")), [2.0 * 66.0]);
    assert_eq!(flat(of("unused")), [0.0]);
}

#[test]
fn a_file_is_about_the_cell_that_is_no_layer_of_another() {
    let cell = |name: &str, body: &str| {
        format!(
            "cell {name} {{ dims H  input x: [H]  state h: [H]  h = prev h + x {body} output h }}\n"
        )
    };
    let main = |text: &str| {
        let spec = rnnc::Spec::parse(text).unwrap_or_else(|it| panic!("{text}: {it}"));
        spec.main().map(|it| it.name.to_string())
    };
    let inner = cell("Inner", "");
    let outer = cell("Outer", "layer a = Inner(x = prev h)  let y = a");
    assert_eq!(main(&inner).as_deref(), Some("Inner"));
    assert_eq!(main(&(inner.clone() + &outer)).as_deref(), Some("Outer"));
    assert_eq!(main(&(outer.clone() + &inner)).as_deref(), Some("Outer"));
    assert_eq!(main(&(inner.clone() + &cell("Other", ""))), None);
    for file in rnnc::api::library() {
        assert!(main(file.source).is_some(), "std/{}", file.name);
    }
}

/// Three steps whose inputs are all equal, then differ: `v` is `p * [1, 2, 4]`.
const SPREAD: &str = "cell Spread { input x: [] param p: [] let v = stack(p, 2 * p, 4 * p) + x
    output y = var(v) + 10 * std(v) }";

#[test]
fn var_and_std_are_biased_and_std_has_slope_0_where_all_are_equal() {
    let bound = cell(SPREAD);
    let state = start(&bound, &[]);
    let feeds = || vec![feed(&[&[0.0], &[7.0]])];
    // The mean of squares is 7, the square of the mean 49 / 9.
    let (var, std) = (14.0 / 9.0, (14.0f64 / 9.0).sqrt());
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    let got = run(&bound, &[3.0], feeds(), None, &state);
    got.outputs[0].iter().for_each(|it| near(*it, 9.0 * var + 30.0 * std));
    near(flat(&got.gradients.params[0])[0], 2.0 * (6.0 * var + 10.0 * std));
    let got = run(&bound, &[0.0], feeds(), None, &state);
    assert_eq!(got.outputs[0], [0.0, 0.0]);
    assert_eq!(flat(&got.gradients.params[0]), [0.0]);
    // Forward mode too.
    let params = Params::new(vec![ArrayD::zeros(IxDyn(&[]))]);
    let inputs = Inputs::new(feeds());
    let call = Call {
        bound: &bound,
        params: &params,
        inputs: &inputs,
        state: &state,
        masks: &Masks::Eval,
    };
    let run = exec::forward(call, &[]).expect("the data fit");
    let derived = derive::tangent(bound.cell());
    let ones = Some(ArrayD::ones(IxDyn(&[])));
    let direction = exec::Direction { params: vec![ones], inputs: vec![None], starts: vec![] };
    let tangents = exec::tangent(&run, &derived, &direction).expect("the direction fits");
    assert_eq!(tangents.outputs[0].iter().copied().collect::<Vec<f64>>(), [0.0, 0.0]);
}

#[test]
fn a_softcap_without_limit_is_the_identity_on_both_engines() {
    let source = "cell Capped { hyper cap = inf input x: [] output y = softcap(3 * x, cap) }";
    let bound = cell(source);
    let values = [-2.0, 0.0, 1.5];
    for options in [EngineOptions::default(), EngineOptions::reference()] {
        let engine = bound.engine(options).expect("the cell runs");
        let x = ArrayD::from_shape_vec(IxDyn(&[3, 1]), values.to_vec()).unwrap();
        let x = x.mapv(|it: f64| it as f32);
        let (params, inputs) = (Params::new(vec![]), Inputs::new(vec![Some(Feed::Batch(x))]));
        let state = InitialState::declared(0);
        let run = engine.forward(&params, &inputs, &state).expect("the data fit");
        assert_eq!(run.outputs[0].iter().copied().collect::<Vec<f32>>(), [-6.0, 0.0, 4.5]);
        let gradients = engine.backward(&run, &Upstream::ones(1, 0)).expect("the adjoints fit");
        let d_x = gradients.inputs[0].as_ref().expect("x was given");
        assert_eq!(d_x.iter().copied().collect::<Vec<f32>>(), [3.0; 3]);
    }
}
