//! Verifies the invariants that every pass may assume of a cell and its graphs.
//!
//! Runs in debug builds after every pass, and on whatever is read from a file: it must not panic on
//! any data.

use std::collections::BTreeSet;

use super::components::Components;
use super::infer::infer;
use super::{
    Along, Cell, Const, Dim, Gradient, Graph, HyperKind, Init, Input, InputRole, Leaf, Literal,
    Move, Node, NodeId, Op, Shape, Source, Start,
};

/// More axes than this no value has.
const MAX_RANK: usize = 32;

/// Constants nested deeper than this are not evaluated recursively.
const MAX_DEPTH: usize = 300;

/// The graph that is verified; it decides which leaves are allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// One step of the cell.
    Step,
    /// The starts of the carries.
    Start,
    /// A graph derived from the step.
    DerivedStep,
    /// A graph derived from the start.
    DerivedStart,
}

/// Checks a cell: its declarations, both graphs, and that all numbers are in range.
pub fn verify(cell: &Cell) -> Result<(), String> {
    declarations(cell)?;
    verify_graph(cell, &cell.step, Role::Step).map_err(|it| format!("step: {it}"))?;
    verify_graph(cell, &cell.start, Role::Start).map_err(|it| format!("start: {it}"))?;
    for (idx, carry) in cell.carries.iter().enumerate() {
        let fault = |what: &str| format!("carried `{}`: {what}", carry.name);
        if root(&cell.step, carry.next, "next value")? != &carry.shape {
            return Err(fault("its next value has another shape"));
        }
        if let Some(teacher) = carry.teacher {
            let taught = |it: &&Input| {
                it.role == InputRole::Target && it.shape == carry.shape && it.index == carry.index
            };
            if cell.inputs.get(teacher).filter(taught).is_none() {
                return Err(fault("its teacher is no target of its type"));
            }
        }
        match carry.start {
            Start::Node(id) => {
                if root(&cell.start, id, "start")? != &carry.shape {
                    return Err(fault("its start has another shape"));
                }
            }
            Start::SameAs(other) => match cell.carries.get(other) {
                Some(it) if other != idx && matches!(it.start, Start::Node(_)) => {
                    if it.shape != carry.shape {
                        return Err(fault("it starts as a value of another shape"));
                    }
                }
                Some(_) | None => return Err(fault("it starts as something that has no start")),
            },
        }
    }
    one_way(cell)?;
    for output in &cell.outputs {
        root(&cell.step, output.node, "output")?;
    }
    for loss in &cell.losses {
        if root(&cell.step, loss.node, "loss")?.rank() > 0 {
            return Err("the loss is no number".into());
        }
    }
    if cell.losses.len() > 1 {
        return Err("there is more than one loss".into());
    }
    for value in &cell.values {
        root(&cell.step, value.node, "named value")?;
    }
    Ok(())
}

/// Checks one graph of the cell: operands before users, arity, shapes as inferred, numbers of
/// leaves in range.
pub fn verify_graph(cell: &Cell, graph: &Graph, role: Role) -> Result<(), String> {
    if u32::try_from(graph.nodes().len()).is_err() {
        return Err("more nodes than ids".into());
    }
    let dims = Names::of(cell);
    for id in graph.ids() {
        let node = graph.node(id);
        verify_node(cell, &dims, graph, id, node, role)
            .map_err(|it| format!("node {} ({}): {it}", id.0, kind(&node.op)))?;
    }
    Ok(())
}

fn verify_node(
    cell: &Cell,
    names: &Names,
    graph: &Graph,
    id: NodeId,
    node: &Node,
    role: Role,
) -> Result<(), String> {
    names.shape(&node.shape)?;
    if let Some(late) = node.args.iter().find(|it| **it >= id) {
        return Err(format!("its operand {} does not come before it", late.0));
    }
    let args: Vec<&Shape> = node.args.iter().map(|it| graph.shape(*it)).collect();
    let shape = infer(&node.op, &args, &node.shape)?;
    if shape != node.shape {
        return Err(format!("its shape is {shape}, not {}", node.shape));
    }
    match &node.op {
        Op::Literal(Literal::Scalar(value)) | Op::Gradient(Gradient::ClipGrad(value)) => {
            names.constant(value, 0)?
        }
        Op::Literal(Literal::Array(values)) => {
            for value in values {
                names.constant(value, 0)?;
            }
        }
        Op::Move(Move::Slice { from, to, .. }) => {
            names.dim(from)?;
            names.dim(to)?;
        }
        Op::Move(Move::Pad { before, after, .. }) => {
            names.dim(before)?;
            names.dim(after)?;
        }
        Op::Move(Move::Pick(index) | Move::Place(index)) => names.dim(index)?,
        // Nobody can differentiate it again.
        Op::Along(Along::ProductOfOthers(_)) if matches!(role, Role::Step | Role::Start) => {
            return Err("it stands in derived graphs only".into());
        }
        Op::Leaf(leaf) => {
            let wanted = leaf_shape(cell, *leaf, role)?;
            if *wanted != node.shape {
                return Err(format!("its shape is {wanted}, not {}", node.shape));
            }
        }
        Op::Literal(Literal::Eye | Literal::Iota)
        | Op::Map(_)
        | Op::Move(
            Move::Expand(_) | Move::Permute(_) | Move::Concat(_) | Move::Stack | Move::Reshape,
        )
        | Op::Contract(_)
        | Op::Along(_)
        | Op::Indexed(_)
        | Op::Choice(_)
        | Op::Gradient(Gradient::Guard | Gradient::Declared | Gradient::StopGrad) => {}
    }
    Ok(())
}

