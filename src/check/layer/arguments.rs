//! The arguments of a layer: each is a name of the inner cell that may be given, once, and nothing is missing that the text
//! alone can tell.

use std::collections::BTreeMap;

use super::face::{Face, Part};
use crate::check::items::Items;
use crate::check::names::{Kind, Names};
use crate::check::show;
use crate::check::suggest::Suggest;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::{Ident, LayerArg, LayerDecl};
use crate::text::Span;

/// What the value of an argument stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Old {
    /// A value of the step: an input, or the old value of a state.
    Value,
    /// A size.
    Size,
    /// A number or an activation.
    Hyper,
    /// Nothing: the name is wrong, and reported.
    Unknown,
}

/// Checks what the text tells of a layer; gives what each argument is, and whether the layer can be built.
pub(in crate::check) fn check(
    layer: &LayerDecl,
    names: &Names<'_>,
    items: &Items<'_>,
    suggest: &mut Suggest,
    sink: &mut Vec<Diagnostic>,
) -> (Vec<Old>, bool) {
    let first = sink.len();
    if let Some(span) = layer.backward {
        let message = "`backward` belongs to models";
        let help = "a cell is one step, and the steps after it are not known yet";
        sink.push(Diagnostic::new(Code::WrongPlace, span, message).help(help));
    }
    let unknown = vec![Old::Unknown; layer.args.len()];
    let Some(cell) = items.cell(&layer.cell.name) else {
        if !items.may_hold(&layer.cell.name) {
            sink.push(unknown_cell(&layer.cell, items, suggest));
        }
        return (unknown, false);
    };
    let face = &items.cells[cell];
    if face.is_model() {
        let message = format!("`{}` is a model; a layer is made of a cell", layer.cell.name);
        let fault = Diagnostic::new(Code::UnknownCell, layer.cell.span, message)
            .label(face.cell.name.span, "declared here");
        sink.push(fault);
        return (unknown, false);
    }
    let mut kinds = Vec::with_capacity(layer.args.len());
    let mut given: BTreeMap<&str, Span> = BTreeMap::new();
    for arg in &layer.args {
        kinds.push(argument(arg, layer, face, suggest, sink));
        if let Some(before) = given.insert(&arg.name.name, arg.name.span) {
            let message = format!("`{}` of `{}` is given twice", arg.name.name, layer.name.name);
            let fault = Diagnostic::new(Code::BadArguments, arg.name.span, message)
                .label(before, "first given here");
            sink.push(fault);
        }
    }
    let missing: Vec<&&Ident> = face
        .inputs
        .iter()
        .filter(|it| {
            let optional = matches!(face.find(&it.name), Some((_, Part::Input { optional: true })));
            !optional && !given.contains_key(&*it.name)
        })
        .collect();
    if let Some(one) = missing.first() {
        let (name, inner) = (&layer.name.name, &face.cell.name.name);
        let list: Vec<&str> = missing.iter().map(|it| &*it.name).collect();
        let what = if list.len() == 1 { "the input" } else { "the inputs" };
        let message = format!("`{name}` lacks {what} {} of `{inner}`", show::list(&list));
        let fault = Diagnostic::new(Code::BadArguments, layer.cell.span, message)
            .label(one.span, "declared here")
            .help(format!("write `{} = ..` between the parentheses", one.name));
        sink.push(fault);
    }
    if let Some(count) = &layer.count
        && face.inputs.is_empty()
    {
        let message = format!("`{}` has no input through which to stack it", layer.cell.name);
        let fault = Diagnostic::new(Code::BadArguments, count.span, message)
            .label(face.cell.name.span, "declared here");
        sink.push(fault);
    }
    if let Some(other) = &layer.shares {
        shares(layer, other, names, suggest, sink);
    }
    let sound = sink.len() == first && !face.circular;
    (kinds, sound)
}

fn unknown_cell(name: &Ident, items: &Items<'_>, suggest: &mut Suggest) -> Diagnostic {
    let text = &*name.name;
    if let Some(idx) = items.find(text) {
        let message = format!("`{text}` is a function, not a cell");
        return Diagnostic::new(Code::UnknownCell, name.span, message)
            .label(items.callables[idx].name().span, "declared here");
    }
    let known = items.cells.iter().map(|it| &*it.cell.name.name);
    let fault = suggest.report(Code::UnknownCell, "cell", name, known);
    match fault.fix {
        Some(_) => fault,
        None => fault.help("a layer is made of a cell of this file, or of one that it uses"),
    }
}

