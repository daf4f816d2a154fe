//! One cell, from its tree to its graphs.

use std::collections::BTreeMap;

use super::carries;
use super::declare;
use super::hypers::{self, Hypers, Settings};
use super::inits;
use super::items::{self, Items};
use super::layout;
use super::lower::{Lower, Phase, Scope, Value};
use super::masks;
use super::names::{Equation, Kind, Names, Returned, Right};
use super::order;
use super::resolve::{self, Place, Resolver};
use super::show;
use crate::diag::{self, Applicability, Code, Diagnostic};
use crate::ir::{self, Const, Init, Input, NamedValue, NodeId, Output, Param, Shape, ValueKind};
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind};
use crate::text::Span;

/// Checks a cell. It is given back when nothing is wrong with it; what is wrong is in `sink`.
pub(super) fn check<'a>(
    cell: &'a ast::Cell,
    items: &Items<'a>,
    settings: &Settings<'_>,
    sink: &mut Vec<Diagnostic>,
) -> Option<ir::Cell> {
    let first = sink.len();
    let mut names = declare::collect(cell, sink);
    hypers::set_dims(&mut names, items, settings, &cell.name.name, sink);
    resolve_all(&mut names, items, sink);
    let hypers = hypers::resolve(&names, items, settings, sink);
    let outputs = outputs(&names, sink);
    let order = order_of(&names, sink);

    let mut step = Lower::new(&names, items, &hypers, Phase::Step);
    step.inferred = inferred(&names, items, &hypers, sink);
    for idx in order {
        lower_equation(&mut step, &names, &names.equations[idx]);
    }
    let outputs: Vec<Output> = outputs
        .into_iter()
        .filter_map(|(name, def)| {
            let node = output_node(&mut step, &names, def)?;
            Some(Output { name: names.defs[name].name.name.clone(), node })
        })
        .collect();
    let values = values(&mut step, &names);
    let inputs = inputs(&names, items, &hypers, sink);
    let params = params(&names, items, &hypers, sink);
    let masks = masks::lower(&names, items, &hypers, sink);
    let layouts = layout::collect(cell, &names, &params, sink);
    let fixed = std::mem::take(&mut step.fixed);
    let carried = carries::assemble(step, &names, items, &hypers, &inputs, sink);

    if diag::has_errors(&sink[first..]) {
        return None;
    }
    let (step, start, carries) = carried?;
    for dim in &mut names.dims.free {
        dim.fixed = fixed.contains(&dim.name);
    }
    let doc = cell.doc.as_ref().map(|it| it.lines.clone()).unwrap_or_default();
    let checked = ir::Cell {
        name: cell.name.name.clone(),
        doc,
        shared: shared(&names),
        layouts,
        hypers: hypers.list,
        inputs,
        carries,
        params,
        masks,
        step,
        start,
        outputs,
        values,
        dims: names.dims.free,
        derived: names.dims.derived,
    };
    layout::check_sums(&checked, sink);
    (!diag::has_errors(&sink[first..])).then_some(checked)
}

/// Resolves the names of everything in a cell.
fn resolve_all<'a>(names: &mut Names<'a>, items: &Items<'a>, sink: &mut Vec<Diagnostic>) {
    let mut found = Vec::with_capacity(names.equations.len());
    // One walker for all equations, so that the search for near names has one budget.
    let mut resolver = Resolver::new(names, items, Place::Step, sink);
    for equation in &names.equations {
        let def = &names.defs[equation.def];
        resolver.place = match def.kind {
            Kind::Computed => Place::Computed(format!("the const `{}`", def.name.name)),
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Mask { .. }
            | Kind::Value(_)
            | Kind::Later => Place::Step,
        };
        let defines: Vec<&ast::Ident> = equation.targets().map(|it| names.defs[it].name).collect();
        resolver.right(equation.value, &defines);
        found.push((std::mem::take(&mut resolver.uses), std::mem::take(&mut resolver.pasts)));
    }
    for def in &names.defs {
        let name = &def.name.name;
        match &def.kind {
            Kind::State { start: Some(start) } => {
                resolver.place = Place::Start(format!("the start of `{name}`"));
                resolver.visit(start);
            }
            Kind::Input { default: Some(default), .. } => {
                resolver.place = Place::Constant(format!("the default of `{name}`"));
                resolver.visit(default);
            }
            Kind::Param { init: Some(init), .. } => {
                resolver.place = Place::Init;
                resolver.visit(init);
            }
            Kind::Mask { probability: Some(probability), .. } => {
                resolver.place = Place::Constant(format!("the probability of `{name}`"));
                resolver.visit(probability);
            }
            Kind::Param { init: None, .. }
            | Kind::Mask { probability: None, .. }
            | Kind::Input { default: None, .. }
            | Kind::State { start: None }
            | Kind::Dim
            | Kind::Hyper(_)
            | Kind::Computed
            | Kind::Value(_)
            | Kind::Later => {}
        }
    }
    for (equation, (uses, pasts)) in names.equations.iter_mut().zip(found) {
        equation.uses = uses;
        equation.pasts = pasts;
    }
}

