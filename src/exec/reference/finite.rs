//! The first number that is none.

use std::fmt;

use ndarray::ArrayD;

use super::super::arrays::Gradients;
use super::super::bind::Bound;
use super::super::eval::{Program, Value};
use super::cause::{Known, Past, cause};
use super::given::Given;
use crate::derive::Adjoint;
use crate::diag::Code;
use crate::ir::{Cell, NamedValue, NodeId, Real, ValueKind};
use crate::plan::{self, When};
use crate::text::Name;

/// A NaN, or an infinity where there must be none.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{name} is {value}{place}{}", self.symptom())]
pub struct NotFinite {
    /// The name of the value, such as `` `z` `` or `` the gradient of `W` ``.
    pub name: String,
    /// NaN, inf or -inf.
    pub value: f64,
    /// The position in the value.
    pub place: Place,
    /// The finding that this is the cause of: a NaN, or an infinite output.
    pub so: Option<Box<NotFinite>>,
}

/// The position of an element; shown as ` at step 3, sequence 0, unit [1]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The step, from 0; none for what belongs to no step.
    pub step: Option<usize>,
    /// The sequence, from 0; none for what belongs to no sequence.
    pub sequence: Option<usize>,
    /// The position within the value.
    pub unit: Vec<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.step.map(|it| format!("step {it}")),
            self.sequence.map(|it| format!("sequence {it}")),
            // A scalar has no units.
            (!self.unit.is_empty()).then(|| format!("unit {:?}", self.unit)),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        // The gradient of a scalar param has no place but itself.
        if parts.is_empty() { Ok(()) } else { write!(f, " at {}", parts.join(", ")) }
    }
}

impl NotFinite {
    /// Returns the stable code.
    pub fn code(&self) -> Code {
        Code::NotFinite
    }

    fn at(
        name: String,
        value: f64,
        (step, sequence, unit): (usize, usize, Vec<usize>),
    ) -> NotFinite {
        let place = Place { step: Some(step), sequence: Some(sequence), unit };
        NotFinite { name, value, place, so: None }
    }

    /// Describes the consequence, with the position only where it is another one.
    fn symptom(&self) -> String {
        let Some(so) = &self.so else { return String::new() };
        let step = so.place.step.filter(|_| so.place.step != self.place.step);
        let sequence = so.place.sequence.filter(|_| so.place.sequence != self.place.sequence);
        let place = Place { step, sequence, unit: Vec::new() };
        format!(", so {} is {}{place}", so.name, so.value)
    }

    /// Returns a position of a value of this shape, at one step of one sequence.
    pub(crate) fn at_step(
        name: &str,
        value: f64,
        step: usize,
        sequence: usize,
        position: usize,
        shape: &[usize],
    ) -> NotFinite {
        let mut rest = position;
        let mut unit = vec![0; shape.len()];
        for (at, size) in unit.iter_mut().zip(shape).rev() {
            (*at, rest) = (rest % size.max(&1), rest / size.max(&1));
        }
        let place = Place { step: Some(step), sequence: Some(sequence), unit };
        NotFinite { name: format!("`{name}`"), value, place, so: None }
    }
}

/// Returns the first element that `wrong` finds, with its position.
fn first<F: Real>(values: &Value<F>, wrong: fn(f64) -> bool) -> Option<(Vec<usize>, f64)> {
    let found = values.indexed_iter().map(|(at, it)| (at, Real::to_f64(*it)));
    let mut found = found.filter(|(_, it)| wrong(*it));
    found.next().map(|(at, it)| (ndarray::Dimension::slice(&at).to_vec(), it))
}

/// Looks through the named values of a step, each after those that it is made of, and keeps what it finds when it is earlier
/// than what was found before.
pub(super) fn look<F: Real>(
    found: &mut Option<NotFinite>,
    cell: &Cell,
    values: &[Value<F>],
    step: usize,
    sequence: usize,
) {
    if found.as_ref().is_some_and(|it| it.place.step.is_some_and(|it| it <= step)) {
        return;
    }
    if let Some((_, name, unit, value)) = first_of(looked_at(cell), values, None) {
        *found = Some(NotFinite::at(format!("`{name}`"), value, (step, sequence, unit)));
    }
}

