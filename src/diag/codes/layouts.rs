//! E06: layouts.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::NotOneToOne,
        title: "a layout that leaves out a param or names it twice",
        text: "\
A layout says for every param where it stands in the files of a framework, so
that weights can be read and written. A param without a place could not be read,
and one with two places could be read as two different values. A stored const
may be left out. Where the framework has a tensor that the cell has not, the row
holds `zeros([..])`.",
        wrong: "\
cell A {
  dims H
  input x: [H]
  param w, b: [H]
  output y = tanh(w * x + b)
  layout pytorch { weight = w }
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  param w, b: [H]
  output y = tanh(w * x + b)
  layout pytorch { weight = w  bias = b }
}
",
    },
    Entry {
        code: Code::BadLayout,
        title: "something that does not stand in a layout",
        text: "\
A layout moves elements and computes nothing, so that it can be read in both
directions: it is made of params and of forms such as `rows(a, b)`. The one
exception is a sum, `a + b`, for a framework that keeps one bias where the cell
has two; it is allowed for params that the cell only ever adds to each other.",
        wrong: "\
cell A {
  dims H
  input x: [H]
  param w: [H]
  output y = tanh(w * x)
  layout other { weight = 2 * w }
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  param w: [H]
  output y = tanh(w * x)
  layout other { weight = w }
}
",
    },
    Entry {
        code: Code::LayoutShape,
        title: "shapes that cannot be arranged like this in a layout",
        text: "\
`rows(a, b)` puts blocks along the first axis and `cols(a, b)` along the last;
all other axes must be the same. `stack` needs parts of one shape, `permute`
each axis once, `reshape` as many elements as before. Sizes are compared by
name, as everywhere: `[H, I]` and `[H, H]` fit side by side only.",
        wrong: "\
cell A {
  dims I, H
  input x: [I], z: [H]
  param W: [H, I], U: [H, H]
  output y = tanh(W @ x + U @ z)
  layout other { weight = rows(W, U) }
}
",
        right: "\
cell A {
  dims I, H
  input x: [I], z: [H]
  param W: [H, I], U: [H, H]
  output y = tanh(W @ x + U @ z)
  layout other { weight = cols(W, U) }
}
",
    },
];
