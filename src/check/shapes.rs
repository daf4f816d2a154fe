//! The shapes of values whose past is read before they are lowered.

use std::collections::BTreeMap;

use super::consts::Hypers;
use super::declared::Declared;
use super::equation;
use super::layer::Element;
use super::lower::{Lower, Phase, Value};
use crate::diag::{Code, Diagnostic};
use crate::hir::{DefId, DefKind, Equation, EquationId, Right};
use crate::ir::{self, NodeId, Shape};
use crate::text::id::Id;
use crate::text::{Span, order};

/// Returns the shapes of values whose past is read, found without their pasts: new states have their declared shapes, so only
/// cycles among the values themselves are left, and those are reported.
pub(super) fn inferred(
    names: &Declared<'_>,
    hypers: &Hypers,
    sink: &mut Vec<Diagnostic>,
) -> Inferred {
    let nothing = (BTreeMap::new(), vec![Vec::new(); names.layers.len()]);
    // The layers among the pasts of an equation whose sizes must be inferred first.
    let late = |equation: &Equation<'_>| -> Vec<DefId> {
        let parts = equation.past_parts.iter().filter(|it| !is_early(names, it.0, &it.1));
        parts.map(|it| it.0).collect()
    };
    let asked: Vec<usize> = names
        .cell
        .equations
        .iter()
        .flat_map(|it| {
            let pasts = it.pasts.iter().map(|it| it.0);
            let pasts = pasts.filter(|def| is_inferred(names.kind(*def)));
            pasts.chain(late(it))
        })
        .filter_map(|def| names.def(def).equation)
        .map(Id::idx)
        .collect();
    if asked.is_empty() {
        return nothing;
    }
    let needs = |equation: &Equation<'_>| -> Vec<usize> {
        if names.kind(equation.targets[0]).is_carried() {
            return Vec::new();
        }
        let shapeless = |def: &DefId| {
            let kind = names.kind(*def);
            is_inferred(kind) || kind == DefKind::Computed
        };
        let is_layer = |def: &DefId| matches!(names.kind(*def), DefKind::Layer(_));
        let uses = equation.uses.iter().map(|it| it.0).filter(|it| shapeless(it) || is_layer(it));
        let pasts = equation.pasts.iter().map(|it| it.0).filter(shapeless);
        let all = uses.chain(pasts).chain(late(equation));
        all.filter_map(|def| names.def(def).equation).map(Id::idx).collect()
    };
    let edges: Vec<Vec<usize>> = names.cell.equations.iter().map(needs).collect();
    let sorted = order::sort(&edges);
    for cycle in &sorted.cycles {
        let Some(fault) = past_fault(names, cycle) else { continue };
        sink.push(fault);
    }
    let mut needed = vec![false; edges.len()];
    let mut open = asked;
    while let Some(equation) = open.pop() {
        if !std::mem::replace(&mut needed[equation], true) {
            open.extend(&edges[equation]);
        }
    }
    let mut lower = Lower::new(names, hypers, Phase::Shapes);
    for idx in sorted.order.into_iter().filter(|it| needed[*it]) {
        let id = EquationId::new(idx);
        equation::lower(&mut lower, names, id);
        if let Right::Layer(_) = names.cell.right(id) {
            continue;
        }
        for def in &names.cell.equations[id].targets {
            let shape = |node: &NodeId| lower.graph.shape(*node).clone();
            let found = match lower.value(*def) {
                Some(Value::Node(node)) => (shape(node), None),
                Some(Value::Index(node, dim)) => (shape(node), Some(dim.clone())),
                Some(Value::Constant(..)) => (Shape::scalar(), None),
                None => continue,
            };
            lower.inferred.insert(*def, found);
        }
    }
    (lower.inferred, lower.elements)
}

/// The shapes and index dims of values whose past is read, and the sizes of layers.
type Inferred = (BTreeMap<DefId, (Shape, Option<ir::Dim>)>, Vec<Vec<Element>>);

/// Returns true if the shape of a part of a layer is known without the shapes of the layer's arguments.
fn is_early(names: &Declared<'_>, def: DefId, part: &str) -> bool {
    let DefKind::Layer(layer) = names.kind(def) else { return true };
    // What is not known has no value whenever it is read.
    let Some(ready) = names.ready(layer) else { return true };
    let early = names.early(layer);
    let known = |piece: usize| {
        let piece = &ready.inner.pieces[piece];
        let mut dims = piece.shape.axes().iter().chain(&piece.index);
        dims.all(|it| it.names().iter().all(|name| early.contains_key(name)))
    };
    match ready.inner.by_name.get(part) {
        _ if part.is_empty() => known(ready.inner.main),
        // Each layer of a stack within has sizes of its own.
        Some(piece) if !ready.inner.pieces[*piece].name.contains('[') => known(*piece),
        Some(_) => (0..ready.inner.pieces.len()).all(known),
        None => true,
    }
}

/// Returns the report of values whose shapes rest on each other's past; `None` for a cycle within the step, which is reported as
/// such.
fn past_fault(names: &Declared<'_>, cycle: &[usize]) -> Option<Diagnostic> {
    let pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
    let mut read = None;
    for (from, to) in pairs {
        let to = Some(EquationId::new(*to));
        let target = |it: &&(DefId, Span)| names.def(it.0).equation == to;
        let from = &names.cell.equations[EquationId::new(*from)];
        if from.uses.iter().find(target).is_none() {
            read = read.or(from.pasts.iter().find(target));
        }
    }
    let (def, span) = read?;
    let name = names.def(*def).name;
    let message = format!("the shape of `{}` rests on its own past", name.name);
    let help = if let DefKind::Layer(layer) = names.kind(*def) {
        let early = names.early(layer);
        let dims = names.ready(layer).map(|it| it.inner.cell.dims.as_slice()).unwrap_or_default();
        let open = dims.iter().find(|it| !early.contains_key(&it.name));
        let open = open.map_or("..", |it| &*it.name);
        format!("give `{}` the size: `{open} = ..`", name.name)
    } else {
        format!("declare `state {0}: [..]` and write `{0} = ..` without `let`", name.name)
    };
    let fault = Diagnostic::new(Code::ShapeFromOwnPast, *span, message)
        .label(name.span, "nothing else gives it a shape")
        .help(help);
    Some(fault)
}

/// Returns true if a kind of value is defined by an equation of its own, so that its past has a shape to be inferred.
fn is_inferred(kind: DefKind) -> bool {
    matches!(kind, DefKind::Value(_))
}
