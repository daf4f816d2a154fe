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
    pub(super) fn call(&mut self, call: &Call<'_>, span: Span, scope: &Scope<'_>) -> Option<Value> {
        match call.callee {
            Callee::Builtin(signature) => self.builtin(call, signature, span, scope),
            Callee::Function(id) => {
                let function = &self.names.tree.functions[id];
                if function.recursive {
                    return None;
                }
                if function.weight > super::MOST_NODES {
                    return self.too_many_nodes(span);
                }
                self.inline(function, call, span, scope)
            }
            Callee::Hyper(def) => self.hyper_call(def, call, span, scope),
            // These occur after `init` and in layouts, which read them themselves.
            Callee::Draw(_) | Callee::Form => None,
        }
    }

    /// `act(v)` for a hyper that is an activation.
    fn hyper_call(
        &mut self,
        def: DefId,
        call: &Call<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let hypers = self.hypers;
        let activation = hypers.activations.get(&*self.names.def(def).name.name)?;
        let [value] = call.first();
        let operand = self.operand(value, scope)?;
        self.activation(activation, operand, span)
    }

    fn activation(
        &mut self,
        activation: &Activation,
        operand: Operand<'_>,
        span: Span,
    ) -> Option<Value> {
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
                let mut values = vec![Some(operand.value.clone())];
                values.extend(constants.map(Some));
                self.activate(&self.names.tree.functions[id], operand, values, span)
            }
        }
    }

    /// Refuses a call that would become too many nodes before any of them is made.
    fn too_many_nodes(&mut self, span: Span) -> Option<Value> {
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
    ) -> Option<Value> {
        if !function.is_activation() {
            let values: Vec<Option<Value>> =
                call.args.iter().map(|it| self.expr(it, scope)).collect();
            return self.body(&function.body, &bound(values), span);
        }
        let [value] = call.first();
        let operand = self.operand(value, scope)?;
        let mut values = vec![Some(operand.value.clone())];
        let params = function.params.iter().zip(&function.defaults).zip(call.slots()).skip(1);
        for ((param, default), slot) in params {
            let what = format!("`{}` of `{}`", param.name.name, function.name().name);
            let (expr, scope) = match slot {
                Some(expr) => (expr, scope),
                None => (default.as_ref()?, &Scope::CELL),
            };
            values.push(Some(Value::Constant(self.constant_expr(expr, scope, &what)?, 1)));
        }
        self.activate(function, operand, values, span)
    }

    /// Returns the body of a function with its parameters bound. Reports from within say which call they come from.
    fn body(&mut self, body: &Expr<'_>, locals: &[(LocalId, Value)], call: Span) -> Option<Value> {
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
        values: Vec<Option<Value>>,
        span: Span,
    ) -> Option<Value> {
        let shape = self.numeric(&operand)?;
        let mut locals = bound(values);
        if let Value::Constant(..) = operand.value {
            return self.body(&item.body, &locals, span);
        }
        // What enters from another branch is guarded once, so that the argument of `Declared` is what the body reads.
        let argument = self.entered(&operand);
        locals[0].1 = Value::Node(argument);
        let body = self.body(&item.body, &locals, span)?;
        let Some(value) = self.fitted(&body, &shape, span) else { return Some(body) };
        let Some(derivative) = &item.derivative else { return Some(Value::Node(value)) };
        let slope = self.body(derivative, &locals, span)?;
        let slope = self.fitted(&slope, &shape, span)?;
        Some(Value::Node(self.add(Gradient::Declared, vec![value, argument, slope], shape, span)))
    }

    /// Returns a value in the shape of an activation's argument: a constant is repeated. `None` where it has another shape.
    fn fitted(&mut self, value: &Value, shape: &Shape, span: Span) -> Option<NodeId> {
        let found = self.shape(value);
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
    ) -> Option<Value> {
        if let Builtin::Time = signature.what {
            return self.time(Order::Ascending, span);
        }
        let name = signature.name;
        match signature.what {
            Builtin::Map(op) => self.elementwise(op, signature, call, span, scope),
            Builtin::Clamp => self.clamp(call, span, scope),
            Builtin::Extreme(op, _) if call.option().is_some() => {
                self.elementwise(op, signature, call, span, scope)
            }
            Builtin::Where => self.select(call.first(), span, scope),
            Builtin::Extreme(_, it) => {
                let [v] = self.operands(call.first(), scope)?;
                let axes = reduce::Call { name, over: call.over.as_ref(), span };
                self.along(axes, Along::Reduce(it), &v, None, scope)
            }
            Builtin::Along(along) => {
                let [v] = self.operands(call.first(), scope)?;
                let eps = match signature.params.get(1).and_then(|it| it.default) {
                    Some(default) => Some(self.eps(name, call.option(), default, scope)?),
                    None => None,
                };
                let axes = reduce::Call { name, over: call.over.as_ref(), span };
                self.along(axes, along, &v, eps, scope)
            }
            Builtin::MatMul => self.product_of(Product::MatMul, call, span, scope),
            Builtin::Outer => self.product_of(Product::Outer, call, span, scope),
            Builtin::Dot => self.product_of(Product::Dot, call, span, scope),
            Builtin::Transpose => {
                let [m] = self.operands(call.first(), scope)?;
                self.transpose(&m, span)
            }
            Builtin::Concat => {
                let operands = self.all_operands(call, scope)?;
                self.concat(&operands, span)
            }
            Builtin::Stack => {
                let operands = self.all_operands(call, scope)?;
                self.stack(&operands, span)
            }
            Builtin::Slice => {
                let [v, from, to] = call.first();
                let operand = self.operand(v, scope);
                self.slice(operand, [from, to], call.over.as_ref(), span, scope)
            }
            Builtin::Reshape => {
                let [v, to] = call.first();
                let operand = self.operand(v, scope);
                self.reshape(operand, to, span, scope)
            }
            Builtin::Rename => {
                let [v, to] = call.first();
                let operand = self.operand(v, scope);
                self.rename(operand, to, span, scope)
            }
            Builtin::Eye => self.of_size(Op::Literal(Literal::Eye), 2, call, span, scope),
            Builtin::Iota => self.of_size(Op::Literal(Literal::Iota), 1, call, span, scope),
            Builtin::Zeros => self.filled(0.0, call, span, scope),
            Builtin::Ones => self.filled(1.0, call, span, scope),
            Builtin::StopGrad => {
                let [v] = self.operands(call.first(), scope)?;
                self.passing(Op::Gradient(Gradient::StopGrad), &v, span)
            }
            Builtin::ClipGrad => {
                let [v, limit] = call.first();
                let operand = self.operand(v, scope);
                let limit = self.positive(limit, "the limit of `clip_grad`", scope)?;
                self.passing(Op::Gradient(Gradient::ClipGrad(limit)), &operand?, span)
            }
            Builtin::OfModel(what) => self.cost(what, call, span, scope),
            // The step number is read above; the law of a mask is nowhere else.
            Builtin::Time | Builtin::Bernoulli => None,
        }
    }

    fn product_of(
        &mut self,
        product: Product,
        call: &Call<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let [a, b] = self.operands(call.first(), scope)?;
        self.product(product, [&a, &b], span)
    }

    /// Returns all arguments of a function that takes any number of values.
    fn all_operands<'e>(&mut self, call: &Call<'e>, scope: &Scope<'_>) -> Option<Vec<Operand<'e>>> {
        let found: Vec<Option<Operand<'e>>> =
            call.given().map(|it| self.operand(it, scope)).collect();
        found.into_iter().collect()
    }

    /// Returns an operation that gives its operand back.
    fn passing(&mut self, op: Op, operand: &Operand<'_>, span: Span) -> Option<Value> {
        let shape = self.numeric(operand)?;
        if let Value::Constant(..) = operand.value {
            return Some(operand.value.clone());
        }
        let node = self.entered(operand);
        Some(Value::Node(self.add(op, vec![node], shape, span)))
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
            Some(fault) => self.fail(fault),
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
            return self.fail(Diagnostic::new(Code::ConstantOutOfRange, expr.span(), message));
        }
        Some(eps)
    }

    /// Returns a row of the table of elementwise operators.
    fn elementwise(
        &mut self,
        op: Pointwise,
        signature: &Signature,
        call: &Call<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let mut operands: Vec<Option<Operand<'_>>> = Vec::with_capacity(signature.params.len());
        for (param, slot) in signature.params.iter().zip(call.slots()) {
            operands.push(match (slot, param.kind) {
                (Some(expr), builtin::Kind::Constant) => {
                    let what = format!("`{}` of `{}`", param.name, signature.name);
                    let constant = match param.is_positive {
                        true => self.positive(expr, &what, scope),
                        false => self.constant_expr(expr, scope, &what),
                    };
                    constant.map(|it| Operand {
                        shown: Shown::from(expr.ast),
                        def: None,
                        value: Value::Constant(it, 1),
                    })
                }
                (Some(expr), _) => self.operand(expr, scope),
                (None, _) => {
                    let first = operands.first().and_then(Option::as_ref);
                    let value = param.default.map(Value::number);
                    first.zip(value).map(|(it, value)| Operand {
                        shown: it.shown,
                        def: None,
                        value,
                    })
                }
            });
        }
        let operands = operands.into_iter().collect::<Option<Vec<_>>>()?;
        self.pointwise(op, &operands, span)
    }

    /// `clamp(v, lo, hi)`. Its table row knows the derivative by `v` only, so bounds that are values are built of `max` and
    /// `min`.
    fn clamp(&mut self, call: &Call<'_>, span: Span, scope: &Scope<'_>) -> Option<Value> {
        let [v, lo, hi] = self.operands(call.first(), scope)?;
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
        let value = self.pointwise(Pointwise::Max, &[v, lo], span)?;
        self.pointwise(Pointwise::Min, &[Operand { shown, def: None, value }, hi], span)
    }
}

/// The label of a call around an error.
const IN_CALL: &str = "in this call";

/// Returns the parameters of a function with their values.
fn bound(values: Vec<Option<Value>>) -> Vec<(LocalId, Value)> {
    let values = values.into_iter().enumerate();
    values.filter_map(|(at, value)| Some((LocalId::new(at), value?))).collect()
}
