//! The values that a step hands to the next one: states, their older values, the past of everything else, and the start of each.

use std::collections::{BTreeMap, BTreeSet};

use super::consts::Hypers;
use super::declared::Declared;
use super::equation;
use super::layer::{Of, Splice};
use super::lower::{Carried, Lower, Past, Phase, Scope, Value, time_name};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, DefId, DefKind, Kind};
use crate::ir::{Carry, Const, Graph, Input, Leaf, Node, NodeId, Op, Order, Shape, Start};
use crate::syntax::ast::Role;
use crate::text::id::Id;
use crate::text::{Name, order};

/// The graphs of a cell with what it carries.
pub(super) struct Assembled {
    pub step: Graph,
    pub start: Graph,
    pub carries: Vec<Carry>,
    /// The value that each carried value is the past of, and the number of steps ago.
    pub of: Vec<(Carried, u32)>,
}

/// Takes the step graph and gives it back with its carries and the graph of their starts; `None` when something is wrong.
pub(super) fn assemble(
    mut step: Lower<'_, '_>,
    names: &Declared<'_>,
    hypers: &Hypers,
    inputs: &[Input],
    sink: &mut Vec<Diagnostic>,
) -> Option<Assembled> {
    let mut start = Lower::new(names, hypers, Phase::Start);
    start.elements.clone_from(&step.elements);
    computed(&mut start, names);
    let (mut carries, mut of) = (Vec::new(), Vec::new());
    let states: Vec<(DefId, &hir::Def<'_>)> = names.cell.defs_of(DefKind::is_carried).collect();
    let mut complete = true;
    for (idx, def) in &states {
        let begin = start_of(&mut start, names, *idx);
        let next = match step.value(*idx) {
            Some(Value::Node(node) | Value::Index(node, _)) => Some(*node),
            Some(Value::Constant(..)) | None => None,
        };
        let (Some(begin), Some(next), Some(shape)) = (begin, next, names.shape(*idx).cloned())
        else {
            complete = false;
            continue;
        };
        of.push((Carried::Past((*idx, 0)), 1));
        carries.push(Carry {
            name: def.name.name.clone(),
            shape,
            index: names.below(*idx).cloned(),
            is_state: true,
            teacher: names.cell.group(*idx).and_then(|it| it.teacher).map(|it| names.slot(it)),
            order: Order::Ascending,
            start: Start::Node(begin),
            next,
            span: def.name.span,
        });
    }
    let starts = Starts::of_layers(&mut start, names);
    let inputs: BTreeMap<&Name, &Input> = inputs.iter().map(|it| (&it.name, it)).collect();
    // States first, then in the order of the declarations, however they were asked for.
    let mut pasts: Vec<(usize, Past)> = step.pasts.drain(..).enumerate().collect();
    let is_first = |it: &Past| match it.of {
        Carried::Past(of) => it.back == 1 && step.is_state(of),
        Carried::Time(_) => false,
    };
    pasts.sort_by_key(|(_, it)| (!is_first(it), it.of, it.back));
    let places_of: BTreeMap<Carried, usize> = pasts
        .iter()
        .enumerate()
        .filter(|(_, (_, it))| is_first(it))
        .map(|(place, (_, it))| (it.of, states.len() + place))
        .collect();
    let mut leaves: BTreeMap<(Carried, u32), NodeId> =
        pasts.iter().map(|(_, it)| ((it.of, it.back), it.leaf)).collect();
    let mut places = vec![0; pasts.len()];
    for (place, (asked, past)) in pasts.iter().enumerate() {
        places[*asked] = states.len() + place;
        let value = match past.of {
            Carried::Past(value) => value,
            Carried::Time(order) => {
                of.push((past.of, 1));
                carries.push(time(&mut step, &mut start, order, past));
                continue;
            }
        };
        let is_state = step.is_state(value);
        let next = match (past.back, is_state) {
            (1, _) => match step.leaf_or_value(value) {
                Some(node) => node,
                None => {
                    complete = false;
                    continue;
                }
            },
            (2, true) => step.state_leaf(value, &past.shape, past.span),
            (back, _) => *leaves.entry((past.of, back - 1)).or_insert(past.leaf),
        };
        let begin = match (is_state, past.back, places_of.get(&past.of)) {
            (true, 1, _) => match starts.find(&step, value) {
                Some(node) => Start::Node(node),
                None => {
                    complete = false;
                    continue;
                }
            },
            (true, _, Some(state)) => Start::SameAs(*state),
            (true, _, None) => Start::SameAs(names.slot(value.0)),
            (false, _, _) => {
                let default = default_of(&step, value, &inputs);
                let scalar = start.node(&Value::Constant(default, 1), past.span);
                Start::Node(start.fill(scalar, &past.shape, past.span))
            }
        };
        let name = step.name_of(value);
        let is_state = is_state && past.back == 1;
        of.push((past.of, past.back));
        carries.push(Carry {
            name: if is_state { name } else { format!("{name}.{}", past.back).into() },
            shape: past.shape.clone(),
            index: past.index.clone(),
            is_state,
            teacher: None,
            order: step.order(past.of),
            start: begin,
            next,
            span: past.span,
        });
    }
    let is_wrong = step.is_wrong || start.is_wrong;
    sink.append(&mut step.sink);
    sink.append(&mut start.sink);
    if is_wrong || !complete {
        return None;
    }
    let step = renumbered(step.graph, states.len(), &places);
    Some(Assembled { step, start: start.graph, carries, of })
}

/// Returns the past, before the first step, of a value that is no state.
fn default_of(step: &Lower<'_, '_>, of: Of, inputs: &BTreeMap<&Name, &Input>) -> Const {
    let default = match step.piece_of(of) {
        Some((layer, ready, piece)) => {
            let element = &step.elements[layer.idx()][of.1 / ready.inner.pieces.len()];
            let default = piece.default.as_ref();
            default.and_then(|it| Splice { element }.constant(it).ok())
        }
        None => inputs.get(&step.name_of(of)).and_then(|it| it.default.clone()),
    };
    default.unwrap_or(Const::Number(0.0))
}

/// The start graphs of all layers, copied: where each node of theirs is now.
struct Starts {
    places: Vec<Vec<Vec<NodeId>>>,
    /// By layer: the node of its own start graph where each state of it starts, by the state's piece.
    nodes: Vec<BTreeMap<usize, NodeId>>,
}

impl Starts {
    fn of_layers(start: &mut Lower<'_, '_>, names: &Declared<'_>) -> Starts {
        let mut places = Vec::with_capacity(names.layers.len());
        let mut nodes = Vec::with_capacity(names.layers.len());
        for (idx, layer) in names.layers.iter().enumerate() {
            let elements = start.elements[idx].clone();
            let copies = elements.iter().map(|element| {
                let Some(ready) = layer else { return Vec::new() };
                start.start_of_layer(ready, element).unwrap_or_default()
            });
            places.push(copies.collect());
            let carries =
                layer.iter().flat_map(|it| it.inner.carried.iter().zip(&it.inner.cell.carries));
            let begins = carries.filter_map(|(of, carry)| match (of, &carry.start) {
                ((Some(piece), 1), Start::Node(node)) => Some((*piece, *node)),
                _ => None,
            });
            nodes.push(begins.collect());
        }
        Starts { places, nodes }
    }

    /// Returns the start of a state of a layer.
    fn find(&self, step: &Lower<'_, '_>, of: Of) -> Option<NodeId> {
        let (layer, ready, _) = step.piece_of(of)?;
        let count = ready.inner.pieces.len();
        let node = self.nodes[layer.idx()].get(&(of.1 % count))?;
        self.places[layer.idx()].get(of.1 / count)?.get(node.idx()).copied()
    }
}

/// Returns the number of the step: 0 before the first one, and one more after each.
fn time(step: &mut Lower<'_, '_>, start: &mut Lower<'_, '_>, order: Order, past: &Past) -> Carry {
    Carry {
        name: time_name(order).into(),
        shape: Shape::scalar(),
        index: None,
        is_state: false,
        teacher: None,
        order,
        start: Start::Node(start.node(&Value::number(0.0), past.span)),
        next: step.next_time(past.leaf, past.span),
        span: past.span,
    }
}

/// Lowers the computed consts that starts read, in order.
fn computed(start: &mut Lower<'_, '_>, names: &Declared<'_>) {
    let cell = names.cell;
    let equation_of = |def: DefId| match names.kind(def) {
        DefKind::Computed => names.def(def).equation,
        _ => None,
    };
    let mut open: Vec<hir::EquationId> = Vec::new();
    for group in cell.groups.iter().filter(|it| matches!(it.role, Role::State | Role::Feedback)) {
        group.value.iter().for_each(|it| {
            hir::walk::expr(it, &mut |it| {
                if let Kind::Def(def) = it.kind {
                    open.extend(equation_of(def));
                }
            });
        });
    }
    let reads = |equation: hir::EquationId| {
        cell.equations[equation].uses.iter().filter_map(move |it| equation_of(it.0))
    };
    let mut needed: BTreeSet<usize> = BTreeSet::new();
    while let Some(equation) = open.pop() {
        if needed.insert(equation.idx()) {
            open.extend(reads(equation));
        }
    }
    if needed.is_empty() {
        return;
    }
    let edges: Vec<Vec<usize>> =
        cell.equations.ids().map(|it| reads(it).map(Id::idx).collect()).collect();
    for idx in order::sort(&edges).order {
        if needed.contains(&idx) {
            equation::lower(start, names, hir::EquationId::new(idx));
        }
    }
}

/// Returns the node of a state's start.
fn start_of(start: &mut Lower<'_, '_>, names: &Declared<'_>, state: DefId) -> Option<NodeId> {
    let shape = names.shape(state)?;
    let name = names.def(state).name;
    match names.cell.group(state).and_then(|it| it.value.as_ref()) {
        Some(expr) if names.below(state).is_some() => index_start(start, names, state, expr),
        Some(expr) => {
            let value = start.expr(expr, &Scope::CELL)?;
            let what = format!("the start of `{}`", name.name);
            start.declared(&value, shape, &what, expr, name.span)
        }
        None => {
            let scalar = start.node(&Value::number(0.0), name.span);
            Some(start.fill(scalar, shape, name.span))
        }
    }
}

/// Returns the start of an index: a whole number below its dim, as far as that is known here.
fn index_start(
    start: &mut Lower<'_, '_>,
    names: &Declared<'_>,
    state: DefId,
    expr: &hir::Expr<'_>,
) -> Option<NodeId> {
    let (name, below) = (names.def(state).name, names.below(state)?);
    let what = format!("the start of `{}`", name.name);
    let constant = start.constant_expr(expr, &Scope::CELL, &what)?;
    if let Some(number) = start.value_of(&constant) {
        let most = below.as_number().map_or(f64::INFINITY, |it| it as f64);
        if number.fract() != 0.0 || !(0.0..most).contains(&number) {
            let number = super::show::number(number);
            let message = format!("{what} is a whole number in 0..{below}, not {number}");
            let fault = Diagnostic::new(Code::BadFeedback, expr.span(), message);
            start.sink.push(fault.label(name.span, "declared here"));
            return None;
        }
    }
    Some(start.node(&Value::Constant(constant, 1), expr.span()))
}

/// Returns the graph with its past carries renumbered to their places.
fn renumbered(graph: Graph, n_states: usize, places: &[usize]) -> Graph {
    if places.iter().enumerate().all(|(asked, place)| n_states + asked == *place) {
        return graph;
    }
    let mut renumbered = Graph::default();
    for node in graph.nodes() {
        let op = match &node.op {
            Op::Leaf(Leaf::Carry(idx)) if *idx >= n_states => {
                Op::Leaf(Leaf::Carry(places[*idx - n_states]))
            }
            op => op.clone(),
        };
        renumbered.push(Node { op, ..node.clone() });
    }
    renumbered
}
