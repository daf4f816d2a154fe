//! `.csv`: tables of people and of tools, and the errors that help them.

use ndarray::{Array2, array};
use proptest::prelude::{any, prop};
use rnnc::{
    data::{Table, TableOptions, read_csv, read_table, write_csv},
    diag::Code,
};

fn table(header: Option<&[&str]>, columns: &[&[f64]]) -> Table {
    Table {
        header: header.map(|it| it.iter().map(|it| (*it).to_owned()).collect()),
        columns: columns.iter().map(|it| it.to_vec()).collect(),
        ..Table::default()
    }
}

#[test]
fn tables_read_as_they_look() {
    let plain = table(None, &[&[1.0, 3.0], &[2.5, -4e-3]]);
    let named = table(Some(&["a", "b c"]), &[&[1.0, 3.0], &[2.5, -4e-3]]);
    for (text, expected) in [
        ("1,2.5\n3,-4e-3\n", &plain),
        ("1,2.5\n3,-4e-3", &plain),
        ("1,2.5\r\n3,-4e-3\r\n", &plain),
        ("\u{feff}1,2.5\n3,-4e-3\n\n\n", &plain),
        (" 1 ,\t2.5\n+3.0, -.004E0 \n", &plain),
        ("\"1\",\"2.5\"\n3,\"-4e-3\"\n", &plain),
        ("a,b c\n1,2.5\n3,-4e-3\n", &named),
        ("\u{feff}\"a\",\"b c\"\r\n1,2.5\r\n3,-4e-3\r\n\r\n", &named),
    ] {
        assert_eq!(&read_csv(text.as_bytes()).expect(text), expected, "{text}");
    }
    let odd = table(Some(&["t, in s", "a\"b", "c0"]), &[&[], &[], &[]]);
    assert_eq!(read_csv(b"\"t, in s\",\"a\"\"b\",c0\n").expect("a header alone"), odd);
    assert_eq!(odd.n_rows(), 0);
    let read = read_csv(b"nan,inf,-inf\n1,-0,0\n").expect("sound");
    assert!(read.columns[0][0].is_nan() && read.header.is_none());
    assert_eq!(read.columns[1], [f64::INFINITY, 0.0]);
    assert!(read.columns[1][1].is_sign_negative());
    assert_eq!(read.columns[2], [f64::NEG_INFINITY, 0.0]);
}

