//! Expressions: the flat list of operands and operators that pest has read, folded by precedence.
//!
//! Loops take the place of recursion wherever a list may be long, and every node knows how deep it
//! is, so that no tree becomes deeper than [`MAX_DEPTH`].

use std::iter::Peekable;

use pest::iterators::{Pair, Pairs};

use crate::diag::{Code, Diagnostic};
use crate::syntax::MAX_DEPTH;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind};
use crate::syntax::build::Builder;
use crate::syntax::grammar::Rule;
use crate::syntax::print::print_expr;
use crate::text::Span;

/// An expression and how many nodes lie below its root on the longest way.
pub(super) struct Tall {
    /// The expression.
    pub(super) expr: Expr,
    /// Zero for a leaf.
    pub(super) height: u32,
}

/// An operand with the signs before it.
pub(super) struct Operand {
    /// The signs, from the left.
    pub(super) signs: Vec<Span>,
    /// The value that they come before.
    pub(super) base: Tall,
}

type Operands<'o> = Peekable<std::vec::IntoIter<(Option<(BinaryOp, Span)>, Operand)>>;
/// The parts of an expression that are not read yet.
pub(super) type Inner<'p> = Peekable<Pairs<'p, Rule>>;

impl Builder<'_> {
    /// Returns the tree of an expression.
    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        Some(self.tall(pair)?.expr)
    }

    /// Returns the tree of an expression and its height.
    pub(super) fn tall(&mut self, pair: Pair<'_, Rule>) -> Option<Tall> {
        let mut parts = pair.into_inner().peekable();
        let first = self.operand(&mut parts)?;
        if parts.peek().is_none() && first.signs.is_empty() {
            return Some(first.base);
        }
        let mut operands = vec![(None, first)];
        while let Some(infix) = parts.next() {
            let op = operator(infix.as_str())?;
            let span = self.span(&infix);
            operands.push((Some((op, span)), self.operand(&mut parts)?));
        }
        let mut operands = operands.into_iter().peekable();
        self.comparison(&mut operands)
    }

    /// Returns a node above others; too deep ones are reported once and cut.
    pub(super) fn node(&mut self, kind: ExprKind, span: Span, below: u32) -> Tall {
        let height = below + 1;
        if height <= MAX_DEPTH {
            return Tall { expr: Expr { kind, span }, height };
        }
        if !self.too_deep {
            self.too_deep = true;
            let place = Span { end: span.start, ..span };
            self.report(
                Diagnostic::new(
                    Code::TooLarge,
                    place,
                    format!("the expression is nested more than {MAX_DEPTH} deep"),
                )
                .help("name a part of it with `let`"),
            );
        }
        Tall { expr: Expr { kind: ExprKind::Number(0.0), span }, height: 0 }
    }

    fn comparison(&mut self, operands: &mut Operands<'_>) -> Option<Tall> {
        let mut left = self.sum(operands)?;
        let mut first: Option<Span> = None;
        while let Some((op, span)) = next_operator(operands, is_comparison) {
            let right = self.sum(operands)?;
            if let Some(first) = first {
                // One message for a chain, however long.
                if !self.diagnostics.iter().any(|it| it.code == Code::ChainedComparison) {
                    self.report(
                        Diagnostic::new(Code::ChainedComparison, span, "comparisons do not chain")
                            .label(first, "the first comparison")
                            .help("multiply two of them: `(a < b) * (b < c)`"),
                    );
                }
                continue;
            }
            first = Some(span);
            left = self.binary(op, span, left, right);
        }
        Some(left)
    }

    fn sum(&mut self, operands: &mut Operands<'_>) -> Option<Tall> {
        let first = self.product(operands)?;
        self.chain(first, operands, |it| matches!(it, BinaryOp::Add | BinaryOp::Sub), Self::product)
    }

    fn product(&mut self, operands: &mut Operands<'_>) -> Option<Tall> {
        let first = self.matrix(operands)?;
        let result = self.chain(
            first,
            operands,
            |it| matches!(it, BinaryOp::Mul | BinaryOp::Div),
            Self::matrix,
        )?;
        self.check_products(&result.expr);
        Some(result)
    }

    /// Operators of one level from the left, as a flat list.
    fn chain(
        &mut self,
        first: Tall,
        operands: &mut Operands<'_>,
        belongs: fn(BinaryOp) -> bool,
        next: fn(&mut Self, &mut Operands<'_>) -> Option<Tall>,
    ) -> Option<Tall> {
        let mut rest = Vec::new();
        let mut height = first.height;
        let mut span = first.expr.span;
        while let Some((op, place)) = next_operator(operands, belongs) {
            let term = next(self, operands)?;
            height = height.max(term.height);
            span = span.to(term.expr.span);
            rest.push((op, place, term.expr));
        }
        if rest.is_empty() {
            return Some(first);
        }
        rest.shrink_to_fit();
        Some(self.node(ExprKind::Chain(Box::new(first.expr), rest), span, height))
    }

    /// `a @ b @ c`, from the right.
    fn matrix(&mut self, operands: &mut Operands<'_>) -> Option<Tall> {
        let first = self.unary(operands)?;
        if operands.peek().is_none_or(|it| it.0.is_some_and(|it| it.0 != BinaryOp::MatMul)) {
            return Some(first);
        }
        let mut factors = vec![first];
        let mut places = Vec::new();
        while let Some((_, place)) = next_operator(operands, |it| it == BinaryOp::MatMul) {
            places.push(place);
            factors.push(self.unary(operands)?);
        }
        let mut right = factors.pop()?;
        while let (Some(left), Some(place)) = (factors.pop(), places.pop()) {
            right = self.binary(BinaryOp::MatMul, place, left, right);
        }
        Some(right)
    }

    /// `-a ^ -b ^ c`: each sign precedes the power on its right.
    fn unary(&mut self, operands: &mut Operands<'_>) -> Option<Tall> {
        let first = operands.next()?.1;
        let is_power =
            operands.peek().is_some_and(|it| it.0.is_some_and(|it| it.0 == BinaryOp::Pow));
        if !is_power && first.signs.is_empty() {
            return Some(first.base);
        }
        let mut bases = vec![first];
        let mut places = Vec::new();
        while let Some((_, place)) = next_operator(operands, |it| it == BinaryOp::Pow) {
            places.push(place);
            bases.push(operands.next()?.1);
        }
        let mut right = None;
        while let Some(Operand { signs, base }) = bases.pop() {
            let mut value = match right {
                Some(exponent) => {
                    let place = places.pop()?;
                    self.binary(BinaryOp::Pow, place, base, exponent)
                }
                None => base,
            };
            for sign in signs.into_iter().rev() {
                let span = sign.to(value.expr.span);
                value = self.node(ExprKind::Neg(sign, Box::new(value.expr)), span, value.height);
            }
            right = Some(value);
        }
        right
    }

    fn binary(&mut self, op: BinaryOp, place: Span, left: Tall, right: Tall) -> Tall {
        let span = left.expr.span.to(right.expr.span);
        let height = left.height.max(right.height);
        let kind = ExprKind::Binary(op, place, Box::new(left.expr), Box::new(right.expr));
        self.node(kind, span, height)
    }

    /// Reports an `@` without parentheses as an operand of `*` or `/`.
    fn check_products(&mut self, expr: &Expr) {
        let ExprKind::Chain(first, rest) = &expr.kind else { return };
        let bare = |it: &Expr| matches!(it.kind, ExprKind::Binary(BinaryOp::MatMul, ..));
        let mut operands = std::iter::once(&**first).chain(rest.iter().map(|it| &it.2));
        let Some(product) = operands.find(|it| bare(it)) else { return };
        let ExprKind::Binary(_, at, ..) = &product.kind else { return };
        let other = rest
            .iter()
            .map(|it| (it.0, it.1))
            .min_by_key(|it| it.1.start.abs_diff(at.start))
            .unwrap_or((BinaryOp::Mul, *at));
        let message = format!("`@` and `{}` need parentheses here", other.0.symbol());
        let mut found = Diagnostic::new(Code::MatMulNeedsParens, *at, message)
            .label(other.1, "either may be meant to come first");
        // Readings of a line that fills a screen help nobody.
        if rest.len() <= 8 {
            let (matrix_first, elementwise_first) = readings(first, rest);
            found = found.help(format!("write `{matrix_first}` or `{elementwise_first}`"));
        }
        self.report(found);
    }
}

