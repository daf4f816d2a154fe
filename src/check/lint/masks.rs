//! W0611: masks that decide, where they are bits in training alone.
//!
//! In evaluation a mask is the probability of its ones. That is right where the mask is a factor or a term, since the mean
//! of what is computed in training is then what is computed with the mean. It is wrong where a mask decides (`where(m, a, b)`,
//! `m > 0.5`) or stands under a function that is not affine.

use std::collections::BTreeSet;

use crate::diag::{Applicability, Code, Diagnostic};
use crate::ir::{self, Gradient, Leaf, Linearity, Op, Pointwise};
use crate::syntax::ast::{self, Arg, Expr, ExprKind, OutputDecl, Value};
use crate::syntax::print_expr;
use crate::text::{Name, Span};

/// What a node is made of.
#[derive(Clone, PartialEq, Eq)]
enum Made {
    /// Of sizes and hypers.
    Constant,
    /// Of masks and constants alone; the name of one of them.
    Mask(Name),
    /// Of anything else.
    Other,
}

/// Finds the masks that decide or stand under a function that is not affine.
pub(super) fn deciding(ast: &ast::Cell, cell: &ir::Cell) -> Vec<Diagnostic> {
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
                    let inside = ast.span.file == node.span.file
                        && ast.span.start <= node.span.start
                        && node.span.end <= ast.span.end;
                    if inside && seen.insert(node.span) {
                        found.push(told(ast, op, &mask, node.span));
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
    found.retain(|it| {
        !choices
            .iter()
            .any(|all| *all != it.span && all.start <= it.span.start && it.span.end <= all.end)
    });
    found
}

fn told(ast: &ast::Cell, op: &Op, mask: &Name, span: Span) -> Diagnostic {
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
    let call = matches!(op, Op::Map(Pointwise::Where)).then(|| choice(ast, span)).flatten();
    match call {
        Some((text, is_whole)) => {
            let text = if is_whole { text } else { format!("({text})") };
            found.help(format!("write `{text}`")).fix(Applicability::Maybe, span, text)
        }
        None => found.help("let the mask be a factor: `m * a + (1 - m) * b`"),
    }
}

/// `m * a + (1 - m) * b` for the `where(m, a, b)` at a place, and whether it is a whole value.
fn choice(ast: &ast::Cell, span: Span) -> Option<(String, bool)> {
    let mut call = None;
    for decl in &ast.decls {
        match &decl.kind {
            ast::DeclKind::Value(_, _, value)
            | ast::DeclKind::Update(_, value)
            | ast::DeclKind::Tuple(_, value) => in_value(value, span, &mut call),
            ast::DeclKind::Output(all) => {
                for it in all {
                    if let OutputDecl::Named(_, value) = it {
                        at(value, span, true, &mut call);
                    }
                }
            }
            ast::DeclKind::Layer(layer) => {
                layer.args.iter().for_each(|it| at(&it.value, span, true, &mut call));
            }
            ast::DeclKind::Dims(_)
            | ast::DeclKind::Hyper(_)
            | ast::DeclKind::Group(..)
            | ast::DeclKind::Loss { .. }
            | ast::DeclKind::Layout(_) => {}
        }
    }
    let (args, is_whole) = call?;
    let [Arg::Positional(m), Arg::Positional(a), Arg::Positional(b)] = args else {
        return None;
    };
    let factor = |it: &Expr| match &it.kind {
        ExprKind::Chain(..) | ExprKind::Binary(..) | ExprKind::Neg(..) => {
            format!("({})", print_expr(it))
        }
        _ => print_expr(it),
    };
    let (m, a, b) = (factor(m), factor(a), factor(b));
    Some((format!("{m} * {a} + (1 - {m}) * {b}"), is_whole))
}

fn in_value<'a>(value: &'a Value, span: Span, call: &mut Option<(&'a [Arg], bool)>) {
    match value {
        Value::Expr(it) => at(it, span, true, call),
        Value::Fold(fold) => {
            fold.starts.iter().chain(&fold.results).for_each(|it| at(it, span, true, call));
            fold.body.iter().for_each(|it| in_value(&it.value, span, call));
        }
    }
}

/// Looks for the call of `where` at a place. Recursion is as deep as the source is nested, which the parser bounds.
fn at<'a>(expr: &'a Expr, span: Span, is_whole: bool, call: &mut Option<(&'a [Arg], bool)>) {
    let mut within = |it: &'a Expr| at(it, span, false, call);
    match &expr.kind {
        ExprKind::Call(name, args) if expr.span == span && &*name.name == "where" => {
            *call = Some((args, is_whole));
        }
        ExprKind::Call(_, args) => {
            for arg in args {
                match arg {
                    Arg::Positional(it) | Arg::Named(_, it) => within(it),
                    Arg::Over(..) => {}
                }
            }
        }
        ExprKind::Array(items) => items.iter().for_each(within),
        ExprKind::Paren(it) | ExprKind::Neg(_, it) => within(it),
        ExprKind::Index(a, b) | ExprKind::Binary(_, _, a, b) => {
            within(a);
            within(b);
        }
        ExprKind::Chain(first, rest) => {
            within(first);
            rest.iter().for_each(|it| within(&it.2));
        }
        ExprKind::Number(_)
        | ExprKind::Inf
        | ExprKind::Pi
        | ExprKind::Path(_)
        | ExprKind::Prev(..) => {}
    }
}
