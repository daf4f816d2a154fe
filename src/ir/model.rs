//! The additions of a model to a cell: its loss, and the ways in which it runs.

use serde::{Deserialize, Serialize};

use super::{Cell, Input, InputRole, NodeId};
use crate::text::{Name, Span};

/// The name of the output that is the loss.
pub const LOSS: &str = "loss";

/// The value that a feedback with a teacher hands to the next step.
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
    /// Returns the feedback that hands on the model's own value with this probability. [`Feedback::Scheduled`] with coins that
    /// all fall on one side gives the same; but without a loop that is not needed, and so with the very bits of that mode.
    pub fn with_own(probability: f64) -> Feedback {
        if probability <= 0.0 {
            Feedback::Teacher
        } else if probability >= 1.0 {
            Feedback::Own
        } else {
            Feedback::Scheduled
        }
    }

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Feedback::Teacher => "teacher",
            Feedback::Own => "own",
            Feedback::Scheduled => "scheduled",
        }
    }
}

/// The results that a model gives at each step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gives {
    /// The loss alone, as training wants it.
    Loss,
    /// The outputs alone: no target is needed for them.
    Outputs,
    /// The outputs, and the loss as the last one.
    Both,
}

/// The way in which a model runs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mode {
    /// The value that feedbacks with a teacher carry.
    pub feedback: Feedback,
    /// The results that it gives.
    pub gives: Gives,
    /// Divides the logits of `sample`, at least 0; 0 takes the largest.
    pub temperature: f64,
}

impl Mode {
    /// Returns a mode that samples from the logits as they are.
    pub fn new(feedback: Feedback, gives: Gives) -> Mode {
        Mode { feedback, gives, temperature: 1.0 }
    }
}

/// The value that training minimises, a scalar per step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Loss {
    /// Its value, a node of the step graph.
    pub node: NodeId,
    /// True if only the last valid step of a sequence counts.
    pub at_last: bool,
    /// The calls in it that compare a value with a target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<Term>,
    /// The place of the declaration.
    pub span: Span,
}

/// A comparison with a target, which has metrics of its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Term {
    /// The function that compares them.
    pub of: Cost,
    /// The target.
    pub target: Name,
    /// The named value of the cell that is compared with it.
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
    /// Returns true if a feedback has a teacher, so that its modes differ.
    pub fn has_teacher(&self) -> bool {
        self.carries.iter().any(|it| it.teacher.is_some())
    }

    /// Returns the targets, with their positions among the inputs.
    pub fn targets(&self) -> impl Iterator<Item = (usize, &Input)> {
        self.inputs.iter().enumerate().filter(|it| it.1.role == InputRole::Target)
    }
}
