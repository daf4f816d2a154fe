//! The functions and activations of a file and of what it uses: unique, not recursive, and knowing only their parameters.

use std::collections::BTreeMap;

use super::Program;
use super::args::Form;
use super::builtin;
use super::layer::Face;
use super::names::Names;
use super::order;
use super::resolve::{Place, Resolver};
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::{self, Arg, Expr, ExprKind, Ident, Item, Over};

pub(super) use crate::hir::MANY;

/// A function that the file defines.
#[derive(Clone, Copy)]
pub(super) enum Callable<'a> {
    Function(&'a ast::Function),
    Activation(&'a ast::Activation),
}

impl<'a> Callable<'a> {
    pub fn name(self) -> &'a Ident {
        match self {
            Callable::Function(it) => &it.name,
            Callable::Activation(it) => &it.name,
        }
    }

    /// The name of a parameter.
    fn param(self, idx: usize) -> &'a Ident {
        match (self, idx) {
            (Callable::Function(it), idx) => &it.params[idx],
            (Callable::Activation(it), 0) => &it.value,
            (Callable::Activation(it), idx) => &it.constants[idx - 1].0,
        }
    }

    /// How it is called.
    pub fn form(self) -> Form<'a> {
        let params = match self {
            Callable::Function(it) => it.params.iter().map(|it| (&*it.name, false)).collect(),
            Callable::Activation(it) => std::iter::once((&*it.value.name, false))
                .chain(it.constants.iter().map(|(name, _)| (&*name.name, true)))
                .collect(),
        };
        Form { name: &self.name().name, params, variadic: false, over: false }
    }
}

/// All functions that a file may call: its own and those of the files that it uses, in one name space.
#[derive(Default)]
pub(super) struct Items<'a> {
    pub callables: Vec<Callable<'a>>,
    by_name: BTreeMap<&'a str, usize>,
    /// Functions that call themselves; a call of one gives nothing.
    pub recursive: Vec<bool>,
    /// Functions that work element by element, so that an activation may call them.
    elementwise: Vec<bool>,
    /// How many operators and calls each is after all that it calls is put in its place.
    pub weights: Vec<usize>,
    /// A file that could not be had may define what is lacking.
    incomplete: bool,
    /// The cells that layers may name; of two of one name the first.
    pub cells: Vec<Face<'a>>,
    cells_by_name: BTreeMap<&'a str, usize>,
    /// What could not be read may define it too.
    unread: Vec<&'a ast::Unread>,
}

impl<'a> Items<'a> {
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The cell of this name.
    pub fn cell(&self, name: &str) -> Option<usize> {
        self.cells_by_name.get(name).copied()
    }

    /// Whether this name may be defined where it cannot be seen.
    pub fn may_hold(&self, name: &str) -> bool {
        self.incomplete || self.unread.iter().any(|it| it.holds(name))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().copied()
    }
}

/// Collects and checks the functions of all files.
pub(super) fn collect<'a>(program: &'a Program, sink: &mut Vec<Diagnostic>) -> Items<'a> {
    let mut items = Items {
        incomplete: !program.is_complete(),
        unread: program.files.iter().map(|it| &it.unread).collect(),
        ..Items::default()
    };
    let mut taken: BTreeMap<&str, &Ident> = BTreeMap::new();
    for item in program.files.iter().flat_map(|it| &it.items) {
        let (callable, name) = match item {
            Item::Cell(cell) => (None, &cell.name),
            Item::Activation(it) => (Some(Callable::Activation(it)), &it.name),
            Item::Function(it) => (Some(Callable::Function(it)), &it.name),
            Item::Use(_) => continue,
        };
        if builtin::is_taken(&name.name) {
            let message = format!("`{}` is a built-in function", name.name);
            let fault = Diagnostic::new(Code::BuiltInName, name.span, message)
                .help("choose another name; whoever reads a built-in name should know what it is");
            sink.push(fault);
            continue;
        }
        if let Some(first) = taken.get(&*name.name) {
            if sink.len() < MANY {
                sink.push(twice(name, first));
            }
            continue;
        }
        taken.insert(&name.name, name);
        if let Some(callable) = callable {
            items.by_name.insert(&name.name, items.callables.len());
            items.callables.push(callable);
        }
        if let Item::Cell(cell) = item {
            items.cells_by_name.insert(&name.name, items.cells.len());
            items.cells.push(Face::of(cell));
        }
    }
    find_recursion(&mut items, sink);
    let names = Names::default();
    for callable in &items.callables {
        check_body(*callable, &items, &names, sink);
    }
    items
}

