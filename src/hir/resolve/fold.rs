//! Loops: a scope of names around a body, in which nothing of the cell gets another meaning.

use super::{Place, Resolver};
use crate::diag::{Code, Diagnostic};
use crate::hir::declare::{Names, RightSide};
use crate::hir::expr::Expr;
use crate::hir::fold;
use crate::hir::id::LocalId;
use crate::hir::tree::{Fold, Inner, Local, LocalKind, Value};
use crate::syntax::ast::{self, Ident};
use crate::text::Span;

impl<'a> Resolver<'_, 'a> {
    /// Returns a right side that defines these names and has as many values.
    pub(super) fn value(&mut self, value: &'a ast::Value, defines: &[&'a Ident]) -> Value<'a> {
        match value {
            ast::Value::Expr(expr) => Value::Expr(self.expr(expr)),
            ast::Value::Fold(it) => Value::Fold(Box::new(self.fold(it, defines))),
        }
    }

    /// Resolves as much as possible of a right side with the wrong number of values.
    pub(super) fn wrong_value(&mut self, value: &'a ast::Value) -> Value<'a> {
        Value::Error(self.quiet(|it| match value {
            ast::Value::Expr(expr) => vec![it.expr(expr)],
            ast::Value::Fold(fold) => it.all(&fold.starts),
        }))
    }

    fn bound(&mut self, fold: &'a ast::Fold, what: &str, bound: &'a ast::Expr) -> Expr<'a> {
        let what = format!("the {what} bound of `{}`", fold.variable.name);
        let outer = std::mem::replace(&mut self.place, Place::Constant(what));
        let bound = self.expr(bound);
        self.place = outer;
        bound
    }

    fn fold(&mut self, ast: &'a ast::Fold, defines: &[&'a Ident]) -> Fold<'a> {
        let starts = self.all(&ast.starts);
        let from = self.bound(ast, "first", &ast.from);
        let to = self.bound(ast, "last", &ast.to);
        let (outside, before) = (self.scope.len(), self.shared.sink.len());
        let mut inner = |name: &'a Ident, kind| {
            self.check_taken(name, kind, outside, defines);
            let own =
                kind == LocalKind::Accumulator && defines.iter().any(|it| it.name == name.name);
            let defines = own.then(|| self.find(&name.name)).flatten().map(|it| it.0);
            self.bind(Local { name, kind, defines })
        };
        let accumulators: Vec<LocalId> =
            ast.accumulators.iter().map(|it| inner(it, LocalKind::Accumulator)).collect();
        let variable = inner(&ast.variable, LocalKind::Variable);
        let mut names: Vec<Vec<LocalId>> = Vec::with_capacity(ast.body.len());
        for it in &ast.body {
            names
                .push(it.names.iter().map(|name| inner(name, LocalKind::Value(it.role))).collect());
        }
        // Which of two values of one name is meant nobody knows.
        let unique = self.shared.sink.len() == before;
        let mut body = Vec::with_capacity(ast.body.len());
        for (it, names) in ast.body.iter().zip(names) {
            let value = match fold::parts_fault(&it.value, names.len()) {
                Some(fault) => {
                    self.report(fault);
                    self.wrong_value(&it.value)
                }
                None => {
                    let defines: Vec<&Ident> = it.names.iter().collect();
                    self.value(&it.value, &defines)
                }
            };
            body.push(Inner { role: it.role, names, value });
        }
        let sorted = fold::sort(&body);
        if unique {
            for cycle in &sorted.cycles {
                let fault = fold::cycle_fault(&body, &self.locals, cycle);
                self.report(fault);
            }
        }
        let order = sorted.cycles.is_empty().then_some(sorted.order);
        let results = self.all(&ast.results);
        self.scope.truncate(outside);
        Fold { ast, accumulators, starts, variable, from, to, body, order, results }
    }

    /// Reports a name of a loop that has a meaning outside, or another one inside.
    fn check_taken(
        &mut self,
        name: &'a Ident,
        kind: LocalKind,
        outside: usize,
        defines: &[&Ident],
    ) {
        let own = kind == LocalKind::Accumulator && defines.iter().any(|it| it.name == name.name);
        let told = |it: &Local<'_>| (it.name.span, it.kind.article());
        let within = self.scope[outside..].iter().map(|it| &self.locals[*it]);
        let within = within.clone().find(|it| it.name.name == name.name).map(told);
        let taken = match (within, self.local(&name.name)) {
            (Some(first), _) => Some(first),
            (None, _) if own => None,
            (None, Some(outer)) => Some(told(&self.locals[outer])),
            (None, None) => {
                self.find(&name.name).map(|(_, def)| (def.name.span, def.kind.article()))
            }
        };
        let Some((first, article)) = taken else { return };
        let message = if within.is_some() {
            format!("`{}` is defined twice in this loop", name.name)
        } else {
            format!("`{}` is {article}; inside a loop it cannot mean something else", name.name)
        };
        let mut fault = Diagnostic::new(Code::DefinedTwice, name.span, message)
            .label(first, "first defined here");
        if within.is_none() {
            fault = fault.help(match kind {
                LocalKind::Accumulator => {
                    "an accumulator may bear the name of the value that its loop defines, no other"
                }
                LocalKind::Parameter | LocalKind::Variable | LocalKind::Value(_) => {
                    "choose a name that the cell does not use"
                }
            });
        }
        self.report(fault);
    }
}

/// Returns the place where a loop of a cell defines a value of this name.
pub(super) fn inner(names: &Names<'_>, name: &str) -> Option<Span> {
    fn find(fold: &ast::Fold, name: &str) -> Option<Span> {
        fold.body.iter().find_map(|it| {
            let own = it.names.iter().find(|it| &*it.name == name).map(|it| it.span);
            own.or_else(|| match &it.value {
                ast::Value::Fold(inner) => find(inner, name),
                ast::Value::Expr(_) => None,
            })
        })
    }
    names.equations.iter().find_map(|it| match it.1 {
        RightSide::Value(ast::Value::Fold(fold)) => find(fold, name),
        RightSide::Value(ast::Value::Expr(_))
        | RightSide::Expr(_)
        | RightSide::OfGroup(_)
        | RightSide::Layer(_)
        | RightSide::Error(_) => None,
    })
}
