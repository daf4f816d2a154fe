//! Slips of one token: which edits are tried around the place where the parser stopped, and which of them is meant.

use crate::check;
use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::{LexemeKind, is_reserved};
use crate::text::Span;

use super::{Attempt, Bench, MAX_CHECKED, MAX_SLIPS, errors, offer, same};

/// The distance, in tokens, at which a bracket may be the slip that stopped the parser.
const REACH: usize = 48;

/// The kinds of slips.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// A token is doubled.
    Twice,
    /// A token is missing before this one.
    Missing,
    /// A token replaces another.
    Instead,
    /// A token has no place here.
    Extra,
}

/// An edit that may mend a slip.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Candidate {
    pub how: How,
    /// The token, or the one behind the gap.
    pub at: usize,
    /// The sign or word that is put there.
    pub sign: &'static str,
    pub edit: (Span, String),
    /// The cost: likely edits have a low one; edits of the same tens are equally likely.
    cost: usize,
}

/// The best edit among the candidates that were read.
pub(super) struct Slip {
    pub meant: Candidate,
    /// True if no other edit that is as likely mends as much.
    pub is_only: bool,
    /// The signs that would mend at the same gap.
    pub fitting: Vec<&'static str>,
}

const OPERATORS: [&str; 7] = ["+", "*", "@", "-", "/", "^", "<"];
const BETWEEN: [&str; 4] = [",", "=", ":", ".."];
const INNER: [&str; 6] = ["init", "for", "in", "from", "over", "yield"];
const DECLARING: [&str; 14] = [
    "param", "input", "state", "let", "gate", "output", "hyper", "dims", "const", "mask", "layout",
    "cell", "fn", "use",
];

