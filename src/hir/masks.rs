//! Masks: `mask d: [H] = bernoulli(1 - p) per step`.
//!
//! How often a mask is drawn has no default: new bits at every step are dropout, the same bits
//! along a sequence are variational dropout, and a reader of the file must see which it is.

use super::args::{self, Form};
use super::show;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ast::{Expr, ExprKind, Group};
use crate::text::Span;

/// The form of the value of a mask, for messages.
const FORM: &str = "`bernoulli(1 - p)`, whose argument is the probability of a 1";

/// Returns the probability of a 1 that a group of masks declares; reports what it does not say.
pub(super) fn declared<'a>(group: &'a Group, sink: &mut Vec<Diagnostic>) -> Option<&'a Expr> {
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
    if group.per.is_none() {
        let message = format!("mask `{name}` does not say how often it is drawn");
        let fault = Diagnostic::new(Code::BadMask, group.names[0].span, message).help(
            "end it with `per step` (new bits at every step), `per sequence` (the same for \
             all steps of a sequence) or `per run` (the same for all sequences of a call)",
        );
        sink.push(fault);
    }
    probability
}

/// Returns the argument of `bernoulli`.
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
        value.walk(&mut |it| {
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
