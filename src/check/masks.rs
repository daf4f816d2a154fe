//! Masks: `mask d: [H] = bernoulli(1 - p) per step`.
//!
//! How often a mask is drawn has no default: new bits at every step are dropout, the same bits
//! along a sequence are variational dropout, and a reader of the file must see which it is.

use super::args::{self, Form};
use super::hypers::Hypers;
use super::items::{self, Items};
use super::lower::{Lower, Phase, Scope};
use super::names::{Kind, Names};
use super::show;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::ir::{self, Const};
use crate::syntax::ast::{self, Expr, ExprKind, Group};
use crate::text::Span;

/// What the value of a mask looks like, for messages.
const FORM: &str = "`bernoulli(1 - p)`, whose argument is the probability of a 1";

/// What a group of masks says.
pub(super) fn declared<'a>(group: &'a Group, sink: &mut Vec<Diagnostic>) -> Kind<'a> {
    let name = &group.names[0].name;
    let probability = match &group.value {
        Some(value) => match probability(value) {
            Ok(probability) => Some(probability),
            Err(fault) => {
                sink.push(*fault);
                None
            }
        },
        None => {
            // `init` in its place has a report of its own.
            if group.init.is_none() {
                let message = format!("mask `{name}` does not say how it is drawn");
                let fault = Diagnostic::new(Code::BadMask, group.names[0].span, message)
                    .help(format!("after its shape write `=` and {FORM}"));
                sink.push(fault);
            }
            None
        }
    };
    let scope = match group.per {
        Some((ast::Scope::Step, _)) => ir::Scope::Step,
        Some((ast::Scope::Sequence, _)) => ir::Scope::Sequence,
        Some((ast::Scope::Run, _)) => ir::Scope::Run,
        None => {
            let message = format!("mask `{name}` does not say how often it is drawn");
            let fault = Diagnostic::new(Code::BadMask, group.names[0].span, message).help(
                "end it with `per step` (new bits at every step), `per sequence` (the same for \
                 all steps of a sequence) or `per run` (the same for all sequences of a call)",
            );
            sink.push(fault);
            ir::Scope::Step
        }
    };
    Kind::Mask { probability, scope }
}

/// The argument of `bernoulli`.
fn probability(value: &Expr) -> Result<&Expr, Box<Diagnostic>> {
    let mut bare = value;
    while let ExprKind::Paren(inner) = &bare.kind {
        bare = inner;
    }
    let wrong = |span: Span| {
        let text = show::short(value);
        Diagnostic::new(Code::BadMask, span, format!("a mask is not drawn by `{text}`"))
            .help(format!("write {FORM}"))
    };
    let ExprKind::Call(name, given) = &bare.kind else {
        let fault = wrong(value.span);
        let mut draws = false;
        items::walk(value, &mut |it| {
            draws |= matches!(&it.kind, ExprKind::Call(name, _) if &*name.name == "bernoulli");
        });
        if draws {
            let help = "it holds bits as they are drawn; scale or turn them where it is read";
            return Err(Box::new(fault.help(help)));
        }
        return Err(Box::new(match &bare.kind {
            ExprKind::Path(path) if &*path.head.name == "bernoulli" => fault,
            // What else could a number or a name be than the probability?
            ExprKind::Number(_) | ExprKind::Path(_) | ExprKind::Chain(..) => fault.fixes(
                Applicability::Maybe,
                vec![
                    (value.span.before(), "bernoulli(".to_owned()),
                    (value.span.after(), ")".to_owned()),
                ],
            ),
            ExprKind::Pi
            | ExprKind::Inf
            | ExprKind::Prev(..)
            | ExprKind::Call(..)
            | ExprKind::Array(_)
            | ExprKind::Index(..)
            | ExprKind::Paren(_)
            | ExprKind::Neg(..)
            | ExprKind::Binary(..) => fault,
        }));
    };
    if &*name.name != "bernoulli" {
        let fault = wrong(value.span);
        let spelt = name.name.eq_ignore_ascii_case("bernoulli");
        return Err(Box::new(match spelt {
            true => fault.fix(Applicability::Maybe, name.span, "bernoulli"),
            false => fault,
        }));
    }
    let form = Form {
        name: "bernoulli",
        params: vec![("probability", false)],
        variadic: false,
        over: false,
    };
    let matched = args::bind(&form, name, bare.span, given)?;
    match matched.slots[0] {
        Some(probability) => Ok(probability),
        None => Err(Box::new(wrong(value.span))),
    }
}

/// The masks of a cell, their probabilities as constants.
pub(super) fn lower(
    names: &Names<'_>,
    items: &Items<'_>,
    hypers: &Hypers<'_>,
    sink: &mut Vec<Diagnostic>,
) -> Vec<ir::Mask> {
    let mut masks = Vec::new();
    let mut lower = Lower::new(names, items, hypers, Phase::Constants);
    // The names of a group share one probability, whose faults are told once.
    let mut told: Option<Span> = None;
    for def in &names.defs {
        let Kind::Mask { probability, scope } = &def.kind else { continue };
        let (name, span) = (def.name.name.clone(), def.name.span);
        let value = probability.filter(|it| told != Some(it.span)).and_then(|expr| {
            // A name that may not stand there is reported already.
            if sink.iter().any(|it| it.span.file == expr.span.file && within(it.span, expr.span)) {
                return None;
            }
            let before = lower.sink.len();
            let what = format!("the probability of `{name}`");
            let value = lower.constant_expr(expr, &Scope::CELL, &what);
            if let Some(number) = value.as_ref().and_then(|it| lower.value_of(it))
                && !(0.0..=1.0).contains(&number)
            {
                let message = format!("{what} must lie in [0, 1], but is {}", show::number(number));
                lower.sink.push(Diagnostic::new(Code::ConstantOutOfRange, expr.span, message));
            }
            if lower.sink.len() > before {
                told = Some(expr.span);
            }
            value
        });
        let probability = value.unwrap_or(Const::Number(1.0));
        let shape = def.shape.clone().unwrap_or_default();
        masks.push(ir::Mask { name, shape, probability, scope: *scope, span });
    }
    sink.append(&mut lower.sink);
    masks
}

fn within(inner: Span, outer: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
