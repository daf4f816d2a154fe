//! The cells that are checked already, so that each is checked once however many layers are made of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Given, Inner};
use crate::diag::Diagnostic;
use crate::hir::{CellId, Tree};

/// More ways to set the hypers of inner cells than any file has.
const MOST_VARIANTS: usize = 10_000;

/// A cell with some of its hypers given, or the first thing that is wrong then.
type Variant = Result<Rc<Inner>, Option<Box<Diagnostic>>>;

/// Checks a cell with some of its hypers given.
type Check = fn(&Tree<'_>, CellId, &Given, &Store, &mut Vec<Diagnostic>) -> Option<Inner>;

/// Checked cells.
pub(in crate::check) struct Store {
    check: Check,
    plain: RefCell<BTreeMap<CellId, Option<Rc<Inner>>>>,
    variants: RefCell<BTreeMap<(CellId, String), Variant>>,
    n_variants: Cell<usize>,
}

impl Store {
    /// Returns an empty store. What checks the variants of a cell is handed in, for it asks the store in turn.
    pub fn new(check: Check) -> Store {
        let (plain, variants) = Default::default();
        Store { check, plain, variants, n_variants: Cell::new(0) }
    }

    /// Keeps what checking a cell by itself gave.
    pub fn keep(&self, cell: CellId, inner: Option<Rc<Inner>>) {
        self.plain.borrow_mut().insert(cell, inner);
    }

    /// Returns the checked cell; `None` when something is wrong with it, which is reported there.
    pub fn plain(&self, cell: CellId) -> Option<Rc<Inner>> {
        self.plain.borrow().get(&cell).cloned().flatten()
    }

    /// Returns the cell with some of its hypers given. `Err` has the first thing that is wrong then; nothing when there are too
    /// many.
    pub fn variant(&self, cell: CellId, given: &Given, tree: &Tree<'_>) -> Variant {
        let key = (cell, given.key(tree));
        if let Some(known) = self.variants.borrow().get(&key) {
            return known.clone();
        }
        if self.n_variants.get() >= MOST_VARIANTS {
            return Err(None);
        }
        self.n_variants.set(self.n_variants.get() + 1);
        let mut sink = Vec::new();
        let found = match (self.check)(tree, cell, given, self, &mut sink) {
            Some(inner) => Ok(Rc::new(inner)),
            None => Err(sink.into_iter().find(Diagnostic::is_error).map(Box::new)),
        };
        self.variants.borrow_mut().insert(key, found.clone());
        found
    }
}
