//! Resolved expressions.

use super::builtin::{Builtin, DrawKind, Signature};
use super::id::{CellId, DefId, ExprId, FunctionId, LayerId, LocalId};
use crate::ir::Pointwise;
use crate::syntax::ast::{self, BinaryOp, Ident};
use crate::syntax::{print_expr, print_path};
use crate::text::Span;

/// An expression.
#[derive(Debug)]
pub struct Expr<'a> {
    /// Its id in the program.
    pub id: ExprId,
    /// The expression in the tree of the text.
    pub ast: &'a ast::Expr,
    /// The meaning.
    pub kind: Kind<'a>,
}

impl<'a> Expr<'a> {
    /// Returns it as the printer writes it.
    pub fn text(&self) -> String {
        print_expr(self.ast)
    }

    /// Returns the place.
    pub fn span(&self) -> Span {
        self.ast.span
    }

    /// Returns the definition that a bare name, `prev h` or a value of a layer begins with.
    pub fn def(&self) -> Option<DefId> {
        match &self.kind {
            Kind::Def(def) | Kind::Prev(Past::Def(def), _) => Some(*def),
            Kind::Part(part) | Kind::Prev(Past::Part(part), _) if part.last.is_none() => {
                Some(part.layer_def)
            }
            _ => None,
        }
    }

    /// Returns the expression without the parentheses around it.
    pub fn bare(&self) -> &Expr<'a> {
        let mut expr = self;
        while let Kind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}

/// The kinds of expressions.
#[derive(Debug)]
pub enum Kind<'a> {
    /// A number, not negative, finite.
    Number(f64),
    /// `inf`
    Inf,
    /// `pi`
    Pi,
    /// A name of the cell.
    Def(DefId),
    /// A parameter, or what a loop binds.
    Local(LocalId),
    /// A layer, or a value of one.
    Part(Part<'a>),
    /// `prev h` or `prev(h, k)`.
    Prev(Past<'a>, Option<Box<Expr<'a>>>),
    /// A call, and a draw such as `init orthogonal` without parentheses.
    Call(Call<'a>),
    /// An activation as the value of a hyper.
    Activation(Activation<'a>),
    /// `[a, b]`: a literal of constants, or a shape as an argument.
    Array(Vec<Expr<'a>>),
    /// `(e)`
    Paren(Box<Expr<'a>>),
    /// `-e`
    Neg(Box<Expr<'a>>),
    /// `e[i]`, an element; a layer of a stack is a `Part`.
    Index(Box<Expr<'a>>, Box<Expr<'a>>),
    /// `a + b - c` or `a * b / c`.
    Chain(Box<Expr<'a>>, Vec<(BinaryOp, Span, Expr<'a>)>),
    /// `a @ b`, `a ^ b` or a comparison; the span is the operator's.
    Binary(BinaryOp, Span, Box<Expr<'a>>, Box<Expr<'a>>),
    /// Wrong, and reported; what could be resolved in it.
    Error(Vec<Expr<'a>>),
}

/// Whose past is read.
#[derive(Debug)]
pub enum Past<'a> {
    /// A name of the cell.
    Def(DefId),
    /// A layer, or a value of one.
    Part(Part<'a>),
}

/// `a`, `a.h`, `a[0].h`: a layer, or a value of one.
#[derive(Debug)]
pub struct Part<'a> {
    /// The path in the tree of the text.
    pub path: &'a ast::Path,
    /// The layer.
    pub layer: LayerId,
    /// Its definition.
    pub layer_def: DefId,
    /// The index before each name after a point.
    pub indices: Vec<Option<Expr<'a>>>,
    /// An index after the whole, which picks a layer of a stack.
    pub last: Option<Box<Expr<'a>>>,
    /// The definition that it leads to, and its cell; none for the layer itself.
    pub def: Option<(CellId, DefId)>,
}

impl Part<'_> {
    /// Returns it as the printer writes it.
    pub fn text(&self) -> String {
        print_path(self.path)
    }
}

/// A call with its arguments in the order of the parameters.
#[derive(Debug)]
pub struct Call<'a> {
    /// The name as it is written.
    pub name: &'a Ident,
    /// The function that is called.
    pub callee: Callee,
    /// The arguments of the parameters that must be given, which come first.
    pub args: Vec<Expr<'a>>,
    /// Those of the parameters that may be left out.
    pub options: Vec<Option<Expr<'a>>>,
    /// What a variadic function takes beyond its parameters.
    pub rest: Vec<Expr<'a>>,
    /// The axes that it works on.
    pub over: Option<(Over<'a>, Span)>,
}

impl<'a> Call<'a> {
    /// Returns whether it is the step number.
    pub fn is_time(&self) -> bool {
        matches!(self.callee, Callee::Builtin(it) if it.what == Builtin::Time)
    }

    /// Returns the first arguments, of which resolving has found as many.
    pub fn first<const N: usize>(&self) -> [&Expr<'a>; N] {
        std::array::from_fn(|at| &self.args[at])
    }

    /// Returns the argument of the first parameter that may be left out.
    pub fn option(&self) -> Option<&Expr<'a>> {
        self.options.first()?.as_ref()
    }

    /// Lists an entry for each parameter.
    pub fn slots(&self) -> impl Iterator<Item = Option<&Expr<'a>>> {
        self.args.iter().map(Some).chain(self.options.iter().map(Option::as_ref))
    }

    /// Lists what it is given, in the order of the parameters.
    pub fn given(&self) -> impl Iterator<Item = &Expr<'a>> {
        self.slots().flatten().chain(&self.rest)
    }
}

/// The functions that can be called.
#[derive(Clone, Copy, Debug)]
pub enum Callee {
    /// A built-in function.
    Builtin(&'static Signature),
    /// A function or activation of the program.
    Function(FunctionId),
    /// A hyper that is an activation.
    Hyper(DefId),
    /// An initialiser with a name of its own.
    Draw(DrawKind),
    /// A form of layouts, by its name.
    Form,
}

/// The axes that a function works on.
#[derive(Debug)]
pub enum Over<'a> {
    /// `last`
    Last,
    /// `first`
    First,
    /// One dim without brackets.
    Dim(Box<Expr<'a>>),
    /// Several dims.
    Dims(Vec<Expr<'a>>),
}

impl<'a> Over<'a> {
    /// Lists the dims.
    pub fn dims(&self) -> &[Expr<'a>] {
        match self {
            Over::Last | Over::First => &[],
            Over::Dim(dim) => std::slice::from_ref(dim),
            Over::Dims(dims) => dims,
        }
    }
}

/// An activation as the value of a hyper.
#[derive(Debug)]
pub struct Activation<'a> {
    /// The name as it is written.
    pub name: &'a Ident,
    /// The activation.
    pub of: ActivationOf,
    /// The constants that are given, one entry for each parameter after the value.
    pub args: Vec<Option<Expr<'a>>>,
}

/// The kinds of activations.
#[derive(Clone, Copy, Debug)]
pub enum ActivationOf {
    /// A built-in one.
    Builtin(Pointwise, &'static Signature),
    /// One of the program.
    Function(FunctionId),
}
