//! Cuts the tokens of a file into items and declarations, has each read, and puts the tree
//! together.
//!
//! A declaration begins with one of its words or with `NAME =`, anywhere; where one
//! ends, the next begins. So one that cannot be read hides none of the others.

use std::collections::HashMap;

use pest::iterators::Pairs;

use crate::diag::{Code, Diagnostic};
use crate::syntax::MAX_TOKENS;
use crate::syntax::ast::{self, Unread};
use crate::syntax::build::Builder;
use crate::syntax::explain;
use crate::syntax::grammar::{self, Rule};
use crate::syntax::scan::{DocLine, Kind, MAX_DIAGNOSTICS, NONE, Scan, Token};
use crate::syntax::words::{self, Word};
use crate::text::{FileId, Name, Span};

/// Reads all items. Adds the diagnostics of what does not parse.
pub(super) fn read(
    source: &str,
    scan: &Scan,
    file: FileId,
    diagnostics: &mut Vec<Diagnostic>,
) -> ast::File {
    let mut reader = Reader::new(source, scan, file, diagnostics);
    let mut unread = Unread::default();
    let items = reader.items(&mut unread);
    unread.sort();
    reader.dangling(scan.tokens.len() + 1);
    if items.is_empty() && reader.diagnostics.iter().all(|it| !it.is_error()) {
        let start = Span::new(file, 0, 0);
        reader.report(
            Diagnostic::new(Code::EmptyFile, start, "the file holds no item")
                .help("a cell begins with `cell NAME {`"),
        );
    }
    ast::File { items, unread }
}

/// Reads a text that is one equation, `NAME = value`: what `--set` takes.
pub(super) fn read_setting(
    source: &str,
    scan: &Scan,
    file: FileId,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(ast::Ident, ast::Expr)> {
    let mut reader = Reader::new(source, scan, file, diagnostics);
    let decl = match scan.tokens.len() {
        0 => None,
        end => reader.decl(0, end, None),
    };
    match decl.map(|it| it.kind) {
        Some(ast::DeclKind::Update(name, ast::Value::Expr(value))) => Some((name, value)),
        Some(_) | None => {
            if diagnostics.is_empty() {
                let message = "this is no setting";
                let span = Span::new(file, 0, source.len());
                diagnostics.push(
                    Diagnostic::new(Code::BadSetting, span, message)
                        .help("write `NAME=VALUE`, such as `H=4` or `act=leaky_relu(0.2)`"),
                );
            }
            None
        }
    }
}

/// The text and tokens that the functions here share.
pub(super) struct Reader<'r> {
    /// The text as it was given.
    pub(super) source: &'r str,
    /// Its tokens.
    pub(super) scan: &'r Scan,
    /// The file of all spans.
    pub(super) file: FileId,
    diagnostics: &'r mut Vec<Diagnostic>,
    /// The offsets of errors that the scan has found, in order.
    faults: Vec<u32>,
    /// The offsets of unpaired brackets that it has found, in order.
    unpaired: Vec<u32>,
    names: HashMap<String, Name>,
    spare: &'static str,
    next_doc: usize,
}

