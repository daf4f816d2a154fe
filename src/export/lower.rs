//! The facts that every back-end reads, made once: the graph, the stages, what is read from one into another.
//!
//! For `h = tanh(W @ x + U @ prev h + b)` there are two stages. The first is computed for all steps at once and gives
//! `W @ x + b`; the second is a loop, reads it and the old `h`, and gives the new one. A stack of layers has a loop for
//! each layer, and stages of rows between them.

use std::collections::BTreeMap;

use ndarray::ArrayD;

use super::{ExportError, Target};
use crate::exec::{self, Bound};
use crate::ir::{
    Carry, Cell, Choice, Const, Dim, Env, Graph, Leaf, Mask, Move, Node, NodeId, Op, Order, Scope,
    Shape, Start,
};
use crate::plan::pipeline::{self, Graphs};
use crate::plan::{self, Fixed};

/// The leading axes of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Lead {
    /// None: it is the same everywhere.
    Once,
    /// One, of sequences.
    Sequence,
    /// Steps and sequences.
    Rows,
}

/// Nodes that are computed together.
#[derive(Clone, PartialEq, Debug)]
pub struct Stage {
    /// The carried values of a loop; none where all steps are computed at once.
    pub carries: Vec<usize>,
    /// Of a loop, which way it goes.
    pub order: Option<Order>,
    /// The nodes, operands first.
    pub nodes: Vec<NodeId>,
    /// The values that it reads from outside: leaves and nodes of stages before, without params, constants and fixed nodes.
    pub reads: Vec<NodeId>,
    /// The nodes that somebody reads outside of it, the new carried values of a loop among them.
    pub gives: Vec<NodeId>,
}

/// A cell as back-ends read it.
pub struct Lowered {
    /// The cell. Its graph is what is exported.
    pub cell: Cell,
    /// The same with its sizes, to be run.
    pub bound: Bound,
    /// The sizes and hypers.
    pub env: Env,
    /// The shape of each node of the step, for one step of one sequence.
    pub shapes: Vec<Vec<usize>>,
    /// The shape of each node of the start graph.
    pub start_shapes: Vec<Vec<usize>>,
    /// The value of each param.
    pub params: Vec<ArrayD<f64>>,
    /// The start of each carried value.
    pub starts: Vec<ArrayD<f64>>,
    /// The leading axes of each node.
    pub lead: Vec<Lead>,
    /// The stages, in order. The nodes that are the same for all rows are in none of them.
    pub stages: Vec<Stage>,
    /// The carried values that only hold back values which are there for all steps.
    pub held: Vec<bool>,
    /// True for a node that a stage, an output or a carried value needs.
    pub needed: Vec<bool>,
    /// The nodes that are written where they are read: params, constants, and repetitions of them.
    pub inline: Vec<bool>,
    /// The nodes that are the same for all rows, are not written where they are read, and that something else reads.
    pub fixed: Vec<NodeId>,
}

