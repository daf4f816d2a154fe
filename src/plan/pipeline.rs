//! The passes from a checked cell to the graphs that run.
//!
//! A pass is a function from graphs to graphs with a name; a pipeline is a list of them. Engines,
//! `rnnc compile`, `rnnc test` and `rnnc gradcheck` take their graphs from [`Graphs::run`], so that
//! what is printed and checked is what runs. For `h = tanh(W @ x + U @ prev h + b)`:
//!
//! | pass | what becomes of it |
//! |---|---|
//! | `mode` | nothing: it is a cell; of a model it would make the plain cell of its mode |
//! | `bind` | nothing: no condition of a `where` depends on a size or a hyper alone |
//! | `simplify` | nothing: there is nothing to leave out |
//! | `adjoint` | a backward step, `d_a = d_h * (1 - h^2)`, `d_W += outer(d_a, x)`, .. |
//! | `simplify-adjoint` | factors 1 and equal nodes go |
//! | `reassociate` | `(b + W @ x) + U @ prev h`, so that only the last product waits for the step before |
//! | `reassociate-adjoint` | the same for sums of adjoints |
//!
//! The adjoint is derived before sums are reassociated, so that it is printed in the order in which
//! the user wrote them. In debug builds each pass is followed by the verifier. A new pass is a
//! constant here and its place in a list.

use super::reassociate;
use super::whole::kept;
use crate::derive::{self, Adjoint, Tangent};
use crate::ir::{Cell, Env, Feedback, Gives, Graph, Mode, NodeId, print, verify};
use crate::text::Name;

/// The graphs that passes work on.
#[derive(Clone, Debug)]
pub struct Graphs {
    /// The cell: its step and its starts.
    pub cell: Cell,
    /// One step backward, once it is derived.
    pub adjoint: Option<Adjoint>,
    /// One step in forward mode, once it is derived.
    pub tangent: Option<Tangent>,
    mode: Mode,
    env: Env,
    traces: Vec<Name>,
    /// True if the whole adjoints of carried values are asked for.
    flow: bool,
}

/// One of the graphs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The step, with its starts.
    Step,
    /// One step backward.
    Backward,
    /// One step in forward mode.
    Tangent,
}

impl Part {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Step => "step",
            Part::Backward => "backward",
            Part::Tangent => "tangent",
        }
    }
}

/// A graph that is asked for and that no pass has derived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no pass derives the graph `{}`", .0.name())]
pub struct NotDerived(pub Part);

/// A named function from graphs to graphs.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// The name, as in `--emit after:NAME`.
    pub name: &'static str,
    /// The effect of the pass, in a line.
    pub what: &'static str,
    /// The graph that it makes or changes.
    pub part: Part,
    run: fn(&mut Graphs),
}

const MODE: Pass = Pass {
    name: "mode",
    what: "makes a plain cell of a model",
    part: Part::Step,
    run: |it| it.cell = derive::plain(&it.cell, &it.mode),
};

const BIND: Pass = Pass {
    name: "bind",
    what: "decides what sizes and hypers decide",
    part: Part::Step,
    run: |it| it.cell = derive::decide(&it.cell, &it.env),
};

const SIMPLIFY: Pass = Pass {
    name: "simplify",
    what: "folds constants, merges equal nodes",
    part: Part::Step,
    run: |it| it.cell = derive::simplify_bound(&it.cell, &it.env),
};

const ADJOINT: Pass = Pass {
    name: "adjoint",
    what: "derives one step backward",
    part: Part::Backward,
    run: |it| {
        let adjoint = derive::adjoint(&it.cell);
        it.adjoint = Some(if it.flow { adjoint } else { adjoint.without_nexts() });
    },
};

const SIMPLIFY_ADJOINT: Pass = Pass {
    name: "simplify-adjoint",
    what: "simplifies it, flattens its sums",
    part: Part::Backward,
    run: |it| it.adjoint = it.adjoint.as_ref().map(Adjoint::simplified),
};

const REASSOCIATE: Pass = Pass {
    name: "reassociate",
    what: "orders sums, early terms first",
    part: Part::Step,
    run: |it| {
        let mut wanted = it.adjoint.as_ref().map_or(Vec::new(), kept);
        wanted.extend(it.traced());
        let (cell, map) = reassociate::cell(&it.cell, &wanted);
        it.cell = cell;
        if let Some(adjoint) = &mut it.adjoint {
            reassociate::reread(adjoint, &map);
        }
    },
};

const REASSOCIATE_ADJOINT: Pass = Pass {
    name: "reassociate-adjoint",
    what: "orders its sums in the same way",
    part: Part::Backward,
    run: |it| {
        it.adjoint = it.adjoint.as_ref().map(|adjoint| reassociate::adjoint(&it.cell, adjoint))
    },
};

const TANGENT: Pass = Pass {
    name: "tangent",
    what: "derives one step in forward mode",
    part: Part::Tangent,
    run: |it| it.tangent = Some(derive::tangent(&it.cell)),
};

const SIMPLIFY_TANGENT: Pass = Pass {
    name: "simplify-tangent",
    what: "simplifies it, flattens its sums",
    part: Part::Tangent,
    run: |it| it.tangent = it.tangent.as_ref().map(Tangent::simplified),
};

