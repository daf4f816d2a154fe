//! Layers: what each is given, and the values that are read of it.

use std::collections::BTreeMap;

use super::{Place, Resolver};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::declare::{LayerSource, Names};
use crate::hir::expr::{Kind, Part};
use crate::hir::id::{CellId, DefId, LayerId};
use crate::hir::kind::DefKind;
use crate::hir::references::Target;
use crate::hir::show;
use crate::hir::tree::{ArgKind, Def, Layer, LayerArg};
use crate::syntax::ast::{self, Ident, LayerDecl, Path};
use crate::text::Span;

/// Returns the kind of a name of an inner cell, as far as a layer of it may care.
fn seen_outside(kind: DefKind) -> &'static str {
    match kind {
        // Outside they are all values.
        DefKind::Value(_) => "a value",
        _ => kind.article(),
    }
}

/// The definition in an inner cell that a path leads to; none for the layer itself.
type Leads = Option<(CellId, DefId)>;

fn is_setting(kind: DefKind) -> bool {
    matches!(kind, DefKind::Dim(_) | DefKind::Hyper(_))
}

/// Returns true if a layer may be given a value for this name, with `prev` or without.
fn may_be_given(names: &Names<'_>, kind: DefKind, prev: bool) -> bool {
    match kind {
        DefKind::Dim(dim) => !prev && !names.dims[dim].derived,
        _ if prev => kind == DefKind::State,
        _ => matches!(kind, DefKind::Input | DefKind::Hyper(_)),
    }
}

