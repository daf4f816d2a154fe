//! Text to tree and back: the pest grammar, the messages for what does not parse, the printer.
//!
//! Reading goes in three steps, each in linear time. [`scan`] makes tokens, pairs the brackets and reports what
//! is wrong with single characters. [`split`] cuts the tokens into items and declarations by the words that
//! begin them. Then pest reads each of them by itself, so that a slip in one does not hide those in others, and
//! the tree is built from what pest found ([`build`], [`expr`], [`operand`]) or the failure is put into words ([`explain`]).

pub mod ast;
mod brackets;
mod build;
mod chars;
mod comments;
mod erase;
mod expected;
mod explain;
mod expr;
mod grammar;
mod habits;
mod numbers;
mod operand;
mod print;
mod ranges;
mod scan;
mod split;
mod words;

pub use comments::Comment;
pub(crate) use comments::SIZES;
pub use erase::erase_spans;
pub(crate) use habits::{CUTS, cut};
pub use print::{print, print_declarations, print_expr, print_path};
pub use words::is_reserved;

use crate::diag::{self, Code, Diagnostic};
use crate::text::{FileId, SourceFile, Span};

/// The largest text that is read, in bytes.
pub const MAX_SOURCE: usize = 4 << 20;

/// The most words, numbers and signs that one declaration may hold.
pub const MAX_TOKENS: usize = 100_000;

/// Trees of expressions are no deeper than this, so that the stages after this one may recurse over them.
pub const MAX_DEPTH: u32 = 256;

/// The kinds of a [`Lexeme`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LexemeKind {
    /// A name, or a word of the language.
    Word,
    /// A number.
    Number,
    /// A text in quotes.
    Text,
    /// `(`, `[` or `{`
    Open,
    /// `)`, `]` or `}`
    Close,
    /// Any other sign.
    Sign,
}

/// One word, number or sign of a text that need not parse.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lexeme {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// The kind.
    pub kind: LexemeKind,
    /// True for the first of its line.
    pub first: bool,
}

/// Returns the words, numbers and signs of a text, without its comments.
pub fn lexemes(text: &str) -> Vec<Lexeme> {
    let lexeme = |it: &scan::Token| Lexeme {
        start: it.start as usize,
        end: it.end as usize,
        kind: match it.kind {
            scan::Kind::Word(_) => LexemeKind::Word,
            scan::Kind::Number => LexemeKind::Number,
            scan::Kind::Text => LexemeKind::Text,
            scan::Kind::Open(_) => LexemeKind::Open,
            scan::Kind::Close(_) => LexemeKind::Close,
            scan::Kind::Sign(_) => LexemeKind::Sign,
        },
        first: it.first,
    };
    scan::scan(text, FileId(0)).tokens.iter().map(lexeme).collect()
}

/// Returns the line comments of a text that document nothing, in order.
pub fn comments(text: &str) -> Vec<Comment> {
    scan::scan(text, FileId(0)).comments
}

/// Bytes that are no source text: where, and why not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The first byte that does not fit.
    pub offset: usize,
    /// The error, in words that name the offset.
    pub message: String,
}

impl DecodeError {
    /// Returns the error as a diagnostic of a file whose text could not be had; it points at the start.
    pub fn diagnostic(&self, file: FileId) -> Diagnostic {
        Diagnostic::new(Code::BadCharacter, Span::new(file, 0, 0), self.message.clone())
            .help("source files are UTF-8")
    }
}

/// Returns the text of a file: UTF-8, without a byte-order mark.
pub fn decode(bytes: &[u8]) -> Result<String, DecodeError> {
    let body = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let skipped = bytes.len() - body.len();
    match std::str::from_utf8(body) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => {
            let offset = skipped + error.valid_up_to();
            let byte = bytes[offset];
            let utf16 = matches!(bytes, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]);
            let message = if utf16 {
                format!("the file is UTF-16, not UTF-8: byte 0x{byte:02X} at offset {offset}")
            } else {
                format!("byte 0x{byte:02X} at offset {offset} is not UTF-8")
            };
            Err(DecodeError { offset, message })
        }
    }
}

