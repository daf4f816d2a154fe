//! Scheduled sampling: how likely it is that a step reads the model's own value in place of the true one.
//!
//! The coins themselves are drawn where the inputs of a run are filled in.

/// The curve of the probability of an own value over the training.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OwnShape {
    /// By equal steps.
    #[default]
    Linear,
    /// Fast first, then slower.
    Exponential,
    /// Fast in the middle.
    Sigmoid,
}

/// The probability of an own value as a function of the number of the update.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Coins {
    /// The probability at the first update.
    pub own: f64,
    /// The probability at the last.
    pub own_end: f64,
    /// The way from one to the other.
    pub shape: OwnShape,
    /// The number of updates that it takes; all of the training when absent.
    pub over: Option<u64>,
}

impl Coins {
    /// Returns the same probability for all updates.
    pub fn constant(own: f64) -> Coins {
        Coins { own, own_end: own, shape: OwnShape::Linear, over: None }
    }

    /// Returns the probability of update `update`, from 0, of a training of `updates`.
    pub fn probability(&self, update: u64, updates: u64) -> f64 {
        let Coins { own, own_end, shape, over } = *self;
        let over = over.unwrap_or(updates);
        let x = if over <= 1 { 1.0 } else { (update as f64 / (over - 1) as f64).min(1.0) };
        match shape {
            OwnShape::Linear => own + (own_end - own) * x,
            OwnShape::Exponential => own_end + (own - own_end) * libm::pow(0.01, x),
            OwnShape::Sigmoid => own + (own_end - own) / (1.0 + libm::exp(-12.0 * (x - 0.5))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_go_from_one_probability_to_the_other() {
        let at = |shape, update| {
            Coins { own: 0.2, own_end: 0.8, shape, over: Some(5) }.probability(update, 100)
        };
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-12, "{found}");
        near(at(OwnShape::Linear, 0), 0.2);
        near(at(OwnShape::Linear, 1), 0.35);
        near(at(OwnShape::Linear, 4), 0.8);
        near(at(OwnShape::Linear, 99), 0.8);
        near(at(OwnShape::Exponential, 0), 0.2);
        near(at(OwnShape::Exponential, 2), 0.74);
        near(at(OwnShape::Exponential, 4), 0.794);
        near(at(OwnShape::Sigmoid, 2), 0.5);
        near(at(OwnShape::Sigmoid, 0), 0.2 + 0.6 / (1.0 + 6f64.exp()));
        near(Coins::constant(0.3).probability(7, 10), 0.3);
        // A training of one update has its end at once.
        near(
            Coins { own: 0.0, own_end: 1.0, shape: OwnShape::Linear, over: None }.probability(0, 1),
            1.0,
        );
    }
}
