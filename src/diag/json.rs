//! Diagnostics as JSON for editors and scripts.
//!
//! The form is versioned and flat: places are lines and columns from 1, columns in characters, ends exclusive. A
//! label or an edit names its file only when it is not the file of the diagnostic.

use serde::Serialize;

use super::{Applicability, Code, Diagnostic, Severity};
use crate::text::{FileId, SourceMap, Span};

/// The version of the form; it grows when a reader of the old one would go wrong.
pub const VERSION: u32 = 1;

/// All diagnostics of a run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// The diagnostics, in the order of the source.
    pub diagnostics: Vec<JsonDiagnostic>,
    /// The reasons for which something could not be checked or computed at all, such as a file that cannot be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<JsonFailure>,
    /// The number of errors among the diagnostics, and of failures.
    pub errors: usize,
    /// The number of warnings.
    pub warnings: usize,
}

impl Default for Report {
    fn default() -> Report {
        let (diagnostics, failures) = (Vec::new(), Vec::new());
        Report { version: VERSION, diagnostics, failures, errors: 0, warnings: 0 }
    }
}

impl Report {
    /// Adds what was found in one more spec.
    pub fn add(&mut self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        let errors = diagnostics.iter().filter(|it| it.is_error()).count();
        self.errors += errors;
        self.warnings += diagnostics.len() - errors;
        self.diagnostics.extend(diagnostics.iter().map(|it| one(it, sources)));
    }

    /// Adds a failure that has no place in a source.
    pub fn fail(&mut self, code: Option<Code>, message: &str) {
        self.errors += 1;
        self.failures.push(JsonFailure { code, message: message.to_owned() });
    }

    /// Returns the report as JSON text of several lines, without a line end after the last.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text and numbers are always JSON")
    }
}

/// The reason for which a command did not come to its end.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JsonFailure {
    /// The stable code, if it has one.
    pub code: Option<Code>,
    /// The reason, in words.
    pub message: String,
}

/// One diagnostic.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JsonDiagnostic {
    /// The stable code.
    pub code: Code,
    /// `error` or `warning`.
    pub severity: Severity,
    /// The fault, in words.
    pub message: String,
    /// The file as it was named.
    pub file: String,
    /// The place of the caret.
    #[serde(flatten)]
    pub place: JsonPlace,
    /// The places that matter: the caret's own words first, if it has any.
    pub labels: Vec<JsonLabel>,
    /// The way out in words.
    pub help: Option<String>,
    /// The way out as edits.
    pub fix: Option<JsonFix>,
}

/// A range of the source; lines and columns count from 1 and the end is exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct JsonPlace {
    /// The line of the first character.
    pub line: usize,
    /// The first character in its line.
    pub column: usize,
    /// The line of the end.
    pub end_line: usize,
    /// The character after the last one.
    pub end_column: usize,
}

/// A place with words.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JsonLabel {
    /// The file, where it is not that of the diagnostic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The place.
    #[serde(flatten)]
    pub place: JsonPlace,
    /// The words.
    pub message: String,
}

/// A change of the source that removes the diagnostic.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JsonFix {
    /// `certain` or `maybe`.
    pub applicability: Applicability,
    /// The edits: a place and the text to put there.
    pub edits: Vec<JsonEdit>,
}

/// One replacement.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct JsonEdit {
    /// The file, where it is not that of the diagnostic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The range to replace; it may be empty.
    #[serde(flatten)]
    pub place: JsonPlace,
    /// The text to put there; it may be empty.
    pub text: String,
}

