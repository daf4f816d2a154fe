//! Texts that no person writes: every one gets an answer, and soon, in little memory, with a report
//! of little length.
//!
//! The small ones are files of `tests/cases/fail`; those that would fill the repository are made
//! here.

#[allow(dead_code, reason = "another test bounds the memory of readers by their files")]
#[path = "data/allocation.rs"]
mod allocation;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rnnc::diag::render::{LIMIT, Style, render_all};
use rnnc::{Spec, SpecError};

/// What a text may take, in bytes at a time.
const MEMORY: usize = 256 << 20;

/// The aim is 0.2 s in a debug build on an idle machine, which is measured by hand. This bound is no measurement: it ends a
/// test that would otherwise hang, because something grows faster than its text.
const TIME: Duration = Duration::from_secs(30);

/// The longest report, in bytes.
const REPORT: usize = 64 << 10;

const MANY: usize = 100_000;

/// One at a time, so that the time of each is its own.
static TURN: Mutex<()> = Mutex::new(());

/// What was tried, and what went wrong with it.
struct Run {
    _turn: MutexGuard<'static, ()>,
    wrong: Vec<String>,
}

impl Run {
    fn new() -> Run {
        Run { _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner), wrong: Vec::new() }
    }

    /// Reads, checks and reports a text. All errors must bear one of the codes; without codes it
    /// must compile.
    fn answers(&mut self, what: &str, bytes: impl AsRef<[u8]>, codes: &[&str]) {
        let ((found, report, took), memory) = allocation::measured(|| {
            let start = Instant::now();
            let (diagnostics, sources) = match Spec::read("hostile.rnn", bytes.as_ref()) {
                Ok(spec) => (spec.warnings().to_vec(), spec.sources().clone()),
                Err(SpecError { diagnostics, sources }) => (diagnostics, sources),
            };
            let report = render_all(&diagnostics, &sources, Style::Plain, LIMIT);
            (diagnostics, report, start.elapsed())
        });
        let mut wrong = |it: String| self.wrong.push(format!("{}: {it}", what.trim_end()));
        let mut errors: Vec<&str> =
            found.iter().filter(|it| it.is_error()).map(|it| it.code.as_str()).collect();
        errors.sort();
        errors.dedup();
        if errors.iter().any(|it| !codes.contains(it)) || errors.is_empty() != codes.is_empty() {
            let start: String = report.lines().take(8).collect::<Vec<_>>().join("\n");
            wrong(format!("draws {errors:?}, expected {codes:?}\n{start}"));
        }
        if report.len() >= REPORT || report.lines().any(|it| it.len() >= 1000) {
            wrong(format!("the report has {} bytes", report.len()));
        }
        if took >= TIME {
            wrong(format!("took {took:?}"));
        }
        if memory.peak >= MEMORY {
            wrong(format!("took {} MB", memory.peak >> 20));
        }
    }

    fn done(self) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

/// A cell whose output is an expression of `x`.
fn output(expr: &str) -> String {
    format!("cell A {{\n  dims H\n  input x: [H]\n  output y = {expr}\n}}\n")
}

/// A cell with these statements.
fn cell(body: &str) -> String {
    format!("cell A {{\n  dims H\n  input x: [H]\n{body}\n}}\n")
}

#[test]
fn large_files() {
    let mut run = Run::new();
    run.answers("10 MB of one letter", vec![b'a'; 10 << 20], &["E0109"]);
    run.answers("10 MB of NUL", vec![0; 10 << 20], &["E0109"]);
    run.answers("10 MB that is not UTF-8", vec![0xFF; 10 << 20], &["E0105", "E0109"]);
    run.answers("10 MB of equations", cell(&"  let a = x\n".repeat(900_000)), &["E0109"]);
    run.answers("4 MiB of blanks", " ".repeat(4 << 20), &["E0111"]);
    run.answers("4 MiB of line ends", "\n".repeat(4 << 20), &["E0111"]);
    run.answers("4 MiB of one letter", "a".repeat(4 << 20), &["E0101", "E0114"]);
    run.answers("a comment of 1 MB", format!("// {}\n{}", "é".repeat(500_000), output("x")), &[]);
    run.answers("comments", format!("{}{}", "// text\n".repeat(MANY), output("x")), &[]);
    run.answers("documentation", format!("{}{}", "/// text\n".repeat(MANY), output("x")), &[]);
    run.done();
}