impl<'a> Resolver<'_, 'a> {
    /// Resolves a layer with all that it is given.
    pub(super) fn layer(&mut self, names: &Names<'a>, id: LayerId) -> Layer<'a> {
        let LayerSource { def, decl, cell } = names.layers[id];
        let first = self.shared.sink.len();
        let kinds = self.check_layer(decl, cell);
        let shares = decl.shares.as_ref().and_then(|it| self.shares(names, decl, it));
        let sound = self.shared.sink.len() == first
            && cell.is_some_and(|it| !self.known.cells[it].recursive)
            && decl.shares.is_some() == shares.is_some();
        let constant = |what: String| Place::Constant(what);
        let count = decl.count.as_ref().map(|count| {
            self.place = constant("the number of layers".to_owned());
            self.expr(count)
        });
        let mut args = Vec::with_capacity(decl.args.len());
        for (arg, (kind, inner)) in decl.args.iter().zip(kinds) {
            let name = &arg.name.name;
            self.place = match kind {
                ArgKind::Value | ArgKind::Error => Place::Step,
                ArgKind::Size => constant(format!("the size `{name}` of `{}`", decl.name.name)),
                ArgKind::Hyper => constant(format!("`{name}` of `{}`", decl.name.name)),
            };
            // An activation is no value.
            let value = match self.activation_form(&arg.value, false) {
                Some((name, given)) if matches!(kind, ArgKind::Hyper | ArgKind::Error) => {
                    self.activation(&arg.value, name, given)
                }
                Some(_) | None => self.expr(&arg.value),
            };
            args.push(LayerArg { ast: arg, kind, def: inner, value });
        }
        if let (Some(other), Some(layer), true) = (&decl.shares, shares, sound) {
            self.uses.push((names.layers[layer].def, other.span));
        }
        self.place = Place::Step;
        Layer { decl, def, cell, count, args, shares, sound }
    }

    /// Checks what names tell of a layer; gives what each argument is.
    fn check_layer(
        &mut self,
        layer: &'a LayerDecl,
        cell: Option<CellId>,
    ) -> Vec<(ArgKind, Option<DefId>)> {
        let unknown = vec![(ArgKind::Error, None); layer.args.len()];
        let Some(cell) = cell else {
            if !self.known.may_hold(&layer.cell.name) {
                let fault = self.unknown_cell(&layer.cell);
                self.report(fault);
            }
            return unknown;
        };
        self.refer(layer.cell.span, Target::Cell(cell));
        let known = self.known;
        let inner = &known.cells[cell];
        if inner.is_model() {
            let message = format!("`{}` is a model; a layer is made of a cell", layer.cell.name);
            let fault = Diagnostic::new(Code::ModelAsLayer, layer.cell.span, message)
                .label(inner.ast.name.span, "declared here")
                .help("what both have in common is a `cell` of its own");
            self.report(fault);
            return unknown;
        }
        if let Some(other) = inner.layers.iter().find(|it| it.decl.backward.is_some()) {
            let message = format!(
                "`{}` has no single step, so it cannot be a layer: its layer `{}` reads `backward`",
                layer.cell.name, other.decl.name.name
            );
            let span = other.decl.backward.unwrap_or(other.decl.name.span);
            let fault = Diagnostic::new(Code::ReadsBackward, layer.cell.span, message)
                .label(span, "declared here")
                .help("write its layers in this cell");
            self.report(fault);
        }
        let mut kinds = Vec::with_capacity(layer.args.len());
        let mut given: BTreeMap<&str, Span> = BTreeMap::new();
        for arg in &layer.args {
            kinds.push(self.argument(arg, layer, cell));
            if let Some(before) = given.insert(&arg.name.name, arg.name.span) {
                let message =
                    format!("`{}` of `{}` is given twice", arg.name.name, layer.name.name);
                let fault = Diagnostic::new(Code::BadArguments, arg.name.span, message)
                    .label(before, "first given here");
                self.report(fault);
            }
        }
        let missing: Vec<&Ident> = inner
            .inputs()
            .filter(|(_, it)| !inner.is_optional(it) && !given.contains_key(&*it.name.name))
            .map(|it| it.1.name)
            .collect();
        if let Some(one) = missing.first() {
            let (name, of) = (&layer.name.name, &inner.ast.name.name);
            let list: Vec<&str> = missing.iter().map(|it| &*it.name).collect();
            let what = if list.len() == 1 { "the input" } else { "the inputs" };
            let message = format!("`{name}` lacks {what} {} of `{of}`", show::list(&list));
            let fault = Diagnostic::new(Code::BadArguments, layer.cell.span, message)
                .label(one.span, "declared here")
                .help(format!("write `{} = ..` between the parentheses", one.name));
            self.report(fault);
        }
        if let Some(count) = &layer.count
            && inner.inputs().next().is_none()
        {
            let message = format!("`{}` has no input through which to stack it", layer.cell.name);
            let fault = Diagnostic::new(Code::BadArguments, count.span, message)
                .label(inner.ast.name.span, "declared here");
            self.report(fault);
        }
        kinds
    }

    fn unknown_cell(&mut self, name: &Ident) -> Diagnostic {
        let text = &*name.name;
        if let Some(id) = self.known.function(text) {
            let message = format!("`{text}` is a function, not a cell");
            return Diagnostic::new(Code::UnknownCell, name.span, message)
                .label(self.known.functions[id].name().span, "declared here");
        }
        let known = self.known.cells.iter().filter(|it| it.is_known);
        let known = known.map(|it| &*it.ast.name.name);
        let fault = self.shared.suggest.report(Code::UnknownCell, "cell", name, known);
        match fault.fix {
            Some(_) => fault,
            None => fault.help("a layer is made of a cell of this file, or of one that it uses"),
        }
    }

    fn argument(
        &mut self,
        arg: &ast::LayerArg,
        layer: &LayerDecl,
        id: CellId,
    ) -> (ArgKind, Option<DefId>) {
        let known = self.known;
        let inner = &known.cells[id];
        let (name, cell) = (&arg.name, &inner.ast.name);
        let Some((def, declared)) = inner.find(&name.name) else {
            let fault = self.no_such_argument(arg, inner);
            self.report(fault);
            return (ArgKind::Error, None);
        };
        self.refer(name.span, Target::Def(id, def));
        let text = &name.name;
        let is = seen_outside(declared.kind);
        let wrong = |message: String| {
            Diagnostic::new(Code::BadArguments, name.span, message)
                .label(declared.name.span, "declared here")
        };
        let fault = match (arg.prev, declared.kind) {
            (_, DefKind::Error) => return (ArgKind::Error, None),
            (true, DefKind::State) | (false, DefKind::Input) => return (ArgKind::Value, Some(def)),
            (false, DefKind::Dim(dim)) if !inner.dims[dim].derived => {
                return (ArgKind::Size, Some(def));
            }
            (false, DefKind::Hyper(_)) => return (ArgKind::Hyper, Some(def)),
            (false, DefKind::Dim(_)) => {
                wrong(format!("the size `{text}` of `{}` follows from others", cell.name))
                    .help("give those that it is made of")
            }
            (false, DefKind::State) => {
                wrong(format!("`{text}` is a state of `{}`, not an input", cell.name))
                    .help(format!("its old value can be given: `prev {text} = ..`"))
                    .fix(Applicability::Maybe, name.span, format!("prev {text}"))
            }
            (false, DefKind::Param { .. }) => {
                wrong(format!("`{text}` is {is} of `{}` and cannot be given", cell.name)).help(
                    format!(
                        "it becomes `{}.{text}`; to use that of another layer write `shares`",
                        layer.name.name
                    ),
                )
            }
            (false, _) => wrong(format!("`{text}` is {is} of `{}` and cannot be given", cell.name))
                .help("inputs, sizes and hypers can be given, and the old values of states"),
            (true, _) => wrong(format!("`{text}` is {is} of `{}`, not a state", cell.name))
                .help("only the old values of states can be given"),
        };
        self.report(fault);
        (ArgKind::Error, None)
    }

    fn no_such_argument(&mut self, arg: &ast::LayerArg, inner: &Names<'a>) -> Diagnostic {
        let (name, cell) = (&arg.name, &inner.ast.name);
        let fits = |it: &&Def<'_>| may_be_given(inner, it.kind, arg.prev);
        let fitting = inner.defs.iter().filter(fits).map(|it| &*it.name.name);
        let near = self.shared.suggest.nearest(&name.name, fitting);
        let what = if arg.prev { "state" } else { "input, size or hyper" };
        let mut message = format!("`{}` has no {what} `{}`", cell.name, name.name);
        if let Some(near) = near {
            message = format!("{message}; did you mean `{near}`?");
        }
        let fault = Diagnostic::new(Code::BadArguments, name.span, message)
            .label(cell.span, format!("`{}` is declared here", cell.name));
        if let Some(near) = near {
            return fault.fix(Applicability::Maybe, name.span, near);
        }
        // In the order of their letters.
        let mut list: Vec<(&str, bool)> = inner
            .defs
            .iter()
            .map(|it| (&*it.name.name, it.kind))
            .filter(|it| [false, true].iter().any(|prev| may_be_given(inner, it.1, *prev)))
            .map(|(name, kind)| (name, kind == DefKind::State))
            .collect();
        list.sort_unstable();
        let list: Vec<String> = list
            .into_iter()
            .take(12)
            .map(|(name, prev)| if prev { format!("prev {name}") } else { name.to_owned() })
            .collect();
        match list.is_empty() {
            true => fault,
            false => fault.help(format!("it may be given {}", show::list(&list))),
        }
    }

    /// Returns the layer of the same cell whose weights are used; `None` after a report.
    fn shares(&mut self, names: &Names<'a>, layer: &LayerDecl, other: &Ident) -> Option<LayerId> {
        let layer_of = |name: &str| names.find(name)?.1.kind.layer();
        let found = names.find(&other.name);
        if let Some((def, _)) = found {
            self.refer_def(other.span, def);
        }
        let Some(id) = layer_of(&other.name) else {
            let fault = match found {
                Some((_, def)) if def.kind == DefKind::Error => return None,
                Some((_, def)) => {
                    let message =
                        format!("`{}` is {}, not a layer", other.name, def.kind.article());
                    Diagnostic::new(Code::BadShares, other.span, message)
                        .label(def.name.span, "declared here")
                }
                None => {
                    let known = names.layers.iter().map(|it| &*it.decl.name.name);
                    self.shared.suggest.report(Code::BadShares, "layer", other, known)
                }
            };
            self.report(fault);
            return None;
        };
        let target = names.layers[id].decl;
        let mut at = target;
        for _ in 0..=names.layers.len() {
            if std::ptr::eq(at, layer) {
                let message = format!("`{}` shares its own weights", layer.name.name);
                let fault = Diagnostic::new(Code::BadShares, other.span, message)
                    .help("one of the layers has weights of its own; the others share them");
                self.report(fault);
                return None;
            }
            match at.shares.as_ref().and_then(|it| layer_of(&it.name)) {
                Some(next) => at = names.layers[next].decl,
                None => break,
            }
        }
        if target.cell.name != layer.cell.name {
            let message = format!(
                "`{}` is made of `{}` and cannot share the weights of `{}`, made of `{}`",
                layer.name.name, layer.cell.name, target.name.name, target.cell.name
            );
            let fault = Diagnostic::new(Code::BadShares, other.span, message)
                .label(target.cell.span, "this is another cell");
            self.report(fault);
        }
        if let (None, Some(count)) | (Some(count), None) = (&layer.count, &target.count) {
            let message = format!("`{}` and `{}` are not both stacks", layer.name.name, other.name);
            let fault = Diagnostic::new(Code::BadShares, other.span, message)
                .label(count.span, "this one is a stack")
                .help("weights are shared layer by layer");
            self.report(fault);
        }
        Some(id)
    }

    /// Returns a value of a layer. `None` after a report; `Some(None)` for what could not be read where it is declared.
    pub(super) fn layer_part(
        &mut self,
        layer_def: DefId,
        layer: LayerId,
        path: &'a Path,
    ) -> Option<Option<Part<'a>>> {
        let names = self.names?;
        let mut indices = Vec::with_capacity(path.tail.len());
        for (index, _) in &path.tail {
            indices.push(index.as_ref().map(|index| {
                let place = Place::Constant("the index of a stack".to_owned());
                let place = std::mem::replace(&mut self.place, place);
                let index = self.expr(index);
                self.place = place;
                index
            }));
        }
        match self.follow(names, layer, path) {
            Ok(Some(def)) => Some(Some(Part { path, layer, layer_def, indices, last: None, def })),
            Ok(None) => Some(None),
            Err(fault) => {
                self.report(*fault);
                None
            }
        }
    }

    /// Follows the names after that of a layer: the definition that they lead to, none for the layer itself. `Ok(None)` where
    /// that is reported elsewhere.
    fn follow(
        &mut self,
        names: &Names<'a>,
        layer: LayerId,
        path: &'a Path,
    ) -> Result<Option<Leads>, Box<Diagnostic>> {
        let known = self.known;
        let mut at = &names.layers[layer];
        let mut held: Option<(CellId, DefId)> = None;
        for (step, (index, name)) in path.tail.iter().enumerate() {
            if let (Some(index), None) = (index, &at.decl.count) {
                return Err(Box::new(no_stack(at.decl, index)));
            }
            let Some(cell) = at.cell else { return Ok(None) };
            let inner = &known.cells[cell];
            let Some((def, found)) = inner.find(&name.name) else {
                return Err(Box::new(self.no_part(name, at.decl, inner)));
            };
            self.refer(name.span, Target::Def(cell, def));
            if is_setting(found.kind) {
                let message = format!(
                    "`{}` is {}, not a value of the step",
                    found.name.name,
                    found.kind.article()
                );
                let fault = Diagnostic::new(Code::WrongKindOfName, name.span, message)
                    .label(found.name.span, "declared here")
                    .help(format!("it is what the arguments of `{}` say", at.decl.name.name));
                return Err(Box::new(fault));
            }
            held = Some((cell, def));
            let Some((_, next)) = path.tail.get(step + 1) else {
                if found.kind == DefKind::Error {
                    return Ok(None);
                }
                break;
            };
            at = match found.kind {
                DefKind::Error => return Ok(None),
                DefKind::Layer(layer) => &inner.layers[layer],
                kind => {
                    let (name, is) = (&found.name.name, seen_outside(kind));
                    let message = format!("`{name}` is {is} and has no part `{}`", next.name);
                    let fault = Diagnostic::new(Code::WrongKindOfName, next.span, message);
                    return Err(Box::new(fault.label(found.name.span, "declared here")));
                }
            };
        }
        Ok(Some(held))
    }

    fn no_part(&mut self, name: &Ident, layer: &LayerDecl, inner: &Names<'a>) -> Diagnostic {
        let (cell, of) = (&inner.ast.name, &layer.name.name);
        let known = inner.defs.iter().filter(|it| !is_setting(it.kind)).map(|it| &*it.name.name);
        let mut message = format!("`{of}`, a `{}`, has no part `{}`", cell.name, name.name);
        let near = self.shared.suggest.nearest(&name.name, known);
        if let Some(near) = near {
            message = format!("{message}; did you mean `{near}`?");
        }
        let fault = Diagnostic::new(Code::UnknownName, name.span, message)
            .label(cell.span, format!("`{}` is declared here", cell.name));
        match near {
            Some(near) => fault.fix(Applicability::Maybe, name.span, near),
            None => fault,
        }
    }

    /// Returns true if a value of a layer is a stack, so that an index after it picks a layer.
    pub(super) fn is_stack(&self, part: &Part<'_>) -> bool {
        let layer = match part.def {
            None => self.names.map(|it| &it.layers[part.layer]),
            Some((cell, def)) => {
                let inner = &self.known.cells[cell];
                inner.defs[def].kind.layer().map(|it| &inner.layers[it])
            }
        };
        part.last.is_none() && layer.is_some_and(|it| it.decl.count.is_some())
    }

    /// Returns true if an expression is a param or stored const of a layer.
    pub(super) fn is_weight(&self, kind: &Kind<'_>) -> bool {
        let Kind::Part(Part { def: Some((cell, def)), .. }) = kind else { return false };
        matches!(self.known.cells[*cell].defs[*def].kind, DefKind::Param { .. })
    }
}

/// Returns the report of an index after a layer that is no stack.
fn no_stack(layer: &LayerDecl, index: &ast::Expr) -> Diagnostic {
    let message = format!("`{}` is a single layer and has no index", layer.name.name);
    Diagnostic::new(Code::BadLookup, index.span, message)
        .label(layer.name.span, "declared here")
        .help(format!("a stack is declared as `layer {}[2] = ..`", layer.name.name))
}
