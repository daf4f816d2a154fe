//! Layers, stacks of them, and what of them can be read outside.

use super::{BACK, DIMS, Grower, Named, Shape};

/// What is known of a cell that may be a layer.
pub(super) struct Inner {
    pub name: String,
    /// What has a name in it, in its own sizes.
    pub values: Vec<Named>,
    /// Whether its old `h` may be given, since it never looks further back.
    pub takes_old: bool,
    pub has_layers: bool,
}

/// A layer that has been written.
pub(super) struct Placed {
    pub name: String,
    cell: usize,
    sizes: Sizes,
    height: Height,
}

/// What the sizes of the inner cell are outside.
#[derive(Clone)]
struct Sizes {
    i: &'static str,
    h: &'static str,
    n: &'static str,
}

impl Sizes {
    /// The shape outside, unless it has sizes of which nothing is said.
    fn of(&self, shape: &[&'static str]) -> Option<Shape> {
        let axis = |it: &&'static str| match *it {
            "I" => Some(self.i),
            "H" => Some(self.h),
            "N" => Some(self.n),
            _ => None,
        };
        shape.iter().map(axis).collect()
    }
}

/// How many layers stand on each other.
#[derive(Clone, Copy, PartialEq)]
enum Height {
    Single,
    Stack(usize, &'static str),
}

impl Grower<'_, '_> {
    /// The text of a layer that reads backward, which needs inputs and weights alone: what waits for a state of the cell
    /// would wait for both ends.
    pub(super) fn backward(&mut self) -> String {
        let others: Vec<Named> = std::mem::take(&mut self.values);
        let given = others.iter().filter(|it| it.now && ["x", "s", "given"].contains(&&*it.text));
        self.values = given.map(|it| Named { back: 0, ..it.clone() }).collect();
        let known = self.values.len();
        let text = self.layer(self.cells.len() - 1);
        let made = self.values.split_off(known);
        self.values = others;
        self.values.extend(made.into_iter().map(|it| Named { back: 0, ..it }));
        format!("{} backward\n", text.trim_end())
    }

    /// The text of a layer of a cell, whose values may be read from then on.
    pub(super) fn layer(&mut self, cell: usize) -> String {
        let inner = &self.cells[cell];
        let name = format!("l{}", self.layers.len());
        let same: Vec<usize> =
            (0..self.layers.len()).filter(|it| self.layers[*it].cell == cell).collect();
        let shares = (!same.is_empty() && self.tape.pick(2) == 1).then(|| *self.tape.choose(&same));
        let (sizes, height) = match shares {
            Some(other) => (self.layers[other].sizes.clone(), self.layers[other].height),
            None => {
                let mut size = || *self.tape.choose(DIMS);
                let sizes = Sizes { i: size(), h: size(), n: size() };
                // Stacks of stacks stay low, since all is written out.
                let tall = if inner.has_layers || self.is_small {
                    Height::Single
                } else {
                    Height::Stack(3, "L")
                };
                let heights = [Height::Single, Height::Stack(2, "2"), tall, Height::Single];
                (sizes, *self.tape.choose(&heights))
            }
        };
        let is_backward = self.form == super::Form::BothWays && self.layers.is_empty();
        let gives_old = inner.takes_old && !is_backward && self.tape.once_in(2);

        // What a layer is given may depend on what it gave a step ago; an old state that is given
        // has no past.
        let known = self.values.len();
        if !gives_old && !is_backward && self.tape.once_in(3) {
            self.values.push(Named::new(&name, &[sizes.h], false, BACK));
        }
        let mut given = vec![format!("x = {}", self.expr(&[sizes.i], 2))];
        if gives_old {
            given.push(format!("prev h = {}", self.expr(&[sizes.h], 1)));
        }
        match self.tape.pick(3) {
            1 => given.push(format!("s = {}", self.expr(&[], 1))),
            2 => given.push("s = 0.25".to_owned()),
            _ => {}
        }
        self.values.truncate(known);
        given.push("token = token".to_owned());
        if shares.is_none() {
            given.push(format!("H = {}", sizes.h));
            given.push(format!("N = {}", sizes.n));
            // In a stack the size of the input is another for the first layer than for the rest.
            if height == Height::Single && self.tape.once_in(3) {
                given.push(format!("I = {}", sizes.i));
            }
            if self.tape.once_in(4) {
                given.push("L = 2".to_owned());
            }
        }
        match self.tape.pick(5) {
            1 => given.push("a = a / 2".to_owned()),
            2 => given.push("act = sigmoid".to_owned()),
            3 => given.push("a = 0.1, act = leaky_relu(slope = 0.3)".to_owned()),
            4 => given.push("act = act".to_owned()),
            _ => {}
        }
        let stack = match height {
            Height::Single => String::new(),
            Height::Stack(_, height) => format!("[{height}]"),
        };
        let shared =
            shares.map(|it| format!(" shares {}", self.layers[it].name)).unwrap_or_default();
        let arguments = given.join(", ");
        let text = format!("  layer {name}{stack} = {}({arguments}){shared}\n", inner.name);
        match height {
            Height::Single => self.readable(&name, inner, &sizes, gives_old),
            Height::Stack(height, _) => {
                let above = Sizes { i: sizes.h, ..sizes.clone() };
                for idx in 0..height {
                    let sizes = if idx == 0 { &sizes } else { &above };
                    self.readable(&format!("{name}[{idx}]"), inner, sizes, gives_old);
                }
                self.readable(&name, inner, &above, gives_old);
            }
        }
        self.layers.push(Placed { name, cell, sizes, height });
        text
    }

    /// The main output of a layer and all that it names.
    fn readable(&mut self, name: &str, inner: &Inner, sizes: &Sizes, gives_old: bool) {
        let past = |of: &str, back| if gives_old && of == "h" { 0 } else { back };
        self.values.push(Named::new(name, &[sizes.h], true, past("h", BACK)));
        for it in inner.values.iter().filter(|it| !it.text.contains('(')) {
            let back = if it.back == 0 { 0 } else { past(&it.text, BACK) };
            if let Some(shape) = sizes.of(&it.shape) {
                self.values.push(Named::new(format!("{name}.{}", it.text), &shape, true, back));
            }
        }
    }
}
