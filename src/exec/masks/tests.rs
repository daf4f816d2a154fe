//! The bits themselves: pinned, independent, as frequent as they say.

use super::super::hand::{self, NOWHERE};
use super::super::{bind, init};
use super::*;
use crate::ir::{Const, Env, Init};
use ndarray::IxDyn;

fn mask(name: &str, scope: Scope, probability: f64) -> Mask {
    let probability = Const::Number(probability);
    Mask { name: name.into(), shape: hand::shape(&["N"]), probability, scope, span: NOWHERE }
}

fn bound(masks: Vec<Mask>, size: i64) -> Bound {
    let mut cell = hand::empty("Masked", &["N"]);
    cell.masks = masks;
    bind(&cell, Env { sizes: [("N".into(), size)].into(), ..Env::default() }).unwrap()
}

fn drawn(mask: Mask, size: i64, seed: u64, steps: usize, batch: usize) -> ArrayD<f64> {
    let lengths = vec![steps; batch];
    let run = Extents { steps, batch, lengths: &lengths };
    let all = bits(&bound(vec![mask], size), &Masks::train(seed), &run);
    all.unwrap().unwrap().swap_remove(0)
}

fn text(bits: &ArrayD<f64>) -> String {
    bits.iter().map(|it| if *it == 1.0 { '1' } else { '0' }).collect()
}

/// Returns true if two draws agree in as many elements as independent ones do, within six standard deviations.
fn unrelated(a: &ArrayD<f64>, b: &ArrayD<f64>) -> bool {
    let agree = a.iter().zip(b).filter(|(a, b)| a == b).count() as f64;
    let n = a.len() as f64;
    (agree - 0.5 * n).abs() < 6.0 * 0.5 * n.sqrt()
}

#[test]
fn bits_are_kept_from_release_to_release() {
    let of = |name, scope, seed| text(&drawn(mask(name, scope, 0.5), 8, seed, 2, 2));
    // Worked out from the definition of ChaCha by a few lines of another language.
    assert_eq!(of("d", Scope::Step, 0), "00000010110100011001000100010101");
    assert_eq!(of("d", Scope::Sequence, 0), "0000001011010001");
    assert_eq!(of("d", Scope::Run, 0), "00000010");
    assert_eq!(of("a.d", Scope::Run, 7), "00100111");
    let bound = bound(vec![mask("a.d", Scope::Step, 0.5)], 16);
    let far = Training {
        seed: 7,
        first_sequence: 1 << 40,
        first_step: 1 + (1 << 33),
        given: vec![None],
        ..Training::new(0)
    };
    let run = Extents { steps: 1, batch: 1, lengths: &[1] };
    let far = bits::<f64>(&bound, &Masks::Train(far), &run).unwrap().unwrap();
    assert_eq!(text(&far[0]), "0100011101111101");
}

#[test]
fn ones_are_as_frequent_as_the_probability_says() {
    for (seed, probability) in [0.0, 0.05, 0.3, 0.5, 0.9, 1.0].into_iter().enumerate() {
        for scope in [Scope::Step, Scope::Sequence, Scope::Run] {
            let bits = drawn(mask("d", scope, probability), 500, seed as u64, 20, 10);
            let n = bits.len() as f64;
            let deviation = (probability * (1.0 - probability) / n).sqrt();
            let mean = bits.sum() / n;
            assert!(
                (mean - probability).abs() <= 5.0 * deviation,
                "{scope:?} {probability} {mean}"
            );
            assert!(bits.iter().all(|it| *it == 0.0 || *it == 1.0));
        }
    }
}

#[test]
fn names_seeds_steps_sequences_and_places_have_bits_of_their_own() {
    let first = drawn(mask("d", Scope::Step, 0.5), 4000, 1, 3, 3);
    assert_eq!(first, drawn(mask("d", Scope::Step, 0.5), 4000, 1, 3, 3));
    assert!(unrelated(&first, &drawn(mask("e", Scope::Step, 0.5), 4000, 1, 3, 3)));
    assert!(unrelated(&first, &drawn(mask("a.d", Scope::Step, 0.5), 4000, 1, 3, 3)));
    assert!(unrelated(&first, &drawn(mask("d", Scope::Step, 0.5), 4000, 2, 3, 3)));
    let part = |step, sequence| at(&first, Some(step), Some(sequence)).to_owned();
    let parts: Vec<ArrayD<f64>> = (0..9).map(|it| part(it / 3, it % 3)).collect();
    for a in 0..9 {
        for b in 0..a {
            assert!(unrelated(&parts[a], &parts[b]), "{a} {b}");
        }
        // Shifted against itself, a draw shows no period.
        let bits: Vec<f64> = parts[a].iter().copied().collect();
        for shift in [1, 2, 8, 16, 32, 64] {
            let rest = ndarray::Array1::from(bits[shift..].to_vec()).into_dyn();
            let head = ndarray::Array1::from(bits[..bits.len() - shift].to_vec()).into_dyn();
            assert!(unrelated(&head, &rest), "{a} shifted by {shift}");
        }
    }
}

#[test]
fn a_longer_mask_begins_like_a_shorter_one() {
    let short = text(&drawn(mask("d", Scope::Run, 0.5), 20, 4, 1, 1));
    assert!(text(&drawn(mask("d", Scope::Run, 0.5), 50, 4, 1, 1)).starts_with(&short));
}

#[test]
fn more_ones_are_added_and_none_is_lost_as_the_probability_grows() {
    let few = drawn(mask("d", Scope::Run, 0.3), 1000, 4, 1, 1);
    let many = drawn(mask("d", Scope::Run, 0.6), 1000, 4, 1, 1);
    assert!(few.iter().zip(&many).all(|(few, many)| few <= many));
}

