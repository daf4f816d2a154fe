//! Verifies the invariants that every pass may assume of derived graphs, and keeps.

use super::{Adjoint, Tangent};
use crate::ir::verify::{Role, verify_graph};
use crate::ir::{Cell, Graph, NodeId, Shape};
use crate::text::Name;

/// Checks the backward step of a cell: both graphs, that each adjoint has the shape of what it is the
/// adjoint of, and that a param has a name for its gradient if and only if it has one.
pub fn verify_adjoint(cell: &Cell, adjoint: &Adjoint) -> Result<(), String> {
    let within = |graph: &'static str| move |it: String| format!("{graph}: {it}");
    let Adjoint { graph, start, .. } = adjoint;
    verify_graph(cell, graph, Role::DerivedStep).map_err(within("backward"))?;
    verify_graph(cell, &start.graph, Role::DerivedStart)
        .map_err(within("backward of the start"))?;
    let carries = cell.carries.iter().map(|it| &it.shape);
    let inputs = cell.inputs.iter().map(|it| &it.shape);
    let params = cell.params.iter().map(|it| &it.shape);
    roots("carried value", graph, &adjoint.carries, carries.clone())?;
    roots("new carried value", graph, &adjoint.nexts, carries)?;
    roots("input", graph, &adjoint.inputs, inputs)?;
    roots("param", graph, &adjoint.params, params.clone())?;
    roots("param of the start", &start.graph, &start.params, params)?;
    named("param", &adjoint.params, &adjoint.param_names)?;
    named("param of the start", &start.params, &start.param_names)?;
    values(graph, &adjoint.values)?;
    values(&start.graph, &start.values)
}

/// Checks the forward-mode step of a cell in the same way.
pub fn verify_tangent(cell: &Cell, tangent: &Tangent) -> Result<(), String> {
    let within = |graph: &'static str| move |it: String| format!("{graph}: {it}");
    verify_graph(cell, &tangent.graph, Role::DerivedStep).map_err(within("tangents"))?;
    verify_graph(cell, &tangent.start, Role::DerivedStart)
        .map_err(within("tangents of the start"))?;
    let some = |all: &[NodeId]| all.iter().copied().map(Some).collect::<Vec<_>>();
    let carries = cell.carries.iter().map(|it| &it.shape);
    let outputs = cell.outputs.iter().map(|it| cell.step.shape(it.node));
    roots("carried value", &tangent.graph, &some(&tangent.carries), carries.clone())?;
    roots("output", &tangent.graph, &some(&tangent.outputs), outputs)?;
    roots("start", &tangent.start, &tangent.starts, carries)?;
    values(&tangent.graph, &tangent.values)
}

/// Checks that there is a place for each of these things, and that a root has the thing's shape.
fn roots<'c>(
    what: &str,
    graph: &Graph,
    roots: &[Option<NodeId>],
    shapes: impl ExactSizeIterator<Item = &'c Shape>,
) -> Result<(), String> {
    if roots.len() != shapes.len() {
        return Err(format!(
            "{} roots for each {what}, of which there are {}",
            roots.len(),
            shapes.len()
        ));
    }
    for (idx, (root, shape)) in roots.iter().zip(shapes).enumerate() {
        let Some(root) = root else { continue };
        match graph.nodes().get(root.idx()) {
            None => return Err(format!("the root {} of {what} {idx} is no node", root.0)),
            Some(node) if node.shape != *shape => {
                let found = &node.shape;
                return Err(format!("the root of {what} {idx} has shape {found}, not {shape}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn named(what: &str, roots: &[Option<NodeId>], names: &[Option<Name>]) -> Result<(), String> {
    let agree = |(root, name): (&Option<NodeId>, &Option<Name>)| root.is_some() == name.is_some();
    match roots.len() == names.len() && roots.iter().zip(names).all(agree) {
        true => Ok(()),
        false => Err(format!("a gradient of a {what} has no name, or a name no gradient")),
    }
}

fn values(graph: &Graph, values: &[(Name, NodeId)]) -> Result<(), String> {
    match values.iter().find(|(_, it)| it.idx() >= graph.nodes().len()) {
        None => Ok(()),
        Some((name, id)) => Err(format!("the value `{name}` is {}, which is no node", id.0)),
    }
}
