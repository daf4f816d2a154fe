//! Loops: their turns written out, or the first and the last and how many are between.

use super::{Local, Reader};
use crate::graph::sketch::{Expr as Drawn, ExprId, Skipped, Value};
use crate::hir::{self, Fold, Inner, LocalId, ValueRole};

/// Loops of more turns are drawn shortened.
const TURNS: i64 = 4;

impl<'t> Reader<'t> {
    /// Returns the results of a loop.
    pub(super) fn fold(&mut self, fold: &Fold<'_>) -> Vec<ExprId> {
        let outer = self.locals.clone();
        let mut values: Vec<ExprId> = fold.starts.iter().map(|it| self.expr(it)).collect();
        let from = self.number(&fold.from).unwrap_or(0);
        // An unknown bound leaves the number of iterations open: the first is drawn for all.
        let to = self.number(&fold.to).unwrap_or(from + 1);
        for turn in from..to {
            let skips = to - from > TURNS;
            if skips && turn > from && turn + 1 < to {
                if turn == from + 1 {
                    values = self.skip(fold, values, to - from - 2, turn);
                }
                continue;
            }
            self.locals.clone_from(&outer);
            values = self.turn(fold, &values, turn, turn + 1 == to);
        }
        self.locals = outer;
        values
    }

    /// Returns one turn; its results have names unless they are those of the loop.
    fn turn(&mut self, fold: &Fold<'_>, values: &[ExprId], turn: i64, last: bool) -> Vec<ExprId> {
        let bound = fold.accumulators.iter().zip(values);
        self.locals.extend(bound.map(|it| (*it.0, Local::Expr(*it.1))));
        self.locals.insert(fold.variable, Local::Number(turn));
        let in_order: Vec<usize> = (0..fold.body.len()).collect();
        for &at in fold.order.as_ref().unwrap_or(&in_order) {
            self.definition(&fold.body[at], turn);
        }
        let mut results = Vec::new();
        for (&local, result) in fold.accumulators.iter().zip(&fold.results) {
            let id = self.expr(result);
            // The next turn reads what has a name; what is the same at every step is a text.
            let is_step = self.sketch.fixed(id).is_none()
                && !matches!(self.sketch.exprs[id], Drawn::Value(_));
            results.push(match last || !is_step {
                true => id,
                false => {
                    let value = self.local(local, turn + 1, false, id, &result.text());
                    self.sketch.push(Drawn::Value(value), self.local_name(local))
                }
            });
        }
        results
    }

    fn definition(&mut self, it: &Inner<'_>, turn: i64) {
        let is_gate = it.role == ValueRole::Gate;
        let ids = match &it.value {
            hir::Value::Expr(expr) => vec![self.expr(expr)],
            hir::Value::Fold(inner) => self.fold(inner),
            hir::Value::Layer(_) | hir::Value::OfGroup(_) | hir::Value::Error(_) => Vec::new(),
        };
        for (&local, id) in it.names.iter().zip(ids) {
            let bound = match self.sketch.fixed(id).is_some() {
                true => Local::Expr(id),
                false => {
                    let source = self.sketch.sources[id].clone();
                    Local::Value(self.local(local, turn, is_gate, id, &source))
                }
            };
            self.locals.insert(local, bound);
        }
    }

    fn local_name(&self, local: LocalId) -> &'t str {
        &self.tree.locals[local].name.name
    }

    /// Returns a value of one turn.
    fn local(
        &mut self,
        local: LocalId,
        turn: i64,
        is_gate: bool,
        value: ExprId,
        source: &str,
    ) -> Value {
        let name = self.local_name(local);
        let (note, span) = (format!("{name} = {source}"), self.tree.locals[local].name.span);
        self.new_def(name, turn.to_string(), is_gate, value, note, span)
    }

    /// Turns that are not drawn: one value that reads what they read.
    fn skip(&mut self, fold: &Fold<'_>, values: Vec<ExprId>, turns: i64, turn: i64) -> Vec<ExprId> {
        let at = self.sketch.skipped.len();
        // One turn is read to see what it reads, and then forgotten.
        let (locals, before) = (self.locals.clone(), self.sketch.clone());
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
        self.locals = locals;
        self.sketch = before;
        self.sketch.given = given;
        for value in kept {
            let id = self.sketch.push(Drawn::Value(value), "");
            reads.push(id);
        }
        reads.retain(|it| self.sketch.fixed(*it).is_none());
        let results = fold.accumulators.iter().map(|it| self.local_name(*it).to_owned()).collect();
        self.sketch.skipped.push(Skipped { turns, reads, results });
        (0..values.len())
            .map(|it| self.sketch.push(Drawn::Value(Value::Skipped(at, it)), ""))
            .collect()
    }
}
