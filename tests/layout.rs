//! Weights through layouts: what is read and written again is the same, for every layout of every
//! spec of the library and for every form.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;
use rnnc::Spec;
use rnnc::api::{self, Affixes, Weights, infer_sizes, weights};
use rnnc::data::{DType, Tensor};
use rnnc::exec::layout::concrete;
use rnnc::ir::{Cell, Env, Layout};

/// Small sizes, all different, so that no two axes are mistaken for each other.
fn sizes(cell: &Cell) -> Env {
    let mut env = Env::default();
    for (idx, dim) in cell.dims.iter().enumerate() {
        let like = dim.like.as_ref().and_then(|it| env.sizes.get(it).copied());
        env.sizes.insert(dim.name.clone(), like.or(dim.default).unwrap_or(2 + idx as i64));
    }
    env
}

/// Params whose elements are all different.
fn numbered(cell: &Cell, env: &Env) -> Vec<ArrayD<f64>> {
    let mut next = 0.0;
    let mut array = |shape: &[usize]| {
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            next += 1.0;
            next
        })
    };
    cell.params.iter().map(|it| array(&concrete(&it.shape, env).unwrap())).collect()
}

fn tensor(values: ArrayD<f64>) -> Tensor {
    Tensor { shape: values.shape().to_vec(), dtype: DType::F64, values }
}

fn write(
    env: &Env,
    layout: &Layout,
    affixes: &Affixes,
    params: &[ArrayD<f64>],
) -> Vec<(String, ArrayD<f64>)> {
    weights::stored(env, layout, affixes, params).unwrap()
}

/// Reads tensors through a layout, with the sizes that follow from them alone where that is all.
fn read(
    cell: &Cell,
    env: &Env,
    layout: &Layout,
    affixes: &Affixes,
    tensors: Vec<(String, ArrayD<f64>)>,
) -> Vec<Option<ArrayD<f64>>> {
    let tensors = tensors.into_iter().map(|(name, it)| (name, tensor(it)));
    let found = Weights::find(cell, layout.clone(), affixes, tensors).unwrap();
    assert_eq!(found.missing(cell), [""; 0]);
    assert_eq!(found.extra(), [""; 0]);
    let inferred = infer_sizes(cell, &BTreeMap::new(), &found.evidence(cell)).unwrap();
    for (name, size) in inferred {
        assert_eq!(env.sizes.get(&name), Some(&size), "{name} of {}", layout.name);
    }
    found.params(cell, env).unwrap()
}

/// Both directions of one layout.
fn goes_both_ways(what: &str, cell: &Cell, layout: &Layout) {
    let env = sizes(cell);
    let params = numbered(cell, &env);
    let named: Vec<usize> = layout.rows.iter().flat_map(|it| it.params()).collect();
    let affixes = Affixes { prefix: "encoder.".to_owned(), suffix: Some("_l3".to_owned()) };
    let stored = write(&env, layout, &affixes, &params);
    assert!(stored.iter().all(|it| it.0.starts_with("encoder.") && it.0.ends_with("_l3")));
    let back = read(cell, &env, layout, &affixes, stored.clone());
    for (idx, param) in cell.params.iter().enumerate() {
        if !named.contains(&idx) {
            assert!(!param.trained && back[idx].is_none(), "{what}: {} has no place", param.name);
        } else if layout.is_one_to_one() {
            assert_eq!(back[idx].as_ref(), Some(&params[idx]), "{what}: {}", param.name);
        }
    }
    // What was read writes the same tensors, also where sums were read.
    let filled = back.into_iter().zip(&params).map(|(it, own)| it.unwrap_or_else(|| own.clone()));
    let again = write(&env, layout, &affixes, &filled.collect::<Vec<_>>());
    assert_eq!(again, stored, "{what}");
    if layout.is_one_to_one() {
        // Nothing is lost and nothing is there twice: all numbers of the params, and zeros.
        let numbers: usize = named.iter().map(|it| params[*it].len()).sum();
        let kept = stored.iter().flat_map(|it| it.1.iter()).filter(|it| **it != 0.0).count();
        assert_eq!(kept, numbers, "{what}");
    }
}

#[test]
fn every_layout_of_the_library_goes_both_ways() {
    let mut layouts = 0;
    for file in api::library() {
        let spec = Spec::read(file.name, file.source.as_bytes()).unwrap();
        for cell in spec.cells() {
            let own = Layout::own(cell);
            for layout in cell.layouts.iter().chain([&own]) {
                goes_both_ways(&format!("{} {}", file.name, layout.name), cell, layout);
                layouts += 1;
            }
        }
    }
    assert!(layouts >= 40, "{layouts}");
}

