//! Back-propagation through time on packed rows.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis, IxDyn};

use super::code::{Code, Coder, Values, array, threads};
use super::forward::{Run, fill, rows};
use super::place::{Kind, Place, Rows};
use crate::derive::Adjoint;
use crate::exec::arrays::{Feed, Gradients, Upstream};
use crate::exec::bind::shapes;
use crate::exec::eval::{Program, Value, value_of};
use crate::exec::kernels::{Added, Packed, Results, Rows as Matrix, Team};
use crate::exec::reference::{Checked, RunError, finish_starts, zero_gradients};
use crate::ir::{Node, NodeId, Op};
use crate::plan::{self, Sum};

/// The gradients of a run, of which the nodes that `adjoint` reads were kept.
pub fn backward(
    run: &mut Run<'_>,
    adjoint: &Adjoint,
    upstream: &Upstream<f32>,
) -> Result<Gradients<f32>, RunError> {
    let upstream = Checked::new(&run.given, upstream)?;
    let bound = run.given.bound;
    let cell = bound.cell();
    let env = bound.env();
    let graph = &adjoint.graph;
    let graph_shapes = shapes(graph, env)?;
    let program = Program::new(graph, &graph_shapes, env, &mut |_, node| {
        if let Op::Forward(of) = node.op {
            run.once[of.idx()].clone()
        } else {
            run.given.fixed(&node.op)
        }
    });
    let once: Vec<_> = graph.ids().map(|it| program.known(it).cloned()).collect();
    let plan = plan::backward(adjoint, &|it| once[it.idx()].is_some());
    let packing = run.packing.clone();
    let mut memory = run.memory;
    let mut values = Values::new(graph, &graph_shapes, env, &plan.phases, once);

    // The adjoints of carried values, before the first step and after each.
    let carry_place = |at: usize, n: usize| {
        let old = Place { at, row: n, kind: Kind::Old };
        (old, Place { at: at + n * packing.width(), row: n, kind: Kind::Each })
    };
    let carries: Vec<(Place, Place)> = bound
        .carry_shapes()
        .iter()
        .map(|shape| {
            let n: usize = shape.iter().product();
            carry_place(memory.take(n * (packing.width() + packing.rows())), n)
        })
        .collect();
    let leaf = |wanted: &Op| {
        let mut all = cell.step.ids().filter(|it| cell.step.node(*it).op == *wanted);
        all.find_map(|it| run.places[it.idx()])
    };
    for id in graph.ids().filter(|it| values.once[it.idx()].is_none()) {
        values.places[id.idx()] = match &graph.node(id).op {
            Op::Forward(of) => run.places[of.idx()],
            Op::Carry(carry) => Some(run.carries[*carry]),
            Op::CarryAdjoint(carry) => Some(carries[*carry].1),
            op @ (Op::Input(_) | Op::Mask(_)) => leaf(op),
            _ => None,
        };
    }
    let wanted = adjoint.inputs.iter().chain(&adjoint.carries).flatten().copied();
    for id in wanted.chain(sum_operands(graph, &plan)) {
        values.wanted[id.idx()] = true;
    }
    let mut copies = Vec::new();
    for (carry, root) in adjoint.carries.iter().enumerate() {
        let Some(root) = root else { continue };
        if values.places[root.idx()].is_none() && values.once[root.idx()].is_none() {
            values.places[root.idx()] = Some(carries[carry].0);
        } else {
            copies.push((carry, *root));
        }
    }
    let mut outputs = Vec::new();
    for id in graph.ids().filter(|it| plan.phases[it.idx()].is_some()) {
        if let Op::OutputAdjoint(output) = graph.node(id).op {
            outputs.push((output, values.place(id, &mut memory, &packing)));
        }
    }
    let mut coder = Coder {
        values: &mut values,
        memory: &mut memory,
        packing: &packing,
        path: run.path,
        code: Vec::new(),
    };
    coder.tasks(&plan.before);
    let before = std::mem::take(&mut coder.code);
    coder.tasks(&plan.in_loop);
    for (carry, root) in copies {
        let from = coder.values.place(root, coder.memory, &packing);
        let n = coder.values.len(root);
        coder.code.push(Code::Copy { from, to: carries[carry].0, n });
    }
    let in_loop = std::mem::take(&mut coder.code);
    coder.tasks(&plan.after);
    let after = std::mem::take(&mut coder.code);
    for id in sum_operands(graph, &plan).into_iter().chain(adjoint.inputs.iter().flatten().copied())
    {
        values.place(id, &mut memory, &packing);
    }

    run.data.truncate(run.memory.used);
    run.data.resize(memory.used, 0.0);
    let data = &mut run.data;
    for (value, place) in values.once.iter().zip(&values.places) {
        if let (Some(value), Some(place)) = (value, place) {
            fill(&mut data[place.at..], value.iter().copied());
        }
    }
    for (output, place) in outputs {
        for (t, sequence, at) in rows(&packing, place) {
            fill(&mut data[at..], upstream.output(output, t, sequence).iter().copied());
        }
    }
    for (position, sequence) in packing.order.iter().take(packing.width()).enumerate() {
        let length = run.given.lengths[*sequence];
        for (carry, (_, new)) in carries.iter().enumerate() {
            let at = new.at + (packing.first[length - 1] + position) * new.row;
            fill(&mut data[at..], upstream.state(carry, *sequence).iter().copied());
        }
    }

    let path = run.path;
    let mut gradients = zero_gradients(&run.given);
    let threads = threads(run.threads, packing.rows(), [&before, &in_loop, &after]);
    Team::with(threads, |team| {
        let data = &mut run.data;
        before.iter().for_each(|it| it.run_all(&packing, env, path, team, data));
        for t in (0..packing.steps()).rev() {
            in_loop.iter().for_each(|it| it.run(packing.step(t), env, path, team, data));
        }
        after.iter().for_each(|it| it.run_all(&packing, env, path, team, data));
        let mut sums = Sums {
            run,
            values: &values,
            plan: &plan,
            team,
            known: BTreeMap::new(),
            packed: BTreeMap::new(),
        };
        for (gradient, root) in gradients.params.iter_mut().zip(&adjoint.params) {
            if let (Some(gradient), Some(root)) = (gradient, root) {
                gradient.assign(&sums.of(*root));
            }
        }
    });
    for ((gradient, feed), root) in
        gradients.inputs.iter_mut().zip(&run.given.inputs.feeds).zip(&adjoint.inputs)
    {
        let (Some(gradient), Some(feed), Some(root)) = (gradient, feed, root) else { continue };
        let Some(place) = values.places[root.idx()] else { continue };
        for (t, sequence, at) in rows(&packing, place) {
            let mut now = gradient.index_axis_mut(Axis(0), t);
            let row = run.data[at..].iter();
            match feed {
                Feed::Batch(_) => {
                    let mut now = now.index_axis_mut(Axis(0), sequence);
                    now.iter_mut().zip(row).for_each(|(to, from)| *to = *from);
                }
                Feed::Shared(_) => now.iter_mut().zip(row).for_each(|(to, from)| *to += *from),
            }
        }
    }
    for (carry, (old, _)) in carries.iter().enumerate() {
        let Some(start) = &mut gradients.starts[carry] else { continue };
        for (position, sequence) in packing.order.iter().enumerate() {
            let mut row = start.index_axis_mut(Axis(0), *sequence);
            if run.given.lengths[*sequence] == 0 {
                row.assign(&upstream.state(carry, *sequence));
            } else {
                let from = run.data[old.at + position * old.row..].iter();
                row.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        }
    }
    gradients.flow = flow(run, &carries, &gradients);
    finish_starts(&run.given, adjoint, &mut gradients)?;
    Ok(gradients)
}

/// The nodes that sums over all rows read row by row.
fn sum_operands(graph: &crate::ir::Graph, plan: &plan::Backward) -> Vec<NodeId> {
    let mut all = Vec::new();
    for id in graph.ids() {
        match &plan.sums[id.idx()] {
            Some(Sum::Product) => all.extend(&graph.node(id).args),
            Some(Sum::Rows) => all.push(id),
            Some(Sum::Once | Sum::Linear) | None => {}
        }
    }
    all
}

/// The norm of the adjoint of each carried value before each step and after the last.
fn flow(
    run: &Run<'_>,
    carries: &[(Place, Place)],
    gradients: &Gradients<f32>,
) -> Vec<Option<Vec<f32>>> {
    let packing = &run.packing;
    let squares = |all: &[f32]| all.iter().map(|it| it * it).sum::<f32>();
    let one = |(carry, (old, _)): (usize, &(Place, Place))| {
        // Sequences without a step count before the first one.
        let start = gradients.starts[carry].as_ref()?;
        let mut norms = vec![0.0; run.given.steps + 1];
        norms[0] = start.iter().map(|it| it * it).sum::<f32>().sqrt();
        for t in 0..packing.steps() {
            let first = old.at + (packing.width() + packing.first[t]) * old.row;
            norms[t + 1] = squares(&run.data[first..first + packing.active[t] * old.row]).sqrt();
        }
        Some(norms)
    };
    carries.iter().enumerate().map(one).collect()
}

/// Sums of values over all rows.
struct Sums<'s, 'r, 'g> {
    run: &'s Run<'r>,
    values: &'s Values<'g>,
    plan: &'s plan::Backward,
    team: &'s Team,
    known: BTreeMap<NodeId, Value<f32>>,
    /// Rows that were packed for a product over all of them, by their place and size.
    packed: BTreeMap<(usize, usize), Packed>,
}

