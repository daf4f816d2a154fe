//! One cell, from its tree to its graphs.

use super::backward;
use super::carries;
use super::consts::Hypers;
use super::declared::Declared;
use super::equation;
use super::hypers::{self, Settings};
use super::inits;
use super::layer::{self, Element, Given, Inner, Of, Ready, Splice, Store};
use super::layout;
use super::lower::{Carried, Compared, Lower, Phase, Scope};
use super::masks;
use super::pieces::{self, Pieces};
use super::shapes;
use super::show;
use super::types::Recorder;
use crate::diag::{self, Applicability, Code, Diagnostic};
use crate::hir::{CellId, DefKind, EquationId, Tree};
use crate::ir::{self, Const, Init, Input, InputRole, Loss, NamedValue, Output, Param, Term};
use crate::text::Name;
use crate::text::id::Id;
use crate::text::order;

/// Checks a cell. It is given back when nothing is wrong with it; what is wrong is in `sink`.
pub(super) fn check(
    tree: &Tree<'_>,
    id: CellId,
    settings: &Settings<'_>,
    given: &Given,
    store: &Store,
    types: Option<&Recorder>,
    sink: &mut Vec<Diagnostic>,
) -> Option<Inner> {
    let first = sink.len();
    let cell = &tree.cells[id];
    let mut names = Declared::of(tree, id, types, sink);
    hypers::set_dims(&mut names, settings, sink);
    for dim in &mut names.dims.free {
        dim.default = given.sizes.get(&dim.name).copied().or(dim.default);
    }
    names.check_sizes(sink);
    let hypers = hypers::resolve(&names, settings, given, sink);
    let (ready, fixed_by_layers) = layer::prepare(&names, &hypers, store, sink);
    names.layers = ready;
    let order = order_of(&names, sink);
    backward::check(&names, sink);
    let layers = layer::in_order(&names, &order);

    let mut step = Lower::new(&names, &hypers, Phase::Step);
    (step.inferred, step.told) = shapes::inferred(&names, &hypers, sink);
    for idx in order {
        equation::lower(&mut step, &names, idx);
    }
    let outputs = cell.outputs.iter().filter_map(|it| pieces::output(&mut step, &names, it));
    let outputs: Vec<(Output, Of)> = outputs.collect();
    teachers(&names, sink);
    let losses = losses(&mut step, &names);
    let inputs = inputs(&names, &hypers, sink);
    let params = params(&step, &names, &hypers, sink);
    let n_own = names.count(|it| matches!(it, DefKind::Param { .. }));
    let own = &params[..n_own.min(params.len())];
    let mut layouts = layout::collect(&names, own, sink);
    let elements = own_elements(&step, &names);
    if layer::extend_layouts(&mut layouts, n_own > 0, elements, cell.ast.name.span).is_err() {
        let message = "a tensor of the layout of a layer is too large";
        sink.push(Diagnostic::new(Code::TooLarge, cell.ast.name.span, message));
    }
    let mut masks = masks::lower(&names, &hypers, sink);
    masks_of_layers(&step, &names, &mut masks);
    let pieces = pieces::of_cell(&mut step, &names, &inputs);
    let compared = std::mem::take(&mut step.compared);
    step.note_defs();
    let mut fixed = std::mem::take(&mut step.fixed);
    fixed.extend(fixed_by_layers);
    let carried = carries::assemble(step, &names, &hypers, &inputs, sink);

    if !cell.sound || diag::has_errors(&sink[first..]) {
        return None;
    }
    // What has no value was reported, here or by the parser.
    let (Some(carried), Some((_, main))) = (carried, outputs.first()) else { return None };
    let main = pieces.place(*main);
    let carries::Assembled { step, start, carries, of } = carried;
    let own = hypers.numbers.order.iter();
    let own = own.filter_map(|it| Some((it.clone(), hypers.numbers.constants.get(it)?.clone())));
    let own = own.collect();
    for dim in &mut names.dims.free {
        dim.fixed = fixed.contains(&dim.name);
    }
    let doc = cell.ast.doc.as_ref().map(|it| it.lines.clone()).unwrap_or_default();
    let mut values = pieces.values();
    let terms = terms(&compared, &names, &mut values);
    let losses = losses.into_iter().map(|it| Loss { terms: terms.clone(), ..it }).collect();
    let mut checked = ir::Cell {
        name: cell.name().clone(),
        is_model: cell.is_model(),
        doc,
        shared: shared(&names, &params),
        layers,
        layouts,
        hypers: hypers.list,
        inputs,
        carries,
        params,
        masks,
        step,
        start,
        outputs: outputs.into_iter().map(|it| it.0).collect(),
        losses,
        values,
        dims: names.dims.free,
        derived: names.dims.derived,
    };
    layout::check_sums(&mut checked, n_own, cell.ast.name.span, sink);
    if diag::has_errors(&sink[first..]) {
        return None;
    }
    let carried = of.into_iter().map(|(of, back)| match of {
        Carried::Past(of) => (Some(pieces.place(of)), back),
        Carried::Time(_) => (None, back),
    });
    let carried = carried.collect();
    let Pieces { list, by_name, .. } = pieces;
    Some(Inner { cell: checked, pieces: list, by_name, main, carried, hypers: own })
}

