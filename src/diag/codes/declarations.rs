//! E04: declarations, equations that are missing, constants.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::NoEquation,
        title: "a state without an equation",
        text: "\
Each state needs exactly one equation `NAME = ...` for its value after the step.
A value that never changes is a `param` if it is trained and a `const` if not;
one that is not carried over is a `let`.",
        wrong: "\
cell A {
  input x: []
  state c: []
  output y = x + prev c
}
",
        right: "\
cell A {
  input x: []
  state c: []
  c = 0.5 * x
  output y = x + prev c
}
",
    },
    Entry {
        code: Code::NoOutput,
        title: "a cell without an output",
        text: "\
A cell says what it returns at each step: `output h` for a named value,
`output y = expr` for a new one. The first output is the main one. Nothing is
returned by itself, not even a state.",
        wrong: "\
cell A {
  input x: []
  state h: []
  h = tanh(x + prev h)
}
",
        right: "\
cell A {
  input x: []
  state h: []
  h = tanh(x + prev h)
  output h
}
",
    },
    Entry {
        code: Code::BadInitialiser,
        title: "an initialiser that does not exist or does not fit",
        text: "\
After `init` stands a constant expression with draws: a number, `uniform(a)`,
`normal(std)`, `truncated_normal(std)`, `log_uniform(lo, hi)`,
`linspace(lo, hi)`, `glorot_uniform`, `glorot_normal`, `he_uniform`,
`he_normal`, `lecun_normal`, `orthogonal`, `identity`, `iota(N)`, and functions
of these. Their arguments are constants. Without `init`, two or more axes start
as `glorot_uniform` and others as 0.",
        wrong: "\
cell A {
  dims I, H
  input x: [I]
  param W: [H, I] init xavier
  output y = W @ x
}
",
        right: "\
cell A {
  dims I, H
  input x: [I]
  param W: [H, I] init glorot_uniform
  output y = W @ x
}
",
    },
    Entry {
        code: Code::NotConstant,
        title: "a value of the step where a constant is needed",
        text: "\
Hypers, defaults, the `k` of `prev(h, k)`, bounds of slices, limits,
probabilities and initialisers are known before the first step. They are made of
numbers, sizes and hypers, with arithmetic and functions of these; inputs,
states and parameters have no place there.",
        wrong: "\
cell A {
  input x: []
  output y = clip_grad(tanh(x), x)
}
",
        right: "\
cell A {
  input x: []
  output y = clip_grad(tanh(x), 1)
}
",
    },
    Entry {
        code: Code::ConstantOutOfRange,
        title: "a constant outside of what its place allows",
        text: "\
Some constants have bounds: `prev(x, k)` goes back at least one step, sizes are
at least 1, a probability lies in [0, 1], a limit is positive, and where a whole
number is needed it must be whole. The message gives the value and the bounds.",
        wrong: "\
cell A {
  input x: []
  output y = x - prev(x, 0)
}
",
        right: "\
cell A {
  input x: []
  output y = x - prev(x, 1)
}
",
    },
    Entry {
        code: Code::NotAState,
        title: "an equation for something that is no state",
        text: "\
`NAME = ...` gives the new value of a state. Inputs come from outside,
parameters and constants stay as they are during a sequence. A new value gets
its name with `let` or `gate`.",
        wrong: "\
cell A {
  input x: []
  param b: []
  b = tanh(x)
  output y = x * b
}
",
        right: "\
cell A {
  input x: []
  param b: []
  let c = tanh(x)
  output y = b * c
}
",
    },
    Entry {
        code: Code::ShapeFromOwnPast,
        title: "a `let` whose shape follows from nothing but its own past",
        text: "\
The shape of a `let` is found from its expression. Where that leads back to
`prev` of the same name there is nothing to start from, and no value for the
first step either. Declare a state: it states its shape and its start.",
        wrong: "\
cell A {
  input x: []
  let v = 0.5 * prev v
  output y = x + v
}
",
        right: "\
cell A {
  input x: []
  state v: [] = 1
  v = 0.5 * prev v
  output y = x + v
}
",
    },
    Entry {
        code: Code::WrongPlace,
        title: "a part of a declaration that does not belong to its kind",
        text: "\
`init` belongs to params and stored constants, `= value` to states, computed
constants, masks and optional inputs, `per` to masks and inputs, `index[V]` to
inputs and targets, and `teacher` to feedbacks. The start of a state stands
after `=`, and the values of an input come from outside. `backward` after a
layer belongs to models; a cell sees no later step, so remove it, and run the
cell over the reversed sequence where that is meant.",
        wrong: "\
cell A {
  input x: [] init normal(1)
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
        code: Code::BadMask,
        title: "a mask that is not `bernoulli(..) per ..`",
        text: "\
A mask holds bits: 0 or 1 in training, and in evaluation the probability of a
1. Its declaration says that probability, `bernoulli(1 - p)`, and how often it
is drawn: `per step` for new bits at every step of every sequence, `per
sequence` for the same bits at all steps of a sequence, `per run` for the same
bits in all sequences of a call. There is no default, since that is what tells
one kind of dropout from another. Scaling is written where the mask is read.",
        wrong: "\
cell A {
  dims H
  hyper p = 0.2
  input x: [H]
  mask d: [H] = bernoulli(1 - p)
  output y = x * d / (1 - p)
}
",
        right: "\
cell A {
  dims H
  hyper p = 0.2
  input x: [H]
  mask d: [H] = bernoulli(1 - p) per step
  output y = x * d / (1 - p)
}
",
    },
    Entry {
        code: Code::LoopParts,
        title: "a loop whose names, starts and results are not as many",
        text: "\
Each value that a `fold` carries has a name after `fold`, a start after `from`
and a result after `yield`. The `let`, gate or state that the loop gives has one
name for each of them: `let (u, v) = fold (u, v) from (a, b) ..`.",
        wrong: "\
cell A {
  dims H
  input x: [H]
  let u = fold (u, v) from (x, x) for k in 0 .. 2 { yield (v, u + v) }
  output u
}
",
        right: "\
cell A {
  dims H
  input x: [H]
  let (u, v) = fold (u, v) from (x, x) for k in 0 .. 2 { yield (v, u + v) }
  output y = u * v
}
",
    },
];
