//! Expressions of Python, and what differs between the languages that are written in it.

use super::lines::tuple;
use super::lower::Lead;
use crate::ir::{Along, Choice, Gradient, Literal, Pointwise};

/// The precedences of expressions.
pub const COMPARE: u8 = 0;
/// A sum.
pub const SUM: u8 = 1;
/// A product.
pub const PRODUCT: u8 = 2;
/// A sign.
pub const SIGN: u8 = 3;
/// A power.
pub const POWER: u8 = 4;
/// A name, a call, an element.
pub const ATOM: u8 = 5;

/// The kind of a value, where that matters.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// A number that is written out.
    Number(f64),
    /// The answer of a comparison.
    Truth,
    /// A whole number.
    Index,
    /// Anything else.
    Real,
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// The text.
    pub text: String,
    /// Its precedence.
    pub prec: u8,
    /// Its kind.
    pub kind: Kind,
    /// Its leading axes.
    pub lead: Lead,
    /// Its own axes, 1 where it is to be repeated; leading ones may be left out.
    pub shape: Vec<usize>,
}

impl Value {
    /// Returns the text, in parentheses where it does not hold together as strongly.
    pub fn at(&self, prec: u8) -> String {
        if self.prec < prec { format!("({})", self.text) } else { self.text.clone() }
    }
}

/// The notation of an elementwise operator.
pub enum Form {
    /// Between its operands.
    Infix(&'static str, u8),
    /// The sign.
    Minus,
    /// Between its operands, giving a truth value.
    Compare(&'static str),
    /// A function.
    Call(&'static str),
    /// A function that takes no plain numbers.
    Arrays(&'static str),
    /// A function that this file has.
    Own(&'static str),
    /// A function that this file has and that takes no plain numbers.
    ArraysOwn(&'static str),
    /// A choice.
    Where,
    /// Nothing: the operand itself.
    Same,
    /// True if the operand is above 0.
    Positive,
}

/// The differences between the languages. What has a body is as NumPy names it; so does JAX.
pub trait Dialect {
    /// Returns the module of array functions, such as `np`.
    fn module(&self) -> &'static str;
    /// Returns the table of elementwise operators.
    fn form(&self, op: Pointwise) -> Form;
    /// Returns a truth value as a number.
    fn truth(&self, text: &str) -> (String, u8);
    /// Returns a number as an array without axes.
    fn scalar(&self, number: &str) -> String {
        let np = self.module();
        format!("{np}.float32({number})")
    }
    /// Returns an infinite number or NaN.
    fn odd_number(&self, value: f64) -> String {
        let np = self.module();
        match value {
            f64::INFINITY => format!("{np}.inf"),
            f64::NEG_INFINITY => format!("-{np}.inf"),
            _ => format!("{np}.nan"),
        }
    }
    /// Returns a param.
    fn param(&self, idx: usize) -> String;
    /// Returns a constant of axes of its own; the text is that of a list, of `np.eye` and so on.
    fn literal(&self, literal: &Literal, shape: &[usize], numbers: &[String]) -> String {
        let np = self.module();
        let size = shape.first().copied().unwrap_or(1);
        match literal {
            Literal::Scalar(_) => format!("{np}.float32(0)"),
            Literal::Array(_) => format!("{np}.array([{}], {np}.float32)", numbers.join(", ")),
            Literal::Eye => format!("{np}.eye({size}, dtype={np}.float32)"),
            Literal::Iota => format!("{np}.arange({size}, dtype={np}.float32)"),
        }
    }
    /// Returns a function along axes, which are counted from the end.
    fn along(&self, along: &Along, value: &Value, axes: &[i64]) -> String;
    /// Joins or stacks.
    fn join(&self, function: &str, parts: &[String], axis: i64) -> String {
        let np = self.module();
        let function = if function == "concat" { "concatenate" } else { function };
        format!("{np}.{function}([{}], axis={axis})", parts.join(", "))
    }
    /// Swaps the last two axes.
    fn swap(&self, value: &Value) -> String {
        let np = self.module();
        format!("{np}.swapaxes({}, -2, -1)", value.text)
    }
    /// Returns a shape.
    fn shape(&self, shape: &[usize]) -> String {
        match shape {
            [] => "()".to_owned(),
            shape => tuple(&shape.iter().map(usize::to_string).collect::<Vec<_>>()),
        }
    }
    /// Returns the leading axes of a value that has `rank` axes of its own.
    fn leading(&self, value: &str, rank: usize) -> String {
        if rank == 0 { format!("{value}.shape") } else { format!("{value}.shape[:-{rank}]") }
    }
    /// Repeats a value to a shape, given as text.
    fn repeat(&self, value: &Value, shape: &str) -> String {
        let np = self.module();
        format!("{np}.broadcast_to({}, {shape})", value.text)
    }
    /// Brings a value to a shape, given as text.
    fn reshape(&self, value: &Value, shape: &str) -> String {
        let np = self.module();
        format!("{np}.reshape({}, {shape})", value.text)
    }
    /// Returns a matrix times a vector.
    fn linear(&self, vector: &Value, matrix: &Value, transposed: bool) -> (String, u8) {
        let matrix = matrix.at(ATOM);
        let matrix = if transposed { format!("{matrix}.T") } else { matrix };
        (format!("{} @ {matrix}", vector.at(SIGN)), PRODUCT)
    }
    /// Returns an Einstein sum.
    fn einsum(&self, labels: &str, parts: &[String]) -> String {
        let np = self.module();
        format!("{np}.einsum(\"{labels}\", {})", parts.join(", "))
    }
    /// Returns the row of a table that has leading axes.
    fn row(&self, table: &Value, index: &Value, rank: usize) -> String;
    /// Writes an operator that only the gradient sees.
    fn gradient(&self, gradient: &Gradient, args: &[Value], limit: &str) -> Value;
    /// Writes the index of the element that is chosen.
    fn choice(&self, choice: Choice, args: &[Value], size: usize) -> String;
}

/// Returns an index at one axis: `before` axes come before it and `after` after it.
pub fn index(lead: Lead, at: &str, before: usize, after: usize) -> String {
    let mut all: Vec<&str> = Vec::new();
    match lead {
        Lead::Once => all.extend(std::iter::repeat_n(":", before)),
        Lead::Sequence | Lead::Rows => all.push("..."),
    }
    all.push(at);
    if lead != Lead::Once {
        all.extend(std::iter::repeat_n(":", after));
    }
    all.join(", ")
}

/// Returns a shape with these leading axes: two displays become one.
pub fn joined(leading: &str, own: &str) -> String {
    let is_display = |it: &str| it.starts_with(['(', '[']) && it.matches(['(', '[']).count() == 1;
    if ["()", "[]"].contains(&own) {
        return leading.to_owned();
    }
    if !is_display(leading) || !is_display(own) {
        return format!("{leading} + {own}");
    }
    let first = leading[..leading.len() - 1].trim_end_matches(',');
    let (rest, close) = own[1..].split_at(own.len() - 2);
    format!("{first}, {}{close}", rest.trim_end_matches(','))
}

/// Returns the shape of two values that meet, axes counted from the end.
pub fn wider(a: &[usize], b: &[usize]) -> Vec<usize> {
    let rank = a.len().max(b.len());
    let size =
        |shape: &[usize], at: usize| (at + shape.len()).checked_sub(rank).map_or(1, |it| shape[it]);
    let axis = |at: usize| match (size(a, at), size(b, at)) {
        (1, other) => other,
        (own, _) => own,
    };
    (0..rank).map(axis).collect()
}
