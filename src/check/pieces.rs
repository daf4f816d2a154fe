//! The pieces of a cell that others can see: its outputs, and everything in it that has a name and a value.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::layer::{Inner, Of, Piece, PieceKind, Splice};
use super::lower::{Lower, Scope, Value};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, DefKind, LayerId};
use crate::ir::{Input, NamedValue, NodeId, Op, Output, Shape, ValueKind};
use crate::text::id::Id;
use crate::text::{Name, Span};

/// Returns the output with its node, and the piece that it is; `None` after a report.
pub(super) fn output(
    step: &mut Lower<'_, '_>,
    names: &Declared<'_>,
    output: &hir::Output<'_>,
) -> Option<(Output, Of)> {
    let (name, span, of, value) = match output {
        hir::Output::Part(part) => {
            let of = step.piece(part, &Scope::CELL)?;
            let name = match part.path.tail.iter().any(|it| it.0.is_some()) {
                true => step.name_of(of),
                false => crate::syntax::print_path(part.path).into(),
            };
            let value = step.piece_value(part.layer, of.1)?;
            (name, names.def(part.layer_def).name.span, of, value)
        }
        hir::Output::Def(id) => {
            let def = names.def(*id);
            let value = match def.kind {
                DefKind::Input | DefKind::Param { .. } | DefKind::Mask => step.leaf(*id)?,
                DefKind::State | DefKind::Feedback | DefKind::Value(_) | DefKind::Computed => {
                    step.value(*id)?.clone()
                }
                DefKind::Dim(_)
                | DefKind::Hyper(_)
                | DefKind::Layer(_)
                | DefKind::Target
                | DefKind::Error => return None,
            };
            (def.name.name.clone(), def.name.span, (*id, 0), value)
        }
    };
    let node = match value {
        Value::Node(node) => node,
        Value::Constant(..) => step.node(&value, span),
        // A choice is there to be returned.
        Value::Index(node, _) if matches!(step.graph.node(node).op, Op::Choice(_)) => node,
        Value::Index(_, dim) => {
            let message = format!("`{name}` is an index below `{dim}`, not a number");
            let fault = Diagnostic::new(Code::WrongKindOfName, span, message)
                .help(format!("return `eye({dim})[{name}]`, its one-hot vector"));
            step.sink.push(fault);
            return None;
        }
    };
    Some((Output { name, node }, of))
}

/// Returns how the graph calls a kind of value.
fn value_kind(kind: hir::ValueKind) -> ValueKind {
    match kind {
        hir::ValueKind::Gate => ValueKind::Gate,
        hir::ValueKind::Let => ValueKind::Let,
        hir::ValueKind::Output => ValueKind::Output,
    }
}

/// All that a cell has names for.
pub(super) struct Pieces {
    pub list: Vec<Piece>,
    pub by_name: BTreeMap<Name, usize>,
    /// The place of the first piece of each definition.
    first: Vec<usize>,
}

impl Pieces {
    /// Returns the place of a value.
    pub fn place(&self, of: Of) -> usize {
        self.first[of.0.idx()] + of.1
    }

    /// Returns the named values of the step.
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

/// Returns every piece, in the order of the source.
pub(super) fn of_cell(step: &mut Lower<'_, '_>, names: &Declared<'_>, inputs: &[Input]) -> Pieces {
    let mut pieces = Pieces { list: Vec::new(), by_name: BTreeMap::new(), first: Vec::new() };
    for (id, def) in names.cell.defs.pairs() {
        pieces.first.push(pieces.list.len());
        let name = &def.name.name;
        let kind = match def.kind {
            DefKind::Input => {
                step.leaf(id);
                Some(ValueKind::Input)
            }
            DefKind::State | DefKind::Feedback => Some(ValueKind::State),
            DefKind::Value(kind) => Some(value_kind(kind)),
            DefKind::Computed => None,
            DefKind::Param { .. } | DefKind::Mask => {
                let shape = names.shape(id).cloned().unwrap_or_default();
                let is_mask = def.kind == DefKind::Mask;
                let kind = if is_mask { PieceKind::Mask } else { PieceKind::Param };
                pieces.add(plain(name.clone(), kind(names.slot(id)), shape, def.name.span));
                continue;
            }
            DefKind::Layer(layer) => {
                of_layer(&mut pieces, step, names, layer);
                continue;
            }
            DefKind::Dim(_) | DefKind::Hyper(_) | DefKind::Target | DefKind::Error => continue,
        };
        let (node, index) = match step.value(id) {
            Some(Value::Node(node)) => (*node, None),
            Some(Value::Index(node, dim)) => (*node, Some(dim.clone())),
            Some(Value::Constant(value, _)) => {
                let kind = PieceKind::Constant(value.clone());
                pieces.add(plain(name.clone(), kind, Shape::scalar(), def.name.span));
                continue;
            }
            None => continue,
        };
        let kind = kind.map_or(PieceKind::Computed(node), |it| PieceKind::Value(it, node));
        let shape = step.graph.shape(node).clone();
        let is_input = def.kind == DefKind::Input;
        let default = is_input.then(|| inputs[names.slot(id)].default.clone()).flatten();
        let piece = plain(name.clone(), kind, shape, def.name.span);
        pieces.add(Piece { index, default, ..piece });
        // What the turns of a loop name follows the first name that the loop defines.
        let first = |it: &hir::EquationId| names.cell.equations[*it].targets[0] == id;
        let Some(equation) = def.equation.filter(first) else { continue };
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
fn of_layer(pieces: &mut Pieces, step: &Lower<'_, '_>, names: &Declared<'_>, id: LayerId) {
    let (layer, idx) = (&names.cell.layers[id], id.idx());
    let Some(ready) = names.ready(id) else { return };
    let inner: &Inner = &ready.inner;
    let first = pieces.list.len();
    for (number, element) in step.elements[idx].iter().enumerate() {
        let splice = Splice { element };
        for (at, piece) in inner.pieces.iter().enumerate() {
            let value =
                step.parts[idx].get(number * inner.pieces.len() + at).and_then(Option::as_ref);
            let node = |old: NodeId| match value {
                Some(Value::Node(node) | Value::Index(node, _)) => *node,
                Some(Value::Constant(..)) | None => old,
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
                old: piece.old.or_else(|| ready.old(at).map(|it| it.ast.name.span)),
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
