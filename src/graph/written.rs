//! Nodes of a graph as text, with squares for what comes by a line, and what its leaves are called.

use std::collections::{BTreeMap, BTreeSet};

use super::diagram::Pin;
use super::sketch::Given;
use super::text::{Rich, formula};
use crate::ir::print::{Coin, Formulas, Text, leaf, prev};
use crate::ir::{Cell, Gradient, Graph, InputRole, Leaf, Move, Node, NodeId, Op, Order};

/// Writes an operator with such operands in the notation of the language.
pub fn operator(graph: &Graph, id: NodeId, operand: &dyn Fn(NodeId) -> Text) -> Text {
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
    Formulas::new(&alone, called, Coin::Only(&[]), "t", &BTreeSet::new()).formula(id)
}

/// Writes a value that is not drawn; `kept` names the values that forward kept.
pub fn fixed(cell: &Cell, graph: &Graph, kept: Option<&Formulas<'_>>, id: NodeId) -> Text {
    let node = graph.node(id);
    match (node.op.leaf(), kept) {
        (Some(Leaf::Forward(of)), Some(kept)) => kept.operand(of),
        (Some(_), _) => leaf_text(cell, &node.op),
        (None, _) => match passed(&node.op) {
            Some(operand) => fixed(cell, graph, kept, node.args[operand]),
            None => operator(graph, id, &|it| fixed(cell, graph, kept, it)),
        },
    }
}

/// Returns the position of the operand that is drawn in the place of an operator: of a broadcast, and of what only a gradient
/// sees.
pub fn passed(op: &Op) -> Option<usize> {
    match op {
        Op::Move(Move::Expand(_)) => Some(0),
        Op::Gradient(it @ (Gradient::Declared | Gradient::Guard)) => Some(it.operand()),
        Op::Gradient(Gradient::StopGrad | Gradient::ClipGrad(_))
        | Op::Leaf(_)
        | Op::Literal(_)
        | Op::Map(_)
        | Op::Contract(_)
        | Op::Along(_)
        | Op::Move(_)
        | Op::Indexed(_)
        | Op::Choice(_) => None,
    }
}

/// Returns a formula of the printer as papers write it.
pub fn rich(text: &str) -> Rich {
    formula(text, &|_| None)
}

/// Returns the name of a leaf of a cell.
pub fn leaf_text(cell: &Cell, op: &Op) -> Text {
    Text::primary(leaf(cell, op).unwrap_or_default())
}

/// Returns a leaf as what enters a step, and the step that its value belongs to.
pub fn given(cell: &Cell, leaf: Leaf) -> (Given, String) {
    let (pin, name, step, shape, note) = match leaf {
        Leaf::Input(idx) => {
            let it = &cell.inputs[idx];
            let (pin, step) = match it.role {
                InputRole::Input if it.per_sequence => (Pin::Constant, ""),
                InputRole::Input | InputRole::Draw | InputRole::Coin => (Pin::Input, "t"),
                InputRole::Target => (Pin::Target, "t"),
            };
            (pin, it.name.to_string(), step.to_owned(), it.shape.to_string(), String::new())
        }
        Leaf::Mask(idx) => {
            let it = &cell.masks[idx];
            (Pin::Mask, it.name.to_string(), "t".to_owned(), it.shape.to_string(), String::new())
        }
        Leaf::Carry(idx) => {
            let (name, back) = old(cell, idx);
            let carry = &cell.carries[idx];
            let step = match (back, carry.order) {
                (0, _) => "t".to_owned(),
                (_, Order::Ascending) => format!("t−{back}"),
                (_, Order::Descending) => format!("t+{back}"),
            };
            let pin = match carry.teacher {
                Some(_) => Pin::Feedback,
                None => Pin::Old(vec![back.max(1)]),
            };
            (pin, name, step, carry.shape.to_string(), String::new())
        }
        Leaf::CarryAdjoint(idx) => {
            let it = &cell.carries[idx];
            let note = format!("adjoint of {}, from the next step", it.name);
            let name = format!("d_next_{}", it.name);
            (Pin::Old(vec![1]), name, String::new(), it.shape.to_string(), note)
        }
        Leaf::OutputAdjoint(idx) => {
            let it = &cell.outputs[idx];
            let shape = cell.step.shape(it.node).to_string();
            let note = format!("adjoint of {}, from output {}", it.name, it.name);
            (Pin::Input, format!("d_out_{}", it.name), String::new(), shape, note)
        }
        // These are written, never drawn.
        Leaf::Param(_) | Leaf::Forward(_) | Leaf::Tangent(_) => {
            (Pin::Input, String::new(), String::new(), String::new(), String::new())
        }
    };
    (Given { pin, name, shape, note, span: None }, step)
}

/// Returns an old value: its name and how many steps back it is.
fn old(cell: &Cell, carry: usize) -> (String, u32) {
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
