//! What a cell shows of itself: what it returns, and everything in it that has a name and a value.

use std::collections::BTreeMap;

use super::items::Items;
use super::layer::{Inner, Of, Piece, PieceKind, Splice};
use super::lower::{Lower, Scope, Value};
use super::names::{Kind, Names, Returned};
use super::resolve::{Place, Resolver};
use super::suggest::Suggest;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Input, NamedValue, NodeId, Output, Shape, ValueKind};
use crate::syntax::ast::Path;
use crate::text::{Name, Span};

/// What is returned: a definition, and the path where there is one.
pub(super) type Result<'a> = (usize, Option<&'a Path>);

/// The outputs of a cell, the main one first.
pub(super) fn returned<'a>(
    names: &Names<'a>,
    items: &Items<'a>,
    sink: &mut Vec<Diagnostic>,
) -> Vec<Result<'a>> {
    let mut outputs: Vec<Result<'a>> = Vec::new();
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    let mut suggest = Suggest::new();
    for returned in &names.outputs {
        let path = match returned {
            Returned::Def(def) => {
                outputs.push((*def, None));
                continue;
            }
            Returned::Path(path) => *path,
        };
        let Some((idx, def)) = names.find(&path.head.name) else {
            let known = names.all();
            sink.push(suggest.report(Code::UnknownName, "name", &path.head, known));
            continue;
        };
        match &def.kind {
            Kind::Later => continue,
            Kind::Dim | Kind::Hyper(_) => {
                let message =
                    format!("`{}` is {}, not a value of the step", def.name.name, def.article());
                let fault = Diagnostic::new(Code::WrongKindOfName, path.span, message)
                    .label(def.name.span, "declared here");
                sink.push(fault);
                continue;
            }
            Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Layer(_)
            | Kind::Value(_) => {}
        }
        let before = sink.len();
        Resolver::new(names, items, Place::Step, sink).path(path);
        if sink.len() > before {
            continue;
        }
        let text = crate::syntax::print_path(path);
        if let Some(before) = seen.insert(text.clone(), path.span) {
            let message = format!("`{text}` is returned twice");
            let fault = Diagnostic::new(Code::DefinedTwice, path.span, message)
                .label(before, "first returned here");
            sink.push(fault);
            continue;
        }
        outputs.push((idx, Some(path)));
    }
    outputs
}

/// The output with its node, and the piece that it is; `None` when it is poisoned.
pub(super) fn output(
    step: &mut Lower<'_, '_>,
    names: &Names<'_>,
    (def, path): Result<'_>,
) -> Option<(Output, Of)> {
    let it = &names.defs[def];
    let (mut name, mut of) = (it.name.name.clone(), (def, 0));
    let value = match (&it.kind, path) {
        (Kind::Layer(layer), Some(path)) => {
            of = step.piece(path, None, &Scope::CELL)?;
            name = match path.tail.iter().any(|it| it.0.is_some()) {
                true => step.name_of(of),
                false => crate::syntax::print_path(path).into(),
            };
            step.piece_value(*layer, of.1)
        }
        (Kind::Input { .. } | Kind::Param { .. } | Kind::Mask { .. }, _) => step.leaf(def),
        (Kind::State { .. } | Kind::Value(_) | Kind::Computed, _) => step.values[def].clone()?,
        (Kind::Dim | Kind::Hyper(_) | Kind::Layer(_) | Kind::Later, _) => return None,
    };
    let node = match value {
        Value::Poison => return None,
        Value::Node(node) => node,
        Value::Constant(..) => step.node(&value, it.name.span),
        Value::Index(_, dim) => {
            let message = format!("`{name}` is an index below `{dim}`, not a number");
            let fault = Diagnostic::new(Code::WrongKindOfName, it.name.span, message)
                .help(format!("return `eye({dim})[{name}]`, its one-hot vector"));
            step.sink.push(fault);
            return None;
        }
    };
    Some((Output { name, node }, of))
}

/// All that a cell has names for.
pub(super) struct Pieces {
    pub list: Vec<Piece>,
    pub by_name: BTreeMap<Name, usize>,
    /// The place of the first piece of each definition.
    first: Vec<usize>,
}

impl Pieces {
    /// The place of a value.
    pub fn place(&self, of: Of) -> usize {
        self.first[of.0] + of.1
    }

    /// The named values of the step.
    pub fn values(&self) -> Vec<NamedValue> {
        let values = self.list.iter().filter_map(|it| match it.kind {
            PieceKind::Value(kind, node) => {
                Some(NamedValue { name: it.name.clone(), kind, node, span: it.span })
            }
            PieceKind::Computed(_)
            | PieceKind::Constant(_)
            | PieceKind::Mask(_)
            | PieceKind::Param(_) => None,
        });
        values.collect()
    }

    fn add(&mut self, piece: Piece) {
        self.by_name.insert(piece.name.clone(), self.list.len());
        self.list.push(piece);
    }
}

