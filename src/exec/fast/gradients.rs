//! Gradients of params from sums over all rows.

use std::collections::BTreeMap;
use std::fmt;

use ndarray::{ArrayD, IxDyn};

use super::compile::{Backward, Compiled, RowSum};
use super::error::EngineError;
use super::forward::Machine;
use super::weights::{Weights, operator};
use crate::exec::eval::Value;
use crate::exec::kernels::Path;
use crate::exec::kernels::machine::{Frame, Gradient, Outer};
use crate::ir::{Contract, Env, Move, Node, NodeId, Op, Pointwise};
use crate::plan::{self, Sum};

/// A sum that is computed straight into the gradient of a param.
struct Direct {
    param: usize,
    sum: RowSum,
    /// Whether it is added to what another one left there.
    add: bool,
}

/// Where gradients of params go.
pub(super) struct Target<'g> {
    pub gradients: &'g mut [Option<ArrayD<f32>>],
    /// Whether they are added to what stands there.
    pub adds: bool,
}

/// Computes the gradients of params.
pub(super) fn param_gradients(
    compiled: &Compiled,
    program: &Backward,
    weights: &Weights,
    env: &Env,
    frame: &Frame<'_>,
    machine: Machine<'_>,
    into: Target<'_>,
) -> Result<(), EngineError> {
    let Target { gradients, adds } = into;
    let rows = frame.packing().rows();
    let mut sums =
        Sums { compiled, program, weights, env, path: machine.path, rows, known: BTreeMap::new() };
    let roots = &compiled.plan.adjoint.params;
    let mut direct: Vec<Direct> = Vec::new();
    let mut others: Vec<(usize, NodeId)> = Vec::new();
    for (param, root) in roots.iter().enumerate() {
        let (Some(root), Some(_)) = (root, &gradients[param]) else { continue };
        match sums.direct(*root) {
            Some(all) => {
                let all = all.into_iter().enumerate();
                direct.extend(all.map(|(at, sum)| Direct { param, sum, add: adds || at > 0 }));
            }
            None => others.push((param, *root)),
        }
    }
    sums.rows(&others, frame, machine)?;
    // Sums of one round go to different params.
    while !direct.is_empty() {
        let mut round: BTreeMap<usize, (RowSum, bool)> = BTreeMap::new();
        direct.retain(|it| {
            let is_next = !round.contains_key(&it.param);
            if is_next {
                round.insert(it.param, (it.sum.clone(), it.add));
            }
            !is_next
        });
        let mut jobs = Vec::new();
        for (param, gradient) in gradients.iter_mut().enumerate() {
            let (Some((sum, add)), Some(gradient)) = (round.get(&param), gradient) else {
                continue;
            };
            if let Some(to) = gradient.as_slice_mut() {
                jobs.extend(parts(sum, to).map(|it| (it, *add)));
            }
        }
        frame.sums(machine.path, &mut jobs, machine.team);
    }
    for (param, root) in others {
        if let Some(gradient) = &mut gradients[param] {
            let sum = sums.of(root)?;
            if adds { *gradient += &sum } else { gradient.assign(&sum) }
        }
    }
    Ok(())
}

/// A sum, block by block.
fn parts<'t>(sum: &RowSum, to: &'t mut [f32]) -> impl Iterator<Item = Gradient<'t>> + use<'t> {
    let mut all = Vec::new();
    match sum {
        RowSum::Outer(blocks) => {
            let mut rest = to;
            for outer in blocks {
                let (own, others) = rest.split_at_mut(outer.left.1 * outer.right.1);
                all.push(Gradient::Outer(*outer, own));
                rest = others;
            }
        }
        RowSum::Scatter(scatter) => all.push(Gradient::Scatter(*scatter, to)),
        RowSum::Columns(columns) => all.push(Gradient::Columns(*columns, to)),
    }
    all.into_iter()
}

