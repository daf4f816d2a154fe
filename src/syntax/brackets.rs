//! Finds the partner of every bracket, and the brackets that have none.
//!
//! A bracket that is not closed is noticed as early as possible: at a closing one of another kind,
//! or at a line that begins with a word that cannot be inside.

use crate::diag::{Code, Diagnostic};
use crate::syntax::scan::{Kind, MAX_DIAGNOSTICS, Token};
use crate::syntax::words::Word;
use crate::text::{FileId, Span};

/// Brackets inside each other; more are an error, so that nothing later recurses deeper.
pub(super) const MAX_NESTING: usize = 256;

/// Sets the partners. Returns false when the nesting is too deep to read on.
pub(super) fn pair(
    tokens: &mut [Token],
    text: &str,
    file: FileId,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let count = |sign: Kind| tokens.iter().filter(|it| it.kind == sign).count();
    // Where the braces are as many, an item inside of another is in the wrong place, and no
    // brace is missing.
    let balanced = count(Kind::Open(b'{')) == count(Kind::Close(b'}'));
    let mut pairing = Pairing { tokens, text, file, diagnostics, open: Vec::new(), balanced };
    for at in 0..pairing.tokens.len() {
        match pairing.tokens[at].kind {
            Kind::Open(_) if pairing.open.len() == MAX_NESTING => {
                let span = pairing.span(at);
                let message = format!("brackets are nested more than {MAX_NESTING} deep");
                pairing.diagnostics.push(
                    Diagnostic::new(Code::TooLarge, span, message)
                        .help("name a part of it with `let`"),
                );
                return false;
            }
            Kind::Open(_) => pairing.open.push(at),
            Kind::Close(sign) => pairing.close(at, sign),
            Kind::Word(Word::Item) if pairing.begins_item(at) => pairing.item(at),
            Kind::Word(Word::Declaration) if pairing.tokens[at].first => pairing.declaration(at),
            Kind::Word(_) | Kind::Number | Kind::Text | Kind::Sign(_) => {}
        }
    }
    let end = pairing.tokens.len();
    pairing.drop_to(0, end, "the file ends here");
    true
}

struct Pairing<'t> {
    tokens: &'t mut [Token],
    text: &'t str,
    file: FileId,
    diagnostics: &'t mut Vec<Diagnostic>,
    open: Vec<usize>,
    balanced: bool,
}

impl Pairing<'_> {
    fn span(&self, at: usize) -> Span {
        let end = self.text.len();
        self.tokens.get(at).map_or(Span::new(self.file, end, end), |it| {
            Span::new(self.file, it.start as usize, it.end as usize)
        })
    }

    fn sign(&self, at: usize) -> u8 {
        self.text.as_bytes()[self.tokens[at].start as usize]
    }

    fn join(&mut self, open: usize, close: usize) {
        self.tokens[open].partner = close as u32;
        self.tokens[close].partner = open as u32;
    }

    fn close(&mut self, at: usize, sign: u8) {
        let wanted = match sign {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        // A round or square bracket never reaches out of the braces around it.
        let mut level = self.open.len();
        let found = loop {
            if level == 0 {
                break None;
            }
            level -= 1;
            let open = self.sign(self.open[level]);
            if open == wanted {
                break Some(level);
            }
            if open == b'{' {
                break None;
            }
        };
        match (found, self.open.last()) {
            (Some(level), _) => {
                let open = self.open[level];
                self.drop_to(level + 1, at, "found this instead");
                self.open.pop();
                self.join(open, at);
            }
            (None, Some(&open)) if self.sign(open) != b'{' => {
                let (from, to) = (self.sign(open) as char, sign as char);
                let closer = if from == '(' { ')' } else { ']' };
                let other = self.span(at);
                self.report(
                    Diagnostic::new(
                        Code::UnclosedBracket,
                        self.span(open),
                        format!("`{from}` is closed by `{to}`"),
                    )
                    .label(other, format!("expected `{closer}`")),
                );
                self.open.pop();
                self.join(open, at);
            }
            // It closes nothing; the parser says so where it is.
            (None, Some(_) | None) => {}
        }
    }

    /// An item cannot be inside brackets.
    fn begins_item(&self, at: usize) -> bool {
        let Some(&top) = self.open.last() else { return false };
        if self.balanced && self.sign(top) == b'{' {
            return false;
        }
        let next_is_word = matches!(self.tokens.get(at + 1).map(|it| it.kind), Some(Kind::Word(_)));
        let opens = matches!(self.tokens.get(at + 2).map(|it| it.kind), Some(Kind::Open(_)));
        let next = self.tokens.get(at + 1).map(|it| it.kind);
        let next_fits = next_is_word || next == Some(Kind::Text);
        self.tokens[at].first && next_fits || self.sign(top) == b'{' && next_is_word && opens
    }

    /// A cell cannot be inside anything; the other items may have been written into a cell by
    /// mistake, and then the cell goes on after them.
    fn item(&mut self, at: usize) {
        let word = &self.text[self.tokens[at].start as usize..self.tokens[at].end as usize];
        let level = if matches!(word, "cell" | "model") {
            0
        } else {
            self.open.iter().position(|it| self.sign(*it) == b'{').map_or(0, |it| it + 1)
        };
        self.drop_to(level, at, "the next item begins here");
    }

    /// A declaration cannot be inside round or square brackets; only `let` and `gate` are in
    /// the braces of a loop.
    fn declaration(&mut self, at: usize) {
        let word = &self.text[self.tokens[at].start as usize..self.tokens[at].end as usize];
        let braces = |it: &&usize| self.sign(**it) == b'{';
        let level = if self.balanced || matches!(word, "let" | "gate") {
            self.open.iter().rposition(|it| braces(&it))
        } else {
            self.open.iter().position(|it| braces(&it))
        };
        self.drop_to(level.map_or(0, |it| it + 1), at, "the next declaration begins here");
    }

    /// Gives up on all open brackets but the first `level`.
    fn drop_to(&mut self, level: usize, at: usize, why: &str) {
        while self.open.len() > level {
            let Some(open) = self.open.pop() else { return };
            self.tokens[open].partner = at as u32;
            let sign = self.sign(open) as char;
            let message = format!("`{sign}` is never closed");
            let place = self.span(at);
            self.report(
                Diagnostic::new(Code::UnclosedBracket, self.span(open), message).label(place, why),
            );
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }
}
