//! An expression becomes nodes of a graph: the environment, the leaves, and the walk over the tree.
//!
//! What is wrong is reported here only as far as shapes and constants go; names were resolved before, so an unknown name is a
//! poisoned value without another word, and whatever it touches is poisoned too.

mod call;
mod constant;
mod fold;
mod guard;
mod index;
mod layer;
mod matmul;
mod operands;
mod part;
mod past;
mod pointwise;
mod reduce;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use operands::Operand;
pub(super) use past::{Carried, Past};

use super::consts::{self, MOST_PARTS};
use super::hypers::Hypers;
use super::items::{Callable, Items};
use super::layer::{Element, Of};
use super::names::{Kind, Names};
use super::show::Shown;
use crate::diag::{Code, Diagnostic};
use crate::ir::{Const, Dim, Graph, Leaf, Literal, NamedValue, NodeId, Op, Pointwise, Shape};
use crate::syntax::ast::{Expr, ExprKind, Ident, Path};
use crate::text::{Name, Span};
use guard::Branch;

/// More nodes than any cell needs: a few functions that call each other twice would fill the memory.
const MOST_NODES: usize = 1_000_000;
/// More expressions than any file holds: functions that call each other may also fill the time with constants alone.
const MOST_STEPS: usize = 3_000_000;
/// How deep expressions and calls of functions may be nested together.
const MOST_DEPTH: usize = 320;

/// What an expression stands for.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Wrong, and reported.
    Poison,
    /// A scalar made of numbers, sizes and hypers only, and of how many parts.
    Constant(Const, usize),
    /// A node of the graph.
    Node(NodeId),
    /// A whole number below a dim, as an input gives it.
    Index(NodeId, Dim),
}

impl Value {
    pub fn number(value: f64) -> Value {
        Value::Constant(Const::Number(value), 1)
    }
}

/// What the graph is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// The step of the cell.
    Step,
    /// Only the shapes of values whose past is read before they are known: states are their declared shapes.
    Shapes,
    /// The starts of the states.
    Start,
    /// Constants: no graph is kept.
    Constants,
}

/// The names that an expression sees.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    /// Those that were bound last; the latest hides earlier ones.
    pub locals: &'s [(&'s str, Value)],
    /// Whether those of the cell are seen too.
    pub cell: bool,
}

impl Scope<'_> {
    /// The scope of an equation.
    pub const CELL: Scope<'static> = Scope { locals: &[], cell: true };

    fn local(&self, name: &str) -> Option<&Value> {
        self.locals.iter().rev().find(|it| it.0 == name).map(|it| &it.1)
    }
}

/// Lowers expressions into one graph.
pub(super) struct Lower<'c, 'a> {
    names: &'c Names<'a>,
    items: &'c Items<'a>,
    hypers: &'c Hypers<'a>,
    pub phase: Phase,
    pub graph: Graph,
    /// For each node, whether it depends on more than constants.
    varies: Vec<bool>,
    /// What each definition is, once it is lowered.
    pub values: Vec<Option<Value>>,
    /// The shapes of values whose past is read, and of which dim they are an index.
    pub inferred: BTreeMap<usize, (Shape, Option<Dim>)>,
    /// The leaf of each old value.
    past_leaves: BTreeMap<(Of, u32), NodeId>,
    /// In the order in which they were asked for; their carries follow those of the states.
    pub pasts: Vec<Past>,
    /// The leaf of the step number.
    time: Option<NodeId>,
    /// The gates and lets inside the loops of each equation, turn after turn.
    pub inner: BTreeMap<usize, Vec<NamedValue>>,
    /// The dims whose sizes decided the structure of the graph.
    pub fixed: BTreeSet<Name>,
    n_states: usize,
    /// What the names of each layer's inner cell stand for, once it is lowered; several for a stack.
    pub elements: Vec<Vec<Element>>,
    /// The same, as far as the walk over shapes found it.
    pub told: Vec<Vec<Element>>,
    /// The pieces of each layer, those of a stack one layer after the other.
    pub parts: Vec<Vec<Value>>,
    /// The leaves of the params of layers.
    param_leaves: BTreeMap<usize, NodeId>,
    /// The same of their masks.
    mask_leaves: BTreeMap<usize, NodeId>,
    branches: Vec<Branch>,
    depth: usize,
    /// How many expressions were lowered.
    n_steps: usize,
    /// Too many nodes: everything else is poisoned.
    stopped: bool,
    /// Something is wrong with what was lowered.
    pub poisoned: bool,
    pub sink: Vec<Diagnostic>,
}

