//! Initialisers: constants, draws, and elementwise functions of both.

use super::consts;
use super::lower::{Lower, Scope};
use super::show;
use crate::diag::{Code, Diagnostic};
use crate::hir::builtin::DrawKind;
use crate::hir::{Call, Callee, Expr, Function, Kind};
use crate::ir::{Const, Draw, Family, Init, Pointwise, Shape};
use crate::text::Span;
use crate::text::id::Id;

/// An initialiser of more parts is refused: it would be computed for each element.
const MOST_PARTS: usize = 256;
/// The depth to which functions of the file may call each other here.
const MOST_CALLS: usize = 64;

/// Returns the initialiser that params without one have.
pub(super) fn default(shape: &Shape) -> Init {
    if shape.rank() < 2 {
        return Init::Const(Const::Number(0.0));
    }
    let (fan_in, fan_out) = (None, None);
    Init::Draw(Draw::Scaled { family: Family::Glorot, uniform: true, fan_in, fan_out })
}

/// Returns the initialiser that an expression describes, for a value of this shape; `None` after a report.
pub(super) fn lower(lower: &mut Lower<'_, '_>, expr: &Expr<'_>, shape: &Shape) -> Option<Init> {
    lower.note_init(expr, shape);
    let mut inits = Inits { lower, shape, parts: 0, calls: 0 };
    inits.expr(expr, &[])
}

struct Inits<'l, 'c, 'a> {
    lower: &'l mut Lower<'c, 'a>,
    shape: &'l Shape,
    parts: usize,
    calls: usize,
}

