use ndarray::{Array1, Array2};

use super::*;
use crate::train::Vocabulary;

fn rows(name: &str, values: &[f64]) -> Field {
    Field::target(name, Axes::Shared, Array1::from(values.to_vec()).into_dyn())
}

fn count(rows: usize) -> Data {
    let numbers: Vec<f64> = (0..rows).map(|it| it as f64).collect();
    Data::series(vec![self::rows("y", &numbers)], 1).unwrap()
}

fn places(sequences: &[Sequence]) -> Vec<(usize, usize)> {
    sequences.iter().map(|it| (it.first, it.steps)).collect()
}

#[test]
fn a_text_is_a_series_whose_targets_are_one_ahead() {
    let text = "hello world";
    let vocabulary = Vocabulary::of(text);
    let numbers = vocabulary.encode(text).unwrap();
    let data = Data::text(numbers, 8, Some("c".into()), "next".into()).unwrap();
    assert_eq!(data.steps(), 10);
    let streams = data.training_sequences(2).unwrap();
    assert_eq!(places(&streams), [(0, 5), (5, 5)]);
    let read = |field: &str, ahead: usize, stream: &Sequence| -> String {
        let field = data.field(field).unwrap();
        let at = |row| vocabulary.characters()[field.at(row, 0)[[]] as usize];
        (0..stream.steps).map(|it| at(stream.first + it + ahead)).collect()
    };
    assert_eq!(
        (read("c", 0, &streams[0]), read("next", 1, &streams[0])),
        ("hello".into(), "ello ".into())
    );
    assert_eq!(
        (read("c", 0, &streams[1]), read("next", 1, &streams[1])),
        (" worl".into(), "world".into())
    );
    // What a feedback with that teacher starts with.
    let starts: Vec<char> = streams
        .iter()
        .map(|it| data.field("next").unwrap().at(data.row_before(it, 1).unwrap(), 0)[[]] as usize)
        .map(|it| vocabulary.characters()[it])
        .collect();
    assert_eq!(starts, ['h', ' ']);
    let fault = data.training_sequences(11).unwrap_err().to_string();
    assert!(fault.contains("10 steps") && fault.contains("--batch 10"), "{fault}");
}

#[test]
fn no_step_of_a_part_reads_a_row_of_another() {
    let (train, valid) = count(10).split(0.3, 0, true).unwrap();
    let train = train.windows(3, 1).unwrap();
    assert_eq!(places(&train.training_sequences(32).unwrap()), [(0, 3), (1, 3), (2, 3), (3, 3)]);
    assert_eq!(train.windows(3, 2).unwrap().training_sequences(32).unwrap().len(), 2);
    let valid = Data { cut: Cut::Windows { length: 3, stride: 1 }, ..valid };
    let held = valid.evaluation_sequences(1).unwrap();
    assert_eq!(places(&held), [(7, 2)]);
    // The window at 2 starts a feedback with the target of row 2, the first of the part with its first row; of two steps before
    // that the part has no row.
    let (train, _) = count(10).split(0.3, 0, true).unwrap();
    let window = |first| sequence(0, first, 3);
    assert_eq!(train.row_before(&window(2), 1), Some(2));
    assert_eq!(train.row_before(&window(0), 1), Some(0));
    assert_eq!(train.row_before(&window(0), 2), None);
    assert_eq!(valid.row_before(&held[0], 1), Some(7));
    assert_eq!(valid.row_before(&held[0], 2), None);
}

#[test]
fn without_ahead_the_first_step_starts_as_declared() {
    let data = Data::series(vec![rows("y", &[0.0, 1.0, 2.0])], 0).unwrap();
    assert_eq!(data.steps(), 3);
    assert_eq!(data.row_before(&sequence(0, 0, 3), 1), None);
    assert_eq!(data.row_before(&sequence(0, 1, 2), 1), Some(0));
}

#[test]
fn an_evaluation_counts_every_step_once() {
    let data = count(12).windows(4, 3).unwrap();
    assert_eq!(places(&data.evaluation_sequences(1).unwrap()), [(0, 4), (4, 4), (8, 3)]);
    assert_eq!(places(&data.training_sequences(1).unwrap()), [(0, 4), (3, 4), (6, 4)]);
    assert_eq!(places(&count(12).evaluation_sequences(1).unwrap()), [(0, 11)]);
}