#[test]
fn faults_name_the_row_and_the_column() {
    let empty = "the cell is empty; --missing nan, zero or previous says what that is";
    let nan = "write `nan`, or say --missing nan, zero or previous";
    let comma = "write decimals with a point, or say --decimal comma";
    let mixed = "is no number, and others of the row are, so it is no header";
    let said = "--header yes or no says what it is";
    for (text, expected) in [
        ("", "the table is empty".to_owned()),
        ("\n\r\n", "the table is empty".to_owned()),
        ("a,b\n1,\n", format!("row 2, column 2: {empty}")),
        ("1\n \n", format!("row 2, column 1: {empty}")),
        ("1,2,\n3,4,\n", format!("row 1, column 3: {empty}, and --columns leaves the column out")),
        ("a,b,\n1,2,\n", "row 1, column 3: the column has no name, since the row ends with a separator; --columns a,b leaves it out".into()),
        (",b\n1,2\n", "row 1, column 1: the column has no name, as the index that pandas writes; --columns b leaves it out".into()),
        ("a,b\n1,2\n3,x1\n", "row 3, column 2: `x1` is no number".into()),
        ("1,2\n3,NaN\n", format!("row 2, column 2: `NaN` is no number; {nan}")),
        ("1,NaN\n3,4\n", format!("row 1, column 2: `NaN` {mixed}; {nan}; {said}")),
        ("NaN\n3\n", format!("row 1, column 1: `NaN` is no number; {nan}")),
        ("1.0,2..0\n3,4\n", format!("row 1, column 2: `2..0` {mixed}; {said}")),
        ("t,0,1\n3,4,5\n", format!("row 1, column 1: `t` {mixed}; {said}")),
        ("1\n+inf\n", "row 2, column 1: `+inf` is no number; write `inf` or `-inf`".into()),
        ("1\ninfinity\n", "row 2, column 1: `infinity` is no number; write `inf` or `-inf`".into()),
        ("1\n0x10\n", "row 2, column 1: `0x10` is no number".into()),
        ("1\n1_000\n", "row 2, column 1: `1_000` is no number".into()),
        ("1\n1e\n", "row 2, column 1: `1e` is no number".into()),
        ("1\n-1e400\n", "row 2, column 1: `-1e400` is larger than any 64-bit float; write `inf` if that is meant".into()),
        ("a\n\"1,5\"\n", format!("row 2, column 1: `1,5` is no number; {comma}")),
        ("\"1,5\"\n\"2,5\"\n", format!("row 1, column 1: `1,5` is no number; {comma}")),
        ("a;b\n1,234;2\n", "row 2, column 1: `1,234` may be a decimal or thousands; --decimal comma or point says which".into()),
        ("a;b\n1.5;2,5\n", format!("row 2, column 2: `2,5` is no number; {comma}")),
        ("a\n1;2\n", "row 2, column 1: `1;2` is no number; separate all cells as in the first row".into()),
        ("1.5 2\n2.5 3\n", "row 1: the cells are separated by spaces; separate them by commas, semicolons or tabs, as numpy.savetxt does with delimiter=','".into()),
        ("a,b\n1,2\n1\n", "row 3: 1 cells, and row 1 has 2".into()),
        ("1,2\n1,2,3\n", "row 2: 3 cells, and row 1 has 2".into()),
        ("1\n\n2\n", "row 2: the line is empty".into()),
        ("\n1\n", "row 1: the line is empty".into()),
        ("a\r1\r2\r", "row 1: a carriage return that no line feed follows".into()),
        ("\"a\n1\n", "row 1: a quote must enclose a whole cell and end on its line".into()),
        ("1,2\n1,\"2\n", "row 2: a quote must enclose a whole cell and end on its line".into()),
        ("a\"b\n1\n", "row 1: a quote must enclose a whole cell and end on its line".into()),
        ("a\",\"b\n1\n", "row 1: a quote must enclose a whole cell and end on its line".into()),
        ("\"a\"b,\"\n1\n", "row 1: a quote must enclose a whole cell and end on its line".into()),
    ] {
        let error = read_csv(text.as_bytes()).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text:?}");
        assert_eq!(error.code(), Code::BadFile, "{text:?}");
    }
    let error = read_csv(b"a\n1\n\xe9\n").expect_err("Latin 1");
    assert_eq!(error.to_string(), "row 3: the text is not UTF-8; save the table as UTF-8");
    let error = read_csv(b"\xff\xfea\0\n\0").expect_err("UTF-16");
    assert_eq!(error.to_string(), "row 1: the text is not UTF-8; save the table as UTF-8");
    let long = format!("1\n{}\n", "1".repeat((1 << 20) + 1));
    let error = read_csv(long.as_bytes()).expect_err("a long line");
    assert_eq!(error.to_string(), "row 2: the line has more than 1048576 bytes");
}

#[test]
fn a_row_that_is_named_is_the_line_of_an_editor() {
    // A thousand rows, of which each in turn is spoilt.
    for row in [2, 3, 500, 1_001] {
        let mut lines = vec!["a,\"b\"\"\"".to_owned()];
        lines.extend((0..1_000).map(|it| format!("{it},\"{it}\"")));
        lines[row - 1] = "1,z".to_owned();
        for end in ["\n", "\r\n"] {
            let text = read_csv(lines.join(end).as_bytes()).expect_err("spoilt").to_string();
            assert_eq!(text, format!("row {row}, column 2: `z` is no number"));
        }
    }
}

#[test]
fn only_wanted_columns_need_to_be_numbers() {
    let text = b"date,a,sky,b\n2012-01-01,1,rain,2\n2012-01-02,3,,4\n";
    let options = TableOptions::default();
    let read = read_table(text, &options, &|it| it != "date" && it != "sky").expect("sound");
    assert_eq!(read.n_rows(), 2);
    let picked = read.select(&["b", "a"]).expect("they are there");
    assert_eq!(picked, table(Some(&["b", "a"]), &[&[2.0, 4.0], &[1.0, 3.0]]));
    let asked = |names: &[&str]| {
        let columns = names.iter().map(|it| (*it).to_owned()).collect();
        read_table(text, &TableOptions { columns, ..TableOptions::default() }, &|_| true)
    };
    assert_eq!(asked(&["b", "a"]).expect("they are there"), picked);
    assert_eq!(
        asked(&["c"]).expect_err("no such column").to_string(),
        "there is no column `c`: the table has `date`, `a`, `sky`, `b`"
    );
    let error = asked(&["sky"]).expect_err("words");
    assert_eq!(error.to_string(), "row 2, column 3: `rain` is no number");
    assert!(read_csv(text).is_err());
    // The rows are as long as the header all the same.
    assert!(read_table(b"date,a\n1,2,3\n", &options, &|it| it == "a").is_err());
}

