//! Loops: every turn becomes nodes of its own, one after the other.

use super::{Lower, Phase, Scope, Value};
use crate::check::show::Shown;
use crate::diag::{Applicability, Code, Diagnostic, Label};
use crate::hir::{self, EquationId, Expr, Fold, Inner, Kind, LocalId};
use crate::ir::{Const, NamedValue, NodeId, Shape, ValueKind};
use crate::syntax::ast::ValueRole;
use crate::text::Name;

/// More turns than any cell has layers or rounds; a loop over time is what states are for.
const MOST_ITERATIONS: i64 = 10_000;

/// The position of a loop, for the names of its values.
struct Place {
    equation: EquationId,
    /// The names of the loops around and of this one, each with a point after it.
    path: String,
    /// The turns of the loops around and of this one: `[2][0]`.
    turns: String,
}

impl Lower<'_, '_> {
    /// Returns the values of a loop that an equation consists of, one for each name that it defines.
    pub fn equation_fold(&mut self, fold: &Fold<'_>, equation: EquationId) -> Option<Vec<Value>> {
        let target = self.names.cell.equations[equation].targets[0];
        let path = format!("{}.", self.names.def(target).name.name);
        let place = Place { equation, path, turns: String::new() };
        self.fold(fold, &Scope::CELL, &place)
    }

    fn fold(&mut self, fold: &Fold<'_>, scope: &Scope<'_>, place: &Place) -> Option<Vec<Value>> {
        let mut carried: Vec<Option<NodeId>> = Vec::with_capacity(fold.starts.len());
        for start in &fold.starts {
            let value = self.expr(start, scope);
            let value = value.filter(|it| self.number_shape(it, start).is_some());
            carried.push(value.map(|it| self.node(&it, start.span())));
        }
        let variable = &fold.ast.variable.name;
        let from = self.count(&fold.from, scope, &format!("the first bound of `{variable}`"));
        let to = self.count(&fold.to, scope, &format!("the last bound of `{variable}`"));
        let (from, to) = (from?, to?);
        let mut carried = carried.into_iter().collect::<Option<Vec<NodeId>>>()?;
        // What goes in circles was reported with the names.
        let order = fold.order.as_ref()?;
        if to - from > MOST_ITERATIONS {
            let message =
                format!("a loop has at most {MOST_ITERATIONS} iterations, this one {}", to - from);
            let span = fold.from.span().to(fold.to.span());
            let fault = Diagnostic::new(Code::TooLarge, span, message).help(
                "every iteration becomes a part of the step; what goes on from step to step is a state",
            );
            return self.fail(fault);
        }
        let outside = scope.locals.len();
        let mut locals: Vec<(LocalId, Value)> = scope.locals.to_vec();
        for turn in from..to {
            let before = self.sink.len();
            locals.truncate(outside);
            for (name, node) in fold.accumulators.iter().zip(&carried) {
                locals.push((*name, Value::Node(*node)));
            }
            locals.push((fold.variable, Value::Constant(Const::Number(turn as f64), 1)));
            let here = Place {
                equation: place.equation,
                path: place.path.clone(),
                turns: format!("{}[{turn}]", place.turns),
            };
            self.body_values(fold, order, &mut locals, &here);
            let inside = Scope { locals: &locals, ..*scope };
            let mut results = Vec::with_capacity(carried.len());
            for (idx, result) in fold.results.iter().enumerate() {
                let value = self.expr(result, &inside);
                results.push(value.and_then(|it| self.result(fold, idx, &it, carried[idx])));
            }
            let results: Option<Vec<NodeId>> = results.into_iter().collect();
            // One turn with faults is enough: the next would have the same.
            let Some(results) = results.filter(|_| self.sink.len() == before) else {
                self.tell_turn(fold, turn, turn > from, before);
                return None;
            };
            if turn + 1 < to {
                for (name, node) in fold.accumulators.iter().zip(&results) {
                    let name = self.inner_name(*name, &here);
                    self.graph.set_name(*node, name);
                }
            }
            carried = results;
        }
        Some(carried.into_iter().map(Value::Node).collect())
    }

