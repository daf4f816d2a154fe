//! Tables of numbers as text, as people and tools have them.
//!
//! Cells are between commas, semicolons or tabs, whichever the first line has; decimals have a point, or a comma where
//! that cannot be meant in another way. A first row in which no cell is a number is a header. Everything else that a table
//! may mean is asked for by [`TableOptions`].
//!
//! A row is a line: a cell never holds a line feed, so the rows that errors name are the lines of an editor.

use std::collections::BTreeMap;
use std::str::FromStr;

use ndarray::{Array2, Array3, ArrayD};

use super::csv::{check_lines, separator};
use super::{CsvFault, DataError};

/// So many elements sequences of different lengths may take, however short most of them are.
const MAX_PADDED: usize = 1 << 24;

/// The value of a cell without a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Missing {
    /// A NaN.
    Nan,
    /// A zero.
    Zero,
    /// The number above it, in the same sequence.
    Previous,
}

/// The sign between the whole part and the fraction of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decimal {
    /// `1.5`.
    Point,
    /// `1,5`.
    Comma,
}

/// Options of reading a table, for facts that its text does not decide.
#[derive(Clone, Default, Debug)]
pub struct TableOptions {
    /// The columns and their order: by names, or by numbers from 1 in a table without names; all if empty.
    pub columns: Vec<String>,
    /// True if the first row has names; else the text decides.
    pub header: Option<bool>,
    /// The decimal sign; else the text decides.
    pub decimal: Option<Decimal>,
    /// The value of an empty cell, `NA`, `NaN` and the like; else they are errors, and `nan` is a NaN.
    pub missing: Option<Missing>,
    /// The column that is the same within a sequence and differs between them; else all rows are one sequence.
    pub sequence: Option<String>,
}

impl FromStr for Missing {
    type Err = String;

    fn from_str(text: &str) -> Result<Missing, String> {
        match text {
            "nan" => Ok(Missing::Nan),
            "zero" => Ok(Missing::Zero),
            "previous" => Ok(Missing::Previous),
            _ => Err("write nan, zero or previous".to_owned()),
        }
    }
}

impl FromStr for Decimal {
    type Err = String;

    fn from_str(text: &str) -> Result<Decimal, String> {
        match text {
            "." | "point" => Ok(Decimal::Point),
            "," | "comma" => Ok(Decimal::Comma),
            _ => Err("write point or comma".to_owned()),
        }
    }
}

/// A table as it was read from a file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Table {
    /// The names of the columns, if the first row has names.
    pub header: Option<Vec<String>>,
    /// The numbers, column by column, all of the same length; empty for a column that was not wanted.
    pub columns: Vec<Vec<f64>>,
    /// The names of the sequences with the number of their rows, in order; empty if all rows are one sequence.
    pub sequences: Vec<(String, usize)>,
    /// The notation of the file, if it is not commas and points: a part of a note.
    pub notation: String,
}

