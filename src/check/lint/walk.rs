//! Which names an expression reads. Recursion is as deep as the source is nested, which the parser bounds.

use crate::syntax::ast::{Arg, Expr, ExprKind, Ident, Over, Path, Value};

/// How a name is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Read {
    /// `h`, or a dim in a shape or after `over`.
    Now,
    /// `prev h`.
    Before,
    /// `f(..)`.
    Call,
}

/// Tells `see` of every name in an expression; of a path only the head. Names of arguments are not read.
pub(super) fn names<'a>(expr: &'a Expr, see: &mut dyn FnMut(&'a Ident, Read)) {
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => {}
        ExprKind::Path(path) => path_names(path, Read::Now, see),
        ExprKind::Prev(path, steps) => {
            path_names(path, Read::Before, see);
            if let Some(steps) = steps {
                names(steps, see);
            }
        }
        ExprKind::Call(name, args) => {
            see(name, Read::Call);
            for arg in args {
                match arg {
                    Arg::Positional(value) | Arg::Named(_, value) => names(value, see),
                    Arg::Over(over, _) => over_names(over, see),
                }
            }
        }
        ExprKind::Array(items) => items.iter().for_each(|it| names(it, see)),
        ExprKind::Paren(inner) | ExprKind::Neg(_, inner) => names(inner, see),
        ExprKind::Index(left, right) | ExprKind::Binary(_, _, left, right) => {
            names(left, see);
            names(right, see);
        }
        ExprKind::Chain(first, rest) => {
            names(first, see);
            rest.iter().for_each(|(_, _, it)| names(it, see));
        }
    }
}

/// As [`names`], of a path that is no expression, such as that of an output.
pub(super) fn path_names<'a>(path: &'a Path, read: Read, see: &mut dyn FnMut(&'a Ident, Read)) {
    see(&path.head, read);
    for (idx, _) in &path.tail {
        if let Some(idx) = idx {
            names(idx, see);
        }
    }
}

fn over_names<'a>(over: &'a Over, see: &mut dyn FnMut(&'a Ident, Read)) {
    match over {
        Over::Last | Over::First => {}
        Over::Dim(dim) => names(dim, see),
        Over::Dims(dims) => dims.iter().for_each(|it| names(it, see)),
    }
}

/// Tells `see` of every expression of a value, those of loops too, from the outside in.
pub(super) fn value_exprs<'a>(value: &'a Value, see: &mut dyn FnMut(&'a Expr)) {
    match value {
        Value::Expr(expr) => see(expr),
        Value::Fold(fold) => {
            fold.starts.iter().for_each(&mut *see);
            see(&fold.from);
            see(&fold.to);
            for it in &fold.body {
                value_exprs(&it.value, see);
            }
            fold.results.iter().for_each(see);
        }
    }
}

/// The expression without the parentheses around it.
pub(super) fn bare(mut expr: &Expr) -> &Expr {
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    expr
}
