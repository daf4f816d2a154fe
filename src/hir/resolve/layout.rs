//! Layouts: params, and the forms that move their elements.

use std::collections::BTreeSet;

use super::Resolver;
use crate::diag::{Code, Diagnostic};
use crate::hir::declare::Names;
use crate::hir::expr::{Call, Callee, Expr, Kind};
use crate::hir::id::DefId;
use crate::hir::kind::DefKind;
use crate::hir::references::Target;
use crate::hir::show;
use crate::hir::tree::Layout;
use crate::syntax::ast::{self, Arg, BinaryOp, ExprKind, Ident, Path};
use crate::syntax::print_path;

/// The forms of the right sides.
pub(crate) const FORMS: &[&str] =
    &["rows", "cols", "concat", "stack", "transpose", "reshape", "permute", "flatten", "zeros"];

impl<'a> Resolver<'_, 'a> {
    /// Resolves all layouts of a cell.
    pub(super) fn layouts(&mut self, names: &Names<'a>) -> Vec<Layout<'a>> {
        // The layers whose params were found in a layout: one layer mostly has several of them there.
        let mut told = BTreeSet::new();
        let mut layouts = Vec::with_capacity(names.layouts.len());
        for decl in names.layouts.iter().copied() {
            let first = self.shared.sink.len();
            let mut rows = Vec::with_capacity(decl.rows.len());
            let mut sound = true;
            for ast::LayoutRow { value: right, .. } in &decl.rows {
                rows.push(self.row(right, &mut told, &mut sound));
            }
            sound &= self.shared.sink.len() == first;
            layouts.push(Layout { decl, rows, sound });
        }
        layouts
    }

    fn row(
        &mut self,
        expr: &'a ast::Expr,
        told: &mut BTreeSet<DefId>,
        sound: &mut bool,
    ) -> Expr<'a> {
        let kind = match &expr.kind {
            ExprKind::Paren(inner) => Kind::Paren(Box::new(self.row(inner, told, sound))),
            ExprKind::Path(path) => match self.stored(path, told) {
                Some(def) => Kind::Def(def),
                None => {
                    *sound = false;
                    Kind::Error(Vec::new())
                }
            },
            ExprKind::Call(name, args) => self.form(name, args, told, sound),
            ExprKind::Chain(first, rest) if rest.iter().all(|it| it.0 == BinaryOp::Add) => {
                let first = Box::new(self.row(first, told, sound));
                let rest = rest.iter().map(|(op, at, it)| (*op, *at, self.row(it, told, sound)));
                Kind::Chain(first, rest.collect())
            }
            ExprKind::Number(_)
            | ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Prev(..)
            | ExprKind::Array(_)
            | ExprKind::Neg(..)
            | ExprKind::Index(..)
            | ExprKind::Chain(..)
            | ExprKind::Binary(..) => {
                let message = format!("`{}` does not stand in a layout", show::short(expr));
                let fault = Diagnostic::new(Code::BadLayout, expr.span, message)
                    .at("a layout moves the elements of params and computes nothing")
                    .help(format!("there are params, sums of them, and {}", show::list(FORMS)));
                self.error(fault)
            }
        };
        self.node(expr, kind)
    }

    /// Returns a param or stored const; `None` after a report, here or where it is declared.
    fn stored(&mut self, path: &'a Path, told: &mut BTreeSet<DefId>) -> Option<DefId> {
        let Some((def, found)) = self.find(&path.head.name) else {
            let whole = Ident { name: print_path(path).into(), span: path.span };
            let params = self.names?.defs.iter();
            let params = params.filter(|it| matches!(it.kind, DefKind::Param { .. }));
            let known = params.map(|it| &*it.name.name);
            let fault = self.shared.suggest.report(Code::UnknownName, "param", &whole, known);
            self.report(fault);
            return None;
        };
        self.refer_def(path.head.span, def);
        let is_layer = matches!(found.kind, DefKind::Layer(_));
        if is_layer && !told.insert(def) {
            return None;
        }
        let what = match found.kind {
            // What is wrong with it is reported where it is declared.
            DefKind::Error => return None,
            DefKind::Param { .. } if path.tail.is_empty() => return Some(def),
            DefKind::Computed => "a const that is computed, not stored".to_owned(),
            _ => format!("{}, not a param", found.kind.article()),
        };
        let message = format!("`{}` is {what}", path.head.name);
        let help = match is_layer {
            true => "the params of a layer are laid out by its own cell",
            false => "a layout is made of params and of consts with `init`",
        };
        let fault = Diagnostic::new(Code::WrongKindOfName, path.span, message)
            .label(found.name.span, "declared here")
            .help(help);
        self.report(fault);
        None
    }

    fn form(
        &mut self,
        name: &'a Ident,
        args: &'a [Arg],
        told: &mut BTreeSet<DefId>,
        sound: &mut bool,
    ) -> Kind<'a> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                Arg::Positional(it) => values.push(it),
                Arg::Named(_, ast::Expr { span, .. }) | Arg::Over(_, span) => {
                    let message = format!("`{}` takes its arguments by position", name.name);
                    return self.error(Diagnostic::new(Code::BadArguments, *span, message));
                }
            }
        }
        let Some(form) = FORMS.iter().find(|it| **it == &*name.name) else {
            let known = FORMS.iter().copied();
            let mut fault = self.shared.suggest.report(Code::UnknownFunction, "form", name, known);
            if fault.fix.is_none() {
                fault = fault.help(format!("a layout is made of {}", show::list(FORMS)));
            }
            return self.error(fault);
        };
        self.refer(name.span, Target::Builtin(form));
        let rest = values.into_iter().enumerate().map(|(at, it)| match (*form, &it.kind) {
            ("reshape" | "zeros", ExprKind::Array(axes)) => {
                let axes = axes.iter().map(|it| self.size(it)).collect();
                self.node(it, Kind::Array(axes))
            }
            ("rows" | "cols" | "concat" | "stack", _) => self.row(it, told, sound),
            ("transpose" | "flatten" | "reshape" | "permute", _) if at == 0 => {
                self.row(it, told, sound)
            }
            // Whoever reads the form says what it wants in this place.
            _ => self.quiet(|this| this.expr(it)),
        });
        let rest = rest.collect();
        Kind::Call(Call {
            name,
            callee: Callee::Form,
            args: Vec::new(),
            options: Vec::new(),
            rest,
            over: None,
        })
    }
}
