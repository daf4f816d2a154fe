//! Diagnostics as text for people: the message, the source lines, carets, labels, help and the fix
//! as a diff.
//!
//! The drawing is left to the `annotate-snippets` crate. It trusts its input, so it only gets
//! excerpts: short, clean texts with spans that fit. That also makes the cost of a message
//! independent of the size of the file.

use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::excerpt::{Excerpt, excerpts, visible_text};
use super::{Applicability, Diagnostic, Fix, Severity};
use crate::text::{FileId, SourceMap, Span};

/// The diagnostics that [`render_all`] shows at most, unless told otherwise.
pub const LIMIT: usize = 20;

/// The columns of a source line, so that with the line number it fits a terminal of 80.
const WIDTH: usize = 72;

/// A message with more labels than this shows the first ones.
const MOST_LABELS: usize = 12;

/// A fix with more text than this is described in words only.
const LONGEST_FIX: usize = 600;

/// Says if the text carries the escape sequences for colors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// Text alone.
    Plain,
    /// With ANSI colors.
    Color,
}

/// Returns one diagnostic as a text of several lines, without a line end after the last.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, style: Style) -> String {
    let mut origins = Origins { sources, spans: Vec::new() };
    let mut groups = vec![main_group(diagnostic, sources, &mut origins)];
    if let Some(fix) = &diagnostic.fix {
        groups.extend(fix_group(diagnostic, fix, sources, &mut origins));
    }
    if groups.len() == 1
        && let Some(help) = &diagnostic.help
    {
        let main = groups.remove(0);
        groups.push(main.element(Level::HELP.message(visible_text(help))));
    }
    // Lines are cut already; a second cut by the renderer would only hide what was kept.
    let text = renderer(style).term_width(usize::MAX / 4).render(&groups);
    trim_lines(&origins.fill_in(&text))
}

/// Diagnostics with a summary after them; at most `limit` are shown, errors before warnings if not
/// all fit. Empty if there are none. `diagnostics` should be sorted as people read them.
pub fn render_all(
    diagnostics: &[Diagnostic],
    sources: &SourceMap,
    style: Style,
    limit: usize,
) -> String {
    let errors = diagnostics.iter().filter(|it| it.is_error()).count();
    let warnings = diagnostics.len() - errors;
    if diagnostics.is_empty() {
        return String::new();
    }
    let (mut room, mut hidden) =
        (Count { errors: limit.min(errors), warnings: 0 }, Count::default());
    room.warnings = limit - room.errors;

    let mut out = String::new();
    for diagnostic in diagnostics {
        let (left, lost) = match diagnostic.code.severity() {
            Severity::Error => (&mut room.errors, &mut hidden.errors),
            Severity::Warning => (&mut room.warnings, &mut hidden.warnings),
        };
        if *left == 0 {
            *lost += 1;
        } else {
            *left -= 1;
            out.push_str(&render(diagnostic, sources, style));
            out.push_str("\n\n");
        }
    }
    if hidden != Count::default() {
        let _ = writeln!(out, "... and {}\n", hidden.words(" more"));
    }
    let name = sources.files().first().map_or("", |it| it.name.as_str());
    let found = Count { errors, warnings }.words("");
    let summary = if errors > 0 {
        Level::ERROR.primary_title(visible_text(&format!("could not compile `{name}`: {found}")))
    } else {
        Level::WARNING.primary_title(visible_text(&format!("`{name}`: {found}")))
    };
    out.push_str(&trim_lines(&renderer(style).render(&[Group::with_title(summary)])));
    out.push('\n');
    out
}

/// Counts errors and warnings.
#[derive(Clone, Copy, PartialEq, Default)]
struct Count {
    errors: usize,
    warnings: usize,
}

