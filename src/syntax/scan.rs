//! One pass over the characters, before the grammar: tokens with their brackets matched, comments taken out,
//! and everything that is wrong with single characters, numbers and brackets.
//!
//! What is wrong is also repaired, byte for byte, so that the grammar can read on and later places keep
//! their spans. The pass takes linear time on any text and limits the nesting that the grammar will meet.

use crate::diag::{Applicability, Code, Diagnostic};
use crate::syntax::brackets;
use crate::syntax::chars;
use crate::syntax::comments::Comment;
use crate::syntax::habits;
use crate::syntax::numbers;
use crate::syntax::words::{self, Word};
use crate::text::{FileId, Span};

/// More are not collected; people are shown far fewer.
pub(super) const MAX_DIAGNOSTICS: usize = 200;

/// The kinds of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A name or a word of the language.
    Word(Word),
    /// A number.
    Number,
    /// A text in quotes.
    Text,
    /// `(`, `[` or `{`
    Open(u8),
    /// `)`, `]` or `}`
    Close(u8),
    /// Any other sign; two characters for `== != <= >= ..`, then the first of them.
    Sign(u8),
}

/// No partner.
pub(super) const NONE: u32 = u32::MAX;

/// A token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// Its first byte.
    pub(super) start: u32,
    /// The byte after its last.
    pub(super) end: u32,
    /// The kind.
    pub(super) kind: Kind,
    /// True for the first of its line.
    pub(super) first: bool,
    /// Of a bracket, the index of its partner; of one that is never closed, of the token before which it
    /// must have ended.
    pub(super) partner: u32,
}

/// One line of a documentation comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct DocLine {
    /// The first `/`.
    pub(super) start: u32,
    /// The end of the line.
    pub(super) end: u32,
    /// The token that follows.
    pub(super) before: u32,
}

/// The result of the pass.
pub(super) struct Scan {
    /// The text without comments and with its slips repaired; every byte keeps its place.
    pub(super) text: String,
    /// The tokens.
    pub(super) tokens: Vec<Token>,
    /// The documentation comments.
    pub(super) docs: Vec<DocLine>,
    /// The other line comments.
    pub(super) comments: Vec<Comment>,
    /// The errors found.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// True if it is hopeless to read on.
    pub(super) fatal: bool,
}

/// Scans a text. It must be shorter than 4 GiB; the caller has a smaller limit.
pub(super) fn scan(text: &str, file: FileId) -> Scan {
    let mut scanner = Scanner {
        source: text,
        file,
        at: 0,
        text: text.as_bytes().to_vec(),
        tokens: Vec::new(),
        docs: Vec::new(),
        comments: Vec::new(),
        diagnostics: Vec::new(),
        first: true,
    };
    scanner.run();
    let Scanner { text, mut tokens, docs, comments, mut diagnostics, .. } = scanner;
    // Only whole characters have been overwritten, and with ASCII.
    let text = String::from_utf8(text).unwrap_or_default();
    let fatal = !brackets::pair(&mut tokens, &text, file, &mut diagnostics);
    Scan { text, tokens, docs, comments, diagnostics, fatal }
}

pub(super) struct Scanner<'s> {
    pub(super) source: &'s str,
    file: FileId,
    pub(super) at: usize,
    text: Vec<u8>,
    tokens: Vec<Token>,
    docs: Vec<DocLine>,
    comments: Vec<Comment>,
    diagnostics: Vec<Diagnostic>,
    first: bool,
}

