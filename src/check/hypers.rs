//! Hypers: untrained numbers and activations, with what was set from outside.

use std::collections::BTreeMap;

use super::consts::{Activation, Hypers};
use super::declared::Declared;
use super::layer::Given;
use super::lower::{Lower, Phase, Scope, Value};
use super::show;
use super::suggest::Suggest;
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, ActivationOf, DefKind, Expr, Kind};
use crate::ir::{self, Const, HyperKind};
use crate::syntax::ast::{self, Ident};
use crate::text::order;

/// The settings, the last of each name.
pub(super) type Settings<'s> = BTreeMap<&'s str, (&'s Ident, &'s ast::Expr)>;

/// Works out what each hyper is.
pub(super) fn resolve(
    names: &Declared<'_>,
    settings: &Settings<'_>,
    given: &Given,
    sink: &mut Vec<Diagnostic>,
) -> Hypers {
    let declared = &names.cell.hypers;
    let mut edges = Vec::with_capacity(declared.len());
    let mut wrong = Vec::with_capacity(declared.len());
    for hyper in declared {
        let (mut needs, mut is_wrong) = (Vec::new(), false);
        hir::walk::expr(&hyper.value, &mut |it| match it.kind {
            Kind::Def(def) => {
                if let DefKind::Hyper(at) = names.kind(def) {
                    needs.push(at);
                }
            }
            Kind::Error(_) => is_wrong = true,
            _ => {}
        });
        edges.push(needs);
        wrong.push(is_wrong);
    }
    let sorted = order::sort(&edges);
    for cycle in sorted.cycles {
        let circle: Vec<&str> = cycle.iter().map(|it| &*declared[*it].decl.name.name).collect();
        let message = format!("`{}` is defined by itself: {}", circle[0], order::circle(&circle));
        let span = declared[cycle[0]].decl.name.span;
        sink.push(Diagnostic::new(Code::Cycle, span, message));
        cycle.into_iter().for_each(|it| wrong[it] = true);
    }
    let mut hypers = Hypers::default();
    for idx in sorted.order {
        if wrong[idx] {
            continue;
        }
        let decl = declared[idx].decl;
        let name = &decl.name.name;
        match find(&declared[idx], names, &hypers, sink) {
            Some(Found::Number(_)) if given.numbers.contains_key(name) => {
                hypers.numbers.give(name.clone(), given.numbers[name]);
            }
            Some(Found::Number(value)) => {
                let value = match settings.get(&**name) {
                    Some(setting) => set_number(decl, *setting, names, &hypers, sink),
                    None => Some(value),
                };
                if let Some(value) = value {
                    hypers.numbers.insert(name.clone(), value);
                }
            }
            Some(Found::Activation(_)) if given.activations.contains_key(name) => {
                let (activation, constants) = &given.activations[name];
                for (name, value) in constants {
                    hypers.numbers.give(name.clone(), *value);
                }
                hypers.activations.insert((**name).into(), activation.clone());
            }
            Some(Found::Activation(activation)) => {
                let activation = match settings.get(&**name) {
                    Some(setting) => set_activation(decl, *setting, names, &hypers, sink),
                    None => Some(activation),
                };
                if let Some(activation) = activation {
                    hypers.activations.insert((**name).into(), activation);
                }
            }
            None => {}
        }
    }
    for hyper in declared {
        let name = hyper.decl.name.name.clone();
        let kind = match hypers.numbers.constants.get(&name) {
            Some(value) => HyperKind::Number(value.clone()),
            None => match hypers.activations.get(&*name) {
                Some(activation) => HyperKind::Activation(activation.text.clone()),
                None => continue,
            },
        };
        hypers.list.push(ir::Hyper { name, kind, span: hyper.decl.name.span });
    }
    hypers
}

enum Found {
    Number(Const),
    Activation(Activation),
}

/// Returns the activation that a hyper or a layer's argument is; `None` when it is none.
pub(super) fn given(
    expr: &Expr<'_>,
    names: &Declared<'_>,
    hypers: &Hypers,
) -> Result<Option<Activation>, Box<Diagnostic>> {
    match &expr.kind {
        Kind::Activation(it) => activation(it, names, hypers).map(Some),
        // Another name of a hyper that is an activation.
        Kind::Def(def) => Ok(hypers.activations.get(&*names.def(*def).name.name).cloned()),
        _ => Ok(None),
    }
}

