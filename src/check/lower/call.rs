//! Calls: built-in functions, and the functions and activations of the file, which are put in their place.

use super::matmul::Product;
use super::reduce::{self, Along};
use super::{Lower, Operand, Scope, Value};
use crate::check::args::{self, Matched};
use crate::check::builtin::{self, Builtin, Signature};
use crate::check::hypers::{Activation, Of};
use crate::check::items::Callable;
use crate::check::names::Kind;
use crate::check::resolve;
use crate::check::show::{self, Shown};
use crate::diag::{Code, Diagnostic, Label};
use crate::ir::{Const, Gradient, Literal, NodeId, Op, Pointwise, Shape};
use crate::syntax::ast::{self, Arg, Expr, ExprKind, Ident};
use crate::text::Span;

impl Lower<'_, '_> {
    pub(super) fn call(
        &mut self,
        name: &Ident,
        args: &[Arg],
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        if let Some(signature) = builtin::find(&name.name) {
            let form = resolve::form(&name.name, signature);
            return match args::bind(&form, name, span, args) {
                Ok(matched) => self.builtin(name, signature, &matched, span, scope),
                Err(_) => self.poison(),
            };
        }
        let (items, hypers) = (self.items, self.hypers);
        if let Some(idx) = items.find(&name.name) {
            let callable = items.callables[idx];
            if items.recursive[idx] {
                return self.poison();
            }
            if items.weights[idx] > super::MOST_NODES {
                return self.too_many_nodes(span);
            }
            return match args::bind(&callable.form(), name, span, args) {
                Ok(matched) => self.inline(callable, &matched, span, scope),
                Err(_) => self.poison(),
            };
        }
        if scope.cell
            && let Some(activation) = hypers.activations.get(&*name.name)
        {
            return self.hyper_call(name, activation, args, span, scope);
        }
        if scope.cell && hypers.numbers.constants.contains_key(&name.name) {
            let message = format!("`{}` is a number, not an activation", name.name);
            let mut fault = Diagnostic::new(Code::WrongKindOfName, name.span, message);
            let mut help = format!("write `{} * ..`", name.name);
            if let Some((_, def)) = self.names.find(&name.name) {
                fault = fault.label(def.name.span, "declared here");
                if let Kind::Hyper(hyper) = &def.kind
                    && let ExprKind::Call(function, _) = &hyper.value.kind
                {
                    help = format!(
                        "an activation that is the value of a hyper names its constants: `{}(NAME = ..)`",
                        function.name
                    );
                }
            }
            return self.fail(fault.help(help));
        }
        self.poison()
    }

    /// `act(v)` for a hyper that stands for an activation.
    fn hyper_call(
        &mut self,
        name: &Ident,
        activation: &Activation<'_>,
        args: &[Arg],
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        let form = args::Form {
            name: &name.name,
            params: vec![("v", false)],
            variadic: false,
            over: false,
        };
        let value = match args::bind(&form, name, span, args) {
            Ok(matched) => match matched.slots[0] {
                Some(value) => value,
                None => return self.poison(),
            },
            Err(fault) => return self.fail(*fault),
        };
        let operand = self.operand(value, scope);
        let constants = activation.constants.iter().map(|it| Value::Constant(it.clone(), 1));
        let mut values = vec![operand.value.clone()];
        values.extend(constants);
        match activation.of {
            Of::Builtin(op) => {
                let mut operands = vec![operand.clone()];
                operands
                    .extend(values.drain(1..).map(|value| Operand { shown: operand.shown, value }));
                self.pointwise(op, &operands, span)
            }
            Of::Own(item) => self.activate(item, operand, values, span),
        }
    }

    /// Refuses a call that would become too many nodes before any of them is made.
    fn too_many_nodes(&mut self, span: Span) -> Value {
        let most = super::MOST_NODES;
        let message =
            format!("this call becomes more than {most} nodes when functions are inlined");
        self.fail(Diagnostic::new(Code::TooLarge, span, message))
    }

    /// A function or activation of the file.
    fn inline(
        &mut self,
        callable: Callable<'_>,
        matched: &Matched<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        let mut values = Vec::with_capacity(matched.slots.len());
        match callable {
            Callable::Function(function) => {
                let mut locals: Vec<(&str, Value)> = Vec::with_capacity(matched.slots.len());
                for (param, slot) in function.params.iter().zip(&matched.slots) {
                    let value = match slot {
                        Some(expr) => self.expr(expr, scope),
                        None => self.poison(),
                    };
                    locals.push((&param.name, value));
                }
                self.body(&function.body, &locals, span)
            }
            Callable::Activation(item) => {
                let Some(value) = matched.slots[0] else { return self.poison() };
                let operand = self.operand(value, scope);
                values.push(operand.value.clone());
                for ((name, default), slot) in item.constants.iter().zip(&matched.slots[1..]) {
                    let what = format!("`{}` of `{}`", name.name, item.name.name);
                    let constant = match slot {
                        Some(expr) => self.constant_expr(expr, scope, &what),
                        None => self.constant_expr(default, &NOTHING, &what),
                    };
                    match constant {
                        Some(constant) => values.push(Value::Constant(constant, 1)),
                        None => return self.poison(),
                    }
                }
                self.activate(item, operand, values, span)
            }
        }
    }

