//! An expression becomes nodes of a graph: the environment, the leaves, and the walk over the tree.
//!
//! Only faults of shapes and constants are reported here; names were resolved before. A faulty expression has no value, an
//! `Error` node without another report, and nor has an expression that is made of it.

mod call;
mod constant;
mod fold;
mod guard;
mod index;
mod layer;
mod matmul;
mod model;
mod operands;
mod part;
mod past;
mod pointwise;
mod reduce;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use model::{Compared, choice};
pub(super) use operands::Operand;
pub(super) use past::{Carried, Past, time_name};

use super::consts::Hypers;
use super::consts::{self, MOST_PARTS};
use super::declared::Declared;
use super::layer::{Element, Of};
use super::show::Shown;
use super::types::Type;
use crate::diag::{Code, Diagnostic};
use crate::hir::{self, Def, DefId, DefKind, EquationId, Expr, Kind, LocalId, Tree};
use crate::ir::{
    Const, Dim, Graph, Leaf, Literal, NamedValue, NodeId, Op, Order, Pointwise, Shape,
};
use crate::syntax::ast;
use crate::text::id::Id;
use crate::text::{Name, Span};
use guard::Branch;

/// More nodes than any cell needs: a few functions that call each other twice would fill the memory.
const MOST_NODES: usize = 1_000_000;
/// More expressions than any file holds: functions that call each other may also fill the time with constants alone.
const MOST_STEPS: usize = 3_000_000;
/// The depth to which expressions and calls of functions may be nested together.
const MOST_DEPTH: usize = 320;

/// The value of an expression.
#[derive(Clone, Debug)]
pub(super) enum Value {
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

/// The purpose of the graph.
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

/// The locals that an expression sees.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    /// The latest of one loop variable hides those of earlier iterations.
    pub locals: &'s [(LocalId, Value)],
    /// True for parameters of a function, false for names of a loop of the cell.
    pub in_function: bool,
}

impl Scope<'_> {
    /// The scope of an equation.
    pub const CELL: Scope<'static> = Scope { locals: &[], in_function: false };

    fn local(&self, local: LocalId) -> Option<&Value> {
        self.locals.iter().rev().find(|it| it.0 == local).map(|it| &it.1)
    }
}

/// Lowers expressions into one graph.
pub(super) struct Lower<'c, 'a> {
    names: &'c Declared<'a>,
    hypers: &'c Hypers,
    pub phase: Phase,
    pub graph: Graph,
    /// For each node, whether it depends on more than constants.
    varies: Vec<bool>,
    /// The value of each definition, once it is lowered.
    values: Vec<Option<Value>>,
    /// The shapes of values whose past is read, and of which dim they are an index.
    pub inferred: BTreeMap<DefId, (Shape, Option<Dim>)>,
    /// The leaf of each old value.
    past_leaves: BTreeMap<(Of, u32), NodeId>,
    /// In the order in which they were asked for; their carries follow those of the states.
    pub pasts: Vec<Past>,
    /// The leaf of the step number.
    time: BTreeMap<Order, NodeId>,
    /// The gates and lets inside the loops of each equation, turn after turn.
    pub inner: BTreeMap<EquationId, Vec<NamedValue>>,
    /// The dims whose sizes decided the structure of the graph.
    pub fixed: BTreeSet<Name>,
    n_states: usize,
    /// The meaning of the names of each layer's inner cell, once it is lowered; several for a stack.
    pub elements: Vec<Vec<Element>>,
    /// The same, as far as the walk over shapes found it.
    pub told: Vec<Vec<Element>>,
    /// The pieces of each layer, those of a stack one layer after the other; `None` where a leaf is made when it is asked for.
    pub parts: Vec<Vec<Option<Value>>>,
    /// The leaves of the params of layers.
    param_leaves: BTreeMap<usize, NodeId>,
    /// The same of their masks.
    mask_leaves: BTreeMap<usize, NodeId>,
    /// The values that the losses compare.
    pub compared: Vec<Compared>,
    branches: Vec<Branch>,
    depth: usize,
    /// The number of expressions that were lowered.
    n_steps: usize,
    /// Too many nodes: nothing else has a value.
    stopped: bool,
    /// True if something that was lowered is wrong.
    pub is_wrong: bool,
    pub sink: Vec<Diagnostic>,
}

