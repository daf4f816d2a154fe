//! Choosing an element of a vector: the same bits in both engines, and on every machine.

use crate::ir::Real;

/// Returns the place of the largest element, of equal ones the first. A NaN is taken for the largest.
pub(crate) fn largest<F: Real>(of: &[F]) -> usize {
    let mut best = 0;
    for (at, value) in of.iter().enumerate() {
        if *value > of[best] || value.is_nan() && !of[best].is_nan() {
            best = at;
        }
    }
    best
}

/// Returns the first place up to which the probabilities sum to more than `draw`; the last where rounding leaves none. The
/// probabilities are the softmax of the logits, all in f64.
pub(crate) fn sample<F: Real>(logits: &[F], draw: f64) -> usize {
    let Some(max) = logits.get(largest(logits)) else { return 0 };
    let max = Real::to_f64(*max);
    let power = |it: &F| libm::exp(Real::to_f64(*it) - max);
    let total: f64 = logits.iter().map(power).sum();
    let mut sum = 0.0;
    for (at, logit) in logits.iter().enumerate() {
        sum += power(logit) / total;
        if sum > draw {
            return at;
        }
    }
    logits.len() - 1
}

#[cfg(test)]
mod tests {
    use super::{largest, sample};

    #[test]
    fn the_largest_is_the_first_of_equal_ones() {
        assert_eq!(largest(&[1.0f32, 3.0, 3.0, 2.0]), 1);
        assert_eq!(largest(&[f64::NEG_INFINITY; 3]), 0);
        assert_eq!(largest(&[1.0, f64::NAN, 5.0]), 1);
    }

    /// Probabilities 1/8, 1/2, 3/8, by hand.
    #[test]
    fn a_draw_falls_where_the_sum_first_exceeds_it() {
        let logits = [0.0, 4.0f64.ln(), 3.0f64.ln()];
        for (draw, chosen) in [(0.0, 0), (0.12, 0), (0.13, 1), (0.62, 1), (0.63, 2), (0.999, 2)] {
            assert_eq!(sample(&logits, draw), chosen, "{draw}");
        }
        // Large logits do not overflow, and what rounding leaves goes to the last.
        assert_eq!(sample(&[1e30f32, 1e30], 0.49), 0);
        assert_eq!(sample(&[0.0, 0.0, 0.0], 1.0), 2);
    }
}