#[test]
fn long_lines() {
    let mut run = Run::new();
    run.answers("a name of 1 MB", output(&"a".repeat(1 << 20)), &["E0201"]);
    run.answers("a call of 1 MB", output(&format!("{}(x)", "f".repeat(1 << 20))), &["E0203"]);
    run.answers("a Greek name of 1 MB", output(&"α".repeat(1 << 19)), &["E0107"]);
    run.answers("a number of 1 MB", output(&format!("x * {}", "1".repeat(1 << 20))), &["E0108"]);
    run.answers("a fraction of 1 MB", output(&format!("x * 0.{}", "1".repeat(1 << 20))), &[]);
    run.answers(
        "a size of 1 MB",
        cell(&format!("output x  input z: [{}]", "9".repeat(1 << 20))),
        &["E0108"],
    );
    run.answers("a text of 1 MB", format!("use \"{}", "a".repeat(1 << 20)), &["E0104", "E0101"]);
    run.answers(
        "1 MB of sums on one line",
        output(&format!("x{}", " + x".repeat(1 << 18))),
        &["E0109"],
    );
    run.answers(
        "a slip at the end of 1 MB",
        output(&format!("x{} +", " + x".repeat(1 << 18))),
        &["E0109"],
    );
    run.answers("wrong signs on one line", output(&format!("x {}", "? ".repeat(MANY))), &["E0105"]);
    run.answers(
        "wide signs on one line",
        output(&format!("x {}", "漢 ".repeat(MANY))),
        &["E0107", "E0102"],
    );
    run.done();
}

#[test]
fn nesting() {
    let mut run = Run::new();
    let nested = |open: &str, close: &str, count: usize| {
        output(&format!("{}x{}", open.repeat(count), close.repeat(count)))
    };
    run.answers("parentheses", nested("(", ")", MANY), &["E0109"]);
    run.answers("parentheses, one a line", nested("(\n", ")\n", MANY), &["E0109"]);
    run.answers("calls", nested("tanh(", ")", MANY), &["E0109"]);
    run.answers("calls with operators", nested("x * tanh(1 + ", ")", MANY), &["E0109"]);
    run.answers("indices", nested("x[", "]", MANY), &["E0109"]);
    run.answers("arrays", nested("[", "]", MANY), &["E0109"]);
    run.answers("signs", nested("-", "", MANY), &["E0109"]);
    run.answers("signs with blanks", nested("- ", "", MANY), &["E0109"]);
    run.answers("powers", output(&format!("x{}", " ^ 2".repeat(MANY))), &["E0109"]);
    run.answers("matrix products", output(&format!("x{}", " @ x".repeat(MANY))), &["E0109"]);
    run.answers("lookups", output(&format!("x{}", "[0]".repeat(MANY))), &["E0109", "E0310"]);
    run.answers("conditions", nested("where(x > 0, x, ", ")", MANY), &["E0109"]);
    run.answers("parentheses that fit", nested("(", ")", 250), &[]);
    run.answers("calls that fit", nested("tanh(", ")", 120), &[]);
    run.answers("comparisons", output(&format!("x{}", " < x".repeat(MANY / 2 - 5))), &["E0112"]);
    run.done();
}

#[test]
fn brackets_without_partners() {
    let mut run = Run::new();
    for open in ["(", "[", "{", "(\n", "[\n", "{\n", "tanh(\n", "([{\n", "cell A {\n"] {
        let codes = ["E0109", "E0104", "E0101", "E0202", "E0402", "E0114"];
        run.answers(open, output(&format!("x + {}", open.repeat(MANY))), &codes);
        run.answers(open, open.repeat(MANY), &codes);
    }
    for close in [")", "]", "}", ")\n", "}\n", ")]}\n"] {
        let codes = ["E0101", "E0104", "E0109"];
        run.answers(close, output(&format!("x {}", close.repeat(MANY))), &codes);
        run.answers(close, close.repeat(MANY), &codes);
    }
    let slips = "  let a = tanh(x\n".repeat(MANY / 4);
    run.answers("a call left open in each line", cell(&slips), &["E0101", "E0104", "E0402"]);
    run.done();
}

