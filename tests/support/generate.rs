//! Random cells that are well-formed by construction, as source text.
//!
//! A cell is grown from a tape of choices; an empty tape gives the simplest one, so that shrinking
//! the tape shrinks the cell. Sizes are never written: every dim is a name, except where a rule is
//! about numbers.

mod expr;
mod layers;
mod loops;

use std::fmt::Write as _;

use layers::{Inner, Placed};

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

    /// Once in so many times.
    fn once_in(&mut self, n: usize) -> bool {
        self.pick(n) == 1
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
    /// Whether it is known within the step.
    now: bool,
    /// How many steps back it may be read.
    back: usize,
}

impl Named {
    fn new(text: impl Into<String>, shape: &[&'static str], now: bool, back: usize) -> Named {
        Named { text: text.into(), shape: shape.to_vec(), now, back }
    }
}

/// A param, or a const that is drawn as one.
struct Weight {
    name: String,
    shape: Shape,
    is_const: bool,
}

struct Grower<'g, 'a> {
    tape: &'g mut Tape<'a>,
    /// The cells that may be layers of this one.
    cells: &'g [Inner],
    weights: Vec<Weight>,
    values: Vec<Named>,
    layers: Vec<Placed>,
    form: Form,
    /// Whether it is to be a layer.
    is_small: bool,
}

const DIMS: &[&str] = &["I", "H", "N"];
/// How far back `prev` looks at most.
const BACK: usize = 3;

/// The kind of cell that is grown.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// A cell that may be a layer.
    Small,
    Cell,
    /// A cell with a layer that reads backward.
    BothWays,
    /// A model with a feedback, its teacher and a loss.
    Model,
}

/// A cell called `Random`, grown from a tape, with the cells and functions that it needs.
pub fn cell(choices: &[u8]) -> String {
    grow(choices, Form::Cell)
}

/// As [`cell`], with a layer that reads each sequence from its end.
#[allow(dead_code, reason = "not every test takes it")]
pub fn both_ways(choices: &[u8]) -> String {
    grow(choices, Form::BothWays)
}

/// As [`cell`], a model.
#[allow(dead_code, reason = "not every test takes it")]
pub fn model(choices: &[u8]) -> String {
    grow(choices, Form::Model)
}

fn grow(choices: &[u8], form: Form) -> String {
    let mut tape = Tape { choices, at: 0 };
    let mut inner = Vec::new();
    let mut texts = String::new();
    let least = usize::from(form == Form::BothWays);
    for idx in 0..[0, 1, 1, 2][tape.pick(4)].max(least) {
        let (text, face) = Grower::new(&mut tape, &inner, Form::Small).cell(&format!("Inner{idx}"));
        texts.push_str(&text);
        inner.push(face);
    }
    let (mut text, _) = Grower::new(&mut tape, &inner, form).cell("Random");
    text.push_str(&texts);
    text.push_str("activation own(v, k = 2) = v / (1 + k * square(v))\n");
    text.push_str("activation spike(v) = step(v) derivative 1 / square(1 + abs(v))\n");
    text.push_str("fn blend(z, p, q) = z * p + (1 - z) * q\n");
    text
}

impl<'g, 'a> Grower<'g, 'a> {
    fn new(tape: &'g mut Tape<'a>, cells: &'g [Inner], form: Form) -> Grower<'g, 'a> {
        Grower {
            tape,
            cells,
            weights: Vec::new(),
            values: Vec::new(),
            layers: Vec::new(),
            form,
            is_small: form == Form::Small,
        }
    }