impl Bench<'_> {
    /// Looks for the slips behind what the parser has found.
    pub(super) fn slips(&mut self, found: &mut Vec<Diagnostic>) {
        let mut tried: Vec<Diagnostic> = Vec::new();
        for _ in 0..MAX_SLIPS {
            let Some(idx) = found
                .iter()
                .position(|it| is_of_grammar(it) && !tried.contains(it) && !self.sure.contains(it))
            else {
                return;
            };
            let old = found[idx].clone();
            if let Some((new, after)) = self.slip(&old, found) {
                keep_what_stays(found, &old, &after);
                if new.fix.is_some() {
                    self.sure.push(new.clone());
                }
                tried.push(new.clone());
                found.push(new);
                crate::diag::sort(found);
            }
            tried.push(old);
        }
    }

    /// Returns the slip behind a diagnostic, and what is found without it.
    fn slip(
        &mut self,
        old: &Diagnostic,
        found: &[Diagnostic],
    ) -> Option<(Diagnostic, Vec<Diagnostic>)> {
        if old.fix.as_ref().is_some_and(|it| it.applicability == Applicability::Certain) {
            return None;
        }
        let before = self.parse(&[])?;
        let mut candidates = self.candidates(old);
        // What is not there may be any value, and the text that it has left behind is right.
        let lacks_value = old.message.starts_with("expected a value")
            || old.message.starts_with("expected a name")
            || old.message.starts_with("a name is missing");
        candidates.retain(|it| match it.how {
            How::Twice => true,
            How::Missing | How::Instead => !lacks_value || is_bracket(it.sign),
            How::Extra => !lacks_value || is_bracket(self.word(it.at)),
        });
        candidates.sort_by_key(|it| it.cost);
        let mut fewest = before.saturating_sub(1);
        let mut read: Vec<Candidate> = Vec::new();
        for it in candidates {
            let Some(now) = self.parse(std::slice::from_ref(&it.edit)) else { continue };
            if now < fewest {
                read.clear();
                fewest = now;
            }
            if now == fewest && now < before {
                read.push(it);
            }
        }
        read.truncate(MAX_CHECKED);
        let mut fewest = errors(found).saturating_sub(1);
        let mut mending: Vec<(Candidate, Attempt)> = Vec::new();
        for it in read {
            let Some(after) = self.check(std::slice::from_ref(&it.edit)) else { continue };
            let now = self.left(&after, std::slice::from_ref(&it.edit), found);
            if now < fewest {
                mending.clear();
                fewest = now;
            }
            let twice = it.how == How::Twice && !is_bracket(self.word(it.at));
            let is_enough = now == 0 && twice;
            if now == fewest && now < errors(found) {
                mending.push((it, after));
            }
            if is_enough {
                break;
            }
        }
        // The message of a habit of another language is better, if what it proposes mends as much.
        if let Some(fix) = &old.fix
            && old.code != Code::MissingOperator
            && !fix.edits.iter().all(|it| it.1.is_empty())
            && self.check(&fix.edits).is_some_and(|it| self.left(&it, &fix.edits, found) <= fewest)
        {
            return None;
        }
        let (meant, after) = mending.first()?;
        let equal = |it: &Candidate| {
            let more = match meant.how {
                How::Twice => 2,
                How::Missing => 1,
                How::Instead | How::Extra => 0,
            };
            it.cost / 10 <= meant.cost / 10 + more
        };
        let left_out = meant.how == How::Twice && self.may_lack_a_value(meant.at);
        // `2 x` is a product, as in formulas.
        if old.code == Code::MissingOperator
            && meant.how == How::Missing
            && meant.sign != "@"
            && self.lexemes[meant.at - 1].kind == LexemeKind::Number
            && self.lexemes[meant.at].kind != LexemeKind::Number
            && let Some(fix) = &old.fix
            && let Some(after) = self.mends(&fix.edits.clone(), found)
        {
            return Some((old.clone(), after));
        }
        if meant.how != How::Twice && !is_general(old) {
            return self.known_slip(old, &mending);
        }
        let is_only = match meant.how {
            How::Twice if !is_bracket(self.word(meant.at)) => !left_out,
            How::Twice | How::Missing | How::Instead | How::Extra => mending
                .iter()
                .filter(|it| equal(&it.0))
                .all(|it| same::says_the_same(&it.1.tree, &after.tree)),
        };
        // With a value between them nothing is twice, and what it would define or use is not there.
        if left_out && fewest > 0 {
            return None;
        }
        let at_gap = mending.iter().filter(|(it, _)| it.how == meant.how && it.at == meant.at);
        let fitting = at_gap.map(|it| it.0.sign).collect();
        let (meant, after) = mending.swap_remove(0);
        let after = after.diagnostics;
        let slip = Slip { meant, is_only, fitting };
        Some((self.tell(old, &slip), after))
    }

    /// Returns a slip whose message says more than what was expected: the message stays, with the only edit that mends.
    fn known_slip(
        &self,
        old: &Diagnostic,
        mending: &[(Candidate, Attempt)],
    ) -> Option<(Diagnostic, Vec<Diagnostic>)> {
        let [(meant, after)] = mending else { return None };
        let is_plain = old.help.as_ref().is_some_and(|it| it.starts_with("choose another name"));
        if old.code != Code::ReservedWord || meant.how != How::Instead {
            return None;
        }
        let slip = Slip { meant: meant.clone(), is_only: true, fitting: vec![meant.sign] };
        let mut told = self.tell(old, &slip);
        if !is_plain {
            told = Diagnostic { fix: told.fix, ..old.clone() };
        }
        Some((told, after.diagnostics.clone()))
    }

    /// Returns true if two signs are so far apart that a value may be missing between them.
    fn may_lack_a_value(&self, second: usize) -> bool {
        let apart = self.span(second - 1).end < self.span(second).start;
        apart && matches!(self.word(second), "," | "+" | "-" | "*" | "/" | "@" | "^" | "<")
    }

    /// Returns the edits around the place of a diagnostic that could mend it.
    fn candidates(&self, old: &Diagnostic) -> Vec<Candidate> {
        let at = self.token_at(old.span.start);
        let at = if old.span.start == old.span.end { self.token_at(old.span.start) } else { at };
        let count =
            |sign: &str| (0..self.lexemes.len()).filter(|it| self.word(*it) == sign).count();
        let lacks = |open: &str, close: &str| count(open) as isize - count(close) as isize;
        let balance = [("(", ")"), ("[", "]"), ("{", "}")].map(|(a, b)| (a, b, lacks(a, b)));
        // Which brackets there are too few of, and too many.
        let few: Vec<&'static str> = (balance.iter())
            .filter(|it| it.2 != 0)
            .map(|it| if it.2 < 0 { it.0 } else { it.1 })
            .collect();
        let many: Vec<&str> = (balance.iter())
            .filter(|it| it.2 != 0)
            .map(|it| if it.2 > 0 { it.0 } else { it.1 })
            .collect();
        let far = old.labels.iter().map(|it| self.token_at(it.span.start)).max().unwrap_or(at);
        // A bracket that is open is left open by what follows it.
        let back = if old.code == Code::UnclosedBracket { 0 } else { REACH };
        let (from, to) = (at.saturating_sub(back), far.max(at + 2).min(at + REACH));
        let to = to.min(self.lexemes.len());
        let mut out = Vec::new();
        let mut braces: Vec<usize> = Vec::new();
        if many.iter().any(|it| matches!(*it, "{" | "}")) {
            // Where cells and loops end is not known, so the slip may be anywhere.
            braces = (0..self.lexemes.len()).filter(|it| many.contains(&self.word(*it))).collect();
            braces.retain(|it| !(from..=to).contains(it));
            braces.truncate(REACH);
        }
        for token in (from..=to).chain(braces) {
            let distance = token.abs_diff(at);
            self.at_token(token, distance, &few, &many, &mut out);
            self.at_gap(token, distance, &few, &mut out);
        }
        out
    }

    /// Edits of a token.
    fn at_token(
        &self,
        token: usize,
        distance: usize,
        few: &[&'static str],
        many: &[&str],
        out: &mut Vec<Candidate>,
    ) {
        let Some(lexeme) = self.lexemes.get(token).copied() else { return };
        let (word, span) = (self.word(token), self.span(token));
        let mut add = |how, base: usize, sign: &'static str, span: Span, text: &str| {
            let (edit, cost) = ((span, text.to_owned()), base * 10 + distance.min(9));
            out.push(Candidate { how, at: token, sign, edit, cost });
        };
        if token > 0 && word == self.word(token - 1) && distance <= 12 {
            let both = Span { start: self.span(token - 1).end, ..span };
            add(How::Twice, 0, "", both, "");
        }
        let is_many = many.contains(&word);
        let is_bracket = matches!(lexeme.kind, LexemeKind::Open | LexemeKind::Close);
        let is_sign = is_bracket || lexeme.kind == LexemeKind::Sign;
        if is_sign && (!is_bracket || is_many) {
            for sign in few {
                add(How::Instead, 2, sign, span, sign);
            }
            if distance <= 1 || is_many {
                for sign in BETWEEN.into_iter().chain(OPERATORS).chain(["."]) {
                    if sign != word {
                        add(How::Instead, if is_bracket { 3 } else { 2 }, sign, span, sign);
                    }
                }
            }
        }
        if (distance <= 2 && !is_bracket) || is_many {
            let before = self.span(token.saturating_sub(1));
            let whole = if token > 0 && !lexeme.first { before.after().to(span) } else { span };
            add(How::Extra, 5, "", whole, "");
        }
        if lexeme.kind == LexemeKind::Word && distance <= 2 && (distance <= 1 || is_reserved(word))
        {
            let words = if lexeme.first { &DECLARING[..] } else { &INNER[..] };
            for other in words.iter().filter(|it| **it != word) {
                add(How::Instead, 2, other, span, other);
            }
        }
        // `rowsW_i, W_f)`: the bracket was between the function and its argument.
        if lexeme.kind == LexemeKind::Word && few.contains(&"(") && !is_reserved(word) {
            let names = check::callable();
            let longest = names.filter(|it| word.starts_with(it) && word.len() > it.len());
            if let Some(name) = longest.max_by_key(|it| it.len()) {
                let gap = Span { start: span.start + name.len() as u32, ..span }.before();
                add(How::Missing, 1, "(", gap, "(");
            }
        }
    }

    /// Lists the tokens that may be put before a token.
    fn at_gap(
        &self,
        token: usize,
        distance: usize,
        few: &[&'static str],
        out: &mut Vec<Candidate>,
    ) {
        let Some(before) = token.checked_sub(1) else { return };
        let (left, right) = (self.span(before), self.span(token));
        let kind = |at: usize| self.lexemes.get(at).map(|it| it.kind);
        let first = self.lexemes.get(token).is_none_or(|it| it.first);
        let ends = matches!(
            kind(before),
            Some(LexemeKind::Word | LexemeKind::Number | LexemeKind::Text | LexemeKind::Close)
        );
        let begins = matches!(
            kind(token),
            Some(LexemeKind::Word | LexemeKind::Number | LexemeKind::Text | LexemeKind::Open)
        );
        let mut add = |base: usize, sign: &'static str, span: Span, text: String| {
            let cost = base * 10 + distance.min(9);
            out.push(Candidate { how: How::Missing, at: token, sign, edit: (span, text), cost });
        };
        let tight = left.after();
        let wide = right.start > left.end + 1 && !first;
        let inner = Span { start: left.end + 1, end: left.end + 1, ..left };
        let loose = if wide { inner } else { tight };
        let spaced = |sign: &str| match (wide, right.start > left.end) {
            (true, _) => sign.to_owned(),
            (false, true) => format!(" {sign}"),
            (false, false) => format!(" {sign} "),
        };
        for sign in few {
            match *sign {
                "(" | "[" if begins => add(2, sign, right.before(), (*sign).to_owned()),
                "{" => add(2, sign, loose, spaced(sign)),
                ")" | "]" if ends || distance == 0 => add(2, sign, tight, (*sign).to_owned()),
                "}" if first => {
                    let indent = if self.word(token) == "}" { "  " } else { "" };
                    add(3, sign, tight, format!("\n{indent}}}"));
                }
                _ => {}
            }
        }
        if distance > 1 {
            return;
        }
        if ends && begins && !first {
            let is_matrix = self.matrices().contains(&self.word(before));
            for sign in OPERATORS {
                // A value after a matrix is mostly multiplied with it.
                let base = if sign == "@" && is_matrix { 1 } else { 3 };
                add(base, sign, loose, spaced(sign));
            }
        }
        if ends && begins {
            let begins_line = (0..token).rev().find(|it| self.lexemes[*it].first);
            let is_output = begins_line.is_some_and(|it| self.word(it) == "output");
            add(if first || is_output { 5 } else { 2 }, ",", tight, ",".to_owned());
        }
        if ends && (begins || distance <= 1) && !first {
            for sign in ["=", ".."] {
                add(2, sign, loose, spaced(sign));
            }
            add(2, ":", tight, ":".to_owned());
        }
        if distance == 0 && kind(token).is_some() {
            let words = if first { &DECLARING[..] } else { &INNER[..] };
            for word in words {
                add(2, word, right.before(), format!("{word} "));
            }
        }
    }
}