#[test]
fn many_terms() {
    let mut run = Run::new();
    // One declaration holds 100,000 words, numbers and signs; the legal ones here come close.
    let half = MANY / 2 - 2;
    run.answers("a sum", output(&format!("x{}", " + x".repeat(MANY))), &["E0109"]);
    run.answers("a legal sum", output(&format!("x{}", " + x".repeat(half))), &[]);
    run.answers("a sum and differences", output(&format!("x{}", " - x + 2".repeat(half / 2))), &[]);
    run.answers("a product", output(&format!("x{}", " * x".repeat(half))), &[]);
    run.answers("quotients", output(&format!("x{}", " / 2".repeat(half))), &[]);
    run.answers(
        "calls in a sum",
        output(&format!("x{}", "\n + tanh(x)".repeat(MANY / 5 - 2))),
        &[],
    );
    run.answers("names side by side", output(&"x ".repeat(MANY - 10)), &["E0102"]);
    run.answers("arguments", output(&format!("tanh(x{})", ", x".repeat(half - 5))), &["E0206"]);
    run.answers("parts", output(&format!("concat(x{})", ", x".repeat(MANY / 4))), &[]);
    let numbers =
        format!("  const c: [{}] = [1{}]\n  output y = c * 2, x", half - 4, ", 1".repeat(half - 5));
    run.answers("an array", cell(&numbers), &[]);
    run.answers(
        "axes",
        cell(&format!("  output x, y = zeros([1{}])", ", 1".repeat(MANY))),
        &["E0109"],
    );
    run.done();
}

#[test]
fn many_equations() {
    let mut run = Run::new();
    let chain = |count: usize| {
        let lets: Vec<String> =
            (1..count).map(|it| format!("  let v{it} = v{} + x", it - 1)).collect();
        lets
    };
    let first = "  let v0 = tanh(x)\n";
    let ordered = format!("{first}{}\n  output y = v19999", chain(20_000).join("\n"));
    run.answers("a chain of equations", cell(&ordered), &[]);
    let mut backwards = chain(20_000);
    backwards.reverse();
    let backwards = format!("  output y = v19999\n{}\n{first}", backwards.join("\n"));
    run.answers("a chain of equations from its end", cell(&backwards), &[]);
    let cycle = format!("  let v0 = v19999\n{}\n  output v0", chain(20_000).join("\n"));
    run.answers("a long cycle", cell(&cycle), &["E0204"]);
    let unknown: String = (0..20_000).map(|it| format!("  let v{it} = u{it}\n")).collect();
    run.answers("unknown names", cell(&unknown), &["E0201", "E0402"]);
    run.answers(
        "one name again and again",
        cell(&"  let a = x\n".repeat(50_000)),
        &["E0202", "E0402"],
    );
    let params: String = (0..5_000).map(|it| format!("  param p{it}: [H]\n")).collect();
    run.answers("unused params", cell(&format!("{params}  output x")), &[]);
    let cells: String = (0..5_000)
        .map(|it| format!("cell A{it} {{ dims H  input x: [H]  output y = tanh(x) }}\n"))
        .collect();
    run.answers("cells", &cells, &[]);
    run.answers("one cell again and again", output("x").repeat(20_000), &["E0202"]);
    run.answers("words alone", cell(&"  let\n".repeat(MANY)), &["E0101", "E0110", "E0402"]);
    run.answers("commas", cell(&format!("  dims {}", ",".repeat(MANY - 10))), &["E0101", "E0402"]);
    run.done();
}

