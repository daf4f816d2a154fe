//! Tasks of a plan as instructions on memory.

use ndarray::{ArrayD, IxDyn};

use super::place::{Allocator, Kind, Packing, Place, Rows};
use crate::exec::eval::{Value, value_of};
use crate::exec::kernels::{
    Instruction, LaneOp, MOST_REGISTERS, Operand, Packed, Path, Stream, Strip, Target, Team,
};
use crate::ir::dependence::Phase;
use crate::ir::{Contract, Dim, Env, Graph, Node, NodeId, Op};
use crate::plan::{self, Task};

/// One instruction.
#[derive(Debug)]
pub(super) enum Code {
    /// Elementwise operators.
    Strip { strip: Strip, n: usize, streams: Vec<(Place, bool)> },
    /// A product with a packed matrix.
    Product { value: Place, packed: Packed, to: Place },
    /// Rows as they are.
    Copy { from: Place, to: Place, n: usize },
    /// Any operator, row by row, as the plain interpreter does it.
    Plain { node: Node, id: NodeId, args: Vec<(Place, Vec<usize>)>, to: Place, shape: Vec<usize> },
}

/// A graph with its sizes and all that is known of its values.
pub(super) struct Values<'g> {
    pub graph: &'g Graph,
    pub shapes: &'g [Vec<usize>],
    pub env: &'g Env,
    pub phases: &'g [Option<Phase>],
    /// The values that are the same for all rows.
    pub once: Vec<Option<Value<f32>>>,
    pub places: Vec<Option<Place>>,
    /// Which nodes somebody outside of the part reads, for all steps.
    pub wanted: Vec<bool>,
    pub users: Vec<Vec<NodeId>>,
}

impl<'g> Values<'g> {
    pub fn new(
        graph: &'g Graph,
        shapes: &'g [Vec<usize>],
        env: &'g Env,
        phases: &'g [Option<Phase>],
        once: Vec<Option<Value<f32>>>,
    ) -> Values<'g> {
        let n = graph.nodes().len();
        let mut users = vec![Vec::new(); n];
        for id in graph.ids().filter(|it| phases[it.idx()].is_some()) {
            graph.node(id).args.iter().for_each(|it| users[it.idx()].push(id));
        }
        let (places, wanted) = (vec![None; n], vec![false; n]);
        Values { graph, shapes, env, phases, once, places, wanted, users }
    }

    pub fn len(&self, id: NodeId) -> usize {
        self.shapes[id.idx()].iter().product()
    }

    /// Whether a node is a number repeated, which only elementwise operators read.
    fn is_spread(&self, id: NodeId) -> Option<NodeId> {
        let node = self.graph.node(id);
        if !matches!(node.op, Op::Expand(_)) || self.wanted[id.idx()] {
            return None;
        }
        let source = node.args[0];
        let elementwise = |it: &NodeId| {
            matches!(self.graph.node(*it).op, Op::Map(_)) && self.phases[it.idx()].is_some()
        };
        (self.len(source) == 1 && self.users[id.idx()].iter().all(elementwise)).then_some(source)
    }

    /// Gives a node its place, where it has none: a row for each step where it is read outside of
    /// its part, else rows for the step that runs.
    pub fn place(&mut self, id: NodeId, memory: &mut Allocator, packing: &Packing) -> Place {
        if let Some(place) = self.places[id.idx()] {
            return place;
        }
        let n = self.len(id);
        let part = self.phases[id.idx()];
        let inner = self.users[id.idx()].iter().all(|it| self.phases[it.idx()] == part);
        let place = if part == Some(Phase::Once) {
            memory.fixed(n)
        } else if part == Some(Phase::Loop)
            && inner
            && !self.wanted[id.idx()]
            && !self.graph.node(id).op.is_leaf()
        {
            memory.local(n, packing)
        } else {
            memory.each(n, packing)
        };
        self.places[id.idx()] = Some(place);
        place
    }
}

/// Turns tasks into instructions.
pub(super) struct Coder<'v, 'g> {
    pub values: &'v mut Values<'g>,
    pub memory: &'v mut Allocator,
    pub packing: &'v Packing,
    pub path: Path,
    pub code: Vec<Code>,
}

