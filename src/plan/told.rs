//! What the nodes of a plan are called: by the user's names, and else by what they are part of.

use std::collections::BTreeMap;

use super::whole::Plan;
use crate::ir::print::{leaf, prev};
use crate::ir::{Cell, Graph, NodeId, Op, Pointwise, Reduction};

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
                Op::Forward(of) => Some(step.name(*of)),
                Op::CarryAdjoint(idx) => Some(format!("d_next_{}", cell.carries[*idx].name)),
                Op::OutputAdjoint(idx) => Some(format!("d_out_{}", cell.outputs[*idx].name)),
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

    /// The user's name, if it has one.
    pub fn own(&self, id: NodeId) -> Option<&str> {
        self.own.get(&id).map(String::as_str)
    }

    /// The nearest name that it is a part of.
    pub fn near(&self, id: NodeId) -> Option<&str> {
        self.near[id.idx()].as_deref()
    }

    /// What a node is called in a list.
    pub fn name(&self, id: NodeId) -> String {
        if let Some(name) = self.own(id) {
            return name.to_owned();
        }
        let node = self.graph.node(id);
        if let Some(Op::Permute(_) | Op::Reshape | Op::Expand(_)) = Some(&node.op)
            && let Some(name) = self.own(node.args[0])
        {
            return format!("{} of {name}", verb(&node.op));
        }
        match (verb(&node.op), self.near(id)) {
            (verb, Some(name)) => format!("{verb} in {name}"),
            (verb, None) => verb.to_owned(),
        }
    }
}

/// What an operator is, in a word.
pub(super) fn verb(op: &Op) -> &'static str {
    match op {
        Op::Input(_) => "input",
        Op::Carry(_) => "old value",
        Op::Param(_) => "param",
        Op::Mask(_) => "mask",
        Op::Constant(_) | Op::Array(_) | Op::Eye | Op::Iota => "constant",
        Op::Forward(_) => "kept value",
        Op::OutputAdjoint(_) | Op::CarryAdjoint(_) => "adjoint",
        Op::Tangent(_) => "tangent",
        Op::Map(Pointwise::Add | Pointwise::Sub) => "sum",
        Op::Map(Pointwise::Where) => "choice",
        Op::Map(_) => "term",
        Op::Expand(_) => "broadcast",
        Op::Contract(labels) if labels.left.iter().all(|it| labels.result.contains(it)) => {
            "outer product"
        }
        Op::Contract(_) => "product",
        Op::Reduce(Reduction::Sum, _) => "sum of elements",
        Op::Reduce(Reduction::Max, _) => "maximum",
        Op::Reduce(Reduction::Min, _) => "minimum",
        Op::Reduce(Reduction::Product, _) => "product of elements",
        Op::Reduce(Reduction::Norm, _) => "norm",
        Op::Reduce(Reduction::LogSumExp, _) => "logsumexp",
        Op::Softmax(_) => "softmax",
        Op::CumSum { .. } => "running sum",
        Op::ProductOfOthers(_) => "product of others",
        Op::Permute(_) => "transpose",
        Op::Concat(_) => "concat",
        Op::Stack => "stack",
        Op::Slice { .. } => "slice",
        Op::Pad { .. } => "pad",
        Op::Reshape => "reshape",
        Op::Pick(_) => "element",
        Op::Place(_) => "place",
        Op::Lookup => "lookup",
        Op::Scatter => "scatter",
        Op::Guard => "branch",
        Op::Declared => "activation",
        Op::StopGrad => "stop_grad",
        Op::ClipGrad(_) => "clip_grad",
    }
}
