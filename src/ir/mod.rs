//! The checked cell: its declarations and the graph of one step, in symbolic dims.
//!
//! `fold`, `fn`, `activation` and `layer` are gone here: inlined and unrolled. What `prev` needs is
//! explicit: each old value is a [`Carry`] with a leaf that reads it, a start and a root that gives
//! its next value.

pub mod components;
pub mod constant;
pub mod dependence;
pub mod dim;
pub mod graph;
pub mod infer;
pub mod layout;
pub mod model;
pub mod op;
pub mod pointwise;
pub mod print;
pub mod real;
pub mod recurrence;
pub mod verify;

use serde::{Deserialize, Serialize};

pub use constant::{Const, Draw, Env, Family, Init};
pub use dim::{Dim, Shape};
pub use graph::{Graph, Node, NodeId};
pub use layout::{Arrangement, Layout, Row};
pub use model::{Cost, Feedback, Gives, LOSS, Loss, Mode, Term};
pub use op::{
    Along, Choice, Contract, Gradient, Indexed, Leaf, Linearity, Literal, Move, Op, Reduction,
    Source,
};
pub use pointwise::Pointwise;
#[doc(hidden)]
pub use real::InReal;
pub use real::Real;
pub use recurrence::{Recurrence, recurrence};

use crate::text::{Name, Span, order};

/// One cell, checked: no unknown name, no shape mismatch, no cycle can occur in it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Its name.
    pub name: Name,
    /// True for a model, which runs in several ways: [`crate::derive::plain`] makes a cell of each.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_model: bool,
    /// The lines of its documentation comment.
    pub doc: Vec<String>,
    /// The free dims, in the order of the source; derived ones are replaced by their definitions.
    pub dims: Vec<DimDecl>,
    /// The derived dims, for messages and listings.
    pub derived: Vec<(Name, Dim)>,
    /// The untrained numbers and activations.
    pub hypers: Vec<Hyper>,
    /// The inputs of a step.
    pub inputs: Vec<Input>,
    /// Everything that a step takes from the one before: states, then older and other past values.
    pub carries: Vec<Carry>,
    /// Params and stored consts.
    pub params: Vec<Param>,
    /// Random masks.
    pub masks: Vec<Mask>,
    /// One time step. Its roots are the carries' `next`, the outputs and the losses.
    pub step: Graph,
    /// The starts of the carries that have one: leaves are params and constants only.
    pub start: Graph,
    /// The values that the cell returns per step, the main output first.
    pub outputs: Vec<Output>,
    /// The values that training minimises; only a model has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
    /// Every named value of the step, in the order of the source: states, gates, lets, inputs,
    /// outputs. What `--trace` knows.
    pub values: Vec<NamedValue>,
    /// The params that are used in more than one product, for the report to the user.
    pub shared: Vec<Name>,
    /// The arrangements of the params in the files of other frameworks.
    pub layouts: Vec<Layout>,
    /// The layers that have params of their own, if there are several, each after all that it reads: for files that number
    /// layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
}

/// A layer with params of its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Layer {
    /// Its name, `f` or `f[0]`.
    pub name: Name,
    /// The direction in which it reads.
    pub order: Order,
    /// The first layer that reads the same values; itself, where no other one does.
    pub alike: usize,
}

/// A free dim.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DimDecl {
    /// Its name.
    pub name: Name,
    /// Its default, at least 1.
    pub default: Option<i64>,
    /// The dim whose size it always has: `dims J like N`. Such a dim is not set by itself.
    pub like: Option<Name>,
    /// True if its size decided the structure of the graphs, as the bound of a loop does: it is then its default and no other. To
    /// change it the cell is checked again.
    #[serde(default)]
    pub fixed: bool,
    /// The place of the declaration.
    pub span: Span,
}

/// An untrained number or activation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hyper {
    /// Its name.
    pub name: Name,
    /// The kind of value.
    pub kind: HyperKind,
    /// The place of the declaration.
    pub span: Span,
}

/// The kinds of hypers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum HyperKind {
    /// A number; the value is the default or what was set when the cell was checked.
    Number(Const),
    /// An activation, as text; it is inlined in the graphs, so setting it means checking anew.
    Activation(String),
}

/// A value from outside, for each step or for each sequence.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Input {
    /// Its name.
    pub name: Name,
    /// Its shape for one sequence and step.
    pub shape: Shape,
    /// For `index[V]`: the dim that the whole numbers lie below.
    pub index: Option<Dim>,
    /// The value if none is given; without one, it must be given.
    pub default: Option<Const>,
    /// True if it is given once for each sequence, and so is the same at all steps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_sequence: bool,
    /// The purpose of the input.
    #[serde(default, skip_serializing_if = "InputRole::is_input")]
    pub role: InputRole,
    /// The place of the declaration.
    pub span: Span,
}

