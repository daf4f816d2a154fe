//! Layers: one value for each, with what it is given and which of its values are read.

use std::collections::BTreeMap;

use super::{Reader, doc, read};
use crate::graph::sketch::{Expr as Drawn, Layer, Sketch, Value};
use crate::graph::text;
use crate::hir::{ArgKind, CellId, DefId, DefKind, Expr, LayerId, Output, Part, Tree};
use crate::text::id::Id;

/// Higher stacks are not opened.
const OPENED: i64 = 4;

impl Reader<'_> {
    /// Makes the boxes of a layer: one for a closed stack.
    pub(super) fn new_layers(&mut self, layer: LayerId) {
        let it = &self.tree.layers[layer];
        let count = it.count.as_ref().map_or(1, |it| self.number(it).unwrap_or(1)).max(1);
        let name = self.name(it.def);
        let full = format!("{}{name}", self.prefix);
        let opens = it.cell.is_some() && count <= OPENED && (self.library.open)(&full);
        let cell = it.cell.and_then(|it| self.library.checked(it));
        let parameters = cell.map_or(String::new(), |it| {
            format!("{} parameters", text::shape(&it.parameter_formula().to_string()))
        });
        let is_given =
            |name: &str| it.args.iter().any(|it| it.ast.prev && *it.ast.name.name == *name);
        let states = self.names_of(it.cell, |it| it == DefKind::State);
        let states: Vec<String> = states.into_iter().filter(|it| !is_given(it)).collect();
        let is_reversed = it.decl.backward.is_some();
        let mut all = Vec::new();
        for unit in 0..if opens { count } else { 1 } {
            let indexed = if opens && it.count.is_some() {
                format!("{name}[{unit}]")
            } else {
                name.to_owned()
            };
            let inner = it.cell.filter(|_| opens).map(|cell| {
                let numbers: BTreeMap<DefId, i64> =
                    (it.args.iter()).filter_map(|it| it.def.zip(self.number(&it.value))).collect();
                let checked = self.library.checked(cell);
                let inner = read(self.library, cell, checked, &format!("{full}."), &numbers);
                Box::new(Sketch { is_reversed, ..inner })
            });
            all.push(self.sketch.layers.len());
            self.sketch.layers.push(Layer {
                name: indexed,
                count: if opens { 1 } else { u32::try_from(count).unwrap_or(1) },
                cell: it.decl.cell.name.to_string(),
                args: Vec::new(),
                ports: Vec::new(),
                is_reversed,
                parameters: parameters.clone(),
                states: states.clone(),
                inner,
                note: format!(
                    "layer {name} = {}{}",
                    it.decl.cell.name,
                    doc(self.tree.defs[it.def].decl)
                ),
                span: Some(it.decl.name.span),
            });
        }
        self.layers.push(all);
    }

    /// Reads what a layer is given.
    pub(super) fn layer_arguments(&mut self, layer: LayerId) {
        let (it, layers) = (&self.tree.layers[layer], self.layers[layer.idx()].clone());
        let inputs = self.names_of(it.cell, |it| it == DefKind::Input);
        let mut args = Vec::new();
        let mut rest = Vec::new();
        for arg in &it.args {
            let name = arg.ast.name.name.to_string();
            if arg.kind == ArgKind::Value {
                args.push((name, arg.ast.prev, self.expr(&arg.value)));
            } else {
                rest.push(format!("{name} = {}", arg.value.text()));
            }
        }
        for (unit, &at) in layers.iter().enumerate() {
            let mut own = args.clone();
            // In a stack each reads the one before through its first input.
            if let (Some(below), Some(first)) = (unit.checked_sub(1), inputs.first()) {
                let value = self.unit(layer, Some(below), "");
                let id = self.sketch.push(Drawn::Value(value), "");
                own.retain(|it| it.1 || it.0 != *first);
                own.insert(0, (first.clone(), false, id));
            }
            let drawn = &mut self.sketch.layers[at];
            drawn.args = own;
            if !rest.is_empty() {
                drawn.note = format!("{}({})", drawn.note, rest.join(", "));
            }
        }
    }

    fn names_of(&self, cell: Option<CellId>, wanted: fn(DefKind) -> bool) -> Vec<String> {
        let defs = cell.into_iter().flat_map(|it| self.library.tree.cells[it].defs_of(wanted));
        defs.map(|it| it.1.name.name.to_string()).collect()
    }

    /// Returns the value of `a`, `a.v`, `a[0]` or `a[0].v`.
    pub(super) fn part(&mut self, part: &Part<'_>) -> Value {
        let tail = &part.path.tail;
        let first = if tail.is_empty() { part.last.as_deref() } else { part.indices[0].as_ref() };
        let unit = first.and_then(|it: &Expr<'_>| self.number(it)).map(|it| it as usize);
        let inner: Vec<&str> = tail.iter().map(|it| &*it.1.name).collect();
        self.unit(part.layer, unit, &inner.join("."))
    }

    /// Returns a value of one layer of a stack, or of the last; without a name its main output.
    fn unit(&mut self, layer: LayerId, unit: Option<usize>, name: &str) -> Value {
        let layers = &self.layers[layer.idx()];
        let last = layers.len() - 1;
        let at = layers[unit.filter(|_| last > 0).unwrap_or(last).min(last)];
        let cell = self.tree.layers[layer].cell.map(|it| &self.library.tree.cells[it]);
        let name = match (name, cell.and_then(|it| Some((it, it.outputs.first()?)))) {
            ("", Some((cell, Output::Def(def)))) => cell.defs[*def].name.name.to_string(),
            ("", Some((_, Output::Part(part)))) => part.text(),
            (_, _) => name.to_owned(),
        };
        let drawn = &mut self.sketch.layers[at];
        // The layers of a closed stack are told apart by their numbers.
        let port = match unit.filter(|_| drawn.count > 1) {
            Some(unit) => format!("[{unit}].{name}"),
            None => name,
        };
        if !drawn.ports.contains(&port) {
            drawn.ports.push(port.clone());
        }
        Value::Layer(at, port)
    }
}

/// Returns true if a value of a layer is the same at every step: its params and consts are.
pub(super) fn is_fixed(tree: &Tree<'_>, part: &Part<'_>) -> bool {
    let kind = part.def.map(|(cell, def)| tree.cells[cell].defs[def].kind);
    matches!(kind, Some(DefKind::Param { .. } | DefKind::Computed))
}
