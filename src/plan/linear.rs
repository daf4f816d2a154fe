//! Sums of products with matrices that are the same for all rows: one product computes the whole
//! sum, and what has no matrix is where it begins.

use super::flow::{Flow, Levels};
use crate::ir::{Graph, NodeId, Op, Pointwise};

/// One product of a sum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Term {
    /// The product.
    pub product: NodeId,
    /// The operand that differs from row to row.
    pub value: NodeId,
    /// The loop-invariant operand.
    pub matrix: NodeId,
    /// True if it is subtracted.
    pub negative: bool,
}

/// A node that is a sum of products, and of one more value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinearSum {
    /// The node.
    pub node: NodeId,
    /// Its products, by their values.
    pub terms: Vec<Term>,
    /// The other terms of the sum.
    pub added: Option<NodeId>,
}

impl LinearSum {
    /// Lists the operands that its products multiply.
    pub fn values(&self) -> impl Iterator<Item = NodeId> {
        self.terms.iter().map(|it| it.value)
    }
}

/// Returns the product of a value of each row with a matrix that is the same for all. The value's axes are all summed, in their
/// order, so that a row of it is a row of the product.
pub(super) fn product(graph: &Graph, id: NodeId, once: &[bool]) -> Option<Term> {
    let Op::Contract(labels) = &graph.node(id).op else { return None };
    let [a, b] = graph.node(id).args[..] else { return None };
    let (value, matrix, own, other) = match (once[a.idx()], once[b.idx()]) {
        (false, true) => (a, b, &labels.left, &labels.right),
        (true, false) => (b, a, &labels.right, &labels.left),
        (true, true) | (false, false) => return None,
    };
    let summed = own.iter().all(|it| !labels.result.contains(it) && other.contains(it));
    let is_product = summed && !own.is_empty();
    is_product.then_some(Term { product: id, value, matrix, negative: false })
}

/// The sums of a pass, and the nodes that are computed as parts of them.
pub(super) struct Sums {
    pub sums: Vec<Option<LinearSum>>,
    pub absorbed: Vec<bool>,
}

/// Finds the sums of products. Only what one sum alone reads is computed within it.
pub(super) fn sums(flow: &Flow<'_>, levels: &Levels) -> Sums {
    let graph = flow.graph;
    let n = graph.nodes().len();
    let mut uses = vec![0u32; n];
    for id in graph.ids().filter(|it| levels.needed[it.idx()]) {
        graph.node(id).args.iter().for_each(|it| uses[it.idx()] += 1);
    }
    let from_outside = flow.next.iter().flatten();
    from_outside.for_each(|it| uses[it.idx()] += 1);
    let mut sums: Vec<Option<LinearSum>> = vec![None; n];
    let mut absorbed = vec![false; n];
    for id in graph.ids() {
        if !levels.needed[id.idx()] || flow.once[id.idx()] {
            continue;
        }
        if let Some(term) = product(graph, id, &flow.once) {
            sums[id.idx()] = Some(LinearSum { node: id, terms: vec![term], added: None });
            continue;
        }
        let free = |part: NodeId| {
            let is_inner = uses[part.idx()] == 1 && !flow.wanted[part.idx()];
            let together = levels.level[part.idx()] == levels.level[id.idx()]
                && levels.loop_of[part.idx()] == levels.loop_of[id.idx()];
            is_inner && together
        };
        // Whether one of the operands is a sum of products, and whether it adds something else.
        let found = |it: NodeId| {
            let sum = sums[it.idx()].as_ref().filter(|_| free(it));
            sum.map(|it| it.added.is_some())
        };
        let args = &graph.node(id).args;
        let (fits, minus) = if let Op::Map(Pointwise::Neg) = graph.node(id).op {
            (found(args[0]) == Some(false), Some(0))
        } else if let Op::Map(Pointwise::Add) = graph.node(id).op {
            // Only one value can be added.
            let fits = match (found(args[0]), found(args[1])) {
                (Some(a), Some(b)) => !a || !b,
                (Some(adds), None) | (None, Some(adds)) => !adds,
                (None, None) => false,
            };
            (fits, None)
        } else if let Op::Map(Pointwise::Sub) = graph.node(id).op {
            (found(args[1]) == Some(false), Some(1))
        } else {
            (false, None)
        };
        if !fits {
            continue;
        }
        let mut sum = LinearSum { node: id, terms: Vec::new(), added: None };
        for (position, arg) in args.iter().enumerate() {
            // Parts are taken and not copied: a sum may be long.
            let part = if free(*arg) { sums[arg.idx()].take() } else { None };
            let Some(mut part) = part else {
                sum.added = Some(*arg);
                continue;
            };
            absorbed[arg.idx()] = true;
            if minus == Some(position) {
                part.terms.iter_mut().for_each(|it| it.negative = !it.negative);
            }
            sum.added = sum.added.or(part.added);
            match sum.terms.is_empty() {
                true => sum.terms = part.terms,
                false => sum.terms.append(&mut part.terms),
            }
        }
        sums[id.idx()] = Some(sum);
    }
    sums.iter_mut().flatten().for_each(|it| it.terms.sort_by_key(|it| it.value));
    Sums { sums, absorbed }
}
