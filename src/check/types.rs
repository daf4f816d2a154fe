//! The types of expressions and names, noted while they are lowered, for those who ask.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::range;
use crate::hir::{CellId, DefId, ExprId};
use crate::ir::pointwise::Interval;
use crate::ir::{self, Dim, NodeId, Shape};
use crate::text::id::Id;

/// The type of an expression or a name.
#[derive(Clone, PartialEq, Debug)]
pub enum Type {
    /// A real array of this shape; a number has no axes.
    Real(Shape),
    /// A whole number below this dim.
    Index(Dim),
    /// A size.
    Size,
    /// An activation.
    Activation,
}

/// A type, and where the values lie.
#[derive(Clone, PartialEq, Debug)]
pub struct Typed {
    /// The type.
    pub type_: Type,
    /// The smallest known range of the elements; none where nothing is known of them, and in cells with errors.
    pub range: Option<Interval>,
}

/// The types of names.
type Defs = BTreeMap<(CellId, DefId), Type>;

/// Takes notes. Only an analysis has one; compiling a program needs no types of its text.
pub(super) struct Recorder {
    exprs: RefCell<Vec<Option<Typed>>>,
    /// The node of each expression in the step graph of its cell.
    nodes: RefCell<BTreeMap<CellId, Vec<(ExprId, NodeId)>>>,
    defs: RefCell<Defs>,
}

impl Recorder {
    pub fn new(n_exprs: usize) -> Recorder {
        let exprs = RefCell::new(vec![None; n_exprs]);
        Recorder { exprs, nodes: RefCell::default(), defs: RefCell::default() }
    }

    /// Notes the type of an expression.
    pub fn note(&self, expr: ExprId, type_: Type) {
        // What is set from outside is no expression of the program.
        if let Some(slot) = self.exprs.borrow_mut().get_mut(expr.idx()) {
            *slot = Some(Typed { type_, range: None });
        }
    }

    /// Notes the node of an expression in the step of a cell.
    pub fn note_node(&self, cell: CellId, expr: ExprId, node: NodeId) {
        self.nodes.borrow_mut().entry(cell).or_default().push((expr, node));
    }

    /// Notes the type of a name.
    pub fn note_def(&self, cell: CellId, def: DefId, type_: Type) {
        self.defs.borrow_mut().insert((cell, def), type_);
    }

    /// Finds the ranges of all expressions of a cell without errors.
    pub fn note_ranges(&self, id: CellId, cell: &ir::Cell) {
        let nodes = self.nodes.borrow_mut().remove(&id).unwrap_or_default();
        let known = cell.step.nodes().len();
        let nodes: Vec<(ExprId, NodeId)> =
            nodes.into_iter().filter(|it| it.1.idx() < known).collect();
        let wanted: Vec<NodeId> = nodes.iter().map(|it| it.1).collect();
        let ranges = range::infer(cell, &wanted).nodes;
        let mut exprs = self.exprs.borrow_mut();
        for (expr, node) in nodes {
            let range = ranges[node.idx()];
            let is_known = range.lo > f64::NEG_INFINITY || range.hi < f64::INFINITY;
            if let (Some(Some(typed)), true) = (exprs.get_mut(expr.idx()), is_known) {
                typed.range = Some(range);
            }
        }
    }

    /// Gives what was noted of expressions and names.
    pub fn finish(self) -> (Vec<Option<Typed>>, Defs) {
        (self.exprs.into_inner(), self.defs.into_inner())
    }
}
