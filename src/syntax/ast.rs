//! The tree of a source file: one type per rule of the grammar, every leaf with its span.
//!
//! Parentheses are kept, so that printing a tree and parsing it again gives the same tree. Chains
//! of `+ -` and of `* /` are flat lists: an expression of 100,000 terms is no deeper than one of
//! two, and recursion over a tree is bounded by the limit on nesting.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::{Name, Span};

/// A whole file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct File {
    /// The items, in the order of the source.
    pub items: Vec<Item>,
    /// The words of items that could not be read.
    pub unread: Unread,
}

impl File {
    /// Lists the `use` items, in the order of the source.
    pub fn uses(&self) -> impl Iterator<Item = &Use> {
        self.items.iter().filter_map(|it| match it {
            Item::Use(it) => Some(it),
            Item::Cell(_) | Item::Activation(_) | Item::Function(_) => None,
        })
    }
}

/// The words of a text that could not be read and that the parser has complained about. It may define any of its names, so nobody
/// should complain that one of them is not defined.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Unread {
    /// The names in it, each once, in the order of their letters.
    pub names: Vec<Ident>,
    /// True if it may say what a cell returns.
    pub output: bool,
}

impl Unread {
    /// Puts the names in order, one of each.
    pub(super) fn sort(&mut self) {
        self.names.sort_by(|a, b| (&a.name, a.span).cmp(&(&b.name, b.span)));
        self.names.dedup_by(|later, first| later.name == first.name);
    }

    /// Returns true if this name is in the text.
    pub fn holds(&self, name: &str) -> bool {
        self.names.binary_search_by(|it| (*it.name).cmp(name)).is_ok()
    }
}

/// The items at the top level.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// `cell NAME { .. }` or `model NAME { .. }`.
    Cell(Cell),
    /// `activation NAME(v, ..) = ..`.
    Activation(Activation),
    /// `fn NAME(..) = ..`.
    Function(Function),
    /// `use "file.rnn"` or `use std/lstm`.
    Use(Use),
}

/// A name where it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ident {
    /// The text.
    pub name: Name,
    /// The place.
    pub span: Span,
}

/// A documentation comment: its lines without `///` and one blank, and its place.
#[derive(Clone, PartialEq, Debug)]
pub struct Doc {
    /// One entry a line.
    pub lines: Vec<String>,
    /// From the first to the last line.
    pub span: Span,
}

/// The two kinds: a cell is only a step, a model also knows what it is trained on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CellKind {
    /// `cell`
    Cell,
    /// `model`
    Model,
}

/// A cell or a model.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell {
    /// The comment before it.
    pub doc: Option<Doc>,
    /// The kind: cell or model.
    pub kind: CellKind,
    /// Its name.
    pub name: Ident,
    /// The declarations between its braces, in the order of the source.
    pub decls: Vec<Decl>,
    /// The words of declarations that could not be read; all names of a cell that is never closed.
    pub unread: Unread,
    /// From the keyword to the closing brace.
    pub span: Span,
}

/// `activation NAME(v, a = 1) = expr derivative expr`.
#[derive(Clone, PartialEq, Debug)]
pub struct Activation {
    /// The comment before it.
    pub doc: Option<Doc>,
    /// Its name.
    pub name: Ident,
    /// The name of the value.
    pub value: Ident,
    /// The named constants and their defaults.
    pub constants: Vec<(Ident, Expr)>,
    /// The value of the activation.
    pub body: Expr,
    /// The derivative that both modes of differentiation use, if declared.
    pub derivative: Option<Expr>,
    /// The whole item.
    pub span: Span,
}

/// `fn NAME(a, b) = expr`.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// The comment before it.
    pub doc: Option<Doc>,
    /// Its name.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<Ident>,
    /// Its value.
    pub body: Expr,
    /// The whole item.
    pub span: Span,
}

/// `use "gates.rnn"` or `use std/lstm`.
#[derive(Clone, PartialEq, Debug)]
pub struct Use {
    /// The comment before it.
    pub doc: Option<Doc>,
    /// The file that is used.
    pub target: UseTarget,
    /// The whole item.
    pub span: Span,
}