impl Lowered {
    /// Makes the facts for a target.
    pub fn new(
        bound: &Bound,
        params: &[ArrayD<f64>],
        target: Target,
    ) -> Result<Lowered, ExportError> {
        let mut cell = bound.cell().clone();
        // Names are in the nodes; what is only named is not exported.
        cell.values.clear();
        if !target.trains() {
            forward_only(&mut cell);
        }
        // In C all is one step, so no sum need be ordered by what is known before the loop.
        let passes = match target {
            Target::C => pipeline::up_to("simplify").unwrap_or(pipeline::FORWARD),
            Target::Onnx | Target::Pytorch | Target::Jax | Target::Numpy => pipeline::FORWARD,
        };
        cell = Graphs::new(&cell, bound.env(), &[]).run(passes).cell;
        let draws = |it: &Node| it.op == Op::Choice(Choice::Sample);
        if !target.trains() && cell.step.nodes().iter().any(draws) {
            let cell = cell.name.to_string();
            return Err(ExportError::Draws { cell, target: target.name() });
        }
        let bound = bound.with(&cell)?;
        let cell = bound.cell().clone();
        let masks = !target.trains();
        let plan = plan::forward(&cell, &Fixed { masks, ..Fixed::default() }, &[]);
        let lead = lead(&cell, masks);
        let mut lowered = Lowered {
            bound: bound.clone(),
            env: bound.env().clone(),
            shapes: bound.step_shapes().to_vec(),
            start_shapes: bound.start_shapes().to_vec(),
            params: params.to_vec(),
            starts: starts(&bound, params),
            lead,
            stages: Vec::new(),
            held: plan.held.clone(),
            needed: plan.needed.clone(),
            inline: inline(&cell),
            fixed: Vec::new(),
            cell,
        };
        for (at, stage) in plan.stages.iter().enumerate() {
            let own = lowered.cell.step.ids().filter(|it| plan.stage_of[it.idx()] == Some(at));
            let own: Vec<NodeId> = own.collect();
            let parts = match stage.order {
                Some(_) => vec![own],
                None => lowered.parts(own).into_iter().filter(|it| !it.is_empty()).collect(),
            };
            for nodes in parts {
                let (carries, order) = (stage.carries.clone(), stage.order);
                lowered.stages.push(Stage {
                    carries,
                    order,
                    nodes,
                    reads: Vec::new(),
                    gives: Vec::new(),
                });
            }
        }
        lowered.connect();
        Ok(lowered)
    }

    /// Parts a stage of rows, so that what reads the rows of the step before comes after these rows are there: with
    /// `u = W @ x` and `v = u + prev u`, all rows of `u` come before those of `v`.
    fn parts(&self, nodes: Vec<NodeId>) -> Vec<Vec<NodeId>> {
        let graph = &self.cell.step;
        let mut part: Vec<Option<usize>> = vec![None; graph.nodes().len()];
        nodes.iter().for_each(|it| part[it.idx()] = Some(0));
        loop {
            let mut has_changed = false;
            for id in &nodes {
                let reads = graph.node(*id).args.iter().filter_map(|arg| {
                    let (mut at, mut later) = (*arg, 0);
                    // The old value of an old value is that of the same rows.
                    while let Op::Leaf(Leaf::Carry(carry)) = graph.node(at).op {
                        (at, later) = (self.cell.carries[carry].next, 1);
                        if !self.held[carry] {
                            return None;
                        }
                    }
                    part[at.idx()].map(|it| it + later)
                });
                let own = reads.max().unwrap_or(0);
                if part[id.idx()].is_some_and(|it| it < own) {
                    part[id.idx()] = Some(own);
                    has_changed = true;
                }
            }
            if !has_changed {
                break;
            }
        }
        let count = nodes.iter().filter_map(|it| part[it.idx()]).max().unwrap_or(0) + 1;
        let own =
            |at: usize| nodes.iter().copied().filter(|it| part[it.idx()] == Some(at)).collect();
        (0..count).map(own).collect()
    }

