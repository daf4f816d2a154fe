//! Warnings that the tree alone tells; those that need a graph are tested through whole specs.

use crate::check::Program;
use crate::diag::Diagnostic;
use crate::hir;
use crate::syntax::ast::File;
use crate::syntax::parse;
use crate::text::{FileId, SourceFile};

fn tree(text: &str) -> File {
    let (file, found) = parse(&SourceFile::new("t", text), FileId::default());
    assert_eq!(found, [], "{text}");
    file
}

fn found(text: &str) -> Vec<Diagnostic> {
    let program = Program::single(tree(text));
    let tree = hir::resolve(&program);
    let mut found = super::lint_items(&tree);
    for cell in tree.cells.iter() {
        found.extend(super::usage::unused(cell));
        found.extend(super::accuracy::of_cell(cell));
    }
    crate::diag::sort(&mut found);
    found
}

/// The codes and what the caret points at.
fn codes(text: &str) -> Vec<String> {
    found(text)
        .iter()
        .map(|it| format!("{} {}", it.code.as_str(), &text[it.span.range()]))
        .collect()
}

/// The text with all edits made.
fn edited(text: &str) -> String {
    let mut edits: Vec<_> =
        found(text).into_iter().filter_map(|it| it.fix).flat_map(|it| it.edits).collect();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_string();
    for (span, new) in edits {
        text.replace_range(span.range(), &new);
    }
    text
}

fn output(expr: &str) -> String {
    format!("cell A {{ dims H hyper k = 2 input v, w: [H] output y = {expr} + v * w * k }}")
}

fn edits_to(expr: &str, better: &str) {
    let text = output(expr);
    assert_eq!(edited(&text), output(better));
    assert_eq!(codes(&output(better)), [""; 0]);
    let found = found(&text);
    assert_eq!(found.len(), 1, "{expr}");
    assert_eq!(found[0].code.as_str(), "W0604");
}

#[test]
fn lossy_forms_are_rewritten_where_they_stand() {
    edits_to("log(sigmoid(v + w))", "log_sigmoid(v + w)");
    edits_to("log((sigmoid((v))))", "log_sigmoid((v))");
    edits_to("log(1 + v * w)", "log1p(v * w)");
    edits_to("log(v + 1)", "log1p(v)");
    edits_to("log(1 - v)", "log1p(-v)");
    edits_to("log(1 + exp(v))", "softplus(v)");
    edits_to("log1p(exp(v))", "softplus(v)");
    edits_to("(exp(v) - 1)", "(expm1(v))");
    edits_to("(w + exp(v) - 1)", "(w + expm1(v))");
    edits_to("(w - exp(v) + 1)", "(w - expm1(v))");
    edits_to("log(softmax(v))", "(v - logsumexp(v))");
    edits_to("log(softmax(prev v))", "(prev v - logsumexp(prev v))");
    edits_to("log(exp(v) + exp(2 * w))", "logaddexp(v, 2 * w)");
    edits_to("log(sum(exp(v), over H))", "logsumexp(v, over H)");
    edits_to("sqrt(sum(square(v + w), over H))", "norm(v + w, over H)");
    edits_to("sqrt(sum((v + w) ^ 2))", "norm((v + w))");
    edits_to("sqrt(sum(prev v * prev v))", "norm(prev v)");
}

#[test]
fn what_only_looks_lossy_is_left_alone() {
    for fine in [
        "log(1 + k)",
        "log(k - 1)",
        "log(2 + v)",
        "(exp(k) - 1)",
        "(exp(v) + 1)",
        "(1 - exp(v))",
        "(exp(v) * 1)",
        "(exp(v) - 2)",
        "sqrt(sum(v * w))",
        "sqrt(sum(v ^ 3))",
        "sqrt(sum(square(v)) + 1)",
        "log(v - 1)",
        "log(sum(v))",
        "log(exp(v) - exp(w))",
        "log(1 / v)",
    ] {
        assert_eq!(codes(&output(fine)), [""; 0], "{fine}");
    }
}

#[test]
fn lets_are_looked_through_but_not_edited() {
    let text = "cell A { dims H input v: [H] let s = sigmoid(v) output y = log(s) * s }";
    let found = found(text);
    assert_eq!(codes(text), ["W0604 log(s)"]);
    assert_eq!(found[0].fix, None);
    assert_eq!(&text[found[0].labels[0].span.range()], "sigmoid(v)");
    // In a loop the name is the accumulator's, and no sigmoid.
    let text = "cell A { dims H input v: [H] let s = sigmoid(v)
        let u = fold s from v for k in 0 .. 2 { yield log(s) } output y = u * s }";
    assert_eq!(codes(text), [""; 0]);
}

