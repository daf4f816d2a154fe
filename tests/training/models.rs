//! Models and data that several tests use.

use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};
use rnnc::exec::{Bound, Params};
use rnnc::ir::Real;
use rnnc::train::{Axes, Data, Field, Options, Schedule, Vocabulary};

/// Two LSTM layers that read the character before.
pub const CHARS: &str = "use std/lstm
model Chars {
  dims V, E = 6, H = 9
  target next: index[V]
  feedback c: index[V] = 0 teacher next
  param T: [V, E]
  layer a = Lstm(x = T[prev c], H = H)
  layer b = Lstm(x = a, H = H)
  param P: [V, H], q: [V]
  let logits = P @ b + q
  c = sample(logits)
  loss cross_entropy(logits, next)
}";

/// A GRU over ragged sequences.
pub const CLASSIFIER: &str = "use std/gru
model Classifier {
  dims D = 3, H = 7, K = 4
  input x: [D]
  target label: index[K]
  layer g = Gru(x = x, H = H)
  param P: [K, H], q: [K]
  let logits = P @ g + q
  output logits
  loss cross_entropy(logits, label) at last
}";

/// A GRU that reads two inputs and the value before.
pub const FORECASTER: &str = "use std/gru
model Forecaster {
  dims H = 6
  input weather: [2]
  target load: [1]
  feedback y: [1] = 0 teacher load
  layer g = Gru(x = concat(weather, prev y), H = H)
  param P: [1, H], q: [1]
  y = P @ g + q
  loss mse(y, load)
}";

/// A model of a text with its sizes.
pub fn bound(text: &str, sizes: &[(&str, i64)]) -> Bound {
    let spec = rnnc::Spec::parse(text).unwrap_or_else(|it| panic!("{it}"));
    spec.configure(None, &[])
        .unwrap()
        .bind(sizes.iter().copied())
        .unwrap_or_else(|it| panic!("{it}"))
}

/// Values of -0.5 .. 0.5 that look random, as `curves.py` has them.
pub fn fill(number: usize, shape: &[usize]) -> ArrayD<f64> {
    let value = |i: usize| ((i + 1) * 7919 + (number + 1) * 104_729) * (i + 3) % 2003;
    let values = (0..shape.iter().product()).map(|i| value(i) as f64 / 2003.0 - 0.5).collect();
    ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
}

/// Params of a model, each filled by its place.
pub fn filled<F: Real>(bound: &Bound, scale: f64) -> Params<F> {
    let of = |(k, shape): (usize, &Vec<usize>)| fill(k, shape).mapv(|it| F::of(it * scale));
    Params::new(bound.param_shapes().iter().enumerate().map(of).collect())
}

/// A text as data, with the size of its vocabulary.
pub fn text(text: &str) -> (Data, i64) {
    let vocabulary = Vocabulary::of(text);
    let size = vocabulary.characters().len();
    let numbers = vocabulary.encode(text).unwrap();
    (Data::text(numbers, size as u64, None, "next".into()).unwrap(), size as i64)
}

/// Thirteen sequences of 0 to 9 steps and their classes.
pub fn classes() -> Data {
    let lengths = vec![4, 1, 7, 2, 0, 5, 9, 3, 3, 6, 1, 8, 2];
    let count = lengths.len();
    let labels = (0..count).map(|n| ((3 * n + 1) % 4) as f64).collect();
    let labels = ArrayD::from_shape_vec(IxDyn(&[count]), labels).unwrap();
    let x = fill(100, &[9, count, 3]) * 2.0;
    let fields = vec![
        Field::input("x", Axes::Batch, x),
        Field::target("label", Axes::Last, labels).below(4),
    ];
    Data::sequences(fields, Some(lengths)).unwrap()
}

/// A series for the forecaster: the target of a row is the load of the next.
pub fn forecasts(rows: usize) -> Data {
    let fields = vec![
        Field::input("weather", Axes::Shared, fill(200, &[rows, 2])),
        Field::target("load", Axes::Shared, fill(201, &[rows, 1]) * 1.5),
    ];
    Data::series(fields, 1).unwrap()
}

/// Options for a training of so many updates in the order of the data.
pub fn options(updates: u64) -> Options {
    Options {
        shuffle: false,
        epochs: None,
        steps: Some(updates),
        schedule: Schedule::constant(0.01),
        ..Options::default()
    }
}

/// A field of the data with other values.
pub fn with_values(field: &Field, change: impl FnOnce(&mut ArrayD<f64>)) -> Field {
    let mut values = (*field.values).clone();
    change(&mut values);
    Field { values: Arc::new(values), ..field.clone() }
}
