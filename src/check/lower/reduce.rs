//! Functions along axes: sums, norms, softmax, and the normalisations that are composed of them.

use super::{Lower, Operand, Scope, Value};
use crate::check::show;
use crate::diag::{Code, Diagnostic};
use crate::hir::builtin::Along;
use crate::hir::{Expr, Over};
use crate::ir::{self, Const, Dim, Literal, NodeId, Op, Pointwise, Reduction, Shape};
use crate::text::Span;

/// A call of a function along axes.
#[derive(Clone, Copy)]
pub(super) struct Call<'e> {
    pub name: &'e str,
    pub over: Option<&'e (Over<'e>, Span)>,
    pub span: Span,
}

/// Along which axes a value of which shape is reduced, and the shape that is left.
struct Reduced<'r> {
    axes: &'r [usize],
    shape: Shape,
    left: Shape,
    span: Span,
}

impl Lower<'_, '_> {
    /// Returns a function along axes of a value.
    pub(super) fn along(
        &mut self,
        call: Call<'_>,
        kind: Along,
        operand: &Operand<'_>,
        eps: Option<Const>,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let span = call.span;
        let shape = self.numeric(operand)?;
        let axes = self.axes(call, operand, &shape, scope)?;
        let node = self.entered(operand);
        let kept = (0..shape.rank()).filter(|it| !axes.contains(it));
        let left = Shape(kept.map(|it| shape.axes()[it].clone()).collect());
        let it = Reduced { axes: &axes, shape, left, span };
        let eps = eps.unwrap_or(Const::Number(0.0));
        let result = self.along_axes(call, kind, &it, node, eps)?;
        Some(Value::Node(result))
    }

    /// Returns a function along the axes of a value; `None` after a report.
    fn along_axes(
        &mut self,
        call: Call<'_>,
        kind: Along,
        it: &Reduced<'_>,
        node: NodeId,
        eps: Const,
    ) -> Option<NodeId> {
        let Call { name, over: _, span } = call;
        Some(match kind {
            Along::Reduce(reduction) => self.reduce(reduction, it, node),
            Along::Mean => self.mean(it, node)?,
            Along::Var => {
                let centred = self.centred(it, node)?;
                let square = self.map(Pointwise::Square, &[centred], span);
                self.mean(it, square)?
            }
            // By the norm, whose slope at 0 is 0.
            Along::Std => {
                let centred = self.centred(it, node)?;
                let norm = self.reduce(Reduction::Norm, it, centred);
                let count = Const::Size(self.n_elements(it)?);
                let root = Const::Apply(Pointwise::Sqrt, vec![count]);
                let root = self.scalar(root, &it.left, span);
                self.map(Pointwise::Div, &[norm, root], span)
            }
            Along::Softmax => {
                let op = ir::Along::Softmax(it.axes.to_vec());
                self.add(op, vec![node], it.shape.clone(), span)
            }
            Along::CumSum => {
                let [axis] = it.axes[..] else {
                    let message = format!("`{name}` runs along one axis");
                    return self.fail(Diagnostic::new(Code::BadReduction, span, message));
                };
                let op = ir::Along::CumSum { axis, reverse: false };
                self.add(op, vec![node], it.shape.clone(), span)
            }
            Along::LayerNorm => {
                let centred = self.centred(it, node)?;
                self.over_root(it, centred, eps)?
            }
            Along::RmsNorm => self.over_root(it, node, eps)?,
            Along::L2Normalize => {
                let norm = self.reduce(Reduction::Norm, it, node);
                let eps = self.scalar(eps, &it.left, span);
                let bounded = self.map(Pointwise::Max, &[norm, eps], span);
                let bounded = self.restore(it, bounded);
                self.map(Pointwise::Div, &[node, bounded], span)
            }
        })
    }

    pub(super) fn map(&mut self, op: Pointwise, args: &[NodeId], span: Span) -> NodeId {
        let node = self.graph.map(op, args, span);
        self.note();
        node
    }

    fn scalar(&mut self, value: Const, shape: &Shape, span: Span) -> NodeId {
        let scalar = self.add(Literal::Scalar(value), Vec::new(), Shape::scalar(), span);
        self.fill(scalar, shape, span)
    }

    fn reduce(&mut self, reduction: Reduction, it: &Reduced<'_>, node: NodeId) -> NodeId {
        let op = Op::Along(ir::Along::Reduce(reduction, it.axes.to_vec()));
        self.add(op, vec![node], it.left.clone(), it.span)
    }

    /// Returns the number of elements along the axes; `None` after a report.
    fn n_elements(&mut self, it: &Reduced<'_>) -> Option<Dim> {
        let sizes = it.axes.iter().map(|axis| &it.shape.axes()[*axis]);
        match sizes.into_iter().try_fold(Dim::number(1), |product, it| product.mul(it)) {
            Ok(count) => Some(count),
            Err(_) => {
                let message = format!("the number of elements of `{}` is too large", it.shape);
                self.fail(Diagnostic::new(Code::TooLarge, it.span, message))
            }
        }
    }

