//! What a step of one sequence costs, as formulas over the dims.

use std::collections::BTreeSet;

use super::pass::source;
use super::sums::Sum;
use super::whole::Plan;
use crate::ir::dim::DimOverflow;
use crate::ir::{Contract, Dim, Graph, Move, NodeId, Op, Pointwise};

/// Floating-point operations. What is done once per call or sequence and not for each step is not in
/// them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flops {
    /// Multiplications and additions of products, two for each pair of numbers.
    pub products: Dim,
    /// All others, one for each element and operator: a `tanh` counts as an addition does.
    pub elementwise: Dim,
}

impl Flops {
    fn add(&mut self, graph: &Graph, id: NodeId) -> Result<(), DimOverflow> {
        let node = graph.node(id);
        let operand = |idx: usize| graph.shape(node.args[idx]).size();
        match &node.op {
            Op::Contract(labels) => {
                let size = contracted(graph, id, labels)?;
                if labels.is_outer() {
                    self.elementwise = self.elementwise.add(&size)?;
                } else {
                    self.products = self.products.add(&size.mul(&Dim::number(2))?)?;
                }
            }
            Op::Map(Pointwise::Identity) => {}
            Op::Map(_) => self.elementwise = self.elementwise.add(&node.shape.size()?)?,
            Op::Along(_) | Op::Choice(_) => {
                self.elementwise = self.elementwise.add(&operand(0)?)?;
            }
            // These move numbers.
            Op::Leaf(_) | Op::Literal(_) | Op::Move(_) | Op::Indexed(_) | Op::Gradient(_) => {}
        }
        Ok(())
    }
}

/// How many pairs of numbers a contraction multiplies.
fn contracted(graph: &Graph, id: NodeId, labels: &Contract) -> Result<Dim, DimOverflow> {
    let node = graph.node(id);
    let mut seen = BTreeSet::new();
    let mut size = Dim::number(1);
    for (labels, arg) in [&labels.left, &labels.right].into_iter().zip(&node.args) {
        for (label, axis) in labels.iter().zip(graph.shape(*arg).axes()) {
            if seen.insert(*label) {
                size = size.mul(axis)?;
            }
        }
    }
    Ok(size)
}

/// What a node is a part of, one row of it after the other.
fn whole(graph: &Graph, id: NodeId) -> NodeId {
    let mut at = source(graph, id);
    while let Op::Move(Move::Pick(_) | Move::Slice { axis: 0, .. }) = graph.node(at).op {
        at = source(graph, graph.node(at).args[0]);
    }
    at
}

impl Plan {
    /// Per step and sequence, forward.
    pub fn forward_flops(&self) -> Result<Flops, DimOverflow> {
        let graph = &self.cell.step;
        let mut flops = Flops::default();
        let each = |it: &NodeId| self.forward.is_each(*it) && !self.forward.per_sequence[it.idx()];
        for id in graph.ids().filter(each) {
            flops.add(graph, id)?;
        }
        Ok(flops)
    }

    /// Per step and sequence, backward: the adjoints, and the sums that make gradients of params.
    pub fn backward_flops(&self) -> Result<Flops, DimOverflow> {
        let graph = &self.adjoint.graph;
        let mut flops = Flops::default();
        for id in graph.ids() {
            if self.backward.is_each(id) {
                flops.add(graph, id)?;
            }
            match self.sums[id.idx()] {
                Some(Sum::Product) => {
                    let size = graph.shape(id).size()?.mul(&Dim::number(2))?;
                    flops.products = flops.products.add(&size)?;
                }
                Some(Sum::Scatter) => {
                    let value = graph.shape(graph.node(id).args[0]).size()?;
                    flops.elementwise = flops.elementwise.add(&value)?;
                }
                Some(Sum::Rows) => {
                    flops.elementwise = flops.elementwise.add(&graph.shape(id).size()?)?;
                }
                Some(Sum::Once | Sum::Linear) | None => {}
            }
        }
        Ok(flops)
    }

    /// The values that forward keeps for backward, each once: where a node only hands on another,
    /// that one. The rows of inputs and of carried values, what is the same for all rows, and parts
    /// of what is kept, are there anyway.
    pub fn kept_values(&self) -> Vec<NodeId> {
        let graph = &self.cell.step;
        let mut all: Vec<NodeId> = self.kept.iter().map(|it| source(graph, *it)).collect();
        all.sort();
        all.dedup();
        let is_there = |id: NodeId| {
            let carried = self.cell.carries.iter().any(|it| it.next == id);
            carried || graph.node(id).op.is_leaf() || !self.forward.is_each(id)
        };
        let counts = |id: &NodeId| {
            let whole = whole(graph, *id);
            !is_there(*id) && (whole == *id || !(is_there(whole) || all.contains(&whole)))
        };
        all.iter().copied().filter(counts).collect()
    }

    /// How many numbers forward keeps for each step and sequence: those values, and the carried
    /// ones.
    pub fn kept_numbers(&self) -> Result<Dim, DimOverflow> {
        let values = self.kept_values().into_iter().map(|it| self.cell.step.shape(it).size());
        values.chain([self.carried_numbers()]).try_fold(Dim::number(0), |sum, it| sum.add(&it?))
    }

    /// How many numbers of a sequence go from a step to the next.
    pub fn carried_numbers(&self) -> Result<Dim, DimOverflow> {
        let carries = self.cell.carries.iter().map(|it| it.shape.size());
        carries.into_iter().try_fold(Dim::number(0), |sum, it| sum.add(&it?))
    }
}
