//! Resolves expressions: afterwards every name is known and allowed at its place, and every call has its arguments.
//!
//! What is wrong is reported once, here, and becomes an `Error` node; later stages pass over it in silence.

mod call;
mod cell;
mod fold;
mod layer;
mod layout;
mod name;
mod size;

pub(super) use cell::{activation, number, resolve as cell};

use super::declare::Names;
use super::expr::{Expr, Kind, Part, Past};
use super::id::{DefId, ExprId, LocalId};
use super::known::Known;
use super::references::{Owner, Reference, Target};
use super::suggest::Suggest;
use super::tree::{Def, Local};
use crate::diag::Diagnostic;
use crate::syntax::ast::{self, ExprKind};
use crate::text::Span;
use crate::text::id::{Id, IdVec};

/// The context of an expression, which decides the names that it may read.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// An equation of the step.
    Step,
    /// A loss: as an equation, and targets may be read.
    Loss,
    /// The start of a state, named for messages.
    Start(String),
    /// A computed const.
    Computed(String),
    /// A constant: only numbers, sizes and hypers.
    Constant(String),
    /// After `init`.
    Init,
    /// The body of a function, which sees its parameters alone.
    Body,
}

/// The tables that all walks over a program share.
pub(super) struct Shared {
    pub sink: Vec<Diagnostic>,
    /// One for all, so that the search for near names has one budget.
    pub suggest: Suggest,
    pub references: Vec<Reference>,
    pub n_exprs: usize,
}

/// Walks over the expressions of one cell or function.
pub(super) struct Resolver<'r, 'a> {
    known: &'r Known<'a>,
    shared: &'r mut Shared,
    /// The cell that the expressions belong to.
    names: Option<&'r Names<'a>>,
    owner: Owner,
    pub place: Place,
    /// The span in which a choice is allowed: the whole right side of a feedback or an output of a model.
    chooses: Option<Span>,
    /// All locals, and those that are seen, the latest last.
    pub locals: IdVec<LocalId, Local<'a>>,
    scope: Vec<LocalId>,
    /// True for the hypers of the cell that are activations; `None` for those with an error.
    activations: Vec<Option<bool>>,
    /// The names of this step that were read since somebody took them, those whose past was read, and which parts of layers.
    uses: Vec<(DefId, Span)>,
    pasts: Vec<(DefId, Span)>,
    past_parts: Vec<(DefId, String)>,
}

impl<'r, 'a> Resolver<'r, 'a> {
    pub fn new(
        known: &'r Known<'a>,
        shared: &'r mut Shared,
        names: Option<&'r Names<'a>>,
        owner: Owner,
    ) -> Resolver<'r, 'a> {
        let (locals, scope) = (IdVec::new(), Vec::new());
        let (uses, pasts, past_parts) = (Vec::new(), Vec::new(), Vec::new());
        let place = if names.is_some() { Place::Step } else { Place::Body };
        let activations = Vec::new();
        Resolver {
            known,
            shared,
            names,
            owner,
            place,
            chooses: None,
            locals,
            scope,
            activations,
            uses,
            pasts,
            past_parts,
        }
    }

    fn report(&mut self, fault: Diagnostic) {
        self.shared.sink.push(fault);
    }