/// Returns the next operator, if it is of the wanted level.
fn next_operator(
    operands: &mut Operands<'_>,
    wanted: impl Fn(BinaryOp) -> bool,
) -> Option<(BinaryOp, Span)> {
    operands.peek().and_then(|it| it.0).filter(|it| wanted(it.0))
}

fn is_comparison(op: BinaryOp) -> bool {
    match op {
        BinaryOp::Less
        | BinaryOp::LessEqual
        | BinaryOp::Greater
        | BinaryOp::GreaterEqual
        | BinaryOp::Equal
        | BinaryOp::NotEqual => true,
        BinaryOp::Add
        | BinaryOp::Sub
        | BinaryOp::Mul
        | BinaryOp::Div
        | BinaryOp::MatMul
        | BinaryOp::Pow => false,
    }
}

fn operator(text: &str) -> Option<BinaryOp> {
    Some(match text {
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "@" => BinaryOp::MatMul,
        "^" => BinaryOp::Pow,
        "<" => BinaryOp::Less,
        "<=" => BinaryOp::LessEqual,
        ">" => BinaryOp::Greater,
        ">=" => BinaryOp::GreaterEqual,
        "==" => BinaryOp::Equal,
        "!=" => BinaryOp::NotEqual,
        _ => return None,
    })
}

/// Returns the two readings of a product of bare matrix products, as text: `(U @ r) * h` and `U @ (r * h)`.
fn readings(first: &Expr, rest: &[(BinaryOp, Span, Expr)]) -> (String, String) {
    let mut matrix_first = String::new();
    // The text between two `@`, and whether it needs parentheses because it holds `*` or `/`.
    let mut pieces: Vec<(String, bool)> = vec![(String::new(), false)];
    let operands = std::iter::once((None, first)).chain(rest.iter().map(|it| (Some(it.0), &it.2)));
    for (op, operand) in operands {
        if let Some(op) = op {
            let sign = format!(" {} ", op.symbol());
            matrix_first.push_str(&sign);
            if let Some(last) = pieces.last_mut() {
                last.0.push_str(&sign);
                last.1 = true;
            }
        }
        let mut factor = operand;
        let is_product = matches!(factor.kind, ExprKind::Binary(BinaryOp::MatMul, ..));
        let text = print_expr(operand);
        matrix_first.push_str(&if is_product { format!("({text})") } else { text });
        while let ExprKind::Binary(BinaryOp::MatMul, _, left, right) = &factor.kind {
            if let Some(last) = pieces.last_mut() {
                last.0.push_str(&print_expr(left));
            }
            pieces.push((String::new(), false));
            factor = right;
        }
        if let Some(last) = pieces.last_mut() {
            last.0.push_str(&print_expr(factor));
        }
    }
    let pieces =
        pieces.into_iter().map(|(text, group)| if group { format!("({text})") } else { text });
    (matrix_first, pieces.collect::<Vec<_>>().join(" @ "))
}