impl<'c, 'a> Lower<'c, 'a> {
    pub fn new(
        names: &'c Names<'a>,
        items: &'c Items<'a>,
        hypers: &'c Hypers<'a>,
        phase: Phase,
    ) -> Lower<'c, 'a> {
        let n_values = if phase == Phase::Constants { 0 } else { names.defs.len() };
        let states = names.defs.iter().filter(|it| matches!(it.kind, Kind::State { .. }));
        let n_layers = if phase == Phase::Constants { 0 } else { names.layers.len() };
        let n_states = if phase == Phase::Constants { 0 } else { states.count() };
        Lower {
            names,
            items,
            hypers,
            phase,
            graph: Graph::default(),
            varies: Vec::new(),
            values: vec![None; n_values],
            inferred: BTreeMap::new(),
            past_leaves: BTreeMap::new(),
            pasts: Vec::new(),
            time: None,
            inner: BTreeMap::new(),
            fixed: BTreeSet::new(),
            n_states,
            elements: vec![Vec::new(); n_layers],
            told: vec![Vec::new(); n_layers],
            parts: vec![Vec::new(); n_layers],
            param_leaves: BTreeMap::new(),
            mask_leaves: BTreeMap::new(),
            branches: Vec::new(),
            depth: 0,
            n_steps: 0,
            stopped: false,
            poisoned: false,
            sink: Vec::new(),
        }
    }

    /// Whether a name of the cell is called so.
    pub fn knows(&self, name: &str) -> bool {
        self.names.find(name).is_some()
    }

