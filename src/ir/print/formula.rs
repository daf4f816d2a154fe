//! Nodes as formulas in the notation of the language.
//!
//! Named nodes are called by their name, others are written out where they are used; what is used
//! more than once, or would be too long, gets a name such as `t1`. A broadcast is invisible where
//! the language would find the same one by itself.

use std::collections::BTreeSet;

use super::product::contract;
use super::text::{Level, Text, apply, call, constant, dim, over};
use crate::ir::{
    Along, Choice, Gradient, Graph, Indexed, Literal, Move, NodeId, Op, Pointwise, Shape,
};

/// Formulas of more operators than this are cut in pieces.
const MAX_SIZE: usize = 40;

/// Writes the nodes of one graph.
pub(crate) struct Formulas<'g> {
    graph: &'g Graph,
    /// Returns the name of a leaf.
    leaf: Box<dyn Fn(NodeId) -> Text + 'g>,
    /// The names of other nodes.
    names: Vec<Option<String>>,
    /// The nodes that were given a name here.
    coined: Vec<NodeId>,
}

/// Selects the unnamed nodes that get names of their own.
pub(crate) enum Coin<'a> {
    /// Nodes that are used more than once; these nodes are used from outside too.
    Shared(&'a [NodeId]),
    /// These, and nothing else but what would be too long in their formulas.
    Only(&'a [NodeId]),
}

impl<'g> Formulas<'g> {
    /// `prefix` and a number make a new name; `taken` are names that are in use.
    pub fn new(
        graph: &'g Graph,
        leaf: impl Fn(NodeId) -> Text + 'g,
        coin: Coin<'_>,
        prefix: &str,
        taken: &BTreeSet<String>,
    ) -> Formulas<'g> {
        let mut all = Formulas {
            graph,
            leaf: Box::new(leaf),
            names: vec![None; graph.nodes().len()],
            coined: Vec::new(),
        };
        let count = graph.nodes().len();
        let mut uses = vec![0u32; count];
        // Without a node that leads to something written here, a name is for nobody.
        let mut wanted = vec![matches!(coin, Coin::Shared(_)); count];
        match coin {
            Coin::Shared(roots) => {
                for node in graph.nodes() {
                    node.args.iter().for_each(|it| uses[it.idx()] += 1);
                }
                roots.iter().for_each(|it| uses[it.idx()] += 1);
            }
            Coin::Only(nodes) => {
                for node in nodes {
                    uses[node.idx()] = 2;
                    wanted[node.idx()] = true;
                }
                for id in graph.ids().rev().filter(|it| graph.node(*it).name.is_none()) {
                    if wanted[id.idx()] {
                        graph.node(id).args.iter().for_each(|it| wanted[it.idx()] = true);
                    }
                }
            }
        }
        // What is invisible itself is a use of its operand each time.
        for id in graph.ids().rev() {
            let node = graph.node(id);
            if let (None, Some(inner)) = (&node.name, invisible(&node.op, &node.args)) {
                uses[inner.idx()] += uses[id.idx()].saturating_sub(1);
                uses[id.idx()] = uses[id.idx()].min(1);
            }
        }
        let mut sizes = vec![0usize; count];
        let mut number = 0;
        for id in graph.ids() {
            let node = graph.node(id);
            let size: usize = 1 + node.args.iter().map(|it| sizes[it.idx()]).sum::<usize>();
            sizes[id.idx()] = 0;
            if let (Some(name), false) = (&node.name, all.is_atom(id)) {
                all.names[id.idx()] = Some(name.to_string());
            } else if !all.is_plain(id)
                && wanted[id.idx()]
                && (uses[id.idx()] > 1 || size > MAX_SIZE)
            {
                let name = loop {
                    number += 1;
                    let name = format!("{prefix}{number}");
                    if !taken.contains(&name) {
                        break name;
                    }
                };
                all.names[id.idx()] = Some(name);
                all.coined.push(id);
            } else {
                sizes[id.idx()] = size;
            }
        }
        all
    }

    /// Returns the nodes that were given a name here, in order.
    pub fn coined(&self) -> &[NodeId] {
        &self.coined
    }

    /// Returns the name of a node, if it has one.
    pub fn name(&self, id: NodeId) -> Option<&str> {
        self.names[id.idx()].as_deref()
    }

    /// Called by what it is: leaves and constants.
    fn is_atom(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        match &node.op {
            Op::Literal(Literal::Scalar(_) | Literal::Eye | Literal::Iota) => true,
            Op::Move(Move::Expand(_)) => {
                matches!(self.graph.node(node.args[0]).op, Op::Literal(Literal::Scalar(_)))
            }
            op => op.is_leaf(),
        }
    }

    /// Written out wherever it is used, for it is as short as a name: `1 - z`, `n ^ 2`,
    /// `transpose(W)`.
    pub fn is_plain(&self, id: NodeId) -> bool {
        let node = self.graph.node(id);
        let short = |it: NodeId| self.name(it).is_some() || self.is_atom(it);
        match &node.op {
            Op::Move(Move::Expand(_) | Move::Permute(_) | Move::Pick(_))
            | Op::Gradient(Gradient::Guard) => {
                node.args.iter().all(|it| short(*it) || self.is_plain(*it))
            }
            Op::Map(Pointwise::Neg | Pointwise::Square) => short(node.args[0]),
            Op::Map(
                Pointwise::Add
                | Pointwise::Sub
                | Pointwise::Mul
                | Pointwise::Div
                | Pointwise::Less
                | Pointwise::LessEqual
                | Pointwise::Greater
                | Pointwise::GreaterEqual
                | Pointwise::Equal
                | Pointwise::NotEqual,
            ) => {
                node.args.iter().all(|it| short(*it))
                    && node.args.iter().any(|it| self.is_atom(*it) && !self.is_value(*it))
            }
            _ => self.is_atom(id),
        }
    }

    fn is_value(&self, id: NodeId) -> bool {
        self.graph.node(id).op.is_leaf()
    }

    /// Returns a node as an operand: its name, or what it is.
    pub fn operand(&self, id: NodeId) -> Text {
        match self.name(id) {
            Some(name) => Text::primary(name),
            None => self.formula(id),
        }
    }

    /// Returns the formula of a node.
    pub fn formula(&self, id: NodeId) -> Text {
        let node = self.graph.node(id);
        let args = node.args.as_slice();
        let shape = |it: usize| self.graph.shape(args[it]);
        let text = |it: usize| self.operand(args[it]).text;
        let along = |name: &str, axes: &[usize]| {
            let axes = over(shape(0), axes);
            call(name, &std::iter::once(text(0)).chain(axes).collect::<Vec<String>>())
        };
        // Along the last axis unless said otherwise.
        let cut = |name: &str, axis: usize, bounds: [String; 2]| {
            let last = axis + 1 == shape(0).rank();
            let axes = if last { None } else { over(shape(0), &[axis]) };
            call(name, &std::iter::once(text(0)).chain(bounds).chain(axes).collect::<Vec<_>>())
        };
        match &node.op {
            Op::Literal(Literal::Scalar(value)) => constant(value),
            Op::Literal(Literal::Array(values)) => {
                let items: Vec<String> = values.iter().map(|it| constant(it).text).collect();
                Text::primary(format!("[{}]", items.join(", ")))
            }
            Op::Literal(Literal::Eye) => call("eye", &[node.shape.0[0].to_string()]),
            Op::Literal(Literal::Iota) => call("iota", &[node.shape.0[0].to_string()]),
            Op::Map(op) => apply(*op, self.broadcast(args, &node.shape)),
            Op::Move(Move::Expand(places)) => self.repeated(args[0], places, &node.shape),
            Op::Contract(labels) => {
                let (a, b) = (self.operand(args[0]), self.operand(args[1]));
                contract(labels, [a, b], [shape(0), shape(1)])
            }
            Op::Along(Along::Reduce(reduction, axes)) => along(reduction.name(), axes),
            Op::Along(Along::Softmax(axes)) => along("softmax", axes),
            Op::Along(Along::ProductOfOthers(axes)) => along("prod_of_others", axes),
            Op::Along(Along::CumSum { axis, reverse: false }) => along("cumsum", &[*axis]),
            Op::Along(Along::CumSum { axis, reverse: true }) => along("cumsum_from_end", &[*axis]),
            Op::Move(Move::Permute(order)) => {
                let rank = order.len();
                let mut swapped: Vec<usize> = (0..rank).collect();
                if rank > 1 {
                    swapped.swap(rank - 1, rank - 2);
                }
                if *order == swapped {
                    call("transpose", &[text(0)])
                } else {
                    let order = order.iter().map(|it| it.to_string());
                    call("permute", &std::iter::once(text(0)).chain(order).collect::<Vec<_>>())
                }
            }
            Op::Move(Move::Concat(axis)) => {
                let axes =
                    if axis + 1 == shape(0).rank() { None } else { over(shape(0), &[*axis]) };
                let texts = args.iter().map(|it| self.operand(*it).text);
                call("concat", &texts.chain(axes).collect::<Vec<_>>())
            }
            Op::Move(Move::Stack) => {
                let texts: Vec<String> = args.iter().map(|it| self.operand(*it).text).collect();
                call("stack", &texts)
            }
            Op::Move(Move::Slice { axis, from, to }) => {
                cut("slice", *axis, [from.to_string(), to.to_string()])
            }
            Op::Move(Move::Pad { axis, before, after }) => {
                cut("pad", *axis, [before.to_string(), after.to_string()])
            }
            Op::Move(Move::Reshape) => call("reshape", &[text(0), node.shape.to_string()]),
            Op::Move(Move::Pick(index)) => {
                let value = self.operand(args[0]).at_least(Level::Primary);
                Text::primary(format!("{value}[{}]", dim(index).text))
            }
            Op::Move(Move::Place(index)) => {
                let size = node.shape.0[0].to_string();
                call("place", &[text(0), format!("{} of {size}", dim(index).text)])
            }
            Op::Indexed(Indexed::Lookup) => {
                let value = self.operand(args[0]).at_least(Level::Primary);
                Text::primary(format!("{value}[{}]", text(1)))
            }
            Op::Indexed(Indexed::Scatter) => {
                let size = node.shape.0[0].to_string();
                call("place", &[text(0), format!("{} of {size}", text(1))])
            }
            Op::Choice(Choice::ArgMax) => call("argmax", &[text(0)]),
            Op::Choice(Choice::Sample) => call("sample", &[text(0)]),
            // Only its adjoint differs from the value.
            Op::Gradient(Gradient::Guard) => self.operand(args[1]),
            Op::Gradient(Gradient::Declared) => call("with_derivative", &[text(0), text(2)]),
            Op::Gradient(Gradient::StopGrad) => call("stop_grad", &[text(0)]),
            Op::Gradient(Gradient::ClipGrad(limit)) => {
                call("clip_grad", &[text(0), constant(limit).text])
            }
            Op::Leaf(_) => (self.leaf)(id),
        }
    }

    /// Returns the operands of an elementwise node, broadcasts left out where the rules of the language put them back: some
    /// operand has all axes, and those of each other one can be found among them in one way only.
    fn broadcast(&self, args: &[NodeId], shape: &Shape) -> Vec<Text> {
        let hidden = |id: &NodeId| match &self.graph.node(*id).op {
            Op::Move(Move::Expand(places)) if self.name(*id).is_none() => {
                let inner = self.graph.node(*id).args[0];
                (embeddings(&self.graph.shape(inner).0, &shape.0) == 1).then_some((inner, places))
            }
            _ => None,
        };
        let full = args.iter().any(|it| hidden(it).is_none());
        // Of repeated values alone one must show the shape, preferably not a number.
        let carrier = (args.iter())
            .position(|it| hidden(it).is_some_and(|(inner, _)| !self.is_atom(inner)))
            .unwrap_or(0);
        let mut texts = Vec::with_capacity(args.len());
        for (idx, arg) in args.iter().enumerate() {
            texts.push(match hidden(arg) {
                Some((inner, _)) if full || idx != carrier => self.operand(inner),
                Some(_) | None => self.operand(*arg),
            });
        }
        texts
    }

    /// Returns a broadcast that has to be seen.
    fn repeated(&self, inner: NodeId, places: &[usize], shape: &Shape) -> Text {
        let value = self.operand(inner);
        let axes = |range: std::ops::Range<usize>| Shape(shape.0[range].to_vec());
        match (places, shape.rank()) {
            ([], _) => match value.text.as_str() {
                "0" => call("zeros", &[shape.to_string()]),
                "1" => call("ones", &[shape.to_string()]),
                _ => {
                    let ones = call("ones", &[shape.to_string()]);
                    apply(Pointwise::Mul, vec![value, ones])
                }
            },
            ([0], 2) => call("outer", &[value.text, format!("ones({})", axes(1..2))]),
            ([1], 2) => call("outer", &[format!("ones({})", axes(0..1)), value.text]),
            (_, _) => call("broadcast", &[value.text, format!("{shape} from {places:?}")]),
        }
    }
}

/// Returns the operand of a node that is not written: broadcasts and guards.
fn invisible(op: &Op, args: &[NodeId]) -> Option<NodeId> {
    match op {
        Op::Move(Move::Expand(_)) => Some(args[0]),
        Op::Gradient(Gradient::Guard) => Some(args[1]),
        _ => None,
    }
}

/// In how many ways axes are found among others in order, by name; at most 2 are counted.
fn embeddings(axes: &[crate::ir::Dim], all: &[crate::ir::Dim]) -> usize {
    // ways[k]: how often the first k axes were found so far.
    let mut ways = vec![0usize; axes.len() + 1];
    ways[0] = 1;
    for axis in all {
        for k in (0..axes.len()).rev() {
            if axes[k] == *axis {
                ways[k + 1] = (ways[k + 1] + ways[k]).min(2);
            }
        }
    }
    ways[axes.len()]
}