/// The outputs: the definition whose name each bears and the one whose value it is.
fn outputs(names: &Names<'_>, sink: &mut Vec<Diagnostic>) -> Vec<(usize, usize)> {
    let mut outputs: Vec<(usize, usize)> = Vec::new();
    let mut seen: BTreeMap<usize, crate::text::Span> = BTreeMap::new();
    let mut suggest = super::suggest::Suggest::new();
    for returned in &names.outputs {
        let path = match returned {
            Returned::Def(def) => {
                outputs.push((*def, *def));
                continue;
            }
            Returned::Path(path) => path,
        };
        let Some((idx, def)) = names.find(&path.head.name) else {
            let known = names.all();
            sink.push(suggest.report(Code::UnknownName, "name", &path.head, known));
            continue;
        };
        match &def.kind {
            Kind::Later => continue,
            Kind::Dim | Kind::Hyper(_) => {
                let message =
                    format!("`{}` is {}, not a value of the step", def.name.name, def.article());
                let fault = Diagnostic::new(Code::WrongKindOfName, path.span, message)
                    .label(def.name.span, "declared here");
                sink.push(fault);
                continue;
            }
            Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Value(_) => {}
        }
        if let Some((_, part)) = path.tail.first() {
            let message =
                format!("`{}` is {} and has no part `{}`", def.name.name, def.article(), part.name);
            let fault = Diagnostic::new(Code::WrongKindOfName, part.span, message)
                .label(def.name.span, "declared here");
            sink.push(fault);
            continue;
        }
        if let Some(before) = seen.insert(idx, path.span) {
            let message = format!("`{}` is returned twice", def.name.name);
            let fault = Diagnostic::new(Code::DefinedTwice, path.span, message)
                .label(before, "first returned here");
            sink.push(fault);
            continue;
        }
        outputs.push((idx, idx));
    }
    outputs
}

/// The order of the equations, by position; reports circles.
fn order_of(names: &Names<'_>, sink: &mut Vec<Diagnostic>) -> Vec<usize> {
    let edges: Vec<Vec<usize>> = names
        .equations
        .iter()
        .map(|it| it.uses.iter().filter_map(|(def, _)| names.defs[*def].equation).collect())
        .collect();
    let sorted = order::sort(&edges);
    for cycle in &sorted.cycles {
        sink.push(cycle_fault(names, cycle));
    }
    sorted.order
}

fn cycle_fault(names: &Names<'_>, cycle: &[usize]) -> Diagnostic {
    let def = |equation: usize| &names.defs[names.equations[equation].def];
    // A state leads, because its old value is most likely what was meant.
    let lead = cycle.iter().position(|it| matches!(def(*it).kind, Kind::State { .. })).unwrap_or(0);
    let cycle: Vec<usize> = cycle[lead..].iter().chain(&cycle[..lead]).copied().collect();
    let circle: Vec<&str> = cycle.iter().map(|it| &*def(*it).name.name).collect();
    let first = &def(cycle[0]).name;
    let reads = |from: usize, to: usize| {
        let found =
            names.equations[from].uses.iter().find(|it| names.defs[it.0].equation == Some(to));
        found.map_or(names.equations[from].value.span(), |it| it.1)
    };
    let span = reads(cycle[cycle.len() - 1], cycle[0]);
    let name = &first.name;
    let text = order::circle(&circle);
    if let Kind::Computed = def(cycle[0]).kind {
        let message = format!("`{name}` is defined by itself: {text}");
        return Diagnostic::new(Code::Cycle, span, message);
    }
    let message =
        format!("`{name}` depends on itself within one step: {text}; did you mean `prev {name}`?");
    let mut fault = Diagnostic::new(Code::Cycle, span, message).fix(
        Applicability::Maybe,
        span,
        format!("prev {name}"),
    );
    for pair in cycle.windows(2).take(3) {
        let (from, to) = (&def(pair[0]).name.name, &def(pair[1]).name.name);
        fault = fault.label(reads(pair[0], pair[1]), format!("`{from}` reads `{to}` here"));
    }
    fault
}

