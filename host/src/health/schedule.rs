//! When each endpoint is checked. Pure: `now` is passed in. Each endpoint has a place of its own in the interval, found
//! from its id alone, so that all stay evenly spread whoever comes and goes, and nobody's check is moved for another's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::model::EndpointId;

/// The golden ratio's fraction: its multiples fill a circle more evenly than any other's (three-distance theorem), for
/// any run of ids.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// So many new endpoints are checked at once; more are spread, so that a large cluster's first checks are no flood.
const AT_ONCE: usize = 16;

/// Over this time, or the interval when that is shorter: a start should not have to wait for longer.
const FIRST_CHECKS: Duration = Duration::from_secs(1);

/// How often endpoints are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rhythm {
    /// From one check of an endpoint to the next.
    pub(super) interval: Duration,
    /// How much of it a check may come earlier or later, in percent.
    pub(super) jitter_percent: u8,
}

/// When each endpoint is due.
#[derive(Debug)]
pub(super) struct Schedule {
    rhythm: Rhythm,
    /// Where an interval begins: somewhere for each cluster, so that those that start together are spread as well.
    origin: Instant,
    turns: BTreeMap<EndpointId, Turn>,
    queue: BTreeSet<(Instant, EndpointId)>,
    chance: fastrand::Rng,
}

/// The next check of an endpoint, or the one under way.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// Its place, without jitter.
    at: Instant,
    /// When it is due; none while it is under way.
    due: Option<Instant>,
}

impl Schedule {
    pub(super) fn new(rhythm: Rhythm, now: Instant, mut chance: fastrand::Rng) -> Self {
        let origin = now.checked_sub(rhythm.interval.mul_f64(chance.f64())).unwrap_or(now);
        Self { rhythm, origin, turns: BTreeMap::new(), queue: BTreeSet::new(), chance }
    }

    /// Goes by another rhythm; nobody is due later than it was.
    pub(super) fn configure(&mut self, rhythm: Rhythm, now: Instant) {
        if std::mem::replace(&mut self.rhythm, rhythm) == rhythm {
            return;
        }
        let waiting: Vec<_> = self.queue.iter().copied().collect();
        for (due, id) in waiting {
            let place = self.place_after(id, now);
            if place < due {
                self.queue.remove(&(due, id));
                self.enqueue(id, place, place);
            }
        }
    }

    /// Takes over who is checked, ordered by id. Who is new is due at once, or soon when there are many.
    pub(super) fn follow(&mut self, ids: &[EndpointId], now: Instant) {
        let gone: Vec<_> = self.turns.keys().filter(|id| ids.binary_search(id).is_err()).copied().collect();
        for id in gone {
            if let Some(due) = self.turns.remove(&id).and_then(|turn| turn.due) {
                self.queue.remove(&(due, id));
            }
        }
        let new: Vec<_> = ids.iter().filter(|id| !self.turns.contains_key(id)).copied().collect();
        let over = if new.len() > AT_ONCE { self.rhythm.interval.min(FIRST_CHECKS) } else { Duration::ZERO };
        for (position, id) in new.iter().enumerate() {
            let at = now + over.mul_f64(position as f64 / new.len() as f64);
            self.enqueue(*id, at, at);
        }
    }

