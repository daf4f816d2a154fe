//! Hypers: untrained numbers and activations, with what was set from outside.

use std::collections::BTreeMap;

use super::builtin;
use super::consts::Numbers;
use super::items::{Callable, Items};
use super::layer::Given;
use super::lower::{Lower, Phase, Scope, Value};
use super::names::{Def, Kind, Names};
use super::order;
use super::resolve::{Place, Resolver};
use super::show;
use super::suggest::Suggest;
use crate::diag::{Code, Diagnostic};
use crate::ir::{self, Const, HyperKind, Pointwise};
use crate::syntax::ast::{self, Arg, Expr, ExprKind, Ident};

/// A hyper that stands for an activation.
#[derive(Clone, Debug)]
pub(super) struct Activation<'a> {
    pub of: Of<'a>,
    /// The constants after the value, in the order of the parameters.
    pub constants: Vec<Const>,
    text: String,
}

impl Activation<'_> {
    /// Which one it is, whatever its constants are.
    pub fn name(&self) -> String {
        match self.of {
            Of::Builtin(op) => format!("{op:?}"),
            Of::Own(item) => item.name.name.to_string(),
        }
    }
}

/// Which activation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of<'a> {
    Builtin(Pointwise),
    Own(&'a ast::Activation),
}

/// All hypers of a cell.
#[derive(Default)]
pub(super) struct Hypers<'a> {
    pub list: Vec<ir::Hyper>,
    pub numbers: Numbers,
    pub activations: BTreeMap<Box<str>, Activation<'a>>,
}

/// What was set, the last of each name.
pub(super) type Settings<'s> = BTreeMap<&'s str, (&'s Ident, &'s Expr)>;

/// Works out what each hyper is.
pub(super) fn resolve<'a>(
    names: &Names<'a>,
    items: &Items<'a>,
    settings: &Settings<'_>,
    given: &Given<'a>,
    sink: &mut Vec<Diagnostic>,
) -> Hypers<'a> {
    let declared: Vec<(&Def<'a>, &'a ast::HyperDecl)> = names
        .defs
        .iter()
        .filter_map(|def| match &def.kind {
            Kind::Hyper(decl) => Some((def, *decl)),
            Kind::Dim
            | Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Value(_)
            | Kind::Layer(_)
            | Kind::Later => None,
        })
        .collect();
    let position: BTreeMap<&str, usize> =
        declared.iter().enumerate().map(|(idx, it)| (&*it.1.name.name, idx)).collect();
    let mut edges = Vec::with_capacity(declared.len());
    let mut wrong = vec![false; declared.len()];
    for (idx, (_, decl)) in declared.iter().enumerate() {
        let mut needs = Vec::new();
        if activation_form(&decl.value, names, items).is_none() {
            let before = sink.len();
            let place = Place::Constant(format!("the hyper `{}`", decl.name.name));
            let mut resolver = Resolver::new(names, items, place, sink);
            resolver.visit(&decl.value);
            let used = std::mem::take(&mut resolver.uses);
            wrong[idx] = sink.len() > before;
            for (def, _) in used {
                needs.extend(position.get(&*names.defs[def].name.name));
            }
        }
        edges.push(needs);
    }
    let sorted = order::sort(&edges);
    for cycle in sorted.cycles {
        let circle: Vec<&str> = cycle.iter().map(|it| &*declared[*it].1.name.name).collect();
        let message = format!("`{}` is defined by itself: {}", circle[0], order::circle(&circle));
        sink.push(Diagnostic::new(Code::Cycle, declared[cycle[0]].1.name.span, message));
        cycle.into_iter().for_each(|it| wrong[it] = true);
    }
    let mut hypers = Hypers::default();
    for idx in sorted.order {
        if wrong[idx] {
            continue;
        }
        let decl = declared[idx].1;
        match find(decl, names, items, &hypers, sink) {
            Some(Found::Number(_)) if given.numbers.contains_key(&decl.name.name) => {
                let value = given.numbers[&decl.name.name];
                hypers.numbers.give(decl.name.name.clone(), value);
            }
            Some(Found::Number(value)) => {
                let value = match settings.get(&*decl.name.name) {
                    Some(setting) => set_number(decl, *setting, names, items, &hypers, sink),
                    None => Some(value),
                };
                if let Some(value) = value {
                    hypers.numbers.insert(decl.name.name.clone(), value);
                }
            }
            Some(Found::Activation(_)) if given.activations.contains_key(&decl.name.name) => {
                let (activation, constants) = &given.activations[&decl.name.name];
                for (name, value) in constants {
                    hypers.numbers.give(name.clone(), *value);
                }
                hypers.activations.insert((*decl.name.name).into(), activation.clone());
            }
            Some(Found::Activation(activation)) => {
                let activation = match settings.get(&*decl.name.name) {
                    Some(setting) => set_activation(decl, *setting, names, items, &hypers, sink),
                    None => Some(activation),
                };
                if let Some(activation) = activation {
                    hypers.activations.insert((*decl.name.name).into(), activation);
                }
            }
            None => {}
        }
    }
    for (_, decl) in declared {
        let name = decl.name.name.clone();
        let kind = match hypers.numbers.constants.get(&name) {
            Some(value) => HyperKind::Number(value.clone()),
            None => match hypers.activations.get(&*name) {
                Some(activation) => HyperKind::Activation(activation.text.clone()),
                None => continue,
            },
        };
        hypers.list.push(ir::Hyper { name, kind, span: decl.name.span });
    }
    hypers
}

