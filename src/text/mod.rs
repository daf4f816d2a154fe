//! Places in sources: spans, source files, lines and columns.
//!
//! A span is a range of bytes in one file of a [`SourceMap`]; lines and columns are worked out only when
//! somebody wants to read them.

pub mod id;
pub(crate) mod order;
pub(crate) mod work;

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a value, dim, cell or function. Cheap to copy, compared as text.
pub type Name = Arc<str>;

/// The number of a file of a [`SourceMap`].
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct FileId(pub u16);

/// A half-open range of bytes in a source file, on character boundaries.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Span {
    /// The file that the range lies in.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    /// Returns the range `start..end` of `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Span {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Span { file, start: start as u32, end: end as u32 }
    }

    /// Returns the smallest span that holds both; both must lie in the same file.
    pub fn to(self, other: Span) -> Span {
        debug_assert!(self.file == other.file);
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Returns the empty span just before this one.
    pub fn before(self) -> Span {
        Span { end: self.start, ..self }
    }

    /// Returns the empty span just after this one.
    pub fn after(self) -> Span {
        Span { start: self.end, ..self }
    }

    /// Returns true if another span lies in this one.
    pub fn holds(self, other: Span) -> bool {
        self.file == other.file && self.start <= other.start && other.end <= self.end
    }

    /// Returns the range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A place for people: line and column, both from 1, the column in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct LineColumn {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

/// One file of source text.
#[derive(Clone, PartialEq, Debug)]
pub struct SourceFile {
    /// The path or title that messages show.
    pub name: String,
    /// The whole text, without a byte-order mark.
    pub text: String,
    /// The first byte of each line.
    line_starts: Vec<u32>,
    /// True if a column is just a difference of bytes, as in nearly every file; a line of a megabyte with a fault in each word
    /// would otherwise be counted through for each of them.
    ascii: bool,
}

impl SourceFile {
    /// Takes a text and finds its lines; LF and CRLF both end a line.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        let text = text.into();
        let mut line_starts = vec![0];
        line_starts.extend(text.match_indices('\n').map(|(at, _)| at as u32 + 1));
        let ascii = text.is_ascii();
        SourceFile { name: name.into(), text, line_starts, ascii }
    }

    /// Returns the line and column of a byte; a byte beyond the end counts as the end.
    pub fn line_column(&self, byte: u32) -> LineColumn {
        let byte = (byte as usize).min(self.text.len());
        let line = self.line_starts.partition_point(|&start| start as usize <= byte) - 1;
        let start = self.line_starts[line] as usize;
        let column = if self.ascii {
            byte - start
        } else {
            self.text[start..self.text.floor_char_boundary(byte)].chars().count()
        };
        LineColumn { line: line + 1, column: column + 1 }
    }

    /// Returns the line, from 1, that a byte lies in; a byte beyond the end counts as the end.
    pub fn line_of(&self, byte: u32) -> usize {
        self.line_starts.partition_point(|&start| start <= byte)
    }

    /// Returns the number of lines; a text that ends with a line end has an empty one after it.
    pub fn line_count(&self) -> usize {
        self.line_starts.len()
    }

    /// Returns the bytes of a line, from 1, without its line end; empty, at the end, beyond the last line.
    pub fn line_range(&self, line: usize) -> Range<usize> {
        let Some(&start) = self.line_starts.get(line.wrapping_sub(1)) else {
            return self.text.len()..self.text.len();
        };
        let next = self.line_starts.get(line).map_or(self.text.len(), |&it| it as usize);
        let start = start as usize;
        let line = &self.text[start..next];
        let line = line.strip_suffix('\n').map_or(line, |it| it.strip_suffix('\r').unwrap_or(it));
        start..start + line.len()
    }

    /// Returns the text of a line, from 1, without its line end; empty beyond the last line.
    pub fn line(&self, line: usize) -> &str {
        &self.text[self.line_range(line)]
    }
}

/// All files that one compilation reads; the first is the one that was asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Returns a map of one file.
    pub fn single(file: SourceFile) -> SourceMap {
        SourceMap { files: vec![file] }
    }

    /// Adds a file and returns its id.
    pub fn add(&mut self, file: SourceFile) -> FileId {
        self.files.push(file);
        FileId(u16::try_from(self.files.len() - 1).expect("at most 65536 source files"))
    }

    /// Returns the file with this id.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// Returns all files, in the order in which they were added.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// Returns the source text of a span; empty where the span does not fit the file.
    pub fn snippet(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.range()).unwrap_or("")
    }

    /// Line and column of the start of a span.
    pub fn place(&self, span: Span) -> LineColumn {
        self.file(span.file).line_column(span.start)
    }
}

/// Returns the edit distance of two names: insertions, deletions, replacements and swaps of neighbours. What "did you mean" goes
/// by.
pub fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Rows of the table for the two prefixes before this one, and this one.
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let replaced = last[j] + usize::from(a[i] != b[j]);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(distance("sigmoid", "sigmiod"), 1);
        assert_eq!(distance("W_q", "W_g"), 1);
        assert_eq!(distance("", "ab"), 2);
    }

    #[test]
    fn columns_count_characters_and_lines_end_with_lf_or_crlf() {
        let file = SourceFile::new("t", "aé\r\nb\n");
        assert_eq!(file.line_column(3), LineColumn { line: 1, column: 3 });
        assert_eq!(file.line_column(5), LineColumn { line: 2, column: 1 });
        assert_eq!(file.line_column(99), LineColumn { line: 3, column: 1 });
        assert_eq!(file.line_column(2), LineColumn { line: 1, column: 2 }, "within a character");
        assert_eq!((file.line(1), file.line(2), file.line(3), file.line(4)), ("aé", "b", "", ""));
        assert_eq!((file.line_of(4), file.line_of(5), file.line_count()), (1, 2, 3));
        assert_eq!(file.line_range(1), 0..3);
    }
}
