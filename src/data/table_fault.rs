//! What can be wrong with a table, as facts.

use super::error::{list, one_line};

/// What is wrong with a table. Rows and columns count from 1; a row is a line, as an editor counts
/// them.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CsvFault {
    /// There is nothing in the file.
    #[error("the table is empty")]
    Empty,
    /// The file is text in another encoding than UTF-8.
    #[error("row {row}: the text is not UTF-8; save the table as UTF-8")]
    Encoding {
        /// The line.
        row: usize,
    },
    /// A line is longer than any table of numbers needs.
    #[error("row {row}: the line has more than {limit} bytes")]
    LongLine {
        /// The line.
        row: usize,
        /// The most that is read.
        limit: usize,
    },
    /// An empty line with more lines below it.
    #[error("row {row}: the line is empty")]
    EmptyLine {
        /// The line.
        row: usize,
    },
    /// A quote that does not enclose a whole cell of the line.
    #[error("row {row}: a quote must enclose a whole cell and end on its line")]
    Quote {
        /// The line.
        row: usize,
    },
    /// A carriage return that does not end a line.
    #[error("row {row}: a carriage return that no line feed follows")]
    CarriageReturn {
        /// The line.
        row: usize,
    },
    /// The cells are separated by spaces.
    #[error(
        "row {row}: the cells are separated by spaces; separate them by commas, semicolons or tabs, as numpy.savetxt \
         does with delimiter=','"
    )]
    Spaces {
        /// The line.
        row: usize,
    },
    /// A first row in which some cells are numbers.
    #[error(
        "row 1, column {column}: `{}` is no number, and others of the row are, so it is no header{}; --header yes or no \
         says what it is",
        one_line(cell),
        cell_help(cell)
    )]
    MixedHeader {
        /// The column.
        column: usize,
        /// What stands there.
        cell: String,
    },
    /// A column without a name, that was not left out.
    #[error(
        "row 1, column {column}: the column has no name{}; --columns {} leaves it out",
        unnamed(*column, *count),
        named.join(",")
    )]
    NoName {
        /// The column.
        column: usize,
        /// The number of columns.
        count: usize,
        /// The names of the first ones that have one.
        named: Vec<String>,
    },
    /// A comma that may be one of decimals or one of thousands.
    #[error(
        "row {row}, column {column}: `{}` may be a decimal or thousands; --decimal comma or point says which",
        one_line(cell)
    )]
    UnclearComma {
        /// The line.
        row: usize,
        /// The column.
        column: usize,
        /// What stands there.
        cell: String,
    },
    /// A number beyond those of 64 bits.
    #[error(
        "row {row}, column {column}: `{}` is larger than any 64-bit float; write `inf` if that is meant",
        one_line(cell)
    )]
    TooLarge {
        /// The line.
        row: usize,
        /// The column.
        column: usize,
        /// What stands there.
        cell: String,
    },
    /// A cell without a number, and no number above it.
    #[error("row {row}, column {column}: no number is there, nor one above it in the sequence")]
    NothingBefore {
        /// The line.
        row: usize,
        /// The column.
        column: usize,
    },
    /// A row has more or fewer cells than the first.
    #[error("row {row}: {found} cells, and row 1 has {expected}")]
    Ragged {
        /// The line.
        row: usize,
        /// How many cells the first row has.
        expected: usize,
        /// How many this one has.
        found: usize,
    },
    /// A cell with nothing in it.
    #[error(
        "row {row}, column {column}: the cell is empty; --missing nan, zero or previous says what that is{}",
        if *ends_row { ", and --columns leaves the column out" } else { "" }
    )]
    EmptyCell {
        /// The line.
        row: usize,
        /// The column.
        column: usize,
        /// True if the first row ends with it, as each row does that ends with a separator.
        ends_row: bool,
    },
    /// A cell that is no number.
    #[error("row {row}, column {column}: `{}` is no number{}", one_line(cell), cell_help(cell))]
    NoNumber {
        /// The line.
        row: usize,
        /// The column.
        column: usize,
        /// What stands there.
        cell: String,
    },
    /// A column was asked for by name, and the table has no names.
    #[error("there is no column `{}`: the table has no header", one_line(name))]
    NoHeader {
        /// The name.
        name: String,
    },
    /// A column was asked for that the table does not have.
    #[error("there is no column `{}`: the table has {}", one_line(name), list(columns))]
    NoColumn {
        /// The name.
        name: String,
        /// The columns that are there.
        columns: Vec<String>,
    },
    /// A column was asked for, and two have its name.
    #[error("row 1: two columns are called `{}`", one_line(name))]
    ColumnTwice {
        /// The name.
        name: String,
    },
}

/// Returns the likely origin of a column without a name.
fn unnamed(column: usize, count: usize) -> &'static str {
    match column {
        _ if column == count && count > 1 => ", since the row ends with a separator",
        1 => ", as the index that pandas writes",
        _ => "",
    }
}

/// The way out for a cell that is no number.
fn cell_help(cell: &str) -> &'static str {
    let lower = cell.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if matches!(lower.as_str(), "nan" | "na" | "n/a" | "null" | "none") {
        "; write `nan`, or say --missing nan, zero or previous"
    } else if matches!(lower.as_str(), "inf" | "infinity") {
        "; write `inf` or `-inf`"
    } else if cell.contains(';') || cell.contains('\t') {
        "; separate all cells as in the first row"
    } else if cell.contains(',') {
        "; write decimals with a point, or say --decimal comma"
    } else {
        ""
    }
}
