//! Sums of products with matrices that are the same for all rows: one product computes the whole
//! sum, and what has no matrix is where it begins.

use super::flow::{Flow, Levels};
use crate::ir::{Graph, NodeId, Op, Pointwise};

/// One product of a sum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Term {
    /// The product.
    pub product: NodeId,
    /// What differs from row to row.
    pub value: NodeId,
    /// What does not.
    pub matrix: NodeId,
    /// Whether it is taken away.
    pub negative: bool,
}

/// A node that is a sum of products, and of one more value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinearSum {
    /// The node.
    pub node: NodeId,
    /// Its products, by their values.
    pub terms: Vec<Term>,
    /// What else is added.
    pub added: Option<NodeId>,
}

impl LinearSum {
    /// What its products multiply.
    pub fn values(&self) -> impl Iterator<Item = NodeId> {
        self.terms.iter().map(|it| it.value)
    }
}

/// The product of a value of each row with a matrix that is the same for all. The value's axes are
/// all summed, in the order in which they stand, so that a row of it is a row of the product.
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
            sums[part.idx()].clone().filter(|_| is_inner && together)
        };
        let args = &graph.node(id).args;
        let sum = if let Op::Map(Pointwise::Neg) = graph.node(id).op {
            free(args[0]).filter(|it| it.added.is_none()).map(negative)
        } else if let Op::Map(Pointwise::Add) = graph.node(id).op {
            join((args[0], free(args[0])), (args[1], free(args[1])))
        } else if let Op::Map(Pointwise::Sub) = graph.node(id).op {
            match free(args[1]).filter(|it| it.added.is_none()) {
                Some(taken) => join((args[0], free(args[0])), (args[1], Some(negative(taken)))),
                None => None,
            }
        } else {
            None
        };
        if let Some(mut sum) = sum {
            for arg in args.iter().filter(|it| sum.added != Some(**it)) {
                absorbed[arg.idx()] = true;
            }
            sum.node = id;
            sum.terms.sort_by_key(|it| it.value);
            sums[id.idx()] = Some(sum);
        }
    }
    Sums { sums, absorbed }
}

fn negative(mut sum: LinearSum) -> LinearSum {
    sum.terms.iter_mut().for_each(|it| it.negative = !it.negative);
    sum
}

type Part = (NodeId, Option<LinearSum>);

/// The sum of two values of which at least one is a sum of products.
fn join(a: Part, b: Part) -> Option<LinearSum> {
    match (a, b) {
        ((_, Some(mut a)), (_, Some(b))) if a.added.is_none() || b.added.is_none() => {
            a.terms.extend(b.terms);
            a.added = a.added.or(b.added);
            Some(a)
        }
        // Only one value can be added: one of the sums is that.
        ((a, Some(_)), (_, Some(b))) if b.added.is_none() => {
            Some(LinearSum { added: Some(a), ..b })
        }
        ((_, Some(sum)), (other, _)) | ((other, None), (_, Some(sum))) => {
            sum.added.is_none().then_some(LinearSum { added: Some(other), ..sum })
        }
        ((_, None), (_, None)) => None,
    }
}
