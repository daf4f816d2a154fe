//! Forward mode: how fast each value of a step moves, as a graph.

use super::build::Builder;
use super::names::{Names, spoken};
use super::rules::{contract, reduction_slope};
use super::sweep::sweep;
use crate::ir::pointwise::{Row, table};
use crate::ir::{
    Along, Cell, Gradient, Graph, Leaf, Move, Node, NodeId, Op, Pointwise, Reduction, Start,
};
use crate::text::Name;

/// One forward-mode step. Takes what forward had (`Leaf::Forward`, and leaves of the step graph as
/// themselves) and the tangents of inputs, old carried values and params (`Leaf::Tangent`).
#[derive(Clone, PartialEq, Debug)]
pub struct Tangent {
    /// The graph.
    pub graph: Graph,
    /// The tangent of each new carried value.
    pub carries: Vec<NodeId>,
    /// The tangent of each output.
    pub outputs: Vec<NodeId>,
    /// Every tangent that has a name, such as `t_z`, in the order in which they are computed.
    pub values: Vec<(Name, NodeId)>,
    /// The graph of the starts; its leaves are the start graph's values and the tangents of params.
    pub start: Graph,
    /// The tangent of each carried value's own start; `None` where it is 0 or another's start is
    /// taken.
    pub starts: Vec<Option<NodeId>>,
}

/// Forward mode of a cell that the verifier accepts.
pub fn tangent(cell: &Cell) -> Tangent {
    tangent_by(cell, table())
}

/// Returns the same where this table gives the derivatives of elementwise operators.
pub fn tangent_by(cell: &Cell, table: &[Row]) -> Tangent {
    let (mut b, tangents, values) = push(cell, &cell.step, table);
    // A root that does not vary has a tangent too: zeros.
    let mut zeros = |id: NodeId| match tangents[id.idx()] {
        Some(known) => known,
        None => {
            let node = cell.step.node(id);
            b.number(0.0, &node.shape, node.span)
        }
    };
    let carries: Vec<NodeId> = cell.carries.iter().map(|it| zeros(it.next)).collect();
    let outputs: Vec<NodeId> = cell.outputs.iter().map(|it| zeros(it.node)).collect();
    let (graph, map) = sweep(b.graph, carries.iter().chain(&outputs).copied());
    let moved = |all: Vec<NodeId>| all.into_iter().filter_map(|it| map[it.idx()]).collect();
    let values = values.into_iter().filter_map(|(name, id)| Some((name, map[id.idx()]?))).collect();
    let (carries, outputs) = (moved(carries), moved(outputs));

    let (b, tangents, _) = push(cell, &cell.start, table);
    let starts: Vec<Option<NodeId>> = (cell.carries.iter())
        .map(|it| match it.start {
            Start::Node(id) => tangents[id.idx()],
            Start::SameAs(_) => None,
        })
        .collect();
    let (start, map) = sweep(b.graph, starts.iter().flatten().copied());
    let starts = starts.into_iter().map(|it| it.and_then(|it| map[it.idx()])).collect();
    Tangent { graph, carries, outputs, values, start, starts }
}

type Pushed<'f> = (Builder<'f>, Vec<Option<NodeId>>, Vec<(Name, NodeId)>);

/// Returns the tangent of each node that varies.
fn push<'f>(cell: &'f Cell, forward: &'f Graph, table: &'f [Row]) -> Pushed<'f> {
    let mut names = Names::of(cell);
    let mut values = Vec::new();
    let mut b = Builder::new(cell, forward, table);
    let mut tangents: Vec<Option<NodeId>> = vec![None; forward.nodes().len()];
    for id in forward.ids() {
        if !b.varies[id.idx()] {
            continue;
        }
        let node = forward.node(id);
        let source = node.op.source();
        let tangent = match source {
            Some(source) => Some(b.push(Leaf::Tangent(source), &[], node.shape.clone(), node.span)),
            None => {
                let moves =
                    |it: usize| node.op.passes(it).then(|| tangents[node.args[it].idx()]).flatten();
                of_node(&mut b, id, node, &moves)
            }
        };
        if let (Some(tangent), None) = (tangent, source)
            && let Some(spoken) = spoken(cell, forward, id)
        {
            let name = names.fresh(format!("t_{spoken}"));
            if !b.graph.node(tangent).op.is_leaf() {
                b.graph.set_name(tangent, name.clone());
            }
            values.push((name, tangent));
        }
        tangents[id.idx()] = tangent;
    }
    (b, tangents, values)
}

