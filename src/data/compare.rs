//! Two arrays compared element by element.

use ndarray::ArrayD;

/// The element of two arrays at which they differ most.
#[derive(Clone, PartialEq, Debug)]
pub struct Worst {
    /// The distance of the two, divided by 1 plus the size of the second: below a bound of t, they differ by at most t plus t
    /// times that size. Infinite where only one is a NaN, or infinities differ.
    pub distance: f64,
    /// The indices of the element.
    pub place: Vec<usize>,
    /// The element of the first array.
    pub a: f64,
    /// The element of the second array.
    pub b: f64,
}

/// Returns the worst element of two arrays of one shape, the first of several; nothing where there are none, or the shapes
/// differ. A NaN equals a NaN.
pub fn worst(a: &ArrayD<f64>, b: &ArrayD<f64>) -> Option<Worst> {
    if a.shape() != b.shape() {
        return None;
    }
    let mut worst: Option<(f64, usize)> = None;
    for (number, (a, b)) in a.iter().zip(b).enumerate() {
        let distance = distance(*a, *b);
        if worst.is_none_or(|it| distance > it.0) {
            worst = Some((distance, number));
        }
    }
    let (distance, number) = worst?;
    let value = |it: &ArrayD<f64>| it.iter().nth(number).copied().unwrap_or(f64::NAN);
    let place = super::element::place(a.shape(), number);
    Some(Worst { distance, place, a: value(a), b: value(b) })
}

fn distance(a: f64, b: f64) -> f64 {
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    if a.is_finite() && b.is_finite() {
        // Neither the difference nor the size overflows before the quotient does.
        return (a / 2.0 - b / 2.0).abs() / (0.5 + b.abs() / 2.0);
    }
    f64::INFINITY
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, arr1, arr2};

    use super::worst;

    #[test]
    fn the_worst_element_is_named_with_its_place() {
        let a = arr2(&[[1.0, 2.0], [3.0, 100.0]]).into_dyn();
        let mut b = a.clone();
        let same = worst(&a, &b).unwrap();
        assert_eq!((same.distance, same.place), (0.0, vec![0, 0]));
        b[[1, 1]] = 101.0;
        b[[0, 1]] = 2.5;
        let found = worst(&a, &b).unwrap();
        assert_eq!((found.place, found.a, found.b), (vec![0, 1], 2.0, 2.5));
        assert_eq!(found.distance, 0.5 / 3.5);
        b[[1, 0]] = f64::NAN;
        assert_eq!(worst(&a, &b).unwrap().distance, f64::INFINITY);
        assert_eq!(worst(&b, &a).unwrap().place, [1, 0]);
    }

    #[test]
    fn what_is_no_number_equals_itself_alone() {
        let all = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e308, -1e308, 0.0];
        for a in all {
            for b in all {
                let one = |it: f64| arr1(&[it]).into_dyn();
                let found = worst(&one(a), &one(b)).unwrap();
                let same = a == b || (a.is_nan() && b.is_nan());
                assert_eq!(found.distance == 0.0, same, "{a} {b}");
                assert_eq!(
                    found.distance.is_finite(),
                    same || (a.is_finite() && b.is_finite()),
                    "{a} {b}"
                );
            }
        }
        assert!(worst(&ArrayD::zeros(vec![2]), &ArrayD::zeros(vec![1, 2])).is_none());
        assert!(worst(&ArrayD::zeros(vec![0]), &ArrayD::zeros(vec![0])).is_none());
    }
}
