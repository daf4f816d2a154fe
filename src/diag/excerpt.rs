//! The part of a source file that a message shows, made fit for a terminal.
//!
//! A file may be of any size and hold anything. An excerpt holds only the lines near its spans;
//! each is cut to a width around the place that matters, tabs become spaces, and characters that
//! would move the cursor, turn the direction of writing or show nothing at all become visible
//! signs. Spans are translated along.

use std::ops::Range;

use crate::text::SourceFile;

/// The sign in the place of a part of a line that was cut.
const CUT: &str = "...";

/// A tab leads to the next multiple of this column.
const TAB: usize = 4;

/// The most lines between spans that are shown in one piece, with the lines between them folded.
const NEAR: usize = 200;

/// A span of more lines than this is shown by its first line.
const TALL: usize = 60;

/// Some lines of a source file, with places in them.
pub(super) struct Excerpt {
    /// The shown text, lines ended by LF.
    pub text: String,
    /// The number in the file of the first line of `text`.
    pub first_line: usize,
    /// The places in `text`.
    pub places: Vec<ShownSpan>,
}

/// The position of a span of the file in the text of an excerpt.
pub(super) struct ShownSpan {
    /// The position of the span in the given list.
    pub index: usize,
    /// The bytes of the excerpt.
    pub range: Range<usize>,
    /// True if all of the span is shown.
    pub whole: bool,
}

/// A span brought into the file, with the lines that it shows.
struct Target {
    index: usize,
    range: Range<usize>,
    lines: Range<usize>,
    whole: bool,
}

/// Returns the excerpts of `file` that show all `spans`, each line cut to `width` columns. The first excerpt holds the first
/// span, the others follow in the order of the file.
pub(super) fn excerpts(file: &SourceFile, spans: &[Range<usize>], width: usize) -> Vec<Excerpt> {
    let mut targets: Vec<Target> =
        spans.iter().enumerate().map(|(index, span)| target(file, index, span)).collect();
    targets.sort_by_key(|it| (it.lines.start, it.lines.end, it.index));

    let mut groups: Vec<Vec<Target>> = Vec::new();
    for target in targets {
        match groups.last_mut() {
            Some(group) if group.iter().any(|it| target.lines.start <= it.lines.end + NEAR) => {
                group.push(target);
            }
            Some(_) | None => groups.push(vec![target]),
        }
    }
    groups.sort_by_key(|it| !it.iter().any(|target| target.index == 0));
    groups.into_iter().map(|it| excerpt(file, it, width)).collect()
}

/// Brings a span into the file and onto the boundaries of characters, and finds its lines.
fn target(file: &SourceFile, index: usize, span: &Range<usize>) -> Target {
    let text = &file.text;
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let first = file.line_of(start as u32);
    // A span that ends with the end of a line does not reach into the next one.
    let last = file.line_of(end.saturating_sub(1).max(start) as u32);
    if last - first >= TALL {
        let end = file.line_range(first).end.max(start);
        return Target { index, range: start..end, lines: first..first + 1, whole: false };
    }
    Target { index, range: start..end, lines: first..last + 1, whole: true }
}

fn excerpt(file: &SourceFile, targets: Vec<Target>, width: usize) -> Excerpt {
    let first_line = targets.iter().map(|it| it.lines.start).min().unwrap_or(1);
    let after = targets.iter().map(|it| it.lines.end).max().unwrap_or(first_line + 1);

    let mut text = String::new();
    let mut places: Vec<ShownSpan> = targets
        .iter()
        .map(|it| ShownSpan { index: it.index, range: 0..0, whole: it.whole })
        .collect();
    for number in first_line..after {
        let bytes = file.line_range(number);
        // The window follows the first of the given spans that has its start or its end in this
        // line.
        let anchor = targets
            .iter()
            .filter(|it| it.lines.contains(&number))
            .min_by_key(|it| it.index)
            .map_or(bytes.start..bytes.start, |it| anchor(it, number, &bytes));
        let line = ExcerptLine::cut(&file.text[bytes.clone()], bytes.start, anchor, width);

        let offset = text.len();
        for (target, place) in targets.iter().zip(&mut places) {
            if number == target.lines.start {
                place.range.start = offset + line.start_of(target.range.start);
                place.whole &= line.shows(target.range.start);
            }
            if number + 1 == target.lines.end {
                let end = offset + line.end_of(target.range.end.min(bytes.end));
                place.range.end = end.max(place.range.start);
                place.whole &= line.shows(target.range.end.min(bytes.end));
            }
        }
        text.push_str(&line.text);
        if number + 1 < after {
            text.push('\n');
        } else if line.text.is_empty() && !text.is_empty() {
            // An empty line after the last line end would count as no line.
            text.push(' ');
        }
    }
    places.sort_by_key(|it| it.index);
    Excerpt { text, first_line, places }
}

/// Returns the part of a line that should be seen for the sake of a span: its start, or its end if it began in an earlier line.
fn anchor(target: &Target, line: usize, bytes: &Range<usize>) -> Range<usize> {
    let start = target.range.start.min(bytes.end);
    let end = target.range.end.min(bytes.end);
    if line == target.lines.start {
        start..end
    } else if line + 1 == target.lines.end {
        end..end
    } else {
        bytes.start..bytes.start
    }
}

