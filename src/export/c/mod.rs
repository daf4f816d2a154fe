//! C99: a step and a run, without a heap, for the smallest machines.
//!
//! A value with a name, with several readers, or that a product reads is a buffer; everything else is an expression in the
//! loop that reads it. Moves are index arithmetic. Buffers whose lives do not overlap share memory: all of them are parts of
//! one array on the stack. What is the same for all rows is computed by the export and written as constants.

mod emit;
mod file;
mod header;
mod math;
mod quantize;

pub use file::export;

use crate::ir::{Indexed, Literal, Move, NodeId, Op};

use super::lower::{Lead, Lowered};

/// The nodes that are buffers, and those that are needed at all.
pub struct Buffers {
    /// True for a node that is computed into memory.
    pub buffered: Vec<bool>,
    /// For each node the last node that reads its memory.
    pub last: Vec<usize>,
}

/// Returns true if a node is loop-invariant and no literal.
pub fn is_table(low: &Lowered, id: NodeId) -> bool {
    let is_written = match &low.graph().node(id).op {
        Op::Literal(Literal::Scalar(_)) => true,
        Op::Move(_) => low.inline[id.idx()],
        _ => false,
    };
    low.lead[id.idx()] == Lead::Once && !is_written
}

impl Buffers {
    /// Decides for a step.
    pub fn of(low: &Lowered) -> Buffers {
        let graph = low.graph();
        let count = graph.nodes().len();
        let rows = |id: NodeId| low.needed[id.idx()] && low.lead[id.idx()] != Lead::Once;
        let mut uses = vec![0usize; count];
        for id in graph.ids().filter(|it| rows(*it)) {
            graph.node(id).args.iter().for_each(|it| uses[it.idx()] += 1);
        }
        let mut buffered = vec![false; count];
        let mut must: Vec<NodeId> = Vec::new();
        let news = low.cell.carries.iter().map(|it| it.next);
        must.extend(news.chain(low.cell.outputs.iter().map(|it| it.node)));
        for id in graph.ids().filter(|it| rows(*it)) {
            let node = graph.node(id);
            let computes = match &node.op {
                Op::Along(_) | Op::Choice(_) | Op::Move(Move::Concat(_) | Move::Stack) => true,
                Op::Contract(labels) => !labels.is_outer(),
                Op::Map(_) | Op::Gradient(_) => node.name.is_some() || uses[id.idx()] > 1,
                Op::Indexed(_) => true,
                Op::Leaf(_) | Op::Literal(_) | Op::Move(_) => false,
            };
            if computes || matches!(&node.op, Op::Contract(_)) && uses[id.idx()] > 1 {
                buffered[id.idx()] = true;
            }
            let reads_memory = matches!(
                &node.op,
                Op::Along(_)
                    | Op::Choice(_)
                    | Op::Contract(_)
                    | Op::Indexed(Indexed::Lookup)
                    | Op::Move(Move::Reshape)
            );
            if reads_memory {
                must.extend(node.args.iter().copied());
            }
        }
        for id in must {
            let mut at = id;
            // What only moves elements has no memory of its own, but what it moves has.
            while let Op::Move(
                Move::Expand(_)
                | Move::Permute(_)
                | Move::Slice { .. }
                | Move::Reshape
                | Move::Pick(_),
            ) = &graph.node(at).op
            {
                at = graph.node(at).args[0];
            }
            if rows(at) && !graph.node(at).op.is_leaf() {
                buffered[at.idx()] = true;
            }
        }
        let mut all = Buffers { buffered, last: vec![0; count] };
        for id in graph.ids().filter(|it| rows(*it) && all.buffered[it.idx()]) {
            let mut read = Vec::new();
            all.memory(low, id, true, &mut read);
            read.into_iter().for_each(|it| all.last[it.idx()] = all.last[it.idx()].max(id.idx()));
        }
        let ends = low.cell.carries.iter().map(|it| it.next);
        let ends: Vec<NodeId> = ends.chain(low.cell.outputs.iter().map(|it| it.node)).collect();
        for id in ends {
            let mut read = Vec::new();
            all.memory(low, id, false, &mut read);
            read.into_iter().for_each(|it| all.last[it.idx()] = count);
        }
        all
    }

    /// The buffers that a node is computed from.
    fn memory(&self, low: &Lowered, id: NodeId, inner: bool, read: &mut Vec<NodeId>) {
        // What is the same for all rows is a constant of the file.
        if low.lead[id.idx()] == Lead::Once {
            return;
        }
        if !inner && self.buffered[id.idx()] {
            read.push(id);
            return;
        }
        low.graph().node(id).args.iter().for_each(|it| self.memory(low, *it, false, read));
    }
}
