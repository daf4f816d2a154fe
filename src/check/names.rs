//! The names of a cell: what each is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::dims::Dims;
use super::layer::{Old, Ready};
use super::suggest::Suggest;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Dim, Scope, Shape, ValueKind};
use crate::syntax::ast::{Expr, Fold, HyperDecl, Ident, LayerDecl, Path};
use crate::text::{Name, Span};

/// What a name is.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    Dim,
    Hyper(&'a HyperDecl),
    Input {
        index: Option<Dim>,
        default: Option<&'a Expr>,
    },
    State {
        start: Option<&'a Expr>,
    },
    Param {
        init: Option<&'a Expr>,
        trained: bool,
    },
    Computed,
    Mask {
        /// The argument of `bernoulli`; none where the declaration is wrong.
        probability: Option<&'a Expr>,
        scope: Scope,
    },
    Value(ValueKind),
    /// Another cell inside, by its position among the layers.
    Layer(usize),
    /// Not compiled yet, or not read by the parser: it is complained about already.
    Later,
}

/// A name of a cell.
#[derive(Clone, Debug)]
pub(super) struct Def<'a> {
    pub name: &'a Ident,
    pub kind: Kind<'a>,
    /// The declared shape; `None` for values, whose shapes follow, and where the declaration is wrong.
    pub shape: Option<Shape>,
    /// The position among the inputs, states, params (with stored consts) or masks of the cell.
    pub slot: usize,
    /// The equation that gives its value.
    pub equation: Option<usize>,
}

impl Def<'_> {
    /// `an input`, with its article.
    pub fn article(&self) -> &'static str {
        match &self.kind {
            Kind::Dim => "a size",
            Kind::Hyper(_) => "a hyper",
            Kind::Input { .. } => "an input",
            Kind::State { .. } => "a state",
            Kind::Param { trained: true, .. } => "a param",
            Kind::Param { trained: false, .. } | Kind::Computed => "a const",
            Kind::Mask { .. } => "a mask",
            Kind::Value(ValueKind::Gate) => "a gate",
            Kind::Value(ValueKind::Let) => "a let",
            Kind::Value(ValueKind::Output) => "an output",
            Kind::Value(ValueKind::Input | ValueKind::State) => "a value",
            Kind::Layer(_) => "a layer",
            Kind::Later => "not supported yet",
        }
    }
}

/// The right side of an equation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Right<'a> {
    Expr(&'a Expr),
    Fold(&'a Fold),
    /// All values of the layer at this position at once.
    Layer(usize, &'a LayerDecl),
}

impl Right<'_> {
    /// Where the value stands: of a loop the first that it yields.
    pub fn span(self) -> Span {
        match self {
            Right::Expr(expr) => expr.span,
            // The parser reads no loop without a result.
            Right::Fold(fold) => fold.results[0].span,
            Right::Layer(_, decl) => decl.cell.span,
        }
    }
}

/// `NAME = value`.
#[derive(Clone, Debug)]
pub(super) struct Equation<'a> {
    pub def: usize,
    /// What `let (u, v) = ..` defines after its first name.
    pub rest: Vec<usize>,
    pub value: Right<'a>,
    /// The names that it reads, of this step.
    pub uses: Vec<(usize, Span)>,
    /// The names whose past it reads.
    pub pasts: Vec<(usize, Span)>,
    /// Of the layers among these, which part: the names after the points, without indices.
    pub past_parts: Vec<(usize, String)>,
}

impl<'a> Equation<'a> {
    pub fn new(def: usize, rest: Vec<usize>, value: Right<'a>) -> Equation<'a> {
        let (uses, pasts, past_parts) = (Vec::new(), Vec::new(), Vec::new());
        Equation { def, rest, value, uses, pasts, past_parts }
    }
}

/// A layer of a cell.
pub(super) struct Layer<'a> {
    pub decl: &'a LayerDecl,
    pub def: usize,
    /// What each argument is, and whether the text alone tells of no error.
    pub kinds: Vec<Old>,
    pub sound: bool,
    /// The inner cell, checked, and what it is given; `None` when that is not known, which is reported.
    pub ready: Option<Ready<'a>>,
}

/// What a cell returns.
#[derive(Clone, Debug)]
pub(super) enum Returned<'a> {
    /// A value that has a name.
    Path(&'a Path),
    /// The value of this definition.
    Def(usize),
}

/// All names of a cell.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub defs: Vec<Def<'a>>,
    /// Only for looking up; lists of names are made from `defs`.
    pub by_name: HashMap<&'a str, usize>,
    pub dims: Dims,
    pub equations: Vec<Equation<'a>>,
    pub outputs: Vec<Returned<'a>>,
    /// The names inside loops that several loops use; what bears them is told apart by the name of its loop.
    pub repeated: BTreeSet<Name>,
    pub layers: Vec<Layer<'a>>,
}

impl Equation<'_> {
    /// Everything that it defines.
    pub fn targets(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.def).chain(self.rest.iter().copied())
    }
}

impl<'a> Names<'a> {
    pub fn find(&self, name: &str) -> Option<(usize, &Def<'a>)> {
        let idx = *self.by_name.get(name)?;
        Some((idx, &self.defs[idx]))
    }

    /// The sizes of a layer that are known without the shapes of its arguments.
    pub fn early(&self, layer: usize) -> BTreeMap<Name, Dim> {
        let mut known = BTreeMap::new();
        let mut at = Some(layer);
        for _ in 0..=self.layers.len() {
            let Some(ready) = at.and_then(|it| self.layers[it].ready.as_ref()) else { break };
            for (name, dim) in &ready.early {
                known.entry(name.clone()).or_insert_with(|| dim.clone());
            }
            at = ready.shares;
        }
        known
    }

    /// All names, in the order of the source.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.defs.iter().map(|it| &*it.name.name)
    }

    /// What a name means where a size is wanted.
    pub fn size(&self, name: &Ident) -> Result<Option<Dim>, Box<Diagnostic>> {
        match self.find(&name.name) {
            Some((_, Def { kind: Kind::Dim, .. })) => {
                Ok(self.dims.table.get(&name.name).cloned().flatten())
            }
            Some((_, Def { kind: Kind::Later, .. })) => Ok(None),
            Some((_, def)) => Err(Box::new(no_size(name, def))),
            None => {
                let known = self.dims.table.keys().map(|it| &**it);
                Err(Box::new(unknown_size(name, known)))
            }
        }
    }
}

/// The report of a name that is no size.
pub(super) fn no_size(name: &Ident, def: &Def<'_>) -> Diagnostic {
    let message = format!("`{}` is {}, not a size", name.name, def.article());
    Diagnostic::new(Code::WrongKindOfName, name.span, message)
        .label(def.name.span, "declared here")
        .help("sizes are declared with `dims`")
}

pub(super) fn unknown_size<'n>(name: &Ident, known: impl Iterator<Item = &'n str>) -> Diagnostic {
    Suggest::unlimited()
        .report(Code::UnknownDim, "size", name, known)
        .or_help(&format!("declare it with `dims {}`", name.name))
}

trait OrHelp {
    fn or_help(self, help: &str) -> Diagnostic;
}

impl OrHelp for Diagnostic {
    /// Help where there is no better one.
    fn or_help(mut self, help: &str) -> Diagnostic {
        if self.fix.is_none() {
            self.help.get_or_insert_with(|| help.to_owned());
        }
        self
    }
}
