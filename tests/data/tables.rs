//! Tables as people have them: separators, decimals, headers, gaps, several sequences.

use rnnc::data::{Decimal, Missing, Table, TableOptions, read_table};

fn read(text: &str, options: &TableOptions) -> Table {
    read_table(text.as_bytes(), options, &|_| true).unwrap_or_else(|it| panic!("{text:?}: {it}"))
}

fn fault(text: &str, options: &TableOptions) -> String {
    read_table(text.as_bytes(), options, &|_| true).expect_err(text).to_string()
}

fn picking(columns: &[&str]) -> TableOptions {
    let columns = columns.iter().map(|it| (*it).to_owned()).collect();
    TableOptions { columns, ..TableOptions::default() }
}

#[test]
fn separators_and_decimals_are_found_out() {
    let expected = [vec![1.5, -3.0], vec![2.25, 4e-3]];
    for (text, notation) in [
        ("a,b\n1.5,2.25\n-3,4e-3\n", ""),
        ("a;b\n1.5;2.25\n-3;4e-3\n", "semicolons between cells"),
        ("a;b\n1,5;2,25\n-3;4e-3\n", "semicolons between cells, decimal commas"),
        ("a\tb\n1.5\t2.25\n-3\t4e-3\n", "tabs between cells"),
        ("a\tb\n1,5\t2,25\n-3\t4e-3\n", "tabs between cells, decimal commas"),
        (
            "\u{feff}\"a\";\"b\"\r\n\"1,5\";\"2,25\"\r\n-3;4e-3\r\n",
            "semicolons between cells, decimal commas",
        ),
        // Zeros and short fractions are decimals, whatever stands beside them.
        ("a;b\n1,500;2,25\n-3,000;0,004\n", "semicolons between cells, decimal commas"),
    ] {
        let table = read(text, &TableOptions::default());
        assert_eq!(table.columns, expected, "{text:?}");
        assert_eq!(
            table.header.as_deref(),
            Some(&["a".to_owned(), "b".to_owned()][..]),
            "{text:?}"
        );
        assert_eq!(table.notation, notation, "{text:?}");
    }
    let comma = TableOptions { decimal: Some(Decimal::Comma), ..TableOptions::default() };
    assert_eq!(read("1,234;2\n", &comma).columns, [[1.234], [2.0]]);
    assert_eq!(read("temp\n1,5\n2,25\n", &comma).columns, [[1.5, 2.25]]);
    assert_eq!(read("\"1,5\",\"2\"\n", &comma).columns, [[1.5], [2.0]]);
    assert!(fault("a;b\n1.5;2\n", &comma).contains("`1.5` is no number"));
    let point = TableOptions { decimal: Some(Decimal::Point), ..TableOptions::default() };
    assert!(fault("a;b\n1,234;2\n", &point).contains("`1,234` is no number"));
}

#[test]
fn a_header_is_a_row_without_numbers_unless_it_is_said() {
    let yes = TableOptions { header: Some(true), ..TableOptions::default() };
    let no = TableOptions { header: Some(false), ..TableOptions::default() };
    let years = read("year,2000,2001\n1,2,3\n", &yes);
    assert_eq!(years.header.unwrap(), ["year", "2000", "2001"]);
    assert_eq!(years.columns, [[1.0], [2.0], [3.0]]);
    assert_eq!(read("1,2\n3,4\n", &no).columns, [[1.0, 3.0], [2.0, 4.0]]);
    assert_eq!(read("1,2\n3,4\n", &yes).columns, [[3.0], [4.0]]);
    assert!(fault("a,b\n3,4\n", &no).contains("row 1, column 1: `a` is no number"));
    // Who picks columns by number has said enough.
    let dated = read("2012-01-01,1,x\n2012-01-02,3,y\n", &picking(&["2"]));
    assert_eq!((dated.header, dated.columns), (None, vec![vec![1.0, 3.0]]));
}

#[test]
fn columns_leave_out_the_index_and_what_a_trailing_comma_makes() {
    let index = read(",temp,wind\n0,1.5,2\n1,2.5,3\n", &picking(&["wind", "temp"]));
    assert_eq!(index.columns, [[2.0, 3.0], [1.5, 2.5]]);
    assert_eq!(read("a,b,\n1,2,\n3,4,\n", &picking(&["a", "b"])).columns, [[1.0, 3.0], [2.0, 4.0]]);
    assert_eq!(read("1,2,\n3,4,\n", &picking(&["2"])).columns, [[2.0, 4.0]]);
    assert!(
        fault("a,b,\n1,2,\n", &TableOptions::default())
            .contains("row 1, column 3: the column has no name")
    );
    assert!(fault("a,b\n1,2\n", &picking(&["c"])).contains("no column `c`"));
    assert!(fault("1,2\n", &picking(&["3"])).contains("no column `3`"));
}

