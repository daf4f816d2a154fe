//! Going through resolved expressions. Recursion is as deep as the source is nested, which the parser bounds.

use super::expr::{Expr, Kind, Part, Past};
use super::tree::{Cell, Function, Type, Value};
use super::tree::{DimKind, Output};

/// Tells `visit` of an expression and all in it, from the outside in.
pub fn expr<'e, 'a>(expr: &'e Expr<'a>, visit: &mut dyn FnMut(&'e Expr<'a>)) {
    visit(expr);
    children(expr, &mut |it| self::expr(it, visit));
}

/// Tells `visit` of what an expression is made of.
pub fn children<'e, 'a>(expr: &'e Expr<'a>, visit: &mut dyn FnMut(&'e Expr<'a>)) {
    match &expr.kind {
        Kind::Number(_) | Kind::Inf | Kind::Pi | Kind::Def(_) | Kind::Local(_) => {}
        Kind::Part(it) => part(it, visit),
        Kind::Prev(past, steps) => {
            match past {
                Past::Def(_) => {}
                Past::Part(it) => part(it, visit),
            }
            steps.iter().for_each(|it| visit(it));
        }
        Kind::Call(call) => {
            call.given().for_each(&mut *visit);
            call.over.iter().flat_map(|it| it.0.dims()).for_each(visit);
        }
        Kind::Activation(it) => it.args.iter().flatten().for_each(visit),
        Kind::Array(items) | Kind::Error(items) => items.iter().for_each(visit),
        Kind::Paren(inner) | Kind::Neg(inner) => visit(inner),
        Kind::Index(left, right) | Kind::Binary(_, _, left, right) => {
            visit(left);
            visit(right);
        }
        Kind::Chain(first, rest) => {
            visit(first);
            rest.iter().for_each(|it| visit(&it.2));
        }
    }
}

fn part<'e, 'a>(part: &'e Part<'a>, visit: &mut dyn FnMut(&'e Expr<'a>)) {
    part.indices.iter().flatten().for_each(&mut *visit);
    part.last.iter().for_each(|it| visit(it));
}

/// Tells `visit` of every expression of a right side, loops included, from the outside in; what names of a group share
/// belongs to the group.
pub fn value<'e, 'a>(value: &'e Value<'a>, visit: &mut dyn FnMut(&'e Expr<'a>)) {
    match value {
        Value::Expr(it) => expr(it, visit),
        Value::Fold(fold) => {
            fold.starts.iter().for_each(|it| expr(it, visit));
            expr(&fold.from, visit);
            expr(&fold.to, visit);
            fold.body.iter().for_each(|it| self::value(&it.value, visit));
            fold.results.iter().for_each(|it| expr(it, visit));
        }
        Value::Layer(_) | Value::OfGroup(_) => {}
        Value::Error(items) => items.iter().for_each(|it| expr(it, visit)),
    }
}

/// Tells `visit` of every expression of a cell.
pub fn cell<'e, 'a>(cell: &'e Cell<'a>, visit: &mut dyn FnMut(&'e Expr<'a>)) {
    for dim in &cell.dims {
        if let DimKind::Equals(it) = &dim.kind {
            expr(it, visit);
        }
    }
    cell.hypers.iter().for_each(|it| expr(&it.value, visit));
    for group in &cell.groups {
        match &group.type_ {
            Type::Real(axes) => axes.iter().for_each(|it| expr(it, visit)),
            Type::Index(below) => expr(below, visit),
        }
        group.value.iter().chain(&group.init).for_each(|it| expr(it, visit));
    }
    cell.equations.iter().for_each(|it| value(&it.value, visit));
    for layer in &cell.layers {
        layer.count.iter().for_each(|it| expr(it, visit));
        layer.args.iter().for_each(|it| expr(&it.value, visit));
    }
    for output in &cell.outputs {
        if let Output::Part(it) = output {
            part(it, &mut |it| expr(it, visit));
        }
    }
    cell.losses.iter().for_each(|it| expr(&it.value, visit));
    cell.layouts.iter().flat_map(|it| &it.rows).for_each(|it| expr(it, visit));
}

/// Tells `visit` of every expression of a function.
pub fn function<'e, 'a>(function: &'e Function<'a>, visit: &mut dyn FnMut(&'e Expr<'a>)) {
    expr(&function.body, visit);
    function.derivative.iter().for_each(|it| expr(it, visit));
    function.defaults.iter().flatten().for_each(|it| expr(it, visit));
}
