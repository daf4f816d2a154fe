//! From the resolved tree of a cell to expressions: what the author wrote, with loops written out, and layers as one value.

mod expr;
mod fold;
mod layer;
mod number;

use std::collections::{BTreeMap, BTreeSet};

use super::diagram::Pin;
use super::sketch::{Def, ExprId as Drawn, Given, Sketch, State, Value};
use super::text::Rich;
use crate::hir::{
    self, Cell, CellId, Decl, DefId, DefKind, Expr, ExprId, LocalId, Output, Right, Role, Scope,
    Tree, Type, ValueKind, facts,
};
use crate::ir;
use crate::ir::pointwise::Interval;
use crate::text::Span;
use crate::text::id::Id;

/// The cells, functions and layers of a spec.
pub struct Library<'t> {
    /// The resolved trees of all files.
    pub tree: &'t Tree<'t>,
    /// The checked cells, as far as there are any.
    pub cells: Vec<&'t ir::Cell>,
    /// The layers to open, as `a` or `a.b`.
    pub open: &'t dyn Fn(&str) -> bool,
    /// Returns the range of the values of an expression, as far as it is known.
    pub range: &'t dyn Fn(ExprId) -> Option<Interval>,
}

impl<'t> Library<'t> {
    /// Returns the cell of a name.
    pub fn cell(&self, name: &str) -> Option<CellId> {
        self.tree.cells.pairs().find(|it| **it.1.name() == *name).map(|it| it.0)
    }

    fn checked(&self, cell: CellId) -> Option<&'t ir::Cell> {
        self.cells.iter().copied().find(|it| it.name == *self.tree.cells[cell].name())
    }
}

/// The meaning of a name.
#[derive(Clone, Debug)]
enum Bound {
    /// A value of the step.
    Value(Value),
    /// The same at every step, and computed.
    Once(usize),
    /// The same at every step: a param, a const, a dim, a hyper.
    Fixed,
}

/// The meaning of a name of a loop.
#[derive(Clone, Debug)]
enum Local {
    /// A value of the step.
    Value(Value),
    /// An expression that the loop has reached.
    Expr(Drawn),
    /// The variable.
    Number(i64),
}

/// Reads one cell.
struct Reader<'t> {
    library: &'t Library<'t>,
    tree: &'t Cell<'t>,
    cell: Option<&'t ir::Cell>,
    sketch: Sketch,
    names: Vec<Bound>,
    locals: BTreeMap<LocalId, Local>,
    /// The boxes of each layer, one or those of a stack.
    layers: Vec<Vec<usize>>,
    /// The whole numbers that sizes and hypers are, where they are known.
    numbers: BTreeMap<DefId, i64>,
    /// The names that change from step to step.
    changing: BTreeSet<DefId>,
    /// The names that are one number.
    scalars: BTreeSet<DefId>,
    /// The prefix of the names of inner layers.
    prefix: String,
}

/// Reads a cell as expressions; `checked` is the same cell, if it has been checked.
pub fn sketch<'t>(library: &'t Library<'t>, cell: CellId, checked: Option<&'t ir::Cell>) -> Sketch {
    read(library, cell, checked, "", &BTreeMap::new())
}

/// Reads a cell; `given` has the values of dims and hypers that are set from outside.
fn read<'t>(
    library: &'t Library<'t>,
    id: CellId,
    cell: Option<&'t ir::Cell>,
    prefix: &str,
    given: &BTreeMap<DefId, i64>,
) -> Sketch {
    let tree = &library.tree.cells[id];
    let mut reader = Reader {
        library,
        tree,
        cell,
        sketch: Sketch::default(),
        names: vec![Bound::Fixed; tree.defs.len()],
        locals: BTreeMap::new(),
        layers: Vec::new(),
        numbers: BTreeMap::new(),
        changing: facts::steps(tree, |_| true, &|it| layer::is_fixed(library.tree, it)),
        scalars: facts::scalars(tree),
        prefix: prefix.to_owned(),
    };
    reader.sketch.name = tree.name().to_string();
    reader.sketch.title = tree.name().to_string();
    reader.constants(given);
    reader.declare();
    reader.define();
    reader.equations();
    reader.ends();
    reader.sketch
}

