//! W0604: expressions for which there is a function that loses no digits.
//!
//! The tree is asked and not the graph, because the fix is an edit of what the author wrote. A name of a `let` is looked
//! through once, so `log(s)` with `let s = sigmoid(v)` is found too, but then without an edit.

use std::collections::{BTreeMap, BTreeSet};

use super::walk::{self, Read};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::{
    Arg, BinaryOp, Cell, DeclKind, Expr, ExprKind, Fold, Ident, OutputDecl, Value,
};
use crate::text::{Name, Span};

/// Finds lossy expressions in the equations of a cell. Constants and initialisers are computed once, in f64, and left alone.
pub(super) fn of_cell(cell: &Cell) -> Vec<Diagnostic> {
    let mut accuracy = Accuracy::default();
    for decl in &cell.decls {
        match &decl.kind {
            DeclKind::Dims(dims) => {
                accuracy.constants.extend(dims.iter().map(|it| it.name.name.clone()));
            }
            DeclKind::Hyper(hypers) => {
                accuracy.constants.extend(hypers.iter().map(|it| it.name.name.clone()));
            }
            DeclKind::Value(_, name, Value::Expr(expr)) => {
                accuracy.lets.insert(name.name.clone(), expr);
            }
            DeclKind::Value(_, _, Value::Fold(_))
            | DeclKind::Group(..)
            | DeclKind::Tuple(..)
            | DeclKind::Update(..)
            | DeclKind::Output(_)
            | DeclKind::Layer(_)
            | DeclKind::Loss { .. }
            | DeclKind::Layout(_) => {}
        }
    }
    for decl in &cell.decls {
        match &decl.kind {
            DeclKind::Value(_, _, value)
            | DeclKind::Tuple(_, value)
            | DeclKind::Update(_, value) => accuracy.value(value),
            DeclKind::Output(outputs) => {
                for output in outputs {
                    match output {
                        OutputDecl::Path(_) => {}
                        OutputDecl::Named(_, expr) => accuracy.expr(expr),
                    }
                }
            }
            DeclKind::Layer(layer) => layer.args.iter().for_each(|it| accuracy.expr(&it.value)),
            DeclKind::Loss { value, at_last: _ } => accuracy.expr(value),
            DeclKind::Dims(_) | DeclKind::Hyper(_) | DeclKind::Group(..) | DeclKind::Layout(_) => {}
        }
    }
    accuracy.found
}

/// Finds lossy expressions in the body of a function or activation; `constants` are names that are known before a run.
pub(super) fn of_body<'a>(
    body: &'a Expr,
    constants: impl Iterator<Item = &'a Ident>,
) -> Vec<Diagnostic> {
    let constants = constants.map(|it| it.name.clone()).collect();
    let mut accuracy = Accuracy { constants, ..Accuracy::default() };
    accuracy.expr(body);
    accuracy.found
}

#[derive(Default)]
struct Accuracy<'a> {
    /// What the names of gates and lets stand for where we are.
    lets: BTreeMap<Name, &'a Expr>,
    /// Dims, hypers and loop variables.
    constants: BTreeSet<Name>,
    found: Vec<Diagnostic>,
}

impl<'a> Accuracy<'a> {
    fn value(&mut self, value: &'a Value) {
        match value {
            Value::Expr(expr) => self.expr(expr),
            Value::Fold(fold) => self.fold(fold),
        }
    }

    fn fold(&mut self, fold: &'a Fold) {
        fold.starts.iter().for_each(|it| self.expr(it));
        let outside = (self.lets.clone(), self.constants.clone());
        for name in &fold.accumulators {
            self.lets.remove(&name.name);
        }
        self.constants.insert(fold.variable.name.clone());
        for it in &fold.body {
            if let (Value::Expr(expr), [name]) = (&it.value, it.names.as_slice()) {
                self.lets.insert(name.name.clone(), expr);
            }
        }
        fold.body.iter().for_each(|it| self.value(&it.value));
        fold.results.iter().for_each(|it| self.expr(it));
        (self.lets, self.constants) = outside;
    }

