//! `v[k]`: an element of the first axis, at a constant place or at one that an input names.

use super::shapes::is_less;
use super::{Lower, Scope, Value};
use crate::check::show;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::hir::Expr;
use crate::ir::{Dim, Indexed, Move, Shape};
use crate::text::Span;

impl Lower<'_, '_> {
    pub(super) fn index(
        &mut self,
        value: &Expr<'_>,
        index: &Expr<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let [operand, at] = self.operands([value, index], scope)?;
        let shape = self.numeric(&operand)?;
        let bad = |message: String| Diagnostic::new(Code::BadLookup, span, message);
        let [first, rest @ ..] = shape.axes() else {
            let message =
                format!("{} has no axis to take an element from", operand.shown.with(&shape));
            let fault = self.with_declarations(bad(message), &[&operand]);
            return self.fail(fault);
        };
        let left = Shape(rest.to_vec());
        match &at.value {
            Value::Index(row, below) => {
                if below != first {
                    let message = format!(
                        "`{}` is below `{below}`, the first axis of {} is `{first}`",
                        at.shown.short(),
                        operand.shown.with(&shape)
                    );
                    let fault = self.with_declarations(bad(message), &[&at, &operand]);
                    return self.fail(fault);
                }
                let row = *row;
                let table = self.entered(&operand);
                Some(Value::Node(self.add(Indexed::Lookup, vec![table, row], left, span)))
            }
            Value::Node(_) => {
                let text = show::short(index.ast);
                let fault = bad(format!("`{text}` is no index"))
                    .help("an index is a constant, or an input declared as `index[V]`");
                let fault = self.with_declarations(fault, &[&at]);
                self.fail(fault)
            }
            Value::Constant(..) => {
                let at = self.whole_value(&at, "an index")?;
                let is_back = is_less(&at, &Dim::number(0));
                let message = if is_back {
                    Some(format!("the index {at} is negative; elements are counted from 0"))
                } else if !is_less(&at, first)
                    && is_less(first, &at.add(&Dim::number(1)).unwrap_or_default())
                {
                    Some(match (at.as_number(), first.as_number()) {
                        (Some(at), Some(count)) => format!(
                            "the index {at} is beyond the last element, {}; the axis has {count}",
                            count - 1
                        ),
                        _ => format!(
                            "the index `{at}` is beyond the last of `{first}` elements, counted from 0"
                        ),
                    })
                } else {
                    None
                };
                if let Some(message) = message {
                    let fault = Diagnostic::new(Code::OutOfRange, index.span(), message);
                    let mut fault = self.with_declarations(fault, &[&operand]);
                    if let (true, Ok(from_end)) = (is_back, first.add(&at)) {
                        let text = from_end.to_string();
                        let help =
                            format!("from the end it is `{}[{text}]`", operand.shown.short());
                        fault = fault.help(help).fix(Applicability::Maybe, index.span(), text);
                    }
                    return self.fail(fault);
                }
                let node = self.entered(&operand);
                Some(Value::Node(self.add(Move::Pick(at), vec![node], left, span)))
            }
        }
    }
}