/// The shapes of values whose past is read, found without their pasts: new states have their declared shapes, so only circles
/// among the values themselves are left, and those are reported.
fn inferred(
    names: &Names<'_>,
    items: &Items<'_>,
    hypers: &Hypers<'_>,
    sink: &mut Vec<Diagnostic>,
) -> BTreeMap<usize, (Shape, Option<ir::Dim>)> {
    let asked: Vec<usize> = names
        .equations
        .iter()
        .flat_map(|it| &it.pasts)
        .filter(|(def, _)| resolve::is_inferred(&names.defs[*def].kind))
        .filter_map(|(def, _)| names.defs[*def].equation)
        .collect();
    if asked.is_empty() {
        return BTreeMap::new();
    }
    let needs = |equation: &Equation<'_>| -> Vec<usize> {
        if let Kind::State { .. } = names.defs[equation.def].kind {
            return Vec::new();
        }
        let shapeless = |def: &usize| {
            let kind = &names.defs[*def].kind;
            resolve::is_inferred(kind) || matches!(kind, Kind::Computed)
        };
        let all = equation.uses.iter().chain(&equation.pasts).map(|it| it.0);
        all.filter(shapeless).filter_map(|def| names.defs[def].equation).collect()
    };
    let edges: Vec<Vec<usize>> = names.equations.iter().map(needs).collect();
    let sorted = order::sort(&edges);
    for cycle in &sorted.cycles {
        let Some(fault) = past_fault(names, cycle) else { continue };
        sink.push(fault);
    }
    let mut needed = vec![false; edges.len()];
    let mut open = asked;
    while let Some(equation) = open.pop() {
        if !std::mem::replace(&mut needed[equation], true) {
            open.extend(&edges[equation]);
        }
    }
    let mut lower = Lower::new(names, items, hypers, Phase::Shapes);
    for idx in sorted.order.into_iter().filter(|it| needed[*it]) {
        let equation = &names.equations[idx];
        lower_equation(&mut lower, names, equation);
        for def in equation.targets() {
            let shape = |node: &NodeId| lower.graph.shape(*node).clone();
            let found = match &lower.values[def] {
                Some(Value::Node(node)) => (shape(node), None),
                Some(Value::Index(node, dim)) => (shape(node), Some(dim.clone())),
                Some(Value::Constant(..)) => (Shape::scalar(), None),
                Some(Value::Poison) | None => continue,
            };
            lower.inferred.insert(def, found);
        }
    }
    lower.inferred
}

/// The report of values whose shapes rest on each other's past; `None` for a circle within the step, which is reported as such.
fn past_fault(names: &Names<'_>, cycle: &[usize]) -> Option<Diagnostic> {
    let pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
    let mut read = None;
    for (from, to) in pairs {
        let target = |it: &&(usize, Span)| names.defs[it.0].equation == Some(*to);
        let from = &names.equations[*from];
        if from.uses.iter().find(target).is_none() {
            read = read.or(from.pasts.iter().find(target));
        }
    }
    let (def, span) = read?;
    let name = &names.defs[*def].name;
    let message = format!("the shape of `{}` rests on its own past", name.name);
    let fault = Diagnostic::new(Code::ShapeFromOwnPast, *span, message)
        .label(name.span, "nothing else gives it a shape")
        .help(format!("declare `state {0}: [..]` and write `{0} = ..` without `let`", name.name));
    Some(fault)
}

/// Lowers the right side of an equation and keeps its value under its name.
pub(super) fn lower_equation(
    lower: &mut Lower<'_, '_>,
    names: &Names<'_>,
    equation: &Equation<'_>,
) {
    let fold = match equation.value {
        Right::Expr(expr) => {
            let value = lower.expr(expr, &Scope::CELL);
            return keep(lower, names, equation, expr, equation.def, value);
        }
        Right::Fold(fold) => fold,
    };
    let values = lower.equation_fold(fold, equation);
    for ((def, result), value) in equation.targets().zip(&fold.results).zip(values) {
        keep(lower, names, equation, result, def, value);
    }
}

