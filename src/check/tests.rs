//! The rules of checking, each on a small spec: messages word for word, graphs by what is in them.

mod fold;

use super::{Checked, Program, Settings, check};
use crate::diag::Diagnostic;
use crate::hir;
use crate::ir::verify::verify;
use crate::ir::{Cell, Gradient, HyperKind, InputRole, Leaf, Literal, Move, NodeId, Op, Start};
use crate::syntax;
use crate::text::{FileId, SourceFile, SourceMap};

fn checked(text: &str, set: &[&str]) -> Checked {
    let (file, faults) = syntax::parse(&SourceFile::new("t.rnn", text), FileId(0));
    assert!(faults.is_empty(), "{faults:#?}");
    let mut settings = Settings::default();
    for (idx, setting) in set.iter().enumerate() {
        let source = SourceFile::new("--set", *setting);
        let setting = syntax::parse_setting(&source, FileId(idx as u16 + 1));
        settings.values.push(setting.unwrap_or_else(|faults| panic!("{faults:#?}")));
    }
    check(&Program::single(file), None, &settings)
}

/// The cell of a spec without errors, which the verifier accepts.
fn cell(text: &str) -> Cell {
    cell_with(text, &[])
}

fn cell_with(text: &str, set: &[&str]) -> Cell {
    let mut checked = checked(text, set);
    let errors: Vec<&Diagnostic> = checked.diagnostics.iter().filter(|it| it.is_error()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let cell = checked.cells.pop().unwrap();
    verify(&cell).unwrap_or_else(|fault| panic!("{fault}"));
    cell
}

/// The errors of a spec, as `E0301 message`.
fn errors(text: &str) -> Vec<String> {
    errors_with(text, &[])
}

fn errors_with(text: &str, set: &[&str]) -> Vec<String> {
    let found = checked(text, set).diagnostics;
    let errors = found.iter().filter(|it| it.is_error());
    errors.map(|it| format!("{} {}", it.code.as_str(), it.message)).collect()
}

/// The text with the fix of its only error made.
fn mended(text: &str) -> String {
    let found = checked(text, &[]).diagnostics;
    let errors: Vec<&Diagnostic> = found.iter().filter(|it| it.is_error()).collect();
    let [error] = errors[..] else { panic!("{errors:#?}") };
    let mut edits = error.fix.clone().unwrap().edits;
    edits.sort_by_key(|it| std::cmp::Reverse(it.0));
    let mut mended = text.to_owned();
    for (span, new) in edits {
        mended.replace_range(span.range(), &new);
    }
    mended
}

/// A cell around some declarations, with dims, inputs and params to use.
fn around(decls: &str) -> String {
    format!(
        "cell A {{ dims I, H, N, V input x: [I], s: [], m: [N, H], token: index[V]
         state h: [H] param W: [H, I], U: [H, H], E: [V, H], b: [H]
         {decls} }}"
    )
}

fn value(cell: &Cell, name: &str) -> NodeId {
    cell.values.iter().find(|it| &*it.name == name).unwrap().node
}

fn shape(cell: &Cell, name: &str) -> String {
    cell.step.shape(value(cell, name)).to_string()
}

#[test]
fn every_spec_of_the_library_checks_and_its_graph_is_sound() {
    let mut n_specs = 0;
    for file in crate::api::library() {
        let spec = crate::api::Spec::read(file.name, file.source.as_bytes()).unwrap();
        for cell in spec.cells() {
            verify(cell).unwrap_or_else(|fault| panic!("{}: {fault}", file.name));
        }
        n_specs += spec.cells().len();
    }
    assert!(n_specs >= 12);
}

#[test]
fn a_product_of_shapes_that_do_not_meet_points_at_both_declarations() {
    let text = around("h = W @ prev h output h");
    let message = "E0301 cannot multiply `W: [H, I]` with `prev h: [H]`: `I` meets `H`";
    assert_eq!(errors(&text), [message]);
    let found = checked(&text, &[]).diagnostics;
    let map = SourceMap::single(SourceFile::new("t.rnn", text));
    let error = found.iter().find(|it| it.is_error()).unwrap();
    let labels: Vec<(&str, &str)> =
        error.labels.iter().map(|it| (map.snippet(it.span), &*it.message)).collect();
    assert_eq!(labels, [("W", "`W: [H, I]`"), ("h", "`h: [H]`")]);
}

