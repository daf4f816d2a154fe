//! E03: shapes, axes, indices and sizes.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::CannotMultiply,
        title: "a product of shapes that do not meet",
        text: "\
`A @ v` sums over the last axis of both, which must be the same size by name:
`[H, I] @ [I]` is `[H]`. The message shows both shapes and where they differ.
Use the parameter that belongs to the other value, turn the matrix over with
`transpose`, or declare another shape.",
        wrong: "\
cell A {
  dims I, H
  input x: [I]
  state h: [H]
  param W: [H, I]
  h = tanh(W @ x + W @ prev h)
  output h
}
",
        right: "\
cell A {
  dims I, H
  input x: [I]
  state h: [H]
  param W: [H, I], U: [H, H]
  h = tanh(W @ x + U @ prev h)
  output h
}
",
    },
    Entry {
        code: Code::ShapesDoNotFit,
        title: "an operation between shapes that do not fit",
        text: "\
Operators and functions that work element by element want equal axes. An operand
with fewer axes is repeated if all of its axes are among those of the other, by
name and in order. `[I]` and `[H]` do not fit, even when both sizes are 128: a
product with a matrix leads from one to the other.",
        wrong: "\
cell A {
  dims I, H
  input x: [I]
  state h: [H]
  h = tanh(x + prev h)
  output h
}
",
        right: "\
cell A {
  dims I, H
  input x: [I]
  state h: [H]
  param W: [H, I]
  h = tanh(W @ x + prev h)
  output h
}
",
    },
    Entry {
        code: Code::StateShape,
        title: "the new value of a state has another shape than declared",
        text: "\
The value that a state takes must have the shape of its declaration, since it is
the old value of the next step. Nothing is repeated or summed to make it fit; a
scalar is written as a vector with `zeros([H]) + s`. Change the declaration or
the equation.",
        wrong: "\
cell A {
  dims I, H
  input x: [I]
  state h: [H]
  h = tanh(x)
  output y = prev h
}
",
        right: "\
cell A {
  dims I
  input x: [I]
  state h: [I]
  h = tanh(x)
  output y = prev h
}
",
    },
    Entry {
        code: Code::RowWiseProduct,
        title: "`@` of two matrices that both hold the summed axis first",
        text: "\
`@` keeps leading axes that both sides have, so `[H, H] @ [H, H]` would be one
dot product for each row. The product of two matrices is `matmul(A, B)`. To
multiply several matrices with a vector, write `A @ B @ x`: `@` goes from right
to left.",
        wrong: "\
cell A {
  dims H
  input x: [H]
  param U: [H, H]
  output y = (U @ U) @ x
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  param U: [H, H]
  output y = matmul(U, U) @ x
}
",
    },
    Entry {
        code: Code::BadLeftOperand,
        title: "the left side of `@` is no matrix",
        text: "\
The left operand of `@` has at least two axes. For a row vector times a matrix
write `transpose(W) @ x`, for two vectors `dot(a, b)`, and for a number `*`.",
        wrong: "\
cell A {
  dims I, H
  input x: [I]
  param W: [I, H]
  output y = x @ W
}
",
        right: "\
cell A {
  dims I, H
  input x: [I]
  param W: [I, H]
  output y = transpose(W) @ x
}
",
    },
    Entry {
        code: Code::AmbiguousAxes,
        title: "axes that fit in more than one way",
        text: "\
Axes are matched by name. A `[H]` fits a `[H, H]` along its rows and along its
columns, and shared axes that repeat or stand in another order leave it open
which belongs to which. Say it: `outer(v, ones([H])) * U` scales the rows,
`outer(ones([H]), v) * U` the columns. A second name for the same size,
`dims J like H`, keeps two axes apart.",
        wrong: "\
cell A {
  dims H
  input v: [H]
  param U: [H, H]
  output y = v * U
}
",
        right: "\
cell A {
  dims H
  input v: [H]
  param U: [H, H]
  output y = outer(v, ones([H])) * U
}
",
    },
    Entry {
        code: Code::OutOfRange,
        title: "an index or a slice beyond the end of an axis",
        text: "\
`v[k]` counts from 0, and `slice(v, from, to)` takes `from` up to, but not
including, `to`. What is wrong for every size is an error here; what depends on
the sizes is checked when they are set.",
        wrong: "\
cell A {
  input x: [4]
  output y = slice(x, 2, 6)
}
",
        right: "\
cell A {
  input x: [4]
  output y = slice(x, 2, 4)
}
",
    },
    Entry {
        code: Code::BadReduction,
        title: "a sum, mean or norm that does not say over which axis",
        text: "\
`sum(v)` and its like work over the only axis. A value with several axes needs
`over D`, `over [N, D]`, `over first` or `over last`, with axes that it has; a
value without axes has nothing to sum over.",
        wrong: "\
cell A {
  dims N, D
  input m: [N, D]
  output y = sum(m)
}
",
        right: "\
cell A {
  dims N, D
  input m: [N, D]
  output y = sum(m, over D)
}
",
    },
    Entry {
        code: Code::BadShapeFunction,
        title: "`concat`, `reshape` or the like with shapes that it cannot join",
        text: "\
Each function that builds shapes has a condition: `reshape` keeps the number of
elements, `concat` joins last axes under equal leading ones, `stack` wants equal
shapes, `rename` keeps sizes and `matmul`, `outer` and `dot` need axes that
meet. The message says which condition does not hold.",
        wrong: "\
cell A {
  input x: [4]
  output y = reshape(x, [3, 2])
}
",
        right: "\
cell A {
  input x: [4]
  output y = reshape(x, [2, 2])
}
",
    },
    Entry {
        code: Code::BadLookup,
        title: "an index that is not whole, or looks into the wrong axis",
        text: "\
`v[k]` takes a constant index, and `E[token]` looks up a row by an input that is
declared `index[V]`, where `V` is the first axis of `E`. A real number cannot be
an index, and a scalar has nothing to look into.",
        wrong: "\
cell A {
  dims V, D
  input token: []
  param E: [V, D]
  output y = E[token]
}
",
        right: "\
cell A {
  dims V, D
  input token: index[V]
  param E: [V, D]
  output y = E[token]
}
",
    },
    Entry {
        code: Code::DeclaredShape,
        title: "a start or a computed constant of another shape than declared",
        text: "\
The start of a state and the value of a computed constant have the declared
shape, or are a number, which then fills it. Change the declaration or the
expression.",
        wrong: "\
cell A {
  dims I, H
  input x: [H]
  param h0: [I]
  state h: [H] = h0
  h = tanh(prev h + x)
  output h
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  param h0: [H]
  state h: [H] = h0
  h = tanh(prev h + x)
  output h
}
",
    },
    Entry {
        code: Code::BadDimExpression,
        title: "a size that is not made of sums, products and whole powers",
        text: "\
Sizes are computed with `+`, `-`, `*` and whole powers; they stay whole numbers
for every setting. A division would not, so turn it round: instead of
`K = H / 2` say `H = 2 * K`, and set `K`.",
        wrong: "\
cell A {
  dims H, K = H / 2
  input a: [H], b: [K]
  output y = tanh(a), z = tanh(b)
}
",
        right: "\
cell A {
  dims K, H = 2 * K
  input a: [H], b: [K]
  output y = tanh(a), z = tanh(b)
}
",
    },
    Entry {
        code: Code::AccumulatorShape,
        title: "an accumulator that changes its shape",
        text: "\
A loop carries its accumulators from iteration to iteration, and each has one
shape: that of its start. A scalar does not become a vector by itself; start
from `zeros([H])`. A value of one iteration that is needed after the loop gets
an accumulator of its own; it cannot be appended to one.",
        wrong: "\
cell A {
  dims H
  input x: [H]
  param w: [3, H]
  let s = fold s from 0 for k in 0 .. 3 { yield s + w[k] * x }
  output s
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  param w: [3, H]
  let s = fold s from zeros([H]) for k in 0 .. 3 { yield s + w[k] * x }
  output s
}
",
    },
];
