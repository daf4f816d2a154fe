//! The best validation so far, and when to stop waiting for a better one.

/// The best validation, and how many came since.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Best {
    /// The update and its loss; none before the first validation.
    pub at: Option<(u64, f64)>,
    /// The number of validations in a row that were no new best by enough.
    pub waited: u64,
}

/// The consequences of a validation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The loss is the lowest so far.
    pub best: bool,
    /// The training has waited long enough.
    pub stop: bool,
}

impl Best {
    /// Takes in a validation. Of equal losses the earlier is the best; NaN never is.
    pub fn note(&mut self, step: u64, loss: f64, patience: Option<u64>, min_delta: f64) -> Verdict {
        let lowest = self.at.map_or(f64::INFINITY, |it| it.1);
        let best = loss < lowest || (self.at.is_none() && loss == f64::INFINITY);
        self.waited = if loss < lowest - min_delta { 0 } else { self.waited + 1 };
        if best {
            self.at = Some((step, loss));
        }
        Verdict { best, stop: patience.is_some_and(|it| self.waited >= it) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_validations_in_a_row_that_are_not_better_by_enough() {
        let mut best = Best::default();
        let mut note = |step, loss| {
            let verdict = best.note(step, loss, Some(2), 0.1);
            (verdict.best, verdict.stop)
        };
        assert_eq!(note(1, 1.0), (true, false));
        // Better, but not by enough; then enough; then equal to the best, which the earlier stays.
        assert_eq!(note(2, 0.95), (true, false));
        assert_eq!(note(3, 0.8), (true, false));
        assert_eq!(note(4, 0.8), (false, false));
        assert_eq!(note(5, f64::NAN), (false, true));
        assert_eq!(best.at, Some((3, 0.8)));
    }
}
