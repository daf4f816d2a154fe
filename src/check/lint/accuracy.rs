//! W0604: expressions for which there is a function that loses no digits.
//!
//! The tree is asked and not the graph, because the fix is an edit of what the author wrote. A name of a `let` is looked
//! through once, so `log(s)` with `let s = sigmoid(v)` is found too, but then without an edit.

use std::collections::BTreeMap;

use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::builtin::Builtin;
use crate::hir::{
    Callee, Cell, DefKind, Expr, Fold, Function, Kind, LocalId, LocalKind, Right, Value, ValueKind,
    walk,
};
use crate::syntax::ast::BinaryOp;
use crate::text::Span;
use crate::text::id::Id;

/// Finds lossy expressions in the equations of a cell. Constants and initialisers are computed once, in f64, and left alone.
pub(super) fn of_cell(cell: &Cell<'_>) -> Vec<Diagnostic> {
    let mut accuracy = Accuracy { cell: Some(cell), ..Accuracy::default() };
    cell.equations.iter().for_each(|it| accuracy.value(&it.value));
    for layer in &cell.layers {
        layer.args.iter().for_each(|it| accuracy.expr(&it.value));
    }
    cell.losses.iter().for_each(|it| accuracy.expr(&it.value));
    accuracy.found
}

/// Finds lossy expressions in the body of a function or activation.
pub(super) fn of_function(function: &Function<'_>) -> Vec<Diagnostic> {
    let is_activation = function.is_activation();
    let mut accuracy = Accuracy { is_activation, ..Accuracy::default() };
    accuracy.expr(&function.body);
    function.derivative.iter().for_each(|it| accuracy.expr(it));
    accuracy.found
}

#[derive(Default)]
struct Accuracy<'e, 'a> {
    /// The cell whose names are meant.
    cell: Option<&'e Cell<'a>>,
    /// True in the body of an activation, whose parameters but the first are constants.
    is_activation: bool,
    /// The gates and lets of loops.
    lets: BTreeMap<LocalId, &'e Expr<'a>>,
    found: Vec<Diagnostic>,
}

impl<'e, 'a> Accuracy<'e, 'a> {
    fn value(&mut self, value: &'e Value<'a>) {
        match value {
            Value::Expr(expr) => self.expr(expr),
            Value::Fold(fold) => self.fold(fold),
            Value::Layer(_) | Value::OfGroup(_) | Value::Error(_) => {}
        }
    }

    fn fold(&mut self, fold: &'e Fold<'a>) {
        fold.starts.iter().for_each(|it| self.expr(it));
        for it in &fold.body {
            if let (Value::Expr(expr), [name]) = (&it.value, it.names.as_slice()) {
                self.lets.insert(*name, expr);
            }
        }
        fold.body.iter().for_each(|it| self.value(&it.value));
        fold.results.iter().for_each(|it| self.expr(it));
    }

    fn expr(&mut self, expr: &'e Expr<'a>) {
        walk::expr(expr, &mut |it| self.look(it));
    }

    fn look(&mut self, expr: &'e Expr<'a>) {
        if let Kind::Chain(first, rest) = &expr.kind {
            return self.exp_minus_one(first, rest);
        }
        let Kind::Call(_) = expr.kind else { return };
        if let Some((arg, true)) = call(expr, "log") {
            self.log(expr, arg);
        } else if let Some((arg, true)) = call(expr, "sqrt") {
            self.sqrt(expr, arg);
        } else if let Some((arg, true)) = call(expr, "log1p")
            && let Some((v, true)) = call(arg, "exp")
        {
            let edits = around(expr, v, "softplus(");
            self.report(expr, None, "log1p(exp(v))", "softplus(v)", edits);
        }
    }

