//! Loops: every turn becomes nodes of its own, one after the other.

use super::{Lower, Phase, Scope, Value};
use crate::check::fold::{self, MOST_TURNS};
use crate::check::names::Equation;
use crate::check::order::Sorted;
use crate::check::show::Shown;
use crate::diag::{Applicability, Code, Diagnostic, Label};
use crate::ir::{Const, NamedValue, NodeId, Shape, ValueKind};
use crate::syntax::ast::{self, Definition, Expr, ExprKind, Fold, Ident, ValueRole};
use crate::text::Name;

/// Where a loop stands, for the names of what it holds.
struct Place {
    equation: usize,
    /// The names of the loops around and of this one, each with a point after it.
    path: String,
    /// The turns of the loops around and of this one: `[2][0]`.
    turns: String,
}

impl Lower<'_, '_> {
    /// The values of a loop that an equation consists of, one for each name that it defines.
    pub fn equation_fold(&mut self, fold: &Fold, equation: &Equation<'_>) -> Vec<Value> {
        let def = &self.names.defs[equation.def];
        let Some(idx) = def.equation else { return self.nothing(fold) };
        let path = format!("{}.", def.name.name);
        let place = Place { equation: idx, path, turns: String::new() };
        self.fold(fold, &Scope::CELL, &place)
    }

    fn nothing(&mut self, fold: &Fold) -> Vec<Value> {
        self.poisoned = true;
        vec![Value::Poison; fold.accumulators.len()]
    }

    fn fold(&mut self, fold: &Fold, scope: &Scope<'_>, place: &Place) -> Vec<Value> {
        let mut carried: Vec<Option<NodeId>> = Vec::with_capacity(fold.starts.len());
        for start in &fold.starts {
            let value = self.expr(start, scope);
            let known = self.number_shape(&value, start).is_some();
            carried.push(known.then(|| self.node(&value, start.span)));
        }
        let variable = &fold.variable.name;
        let from = self.count(&fold.from, scope, &format!("the first bound of `{variable}`"));
        let to = self.count(&fold.to, scope, &format!("the last bound of `{variable}`"));
        let sorted = fold::sort(fold);
        // What has the wrong number of parts or goes in circles was reported with the names.
        let sound = fold.accumulators.len() == carried.len()
            && fold.results.len() == carried.len()
            && sorted.cycles.is_empty();
        let (Some(from), Some(to)) = (from, to) else { return self.nothing(fold) };
        let carried: Option<Vec<NodeId>> = carried.into_iter().collect();
        let Some(mut carried) = carried.filter(|_| sound) else { return self.nothing(fold) };
        if to - from > MOST_TURNS {
            let message = format!("a loop has at most {MOST_TURNS} turns, this one {}", to - from);
            let span = fold.from.span.to(fold.to.span);
            let fault = Diagnostic::new(Code::TooLarge, span, message).help(
                "every turn becomes a part of the step; what goes on from step to step is a state",
            );
            self.fail(fault);
            return self.nothing(fold);
        }
        let outside = scope.locals.len();
        let mut locals: Vec<(&str, Value)> = scope.locals.to_vec();
        for turn in from..to {
            let before = self.sink.len();
            locals.truncate(outside);
            for (name, node) in fold.accumulators.iter().zip(&carried) {
                locals.push((&name.name, Value::Node(*node)));
            }
            locals.push((variable, Value::Constant(Const::Number(turn as f64), 1)));
            let here = Place {
                equation: place.equation,
                path: place.path.clone(),
                turns: format!("{}[{turn}]", place.turns),
            };
            self.body_values(fold, &sorted, &mut locals, scope.cell, &here);
            let inside = Scope { locals: &locals, cell: scope.cell };
            let mut results = Vec::with_capacity(carried.len());
            for (idx, result) in fold.results.iter().enumerate() {
                let value = self.expr(result, &inside);
                results.push(self.result(fold, idx, &value, carried[idx]));
            }
            let results: Option<Vec<NodeId>> = results.into_iter().collect();
            // One turn with faults is enough: the next would have the same.
            let Some(results) = results.filter(|_| self.sink.len() == before) else {
                self.tell_turn(fold, turn, turn > from, before);
                return self.nothing(fold);
            };
            if turn + 1 < to {
                for (name, node) in fold.accumulators.iter().zip(&results) {
                    let name = self.inner_name(name, &here);
                    self.graph.set_name(*node, name);
                }
            }
            carried = results;
        }
        carried.into_iter().map(Value::Node).collect()
    }