/// The file that a `use` names.
#[derive(Clone, PartialEq, Debug)]
pub enum UseTarget {
    /// A file relative to this one.
    File(String),
    /// A file of a library: its name and the file's.
    Library(Ident, Ident),
}

impl fmt::Display for UseTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UseTarget::File(path) => f.write_str(path),
            UseTarget::Library(library, file) => write!(f, "{}/{}", library.name, file.name),
        }
    }
}

/// One statement of a cell.
#[derive(Clone, PartialEq, Debug)]
pub struct Decl {
    /// The comment before it.
    pub doc: Option<Doc>,
    /// The kind of the statement, with its parts.
    pub kind: DeclKind,
    /// From its first to its last character.
    pub span: Span,
}

/// The kinds of statements.
#[derive(Clone, PartialEq, Debug)]
pub enum DeclKind {
    /// `dims I, H = 4, J like H`
    Dims(Vec<DimDecl>),
    /// `hyper dt = 0.1, act = tanh`
    Hyper(Vec<HyperDecl>),
    /// `input`, `state`, `param`, `const`, `mask`, `target`, `feedback` with their groups.
    Group(Role, Vec<Group>),
    /// `gate z = ..` or `let n = ..`
    Value(ValueRole, Ident, Value),
    /// `let (u, v) = fold ..`
    Tuple(Vec<Ident>, Value),
    /// `h = ..`: the new value of a state.
    Update(Ident, Value),
    /// `output h, y = ..`
    Output(Vec<OutputDecl>),
    /// `layer a = Lstm(..)`
    Layer(Box<LayerDecl>),
    /// `loss mse(y, load) at last`
    Loss {
        /// The value that is minimised.
        value: Expr,
        /// True if only the last valid step counts.
        at_last: bool,
    },
    /// `layout pytorch { .. }`
    Layout(LayoutDecl),
}

/// One name of a `dims` statement.
#[derive(Clone, PartialEq, Debug)]
pub struct DimDecl {
    /// The name.
    pub name: Ident,
    /// The kind of the dim.
    pub kind: DimKind,
}

/// The kinds of dims.
#[derive(Clone, PartialEq, Debug)]
pub enum DimKind {
    /// Set from outside or by the data.
    Free,
    /// `= expr`: a default when the expression is a whole number, else derived from other dims.
    Equals(Expr),
    /// `like N`: as large as `N`, and never equal to it in shapes.
    Like(Ident),
}

/// One name of a `hyper` statement. Whether it is a number or an activation, `check` tells.
#[derive(Clone, PartialEq, Debug)]
pub struct HyperDecl {
    /// The name.
    pub name: Ident,
    /// The default: a constant expression, or the name or call of an activation.
    pub value: Expr,
}

/// The keywords that begin a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "each is the keyword of the same name")]
pub enum Role {
    Input,
    State,
    Param,
    Const,
    Mask,
    Target,
    Feedback,
}

impl Role {
    /// Returns the keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Role::Input => "input",
            Role::State => "state",
            Role::Param => "param",
            Role::Const => "const",
            Role::Mask => "mask",
            Role::Target => "target",
            Role::Feedback => "feedback",
        }
    }
}

/// `W, U: [H, I] = value init expr per step teacher y`; `check` says which parts each keyword allows.
#[derive(Clone, PartialEq, Debug)]
pub struct Group {
    /// The names that share the rest.
    pub names: Vec<Ident>,
    /// The declared type.
    pub type_: Type,
    /// After `=`.
    pub value: Option<Expr>,
    /// After `init`.
    pub init: Option<Expr>,
    /// After `per`.
    pub per: Option<(Scope, Span)>,
    /// After `teacher`.
    pub teacher: Option<Ident>,
    /// The whole group.
    pub span: Span,
}

impl Group {
    /// Returns true if the declared values are the same at all steps of a sequence.
    pub fn is_per_sequence(&self) -> bool {
        matches!(self.per, Some((Scope::Sequence, _)))
    }
}