/// The second definition of a name. Of two files the one that was asked for, or else comes first in it, is the one
/// where the reader can do something.
pub(super) fn twice(name: &Ident, first: &Ident) -> Diagnostic {
    if name.span.file != first.span.file {
        let message = format!("`{}` is defined in two files", name.name);
        return Diagnostic::new(Code::DefinedTwice, first.span, message)
            .label(name.span, "and here")
            .help("a file and all that it uses share their names; rename one of the two");
    }
    Diagnostic::new(Code::DefinedTwice, name.span, format!("`{}` is defined twice", name.name))
        .label(first.span, "first defined here")
}

fn find_recursion(items: &mut Items<'_>, sink: &mut Vec<Diagnostic>) {
    let mut edges = Vec::with_capacity(items.callables.len());
    for callable in &items.callables {
        let mut called = Vec::new();
        let mut note = |name: &Ident, _: &[Arg]| called.extend(items.find(&name.name));
        match callable {
            Callable::Function(it) => calls(&it.body, &mut note),
            Callable::Activation(it) => {
                calls(&it.body, &mut note);
                it.constants.iter().for_each(|(_, it)| calls(it, &mut note));
                it.derivative.iter().for_each(|it| calls(it, &mut note));
            }
        }
        edges.push(called);
    }
    let sorted = order::sort(&edges);
    items.recursive = vec![false; edges.len()];
    items.elementwise = vec![true; edges.len()];
    for cycle in sorted.cycles {
        let names: Vec<&str> = cycle.iter().map(|it| &*items.callables[*it].name().name).collect();
        let message = format!("`{}` calls itself: {}", names[0], order::circle(&names));
        let span = items.callables[cycle[0]].name().span;
        let help = "functions are put in the place of each call; carry the repetition with a state";
        sink.push(Diagnostic::new(Code::RecursiveFunction, span, message).help(help));
        for idx in cycle {
            items.recursive[idx] = true;
        }
    }
    items.weights = vec![0; edges.len()];
    for idx in &sorted.order {
        let (body, derivative) = match items.callables[*idx] {
            Callable::Function(it) => (&it.body, None),
            Callable::Activation(it) => (&it.body, it.derivative.as_ref()),
        };
        items.weights[*idx] =
            weight(body, items).saturating_add(derivative.map_or(0, |it| weight(it, items)));
    }
    // What calls a recursive function cannot be put in a place either; dependencies come first in the order.
    for idx in sorted.order {
        if edges[idx].iter().any(|it| items.recursive[*it]) {
            items.recursive[idx] = true;
        }
        items.elementwise[idx] = match items.callables[idx] {
            // Those that are not are reported where they stand.
            Callable::Activation(_) => true,
            Callable::Function(it) => not_elementwise(&it.body, items).is_none(),
        };
    }
}

fn check_body<'a>(
    callable: Callable<'a>,
    items: &Items<'a>,
    names: &Names<'a>,
    sink: &mut Vec<Diagnostic>,
) {
    let form = callable.form();
    let params: Vec<&str> = form.params.iter().map(|it| it.0).collect();
    for (idx, param) in params.iter().enumerate() {
        if params[..idx].contains(param) {
            let name = &callable.name().name;
            let message = format!("`{name}` has two parameters called `{param}`");
            sink.push(Diagnostic::new(Code::DefinedTwice, callable.param(idx).span, message));
        }
    }
    let mut resolver = Resolver::new(names, items, Place::Body(&params), sink);
    match callable {
        Callable::Function(it) => resolver.visit(&it.body),
        Callable::Activation(it) => {
            resolver.visit(&it.body);
            it.derivative.iter().for_each(|it| resolver.visit(it));
            resolver.place = Place::Body(&[]);
            it.constants.iter().for_each(|(_, it)| resolver.visit(it));
            if let Some((span, what)) = not_elementwise(&it.body, items) {
                let name = &it.name.name;
                let message = format!("activation `{name}` must work element by element; {what}");
                let help = format!("write `fn {name}` instead");
                sink.push(Diagnostic::new(Code::NotElementwise, span, message).help(help));
            }
            if let Some(derivative) = &it.derivative
                && let Some((span, what)) = not_elementwise(derivative, items)
            {
                let name = &it.name.name;
                let message =
                    format!("the derivative of `{name}` must work element by element; {what}");
                sink.push(Diagnostic::new(Code::BadDerivative, span, message));
            }
        }
    }
}

