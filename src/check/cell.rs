//! One cell, from its tree to its graphs.

use super::carries;
use super::declare;
use super::hypers::{self, Hypers, Settings};
use super::inits;
use super::items::{self, Items};
use super::layer::{self, Element, Given, Inner, Of, Ready, Splice, Store};
use super::layout;
use super::lower::{Carried, Lower, Phase, Scope, Value};
use super::masks;
use super::names::{Equation, Kind, Names, Right};
use super::order;
use super::pieces::{self, Pieces};
use super::resolve::{Place, Resolver};
use super::shapes;
use super::show;
use crate::diag::{self, Applicability, Code, Diagnostic};
use crate::ir::{self, Const, Init, Input, Output, Param, Shape};
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind};
use crate::text::Span;

/// Checks a cell. It is given back when nothing is wrong with it; what is wrong is in `sink`.
pub(super) fn check<'a>(
    cell: &'a ast::Cell,
    items: &Items<'a>,
    settings: &Settings<'_>,
    given: &Given<'a>,
    store: &Store,
    sink: &mut Vec<Diagnostic>,
) -> Option<Inner> {
    let first = sink.len();
    // The resolved tree has reported these.
    let told = &mut Vec::new();
    let mut names = declare::collect(cell, told, sink);
    hypers::set_dims(&mut names, items, settings, &cell.name.name, sink);
    for dim in &mut names.dims.free {
        dim.default = given.sizes.get(&dim.name).copied().or(dim.default);
    }
    resolve_all(&mut names, items, told);
    let hypers = hypers::resolve(&names, items, settings, given, sink);
    let (ready, fixed_by_layers) = layer::prepare(&names, items, &hypers, store, sink);
    for (layer, ready) in names.layers.iter_mut().zip(ready) {
        layer.ready = ready;
    }
    let returned = pieces::returned(&names, items, told);
    let order = order_of(&names, sink);

    let mut step = Lower::new(&names, items, &hypers, Phase::Step);
    (step.inferred, step.told) = shapes::inferred(&names, items, &hypers, sink);
    for idx in order {
        lower_equation(&mut step, &names, &names.equations[idx]);
    }
    let outputs: Vec<(Output, Of)> =
        returned.into_iter().filter_map(|it| pieces::output(&mut step, &names, it)).collect();
    let inputs = inputs(&names, items, &hypers, sink);
    let params = params(&step, &names, items, &hypers, sink);
    let n_own = names.defs.iter().filter(|it| matches!(it.kind, Kind::Param { .. })).count();
    let own = &params[..n_own.min(params.len())];
    let mut layouts = layout::collect(cell, &names, own, sink);
    let elements = own_elements(&step, &names);
    if layer::extend_layouts(&mut layouts, n_own > 0, elements, cell.name.span).is_err() {
        let message = "a tensor of the layout of a layer is too large";
        sink.push(Diagnostic::new(Code::TooLarge, cell.name.span, message));
    }
    let mut masks = masks::lower(&names, items, &hypers, sink);
    masks_of_layers(&step, &names, &mut masks);
    let pieces = pieces::of_cell(&mut step, &names, &inputs);
    let mut fixed = std::mem::take(&mut step.fixed);
    fixed.extend(fixed_by_layers);
    let carried = carries::assemble(step, &names, items, &hypers, &inputs, sink);

    if diag::has_errors(&sink[first..]) || diag::has_errors(told) {
        return None;
    }
    // What is poisoned was reported, here or by the parser.
    let (Some(carried), Some((_, main))) = (carried, outputs.first()) else { return None };
    let main = pieces.place(*main);
    let carries::Assembled { step, start, carries, of } = carried;
    let own = hypers.numbers.order.iter();
    let own = own.filter_map(|it| Some((it.clone(), hypers.numbers.constants.get(it)?.clone())));
    let own = own.collect();
    for dim in &mut names.dims.free {
        dim.fixed = fixed.contains(&dim.name);
    }
    let doc = cell.doc.as_ref().map(|it| it.lines.clone()).unwrap_or_default();
    let mut checked = ir::Cell {
        name: cell.name.name.clone(),
        doc,
        shared: shared(&names, &params),
        layouts,
        hypers: hypers.list,
        inputs,
        carries,
        params,
        masks,
        step,
        start,
        outputs: outputs.into_iter().map(|it| it.0).collect(),
        values: pieces.values(),
        dims: names.dims.free,
        derived: names.dims.derived,
    };
    layout::check_sums(&mut checked, n_own, cell.name.span, sink);
    if diag::has_errors(&sink[first..]) {
        return None;
    }
    let carried = of.into_iter().map(|(of, back)| match of {
        Carried::Past(of) => (Some(pieces.place(of)), back),
        Carried::Time => (None, back),
    });
    let carried = carried.collect();
    let Pieces { list, by_name, .. } = pieces;
    Some(Inner { cell: checked, pieces: list, by_name, main, carried, hypers: own })
}

