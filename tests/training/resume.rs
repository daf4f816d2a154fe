//! A training that is stopped anywhere and resumed is the one that was not, bit by bit; and any number of threads gives the same.

use rnnc::data::Real32or64;
use rnnc::exec::{Bound, EngineOptions};
use rnnc::ir::{Feedback, Real};
use rnnc::train::{Coins, Data, Options, OwnShape, Snapshot, Trainer, Update};

use crate::models::{CHARS, FORECASTER, bound, filled, forecasts, options, text};

fn go_on<F: Real>(trainer: &mut Trainer<F>, updates: usize) -> Vec<Update> {
    (0..updates).map_while(|_| trainer.update().unwrap()).collect()
}

/// Trains to the end, in one go and with a stop after every update.
fn check<F: Real + Real32or64>(model: &Bound, data: &Data, with: &Options) {
    let mut whole = Trainer::new(model, filled::<F>(model, 0.8), data, with.clone()).unwrap();
    let expected = go_on(&mut whole, usize::MAX);
    assert!(expected.len() > 4, "{}", expected.len());
    let mut trainer = Trainer::new(model, filled::<F>(model, 0.8), data, with.clone()).unwrap();
    trainer.note(1.5);
    for update in &expected {
        assert_eq!(&go_on(&mut trainer, 1)[0], update);
        let bytes = trainer.snapshot().to_bytes().unwrap();
        let snapshot = Snapshot::from_bytes(&bytes).unwrap();
        // What else the trainer holds is gone.
        trainer = Trainer::resume(model, data, with.clone(), &snapshot).unwrap();
        assert_eq!(trainer.snapshot().to_bytes().unwrap(), bytes);
    }
    assert_eq!(trainer.update().unwrap(), None);
    assert!(trainer.params() == whole.params());
    assert_eq!(trainer.best().at, Some((0, 1.5)));
}

#[test]
fn streams_with_adam() {
    let (data, size) = text("it was the best of times, it was the worst of times");
    let model = bound(CHARS, &[("V", size)]);
    let with = Options { batch: 3, bptt: Some(5), epochs: Some(3), steps: None, ..options(0) };
    check::<f32>(&model, &data, &with);
}

#[test]
fn shuffled_windows_with_scheduled_sampling_momentum_and_masks() {
    let text = FORECASTER.replace(
        "y = P @ g + q",
        "mask keep: [H] = bernoulli(0.7) per sequence\n  y = P @ (g * keep) + q",
    );
    let model = bound(&text, &[]);
    let data = forecasts(31).windows(6, 3).unwrap();
    let coins = Coins { own: 0.0, own_end: 1.0, shape: OwnShape::Linear, over: None };
    let with = Options {
        batch: 3,
        bptt: Some(4),
        shuffle: true,
        feedback: Feedback::Scheduled,
        coins,
        epochs: Some(2),
        steps: None,
        ..options(0)
    };
    check::<f64>(&model, &data, &with);
}

#[test]
fn any_number_of_threads_and_both_engines_train_alike() {
    let (data, size) = text("it was the best of times, it was the worst of times");
    let model = bound(CHARS, &[("V", size)]);
    let train = |engine: EngineOptions| {
        let with = Options { batch: 4, bptt: Some(5), engine, ..options(6) };
        let mut trainer = Trainer::new(&model, filled::<f32>(&model, 0.8), &data, with).unwrap();
        let losses: Vec<f64> = go_on(&mut trainer, 6).iter().map(|it| it.loss).collect();
        (losses, trainer.params().clone())
    };
    let threads = |threads| {
        let mut engine = EngineOptions::default();
        engine.threads = threads;
        train(engine)
    };
    let one = threads(1);
    assert!(threads(2) == one && threads(3) == one);
    let plain = train(EngineOptions::reference());
    assert!(one.0.iter().zip(&plain.0).all(|(a, b)| (a - b).abs() < 1e-5 * b), "{one:?} {plain:?}");
}

#[test]
fn snapshots_that_do_not_fit_are_refused() {
    let model = bound(FORECASTER, &[]);
    let data = forecasts(31).windows(6, 3).unwrap();
    let trainer = Trainer::new(&model, filled::<f32>(&model, 0.8), &data, options(3)).unwrap();
    let mut snapshot = trainer.snapshot();
    let fault = |snapshot: &Snapshot<f32>| {
        Trainer::resume(&model, &data, options(3), snapshot).map(|_| ()).unwrap_err().to_string()
    };
    let wide = bound(FORECASTER, &[("H", 7)]);
    let other = Trainer::resume(&wide, &data, options(3), &snapshot).map(|_| ()).unwrap_err();
    assert!(other.to_string().contains("shape"), "{other}");
    let bytes = snapshot.to_bytes().unwrap();
    assert!(Snapshot::<f64>::from_bytes(&bytes).unwrap_err().to_string().contains("f32"));
    assert!(Snapshot::<f32>::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    let mut lacks = snapshot.clone();
    lacks.tensors.remove("train/opt.m.P");
    assert!(fault(&lacks).contains("`train/opt.m.P`"));
    snapshot.metadata.insert("train.place".to_owned(), "400".to_owned());
    assert!(fault(&snapshot).contains("epoch 1 has 1 updates, not 400"), "{}", fault(&snapshot));
    snapshot.metadata.clear();
    assert!(fault(&snapshot).contains("no snapshot"));
}
