//! When a failed instance is started again, and when a version has failed so often that it is taken back. Pure: `now` is
//! passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The wait after the first failure; it doubles with each one that follows.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A seat that held for this long starts again with the first wait.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// This many failures ...
const FAILURES: usize = 5;
/// ... within this time have a version taken back.
const WITHIN: Duration = Duration::from_secs(30);

/// The back-off of one seat.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    last: Option<Instant>,
}

impl Backoff {
    /// Counts a failure and tells how long to wait.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) >= FORGIVEN_AFTER) {
            self.failures = 0;
        }
        self.last = Some(now);
        let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(self.failures)).min(LONGEST_WAIT);
        self.failures = self.failures.saturating_add(1);
        wait
    }
}

/// The failures of one version, over all seats.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    failures: VecDeque<Instant>,
}

impl Trouble {
    /// Counts a failure and tells whether the version fails too often to keep.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures.push_back(now);
        while self.failures.front().is_some_and(|first| now.saturating_duration_since(*first) > WITHIN) {
            self.failures.pop_front();
        }
        self.failures.len() >= FAILURES
    }

    /// Whether its failures are too long ago to count.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.failures.back().is_none_or(|last| now.saturating_duration_since(*last) > WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_forgiven() {
        let mut backoff = Backoff::default();
        let now = Instant::now();
        let waits: Vec<_> = (0..11).map(|_| backoff.failed(now).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(backoff.failed(now + FORGIVEN_AFTER), FIRST_WAIT);
    }

    #[test]
    fn five_failures_in_half_a_minute_are_too_many() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut seldom = Trouble::default();
        assert!((0..20).all(|nth| !seldom.failed(after(nth * 10))));
        let mut often = Trouble::default();
        assert!(!seldom.is_over(after(190 + 30)) && seldom.is_over(after(190 + 31)));
        assert_eq!((0..5).map(|nth| often.failed(after(nth))).collect::<Vec<_>>(), [false, false, false, false, true]);
    }
}