    /// The body of a function with its parameters bound. Reports from within say which call they come from.
    fn body(&mut self, body: &Expr, locals: &[(&str, Value)], call: Span) -> Value {
        let before = self.sink.len();
        let value = self.expr(body, &Scope { locals, cell: false });
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

    /// An activation of the file; `values` are its argument and its constants.
    fn activate(
        &mut self,
        item: &ast::Activation,
        operand: Operand<'_>,
        values: Vec<Value>,
        span: Span,
    ) -> Value {
        let Some(shape) = self.numeric(&operand) else { return self.poison() };
        let names = std::iter::once(&item.value).chain(item.constants.iter().map(|it| &it.0));
        let mut locals: Vec<(&str, Value)> = names.map(|it| &*it.name).zip(values).collect();
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

    /// A value in the shape of an activation's argument: a constant is repeated. `None` when it is poisoned.
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
        name: &Ident,
        signature: &Signature,
        matched: &Matched<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        if let Builtin::Time = signature.what {
            return self.time(span);
        }
        let slots = &matched.slots;
        let Some(Some(first)) = slots.first().copied() else { return self.poison() };
        let second = slots.get(1).copied().flatten();
        let along = |what: Builtin| match what {
            Builtin::Reduce(it) | Builtin::Extreme(_, it) => Some(Along::Reduce(it)),
            Builtin::Mean => Some(Along::Mean),
            Builtin::Softmax => Some(Along::Softmax),
            Builtin::CumSum => Some(Along::CumSum),
            Builtin::LayerNorm => Some(Along::LayerNorm),
            Builtin::RmsNorm => Some(Along::RmsNorm),
            Builtin::L2Normalize => Some(Along::L2Normalize),
            Builtin::Map(_)
            | Builtin::Where
            | Builtin::Clamp
            | Builtin::MatMul
            | Builtin::Transpose
            | Builtin::Outer
            | Builtin::Dot
            | Builtin::Concat
            | Builtin::Stack
            | Builtin::Slice
            | Builtin::Reshape
            | Builtin::Rename
            | Builtin::Eye
            | Builtin::Zeros
            | Builtin::Ones
            | Builtin::Iota
            | Builtin::StopGrad
            | Builtin::ClipGrad
            | Builtin::Time
            | Builtin::Bernoulli
            | Builtin::OfModel(_) => None,
        };
        match signature.what {
            Builtin::Map(op) => self.elementwise(name, op, signature, slots, span, scope),
            Builtin::Clamp => self.clamp(slots, span, scope),
            Builtin::Extreme(op, _) if second.is_some() => {
                self.elementwise(name, op, signature, slots, span, scope)
            }
            Builtin::Where => match slots[..] {
                [Some(cond), Some(yes), Some(no)] => self.select([cond, yes, no], span, scope),
                [..] => self.poison(),
            },
            Builtin::Extreme(..)
            | Builtin::Reduce(_)
            | Builtin::Mean
            | Builtin::Softmax
            | Builtin::CumSum
            | Builtin::LayerNorm
            | Builtin::RmsNorm
            | Builtin::L2Normalize => {
                let operand = self.operand(first, scope);
                let eps = match signature.params.get(1).and_then(|it| it.default) {
                    Some(default) => match self.eps(name, second, default, scope) {
                        Some(eps) => Some(eps),
                        None => return self.poison(),
                    },
                    None => None,
                };
                let Some(kind) = along(signature.what) else { return self.poison() };
                let call = reduce::Call { name: &name.name, over: matched.over, span };
                self.along(call, kind, &operand, eps, scope)
            }
            Builtin::MatMul => self.product_of(Product::MatMul, first, second, span, scope),
            Builtin::Outer => self.product_of(Product::Outer, first, second, span, scope),
            Builtin::Dot => self.product_of(Product::Dot, first, second, span, scope),
            Builtin::Transpose => {
                let operand = self.operand(first, scope);
                self.transpose(&operand, span)
            }
            Builtin::Concat => {
                let operands = self.operands(matched, scope);
                self.concat(&operands, span)
            }
            Builtin::Stack => {
                let operands = self.operands(matched, scope);
                self.stack(&operands, span)
            }
            Builtin::Slice => {
                let operand = self.operand(first, scope);
                match slots[..] {
                    [_, Some(from), Some(to)] => {
                        self.slice(&operand, [from, to], matched.over, span, scope)
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
                let limit =
                    second.and_then(|it| self.constant_expr(it, scope, "the limit of `clip_grad`"));
                let Some(limit) = limit else { return self.poison() };
                if let (Some(value), Some(expr)) = (self.hypers.numbers.value(&limit), second)
                    && (value.is_nan() || value <= 0.0)
                {
                    let text = show::number(value);
                    let message = format!("the limit of `clip_grad` is positive, not {text}");
                    return self.fail(Diagnostic::new(
                        Code::ConstantOutOfRange,
                        expr.span,
                        message,
                    ));
                }
                self.passing(Op::Gradient(Gradient::ClipGrad(limit)), &operand, span)
            }
            Builtin::Time | Builtin::Bernoulli | Builtin::OfModel(_) => self.poison(),
        }
    }

    fn product_of(
        &mut self,
        product: Product,
        first: &Expr,
        second: Option<&Expr>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        let a = self.operand(first, scope);
        let Some(second) = second else { return self.poison() };
        let b = self.operand(second, scope);
        self.product(product, [&a, &b], span)
    }

    /// All arguments of a function that takes any number of values.
    fn operands<'e>(&mut self, matched: &Matched<'e>, scope: &Scope<'_>) -> Vec<Operand<'e>> {
        let exprs = matched.slots.iter().copied().flatten().chain(matched.rest.iter().copied());
        exprs.map(|it| self.operand(it, scope)).collect()
    }

    /// An operation that gives its operand back.
    fn passing(&mut self, op: Op, operand: &Operand<'_>, span: Span) -> Value {
        let Some(shape) = self.numeric(operand) else { return self.poison() };
        if let Value::Constant(..) = operand.value {
            return operand.value.clone();
        }
        let node = self.entered(operand);
        Value::Node(self.add(op, vec![node], shape, span))
    }

    fn eps(
        &mut self,
        name: &Ident,
        given: Option<&Expr>,
        default: f64,
        scope: &Scope<'_>,
    ) -> Option<Const> {
        let Some(expr) = given else { return Some(Const::Number(default)) };
        let what = format!("`eps` of `{}`", name.name);
        let eps = self.constant_expr(expr, scope, &what)?;
        if let Some(value) = self.hypers.numbers.value(&eps)
            && (value.is_nan() || value < 0.0)
        {
            let message = format!("{what} is at least 0, not {}", show::number(value));
            self.fail(Diagnostic::new(Code::ConstantOutOfRange, expr.span, message));
            return None;
        }
        Some(eps)
    }

    /// A row of the table of elementwise operators.
    fn elementwise(
        &mut self,
        name: &Ident,
        op: Pointwise,
        signature: &Signature,
        slots: &[Option<&Expr>],
        span: Span,
        scope: &Scope<'_>,
    ) -> Value {
        let mut operands: Vec<Operand<'_>> = Vec::with_capacity(slots.len());
        for (param, slot) in signature.params.iter().zip(slots) {
            let operand = match (slot, param.kind, param.default) {
                (Some(expr), builtin::Kind::Constant, _) => {
                    let what = format!("`{}` of `{}`", param.name, name.name);
                    let value = match self.constant_expr(expr, scope, &what) {
                        Some(constant) => Value::Constant(constant, 1),
                        None => self.poison(),
                    };
                    Operand { shown: Shown::from(*expr), value }
                }
                (Some(expr), _, _) => self.operand(expr, scope),
                (None, _, Some(default)) => {
                    let Some(first) = operands.first() else { return self.poison() };
                    Operand { shown: first.shown, value: Value::number(default) }
                }
                (None, _, None) => return self.poison(),
            };
            operands.push(operand);
        }
        self.pointwise(op, &operands, span)
    }

    /// `clamp(v, lo, hi)`. Its table row knows the derivative by `v` only, so bounds that are values are built of `max` and
    /// `min`.
    fn clamp(&mut self, slots: &[Option<&Expr>], span: Span, scope: &Scope<'_>) -> Value {
        let [Some(v), Some(lo), Some(hi)] = slots[..] else { return self.poison() };
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
        self.pointwise(Pointwise::Min, &[Operand { shown, value }, hi], span)
    }
}

/// Why a call is labelled.
const IN_CALL: &str = "in this call";

/// The defaults of an activation's constants see no names.
const NOTHING: Scope<'static> = Scope { locals: &[], cell: false };
