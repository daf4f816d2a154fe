//! E06: layers that read backward.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[Entry {
    code: Code::ReadsBackward,
    title: "a layer that reads `backward` where steps go forward",
    text: "\
A layer with `backward` begins at the last step of each sequence. All that it
reads must be known for all steps before, so it stands in no cycle through
`prev`. A cell with such a layer has no single step: it cannot be a layer itself
and cannot be run step by step. `prev` of the layer would have two readings, the
step before and the one after; a `let` with its value has the step before. It
may read another layer, in either direction, and be read by one.",
    wrong: "\
use std/gru
cell A {
  dims I, H
  input x: [I]
  state s: [H]
  layer b = Gru(x = concat(x, prev s), H = H) backward
  s = tanh(b)
  output s
}
",
    right: "\
use std/gru
cell A {
  dims I, H
  input x: [I]
  state s: [H]
  layer b = Gru(x = x, H = H) backward
  s = tanh(b + prev s)
  output s
}
",
}];
