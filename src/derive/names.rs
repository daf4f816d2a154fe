//! Names of derived values: `d_z` for the adjoint of `z`.

use std::collections::BTreeSet;

use crate::ir::{Cell, Graph, NodeId, Op, Pointwise, Source};
use crate::text::Name;

/// Hands out names that neither the user nor an earlier call took.
pub(super) struct Names {
    taken: BTreeSet<Name>,
}

impl Names {
    /// With all names of the cell taken.
    pub fn of(cell: &Cell) -> Names {
        let nodes = cell.step.nodes().iter().chain(cell.start.nodes());
        let taken = nodes
            .filter_map(|it| it.name.as_ref())
            .chain(cell.values.iter().map(|it| &it.name))
            .chain(cell.inputs.iter().map(|it| &it.name))
            .chain(cell.carries.iter().map(|it| &it.name))
            .chain(cell.params.iter().map(|it| &it.name))
            .chain(cell.masks.iter().map(|it| &it.name))
            .chain(cell.hypers.iter().map(|it| &it.name))
            .chain(cell.dims.iter().map(|it| &it.name))
            .cloned()
            .collect();
        Names { taken }
    }

    /// Returns the wanted name, with as many `_` after it as make it new.
    pub fn fresh(&mut self, wanted: String) -> Name {
        let mut name = wanted;
        while self.taken.contains(name.as_str()) {
            name.push('_');
        }
        let name = Name::from(name);
        self.taken.insert(name.clone());
        name
    }
}

/// Returns the user's name of a node, in a form that a prefix can precede: `z`, `prev_h`, `W`.
pub(super) fn spoken(cell: &Cell, graph: &Graph, id: NodeId) -> Option<String> {
    let node = graph.node(id);
    match node.op.source() {
        Some(Source::Input(idx)) => Some(cell.inputs[idx].name.to_string()),
        Some(Source::Carry(idx)) => Some(format!("prev_{}", cell.carries[idx].name)),
        Some(Source::Param(idx)) => Some(cell.params[idx].name.to_string()),
        None => node.name.as_ref().map(|it| it.to_string()),
    }
}

/// Names for values that the user has not named: `pre_z` for the operand of the function that gives `z`.
pub(super) fn hints(graph: &Graph) -> Vec<Option<String>> {
    let mut hints = vec![None; graph.nodes().len()];
    for node in graph.nodes() {
        let (Op::Map(op), Some(name)) = (&node.op, &node.name) else { continue };
        let inner = graph.node(node.args[0]);
        let is_function = op.arity() == 1 && *op != Pointwise::Neg;
        if is_function && inner.name.is_none() && !inner.op.is_leaf() {
            hints[node.args[0].idx()].get_or_insert_with(|| format!("pre_{name}"));
        }
    }
    hints
}