/// Resolves the names of everything in a cell.
fn resolve_all<'a>(names: &mut Names<'a>, items: &Items<'a>, sink: &mut Vec<Diagnostic>) {
    let mut found = Vec::with_capacity(names.equations.len());
    let mut layers = Vec::with_capacity(names.layers.len());
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
            | Kind::Layer(_)
            | Kind::Later => Place::Step,
        };
        if let Right::Layer(layer, _) = equation.value {
            layers.push(resolver.layer(layer));
        } else {
            let targets = equation.targets();
            let defines: Vec<&ast::Ident> = targets.map(|it| names.defs[it].name).collect();
            resolver.right(equation.value, &defines);
        }
        found.push((
            std::mem::take(&mut resolver.uses),
            std::mem::take(&mut resolver.pasts),
            std::mem::take(&mut resolver.past_parts),
        ));
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
            | Kind::Layer(_)
            | Kind::Later => {}
        }
    }
    for (equation, (uses, pasts, past_parts)) in names.equations.iter_mut().zip(found) {
        equation.uses = uses;
        equation.pasts = pasts;
        equation.past_parts = past_parts;
    }
    // Equations stand in the order in which their layers do.
    for (layer, (kinds, sound)) in names.layers.iter_mut().zip(layers) {
        layer.kinds = kinds;
        layer.sound = sound;
    }
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
    let fault = Diagnostic::new(Code::Cycle, span, message);
    let mut fault = match def(cycle[0]).kind {
        // What follows the name of a layer stays.
        Kind::Layer(_) => fault.fix(Applicability::Maybe, span.before(), "prev "),
        Kind::Dim
        | Kind::Hyper(_)
        | Kind::Input { .. }
        | Kind::State { .. }
        | Kind::Param { .. }
        | Kind::Computed
        | Kind::Mask { .. }
        | Kind::Value(_)
        | Kind::Later => fault.fix(Applicability::Maybe, span, format!("prev {name}")),
    };
    for pair in cycle.windows(2).take(3) {
        let (from, to) = (&def(pair[0]).name.name, &def(pair[1]).name.name);
        fault = fault.label(reads(pair[0], pair[1]), format!("`{from}` reads `{to}` here"));
    }
    fault
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
            return keep(lower, names, expr, equation.def, value);
        }
        Right::Fold(fold) => fold,
        Right::Layer(layer, _) => return lower.layer(layer),
    };
    let values = lower.equation_fold(fold, equation);
    for ((def, result), value) in equation.targets().zip(&fold.results).zip(values) {
        keep(lower, names, result, def, value);
    }
}

