//! The graph: an append-only arena of typed nodes, operands before users.
//!
//! Passes build a new graph; none edits one in place. Nodes know their shape in symbolic dims, the
//! place in the source and, where the user gave one, a name.

use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::constant::Const;
use super::dim::{Dim, Shape};
use super::op::{Literal, Move, Op};
use super::pointwise::Pointwise;
use crate::text::{Name, Span, work};

/// A node of one graph, by its position.
#[derive(Clone, Copy, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl PartialEq for NodeId {
    #[inline]
    fn eq(&self, other: &NodeId) -> bool {
        work::count();
        self.0 == other.0
    }
}

impl Hash for NodeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl NodeId {
    /// Returns the position in [`Graph::nodes`].
    pub fn idx(self) -> usize {
        self.0 as usize
    }
}

/// One operation and its result.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// The operator.
    pub op: Op,
    /// The operands; all come before this node.
    pub args: Vec<NodeId>,
    /// The shape of the result.
    pub shape: Shape,
    /// The user's name for it, such as `r` or `n[2]`, or one derived from it, such as `d_r`.
    pub name: Option<Name>,
    /// The place in the source that it came from.
    pub span: Span,
}

/// An append-only list of nodes in topological order.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    /// Appends a node. Its operands must already be there, so the order stays topological.
    pub fn push(&mut self, node: Node) -> NodeId {
        debug_assert!(node.args.iter().all(|it| it.idx() < self.nodes.len()));
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// Returns all nodes, operands first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the nodes themselves.
    pub fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// Returns the node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        work::count();
        &self.nodes[id.idx()]
    }

    /// Returns the shape of a node.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.nodes[id.idx()].shape
    }

    /// Returns all ids, operands first.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId).inspect(|_| work::count())
    }

    /// Gives a node a name that it did not have.
    pub fn set_name(&mut self, id: NodeId, name: Name) {
        self.nodes[id.idx()].name.get_or_insert(name);
    }

    /// Puts an earlier value in place of an operand, while the graph is being built.
    pub fn replace_operand(&mut self, id: NodeId, operand: usize, value: NodeId) {
        debug_assert!(value < id && self.shape(value) == self.shape(self.node(id).args[operand]));
        self.nodes[id.idx()].args[operand] = value;
    }

    /// Returns a node without a name.
    pub fn add(
        &mut self,
        op: impl Into<Op>,
        args: Vec<NodeId>,
        shape: Shape,
        span: Span,
    ) -> NodeId {
        self.push(Node { op: op.into(), args, shape, name: None, span })
    }

    /// Returns a scalar constant.
    pub fn constant(&mut self, value: Const, span: Span) -> NodeId {
        self.add(Literal::Scalar(value), Vec::new(), Shape::scalar(), span)
    }

    /// Returns an elementwise operation; the operands must have one shape, which the result has too.
    pub fn map(&mut self, op: Pointwise, args: &[NodeId], span: Span) -> NodeId {
        debug_assert_eq!(args.len(), op.arity());
        let shape = self.shape(args[0]).clone();
        debug_assert!(args.iter().all(|it| *self.shape(*it) == shape), "{op:?} of unlike shapes");
        self.add(Op::Map(op), args.to_vec(), shape, span)
    }

    /// Repeats a value along new axes: axis `k` of the operand becomes axis `places[k]` of the
    /// result, `places` ascending. Gives the operand back when nothing changes.
    pub fn expand(
        &mut self,
        value: NodeId,
        places: Vec<usize>,
        shape: Shape,
        span: Span,
    ) -> NodeId {
        if places.len() == shape.rank() {
            return value;
        }
        self.add(Move::Expand(places), vec![value], shape, span)
    }

    /// Returns a scalar repeated to a shape.
    pub fn fill(&mut self, scalar: NodeId, shape: &Shape, span: Span) -> NodeId {
        self.expand(scalar, Vec::new(), shape.clone(), span)
    }

    /// Returns a number repeated to a shape.
    pub fn number(&mut self, value: f64, shape: &Shape, span: Span) -> NodeId {
        let scalar = self.constant(Const::Number(value), span);
        self.fill(scalar, shape, span)
    }

    /// Returns the size of a dim as a scalar.
    pub fn size(&mut self, dim: &Dim, span: Span) -> NodeId {
        self.constant(Const::Size(dim.clone()), span)
    }
}
