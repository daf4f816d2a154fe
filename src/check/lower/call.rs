//! Calls: built-in functions, and the functions and activations of the file, which are put in their place.

use super::matmul::Product;
use super::reduce;
use super::{Lower, Operand, Scope, Value};
use crate::check::consts::Activation;
use crate::check::show::{self, Shown};
use crate::diag::{Code, Diagnostic, Label};
use crate::hir::builtin::{self, Along, Builtin, Signature};
use crate::hir::{ActivationOf, Call, Callee, DefId, Expr, Function, LocalId};
use crate::ir::{Const, Gradient, Literal, NodeId, Op, Order, Pointwise, Shape};
use crate::text::Span;
use crate::text::id::Id;

impl Lower<'_, '_> {
    pub(super) fn call(&mut self, call: &Call<'_>, span: Span, scope: &Scope<'_>) -> Value {
        match call.callee {
            Callee::Builtin(signature) => self.builtin(call, signature, span, scope),
            Callee::Function(id) => {
                let function = &self.names.tree.functions[id];
                if function.recursive {
                    return self.poison();
                }
                if function.weight > super::MOST_NODES {
                    return self.too_many_nodes(span);
                }
                self.inline(function, call, span, scope)
            }
            Callee::Hyper(def) => self.hyper_call(def, call, span, scope),
            // These occur after `init` and in layouts, which read them themselves.
            Callee::Draw(_) | Callee::Form => self.poison(),
        }
    }

    /// `act(v)` for a hyper that is an activation.
    fn hyper_call(&mut self, def: DefId, call: &Call<'_>, span: Span, scope: &Scope<'_>) -> Value {
        let hypers = self.hypers;
        let name = &self.names.def(def).name.name;
        let (Some(activation), [Some(value)]) = (hypers.activations.get(&**name), &call.args[..])
        else {
            return self.poison();
        };
        let operand = self.operand(value, scope);
        self.activation(activation, operand, span)
    }

    fn activation(&mut self, activation: &Activation, operand: Operand<'_>, span: Span) -> Value {
        let constants = activation.constants.iter().map(|it| Value::Constant(it.clone(), 1));
        match activation.of {
            ActivationOf::Builtin(op, _) => {
                let mut operands = vec![operand.clone()];
                operands.extend(constants.map(|value| Operand {
                    shown: operand.shown,
                    def: None,
                    value,
                }));
                self.pointwise(op, &operands, span)
            }
            ActivationOf::Function(id) => {
                let mut values = vec![operand.value.clone()];
                values.extend(constants);
                self.activate(&self.names.tree.functions[id], operand, values, span)
            }
        }
    }

    /// Refuses a call that would become too many nodes before any of them is made.
    fn too_many_nodes(&mut self, span: Span) -> Value {
        let most = super::MOST_NODES;
        let message =
            format!("this call becomes more than {most} nodes when functions are inlined");
        self.fail(Diagnostic::new(Code::TooLarge, span, message))
    }

    /// Returns a function or activation of the file.
    fn inline(
        &mut self,
        function: &Function<'_>,
        call: &Call<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        let mut values = Vec::with_capacity(call.args.len());
        if !function.is_activation() {
            for arg in &call.args {
                values.push(match arg {
                    Some(expr) => self.expr(expr, scope),
                    None => self.poison(),
                });
            }
            return self.body(&function.body, &bound(values), span);
        }
        let Some(Some(value)) = call.args.first() else { return self.poison() };
        let operand = self.operand(value, scope);
        values.push(operand.value.clone());
        let params = function.params.iter().zip(&function.defaults).zip(&call.args).skip(1);
        for ((param, default), slot) in params {
            let what = format!("`{}` of `{}`", param.name.name, function.name().name);
            let constant = match (slot, default) {
                (Some(expr), _) => self.constant_expr(expr, scope, &what),
                (None, Some(default)) => self.constant_expr(default, &Scope::CELL, &what),
                (None, None) => None,
            };
            match constant {
                Some(constant) => values.push(Value::Constant(constant, 1)),
                None => return self.poison(),
            }
        }
        self.activate(function, operand, values, span)
    }

