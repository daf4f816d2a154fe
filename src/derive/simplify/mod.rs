//! The same values with less work: constants folded, equal nodes merged, needless ones left out.
//!
//! [`simplify`] keeps every value, NaN included, up to the sign of zeros and the rounding of a
//! constant factor: `0 * x` stays unless `x` is finite by construction, for a product with a NaN is
//! a NaN. Sums in derived graphs are also factored and flattened: `d * p - d * n` is `d * (p - n)`,
//! `a + (b + c)` is `a + b + c`.

mod algebra;
mod intern;
mod moves;

use super::adjoint::{Adjoint, StartAdjoint};
use super::sweep::{needed, sweep};
use super::tangent::Tangent;
use crate::ir::{
    Cell, Const, Env, Graph, Literal, Loss, Move, NamedValue, Node, NodeId, Op, Output, Shape,
    Start,
};
use crate::text::{Name, Span};
use intern::Interner;

/// A simplified graph.
#[derive(Clone, PartialEq, Debug)]
pub struct Simplified {
    /// The graph.
    pub graph: Graph,
    /// The new node of each old one; `None` for one that is not needed any more. Roots are always there.
    pub map: Vec<Option<NodeId>>,
}

impl Simplified {
    /// Returns the new node of a root.
    pub fn root(&self, id: NodeId) -> NodeId {
        self.map[id.idx()].expect("roots are kept")
    }
}

/// Simplifies a graph of which these nodes are wanted. Where two named nodes merge the first name
/// stays.
pub fn simplify(graph: &Graph, roots: &[NodeId]) -> Simplified {
    repeatedly(graph, roots, &Env::default(), false)
}

/// As [`simplify`], and sums are factored and flattened.
fn simplify_derived(graph: &Graph, roots: &[NodeId]) -> Simplified {
    repeatedly(graph, roots, &Env::default(), true)
}

fn repeatedly(graph: &Graph, roots: &[NodeId], env: &Env, factor: bool) -> Simplified {
    // A later pass sees what became used once; more than a few change nothing any more.
    const PASSES: usize = 4;
    let mut all = pass(graph, roots, env, factor);
    for _ in 1..PASSES {
        let roots: Vec<NodeId> = roots.iter().map(|it| all.root(*it)).collect();
        let next = pass(&all.graph, &roots, env, factor);
        let settled = next.graph == all.graph;
        all.map = all.map.iter().map(|it| it.and_then(|it| next.map[it.idx()])).collect();
        all.graph = next.graph;
        if settled {
            break;
        }
    }
    all
}

fn pass(graph: &Graph, roots: &[NodeId], env: &Env, factor: bool) -> Simplified {
    let needed = needed(graph, roots.iter().copied());
    let mut uses = vec![0u32; needed.len()];
    for root in roots {
        uses[root.idx()] += 1;
    }
    for id in graph.ids().filter(|it| needed[it.idx()]) {
        for arg in &graph.node(id).args {
            uses[arg.idx()] += 1;
        }
    }
    let mut simplifier = Simplifier::new(env, factor);
    let mut map: Vec<Option<NodeId>> = vec![None; needed.len()];
    for id in graph.ids().filter(|it| needed[it.idx()]) {
        let node = graph.node(id);
        // Operands of a needed node are needed and come before it.
        let args: Vec<NodeId> = node.args.iter().filter_map(|it| map[it.idx()]).collect();
        let new = simplifier.make(&node.op, &args, &node.shape, node.span);
        simplifier.used(new, uses[id.idx()]);
        if let Some(name) = &node.name {
            simplifier.name(new, name);
        }
        map[id.idx()] = Some(new);
    }
    let kept = roots.iter().filter_map(|it| map[it.idx()]);
    let (graph, moved) = sweep(simplifier.out, kept);
    let map = map.into_iter().map(|it| it.and_then(|it| moved[it.idx()])).collect();
    Simplified { graph, map }
}

/// The new graph in the making.
struct Simplifier<'e> {
    out: Graph,
    known: Interner,
    /// The uses that the old graph has of the value of each new node.
    uses: Vec<u32>,
    /// The known hypers and sizes.
    env: &'e Env,
    factor: bool,
}