fn argument(
    arg: &LayerArg,
    layer: &LayerDecl,
    face: &Face<'_>,
    suggest: &mut Suggest,
    sink: &mut Vec<Diagnostic>,
) -> Old {
    let (name, cell) = (&arg.name, &face.cell.name);
    let of_prev = |part: &Part<'_>| matches!(part, Part::State);
    let of_plain = |part: &Part<'_>| {
        matches!(part, Part::Input { .. } | Part::Dim { derived: false } | Part::Hyper)
    };
    let Some((declared, part)) = face.find(&name.name) else {
        let known = face.names().filter(|it| match arg.prev {
            true => of_prev(&it.1),
            false => of_plain(&it.1),
        });
        let near = suggest.nearest(&name.name, known.map(|it| it.0));
        let what = if arg.prev { "state" } else { "input, size or hyper" };
        let mut message = format!("`{}` has no {what} `{}`", cell.name, name.name);
        if let Some(near) = near {
            message = format!("{message}; did you mean `{near}`?");
        }
        let mut fault = Diagnostic::new(Code::BadArguments, name.span, message)
            .label(cell.span, format!("`{}` is declared here", cell.name));
        match near {
            Some(near) => fault = fault.fix(Applicability::Maybe, name.span, near),
            None => {
                let list: Vec<String> = face
                    .names()
                    .filter(|it| of_plain(&it.1) || of_prev(&it.1))
                    .take(12)
                    .map(|(name, part)| match part {
                        Part::State => format!("prev {name}"),
                        Part::Dim { .. }
                        | Part::Hyper
                        | Part::Input { .. }
                        | Part::Param
                        | Part::Computed
                        | Part::Mask
                        | Part::Value
                        | Part::Layer(_)
                        | Part::Unread => name.to_owned(),
                    })
                    .collect();
                if !list.is_empty() {
                    fault = fault.help(format!("it may be given {}", show::list(&list)));
                }
            }
        }
        sink.push(fault);
        return Old::Unknown;
    };
    let wrong = |message: String| {
        Diagnostic::new(Code::BadArguments, name.span, message)
            .label(declared.span, "declared here")
    };
    let text = &name.name;
    let fault = match (arg.prev, part) {
        (_, Part::Unread) => return Old::Unknown,
        (true, Part::State) | (false, Part::Input { .. }) => return Old::Value,
        (false, Part::Dim { derived: false }) => return Old::Size,
        (false, Part::Hyper) => return Old::Hyper,
        (false, Part::Dim { derived: true }) => {
            wrong(format!("the size `{text}` of `{}` follows from others", cell.name))
                .help("give those that it is made of")
        }
        (false, Part::State) => {
            wrong(format!("`{text}` is a state of `{}`, not an input", cell.name))
                .help(format!("its old value can be given: `prev {text} = ..`"))
                .fix(Applicability::Maybe, name.span, format!("prev {text}"))
        }
        (false, Part::Param) => {
            wrong(format!("`{text}` is {} of `{}` and cannot be given", part.article(), cell.name))
                .help(format!(
                    "it becomes `{}.{text}`; to use that of another layer write `shares`",
                    layer.name.name
                ))
        }
        (false, Part::Computed | Part::Mask | Part::Value | Part::Layer(_)) => {
            wrong(format!("`{text}` is {} of `{}` and cannot be given", part.article(), cell.name))
                .help("inputs, sizes and hypers can be given, and the old values of states")
        }
        (
            true,
            Part::Dim { .. }
            | Part::Hyper
            | Part::Input { .. }
            | Part::Param
            | Part::Computed
            | Part::Mask
            | Part::Value
            | Part::Layer(_),
        ) => wrong(format!("`{text}` is {} of `{}`, not a state", part.article(), cell.name))
            .help("only the old values of states can be given"),
    };
    sink.push(fault);
    Old::Unknown
}

/// `shares` names another layer of the same cell.
fn shares(
    layer: &LayerDecl,
    other: &Ident,
    names: &Names<'_>,
    suggest: &mut Suggest,
    sink: &mut Vec<Diagnostic>,
) {
    let layer_of = |name: &str| match names.find(name) {
        Some((_, def)) => match def.kind {
            Kind::Layer(idx) => Some(names.layers[idx].decl),
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Value(_)
            | Kind::Later => None,
        },
        None => None,
    };
    let Some(target) = layer_of(&other.name) else {
        let fault = match names.find(&other.name) {
            Some((_, def)) if matches!(def.kind, Kind::Later) => return,
            Some((_, def)) => {
                let message = format!("`{}` is {}, not a layer", other.name, def.article());
                Diagnostic::new(Code::BadShares, other.span, message)
                    .label(def.name.span, "declared here")
            }
            None => {
                let known = names.layers.iter().map(|it| &*it.decl.name.name);
                suggest.report(Code::BadShares, "layer", other, known)
            }
        };
        sink.push(fault);
        return;
    };
    let mut at = target;
    for _ in 0..=names.layers.len() {
        if std::ptr::eq(at, layer) {
            let message = format!("`{}` shares its own weights", layer.name.name);
            let fault = Diagnostic::new(Code::BadShares, other.span, message)
                .help("one of the layers has weights of its own; the others share them");
            sink.push(fault);
            return;
        }
        match at.shares.as_ref().and_then(|it| layer_of(&it.name)) {
            Some(next) => at = next,
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
        sink.push(fault);
    }
    if let (None, Some(count)) | (Some(count), None) = (&layer.count, &target.count) {
        let message = format!("`{}` and `{}` are not both stacks", layer.name.name, other.name);
        let fault = Diagnostic::new(Code::BadShares, other.span, message)
            .label(count.span, "this one is a stack")
            .help("weights are shared layer by layer");
        sink.push(fault);
    }
}
