//! Sizes, hypers and whole numbers: what loops and delays are written out by.

use std::collections::BTreeMap;

use super::{Bound, Reader};
use crate::ir;
use crate::syntax::ast::{self, DeclKind, Expr, ExprKind};

impl Reader<'_> {
    /// Sizes and hypers, as names and as far as possible as numbers.
    pub(super) fn constants(&mut self, tree: &ast::Cell, given: &BTreeMap<String, i64>) {
        let whole = |it: &ir::Const| match it {
            ir::Const::Number(value) if value.fract() == 0.0 => Some(*value as i64),
            ir::Const::Number(_) | ir::Const::Size(_) | ir::Const::Hyper(_) => None,
            ir::Const::Apply(..) => None,
        };
        // Only a size that decides the structure is known now.
        for dim in self.cell.iter().flat_map(|it| &it.dims).filter(|it| it.fixed) {
            self.numbers.extend(dim.default.map(|it| (dim.name.to_string(), it)));
        }
        for hyper in self.cell.iter().flat_map(|it| &it.hypers) {
            if let ir::HyperKind::Number(value) = &hyper.kind {
                self.numbers.extend(whole(value).map(|it| (hyper.name.to_string(), it)));
            }
        }
        self.numbers.extend(given.iter().map(|(name, value)| (name.clone(), *value)));
        for decl in &tree.decls {
            let names: Vec<(&ast::Ident, Option<&Expr>)> = match &decl.kind {
                DeclKind::Dims(all) => all
                    .iter()
                    .map(|it| match &it.kind {
                        ast::DimKind::Equals(value) => (&it.name, Some(value)),
                        ast::DimKind::Free | ast::DimKind::Like(_) => (&it.name, None),
                    })
                    .collect(),
                DeclKind::Hyper(all) => all.iter().map(|it| (&it.name, Some(&it.value))).collect(),
                DeclKind::Group(..)
                | DeclKind::Value(..)
                | DeclKind::Tuple(..)
                | DeclKind::Update(..)
                | DeclKind::Output(_)
                | DeclKind::Layer(_)
                | DeclKind::Loss { .. }
                | DeclKind::Layout(_) => continue,
            };
            for (name, value) in names {
                let text = crate::graph::text::name(&name.name, "");
                self.names.insert(name.name.to_string(), Bound::Fixed(text, true));
                let is_open = matches!(decl.kind, DeclKind::Dims(_)) && self.cell.is_some();
                let number = value.filter(|_| !is_open).and_then(|it| self.number(it));
                if let Some(number) = number {
                    self.numbers.entry(name.name.to_string()).or_insert(number);
                }
            }
        }
    }

    /// A whole number, where an expression of sizes, hypers and loop variables is one.
    pub(super) fn number(&self, expr: &Expr) -> Option<i64> {
        match &expr.kind {
            ExprKind::Number(value) => (value.fract() == 0.0).then_some(*value as i64),
            ExprKind::Paren(inner) => self.number(inner),
            ExprKind::Neg(_, inner) => self.number(inner).map(|it| -it),
            ExprKind::Path(path) if path.tail.is_empty() => {
                match self.names.get(&*path.head.name) {
                    Some(Bound::Number(value)) => Some(*value),
                    _ => self.numbers.get(&*path.head.name).copied(),
                }
            }
            ExprKind::Chain(first, rest) => {
                rest.iter().try_fold(self.number(first)?, |sum, (op, _, term)| {
                    let term = self.number(term)?;
                    match op.symbol() {
                        "+" => sum.checked_add(term),
                        "-" => sum.checked_sub(term),
                        "*" => sum.checked_mul(term),
                        _ => None,
                    }
                })
            }
            ExprKind::Binary(ast::BinaryOp::Pow, _, a, b) => {
                self.number(a)?.checked_pow(u32::try_from(self.number(b)?).ok()?)
            }
            ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Path(_)
            | ExprKind::Prev(..)
            | ExprKind::Call(..)
            | ExprKind::Array(_)
            | ExprKind::Index(..)
            | ExprKind::Binary(..) => None,
        }
    }
}
