//! The declarations of a cell: each name once, each part of a declaration where it belongs.
//!
//! Names alone are collected here, of every cell of the program, before any expression is resolved: equations have any
//! order, and `a.h` needs the names of another cell.

use std::collections::HashMap;

use super::fold;
use super::id::{CellId, DefId, EquationId, GroupId, LayerId};
use super::kind::{DefKind, ValueKind};
use super::masks;
use super::report::twice;
use super::suggest::Suggest;
use super::tree::Def;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::{
    self, Decl, DeclKind, DimDecl, DimKind, Expr, ExprKind, Group, HyperDecl, Ident, LayerDecl,
    LayoutDecl, OutputDecl, Path, Role, TypeKind, ValueRole,
};
use crate::text::Span;
use crate::text::id::{Id, IdVec};

/// The names of a cell, and where everything about them is written.
pub(super) struct Names<'a> {
    pub ast: &'a ast::Cell,
    pub defs: IdVec<DefId, Def<'a>>,
    pub by_name: HashMap<&'a str, DefId>,
    pub dims: Vec<DimSource<'a>>,
    pub hypers: Vec<(DefId, &'a HyperDecl)>,
    pub groups: IdVec<GroupId, GroupSource<'a>>,
    pub equations: IdVec<EquationId, (Vec<DefId>, RightSide<'a>, &'a Decl)>,
    pub layers: IdVec<LayerId, LayerSource<'a>>,
    pub outputs: Vec<Returned<'a>>,
    pub losses: Vec<(&'a Decl, &'a Expr, bool)>,
    pub layouts: Vec<&'a LayoutDecl>,
    pub sound: bool,
    /// True if it contains itself or a cell that does.
    pub recursive: bool,
    pub is_inner: bool,
    pub is_known: bool,
}

/// A dim, and whether its definition has names in it.
pub(super) struct DimSource<'a> {
    pub def: DefId,
    pub decl: &'a DimDecl,
    pub derived: bool,
}

pub(super) struct GroupSource<'a> {
    pub ast: &'a Group,
    pub decl: &'a Decl,
    pub role: Role,
    pub defs: Vec<DefId>,
    /// The part of its value that is resolved: of a mask the probability.
    pub value: Option<&'a Expr>,
}

pub(super) struct LayerSource<'a> {
    pub def: DefId,
    pub decl: &'a LayerDecl,
    /// The cell of that name.
    pub cell: Option<CellId>,
}

/// The right side of an equation as it is written.
#[derive(Clone, Copy)]
pub(super) enum RightSide<'a> {
    Value(&'a ast::Value),
    Expr(&'a Expr),
    OfGroup(GroupId),
    Layer(LayerId),
    /// It has not as many values as names, which was reported.
    Error(&'a ast::Value),
}

impl RightSide<'_> {
    fn span(self, names: &Names<'_>) -> Span {
        match self {
            RightSide::Value(ast::Value::Expr(it)) | RightSide::Expr(it) => it.span,
            // The parser reads no loop without a result.
            RightSide::Value(ast::Value::Fold(fold)) => fold.results[0].span,
            RightSide::OfGroup(group) => names.groups[group].ast.span,
            RightSide::Layer(layer) => names.layers[layer].decl.cell.span,
            RightSide::Error(ast::Value::Expr(it)) => it.span,
            RightSide::Error(ast::Value::Fold(fold)) => fold.span,
        }
    }
}

/// The values that a cell returns.
#[derive(Clone, Copy)]
pub(super) enum Returned<'a> {
    /// A value that has a name.
    Path(&'a Path),
    /// The value of this definition.
    Def(DefId),
}

impl<'a> Names<'a> {
    pub fn find(&self, name: &str) -> Option<(DefId, &Def<'a>)> {
        let def = *self.by_name.get(name)?;
        Some((def, &self.defs[def]))
    }

    /// Returns all names, in the order of the source.
    pub fn all(&self) -> impl Iterator<Item = &'a str> {
        self.defs.iter().map(|it| &*it.name.name)
    }

    pub fn is_model(&self) -> bool {
        self.ast.kind == ast::CellKind::Model
    }

    /// Returns the inputs, in the order of the source.
    pub fn inputs(&self) -> impl Iterator<Item = (DefId, &Def<'a>)> {
        self.defs.pairs().filter(|it| it.1.kind == DefKind::Input)
    }

    /// Returns true if an input may be left out.
    pub fn is_optional(&self, def: &Def<'a>) -> bool {
        def.group.is_some_and(|it| self.groups[it].value.is_some())
    }
}

