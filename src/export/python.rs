//! Expressions and functions of Python over whole arrays, for all that computes like NumPy.
//!
//! *Axes are counted from the end*, so an expression does not know how many axes of steps and sequences come before its
//! own, and one function serves a step and a sequence. *Repeated values stay thin*: an `Expand` only inserts axes of size
//! 1, and a value is made whole only before an operator that counts its elements. `h = W @ x + b` with `x` of `[T, B, I]`
//! or of `[B, I]` is `x @ params["W"].T + params["b"]`.

use std::collections::{BTreeMap, BTreeSet};

use super::expr::{
    ATOM, COMPARE, Dialect, Form, Kind, POWER, PRODUCT, SIGN, SUM, Value, index, joined, wider,
};
use super::lower::{Lead, Lowered, Stage};
use super::names::Names;
use crate::ir::{
    Along, Choice, Gradient, Indexed, Leaf, Literal, Move, Node, NodeId, Op, Pointwise,
};

/// The longest expression that is within another.
const LONG: usize = 66;

/// A walk over the graph that writes functions.
pub struct Walk<'a, D> {
    /// The facts.
    pub low: &'a Lowered,
    /// The language.
    pub lang: D,
    /// The identifiers.
    pub names: Names,
    /// The identifier of each node that has one.
    pub ids: BTreeMap<NodeId, String>,
    /// The equation that a node belongs to.
    owners: Vec<Option<String>>,
    /// The functions that the file must have.
    pub helpers: BTreeSet<&'static str>,
}

/// A function that was written.
pub struct Function {
    /// Its parameters.
    pub reads: Vec<NodeId>,
    /// The nodes that it returns.
    pub gives: Vec<NodeId>,
    /// Its lines.
    pub lines: Vec<String>,
}

/// The facts that are known within a function.
pub(super) struct Scope {
    values: BTreeMap<NodeId, Value>,
    lines: Vec<String>,
    /// The number of readers of a node.
    uses: BTreeMap<NodeId, usize>,
    gives: BTreeSet<NodeId>,
    /// The leading axes of rows and of what is given per sequence, as text.
    leading: [Option<String>; 2],
}

