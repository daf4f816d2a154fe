//! The notation of the author, for edits and for text that keeps it. Nothing outside `hir` looks this up in the text's tree.

use super::expr::{ActivationOf, Callee, Expr, Kind};
use super::id::{DefId, EquationId, FunctionId};
use super::references::Target;
use super::tree::{Cell, Tree};
use crate::syntax::ast::{Arg, DeclKind, ExprKind, Ident};
use crate::text::Span;

impl<'a> Expr<'a> {
    /// Returns whether it is one name, known or not.
    pub fn is_name(&self) -> bool {
        matches!(&self.ast.kind, ExprKind::Path(path) if path.tail.is_empty())
    }

    /// Returns a plain name or its old value as the printer writes it.
    pub fn simple(&self) -> Option<String> {
        let bare = self.bare();
        let is_simple = match &bare.ast.kind {
            ExprKind::Path(path) | ExprKind::Prev(path, None) => path.tail.is_empty(),
            _ => false,
        };
        is_simple.then(|| bare.text())
    }

    /// Lists what a call is given in the order of the source, each with the name that is before it; `None` where there are
    /// no parentheses.
    pub fn written_args(&self) -> Option<Vec<(Option<&'a Ident>, &Expr<'a>)>> {
        let ExprKind::Call(_, args) = &self.ast.kind else { return None };
        let mut values: Vec<&Expr<'a>> = match &self.kind {
            Kind::Call(call) => call.given().collect(),
            Kind::Activation(it) => it.args.iter().flatten().collect(),
            _ => return None,
        };
        values.sort_by_key(|it| it.span().start);
        let name = |value: &Expr<'a>| {
            args.iter().find_map(|it| match it {
                Arg::Named(name, it) if std::ptr::eq(it, value.ast) => Some(name),
                Arg::Named(..) | Arg::Positional(_) | Arg::Over(..) => None,
            })
        };
        Some(values.into_iter().map(|it| (name(it), it)).collect())
    }
}

impl<'a> Tree<'a> {
    /// Returns the function or activation of the program that an expression itself calls, or is. A call with wrong arguments is
    /// one all the same.
    pub fn function_of(&self, expr: &Expr<'a>) -> Option<FunctionId> {
        match &expr.kind {
            Kind::Call(call) => match call.callee {
                Callee::Function(id) => Some(id),
                Callee::Builtin(_) | Callee::Hyper(_) | Callee::Draw(_) | Callee::Form => None,
            },
            Kind::Activation(it) => match it.of {
                ActivationOf::Function(id) => Some(id),
                ActivationOf::Builtin(..) => None,
            },
            Kind::Error(_) => {
                let ExprKind::Call(name, _) = &expr.ast.kind else { return None };
                match self.references.at(name.span.file, name.span.start)?.target {
                    Target::Function(id) => Some(id),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl<'a> Cell<'a> {
    /// Returns the name before the `=` of an equation that is a statement of its own, without a word before it.
    pub fn update(&self, equation: EquationId) -> Option<&'a Ident> {
        match &self.equations[equation].decl.kind {
            DeclKind::Update(target, _) => Some(target),
            _ => None,
        }
    }

    /// Returns the text that declares one name of a group, with the comma that it leaves over.
    pub fn removal(&self, def: DefId) -> Option<Span> {
        let group = self.group(def)?;
        let DeclKind::Group(_, groups) = &group.decl.kind else { return None };
        let at = groups.iter().position(|it| std::ptr::eq(it, group.ast))?;
        let idx = group.defs.iter().position(|it| *it == def)?;
        let part = |spans: &[Span], at: usize| match at {
            0 => Span { end: spans[1].start, ..spans[0] },
            _ => Span { start: spans[at - 1].end, ..spans[at] },
        };
        let names: Vec<Span> = groups[at].names.iter().map(|it| it.span).collect();
        if names.len() > 1 {
            return Some(part(&names, idx));
        }
        if groups.len() > 1 {
            return Some(part(&groups.iter().map(|it| it.span).collect::<Vec<_>>(), at));
        }
        let decl = group.decl;
        Some(decl.doc.as_ref().map_or(decl.span, |it| decl.span.to(it.span)))
    }
}