/// Keeps the value of an expression under the name that an equation defines.
fn keep(
    lower: &mut Lower<'_, '_>,
    names: &Names<'_>,
    equation: &Equation<'_>,
    expr: &Expr,
    target: usize,
    value: Value,
) {
    let def = &names.defs[target];
    let name = &def.name.name;
    let span = expr.span;
    let value = match (&def.kind, value) {
        (_, Value::Poison) => return,
        (Kind::Computed, value) => {
            let Some(shape) = &def.shape else { return };
            if let (Value::Constant(..), 0) = (&value, shape.rank()) {
                lower.values[target] = Some(value);
                return;
            }
            let what = format!("the const `{name}`");
            match lower.declared(&value, shape, &what, expr, def.name.span) {
                Some(node) => Value::Node(node),
                None => return,
            }
        }
        (Kind::State { .. }, value) => {
            let (Some(shape), Some(found)) = (&def.shape, lower.number_shape(&value, expr)) else {
                return;
            };
            if found != *shape {
                let fault = state_shape(names, equation, name, &found, shape)
                    .label(def.name.span, format!("declared `{shape}` here"));
                lower.sink.push(fault);
                return;
            }
            Value::Node(lower.node(&value, span))
        }
        (_, value @ Value::Index(..)) => value,
        (_, value) => Value::Node(lower.node(&value, span)),
    };
    if let Value::Node(node) = &value {
        lower.graph.set_name(*node, name.clone());
    }
    lower.values[target] = Some(value);
}

/// The first `W * x` of a matrix and a vector that `W @ x` would multiply: the place of the sign, and both operands.
fn product_meant(names: &Names<'_>, value: &Expr) -> Option<(Span, String, String)> {
    let shape = |expr: &Expr| {
        let (ExprKind::Path(path) | ExprKind::Prev(path, None)) = &expr.kind else { return None };
        let (_, def) = names.find(&path.head.name)?;
        Some((def.shape.clone()?, crate::syntax::print_expr(expr)))
    };
    let mut found = None;
    items::walk(value, &mut |it| {
        let ExprKind::Chain(first, rest) = &it.kind else { return };
        // In a longer chain `@` would need parentheses.
        let [(BinaryOp::Mul, star, second)] = rest.as_slice() else { return };
        if let (None, Some((matrix, left)), Some((vector, right))) =
            (&found, shape(first), shape(second))
            && matrix.rank() == 2
            && vector.rank() == 1
            && matrix.axes().last() == vector.axes().last()
        {
            found = Some((*star, left, right));
        }
    });
    found
}

fn state_shape(
    names: &Names<'_>,
    equation: &Equation<'_>,
    name: &str,
    found: &Shape,
    declared: &Shape,
) -> Diagnostic {
    let expr = equation.value.result();
    let span = expr.span;
    let message = format!("the new value of `{name}` has shape `{found}`, declared `{declared}`");
    let fault = Diagnostic::new(Code::StateShape, span, message);
    if found.rank() > 0 {
        return match product_meant(names, expr) {
            Some((star, left, right)) => fault
                .label(star, "repeats the vector along the rows")
                .help(format!("for the matrix product write `{left} @ {right}`"))
                .fix(Applicability::Maybe, star, "@"),
            None => fault.help("change the declaration or the equation"),
        };
    }
    match show::Shown::from(expr).full() {
        Some(text) => {
            // A plain zero is already there.
            let text = match &*text {
                "0" => format!("zeros({declared})"),
                _ => format!("zeros({declared}) + {text}"),
            };
            fault.help(format!("write `{text}`")).fix(Applicability::Maybe, span, text)
        }
        None => fault.help(format!("add `zeros({declared})`")),
    }
}

