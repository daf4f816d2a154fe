//! From the tree of a cell to expressions: what the author wrote, with loops written out, and layers
//! as one value.

mod expr;
mod fold;
mod layer;
mod number;

use std::collections::{BTreeMap, BTreeSet};

use super::diagram::Pin;
use super::sketch::{Def, ExprId, Given, Sketch, State, Value};
use super::text::Rich;
use crate::ir;
use crate::syntax::ast::{self, Decl, DeclKind, Expr, ExprKind, Item, OutputDecl, Role, Scope};
use crate::syntax::print_expr;

/// Where cells, functions and layers are looked up.
pub struct Library<'a> {
    /// The trees of all files.
    pub files: Vec<&'a ast::File>,
    /// The checked cells, as far as there are any.
    pub cells: Vec<&'a ir::Cell>,
    /// The layers to open, as `a` or `a.b`.
    pub open: &'a dyn Fn(&str) -> bool,
}

impl<'a> Library<'a> {
    /// The tree of a cell.
    pub fn tree(&self, name: &str) -> Option<&'a ast::Cell> {
        self.files.iter().flat_map(|it| &it.items).find_map(|it| match it {
            Item::Cell(cell) if *cell.name.name == *name => Some(cell),
            Item::Cell(_) | Item::Activation(_) | Item::Function(_) | Item::Use(_) => None,
        })
    }

    fn cell(&self, name: &str) -> Option<&'a ir::Cell> {
        self.cells.iter().copied().find(|it| *it.name == *name)
    }
}

/// What a name is.
#[derive(Clone, Debug)]
enum Bound {
    /// A value of the step.
    Value(Value),
    /// An expression that a loop has reached.
    Expr(ExprId),
    /// The same at every step, as it is written; whether it is one number.
    Fixed(Rich, bool),
    /// The same at every step, and computed.
    Once(usize),
    /// The variable of a loop.
    Number(i64),
    /// The layers of this name, one or a stack.
    Layers(Vec<usize>),
}

/// Reads one cell.
struct Reader<'a> {
    library: &'a Library<'a>,
    cell: Option<&'a ir::Cell>,
    sketch: Sketch,
    names: BTreeMap<String, Bound>,
    /// The whole numbers that sizes and hypers are, where they are known.
    numbers: BTreeMap<String, i64>,
    /// Names that change from step to step.
    changing: BTreeSet<String>,
    states: BTreeSet<String>,
    /// The shapes of the named values of a checked cell.
    shapes: BTreeMap<String, String>,
    /// What stands before the names of inner layers.
    prefix: String,
}

/// A cell as expressions. `settings` are values of dims and hypers that are set from outside.
pub fn sketch(library: &Library<'_>, tree: &ast::Cell, cell: Option<&ir::Cell>) -> Sketch {
    read(library, tree, cell, "", &BTreeMap::new())
}

fn read(
    library: &Library<'_>,
    tree: &ast::Cell,
    cell: Option<&ir::Cell>,
    prefix: &str,
    given: &BTreeMap<String, i64>,
) -> Sketch {
    let mut reader = Reader {
        library,
        cell,
        sketch: Sketch::default(),
        names: BTreeMap::new(),
        numbers: BTreeMap::new(),
        changing: BTreeSet::new(),
        states: BTreeSet::new(),
        shapes: shapes(cell),
        prefix: prefix.to_owned(),
    };
    reader.sketch.name = tree.name.name.to_string();
    reader.sketch.title = tree.name.name.to_string();
    reader.constants(tree, given);
    reader.declare(tree);
    reader.find_changing(tree);
    reader.define(tree);
    reader.equations(tree);
    reader.ends(tree);
    reader.sketch
}

