//! `a.h`, `a[0].h`, `a`: the values of a layer.

use super::{Lower, Phase, Scope, Value};
use crate::check::layer::{Element, Of, PieceKind, Splice};
use crate::diag::{Code, Diagnostic};
use crate::hir::{LayerId, Part};
use crate::ir::{Dim, Shape};
use crate::text::Name;
use crate::text::id::Id;

impl Lower<'_, '_> {
    /// Returns the piece that a part of a layer is; `None` after a report.
    pub(in crate::check) fn piece(&mut self, part: &Part<'_>, scope: &Scope<'_>) -> Option<Of> {
        let names = self.names;
        let path = part.path;
        let layer = &names.cell.layers[part.layer];
        let ready = names.ready(part.layer)?;
        let indices = part.indices.iter().map(Option::as_ref).chain([part.last.as_deref()]);
        let mut places = Vec::with_capacity(path.tail.len() + 1);
        for index in indices {
            places.push(match index {
                Some(expr) => Some((self.count(expr, scope, "the index of a stack")?, expr.span())),
                None => None,
            });
        }
        let number = match &places[0] {
            None => ready.count - 1,
            Some((at, span)) => {
                let found = usize::try_from(*at).ok().filter(|it| *it < ready.count);
                match found {
                    Some(at) => at,
                    None => {
                        let shown = &layer.decl.name;
                        let message = format!(
                            "`{}` has the layers 0 to {}, not `{}`",
                            shown.name,
                            ready.count - 1,
                            at
                        );
                        let fault = Diagnostic::new(Code::OutOfRange, *span, message)
                            .label(shown.span, "declared here");
                        return self.fail(fault);
                    }
                }
            }
        };
        let mut key = String::new();
        let mut beyond = None;
        for ((_, name), index) in path.tail.iter().zip(&places[1..]) {
            if !key.is_empty() {
                key.push('.');
            }
            key.push_str(&name.name);
            if let Some((at, span)) = index {
                key = format!("{key}[{at}]");
                beyond =
                    beyond.or((!ready.inner.by_name.contains_key(&*key)).then_some((name, *span)));
            }
        }
        if let Some((name, span)) = beyond {
            let message = format!("the stack `{}` has no such layer", name.name);
            return self.fail(Diagnostic::new(Code::OutOfRange, span, message));
        }
        let piece =
            if key.is_empty() { ready.inner.main } else { *ready.inner.by_name.get(&*key)? };
        Some((part.layer_def, number * ready.inner.pieces.len() + piece))
    }

    /// Returns the value of a part of a layer.
    pub(super) fn part(&mut self, part: &Part<'_>, scope: &Scope<'_>) -> Option<Value> {
        let (_, piece) = self.piece(part, scope)?;
        self.piece_value(part.layer, piece)
    }

    /// Returns the value of a piece of a layer.
    pub(in crate::check) fn piece_value(&mut self, idx: LayerId, piece: usize) -> Option<Value> {
        let names = self.names;
        let ready = names.ready(idx)?;
        let count = ready.inner.pieces.len();
        let found = &ready.inner.pieces[piece % count];
        if let Some(Some(value)) = self.parts[idx.idx()].get(piece) {
            return Some(value.clone());
        }
        let element = self.elements[idx.idx()].get(piece / count).cloned();
        Some(match (&found.kind, element) {
            (PieceKind::Param(slot), Some(element)) => {
                Value::Node(self.param_leaf(ready, &element, *slot).ok()?)
            }
            (PieceKind::Mask(slot), Some(element)) => {
                Value::Node(self.mask_leaf(ready, &element, *slot).ok()?)
            }
            (PieceKind::Constant(value), Some(element)) => {
                Value::Constant(Splice { element: &element }.constant(value).ok()?, 1)
            }
            (_, _) if self.phase == Phase::Shapes => {
                let (shape, index) = self.part_shape(idx, piece)?;
                self.unknown_value(shape, index, found.span)
            }
            (_, _) => return None,
        })
    }

    /// Returns the shape of a piece of a layer, and of which dim it is an index, as far as the sizes are known.
    pub(in crate::check) fn part_shape(
        &self,
        idx: LayerId,
        piece: usize,
    ) -> Option<(Shape, Option<Dim>)> {
        let ready = self.names.ready(idx)?;
        let count = ready.inner.pieces.len();
        let found = &ready.inner.pieces[piece % count];
        let known =
            |all: &[Vec<Element>]| all[idx.idx()].get(piece / count).map(|it| it.dims.clone());
        let dims = known(&self.elements).or_else(|| known(&self.told));
        let dims = dims.unwrap_or_else(|| self.names.early(idx));
        let has = |dim: &Dim| dim.names().iter().all(|it: &Name| dims.contains_key(it));
        if !found.shape.axes().iter().chain(&found.index).all(has) {
            return None;
        }
        let element = Element { dims, ..Element::default() };
        let splice = Splice { element: &element };
        let shape = splice.shape(&found.shape).ok()?;
        let index = found.index.as_ref().map(|it| splice.dim(it)).transpose().ok()?;
        Some((shape, index))
    }

    /// Returns the name of a value outside: `h`, `a.h`.
    pub(in crate::check) fn name_of(&self, of: Of) -> Name {
        let def = self.names.def(of.0);
        match self.piece_of(of) {
            Some((layer, ready, piece)) => {
                let number = of.1 / ready.inner.pieces.len();
                let stacked = self.names.cell.layers[layer].decl.count.is_some();
                let prefix = crate::check::layer::prefix(&def.name.name, stacked, number);
                format!("{prefix}.{}", piece.name).into()
            }
            None => def.name.name.clone(),
        }
    }
}