    /// Finds what each stage reads and gives.
    fn connect(&mut self) {
        let graph = &self.cell.step;
        let mut own: Vec<Option<usize>> = vec![None; graph.nodes().len()];
        for (at, stage) in self.stages.iter().enumerate() {
            stage.nodes.iter().for_each(|it| own[it.idx()] = Some(at));
        }
        let is_fixed = |it: &NodeId| {
            self.lead[it.idx()] == Lead::Once
                && !self.inline[it.idx()]
                && !graph.node(*it).op.is_leaf()
        };
        let outside: Vec<NodeId> = (self.cell.carries.iter().map(|it| it.next))
            .chain(self.cell.outputs.iter().map(|it| it.node))
            .collect();
        let mut given = vec![false; own.len()];
        let mut fixed = vec![false; own.len()];
        for id in &outside {
            given[id.idx()] = own[id.idx()].is_some();
            fixed[id.idx()] |= is_fixed(id);
        }
        let mut reads: Vec<Vec<NodeId>> = Vec::new();
        for (at, stage) in self.stages.iter().enumerate() {
            let mut found: Vec<NodeId> = Vec::new();
            let mut seen = vec![false; own.len()];
            let args = stage.nodes.iter().flat_map(|it| graph.node(*it).args.iter().copied());
            let news = stage.carries.iter().map(|it| self.cell.carries[*it].next);
            for id in args.chain(news) {
                let is_read = own[id.idx()] != Some(at) && !self.inline[id.idx()];
                if !is_read || std::mem::replace(&mut seen[id.idx()], true) {
                    continue;
                }
                match self.lead[id.idx()] {
                    Lead::Once => fixed[id.idx()] |= is_fixed(&id),
                    Lead::Sequence | Lead::Rows => given[id.idx()] |= own[id.idx()].is_some(),
                }
                found.push(id);
            }
            reads.push(found);
        }
        self.fixed = graph.ids().filter(|it| fixed[it.idx()]).collect();
        for (stage, reads) in self.stages.iter_mut().zip(reads) {
            stage.reads = reads;
            stage.gives = stage.nodes.iter().copied().filter(|it| given[it.idx()]).collect();
        }
    }

    /// Returns the graph of a step.
    pub fn graph(&self) -> &Graph {
        &self.cell.step
    }

    /// Returns the shape of a node of the step.
    pub fn shape(&self, id: NodeId) -> &[usize] {
        &self.shapes[id.idx()]
    }

    /// Returns the value of a constant.
    pub fn number(&self, value: &Const) -> f64 {
        value.eval(&self.env).unwrap_or(f64::NAN)
    }

    /// Returns the value of a size.
    pub fn size(&self, dim: &Dim) -> usize {
        self.env.size(dim).and_then(|it| usize::try_from(it).ok()).unwrap_or(0)
    }

    /// Returns the probability of a mask.
    pub fn probability(&self, mask: usize) -> f64 {
        self.number(&self.cell.masks[mask].probability)
    }

    /// Returns the shape of an input.
    pub fn input_shape(&self, input: usize) -> Vec<usize> {
        self.concrete(&self.cell.inputs[input].shape)
    }

    /// Returns the shape of a carried value.
    pub fn carry_shape(&self, carry: usize) -> Vec<usize> {
        self.concrete(&self.cell.carries[carry].shape)
    }

    /// Returns a shape in numbers.
    pub fn concrete(&self, shape: &Shape) -> Vec<usize> {
        shape.axes().iter().map(|it| self.size(it)).collect()
    }

    /// Returns the leaf that reads a carried value, where somebody does.
    pub fn leaf_of_carry(&self, carry: usize) -> Option<NodeId> {
        let is_it = |it: &NodeId| self.graph().node(*it).op == Op::Leaf(Leaf::Carry(carry));
        self.graph().ids().find(|it| self.needed[it.idx()] && is_it(it))
    }

    /// Returns the values of all nodes that are the same for all rows.
    pub fn once(&self) -> BTreeMap<NodeId, ArrayD<f64>> {
        let leaf = &mut |_, node: &Node| match node.op {
            Op::Leaf(Leaf::Param(it)) => Some(self.params[it].clone().into_shared()),
            _ => None,
        };
        let program = exec::Program::<f64>::new(self.graph(), &self.shapes, &self.env, leaf);
        let known = self.graph().ids().filter_map(|id| Some((id, program.known(id)?.to_owned())));
        known.collect()
    }

    /// Refuses a cell that has no single step.
    pub fn needs_one_step(&self) -> Result<(), ExportError> {
        match self.cell.carries.iter().find(|it| !it.order.is_ascending()) {
            None => Ok(()),
            Some(carry) => {
                let (cell, carry) = (self.cell.name.to_string(), carry.name.to_string());
                Err(ExportError::Backward { cell, carry })
            }
        }
    }

