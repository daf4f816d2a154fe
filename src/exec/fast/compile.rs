//! Plans as programs, once for the sizes of a cell: neither the batch nor the steps matter.

use super::emit::Emitter;
use super::error::EngineError;
use super::places::{FIXED, Places};
use super::weights::Needs;
use crate::exec::arrays::Wanted;
use crate::exec::bind::{Bound, shapes};
use crate::exec::kernels::machine::{
    Columns, Extent, Outer, Place, Program, Rows, Scatter, Unsound,
};
use crate::ir::{Graph, Leaf, NodeId, Op};
use crate::plan::{self, Plan, Sum};

/// A forward pass.
#[derive(Debug)]
pub(super) struct Forward {
    pub program: Program,
    pub needs: Needs,
    /// Where each node stands, if it stands anywhere.
    pub places: Vec<Option<Place>>,
    /// The buffer of each given input, and of each mask that differs from row to row.
    pub inputs: Vec<Option<usize>>,
    pub masks: Vec<Option<usize>>,
    /// The buffer of each carried value.
    pub carries: Vec<usize>,
}

/// A sum over all rows of a node of the backward step.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum RowSum {
    /// Products, one block after the other.
    Outer(Vec<Outer>),
    Scatter(Scatter),
    Columns(Columns),
}

/// Numbers of each row of a buffer of the forward pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Kept {
    pub buffer: usize,
    pub from: usize,
    pub n: usize,
}

/// A backward pass.
#[derive(Debug)]
pub(super) struct Backward {
    pub program: Program,
    pub needs: Needs,
    pub shapes: Vec<Vec<usize>>,
    /// Where each node stands, if it stands anywhere.
    pub places: Vec<Option<Place>>,
    /// What it reads of the forward pass, each number once.
    pub kept: Vec<Kept>,
    /// The buffers that are those of the forward pass, and which.
    pub lent: Vec<(usize, usize)>,
    /// The buffer of the adjoint of each output that is read.
    pub outputs: Vec<(usize, usize)>,
    /// The buffer of the adjoint of each carried value.
    pub carries: Vec<usize>,
    /// For each node the sum over all rows that is found without its operands' sums.
    pub sums: Vec<Option<RowSum>>,
}

/// A plan and its programs.
#[derive(Debug)]
pub(super) struct Compiled {
    pub plan: Plan,
    pub forward: Forward,
    pub backward: Option<Backward>,
    /// The gradients that backward gives.
    pub wanted: Wanted,
}

impl Compiled {
    /// Compiles a plan for the sizes of a bound cell; `traced` are nodes that are given back.
    pub fn new(
        bound: &Bound,
        plan: Plan,
        traced: &[NodeId],
        keeps: Option<Wanted>,
    ) -> Result<Compiled, EngineError> {
        let kept = if keeps.is_some() { plan.kept.clone() } else { Vec::new() };
        let wanted: Vec<NodeId> = kept.iter().chain(traced).copied().collect();
        let forward = forward(bound, &plan, &wanted)?;
        let backward = keeps.map(|_| backward(bound, &plan, &forward)).transpose()?;
        Ok(Compiled { plan, forward, backward, wanted: keeps.unwrap_or_default() })
    }
}

/// What is wrong with a program, told by the node whose value stands where it goes wrong.
fn unsound(graph: &Graph, places: &[Option<Place>], fault: Unsound) -> EngineError {
    let at_fault = |it: &NodeId| fault.target.is_some() && places[it.idx()] == fault.target;
    EngineError::new(graph, graph.ids().find(at_fault), fault.reason)
}

