//! The declarations of a cell, with sizes as polynomials.

use std::collections::BTreeMap;

use super::dims::{self, Dims};
use super::layer::Ready;
use super::lower;
use super::types::Recorder;
use crate::diag::Diagnostic;
use crate::hir::{
    self, Callee, CellId, Def, DefId, DefKind, Expr, Kind, LayerId, Right, Tree, Type, builtin,
};
use crate::ir::{Choice, Dim, Shape};
use crate::text::Name;
use crate::text::id::IdVec;

/// A cell with its sizes and declared shapes.
pub(super) struct Declared<'a> {
    pub tree: &'a Tree<'a>,
    pub id: CellId,
    pub cell: &'a hir::Cell<'a>,
    /// The recorder of types, if types are wanted.
    pub types: Option<&'a Recorder>,
    pub dims: Dims,
    /// The declared shapes; `None` for values, whose shapes follow, and where the declaration is wrong.
    shapes: IdVec<DefId, Option<Shape>>,
    /// The dim below which an index lies.
    below: IdVec<DefId, Option<Dim>>,
    /// The position among the inputs and targets, states and feedbacks, params (with stored consts) or masks of the cell.
    slots: IdVec<DefId, usize>,
    /// Inner cells, checked, and what they are given; `None` when that is not known, which is reported.
    pub layers: Vec<Option<Ready<'a>>>,
}

