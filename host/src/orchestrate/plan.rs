//! What is to be written after a round of checks: what was read, what the checks came to and the time go in, what has changed
//! comes out. Pure.
//!
//! The status in the registry is what counts checks up to; how many there were in a row is remembered here alone, so another
//! one that takes over counts anew.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use jiff::{SignedDuration, Timestamp};

use crate::discovery::redis::{Backend, Checked};
use crate::model::{EndpointName, Reported};

/// How old `last_checked` may get while nothing changes. Each time costs a write for each backend, and who looks at it wants
/// to know whether anybody checks at all.
const CHECKED_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// How many checks in a row change a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thresholds {
    /// Good ones, for a backend that is down.
    pub(super) rise: NonZeroU32,
    /// Bad ones, for a backend that is up.
    pub(super) fall: NonZeroU32,
}

/// What each backend's last checks came to.
pub(super) struct Plan {
    thresholds: Thresholds,
    streaks: BTreeMap<EndpointName, Streak>,
}

/// Checks of one url with the same result in a row.
struct Streak {
    url: String,
    good: bool,
    length: u32,
}

impl Plan {
    pub(super) fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, streaks: BTreeMap::new() }
    }

    /// Takes the backends that were checked, each with whether it was well, and says what to write. Who is not among them
    /// any more is forgotten.
    pub(super) fn after(&mut self, round: &[(&Backend, bool)], now: Timestamp) -> Vec<Checked> {
        let checked: BTreeSet<_> = round.iter().map(|(backend, _)| &backend.id).collect();
        self.streaks.retain(|id, _| checked.contains(id));
        round.iter().filter_map(|(backend, good)| self.judge(backend, *good, now)).collect()
    }

    fn judge(&mut self, backend: &Backend, good: bool, now: Timestamp) -> Option<Checked> {
        let length = self.count(backend, good);
        let reported = backend.reported();
        let status = match (reported, good) {
            (Reported::Down, true) if length >= self.thresholds.rise.get() => Backend::UP,
            (Reported::Up, false) if length >= self.thresholds.fall.get() => Backend::DOWN,
            // What is there says so already, unless nothing is there.
            (Reported::Down, false) if backend.status.is_empty() => Backend::DOWN,
            // Who is told to stop was told by somebody, who says when it is over.
            _ => &backend.status,
        };
        let is_old = |at: Timestamp| now.duration_since(at).abs() >= CHECKED_EVERY;
        let is_due = status != backend.status || backend.last_checked.is_none_or(is_old);
        is_due.then(|| Checked {
            id: backend.id.clone(),
            url: backend.url.clone(),
            before: backend.status.clone(),
            status: status.to_owned(),
            at: now,
        })
    }

    /// How many checks in a row came to this, with this one. Another url is another backend.
    fn count(&mut self, backend: &Backend, good: bool) -> u32 {
        let begins = || Streak { url: backend.url.clone(), good, length: 0 };
        let streak = self.streaks.entry(backend.id.clone()).or_insert_with(begins);
        if streak.good != good || streak.url != backend.url {
            *streak = begins();
        }
        streak.length = streak.length.saturating_add(1);
        streak.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RISE: u32 = 2;
    const FALL: u32 = 3;

    /// One backend, as the registry has it, and the plan.
    struct Scene {
        plan: Plan,
        backend: Backend,
        now: Timestamp,
    }

    impl Scene {
        fn new(status: &str) -> Self {
            let rule = |count| NonZeroU32::new(count).unwrap();
            let plan = Plan::new(Thresholds { rise: rule(RISE), fall: rule(FALL) });
            let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1);
            let backend = Backend::new(Some("a"), "http://a:80").unwrap();
            Self { plan, backend: Backend { status: status.into(), last_checked: Some(now), ..backend }, now }
        }

        /// One check a second later; what is to be written is written.
        fn check(&mut self, good: bool) -> Option<(String, String)> {
            self.check_after(SignedDuration::from_secs(1), good)
        }

        fn check_after(&mut self, pause: SignedDuration, good: bool) -> Option<(String, String)> {
            self.now += pause;
            let mut writes = self.plan.after(&[(&self.backend, good)], self.now);
            assert!(writes.len() <= 1);
            let write = writes.pop()?;
            assert_eq!((write.at, &write.url), (self.now, &self.backend.url));
            self.backend.status.clone_from(&write.status);
            self.backend.last_checked = Some(write.at);
            Some((write.before, write.status))
        }
    }

    fn flip(before: &str, status: &str) -> Option<(String, String)> {
        Some((before.to_owned(), status.to_owned()))
    }

    #[test]
    fn a_status_changes_once_after_so_many_checks_in_a_row() {
        let mut scene = Scene::new("UP");
        let results = [false, false, true, false, false, false, false, true, false, true, true, true];
        let written: Vec<_> = results.iter().map(|good| scene.check(*good)).collect();
        let mut expected = vec![None; results.len()];
        expected[5] = flip("UP", "DOWN");
        expected[10] = flip("DOWN", "UP");
        assert_eq!(written, expected);
    }

    #[test]
    fn what_was_never_checked_is_written_at_once_and_up_after_so_many() {
        let mut scene = Scene::new("");
        scene.backend.last_checked = None;
        assert_eq!(scene.check(false), flip("", "DOWN"));
        assert_eq!(scene.check(true), None);
        assert_eq!(scene.check(true), flip("DOWN", "UP"));
    }

    #[test]
    fn while_nothing_changes_the_time_is_written_once_in_a_while() {
        let mut scene = Scene::new("healthy");
        let writes = (0..179).filter_map(|_| scene.check(true)).collect::<Vec<_>>();
        assert_eq!(writes, [flip("healthy", "healthy"), flip("healthy", "healthy")].map(Option::unwrap));
        scene.backend.last_checked = Some(scene.now + SignedDuration::from_hours(1));
        assert!(scene.check(true).is_some(), "a clock that is ahead does not stop it");
    }

    #[test]
    fn who_is_told_to_stop_stays_so_whatever_the_checks_say() {
        let mut scene = Scene::new("DRAINING");
        assert!((0..10).all(|round| scene.check(round % 2 == 0).is_none()));
        assert!((0..10).all(|_| scene.check(false).is_none()));
    }

    #[test]
    fn another_url_and_a_new_start_count_anew() {
        let mut scene = Scene::new("UP");
        assert_eq!([scene.check(false), scene.check(false)], [None, None]);
        scene.backend.url = "http://b:80".into();
        assert_eq!([scene.check(false), scene.check(false)], [None, None]);
        scene.plan.after(&[], scene.now);
        assert_eq!([scene.check(false), scene.check(false)], [None, None]);
        assert_eq!(scene.check(false), flip("UP", "DOWN"));
    }
}
