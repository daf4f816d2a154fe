//! Layouts: how the params stand in the files of other frameworks.
//!
//! A layout only moves elements, so the forms are few and each can be undone. Over all its rows it
//! must name every param exactly once; then reading and writing are inverse to each other.

use std::collections::{BTreeMap, BTreeSet};

use super::dims;
use super::lint;
use super::names::{Kind, Names};
use super::show;
use super::suggest::Suggest;
use crate::diag::{Code, Diagnostic};
use crate::ir::layout::{OWN, joined};
use crate::ir::{self, Arrangement, Dim, Layout, Row, Shape};
use crate::syntax::ast::{
    Arg, BinaryOp, Cell, DeclKind, Expr, ExprKind, Ident, LayoutDecl, LayoutName, Path,
};
use crate::syntax::print_expr;
use crate::text::Span;

/// The forms of the right sides.
const FORMS: &[&str] =
    &["rows", "cols", "concat", "stack", "transpose", "reshape", "permute", "flatten", "zeros"];

/// The layouts of a cell. `params` are those without errors in their declarations.
pub(super) fn collect(
    cell: &Cell,
    names: &Names<'_>,
    params: &[ir::Param],
    sink: &mut Vec<Diagnostic>,
) -> Vec<Layout> {
    let mut layouts: Vec<Layout> = Vec::new();
    let slots = params.iter().enumerate().map(|(idx, it)| (&*it.name, idx)).collect();
    let (suggest, told) = (Suggest::new(), BTreeSet::new());
    let mut checker = Checker { cell, names, params, slots, suggest, told, sink };
    for decl in &cell.decls {
        let DeclKind::Layout(layout) = &decl.kind else { continue };
        let name = &layout.name;
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
    cell: &'c Cell,
    names: &'c Names<'c>,
    params: &'c [ir::Param],
    slots: BTreeMap<&'c str, usize>,
    suggest: Suggest,
    /// The layers whose params were found in a layout: one layer mostly has several of them there.
    told: BTreeSet<&'c str>,
    sink: &'c mut Vec<Diagnostic>,
}

/// A right side and its shape.
struct Part<'e> {
    value: Arrangement,
    shape: Shape,
    expr: &'e Expr,
}

impl Part<'_> {
    /// `` `W: [H, I]` ``
    fn shown(&self) -> String {
        format!("`{}: {}`", show::short(self.expr), self.shape)
    }
}

