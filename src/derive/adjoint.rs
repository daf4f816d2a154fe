//! Reverse mode: one backward step, as a graph.

use super::build::Builder;
use super::names::{Names, hints, spoken};
use super::rules::pull;
use super::sweep::sweep;
use crate::ir::pointwise::{Row, table};
use crate::ir::{Cell, Graph, Leaf, NodeId, Op, Source, Start};
use crate::text::Name;

/// One backward step. Takes what forward had (`Leaf::Forward`, and leaves of the step graph as
/// themselves) and the adjoints of outputs and new carried values (`Leaf::OutputAdjoint`,
/// `Leaf::CarryAdjoint`); `None` where an adjoint is 0.
#[derive(Clone, PartialEq, Debug)]
pub struct Adjoint {
    /// The graph.
    pub graph: Graph,
    /// The adjoint of each old carried value.
    pub carries: Vec<Option<NodeId>>,
    /// The adjoint of each new carried value, all that comes to it: from the next step, from
    /// outputs and from the step itself.
    pub nexts: Vec<Option<NodeId>>,
    /// The adjoint of each input.
    pub inputs: Vec<Option<NodeId>>,
    /// The step's share in the gradient of each param.
    pub params: Vec<Option<NodeId>>,
    /// Every adjoint that has a name, such as `d_z`, in the order in which they are computed.
    /// Several may name one node.
    pub values: Vec<(Name, NodeId)>,
    /// The name of the gradient of each param, `None` if it is 0. These are not among the values: their nodes are only one step's
    /// share.
    pub param_names: Vec<Option<Name>>,
    /// The backward pass of the starts.
    pub start: StartAdjoint,
}

/// The backward pass of the start graph: takes the adjoint of each carried value before the first
/// step (`Leaf::CarryAdjoint`), summed over the batch, where that value is its start.
#[derive(Clone, PartialEq, Debug)]
pub struct StartAdjoint {
    /// The graph.
    pub graph: Graph,
    /// The gradient of each param.
    pub params: Vec<Option<NodeId>>,
    /// As in [`Adjoint::values`].
    pub values: Vec<(Name, NodeId)>,
    /// As in [`Adjoint::param_names`].
    pub param_names: Vec<Option<Name>>,
}

/// Returns the backward pass of a cell that the verifier accepts.
pub fn adjoint(cell: &Cell) -> Adjoint {
    adjoint_by(cell, table())
}

/// Returns the same where this table gives the derivatives of elementwise operators.
pub fn adjoint_by(cell: &Cell, table: &[Row]) -> Adjoint {
    let mut seeds = Vec::new();
    for (idx, carry) in cell.carries.iter().enumerate() {
        seeds.push((carry.next, Op::Leaf(Leaf::CarryAdjoint(idx))));
    }
    for (idx, output) in cell.outputs.iter().enumerate() {
        seeds.push((output.node, Op::Leaf(Leaf::OutputAdjoint(idx))));
    }
    let nexts: Vec<NodeId> = cell.carries.iter().map(|it| it.next).collect();
    let step = backward(cell, &cell.step, table, &seeds, &nexts);
    let starts: Vec<(NodeId, Op)> = (cell.carries.iter().enumerate())
        .filter_map(|(idx, carry)| match carry.start {
            Start::Node(id) => Some((id, Op::Leaf(Leaf::CarryAdjoint(idx)))),
            Start::SameAs(_) => None,
        })
        .collect();
    let start = backward(cell, &cell.start, table, &starts, &[]);
    Adjoint {
        graph: step.graph,
        carries: step.carries,
        nexts: step.asked,
        inputs: step.inputs,
        params: step.params,
        values: step.values,
        param_names: step.param_names,
        start: StartAdjoint {
            graph: start.graph,
            params: start.params,
            values: start.values,
            param_names: start.param_names,
        },
    }
}

impl Adjoint {
    /// Returns the same without [`Adjoint::nexts`], which no gradient needs.
    pub fn without_nexts(mut self) -> Adjoint {
        self.nexts.fill(None);
        self
    }
}

/// The adjoints of the leaves of one graph, and of nodes that were asked for.
struct Backward {
    graph: Graph,
    asked: Vec<Option<NodeId>>,
    carries: Vec<Option<NodeId>>,
    inputs: Vec<Option<NodeId>>,
    params: Vec<Option<NodeId>>,
    values: Vec<(Name, NodeId)>,
    param_names: Vec<Option<Name>>,
}

