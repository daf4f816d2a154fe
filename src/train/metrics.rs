//! The figures of a score beside the loss: from sums over all steps that count, never means of means.
//!
//! Sums are in f64 and kept for each sequence, in the order of its steps, and added in the order of the data. So no figure depends on
//! how the data was cut into batches and chunks.

use super::scales::Scale;
use crate::ir::Real;
use crate::text::Name;

/// The way in which a loss compares a prediction with a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// Logits with an index.
    CrossEntropy,
    /// Logits with numbers in 0 to 1.
    BinaryCrossEntropy,
    /// Real values: `mse`, `mae` and `huber`.
    Difference,
}

/// A call in a loss that compares with a plain target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Compared {
    /// The comparison.
    pub how: Comparison,
    /// The target.
    pub target: Name,
}

/// Sums over the steps of a sequence, or of several.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tally {
    /// The number of elements that were compared.
    pub count: f64,
    /// Right classes, or signs of logits.
    pub right: f64,
    /// Cross entropy.
    pub nats: f64,
    /// Squares of differences.
    pub squares: f64,
    /// Differences without sign.
    pub absolute: f64,
}

impl Tally {
    /// Takes in a step. Differences are in the units of the scale.
    pub fn add<F: Real>(
        &mut self,
        how: Comparison,
        given: &[F],
        target: &[F],
        scale: Option<&Scale>,
    ) {
        let pairs = || given.iter().zip(target).map(|(a, b)| (Real::to_f64(*a), Real::to_f64(*b)));
        match how {
            Comparison::CrossEntropy => {
                let label = target.first().map_or(0, |it| Real::to_f64(*it) as usize);
                let Some(logit) = given.get(label) else { return };
                let numbers = || given.iter().map(|it| Real::to_f64(*it));
                let most = numbers().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = numbers().map(|it| (it - most).exp()).sum();
                // The lowest of equal ones, and none where a logit is NaN.
                let best = numbers().position(|it| it == most);
                self.count += 1.0;
                self.right += f64::from(best == Some(label));
                self.nats += most + sum.ln() - Real::to_f64(*logit);
            }
            Comparison::BinaryCrossEntropy => {
                for (logit, target) in pairs() {
                    self.count += 1.0;
                    self.right += f64::from((logit > 0.0) == (target > 0.5));
                }
            }
            Comparison::Difference => {
                for (element, (given, target)) in pairs().enumerate() {
                    let factor =
                        scale.and_then(|it| it.factor.get(element)).copied().unwrap_or(1.0);
                    let difference = (given - target) * factor;
                    self.count += 1.0;
                    self.squares += difference * difference;
                    self.absolute += difference.abs();
                }
            }
        }
    }

    /// Takes in the sums of another part.
    pub fn join(&mut self, other: &Tally) {
        self.count += other.count;
        self.right += other.right;
        self.nats += other.nats;
        self.squares += other.squares;
        self.absolute += other.absolute;
    }

    /// Returns the figures by name.
    fn figures(&self, how: Comparison) -> Vec<(&'static str, f64)> {
        let mean = |sum: f64| sum / self.count;
        match how {
            Comparison::CrossEntropy => {
                let nats = mean(self.nats);
                let bits = nats / std::f64::consts::LN_2;
                vec![
                    ("accuracy", mean(self.right)),
                    ("nats", nats),
                    ("bits", bits),
                    ("perplexity", nats.exp()),
                ]
            }
            Comparison::BinaryCrossEntropy => vec![("accuracy", mean(self.right))],
            Comparison::Difference => {
                let mse = mean(self.squares);
                vec![("mse", mse), ("rmse", mse.sqrt()), ("mae", mean(self.absolute))]
            }
        }
    }
}

/// Figures by name; with several targets the name is `accuracy.TARGET`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Metrics(pub Vec<(String, f64)>);

impl Metrics {
    /// Returns the figures of what was compared. A name that several calls give is that of the first.
    pub fn of(compared: &[Compared], tallies: &[Tally]) -> Metrics {
        let several = compared.iter().any(|it| it.target != compared[0].target);
        let mut all: Vec<(String, f64)> = Vec::new();
        for (call, tally) in compared.iter().zip(tallies).filter(|(_, it)| it.count > 0.0) {
            for (name, value) in tally.figures(call.how) {
                let name =
                    if several { format!("{name}.{}", call.target) } else { name.to_owned() };
                if all.iter().all(|it| it.0 != name) {
                    all.push((name, value));
                }
            }
        }
        Metrics(all)
    }

    /// Returns a figure by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|it| it.0 == name).map(|it| it.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(how: Comparison, target: &str) -> Compared {
        Compared { how, target: target.into() }
    }

    #[test]
    fn perplexity_is_of_the_mean_over_all_steps() {
        // One sequence of three steps and one of one, with probabilities 1/2 and 1/8 of the right class.
        let half = [0.0f64, 0.0];
        let eighth = [7f64.ln(), 0.0];
        let mut sums = [Tally::default(); 2];
        (0..3).for_each(|_| sums[0].add(Comparison::CrossEntropy, &half, &[1.0], None));
        sums[1].add(Comparison::CrossEntropy, &eighth, &[1.0], None);
        let mut all = Tally::default();
        sums.iter().for_each(|it| all.join(it));
        let metrics = Metrics::of(&[compared(Comparison::CrossEntropy, "next")], &[all]);
        // (3 + 3) / 4 bits, not the mean of 1 and 3; and 2^1.5, not the mean of 2 and 8.
        assert!((metrics.get("bits").unwrap() - 1.5).abs() < 1e-12, "{metrics:?}");
        assert!((metrics.get("perplexity").unwrap() - 2f64.powf(1.5)).abs() < 1e-12);
        // Equal logits are the lowest class, so none of the four is right.
        assert_eq!(metrics.get("accuracy"), Some(0.0));
        let mut other = Tally::default();
        other.add(Comparison::CrossEntropy, &half, &[0.0], None);
        assert_eq!(other.right, 1.0);
    }

    #[test]
    fn errors_are_in_the_units_of_the_data_and_weighted_by_elements() {
        let scale = Scale { shift: vec![5.0, 0.0], factor: vec![10.0, 1.0] };
        let mut sums = Tally::default();
        sums.add(Comparison::Difference, &[1.0f32, 2.0], &[0.5, 0.0], Some(&scale));
        let metrics = Metrics::of(&[compared(Comparison::Difference, "y")], &[sums]);
        assert_eq!(metrics.get("mse"), Some((25.0 + 4.0) / 2.0));
        assert_eq!(metrics.get("rmse"), Some(14.5f64.sqrt()));
        assert_eq!(metrics.get("mae"), Some(3.5));
    }

    #[test]
    fn several_targets_are_told_apart_and_calls_without_a_step_give_nothing() {
        let mut signs = Tally::default();
        signs.add(Comparison::BinaryCrossEntropy, &[0.5f64, -0.5, 0.0], &[1.0, 1.0, 0.0], None);
        let calls =
            [compared(Comparison::BinaryCrossEntropy, "a"), compared(Comparison::Difference, "b")];
        let metrics = Metrics::of(&calls, &[signs, Tally::default()]);
        assert_eq!(metrics.0, [("accuracy.a".to_owned(), 2.0 / 3.0)]);
    }
}