/// Returns the shape of a leaf, or why it may not be here.
fn leaf_shape(cell: &Cell, leaf: Leaf, role: Role) -> Result<&Shape, String> {
    let of_step = matches!(role, Role::Step | Role::DerivedStep);
    let derived = matches!(role, Role::DerivedStep | Role::DerivedStart);
    let input = |idx: usize| of_step.then(|| cell.inputs.get(idx).map(|it| &it.shape)).flatten();
    let carry = |idx: usize| cell.carries.get(idx).map(|it| &it.shape);
    let shape = match leaf {
        Leaf::Input(idx) | Leaf::Tangent(Source::Input(idx)) => input(idx),
        Leaf::Carry(idx) | Leaf::Tangent(Source::Carry(idx)) => {
            if of_step {
                carry(idx)
            } else {
                None
            }
        }
        Leaf::Param(idx) | Leaf::Tangent(Source::Param(idx)) => {
            cell.params.get(idx).map(|it| &it.shape)
        }
        Leaf::Mask(idx) => of_step.then(|| cell.masks.get(idx)).flatten().map(|it| &it.shape),
        Leaf::Forward(of) => {
            let graph = if of_step { &cell.step } else { &cell.start };
            graph.nodes().get(of.idx()).map(|it| &it.shape)
        }
        Leaf::OutputAdjoint(idx) => {
            let output = of_step.then(|| cell.outputs.get(idx)).flatten();
            output.and_then(|it| cell.step.nodes().get(it.node.idx())).map(|it| &it.shape)
        }
        Leaf::CarryAdjoint(idx) => carry(idx),
    };
    let shape = shape.filter(|_| leaf.is_of_step() || derived);
    shape.ok_or_else(|| "there is no such leaf here".to_string())
}

fn declarations(cell: &Cell) -> Result<(), String> {
    let names = Names::of(cell);
    for dim in &cell.dims {
        if dim.default.is_some_and(|it| it < 1) {
            return Err(format!("dim `{}` is less than 1", dim.name));
        }
        let known = |like: &str| cell.dims.iter().any(|it| *it.name == *like && it.like.is_none());
        if dim.like.as_ref().is_some_and(|it| !known(it)) {
            return Err(format!("dim `{}` is like one that has no size of its own", dim.name));
        }
    }
    for (_, dim) in &cell.derived {
        names.dim(dim)?;
    }
    for hyper in &cell.hypers {
        if let HyperKind::Number(value) = &hyper.kind {
            names.constant(value, 0)?;
        }
    }
    for input in &cell.inputs {
        names.shape(&input.shape)?;
        if input.index.is_some() && input.shape.rank() > 0 {
            return Err(format!("the index `{}` is no scalar", input.name));
        }
        input.index.iter().try_for_each(|it| names.dim(it))?;
        input.default.iter().try_for_each(|it| names.constant(it, 0))?;
    }
    for carry in &cell.carries {
        names.shape(&carry.shape)?;
        carry.index.iter().try_for_each(|it| names.dim(it))?;
    }
    for param in &cell.params {
        names.shape(&param.shape)?;
        names.init(&param.init, 0)?;
    }
    for mask in &cell.masks {
        names.shape(&mask.shape)?;
        names.constant(&mask.probability, 0)?;
    }
    Ok(())
}