/// Reads a file. The tree holds whatever could be read; it is the whole file only when none of the diagnostics
/// is an error. They come sorted by place.
pub fn parse(source: &SourceFile, file: FileId) -> (ast::File, Vec<Diagnostic>) {
    let text = &source.text;
    if text.len() > MAX_SOURCE {
        let message = format!("the file holds {} bytes; at most {MAX_SOURCE} are read", text.len());
        let error = Diagnostic::new(Code::TooLarge, Span::new(file, 0, 0), message);
        return (ast::File::default(), vec![error]);
    }
    let mut scan = scan::scan(text, file);
    let mut diagnostics = std::mem::take(&mut scan.diagnostics);
    if scan.fatal {
        diag::sort(&mut diagnostics);
        return (ast::File::default(), diagnostics);
    }
    let tree = split::read(text, &scan, file, &mut diagnostics);
    comments::divisions(text, &scan, file, &tree, &mut diagnostics);
    diag::sort(&mut diagnostics);
    (tree, diagnostics)
}

/// Reads the bytes of a file; `name` is what messages call it. Bytes that are no text give a diagnostic and an empty tree.
pub fn parse_bytes(
    name: &str,
    bytes: &[u8],
    file: FileId,
) -> (SourceFile, ast::File, Vec<Diagnostic>) {
    match decode(bytes) {
        Ok(text) => {
            let source = SourceFile::new(name, text);
            let (tree, diagnostics) = parse(&source, file);
            (source, tree, diagnostics)
        }
        Err(error) => {
            let mut found = error.diagnostic(file);
            let mut text = String::new();
            let body = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            if (1..=MAX_SOURCE).contains(&error.offset) && body.len() <= MAX_SOURCE {
                // Up to the first wrong byte the text is as it was given, so the message can show that place.
                let at = error.offset - (bytes.len() - body.len());
                text = String::from_utf8_lossy(body).into_owned();
                found.span = Span::new(file, at, at + char::REPLACEMENT_CHARACTER.len_utf8());
            }
            (SourceFile::new(name, text), ast::File::default(), vec![found])
        }
    }
}

/// Reads a setting of the command line, `NAME = value`, where the value is an expression.
pub fn parse_setting(
    source: &SourceFile,
    file: FileId,
) -> Result<(ast::Ident, ast::Expr), Vec<Diagnostic>> {
    let mut scan = scan::scan(&source.text, file);
    let mut diagnostics = std::mem::take(&mut scan.diagnostics);
    let setting = if scan.fatal {
        None
    } else {
        split::read_setting(&source.text, &scan, file, &mut diagnostics)
    };
    match setting {
        Some(setting) if !diag::has_errors(&diagnostics) => Ok(setting),
        _ => Err(diagnostics),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns true if the grammar, read as a whole, accepts a text.
    fn grammar_accepts(text: &str) -> bool {
        let scan = scan::scan(text, FileId(0));
        grammar::read(grammar::Rule::file, &scan.text).is_ok()
    }

    fn parser_accepts(text: &str) -> bool {
        !diag::has_errors(&parse(&SourceFile::new("t", text), FileId(0)).1)
    }

    #[test]
    fn the_parser_reads_what_the_grammar_as_a_whole_describes() {
        let everything = include_str!("../../tests/syntax/everything.rnn");
        assert!(grammar_accepts(everything) && parser_accepts(everything));
        // Without any one of its words, the text is right for both or wrong for both.
        let scan = scan::scan(everything, FileId(0));
        let mut both = [0, 0];
        for token in &scan.tokens {
            let (start, end) = (token.start as usize, token.end as usize);
            let text = format!("{} {}", &everything[..start], &everything[end..]);
            let accepts = parser_accepts(&text);
            both[usize::from(accepts)] += 1;
            // The grammar is the larger language: what it says nothing about is judged on its tree.
            assert!(
                grammar_accepts(&text) || !accepts,
                "without `{}` at {start}",
                &everything[start..end]
            );
        }
        assert!(both[0] > 300 && both[1] > 20, "{both:?}");
    }

    #[test]
    fn the_grammar_and_the_table_reserve_the_same_words() {
        let text = include_str!("../../grammar/rnn.pest");
        let spelled = |word: &str| {
            let cell = format!("cell A {{ {word} = 1 }}");
            grammar::read(grammar::Rule::file, &cell).is_ok()
        };
        let mut words: Vec<&str> = text
            .split(|it: char| !it.is_ascii_alphanumeric())
            .chain("activation axis cell class const def dims else export feedback fn fold gate hyper if import inf \
                    input lay layer layout let loss mask model noise output param pi prev return state target \
                    template type unit use while yield init per over for in from at last first".split_whitespace())
            .filter(|it| it.starts_with(|c: char| c.is_ascii_alphabetic()))
            .collect();
        words.sort_unstable();
        words.dedup();
        for word in words {
            assert_eq!(spelled(word), !is_reserved(word), "{word}");
        }
    }
}
