//! Finds the params that a loss depends on.

use crate::ir::{Cell, LOSS, Leaf, NodeId, Op, Start};

/// For each param, whether a derivative of the loss reaches it, at any step: through operators, carried values and their starts.
/// Others get no gradient, which is not the same as one of 0.
pub(super) fn reached(plain: &Cell) -> Vec<bool> {
    let mut params = vec![false; plain.params.len()];
    let mut step = vec![false; plain.step.nodes().len()];
    let mut start = vec![false; plain.start.nodes().len()];
    let loss = plain.output(LOSS).map(|it| plain.outputs[it].node);
    let mut open: Vec<(bool, NodeId)> = loss.into_iter().map(|it| (false, it)).collect();
    while let Some((is_start, id)) = open.pop() {
        let (graph, seen) =
            if is_start { (&plain.start, &mut start) } else { (&plain.step, &mut step) };
        if std::mem::replace(&mut seen[id.idx()], true) {
            continue;
        }
        let node = graph.node(id);
        if let Op::Leaf(Leaf::Param(param)) = node.op {
            params[param] = plain.params[param].trained;
        }
        if let Op::Leaf(Leaf::Carry(carry)) = node.op
            && plain.carries[carry].is_real()
        {
            open.push((false, plain.carries[carry].next));
            let mut origin = carry;
            for _ in &plain.carries {
                match plain.carries[origin].start {
                    Start::Node(node) => open.push((true, node)),
                    Start::SameAs(other) => origin = other,
                }
            }
        }
        let args = node.args.iter().enumerate();
        open.extend(args.filter(|it| node.op.passes(it.0)).map(|it| (is_start, *it.1)));
    }
    params
}
