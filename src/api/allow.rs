//! `// allow W0602: reason` at a declaration: its warnings of this code are not reported.

use crate::diag::{Code, Diagnostic, Severity};
use crate::syntax::{self, ast};
use crate::text::{SourceFile, Span};

/// Takes out the warnings that comments of the main file allow, and warns of those that allow nothing.
pub(super) fn apply(source: &SourceFile, tree: &ast::File, found: &mut Vec<Diagnostic>) {
    // Nearly no file has one.
    if !source.text.contains("allow ") {
        return;
    }
    let mut idle = Vec::new();
    for comment in syntax::comments(&source.text) {
        let text = source.text[comment.span.range()].trim_start_matches('/').trim();
        let Some(rest) = text.strip_prefix("allow ") else { continue };
        let (number, reason) = rest.split_once(':').unwrap_or((rest, ""));
        let is_code = |it: &str| it.len() == 5 && it[1..].bytes().all(|it| it.is_ascii_digit());
        let number = number.trim();
        // Other sentences may begin so, too.
        if !number.is_ascii() || !is_code(number) {
            continue;
        }
        let idle_for = |message: String| Diagnostic::new(Code::IdleAllow, comment.span, message);
        let code = Code::find(number).filter(|it| it.severity() == Severity::Warning);
        let Some(code) = code else {
            idle.push(
                idle_for(format!("`{number}` is not the code of a warning"))
                    .help("errors cannot be allowed; `rnnc explain` lists all codes"),
            );
            continue;
        };
        if reason.trim().is_empty() {
            idle.push(
                idle_for(format!("`allow {number}` gives no reason"))
                    .help(format!("write `// allow {number}: why it is meant so`")),
            );
            continue;
        }
        let before = found.len();
        let place = declaration(source, tree, comment);
        let is_there = |it: &Diagnostic| {
            let within = |place: Span| place.start <= it.span.start && it.span.start <= place.end;
            it.code == code && it.span.file == comment.span.file && place.is_some_and(within)
        };
        found.retain(|it| !is_there(it));
        if found.len() == before {
            idle.push(
                idle_for(format!("`allow {number}` allows nothing: there is no such warning here"))
                    .help("remove it, or put it before the declaration that it is about"),
            );
        }
    }
    found.append(&mut idle);
}

/// Returns the declaration or item that a comment belongs to: the one that it ends, or the next.
fn declaration(source: &SourceFile, tree: &ast::File, comment: syntax::Comment) -> Option<Span> {
    let mut all: Vec<Span> = Vec::new();
    for item in &tree.items {
        match item {
            ast::Item::Cell(cell) => {
                all.push(cell.span);
                all.extend(cell.decls.iter().map(|it| it.span));
            }
            ast::Item::Activation(it) => all.push(it.span),
            ast::Item::Function(it) => all.push(it.span),
            ast::Item::Use(it) => all.push(it.span),
        }
    }
    if comment.trails {
        let line = source.line_of(comment.span.start);
        let on_line = all.iter().filter(|it| {
            let (first, last) = (source.line_of(it.start), source.line_of(it.end));
            it.start < comment.span.start && (first..=last).contains(&line)
        });
        // The innermost begins last.
        return on_line.max_by_key(|it| it.start).copied();
    }
    all.into_iter().filter(|it| it.start >= comment.span.end).min_by_key(|it| it.start)
}
