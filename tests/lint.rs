//! Warnings: every file of `tests/cases/warn/w06*` draws exactly those that its first line names,
//! none of `tests/cases/ok/w06*` draws any, and an edit that is offered as certain removes what it
//! was offered for.

use std::path::{Path, PathBuf};

use rnnc::Spec;
use rnnc::diag::{Applicability, Diagnostic};
use rnnc::text::SourceFile;

fn diagnose(text: &str) -> Vec<Diagnostic> {
    match Spec::read("case.rnn", text.as_bytes()) {
        Ok(spec) => spec.warnings().to_vec(),
        Err(error) => error.diagnostics,
    }
}

/// "W0602 at 7:8" for each diagnostic.
fn places(text: &str, found: &[Diagnostic]) -> Vec<String> {
    let file = SourceFile::new("case.rnn", text);
    found
        .iter()
        .map(|it| {
            let place = file.line_column(it.span.start);
            format!("{} at {}:{}", it.code.as_str(), place.line, place.column)
        })
        .collect()
}

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the folder of cases")
        .map(|it| it.expect("an entry").path())
        .filter(|it| it.file_name().is_some_and(|it| it.to_string_lossy().starts_with("w06")))
        .collect();
    files.sort();
    assert!(files.len() > 5, "{} has lost its cases", folder.display());
    files
}

fn told(text: &str, found: &[Diagnostic]) -> String {
    let lines: Vec<String> = places(text, found)
        .iter()
        .zip(found)
        .map(|(place, it)| format!("  {place}: {}", it.message))
        .collect();
    lines.join("\n")
}

#[test]
fn cases_draw_the_warnings_that_they_name() {
    let mut wrong = Vec::new();
    for path in cases("warn") {
        let text = std::fs::read_to_string(&path).expect("a case");
        let expected: Vec<String> = text
            .lines()
            .next()
            .and_then(|it| it.strip_prefix("// "))
            .expect("the first line names what is expected")
            .split(", ")
            .map(str::to_string)
            .collect();
        let found = diagnose(&text);
        if places(&text, &found) != expected {
            wrong.push(format!(
                "{}: expected {expected:?}\n{}",
                path.display(),
                told(&text, &found)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn cases_without_warnings_stay_silent() {
    let mut wrong = Vec::new();
    for path in cases("ok") {
        let text = std::fs::read_to_string(&path).expect("a case");
        let found = diagnose(&text);
        if !found.is_empty() {
            wrong.push(format!("{}:\n{}", path.display(), told(&text, &found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn edited(text: &str, edits: &[(rnnc::text::Span, String)]) -> String {
    let mut edits = edits.to_vec();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_string();
    for (span, new) in edits {
        text.replace_range(span.range(), &new);
    }
    text
}

#[test]
fn edits_remove_the_warning_and_break_nothing() {
    let (mut certain, mut maybe) = (0, 0);
    for path in cases("warn") {
        let text = std::fs::read_to_string(&path).expect("a case");
        let before = diagnose(&text);
        for diagnostic in &before {
            let Some(fix) = &diagnostic.fix else { continue };
            let after = edited(&text, &fix.edits);
            let found = diagnose(&after);
            let told = told(&after, &found);
            let same = |all: &[Diagnostic]| {
                all.iter()
                    .filter(|it| it.code == diagnostic.code && it.message == diagnostic.message)
                    .count()
            };
            assert!(!found.iter().any(Diagnostic::is_error), "{}\n{after}\n{told}", path.display());
            assert_eq!(same(&found) + 1, same(&before), "{}\n{after}\n{told}", path.display());
            match fix.applicability {
                Applicability::Certain => {
                    assert!(found.len() < before.len(), "{}\n{after}\n{told}", path.display());
                    certain += 1;
                }
                Applicability::Maybe => maybe += 1,
            }
        }
    }
    assert!(certain >= 10 && maybe >= 5, "{certain} certain and {maybe} other edits");
}

fn only(text: &str) -> Diagnostic {
    let mut found = diagnose(text);
    assert_eq!(found.len(), 1, "{}", told(text, &found));
    found.remove(0)
}

#[test]
fn a_gate_that_leaves_its_range_is_told_why() {
    let found = only(
        "cell A { dims H input x: [H] param w, u: [H] gate i = sigmoid(w * x)
         gate g = i + sigmoid(u * x) output y = g * x }",
    );
    assert_eq!(found.message, "gate `g` may leave [0, 1]: the sum is in (0, 2)");
    assert_eq!(
        found.help.as_deref(),
        Some(
            "`g` = `i + sigmoid(u * x)` is in (0, 2)\n\
             `i` = `sigmoid(w * x)` is in (0, 1)\n\
             `sigmoid(u * x)` is in (0, 1)\n\
             apply `sigmoid` or `clamp`, or declare a `let` if it is no gate"
        )
    );
    let found = only("cell A { input x: [] gate g = tanh(x) output y = g * x }");
    assert_eq!(found.message, "gate `g` may leave [0, 1]: tanh is in (-1, 1)");
    let found = only("cell A { input x: [] gate g = x output y = g * x }");
    assert_eq!(found.message, "gate `g` may leave [0, 1]: `x` may be any number");
}

#[test]
fn a_zero_gradient_shows_what_ends_it() {
    let text = "cell A { input x: [] param p: [] output y = x * step(x - p) }";
    let found = only(text);
    assert_eq!(found.message, "the gradient of `p` is zero for every input");
    assert_eq!(found.labels.len(), 1);
    assert_eq!(found.labels[0].message, "`step` has derivative 0");
    assert_eq!(&text[found.labels[0].span.range()], "step(x - p)");
}

#[test]
fn three_biases_are_one_warning() {
    let found = only("cell A { input x: [] param a, b, c: [] output y = tanh(x + a - b + c) }");
    assert_eq!(found.message, "`a` and `c` only occur as a sum");
    let found = only("cell A { input x: [] param a, b, c: [] output y = tanh(x + a + b + c) }");
    assert_eq!(found.message, "`a`, `b` and `c` only occur as a sum");
}

#[test]
fn a_library_of_functions_has_no_unused_ones() {
    assert_eq!(diagnose("fn f(v) = 2 * v\nactivation g(v) = v * v\n"), []);
}