    fn expr(&mut self, expr: &'a Expr) {
        self.look(expr);
        match &expr.kind {
            ExprKind::Number(_)
            | ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Path(_)
            | ExprKind::Prev(..) => {}
            ExprKind::Call(_, args) => {
                for arg in args {
                    match arg {
                        Arg::Positional(value) | Arg::Named(_, value) => self.expr(value),
                        Arg::Over(..) => {}
                    }
                }
            }
            ExprKind::Array(items) => items.iter().for_each(|it| self.expr(it)),
            ExprKind::Paren(inner) | ExprKind::Neg(_, inner) => self.expr(inner),
            ExprKind::Index(left, right) | ExprKind::Binary(_, _, left, right) => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Chain(first, rest) => {
                self.expr(first);
                rest.iter().for_each(|(_, _, it)| self.expr(it));
            }
        }
    }

    fn look(&mut self, expr: &'a Expr) {
        if let ExprKind::Chain(first, rest) = &expr.kind {
            return self.exp_minus_one(first, rest);
        }
        let ExprKind::Call(name, args) = &expr.kind else { return };
        let [Arg::Positional(arg)] = args.as_slice() else { return };
        match &*name.name {
            "log" => self.log(expr, arg),
            "sqrt" => self.sqrt(expr, arg),
            "log1p" => {
                if let Some((v, [])) = call(arg, "exp") {
                    let edits = around(expr, v, "softplus(");
                    self.report(expr, None, "log1p(exp(v))", "softplus(v)", edits);
                }
            }
            _ => {}
        }
    }