    fn log(&mut self, whole: &Expr<'_>, arg: &'e Expr<'a>) {
        let (inner, via) = self.through(arg);
        if let Some((v, true)) = call(inner, "sigmoid") {
            let edits = around(whole, v, "log_sigmoid(");
            return self.report(whole, via, "log(sigmoid(v))", "log_sigmoid(v)", edits);
        }
        if let Some((v, alone)) = call(inner, "softmax") {
            let edits = match (v.simple(), alone) {
                (Some(v), true) => vec![(whole.span(), format!("({v} - logsumexp({v}))"))],
                _ => Vec::new(),
            };
            return self.report(whole, via, "log(softmax(v))", "v - logsumexp(v)", edits);
        }
        if via.is_some() {
            return;
        }
        if let Some((powers, _)) = call(inner, "sum")
            && let Some((v, true)) = call(powers, "exp")
        {
            let edits = inside(whole, inner, powers, v, "logsumexp(");
            return self.report(whole, None, "log(sum(exp(v)))", "logsumexp(v)", edits);
        }
        let Kind::Chain(first, rest) = &inner.kind else { return };
        let [(op @ (BinaryOp::Add | BinaryOp::Sub), _, second)] = rest.as_slice() else {
            return self.log_of_sum(whole, first, rest);
        };
        if let (Some((a, true)), Some((b, true))) = (call(first, "exp"), call(second, "exp"))
            && *op == BinaryOp::Add
        {
            let edits = vec![
                (between(whole.span().before(), a.span()), "logaddexp(".to_string()),
                (between(a.span().after(), b.span()), ", ".to_string()),
                (between(b.span().after(), whole.span().after()), ")".to_string()),
            ];
            return self.report(whole, None, "log(exp(a) + exp(b))", "logaddexp(a, b)", edits);
        }
        let adds = *op == BinaryOp::Add;
        let term = if is_one(first) {
            second
        } else if is_one(second) && adds {
            first
        } else {
            return;
        };
        if self.is_constant(term) {
            return;
        }
        if let (Some((v, true)), true) = (call(term, "exp"), adds) {
            let edits = around(whole, v, "softplus(");
            self.report(whole, None, "log(1 + exp(v))", "softplus(v)", edits);
        } else if adds {
            let edits = around(whole, term, "log1p(");
            self.report(whole, None, "log(1 + v)", "log1p(v)", edits);
        } else {
            let edits = around(whole, term, "log1p(-");
            self.report(whole, None, "log(1 - v)", "log1p(-v)", edits);
        }
    }

    /// A logarithm of three terms or more.
    fn log_of_sum(
        &mut self,
        whole: &Expr<'_>,
        first: &Expr<'_>,
        rest: &[(BinaryOp, Span, Expr<'_>)],
    ) {
        let adds = rest.iter().all(|(op, _, _)| *op == BinaryOp::Add);
        let terms = || std::iter::once(first).chain(rest.iter().map(|(_, _, it)| it));
        if adds && terms().all(|it| matches!(call(it, "exp"), Some((_, true)))) {
            self.report(
                whole,
                None,
                "log(exp(a) + exp(b) + ..)",
                "logsumexp(stack(a, b, ..))",
                Vec::new(),
            );
        } else if rest.iter().all(|(op, _, _)| matches!(op, BinaryOp::Add | BinaryOp::Sub))
            && is_one(first)
            && !rest.iter().all(|(_, _, it)| self.is_constant(it))
        {
            self.report(whole, None, "log(1 + v)", "log1p(v)", Vec::new());
        }
    }

    fn sqrt(&mut self, whole: &Expr<'_>, arg: &'e Expr<'a>) {
        let inner = arg.bare();
        let Some((powers, _)) = call(inner, "sum") else { return };
        let square = powers.bare();
        let v = if let Some((v, true)) = call(square, "square") {
            v
        } else if let Kind::Binary(BinaryOp::Pow, _, v, power) = &square.kind
            && let Kind::Number(2.0) = power.bare().kind
        {
            v
        } else if let Kind::Chain(v, rest) = &square.kind
            && let [(BinaryOp::Mul, _, w)] = rest.as_slice()
            && v.simple().is_some()
            && v.simple() == w.simple()
        {
            v
        } else {
            return;
        };
        let edits = inside(whole, inner, powers, v, "norm(");
        self.report(whole, None, "sqrt(sum(square(v)))", "norm(v)", edits);
    }

    fn exp_minus_one(&mut self, first: &Expr<'_>, rest: &[(BinaryOp, Span, Expr<'_>)]) {
        if !rest.iter().all(|(op, _, _)| matches!(op, BinaryOp::Add | BinaryOp::Sub)) {
            return;
        }
        let terms: Vec<(BinaryOp, &Expr)> = std::iter::once((BinaryOp::Add, first))
            .chain(rest.iter().map(|(op, _, it)| (*op, it)))
            .collect();
        for pair in terms.windows(2) {
            let [(sign, power), (other, one)] = *pair else { continue };
            let Some((v, true)) = call(power, "exp") else { continue };
            if sign == other || !is_one(one) || self.is_constant(v) {
                continue;
            }
            let whole = Span { end: one.span().end, ..power.span() };
            let edits = vec![
                (between(power.span().before(), v.span()), "expm1(".to_string()),
                (between(v.span().after(), one.span().after()), ")".to_string()),
            ];
            self.report_at(whole, None, "exp(v) - 1", "expm1(v)", edits);
        }
    }

