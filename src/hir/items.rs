//! The functions and cells of a program: resolved, not recursive, in the order in which one is made of another.

use super::builtin::Builtin;
use super::expr::{Callee, Expr, Kind};
use super::id::{CellId, FunctionId};
use super::known::Known;
use super::references::{Owner, Reference, Target};
use super::resolve::{Place, Resolver, Shared};
use super::tree::{Callable, Function, Local, LocalKind};
use super::walk;
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::{self, BinaryOp, Ident};
use crate::text::id::{Id, IdVec};
use crate::text::{Span, order};

/// Nobody reads more diagnostics.
pub(crate) const MANY: usize = 1000;

/// More cells within cells than anybody reads; checking one is a call within another.
const MOST_DEPTH: usize = 32;

/// Finds the cell of each layer, and the order in which cells can be checked, inner ones first; reports those that contain
/// themselves.
pub(super) fn order(known: &mut Known<'_>, sink: &mut Vec<Diagnostic>) -> Vec<CellId> {
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(known.cells.len());
    for id in known.cells.ids() {
        let mut inner = Vec::new();
        for layer in known.cells[id].layers.ids() {
            let name = &known.cells[id].layers[layer].decl.cell.name;
            let cell = known.cells_by_name.get(&**name).copied();
            known.cells[id].layers[layer].cell = cell;
            inner.extend(cell.map(Id::idx));
        }
        // A cell that cannot be named is no part of a cycle, and decides nothing about others.
        edges.push(if known.cells[id].is_known { inner } else { Vec::new() });
    }
    edges.iter().flatten().for_each(|it| known.cells[CellId::new(*it)].is_inner = true);
    let sorted = order::sort(&edges);
    for cycle in &sorted.cycles {
        let names: Vec<&str> = cycle.iter().map(|it| &*cell_at(known, *it).name.name).collect();
        let name = names[0];
        let circle = order::circle(&names);
        let message = format!("cell `{name}` holds itself: {circle}");
        let mut fault =
            Diagnostic::new(Code::RecursiveCell, cell_at(known, cycle[0]).name.span, message)
                .help("a layer is put in its place once; a cell within itself would have no end");
        for (at, idx) in cycle.iter().enumerate().take(3) {
            let next = CellId::new(cycle[(at + 1) % cycle.len()]);
            let layers = &known.cells[CellId::new(*idx)].layers;
            if let Some(layer) = layers.iter().find(|it| it.cell == Some(next)) {
                let message = format!("`{}` is built in here", layer.decl.cell.name);
                fault = fault.label(layer.decl.cell.span, message);
            }
        }
        sink.push(fault);
        cycle.iter().for_each(|it| known.cells[CellId::new(*it)].recursive = true);
    }
    let mut depths = vec![0; edges.len()];
    for idx in &sorted.order {
        let inner = &edges[*idx];
        let depth = inner.iter().map(|it| depths[*it] + 1).max().unwrap_or(0);
        let recursive = inner.iter().any(|it| known.cells[CellId::new(*it)].recursive);
        if depth == MOST_DEPTH + 1 {
            let message = format!("more than {MOST_DEPTH} cells lie in each other here");
            sink.push(Diagnostic::new(Code::TooLarge, cell_at(known, *idx).name.span, message));
        }
        depths[*idx] = depth;
        known.cells[CellId::new(*idx)].recursive |= recursive || depth > MOST_DEPTH;
    }
    let is_known = |it: &CellId| known.cells[*it].is_known;
    sorted.order.into_iter().map(CellId::new).filter(is_known).collect()
}

fn cell_at<'a>(known: &Known<'a>, idx: usize) -> &'a ast::Cell {
    known.cells[CellId::new(idx)].ast
}

/// Resolves all functions and activations.
pub(super) fn functions<'a>(
    known: &Known<'a>,
    shared: &mut Shared,
) -> IdVec<FunctionId, Function<'a>> {
    let mut functions: IdVec<FunctionId, Function<'a>> =
        known.functions.ids().map(|id| function(known, id, shared)).collect();
    classify(&mut functions, &mut shared.sink);
    for function in &functions {
        if !function.is_activation() {
            continue;
        }
        let name = &function.name().name;
        if let Some((span, what)) = not_elementwise(&function.body, &functions) {
            let message = format!("activation `{name}` must work element by element; {what}");
            let help = format!("write `fn {name}` instead");
            shared.sink.push(Diagnostic::new(Code::NotElementwise, span, message).help(help));
        }
        if let Some(derivative) = &function.derivative
            && let Some((span, what)) = not_elementwise(derivative, &functions)
        {
            let message =
                format!("the derivative of `{name}` must work element by element; {what}");
            shared.sink.push(Diagnostic::new(Code::BadDerivative, span, message));
        }
    }
    functions
}