impl Reader<'_> {
    /// Inputs, states, params, consts, masks.
    fn declare(&mut self, tree: &ast::Cell) {
        for decl in &tree.decls {
            let DeclKind::Group(role, groups) = &decl.kind else { continue };
            for group in groups {
                for name in &group.names {
                    self.declare_one(*role, group, name, decl);
                }
            }
        }
    }

    fn declare_one(&mut self, role: Role, group: &ast::Group, name: &ast::Ident, decl: &Decl) {
        let text = name.name.to_string();
        let pin = match role {
            Role::Input => Pin::Input,
            Role::Mask => Pin::Mask,
            Role::Target => Pin::Target,
            Role::State | Role::Feedback => {
                self.states.insert(text.clone());
                self.changing.insert(text);
                return;
            }
            Role::Param | Role::Const => {
                let scalar =
                    matches!(&group.type_.kind, ast::TypeKind::Real(axes) if axes.is_empty());
                self.names.insert(text.clone(), Bound::Fixed(super::text::name(&text, ""), scalar));
                return;
            }
        };
        let checked = self.cell.and_then(|cell| {
            let input = cell.inputs.iter().find(|it| *it.name == *text && it.index.is_none());
            let mask = cell.masks.iter().find(|it| *it.name == *text);
            input.map(|it| &it.shape).or(mask.map(|it| &it.shape))
        });
        let shape = checked.map(|it| it.to_string());
        let shape = shape.unwrap_or_else(|| type_text(&group.type_));
        let mut note = format!("{} {text}: {shape}", role.keyword());
        if let (Role::Mask, Some(value)) = (role, &group.value) {
            note.push_str(&format!(", {}", print_expr(value)));
        }
        if let Some((scope, _)) = &group.per {
            note.push_str(match scope {
                Scope::Step => " per step",
                Scope::Sequence => " per sequence",
                Scope::Run => " per run",
            });
        }
        note.push_str(&doc(decl));
        let at = self.sketch.given.len();
        let span = Some(name.span);
        let per_sequence = group.is_per_sequence();
        self.sketch.given.push(Given { pin, name: text.clone(), shape, note, span, per_sequence });
        self.changing.insert(text.clone());
        self.names.insert(text, Bound::Value(Value::Pin(at, 0)));
    }

    /// A past value: one pin for all delays of a value, except that the last value of a state has
    /// its own.
    fn old(&mut self, name: &str, back: u32) -> Value {
        let is_last = |it: u32| it == 1 && self.states.contains(name);
        let found = self.sketch.given.iter().position(|it| match &it.pin {
            Pin::Old(steps) => it.name == name && is_last(steps[0]) == is_last(back),
            Pin::Input | Pin::Mask | Pin::Target | Pin::Feedback => false,
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
            let (pin, per_sequence) = (Pin::Old(Vec::new()), false);
            self.sketch.given.push(Given { pin, name, shape, note, span, per_sequence });
            self.sketch.given.len() - 1
        });
        if let Pin::Old(steps) = &mut self.sketch.given[at].pin
            && let Err(place) = steps.binary_search(&back)
        {
            steps.insert(place, back);
        }
        Value::Pin(at, back)
    }

    /// Which values change from step to step: those that are computed of others that do.
    fn find_changing(&mut self, tree: &ast::Cell) {
        for decl in &tree.decls {
            match &decl.kind {
                DeclKind::Layer(it) => _ = self.changing.insert(it.name.name.to_string()),
                DeclKind::Group(..)
                | DeclKind::Value(..)
                | DeclKind::Tuple(..)
                | DeclKind::Update(..)
                | DeclKind::Output(_)
                | DeclKind::Dims(_)
                | DeclKind::Hyper(_)
                | DeclKind::Loss { .. }
                | DeclKind::Layout(_) => {}
            }
        }
        // Equations stand in any order.
        loop {
            let before = self.changing.len();
            for decl in &tree.decls {
                let (names, value): (Vec<&ast::Ident>, _) = match &decl.kind {
                    DeclKind::Value(_, name, value) => (vec![name], value),
                    DeclKind::Tuple(names, value) => (names.iter().collect(), value),
                    DeclKind::Group(..)
                    | DeclKind::Update(..)
                    | DeclKind::Output(_)
                    | DeclKind::Dims(_)
                    | DeclKind::Hyper(_)
                    | DeclKind::Layer(_)
                    | DeclKind::Loss { .. }
                    | DeclKind::Layout(_) => continue,
                };
                if self.value_changes(value) {
                    self.changing.extend(names.iter().map(|it| it.name.to_string()));
                }
            }
            if self.changing.len() == before {
                break;
            }
        }
    }

    fn value_changes(&self, value: &ast::Value) -> bool {
        match value {
            ast::Value::Expr(expr) => self.changes(expr),
            ast::Value::Fold(fold) => {
                let ends = fold.starts.iter().chain(&fold.results);
                let body = fold.body.iter().any(|it| self.value_changes(&it.value));
                body || ends.into_iter().any(|it| self.changes(it))
            }
        }
    }

    fn changes(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => false,
            ExprKind::Path(path) => match self.names.get(&*path.head.name) {
                Some(Bound::Expr(id)) => self.sketch.fixed(*id).is_none(),
                Some(Bound::Layers(_)) => self.layer_changes(path),
                _ => self.changing.contains(&*path.head.name),
            },
            ExprKind::Prev(..) => true,
            ExprKind::Paren(inner) | ExprKind::Neg(_, inner) => self.changes(inner),
            ExprKind::Chain(first, rest) => {
                self.changes(first) || rest.iter().any(|it| self.changes(&it.2))
            }
            ExprKind::Binary(_, _, a, b) | ExprKind::Index(a, b) => {
                self.changes(a) || self.changes(b)
            }
            ExprKind::Array(items) => items.iter().any(|it| self.changes(it)),
            ExprKind::Call(name, args) => {
                let given = |it: &ast::Arg| match it {
                    ast::Arg::Positional(it) | ast::Arg::Named(_, it) => self.changes(it),
                    ast::Arg::Over(..) => false,
                };
                &*name.name == "time" || args.iter().any(given)
            }
        }
    }

    /// Numbers all definitions, so that equations may read later ones.
    fn define(&mut self, tree: &ast::Cell) {
        for decl in &tree.decls {
            let (names, is_gate): (Vec<&ast::Ident>, bool) = match &decl.kind {
                DeclKind::Value(role, name, _) => (vec![name], *role == ast::ValueRole::Gate),
                DeclKind::Tuple(names, _) => (names.iter().collect(), false),
                DeclKind::Update(name, _) => (vec![name], false),
                DeclKind::Output(list) => {
                    let named = |it: &OutputDecl| match it {
                        OutputDecl::Named(name, _) => Some(name.clone()),
                        OutputDecl::Path(_) => None,
                    };
                    for name in list.iter().filter_map(named) {
                        self.changing.insert(name.name.to_string());
                        self.new_def(&name, false, decl);
                    }
                    continue;
                }
                DeclKind::Layer(_) => continue,
                DeclKind::Group(..)
                | DeclKind::Dims(_)
                | DeclKind::Hyper(_)
                | DeclKind::Loss { .. }
                | DeclKind::Layout(_) => continue,
            };
            for name in names {
                self.new_def(name, is_gate, decl);
            }
        }
        for decl in &tree.decls {
            if let DeclKind::Layer(it) = &decl.kind {
                self.new_layers(it, decl);
            }
        }
    }

    fn new_def(&mut self, name: &ast::Ident, is_gate: bool, decl: &Decl) {
        let text = name.name.to_string();
        let at = self.sketch.defs.len();
        let is_once = !self.changing.contains(&text) && !self.states.contains(&text);
        self.names.insert(
            text.clone(),
            match is_once {
                true => Bound::Once(at),
                false => Bound::Value(Value::Def(at)),
            },
        );
        let shape = self.shapes.get(&text).cloned().unwrap_or_default();
        self.sketch.defs.push(Def {
            name: text,
            below: String::new(),
            is_gate,
            shape,
            value: 0,
            is_once,
            note: doc(decl),
            span: Some(name.span),
        });
    }

    fn equations(&mut self, tree: &ast::Cell) {
        for decl in &tree.decls {
            match &decl.kind {
                DeclKind::Value(_, name, value) => self.equation(&[name], value),
                DeclKind::Tuple(names, value) => {
                    self.equation(&names.iter().collect::<Vec<_>>(), value);
                }
                DeclKind::Update(name, value) => self.equation(&[name], value),
                DeclKind::Output(list) => {
                    for it in list {
                        if let OutputDecl::Named(name, value) = it {
                            let id = self.expr(value);
                            self.set(&name.name, id, &print_expr(value));
                        }
                    }
                }
                DeclKind::Layer(it) => self.layer_arguments(it),
                DeclKind::Loss { value, at_last } => self.loss(value, *at_last, decl),
                DeclKind::Group(..)
                | DeclKind::Dims(_)
                | DeclKind::Hyper(_)
                | DeclKind::Layout(_) => {}
            }
        }
    }

    /// What is minimised is one more value.
    fn loss(&mut self, value: &Expr, at_last: bool, decl: &Decl) {
        let id = self.expr(value);
        let at = if at_last { ", at the last step" } else { "" };
        self.sketch.defs.push(Def {
            name: "loss".to_owned(),
            below: String::new(),
            is_gate: false,
            shape: String::new(),
            value: id,
            is_once: false,
            note: format!("loss {}{at}", print_expr(value)),
            span: Some(decl.span),
        });
    }

    fn equation(&mut self, names: &[&ast::Ident], value: &ast::Value) {
        let once = names.iter().all(|it| match self.names.get(&*it.name) {
            Some(Bound::Once(_)) => true,
            Some(_) | None => false,
        });
        if once {
            for name in names {
                let text = match value {
                    ast::Value::Expr(expr) => print_expr(expr),
                    ast::Value::Fold(fold) => {
                        format!("a loop of {} .. {}", print_expr(&fold.from), print_expr(&fold.to))
                    }
                };
                let id = self.fixed_text(Rich::plain("once"), false);
                self.set(&name.name, id, &text);
            }
            return;
        }
        match value {
            ast::Value::Expr(expr) => {
                let id = self.expr(expr);
                for name in names {
                    self.set(&name.name, id, &print_expr(expr));
                }
            }
            ast::Value::Fold(fold) => {
                let ids = self.fold(fold);
                for (name, id) in names.iter().zip(ids) {
                    self.set(&name.name, id, "what the last turn of its loop yields");
                }
            }
        }
    }

    /// Says what a definition is.
    fn set(&mut self, name: &str, value: ExprId, text: &str) {
        let def = match self.names.get(name) {
            Some(Bound::Value(Value::Def(def)) | Bound::Once(def)) => *def,
            _ => return,
        };
        let def = &mut self.sketch.defs[def];
        def.value = value;
        let shape = if def.shape.is_empty() { String::new() } else { format!(": {}", def.shape) };
        def.note = format!("{name}{shape} = {text}{}", def.note);
        self.sketch.words.push(format!("{name} = {text}"));
    }

    /// States and outputs.
    fn ends(&mut self, tree: &ast::Cell) {
        let mut outputs: Vec<String> = Vec::new();
        for decl in &tree.decls {
            let DeclKind::Output(list) = &decl.kind else { continue };
            for it in list {
                outputs.push(match it {
                    OutputDecl::Named(name, _) => name.name.to_string(),
                    OutputDecl::Path(path) => crate::syntax::print_path(path),
                });
            }
        }
        for decl in &tree.decls {
            let DeclKind::Group(role @ (Role::State | Role::Feedback), groups) = &decl.kind else {
                continue;
            };
            for group in groups {
                for name in &group.names {
                    self.state(*role, group, &name.name, &outputs);
                }
            }
        }
        for decl in &tree.decls {
            let DeclKind::Output(list) = &decl.kind else { continue };
            for it in list {
                let (name, value) = match it {
                    OutputDecl::Named(name, _) => {
                        (name.name.to_string(), self.names.get(&*name.name).cloned())
                    }
                    OutputDecl::Path(path) => {
                        let name = crate::syntax::print_path(path);
                        (name, self.bound_path(path))
                    }
                };
                if self.states.contains(&name) {
                    continue;
                }
                if let Some(Bound::Value(value)) = value {
                    let shape = self.output_shape(&name);
                    self.sketch.outputs.push((name, shape, value));
                }
            }
        }
    }

    /// A state, or a feedback: the model's own past output, or what it should have been. That is no
    /// path of a gradient, and never straight.
    fn state(&mut self, role: Role, group: &ast::Group, name: &str, outputs: &[String]) {
        let Some(Bound::Value(next)) = self.names.get(name).cloned() else { return };
        let mut old =
            self.sketch.given.iter().position(|it| {
                it.name == name && matches!(&it.pin, Pin::Old(steps) if steps[0] == 1)
            });
        if role == Role::Feedback
            && let Some(old) = old.take()
        {
            self.sketch.given[old].pin = Pin::Feedback;
        }
        let is_output =
            outputs.iter().any(|it| it == name) || role == Role::Feedback && outputs.is_empty();
        let carry = self.cell.and_then(|it| Some(&it.carries[it.carry(name)?]));
        let shape = carry.map(|it| it.shape.to_string());
        let shape = shape.unwrap_or_else(|| type_text(&group.type_));
        self.sketch.states.push(State { name: name.to_owned(), shape, next, is_output, old });
    }

    fn output_shape(&self, name: &str) -> String {
        let Some(cell) = self.cell else { return String::new() };
        let output = cell.outputs.iter().find(|it| &*it.name == name);
        output.map(|it| cell.step.shape(it.node).to_string()).unwrap_or_default()
    }
}

fn shapes(cell: Option<&ir::Cell>) -> BTreeMap<String, String> {
    let all = cell.iter().flat_map(|cell| {
        cell.values.iter().map(|it| (it.name.to_string(), cell.step.shape(it.node).to_string()))
    });
    all.collect()
}

fn type_text(it: &ast::Type) -> String {
    match &it.kind {
        ast::TypeKind::Real(axes) => {
            format!("[{}]", axes.iter().map(print_expr).collect::<Vec<_>>().join(", "))
        }
        ast::TypeKind::Index(dim) => format!("index[{}]", print_expr(dim)),
    }
}

/// The comment of a declaration, behind other text.
fn doc(decl: &Decl) -> String {
    let lines = decl.doc.iter().flat_map(|it| &it.lines);
    let text: Vec<&str> = lines.map(|it| it.trim()).collect();
    if text.is_empty() { String::new() } else { format!("; {}", text.join(" ")) }
}
