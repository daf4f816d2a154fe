//! Initialisers: constants, draws, and elementwise functions of both.

use super::args::{self, Form};
use super::builtin::{self, Builtin};
use super::consts;
use super::items::Callable;
use super::lower::{Lower, Scope};
use super::show;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Const, Draw, Family, Init, Pointwise, Shape};
use crate::syntax::ast::{Arg, Expr, ExprKind, Ident};
use crate::text::Span;

/// An initialiser of more parts is refused: it would be computed for each element.
const MOST_PARTS: usize = 256;
/// How deep functions of the file may call each other here.
const MOST_CALLS: usize = 64;

/// The initialiser that params without one have.
pub(super) fn default(shape: &Shape) -> Init {
    if shape.rank() < 2 {
        return Init::Const(Const::Number(0.0));
    }
    let (fan_in, fan_out) = (None, None);
    Init::Draw(Draw::Scaled { family: Family::Glorot, uniform: true, fan_in, fan_out })
}

/// The initialiser that an expression describes, for a value of this shape; `None` after a report.
pub(super) fn lower(lower: &mut Lower<'_, '_>, expr: &Expr, shape: &Shape) -> Option<Init> {
    let mut inits = Inits { lower, shape, parts: 0, calls: 0 };
    inits.expr(expr, &[])
}

struct Inits<'l, 'c, 'a> {
    lower: &'l mut Lower<'c, 'a>,
    shape: &'l Shape,
    parts: usize,
    calls: usize,
}

