//! What a model has beside a cell: its loss, and the ways in which it runs.

use serde::{Deserialize, Serialize};

use super::{Cell, Input, InputRole, NodeId};
use crate::text::{Name, Span};

/// The name of the output that is the loss.
pub const LOSS: &str = "loss";

/// What a feedback with a teacher hands to the next step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Feedback {
    /// The target: teacher forcing.
    Teacher,
    /// The model's own value: it runs free.
    Own,
    /// One or the other, as a coin says.
    Scheduled,
}

impl Feedback {
    /// What hands on the model's own value with this probability. [`Feedback::Scheduled`] with coins that all fall on
    /// one side gives the same; but without a loop that is not needed, and so with the very bits of that mode.
    pub fn with_own(probability: f64) -> Feedback {
        if probability <= 0.0 {
            Feedback::Teacher
        } else if probability >= 1.0 {
            Feedback::Own
        } else {
            Feedback::Scheduled
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Feedback::Teacher => "teacher",
            Feedback::Own => "own",
            Feedback::Scheduled => "scheduled",
        }
    }
}

/// What a model gives at each step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gives {
    /// The loss alone, as training wants it.
    Loss,
    /// The outputs alone: no target is needed for them.
    Outputs,
    /// The outputs, and the loss as the last one.
    Both,
}

/// How a model runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mode {
    /// What feedbacks with a teacher carry.
    pub feedback: Feedback,
    /// What it gives.
    pub gives: Gives,
    /// Divides the logits of `sample`, at least 0; 0 takes the largest.
    pub temperature: f64,
}

impl Mode {
    /// A mode that samples from the logits as they are.
    pub fn new(feedback: Feedback, gives: Gives) -> Mode {
        Mode { feedback, gives, temperature: 1.0 }
    }
}

/// What training minimises, a number per step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Loss {
    /// Its value, a node of the step graph.
    pub node: NodeId,
    /// Whether only the last valid step of a sequence counts.
    pub at_last: bool,
    /// The calls in it that compare a value with a target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Term>,
    /// Where it is declared.
    pub span: Span,
}

/// A comparison with a target, which has metrics of its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Term {
    /// How they are compared.
    pub of: Cost,
    /// The target.
    pub target: Name,
    /// What is compared with it: a named value of the cell.
    pub predicted: Name,
}

/// The functions that compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the function of that name")]
pub enum Cost {
    Mse,
    Mae,
    Huber,
    CrossEntropy,
    BinaryCrossEntropy,
}

impl Cell {
    /// Whether a feedback has a teacher, so that it differs what it carries.
    pub fn has_teacher(&self) -> bool {
        self.carries.iter().any(|it| it.teacher.is_some())
    }

    /// The targets, with their positions among the inputs.
    pub fn targets(&self) -> impl Iterator<Item = (usize, &Input)> {
        self.inputs.iter().enumerate().filter(|it| it.1.role == InputRole::Target)
    }
}
