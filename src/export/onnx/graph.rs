//! A graph of ONNX in the making, and operators that are made of several.

use std::collections::{BTreeMap, BTreeSet};

use super::proto::{Attribute, Elem, Message, node, tensor};

/// Nodes with what is known of names and constants. A body of a loop sees the constants and the values around it.
pub struct Builder {
    /// The nodes of each graph that is open: the outer one first.
    open: Vec<Vec<Message>>,
    /// The tensors.
    pub initializers: Vec<Message>,
    /// Constants by their bytes.
    known: BTreeMap<(u64, Vec<usize>, Vec<u8>), String>,
    taken: BTreeSet<String>,
    /// The values that are computed once, outside of all loops.
    outer: BTreeMap<String, String>,
    /// The version of the operators.
    pub opset: u32,
}

impl Builder {
    /// Returns a graph with nothing in it.
    pub fn new(opset: u32) -> Builder {
        Builder {
            open: vec![Vec::new()],
            initializers: Vec::new(),
            known: BTreeMap::new(),
            taken: BTreeSet::new(),
            outer: BTreeMap::new(),
            opset,
        }
    }

    /// Returns a name that nothing else has.
    pub fn fresh(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut count = 1;
        while !self.taken.insert(unique.clone()) {
            unique = format!("{name}.{count}");
            count += 1;
        }
        unique
    }

    /// Opens a body.
    pub fn begin(&mut self) {
        self.open.push(Vec::new());
    }

    /// Closes it and gives its nodes.
    pub fn end(&mut self) -> Vec<Message> {
        self.open.pop().unwrap_or_default()
    }