/// Returns the order of the equations; reports cycles.
fn order_of(names: &Declared<'_>, sink: &mut Vec<Diagnostic>) -> Vec<EquationId> {
    let edges: Vec<Vec<usize>> = names
        .cell
        .equations
        .iter()
        .map(|it| it.uses.iter().filter_map(|it| names.def(it.0).equation).map(Id::idx).collect())
        .collect();
    let sorted = order::sort(&edges);
    for cycle in &sorted.cycles {
        sink.push(cycle_fault(names, cycle));
    }
    sorted.order.into_iter().map(EquationId::new).collect()
}

fn cycle_fault(names: &Declared<'_>, cycle: &[usize]) -> Diagnostic {
    let cell = names.cell;
    let def = |at: usize| names.def(cell.equations[EquationId::new(at)].targets[0]);
    // A state leads, because its old value is most likely what was meant.
    let lead = cycle.iter().position(|it| def(*it).kind == DefKind::State).unwrap_or(0);
    let cycle: Vec<usize> = cycle[lead..].iter().chain(&cycle[..lead]).copied().collect();
    let circle: Vec<&str> = cycle.iter().map(|it| &*def(*it).name.name).collect();
    let first = def(cycle[0]);
    let reads = |from: usize, to: usize| {
        let (from, to) = (EquationId::new(from), Some(EquationId::new(to)));
        let found = cell.equations[from].uses.iter().find(|it| names.def(it.0).equation == to);
        found.map_or_else(|| cell.right_span(from), |it| it.1)
    };
    let span = reads(cycle[cycle.len() - 1], cycle[0]);
    let name = &first.name.name;
    let text = order::circle(&circle);
    if first.kind == DefKind::Computed {
        let message = format!("`{name}` is defined by itself: {text}");
        return Diagnostic::new(Code::Cycle, span, message);
    }
    let message =
        format!("`{name}` depends on itself within one step: {text}; did you mean `prev {name}`?");
    let fault = Diagnostic::new(Code::Cycle, span, message);
    let mut fault = match first.kind {
        // What follows the name of a layer stays.
        DefKind::Layer(_) => fault.fix(Applicability::Maybe, span.before(), "prev "),
        _ => fault.fix(Applicability::Maybe, span, format!("prev {name}")),
    };
    for pair in cycle.windows(2).take(3) {
        let (from, to) = (&def(pair[0]).name.name, &def(pair[1]).name.name);
        fault = fault.label(reads(pair[0], pair[1]), format!("`{from}` reads `{to}` here"));
    }
    fault
}

/// Returns the loss of a model, a number per step. Others were reported.
fn losses(step: &mut Lower<'_, '_>, names: &Declared<'_>) -> Vec<Loss> {
    let mut losses = Vec::new();
    for loss in &names.cell.losses {
        let span = loss.value.span();
        let Some(value) = step.expr(&loss.value, &Scope::CELL) else { continue };
        let Some(shape) = step.number_shape(&value, &loss.value) else { continue };
        if shape.rank() > 0 {
            let message = format!("a loss is a number per step, this one has shape `{shape}`");
            let fault = Diagnostic::new(Code::BadLoss, span, message);
            step.sink.push(fault.help("take the `mean` or the `sum` over its axes"));
            continue;
        }
        let node = step.node(&value, span);
        losses.push(Loss { node, at_last: loss.at_last, terms: Vec::new(), span });
    }
    losses
}

/// Names the values that the loss compares: a value without a name is called by its target.
fn terms(compared: &[Compared], names: &Declared<'_>, values: &mut Vec<NamedValue>) -> Vec<Term> {
    let mut terms = Vec::with_capacity(compared.len());
    for it in compared {
        let (target, span) =
            (names.def(it.target).name.name.clone(), names.def(it.target).name.span);
        let known = values.iter().find(|value| value.node == it.predicted);
        let predicted = known.map(|it| it.name.clone()).unwrap_or_else(|| {
            let first = format!("predicted.{target}");
            let others = (2..).map(|it| format!("{first}.{it}"));
            let free = |name: &String| values.iter().all(|it| *it.name != **name);
            let name = std::iter::once(first.clone()).chain(others).find(free).unwrap_or_default();
            let (name, kind) = (Name::from(name), ir::ValueKind::Let);
            values.push(NamedValue { name: name.clone(), kind, node: it.predicted, span });
            name
        });
        terms.push(Term { of: it.of, target, predicted });
    }
    terms
}

