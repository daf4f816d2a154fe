//! The parts of a loop: how many there are of each, in which order its body is computed, and which of its names are read.

use std::collections::{BTreeMap, BTreeSet};

use super::expr::{Expr, Kind};
use super::id::LocalId;
use super::tree::{Equation, Fold, Inner, Local, Value};
use super::walk;
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast;
use crate::text::id::IdVec;
use crate::text::{Name, Span, order};

/// Returns a report when a right side has not as many values as names.
pub(super) fn parts_fault(value: &ast::Value, n_names: usize) -> Option<Diagnostic> {
    match value {
        ast::Value::Expr(_) if n_names == 1 => None,
        ast::Value::Expr(expr) => {
            let message = "only a `fold` has several values";
            let fault = Diagnostic::new(Code::WrongPlace, expr.span, message);
            Some(fault.help("write one `let` for each name"))
        }
        ast::Value::Fold(fold) => count_fault(fold, n_names),
    }
}

/// Returns a report when a loop has not as many accumulators as starts, results and names that it defines.
fn count_fault(fold: &ast::Fold, n_names: usize) -> Option<Diagnostic> {
    let count = fold.accumulators.len();
    let names = |count: usize| if count == 1 { "1 name".into() } else { format!("{count} names") };
    let all = |list: &[ast::Expr]| match list {
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
        fault.label(accumulators, "carried from iteration to iteration")
    };
    Some(fault.help(
        "each value of a loop has a name, a start and a result: \
         `let (u, v) = fold (u, v) from (a, b) for k in 0 .. 3 { yield (v, u) }`",
    ))
}

/// Tells `note` of every local that a value reads, with its place.
fn reads(value: &Value<'_>, note: &mut dyn FnMut(LocalId, Span)) {
    walk::value(value, &mut |it| {
        if let Kind::Local(local) = it.kind {
            note(local, it.span());
        }
    });
}

/// Returns the order in which the values of a body are computed, and the cycles among them.
pub(super) fn sort(body: &[Inner<'_>]) -> order::Sorted {
    let mut position: BTreeMap<LocalId, usize> = BTreeMap::new();
    for (idx, it) in body.iter().enumerate() {
        position.extend(it.names.iter().map(|name| (*name, idx)));
    }
    let mut edges = Vec::with_capacity(body.len());
    for it in body {
        let mut needs = Vec::new();
        reads(&it.value, &mut |it, _| needs.extend(position.get(&it)));
        edges.push(needs);
    }
    order::sort(&edges)
}

/// Returns the report of values of a body that rest on each other.
pub(super) fn cycle_fault(
    body: &[Inner<'_>],
    locals: &IdVec<LocalId, Local<'_>>,
    cycle: &[usize],
) -> Diagnostic {
    // Of a definition with several names the one that the cycle goes through.
    let read: Vec<(LocalId, Span)> = (0..cycle.len())
        .map(|idx| {
            let reader = cycle[idx.checked_sub(1).unwrap_or(cycle.len() - 1)];
            let of = &body[cycle[idx]].names;
            let mut found = (of[0], locals[of[0]].name.span);
            reads(&body[reader].value, &mut |local, span| {
                if of.contains(&local) {
                    found = (local, span);
                }
            });
            found
        })
        .collect();
    let names: Vec<&str> = read.iter().map(|it| &*locals[it.0].name.name).collect();
    let (name, text) = (names[0], order::circle(&names));
    let message = format!("`{name}` depends on itself within one iteration of the loop: {text}");
    Diagnostic::new(Code::Cycle, read[0].1, message).help(
        "what goes on from iteration to iteration is an accumulator: `fold (s, n) from (a, b) for .. { yield (.., ..) }`",
    )
}

/// Returns the names that the bodies of more than one loop define.
pub(super) fn repeated<'e, 'a: 'e>(
    equations: impl Iterator<Item = &'e Equation<'a>>,
    locals: &IdVec<LocalId, Local<'a>>,
) -> BTreeSet<Name> {
    fn count<'a>(
        fold: &Fold<'a>,
        defines: &[LocalId],
        locals: &IdVec<LocalId, Local<'a>>,
        counts: &mut BTreeMap<Name, usize>,
    ) {
        let name = |it: &LocalId| &locals[*it].name.name;
        // An accumulator that bears the name of what its loop defines is counted as that.
        let own = |it: &&LocalId| defines.iter().all(|own| name(own) != name(it));
        let accumulators = fold.accumulators.iter().filter(own);
        for it in accumulators.chain(fold.body.iter().flat_map(|it| &it.names)) {
            *counts.entry(name(it).clone()).or_default() += 1;
        }
        for it in &fold.body {
            if let Value::Fold(inner) = &it.value {
                count(inner, &it.names, locals, counts);
            }
        }
    }
    let mut counts = BTreeMap::new();
    for equation in equations {
        if let Value::Fold(fold) = &equation.value {
            count(fold, &[], locals, &mut counts);
        }
    }
    counts.into_iter().filter(|it| it.1 > 1).map(|it| it.0).collect()
}

impl Fold<'_> {
    /// Returns whether the loop variable is read within a place of the loop.
    pub fn reads_variable(&self, within: Span) -> bool {
        let mut found = false;
        let mut note = |it: &Expr<'_>| {
            let span = it.span();
            found |= matches!(it.kind, Kind::Local(local) if local == self.variable)
                && within.start <= span.start
                && span.end <= within.end;
        };
        self.body.iter().for_each(|it| walk::value(&it.value, &mut note));
        self.results.iter().for_each(|it| walk::expr(it, &mut note));
        found
    }
}
