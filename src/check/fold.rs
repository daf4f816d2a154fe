//! The parts of a loop: how many there are of each, in which order its body is worked out, and which names stand in it.

use std::collections::{BTreeMap, BTreeSet};

use super::items;
use super::names::{Equation, Right};
use super::order::{self, Sorted};
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::{Definition, Expr, ExprKind, Fold, Ident, Value};
use crate::text::{Name, Span};

/// More turns than any cell has layers or rounds; a loop over time is what states are for.
pub(super) const MOST_TURNS: i64 = 10_000;

/// A report when a right side has not as many values as names.
pub(super) fn parts_fault(value: &Value, n_names: usize) -> Option<Diagnostic> {
    match value {
        Value::Expr(_) if n_names == 1 => None,
        Value::Expr(expr) => {
            let message = "only a `fold` has several values";
            let fault = Diagnostic::new(Code::WrongPlace, expr.span, message);
            Some(fault.help("write one `let` for each name"))
        }
        Value::Fold(fold) => count_fault(fold, n_names),
    }
}

/// A report when a loop has not as many accumulators as starts, results and names that it defines.
fn count_fault(fold: &Fold, n_names: usize) -> Option<Diagnostic> {
    let count = fold.accumulators.len();
    let names = |count: usize| if count == 1 { "1 name".into() } else { format!("{count} names") };
    let all = |list: &[Expr]| match list {
        [first, .., last] => first.span.to(last.span),
        [only] => only.span,
        [] => fold.span,
    };
    let values = if count == 1 { "one value".into() } else { format!("{count} values") };
    let accumulators = match fold.accumulators.as_slice() {
        [first, .., last] => first.span.to(last.span),
        [only] => only.span,
        [] => fold.span,
    };
    let (span, message) = if fold.starts.len() != count {
        let given = fold.starts.len();
        (all(&fold.starts), format!("the loop has {values}, but {given} after `from`"))
    } else if fold.results.len() != count {
        let given = fold.results.len();
        (all(&fold.results), format!("the loop has {values}, but yields {given}"))
    } else if n_names != count {
        (accumulators, format!("the loop has {values} for {}", names(n_names)))
    } else {
        return None;
    };
    let fault = Diagnostic::new(Code::LoopParts, span, message);
    let fault = if span == accumulators {
        fault
    } else {
        fault.label(accumulators, "carried from turn to turn")
    };
    Some(fault.help(
        "each value of a loop has a name, a start and a result: \
         `let (u, v) = fold (u, v) from (a, b) for k in 0 .. 3 { yield (v, u) }`",
    ))
}

/// The names of this step that a value reads, with their places; what a loop inside defines itself is left out.
fn reads<'a>(value: &'a Value, note: &mut dyn FnMut(&'a Ident)) {
    match value {
        Value::Expr(expr) => names(expr, note),
        Value::Fold(fold) => {
            [&fold.from, &fold.to].into_iter().chain(&fold.starts).for_each(|it| names(it, note));
            let inner: BTreeSet<&str> = bound(fold).map(|it| &*it.name).collect();
            let mut outer = |it: &'a Ident| {
                if !inner.contains(&*it.name) {
                    note(it);
                }
            };
            fold.body.iter().for_each(|it| reads(&it.value, &mut outer));
            fold.results.iter().for_each(|it| names(it, &mut outer));
        }
    }
}

fn names<'a>(expr: &'a Expr, note: &mut dyn FnMut(&'a Ident)) {
    items::walk(expr, &mut |it| match &it.kind {
        ExprKind::Path(path) => note(&path.head),
        ExprKind::Number(_)
        | ExprKind::Inf
        | ExprKind::Pi
        | ExprKind::Prev(..)
        | ExprKind::Call(..)
        | ExprKind::Array(_)
        | ExprKind::Paren(_)
        | ExprKind::Neg(..)
        | ExprKind::Index(..)
        | ExprKind::Chain(..)
        | ExprKind::Binary(..) => {}
    });
}

/// The names that a loop binds: accumulators, the variable, what its body defines.
pub(super) fn bound(fold: &Fold) -> impl Iterator<Item = &Ident> {
    let body = fold.body.iter().flat_map(|it| &it.names);
    fold.accumulators.iter().chain([&fold.variable]).chain(body)
}

/// The order in which the values of a body are worked out, and the circles among them.
pub(super) fn sort(fold: &Fold) -> Sorted {
    let mut position: BTreeMap<&str, usize> = BTreeMap::new();
    for (idx, it) in fold.body.iter().enumerate() {
        position.extend(it.names.iter().map(|name| (&*name.name, idx)));
    }
    let mut edges = Vec::with_capacity(fold.body.len());
    for it in &fold.body {
        let mut needs = Vec::new();
        reads(&it.value, &mut |it| needs.extend(position.get(&*it.name)));
        edges.push(needs);
    }
    order::sort(&edges)
}

/// The report of values of a body that rest on each other.
pub(super) fn cycle_fault(fold: &Fold, cycle: &[usize]) -> Diagnostic {
    // Of a definition with several names the one that the circle goes through.
    let read: Vec<&Ident> = (0..cycle.len())
        .map(|idx| {
            let reader = cycle[idx.checked_sub(1).unwrap_or(cycle.len() - 1)];
            read_of(&fold.body[reader].value, &fold.body[cycle[idx]])
        })
        .collect();
    let names: Vec<&str> = read.iter().map(|it| &*it.name).collect();
    let (name, text) = (names[0], order::circle(&names));
    let message = format!("`{name}` depends on itself within one turn of the loop: {text}");
    Diagnostic::new(Code::Cycle, read[0].span, message).help(
        "what goes on from turn to turn is an accumulator: `fold (s, n) from (a, b) for .. { yield (.., ..) }`",
    )
}

/// Where a value reads a name of this definition.
fn read_of<'a>(value: &'a Value, of: &'a Definition) -> &'a Ident {
    let mut found = &of.names[0];
    reads(value, &mut |it| {
        if of.names.iter().any(|own| own.name == it.name) {
            found = it;
        }
    });
    found
}

/// The names that the bodies of more than one loop define.
pub(super) fn repeated(equations: &[Equation<'_>]) -> BTreeSet<Name> {
    fn count(fold: &Fold, defines: &[Ident], counts: &mut BTreeMap<Name, usize>) {
        // An accumulator that bears the name of what its loop defines is counted as that.
        let accumulators =
            fold.accumulators.iter().filter(|it| defines.iter().all(|own| own.name != it.name));
        for name in accumulators.chain(fold.body.iter().flat_map(|it| &it.names)) {
            *counts.entry(name.name.clone()).or_default() += 1;
        }
        for it in &fold.body {
            if let Value::Fold(inner) = &it.value {
                count(inner, &it.names, counts);
            }
        }
    }
    let mut counts = BTreeMap::new();
    for equation in equations {
        if let Right::Fold(fold) = equation.value {
            count(fold, &[], &mut counts);
        }
    }
    counts.into_iter().filter(|it| it.1 > 1).map(|it| it.0).collect()
}

/// Whether the loop variable is read within a place of the loop.
pub(super) fn reads_variable(fold: &Fold, within: Span) -> bool {
    let mut found = false;
    let mut note = |it: &Ident| {
        found |= it.name == fold.variable.name
            && within.start <= it.span.start
            && it.span.end <= within.end;
    };
    fold.body.iter().for_each(|it| reads(&it.value, &mut note));
    fold.results.iter().for_each(|it| names(it, &mut note));
    found
}