fn output_node(step: &mut Lower<'_, '_>, names: &Names<'_>, def: usize) -> Option<NodeId> {
    let it = &names.defs[def];
    let value = match &it.kind {
        Kind::Input { .. } | Kind::Param { .. } | Kind::Mask { .. } => step.leaf(def),
        Kind::State { .. } | Kind::Value(_) | Kind::Computed => step.values[def].clone()?,
        Kind::Dim | Kind::Hyper(_) | Kind::Later => return None,
    };
    match value {
        Value::Poison => None,
        Value::Node(node) => Some(node),
        Value::Constant(..) => Some(step.node(&value, it.name.span)),
        Value::Index(_, dim) => {
            let message = format!("`{}` is an index below `{dim}`, not a number", it.name.name);
            let fault = Diagnostic::new(Code::WrongKindOfName, it.name.span, message)
                .help(format!("return `eye({dim})[{}]`, its one-hot vector", it.name.name));
            step.sink.push(fault);
            None
        }
    }
}

/// Every named value of the step, in the order of the source.
fn values(step: &mut Lower<'_, '_>, names: &Names<'_>) -> Vec<NamedValue> {
    let mut values = Vec::new();
    for (idx, def) in names.defs.iter().enumerate() {
        let kind = match &def.kind {
            Kind::Input { .. } => {
                step.leaf(idx);
                ValueKind::Input
            }
            Kind::State { .. } => ValueKind::State,
            Kind::Value(kind) => *kind,
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Later => continue,
        };
        let node = match &step.values[idx] {
            Some(Value::Node(node) | Value::Index(node, _)) => *node,
            Some(Value::Poison | Value::Constant(..)) | None => continue,
        };
        values.push(NamedValue { name: def.name.name.clone(), kind, node, span: def.name.span });
        // What the turns of a loop name follows the first name that the loop defines.
        if let Some(equation) = def.equation
            && names.equations[equation].def == idx
        {
            values.extend(step.inner.remove(&equation).unwrap_or_default());
        }
    }
    values
}

fn inputs(
    names: &Names<'_>,
    items: &Items<'_>,
    hypers: &Hypers<'_>,
    sink: &mut Vec<Diagnostic>,
) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut lower = Lower::new(names, items, hypers, Phase::Constants);
    for def in &names.defs {
        let Kind::Input { index, default } = &def.kind else { continue };
        let name = def.name.name.clone();
        let default = default.and_then(|expr| {
            if sink.iter().any(|it| it.span == expr.span) {
                return None;
            }
            let what = format!("the default of `{name}`");
            let value = lower.constant_expr(expr, &Scope::CELL, &what)?;
            if let (Some(number), Some(_)) = (lower.value_of(&value), index)
                && (number.fract() != 0.0 || number < 0.0)
            {
                let message =
                    format!("{what} is a whole number, at least 0, not {}", show::number(number));
                sink.push(Diagnostic::new(Code::ConstantOutOfRange, expr.span, message));
            }
            Some(value)
        });
        let shape = def.shape.clone().unwrap_or_default();
        inputs.push(Input { name, shape, index: index.clone(), default, span: def.name.span });
    }
    sink.append(&mut lower.sink);
    inputs
}

fn params(
    names: &Names<'_>,
    items: &Items<'_>,
    hypers: &Hypers<'_>,
    sink: &mut Vec<Diagnostic>,
) -> Vec<Param> {
    let mut params = Vec::new();
    let mut lower = Lower::new(names, items, hypers, Phase::Constants);
    for def in &names.defs {
        let Kind::Param { init, trained } = &def.kind else { continue };
        let shape = def.shape.clone().unwrap_or_default();
        let init = match (init, &def.shape) {
            (Some(expr), Some(shape)) => inits::lower(&mut lower, expr, shape),
            (_, _) => Some(inits::default(&shape)),
        };
        let init = init.unwrap_or(Init::Const(Const::Number(0.0)));
        let (name, span) = (def.name.name.clone(), def.name.span);
        params.push(Param { name, shape, init, trained: *trained, span });
    }
    sink.append(&mut lower.sink);
    params
}

/// The trained params that are read at more than one place.
fn shared(names: &Names<'_>) -> Vec<crate::text::Name> {
    let mut counts = vec![0usize; names.defs.len()];
    for (def, _) in names.equations.iter().flat_map(|it| &it.uses) {
        counts[*def] += 1;
    }
    names
        .defs
        .iter()
        .zip(counts)
        .filter(|(def, count)| *count > 1 && matches!(def.kind, Kind::Param { trained: true, .. }))
        .map(|(def, _)| def.name.name.clone())
        .collect()
}
