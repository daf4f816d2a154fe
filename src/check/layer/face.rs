//! What a layer may say about its inner cell, as far as the text alone tells: names and what they are, not their shapes.

use std::collections::BTreeMap;

use crate::check::items::Items;
use crate::check::order;
use crate::diag::{Code, Diagnostic};
use crate::syntax::ast::{
    Cell, CellKind, DeclKind, DimKind, Expr, Ident, LayerDecl, OutputDecl, Role,
};

/// More cells within cells than anybody reads; checking one is a call within another.
const MOST_DEPTH: usize = 32;

/// What a name of the inner cell is.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) enum Part<'a> {
    /// A size; a derived one cannot be given.
    Dim {
        derived: bool,
    },
    Hyper,
    Input {
        optional: bool,
    },
    State,
    Param,
    Computed,
    Mask,
    Value,
    Layer(&'a LayerDecl),
    /// It was not read, and is complained about already.
    Unread,
}

impl Part<'_> {
    /// `an input`, with its article.
    pub fn article(self) -> &'static str {
        match self {
            Part::Dim { .. } => "a size",
            Part::Hyper => "a hyper",
            Part::Input { .. } => "an input",
            Part::State => "a state",
            Part::Param => "a param",
            Part::Computed => "a const",
            Part::Mask => "a mask",
            Part::Value => "a value",
            Part::Layer(_) => "a layer",
            Part::Unread => "something that could not be read",
        }
    }
}

/// The names of a cell that a layer may be made of.
pub(in crate::check) struct Face<'a> {
    pub cell: &'a Cell,
    names: BTreeMap<&'a str, (&'a Ident, Part<'a>)>,
    /// The inputs in the order of the source.
    pub inputs: Vec<&'a Ident>,
    layers: Vec<&'a LayerDecl>,
    /// Whether it holds itself or one that does; a layer of it gives nothing.
    pub circular: bool,
    /// Whether a layer of the file is made of it.
    pub is_inner: bool,
    /// How many cells lie in each other, at most.
    depth: usize,
}

impl<'a> Face<'a> {
    pub fn of(cell: &'a Cell) -> Face<'a> {
        let names = BTreeMap::new();
        let (inputs, layers) = (Vec::new(), Vec::new());
        let mut face =
            Face { cell, names, inputs, layers, circular: false, is_inner: false, depth: 0 };
        for decl in &cell.decls {
            match &decl.kind {
                DeclKind::Dims(list) => {
                    for dim in list {
                        let derived = match &dim.kind {
                            DimKind::Equals(expr) => mentions_names(expr),
                            DimKind::Free | DimKind::Like(_) => false,
                        };
                        face.add(&dim.name, Part::Dim { derived });
                    }
                }
                DeclKind::Hyper(list) => list.iter().for_each(|it| face.add(&it.name, Part::Hyper)),
                DeclKind::Group(role, groups) => {
                    for group in groups {
                        let part = match role {
                            Role::Input => {
                                face.inputs.extend(&group.names);
                                Part::Input { optional: group.value.is_some() }
                            }
                            Role::State => Part::State,
                            Role::Const if group.value.is_some() => Part::Computed,
                            Role::Param | Role::Const => Part::Param,
                            Role::Mask => Part::Mask,
                            Role::Target | Role::Feedback => Part::Unread,
                        };
                        group.names.iter().for_each(|it| face.add(it, part));
                    }
                }
                DeclKind::Value(_, name, _) => face.add(name, Part::Value),
                DeclKind::Tuple(names, _) => names.iter().for_each(|it| face.add(it, Part::Value)),
                DeclKind::Output(list) => {
                    for output in list {
                        if let OutputDecl::Named(name, _) = output {
                            face.add(name, Part::Value);
                        }
                    }
                }
                DeclKind::Layer(layer) => {
                    face.layers.push(layer);
                    face.add(&layer.name, Part::Layer(layer));
                }
                DeclKind::Update(..) | DeclKind::Loss { .. } | DeclKind::Layout(_) => {}
            }
        }
        cell.unread.names.iter().for_each(|it| face.add(it, Part::Unread));
        face
    }

    fn add(&mut self, name: &'a Ident, part: Part<'a>) {
        self.names.entry(&name.name).or_insert((name, part));
    }

    pub fn find(&self, name: &str) -> Option<(&'a Ident, Part<'a>)> {
        self.names.get(name).copied()
    }

    /// All names, in the order of their letters.
    pub fn names(&self) -> impl Iterator<Item = (&'a str, Part<'a>)> {
        self.names.iter().map(|(name, (_, part))| (*name, *part))
    }

    pub fn is_model(&self) -> bool {
        self.cell.kind == CellKind::Model
    }
}

/// Whether a definition of a dim has names in it, so that it is no default.
fn mentions_names(expr: &Expr) -> bool {
    let mut found = false;
    crate::check::items::walk(expr, &mut |it| {
        found |= matches!(it.kind, crate::syntax::ast::ExprKind::Path(_));
    });
    found
}

/// The order in which cells can be checked, inner ones first; reports those that hold themselves.
pub(in crate::check) fn order(items: &mut Items<'_>, sink: &mut Vec<Diagnostic>) -> Vec<usize> {
    let edges: Vec<Vec<usize>> = items
        .cells
        .iter()
        .map(|it| it.layers.iter().filter_map(|layer| items.cell(&layer.cell.name)).collect())
        .collect();
    edges.iter().flatten().for_each(|it| items.cells[*it].is_inner = true);
    let sorted = order::sort(&edges);
    for cycle in &sorted.cycles {
        let names: Vec<&str> = cycle.iter().map(|it| &*items.cells[*it].cell.name.name).collect();
        let name = names[0];
        let circle = order::circle(&names);
        let message = format!("cell `{name}` holds itself: {circle}");
        let mut fault =
            Diagnostic::new(Code::RecursiveCell, items.cells[cycle[0]].cell.name.span, message)
                .help("a layer is put in its place once; a cell within itself would have no end");
        for (at, idx) in cycle.iter().enumerate().take(3) {
            let next = &items.cells[cycle[(at + 1) % cycle.len()]].cell.name.name;
            let layer = items.cells[*idx].layers.iter().find(|it| it.cell.name == *next);
            if let Some(layer) = layer {
                fault =
                    fault.label(layer.cell.span, format!("`{}` is built in here", layer.cell.name));
            }
        }
        sink.push(fault);
        cycle.iter().for_each(|it| items.cells[*it].circular = true);
    }
    for idx in &sorted.order {
        let inner = &edges[*idx];
        let depth = inner.iter().map(|it| items.cells[*it].depth + 1).max().unwrap_or(0);
        let circular = inner.iter().any(|it| items.cells[*it].circular);
        let face = &mut items.cells[*idx];
        face.circular |= circular;
        face.depth = depth;
        if depth == MOST_DEPTH + 1 {
            let message = format!("more than {MOST_DEPTH} cells lie in each other here");
            sink.push(Diagnostic::new(Code::TooLarge, face.cell.name.span, message));
        }
        face.circular |= depth > MOST_DEPTH;
    }
    sorted.order
}

/// What the names after a layer's name lead to.
pub(in crate::check) enum Found<'a> {
    Part(&'a Ident, Part<'a>),
    /// Reported elsewhere.
    Silent,
}