impl Table {
    /// The number of rows below the header.
    pub fn n_rows(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Returns the number of rows of each sequence, if a column told them apart.
    pub fn lengths(&self) -> Option<Vec<usize>> {
        let lengths = self.sequences.iter().map(|it| it.1).collect();
        (!self.sequences.is_empty()).then_some(lengths)
    }

    /// The rows of wanted columns as `[T, C]`; as `[T, B, C]` where a column told sequences apart, with zeros after the end
    /// of those that are shorter than the longest.
    pub fn array(&self) -> Result<ArrayD<f64>, DataError> {
        let width = self.columns.len();
        let Some(lengths) = self.lengths() else {
            let shape = (self.n_rows(), width);
            return Ok(Array2::from_shape_fn(shape, |(t, c)| self.columns[c][t]).into_dyn());
        };
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut starts = Vec::with_capacity(lengths.len());
        lengths.iter().fold(0, |start, length| {
            starts.push(start);
            start + length
        });
        let shape = (longest, lengths.len(), width);
        let cell = |(t, b, c): (usize, usize, usize)| match t < lengths[b] {
            true => self.columns[c][starts[b] + t],
            false => 0.0,
        };
        // One long sequence beside many short ones would take far more memory than the file.
        let count = super::elements(&[longest, lengths.len(), width])?;
        if count > MAX_PADDED.max(64 * self.n_rows().saturating_mul(width)) {
            return Err(DataError::OutOfMemory { bytes: count.saturating_mul(size_of::<f64>()) });
        }
        Ok(Array3::from_shape_fn(shape, cell).into_dyn())
    }

    /// The columns with these names, in this order.
    pub fn select(&self, names: &[&str]) -> Result<Table, DataError> {
        let found =
            names.iter().map(|name| place(self.header.as_deref(), self.columns.len(), name));
        let places = found.collect::<Result<Vec<usize>, CsvFault>>()?;
        let columns = places.iter().map(|it| self.columns[*it].clone()).collect();
        let names = names.iter().map(|it| (*it).to_owned()).collect();
        Ok(Table { header: self.header.is_some().then_some(names), columns, ..self.clone() })
    }
}

/// The column of a name, or of a number from 1 where there are no names.
pub(super) fn place(
    header: Option<&[String]>,
    count: usize,
    name: &str,
) -> Result<usize, CsvFault> {
    let Some(header) = header else {
        let number = name.parse().ok().filter(|it| (1..=count).contains(it));
        return number.map(|it: usize| it - 1).ok_or(CsvFault::NoHeader { name: name.to_owned() });
    };
    let mut with_name = (0..header.len()).filter(|it| header[*it] == name);
    match (with_name.next(), with_name.next()) {
        (Some(column), None) => Ok(column),
        (Some(_), Some(_)) => Err(CsvFault::ColumnTwice { name: name.to_owned() }),
        (None, _) => Err(CsvFault::NoColumn { name: name.to_owned(), columns: header.to_vec() }),
    }
}

/// Lengths as people write them: `7,4,9`. Nothing for a text that is another one.
pub fn parse_lengths(text: &str) -> Option<Vec<usize>> {
    text.split(',').map(|it| it.parse().ok()).collect()
}

/// Reads a table without options: all columns must be numbers.
pub fn read_csv(bytes: &[u8]) -> Result<Table, DataError> {
    read_table(bytes, &TableOptions::default(), &|_| true)
}

/// Reads a table. Of one with a header, and without [`TableOptions::columns`], only the columns with wanted names need to
/// be numbers: dates and words beside them are passed over.
///
/// A byte order mark, line ends of either kind, spaces around a cell and empty lines at the end are accepted; a row of
/// another length is an error.
pub fn read_table(
    bytes: &[u8],
    options: &TableOptions,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<Table, DataError> {
    let Opened { rows, first: names, has_header } = Opened::new(bytes, options)?;
    let separator = rows.separator;
    let header = has_header.then_some(names.as_slice());
    let (order, sequence) = columns(header, names.len(), options, wanted)?;
    let decimal = match options.decimal {
        Some(given) => given,
        None if separator == b',' => Decimal::Point,
        None => rows.decimal(has_header, &order)?,
    };
    let mut reading = Reading {
        decimal,
        missing: options.missing,
        numbers: vec![Vec::new(); order.len()],
        sequences: Vec::new(),
        by_name: BTreeMap::new(),
        of_row: Vec::new(),
        last: Vec::new(),
    };
    rows.each(&mut |row, cells| match row == 1 && has_header {
        true => Ok(()),
        false => reading.row(row, cells, &order, sequence),
    })?;

    let header = header.map(|all| order.iter().map(|it| all[*it].clone()).collect());
    let mut notation = Vec::new();
    match separator {
        b';' => notation.push("semicolons between cells"),
        b'\t' => notation.push("tabs between cells"),
        _ => {}
    }
    if decimal == Decimal::Comma {
        notation.push("decimal commas");
    }
    let (columns, sequences) = reading.done();
    Ok(Table { header, columns, sequences, notation: notation.join(", ") })
}

/// A table whose lines are sound, and of which it is known whether the first row has names.
pub(super) struct Opened<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) first: Vec<String>,
    pub(super) has_header: bool,
}