/// Reports teachers that are not of the type of what they teach.
fn teachers(names: &Declared<'_>, sink: &mut Vec<Diagnostic>) {
    for (id, def) in names.cell.defs_of(|it| it == DefKind::Feedback) {
        let Some(group) = names.cell.group(id) else { continue };
        let (Some(teacher), Some(written)) = (group.teacher, &group.ast.teacher) else { continue };
        let (Some(own), Some(other)) = (names.type_text(id), names.type_text(teacher)) else {
            continue;
        };
        if own != other {
            let (name, target) = (&def.name.name, &names.def(teacher).name.name);
            let message = format!("`{name}` is {own}, its teacher `{target}` is {other}");
            let fault = Diagnostic::new(Code::BadTeacher, written.span, message)
                .label(def.name.span, "declared here")
                .label(names.def(teacher).name.span, "declared here")
                .help("a feedback and its teacher have one type, with the same axes");
            sink.push(fault);
        }
    }
}

fn inputs(names: &Declared<'_>, hypers: &Hypers, sink: &mut Vec<Diagnostic>) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut lower = Lower::new(names, hypers, Phase::Constants);
    let targets = names.cell.defs_of(|it| it == DefKind::Target);
    for (id, def) in names.cell.defs_of(|it| it == DefKind::Input).chain(targets) {
        let (name, index) = (def.name.name.clone(), names.below(id).cloned());
        let default = names.cell.group(id).and_then(|it| it.value.as_ref()).and_then(|expr| {
            let what = format!("the default of `{name}`");
            let value = lower.constant_expr(expr, &Scope::CELL, &what)?;
            if let (Some(number), Some(_)) = (lower.value_of(&value), &index)
                && (number.fract() != 0.0 || number < 0.0)
            {
                let number = show::number(number);
                let message = format!("{what} is a whole number, at least 0, not {number}");
                sink.push(Diagnostic::new(Code::ConstantOutOfRange, expr.span(), message));
            }
            Some(value)
        });
        let shape = names.shape(id).cloned().unwrap_or_default();
        let role = match def.kind {
            DefKind::Target => InputRole::Target,
            _ => InputRole::Input,
        };
        let per_sequence = names.cell.group(id).is_some_and(|it| it.ast.is_per_sequence());
        let span = def.name.span;
        inputs.push(Input { name, shape, index, default, per_sequence, role, span });
    }
    sink.append(&mut lower.sink);
    for def in names.sampled() {
        let (name, span) = (names.draw_name(def), names.def(def).name.span);
        let (shape, role) = (ir::Shape::scalar(), InputRole::Draw);
        let (index, default, per_sequence) = (None, None, false);
        inputs.push(Input { name, shape, index, default, per_sequence, role, span });
    }
    inputs
}

fn params(
    step: &Lower<'_, '_>,
    names: &Declared<'_>,
    hypers: &Hypers,
    sink: &mut Vec<Diagnostic>,
) -> Vec<Param> {
    let mut params = Vec::new();
    let mut lower = Lower::new(names, hypers, Phase::Constants);
    for (id, def) in names.cell.defs.pairs() {
        let DefKind::Param { trained } = def.kind else { continue };
        let init = names.cell.group(id).and_then(|it| it.init.as_ref());
        let declared = names.shape(id);
        let shape = declared.cloned().unwrap_or_default();
        let init = match (init, declared) {
            (Some(expr), Some(shape)) => inits::lower(&mut lower, expr, shape),
            (_, _) => Some(inits::default(&shape)),
        };
        let init = init.unwrap_or(Init::Const(Const::Number(0.0)));
        let (name, span) = (def.name.name.clone(), def.name.span);
        params.push(Param { name, shape, init, trained, span });
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

/// Returns the layers that have weights of their own, those of a stack one by one.
fn own_elements<'s>(
    step: &'s Lower<'_, '_>,
    names: &'s Declared<'_>,
) -> impl Iterator<Item = (&'s Ready<'s>, &'s Element)> {
    let layers = names.layers.iter().zip(&step.elements);
    layers
        .filter_map(|(ready, elements)| Some((ready.as_ref()?, elements)))
        .filter(|(ready, _)| ready.shares.is_none())
        .flat_map(|(ready, elements)| elements.iter().map(move |it| (ready, it)))
}

/// The masks of layers, after those of the cell.
fn masks_of_layers(step: &Lower<'_, '_>, names: &Declared<'_>, masks: &mut Vec<ir::Mask>) {
    for (ready, elements) in names.layers.iter().zip(&step.elements) {
        let Some(ready) = ready else { continue };
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

/// Returns the trained params that are read at more than one place.
fn shared(names: &Declared<'_>, params: &[Param]) -> Vec<crate::text::Name> {
    let mut counts = vec![0usize; names.cell.defs.len()];
    for (def, _) in names.cell.equations.iter().flat_map(|it| &it.uses) {
        counts[def.idx()] += 1;
    }
    let own = names.cell.defs_of(|it| it == DefKind::Param { trained: true });
    let own = own.filter(|it| counts[it.0.idx()] > 1).map(|it| it.1.name.name.clone());
    let mut shared: Vec<crate::text::Name> = own.collect();
    let mut targets = std::collections::BTreeSet::new();
    for ready in names.layers.iter().flatten() {
        targets.extend(ready.shares.map(Id::idx));
    }
    for (idx, layer) in names.layers.iter().enumerate() {
        let Some(ready) = layer.as_ref().filter(|it| it.shares.is_none()) else { continue };
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
