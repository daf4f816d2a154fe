//! The learning rate of each update.

/// The curve of the rate after the warm-up.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[allow(missing_docs, reason = "each is the key of the same name")]
pub enum Decay {
    /// It does not.
    #[default]
    Constant,
    /// By a factor after every so many updates.
    Step { step_size: u64, gamma: f64 },
    /// By a factor after every update.
    Exponential { gamma: f64 },
    /// By half a cosine, to the least at the end of the training.
    Cosine { lr_min: f64 },
}

/// The learning rate as a function of the number of the update.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Schedule {
    /// The rate after the warm-up.
    pub lr: f64,
    /// The number of updates of the warm-up, in equal steps.
    pub warmup: u64,
    /// The curve that follows.
    pub decay: Decay,
}

impl Schedule {
    /// Returns the same rate for all updates.
    pub fn constant(lr: f64) -> Schedule {
        Schedule { lr, warmup: 0, decay: Decay::Constant }
    }

    /// Returns the rate of update `update`, from 0, of a training of `updates`.
    pub fn rate(&self, update: u64, updates: u64) -> f64 {
        let Schedule { lr, warmup, decay } = *self;
        let Some(after) = update.checked_sub(warmup) else {
            return lr * (update + 1) as f64 / warmup as f64;
        };
        match decay {
            Decay::Constant => lr,
            Decay::Step { step_size, gamma } => {
                lr * libm::pow(gamma, (after / step_size.max(1)) as f64)
            }
            Decay::Exponential { gamma } => lr * libm::pow(gamma, after as f64),
            Decay::Cosine { lr_min } => {
                let whole = updates.saturating_sub(warmup).max(1);
                let turn = std::f64::consts::PI * after.min(whole) as f64 / whole as f64;
                lr_min + (lr - lr_min) * (1.0 + libm::cos(turn)) / 2.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule) -> Vec<f64> {
        (0..6).map(|it| schedule.rate(it, 6)).collect()
    }

    #[test]
    fn the_rate_rises_to_lr_and_then_falls_from_there() {
        let with = |decay| rates(Schedule { lr: 0.8, warmup: 2, decay });
        let near = |found: Vec<f64>, expected: [f64; 6]| {
            let close = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15);
            assert!(close, "{found:?} and {expected:?}");
        };
        near(with(Decay::Constant), [0.4, 0.8, 0.8, 0.8, 0.8, 0.8]);
        near(with(Decay::Step { step_size: 2, gamma: 0.5 }), [0.4, 0.8, 0.8, 0.8, 0.4, 0.4]);
        near(with(Decay::Exponential { gamma: 0.5 }), [0.4, 0.8, 0.8, 0.4, 0.2, 0.1]);
        let half = 0.1 + 0.7 * (1.0 + 0.5f64.sqrt()) / 2.0;
        let low = 0.1 + 0.7 * (1.0 - 0.5f64.sqrt()) / 2.0;
        near(with(Decay::Cosine { lr_min: 0.1 }), [0.4, 0.8, 0.8, half, 0.45, low]);
    }

    #[test]
    fn nothing_is_divided_by_zero_where_the_warm_up_is_the_whole_training() {
        let schedule = Schedule { lr: 1.0, warmup: 6, decay: Decay::Cosine { lr_min: 0.0 } };
        assert_eq!(schedule.rate(5, 6), 1.0);
        assert_eq!(schedule.rate(6, 6), 1.0);
        assert_eq!(schedule.rate(7, 6), 0.0);
    }
}