pub(super) fn is_bracket(sign: &str) -> bool {
    matches!(sign, "(" | ")" | "[" | "]" | "{" | "}")
}

/// Returns true if a message only says what was expected, or follows from a bracket that is read wrongly.
fn is_general(it: &Diagnostic) -> bool {
    let starts = ["expected ", "unknown declaration", "a name is missing", "state `", "cell `"];
    let ends = [
        "closes nothing",
        "stands outside of a cell",
        "is never closed",
        "may not stand inside a cell",
    ];
    let message = &it.message;
    let general = starts.iter().any(|it| message.starts_with(it))
        || ends.iter().any(|it| message.ends_with(it))
        || message.contains("without a word that says what it is");
    match it.code {
        // Two values side by side; of words of other languages the help says more.
        Code::MissingOperator => it.fix.is_some() || it.message.contains("`(`"),
        Code::ReservedWord => false,
        _ => general && it.help.as_ref().is_none_or(|it| !it.starts_with("give the value a name")),
    }
}

/// Returns true if the parser has found it, so that the rest is guessed.
pub(super) fn is_of_grammar(it: &Diagnostic) -> bool {
    matches!(
        it.code,
        Code::UnexpectedToken
            | Code::MissingOperator
            | Code::UnclosedBracket
            | Code::ReservedWord
            | Code::UnknownDeclaration
    ) && it.is_error()
}

