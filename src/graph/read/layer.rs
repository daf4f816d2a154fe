//! Layers: one value for each, with what it is given and which of its values are read.

use std::collections::BTreeMap;

use super::{Bound, Reader, doc, read};
use crate::graph::sketch::{Expr as Drawn, Layer, Value};
use crate::syntax::ast::{self, Decl, DeclKind, LayerDecl, OutputDecl, Path, Role};
use crate::syntax::print_expr;

/// Higher stacks are not opened.
const OPENED: i64 = 4;

impl Reader<'_> {
    /// Makes the layers of a declaration: one for a closed stack.
    pub(super) fn new_layers(&mut self, it: &LayerDecl, decl: &Decl) {
        let count = it.count.as_ref().map_or(1, |it| self.number(it).unwrap_or(1)).max(1);
        let name = it.name.name.to_string();
        let full = format!("{}{name}", self.prefix);
        let tree = self.library.tree(&it.cell.name);
        let opens = tree.is_some() && count <= OPENED && (self.library.open)(&full);
        let cell = self.library.cell(&it.cell.name);
        let parameters = match cell {
            Some(cell) => format!("{} parameters", cell.parameter_formula()),
            None => String::new(),
        };
        let given: Vec<&str> =
            it.args.iter().filter(|it| it.prev).map(|it| &*it.name.name).collect();
        let states: Vec<String> = (tree.map(states).unwrap_or_default().into_iter())
            .filter(|it| !given.contains(&it.as_str()))
            .collect();
        let mut all = Vec::new();
        for unit in 0..if opens { count } else { 1 } {
            let indexed =
                if opens && it.count.is_some() { format!("{name}[{unit}]") } else { name.clone() };
            let inner = tree.filter(|_| opens).map(|tree| {
                let numbers: BTreeMap<String, i64> = (it.args.iter())
                    .filter_map(|it| Some((it.name.name.to_string(), self.number(&it.value)?)))
                    .collect();
                Box::new(read(self.library, tree, cell, &format!("{full}."), &numbers))
            });
            all.push(self.sketch.layers.len());
            self.sketch.layers.push(Layer {
                name: indexed,
                count: if opens { 1 } else { u32::try_from(count).unwrap_or(1) },
                cell: it.cell.name.to_string(),
                args: Vec::new(),
                ports: Vec::new(),
                parameters: parameters.replace(" * ", "·"),
                states: states.clone(),
                inner,
                note: format!("layer {name} = {}{}", it.cell.name, doc(decl)),
                span: Some(it.name.span),
            });
        }
        self.names.insert(name, Bound::Layers(all));
    }

    /// Reads what a layer is given.
    pub(super) fn layer_arguments(&mut self, it: &LayerDecl) {
        let Some(Bound::Layers(layers)) = self.names.get(&*it.name.name).cloned() else { return };
        let tree = self.library.tree(&it.cell.name);
        let inputs = tree.map(inputs).unwrap_or_default();
        let mut args = Vec::new();
        let mut rest = Vec::new();
        for arg in &it.args {
            let name = arg.name.name.to_string();
            if arg.prev || inputs.contains(&name) {
                args.push((name, arg.prev, self.expr(&arg.value)));
            } else {
                rest.push(format!("{name} = {}", print_expr(&arg.value)));
            }
        }
        for (unit, &layer) in layers.iter().enumerate() {
            let mut own = args.clone();
            // In a stack each reads the one before through its first input.
            if let (Some(below), Some(first)) = (unit.checked_sub(1), inputs.first()) {
                let below = layers[below];
                let main = self.main(below);
                let value = Value::Layer(below, self.port(below, &main));
                let id = self.sketch.push(Drawn::Value(value), "");
                own.retain(|it| it.1 || it.0 != *first);
                own.insert(0, (first.clone(), false, id));
            }
            let layer = &mut self.sketch.layers[layer];
            layer.args = own;
            if !rest.is_empty() {
                layer.note = format!("{}({})", layer.note, rest.join(", "));
            }
        }
    }

    /// The main output of a layer.
    fn main(&self, layer: usize) -> String {
        let tree = self.library.tree(&self.sketch.layers[layer].cell);
        let first = tree.and_then(|tree| {
            tree.decls.iter().find_map(|it| match &it.kind {
                DeclKind::Output(list) => list.first().map(|it| match it {
                    OutputDecl::Named(name, _) => name.name.to_string(),
                    OutputDecl::Path(path) => crate::syntax::print_path(path),
                }),
                _ => None,
            })
        });
        first.unwrap_or_default()
    }

    /// Notes that a value of a layer is read.
    fn port(&mut self, layer: usize, name: &str) -> String {
        let ports = &mut self.sketch.layers[layer].ports;
        if !ports.iter().any(|it| it == name) {
            ports.push(name.to_owned());
        }
        name.to_owned()
    }

    /// `a`, `a.v`, `a[0]`, `a[0].v`.
    pub(super) fn layer_value(&mut self, layers: &[usize], path: &Path) -> Option<Bound> {
        let index = path.tail.first().and_then(|it| it.0.as_ref());
        let unit = index.and_then(|it| self.number(it)).map(|it| it as usize);
        let inner: Vec<String> = path.tail.iter().map(|it| it.1.name.to_string()).collect();
        Some(self.unit_value(layers, unit, &inner.join(".")))
    }

    /// A value of one layer of a stack, or of the last.
    pub(super) fn unit_value(
        &mut self,
        layers: &[usize],
        unit: Option<usize>,
        name: &str,
    ) -> Bound {
        let last = layers.len() - 1;
        let layer = layers[unit.filter(|_| layers.len() > 1).unwrap_or(last).min(last)];
        let main = self.main(layer);
        let name = if name.is_empty() { main } else { name.to_owned() };
        // The layers of a closed stack are told apart by their numbers.
        let is_stack = self.sketch.layers[layer].count > 1;
        let name = match unit.filter(|_| is_stack) {
            Some(unit) => format!("[{unit}].{name}"),
            None => name,
        };
        Bound::Value(Value::Layer(layer, self.port(layer, &name)))
    }

    /// Whether a value of a layer changes: its params do not.
    pub(super) fn layer_changes(&self, path: &Path) -> bool {
        let Some(Bound::Layers(layers)) = self.names.get(&*path.head.name) else { return true };
        let Some((_, last)) = path.tail.last() else { return true };
        let tree = layers.first().and_then(|it| {
            let cell = &self.sketch.layers[*it].cell;
            self.library.tree(cell)
        });
        let fixed = |decl: &Decl| match &decl.kind {
            DeclKind::Group(Role::Param | Role::Const, groups) => {
                groups.iter().flat_map(|it| &it.names).any(|it| it.name == last.name)
            }
            _ => false,
        };
        !(path.tail.len() == 1 && tree.is_some_and(|it| it.decls.iter().any(fixed)))
    }
}

fn names_of(tree: &ast::Cell, wanted: Role) -> Vec<String> {
    let mut all = Vec::new();
    for decl in &tree.decls {
        match &decl.kind {
            DeclKind::Group(role, groups) if *role == wanted => {
                let names = groups.iter().flat_map(|it| &it.names);
                all.extend(names.map(|it| it.name.to_string()));
            }
            _ => {}
        }
    }
    all
}

fn inputs(tree: &ast::Cell) -> Vec<String> {
    names_of(tree, Role::Input)
}

fn states(tree: &ast::Cell) -> Vec<String> {
    names_of(tree, Role::State)
}
