//! The reasons for which sizes or hypers cannot be fixed, in words that name them.

use crate::diag::Code;
use crate::ir::{Dim, Shape};
use crate::text::{Name, Span};

/// The reasons for which sizes or hypers cannot be fixed as asked.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BindError {
    /// Free dims without a size.
    #[error("{} not set; say {}", unset(.0), settings(.0))]
    Unset(Vec<Name>),
    /// A size below 1.
    #[error("the size of `{name}` must be at least 1, but is {size}")]
    NotPositive {
        /// The dim.
        name: Name,
        /// The size that was asked for.
        size: i64,
    },
    /// A dim that has the size of another.
    #[error("`{name}` always has the size of `{like}`; set `{like}` instead")]
    FollowsDim {
        /// The dim that was set.
        name: Name,
        /// The dim that it follows.
        like: Name,
    },
    /// A dim whose size has shaped the graph, such as the bound of a loop.
    #[error(
        "`{name}` was {fixed} when the cell was checked, which decides its structure; check it \
         again with `{name}={size}` set"
    )]
    Fixed {
        /// The dim.
        name: Name,
        /// The size that was asked for.
        size: i64,
        /// The size that it has.
        fixed: i64,
    },
    /// A dim that is computed from others.
    #[error("`{name}` is {definition} and cannot be set; set {} instead", quoted(.of, " or "))]
    Derived {
        /// The name that was set.
        name: Name,
        /// Its definition.
        definition: Dim,
        /// The dims in it.
        of: Vec<Name>,
    },
    /// Neither a dim nor a hyper.
    #[error("cell `{cell}` has no dim or hyper `{name}`; {}", choices(.known))]
    Unknown {
        /// The cell.
        cell: Name,
        /// The name that was set.
        name: Name,
        /// The names that can be set.
        known: Vec<Name>,
    },
    /// A hyper that is an activation, set to a number.
    #[error("hyper `{0}` is an activation, not a number")]
    NotANumber(Name),
    /// A hyper with another value than when the cell was checked.
    #[error(
        "`{name}` was {own} when the cell was checked; check it again with `{name}={value}` set"
    )]
    HyperFixed {
        /// The hyper.
        name: Name,
        /// The value that was asked for.
        value: f64,
        /// The value that it has.
        own: f64,
    },
    /// A hyper whose default cannot be computed.
    #[error("the value of hyper `{0}` cannot be computed from the sizes and hypers")]
    HyperUnset(Name),
    /// An axis below 0.
    #[error("the axis `{dim}` would have size {value}{}", with(.sizes))]
    Negative {
        /// The polynomial.
        dim: Dim,
        /// Its value.
        value: i64,
        /// The sizes of the dims in it.
        sizes: Vec<(Name, i64)>,
        /// The place in the source.
        span: Span,
    },
    /// An index or slice outside its axis.
    #[error("{what}{}", with(.sizes))]
    OutOfRange {
        /// The value, and the range that it is outside of.
        what: String,
        /// The sizes of the dims that matter.
        sizes: Vec<(Name, i64)>,
        /// The place in the source.
        span: Span,
    },
    /// A mask that cannot be drawn.
    #[error("the probability of mask `{name}` must lie in [0, 1], but is {value}")]
    Probability {
        /// The mask.
        name: Name,
        /// Its probability at these sizes.
        value: f64,
        /// The place of the declaration.
        span: Span,
    },
    /// More than any machine holds.
    #[error("{what} of shape {shape} is too large: {why}{}", with(.sizes))]
    TooLarge {
        /// The name of the value, or what it is.
        what: String,
        /// Its shape.
        shape: Shape,
        /// The limit that it breaks.
        why: String,
        /// The sizes of the dims in it.
        sizes: Vec<(Name, i64)>,
        /// The place in the source.
        span: Span,
    },
}

fn quoted(names: &[Name], join: &str) -> String {
    names.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(join)
}

fn unset(names: &[Name]) -> String {
    match names {
        [name] => format!("the size of `{name}` is"),
        _ => format!("the sizes of {} are", quoted(names, " and ")),
    }
}

fn settings(names: &[Name]) -> String {
    let all: Vec<String> = names.iter().map(|it| format!("--set {it}=..")).collect();
    format!("`{}`", all.join(" "))
}

fn choices(names: &[Name]) -> String {
    if names.is_empty() {
        "it has none at all".to_owned()
    } else {
        format!("it has {}", quoted(names, ", "))
    }
}

fn with(sizes: &[(Name, i64)]) -> String {
    if sizes.is_empty() {
        return String::new();
    }
    let all: Vec<String> = sizes.iter().map(|(name, size)| format!("{name} = {size}")).collect();
    format!(", with {}", all.join(", "))
}

impl BindError {
    /// Returns the stable code.
    pub fn code(&self) -> Code {
        match self {
            BindError::Unset(_) => Code::SizeNotSet,
            BindError::NotPositive { .. }
            | BindError::FollowsDim { .. }
            | BindError::Fixed { .. }
            | BindError::Derived { .. }
            | BindError::Unknown { .. }
            | BindError::NotANumber(_)
            | BindError::HyperUnset(_)
            | BindError::HyperFixed { .. }
            | BindError::Negative { .. } => Code::BadSetting,
            BindError::OutOfRange { .. } => Code::OutOfRange,
            BindError::Probability { .. } => Code::ConstantOutOfRange,
            BindError::TooLarge { .. } => Code::SizesTooLarge,
        }
    }

    /// Returns the place in the source, for faults that lie in an equation or declaration.
    pub fn span(&self) -> Option<Span> {
        match self {
            BindError::Negative { span, .. }
            | BindError::OutOfRange { span, .. }
            | BindError::Probability { span, .. }
            | BindError::TooLarge { span, .. } => Some(*span),
            BindError::Unset(_)
            | BindError::NotPositive { .. }
            | BindError::FollowsDim { .. }
            | BindError::Fixed { .. }
            | BindError::Derived { .. }
            | BindError::Unknown { .. }
            | BindError::NotANumber(_)
            | BindError::HyperUnset(_)
            | BindError::HyperFixed { .. } => None,
        }
    }
}
