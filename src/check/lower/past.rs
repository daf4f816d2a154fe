//! `prev`: the leaf of an old value, and the chain of carries through which it passes.

use super::{Lower, Phase, Scope, Value};
use crate::check::layer::{Of, Piece, PieceKind, Ready};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, DefKind, Expr, LayerId};
use crate::ir::{Dim, Leaf, NodeId, Op, Order, Pointwise, Shape, TIME, TIME_REVERSE};
use crate::text::Span;

/// More steps than anybody looks back through a chain of copies.
const MOST_BACK: i64 = 100_000;

/// The kinds of values that are carried.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::check) enum Carried {
    /// The past of a value.
    Past(Of),
    /// The number of the step, counted from the first one or from the last.
    Time(Order),
}

/// A carried value that is not a state's last one: the past of something.
#[derive(Clone, Debug)]
pub(in crate::check) struct Past {
    pub of: Carried,
    /// The number of steps ago.
    pub back: u32,
    pub shape: Shape,
    pub index: Option<Dim>,
    /// The leaf that reads it.
    pub leaf: NodeId,
    /// The place where it was asked for.
    pub span: Span,
}

/// Returns the name under which the number of the step is carried.
pub(in crate::check) fn time_name(order: Order) -> &'static str {
    match order {
        Order::Ascending => TIME,
        Order::Descending => TIME_REVERSE,
    }
}

