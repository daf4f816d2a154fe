//! Initialisers as text.

use super::text::{Text, apply, call, constant};
use crate::ir::Const;
use crate::ir::constant::{Draw, Family, Init};

/// Returns an initialiser in the notation of the language.
pub(super) fn init(init: &Init) -> Text {
    let texts = |all: &[&Const]| all.iter().map(|it| constant(it).text).collect::<Vec<String>>();
    let is = |value: &Const, number: f64| value.as_number() == Some(number);
    match init {
        Init::Const(value) => constant(value),
        Init::Iota(dim) => call("iota", &[dim.to_string()]),
        Init::Linspace(lo, hi) => call("linspace", &texts(&[lo, hi])),
        Init::Apply(op, args) => apply(*op, args.iter().map(self::init).collect()),
        Init::Draw(draw) => match draw {
            Draw::Uniform(lo, hi) => {
                // `uniform(a)` is (-a, a).
                let (lo, hi) = (constant(lo), constant(hi));
                let minus = apply(crate::ir::Pointwise::Neg, vec![hi.clone()]);
                let args =
                    if minus.text == lo.text { vec![hi.text] } else { vec![lo.text, hi.text] };
                call("uniform", &args)
            }
            Draw::Normal(mean, std) if is(mean, 0.0) => call("normal", &texts(&[std])),
            Draw::Normal(mean, std) => call("normal", &texts(&[mean, std])),
            Draw::TruncatedNormal(std) => call("truncated_normal", &texts(&[std])),
            Draw::LogUniform(lo, hi) => call("log_uniform", &texts(&[lo, hi])),
            Draw::Scaled { family, uniform, fan_in, fan_out } => {
                let family = match family {
                    Family::Glorot => "glorot",
                    Family::He => "he",
                    Family::LeCun => "lecun",
                };
                let name = format!("{family}_{}", if *uniform { "uniform" } else { "normal" });
                let fan = |name: &str, value: &Option<Const>| {
                    value.as_ref().map(|it| format!("{name} = {}", constant(it).text))
                };
                let fans: Vec<String> =
                    fan("fan_in", fan_in).into_iter().chain(fan("fan_out", fan_out)).collect();
                if fans.is_empty() { Text::primary(name) } else { call(&name, &fans) }
            }
            Draw::Orthogonal(gain) if is(gain, 1.0) => Text::primary("orthogonal"),
            Draw::Orthogonal(gain) => call("orthogonal", &texts(&[gain])),
            Draw::Identity(scale) if is(scale, 1.0) => Text::primary("identity"),
            Draw::Identity(scale) => call("identity", &texts(&[scale])),
        },
    }
}