/// A line as it is shown.
struct ExcerptLine {
    text: String,
    /// The shown part, in bytes of the file.
    shown: Range<usize>,
    /// For each shown character its byte in the file and in `text`, and a last entry for the end.
    map: Vec<(usize, usize)>,
}

impl ExcerptLine {
    /// Cuts `line`, which begins at byte `offset` of the file, to about `width` columns around
    /// `anchor`.
    fn cut(line: &str, offset: usize, anchor: Range<usize>, width: usize) -> ExcerptLine {
        let at =
            |byte: usize| line.floor_char_boundary(byte.saturating_sub(offset).min(line.len()));
        let window = window(line, at(anchor.start)..at(anchor.end), width);

        let mut text = String::new();
        if window.start > 0 {
            text.push_str(CUT);
        }
        let mut map = Vec::new();
        for (byte, c) in line[window.clone()].char_indices() {
            map.push((offset + window.start + byte, text.len()));
            if c == '\t' {
                let column = text.chars().map(columns).sum::<usize>();
                text.extend(std::iter::repeat_n(' ', TAB - column % TAB));
            } else {
                text.push(visible(c));
            }
        }
        map.push((offset + window.end, text.len()));
        if window.end < line.len() {
            text.push_str(CUT);
        }
        ExcerptLine { text, shown: offset + window.start..offset + window.end, map }
    }

    /// Returns the position of a span that begins at this byte of the file; that of the cut if the byte is not shown.
    fn start_of(&self, byte: usize) -> usize {
        if byte < self.shown.start { 0 } else { self.lookup(byte) }
    }

    /// Returns the end of a span that ends before this byte of the file.
    fn end_of(&self, byte: usize) -> usize {
        if byte < self.shown.start {
            CUT.len()
        } else if byte > self.shown.end {
            self.text.len()
        } else {
            self.lookup(byte)
        }
    }

    fn lookup(&self, byte: usize) -> usize {
        let entry = self.map.partition_point(|&(from, _)| from < byte);
        self.map.get(entry).or(self.map.last()).map_or(0, |&(_, to)| to)
    }

    fn shows(&self, byte: usize) -> bool {
        self.shown.start <= byte && byte <= self.shown.end
    }
}

/// Returns the part of a line that is shown in `width` columns. The start of the anchor is in it: two fifths from the left,
/// nearer if the anchor needs the room, farther if the line ends. Looks at no more characters than can be shown.
fn window(line: &str, anchor: Range<usize>, width: usize) -> Range<usize> {
    if measure(line.chars(), width).bytes == line.len() {
        return 0..line.len();
    }
    let room = width.saturating_sub(2 * CUT.len()).max(1);
    let span = measure(line[anchor.clone()].chars(), room).columns;
    let after = measure(line[anchor.start..].chars(), room).columns;
    let left = (room * 2 / 5).min((room - span).max(room / 5)).max(room - after);
    let start = anchor.start - measure(line[..anchor.start].chars().rev(), left).bytes;
    start..start + measure(line[start..].chars(), room).bytes
}

/// The size that part of some characters takes.
struct Measure {
    columns: usize,
    bytes: usize,
}

/// Measures as many characters as fit into `most` columns.
fn measure(chars: impl Iterator<Item = char>, most: usize) -> Measure {
    let mut taken = Measure { columns: 0, bytes: 0 };
    for c in chars {
        let columns = taken.columns + columns(c);
        if columns > most {
            break;
        }
        taken = Measure { columns, bytes: taken.bytes + c.len_utf8() };
    }
    taken
}

/// Returns the columns that a character may take, at most; it only decides where a line is cut.
fn columns(c: char) -> usize {
    match c {
        '\t' => TAB,
        '\u{1100}'.. => 2,
        _ => 1,
    }
}

/// `text` with each character visible and line ends kept, for messages that quote a spec. A spec
/// may hold a name of a megabyte, so long words lose their middle, and what is still too long loses
/// its end.
pub(super) fn visible_text(text: &str) -> String {
    const LONG_WORD: usize = 100;
    const LONG_TEXT: usize = 2000;
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        if out.len() > LONG_TEXT {
            out.push_str(CUT);
            break;
        }
        let signs = |text: &str| -> String {
            text.chars().map(|it| if it == '\n' { it } else { visible(it) }).collect()
        };
        if word.len() <= LONG_WORD {
            out.push_str(&signs(word));
        } else {
            let head = word.floor_char_boundary(LONG_WORD / 2);
            let tail = word.ceil_char_boundary(word.len() - LONG_WORD / 4);
            out.extend([&signs(&word[..head]), CUT, &signs(&word[tail..])]);
        }
    }
    out
}

/// Returns a sign for a character that a terminal would act upon or not show: controls, marks that turn the direction of writing,
/// line separators, blanks without width, and the private characters that the renderer uses itself.
fn visible(c: char) -> char {
    match c {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{10ffff}' => '\u{fffd}',
        _ => c,
    }
}
