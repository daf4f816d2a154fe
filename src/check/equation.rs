//! One equation: its right side becomes nodes, which get the names that it defines.

use super::declared::Declared;
use super::lower::{Lower, Scope, Value, choice};
use super::show;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::{self, DefId, DefKind, EquationId, Expr, Kind, Past, Right};
use crate::ir::Shape;
use crate::syntax::ast::BinaryOp;
use crate::text::Span;

/// Lowers the right side of an equation and keeps its value under its name.
pub(super) fn lower(lower: &mut Lower<'_, '_>, names: &Declared<'_>, id: EquationId) {
    let targets = &names.cell.equations[id].targets;
    match names.cell.right(id) {
        Right::Expr(expr) => {
            let value = match choice(expr) {
                Some((choice, call)) => lower.choose(choice, expr.bare(), call, targets[0]),
                None => lower.expr(expr, &Scope::CELL),
            };
            if let Some(value) = value {
                keep(lower, names, expr, targets[0], value);
            }
        }
        Right::Fold(fold) => {
            let values = lower.equation_fold(fold, id);
            lower.is_wrong |= values.is_none();
            let values = values.into_iter().flatten();
            for ((def, result), value) in targets.iter().zip(&fold.results).zip(values) {
                keep(lower, names, result, *def, value);
            }
        }
        Right::Layer(layer) => lower.layer(layer),
        Right::Error => lower.is_wrong = true,
    }
}

/// Keeps the value of an expression under the name that an equation defines.
fn keep(
    lower: &mut Lower<'_, '_>,
    names: &Declared<'_>,
    expr: &Expr<'_>,
    target: DefId,
    value: Value,
) {
    let def = names.def(target);
    let name = &def.name.name;
    let span = expr.span();
    let value = match (def.kind, value) {
        (DefKind::Computed, value) => {
            let Some(shape) = names.shape(target) else { return };
            if let (Value::Constant(..), 0) = (&value, shape.rank()) {
                lower.set_value(target, value);
                return;
            }
            let what = format!("the const `{name}`");
            match lower.declared(&value, shape, &what, expr, def.name.span) {
                Some(node) => Value::Node(node),
                None => return,
            }
        }
        (DefKind::State | DefKind::Feedback, value) if names.below(target).is_none() => {
            let found = lower.number_shape(&value, expr);
            let (Some(shape), Some(found)) = (names.shape(target), found) else { return };
            if found != *shape {
                let fault = state_shape(names, expr, name, &found, shape)
                    .label(def.name.span, format!("declared `{shape}` here"));
                lower.sink.push(fault);
                return;
            }
            Value::Node(lower.node(&value, span))
        }
        (DefKind::Feedback, value) => match index_of_feedback(names, expr, target, value) {
            Ok(value) => value,
            Err(fault) => {
                lower.sink.push(*fault);
                return;
            }
        },
        (_, value @ Value::Index(..)) => value,
        (_, value) => Value::Node(lower.node(&value, span)),
    };
    let chosen = matches!(value, Value::Index(..)) && choice(expr).is_some();
    if let (Value::Node(node), _) | (Value::Index(node, _), true) = (&value, chosen) {
        lower.graph.set_name(*node, name.clone());
    }
    lower.set_value(target, value);
}

/// Checks an index that is fed back: a choice below the dim that it is declared with.
fn index_of_feedback(
    names: &Declared<'_>,
    expr: &Expr<'_>,
    target: DefId,
    value: Value,
) -> Result<Value, Box<Diagnostic>> {
    let (def, span) = (names.def(target), expr.span());
    let (name, declared) = (&def.name.name, names.below(target));
    let fault = match (&value, declared) {
        (Value::Index(_, below), Some(declared)) if choice(expr).is_some() && below == declared => {
            return Ok(value);
        }
        (Value::Index(_, below), Some(declared)) if choice(expr).is_some() => {
            let message = format!("`{name}` is below `{declared}`, this chooses among `{below}`");
            Diagnostic::new(Code::BadFeedback, span, message)
        }
        (_, _) => {
            let message = format!("`{name}` is an index, which is chosen: by `sample` or `argmax`");
            Diagnostic::new(Code::BadFeedback, span, message)
                .help(format!("write `{name} = sample(logits)` or `{name} = argmax(logits)`"))
        }
    };
    Err(Box::new(fault.label(def.name.span, "declared here")))
}

/// Returns the first `W * x` of a matrix and a vector that `W @ x` would multiply: the place of the sign, and both operands.
fn product_meant(names: &Declared<'_>, value: &Expr<'_>) -> Option<(Span, String, String)> {
    let shape = |expr: &Expr<'_>| {
        let def = match &expr.kind {
            Kind::Def(def) | Kind::Prev(Past::Def(def), None) => *def,
            _ => return None,
        };
        Some((names.shape(def)?.clone(), crate::syntax::print_expr(expr.ast)))
    };
    let mut found = None;
    hir::walk::expr(value, &mut |it| {
        let Kind::Chain(first, rest) = &it.kind else { return };
        // In a longer chain `@` would need parentheses.
        let [(BinaryOp::Mul, star, second)] = rest.as_slice() else { return };
        if let (None, Some((matrix, left)), Some((vector, right))) =
            (&found, shape(first), shape(second))
            && matrix.rank() == 2
            && vector.rank() == 1
            && matrix.axes().last() == vector.axes().last()
        {
            found = Some((*star, left, right));
        }
    });
    found
}

fn state_shape(
    names: &Declared<'_>,
    value: &Expr<'_>,
    name: &str,
    found: &Shape,
    declared: &Shape,
) -> Diagnostic {
    let span = value.span();
    let message = format!("the new value of `{name}` has shape `{found}`, declared `{declared}`");
    let fault = Diagnostic::new(Code::StateShape, span, message);
    if found.rank() > 0 {
        return match product_meant(names, value) {
            Some((star, left, right)) => fault
                .label(star, "repeats the vector along the rows")
                .help(format!("for the matrix product write `{left} @ {right}`"))
                .fix(Applicability::Maybe, star, "@"),
            None => fault.help("change the declaration or the equation"),
        };
    }
    match show::Shown::from(value.ast).full() {
        Some(text) => {
            // A plain zero is already there.
            let text = match &*text {
                "0" => format!("zeros({declared})"),
                _ => format!("zeros({declared}) + {text}"),
            };
            fault.help(format!("write `{text}`")).fix(Applicability::Maybe, span, text)
        }
        None => fault.help(format!("add `zeros({declared})`")),
    }
}
