//! W0611: masks that decide, where they are bits in training alone.
//!
//! In evaluation a mask is the probability of its ones. That is right where the mask is a factor or a term, since the mean
//! of what is computed in training is then what is computed with the mean. It is wrong where a mask decides (`where(m, a, b)`,
//! `m > 0.5`) or is under a function that is not affine, or is multiplied with itself. A function or a layer reads the mask at the place
//! that calls it; a carried value may be made of masks, too.

use std::collections::BTreeSet;

use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::builtin::{Builtin, Signature};
use crate::hir::{Callee, Cell, CellId, Expr, Kind, Past, Tree, walk};
use crate::ir::{self, Gradient, Leaf, Linearity, Move, Op, Pointwise, Scope, Start};
use crate::syntax::print_expr;
use crate::text::{Name, Span};

/// The masks that a node is made of.
#[derive(Clone, PartialEq, Eq)]
enum Made {
    /// Of sizes and hypers.
    Constant,
    /// Of masks and constants alone: one of them, and those whose own draw its elements have.
    Mask(usize, BTreeSet<usize>),
    /// Of anything else.
    Other,
}

impl Made {
    fn join(&self, other: &Made) -> Made {
        match (self, other) {
            (Made::Other, _) | (_, Made::Other) => Made::Other,
            (Made::Constant, it) | (it, Made::Constant) => it.clone(),
            (Made::Mask(mask, a), Made::Mask(_, b)) => Made::Mask(*mask, a | b),
        }
    }

    /// The same value at a later step, when masks of a step are drawn anew.
    fn later(&self, cell: &ir::Cell) -> Made {
        match self {
            Made::Mask(mask, own) => {
                let lasts = |it: &&usize| cell.masks[**it].scope != Scope::Step;
                Made::Mask(*mask, own.iter().filter(lasts).copied().collect())
            }
            Made::Constant | Made::Other => self.clone(),
        }
    }
}

/// The most passes over the step in which carried values settle.
const PASSES: usize = 8;

/// Finds the masks that decide or are under a function that is not affine.
pub(super) fn deciding(tree: &Tree<'_>, source: &Cell<'_>, cell: &ir::Cell) -> Vec<Diagnostic> {
    if cell.masks.is_empty() {
        return Vec::new();
    }
    let (made, wrong) = nodes(cell, &carried(cell));
    let is_mask = |it: &&ir::NamedValue| matches!(made[it.node.idx()], Made::Mask(..));
    let mut names: BTreeSet<&str> =
        cell.values.iter().filter(is_mask).map(|it| &*it.name).collect();
    names.extend(cell.masks.iter().map(|it| &*it.name));
    let mut seen: BTreeSet<Span> = BTreeSet::new();
    let mut found = Vec::new();
    for (idx, mask) in wrong {
        let (node, mask) = (&cell.step.nodes()[idx], &cell.masks[mask]);
        let span = if source.ast.span.holds(node.span) {
            node.span
        } else if source.ast.span.holds(mask.span) {
            site(tree, source, node.span, &names).unwrap_or(mask.span)
        } else {
            // The mask of a layer is left to the inner cell.
            continue;
        };
        if seen.insert(span) {
            found.push(told(source, &node.op, &mask.name, span));
        }
    }
    // The condition of a choice is told with the choice.
    let choices: Vec<Span> = found.iter().filter(|it| it.fix.is_some()).map(|it| it.span).collect();
    found.retain(|it| !choices.iter().any(|all| *all != it.span && all.holds(it.span)));
    found
}

