//! Layers in the order in which frameworks number them.

use super::prefix;
use crate::check::declared::Declared;
use crate::hir::{DefKind, EquationId};
use crate::ir;
use crate::syntax::print_expr;

/// Returns the layers that have params of their own, those of a stack one by one, where there are several. `order` has
/// each equation after all that it reads.
///
/// Two layers read the same values where their inputs are written alike.
pub(in crate::check) fn in_order(names: &Declared<'_>, order: &[EquationId]) -> Vec<ir::Layer> {
    let mut all: Vec<ir::Layer> = Vec::new();
    let mut read: Vec<String> = Vec::new();
    for equation in order {
        let target = names.cell.equations[*equation].targets[0];
        let DefKind::Layer(id) = names.kind(target) else { continue };
        let (layer, Some(ready)) = (&names.cell.layers[id], names.ready(id)) else { continue };
        if ready.shares.is_some() || ready.inner.cell.params.is_empty() {
            continue;
        }
        let own = |number: usize| prefix(&layer.decl.name.name, layer.decl.count.is_some(), number);
        let text = |number: usize| {
            let inputs = ready.inner.cell.inputs.iter().zip(&ready.inputs).enumerate();
            let texts = inputs.filter_map(|(at, (input, arg))| {
                let value = match (at, number.checked_sub(1)) {
                    (0, Some(before)) => own(before),
                    (_, _) => print_expr(&arg.as_ref()?.ast.value),
                };
                Some(format!("{} = {value}", input.name))
            });
            texts.collect::<Vec<_>>().join(", ")
        };
        for number in 0..ready.count {
            let text = text(number);
            let alike = read.iter().position(|it| *it == text).unwrap_or(all.len());
            read.push(text);
            all.push(ir::Layer { name: own(number).into(), order: layer.order(), alike });
        }
    }
    if all.len() > 1 { all } else { Vec::new() }
}