/// Keeps the value of an expression under the name that an equation defines.
fn keep(lower: &mut Lower<'_, '_>, names: &Names<'_>, expr: &Expr, target: usize, value: Value) {
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
                let fault = state_shape(names, expr, name, &found, shape)
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
    value: &Expr,
    name: &str,
    found: &Shape,
    declared: &Shape,
) -> Diagnostic {
    let span = value.span;
    let message = format!("the new value of `{name}` has shape `{found}`, declared `{declared}`");
    let fault = Diagnostic::new(Code::StateShape, span, message);
    if found.rank() > 0 {
        return match product_meant(names, value) {
            Some((star, left, right)) => fault
                .label(star, "repeats the vector along the rows")
                .help(format!("for the matrix product write `{left} @ {right}`"))
                .fix(Applicability::Maybe, star, "@"),
            None => fault.help("change the declaration or the equation"),
        };
    }
    match show::Shown::from(value).full() {
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
    step: &Lower<'_, '_>,
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
    for (ready, element) in own_elements(step, names) {
        let splice = Splice { element };
        for param in &ready.inner.cell.params {
            let (Ok(shape), Ok(init)) = (splice.shape(&param.shape), splice.init(&param.init))
            else {
                let message =
                    format!("the initialiser of `{}` is too large", element.name(&param.name));
                sink.push(Diagnostic::new(Code::TooLarge, param.span, message));
                continue;
            };
            params.push(Param { name: element.name(&param.name), shape, init, ..param.clone() });
        }
    }
    params
}

/// The layers that have weights of their own, those of a stack one by one.
fn own_elements<'s>(
    step: &'s Lower<'_, '_>,
    names: &'s Names<'_>,
) -> impl Iterator<Item = (&'s Ready<'s>, &'s Element)> {
    let layers = names.layers.iter().zip(&step.elements);
    layers
        .filter_map(|(layer, elements)| Some((layer.ready.as_ref()?, elements)))
        .filter(|(ready, _)| ready.shares.is_none())
        .flat_map(|(ready, elements)| elements.iter().map(move |it| (ready, it)))
}

/// The masks of layers, after those of the cell.
fn masks_of_layers(step: &Lower<'_, '_>, names: &Names<'_>, masks: &mut Vec<ir::Mask>) {
    for (layer, elements) in names.layers.iter().zip(&step.elements) {
        let Some(ready) = &layer.ready else { continue };
        for element in elements {
            let splice = Splice { element };
            masks.extend(ready.inner.cell.masks.iter().map(|it| ir::Mask {
                name: element.name(&it.name),
                // What is too large was reported when the layer was lowered.
                shape: splice.shape(&it.shape).unwrap_or_default(),
                probability: splice.constant(&it.probability).unwrap_or(Const::Number(1.0)),
                ..it.clone()
            }));
        }
    }
}

/// The trained params that are read at more than one place.
fn shared(names: &Names<'_>, params: &[Param]) -> Vec<crate::text::Name> {
    let mut counts = vec![0usize; names.defs.len()];
    for (def, _) in names.equations.iter().flat_map(|it| &it.uses) {
        counts[*def] += 1;
    }
    let own = names
        .defs
        .iter()
        .zip(counts)
        .filter(|(def, count)| *count > 1 && matches!(def.kind, Kind::Param { trained: true, .. }))
        .map(|(def, _)| def.name.name.clone());
    let mut shared: Vec<crate::text::Name> = own.collect();
    let mut targets = std::collections::BTreeSet::new();
    for layer in names.layers.iter().filter_map(|it| it.ready.as_ref()) {
        targets.extend(layer.shares);
    }
    for (idx, layer) in names.layers.iter().enumerate() {
        let Some(ready) = layer.ready.as_ref().filter(|it| it.shares.is_none()) else { continue };
        let count = ready.inner.cell.params.len();
        let own = &params[ready.first_param..ready.first_param + ready.count * count];
        for (param, inner) in own.iter().zip(ready.inner.cell.params.iter().cycle()) {
            let twice = targets.contains(&idx) || ready.inner.cell.shared.contains(&inner.name);
            if twice && param.trained {
                shared.push(param.name.clone());
            }
        }
    }
    shared
}