#[test]
fn a_state_without_past_becomes_a_let() {
    let rest = "c = tanh(x) h = 2 * prev h + c output h }";
    for (before, after) in [
        ("state c, h: [H] = 0", "state h: [H] = 0"),
        ("state h, c: [H] = 0", "state h: [H] = 0"),
        ("state h: [H], c: [H] = 0", "state h: [H]"),
        ("state c: [H] = 0, h: [H]", "state h: [H]"),
        ("state h: [H] /// Cell.\n state c: [H]", "state h: [H] "),
    ] {
        let text = format!("cell A {{ dims H input x: [H] {before} {rest}");
        assert_eq!(codes(&text), ["W0606 c"]);
        assert_eq!(edited(&text), format!("cell A {{ dims H input x: [H] {after} let {rest}"));
    }
    let text = "cell A { input x: [] param c0: [] state c: [] = c0 c = tanh(x) output c }";
    assert_eq!(codes(text), ["W0606 c"]);
    assert_eq!(found(text)[0].fix, None);
}

#[test]
fn unused_names_tell_who_reads_them() {
    let text = "cell A { input x: [] param p, q: [] let u = p * x let v = u + q output y = x }";
    assert_eq!(codes(text), ["W0601 p", "W0601 q", "W0608 u", "W0608 v"]);
    let labels: Vec<String> =
        found(text).iter().flat_map(|it| &it.labels).map(|it| it.message.clone()).collect();
    assert_eq!(
        labels,
        [
            "only `u` reads it, which is never used itself",
            "only `v` reads it, which is never used itself",
            "only `v` reads it, which is never used itself",
        ]
    );
}

#[test]
fn loops_have_names_of_their_own() {
    // The inner `u` is not the outer one, and the loop variable counts as a use of nothing.
    let text = "cell A { dims N input x: [N] param W: [2, N]
        let u = tanh(x)
        let s = fold s from x for l in 0 .. 2 { gate g = sigmoid(W[l] * s) let n = g yield g * s }
        output y = s }";
    assert_eq!(codes(text), ["W0608 u", "W0608 n"]);
    let text = "cell A { dims N input x: [N]
        let (u, v) = fold (u, v) from (x, 2 * x) for i in 0 .. 3 { yield (v, u + v) }
        output y = u }";
    assert_eq!(codes(text), [""; 0]);
}

#[test]
fn a_const_may_be_there_for_a_layout_alone() {
    let text = "cell A { dims N input x: [N] param w: [N], v: [N] const c, d: [N] init 1
        output y = w * x layout other { weight = stack(w, c, v) } }";
    assert_eq!(codes(text), ["W0601 v", "W0608 d"]);
}

#[test]
fn layers_targets_and_models_count_as_uses() {
    let text = "model M { dims H = 4 input x: [3], z: [2] target y: [1], t: [1] feedback f: [1] = 0 teacher y
        layer a = Gru(x = x, H = H) layer b = Gru(x = z, H = H) param W: [1, H], V: [H]
        f = W @ a loss mse(f, y) }";
    assert_eq!(codes(text), ["W0608 z", "W0608 t", "W0608 b", "W0601 V"]);
}

#[test]
fn functions_are_used_from_cells_only() {
    let text = "fn f(v) = g(v) fn g(v) = 2 * v fn h(v) = h2(v) fn h2(v) = v
        activation a(v) = v activation b(v, k = 1) = k * v
        cell A { hyper act = a input x: [] layer l = B(x = x, act = b) output y = act(f(x)) + l }";
    assert_eq!(codes(text), ["W0608 h", "W0608 h2"]);
    assert_eq!(codes("fn f(v, u) = v"), ["W0608 u"]);
    assert_eq!(codes("activation f(v, k = 2) = log(1 + k) * log(1 + v)"), ["W0604 log(1 + v)"]);
}

#[test]
fn biases_that_a_layout_names_may_be_two() {
    let cell = "cell A { input x: [] param b, c: [] output y = tanh(x + b + c)";
    let told = |layout: &str| -> Vec<String> {
        let program = Program::single(tree(&format!("{cell} {layout} }}")));
        let checked = crate::check::check(&program, None, &Default::default());
        checked.diagnostics.into_iter().map(|it| it.message).collect()
    };
    let sum = ["`b` and `c` only occur as a sum"];
    assert_eq!(told(""), sum);
    assert_eq!(told("layout z { m = b n = c }"), [""; 0]);
    assert_eq!(told("layout z { m = rows(c, b) }"), [""; 0]);
    // A framework that keeps only their sum is no reason to keep both.
    assert_eq!(told("layout z { m = b + c }"), sum);
    assert_eq!(told("layout z { m = b + c } layout y { m = c n = b }"), [""; 0]);
}