impl<'c, 'a> Lower<'c, 'a> {
    pub fn new(names: &'c Declared<'a>, hypers: &'c Hypers, phase: Phase) -> Lower<'c, 'a> {
        let (n_values, n_layers, n_states) = match phase {
            Phase::Constants => (0, 0, 0),
            Phase::Step | Phase::Shapes | Phase::Start => {
                let n_states = names.count(DefKind::is_carried);
                (names.cell.defs.len(), names.layers.len(), n_states)
            }
        };
        Lower {
            names,
            hypers,
            phase,
            graph: Graph::default(),
            varies: Vec::new(),
            values: vec![None; n_values],
            inferred: BTreeMap::new(),
            past_leaves: BTreeMap::new(),
            pasts: Vec::new(),
            time: BTreeMap::new(),
            inner: BTreeMap::new(),
            fixed: BTreeSet::new(),
            n_states,
            elements: vec![Vec::new(); n_layers],
            told: vec![Vec::new(); n_layers],
            parts: vec![Vec::new(); n_layers],
            param_leaves: BTreeMap::new(),
            mask_leaves: BTreeMap::new(),
            compared: Vec::new(),
            branches: Vec::new(),
            depth: 0,
            n_steps: 0,
            stopped: false,
            is_wrong: false,
            sink: Vec::new(),
        }
    }

    /// Returns the value of a definition, once it is lowered.
    pub fn value(&self, def: DefId) -> Option<&Value> {
        self.values.get(def.idx())?.as_ref()
    }

    /// Keeps the value of a definition.
    pub fn set_value(&mut self, def: DefId, value: Value) {
        if let Some(slot) = self.values.get_mut(def.idx()) {
            *slot = Some(value);
        }
    }

    /// Returns the resolved tree.
    pub fn tree(&self) -> &'a Tree<'a> {
        self.names.tree
    }

