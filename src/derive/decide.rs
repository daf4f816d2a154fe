//! Conditions that sizes and hypers decide: what is not taken is taken out before its indices are checked.

use super::simplify::{start_roots, step_roots};
use crate::ir::{
    Cell, Const, Env, Gradient, Graph, Literal, Move, Node, NodeId, Op, Pointwise, Shape,
};

/// Decides every condition of a cell that is a constant for these sizes and hypers. Node ids stay.
pub fn decide(cell: &Cell, env: &Env) -> Cell {
    Cell {
        step: graph(&cell.step, env, &step_roots(cell)),
        start: graph(&cell.start, env, &start_roots(cell)),
        ..cell.clone()
    }
}

/// Replaces each `where` whose condition is a constant by the branch that it takes, and empties the nodes that no root
/// needs any more. Ids stay.
fn graph(graph: &Graph, env: &Env, roots: &[NodeId]) -> Graph {
    let constants = constants(graph, env);
    let mut nodes: Vec<Node> = graph.nodes().to_vec();
    for node in &mut nodes {
        if let (Op::Map(Pointwise::Where), &[cond, yes, no]) = (&node.op, node.args.as_slice())
            && let Some(cond) = constants[cond.idx()]
        {
            let taken = if cond != 0.0 { yes } else { no };
            // The entry of a branch guards it against the other one, which is gone.
            let entry = graph.node(taken);
            let taken =
                if entry.op == Op::Gradient(Gradient::Guard) { entry.args[1] } else { taken };
            node.op = Op::Map(Pointwise::Identity);
            node.args = vec![taken];
        }
    }
    let mut needed = vec![false; nodes.len()];
    for root in roots {
        needed[root.idx()] = true;
    }
    for idx in (0..nodes.len()).rev() {
        if needed[idx] {
            for arg in &nodes[idx].args {
                needed[arg.idx()] = true;
            }
        }
    }
    let mut decided = Graph::default();
    for (mut node, needed) in nodes.into_iter().zip(needed) {
        if !needed {
            node.op = Op::Literal(Literal::Scalar(Const::Number(0.0)));
            node.args = Vec::new();
            node.shape = Shape::scalar();
        }
        decided.push(node);
    }
    decided
}

/// Returns the nodes that are one number everywhere, whatever the inputs, params and states are.
fn constants(graph: &Graph, env: &Env) -> Vec<Option<f64>> {
    let mut known: Vec<Option<f64>> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let arg = |idx: usize| known[node.args[idx].idx()];
        let value = match &node.op {
            Op::Literal(Literal::Scalar(value)) => value.eval(env),
            Op::Map(Pointwise::Where) => match arg(0) {
                Some(cond) => arg(if cond != 0.0 { 1 } else { 2 }),
                None => None,
            },
            Op::Map(op) => (0..node.args.len())
                .map(arg)
                .collect::<Option<Vec<f64>>>()
                .map(|args| op.eval(&args)),
            Op::Move(Move::Expand(_) | Move::Reshape | Move::Permute(_)) => arg(0),
            Op::Gradient(it) => arg(it.operand()),
            _ => None,
        };
        known.push(value);
    }
    known
}
