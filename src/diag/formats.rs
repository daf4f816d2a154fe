//! Diagnostics for other tools: a line each, annotations of GitHub, SARIF.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::json::{JsonDiagnostic, Report};
use super::{Severity, table};

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Returns the message with the way out, on one line.
fn whole(it: &JsonDiagnostic) -> String {
    let help = it.help.iter().map(|it| format!("; {it}"));
    std::iter::once(it.message.clone()).chain(help).collect::<String>().replace(['\n', '\r'], " ")
}

/// Returns a line each: `FILE:LINE:COLUMN: error[CODE]: message`.
pub fn short(report: &Report) -> String {
    let mut out = String::new();
    for it in &report.diagnostics {
        let (place, severity) = (&it.place, word(it.severity));
        let code = it.code.as_str();
        let message = whole(it);
        let _ = writeln!(
            out,
            "{}:{}:{}: {severity}[{code}]: {message}",
            it.file, place.line, place.column
        );
    }
    for it in &report.failures {
        let _ = writeln!(out, "error: {}", it.message.replace(['\n', '\r'], " "));
    }
    out
}

/// Returns workflow commands that GitHub shows beside the lines of a change.
pub fn github(report: &Report) -> String {
    // Values end at `,` and `:`, messages at the end of the line.
    let data = |it: &str| it.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let value = |it: &str| data(it).replace(':', "%3A").replace(',', "%2C");
    let mut out = String::new();
    for it in &report.diagnostics {
        let (place, severity) = (&it.place, word(it.severity));
        let _ = writeln!(
            out,
            "::{severity} file={},line={},col={},endLine={},endColumn={},title={}::{}",
            value(&it.file),
            place.line,
            place.column,
            place.end_line,
            place.end_column,
            it.code.as_str(),
            data(&whole(it)),
        );
    }
    for it in &report.failures {
        let _ = writeln!(out, "::error::{}", data(&it.message));
    }
    out
}

/// Returns a log in SARIF 2.1.0.
pub fn sarif(report: &Report) -> Value {
    let mut codes: Vec<_> = report.diagnostics.iter().map(|it| it.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules = table().iter().filter(|it| codes.contains(&it.code)).map(|it| {
        json!({
            "id": it.code.as_str(),
            "shortDescription": {"text": it.title},
            "fullDescription": {"text": it.text},
        })
    });
    let uri = |file: &str| file.replace('\\', "/").replace('%', "%25").replace(' ', "%20");
    let results = report.diagnostics.iter().map(|it| {
        let place = &it.place;
        json!({
            "ruleId": it.code.as_str(),
            "level": word(it.severity),
            "message": {"text": whole(it)},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": uri(&it.file)},
                "region": {
                    "startLine": place.line, "startColumn": place.column,
                    "endLine": place.end_line, "endColumn": place.end_column,
                },
            }}],
        })
    });
    let failures = report
        .failures
        .iter()
        .map(|it| json!({"level": "error", "message": {"text": it.message}}))
        .collect::<Vec<_>>();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "rnnc",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.failures.is_empty(),
                "toolExecutionNotifications": failures,
            }],
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::json::report;
    use crate::diag::{Code, Diagnostic};
    use crate::text::{FileId, SourceFile, SourceMap, Span};

    fn two() -> Report {
        let sources = SourceMap::single(SourceFile::new("a b,c.rnn", "x\ny: 1"));
        let span = Span::new(FileId(0), 2, 3);
        let error = Diagnostic::new(Code::UnknownName, span, "unknown: 100 %").help("look");
        let mut report = report(&[error], &sources);
        report.fail(None, "cannot read\nz.rnn");
        report
    }

    #[test]
    fn short_is_a_line_each() {
        assert_eq!(
            short(&two()),
            "a b,c.rnn:2:1: error[E0201]: unknown: 100 %; look\nerror: cannot read z.rnn\n"
        );
    }

    #[test]
    fn github_escapes_what_would_end_a_value() {
        let text = github(&two());
        assert!(text.starts_with(
            "::error file=a b%2Cc.rnn,line=2,col=1,endLine=2,endColumn=2,title=E0201::unknown: 100 %25; look\n"
        ));
        assert!(text.ends_with("::error::cannot read%0Az.rnn\n"), "{text}");
    }

    #[test]
    fn sarif_has_rules_places_and_failures() {
        let log = sarif(&two());
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "E0201");
        let place = &run["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["region"]["startLine"], 2);
        assert_eq!(place["artifactLocation"]["uri"], "a%20b,c.rnn");
        assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    }
}
