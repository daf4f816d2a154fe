//! Cells of a table as the texts that they are.

use super::table::{Opened, place};
use super::{CsvFault, DataError, TableOptions};

/// Returns the names of the columns of a table, or their numbers from 1 where it has none.
pub fn read_names(bytes: &[u8], options: &TableOptions) -> Result<Vec<String>, DataError> {
    let table = Opened::new(bytes, options)?;
    let numbers = 1..=table.first.len();
    Ok(if table.has_header { table.first } else { numbers.map(|it| it.to_string()).collect() })
}

/// Returns the cells of the columns of these names or numbers, column by column; the second result says whether the first row has
/// names.
pub fn read_cells(
    bytes: &[u8],
    names: &[&str],
    options: &TableOptions,
) -> Result<(Vec<Vec<String>>, bool), DataError> {
    let Opened { rows, first, has_header } = Opened::new(bytes, options)?;
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
