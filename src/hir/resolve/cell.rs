//! All expressions of a cell.

use super::{Place, Resolver, Shared};
use crate::diag::{self, Code, Diagnostic};
use crate::hir::declare::{Names, Returned, RightSide};
use crate::hir::expr::{Expr, Kind};
use crate::hir::fold;
use crate::hir::id::{CellId, DefId, EquationId, GroupId, LayerId};
use crate::hir::kind::{DefKind, ValueKind};
use crate::hir::known::Known;
use crate::hir::references::{Owner, Target};
use crate::hir::tree::{
    Cell, Dim, DimKind, Equation, Group, Hyper, Layer, Loss, Output, Type, Value,
};
use crate::syntax::ast::{self, ExprKind, Ident, Role, TypeKind};
use crate::syntax::print_path;
use crate::text::Span;
use crate::text::id::{Id, IdVec};
use std::collections::BTreeMap;

/// Resolves a cell whose names are collected.
pub(in crate::hir) fn resolve<'a>(known: &Known<'a>, id: CellId, shared: &mut Shared) -> Cell<'a> {
    let names = &known.cells[id];
    let first = shared.sink.len();
    let mut resolver = Resolver::new(known, shared, Some(names), Owner::Cell(id));
    for (def, it) in names.defs.pairs() {
        resolver.define(it.name.span, Target::Def(id, def));
    }
    for decl in &names.ast.decls {
        if let ast::DeclKind::Update(name, _) = &decl.kind
            && let Some((def, _)) = names.find(&name.name)
        {
            resolver.refer_def(name.span, def);
        }
    }
    let dims = resolver.dims(names);
    let hypers = resolver.hypers(names);
    let mut groups = resolver.groups(names);
    let (equations, layers) = resolver.equations(names, &mut groups);
    resolver.place = Place::Loss;
    let mut losses = Vec::with_capacity(names.losses.len());
    for (decl, value, at_last) in &names.losses {
        losses.push(Loss { decl, value: resolver.expr(value), at_last: *at_last });
    }
    resolver.place = Place::Step;
    let outputs = resolver.outputs(names);
    let layouts = resolver.layouts(names);
    let locals = std::mem::take(&mut resolver.locals);
    let repeated = fold::repeated(equations.iter(), &locals);
    Cell {
        ast: names.ast,
        defs: names.defs.clone(),
        by_name: names.by_name.clone(),
        locals,
        dims,
        hypers,
        groups,
        equations,
        layers,
        outputs,
        losses,
        layouts,
        repeated,
        sound: names.sound && !diag::has_errors(&shared.sink[first..]),
        recursive: names.recursive,
        is_inner: names.is_inner,
        is_known: names.is_known,
    }
}

/// Returns the hypers that are activations: by their default, or as another name of one that is.
fn activations(resolver: &Resolver<'_, '_>, names: &Names<'_>) -> Vec<bool> {
    let other = |at: usize| match &names.hypers[at].1.value.kind {
        ExprKind::Path(path) if path.tail.is_empty() => match names.find(&path.head.name)?.1.kind {
            DefKind::Hyper(other) => Some(other),
            _ => None,
        },
        _ => None,
    };
    let mut found: Vec<bool> = names
        .hypers
        .iter()
        .map(|it| resolver.activation_form(&it.1.value, false).is_some())
        .collect();
    for at in 0..found.len() {
        let mut chain = vec![at];
        while !found[chain[chain.len() - 1]]
            && let Some(next) = other(chain[chain.len() - 1])
            && !chain.contains(&next)
        {
            chain.push(next);
        }
        if found[chain[chain.len() - 1]] {
            chain.into_iter().for_each(|it| found[it] = true);
        }
    }
    found
}

type Uses = Vec<(DefId, Span)>;

