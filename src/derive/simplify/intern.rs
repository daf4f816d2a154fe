//! Finding a node that is already there.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

use crate::ir::{Const, Gradient, Graph, Literal, NodeId, Op, Shape};

/// Nodes by a hash of what they are. It is asked and never walked, so its order shows nowhere.
#[derive(Default)]
pub(super) struct Interner {
    /// The last node with each hash.
    last: HashMap<u64, NodeId>,
    /// For each node the one before with the same hash.
    before: Vec<Option<NodeId>>,
}

impl Interner {
    /// Returns a node with this operator, these operands and this shape; for one that is new, the hash that [`Interner::insert`]
    /// wants.
    pub fn find(
        &self,
        graph: &Graph,
        op: &Op,
        args: &[NodeId],
        shape: &Shape,
    ) -> Result<NodeId, u64> {
        let hash = hash(op, args, shape);
        // Each clips the adjoint of its own users, not the sum of all.
        if matches!(op, Op::Gradient(Gradient::ClipGrad(_))) {
            return Err(hash);
        }
        let mut at = self.last.get(&hash).copied();
        while let Some(id) = at {
            let node = graph.node(id);
            if node.shape == *shape && same_op(&node.op, op) && same_args(op, &node.args, args) {
                return Ok(id);
            }
            at = self.before[id.idx()];
        }
        Err(hash)
    }

    /// Makes the newest node known by its hash.
    pub fn insert(&mut self, id: NodeId, hash: u64) {
        self.before.push(self.last.insert(hash, id));
        debug_assert_eq!(self.before.len(), id.idx() + 1);
    }
}

/// Returns the two operands in an order of their own, where theirs does not matter.
fn unordered(op: &Op, args: &[NodeId]) -> Option<(NodeId, NodeId)> {
    let &[a, b] = args else { return None };
    matches!(op, Op::Map(op) if op.commutes()).then(|| (a.min(b), a.max(b)))
}

fn same_args(op: &Op, a: &[NodeId], b: &[NodeId]) -> bool {
    a == b || unordered(op, a).is_some_and(|it| Some(it) == unordered(op, b))
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
    (discriminant(op), shape).hash(h);
    match unordered(op, args) {
        Some(args) => args.hash(h),
        None => args.hash(h),
    }
    match op {
        Op::Leaf(it) => it.hash(h),
        Op::Map(it) => it.hash(h),
        Op::Contract(it) => it.hash(h),
        Op::Along(it) => it.hash(h),
        Op::Move(it) => it.hash(h),
        Op::Indexed(it) => it.hash(h),
        Op::Choice(it) => it.hash(h),
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