impl Checker<'_> {
    fn report(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.sink.push(Diagnostic::new(code, span, message));
    }

    fn rows(&mut self, layout: &LayoutDecl) -> Vec<Row> {
        let first_fault = self.sink.len();
        let mut rows = Vec::new();
        let mut stored: BTreeMap<&str, Span> = BTreeMap::new();
        let mut used: BTreeMap<usize, Span> = BTreeMap::new();
        for (left, right) in &layout.rows {
            left.iter().for_each(|it| self.stored(it, &mut stored));
            let part = self.part(right, &mut used);
            let Some(Part { value, shape, .. }) = part else { continue };
            if left.len() > 1 && !value.sums().is_empty() {
                let message = "a sum of stored tensors cannot hold a sum of params";
                self.report(Code::BadLayout, right.span, message);
            }
            if let Some(fault) = dims::too_many_elements(&shape, right.span) {
                self.sink.push(fault);
            }
            let names = left.iter().map(|it| it.name.clone()).collect();
            rows.push(Row { stored: names, shape, value, span: right.span });
        }
        // What is wrong may have named what now seems to be missing.
        if self.sink.len() == first_fault {
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
    fn complete(&mut self, layout: &LayoutDecl, used: &BTreeMap<usize, Span>) {
        let missing = self.params.iter().enumerate().filter(|(idx, it)| {
            it.trained && !used.contains_key(idx) && !self.cell.unread.holds(&it.name)
        });
        let missing: Vec<&ir::Param> = missing.map(|it| it.1).collect();
        let [first, ..] = missing.as_slice() else { return };
        let names: Vec<&str> = missing.iter().map(|it| &*it.name).collect();
        let name = &layout.name;
        let message = format!("layout `{}` leaves out {}", name.name, show::list(&names));
        let fault = Diagnostic::new(Code::NotOneToOne, name.span, message)
            .label(first.span, "declared here")
            .help("every param stands in it exactly once");
        self.sink.push(fault);
    }

    fn part<'e>(&mut self, expr: &'e Expr, used: &mut BTreeMap<usize, Span>) -> Option<Part<'e>> {
        let (value, shape) = match &expr.kind {
            ExprKind::Paren(inner) => return self.part(inner, used),
            ExprKind::Path(path) => {
                let param = self.param(path, used)?;
                (Arrangement::Param(param), self.params[param].shape.clone())
            }
            ExprKind::Call(name, args) => self.call(name, args, expr.span, used)?,
            ExprKind::Chain(first, rest) if rest.iter().all(|it| it.0 == BinaryOp::Add) => {
                let terms = std::iter::once(&**first).chain(rest.iter().map(|it| &it.2));
                self.sum(terms, used)?
            }
            ExprKind::Number(_)
            | ExprKind::Inf
            | ExprKind::Pi
            | ExprKind::Prev(..)
            | ExprKind::Array(_)
            | ExprKind::Neg(..)
            | ExprKind::Index(..)
            | ExprKind::Chain(..)
            | ExprKind::Binary(..) => {
                let message = format!("`{}` does not stand in a layout", show::short(expr));
                let fault = Diagnostic::new(Code::BadLayout, expr.span, message)
                    .at("a layout moves the elements of params and computes nothing")
                    .help(format!("there are params, sums of them, and {}", show::list(FORMS)));
                self.sink.push(fault);
                return None;
            }
        };
        Some(Part { value, shape, expr })
    }

    /// The position of a param or stored const.
    fn param(&mut self, path: &Path, used: &mut BTreeMap<usize, Span>) -> Option<usize> {
        let name = match path.tail.as_slice() {
            [] => path.head.name.to_string(),
            [..] => print_expr(&Expr { kind: ExprKind::Path(path.clone()), span: path.span }),
        };
        if let Some(param) = self.slots.get(&*name).copied() {
            let Some(first) = used.insert(param, path.span) else { return Some(param) };
            let message = format!("`{name}` stands twice in the layout");
            let fault = Diagnostic::new(Code::NotOneToOne, path.span, message)
                .label(first, "first here")
                .help("every param stands in it exactly once");
            self.sink.push(fault);
            return None;
        }
        let whole = Ident { name: (*name).into(), span: path.span };
        let Some((_, def)) = self.names.find(&path.head.name) else {
            let known = self.params.iter().map(|it| &*it.name);
            let fault = self.suggest.report(Code::UnknownName, "param", &whole, known);
            self.sink.push(fault);
            return None;
        };
        if let Kind::Layer(_) = def.kind
            && !self.told.insert(&def.name.name)
        {
            return None;
        }
        let declared = def.name.span;
        let what = match &def.kind {
            // What is wrong with these is reported where they are declared.
            Kind::Later => return None,
            Kind::Param { .. } if path.tail.is_empty() => return None,
            Kind::Computed => "a const that is computed, not stored".to_owned(),
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Mask { .. }
            | Kind::Value(_)
            | Kind::Layer(_) => format!("{}, not a param", def.article()),
        };
        let message = format!("`{}` is {what}", path.head.name);
        let fault = Diagnostic::new(Code::WrongKindOfName, path.span, message)
            .label(declared, "declared here")
            .help("a layout is made of params and of consts with `init`");
        let fault = match def.kind {
            Kind::Layer(_) => fault.help("the params of a layer are laid out by its own cell"),
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Input { .. }
            | Kind::State { .. }
            | Kind::Param { .. }
            | Kind::Computed
            | Kind::Mask { .. }
            | Kind::Value(_)
            | Kind::Later => fault,
        };
        self.sink.push(fault);
        None
    }

    /// `b + d`: two params of the cell that are one tensor of the framework.
    fn sum<'e>(
        &mut self,
        terms: impl Iterator<Item = &'e Expr>,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let parts: Vec<Option<Part<'_>>> = terms.map(|it| self.part(it, used)).collect();
        let parts: Vec<Part<'_>> = parts.into_iter().collect::<Option<_>>()?;
        let mut params = Vec::with_capacity(parts.len());
        for part in &parts {
            let Arrangement::Param(param) = part.value else {
                let message = format!("only params are added, not `{}`", show::short(part.expr));
                let fault = Diagnostic::new(Code::BadLayout, part.expr.span, message)
                    .help("write the sum inside: `rows(a + b, ..)`");
                self.sink.push(fault);
                return None;
            };
            params.push(param);
        }
        let shape = &parts[0].shape;
        if let Some(other) = parts.iter().find(|it| it.shape != *shape) {
            let message = format!("cannot add {} and {}", parts[0].shown(), other.shown());
            self.report(Code::LayoutShape, other.expr.span, message);
            return None;
        }
        Some((Arrangement::Sum(params), shape.clone()))
    }

    fn call(
        &mut self,
        name: &Ident,
        args: &[Arg],
        span: Span,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            match arg {
                Arg::Positional(it) => values.push(it),
                Arg::Named(_, Expr { span, .. }) | Arg::Over(_, span) => {
                    let message = format!("`{}` takes its arguments by position", name.name);
                    self.report(Code::BadArguments, *span, message);
                    return None;
                }
            }
        }
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
            ("reshape", [value, Expr { kind: ExprKind::Array(axes), span }]) => {
                return self.reshape(value, axes, *span, used);
            }
            ("reshape", _) => wants("reshape(a, [..])"),
            ("permute", [value, order @ ..]) if !order.is_empty() => {
                return self.permute(value, order, span, used);
            }
            ("permute", _) => wants("permute(a, 2, 0, 1)"),
            ("zeros", [Expr { kind: ExprKind::Array(axes), span }]) => {
                let shape = self.shape(axes, *span)?;
                return Some((Arrangement::Zeros(shape.clone()), shape));
            }
            ("zeros", _) => wants("zeros([..])"),
            _ => {
                let known = FORMS.iter().copied();
                let mut fault = self.suggest.report(Code::UnknownFunction, "form", name, known);
                if fault.fix.is_none() {
                    fault = fault.help(format!("a layout is made of {}", show::list(FORMS)));
                }
                fault
            }
        };
        self.sink.push(fault);
        None
    }

    fn parts<'e>(
        &mut self,
        values: &[&'e Expr],
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<Vec<Part<'e>>> {
        // All are looked at, so that all their faults are found.
        let parts: Vec<Option<Part<'e>>> = values.iter().map(|it| self.part(it, used)).collect();
        parts.into_iter().collect()
    }

    /// Whether two sizes are the same number, whatever their names.
    fn same(&self, a: &Dim, b: &Dim) -> bool {
        a == b || self.names.dims.root(a) == self.names.dims.root(b)
    }

    fn join(
        &mut self,
        along: Along,
        values: &[&Expr],
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
            let fault = Diagnostic::new(Code::LayoutShape, first.expr.span, message)
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
                let fault = Diagnostic::new(Code::LayoutShape, part.expr.span, message)
                    .label(first.expr.span, "the first part")
                    .help(along.help());
                self.sink.push(fault);
                return None;
            }
        }
        let shapes: Vec<Shape> = parts.iter().map(|it| it.shape.clone()).collect();
        let Some(shape) = joined(axis, &shapes) else {
            self.report(Code::TooLarge, values[0].span, "a size in this shape is too large");
            return None;
        };
        let parts = parts.into_iter().map(|it| it.value).collect();
        Some((Arrangement::Join(axis, parts), shape))
    }

    fn stack(
        &mut self,
        values: &[&Expr],
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
                let fault = Diagnostic::new(Code::LayoutShape, part.expr.span, message)
                    .label(first.expr.span, "the first part")
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
        value: &Expr,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let part = self.part(value, used)?;
        let rank = part.shape.rank();
        if rank < 2 {
            let message = format!("`transpose` needs two axes, {} has not", part.shown());
            self.report(Code::LayoutShape, value.span, message);
            return None;
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 1, rank - 2);
        Some(permuted(part, order))
    }

    fn permute(
        &mut self,
        value: &Expr,
        order: &[&Expr],
        span: Span,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let part = self.part(value, used)?;
        let rank = part.shape.rank();
        let axis = |it: &&Expr| match it.kind {
            ExprKind::Number(at) if at.fract() == 0.0 && at < rank as f64 => Some(at as usize),
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
        value: &Expr,
        used: &mut BTreeMap<usize, Span>,
    ) -> Option<(Arrangement, Shape)> {
        let part = self.part(value, used)?;
        let Ok(size) = part.shape.size() else {
            self.report(Code::TooLarge, value.span, "a size in this shape is too large");
            return None;
        };
        let shape = Shape(vec![size]);
        Some((Arrangement::Reshape(shape.clone(), Box::new(part.value)), shape))
    }

    fn reshape(
        &mut self,
        value: &Expr,
        axes: &[Expr],
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

    fn shape(&mut self, axes: &[Expr], span: Span) -> Option<Shape> {
        let names = self.names;
        dims::shape(axes, span, &mut |name| names.size(name), self.sink)
    }
}

/// Where parts are joined.
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

fn permuted(part: Part<'_>, order: Vec<usize>) -> (Arrangement, Shape) {
    let axes = order.iter().map(|it| part.shape.axes()[*it].clone()).collect();
    (Arrangement::Permute(order, Box::new(part.value)), Shape(axes))
}