/// Checks that carried values that depend on each other's past go through a sequence in one direction.
fn one_way(cell: &Cell) -> Result<(), String> {
    if !cell.reads_backward() {
        return Ok(());
    }
    // Carried values come after the nodes.
    let nodes = cell.step.nodes();
    let waits_for = |vertex: usize, position: usize| match nodes.get(vertex) {
        Some(node) => match (node.args.get(position), &node.op) {
            (Some(arg), _) => Some(arg.idx()),
            (None, Op::Leaf(Leaf::Carry(carry))) if position == 0 => Some(nodes.len() + carry),
            (None, _) => None,
        },
        None => (position == 0).then(|| cell.carries[vertex - nodes.len()].next.idx()),
    };
    let mut mixed = None;
    let mut found = Components::new(nodes.len() + cell.carries.len());
    for carry in 0..cell.carries.len() {
        found.visit(nodes.len() + carry, &waits_for, &mut |component| {
            let mut carries = component.iter().filter_map(|it| it.checked_sub(nodes.len()));
            if let Some(first) = carries.next() {
                let order = cell.carries[first].order;
                let other = carries.find(|it| cell.carries[*it].order != order);
                mixed = mixed.or(other.map(|it| (first, it)));
            }
        });
    }
    match mixed {
        None => Ok(()),
        Some((a, b)) => {
            let [a, b] = [a, b].map(|it| &cell.carries[it].name);
            Err(format!("`{a}` and `{b}` wait for each other and go in different directions"))
        }
    }
}

fn root<'g>(graph: &'g Graph, id: NodeId, what: &str) -> Result<&'g Shape, String> {
    match graph.nodes().get(id.idx()) {
        Some(node) => Ok(&node.shape),
        None => Err(format!("the {what} {} is no node", id.0)),
    }
}

/// The names that sizes and constants may use.
struct Names<'c> {
    dims: BTreeSet<&'c str>,
    hypers: BTreeSet<&'c str>,
}

impl Names<'_> {
    fn of(cell: &Cell) -> Names<'_> {
        let numbers = cell.hypers.iter().filter(|it| matches!(it.kind, HyperKind::Number(_)));
        Names {
            dims: cell.dims.iter().map(|it| &*it.name).collect(),
            hypers: numbers.map(|it| &*it.name).collect(),
        }
    }

    fn dim(&self, dim: &Dim) -> Result<(), String> {
        if !dim.is_normal() {
            return Err("a size is not in its normal form".into());
        }
        match dim.names().into_iter().find(|it| !self.dims.contains(&**it)) {
            Some(name) => Err(format!("`{name}` is no dim")),
            None => Ok(()),
        }
    }

    fn shape(&self, shape: &Shape) -> Result<(), String> {
        if shape.rank() > MAX_RANK {
            return Err(format!("a value has {} axes", shape.rank()));
        }
        shape.axes().iter().try_for_each(|it| self.dim(it))
    }

    fn constant(&self, value: &Const, depth: usize) -> Result<(), String> {
        match value {
            Const::Number(_) => Ok(()),
            Const::Size(dim) => self.dim(dim),
            Const::Hyper(name) if self.hypers.contains(&**name) => Ok(()),
            Const::Hyper(name) => Err(format!("`{name}` is no numeric hyper")),
            Const::Apply(op, args) => {
                applied(args.len(), op.arity(), depth)?;
                args.iter().try_for_each(|it| self.constant(it, depth + 1))
            }
        }
    }

    fn init(&self, init: &Init, depth: usize) -> Result<(), String> {
        use super::constant::Draw;
        let constant = |it: &Const| self.constant(it, depth);
        match init {
            Init::Const(value) => constant(value),
            Init::Iota(dim) => self.dim(dim),
            Init::Linspace(lo, hi) => constant(lo).and_then(|()| constant(hi)),
            Init::Draw(draw) => match draw {
                Draw::Uniform(a, b) | Draw::Normal(a, b) | Draw::LogUniform(a, b) => {
                    constant(a).and_then(|()| constant(b))
                }
                Draw::TruncatedNormal(a) | Draw::Orthogonal(a) | Draw::Identity(a) => constant(a),
                Draw::Scaled { fan_in, fan_out, .. } => {
                    fan_in.iter().chain(fan_out).try_for_each(constant)
                }
            },
            Init::Apply(op, args) => {
                applied(args.len(), op.arity(), depth)?;
                args.iter().try_for_each(|it| self.init(it, depth + 1))
            }
        }
    }
}

fn applied(given: usize, wanted: usize, depth: usize) -> Result<(), String> {
    if given != wanted {
        return Err(format!("a constant has {given} operands instead of {wanted}"));
    }
    if depth > MAX_DEPTH { Err("a constant is nested too deep".into()) } else { Ok(()) }
}

/// Returns the operator without its details, for messages.
fn kind(op: &Op) -> String {
    let text = format!("{op:?}");
    let end = text.find(['(', ' ', '{']).unwrap_or(text.len());
    text[..end].to_string()
}
