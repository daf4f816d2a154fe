//! Both passes of a cell together, as the fast engine derives them.

use super::flow::{Flow, once};
use super::pass::{Pass, pass};
use super::regroup::regroup;
use super::sums::{Sum, row_operands, sums};
use crate::derive::{self, Adjoint};
use crate::ir::{Cell, Leaf, NamedValue, NodeId, Op, Output, Scope, pointwise};

/// What is the same for all rows, beside params and constants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fixed {
    /// For each input whether it is not given: it then is its default at every step.
    pub inputs: Vec<bool>,
    /// Whether masks are their probabilities, as in evaluation.
    pub masks: bool,
}

impl Fixed {
    fn leaf(&self, cell: &Cell, op: &Op) -> bool {
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
    /// How the gradients of params are found: for each node of the backward step whose sum over all
    /// rows is asked for.
    pub sums: Vec<Option<Sum>>,
}

impl Plan {
    /// Plans both passes of a checked cell, all of whose inputs are given and whose masks are drawn.
    pub fn new(cell: &Cell) -> Plan {
        let cell = ordered(&derive::simplify_cell(cell));
        let adjoint = adjoint(&cell);
        Plan::of(&cell, &adjoint, &Fixed::default(), &[])
    }

    /// Plans both passes of a cell whose sums are in order, as those of its backward step are.
    /// `traced` are nodes that are given back beside outputs and states.
    pub fn of(cell: &Cell, adjoint: &Adjoint, fixed: &Fixed, traced: &[NodeId]) -> Plan {
        let kept = kept(adjoint);
        let wanted: Vec<NodeId> = kept.iter().chain(traced).copied().collect();
        let forward = forward(cell, fixed, &wanted);
        let once = once_backward(cell, adjoint, fixed, &forward.once);
        let sums = sums(&adjoint.graph, adjoint.params.iter().flatten().copied(), &once);
        let backward = backward(adjoint, once, &row_operands(&adjoint.graph, &sums));
        Plan { cell: cell.clone(), adjoint: adjoint.clone(), kept, forward, backward, sums }
    }
}

/// The nodes of the step that a backward step reads, each once.
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

fn forward_flow<'c>(cell: &'c Cell, once: Vec<bool>, wanted: &[NodeId]) -> Flow<'c> {
    let mut flow = Flow {
        graph: &cell.step,
        carry: |op| if let Op::Leaf(Leaf::Carry(carry)) = op { Some(*carry) } else { None },
        next: cell.carries.iter().map(|it| Some(it.next)).collect(),
        wanted: vec![false; once.len()],
        once,
    };
    let outputs = cell.outputs.iter().map(|it| it.node);
    outputs.chain(wanted.iter().copied()).for_each(|it| flow.wanted[it.idx()] = true);
    flow
}

fn backward(adjoint: &Adjoint, once: Vec<bool>, summed: &[NodeId]) -> Pass {
    pass(backward_flow(adjoint, once, summed))
}

fn backward_flow<'a>(adjoint: &'a Adjoint, once: Vec<bool>, summed: &[NodeId]) -> Flow<'a> {
    let mut flow = Flow {
        graph: &adjoint.graph,
        carry: |op| if let Op::Leaf(Leaf::CarryAdjoint(carry)) = op { Some(*carry) } else { None },
        next: adjoint.carries.clone(),
        wanted: vec![false; once.len()],
        once,
    };
    let inputs = adjoint.inputs.iter().flatten();
    inputs.chain(summed).for_each(|it| flow.wanted[it.idx()] = true);
    flow
}

/// Which nodes of the backward step have one value for all rows.
fn once_backward(cell: &Cell, adjoint: &Adjoint, fixed: &Fixed, forward: &[bool]) -> Vec<bool> {
    once(&adjoint.graph, &|op| match op {
        Op::Leaf(Leaf::Forward(of)) => forward[of.idx()],
        op => fixed.leaf(cell, op),
    })
}

/// The cell with the sums of its step in order. Named values that are only parts of sums, and that
/// nobody asked for, are no values of it any more.
pub fn ordered(cell: &Cell) -> Cell {
    ordered_with(cell, &[])
}

/// As [`ordered`]; these nodes stay.
pub fn ordered_with(cell: &Cell, traced: &[NodeId]) -> Cell {
    let fixed = Fixed::default();
    let flow = forward_flow(cell, once(&cell.step, &|op| fixed.leaf(cell, op)), traced);
    let levels = flow.levels();
    let (step, map) = regroup(&flow, &levels);
    let moved = |it: NodeId| map[it.idx()];
    let mut ordered = cell.clone();
    ordered.step = step;
    for carry in &mut ordered.carries {
        carry.next = moved(carry.next).unwrap_or(carry.next);
    }
    for Output { node, .. } in &mut ordered.outputs {
        *node = moved(*node).unwrap_or(*node);
    }
    let values = cell.values.iter();
    let values = values.filter_map(|it| Some(NamedValue { node: moved(it.node)?, ..it.clone() }));
    ordered.values = values.collect();
    debug_assert_eq!(crate::ir::verify::verify(&ordered), Ok(()));
    ordered
}

/// The simplified backward step of a cell, its sums in order.
pub fn adjoint(cell: &Cell) -> Adjoint {
    let adjoint = derive::adjoint(cell, &pointwise::table()).simplified();
    let fixed = Fixed::default();
    let forward = once(&cell.step, &|op| fixed.leaf(cell, op));
    let known = once_backward(cell, &adjoint, &fixed, &forward);
    let sums = sums(&adjoint.graph, adjoint.params.iter().flatten().copied(), &known);
    // The sums over all rows are taken apart as they stand.
    let asked = adjoint.graph.ids().filter(|it| sums[it.idx()].is_some());
    let summed: Vec<NodeId> = asked.collect();
    let flow = backward_flow(&adjoint, known, &summed);
    let (graph, map) = regroup(&flow, &flow.levels());
    let moved = |all: &[Option<NodeId>]| -> Vec<Option<NodeId>> {
        all.iter().map(|it| it.and_then(|it| map[it.idx()])).collect()
    };
    let values = adjoint.values.iter();
    Adjoint {
        carries: moved(&adjoint.carries),
        inputs: moved(&adjoint.inputs),
        params: moved(&adjoint.params),
        values: values.filter_map(|(name, it)| Some((name.clone(), map[it.idx()]?))).collect(),
        param_names: adjoint.param_names.clone(),
        start: adjoint.start.clone(),
        graph,
    }
}