/// The first place where a body does not work element by element, and why.
fn not_elementwise(body: &Expr, items: &Items<'_>) -> Option<(crate::text::Span, String)> {
    let mut found = None;
    walk(body, &mut |expr| {
        if found.is_some() {
            return;
        }
        let what = match &expr.kind {
            ExprKind::Binary(ast::BinaryOp::MatMul, ..) => "`@` is a sum over an axis".to_owned(),
            ExprKind::Index(..) => "an index takes an element out".to_owned(),
            ExprKind::Array(_) => "an array has a shape of its own".to_owned(),
            ExprKind::Call(name, args) => {
                let works = match (builtin::find(&name.name), items.find(&name.name)) {
                    (Some(it), _) => {
                        let reduces = matches!(it.what, builtin::Builtin::Extreme(..))
                            && (args.len() < 2
                                || args.iter().any(|it| matches!(it, Arg::Over(..))));
                        it.is_elementwise() && !reduces
                    }
                    (None, Some(idx)) => items.elementwise[idx],
                    (None, None) => true,
                };
                if works {
                    return;
                }
                format!("`{}` does not", name.name)
            }
            ExprKind::Binary(..)
            | ExprKind::Number(_)
            | ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Path(_)
            | ExprKind::Prev(..)
            | ExprKind::Paren(_)
            | ExprKind::Neg(..)
            | ExprKind::Chain(..) => return,
        };
        found = Some((expr.span, what));
    });
    found
}

/// The operators and calls of an expression, with those of the functions that it calls.
fn weight(expr: &Expr, items: &Items<'_>) -> usize {
    let mut weight = 0usize;
    walk(expr, &mut |it| {
        weight = weight.saturating_add(match &it.kind {
            ExprKind::Call(name, _) => match items.find(&name.name) {
                Some(idx) => items.weights[idx],
                None => 1,
            },
            ExprKind::Chain(_, rest) => rest.len(),
            ExprKind::Binary(..) | ExprKind::Neg(..) | ExprKind::Index(..) => 1,
            ExprKind::Number(_)
            | ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Path(_)
            | ExprKind::Prev(..)
            | ExprKind::Array(_)
            | ExprKind::Paren(_) => 0,
        });
    });
    weight
}

/// All calls in an expression.
fn calls<'a>(expr: &'a Expr, note: &mut dyn FnMut(&'a Ident, &'a [Arg])) {
    walk(expr, &mut |it| {
        if let ExprKind::Call(name, args) = &it.kind {
            note(name, args);
        }
    });
}

/// An expression and all in it. Nesting is bounded by the parser.
pub(super) fn walk<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    match &expr.kind {
        ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi | ExprKind::Path(_) => {}
        ExprKind::Prev(_, steps) => steps.iter().for_each(|it| walk(it, visit)),
        ExprKind::Call(_, args) => args.iter().for_each(|arg| match arg {
            Arg::Positional(it) | Arg::Named(_, it) | Arg::Over(Over::Dim(it), _) => {
                walk(it, visit);
            }
            Arg::Over(Over::Dims(list), _) => list.iter().for_each(|it| walk(it, visit)),
            Arg::Over(Over::Last | Over::First, _) => {}
        }),
        ExprKind::Array(list) => list.iter().for_each(|it| walk(it, visit)),
        ExprKind::Paren(it) | ExprKind::Neg(_, it) => walk(it, visit),
        ExprKind::Index(value, index) => {
            walk(value, visit);
            walk(index, visit);
        }
        ExprKind::Chain(first, rest) => {
            walk(first, visit);
            rest.iter().for_each(|(_, _, it)| walk(it, visit));
        }
        ExprKind::Binary(_, _, left, right) => {
            walk(left, visit);
            walk(right, visit);
        }
    }
}