#[test]
fn sequences_are_held_out_by_the_seed_or_are_the_last() {
    let values = Array2::from_shape_fn((3, 20), |(t, n)| (t + n) as f64).into_dyn();
    let data = Data::sequences(vec![Field::target("y", Axes::Batch, values)], None).unwrap();
    let (train, valid) = data.clone().split(0.24, 5, false).unwrap();
    assert_eq!(valid.columns().unwrap(), [15, 16, 17, 18, 19]);
    assert_eq!(train.columns().unwrap().len(), 15);
    let (train, valid) = data.clone().split(0.24, 5, true).unwrap();
    let mut all = [train.columns().unwrap(), valid.columns().unwrap()].concat();
    assert!(
        valid.columns().unwrap().is_sorted() && valid.columns().unwrap() != [15, 16, 17, 18, 19]
    );
    all.sort_unstable();
    assert!(all.into_iter().eq(0..20));
    // A sequence keeps its number, so that its masks and coins are its own.
    assert_eq!(
        valid.evaluation_sequences(1).unwrap()[0].number,
        valid.columns().unwrap()[0] as u64
    );
    assert!(matches!(data.clone().split(0.02, 0, true), Err(Error::Cut(_))));
    assert!(matches!(data.split(0.99, 0, true), Err(Error::Cut(_))));
    // Half a row is rounded away from zero.
    assert_eq!(count(10).split(0.25, 0, true).unwrap().1.rows(), Some(7..10));
    // One row has no step with a target one ahead.
    assert!(matches!(count(10).split(0.1, 0, true), Err(Error::Cut(_))));
}

#[test]
fn bad_numbers_are_named_by_step_and_sequence_and_what_is_beyond_is_never_read() {
    let mut values = Array2::zeros((3, 2)).into_dyn();
    values[[2, 1]] = f64::NAN;
    let field = |values: &ArrayD<f64>| Field::input("x", Axes::Batch, values.clone());
    let of = |values: &ArrayD<f64>, lengths: &[usize]| {
        Data::sequences(vec![field(values)], Some(lengths.to_vec()))
            .map(|_| ())
            .map_err(|it| it.to_string())
    };
    assert_eq!(of(&values, &[3, 3]), Err("`x` is NaN at step 2, sequence 1".to_owned()));
    assert_eq!(of(&values, &[3, 2]), Ok(()));
    let fault = of(&values, &[4, 2]).unwrap_err();
    assert!(fault.contains("sequence 0 is 4") && fault.contains("3 steps"), "{fault}");
    assert!(of(&values, &[0, 0]).unwrap_err().contains("no valid step"));
    assert!(of(&values, &[1]).unwrap_err().contains("1 lengths"));

    let infinite = Data::series(vec![rows("y", &[0.0, f64::INFINITY])], 0).unwrap_err();
    assert_eq!(infinite.to_string(), "`y` is inf at row 1");
    let index = Data::series(vec![rows("y", &[0.0, 1.0, 3.0]).below(3)], 1).unwrap_err();
    assert_eq!(index.to_string(), "`y` is 3 at row 2, but must be a whole number in 0..3");
    let half = Data::series(vec![rows("y", &[0.5, 1.0]).below(3)], 0).unwrap_err();
    assert!(matches!(half, Error::Index { value: 0.5, .. }));
    let uneven = Data::series(vec![rows("a", &[0.0]), rows("b", &[0.0, 1.0])], 0).unwrap_err();
    assert_eq!(uneven.to_string(), "`b` has 2 rows, `a` has 1");
}

#[test]
fn a_target_at_last_needs_no_axis_of_time() {
    let x = Field::input("x", Axes::Batch, Array2::zeros((4, 3)).into_dyn());
    let label = Field::target("label", Axes::Last, Array1::from(vec![0.0, 1.0, 9.0]).into_dyn());
    let data =
        Data::sequences(vec![x.clone(), label.clone().below(2)], Some(vec![4, 1, 0])).unwrap();
    // The last sequence has no step, so its label is never read.
    assert_eq!(data.steps(), 5);
    let fault = Data::sequences(vec![x, label.below(2)], Some(vec![4, 1, 1])).unwrap_err();
    assert_eq!(fault.to_string(), "`label` is 9 at sequence 2, but must be a whole number in 0..2");
}