#[test]
fn fixes_of_products_are_text_that_checks() {
    for (wrong, right) in [
        ("let a = b @ W h = W @ a output h", "transpose(W) @ b"),
        ("let a = W @ b h = W @ a output h", "transpose(W) @ b"),
        ("h = (U @ U) @ prev h output h", "matmul(U, U)"),
        ("h = b * (b @ prev h) output h", "dot(b, prev h)"),
        ("h = s @ prev h output h", "s * prev h"),
        ("h = (b * U) @ prev h output h", "outer(b, ones([H])) * U"),
        ("h = s output h", "zeros([H]) + s"),
    ] {
        let mended = mended(&around(wrong));
        assert!(mended.contains(right), "{mended}");
        assert_eq!(errors(&mended), [""; 0], "{mended}");
    }
}

#[test]
fn one_fault_draws_one_report() {
    let text = around("let a = W @ prev h let c = a + b h = tanh(c * prev c) output h, a");
    assert_eq!(errors(&text).len(), 1);
    let text = around("let a = Q @ x let c = a + b h = c + prev a output h, q");
    let names = ["E0201 unknown name `Q`", "E0201 unknown name `q`"];
    assert_eq!(errors(&text), names);
}

#[test]
fn shapes_of_values_follow() {
    let cell = cell(&around(
        "let p = W @ x let q = U @ m let r = U @ E[token] let t = concat(x, b)
         let c = concat(s, b, 1) let k = stack(b, prev h) let l = k[1] let o = outer(x, b)
         let i = eye(V)[token] let u = sum(m, over N) let j = slice(m, 1, N, over N)
         let g = softmax(m, over [N, H]) let n = reshape(m, [H * N]) let d = dot(m, m)
         let f = mean(m, over last) h = p + r output h",
    ));
    for (name, expected) in [
        ("p", "[H]"),
        ("q", "[N, H]"),
        ("r", "[H]"),
        ("t", "[H + I]"),
        ("c", "[H + 2]"),
        ("k", "[2, H]"),
        ("l", "[H]"),
        ("o", "[I, H]"),
        ("i", "[V]"),
        ("u", "[H]"),
        ("j", "[N - 1, H]"),
        ("g", "[N, H]"),
        ("n", "[H * N]"),
        ("d", "[N]"),
        ("f", "[N]"),
    ] {
        assert_eq!(shape(&cell, name), expected, "{name}");
    }
}

#[test]
fn the_past_is_carried_under_fixed_names() {
    let cell = cell(&around(
        "let y = U @ h gate z = sigmoid(prev(y, 2)) h = z * prev(h, 3) + W @ prev x + E[prev token]
         output h",
    ));
    let names: Vec<&str> = cell.carries.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["h", "x.1", "token.1", "h.2", "h.3", "y.1", "y.2"]);
    let carry = |name: &str| &cell.carries[cell.carry(name).unwrap()];
    let reads = |node: NodeId| match cell.step.node(node).op {
        Op::Leaf(Leaf::Carry(idx)) => &*cell.carries[idx].name,
        _ => "",
    };
    assert_eq!(reads(carry("h.2").next), "h");
    assert_eq!(reads(carry("h.3").next), "h.2");
    assert_eq!(carry("h.3").start, Start::SameAs(0));
    assert_eq!(carry("y.1").next, value(&cell, "y"));
    assert_eq!(reads(carry("y.2").next), "y.1");
    assert_eq!(carry("x.1").next, value(&cell, "x"));
    assert_eq!(carry("token.1").index.as_ref().unwrap().to_string(), "V");
    assert!(carry("h").is_state && !carry("h.2").is_state);
}

#[test]
fn a_shape_may_rest_on_a_state_but_not_on_its_own_past() {
    // A Jordan network: the output of the step before, through a state of known shape.
    let jordan = cell(&around("h = tanh(W @ x + U @ prev y) let y = U @ h output y"));
    assert_eq!(shape(&jordan, "y"), "[H]");
    let text = around("let v = 0.5 * prev v h = v output h");
    assert_eq!(errors(&text), ["E0407 the shape of `v` rests on its own past"]);
    let text = around("let v = W @ x + prev u let u = tanh(prev v) h = u output h");
    assert_eq!(errors(&text).len(), 1);
}

