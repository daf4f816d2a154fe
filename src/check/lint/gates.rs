//! W0602: gates that may leave [0, 1], with the derivation.

use std::collections::BTreeSet;

use super::written;
use crate::check::range;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::Cell;
use crate::ir::pointwise::{Interval, Syntax, closed, rounded as number};
use crate::ir::{
    self, Along, Choice, Gradient, Indexed, Leaf, Literal, Move, NodeId, Op, ValueKind,
};
use crate::text::{Name, Span};

/// The most lines of a derivation that are shown.
const LINES: usize = 5;

/// Finds the gates that cannot be shown to lie in [0, 1].
pub(super) fn outside(source: &Cell<'_>, cell: &ir::Cell) -> Vec<Diagnostic> {
    let gates: Vec<&ir::NamedValue> =
        cell.values.iter().filter(|it| it.kind == ValueKind::Gate).collect();
    if gates.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<NodeId> = gates.iter().map(|it| it.node).collect();
    let ranges = range::infer(cell, &wanted).nodes;
    let view = View { cell, ranges: &ranges };
    let written = written::gates(source);
    // A gate in a loop is many nodes; one message is enough.
    let mut seen: BTreeSet<Span> = BTreeSet::new();
    let mut found = Vec::new();
    for gate in gates {
        let range = ranges[gate.node.idx()];
        if range::lies_in(&range, &closed(0.0, 1.0)) {
            continue;
        }
        // The gates of a layer belong to the inner cell, which has its own messages.
        let Some(place) = written.iter().find(|it| it.is(&gate.name, gate.span)) else { continue };
        if !seen.insert(place.ident.span) {
            continue;
        }
        let name = &place.ident.name;
        let message =
            format!("gate `{name}` may leave [0, 1]: {} {}", view.what(gate.node), told(range));
        let mut help = view.derivation(&gate.name, gate.node);
        help.push("apply `sigmoid` or `clamp`, or declare a `let` if it is no gate".to_string());
        let mut diagnostic = Diagnostic::new(Code::GateRange, place.ident.span, message)
            .at(told(range))
            .help(help.join("\n"));
        if let Some(keyword) = place.keyword {
            diagnostic = diagnostic.fix(Applicability::Maybe, keyword, "let");
        }
        found.push(diagnostic);
    }
    found
}

/// A cell with the ranges of its nodes.
struct View<'a> {
    cell: &'a ir::Cell,
    ranges: &'a [Interval],
}