/// The arguments of a function.
type Locals<'s> = &'s [Init];

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

    fn expr(&mut self, expr: &Expr<'_>, locals: Locals<'_>) -> Option<Init> {
        let span = expr.span();
        match &expr.kind {
            Kind::Local(local) => match locals.get(local.idx()) {
                Some(init) => Some(init.clone()),
                None => self.constant(expr),
            },
            Kind::Number(_) | Kind::Inf | Kind::Pi | Kind::Def(_) | Kind::Error(_) => {
                self.constant(expr)
            }
            Kind::Paren(inner) => self.expr(inner, locals),
            Kind::Neg(inner) => {
                let inner = self.expr(inner, locals)?;
                self.apply(Pointwise::Neg, vec![inner], span)
            }
            Kind::Chain(first, rest) => {
                let mut left = self.expr(first, locals)?;
                for (op, _, term) in rest {
                    let right = self.expr(term, locals)?;
                    let op = consts::pointwise(*op).unwrap_or(Pointwise::Mul);
                    left = self.apply(op, vec![left, right], span)?;
                }
                Some(left)
            }
            Kind::Binary(op, _, left, right) => {
                let (left, right) = (self.expr(left, locals)?, self.expr(right, locals)?);
                match consts::pointwise(*op) {
                    Some(op) => self.apply(op, vec![left, right], span),
                    None => self.bad(span, "an initialiser works element by element".into()),
                }
            }
            Kind::Call(call) => self.call(call, span, locals),
            Kind::Part(_)
            | Kind::Prev(..)
            | Kind::Activation(_)
            | Kind::Array(_)
            | Kind::Index(..) => {
                let text = show::short(expr.ast);
                self.bad(span, format!("`{text}` is no initialiser"))
            }
        }
    }

    fn constant(&mut self, expr: &Expr<'_>) -> Option<Init> {
        self.lower.constant_expr(expr, &Scope::CELL, "an initialiser").map(Init::Const)
    }

    fn call(&mut self, call: &Call<'_>, span: Span, locals: Locals<'_>) -> Option<Init> {
        let name = &call.name.name;
        let signature = match call.callee {
            Callee::Draw(kind) => return self.draw(kind, call, span),
            Callee::Function(id) => {
                let tree = self.lower.tree();
                return self.function(&tree.functions[id], call, span, locals);
            }
            Callee::Builtin(signature) => signature,
            Callee::Hyper(_) | Callee::Form => return None,
        };
        let op = signature.pointwise().filter(|it| call.slots().count() == it.arity());
        let Some(op) = op else {
            let number = match &**name {
                "zeros" => ": write `0`",
                "ones" => ": write `1`",
                _ => "",
            };
            return self.bad(span, format!("`{name}` is no initialiser{number}"));
        };
        let mut values = Vec::with_capacity(op.arity());
        for (param, slot) in signature.params.iter().zip(call.slots()) {
            values.push(match (slot, param.default) {
                (Some(expr), _) => {
                    let init = self.expr(expr, locals)?;
                    if let (Init::Const(it), true) = (&init, param.is_positive) {
                        let what = format!("`{}` of `{name}`", param.name);
                        if let Some(fault) = self.lower.not_positive(it, &what, expr.span()) {
                            return self.fail(fault);
                        }
                    }
                    init
                }
                (None, Some(default)) => Init::Const(Const::Number(default)),
                (None, None) => return self.bad(span, format!("`{name}` is no initialiser")),
            });
        }
        self.apply(op, values, span)
    }

    /// Returns a function or activation of the program, element by element.
    fn function(
        &mut self,
        function: &Function<'_>,
        call: &Call<'_>,
        span: Span,
        locals: Locals<'_>,
    ) -> Option<Init> {
        if function.recursive {
            return None;
        }
        self.calls += 1;
        if self.calls > MOST_CALLS {
            let message = format!("an initialiser makes at most {MOST_CALLS} calls of functions");
            return self.fail(Diagnostic::new(Code::TooLarge, span, message));
        }
        let mut bound = Vec::with_capacity(function.params.len());
        for (slot, default) in call.slots().zip(&function.defaults) {
            bound.push(match (slot, default) {
                (Some(expr), _) => self.expr(expr, locals)?,
                (None, Some(default)) => self.expr(default, &[])?,
                (None, None) => return None,
            });
        }
        self.expr(&function.body, &bound)
    }

    /// Random numbers, and what runs along an axis.
    fn draw(&mut self, kind: DrawKind, call: &Call<'_>, span: Span) -> Option<Init> {
        let (name, args) = (&call.name.name, call.slots().collect::<Vec<_>>());
        let mut values: Vec<Option<Const>> = Vec::with_capacity(args.len());
        for ((param, _), slot) in kind.params(args.len() == 1).iter().zip(&args) {
            values.push(match slot {
                Some(expr) if kind != DrawKind::Iota => {
                    let what = format!("`{param}` of `{name}`");
                    Some(self.lower.constant_expr(expr, &Scope::CELL, &what)?)
                }
                Some(_) | None => None,
            });
        }
        let place = |idx: usize| args.get(idx).copied().flatten().map_or(span, Expr::span);
        let one = Const::Number(1.0);
        let mut take = |idx: usize| values.get_mut(idx).and_then(Option::take);
        Some(match kind {
            DrawKind::Uniform if args.len() == 1 => {
                let a = take(0)?;
                self.at_least(&a, 0.0, place(0), "the bound of `uniform`")?;
                let minus = consts::fold(Pointwise::Neg, vec![a.clone()]);
                Init::Draw(Draw::Uniform(minus, a))
            }
            DrawKind::Uniform => {
                let (lo, hi) = (take(0)?, take(1)?);
                self.ascending(&lo, &hi, span)?;
                Init::Draw(Draw::Uniform(lo, hi))
            }
            DrawKind::Normal => {
                let single = args.len() == 1;
                let mean = if single { None } else { take(0) }.unwrap_or(Const::Number(0.0));
                let at = args.len() - 1;
                let std = take(at).unwrap_or(one);
                self.at_least(&std, 0.0, place(at), "a standard deviation")?;
                Init::Draw(Draw::Normal(mean, std))
            }
            DrawKind::TruncatedNormal => {
                let std = take(0)?;
                self.at_least(&std, 0.0, place(0), "a standard deviation")?;
                Init::Draw(Draw::TruncatedNormal(std))
            }
            DrawKind::LogUniform => {
                let (lo, hi) = (take(0)?, take(1)?);
                if self.lower.value_of(&lo).is_some_and(|it| it <= 0.0) {
                    let message = "the lower bound of `log_uniform` is positive";
                    return self.fail(Diagnostic::new(Code::ConstantOutOfRange, place(0), message));
                }
                self.ascending(&lo, &hi, span)?;
                Init::Draw(Draw::LogUniform(lo, hi))
            }
            DrawKind::Linspace => {
                if self.shape.rank() == 0 {
                    return self.bad(span, "`linspace` needs an axis to run along".into());
                }
                Init::Linspace(take(0)?, take(1)?)
            }
            DrawKind::Orthogonal | DrawKind::Identity => {
                if self.shape.rank() < 2 {
                    let message = format!("`{name}` needs two axes, `{}` has not", self.shape);
                    return self.bad(span, message);
                }
                let factor = take(0).unwrap_or(one);
                Init::Draw(match kind {
                    DrawKind::Identity => Draw::Identity(factor),
                    _ => Draw::Orthogonal(factor),
                })
            }
            DrawKind::Iota => {
                let dim = self.lower.size_of(args[0]?)?;
                if self.shape.axes().last() != Some(&dim) {
                    let message =
                        format!("`iota({dim})` does not fit the last axis of `{}`", self.shape);
                    return self.bad(span, message);
                }
                Init::Iota(dim)
            }
            DrawKind::Scaled { family, uniform } => {
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