impl<'a> Resolver<'_, 'a> {
    fn dims(&mut self, names: &Names<'a>) -> Vec<Dim<'a>> {
        let mut dims = Vec::with_capacity(names.dims.len());
        for it in &names.dims {
            let kind = match &it.decl.kind {
                ast::DimKind::Free => DimKind::Free,
                ast::DimKind::Equals(expr) => DimKind::Equals(self.size(expr)),
                ast::DimKind::Like(other) => DimKind::Like(self.dim(other)),
            };
            dims.push(Dim { def: it.def, decl: it.decl, kind });
        }
        dims
    }

    fn hypers(&mut self, names: &Names<'a>) -> Vec<Hyper<'a>> {
        let activations = activations(self, names);
        self.activations = activations.iter().copied().map(Some).collect();
        let mut hypers = Vec::with_capacity(names.hypers.len());
        for (at, (def, decl)) in names.hypers.iter().enumerate() {
            let before = self.shared.sink.len();
            self.place = Place::Constant(format!("the hyper `{}`", decl.name.name));
            let value = match self.activation_form(&decl.value, false) {
                Some((name, args)) => self.activation(&decl.value, name, args),
                None => match self.unnamed_constants(&decl.value) {
                    Some(fault) => {
                        let kind = self.error(fault);
                        self.node(&decl.value, kind)
                    }
                    None => self.expr(&decl.value),
                },
            };
            if self.shared.sink.len() > before {
                self.activations[at] = None;
            }
            let is_activation = activations[at];
            hypers.push(Hyper { def: *def, decl, value, is_activation });
        }
        hypers
    }

    /// Returns the groups, without the values of computed consts, which belong to equations.
    fn groups(&mut self, names: &Names<'a>) -> IdVec<GroupId, Group<'a>> {
        let mut groups = IdVec::new();
        for source in &names.groups {
            let name = &source.ast.names[0].name;
            if let (Role::Mask, Some(law)) = (source.role, &source.ast.value)
                && let ExprKind::Call(called, _) = &law.kind
            {
                self.refer(called.span, Target::Builtin("bernoulli"));
            }
            let type_ = match &source.ast.type_.kind {
                TypeKind::Real(axes) => Type::Real(axes.iter().map(|it| self.size(it)).collect()),
                TypeKind::Index(below) => Type::Index(self.size(below)),
            };
            let place = match source.role {
                Role::State | Role::Feedback => Place::Start(format!("the start of `{name}`")),
                Role::Input => Place::Constant(format!("the default of `{name}`")),
                Role::Mask => Place::Constant(format!("the probability of `{name}`")),
                Role::Const | Role::Param | Role::Target => Place::Init,
            };
            self.place = place;
            let value = source.value.filter(|_| source.role != Role::Const);
            let value = value.map(|it| self.expr(it));
            let init = source.ast.init.as_ref().map(|init| {
                self.place = Place::Init;
                match source.role {
                    Role::Param => self.expr(init),
                    Role::Const if source.value.is_none() => self.expr(init),
                    // Misplaced, which is reported.
                    Role::Const
                    | Role::Input
                    | Role::State
                    | Role::Mask
                    | Role::Target
                    | Role::Feedback => self.quiet(|it| it.expr(init)),
                }
            });
            self.place = Place::Step;
            let teacher = match (&source.ast.teacher, source.role) {
                (Some(teacher), Role::Feedback) => self.teacher(names, teacher),
                (_, _) => None,
            };
            groups.push(Group {
                ast: source.ast,
                decl: source.decl,
                role: source.role,
                defs: source.defs.clone(),
                type_,
                value,
                init,
                teacher,
            });
        }
        groups
    }

    /// Returns the target that teaches a feedback.
    fn teacher(&mut self, names: &Names<'a>, teacher: &Ident) -> Option<DefId> {
        let Some((def, found)) = names.find(&teacher.name) else {
            let targets = names.defs.iter().filter(|it| it.kind == DefKind::Target);
            let known = targets.map(|it| &*it.name.name);
            let fault = self.shared.suggest.report(Code::UnknownName, "target", teacher, known);
            self.report(fault);
            return None;
        };
        self.refer_def(teacher.span, def);
        match found.kind {
            DefKind::Target => Some(def),
            DefKind::Error => None,
            kind => {
                let message = format!("`{}` is {}, not a target", teacher.name, kind.article());
                let fault = Diagnostic::new(Code::WrongKindOfName, teacher.span, message)
                    .label(found.name.span, "declared here")
                    .help("a feedback is taught by a `target`");
                self.report(fault);
                None
            }
        }
    }

    fn equations(
        &mut self,
        names: &Names<'a>,
        groups: &mut IdVec<GroupId, Group<'a>>,
    ) -> (IdVec<EquationId, Equation<'a>>, IdVec<LayerId, Layer<'a>>) {
        let (mut equations, mut layers) = (IdVec::new(), IdVec::new());
        // What the names of a group of consts share is resolved once, and read by each.
        let mut shared: BTreeMap<GroupId, Uses> = BTreeMap::new();
        self.take_uses();
        for (targets, source, decl) in &names.equations {
            let target = &names.defs[targets[0]];
            self.place = match target.kind {
                DefKind::Computed => Place::Computed(format!("the const `{}`", target.name.name)),
                _ => Place::Step,
            };
            let root = match source {
                RightSide::Value(ast::Value::Expr(expr)) => Some(expr),
                RightSide::Expr(expr) => Some(*expr),
                RightSide::Value(ast::Value::Fold(_))
                | RightSide::OfGroup(_)
                | RightSide::Layer(_)
                | RightSide::Error(_) => None,
            };
            let may = |kind| {
                let returned = DefKind::Value(ValueKind::Output);
                names.is_model() && (kind == DefKind::Feedback || kind == returned)
            };
            self.chooses = root.filter(|_| may(target.kind)).map(bare);
            let value = match *source {
                RightSide::Value(value) => {
                    let defines: Vec<&Ident> =
                        targets.iter().map(|it| names.defs[*it].name).collect();
                    self.value(value, &defines)
                }
                RightSide::Expr(expr) => Value::Expr(self.expr(expr)),
                RightSide::OfGroup(group) => {
                    if let (None, Some(value)) = (shared.get(&group), names.groups[group].value) {
                        groups[group].value = Some(self.expr(value));
                        shared.insert(group, self.uses.clone());
                    }
                    self.uses.clone_from(shared.entry(group).or_default());
                    Value::OfGroup(group)
                }
                // Equations have the order of their layers.
                RightSide::Layer(id) => {
                    layers.push(self.layer(names, id));
                    Value::Layer(id)
                }
                RightSide::Error(value) => self.wrong_value(value),
            };
            let (uses, pasts, past_parts) = self.take_uses();
            let targets = targets.clone();
            equations.push(Equation { decl, targets, value, uses, pasts, past_parts });
        }
        self.chooses = None;
        (equations, layers)
    }

    fn take_uses(&mut self) -> (Uses, Uses, Vec<(DefId, String)>) {
        (
            std::mem::take(&mut self.uses),
            std::mem::take(&mut self.pasts),
            std::mem::take(&mut self.past_parts),
        )
    }

    /// Lists the values that a step returns, the main output first.
    fn outputs(&mut self, names: &Names<'a>) -> Vec<Output<'a>> {
        let mut outputs = Vec::with_capacity(names.outputs.len());
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for returned in &names.outputs {
            let path = match *returned {
                Returned::Def(def) => {
                    outputs.push(Output::Def(def));
                    continue;
                }
                Returned::Path(path) => path,
            };
            let Some((def, found)) = names.find(&path.head.name) else {
                let known = names.all();
                let fault =
                    self.shared.suggest.report(Code::UnknownName, "name", &path.head, known);
                self.report(fault);
                continue;
            };
            let article = found.kind.article();
            let not_a_value = match found.kind {
                DefKind::Error => {
                    self.refer_def(path.head.span, def);
                    continue;
                }
                DefKind::Dim(_) | DefKind::Hyper(_) => true,
                DefKind::Target => names.is_model(),
                _ => false,
            };
            if not_a_value {
                self.refer_def(path.head.span, def);
                let message =
                    format!("`{}` is {article}, not a value of the step", found.name.name);
                let fault = Diagnostic::new(Code::WrongKindOfName, path.span, message)
                    .label(found.name.span, "declared here");
                self.report(fault);
                continue;
            }
            let before = self.shared.sink.len();
            let kind = self.path(path);
            if self.shared.sink.len() > before {
                continue;
            }
            let text = print_path(path);
            if let Some(before) = seen.insert(text.clone(), path.span) {
                let message = format!("`{text}` is returned twice");
                let fault = Diagnostic::new(Code::DefinedTwice, path.span, message)
                    .label(before, "first returned here");
                self.report(fault);
                continue;
            }
            outputs.extend(match kind {
                Kind::Def(def) => Some(Output::Def(def)),
                Kind::Part(part) => Some(Output::Part(part)),
                _ => None,
            });
        }
        if names.is_model() && names.outputs.is_empty() {
            let feedbacks = names.defs.pairs().filter(|it| it.1.kind == DefKind::Feedback);
            outputs.extend(feedbacks.map(|it| Output::Def(it.0)));
        }
        outputs
    }
}

/// Resolves a constant without names.
pub(in crate::hir) fn number<'a>(
    known: &Known<'a>,
    expr: &'a ast::Expr,
    shared: &mut Shared,
) -> Expr<'a> {
    Resolver::new(known, shared, None, Owner::Cell(CellId::new(0))).expr(expr)
}

/// Resolves an activation whose constants may be given by position; `None` where it is none.
pub(in crate::hir) fn activation<'a>(
    known: &Known<'a>,
    expr: &'a ast::Expr,
    shared: &mut Shared,
) -> Option<Expr<'a>> {
    let mut resolver = Resolver::new(known, shared, None, Owner::Cell(CellId::new(0)));
    let (name, args) = resolver.activation_form(expr, true)?;
    Some(resolver.activation(expr, name, args))
}

/// Returns the place of an expression without the parentheses around it.
fn bare(expr: &ast::Expr) -> Span {
    let mut expr = expr;
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    expr.span
}
