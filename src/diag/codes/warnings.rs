//! W06: specs that compile and probably do not say what was meant.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::UnusedParam,
        title: "a parameter that nothing reads",
        text: "\
It would be drawn, stored and reported, but no output depends on it. Often an
equation uses another name by mistake. Remove it, or use it.",
        wrong: "\
cell A {
  input x: []
  param a: [], b: []
  output y = a * x
}
",
        right: "\
cell A {
  input x: []
  param a: [], b: []
  output y = a * x + b
}
",
    },
    Entry {
        code: Code::GateRange,
        title: "a gate that may leave [0, 1]",
        text: "\
A `gate` is meant to lie between 0 and 1; tools draw and report it as such. Its
range is found from its expression, and the message shows how. Use `sigmoid`,
`clamp` or the like, or declare a `let`.",
        wrong: "\
cell A {
  input x: []
  gate g = tanh(x)
  output y = g * x
}
",
        right: "\
cell A {
  input x: []
  gate g = sigmoid(x)
  output y = g * x
}
",
    },
    Entry {
        code: Code::OnlyAsSum,
        title: "two parameters that only occur as a sum",
        text: "\
`b + c` with two free parameters can do no more than one: the gradients of both
are the same, and training moves them together. Two biases are useful only for
exchanging weights with a framework that has both; a layout that names both
silences the warning.",
        wrong: "\
cell A {
  input x: []
  param b: [], c: []
  output y = tanh(x + b + c)
}
",
        right: "\
cell A {
  input x: []
  param b: []
  output y = tanh(x + b)
}
",
    },
    Entry {
        code: Code::LosesAccuracy,
        title: "an expression for which there is a more accurate function",
        text: "\
On paper both are the same, but in floating-point numbers the composed form
overflows or loses digits, and its gradient can become NaN. The message names
the function that computes it directly.",
        wrong: "\
cell A {
  input x: []
  output y = log(sigmoid(x))
}
",
        right: "\
cell A {
  input x: []
  output y = log_sigmoid(x)
}
",
    },
    Entry {
        code: Code::ZeroGradient,
        title: "a parameter whose gradient is zero for every input",
        text: "\
Every path from the parameter to an output goes through something without slope:
`step`, `sign`, `floor`, a comparison, `stop_grad`. It would never be trained.
Use a smooth function, give the activation a `derivative` of its own, or declare
a `const`.",
        wrong: "\
cell A {
  input x: []
  param p: []
  output y = step(p * x)
}
",
        right: "\
cell A {
  input x: []
  param p: []
  output y = sigmoid(p * x)
}
",
    },
    Entry {
        code: Code::NeverReadWithPrev,
        title: "a state whose old value is never read",
        text: "\
A state is there to be carried to the next step. If nothing reads `prev s`, it
is an ordinary value; declare it with `let`. If it should be read, an equation
lacks a `prev`.",
        wrong: "\
cell A {
  input x: []
  state s: []
  s = tanh(x)
  output s
}
",
        right: "\
cell A {
  input x: []
  let s = tanh(x)
  output s
}
",
    },
    Entry {
        code: Code::DanglingDoc,
        title: "a `///` comment with nothing after it to document",
        text: "\
`///` belongs to the item or declaration that follows. At the end of a cell or
file there is none. Move it, or write `//`.",
        wrong: "\
cell A {
  input x: []
  output y = tanh(x)
  /// Squashed input.
}
",
        right: "\
cell A {
  input x: []
  // Squashed input.
  output y = tanh(x)
}
",
    },
    Entry {
        code: Code::UnusedName,
        title: "a name that nothing uses",
        text: "\
An input, `let`, `gate`, size, hyper, constant or function of this name is
defined, but no output, state or other definition depends on it. Remove it, use
it, or look for the place where another name was written instead.",
        wrong: "\
cell A {
  input x: []
  let a = tanh(x)
  output y = 2 * x
}
",
        right: "\
cell A {
  input x: []
  let a = tanh(x)
  output y = 2 * a
}
",
    },
    Entry {
        code: Code::IdleUse,
        title: "a `use` that adds nothing",
        text: "\
No cell and no function of this file needs anything of what it uses here, or it
uses the same file twice. Remove the line. A file without cells of its own may
gather others for those who use it, and is not warned.",
        wrong: "\
use std/lstm
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
        code: Code::IdleAllow,
        title: "an `allow` comment that allows nothing",
        text: "\
`// allow W0602: reason`, before a declaration or at its end, keeps warnings of
this code at the declaration from being told. It needs a reason, and it is told
itself when there is no such warning: then it is out of date, or in the wrong
place.",
        wrong: "\
cell A {
  input x: []
  // allow W0602: a leak below 0 is meant
  output y = tanh(x)
}
",
        right: "\
cell A {
  input x: []
  // allow W0602: a leak below 0 is meant
  gate g = tanh(x)
  output y = g * x
}
",
    },
    Entry {
        code: Code::DecidingMask,
        title: "a mask that decides, or is under a function that is not affine",
        text: "\
In training a mask holds bits, in evaluation the probability of its ones. As a
factor or a term that gives the mean of what training computes. As a condition
it does not: `where(m, a, b)` then always takes `a`, and `m > 0.5` is the same
at every step. Write the choice as a product.",
        wrong: "\
cell A {
  input x: []
  state h: []
  mask keep: [] = bernoulli(0.9) per step
  h = where(keep, prev h, tanh(x))
  output h
}
",
        right: "\
cell A {
  input x: []
  state h: []
  mask keep: [] = bernoulli(0.9) per step
  h = keep * prev h + (1 - keep) * tanh(x)
  output h
}
",
    },
];