fn function<'a>(known: &Known<'a>, id: FunctionId, shared: &mut Shared) -> Function<'a> {
    let ast = known.functions[id];
    let names: Vec<&'a Ident> = match ast {
        Callable::Function(it) => it.params.iter().collect(),
        Callable::Activation(it) => {
            std::iter::once(&it.value).chain(it.constants.iter().map(|it| &it.0)).collect()
        }
    };
    for (idx, param) in names.iter().enumerate() {
        if names[..idx].iter().any(|it| it.name == param.name) {
            let message =
                format!("`{}` has two parameters called `{}`", ast.name().name, param.name);
            shared.sink.push(Diagnostic::new(Code::DefinedTwice, param.span, message));
        }
    }
    let span = ast.name().span;
    let target = Target::Function(id);
    shared.references.push(Reference { span, target, is_definition: true });
    let mut resolver = Resolver::new(known, shared, None, Owner::Function(id));
    let mut defaults: Vec<Option<Expr<'a>>> = Vec::with_capacity(names.len());
    // Before any parameter is bound: defaults see no names.
    match ast {
        Callable::Function(_) => defaults.extend(names.iter().map(|_| None)),
        Callable::Activation(it) => {
            defaults.push(None);
            defaults.extend(it.constants.iter().map(|it| Some(resolver.expr(&it.1))));
        }
    }
    for name in names {
        resolver.bind(Local { name, kind: LocalKind::Parameter, defines: None });
    }
    resolver.place = Place::Body;
    let (body, derivative) = match ast {
        Callable::Function(it) => (resolver.expr(&it.body), None),
        Callable::Activation(it) => {
            let body = resolver.expr(&it.body);
            (body, it.derivative.as_ref().map(|it| resolver.expr(it)))
        }
    };
    let params = std::mem::take(&mut resolver.locals);
    let (recursive, elementwise, weight) = (false, true, 0);
    Function { ast, params, defaults, body, derivative, recursive, elementwise, weight }
}

/// The functions that an expression calls.
fn called(expr: &Expr<'_>, note: &mut Vec<usize>) {
    walk::expr(expr, &mut |it| {
        if let Kind::Call(call) = &it.kind
            && let Callee::Function(id) = call.callee
        {
            note.push(id.idx());
        }
    });
}

/// Finds which functions call themselves, which work element by element, and how large each is.
fn classify(functions: &mut IdVec<FunctionId, Function<'_>>, sink: &mut Vec<Diagnostic>) {
    let mut edges = Vec::with_capacity(functions.len());
    for function in &*functions {
        let mut list = Vec::new();
        called(&function.body, &mut list);
        function.defaults.iter().flatten().for_each(|it| called(it, &mut list));
        function.derivative.iter().for_each(|it| called(it, &mut list));
        edges.push(list);
    }
    let sorted = order::sort(&edges);
    for cycle in sorted.cycles {
        let name = |it: &usize| &*functions[FunctionId::new(*it)].name().name;
        let names: Vec<&str> = cycle.iter().map(name).collect();
        let message = format!("`{}` calls itself: {}", names[0], order::circle(&names));
        let span = functions[FunctionId::new(cycle[0])].name().span;
        let help = "functions are put in the place of each call; carry the repetition with a state";
        sink.push(Diagnostic::new(Code::RecursiveFunction, span, message).help(help));
        cycle.into_iter().for_each(|it| functions[FunctionId::new(it)].recursive = true);
    }
    // What is called comes first in the order.
    for idx in sorted.order {
        let id = FunctionId::new(idx);
        let calls_recursive = edges[idx].iter().any(|it| functions[FunctionId::new(*it)].recursive);
        let function = &functions[id];
        let derivative = function.derivative.as_ref().map_or(0, |it| weight(it, functions));
        let total = weight(&function.body, functions).saturating_add(derivative);
        // Activations that do not are reported where they are.
        let elementwise =
            function.is_activation() || not_elementwise(&function.body, functions).is_none();
        let function = &mut functions[id];
        function.recursive |= calls_recursive;
        function.weight = total;
        function.elementwise = elementwise;
    }
}

/// Returns the first place where a body does not work element by element, and why.
fn not_elementwise(
    body: &Expr<'_>,
    functions: &IdVec<FunctionId, Function<'_>>,
) -> Option<(Span, String)> {
    let mut found = None;
    walk::expr(body, &mut |expr| {
        if found.is_some() {
            return;
        }
        let what = match &expr.kind {
            Kind::Binary(BinaryOp::MatMul, ..) => "`@` is a sum over an axis".to_owned(),
            Kind::Index(..) => "an index takes an element out".to_owned(),
            Kind::Array(_) => "an array has a shape of its own".to_owned(),
            Kind::Call(call) => {
                let works = match call.callee {
                    Callee::Builtin(it) => {
                        let reduces = matches!(it.what, Builtin::Extreme(..))
                            && (call.option().is_none() || call.over.is_some());
                        it.is_elementwise() && !reduces
                    }
                    Callee::Function(id) => functions[id].elementwise,
                    Callee::Hyper(_) | Callee::Draw(_) | Callee::Form => true,
                };
                if works {
                    return;
                }
                format!("`{}` does not", call.name.name)
            }
            _ => return,
        };
        found = Some((expr.span(), what));
    });
    found
}

/// Returns the operators and calls of an expression, with those of the functions that it calls.
fn weight(expr: &Expr<'_>, functions: &IdVec<FunctionId, Function<'_>>) -> usize {
    let mut weight = 0usize;
    walk::expr(expr, &mut |it| {
        weight = weight.saturating_add(match &it.kind {
            Kind::Call(call) => match call.callee {
                Callee::Function(id) => functions[id].weight,
                Callee::Builtin(_) | Callee::Hyper(_) | Callee::Draw(_) | Callee::Form => 1,
            },
            Kind::Chain(_, rest) => rest.len(),
            Kind::Binary(..) | Kind::Neg(..) | Kind::Index(..) => 1,
            _ => 0,
        });
    });
    weight
}