/// Keeps of the other diagnostics those that are found without the slip, too.
pub(super) fn keep_what_stays(
    found: &mut Vec<Diagnostic>,
    slip: &Diagnostic,
    after: &[Diagnostic],
) {
    let mut left: Vec<(Code, &str)> = after.iter().map(|it| (it.code, &*it.message)).collect();
    found.retain(|it| {
        // What was proposed for it is not found anew.
        let (own, _) = it.message.split_once("; did you mean").unwrap_or((&it.message, ""));
        let is_it = |(code, message): &(Code, &str)| {
            *code == it.code && (*message == it.message || *message == own)
        };
        let at = left.iter().position(is_it);
        it != slip && at.map(|at| left.swap_remove(at)).is_some()
    });
}

impl Bench<'_> {
    /// Returns the slip in words; where those of the parser are right they stay.
    fn tell(&self, old: &Diagnostic, slip: &Slip) -> Diagnostic {
        let mut new = self.told(old, slip);
        if slip.is_only {
            let is_word = |it: &str| it.starts_with(|it: char| it.is_ascii_alphabetic());
            let now = self.word(slip.meant.at);
            let sure = slip.meant.how == How::Twice && (!is_word(now) || is_reserved(now));
            let sure = sure && !now.starts_with(|it: char| it.is_ascii_digit());
            let applicability = if sure { Applicability::Certain } else { Applicability::Maybe };
            offer(&mut new, applicability, vec![slip.meant.edit.clone()]);
        }
        new
    }
}
