//! One-token slips in library cells: is the first message on the right line, does it give the cause, and does an
//! edit that is offered compile?
//!
//! A token is deleted, doubled or replaced by another of its kind. What then still compiles is no slip that a compiler
//! could notice, and is not counted. `RNNC_SLIPS=SEED` tries another seed and prints every slip that is judged badly;
//! `RNNC_SLIPS=SEED,all` prints all.

#![allow(clippy::print_stdout, reason = "`--nocapture` shows the shares")]

use std::fmt::Write as _;

use rnnc::api::library;
use rnnc::diag::{Diagnostic, Fix};
use rnnc::text::SourceMap;
use rnnc::{Spec, SpecError};

/// The cells, from every folder of the library.
const CELLS: [&str; 20] = [
    "gru",
    "lstm",
    "rnn",
    "keras_lstm",
    "mgu",
    "janet",
    "indrnn",
    "rhn",
    "lmu",
    "scrn",
    "peephole_lstm",
    "slstm",
    "mclstm",
    "mlstm",
    "delta_net",
    "sru",
    "mamba",
    "gru_d",
    "phased_lstm",
    "fastgrnn",
];

/// How many slips are judged.
const SLIPS: usize = 300;

/// Reserved words and functions that a name may be replaced by.
const WORDS: &[&str] = &[
    "cell", "input", "state", "param", "let", "gate", "output", "prev", "init", "for", "sigmoid",
    "tanh", "sum", "slice", "uniform",
];

const SIGNS: &[&str] =
    &["=", "@", "+", "-", "*", "/", "^", ",", ":", "(", ")", "[", "]", "{", "}", ".", "<", ".."];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Word,
    Number,
    Sign,
}

#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// The tokens of a text without its comments.
fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let run = |from: usize, is: fn(u8) -> bool| {
        from + bytes[from..].iter().take_while(|it| is(**it)).count()
    };
    let (mut at, mut out) = (0, Vec::new());
    while at < bytes.len() {
        let start = at;
        let (kind, end) = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = run(at, |it| it != b'\n');
                continue;
            }
            it if it.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            it if it.is_ascii_alphabetic() => {
                (Kind::Word, run(at, |it| it.is_ascii_alphanumeric() || it == b'_'))
            }
            it if it.is_ascii_digit() => (Kind::Number, {
                let whole = run(at, |it| it.is_ascii_digit());
                let fraction = bytes.get(whole) == Some(&b'.')
                    && bytes.get(whole + 1).is_some_and(u8::is_ascii_digit);
                if fraction { run(whole + 1, |it| it.is_ascii_alphanumeric()) } else { whole }
            }),
            _ if text[at..].starts_with("..") || text[at..].starts_with("==") => {
                (Kind::Sign, at + 2)
            }
            _ => (Kind::Sign, at + text[at..].chars().next().map_or(1, char::len_utf8)),
        };
        out.push(Token { kind, start, end });
        at = end;
    }
    out
}

/// A sequence of numbers that a seed decides (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((it ^ (it >> 31)) % n as u64) as usize
    }
}

/// What was done to a token.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Change {
    Delete,
    Double,
    Replace(String),
}

struct Slip {
    cell: &'static str,
    source: String,
    /// The text with the slip.
    text: String,
    /// The token as it was.
    was: String,
    kind: Kind,
    change: Change,
    /// From the token before it to the token after it, in the text with the slip.
    around: std::ops::Range<usize>,
    /// Between these two.
    gap: std::ops::Range<usize>,
    line: usize,
}

fn slip(cell: &'static str, random: &mut Random) -> Slip {
    let source = library().find(|it| it.name == cell).expect("a cell of the library").source;
    let all = tokens(source);
    let at = random.below(all.len());
    let Token { kind, start, end } = all[at];
    let was = &source[start..end];
    let change = match random.below(3) {
        0 => Change::Delete,
        1 => Change::Double,
        _ => Change::Replace(loop {
            let other = match kind {
                Kind::Sign => SIGNS[random.below(SIGNS.len())].to_owned(),
                _ if random.below(3) == 0 => WORDS[random.below(WORDS.len())].to_owned(),
                _ => {
                    let other = all[random.below(all.len())];
                    if other.kind == Kind::Sign {
                        continue;
                    }
                    source[other.start..other.end].to_owned()
                }
            };
            if other != was {
                break other;
            }
        }),
    };
    let now = match &change {
        Change::Delete => String::new(),
        Change::Double if kind == Kind::Sign => format!("{was}{was}"),
        Change::Double => format!("{was} {was}"),
        Change::Replace(other) => other.clone(),
    };
    let text = format!("{}{now}{}", &source[..start], &source[end..]);
    let before = at.checked_sub(1).map_or(0, |it| all[it].start);
    let after = all.get(at + 1).map_or(source.len(), |it| it.end) + now.len() - was.len();
    let gap = at.checked_sub(1).map_or(0, |it| all[it].end)
        ..all.get(at + 1).map_or(source.len(), |it| it.start) + now.len() - was.len();
    let line = source[..start].matches('\n').count() + 1;
    let (source, was) = (source.to_owned(), was.to_owned());
    Slip { cell, source, text, was, kind, change, around: before..after, gap, line }
}

