//! The examples of `rnnc explain`: each wrong one draws its code, each right one draws nothing.

use rnnc::Spec;
use rnnc::diag::{Code, Diagnostic, Entry, Severity, sort, table};

/// What is wrong with an example, given what a compiler says about a spec; nothing for codes of run
/// time, whose examples are command lines.
///
/// A wrong example draws its code before any other of its severity, and one for a warning has no
/// error. A right example draws nothing at all.
fn complaints(entry: &Entry, diagnose: impl Fn(&str) -> Vec<Diagnostic>) -> Vec<String> {
    if is_run_time(entry.code) {
        return Vec::new();
    }
    let code = entry.code.as_str();
    let say = |found: &[Diagnostic]| -> Vec<String> {
        found.iter().map(|it| format!("{} {}", it.code.as_str(), it.message)).collect()
    };
    let sorted = |source: &str| {
        let mut found = diagnose(source);
        sort(&mut found);
        found
    };
    let mut out = Vec::new();

    let wrong = sorted(entry.wrong);
    let first = match entry.code.severity() {
        Severity::Error => wrong.iter().find(|it| it.is_error()),
        Severity::Warning if wrong.iter().any(Diagnostic::is_error) => None,
        Severity::Warning => wrong.first(),
    };
    if first.map(|it| it.code) != Some(entry.code) {
        out.push(format!("{code}: the wrong example draws {:?}\n{}", say(&wrong), entry.wrong));
    }
    let right = sorted(entry.right);
    if !right.is_empty() {
        out.push(format!("{code}: the right example draws {:?}\n{}", say(&right), entry.right));
    }
    out
}

/// Whether a code is about data, sizes and weights that are given at run time.
fn is_run_time(code: Code) -> bool {
    code.as_str().starts_with("E07")
}

#[test]
fn examples_of_run_time_are_command_lines_and_others_are_specs() {
    for entry in table() {
        let code = entry.code.as_str();
        for example in [entry.wrong, entry.right] {
            let mut lines = example.lines();
            if is_run_time(entry.code) {
                assert!(lines.all(|it| it.starts_with("rnnc ") || it.starts_with("# ")), "{code}");
                assert!(example.contains("rnnc "), "{code}");
            } else if entry.code != Code::EmptyFile {
                let begins = ["cell A {", "model A {"];
                assert!(lines.any(|it| begins.iter().any(|begin| it.starts_with(begin))), "{code}");
            }
        }
    }
}

#[test]
fn a_compiler_that_says_too_little_or_too_much_is_caught() {
    let of = |code| {
        move |it: &Entry| complaints(it, |_| vec![Diagnostic::new(code, Default::default(), "m")])
    };
    for entry in table().iter().filter(|it| !is_run_time(it.code)) {
        let silent = complaints(entry, |_| Vec::new());
        assert_eq!(silent.len(), 1, "{silent:?}");
        assert!(silent[0].contains("the wrong example draws []"), "{silent:?}");
        let always = of(entry.code)(entry);
        assert_eq!(always.len(), 1, "{always:?}");
        assert!(always[0].contains("the right example draws"), "{always:?}");
        let other = if entry.code == Code::Cycle { Code::BadPrev } else { Code::Cycle };
        assert_eq!(of(other)(entry).len(), 2, "{}", entry.code.as_str());
    }
}

/// What the compiler says about a text, errors and warnings.
fn diagnose(source: &str) -> Vec<Diagnostic> {
    match Spec::parse(source) {
        Ok(spec) => spec.warnings().to_vec(),
        Err(error) => error.diagnostics,
    }
}

#[test]
fn wrong_examples_draw_their_code_and_right_ones_draw_nothing() {
    let complaints: Vec<String> = table().iter().flat_map(|it| complaints(it, diagnose)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_code_has_one_entry() {
    let codes: Vec<Code> = table().iter().map(|it| it.code).collect();
    for code in Code::ALL {
        let entries = codes.iter().filter(|it| *it == code).count();
        assert_eq!(entries, 1, "{}", code.as_str());
    }
    assert_eq!(codes.len(), Code::ALL.len());
}
