//! One backward step as expressions: what is derived, in the names of `compile --emit backward`.
//!
//! A backward step is linear in the adjoints that enter it, so all that forward has computed is a
//! factor, and written as text. What each param gets is gathered in boxes at the end.

use std::collections::BTreeMap;

use super::sketch::{Def, Expr, ExprId, Fixed, Level, Sketch, State, Value};
use super::text::{self, Rich};
use super::written::{self, leaf_text, operator, rich};
use crate::derive;
use crate::ir::print::{Coin, Formulas, Level as Binding, Text, formulas};
use crate::ir::{Cell, Graph, Leaf, Literal, Move, NodeId, Op, Pointwise};

/// Returns the backward step of a cell.
pub fn sketch(cell: &Cell) -> Sketch {
    let forward = derive::simplify_cell(cell);
    let adjoint = derive::adjoint(&forward).without_nexts().simplified();
    let graph = &adjoint.graph;
    let reads: Vec<NodeId> = (graph.nodes().iter())
        .filter_map(|it| match it.op {
            Op::Leaf(Leaf::Forward(of)) => Some(of),
            _ => None,
        })
        .collect();
    let kept = formulas(&forward, &forward.step, Coin::Only(&reads), "k");
    let mut changes: Vec<bool> = Vec::new();
    for node in graph.nodes() {
        let leaf = matches!(node.op, Op::Leaf(Leaf::OutputAdjoint(_) | Leaf::CarryAdjoint(_)));
        changes.push(leaf || node.args.iter().any(|it| changes[it.idx()]));
    }
    let mut names: BTreeMap<NodeId, String> = BTreeMap::new();
    for (name, id) in &adjoint.values {
        if !graph.node(*id).op.is_leaf() {
            names.entry(*id).or_insert_with(|| name.to_string());
        }
    }
    let mut backward = Backward {
        cell: &forward,
        graph,
        kept: &kept,
        changes,
        names,
        exprs: vec![None; graph.nodes().len()],
        defs: BTreeMap::new(),
        once: BTreeMap::new(),
        pins: BTreeMap::new(),
        sketch: Sketch {
            name: cell.name.to_string(),
            title: format!("{}, one step backward", cell.name),
            is_backward: true,
            ..Sketch::default()
        },
    };
    for id in kept.coined() {
        backward.keep(*id, kept.name(*id).unwrap_or_default());
    }
    let mut carried = Vec::new();
    for (idx, (carry, root)) in forward.carries.iter().zip(&adjoint.carries).enumerate() {
        let Some(root) = root else { continue };
        let next = backward.value(*root);
        carried.push(idx);
        backward.sketch.states.push(State {
            name: format!("d_prev_{}", carry.name),
            shape: carry.shape.to_string(),
            next,
            is_output: false,
            old: None,
        });
    }
    for (input, root) in forward.inputs.iter().zip(&adjoint.inputs) {
        if let Some(root) = root {
            let value = backward.value(*root);
            let shape = input.shape.to_string();
            backward.sketch.results.push((format!("d_{}", input.name), shape, value));
        }
    }
    for (root, name) in adjoint.params.iter().zip(&adjoint.param_names) {
        if let (Some(root), Some(name)) = (root, name) {
            let id = backward.expr(*root);
            backward.sketch.gradients.push((name.to_string(), id));
        }
    }
    // A state of which nothing comes back has its pin all the same, at its place.
    for (state, carry) in backward.sketch.states.iter_mut().zip(carried) {
        state.old = backward.pins.get(&Leaf::CarryAdjoint(carry)).copied();
    }
    backward.sketch
}

struct Backward<'a> {
    cell: &'a Cell,
    graph: &'a Graph,
    kept: &'a Formulas<'a>,
    /// The nodes that depend on an adjoint that enters.
    changes: Vec<bool>,
    names: BTreeMap<NodeId, String>,
    exprs: Vec<Option<ExprId>>,
    defs: BTreeMap<NodeId, usize>,
    /// The values that forward kept under a new name.
    once: BTreeMap<String, usize>,
    pins: BTreeMap<Leaf, usize>,
    sketch: Sketch,
}