impl View<'_> {
    /// Describes a node as the subject of "is in (-1, 1)".
    fn what(&self, id: NodeId) -> String {
        let node = self.cell.step.node(self.plain(id));
        if let Op::Map(op) = node.op {
            return match op.syntax() {
                Syntax::Infix("+") => "the sum".into(),
                Syntax::Infix("-") => "the difference".into(),
                Syntax::Infix("*") => "the product".into(),
                Syntax::Infix("/") => "the quotient".into(),
                Syntax::Infix(_) | Syntax::Prefix(_) => format!("`{}`", self.spelled(id, 2)),
                Syntax::Function => op.name().into(),
            };
        }
        if node.args.is_empty() {
            format!("`{}`", self.spelled(id, 2))
        } else {
            self.word(&node.op).into()
        }
    }

    /// Returns the ranges of a gate and of what it is made of, from the outside in.
    fn derivation(&self, gate: &Name, id: NodeId) -> Vec<String> {
        let graph = &self.cell.step;
        let mut lines = vec![format!("`{gate}` = `{}` {}", self.spelled(id, 3), self.range(id))];
        let mut open: Vec<NodeId> = vec![id];
        let mut seen: BTreeSet<String> = BTreeSet::new();
        while !open.is_empty() && lines.len() < LINES {
            let mut next = Vec::new();
            for user in open {
                if self.explains_itself(user) {
                    continue;
                }
                for arg in &graph.node(self.plain(user)).args {
                    let arg = self.plain(*arg);
                    let node = graph.node(arg);
                    // Numbers are seen; that an input may be anything is known.
                    let leaf = node.args.is_empty();
                    if matches!(node.op, Op::Literal(Literal::Scalar(_))) || (leaf && user != id) {
                        continue;
                    }
                    let text = self.text(arg, 3);
                    if lines.len() < LINES && seen.insert(text.clone()) {
                        let definition = match node.name {
                            Some(_) if !leaf => format!(" = `{}`", self.spelled(arg, 3)),
                            Some(_) | None => String::new(),
                        };
                        lines.push(format!("`{text}`{definition} {}", self.range(arg)));
                    }
                    next.push(arg);
                }
            }
            open = next;
        }
        lines
    }

    /// Returns true if the operands do not matter: those of `tanh` never do, those of `exp` may.
    fn explains_itself(&self, id: NodeId) -> bool {
        let node = self.cell.step.node(self.plain(id));
        let range = self.ranges[id.idx()];
        let bounded = range.lo.is_finite() && range.hi.is_finite();
        let settled = match &node.op {
            Op::Map(op) => op.syntax() == Syntax::Function && node.args.len() == 1,
            op => matches!(op, Op::Along(Along::Softmax(_))),
        };
        bounded && settled
    }

    fn range(&self, id: NodeId) -> String {
        told(self.ranges[id.idx()])
    }

    /// Returns the node without repetition along axes and the like, which the source does not show.
    fn plain(&self, mut id: NodeId) -> NodeId {
        loop {
            let node = self.cell.step.node(id);
            if matches!(node.op, Op::Move(Move::Expand(_))) && node.name.is_none() {
                id = node.args[0];
            } else if matches!(node.op, Op::Gradient(Gradient::Guard)) {
                id = node.args[1];
            } else {
                return id;
            }
        }
    }

    /// Returns the name of a node, or how it is made.
    fn text(&self, id: NodeId, depth: usize) -> String {
        let id = self.plain(id);
        let node = self.cell.step.node(id);
        match &node.name {
            Some(name) if !node.args.is_empty() => name.to_string(),
            Some(_) | None => self.spelled(id, depth),
        }
    }

    /// Writes the formula of a node, down to a depth.
    fn spelled(&self, id: NodeId, depth: usize) -> String {
        let node = self.cell.step.node(self.plain(id));
        let args = |separator: &str| {
            if depth <= 1 && node.args.iter().any(|it| !self.is_short(*it)) {
                return "..".to_string();
            }
            let outer = level(&node.op);
            let args: Vec<String> = (node.args.iter().enumerate())
                .map(|(at, it)| {
                    let text = self.text(*it, depth.saturating_sub(1));
                    let inner = self.cell.step.node(self.plain(*it));
                    let inner = level(&inner.op).filter(|_| inner.name.is_none());
                    match (outer, inner) {
                        (Some(outer), Some(inner)) if binds_looser(outer, inner, at) => {
                            format!("({text})")
                        }
                        (Some(_) | None, Some(_) | None) => text,
                    }
                })
                .collect();
            args.join(separator)
        };
        match &node.op {
            Op::Leaf(Leaf::Input(at)) => self.cell.inputs[*at].name.to_string(),
            Op::Leaf(Leaf::Carry(at)) => ir::print::prev(&self.cell.carries[*at]),
            Op::Leaf(Leaf::Param(at)) => self.cell.params[*at].name.to_string(),
            Op::Leaf(Leaf::Mask(at)) => self.cell.masks[*at].name.to_string(),
            Op::Literal(Literal::Scalar(value)) => constant(value),
            Op::Map(op) => match op.syntax() {
                Syntax::Infix(symbol) => args(&format!(" {symbol} ")),
                Syntax::Prefix(symbol) => format!("{symbol}{}", args(" ")),
                Syntax::Function => format!("{}({})", op.name(), args(", ")),
            },
            Op::Contract(_) => args(" @ "),
            op => format!("{}({})", self.word(op), args(", ")),
        }
    }

    fn is_short(&self, id: NodeId) -> bool {
        let node = self.cell.step.node(self.plain(id));
        node.args.is_empty() || node.name.is_some()
    }

    /// Returns the word for an operator that is not elementwise.
    fn word(&self, op: &Op) -> &'static str {
        match op {
            Op::Leaf(
                Leaf::Input(_) | Leaf::Carry(_) | Leaf::Param(_) | Leaf::Mask(_) | Leaf::Forward(_),
            ) => "the value",
            Op::Leaf(Leaf::OutputAdjoint(_) | Leaf::CarryAdjoint(_) | Leaf::Tangent(_)) => {
                "the derivative"
            }
            Op::Literal(Literal::Scalar(_) | Literal::Array(_)) => "the constant",
            Op::Literal(Literal::Eye) => "eye",
            Op::Literal(Literal::Iota) => "iota",
            Op::Map(op) => op.name(),
            Op::Move(Move::Expand(_)) => "the value",
            Op::Contract(_) => "the product",
            Op::Along(Along::Reduce(reduction, _)) => reduction.name(),
            Op::Along(Along::Softmax(_)) => "softmax",
            Op::Along(Along::CumSum { .. }) => "cumsum",
            Op::Along(Along::ProductOfOthers(_)) => "prod",
            Op::Move(Move::Permute(_)) => "transpose",
            Op::Move(Move::Concat(_)) => "concat",
            Op::Move(Move::Stack) => "stack",
            Op::Move(Move::Slice { .. }) => "slice",
            Op::Move(Move::Pad { .. } | Move::Place(_)) | Op::Indexed(Indexed::Scatter) => {
                "the value"
            }
            Op::Move(Move::Reshape) => "reshape",
            Op::Move(Move::Pick(_)) | Op::Indexed(Indexed::Lookup) => "element",
            Op::Choice(Choice::ArgMax) => "argmax",
            Op::Choice(Choice::Sample) => "sample",
            Op::Gradient(Gradient::Guard | Gradient::Declared) => "the value",
            Op::Gradient(Gradient::StopGrad) => "stop_grad",
            Op::Gradient(Gradient::ClipGrad(_)) => "clip_grad",
        }
    }
}