#[test]
fn every_form_goes_both_ways() {
    let text = include_str!("cases/ok/layout_all_forms.rnn");
    let spec = Spec::parse(text).unwrap();
    let [cell] = spec.cells() else { panic!("one cell") };
    assert_eq!(cell.layouts.len(), 2);
    for layout in &cell.layouts {
        goes_both_ways(&layout.name, cell, layout);
    }
}

/// The tensors that a layout of `a, b: [2], M, N: [2, 3], T: [2, 2, 2], s: []` makes of the numbers from 1 on.
fn made(row: &str, rest: &str) -> (Vec<usize>, Vec<f64>) {
    let source = format!(
        "cell A {{ input x: [] param a, b: [2], M, N: [2, 3], T: [2, 2, 2], s: []
         output y = x * (sum(a + b) + s * sum(flat(M) * flat(N)) + sum(reshape(T, [8])))
         layout l {{ it = {row} {rest} }} }}
         fn flat(v) = reshape(v, [6])"
    );
    let spec = Spec::parse(&source).unwrap_or_else(|it| panic!("{source}: {it}"));
    let [cell] = spec.cells() else { panic!("one cell") };
    goes_both_ways(row, cell, &cell.layouts[0]);
    let env = sizes(cell);
    let stored = write(&env, &cell.layouts[0], &Affixes::default(), &numbered(cell, &env));
    (stored[0].1.shape().to_vec(), stored[0].1.iter().copied().collect())
}

