//! Diagnostics, as data: a code, a place, more places with labels, a way out.
//!
//! A diagnostic is built where the fact is known and only rendered at the rim, by [`render`] for
//! people and by [`json`] for machines. Nothing here prints.

mod codes;
#[cfg(feature = "cli")]
mod excerpt;
pub mod formats;
pub mod json;
#[cfg(feature = "cli")]
pub mod render;

pub use codes::{Code, Entry, explain, table};

use serde::{Deserialize, Serialize};

use crate::text::Span;

/// The severity of a diagnostic. An error stops the compilation, a warning does not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The spec cannot be compiled.
    Error,
    /// The spec can be compiled, and probably does not say what was meant.
    Warning,
}

/// A second place that matters, with what it has to do with the fault.
#[derive(Clone, PartialEq, Debug)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words, in lower case, without a full stop.
    pub message: String,
}

/// The certainty that a fix is what the author wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applicability {
    /// A tool may apply it without asking.
    Certain,
    /// Likely right; a person should look.
    Maybe,
}

/// A change of the source that removes the diagnostic.
#[derive(Clone, PartialEq, Debug)]
pub struct Fix {
    /// The certainty.
    pub applicability: Applicability,
    /// The texts to put in place of spans, which do not overlap.
    pub edits: Vec<(Span, String)>,
}

/// One fault of a spec.
#[derive(Clone, PartialEq, Debug)]
pub struct Diagnostic {
    /// The stable code; it carries the severity.
    pub code: Code,
    /// The first line: what is wrong, in lower case, without a full stop.
    pub message: String,
    /// The place that the caret points at.
    pub span: Span,
    /// A few words under the caret; may be empty.
    pub label: String,
    /// The other places that matter.
    pub labels: Vec<Label>,
    /// The way out, in words.
    pub help: Option<String>,
    /// The way out, as an edit.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// Returns a fault at a place. The severity follows from the code.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            message: message.into(),
            span,
            label: String::new(),
            labels: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// Sets the words under the caret.
    pub fn at(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// Adds a second place.
    pub fn label(mut self, span: Span, message: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, message: message.into() });
        self
    }

    /// Sets the way out, in words.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Sets the way out as one edit: `span` becomes `text`.
    pub fn fix(self, applicability: Applicability, span: Span, text: impl Into<String>) -> Self {
        self.fixes(applicability, vec![(span, text.into())])
    }

    /// Sets the way out as several edits.
    pub fn fixes(mut self, applicability: Applicability, edits: Vec<(Span, String)>) -> Self {
        self.fix = Some(Fix { applicability, edits });
        self
    }

    /// Returns true if this stops the compilation.
    pub fn is_error(&self) -> bool {
        self.code.severity() == Severity::Error
    }
}

/// Sorts by place and code, drops exact repetitions: the order in which people read them.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
    diagnostics.dedup();
}

/// Returns true if any of them stops the compilation.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}
