//! Tables of numbers as text: commas between cells, a point in decimals, perhaps a header.
//!
//! A row is a line: a cell never holds a line feed, so the rows that errors name are the lines of an editor.

use ndarray::ArrayView2;

use super::{CsvFault, DataError, Real32or64};

/// The longest line that is read.
const MAX_LINE: usize = 1 << 20;

/// A table as it was read from a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// The names of the columns, if the first row has a cell that is no number.
    pub header: Option<Vec<String>>,
    /// The numbers, column by column, all of the same length; empty for a column that was not wanted.
    pub columns: Vec<Vec<f64>>,
}

impl Table {
    /// The number of rows below the header.
    pub fn n_rows(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The columns with these names, in this order.
    pub fn select(&self, names: &[&str]) -> Result<Table, DataError> {
        let mut columns = Vec::with_capacity(names.len());
        for &name in names {
            let Some(header) = &self.header else {
                return Err(CsvFault::NoHeader { name: name.to_owned() }.into());
            };
            let mut with_name = (0..header.len()).filter(|it| header[*it] == name);
            match (with_name.next(), with_name.next()) {
                (Some(column), None) => columns.push(self.columns[column].clone()),
                (Some(_), Some(_)) => {
                    return Err(CsvFault::ColumnTwice { name: name.to_owned() }.into());
                }
                (None, _) => {
                    let columns = header.clone();
                    return Err(CsvFault::NoColumn { name: name.to_owned(), columns }.into());
                }
            }
        }
        let header = names.iter().map(|it| (*it).to_owned()).collect();
        Ok(Table { header: Some(header), columns })
    }
}

/// Reads a table. A byte order mark, line ends of either kind, spaces around a cell and empty lines at the end are
/// accepted; an empty cell, a cell that is no number and a row of another length are errors.
pub fn read_csv(bytes: &[u8]) -> Result<Table, DataError> {
    read_csv_columns(bytes, &|_| true)
}

/// As [`read_csv`], but in a table with a header only the columns with wanted names need to be numbers: dates and words beside
/// them are passed over.
pub fn read_csv_columns(bytes: &[u8], wanted: &dyn Fn(&str) -> bool) -> Result<Table, DataError> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(CsvFault::Encoding { row: 1 }.into());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    check_lines(bytes)?;

    let mut reader =
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = ::csv::ByteRecord::new();
    let mut table = Table { header: None, columns: Vec::new() };
    let mut kept = Vec::new();
    let mut row = 0;
    // The reader takes bytes in memory in rows of any length, which leaves it nothing to fail on but the unforeseen.
    while reader.read_byte_record(&mut record).map_err(|_| CsvFault::Quote { row: row + 1 })? {
        row += 1;
        if row == 1 {
            table.header = header(&record)?;
            table.columns.resize(record.len(), Vec::new());
            kept = match &table.header {
                Some(names) => names.iter().map(|it| wanted(it)).collect(),
                None => vec![true; record.len()],
            };
            if table.header.is_some() {
                continue;
            }
        }
        if record.len() != table.columns.len() {
            let (expected, found) = (table.columns.len(), record.len());
            return Err(CsvFault::Ragged { row, expected, found }.into());
        }
        for (column, cell) in record.iter().enumerate().filter(|(column, _)| kept[*column]) {
            let cell = text(cell, row)?;
            let number = number(cell).ok_or_else(|| odd_cell(cell, row, column + 1))?;
            table.columns[column].push(number);
        }
    }
    if row == 0 { Err(CsvFault::Empty.into()) } else { Ok(table) }
}