#[test]
fn a_cycle_is_listed_from_its_state_and_mended_with_prev() {
    let text = around("gate z = sigmoid(U @ h) h = z * b output h");
    let message =
        "E0204 `h` depends on itself within one step: h -> z -> h; did you mean `prev h`?";
    assert_eq!(errors(&text), [message]);
    assert!(mended(&text).contains("U @ prev h)"));
    assert_eq!(errors(&mended(&text)), [""; 0]);
}

#[test]
fn branches_are_guarded_where_they_are_entered() {
    let cell = cell(&around("h = where(b > 0, sqrt(b) * prev h, tanh(U @ b) + 2) output h"));
    let nodes = cell.step.nodes();
    let guards: Vec<_> = nodes.iter().filter(|it| it.op == Op::Gradient(Gradient::Guard)).collect();
    // In the first branch `b` and `prev h`; in the other `U` and `b`. Constants need none.
    assert_eq!(guards.len(), 4);
    for guard in &guards {
        assert_eq!(cell.step.shape(guard.args[0]), &guard.shape);
    }
    // A branch that a constant condition excludes is neither indexed nor computed, and its names are still checked.
    let dead = cell_text("where(1 > 2, E[100] + prev(b2, 3), b)");
    assert!(
        !dead
            .step
            .nodes()
            .iter()
            .any(|it| matches!(it.op, Op::Move(Move::Pick(_)) | Op::Gradient(Gradient::Guard)))
    );
    assert_eq!(dead.carries.len(), 1);
    let text = around("h = where(0, q, b) output h");
    assert_eq!(errors(&text), ["E0201 unknown name `q`"]);
}

fn cell_text(expr: &str) -> Cell {
    cell(&around(&format!("let b2 = 2 * b h = {expr} output h")))
}

#[test]
fn nested_branches_are_guarded_by_both_conditions() {
    let cell = cell_text("where(s > 0, where(b > 0, log(prev h), b), b)");
    let guards = cell.step.nodes().iter().filter(|it| it.op == Op::Gradient(Gradient::Guard));
    // `prev h` passes two guards; `b` passes the outer one, once for its two uses.
    assert_eq!(guards.count(), 3);
}

#[test]
fn constants_stay_one_leaf() {
    let cell = cell(&around("hyper dt = 0.1 h = 1 / sqrt(H) * (1 - dt) * prev h output h"));
    let constants =
        cell.step.nodes().iter().filter(|it| matches!(it.op, Op::Literal(Literal::Scalar(_))));
    assert_eq!(constants.count(), 1);
}

#[test]
fn activations_are_inlined_and_set() {
    let text = "activation spike(v, beta = 100) = step(v) derivative 1 / (1 + beta * abs(v)) ^ 2
        cell A { dims I hyper act = leaky_relu(slope = 0.2), dt = 0.5 input x: [I] state h: [I]
        h = act(x) + dt * prev h output h }";
    let activation = |set: &[&str]| {
        let cell = cell_with(text, set);
        let HyperKind::Activation(text) = cell.hypers[0].kind.clone() else { panic!() };
        (text, cell.step.nodes().iter().any(|it| it.op == Op::Gradient(Gradient::Declared)))
    };
    assert_eq!(activation(&[]), ("leaky_relu(slope = 0.2)".into(), false));
    assert_eq!(activation(&["act=elu(0.5)"]), ("elu(alpha = 0.5)".into(), false));
    assert_eq!(activation(&["act=tanh", "act=spike(beta = 3)"]), ("spike(beta = 3)".into(), true));
    for (setting, message) in [
        ("act=0.5", "E0702 `act` is an activation and cannot be set to `0.5`"),
        ("dt=tanh", "E0702 `dt` is a number and cannot be set to `tanh`"),
        ("I=2.5", "E0702 `I` is a size and cannot be set to `2.5`"),
        ("x=1", "E0702 `x` is an input and cannot be set"),
        ("dtt=1", "E0702 cell `A` has no size or hyper `dtt`; did you mean `dt`?"),
    ] {
        assert_eq!(errors_with(text, &[setting]), [message]);
    }
}

