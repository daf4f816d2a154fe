//! A forward run.

use ndarray::{ArrayD, Axis, IxDyn};

use super::code::{Code, Coder, Values, threads};
use super::place::{Allocator, Kind, Packing, Place};
use crate::exec::arrays::Feed;
use crate::exec::eval::Program;
use crate::exec::kernels::{Path, Team};
use crate::exec::reference::{Call, Given, RunError};
use crate::ir::{NodeId, Op};
use crate::plan;

/// The results of a forward run, and what the backward run needs.
#[derive(Debug)]
pub struct Run<'a> {
    /// Each output, `[T, B, ...]`; 0 beyond a sequence's length.
    pub outputs: Vec<ArrayD<f32>>,
    /// Each carried value after the last step of each sequence, `[B, ...]`.
    pub states: Vec<ArrayD<f32>>,
    /// Each node that was asked for, `[T, B, ...]`; 0 beyond a sequence's length.
    pub traces: Vec<ArrayD<f32>>,
    /// Whether a NaN or an infinity stands in the results.
    pub is_finite: bool,
    pub(super) given: Given<'a, f32>,
    pub(super) packing: Packing,
    pub(super) path: Path,
    /// How many threads were asked for.
    pub(super) threads: usize,
    /// The values that are the same for all rows.
    pub(super) once: Vec<Option<crate::exec::eval::Value<f32>>>,
    /// Where the values stand that backward reads.
    pub(super) places: Vec<Option<Place>>,
    /// The carried values, before the first step and after each.
    pub(super) carries: Vec<Place>,
    pub(super) memory: Allocator,
    pub(super) data: Vec<f32>,
}