#[test]
fn a_mask_is_drawn_apart_from_a_param_of_its_name() {
    let mut cell = hand::empty("Both", &["N"]);
    hand::param(&mut cell, "d", &["N"]);
    let draw = crate::ir::Draw::Uniform(Const::Number(0.0), Const::Number(1.0));
    cell.params[0].init = Init::Draw(draw);
    let bound = bind(&cell, Env { sizes: [("N".into(), 4000)].into(), ..Env::default() }).unwrap();
    let param = init::<f64>(&bound, 5).unwrap().into_arrays().swap_remove(0);
    let as_bits = param.mapv(|it| if it < 0.5 { 1.0 } else { 0.0 });
    assert!(unrelated(&as_bits, &drawn(mask("d", Scope::Run, 0.5), 4000, 5, 1, 1)));
}

#[test]
fn single_precision_has_the_same_bits() {
    let bound = bound(vec![mask("d", Scope::Step, 0.3)], 50);
    let run = Extents { steps: 4, batch: 1, lengths: &[4] };
    let wide = bits::<f64>(&bound, &Masks::train(3), &run).unwrap().unwrap();
    let narrow = bits::<f32>(&bound, &Masks::train(3), &run).unwrap().unwrap();
    assert_eq!(wide[0].mapv(|it| it as f32), narrow[0]);
}

#[test]
fn beyond_a_length_there_are_no_bits_and_nothing_given_is_read() {
    let bound = bound(vec![mask("d", Scope::Step, 1.0)], 2);
    let run = Extents { steps: 3, batch: 2, lengths: &[1, 3] };
    let drawn = bits::<f64>(&bound, &Masks::train(0), &run).unwrap().unwrap().swap_remove(0);
    assert_eq!(text(&drawn), "111100110011");
    let mut given = ArrayD::from_elem(IxDyn(&[3, 2, 2]), 1.0);
    given[[2, 0, 1]] = f64::NAN;
    let with = |given| {
        let training =
            Training { seed: 0, first_sequence: 0, first_step: 0, given, ..Training::new(0) };
        bits(&bound, &Masks::Train(training), &run)
    };
    assert_eq!(with(vec![Some(given.clone())]).unwrap().unwrap()[0], drawn);
    given[[2, 1, 1]] = 0.5;
    let fault = with(vec![Some(given)]).unwrap_err().to_string();
    assert_eq!(fault, "the mask `d` is 0.5 at step 2, sequence 1, unit [1], but a mask is 0 or 1");
    let fault = with(vec![Some(ArrayD::zeros(IxDyn(&[3, 2])))]).unwrap_err().to_string();
    assert_eq!(fault, "mask `d` has shape [3, 2], expected [3, 2, 2]");
    let fault = with(vec![None, None]).unwrap_err().to_string();
    assert_eq!(fault, "there are 2 masks, the cell has 1");
    assert!(with(vec![None]).is_ok() && with(Vec::new()).is_ok());
}

#[test]
fn a_mask_beyond_memory_is_refused() {
    let bound = bound(vec![mask("d", Scope::Step, 0.5)], 1 << 20);
    let lengths = vec![1 << 10; 1 << 6];
    let run = Extents { steps: 1 << 10, batch: 1 << 6, lengths: &lengths };
    let fault = bits::<f64>(&bound, &Masks::train(0), &run).unwrap_err();
    assert!(matches!(fault, RunError::TooLarge { .. }), "{fault}");
}

#[test]
fn a_probability_that_leaves_its_range_at_some_size_is_refused() {
    let mut cell = hand::empty("Masked", &["N"]);
    let mut mask = mask("d", Scope::Run, 0.5);
    mask.probability = Const::Apply(
        crate::ir::Pointwise::Div,
        vec![Const::Size(crate::ir::Dim::symbol("N")), Const::Number(4.0)],
    );
    cell.masks.push(mask);
    let with = |size| bind(&cell, Env { sizes: [("N".into(), size)].into(), ..Env::default() });
    assert!(with(4).is_ok());
    let fault = with(5).unwrap_err();
    assert_eq!(fault.to_string(), "the probability of mask `d` must lie in [0, 1], but is 1.25");
    assert_eq!(fault.code(), crate::diag::Code::ConstantOutOfRange);
}

#[test]
fn a_sequence_has_its_bits_wherever_it_is_in_a_batch_and_others_in_each_epoch() {
    let all = vec![
        mask("a", Scope::Step, 0.5),
        mask("b", Scope::Sequence, 0.5),
        mask("c", Scope::Run, 0.5),
    ];
    let bound = bound(all, 16);
    let run = Extents { steps: 2, batch: 2, lengths: &[2, 2] };
    let drawn =
        |training: Training<f64>| bits(&bound, &Masks::Train(training), &run).unwrap().unwrap();
    let of = |sequences: &[u64], epoch, call| {
        drawn(Training { sequences: sequences.to_vec(), epoch, call, ..Training::new(3) })
    };
    assert_eq!(of(&[0, 1], None, 0), drawn(Training::new(3)));
    let (there, back) = (of(&[4, 9], Some(1), 0), of(&[9, 4], Some(1), 0));
    for (mask, axis) in [(0, 1), (1, 0)] {
        let mut turned = back[mask].clone();
        turned.invert_axis(Axis(axis));
        assert_eq!(there[mask], turned);
    }
    // One draw per run does not know sequences.
    assert_eq!(there[2], back[2]);
    assert_ne!(there[2], of(&[4, 9], Some(1), 1)[2]);
    let other = of(&[4, 9], Some(2), 0);
    assert!(there.iter().zip(&other).all(|(a, b)| a != b));
}