    /// The gates and lets of one turn.
    fn body_values<'f>(
        &mut self,
        fold: &'f Fold,
        sorted: &Sorted,
        locals: &mut Vec<(&'f str, Value)>,
        cell: bool,
        place: &Place,
    ) {
        let first = self.inner.get(&place.equation).map_or(0, Vec::len);
        for idx in &sorted.order {
            let Definition { role, names, value } = &fold.body[*idx];
            let scope = Scope { locals: &*locals, cell };
            let (values, span) = match value {
                // Reported with the names.
                _ if fold::parts_fault(value, names.len()).is_some() => {
                    (names.iter().map(|_| self.poison()).collect(), fold.span)
                }
                ast::Value::Expr(expr) => (vec![self.expr(expr, &scope)], expr.span),
                ast::Value::Fold(inner) => {
                    // Several values are called by the first, as those of an equation are.
                    let path = format!("{}{}.", place.path, names[0].name);
                    let turns = place.turns.clone();
                    let within = Place { equation: place.equation, path, turns };
                    (self.fold(inner, &scope, &within), inner.span)
                }
            };
            for (name, value) in names.iter().zip(values) {
                let value = match value {
                    Value::Poison | Value::Index(..) => value,
                    Value::Constant(..) | Value::Node(_) => Value::Node(self.node(&value, span)),
                };
                if let Value::Node(node) | Value::Index(node, _) = value {
                    self.name_inner(*role, name, node, place);
                }
                locals.push((&name.name, value));
            }
        }
        // In the order of the source, whatever the order of the computation was.
        if let Some(inner) = self.inner.get_mut(&place.equation) {
            inner[first..].sort_by_key(|it| it.span.start);
        }
    }

    /// The name of a value of a loop in one turn.
    fn inner_name(&self, name: &Ident, place: &Place) -> Name {
        let path = if self.names.repeated.contains(&name.name) { &*place.path } else { "" };
        format!("{path}{}{}", name.name, place.turns).into()
    }

    fn name_inner(&mut self, role: ValueRole, name: &Ident, node: NodeId, place: &Place) {
        let text = self.inner_name(name, place);
        self.graph.set_name(node, text.clone());
        if self.phase == Phase::Step {
            let kind = match role {
                ValueRole::Gate => ValueKind::Gate,
                ValueRole::Let => ValueKind::Let,
            };
            let value = NamedValue { name: text, kind, node, span: name.span };
            self.inner.entry(place.equation).or_default().push(value);
        }
    }

    /// What an accumulator is after a turn: of the shape that it had before.
    fn result(&mut self, fold: &Fold, idx: usize, value: &Value, before: NodeId) -> Option<NodeId> {
        let result = &fold.results[idx];
        let found = self.number_shape(value, result)?;
        let had = self.graph.shape(before).clone();
        if found == had {
            return Some(self.node(value, result.span));
        }
        let fault = shape_fault(fold, idx, &found, &had);
        self.fail(fault);
        None
    }

    /// Says in which turn something is wrong, where that matters.
    fn tell_turn(&mut self, fold: &Fold, turn: i64, later: bool, before: usize) {
        let message = format!("here `{}` = {turn}", fold.variable.name);
        for fault in &mut self.sink[before..] {
            let mut places =
                std::iter::once(fault.span).chain(fault.labels.iter().map(|it| it.span));
            if later || places.any(|it| fold::reads_variable(fold, it)) {
                fault.labels.push(Label { span: fold.variable.span, message: message.clone() });
            }
        }
    }
}

/// The report of an accumulator that has another shape after a turn.
fn shape_fault(fold: &Fold, idx: usize, found: &Shape, had: &Shape) -> Diagnostic {
    let (name, start, result) =
        (&fold.accumulators[idx].name, &fold.starts[idx], &fold.results[idx]);
    let message =
        format!("the accumulator `{name}` has shape `{had}` and becomes `{found}` in a turn");
    let fault = Diagnostic::new(Code::AccumulatorShape, result.span, message)
        .at(format!("this is `{found}`"))
        .label(start.span, format!("starts as `{had}`"));
    let filled = |expr: &Expr, shape: &Shape| {
        let zero = matches!(expr.kind, ExprKind::Number(value) if value == 0.0);
        let text = Shown::from(expr).full()?;
        Some(if zero { format!("zeros({shape})") } else { format!("zeros({shape}) + {text}") })
    };
    let scalar = if had.rank() == 0 { Some((start, found)) } else { None };
    let scalar = scalar.or((found.rank() == 0).then_some((result, had)));
    match scalar.and_then(|(expr, shape)| Some((expr.span, filled(expr, shape)?))) {
        Some((span, text)) => {
            fault.help(format!("write `{text}`")).fix(Applicability::Maybe, span, text)
        }
        None => fault.help("it has the same shape from turn to turn"),
    }
}
