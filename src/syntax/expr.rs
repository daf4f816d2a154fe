//! Expressions: the flat list of operands and operators that pest has read, folded by precedence.
//!
//! Loops take the place of recursion wherever a list may be long, and every node knows how deep it is, so that
//! no tree becomes deeper than [`MAX_DEPTH`].

use std::iter::Peekable;

use pest::iterators::{Pair, Pairs};

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::MAX_DEPTH;
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, Over, Path};
use crate::syntax::build::Builder;
use crate::syntax::grammar::Rule;
use crate::syntax::print::{print_expr, print_path};
use crate::text::Span;

/// An expression and how many nodes lie below its root on the longest way.
struct Tall {
    expr: Expr,
    height: u32,
}

/// An operand with the signs before it.
struct Operand {
    signs: Vec<Span>,
    base: Tall,
}

type Operands<'o> = Peekable<std::vec::IntoIter<(Option<(BinaryOp, Span)>, Operand)>>;
type Inner<'p> = Peekable<Pairs<'p, Rule>>;

impl Builder<'_> {
    /// The tree of an expression.
    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        Some(self.tall(pair)?.expr)
    }

    /// The path after `output`.
    pub(super) fn output_path(&mut self, pair: Pair<'_, Rule>) -> Option<Path> {
        let mut parts = pair.into_inner().peekable();
        let head = parts.next()?;
        let head = self.ident(&head);
        let (path, _, indices) = self.path(head, &mut parts)?;
        if let Some((index, _)) = indices.first() {
            self.report(
                Diagnostic::new(
                    Code::UnexpectedToken,
                    index.expr.span,
                    "an output is a name or `NAME = expr`",
                )
                .help(format!("give the element a name: `output y = {}[..]`", print_path(&path))),
            );
        }
        Some(path)
    }

    fn tall(&mut self, pair: Pair<'_, Rule>) -> Option<Tall> {
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

    /// A node above others; too deep ones are reported once and cut.
    fn node(&mut self, kind: ExprKind, span: Span, below: u32) -> Tall {
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

    /// `-a ^ -b ^ c`: each sign stands before the power on its right.
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

    fn operand(&mut self, parts: &mut Inner<'_>) -> Option<Operand> {
        let mut signs = Vec::new();
        while let Some(it) = parts.next_if(|it| it.as_rule() == Rule::minus) {
            signs.push(self.span(&it));
        }
        Some(Operand { signs, base: self.postfix(parts)? })
    }

    fn postfix(&mut self, parts: &mut Inner<'_>) -> Option<Tall> {
        let pair = parts.next()?;
        let span = self.span(&pair);
        let leaf = |kind| Tall { expr: Expr { kind, span }, height: 0 };
        let mut base = match pair.as_rule() {
            Rule::name => {
                let head = self.ident(&pair);
                return self.named(head, parts);
            }
            Rule::prev => return self.prev(pair, parts),
            Rule::number => {
                let value = pair.as_str().parse::<f64>().ok().filter(|it| it.is_finite());
                leaf(ExprKind::Number(value.unwrap_or(0.0)))
            }
            Rule::constant if pair.as_str() == "pi" => leaf(ExprKind::Pi),
            Rule::constant => leaf(ExprKind::Inf),
            Rule::paren => {
                let inner = self.tall(pair.into_inner().next()?)?;
                self.node(ExprKind::Paren(Box::new(inner.expr)), span, inner.height)
            }
            Rule::array => {
                let (exprs, height) = self.list(pair.into_inner())?;
                self.node(ExprKind::Array(exprs), span, height)
            }
            _ => return None,
        };
        while let Some(part) = next_postfix(parts) {
            base = self.apply(base, part)?;
        }
        Some(base)
    }

    /// What follows a value that is no name: an index, and nothing else.
    fn apply(&mut self, base: Tall, part: Pair<'_, Rule>) -> Option<Tall> {
        let span = self.span(&part);
        match part.as_rule() {
            Rule::index => {
                let index = self.tall(part.into_inner().next()?)?;
                Some(self.index(base, index, span))
            }
            Rule::field => {
                self.report(
                    Diagnostic::new(
                        Code::UnexpectedToken,
                        Span { end: span.start + 1, ..span },
                        "only a name has parts that `.` reads",
                    )
                    .help("name the value with `let` first"),
                );
                Some(base)
            }
            _ => {
                let place = Span { end: span.start + 1, ..span };
                let left = base.expr.span;
                let last = Span { start: left.end - 1, ..left };
                self.report(
                    Diagnostic::new(
                        Code::MissingOperator,
                        place,
                        format!("missing operator between `{}` and `(`", self.text(last)),
                    )
                    .label(last, "a value ends here")
                    .help("write `*` for an elementwise and `@` for a matrix product"),
                );
                Some(base)
            }
        }
    }

    fn index(&mut self, base: Tall, index: Tall, bracket: Span) -> Tall {
        let span = base.expr.span.to(bracket);
        let height = base.height.max(index.height);
        self.node(ExprKind::Index(Box::new(base.expr), Box::new(index.expr)), span, height)
    }

    /// A name with what follows it: a call, or a path with its indices.
    fn named(&mut self, head: Ident, parts: &mut Inner<'_>) -> Option<Tall> {
        let mut base = if let Some(args) = parts.next_if(|it| it.as_rule() == Rule::args) {
            let span = head.span.to(self.span(&args));
            let (args, height) = self.args(args)?;
            self.node(ExprKind::Call(head, args), span, height)
        } else {
            let (path, height, indices) = self.path(head, parts)?;
            let span = path.span;
            let leaf = match height.checked_sub(1) {
                None => Tall { expr: Expr { kind: ExprKind::Path(path), span }, height },
                Some(below) => self.node(ExprKind::Path(path), span, below),
            };
            self.indexed(leaf, indices)
        };
        while let Some(part) = next_postfix(parts) {
            base = self.apply(base, part)?;
        }
        Some(base)
    }

    fn indexed(&mut self, mut base: Tall, indices: Vec<(Tall, Span)>) -> Tall {
        for (index, bracket) in indices {
            base = self.index(base, index, bracket);
        }
        base
    }

    /// `a[0].h`, and the indices that follow the path.
    fn path(
        &mut self,
        head: Ident,
        parts: &mut Inner<'_>,
    ) -> Option<(Path, u32, Vec<(Tall, Span)>)> {
        let mut path = Path { span: head.span, head, tail: Vec::new() };
        let mut height = 0;
        let mut indices: Vec<(Tall, Span)> = Vec::new();
        while let Some(part) = parts.next_if(|it| matches!(it.as_rule(), Rule::index | Rule::field))
        {
            let span = self.span(&part);
            let is_index = part.as_rule() == Rule::index;
            let inner = part.into_inner().next()?;
            if is_index {
                indices.push((self.tall(inner)?, span));
                continue;
            }
            let name = self.ident(&inner);
            if indices.len() > 1 {
                self.report(
                    Diagnostic::new(
                        Code::UnexpectedToken,
                        indices[1].1,
                        "expected `.`: a part of a layer has one index",
                    )
                    .help("`a[0].h` is `h` of the first layer of the stack `a`"),
                );
                indices.truncate(1);
            }
            path.span = path.span.to(name.span);
            let index = indices.pop().map(|it| it.0);
            height = index.as_ref().map_or(height, |it| height.max(it.height + 1));
            path.tail.push((index.map(|it| it.expr), name));
        }
        Some((path, height, indices))
    }

    /// `prev h`, `prev a.h`, `prev(h, 2)`.
    fn prev(&mut self, pair: Pair<'_, Rule>, parts: &mut Inner<'_>) -> Option<Tall> {
        let span = self.span(&pair);
        let inner = pair.into_inner().next()?;
        if inner.as_rule() == Rule::name {
            let head = self.ident(&inner);
            if parts.peek().is_some_and(|it| it.as_rule() == Rule::args) {
                let call = self.named(head, parts)?;
                let span = span.to(call.expr.span);
                self.prev_of_expression(span, call.expr.span);
                return Some(call);
            }
            let (path, height, indices) = self.path(head, parts)?;
            let span = span.to(path.span);
            let old = self.node(ExprKind::Prev(path, None), span, height);
            let mut base = self.indexed(old, indices);
            while let Some(part) = next_postfix(parts) {
                base = self.apply(base, part)?;
            }
            return Some(base);
        }
        let whole = self.span(&inner);
        let (args, height) = self.args(inner)?;
        let mut args = args.into_iter();
        let mut base = match (args.next(), args.next(), args.next()) {
            (
                Some(Arg::Positional(Expr { kind: ExprKind::Path(path), .. })),
                steps @ (None | Some(Arg::Positional(_))),
                None,
            ) => {
                let steps = steps.and_then(|it| match it {
                    Arg::Positional(steps) => Some(Box::new(steps)),
                    Arg::Named(..) | Arg::Over(..) => None,
                });
                self.node(ExprKind::Prev(path, steps), span, height)
            }
            (Some(Arg::Positional(value)), None | Some(Arg::Positional(_)), None) => {
                self.prev_of_expression(span, value.span);
                Tall { expr: value, height }
            }
            _ => {
                self.report(
                    Diagnostic::new(
                        Code::BadPrev,
                        whole,
                        "`prev` takes a name and a number of steps",
                    )
                    .help("write `prev h` or `prev(h, 2)`"),
                );
                Tall { expr: Expr { kind: ExprKind::Number(0.0), span }, height: 0 }
            }
        };
        while let Some(part) = next_postfix(parts) {
            base = self.apply(base, part)?;
        }
        Some(base)
    }

    /// `prev (a + b)`: names the expression and takes the old value of the name.
    fn prev_of_expression(&mut self, span: Span, value: Span) {
        let text = self.text(value);
        let name = self.spare;
        let mut found =
            Diagnostic::new(Code::BadPrev, span, "`prev` takes a name, not an expression");
        if text.len() <= 80 && !text.contains('\n') {
            found = found
                .help(format!("name the expression: `let {name} = {text}`, then `prev {name}`"))
                .fixes(
                    Applicability::Maybe,
                    vec![
                        (self.start(), format!("let {name} = {text}\n  ")),
                        (span, format!("prev {name}")),
                    ],
                );
        } else {
            found = found.help("name the expression with `let` first");
        }
        self.report(found);
    }

    fn list(&mut self, pairs: Pairs<'_, Rule>) -> Option<(Vec<Expr>, u32)> {
        let mut exprs = Vec::new();
        let mut height = 0;
        for pair in pairs {
            let item = self.tall(pair)?;
            height = height.max(item.height);
            exprs.push(item.expr);
        }
        exprs.shrink_to_fit();
        Some((exprs, height))
    }

    fn args(&mut self, pair: Pair<'_, Rule>) -> Option<(Vec<Arg>, u32)> {
        let mut args = Vec::new();
        let mut height = 0;
        for pair in pair.into_inner() {
            let span = self.span(&pair);
            let (arg, below) = match pair.as_rule() {
                Rule::named => {
                    let mut parts = pair.into_inner();
                    let name = self.ident(&parts.next()?);
                    let value = self.tall(parts.next()?)?;
                    (Arg::Named(name, value.expr), value.height)
                }
                Rule::over => {
                    let inner = pair.into_inner().next()?;
                    let (over, below) = match inner.as_rule() {
                        Rule::edge if inner.as_str() == "last" => (Over::Last, 0),
                        Rule::edge => (Over::First, 0),
                        Rule::array => {
                            let (dims, height) = self.list(inner.into_inner())?;
                            (Over::Dims(dims), height)
                        }
                        _ => {
                            let dim = self.tall(inner)?;
                            (Over::Dim(dim.expr), dim.height)
                        }
                    };
                    (Arg::Over(over, span), below)
                }
                _ => {
                    let value = self.tall(pair)?;
                    (Arg::Positional(value.expr), value.height)
                }
            };
            height = height.max(below);
            args.push(arg);
        }
        args.shrink_to_fit();
        Some((args, height))
    }
}

/// The next operator, if it is of the wanted level.
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

fn next_postfix<'p>(parts: &mut Inner<'p>) -> Option<Pair<'p, Rule>> {
    parts.next_if(|it| matches!(it.as_rule(), Rule::args | Rule::index | Rule::field))
}

/// The two readings of a product of bare matrix products, as text: `(U @ r) * h` and `U @ (r * h)`.
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
