//! Random cells that are well-formed by construction, as source text.
//!
//! A cell is grown from a tape of choices; an empty tape gives the simplest one, so that shrinking
//! the tape shrinks the cell. Sizes are never written: every dim is a name, except where a rule is
//! about numbers.

use std::fmt::Write as _;

/// A list of random choices that ends in zeros.
struct Tape<'a> {
    choices: &'a [u8],
    at: usize,
}

impl Tape<'_> {
    /// A number below `n`.
    fn pick(&mut self, n: usize) -> usize {
        let choice = self.choices.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(choice) % n
    }

    fn choose<'b, T>(&mut self, items: &'b [T]) -> &'b T {
        &items[self.pick(items.len())]
    }
}

/// The axes of a value, as they are written.
type Shape = Vec<&'static str>;

/// A value that an equation may read.
#[derive(Clone)]
struct Named {
    text: String,
    shape: Shape,
    /// Whether `prev` may stand before it.
    has_past: bool,
}

struct Grower<'a> {
    tape: Tape<'a>,
    params: Vec<(String, Shape)>,
    values: Vec<Named>,
}

const DIMS: &[&str] = &["I", "H", "N"];

/// A cell grown from a tape.
pub fn cell(choices: &[u8]) -> String {
    let mut grower =
        Grower { tape: Tape { choices, at: 0 }, params: Vec::new(), values: Vec::new() };
    grower.cell()
}