/// Returns the values that are looked at, each after those that it is made of, and what is wrong in each.
fn looked_at(cell: &Cell) -> impl Iterator<Item = (&Name, NodeId, Wrong)> {
    let nan: Wrong = |it| it.is_nan();
    // A state is declared before what it is made of.
    let mut named: Vec<&NamedValue> = cell.values.iter().collect();
    named.sort_by_key(|it| (it.node, it.kind == ValueKind::State));
    let named = named.into_iter().map(move |it| (&it.name, it.node, nan));
    // Values that are carried and have no name of their own, such as the past of an expression.
    let carried = cell.carries.iter().map(move |it| (&it.name, it.next, nan));
    let infinite: Wrong = |it| !it.is_finite();
    let outputs = cell.outputs.iter().map(move |it| (&it.name, it.node, infinite));
    named.chain(carried).chain(outputs)
}

/// Tells a wrong value from a right one.
type Wrong = fn(f64) -> bool;

/// Returns the first value of a step with something wrong in it, and where. With `whens`, the first of those that are computed
/// before all others.
fn first_of<N, F: Real>(
    all: impl Iterator<Item = (N, NodeId, Wrong)>,
    values: &[Value<F>],
    whens: Option<&[When]>,
) -> Option<(NodeId, N, Vec<usize>, f64)> {
    let mut wrong = all.filter_map(|(name, node, wrong)| {
        let (unit, value) = first(&values[node.idx()], wrong)?;
        Some((node, name, unit, value))
    });
    match whens {
        None => wrong.next(),
        Some(whens) => wrong.min_by_key(|it| whens[it.0.idx()].level),
    }
}

/// Finds the first value that is not finite where carried values go both ways: of the part of the pass that is computed first,
/// and within a loop of the first step on its way.
pub(super) struct Earliest<'w> {
    whens: &'w [When],
    found: Option<((u32, usize), NotFinite)>,
}

