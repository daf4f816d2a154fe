//! The plans of both directions of a cell together, from the graphs that the pipeline gives.

use super::flow::{Flow, When, once, per_sequence};
use super::pass::{Pass, pass};
use super::pipeline::{self, Graphs, NotDerived};
use super::sums::{Sum, row_operands, sums};
use crate::derive::Adjoint;
use crate::ir::{Cell, Dim, Env, Graph, Leaf, NodeId, Op, Order, Scope, Shape};

/// The loop-invariant leaves beside params and constants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fixed {
    /// For each input whether it is not given: it then is its default at every step.
    pub inputs: Vec<bool>,
    /// True if masks are their probabilities, as in evaluation.
    pub masks: bool,
}

impl Fixed {
    pub(super) fn leaf(&self, cell: &Cell, op: &Op) -> bool {
        if let Op::Leaf(Leaf::Input(input)) = op {
            self.inputs.get(*input).copied().unwrap_or(false)
        } else if let Op::Leaf(Leaf::Mask(mask)) = op {
            self.masks || cell.masks[*mask].scope == Scope::Run
        } else {
            matches!(op, Op::Leaf(Leaf::Param(_)))
        }
    }
}

/// The plan of a cell.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// The cell, its sums in order.
    pub cell: Cell,
    /// Its backward step, simplified, its sums in order.
    pub adjoint: Adjoint,
    /// The nodes of the step that the backward step reads, each once.
    pub kept: Vec<NodeId>,
    /// The forward pass, which keeps them.
    pub forward: Pass,
    /// The backward pass.
    pub backward: Pass,
    /// The way to compute the gradients of params: for each node of the backward step whose sum over all rows is asked for.
    pub sums: Vec<Option<Sum>>,
}

impl Plan {
    /// Plans both passes of a checked cell, all of whose inputs are given and whose masks are drawn,
    /// for whatever sizes and hypers it will have.
    pub fn new(cell: &Cell) -> Result<Plan, NotDerived> {
        Plan::with(cell, &Env::default())
    }

    /// As [`Plan::new`], for these sizes and hypers.
    pub fn with(cell: &Cell, env: &Env) -> Result<Plan, NotDerived> {
        Plan::from_graphs(Graphs::new(cell, env, &[]))
    }

    /// As [`Plan::new`], for graphs before any pass.
    pub fn from_graphs(graphs: Graphs) -> Result<Plan, NotDerived> {
        let (cell, adjoint) = graphs.run(pipeline::FAST).training()?;
        Ok(Plan::of(&cell, &adjoint, &Fixed::default(), &[]))
    }

    /// Returns the same plan with the sizes that are known in the place of dims, to be printed.
    pub fn sized(mut self, env: &Env) -> Plan {
        let known = |shape: &mut Shape| {
            let number = |it: &Dim| env.size(it).map_or_else(|| it.clone(), Dim::number);
            *shape = Shape(shape.axes().iter().map(number).collect());
        };
        for graph in [&mut self.cell.step, &mut self.adjoint.graph] {
            let mut sized = Graph::default();
            for mut node in graph.nodes().iter().cloned() {
                known(&mut node.shape);
                sized.push(node);
            }
            *graph = sized;
        }
        self.cell.carries.iter_mut().for_each(|it| known(&mut it.shape));
        self
    }

    /// Plans both passes of a cell whose sums are in order, as those of its backward step are.
    /// `traced` are nodes that are given back beside outputs and states.
    pub fn of(cell: &Cell, adjoint: &Adjoint, fixed: &Fixed, traced: &[NodeId]) -> Plan {
        let kept = kept(adjoint);
        let wanted: Vec<NodeId> = kept.iter().chain(traced).copied().collect();
        let forward = forward(cell, fixed, &wanted);
        let once = once_backward(cell, adjoint, fixed, &forward.once);
        let sums = sums(&adjoint.graph, adjoint.params.iter().flatten().copied(), &once);
        let backward = backward(cell, adjoint, once, &row_operands(&adjoint.graph, &sums));
        Plan { cell: cell.clone(), adjoint: adjoint.clone(), kept, forward, backward, sums }
    }
}