/// Runs T steps of a batch. `kept` are nodes that the backward run reads, `traces` nodes to give back;
/// `asked` is how many threads may run, 0 for as many as the processor has.
pub fn forward<'a>(
    call: Call<'a, f32>,
    kept: &[NodeId],
    traces: &[NodeId],
    path: Path,
    asked: usize,
) -> Result<Run<'a>, RunError> {
    let given = Given::check(call)?;
    let bound = call.bound;
    let cell = bound.cell();
    let graph = &cell.step;
    let program =
        Program::new(graph, bound.step_shapes(), bound.env(), &mut |_, node| given.fixed(&node.op));
    let once: Vec<_> = graph.ids().map(|it| program.known(it).cloned()).collect();
    let wanted: Vec<NodeId> = kept.iter().chain(traces).copied().collect();
    let plan = plan::forward(cell, &wanted, &|it| once[it.idx()].is_some());
    let packing = Packing::new(&given.lengths);
    let mut memory = Allocator::default();
    let mut values =
        Values::new(graph, bound.step_shapes(), bound.env(), &plan.phases, once.clone());
    let outputs = cell.outputs.iter().map(|it| it.node);
    for id in outputs.chain(wanted.iter().copied()).chain(cell.carries.iter().map(|it| it.next)) {
        values.wanted[id.idx()] = true;
    }

    // Carried values: those before the first step, then those after each.
    let mut old = Vec::new();
    let mut new = Vec::new();
    for shape in bound.carry_shapes() {
        let n: usize = shape.iter().product();
        let at = memory.take(n * (packing.width() + packing.rows()));
        old.push(Place { at, row: n, kind: Kind::Old });
        new.push(Place { at: at + n * packing.width(), row: n, kind: Kind::Each });
    }
    for id in graph.ids() {
        if let Op::Carry(carry) = graph.node(id).op {
            values.places[id.idx()] = Some(old[carry]);
        }
    }
    let mut copies: Vec<usize> = Vec::new();
    for (carry, it) in cell.carries.iter().enumerate() {
        if values.places[it.next.idx()].is_none() && values.once[it.next.idx()].is_none() {
            values.places[it.next.idx()] = Some(new[carry]);
        } else {
            copies.push(carry);
        }
    }
    for id in graph.ids().filter(|it| plan.phases[it.idx()].is_some()) {
        if graph.node(id).op.is_leaf() {
            values.place(id, &mut memory, &packing);
        }
    }

    let mut coder = Coder {
        values: &mut values,
        memory: &mut memory,
        packing: &packing,
        path,
        code: Vec::new(),
    };
    let copy = |coder: &mut Coder<'_, '_>, carry: usize| {
        let next = cell.carries[carry].next;
        let from = coder.values.place(next, coder.memory, &packing);
        let n = coder.values.len(next);
        coder.code.push(Code::Copy { from, to: new[carry], n });
    };
    // What holds back a value is copied as soon as that is there.
    let (mut pending, copies): (Vec<usize>, Vec<usize>) =
        copies.into_iter().partition(|it| plan.delays[*it]);
    let mut there: Vec<bool> = graph
        .ids()
        .map(|it| {
            let op = &graph.node(it).op;
            once[it.idx()].is_some() || (op.is_leaf() && !matches!(op, Op::Carry(_)))
        })
        .collect();
    for task in std::iter::once(None).chain(plan.before.iter().map(Some)) {
        if let Some(task) = task {
            coder.tasks(std::slice::from_ref(task));
            task.nodes().iter().for_each(|it| there[it.idx()] = true);
        }
        for id in graph.ids() {
            if let Op::Carry(carry) = graph.node(id).op
                && plan.delays[carry]
                && !pending.contains(&carry)
                && there[cell.carries[carry].next.idx()]
            {
                there[id.idx()] = true;
            }
        }
        pending.retain(|carry| {
            let next = cell.carries[*carry].next;
            let ready = there[next.idx()];
            if ready {
                copy(&mut coder, *carry);
                for id in graph.ids().filter(|it| graph.node(*it).op == Op::Carry(*carry)) {
                    there[id.idx()] = true;
                }
            }
            !ready
        });
    }
    let before = std::mem::take(&mut coder.code);
    coder.tasks(&plan.in_loop);
    for carry in copies {
        copy(&mut coder, carry);
    }
    let in_loop = std::mem::take(&mut coder.code);
    coder.tasks(&plan.after);
    let after = std::mem::take(&mut coder.code);
    // What is the same for all rows and still has no place is read by nobody but the results.
    for id in &wanted {
        values.place(*id, &mut memory, &packing);
    }
    for it in &cell.outputs {
        values.place(it.node, &mut memory, &packing);
    }
    let places = std::mem::take(&mut values.places);

    let mut data = vec![0.0f32; memory.used];
    for (value, place) in once.iter().zip(&places) {
        if let (Some(value), Some(place)) = (value, place) {
            fill(&mut data[place.at..], value.iter().copied());
        }
    }
    for id in graph.ids() {
        let Some(place) = places[id.idx()] else { continue };
        if once[id.idx()].is_some() {
            continue;
        }
        match graph.node(id).op {
            Op::Input(input) => load_input(&given, &packing, input, place, &mut data),
            Op::Mask(mask) => load_mask(&given, &packing, mask, place, &mut data),
            _ => {}
        }
    }
    for (position, sequence) in packing.order.iter().take(packing.width()).enumerate() {
        for (start, place) in given.starts(*sequence).iter().zip(&old) {
            fill(&mut data[place.at + position * place.row..], start.iter().copied());
        }
    }

    let env = bound.env();
    let threads = threads(asked, packing.rows(), [&before, &in_loop, &after]);
    Team::with(threads, |team| {
        before.iter().for_each(|it| it.run_all(&packing, env, path, team, &mut data));
        for t in 0..packing.steps() {
            in_loop.iter().for_each(|it| it.run(packing.step(t), env, path, team, &mut data));
        }
        after.iter().for_each(|it| it.run_all(&packing, env, path, team, &mut data));
    });

    let mut run = Run {
        outputs: Vec::new(),
        states: Vec::new(),
        traces: Vec::new(),
        is_finite: true,
        given,
        packing,
        path,
        threads: asked,
        once,
        places,
        carries: old,
        memory,
        data,
    };
    run.outputs = cell.outputs.iter().map(|it| run.gather(it.node)).collect::<Result<_, _>>()?;
    run.traces = traces.iter().map(|it| run.gather(*it)).collect::<Result<_, _>>()?;
    run.states = (0..cell.carries.len()).map(|it| run.last(it)).collect();
    let all = run.outputs.iter().chain(&run.states);
    run.is_finite = all.flat_map(|it| it.iter()).all(|it| it.is_finite());
    Ok(run)
}