fn backward(
    cell: &Cell,
    forward: &Graph,
    table: &[Row],
    seeds: &[(NodeId, Op)],
    asked: &[NodeId],
) -> Backward {
    let hints = hints(forward);
    let mut names = Names::of(cell);
    let mut b = Builder::new(cell, forward, table);
    let varies = b.varies.clone();
    let mut terms: Vec<Vec<NodeId>> = vec![Vec::new(); forward.nodes().len()];
    for (id, op) in seeds {
        if varies[id.idx()] {
            let node = forward.node(*id);
            let leaf = b.push(op.clone(), &[], node.shape.clone(), node.span);
            terms[id.idx()].push(leaf);
        }
    }
    let mut carries = vec![Vec::new(); cell.carries.len()];
    let mut inputs = vec![Vec::new(); cell.inputs.len()];
    let mut params = vec![Vec::new(); cell.params.len()];
    let mut values: Vec<(Name, NodeId)> = Vec::new();
    let mut adjoints = vec![None; forward.nodes().len()];
    for id in forward.ids().rev() {
        if !varies[id.idx()] {
            continue;
        }
        let Some(d) = b.total(&std::mem::take(&mut terms[id.idx()])) else { continue };
        adjoints[id.idx()] = Some(d);
        let node = forward.node(id);
        match node.op.source() {
            Some(Source::Carry(idx)) => carries[idx].push(d),
            Some(Source::Input(idx)) => inputs[idx].push(d),
            Some(Source::Param(idx)) => params[idx].push(d),
            None => {
                let spoken = spoken(cell, forward, id).or_else(|| hints[id.idx()].clone());
                if let Some(spoken) = spoken {
                    name(&mut b, &mut names, &mut values, &spoken, d);
                }
                let wanted = |it: usize| varies[node.args[it].idx()] && node.op.passes(it);
                for (position, term) in pull(&mut b, id, d, &wanted) {
                    terms[node.args[position].idx()].push(term);
                }
            }
        }
    }
    // A leaf that the graph has more than once has the sum of its adjoints.
    let mut close = |all: Vec<Vec<NodeId>>, spoken: &dyn Fn(usize) -> String| {
        let mut sums = Vec::with_capacity(all.len());
        for (idx, terms) in all.iter().enumerate() {
            let sum = b.total(terms);
            if let Some(sum) = sum {
                name(&mut b, &mut names, &mut values, &spoken(idx), sum);
            }
            sums.push(sum);
        }
        sums
    };
    let carries = close(carries, &|it| format!("prev_{}", cell.carries[it].name));
    let inputs = close(inputs, &|it| cell.inputs[it].name.to_string());
    let params: Vec<Option<NodeId>> = params.iter().map(|it| b.total(it)).collect();
    let param_names = (params.iter().zip(&cell.params))
        .map(|(sum, param)| sum.map(|_| names.fresh(format!("d_{}", param.name))))
        .collect();

    let asked: Vec<Option<NodeId>> = asked.iter().map(|it| adjoints[it.idx()]).collect();
    let roots = [&carries, &asked, &inputs, &params].into_iter().flatten().flatten().copied();
    let (graph, map) = sweep(b.graph, roots);
    let moved = |all: Vec<Option<NodeId>>| -> Vec<Option<NodeId>> {
        all.into_iter().map(|it| it.and_then(|it| map[it.idx()])).collect()
    };
    let values = values.into_iter().filter_map(|(name, id)| Some((name, map[id.idx()]?))).collect();
    Backward {
        graph,
        asked: moved(asked),
        carries: moved(carries),
        inputs: moved(inputs),
        params: moved(params),
        values,
        param_names,
    }
}

/// Calls a value the adjoint of something. Leaves of the derived graph are called by what gives
/// them.
fn name(
    b: &mut Builder<'_>,
    names: &mut Names,
    values: &mut Vec<(Name, NodeId)>,
    spoken: &str,
    d: NodeId,
) {
    let name = names.fresh(format!("d_{spoken}"));
    if !b.graph.node(d).op.is_leaf() {
        b.graph.set_name(d, name.clone());
    }
    values.push((name, d));
}
