//! Nodes of a graph as text, with squares for what comes by a line.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{Rich, formula};
use crate::ir::print::{Coin, Formulas, Text, leaf, prev};
use crate::ir::{Cell, Graph, Leaf, Node, NodeId, Op};

/// What one operator does to operands that are written like this, in the notation of the language.
pub fn operator(graph: &Graph, id: NodeId, operand: &dyn Fn(NodeId) -> Text) -> String {
    let node = graph.node(id);
    let mut alone = Graph::default();
    let mut texts = BTreeMap::new();
    let mut args = Vec::new();
    for (at, arg) in node.args.iter().enumerate() {
        let shape = graph.shape(*arg).clone();
        let new = alone.add(Op::Leaf(Leaf::Param(at)), Vec::new(), shape, node.span);
        texts.insert(new, operand(*arg));
        args.push(new);
    }
    let id = alone.push(Node { args, name: None, ..node.clone() });
    let called = move |id: NodeId| texts.get(&id).cloned().unwrap_or_else(|| Text::primary("□"));
    let formulas = Formulas::new(&alone, called, Coin::Only(&[]), "t", &BTreeSet::new());
    formulas.formula(id).text
}

/// A formula of the printer as papers write it.
pub fn rich(text: &str) -> Rich {
    formula(text, &|_| None)
}

/// What a leaf of a cell is called.
pub fn leaf_text(cell: &Cell, op: &Op) -> Text {
    Text::primary(leaf(cell, op).unwrap_or_default())
}

/// An old value: its name and how many steps back it is.
pub fn old(cell: &Cell, carry: usize) -> (String, u32) {
    let carry = &cell.carries[carry];
    if carry.is_time() {
        return ("time".to_owned(), 0);
    }
    let text = prev(carry);
    match text.strip_prefix("prev(").and_then(|it| it.strip_suffix(')')) {
        Some(inner) => {
            let (name, back) = inner.rsplit_once(", ").unwrap_or((inner, "1"));
            (name.to_owned(), back.parse().unwrap_or(1))
        }
        None => (text.strip_prefix("prev ").unwrap_or(&text).to_owned(), 1),
    }
}