/// Returns the report of the diagnostics of one spec.
pub fn report(diagnostics: &[Diagnostic], sources: &SourceMap) -> Report {
    let mut report = Report::default();
    report.add(diagnostics, sources);
    report
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap) -> JsonDiagnostic {
    let home = diagnostic.span.file;
    let other = |span: Span| (span.file != home).then(|| file_name(span.file, sources));
    let label = |span: Span, message: &str| JsonLabel {
        file: other(span),
        place: place(span, sources),
        message: message.to_owned(),
    };
    let own = (!diagnostic.label.is_empty()).then(|| label(diagnostic.span, &diagnostic.label));
    let others = diagnostic.labels.iter().map(|it| label(it.span, &it.message));
    JsonDiagnostic {
        code: diagnostic.code,
        severity: diagnostic.code.severity(),
        message: diagnostic.message.clone(),
        file: file_name(home, sources),
        place: place(diagnostic.span, sources),
        labels: own.into_iter().chain(others).collect(),
        help: diagnostic.help.clone(),
        fix: diagnostic.fix.as_ref().map(|fix| JsonFix {
            applicability: fix.applicability,
            edits: fix
                .edits
                .iter()
                .map(|(span, text)| JsonEdit {
                    file: other(*span),
                    place: place(*span, sources),
                    text: text.clone(),
                })
                .collect(),
        }),
    }
}

/// Returns the name of a file; empty for one that is not in the map.
fn file_name(file: FileId, sources: &SourceMap) -> String {
    sources.files().get(file.0 as usize).map_or_else(String::new, |it| it.name.clone())
}

/// Lines and columns of a span; the beginning where its file is not in the map.
fn place(span: Span, sources: &SourceMap) -> JsonPlace {
    let Some(file) = sources.files().get(span.file.0 as usize) else {
        return JsonPlace { line: 1, column: 1, end_line: 1, end_column: 1 };
    };
    let (start, end) = (file.line_column(span.start), file.line_column(span.end.max(span.start)));
    JsonPlace { line: start.line, column: start.column, end_line: end.line, end_column: end.column }
}

#[cfg(test)]
mod tests {
    use super::report;
    use crate::diag::{Applicability, Code, Diagnostic};
    use crate::text::{FileId, SourceFile, SourceMap, Span};

    #[test]
    fn every_field_of_the_contract_is_there() {
        let mut sources = SourceMap::single(SourceFile::new("a.rnn", "é a b\nc"));
        let other = sources.add(SourceFile::new("b.rnn", "x"));
        let span = Span::new(FileId(0), 3, 4);
        let error = Diagnostic::new(Code::MissingOperator, span, "missing \"operator\"")
            .at("here")
            .label(Span::new(FileId(0), 5, 8), "to there")
            .label(Span::new(other, 0, 1), "and `x`")
            .help("write `@`")
            .fix(Applicability::Maybe, span.after(), " @");
        let warning = Diagnostic::new(Code::UnusedParam, Span::new(FileId(7), 9, 9), "unused");
        let json = report(&[error, warning], &sources).to_json();
        let read: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        let expected = serde_json::json!({
            "version": 1,
            "diagnostics": [
                {
                    "code": "E0102", "severity": "error", "message": "missing \"operator\"",
                    "file": "a.rnn", "line": 1, "column": 3, "end_line": 1, "end_column": 4,
                    "labels": [
                        {"line": 1, "column": 3, "end_line": 1, "end_column": 4, "message": "here"},
                        {"line": 1, "column": 5, "end_line": 2, "end_column": 2,
                         "message": "to there"},
                        {"file": "b.rnn", "line": 1, "column": 1, "end_line": 1, "end_column": 2,
                         "message": "and `x`"},
                    ],
                    "help": "write `@`",
                    "fix": {"applicability": "maybe", "edits": [
                        {"line": 1, "column": 4, "end_line": 1, "end_column": 4, "text": " @"},
                    ]},
                },
                {
                    "code": "W0601", "severity": "warning", "message": "unused", "file": "",
                    "line": 1, "column": 1, "end_line": 1, "end_column": 1,
                    "labels": [], "help": null, "fix": null,
                },
            ],
            "errors": 1,
            "warnings": 1,
        });
        assert_eq!(read, expected);
        assert!(json.starts_with("{\n  \"version\": 1,"), "{json}");
    }
}
