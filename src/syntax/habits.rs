//! Recognises habits from other languages where the parser stops at them.

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::ranges;
use crate::syntax::scan::{self, Kind};
use crate::syntax::split::Reader;
use crate::syntax::words::Word;
use crate::text::{FileId, Span};

/// General advice about indices as other languages have them.
pub(crate) const CUTS: &str = "`slice(v, from, to)` gives the elements from .. to of a vector, `slice(v, from, to, over D)` those of an axis; \
    `v[i]` takes one of the first axis";

/// The bytes in which an opening bracket is looked for; nobody writes a longer range.
const REACH: usize = 64;

/// Returns a message for a habit at the token `at`, in the statement that begins at `start`.
pub(super) fn at_token(
    reader: &Reader<'_>,
    start: usize,
    at: usize,
    found: &str,
) -> Option<Diagnostic> {
    let unexpected =
        |message: &str| Diagnostic::new(Code::UnexpectedToken, reader.span(at), message);
    match found {
        ":" => {
            let open = opener(reader, start, at)?;
            let named = at.checked_sub(1).map(|it| text(reader, it, at))?;
            if reader.word(open) == "(" && reader.kind(at - 1) == Some(Kind::Word(Word::Free)) {
                let value = text(reader, at + 1, at + 2);
                return Some(
                    unexpected("a named argument is written with `=`")
                        .help(format!("write `{named} = {value}`")),
                );
            }
            is_index(reader, start, open)
                .then(|| index(reader, open, unexpected("brackets hold one index, not a range")))
        }
        "," => {
            let open = opener(reader, start, at)?;
            is_index(reader, start, open)
                .then(|| index(reader, open, unexpected("brackets hold one index, not several")))
        }
        "for" if reader.scan.tokens[at].first => {
            Some(unexpected("there is no loop over time").help(
                "the equations say what one step does; the tool repeats them over the sequence",
            ))
        }
        "*" if at > start && reader.word(at - 1) == "." => {
            let both = reader.span(at - 1).to(reader.span(at));
            Some(
                Diagnostic::new(Code::UnexpectedToken, both, "`*` multiplies element by element")
                    .help("write `*` alone")
                    .fix(Applicability::Maybe, both, "*"),
            )
        }
        "{" if at > start && reader.word(at - 1).ends_with('_') => Some(
            unexpected("names have no index of time")
                .help("`h` is the value of this step, `prev h` that of the step before"),
        ),
        _ if reader.scan.tokens[at].first
            && at > start
            && reader.word(at + 1) == "<"
            && reader.word(at + 2) == "-"
            && reader.span(at + 1).end == reader.span(at + 2).start =>
        {
            let arrow = reader.span(at + 1).to(reader.span(at + 2));
            Some(
                Diagnostic::new(Code::UnexpectedToken, arrow, "an equation is written with `=`")
                    .fix(Applicability::Maybe, arrow, "="),
            )
        }
        _ => None,
    }
}

/// Returns true if a bracket follows a value, whose elements it then takes.
fn is_index(reader: &Reader<'_>, start: usize, open: usize) -> bool {
    let follows = open > start + 1 && reader.ends_value(open - 1);
    let touches = follows && reader.span(open - 1).end == reader.span(open).start;
    reader.word(open) == "[" && touches && reader.word(open - 1) != "index"
}

/// Returns an index as other languages have them, and what cuts the value here.
fn index(reader: &Reader<'_>, open: usize, found: Diagnostic) -> Diagnostic {
    match ranges::instead(reader, open, None) {
        Some((whole, text)) => {
            found.help(format!("write `{text}`")).fix(Applicability::Maybe, whole, text)
        }
        None => found.help(CUTS),
    }
}

/// Advice for two values side by side of which one is a word that other languages use.
pub(super) fn words_between(reader: &Reader<'_>, at: usize) -> Option<String> {
    let (before, found) = (reader.word(at - 1), reader.word(at));
    match (before, found) {
        (_, "and") => Some("comparisons give 0 or 1: `a` and `b` is `(a) * (b)`".to_owned()),
        (_, "or") => Some("comparisons give 0 or 1: `a` or `b` is `max(a, b)`".to_owned()),
        ("not", _) => Some("comparisons give 0 or 1: not `a` is `1 - a`".to_owned()),
        ("lambda", _) => Some("a function is an item of the file: `fn f(a) = expr`".to_owned()),
        ("tanh" | "sigmoid" | "relu" | "exp" | "log" | "sqrt" | "sum" | "mean" | "softmax", _) => {
            Some(format!("the argument of a function stands in parentheses: `{before}(..)`"))
        }
        (function, "(") if at >= 3 && reader.word(at - 2) == "." => {
            Some(format!("a function is called by its name alone: `{function}(..)`"))
        }
        _ => None,
    }
}

/// Returns the notation of this language for a sign of others.
pub(super) fn sign(character: char) -> Option<&'static str> {
    match character {
        '?' => Some("choose between two values with `where(cond, a, b)`"),
        '%' => Some("write `mod(a, b)`"),
        '!' => Some("comparisons give 0 or 1: not `a` is `1 - a`"),
        _ => None,
    }
}

/// Returns the text to write in the place of the value whose index holds the byte `at`, where its axes are these; with `probe`
/// the text fails unless they are.
pub(crate) fn cut(text: &str, at: u32, axes: &[String], probe: bool) -> Option<(Span, String)> {
    let scan = scan::scan(text, FileId(0));
    let mut none = Vec::new();
    let reader = Reader::new(text, &scan, FileId(0), &mut none);
    let token = scan.tokens.partition_point(|it| it.end <= at);
    ranges::instead(&reader, opener(&reader, 0, token)?, Some((axes, probe)))
}

/// Returns the bracket around a token that opens nearest before it.
fn opener(reader: &Reader<'_>, start: usize, at: usize) -> Option<usize> {
    let nearest = start.max(at.saturating_sub(REACH));
    (nearest..at).rev().find(|it| {
        matches!(reader.kind(*it), Some(Kind::Open(_)))
            && reader.partner(*it).is_some_and(|close| close > at)
    })
}

/// Returns the source of the tokens `from..to`, if it is short.
fn text(reader: &Reader<'_>, from: usize, to: usize) -> String {
    if from >= to {
        return String::new();
    }
    let text = &reader.source[reader.span(from).to(reader.span(to - 1)).range()];
    let short = text.len() <= 40 && !text.contains(|it: char| it.is_control());
    if short { text.to_owned() } else { "..".to_owned() }
}

/// Returns a declaration of the cell inside a loop.
pub(super) fn in_a_loop(place: Span, found: &str) -> Diagnostic {
    let message = format!("a loop holds gates and lets only, no `{found}`");
    Diagnostic::new(Code::UnexpectedToken, place, message)
        .help("declare it before the loop; a value with a past belongs to the cell")
}
