//! Functions that move elements: joining, cutting, turning and renaming.

use super::reduce::Call;
use super::{Lower, Operand, Scope, Value};
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, Expr, Over};
use crate::ir::{Const, Dim, Literal, Move, Op, Shape};
use crate::text::Span;

fn bad(span: Span, message: String) -> Diagnostic {
    Diagnostic::new(Code::BadShapeFunction, span, message)
}

impl Lower<'_, '_> {
    pub(super) fn transpose(&mut self, operand: &Operand<'_>, span: Span) -> Option<Value> {
        let shape = self.numeric(operand)?;
        let rank = shape.rank();
        if rank < 2 {
            let message =
                format!("`transpose` needs two axes, {} has not", operand.shown.with(&shape));
            let fault = self.with_declarations(bad(span, message), &[operand]);
            return self.fail(fault);
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 1, rank - 2);
        let axes = order.iter().map(|it| shape.axes()[*it].clone()).collect();
        let node = self.entered(operand);
        Some(Value::Node(self.add(Move::Permute(order), vec![node], Shape(axes), span)))
    }

    /// `concat(a, b, ..)` along the last axes.
    pub(super) fn concat(&mut self, operands: &[Operand<'_>], span: Span) -> Option<Value> {
        let shapes = self.numeric_all(operands)?;
        // A scalar counts as one element.
        let joined: Vec<Shape> = shapes
            .iter()
            .map(|it| if it.rank() == 0 { Shape(vec![Dim::number(1)]) } else { it.clone() })
            .collect();
        let first = &joined[0];
        let lead = &first.axes()[..first.rank() - 1];
        let mut last = Dim::number(0);
        for (idx, shape) in joined.iter().enumerate() {
            if shape.rank() != first.rank() || shape.axes()[..shape.rank() - 1] != *lead {
                let message = format!(
                    "cannot join {} and {}: their leading axes differ",
                    operands[0].shown.with(&shapes[0]),
                    operands[idx].shown.with(&shapes[idx])
                );
                let fault = bad(span, message)
                    .help("`concat` joins last axes, `stack` makes a new first axis");
                let fault = self.with_declarations(fault, &[&operands[0], &operands[idx]]);
                return self.fail(fault);
            }
            match last.add(&shape.axes()[shape.rank() - 1]) {
                Ok(sum) => last = sum,
                Err(_) => return self.too_large(span),
            }
        }
        let axis = first.rank() - 1;
        let shape = Shape(lead.iter().cloned().chain([last]).collect());
        let mut nodes = Vec::with_capacity(operands.len());
        for (operand, (given, wanted)) in operands.iter().zip(shapes.iter().zip(&joined)) {
            let mut node = self.entered(operand);
            if given != wanted {
                let op = Op::Move(Move::Reshape);
                node = self.add(op, vec![node], wanted.clone(), operand.shown.span());
            }
            nodes.push(node);
        }
        Some(Value::Node(self.add(Move::Concat(axis), nodes, shape, span)))
    }

    fn too_large(&mut self, span: Span) -> Option<Value> {
        let message = "a size in this shape is too large";
        self.fail(Diagnostic::new(Code::TooLarge, span, message))
    }

    fn numeric_all(&mut self, operands: &[Operand<'_>]) -> Option<Vec<Shape>> {
        let mut shapes = Vec::with_capacity(operands.len());
        for operand in operands {
            shapes.push(self.numeric(operand));
        }
        shapes.into_iter().collect()
    }

    /// `stack(a, b, ..)` along a new first axis.
    pub(super) fn stack(&mut self, operands: &[Operand<'_>], span: Span) -> Option<Value> {
        let shapes = self.numeric_all(operands)?;
        if let Some(other) = shapes.iter().position(|it| *it != shapes[0]) {
            let message = format!(
                "cannot stack {} and {}: their shapes differ",
                operands[0].shown.with(&shapes[0]),
                operands[other].shown.with(&shapes[other])
            );
            let fault =
                self.with_declarations(bad(span, message), &[&operands[0], &operands[other]]);
            return self.fail(fault);
        }
        let count = Dim::number(operands.len() as i64);
        let shape = Shape([count].into_iter().chain(shapes[0].axes().iter().cloned()).collect());
        let nodes = operands.iter().map(|it| self.entered(it)).collect();
        Some(Value::Node(self.add(Move::Stack, nodes, shape, span)))
    }

    /// `slice(v, from, to)`
    pub(super) fn slice(
        &mut self,
        operand: Option<Operand<'_>>,
        bounds: [&Expr<'_>; 2],
        over: Option<&(Over<'_>, Span)>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let shape = operand.as_ref().and_then(|it| self.numeric(it));
        let from = self.whole(bounds[0], scope, "a bound of `slice`");
        let to = self.whole(bounds[1], scope, "a bound of `slice`");
        let (operand, shape, from, to) = (&operand?, shape?, from?, to?);
        let call = Call { name: "slice", over, span };
        let axis = self.one_axis(call, operand, &shape, scope)?;
        let size = &shape.axes()[axis];
        let out = |span: Span, message: String| Diagnostic::new(Code::OutOfRange, span, message);
        let fault = if is_less(&from, &Dim::number(0)) {
            Some(out(
                bounds[0].span(),
                format!("the slice begins at {from}, before the first element"),
            ))
        } else if is_less(size, &to) {
            let text = format!("the slice ends at `{to}`; the axis has `{size}` elements");
            Some(out(bounds[1].span(), text))
        } else if from.add(&Dim::number(1)).is_ok_and(|it| is_less(&to, &it)) {
            Some(out(span, format!("the slice {from} .. {to} is empty")))
        } else {
            None
        };
        if let Some(fault) = fault {
            let fault = self.with_declarations(fault, &[operand]);
            return self.fail(fault);
        }
        let Ok(len) = to.sub(&from) else { return self.too_large(span) };
        let mut axes = shape.axes().to_vec();
        axes[axis] = len;
        let node = self.entered(operand);
        Some(Value::Node(self.add(Move::Slice { axis, from, to }, vec![node], Shape(axes), span)))
    }

    /// `reshape(v, [..])`
    pub(super) fn reshape(
        &mut self,
        operand: Option<Operand<'_>>,
        to: &Expr<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let from = operand.as_ref().and_then(|it| self.numeric(it));
        let to = self.shape_expr(to, scope);
        let (operand, from, to) = (&operand?, from?, to?);
        let (Ok(before), Ok(after)) = (elements(&from), elements(&to)) else {
            return self.too_large(span);
        };
        if before != after {
            let message = format!(
                "cannot reshape {} to `{to}`: `{before}` elements become `{after}`",
                operand.shown.with(&from)
            );
            let fault = self.with_declarations(bad(span, message), &[operand]);
            return self.fail(fault);
        }
        self.reshaped(operand, to, span)
    }

    fn reshaped(&mut self, operand: &Operand<'_>, to: Shape, span: Span) -> Option<Value> {
        let node = self.entered(operand);
        if *self.graph.shape(node) == to {
            return Some(Value::Node(node));
        }
        Some(Value::Node(self.add(Move::Reshape, vec![node], to, span)))
    }

    /// `rename(v, [J])`: the same elements under second names of the same sizes.
    pub(super) fn rename(
        &mut self,
        operand: Option<Operand<'_>>,
        to: &Expr<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let from = operand.as_ref().and_then(|it| self.numeric(it));
        let to = self.shape_expr(to, scope);
        let (operand, from, to) = (&operand?, from?, to?);
        let shown = operand.shown.with(&from);
        let fault = if from.rank() != to.rank() {
            Some(bad(span, format!("cannot rename {shown} to `{to}`: the numbers of axes differ")))
        } else {
            let dims = &self.names.dims;
            let pairs = from.axes().iter().zip(to.axes());
            let other = pairs.into_iter().find(|(a, b)| dims.root(a) != dims.root(b));
            other.map(|(a, b)| {
                let message =
                    format!("cannot rename {shown} to `{to}`: `{a}` is not as large as `{b}`");
                bad(span, message).help(format!(
                    "`rename` is for second names, declared with `dims {b} like {a}`"
                ))
            })
        };
        if let Some(fault) = fault {
            let fault = self.with_declarations(fault, &[operand]);
            return self.fail(fault);
        }
        self.reshaped(operand, to, span)
    }

    /// Returns a number repeated to a shape.
    pub(super) fn filled(
        &mut self,
        value: f64,
        call: &hir::Call<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let [shape] = call.first();
        let shape = self.shape_expr(shape, scope)?;
        if shape.rank() == 0 {
            return Some(Value::number(value));
        }
        let scalar =
            self.add(Literal::Scalar(Const::Number(value)), Vec::new(), Shape::scalar(), span);
        Some(Value::Node(self.fill(scalar, &shape, span)))
    }

    /// `eye(N)` or `iota(N)`.
    pub(super) fn of_size(
        &mut self,
        op: Op,
        rank: usize,
        call: &hir::Call<'_>,
        span: Span,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let [size] = call.first();
        let dim = self.size(size, scope)?;
        if let Some(size) = dim.as_number()
            && size < 1
        {
            let message = format!("an axis has at least 1 element, this one has {size}");
            return self.fail(Diagnostic::new(Code::ConstantOutOfRange, span, message));
        }
        let shape = Shape(vec![dim; rank]);
        match crate::check::dims::too_many_elements(&shape, span) {
            Some(fault) => self.fail(fault),
            None => Some(Value::Node(self.add(op, Vec::new(), shape, span))),
        }
    }
}

/// Returns true if one size is surely less than another.
pub(super) fn is_less(a: &Dim, b: &Dim) -> bool {
    b.sub(a).ok().and_then(|it| it.least()).is_some_and(|it| it > 0)
}

fn elements(shape: &Shape) -> Result<Dim, crate::ir::dim::DimOverflow> {
    shape.axes().iter().try_fold(Dim::number(1), |product, axis| product.mul(axis))
}
