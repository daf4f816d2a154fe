//! The types of the resolved tree.
//!
//! The tree borrows the text's tree for whatever messages and printers need (spans, names as written, parentheses) and
//! adds what every name means. `a.h + f(prev h, k = 2)` becomes, with `a` a layer and `f` a function:
//!
//! ```text
//! Chain( Part { layer: a, def: h of a's cell },
//!        Call { callee: Function(f), args: [Prev(h), Number(2)] } )
//! ```
//!
//! Groups (`param W, U: [H, I] init ..`) keep what their names share in one place, so a default or an initialiser is resolved
//! once.

use std::collections::{BTreeSet, HashMap};

use super::expr::{Expr, Part};
use super::id::{CellId, DefId, EquationId, FunctionId, GroupId, LayerId, LocalId};
use super::kind::DefKind;
use super::program::Program;
use super::references::References;
use crate::diag::Diagnostic;
use crate::ir::Order;
use crate::syntax::ast::{self, Ident, Role, ValueRole};
use crate::text::id::IdVec;
use crate::text::{Name, Span};

/// All files of a program, resolved.
#[derive(Debug)]
pub struct Tree<'a> {
    /// The program that was resolved.
    pub program: &'a Program,
    /// All cells and models, file after file, in the order of the source.
    pub cells: IdVec<CellId, Cell<'a>>,
    /// All functions and activations; of two of one name the first.
    pub functions: IdVec<FunctionId, Function<'a>>,
    /// The cells that layers may name, each after those that its layers are made of.
    pub order: Vec<CellId>,
    /// The meaning of each name.
    pub references: References,
    /// The number of expressions; their ids are below it.
    pub n_exprs: usize,
    /// Errors of names, declarations and calls.
    pub diagnostics: Vec<Diagnostic>,
}

/// A function or activation.
#[derive(Debug)]
pub struct Function<'a> {
    /// The function in the tree of the text.
    pub ast: Callable<'a>,
    /// The parameters; the constants of an activation follow its value.
    pub params: IdVec<LocalId, Local<'a>>,
    /// The defaults of parameters.
    pub defaults: Vec<Option<Expr<'a>>>,
    /// Its value.
    pub body: Expr<'a>,
    /// The declared derivative of an activation.
    pub derivative: Option<Expr<'a>>,
    /// True if it calls itself, directly or through others; a call then has no value.
    pub recursive: bool,
    /// True if each element of the result depends only on the same element of the arguments.
    pub elementwise: bool,
    /// The number of its operators and calls after all calls are inlined.
    pub weight: usize,
}

impl<'a> Function<'a> {
    /// Returns its name.
    pub fn name(&self) -> &'a Ident {
        self.ast.name()
    }

    /// Returns whether it is an activation.
    pub fn is_activation(&self) -> bool {
        matches!(self.ast, Callable::Activation(_))
    }
}

/// Something that a file defines for calls.
#[derive(Clone, Copy, Debug)]
pub enum Callable<'a> {
    /// `fn`
    Function(&'a ast::Function),
    /// `activation`
    Activation(&'a ast::Activation),
}

impl<'a> Callable<'a> {
    /// Returns its name.
    pub fn name(self) -> &'a Ident {
        match self {
            Callable::Function(it) => &it.name,
            Callable::Activation(it) => &it.name,
        }
    }
}

/// A cell or model.
#[derive(Debug)]
pub struct Cell<'a> {
    /// The cell in the tree of the text.
    pub ast: &'a ast::Cell,
    /// Every name, once, in the order of the source; names of text that could not be read come last.
    pub defs: IdVec<DefId, Def<'a>>,
    pub(super) by_name: HashMap<&'a str, DefId>,
    /// The names that loops bind.
    pub locals: IdVec<LocalId, Local<'a>>,
    /// The dims; `DefKind::Dim` has the position.
    pub dims: Vec<Dim<'a>>,
    /// The hypers; `DefKind::Hyper` has the position.
    pub hypers: Vec<Hyper<'a>>,
    /// The declarations with types.
    pub groups: IdVec<GroupId, Group<'a>>,
    /// The equations, those of layers among them.
    pub equations: IdVec<EquationId, Equation<'a>>,
    /// The layers.
    pub layers: IdVec<LayerId, Layer<'a>>,
    /// The values that a step returns, the main output first.
    pub outputs: Vec<Output<'a>>,
    /// The values that training minimises.
    pub losses: Vec<Loss<'a>>,
    /// The layouts of weights in other files.
    pub layouts: Vec<Layout<'a>>,
    /// The names inside loops that several loops use; the name of the loop distinguishes them.
    pub repeated: BTreeSet<Name>,
    /// True if no error was found in it so far.
    pub sound: bool,
    /// True if it contains itself or a cell that does; a layer of it has no value.
    pub recursive: bool,
    /// True if a layer is made of it.
    pub is_inner: bool,
    /// True if no other cell has its name, so that layers can name it.
    pub is_known: bool,
}

