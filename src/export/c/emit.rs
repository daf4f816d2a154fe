//! The step as text: an expression for each element, a loop for each buffer.

use std::collections::{BTreeMap, BTreeSet};

use super::math::{ATOM, CHOICE, Form, PRODUCT, SIGN, SUM, form};
use super::{Buffers, is_table};
use crate::export::lower::{Lead, Lowered};
use crate::ir::{
    Along, Choice, Contract, Indexed, Leaf, Literal, Move, Node, NodeId, Op, Pointwise, Reduction,
};

/// An expression and how strongly it holds together.
#[derive(Clone, Debug)]
pub struct Text(pub String, pub u8);

impl Text {
    fn atom(text: impl Into<String>) -> Text {
        Text(text.into(), ATOM)
    }

    /// Returns the text, in parentheses where it does not hold together as strongly.
    pub fn at(&self, prec: u8) -> String {
        if self.1 < prec { format!("({})", self.0) } else { self.0.clone() }
    }
}

/// A step in the making.
pub struct Emit<'a> {
    /// The facts.
    pub low: &'a Lowered,
    /// The nodes that are buffers.
    pub buffers: Buffers,
    /// The name of each node that has memory.
    pub names: BTreeMap<NodeId, String>,
    /// The prefix of the names of functions.
    pub symbol: String,
    /// The functions of this file that are called.
    pub own: BTreeSet<&'static str>,
    /// The tables that are read.
    pub tables: BTreeSet<NodeId>,
    /// The matrices that are whole numbers with a factor for each row.
    pub quantized: BTreeSet<NodeId>,
    /// The lines of the step.
    pub lines: Vec<String>,
    depth: usize,
}

/// Returns a number in C.
pub fn number(value: f64) -> Text {
    let value = value as f32;
    if value.is_nan() {
        return Text::atom("NAN");
    }
    if value.is_infinite() {
        return if value > 0.0 {
            Text::atom("INFINITY")
        } else {
            Text("-INFINITY".to_owned(), SIGN)
        };
    }
    let text = format!("{value:?}f");
    if value.is_sign_negative() { Text(text, SIGN) } else { Text(text, ATOM) }
}

/// Returns the letter of a loop at this depth.
fn letter(depth: usize) -> String {
    let letters = ["i", "j", "k", "l", "m", "n"];
    letters.get(depth).map_or_else(|| format!("i{depth}"), |it| (*it).to_owned())
}

/// Returns a place in memory, row-major.
pub fn flat(index: &[String], shape: &[usize]) -> String {
    let mut terms = Vec::new();
    let mut stride = 1;
    for (at, size) in index.iter().zip(shape).rev() {
        let safe =
            if at.contains([' ', '?']) && stride > 1 { format!("({at})") } else { at.clone() };
        match (stride, at.parse::<usize>()) {
            (_, Ok(0)) => {}
            (stride, Ok(at)) => terms.push((at * stride).to_string()),
            (1, _) => terms.push(safe),
            (stride, _) => terms.push(format!("{safe} * {stride}")),
        }
        stride *= size;
    }
    terms.reverse();
    if terms.is_empty() { "0".to_owned() } else { terms.join(" + ") }
}

impl<'a> Emit<'a> {
    /// Returns a step of which nothing is written yet.
    pub fn new(low: &'a Lowered, symbol: &str) -> Emit<'a> {
        Emit {
            low,
            buffers: Buffers::of(low),
            names: BTreeMap::new(),
            symbol: symbol.to_owned(),
            own: BTreeSet::new(),
            tables: BTreeSet::new(),
            quantized: BTreeSet::new(),
            lines: Vec::new(),
            depth: 0,
        }
    }

    /// Adds a line at the depth of the loops that are open.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let line = format!("{}{}", "    ".repeat(self.depth + 1), text.as_ref());
        self.lines.push(line.trim_end().to_owned());
    }

    /// Opens loops over axes and gives their letters.
    pub fn open(&mut self, shape: &[usize]) -> Vec<String> {
        let mut index = Vec::new();
        for size in shape {
            if *size == 1 {
                index.push("0".to_owned());
                continue;
            }
            let it = letter(self.depth);
            self.line(format!("for (size_t {it} = 0; {it} < {size}; {it}++) {{"));
            self.depth += 1;
            index.push(it);
        }
        index
    }

    /// Closes the loops over axes.
    pub fn close(&mut self, shape: &[usize]) {
        for _ in shape.iter().filter(|it| **it != 1) {
            self.depth -= 1;
            self.line("}");
        }
    }