impl<'w> Earliest<'w> {
    /// Nothing is found yet.
    pub fn new(whens: &'w [When]) -> Earliest<'w> {
        Earliest { whens, found: None }
    }

    /// Keeps what is wrong in a step of a sequence of so many, where it comes before what was found. Of two sequences
    /// the first one is told.
    fn keep(
        &mut self,
        (step, length): (usize, usize),
        node: NodeId,
        told: impl FnOnce() -> NotFinite,
    ) {
        let key = self.whens[node.idx()].key(step, length);
        if self.found.as_ref().is_none_or(|it| key < it.0) {
            self.found = Some((key, told()));
        }
    }

    /// Looks through all steps of a sequence.
    pub fn look<F: Real>(&mut self, cell: &Cell, steps: &[Vec<Value<F>>], sequence: usize) {
        for (step, values) in steps.iter().enumerate() {
            let found = first_of(looked_at(cell), values, Some(self.whens));
            let Some((node, name, unit, value)) = found else { continue };
            self.keep((step, steps.len()), node, || {
                NotFinite::at(format!("`{name}`"), value, (step, sequence, unit))
            });
        }
    }

    /// Looks through all backward steps of a sequence.
    pub fn look_back<F: Real>(
        &mut self,
        cell: &Cell,
        of: &Adjoint,
        steps: &[Vec<Value<F>>],
        sequence: usize,
    ) {
        for (step, values) in steps.iter().enumerate() {
            let found = adjoint(cell, of, values, (step, sequence), Some(self.whens));
            let Some((node, told)) = found else { continue };
            self.keep((step, steps.len()), node, || told);
        }
    }

    /// Returns the finding.
    pub fn found(self) -> Option<NotFinite> {
        self.found.map(|it| it.1)
    }
}

/// Computes one step of one sequence again, from the carried values before it, and returns the first value that is not finite, or
/// its cause. `read` has those of this step and of others, as far as they are known; `given` is what a run was given, also one
/// whose graph is another than that of `bound`.
pub(crate) fn look_again<F: Real>(
    bound: &Bound,
    given: &Given<'_, F>,
    read: Known<'_, F>,
    (step, sequence): (usize, usize),
) -> Option<NotFinite> {
    let graph = &bound.cell().step;
    let program =
        Program::new(graph, bound.step_shapes(), bound.env(), &mut |_, node| given.fixed(&node.op));
    let run = |step: usize, before: &[Value<F>]| {
        program.run(&mut |_, node| given.leaf(node, sequence, step, before))
    };
    let values = run(step, &(read.at)(step)?);
    let whens = bound.cell().reads_backward().then(|| plan::when(bound.cell()));
    let (node, name, unit, value) = first_of(looked_at(bound.cell()), &values, whens.as_deref())?;
    let found = NotFinite::at(format!("`{name}`"), value, (step, sequence, unit.clone()));
    let past = Past { cell: bound.cell(), sequence, read, values: &run };
    let cause = cause(&past, (node, unit), step, values);
    let is_other = |it: &NotFinite| (&it.name, it.place.step) != (&found.name, found.place.step);
    Some(match cause.filter(is_other) {
        Some(cause) => NotFinite { so: Some(Box::new(found)), ..cause },
        None => found,
    })
}

/// Returns the first adjoint that is not finite among the values of a backward step, called by the equation that it is of; with
/// `whens`, the first of those that are computed before all others.
pub(super) fn adjoint<F: Real>(
    cell: &Cell,
    adjoint: &Adjoint,
    values: &[Value<F>],
    (step, sequence): (usize, usize),
    whens: Option<&[When]>,
) -> Option<(NodeId, NotFinite)> {
    let infinite: Wrong = |it| !it.is_finite();
    let named = adjoint.values.iter().map(|(name, node)| (Some(name), *node, infinite));
    let roots = adjoint.carries.iter().chain(&adjoint.inputs).chain(&adjoint.params).flatten();
    let all = named.chain(roots.map(|it| (None, *it, infinite)));
    let (node, name, unit, value) = first_of(all, values, whens)?;
    // The declared name before it, as names come before what they are.
    let span = adjoint.graph.node(node).span;
    let before = cell.values.iter().filter(|it| {
        it.kind != ValueKind::Input && it.span.file == span.file && it.span.start <= span.start
    });
    let name = match (before.max_by_key(|it| it.span.start), name) {
        (Some(equation), _) => format!("the adjoint in the equation of `{}`", equation.name),
        (None, Some(name)) => format!("`{name}`"),
        (None, None) => "an adjoint".to_owned(),
    };
    Some((node, NotFinite::at(name, value, (step, sequence, unit))))
}

/// The meaning of the leading axes of a gradient.
#[derive(Clone, Copy)]
enum Leading {
    None,
    Sequence,
    Step,
    StepAndSequence,
}

/// Returns the first NaN or infinity of the gradients: inputs and starts before params, because a fault shows there with its step
/// and sequence.
pub fn check_gradients<F: Real>(bound: &Bound, gradients: &Gradients<F>) -> Option<NotFinite> {
    let cell = bound.cell();
    let look = |name: &Name, what: &str, array: &Option<ArrayD<F>>, leading: Leading| {
        let (mut unit, value) = first(&array.as_ref()?.to_shared(), |it| !it.is_finite())?;
        let mut take = || if unit.is_empty() { None } else { Some(unit.remove(0)) };
        let (step, sequence) = match leading {
            Leading::None => (None, None),
            Leading::Sequence => (None, take()),
            Leading::Step => (take(), None),
            Leading::StepAndSequence => (take(), take()),
        };
        let name = format!("the gradient of {what}`{name}`");
        Some(NotFinite { name, value, place: Place { step, sequence, unit }, so: None })
    };
    let inputs =
        cell.inputs.iter().zip(&gradients.inputs).enumerate().find_map(|(idx, (it, array))| {
            let all = array.as_ref()?.ndim() - bound.input_shapes()[idx].len();
            let leading = match (it.per_sequence, all) {
                (false, 2..) => Leading::StepAndSequence,
                (false, _) => Leading::Step,
                (true, 1..) => Leading::Sequence,
                (true, _) => Leading::None,
            };
            look(&it.name, "input ", array, leading)
        });
    let starts = || {
        let mut pairs = cell.carries.iter().zip(&gradients.starts);
        pairs.find_map(|(it, array)| look(&it.name, "state ", array, Leading::Sequence))
    };
    let params = || {
        let mut pairs = cell.params.iter().zip(&gradients.params);
        pairs.find_map(|(it, array)| look(&it.name, "", array, Leading::None))
    };
    inputs.or_else(starts).or_else(params)
}
