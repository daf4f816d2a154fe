//! The declarations of a cell: each name once, each part of a declaration where it belongs.

use super::dims;
use super::fold;
use super::items;
use super::masks;
use super::names::{Def, Equation, Kind, Layer, Names, Returned, Right, no_size, unknown_size};
use super::suggest::Suggest;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::ir::{Dim, Shape, ValueKind};
use crate::syntax::ast::{
    Cell, DeclKind, DimDecl, Group, Ident, OutputDecl, Role, Type, TypeKind, Value, ValueRole,
};
use crate::text::Span;

/// Collects the names of a cell and checks their declarations.
pub(super) fn collect<'a>(
    cell: &'a Cell,
    sink: &mut Vec<Diagnostic>,
    sizes: &mut Vec<Diagnostic>,
) -> Names<'a> {
    let (groups, dims) = (Vec::new(), Vec::new());
    let mut collector =
        Collector { names: Names::default(), groups, dims, suggest: Suggest::new(), sink };
    for decl in &cell.decls {
        collector.declare(&decl.kind, decl.span);
    }
    for name in &cell.unread.names {
        if !collector.names.by_name.contains_key(&*name.name) {
            collector.define(name, Kind::Later);
        }
    }
    // Equations may stand before what they belong to.
    for decl in &cell.decls {
        if let DeclKind::Update(name, value) = &decl.kind {
            collector.update(name, value);
        }
    }
    let told = std::mem::replace(collector.sink, std::mem::take(sizes));
    collector.types();
    *sizes = std::mem::replace(collector.sink, told);
    let mut names = collector.names;
    names.repeated = fold::repeated(&names.equations);
    finish(cell, &names, sink);
    names
}

struct Collector<'a, 's> {
    names: Names<'a>,
    /// The groups and the names that each defines, in order.
    groups: Vec<(&'a Group, Vec<usize>)>,
    dims: Vec<&'a DimDecl>,
    suggest: Suggest,
    sink: &'s mut Vec<Diagnostic>,
}

impl<'a> Collector<'a, '_> {
    /// Adds a name; `None` when it is taken.
    fn define(&mut self, name: &'a Ident, kind: Kind<'a>) -> Option<usize> {
        if let Some(first) = self.names.by_name.get(&*name.name) {
            self.sink.push(items::twice(name, self.names.defs[*first].name));
            return None;
        }
        let idx = self.names.defs.len();
        self.names.by_name.insert(&name.name, idx);
        self.names.defs.push(Def { name, kind, shape: None, slot: 0, equation: None });
        Some(idx)
    }

    fn later(&mut self, what: &str, span: Span) {
        let message = format!("`{what}` is not supported yet");
        self.sink.push(Diagnostic::new(Code::NotSupportedYet, span, message));
    }

    fn equation(&mut self, def: usize, value: Right<'a>) {
        self.equations(def, Vec::new(), value);
    }

    fn equations(&mut self, def: usize, rest: Vec<usize>, value: Right<'a>) {
        let equation = Equation::new(def, rest, value);
        for target in equation.targets() {
            self.names.defs[target].equation = Some(self.names.equations.len());
        }
        self.names.equations.push(equation);
    }