/// Evaluates the default of a hyper.
fn find(
    hyper: &hir::Hyper<'_>,
    names: &Declared<'_>,
    hypers: &Hypers,
    sink: &mut Vec<Diagnostic>,
) -> Option<Found> {
    match given(&hyper.value, names, hypers) {
        Ok(Some(activation)) => return Some(Found::Activation(activation)),
        Ok(None) => {}
        Err(fault) => {
            sink.push(*fault);
            return None;
        }
    }
    let mut lower = Lower::new(names, hypers, Phase::Constants);
    let what = format!("the hyper `{}`", hyper.decl.name.name);
    let value = lower.constant_expr(&hyper.value, &Scope::CELL, &what);
    sink.append(&mut lower.sink);
    value.map(Found::Number)
}

/// `leaky_relu(slope = 0.2)` with its constants; the first fault of them.
fn activation(
    it: &hir::Activation<'_>,
    names: &Declared<'_>,
    hypers: &Hypers,
) -> Result<Activation, Box<Diagnostic>> {
    let mut lower = Lower::new(names, hypers, Phase::Constants);
    let params: Vec<(&str, Option<Const>)> = match it.of {
        ActivationOf::Builtin(_, signature) => {
            let rest = signature.params[1..].iter();
            rest.map(|it| (it.name, it.default.map(Const::Number))).collect()
        }
        ActivationOf::Function(id) => {
            let function = &names.tree.functions[id];
            let defaults = function.defaults.iter().flatten();
            let params = function.params.iter().skip(1).zip(defaults);
            params
                .map(|(param, default)| {
                    let default = lower.constant_expr(default, &Scope::CELL, "a default");
                    (&*param.name.name, default)
                })
                .collect()
        }
    };
    let mut constants = Vec::with_capacity(params.len());
    let mut shown = Vec::new();
    for ((param, default), given) in params.into_iter().zip(&it.args) {
        let Some(expr) = given else {
            constants.push(default.unwrap_or(Const::Number(0.0)));
            continue;
        };
        shown.push(format!("{param} = {}", show::short(expr.ast)));
        let what = format!("`{param}` of `{}`", it.name.name);
        let found = lower.constant_expr(expr, &Scope::CELL, &what);
        match (found, lower.sink.pop()) {
            (Some(found), None) => {
                if let ActivationOf::Builtin(op, _) = it.of
                    && op.constant(constants.len() + 1).is_some_and(|it| it.is_positive)
                    && let Some(fault) = lower.not_positive(&found, &what, expr.span())
                {
                    return Err(Box::new(fault));
                }
                constants.push(found);
            }
            (_, Some(fault)) => return Err(Box::new(fault)),
            (None, None) => {
                // A hyper that is wrong itself; nothing else is silent.
                let message = format!("{what} is not known here");
                return Err(Box::new(Diagnostic::new(Code::UnknownName, expr.span(), message)));
            }
        }
    }
    let mut text = it.name.name.to_string();
    if !shown.is_empty() {
        text = format!("{text}({})", shown.join(", "));
    }
    Ok(Activation { of: it.of, constants, text })
}

fn bad_setting(setting: (&Ident, &ast::Expr), message: String) -> Diagnostic {
    Diagnostic::new(Code::BadSetting, setting.0.span, message)
}

fn set_number(
    decl: &ast::HyperDecl,
    setting: (&Ident, &ast::Expr),
    names: &Declared<'_>,
    hypers: &Hypers,
    sink: &mut Vec<Diagnostic>,
) -> Option<Const> {
    let value = number(setting.1, names, hypers);
    if value.is_none() {
        let (name, text) = (&decl.name.name, show::short(setting.1));
        let message = format!("`{name}` is a number and cannot be set to `{text}`");
        sink.push(bad_setting(setting, message).label(decl.name.span, "declared here"));
    }
    value.map(Const::Number)
}