impl<'a> Cell<'a> {
    /// Returns whether it is a model.
    pub fn is_model(&self) -> bool {
        self.ast.kind == ast::CellKind::Model
    }

    /// Returns the name of the cell.
    pub fn name(&self) -> &'a Name {
        &self.ast.name.name
    }

    /// Returns the definition of a name that comes from outside, such as a setting.
    pub fn find(&self, name: &str) -> Option<DefId> {
        self.by_name.get(name).copied()
    }

    /// Lists all names, in the order of the source.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.defs.iter().map(|it| &*it.name.name)
    }

    /// Lists the definitions of a kind.
    pub fn defs_of(&self, wanted: fn(DefKind) -> bool) -> impl Iterator<Item = (DefId, &Def<'a>)> {
        self.defs.pairs().filter(move |it| wanted(it.1.kind))
    }

    /// Returns the group that declares a name.
    pub fn group(&self, def: DefId) -> Option<&Group<'a>> {
        Some(&self.groups[self.defs[def].group?])
    }

    /// Returns the right side of an equation.
    pub fn right(&self, equation: EquationId) -> Right<'_, 'a> {
        match &self.equations[equation].value {
            Value::Expr(expr) => Right::Expr(expr),
            Value::Fold(fold) => Right::Fold(fold),
            Value::Layer(layer) => Right::Layer(*layer),
            Value::OfGroup(group) => match &self.groups[*group].value {
                Some(value) => Right::Expr(value),
                None => Right::Error,
            },
            Value::Error(_) => Right::Error,
        }
    }

    /// Returns the place of the value of an equation: of a loop the first that it yields.
    pub fn right_span(&self, equation: EquationId) -> Span {
        match self.right(equation) {
            Right::Expr(expr) => expr.span(),
            Right::Fold(fold) => fold.results[0].span(),
            Right::Layer(layer) => self.layers[layer].decl.cell.span,
            Right::Error => self.defs[self.equations[equation].targets[0]].name.span,
        }
    }
}

/// A name of a cell.
#[derive(Clone, Debug)]
pub struct Def<'a> {
    /// The name where it is declared.
    pub name: &'a Ident,
    /// The kind of the definition.
    pub kind: DefKind,
    /// The statement that declares it; none for a name of text that could not be read.
    pub decl: Option<&'a ast::Decl>,
    /// The group that it belongs to.
    pub group: Option<GroupId>,
    /// The equation that gives its value.
    pub equation: Option<EquationId>,
}

/// A dim.
#[derive(Debug)]
pub struct Dim<'a> {
    /// Its definition.
    pub def: DefId,
    /// The declaration in the tree of the text.
    pub decl: &'a ast::DimDecl,
    /// The kind of the dim.
    pub kind: DimKind<'a>,
}

/// The kinds of dims.
#[derive(Debug)]
pub enum DimKind<'a> {
    /// It is set from outside or by the data.
    Free,
    /// It has a default, or is derived from others.
    Equals(Expr<'a>),
    /// It is as large as another one; `None` after a report.
    Like(Option<DefId>),
}

/// A hyper.
#[derive(Debug)]
pub struct Hyper<'a> {
    /// Its definition.
    pub def: DefId,
    /// The declaration in the tree of the text.
    pub decl: &'a ast::HyperDecl,
    /// Its default: a constant or an activation.
    pub value: Expr<'a>,
    /// True for an activation, by its default.
    pub is_activation: bool,
}

/// Names with one type, and what they share.
#[derive(Debug)]
pub struct Group<'a> {
    /// The group in the tree of the text.
    pub ast: &'a ast::Group,
    /// The statement that it is part of.
    pub decl: &'a ast::Decl,
    /// The keyword.
    pub role: Role,
    /// The names that it defines.
    pub defs: Vec<DefId>,
    /// The type.
    pub type_: Type<'a>,
    /// After `=`: a start, a default, a computed value; of a mask the probability of a 1.
    pub value: Option<Expr<'a>>,
    /// After `init`.
    pub init: Option<Expr<'a>>,
    /// After `teacher`: a target.
    pub teacher: Option<DefId>,
}

/// A declared type.
#[derive(Debug)]
pub enum Type<'a> {
    /// A real array with these axes.
    Real(Vec<Expr<'a>>),
    /// A whole number below this dim.
    Index(Expr<'a>),
}

/// `NAME = value`.
#[derive(Debug)]
pub struct Equation<'a> {
    /// The statement that it is, or is part of.
    pub decl: &'a ast::Decl,
    /// The definitions; several for a loop with several values.
    pub targets: Vec<DefId>,
    /// The right side.
    pub value: Value<'a>,
    /// The names of this step that it reads, with their places.
    pub uses: Vec<(DefId, Span)>,
    /// The names whose past it reads.
    pub pasts: Vec<(DefId, Span)>,
    /// Of the layers among these, which part: the names after the points, without indices.
    pub past_parts: Vec<(DefId, String)>,
}