    /// The right side of an equation of so many names; `None` after a report.
    fn right(&mut self, value: &'a Value, n_names: usize) -> Option<Right<'a>> {
        if let Some(fault) = fold::parts_fault(value, n_names) {
            self.sink.push(fault);
            return None;
        }
        Some(match value {
            Value::Expr(it) => Right::Expr(it),
            Value::Fold(it) => Right::Fold(it),
        })
    }

    /// The state of this name, if it has no equation so far.
    fn state_without_equation(&self, name: &Ident) -> Option<usize> {
        let idx = *self.names.by_name.get(&*name.name)?;
        let def = &self.names.defs[idx];
        (matches!(def.kind, Kind::State { .. }) && def.equation.is_none()).then_some(idx)
    }

    fn value(&mut self, name: &'a Ident, kind: ValueKind, value: &'a Value, span: Span) {
        let Some(value) = self.right(value, 1) else {
            self.define(name, Kind::Later);
            return;
        };
        if let Some(state) = self.state_without_equation(name) {
            let message = format!("`{0}` is a state; its new value is `{0} = ..`", name.name);
            let fault = Diagnostic::new(Code::DefinedTwice, name.span, message)
                .label(self.names.defs[state].name.span, "first defined here")
                .fix(Applicability::Maybe, Span { end: name.span.start, ..span }, "");
            self.sink.push(fault);
            self.equation(state, value);
        } else if let Some(def) = self.define(name, Kind::Value(kind)) {
            self.equation(def, value);
        }
    }

    /// `let (u, v) = fold ..`
    fn tuple(&mut self, names: &'a [Ident], value: &'a Value) {
        let value = self.right(value, names.len());
        let kind = match value {
            Some(_) => Kind::Value(ValueKind::Let),
            None => Kind::Later,
        };
        let defs: Vec<Option<usize>> =
            names.iter().map(|it| self.define(it, kind.clone())).collect();
        let known: Option<Vec<usize>> = defs.iter().copied().collect();
        match (value, known.as_deref()) {
            (Some(value), Some([first, rest @ ..])) => self.equations(*first, rest.to_vec(), value),
            // A name is taken, which was reported: what the others are is not looked at.
            (_, _) => {
                defs.into_iter().flatten().for_each(|it| self.names.defs[it].kind = Kind::Later);
            }
        }
    }

    fn declare(&mut self, decl: &'a DeclKind, span: Span) {
        match decl {
            DeclKind::Dims(list) => {
                for dim in list {
                    if self.define(&dim.name, Kind::Dim).is_some() {
                        self.dims.push(dim);
                    }
                }
            }
            DeclKind::Hyper(list) => {
                for hyper in list {
                    self.define(&hyper.name, Kind::Hyper(hyper));
                }
            }
            DeclKind::Group(role @ (Role::Target | Role::Feedback), groups) => {
                let word = Span { end: span.start + role.keyword().len() as u32, ..span };
                self.later(role.keyword(), word);
                for name in groups.iter().flat_map(|it| &it.names) {
                    self.define(name, Kind::Later);
                }
            }
            DeclKind::Group(role, groups) => groups.iter().for_each(|it| self.group(*role, it)),
            DeclKind::Value(role, name, value) => {
                let kind = match role {
                    ValueRole::Gate => ValueKind::Gate,
                    ValueRole::Let => ValueKind::Let,
                };
                self.value(name, kind, value, span);
            }
            DeclKind::Tuple(names, value) => self.tuple(names, value),
            // After all declarations.
            DeclKind::Update(..) => {}
            DeclKind::Output(list) => {
                for output in list {
                    match output {
                        OutputDecl::Path(path) => self.names.outputs.push(Returned::Path(path)),
                        OutputDecl::Named(name, value) => {
                            if let Some(def) = self.define(name, Kind::Value(ValueKind::Output)) {
                                self.equation(def, Right::Expr(value));
                                self.names.outputs.push(Returned::Def(def));
                            }
                        }
                    }
                }
            }
            DeclKind::Layer(layer) => {
                let idx = self.names.layers.len();
                let Some(def) = self.define(&layer.name, Kind::Layer(idx)) else { return };
                let decl = &**layer;
                let (kinds, sound, ready) = (Vec::new(), false, None);
                self.names.layers.push(Layer { decl, def, kinds, sound, ready });
                self.equation(def, Right::Layer(idx, decl));
            }
            DeclKind::Loss { .. } => self.later("loss", span),
            // A layout defines no name of the cell.
            DeclKind::Layout(_) => {}
        }
    }

    fn group(&mut self, role: Role, group: &'a Group) {
        let value = group.value.as_ref();
        let init = group.init.as_ref();
        let kind = match role {
            Role::Input => Kind::Input { index: None, default: value },
            Role::State => Kind::State { start: value },
            Role::Param => Kind::Param { init, trained: true },
            Role::Const if value.is_some() => Kind::Computed,
            Role::Const => Kind::Param { init, trained: false },
            Role::Mask => masks::declared(group, self.sink),
            // These never come here.
            Role::Target | Role::Feedback => Kind::Later,
        };
        self.check_places(role, group);
        let mut defs = Vec::new();
        for name in &group.names {
            let Some(def) = self.define(name, kind.clone()) else { continue };
            defs.push(def);
            if let (Kind::Computed, Some(value)) = (&kind, value) {
                self.equation(def, Right::Expr(value));
            }
        }
        self.groups.push((group, defs));
    }

    /// The parts of a group that do not belong to its kind.
    fn check_places(&mut self, role: Role, group: &Group) {
        let keyword = role.keyword();
        if let Some(init) = &group.init {
            let help = match role {
                Role::State => Some("the start of a state stands after `=`"),
                Role::Const if group.value.is_some() => {
                    Some("a const is either stored (`init`) or computed (`=`)")
                }
                Role::Param | Role::Const => None,
                Role::Mask => Some("the probability of a mask stands after `=`"),
                Role::Input | Role::Target | Role::Feedback => {
                    Some("`init` belongs to params and stored consts")
                }
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
        if let (Some((_, span)), true) = (&group.per, role != Role::Mask) {
            let message = format!("`per` does not belong to this {keyword}");
            self.misplaced(*span, message, "only masks are drawn per step, sequence or run");
        }
        if let Some(teacher) = &group.teacher {
            let message = format!("`teacher` does not belong to this {keyword}");
            self.misplaced(teacher.span, message, "only a feedback has a teacher");
        }
        if let (TypeKind::Index(_), true) = (&group.type_.kind, role != Role::Input) {
            let message = format!("this {keyword} cannot be an index");
            self.misplaced(group.type_.span, message, "`index[V]` belongs to inputs and targets");
        }
    }

    fn misplaced(&mut self, span: Span, message: String, help: &str) {
        self.sink.push(Diagnostic::new(Code::WrongPlace, span, message).help(help));
    }

    /// `NAME = value`: the new value of a state.
    fn update(&mut self, name: &'a Ident, value: &'a Value) {
        let found = self.names.by_name.get(&*name.name).copied();
        let right = self.right(value, 1);
        let Some(def) = found else {
            let states = self.names.defs.iter().filter(|it| matches!(it.kind, Kind::State { .. }));
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
            self.define(name, Kind::Later);
            return;
        };
        let first = &self.names.defs[def];
        let declared = first.name.span;
        match (&first.kind, first.equation) {
            (Kind::State { .. }, None) => match right {
                Some(right) => self.equation(def, right),
                None => self.names.defs[def].kind = Kind::Later,
            },
            (Kind::State { .. }, Some(equation)) => {
                let message = format!("the new value of `{}` is defined twice", name.name);
                let other = self.names.equations[equation].value.span();
                let fault = Diagnostic::new(Code::DefinedTwice, name.span, message)
                    .label(other, "first defined here");
                self.sink.push(fault);
            }
            (Kind::Value(_) | Kind::Layer(_), _) => {
                self.sink.push(items::twice(name, first.name));
            }
            (Kind::Later, _) => {}
            (
                Kind::Dim
                | Kind::Hyper(_)
                | Kind::Input { .. }
                | Kind::Param { .. }
                | Kind::Computed
                | Kind::Mask { .. },
                _,
            ) => {
                let message = format!("`{}` is {}, not a state", name.name, first.article());
                let fault = Diagnostic::new(Code::NotAState, name.span, message)
                    .label(declared, "declared here")
                    .help(
                        "`NAME = ..` gives the new value of a state; write `let` with another name",
                    );
                self.sink.push(fault);
            }
        }
    }

    /// Works out the sizes and the declared shapes.
    fn types(&mut self) {
        let dims = std::mem::take(&mut self.dims);
        let names = &self.names;
        let mut other = |name: &Ident| match names.find(&name.name) {
            Some((_, Def { kind: Kind::Later, .. })) => None,
            Some((_, def)) => Some(no_size(name, def)),
            None => Some(unknown_size(name, dims.iter().map(|it| &*it.name.name))),
        };
        let resolved = dims::resolve(&dims, &mut other, self.sink);
        self.names.dims = resolved;
        let mut slots = (0, 0, 0, 0);
        let mut shapes = Vec::new();
        for (group, defs) in std::mem::take(&mut self.groups) {
            let (shape, index) = self.type_(&group.type_);
            shapes.extend(shape.iter().map(|it| (group.type_.span, it.clone())));
            for def in defs {
                let def = &mut self.names.defs[def];
                def.shape.clone_from(&shape);
                let slot = match &mut def.kind {
                    Kind::Input { index: it, .. } => {
                        it.clone_from(&index);
                        &mut slots.0
                    }
                    Kind::State { .. } => &mut slots.1,
                    Kind::Param { .. } => &mut slots.2,
                    Kind::Mask { .. } => &mut slots.3,
                    Kind::Dim
                    | Kind::Hyper(_)
                    | Kind::Computed
                    | Kind::Value(_)
                    | Kind::Layer(_)
                    | Kind::Later => {
                        continue;
                    }
                };
                def.slot = *slot;
                *slot += 1;
            }
        }
        dims::check_defaults(&dims, &self.names.dims, &shapes, self.sink);
    }

    fn type_(&mut self, type_: &Type) -> (Option<Shape>, Option<Dim>) {
        let names = &self.names;
        let mut lookup = |name: &Ident| names.size(name);
        match &type_.kind {
            TypeKind::Real(axes) => (dims::shape(axes, type_.span, &mut lookup, self.sink), None),
            TypeKind::Index(below) => {
                let below = dims::size(below, &mut lookup, self.sink);
                (below.is_some().then(Shape::scalar), below)
            }
        }
    }
}

/// What a cell lacks.
fn finish(cell: &Cell, names: &Names<'_>, sink: &mut Vec<Diagnostic>) {
    for def in &names.defs {
        if let (Kind::State { .. }, None) = (&def.kind, def.equation) {
            let name = &def.name.name;
            if cell.unread.holds(name) {
                continue;
            }
            let message = format!("state `{name}` has no equation for its new value");
            let fault = Diagnostic::new(Code::NoEquation, def.name.span, message)
                .help(format!("write `{name} = ..`"));
            sink.push(fault);
        }
    }
    let says_output = cell.decls.iter().any(|it| matches!(it.kind, DeclKind::Output(_)));
    if !says_output && !cell.unread.output {
        let message = format!("cell `{}` has no output", cell.name.name);
        let mut fault = Diagnostic::new(Code::NoOutput, cell.name.span, message);
        let state = names.defs.iter().find(|it| matches!(it.kind, Kind::State { .. }));
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