impl Lower<'_, '_> {
    /// `prev NAME` or `prev(NAME, k)`.
    pub(super) fn past(
        &mut self,
        past: &hir::Past<'_>,
        steps: Option<&Expr<'_>>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let id = match past {
            hir::Past::Def(def) => *def,
            hir::Past::Part(part) => part.layer_def,
        };
        let name = self.names.def(id).name;
        let back = match steps {
            None => 1,
            Some(steps) => match self.count(steps, scope, "the distance of `prev`")? {
                back @ 1..=MOST_BACK => back as u32,
                back if back >= 1 => {
                    let message = format!("`prev` goes back at most {MOST_BACK} steps");
                    return self.fail(Diagnostic::new(Code::TooLarge, steps.span(), message));
                }
                back => {
                    let message = format!("`prev` goes back at least 1 step, not {back}");
                    let fault = Diagnostic::new(Code::ConstantOutOfRange, steps.span(), message);
                    let fault = match back {
                        0 => fault.help(format!("the value of this step is `{}`", name.name)),
                        _ => fault.help("a cell cannot look ahead"),
                    };
                    return self.fail(fault);
                }
            },
        };
        let mut of = (id, 0);
        let (shape, index) = match (past, self.names.kind(id)) {
            (hir::Past::Part(part), _) => {
                of = self.piece(part, scope)?;
                if let Some(fault) = self.not_carried(of, span) {
                    return self.fail(fault);
                }
                self.part_shape(part.layer, of.1)?
            }
            (_, DefKind::State | DefKind::Feedback | DefKind::Input) => {
                (self.names.shape(id)?.clone(), self.names.below(id).cloned())
            }
            (_, DefKind::Value(_)) => self.inferred.get(&id)?.clone(),
            (_, _) => return None,
        };
        let leaf = self.past_leaf(of, back, &shape, index.as_ref(), span);
        Some(match index {
            Some(dim) => Value::Index(leaf, dim),
            None => Value::Node(leaf),
        })
    }

    /// Returns the leaf of an old value, and those of all younger ones, through which it passes.
    pub(super) fn past_leaf(
        &mut self,
        of: Of,
        back: u32,
        shape: &Shape,
        index: Option<&Dim>,
        span: Span,
    ) -> NodeId {
        if let Some(leaf) = self.past_leaves.get(&(of, back)) {
            return *leaf;
        }
        let known = self.past_leaves.range((of, 0)..(of, back)).next_back().map_or(0, |it| it.0.1);
        let is_state = self.is_state(of);
        // Those of states of this cell are numbered from the start.
        let own = self.names.kind(of.0).is_carried();
        let (name, slot) = (self.name_of(of), self.names.slot(of.0));
        let mut leaf = NodeId(0);
        for back in known + 1..=back {
            let carry = if own && back == 1 { slot } else { self.n_states + self.pasts.len() };
            leaf = self.add(Leaf::Carry(carry), Vec::new(), shape.clone(), span);
            let name =
                if is_state && back == 1 { name.clone() } else { format!("{name}.{back}").into() };
            self.graph.set_name(leaf, name);
            self.past_leaves.insert((of, back), leaf);
            if !(own && back == 1) {
                let (shape, index) = (shape.clone(), index.cloned());
                self.pasts.push(Past { of: Carried::Past(of), back, shape, index, leaf, span });
            }
        }
        leaf
    }

    /// `time()`: the number of the step, carried as one more past; in a layer that reads backward it is counted from the end.
    pub(super) fn time(&mut self, order: Order, span: Span) -> Option<Value> {
        if !matches!(self.phase, Phase::Step | Phase::Shapes) {
            return None;
        }
        if let Some(leaf) = self.time.get(&order) {
            return Some(Value::Node(*leaf));
        }
        let carry = self.n_states + self.pasts.len();
        let leaf = self.add(Leaf::Carry(carry), Vec::new(), Shape::scalar(), span);
        self.graph.set_name(leaf, time_name(order).into());
        let (of, shape) = (Carried::Time(order), Shape::scalar());
        self.pasts.push(Past { of, back: 1, shape, index: None, leaf, span });
        self.time.insert(order, leaf);
        Some(Value::Node(leaf))
    }

    /// Returns the number of the next step.
    pub(in crate::check) fn next_time(&mut self, leaf: NodeId, span: Span) -> NodeId {
        let one = self.node(&Value::number(1.0), span);
        self.add(Op::Map(Pointwise::Add), vec![leaf, one], Shape::scalar(), span)
    }

    /// Returns the node of an input's or a value's new value.
    pub(in crate::check) fn leaf_or_value(&mut self, of: Of) -> Option<NodeId> {
        let def = of.0;
        let value = match self.names.kind(def) {
            DefKind::Input => self.leaf(def)?,
            DefKind::Layer(layer) => self.piece_value(layer, of.1)?,
            _ => self.value(def).cloned()?,
        };
        match value {
            Value::Node(node) | Value::Index(node, _) => Some(node),
            Value::Constant(..) => None,
        }
    }

    /// Returns the leaf of a state's last value, if it was read.
    pub(in crate::check) fn state_leaf(&mut self, of: Of, shape: &Shape, span: Span) -> NodeId {
        self.past_leaf(of, 1, shape, None, span)
    }

    /// Returns the layer, what it is made of and the piece of it that a value is, if it belongs to one.
    pub(in crate::check) fn piece_of(&self, of: Of) -> Option<(LayerId, &Ready<'_>, &Piece)> {
        let DefKind::Layer(layer) = self.names.kind(of.0) else { return None };
        let ready = self.names.ready(layer)?;
        Some((layer, ready, &ready.inner.pieces[of.1 % ready.inner.pieces.len()]))
    }

    /// Returns the direction of the past of a value: that of a layer as the layer reads.
    pub(in crate::check) fn order(&self, of: Carried) -> Order {
        match of {
            Carried::Time(order) => order,
            Carried::Past(of) => match self.names.kind(of.0) {
                DefKind::Layer(layer) => self.names.cell.layers[layer].order(),
                _ => Order::Ascending,
            },
        }
    }

    /// Returns true if a value is a state that is carried.
    pub(in crate::check) fn is_state(&self, of: Of) -> bool {
        match self.piece_of(of) {
            Some((_, ready, piece)) => {
                let at = of.1 % ready.inner.pieces.len();
                piece.is_carried_state() && ready.old(at).is_none()
            }
            None => self.names.kind(of.0).is_carried(),
        }
    }

    /// Returns the reason for which a piece of a layer has no past.
    fn not_carried(&self, of: Of, span: Span) -> Option<Diagnostic> {
        let (_, ready, piece) = self.piece_of(of)?;
        let name = self.name_of(of);
        if let PieceKind::Param(_)
        | PieceKind::Mask(_)
        | PieceKind::Computed(_)
        | PieceKind::Constant(_) = piece.kind
        {
            let message = format!("`{name}` is the same at every step and has no past");
            return Some(
                Diagnostic::new(Code::BadPrev, span, message).label(piece.span, "declared here"),
            );
        }
        let given = ready.old(of.1 % ready.inner.pieces.len()).map(|it| it.ast.name.span);
        let given = given.or(piece.old)?;
        let message = format!("the old value of `{name}` is given, so it is not carried");
        let fault = Diagnostic::new(Code::BadPrev, span, message).label(given, "given here");
        Some(
            fault.help(format!("declare a state `s` for it, write `s = {name}` and read `prev s`")),
        )
    }
}