/// Sums of nodes over all rows.
struct Sums<'s> {
    compiled: &'s Compiled,
    program: &'s Backward,
    weights: &'s Weights,
    env: &'s Env,
    path: Path,
    /// How many rows there are.
    rows: usize,
    known: BTreeMap<NodeId, Value<f32>>,
}

impl Sums<'_> {
    fn node(&self, id: NodeId) -> &Node {
        self.compiled.plan.adjoint.graph.node(id)
    }

    /// The axes of a product of two values over all rows, as the sum has them: those of one value
    /// and then those of the other, without the ones that they share.
    fn axes(labels: &Contract) -> Vec<&u8> {
        let own = |it: &&u8| !labels.left.contains(it);
        labels.left.iter().chain(labels.right.iter().filter(own)).collect()
    }

    /// How these axes stand in the node of a product; `None` where they stand in order.
    fn turned(&self, id: NodeId) -> Option<Vec<usize>> {
        let Op::Contract(labels) = &self.node(id).op else { return None };
        let all = Sums::axes(labels);
        let place = |label: &u8| all.iter().position(|it| *it == label);
        let order: Vec<usize> = labels.result.iter().filter_map(place).collect();
        (!order.is_sorted()).then_some(order)
    }

    /// The sums over rows that a node is the sum of, where each stands as it is wanted.
    fn direct(&self, root: NodeId) -> Option<Vec<RowSum>> {
        let mut all = Vec::new();
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            match (&self.compiled.plan.sums[id.idx()], &self.program.sums[id.idx()]) {
                (Some(Sum::Product), Some(RowSum::Outer(blocks))) => {
                    let swapped = |it: &Outer| Outer { left: it.right, right: it.left };
                    let blocks = match self.turned(id) {
                        None => blocks.clone(),
                        // Two groups of axes that change places.
                        Some(order) if self.swaps(id, &order) => {
                            blocks.iter().map(swapped).collect()
                        }
                        Some(_) => return None,
                    };
                    all.push(RowSum::Outer(blocks));
                }
                (Some(Sum::Scatter | Sum::Rows), Some(sum)) => all.push(sum.clone()),
                (Some(Sum::Linear), None) => match self.node(id).op {
                    Op::Map(Pointwise::Add) => open.extend(self.node(id).args.iter().rev()),
                    Op::Move(Move::Reshape) => open.extend(&self.node(id).args),
                    _ => return None,
                },
                (_, _) => return None,
            }
        }
        Some(all)
    }

    fn swaps(&self, id: NodeId, order: &[usize]) -> bool {
        let Op::Contract(labels) = &self.node(id).op else { return false };
        let shared = plan::blocks(labels).unwrap_or(0);
        let (left, all) = (labels.left.len(), labels.result.len());
        order.iter().copied().eq((0..shared).chain(left..all).chain(shared..left))
    }

    /// Computes what the sums of some roots read from rows.
    fn rows(
        &mut self,
        roots: &[(usize, NodeId)],
        frame: &Frame<'_>,
        machine: Machine<'_>,
    ) -> Result<(), EngineError> {
        let mut wanted: Vec<(NodeId, &RowSum)> = Vec::new();
        let mut seen = vec![false; self.program.sums.len()];
        let mut open: Vec<NodeId> = roots.iter().map(|it| it.1).collect();
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut seen[id.idx()], true) {
                continue;
            }
            match &self.program.sums[id.idx()] {
                Some(sum) => wanted.push((id, sum)),
                None if self.compiled.plan.sums[id.idx()] == Some(Sum::Linear) => {
                    open.extend(&self.node(id).args);
                }
                None => {}
            }
        }
        let size = |sum: &RowSum| match sum {
            RowSum::Outer(all) => all.iter().map(|it| it.left.1 * it.right.1).sum(),
            RowSum::Scatter(it) => it.table * it.value.1,
            RowSum::Columns(it) => it.value.1,
        };
        let mut targets: Vec<Vec<f32>> = wanted.iter().map(|(_, it)| vec![0.0; size(it)]).collect();
        let mut jobs: Vec<(Gradient<'_>, bool)> = Vec::new();
        for ((_, sum), to) in wanted.iter().zip(&mut targets) {
            jobs.extend(parts(sum, to).map(|it| (it, false)));
        }
        frame.sums(machine.path, &mut jobs, machine.team);
        drop(jobs);
        for ((id, sum), numbers) in wanted.into_iter().zip(targets) {
            let value = match sum {
                RowSum::Outer(_) => self.shaped(id, numbers),
                // The rows are values of the node, also of a product that shares axes.
                RowSum::Scatter(_) | RowSum::Columns(_) => {
                    self.array(id, &self.program.shapes[id.idx()], numbers)
                }
            };
            self.known.insert(id, value?);
        }
        Ok(())
    }

    /// A sum of products of two values in the shape of its node.
    fn shaped(&self, id: NodeId, numbers: Vec<f32>) -> Result<Value<f32>, EngineError> {
        let shapes = &self.program.shapes;
        let (Some(order), Op::Contract(labels)) = (self.turned(id), &self.node(id).op) else {
            return self.array(id, &shapes[id.idx()], numbers);
        };
        let args = &self.node(id).args;
        let size = |label: &u8| {
            let sides = [&labels.left, &labels.right].into_iter().zip(args);
            let found = sides.filter_map(|(side, arg)| {
                let at = side.iter().position(|it| it == label)?;
                Some(shapes[arg.idx()][at])
            });
            found.max().unwrap_or(1)
        };
        let axes: Vec<usize> = Sums::axes(labels).into_iter().map(size).collect();
        let turned = self.array(id, &axes, numbers)?.permuted_axes(IxDyn(&order));
        Ok(turned.as_standard_layout().into_owned().into_shared())
    }

    fn array(
        &self,
        id: NodeId,
        shape: &[usize],
        numbers: Vec<f32>,
    ) -> Result<Value<f32>, EngineError> {
        let array = ArrayD::from_shape_vec(IxDyn(shape), numbers);
        array.map(ArrayD::into_shared).map_err(|it| self.fault(id, it))
    }

    fn fault(&self, id: NodeId, reason: impl fmt::Display) -> EngineError {
        EngineError::at(&self.compiled.plan.adjoint.graph, id, reason)
    }

    /// The value of a node that is the same for all rows.
    fn once(&self, id: NodeId) -> Result<Value<f32>, EngineError> {
        let value = self.weights.values[id.idx()].clone();
        value.ok_or_else(|| self.fault(id, "its value for all rows was not computed"))
    }

    /// The sum of a node over all rows.
    fn of(&mut self, id: NodeId) -> Result<Value<f32>, EngineError> {
        if let Some(sum) = self.known.get(&id) {
            return Ok(sum.clone());
        }
        let sum = match &self.compiled.plan.sums[id.idx()] {
            Some(Sum::Linear) => {
                let args = self.node(id).args.clone();
                let args =
                    args.into_iter().map(|it| match self.compiled.plan.backward.once[it.idx()] {
                        true => self.once(it),
                        false => self.of(it),
                    });
                let args = args.collect::<Result<Vec<Value<f32>>, _>>()?;
                let args: Vec<&Value<f32>> = args.iter().collect();
                let shape = &self.program.shapes[id.idx()];
                operator(self.path, id, self.node(id), &args, shape, self.env)
            }
            Some(Sum::Once) => {
                let rows = self.rows as f32;
                self.once(id)?.mapv(|it| it * rows).into_shared()
            }
            Some(Sum::Product | Sum::Scatter | Sum::Rows) | None => {
                return Err(self.fault(id, "its sum over rows was not computed"));
            }
        };
        self.known.insert(id, sum.clone());
        Ok(sum)
    }
}