/// The scope for which a mask is drawn, or an input is given, once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// Anew at every step of every sequence.
    Step,
    /// Once for every sequence.
    Sequence,
    /// Once for all sequences and steps of a call.
    Run,
}

/// `[H, I + H]` or `index[V]`. The dims are expressions that `check` turns into polynomials.
#[derive(Clone, PartialEq, Debug)]
pub struct Type {
    /// The kind: shape or index.
    pub kind: TypeKind,
    /// The whole type.
    pub span: Span,
}

/// The two kinds of types.
#[derive(Clone, PartialEq, Debug)]
pub enum TypeKind {
    /// A real array with these axes; none for a scalar.
    Real(Vec<Expr>),
    /// A whole number below this dim.
    Index(Expr),
}

/// `gate` or `let`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueRole {
    /// Meant to lie in [0, 1].
    Gate,
    /// Any value.
    Let,
}

/// The right side of an equation.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// An expression.
    Expr(Expr),
    /// A static inner loop.
    Fold(Box<Fold>),
}

/// `fold s from start for l in 0 .. L { .. yield result }`.
#[derive(Clone, PartialEq, Debug)]
pub struct Fold {
    /// The accumulators; parentheses around one are not kept apart from none.
    pub accumulators: Vec<Ident>,
    /// Their starts, as many.
    pub starts: Vec<Expr>,
    /// The loop variable.
    pub variable: Ident,
    /// Its first value.
    pub from: Expr,
    /// The value after its last.
    pub to: Expr,
    /// The gates and lets of the body.
    pub body: Vec<Definition>,
    /// The new values of the accumulators.
    pub results: Vec<Expr>,
    /// The whole loop.
    pub span: Span,
}

/// `let u = ..`, `gate g = ..` or `let (u, v) = fold ..` within a loop.
#[derive(Clone, PartialEq, Debug)]
pub struct Definition {
    /// The kind of its values; of several values always a let.
    pub role: ValueRole,
    /// The names of its values; parentheses around one are not kept apart from none.
    pub names: Vec<Ident>,
    /// The values.
    pub value: Value,
}

/// `h` or `y = expr` after `output`.
#[derive(Clone, PartialEq, Debug)]
pub enum OutputDecl {
    /// A value that has a name.
    Path(Path),
    /// An expression that gets one.
    Named(Ident, Expr),
}

/// `layer a[L] = Lstm(x = e, H = 2 * H) shares b backward`.
#[derive(Clone, PartialEq, Debug)]
pub struct LayerDecl {
    /// Its name.
    pub name: Ident,
    /// The number of stacked layers.
    pub count: Option<Expr>,
    /// The inner cell.
    pub cell: Ident,
    /// The values that the inner cell's names get.
    pub args: Vec<LayerArg>,
    /// Whose weights it uses.
    pub shares: Option<Ident>,
    /// The word `backward`, if it reads each sequence from its end.
    pub backward: Option<Span>,
}

/// `x = expr` or `prev h = expr` of a layer.
#[derive(Clone, PartialEq, Debug)]
pub struct LayerArg {
    /// True if `prev` comes before the name.
    pub prev: bool,
    /// A name of the inner cell.
    pub name: Ident,
    /// An expression of this cell.
    pub value: Expr,
}

/// `layout NAME { lhs = layexpr .. }`.
#[derive(Clone, PartialEq, Debug)]
pub struct LayoutDecl {
    /// The framework.
    pub name: Ident,
    /// Stored tensors and what they hold.
    pub rows: Vec<LayoutRow>,
}

/// `optional NAME + NAME = VALUE`.
#[derive(Clone, PartialEq, Debug)]
pub struct LayoutRow {
    /// True if a file may lack it; it then holds zeros.
    pub optional: bool,
    /// The stored tensor; several are added.
    pub names: Vec<LayoutName>,
    /// The params that it holds.
    pub value: Expr,
}

/// The name of a stored tensor, written bare or as a string.
#[derive(Clone, PartialEq, Debug)]
pub struct LayoutName {
    /// The name.
    pub name: String,
    /// True if it was written in quotes.
    pub quoted: bool,
    /// The place.
    pub span: Span,
}

