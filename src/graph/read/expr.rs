//! Expressions.

use super::{Bound, Reader};
use crate::graph::sketch::{Expr as Drawn, ExprId, Fixed, Level, Matrix, Value};
use crate::graph::text::{self, Rich};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Ident, Over, Path};
use crate::syntax::print_expr;

impl Reader<'_> {
    /// An expression of the cell.
    pub(super) fn expr(&mut self, expr: &Expr) -> ExprId {
        if !self.changes(expr) {
            return self.fixed(expr);
        }
        let source = print_expr(expr);
        let drawn = match &expr.kind {
            ExprKind::Paren(inner) => return self.expr(inner),
            ExprKind::Path(path) => match self.bound_path(path) {
                Some(Bound::Value(value)) => Drawn::Value(value),
                Some(Bound::Expr(id)) => return id,
                Some(Bound::Fixed(..) | Bound::Once(_) | Bound::Number(_) | Bound::Layers(_))
                | None => return self.fixed(expr),
            },
            ExprKind::Prev(path, steps) => {
                let back = steps.as_ref().map_or(Some(1), |it| self.number(it)).unwrap_or(1);
                let name = crate::syntax::print_path(path);
                Drawn::Value(self.old(&name, u32::try_from(back).unwrap_or(1)))
            }
            ExprKind::Neg(_, inner) => Drawn::Sum(vec![(true, self.expr(inner))]),
            ExprKind::Chain(first, rest) => return self.chain(first, rest, &source),
            ExprKind::Binary(op, _, a, b) => {
                let (a, b) = (self.expr(a), self.expr(b));
                match op {
                    BinaryOp::MatMul => Drawn::Matrix(Matrix::Apply, a, b),
                    BinaryOp::Pow => Drawn::Power(a, b),
                    BinaryOp::Less => Drawn::Compare("<", a, b),
                    BinaryOp::LessEqual => Drawn::Compare("≤", a, b),
                    BinaryOp::Greater => Drawn::Compare(">", a, b),
                    BinaryOp::GreaterEqual => Drawn::Compare("≥", a, b),
                    BinaryOp::Equal => Drawn::Compare("=", a, b),
                    BinaryOp::NotEqual => Drawn::Compare("≠", a, b),
                    // These stand in chains.
                    BinaryOp::Add => Drawn::Sum(vec![(false, a), (false, b)]),
                    BinaryOp::Sub => Drawn::Sum(vec![(false, a), (true, b)]),
                    BinaryOp::Mul => Drawn::Product(vec![a, b]),
                    BinaryOp::Div => Drawn::Quotient(a, b),
                }
            }
            ExprKind::Index(value, index) => {
                // An index after a stack picks a layer.
                if let ExprKind::Path(path) = &value.kind
                    && path.tail.is_empty()
                    && let Some(Bound::Layers(layers)) = self.names.get(&*path.head.name).cloned()
                    && let Some(unit) = self.number(index)
                {
                    let unit = usize::try_from(unit).ok();
                    if let Bound::Value(value) = self.unit_value(&layers, unit, "") {
                        return self.sketch.push(Drawn::Value(value), source);
                    }
                }
                // A param by an index that changes: `T[token]` looks up a row.
                if self.changes(index) {
                    let (value, index) = (self.expr(value), self.expr(index));
                    Drawn::Call("row".to_owned(), vec![value, index], Rich::default())
                } else {
                    let value = self.expr(value);
                    let index = self.written(index);
                    let text = Rich::plain("[").then(&index).then(&Rich::plain("]"));
                    Drawn::Index(value, text)
                }
            }
            ExprKind::Array(items) => {
                let items = items.iter().map(|it| self.expr(it)).collect();
                Drawn::Gather("stack".to_owned(), items)
            }
            ExprKind::Call(name, args) => return self.call(name, args, &source),
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => return self.fixed(expr),
        };
        self.sketch.push(drawn, source)
    }

    /// Sums and products of several.
    fn chain(
        &mut self,
        first: &Expr,
        rest: &[(BinaryOp, crate::text::Span, Expr)],
        source: &str,
    ) -> ExprId {
        let is_sum = rest.iter().all(|it| matches!(it.0, BinaryOp::Add | BinaryOp::Sub));
        let first = self.expr(first);
        if is_sum {
            let mut terms = Vec::new();
            self.term(false, first, &mut terms);
            for (op, _, term) in rest {
                let term = self.expr(term);
                self.term(*op == BinaryOp::Sub, term, &mut terms);
            }
            // What a turn of a loop leaves out is no term.
            let zero =
                |id: ExprId| self.sketch.fixed(id).is_some_and(|it| it.text.letters() == "0");
            if terms.iter().any(|it| !zero(it.1)) {
                terms.retain(|it| !zero(it.1));
            }
            if let [(false, one)] = terms[..] {
                return one;
            }
            return self.sketch.push(Drawn::Sum(terms), source);
        }
        let mut factors = vec![first];
        for (op, _, factor) in rest {
            let factor = self.expr(factor);
            if *op == BinaryOp::Mul {
                factors.push(factor);
                continue;
            }
            let above = self.product(factors, source);
            factors = vec![self.sketch.push(Drawn::Quotient(above, factor), source)];
        }
        self.product(factors, source)
    }

    fn product(&mut self, factors: Vec<ExprId>, source: &str) -> ExprId {
        match factors[..] {
            [one] => one,
            [..] => self.sketch.push(Drawn::Product(factors), source),
        }
    }

    /// Whether a comparison of whole numbers holds.
    fn truth(&self, expr: &Expr) -> Option<bool> {
        let ExprKind::Binary(op, _, a, b) = &expr.kind else { return None };
        let (a, b) = (self.number(a)?, self.number(b)?);
        match op {
            BinaryOp::Less => Some(a < b),
            BinaryOp::LessEqual => Some(a <= b),
            BinaryOp::Greater => Some(a > b),
            BinaryOp::GreaterEqual => Some(a >= b),
            BinaryOp::Equal => Some(a == b),
            BinaryOp::NotEqual => Some(a != b),
            BinaryOp::Add
            | BinaryOp::Sub
            | BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::MatMul
            | BinaryOp::Pow => None,
        }
    }

    /// A term of a sum; the terms of a sum within it are its own.
    fn term(&self, is_minus: bool, id: ExprId, terms: &mut Vec<(bool, ExprId)>) {
        match &self.sketch.exprs[id] {
            Drawn::Sum(inner) => terms.extend(inner.iter().map(|it| (it.0 != is_minus, it.1))),
            _ => terms.push((is_minus, id)),
        }
    }

    fn call(&mut self, name: &Ident, args: &[Arg], source: &str) -> ExprId {
        let name = &*name.name;
        let mut values: Vec<&Expr> = Vec::new();
        let mut more: Vec<Rich> = Vec::new();
        for arg in args {
            match arg {
                Arg::Positional(it) => values.push(it),
                Arg::Named(key, it) if self.changes(it) => {
                    more.push(text::name(&key.name, "").then(&Rich::plain(" = □")));
                    values.push(it);
                }
                Arg::Named(key, it) => {
                    let value = self.written(it);
                    more.push(text::name(&key.name, "").then(&Rich::plain(" = ")).then(&value));
                }
                Arg::Over(over, _) => more.push(Rich::plain("over ").then(&self.over(over))),
            }
        }
        let drawn = match (name, &values[..]) {
            ("time", _) => Drawn::Value(self.time()),
            ("with_derivative", [value, ..]) => return self.expr(value),
            // A choice that the turn of a loop decides.
            ("where", [cond, a, b]) if self.truth(cond).is_some() => {
                let yes = self.truth(cond) == Some(true);
                return self.expr(if yes { a } else { b });
            }
            ("outer", [a, b]) => Drawn::Matrix(Matrix::Outer, self.expr(a), self.expr(b)),
            ("dot", [a, b]) => Drawn::Matrix(Matrix::Dot, self.expr(a), self.expr(b)),
            ("matmul", [a, b]) => Drawn::Matrix(Matrix::Apply, self.expr(a), self.expr(b)),
            ("square", [v]) => {
                let two = self.fixed_text(Rich::plain("2"), true);
                Drawn::Power(self.expr(v), two)
            }
            ("max" | "min", [_, _, ..]) => {
                let sign = if name == "max" { "max" } else { "min" };
                Drawn::Extreme(sign, values.iter().map(|it| self.expr(it)).collect())
            }
            ("reshape" | "rename", [value, shape, ..]) => {
                let text = text::shape(&print_expr(shape));
                Drawn::Move(Rich::plain(text), self.expr(value))
            }
            ("transpose", [value]) => Drawn::Move(Rich::plain("□ᵀ"), self.expr(value)),
            ("slice", [value, from, to]) => {
                let (from, to) = (self.written(from), self.written(to));
                let text = Rich::plain("[").then(&from).then(&Rich::plain(" … ")).then(&to);
                Drawn::Move(text.then(&Rich::plain("]")), self.expr(value))
            }
            ("stack" | "concat", _) => {
                Drawn::Gather(name.to_owned(), values.iter().map(|it| self.expr(it)).collect())
            }
            (_, _) => {
                let values = values.iter().map(|it| self.expr(it)).collect();
                Drawn::Call(name.to_owned(), values, Rich::join(more, ", "))
            }
        };
        self.sketch.push(drawn, source)
    }

    /// The number of the step.
    fn time(&mut self) -> Value {
        use crate::graph::diagram::Pin;
        let found = self.sketch.given.iter().position(|it| it.name == "time");
        let at = found.unwrap_or_else(|| {
            self.sketch.given.push(crate::graph::sketch::Given {
                pin: Pin::Input,
                name: "time".to_owned(),
                shape: String::new(),
                note: "the number of the step".to_owned(),
                span: None,
                per_sequence: false,
            });
            self.sketch.given.len() - 1
        });
        Value::Pin(at, 0)
    }

    fn over(&mut self, over: &Over) -> Rich {
        match over {
            Over::Last => Rich::plain("last"),
            Over::First => Rich::plain("first"),
            Over::Dim(dim) => self.written(dim),
            Over::Dims(dims) => {
                let dims: Vec<Rich> = dims.iter().map(|it| self.written(it)).collect();
                Rich::plain("[").then(&Rich::join(dims, ", ")).then(&Rich::plain("]"))
            }
        }
    }

    /// What the head of a path, or a value of a layer, is.
    pub(super) fn bound_path(&mut self, path: &Path) -> Option<Bound> {
        let bound = self.names.get(&*path.head.name)?.clone();
        match bound {
            Bound::Layers(layers) => self.layer_value(&layers, path),
            bound if path.tail.is_empty() => Some(bound),
            Bound::Value(_)
            | Bound::Expr(_)
            | Bound::Fixed(..)
            | Bound::Once(_)
            | Bound::Number(_) => None,
        }
    }

    /// What is the same at every step, as a text.
    fn fixed(&mut self, expr: &Expr) -> ExprId {
        if let ExprKind::Paren(inner) = &expr.kind {
            return self.fixed(inner);
        }
        // What a loop has reached may be fixed too.
        if let ExprKind::Path(path) = &expr.kind
            && let Some(Bound::Expr(id)) = self.names.get(&*path.head.name)
        {
            return *id;
        }
        let text = self.written(expr);
        let level = match &expr.kind {
            ExprKind::Chain(_, rest) => {
                match rest.iter().all(|it| matches!(it.0, BinaryOp::Add | BinaryOp::Sub)) {
                    true => Level::Sum,
                    false => Level::Product,
                }
            }
            ExprKind::Binary(BinaryOp::MatMul, ..) => Level::Product,
            ExprKind::Binary(BinaryOp::Pow, ..) => Level::Power,
            ExprKind::Binary(..) => Level::Comparison,
            ExprKind::Neg(..) => Level::Power,
            ExprKind::Number(_)
            | ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Path(_)
            | ExprKind::Prev(..)
            | ExprKind::Call(..)
            | ExprKind::Array(_)
            | ExprKind::Paren(_)
            | ExprKind::Index(..) => Level::Atom,
        };
        let mut reads = Vec::new();
        self.once_in(expr, &mut reads);
        let is_scalar = self.is_scalar(expr);
        let fixed = Fixed { text, level, is_scalar, reads };
        self.sketch.push(Drawn::Fixed(fixed), print_expr(expr))
    }

    /// A text that is the same at every step.
    pub(super) fn fixed_text(&mut self, text: Rich, is_scalar: bool) -> ExprId {
        let fixed = Fixed { text, level: Level::Atom, is_scalar, reads: Vec::new() };
        self.sketch.push(Drawn::Fixed(fixed), "")
    }

    /// An expression of fixed things as papers write it.
    fn written(&self, expr: &Expr) -> Rich {
        text::formula(&print_expr(expr), &|name| match self.names.get(name) {
            Some(Bound::Number(value)) => Some(Rich::plain(value.to_string())),
            Some(Bound::Expr(id)) => self.sketch.fixed(*id).map(|it| it.text.clone()),
            Some(Bound::Fixed(text, _)) => Some(text.clone()),
            Some(Bound::Value(_) | Bound::Once(_) | Bound::Layers(_)) | None => None,
        })
    }

    /// Whether it is one number, as far as the text tells.
    fn is_scalar(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => true,
            ExprKind::Path(path) => match self.names.get(&*path.head.name) {
                Some(Bound::Fixed(_, is_scalar)) => *is_scalar && path.tail.is_empty(),
                Some(Bound::Number(_)) => true,
                Some(Bound::Value(_) | Bound::Expr(_) | Bound::Once(_) | Bound::Layers(_))
                | None => false,
            },
            ExprKind::Paren(inner) | ExprKind::Neg(_, inner) => self.is_scalar(inner),
            ExprKind::Chain(first, rest) => {
                self.is_scalar(first) && rest.iter().all(|it| self.is_scalar(&it.2))
            }
            ExprKind::Binary(op, _, a, b) => {
                *op != BinaryOp::MatMul && self.is_scalar(a) && self.is_scalar(b)
            }
            ExprKind::Call(name, args) => {
                let given = |it: &Arg| match it {
                    Arg::Positional(it) | Arg::Named(_, it) => self.is_scalar(it),
                    Arg::Over(..) => false,
                };
                !matches!(&*name.name, "zeros" | "ones" | "iota" | "eye") && args.iter().all(given)
            }
            ExprKind::Prev(..) | ExprKind::Array(_) | ExprKind::Index(..) => false,
        }
    }

    /// The definitions computed once that a fixed expression reads.
    fn once_in(&self, expr: &Expr, reads: &mut Vec<usize>) {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi | ExprKind::Prev(..) => {}
            ExprKind::Path(path) => match self.names.get(&*path.head.name) {
                Some(Bound::Once(def)) if !reads.contains(def) => reads.push(*def),
                Some(Bound::Expr(id)) => {
                    let inner = self.sketch.fixed(*id).map(|it| it.reads.clone());
                    reads.extend(inner.unwrap_or_default());
                }
                _ => {}
            },
            ExprKind::Paren(inner) | ExprKind::Neg(_, inner) => self.once_in(inner, reads),
            ExprKind::Chain(first, rest) => {
                self.once_in(first, reads);
                rest.iter().for_each(|it| self.once_in(&it.2, reads));
            }
            ExprKind::Binary(_, _, a, b) | ExprKind::Index(a, b) => {
                self.once_in(a, reads);
                self.once_in(b, reads);
            }
            ExprKind::Array(items) => items.iter().for_each(|it| self.once_in(it, reads)),
            ExprKind::Call(_, args) => {
                for arg in args {
                    match arg {
                        Arg::Positional(it) | Arg::Named(_, it) => self.once_in(it, reads),
                        Arg::Over(..) => {}
                    }
                }
            }
        }
    }
}
