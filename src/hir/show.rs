//! Expressions as text for messages: what the author wrote, on one line and not too long.

use std::fmt::Write as _;

use crate::diag::Diagnostic;
use crate::ir::Shape;
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Over, Path};
use crate::text::Span;

/// Longer texts are cut: a message is one line.
const LIMIT: usize = 48;

/// An operand as the author wrote it: an expression, or the first terms of a chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'e> {
    pub first: &'e Expr,
    pub rest: &'e [(BinaryOp, Span, Expr)],
}

impl<'e> From<&'e Expr> for Shown<'e> {
    fn from(first: &'e Expr) -> Shown<'e> {
        Shown { first, rest: &[] }
    }
}

impl Shown<'_> {
    pub fn span(self) -> Span {
        match self.rest.last() {
            Some((_, _, last)) => self.first.span.to(last.span),
            None => self.first.span,
        }
    }

    /// Returns the text, cut when it is long.
    pub fn short(self) -> String {
        let mut out = Writer { text: String::new(), limit: LIMIT };
        out.chain(self.first, self.rest);
        out.finish()
    }

    /// Returns the whole text, for fixes; `None` when it is too long to be offered.
    pub fn full(self) -> Option<String> {
        let mut out = Writer { text: String::new(), limit: 200 };
        out.chain(self.first, self.rest);
        (out.text.len() <= 200).then_some(out.text)
    }

    /// `W_n: [H, I]`, with its quotes.
    pub fn with(self, shape: &Shape) -> String {
        format!("`{}: {shape}`", self.short())
    }

    /// Returns true if it needs parentheses before it can be an operand.
    pub fn is_chain(self) -> bool {
        !self.rest.is_empty()
            || matches!(
                self.first.kind,
                ExprKind::Chain(..) | ExprKind::Binary(..) | ExprKind::Neg(..)
            )
    }
}

/// Returns the text of an expression, cut when it is long.
pub(crate) fn short(expr: &Expr) -> String {
    Shown::from(expr).short()
}

struct Writer {
    text: String,
    limit: usize,
}

impl Writer {
    fn finish(self) -> String {
        if self.text.chars().count() <= self.limit {
            return self.text;
        }
        let mut cut: String = self.text.chars().take(self.limit - 2).collect();
        cut.truncate(cut.trim_end().len());
        cut.push_str(" ..");
        cut
    }

    /// Enough has been written: the rest would be cut anyway.
    fn full(&self) -> bool {
        self.text.len() > self.limit
    }

    fn chain(&mut self, first: &Expr, rest: &[(BinaryOp, Span, Expr)]) {
        self.expr(first);
        for (op, _, term) in rest {
            if self.full() {
                return;
            }
            let _ = write!(self.text, " {} ", op.symbol());
            self.expr(term);
        }
    }

    fn list(&mut self, list: &[Expr]) {
        self.text.push('[');
        for (idx, item) in list.iter().enumerate() {
            if self.full() {
                return;
            }
            if idx > 0 {
                self.text.push_str(", ");
            }
            self.expr(item);
        }
        self.text.push(']');
    }

    fn path(&mut self, path: &Path) {
        self.text.push_str(&path.head.name);
        for (index, name) in &path.tail {
            if let Some(index) = index {
                self.text.push('[');
                self.expr(index);
                self.text.push(']');
            }
            self.text.push('.');
            self.text.push_str(&name.name);
        }
    }

    fn args(&mut self, args: &[Arg]) {
        self.text.push('(');
        for (idx, arg) in args.iter().enumerate() {
            if self.full() {
                return;
            }
            if idx > 0 {
                self.text.push_str(", ");
            }
            match arg {
                Arg::Positional(value) => self.expr(value),
                Arg::Named(name, value) => {
                    let _ = write!(self.text, "{} = ", name.name);
                    self.expr(value);
                }
                Arg::Over(over, _) => {
                    self.text.push_str("over ");
                    match over {
                        Over::Last => self.text.push_str("last"),
                        Over::First => self.text.push_str("first"),
                        Over::Dim(dim) => self.expr(dim),
                        Over::Dims(dims) => self.list(dims),
                    }
                }
            }
        }
        self.text.push(')');
    }

    fn expr(&mut self, expr: &Expr) {
        if self.full() {
            return;
        }
        match &expr.kind {
            ExprKind::Number(value) => {
                let _ = write!(self.text, "{value}");
            }
            ExprKind::Inf => self.text.push_str("inf"),
            ExprKind::Pi => self.text.push_str("pi"),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Prev(path, None) => {
                self.text.push_str("prev ");
                self.path(path);
            }
            ExprKind::Prev(path, Some(steps)) => {
                self.text.push_str("prev(");
                self.path(path);
                self.text.push_str(", ");
                self.expr(steps);
                self.text.push(')');
            }
            ExprKind::Call(name, args) => {
                self.text.push_str(&name.name);
                self.args(args);
            }
            ExprKind::Array(items) => self.list(items),
            ExprKind::Paren(inner) => {
                self.text.push('(');
                self.expr(inner);
                self.text.push(')');
            }
            ExprKind::Neg(_, inner) => {
                self.text.push('-');
                self.expr(inner);
            }
            ExprKind::Index(value, index) => {
                self.expr(value);
                self.text.push('[');
                self.expr(index);
                self.text.push(']');
            }
            ExprKind::Chain(first, rest) => self.chain(first, rest),
            ExprKind::Binary(op, _, left, right) => {
                self.expr(left);
                let _ = write!(self.text, " {} ", op.symbol());
                self.expr(right);
            }
        }
    }
}

/// Names as people list them: `a`, `b` and `c`.
pub(crate) fn list<T: AsRef<str>>(names: &[T]) -> String {
    let quoted: Vec<String> = names.iter().map(|it| format!("`{}`", it.as_ref())).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Returns a number as people write it.
pub(crate) fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "inf".into()
    } else if value == f64::NEG_INFINITY {
        "-inf".into()
    } else {
        format!("{value}")
    }
}

/// Drops later faults with the text and place of an earlier one: a function's body is looked at once for each call.
pub(crate) fn without_repetitions(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen = std::collections::BTreeSet::new();
    diagnostics
        .into_iter()
        .filter(|it| seen.insert((it.span, it.code, it.message.clone())))
        .collect()
}
