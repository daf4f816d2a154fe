//! Random streams, each with a key of its own.
//!
//! A stream is keyed by the seed, what it is for and a number, such as that of the epoch; nothing is read on from one update to
//! the next. No param and no mask shares a key with a stream here: their names have no blank, or one other first word.

use crate::exec::Bits;

/// Draws an order of `0..len` for a purpose, such as `shuffle`, and a number that tells orders of one purpose apart. Each order is
/// as likely: it is Fisher and Yates from the last place down, each place drawn with rejection.
pub(super) fn draw_order(seed: u64, purpose: &str, number: u64, len: usize) -> Vec<usize> {
    let mut bits = Bits::of_use(seed, &format!("train {purpose}"), number);
    let mut order: Vec<usize> = (0..len).collect();
    for last in (1..len).rev() {
        order.swap(last, bits.below(last as u64 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_every_place_once_and_depends_on_seed_purpose_and_number() {
        let order = draw_order(1, "shuffle", 1, 100);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..100));
        assert_eq!(order, draw_order(1, "shuffle", 1, 100));
        for other in [(2, "shuffle", 1), (1, "split", 1), (1, "shuffle", 2)] {
            assert_ne!(order, draw_order(other.0, other.1, other.2, 100), "{other:?}");
        }
    }

    #[test]
    fn every_order_of_three_is_as_likely() {
        let mut seen = std::collections::BTreeMap::new();
        for epoch in 0..6000 {
            *seen.entry(draw_order(0, "shuffle", epoch, 3)).or_insert(0) += 1;
        }
        // Four deviations of a binomial of 6000 and 1/6: drawing any place each time, not one of those left, gives 889 and 1111.
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|it| (885..=1115).contains(it)), "{seen:?}");
    }
}
