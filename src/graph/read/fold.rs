//! Loops: their turns written out, or the first and the last and how many are between.

use super::{Bound, Reader};
use crate::graph::sketch::{Def, Expr as Drawn, ExprId, Skipped, Value};
use crate::syntax::ast::{self, Definition, Fold, ValueRole};

/// Loops of more turns are drawn shortened.
const TURNS: i64 = 4;

impl Reader<'_> {
    /// The results of a loop.
    pub(super) fn fold(&mut self, fold: &Fold) -> Vec<ExprId> {
        let outer = self.names.clone();
        let mut values: Vec<ExprId> = fold.starts.iter().map(|it| self.expr(it)).collect();
        let from = self.number(&fold.from).unwrap_or(0);
        // A bound that nobody knows leaves the turns open: the first stands for all.
        let to = self.number(&fold.to).unwrap_or(from + 1);
        for turn in from..to {
            let skips = to - from > TURNS;
            if skips && turn > from && turn + 1 < to {
                if turn == from + 1 {
                    values = self.skip(fold, values, to - from - 2, turn);
                }
                continue;
            }
            self.names.clone_from(&outer);
            values = self.turn(fold, &values, turn, turn + 1 == to);
        }
        self.names = outer;
        values
    }

    /// One turn; its results have names unless they are those of the loop.
    fn turn(&mut self, fold: &Fold, values: &[ExprId], turn: i64, is_last: bool) -> Vec<ExprId> {
        self.bind(fold, values, turn);
        for it in &fold.body {
            self.definition(it, turn);
        }
        let mut results = Vec::new();
        for (name, result) in fold.accumulators.iter().zip(&fold.results) {
            let id = self.expr(result);
            // The next turn reads what has a name; what is the same at every step is a text.
            let is_step = self.sketch.fixed(id).is_none() && self.is_new(id);
            results.push(match is_last || !is_step {
                true => id,
                false => {
                    let source = crate::syntax::print_expr(result);
                    let text = format!("{} = {source}", name.name);
                    let def = self.local(&name.name, turn + 1, false, id, &text, name.span);
                    self.sketch.push(Drawn::Value(Value::Def(def)), &*name.name)
                }
            });
        }
        results
    }

    /// Whether an expression is more than a name.
    fn is_new(&self, id: ExprId) -> bool {
        !matches!(self.sketch.exprs[id], Drawn::Value(_))
    }

    fn bind(&mut self, fold: &Fold, values: &[ExprId], turn: i64) {
        for (name, value) in fold.accumulators.iter().zip(values) {
            self.names.insert(name.name.to_string(), Bound::Expr(*value));
        }
        self.names.insert(fold.variable.name.to_string(), Bound::Number(turn));
    }

    fn definition(&mut self, it: &Definition, turn: i64) {
        let is_gate = it.role == ValueRole::Gate;
        let ids = match &it.value {
            ast::Value::Expr(expr) => vec![self.expr(expr)],
            ast::Value::Fold(inner) => self.fold(inner),
        };
        for (name, id) in it.names.iter().zip(ids) {
            let bound = match self.sketch.fixed(id).is_some() {
                true => Bound::Expr(id),
                false => {
                    let source = self.sketch.sources[id].clone();
                    let text = format!("{} = {source}", name.name);
                    let def = self.local(&name.name, turn, is_gate, id, &text, name.span);
                    Bound::Value(Value::Def(def))
                }
            };
            // A local name hides none of the cell, for the language has no two of one name.
            if let Bound::Value(_) = bound {
                self.changing.insert(name.name.to_string());
            }
            self.names.insert(name.name.to_string(), bound);
        }
    }

    /// A value of one turn.
    fn local(
        &mut self,
        name: &str,
        turn: i64,
        is_gate: bool,
        value: ExprId,
        note: &str,
        span: crate::text::Span,
    ) -> usize {
        self.sketch.defs.push(Def {
            name: name.to_owned(),
            below: turn.to_string(),
            is_gate,
            shape: String::new(),
            value,
            is_once: false,
            note: note.to_owned(),
            span: Some(span),
        });
        self.sketch.defs.len() - 1
    }

    /// Turns that are not drawn: one value that reads what they read.
    fn skip(&mut self, fold: &Fold, values: Vec<ExprId>, turns: i64, turn: i64) -> Vec<ExprId> {
        let at = self.sketch.skipped.len();
        // One turn is read to see what it reads, and then forgotten.
        let (names, before) = (self.names.clone(), self.sketch.clone());
        self.turn(fold, &values, turn, true);
        let first = before.exprs.len();
        let own = |value: &Value| match value {
            Value::Def(def) => *def >= before.defs.len(),
            Value::Pin(..) | Value::Layer(..) | Value::Skipped(..) => false,
        };
        let mut reads = values.clone();
        let mut kept: Vec<Value> = Vec::new();
        for expr in &self.sketch.exprs[first..] {
            if let Drawn::Value(value) = expr
                && !own(value)
                && !kept.contains(value)
            {
                kept.push(value.clone());
            }
        }
        let given = self.sketch.given.clone();
        self.names = names;
        self.sketch = before;
        self.sketch.given = given;
        for value in kept {
            let id = self.sketch.push(Drawn::Value(value), "");
            reads.push(id);
        }
        reads.retain(|it| self.sketch.fixed(*it).is_none());
        let results = fold.accumulators.iter().map(|it| it.name.to_string()).collect();
        self.sketch.skipped.push(Skipped { turns, reads, results });
        (0..values.len())
            .map(|it| self.sketch.push(Drawn::Value(Value::Skipped(at, it)), ""))
            .collect()
    }
}
