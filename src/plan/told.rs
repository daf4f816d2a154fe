//! Names the nodes of a plan: by the user's names, and else by the value that they are part of.

use std::collections::BTreeMap;

use super::whole::Plan;
use crate::ir::print::{leaf, prev};
use crate::ir::{Cell, Graph, Leaf, Move, NodeId, Op};

/// Names for the nodes of one graph.
pub(super) struct Told<'p> {
    graph: &'p Graph,
    own: BTreeMap<NodeId, String>,
    /// For each node the name of the nearest value that is made of it.
    near: Vec<Option<String>>,
}

impl<'p> Told<'p> {
    /// For the step.
    pub fn step(cell: &'p Cell) -> Told<'p> {
        let graph = &cell.step;
        let mut own = BTreeMap::new();
        for id in graph.ids() {
            let node = graph.node(id);
            if let Some(name) = leaf(cell, &node.op) {
                own.insert(id, name);
            } else if let Some(name) = &node.name {
                own.insert(id, name.to_string());
            }
        }
        for it in &cell.values {
            own.entry(it.node).or_insert_with(|| it.name.to_string());
        }
        let states = cell.carries.iter().map(|it| (it.next, it.name.to_string()));
        let outputs = cell.outputs.iter().map(|it| (it.node, it.name.to_string()));
        Told::new(graph, own, states.chain(outputs).collect())
    }

    /// For the backward step.
    pub fn adjoint(plan: &'p Plan, step: &Told<'_>) -> Told<'p> {
        let (cell, adjoint) = (&plan.cell, &plan.adjoint);
        let graph = &adjoint.graph;
        let mut own = BTreeMap::new();
        for id in graph.ids() {
            let node = graph.node(id);
            let name = match &node.op {
                Op::Leaf(Leaf::Forward(of)) => Some(step.name(*of)),
                Op::Leaf(Leaf::CarryAdjoint(idx)) => {
                    Some(format!("d_next_{}", cell.carries[*idx].name))
                }
                Op::Leaf(Leaf::OutputAdjoint(idx)) => {
                    Some(format!("d_out_{}", cell.outputs[*idx].name))
                }
                op => leaf(cell, op).or_else(|| node.name.as_ref().map(ToString::to_string)),
            };
            own.extend(name.map(|it| (id, it)));
        }
        for (name, id) in &adjoint.values {
            own.entry(*id).or_insert_with(|| name.to_string());
        }
        let carries = (cell.carries.iter().zip(&adjoint.carries))
            .filter_map(|(it, root)| Some(((*root)?, format!("the adjoint of {}", prev(it)))));
        let inputs = (cell.inputs.iter().zip(&adjoint.inputs))
            .filter_map(|(it, root)| Some(((*root)?, format!("d_{}", it.name))));
        let params = (adjoint.param_names.iter().zip(&adjoint.params))
            .filter_map(|(name, root)| Some(((*root)?, name.as_ref()?.to_string())));
        Told::new(graph, own, carries.chain(inputs).chain(params).collect())
    }

    fn new(
        graph: &'p Graph,
        own: BTreeMap<NodeId, String>,
        roots: Vec<(NodeId, String)>,
    ) -> Told<'p> {
        let mut near: Vec<Option<String>> = vec![None; graph.nodes().len()];
        for (id, name) in roots {
            near[id.idx()].get_or_insert(name);
        }
        for id in graph.ids().rev() {
            if let Some(name) = own.get(&id) {
                near[id.idx()] = Some(name.clone());
            }
            let Some(name) = near[id.idx()].clone() else { continue };
            for arg in &graph.node(id).args {
                near[arg.idx()].get_or_insert_with(|| name.clone());
            }
        }
        Told { graph, own, near }
    }

    /// Returns the user's name, if it has one.
    pub fn own(&self, id: NodeId) -> Option<&str> {
        self.own.get(&id).map(String::as_str)
    }

    /// Returns the nearest name that it is a part of.
    pub fn near(&self, id: NodeId) -> Option<&str> {
        self.near[id.idx()].as_deref()
    }

    /// Returns the name of a node in a list.
    pub fn name(&self, id: NodeId) -> String {
        if let Some(name) = self.own(id) {
            return name.to_owned();
        }
        let node = self.graph.node(id);
        if let Some(Op::Move(Move::Permute(_) | Move::Reshape | Move::Expand(_))) = Some(&node.op)
            && let Some(name) = self.own(node.args[0])
        {
            return format!("{} of {name}", node.op.word());
        }
        match (node.op.word(), self.near(id)) {
            (word, Some(name)) => format!("{word} in {name}"),
            (word, None) => word.to_owned(),
        }
    }
}