    /// Refuses a cell that has no input with an axis of steps.
    pub fn needs_input(&self) -> Result<(), ExportError> {
        match self.cell.inputs.iter().any(|it| !it.per_sequence) {
            true => Ok(()),
            false => Err(ExportError::NoInput(self.cell.name.to_string())),
        }
    }
}

/// Returns the nodes that are written where they are read.
fn inline(cell: &Cell) -> Vec<bool> {
    let mut all: Vec<bool> = Vec::with_capacity(cell.step.nodes().len());
    for node in cell.step.nodes() {
        all.push(match &node.op {
            Op::Leaf(Leaf::Param(_)) | Op::Literal(_) => true,
            Op::Move(Move::Concat(_) | Move::Stack) => false,
            Op::Move(_) => node.name.is_none() && all[node.args[0].idx()],
            _ => false,
        });
    }
    all
}

/// Leaves out what only the gradient sees, and puts the probability in the place of a mask.
fn forward_only(cell: &mut Cell) {
    let (step, map) = forward_graph(&cell.step, &cell.masks);
    let (start, starts) = forward_graph(&cell.start, &[]);
    (cell.step, cell.start) = (step, start);
    for carry in &mut cell.carries {
        carry.next = map[carry.next.idx()];
        if let Start::Node(id) = &mut carry.start {
            *id = starts[id.idx()];
        }
    }
    cell.outputs.iter_mut().for_each(|it| it.node = map[it.node.idx()]);
}

/// Gives the graph and where each node went.
fn forward_graph(graph: &Graph, masks: &[Mask]) -> (Graph, Vec<NodeId>) {
    let mut all = Graph::default();
    let mut map: Vec<NodeId> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let args: Vec<NodeId> = node.args.iter().map(|it| map[it.idx()]).collect();
        let new = match &node.op {
            Op::Gradient(it) => {
                let value = args[it.operand()];
                node.name.iter().for_each(|it| all.set_name(value, it.clone()));
                value
            }
            Op::Leaf(Leaf::Mask(mask)) if *mask < masks.len() => {
                let probability = all.constant(masks[*mask].probability.clone(), node.span);
                all.fill(probability, &node.shape, node.span)
            }
            _ => all.push(Node { args, ..node.clone() }),
        };
        map.push(new);
    }
    (all, map)
}

/// Returns the leading axes of each node.
fn lead(cell: &Cell, masks: bool) -> Vec<Lead> {
    let mut all: Vec<Lead> = Vec::with_capacity(cell.step.nodes().len());
    for node in cell.step.nodes() {
        let own = match &node.op {
            Op::Leaf(Leaf::Param(_)) | Op::Literal(_) => Lead::Once,
            Op::Leaf(Leaf::Input(it)) if cell.inputs[*it].per_sequence => Lead::Sequence,
            Op::Leaf(Leaf::Mask(it)) => match cell.masks[*it].scope {
                _ if masks => Lead::Once,
                Scope::Run => Lead::Once,
                Scope::Sequence => Lead::Sequence,
                Scope::Step => Lead::Rows,
            },
            Op::Leaf(_) => Lead::Rows,
            _ => Lead::Once,
        };
        let args = node.args.iter().map(|it| all[it.idx()]);
        all.push(args.max().map_or(own, |it| it.max(own)));
    }
    all
}

/// Returns the starts of carried values.
fn starts(bound: &Bound, params: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
    let cell = bound.cell();
    let values = exec::eval::<f64>(
        &cell.start,
        bound.start_shapes(),
        bound.env(),
        &mut |_, node| match node.op {
            Op::Leaf(Leaf::Param(it)) => params[it].clone().into_shared(),
            _ => unreachable!("a start reads params alone"),
        },
    );
    let value = |carry: &Carry| {
        let mut from = carry;
        loop {
            match from.start {
                Start::Node(id) => break values[id.idx()].to_owned(),
                Start::SameAs(other) => from = &cell.carries[other],
            }
        }
    };
    cell.carries.iter().map(value).collect()
}
