//! Lowers the additions of models: comparisons with targets, composed of other operators, and choices of an index.

use super::{Lower, Operand, Scope, Value, reduce};
use crate::diag::{Code, Diagnostic};
use crate::hir::builtin::{Along, ModelFunction};
use crate::hir::{Call, DefId, DefKind, Expr};
use crate::ir::{Along as IrAlong, Shape};
use crate::ir::{Choice, Const, Cost, Indexed, Leaf, NodeId, Pointwise, Reduction};
use crate::text::Span;

/// A comparison of a value with a target by its name.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Compared {
    pub of: Cost,
    pub target: DefId,
    pub predicted: NodeId,
}

impl Lower<'_, '_> {
    /// `c = sample(logits)`: the index that a feedback or an output is.
    pub fn choose(
        &mut self,
        choice: Choice,
        expr: &Expr<'_>,
        call: &Call<'_>,
        of: DefId,
    ) -> Option<Value> {
        let [logits] = call.first();
        let operand = self.operand(logits, &Scope::CELL)?;
        let shape = self.numeric(&operand)?;
        let [axis] = shape.axes() else {
            let (name, shown) = (&call.name.name, operand.shown.with(&shape));
            let message = format!("`{name}` chooses along the one axis of a vector, not {shown}");
            let fault = Diagnostic::new(Code::BadChoice, logits.span(), message);
            let fault = self.with_declarations(fault, &[&operand]);
            return self.fail(fault);
        };
        let below = axis.clone();
        let mut args = vec![self.node(&operand.value, logits.span())];
        if choice == Choice::Sample {
            let slot = self.names.draw(of)?;
            let leaf = self.add(Leaf::Input(slot), Vec::new(), Shape::scalar(), expr.span());
            self.graph.set_name(leaf, self.names.draw_name(of));
            args.push(leaf);
        }
        let value = Value::Index(self.add(choice, args, Shape::scalar(), expr.span()), below);
        self.note_type(expr, &value);
        Some(value)
    }

    /// `mse(y, load)` and the like: a number.
    pub(super) fn cost(
        &mut self,
        what: ModelFunction,
        call: &Call<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let of = match what {
            ModelFunction::Mse => Cost::Mse,
            ModelFunction::Mae => Cost::Mae,
            ModelFunction::Huber => Cost::Huber,
            ModelFunction::CrossEntropy => Cost::CrossEntropy,
            ModelFunction::BinaryCrossEntropy => Cost::BinaryCrossEntropy,
            // They are elsewhere, which was reported.
            ModelFunction::Sample | ModelFunction::ArgMax => return None,
        };
        let [p, t] = self.operands(call.first(), scope)?;
        let value = match of {
            Cost::CrossEntropy => self.cross_entropy([&p, &t], span),
            Cost::Mse | Cost::Mae | Cost::Huber | Cost::BinaryCrossEntropy => {
                self.mean_cost(of, call, [&p, &t], span, scope)
            }
        }?;
        if let (Some(target), Value::Node(predicted)) = (t.def, &p.value)
            && self.names.kind(target) == DefKind::Target
        {
            self.compared.push(Compared { of, target, predicted: *predicted });
        }
        Some(value)
    }