    /// How many endpoints are checked.
    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(due, _)| *due)
    }

    /// One that is due: its check is under way from now on.
    pub(super) fn take(&mut self, now: Instant) -> Option<EndpointId> {
        let (due, id) = self.queue.first().copied().filter(|(due, _)| *due <= now)?;
        self.queue.remove(&(due, id));
        if let Some(turn) = self.turns.get_mut(&id) {
            turn.due = None;
        }
        Some(id)
    }

    /// The check that was under way is over. One that took longer than an interval makes the next one late, so that no
    /// endpoint is ever checked twice at a time.
    pub(super) fn done(&mut self, id: EndpointId, now: Instant) {
        let Some(turn) = self.turns.get(&id).filter(|turn| turn.due.is_none()) else { return };
        // A first check stands anywhere: from there it is half an interval to its place at least, one and a half at most.
        let at = self.place_after(id, now.max(turn.at + self.rhythm.interval / 2));
        let reach = self.rhythm.interval.mul_f64(f64::from(self.rhythm.jitter_percent) / 100.0);
        let jittered = (at + reach.mul_f64(2.0 * self.chance.f64())).checked_sub(reach).unwrap_or(at);
        self.enqueue(id, at, jittered.max(now));
    }

    fn enqueue(&mut self, id: EndpointId, at: Instant, due: Instant) {
        self.turns.insert(id, Turn { at, due: Some(due) });
        self.queue.insert((due, id));
    }

    /// The first place of an endpoint that is not before a moment.
    fn place_after(&self, id: EndpointId, moment: Instant) -> Instant {
        let interval = self.rhythm.interval.max(Duration::from_millis(1));
        let first = self.origin + interval.mul_f64((f64::from(id.0) * GOLDEN).fract());
        let elapsed = moment.saturating_duration_since(first).as_nanos();
        let over = u64::try_from(elapsed % interval.as_nanos()).unwrap_or(0);
        match over {
            0 => moment.max(first),
            _ => moment + (interval - Duration::from_nanos(over)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn schedule(jitter_percent: u8) -> (Schedule, Instant) {
        let now = Instant::now();
        (Schedule::new(Rhythm { interval: INTERVAL, jitter_percent }, now, fastrand::Rng::with_seed(7)), now)
    }

    fn ids(ids: impl IntoIterator<Item = u32>) -> Vec<EndpointId> {
        ids.into_iter().map(EndpointId).collect()
    }

    /// Every check until a moment, as (milliseconds, id); each is over at once.
    fn run(schedule: &mut Schedule, start: Instant, until: Instant) -> Vec<(u64, u32)> {
        let mut made = Vec::new();
        while let Some(due) = schedule.next().filter(|due| *due < until) {
            let id = schedule.take(due).unwrap();
            made.push(((due - start).as_millis() as u64, id.0));
            schedule.done(id, due);
        }
        made
    }

    fn of(made: &[(u64, u32)], wanted: u32) -> Vec<u64> {
        made.iter().filter(|(_, id)| *id == wanted).map(|(at, _)| *at).collect()
    }

    #[test]
    fn a_few_new_endpoints_are_checked_at_once() {
        let (mut schedule, now) = schedule(0);
        schedule.follow(&ids([0, 1, 2]), now);
        assert_eq!((0..4).filter_map(|_| schedule.take(now)).count(), 3);
        schedule.follow(&ids([0, 1, 2, 3]), now + INTERVAL / 3);
        assert_eq!(schedule.next(), Some(now + INTERVAL / 3), "the one that came later too");
    }

    #[test]
    fn the_first_checks_of_many_are_spread_over_a_second() {
        let (mut schedule, now) = schedule(0);
        schedule.follow(&ids(0..1000), now);
        let first = run(&mut schedule, now, now + FIRST_CHECKS);
        assert_eq!(first.len(), 1000);
        assert_eq!(first.iter().filter(|(at, _)| *at < 500).count(), 500);
        schedule.configure(Rhythm { interval: Duration::from_millis(100), jitter_percent: 0 }, now);
        schedule.follow(&ids(1000..2000), now);
        assert!(
            run(&mut schedule, now, now + Duration::from_millis(100)).len() >= 1000,
            "over the interval if shorter"
        );
    }

    #[test]
    fn endpoints_stay_evenly_spread_whoever_comes_and_goes() {
        let (mut schedule, now) = schedule(0);
        schedule.follow(&ids(0..100), now);
        run(&mut schedule, now, now + INTERVAL * 3);
        for remaining in [ids(0..100), ids((0..100).step_by(2)), ids((0..100).step_by(2).chain(100..150))] {
            schedule.follow(&remaining, now + INTERVAL * 3);
            // Those that came have had their first check, and found their place, two intervals later.
            let made = run(&mut schedule, now, now + INTERVAL * 6);
            let from = INTERVAL.as_millis() as u64 * 5;
            let fair = remaining.len() / 10;
            for tenth in 0..10 {
                let begin = from + tenth * 1000;
                let checks = made.iter().filter(|(at, _)| (begin..begin + 1000).contains(at)).count();
                assert!(checks.abs_diff(fair) <= 3, "{checks} checks in a tenth, of {}", remaining.len());
            }
            (schedule.queue, schedule.turns) = Default::default();
            schedule.follow(&remaining, now);
            run(&mut schedule, now, now + INTERVAL * 3);
        }
    }

    #[test]
    fn each_is_checked_once_an_interval() {
        let (mut schedule, now) = schedule(0);
        schedule.follow(&ids(0..20), now);
        let made = run(&mut schedule, now, now + INTERVAL * 10);
        for id in 0..20 {
            let gaps: Vec<_> = of(&made, id).windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!((5_000..=15_000).contains(&gaps[0]), "{gaps:?}");
            assert!(gaps[1..].iter().all(|gap| gap.abs_diff(10_000) <= 1), "{gaps:?}");
        }
    }

    #[test]
    fn jitter_moves_a_check_but_not_the_next_one() {
        let (mut schedule, now) = schedule(20);
        schedule.follow(&ids([0]), now);
        let made = of(&run(&mut schedule, now, now + INTERVAL * 200), 0);
        assert!((198..=202).contains(&made.len()), "no drift: {}", made.len());
        let place = (schedule.place_after(EndpointId(0), now + INTERVAL) - now).as_millis() as u64;
        let nearest = |at: u64| place % 10_000 + (at + 5_000 - place % 10_000) / 10_000 * 10_000;
        let off: Vec<_> = made[1..].iter().map(|at| at.abs_diff(nearest(*at))).collect();
        assert!(off.iter().all(|off| *off <= 2_001), "{off:?}");
        assert!(off.iter().any(|off| *off > 1_000), "{off:?}");
    }

    #[test]
    fn nobody_is_checked_twice_at_a_time() {
        let (mut schedule, now) = schedule(0);
        schedule.follow(&ids([0]), now);
        assert_eq!(schedule.take(now), Some(EndpointId(0)));
        assert_eq!(schedule.take(now + INTERVAL * 5), None);
        schedule.done(EndpointId(0), now + INTERVAL * 5 / 2);
        assert_eq!(schedule.next(), Some(schedule.place_after(EndpointId(0), now + INTERVAL * 5 / 2)));
    }

    #[test]
    fn who_is_gone_is_not_checked_and_its_last_check_is_nothing() {
        let (mut schedule, now) = schedule(0);
        schedule.follow(&ids([0, 1]), now);
        let running = schedule.take(now).unwrap();
        schedule.follow(&[], now);
        schedule.done(running, now);
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn a_shorter_interval_is_felt_at_once() {
        let (mut schedule, now) = schedule(0);
        schedule.follow(&ids(0..10), now);
        run(&mut schedule, now, now + INTERVAL * 2);
        let short = Rhythm { interval: Duration::from_millis(100), jitter_percent: 0 };
        schedule.configure(short, now + INTERVAL * 2);
        let made = run(&mut schedule, now, now + INTERVAL * 2 + Duration::from_millis(100));
        assert_eq!(made.len(), 10);
    }
}