    /// Returns the body of a function with its parameters bound. Reports from within say which call they come from.
    fn body(&mut self, body: &Expr<'_>, locals: &[(LocalId, Value)], call: Span) -> Value {
        let before = self.sink.len();
        let value = self.expr(body, &Scope { locals, in_function: true });
        for fault in &mut self.sink[before..] {
            // The innermost call and the outermost one; those between say little.
            let mut calls = fault.labels.iter_mut().filter(|it| it.message == IN_CALL).skip(1);
            match calls.next() {
                Some(outer) => outer.span = call,
                None => fault.labels.push(Label { span: call, message: IN_CALL.into() }),
            }
        }
        value
    }

    /// Returns an activation of the file; `values` are its argument and its constants.
    fn activate(
        &mut self,
        item: &Function<'_>,
        operand: Operand<'_>,
        values: Vec<Value>,
        span: Span,
    ) -> Value {
        let Some(shape) = self.numeric(&operand) else { return self.poison() };
        let mut locals = bound(values);
        if let Value::Constant(..) = operand.value {
            return self.body(&item.body, &locals, span);
        }
        // What enters from another branch is guarded once, so that the argument of `Declared` is what the body reads.
        let argument = self.entered(&operand);
        locals[0].1 = Value::Node(argument);
        let body = self.body(&item.body, &locals, span);
        let Some(value) = self.fitted(&body, &shape, span) else { return body };
        let Some(derivative) = &item.derivative else { return Value::Node(value) };
        let slope = self.body(derivative, &locals, span);
        let Some(slope) = self.fitted(&slope, &shape, span) else { return self.poison() };
        Value::Node(self.add(Gradient::Declared, vec![value, argument, slope], shape, span))
    }

    /// Returns a value in the shape of an activation's argument: a constant is repeated. `None` when it is poisoned.
    fn fitted(&mut self, value: &Value, shape: &Shape, span: Span) -> Option<NodeId> {
        let found = self.shape(value)?;
        let node = self.node(value, span);
        if found == *shape {
            return Some(node);
        }
        (found.rank() == 0).then(|| self.fill(node, shape, span))
    }