impl<'e> Simplifier<'e> {
    fn new(env: &'e Env, factor: bool) -> Simplifier<'e> {
        let (out, known) = (Graph::default(), Interner::default());
        Simplifier { out, known, uses: Vec::new(), env, factor }
    }

    /// Returns a node with this value: an old one, a simpler one, or a new one.
    fn make(&mut self, op: &Op, args: &[NodeId], shape: &Shape, span: Span) -> NodeId {
        let simpler = match op {
            Op::Map(op) => self.map(*op, args, shape, span),
            _ => self.moved(op, args, shape, span),
        };
        match simpler {
            Some(id) => id,
            None => self.intern(op, args, shape, span),
        }
    }

    fn intern(&mut self, op: &Op, args: &[NodeId], shape: &Shape, span: Span) -> NodeId {
        let hash = match self.known.find(&self.out, op, args, shape) {
            Ok(known) => return known,
            Err(hash) => hash,
        };
        let (op, args, shape) = (op.clone(), args.to_vec(), shape.clone());
        let id = self.out.push(Node { op, args, shape, name: None, span });
        self.known.insert(id, hash);
        self.uses.push(0);
        id
    }

    fn used(&mut self, id: NodeId, times: u32) {
        self.uses[id.idx()] += times;
    }

    /// Leaves and constants are called by what they are.
    fn name(&mut self, id: NodeId, name: &Name) {
        let node = self.out.node(id);
        if !node.op.is_leaf()
            && !matches!(node.op, Op::Literal(Literal::Scalar(_)))
            && self.splat(id).is_none()
        {
            self.out.set_name(id, name.clone());
        }
    }

    /// Returns the constant that a node is everywhere.
    fn splat(&self, id: NodeId) -> Option<&Const> {
        let node = self.out.node(id);
        match &node.op {
            Op::Literal(Literal::Scalar(value)) => Some(value),
            Op::Move(Move::Expand(_)) => self.splat(node.args[0]),
            _ => None,
        }
    }

    /// Returns the number that a node is everywhere.
    fn number(&self, id: NodeId) -> Option<f64> {
        self.splat(id)?.eval(self.env)
    }

    /// Returns a constant everywhere.
    fn fill(&mut self, value: Const, shape: &Shape, span: Span) -> NodeId {
        let scalar = self.intern(&Op::Literal(Literal::Scalar(value)), &[], &Shape::scalar(), span);
        if shape.rank() == 0 {
            return scalar;
        }
        self.intern(&Op::Move(Move::Expand(Vec::new())), &[scalar], shape, span)
    }

    /// Returns a node that may be looked through: the user gave it no name.
    fn unnamed(&self, id: NodeId) -> Option<&Node> {
        Some(self.out.node(id)).filter(|it| it.name.is_none())
    }

    /// Returns a node that may be taken apart: nobody else needs it.
    fn single(&self, id: NodeId) -> Option<&Node> {
        self.unnamed(id).filter(|_| self.uses[id.idx()] <= 1)
    }
}

/// Simplifies both graphs of a cell. Every named value stays.
pub fn simplify_cell(cell: &Cell) -> Cell {
    simplify_bound(cell, &Env::default())
}

/// As [`simplify_cell`], for these sizes and hypers alone: `clamp(v, -clip, clip)` is `v` where `clip` is infinite.
pub fn simplify_bound(cell: &Cell, env: &Env) -> Cell {
    let step = repeatedly(&cell.step, &step_roots(cell), env, false);
    let start = repeatedly(&cell.start, &start_roots(cell), env, false);
    let mut cell = cell.clone();
    for carry in &mut cell.carries {
        carry.next = step.root(carry.next);
        if let Start::Node(id) = &mut carry.start {
            *id = start.root(*id);
        }
    }
    for Output { node, .. } in &mut cell.outputs {
        *node = step.root(*node);
    }
    for Loss { node, .. } in &mut cell.losses {
        *node = step.root(*node);
    }
    for NamedValue { node, .. } in &mut cell.values {
        *node = step.root(*node);
    }
    cell.step = step.graph;
    cell.start = start.graph;
    cell
}

/// Returns the nodes of the step graph that something outside refers to.
pub(super) fn step_roots(cell: &Cell) -> Vec<NodeId> {
    (cell.carries.iter().map(|it| it.next))
        .chain(cell.outputs.iter().map(|it| it.node))
        .chain(cell.losses.iter().map(|it| it.node))
        .chain(cell.values.iter().map(|it| it.node))
        .collect()
}

/// Returns the nodes of the start graph that carried values start as.
pub(super) fn start_roots(cell: &Cell) -> Vec<NodeId> {
    let own = |it: &crate::ir::Carry| match it.start {
        Start::Node(id) => Some(id),
        Start::SameAs(_) => None,
    };
    cell.carries.iter().filter_map(own).collect()
}

impl Adjoint {
    /// Returns the same adjoints with less work.
    pub fn simplified(&self) -> Adjoint {
        let all = [&self.carries, &self.nexts, &self.inputs, &self.params];
        let roots: Vec<NodeId> = all.into_iter().flatten().flatten().copied().collect();
        let step = simplify_derived(&self.graph, &roots);
        let start_roots: Vec<NodeId> = self.start.params.iter().flatten().copied().collect();
        let start = simplify_derived(&self.start.graph, &start_roots);
        Adjoint {
            carries: moved(&self.carries, &step),
            nexts: moved(&self.nexts, &step),
            inputs: moved(&self.inputs, &step),
            params: moved(&self.params, &step),
            values: moved_values(&self.values, &step),
            param_names: self.param_names.clone(),
            start: StartAdjoint {
                params: moved(&self.start.params, &start),
                values: moved_values(&self.start.values, &start),
                param_names: self.start.param_names.clone(),
                graph: start.graph,
            },
            graph: step.graph,
        }
    }
}

impl Tangent {
    /// Returns the same tangents with less work.
    pub fn simplified(&self) -> Tangent {
        let roots: Vec<NodeId> = self.carries.iter().chain(&self.outputs).copied().collect();
        let step = simplify_derived(&self.graph, &roots);
        let starts: Vec<NodeId> = self.starts.iter().flatten().copied().collect();
        let start = simplify_derived(&self.start, &starts);
        Tangent {
            carries: self.carries.iter().map(|it| step.root(*it)).collect(),
            outputs: self.outputs.iter().map(|it| step.root(*it)).collect(),
            values: moved_values(&self.values, &step),
            starts: moved(&self.starts, &start),
            start: start.graph,
            graph: step.graph,
        }
    }
}

fn moved(roots: &[Option<NodeId>], to: &Simplified) -> Vec<Option<NodeId>> {
    roots.iter().map(|it| it.map(|it| to.root(it))).collect()
}

fn moved_values(values: &[(Name, NodeId)], to: &Simplified) -> Vec<(Name, NodeId)> {
    values.iter().filter_map(|(name, id)| Some((name.clone(), to.map[id.idx()]?))).collect()
}
