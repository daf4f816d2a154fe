//! Finds the probable intention of the author of a text with slips, by trying edits.
//!
//! A parser stops where it cannot read on, which is often a few tokens behind the slip, and then guesses at all that
//! follows. So edits of one token around that place are tried: `h @ act(x)` is no equation, `h = act(x)` is one, and with
//! it the text has no error left. The edit that mends most says what the slip was, and the errors that vanish with it
//! have followed from it and are not told.
//!
//! The same trial decides whether the edit of a diagnostic is offered at all: with it the text has fewer errors, and
//! every declaration that could be read says what it said. What mends in several ways is told without an edit.
//!
//! All of it is bounded: [`MAX_TEXT`], [`MAX_FOUND`] and the two budgets of a [`Bench`].

mod foreign;
mod habits;
mod names;
mod operators;
mod same;
mod slips;
mod tell;

use crate::check;
use crate::diag::{self, Applicability, Code, Diagnostic, Fix};
use crate::syntax::{self, Lexeme, ast};
use crate::text::{FileId, SourceFile, Span, distance};

/// In a longer text nothing is tried.
const MAX_TEXT: usize = 64 << 10;

/// With more diagnostics than these nothing is tried.
const MAX_FOUND: usize = 40;

/// The most slips of the grammar that are looked for in a text.
const MAX_SLIPS: usize = 4;

/// The most edits of a slip that are checked as a whole.
const MAX_CHECKED: usize = 14;

/// A text in the place of the one that was given.
pub struct Attempt {
    /// Its tree.
    pub tree: ast::File,
    /// Everything found in it.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses and checks a text in the place of the main file; `None` if that cannot be tried.
pub type Try<'t> = dyn Fn(&str) -> Option<Attempt> + 't;

/// Puts diagnostics into the words of the slips behind them, drops what only follows from those, and keeps of their edits
/// those that mend the text.
pub fn mend(text: &str, tree: &ast::File, found: &mut Vec<Diagnostic>, attempt: &Try<'_>) {
    if found.is_empty() {
        return;
    }
    if text.len() > MAX_TEXT || found.len() > MAX_FOUND {
        for it in found {
            it.fix = it.fix.take().filter(|it| it.applicability == Applicability::Certain);
        }
        return;
    }
    let lexemes = syntax::lexemes(text);
    // An attempt takes about as long as the text is.
    let parses = (4 << 20) / text.len().max(256);
    let mut bench = Bench {
        text,
        tree,
        lexemes,
        attempt,
        parses,
        checks: 200.min(parses / 4),
        sure: Vec::new(),
    };
    bench.divisions(found);
    bench.indices(found);
    bench.methods(found);
    bench.nameless(found);
    bench.texts(found);
    bench.words_before_values(found);
    bench.slips(found);
    bench.names(found);
    bench.operators(found);
    bench.edits(found);
    closed_by_another(text, found);
    alone(found);
}

/// Of brackets of different kinds that close each other, says that alone: what else is found on their lines follows.
fn closed_by_another(text: &str, found: &mut Vec<Diagnostic>) {
    let is_one =
        |it: &Diagnostic| it.code == Code::UnclosedBracket && it.message.contains("is closed by");
    let line = |at: u32| text.get(..at as usize).map(|it| it.matches('\n').count());
    let lines: Vec<Option<usize>> =
        found.iter().filter(|it| is_one(it)).map(|it| line(it.span.start)).collect();
    found.retain(|it| {
        is_one(it)
            || !slips::is_of_grammar(it)
            || it.span.file != FileId(0)
            || !lines.contains(&line(it.span.start))
    });
}

/// Returns functions that a name may be a slip of, the nearest first; what another library calls so comes alone.
pub fn near_functions(name: &str, most: usize) -> impl Iterator<Item = &'static str> {
    let way = foreign::way(name);
    let mut near: Vec<(usize, &str)> = match way {
        Some(foreign::Way::Called(other)) => vec![(0, other)],
        Some(foreign::Way::Written(_) | foreign::Way::Missing(_)) => Vec::new(),
        None => check::functions().map(|it| (distance(name, it), it)).collect(),
    };
    near.retain(|it| it.0 <= most && name.len() <= 64);
    near.sort_unstable();
    near.into_iter().map(|it| it.1).take(4)
}

/// The text, and what may still be tried on it.
struct Bench<'b> {
    text: &'b str,
    tree: &'b ast::File,
    lexemes: Vec<Lexeme>,
    attempt: &'b Try<'b>,
    /// The number of texts that may still be parsed.
    parses: usize,
    /// The number of texts that may still be checked.
    checks: usize,
    /// The diagnostics whose edits have been tried, and mend.
    sure: Vec<Diagnostic>,
}

