//! Operands: names with what follows them, calls and their arguments, `prev`, brackets.

use pest::iterators::{Pair, Pairs};

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::{Arg, Expr, ExprKind, Ident, Over, Path};
use crate::syntax::build::Builder;
use crate::syntax::expr::{Inner, Operand, Tall};
use crate::syntax::grammar::Rule;
use crate::syntax::print::print_path;
use crate::text::Span;

/// The indices behind a path, each with the place of its brackets.
type Indices = Vec<(Tall, Span)>;

impl Builder<'_> {
    /// Returns the path after `output`.
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

    /// Returns the next operand with its signs.
    pub(super) fn operand(&mut self, parts: &mut Inner<'_>) -> Option<Operand> {
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

    /// Applies an index, which is all that may follow a value that is no name.
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
                let short = |it: Span| it.end - it.start <= 40 && !self.text(it).contains('\n');
                let before = self.text(if short(left) { left } else { last });
                let after = if short(span) { self.text(span) } else { "(" };
                let blank = if left.end == span.start { " " } else { "" };
                let message = format!("missing operator between `{before}` and `{after}`");
                let fault = Diagnostic::new(Code::MissingOperator, place, message)
                    .label(last, "a value ends here")
                    .help("write `*` for an elementwise and `@` for a matrix product")
                    .fix(Applicability::Maybe, left.after(), format!(" *{blank}"));
                self.report(fault);
                Some(base)
            }
        }
    }

    fn index(&mut self, base: Tall, index: Tall, bracket: Span) -> Tall {
        let span = base.expr.span.to(bracket);
        let height = base.height.max(index.height);
        self.node(ExprKind::Index(Box::new(base.expr), Box::new(index.expr)), span, height)
    }

    /// Returns a name with what follows it: a call, or a path with its indices.
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
            base = match (&base.expr.kind, part.as_rule()) {
                (ExprKind::Path(path), Rule::args) if !path.tail.is_empty() => {
                    self.called_by_path(path.clone(), part)?
                }
                _ => self.apply(base, part)?,
            };
        }
        Some(base)
    }

    /// `torch.tanh(v)`: read on as `tanh(v)`, so that the slip is told once.
    fn called_by_path(&mut self, mut path: Path, args: Pair<'_, Rule>) -> Option<Tall> {
        let (index, name) = path.tail.pop()?;
        let shown = self.text(path.span);
        let whole = path.span.to(self.span(&args));
        // `x.sum()` is of no module: it asks a value.
        if let (None, None) = (&index, args.clone().into_inner().next()) {
            let dot = self.source[..name.span.start as usize].rfind('.').unwrap_or(0);
            path.span.end = (dot as u32).max(path.head.span.end);
            let value = self.text(path.span);
            let message = format!("`{}` is no part of a value: functions stand alone", name.name);
            let fault = Diagnostic::new(Code::UnexpectedToken, whole, message);
            let text = format!("{}({value})", name.name);
            self.report(fault.help(format!("write `{text}`")).fix(
                Applicability::Maybe,
                whole,
                text,
            ));
            let span = path.span;
            let of = Arg::Positional(Expr { kind: ExprKind::Path(path), span });
            return Some(self.node(ExprKind::Call(name, vec![of]), whole, 1));
        }
        let message = match shown.len() <= 40 && !shown.contains('\n') {
            true => format!("`{shown}` is no function: functions stand alone"),
            false => "functions stand alone, without the name of a module".to_owned(),
        };
        let fault = Diagnostic::new(Code::UnexpectedToken, path.span, message)
            .help(format!("write `{}(..)`", name.name))
            .fix(Applicability::Maybe, path.span, &*name.name);
        self.report(fault);
        let span = name.span.to(self.span(&args));
        let (args, height) = self.args(args)?;
        Some(self.node(ExprKind::Call(name, args), span, height))
    }

    fn indexed(&mut self, mut base: Tall, indices: Indices) -> Tall {
        for (index, bracket) in indices {
            base = self.index(base, index, bracket);
        }
        base
    }

    /// `a[0].h`, and the indices that follow the path.
    fn path(&mut self, head: Ident, parts: &mut Inner<'_>) -> Option<(Path, u32, Indices)> {
        let mut path = Path { span: head.span, head, tail: Vec::new() };
        let mut height = 0;
        let mut indices = Indices::new();
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
                self.prev_of_expression(span, call.expr.span, None);
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
            (Some(Arg::Positional(value)), steps @ (None | Some(Arg::Positional(_))), None) => {
                let steps = steps.and_then(|it| match it {
                    Arg::Positional(steps) => Some(Box::new(steps)),
                    Arg::Named(..) | Arg::Over(..) => None,
                });
                match of_name(value) {
                    Ok((path, index)) => {
                        let old = self.node(ExprKind::Prev(path, steps), span, height);
                        match index {
                            Some(index) => {
                                let kind = ExprKind::Index(Box::new(old.expr), index);
                                self.node(kind, span, old.height)
                            }
                            None => old,
                        }
                    }
                    Err(value) => {
                        self.prev_of_expression(span, value.span, steps.map(|it| it.span));
                        Tall { expr: value, height }
                    }
                }
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
    fn prev_of_expression(&mut self, span: Span, value: Span, steps: Option<Span>) {
        let text = self.text(value);
        let name = self.spare;
        let past = match steps {
            Some(steps) => format!("prev({name}, {})", self.text(steps)),
            None => format!("prev {name}"),
        };
        let mut found =
            Diagnostic::new(Code::BadPrev, span, "`prev` takes a name, not an expression");
        if text.len() <= 80 && !text.contains('\n') {
            found = found
                .help(format!("name the expression: `let {name} = {text}`, then `{past}`"))
                .fixes(
                    Applicability::Maybe,
                    vec![(self.start(), format!("let {name} = {text}\n  ")), (span, past)],
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

fn next_postfix<'p>(parts: &mut Inner<'p>) -> Option<Pair<'p, Rule>> {
    parts.next_if(|it| matches!(it.as_rule(), Rule::args | Rule::index | Rule::field))
}

/// Returns the name, or the layer of a stack, that `prev(.., k)` is of, since `prev(a[1], 2)` is `prev(a, 2)[1]` as `prev a[1]`
/// is `(prev a)[1]`. Anything else is given back.
fn of_name(value: Expr) -> Result<(Path, Option<Box<Expr>>), Expr> {
    let span = value.span;
    match value.kind {
        ExprKind::Path(path) => Ok((path, None)),
        ExprKind::Index(base, index) => match base.kind {
            ExprKind::Path(path) => Ok((path, Some(index))),
            kind => {
                let base = Box::new(Expr { kind, span: base.span });
                Err(Expr { kind: ExprKind::Index(base, index), span })
            }
        },
        kind => Err(Expr { kind, span }),
    }
}
