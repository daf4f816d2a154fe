//! W0611: masks that decide, where they are bits in training alone.
//!
//! In evaluation a mask is the probability of its ones. That is right where the mask is a factor or a term, since the mean
//! of what is computed in training is then what is computed with the mean. It is wrong where a mask decides (`where(m, a, b)`,
//! `m > 0.5`) or is under a function that is not affine.

use std::collections::BTreeSet;

use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::builtin::{Builtin, Signature};
use crate::hir::{Callee, Cell, Expr, Kind, walk};
use crate::ir::{self, Gradient, Leaf, Linearity, Op, Pointwise};
use crate::syntax::print_expr;
use crate::text::{Name, Span};

/// The masks that a node is made of.
#[derive(Clone, PartialEq, Eq)]
enum Made {
    /// Of sizes and hypers.
    Constant,
    /// Of masks and constants alone; the name of one of them.
    Mask(Name),
    /// Of anything else.
    Other,
}

/// Finds the masks that decide or are under a function that is not affine.
pub(super) fn deciding(source: &Cell<'_>, cell: &ir::Cell) -> Vec<Diagnostic> {
    if cell.masks.is_empty() {
        return Vec::new();
    }
    let mut made: Vec<Made> = Vec::new();
    let mut seen: BTreeSet<Span> = BTreeSet::new();
    let mut found = Vec::new();
    for node in cell.step.nodes() {
        let args: Vec<&Made> = node.args.iter().map(|it| &made[it.idx()]).collect();
        let varies: Vec<bool> = args.iter().map(|it| matches!(it, Made::Mask(_))).collect();
        let mask = args.iter().find_map(|it| match it {
            Made::Mask(name) => Some(name.clone()),
            Made::Constant | Made::Other => None,
        });
        let is_pure = !args.contains(&&Made::Other);
        let next = match (&node.op, mask) {
            (Op::Leaf(Leaf::Mask(idx)), _) => Made::Mask(cell.masks[*idx].name.clone()),
            (Op::Leaf(_), _) => Made::Other,
            (Op::Literal(_), _) => Made::Constant,
            (Op::Gradient(it @ Gradient::Guard), _) => args[it.operand()].clone(),
            (_, None) if is_pure => Made::Constant,
            (_, None) => Made::Other,
            (op, Some(mask)) => {
                // Two masks that are drawn apart are multiplied as their probabilities are.
                let is_product = matches!(op, Op::Map(Pointwise::Mul) | Op::Contract(_));
                if op.linearity(&varies) == Linearity::Nonlinear && !is_product {
                    // What a layer brings in is left to the inner cell.
                    if source.ast.span.holds(node.span) && seen.insert(node.span) {
                        found.push(told(source, op, &mask, node.span));
                    }
                    Made::Other
                } else if is_pure {
                    Made::Mask(mask)
                } else {
                    Made::Other
                }
            }
        };
        made.push(next);
    }
    // The condition of a choice is told with the choice.
    let choices: Vec<Span> = found.iter().filter(|it| it.fix.is_some()).map(|it| it.span).collect();
    found.retain(|it| !choices.iter().any(|all| *all != it.span && all.holds(it.span)));
    found
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
        _ => format!(
            "{meaning}, and a function that is not affine gives another value for it than in the mean"
        ),
    };
    let found = Diagnostic::new(Code::DecidingMask, span, message);
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