/// Collects the names of a cell and checks their declarations.
pub(super) fn collect<'a>(cell: &'a ast::Cell, sink: &mut Vec<Diagnostic>) -> Names<'a> {
    let names = Names {
        ast: cell,
        defs: IdVec::new(),
        by_name: HashMap::new(),
        dims: Vec::new(),
        hypers: Vec::new(),
        groups: IdVec::new(),
        equations: IdVec::new(),
        layers: IdVec::new(),
        outputs: Vec::new(),
        losses: Vec::new(),
        layouts: Vec::new(),
        sound: true,
        recursive: false,
        is_inner: false,
        is_known: false,
    };
    let mut collector = Collector { names, suggest: Suggest::new(), sink };
    for decl in &cell.decls {
        collector.declare(decl);
    }
    for name in &cell.unread.names {
        if !collector.names.by_name.contains_key(&*name.name) {
            collector.define(name, DefKind::Error, None);
        }
    }
    // An equation may come before the declaration that it belongs to.
    for decl in &cell.decls {
        if let DeclKind::Update(name, value) = &decl.kind {
            collector.update(name, value, decl);
        }
    }
    let names = collector.names;
    finish(cell, &names, sink);
    names
}

struct Collector<'a, 's> {
    names: Names<'a>,
    suggest: Suggest,
    sink: &'s mut Vec<Diagnostic>,
}

