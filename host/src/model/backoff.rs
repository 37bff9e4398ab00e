//! How long to leave in peace what failed, before it is tried again: a pause that grows. Pure.

use std::time::Duration;

/// Before the second attempt: long enough not to be a load on a source that restarts, too short to be felt.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Before each attempt after many: what a source that is back is missed for at most. Also how long one must have worked
/// to count as sound: what works and fails at once, again and again, would be asked without end.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pauses between the attempts at one thing.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Backoff {
    /// The next pause, after an attempt that worked for so long: at least half of its length, the rest by `chance` from
    /// 0 to 1, so that many Leverframes that lost one source do not come back to it all at once.
    pub fn pause(&mut self, worked: Duration, chance: f64) -> Duration {
        let pause = if worked >= LONGEST_PAUSE { FIRST_PAUSE } else { self.0 };
        self.0 = (pause * 2).min(LONGEST_PAUSE);
        pause.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_anew_after_what_held() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.pause(Duration::ZERO, 1.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.pause(LONGEST_PAUSE - Duration::from_millis(1), 0.0).as_millis(), 2500);
        let pauses = [LONGEST_PAUSE, Duration::ZERO].map(|worked| backoff.pause(worked, 1.0).as_millis());
        assert_eq!(pauses, [100, 200]);
    }
}
