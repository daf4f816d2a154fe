//! The shapes of values whose past is read before they are lowered.

use std::collections::BTreeMap;

use super::cell::lower_equation;
use super::hypers::Hypers;
use super::items::Items;
use super::layer::Element;
use super::lower::{Lower, Phase, Value};
use super::names::{Equation, Kind, Names, Right};
use super::order;
use crate::diag::{Code, Diagnostic};
use crate::ir::{self, NodeId, Shape, ValueKind};
use crate::text::Span;

/// The shapes of values whose past is read, found without their pasts: new states have their declared shapes, so only circles
/// among the values themselves are left, and those are reported.
pub(super) fn inferred(
    names: &Names<'_>,
    items: &Items<'_>,
    hypers: &Hypers<'_>,
    sink: &mut Vec<Diagnostic>,
) -> Inferred {
    let nothing = (BTreeMap::new(), vec![Vec::new(); names.layers.len()]);
    // The layers among the pasts of an equation whose sizes must be inferred first.
    let late = |equation: &Equation<'_>| -> Vec<usize> {
        let parts = equation.past_parts.iter().filter(|it| !is_early(names, it.0, &it.1));
        parts.map(|it| it.0).collect()
    };
    let asked: Vec<usize> = names
        .equations
        .iter()
        .flat_map(|it| {
            let pasts = it.pasts.iter().map(|it| it.0);
            let pasts = pasts.filter(|def| is_inferred(&names.defs[*def].kind));
            pasts.chain(late(it))
        })
        .filter_map(|def| names.defs[def].equation)
        .collect();
    if asked.is_empty() {
        return nothing;
    }
    let needs = |equation: &Equation<'_>| -> Vec<usize> {
        if let Kind::State { .. } = names.defs[equation.def].kind {
            return Vec::new();
        }
        let shapeless = |def: &usize| {
            let kind = &names.defs[*def].kind;
            is_inferred(kind) || matches!(kind, Kind::Computed)
        };
        let is_layer = |def: &usize| matches!(names.defs[*def].kind, Kind::Layer(_));
        let uses = equation.uses.iter().map(|it| it.0).filter(|it| shapeless(it) || is_layer(it));
        let pasts = equation.pasts.iter().map(|it| it.0).filter(shapeless);
        let all = uses.chain(pasts).chain(late(equation));
        all.filter_map(|def| names.defs[def].equation).collect()
    };
    let edges: Vec<Vec<usize>> = names.equations.iter().map(needs).collect();
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
    let mut lower = Lower::new(names, items, hypers, Phase::Shapes);
    for idx in sorted.order.into_iter().filter(|it| needed[*it]) {
        let equation = &names.equations[idx];
        lower_equation(&mut lower, names, equation);
        if let Right::Layer(..) = equation.value {
            continue;
        }
        for def in equation.targets() {
            let shape = |node: &NodeId| lower.graph.shape(*node).clone();
            let found = match &lower.values[def] {
                Some(Value::Node(node)) => (shape(node), None),
                Some(Value::Index(node, dim)) => (shape(node), Some(dim.clone())),
                Some(Value::Constant(..)) => (Shape::scalar(), None),
                Some(Value::Poison) | None => continue,
            };
            lower.inferred.insert(def, found);
        }
    }
    (lower.inferred, lower.elements)
}

/// The shapes and index dims of values whose past is read, and the sizes of layers.
type Inferred = (BTreeMap<usize, (Shape, Option<ir::Dim>)>, Vec<Vec<Element>>);

/// Whether the shape of a part of a layer is known without the shapes of the layer's arguments.
fn is_early(names: &Names<'_>, def: usize, part: &str) -> bool {
    let Kind::Layer(layer) = names.defs[def].kind else { return true };
    // What is not known is poisoned whenever it is read.
    let Some(ready) = &names.layers[layer].ready else { return true };
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

/// The report of values whose shapes rest on each other's past; `None` for a circle within the step, which is reported as such.
fn past_fault(names: &Names<'_>, cycle: &[usize]) -> Option<Diagnostic> {
    let pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
    let mut read = None;
    for (from, to) in pairs {
        let target = |it: &&(usize, Span)| names.defs[it.0].equation == Some(*to);
        let from = &names.equations[*from];
        if from.uses.iter().find(target).is_none() {
            read = read.or(from.pasts.iter().find(target));
        }
    }
    let (def, span) = read?;
    let name = &names.defs[*def].name;
    let message = format!("the shape of `{}` rests on its own past", name.name);
    let help = match names.defs[*def].kind {
        Kind::Layer(layer) => {
            let early = names.early(layer);
            let ready = names.layers[layer].ready.as_ref();
            let dims = ready.map(|it| it.inner.cell.dims.as_slice()).unwrap_or_default();
            let open = dims.iter().find(|it| !early.contains_key(&it.name));
            let open = open.map_or("..", |it| &*it.name);
            format!("give `{}` the size: `{open} = ..`", name.name)
        }
        Kind::Dim
        | Kind::Hyper(_)
        | Kind::Input { .. }
        | Kind::State { .. }
        | Kind::Param { .. }
        | Kind::Computed
        | Kind::Mask { .. }
        | Kind::Value(_)
        | Kind::Later => {
            format!("declare `state {0}: [..]` and write `{0} = ..` without `let`", name.name)
        }
    };
    let fault = Diagnostic::new(Code::ShapeFromOwnPast, *span, message)
        .label(name.span, "nothing else gives it a shape")
        .help(help);
    Some(fault)
}

/// Whether a kind of value is defined by an equation of its own, so that its past has a shape to be found.
fn is_inferred(kind: &Kind<'_>) -> bool {
    match kind {
        Kind::Value(kind) => match kind {
            ValueKind::Gate | ValueKind::Let | ValueKind::Output => true,
            ValueKind::Input | ValueKind::State => false,
        },
        Kind::Dim
        | Kind::Hyper(_)
        | Kind::Input { .. }
        | Kind::State { .. }
        | Kind::Param { .. }
        | Kind::Computed
        | Kind::Mask { .. }
        | Kind::Layer(_)
        | Kind::Later => false,
    }
}