impl<'a> Opened<'a> {
    pub(super) fn new(bytes: &'a [u8], options: &TableOptions) -> Result<Opened<'a>, DataError> {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(CsvFault::Encoding { row: 1 }.into());
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut separator = separator(bytes.split(|it| *it == b'\n').next().unwrap_or_default())?;
        // Who says that commas are decimals says that they do not separate cells, unless quotes tell them apart.
        if separator == b',' && options.decimal == Some(Decimal::Comma) && !bytes.contains(&b'"') {
            separator = b';';
        }
        check_lines(bytes, separator)?;
        let rows = Rows { bytes, separator };
        let first = rows.first()?;
        let has_header = match options.header {
            Some(given) => given,
            None => is_header(&first, options)?,
        };
        Ok(Opened { rows, first, has_header })
    }
}

/// Returns the columns that are read, and the one that tells the sequences apart.
fn columns(
    header: Option<&[String]>,
    count: usize,
    options: &TableOptions,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<(Vec<usize>, Option<usize>), DataError> {
    let at = |name: &String| place(header, count, name);
    let sequence = options.sequence.as_ref().map(at).transpose()?;
    if !options.columns.is_empty() {
        return Ok((options.columns.iter().map(at).collect::<Result<_, _>>()?, sequence));
    }
    let is_wanted = |it: &usize| {
        Some(*it) != sequence
            && header.is_none_or(|names| names[*it].is_empty() || wanted(&names[*it]))
    };
    let order: Vec<usize> = (0..count).filter(is_wanted).collect();
    let names = header.unwrap_or_default();
    // The index that pandas writes has an empty name. It is no data, and nobody has said so.
    match order.iter().find(|it| names.get(**it).is_some_and(String::is_empty)) {
        Some(empty) if wanted("") => {
            let named = names.iter().filter(|it| !it.is_empty()).take(6).cloned().collect();
            Err(CsvFault::NoName { column: empty + 1, count, named }.into())
        }
        Some(_) | None => {
            let named = |it: &usize| names.get(*it).is_none_or(|name| !name.is_empty());
            Ok((order.into_iter().filter(named).collect(), sequence))
        }
    }
}

/// The lines of a table as rows of cells.
pub(super) struct Rows<'a> {
    bytes: &'a [u8],
    separator: u8,
}

pub(super) type Cells<'c> = &'c [&'c str];

impl Rows<'_> {
    fn first(&self) -> Result<Vec<String>, DataError> {
        let mut first = None;
        self.each(&mut |_, cells| {
            first =
                first.take().or_else(|| Some(cells.iter().map(|it| (*it).to_owned()).collect()));
            Ok(())
        })?;
        first.ok_or_else(|| CsvFault::Empty.into())
    }

    /// Gives each row with its number, all of the same length.
    pub(super) fn each(
        &self,
        see: &mut dyn FnMut(usize, Cells<'_>) -> Result<(), CsvFault>,
    ) -> Result<(), DataError> {
        let mut builder = ::csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(self.separator);
        let mut reader = builder.from_reader(self.bytes);
        let mut record = ::csv::ByteRecord::new();
        let (mut row, mut expected) = (0, 0);
        // The reader takes bytes in memory in rows of any length, which leaves it nothing to fail on but the unforeseen.
        while reader.read_byte_record(&mut record).map_err(|_| CsvFault::Quote { row: row + 1 })? {
            row += 1;
            if row == 1 {
                expected = record.len();
            }
            if record.len() != expected {
                return Err(CsvFault::Ragged { row, expected, found: record.len() }.into());
            }
            let cells: Option<Vec<&str>> =
                record.iter().map(|it| std::str::from_utf8(it).ok().map(trimmed)).collect();
            see(row, &cells.ok_or(CsvFault::Encoding { row })?)?;
        }
        Ok(())
    }

    /// Finds out how decimals are written where commas do not separate cells: with a comma if some number has one and none
    /// has a point. Three digits after each comma may be thousands, so then it must be said.
    fn decimal(&self, has_header: bool, order: &[usize]) -> Result<Decimal, DataError> {
        let (mut commas, mut points, mut unclear) = (false, false, None);
        self.each(&mut |row, cells| {
            if row == 1 && has_header {
                return Ok(());
            }
            for &column in order {
                let cell = cells[column];
                points |= cell.contains('.') && number(cell, Decimal::Point).is_some();
                let Some((before, after)) = cell.split_once(',') else { continue };
                if number(cell, Decimal::Comma).is_none() {
                    continue;
                }
                let digits = before.trim_start_matches(['+', '-']);
                if after.len() == 3 && (1..=3).contains(&digits.len()) && digits != "0" {
                    let cell = cell.to_owned();
                    unclear.get_or_insert(CsvFault::UnclearComma { row, column: column + 1, cell });
                } else {
                    commas = true;
                }
            }
            Ok(())
        })?;
        match (commas, points, unclear) {
            (true, false, _) => Ok(Decimal::Comma),
            (false, false, Some(fault)) => Err(fault.into()),
            // What has a comma then is no number, and that cell is named.
            (_, _, _) => Ok(Decimal::Point),
        }
    }
}

fn trimmed(cell: &str) -> &str {
    cell.trim_matches([' ', '\t'])
}

/// Whether the first row has names: no cell of it is a number. One in which some are is a row of numbers with a slip, or a
/// header that has to be called one.
fn is_header(first: &[String], options: &TableOptions) -> Result<bool, CsvFault> {
    let is_number = |cell: &str| {
        [Decimal::Point, Decimal::Comma].iter().any(|it| number(cell, *it).is_some())
            || (options.missing.is_some() && !cell.is_empty() && is_missing(cell))
    };
    if !first.iter().any(|it| is_number(it)) {
        // A row of words for what is missing is no header either.
        return Ok(!first.iter().all(|it| !it.is_empty() && is_missing(it)));
    }
    let numbers: Option<Vec<usize>> = options.columns.iter().map(|it| it.parse().ok()).collect();
    let picked = |it: &usize| first.get(it.wrapping_sub(1)).is_some_and(|it| is_number(it));
    if numbers.is_some_and(|all| !all.is_empty() && all.iter().all(picked)) {
        return Ok(false);
    }
    let odd = first.iter().enumerate().find(|(_, it)| !it.is_empty() && !is_number(it));
    match odd {
        Some((column, cell)) => {
            Err(CsvFault::MixedHeader { column: column + 1, cell: cell.clone() })
        }
        None => Ok(false),
    }
}

struct Reading {
    decimal: Decimal,
    missing: Option<Missing>,
    numbers: Vec<Vec<f64>>,
    sequences: Vec<(String, usize)>,
    by_name: BTreeMap<String, usize>,
    /// The sequence of each row.
    of_row: Vec<usize>,
    /// For each sequence the last number of each column.
    last: Vec<Vec<Option<f64>>>,
}

impl Reading {
    fn row(
        &mut self,
        row: usize,
        cells: Cells<'_>,
        order: &[usize],
        sequence: Option<usize>,
    ) -> Result<(), CsvFault> {
        let name = sequence.map(|it| cells[it]).unwrap_or_default();
        if let (Some(column), "") = (sequence, name) {
            return Err(CsvFault::EmptyCell { row, column: column + 1, ends_row: false });
        }
        let at = *self.by_name.entry(name.to_owned()).or_insert_with(|| {
            self.sequences.push((name.to_owned(), 0));
            self.last.push(vec![None; order.len()]);
            self.sequences.len() - 1
        });
        self.sequences[at].1 += 1;
        self.of_row.push(at);
        for (idx, &column) in order.iter().enumerate() {
            let cell = cells[column];
            let column = column + 1;
            let value = match (self.missing, number(cell, self.decimal)) {
                (Some(missing), _) if is_missing(cell) => match missing {
                    Missing::Nan => f64::NAN,
                    Missing::Zero => 0.0,
                    Missing::Previous => {
                        self.last[at][idx].ok_or(CsvFault::NothingBefore { row, column })?
                    }
                },
                (_, Some(value)) if value.is_infinite() && !cell.ends_with("inf") => {
                    return Err(CsvFault::TooLarge { row, column, cell: cell.to_owned() });
                }
                (_, Some(value)) => value,
                (_, None) if cell.is_empty() => {
                    let ends_row = row == 1 && column > 1 && column == cells.len();
                    return Err(CsvFault::EmptyCell { row, column, ends_row });
                }
                (_, None) => {
                    return Err(CsvFault::NoNumber { row, column, cell: cell.to_owned() });
                }
            };
            self.last[at][idx] = Some(value);
            self.numbers[idx].push(value);
        }
        Ok(())
    }

    /// The columns with the rows of each sequence together, and the sequences, if they were told apart.
    fn done(self) -> (Vec<Vec<f64>>, Vec<(String, usize)>) {
        if self.sequences.iter().all(|it| it.0.is_empty()) {
            return (self.numbers, Vec::new());
        }
        let mut rows: Vec<usize> = (0..self.of_row.len()).collect();
        rows.sort_by_key(|it| self.of_row[*it]);
        let sorted = self.numbers.iter().map(|all| rows.iter().map(|it| all[*it]).collect());
        (sorted.collect(), self.sequences)
    }
}

/// A number in the usual spelling, or exactly `nan`, `inf` or `-inf`: tools disagree about all others.
fn number(cell: &str, decimal: Decimal) -> Option<f64> {
    match cell {
        "nan" => Some(f64::NAN),
        "inf" => Some(f64::INFINITY),
        "-inf" => Some(f64::NEG_INFINITY),
        _ => {
            let (comma, point) = (decimal == Decimal::Comma, decimal == Decimal::Point);
            let fits = |it: u8| match it {
                b'0'..=b'9' | b'+' | b'-' | b'e' | b'E' => true,
                b'.' => point,
                b',' => comma,
                _ => false,
            };
            if !cell.bytes().all(fits) {
                return None;
            }
            match comma {
                true => cell.replace(',', ".").parse().ok(),
                false => cell.parse().ok(),
            }
        }
    }
}

/// Returns true if a cell says that there is no number: it is empty, or a word that tools write for it.
fn is_missing(cell: &str) -> bool {
    let words = ["", "nan", "na", "n/a", "null", "none", "<na>", "#n/a"];
    words.iter().any(|it| cell.eq_ignore_ascii_case(it))
}
