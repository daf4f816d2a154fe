//! The corpus of specs: every file of `tests/cases/fail` draws its errors, of `warn` its warnings,
//! of `ok` nothing.
//!
//! What a case must draw stands in its own first line, as `// E0301 at 7:22, W0601 at 4:9`, and was
//! written down from the rules of the language. The snapshots beside it hold the whole message for
//! people to judge; accepting a snapshot cannot change a code or a place, because both are compared
//! with the first line.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rnnc::diag::render::{LIMIT, Style, render_all};
use rnnc::diag::{Applicability, Code, Diagnostic, Fix};
use rnnc::text::SourceMap;
use rnnc::{Spec, SpecError};

/// Cases that cannot hold a first line, and what they draw.
const WITHOUT_A_FIRST_LINE: &[(&str, &str)] = &[
    ("hostile_empty.rnn", "E0111 at 1:1"),
    ("hostile_only_blanks.rnn", "E0111 at 1:1"),
    ("hostile_utf16.rnn", "E0105 at 1:1"),
];

/// Which test reads which files below `tests/cases`. A file that none of them reads would prove
/// nothing.
const CLAIMS: &[(&str, &str, &str)] = &[
    ("fail", "rnn", "tests/cases.rs"),
    ("warn", "rnn", "tests/cases.rs"),
    ("ok", "rnn", "tests/cases.rs"),
    ("cli", "cmd", "tests/cli.rs"),
    // A folder each, since such a spec is several files.
    ("use", "", "tests/uses.rs"),
];

/// Codes of run time, which no spec draws by itself; the command line's tests show them.
const OF_RUN_TIME: &str = "E07";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file and what the compiler says about it.
struct Case {
    name: String,
    bytes: Vec<u8>,
    spec: Option<Spec>,
    diagnostics: Vec<Diagnostic>,
    sources: SourceMap,
}

impl Case {
    fn read(path: &Path) -> Case {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let bytes = fs::read(path).expect("a case can be read");
        let (spec, diagnostics, sources) = diagnose(&name, &bytes);
        Case { name, bytes, spec, diagnostics, sources }
    }

    /// What the first line says, such as `E0301 at 7:22, E0201 at 8:3`; empty for a file that says
    /// nothing.
    fn expected(&self) -> String {
        if let Some((_, expected)) = WITHOUT_A_FIRST_LINE.iter().find(|it| it.0 == self.name) {
            return (*expected).to_owned();
        }
        let first = self.bytes.split(|it| *it == b'\n').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        first.strip_prefix("// ").unwrap_or_default().trim_end().to_owned()
    }

    /// What was found, written as the first line is.
    fn found(&self) -> String {
        let places: Vec<String> = self
            .diagnostics
            .iter()
            .map(|it| {
                let place = self.sources.place(it.span);
                format!("{} at {}:{}", it.code.as_str(), place.line, place.column)
            })
            .collect();
        places.join(", ")
    }

    fn rendered(&self) -> String {
        render_all(&self.diagnostics, &self.sources, Style::Plain, LIMIT)
    }
}

fn diagnose(name: &str, bytes: &[u8]) -> (Option<Spec>, Vec<Diagnostic>, SourceMap) {
    match Spec::read(name, bytes) {
        Ok(spec) => {
            let (warnings, sources) = (spec.warnings().to_vec(), spec.sources().clone());
            (Some(spec), warnings, sources)
        }
        Err(SpecError { diagnostics, sources }) => (None, diagnostics, sources),
    }
}

/// The paths of all cases of a folder, in order.
fn paths(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join("tests/cases").join(folder)).expect("a folder of cases");
    let mut paths: Vec<PathBuf> = entries.map(|it| it.expect("an entry").path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "rnn"));
    paths.sort();
    paths
}

fn all(folder: &str) -> impl Iterator<Item = Case> {
    paths(folder).into_iter().map(|it| Case::read(&it))
}

/// Every case of the folder must draw what its first line says; tells all that differ, not just the
/// first.
fn draw_what_they_say(folder: &str) {
    let wrong: Vec<String> = all(folder)
        .filter(|it| it.found() != it.expected())
        .map(|it| {
            let (name, said, found) = (&it.name, it.expected(), it.found());
            format!("{folder}/{name}\n  says  {said}\n  found {found}\n{}", it.rendered())
        })
        .collect();
    assert!(wrong.is_empty(), "{}\n{} cases differ", wrong.join("\n"), wrong.len());
}

#[test]
fn wrong_specs_draw_the_errors_that_they_name() {
    draw_what_they_say("fail");
    assert!(paths("fail").len() >= 150);
    for case in all("fail") {
        assert!(case.diagnostics.iter().any(Diagnostic::is_error), "{} has no error", case.name);
    }
}

#[test]
fn dubious_specs_draw_the_warnings_that_they_name() {
    draw_what_they_say("warn");
    for case in all("warn") {
        assert!(case.spec.is_some(), "{} should compile", case.name);
    }
}