impl Grower<'_> {
    fn cell(&mut self) -> String {
        let mut named = |text: &str, shape: &[&'static str]| {
            self.values.push(Named { text: text.into(), shape: shape.to_vec(), has_past: true });
        };
        named("x", &["I"]);
        named("s", &[]);
        let mut states = vec![("h", vec!["H"])];
        if self.tape.pick(2) == 1 {
            states.push(("c", vec!["N"]));
        }
        if self.tape.pick(3) == 1 {
            states.push(("m", vec!["H", "N"]));
        }
        if self.tape.pick(4) == 1 {
            states.push(("q", vec![]));
        }

        let mut masks = String::new();
        for (idx, scope) in ["step", "sequence", "run"].into_iter().enumerate() {
            if self.tape.pick(3) != 1 {
                continue;
            }
            let shape = self.shape();
            let axes = shape.join(", ");
            writeln!(masks, "  mask d{idx}: [{axes}] = bernoulli(1 - a) per {scope}").unwrap();
            self.values.push(Named { text: format!("d{idx}"), shape, has_past: false });
        }

        let mut equations = String::new();
        // What is defined later may be read with `prev` only; states are read with `prev` from the
        // start.
        let past: Vec<Named> = states
            .iter()
            .map(|(name, shape)| Named {
                text: (*name).into(),
                shape: shape.clone(),
                has_past: true,
            })
            .collect();
        let bare = self.values.len();
        let lets = 1 + self.tape.pick(4);
        for idx in 0..lets {
            let shape = self.shape();
            self.values.extend(past.iter().map(|it| Named {
                text: format!("prev {}", it.text),
                shape: it.shape.clone(),
                has_past: false,
            }));
            if self.tape.pick(4) == 1 {
                let (text, defined) = self.fold(idx, &shape);
                let end = self.values.len() - past.len();
                self.values.truncate(end);
                equations.push_str(&text);
                self.values.extend(defined);
                continue;
            }
            let value = self.expr(&shape, 3);
            let end = self.values.len() - past.len();
            self.values.truncate(end);
            let gate = self.tape.pick(4) == 1;
            let (keyword, value) =
                if gate { ("gate", format!("sigmoid({value})")) } else { ("let", value) };
            writeln!(equations, "  {keyword} v{idx} = {value}").unwrap();
            self.values.push(Named { text: format!("v{idx}"), shape, has_past: true });
        }
        for (name, shape) in &states {
            self.values.extend(past.iter().map(|it| Named {
                text: format!("prev {}", it.text),
                shape: it.shape.clone(),
                has_past: false,
            }));
            let new = self.expr(shape, 2);
            let end = self.values.len() - past.len();
            self.values.truncate(end);
            // The old value stays in the sum, so that every state recurs and stays bounded.
            writeln!(equations, "  {name} = 0.5 * tanh({new}) + 0.4 * prev {name}").unwrap();
        }
        debug_assert!(self.values.len() >= bare);

        let mut text =
            String::from("cell Random {\n  dims I, H, N, V, L = 3\n  hyper a = 0.3, act = tanh\n");
        text.push_str("  input x: [I], s: [] = 0.5, token: index[V]\n");
        for (name, shape) in &states {
            let learned = self.tape.pick(4) == 1;
            let start = if learned {
                let (param, _) = self.param(shape.clone());
                format!(" = {param}")
            } else {
                String::new()
            };
            writeln!(text, "  state {name}: [{}]{start}", shape.join(", ")).unwrap();
        }
        for (name, shape) in &self.params {
            writeln!(text, "  param {name}: [{}] init normal(0, 0.5)", shape.join(", ")).unwrap();
        }
        text.push_str(&masks);
        text.push_str(&equations);
        let last = lets - 1;
        let outputs: Vec<&str> = states.iter().map(|(name, _)| *name).collect();
        writeln!(text, "  output {}, v{last}, y = sum(h) * s", outputs.join(", ")).unwrap();
        text.push_str("}\n\nactivation own(v, k = 2) = v / (1 + k * square(v))\n");
        text.push_str("activation spike(v) = step(v) derivative 1 / square(1 + abs(v))\n");
        text.push_str("fn blend(z, p, q) = z * p + (1 - z) * q\n");
        text
    }

    /// The value `v{idx}` as a loop, and what it defines: it, and with two accumulators another.
    fn fold(&mut self, idx: usize, shape: &Shape) -> (String, Vec<Named>) {
        let pair = self.tape.pick(3) == 1;
        let other = if pair { self.shape() } else { shape.clone() };
        let (start, second) = (self.leaf(shape), self.leaf(&other));
        let outside = self.values.len();
        let bind = |values: &mut Vec<Named>, text: String, shape: &Shape| {
            values.push(Named { text, shape: shape.clone(), has_past: false });
        };
        bind(&mut self.values, format!("a{idx}"), shape);
        if pair {
            bind(&mut self.values, format!("b{idx}"), &other);
        }
        // Weights of each turn, and the number of the turn.
        let turns = self.tape.pick(4);
        let weight = self.param([vec!["L"], shape.clone()].concat()).0;
        bind(&mut self.values, format!("{weight}[k{idx}]"), shape);
        bind(&mut self.values, format!("(k{idx} / 2)"), &vec![]);
        let mut body = String::new();
        if self.tape.pick(3) == 1 {
            let start = self.leaf(shape);
            let range = *self.tape.choose(&["0 .. 2", "k .. 3", "0 .. k"]);
            let range = range.replace('k', &format!("k{idx}"));
            let within = self.values.len();
            bind(&mut self.values, format!("m{idx}"), shape);
            let value = self.expr(shape, 1);
            self.values.truncate(within);
            writeln!(
                body,
                "    let m{idx} = fold m{idx} from {start} for j{idx} in {range} {{ yield tanh({value}) }}"
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
        let named =
            |text: String, shape: &Shape| Named { text, shape: shape.clone(), has_past: true };
        let mut defined = vec![named(format!("v{idx}"), shape)];
        if pair {
            defined.push(named(format!("w{idx}"), &other));
        }
        (text, defined)
    }

    fn shape(&mut self) -> Shape {
        match self.tape.pick(6) {
            0 | 1 => vec!["H"],
            2 => vec!["N"],
            3 => vec!["I"],
            4 => vec!["H", "N"],
            _ => vec![],
        }
    }

    fn param(&mut self, shape: Shape) -> (String, Shape) {
        let same: Vec<usize> =
            (0..self.params.len()).filter(|it| self.params[*it].1 == shape).collect();
        // One of four times a weight is shared.
        if !same.is_empty() && self.tape.pick(4) == 3 {
            return self.params[*self.tape.choose(&same)].clone();
        }
        let param = (format!("p{}", self.params.len()), shape);
        self.params.push(param.clone());
        param
    }

    fn leaf(&mut self, shape: &Shape) -> String {
        let fitting: Vec<Named> =
            self.values.iter().filter(|it| it.shape == *shape).cloned().collect();
        if fitting.is_empty() || self.tape.pick(3) == 2 {
            return self.param(shape.clone()).0;
        }
        let named = self.tape.choose(&fitting).clone();
        if named.has_past && !named.text.starts_with("prev") {
            match self.tape.pick(5) {
                3 => return format!("prev {}", named.text),
                4 => return format!("prev({}, {})", named.text, 1 + self.tape.pick(3)),
                _ => {}
            }
        }
        named.text
    }

    /// An expression of a shape, in parentheses where it needs them.
    fn expr(&mut self, shape: &Shape, depth: usize) -> String {
        if depth == 0 {
            return self.leaf(shape);
        }
        let next = depth - 1;
        match self.tape.pick(16) {
            0 => self.leaf(shape),
            1 | 2 => {
                const OPERATORS: &[&str] = &["+", "-", "*"];
                let (a, b) = (self.expr(shape, next), self.expr(shape, next));
                format!("({a} {} {b})", self.tape.choose(OPERATORS))
            }
            3 => {
                const FUNCTIONS: &[&str] = &[
                    "tanh",
                    "sigmoid",
                    "relu",
                    "softplus",
                    "sin",
                    "cos",
                    "square",
                    "exp",
                    "abs",
                    "silu",
                    "gelu",
                    "gelu_tanh",
                    "erf",
                    "log_sigmoid",
                    "softsign",
                    "hard_tanh",
                    "elu",
                    "selu",
                    "leaky_relu",
                    "isru",
                    "isrlu",
                    "hard_sigmoid",
                    "lecun_tanh",
                    "act",
                    "own",
                    "spike",
                    "expm1",
                    "identity",
                    "stop_grad",
                ];
                let function = *self.tape.choose(FUNCTIONS);
                let value = self.expr(shape, next);
                // A bounded operand keeps exponentials and squares of squares finite.
                format!("{function}(tanh({value}))")
            }
            4 => {
                let (a, b) = (self.expr(shape, next), self.expr(shape, next));
                format!("({a} / (1.5 + square({b})))")
            }
            5 => {
                const TWO: &[&str] = &["max", "min", "logaddexp"];
                let (a, b) = (self.expr(shape, next), self.expr(shape, next));
                format!("{}({a}, {b})", self.tape.choose(TWO))
            }
            6 => {
                let (a, b, c) = (self.expr(shape, next), self.expr(shape, next), self.leaf(shape));
                format!("where({c} > 0.1, {a}, {b})")
            }
            7 => {
                let (a, b, c) = (self.expr(shape, next), self.leaf(shape), self.leaf(shape));
                format!("blend(sigmoid({c}), {a}, {b})")
            }
            8 => format!("(a * {} - 0.25)", self.expr(shape, next)),
            9 => format!("clamp({}, -2, 2)", self.expr(shape, next)),
            // A scalar joins by broadcasting.
            10 => format!("({} * {})", self.expr(&vec![], next), self.expr(shape, next)),
            _ => self.of_rank(shape, depth),
        }
    }

    fn of_rank(&mut self, shape: &Shape, depth: usize) -> String {
        let next = depth - 1;
        match shape.as_slice() {
            [] => {
                const REDUCTIONS: &[&str] =
                    &["sum", "mean", "max", "min", "norm", "logsumexp", "prod"];
                let inner = vec![*self.tape.choose(DIMS)];
                match self.tape.pick(4) {
                    3 => "sin(time())".to_owned(),
                    0 => format!("{}({})", self.tape.choose(REDUCTIONS), self.expr(&inner, next)),
                    1 => format!("dot({}, {})", self.expr(&inner, next), self.leaf(&inner)),
                    _ => format!("({})[0]", self.expr(&inner, next)),
                }
            }
            [axis] => {
                let axis = *axis;
                let other =
                    **self.tape.choose(&DIMS.iter().filter(|it| **it != axis).collect::<Vec<_>>());
                match self.tape.pick(8) {
                    0..=2 => {
                        let weight = self.param(vec![axis, other]).0;
                        format!("({weight} @ {})", self.factor(&vec![other], next))
                    }
                    3 => {
                        const ALONG: &[&str] =
                            &["softmax", "cumsum", "layer_norm", "rms_norm", "l2_normalize"];
                        let value = self.expr(shape, next);
                        format!("{}({value})", self.tape.choose(ALONG))
                    }
                    4 => {
                        let value = self.expr(shape, next);
                        format!(
                            "concat(slice({value}, 0, 1), slice({}, 1, {axis}))",
                            self.leaf(shape)
                        )
                    }
                    5 => {
                        let matrix = self.param(vec![axis, other]).0;
                        let reduction = *self.tape.choose(&["sum", "max", "mean", "norm"]);
                        format!("{reduction}({matrix} * {}, over {other})", self.leaf(&vec![other]))
                    }
                    6 => format!("({})[token]", self.param(vec!["V", axis]).0),
                    _ => {
                        let weight = self.param(vec![other, axis]).0;
                        format!("(transpose({weight}) @ {})", self.factor(&vec![other], next))
                    }
                }
            }
            [rows, columns] => {
                let (rows, columns) = (*rows, *columns);
                match self.tape.pick(4) {
                    0 => {
                        let (a, b) =
                            (self.expr(&vec![rows], next), self.expr(&vec![columns], next));
                        format!("outer({a}, {b})")
                    }
                    1 => format!("softmax({}, over last)", self.expr(shape, next)),
                    2 => {
                        let (a, b) =
                            (self.param(vec![rows, "I"]).0, self.param(vec!["I", columns]).0);
                        format!("matmul({a}, {b})")
                    }
                    // A vector joins by the name of its axis.
                    _ => format!("({} * {})", self.expr(shape, next), self.leaf(&vec![columns])),
                }
            }
            other => unreachable!("no value of the shape {other:?} is grown"),
        }
    }

    /// An operand of `@`, in parentheses unless it is a name.
    fn factor(&mut self, shape: &Shape, depth: usize) -> String {
        format!("({})", self.expr(shape, depth))
    }
}
