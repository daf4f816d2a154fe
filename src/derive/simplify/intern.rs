//! Finding a node that is already there.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

use crate::ir::{Const, Graph, NodeId, Op, Pointwise, Shape};

/// Nodes by a hash of what they are. It is asked and never walked, so its order shows nowhere.
#[derive(Default)]
pub(super) struct Interner(HashMap<u64, Vec<NodeId>>);

impl Interner {
    /// A node with this operator, these operands and this shape.
    pub fn find(&self, graph: &Graph, op: &Op, args: &[NodeId], shape: &Shape) -> Option<NodeId> {
        // Each clips the adjoint of its own users, not the sum of all.
        if matches!(op, Op::ClipGrad(_)) {
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
    use Pointwise::{Add, Equal, LogAddExp, Max, Min, Mul, NotEqual};
    let mut args = args.to_vec();
    if matches!(op, Op::Map(Add | Mul | Max | Min | Equal | NotEqual | LogAddExp)) {
        args.sort_unstable();
    }
    args
}

/// Equal, and with the same bits: 0 and -0 differ, a NaN is itself.
fn same_op(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Constant(a), Op::Constant(b)) | (Op::ClipGrad(a), Op::ClipGrad(b)) => same(a, b),
        (Op::Array(a), Op::Array(b)) => all_same(a, b),
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
    discriminant(op).hash(&mut state);
    args.hash(&mut state);
    shape.hash(&mut state);
    let h = &mut state;
    match op {
        Op::Input(idx)
        | Op::Carry(idx)
        | Op::Param(idx)
        | Op::Mask(idx)
        | Op::OutputAdjoint(idx)
        | Op::CarryAdjoint(idx)
        | Op::Concat(idx) => idx.hash(h),
        Op::Constant(value) | Op::ClipGrad(value) => hash_const(value, h),
        Op::Array(values) => values.iter().for_each(|it| hash_const(it, h)),
        Op::Forward(id) => id.hash(h),
        Op::Tangent(source) => source.hash(h),
        Op::Map(op) => op.hash(h),
        Op::Expand(axes) | Op::Softmax(axes) | Op::ProductOfOthers(axes) | Op::Permute(axes) => {
            axes.hash(h)
        }
        Op::Contract(labels) => labels.hash(h),
        Op::Reduce(reduction, axes) => (reduction, axes).hash(h),
        Op::CumSum { axis, reverse } => (axis, reverse).hash(h),
        Op::Slice { axis, from, to } => (axis, from, to).hash(h),
        Op::Pad { axis, before, after } => (axis, before, after).hash(h),
        Op::Pick(index) | Op::Place(index) => index.hash(h),
        Op::Eye
        | Op::Iota
        | Op::Stack
        | Op::Reshape
        | Op::Lookup
        | Op::Scatter
        | Op::Guard
        | Op::Declared
        | Op::StopGrad => {}
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