/// Writes a table, one line for each row. Every number has the shortest text that reads back as the same number.
pub fn write_csv<F: Real32or64>(header: Option<&[String]>, rows: &ArrayView2<'_, F>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(header) = header {
        let cells: Vec<String> = header.iter().map(|it| quoted(it)).collect();
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
    push_line(&mut bytes, &header.iter().map(|it| quoted(it)).collect::<Vec<String>>());
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

/// A name as a cell that reads back as the same name. A line feed would end the row for many readers, ours included.
fn quoted(name: &str) -> String {
    let name = name.replace(['\n', '\r'], " ");
    let plain = !name.is_empty() && name.trim() == name && !name.contains(['"', ',', ';', '\t']);
    if plain { name } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Checks what concerns lines and not cells. After this the reader's rows are the lines of the file: it passes over
/// empty lines, and a quote that is not closed would swallow all that follows.
fn check_lines(bytes: &[u8]) -> Result<(), CsvFault> {
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
            check_quotes(line, row)?;
        }
        if row == 1 {
            check_separator(line)?;
        }
    }
    Ok(())
}

/// Each quoted cell is quoted as a whole, and ends on its line.
fn check_quotes(line: &[u8], row: usize) -> Result<(), CsvFault> {
    /// Where in a cell we are.
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
            (Place::Start | Place::Plain | Place::Closed, b',') => Place::Start,
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

/// Without this, the first line of a table with semicolons or tabs would pass as a header of odd names.
fn check_separator(line: &[u8]) -> Result<(), CsvFault> {
    let mut quoted = false;
    let mut outside = |byte: u8| {
        quoted ^= byte == b'"';
        !quoted
    };
    let plain: Vec<u8> = line.iter().copied().filter(|it| outside(*it)).collect();
    let inner = plain.trim_ascii();
    if plain.contains(&b';') {
        return Err(CsvFault::Separator { row: 1, separator: ';' });
    }
    if inner.contains(&b'\t') && !inner.contains(&b',') {
        return Err(CsvFault::Separator { row: 1, separator: '\t' });
    }
    Ok(())
}

/// The names in the first row, or nothing if all its cells are numbers.
fn header(record: &::csv::ByteRecord) -> Result<Option<Vec<String>>, CsvFault> {
    let mut names = Vec::with_capacity(record.len());
    let (mut is_header, mut odd) = (false, None);
    for (cell, column) in record.iter().zip(1..) {
        let cell = text(cell, 1)?;
        if cell.is_empty() {
            return Err(CsvFault::EmptyCell { row: 1, column });
        }
        if number(cell).is_none() {
            // A row of numbers with one misspelt is no header, and must not be passed over as one.
            if almost_number(cell) {
                odd = odd.or(Some(odd_cell(cell, 1, column)));
            } else {
                is_header = true;
            }
        }
        names.push(cell.to_owned());
    }
    match odd {
        _ if is_header => Ok(Some(names)),
        Some(fault) => Err(fault),
        None => Ok(None),
    }
}

fn text(cell: &[u8], row: usize) -> Result<&str, CsvFault> {
    match std::str::from_utf8(cell) {
        Ok(text) => Ok(text.trim_matches([' ', '\t'])),
        Err(_) => Err(CsvFault::Encoding { row }),
    }
}

fn odd_cell(cell: &str, row: usize, column: usize) -> CsvFault {
    if cell.is_empty() {
        CsvFault::EmptyCell { row, column }
    } else {
        CsvFault::NoNumber { row, column, cell: cell.to_owned() }
    }
}

/// A number in the usual spelling, or exactly `nan`, `inf` or `-inf`: tools disagree about all others.
fn number(cell: &str) -> Option<f64> {
    match cell {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ if cell
            .bytes()
            .all(|it| matches!(it, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) =>
        {
            cell.parse().ok()
        }
        _ => None,
    }
}

/// Whether a cell was meant as a number: another spelling of `nan` or `inf`, a word for what is missing, a decimal comma.
fn almost_number(cell: &str) -> bool {
    let lower = cell.trim_start_matches(['+', '-']).to_ascii_lowercase();
    matches!(lower.as_str(), "nan" | "inf" | "infinity" | "na" | "n/a" | "null" | "none")
        || (cell.contains(',') && number(&cell.replace(',', ".")).is_some())
}
