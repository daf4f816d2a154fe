//! Masks: `mask d: [H] = bernoulli(1 - p) per step`, their probabilities as constants.

use super::consts::Hypers;
use super::declared::Declared;
use super::lower::{Lower, Phase, Scope};
use super::show;
use crate::diag::{Code, Diagnostic};
use crate::ir::{self, Const};
use crate::syntax::ast::{self, Role};

/// Returns the masks of a cell.
pub(super) fn lower(
    names: &Declared<'_>,
    hypers: &Hypers,
    sink: &mut Vec<Diagnostic>,
) -> Vec<ir::Mask> {
    let mut masks = Vec::new();
    let mut lower = Lower::new(names, hypers, Phase::Constants);
    for group in names.cell.groups.iter().filter(|it| it.role == Role::Mask) {
        let value = group.value.as_ref().and_then(|expr| {
            let what = format!("the probability of `{}`", group.ast.names[0].name);
            let value = lower.constant_expr(expr, &Scope::CELL, &what);
            if let Some(number) = value.as_ref().and_then(|it| lower.value_of(it))
                && !(0.0..=1.0).contains(&number)
            {
                let message = format!("{what} must lie in [0, 1], but is {}", show::number(number));
                lower.sink.push(Diagnostic::new(Code::ConstantOutOfRange, expr.span(), message));
            }
            value
        });
        let probability = value.unwrap_or(Const::Number(1.0));
        let scope = match group.ast.per {
            Some((ast::Scope::Step, _)) | None => ir::Scope::Step,
            Some((ast::Scope::Sequence, _)) => ir::Scope::Sequence,
            Some((ast::Scope::Run, _)) => ir::Scope::Run,
        };
        for def in &group.defs {
            let (name, span) = (names.def(*def).name.name.clone(), names.def(*def).name.span);
            let shape = names.shape(*def).cloned().unwrap_or_default();
            masks.push(ir::Mask { name, shape, probability: probability.clone(), scope, span });
        }
    }
    sink.append(&mut lower.sink);
    masks
}