#[test]
fn columns_are_picked_by_name_in_the_order_asked_for() {
    let read = read_csv(b"a,b,c,b\n1,2,3,4\n5,6,7,8\n").expect("sound");
    let picked = read.select(&["c", "a"]).expect("they are there");
    assert_eq!(picked, table(Some(&["c", "a"]), &[&[3.0, 7.0], &[1.0, 5.0]]));
    for (names, expected) in [
        (["a", "b"], "row 1: two columns are called `b`"),
        (["a", "A"], "there is no column `A`: the table has `a`, `b`, `c`, `b`"),
    ] {
        let error = read.select(&names).expect_err(expected);
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.code(), Code::DataDoesNotFit);
    }
    let error = read_csv(b"1,2\n").expect("sound").select(&["a"]).expect_err("no header");
    assert_eq!(error.to_string(), "there is no column `a`: the table has no header");
}

#[test]
fn a_table_is_written_as_people_write_one() {
    let names = ["t".to_owned(), "a, \"b\"".to_owned()];
    let rows = array![[0.0, 1.5], [1e-7, f64::NAN], [f64::NEG_INFINITY, 1e300], [-0.0, 0.1]];
    let text = String::from_utf8(write_csv(Some(&names), &rows.view())).expect("text");
    assert_eq!(text, "t,\"a, \"\"b\"\"\"\n0.0,1.5\n1e-7,nan\n-inf,1e300\n-0.0,0.1\n");
    let read = read_csv(text.as_bytes()).expect("just written");
    assert_eq!(read.header.as_deref(), Some(&names[..]));
    let narrow = rows.mapv(|it| it as f32);
    let text = String::from_utf8(write_csv(None, &narrow.slice(ndarray::s![3.., ..])));
    assert_eq!(text.expect("text"), "-0.0,0.1\n");
    let empty = write_csv(Some(&names), &Array2::<f32>::zeros((0, 2)).view());
    assert_eq!(read_csv(&empty).expect("a header alone").n_rows(), 0);
}

#[test]
fn a_narrow_number_survives_being_read_as_a_wide_one() {
    // Its shortest text lies so close to the middle of two `f32` that the nearest `f64` is that
    // middle.
    let hard = f32::from_bits(0x15ae_43fd);
    assert_ne!("7.038531e-26".parse::<f64>().expect("a number") as f32, hard);
    for value in [hard, -hard, f32::MIN_POSITIVE, f32::from_bits(1), f32::MAX, 0.1, 16_777_216.0] {
        let text = write_csv(None, &array![[value]].view());
        let read = read_csv(&text).expect("just written").columns[0][0] as f32;
        assert_eq!(read.to_bits(), value.to_bits());
    }
}

proptest::proptest! {
    #[test]
    fn numbers_keep_every_bit(
        wide in prop::collection::vec(any::<u64>(), 1..40),
        narrow in prop::collection::vec(any::<u32>(), 1..40),
    ) {
        let wide: Vec<f64> = wide.into_iter().map(f64::from_bits).collect();
        let rows = Array2::from_shape_vec((wide.len(), 1), wide.clone()).expect("one column");
        let read = read_csv(&write_csv(None, &rows.view())).expect("just written");
        for (found, written) in read.columns[0].iter().zip(&wide) {
            assert!(found.to_bits() == written.to_bits() || (found.is_nan() && written.is_nan()));
        }
        assert_eq!(read.n_rows(), wide.len());

        let narrow: Vec<f32> = narrow.into_iter().map(f32::from_bits).collect();
        let rows = Array2::from_shape_vec((1, narrow.len()), narrow.clone()).expect("one row");
        let read = read_csv(&write_csv(None, &rows.view())).expect("just written");
        for (found, written) in read.columns.iter().zip(&narrow) {
            // The text is read as `f64` first, and rounding twice must not differ from rounding
            // once.
            let found = found[0] as f32;
            assert!(found.to_bits() == written.to_bits() || (found.is_nan() && written.is_nan()));
        }
    }
}