    /// Reports, for the place of an expression.
    fn error(&mut self, fault: Diagnostic) -> Kind<'a> {
        self.report(fault);
        Kind::Error(Vec::new())
    }

    fn refer(&mut self, span: Span, target: Target) {
        self.shared.references.push(Reference { span, target, is_definition: false });
    }

    fn define(&mut self, span: Span, target: Target) {
        self.shared.references.push(Reference { span, target, is_definition: true });
    }

    /// Returns the definition of a name of the cell.
    fn find(&self, name: &str) -> Option<(DefId, &'r Def<'a>)> {
        self.names?.find(name)
    }

    fn refer_def(&mut self, span: Span, def: DefId) {
        if let Owner::Cell(cell) = self.owner {
            self.refer(span, Target::Def(cell, def));
        }
    }

    /// Adds a local to those that are seen.
    pub fn bind(&mut self, local: Local<'a>) -> LocalId {
        let id = self.locals.push(local);
        self.scope.push(id);
        self.define(local.name.span, Target::Local(self.owner, id));
        id
    }

    fn local(&self, name: &str) -> Option<LocalId> {
        self.scope.iter().rev().copied().find(|it| &*self.locals[*it].name.name == name)
    }

    fn node(&mut self, ast: &'a ast::Expr, kind: Kind<'a>) -> Expr<'a> {
        let id = ExprId::new(self.shared.n_exprs);
        self.shared.n_exprs += 1;
        Expr { id, ast, kind }
    }

    /// Resolves the parts of something that is wrong already, as far as possible, and reports nothing.
    fn quiet<T>(&mut self, resolve: impl FnOnce(&mut Self) -> T) -> T {
        let n_faults = self.shared.sink.len();
        let (n_uses, n_pasts) = (self.uses.len(), self.pasts.len());
        let n_parts = self.past_parts.len();
        let suggest = std::mem::replace(&mut self.shared.suggest, Suggest::none());
        let found = resolve(self);
        self.shared.suggest = suggest;
        self.shared.sink.truncate(n_faults);
        self.uses.truncate(n_uses);
        self.pasts.truncate(n_pasts);
        self.past_parts.truncate(n_parts);
        found
    }

    /// Resolves an expression. Nesting is bounded by the parser.
    pub fn expr(&mut self, expr: &'a ast::Expr) -> Expr<'a> {
        let kind = match &expr.kind {
            ExprKind::Number(value) => Kind::Number(*value),
            ExprKind::Inf => Kind::Inf,
            ExprKind::Pi => Kind::Pi,
            ExprKind::Path(path) => self.path(path),
            ExprKind::Prev(path, steps) => self.past(path, steps.as_deref(), expr.span),
            ExprKind::Call(name, args) => self.call(name, args, expr.span),
            ExprKind::Array(items) => Kind::Array(self.all(items)),
            ExprKind::Paren(inner) => Kind::Paren(self.boxed(inner)),
            ExprKind::Neg(_, inner) => Kind::Neg(self.boxed(inner)),
            ExprKind::Index(value, index) => self.index(value, index, expr.span),
            ExprKind::Chain(first, rest) => {
                let first = self.boxed(first);
                let rest = rest.iter().map(|(op, span, it)| (*op, *span, self.expr(it)));
                Kind::Chain(first, rest.collect())
            }
            ExprKind::Binary(op, span, left, right) => {
                let (left, right) = (self.boxed(left), self.boxed(right));
                Kind::Binary(*op, *span, left, right)
            }
        };
        self.node(expr, kind)
    }

    fn boxed(&mut self, expr: &'a ast::Expr) -> Box<Expr<'a>> {
        Box::new(self.expr(expr))
    }

    fn all(&mut self, exprs: &'a [ast::Expr]) -> Vec<Expr<'a>> {
        exprs.iter().map(|it| self.expr(it)).collect()
    }

    /// `v[k]`, an element of a value or a layer of a stack.
    fn index(&mut self, value: &'a ast::Expr, index: &'a ast::Expr, span: Span) -> Kind<'a> {
        if self.numbers_steps(value, index, span) {
            return Kind::Error(Vec::new());
        }
        let value = self.expr(value);
        let index = Box::new(self.expr(index));
        let Expr { id, ast, kind } = value;
        let kind = match kind {
            Kind::Part(part) if self.is_stack(&part) => {
                return Kind::Part(Part { last: Some(index), ..part });
            }
            Kind::Prev(Past::Part(part), steps) if self.is_stack(&part) => {
                return Kind::Prev(Past::Part(Part { last: Some(index), ..part }), steps);
            }
            kind => kind,
        };
        Kind::Index(Box::new(Expr { id, ast, kind }), index)
    }
}