/// By hand: a = 1 2, b = 3 4, M = 5 6 7 / 8 9 10, N = 11 12 13 / 14 15 16, T = 17 .. 24, s = 25.
#[test]
fn forms_by_hand() {
    let others = |names: &str| -> String {
        names.split(' ').enumerate().map(|(idx, it)| format!(" z{idx} = {it}")).collect()
    };
    let numbers = |it: &[i32]| it.iter().map(|it| f64::from(*it)).collect::<Vec<f64>>();
    let cases: &[(&str, &str, &[usize], &[i32])] = &[
        ("a", "b M N T s", &[2], &[1, 2]),
        ("rows(b, a)", "M N T s", &[4], &[3, 4, 1, 2]),
        ("rows(M, N)", "a b T s", &[4, 3], &[5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
        ("cols(M, N)", "a b T s", &[2, 6], &[5, 6, 7, 11, 12, 13, 8, 9, 10, 14, 15, 16]),
        ("concat(N, M)", "a b T s", &[2, 6], &[11, 12, 13, 5, 6, 7, 14, 15, 16, 8, 9, 10]),
        ("stack(b, a)", "M N T s", &[2, 2], &[3, 4, 1, 2]),
        ("transpose(M)", "a b N T s", &[3, 2], &[5, 8, 6, 9, 7, 10]),
        ("transpose(T)", "a b M N s", &[2, 2, 2], &[17, 19, 18, 20, 21, 23, 22, 24]),
        ("flatten(M)", "a b N T s", &[6], &[5, 6, 7, 8, 9, 10]),
        ("reshape(M, [3, 2])", "a b N T s", &[3, 2], &[5, 6, 7, 8, 9, 10]),
        ("permute(T, 2, 0, 1)", "a b M N s", &[2, 2, 2], &[17, 19, 21, 23, 18, 20, 22, 24]),
        (
            "permute(stack(M, N), 1, 2, 0)",
            "a b T s",
            &[2, 3, 2],
            &[5, 11, 6, 12, 7, 13, 8, 14, 9, 15, 10, 16],
        ),
        ("rows(s, zeros([2]), a)", "b M N T", &[5], &[25, 0, 0, 1, 2]),
        ("cols(zeros([2, 1]), M)", "a b N T s", &[2, 4], &[0, 5, 6, 7, 0, 8, 9, 10]),
        ("a + b", "M N T s", &[2], &[4, 6]),
        ("rows(a + b, zeros([1]))", "M N T s", &[3], &[4, 6, 0]),
    ];
    for (row, rest, shape, expected) in cases {
        let (found_shape, found) = made(row, &others(rest));
        assert_eq!((found_shape.as_slice(), found), (*shape, numbers(expected)), "{row}");
    }
}

/// Arrangements of the params of a cell, made at random: all of them are one-to-one.
fn arrangement() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (1usize..3).prop_map(|it| format!("zeros([{it}, 2])")),
        Just("PARAM".to_owned()),
        Just("PARAM".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let many = prop::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            many.prop_map(|it| format!("rows({})", it.join(", "))),
            inner.clone().prop_map(|it| format!("transpose(transpose({it}))")),
            inner.clone().prop_map(|it| format!("permute(permute({it}, 1, 0), 1, 0)")),
            inner.prop_map(|it| format!("transpose(cols(transpose({it})))")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn layouts_at_random_go_both_ways(text in arrangement()) {
        // Each place gets a param of its own.
        let mut count = 0;
        let mut row = String::new();
        for (idx, part) in text.split("PARAM").enumerate() {
            if idx > 0 {
                row.push_str(&format!("p{count}"));
                count += 1;
            }
            row.push_str(part);
        }
        prop_assume!(count > 0);
        let params: Vec<String> = (0..count).map(|it| format!("p{it}: [{}, 2]", 1 + it % 3)).collect();
        let terms: Vec<String> =
            (0..count).map(|it| format!("sum(reshape(p{it}, [{}]))", 2 * (1 + it % 3))).collect();
        let source = format!(
            "cell A {{ input x: [] param {} output y = x * ({}) layout l {{ it = {row} }} }}",
            params.join(", "),
            terms.join(" + ")
        );
        let spec = Spec::parse(&source).unwrap_or_else(|it| panic!("{source}: {it}"));
        goes_both_ways(&row, &spec.cells()[0], &spec.cells()[0].layouts[0]);
    }
}

/// `b` and `d` of the layer do not only occur as a sum here, which the layout of Keras needs; the others stay.
#[test]
fn a_layer_whose_bias_is_read_outside_keeps_its_other_layouts() {
    let spec = |output: &str| {
        let text = format!(
            "use std/lstm cell A {{ dims E, H input e: [E] layer f = Lstm(x = e, H = H) output y = {output} }}"
        );
        let spec = Spec::parse(&text).unwrap_or_else(|it| panic!("{it}"));
        let names = spec.cells()[0].layouts.iter().map(|it| it.name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(spec("tanh(f)"), ["pytorch", "keras", "onnx"]);
    assert_eq!(spec("f * f.b_i"), ["pytorch", "onnx"]);
    assert_eq!(spec("f * (f.b_i + f.d_i)"), ["pytorch", "keras", "onnx"]);
}

fn gru() -> Cell {
    let file = api::library_file("gru").unwrap();
    Spec::read("gru", file.source.as_bytes()).unwrap().cells()[0].clone()
}

#[test]
fn the_layer_of_a_file_is_found_when_it_is_the_only_one() {
    let cell = gru();
    let env = sizes(&cell);
    let params = numbered(&cell, &env);
    let layout = cell.layout("pytorch").unwrap();
    let named = |suffix: &str| -> Vec<(String, ArrayD<f64>)> {
        let affixes = Affixes { prefix: "rnn.".to_owned(), suffix: Some(suffix.to_owned()) };
        write(&env, &layout, &affixes, &params)
    };
    let rnn = Affixes { prefix: "rnn.".to_owned(), suffix: None };
    for suffix in ["", "_l0", "_l12", "_l0_reverse"] {
        let back = read(&cell, &env, &layout, &rnn, named(suffix));
        assert!(back.iter().zip(&params).all(|it| it.0.as_ref() == Some(it.1)), "{suffix}");
    }
    // Of several, one must be chosen, and the others are then not left over.
    let all: Vec<(String, Tensor)> = [named("_l0"), named("_l0_reverse"), named("_l1")]
        .concat()
        .into_iter()
        .map(|(name, it)| (name, tensor(it)))
        .collect();
    let error = Weights::find(&cell, layout.clone(), &rnn, all.clone()).unwrap_err().to_string();
    let expected = "the file has 3 layers of this layout, whose names end in `_l0`, `_l0_reverse`, `_l1`; choose one by its suffix";
    assert_eq!(error, expected);
    let second = Affixes { suffix: Some("_l1".to_owned()), ..rnn.clone() };
    let found = Weights::find(&cell, layout.clone(), &second, all).unwrap();
    assert_eq!((found.missing(&cell), found.extra(), found.elsewhere()), (vec![], vec![], 8));
    // Endings that no framework counts layers with are another tensor's name.
    let other = named("_scale").into_iter().map(|(name, it)| (name, tensor(it)));
    let found = Weights::find(&cell, layout, &rnn, other).unwrap();
    assert_eq!((found.missing(&cell).len(), found.extra().len()), (4, 4));
}

/// The layers of a stack are numbered as the framework numbers them.
#[test]
fn a_stack_is_called_as_its_framework_calls_it() {
    let source = "cell A { input x: [] param w, b, v: [] output y = v * (w * x + b)
        layout pytorch { \"a[0].weight\" = w \"a[1].weight\" = b v = v }
        layout torchrecurrent { \"a[0].weight\" = w \"a[1].weight\" = b v = v }
        layout keras { \"a[0].weight\" = w \"a[1].weight\" = b v = v } }";
    let spec = Spec::parse(source).unwrap();
    let [cell] = spec.cells() else { panic!("one cell") };
    let (env, none) = (Env::default(), Affixes::default());
    let params = numbered(cell, &env);
    for (layout, expected) in cell.layouts.iter().zip([
        ["a.weight_l0", "a.weight_l1", "v"],
        ["a.cells.0.weight", "a.cells.1.weight", "v"],
        ["a[0].weight", "a[1].weight", "v"],
    ]) {
        let stored = write(&env, layout, &none, &params);
        let names: Vec<&str> = stored.iter().map(|it| &*it.0).collect();
        assert_eq!(names, expected);
        let plain = ["a[0].weight", "a[1].weight", "v"].map(ToOwned::to_owned);
        let plain = plain.into_iter().zip(stored.iter().map(|it| it.1.clone())).collect();
        for tensors in [stored, plain] {
            let back = read(cell, &env, layout, &none, tensors);
            assert!(back.iter().zip(&params).all(|it| it.0.as_ref() == Some(it.1)));
        }
    }
}

#[test]
fn a_size_that_does_not_divide_is_told() {
    let cell = gru();
    let layout = cell.layout("pytorch").unwrap();
    let one = |name: &str, shape: &[usize]| (name.to_owned(), tensor(ArrayD::zeros(shape)));
    let sizes = |tensors: Vec<(String, Tensor)>| {
        let found = Weights::find(&cell, layout.clone(), &Affixes::default(), tensors).unwrap();
        infer_sizes(&cell, &BTreeMap::new(), &found.evidence(&cell)).map_err(|it| it.to_string())
    };
    let found = sizes(vec![one("weight_ih", &[12, 5])]).unwrap();
    assert_eq!(found.into_iter().map(|it| it.1).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(
        sizes(vec![one("weight_ih", &[13, 5])]).unwrap_err(),
        "tensor `weight_ih` (W_r, W_z, W_n) should be [3 * H, I], but has the shape [13, 5]; \
         no whole `H` makes `3 * H` 13"
    );
    assert_eq!(
        sizes(vec![one("weight_ih", &[12, 5]), one("weight_hh", &[15, 4])]).unwrap_err(),
        "tensor `weight_hh` (U_r, U_z, U_n) should be [3 * H, H] (here [12, 4]), but has the shape \
         [15, 4]; `H` = 4 follows from tensor `weight_ih` (W_r, W_z, W_n)"
    );
}

#[test]
fn a_value_where_zeros_belong_is_told_with_its_place() {
    let source = "cell A { dims H input x: [H] param w: [H] output y = w * x
        layout l { it = permute(stack(w, zeros([H])), 1, 0) } }";
    let spec = Spec::parse(source).unwrap();
    let [cell] = spec.cells() else { panic!("one cell") };
    let mut env = Env::default();
    env.sizes.insert("H".into(), 3);
    let mut stored = ArrayD::zeros(vec![3, 2]);
    for (value, expected) in [
        (0.0, None),
        (-0.0, None),
        (0.5, Some("tensor `it: [H, 2]` (w): 0.5 stands at [2, 1], where the layout has zeros")),
        (
            f64::NAN,
            Some("tensor `it: [H, 2]` (w): NaN stands at [2, 1], where the layout has zeros"),
        ),
        // Also one that would be 0 in the type that is computed in.
        (
            1e-60,
            Some("tensor `it: [H, 2]` (w): 1e-60 stands at [2, 1], where the layout has zeros"),
        ),
    ] {
        stored[[2, 1]] = value;
        let tensors = vec![("it".to_owned(), tensor(stored.clone()))];
        let layout = cell.layouts[0].clone();
        let found = Weights::find(cell, layout, &Affixes::default(), tensors).unwrap();
        let params = found.params::<f32>(cell, &env);
        assert_eq!(params.err().map(|it| it.to_string()).as_deref(), expected);
    }
}