enum Found<'a> {
    Number(Const),
    Activation(Activation<'a>),
}

/// The name and arguments of an activation, if an expression has that form. Arguments by position make it a number.
pub(super) fn activation_form<'e>(
    expr: &'e Expr,
    names: &Names<'_>,
    items: &Items<'_>,
) -> Option<(&'e Ident, &'e [Arg])> {
    let (name, args): (&Ident, &[Arg]) = match &expr.kind {
        ExprKind::Path(path) if path.tail.is_empty() && names.find(&path.head.name).is_none() => {
            (&path.head, &[])
        }
        ExprKind::Call(name, args) if !args.iter().any(|it| matches!(it, Arg::Positional(_))) => {
            (name, args)
        }
        ExprKind::Paren(inner) => return activation_form(inner, names, items),
        ExprKind::Path(_)
        | ExprKind::Call(..)
        | ExprKind::Number(_)
        | ExprKind::Inf
        | ExprKind::Pi
        | ExprKind::Prev(..)
        | ExprKind::Array(_)
        | ExprKind::Neg(..)
        | ExprKind::Index(..)
        | ExprKind::Chain(..)
        | ExprKind::Binary(..) => return None,
    };
    is_activation(&name.name, items).then_some((name, args))
}

/// The activation that a layer's argument is; `None` when it is none.
pub(super) fn given<'a>(
    expr: &'a Expr,
    names: &Names<'a>,
    items: &Items<'a>,
    hypers: &Hypers<'a>,
) -> Result<Option<Activation<'a>>, Box<Diagnostic>> {
    if let Some((name, args)) = activation_form(expr, names, items) {
        return Constants { names, items, hypers }.activation(name, args, false).map(Some);
    }
    Ok(match &expr.kind {
        ExprKind::Path(path) if path.tail.is_empty() => {
            hypers.activations.get(&*path.head.name).cloned()
        }
        ExprKind::Path(_)
        | ExprKind::Call(..)
        | ExprKind::Number(_)
        | ExprKind::Inf
        | ExprKind::Pi
        | ExprKind::Prev(..)
        | ExprKind::Array(_)
        | ExprKind::Paren(_)
        | ExprKind::Neg(..)
        | ExprKind::Index(..)
        | ExprKind::Chain(..)
        | ExprKind::Binary(..) => None,
    })
}

fn is_activation(name: &str, items: &Items<'_>) -> bool {
    builtin::activation(name).is_some()
        || items
            .find(name)
            .is_some_and(|idx| matches!(items.callables[idx], Callable::Activation(_)))
}

