//! The pause after a change, so that whoever scales by a rule sees what came of one change before the next. Pure.

use std::time::{Duration, Instant};

/// When the last change was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cooldown {
    changed: Option<Instant>,
}

impl Cooldown {
    /// How much is left of a pause of that length; none when it is over.
    pub(super) fn left(self, length: Duration, now: Instant) -> Option<Duration> {
        let left = length.saturating_sub(now.saturating_duration_since(self.changed?));
        (!left.is_zero()).then_some(left)
    }

    /// Begins: something was changed.
    pub(super) fn begin(&mut self, now: Instant) {
        self.changed = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_a_change_and_goes_by_the_length_of_this_moment() {
        let (mut cooldown, begin) = (Cooldown::default(), Instant::now());
        let (short, long) = (Duration::from_secs(10), Duration::from_secs(30));
        assert_eq!(cooldown.left(long, begin), None);
        cooldown.begin(begin);
        assert_eq!(cooldown.left(long, begin + short), Some(long - short));
        assert_eq!(cooldown.left(short, begin + short), None);
        assert_eq!(cooldown.left(Duration::ZERO, begin), None);
    }
}