    /// The text of a cell, and what is known of it where it is a layer, which takes a small one.
    fn cell(mut self, name: &str) -> (String, Inner) {
        self.values.push(Named::new("x", &["I"], true, BACK));
        self.values.push(Named::new("s", &[], true, BACK));
        self.values.push(Named::new("given", &["N"], true, 0));
        // `prev(h, 2)` forbids that a layer is given its old `h`.
        let takes_old = self.is_small && self.tape.pick(2) == 0;
        let mut states = vec![Named::new("h", &["H"], false, if takes_old { 1 } else { BACK })];
        for (name, shape, rarity) in
            [("c", &["N"][..], 2), ("m", &["H", "N"][..], 3), ("q", &[][..], 4)]
        {
            if self.tape.once_in(rarity) {
                states.push(Named::new(name, shape, false, BACK));
            }
        }
        if self.form == Form::Model {
            self.values.push(Named::new("f", &["H"], false, BACK));
        }
        self.values.extend(states.iter().cloned());
        let masks = self.masks();
        let consts = self.consts();
        let equations = self.equations(&states);
        let keyword = if self.form == Form::Model { "model" } else { "cell" };
        let mut text = format!(
            "{keyword} {name} {{\n  dims I, H, N, V, L = 3, J like N\n  hyper a = 0.3, act = tanh\n"
        );
        text.push_str(
            "  input x: [I], s: [] = 0.5, token: index[V], given: [N] = 0.25 per sequence\n",
        );
        for state in &states {
            let learned = self.tape.once_in(4);
            let start =
                if learned { format!(" = {}", self.weight(&state.shape)) } else { String::new() };
            writeln!(text, "  state {}: [{}]{start}", state.text, state.shape.join(", ")).unwrap();
        }
        if self.form == Form::Model {
            text.push_str("  target t: [H], label: index[V]\n  feedback f: [H] = 0 teacher t\n");
        }
        for it in &self.weights {
            let keyword = if it.is_const { "const" } else { "param" };
            let axes = it.shape.join(", ");
            writeln!(text, "  {keyword} {}: [{axes}] init normal(0, 0.5)", it.name).unwrap();
        }
        text.push_str(&masks);
        text.push_str(&consts);
        text.push_str(&equations);
        let mut outputs: Vec<String> = states.iter().map(|it| it.text.clone()).collect();
        let last = self.values.iter().rev().find(|it| it.text.starts_with('v'));
        outputs.extend(last.map(|it| it.text.clone()));
        outputs.extend(self.layers.iter().map(|it| it.name.clone()));
        writeln!(text, "  output {}, y = sum(h) * s\n}}\n", outputs.join(", ")).unwrap();
        let has_layers = !self.layers.is_empty();
        let mut values = self.values;
        let weights = self.weights.iter().map(|it| Named::new(&it.name, &it.shape, true, 0));
        values.extend(weights);
        values.push(Named::new("y", &[], true, BACK));
        (text, Inner { name: name.to_owned(), values, takes_old, has_layers })
    }

    fn masks(&mut self) -> String {
        let mut text = String::new();
        for (idx, scope) in ["step", "sequence", "run"].into_iter().enumerate() {
            if !self.tape.once_in(3) {
                continue;
            }
            let shape = self.shape();
            let axes = shape.join(", ");
            writeln!(text, "  mask d{idx}: [{axes}] = bernoulli(1 - a) per {scope}").unwrap();
            self.values.push(Named::new(format!("d{idx}"), &shape, true, 0));
        }
        text
    }

    /// Consts that are computed.
    fn consts(&mut self) -> String {
        let mut text = String::new();
        if self.tape.once_in(4) {
            text.push_str("  const e0: [H] = exp(-iota(H) / H)\n");
            self.values.push(Named::new("e0", &["H"], true, 0));
        }
        if self.tape.once_in(4) {
            text.push_str("  const e1: [3] = [0.5, -1, a]\n");
            for number in 0..3 {
                self.values.push(Named::new(format!("(e1)[{number}]"), &[], true, 0));
            }
            self.values.push(Named::new("sum(e1)", &[], true, 0));
        }
        text
    }