#[test]
fn missing_cells_are_what_was_said() {
    let text = "a,b\n1,2\nNA,\nNaN,n/a\nnull,5\n";
    let missing = |what| TableOptions { missing: Some(what), ..TableOptions::default() };
    let zero = read(text, &missing(Missing::Zero));
    assert_eq!(zero.columns, [[1.0, 0.0, 0.0, 0.0], [2.0, 0.0, 0.0, 5.0]]);
    let previous = read(text, &missing(Missing::Previous));
    assert_eq!(previous.columns, [[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 5.0]]);
    let nan = read(text, &missing(Missing::Nan));
    assert!(nan.columns[0][1..].iter().all(|it| it.is_nan()) && nan.columns[1][3] == 5.0);
    assert_eq!(
        fault("a,b\n1,\n", &missing(Missing::Previous)),
        "row 2, column 2: no number is there, nor one above it in the sequence"
    );
    // Without a word `nan` stays a NaN; with one it is missing like the others.
    assert!(read("a\nnan\n", &TableOptions::default()).columns[0][0].is_nan());
    assert_eq!(read("a\nnan\n", &missing(Missing::Zero)).columns, [[0.0]]);
    assert!(fault("a\nmissing\n", &missing(Missing::Zero)).contains("`missing` is no number"));
    // A first row with gaps is no header.
    assert_eq!(read("1,NA\n2,3\n", &missing(Missing::Zero)).columns, [[1.0, 2.0], [0.0, 3.0]]);
}

#[test]
fn a_column_tells_sequences_apart() {
    let by =
        |name: &str| TableOptions { sequence: Some(name.to_owned()), ..TableOptions::default() };
    let text = "id,t,x\nb,0,1\na,0,10\nb,1,2\nb,2,3\na,1,11\n";
    let table = read(text, &by("id"));
    assert_eq!(table.header.as_deref(), Some(&["t".to_owned(), "x".to_owned()][..]));
    assert_eq!(table.columns, [[0.0, 1.0, 2.0, 0.0, 1.0], [1.0, 2.0, 3.0, 10.0, 11.0]]);
    assert_eq!(table.sequences, [("b".to_owned(), 3), ("a".to_owned(), 2)]);
    assert_eq!(table.lengths(), Some(vec![3, 2]));
    let array = table.array().unwrap();
    assert_eq!(array.shape(), [3, 2, 2]);
    assert_eq!(
        array.iter().copied().collect::<Vec<_>>(),
        [0.0, 1.0, 0.0, 10.0, 1.0, 2.0, 1.0, 11.0, 2.0, 3.0, 0.0, 0.0]
    );
    let bare = read("1,5\n2,6\n1,7\n", &by("1"));
    assert_eq!((bare.columns, bare.sequences.len()), (vec![vec![5.0, 7.0, 6.0]], 2));
    // What was last is looked for in the same sequence.
    let gaps = TableOptions { missing: Some(Missing::Previous), ..by("id") };
    assert_eq!(read("id,x\na,1\nb,2\na,\n", &gaps).columns, [[1.0, 1.0, 2.0]]);
    assert!(fault("id,x\na,1\nb,\n", &gaps).contains("row 3, column 2: no number is there"));
    assert!(fault("id,x\na,1\n,2\n", &by("id")).contains("row 3, column 1: the cell is empty"));
    assert!(fault("id,x\na,1\n", &by("name")).contains("no column `name`"));
}

/// A long sequence beside many short ones would take the square of the file.
#[test]
fn sequences_of_odd_lengths_take_no_more_memory_than_they_may() {
    let mut text = "id,x\n".to_owned();
    (0..30_000).for_each(|it| text.push_str(&format!("a,{it}\n")));
    (0..30_000).for_each(|it| text.push_str(&format!("b{it},1\n")));
    let options = TableOptions { sequence: Some("id".to_owned()), ..TableOptions::default() };
    let table = read(&text, &options);
    assert!(table.array().unwrap_err().to_string().contains("not enough memory"));
}
