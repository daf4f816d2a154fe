//! The backward pass: what goes step by step from the last step to the first, and what is done for
//! all steps at once. Gradients of params are sums over all rows: they are taken apart into products
//! of two values over all rows, and into values that are summed as they are.

use super::schedule::{Tasks, schedule};
use crate::derive::Adjoint;
use crate::ir::dependence::Phase;
use crate::ir::{Graph, NodeId, Op, Pointwise, Reduction};

/// How the sum of a value over all rows is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sum {
    /// The value is the same for all rows.
    Once,
    /// The operator is linear in the operands that differ from row to row: it is applied to their
    /// sums.
    Linear,
    /// A product of two values that differ from row to row: one product over all rows.
    Product,
    /// The value of each row is computed, and summed.
    Rows,
}

/// When the nodes of a backward step are computed.
#[derive(Clone, PartialEq, Debug)]
pub struct Backward {
    /// For each node its phase; `None` for those of which no row is needed.
    pub phases: Vec<Option<Phase>>,
    /// How the sums of nodes over all rows are found, where they are asked for.
    pub sums: Vec<Option<Sum>>,
    /// Before the loop, for all steps at once.
    pub before: Tasks,
    /// Step by step, from the last.
    pub in_loop: Tasks,
    /// After the loop, for all steps at once.
    pub after: Tasks,
}

/// Plans the backward pass; `known` says of a node of the adjoint that its value is the same for all
/// rows.
pub fn backward(adjoint: &Adjoint, known: &dyn Fn(NodeId) -> bool) -> Backward {
    let graph = &adjoint.graph;
    let n = graph.nodes().len();
    // What reads the adjoint of a later step.
    let mut recurrent = vec![false; n];
    for id in graph.ids() {
        let node = graph.node(id);
        let own = matches!(node.op, Op::CarryAdjoint(_));
        recurrent[id.idx()] = own || node.args.iter().any(|it| recurrent[it.idx()]);
    }
    let is_once = known;

    // The earliest phase that a node's users ask for.
    let mut asked: Vec<Option<Phase>> = vec![None; n];
    let mut ask = |id: NodeId, phase: Phase| {
        let slot = &mut asked[id.idx()];
        *slot = Some(slot.map_or(phase, |it| it.min(phase)));
    };
    adjoint.carries.iter().flatten().for_each(|it| ask(*it, Phase::Loop));
    adjoint.inputs.iter().flatten().for_each(|it| ask(*it, Phase::AfterLoop));
    let mut sums: Vec<Option<Sum>> = vec![None; n];
    let mut open: Vec<NodeId> = adjoint.params.iter().flatten().copied().collect();
    while let Some(id) = open.pop() {
        if sums[id.idx()].is_some() {
            continue;
        }
        let sum = sum_of(graph, id, is_once);
        let varying = graph.node(id).args.iter().filter(|it| !is_once(**it));
        match sum {
            Sum::Once => ask(id, Phase::Once),
            Sum::Linear => {
                open.extend(varying);
                graph
                    .node(id)
                    .args
                    .iter()
                    .filter(|it| is_once(**it))
                    .for_each(|it| ask(*it, Phase::Once));
            }
            Sum::Product => varying.for_each(|it| ask(*it, Phase::AfterLoop)),
            Sum::Rows => ask(id, Phase::AfterLoop),
        }
        sums[id.idx()] = Some(sum);
    }
    let mut phases: Vec<Option<Phase>> = vec![None; n];
    for id in graph.ids().rev() {
        let Some(asked_for) = asked[id.idx()] else { continue };
        let phase = if is_once(id) {
            Phase::Once
        } else if !recurrent[id.idx()]
            && asked_for == Phase::Loop
            && matches!(graph.node(id).op, Op::Contract(_))
        {
            // A product that waits for no later step is cheaper for all steps at once.
            Phase::BeforeLoop
        } else {
            asked_for
        };
        phases[id.idx()] = Some(phase);
        for arg in &graph.node(id).args {
            let slot = &mut asked[arg.idx()];
            *slot = Some(slot.map_or(phase, |it| it.min(phase)));
        }
    }
    let part = |wanted: Phase| {
        let within = |id: NodeId| phases[id.idx()] == Some(wanted) && !graph.node(id).op.is_leaf();
        schedule(graph, &within, is_once, &|_| Vec::new())
    };
    let (before, in_loop, after) =
        (part(Phase::BeforeLoop), part(Phase::Loop), part(Phase::AfterLoop));
    Backward { phases, sums, before, in_loop, after }
}

/// How the sum of a node over all rows is found.
fn sum_of(graph: &Graph, id: NodeId, once: &dyn Fn(NodeId) -> bool) -> Sum {
    if once(id) {
        return Sum::Once;
    }
    let node = graph.node(id);
    let varying = node.args.iter().filter(|it| !once(**it)).count();
    match &node.op {
        Op::Map(Pointwise::Neg)
        | Op::Expand(_)
        | Op::Permute(_)
        | Op::Reshape
        | Op::Slice { .. }
        | Op::Pad { .. }
        | Op::Pick(_)
        | Op::Place(_)
        | Op::CumSum { .. }
        | Op::Reduce(Reduction::Sum, _) => Sum::Linear,
        // A term that is the same for all rows counts once for each.
        Op::Map(Pointwise::Add | Pointwise::Sub) | Op::Concat(_) | Op::Stack
            if varying == node.args.len() =>
        {
            Sum::Linear
        }
        Op::Map(Pointwise::Mul) if varying == 1 => Sum::Linear,
        Op::Map(Pointwise::Div) if !once(node.args[0]) && varying == 1 => Sum::Linear,
        Op::Contract(_) if varying == 1 => Sum::Linear,
        Op::Contract(labels) => {
            // Rows of both are taken as they are: no axis is shared beside the rows.
            let shared = labels.left.iter().any(|it| labels.right.contains(it));
            if shared { Sum::Rows } else { Sum::Product }
        }
        Op::Map(_)
        | Op::Concat(_)
        | Op::Stack
        | Op::Reduce(
            Reduction::Max
            | Reduction::Min
            | Reduction::Product
            | Reduction::Norm
            | Reduction::LogSumExp,
            _,
        )
        | Op::Softmax(_)
        | Op::ProductOfOthers(_)
        | Op::Lookup
        | Op::Scatter
        | Op::Guard
        | Op::Declared
        | Op::StopGrad
        | Op::ClipGrad(_)
        | Op::Input(_)
        | Op::Carry(_)
        | Op::Param(_)
        | Op::Mask(_)
        | Op::Constant(_)
        | Op::Array(_)
        | Op::Eye
        | Op::Iota
        | Op::Forward(_)
        | Op::OutputAdjoint(_)
        | Op::CarryAdjoint(_)
        | Op::Tangent(_) => Sum::Rows,
    }
}
