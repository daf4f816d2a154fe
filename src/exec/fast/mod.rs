//! The fast engine: runs a plan on packed rows, in f32.
//!
//! What is found once stays: programs for the sizes of a cell, weights in the form in which products
//! want them for as long as the params are the same, memory and threads.

mod backward;
mod checkpoint;
mod compile;
mod elementwise;
mod emit;
mod error;
mod finite;
mod forward;
mod gradients;
mod places;
mod rows;
mod stream;
#[cfg(test)]
mod tests;
mod weights;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use error::EngineError;
pub(crate) use finite::Blame;
pub(crate) use forward::{Kept, Run};
pub(crate) use stream::Stream;

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::arrays::{Gradients, Params, Wanted, fresh};
use super::bind::Bound;
use super::kernels::Path;
use super::kernels::machine::{Memory, Packing};
use super::reference::{Call, Given, LentCall, RunError};
use super::team::Team;
use super::views::UpstreamView;
use super::workers::Workers;
use crate::derive::Adjoint;
use crate::ir::{Leaf, NodeId, Op, Real, Scope};
use crate::plan::pipeline::{self, Graphs};
use crate::plan::{self, Fixed, Plan};
use crate::text::Name;
use checkpoint::{Need, ROWS, Sizes};
use compile::Compiled;
use forward::Machine;
use weights::{Source, Weights};

/// What a plan is made for.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Key {
    fixed: Fixed,
    /// The gradients that are wanted of the backward run that follows, if one does.
    keeps: Option<Wanted>,
}

/// Weights for params of this stamp.
type Stamped = Option<(u64, Arc<Weights>)>;

/// A plan, its programs and the weights that were used last.
#[derive(Debug)]
struct Prepared {
    key: Key,
    compiled: Arc<Compiled>,
    forward: Mutex<Stamped>,
    backward: Mutex<Stamped>,
}

/// The fast engine of a cell with its sizes.
#[derive(Debug)]
pub(crate) struct Fast {
    /// A number that no other engine has.
    stamp: u64,
    bound: Bound,
    adjoint: Adjoint,
    /// Whether backward gives norms.
    flow: bool,
    traced: Vec<NodeId>,
    path: Path,
    /// True if forward looks for values that are not finite.
    finds: bool,
    /// The bytes that a run may hold.
    limit: Option<u64>,
    team: Team,
    prepared: Mutex<Vec<Arc<Prepared>>>,
    /// Memory that no run uses.
    memory: Mutex<Vec<Memory>>,
}

/// So many pieces of memory are kept for later calls.
const KEPT: usize = 4;

/// A lock whose holder cannot leave anything half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The backward step without the roots that nobody wants. A carried value whose adjoint no wanted gradient is made of, as of a
/// target that comes back as a feedback, goes with them.
fn only(mut adjoint: Adjoint, wanted: Wanted, flow: bool) -> Adjoint {
    if !wanted.inputs {
        adjoint.inputs.fill(None);
    }
    if !wanted.params {
        adjoint.params.fill(None);
    }
    let learned = adjoint.start.params.iter().any(Option::is_some);
    if wanted.starts || flow || learned {
        return adjoint;
    }
    let mut reached = vec![false; adjoint.carries.len()];
    let mut seen = vec![false; adjoint.graph.nodes().len()];
    let mut open: Vec<NodeId> =
        adjoint.inputs.iter().chain(&adjoint.params).flatten().copied().collect();
    while let Some(id) = open.pop() {
        if std::mem::replace(&mut seen[id.idx()], true) {
            continue;
        }
        let node = adjoint.graph.node(id);
        open.extend(&node.args);
        if let Op::Leaf(Leaf::CarryAdjoint(carry)) = node.op {
            reached[carry] = true;
            open.extend(adjoint.carries[carry]);
        }
    }
    for (root, _) in adjoint.carries.iter_mut().zip(reached).filter(|it| !it.1) {
        *root = None;
    }
    adjoint
}

