//! E05: derivatives that a spec gives itself.

use super::{Code, Entry};

pub(super) const ROWS: &[Entry] = &[
    Entry {
        code: Code::BadDerivative,
        title: "a `derivative` that cannot be used",
        text: "\
The expression after `derivative` replaces the slope of the activation in both
modes of differentiation. It must be computed element by element from the value
and the activation's own parameters, and give one number for each element.",
        wrong: "\
activation spike(v) = step(v) derivative softmax(v)
cell A {
  dims H
  input x: [H]
  output y = spike(x)
}
",
        right: "\
activation spike(v) = step(v) derivative sigmoid(v)
cell A {
  dims H
  input x: [H]
  output y = spike(x)
}
",
    },
    Entry {
        code: Code::NotElementwise,
        title: "an activation that does not work element by element",
        text: "\
An activation maps each element by itself, whatever the shape: this is what
makes it exchangeable by a hyper. A body that sums, multiplies matrices, joins
or looks up belongs into an `fn`.",
        wrong: "\
activation share(v) = v / sum(v)
cell A {
  dims H
  input x: [H]
  output y = share(x)
}
",
        right: "\
fn share(v) = v / sum(v)
cell A {
  dims H
  input x: [H]
  output y = share(x)
}
",
    },
];