impl<'a, D: Dialect> Walk<'a, D> {
    /// Returns a walk with the identifiers of inputs and of old values.
    pub fn new(low: &'a Lowered, lang: D, names: Names) -> Walk<'a, D> {
        let owners = owners(low);
        let (ids, helpers) = (BTreeMap::new(), BTreeSet::new());
        let mut walk = Walk { low, lang, names, ids, owners, helpers };
        let graph = low.graph();
        for id in graph.ids() {
            let name = match graph.node(id).op {
                Op::Leaf(Leaf::Input(it)) => walk.names.of(&low.cell.inputs[it].name),
                Op::Leaf(Leaf::Mask(it)) => walk.names.of(&low.cell.masks[it].name),
                _ => continue,
            };
            walk.ids.insert(id, name);
        }
        // Named values get their names before those that are named after them.
        for id in graph.ids().filter(|it| low.needed[it.idx()]) {
            let node = graph.node(id);
            if let (Some(name), false) = (&node.name, node.op.is_leaf()) {
                let name = walk.names.of(name);
                walk.ids.insert(id, name);
            }
        }
        for id in graph.ids() {
            if let Op::Leaf(Leaf::Carry(it)) = graph.node(id).op {
                let name = walk.names.fresh(&format!("prev_{}", low.cell.carries[it].name));
                walk.ids.insert(id, name);
            }
        }
        for (at, stage) in low.stages.iter().enumerate() {
            let is_before = low.stages[..at].iter().all(|it| it.order.is_none());
            let word = if is_before && stage.order.is_none() { "in" } else { "part" };
            stage.gives.iter().for_each(|it| walk.identify(*it, word));
        }
        low.fixed.iter().for_each(|it| walk.identify(*it, "of"));
        walk
    }

    fn identify(&mut self, id: NodeId, word: &str) {
        if !self.ids.contains_key(&id) {
            let name = self.names.fresh(&format!("{word}_{}", self.owner(id)));
            self.ids.insert(id, name);
        }
    }

    fn owner(&self, id: NodeId) -> &str {
        self.owners[id.idx()].as_deref().unwrap_or("value")
    }

    /// Returns the identifier of a node that has one.
    pub fn id(&self, id: NodeId) -> &str {
        self.ids.get(&id).map_or("_", String::as_str)
    }

    /// Writes the function of a stage.
    pub fn stage(&mut self, stage: &Stage) -> Function {
        self.function(&stage.nodes, &stage.reads, &stage.gives)
    }

    /// Writes the function of what is the same for all rows, if there is any.
    pub fn fixed(&mut self) -> Option<Function> {
        let graph = self.low.graph();
        let mut wanted = vec![false; graph.nodes().len()];
        self.low.fixed.iter().for_each(|it| wanted[it.idx()] = true);
        for id in graph.ids().rev() {
            if wanted[id.idx()] {
                graph.node(id).args.iter().for_each(|it| wanted[it.idx()] = true);
            }
        }
        let wanted: Vec<NodeId> = graph.ids().filter(|it| wanted[it.idx()]).collect();
        let is_leaf = |it: &&NodeId| matches!(graph.node(**it).op, Op::Leaf(Leaf::Mask(_)));
        let reads: Vec<NodeId> = wanted.iter().filter(is_leaf).copied().collect();
        let is_plain = |it: &NodeId| self.low.inline[it.idx()] || graph.node(*it).op.is_leaf();
        let nodes: Vec<NodeId> = wanted.iter().copied().filter(|it| !is_plain(it)).collect();
        let gives = self.low.fixed.clone();
        (!gives.is_empty()).then(|| self.function(&nodes, &reads, &gives))
    }

    fn function(&mut self, nodes: &[NodeId], reads: &[NodeId], gives: &[NodeId]) -> Function {
        let mut scope = Scope {
            values: BTreeMap::new(),
            lines: Vec::new(),
            uses: BTreeMap::new(),
            gives: gives.iter().copied().collect(),
            leading: [None, None],
        };
        for id in nodes {
            for arg in &self.low.graph().node(*id).args {
                *scope.uses.entry(*arg).or_default() += 1;
            }
        }
        for id in reads {
            let value = self.outside(*id);
            let leading = self.lang.leading(&value.text, value.shape.len());
            match value.lead {
                Lead::Once => {}
                Lead::Sequence => _ = scope.leading[1].get_or_insert(leading),
                Lead::Rows => _ = scope.leading[0].get_or_insert(leading),
            }
            scope.values.insert(*id, value);
        }
        for id in nodes {
            self.node(*id, &mut scope);
        }
        Function { reads: reads.to_vec(), gives: gives.to_vec(), lines: scope.lines }
    }

    /// Returns the value of a node that another function has computed.
    pub fn outside(&self, id: NodeId) -> Value {
        let low = self.low;
        let kind = match &low.graph().node(id).op {
            Op::Leaf(Leaf::Input(it)) if low.cell.inputs[*it].index.is_some() => Kind::Index,
            Op::Leaf(Leaf::Carry(it)) if low.cell.carries[*it].index.is_some() => Kind::Index,
            Op::Choice(_) => Kind::Index,
            _ => Kind::Real,
        };
        let (text, lead) = (self.id(id).to_owned(), low.lead[id.idx()]);
        Value { text, prec: ATOM, kind, lead, shape: low.shape(id).to_vec() }
    }

    fn node(&mut self, id: NodeId, scope: &mut Scope) {
        let node = self.low.graph().node(id).clone();
        let args: Vec<Value> = node.args.iter().map(|it| self.value(*it, scope)).collect();
        let shape = self.low.shape(id).to_vec();
        let lead = self.low.lead[id.idx()];
        let mut value = self.op(&node, &args, &shape, lead, scope);
        let is_given = scope.gives.contains(&id);
        if is_given {
            value = self.whole(value, &shape, lead, scope);
        }
        let uses = scope.uses.get(&id).copied().unwrap_or(0);
        let is_plain = matches!(value.kind, Kind::Number(_))
            || value.prec == ATOM
                && value.text.chars().all(|it| it.is_ascii_alphanumeric() || "_.".contains(it));
        let named = self.ids.contains_key(&id);
        let stays = is_given || !is_plain && (named || uses > 1 || value.text.len() > LONG);
        if stays {
            self.identify(id, "part");
            let name = self.id(id).to_owned();
            if name != value.text {
                scope.lines.push(format!("{name} = {}", value.text));
            }
            (value.text, value.prec) = (name, ATOM);
            if value.kind == Kind::Truth && is_given {
                value.kind = Kind::Real;
            }
        }
        scope.values.insert(id, value);
    }

    /// Returns the value of an operand.
    fn value(&mut self, id: NodeId, scope: &mut Scope) -> Value {
        if let Some(known) = scope.values.get(&id) {
            return known.clone();
        }
        if !self.low.inline[id.idx()] {
            return self.outside(id);
        }
        let node = self.low.graph().node(id).clone();
        let args: Vec<Value> = node.args.iter().map(|it| self.value(*it, scope)).collect();
        let shape = self.low.shape(id).to_vec();
        self.op(&node, &args, &shape, Lead::Once, scope)
    }

    /// Writes a start: a function of params alone.
    pub fn start(&mut self, graph: &crate::ir::Graph, id: NodeId, shapes: &[Vec<usize>]) -> Value {
        let mut values: Vec<Value> = Vec::new();
        let scope = Scope {
            values: BTreeMap::new(),
            lines: Vec::new(),
            uses: BTreeMap::new(),
            gives: BTreeSet::new(),
            leading: [None, None],
        };
        for at in graph.ids().take(id.idx() + 1) {
            let node = graph.node(at);
            let args: Vec<Value> = node.args.iter().map(|it| values[it.idx()].clone()).collect();
            values.push(self.op(node, &args, &shapes[at.idx()], Lead::Once, &scope));
        }
        values.swap_remove(id.idx())
    }

    /// Returns the text of a number.
    pub fn number(&self, value: f64) -> Value {
        let text =
            if value.is_finite() { format!("{value:?}") } else { self.lang.odd_number(value) };
        let prec = if text.starts_with('-') { SIGN } else { ATOM };
        Value { text, prec, kind: Kind::Number(value), lead: Lead::Once, shape: Vec::new() }
    }

    /// Returns a truth value as a number.
    pub(super) fn real(&self, value: &Value) -> Value {
        if value.kind != Kind::Truth {
            return value.clone();
        }
        let (text, prec) = self.lang.truth(&value.text);
        Value { text, prec, kind: Kind::Real, ..value.clone() }
    }

    /// Returns a value with all of its elements, and with these leading axes.
    pub(super) fn whole(
        &mut self,
        value: Value,
        shape: &[usize],
        lead: Lead,
        scope: &Scope,
    ) -> Value {
        let value = self.real(&value);
        if value.shape == shape && value.lead == lead && !matches!(value.kind, Kind::Number(_)) {
            return value;
        }
        let leading = match lead {
            Lead::Once => None,
            Lead::Sequence => scope.leading[1].as_deref(),
            Lead::Rows => scope.leading[0].as_deref(),
        };
        self.repeated(value, shape, lead, leading)
    }

    /// Returns a value repeated to a shape with these leading axes.
    pub fn repeated(
        &mut self,
        value: Value,
        shape: &[usize],
        lead: Lead,
        leading: Option<&str>,
    ) -> Value {
        let mut value = self.real(&value);
        if let Kind::Number(_) = value.kind {
            value.text = self.lang.scalar(&value.text);
            value.prec = PRODUCT;
            value.kind = Kind::Real;
        }
        let own = self.lang.shape(shape);
        let whole = leading.map_or_else(|| own.clone(), |it| joined(it, &own));
        let text = self.lang.repeat(&value, &whole);
        Value { text, prec: ATOM, lead, shape: shape.to_vec(), ..value }
    }

    fn op(
        &mut self,
        node: &Node,
        args: &[Value],
        shape: &[usize],
        lead: Lead,
        scope: &Scope,
    ) -> Value {
        let rank = shape.len();
        let own = |text: String, prec: u8| Value {
            text,
            prec,
            kind: Kind::Real,
            lead,
            shape: shape.to_vec(),
        };
        // An axis counted from the end.
        let from_end = |axis: usize, rank: usize| axis as i64 - rank as i64;
        match &node.op {
            Op::Leaf(Leaf::Param(it)) => own(self.lang.param(*it), ATOM),
            Op::Leaf(
                Leaf::Input(_)
                | Leaf::Carry(_)
                | Leaf::Mask(_)
                | Leaf::Forward(_)
                | Leaf::OutputAdjoint(_)
                | Leaf::CarryAdjoint(_)
                | Leaf::Tangent(_),
            ) => unreachable!("{:?} is what a function reads", node.op),
            Op::Literal(Literal::Scalar(value)) => self.number(self.low.number(value)),
            Op::Literal(it @ (Literal::Array(_) | Literal::Eye | Literal::Iota)) => {
                let numbers = match it {
                    Literal::Array(all) => {
                        all.iter().map(|it| self.number(self.low.number(it)).text).collect()
                    }
                    Literal::Scalar(_) | Literal::Eye | Literal::Iota => Vec::new(),
                };
                own(self.lang.literal(it, shape, &numbers), ATOM)
            }
            Op::Map(op) => self.map(*op, args, lead),
            Op::Contract(labels) => self.contract(labels, node, args, lead, scope),
            Op::Along(along) => {
                let shape = self.shape_of(node, 0, scope);
                let value = self.whole(args[0].clone(), &shape, args[0].lead, scope);
                let axes: Vec<usize> = match along {
                    Along::Reduce(_, axes) | Along::Softmax(axes) => axes.clone(),
                    Along::CumSum { axis, .. } => vec![*axis],
                    Along::ProductOfOthers(_) => unreachable!("only an adjoint has it"),
                };
                let axes: Vec<i64> = axes.iter().map(|it| from_end(*it, shape.len())).collect();
                own(self.lang.along(along, &value, &axes), ATOM)
            }
            Op::Move(Move::Expand(places)) => self.expand(&args[0], places, rank, lead),
            Op::Move(Move::Permute(order)) => {
                let from = self.shape_of(node, 0, scope);
                let value = self.whole(args[0].clone(), &from, args[0].lead, scope);
                if order.is_sorted() {
                    own(value.text.clone(), value.prec)
                } else if order[..] == [1, 0] && lead == Lead::Once {
                    own(format!("{}.T", value.at(ATOM)), ATOM)
                } else if rank >= 2 && order[..rank - 2].is_sorted() && order[rank - 1] == rank - 2
                {
                    own(self.lang.swap(&value), ATOM)
                } else {
                    let letters = |it: &usize| (b'a' + *it as u8) as char;
                    let to: String = order.iter().map(letters).collect();
                    let from: String = (0..rank).map(|it| letters(&it)).collect();
                    let dots = if lead == Lead::Once { "" } else { "..." };
                    own(self.lang.einsum(&format!("{dots}{from}->{dots}{to}"), &[value.text]), ATOM)
                }
            }
            Op::Move(it @ (Move::Concat(_) | Move::Stack)) => {
                let mut parts = Vec::new();
                for (at, arg) in args.iter().enumerate() {
                    let own = self.shape_of(node, at, scope);
                    parts.push(self.whole(arg.clone(), &own, lead, scope).text);
                }
                let (function, axis) = match it {
                    Move::Concat(axis) => ("concat", from_end(*axis, rank)),
                    _ => ("stack", from_end(0, rank)),
                };
                own(self.lang.join(function, &parts, axis), ATOM)
            }
            Op::Move(Move::Slice { axis, from, .. }) => {
                let full = self.shape_of(node, 0, scope);
                let value = self.whole(args[0].clone(), &full, args[0].lead, scope);
                let from = self.low.size(from);
                let (at, to) = (rank - axis - 1, from + shape[*axis]);
                let kind = value.kind;
                let text = format!(
                    "{}[{}]",
                    value.at(ATOM),
                    index(lead, &format!("{from}:{to}"), *axis, at)
                );
                Value { kind, ..own(text, ATOM) }
            }
            Op::Move(Move::Pick(at)) => {
                let full = self.shape_of(node, 0, scope);
                let value = self.whole(args[0].clone(), &full, args[0].lead, scope);
                let at = self.low.size(at).to_string();
                own(format!("{}[{}]", value.at(ATOM), index(lead, &at, 0, rank)), ATOM)
            }
            Op::Move(Move::Reshape) => {
                let full = self.shape_of(node, 0, scope);
                let value = self.whole(args[0].clone(), &full, args[0].lead, scope);
                if full == shape {
                    return Value { ..own(value.text.clone(), value.prec) };
                }
                let to = self.lang.shape(shape);
                let to = match lead {
                    Lead::Once => to,
                    Lead::Sequence | Lead::Rows => {
                        let which = usize::from(lead == Lead::Sequence);
                        let leading = scope.leading[which].clone().unwrap_or_default();
                        joined(&leading, &to)
                    }
                };
                own(self.lang.reshape(&value, &to), ATOM)
            }
            Op::Move(Move::Pad { .. } | Move::Place(_)) | Op::Indexed(Indexed::Scatter) => {
                unreachable!("only an adjoint has {:?}", node.op)
            }
            Op::Indexed(Indexed::Lookup) => {
                let full = self.shape_of(node, 0, scope);
                let table = self.whole(args[0].clone(), &full, args[0].lead, scope);
                let at = &args[1];
                match (table.lead, at.kind) {
                    (Lead::Once, Kind::Number(it)) => {
                        own(format!("{}[{}]", table.at(ATOM), it as usize), ATOM)
                    }
                    (Lead::Once, _) => own(format!("{}[{}]", table.at(ATOM), at.text), ATOM),
                    (Lead::Sequence | Lead::Rows, _) => {
                        self.helpers.insert("row");
                        let at = self.whole(at.clone(), &[], lead, scope);
                        own(self.lang.row(&table, &at, full.len()), ATOM)
                    }
                }
            }
            Op::Gradient(it) => {
                match it {
                    Gradient::Guard | Gradient::StopGrad => {}
                    Gradient::Declared => _ = self.helpers.insert("declared"),
                    Gradient::ClipGrad(_) => _ = self.helpers.insert("clip_grad"),
                }
                let limit = match it {
                    Gradient::ClipGrad(limit) => self.number(self.low.number(limit)).text,
                    Gradient::Guard | Gradient::Declared | Gradient::StopGrad => String::new(),
                };
                let value = &args[it.operand()];
                if let Kind::Number(_) = value.kind {
                    return value.clone();
                }
                let all: Vec<Value> = args
                    .iter()
                    .enumerate()
                    .map(|(at, arg)| match it {
                        Gradient::Guard if at == 0 => arg.clone(),
                        _ => self.real(arg),
                    })
                    .collect();
                let mut given = self.lang.gradient(it, &all, &limit);
                given.shape = args.iter().fold(Vec::new(), |shape, it| wider(&shape, &it.shape));
                Value { lead, ..given }
            }
            Op::Choice(it) => {
                let full = self.shape_of(node, 0, scope);
                let logits = self.whole(args[0].clone(), &full, args[0].lead, scope);
                let mut all = args.to_vec();
                all[0] = logits;
                let text = self.lang.choice(*it, &all, full.iter().product());
                if *it == Choice::Sample {
                    self.helpers.insert("sample");
                }
                Value { kind: Kind::Index, ..own(text, ATOM) }
            }
        }
    }

    /// Returns the shape that an operand has when it is whole.
    pub(super) fn shape_of(&self, node: &Node, at: usize, _: &Scope) -> Vec<usize> {
        self.low.concrete(self.low.graph().shape(node.args[at]))
    }

    fn map(&mut self, op: Pointwise, args: &[Value], lead: Lead) -> Value {
        let numbers: Option<Vec<f64>> = args
            .iter()
            .map(|it| if let Kind::Number(it) = it.kind { Some(it) } else { None })
            .collect();
        if let Some(numbers) = numbers {
            return self.number(op.eval(&numbers));
        }
        // A limit that is none.
        if op == Pointwise::Softcap && args[1].kind == Kind::Number(f64::INFINITY) {
            return self.real(&args[0]);
        }
        let form = self.lang.form(op);
        let all: Vec<Value> = args
            .iter()
            .enumerate()
            .map(|(at, it)| match form {
                Form::Where if at == 0 => it.clone(),
                _ => self.real(it),
            })
            .collect();
        let shape = args.iter().fold(Vec::new(), |shape, it| wider(&shape, &it.shape));
        let value = |text: String, prec: u8, kind: Kind| Value {
            text,
            prec,
            kind,
            lead,
            shape: shape.clone(),
        };
        let texts = || all.iter().map(|it| it.text.as_str()).collect::<Vec<_>>().join(", ");
        match form {
            Form::Infix(sign, prec) => {
                // The right operand of a power may have a sign; others hold together more strongly.
                let (left, right) = if prec == POWER { (ATOM, SIGN) } else { (prec, prec + 1) };
                let text = format!("{} {sign} {}", all[0].at(left), all[1].at(right));
                value(text, prec, Kind::Real)
            }
            Form::Minus => value(format!("-{}", all[0].at(SIGN)), SIGN, Kind::Real),
            Form::Compare(sign) => {
                let text = format!("{} {sign} {}", all[0].at(SUM), all[1].at(SUM));
                value(text, COMPARE, Kind::Truth)
            }
            Form::Positive => value(format!("{} > 0", all[0].at(SUM)), COMPARE, Kind::Truth),
            Form::Call(name) => value(format!("{name}({})", texts()), ATOM, Kind::Real),
            Form::Arrays(_) | Form::ArraysOwn(_) => {
                let name = match form {
                    Form::Arrays(name) => name.to_owned(),
                    Form::ArraysOwn(name) => {
                        self.helpers.insert(name);
                        format!("_{name}")
                    }
                    _ => unreachable!(),
                };
                let texts: Vec<String> = all
                    .iter()
                    .map(|it| match it.kind {
                        Kind::Number(_) => self.lang.scalar(&it.text),
                        Kind::Truth | Kind::Index | Kind::Real => it.text.clone(),
                    })
                    .collect();
                value(format!("{name}({})", texts.join(", ")), ATOM, Kind::Real)
            }
            Form::Own(name) => {
                self.helpers.insert(name);
                value(format!("_{name}({})", texts()), ATOM, Kind::Real)
            }
            Form::Same => Value { lead, ..all[0].clone() },
            Form::Where => {
                let both = |it: &Value| matches!(it.kind, Kind::Number(_));
                let cond = match all[0].kind {
                    Kind::Truth => all[0].text.clone(),
                    Kind::Number(_) | Kind::Index | Kind::Real => {
                        format!("{} != 0", all[0].at(SUM))
                    }
                };
                let yes = match both(&all[1]) && both(&all[2]) {
                    true => self.lang.scalar(&all[1].text),
                    false => all[1].text.clone(),
                };
                let kind = match (all[1].kind, all[2].kind) {
                    (Kind::Index, _) | (_, Kind::Index) => Kind::Index,
                    _ => Kind::Real,
                };
                let text = format!("{}.where({cond}, {yes}, {})", self.lang.module(), all[2].text);
                value(text, ATOM, kind)
            }
        }
    }
}

/// For each node the equation that it is in: its own name, or that of who reads it.
pub fn owners(low: &Lowered) -> Vec<Option<String>> {
    let graph = low.graph();
    let mut owners: Vec<Option<String>> = vec![None; graph.nodes().len()];
    for carry in &low.cell.carries {
        owners[carry.next.idx()].get_or_insert(carry.name.to_string());
    }
    for output in &low.cell.outputs {
        owners[output.node.idx()].get_or_insert(output.name.to_string());
    }
    for id in graph.ids().rev() {
        let node = graph.node(id);
        if let Some(name) = &node.name {
            owners[id.idx()] = Some(name.to_string());
        }
        let own = owners[id.idx()].clone();
        for arg in &node.args {
            if owners[arg.idx()].is_none() {
                owners[arg.idx()].clone_from(&own);
            }
        }
    }
    owners
}
