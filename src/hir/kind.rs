//! The kinds of names.

use super::id::LayerId;

/// The kinds of definitions of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefKind {
    /// A dim, by its position.
    Dim(usize),
    /// A hyper, by its position.
    Hyper(usize),
    /// An input.
    Input,
    /// A state.
    State,
    /// A param, or a const that is stored.
    Param {
        /// True if training changes it.
        trained: bool,
    },
    /// A const with `=`.
    Computed,
    /// A mask.
    Mask,
    /// A gate, a let or an output with a value.
    Value(ValueKind),
    /// A layer.
    Layer(LayerId),
    /// A value that a model learns to give.
    Target,
    /// A value of a model that it gets back in the next step.
    Feedback,
    /// A definition whose kind could not be found, which was reported.
    Error,
}

/// The declarations of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ValueKind {
    /// `gate`
    Gate,
    /// `let`
    Let,
    /// `output y = ..`
    Output,
}

impl DefKind {
    /// Returns the kind with its article: `an input`.
    pub fn article(self) -> &'static str {
        match self {
            DefKind::Dim(_) => "a size",
            DefKind::Hyper(_) => "a hyper",
            DefKind::Input => "an input",
            DefKind::State => "a state",
            DefKind::Param { trained: true } => "a param",
            DefKind::Param { trained: false } | DefKind::Computed => "a const",
            DefKind::Mask => "a mask",
            DefKind::Value(ValueKind::Gate) => "a gate",
            DefKind::Value(ValueKind::Let) => "a let",
            DefKind::Value(ValueKind::Output) => "an output",
            DefKind::Layer(_) => "a layer",
            DefKind::Target => "a target",
            DefKind::Feedback => "a feedback",
            DefKind::Error => "something that could not be read",
        }
    }

    /// Returns the kind without its article.
    pub fn noun(self) -> &'static str {
        let article = self.article();
        article.split_once(' ').map_or(article, |it| it.1)
    }

    /// Returns whether its value is declared to be carried from step to step: a state or a feedback.
    pub fn is_carried(self) -> bool {
        matches!(self, DefKind::State | DefKind::Feedback)
    }

    /// Returns whether its value comes from outside in each step: an input or a target.
    pub fn is_given(self) -> bool {
        matches!(self, DefKind::Input | DefKind::Target)
    }

    /// Returns whether it has a value in each step, and so a past.
    pub fn has_past(self) -> bool {
        matches!(self, DefKind::Input | DefKind::State | DefKind::Value(_) | DefKind::Feedback)
    }

    /// Returns whether it is known before anything runs: a size or a hyper, and whatever could not be read.
    pub fn is_constant(self) -> bool {
        matches!(self, DefKind::Dim(_) | DefKind::Hyper(_) | DefKind::Error)
    }

    /// Returns which layer it is.
    pub fn layer(self) -> Option<LayerId> {
        match self {
            DefKind::Layer(layer) => Some(layer),
            _ => None,
        }
    }
}