    /// Adds a node with one result.
    pub fn add(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Attribute)],
    ) -> String {
        let name = self.fresh(&format!("{}_", operator.to_lowercase()));
        self.named(operator, inputs, &name, attributes);
        name
    }

    /// Adds a node whose result has this name.
    pub fn named(
        &mut self,
        operator: &str,
        inputs: &[&str],
        name: &str,
        attributes: &[(&str, Attribute)],
    ) {
        let inputs: Vec<String> = inputs.iter().map(|it| (*it).to_owned()).collect();
        self.several(operator, &inputs, &[name.to_owned()], attributes);
    }

    /// Adds a node with several results.
    pub fn several(
        &mut self,
        operator: &str,
        inputs: &[String],
        outputs: &[String],
        attributes: &[(&str, Attribute)],
    ) {
        if let Some(nodes) = self.open.last_mut() {
            nodes.push(node(operator, inputs, outputs, attributes));
        }
    }

    /// Returns the value that was computed under this key outside of all loops.
    pub fn hoisted(&self, key: &str) -> Option<String> {
        self.outer.get(key).cloned()
    }

    /// Remembers the name of what is there outside of all loops.
    pub fn remember(&mut self, key: &str, name: &str) {
        self.outer.insert(key.to_owned(), name.to_owned());
    }

    /// Adds a node outside of all loops.
    pub fn outside(
        &mut self,
        operator: &str,
        input: &str,
        key: &str,
        attributes: &[(&str, Attribute)],
    ) -> String {
        let name = self.fresh(&format!("{}_", operator.to_lowercase()));
        let done = node(operator, &[input.to_owned()], std::slice::from_ref(&name), attributes);
        self.open[0].push(done);
        self.remember(key, &name);
        name
    }

    /// Returns a constant, which is there once.
    fn constant(&mut self, elem: Elem, shape: &[usize], data: Vec<u8>) -> String {
        let key = (elem.code(), shape.to_vec(), data);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let name = self.fresh("c_");
        self.initializers.push(tensor(&name, elem, shape, &key.2));
        self.known.insert(key, name.clone());
        name
    }

    /// Returns a number.
    pub fn number(&mut self, value: f64) -> String {
        self.constant(Elem::Float, &[], (value as f32).to_le_bytes().to_vec())
    }

    /// Numbers of a shape.
    pub fn floats(&mut self, values: &[f64], shape: &[usize]) -> String {
        let data = values.iter().flat_map(|it| (*it as f32).to_le_bytes()).collect();
        self.constant(Elem::Float, shape, data)
    }

    /// Whole numbers, as shapes and axes are given.
    pub fn ints(&mut self, values: &[i64]) -> String {
        let data = values.iter().flat_map(|it| it.to_le_bytes()).collect();
        self.constant(Elem::Int64, &[values.len()], data)
    }

    /// Returns a whole number without axes.
    pub fn int(&mut self, value: i64) -> String {
        self.constant(Elem::Int64, &[], value.to_le_bytes().to_vec())
    }

    /// Zero of a type, without axes.
    pub fn zero(&mut self, elem: Elem) -> String {
        match elem {
            Elem::Int64 => self.int(0),
            Elem::Float | Elem::Bool | Elem::Half => self.number(0.0),
        }
    }

    /// Inserts axes of size 1 at these places of the result.
    pub fn unsqueeze(&mut self, value: &str, axes: &[i64]) -> String {
        let axes = self.ints(axes);
        self.add("Unsqueeze", &[value, &axes], &[])
    }

    /// Takes axes of size 1 away.
    pub fn squeeze(&mut self, value: &str, axes: &[i64]) -> String {
        let axes = self.ints(axes);
        self.add("Squeeze", &[value, &axes], &[])
    }

    /// Returns the elements of an axis from one to another.
    pub fn slice(&mut self, value: &str, axis: i64, from: i64, to: i64) -> String {
        let (from, to, axis) = (self.ints(&[from]), self.ints(&[to]), self.ints(&[axis]));
        self.add("Slice", &[value, &from, &to, &axis], &[])
    }

    /// Returns one element for those along axes.
    pub fn reduce(&mut self, operator: &str, value: &str, axes: &[i64], keep: bool) -> String {
        let keep = ("keepdims", Attribute::Int(i64::from(keep)));
        if operator == "ReduceSum" || self.opset >= 18 {
            let axes = self.ints(axes);
            return self.add(operator, &[value, &axes], &[keep]);
        }
        self.add(operator, &[value], &[("axes", Attribute::Ints(axes.to_vec())), keep])
    }

    /// Returns a truth value as a number.
    pub fn cast(&mut self, value: &str, elem: Elem) -> String {
        self.add("Cast", &[value], &[("to", Attribute::Int(elem.code() as i64))])
    }

    /// Tests if a number is not 0.
    pub fn truth(&mut self, value: &str) -> String {
        let zero = self.number(0.0);
        let equal = self.add("Equal", &[value, &zero], &[]);
        self.add("Not", &[&equal], &[])
    }

    /// Returns a number times a value.
    pub fn times(&mut self, factor: f64, value: &str) -> String {
        let factor = self.number(factor);
        self.add("Mul", &[&factor, value], &[])
    }

    /// Returns a number more than a value.
    pub fn plus(&mut self, number: f64, value: &str) -> String {
        let number = self.number(number);
        self.add("Add", &[&number, value], &[])
    }

    /// log(1 + e) for e of 0..1: 2 atanh(e / (e + 2)).
    fn log1p_small(&mut self, e: &str) -> String {
        let below = self.plus(2.0, e);
        let ratio = self.add("Div", &[e, &below], &[]);
        let half = self.add("Atanh", &[&ratio], &[]);
        self.times(2.0, &half)
    }

    /// log(1 + v): a series where 1 + v would lose digits.
    pub fn log1p(&mut self, v: &str) -> String {
        let (size, half) = (self.add("Abs", &[v], &[]), self.number(0.5));
        let is_small = self.add("Less", &[&size, &half], &[]);
        let zero = self.number(0.0);
        let safe = self.add("Where", &[&is_small, v, &zero], &[]);
        let small = self.log1p_small(&safe);
        let one = self.plus(1.0, v);
        let large = self.add("Log", &[&one], &[]);
        self.add("Where", &[&is_small, &small, &large], &[])
    }

    /// exp(v) - 1: with t = tanh(v / 2) it is 2 t / (1 - t), where exp(v) - 1 would lose digits.
    pub fn expm1(&mut self, v: &str) -> String {
        let (size, one) = (self.add("Abs", &[v], &[]), self.number(1.0));
        let is_small = self.add("Less", &[&size, &one], &[]);
        let zero = self.number(0.0);
        let safe = self.add("Where", &[&is_small, v, &zero], &[]);
        let half = self.times(0.5, &safe);
        let t = self.add("Tanh", &[&half], &[]);
        let (above, below) = (self.times(2.0, &t), self.add("Sub", &[&one, &t], &[]));
        let small = self.add("Div", &[&above, &below], &[]);
        let power = self.add("Exp", &[v], &[]);
        let large = self.add("Sub", &[&power, &one], &[]);
        self.add("Where", &[&is_small, &small, &large], &[])
    }

    /// log(1 + exp(v)), exact at both ends.
    pub fn softplus(&mut self, v: &str) -> String {
        let size = self.add("Abs", &[v], &[]);
        let minus = self.add("Neg", &[&size], &[]);
        let e = self.add("Exp", &[&minus], &[]);
        let log = self.log1p_small(&e);
        let positive = self.add("Relu", &[v], &[]);
        self.add("Add", &[&positive, &log], &[])
    }

    /// Returns the logarithm of the sum of exponentials along axes.
    pub fn logsumexp(&mut self, v: &str, axes: &[i64], keep: bool) -> String {
        let max = self.reduce("ReduceMax", v, axes, true);
        let is_infinite = self.add("IsInf", &[&max], &[]);
        let zero = self.number(0.0);
        let shift = self.add("Where", &[&is_infinite, &zero, &max], &[]);
        let less = self.add("Sub", &[v, &shift], &[]);
        let power = self.add("Exp", &[&less], &[]);
        let sum = self.reduce("ReduceSum", &power, axes, true);
        let log = self.add("Log", &[&sum], &[]);
        let whole = self.add("Add", &[&log, &shift], &[]);
        // An infinite maximum is the result.
        let whole = self.add("Where", &[&is_infinite, &max, &whole], &[]);
        if keep { whole } else { self.squeeze(&whole, axes) }
    }
}
