//! The arguments of a layer, before any of them has a shape.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use super::Inner;
use super::splice::{Element, Splice};
use crate::check::consts::Activation;
use crate::hir::{LayerArg, LayerId, Tree};
use crate::ir::{Const, Dim, Shape};
use crate::text::{Name, Span};

/// The constants of an activation by the names that they have in the inner cell, with their values as far as known.
type Constants = Vec<(Name, Option<f64>)>;

/// The settings of a layer's inner cell that decide how the cell is built.
#[derive(Default)]
pub(in crate::check) struct Given {
    /// Numeric hypers, and their values unless they depend on a size.
    pub numbers: BTreeMap<Name, Option<f64>>,
    /// Activations; their constants are hypers of their own, such as `act.0`, with their values.
    pub activations: BTreeMap<Name, (Activation, Constants)>,
    /// Sizes that decide how the cell is built.
    pub sizes: BTreeMap<Name, i64>,
}

impl Given {
    /// Returns a text that is the same for what is the same.
    pub fn key(&self, tree: &Tree<'_>) -> String {
        let mut key = String::new();
        let mut number = |name: &str, value: &Option<f64>| {
            let _ = match value {
                Some(value) => write!(key, "{name}={:x};", value.to_bits()),
                None => write!(key, "{name}=?;"),
            };
        };
        self.numbers.iter().for_each(|(name, value)| number(name, value));
        for (_, constants) in self.activations.values() {
            constants.iter().for_each(|(name, value)| number(name, value));
        }
        for (name, size) in &self.sizes {
            let _ = write!(key, "{name}={size};");
        }
        for (name, (activation, _)) in &self.activations {
            let _ = write!(key, "{name}={};", activation.name(tree));
        }
        key
    }
}

/// A layer whose inner cell is known.
pub(in crate::check) struct Ready<'a> {
    pub inner: Rc<Inner>,
    /// The number of stacked layers; 1 for a plain layer.
    pub count: usize,
    /// The sizes that are given, and where.
    pub dims: BTreeMap<Name, (Dim, Span)>,
    /// Those that are known without the shape of any argument.
    pub early: BTreeMap<Name, Dim>,
    /// The hypers that are given.
    pub consts: BTreeMap<Name, Const>,
    /// The argument of each input.
    pub inputs: Vec<Option<&'a LayerArg<'a>>>,
    /// The states whose old values are given, by piece.
    pub olds: Vec<(usize, &'a LayerArg<'a>)>,
    /// The layer whose weights and sizes are used.
    pub shares: Option<LayerId>,
    /// The place of its first param, unless it shares.
    pub first_param: usize,
    /// The place of its first mask.
    pub first_mask: usize,
}

impl Ready<'_> {
    /// Returns the argument that gives the old value of a piece.
    pub fn old(&self, piece: usize) -> Option<&LayerArg<'_>> {
        self.olds.iter().find(|it| it.0 == piece).map(|it| it.1)
    }

    /// Returns the dims that some given value may tell: they are bare in its shape.
    pub fn told(&self) -> Vec<Name> {
        let inputs = self.inner.cell.inputs.iter().zip(&self.inputs);
        let mut told: Vec<Name> = Vec::new();
        for (input, _) in inputs.filter(|it| it.1.is_some()) {
            told.extend(bare(&input.shape, input.index.as_ref()));
        }
        for (piece, _) in &self.olds {
            told.extend(bare(&self.inner.pieces[*piece].shape, None));
        }
        told
    }
}

fn bare(shape: &Shape, index: Option<&Dim>) -> Vec<Name> {
    shape.axes().iter().chain(index).filter_map(Dim::as_symbol).cloned().collect()
}

/// Adds the dims that are as large as others that are known.
pub(in crate::check) fn follow_likes(inner: &Inner, known: &mut BTreeMap<Name, Dim>) {
    let mut grew = true;
    while std::mem::take(&mut grew) {
        for dim in &inner.cell.dims {
            let Some(like) = &dim.like else { continue };
            if known.contains_key(&dim.name) {
                continue;
            }
            let derived = inner.cell.derived.iter().find(|it| it.0 == *like);
            let of = derived.map_or_else(|| Dim::symbol(like.clone()), |it| it.1.clone());
            if of.names().iter().all(|it| known.contains_key(it)) {
                let element = Element { dims: known.clone(), ..Element::default() };
                let Ok(size) = (Splice { element: &element }).dim(&of) else { continue };
                known.insert(dim.name.clone(), size);
                grew = true;
            }
        }
    }
}