    /// Returns a mean over the elements of two values of one shape.
    fn mean_cost(
        &mut self,
        of: Cost,
        call: &Call<'_>,
        operands: [&Operand<'_>; 2],
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let [p, t] = operands;
        let (a, b) = (self.numeric(p), self.numeric(t));
        let (a, b) = (a?, b?);
        let is_constant = |it: &Operand<'_>| matches!(it.value, Value::Constant(..));
        if a != b && !is_constant(p) && !is_constant(t) {
            let (name, p_shown, t_shown) = (&call.name.name, p.shown.with(&a), t.shown.with(&b));
            let message =
                format!("`{name}` compares values of one shape, not {p_shown} with {t_shown}");
            let fault = Diagnostic::new(Code::BadLoss, span, message);
            let fault = self.with_declarations(fault, &operands);
            return self.fail(fault);
        }
        let made = |value: Value| Operand { shown: p.shown, def: None, value };
        let each = match of {
            Cost::Mse => {
                let d = self.pointwise(Pointwise::Sub, &[p.clone(), t.clone()], span)?;
                self.pointwise(Pointwise::Square, &[made(d)], span)
            }
            Cost::Mae => {
                let d = self.pointwise(Pointwise::Sub, &[p.clone(), t.clone()], span)?;
                self.pointwise(Pointwise::Abs, &[made(d)], span)
            }
            Cost::Huber => {
                let delta = match call.option() {
                    Some(expr) => self.positive(expr, "`delta` of `huber`", scope)?,
                    None => Const::Number(1.0),
                };
                // With c = clamp(d, -delta, delta): c * (d - c / 2) is d^2 / 2 within and delta * (|d| - delta / 2)
                // without.
                let d = self.pointwise(Pointwise::Sub, &[p.clone(), t.clone()], span)?;
                let high = made(Value::Constant(delta, 1));
                let low =
                    made(self.pointwise(Pointwise::Neg, std::slice::from_ref(&high), span)?);
                let d = made(d);
                let c = made(self.pointwise(Pointwise::Clamp, &[d.clone(), low, high], span)?);
                let half = made(Value::number(0.5));
                let half = made(self.pointwise(Pointwise::Mul, &[half, c.clone()], span)?);
                let rest = made(self.pointwise(Pointwise::Sub, &[d, half], span)?);
                self.pointwise(Pointwise::Mul, &[c, rest], span)
            }
            Cost::BinaryCrossEntropy => {
                // softplus(p) - p t, without its cancellation where p is large: t softplus(-p) + (1 - t) softplus(p).
                let one = made(Value::number(1.0));
                let minus = made(self.pointwise(Pointwise::Neg, std::slice::from_ref(p), span)?);
                let yes = made(self.pointwise(Pointwise::Softplus, &[minus], span)?);
                let yes = made(self.pointwise(Pointwise::Mul, &[t.clone(), yes], span)?);
                let no =
                    made(self.pointwise(Pointwise::Softplus, std::slice::from_ref(p), span)?);
                let rest = made(self.pointwise(Pointwise::Sub, &[one, t.clone()], span)?);
                let no = made(self.pointwise(Pointwise::Mul, &[rest, no], span)?);
                self.pointwise(Pointwise::Add, &[yes, no], span)
            }
            Cost::CrossEntropy => return None,
        }?;
        if self.shape(&each).rank() == 0 {
            return Some(each);
        }
        let axes = reduce::Call { name: "mean", over: None, span };
        self.along(axes, Along::Mean, &made(each), None, scope)
    }

    /// Returns the negative logarithm of the softmax of the logits at the label.
    fn cross_entropy(&mut self, operands: [&Operand<'_>; 2], span: Span) -> Option<Value> {
        let [logits, label] = operands;
        let shape = self.numeric(logits)?;
        let bad = |message: String| Diagnostic::new(Code::BadLoss, span, message);
        let Value::Index(row, below) = &label.value else {
            let message = format!(
                "the label of `cross_entropy` is an index, `{}` is none",
                label.shown.short()
            );
            let fault = self.with_declarations(bad(message), &[label]);
            return self.fail(fault.help("declare `target label: index[V]`"));
        };
        let [axis] = shape.axes() else {
            let message = format!(
                "the logits of `cross_entropy` are a vector, not {}",
                logits.shown.with(&shape)
            );
            let fault = self.with_declarations(bad(message), &[logits]);
            return self.fail(fault);
        };
        if axis != below {
            let message = format!(
                "`{}` is below `{below}`, but there are as many logits as `{axis}` in {}",
                label.shown.short(),
                logits.shown.with(&shape)
            );
            let fault = self.with_declarations(bad(message), &operands);
            return self.fail(fault);
        }
        let row = *row;
        let logits = self.entered(logits);
        // log(sum(exp(l - l[label]))): where the label is far ahead the sum is just above 1, and nothing cancels.
        let own = self.add(Indexed::Lookup, vec![logits, row], Shape::scalar(), span);
        let own = self.fill(own, &shape, span);
        let less = self.map(Pointwise::Sub, &[logits, own], span);
        let all = IrAlong::Reduce(Reduction::LogSumExp, vec![0]);
        Some(Value::Node(self.add(all, vec![less], Shape::scalar(), span)))
    }
}

/// Returns the choice that the right side of an equation is, with its call.
pub(in crate::check) fn choice<'e, 'a>(expr: &'e Expr<'a>) -> Option<(Choice, &'e Call<'a>)> {
    use crate::hir::builtin::Builtin;
    use crate::hir::{Callee, Kind};
    let Kind::Call(call) = &expr.bare().kind else { return None };
    let Callee::Builtin(signature) = call.callee else { return None };
    match signature.what {
        Builtin::OfModel(ModelFunction::Sample) => Some((Choice::Sample, call)),
        Builtin::OfModel(ModelFunction::ArgMax) => Some((Choice::ArgMax, call)),
        _ => None,
    }
}
