//! One step as expressions, before it is decided what is a box: what the builder of the equations
//! level reads. The tree of a cell and its backward pass are both written down so.

use super::diagram::Pin;
use super::text::Rich;
use crate::text::Span;

/// An expression, by its number.
pub type ExprId = usize;

/// The precedence of a written formula.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// `a < b`
    Comparison,
    /// `a + b`
    Sum,
    /// `a ⊙ b`, `W x`
    Product,
    /// `−a`, `a ^ b`
    Power,
    /// Names, numbers, calls.
    Atom,
}

/// A value that is the same at every step, as text.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// As papers write it.
    pub text: Rich,
    /// The precedence of the text.
    pub level: Level,
    /// True for a literal, or the size or setting of something: one scalar for all elements.
    pub is_scalar: bool,
    /// The definitions that it reads; they are computed once.
    pub reads: Vec<usize>,
}

impl Fixed {
    /// Returns its text as an operand that must bind at least this tightly.
    pub fn at_least(&self, least: Level) -> Rich {
        at_least(self.text.clone(), self.level, least)
    }
}

/// Returns a text as an operand that must bind at least this tightly.
pub fn at_least(text: Rich, level: Level, least: Level) -> Rich {
    if level >= least { text } else { Rich::plain("(").then(&text).then(&Rich::plain(")")) }
}

/// The value that a name means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A value from outside or from before, with how many steps back.
    Pin(usize, u32),
    /// A definition.
    Def(usize),
    /// A value of a layer.
    Layer(usize, String),
    /// A result of the turns of a loop that are not drawn.
    Skipped(usize, usize),
}

/// A product of two values that says which axes are summed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matrix {
    /// `W @ x`
    Apply,
    /// `outer(a, b)`
    Outer,
    /// `dot(a, b)`
    Dot,
}

/// One expression. Operands have smaller numbers, except through definitions.
#[derive(Clone, Debug)]
pub enum Expr {
    /// The same at every step.
    Fixed(Fixed),
    /// A name.
    Value(Value),
    /// A sum; `true` before what is subtracted.
    Sum(Vec<(bool, ExprId)>),
    /// An elementwise product.
    Product(Vec<ExprId>),
    /// An elementwise quotient.
    Quotient(ExprId, ExprId),
    /// Another product.
    Matrix(Matrix, ExprId, ExprId),
    /// `max` or `min` of several.
    Extreme(&'static str, Vec<ExprId>),
    /// A power.
    Power(ExprId, ExprId),
    /// A comparison.
    Compare(&'static str, ExprId, ExprId),
    /// A function of one or more values, and the text after them.
    Call(String, Vec<ExprId>, Rich),
    /// Elements in another place or shape: what is done, and to what.
    Move(Rich, ExprId),
    /// An element or row.
    Index(ExprId, Rich),
    /// Several in one: `stack`, `concat`.
    Gather(String, Vec<ExprId>),
    /// A formula that is linear in one value, with a square for it, and the values that it reads and that are computed once.
    Linear(Rich, ExprId, Vec<usize>),
}

/// A value from outside or from before.
#[derive(Clone, Debug)]
pub struct Given {
    /// The kind of the pin.
    pub pin: Pin,
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: String,
    /// The text about it.
    pub note: String,
    /// The place in the source.
    pub span: Option<Span>,
}

/// A named value of the step.
#[derive(Clone, Debug)]
pub struct Def {
    /// Its name.
    pub name: String,
    /// The text below the name beside its own subscript, such as the iteration of a loop.
    pub below: String,
    /// True if it is declared as a gate.
    pub is_gate: bool,
    /// Its shape, where known.
    pub shape: String,
    /// The expression; for a value that is computed once, its text.
    pub value: ExprId,
    /// True if it is the same at every step, or kept from forward.
    pub is_once: bool,
    /// The text about it.
    pub note: String,
    /// The place in the source.
    pub span: Option<Span>,
}

/// A layer, or one of a stack.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// The number of layers that are stacked in it.
    pub count: u32,
    /// The inner cell.
    pub cell: String,
    /// The arguments: the inner name, and true for the old value of a state.
    pub args: Vec<(String, bool, ExprId)>,
    /// The names of its values that are read.
    pub ports: Vec<String>,
    /// True if it runs from the end of a sequence.
    pub is_reversed: bool,
    /// The number of parameters, as text.
    pub parameters: String,
    /// Its states that are carried.
    pub states: Vec<String>,
    /// Its step, when it is opened.
    pub inner: Option<Box<Sketch>>,
    /// The text about it.
    pub note: String,
    /// The place in the source.
    pub span: Option<Span>,
}

/// A carried value.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: String,
    /// Its new value.
    pub next: Value,
    /// True if it is returned too.
    pub is_output: bool,
    /// The old value, when it is read: a pin.
    pub old: Option<usize>,
}