impl<'r> Reader<'r> {
    pub(super) fn new(
        source: &'r str,
        scan: &'r Scan,
        file: FileId,
        diagnostics: &'r mut Vec<Diagnostic>,
    ) -> Reader<'r> {
        let mut faults: Vec<u32> = diagnostics.iter().map(|it| it.span.start).collect();
        faults.sort_unstable();
        let brackets = diagnostics.iter().filter(|it| it.code == Code::UnclosedBracket);
        let mut unpaired: Vec<u32> = brackets.map(|it| it.span.start).collect();
        unpaired.sort_unstable();
        Reader {
            source,
            scan,
            file,
            diagnostics,
            faults,
            unpaired,
            names: HashMap::new(),
            spare: spare(scan),
            next_doc: 0,
        }
    }

    fn items(&mut self, unread: &mut Unread) -> Vec<ast::Item> {
        let mut items = Vec::new();
        let mut at = 0;
        // Of a cell that has lost its head, one declaration is reported.
        let mut headless = false;
        while at < self.scan.tokens.len() && !self.is_full() {
            let doc = self.doc(at);
            let word = self.word(at);
            let (item, next) = match word {
                "cell" | "model" => self.cell(at, doc),
                "activation" | "fn" | "use" => {
                    let end = self.item_end(at + 1);
                    (self.item(at, end, doc), end)
                }
                _ if self.is_heading(at) => {
                    self.report(explain::unknown_item(self, at));
                    self.cell(at, doc)
                }
                _ => {
                    let end = self.item_end(at + 1);
                    let repeated = headless;
                    headless = true;
                    if !repeated && !self.is_faulty(at, end) {
                        self.report(explain::unknown_item(self, at));
                    }
                    at = end;
                    continue;
                }
            };
            headless = false;
            if item.is_none() {
                self.note_unread(at, next, unread);
            }
            items.extend(item);
            at = next;
        }
        items
    }

    /// Returns the text of a token.
    pub(super) fn word(&self, at: usize) -> &str {
        self.scan
            .tokens
            .get(at)
            .map_or("", |it| &self.scan.text[it.start as usize..it.end as usize])
    }

    /// Returns the kind of a token.
    pub(super) fn kind(&self, at: usize) -> Option<Kind> {
        self.scan.tokens.get(at).map(|it| it.kind)
    }

    /// Returns the partner of a bracket, if it has one.
    pub(super) fn partner(&self, at: usize) -> Option<usize> {
        let partner = self.scan.tokens.get(at)?.partner;
        let back = self.scan.tokens.get(partner as usize)?.partner;
        (back == at as u32).then_some(partner as usize)
    }

    /// Returns true if a token lies inside the brackets that open right after `WORD NAME` at `start`, or closes them.
    pub(super) fn is_inside(&self, start: usize, at: usize) -> bool {
        self.partner(start + 2).is_some_and(|it| start + 2 < at && at <= it)
    }

    /// Returns the place of a token, or the end of the file.
    pub(super) fn span(&self, at: usize) -> Span {
        let end = self.source.len();
        self.scan.tokens.get(at).map_or(Span::new(self.file, end, end), |it| {
            Span::new(self.file, it.start as usize, it.end as usize)
        })
    }

    /// Keeps a diagnostic.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Returns true if so much is wrong that reading on is of no use.
    fn is_full(&self) -> bool {
        // The scan may have filled its list; what is found here is no less worth showing.
        self.diagnostics.len() >= 2 * MAX_DIAGNOSTICS
    }

    /// Returns the token after a bracket and all that it holds, or after any other token.
    fn after(&self, at: usize) -> usize {
        let token = &self.scan.tokens[at];
        match token.kind {
            Kind::Open(_) if token.partner != NONE => {
                let end = token.partner as usize;
                let closed = self.scan.tokens.get(end).is_some_and(|it| it.partner == at as u32);
                if closed { end + 1 } else { end.max(at + 1) }
            }
            Kind::Open(_)
            | Kind::Close(_)
            | Kind::Word(_)
            | Kind::Number
            | Kind::Text
            | Kind::Sign(_) => at + 1,
        }
    }

    /// Returns true if the scan has found an error between two tokens.
    fn is_faulty(&self, start: usize, end: usize) -> bool {
        let tokens = &self.scan.tokens;
        let from = tokens.get(start).map_or(0, |it| it.start);
        // A slip right behind the last token, such as `;`, belongs to this statement too.
        let from = if start == 0 { 0 } else { from };
        let to = tokens.get(end).map_or(u32::MAX, |it| it.start);
        let first = self.faults.partition_point(|it| *it < from);
        self.faults.get(first).is_some_and(|it| *it < to)
    }

    /// Returns the end of an item other than a cell: the next item, or a token that looks like one.
    fn item_end(&self, mut at: usize) -> usize {
        let tokens = &self.scan.tokens;
        while at < tokens.len() {
            let begins = match tokens[at].kind {
                Kind::Word(Word::Item) => tokens[at].first || self.ends_value(at - 1),
                Kind::Word(Word::Declaration | Word::Foreign) => tokens[at].first,
                Kind::Word(Word::Free) => {
                    tokens[at].first && self.ends_value(at - 1) && self.is_unknown(at)
                }
                Kind::Word(Word::Inner | Word::Later)
                | Kind::Number
                | Kind::Text
                | Kind::Open(_)
                | Kind::Close(_)
                | Kind::Sign(_) => false,
            };
            if begins {
                return at;
            }
            at = self.after(at);
        }
        tokens.len()
    }

    /// `WORD NAME {`: the head of a cell with a wrong word.
    fn is_heading(&self, at: usize) -> bool {
        matches!(self.kind(at), Some(Kind::Word(_)))
            && matches!(self.kind(at + 1), Some(Kind::Word(Word::Free)))
            && matches!(self.kind(at + 2), Some(Kind::Open(b'{')))
    }

    fn item(&mut self, start: usize, end: usize, doc: Option<ast::Doc>) -> Option<ast::Item> {
        let rule = match self.word(start) {
            "activation" => Rule::the_activation,
            "fn" => Rule::the_function,
            _ => Rule::the_import,
        };
        let pairs = self.pest(rule, start, end, "item")?;
        self.build(start, end, |it| it.item(pairs, doc))
    }

    fn cell(&mut self, start: usize, doc: Option<ast::Doc>) -> (Option<ast::Item>, usize) {
        // The brace is the third token, unless the head is wrong.
        let stop = self.item_end(start + 1);
        let Some(brace) = (start + 1..stop).find(|it| self.kind(*it) == Some(Kind::Open(b'{')))
        else {
            self.pest(Rule::the_heading, start, stop, "cell");
            return (None, stop);
        };
        let next = self.after(brace);
        let closed = self.scan.tokens[brace].partner as usize;
        let known = matches!(self.word(start), "cell" | "model");
        let head =
            if known { self.pest(Rule::the_heading, start, brace + 1, "cell") } else { None };
        let head = head.and_then(|it| self.build(start, brace + 1, |builder| builder.heading(it)));
        let closed = closed.min(self.scan.tokens.len());
        let (decls, mut unread) = self.decls(brace + 1, closed);
        if self.partner(brace).is_none() {
            // The text is cut, or goes on behind what is no part of the cell: what it lacks may be there.
            unread.output = true;
            self.note_names(brace + 1, closed, &mut unread);
            unread.sort();
        }
        self.dangling(next);
        let end = self.span(next - 1);
        let span = self.span(start).to(end);
        let cell = head.map(|(kind, name)| {
            ast::Item::Cell(ast::Cell { doc, kind, name, decls, unread, span })
        });
        (cell, next)
    }

    fn decls(&mut self, start: usize, end: usize) -> (Vec<ast::Decl>, Unread) {
        let (mut decls, mut unread) = (Vec::new(), Unread::default());
        let mut first = start;
        while first < end && !self.is_full() {
            let mut next = self.after(first);
            while next < end && !self.begins(next) {
                next = self.after(next);
            }
            let next = next.min(end);
            let doc = self.doc(first);
            match self.decl(first, next, doc) {
                Some(decl) => decls.push(decl),
                None => self.note_unread(first, next, &mut unread),
            }
            first = next;
        }
        unread.sort();
        (decls, unread)
    }

    /// Keeps the names of what could not be read.
    fn note_unread(&mut self, start: usize, end: usize, unread: &mut Unread) {
        let says_what = match self.kind(start) {
            Some(Kind::Word(Word::Declaration)) => self.word(start) != "output",
            Some(Kind::Word(Word::Free)) => self.kind(start + 1) == Some(Kind::Sign(b'=')),
            Some(_) | None => false,
        };
        unread.output |= !says_what;
        self.note_names(start, end, unread);
    }

    fn note_names(&self, start: usize, end: usize, unread: &mut Unread) {
        for at in start..end {
            if self.kind(at) == Some(Kind::Word(Word::Free)) {
                let word = self.word(at);
                let name = self.names.get(word).cloned().unwrap_or_else(|| word.into());
                unread.names.push(ast::Ident { name, span: self.span(at) });
            }
        }
    }

    fn decl(&mut self, start: usize, end: usize, doc: Option<ast::Doc>) -> Option<ast::Decl> {
        let is_equation = self.kind(start) == Some(Kind::Word(Word::Free))
            && self.kind(start + 1) == Some(Kind::Sign(b'='));
        let rule = match self.word(start) {
            "dims" => Rule::the_dims,
            "hyper" => Rule::the_hyper,
            "input" | "state" | "param" | "const" | "mask" | "target" | "feedback" => {
                Rule::the_groups
            }
            "let" if self.kind(start + 1) == Some(Kind::Open(b'(')) => Rule::the_tuple,
            "gate" | "let" => Rule::the_definition,
            "output" => Rule::the_output,
            "layer" => Rule::the_layer,
            "loss" => Rule::the_loss,
            "layout" => Rule::the_layout,
            _ if is_equation => Rule::the_update,
            _ => {
                if !self.is_faulty(start, end) {
                    let found = explain::unknown_declaration(self, start, end);
                    self.report(found);
                }
                return None;
            }
        };
        let what = match rule {
            Rule::the_tuple | Rule::the_definition | Rule::the_update => "equation",
            _ => "declaration",
        };
        let pairs = self.pest(rule, start, end, what)?;
        let span = self.span(start).to(self.span(end - 1));
        self.build(start, end, |it| it.decl(pairs)).map(|kind| ast::Decl { doc, kind, span })
    }

    /// Returns true if a declaration begins here; the token is not inside brackets of the cell.
    fn begins(&self, at: usize) -> bool {
        let token: &Token = &self.scan.tokens[at];
        let Kind::Word(word) = token.kind else { return false };
        let after_value = self.ends_value(at - 1);
        match word {
            // `param mask: [H]` has a wrong name and is one declaration.
            Word::Declaration => {
                after_value || token.first && self.kind(at - 1) != Some(Kind::Word(word))
            }
            Word::Item | Word::Foreign => token.first && after_value,
            Word::Later => false,
            Word::Inner => {
                let equation =
                    self.word(at) == "prev" && self.kind(at + 2) == Some(Kind::Sign(b'='));
                token.first && after_value && (equation || self.word(at) == "yield")
            }
            Word::Free if self.kind(at + 1) == Some(Kind::Sign(b'=')) => {
                let before = self.kind(at - 1);
                let belongs = matches!(before, Some(Kind::Word(Word::Declaration | Word::Inner)))
                    && !matches!(self.word(at - 1), "pi" | "inf")
                    || before == Some(Kind::Sign(b','));
                // `var y = ..` is one declaration with a wrong word.
                let worded = !token.first && self.is_unknown(at - 1);
                !belongs && !worded && (token.first || after_value)
            }
            // `n += x`
            Word::Free if self.is_accumulation(at) => token.first && after_value,
            Word::Free => after_value && self.is_unknown(at),
        }
    }

    /// `NAME += ..` and its like, which other languages have.
    fn is_accumulation(&self, at: usize) -> bool {
        let sign = matches!(self.kind(at + 1), Some(Kind::Sign(b'+' | b'-' | b'*' | b'/')));
        let equals = self.kind(at + 2) == Some(Kind::Sign(b'='));
        sign && equals && self.span(at + 1).end == self.span(at + 2).start
    }

    /// Returns true if a name looks like the word of a declaration with a slip, or like a declaration without one.
    fn is_unknown(&self, at: usize) -> bool {
        const INSIDE: &[&str] = &[
            "init",
            "per",
            "teacher",
            "like",
            "shares",
            "backward",
            "at",
            "derivative",
            "over",
            "for",
            "in",
            "from",
            "index",
        ];
        let word = self.word(at);
        let first = self.scan.tokens[at].first;
        // After `teacher` and the like comes a name of the declaration that they belong to.
        if INSIDE.contains(&word) || INSIDE.contains(&self.word(at - 1)) {
            return false;
        }
        match self.kind(at + 1) {
            Some(Kind::Sign(b':')) => first,
            Some(Kind::Sign(b'~')) => first && self.word(at + 1) == "==",
            Some(Kind::Word(Word::Free)) if !self.scan.tokens[at + 1].first => {
                let sign = matches!(self.kind(at + 2), Some(Kind::Sign(b':' | b'=')));
                let near = || {
                    words::nearest(word, words::DECLARATIONS)
                        .or(words::nearest(word, words::ITEMS))
                        .is_some()
                };
                if first { sign || near() } else { sign && near() }
            }
            _ => false,
        }
    }

    /// Returns true if a value may end with this token.
    pub(super) fn ends_value(&self, at: usize) -> bool {
        match self.kind(at) {
            Some(Kind::Word(Word::Free) | Kind::Number | Kind::Text | Kind::Close(_)) => true,
            Some(Kind::Word(Word::Inner)) => matches!(self.word(at), "pi" | "inf"),
            Some(
                Kind::Word(Word::Item | Word::Declaration | Word::Later | Word::Foreign)
                | Kind::Open(_)
                | Kind::Sign(_),
            )
            | None => false,
        }
    }

    /// Reads tokens by a rule; reports what does not fit, unless the scan has done so.
    fn pest(
        &mut self,
        rule: Rule,
        start: usize,
        end: usize,
        what: &str,
    ) -> Option<Pairs<'r, Rule>> {
        let scan: &'r Scan = self.scan;
        // What lies between brackets that do not fit cannot be read. What the last token opens lies behind it.
        let first = self.unpaired.partition_point(|it| *it < self.span(start).start);
        if self.unpaired.get(first).is_some_and(|it| *it < self.span(end - 1).start) {
            return None;
        }
        if end - start > MAX_TOKENS {
            if !self.is_faulty(start, end) {
                self.report(explain::too_many(self, start, end, what));
            }
            return None;
        }
        let range = self.span(start).to(self.span(end - 1)).range();
        match grammar::read(rule, &scan.text[range]) {
            Ok(pairs) => Some(pairs),
            Err(error) => {
                if !self.is_faulty(start, end) {
                    let found = explain::failure(self, &error, start, end, what);
                    self.report(found);
                }
                None
            }
        }
    }

    /// Builds a part of the tree from what pest has read.
    fn build<T>(
        &mut self,
        start: usize,
        end: usize,
        make: impl FnOnce(&mut Builder<'_>) -> Option<T>,
    ) -> Option<T> {
        let base = self.scan.tokens[start].start as usize;
        let mut builder = Builder::new(self.source, base, self.file, &mut self.names, self.spare);
        let built = make(&mut builder);
        let found = builder.diagnostics;
        let silent = self.is_faulty(start, end);
        if built.is_none() && found.is_empty() && !silent {
            // The grammar and the builder disagree, which is our fault; the statement must not
            // vanish.
            let message = "this statement cannot be understood";
            self.report(Diagnostic::new(Code::UnexpectedToken, self.span(start), message));
        }
        if !silent {
            for diagnostic in found {
                self.report(diagnostic);
            }
        }
        built
    }

    /// Returns the documentation right before a token; a comment before earlier ones documents nothing.
    fn doc(&mut self, at: usize) -> Option<ast::Doc> {
        self.dangling(at);
        let docs = &self.scan.docs[self.next_doc..];
        let count = docs.iter().take_while(|it| it.before as usize == at).count();
        let lines = &docs[..count];
        self.next_doc += count;
        let (first, last) = (lines.first()?, lines.last()?);
        let text = |it: &DocLine| {
            let line = self.source[it.start as usize + 3..it.end as usize].trim_end();
            line.strip_prefix(' ').unwrap_or(line).to_owned()
        };
        let span = Span::new(self.file, first.start as usize, last.end as usize);
        Some(ast::Doc { lines: lines.iter().map(text).collect(), span })
    }

    /// Warns of documentation before tokens below `at` that has not been used.
    fn dangling(&mut self, at: usize) {
        while let Some(first) = self.scan.docs.get(self.next_doc).copied() {
            if first.before as usize >= at {
                return;
            }
            let mut end = first.end;
            while let Some(next) = self.scan.docs.get(self.next_doc)
                && next.before == first.before
            {
                end = next.end;
                self.next_doc += 1;
            }
            let span = Span::new(self.file, first.start as usize, end as usize);
            self.report(
                Diagnostic::new(Code::DanglingDoc, span, "this comment documents nothing")
                    .help("`///` stands before an item or a declaration; elsewhere write `//`"),
            );
        }
    }
}

/// Returns a name for a message that proposes a new `let`.
fn spare(scan: &Scan) -> &'static str {
    const NAMES: [&str; 6] = ["v", "u", "w", "old", "past", "value"];
    let mut used = [false; NAMES.len()];
    for token in &scan.tokens {
        let text = &scan.text[token.start as usize..token.end as usize];
        if let Some(at) = NAMES.iter().position(|it| *it == text) {
            used[at] = true;
        }
    }
    used.iter().position(|it| !it).map_or("value_", |it| NAMES[it])
}