impl Fast {
    /// An engine that gives these named values of the cell beside its outputs and, with `flow`, the
    /// norms of the states' adjoints beside the gradients that are mostly wanted.
    ///
    /// # Errors
    ///
    /// When the cell has no value of such a name, or a plan does not fit the machine.
    pub fn with(
        bound: &Bound,
        traces: &[Name],
        (flow, wanted): (bool, Wanted),
        path: Path,
        team: Team,
    ) -> Result<Fast, RunError> {
        let graphs = Graphs::new(bound.cell(), bound.env(), traces).with_flow(flow);
        let derived = graphs.run(pipeline::FAST).training();
        let (cell, adjoint) =
            derived.map_err(|it| EngineError::new(&bound.cell().step, None, it))?;
        let node = |name: &Name| {
            let value = cell.values.iter().find(|it| it.name == *name);
            value.map(|it| it.node).ok_or_else(|| RunError::unknown_value(&cell, name))
        };
        let traced = traces.iter().map(node).collect::<Result<Vec<NodeId>, RunError>>()?;
        let bound = bound.with(&cell).map_err(|it| EngineError::new(&cell.step, None, it))?;
        let fast = Fast {
            stamp: fresh(),
            bound,
            adjoint,
            flow,
            traced,
            path,
            finds: true,
            limit: None,
            team,
            prepared: Mutex::default(),
            memory: Mutex::default(),
        };
        // All inputs given is what mostly comes.
        fast.prepare(Key { fixed: fast.streamed(), keeps: Some(wanted) })?;
        Ok(fast)
    }

    #[cfg(test)]
    pub fn new(
        bound: &Bound,
        traces: &[Name],
        path: Path,
        threads: usize,
    ) -> Result<Fast, RunError> {
        Fast::with(bound, traces, (false, Wanted::ALL), path, Team::new(threads))
    }

    /// The same engine, whose runs hold so many bytes at most.
    pub fn within(self, limit: Option<u64>) -> Fast {
        Fast { limit, ..self }
    }

    /// The same engine, which looks for what is not finite or does not.
    pub fn finding(self, finds: bool) -> Fast {
        Fast { finds, ..self }
    }

    /// The cell that runs: that of the caller, simplified.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The backward step that runs.
    pub fn adjoint(&self) -> &Adjoint {
        &self.adjoint
    }

