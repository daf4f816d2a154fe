//! Shapes that do not fit because an operator is another than was meant.
//!
//! `f = sigmoid(W * x)` spreads `x` over the rows of `W`, and what reads `f` in a later line does not fit. The operator is
//! to blame when with `@` in its place the text has fewer errors.

use crate::diag::{Applicability, Diagnostic};
use crate::syntax::{LexemeKind, ast};
use crate::text::FileId;

use super::{Bench, errors, offer};

/// The most operators that are tried.
const MAX_TRIED: usize = 12;

impl Bench<'_> {
    /// Blames an operator between a matrix and a value for the first error of shapes, if that alone mends.
    pub(super) fn operators(&mut self, found: &mut Vec<Diagnostic>) {
        let idx = found.iter().position(|it| it.code.as_str().starts_with("E03"));
        let Some(idx) = idx.filter(|it| found[*it].span.file == FileId(0)) else { return };
        let old = found[idx].clone();
        if old.fix.as_ref().is_some_and(|it| self.mends(&it.edits, found).is_some()) {
            self.sure.push(old);
            return;
        }
        let matrices = self.matrices();
        let is_product = |at: &usize| {
            matches!(self.word(*at), "*" | "+" | "-" | "/" | "^")
                && matrices.contains(&self.word(at - 1))
                && self.lexemes.get(at + 1).is_some_and(|it| it.kind != LexemeKind::Sign)
        };
        let all: Vec<usize> = (1..self.lexemes.len()).filter(is_product).take(MAX_TRIED).collect();
        let mut meant: Option<(usize, Vec<Diagnostic>)> = None;
        let mut fewest = errors(found);
        for at in all {
            let Some(after) = self.check(&[(self.span(at), "@".to_owned())]) else { continue };
            if errors(&after.diagnostics) < fewest {
                fewest = errors(&after.diagnostics);
                meant = Some((at, after.diagnostics));
            }
        }
        let Some((at, after)) = meant else { return };
        let (left, sign) = (self.word(at - 1), self.word(at));
        let message =
            format!("`{left} {sign} ..` is no matrix product, and its shape does not fit");
        let mut told = Diagnostic::new(old.code, self.span(at), message)
            .label(old.span, old.message.clone())
            .help(format!("did you mean `{left} @ ..`?"));
        offer(&mut told, Applicability::Maybe, vec![(self.span(at), "@".to_owned())]);
        found.retain(|it| {
            after.iter().any(|other| other.code == it.code && other.message == it.message)
        });
        self.sure.push(told.clone());
        found.push(told);
    }

    /// Returns the params and consts that are declared with two axes or more.
    pub(super) fn matrices(&self) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        for item in &self.tree.items {
            let ast::Item::Cell(cell) = item else { continue };
            for decl in &cell.decls {
                let ast::DeclKind::Group(_, groups) = &decl.kind else { continue };
                for group in groups {
                    if matches!(&group.type_.kind, ast::TypeKind::Real(dims) if dims.len() > 1) {
                        out.extend(group.names.iter().map(|it| &*it.name));
                    }
                }
            }
        }
        out
    }
}