/// Every piece, in the order of the source.
pub(super) fn of_cell(step: &mut Lower<'_, '_>, names: &Names<'_>, inputs: &[Input]) -> Pieces {
    let mut pieces = Pieces { list: Vec::new(), by_name: BTreeMap::new(), first: Vec::new() };
    for (idx, def) in names.defs.iter().enumerate() {
        pieces.first.push(pieces.list.len());
        let kind = match &def.kind {
            Kind::Input { .. } => {
                step.leaf(idx);
                Some(ValueKind::Input)
            }
            Kind::State { .. } => Some(ValueKind::State),
            Kind::Value(kind) => Some(*kind),
            Kind::Computed => None,
            Kind::Param { .. } | Kind::Mask { .. } => {
                let shape = def.shape.clone().unwrap_or_default();
                let is_mask = matches!(def.kind, Kind::Mask { .. });
                let kind = if is_mask { PieceKind::Mask } else { PieceKind::Param }(def.slot);
                pieces.add(plain(def.name.name.clone(), kind, shape, def.name.span));
                continue;
            }
            Kind::Layer(layer) => {
                of_layer(&mut pieces, step, names, *layer);
                continue;
            }
            Kind::Dim | Kind::Hyper(_) | Kind::Later => continue,
        };
        let (node, index) = match &step.values[idx] {
            Some(Value::Node(node)) => (*node, None),
            Some(Value::Index(node, dim)) => (*node, Some(dim.clone())),
            Some(Value::Constant(value, _)) => {
                let kind = PieceKind::Constant(value.clone());
                pieces.add(plain(def.name.name.clone(), kind, Shape::scalar(), def.name.span));
                continue;
            }
            Some(Value::Poison) | None => continue,
        };
        let kind = kind.map_or(PieceKind::Computed(node), |it| PieceKind::Value(it, node));
        let shape = step.graph.shape(node).clone();
        let default = match def.kind {
            Kind::Input { .. } => inputs[def.slot].default.clone(),
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Mask { .. }
            | Kind::Computed
            | Kind::Value(_)
            | Kind::Layer(_)
            | Kind::Later => None,
        };
        let piece = plain(def.name.name.clone(), kind, shape, def.name.span);
        pieces.add(Piece { index, default, ..piece });
        // What the turns of a loop name follows the first name that the loop defines.
        let Some(equation) = def.equation.filter(|it| names.equations[*it].def == idx) else {
            continue;
        };
        for value in step.inner.remove(&equation).unwrap_or_default() {
            let shape = step.graph.shape(value.node).clone();
            let kind = PieceKind::Value(value.kind, value.node);
            pieces.add(plain(value.name, kind, shape, value.span));
        }
    }
    pieces
}

fn plain(name: Name, kind: PieceKind, shape: Shape, span: Span) -> Piece {
    Piece { name, kind, shape, index: None, default: None, old: None, span }
}

/// The pieces of a layer under their longer names.
fn of_layer(pieces: &mut Pieces, step: &Lower<'_, '_>, names: &Names<'_>, idx: usize) {
    let layer = &names.layers[idx];
    let Some(ready) = &layer.ready else { return };
    let inner: &Inner = &ready.inner;
    let first = pieces.list.len();
    for (number, element) in step.elements[idx].iter().enumerate() {
        let splice = Splice { element };
        for (at, piece) in inner.pieces.iter().enumerate() {
            let value = step.parts[idx].get(number * inner.pieces.len() + at);
            let node = |old: NodeId| match value {
                Some(Value::Node(node) | Value::Index(node, _)) => *node,
                Some(Value::Poison | Value::Constant(..)) | None => old,
            };
            // Sizes and constants fitted when the layer was lowered.
            let constant = |it| splice.constant(it).unwrap_or(crate::ir::Const::Number(0.0));
            let kind = match &piece.kind {
                PieceKind::Value(kind, old) => PieceKind::Value(*kind, node(*old)),
                PieceKind::Computed(old) => PieceKind::Computed(node(*old)),
                PieceKind::Constant(value) => PieceKind::Constant(constant(value)),
                PieceKind::Param(slot) => PieceKind::Param(element.params[*slot]),
                PieceKind::Mask(slot) => PieceKind::Mask(element.first_mask + slot),
            };
            pieces.add(Piece {
                name: element.name(&piece.name),
                kind,
                shape: splice.shape(&piece.shape).unwrap_or_default(),
                index: piece.index.as_ref().and_then(|it| splice.dim(it).ok()),
                default: piece.default.as_ref().map(constant),
                old: piece.old.or_else(|| ready.old(at).map(|it| it.name.span)),
                span: piece.span,
            });
        }
        // The inner names of layers in it, and the layer itself for its main output.
        let base = first + number * inner.pieces.len();
        let last = number + 1 == ready.count;
        let name = &layer.decl.name.name;
        let stacked = layer.decl.count.is_some();
        let prefixes = [(true, element.prefix.clone()), (stacked && last, name.to_string())];
        for (_, prefix) in prefixes.into_iter().filter(|it| it.0) {
            pieces.by_name.insert(prefix.as_str().into(), base + inner.main);
            for (part, place) in &inner.by_name {
                pieces.by_name.insert(format!("{prefix}.{part}").into(), base + place);
            }
        }
    }
}