    /// The function of the file that is called so, unless it calls itself.
    pub fn callable(&self, name: &str) -> Option<Callable<'a>> {
        let idx = self.items.find(name).filter(|idx| !self.items.recursive[*idx])?;
        Some(self.items.callables[idx])
    }

    /// The hypers of the cell.
    pub fn hypers(&self) -> &'c Hypers<'a> {
        self.hypers
    }

    /// The value of a constant, if no size is needed for it.
    pub fn value_of(&self, constant: &Const) -> Option<f64> {
        self.hypers.numbers.value(constant)
    }

    /// The shape of a value that must be a number.
    pub fn number_shape(&mut self, value: &Value, expr: &Expr) -> Option<Shape> {
        self.numeric(&Operand { shown: Shown::from(expr), value: value.clone() })
    }

    /// The node of a value that has the declared shape, or is a number and fills it; `None` after a report.
    pub fn declared(
        &mut self,
        value: &Value,
        shape: &Shape,
        what: &str,
        expr: &Expr,
        declared: Span,
    ) -> Option<NodeId> {
        let found = self.number_shape(value, expr)?;
        let node = self.node(value, expr.span);
        if found == *shape {
            return Some(node);
        }
        if let Value::Constant(..) = value {
            return Some(self.fill(node, shape, expr.span));
        }
        let message = format!("{what} has shape `{found}`, declared `{shape}`");
        let fault = Diagnostic::new(Code::DeclaredShape, expr.span, message)
            .label(declared, format!("declared `{shape}` here"));
        self.fail(fault);
        None
    }

    /// A size written with the names of the cell.
    pub fn size_of(&mut self, expr: &Expr) -> Option<Dim> {
        self.size(expr, &Scope::CELL)
    }

    fn poison(&mut self) -> Value {
        self.poisoned = true;
        Value::Poison
    }

    fn fail(&mut self, fault: Diagnostic) -> Value {
        self.sink.push(fault);
        self.poison()
    }

    /// Appends a node.
    fn add(&mut self, op: impl Into<Op>, args: Vec<NodeId>, shape: Shape, span: Span) -> NodeId {
        let node = self.graph.add(op, args, shape, span);
        self.note();
        node
    }

    /// Keeps the facts about nodes as long as the graph.
    fn note(&mut self) {
        while self.varies.len() < self.graph.nodes().len() {
            let node = &self.graph.nodes()[self.varies.len()];
            let varies =
                node.op.is_leaf_of_step() || node.args.iter().any(|it| self.varies[it.idx()]);
            self.varies.push(varies);
        }
    }

    /// A constant; one of too many parts is computed by nodes.
    fn constant(&mut self, op: Pointwise, args: Vec<(Const, usize)>, span: Span) -> Value {
        let parts = 1 + args.iter().map(|it| it.1).sum::<usize>();
        let consts: Vec<Const> = args.into_iter().map(|it| it.0).collect();
        if parts <= MOST_PARTS {
            let folded = consts::fold(op, consts);
            let parts = match folded {
                Const::Number(_) | Const::Size(_) | Const::Hyper(_) => 1,
                Const::Apply(..) => parts,
            };
            return Value::Constant(folded, parts);
        }
        let nodes: Vec<NodeId> = consts
            .into_iter()
            .map(|it| self.add(Literal::Scalar(it), Vec::new(), Shape::scalar(), span))
            .collect();
        Value::Node(self.add(Op::Map(op), nodes, Shape::scalar(), span))
    }

    /// The shape of a value; `None` when it is poisoned.
    fn shape(&self, value: &Value) -> Option<Shape> {
        match value {
            Value::Poison => None,
            Value::Constant(..) | Value::Index(..) => Some(Shape::scalar()),
            Value::Node(node) => Some(self.graph.shape(*node).clone()),
        }
    }

    /// Lowers an expression.
    pub fn expr(&mut self, expr: &Expr, scope: &Scope<'_>) -> Value {
        if self.stopped {
            return self.poison();
        }
        self.n_steps += 1;
        let too_deep = self.depth >= MOST_DEPTH;
        if too_deep || self.graph.nodes().len() > MOST_NODES || self.n_steps > MOST_STEPS {
            self.stopped = true;
            let message = if too_deep {
                "functions and expressions are nested too deep here".to_owned()
            } else {
                format!(
                    "the cell has more than {MOST_NODES} nodes after its functions and loops are written out"
                )
            };
            return self.fail(Diagnostic::new(Code::TooLarge, expr.span, message));
        }
        self.depth += 1;
        let value = match &expr.kind {
            ExprKind::Number(value) => Value::number(*value),
            ExprKind::Inf => Value::number(f64::INFINITY),
            ExprKind::Pi => Value::number(std::f64::consts::PI),
            ExprKind::Path(path) if path.tail.is_empty() => self.name(path, scope),
            ExprKind::Path(path) => match scope.cell {
                true => self.part(path, None, scope),
                false => self.poison(),
            },
            ExprKind::Prev(path, steps) => {
                self.past(path, None, steps.as_deref(), expr.span, scope)
            }
            ExprKind::Call(name, args) => self.call(name, args, expr.span, scope),
            ExprKind::Array(items) => self.array(items, expr.span, scope),
            ExprKind::Paren(inner) => self.expr(inner, scope),
            ExprKind::Neg(_, inner) => {
                let operand = self.operand(inner, scope);
                self.pointwise(Pointwise::Neg, &[operand], expr.span)
            }
            ExprKind::Index(value, index) => self.index(value, index, expr.span, scope),
            ExprKind::Chain(first, rest) => self.chain(first, rest, scope),
            ExprKind::Binary(op, sign, left, right) => {
                let (a, b) = (self.operand(left, scope), self.operand(right, scope));
                match super::resolve::pointwise(*op) {
                    Some(op) => self.pointwise(op, &[a, b], expr.span),
                    None => self.matmul(&a, &b, *sign, expr.span),
                }
            }
        };
        self.depth -= 1;
        value
    }

    /// An expression with what messages need of it.
    fn operand<'e>(&mut self, expr: &'e Expr, scope: &Scope<'_>) -> Operand<'e> {
        Operand { shown: Shown::from(expr), value: self.expr(expr, scope) }
    }

    fn chain(
        &mut self,
        first: &Expr,
        rest: &[(crate::syntax::ast::BinaryOp, Span, Expr)],
        scope: &Scope<'_>,
    ) -> Value {
        let mut left = self.expr(first, scope);
        for (idx, (op, _, term)) in rest.iter().enumerate() {
            let right = self.operand(term, scope);
            let shown = Shown { first, rest: &rest[..idx] };
            let span = first.span.to(term.span);
            let op = super::resolve::pointwise(*op).unwrap_or(Pointwise::Mul);
            left = self.pointwise(op, &[Operand { shown, value: left }, right], span);
        }
        left
    }

    /// An array literal: a vector of constants.
    fn array(&mut self, items: &[Expr], span: Span, scope: &Scope<'_>) -> Value {
        let values: Option<Vec<Const>> =
            items.iter().map(|it| self.constant_expr(it, scope, "an array literal")).collect();
        match values {
            Some(values) if values.is_empty() => {
                let message = "an array literal has at least one number";
                self.fail(Diagnostic::new(Code::ConstantOutOfRange, span, message))
            }
            Some(values) => {
                let shape = Shape(vec![Dim::number(values.len() as i64)]);
                Value::Node(self.add(Literal::Array(values), Vec::new(), shape, span))
            }
            None => self.poison(),
        }
    }

    /// A name of this step.
    fn name(&mut self, path: &Path, scope: &Scope<'_>) -> Value {
        let name = &path.head;
        if let Some(value) = scope.local(&name.name) {
            return value.clone();
        }
        let names = self.names;
        let Some((idx, def)) = names.find(&name.name).filter(|_| scope.cell) else {
            return self.poison();
        };
        match &def.kind {
            Kind::Dim => match self.names.dims.table.get(&name.name).cloned().flatten() {
                Some(dim) => Value::Constant(Const::Size(dim), 1),
                None => self.poison(),
            },
            Kind::Hyper(_) => self.hyper(name, def.name.span),
            Kind::Later => self.poison(),
            Kind::Layer(_) => self.part(path, None, scope),
            Kind::State { .. } if self.phase == Phase::Shapes => self.leaf(idx),
            Kind::State { .. } | Kind::Value(_) | Kind::Computed => {
                match self.values.get(idx).cloned().flatten() {
                    Some(value) => value,
                    None => self.poison(),
                }
            }
            Kind::Input { .. } | Kind::Param { .. } | Kind::Mask { .. } => self.leaf(idx),
        }
    }

    fn hyper(&mut self, name: &Ident, declared: Span) -> Value {
        if self.hypers.numbers.constants.contains_key(&name.name) {
            return Value::Constant(Const::Hyper(name.name.clone()), 1);
        }
        if self.hypers.activations.contains_key(&*name.name) {
            let message = format!("`{}` is an activation; a value is needed here", name.name);
            let fault = Diagnostic::new(Code::WrongKindOfName, name.span, message)
                .label(declared, "declared here")
                .help(format!("call it: `{}(..)`", name.name));
            return self.fail(fault);
        }
        self.poison()
    }

    /// The leaf of an input, a param, a mask or, where only shapes matter, a new state.
    pub fn leaf(&mut self, idx: usize) -> Value {
        if let Some(Some(value)) = self.values.get(idx) {
            return value.clone();
        }
        let def = &self.names.defs[idx];
        let Some(shape) = def.shape.clone() else { return self.poison() };
        let (op, index) = match &def.kind {
            Kind::Input { index, .. } => (Op::Leaf(Leaf::Input(def.slot)), index.clone()),
            Kind::Param { .. } => (Op::Leaf(Leaf::Param(def.slot)), None),
            Kind::Mask { .. } => (Op::Leaf(Leaf::Mask(def.slot)), None),
            Kind::State { .. } => (Op::Leaf(Leaf::Carry(def.slot)), None),
            Kind::Dim
            | Kind::Hyper(_)
            | Kind::Computed
            | Kind::Value(_)
            | Kind::Layer(_)
            | Kind::Later => {
                return self.poison();
            }
        };
        let span = def.name.span;
        let node = self.add(op, Vec::new(), shape, span);
        self.graph.set_name(node, def.name.name.clone());
        let value = match index {
            Some(dim) => Value::Index(node, dim),
            None => Value::Node(node),
        };
        if let Some(slot) = self.values.get_mut(idx) {
            *slot = Some(value.clone());
        }
        value
    }
}