impl<'t> Reader<'t> {
    fn name(&self, def: DefId) -> &'t str {
        &self.tree.defs[def].name.name
    }

    /// Inputs, targets and masks.
    fn declare(&mut self) {
        for group in &self.tree.groups {
            let pin = match group.role {
                Role::Input if group.ast.is_per_sequence() => Pin::Constant,
                Role::Input => Pin::Input,
                Role::Mask => Pin::Mask,
                Role::Target => Pin::Target,
                Role::State | Role::Feedback | Role::Param | Role::Const => continue,
            };
            for &def in &group.defs {
                self.declare_one(pin.clone(), group, def);
            }
        }
    }

    fn declare_one(&mut self, pin: Pin, group: &hir::Group<'_>, def: DefId) {
        let name = self.name(def);
        let checked = self.cell.and_then(|cell| {
            let input = cell.inputs.iter().find(|it| *it.name == *name && it.is_real());
            let mask = cell.masks.iter().find(|it| *it.name == *name);
            input.map(|it| &it.shape).or(mask.map(|it| &it.shape))
        });
        let shape = checked.map(|it| it.to_string());
        let shape = shape.unwrap_or_else(|| type_text(&group.type_));
        let mut note = format!("{} {name}: {shape}", group.role.keyword());
        if let (Role::Mask, Some(value)) = (group.role, &group.value) {
            note.push_str(&format!(", bernoulli({})", value.text()));
        }
        note.push_str(match group.ast.per {
            Some((Scope::Step, _)) => " per step",
            Some((Scope::Sequence, _)) => " per sequence",
            Some((Scope::Run, _)) => " per run",
            None => "",
        });
        note.push_str(&doc(Some(group.decl)));
        self.names[def.idx()] = Bound::Value(Value::Pin(self.sketch.given.len(), 0));
        let (name, span) = (name.to_owned(), Some(self.tree.defs[def].name.span));
        self.sketch.given.push(Given { pin, name, shape, note, span });
    }

    /// Returns a past value: one pin for all delays of a value, except that the last value of a state has its own.
    fn old(&mut self, name: &str, back: u32, is_state: bool) -> Value {
        let is_last = |it: u32| it == 1 && is_state;
        let found = self.sketch.given.iter().position(|it| match &it.pin {
            Pin::Old(steps) => it.name == name && is_last(steps[0]) == is_last(back),
            Pin::Input | Pin::Constant | Pin::Mask | Pin::Target | Pin::Feedback => false,
            Pin::New { .. } | Pin::Output | Pin::Result => false,
        });
        let at = found.unwrap_or_else(|| {
            let carry = self.cell.and_then(|it| {
                it.carries.iter().find(|it| {
                    let base = it.name.rsplit_once('.').map_or(&*it.name, |it| it.0);
                    &*it.name == name || base == name
                })
            });
            let shape = carry.map(|it| it.shape.to_string()).unwrap_or_default();
            let note = format!("{name} as earlier steps left it");
            let (name, span) = (name.to_owned(), carry.map(|it| it.span));
            self.sketch.given.push(Given { pin: Pin::Old(Vec::new()), name, shape, note, span });
            self.sketch.given.len() - 1
        });
        if let Pin::Old(steps) = &mut self.sketch.given[at].pin
            && let Err(place) = steps.binary_search(&back)
        {
            steps.insert(place, back);
        }
        Value::Pin(at, back)
    }

    /// Returns true if a value changes from step to step.
    fn changes(&self, expr: &Expr<'_>) -> bool {
        let mut changes = false;
        hir::walk::expr(expr, &mut |it| {
            changes |= match &it.kind {
                hir::Kind::Def(def) => self.changing.contains(def),
                hir::Kind::Local(local) => match self.locals.get(local) {
                    Some(Local::Value(_)) => true,
                    Some(Local::Expr(id)) => self.sketch.fixed(*id).is_none(),
                    Some(Local::Number(_)) | None => false,
                },
                hir::Kind::Part(part) => !layer::is_fixed(self.library.tree, part),
                hir::Kind::Prev(..) => true,
                hir::Kind::Call(call) => call.is_time(),
                _ => false,
            };
        });
        changes
    }

    /// Returns the equations in the order of the text.
    fn in_order(&self) -> Vec<hir::EquationId> {
        let mut all: Vec<hir::EquationId> = self.tree.equations.ids().collect();
        all.sort_by_key(|it| self.tree.equations[*it].decl.span.start);
        all
    }

    /// Numbers all definitions, so that equations may read later ones.
    fn define(&mut self) {
        let shapes: BTreeMap<&str, String> = (self.cell.iter())
            .flat_map(|it| it.values.iter().map(|value| (&*value.name, it.step.shape(value.node))))
            .map(|it| (it.0, it.1.to_string()))
            .collect();
        for id in self.in_order() {
            let (Right::Expr(_) | Right::Fold(_)) = self.tree.right(id) else { continue };
            let equation = &self.tree.equations[id];
            for &def in &equation.targets {
                let it = &self.tree.defs[def];
                if it.kind == DefKind::Computed {
                    continue;
                }
                let (at, name) = (self.sketch.defs.len(), self.name(def));
                let is_once = !self.changing.contains(&def);
                self.names[def.idx()] = match is_once {
                    true => Bound::Once(at),
                    false => Bound::Value(Value::Def(at)),
                };
                // The name of a state is where it is declared, its equation somewhere else.
                let is_apart = it.kind.is_carried();
                let span = if is_apart { equation.decl.span } else { it.name.span };
                self.sketch.defs.push(Def {
                    name: name.to_owned(),
                    below: String::new(),
                    is_gate: it.kind == DefKind::Value(ValueKind::Gate),
                    shape: shapes.get(name).cloned().unwrap_or_default(),
                    value: 0,
                    is_once,
                    note: doc(Some(equation.decl)),
                    span: Some(span),
                });
            }
        }
        for layer in self.tree.layers.ids() {
            self.new_layers(layer);
        }
    }

    fn equations(&mut self) {
        for id in self.in_order() {
            self.equation(id, &self.tree.equations[id].targets);
        }
        // What is minimised is one more value.
        for loss in &self.tree.losses {
            let value = self.expr(&loss.value);
            let at = if loss.at_last { ", at the last step" } else { "" };
            let note = format!("loss {}{at}", loss.value.text());
            self.new_def("loss", String::new(), false, value, note, loss.decl.span);
        }
    }

    /// Puts down a value of the step without a shape.
    fn new_def(
        &mut self,
        name: &str,
        below: String,
        is_gate: bool,
        value: Drawn,
        note: String,
        span: Span,
    ) -> Value {
        let (name, shape, span) = (name.to_owned(), String::new(), Some(span));
        let def = Def { name, below, is_gate, shape, value, is_once: false, note, span };
        self.sketch.defs.push(def);
        Value::Def(self.sketch.defs.len() - 1)
    }

    fn equation(&mut self, id: hir::EquationId, targets: &[DefId]) {
        let right = self.tree.right(id);
        if let Right::Layer(layer) = right {
            self.layer_arguments(layer);
            return;
        }
        let text = match right {
            Right::Expr(expr) => expr.text(),
            Right::Fold(fold) => format!("a loop of {} .. {}", fold.from.text(), fold.to.text()),
            Right::Layer(_) | Right::Error => return,
        };
        let is_once = |it: &DefId| matches!(self.names[it.idx()], Bound::Once(_));
        if targets.iter().all(is_once) {
            for &def in targets {
                let id = self.fixed_text(Rich::plain("once"), false);
                self.set(def, id, &text, "");
            }
            return;
        }
        match right {
            Right::Expr(expr) => {
                if self.tree.defs[targets[0]].kind != DefKind::Computed {
                    let id = self.expr(expr);
                    self.set(targets[0], id, &text, &self.range(expr));
                }
            }
            Right::Fold(fold) => {
                let ids = self.fold(fold);
                for (&def, id) in targets.iter().zip(ids) {
                    self.set(def, id, "what the last turn of its loop yields", "");
                }
            }
            Right::Layer(_) | Right::Error => {}
        }
    }

    /// Returns the range of the values of an expression, as the end of its text.
    fn range(&self, expr: &Expr<'_>) -> String {
        let range = (self.library.range)(expr.id);
        let range = range.filter(|it| it.lo.is_finite() || it.hi.is_finite());
        range.map_or(String::new(), |it| format!(", in {it}"))
    }

    /// Says what a definition is.
    fn set(&mut self, def: DefId, value: Drawn, text: &str, range: &str) {
        let (Bound::Value(Value::Def(at)) | Bound::Once(at)) = self.names[def.idx()] else {
            return;
        };
        let name = self.name(def);
        let def = &mut self.sketch.defs[at];
        def.value = value;
        let shape = if def.shape.is_empty() { String::new() } else { format!(": {}", def.shape) };
        def.note = format!("{name}{shape} = {text}{range}{}", def.note);
        self.sketch.words.push(format!("{name} = {text}"));
    }

    /// States and outputs.
    fn ends(&mut self) {
        let groups = self.tree.groups.iter();
        for group in groups.filter(|it| matches!(it.role, Role::State | Role::Feedback)) {
            for &def in &group.defs {
                self.state(group, def);
            }
        }
        for output in &self.tree.outputs {
            let (name, value) = match output {
                Output::Def(def) if self.tree.defs[*def].kind.is_carried() => continue,
                Output::Def(def) => match &self.names[def.idx()] {
                    Bound::Value(value) => (self.name(*def).to_owned(), value.clone()),
                    Bound::Once(_) | Bound::Fixed => continue,
                },
                Output::Part(part) => (part.text(), self.part(part)),
            };
            let found = self.cell.and_then(|cell| {
                let output = cell.outputs.iter().find(|it| *it.name == *name)?;
                Some(cell.step.shape(output.node).to_string())
            });
            self.sketch.outputs.push((name, found.unwrap_or_default(), value));
        }
    }

    /// A state, or a feedback: the model's own past output, or what it should have been. That is no path of a gradient,
    /// and never straight.
    fn state(&mut self, group: &hir::Group<'_>, def: DefId) {
        let Bound::Value(next) = self.names[def.idx()].clone() else { return };
        let name = self.name(def);
        let mut old =
            self.sketch.given.iter().position(|it| {
                it.name == name && matches!(&it.pin, Pin::Old(steps) if steps[0] == 1)
            });
        if group.role == Role::Feedback
            && let Some(old) = old.take()
        {
            self.sketch.given[old].pin = Pin::Feedback;
        }
        let is_output =
            self.tree.outputs.iter().any(|it| matches!(it, Output::Def(it) if *it == def));
        let carry = self.cell.and_then(|it| Some(&it.carries[it.carry(name)?]));
        let shape = carry.map(|it| it.shape.to_string());
        let shape = shape.unwrap_or_else(|| type_text(&group.type_));
        self.sketch.states.push(State { name: name.to_owned(), shape, next, is_output, old });
    }
}

/// Returns the comment of a statement, behind other text.
fn doc(decl: Option<&Decl>) -> String {
    let lines = decl.iter().flat_map(|it| &it.doc).flat_map(|it| &it.lines);
    let text: Vec<&str> = lines.map(|it| it.trim()).collect();
    if text.is_empty() { String::new() } else { format!("; {}", text.join(" ")) }
}

fn type_text(it: &Type<'_>) -> String {
    match it {
        Type::Real(axes) => {
            format!("[{}]", axes.iter().map(Expr::text).collect::<Vec<_>>().join(", "))
        }
        Type::Index(dim) => format!("index[{}]", dim.text()),
    }
}