    /// The expression that a name of a gate or `let` is, and the place where that is written.
    fn through(&self, expr: &'e Expr<'a>) -> (&'e Expr<'a>, Option<Span>) {
        let expr = expr.bare();
        let meant = match (&expr.kind, self.cell) {
            (Kind::Local(local), _) => self.lets.get(local).copied(),
            (Kind::Def(def), Some(cell)) => {
                match (cell.defs[*def].kind, cell.defs[*def].equation) {
                    (DefKind::Value(ValueKind::Gate | ValueKind::Let), Some(equation)) => {
                        match cell.right(equation) {
                            Right::Expr(expr) => Some(expr),
                            Right::Fold(_) | Right::Layer(_) | Right::Error => None,
                        }
                    }
                    (_, _) => None,
                }
            }
            (_, _) => None,
        };
        match meant {
            Some(meant) => (meant.bare(), Some(meant.span())),
            None => (expr, None),
        }
    }

    /// Returns true if the expression is a constant before anything runs.
    fn is_constant(&self, expr: &Expr<'_>) -> bool {
        let mut constant = true;
        walk::expr(expr, &mut |it| match (&it.kind, self.cell) {
            (Kind::Def(def), Some(cell)) => {
                constant &= matches!(cell.defs[*def].kind, DefKind::Dim(_) | DefKind::Hyper(_));
            }
            (Kind::Local(local), Some(cell)) => {
                constant &= cell.locals[*local].kind == LocalKind::Variable;
            }
            (Kind::Local(local), None) => constant &= self.is_activation && local.idx() > 0,
            (Kind::Prev(..) | Kind::Part(_) | Kind::Def(_), _) => constant = false,
            (Kind::Call(call), _) => {
                let time =
                    |it: Callee| matches!(it, Callee::Builtin(it) if it.what == Builtin::Time);
                constant &= !time(call.callee);
            }
            (_, _) => {}
        });
        constant
    }

    fn report(
        &mut self,
        whole: &Expr<'_>,
        via: Option<Span>,
        lossy: &str,
        better: &str,
        edits: Vec<(Span, String)>,
    ) {
        self.report_at(whole.span(), via, lossy, better, edits);
    }

    fn report_at(
        &mut self,
        span: Span,
        via: Option<Span>,
        lossy: &str,
        better: &str,
        edits: Vec<(Span, String)>,
    ) {
        let message = format!("`{lossy}` loses accuracy; write `{better}`");
        let mut diagnostic = Diagnostic::new(Code::LosesAccuracy, span, message);
        match via {
            Some(via) => diagnostic = diagnostic.label(via, "the value whose logarithm is taken"),
            None if edits.is_empty() => {}
            None => {
                // The same value, only with fewer rounding errors.
                diagnostic = diagnostic.fixes(Applicability::Certain, edits);
            }
        }
        self.found.push(diagnostic);
    }
}

/// The first argument of a call of this built-in function, and whether it is the only one.
fn call<'e, 'a>(expr: &'e Expr<'a>, wanted: &str) -> Option<(&'e Expr<'a>, bool)> {
    let Kind::Call(call) = &expr.bare().kind else { return None };
    let Callee::Builtin(signature) = call.callee else { return None };
    let first = call.given().next()?;
    let alone = call.given().count() == 1 && call.over.is_none();
    (signature.name == wanted).then_some((first, alone))
}

fn is_one(expr: &Expr<'_>) -> bool {
    matches!(expr.bare().kind, Kind::Number(1.0))
}

/// From the start of one span to that of another.
fn between(from: Span, to: Span) -> Span {
    Span { end: to.start, ..from }
}

/// Replaces everything before `v` in `whole` by `start`, and everything after it by one parenthesis.
fn around(whole: &Expr<'_>, v: &Expr<'_>, start: &str) -> Vec<(Span, String)> {
    vec![
        (between(whole.span().before(), v.span()), start.to_string()),
        (between(v.span().after(), whole.span().after()), ")".to_string()),
    ]
}

/// For `outer(sum(inner(v) over D))`: `start` and `v`, then what follows in the call of `sum`, which keeps its parenthesis.
fn inside(
    whole: &Expr<'_>,
    sum: &Expr<'_>,
    arg: &Expr<'_>,
    v: &Expr<'_>,
    start: &str,
) -> Vec<(Span, String)> {
    vec![
        (between(whole.span().before(), v.span()), start.to_string()),
        (between(v.span().after(), arg.span().after()), String::new()),
        (between(sum.span().after(), whole.span().after()), String::new()),
    ]
}