impl Sums<'_, '_, '_> {
    fn of(&mut self, id: NodeId) -> Value<f32> {
        if let Some(sum) = self.known.get(&id) {
            return sum.clone();
        }
        let values = self.values;
        let node = values.graph.node(id);
        let shape = &values.shapes[id.idx()];
        let sum = match &self.plan.sums[id.idx()] {
            Some(Sum::Once) => {
                let count = self.run.packing.rows() as f32;
                let value = values.once[id.idx()].clone().unwrap_or_default();
                value.mapv(|it| it * count).into_shared()
            }
            Some(Sum::Linear) => {
                let args: Vec<Value<f32>> = node
                    .args
                    .iter()
                    .map(|it| match &values.once[it.idx()] {
                        Some(value) => value.clone(),
                        None => self.of(*it),
                    })
                    .collect();
                let args: Vec<&Value<f32>> = args.iter().collect();
                let leaf = &mut |_, _: &Node| unreachable!("a leaf is summed row by row");
                value_of(id, node, &args, shape, values.env, leaf)
            }
            Some(Sum::Product) => self.product(node, shape),
            Some(Sum::Rows) | None => self.rows(id, shape),
        };
        self.known.insert(id, sum.clone());
        sum
    }

    /// The rows of a node, of all steps: each run of them that follow each other without gaps.
    fn spans(&self, place: Place) -> Vec<Rows> {
        let packing = &self.run.packing;
        if place.kind == Kind::Old && !packing.is_even() {
            (0..packing.steps()).map(|it| packing.step(it)).collect()
        } else {
            vec![packing.all()]
        }
    }

    /// The sum of the rows of a node.
    fn rows(&self, id: NodeId, shape: &[usize]) -> Value<f32> {
        let n: usize = shape.iter().product();
        let mut sum = vec![0.0f32; n];
        if let Some(place) = self.values.places[id.idx()] {
            for rows in self.spans(place) {
                for row in 0..rows.count {
                    let first = place.first(rows) + row * place.row;
                    let from = &self.run.data[first..first + n];
                    sum.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
                }
            }
        }
        array(&sum, 0, shape)
    }

    /// The sum over all rows of the products of each element of one value with each of another.
    fn product(&mut self, node: &Node, shape: &[usize]) -> Value<f32> {
        let Op::Contract(labels) = &node.op else { unreachable!("a product is a contraction") };
        let [a, b] = node.args[..] else { unreachable!("a contraction has two operands") };
        let (n_a, n_b) = (self.values.len(a), self.values.len(b));
        let place = |id: NodeId| self.values.places[id.idx()];
        let (Some(of_a), Some(of_b)) = (place(a), place(b)) else {
            unreachable!("what is multiplied over all rows has a place")
        };
        let mut product = vec![0.0f32; n_a * n_b];
        let even = self.run.packing.is_even();
        let spans = if of_a.kind == Kind::Old || of_b.kind == Kind::Old {
            self.spans(Place { kind: Kind::Old, ..of_a })
        } else {
            vec![self.run.packing.all()]
        };
        for rows in spans {
            let (first_a, first_b) = (of_a.first(rows), of_b.first(rows));
            let data = &self.run.data;
            let pack = || {
                Packed::new(self.run.path, rows.count, n_b, |r, j| data[first_b + r * of_b.row + j])
            };
            let once;
            let packed = if even {
                self.packed.entry((first_b, n_b)).or_insert_with(pack)
            } else {
                once = pack();
                &once
            };
            let columns = Matrix { data, first: first_a, row: 1, step: of_a.row };
            let results = Results { data: &mut product, first: 0, row: n_b };
            packed.product(n_a, columns, results, Added::Results, self.team);
        }
        let mut axes = self.values.shapes[a.idx()].clone();
        axes.extend(&self.values.shapes[b.idx()]);
        let all = labels.left.iter().chain(&labels.right);
        let all: Vec<&u8> = all.collect();
        let order: Vec<usize> = (labels.result.iter())
            .filter_map(|it| all.iter().position(|label| *label == it))
            .collect();
        let whole = array(&product, 0, &axes);
        let turned = whole.view().permuted_axes(IxDyn(&order));
        let turned: ArrayD<f32> = turned.as_standard_layout().into_owned();
        debug_assert_eq!(turned.shape(), shape);
        turned.into_shared()
    }
}
