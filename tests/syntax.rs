//! Text to tree: what parses, what the messages say about the rest, and that no text does harm.

use rnnc::diag::{Code, Diagnostic, has_errors};
use rnnc::syntax::{ast, decode, erase_spans, parse, print, print_expr};
use rnnc::text::{FileId, SourceFile};

fn read(text: &str) -> (ast::File, Vec<Diagnostic>) {
    let source = SourceFile::new("test.rnn", text);
    let (tree, diagnostics) = parse(&source, FileId(0));
    for diagnostic in &diagnostics {
        let labels = diagnostic.labels.iter().map(|it| it.span);
        let edits = diagnostic.fix.iter().flat_map(|it| it.edits.iter().map(|it| it.0));
        for span in std::iter::once(diagnostic.span).chain(labels).chain(edits) {
            assert!(
                text.get(span.range()).is_some(),
                "{} `{}`: span {span:?} does not fit the text",
                diagnostic.code.as_str(),
                diagnostic.message
            );
        }
    }
    (tree, diagnostics)
}

/// The diagnostics, one a line: code, line and column, message.
fn messages(text: &str) -> Vec<String> {
    let source = SourceFile::new("test.rnn", text);
    let show = |it: &Diagnostic| {
        let place = source.line_column(it.span.start);
        format!("{} {}:{} {}", it.code.as_str(), place.line, place.column, it.message)
    };
    read(text).1.iter().map(show).collect()
}

/// A good text, printed: the form that reading and printing again leaves as it is.
#[track_caller]
fn printed(text: &str) -> String {
    let (mut tree, diagnostics) = read(text);
    assert_eq!(diagnostics, [], "{text}");
    let once = print(&tree);
    let (mut again, diagnostics) = read(&once);
    assert_eq!(diagnostics, [], "{once}");
    assert_eq!(print(&again), once);
    erase_spans(&mut tree);
    erase_spans(&mut again);
    assert_eq!(tree, again);
    once
}

const EVERYTHING: &str = r#"
use "gates.rnn"
use std/lstm
activation mish(v) = v * tanh(softplus(v))
activation spike(v, beta = 100) = step(v) derivative 1 / (1 + beta * abs(v)) ^ 2
/// Mixes two values.
fn blend(z, a, b) = z * a + (1 - z) * b

/// A cell with
/// everything.
cell All { // a comment
  dims I, H = 4, K = 2 * H + I ^ 2, J like H
  hyper dt = 0.1, act = leaky_relu(slope = 0.2)
  input x: [I], token: index[V]
  input step: [] = 1
  state h, c: [H] = -inf
  /// The weights.
  param W, U: [H, I + H] init uniform(1 / sqrt(H)), b: [H] init 0
  const A: [4] = [1, 2, 4, 8]
  const S: [] = sum(zeros([]))
  mask d: [H] = bernoulli(1 - p) per step
  gate z = sigmoid(W @ x
    + U @ prev h - b)
  let n = -x ^ -2 ^ y @ -z
  let (u, v) = fold (u, v) from (x, prev h) for i in 0 .. R { yield (u + f(v), v + f(u)) }
  let s = fold s from prev h for l in 0..L {
    let n = tanh(R_n[l] @ s + where(l == 0, W_n @ x, 0))
    yield t * n + (1 - t) * s
  }
  let e = softmax(v, over D) + softmax(over [N, D], v) + sum(v, over last) + sum(over first, v)
  let w = zeros([H, 2 * I]) + prev(h, 2)[3] + prev a[0].h[2] + a[0].W_i + prev h[1][2]
  let over = f(over, over + 1, over = 2)
  let q = (a < b) * (a >= 2e-30) + 1e300 * 0.30000000000000004 - inf / pi
  layer a = Lstm(x = e, H = 2 * H, prev h = f.h)
  layer b[L] = Lstm() shares a backward
  h = (1 - z) * n + z * prev h c = h
  output h, y = W @ h, a[0].h
}
model M {
  target load: [1], label: index[V]
  feedback y: [1] = 0 teacher load
  y = W @ x
  loss mse(y, load) + 0.1 * l at last
  layout pytorch {
    weight_ih = rows(W_r, W_z) // blocks
    "cells.0.b" + bias = concat(transpose(b), zeros([4 * H]))
  }
}
"#;

#[test]
fn every_construct_is_read_and_printed() {
    insta::assert_snapshot!("everything", printed(EVERYTHING));
}