    fn builtin(
        &mut self,
        call: &Call<'_>,
        signature: &Signature,
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        if let Builtin::Time = signature.what {
            return self.time(Order::Ascending, span);
        }
        let name = signature.name;
        let slots = &call.args[..];
        let Some(Some(first)) = slots.first() else { return self.poison() };
        let second = slots.get(1).and_then(Option::as_ref);
        match signature.what {
            Builtin::Map(op) => self.elementwise(op, signature, slots, span, scope),
            Builtin::Clamp => self.clamp(slots, span, scope),
            Builtin::Extreme(op, _) if second.is_some() => {
                self.elementwise(op, signature, slots, span, scope)
            }
            Builtin::Where => match slots {
                [Some(cond), Some(yes), Some(no)] => self.select([cond, yes, no], span, scope),
                [..] => self.poison(),
            },
            Builtin::Extreme(_, it) => {
                let operand = self.operand(first, scope);
                let axes = reduce::Call { name, over: call.over.as_ref(), span };
                self.along(axes, Along::Reduce(it), &operand, None, scope)
            }
            Builtin::Along(along) => {
                let operand = self.operand(first, scope);
                let eps = match signature.params.get(1).and_then(|it| it.default) {
                    Some(default) => match self.eps(name, second, default, scope) {
                        Some(eps) => Some(eps),
                        None => return self.poison(),
                    },
                    None => None,
                };
                let axes = reduce::Call { name, over: call.over.as_ref(), span };
                self.along(axes, along, &operand, eps, scope)
            }
            Builtin::MatMul => self.product_of(Product::MatMul, first, second, span, scope),
            Builtin::Outer => self.product_of(Product::Outer, first, second, span, scope),
            Builtin::Dot => self.product_of(Product::Dot, first, second, span, scope),
            Builtin::Transpose => {
                let operand = self.operand(first, scope);
                self.transpose(&operand, span)
            }
            Builtin::Concat => {
                let operands = self.operands(call, scope);
                self.concat(&operands, span)
            }
            Builtin::Stack => {
                let operands = self.operands(call, scope);
                self.stack(&operands, span)
            }
            Builtin::Slice => {
                let operand = self.operand(first, scope);
                match slots {
                    [_, Some(from), Some(to)] => {
                        self.slice(&operand, [from, to], call.over.as_ref(), span, scope)
                    }
                    [..] => self.poison(),
                }
            }
            Builtin::Reshape => {
                let operand = self.operand(first, scope);
                let Some(to) = second else { return self.poison() };
                self.reshape(&operand, to, span, scope)
            }
            Builtin::Rename => {
                let operand = self.operand(first, scope);
                let Some(to) = second else { return self.poison() };
                self.rename(&operand, to, span, scope)
            }
            Builtin::Eye => self.of_size(Op::Literal(Literal::Eye), 2, first, span, scope),
            Builtin::Iota => self.of_size(Op::Literal(Literal::Iota), 1, first, span, scope),
            Builtin::Zeros => self.filled(0.0, first, span, scope),
            Builtin::Ones => self.filled(1.0, first, span, scope),
            Builtin::StopGrad => {
                let operand = self.operand(first, scope);
                self.passing(Op::Gradient(Gradient::StopGrad), &operand, span)
            }
            Builtin::ClipGrad => {
                let operand = self.operand(first, scope);
                let what = "the limit of `clip_grad`";
                let limit = second.and_then(|it| self.positive(it, what, scope));
                let Some(limit) = limit else { return self.poison() };
                self.passing(Op::Gradient(Gradient::ClipGrad(limit)), &operand, span)
            }
            Builtin::OfModel(what) => self.cost(what, call, span, scope),
            Builtin::Time | Builtin::Bernoulli => self.poison(),
        }
    }

    fn product_of(
        &mut self,
        product: Product,
        first: &Expr<'_>,
        second: Option<&Expr<'_>>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        let a = self.operand(first, scope);
        let Some(second) = second else { return self.poison() };
        let b = self.operand(second, scope);
        self.product(product, [&a, &b], span)
    }

    /// Returns all arguments of a function that takes any number of values.
    fn operands<'e>(&mut self, call: &Call<'e>, scope: &Scope<'_>) -> Vec<Operand<'e>> {
        let exprs = call.args.iter().flatten().chain(&call.rest);
        exprs.map(|it| self.operand(it, scope)).collect()
    }

    /// Returns an operation that gives its operand back.
    fn passing(&mut self, op: Op, operand: &Operand<'_>, span: Span) -> Value {
        let Some(shape) = self.numeric(operand) else { return self.poison() };
        if let Value::Constant(..) = operand.value {
            return operand.value.clone();
        }
        let node = self.entered(operand);
        Value::Node(self.add(op, vec![node], shape, span))
    }

    /// Returns a constant above 0; `None` after a report.
    pub(super) fn positive(
        &mut self,
        expr: &Expr<'_>,
        what: &str,
        scope: &Scope<'_>,
    ) -> Option<Const> {
        let constant = self.constant_expr(expr, scope, what)?;
        match self.not_positive(&constant, what, expr.span()) {
            Some(fault) => {
                self.fail(fault);
                None
            }
            None => Some(constant),
        }
    }

    /// Returns the report on a constant that must be above 0 and is not.
    pub(in crate::check) fn not_positive(
        &self,
        constant: &Const,
        what: &str,
        span: Span,
    ) -> Option<Diagnostic> {
        let value = self.hypers.numbers.value(constant)?;
        let message = match value > 0.0 {
            // What is divided by it would be 0 / 0.
            true if value as f32 == 0.0 => format!("{what} is {value:e}, which is 0 in f32"),
            true => return None,
            false => format!("{what} is positive, not {}", show::number(value)),
        };
        Some(Diagnostic::new(Code::ConstantOutOfRange, span, message))
    }