    /// Returns the mean along the axes; `None` after a report.
    fn mean(&mut self, it: &Reduced<'_>, node: NodeId) -> Option<NodeId> {
        let count = self.n_elements(it)?;
        let sum = self.reduce(Reduction::Sum, it, node);
        let count = self.scalar(Const::Size(count), &it.left, it.span);
        Some(self.map(Pointwise::Div, &[sum, count], it.span))
    }

    /// Returns a value less its mean.
    fn centred(&mut self, it: &Reduced<'_>, node: NodeId) -> Option<NodeId> {
        let mean = self.mean(it, node)?;
        let mean = self.restore(it, mean);
        Some(self.map(Pointwise::Sub, &[node, mean], it.span))
    }

    /// `v / sqrt(mean(v^2) + eps)`
    fn over_root(&mut self, it: &Reduced<'_>, node: NodeId, eps: Const) -> Option<NodeId> {
        let square = self.map(Pointwise::Square, &[node], it.span);
        let mean = self.mean(it, square)?;
        let eps = self.scalar(eps, &it.left, it.span);
        let bounded = self.map(Pointwise::Add, &[mean, eps], it.span);
        let root = self.map(Pointwise::Rsqrt, &[bounded], it.span);
        let root = self.restore(it, root);
        Some(self.map(Pointwise::Mul, &[node, root], it.span))
    }

    /// Returns a reduced value repeated along the axes that disappeared.
    fn restore(&mut self, it: &Reduced<'_>, node: NodeId) -> NodeId {
        let places = (0..it.shape.rank()).filter(|axis| !it.axes.contains(axis)).collect();
        self.expand(node, places, &it.shape, it.span)
    }

    /// Returns the positions of the axes that a function works on, ascending.
    fn axes(
        &mut self,
        call: Call<'_>,
        operand: &Operand<'_>,
        shape: &Shape,
        scope: &Scope<'_>,
    ) -> Option<Vec<usize>> {
        let Call { name, over, span } = call;
        let bad = |span: Span, message: String| Diagnostic::new(Code::BadReduction, span, message);
        let shown = operand.shown.with(shape);
        if shape.rank() == 0 {
            let fault = bad(span, format!("`{name}` of {shown}: a scalar has no axis"));
            let fault = self.with_declarations(fault, &[operand]);
            return self.fail(fault);
        }
        let Some((over, place)) = over else {
            if shape.rank() == 1 {
                return Some(vec![0]);
            }
            let choices: Vec<String> = shape.axes().iter().map(|it| format!("over {it}")).collect();
            let mut fault = bad(span, format!("`{name}` of {shown} does not say over which axis"))
                .help(format!("add {}", show::list(&choices).replace(" and ", " or ")));
            let last = &shape.axes()[shape.rank() - 1];
            if shape.axes().iter().filter(|it| *it == last).count() == 1 {
                // Before the closing parenthesis.
                let end = Span { start: span.end - 1, end: span.end - 1, ..span };
                let text = format!(", over {last}");
                fault = fault.fix(crate::diag::Applicability::Maybe, end, text);
            }
            let fault = self.with_declarations(fault, &[operand]);
            return self.fail(fault);
        };
        let place = *place;
        let dims: Vec<&Expr<'_>> = match over {
            Over::First => return Some(vec![0]),
            Over::Last => return Some(vec![shape.rank() - 1]),
            Over::Dim(dim) => vec![&**dim],
            Over::Dims(dims) => dims.iter().collect(),
        };
        if dims.is_empty() {
            return self.fail(bad(place, format!("`{name}` needs at least one axis")));
        }
        let mut axes = Vec::with_capacity(dims.len());
        for expr in dims {
            let dim = self.size(expr, scope)?;
            let found: Vec<usize> =
                (0..shape.rank()).filter(|it| shape.axes()[*it] == dim).collect();
            let fault = match found[..] {
                [only] if axes.contains(&only) => {
                    bad(expr.span(), format!("the axis `{dim}` is named twice"))
                }
                [only] => {
                    axes.push(only);
                    continue;
                }
                [] => bad(expr.span(), format!("{shown} has no axis `{dim}`")),
                [..] => bad(expr.span(), format!("{shown} has several axes `{dim}`"))
                    .help("write `over first` or `over last`"),
            };
            let fault = self.with_declarations(fault, &[operand]);
            return self.fail(fault);
        }
        axes.sort_unstable();
        Some(axes)
    }

    /// Returns the position of the one axis that a slice is along.
    pub(super) fn one_axis(
        &mut self,
        call: Call<'_>,
        operand: &Operand<'_>,
        shape: &Shape,
        scope: &Scope<'_>,
    ) -> Option<usize> {
        let Call { name, over, span } = call;
        if over.is_none() && shape.rank() > 0 {
            return Some(shape.rank() - 1);
        }
        let axes = self.axes(call, operand, shape, scope)?;
        match axes[..] {
            [axis] => Some(axis),
            [] | [..] => {
                let message = format!("`{name}` works along one axis");
                self.fail(Diagnostic::new(Code::BadReduction, span, message))
            }
        }
    }
}