/// The purpose of a value from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum InputRole {
    /// The step reads it.
    #[default]
    Input,
    /// A model learns to give it: losses read it, and the past of a feedback may be its past. It has no gradient.
    Target,
    /// A number of [0, 1) for each step of each sequence, by which `sample` chooses. It has no gradient.
    Draw,
    /// 1 where a feedback carries the model's own value and 0 where it carries its target. It has no gradient.
    Coin,
}

impl InputRole {
    /// Returns true if a step reads it as an input.
    pub fn is_input(&self) -> bool {
        *self == InputRole::Input
    }
}

impl Input {
    /// Returns true if it is data; all other inputs are drawn.
    pub fn is_given(&self) -> bool {
        matches!(self.role, InputRole::Input | InputRole::Target)
    }

    /// Returns true if it has a gradient: whole numbers have none, nor has a value that is no input of the cell.
    pub fn is_real(&self) -> bool {
        self.index.is_none() && self.role.is_input()
    }
}

/// A value that a step takes from the one before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Carry {
    /// The fixed name under which it is returned, accepted and differentiated: `h`, `h.2`, `x.1`,
    /// `z.1`, `time`.
    pub name: Name,
    /// Its shape.
    pub shape: Shape,
    /// For the past of an `index[V]` input: the dim of the index. Such a carry has no gradient.
    pub index: Option<Dim>,
    /// True for a declared state; the others are the past of something.
    pub is_state: bool,
    /// Of a feedback: the target, among the inputs, whose value is carried under teacher forcing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<usize>,
    /// The direction in which it goes through a sequence.
    #[serde(default, skip_serializing_if = "Order::is_ascending")]
    pub order: Order,
    /// Its value before the first step that it comes to, when none is given.
    pub start: Start,
    /// Its value after the step, a node of the step graph.
    pub next: NodeId,
    /// The place where it is declared or first asked for.
    pub span: Span,
}

/// The name under which the number of the step is carried.
pub const TIME: &str = "time";

/// The name under which it is carried for layers that read backward, whose first step is the last one.
pub const TIME_REVERSE: &str = "time.reverse";

/// The direction in which a carried value goes through the valid steps of a sequence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub enum Order {
    /// From the first step to the last.
    #[default]
    Ascending,
    /// From the last valid step to the first, as in a `layer .. backward`.
    Descending,
}

impl Order {
    /// Returns true if it goes from the first step to the last.
    pub fn is_ascending(&self) -> bool {
        *self == Order::Ascending
    }

    /// Returns the other way, which adjoints take.
    pub fn reversed(self) -> Order {
        match self {
            Order::Ascending => Order::Descending,
            Order::Descending => Order::Ascending,
        }
    }

    /// Returns the step that comes before step `t` this way, of `length` steps.
    pub fn before(self, t: usize, length: usize) -> Option<usize> {
        match self {
            Order::Ascending => t.checked_sub(1),
            Order::Descending => Some(t + 1).filter(|it| *it < length),
        }
    }

    /// Returns the place of what follows step `t` this way, among those before the first step, between any two, and after the
    /// last.
    pub fn after(self, t: usize) -> usize {
        match self {
            Order::Ascending => t + 1,
            Order::Descending => t,
        }
    }

    /// Returns the place before all of `length` steps this way.
    pub fn start(self, length: usize) -> usize {
        match self {
            Order::Ascending => 0,
            Order::Descending => length,
        }
    }

    /// Returns the step that comes last this way, of `length` steps.
    pub fn last(self, length: usize) -> Option<usize> {
        match self {
            Order::Ascending => length.checked_sub(1),
            Order::Descending => (length > 0).then_some(0),
        }
    }
}

impl Carry {
    /// Returns true if it is the number of the step, which `time()` reads.
    pub fn is_time(&self) -> bool {
        let name = match self.order {
            Order::Ascending => TIME,
            Order::Descending => TIME_REVERSE,
        };
        !self.is_state && &*self.name == name
    }

    /// Returns true if it has a gradient: indices and the number of the step are whole numbers and have none.
    pub fn is_real(&self) -> bool {
        self.index.is_none() && !self.is_time()
    }
}

/// The value of a carry before the first step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Start {
    /// A node of the start graph: constants and params.
    Node(NodeId),
    /// That of another carry, given or not: `h.2` starts as `h`.
    SameAs(usize),
}