impl Bench<'_> {
    /// The text after edits; `None` where they do not fit it.
    fn edited(&self, edits: &[(Span, String)]) -> Option<String> {
        let mut edits: Vec<&(Span, String)> = edits.iter().collect();
        edits.sort_by_key(|(span, _)| std::cmp::Reverse((span.start, span.end)));
        let mut text = self.text.to_owned();
        for (span, new) in edits {
            if span.file != FileId(0) || text.get(span.range()).is_none() {
                return None;
            }
            text.replace_range(span.range(), new);
        }
        Some(text)
    }

    /// Returns the number of errors that the parser finds after edits.
    fn parse(&mut self, edits: &[(Span, String)]) -> Option<usize> {
        self.parses = self.parses.checked_sub(1)?;
        let source = SourceFile::new("", self.edited(edits)?);
        Some(errors(&syntax::parse(&source, FileId(0)).1))
    }

    /// Returns the diagnostics after edits, if the parts outside of them that could be read mean the same.
    fn check(&mut self, edits: &[(Span, String)]) -> Option<Attempt> {
        self.checks = self.checks.checked_sub(1)?;
        let after = (self.attempt)(&self.edited(edits)?)?;
        // Where cells and loops end is not known without the right braces.
        let is_brace = |(span, new): &(Span, String)| {
            self.text[span.range()].contains(['{', '}']) || new.contains(['{', '}'])
        };
        let keeps = || same::keeps(self.text, self.tree, &after.tree, edits);
        (edits.iter().any(is_brace) || keeps()).then_some(after)
    }

    /// Returns the diagnostics after edits, if they mend more than they break.
    fn mends(&mut self, edits: &[(Span, String)], found: &[Diagnostic]) -> Option<Vec<Diagnostic>> {
        let after = self.check(edits)?;
        let (now, before) = (self.left(&after, edits, found), errors(found));
        let after = after.diagnostics;
        (now < before || before == 0 && now == 0 && after.len() < found.len()).then_some(after)
    }

    /// Counts the errors after edits, without those that were hidden by what could not be read: unknown names in the declaration
    /// that can be read now, but for those beside the edit, which may be the fault.
    fn left(&self, after: &Attempt, edits: &[(Span, String)], found: &[Diagnostic]) -> usize {
        let all = after.diagnostics.iter().filter(|it| it.is_error());
        let first = edits.iter().min_by_key(|it| it.0.start);
        let (Some((place, new)), true) = (first, found.iter().any(slips::is_of_grammar)) else {
            return all.count();
        };
        let cells = after.tree.items.iter().filter_map(|it| match it {
            ast::Item::Cell(cell) => Some(cell),
            ast::Item::Activation(_) | ast::Item::Function(_) | ast::Item::Use(_) => None,
        });
        let mut decls = cells.flat_map(|it| &it.decls);
        let read = decls.find(|it| (it.span.start..=it.span.end).contains(&place.start));
        let Some(read) = read.map(|it| it.span) else { return all.count() };
        let beside = place.start.saturating_sub(2)..=place.start + new.len() as u32 + 2;
        let stood_behind = |it: &&Diagnostic| {
            let is_name =
                matches!(it.code, Code::UnknownName | Code::UnknownFunction | Code::UnknownDim);
            let within =
                it.span.file == read.file && read.start <= it.span.start && it.span.end <= read.end;
            let is_beside = beside.contains(&it.span.start) || beside.contains(&it.span.end);
            let is_new =
                !found.iter().any(|old| (old.code, &old.message) == (it.code, &it.message));
            is_name && within && is_new && !is_beside
        };
        all.filter(|it| !stood_behind(it)).count()
    }

    /// Takes out the edits that do not mend, with the words that propose them.
    fn edits(&mut self, found: &mut [Diagnostic]) {
        for idx in 0..found.len() {
            let Some(fix) = found[idx].fix.clone() else { continue };
            // An attempt reads no other file than those that were used before: where else a `use` leads is not known.
            if found[idx].code == Code::BadUse {
                continue;
            }
            if self.sure.contains(&found[idx]) || self.mends(&fix.edits, found).is_some() {
                continue;
            }
            withdraw(&mut found[idx]);
            if found[idx].message.starts_with("brackets hold one index") {
                found[idx].help = Some(syntax::CUTS.to_owned());
            }
        }
    }

    fn word(&self, at: usize) -> &str {
        self.lexemes.get(at).map_or("", |it| &self.text[it.start..it.end])
    }

    fn span(&self, at: usize) -> Span {
        let end = self.text.len();
        self.lexemes
            .get(at)
            .map_or(Span::new(FileId(0), end, end), |it| Span::new(FileId(0), it.start, it.end))
    }

    /// The token that ends behind a byte first.
    fn token_at(&self, byte: u32) -> usize {
        self.lexemes.partition_point(|it| it.end <= byte as usize)
    }
}

fn errors(found: &[Diagnostic]) -> usize {
    found.iter().filter(|it| it.is_error()).count()
}

/// Takes the edit of a diagnostic back, and the words that propose it.
fn withdraw(found: &mut Diagnostic) {
    found.fix = None;
    if let Some((message, _)) = found.message.split_once("; did you mean") {
        found.message = message.to_owned();
    }
    let proposes = |it: &String| it.starts_with("did you mean ") || it.starts_with("write `");
    found.help = found.help.take().filter(|it| !proposes(it));
}

/// Offers one edit.
fn offer(found: &mut Diagnostic, applicability: Applicability, edits: Vec<(Span, String)>) {
    found.fix = Some(Fix { applicability, edits });
}

/// Of a text whose braces do not match, says that alone: where cells and loops end is not known.
fn alone(found: &mut Vec<Diagnostic>) {
    let brace = |it: &Diagnostic| it.code == Code::UnclosedBracket && it.message.starts_with("`{`");
    if found.iter().any(brace) {
        found.retain(|it| it.code == Code::UnclosedBracket || it.code == Code::BadCharacter);
    }
    diag::sort(found);
}