/// What the default of a hyper says.
fn find<'a>(
    decl: &'a ast::HyperDecl,
    names: &Names<'a>,
    items: &Items<'a>,
    hypers: &Hypers<'a>,
    sink: &mut Vec<Diagnostic>,
) -> Option<Found<'a>> {
    if let Some((name, args)) = activation_form(&decl.value, names, items) {
        let constants = Constants { names, items, hypers };
        return match constants.activation(name, args, false) {
            Ok(it) => Some(Found::Activation(it)),
            Err(fault) => {
                sink.push(*fault);
                None
            }
        };
    }
    // Another name of a hyper that is an activation.
    if let ExprKind::Path(path) = &decl.value.kind
        && let Some(activation) = hypers.activations.get(&*path.head.name)
    {
        return Some(Found::Activation(activation.clone()));
    }
    let mut lower = Lower::new(names, items, hypers, Phase::Constants);
    let what = format!("the hyper `{}`", decl.name.name);
    let value = lower.constant_expr(&decl.value, &Scope::CELL, &what);
    sink.append(&mut lower.sink);
    value.map(Found::Number)
}

struct Constants<'c, 'a> {
    names: &'c Names<'a>,
    items: &'c Items<'a>,
    hypers: &'c Hypers<'a>,
}

impl<'a> Constants<'_, 'a> {
    /// `leaky_relu(slope = 0.2)` or, where it cannot be anything else, `leaky_relu(0.2)`.
    fn activation(
        &self,
        name: &Ident,
        args: &[Arg],
        by_position: bool,
    ) -> Result<Activation<'a>, Box<Diagnostic>> {
        let mut lower = Lower::new(self.names, self.items, self.hypers, Phase::Constants);
        let (of, params): (Of<'a>, Vec<(&str, Option<Const>)>) =
            match builtin::activation(&name.name) {
                Some((op, signature)) => {
                    let rest = signature.params[1..].iter();
                    (
                        Of::Builtin(op),
                        rest.map(|it| (it.name, it.default.map(Const::Number))).collect(),
                    )
                }
                None => {
                    let found = self.items.find(&name.name).map(|idx| self.items.callables[idx]);
                    let Some(Callable::Activation(item)) = found else {
                        let message = format!("`{}` is no activation", name.name);
                        let fault = Diagnostic::new(Code::WrongKindOfName, name.span, message);
                        return Err(Box::new(fault));
                    };
                    let scope = Scope { locals: &[], cell: false };
                    let mut params = Vec::new();
                    for (param, default) in &item.constants {
                        params.push((
                            &*param.name,
                            lower.constant_expr(default, &scope, "a default"),
                        ));
                    }
                    (Of::Own(item), params)
                }
            };
        let form = super::args::Form {
            name: &name.name,
            params: params.iter().map(|it| (it.0, it.1.is_some())).collect(),
            variadic: false,
            over: false,
        };
        let matched = super::args::bind(&form, name, name.span, args)?;
        debug_assert!(by_position || !args.iter().any(|it| matches!(it, Arg::Positional(_))));
        let mut constants = Vec::with_capacity(params.len());
        let mut shown = Vec::new();
        for ((param, default), slot) in params.into_iter().zip(matched.slots) {
            let constant = match slot {
                Some(expr) => {
                    shown.push(format!("{param} = {}", show::short(expr)));
                    let what = format!("`{param}` of `{}`", name.name);
                    let found = lower.constant_expr(expr, &Scope::CELL, &what);
                    match (found, lower.sink.pop()) {
                        (Some(found), None) => found,
                        (_, Some(fault)) => return Err(Box::new(fault)),
                        (None, None) => {
                            // A name that does not exist; nothing else is silent.
                            let message = format!("{what} is not known here");
                            let fault = Diagnostic::new(Code::UnknownName, expr.span, message);
                            return Err(Box::new(fault));
                        }
                    }
                }
                None => default.unwrap_or(Const::Number(0.0)),
            };
            constants.push(constant);
        }
        let mut text = name.name.to_string();
        if !shown.is_empty() {
            text = format!("{text}({})", shown.join(", "));
        }
        Ok(Activation { of, constants, text })
    }
}