impl Coder<'_, '_> {
    pub fn tasks(&mut self, tasks: &[Task]) {
        for task in tasks {
            match task {
                Task::Elementwise(nodes) => self.elementwise(nodes),
                Task::Products { value, nodes } => self.products(*value, nodes),
                Task::Single(id) => self.single(*id),
            }
        }
    }

    fn place(&mut self, id: NodeId) -> Place {
        self.values.place(id, self.memory, self.packing)
    }

    /// Products of one value, merged where their places are free.
    fn products(&mut self, value: NodeId, nodes: &[NodeId]) {
        let from = self.place(value);
        let (free, placed): (Vec<NodeId>, Vec<NodeId>) =
            nodes.iter().partition(|it| self.values.places[it.idx()].is_none());
        if !free.is_empty() {
            let sizes: Vec<usize> = free.iter().map(|it| self.values.len(*it)).collect();
            let n = sizes.iter().sum();
            // The widest demand of any decides for all.
            let local = free.iter().all(|it| {
                let part = self.values.phases[it.idx()];
                let inner = self.values.users[it.idx()]
                    .iter()
                    .all(|it| self.values.phases[it.idx()] == part);
                part == Some(Phase::Loop) && inner && !self.values.wanted[it.idx()]
            });
            let to = if local {
                self.memory.local(n, self.packing)
            } else {
                self.memory.each(n, self.packing)
            };
            let mut offset = 0;
            for (id, size) in free.iter().zip(&sizes) {
                self.values.places[id.idx()] = Some(to.from(offset));
                offset += size;
            }
            self.product(from, &free, to);
        }
        for id in placed {
            let to = self.place(id);
            self.product(from, &[id], to);
        }
    }

    fn product(&mut self, value: Place, nodes: &[NodeId], to: Place) {
        let matrices: Vec<Matrix> = nodes.iter().map(|it| self.matrix(*it)).collect();
        let k = matrices[0].rows.len();
        // The matrix of each column, and where the column begins.
        let columns: Vec<(&Matrix, usize)> =
            matrices.iter().flat_map(|it| it.columns.iter().map(move |at| (it, *at))).collect();
        let element = |k: usize, j: usize| {
            let (matrix, column) = columns[j];
            matrix.numbers[matrix.rows[k] + column]
        };
        let packed = Packed::new(self.path, k, columns.len(), element);
        self.code.push(Code::Product { value, packed, to });
    }

    /// The matrix of a product.
    fn matrix(&self, id: NodeId) -> Matrix {
        let node = self.values.graph.node(id);
        let Op::Contract(Contract { left, right, result }) = &node.op else {
            unreachable!("a product is a contraction")
        };
        let once = |it: NodeId| self.values.once[it.idx()].as_ref();
        let (own, value, matrix) = match once(node.args[0]) {
            Some(matrix) => (left, right, matrix),
            None => match once(node.args[1]) {
                Some(matrix) => (right, left, matrix),
                None => unreachable!("one operand of a product is known"),
            },
        };
        let sizes = matrix.shape();
        // Where each index of some axes leads, the last axis fastest.
        let offsets = |labels: &[u8]| {
            labels.iter().fold(vec![0usize], |offsets, label| {
                let axis = own.iter().position(|it| it == label).unwrap_or(0);
                let step: usize = sizes[axis + 1..].iter().product();
                let along = |at: usize| (0..sizes[axis]).map(move |it| at + it * step);
                offsets.into_iter().flat_map(along).collect()
            })
        };
        let numbers = matrix.as_standard_layout().iter().copied().collect();
        Matrix { numbers, rows: offsets(value), columns: offsets(result) }
    }

