//! The level of operators: the step graph, or its adjoint, an operator a box.
//!
//! Params and numbers are text; broadcasts and what only matters to a gradient are not seen.

use std::collections::BTreeMap;

use super::diagram::{Diagram, Kind, Node, Paint, Pin, Source};
use super::picture::{BODY, WRAP};
use super::rails;
use super::text::{self, Rich};
use super::written::{self, operator, rich};
use crate::derive;
use crate::ir::print::{Coin, Formulas, Level as Binding, Text, formulas};
use crate::ir::{Cell, Graph, Leaf, Move, NodeId, Op, Pointwise, pointwise};

/// Returns one step.
pub fn diagram(cell: &Cell) -> Diagram {
    let mut drawn = Drawn::new(cell, &cell.step, None);
    for idx in 0..cell.inputs.len() {
        drawn.leaf(Leaf::Input(idx));
    }
    for idx in 0..cell.masks.len() {
        drawn.leaf(Leaf::Mask(idx));
    }
    let mut rails = Vec::new();
    for (idx, carry) in cell.carries.iter().enumerate().filter(|it| it.1.is_state) {
        let from = drawn.node(carry.next);
        let is_output = cell.output(&carry.name).is_some();
        let note = format!("new {}, carried to the next step", carry.name);
        let shape = carry.shape.to_string();
        let pin = drawn.end(Pin::New { is_output }, &carry.name, "t", &shape, from, note);
        // A feedback is no path of a gradient.
        if carry.teacher.is_none() {
            rails.push((Leaf::Carry(idx), carry.next, pin));
        }
    }
    for output in &cell.outputs {
        let is_state = cell.carries.iter().any(|it| it.is_state && it.name == output.name);
        if !is_state {
            let from = drawn.node(output.node);
            let shape = cell.step.shape(output.node).to_string();
            let note = format!("output {}", output.name);
            drawn.end(Pin::Output, &output.name, "t", &shape, from, note);
        }
    }
    cell.losses.iter().for_each(|it| _ = drawn.node(it.node));
    // A value that is read one step later alone is still drawn.
    cell.values.iter().for_each(|it| _ = drawn.visible(it.node).map(|it| drawn.node(it)));
    drawn.finish(&cell.name, cell.name.to_string(), &rails)
}

/// Returns one backward step.
pub fn backward(cell: &Cell) -> Diagram {
    let forward = derive::simplify_cell(cell);
    let adjoint = derive::adjoint(&forward).without_nexts().simplified();
    let reads: Vec<NodeId> = (adjoint.graph.nodes().iter())
        .filter_map(|it| match it.op {
            Op::Leaf(Leaf::Forward(of)) => Some(of),
            _ => None,
        })
        .collect();
    let kept = formulas(&forward, &forward.step, Coin::Only(&reads), "k");
    let mut drawn = Drawn::new(&forward, &adjoint.graph, Some(&kept));
    let mut rails = Vec::new();
    for (idx, (carry, root)) in forward.carries.iter().zip(&adjoint.carries).enumerate() {
        let Some(root) = root else { continue };
        let from = drawn.node(*root);
        let name = format!("d_prev_{}", carry.name);
        let note = format!("adjoint of {} as the step before left it", carry.name);
        let shape = carry.shape.to_string();
        let pin = drawn.end(Pin::New { is_output: false }, &name, "", &shape, from, note);
        rails.push((Leaf::CarryAdjoint(idx), *root, pin));
    }
    for (input, root) in forward.inputs.iter().zip(&adjoint.inputs) {
        if let Some(root) = root {
            let from = drawn.node(*root);
            let name = format!("d_{}", input.name);
            let note = format!("adjoint of {}", input.name);
            drawn.end(Pin::Result, &name, "", &input.shape.to_string(), from, note);
        }
    }
    for (at, root) in adjoint.params.iter().enumerate() {
        if let (Some(root), Some(name)) = (root, &adjoint.param_names[at]) {
            let from = drawn.node(*root);
            let shape = forward.params[at].shape.to_string();
            let note = format!("gradient of {}", forward.params[at].name);
            drawn.end(Pin::Result, name, "", &shape, from, note);
        }
    }
    let mut diagram = drawn.finish(&cell.name, format!("{}, one step backward", cell.name), &rails);
    diagram.is_backward = true;
    diagram
}