/// Follows the names after that of a layer.
pub(in crate::check) fn follow<'a>(
    layer: &'a LayerDecl,
    tail: &[(Option<Expr>, Ident)],
    items: &Items<'a>,
    suggest: &mut crate::check::suggest::Suggest,
) -> Result<Found<'a>, Box<Diagnostic>> {
    let mut found = Found::Part(&layer.name, Part::Layer(layer));
    for (index, name) in tail {
        let at = match &found {
            Found::Part(_, Part::Layer(inner)) => *inner,
            Found::Part(held, part) => {
                let message = format!(
                    "`{}` is {} and has no part `{}`",
                    held.name,
                    part.article(),
                    name.name
                );
                let fault = Diagnostic::new(Code::WrongKindOfName, name.span, message);
                return Err(Box::new(fault.label(held.span, "declared here")));
            }
            Found::Silent => return Ok(Found::Silent),
        };
        if let (Some(index), None) = (index, &at.count) {
            return Err(Box::new(no_stack(at, index)));
        }
        let Some(cell) = items.cell(&at.cell.name) else { return Ok(Found::Silent) };
        let face = &items.cells[cell];
        let Some((ident, part)) = face.find(&name.name) else {
            let (cell, of) = (&face.cell.name, &at.name.name);
            let known = face.names().filter(|it| !is_setting(it.1)).map(|it| it.0);
            let mut message = format!("`{of}`, a `{}`, has no part `{}`", cell.name, name.name);
            let near = suggest.nearest(&name.name, known);
            if let Some(near) = near {
                message = format!("{message}; did you mean `{near}`?");
            }
            let mut fault = Diagnostic::new(Code::UnknownName, name.span, message)
                .label(cell.span, format!("`{}` is declared here", cell.name));
            if let Some(near) = near {
                fault = fault.fix(crate::diag::Applicability::Maybe, name.span, near);
            }
            return Err(Box::new(fault));
        };
        if is_setting(part) {
            let message =
                format!("`{}` is {}, not a value of the step", ident.name, part.article());
            let fault = Diagnostic::new(Code::WrongKindOfName, name.span, message)
                .label(ident.span, "declared here")
                .help(format!("it is what the arguments of `{}` say", at.name.name));
            return Err(Box::new(fault));
        }
        found = match part {
            Part::Unread => Found::Silent,
            Part::Dim { .. }
            | Part::Hyper
            | Part::Input { .. }
            | Part::State
            | Part::Param
            | Part::Computed
            | Part::Mask
            | Part::Value
            | Part::Layer(_) => Found::Part(ident, part),
        };
    }
    Ok(found)
}

fn is_setting(part: Part<'_>) -> bool {
    matches!(part, Part::Dim { .. } | Part::Hyper)
}

/// The report of an index after a layer that is no stack.
pub(in crate::check) fn no_stack(layer: &LayerDecl, index: &Expr) -> Diagnostic {
    let message = format!("`{}` is a single layer and has no index", layer.name.name);
    Diagnostic::new(Code::BadLookup, index.span, message)
        .label(layer.name.span, "declared here")
        .help(format!("a stack is declared as `layer {}[2] = ..`", layer.name.name))
}
