//! Scaling: fitted on the training part alone, element by element, in f64.

use std::sync::Arc;

use ndarray::ArrayD;

use super::data::{Axes, Data, Field};
use crate::text::Name;

/// The kinds of scales.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScaleKind {
    /// Mean and (biased) standard deviation.
    Standard,
    /// Minimum and range.
    MinMax,
}

/// The scale of each element of a value: scaled is `(v - shift) / factor`.
#[derive(Clone, PartialEq, Debug)]
pub struct Scale {
    /// The value that is subtracted.
    pub shift: Vec<f64>,
    /// The value that the rest is divided by.
    pub factor: Vec<f64>,
}

impl Scale {
    /// Returns the unit of the data for an element in scaled units.
    pub fn unscaled(&self, element: usize, value: f64) -> f64 {
        value * self.factor[element] + self.shift[element]
    }

    /// Returns the scaled value of an element.
    pub fn scaled(&self, element: usize, value: f64) -> f64 {
        (value - self.shift[element]) / self.factor[element]
    }
}

/// The scales of fields by name, those of indices left out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scales(pub Vec<(Name, Scale)>);

impl Scales {
    /// Fits scales on all rows of a part, or the valid steps of its sequences. The second result lists the elements that are the
    /// same everywhere, whose factor is 1.
    pub fn fit(data: &Data, kind: ScaleKind) -> (Scales, Vec<(Name, usize)>) {
        let (mut scales, mut constant) = (Vec::new(), Vec::new());
        for field in data.fields().iter().filter(|it| it.index.is_none()) {
            let elements: usize = field.shape().iter().product();
            let of = |element| fit(data, field, element, kind);
            let (shift, mut factor): (Vec<f64>, Vec<f64>) = (0..elements).map(of).unzip();
            for (element, factor) in factor.iter_mut().enumerate() {
                if *factor == 0.0 {
                    *factor = 1.0;
                    constant.push((field.name.clone(), element));
                }
            }
            scales.push((field.name.clone(), Scale { shift, factor }));
        }
        (Scales(scales), constant)
    }

    /// Returns the scale of an input or target.
    pub fn of(&self, name: &str) -> Option<&Scale> {
        self.0.iter().find(|it| &*it.0 == name).map(|it| &it.1)
    }

    /// Returns the same data in scaled units.
    pub fn apply(&self, mut data: Data) -> Data {
        for field in data.fields_mut() {
            let Some(scale) = self.of(&field.name) else { continue };
            let elements = scale.shift.len().max(1);
            let mut values: ArrayD<f64> = field.values.as_standard_layout().into_owned();
            for (idx, value) in values.iter_mut().enumerate() {
                *value = scale.scaled(idx % elements, *value);
            }
            field.values = Arc::new(values);
        }
        data
    }
}

/// Shift and factor of one element.
fn fit(data: &Data, field: &Field, element: usize, kind: ScaleKind) -> (f64, f64) {
    match kind {
        ScaleKind::Standard => {
            let (mut sum, mut count) = (0.0, 0.0);
            each(data, field, element, &mut |it| {
                sum += it;
                count += 1.0;
            });
            let mean = if count > 0.0 { sum / count } else { 0.0 };
            let mut squares = 0.0;
            each(data, field, element, &mut |it| squares += (it - mean) * (it - mean));
            (mean, if count > 0.0 { (squares / count).sqrt() } else { 0.0 })
        }
        ScaleKind::MinMax => {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            each(data, field, element, &mut |it| {
                low = low.min(it);
                high = high.max(it);
            });
            if low > high { (0.0, 0.0) } else { (low, high - low) }
        }
    }
}

/// One element of all values of a part that count.
fn each(data: &Data, field: &Field, element: usize, see: &mut dyn FnMut(f64)) {
    let mut see_at = |row, column| {
        if let Some(value) = field.at(row, column).iter().nth(element) {
            see(*value);
        }
    };
    let Some(columns) = data.columns() else {
        return data.rows().into_iter().flatten().for_each(|row| see_at(row, 0));
    };
    match field.axes {
        Axes::Batch => {
            for column in columns {
                (0..data.length(*column)).for_each(|row| see_at(row, *column));
            }
        }
        Axes::Shared => {
            let longest = columns.iter().map(|it| data.length(*it)).max().unwrap_or(0);
            (0..longest).for_each(|row| see_at(row, 0));
        }
        Axes::Last => {
            let valid = columns.iter().filter(|it| data.length(**it) > 0);
            valid.for_each(|column| see_at(0, *column));
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3};

    use super::*;

    fn column(values: &[f64]) -> Field {
        Field::target("v", Axes::Shared, Array1::from(values.to_vec()).into_dyn())
    }

    #[test]
    fn only_the_training_part_is_seen() {
        let data = Data::series(vec![column(&[1.0, 2.0, 3.0, 4.0, 5.0, 100.0])], 0).unwrap();
        let (train, valid) = data.clone().split(0.17, 0, true).unwrap();
        let (scales, constant) = Scales::fit(&train, ScaleKind::Standard);
        let scale = scales.of("v").unwrap();
        assert_eq!((scale.shift[0], scale.factor[0]), (3.0, 2f64.sqrt()));
        assert!(constant.is_empty());
        // What is held out is scaled by the same.
        let scaled = scales.apply(valid);
        assert_eq!(scaled.fields()[0].values[[5]], 97.0 / 2f64.sqrt());
        assert_eq!(scale.unscaled(0, scaled.fields()[0].values[[5]]), 100.0);
        let all = Scales::fit(&data, ScaleKind::Standard).0;
        assert!((all.of("v").unwrap().shift[0] - 115.0 / 6.0).abs() < 1e-12);
        let scale = Scales::fit(&train, ScaleKind::MinMax).0;
        assert_eq!(scale.of("v").unwrap(), &Scale { shift: vec![1.0], factor: vec![4.0] });
    }

    #[test]
    fn valid_steps_alone_count_and_each_element_has_its_scale() {
        // Two sequences of 2 and 1 steps; what is beyond is never read. The second element is the same everywhere.
        let mut values = Array3::from_elem((2, 2, 2), f64::NAN).into_dyn();
        for (at, value) in [([0, 0], 1.0), ([1, 0], 3.0), ([0, 1], 5.0)] {
            values[[at[0], at[1], 0]] = value;
            values[[at[0], at[1], 1]] = 7.0;
        }
        let words =
            Field::target("w", Axes::Last, Array1::from(vec![1.0, 0.0]).into_dyn()).below(2);
        let fields = vec![Field::input("x", Axes::Batch, values), words];
        let data = Data::sequences(fields, Some(vec![2, 1])).unwrap();
        let (scales, constant) = Scales::fit(&data, ScaleKind::MinMax);
        assert_eq!(
            scales.of("x").unwrap(),
            &Scale { shift: vec![1.0, 7.0], factor: vec![4.0, 1.0] }
        );
        assert_eq!(constant, [(Name::from("x"), 1)]);
        assert_eq!(scales.of("w"), None);
        let scaled = scales.apply(data);
        assert_eq!(scaled.fields()[0].values[[1, 0, 0]], 0.5);
        assert_eq!(scaled.fields()[1].values[[0]], 1.0);
    }
}
