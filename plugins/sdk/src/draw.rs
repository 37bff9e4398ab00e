//! From a random number to a fair draw. The number itself comes from the host's runtime, so that a run can be replayed.

/// A whole number below `bound`, each as likely as the other within `bound` / 2⁶⁴ (Lemire, "Fast random integer
/// generation in an interval", 2019, without the rejection); 0 when `bound` is 0.
#[must_use]
pub fn below(random: u64, bound: u64) -> u64 {
    let product = u128::from(random) * u128::from(bound);
    // The upper half of a product of two 64-bit numbers fits 64 bits.
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_below_the_bound_and_reaches_both_ends() {
        assert_eq!(below(0, 10), 0);
        assert_eq!(below(u64::MAX, 10), 9);
        assert_eq!(below(u64::MAX / 2, 10), 4);
        assert_eq!(below(u64::MAX, u64::MAX), u64::MAX - 1);
        assert_eq!(below(u64::MAX, 0), 0);
    }
}