    fn eps(
        &mut self,
        name: &str,
        given: Option<&Expr<'_>>,
        default: f64,
        scope: &Scope<'_>,
    ) -> Option<Const> {
        let Some(expr) = given else { return Some(Const::Number(default)) };
        let what = format!("`eps` of `{name}`");
        let eps = self.constant_expr(expr, scope, &what)?;
        if let Some(value) = self.hypers.numbers.value(&eps)
            && (value.is_nan() || value < 0.0)
        {
            let message = format!("{what} is at least 0, not {}", show::number(value));
            self.fail(Diagnostic::new(Code::ConstantOutOfRange, expr.span(), message));
            return None;
        }
        Some(eps)
    }

    /// Returns a row of the table of elementwise operators.
    fn elementwise(
        &mut self,
        op: Pointwise,
        signature: &Signature,
        slots: &[Option<Expr<'_>>],
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        let mut operands: Vec<Operand<'_>> = Vec::with_capacity(slots.len());
        for (param, slot) in signature.params.iter().zip(slots) {
            let operand = match (slot, param.kind, param.default) {
                (Some(expr), builtin::Kind::Constant, _) => {
                    let what = format!("`{}` of `{}`", param.name, signature.name);
                    let constant = match param.is_positive {
                        true => self.positive(expr, &what, scope),
                        false => self.constant_expr(expr, scope, &what),
                    };
                    let value = match constant {
                        Some(constant) => Value::Constant(constant, 1),
                        None => self.poison(),
                    };
                    Operand { shown: Shown::from(expr.ast), def: None, value }
                }
                (Some(expr), _, _) => self.operand(expr, scope),
                (None, _, Some(default)) => {
                    let Some(first) = operands.first() else { return self.poison() };
                    Operand { shown: first.shown, def: None, value: Value::number(default) }
                }
                (None, _, None) => return self.poison(),
            };
            operands.push(operand);
        }
        self.pointwise(op, &operands, span)
    }

    /// `clamp(v, lo, hi)`. Its table row knows the derivative by `v` only, so bounds that are values are built of `max` and
    /// `min`.
    fn clamp(&mut self, slots: &[Option<Expr<'_>>], span: Span, scope: &Scope<'_>) -> Value {
        let [Some(v), Some(lo), Some(hi)] = slots else { return self.poison() };
        let [v, lo, hi] = [v, lo, hi].map(|it| self.operand(it, scope));
        let is_constant = |it: &Operand<'_>| matches!(it.value, Value::Constant(..));
        if is_constant(&lo) && is_constant(&hi) {
            if let (Value::Constant(lo, _), Value::Constant(hi, _)) = (&lo.value, &hi.value)
                && let Some(low) = self.hypers.numbers.value(lo)
                && let Some(high) = self.hypers.numbers.value(hi)
                && low > high
            {
                let (low, high) = (show::number(low), show::number(high));
                let message =
                    format!("the bounds of `clamp` are the wrong way round: {low} > {high}");
                return self.fail(Diagnostic::new(Code::ConstantOutOfRange, span, message));
            }
            return self.pointwise(Pointwise::Clamp, &[v, lo, hi], span);
        }
        let shown = v.shown;
        let value = self.pointwise(Pointwise::Max, &[v, lo], span);
        self.pointwise(Pointwise::Min, &[Operand { shown, def: None, value }, hi], span)
    }
}

/// The label of a call around an error.
const IN_CALL: &str = "in this call";

/// Returns the parameters of a function with their values.
fn bound(values: Vec<Value>) -> Vec<(LocalId, Value)> {
    values.into_iter().enumerate().map(|(at, value)| (LocalId::new(at), value)).collect()
}