impl Count {
    /// `3 errors, 1 warning`, without counts of 0; `more` follows the numbers.
    fn words(self, more: &str) -> String {
        let part = |count: usize, noun: &str| match count {
            0 => None,
            1 => Some(format!("1{more} {noun}")),
            _ => Some(format!("{count}{more} {noun}s")),
        };
        let parts = [part(self.errors, "error"), part(self.warnings, "warning")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

fn renderer(style: Style) -> Renderer {
    match style {
        Style::Plain => Renderer::plain(),
        Style::Color => Renderer::styled(),
    }
}

/// Returns the message with its source lines and labels.
fn main_group(
    diagnostic: &Diagnostic,
    sources: &SourceMap,
    origins: &mut Origins,
) -> Group<'static> {
    let level = match diagnostic.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(visible_text(&diagnostic.message)).id(diagnostic.code.as_str());
    let mut group = Group::with_title(title);

    let primary = (diagnostic.span, diagnostic.label.as_str());
    let others = diagnostic.labels.iter().map(|it| (it.span, it.message.as_str()));
    let marks: Vec<(Span, &str)> =
        std::iter::once(primary).chain(others.take(MOST_LABELS)).collect();
    // The file of the diagnostic comes first, the others in the order in which they are named.
    let mut files: Vec<FileId> = Vec::new();
    for (span, _) in &marks {
        if !files.contains(&span.file) {
            files.push(span.file);
        }
    }
    for id in files {
        let Some(file) = sources.files().get(id.0 as usize) else { continue };
        let here: Vec<usize> = (0..marks.len()).filter(|&it| marks[it].0.file == id).collect();
        let spans: Vec<Range<usize>> = here.iter().map(|&it| marks[it].0.range()).collect();
        for excerpt in excerpts(file, &spans, WIDTH) {
            let annotations = excerpt.places.iter().map(|place| {
                let mark = here[place.index];
                let kind =
                    if mark == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
                let label = visible_text(marks[mark].1).replace('\n', " ");
                kind.span(place.range.clone()).label((!label.is_empty()).then_some(label))
            });
            let first = excerpt.places.first().map_or(0, |it| here[it.index]);
            let snippet = Snippet::source(excerpt.text.clone())
                .line_start(excerpt.first_line)
                .path(origins.stand_in(marks[first].0))
                .annotations(annotations);
            group = group.element(snippet);
        }
    }
    group
}

/// Returns the fix as a diff, with the help as its title; nothing where it cannot be shown whole.
fn fix_group(
    diagnostic: &Diagnostic,
    fix: &Fix,
    sources: &SourceMap,
    origins: &mut Origins,
) -> Option<Group<'static>> {
    let length: usize = fix.edits.iter().map(|(_, text)| text.len()).sum();
    if fix.edits.is_empty() || length > LONGEST_FIX {
        return None;
    }
    let title = match (&diagnostic.help, fix.applicability) {
        (Some(help), Applicability::Certain | Applicability::Maybe) => visible_text(help),
        (None, Applicability::Certain) => "write this instead".to_owned(),
        (None, Applicability::Maybe) => "this may be what you mean".to_owned(),
    };
    let mut group = Group::with_title(Level::HELP.secondary_title(title));

    let mut edits: Vec<&(Span, String)> = fix.edits.iter().collect();
    edits.sort_by_key(|(span, _)| *span);
    if edits.windows(2).any(|it| it[0].0.file == it[1].0.file && it[1].0.start < it[0].0.end) {
        return None;
    }
    for here in edits.chunk_by(|a, b| a.0.file == b.0.file) {
        let file = sources.files().get(here[0].0.file.0 as usize)?;
        if here.iter().any(|(span, _)| file.text.get(span.range()).is_none()) {
            return None;
        }
        let spans: Vec<Range<usize>> = here.iter().map(|(span, _)| span.range()).collect();
        for Excerpt { text, first_line, places } in excerpts(file, &spans, WIDTH) {
            if places.iter().any(|it| !it.whole) {
                return None;
            }
            let patches = places
                .iter()
                .map(|it| Patch::new(it.range.clone(), visible_text(&here[it.index].1)));
            let mut snippet = Snippet::source(text.clone()).line_start(first_line).patches(patches);
            // A fix in the same file needs no place: the lines are numbered.
            let place = here[places.first()?.index].0;
            if place.file != diagnostic.span.file {
                snippet = snippet.path(origins.stand_in(place));
            }
            group = group.element(snippet);
        }
    }
    Some(group)
}

/// The `file:line:column` of each excerpt.
///
/// The drawing crate works them out from the text that it gets, in which lines are cut and tabs are
/// wider. So it gets a stand-in for the name of the file, and stand-in and place are replaced
/// afterwards.
struct Origins<'a> {
    sources: &'a SourceMap,
    spans: Vec<Span>,
}

/// Begins and ends a stand-in. Excerpts and messages hold no private characters.
const MARK: char = '\u{e000}';

impl Origins<'_> {
    fn stand_in(&mut self, span: Span) -> String {
        self.spans.push(span);
        format!("{MARK}{}{MARK}", self.spans.len() - 1)
    }

    fn fill_in(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for (turn, part) in text.split(MARK).enumerate() {
            if turn % 2 == 0 {
                let place = |c: char| c == ':' || c.is_ascii_digit();
                out.push_str(if turn == 0 { part } else { part.trim_start_matches(place) });
            } else if let Some(&span) = part.parse().ok().and_then(|it: usize| self.spans.get(it)) {
                let name = visible_text(&self.sources.file(span.file).name).replace('\n', " ");
                let place = self.sources.place(span);
                let _ = write!(out, "{name}:{}:{}", place.line, place.column);
            }
        }
        out
    }
}

/// Drops blanks at the ends of lines, also those before a last escape sequence, and a margin with
/// nothing beside it at the end, which the drawing crate puts under a diff.
fn trim_lines(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(trim_line).collect();
    while lines.last().is_some_and(|it| matches!(bare(it).trim(), "" | "|")) {
        lines.pop();
    }
    lines.join("\n")
}

fn trim_line(line: &str) -> String {
    let (mut kept, mut escapes) = (line, Vec::new());
    loop {
        kept = kept.trim_end_matches(' ');
        match kept.rfind('\x1b') {
            Some(at) if kept[at..].find('m') == Some(kept.len() - at - 1) => {
                escapes.push(&kept[at..]);
                kept = &kept[..at];
            }
            Some(_) | None => break,
        }
    }
    escapes.push(kept);
    escapes.into_iter().rev().collect()
}

/// Returns a line without escape sequences for colors.
fn bare(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let mut out = parts.next().unwrap_or("").to_owned();
    out.extend(parts.map(|it| it.split_once('m').map_or("", |(_, text)| text)));
    out
}

#[cfg(test)]
mod tests;