/// To what the fast engine runs.
pub const FAST: &[Pass] =
    &[MODE, BIND, SIMPLIFY, ADJOINT, SIMPLIFY_ADJOINT, REASSOCIATE, REASSOCIATE_ADJOINT];

/// To what runs forward alone.
pub const FORWARD: &[Pass] = &[BIND, SIMPLIFY, REASSOCIATE];

/// To what the interpreter runs: the cell as it was written, and its adjoint as it was derived. It
/// is the measure of what all other passes do.
pub const PLAIN: &[Pass] = &[MODE, ADJOINT];

/// To forward mode.
pub const FORWARD_MODE: &[Pass] = &[MODE, BIND, SIMPLIFY, TANGENT, SIMPLIFY_TANGENT];

/// The pass that `gradcheck` adds: forward mode of the step that runs.
pub const CHECK: &[Pass] = &[TANGENT];

/// Returns the plain cell that a model is in a mode, by the first pass of every list. A cell stays as it is.
pub fn plain(cell: &Cell, mode: &Mode) -> Cell {
    Graphs::new(cell, &Env::default(), &[]).with_mode(*mode).pass(&MODE).cell
}

/// Returns every pass, in the order in which they are listed for people.
pub fn passes() -> impl Iterator<Item = &'static Pass> {
    let forward = FORWARD_MODE.iter().filter(|it| it.part == Part::Tangent);
    FAST.iter().chain(forward)
}

/// Returns the passes up to the one of this name, with it.
pub fn up_to(name: &str) -> Option<&'static [Pass]> {
    let within =
        |list: &'static [Pass]| Some(&list[..=list.iter().position(|it| it.name == name)?]);
    within(FAST).or_else(|| within(FORWARD_MODE))
}

impl Graphs {
    /// Returns the graphs of a checked cell before any pass. `env` holds what is known of sizes and hypers; `traces` are named
    /// values that passes must leave in the step. A model is under teacher forcing and gives all.
    pub fn new(cell: &Cell, env: &Env, traces: &[Name]) -> Graphs {
        let (cell, env, traces) = (cell.clone(), env.clone(), traces.to_vec());
        let mode = Mode::new(Feedback::Teacher, Gives::Both);
        Graphs { cell, adjoint: None, tangent: None, mode, env, traces, flow: false }
    }

    /// Returns the same with a model in this mode.
    pub fn with_mode(self, mode: Mode) -> Graphs {
        Graphs { mode, ..self }
    }

    /// Returns the same; with `flow` passes leave the whole adjoints of carried values in the backward step.
    pub fn with_flow(self, flow: bool) -> Graphs {
        Graphs { flow, ..self }
    }

    /// Runs passes, one after the other.
    pub fn run(self, passes: &[Pass]) -> Graphs {
        passes.iter().fold(self, |graphs, pass| graphs.pass(pass))
    }

    /// Runs one pass, which the verifier follows in debug builds.
    pub fn pass(mut self, pass: &Pass) -> Graphs {
        (pass.run)(&mut self);
        debug_assert_eq!(self.verify(), Ok(()), "after {}", pass.name);
        self
    }

    /// Returns the cell and its backward step.
    pub fn training(self) -> Result<(Cell, Adjoint), NotDerived> {
        Ok((self.cell, self.adjoint.ok_or(NotDerived(Part::Backward))?))
    }

    /// Returns the cell, its backward step and its step in forward mode.
    pub fn checked(self) -> Result<(Cell, Adjoint, Tangent), NotDerived> {
        let tangent = self.tangent.ok_or(NotDerived(Part::Tangent))?;
        Ok((self.cell, self.adjoint.ok_or(NotDerived(Part::Backward))?, tangent))
    }

    /// Checks all that passes may assume.
    pub fn verify(&self) -> Result<(), String> {
        verify::verify(&self.cell)?;
        self.adjoint.iter().try_for_each(|it| derive::verify_adjoint(&self.cell, it))?;
        self.tangent.iter().try_for_each(|it| derive::verify_tangent(&self.cell, it))
    }

    /// Returns the number of nodes of a part, 0 if it is not derived.
    pub fn nodes(&self, part: Part) -> usize {
        let both = |a: &Graph, b: &Graph| a.nodes().len() + b.nodes().len();
        match part {
            Part::Step => both(&self.cell.step, &self.cell.start),
            Part::Backward => {
                self.adjoint.as_ref().map_or(0, |it| both(&it.graph, &it.start.graph))
            }
            Part::Tangent => self.tangent.as_ref().map_or(0, |it| both(&it.graph, &it.start)),
        }
    }

    /// Returns a part as text, empty where it is not derived.
    pub fn print(&self, part: Part) -> String {
        let (adjoint, tangent) = (self.adjoint.as_ref(), self.tangent.as_ref());
        match part {
            Part::Step => print::cell(&self.cell),
            Part::Backward => {
                adjoint.map_or(String::new(), |it| derive::print_backward(&self.cell, it))
            }
            Part::Tangent => {
                tangent.map_or(String::new(), |it| derive::print_tangent(&self.cell, it))
            }
        }
    }

    /// Returns the nodes of the values that must stay.
    fn traced(&self) -> Vec<NodeId> {
        let node = |name: &Name| self.cell.values.iter().find(|it| it.name == *name);
        self.traces.iter().filter_map(node).map(|it| it.node).collect()
    }
}
