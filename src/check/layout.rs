//! Layouts: the arrangement of the params in the files of other frameworks.
//!
//! A layout only moves elements, so the forms are few and each can be undone. Over all its rows it
//! must name every param exactly once; then reading and writing are inverse to each other.

use std::collections::BTreeMap;

use super::declared::Declared;
use super::dims;
use super::lint;
use super::show;
use super::types::Type;
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, Call, Callee, DefId, Expr, Kind};
use crate::ir::layout::{OWN, joined};
use crate::ir::{self, Arrangement, Dim, Layout, Row, Shape};
use crate::syntax::ast::LayoutName;
use crate::text::Span;

/// Returns the layouts of a cell. `params` are those that it declares.
pub(super) fn collect(
    names: &Declared<'_>,
    params: &[ir::Param],
    sink: &mut Vec<Diagnostic>,
) -> Vec<Layout> {
    let mut layouts: Vec<Layout> = Vec::new();
    let mut checker = Checker { names, params, sink };
    for layout in &names.cell.layouts {
        let name = &layout.decl.name;
        if &*name.name == OWN {
            let message = "`own` is the layout of the cell's own names and needs no declaration";
            checker.report(Code::BadLayout, name.span, message);
        }
        if let Some(first) = layouts.iter().find(|it| it.name == name.name) {
            let message = format!("layout `{}` is defined twice", name.name);
            let fault = Diagnostic::new(Code::DefinedTwice, name.span, message)
                .label(first.span, "first defined here");
            checker.sink.push(fault);
        }
        let rows = checker.rows(layout);
        layouts.push(Layout { name: name.name.clone(), rows, span: name.span });
    }
    layouts
}

/// A sum of params is stored as one tensor only where the cell always adds them: elsewhere the sum
/// would be another cell. The first `declared` params are declared here, the others are those of layers. A layout that the cell has from its
/// layers alone is then left out, since nobody asked for it here, and the inner cell may be one of the library.
pub(super) fn check_sums(
    cell: &mut ir::Cell,
    declared: usize,
    name: Span,
    sink: &mut Vec<Diagnostic>,
) {
    if cell.layouts.iter().all(Layout::is_one_to_one) {
        return;
    }
    let same = lint::only_added(cell);
    let mut left_out = Vec::new();
    for layout in &cell.layouts {
        let sums = layout
            .rows
            .iter()
            .flat_map(|row| row.value.sums().into_iter().map(move |it| (row, it)));
        for (row, sum) in sums {
            let Some(other) = sum[1..].iter().find(|it| !same(sum[0], **it)) else { continue };
            let of_layer = sum[0] >= declared;
            if of_layer && layout.span == name {
                left_out.push(layout.name.clone());
                break;
            }
            let (first, other) = (&cell.params[sum[0]].name, &cell.params[*other].name);
            let message = format!("`{first}` and `{other}` do not only occur as a sum");
            let at = "so one stored tensor cannot stand for both";
            let fault = Diagnostic::new(
                Code::BadLayout,
                if of_layer { layout.span } else { row.span },
                message,
            );
            sink.push(if of_layer {
                fault.label(row.span, at).help(format!(
                    "a layer keeps its layout only where the cell around it reads neither; leave `{}` out here",
                    layout.name
                ))
            } else {
                fault.at(at).help(
                    "this framework has another variant of the cell, or one of the two is 0 there",
                )
            });
        }
    }
    cell.layouts.retain(|it| !left_out.contains(&it.name));
}

struct Checker<'c> {
    names: &'c Declared<'c>,
    params: &'c [ir::Param],
    sink: &'c mut Vec<Diagnostic>,
}

/// A right side and its shape.
struct LayoutPart<'e> {
    value: Arrangement,
    shape: Shape,
    expr: &'e Expr<'e>,
}

impl LayoutPart<'_> {
    /// `` `W: [H, I]` ``
    fn shown(&self) -> String {
        format!("`{}: {}`", show::short(self.expr.ast), self.shape)
    }
}