impl<'a> Collector<'a, '_> {
    /// Adds a name; `None` when it is taken.
    fn define(&mut self, name: &'a Ident, kind: DefKind, decl: Option<&'a Decl>) -> Option<DefId> {
        if let Some(first) = self.names.by_name.get(&*name.name) {
            self.sink.push(twice(name, self.names.defs[*first].name));
            return None;
        }
        let def = self.names.defs.push(Def { name, kind, decl, group: None, equation: None });
        self.names.by_name.insert(&name.name, def);
        Some(def)
    }

    fn equation(&mut self, targets: Vec<DefId>, value: RightSide<'a>, decl: &'a Decl) {
        let equation = self.names.equations.push((targets.clone(), value, decl));
        for target in targets {
            self.names.defs[target].equation = Some(equation);
        }
    }

    /// Returns the right side of an equation of a number of names.
    fn right(&mut self, value: &'a ast::Value, n_names: usize) -> RightSide<'a> {
        match fold::parts_fault(value, n_names) {
            Some(fault) => {
                self.sink.push(fault);
                RightSide::Error(value)
            }
            None => RightSide::Value(value),
        }
    }

    /// Returns the state or feedback of this name, if it has no equation so far.
    fn without_equation(&self, name: &Ident) -> Option<DefId> {
        let def = *self.names.by_name.get(&*name.name)?;
        let found = &self.names.defs[def];
        let is_updated = matches!(found.kind, DefKind::State | DefKind::Feedback);
        (is_updated && found.equation.is_none()).then_some(def)
    }

    fn value(&mut self, name: &'a Ident, kind: ValueKind, value: &'a ast::Value, decl: &'a Decl) {
        let value = self.right(value, 1);
        if let Some(state) = self.without_equation(name) {
            let what = self.names.defs[state].kind.article();
            let message = format!("`{0}` is {what}; its new value is `{0} = ..`", name.name);
            let fault = Diagnostic::new(Code::DefinedTwice, name.span, message)
                .label(self.names.defs[state].name.span, "first defined here")
                .fix(Applicability::Maybe, Span { end: name.span.start, ..decl.span }, "");
            self.sink.push(fault);
            self.equation(vec![state], value, decl);
        } else if let Some(def) = self.define(name, DefKind::Value(kind), Some(decl)) {
            self.equation(vec![def], value, decl);
        }
    }

    /// `let (u, v) = fold ..`
    fn tuple(&mut self, names: &'a [Ident], value: &'a ast::Value, decl: &'a Decl) {
        let value = self.right(value, names.len());
        let kind = DefKind::Value(ValueKind::Let);
        let defs: Vec<Option<DefId>> =
            names.iter().map(|it| self.define(it, kind, Some(decl))).collect();
        match defs.iter().copied().collect::<Option<Vec<DefId>>>() {
            Some(known) => self.equation(known, value, decl),
            // A name is taken, which was reported: what the others are is not looked at.
            None => {
                let known = defs.into_iter().flatten();
                known.for_each(|it| self.names.defs[it].kind = DefKind::Error);
            }
        }
    }

    fn declare(&mut self, decl: &'a Decl) {
        match &decl.kind {
            DeclKind::Dims(list) => {
                for dim in list {
                    let kind = DefKind::Dim(self.names.dims.len());
                    if let Some(def) = self.define(&dim.name, kind, Some(decl)) {
                        let derived = match &dim.kind {
                            DimKind::Equals(expr) => mentions_names(expr),
                            DimKind::Free | DimKind::Like(_) => false,
                        };
                        self.names.dims.push(DimSource { def, decl: dim, derived });
                    }
                }
            }
            DeclKind::Hyper(list) => {
                for hyper in list {
                    let kind = DefKind::Hyper(self.names.hypers.len());
                    if let Some(def) = self.define(&hyper.name, kind, Some(decl)) {
                        self.names.hypers.push((def, hyper));
                    }
                }
            }
            DeclKind::Group(role, groups) => {
                groups.iter().for_each(|it| self.group(*role, it, decl))
            }
            DeclKind::Value(role, name, value) => {
                let kind = match role {
                    ValueRole::Gate => ValueKind::Gate,
                    ValueRole::Let => ValueKind::Let,
                };
                self.value(name, kind, value, decl);
            }
            DeclKind::Tuple(names, value) => self.tuple(names, value, decl),
            // After all declarations.
            DeclKind::Update(..) => {}
            DeclKind::Output(list) => {
                for output in list {
                    match output {
                        OutputDecl::Path(path) => self.names.outputs.push(Returned::Path(path)),
                        OutputDecl::Named(name, value) => {
                            let kind = DefKind::Value(ValueKind::Output);
                            if let Some(def) = self.define(name, kind, Some(decl)) {
                                self.equation(vec![def], RightSide::Expr(value), decl);
                                self.names.outputs.push(Returned::Def(def));
                            }
                        }
                    }
                }
            }
            DeclKind::Layer(layer) => {
                let kind = DefKind::Layer(LayerId::new(self.names.layers.len()));
                let Some(def) = self.define(&layer.name, kind, Some(decl)) else { return };
                let id = self.names.layers.push(LayerSource { def, decl: layer, cell: None });
                self.equation(vec![def], RightSide::Layer(id), decl);
            }
            DeclKind::Loss { value, at_last } => {
                self.of_model("loss", decl.span);
                if let Some((first, ..)) = self.names.losses.first() {
                    let fault =
                        Diagnostic::new(Code::SecondLoss, decl.span, "a model has one loss")
                            .label(first.span, "this is the first")
                            .help("add them up, with weights: `loss a + 0.1 * b`");
                    self.sink.push(fault);
                }
                self.names.losses.push((decl, value, *at_last));
            }
            // A layout defines no name of the cell.
            DeclKind::Layout(layout) => self.names.layouts.push(layout),
        }
    }

    fn group(&mut self, role: Role, group: &'a Group, decl: &'a Decl) {
        let kind = match role {
            Role::Input => DefKind::Input,
            Role::State => DefKind::State,
            Role::Param => DefKind::Param { trained: true },
            Role::Const if group.value.is_some() => DefKind::Computed,
            Role::Const => DefKind::Param { trained: false },
            Role::Mask => DefKind::Mask,
            Role::Target => DefKind::Target,
            Role::Feedback => DefKind::Feedback,
        };
        let value = match role {
            Role::Mask => masks::declared(group, self.sink),
            // Misplaced, which is reported.
            Role::Param | Role::Target => None,
            Role::Input | Role::State | Role::Const | Role::Feedback => group.value.as_ref(),
        };
        if let Role::Target | Role::Feedback = role {
            self.of_model(role.keyword(), group_span(decl, role));
        }
        self.check_places(role, group);
        let source = GroupSource { ast: group, decl, role, defs: Vec::new(), value };
        let id = self.names.groups.push(source);
        for name in &group.names {
            let Some(def) = self.define(name, kind, Some(decl)) else { continue };
            self.names.groups[id].defs.push(def);
            self.names.defs[def].group = Some(id);
            if kind == DefKind::Computed {
                self.equation(vec![def], RightSide::OfGroup(id), decl);
            }
        }
    }

    /// Reports what a plain cell has no use for.
    fn of_model(&mut self, keyword: &str, span: Span) {
        if self.names.is_model() {
            return;
        }
        let cell = self.names.ast;
        let word = Span { end: cell.span.start + "cell".len() as u32, ..cell.span };
        let fault =
            Diagnostic::new(Code::WrongPlace, span, format!("`{keyword}` belongs to models"))
                .help(format!("write `model {}`", cell.name.name))
                .fix(Applicability::Maybe, word, "model");
        self.sink.push(fault);
    }

    /// The parts of a group that do not belong to its kind.
    fn check_places(&mut self, role: Role, group: &Group) {
        let keyword = role.keyword();
        if let Some(init) = &group.init {
            let help = match role {
                Role::State | Role::Feedback => Some("the start of a state stands after `=`"),
                Role::Const if group.value.is_some() => {
                    Some("a const is either stored (`init`) or computed (`=`)")
                }
                Role::Param | Role::Const => None,
                Role::Mask => Some("the probability of a mask stands after `=`"),
                Role::Input | Role::Target => Some("`init` belongs to params and stored consts"),
            };
            if let Some(help) = help {
                self.misplaced(
                    init.span,
                    format!("`init` does not belong to this {keyword}"),
                    help,
                );
            }
        }
        if let (Role::Param, Some(value)) = (role, &group.value) {
            let message = "a param has no `=`";
            let mut fault = Diagnostic::new(Code::WrongPlace, value.span, message).help(
                "its first value stands after `init`; a computed value is a `const` or a `let`",
            );
            if group.init.is_none() {
                // From the end of the type to the value: the `=`.
                let sign =
                    Span { start: group.type_.span.end, end: value.span.start, ..value.span };
                fault = fault.fix(Applicability::Maybe, sign, " init ");
            }
            self.sink.push(fault);
        }
        if let (Role::Target, Some(value)) = (role, &group.value) {
            self.misplaced(value.span, "a target has no `=`".to_owned(), "its values are data");
        }
        match (role, &group.per) {
            (Role::Mask, _) | (_, None) => {}
            (Role::Input, Some((ast::Scope::Step | ast::Scope::Sequence, _))) => {}
            (Role::Input, Some((ast::Scope::Run, span))) => {
                let message = "an input is not given `per run`".to_owned();
                let help = "write `per sequence` for a value that is the same at all steps of a \
                            sequence; what is the same for all sequences is a `param`, `const` or \
                            `hyper`";
                self.misplaced(*span, message, help);
            }
            (_, Some((_, span))) => {
                let message = format!("`per` does not belong to this {keyword}");
                let help = "masks are drawn per step, sequence or run, and inputs are given per \
                            step or sequence";
                self.misplaced(*span, message, help);
            }
        }
        if let (Some(teacher), true) = (&group.teacher, role != Role::Feedback) {
            let message = format!("`teacher` does not belong to this {keyword}");
            self.misplaced(teacher.span, message, "only a feedback has a teacher");
        }
        let may_be_index = matches!(role, Role::Input | Role::Target | Role::Feedback);
        if let (TypeKind::Index(_), false) = (&group.type_.kind, may_be_index) {
            let message = format!("this {keyword} cannot be an index");
            self.misplaced(group.type_.span, message, "`index[V]` belongs to inputs and targets");
        }
    }

    fn misplaced(&mut self, span: Span, message: String, help: &str) {
        self.sink.push(Diagnostic::new(Code::WrongPlace, span, message).help(help));
    }

    /// `NAME = value`: the new value of a state or feedback.
    fn update(&mut self, name: &'a Ident, value: &'a ast::Value, decl: &'a Decl) {
        let found = self.names.by_name.get(&*name.name).copied();
        let right = self.right(value, 1);
        let Some(def) = found else {
            let states = self.names.defs.iter().filter(|it| it.kind == DefKind::State);
            let near = self.suggest.nearest(&name.name, states.map(|it| &*it.name.name));
            let message = format!("`{}` is not a state", name.name);
            let mut fault = Diagnostic::new(Code::NotAState, name.span, message);
            fault = match near {
                // `param b: [H] init = 0` ends before its `init`.
                None if &*name.name == "init" => {
                    fault.help("the initialiser follows `init` without `=`: `init 0`")
                }
                Some(near) => fault.help(format!("did you mean `{near}`?")).fix(
                    Applicability::Maybe,
                    name.span,
                    near,
                ),
                None => fault
                    .help(format!("write `let {0} = ..`, or declare `state {0}: [..]`", name.name))
                    .fix(Applicability::Maybe, name.span.before(), "let "),
            };
            self.sink.push(fault);
            // The name is known from here on, so that its uses are not reported too.
            self.define(name, DefKind::Error, Some(decl));
            return;
        };
        let first = &self.names.defs[def];
        let declared = first.name.span;
        match (first.kind, first.equation) {
            (DefKind::State | DefKind::Feedback, None) => self.equation(vec![def], right, decl),
            (DefKind::State | DefKind::Feedback, Some(equation)) => {
                let message = format!("the new value of `{}` is defined twice", name.name);
                let other = self.names.equations[equation].1.span(&self.names);
                let fault = Diagnostic::new(Code::DefinedTwice, name.span, message)
                    .label(other, "first defined here");
                self.sink.push(fault);
            }
            (DefKind::Value(_) | DefKind::Layer(_), _) => {
                self.sink.push(twice(name, first.name));
            }
            (DefKind::Error, _) => {}
            (_, _) => {
                let message = format!("`{}` is {}, not a state", name.name, first.kind.article());
                let fault = Diagnostic::new(Code::NotAState, name.span, message)
                    .label(declared, "declared here")
                    .help(
                        "`NAME = ..` gives the new value of a state; write `let` with another name",
                    );
                self.sink.push(fault);
            }
        }
    }
}