#[test]
fn texts_that_grow_when_they_are_expanded() {
    let mut run = Run::new();
    let mut functions = "fn f0(a) = a + 1\n".to_owned();
    for it in 1..60 {
        functions.push_str(&format!("fn f{it}(a) = f{0}(f{0}(a)) + f{0}(a)\n", it - 1));
    }
    run.answers("functions of functions", format!("{functions}{}", output("f59(x)")), &["E0109"]);
    let mut lists = "fn f0(a) = concat(a, a)\n".to_owned();
    for it in 1..60 {
        lists.push_str(&format!("fn f{it}(a) = f{0}(f{0}(a))\n", it - 1));
    }
    run.answers("lists of lists", format!("{lists}{}", output("f59(x)")), &["E0109"]);
    let chain: String =
        (1..5_000).map(|it| format!("fn f{it}(a) = f{}(a) + 1\n", it - 1)).collect();
    let chain = format!("fn f0(a) = a\n{chain}{}", output("f4999(x)"));
    run.answers("a chain of functions", chain, &["E0109"]);
    let circle: String =
        (0..5_000).map(|it| format!("fn f{it}(a) = f{}(a) + 1\n", (it + 1) % 5_000)).collect();
    run.answers("a circle of functions", format!("{circle}{}", output("f0(x)")), &["E0207"]);

    let mut dims = "  dims D0".to_owned();
    for it in 1..60 {
        dims.push_str(&format!(", D{it} = (D{0} + 1) * (D{0} + H)", it - 1));
    }
    run.answers(
        "sizes of sizes",
        cell(&format!("{dims}\n  output x, y = zeros([D59])")),
        &["E0109"],
    );
    let power = "  dims A, B, C, D, E\n  output x, y = zeros([(A + B + C + D + E) ^ 200])";
    run.answers("a power of a sum", cell(power), &["E0109"]);
    run.answers(
        "a power of a power",
        cell("  output x, y = zeros([H ^ 9 ^ 9 ^ 9])"),
        &["E0109", "E0312"],
    );
    run.answers("a size of 10^30", cell("  output x, y = zeros([10 ^ 30])"), &["E0109"]);
    let likes: String = (1..20_000).map(|it| format!(", D{it} like D{}", it - 1)).collect();
    run.answers("names of names", cell(&format!("  dims D0{likes}\n  output x")), &[]);
    let derived: String = (1..16_000).map(|it| format!(", D{it} = D{} + 1", it - 1)).collect();
    let used = cell(&format!("  dims D0{derived}\n  output x, y = zeros([D15999])"));
    run.answers("sizes from sizes", used, &[]);
    let hypers: String = (1..16_000).map(|it| format!(", a{it} = a{} + 1", it - 1)).collect();
    let used = cell(&format!("  hyper a0 = 1{hypers}\n  output y = a15999 * x"));
    run.answers("numbers from numbers", used, &[]);
    run.answers("numbers that overflow", cell("  hyper a = 10 ^ 10 ^ 10\n  output y = a * x"), &[]);

    run.answers("a long past", cell("  output y = prev(x, 1000000000)"), &["E0109"]);
    run.answers("a past of 10^300 steps", cell("  output y = prev(x, 1e300)"), &["E0109", "E0405"]);
    run.answers("an index of 10^18", output("x[1000000000000000000]"), &["E0307", "E0405"]);
    run.answers("an index of 10^300", output("x[1e300]"), &["E0307", "E0109", "E0405"]);
    let state = "  state m: [2000000, 2000000]\n  m = 0.5 * prev m\n  output m, x";
    run.answers("a large state", cell(state), &["E0109"]);
    run.done();
}

#[test]
fn characters() {
    let mut run = Run::new();
    run.answers(
        "controls of direction",
        output(&format!("x{}", "\u{202e}".repeat(MANY))),
        &["E0105"],
    );
    run.answers("NUL", output(&format!("x{}", "\0".repeat(MANY))), &["E0105"]);
    run.answers(
        "controls in a comment",
        format!("//{}\n{}", "\u{1b}".repeat(MANY), output("x")),
        &["E0105"],
    );
    run.answers("blanks", output(&format!("x{}", "\u{a0}".repeat(MANY))), &["E0105"]);
    run.answers("byte-order marks", output(&format!("x{}", "\u{feff}".repeat(MANY))), &["E0105"]);
    run.answers(
        "combining marks",
        output(&format!("x{}", "\u{301}".repeat(MANY))),
        &["E0105", "E0107"],
    );
    run.answers("carriage returns", output(&format!("x{}", "\r".repeat(MANY))), &["E0105"]);
    run.answers(
        "quotes",
        output(&format!("x {}", "\"".repeat(MANY + 1))),
        &["E0104", "E0101", "E0102"],
    );
    run.answers("hashes", format!("{}{}", "#\n".repeat(MANY), output("x")), &["E0106"]);
    run.answers(
        "comment signs",
        format!("{}{}", "/*".repeat(MANY), output("x")),
        &["E0106", "E0111"],
    );
    run.done();
}

/// The time for a text twice as long is about twice as long; ten times would be worse than
/// quadratic growth.
#[test]
fn unclosed_brackets_take_linear_time() {
    let _turn = Run::new();
    let time = |count: usize| {
        let text = cell(&"  let a = tanh([x\n".repeat(count));
        let best = (0..3).map(|_| {
            let start = Instant::now();
            assert!(Spec::parse(&text).is_err());
            start.elapsed()
        });
        best.min().expect("three runs")
    };
    let (short, long) = (time(5_000), time(40_000));
    assert!(long < short * 24 + Duration::from_millis(20), "{short:?} becomes {long:?}");
}