struct Drawn<'a> {
    cell: &'a Cell,
    graph: &'a Graph,
    /// The names of the values that forward kept, in a backward step.
    kept: Option<&'a Formulas<'a>>,
    /// For each node of the graph whether anything enters it at each step.
    changes: Vec<bool>,
    nodes: Vec<Node>,
    /// The box of each node of the graph.
    drawn: Vec<Option<usize>>,
    /// The pins of leaves.
    leaves: BTreeMap<Leaf, usize>,
    has_shapes: bool,
}

impl<'a> Drawn<'a> {
    fn new(cell: &'a Cell, graph: &'a Graph, kept: Option<&'a Formulas<'a>>) -> Drawn<'a> {
        let mut changes: Vec<bool> = Vec::new();
        for node in graph.nodes() {
            let leaf = node.op.leaf().is_some_and(|it| match it {
                Leaf::Input(_) | Leaf::Carry(_) | Leaf::Mask(_) => kept.is_none(),
                Leaf::OutputAdjoint(_) | Leaf::CarryAdjoint(_) | Leaf::Tangent(_) => true,
                Leaf::Param(_) | Leaf::Forward(_) => false,
            });
            changes.push(leaf || node.args.iter().any(|it| changes[it.idx()]));
        }
        let named: Vec<&crate::ir::Shape> =
            graph.nodes().iter().filter(|it| it.name.is_some()).map(|it| &it.shape).collect();
        Drawn {
            cell,
            graph,
            kept,
            changes,
            nodes: Vec::new(),
            drawn: vec![None; graph.nodes().len()],
            leaves: BTreeMap::new(),
            has_shapes: named.windows(2).any(|it| it[0] != it[1]),
        }
    }

    /// Returns the node that is seen in the place of this one, unless it is text.
    fn visible(&self, mut id: NodeId) -> Option<NodeId> {
        while let Some(operand) = written::passed(&self.graph.node(id).op) {
            id = self.graph.node(id).args[operand];
        }
        (!self.is_text(id)).then_some(id)
    }

    /// Returns true if a node is only written: params, literals, and in a backward step all of forward.
    fn is_text(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        match &node.op {
            Op::Leaf(Leaf::Param(_) | Leaf::Forward(_)) | Op::Literal(_) => true,
            Op::Move(Move::Expand(_) | Move::Pick(_)) => self.is_text(node.args[0]),
            Op::Leaf(_)
            | Op::Map(_)
            | Op::Contract(_)
            | Op::Along(_)
            | Op::Move(_)
            | Op::Indexed(_)
            | Op::Choice(_)
            | Op::Gradient(_) => self.kept.is_some() && !self.changes[id.idx()],
        }
    }

    /// Returns a node that is written.
    fn text(&self, id: NodeId) -> Text {
        written::fixed(self.cell, self.graph, self.kept, id)
    }

    fn leaf(&mut self, leaf: Leaf) -> usize {
        if let Some(node) = self.leaves.get(&leaf) {
            return *node;
        }
        let (given, step) = written::given(self.cell, leaf);
        let mut node = Node::new(Kind::Pin(given.pin));
        node.head = text::name(&given.name, &step);
        node.name = Some(given.name);
        node.shape = text::shape(&given.shape);
        node.note = given.note;
        self.nodes.push(node);
        self.leaves.insert(leaf, self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    fn end(
        &mut self,
        pin: Pin,
        name: &str,
        step: &str,
        shape: &str,
        from: usize,
        note: String,
    ) -> usize {
        let mut node = Node::new(Kind::Pin(pin));
        node.name = Some(name.to_owned());
        node.head = text::name(name, step);
        node.shape = text::shape(shape);
        node.note = note;
        node.read(Source { node: from, port: 0 });
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Returns the box of a node of the graph; of what is text alone, a box with it.
    fn node(&mut self, id: NodeId) -> usize {
        let Some(id) = self.visible(id) else {
            let mut node = Node::new(Kind::Box(Paint::Linear));
            node.lines = rich(&self.text(id).text).wrap(BODY, WRAP);
            self.nodes.push(node);
            return self.nodes.len() - 1;
        };
        // Operands first, without recursion: graphs may be deep.
        let mut open = vec![id];
        while let Some(&at) = open.last() {
            if self.drawn[at.idx()].is_some() {
                open.pop();
                continue;
            }
            let args = &self.graph.node(at).args;
            let wanted = args.iter().filter_map(|it| self.visible(*it));
            let missing: Vec<NodeId> = wanted.filter(|it| self.drawn[it.idx()].is_none()).collect();
            if missing.is_empty() {
                let node = self.make(at);
                self.drawn[at.idx()] = Some(node);
                open.pop();
            } else {
                open.extend(missing.into_iter().rev());
            }
        }
        self.drawn[id.idx()].unwrap_or_default()
    }

    fn make(&mut self, id: NodeId) -> usize {
        let it = self.graph.node(id);
        if let Some(leaf) = it.op.leaf() {
            return self.leaf(leaf);
        }
        let texts: Vec<Option<Rich>> = (it.args.iter())
            .map(|arg| {
                self.visible(*arg)
                    .is_none()
                    .then(|| rich(&self.text(*arg).at_least(Binding::Primary)))
            })
            .collect();
        let fixed = Rich::join(texts.iter().flatten().cloned(), ", ");
        let sign = match &it.op {
            Op::Map(Pointwise::Add) => Some("+"),
            Op::Map(Pointwise::Sub | Pointwise::Neg) => Some("−"),
            Op::Map(Pointwise::Mul) => Some("×"),
            Op::Map(Pointwise::Div) => Some("÷"),
            Op::Map(Pointwise::Max) => Some("max"),
            Op::Map(Pointwise::Min) => Some("min"),
            Op::Map(Pointwise::Pow) => Some("^"),
            Op::Map(op) => match op.syntax() {
                pointwise::Syntax::Infix(sign) => Some(sign),
                pointwise::Syntax::Prefix(_) | pointwise::Syntax::Function => None,
            },
            Op::Contract(_) if texts.iter().all(Option::is_none) => Some("@"),
            Op::Contract(_)
            | Op::Leaf(_)
            | Op::Literal(_)
            | Op::Along(_)
            | Op::Move(_)
            | Op::Indexed(_)
            | Op::Choice(_)
            | Op::Gradient(_) => None,
        };
        let narrow = fixed.width(super::picture::HEAD) <= 80;
        let by_square = |arg: NodeId| match self.visible(arg) {
            Some(_) => Text::primary("□"),
            None => self.text(arg),
        };
        let whole = operator(self.graph, id, &by_square).text;
        let mut node = match (sign, &it.op) {
            (Some(sign), op) if narrow => {
                let mut node = Node::new(Kind::Operator);
                let sign = match op {
                    Op::Contract(_) if whole.starts_with("outer") => "⊗",
                    Op::Contract(_) if whole.starts_with("dot") => "·",
                    _ => sign,
                };
                node.function = Some(sign.to_owned());
                node.is_ordered = !matches!(sign, "+" | "×" | "max" | "min");
                let first = texts.first().is_some_and(Option::is_some);
                node.head = match (fixed.is_empty(), first) {
                    (true, _) => Rich::plain(sign),
                    (false, true) => fixed.clone().then(&Rich::plain(format!(" {sign}"))),
                    (false, false) => Rich::plain(format!("{sign} ")).then(&fixed),
                };
                node
            }
            (_, Op::Map(op)) if it.args.len() == 1 => {
                let paint = match op {
                    Pointwise::Sigmoid => Paint::Gate,
                    _ => Paint::Activation,
                };
                let mut node = Node::new(Kind::Box(paint));
                node.function = Some(op.name().to_owned());
                let name = if *op == Pointwise::Sigmoid { "σ" } else { op.name() };
                node.head = Rich::plain(name);
                node.lines = if fixed.is_empty() { Vec::new() } else { vec![fixed.clone()] };
                node
            }
            (
                _,
                Op::Move(
                    Move::Reshape
                    | Move::Permute(_)
                    | Move::Slice { .. }
                    | Move::Stack
                    | Move::Concat(_),
                ),
            ) => {
                let mut node = Node::new(Kind::Move);
                let word = whole.split('(').next().unwrap_or_default().to_owned();
                node.head = match &it.op {
                    Op::Move(Move::Reshape) => Rich::plain(text::shape(&it.shape.to_string())),
                    _ => Rich::plain(word.as_str()),
                };
                node.function = Some(word);
                node.is_ordered = it.args.len() > 1;
                node
            }
            (
                _,
                Op::Contract(_)
                | Op::Map(_)
                | Op::Along(_)
                | Op::Move(_)
                | Op::Indexed(_)
                | Op::Choice(_)
                | Op::Gradient(_)
                | Op::Leaf(_)
                | Op::Literal(_),
            ) => {
                let is_product = matches!(it.op, Op::Contract(_));
                let paint = if is_product { Paint::Linear } else { Paint::Activation };
                let mut node = Node::new(Kind::Box(paint));
                node.lines = rich(&whole).wrap(BODY, WRAP);
                if is_product {
                    // Of a product the shape of its matrix is told.
                    let matrix = it.args.iter().find(|it| self.visible(**it).is_none());
                    let shape = matrix.map(|it| self.graph.shape(*it).to_string());
                    node.lines.extend(shape.map(|it| Rich::plain(text::shape(&it))));
                }
                node.function = Some(whole.split('(').next().unwrap_or_default().to_owned());
                node
            }
        };
        for arg in &it.args {
            if let Some(from) = self.visible(*arg).and_then(|it| self.drawn[it.idx()]) {
                node.read(Source { node: from, port: 0 });
            }
        }
        let squared = it.args.len() == 2 && it.args[0] == it.args[1];
        if squared && it.op == Op::Map(Pointwise::Mul) {
            node.head = Rich::plain("□²");
        }
        node.note = whole;
        node.shape = text::shape(&it.shape.to_string());
        node.span = Some(it.span);
        if let Some(name) = &it.name {
            node.name = Some(name.to_string());
            let mut head = text::name(name, "");
            if self.has_shapes && matches!(node.kind, Kind::Box(_)) {
                head.put(&format!(" {}", node.shape));
            }
            if !node.head.is_empty() {
                head.put(" = ");
            }
            node.head = head.then(&node.head);
            node.note = format!("{name} : {} = {}", it.shape, node.note);
            let is_gate = |it: &&crate::ir::NamedValue| {
                it.name == *name && it.kind == crate::ir::ValueKind::Gate
            };
            if self.cell.values.iter().any(|it| is_gate(&it)) && self.kept.is_none() {
                node.kind = match node.kind {
                    Kind::Box(_) => Kind::Box(Paint::Gate),
                    other => other,
                };
            }
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// Finds the straight paths: leaf, root and the pin at its end of each state.
    fn finish(self, name: &str, title: String, states: &[(Leaf, NodeId, usize)]) -> Diagram {
        let graph = self.graph;
        let count = graph.nodes().len();
        let mut ways: rails::Ways = vec![Vec::new(); count];
        for id in graph.ids() {
            let node = graph.node(id);
            for (_, arg) in node.args.iter().enumerate().filter(|it| passes(&node.op, it.0)) {
                ways[arg.idx()].push(id.idx());
            }
        }
        let mut taken = vec![false; count];
        let mut diagram = Diagram {
            name: name.to_owned(),
            title,
            nodes: self.nodes,
            rails: 0,
            words: Vec::new(),
            is_backward: false,
        };
        for (leaf, root, pin) in states {
            let starts: Vec<usize> = graph
                .ids()
                .filter(|it| graph.node(*it).op.leaf() == Some(*leaf))
                .map(|it| it.idx())
                .collect();
            let Some(path) = rails::shortest(&ways, &starts, root.idx(), &taken) else { continue };
            let mut boxes: Vec<usize> = path.iter().filter_map(|it| self.drawn[*it]).collect();
            boxes.dedup();
            boxes.push(*pin);
            let linked = |it: &[usize]| {
                diagram.nodes[it[1]].reads.iter().any(|read| read.from.node == it[0])
            };
            let free = boxes.iter().all(|it| diagram.nodes[*it].rail.is_none());
            if boxes.windows(2).all(linked) && free {
                path.iter().for_each(|it| taken[*it] = true);
                diagram.mark_rail(&boxes);
            }
        }
        diagram.words =
            diagram.nodes.iter().filter(|it| it.name.is_some()).map(|it| it.note.clone()).collect();
        diagram.words.retain(|it| it.contains('='));
        diagram
    }
}

/// Returns true if the straight path of a state may pass from this operand.
fn passes(op: &Op, operand: usize) -> bool {
    match op {
        Op::Map(Pointwise::Add | Pointwise::Mul | Pointwise::Max | Pointwise::Min) => true,
        Op::Map(Pointwise::Sub | Pointwise::Div) => operand == 0,
        Op::Move(Move::Expand(_) | Move::Reshape | Move::Permute(_) | Move::Slice { .. }) => true,
        Op::Gradient(_) => written::passed(op) == Some(operand),
        Op::Map(_)
        | Op::Move(_)
        | Op::Leaf(_)
        | Op::Literal(_)
        | Op::Contract(_)
        | Op::Along(_)
        | Op::Indexed(_)
        | Op::Choice(_) => false,
    }
}