    /// The gates and lets of one turn.
    fn body_values(
        &mut self,
        fold: &Fold<'_>,
        order: &[usize],
        locals: &mut Vec<(LocalId, Value)>,
        place: &Place,
    ) {
        let first = self.inner.get(&place.equation).map_or(0, Vec::len);
        for idx in order {
            let Inner { role, names, value } = &fold.body[*idx];
            let scope = Scope { locals: &*locals, in_function: false };
            let (values, span) = match value {
                hir::Value::Expr(expr) => (self.expr(expr, &scope).map(|it| vec![it]), expr.span()),
                hir::Value::Fold(inner) => {
                    // Several values are called by the first, as those of an equation are.
                    let name = &self.names.cell.locals[names[0]].name.name;
                    let path = format!("{}{name}.", place.path);
                    let turns = place.turns.clone();
                    let within = Place { equation: place.equation, path, turns };
                    (self.fold(inner, &scope, &within), inner.ast.span)
                }
                // A loop has only these two; the rest is wrong, and reported.
                hir::Value::Error(_) | hir::Value::Layer(_) | hir::Value::OfGroup(_) => {
                    (None, fold.ast.span)
                }
            };
            self.is_wrong |= values.is_none();
            for (name, value) in names.iter().zip(values.into_iter().flatten()) {
                let value = match value {
                    Value::Index(..) => value,
                    Value::Constant(..) | Value::Node(_) => Value::Node(self.node(&value, span)),
                };
                if let Value::Node(node) | Value::Index(node, _) = value {
                    self.name_inner(*role, *name, node, place);
                }
                locals.push((*name, value));
            }
        }
        // In the order of the source, whatever the order of the computation was.
        if let Some(inner) = self.inner.get_mut(&place.equation) {
            inner[first..].sort_by_key(|it| it.span.start);
        }
    }

    /// Returns the name of a value of a loop in one iteration.
    fn inner_name(&self, local: LocalId, place: &Place) -> Name {
        let name = &self.names.cell.locals[local].name.name;
        let path = if self.names.cell.repeated.contains(name) { &*place.path } else { "" };
        format!("{path}{name}{}", place.turns).into()
    }

    fn name_inner(&mut self, role: ValueRole, name: LocalId, node: NodeId, place: &Place) {
        let text = self.inner_name(name, place);
        self.graph.set_name(node, text.clone());
        if self.phase == Phase::Step {
            let kind = match role {
                ValueRole::Gate => ValueKind::Gate,
                ValueRole::Let => ValueKind::Let,
            };
            let span = self.names.cell.locals[name].name.span;
            let value = NamedValue { name: text, kind, node, span };
            self.inner.entry(place.equation).or_default().push(value);
        }
    }

    /// Returns an accumulator after an iteration: of the shape that it had before.
    fn result(
        &mut self,
        fold: &Fold<'_>,
        idx: usize,
        value: &Value,
        before: NodeId,
    ) -> Option<NodeId> {
        let result = &fold.results[idx];
        let found = self.number_shape(value, result)?;
        let had = self.graph.shape(before).clone();
        if found == had {
            return Some(self.node(value, result.span()));
        }
        let fault = shape_fault(fold, idx, &found, &had);
        self.fail(fault)
    }

    /// Says in which turn something is wrong, where that matters.
    fn tell_turn(&mut self, fold: &Fold<'_>, turn: i64, later: bool, before: usize) {
        let message = format!("here `{}` = {turn}", fold.ast.variable.name);
        for fault in &mut self.sink[before..] {
            let mut places =
                std::iter::once(fault.span).chain(fault.labels.iter().map(|it| it.span));
            if later || places.any(|it| fold.reads_variable(it)) {
                fault.labels.push(Label { span: fold.ast.variable.span, message: message.clone() });
            }
        }
    }
}

/// Returns the report of an accumulator that has another shape after an iteration.
fn shape_fault(fold: &Fold<'_>, idx: usize, found: &Shape, had: &Shape) -> Diagnostic {
    let (name, start, result) =
        (&fold.ast.accumulators[idx].name, &fold.starts[idx], &fold.results[idx]);
    let message =
        format!("the accumulator `{name}` has shape `{had}` and becomes `{found}` in an iteration");
    let fault = Diagnostic::new(Code::AccumulatorShape, result.span(), message)
        .at(format!("this is `{found}`"))
        .label(start.span(), format!("starts as `{had}`"));
    let filled = |expr: &Expr<'_>, shape: &Shape| {
        let zero = matches!(expr.kind, Kind::Number(value) if value == 0.0);
        let text = Shown::from(expr.ast).full()?;
        Some(if zero { format!("zeros({shape})") } else { format!("zeros({shape}) + {text}") })
    };
    let scalar = if had.rank() == 0 { Some((start, found)) } else { None };
    let scalar = scalar.or((found.rank() == 0).then_some((result, had)));
    match scalar.and_then(|(expr, shape)| Some((expr.span(), filled(expr, shape)?))) {
        Some((span, text)) => {
            fault.help(format!("write `{text}`")).fix(Applicability::Maybe, span, text)
        }
        None => fault.help("it has the same shape from iteration to iteration"),
    }
}