/// `a.h`, `a[0].h`: names joined by points, an index only before a point.
#[derive(Clone, PartialEq, Debug)]
pub struct Path {
    /// The first name.
    pub head: Ident,
    /// The parts that follow: an optional index, then a name.
    pub tail: Vec<(Option<Expr>, Ident)>,
    /// The whole path.
    pub span: Span,
}

/// An expression and its place.
#[derive(Clone, PartialEq, Debug)]
pub struct Expr {
    /// The kind of the expression, with its parts.
    pub kind: ExprKind,
    /// From its first to its last character.
    pub span: Span,
}

impl Expr {
    /// Tells `visit` of the expression and all in it. Nesting is bounded by the parser.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.kind {
            ExprKind::Number(_) | ExprKind::Inf | ExprKind::Pi | ExprKind::Path(_) => {}
            ExprKind::Prev(_, steps) => steps.iter().for_each(|it| it.walk(visit)),
            ExprKind::Call(_, args) => args.iter().for_each(|arg| match arg {
                Arg::Positional(it) | Arg::Named(_, it) | Arg::Over(Over::Dim(it), _) => {
                    it.walk(visit);
                }
                Arg::Over(Over::Dims(list), _) => list.iter().for_each(|it| it.walk(visit)),
                Arg::Over(Over::Last | Over::First, _) => {}
            }),
            ExprKind::Array(list) => list.iter().for_each(|it| it.walk(visit)),
            ExprKind::Paren(it) | ExprKind::Neg(_, it) => it.walk(visit),
            ExprKind::Index(left, right) | ExprKind::Binary(_, _, left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Chain(first, rest) => {
                first.walk(visit);
                rest.iter().for_each(|it| it.2.walk(visit));
            }
        }
    }
}

/// The kinds of expressions.
#[derive(Clone, PartialEq, Debug)]
pub enum ExprKind {
    /// A number, not negative, finite.
    Number(f64),
    /// `inf`
    Inf,
    /// `pi`
    Pi,
    /// A name, possibly of a layer's value.
    Path(Path),
    /// `prev h` or `prev(h, k)`.
    Prev(Path, Option<Box<Expr>>),
    /// `f(args)`
    Call(Ident, Vec<Arg>),
    /// `[a, b]`: a literal of constants, or a shape as an argument.
    Array(Vec<Expr>),
    /// `(e)`
    Paren(Box<Expr>),
    /// `-e`; the span is the sign's.
    Neg(Span, Box<Expr>),
    /// `e[i]`
    Index(Box<Expr>, Box<Expr>),
    /// `a + b - c` or `a * b / c`: operators of one level, applied from the left.
    Chain(Box<Expr>, Vec<(BinaryOp, Span, Expr)>),
    /// `a @ b`, `a ^ b` or a comparison; the span is the operator's.
    Binary(BinaryOp, Span, Box<Expr>, Box<Expr>),
}

/// An operator between two values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "each is the operator that `symbol` gives")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    MatMul,
    Pow,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

impl BinaryOp {
    /// Returns the operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::MatMul => "@",
            BinaryOp::Pow => "^",
            BinaryOp::Less => "<",
            BinaryOp::LessEqual => "<=",
            BinaryOp::Greater => ">",
            BinaryOp::GreaterEqual => ">=",
            BinaryOp::Equal => "==",
            BinaryOp::NotEqual => "!=",
        }
    }
}

/// An argument of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Arg {
    /// By position; a shape is an `Array`.
    Positional(Expr),
    /// `slope = 0.2`
    Named(Ident, Expr),
    /// `over D`, `over [N, D]`, `over last`, `over first`; the span is the whole argument's.
    Over(Over, Span),
}

/// The axes that a function works on.
#[derive(Clone, PartialEq, Debug)]
pub enum Over {
    /// `last`
    Last,
    /// `first`
    First,
    /// One dim without brackets.
    Dim(Expr),
    /// Several dims.
    Dims(Vec<Expr>),
}
