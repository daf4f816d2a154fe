//! Sizes: expressions over dims become polynomials, derived dims are replaced by what they are.

use std::collections::BTreeMap;

use super::order;
use super::show;
use crate::diag::{Applicability, Code, Diagnostic, Fix};
use crate::ir::{self, Dim, Shape};
use crate::syntax::ast::{BinaryOp, DimDecl, DimKind, Expr, ExprKind, Ident};
use crate::text::{Name, Span};

/// More elements than any value may have.
pub(super) const MOST_ELEMENTS: i64 = 1 << 40;
/// More axes than any value may have; labels of products are bytes.
const MOST_AXES: usize = 32;

/// The dims of a cell.
#[derive(Default)]
pub(super) struct Dims {
    /// What each name stands for; `None` where its declaration is wrong.
    pub table: BTreeMap<Name, Option<Dim>>,
    pub free: Vec<ir::DimDecl>,
    pub derived: Vec<(Name, Dim)>,
    /// What each dim that is like another is as large as, in other dims.
    like: BTreeMap<Name, Dim>,
}

impl Dims {
    /// The dim with all second names replaced: two sizes are the same number when these are equal.
    pub fn root(&self, dim: &Dim) -> Dim {
        dim.substitute(&|name| self.like.get(name).cloned()).unwrap_or_else(|_| dim.clone())
    }
}

/// What a name means where a size is wanted. The one who looks it up reports what is wrong with it.
pub(super) type Lookup<'l> = &'l mut dyn FnMut(&Ident) -> Result<Option<Dim>, Box<Diagnostic>>;

/// A size; `None` after a report.
pub(super) fn size(expr: &Expr, lookup: Lookup<'_>, sink: &mut Vec<Diagnostic>) -> Option<Dim> {
    let too_large = || {
        let message = match expr.kind {
            ExprKind::Number(_) => "this size is more than 2^40".to_owned(),
            _ => format!("the size `{}` is too large", show::short(expr)),
        };
        Diagnostic::new(Code::TooLarge, expr.span, message)
    };
    let bad = |span: Span, what: &str| {
        let message = format!("{what} is no size");
        Diagnostic::new(Code::BadDimExpression, span, message)
            .help("sizes are sums, products and whole powers of dims and whole numbers")
    };
    let fault = match &expr.kind {
        ExprKind::Number(value) if value.fract() != 0.0 => {
            bad(expr.span, &format!("`{}`", show::number(*value)))
        }
        ExprKind::Number(value) if *value > MOST_ELEMENTS as f64 => too_large(),
        ExprKind::Number(value) => return Some(Dim::number(*value as i64)),
        ExprKind::Path(path) if path.tail.is_empty() => match lookup(&path.head) {
            Ok(dim) => return dim,
            Err(fault) => *fault,
        },
        ExprKind::Paren(inner) => return size(inner, lookup, sink),
        ExprKind::Neg(_, inner) => {
            let negated = size(inner, lookup, sink)?.mul(&Dim::number(-1));
            match negated {
                Ok(dim) => return Some(dim),
                Err(_) => too_large(),
            }
        }
        ExprKind::Chain(first, rest) => return chain(first, rest, lookup, sink, &too_large),
        ExprKind::Binary(BinaryOp::Pow, _, base, exponent) => {
            let base = size(base, lookup, sink);
            let power = size(exponent, lookup, sink)?;
            match power.as_number().map(u32::try_from) {
                Some(Ok(power)) => match base?.pow(power) {
                    Ok(dim) => return Some(dim),
                    Err(_) => too_large(),
                },
                Some(Err(_)) | None => bad(
                    exponent.span,
                    &format!("a power with exponent `{}`", show::short(exponent)),
                ),
            }
        }
        ExprKind::Binary(..)
        | ExprKind::Path(_)
        | ExprKind::Inf
        | ExprKind::Pi
        | ExprKind::Prev(..)
        | ExprKind::Call(..)
        | ExprKind::Array(_)
        | ExprKind::Index(..) => bad(expr.span, &format!("`{}`", show::short(expr))),
    };
    sink.push(fault);
    None
}