/// Returns a number that was set: a constant expression without names.
fn number(expr: &ast::Expr, names: &Declared<'_>, hypers: &Hypers) -> Option<f64> {
    let expr = hir::resolve_number(names.tree, expr);
    let mut lower = Lower::new(names, hypers, Phase::Constants);
    match lower.expr(&expr, &Scope::CELL)? {
        Value::Constant(value, _) => value.as_number().filter(|it| !it.is_nan()),
        Value::Node(_) | Value::Index(..) => None,
    }
}

fn set_activation(
    decl: &ast::HyperDecl,
    setting: (&Ident, &ast::Expr),
    names: &Declared<'_>,
    hypers: &Hypers,
    sink: &mut Vec<Diagnostic>,
) -> Option<Activation> {
    let Some(found) = hir::resolve_activation(names.tree, setting.1) else {
        let (hyper, text) = (&decl.name.name, show::short(setting.1));
        let message = format!("`{hyper}` is an activation and cannot be set to `{text}`");
        let fault = bad_setting(setting, message).label(decl.name.span, "declared here");
        sink.push(fault.help(format!("such as `{hyper}=tanh` or `{hyper}=leaky_relu(0.2)`")));
        return None;
    };
    let found = found.and_then(|it| match &it.kind {
        Kind::Activation(it) => activation(it, names, hypers).map(Some),
        _ => Ok(None),
    });
    match found {
        Ok(it) => it,
        Err(fault) => {
            sink.push(Diagnostic { code: Code::BadSetting, ..*fault });
            None
        }
    }
}

/// Applies what was set to the dims, and reports what cannot be set.
pub(super) fn set_dims(
    names: &mut Declared<'_>,
    settings: &Settings<'_>,
    sink: &mut Vec<Diagnostic>,
) {
    let cell = names.cell.name();
    for (name, setting) in settings {
        let Some(id) = names.cell.find(name) else {
            let known = names.cell.defs_of(|it| matches!(it, DefKind::Dim(_) | DefKind::Hyper(_)));
            let near = Suggest::unlimited().nearest(name, known.map(|it| &*it.1.name.name));
            let mut message = format!("cell `{cell}` has no size or hyper `{name}`");
            if let Some(near) = near {
                message = format!("{message}; did you mean `{near}`?");
            }
            sink.push(bad_setting(*setting, message));
            continue;
        };
        let def = names.def(id);
        match def.kind {
            DefKind::Hyper(_) => continue,
            DefKind::Dim(_) => {}
            _ => {
                let message = format!("`{name}` is {} and cannot be set", def.kind.article());
                let fault = bad_setting(*setting, message)
                    .label(def.name.span, "declared here")
                    .help("sizes and hypers can be set");
                sink.push(fault);
                continue;
            }
        }
        let declared = def.name.span;
        if let Some((_, definition)) = names.dims.derived.iter().find(|it| &*it.0 == *name) {
            let message = format!("`{name}` is derived as `{definition}` and cannot be set");
            let of = definition.names();
            let fault = bad_setting(*setting, message).label(declared, "declared here");
            let help = format!("set {} instead", show::list(&of));
            sink.push(if of.is_empty() { fault } else { fault.help(help) });
            continue;
        }
        let value = number(setting.1, names, &Hypers::default());
        let Some(dim) = names.dims.free.iter_mut().find(|it| &*it.name == *name) else { continue };
        if let Some(like) = &dim.like {
            let message = format!("`{name}` is as large as `{like}` and cannot be set");
            let fault = bad_setting(*setting, message).label(declared, "declared here");
            sink.push(fault.help(format!("set `{like}` instead")));
            continue;
        }
        match value.and_then(super::consts::whole) {
            Some(size) if (1..=super::dims::MOST_ELEMENTS).contains(&size) => {
                dim.default = Some(size);
            }
            Some(_) | None => {
                let text = show::short(setting.1);
                let message = format!("`{name}` is a size and cannot be set to `{text}`");
                let fault = bad_setting(*setting, message).label(declared, "declared here");
                sink.push(fault.help("a size is a whole number, at least 1"));
            }
        }
    }
}