/// Returns the keyword before a group.
fn group_span(decl: &Decl, role: Role) -> Span {
    Span { end: decl.span.start + role.keyword().len() as u32, ..decl.span }
}

/// Returns true if a definition of a dim has names in it, so that it is no default.
fn mentions_names(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |it| found |= matches!(it.kind, ExprKind::Path(_)));
    found
}

/// Reports the parts that a cell lacks.
fn finish(cell: &ast::Cell, names: &Names<'_>, sink: &mut Vec<Diagnostic>) {
    for def in &names.defs {
        let what = match def.kind {
            DefKind::State => "state",
            DefKind::Feedback => "feedback",
            _ => continue,
        };
        let name = &def.name.name;
        if def.equation.is_some() || cell.unread.holds(name) {
            continue;
        }
        let message = format!("{what} `{name}` has no equation for its new value");
        let fault = Diagnostic::new(Code::NoEquation, def.name.span, message)
            .help(format!("write `{name} = ..`"));
        sink.push(fault);
    }
    let says_output = cell.decls.iter().any(|it| matches!(it.kind, DeclKind::Output(_)));
    // A model without `output` returns its feedbacks.
    let feeds_back = names.defs.iter().any(|it| it.kind == DefKind::Feedback);
    if !says_output && !cell.unread.output && !feeds_back {
        let message = format!("cell `{}` has no output", cell.name.name);
        let mut fault = Diagnostic::new(Code::NoOutput, cell.name.span, message);
        let state = names.defs.iter().find(|it| it.kind == DefKind::State);
        fault = match state {
            Some(state) => {
                let text = format!("output {}", state.name.name);
                let end = Span { start: cell.span.end.saturating_sub(1), ..cell.span.after() };
                let end = Span { end: end.start, ..end };
                fault.help(format!("write `{text}`")).fix(
                    Applicability::Maybe,
                    end,
                    format!("  {text}\n"),
                )
            }
            None => fault.help("write `output y = ..`"),
        };
        sink.push(fault);
    }
}
