//! Finding a node that is already there.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

use crate::ir::{Const, Gradient, Graph, Literal, NodeId, Op, Shape};

/// Nodes by a hash of what they are. It is asked and never walked, so its order shows nowhere.
#[derive(Default)]
pub(super) struct Interner(HashMap<u64, Vec<NodeId>>);

impl Interner {
    /// A node with this operator, these operands and this shape.
    pub fn find(&self, graph: &Graph, op: &Op, args: &[NodeId], shape: &Shape) -> Option<NodeId> {
        // Each clips the adjoint of its own users, not the sum of all.
        if matches!(op, Op::Gradient(Gradient::ClipGrad(_))) {
            return None;
        }
        let args = ordered(op, args);
        let candidates = self.0.get(&hash(op, &args, shape))?;
        candidates.iter().copied().find(|it| {
            let node = graph.node(*it);
            node.shape == *shape && same_op(&node.op, op) && ordered(op, &node.args) == args
        })
    }

    /// Makes a node known.
    pub fn insert(&mut self, graph: &Graph, id: NodeId) {
        let node = graph.node(id);
        let args = ordered(&node.op, &node.args);
        self.0.entry(hash(&node.op, &args, &node.shape)).or_default().push(id);
    }
}

/// The operands, in an order of their own where theirs does not matter.
fn ordered(op: &Op, args: &[NodeId]) -> Vec<NodeId> {
    let mut args = args.to_vec();
    if matches!(op, Op::Map(op) if op.commutes()) {
        args.sort_unstable();
    }
    args
}

/// Equal, and with the same bits: 0 and -0 differ, a NaN is itself.
fn same_op(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Literal(Literal::Scalar(a)), Op::Literal(Literal::Scalar(b)))
        | (Op::Gradient(Gradient::ClipGrad(a)), Op::Gradient(Gradient::ClipGrad(b))) => same(a, b),
        (Op::Literal(Literal::Array(a)), Op::Literal(Literal::Array(b))) => all_same(a, b),
        (a, b) => a == b,
    }
}

fn same(a: &Const, b: &Const) -> bool {
    match (a, b) {
        (Const::Number(a), Const::Number(b)) => a.to_bits() == b.to_bits(),
        (Const::Apply(f, a), Const::Apply(g, b)) => f == g && all_same(a, b),
        (a, b) => a == b,
    }
}

fn all_same(a: &[Const], b: &[Const]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

fn hash(op: &Op, args: &[NodeId], shape: &Shape) -> u64 {
    let mut state = DefaultHasher::new();
    let h = &mut state;
    (discriminant(op), args, shape).hash(h);
    match op {
        Op::Leaf(it) => it.hash(h),
        Op::Map(it) => it.hash(h),
        Op::Contract(it) => it.hash(h),
        Op::Along(it) => it.hash(h),
        Op::Move(it) => it.hash(h),
        Op::Indexed(it) => it.hash(h),
        Op::Literal(Literal::Scalar(it)) => hash_const(it, h),
        Op::Literal(Literal::Array(all)) => all.iter().for_each(|it| hash_const(it, h)),
        Op::Literal(it @ (Literal::Eye | Literal::Iota)) => discriminant(it).hash(h),
        // Their constants rarely differ.
        Op::Gradient(it) => discriminant(it).hash(h),
    }
    state.finish()
}

fn hash_const(value: &Const, h: &mut DefaultHasher) {
    discriminant(value).hash(h);
    match value {
        Const::Number(value) => value.to_bits().hash(h),
        Const::Size(dim) => dim.hash(h),
        Const::Hyper(name) => name.hash(h),
        Const::Apply(op, args) => {
            op.hash(h);
            args.iter().for_each(|it| hash_const(it, h));
        }
    }
}
