//! Pieces of formulas with how tightly they bind, and numbers and constants as such pieces.

use crate::ir::pointwise::Syntax;
use crate::ir::{Const, Dim, Pointwise, Shape};

/// The precedence of a formula, loosest first; the order of the language.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Level {
    /// `a < b`
    Comparison,
    /// `a + b`
    Sum,
    /// `a * b`
    Product,
    /// `A @ b`
    Matrix,
    /// `-a`
    Unary,
    /// `a ^ b`
    Power,
    /// Names, numbers, calls.
    Primary,
}

/// A formula.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Text {
    /// The formula as written.
    pub text: String,
    /// Its precedence.
    pub level: Level,
}

impl Text {
    pub fn new(text: impl Into<String>, level: Level) -> Text {
        Text { text: text.into(), level }
    }

    /// Returns a name, a number or a call.
    pub fn primary(text: impl Into<String>) -> Text {
        Text::new(text, Level::Primary)
    }

    /// As an operand that must bind at least this tightly.
    pub fn at_least(self, level: Level) -> String {
        if self.level >= level { self.text } else { format!("({})", self.text) }
    }
}

/// `f(a, b)`
pub(crate) fn call(name: &str, args: &[String]) -> Text {
    Text::primary(format!("{name}({})", args.join(", ")))
}

/// Returns an elementwise operator of formulas.
pub(crate) fn apply(op: Pointwise, args: Vec<Text>) -> Text {
    let operands = match <[Text; 2]>::try_from(args) {
        Ok(operands) => operands,
        Err(args) => return of_one_or_many(op, args),
    };
    let Syntax::Infix(sign) = op.syntax() else {
        return of_one_or_many(op, operands.into());
    };
    let [left, right] = operands;
    let (level, left, right) = match sign {
        "+" | "-" => (Level::Sum, left.at_least(Level::Sum), right.at_least(Level::Product)),
        "*" | "/" => {
            let left = if left.level == Level::Product { left.text } else { factor(left) };
            (Level::Product, left, factor(right))
        }
        "^" => (Level::Power, left.at_least(Level::Primary), right.at_least(Level::Unary)),
        _ => (Level::Comparison, left.at_least(Level::Sum), right.at_least(Level::Sum)),
    };
    Text::new(format!("{left} {sign} {right}"), level)
}

/// Returns an operand of `*` or `/`: neither a product nor, as the language wants it, a bare `@`.
fn factor(text: Text) -> String {
    text.at_least(Level::Unary)
}

fn of_one_or_many(op: Pointwise, mut args: Vec<Text>) -> Text {
    match (op, op.syntax()) {
        (Pointwise::Square, _) if args.len() == 1 => {
            let base = args.remove(0).at_least(Level::Primary);
            Text::new(format!("{base} ^ 2"), Level::Power)
        }
        (_, Syntax::Prefix(sign)) if args.len() == 1 => {
            let text = args.remove(0).at_least(Level::Power);
            Text::new(format!("{sign}{text}"), Level::Unary)
        }
        (_, Syntax::Prefix(_) | Syntax::Infix(_) | Syntax::Function) => {
            // The constants of an activation are told by name.
            let named = op.params()[0] == "v" && op != Pointwise::Clamp;
            let args: Vec<String> = args
                .into_iter()
                .zip(op.params())
                .enumerate()
                .map(|(idx, (text, name))| match idx > 0 && named {
                    true => format!("{name} = {}", text.text),
                    false => text.text,
                })
                .collect();
            call(op.name(), &args)
        }
    }
}

/// Returns a number in its shortest form that reads back as itself.
pub(crate) fn number(value: f64) -> Text {
    let text = if value.is_nan() {
        "nan".to_string()
    } else if value.is_infinite() {
        "inf".to_string()
    } else if value.fract() == 0.0 && value.abs() < 1e15 {
        format!("{}", value.abs())
    } else {
        format!("{:?}", value.abs())
    };
    if value < 0.0 { Text::new(format!("-{text}"), Level::Unary) } else { Text::primary(text) }
}

/// Returns a size.
pub(crate) fn dim(dim: &Dim) -> Text {
    let text = dim.to_string();
    let level = if text.contains(" + ") || text.contains(" - ") {
        Level::Sum
    } else if text.contains(" * ") {
        Level::Product
    } else if text.starts_with('-') {
        Level::Unary
    } else if text.contains('^') {
        Level::Power
    } else {
        Level::Primary
    };
    Text::new(text, level)
}

/// Returns a constant expression.
pub(crate) fn constant(value: &Const) -> Text {
    match value {
        Const::Number(value) => number(*value),
        Const::Size(size) => dim(size),
        Const::Hyper(name) => Text::primary(&**name),
        Const::Apply(op, args) => {
            let args: Vec<Text> = args.iter().map(constant).collect();
            apply(*op, args)
        }
    }
}

/// Returns the axes that something happens along, as the language says it: `over D`. Nothing when it is the only one.
pub(crate) fn over(shape: &Shape, axes: &[usize]) -> Option<String> {
    if axes.len() == shape.rank() && shape.rank() == 1 {
        return None;
    }
    let names: Vec<String> = axes.iter().map(|it| shape.0[*it].to_string()).collect();
    let unique = |it: &usize| shape.0.iter().filter(|axis| **axis == shape.0[*it]).count() == 1;
    if axes.iter().all(unique) || axes.len() == shape.rank() {
        return Some(match names.as_slice() {
            [one] => format!("over {one}"),
            _ => format!("over [{}]", names.join(", ")),
        });
    }
    Some(match axes {
        [0] => "over first".to_string(),
        [it] if it + 1 == shape.rank() => "over last".to_string(),
        _ => format!("over axes {axes:?}"),
    })
}