fn bad_setting(setting: (&Ident, &Expr), message: String) -> Diagnostic {
    Diagnostic::new(Code::BadSetting, setting.0.span, message)
}

fn set_number<'a>(
    decl: &ast::HyperDecl,
    setting: (&Ident, &Expr),
    names: &Names<'a>,
    items: &Items<'a>,
    hypers: &Hypers<'a>,
    sink: &mut Vec<Diagnostic>,
) -> Option<Const> {
    let value = number(setting.1, names, items, hypers);
    if value.is_none() {
        let (name, text) = (&decl.name.name, show::short(setting.1));
        let message = format!("`{name}` is a number and cannot be set to `{text}`");
        sink.push(bad_setting(setting, message).label(decl.name.span, "declared here"));
    }
    value.map(Const::Number)
}

/// A number that was set: a constant expression without names.
fn number<'a>(
    expr: &Expr,
    names: &Names<'a>,
    items: &Items<'a>,
    hypers: &Hypers<'a>,
) -> Option<f64> {
    let mut lower = Lower::new(names, items, hypers, Phase::Constants);
    match lower.expr(expr, &Scope { locals: &[], cell: false }) {
        Value::Constant(value, _) => value.as_number().filter(|it| !it.is_nan()),
        Value::Poison | Value::Node(_) | Value::Index(..) => None,
    }
}

fn set_activation<'a>(
    decl: &ast::HyperDecl,
    setting: (&Ident, &Expr),
    names: &Names<'a>,
    items: &Items<'a>,
    hypers: &Hypers<'a>,
    sink: &mut Vec<Diagnostic>,
) -> Option<Activation<'a>> {
    let found = match &setting.1.kind {
        ExprKind::Path(path) if path.tail.is_empty() => Some((&path.head, &[][..])),
        ExprKind::Call(name, args) => Some((name, &args[..])),
        ExprKind::Path(_)
        | ExprKind::Number(_)
        | ExprKind::Inf
        | ExprKind::Pi
        | ExprKind::Prev(..)
        | ExprKind::Array(_)
        | ExprKind::Paren(_)
        | ExprKind::Neg(..)
        | ExprKind::Index(..)
        | ExprKind::Chain(..)
        | ExprKind::Binary(..) => None,
    };
    let found = found.filter(|it| is_activation(&it.0.name, items));
    let Some((name, args)) = found else {
        let (hyper, text) = (&decl.name.name, show::short(setting.1));
        let message = format!("`{hyper}` is an activation and cannot be set to `{text}`");
        let fault = bad_setting(setting, message).label(decl.name.span, "declared here");
        sink.push(fault.help(format!("such as `{hyper}=tanh` or `{hyper}=leaky_relu(0.2)`")));
        return None;
    };
    match (Constants { names, items, hypers }).activation(name, args, true) {
        Ok(it) => Some(it),
        Err(fault) => {
            sink.push(Diagnostic { code: Code::BadSetting, ..*fault });
            None
        }
    }
}

/// Applies what was set to the dims, and reports what cannot be set.
pub(super) fn set_dims<'a>(
    names: &mut Names<'a>,
    items: &Items<'a>,
    settings: &Settings<'_>,
    cell: &str,
    sink: &mut Vec<Diagnostic>,
) {
    for (name, setting) in settings {
        let Some((_, def)) = names.find(name) else {
            let known =
                names.defs.iter().filter(|it| matches!(it.kind, Kind::Dim | Kind::Hyper(_)));
            let near = Suggest::unlimited().nearest(name, known.map(|it| &*it.name.name));
            let mut message = format!("cell `{cell}` has no size or hyper `{name}`");
            if let Some(near) = near {
                message = format!("{message}; did you mean `{near}`?");
            }
            sink.push(bad_setting(*setting, message));
            continue;
        };
        match &def.kind {
            Kind::Hyper(_) => continue,
            Kind::Dim => {}
            Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Value(_)
            | Kind::Layer(_)
            | Kind::Later => {
                let message = format!("`{name}` is {} and cannot be set", def.article());
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
        let value = number(setting.1, names, items, &Hypers::default());
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
