//! `prev`: the leaf of an old value, and the chain of carries through which it passes.

use super::{Lower, Phase, Scope, Value};
use crate::check::names::Kind;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Dim, NodeId, Op, Pointwise, Shape, TIME};
use crate::syntax::ast::{Expr, Ident};
use crate::text::Span;

/// More steps than anybody looks back through a chain of copies.
const MOST_BACK: i64 = 100_000;

/// What is carried beside the states.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::check) enum Of {
    /// The past of a definition.
    Def(usize),
    /// The number of the step.
    Time,
}

/// A carried value that is not a state's last one: the past of something.
#[derive(Clone, Debug)]
pub(in crate::check) struct Past {
    pub of: Of,
    /// How many steps ago.
    pub back: u32,
    pub shape: Shape,
    pub index: Option<Dim>,
    /// The leaf that reads it.
    pub leaf: NodeId,
    /// Where it was asked for.
    pub span: Span,
}

impl Lower<'_, '_> {
    /// `prev NAME` or `prev(NAME, k)`.
    pub(super) fn past(
        &mut self,
        name: &Ident,
        steps: Option<&Expr>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        let back = match steps {
            None => 1,
            Some(steps) => match self.count(steps, scope, "the distance of `prev`") {
                Some(back @ 1..=MOST_BACK) => back as u32,
                Some(back) if back >= 1 => {
                    let message = format!("`prev` goes back at most {MOST_BACK} steps");
                    return self.fail(Diagnostic::new(Code::TooLarge, steps.span, message));
                }
                Some(back) => {
                    let message = format!("`prev` goes back at least 1 step, not {back}");
                    let fault = Diagnostic::new(Code::ConstantOutOfRange, steps.span, message);
                    let fault = match back {
                        0 => fault.help(format!("the value of this step is `{}`", name.name)),
                        _ => fault.help("a cell cannot look ahead"),
                    };
                    return self.fail(fault);
                }
                None => return self.poison(),
            },
        };
        let Some((idx, def)) = self.names.find(&name.name) else { return self.poison() };
        let (shape, index) = match &def.kind {
            Kind::State { .. } => (def.shape.clone(), None),
            Kind::Input { index, .. } => (def.shape.clone(), index.clone()),
            Kind::Value(_) => match self.inferred.get(&idx).cloned() {
                Some((shape, index)) => (Some(shape), index),
                None => (None, None),
            },
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Later => (None, None),
        };
        let Some(shape) = shape else { return self.poison() };
        let leaf = self.past_leaf(idx, back, &shape, index.as_ref(), span);
        match index {
            Some(dim) => Value::Index(leaf, dim),
            None => Value::Node(leaf),
        }
    }

    /// The leaf of an old value, and those of all younger ones, through which it passes.
    pub(super) fn past_leaf(
        &mut self,
        def: usize,
        back: u32,
        shape: &Shape,
        index: Option<&Dim>,
        span: Span,
    ) -> NodeId {
        if let Some(leaf) = self.past_leaves.get(&(def, back)) {
            return *leaf;
        }
        let known =
            self.past_leaves.range((def, 0)..(def, back)).next_back().map_or(0, |it| it.0.1);
        let found = &self.names.defs[def];
        let is_state = matches!(found.kind, Kind::State { .. });
        let (name, slot) = (&found.name.name, found.slot);
        let mut leaf = NodeId(0);
        for back in known + 1..=back {
            let carry = if is_state && back == 1 { slot } else { self.n_states + self.pasts.len() };
            leaf = self.add(Op::Carry(carry), Vec::new(), shape.clone(), span);
            let name =
                if is_state && back == 1 { name.clone() } else { format!("{name}.{back}").into() };
            self.graph.set_name(leaf, name);
            self.past_leaves.insert((def, back), leaf);
            if !(is_state && back == 1) {
                let (shape, index) = (shape.clone(), index.cloned());
                self.pasts.push(Past { of: Of::Def(def), back, shape, index, leaf, span });
            }
        }
        leaf
    }

    /// `time()`: the number of the step, carried as one more past.
    pub(super) fn time(&mut self, span: Span) -> Value {
        if !matches!(self.phase, Phase::Step | Phase::Shapes) {
            return self.poison();
        }
        if let Some(leaf) = self.time {
            return Value::Node(leaf);
        }
        let carry = self.n_states + self.pasts.len();
        let leaf = self.add(Op::Carry(carry), Vec::new(), Shape::scalar(), span);
        self.graph.set_name(leaf, TIME.into());
        let shape = Shape::scalar();
        self.pasts.push(Past { of: Of::Time, back: 1, shape, index: None, leaf, span });
        self.time = Some(leaf);
        Value::Node(leaf)
    }

    /// The number of the next step.
    pub(in crate::check) fn next_time(&mut self, leaf: NodeId, span: Span) -> NodeId {
        let one = self.node(&Value::number(1.0), span);
        self.add(Op::Map(Pointwise::Add), vec![leaf, one], Shape::scalar(), span)
    }

    /// The node of an input's or a value's new value.
    pub(in crate::check) fn leaf_or_value(&mut self, def: usize) -> Option<NodeId> {
        let value = match &self.names.defs[def].kind {
            Kind::Input { .. } => self.leaf(def),
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Value(_)
            | Kind::Later => self.values[def].clone()?,
        };
        match value {
            Value::Node(node) | Value::Index(node, _) => Some(node),
            Value::Poison | Value::Constant(..) => None,
        }
    }

    /// The leaf of a state's last value, if it was read.
    pub(in crate::check) fn state_leaf(&mut self, def: usize, shape: &Shape, span: Span) -> NodeId {
        self.past_leaf(def, 1, shape, None, span)
    }
}
