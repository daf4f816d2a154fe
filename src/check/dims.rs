//! Sizes: expressions over dims become polynomials, derived dims are replaced by what they are.

use std::collections::BTreeMap;

use super::show;
use crate::diag::{Applicability, Code, Diagnostic, Fix};
use crate::hir::{self, DefId, DimKind, Expr, Kind};
use crate::ir::{self, Dim, Shape};
use crate::syntax::ast::{BinaryOp, Ident};
use crate::text::{Name, Span, order};

/// More elements than any value may have.
pub(super) const MOST_ELEMENTS: i64 = 1 << 40;
/// More axes than any value may have; labels of products are bytes.
const MOST_AXES: usize = 32;

/// The dims of a cell.
#[derive(Default)]
pub(super) struct Dims {
    /// The polynomial of each name; `None` if its declaration is wrong.
    pub table: BTreeMap<Name, Option<Dim>>,
    pub free: Vec<ir::DimDecl>,
    pub derived: Vec<(Name, Dim)>,
    /// The size of each dim that is like another, in other dims.
    like: BTreeMap<Name, Dim>,
}

impl Dims {
    /// Returns the dim with all second names replaced: two sizes are the same number when these are equal.
    pub fn root(&self, dim: &Dim) -> Dim {
        dim.substitute(&|name| self.like.get(name).cloned()).unwrap_or_else(|_| dim.clone())
    }
}