/// The right side of `=`.
#[derive(Debug)]
pub enum Value<'a> {
    /// An expression.
    Expr(Expr<'a>),
    /// A loop.
    Fold(Box<Fold<'a>>),
    /// All values of a layer at once.
    Layer(LayerId),
    /// The value that the names of a group share.
    OfGroup(GroupId),
    /// A right side with the wrong number of values, reported; what could be resolved in it.
    Error(Vec<Expr<'a>>),
}

/// The right side of an equation, where it is looked up.
#[derive(Clone, Copy, Debug)]
pub enum Right<'c, 'a> {
    /// An expression.
    Expr(&'c Expr<'a>),
    /// A loop.
    Fold(&'c Fold<'a>),
    /// A layer.
    Layer(LayerId),
    /// Wrong, and reported.
    Error,
}

/// A static inner loop, sound in its number of parts.
#[derive(Debug)]
pub struct Fold<'a> {
    /// The loop in the tree of the text.
    pub ast: &'a ast::Fold,
    /// The accumulators.
    pub accumulators: Vec<LocalId>,
    /// Their starts.
    pub starts: Vec<Expr<'a>>,
    /// The loop variable.
    pub variable: LocalId,
    /// Its first value.
    pub from: Expr<'a>,
    /// The value after its last.
    pub to: Expr<'a>,
    /// The gates and lets of the body.
    pub body: Vec<Inner<'a>>,
    /// The order in which the body is computed, by position; `None` when it has a cycle.
    pub order: Option<Vec<usize>>,
    /// The new values of the accumulators.
    pub results: Vec<Expr<'a>>,
}

/// A gate or let of a loop.
#[derive(Debug)]
pub struct Inner<'a> {
    /// The declaration: gate or let.
    pub role: ValueRole,
    /// Its names.
    pub names: Vec<LocalId>,
    /// Its values.
    pub value: Value<'a>,
}

/// A parameter of a function, or what a loop binds.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a> {
    /// The name where it is bound.
    pub name: &'a Ident,
    /// The kind of the local.
    pub kind: LocalKind,
    /// Of an accumulator that bears the name of what its loop defines: that.
    pub defines: Option<DefId>,
}

/// The kinds of locals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalKind {
    /// A parameter of a function.
    Parameter,
    /// A loop variable.
    Variable,
    /// An accumulator.
    Accumulator,
    /// A gate or let of a loop.
    Value(ValueRole),
}

impl LocalKind {
    /// Returns the kind with its article.
    pub fn article(self) -> &'static str {
        match self {
            LocalKind::Parameter => "a parameter",
            LocalKind::Variable => "a loop variable",
            LocalKind::Accumulator => "an accumulator of the loop",
            LocalKind::Value(ValueRole::Gate) => "a gate of the loop",
            LocalKind::Value(ValueRole::Let) => "a let of the loop",
        }
    }
}

/// A layer.
#[derive(Debug)]
pub struct Layer<'a> {
    /// The declaration in the tree of the text.
    pub decl: &'a ast::LayerDecl,
    /// Its definition.
    pub def: DefId,
    /// The inner cell.
    pub cell: Option<CellId>,
    /// The number of stacked layers.
    pub count: Option<Expr<'a>>,
    /// The arguments of the inner cell, in the order of the source.
    pub args: Vec<LayerArg<'a>>,
    /// The layer whose weights it uses.
    pub shares: Option<LayerId>,
    /// True if it can be built as far as names tell.
    pub sound: bool,
}

impl Layer<'_> {
    /// Returns the direction in which it reads a sequence.
    pub fn order(&self) -> Order {
        if self.decl.backward.is_some() { Order::Descending } else { Order::Ascending }
    }
}

/// An argument of a layer.
#[derive(Debug)]
pub struct LayerArg<'a> {
    /// The argument in the tree of the text.
    pub ast: &'a ast::LayerArg,
    /// The kind of value that is given.
    pub kind: ArgKind,
    /// The definition in the inner cell.
    pub def: Option<DefId>,
    /// The value.
    pub value: Expr<'a>,
}

/// The kinds of values of a layer's argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgKind {
    /// A value of the step: an input, or the old value of a state.
    Value,
    /// A size.
    Size,
    /// A number or an activation.
    Hyper,
    /// The name is wrong, and reported.
    Error,
}

/// The values that a step returns.
#[derive(Debug)]
pub enum Output<'a> {
    /// A name of the cell, or an expression that got one.
    Def(DefId),
    /// A value of a layer.
    Part(Part<'a>),
}

/// `loss ..`
#[derive(Debug)]
pub struct Loss<'a> {
    /// The statement.
    pub decl: &'a ast::Decl,
    /// The value that is minimised.
    pub value: Expr<'a>,
    /// True if only the last valid step counts.
    pub at_last: bool,
}

/// `layout pytorch { .. }`
#[derive(Debug)]
pub struct Layout<'a> {
    /// The declaration in the tree of the text.
    pub decl: &'a ast::LayoutDecl,
    /// The right side of each row.
    pub rows: Vec<Expr<'a>>,
    /// True if all names in it are known.
    pub sound: bool,
}