/// Returns the precedence of an operator that is written between or before its operands.
fn level(op: &Op) -> Option<u8> {
    if let Op::Contract(_) = op {
        return Some(3);
    }
    let Op::Map(op) = op else { return None };
    match op.syntax() {
        Syntax::Infix("+" | "-") => Some(1),
        Syntax::Infix("*" | "/") => Some(2),
        Syntax::Infix("^") => Some(5),
        Syntax::Infix(_) => Some(0),
        Syntax::Prefix(_) => Some(4),
        Syntax::Function => None,
    }
}

/// Returns true if an operand needs parentheses; `@` and `*` need them from each other.
fn binds_looser(outer: u8, inner: u8, operand: usize) -> bool {
    let mixed = (outer == 2 && inner == 3) || (outer == 3 && inner == 2);
    mixed || inner < outer || (inner == outer && operand > 0)
}

fn constant(value: &ir::Const) -> String {
    match value {
        ir::Const::Number(value) => number(*value),
        ir::Const::Size(dim) => dim.to_string(),
        ir::Const::Hyper(name) => name.to_string(),
        ir::Const::Apply(op, args) => {
            let args: Vec<String> = args.iter().map(constant).collect();
            match op.syntax() {
                Syntax::Infix(symbol) => format!("({})", args.join(&format!(" {symbol} "))),
                Syntax::Prefix(symbol) => format!("{symbol}{}", args.join(" ")),
                Syntax::Function => format!("{}({})", op.name(), args.join(", ")),
            }
        }
    }
}

/// "is in (-1, 1)", "is 2", "may be any number".
fn told(range: Interval) -> String {
    if range.lo == range.hi {
        return format!("is {}", number(range.lo));
    }
    if range.lo == f64::NEG_INFINITY && range.hi == f64::INFINITY {
        return "may be any number".to_string();
    }
    format!("is in {range}")
}