    /// A run of elementwise operators of one shape.
    fn elementwise(&mut self, nodes: &[NodeId]) {
        let position = |id: NodeId| nodes.iter().position(|it| *it == id);
        let n = self.values.len(nodes[0]);
        let mut streams: Vec<(Place, bool)> = Vec::new();
        let mut instructions = Vec::new();
        // What each register holds, and the last node that reads it.
        let mut registers: Vec<(NodeId, usize)> = Vec::new();
        for (at, id) in nodes.iter().enumerate() {
            let values = &self.values;
            let node = values.graph.node(*id);
            let Op::Map(op) = node.op else { unreachable!("only elementwise nodes are gathered") };
            let mut args = [Operand::Number(0.0); 3];
            for (slot, arg) in args.iter_mut().zip(&node.args) {
                *slot = match registers.iter().position(|it| it.0 == *arg) {
                    Some(register) => Operand::Register(register as u16),
                    None => self.operand(*arg, &mut streams),
                };
            }
            let values = &self.values;
            // A value that only this run reads stays in a register, as long as there is a free one.
            let users: Vec<Option<usize>> =
                values.users[id.idx()].iter().map(|it| position(*it)).collect();
            let inside = !users.is_empty() && users.iter().all(Option::is_some);
            let stays = inside && values.places[id.idx()].is_none() && !values.wanted[id.idx()];
            let free = registers.iter().position(|it| it.1 <= at);
            let free = free.or((registers.len() < MOST_REGISTERS).then_some(registers.len()));
            let to = match free {
                Some(register) if stays => {
                    let last = users.iter().flatten().copied().max().unwrap_or(at);
                    if register == registers.len() {
                        registers.push((*id, last));
                    } else {
                        registers[register] = (*id, last);
                    }
                    Target::Register(register as u16)
                }
                Some(_) | None => {
                    let place = self.place(*id);
                    Target::Stream(stream(&mut streams, (place, true)))
                }
            };
            instructions.push(Instruction { op: LaneOp::Map(op), args, to });
        }
        match Strip::new(instructions, streams.len() as u16) {
            Some(strip) => self.code.push(Code::Strip { strip, n, streams }),
            None => unreachable!("operands are written before they are read"),
        }
    }

    /// An operand of an elementwise operator.
    fn operand(&mut self, id: NodeId, streams: &mut Vec<(Place, bool)>) -> Operand {
        let values = &self.values;
        let source = values.is_spread(id).unwrap_or(id);
        if let (Op::Constant(_), Some(known)) =
            (&values.graph.node(source).op, &values.once[source.idx()])
            && let Some(number) = known.iter().next()
        {
            return Operand::Number(*number);
        }
        let each = source == id;
        let place = self.place(source);
        Operand::Stream(stream(streams, (place, each)))
    }

    fn single(&mut self, id: NodeId) {
        let values = &self.values;
        let node = values.graph.node(id);
        if values.is_spread(id).is_some() {
            return;
        }
        if let Some((operand, offset)) = self.part(id) {
            let whole = self.place(operand);
            // A value that must stand somewhere else, or longer than its operand, is copied.
            let ends = self.leaves_part(id, whole)
                || (self.values.wanted[id.idx()] && whole.kind != Kind::Each);
            if self.values.places[id.idx()].is_none() && !ends {
                self.values.places[id.idx()] = Some(whole.from(offset));
            } else {
                let (to, n) = (self.place(id), self.values.len(id));
                self.code.push(Code::Copy { from: whole.from(offset), to, n });
            }
            return;
        }
        if let Op::Concat(0) | Op::Stack = node.op {
            let to = self.place(id);
            let mut offset = 0;
            for arg in &node.args {
                let (from, n) = (self.place(*arg), self.values.len(*arg));
                self.code.push(Code::Copy { from, to: to.from(offset), n });
                offset += n;
            }
            return;
        }
        let args =
            node.args.iter().map(|it| (self.place(*it), self.values.shapes[it.idx()].clone()));
        let args: Vec<(Place, Vec<usize>)> = args.collect();
        let (to, shape) = (self.place(id), self.values.shapes[id.idx()].clone());
        self.code.push(Code::Plain { node: node.clone(), id, args, to, shape });
    }

    /// Whether a value in rows of one step alone is read outside of its part.
    fn leaves_part(&self, id: NodeId, whole: Place) -> bool {
        let part = self.values.phases[id.idx()];
        let users = &self.values.users[id.idx()];
        whole.kind == Kind::Local && users.iter().any(|it| self.values.phases[it.idx()] != part)
    }

    /// The operand that a node is a part of, without gaps, and where it begins.
    fn part(&self, id: NodeId) -> Option<(NodeId, usize)> {
        let graph = self.values.graph;
        if let Some(operand) = plan::alias(graph, id) {
            return Some((operand, 0));
        }
        let node = graph.node(id);
        let size = |dim: &Dim| self.values.env.size(dim).and_then(|it| usize::try_from(it).ok());
        let index = if let Op::Pick(index) = &node.op {
            size(index)?
        } else if let Op::Slice { axis: 0, from, .. } = &node.op {
            size(from)?
        } else {
            return None;
        };
        let operand = node.args[0];
        let rest: usize = self.values.shapes[operand.idx()][1..].iter().product();
        Some((operand, index * rest))
    }
}

