//! `where`: the branch that is not taken must give exactly 0 to the gradient, even where its own derivative is NaN.
//!
//! What the expression written in a branch reads from outside is therefore guarded at its entry: the adjoint that leaves the
//! branch there is cut to 0 wherever the condition did not choose the branch.
//!
//! Element by element that is exact. A value that reaches the branch's result through anything but elementwise operations (a
//! product, a softmax, a slice) counts for other elements than its own; it is cut only when the branch is taken nowhere.

use std::collections::BTreeMap;

use super::operands::{Embedding, embed};
use super::{Lower, Operand, Scope, Value};
use crate::hir::Expr;
use crate::ir::{Along, Const, Gradient, Literal, NodeId, Op, Pointwise, Reduction, Shape};
use crate::text::Span;

/// A branch that is being lowered.
pub(super) struct Branch {
    /// Nodes before this one come from outside.
    first: usize,
    /// 1 where the branch is taken, else 0.
    taken: NodeId,
    /// The condition in other shapes, and whether it holds anywhere.
    adapted: BTreeMap<Shape, (NodeId, Option<NodeId>)>,
    /// The nodes that were guarded already, and their guards.
    guarded: BTreeMap<NodeId, NodeId>,
    /// The guards, each with the condition that it gets when its value does not stay in place.
    anywhere: Vec<(NodeId, NodeId)>,
}

