//! E06: models.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::SecondLoss,
        title: "a model with more than one loss",
        text: "\
Training makes one number small. What is made of several parts is their sum,
and how much each counts is arithmetic: `loss a + 0.1 * b`. A part without
targets, such as `0.001 * sum(square(W))`, counts once.",
        wrong: "\
model A {
  dims H
  input x: [H]
  target a, b: [H]
  output y = tanh(x)
  loss mse(y, a)
  loss mse(y, b)
}
",
        right: "\
model A {
  dims H
  input x: [H]
  target a, b: [H]
  output y = tanh(x)
  loss mse(y, a) + mse(y, b)
}
",
    },
    Entry {
        code: Code::BadTeacher,
        title: "a teacher of another type than its feedback",
        text: "\
Under teacher forcing the past of a feedback is the past of its teacher. So
both have the same type: the same axes by name, or an index below the same dim.",
        wrong: "\
model A {
  dims H, O
  input x: [H]
  target t: [O]
  feedback y: [H] = 0 teacher t
  y = tanh(x + prev y)
  loss sum(y) - sum(t)
}
",
        right: "\
model A {
  dims H
  input x: [H]
  target t: [H]
  feedback y: [H] = 0 teacher t
  y = tanh(x + prev y)
  loss mse(y, t)
}
",
    },
    Entry {
        code: Code::BadFeedback,
        title: "an index that is fed back and not chosen",
        text: "\
A `feedback c: index[V]` is a choice among V: `c = sample(logits)` or
`c = argmax(logits)`, with logits of the one axis V. It starts as a whole
number in 0..V.",
        wrong: "\
model A {
  dims V
  input c0: index[V]
  target next: index[V]
  feedback c: index[V] = 0 teacher next
  param T: [V, V]
  let logits = T[prev c]
  c = c0
  loss cross_entropy(logits, next)
}
",
        right: "\
model A {
  dims V
  target next: index[V]
  feedback c: index[V] = 0 teacher next
  param T: [V, V]
  let logits = T[prev c]
  c = sample(logits)
  loss cross_entropy(logits, next)
}
",
    },
    Entry {
        code: Code::BadChoice,
        title: "`sample` or `argmax` where nothing is chosen",
        text: "\
Both give an index, through which no gradient passes. A feedback or an output
of a model is one and nothing else: `c = sample(logits)`, where logits are a
vector. The next step reads it as `prev c`.",
        wrong: "\
model A {
  dims V
  feedback c: index[V] = 0
  param T: [V, V]
  let logits = T[prev c]
  c = argmax(logits)
  output y = logits[argmax(logits)]
}
",
        right: "\
model A {
  dims V
  feedback c: index[V] = 0
  param T: [V, V]
  let logits = T[prev c]
  c = argmax(logits)
  output c
  output y = max(logits)
}
",
    },
    Entry {
        code: Code::BadLoss,
        title: "a loss that is no number, or compares what cannot be",
        text: "\
A loss is a number per step. `mse`, `mae`, `huber` and `binary_cross_entropy`
compare two values of one shape and give the mean over their elements.
`cross_entropy(logits, label)` takes a vector over the dim of an index.",
        wrong: "\
model A {
  dims H
  input x: [H]
  target t: [H]
  output y = tanh(x)
  loss square(y - t)
}
",
        right: "\
model A {
  dims H
  input x: [H]
  target t: [H]
  output y = tanh(x)
  loss mse(y, t)
}
",
    },
    Entry {
        code: Code::TargetRead,
        title: "a target that a step reads",
        text: "\
A target is what a model learns to give: the loss reads it, and nothing else.
What the step may know is the target of the step before. A feedback whose
teacher it is has that for its past.",
        wrong: "\
model A {
  dims H
  input x: [H]
  target t: [H]
  output y = tanh(x + t)
  loss mse(y, t)
}
",
        right: "\
model A {
  dims H
  input x: [H]
  target t: [H]
  feedback y: [H] = 0 teacher t
  y = tanh(x + prev y)
  loss mse(y, t)
}
",
    },
    Entry {
        code: Code::ModelAsLayer,
        title: "a model as a layer",
        text: "\
A model is trained as a whole and stands in no other. What two models have in
common is a `cell`, of which each makes a layer.",
        wrong: "\
model A {
  input x: []
  output y = tanh(x)
}
model B {
  input x: []
  layer a = A(x = x)
  output a
}
",
        right: "\
cell A {
  input x: []
  output y = tanh(x)
}
model B {
  input x: []
  layer a = A(x = x)
  output a
}
",
    },
];