impl Backward<'_> {
    /// A value of forward that has no name but `k1`: a box with what it is.
    fn keep(&mut self, id: NodeId, name: &str) {
        let text = rich(&self.kept.formula(id).text);
        let fixed = Fixed { text, level: Level::Atom, is_scalar: false, reads: Vec::new() };
        let value = self.sketch.push(Expr::Fixed(fixed), "");
        self.once.insert(name.to_owned(), self.sketch.defs.len());
        self.sketch.defs.push(Def {
            name: name.to_owned(),
            below: String::new(),
            is_gate: false,
            shape: String::new(),
            value,
            is_once: true,
            note: format!("{name} = {}, kept from forward", self.kept.formula(id).text),
            span: None,
        });
    }

    /// Returns a root as a value that has a name.
    fn value(&mut self, id: NodeId) -> Value {
        let expr = self.expr(id);
        if let Expr::Value(value) = &self.sketch.exprs[expr] {
            return value.clone();
        }
        // A root without a name is a definition of its own.
        let name = format!("d_{}", id.idx());
        Value::Def(self.define(id, name, expr))
    }

    fn define(&mut self, id: NodeId, name: String, value: ExprId) -> usize {
        let node = self.graph.node(id);
        let text = operator(self.graph, id, &|it| self.spoken(it)).text;
        let note = format!("{name} : {} = {text}", node.shape);
        self.sketch.words.push(format!("{name} = {text}"));
        self.sketch.defs.push(Def {
            name,
            below: String::new(),
            is_gate: false,
            shape: node.shape.to_string(),
            value,
            is_once: false,
            note,
            span: Some(node.span),
        });
        self.defs.insert(id, self.sketch.defs.len() - 1);
        self.sketch.defs.len() - 1
    }

    /// Returns a node as text, for what is told under a pointer.
    fn spoken(&self, id: NodeId) -> Text {
        let node = self.graph.node(id);
        match (&node.op, self.names.get(&id)) {
            (_, Some(name)) => Text::primary(name),
            (Op::Leaf(Leaf::Forward(of)), None) => self.kept.operand(*of),
            (Op::Leaf(leaf @ (Leaf::CarryAdjoint(_) | Leaf::OutputAdjoint(_))), None) => {
                Text::primary(written::given(self.cell, *leaf).0.name)
            }
            (op, None) if op.is_leaf() => leaf_text(self.cell, op),
            (_, None) if self.changes[id.idx()] => Text::primary("…"),
            (_, None) => self.fixed_text(id),
        }
    }

    /// Returns a value that forward has computed, as text.
    fn fixed_text(&self, id: NodeId) -> Text {
        written::fixed(self.cell, self.graph, Some(self.kept), id)
    }

    fn pin(&mut self, leaf: Leaf) -> Value {
        let given = &mut self.sketch.given;
        let at = *self.pins.entry(leaf).or_insert_with(|| {
            given.push(written::given(self.cell, leaf).0);
            given.len() - 1
        });
        Value::Pin(at, 1)
    }

    /// Returns a node as an expression; what has a name is a definition.
    fn expr(&mut self, root: NodeId) -> ExprId {
        // Operands first, without recursion: graphs may be deep.
        let mut open = vec![root];
        while let Some(&id) = open.last() {
            if self.exprs[id.idx()].is_some() {
                open.pop();
                continue;
            }
            let args = &self.graph.node(id).args;
            let missing: Vec<NodeId> = (args.iter().copied())
                .filter(|it| self.changes[it.idx()] && self.exprs[it.idx()].is_none())
                .collect();
            if missing.is_empty() {
                let expr = self.make(id);
                self.exprs[id.idx()] = Some(expr);
                open.pop();
            } else {
                open.extend(missing.into_iter().rev());
            }
        }
        self.exprs[root.idx()].unwrap_or_default()
    }

    fn make(&mut self, id: NodeId) -> ExprId {
        let node = self.graph.node(id);
        if let Op::Leaf(leaf @ (Leaf::CarryAdjoint(_) | Leaf::OutputAdjoint(_))) = node.op {
            let value = self.pin(leaf);
            return self.sketch.push(Expr::Value(value), "");
        }
        if !self.changes[id.idx()] {
            return self.fixed(id);
        }
        let args: Vec<ExprId> = node.args.iter().map(|it| self.operand(*it)).collect();
        if let Some(operand) = written::passed(&node.op) {
            return args[operand];
        }
        let note = operator(self.graph, id, &|it| self.spoken(it)).text;
        let drawn = match &node.op {
            Op::Map(Pointwise::Add) => Expr::Sum(vec![(false, args[0]), (false, args[1])]),
            Op::Map(Pointwise::Sub) => Expr::Sum(vec![(false, args[0]), (true, args[1])]),
            Op::Map(Pointwise::Neg) => Expr::Sum(vec![(true, args[0])]),
            Op::Map(Pointwise::Mul) => Expr::Product(args),
            Op::Map(Pointwise::Div) => Expr::Quotient(args[0], args[1]),
            Op::Map(op) => Expr::Call(op.name().to_owned(), args, Rich::default()),
            Op::Move(Move::Reshape) => {
                let shape = text::shape(&node.shape.to_string());
                Expr::Move(Rich::plain(shape), args[0])
            }
            Op::Move(Move::Permute(_)) => Expr::Move(Rich::plain("□ᵀ"), args[0]),
            Op::Move(Move::Slice { from, to, .. }) => {
                Expr::Move(Rich::plain(text::shape(&format!("[{from} … {to}]"))), args[0])
            }
            Op::Move(Move::Concat(_)) => Expr::Gather("concat".to_owned(), args),
            Op::Move(Move::Stack) => Expr::Gather("stack".to_owned(), args),
            Op::Contract(_)
            | Op::Along(_)
            | Op::Move(Move::Expand(_) | Move::Pad { .. } | Move::Pick(_) | Move::Place(_))
            | Op::Indexed(_)
            | Op::Choice(_)
            | Op::Gradient(_)
            | Op::Leaf(_)
            | Op::Literal(_) => {
                // What is linear in one value: a product with what is kept, a sum along an axis.
                let by_line: Vec<usize> =
                    (0..args.len()).filter(|it| self.sketch.fixed(args[*it]).is_none()).collect();
                match by_line[..] {
                    [at] => {
                        let one = node.args[at];
                        let text = operator(self.graph, id, &|it| match it == one {
                            true => Text::primary("□"),
                            false => self.fixed_text(it),
                        });
                        let text = text.text;
                        let once = self.once_of(&text);
                        Expr::Linear(rich(&text), args[at], once)
                    }
                    [..] => {
                        let word = note.split('(').next().unwrap_or_default().to_owned();
                        Expr::Call(word, args, Rich::default())
                    }
                }
            }
        };
        let drawn = self.flat(drawn);
        let expr = self.sketch.push(drawn, note);
        match self.names.get(&id).cloned() {
            Some(name) => {
                let def = self.define(id, name.clone(), expr);
                self.sketch.push(Expr::Value(Value::Def(def)), name)
            }
            None => expr,
        }
    }

    /// Sums of sums, and products of products, are one.
    fn flat(&self, drawn: Expr) -> Expr {
        match drawn {
            Expr::Sum(terms) => {
                let mut all = Vec::new();
                for (is_minus, term) in terms {
                    match &self.sketch.exprs[term] {
                        Expr::Sum(inner) => {
                            all.extend(inner.iter().map(|it| (it.0 != is_minus, it.1)));
                        }
                        _ => all.push((is_minus, term)),
                    }
                }
                Expr::Sum(all)
            }
            Expr::Product(factors) => {
                let mut all = Vec::new();
                for factor in factors {
                    match &self.sketch.exprs[factor] {
                        Expr::Product(inner) => all.extend(inner.iter().copied()),
                        _ => all.push(factor),
                    }
                }
                Expr::Product(all)
            }
            other => other,
        }
    }

    fn operand(&mut self, id: NodeId) -> ExprId {
        match self.exprs[id.idx()] {
            Some(expr) => expr,
            None => {
                let expr = self.fixed(id);
                self.exprs[id.idx()] = Some(expr);
                expr
            }
        }
    }

    fn fixed(&mut self, id: NodeId) -> ExprId {
        let Text { text, level } = self.fixed_text(id);
        let is_scalar = matches!(self.graph.node(id).op, Op::Literal(Literal::Scalar(_)))
            || text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
        let level = match level {
            Binding::Comparison => Level::Comparison,
            Binding::Sum => Level::Sum,
            Binding::Product | Binding::Matrix => Level::Product,
            Binding::Unary | Binding::Power => Level::Power,
            Binding::Primary => Level::Atom,
        };
        let reads = self.once_of(&text);
        let fixed = Fixed { text: rich(&text), level, is_scalar, reads };
        self.sketch.push(Expr::Fixed(fixed), text)
    }

    /// Returns the kept values in a text.
    fn once_of(&self, text: &str) -> Vec<usize> {
        let words: Vec<&str> = text.split(|it: char| !it.is_alphanumeric() && it != '_').collect();
        self.once.iter().filter(|it| words.contains(&it.0.as_str())).map(|it| *it.1).collect()
    }
}