    fn equations(&mut self, states: &[Named]) -> String {
        let mut text = String::new();
        if self.form == Form::BothWays {
            text.push_str(&self.backward());
        }
        // Every other cell is a layer once, and now and then a second time; first what has layers itself.
        let mut due: Vec<usize> = Vec::new();
        for cell in (0..self.cells.len()).rev() {
            due.push(cell);
            if self.tape.once_in(2) {
                due.push(cell);
            }
        }
        let lets = 1 + self.tape.pick(if self.is_small { 2 } else { 4 });
        for idx in 0..lets {
            if !due.is_empty() && self.tape.once_in(2) {
                text.push_str(&self.layer(due.remove(0)));
            }
            let shape = self.shape();
            if self.tape.once_in(4) {
                let (equation, defined) = self.fold(idx, &shape);
                text.push_str(&equation);
                self.values.extend(defined);
                continue;
            }
            let value = self.expr(&shape, if self.is_small { 2 } else { 3 });
            let gate = self.tape.once_in(4);
            let (keyword, value) =
                if gate { ("gate", format!("sigmoid({value})")) } else { ("let", value) };
            writeln!(text, "  {keyword} v{idx} = {value}").unwrap();
            self.values.push(Named::new(format!("v{idx}"), &shape, true, BACK));
        }
        for cell in due {
            text.push_str(&self.layer(cell));
        }
        for state in states {
            let (name, new) = (&state.text, self.expr(&state.shape, 2));
            // The old value stays in the sum, so that every state recurs and stays bounded.
            writeln!(text, "  {name} = 0.5 * tanh({new}) + 0.4 * prev {name}").unwrap();
            self.known(name);
        }
        if self.form == Form::Model {
            writeln!(text, "  f = 0.5 * tanh({}) + 0.4 * prev f", self.expr(&["H"], 2)).unwrap();
            text.push_str(&self.loss());
        }
        text
    }

    fn loss(&mut self) -> String {
        const COSTS: &[&str] = &[
            "mse(f, t)",
            "mae(f, t)",
            "huber(f, t)",
            "huber(f, t, delta = 0.5)",
            "binary_cross_entropy(f, t)",
            "cross_entropy(L @ h, label)",
            "mse(f, t) + 0.3 * cross_entropy(L @ h, label)",
        ];
        let cost = *self.tape.choose(COSTS);
        let cost = match cost.contains('L') {
            true => cost.replace('L', &self.weight(&["V", "H"])),
            false => cost.to_owned(),
        };
        let last = if self.tape.once_in(3) { " at last" } else { "" };
        format!("  loss {cost}{last}\n")
    }

    /// From now on the value is known within the step.
    fn known(&mut self, name: &str) {
        for it in self.values.iter_mut().filter(|it| it.text == name) {
            it.now = true;
        }
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

    /// The name of a param or drawn const of this shape.
    fn weight(&mut self, shape: &[&'static str]) -> String {
        let same: Vec<usize> =
            (0..self.weights.len()).filter(|it| self.weights[*it].shape == shape).collect();
        // One of four times a weight is shared.
        if !same.is_empty() && self.tape.pick(4) == 3 {
            return self.weights[*self.tape.choose(&same)].name.clone();
        }
        let name = format!("p{}", self.weights.len());
        let is_const = self.tape.once_in(8);
        self.weights.push(Weight { name: name.clone(), shape: shape.to_vec(), is_const });
        name
    }

    fn leaf(&mut self, shape: &[&'static str]) -> String {
        let mut fitting: Vec<&Named> = self.values.iter().filter(|it| it.shape == *shape).collect();
        if fitting.is_empty() || self.tape.pick(3) == 2 {
            return self.weight(shape);
        }
        // Parts of layers within layers are many, and still seldom chosen among all others.
        if fitting.iter().any(|it| it.text.contains('.')) && self.tape.once_in(3) {
            fitting.retain(|it| it.text.contains('.'));
        }
        let named = (*self.tape.choose(&fitting)).clone();
        let past = if named.back == 0 { 0 } else { self.tape.pick(5) };
        if named.now && past < 3 {
            return named.text;
        }
        let steps = if past == 4 { 1 + self.tape.pick(named.back) } else { 1 };
        if steps == 1 {
            format!("prev {}", named.text)
        } else {
            format!("prev({}, {steps})", named.text)
        }
    }
}
