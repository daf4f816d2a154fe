//! Writing derived graphs: leaves that read the forward graph, and formulas that come out as a
//! person would write them.

use super::active::varying;
use super::infinite::Infinite;
use crate::ir::pointwise::{Row, Slope, write_slope};
use crate::ir::{
    Along, Cell, Const, Graph, Leaf, Literal, Move, Node, NodeId, Op, Pointwise, Reduction, Shape,
};
use crate::text::Span;

/// A derived graph in the making.
pub(super) struct Builder<'f> {
    /// The graph that it is derived from.
    pub forward: &'f Graph,
    /// The derived graph.
    pub graph: Graph,
    /// The table with the derivatives of elementwise operators.
    table: &'f [Row],
    /// The forward nodes that have a derivative.
    pub varies: Vec<bool>,
    /// The places where derivatives may be infinite.
    pub infinite: Infinite,
    /// The derived node that has the value of a forward node.
    kept: Vec<Option<NodeId>>,
}

impl<'f> Builder<'f> {
    /// For a graph of a cell.
    pub fn new(cell: &Cell, forward: &'f Graph, table: &'f [Row]) -> Builder<'f> {
        let varies = varying(cell, forward);
        let infinite = Infinite::of(cell, forward, &varies);
        let kept = vec![None; forward.nodes().len()];
        Builder { forward, graph: Graph::default(), table, varies, infinite, kept }
    }

    /// Returns the value that a forward node had. Leaves and constants are themselves, and so does a broadcast of them: it need
    /// not be kept. A node that only passes its operand on is read as its operand.
    pub fn value(&mut self, id: NodeId) -> NodeId {
        if let Some(known) = self.kept[id.idx()] {
            return known;
        }
        let node = self.forward.node(id);
        let value = match (&node.op, node.op.hands_on()) {
            (_, Some(operand)) if node.name.is_none() => self.value(node.args[operand]),
            (Op::Move(Move::Expand(_)), _) => {
                let inner = self.value(node.args[0]);
                self.graph.push(Node { args: vec![inner], name: None, ..node.clone() })
            }
            (op, _) if op.is_leaf_of_step() || matches!(op, Op::Literal(_)) => {
                self.graph.push(Node { name: None, ..node.clone() })
            }
            (_, _) => {
                let op = Op::Leaf(Leaf::Forward(id));
                self.graph.push(Node { op, args: Vec::new(), ..node.clone() })
            }
        };
        self.kept[id.idx()] = Some(value);
        value
    }

    /// Returns the derivative of an operator by one operand; `None` where it is 0.
    pub fn slope_of(&self, op: Pointwise, position: usize) -> Option<Slope> {
        self.table[op as usize].slopes[position]
    }

    /// Returns the derivative of an elementwise forward node by one operand, in the shape of the node.
    pub fn slope(&mut self, id: NodeId, slope: Slope) -> NodeId {
        let args: Vec<NodeId> =
            self.forward.node(id).args.iter().map(|it| self.value(*it)).collect();
        let result = self.value(id);
        write_slope(&mut self.graph, slope, &args, result, self.forward.node(id).span)
    }

    pub fn shape(&self, id: NodeId) -> Shape {
        self.graph.shape(id).clone()
    }

    pub fn push(&mut self, op: impl Into<Op>, args: &[NodeId], shape: Shape, span: Span) -> NodeId {
        self.graph.add(op, args.to_vec(), shape, span)
    }

    pub fn map(&mut self, op: Pointwise, args: &[NodeId]) -> NodeId {
        let span = self.graph.node(args[0]).span;
        self.graph.map(op, args, span)
    }

    pub fn number(&mut self, value: f64, shape: &Shape, span: Span) -> NodeId {
        self.graph.number(value, shape, span)
    }

    /// Returns the number that a node is everywhere, if it is one.
    pub fn as_number(&self, id: NodeId) -> Option<f64> {
        let node = self.graph.node(id);
        match &node.op {
            Op::Literal(Literal::Scalar(Const::Number(value))) => Some(*value),
            Op::Move(Move::Expand(_)) => self.as_number(node.args[0]),
            _ => None,
        }
    }

    /// Returns the operand of a negation.
    fn negated(&self, id: NodeId) -> Option<NodeId> {
        let node = self.graph.node(id);
        matches!(node.op, Op::Map(Pointwise::Neg)).then(|| node.args[0])
    }

    pub fn neg(&mut self, value: NodeId) -> NodeId {
        match self.negated(value) {
            Some(inner) => inner,
            None => self.map(Pointwise::Neg, &[value]),
        }
    }

    /// `d` times a slope, exactly 0 where one of them is and the other may be infinite: `may_be` says
    /// which, `d` first.
    pub fn chain(&mut self, d: NodeId, slope: NodeId, may_be: [bool; 2]) -> NodeId {
        let product = if may_be[0] && self.may_vanish(slope) {
            let product = self.map(Pointwise::Mul, &[d, slope]);
            self.where_taken(slope, product, true)
        } else {
            self.times(d, slope)
        };
        if may_be[1] { self.where_taken(d, product, true) } else { product }
    }

    /// Returns true if a slope may be 0 where it is a factor; where it selects, it may.
    fn may_vanish(&self, slope: NodeId) -> bool {
        if let Some(number) = self.as_number(slope) {
            return number == 0.0;
        }
        let node = self.graph.node(slope);
        match (&node.op, &node.args[..]) {
            (Op::Map(op), _) if op.is_truth() => false,
            (Op::Map(Pointwise::Neg | Pointwise::Div), [a, ..]) => self.may_vanish(*a),
            (Op::Map(Pointwise::Mul), [a, b]) => self.may_vanish(*a) || self.may_vanish(*b),
            (Op::Map(Pointwise::Where), [_, a, b]) => {
                let taken = |it: &&NodeId| self.as_number(**it) != Some(0.0);
                [a, b].into_iter().filter(taken).any(|it| self.may_vanish(*it))
            }
            _ => true,
        }
    }

    /// Returns true if a slope is that of a piece, and 0 on others.
    fn selects(&self, slope: NodeId) -> bool {
        let node = self.graph.node(slope);
        match (&node.op, &node.args[..]) {
            (Op::Map(op), _) if op.is_truth() => true,
            (Op::Map(Pointwise::Mul), [a, b]) => self.selects(*a) || self.selects(*b),
            (Op::Map(Pointwise::Neg | Pointwise::Div), [a, ..]) => self.selects(*a),
            (Op::Map(Pointwise::Where), [_, a, b]) => {
                [a, b].iter().any(|it| self.as_number(**it) == Some(0.0) || self.selects(**it))
            }
            _ => false,
        }
    }

    /// `d` times a slope, written without needless factors and parentheses: `d * z * (1 - z)`,
    /// `2 * d * x`, `-d`, `d / b`, and `where(x > 0, d, 0)` where the slope is that of a piece: an
    /// infinite `d` times 0 would be a NaN.
    pub fn times(&mut self, d: NodeId, slope: NodeId) -> NodeId {
        match self.as_number(slope) {
            Some(0.0) => return slope,
            Some(1.0) => return d,
            Some(-1.0) => return self.neg(d),
            Some(_) => return self.map(Pointwise::Mul, &[slope, d]),
            None => {}
        }
        let selects = self.selects(slope);
        let node = self.graph.node(slope);
        match (&node.op, node.args.as_slice()) {
            (Op::Map(op), _) if op.is_truth() => self.where_taken(slope, d, true),
            (Op::Map(Pointwise::Where), &[cond, yes, no]) if selects => {
                let (yes, no) = (self.times(d, yes), self.times(d, no));
                self.map(Pointwise::Where, &[cond, yes, no])
            }
            (Op::Map(Pointwise::Mul), &[left, right]) => {
                let first = self.times(d, left);
                self.times(first, right)
            }
            (Op::Map(Pointwise::Div), &[left, right]) => {
                let first = self.times(d, left);
                match self.negated(first) {
                    Some(inner) => {
                        let quotient = self.map(Pointwise::Div, &[inner, right]);
                        self.neg(quotient)
                    }
                    None => self.map(Pointwise::Div, &[first, right]),
                }
            }
            (Op::Map(Pointwise::Neg), &[inner]) => {
                let product = self.times(d, inner);
                self.neg(product)
            }
            (_, _) => match self.negated(d) {
                Some(inner) => {
                    let product = self.map(Pointwise::Mul, &[inner, slope]);
                    self.neg(product)
                }
                None => self.map(Pointwise::Mul, &[d, slope]),
            },
        }
    }

    /// Returns the sum of terms in their order, but one without a minus first; `None` of nothing.
    pub fn sum(&mut self, terms: &[NodeId]) -> Option<NodeId> {
        let first = terms.iter().position(|it| self.negated(*it).is_none()).unwrap_or(0);
        let mut sum = *terms.get(first)?;
        for (idx, term) in terms.iter().enumerate() {
            if idx != first {
                sum = match self.negated(*term) {
                    Some(inner) => self.map(Pointwise::Sub, &[sum, inner]),
                    None => self.map(Pointwise::Add, &[sum, *term]),
                };
            }
        }
        Some(sum)
    }

    /// `value` where the condition is not 0, else exactly 0; or the other way round.
    pub fn where_taken(&mut self, cond: NodeId, value: NodeId, taken: bool) -> NodeId {
        let shape = self.shape(value);
        let span = self.graph.node(value).span;
        let zero = self.number(0.0, &shape, span);
        let (a, b) = if taken { (value, zero) } else { (zero, value) };
        self.map(Pointwise::Where, &[cond, a, b])
    }

    /// Returns the sum along axes.
    pub fn reduce_sum(&mut self, value: NodeId, axes: &[usize]) -> NodeId {
        if axes.is_empty() {
            return value;
        }
        let shape = self.shape(value);
        let kept = shape.0.iter().enumerate().filter(|(idx, _)| !axes.contains(idx));
        let result = Shape(kept.map(|(_, axis)| axis.clone()).collect());
        let span = self.graph.node(value).span;
        self.push(Along::Reduce(Reduction::Sum, axes.to_vec()), &[value], result, span)
    }

    /// Returns the inverse of a reduction's loss of axes: repeats a value along them.
    pub fn expand_along(&mut self, value: NodeId, axes: &[usize], shape: &Shape) -> NodeId {
        let places = (0..shape.rank()).filter(|it| !axes.contains(it)).collect();
        let span = self.graph.node(value).span;
        self.graph.expand(value, places, shape.clone(), span)
    }
}