/// Returns the tangent of a node, given those of its operands.
fn of_node(
    b: &mut Builder<'_>,
    id: NodeId,
    node: &Node,
    moves: &dyn Fn(usize) -> Option<NodeId>,
) -> Option<NodeId> {
    let span = node.span;
    match &node.op {
        Op::Map(Pointwise::Where) => {
            let cond = b.value(node.args[0]);
            let (yes, no) = (moves(1), moves(2));
            match (yes, no) {
                (Some(yes), Some(no)) => Some(b.map(Pointwise::Where, &[cond, yes, no])),
                (Some(yes), None) => Some(b.where_taken(cond, yes, true)),
                (None, Some(no)) => Some(b.where_taken(cond, no, false)),
                (None, None) => None,
            }
        }
        Op::Map(op) => {
            let mut terms = Vec::new();
            for position in 0..node.args.len() {
                let slope = b.slope_of(*op, position);
                if let (Some(t), Some(slope)) = (moves(position), slope) {
                    let slope = b.slope(id, slope);
                    if b.as_number(slope) != Some(0.0) {
                        let comes = b.infinite.tangent(node.args[position]);
                        let may_be = [comes, b.infinite.slope(id, position)];
                        terms.push(b.chain(t, slope, may_be));
                    }
                }
            }
            b.sum(&terms)
        }
        Op::Contract(labels) => {
            let mut terms = Vec::new();
            let labels = (&*labels.left, &*labels.right, &*labels.result);
            if let Some(t) = moves(0) {
                let right = b.value(node.args[1]);
                terms.push(contract(b, labels, t, right, node.shape.clone()));
            }
            if let Some(t) = moves(1) {
                let left = b.value(node.args[0]);
                terms.push(contract(b, labels, left, t, node.shape.clone()));
            }
            b.sum(&terms)
        }
        Op::Along(Along::Reduce(reduction, axes)) if *reduction != Reduction::Sum => {
            let t = moves(0)?;
            let slope = reduction_slope(b, *reduction, axes, id, node.args[0]);
            let product = b.chain(t, slope, [b.infinite.tangent(node.args[0]), false]);
            Some(b.reduce_sum(product, axes))
        }
        Op::Along(Along::Softmax(axes)) => {
            let t = moves(0)?;
            let y = b.value(id);
            let product = b.map(Pointwise::Mul, &[t, y]);
            let mean = b.reduce_sum(product, axes);
            let mean = b.expand_along(mean, axes, &node.shape);
            let centred = b.map(Pointwise::Sub, &[t, mean]);
            Some(b.map(Pointwise::Mul, &[y, centred]))
        }
        Op::Move(Move::Concat(_) | Move::Stack) => {
            let mut args = Vec::with_capacity(node.args.len());
            for (position, arg) in node.args.iter().enumerate() {
                args.push(match moves(position) {
                    Some(t) => t,
                    None => {
                        let shape = b.forward.shape(*arg).clone();
                        b.number(0.0, &shape, span)
                    }
                });
            }
            Some(b.push(node.op.clone(), &args, node.shape.clone(), span))
        }
        Op::Indexed(_) => {
            let t = moves(0)?;
            let index = b.value(node.args[1]);
            Some(b.push(node.op.clone(), &[t, index], node.shape.clone(), span))
        }
        // The clip is of adjoints alone, and a guard is where nothing of an untaken branch arrives
        // anyway.
        Op::Gradient(Gradient::Guard) => moves(1),
        Op::Gradient(Gradient::ClipGrad(_)) => moves(0),
        Op::Gradient(Gradient::Declared) => {
            let t = moves(1)?;
            let slope = b.value(node.args[2]);
            Some(b.chain(t, slope, [b.infinite.tangent(node.args[1]), false]))
        }
        Op::Move(_) | Op::Along(Along::Reduce(..) | Along::CumSum { .. }) => {
            let t = moves(0)?;
            Some(b.push(node.op.clone(), &[t], node.shape.clone(), span))
        }
        Op::Gradient(Gradient::StopGrad)
        | Op::Choice(_)
        | Op::Along(Along::ProductOfOthers(_))
        | Op::Leaf(_)
        | Op::Literal(_) => None,
    }
}