/// The matrix of a product: element (k, j) is number `rows[k] + columns[j]`.
struct Matrix {
    numbers: Vec<f32>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

/// The position of a stream, which is added if it is new.
fn stream(streams: &mut Vec<(Place, bool)>, wanted: (Place, bool)) -> u16 {
    let at = streams.iter().position(|it| *it == wanted).unwrap_or(streams.len());
    if at == streams.len() {
        streams.push(wanted);
    }
    at as u16
}

impl Code {
    /// How many multiplications of products it has for each row.
    pub fn work(&self) -> usize {
        match self {
            Code::Product { packed, .. } => packed.size(),
            Code::Strip { .. } | Code::Copy { .. } | Code::Plain { .. } => 0,
        }
    }

    /// The places that it reads and writes.
    fn places(&self) -> Vec<Place> {
        match self {
            Code::Strip { streams, .. } => streams.iter().map(|it| it.0).collect(),
            Code::Product { value, to, .. } => vec![*value, *to],
            Code::Copy { from, to, .. } => vec![*from, *to],
            Code::Plain { args, to, .. } => {
                args.iter().map(|it| it.0).chain(std::iter::once(*to)).collect()
            }
        }
    }

    /// Runs over all steps at once; step by step where carried values do not stand without gaps.
    pub fn run_all(&self, packing: &Packing, env: &Env, path: Path, team: &Team, data: &mut [f32]) {
        let old = |it: &Place| it.kind == Kind::Old;
        if !packing.is_even() && self.places().iter().any(old) {
            (0..packing.steps()).for_each(|t| self.run(packing.step(t), env, path, team, data));
        } else {
            self.run(packing.all(), env, path, team, data);
        }
    }

    /// Runs over some rows.
    pub fn run(&self, rows: Rows, env: &Env, path: Path, team: &Team, data: &mut [f32]) {
        match self {
            Code::Strip { strip, n, streams } => {
                let streams: Vec<Stream> = streams
                    .iter()
                    .map(|(it, each)| Stream { first: it.first(rows), row: it.row, each: *each })
                    .collect();
                strip.run(path, (rows.count, *n), data, &streams, team);
            }
            Code::Product { value, packed, to } => {
                let (from, results) = (value.first(rows), to.first(rows));
                let (from, to) = ((from, value.row), (results, to.row));
                packed.product_within(rows.count, data, from, to, team);
            }
            Code::Copy { from, to, n } => {
                for row in 0..rows.count {
                    let (from, to) =
                        (from.first(rows) + row * from.row, to.first(rows) + row * to.row);
                    data.copy_within(from..from + n, to);
                }
            }
            Code::Plain { node, id, args, to, shape } => {
                for row in 0..rows.count {
                    let values: Vec<Value<f32>> = args
                        .iter()
                        .map(|(it, shape)| array(data, it.first(rows) + row * it.row, shape))
                        .collect();
                    let values: Vec<&Value<f32>> = values.iter().collect();
                    let leaf = &mut |_, _: &Node| unreachable!("a leaf is no task");
                    let value = value_of(*id, node, &values, shape, env, leaf);
                    let first = to.first(rows) + row * to.row;
                    for (to, value) in data[first..].iter_mut().zip(&value) {
                        *to = *value;
                    }
                }
            }
        }
    }
}

/// How many threads are worth their start for products over so many rows.
pub(super) fn threads(asked: usize, rows: usize, parts: [&[Code]; 3]) -> usize {
    let work: usize = parts.iter().flat_map(|it| it.iter()).map(Code::work).sum();
    if work * rows < 4_000_000 { 1 } else { Team::threads(asked) }
}

/// A value that stands in memory without gaps.
pub(super) fn array(data: &[f32], at: usize, shape: &[usize]) -> Value<f32> {
    let n: usize = shape.iter().product();
    match ArrayD::from_shape_vec(IxDyn(shape), data[at..at + n].to_vec()) {
        Ok(array) => array.into_shared(),
        Err(fault) => unreachable!("a value has the elements of its shape: {fault}"),
    }
}
