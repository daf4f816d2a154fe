//! Where a piece of source stands: spans, source files, lines and columns.
//!
//! A span is a range of bytes in one file of a [`SourceMap`]; lines and columns are worked out only when
//! somebody wants to read them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a value, dim, cell or function. Cheap to copy, compared as text.
pub type Name = Arc<str>;

/// Which file of a [`SourceMap`] a span lies in.
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
    /// The range `start..end` of `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Span {
        debug_assert!(start <= end && end <= u32::MAX as usize);
        Span { file, start: start as u32, end: end as u32 }
    }

    /// The smallest span that holds both; both must lie in the same file.
    pub fn to(self, other: Span) -> Span {
        debug_assert!(self.file == other.file);
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The empty span just before this one.
    pub fn before(self) -> Span {
        Span { end: self.start, ..self }
    }

    /// The empty span just after this one.
    pub fn after(self) -> Span {
        Span { start: self.end, ..self }
    }

    /// The range of bytes.
    pub fn range(self) -> std::ops::Range<usize> {
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
}

impl SourceFile {
    /// Takes a text and finds its lines; LF and CRLF both end a line.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        let text = text.into();
        let mut line_starts = vec![0];
        line_starts.extend(text.match_indices('\n').map(|(at, _)| at as u32 + 1));
        SourceFile { name: name.into(), text, line_starts }
    }

    /// The line and column of a byte; a byte beyond the end counts as the end.
    pub fn line_column(&self, byte: u32) -> LineColumn {
        let byte = (byte as usize).min(self.text.len());
        let line = self.line_starts.partition_point(|&start| start as usize <= byte) - 1;
        let start = self.line_starts[line] as usize;
        let column = self.text.get(start..byte).map_or(byte - start, |it| it.chars().count());
        LineColumn { line: line + 1, column: column + 1 }
    }

    /// The text of a line, from 1, without its line end; empty beyond the last line.
    pub fn line(&self, line: usize) -> &str {
        self.text.lines().nth(line.wrapping_sub(1)).unwrap_or("")
    }
}

/// All files that one compilation reads; the first is the one that was asked for.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// A map of one file.
    pub fn single(file: SourceFile) -> SourceMap {
        SourceMap { files: vec![file] }
    }

    /// Adds a file and returns its id.
    pub fn add(&mut self, file: SourceFile) -> FileId {
        self.files.push(file);
        FileId(u16::try_from(self.files.len() - 1).expect("at most 65536 source files"))
    }

    /// The file with this id.
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files, in the order in which they were added.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The source text of a span; empty where the span does not fit the file.
    pub fn snippet(&self, span: Span) -> &str {
        self.file(span.file).text.get(span.range()).unwrap_or("")
    }

    /// Line and column of the start of a span.
    pub fn place(&self, span: Span) -> LineColumn {
        self.file(span.file).line_column(span.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_end_with_lf_or_crlf() {
        let file = SourceFile::new("t", "aé\r\nb\n");
        assert_eq!(file.line_column(3), LineColumn { line: 1, column: 3 });
        assert_eq!(file.line_column(5), LineColumn { line: 2, column: 1 });
        assert_eq!(file.line_column(99), LineColumn { line: 3, column: 1 });
        assert_eq!(file.line(1), "aé");
    }
}