impl<'a> Declared<'a> {
    /// Works out the sizes and the declared shapes of a cell.
    pub fn of(
        tree: &'a Tree<'a>,
        id: CellId,
        types: Option<&'a Recorder>,
        sink: &mut Vec<Diagnostic>,
    ) -> Declared<'a> {
        let cell = &tree.cells[id];
        let none = |_: &Def<'_>| None;
        let mut declared = Declared {
            tree,
            id,
            cell,
            types,
            dims: dims::resolve(cell, sink),
            shapes: cell.defs.iter().map(none).collect(),
            below: cell.defs.iter().map(|_| None).collect(),
            slots: cell.defs.iter().map(|_| 0).collect(),
            layers: cell.layers.iter().map(|_| None).collect(),
        };
        let mut shapes = Vec::new();
        for group in &cell.groups {
            let (shape, below) = declared.type_(group, sink);
            shapes.extend(shape.iter().map(|it| (group.ast.type_.span, it.clone())));
            for def in &group.defs {
                declared.shapes[*def].clone_from(&shape);
                if declared.kind(*def).is_given() || declared.kind(*def) == DefKind::Feedback {
                    declared.below[*def].clone_from(&below);
                }
            }
        }
        let number = |slots: &mut IdVec<DefId, usize>, all: &mut dyn Iterator<Item = DefId>| {
            all.enumerate().for_each(|(slot, def)| slots[def] = slot);
        };
        let of = |kinds: fn(DefKind) -> bool| cell.defs_of(kinds).map(|it| it.0);
        let slots = &mut declared.slots;
        // Targets come after the inputs.
        let targets = of(|it| it == DefKind::Target);
        number(slots, &mut of(|it| it == DefKind::Input).chain(targets));
        number(slots, &mut of(DefKind::is_carried));
        number(slots, &mut of(|it| matches!(it, DefKind::Param { .. })));
        number(slots, &mut of(|it| it == DefKind::Mask));
        dims::check_defaults(&cell.dims, &declared.dims, &shapes, sink);
        declared
    }

    fn type_(
        &self,
        group: &hir::Group<'_>,
        sink: &mut Vec<Diagnostic>,
    ) -> (Option<Shape>, Option<Dim>) {
        let mut lookup = |it: &Expr<'_>| self.size(it);
        match &group.type_ {
            Type::Real(axes) => (dims::shape(axes, group.ast.type_.span, &mut lookup, sink), None),
            Type::Index(below) => {
                let below = dims::size(below, &mut lookup, sink);
                (below.is_some().then(Shape::scalar), below)
            }
        }
    }

    /// Reports sizes in calls that are none, wherever they are: a branch may never be lowered.
    pub fn check_sizes(&self, sink: &mut Vec<Diagnostic>) {
        hir::walk::cell(self.cell, &mut |it| check_sizes(it, &mut |it| self.size(it), sink));
    }

    /// Returns a definition as a size; locals have no meaning here.
    pub fn size(&self, expr: &Expr<'_>) -> Result<Option<Dim>, Box<Diagnostic>> {
        let Kind::Def(def) = expr.kind else { return Ok(None) };
        let found = &self.cell.defs[def];
        match found.kind {
            DefKind::Dim(_) => Ok(self.dims.table.get(&found.name.name).cloned().flatten()),
            _ => {
                let name =
                    crate::syntax::ast::Ident { name: found.name.name.clone(), span: expr.span() };
                Err(Box::new(hir::no_size(&name, found)))
            }
        }
    }

    pub fn def(&self, def: DefId) -> &'a Def<'a> {
        &self.cell.defs[def]
    }

    pub fn kind(&self, def: DefId) -> DefKind {
        self.cell.defs[def].kind
    }

    pub fn shape(&self, def: DefId) -> Option<&Shape> {
        self.shapes[def].as_ref()
    }

    pub fn below(&self, def: DefId) -> Option<&Dim> {
        self.below[def].as_ref()
    }

    /// Returns the type of a definition as it is written.
    pub fn type_text(&self, def: DefId) -> Option<String> {
        match self.below(def) {
            Some(below) => Some(format!("`index[{below}]`")),
            None => self.shape(def).map(|it| format!("`{it}`")),
        }
    }

    pub fn slot(&self, def: DefId) -> usize {
        self.slots[def]
    }

    /// Returns the position, among the inputs, of the number by which a definition samples.
    pub fn draw(&self, def: DefId) -> Option<usize> {
        let first = self.count(DefKind::is_given);
        Some(first + self.sampled().position(|it| it == def)?)
    }

    /// Returns the name of that input.
    pub fn draw_name(&self, def: DefId) -> Name {
        format!("{}.draw", self.def(def).name.name).into()
    }

    /// Returns the definitions that are sampled, in the order of the source.
    pub fn sampled(&self) -> impl Iterator<Item = DefId> {
        self.cell.equations.ids().filter_map(|id| match self.cell.right(id) {
            Right::Expr(expr) => match lower::choice(expr)? {
                (Choice::Sample, _) => self.cell.equations[id].targets.first().copied(),
                (Choice::ArgMax, _) => None,
            },
            Right::Fold(_) | Right::Layer(_) | Right::Error => None,
        })
    }

    pub fn ready(&self, layer: LayerId) -> Option<&Ready<'a>> {
        self.layers[crate::text::id::Id::idx(layer)].as_ref()
    }

    /// Returns the number of names of a kind.
    pub fn count(&self, kind: fn(DefKind) -> bool) -> usize {
        self.cell.defs_of(kind).count()
    }

    /// Returns the sizes of a layer that are known without the shapes of its arguments.
    pub fn early(&self, layer: LayerId) -> BTreeMap<Name, Dim> {
        let mut known = BTreeMap::new();
        let mut at = Some(layer);
        for _ in 0..=self.layers.len() {
            let Some(ready) = at.and_then(|it| self.ready(it)) else { break };
            for (name, dim) in &ready.early {
                known.entry(name.clone()).or_insert_with(|| dim.clone());
            }
            at = ready.shares;
        }
        known
    }
}

/// Reports the sizes in a call that are none.
pub(super) fn check_sizes(expr: &Expr<'_>, lookup: dims::Lookup<'_>, sink: &mut Vec<Diagnostic>) {
    let Kind::Call(call) = &expr.kind else { return };
    let Callee::Builtin(signature) = call.callee else { return };
    for (param, arg) in signature.params.iter().zip(call.slots()) {
        let Some(arg) = arg else { continue };
        match (param.kind, &arg.kind) {
            (builtin::Kind::Size, _) => _ = dims::size(arg, lookup, sink),
            (builtin::Kind::Shape, Kind::Array(axes)) => {
                axes.iter().for_each(|it| _ = dims::size(it, lookup, sink));
            }
            (builtin::Kind::Value | builtin::Kind::Constant | builtin::Kind::Shape, _) => {}
        }
    }
    let over = call.over.iter().flat_map(|it| it.0.dims());
    over.for_each(|it| _ = dims::size(it, lookup, sink));
}
