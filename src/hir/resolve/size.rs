//! Names where a size is wanted: the axes of shapes, `over D`, `eye(N)`.

use super::{Place, Resolver};
use crate::diag::{Code, Diagnostic};
use crate::hir::expr::{Expr, Kind};
use crate::hir::id::{DefId, LocalId};
use crate::hir::kind::DefKind;
use crate::hir::references::Target;
use crate::hir::report::{no_size, unknown_size};
use crate::hir::tree::LocalKind;
use crate::syntax::ast::{self, BinaryOp, ExprKind, Ident};

impl<'a> Resolver<'_, 'a> {
    /// Resolves a size. What has not the form of one is resolved without a word; whoever works the size out reports it.
    pub(super) fn size(&mut self, expr: &'a ast::Expr) -> Expr<'a> {
        let kind = match &expr.kind {
            ExprKind::Number(value) => Kind::Number(*value),
            ExprKind::Path(path) if path.tail.is_empty() => self.size_name(&path.head),
            ExprKind::Paren(inner) => Kind::Paren(Box::new(self.size(inner))),
            ExprKind::Neg(_, inner) => Kind::Neg(Box::new(self.size(inner))),
            ExprKind::Chain(first, rest) => {
                let first = Box::new(self.size(first));
                let rest = rest.iter().map(|(op, span, it)| (*op, *span, self.size(it)));
                Kind::Chain(first, rest.collect())
            }
            ExprKind::Binary(op @ BinaryOp::Pow, span, base, exponent) => {
                let (base, exponent) = (self.size(base), self.size(exponent));
                Kind::Binary(*op, *span, Box::new(base), Box::new(exponent))
            }
            ExprKind::Path(_)
            | ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Prev(..)
            | ExprKind::Call(..)
            | ExprKind::Array(_)
            | ExprKind::Index(..)
            | ExprKind::Binary(..) => return self.quiet(|it| it.expr(expr)),
        };
        self.node(expr, kind)
    }

    fn size_name(&mut self, name: &Ident) -> Kind<'a> {
        if let Some(id) = self.local(&name.name) {
            return self.size_local(name, id);
        }
        if let Place::Body = self.place {
            let message = format!("unknown size `{}`", name.name);
            let help = "functions and activations see only their own parameters; give it the size";
            return self.error(Diagnostic::new(Code::UnknownDim, name.span, message).help(help));
        }
        match self.dim(name) {
            Some(def) => Kind::Def(def),
            None => Kind::Error(Vec::new()),
        }
    }

    /// Returns the dim of this name; `None` after a report.
    pub(super) fn dim(&mut self, name: &Ident) -> Option<DefId> {
        let Some((def, found)) = self.find(&name.name) else {
            let dims = self.names.iter().flat_map(|it| &it.dims);
            let known: Vec<&str> = dims.map(|it| &*it.decl.name.name).collect();
            self.report(unknown_size(name, known.into_iter()));
            return None;
        };
        self.refer_def(name.span, def);
        self.uses.push((def, name.span));
        match found.kind {
            DefKind::Dim(_) => Some(def),
            DefKind::Error => None,
            _ => {
                self.report(no_size(name, found));
                None
            }
        }
    }

    /// Resolves a local where a size is wanted: a parameter is known at each call, the variable in each iteration.
    fn size_local(&mut self, name: &Ident, id: LocalId) -> Kind<'a> {
        let local = self.locals[id];
        self.refer(name.span, Target::Local(self.owner, id));
        match local.kind {
            LocalKind::Parameter | LocalKind::Variable => Kind::Local(id),
            LocalKind::Accumulator | LocalKind::Value(_) => {
                let message = format!("`{}` is {}, not a size", name.name, local.kind.article());
                let fault = Diagnostic::new(Code::WrongKindOfName, name.span, message);
                self.error(fault.label(local.name.span, "bound here"))
            }
        }
    }
}