impl Lower<'_, '_> {
    /// `where(cond, a, b)`
    pub(super) fn select(
        &mut self,
        exprs: [&Expr<'_>; 3],
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let [cond, yes, no] = exprs;
        let cond = self.operand(cond, scope);
        if let Some(Operand { value: Value::Constant(constant, _), .. }) = &cond
            && let Some(value) = self.hypers.numbers.value(constant)
        {
            let (taken, other) = if value != 0.0 { (yes, no) } else { (no, yes) };
            if self.names.types.is_some() {
                self.unseen(other, scope);
            }
            return self.expr(taken, scope);
        }
        let Some(cond) = cond.filter(|it| self.numeric(it).is_some()) else {
            // Both branches are looked at all the same, for what is wrong in them.
            self.expr(yes, scope);
            self.expr(no, scope);
            return None;
        };
        let taken = self.truth(&cond);
        let yes = self.branch(yes, taken, scope);
        let ones = Const::Number(1.0);
        let shape = self.graph.shape(taken).clone();
        let one = self.add(Literal::Scalar(ones), Vec::new(), Shape::scalar(), cond.shown.span());
        let one = self.fill(one, &shape, cond.shown.span());
        let not_taken = self.graph.map(Pointwise::Sub, &[one, taken], cond.shown.span());
        self.note();
        let no = self.branch(no, not_taken, scope);
        self.pointwise(Pointwise::Where, &[cond, yes?, no?], span)
    }

    /// Lowers what nobody computes, for its types alone.
    fn unseen(&mut self, expr: &Expr<'_>, scope: &Scope<'_>) {
        let (n_faults, is_wrong, fixed) = (self.sink.len(), self.is_wrong, self.fixed.clone());
        self.expr(expr, scope);
        self.sink.truncate(n_faults);
        (self.is_wrong, self.fixed) = (is_wrong, fixed);
    }

    fn branch<'e>(
        &mut self,
        expr: &Expr<'e>,
        taken: NodeId,
        scope: &Scope<'_>,
    ) -> Option<Operand<'e>> {
        let first = self.graph.nodes().len();
        self.branches.push(Branch {
            first,
            taken,
            adapted: BTreeMap::new(),
            guarded: BTreeMap::new(),
            anywhere: Vec::new(),
        });
        let operand = self.operand(expr, scope);
        if let Some(branch) = self.branches.pop() {
            self.loosen(&branch);
        }
        operand
    }

    /// Gives the guards whose value moves to other elements within the branch the condition "taken anywhere".
    fn loosen(&mut self, branch: &Branch) {
        if branch.anywhere.is_empty() {
            return;
        }
        let mut moves = vec![false; self.graph.nodes().len() - branch.first];
        for idx in (0..moves.len()).rev() {
            let node = &self.graph.nodes()[branch.first + idx];
            let in_place = node.op.keeps_places();
            if moves[idx] || !in_place {
                for arg in node.args.iter().filter(|it| it.idx() >= branch.first) {
                    moves[arg.idx() - branch.first] = true;
                }
            }
        }
        for (guard, anywhere) in &branch.anywhere {
            if moves[guard.idx() - branch.first] {
                self.graph.replace_operand(*guard, 0, *anywhere);
            }
        }
    }

    /// Returns the condition as 0 or 1.
    fn truth(&mut self, cond: &Operand<'_>) -> NodeId {
        let span = cond.shown.span();
        let node = self.node(&cond.value, span);
        let op = &self.graph.node(node).op;
        let is_truth = matches!(op, Op::Map(op) if op.is_truth())
            || matches!(op, Op::Literal(Literal::Scalar(Const::Apply(op, _))) if op.is_truth());
        if is_truth {
            return node;
        }
        let shape = self.graph.shape(node).clone();
        let zero = self.add(Literal::Scalar(Const::Number(0.0)), Vec::new(), Shape::scalar(), span);
        let zero = self.fill(zero, &shape, span);
        let truth = self.graph.map(Pointwise::NotEqual, &[node, zero], span);
        self.note();
        truth
    }

    /// Guards a value that enters the branches being lowered. `origin` is the value before it was repeated to the shape that is
    /// needed: it tells from where the value comes.
    pub(super) fn guard(&mut self, origin: NodeId, value: NodeId, span: Span) -> NodeId {
        if self.branches.is_empty() || !self.varies[origin.idx()] {
            return value;
        }
        // A leaf belongs to no branch, although its node may have been made when a branch first read it.
        let leaf = self.graph.node(origin).op.is_leaf_of_step();
        let mut value = value;
        for idx in 0..self.branches.len() {
            if leaf || origin.idx() < self.branches[idx].first {
                value = self.guard_once(idx, value, span);
            }
        }
        value
    }

    fn guard_once(&mut self, branch: usize, value: NodeId, span: Span) -> NodeId {
        if let Some(guarded) = self.branches[branch].guarded.get(&value) {
            return *guarded;
        }
        let shape = self.graph.shape(value).clone();
        let (taken, anywhere) = match self.branches[branch].adapted.get(&shape) {
            Some(adapted) => *adapted,
            None => {
                let condition = self.branches[branch].taken;
                let adapted =
                    (self.adapt(condition, &shape, span), self.anywhere(condition, &shape, span));
                self.branches[branch].adapted.insert(shape.clone(), adapted);
                adapted
            }
        };
        let guarded = self.add(Gradient::Guard, vec![taken, value], shape, span);
        self.branches[branch].guarded.insert(value, guarded);
        if let Some(anywhere) = anywhere {
            self.branches[branch].anywhere.push((guarded, anywhere));
        }
        guarded
    }

    /// Returns a condition that is true if the branch is taken for any element, in a shape; a scalar condition is its own.
    fn anywhere(&mut self, taken: NodeId, shape: &Shape, span: Span) -> Option<NodeId> {
        let rank = self.graph.shape(taken).rank();
        if rank == 0 {
            return None;
        }
        let reduced = Op::Along(Along::Reduce(Reduction::Max, (0..rank).collect()));
        let node = self.add(reduced, vec![taken], Shape::scalar(), span);
        Some(self.fill(node, shape, span))
    }

    /// Returns a condition in another shape: taken anywhere along the axes that the shape lacks, the same along those it adds.
    fn adapt(&mut self, taken: NodeId, shape: &Shape, span: Span) -> NodeId {
        let axes = self.graph.shape(taken).axes().to_vec();
        let lacking = |axis: &crate::ir::Dim| !shape.axes().contains(axis);
        let mut reduced: Vec<usize> = (0..axes.len()).filter(|it| lacking(&axes[*it])).collect();
        let kept: Vec<_> = axes.iter().filter(|it| !lacking(it)).cloned().collect();
        let (kept, places) = match embed(&Shape(kept.clone()), shape) {
            Embedding::One(places) => (kept, places),
            // In doubt the branch counts as taken for all when it is taken for one.
            Embedding::None | Embedding::Many => {
                reduced = (0..axes.len()).collect();
                (Vec::new(), Vec::new())
            }
        };
        let mut node = taken;
        if !reduced.is_empty() {
            node = self.add(Along::Reduce(Reduction::Max, reduced), vec![node], Shape(kept), span);
        }
        self.expand(node, places, shape, span)
    }
}