    fn machine(&self) -> Machine<'_> {
        Machine { path: self.path, team: self.team.threads(), finds: self.finds }
    }

    /// The threads and the vectors.
    pub fn workers(&self) -> Workers<'_> {
        let Machine { path, team, finds: _ } = self.machine();
        Workers::new(path, team)
    }

    /// The programs for what is given.
    fn prepare(&self, key: Key) -> Result<Arc<Prepared>, EngineError> {
        let mut all = lock(&self.prepared);
        if let Some(known) = all.iter().find(|it| it.key == key) {
            return Ok(Arc::clone(known));
        }
        let cell = self.bound.cell();
        let adjoint = match key.keeps {
            Some(wanted) => only(self.adjoint.clone(), wanted, self.flow),
            None => self.adjoint.clone(),
        };
        let mut plan = Plan::of(cell, &adjoint, &key.fixed, &self.traced);
        if key.keeps.is_none() {
            plan.forward = plan::forward(cell, &key.fixed, &self.traced);
        }
        let compiled = Compiled::new(&self.bound, plan, &self.traced, key.keeps)?;
        let prepared = Arc::new(Prepared {
            key,
            compiled: Arc::new(compiled),
            forward: Mutex::default(),
            backward: Mutex::default(),
        });
        all.push(Arc::clone(&prepared));
        Ok(prepared)
    }

    fn prepare_for(
        &self,
        given: &Given<'_, f32>,
        keeps: Option<Wanted>,
    ) -> Result<Arc<Prepared>, EngineError> {
        let inputs = given.inputs.feeds.iter().map(Option::is_none).collect();
        let masks = given.bits.is_none();
        self.prepare(Key { fixed: Fixed { inputs, masks }, keeps })
    }

    /// Runs T steps of a batch, and keeps what a backward run needs for the gradients that are wanted.
    pub fn forward<'a>(
        &self,
        call: impl Into<LentCall<'a, f32>>,
        keeps: Option<Wanted>,
    ) -> Result<Run<'a>, RunError> {
        let given = Given::check(call)?;
        let prepared = self.prepare_for(&given, keeps)?;
        let weights = self.forward_weights(&prepared, &given)?;
        let compiled = Arc::clone(&prepared.compiled);
        let need = self.divide(&given, &compiled)?;
        let memory = self.take_for(need.map(|it| it.forward));
        let (traced, machine) = (&self.traced, self.machine());
        let length = need.map(|it| it.length);
        match length.filter(|it| given.lengths.iter().any(|all| all > it)) {
            None => forward::forward(given, compiled, weights, memory, traced, machine),
            Some(it) => checkpoint::forward(given, compiled, weights, memory, traced, machine, it),
        }
    }

    /// What steps of a batch need, one at a time, from the starts of a call of one step.
    pub fn stream(&self, call: LentCall<'_, f32>) -> Result<Stream, RunError> {
        let given = Given::check(call)?;
        let prepared = self.prepare_for(&given, None)?;
        let weights = self.forward_weights(&prepared, &given)?;
        let compiled = Arc::clone(&prepared.compiled);
        Ok(Stream::new(self.stamp, &given, compiled, weights, self.machine()))
    }

    /// Whether a stream is one of this engine.
    pub fn is_own(&self, stream: &Stream) -> bool {
        stream.engine() == self.stamp
    }

    /// One step of a stream of this engine: reads `[B, ...]` of each input, writes `[B, ...]` of each
    /// output.
    pub fn step<F: Real>(
        &self,
        params: &Params<f32>,
        inputs: &[ArrayViewD<'_, F>],
        stream: &mut Stream,
        outputs: &mut [ArrayD<f32>],
    ) -> Result<(), RunError> {
        if stream.stamp() != params.stamp() {
            let key = Key { fixed: self.streamed(), keeps: None };
            let prepared = self.prepare(key)?;
            // What a step of zeros would be given says what is the same for all steps.
            let shapes = self.bound.input_shapes().iter().zip(&self.bound.cell().inputs);
            let feeds = shapes.map(|(it, input)| {
                let outer = if input.per_sequence { &[1][..] } else { &[1, 1] };
                let whole: Vec<usize> = [outer, &it[..]].concat();
                Some(super::Feed::Batch(ArrayD::zeros(IxDyn(&whole))))
            });
            let mut inputs = super::Inputs::new(feeds.collect());
            inputs.steps = Some(1);
            let state = super::InitialState::declared(self.bound.cell().carries.len());
            let masks = super::Masks::Eval;
            let bound = &self.bound;
            let call = Call { bound, params, inputs: &inputs, state: &state, masks: &masks };
            let given = Given::check(call)?;
            stream.renew(params.stamp(), self.forward_weights(&prepared, &given)?);
        }
        stream.step(inputs, outputs, self.machine());
        Ok(())
    }

    /// All inputs are given at every step.
    fn streamed(&self) -> Fixed {
        Fixed { inputs: vec![false; self.bound.cell().inputs.len()], masks: true }
    }

    /// The carried values of a stream, `[B, ...]`.
    pub fn states(&self, stream: &mut Stream) -> Vec<ArrayD<f32>> {
        stream.states(self.bound.carry_shapes(), self.machine().team.parts())
    }

    /// The gradients of a run.
    pub fn backward(
        &self,
        run: &mut Run<'_>,
        upstream: &UpstreamView<'_, f32>,
    ) -> Result<Gradients<f32>, RunError> {
        let weights = self.backward_weights(run)?;
        let need = self.divide(&run.given, &run.compiled)?;
        let mut memory = self.take_for(need.map(|it| it.backward));
        run.flow = self.flow;
        let backward = match run.checkpoints {
            None => backward::backward,
            Some(_) => checkpoint::backward,
        };
        let gradients = backward(run, &weights, &mut memory, upstream, self.machine());
        self.give(memory);
        gradients.map(|it| it.only(run.compiled.wanted))
    }

    /// The last step at which an adjoint is not finite: computes the gradients of a run once more.
    pub fn blame(
        &self,
        run: &mut Run<'_>,
        upstream: &UpstreamView<'_, f32>,
    ) -> Result<Option<Blame>, RunError> {
        (run.looks, run.blame) = (true, None);
        let done = self.backward(run, upstream);
        run.looks = false;
        done.map(|_| run.blame.take())
    }

    /// Takes back the memory of a run that is over.
    pub fn end(&self, run: Kept) {
        self.give(run.into_memory());
    }

    fn take(&self) -> Memory {
        lock(&self.memory).pop().unwrap_or_default()
    }

    /// Memory for so many numbers: where a run may not hold as much as it likes, no larger one, and
    /// no other one is kept beside it.
    fn take_for(&self, numbers: Option<usize>) -> Memory {
        let Some(numbers) = numbers.filter(|_| self.limit.is_some()) else { return self.take() };
        let mut all = lock(&self.memory);
        match all.iter().position(|it| it.numbers() == numbers) {
            Some(at) => all.swap_remove(at),
            None => {
                all.clear();
                Memory::default()
            }
        }
    }

    /// How a run is divided into segments; `None` where nobody asks.
    fn divide(
        &self,
        given: &Given<'_, f32>,
        compiled: &Compiled,
    ) -> Result<Option<Need>, RunError> {
        let keeps = compiled.backward.is_some();
        if self.limit.is_none() && (keeps || given.lengths.iter().sum::<usize>() <= ROWS) {
            return Ok(None);
        }
        let packing = Packing::new(&given.lengths);
        let parts = self.machine().team.parts();
        let sizes = Sizes { given, compiled, packing: &packing, parts };
        sizes.divide(self.limit).map(Some)
    }

    fn give(&self, memory: Memory) {
        let mut all = lock(&self.memory);
        if all.len() < KEPT && memory.numbers() > 0 {
            all.push(memory);
        }
    }

    /// Whether a mask with bits drawn for a run makes weights differ from run to run.
    fn are_lasting(&self, given: &Given<'_, f32>) -> bool {
        given.bits.is_none() || !self.bound.cell().masks.iter().any(|it| it.scope == Scope::Run)
    }

    fn forward_weights(
        &self,
        prepared: &Prepared,
        given: &Given<'_, f32>,
    ) -> Result<Arc<Weights>, EngineError> {
        let program = &prepared.compiled.forward;
        self.weights(&prepared.forward, given, |weights| {
            let source = Source {
                path: self.path,
                graph: &self.bound.cell().step,
                shapes: self.bound.step_shapes(),
                env: self.bound.env(),
                params: given.params.arrays(),
                leaf: &|op| given.fixed(op),
            };
            let mut weights = weights.unwrap_or_else(|| Weights::new(&program.program, self.path));
            weights.fill(&program.needs, &source, self.machine().team)?;
            Ok(weights)
        })
    }

    fn backward_weights(&self, run: &Run<'_>) -> Result<Arc<Weights>, EngineError> {
        let (given, compiled) = (&run.given, &run.compiled);
        let Some(program) = &compiled.backward else { return Ok(Arc::default()) };
        let prepared = lock(&self.prepared);
        let own = prepared.iter().find(|it| Arc::ptr_eq(&it.compiled, compiled)).cloned();
        drop(prepared);
        let none = Mutex::default();
        let slot = own.as_ref().map_or(&none, |it| &it.backward);
        self.weights(slot, given, |weights| {
            let leaf = |op: &Op| match op {
                Op::Leaf(Leaf::Forward(of)) => run.weights.values[of.idx()]
                    .clone()
                    .or_else(|| given.fixed(&self.bound.cell().step.node(*of).op)),
                op => given.fixed(op),
            };
            let source = Source {
                path: self.path,
                graph: &compiled.plan.adjoint.graph,
                shapes: &program.shapes,
                env: self.bound.env(),
                params: given.params.arrays(),
                leaf: &leaf,
            };
            let mut weights = weights.unwrap_or_else(|| Weights::new(&program.program, self.path));
            weights.fill(&program.needs, &source, self.machine().team)?;
            Ok(weights)
        })
    }

    /// The weights for the params of a call: those that are there, or new ones in their place.
    fn weights(
        &self,
        slot: &Mutex<Stamped>,
        given: &Given<'_, f32>,
        fill: impl FnOnce(Option<Weights>) -> Result<Weights, EngineError>,
    ) -> Result<Arc<Weights>, EngineError> {
        let stamp = given.stamp;
        let lasting = self.are_lasting(given);
        let mut slot = lock(slot);
        let old = match slot.take() {
            Some((known, weights)) if known == stamp && lasting => {
                *slot = Some((known, Arc::clone(&weights)));
                return Ok(weights);
            }
            // Memory that no run reads any more is written anew.
            Some((_, weights)) => Arc::try_unwrap(weights).ok(),
            None => None,
        };
        let weights = Arc::new(fill(old)?);
        if lasting {
            *slot = Some((stamp, Arc::clone(&weights)));
        }
        Ok(weights)
    }
}