/// Copies numbers to where they stand.
pub(super) fn fill(to: &mut [f32], from: impl Iterator<Item = f32>) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = from);
}

/// Each step of each sequence: the step, the sequence, the first number of its row.
pub(super) fn rows(packing: &Packing, place: Place) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..packing.steps()).flat_map(move |t| {
        let first = place.first(packing.step(t));
        (0..packing.active[t]).map(move |it| (t, packing.order[it], first + it * place.row))
    })
}

fn load_input(
    given: &Given<'_, f32>,
    packing: &Packing,
    input: usize,
    place: Place,
    data: &mut [f32],
) {
    let Some(feed) = &given.inputs.feeds[input] else { return };
    for (t, sequence, at) in rows(packing, place) {
        let now = feed.array().index_axis(Axis(0), t);
        match feed {
            Feed::Batch(_) => {
                fill(&mut data[at..], now.index_axis(Axis(0), sequence).iter().copied())
            }
            Feed::Shared(_) => fill(&mut data[at..], now.iter().copied()),
        }
    }
}

fn load_mask(
    given: &Given<'_, f32>,
    packing: &Packing,
    mask: usize,
    place: Place,
    data: &mut [f32],
) {
    for (t, sequence, at) in rows(packing, place) {
        fill(&mut data[at..], given.mask(mask, t, sequence).iter().copied());
    }
}

impl Run<'_> {
    /// T.
    pub fn steps(&self) -> usize {
        self.given.steps
    }

    /// B.
    pub fn batch(&self) -> usize {
        self.given.batch
    }

    /// How many steps each sequence has.
    pub fn lengths(&self) -> &[usize] {
        &self.given.lengths
    }

    /// The bits of each mask in training.
    pub fn masks(&self) -> &[ArrayD<f32>] {
        self.given.bits.as_deref().unwrap_or_default()
    }

    /// A node of every step, `[T, B, ...]`.
    fn gather(&self, id: NodeId) -> Result<ArrayD<f32>, RunError> {
        let mut all = self.given.zeros(&self.given.bound.step_shapes()[id.idx()])?;
        let Some(place) = self.places[id.idx()] else { return Ok(all) };
        let n: usize = all.shape()[2..].iter().product();
        let batch = all.shape()[1];
        if let Some(to) = all.as_slice_mut() {
            for (t, sequence, at) in rows(&self.packing, place) {
                let first = (t * batch + sequence) * n;
                to[first..first + n].copy_from_slice(&self.data[at..at + n]);
            }
        }
        Ok(all)
    }

    /// A carried value after the last step of each sequence.
    fn last(&self, carry: usize) -> ArrayD<f32> {
        let shape = &self.given.bound.carry_shapes()[carry];
        let mut all = vec![self.given.batch];
        all.extend(shape);
        let mut last = ArrayD::zeros(IxDyn(&all));
        let place = self.carries[carry];
        for (position, sequence) in self.packing.order.iter().enumerate() {
            let mut row = last.index_axis_mut(Axis(0), *sequence);
            match self.given.lengths[*sequence] {
                0 => row.assign(&self.given.starts(*sequence)[carry]),
                length => {
                    let row_of = self.packing.width() + self.packing.first[length - 1] + position;
                    let from = &self.data[place.at + row_of * place.row..];
                    row.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
        last
    }
}
