//! Layers that read `backward` are in no cycle through `prev`: what they read is known for all steps before they begin.

use super::declared::Declared;
use crate::diag::{Code, Diagnostic};
use crate::hir::{DefKind, Equation, EquationId};
use crate::ir::components::Components;
use crate::text::id::Id;

/// Reports each cycle of equations, through old values too, that passes such a layer.
pub(super) fn check(names: &Declared<'_>, sink: &mut Vec<Diagnostic>) {
    let equations = &names.cell.equations;
    if !equations.ids().any(|it| reads_backward(names, it.idx())) {
        return;
    }
    let reads = |it: &Equation<'_>| -> Vec<usize> {
        let all = it.uses.iter().chain(&it.pasts);
        all.filter_map(|it| names.def(it.0).equation).map(Id::idx).collect()
    };
    let edges: Vec<Vec<usize>> = equations.iter().map(reads).collect();
    let mut found = Components::new(edges.len());
    for from in 0..edges.len() {
        found.visit(from, &|vertex, at| edges[vertex].get(at).copied(), &mut |component| {
            let layer = component.iter().copied().filter(|it| reads_backward(names, *it)).min();
            if let (Some(layer), 2..) = (layer, component.len()) {
                sink.extend(fault(names, &edges, layer));
            }
        });
    }
}

fn reads_backward(names: &Declared<'_>, equation: usize) -> bool {
    let target = names.cell.equations[EquationId::new(equation)].targets[0];
    match names.kind(target) {
        DefKind::Layer(layer) => !names.cell.layers[layer].order().is_ascending(),
        _ => false,
    }
}

/// Returns the shortest way from a layer through what it reads back to it.
fn cycle(edges: &[Vec<usize>], layer: usize) -> Vec<usize> {
    let mut reader = vec![None; edges.len()];
    let mut open = vec![layer];
    let mut at = 0;
    while let Some(&from) = open.get(at) {
        for &to in &edges[from] {
            if reader[to].is_none() {
                reader[to] = Some(from);
                open.push(to);
            }
        }
        at += 1;
    }
    let mut cycle = Vec::new();
    let mut at = layer;
    while let Some(from) = reader[at] {
        cycle.push(from);
        at = from;
        if at == layer {
            break;
        }
    }
    cycle.reverse();
    cycle
}

fn fault(names: &Declared<'_>, edges: &[Vec<usize>], layer: usize) -> Option<Diagnostic> {
    let cycle = cycle(edges, layer);
    let equation = |at: usize| &names.cell.equations[EquationId::new(at)];
    let name = |at: usize| names.def(equation(at).targets[0]).name;
    // What is read, as it is written, and where.
    let read = |from: usize, to: usize| {
        let is_it = |of: &crate::hir::DefId| names.def(*of).equation == Some(EquationId::new(to));
        let now = equation(from).uses.iter().find(|it| is_it(&it.0));
        let old = equation(from).pasts.iter().find(|it| is_it(&it.0));
        let prev = if now.is_none() { "prev " } else { "" };
        let span = now.or(old).map_or(name(from).span, |it| it.1);
        (format!("{prev}{}", name(to).name), span)
    };
    let next = |at: usize| cycle[(at + 1) % cycle.len()];
    let steps: Vec<_> = (0..cycle.len()).map(|at| (cycle[at], read(cycle[at], next(at)))).collect();
    // A cycle within a step is reported as such.
    if !steps.iter().any(|it| it.1.0.starts_with("prev ")) {
        return None;
    }
    let own = &name(layer).name;
    let way: Vec<&str> = steps.iter().map(|it| &*it.1.0).collect();
    let message = format!(
        "`{own}` reads backward and stands in a cycle through `prev`: {own} -> {}",
        way.join(" -> ")
    );
    let mut fault = Diagnostic::new(Code::ReadsBackward, steps[0].1.1, message);
    for (from, (what, span)) in steps.iter().skip(1).take(3) {
        fault = fault.label(*span, format!("`{}` reads `{what}` here", name(*from).name));
    }
    Some(fault.help(format!(
        "the last step of `{own}` comes first, so all that it reads must be known before"
    )))
}
