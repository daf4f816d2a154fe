//! The draws of params, as an expression: the distributions of the spec, not its bits.

use super::lines::tuple;
use super::lower::Lowered;
use crate::ir::{Draw, Family, Init, Pointwise};

/// The notation of a language for numbers and draws.
pub trait Draws {
    /// Returns the module of elementwise functions.
    fn module(&self) -> &'static str;
    /// Returns a number everywhere.
    fn full(&mut self, shape: &str, value: &str) -> String;
    /// 0, 1, 2 and so on.
    fn arange(&mut self, size: usize) -> String;
    /// Evenly from one number to another.
    fn linspace(&mut self, lo: &str, hi: &str, size: usize) -> String;
    /// Returns a value repeated.
    fn repeat(&mut self, value: &str, shape: &str) -> String;
    /// Uniform in 0..1.
    fn uniform(&mut self, shape: &str) -> String;
    /// Normal with mean 0 and deviation 1.
    fn normal(&mut self, shape: &str) -> String;
    /// Returns the same, drawn again beyond two deviations.
    fn truncated(&mut self, shape: &str) -> String;
    /// Returns a random orthogonal matrix, or rows or columns of one.
    fn orthogonal(&mut self, shape: &str) -> String;
    /// Returns the identity matrix.
    fn eye(&mut self, rows: usize, columns: usize) -> String;
}

/// Returns the expression that draws a param.
pub fn python(init: &Init, shape: &[usize], low: &Lowered, lang: &mut dyn Draws) -> String {
    let own = if shape.is_empty() {
        "()".to_owned()
    } else {
        tuple(&shape.iter().map(usize::to_string).collect::<Vec<_>>())
    };
    let number = |it: &crate::ir::Const| text(low.number(it));
    let last = shape.last().copied().unwrap_or(1);
    match init {
        Init::Const(value) => lang.full(&own, &number(value)),
        Init::Iota(_) => {
            let all = lang.arange(last);
            repeated(all, shape, &own, lang)
        }
        Init::Linspace(lo, hi) => {
            let all = lang.linspace(&number(lo), &number(hi), last);
            repeated(all, shape, &own, lang)
        }
        Init::Draw(draw) => drawn(draw, shape, &own, low, lang),
        Init::Apply(op, args) => {
            let args: Vec<String> = args
                .iter()
                .map(|it| match it {
                    Init::Const(value) => number(value),
                    other => python(other, shape, low, lang),
                })
                .collect();
            applied(*op, &args, lang)
        }
    }
}

fn repeated(value: String, shape: &[usize], own: &str, lang: &mut dyn Draws) -> String {
    if shape.len() == 1 { value } else { lang.repeat(&value, own) }
}

fn text(value: f64) -> String {
    if value.is_finite() { format!("{value:?}") } else { format!("float(\"{value}\")") }
}

fn drawn(draw: &Draw, shape: &[usize], own: &str, low: &Lowered, lang: &mut dyn Draws) -> String {
    let number = |it: &crate::ir::Const| low.number(it);
    let (rows, columns) = match *shape {
        [] => (1, 1),
        [n] => (1, n),
        [.., rows, columns] => (rows, columns),
    };
    match draw {
        Draw::Uniform(lo, hi) => {
            let (lo, hi) = (number(lo), number(hi));
            format!("{} + {} * {}", text(lo), text(hi - lo), lang.uniform(own))
        }
        Draw::Normal(mean, deviation) => {
            let scaled = format!("{} * {}", text(number(deviation)), lang.normal(own));
            if number(mean) == 0.0 { scaled } else { format!("{} + {scaled}", text(number(mean))) }
        }
        Draw::TruncatedNormal(deviation) => {
            format!("{} * {}", text(number(deviation)), lang.truncated(own))
        }
        Draw::LogUniform(lo, hi) => {
            let (lo, hi) = (number(lo).ln(), number(hi).ln());
            let drawn = format!("{} + {} * {}", text(lo), text(hi - lo), lang.uniform(own));
            format!("{}.exp({drawn})", lang.module())
        }
        Draw::Scaled { family, uniform, fan_in, fan_out } => {
            // A vector is both the fan-in and the fan-out.
            let (own_out, own_in) =
                if shape.len() < 2 { (columns, columns) } else { (rows, columns) };
            let fan_in = fan_in.as_ref().map_or(own_in as f64, number);
            let fan_out = fan_out.as_ref().map_or(own_out as f64, number);
            let variance = match family {
                Family::Glorot => 2.0 / (fan_in + fan_out),
                Family::He => 2.0 / fan_in,
                Family::LeCun => 1.0 / fan_in,
            };
            if *uniform {
                let bound = (3.0 * variance).sqrt();
                format!("{} + {} * {}", text(-bound), text(2.0 * bound), lang.uniform(own))
            } else {
                format!("{} * {}", text(variance.sqrt()), lang.normal(own))
            }
        }
        Draw::Orthogonal(gain) => {
            let drawn = if shape.len() < 2 {
                let matrix = lang.orthogonal(&format!("({rows}, {columns})"));
                format!("{matrix}.reshape({own})")
            } else {
                lang.orthogonal(own)
            };
            match number(gain) {
                1.0 => drawn,
                gain => format!("{} * {drawn}", text(gain)),
            }
        }
        Draw::Identity(factor) => {
            let eye = lang.eye(rows, columns);
            let scaled = match number(factor) {
                1.0 => eye,
                factor => format!("{} * {eye}", text(factor)),
            };
            if shape.len() == 2 { scaled } else { lang.repeat(&scaled, own) }
        }
    }
}

/// Returns an elementwise function of initialisers, in functions that the modules share.
fn applied(op: Pointwise, args: &[String], lang: &mut dyn Draws) -> String {
    let module = lang.module();
    let infix = |sign: &str| format!("({}) {sign} ({})", args[0], args[1]);
    let compared = |sign: &str| format!("(({}) {sign} ({})) * 1.0", args[0], args[1]);
    let chosen = |cond: String, yes: &str, no: &str| format!("{module}.where({cond}, {yes}, {no})");
    match op {
        Pointwise::Add => infix("+"),
        Pointwise::Sub => infix("-"),
        Pointwise::Mul => infix("*"),
        Pointwise::Div => infix("/"),
        Pointwise::Pow => infix("**"),
        Pointwise::Less => compared("<"),
        Pointwise::LessEqual => compared("<="),
        Pointwise::Greater => compared(">"),
        Pointwise::GreaterEqual => compared(">="),
        Pointwise::Equal => compared("=="),
        Pointwise::NotEqual => compared("!="),
        Pointwise::Neg => format!("-({})", args[0]),
        Pointwise::Identity => args[0].clone(),
        Pointwise::Where => chosen(format!("({}) != 0", args[0]), &args[1], &args[2]),
        Pointwise::Max => chosen(infix(">"), &args[0], &args[1]),
        Pointwise::Min => chosen(infix("<"), &args[0], &args[1]),
        Pointwise::Mod => {
            format!("({0}) - {module}.floor(({0}) / ({1})) * ({1})", args[0], args[1])
        }
        Pointwise::Rsqrt => format!("1 / {module}.sqrt({})", args[0]),
        Pointwise::Sigmoid => format!("1 / (1 + {module}.exp(-({})))", args[0]),
        Pointwise::Softplus => format!("{module}.log1p({module}.exp({}))", args[0]),
        _ => format!("{module}.{}({})", op.name(), args.join(", ")),
    }
}
