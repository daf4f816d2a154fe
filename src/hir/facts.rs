//! Facts that follow from the tree alone: which values differ from step to step, and which are one scalar.

use std::collections::{BTreeMap, BTreeSet};

use super::builtin::Builtin;
use super::expr::{Callee, Expr, Kind, Part, Past};
use super::id::{DefId, EquationId, LocalId};
use super::kind::{DefKind, ValueKind};
use super::tree::{Cell, Type, Value};
use super::walk;
use crate::syntax::ast::{BinaryOp, Scope};

/// Returns the names of a cell whose values differ from step to step: inputs and masks that are given or drawn as often as
/// `counts` says, what is carried, layers, outputs, and what is computed of these, of a past, of the step number, or of a value
/// of a layer that is not the same in all steps.
pub fn steps(
    cell: &Cell<'_>,
    counts: fn(Scope) -> bool,
    is_fixed: &dyn Fn(&Part<'_>) -> bool,
) -> BTreeSet<DefId> {
    let begins = |def: DefId, kind: DefKind| match kind {
        DefKind::Input | DefKind::Mask => {
            let per = cell.group(def).and_then(|it| it.ast.per);
            per.is_none_or(|it| counts(it.0))
        }
        DefKind::State
        | DefKind::Target
        | DefKind::Feedback
        | DefKind::Layer(_)
        | DefKind::Value(ValueKind::Output) => true,
        DefKind::Dim(_)
        | DefKind::Hyper(_)
        | DefKind::Param { .. }
        | DefKind::Computed
        | DefKind::Value(ValueKind::Gate | ValueKind::Let)
        | DefKind::Error => false,
    };
    let mut open: Vec<DefId> =
        cell.defs.pairs().filter(|it| begins(it.0, it.1.kind)).map(|it| it.0).collect();
    // Equations have any order, so each name lists its readers.
    let mut readers: BTreeMap<DefId, Vec<EquationId>> = BTreeMap::new();
    for (id, equation) in cell.equations.pairs() {
        if !equation.targets.iter().all(|it| matches!(cell.defs[*it].kind, DefKind::Value(_))) {
            continue;
        }
        let mut changes = false;
        walk::value(&equation.value, &mut |it| match &it.kind {
            Kind::Def(def) => readers.entry(*def).or_default().push(id),
            Kind::Part(part) => changes |= !is_fixed(part),
            Kind::Prev(..) => changes = true,
            Kind::Call(call) => changes |= call.is_time(),
            _ => {}
        });
        if changes {
            open.extend(&equation.targets);
        }
    }
    let mut steps = BTreeSet::new();
    while let Some(def) = open.pop() {
        if steps.insert(def) {
            let readers = readers.get(&def).into_iter().flatten();
            open.extend(readers.flat_map(|it| &cell.equations[*it].targets));
        }
    }
    steps
}

/// Returns the names of a cell that are one number: dims, hypers, what is declared without axes, and what is computed of these
/// alone.
pub fn scalars(cell: &Cell<'_>) -> BTreeSet<DefId> {
    let set = cell.defs_of(|it| matches!(it, DefKind::Dim(_) | DefKind::Hyper(_)));
    let mut scalars: BTreeSet<DefId> = set.map(|it| it.0).collect();
    for group in &cell.groups {
        if matches!(&group.type_, Type::Real(axes) if axes.is_empty()) {
            scalars.extend(&group.defs);
        }
    }
    // Equations have any order.
    loop {
        let before = scalars.len();
        for equation in &cell.equations {
            if let (Value::Expr(value), [target]) = (&equation.value, &equation.targets[..])
                && let DefKind::Value(ValueKind::Gate | ValueKind::Let) = cell.defs[*target].kind
                && is_scalar(value, &scalars, &|_| false)
            {
                scalars.insert(*target);
            }
        }
        if scalars.len() == before {
            return scalars;
        }
    }
}

/// Returns whether a value is one number, as far as the text tells: of a function, where all that it is given is.
pub fn is_scalar(
    expr: &Expr<'_>,
    scalars: &BTreeSet<DefId>,
    local: &dyn Fn(LocalId) -> bool,
) -> bool {
    let all = |it: &Expr<'_>| is_scalar(it, scalars, local);
    match &expr.kind {
        Kind::Number(_) | Kind::Inf | Kind::Pi => true,
        Kind::Def(def) | Kind::Prev(Past::Def(def), _) => scalars.contains(def),
        Kind::Local(it) => local(*it),
        Kind::Paren(inner) | Kind::Neg(inner) => all(inner),
        Kind::Chain(first, rest) => all(first) && rest.iter().all(|it| all(&it.2)),
        Kind::Binary(op, _, left, right) => *op != BinaryOp::MatMul && all(left) && all(right),
        Kind::Call(call) => {
            let given = || call.given().all(all);
            match call.callee {
                Callee::Builtin(it) => match it.what {
                    // Without an axis these go over the only one.
                    Builtin::Along(along) if along.reduces() => call.over.is_none(),
                    Builtin::Zeros
                    | Builtin::Ones
                    | Builtin::Iota
                    | Builtin::Eye
                    | Builtin::Stack
                    | Builtin::Concat => false,
                    _ => given(),
                },
                Callee::Function(_) | Callee::Hyper(_) | Callee::Draw(_) | Callee::Form => given(),
            }
        }
        Kind::Prev(Past::Part(_), _)
        | Kind::Part(_)
        | Kind::Activation(_)
        | Kind::Array(_)
        | Kind::Index(..)
        | Kind::Error(_) => false,
    }
}