/// Returns what each carried value is made of at the beginning of a step.
fn carried(cell: &ir::Cell) -> Vec<Made> {
    let mut fixed: Vec<bool> = Vec::new();
    for node in cell.start.nodes() {
        let is_leaf = matches!(node.op, Op::Leaf(_));
        fixed.push(!is_leaf && node.args.iter().all(|it| fixed[it.idx()]));
    }
    let starts_fixed = |it: &ir::Carry| match it.start {
        Start::Node(node) => fixed[node.idx()],
        Start::SameAs(other) => match cell.carries[other].start {
            Start::Node(node) => fixed[node.idx()],
            Start::SameAs(_) => false,
        },
    };
    let first = |it: &ir::Carry| match it.teacher.is_none() && starts_fixed(it) {
        true => Made::Constant,
        false => Made::Other,
    };
    let mut old: Vec<Made> = cell.carries.iter().map(first).collect();
    // What counts steps is a value like others.
    for is_last in [false, true] {
        if is_last {
            for it in old.iter_mut().filter(|it| **it == Made::Constant) {
                *it = Made::Other;
            }
        }
        let mut settled = false;
        for _ in 0..PASSES {
            let (made, _) = nodes(cell, &old);
            let next = cell.carries.iter().zip(&old);
            let next: Vec<Made> =
                next.map(|(it, old)| old.join(&made[it.next.idx()].later(cell))).collect();
            settled = next == old;
            old = next;
            if settled {
                break;
            }
        }
        if !settled {
            return vec![Made::Other; old.len()];
        }
    }
    old
}

/// Returns what each node is made of, and the nodes that evaluation computes wrongly with a mask.
fn nodes(cell: &ir::Cell, old: &[Made]) -> (Vec<Made>, Vec<(usize, usize)>) {
    let mut made: Vec<Made> = Vec::new();
    let mut wrong = Vec::new();
    for (idx, node) in cell.step.nodes().iter().enumerate() {
        let args: Vec<&Made> = node.args.iter().map(|it| &made[it.idx()]).collect();
        let varies: Vec<bool> = args.iter().map(|it| matches!(it, Made::Mask(..))).collect();
        let mask = args.iter().find_map(|it| match it {
            Made::Mask(mask, _) => Some(*mask),
            Made::Constant | Made::Other => None,
        });
        let all = args.iter().fold(Made::Constant, |all, it| all.join(it));
        let next = match (&node.op, mask) {
            (Op::Leaf(Leaf::Mask(mask)), _) => Made::Mask(*mask, BTreeSet::from([*mask])),
            (Op::Leaf(Leaf::Carry(idx)), _) => old[*idx].clone(),
            (Op::Leaf(_), _) => Made::Other,
            (Op::Literal(_), _) => Made::Constant,
            (Op::Gradient(it @ Gradient::Guard), _) => args[it.operand()].clone(),
            (_, None) => all,
            (op, Some(mask)) => {
                // Two masks that are drawn apart are multiplied as their probabilities are.
                let is_product = matches!(op, Op::Map(Pointwise::Mul) | Op::Contract(_));
                let is_right = match op.linearity(&varies) {
                    Linearity::Nonlinear => is_product && !is_of_one_draw(op, &args),
                    Linearity::Linear | Linearity::Affine => true,
                };
                if !is_right {
                    wrong.push((idx, mask));
                    Made::Other
                } else if let (Made::Mask(..), true) = (&all, moves_elements(op)) {
                    // Elements of one mask are drawn apart.
                    Made::Mask(mask, BTreeSet::new())
                } else {
                    all
                }
            }
        };
        made.push(next);
    }
    (made, wrong)
}

/// Returns true if both factors of a product have the bits of one draw.
fn is_of_one_draw(op: &Op, args: &[&Made]) -> bool {
    let [Made::Mask(_, a), Made::Mask(_, b)] = args else { return false };
    let meets = match op {
        Op::Contract(it) => {
            it.left.iter().any(|label| it.right.contains(label))
                || it.left.is_empty() && it.right.is_empty()
        }
        _ => true,
    };
    meets && !a.is_disjoint(b)
}

/// Returns true if elements come to places of others.
fn moves_elements(op: &Op) -> bool {
    matches!(op, Op::Indexed(_) | Op::Move(Move::Slice { .. } | Move::Permute(_)))
}