/// Weights.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Param {
    /// Its full name.
    pub name: Name,
    /// Its shape.
    pub shape: Shape,
    /// The distribution of its first value.
    pub init: Init,
    /// Trained; else a stored const, which is loaded like a param and has no gradient.
    pub trained: bool,
    /// The place of the declaration.
    pub span: Span,
}

/// Random bits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Mask {
    /// Its full name.
    pub name: Name,
    /// Its shape.
    pub shape: Shape,
    /// The probability of a 1, and the value in evaluation.
    pub probability: Const,
    /// The scope of one draw.
    pub scope: Scope,
    /// The place of the declaration.
    pub span: Span,
}

/// The scope for which a mask is drawn once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Scope {
    /// At every step of every sequence.
    Step,
    /// Once for every sequence.
    Sequence,
    /// Once for a call.
    Run,
}

/// A root that the cell returns at each step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Output {
    /// Its name.
    pub name: Name,
    /// Its node in the step graph.
    pub node: NodeId,
}

/// A node that has a name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NamedValue {
    /// The name.
    pub name: Name,
    /// The kind of value.
    pub kind: ValueKind,
    /// Its node in the step graph.
    pub node: NodeId,
    /// The place of the declaration.
    pub span: Span,
}

/// The kinds of named values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the keyword of the same name")]
pub enum ValueKind {
    Input,
    State,
    Gate,
    Let,
    Output,
}

impl Cell {
    /// Returns the number of trained numbers, as a polynomial in the dims.
    pub fn parameter_formula(&self) -> Dim {
        let sizes = self.params.iter().filter(|it| it.trained).map(|it| it.shape.size());
        sizes.into_iter().try_fold(Dim::number(0), |sum, size| sum.add(&size?)).unwrap_or_default()
    }

    /// Returns the hypers that are numbers, each after those that it reads, without those of a cycle.
    pub(crate) fn numbers(&self) -> Vec<(&Name, &Const)> {
        let numbers = self.hypers.iter().filter_map(|it| match &it.kind {
            HyperKind::Number(value) => Some((&it.name, value)),
            HyperKind::Activation(_) => None,
        });
        let numbers: Vec<(&Name, &Const)> = numbers.collect();
        let reads = numbers.iter().map(|it| it.1.hypers());
        let order = order::of_names(numbers.iter().map(|it| it.0), reads);
        order.into_iter().map(|it| numbers[it]).collect()
    }

    /// Returns true if a layer reads backward: outputs then depend on steps to come, so that the cell has no single step.
    pub fn reads_backward(&self) -> bool {
        self.carries.iter().any(|it| !it.order.is_ascending())
    }

    /// Returns the suffix by which frameworks that number layers name the params of each layer: forward layers end in `_l0`,
    /// `_l1` and so on, and one that reads backward in `_l0_reverse` if it reads the same as `_l0`. Nothing where a layer has no
    /// number, or two have the same.
    pub fn numbering(&self) -> Vec<(&Name, String)> {
        let forward: Vec<&Layer> =
            self.layers.iter().filter(|it| it.order.is_ascending()).collect();
        let position = |is_it: &dyn Fn(&Layer) -> bool| forward.iter().position(|it| is_it(it));
        let ending = |it: &Layer| match it.order {
            Order::Ascending => Some(format!("_l{}", position(&|other| other.name == it.name)?)),
            Order::Descending => {
                Some(format!("_l{}_reverse", position(&|other| other.alike == it.alike)?))
            }
        };
        let all = self.layers.iter().map(|it| Some((&it.name, ending(it)?)));
        let all: Vec<(&Name, String)> = all.collect::<Option<_>>().unwrap_or_default();
        let mut seen: Vec<&str> = all.iter().map(|it| &*it.1).collect();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() == all.len() { all } else { Vec::new() }
    }

    /// Returns the position of a carry by its name.
    pub fn carry(&self, name: &str) -> Option<usize> {
        self.carries.iter().position(|it| &*it.name == name)
    }

    /// Returns the position of a param or stored const by its name.
    pub fn param(&self, name: &str) -> Option<usize> {
        self.params.iter().position(|it| &*it.name == name)
    }

    /// Returns the layout of this name; `own` is that of the names in the cell.
    pub fn layout(&self, name: &str) -> Option<Layout> {
        match name {
            layout::OWN => Some(Layout::own(self)),
            name => self.layouts.iter().find(|it| &*it.name == name).cloned(),
        }
    }

    /// Returns the position of an input by its name.
    pub fn input(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|it| &*it.name == name)
    }

    /// Returns the position of an output by its name.
    pub fn output(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|it| &*it.name == name)
    }
}