type Locals<'s> = &'s [(&'s str, Init)];

impl Inits<'_, '_, '_> {
    fn fail(&mut self, fault: Diagnostic) -> Option<Init> {
        self.lower.sink.push(fault);
        None
    }

    fn bad(&mut self, span: Span, message: String) -> Option<Init> {
        self.fail(Diagnostic::new(Code::BadInitialiser, span, message))
    }

    fn apply(&mut self, op: Pointwise, args: Vec<Init>, span: Span) -> Option<Init> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            let message = format!("an initialiser has at most {MOST_PARTS} parts");
            return self.fail(Diagnostic::new(Code::TooLarge, span, message));
        }
        let constants: Option<Vec<Const>> = args
            .iter()
            .map(|it| match it {
                Init::Const(constant) => Some(constant.clone()),
                Init::Iota(_) | Init::Linspace(..) | Init::Draw(_) | Init::Apply(..) => None,
            })
            .collect();
        Some(match constants {
            Some(constants) => Init::Const(consts::fold(op, constants)),
            None => Init::Apply(op, args),
        })
    }

    fn expr(&mut self, expr: &Expr, locals: Locals<'_>) -> Option<Init> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Path(path) if path.tail.is_empty() => {
                let name = &path.head;
                if let Some((_, init)) = locals.iter().find(|it| it.0 == &*name.name) {
                    return Some(init.clone());
                }
                let is_draw = builtin::DRAWS.contains(&&*name.name) || &*name.name == "identity";
                if is_draw && !self.lower.knows(&name.name) {
                    return self.draw(name, &[], span);
                }
                self.constant(expr)
            }
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi => self.constant(expr),
            ExprKind::Paren(inner) => self.expr(inner, locals),
            ExprKind::Neg(_, inner) => {
                let inner = self.expr(inner, locals)?;
                self.apply(Pointwise::Neg, vec![inner], span)
            }
            ExprKind::Chain(first, rest) => {
                let mut left = self.expr(first, locals)?;
                for (op, _, term) in rest {
                    let right = self.expr(term, locals)?;
                    let op = super::resolve::pointwise(*op).unwrap_or(Pointwise::Mul);
                    left = self.apply(op, vec![left, right], span)?;
                }
                Some(left)
            }
            ExprKind::Binary(op, _, left, right) => {
                let (left, right) = (self.expr(left, locals)?, self.expr(right, locals)?);
                match super::resolve::pointwise(*op) {
                    Some(op) => self.apply(op, vec![left, right], span),
                    None => self.bad(span, "an initialiser works element by element".into()),
                }
            }
            ExprKind::Call(name, args) => self.call(name, args, span, locals),
            ExprKind::Path(_) | ExprKind::Prev(..) | ExprKind::Array(_) | ExprKind::Index(..) => {
                let text = show::short(expr);
                self.bad(span, format!("`{text}` is no initialiser"))
            }
        }
    }

    fn constant(&mut self, expr: &Expr) -> Option<Init> {
        self.lower.constant_expr(expr, &Scope::CELL, "an initialiser").map(Init::Const)
    }

    fn call(&mut self, name: &Ident, args: &[Arg], span: Span, locals: Locals<'_>) -> Option<Init> {
        if builtin::DRAWS.contains(&&*name.name) || matches!(&*name.name, "identity" | "iota") {
            return self.draw(name, args, span);
        }
        if let Some(signature) = builtin::find(&name.name) {
            let op = match signature.what {
                Builtin::Map(op) | Builtin::Extreme(op, _) => Some(op),
                Builtin::Clamp => Some(Pointwise::Clamp),
                Builtin::Where => Some(Pointwise::Where),
                Builtin::Reduce(_)
                | Builtin::Mean
                | Builtin::Softmax
                | Builtin::CumSum
                | Builtin::LayerNorm
                | Builtin::RmsNorm
                | Builtin::L2Normalize
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
            let form = super::resolve::form(&name.name, signature);
            let matched = args::bind(&form, name, span, args).ok()?;
            let Some(op) = op.filter(|it| matched.slots.len() == it.arity()) else {
                let number = match &*name.name {
                    "zeros" => ": write `0`",
                    "ones" => ": write `1`",
                    _ => "",
                };
                return self.bad(span, format!("`{}` is no initialiser{number}", name.name));
            };
            let mut values = Vec::with_capacity(matched.slots.len());
            for (param, slot) in signature.params.iter().zip(&matched.slots) {
                values.push(match (slot, param.default) {
                    (Some(expr), _) => self.expr(expr, locals)?,
                    (None, Some(default)) => Init::Const(Const::Number(default)),
                    (None, None) => {
                        return self.bad(span, format!("`{}` is no initialiser", name.name));
                    }
                });
            }
            return self.apply(op, values, span);
        }
        let callable = self.lower.callable(&name.name)?;
        let matched = args::bind(&callable.form(), name, span, args).ok()?;
        self.calls += 1;
        if self.calls > MOST_CALLS {
            let message = format!("an initialiser makes at most {MOST_CALLS} calls of functions");
            return self.fail(Diagnostic::new(Code::TooLarge, span, message));
        }
        let (names, defaults, body): (Vec<&str>, Vec<Option<&Expr>>, &Expr) = match callable {
            Callable::Function(it) => {
                let names: Vec<&str> = it.params.iter().map(|it| &*it.name).collect();
                let defaults = vec![None; names.len()];
                (names, defaults, &it.body)
            }
            Callable::Activation(it) => (
                std::iter::once(&it.value)
                    .chain(it.constants.iter().map(|it| &it.0))
                    .map(|it| &*it.name)
                    .collect(),
                std::iter::once(None).chain(it.constants.iter().map(|it| Some(&it.1))).collect(),
                &it.body,
            ),
        };
        let mut bound = Vec::with_capacity(names.len());
        for ((name, default), slot) in names.into_iter().zip(defaults).zip(&matched.slots) {
            let init = match (slot, default) {
                (Some(expr), _) => self.expr(expr, locals)?,
                (None, Some(default)) => self.expr(default, &[])?,
                (None, None) => return None,
            };
            bound.push((name, init));
        }
        self.expr(body, &bound)
    }

    /// Random numbers, and what runs along an axis.
    fn draw(&mut self, name: &Ident, args: &[Arg], span: Span) -> Option<Init> {
        let n_args = args.len();
        let by_position = args.iter().filter(|it| matches!(it, Arg::Positional(_))).count();
        let params: &[(&str, bool)] = match &*name.name {
            "uniform" if n_args <= 1 => &[("a", false)],
            "uniform" => &[("lo", false), ("hi", false)],
            // One number by position is the deviation.
            "normal" if n_args == 1 && by_position == 1 => &[("std", true)],
            "normal" => &[("mean", true), ("std", true)],
            "truncated_normal" => &[("std", false)],
            "log_uniform" | "linspace" => &[("lo", false), ("hi", false)],
            "orthogonal" => &[("gain", true)],
            "identity" => &[("scale", true)],
            "iota" => &[("n", false)],
            _ => &[("fan_in", true), ("fan_out", true)],
        };
        let form = Form { name: &name.name, params: params.to_vec(), variadic: false, over: false };
        let matched = match args::bind(&form, name, span, args) {
            Ok(matched) => matched,
            Err(fault) => {
                return self.fail(Diagnostic { code: Code::BadInitialiser, ..*fault });
            }
        };
        if &*name.name == "iota" {
            let dim = self.lower.size_of(matched.slots[0]?)?;
            if self.shape.axes().last() != Some(&dim) {
                let message =
                    format!("`iota({dim})` does not fit the last axis of `{}`", self.shape);
                return self.bad(span, message);
            }
            return Some(Init::Iota(dim));
        }
        let mut values: Vec<Option<Const>> = Vec::with_capacity(params.len());
        for ((param, _), slot) in params.iter().zip(&matched.slots) {
            let what = format!("`{param}` of `{}`", name.name);
            values.push(match slot {
                Some(expr) => Some(self.lower.constant_expr(expr, &Scope::CELL, &what)?),
                None => None,
            });
        }
        let place =
            |idx: usize| matched.slots.get(idx).copied().flatten().map_or(span, |it| it.span);
        let one = Const::Number(1.0);
        let mut take = |idx: usize| values.get_mut(idx).and_then(Option::take);
        Some(match &*name.name {
            "uniform" if n_args <= 1 => {
                let a = take(0)?;
                self.at_least(&a, 0.0, place(0), "the bound of `uniform`")?;
                let minus = consts::fold(Pointwise::Neg, vec![a.clone()]);
                Init::Draw(Draw::Uniform(minus, a))
            }
            "uniform" => {
                let (lo, hi) = (take(0)?, take(1)?);
                self.ascending(&lo, &hi, span)?;
                Init::Draw(Draw::Uniform(lo, hi))
            }
            "normal" => {
                let single = params.len() == 1;
                let mean = if single { None } else { take(0) }.unwrap_or(Const::Number(0.0));
                let at = params.len() - 1;
                let std = take(at).unwrap_or(one);
                self.at_least(&std, 0.0, place(at), "a standard deviation")?;
                Init::Draw(Draw::Normal(mean, std))
            }
            "truncated_normal" => {
                let std = take(0)?;
                self.at_least(&std, 0.0, place(0), "a standard deviation")?;
                Init::Draw(Draw::TruncatedNormal(std))
            }
            "log_uniform" => {
                let (lo, hi) = (take(0)?, take(1)?);
                if self.lower.value_of(&lo).is_some_and(|it| it <= 0.0) {
                    let message = "the lower bound of `log_uniform` is positive";
                    return self.fail(Diagnostic::new(Code::ConstantOutOfRange, place(0), message));
                }
                self.ascending(&lo, &hi, span)?;
                Init::Draw(Draw::LogUniform(lo, hi))
            }
            "linspace" => {
                if self.shape.rank() == 0 {
                    return self.bad(span, "`linspace` needs an axis to run along".into());
                }
                Init::Linspace(take(0)?, take(1)?)
            }
            "orthogonal" | "identity" => {
                if self.shape.rank() < 2 {
                    let message =
                        format!("`{}` needs two axes, `{}` has not", name.name, self.shape);
                    return self.bad(span, message);
                }
                let factor = take(0).unwrap_or(one);
                let draw =
                    if &*name.name == "identity" { Draw::Identity } else { Draw::Orthogonal };
                Init::Draw(draw(factor))
            }
            scaled => {
                let (family, uniform) = match scaled {
                    "glorot_uniform" => (Family::Glorot, true),
                    "glorot_normal" => (Family::Glorot, false),
                    "he_uniform" => (Family::He, true),
                    "he_normal" => (Family::He, false),
                    _ => (Family::LeCun, false),
                };
                let (fan_in, fan_out) = (take(0), take(1));
                for (idx, fan) in [&fan_in, &fan_out].into_iter().enumerate() {
                    if let Some(fan) = fan {
                        self.at_least(fan, 1.0, place(idx), "a fan")?;
                    }
                }
                Init::Draw(Draw::Scaled { family, uniform, fan_in, fan_out })
            }
        })
    }

    fn at_least(&mut self, value: &Const, least: f64, span: Span, what: &str) -> Option<()> {
        match self.lower.value_of(value) {
            Some(value) if value.is_nan() || value < least => {
                let message = format!(
                    "{what} is at least {}, not {}",
                    show::number(least),
                    show::number(value)
                );
                self.fail(Diagnostic::new(Code::ConstantOutOfRange, span, message));
                None
            }
            Some(_) | None => Some(()),
        }
    }

    fn ascending(&mut self, lo: &Const, hi: &Const, span: Span) -> Option<()> {
        match (self.lower.value_of(lo), self.lower.value_of(hi)) {
            (Some(lo), Some(hi)) if lo > hi => {
                let (lo, hi) = (show::number(lo), show::number(hi));
                let message = format!("the bounds are the wrong way round: {lo} > {hi}");
                self.fail(Diagnostic::new(Code::ConstantOutOfRange, span, message));
                None
            }
            (_, _) => Some(()),
        }
    }
}