    fn log(&mut self, whole: &Expr, arg: &'a Expr) {
        let (inner, via) = self.through(arg);
        if let Some((v, [])) = call(inner, "sigmoid") {
            let edits = around(whole, v, "log_sigmoid(");
            return self.report(whole, via, "log(sigmoid(v))", "log_sigmoid(v)", edits);
        }
        if let Some((v, over)) = call(inner, "softmax") {
            let edits = match (simple(v), over) {
                (Some(v), []) => vec![(whole.span, format!("({v} - logsumexp({v}))"))],
                _ => Vec::new(),
            };
            return self.report(whole, via, "log(softmax(v))", "v - logsumexp(v)", edits);
        }
        if via.is_some() {
            return;
        }
        if let Some((powers, _)) = call(inner, "sum")
            && let Some((v, [])) = call(powers, "exp")
        {
            let edits = inside(whole, inner, powers, v, "logsumexp(");
            return self.report(whole, None, "log(sum(exp(v)))", "logsumexp(v)", edits);
        }
        let ExprKind::Chain(first, rest) = &inner.kind else { return };
        let [(op @ (BinaryOp::Add | BinaryOp::Sub), _, second)] = rest.as_slice() else {
            return self.log_of_sum(whole, first, rest);
        };
        if let (Some((a, [])), Some((b, []))) = (call(first, "exp"), call(second, "exp"))
            && *op == BinaryOp::Add
        {
            let edits = vec![
                (between(whole.span.before(), a.span), "logaddexp(".to_string()),
                (between(a.span.after(), b.span), ", ".to_string()),
                (between(b.span.after(), whole.span.after()), ")".to_string()),
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
        if let (Some((v, [])), true) = (call(term, "exp"), adds) {
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
    fn log_of_sum(&mut self, whole: &Expr, first: &'a Expr, rest: &'a [(BinaryOp, Span, Expr)]) {
        let adds = rest.iter().all(|(op, _, _)| *op == BinaryOp::Add);
        let terms = || std::iter::once(first).chain(rest.iter().map(|(_, _, it)| it));
        if adds && terms().all(|it| matches!(call(it, "exp"), Some((_, [])))) {
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

    fn sqrt(&mut self, whole: &Expr, arg: &'a Expr) {
        let inner = walk::bare(arg);
        let Some((powers, _)) = call(inner, "sum") else { return };
        let square = walk::bare(powers);
        let v = if let Some((v, [])) = call(square, "square") {
            v
        } else if let ExprKind::Binary(BinaryOp::Pow, _, v, power) = &square.kind
            && let ExprKind::Number(2.0) = walk::bare(power).kind
        {
            v
        } else if let ExprKind::Chain(v, rest) = &square.kind
            && let [(BinaryOp::Mul, _, w)] = rest.as_slice()
            && simple(v).is_some()
            && simple(v) == simple(w)
        {
            v
        } else {
            return;
        };
        let edits = inside(whole, inner, powers, v, "norm(");
        self.report(whole, None, "sqrt(sum(square(v)))", "norm(v)", edits);
    }

    fn exp_minus_one(&mut self, first: &'a Expr, rest: &'a [(BinaryOp, Span, Expr)]) {
        if !rest.iter().all(|(op, _, _)| matches!(op, BinaryOp::Add | BinaryOp::Sub)) {
            return;
        }
        let terms: Vec<(BinaryOp, &Expr)> = std::iter::once((BinaryOp::Add, first))
            .chain(rest.iter().map(|(op, _, it)| (*op, it)))
            .collect();
        for pair in terms.windows(2) {
            let [(sign, power), (other, one)] = *pair else { continue };
            let Some((v, [])) = call(power, "exp") else { continue };
            if sign == other || !is_one(one) || self.is_constant(v) {
                continue;
            }
            let whole = Span { end: one.span.end, ..power.span };
            let edits = vec![
                (between(power.span.before(), v.span), "expm1(".to_string()),
                (between(v.span.after(), one.span.after()), ")".to_string()),
            ];
            self.report_at(whole, None, "exp(v) - 1", "expm1(v)", edits);
        }
    }

    /// The expression that a name of a `let` stands for, and the place where that is written.
    fn through(&self, expr: &'a Expr) -> (&'a Expr, Option<Span>) {
        let expr = walk::bare(expr);
        if let ExprKind::Path(path) = &expr.kind
            && path.tail.is_empty()
            && let Some(meant) = self.lets.get(&path.head.name)
        {
            return (walk::bare(meant), Some(meant.span));
        }
        (expr, None)
    }

    /// Whether the expression is a number before anything runs.
    fn is_constant(&self, expr: &Expr) -> bool {
        let mut constant = true;
        walk::names(expr, &mut |name, read| match read {
            Read::Now => constant &= self.constants.contains(&name.name),
            Read::Before => constant = false,
            Read::Call => constant &= &*name.name != "time",
        });
        constant
    }

    fn report(
        &mut self,
        whole: &Expr,
        via: Option<Span>,
        lossy: &str,
        better: &str,
        edits: Vec<(Span, String)>,
    ) {
        self.report_at(whole.span, via, lossy, better, edits);
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

/// The first argument and the others of a call of this name.
fn call<'e>(expr: &'e Expr, wanted: &str) -> Option<(&'e Expr, &'e [Arg])> {
    let ExprKind::Call(name, args) = &walk::bare(expr).kind else { return None };
    let Some((Arg::Positional(value), rest)) = args.split_first() else { return None };
    (&*name.name == wanted).then_some((value, rest))
}

fn is_one(expr: &Expr) -> bool {
    matches!(walk::bare(expr).kind, ExprKind::Number(1.0))
}

/// The text of a plain name or its old value.
fn simple(expr: &Expr) -> Option<String> {
    let (path, prev) = if let ExprKind::Path(path) = &walk::bare(expr).kind {
        (path, "")
    } else if let ExprKind::Prev(path, None) = &walk::bare(expr).kind {
        (path, "prev ")
    } else {
        return None;
    };
    path.tail.is_empty().then(|| format!("{prev}{}", path.head.name))
}

/// From the start of one span to that of another.
fn between(from: Span, to: Span) -> Span {
    Span { end: to.start, ..from }
}

/// Puts `start` for all that stands before `v` in `whole`, and one parenthesis for all that follows.
fn around(whole: &Expr, v: &Expr, start: &str) -> Vec<(Span, String)> {
    vec![
        (between(whole.span.before(), v.span), start.to_string()),
        (between(v.span.after(), whole.span.after()), ")".to_string()),
    ]
}

/// For `outer(sum(inner(v) over D))`: `start` and `v`, then what follows in the call of `sum`, which keeps its parenthesis.
fn inside(whole: &Expr, sum: &Expr, arg: &Expr, v: &Expr, start: &str) -> Vec<(Span, String)> {
    vec![
        (between(whole.span.before(), v.span), start.to_string()),
        (between(v.span.after(), arg.span.after()), String::new()),
        (between(sum.span.after(), whole.span.after()), String::new()),
    ]
}
