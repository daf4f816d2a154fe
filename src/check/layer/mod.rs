//! Layers: cells inside cells.
//!
//! A cell is checked once, in its own sizes. A layer copies the graphs of its inner cell into those of the outer one and puts, at
//! the border, outer sizes in the place of the inner ones, arguments in the place of inputs, and leaves under longer names in
//! the place of params, masks and carried values.

mod layouts;
mod numbered;
mod prepare;
mod ready;
mod splice;
mod store;

pub(super) use layouts::extend as extend_layouts;
pub(super) use numbered::in_order;
pub(super) use prepare::prepare;
pub(super) use ready::{Given, Ready, follow_likes};
pub(super) use splice::{Element, Splice, TooLarge};
pub(super) use store::Store;

use std::collections::BTreeMap;

use crate::hir::DefId;
use crate::ir::{self, Const, Dim, NodeId, Shape, ValueKind};
use crate::text::{Name, Span};

/// A value by the definition that it belongs to and, of a layer, which of its pieces; 0 for what is no layer.
pub(super) type Of = (DefId, usize);

/// A cell without errors, with all that a layer of it may be asked for.
#[derive(Debug)]
pub(super) struct Inner {
    pub cell: ir::Cell,
    /// Everything in it that has a name and a value.
    pub pieces: Vec<Piece>,
    /// The pieces by name; a layer in it is its main output, a stack for its last layer.
    pub by_name: BTreeMap<Name, usize>,
    /// The main output.
    pub main: usize,
    /// The value that each carried value is the past of, and the number of steps ago; none for the number of the step.
    pub carried: Vec<(Option<usize>, u32)>,
    /// The numeric hypers that were not given, each after those that it is made of.
    pub hypers: Vec<(Name, Const)>,
}

/// A named thing of an inner cell.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub name: Name,
    pub kind: PieceKind,
    pub shape: Shape,
    /// Of an index: the dim that it lies below.
    pub index: Option<Dim>,
    /// Of an optional input: what its past is before the first step.
    pub default: Option<Const>,
    /// Of a state whose old value is given and not carried: where.
    pub old: Option<Span>,
    pub span: Span,
}

/// The kind of the piece.
#[derive(Clone, Debug)]
pub(super) enum PieceKind {
    /// A value of the step.
    Value(ValueKind, NodeId),
    /// A computed const.
    Computed(NodeId),
    /// A computed const that is a plain number.
    Constant(Const),
    /// A param or stored const.
    Param(usize),
    /// A mask.
    Mask(usize),
}

impl Piece {
    /// Returns true for a state that is carried.
    pub fn is_carried_state(&self) -> bool {
        self.old.is_none() && matches!(self.kind, PieceKind::Value(ValueKind::State, _))
    }
}

/// Returns the prefix of the names of a layer, or of one layer of a stack: `a` or `a[0]`.
pub(super) fn prefix(name: &str, stacked: bool, element: usize) -> String {
    if stacked { format!("{name}[{element}]") } else { name.to_owned() }
}
