//! E02: names, what they mean and what they depend on.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::UnknownName,
        title: "a name that nothing defines",
        text: "\
Every name is declared or defined exactly once in its cell; a name that is
merely used never becomes a new parameter. Functions and activations see only
their own arguments. The message offers the nearest name that exists.",
        wrong: "\
cell A {
  dims I, H
  input x: [I]
  param W_g: [H, I]
  output y = W_q @ x
}
",
        right: "\
cell A {
  dims I, H
  input x: [I]
  param W_g: [H, I]
  output y = W_g @ x
}
",
    },
    Entry {
        code: Code::DefinedTwice,
        title: "a name is defined twice",
        text: "\
Equations may stand in any order, so a second definition cannot replace the
first. Give one of the two another name. The new value of a state is written
`h = ...` once; its old value is `prev h`.",
        wrong: "\
cell A {
  input x: []
  let a = tanh(x)
  let a = sigmoid(x)
  output y = a
}
",
        right: "\
cell A {
  input x: []
  let a = tanh(x)
  let b = sigmoid(x)
  output y = a * b
}
",
    },
    Entry {
        code: Code::UnknownFunction,
        title: "a function that does not exist",
        text: "\
The name before `(` is neither a built-in function nor an `fn` or `activation`
of this file or of one that it uses, nor a hyper that stands for an activation.
The message offers the nearest one.",
        wrong: "\
cell A {
  input x: []
  output y = tahn(x)
}
",
        right: "\
cell A {
  input x: []
  output y = tanh(x)
}
",
    },
    Entry {
        code: Code::Cycle,
        title: "values depend on each other within one step",
        text: "\
Equations may stand in any order, but within a step some order must exist. The
message lists the circle. Almost always one of the names should be the value of
the step before: `prev h` is the old value, `h` alone the new one.",
        wrong: "\
cell A {
  input x: []
  state h: []
  gate z = sigmoid(x + h)
  h = z * x
  output h
}
",
        right: "\
cell A {
  input x: []
  state h: []
  gate z = sigmoid(x + prev h)
  h = z * x
  output h
}
",
    },
    Entry {
        code: Code::BadPrev,
        title: "`prev` of something that has no past",
        text: "\
`prev NAME` is the value that a state, an input, a `let` or a `gate` had one
step ago. Parameters, constants, sizes and hypers are the same in every step, so
they are written without `prev`. An expression has no past either: give it a
name with `let`, and write `prev` of that name.",
        wrong: "\
cell A {
  dims H
  input x: [H]
  state h: [H]
  param U: [H, H]
  h = tanh(prev U @ prev h + x)
  output h
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  state h: [H]
  param U: [H, H]
  h = tanh(U @ prev h + x)
  output h
}
",
    },
    Entry {
        code: Code::BadArguments,
        title: "a call with wrong arguments",
        text: "\
There are too few or too many arguments, one is given twice, or a named one does
not exist. The message shows how the function is called. Arguments may be named
wherever the parameter has a name: `elu(v, alpha = 0.5)`.",
        wrong: "\
cell A {
  input x: []
  output y = clamp(x, 0)
}
",
        right: "\
cell A {
  input x: []
  output y = clamp(x, 0, 1)
}
",
    },
    Entry {
        code: Code::RecursiveFunction,
        title: "a function that calls itself",
        text: "\
Functions and activations are put in the place of each call, so one that calls
itself, directly or through others, would never end. Write the repetition out,
or carry it from step to step with a state.",
        wrong: "\
fn f(a) = 0.5 * f(a) + 1
cell A {
  input x: []
  output y = f(x)
}
",
        right: "\
fn f(a) = 0.5 * a + 1
cell A {
  input x: []
  output y = f(x)
}
",
    },
    Entry {
        code: Code::CyclicDims,
        title: "sizes that are defined by each other",
        text: "\
A derived size such as `dims H = N * D` is computed from others, in any order,
but the computation must begin somewhere. Leave out one of the definitions; that
size is then set from outside or follows from the data.",
        wrong: "\
cell A {
  dims P = 2 * Q, Q = P
  input a: [P], b: [Q]
  output y = tanh(a), z = tanh(b)
}
",
        right: "\
cell A {
  dims P = 2 * Q, Q
  input a: [P], b: [Q]
  output y = tanh(a), z = tanh(b)
}
",
    },
    Entry {
        code: Code::BuiltInName,
        title: "a definition takes the name of a built-in function",
        text: "\
An `fn`, an `activation` or a cell may not be called like a built-in function:
whoever reads `relu(v)` should know what it is. A value may be called so, since
functions have a name space of their own. Choose another name.",
        wrong: "\
fn relu(v) = max(v, 0.1 * v)
cell A {
  input x: []
  output y = relu(x)
}
",
        right: "\
fn leaky(v) = max(v, 0.1 * v)
cell A {
  input x: []
  output y = leaky(x)
}
",
    },
    Entry {
        code: Code::WrongKindOfName,
        title: "a name is used as something that it is not",
        text: "\
The name exists, but a function or an activation stands where a value is needed,
or a value where a function is needed, or a size where neither fits. A hyper
that stands for an activation is called like one: `act(v)`.",
        wrong: "\
cell A {
  hyper act = tanh
  input x: []
  output y = act * x
}
",
        right: "\
cell A {
  hyper act = tanh
  input x: []
  output y = act(x)
}
",
    },
    Entry {
        code: Code::UnknownDim,
        title: "a size that is not declared",
        text: "\
The sizes in shapes are declared with `dims`. Sizes are told apart by name: `I`
and `H` never fit each other, even when both are 128.",
        wrong: "\
cell A {
  dims H
  input x: [H]
  state h: [K]
  h = tanh(x + prev h)
  output h
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  state h: [H]
  h = tanh(x + prev h)
  output h
}
",
    },
    Entry {
        code: Code::BadUse,
        title: "a `use` that cannot be followed",
        text: "\
`use \"gates.rnn\"` names a file in the folder of this one or below it, with `/`
between folders: no absolute path, no `..`, no link that leads out.
`use std/lstm` names a file of the built-in library. No file may use itself,
directly or through others; the message lists the circle.",
        wrong: "\
use std/lstmm
cell A {
  input x: []
  output y = tanh(x)
}
",
        right: "\
cell A {
  input x: []
  output y = tanh(x)
}
",
    },
    Entry {
        code: Code::UnknownCell,
        title: "a layer is made of something that is no cell",
        text: "\
A layer names a cell of this file, or of a file that it uses: `layer a =
Lstm(x = e, H = H)`. Functions are called without `layer`, and a model is no
part of anything else.",
        wrong: "\
cell Leaky {
  input x: []
  state h: []
  h = 0.9 * prev h + x
  output h
}
cell A {
  input x: []
  layer a = Leeky(x = x)
  output y = tanh(a)
}
",
        right: "\
cell Leaky {
  input x: []
  state h: []
  h = 0.9 * prev h + x
  output h
}
cell A {
  input x: []
  layer a = Leaky(x = x)
  output y = tanh(a)
}
",
    },
    Entry {
        code: Code::RecursiveCell,
        title: "a cell that holds itself",
        text: "\
A layer is put in the place where it stands, with all its weights and states,
so a cell within itself would have no end. Repetition in time is what `prev` is
for: stack layers with `layer a[3] = ..` for repetition in depth.",
        wrong: "\
cell A {
  input x: []
  layer b = A(x = x)
  output y = tanh(b)
}
",
        right: "\
cell A {
  input x: []
  state y: []
  y = tanh(x + prev y)
  output y
}
",
    },
    Entry {
        code: Code::BadShares,
        title: "a layer cannot use the weights of another",
        text: "\
`layer b = Lstm(x = e) shares a` uses the params, consts and sizes of `a`. Both
must be made of the same cell, with the same sizes, and of as many layers if
they are stacks; one of them must have weights of its own.",
        wrong: "\
cell P { input x: [] param w: [] output y = w * x }
cell Q { input x: [] param v: [] output y = v + x }
cell A {
  input x: []
  layer a = P(x = x)
  layer b = Q(x = a) shares a
  output y = tanh(b)
}
",
        right: "\
cell P { input x: [] param w: [] output y = w * x }
cell A {
  input x: []
  layer a = P(x = x)
  layer b = P(x = a) shares a
  output y = tanh(b)
}
",
    },
];