impl Checker<'_> {
    fn report(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.sink.push(Diagnostic::new(code, span, message));
    }

    fn rows(&mut self, layout: &hir::Layout<'_>) -> Vec<Row> {
        let first_fault = self.sink.len();
        let mut rows = Vec::new();
        let mut stored: BTreeMap<&str, Span> = BTreeMap::new();
        let mut used: BTreeMap<usize, Span> = BTreeMap::new();
        for (row, right) in layout.decl.rows.iter().zip(&layout.rows) {
            let left = &row.names;
            left.iter().for_each(|it| self.stored(it, &mut stored));
            let part = self.part(right, &mut used);
            let Some(LayoutPart { value, shape, .. }) = part else { continue };
            if left.len() > 1 && !value.sums().is_empty() {
                let message = "a sum of stored tensors cannot hold a sum of params";
                self.report(Code::BadLayout, right.span(), message);
            }
            if let Some(fault) = dims::too_many_elements(&shape, right.span()) {
                self.sink.push(fault);
            }
            let names = left.iter().map(|it| it.name.clone()).collect();
            let optional = row.optional;
            rows.push(Row { stored: names, optional, shape, value, span: right.span() });
        }
        // What is wrong may have named what now seems to be missing.
        if layout.sound && self.sink.len() == first_fault {
            self.complete(layout, &used);
        }
        rows
    }

    fn stored<'l>(&mut self, it: &'l LayoutName, seen: &mut BTreeMap<&'l str, Span>) {
        if it.name.is_empty() {
            self.report(Code::BadLayout, it.span, "a stored tensor needs a name");
        }
        if let Some(first) = seen.insert(&it.name, it.span) {
            let message = format!("`{}` stands twice in the layout", it.name);
            let fault = Diagnostic::new(Code::DefinedTwice, it.span, message)
                .label(first, "first defined here");
            self.sink.push(fault);
        }
    }

    /// Every param has a place.
    fn complete(&mut self, layout: &hir::Layout<'_>, used: &BTreeMap<usize, Span>) {
        let missing = self.params.iter().enumerate().filter(|(idx, it)| {
            it.trained && !used.contains_key(idx) && !self.names.cell.ast.unread.holds(&it.name)
        });
        let missing: Vec<&ir::Param> = missing.map(|it| it.1).collect();
        let [first, ..] = missing.as_slice() else { return };
        let names: Vec<&str> = missing.iter().map(|it| &*it.name).collect();
        let name = &layout.decl.name;
        let message = format!("layout `{}` leaves out {}", name.name, show::list(&names));
        let fault = Diagnostic::new(Code::NotOneToOne, name.span, message)
            .label(first.span, "declared here")
            .help("every param stands in it exactly once");
        self.sink.push(fault);
    }

    fn part<'e>(
        &mut self,
        expr: &'e Expr<'e>,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<LayoutPart<'e>> {
        let (value, shape) = match &expr.kind {
            Kind::Paren(inner) => return self.part(inner, used),
            Kind::Def(def) => {
                let param = self.param(*def, expr.span(), used)?;
                (Arrangement::Param(param), self.params[param].shape.clone())
            }
            Kind::Call(call) if matches!(call.callee, Callee::Form) => {
                self.call(call, expr.span(), used)?
            }
            Kind::Chain(first, rest) => {
                let terms = std::iter::once(&**first).chain(rest.iter().map(|it| &it.2));
                self.sum(terms, used)?
            }
            // No other kind comes from the right side of a layout but an error, which was reported.
            _ => return None,
        };
        if let Some(types) = self.names.types {
            types.note(expr.id, Type::Real(shape.clone()));
        }
        Some(LayoutPart { value, shape, expr })
    }

    /// Returns the position of a param or stored const.
    fn param(&mut self, def: DefId, span: Span, used: &mut BTreeMap<usize, Span>) -> Option<usize> {
        let param = self.names.slot(def);
        let Some(first) = used.insert(param, span) else { return Some(param) };
        let message = format!("`{}` stands twice in the layout", self.names.def(def).name.name);
        let fault = Diagnostic::new(Code::NotOneToOne, span, message)
            .label(first, "first here")
            .help("every param stands in it exactly once");
        self.sink.push(fault);
        None
    }

    /// `b + d`: two params of the cell that are one tensor of the framework.
    fn sum<'e>(
        &mut self,
        terms: impl Iterator<Item = &'e Expr<'e>>,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let parts: Vec<Option<LayoutPart<'_>>> = terms.map(|it| self.part(it, used)).collect();
        let parts: Vec<LayoutPart<'_>> = parts.into_iter().collect::<Option<_>>()?;
        let mut params = Vec::with_capacity(parts.len());
        for part in &parts {
            let Arrangement::Param(param) = part.value else {
                let message =
                    format!("only params are added, not `{}`", show::short(part.expr.ast));
                let fault = Diagnostic::new(Code::BadLayout, part.expr.span(), message)
                    .help("write the sum inside: `rows(a + b, ..)`");
                self.sink.push(fault);
                return None;
            };
            params.push(param);
        }
        let shape = &parts[0].shape;
        if let Some(other) = parts.iter().find(|it| it.shape != *shape) {
            let message = format!("cannot add {} and {}", parts[0].shown(), other.shown());
            self.report(Code::LayoutShape, other.expr.span(), message);
            return None;
        }
        Some((Arrangement::Sum(params), shape.clone()))
    }

    fn call<'e>(
        &mut self,
        call: &'e Call<'e>,
        span: Span,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let name = &call.name;
        let values: Vec<&Expr<'_>> = call.rest.iter().collect();
        let wants = |what: &str| {
            let message = format!("`{}` is called `{what}`", name.name);
            Diagnostic::new(Code::BadArguments, span, message)
        };
        let fault = match (&*name.name, values.as_slice()) {
            ("rows", [_, ..]) => return self.join(Along::First, &values, used),
            ("cols", [_, ..]) => return self.join(Along::LastOfMatrix, &values, used),
            ("concat", [_, ..]) => return self.join(Along::Last, &values, used),
            ("stack", [_, ..]) => return self.stack(&values, used),
            ("rows" | "cols" | "concat" | "stack", []) => {
                wants(&format!("{}(a, b, ..)", name.name))
            }
            ("transpose", [value]) => return self.transpose(value, used),
            ("transpose", _) => wants("transpose(a)"),
            ("flatten", [value]) => return self.flatten(value, used),
            ("flatten", _) => wants("flatten(a)"),
            ("reshape", [value, Expr { kind: Kind::Array(axes), ast, .. }]) => {
                return self.reshape(value, axes, ast.span, used);
            }
            ("reshape", _) => wants("reshape(a, [..])"),
            ("permute", [value, order @ ..]) if !order.is_empty() => {
                return self.permute(value, order, span, used);
            }
            ("permute", _) => wants("permute(a, 2, 0, 1)"),
            ("zeros", [Expr { kind: Kind::Array(axes), ast, .. }]) => {
                let shape = self.shape(axes, ast.span)?;
                return Some((Arrangement::Zeros(shape.clone()), shape));
            }
            // No other form is resolved.
            (_, _) => wants("zeros([..])"),
        };
        self.sink.push(fault);
        None
    }

    fn parts<'e>(
        &mut self,
        values: &[&'e Expr<'e>],
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<Vec<LayoutPart<'e>>> {
        // All are looked at, so that all their faults are found.
        let parts: Vec<Option<LayoutPart<'e>>> =
            values.iter().map(|it| self.part(it, used)).collect();
        parts.into_iter().collect()
    }

    /// Returns true if two sizes are the same number, whatever their names.
    fn same(&self, a: &Dim, b: &Dim) -> bool {
        a == b || self.names.dims.root(a) == self.names.dims.root(b)
    }

    fn join(
        &mut self,
        along: Along,
        values: &[&Expr<'_>],
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let mut parts = self.parts(values, used)?;
        // A number counts as one element.
        for part in parts.iter_mut().filter(|it| it.shape.rank() == 0) {
            part.shape = Shape(vec![Dim::number(1)]);
            let value = std::mem::replace(&mut part.value, Arrangement::Zeros(Shape::scalar()));
            part.value = Arrangement::Reshape(part.shape.clone(), Box::new(value));
        }
        let first = &parts[0];
        let rank = first.shape.rank();
        let axis = match along {
            Along::First => 0,
            Along::Last | Along::LastOfMatrix => rank - 1,
        };
        if let (Along::LastOfMatrix, 1) = (along, rank) {
            let message =
                format!("`cols` joins matrices side by side, and {} is none", first.shown());
            let fault = Diagnostic::new(Code::LayoutShape, first.expr.span(), message)
                .help("`concat` joins vectors; `transpose(stack(a, b))` makes them columns");
            self.sink.push(fault);
            return None;
        }
        for part in &parts[1..] {
            let mut others = (0..rank).filter(|it| *it != axis);
            let fits = part.shape.rank() == rank
                && others.all(|it| self.same(&first.shape.axes()[it], &part.shape.axes()[it]));
            if !fits {
                let message = format!("cannot join {} and {}", first.shown(), part.shown());
                let fault = Diagnostic::new(Code::LayoutShape, part.expr.span(), message)
                    .label(first.expr.span(), "the first part")
                    .help(along.help());
                self.sink.push(fault);
                return None;
            }
        }
        let shapes: Vec<Shape> = parts.iter().map(|it| it.shape.clone()).collect();
        let Some(shape) = joined(axis, &shapes) else {
            self.report(Code::TooLarge, values[0].span(), "a size in this shape is too large");
            return None;
        };
        let parts = parts.into_iter().map(|it| it.value).collect();
        Some((Arrangement::Join(axis, parts), shape))
    }

    fn stack(
        &mut self,
        values: &[&Expr<'_>],
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let parts = self.parts(values, used)?;
        let first = &parts[0];
        for part in &parts[1..] {
            let mut pairs = first.shape.axes().iter().zip(part.shape.axes());
            let fits =
                part.shape.rank() == first.shape.rank() && pairs.all(|(a, b)| self.same(a, b));
            if !fits {
                let message = format!("cannot stack {} and {}", first.shown(), part.shown());
                let fault = Diagnostic::new(Code::LayoutShape, part.expr.span(), message)
                    .label(first.expr.span(), "the first part")
                    .help("`stack` makes a new first axis; its parts have one shape");
                self.sink.push(fault);
                return None;
            }
        }
        let count = Dim::number(parts.len() as i64);
        let shape = std::iter::once(count).chain(first.shape.0.iter().cloned()).collect();
        let parts = parts.into_iter().map(|it| it.value).collect();
        Some((Arrangement::Stack(parts), Shape(shape)))
    }

    fn transpose(
        &mut self,
        value: &Expr<'_>,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let part = self.part(value, used)?;
        let rank = part.shape.rank();
        if rank < 2 {
            let message = format!("`transpose` needs two axes, {} has not", part.shown());
            self.report(Code::LayoutShape, value.span(), message);
            return None;
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 1, rank - 2);
        Some(permuted(part, order))
    }

    fn permute(
        &mut self,
        value: &Expr<'_>,
        order: &[&Expr<'_>],
        span: Span,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let part = self.part(value, used)?;
        let rank = part.shape.rank();
        let axis = |it: &&Expr<'_>| match it.kind {
            Kind::Number(at) if at.fract() == 0.0 && at < rank as f64 => Some(at as usize),
            _ => None,
        };
        let axes: Option<Vec<usize>> = order.iter().map(axis).collect();
        let mut sorted = axes.clone().unwrap_or_default();
        sorted.sort_unstable();
        match axes {
            Some(axes) if sorted.iter().copied().eq(0..rank) => Some(permuted(part, axes)),
            _ => {
                let message = format!(
                    "`permute` of {} needs each of its axes, 0 to {}, once",
                    part.shown(),
                    rank.saturating_sub(1)
                );
                self.report(Code::LayoutShape, span, message);
                None
            }
        }
    }

    fn flatten(
        &mut self,
        value: &Expr<'_>,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let part = self.part(value, used)?;
        let Ok(size) = part.shape.size() else {
            self.report(Code::TooLarge, value.span(), "a size in this shape is too large");
            return None;
        };
        let shape = Shape(vec![size]);
        Some((Arrangement::Reshape(shape.clone(), Box::new(part.value)), shape))
    }

    fn reshape(
        &mut self,
        value: &Expr<'_>,
        axes: &[Expr<'_>],
        span: Span,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let (part, shape) = (self.part(value, used), self.shape(axes, span));
        let (part, shape) = (part?, shape?);
        match (part.shape.size(), shape.size()) {
            (Ok(from), Ok(to)) if self.same(&from, &to) => {
                Some((Arrangement::Reshape(shape.clone(), Box::new(part.value)), shape))
            }
            (Ok(from), Ok(to)) => {
                let message = format!(
                    "`reshape` of {} to `{shape}`: {from} elements cannot become {to}",
                    part.shown()
                );
                self.report(Code::LayoutShape, span, message);
                None
            }
            _ => {
                self.report(Code::TooLarge, span, "a size in this shape is too large");
                None
            }
        }
    }

    fn shape(&mut self, axes: &[Expr<'_>], span: Span) -> Option<Shape> {
        let names = self.names;
        dims::shape(axes, span, &mut |it| names.size(it), self.sink)
    }
}

/// The axis along which parts are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Along {
    First,
    Last,
    LastOfMatrix,
}

impl Along {
    fn help(self) -> &'static str {
        match self {
            Along::First => {
                "`rows` puts blocks along the first axis, so all other axes must be the same"
            }
            Along::Last => "`concat` joins last axes, so all other axes must be the same",
            Along::LastOfMatrix => {
                "`cols` puts blocks along the last axis, so all other axes must be the same"
            }
        }
    }
}

fn permuted(part: LayoutPart<'_>, order: Vec<usize>) -> (Arrangement, Shape) {
    let axes = order.iter().map(|it| part.shape.axes()[*it].clone()).collect();
    (Arrangement::Permute(order, Box::new(part.value)), Shape(axes))
}
