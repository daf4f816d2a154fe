//! Loops within a step.

use std::fmt::Write as _;

use super::{BACK, Grower, Named};

impl Grower<'_, '_> {
    /// The value `v{idx}` as a loop, and what it defines: it, and with two accumulators another.
    pub(super) fn fold(&mut self, idx: usize, shape: &[&'static str]) -> (String, Vec<Named>) {
        let pair = self.tape.once_in(3);
        let other = if pair { self.shape() } else { shape.to_vec() };
        let (start, second) = (self.leaf(shape), self.leaf(&other));
        let outside = self.values.len();
        let bind = |values: &mut Vec<Named>, text: String, shape: &[&'static str]| {
            values.push(Named::new(text, shape, true, 0));
        };
        bind(&mut self.values, format!("a{idx}"), shape);
        if pair {
            bind(&mut self.values, format!("b{idx}"), &other);
        }
        // Weights of each turn, and the number of the turn.
        let turns = self.tape.pick(4);
        let weight = self.weight(&[&["L"], shape].concat());
        bind(&mut self.values, format!("{weight}[k{idx}]"), shape);
        bind(&mut self.values, format!("(k{idx} / 2)"), &[]);
        let mut body = String::new();
        if self.tape.once_in(3) {
            let start = self.leaf(shape);
            let range = *self.tape.choose(&["0 .. 2", "k .. 3", "0 .. k"]);
            let range = range.replace('k', &format!("k{idx}"));
            let within = self.values.len();
            bind(&mut self.values, format!("m{idx}"), shape);
            let pair = self.tape.once_in(2);
            if pair {
                bind(&mut self.values, format!("n{idx}"), shape);
            }
            let value = self.expr(shape, 1);
            self.values.truncate(within);
            let (names, starts, results) = if pair {
                let second = self.leaf(shape);
                let names = format!("(m{idx}, n{idx})");
                (names, format!("({start}, {second})"), format!("(n{idx}, tanh({value}))"))
            } else {
                (format!("m{idx}"), start, format!("tanh({value})"))
            };
            writeln!(
                body,
                "    let {names} = fold {names} from {starts} for j{idx} in {range} {{ yield {results} }}"
            )
            .unwrap();
            bind(&mut self.values, format!("m{idx}"), shape);
        }
        let value = self.expr(shape, 2);
        writeln!(body, "    gate g{idx} = sigmoid({value})").unwrap();
        bind(&mut self.values, format!("g{idx}"), shape);
        let first = format!("0.5 * a{idx} + tanh({})", self.expr(shape, 2));
        let last = format!("tanh({})", self.expr(&other, 1));
        self.values.truncate(outside);
        let bounds = ["0 .. L", "0 .. 2", "1 .. L", "2 .. 2"][turns];
        let (names, accumulators, starts, results) = if pair {
            (
                format!("(v{idx}, w{idx})"),
                format!("(a{idx}, b{idx})"),
                format!("({start}, {second})"),
                format!("({first}, {last})"),
            )
        } else {
            (format!("v{idx}"), format!("a{idx}"), start, first)
        };
        let text = format!(
            "  let {names} = fold {accumulators} from {starts} for k{idx} in {bounds} {{\n{body}    yield {results}\n  }}\n"
        );
        let mut defined = vec![Named::new(format!("v{idx}"), shape, true, BACK)];
        if pair {
            defined.push(Named::new(format!("w{idx}"), &other, true, BACK));
        }
        (text, defined)
    }
}