/// Turns of a loop that are not drawn.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// The number of iterations.
    pub turns: i64,
    /// The values that they read.
    pub reads: Vec<ExprId>,
    /// The names of their results.
    pub results: Vec<String>,
}

/// One step.
#[derive(Clone, Debug, Default)]
pub struct Sketch {
    /// The cell.
    pub name: String,
    /// The title above the drawing.
    pub title: String,
    /// All expressions.
    pub exprs: Vec<Expr>,
    /// For each expression how the author wrote it.
    pub sources: Vec<String>,
    /// The values that are given.
    pub given: Vec<Given>,
    /// The named values, in the order of the text.
    pub defs: Vec<Def>,
    /// The layers.
    pub layers: Vec<Layer>,
    /// The turns that are not drawn.
    pub skipped: Vec<Skipped>,
    /// The states, in the order of the text.
    pub states: Vec<State>,
    /// The values that are returned beside states: name, shape, value.
    pub outputs: Vec<(String, String, Value)>,
    /// The other values that leave: those read of an opened layer, or the adjoints of inputs.
    pub results: Vec<(String, String, Value)>,
    /// The gradient of each param in a backward step: its name and the step's share.
    pub gradients: Vec<(String, ExprId)>,
    /// True for a backward step.
    pub is_backward: bool,
    /// True if it runs from the end of a sequence, so that an old value is that of the next step.
    pub is_reversed: bool,
    /// The equations in words.
    pub words: Vec<String>,
}

impl Sketch {
    /// Returns the step that an old value belongs to: `t−1`, or `t+1` where time runs from the end.
    pub fn step(&self, back: u32) -> String {
        format!("t{}{back}", if self.is_reversed { "+" } else { "−" })
    }

    /// Adds an expression.
    pub fn push(&mut self, expr: Expr, source: impl Into<String>) -> ExprId {
        self.exprs.push(expr);
        self.sources.push(source.into());
        self.exprs.len() - 1
    }

    /// Returns the text of an expression that is the same at every step.
    pub fn fixed(&self, id: ExprId) -> Option<&Fixed> {
        match &self.exprs[id] {
            Expr::Fixed(fixed) => Some(fixed),
            Expr::Value(_)
            | Expr::Sum(_)
            | Expr::Product(_)
            | Expr::Quotient(..)
            | Expr::Matrix(..)
            | Expr::Extreme(..)
            | Expr::Power(..)
            | Expr::Compare(..)
            | Expr::Call(..)
            | Expr::Move(..)
            | Expr::Index(..)
            | Expr::Gather(..)
            | Expr::Linear(..) => None,
        }
    }

    /// Returns the operands of an expression.
    pub fn operands(&self, id: ExprId) -> Vec<ExprId> {
        match &self.exprs[id] {
            Expr::Fixed(_) | Expr::Value(_) => Vec::new(),
            Expr::Sum(terms) => terms.iter().map(|it| it.1).collect(),
            Expr::Product(all)
            | Expr::Extreme(_, all)
            | Expr::Call(_, all, _)
            | Expr::Gather(_, all) => all.clone(),
            Expr::Quotient(a, b)
            | Expr::Matrix(_, a, b)
            | Expr::Power(a, b)
            | Expr::Compare(_, a, b) => vec![*a, *b],
            Expr::Move(_, of) | Expr::Index(of, _) | Expr::Linear(_, of, _) => vec![*of],
        }
    }

    /// Returns true if the straight path of a state may pass from its operand at this position: sums (except for a value that is
    /// subtracted), elementwise products, numerators, `max` and `min`, moves of elements.
    pub fn passes(&self, id: ExprId, operand: usize) -> bool {
        match &self.exprs[id] {
            Expr::Sum(terms) => terms.get(operand).is_some_and(|it| !it.0),
            Expr::Product(_) | Expr::Extreme(..) | Expr::Move(..) => true,
            Expr::Quotient(..) => operand == 0,
            Expr::Fixed(_)
            | Expr::Value(_)
            | Expr::Matrix(..)
            | Expr::Power(..)
            | Expr::Compare(..)
            | Expr::Call(..)
            | Expr::Index(..)
            | Expr::Gather(..)
            | Expr::Linear(..) => false,
        }
    }
}
