//! Elementwise operators: operands of fewer axes are repeated to the shape of the one with the most.

use super::operands::{Embedding, embed};
use super::{Lower, Operand, Value};
use crate::diag::{Applicability, Code, Diagnostic};
use crate::ir::pointwise::Syntax;
use crate::ir::{Const, Dim, NodeId, Pointwise, Shape};
use crate::text::Span;

impl Lower<'_, '_> {
    /// Returns an elementwise operator of values.
    pub(super) fn pointwise(
        &mut self,
        op: Pointwise,
        args: &[Operand<'_>],
        span: Span,
    ) -> Option<Value> {
        let constants: Option<Vec<(Const, usize)>> = args
            .iter()
            .map(|it| match &it.value {
                Value::Constant(constant, parts) => Some((constant.clone(), *parts)),
                Value::Node(_) | Value::Index(..) => None,
            })
            .collect();
        if let Some(constants) = constants {
            return Some(self.constant(op, constants, span));
        }
        if self.are_alike(args) {
            let nodes: Vec<NodeId> = args.iter().map(|it| self.entered(it)).collect();
            return Some(Value::Node(self.map(op, &nodes, span)));
        }
        let (shape, places) = self.broadcast(op, args, span)?;
        let mut nodes = Vec::with_capacity(args.len());
        for (arg, places) in args.iter().zip(places) {
            nodes.push(self.spread(arg, places, &shape));
        }
        Some(Value::Node(self.map(op, &nodes, span)))
    }

    /// Returns true if all operands are nodes of one shape, so that nothing is to be repeated: the most frequent case, which is
    /// recognised without a copy of a shape.
    fn are_alike(&self, args: &[Operand<'_>]) -> bool {
        let mut shapes = args.iter().map(|it| match it.value {
            Value::Node(node) => Some(self.graph.shape(node)),
            Value::Constant(..) | Value::Index(..) => None,
        });
        let first = shapes.next().flatten();
        first.is_some() && shapes.all(|it| it == first)
    }

    /// Returns the shape of an elementwise result, and where the axes of each operand lie in it.
    pub(super) fn broadcast(
        &mut self,
        op: Pointwise,
        args: &[Operand<'_>],
        span: Span,
    ) -> Option<(Shape, Vec<Vec<usize>>)> {
        let mut shapes = Vec::with_capacity(args.len());
        for arg in args {
            shapes.push(self.numeric(arg));
        }
        let mut shapes: Vec<Shape> = shapes.into_iter().collect::<Option<_>>()?;
        // The first of those with the most axes.
        let mut largest = 0;
        for (idx, shape) in shapes.iter().enumerate() {
            if shape.rank() > shapes[largest].rank() {
                largest = idx;
            }
        }
        let mut places = Vec::with_capacity(args.len());
        for (idx, shape) in shapes.iter().enumerate() {
            match embed(shape, &shapes[largest]) {
                Embedding::One(found) => places.push(found),
                Embedding::None => {
                    let pair = Pair::new(op, args, &shapes, idx, largest);
                    let fault = self.do_not_fit(&pair, span);
                    return self.fail(fault);
                }
                Embedding::Many => {
                    let pair = Pair::new(op, args, &shapes, idx, largest);
                    let fault = self.ambiguous(&pair, span);
                    return self.fail(fault);
                }
            }
        }
        Some((shapes.swap_remove(largest), places))
    }

    fn do_not_fit(&self, pair: &Pair<'_>, span: Span) -> Diagnostic {
        let (small, large) = (pair.small, pair.large);
        let message = pair.cannot();
        let missing = small.1.axes().iter().find(|it| !large.1.axes().contains(it));
        let mut fault = Diagnostic::new(Code::ShapesDoNotFit, span, message);
        fault = match missing {
            Some(axis) => {
                let fault = fault.at(format!("`{axis}` is no axis of `{}`", large.1));
                if let (1, [other]) = (small.1.rank(), large.1.axes()) {
                    fault.help(self.between(pair, axis, other))
                } else if small.1.rank() == large.1.rank() {
                    fault.help("operands of as many axes must have the same shape")
                } else {
                    fault.help("an operand is repeated along the axes that it lacks, found by name")
                }
            }
            None => {
                let fault = fault
                    .at(format!("the axes `{}` stand in another order in `{}`", small.1, large.1));
                let text = small.0.shown.short();
                match small.1.rank() {
                    2 => fault.help(format!("write `transpose({text})`")),
                    _ => fault.help("give both their axes in the same order"),
                }
            }
        };
        self.with_declarations(fault, &[small.0, large.0])
    }

    /// Explains how to get from a vector of one size to one of another.
    fn between(&self, pair: &Pair<'_>, axis: &Dim, other: &Dim) -> String {
        let operand = |it: &Operand<'_>| match it.shown.full() {
            Some(text) if it.shown.is_chain() => format!("({text})"),
            Some(text) => text,
            None => "..".to_owned(),
        };
        let (small, large) = (operand(pair.small.0), operand(pair.large.0));
        let one = |it: &Dim| it.as_number() == Some(1);
        if one(axis) || one(other) {
            let single = if one(axis) { small } else { large };
            return format!(
                "`[1]` is an axis, which is not repeated; its element is `{single}[0]`"
            );
        }
        if axis.as_number().is_some() && other.as_number().is_some() {
            return format!("one has {axis} elements, the other {other}");
        }
        if self.names.dims.root(axis) == self.names.dims.root(other) {
            return format!(
                "`{axis}` and `{other}` are as large, but kept apart; `rename({small}, [{other}])` moves one over"
            );
        }
        let mut text = format!(
            "sizes are told apart by name; `W @ {small}` with a param `W: [{other}, {axis}]` leads from one to \
             the other"
        );
        if let Syntax::Infix("*") = pair.op.syntax() {
            let (a, b) = if pair.small_first { (&small, &large) } else { (&large, &small) };
            text.push_str(&format!(", and `outer({a}, {b})` multiplies each with each"));
        }
        text
    }

    fn ambiguous(&self, pair: &Pair<'_>, span: Span) -> Diagnostic {
        let (small, large) = (pair.small, pair.large);
        let message = format!(
            "{} fits {} in more than one way",
            small.0.shown.with(small.1),
            large.0.shown.with(large.1)
        );
        let mut fault = Diagnostic::new(Code::AmbiguousAxes, span, message);
        let axes = (small.1.axes(), large.1.axes());
        if let ([axis], [row, column]) = axes
            && row == column
            && let (Some(vector), Some(matrix)) = (small.0.shown.full(), large.0.shown.full())
        {
            let rows = format!("outer({vector}, ones([{axis}]))");
            let columns = format!("outer(ones([{axis}]), {vector})");
            let both = |it: &str| pair.written(it, &matrix);
            let (by_row, by_column) = (both(&rows), both(&columns));
            let simple = !small.0.shown.is_chain() && !large.0.shown.is_chain();
            if pair.op == Pointwise::Mul && !pair.small_first && simple {
                // A weight times a vector is most often meant as a product.
                let product = format!("{matrix} @ {vector}");
                fault = fault.help(format!(
                    "write `{product}` for the matrix product; elementwise it is `{by_row}` for the rows or \
                     `{by_column}` for the columns"
                ));
                fault = fault.fix(Applicability::Maybe, span, product);
            } else {
                fault = fault.help(format!(
                    "write `{by_row}` for the rows or `{by_column}` for the columns"
                ));
                fault = fault.fix(Applicability::Maybe, small.0.shown.span(), rows);
            }
        } else {
            fault =
                fault.help("a second name for the same size, `dims J like H`, keeps axes apart");
        }
        self.with_declarations(fault, &[small.0, large.0])
    }

    /// Labels the declarations of operands that are bare names.
    pub(super) fn with_declarations(
        &self,
        mut fault: Diagnostic,
        operands: &[&Operand<'_>],
    ) -> Diagnostic {
        for operand in operands {
            let Some(id) = operand.def else { continue };
            let def = self.names.def(id);
            if fault.span == def.name.span {
                continue;
            }
            let declared = self.names.shape(id).cloned();
            let shape = declared.unwrap_or_else(|| self.shape(&operand.value));
            let text = match self.names.below(id) {
                Some(below) => format!("`{}: index[{below}]`", def.name.name),
                None => format!("`{}: {shape}`", def.name.name),
            };
            if !fault.labels.iter().any(|it| it.span == def.name.span) {
                fault = fault.label(def.name.span, text);
            }
        }
        fault
    }
}

/// Two operands that do not fit: the one with fewer axes and the one with more.
struct Pair<'p> {
    op: Pointwise,
    small: (&'p Operand<'p>, &'p Shape),
    large: (&'p Operand<'p>, &'p Shape),
    /// The smaller one is written first.
    small_first: bool,
}

impl<'p> Pair<'p> {
    fn new(
        op: Pointwise,
        args: &'p [Operand<'p>],
        shapes: &'p [Shape],
        small: usize,
        large: usize,
    ) -> Pair<'p> {
        Pair {
            op,
            small: (&args[small], &shapes[small]),
            large: (&args[large], &shapes[large]),
            small_first: small < large,
        }
    }

    fn first(&self) -> (&Operand<'p>, &Shape) {
        if self.small_first { self.small } else { self.large }
    }

    fn second(&self) -> (&Operand<'p>, &Shape) {
        if self.small_first { self.large } else { self.small }
    }

    /// `cannot add a and b`
    fn cannot(&self) -> String {
        let (a, b) = (self.first(), self.second());
        let (a, b) = (a.0.shown.with(a.1), b.0.shown.with(b.1));
        match self.op.syntax() {
            Syntax::Infix("+") => format!("cannot add {a} and {b}"),
            Syntax::Infix("-") => format!("cannot subtract {b} from {a}"),
            Syntax::Infix("*") => format!("cannot multiply {a} and {b} element by element"),
            Syntax::Infix("/") => format!("cannot divide {a} by {b}"),
            Syntax::Infix("^") => format!("cannot raise {a} to the power {b}"),
            Syntax::Infix(_) => format!("cannot compare {a} with {b}"),
            Syntax::Prefix(_) | Syntax::Function => {
                format!("cannot combine {a} and {b} with `{}`", self.op.name())
            }
        }
    }

    /// Returns the operation with the smaller operand replaced.
    fn written(&self, small: &str, large: &str) -> String {
        let large = if self.large.0.shown.is_chain() { format!("({large})") } else { large.into() };
        let (a, b) = if self.small_first { (small, &*large) } else { (&*large, small) };
        match self.op.syntax() {
            Syntax::Infix(sign) => format!("{a} {sign} {b}"),
            Syntax::Prefix(_) | Syntax::Function => format!("{}({a}, {b})", self.op.name()),
        }
    }
}