fn forward(bound: &Bound, plan: &Plan, wanted: &[NodeId]) -> Result<Forward, EngineError> {
    let cell = bound.cell();
    let graph = &cell.step;
    let pass = &plan.forward;
    let outputs = cell.outputs.iter().map(|it| it.node);
    let nexts = cell.carries.iter().map(|it| it.next);
    let mut read = outputs.clone().chain(nexts).chain(wanted.iter().copied());
    let mut places = Places::new(graph, bound.step_shapes(), bound.env(), pass, &mut read);
    let len = |shape: &Vec<usize>| shape.iter().product::<usize>();
    let carries: Vec<usize> = bound
        .carry_shapes()
        .iter()
        .map(|it| places.buffer(len(it), Extent::Carried, true))
        .collect();
    let mut inputs: Vec<Option<usize>> = vec![None; cell.inputs.len()];
    let mut masks: Vec<Option<usize>> = vec![None; cell.masks.len()];
    for id in graph.ids().filter(|it| !pass.once[it.idx()]) {
        let each = |places: &mut Places<'_>, slot: &mut Option<usize>| {
            let width = places.len(id);
            let buffer = *slot.get_or_insert_with(|| places.buffer(width, Extent::Each, false));
            places.put(id, Place { buffer, offset: 0, rows: Rows::Each });
        };
        if let Op::Leaf(Leaf::Carry(carry)) = graph.node(id).op {
            let rows = Rows::read(cell.carries[carry].order);
            places.put(id, Place { buffer: carries[carry], offset: 0, rows });
        } else if let Op::Leaf(Leaf::Input(input)) = graph.node(id).op {
            each(&mut places, &mut inputs[input]);
        } else if let Op::Leaf(Leaf::Mask(mask)) = graph.node(id).op {
            each(&mut places, &mut masks[mask]);
        }
    }
    let next = next_rows(&mut places, cell.carries.iter().map(|it| Some(it.next)), |carry| Place {
        buffer: carries[carry],
        offset: 0,
        rows: Rows::written(cell.carries[carry].order),
    });
    let mut emitter = Emitter::new(&mut places, next);
    let parts = emitter.stages(&pass.stages)?;
    let (packs, fillings) = (emitter.packs, emitter.fillings);
    for id in outputs.chain(wanted.iter().copied()) {
        places.place(id);
    }
    let once = wanted.iter().copied().filter(|it| pass.once[it.idx()]);
    let needs = Needs { fixed: places.fixed.clone(), fillings, others: once.collect() };
    let known: Vec<Option<Place>> = graph.ids().map(|it| places.known(it)).collect();
    let program = Program::new(places.buffers, packs, parts);
    let program = program.map_err(|it| unsound(graph, &known, it))?;
    Ok(Forward { program, needs, places: known, inputs, masks, carries })
}

/// For each carried value the node that gives its next row and where that row is. A node that is
/// computed for this alone is computed there.
fn next_rows(
    places: &mut Places<'_>,
    nexts: impl Iterator<Item = Option<NodeId>>,
    row: impl Fn(usize) -> Place,
) -> Vec<Option<(NodeId, Place)>> {
    let mut all = Vec::new();
    for (carry, next) in nexts.enumerate() {
        let Some(next) = next else {
            all.push(None);
            continue;
        };
        let to = row(carry);
        if let Some(base) = places.whole(next)
            && places.is_free(base)
            && !places.pass.per_sequence[base.idx()]
        {
            places.put(base, to);
        }
        all.push(Some((next, to)));
    }
    all
}

fn backward(bound: &Bound, plan: &Plan, forward: &Forward) -> Result<Backward, EngineError> {
    let cell = bound.cell();
    let adjoint = &plan.adjoint;
    let graph = &adjoint.graph;
    let pass = &plan.backward;
    let shapes = shapes(graph, bound.env()).map_err(|it| EngineError::new(graph, None, it))?;
    let summed = plan::row_operands(graph, &plan.sums);
    let asked = || adjoint.inputs.iter().chain(&adjoint.nexts).flatten().copied();
    let roots = || asked().chain(adjoint.carries.iter().flatten().copied());
    let mut read = roots().chain(summed.iter().copied());
    let mut places = Places::new(graph, &shapes, bound.env(), pass, &mut read);
    let carries: Vec<usize> = bound
        .carry_shapes()
        .iter()
        .map(|it| places.buffer(it.iter().product(), Extent::Carried, true))
        .collect();
    let mut lent: Vec<(usize, usize)> = Vec::new();
    let mut read_before: Vec<Kept> = Vec::new();
    let mut outputs: Vec<(usize, usize)> = Vec::new();
    // Where the forward pass has inputs and masks, and our own buffers for its own.
    let mut inputs: Vec<Option<Place>> = vec![None; cell.inputs.len()];
    let mut masks: Vec<Option<Place>> = vec![None; cell.masks.len()];
    for id in cell.step.ids() {
        let slot = match cell.step.node(id).op {
            Op::Leaf(Leaf::Input(input)) => &mut inputs[input],
            Op::Leaf(Leaf::Mask(mask)) => &mut masks[mask],
            _ => continue,
        };
        *slot = slot.or(forward.places[id.idx()]);
    }
    let mut lent_as: Vec<Option<usize>> = vec![None; forward.program.buffers().len()];
    let mut outputs_as: Vec<Option<usize>> = vec![None; cell.outputs.len()];
    for id in graph.ids().filter(|it| !pass.once[it.idx()]) {
        let op = &graph.node(id).op;
        let of_forward = match op {
            Op::Leaf(Leaf::Forward(of)) => forward.places[of.idx()],
            Op::Leaf(Leaf::Carry(carry)) => {
                let rows = Rows::read(cell.carries[*carry].order);
                Some(Place { buffer: forward.carries[*carry], offset: 0, rows })
            }
            Op::Leaf(Leaf::Input(input)) => inputs[*input],
            Op::Leaf(Leaf::Mask(mask)) => masks[*mask],
            _ => None,
        };
        if let Some(place) = of_forward {
            if place.buffer == FIXED {
                let reason = "backward reads it row by row, and forward has one for all rows";
                let (graph, id) = match op {
                    Op::Leaf(Leaf::Forward(of)) => (&cell.step, *of),
                    _ => (graph, id),
                };
                return Err(EngineError::new(graph, Some(id), reason));
            }
            let buffer = *lent_as[place.buffer].get_or_insert_with(|| {
                let own = forward.program.buffers()[place.buffer];
                let buffer = places.buffer(own.width, own.extent, false);
                lent.push((buffer, place.buffer));
                buffer
            });
            places.put(id, Place { buffer, ..place });
            if pass.needed[id.idx()] {
                let (from, n) = (place.offset, places.len(id));
                read_before.push(Kept { buffer: place.buffer, from, n });
            }
        } else if let Op::Leaf(Leaf::CarryAdjoint(carry)) = op {
            let rows = Rows::read(cell.carries[*carry].order.reversed());
            places.put(id, Place { buffer: carries[*carry], offset: 0, rows });
        } else if let Op::Leaf(Leaf::OutputAdjoint(output)) = op {
            let width = places.len(id);
            let buffer = *outputs_as[*output].get_or_insert_with(|| {
                let buffer = places.buffer(width, Extent::Each, false);
                outputs.push((*output, buffer));
                buffer
            });
            places.put(id, Place { buffer, offset: 0, rows: Rows::Each });
        }
    }
    let next = next_rows(&mut places, adjoint.carries.iter().copied(), |carry| Place {
        buffer: carries[carry],
        offset: 0,
        rows: Rows::written(cell.carries[carry].order.reversed()),
    });
    let mut emitter = Emitter::new(&mut places, next);
    let parts = emitter.stages(&pass.stages)?;
    let (packs, fillings) = (emitter.packs, emitter.fillings);
    for id in summed.iter().copied().chain(asked()) {
        places.place(id);
    }
    let sums = graph.ids().map(|id| row_sum(&mut places, graph, plan, id)).collect();
    let needs = Needs { fixed: places.fixed.clone(), fillings, others: once_in_sums(graph, plan) };
    let known: Vec<Option<Place>> = graph.ids().map(|it| places.known(it)).collect();
    let program = Program::new(places.buffers, packs, parts);
    let program = program.map_err(|it| unsound(graph, &known, it))?;
    let kept = apart(read_before);
    Ok(Backward { kept, program, needs, shapes, places: known, lent, outputs, carries, sums })
}