fn chain(
    first: &Expr,
    rest: &[(BinaryOp, Span, Expr)],
    lookup: Lookup<'_>,
    sink: &mut Vec<Diagnostic>,
    too_large: &dyn Fn() -> Diagnostic,
) -> Option<Dim> {
    let mut left = size(first, lookup, sink);
    for (op, span, term) in rest {
        let right = size(term, lookup, sink);
        if *op == BinaryOp::Div {
            let text = format!("`{} / {}`", show::short(first), show::short(term));
            let message = format!("sizes are not divided: {text}");
            let turned = format!(
                "turn it round: `dims {} = {} * K`, and use `K`",
                show::short(first),
                show::short(term)
            );
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

/// A shape; `None` after a report.
pub(super) fn shape(
    axes: &[Expr],
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
                sink.push(Diagnostic::new(Code::ConstantOutOfRange, axis.span, message));
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

/// A report when a value has too many elements whatever the sizes are.
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

/// Turns the `dims` of a cell into polynomials. `decls` are unique by name. `lookup` answers for names that are no dims.
pub(super) fn resolve(
    decls: &[&DimDecl],
    lookup: &mut dyn FnMut(&Ident) -> Option<Diagnostic>,
    sink: &mut Vec<Diagnostic>,
) -> Dims {
    let by_name: BTreeMap<&str, usize> =
        decls.iter().enumerate().map(|(idx, it)| (&*it.name.name, idx)).collect();
    let mut edges: Vec<Vec<usize>> = Vec::with_capacity(decls.len());
    for decl in decls {
        let mut needs = Vec::new();
        match &decl.kind {
            DimKind::Free => {}
            DimKind::Like(of) => needs.extend(by_name.get(&*of.name)),
            DimKind::Equals(expr) => {
                size(
                    expr,
                    &mut |name| {
                        needs.extend(by_name.get(&*name.name));
                        Ok(None)
                    },
                    &mut Vec::new(),
                );
            }
        }
        edges.push(needs);
    }
    let sorted = order::sort(&edges);
    let mut dims = Dims::default();
    let mut definitions: Vec<Option<Dim>> = vec![None; decls.len()];
    let mut wrong = vec![false; decls.len()];
    for cycle in sorted.cycles {
        let names: Vec<&str> = cycle.iter().map(|it| &*decls[*it].name.name).collect();
        let message = format!("`{}` is defined by itself: {}", names[0], order::circle(&names));
        let fault = Diagnostic::new(Code::CyclicDims, decls[cycle[0]].name.span, message)
            .help("leave out one of the definitions; that size is then set from outside");
        sink.push(fault);
        cycle.into_iter().for_each(|it| wrong[it] = true);
    }
    let mut defaults: Vec<Option<i64>> = vec![None; decls.len()];
    for idx in sorted.order {
        let decl = decls[idx];
        let name = &decl.name.name;
        let symbol = Dim::symbol(name.clone());
        let mut find = |it: &Ident| match by_name.get(&*it.name) {
            Some(_) => Ok(dims.table.get(&it.name).cloned().flatten()),
            None => lookup(it).map_or(Ok(None), |fault| Err(Box::new(fault))),
        };
        let found = match &decl.kind {
            _ if wrong[idx] => None,
            DimKind::Free => Some(symbol),
            DimKind::Like(of) => match find(of) {
                Ok(Some(other)) => {
                    let root = dims.root(&other);
                    dims.like.insert(name.clone(), root);
                    Some(symbol)
                }
                Ok(None) => None,
                Err(fault) => {
                    sink.push(*fault);
                    None
                }
            },
            DimKind::Equals(expr) => {
                let before = sink.len();
                let found = size(expr, &mut find, sink);
                offer_multiple(decl, expr, decls, &mut sink[before..]);
                match found.as_ref().and_then(Dim::as_number) {
                    // Without any dim in it, the number is a default; `H - H + 4` is derived.
                    Some(size) if edges[idx].is_empty() => {
                        defaults[idx] = check_size(&decl.name, expr.span, size, sink);
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
        let name = decl.name.name.clone();
        let like = match &decl.kind {
            DimKind::Like(of) => Some(of.name.clone()),
            DimKind::Free | DimKind::Equals(_) => None,
        };
        match definitions[idx].take() {
            Some(definition) => dims.derived.push((name, definition)),
            None => {
                let default = defaults[idx];
                let (fixed, span) = (false, decl.name.span);
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
    decls: &[&DimDecl],
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
        let Some(Some(found)) = dims.table.get(&decl.name.name) else { continue };
        let Some(size) = size(found) else { continue };
        if size > MOST_ELEMENTS {
            let message = format!("the size `{}` is more than 2^40", decl.name.name);
            sink.push(Diagnostic::new(Code::TooLarge, expr.span, message));
        } else if size < 1 && found.as_number().is_none() {
            check_size(&decl.name, expr.span, size, sink);
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
fn offer_multiple(decl: &DimDecl, expr: &Expr, decls: &[&DimDecl], faults: &mut [Diagnostic]) {
    let ExprKind::Chain(first, rest) = &expr.kind else { return };
    let [(BinaryOp::Div, span, divisor)] = rest.as_slice() else { return };
    let Some(fault) = faults.iter_mut().find(|it| it.span == *span) else { return };
    let (name, divided, by) = (&decl.name.name, show::short(first), show::short(divisor));
    fault.help = Some(format!("turn it round: `dims {divided} = {by} * {name}`, and set `{name}`"));
    // The two declarations change places, if the other one says nothing else.
    let other = decls.iter().find(|it| *it.name.name == *divided && it.kind == DimKind::Free);
    if let Some(other) = other {
        let edits = vec![
            (other.name.span, name.to_string()),
            (decl.name.span.to(expr.span), format!("{divided} = {by} * {name}")),
        ];
        fault.fix = Some(Fix { applicability: Applicability::Maybe, edits });
    }
}