/// Looks a dim or a local up where a size is wanted. The one who looks it up reports what is wrong with it.
pub(super) type Lookup<'l> = &'l mut dyn FnMut(&Expr<'_>) -> Result<Option<Dim>, Box<Diagnostic>>;

/// Returns a size; `None` after a report.
pub(super) fn size(expr: &Expr<'_>, lookup: Lookup<'_>, sink: &mut Vec<Diagnostic>) -> Option<Dim> {
    let span = expr.span();
    let too_large = || {
        let message = match expr.kind {
            Kind::Number(_) => "this size is more than 2^40".to_owned(),
            _ => format!("the size `{}` is too large", show::short(expr.ast)),
        };
        Diagnostic::new(Code::TooLarge, span, message)
    };
    let bad = |span: Span, what: &str| {
        let message = format!("{what} is no size");
        Diagnostic::new(Code::BadDimExpression, span, message)
            .help("sizes are sums, products and whole powers of dims and whole numbers")
    };
    let fault = match &expr.kind {
        Kind::Number(value) if value.fract() != 0.0 => {
            bad(span, &format!("`{}`", show::number(*value)))
        }
        Kind::Number(value) if *value > MOST_ELEMENTS as f64 => too_large(),
        Kind::Number(value) => return Some(Dim::number(*value as i64)),
        Kind::Def(_) | Kind::Local(_) => match lookup(expr) {
            Ok(dim) => return dim,
            Err(fault) => *fault,
        },
        Kind::Paren(inner) => return size(inner, lookup, sink),
        Kind::Neg(inner) => {
            let negated = size(inner, lookup, sink)?.mul(&Dim::number(-1));
            match negated {
                Ok(dim) => return Some(dim),
                Err(_) => too_large(),
            }
        }
        Kind::Chain(first, rest) => return chain(first, rest, lookup, sink, &too_large),
        Kind::Binary(BinaryOp::Pow, _, base, exponent) => {
            let base = size(base, lookup, sink);
            let power = size(exponent, lookup, sink)?;
            match power.as_number().map(u32::try_from) {
                Some(Ok(power)) => match base?.pow(power) {
                    Ok(dim) => return Some(dim),
                    Err(_) => too_large(),
                },
                Some(Err(_)) | None => bad(
                    exponent.span(),
                    &format!("a power with exponent `{}`", show::short(exponent.ast)),
                ),
            }
        }
        // A name that was reported when it was resolved; anything else has not the form of a size.
        Kind::Error(_) if expr.is_name() => return None,
        Kind::Binary(..)
        | Kind::Part(_)
        | Kind::Inf
        | Kind::Pi
        | Kind::Prev(..)
        | Kind::Call(..)
        | Kind::Activation(_)
        | Kind::Array(_)
        | Kind::Index(..)
        | Kind::Error(_) => bad(span, &format!("`{}`", show::short(expr.ast))),
    };
    sink.push(fault);
    None
}

fn chain(
    first: &Expr<'_>,
    rest: &[(BinaryOp, Span, Expr<'_>)],
    lookup: Lookup<'_>,
    sink: &mut Vec<Diagnostic>,
    too_large: &dyn Fn() -> Diagnostic,
) -> Option<Dim> {
    let mut left = size(first, lookup, sink);
    for (op, span, term) in rest {
        let right = size(term, lookup, sink);
        if *op == BinaryOp::Div {
            let (divided, by) = (show::short(first.ast), show::short(term.ast));
            let message = format!("sizes are not divided: `{divided} / {by}`");
            let turned = format!("turn it round: `dims {divided} = {by} * K`, and use `K`");
            sink.push(Diagnostic::new(Code::BadDimExpression, *span, message).help(turned));
            return None;
        }
        let (Some(a), Some(b)) = (left, right) else {
            left = None;
            continue;
        };
        let result = match op {
            BinaryOp::Add => a.add(&b),
            BinaryOp::Sub => a.sub(&b),
            BinaryOp::Mul
            | BinaryOp::Div
            | BinaryOp::MatMul
            | BinaryOp::Pow
            | BinaryOp::Less
            | BinaryOp::LessEqual
            | BinaryOp::Greater
            | BinaryOp::GreaterEqual
            | BinaryOp::Equal
            | BinaryOp::NotEqual => a.mul(&b),
        };
        match result {
            Ok(dim) => left = Some(dim),
            Err(_) => {
                sink.push(too_large());
                return None;
            }
        }
    }
    left
}

/// Returns a shape; `None` after a report.
pub(super) fn shape(
    axes: &[Expr<'_>],
    span: Span,
    lookup: Lookup<'_>,
    sink: &mut Vec<Diagnostic>,
) -> Option<Shape> {
    if axes.len() > MOST_AXES {
        let message = format!("a value has at most {MOST_AXES} axes, this one {}", axes.len());
        sink.push(Diagnostic::new(Code::TooLarge, span, message));
        return None;
    }
    let mut dims = Vec::with_capacity(axes.len());
    for axis in axes {
        let dim = size(axis, lookup, sink);
        match dim.as_ref().and_then(Dim::as_number) {
            Some(size) if size < 1 => {
                let message = format!("an axis has at least 1 element, this one has {size}");
                sink.push(Diagnostic::new(Code::ConstantOutOfRange, axis.span(), message));
                dims.push(None);
            }
            Some(_) | None => dims.push(dim),
        }
    }
    let shape = Shape(dims.into_iter().collect::<Option<Vec<Dim>>>()?);
    if let Some(fault) = too_many_elements(&shape, span) {
        sink.push(fault);
        return None;
    }
    Some(shape)
}

/// Returns a report when a value has too many elements whatever the sizes are.
pub(super) fn too_many_elements(shape: &Shape, span: Span) -> Option<Diagnostic> {
    // Every dim is at least 1, so the plain numbers alone give a bound from below.
    let mut least = 1i64;
    for axis in shape.axes() {
        least = least.saturating_mul(axis.as_number().unwrap_or(1).max(1));
    }
    if least <= MOST_ELEMENTS {
        return None;
    }
    let message = format!("a value of shape `{shape}` has more than 2^40 elements");
    Some(Diagnostic::new(Code::TooLarge, span, message))
}

/// Turns the `dims` of a cell into polynomials.
pub(super) fn resolve(cell: &hir::Cell<'_>, sink: &mut Vec<Diagnostic>) -> Dims {
    let decls = &cell.dims;
    let position = |def: DefId| match cell.defs[def].kind {
        hir::DefKind::Dim(at) => Some(at),
        _ => None,
    };
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(decls.len());
    for decl in decls {
        let mut needs = Vec::new();
        match &decl.kind {
            DimKind::Free => {}
            DimKind::Like(of) => needs.extend(of.and_then(position)),
            DimKind::Equals(expr) => hir::walk::expr(expr, &mut |it| {
                if let Kind::Def(def) = it.kind {
                    needs.extend(position(def));
                }
            }),
        }
        edges.push(needs);
    }
    let sorted = order::sort(&edges);
    let mut dims = Dims::default();
    let mut definitions: Vec<Option<Dim>> = vec![None; decls.len()];
    let mut wrong = vec![false; decls.len()];
    for cycle in sorted.cycles {
        let names: Vec<&str> = cycle.iter().map(|it| &*decls[*it].decl.name.name).collect();
        let message = format!("`{}` is defined by itself: {}", names[0], order::circle(&names));
        let fault = Diagnostic::new(Code::CyclicDims, decls[cycle[0]].decl.name.span, message)
            .help("leave out one of the definitions; that size is then set from outside");
        sink.push(fault);
        cycle.into_iter().for_each(|it| wrong[it] = true);
    }
    let mut defaults: Vec<Option<i64>> = vec![None; decls.len()];
    for idx in sorted.order {
        let decl = &decls[idx];
        let name = &decl.decl.name.name;
        let symbol = Dim::symbol(name.clone());
        let of = |def: DefId| dims.table.get(&cell.defs[def].name.name).cloned().flatten();
        let found = match &decl.kind {
            _ if wrong[idx] => None,
            DimKind::Free => Some(symbol),
            DimKind::Like(other) => other.and_then(of).map(|other| {
                let root = dims.root(&other);
                dims.like.insert(name.clone(), root);
                symbol
            }),
            DimKind::Equals(expr) => {
                let before = sink.len();
                let mut find = |it: &Expr<'_>| match it.kind {
                    Kind::Def(def) => Ok(of(def)),
                    _ => Ok(None),
                };
                let found = size(expr, &mut find, sink);
                offer_multiple(cell, decl, expr, &mut sink[before..]);
                match found.as_ref().and_then(Dim::as_number) {
                    // Without any dim in it, the number is a default; `H - H + 4` is derived.
                    Some(size) if edges[idx].is_empty() => {
                        defaults[idx] = check_size(&decl.decl.name, expr.span(), size, sink);
                        Some(symbol)
                    }
                    Some(_) | None => {
                        definitions[idx] = found.clone();
                        found
                    }
                }
            }
        };
        dims.table.insert(name.clone(), found);
    }
    for (idx, decl) in decls.iter().enumerate() {
        let name = decl.decl.name.name.clone();
        let like = match &decl.kind {
            DimKind::Like(of) => of.map(|it| cell.defs[it].name.name.clone()),
            DimKind::Free | DimKind::Equals(_) => None,
        };
        match definitions[idx].take() {
            Some(definition) => dims.derived.push((name, definition)),
            None => {
                let default = defaults[idx];
                let (fixed, span) = (false, decl.decl.name.span);
                dims.free.push(ir::DimDecl { name, default, like, fixed, span });
            }
        }
    }
    dims
}

/// A size must be at least 1 and not beyond all bounds.
pub(super) fn check_size(
    name: &Ident,
    span: Span,
    size: i64,
    sink: &mut Vec<Diagnostic>,
) -> Option<i64> {
    if size >= 1 {
        return Some(size);
    }
    let message = format!("the size `{}` is at least 1, not {size}", name.name);
    sink.push(Diagnostic::new(Code::ConstantOutOfRange, span, message));
    None
}

/// Reports sizes that are none, or too large, under the defaults of dims: who sets nothing could not use them.
pub(super) fn check_defaults(
    decls: &[hir::Dim<'_>],
    dims: &Dims,
    shapes: &[(Span, Shape)],
    sink: &mut Vec<Diagnostic>,
) {
    let mut defaults: BTreeMap<&str, i64> =
        dims.free.iter().filter_map(|it| Some((&*it.name, it.default?))).collect();
    let second: Vec<(&str, i64)> = dims
        .like
        .iter()
        .filter_map(|(name, root)| Some((&**name, root.eval(&|it| defaults.get(it).copied())?)))
        .collect();
    defaults.extend(second);
    let before = sink.len();
    // `None` where a size is not known; a size beyond 64 bits is as bad as the largest.
    let size = |dim: &Dim| {
        let known = dim.names().iter().all(|it| defaults.contains_key(&**it));
        known.then(|| dim.eval(&|it| defaults.get(it).copied()).unwrap_or(i64::MAX))
    };
    for decl in decls {
        let DimKind::Equals(expr) = &decl.kind else { continue };
        let Some(Some(found)) = dims.table.get(&decl.decl.name.name) else { continue };
        let Some(size) = size(found) else { continue };
        if size > MOST_ELEMENTS {
            let message = format!("the size `{}` is more than 2^40", decl.decl.name.name);
            sink.push(Diagnostic::new(Code::TooLarge, expr.span(), message));
        } else if size < 1 && found.as_number().is_none() {
            check_size(&decl.decl.name, expr.span(), size, sink);
        }
    }
    for (span, shape) in shapes {
        let sizes: Option<Vec<i64>> = shape.axes().iter().map(size).collect();
        let Some(sizes) = sizes else { continue };
        let plain = shape.axes().iter().all(|it| it.as_number().is_some());
        let count = sizes.iter().fold(1i64, |product, it| product.saturating_mul((*it).max(1)));
        if sink.len() == before && !plain && count > MOST_ELEMENTS {
            let message =
                format!("a value of shape `{shape}` has more than 2^40 elements by default");
            let text: Vec<String> = shape
                .axes()
                .iter()
                .flat_map(Dim::names)
                .collect::<std::collections::BTreeSet<_>>()
                .iter()
                .map(|it| format!("`{it}` = {}", defaults[&**it]))
                .collect();
            let label = format!("here {}", text.join(", "));
            sink.push(Diagnostic::new(Code::TooLarge, *span, message).at(label));
        }
    }
}

/// `dims K = H / 2` is mended by `dims H = 2 * K`: rewrites the report of a division at the top of a definition.
fn offer_multiple(
    cell: &hir::Cell<'_>,
    decl: &hir::Dim<'_>,
    expr: &Expr<'_>,
    faults: &mut [Diagnostic],
) {
    let Kind::Chain(first, rest) = &expr.kind else { return };
    let [(BinaryOp::Div, span, divisor)] = rest.as_slice() else { return };
    let Some(fault) = faults.iter_mut().find(|it| it.span == *span) else { return };
    let name = &decl.decl.name;
    let (divided, by) = (show::short(first.ast), show::short(divisor.ast));
    fault.help =
        Some(format!("turn it round: `dims {divided} = {by} * {0}`, and set `{0}`", name.name));
    // The two declarations change places, if the other one says nothing else.
    let Kind::Def(def) = first.kind else { return };
    let other = cell.dims.iter().find(|it| it.def == def && matches!(it.kind, DimKind::Free));
    if let Some(other) = other {
        let edits = vec![
            (other.decl.name.span, name.name.to_string()),
            (name.span.to(expr.span()), format!("{divided} = {by} * {}", name.name)),
        ];
        fault.fix = Some(Fix { applicability: Applicability::Maybe, edits });
    }
}