/// The same numbers, each once.
fn apart(mut all: Vec<Kept>) -> Vec<Kept> {
    all.sort_unstable();
    let mut apart: Vec<Kept> = Vec::new();
    for it in all {
        let end = it.from + it.n;
        match apart.last_mut() {
            Some(last) if last.buffer == it.buffer && it.from <= last.from + last.n => {
                last.n = last.n.max(end - last.from);
            }
            Some(_) | None => apart.push(it),
        }
    }
    apart
}

/// The values that sums over all rows read and that are the same for all.
fn once_in_sums(graph: &Graph, plan: &Plan) -> Vec<NodeId> {
    let once = |it: &NodeId| plan.backward.once[it.idx()];
    let mut all = Vec::new();
    for id in graph.ids() {
        match &plan.sums[id.idx()] {
            Some(Sum::Once) => all.push(id),
            Some(Sum::Linear | Sum::Product | Sum::Scatter | Sum::Rows) => {
                all.extend(graph.node(id).args.iter().copied().filter(once));
            }
            None => {}
        }
    }
    all
}

/// The sum over the rows of a node, if it is found from rows.
fn row_sum(places: &mut Places<'_>, graph: &Graph, plan: &Plan, id: NodeId) -> Option<RowSum> {
    match &plan.sums[id.idx()] {
        Some(Sum::Product) => {
            let node = graph.node(id);
            let ([left, right], Op::Contract(labels)) = (&node.args[..], &node.op) else {
                return None;
            };
            let sizes = |places: &Places<'_>, id: NodeId| -> usize {
                places.shapes[id.idx()][..plan::blocks(labels).unwrap_or(0)].iter().product()
            };
            let count = sizes(places, *left);
            let whole = [*left, *right].map(|it| (places.place(it), places.len(it)));
            let block = |(place, len): (Place, usize), at: usize| {
                let len = len / count.max(1);
                (Place { offset: place.offset + at * len, ..place }, len)
            };
            let one = |at: usize| Outer { left: block(whole[0], at), right: block(whole[1], at) };
            Some(RowSum::Outer((0..count).map(one).collect()))
        }
        Some(Sum::Scatter) => {
            let [value, index] = graph.node(id).args[..] else { return None };
            Some(RowSum::Scatter(Scatter {
                value: (places.place(value), places.len(value)),
                index: places.place(index),
                table: places.shapes[id.idx()].first().copied().unwrap_or(0),
            }))
        }
        Some(Sum::Rows) => {
            Some(RowSum::Columns(Columns { value: (places.place(id), places.len(id)) }))
        }
        Some(Sum::Once | Sum::Linear) | None => None,
    }
}