    fn name(&self, id: NodeId) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| "value".to_owned())
    }

    fn shape(&self, id: NodeId) -> Vec<usize> {
        self.low.shape(id).to_vec()
    }

    /// Returns an element of memory: a scalar has no brackets.
    fn memory(&self, name: &str, shape: &[usize], index: &[String]) -> Text {
        match shape.is_empty() {
            true => Text::atom(name),
            false => Text::atom(format!("{name}[{}]", flat(index, shape))),
        }
    }

    /// Returns the element of a node at these indices.
    pub fn element(&mut self, id: NodeId, index: &[String]) -> Text {
        let node = self.low.graph().node(id).clone();
        let shape = self.shape(id);
        if is_table(self.low, id) {
            self.tables.insert(id);
            if self.quantized.contains(&id) {
                let text = format!("(float){}[{}]", self.name(id), flat(index, &shape));
                return Text(text, SIGN);
            }
            return self.memory(&self.name(id), &shape, index);
        }
        if self.buffers.buffered[id.idx()] {
            return self.memory(&self.name(id), &shape, index);
        }
        match &node.op {
            Op::Leaf(Leaf::Input(_)) => self.memory(&self.name(id), &shape, index),
            Op::Leaf(Leaf::Carry(_)) => {
                self.memory(&format!("s->{}", self.name(id)), &shape, index)
            }
            Op::Leaf(
                Leaf::Param(_)
                | Leaf::Mask(_)
                | Leaf::Forward(_)
                | Leaf::OutputAdjoint(_)
                | Leaf::CarryAdjoint(_)
                | Leaf::Tangent(_),
            ) => unreachable!("{:?} is no value of a step", node.op),
            Op::Literal(Literal::Scalar(value)) => number(self.low.number(value)),
            Op::Literal(Literal::Array(_) | Literal::Eye | Literal::Iota) => {
                unreachable!("it is a table")
            }
            Op::Map(op) => self.map(*op, &node, index),
            Op::Contract(labels) => {
                // Nothing is summed here; else it is a buffer.
                let at = |own: &[u8]| -> Vec<String> {
                    let place = |it: &u8| labels.result.iter().position(|other| other == it);
                    own.iter().filter_map(place).map(|it| index[it].clone()).collect()
                };
                let left = self.element(node.args[0], &at(&labels.left));
                let right = self.element(node.args[1], &at(&labels.right));
                Text(format!("{} * {}", left.at(PRODUCT), right.at(SIGN)), PRODUCT)
            }
            Op::Move(Move::Expand(places)) => {
                let inner: Vec<String> = places.iter().map(|it| index[*it].clone()).collect();
                self.element(node.args[0], &inner)
            }
            Op::Move(Move::Permute(order)) => {
                let mut inner = vec![String::new(); order.len()];
                order.iter().zip(index).for_each(|(to, it)| inner[*to].clone_from(it));
                self.element(node.args[0], &inner)
            }
            Op::Move(Move::Slice { axis, from, .. }) => {
                let from = self.low.size(from);
                let mut inner = index.to_vec();
                inner[*axis] = plus(&inner[*axis], from);
                self.element(node.args[0], &inner)
            }
            Op::Move(Move::Pick(at)) => {
                let mut inner = vec![self.low.size(at).to_string()];
                inner.extend(index.iter().cloned());
                self.element(node.args[0], &inner)
            }
            Op::Move(Move::Reshape) => {
                let full = self.shape(node.args[0]);
                let inner = unflatten(&flat(index, &shape), &shape, &full, index);
                self.element(node.args[0], &inner)
            }
            Op::Gradient(it) => self.element(node.args[it.operand()], index),
            Op::Along(_)
            | Op::Choice(_)
            | Op::Indexed(Indexed::Lookup)
            | Op::Move(Move::Concat(_) | Move::Stack) => unreachable!("it is a buffer"),
            Op::Move(Move::Pad { .. } | Move::Place(_)) | Op::Indexed(Indexed::Scatter) => {
                unreachable!("only an adjoint has it")
            }
        }
    }

    fn map(&mut self, op: Pointwise, node: &Node, index: &[String]) -> Text {
        let args: Vec<Text> = node.args.iter().map(|it| self.element(*it, index)).collect();
        let texts = || args.iter().map(|it| it.0.as_str()).collect::<Vec<_>>().join(", ");
        match form(op) {
            Form::Infix(sign, prec) => {
                Text(format!("{} {sign} {}", args[0].at(prec), args[1].at(prec + 1)), prec)
            }
            Form::Minus => Text(format!("-{}", args[0].at(ATOM)), SIGN),
            Form::Compare(sign) => {
                let cond = format!("{} {sign} {}", args[0].at(SUM), args[1].at(SUM));
                Text(format!("{cond} ? 1.0f : 0.0f"), CHOICE)
            }
            Form::Where => {
                // A comparison is a condition by itself.
                let cond = match args[0].0.strip_suffix(" ? 1.0f : 0.0f") {
                    Some(cond) if args[0].1 == CHOICE && !cond.contains('?') => cond.to_owned(),
                    _ => format!("{} != 0.0f", args[0].at(SUM)),
                };
                Text(format!("{cond} ? {} : {}", args[1].at(SUM), args[2].at(SUM)), CHOICE)
            }
            Form::Call(name) => Text::atom(format!("{name}({})", texts())),
            Form::Own("softcap") if args[1].0 == "INFINITY" => args[0].clone(),
            Form::Own(name) => {
                self.own.insert(name);
                Text::atom(format!("{}_{name}({})", self.symbol, texts()))
            }
            Form::Same => args[0].clone(),
        }
    }

    /// Writes the loop that computes a buffer.
    pub fn buffer(&mut self, id: NodeId) {
        let node = self.low.graph().node(id).clone();
        let shape = self.shape(id);
        match &node.op {
            Op::Along(along) => self.along(id, &node, along),
            Op::Contract(labels) if !labels.is_outer() => self.product(id, &node, labels),
            Op::Choice(Choice::ArgMax) => {
                let size: usize = self.shape(node.args[0]).iter().product();
                let name = self.name(id);
                self.line(format!("{name} = 0;"));
                let index = self.open(&[size]);
                let at = |it: &str| vec![it.to_owned()];
                let here = self.element(node.args[0], &index);
                let best = self.element(node.args[0], &at(&format!("(size_t){name}")));
                self.line(format!("if ({} > {})", here.0, best.0));
                self.line(format!("    {name} = (int32_t){};", index[0]));
                self.close(&[size]);
            }
            Op::Choice(Choice::Sample) => unreachable!("refused before"),
            Op::Indexed(Indexed::Lookup) => {
                let at = self.element(node.args[1], &[]);
                let row = if at.0.parse::<f32>().is_ok() || at.0.ends_with('f') {
                    at.0.trim_end_matches(".0f").to_owned()
                } else {
                    format!("(size_t){}", at.at(ATOM))
                };
                let index = self.open(&shape);
                let mut inner = vec![row];
                inner.extend(index.iter().cloned());
                let value = self.element(node.args[0], &inner);
                self.store(id, &index, &value);
                self.close(&shape);
            }
            Op::Move(Move::Concat(axis)) => {
                let mut from = 0;
                for arg in &node.args {
                    let part = self.shape(*arg);
                    let index = self.open(&part);
                    let value = self.element(*arg, &index);
                    let mut to = index.clone();
                    to[*axis] = plus(&to[*axis], from);
                    self.store(id, &to, &value);
                    self.close(&part);
                    from += part[*axis];
                }
            }
            Op::Move(Move::Stack) => {
                for (at, arg) in node.args.iter().enumerate() {
                    let part = self.shape(*arg);
                    let index = self.open(&part);
                    let value = self.element(*arg, &index);
                    let mut to = vec![at.to_string()];
                    to.extend(index.iter().cloned());
                    self.store(id, &to, &value);
                    self.close(&part);
                }
            }
            Op::Leaf(_)
            | Op::Literal(_)
            | Op::Map(_)
            | Op::Contract(_)
            | Op::Move(_)
            | Op::Indexed(Indexed::Scatter)
            | Op::Gradient(_) => {
                let index = self.open(&shape);
                // The element itself is asked for, not the buffer that it goes to.
                self.buffers.buffered[id.idx()] = false;
                let value = self.element(id, &index);
                self.buffers.buffered[id.idx()] = true;
                self.store(id, &index, &value);
                self.close(&shape);
            }
        }
    }

    fn store(&mut self, id: NodeId, index: &[String], value: &Text) {
        let to = self.memory(&self.name(id), &self.shape(id), index);
        self.line(format!("{} = {};", to.0, value.0));
    }

    fn product(&mut self, id: NodeId, node: &Node, labels: &Contract) {
        let shape = self.shape(id);
        let size = |label: &u8| {
            let of = |own: &[u8], arg: NodeId| {
                own.iter().position(|it| it == label).map(|at| self.low.shape(arg)[at])
            };
            of(&labels.left, node.args[0]).or_else(|| of(&labels.right, node.args[1])).unwrap_or(1)
        };
        let summed: Vec<u8> =
            labels.left.iter().copied().filter(|it| !labels.result.contains(it)).collect();
        let sizes: Vec<usize> = summed.iter().map(size).collect();
        let outer = self.open(&shape);
        self.sum("0.0f");
        let inner = self.open(&sizes);
        let at = |label: &u8| {
            let own = labels.result.iter().position(|it| it == label).map(|it| outer[it].clone());
            own.or_else(|| summed.iter().position(|it| it == label).map(|it| inner[it].clone()))
        };
        let mut factors = Vec::new();
        let mut after = Vec::new();
        for (own, arg) in [(&labels.left, node.args[0]), (&labels.right, node.args[1])] {
            let index: Vec<String> = own.iter().filter_map(at).collect();
            let element = self.element(arg, &index);
            if self.quantized.contains(&arg) {
                let scale = format!("{}_scale[{}]", self.name(arg), index[0]);
                // A factor of a row is taken out of the sum where the row is not summed.
                if labels.result.contains(&own[0]) {
                    after.push(scale);
                } else {
                    factors.push(scale);
                }
            }
            factors.push(element.at(SIGN));
        }
        self.line(format!("sum += {};", factors.join(" * ")));
        self.close(&sizes);
        let value = std::iter::once("sum".to_owned()).chain(after).collect::<Vec<_>>().join(" * ");
        self.store(id, &outer, &Text(value, PRODUCT));
        self.end(&shape);
    }

    /// Begins a sum, in a block of its own where no loop is around it.
    fn sum(&mut self, from: &str) {
        if self.depth == 0 {
            self.line("{");
            self.depth += 1;
        }
        self.line(format!("float sum = {from};"));
    }

    /// Closes loops, or the block that [`Emit::sum`] has opened.
    fn end(&mut self, shape: &[usize]) {
        self.close(shape);
        if self.depth > 0 {
            self.depth -= 1;
            self.line("}");
        }
    }

    fn along(&mut self, id: NodeId, node: &Node, along: &Along) {
        let full = self.shape(node.args[0]);
        let axes: Vec<usize> = match along {
            Along::Reduce(_, axes) | Along::Softmax(axes) => axes.clone(),
            Along::CumSum { axis, .. } => vec![*axis],
            Along::ProductOfOthers(_) => unreachable!("only an adjoint has it"),
        };
        let kept: Vec<usize> = (0..full.len()).filter(|it| !axes.contains(it)).collect();
        let outer_shape: Vec<usize> = kept.iter().map(|it| full[*it]).collect();
        let inner_shape: Vec<usize> = axes.iter().map(|it| full[*it]).collect();
        let outer = self.open(&outer_shape);
        let index = |inner: &[String]| -> Vec<String> {
            let place = |axis: usize| match kept.iter().position(|it| *it == axis) {
                Some(at) => outer[at].clone(),
                None => {
                    let at = axes.iter().position(|it| *it == axis).unwrap_or(0);
                    inner[at].clone()
                }
            };
            (0..full.len()).map(place).collect()
        };
        let arg = node.args[0];
        let max = format!("{}_max", self.symbol);
        let fold = |this: &mut Emit<'a>, write: &mut dyn FnMut(&mut Emit<'a>, Text, &[String])| {
            let inner = this.open(&inner_shape);
            let at = index(&inner);
            let value = this.element(arg, &at);
            write(this, value, &at);
            this.close(&inner_shape);
        };
        match along {
            Along::Reduce(reduction, _) => {
                match reduction {
                    Reduction::Sum => {
                        self.sum("0.0f");
                        fold(self, &mut |it, v, _| it.line(format!("sum += {};", v.0)));
                        self.store(id, &outer, &Text::atom("sum"));
                    }
                    Reduction::Product => {
                        self.sum("1.0f");
                        fold(self, &mut |it, v, _| it.line(format!("sum *= {};", v.at(PRODUCT))));
                        self.store(id, &outer, &Text::atom("sum"));
                    }
                    Reduction::Max | Reduction::Min => {
                        let (name, from) = match reduction {
                            Reduction::Max => ("max", "-INFINITY"),
                            _ => ("min", "INFINITY"),
                        };
                        self.own.insert(name);
                        self.sum(from);
                        let function = format!("{}_{name}", self.symbol);
                        fold(self, &mut |it, v, _| {
                            it.line(format!("sum = {function}({}, sum);", v.0));
                        });
                        self.store(id, &outer, &Text::atom("sum"));
                    }
                    Reduction::Norm => {
                        self.sum("0.0f");
                        fold(self, &mut |it, v, _| {
                            let v = v.at(SIGN);
                            it.line(format!("sum += {v} * {v};"));
                        });
                        self.store(id, &outer, &Text::atom("sqrtf(sum)"));
                    }
                    Reduction::LogSumExp => {
                        self.own.insert("max");
                        self.sum("0.0f");
                        self.line("float high = -INFINITY;");
                        fold(self, &mut |it, v, _| {
                            it.line(format!("high = {max}({}, high);", v.0))
                        });
                        fold(self, &mut |it, v, _| {
                            it.line(format!("sum += expf({} - high);", v.at(SUM)));
                        });
                        // An infinite maximum is the result; subtracting it would give a NaN.
                        let whole =
                            "high == INFINITY || high == -INFINITY ? high : high + logf(sum)";
                        self.store(id, &outer, &Text(whole.to_owned(), CHOICE));
                    }
                }
                self.end(&outer_shape);
            }
            Along::Softmax(_) => {
                self.own.insert("max");
                self.sum("0.0f");
                self.line("float high = -INFINITY;");
                fold(self, &mut |it, v, _| it.line(format!("high = {max}({}, high);", v.0)));
                fold(self, &mut |it, v, at| {
                    let power = Text::atom(format!("expf({} - high)", v.at(SUM)));
                    it.store(id, at, &power);
                    let own = it.memory(&it.name(id), &full, at);
                    it.line(format!("sum += {};", own.0));
                });
                fold(self, &mut |it, _, at| {
                    let own = it.memory(&it.name(id), &full, at);
                    it.line(format!("{} /= sum;", own.0));
                });
                self.end(&outer_shape);
            }
            Along::CumSum { axis, reverse } => {
                self.sum("0.0f");
                let inner = self.open(&inner_shape);
                let mut at = index(&inner);
                if *reverse && full[*axis] > 1 {
                    at[*axis] = format!("{} - {}", full[*axis] - 1, at[*axis]);
                }
                let value = self.element(arg, &at);
                self.line(format!("sum += {};", value.0));
                self.store(id, &at, &Text::atom("sum"));
                self.close(&inner_shape);
                self.end(&outer_shape);
            }
            Along::ProductOfOthers(_) => unreachable!("only an adjoint has it"),
        }
    }

    /// Returns true if a value is a whole number.
    pub fn is_index(&self, id: NodeId) -> bool {
        let low = self.low;
        match &low.graph().node(id).op {
            Op::Leaf(Leaf::Input(it)) => low.cell.inputs[*it].index.is_some(),
            Op::Leaf(Leaf::Carry(it)) => low.cell.carries[*it].index.is_some(),
            Op::Choice(_) => true,
            _ => false,
        }
    }

    /// Returns true if a node is computed in a step.
    pub fn is_computed(&self, id: NodeId) -> bool {
        let low = self.low;
        let rows = low.lead[id.idx()] != Lead::Once;
        low.needed[id.idx()] && rows && self.buffers.buffered[id.idx()]
    }
}