/// Returns the place in a cell that brings a mask, or a value with one of `names`, to a place outside of its text.
fn site(tree: &Tree<'_>, source: &Cell<'_>, inner: Span, names: &BTreeSet<&str>) -> Option<Span> {
    let reads = |expr: &Expr<'_>| {
        let mut found = false;
        walk::expr(expr, &mut |it| {
            if let Kind::Def(def) | Kind::Prev(Past::Def(def), _) = &it.kind {
                found |= names.contains(&*source.defs[*def].name.name);
            }
        });
        found
    };
    for layer in &source.layers {
        if layer.cell.is_some_and(|it| cell_holds(tree, it, inner)) {
            let given = layer.args.iter().find(|it| reads(&it.value));
            if let Some(it) = given {
                return Some(it.value.span());
            }
        }
    }
    let mut found = None;
    walk::cell(source, &mut |it| {
        if found.is_none() && calls(tree, it, inner) && reads(it) {
            found = Some(it.span());
        }
    });
    found
}

/// Returns true if an expression calls a function whose text, or that of what it calls, has a place.
fn calls(tree: &Tree<'_>, expr: &Expr<'_>, inner: Span) -> bool {
    let Kind::Call(call) = &expr.kind else { return false };
    let Callee::Function(id) = call.callee else { return false };
    let body = &tree.functions[id].body;
    let mut found = body.span().holds(inner);
    walk::expr(body, &mut |it| found = found || calls(tree, it, inner));
    found
}

/// Returns true if the text of a cell, or of what it calls and is made of, has a place.
fn cell_holds(tree: &Tree<'_>, id: CellId, inner: Span) -> bool {
    let cell = &tree.cells[id];
    let mut found = cell.ast.span.holds(inner);
    walk::cell(cell, &mut |it| found = found || calls(tree, it, inner));
    found || cell.layers.iter().any(|it| it.cell.is_some_and(|it| cell_holds(tree, it, inner)))
}

fn told(source: &Cell<'_>, op: &Op, mask: &Name, span: Span) -> Diagnostic {
    let meaning = format!("in evaluation mask `{mask}` is the probability of its ones");
    let message = match op {
        Op::Map(Pointwise::Where) => format!("{meaning}, so `where` always takes its first value"),
        Op::Map(
            Pointwise::Less
            | Pointwise::LessEqual
            | Pointwise::Greater
            | Pointwise::GreaterEqual
            | Pointwise::Equal
            | Pointwise::NotEqual,
        ) => format!("{meaning}, so the comparison gives the same at every step"),
        Op::Map(Pointwise::Mul) | Op::Contract(_) => {
            format!("{meaning}, so its product with itself is another value than in the mean")
        }
        _ => format!(
            "{meaning}, and a function that is not affine gives another value for it than in the mean"
        ),
    };
    let found = Diagnostic::new(Code::DecidingMask, span, message);
    if matches!(op, Op::Map(Pointwise::Mul) | Op::Contract(_)) {
        return found.help("bits are 0 or 1: for `m * m` write `m`, for `m * (1 - m)` write 0");
    }
    let call = matches!(op, Op::Map(Pointwise::Where)).then(|| choice(source, span)).flatten();
    match call {
        Some((text, is_whole)) => {
            let text = if is_whole { text } else { format!("({text})") };
            found.help(format!("write `{text}`")).fix(Applicability::Maybe, span, text)
        }
        None => found.help("let the mask be a factor: `m * a + (1 - m) * b`"),
    }
}

/// `m * a + (1 - m) * b` for the `where(m, a, b)` at a place, and whether it is a whole value.
fn choice(source: &Cell<'_>, span: Span) -> Option<(String, bool)> {
    let (mut found, mut is_whole) = (None, true);
    walk::cell(source, &mut |it| {
        let own = it.span();
        if own != span {
            is_whole &= !own.holds(span);
        } else if let Kind::Call(call) = &it.kind
            && let Callee::Builtin(Signature { what: Builtin::Where, .. }) = call.callee
        {
            let [m, a, b] = call.first().map(factor);
            found = Some(format!("{m} * {a} + (1 - {m}) * {b}"));
        }
    });
    Some((found?, is_whole))
}

fn factor(expr: &Expr<'_>) -> String {
    let text = print_expr(expr.ast);
    match expr.kind {
        Kind::Chain(..) | Kind::Binary(..) | Kind::Neg(..) => format!("({text})"),
        _ => text,
    }
}