#[test]
fn derived_dims_are_replaced_and_cannot_be_set() {
    let text = "cell A { dims H = N * D, N, D = 4, J like N input m: [N, D]
        let a = reshape(m, [H]) let p = outer(sum(m, over D), rename(sum(m, over D), [J]))
        output a, p }";
    let cell = cell_with(text, &["N=3"]);
    assert_eq!((shape(&cell, "a"), shape(&cell, "p")), ("[D * N]".into(), "[N, J]".into()));
    assert_eq!(cell.dims[0].default, Some(3));
    let derived = "E0702 `H` is derived as `D * N` and cannot be set";
    assert_eq!(errors_with(text, &["H=12"]), [derived]);
    assert_eq!(errors_with(text, &["J=3"]), ["E0702 `J` is as large as `N` and cannot be set"]);
    let text = "cell A { dims H, K = H / 2 input x: [K], y: [H] output a = tanh(x), c = y }";
    assert_eq!(errors(text), ["E0312 sizes are not divided: `H / 2`"]);
    assert!(mended(text).contains("dims K, H = 2 * K"));
    assert_eq!(errors(&mended(text)), [""; 0]);
}

#[test]
fn faults_in_functions_name_the_call() {
    let text = format!("fn f(a, c) = a + c\n{}", around("h = f(x, b) output h"));
    let found = checked(&text, &[]).diagnostics;
    let error = found.iter().find(|it| it.is_error()).unwrap();
    assert_eq!(error.message, "cannot add `a: [I]` and `c: [H]`");
    let map = SourceMap::single(SourceFile::new("t.rnn", text));
    let call = error.labels.iter().find(|it| it.message == "in this call").unwrap();
    assert_eq!(map.snippet(call.span), "f(x, b)");
}

#[test]
fn functions_that_grow_without_end_are_stopped() {
    let mut text = "fn f0(v) = v * v + v\n".to_owned();
    for idx in 1..40 {
        text += &format!("fn f{idx}(v) = f{0}(f{0}(v)) + f{0}(v)\n", idx - 1);
    }
    text += "cell A { hyper a = f39(0.5) input x: [] output y = f39(x) * a }";
    let found = errors(&text);
    assert!(!found.is_empty() && found.iter().all(|it| it.starts_with("E0109")), "{found:?}");
}

#[test]
fn long_chains_are_checked_without_deep_recursion() {
    let mut text = "cell A { dims H hyper k = 1 input x: [H]\n let a0 = x\n".to_owned();
    for idx in 1..20_000 {
        text += &format!("let a{idx} = tanh(a{})\n", idx - 1);
    }
    let sum = vec!["x"; 20_000].join(" + ");
    let numbers = vec!["k"; 20_000].join(" + ");
    text += &format!("output y = a19999 + {sum} + ({numbers}) }}");
    assert_eq!(cell(&text).values.len(), 20_002);
}

#[test]
fn a_model_has_its_roots_in_the_graph() {
    let text = "model M { dims H = 4 input x: [3] target y: [1] feedback f: [1] = 0 teacher y
        param W: [1, 3] f = W @ x + 0.5 * prev f loss square(f[0] - y[0]) at last }";
    let (file, found) = syntax::parse(&SourceFile::new("t", text), FileId(0));
    assert_eq!(found, []);
    let program = Program::single(file);
    let tree = hir::resolve(&program);
    let (settings, given) = Default::default();
    let store = super::layer::Store::new(|_, _, _, _, _| None);
    let mut sink = Vec::new();
    let id = tree.cells.ids().next().unwrap();
    let model = super::cell::check(&tree, id, &settings, &given, &store, None, &mut sink);
    assert_eq!((&sink[..], &tree.diagnostics[..]), (&[][..], &[][..]));
    let mut model = model.unwrap().cell;
    assert_eq!(verify(&model), Ok(()));
    let roles: Vec<InputRole> = model.inputs.iter().map(|it| it.role).collect();
    assert_eq!(roles, [InputRole::Input, InputRole::Target]);
    assert_eq!(model.carries[0].teacher, Some(1));
    assert_eq!(&*model.outputs[0].name, "f");
    let shown = crate::ir::print::cell(&model);
    for line in ["target y: [1]", "feedback f: [1] = 0 teacher y", "loss at last"] {
        assert!(shown.contains(line), "{shown}");
    }
    model.carries[0].teacher = Some(0);
    assert!(verify(&model).is_err(), "an input is no teacher");
    model.carries[0].teacher = None;
    model.losses[0].node = model.outputs[0].node;
    assert!(verify(&model).is_err(), "a loss is a number");
}