/// Returns the nodes of the step that a backward step reads, each once.
pub fn kept(adjoint: &Adjoint) -> Vec<NodeId> {
    let read = adjoint.graph.nodes().iter().filter_map(|it| match it.op {
        Op::Leaf(Leaf::Forward(of)) => Some(of),
        _ => None,
    });
    let mut kept: Vec<NodeId> = read.collect();
    kept.sort();
    kept.dedup();
    kept
}

/// Plans the forward pass of a cell; `wanted` are nodes that somebody reads afterwards, beside
/// outputs and new carried values.
pub fn forward(cell: &Cell, fixed: &Fixed, wanted: &[NodeId]) -> Pass {
    let once = once(&cell.step, &|op| fixed.leaf(cell, op));
    pass(forward_flow(cell, once, wanted))
}

pub(super) fn forward_flow<'c>(cell: &'c Cell, once: Vec<bool>, wanted: &[NodeId]) -> Flow<'c> {
    // Bits per sequence mostly meet what differs from step to step, where multiplying costs less than
    // keeping the product.
    let given = |op: &Op| matches!(op, Op::Leaf(Leaf::Input(it)) if cell.inputs[*it].per_sequence);
    let mut flow = Flow {
        graph: &cell.step,
        carry: |op| if let Op::Leaf(Leaf::Carry(carry)) = op { Some(*carry) } else { None },
        next: cell.carries.iter().map(|it| Some(it.next)).collect(),
        order: cell.carries.iter().map(|it| it.order).collect(),
        wanted: vec![false; once.len()],
        per_sequence: per_sequence(&cell.step, &once, &given),
        once,
    };
    let outputs = cell.outputs.iter().map(|it| it.node);
    outputs.chain(wanted.iter().copied()).for_each(|it| flow.wanted[it.idx()] = true);
    flow
}

/// Returns the level, loop and direction of each node of the step.
pub fn when(cell: &Cell) -> Vec<When> {
    let all = vec![false; cell.step.nodes().len()];
    let mut flow = forward_flow(cell, all, &[]);
    flow.wanted.fill(true);
    flow.whens(Order::Ascending)
}

/// Returns the level, loop and direction of each node of the backward step.
pub fn when_back(cell: &Cell, adjoint: &Adjoint) -> Vec<When> {
    let all = vec![false; adjoint.graph.nodes().len()];
    let mut flow = backward_flow(cell, adjoint, all, &[]);
    flow.wanted.fill(true);
    flow.whens(Order::Descending)
}

fn backward(cell: &Cell, adjoint: &Adjoint, once: Vec<bool>, summed: &[NodeId]) -> Pass {
    pass(backward_flow(cell, adjoint, once, summed))
}

pub(super) fn backward_flow<'a>(
    cell: &Cell,
    adjoint: &'a Adjoint,
    once: Vec<bool>,
    summed: &[NodeId],
) -> Flow<'a> {
    let mut flow = Flow {
        graph: &adjoint.graph,
        carry: |op| if let Op::Leaf(Leaf::CarryAdjoint(carry)) = op { Some(*carry) } else { None },
        next: adjoint.carries.clone(),
        order: cell.carries.iter().map(|it| it.order.reversed()).collect(),
        wanted: vec![false; once.len()],
        // It reads rows that forward has for all steps.
        per_sequence: vec![false; once.len()],
        once,
    };
    let roots = adjoint.inputs.iter().chain(&adjoint.nexts).flatten();
    roots.chain(summed).for_each(|it| flow.wanted[it.idx()] = true);
    flow
}

/// Returns the loop-invariant nodes of the backward step.
pub(super) fn once_backward(
    cell: &Cell,
    adjoint: &Adjoint,
    fixed: &Fixed,
    forward: &[bool],
) -> Vec<bool> {
    once(&adjoint.graph, &|op| match op {
        Op::Leaf(Leaf::Forward(of)) => forward[of.idx()],
        op => fixed.leaf(cell, op),
    })
}