/// Returns an index and a number more.
fn plus(index: &str, by: usize) -> String {
    match (by, index.parse::<usize>()) {
        (0, _) => index.to_owned(),
        (by, Ok(at)) => (at + by).to_string(),
        (by, Err(_)) => format!("{index} + {by}"),
    }
}

/// Returns the indices in one shape of a place in another of as many elements.
fn unflatten(place: &str, from: &[usize], to: &[usize], index: &[String]) -> Vec<String> {
    // Axes of size 1 come and go.
    let wide = |shape: &[usize]| shape.iter().copied().filter(|it| *it != 1).collect::<Vec<_>>();
    if wide(from) == wide(to) {
        let mut rest = index.iter().zip(from).filter(|it| *it.1 != 1).map(|it| it.0.clone());
        let mut own = |size: &usize| if *size == 1 { None } else { rest.next() };
        return to.iter().map(|it| own(it).unwrap_or_else(|| "0".to_owned())).collect();
    }
    let mut stride: usize = to.iter().product();
    let total = stride;
    let whole =
        |place: &str| if place.contains(' ') { format!("({place})") } else { place.to_owned() };
    to.iter()
        .map(|size| {
            let before = stride;
            stride /= size.max(&1);
            if *size == 1 {
                return "0".to_owned();
            }
            let up =
                if before == total { whole(place) } else { format!("{} % {before}", whole(place)) };
            match stride {
                1 => up,
                _ if before == total => format!("{up} / {stride}"),
                _ => format!("({up}) / {stride}"),
            }
        })
        .collect()
}
