//! Cells of a table as the texts that they are.

use super::csv::{check_lines, separator};
use super::table::{Rows, is_header, place};
use super::{CsvFault, DataError, TableOptions};

/// What is read of a table: all lines are sound, and the first is known to have names or none.
struct Opened<'a> {
    rows: Rows<'a>,
    first: Vec<String>,
    has_header: bool,
}

impl Opened<'_> {
    fn new(bytes: &[u8]) -> Result<Opened<'_>, DataError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let separator = separator(bytes.split(|it| *it == b'\n').next().unwrap_or_default())?;
        check_lines(bytes, separator)?;
        let rows = Rows { bytes, separator };
        let first = rows.first()?;
        let has_header = is_header(&first, &TableOptions::default())?;
        Ok(Opened { rows, first, has_header })
    }
}

/// The names of the columns of a table, or their numbers from 1 where it has none.
pub fn read_names(bytes: &[u8]) -> Result<Vec<String>, DataError> {
    let table = Opened::new(bytes)?;
    let numbers = 1..=table.first.len();
    Ok(if table.has_header { table.first } else { numbers.map(|it| it.to_string()).collect() })
}

/// The cells of the columns of these names or numbers, column by column; the second result says whether the first row has
/// names.
pub fn read_cells(bytes: &[u8], names: &[&str]) -> Result<(Vec<Vec<String>>, bool), DataError> {
    let Opened { rows, first, has_header } = Opened::new(bytes)?;
    let header = has_header.then_some(first.as_slice());
    let places = names.iter().map(|it| place(header, first.len(), it));
    let places = places.collect::<Result<Vec<usize>, CsvFault>>()?;
    let mut columns = vec![Vec::new(); places.len()];
    rows.each(&mut |row, cells| {
        if row > 1 || !has_header {
            for (column, at) in columns.iter_mut().zip(&places) {
                column.push(cells[*at].to_owned());
            }
        }
        Ok(())
    })?;
    Ok((columns, has_header))
}
