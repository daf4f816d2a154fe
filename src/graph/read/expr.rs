//! Expressions.

use super::{Bound, Local, Reader};
use crate::graph::diagram::Pin;
use crate::graph::sketch::{Expr as Drawn, ExprId, Fixed, Given, Level, Matrix, Value};
use crate::graph::text::{self, Rich};
use crate::hir::builtin::{self, Builtin};
use crate::hir::{BinaryOp, Call, Callee, Expr, Kind, Over, Past, facts, walk};
use crate::ir::Pointwise;
use crate::text::Span;
use crate::text::id::Id;

impl Reader<'_> {
    /// Returns an expression of the cell.
    pub(super) fn expr(&mut self, expr: &Expr<'_>) -> ExprId {
        if !self.changes(expr) {
            return self.fixed(expr);
        }
        let drawn = match &expr.kind {
            Kind::Paren(inner) => return self.expr(inner),
            Kind::Def(def) => match &self.names[def.idx()] {
                Bound::Value(value) => Drawn::Value(value.clone()),
                Bound::Once(_) | Bound::Fixed => return self.fixed(expr),
            },
            Kind::Local(local) => match self.locals.get(local) {
                Some(Local::Value(value)) => Drawn::Value(value.clone()),
                Some(Local::Expr(id)) => return *id,
                Some(Local::Number(_)) | None => return self.fixed(expr),
            },
            Kind::Part(part) => Drawn::Value(self.part(part)),
            Kind::Prev(past, steps) => {
                let back = steps.as_ref().map_or(Some(1), |it| self.number(it)).unwrap_or(1);
                let back = u32::try_from(back).unwrap_or(1);
                Drawn::Value(match past {
                    Past::Def(def) => {
                        let is_state = self.tree.defs[*def].kind.is_carried();
                        self.old(self.name(*def), back, is_state)
                    }
                    Past::Part(part) => self.old(&part.text(), back, false),
                })
            }
            Kind::Neg(inner) => Drawn::Sum(vec![(true, self.expr(inner))]),
            Kind::Chain(first, rest) => return self.chain(first, rest, &expr.text()),
            Kind::Binary(op, _, a, b) => {
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
                    // These are parts of chains.
                    BinaryOp::Add => Drawn::Sum(vec![(false, a), (false, b)]),
                    BinaryOp::Sub => Drawn::Sum(vec![(false, a), (true, b)]),
                    BinaryOp::Mul => Drawn::Product(vec![a, b]),
                    BinaryOp::Div => Drawn::Quotient(a, b),
                }
            }
            // A param by an index that changes: `T[token]` looks up a row.
            Kind::Index(value, index) if self.changes(index) => {
                let all = vec![self.expr(value), self.expr(index)];
                Drawn::Call("row".to_owned(), all, Rich::default())
            }
            Kind::Index(value, index) => {
                let value = self.expr(value);
                let text = Rich::plain("[").then(&self.written(index)).then(&Rich::plain("]"));
                Drawn::Index(value, text)
            }
            Kind::Array(items) => {
                Drawn::Gather("stack".to_owned(), items.iter().map(|it| self.expr(it)).collect())
            }
            Kind::Call(call) => match self.call(call) {
                Ok(drawn) => drawn,
                Err(same) => return same,
            },
            Kind::Number(_) | Kind::Inf | Kind::Pi | Kind::Activation(_) | Kind::Error(_) => {
                return self.fixed(expr);
            }
        };
        self.sketch.push(drawn, expr.text())
    }

    /// Sums and products of several.
    fn chain(
        &mut self,
        first: &Expr<'_>,
        rest: &[(BinaryOp, Span, Expr<'_>)],
        source: &str,
    ) -> ExprId {
        let first = self.expr(first);
        if is_sum(rest) {
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

    /// Returns true if a comparison of whole numbers holds.
    fn truth(&self, expr: &Expr<'_>) -> Option<bool> {
        let Kind::Binary(op, _, a, b) = &expr.kind else { return None };
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

    /// Returns a call, or an expression that it is the same as.
    fn call(&mut self, call: &Call<'_>) -> Result<Drawn, ExprId> {
        let args: Vec<&Expr<'_>> = call.given().collect();
        let Callee::Builtin(signature) = call.callee else { return Ok(self.named(call)) };
        Ok(match (signature.what, &args[..]) {
            (Builtin::Time, _) => Drawn::Value(self.time()),
            // A choice that the turn of a loop decides.
            (Builtin::Where, [cond, a, b]) => match self.truth(cond) {
                Some(cond) => return Err(self.expr(if cond { a } else { b })),
                None => self.named(call),
            },
            (Builtin::Outer, [a, b]) => Drawn::Matrix(Matrix::Outer, self.expr(a), self.expr(b)),
            (Builtin::Dot, [a, b]) => Drawn::Matrix(Matrix::Dot, self.expr(a), self.expr(b)),
            (Builtin::MatMul, [a, b]) => Drawn::Matrix(Matrix::Apply, self.expr(a), self.expr(b)),
            (Builtin::Map(Pointwise::Square), [v]) => {
                let two = self.fixed_text(Rich::plain("2"), true);
                Drawn::Power(self.expr(v), two)
            }
            (Builtin::Extreme(..), [_, _]) => {
                Drawn::Extreme(signature.name, args.iter().map(|it| self.expr(it)).collect())
            }
            (Builtin::Reshape | Builtin::Rename, [value, shape]) => {
                Drawn::Move(Rich::plain(text::shape(&shape.text())), self.expr(value))
            }
            (Builtin::Transpose, [value]) => Drawn::Move(Rich::plain("□ᵀ"), self.expr(value)),
            (Builtin::Slice, [value, from, to]) => {
                let (from, to) = (self.written(from), self.written(to));
                let text = Rich::plain("[").then(&from).then(&Rich::plain(" … ")).then(&to);
                Drawn::Move(text.then(&Rich::plain("]")), self.expr(value))
            }
            (Builtin::Stack | Builtin::Concat, _) => Drawn::Gather(
                signature.name.to_owned(),
                args.iter().map(|it| self.expr(it)).collect(),
            ),
            (_, _) => self.named(call),
        })
    }

    /// Returns a function with its operands; constants follow under their names.
    fn named(&mut self, call: &Call<'_>) -> Drawn {
        let tree = self.library.tree;
        let constant = |at: usize| match call.callee {
            Callee::Builtin(it) => {
                let param = it.params.get(at).filter(|it| it.kind == builtin::Kind::Constant);
                param.map(|it| it.name)
            }
            Callee::Function(id) => {
                let function = &tree.functions[id];
                let param = function.params.iter().nth(at).filter(|_| at > 0);
                param.filter(|_| function.is_activation()).map(|it| &*it.name.name)
            }
            Callee::Hyper(_) | Callee::Draw(_) | Callee::Form => None,
        };
        let (mut values, mut more) = (Vec::new(), Vec::new());
        for (at, arg) in call.slots().enumerate() {
            let Some(arg) = arg else { continue };
            match constant(at) {
                // A name speaks for itself.
                Some(_) if matches!(arg.kind, Kind::Def(_)) => more.push(self.written(arg)),
                Some(name) => {
                    let name = text::name(name, "").then(&Rich::plain(" = "));
                    more.push(name.then(&self.written(arg)));
                }
                None => values.push(self.expr(arg)),
            }
        }
        values.extend(call.rest.iter().map(|it| self.expr(it)));
        if let Some((over, _)) = &call.over {
            more.push(Rich::plain("over ").then(&self.over(over)));
        }
        Drawn::Call(call.name.name.to_string(), values, Rich::join(more, ", "))
    }

    /// Returns the number of the step.
    fn time(&mut self) -> Value {
        let given = &mut self.sketch.given;
        let at = given.iter().position(|it| it.name == "time").unwrap_or_else(|| {
            given.push(Given {
                pin: Pin::Input,
                name: "time".to_owned(),
                shape: String::new(),
                note: "the number of the step".to_owned(),
                span: None,
            });
            given.len() - 1
        });
        Value::Pin(at, 0)
    }

    fn over(&self, over: &Over<'_>) -> Rich {
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

    /// Writes a value that is the same at every step as a text.
    fn fixed(&mut self, expr: &Expr<'_>) -> ExprId {
        let level = match &expr.kind {
            Kind::Paren(inner) => return self.fixed(inner),
            Kind::Local(local) if let Some(Local::Expr(id)) = self.locals.get(local) => return *id,
            Kind::Chain(_, rest) if is_sum(rest) => Level::Sum,
            Kind::Chain(..) | Kind::Binary(BinaryOp::MatMul, ..) => Level::Product,
            Kind::Binary(BinaryOp::Pow, ..) | Kind::Neg(_) => Level::Power,
            Kind::Binary(..) => Level::Comparison,
            Kind::Number(_)
            | Kind::Inf
            | Kind::Pi
            | Kind::Def(_)
            | Kind::Local(_)
            | Kind::Part(_)
            | Kind::Prev(..)
            | Kind::Call(_)
            | Kind::Activation(_)
            | Kind::Array(_)
            | Kind::Index(..)
            | Kind::Error(_) => Level::Atom,
        };
        let is_number = |it| matches!(self.locals.get(&it), Some(Local::Number(_)));
        let is_scalar = facts::is_scalar(expr, &self.scalars, &is_number);
        let fixed = Fixed { text: self.written(expr), level, is_scalar, reads: self.once_in(expr) };
        self.sketch.push(Drawn::Fixed(fixed), expr.text())
    }

    /// Returns a text that is the same at every step.
    pub(super) fn fixed_text(&mut self, text: Rich, is_scalar: bool) -> ExprId {
        let fixed = Fixed { text, level: Level::Atom, is_scalar, reads: Vec::new() };
        self.sketch.push(Drawn::Fixed(fixed), "")
    }

    /// Returns an expression of fixed things as papers write it.
    fn written(&self, expr: &Expr<'_>) -> Rich {
        let mut reached: Vec<(&str, Rich)> = Vec::new();
        walk::expr(expr, &mut |it| {
            let Kind::Local(local) = &it.kind else { return };
            let text = match self.locals.get(local) {
                Some(Local::Number(value)) => Some(Rich::plain(value.to_string())),
                Some(Local::Expr(id)) => self.sketch.fixed(*id).map(|it| it.text.clone()),
                Some(Local::Value(_)) | None => None,
            };
            reached.extend(text.map(|it| (&*self.tree.locals[*local].name.name, it)));
        });
        text::formula(&expr.text(), &|name| {
            reached.iter().find(|it| it.0 == name).map(|it| it.1.clone())
        })
    }

    /// Returns the definitions computed once that a fixed expression reads.
    fn once_in(&self, expr: &Expr<'_>) -> Vec<usize> {
        let mut reads = Vec::new();
        let mut add = |def: usize| {
            if !reads.contains(&def) {
                reads.push(def);
            }
        };
        walk::expr(expr, &mut |it| match &it.kind {
            Kind::Def(def) => {
                if let Bound::Once(def) = self.names[def.idx()] {
                    add(def);
                }
            }
            Kind::Local(local) => {
                if let Some(Local::Expr(id)) = self.locals.get(local) {
                    let fixed = self.sketch.fixed(*id);
                    fixed.iter().flat_map(|it| &it.reads).for_each(|it| add(*it));
                }
            }
            _ => {}
        });
        reads
    }
}

fn is_sum(rest: &[(BinaryOp, Span, Expr<'_>)]) -> bool {
    rest.iter().all(|it| matches!(it.0, BinaryOp::Add | BinaryOp::Sub))
}
