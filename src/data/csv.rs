//! The lines of a table: what separates their cells, which quotes are sound, and how a table is written.

use ndarray::ArrayView2;

use super::{CsvFault, Real32or64};

/// The longest line that is read.
const MAX_LINE: usize = 1 << 20;

/// Writes a table, one line for each row. Every number has the shortest text that reads back as the same number.
pub fn write_csv<F: Real32or64>(header: Option<&[String]>, rows: &ArrayView2<'_, F>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(header) = header {
        let cells: Vec<String> = header.iter().map(|it| csv_cell(it)).collect();
        push_line(&mut bytes, &cells);
    }
    for row in rows.rows() {
        let cells: Vec<String> = row.iter().map(|it| it.text()).collect();
        push_line(&mut bytes, &cells);
    }
    bytes
}

/// As [`write_csv`], with the number of each row, from 0, before its cells.
pub fn write_csv_numbered<F: Real32or64>(header: &[String], rows: &ArrayView2<'_, F>) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_line(&mut bytes, &header.iter().map(|it| csv_cell(it)).collect::<Vec<String>>());
    for (number, row) in rows.rows().into_iter().enumerate() {
        let cells = row.iter().map(|it| it.text());
        push_line(
            &mut bytes,
            &std::iter::once(number.to_string()).chain(cells).collect::<Vec<_>>(),
        );
    }
    bytes
}

fn push_line(bytes: &mut Vec<u8>, cells: &[String]) {
    bytes.extend_from_slice(cells.join(",").as_bytes());
    bytes.push(b'\n');
}

/// Returns a name as a cell that reads back as the same name. A line feed would end the row for many readers, ours included.
pub fn csv_cell(name: &str) -> String {
    let name = name.replace(['\n', '\r'], " ");
    let plain = !name.is_empty() && name.trim() == name && !name.contains(['"', ',', ';', '\t']);
    if plain { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Checks what concerns lines and not cells. After this the reader's rows are the lines of the file: it passes over
/// empty lines, and a quote that is not closed would swallow all that follows.
pub(super) fn check_lines(bytes: &[u8], separator: u8) -> Result<(), CsvFault> {
    let mut empty = None;
    for (line, row) in bytes.split(|it| *it == b'\n').zip(1..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > MAX_LINE {
            return Err(CsvFault::LongLine { row, limit: MAX_LINE });
        }
        if line.is_empty() {
            empty = empty.or(Some(row));
            continue;
        }
        if let Some(row) = empty {
            return Err(CsvFault::EmptyLine { row });
        }
        if line.contains(&b'\r') {
            return Err(CsvFault::CarriageReturn { row });
        }
        if line.contains(&b'"') {
            check_quotes(line, row, separator)?;
        }
    }
    Ok(())
}

/// Each quoted cell is quoted as a whole, and ends on its line.
fn check_quotes(line: &[u8], row: usize, separator: u8) -> Result<(), CsvFault> {
    /// The position of the reader within a cell.
    enum Place {
        Start,
        Plain,
        Quoted,
        /// After a quote within a quoted cell: the end, or the first half of a doubled quote.
        Closed,
    }
    let mut place = Place::Start;
    for byte in line {
        place = match (place, byte) {
            (Place::Start | Place::Plain | Place::Closed, it) if *it == separator => Place::Start,
            (Place::Start | Place::Closed, b'"') => Place::Quoted,
            (Place::Plain, b'"') | (Place::Closed, _) => return Err(CsvFault::Quote { row }),
            (Place::Start | Place::Plain, _) => Place::Plain,
            (Place::Quoted, b'"') => Place::Closed,
            (Place::Quoted, _) => Place::Quoted,
        };
    }
    match place {
        Place::Quoted => Err(CsvFault::Quote { row }),
        Place::Start | Place::Plain | Place::Closed => Ok(()),
    }
}

/// Returns the separator of the cells of a line: semicolons if there are any outside of quotes, else tabs, unless they are mere
/// blanks beside commas, else commas.
pub(super) fn separator(line: &[u8]) -> Result<u8, CsvFault> {
    let mut quoted = false;
    let mut outside = |byte: u8| {
        quoted ^= byte == b'"';
        !quoted
    };
    let plain: Vec<u8> = line.iter().copied().filter(|it| outside(*it)).collect();
    if plain.contains(&b';') {
        return Ok(b';');
    }
    let cells: Vec<&[u8]> = plain.split(|it| *it == b',').map(<[u8]>::trim_ascii).collect();
    if cells.iter().any(|it| it.contains(&b'\t')) || (cells.len() == 1 && plain.contains(&b'\t')) {
        return Ok(b'\t');
    }
    let is_number = |it: &str| it.parse::<f64>().is_ok();
    let words = std::str::from_utf8(&plain).unwrap_or_default().split_whitespace();
    if cells.len() == 1 && words.clone().count() > 1 && words.clone().all(is_number) {
        return Err(CsvFault::Spaces { row: 1 });
    }
    Ok(b',')
}