#[test]
fn right_specs_draw_nothing() {
    let wrong: Vec<String> =
        all("ok").filter(|it| !it.diagnostics.is_empty()).map(|it| it.rendered()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(paths("ok").len() >= 30);
    for case in all("ok") {
        let spec = case.spec.expect("a spec without diagnostics is there");
        assert!(!spec.cells().is_empty(), "{} has no cell", case.name);
    }
}

/// The whole messages, one snapshot a case, for people to read.
#[test]
fn messages() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("snapshots/cases");
    settings.bind(|| {
        insta::glob!("cases/fail/*.rnn", |path| {
            insta::assert_snapshot!("fail", Case::read(path).rendered());
        });
        insta::glob!("cases/warn/*.rnn", |path| {
            insta::assert_snapshot!("warn", Case::read(path).rendered());
        });
    });
}

#[test]
fn every_code_has_two_cases() {
    let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
    for case in all("fail").chain(all("warn")) {
        let mut codes: Vec<Code> = case.diagnostics.iter().map(|it| it.code).collect();
        codes.dedup();
        for code in codes {
            *cases.entry(code.as_str()).or_default() += 1;
        }
    }
    let lacking: Vec<&str> = Code::ALL
        .iter()
        .map(|it| it.as_str())
        .filter(|it| !it.starts_with(OF_RUN_TIME) && cases.get(it).copied().unwrap_or(0) < 2)
        .collect();
    assert!(lacking.is_empty(), "fewer than two cases: {lacking:?}");
}

#[test]
fn every_file_below_cases_is_read_by_a_test() {
    let mut unread = Vec::new();
    for folder in fs::read_dir(root().join("tests/cases")).expect("the cases") {
        let folder = folder.expect("an entry").path();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(folder.is_dir(), "{} belongs into a folder", folder.display());
        for file in fs::read_dir(&folder).expect("a folder of cases") {
            let file = file.expect("an entry").path();
            let extension = file.extension().unwrap_or_default().to_string_lossy().into_owned();
            let claim = CLAIMS.iter().find(|it| it.0 == name && it.1 == extension);
            let is_case = file.is_dir() == extension.is_empty() && file.is_dir() == (name == "use");
            if !is_case || claim.is_none_or(|it| !root().join(it.2).is_file()) {
                unread.push(file);
            }
        }
    }
    assert!(unread.is_empty(), "no test reads {unread:?}");
}

/// A snapshot without its case is left over from a case that was renamed, and nobody compares it
/// any more.
#[test]
fn every_snapshot_has_its_case() {
    let folder = root().join("tests/snapshots/cases");
    for entry in fs::read_dir(folder).expect("the snapshots") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let case = name.strip_suffix(".snap").and_then(|it| it.split_once('@'));
        let (folder, file) = case.unwrap_or_else(|| panic!("{name} is no snapshot of a case"));
        assert!(root().join("tests/cases").join(folder).join(file).is_file(), "{name}");
    }
}

fn edited(text: &str, fix: &Fix) -> String {
    let mut edits = fix.edits.clone();
    edits.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, new) in edits {
        text.replace_range(span.range(), &new);
    }
    text
}

/// How often each code and message occurs among the errors.
fn errors(diagnostics: &[Diagnostic]) -> BTreeMap<(Code, &str), usize> {
    let mut counts = BTreeMap::new();
    for it in diagnostics.iter().filter(|it| it.is_error()) {
        *counts.entry((it.code, it.message.as_str())).or_default() += 1;
    }
    counts
}

/// A fix that claims to be certain removes its diagnostic and adds no error; one that is likely is
/// at least an edit that does not leave the same fault behind.
#[test]
fn fixes_mend_what_they_are_offered_for() {
    let (mut certain, mut maybe) = (0, 0);
    let mut wrong = Vec::new();
    for case in all("fail").chain(all("warn")) {
        for diagnostic in &case.diagnostics {
            let Some(fix) = &diagnostic.fix else { continue };
            let text = edited(&case.sources.files()[0].text, fix);
            let (_, after, sources) = diagnose(&case.name, text.as_bytes());
            let count = |all: &[Diagnostic]| {
                let same = |it: &&Diagnostic| {
                    it.code == diagnostic.code && it.message == diagnostic.message
                };
                all.iter().filter(same).count()
            };
            let before = errors(&case.diagnostics);
            let stays = count(&after) >= count(&case.diagnostics);
            let adds = errors(&after)
                .iter()
                .any(|(error, times)| *times > before.get(error).copied().unwrap_or(0));
            let fails = match fix.applicability {
                Applicability::Certain => {
                    certain += 1;
                    stays || adds
                }
                Applicability::Maybe => {
                    maybe += 1;
                    stays
                }
            };
            if fails {
                let shown = render_all(&after, &sources, Style::Plain, LIMIT);
                wrong.push(format!("{}: {}\n{text}\n{shown}", case.name, diagnostic.message));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(certain >= 10 && maybe >= 10, "{certain} certain fixes, {maybe} likely ones");
}