impl Scanner<'_> {
    fn run(&mut self) {
        while let Some(byte) = self.byte(0) {
            let start = self.at;
            match byte {
                b'\n' => {
                    self.first = true;
                    self.at += 1;
                }
                b' ' | b'\t' => self.at += 1,
                b'\r' if self.byte(1) == Some(b'\n') => self.at += 1,
                b'/' if self.byte(1) == Some(b'/') => self.line_comment(),
                b'/' if self.byte(1) == Some(b'*') => self.block_comment(),
                b'#' => self.hash_comment(),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(),
                b'0'..=b'9' => self.number(),
                b'.' if matches!(self.byte(1), Some(b'0'..=b'9')) => self.number(),
                b'"' | b'\'' => self.quoted(byte),
                b'(' | b'[' | b'{' => self.token(Kind::Open(byte), 1),
                b')' | b']' | b'}' => self.token(Kind::Close(byte), 1),
                b'=' | b'<' | b'>' | b'!' if self.byte(1) == Some(b'=') => {
                    self.token(Kind::Sign(if byte == b'=' { b'~' } else { byte }), 2);
                }
                b'.' if self.byte(1) == Some(b'.') => self.token(Kind::Sign(b'~'), 2),
                b'*' if self.byte(1) == Some(b'*') => {
                    let found =
                        self.report(Code::UnexpectedToken, start, 2, "powers are written `^`");
                    found.fix = fix(found.span, "^");
                    self.text[start..start + 2].copy_from_slice(b"^ ");
                    self.token(Kind::Sign(b'^'), 2);
                }
                b':' if self.byte(1) == Some(b'=') => {
                    let found = self.report(
                        Code::UnexpectedToken,
                        start,
                        2,
                        "an equation is written with `=`",
                    );
                    found.fix = fix(found.span, "=");
                    self.text[start] = b' ';
                    self.at += 1;
                    self.token(Kind::Sign(b'='), 1);
                }
                b'&' | b'|' => self.logic(byte),
                b';' => {
                    let text = &self.source[start + 1..];
                    let found = self.report(
                        Code::UnexpectedToken,
                        start,
                        1,
                        "a statement ends by itself; remove `;`",
                    );
                    found.fix = fix(found.span, "");
                    // Between two groups a comma may be meant.
                    let rest = text.trim_start_matches([' ', '\t', '\r']);
                    let last =
                        rest.is_empty() || rest.starts_with(['\n', '}']) || rest.starts_with("//");
                    if let Some(fix) = &mut found.fix
                        && !last
                    {
                        fix.applicability = Applicability::Maybe;
                    }
                    self.blank(start, start + 1);
                    self.at += 1;
                }
                b'=' | b'<' | b'>' | b'+' | b'-' | b'*' | b'/' | b'@' | b'^' | b',' | b':'
                | b'.' => {
                    self.token(Kind::Sign(byte), 1);
                }
                _ => self.other(),
            }
        }
    }

    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    /// Adds a diagnostic; the last one is overwritten when there are too many already.
    pub(super) fn report(
        &mut self,
        code: Code,
        start: usize,
        length: usize,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        if self.diagnostics.len() >= MAX_DIAGNOSTICS {
            self.diagnostics.pop();
        }
        let span = self.span(start, start + length);
        self.diagnostics.push(Diagnostic::new(code, span, message));
        let last = self.diagnostics.len() - 1;
        &mut self.diagnostics[last]
    }

    /// Overwrites a range with one character; line ends stay.
    pub(super) fn overwrite(&mut self, start: usize, end: usize, with: u8) {
        for byte in &mut self.text[start..end] {
            if *byte != b'\n' {
                *byte = with;
            }
        }
    }

    fn blank(&mut self, start: usize, end: usize) {
        self.overwrite(start, end, b' ');
    }

    /// Adds a token of `length` bytes and moves past it.
    pub(super) fn token(&mut self, kind: Kind, length: usize) {
        let start = self.at;
        self.at += length;
        self.tokens.push(Token {
            start: start as u32,
            end: self.at as u32,
            kind,
            first: self.first,
            partner: NONE,
        });
        self.first = false;
    }

    fn character(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    /// Reads to the end of a line; reports what is not allowed even in comments.
    fn rest_of_line(&mut self) {
        let rest = &self.source.as_bytes()[self.at..];
        let end = self.at + rest.iter().position(|it| *it == b'\n').unwrap_or(rest.len());
        self.comment_characters(self.at, end);
        self.at = end;
    }

    /// Reports controls in a comment, quickly where there are none.
    fn comment_characters(&mut self, start: usize, end: usize) {
        let bytes = &self.source.as_bytes()[start..end];
        if !bytes.iter().any(|it| *it < b' ' || *it >= 0x7F) {
            return;
        }
        for (offset, character) in self.source[start..end].char_indices() {
            let at = start + offset;
            let ends_line = character == '\r'
                && matches!(self.source.as_bytes().get(at + 1), Some(b'\n') | None);
            let allowed = matches!(character, '\t' | '\n') || ends_line;
            if !allowed && (character.is_control() || chars::is_bidi(character)) {
                self.bad_character(at, character);
            }
        }
    }

    fn bad_character(&mut self, at: usize, character: char) {
        let shown = chars::show(character);
        let what = match character {
            '\r' => "carriage return".to_owned(),
            '\0' => "NUL character".to_owned(),
            _ if chars::is_bidi(character) => "control of the text direction".to_owned(),
            _ if character.is_control() => "control character".to_owned(),
            _ if chars::is_blank(character) => "blank outside ASCII".to_owned(),
            _ => "character".to_owned(),
        };
        let found = self.report(
            Code::BadCharacter,
            at,
            character.len_utf8(),
            format!("{what} {shown} is not allowed here"),
        );
        if character == '\r' {
            found.help = Some("lines end with LF or with CR and LF".to_owned());
        } else if chars::is_blank(character) {
            found.help = Some("write an ordinary blank".to_owned());
            found.fix = fix(found.span, " ");
        } else if let Some(advice) = habits::sign(character) {
            found.help = Some(advice.to_owned());
        } else if let Some(sign) = chars::sign(character) {
            found.help = Some(format!("write `{sign}`"));
            found.fix = fix(found.span, sign);
            // A quote needs its partner, which may be as wrong.
            if let (Some(fix), "\"") = (&mut found.fix, sign) {
                fix.applicability = Applicability::Maybe;
            }
        } else if character.is_control() || chars::is_bidi(character) {
            found.help = Some("remove it".to_owned());
            found.fix = fix(found.span, "");
        } else if character == '\\' {
            found.help = Some("lines need no sign to go on".to_owned());
        }
    }

    fn line_comment(&mut self) {
        let start = self.at;
        let doc = self.byte(2) == Some(b'/') && self.byte(3) != Some(b'/');
        self.rest_of_line();
        if doc {
            let before = self.tokens.len() as u32;
            self.docs.push(DocLine { start: start as u32, end: self.at as u32, before });
        } else {
            let span = self.span(start, self.at);
            self.comments.push(Comment { span, trails: !self.first });
        }
        self.blank(start, self.at);
    }

    fn hash_comment(&mut self) {
        let start = self.at;
        let found =
            self.report(Code::ForeignComment, start, 1, "a comment begins with `//`, not `#`");
        found.fix = fix(found.span, "//");
        self.rest_of_line();
        self.blank(start, self.at);
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let rest = &self.source[start + 2..];
        let (end, closed) = match rest.find("*/") {
            Some(at) => (start + 2 + at + 2, true),
            None => (self.source.len(), false),
        };
        let after = self.source[end..].trim_start_matches([' ', '\t', '\r']);
        let alone = after.is_empty() || after.starts_with('\n');
        let inner = &self.source[start + 2..if closed { end - 2 } else { end }];
        // Each further line gets its own `//`; that is only right where nothing follows the comment.
        let mut edits = vec![(self.span(start, start + 2), "//".to_owned())];
        for (at, _) in inner.match_indices('\n').take(100) {
            let next = start + 2 + at + 1;
            edits.push((self.span(next, next), "// ".to_owned()));
        }
        if closed {
            edits.push((self.span(end - 2, end), String::new()));
        }
        let short = edits.len() <= 102;
        let found =
            self.report(Code::ForeignComment, start, 2, "a comment begins with `//`, not `/*`");
        found.help = Some("begin each of its lines with `//`".to_owned());
        if alone && closed && short {
            found.fix = Some(crate::diag::Fix { applicability: Applicability::Maybe, edits });
        }
        self.comment_characters(start, end);
        if self.source[start..end].contains('\n') {
            self.first = true;
        }
        self.blank(start, end);
        self.at = end;
    }

    fn word(&mut self) {
        let start = self.at;
        let bytes = self.source.as_bytes();
        let mut end = start;
        while end < bytes.len() && (bytes[end].is_ascii_alphanumeric() || bytes[end] == b'_') {
            end += 1;
        }
        let foreign =
            |it: char| !it.is_ascii() && it.is_alphanumeric() && chars::sign(it).is_none();
        if end < bytes.len() && bytes[end] >= 0x80 && self.source[end..].starts_with(foreign) {
            return self.foreign_word(start);
        }
        if bytes[start] == b'_' {
            let name = self.source[start..end].trim_start_matches('_').to_owned();
            let found = self.report(
                Code::BadCharacter,
                start,
                end - start,
                "a name begins with a letter, not with `_`",
            );
            if name.starts_with(|it: char| it.is_ascii_alphabetic()) {
                found.fix = fix(found.span, &name);
            }
            self.text[start] = b'x';
            return self.token(Kind::Word(Word::Free), end - start);
        }
        let kind = Kind::Word(words::classify(&self.source[start..end]));
        self.token(kind, end - start);
    }

    /// A name with letters outside ASCII, from its start.
    fn foreign_word(&mut self, start: usize) {
        let part = |it: char| {
            it == '_'
                || it.is_ascii_alphanumeric()
                || !it.is_ascii() && it.is_alphanumeric() && chars::sign(it).is_none()
        };
        let rest = &self.source[start..];
        let length = rest.find(|it| !part(it)).unwrap_or(rest.len());
        let word = &rest[..length];
        // A whole line of such letters is shown in part.
        let shown: String = word.chars().take(40).collect();
        let spelled = match word {
            // Papers write the logistic function so.
            "σ" if rest[length..].starts_with('(') => Some("sigmoid".to_owned()),
            _ if length <= 200 => chars::spell(word),
            _ => None,
        };
        let found = self.report(
            Code::NonAsciiName,
            start,
            length,
            format!("name `{shown}` holds letters outside ASCII"),
        );
        match spelled {
            Some(name) => {
                found.help = Some(format!("write `{name}`"));
                found.fix = fix(found.span, &name);
                // There may be such a name already.
                if let Some(fix) = &mut found.fix {
                    fix.applicability = Applicability::Maybe;
                }
            }
            None => found.help = Some("use ASCII letters, digits and `_`".to_owned()),
        }
        self.overwrite(start, start + length, b'x');
        self.token(Kind::Word(Word::Free), length);
    }

    fn number(&mut self) {
        let after_dots = self.at >= 1
            && self.source.as_bytes()[self.at] == b'.'
            && self.source.as_bytes()[self.at - 1] == b'.';
        if after_dots {
            return self.token(Kind::Sign(b'.'), 1);
        }
        let number = numbers::read(&self.source[self.at..]);
        let start = self.at;
        if let Some(fault) = number.fault {
            let found = self.report(Code::BadNumber, start, number.length, fault.message);
            found.help = fault.help;
            found.fix = fault.fix.and_then(|it| fix(found.span, &it));
            self.overwrite(start, start + number.length, b'0');
        }
        self.token(Kind::Number, number.length);
    }

    /// `h'`, as papers write a new value.
    fn prime(&mut self) {
        let start = self.at;
        let found = self.report(Code::BadCharacter, start, 1, "a name cannot hold `'`");
        found.help = Some(
            "the new value of a state is its bare name, the old one is `prev` of it".to_owned(),
        );
        found.fix = Some(crate::diag::Fix {
            applicability: Applicability::Maybe,
            edits: vec![(found.span, String::new())],
        });
        self.blank(start, start + 1);
        self.at += 1;
    }

    fn quoted(&mut self, quote: u8) {
        let start = self.at;
        let after_name = self
            .tokens
            .last()
            .is_some_and(|it| it.end as usize == start && matches!(it.kind, Kind::Word(_)));
        if quote == b'\'' && after_name {
            return self.prime();
        }
        let rest = &self.source.as_bytes()[start + 1..];
        let stop = rest.iter().position(|it| *it == quote || *it == b'\n');
        let end = start + 1 + stop.unwrap_or(rest.len());
        if rest.get(end - start - 1) != Some(&quote) {
            let sign = quote as char;
            self.report(Code::UnclosedBracket, start, 1, format!("`{sign}` is never closed"))
                .help = Some("a text in quotes ends on its own line".to_owned());
            self.blank(start, end);
            self.at = end;
            return;
        }
        self.comment_characters(start + 1, end);
        let inside = &self.source[start + 1..end];
        if let Some((at, bad)) = inside.char_indices().find(|(_, it)| chars::is_blank(*it)) {
            self.bad_character(start + 1 + at, bad);
        }
        if quote == b'\'' {
            let text = inside.replace('"', "");
            let found = self.report(
                Code::UnexpectedToken,
                start,
                end + 1 - start,
                "texts are written with `\"`",
            );
            found.fix = fix(found.span, &format!("\"{text}\""));
            self.overwrite(start, end + 1, b'x');
            self.text[start] = b'"';
            self.text[end] = b'"';
        }
        self.token(Kind::Text, end + 1 - start);
    }

    fn logic(&mut self, byte: u8) {
        let length = if self.byte(1) == Some(byte) { 2 } else { 1 };
        let start = self.at;
        let sign = &self.source[start..start + length];
        let (word, instead) = if byte == b'&' { ("and", "a * b") } else { ("or", "max(a, b)") };
        let message = format!("there is no `{sign}`");
        self.report(Code::UnexpectedToken, start, length, message).help =
            Some(format!("comparisons give 0 or 1, so `{word}` of two is `{instead}`"));
        self.overwrite(start, start + length, b' ');
        self.text[start] = b'*';
        self.token(Kind::Sign(b'*'), length);
    }

    /// Everything that has no place outside comments.
    fn other(&mut self) {
        let Some(character) = self.character() else { return };
        let start = self.at;
        let length = character.len_utf8();
        let sign = chars::sign(character);
        if !character.is_ascii() && character.is_alphanumeric() && sign.is_none() {
            return self.foreign_word(start);
        }
        self.bad_character(start, character);
        self.blank(start, start + length);
        match sign {
            // The sign that was meant fits into the bytes of the wrong one, except for powers and `inf`.
            Some(sign) if sign.len() == 1 && !matches!(sign, "\"" | "(" | ")") => {
                self.text[start] = sign.as_bytes()[0];
                self.token(Kind::Sign(sign.as_bytes()[0]), length);
            }
            Some(_) | None => self.at += length,
        }
    }
}

/// Returns an edit that is certainly right.
fn fix(span: Span, text: &str) -> Option<crate::diag::Fix> {
    let edits = vec![(span, text.to_owned())];
    Some(crate::diag::Fix { applicability: Applicability::Certain, edits })
}
