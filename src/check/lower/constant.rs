//! Lowers expressions where a constant, a size or a shape is asked for.

use std::collections::BTreeMap;

use super::{Lower, Operand, Scope, Value};
use crate::check::consts;
use crate::check::dims;
use crate::check::show::{self, Shown};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::{Expr, Kind};
use crate::ir::{Const, Dim, Shape};

impl Lower<'_, '_> {
    /// Returns a constant, or a report.
    pub(in crate::check) fn constant_expr(
        &mut self,
        expr: &Expr<'_>,
        scope: &Scope<'_>,
        what: &str,
    ) -> Option<Const> {
        match self.expr(expr, scope)? {
            Value::Constant(constant, _) => Some(constant),
            Value::Node(node) if !self.varies[node.idx()] && self.graph.shape(node).rank() == 0 => {
                let message =
                    format!("the constant `{}` has too many parts", show::short(expr.ast));
                self.fail(Diagnostic::new(Code::TooLarge, expr.span(), message))
            }
            Value::Node(_) | Value::Index(..) => {
                let message = format!("{what} must be a constant, not `{}`", show::short(expr.ast));
                let fault = Diagnostic::new(Code::NotConstant, expr.span(), message)
                    .help("constants are made of numbers, sizes and hypers");
                self.fail(fault)
            }
        }
    }

    /// Returns a constant that is a whole number, perhaps with sizes in it, or a report.
    pub(super) fn whole(&mut self, expr: &Expr<'_>, scope: &Scope<'_>, what: &str) -> Option<Dim> {
        let constant = self.constant_expr(expr, scope, what)?;
        self.whole_constant(&constant, Shown::from(expr.ast), what)
    }

    /// Returns a whole number that decides the structure of the graph. The dims in it count as large as they are by default or
    /// were set, and are fixed from here on.
    pub(in crate::check) fn count(
        &mut self,
        expr: &Expr<'_>,
        scope: &Scope<'_>,
        what: &str,
    ) -> Option<i64> {
        let constant = self.constant_expr(expr, scope, what)?;
        let asked = self.hypers.numbers.sizes_in(&constant);
        let dims = &self.names.dims;
        let mut sizes = BTreeMap::new();
        for name in asked {
            // A second name has the size of the first.
            let root = dims.root(&Dim::symbol(name.clone()));
            for base in root.names() {
                let Some(decl) = dims.free.iter().find(|it| it.name == base) else { continue };
                if decl.default.is_some() {
                    self.fixed.insert(base);
                    continue;
                }
                let message = format!("{what} must be known, but `{base}` has no size yet");
                let fault = Diagnostic::new(Code::NotConstant, expr.span(), message)
                    .label(decl.span, "declared here")
                    .help(format!(
                        "give it a default, such as `dims {base} = 2`; `--set {base}=..` changes it"
                    ))
                    .fix(Applicability::Maybe, decl.span.after(), " = 2");
                return self.fail(fault);
            }
            let default = |it: &str| dims.free.iter().find(|decl| &*decl.name == it)?.default;
            if let Some(size) = root.eval(&default) {
                sizes.insert(name, size);
            }
        }
        let value = match self.hypers.numbers.value_with(&constant, sizes) {
            Some(value) => value,
            None if self.hypers.numbers.waits_for_sizes() => {
                let message = format!("{what} may not depend on a size of the cell around it");
                return self.fail(Diagnostic::new(Code::NotConstant, expr.span(), message));
            }
            // A hyper that is wrong itself.
            None => {
                self.is_wrong = true;
                return None;
            }
        };
        let whole = consts::whole(value);
        if whole.is_none() {
            let message = format!("{what} must be a whole number, not {}", show::number(value));
            return self.fail(Diagnostic::new(Code::ConstantOutOfRange, expr.span(), message));
        }
        whole
    }

    /// As `whole`, of an expression of the cell.
    pub(in crate::check) fn whole_expr(&mut self, expr: &Expr<'_>, what: &str) -> Option<Dim> {
        self.whole(expr, &Scope::CELL, what)
    }

    /// As `whole`, for an operand that is lowered already.
    pub(super) fn whole_value(&mut self, operand: &Operand<'_>, what: &str) -> Option<Dim> {
        match &operand.value {
            Value::Constant(constant, _) => {
                self.whole_constant(&constant.clone(), operand.shown, what)
            }
            Value::Node(_) | Value::Index(..) => None,
        }
    }

    pub(super) fn whole_constant(
        &mut self,
        constant: &Const,
        shown: Shown<'_>,
        what: &str,
    ) -> Option<Dim> {
        let fault = match self.hypers.numbers.whole(constant) {
            Ok(dim) => return Some(dim),
            Err(Some(value)) => {
                let message = format!("{what} must be a whole number, not {}", show::number(value));
                Diagnostic::new(Code::ConstantOutOfRange, shown.span(), message)
            }
            Err(None) => {
                let text = shown.short();
                let message = format!("{what} must be whole for every size, `{text}` may not be");
                Diagnostic::new(Code::BadDimExpression, shown.span(), message).help(
                    "sizes are sums, products and whole powers; define the larger one as a \
                           multiple of the smaller one",
                )
            }
        };
        self.fail(fault)
    }

    /// Returns the size that a dim or a local is.
    fn size_of_name(
        &self,
        expr: &Expr<'_>,
        scope: &Scope<'_>,
    ) -> Result<Option<Dim>, Box<Diagnostic>> {
        let Kind::Local(local) = expr.kind else { return self.names.size(expr) };
        let text = show::short(expr.ast);
        match scope.local(local) {
            Some(Value::Constant(constant, _)) => match self.hypers.numbers.whole(constant) {
                Ok(dim) => Ok(Some(dim)),
                Err(_) => {
                    let message = format!("`{text}` is no size in this call");
                    Err(Box::new(Diagnostic::new(Code::BadDimExpression, expr.span(), message)))
                }
            },
            None => Ok(None),
            Some(Value::Node(_) | Value::Index(..)) => {
                let message = format!("`{text}` is a value in this call, not a size");
                Err(Box::new(Diagnostic::new(Code::WrongKindOfName, expr.span(), message)))
            }
        }
    }

    /// Returns a size.
    pub(super) fn size(&mut self, expr: &Expr<'_>, scope: &Scope<'_>) -> Option<Dim> {
        let mut sink = std::mem::take(&mut self.sink);
        let found = dims::size(expr, &mut |it| self.size_of_name(it, scope), &mut sink);
        self.sink = sink;
        self.is_wrong |= found.is_none();
        found
    }

    /// Returns a shape in brackets.
    pub(super) fn shape_expr(&mut self, expr: &Expr<'_>, scope: &Scope<'_>) -> Option<Shape> {
        let Kind::Array(axes) = &expr.kind else {
            self.is_wrong = true;
            return None;
        };
        let mut sink = std::mem::take(&mut self.sink);
        let mut lookup = |it: &Expr<'_>| self.size_of_name(it, scope);
        let found = dims::shape(axes, expr.span(), &mut lookup, &mut sink);
        self.sink = sink;
        self.is_wrong |= found.is_none();
        found
    }
}