fn diagnose(text: &str) -> (Vec<Diagnostic>, SourceMap) {
    match Spec::parse(text) {
        Ok(spec) => (Vec::new(), spec.sources().clone()),
        Err(SpecError { mut diagnostics, sources }) => {
            diagnostics.retain(Diagnostic::is_error);
            (diagnostics, sources)
        }
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

/// How the first message of a slip is judged.
struct Verdict {
    line: bool,
    cause: bool,
    /// Of an edit, whether fewer errors remain with it, and whether it gives the text back.
    edit: Option<(bool, bool)>,
}

fn judge(slip: &Slip, found: &[Diagnostic], sources: &SourceMap) -> Verdict {
    let first = &found[0];
    let places = || std::iter::once(first.span).chain(first.labels.iter().map(|it| it.span));
    // A name that was declared under another one is missed where it is used.
    let mut said = format!("{} {}", first.message, first.label);
    for label in &first.labels {
        let _ = write!(said, " {}", label.message);
    }
    let quoted = |word: &str| said.contains(&format!("`{word}`"));
    let is_declared = slip.kind == Kind::Word
        && matches!(first.code.as_str(), "E0201" | "E0211" | "E0401" | "E0203" | "E0403" | "E0210");
    // What was deleted belongs between its neighbours.
    let lines = match slip.change {
        Change::Delete => {
            let line = |at: usize| slip.text[..at].matches('\n').count() + 1;
            line(slip.gap.start)..line(slip.gap.end) + 1
        }
        Change::Double | Change::Replace(_) => slip.line..slip.line + 1,
    };
    let line = places().any(|it| lines.contains(&sources.place(it).line))
        || is_declared && quoted(&slip.was) && slip.change != Change::Double;
    let near = places().any(|it| {
        let at = it.start as usize..it.end.max(it.start + 1) as usize;
        at.start <= slip.around.end && slip.around.start < at.end
    });
    let help = first.help.clone().unwrap_or_default();
    let all = format!("{said} {help}");
    let names = |word: &str| {
        all.contains(&format!("`{word}`"))
            || word.len() > 1 && all.contains(word)
            || first.fix.iter().flat_map(|it| &it.edits).any(|it| it.1.trim() == word)
    };
    let is_operator = matches!(&*slip.was, "+" | "-" | "*" | "/" | "@" | "^");
    let words = match &slip.change {
        Change::Delete if is_operator => names(&slip.was) || all.contains("operator"),
        Change::Delete if matches!(&*slip.was, ")" | "]" | "}") => {
            names(&slip.was) || said.contains("never closed")
        }
        Change::Delete if slip.kind == Kind::Sign => names(&slip.was),
        Change::Delete => {
            let expects = ["expected a ", "missing", "is called", "a list belongs to a function"];
            let expects = expects.iter().any(|it| all.contains(it));
            names(&slip.was) || expects || first.code.as_str().starts_with("E03")
        }
        Change::Double => names(&slip.was),
        Change::Replace(now) => {
            said.contains(&format!("`{now}"))
                || names(&slip.was)
                || now.len() > 1 && said.contains(&**now)
        }
    };
    // Of a sign in the place of another, a message about two values side by side is beside the point.
    let beside = matches!(slip.change, Change::Replace(_))
        && first.message.starts_with("missing operator")
        && !is_operator
        && slip.kind == Kind::Sign;
    let edit = first.fix.as_ref().map(|fix| {
        let text = edited(&slip.text, fix);
        let fewer = diagnose(&text).0.len() < found.len();
        let blanks = |it: &str| it.split_whitespace().collect::<String>();
        (fewer, blanks(&text) == blanks(&slip.source))
    });
    let fails = edit.is_some_and(|it| !it.0);
    let mends = first.fix.as_ref().is_some_and(|it| diagnose(&edited(&slip.text, it)).0.is_empty());
    // A word that declares may be any of several.
    let words = words || mends && matches!(first.code.as_str(), "E0406" | "E0114");
    Verdict { line, cause: line && words && !beside && !fails && (near || names(&slip.was)), edit }
}

struct Tally {
    slips: usize,
    line: usize,
    cause: usize,
    edits: usize,
    mended: usize,
    restored: usize,
    shown: String,
}

fn tally(seed: u64, show_all: bool) -> Tally {
    let mut random = Random(seed);
    let mut sum = Tally {
        slips: 0,
        line: 0,
        cause: 0,
        edits: 0,
        mended: 0,
        restored: 0,
        shown: String::new(),
    };
    while sum.slips < SLIPS {
        let cell = CELLS[random.below(CELLS.len())];
        let slip = slip(cell, &mut random);
        let (found, sources) = diagnose(&slip.text);
        let Some(first) = found.first() else { continue };
        let verdict = judge(&slip, &found, &sources);
        sum.slips += 1;
        sum.line += usize::from(verdict.line);
        sum.cause += usize::from(verdict.cause);
        if let Some((mended, restored)) = verdict.edit {
            sum.edits += 1;
            sum.mended += usize::from(mended);
            sum.restored += usize::from(restored);
        }
        if show_all || !verdict.line || !verdict.cause {
            let mark = match (verdict.line, verdict.cause) {
                (false, _) => "LINE",
                (_, false) => "CAUSE",
                _ => "ok",
            };
            let place = sources.place(first.span);
            let text = slip.text.lines().nth(slip.line - 1).unwrap_or_default();
            let _ = writeln!(
                sum.shown,
                "{mark} {}:{} {:?} `{}`\n    {}\n    {}:{} {} {} [{}] ({} errors)",
                slip.cell,
                slip.line,
                slip.change,
                slip.was,
                text.trim(),
                place.line,
                place.column,
                first.code.as_str(),
                first.message,
                first.help.as_deref().unwrap_or_default(),
                found.len(),
            );
            if let Some(fix) = &first.fix {
                let edits: Vec<&str> = fix.edits.iter().map(|it| it.1.as_str()).collect();
                let _ = writeln!(sum.shown, "    edit {edits:?} {:?}", verdict.edit);
            }
        }
    }
    sum
}

#[test]
fn first_messages_give_line_and_cause_and_edits_compile() {
    let asked = std::env::var("RNNC_SLIPS").ok();
    let (seed, all) = match asked.as_deref().map(|it| it.split_once(',').unwrap_or((it, ""))) {
        None => (20, false),
        Some((seed, rest)) => (seed.parse().expect("a seed"), rest == "all"),
    };
    let sum = tally(seed, all);
    let share = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
    println!(
        "{} slips: line {:.1} %, cause {:.1} %; {} edits, {:.1} % with fewer errors, {:.1} % restore the text",
        sum.slips,
        share(sum.line, sum.slips),
        share(sum.cause, sum.slips),
        sum.edits,
        share(sum.mended, sum.edits),
        share(sum.restored, sum.edits),
    );
    if asked.is_some() {
        println!("{}", sum.shown);
    }
    assert!(share(sum.line, sum.slips) >= 98.0, "{}", sum.shown);
    assert!(share(sum.cause, sum.slips) >= 92.0, "{}", sum.shown);
    assert_eq!(sum.mended, sum.edits, "{}", sum.shown);
}

/// Floor division in a comment: the edit gives the text that was meant, and where there is none, none is offered. An edit
/// that closes the brackets before the comment would compile and drop the division.
#[test]
fn an_edit_of_a_division_divides() {
    let cell = |value: &str| {
        format!(
            "cell A {{\n  dims H\n  hyper w = 2\n  input x: [2 * H]\n  let a = {value}\n  output y = a * w\n}}\n"
        )
    };
    for (slip, meant) in [
        ("2 * w // H", Some("floor(2 * w / H)")),
        ("tanh(x) // w", Some("floor(tanh(x) / w)")),
        ("1 - w ^ 2 * -H // (w + 1)", Some("1 - floor(w ^ 2 * -H / (w + 1))")),
        ("w // H + 1", Some("floor(w / H) + 1")),
        ("max(0, (x // w))", Some("max(0, (floor(x / w)))")),
        ("max(0, (w // H)) + (1)", Some("max(0, (floor(w / H))) + (1)")),
        ("slice(x, 0, H // 2)", None),
        ("slice(x, (0), (H // 2))", None),
        ("x[H // 2]", None),
    ] {
        let text = cell(slip);
        let (found, _) = diagnose(&text);
        let codes: Vec<&str> = found.iter().map(|it| it.code.as_str()).collect();
        assert_eq!(codes, ["E0115"], "{slip}: {found:#?}");
        match (meant, &found[0].fix) {
            (Some(meant), Some(fix)) => {
                let blanks = |it: &str| it.split_whitespace().collect::<String>();
                assert_eq!(blanks(&edited(&text, fix)), blanks(&cell(meant)));
            }
            (None, None) => assert!(found[0].help.as_ref().unwrap().starts_with("sizes are not")),
            (_, _) => panic!("{slip}: {found:#?}"),
        }
    }
}
