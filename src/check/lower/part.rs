//! `a.h`, `a[0].h`, `a`: the values of a layer.

use super::{Lower, Phase, Scope, Value};
use crate::check::layer::{Element, Of, PieceKind, Splice};
use crate::check::names::Kind;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Dim, Shape};
use crate::syntax::ast::{Expr, Path};
use crate::text::Name;

impl Lower<'_, '_> {
    /// Which layer a path begins with.
    pub(in crate::check) fn layer_of(&self, path: &Path) -> Option<usize> {
        match self.names.find(&path.head.name)?.1.kind {
            Kind::Layer(idx) => Some(idx),
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Value(_)
            | Kind::Later => None,
        }
    }

    /// Whether a path leads to a stack, so that an index after it picks a layer.
    pub(super) fn is_stack(&self, path: &Path, scope: &Scope<'_>) -> bool {
        if !scope.cell || scope.local(&path.head.name).is_some() {
            return false;
        }
        let Some(layer) = self.layer_of(path) else { return false };
        let layer = &self.names.layers[layer];
        if path.tail.is_empty() {
            return layer.decl.count.is_some();
        }
        let names: Vec<&str> = path.tail.iter().map(|it| &*it.1.name).collect();
        let ready = layer.ready.as_ref();
        ready.is_some_and(|it| it.inner.by_name.contains_key(&*format!("{}[0]", names.join("."))))
    }

    /// The piece that a path leads to, with an index after it, if any; `None` after a report.
    pub(in crate::check) fn piece(
        &mut self,
        path: &Path,
        last: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Option<Of> {
        let names = self.names;
        let idx = self.layer_of(path)?;
        let layer = &names.layers[idx];
        let ready = layer.ready.as_ref()?;
        let indices = path.tail.iter().map(|it| it.0.as_ref()).chain([last]);
        let mut places = Vec::with_capacity(path.tail.len() + 1);
        for index in indices {
            places.push(match index {
                Some(expr) => Some((self.count(expr, scope, "the index of a stack")?, expr.span)),
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
                        self.fail(fault);
                        return None;
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
            self.fail(Diagnostic::new(Code::OutOfRange, span, message));
            return None;
        }
        let piece =
            if key.is_empty() { ready.inner.main } else { *ready.inner.by_name.get(&*key)? };
        Some((layer.def, number * ready.inner.pieces.len() + piece))
    }

    /// The value of a path.
    pub(super) fn part(&mut self, path: &Path, last: Option<&Expr>, scope: &Scope<'_>) -> Value {
        // A constant that reads a layer was reported when its names were looked up.
        let idx = self.layer_of(path).filter(|_| self.phase != Phase::Constants);
        let Some(idx) = idx else { return self.poison() };
        match self.piece(path, last, scope) {
            Some((_, piece)) => self.piece_value(idx, piece),
            None => self.poison(),
        }
    }

    /// The value of a piece of a layer.
    pub(in crate::check) fn piece_value(&mut self, idx: usize, piece: usize) -> Value {
        let names = self.names;
        let Some(ready) = &names.layers[idx].ready else { return self.poison() };
        let count = ready.inner.pieces.len();
        let found = &ready.inner.pieces[piece % count];
        if let (Some(value), false) = (
            self.parts[idx].get(piece),
            matches!(found.kind, PieceKind::Param(_) | PieceKind::Mask(_)),
        ) {
            return value.clone();
        }
        let element = self.elements[idx].get(piece / count).cloned();
        match (&found.kind, element) {
            (PieceKind::Param(slot), Some(element)) => {
                match self.param_leaf(ready, &element, *slot) {
                    Ok(leaf) => Value::Node(leaf),
                    Err(_) => self.poison(),
                }
            }
            (PieceKind::Mask(slot), Some(element)) => {
                match self.mask_leaf(ready, &element, *slot) {
                    Ok(leaf) => Value::Node(leaf),
                    Err(_) => self.poison(),
                }
            }
            (PieceKind::Constant(value), Some(element)) => {
                match (Splice { element: &element }).constant(value) {
                    Ok(value) => Value::Constant(value, 1),
                    Err(_) => self.poison(),
                }
            }
            (_, _) if self.phase == Phase::Shapes => match self.part_shape(idx, piece) {
                Some((shape, index)) => self.unknown_value(shape, index, found.span),
                None => self.poison(),
            },
            (_, _) => self.poison(),
        }
    }

    /// The shape of a piece of a layer, and of which dim it is an index, as far as the sizes are known.
    pub(in crate::check) fn part_shape(
        &self,
        idx: usize,
        piece: usize,
    ) -> Option<(Shape, Option<Dim>)> {
        let ready = self.names.layers[idx].ready.as_ref()?;
        let count = ready.inner.pieces.len();
        let found = &ready.inner.pieces[piece % count];
        let known = |all: &[Vec<Element>]| all[idx].get(piece / count).map(|it| it.dims.clone());
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

    /// What a value is called outside: `h`, `a.h`.
    pub(in crate::check) fn name_of(&self, of: Of) -> Name {
        let def = &self.names.defs[of.0];
        match self.piece_of(of) {
            Some((layer, ready, piece)) => {
                let number = of.1 / ready.inner.pieces.len();
                let stacked = self.names.layers[layer].decl.count.is_some();
                let prefix = crate::check::layer::prefix(&def.name.name, stacked, number);
                format!("{prefix}.{}", piece.name).into()
            }
            None => def.name.name.clone(),
        }
    }
}
