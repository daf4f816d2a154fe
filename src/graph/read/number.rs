//! Sizes, hypers and whole numbers: what loops and delays are written out by.

use std::collections::BTreeMap;

use super::{Local, Reader};
use crate::hir::{BinaryOp, DefId, DimKind, Expr, Kind};
use crate::ir;

impl Reader<'_> {
    /// Notes sizes and hypers that are known as whole numbers.
    pub(super) fn constants(&mut self, given: &BTreeMap<DefId, i64>) {
        let whole = |it: &ir::Const| match it {
            ir::Const::Number(value) if value.fract() == 0.0 => Some(*value as i64),
            ir::Const::Number(_) | ir::Const::Size(_) | ir::Const::Hyper(_) => None,
            ir::Const::Apply(..) => None,
        };
        let mut known = |name: &str, number: Option<i64>| {
            self.numbers.extend(self.tree.find(name).zip(number));
        };
        // Only a size that decides the structure is known now.
        for dim in self.cell.iter().flat_map(|it| &it.dims).filter(|it| it.fixed) {
            known(&dim.name, dim.default);
        }
        for hyper in self.cell.iter().flat_map(|it| &it.hypers) {
            if let ir::HyperKind::Number(value) = &hyper.kind {
                known(&hyper.name, whole(value));
            }
        }
        self.numbers.extend(given);
        let dims = self.tree.dims.iter().filter(|_| self.cell.is_none());
        let dims = dims.filter_map(|it| match &it.kind {
            DimKind::Equals(value) => Some((it.def, value)),
            DimKind::Free | DimKind::Like(_) => None,
        });
        for (def, value) in dims.chain(self.tree.hypers.iter().map(|it| (it.def, &it.value))) {
            if let Some(number) = self.number(value) {
                self.numbers.entry(def).or_insert(number);
            }
        }
    }

    /// Returns a whole number, where an expression of sizes, hypers and loop variables is one.
    pub(super) fn number(&self, expr: &Expr<'_>) -> Option<i64> {
        match &expr.kind {
            Kind::Number(value) => (value.fract() == 0.0).then_some(*value as i64),
            Kind::Paren(inner) => self.number(inner),
            Kind::Neg(inner) => self.number(inner).map(|it| -it),
            Kind::Def(def) => self.numbers.get(def).copied(),
            Kind::Local(local) => match self.locals.get(local) {
                Some(Local::Number(value)) => Some(*value),
                Some(Local::Value(_) | Local::Expr(_)) | None => None,
            },
            Kind::Chain(first, rest) => {
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
            Kind::Binary(BinaryOp::Pow, _, a, b) => {
                self.number(a)?.checked_pow(u32::try_from(self.number(b)?).ok()?)
            }
            Kind::Inf
            | Kind::Pi
            | Kind::Part(_)
            | Kind::Prev(..)
            | Kind::Call(_)
            | Kind::Activation(_)
            | Kind::Array(_)
            | Kind::Index(..)
            | Kind::Binary(..)
            | Kind::Error(_) => None,
        }
    }
}