    /// Returns the hypers of the cell.
    pub fn hypers(&self) -> &'c Hypers {
        self.hypers
    }

    /// Returns the value of a constant, if no size is needed for it.
    pub fn value_of(&self, constant: &Const) -> Option<f64> {
        self.hypers.numbers.value(constant)
    }

    /// Returns the shape of a value that must be a number.
    pub fn number_shape(&mut self, value: &Value, expr: &Expr<'_>) -> Option<Shape> {
        self.numeric(&Operand { shown: Shown::from(expr.ast), def: None, value: value.clone() })
    }

    /// Returns the node of a value that has the declared shape, or is a number and fills it; `None` after a report.
    pub fn declared(
        &mut self,
        value: &Value,
        shape: &Shape,
        what: &str,
        expr: &Expr<'_>,
        declared: Span,
    ) -> Option<NodeId> {
        let found = self.number_shape(value, expr)?;
        let span = expr.span();
        let node = self.node(value, span);
        if found == *shape {
            return Some(node);
        }
        if let Value::Constant(..) = value {
            return Some(self.fill(node, shape, span));
        }
        let message = format!("{what} has shape `{found}`, declared `{shape}`");
        let fault = Diagnostic::new(Code::DeclaredShape, span, message)
            .label(declared, format!("declared `{shape}` here"));
        self.fail(fault)
    }

    /// Returns a size written with the names of the cell.
    pub fn size_of(&mut self, expr: &Expr<'_>) -> Option<Dim> {
        self.size(expr, &Scope::CELL)
    }

    /// Reports what is wrong; it has no value.
    fn fail<T>(&mut self, fault: Diagnostic) -> Option<T> {
        self.sink.push(fault);
        self.is_wrong = true;
        None
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

    /// Returns a constant; one of too many parts is computed by nodes.
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

    /// Returns the shape of a value.
    fn shape(&self, value: &Value) -> Shape {
        match value {
            Value::Constant(..) | Value::Index(..) => Shape::scalar(),
            Value::Node(node) => self.graph.shape(*node).clone(),
        }
    }

    /// Lowers an expression.
    pub fn expr(&mut self, expr: &Expr<'_>, scope: &Scope<'_>) -> Option<Value> {
        if self.stopped {
            return None;
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
            return self.fail(Diagnostic::new(Code::TooLarge, expr.span(), message));
        }
        self.depth += 1;
        let span = expr.span();
        let value = match &expr.kind {
            Kind::Number(value) => Some(Value::number(*value)),
            Kind::Inf => Some(Value::number(f64::INFINITY)),
            Kind::Pi => Some(Value::number(std::f64::consts::PI)),
            Kind::Def(def) => self.def(*def, span),
            Kind::Local(local) => scope.local(*local).cloned(),
            Kind::Part(part) => self.part(part, scope),
            Kind::Prev(past, steps) => self.past(past, steps.as_deref(), span, scope),
            Kind::Call(call) => self.call(call, span, scope),
            Kind::Array(items) => self.array(items, span, scope),
            Kind::Paren(inner) => self.expr(inner, scope),
            Kind::Neg(inner) => {
                let operand = self.operand(inner, scope);
                operand.and_then(|it| self.pointwise(Pointwise::Neg, &[it], span))
            }
            Kind::Index(value, index) => self.index(value, index, span, scope),
            Kind::Chain(first, rest) => self.chain(expr, first, rest, scope),
            Kind::Binary(op, sign, left, right) => {
                let operands = self.operands([left, right], scope);
                operands.and_then(|[a, b]| match consts::pointwise(*op) {
                    Some(op) => self.pointwise(op, &[a, b], span),
                    None => self.matmul(&a, &b, *sign, span),
                })
            }
            // Reported when names were resolved; an activation is a value of hypers alone, which read it themselves.
            Kind::Error(_) | Kind::Activation(_) => None,
        };
        self.depth -= 1;
        match &value {
            Some(value) => self.note_type(expr, value),
            None => self.is_wrong = true,
        }
        value
    }

    /// Notes the type of an expression for an analysis.
    fn note_type(&self, expr: &Expr<'_>, value: &Value) {
        let Some(types) = self.names.types else { return };
        types.note(expr.id, self.type_of(value));
        if let (Phase::Step, Value::Node(node)) = (self.phase, value) {
            types.note_node(self.names.id, expr.id, *node);
        }
    }

    /// Notes the type of an initialiser for an analysis: all of it has the shape of what it fills.
    pub fn note_init(&self, expr: &Expr<'_>, shape: &Shape) {
        let Some(types) = self.names.types else { return };
        hir::walk::expr(expr, &mut |it| types.note(it.id, Type::Real(shape.clone())));
    }

    fn type_of(&self, value: &Value) -> Type {
        match value {
            Value::Index(_, below) => Type::Index(below.clone()),
            Value::Constant(..) | Value::Node(_) => Type::Real(self.shape(value)),
        }
    }

    /// Notes the types of all names of the cell for an analysis.
    pub fn note_defs(&self) {
        let Some(types) = self.names.types else { return };
        for id in self.names.cell.defs.ids() {
            let declared = self.names.shape(id).cloned().map(Type::Real);
            let type_ = match (self.names.kind(id), self.names.below(id)) {
                (DefKind::Dim(_), _) => Some(Type::Size),
                (DefKind::Hyper(at), _) => Some(match self.names.cell.hypers[at].is_activation {
                    true => Type::Activation,
                    false => Type::Real(Shape::scalar()),
                }),
                (DefKind::Layer(layer), _) => self.names.ready(layer).and_then(|ready| {
                    let last = (ready.count - 1) * ready.inner.pieces.len() + ready.inner.main;
                    self.part_shape(layer, last).map(|it| Type::Real(it.0))
                }),
                (_, Some(below)) => Some(Type::Index(below.clone())),
                (_, None) => declared.or_else(|| self.value(id).map(|it| self.type_of(it))),
            };
            if let Some(type_) = type_ {
                types.note_def(self.names.id, id, type_);
            }
        }
    }

    /// Returns an expression with what messages need of it.
    fn operand<'e>(&mut self, expr: &Expr<'e>, scope: &Scope<'_>) -> Option<Operand<'e>> {
        let value = self.expr(expr, scope)?;
        let def = match expr.kind {
            Kind::Local(local) if !scope.in_function => self.names.cell.locals[local].defines,
            _ => expr.def().filter(|_| !scope.in_function),
        };
        Some(Operand { shown: Shown::from(expr.ast), def, value })
    }

    /// Several operands, each of which is lowered whatever is wrong with the others.
    fn operands<'e, const N: usize>(
        &mut self,
        exprs: [&Expr<'e>; N],
        scope: &Scope<'_>,
    ) -> Option<[Operand<'e>; N]> {
        let found = exprs.map(|it| self.operand(it, scope));
        let found: Vec<Operand<'e>> = found.into_iter().flatten().collect();
        found.try_into().ok()
    }

    fn chain(
        &mut self,
        whole: &Expr<'_>,
        first: &Expr<'_>,
        rest: &[(ast::BinaryOp, Span, Expr<'_>)],
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let shown: &[(ast::BinaryOp, Span, ast::Expr)] = match &whole.ast.kind {
            ast::ExprKind::Chain(_, rest) => rest,
            _ => &[],
        };
        let mut left = self.operand(first, scope);
        for (idx, (op, _, term)) in rest.iter().enumerate() {
            let right = self.operand(term, scope);
            let span = first.span().to(term.span());
            let op = consts::pointwise(*op).unwrap_or(Pointwise::Mul);
            let shown = Shown { first: first.ast, rest: &shown[..=idx] };
            let value = match (left, right) {
                (Some(left), Some(right)) => self.pointwise(op, &[left, right], span),
                _ => None,
            };
            left = value.map(|value| Operand { shown, def: None, value });
        }
        Some(left?.value)
    }

    /// Returns an array literal: a vector of constants.
    fn array(&mut self, items: &[Expr<'_>], span: Span, scope: &Scope<'_>) -> Option<Value> {
        let mut constant = |it| self.constant_expr(it, scope, "an array literal");
        let values = items.iter().map(&mut constant).collect::<Option<Vec<Const>>>()?;
        if values.is_empty() {
            let message = "an array literal has at least one number";
            return self.fail(Diagnostic::new(Code::ConstantOutOfRange, span, message));
        }
        let shape = Shape(vec![Dim::number(values.len() as i64)]);
        Some(Value::Node(self.add(Literal::Array(values), Vec::new(), shape, span)))
    }

    /// Returns a name of this step.
    fn def(&mut self, id: DefId, span: Span) -> Option<Value> {
        let def = self.names.def(id);
        match def.kind {
            DefKind::Dim(_) => {
                let dim = self.names.dims.table.get(&def.name.name).cloned().flatten()?;
                Some(Value::Constant(Const::Size(dim), 1))
            }
            DefKind::Hyper(_) => self.hyper(def, span),
            DefKind::State | DefKind::Feedback if self.phase == Phase::Shapes => self.leaf(id),
            DefKind::State | DefKind::Feedback | DefKind::Value(_) | DefKind::Computed => {
                self.value(id).cloned()
            }
            DefKind::Input | DefKind::Target | DefKind::Param { .. } | DefKind::Mask => {
                self.leaf(id)
            }
            // A layer is a `Part`.
            DefKind::Layer(_) | DefKind::Error => None,
        }
    }

    fn hyper(&mut self, def: &Def<'_>, span: Span) -> Option<Value> {
        let name = &def.name.name;
        if self.hypers.numbers.constants.contains_key(name) {
            return Some(Value::Constant(Const::Hyper(name.clone()), 1));
        }
        if self.hypers.activations.contains_key(&**name) {
            let message = format!("`{name}` is an activation; a value is needed here");
            let fault = Diagnostic::new(Code::WrongKindOfName, span, message)
                .label(def.name.span, "declared here")
                .help(format!("call it: `{name}(..)`"));
            return self.fail(fault);
        }
        None
    }

    /// Returns the leaf of an input, a param, a mask or, where only shapes matter, a new state.
    pub fn leaf(&mut self, id: DefId) -> Option<Value> {
        if let Some(value) = self.value(id) {
            return Some(value.clone());
        }
        let shape = self.names.shape(id).cloned()?;
        let slot = self.names.slot(id);
        let op = match self.names.kind(id) {
            DefKind::Input | DefKind::Target => Leaf::Input(slot),
            DefKind::Param { .. } => Leaf::Param(slot),
            DefKind::Mask => Leaf::Mask(slot),
            DefKind::State | DefKind::Feedback => Leaf::Carry(slot),
            DefKind::Dim(_)
            | DefKind::Hyper(_)
            | DefKind::Computed
            | DefKind::Value(_)
            | DefKind::Layer(_)
            | DefKind::Error => return None,
        };
        let name = self.names.def(id).name;
        let node = self.add(op, Vec::new(), shape, name.span);
        self.graph.set_name(node, name.name.clone());
        let value = match self.names.below(id) {
            Some(dim) => Value::Index(node, dim.clone()),
            None => Value::Node(node),
        };
        self.set_value(id, value.clone());
        Some(value)
    }
}
