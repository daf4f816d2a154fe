use ndarray::{Array1, Array2};

use super::*;
use crate::train::{Axes, Field};

fn ragged(lengths: &[usize]) -> Data {
    let most = lengths.iter().max().unwrap();
    let values = Array2::zeros((*most, lengths.len())).into_dyn();
    Data::sequences(vec![Field::target("y", Axes::Batch, values)], Some(lengths.to_vec())).unwrap()
}

fn series(rows: usize, ahead: usize) -> Data {
    Data::series(vec![Field::target("y", Axes::Shared, Array1::zeros(rows).into_dyn())], ahead)
        .unwrap()
}

fn all(epoch: &Epoch) -> Vec<Batch> {
    (0..epoch.len()).map(|it| epoch.batch(it).unwrap()).collect()
}

#[test]
fn streams_advance_together_and_begin_anew_at_each_epoch() {
    // `hello world`: 10 steps in two streams of 5, cut into 3 and 2.
    let batches = Batches::training(&series(11, 1), 2, Some(3), Order::Shuffled(1)).unwrap();
    for number in [1, 2] {
        let found = all(&batches.epoch(number));
        let places: Vec<_> =
            found.iter().map(|it| (it.from, it.steps, it.counted(false))).collect();
        assert_eq!(places, [(0, 3, 6), (3, 2, 4)]);
        // Never shuffled.
        assert!(found.iter().all(|it| it.sequences[0].first == 0 && it.sequences[1].first == 5));
    }
    assert_eq!(batches.updates(Some(7), None), 14);
    assert_eq!(batches.updates(Some(7), Some(5)), 5);
    assert_eq!(batches.updates(None, Some(50)), 50);
}

#[test]
fn an_epoch_has_every_sequence_once_in_an_order_of_its_own() {
    let data = ragged(&[1; 10]);
    let batches = Batches::training(&data, 4, None, Order::Shuffled(3)).unwrap();
    let order = |epoch: u64| -> Vec<u64> {
        all(&batches.epoch(epoch))
            .iter()
            .flat_map(|it| it.sequences.iter().map(|it| it.number))
            .collect()
    };
    let sizes: Vec<usize> = all(&batches.epoch(1)).iter().map(|it| it.sequences.len()).collect();
    assert_eq!(sizes, [4, 4, 2]);
    let mut sorted = order(1);
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..10));
    // What a resumed training asks for first is not the order of another epoch.
    assert_ne!(order(1), order(2));
    assert_ne!(order(2), order(3));
    assert_eq!(order(2), order(2));
    let kept = Batches::training(&data, 4, None, Order::Kept).unwrap();
    assert_eq!(kept.epoch(5).batch(2).unwrap().sequences[1].number, 9);
    assert_eq!(kept.epoch(5).batch(3), None);
}

#[test]
fn a_batch_is_cut_as_far_as_its_longest_sequence_goes() {
    let batches = Batches::training(&ragged(&[5, 2, 0, 1, 0, 0]), 2, Some(2), Order::Kept).unwrap();
    let found = all(&batches.epoch(1));
    let places: Vec<_> = found.iter().map(|it| (it.from, it.steps, it.lengths())).collect();
    // The last batch has no valid step and is passed over.
    assert_eq!(
        places,
        [(0, 2, vec![2, 2]), (2, 2, vec![2, 0]), (4, 1, vec![1, 0]), (0, 1, vec![0, 1]),]
    );
    let ends: Vec<usize> = found.iter().map(|it| it.counted(true)).collect();
    assert_eq!(ends, [1, 0, 1, 1]);
    assert_eq!(batches.cut(), Some((5, 2)));
    assert_eq!(Batches::training(&ragged(&[5, 2]), 2, Some(5), Order::Kept).unwrap().cut(), None);
}

#[test]
fn updates_are_counted_over_the_orders_of_all_epochs() {
    let lengths: Vec<usize> = (0..30).map(|it| 1 + it % 7).collect();
    let batches = Batches::training(&ragged(&lengths), 4, Some(2), Order::Shuffled(9)).unwrap();
    let each: Vec<u64> = (1..=5).map(|it| batches.epoch(it).len() as u64).collect();
    assert!(each.iter().any(|it| *it != each[0]), "{each:?}");
    assert_eq!(batches.updates(Some(5), None), each.iter().sum::<u64>());
    assert_eq!(batches.updates(Some(5), Some(each[0] + 1)), each[0] + 1);
}
