//! The traffic and checks of a while, summed up for the policies. Pure: totals and `now` are passed in; what is kept is
//! the totals of a while ago, whose difference to those of now is what passed since.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::results::Probes;
use super::round::is_judged;
use crate::cluster::{Member, Roster, Traffic};
use crate::model::{CircuitState, EndpointId, Observations};

/// Parts of a window: its length is off by one of them at most.
const PARTS: u32 = 20;

/// The windows of a cluster's endpoints.
#[derive(Debug)]
pub(super) struct Windows {
    length: Duration,
    /// An endpoint that is out for a while has none meanwhile, but stays known as one that was seen before.
    marks: BTreeMap<EndpointId, VecDeque<Mark>>,
}

/// The totals of a moment.
#[derive(Debug)]
struct Mark {
    at: Instant,
    traffic: Traffic,
    probes: Probes,
}

impl Mark {
    fn nothing(at: Instant) -> Self {
        Self { at, traffic: Traffic::default(), probes: Probes::default() }
    }
}

impl Windows {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, marks: BTreeMap::new() }
    }

    /// Sums up over another length; a longer one fills from here on.
    pub(super) fn configure(&mut self, length: Duration) {
        self.length = length;
    }

    /// Forgets the endpoints that are gone, and what was seen of those that are not judged for a while: they are summed up
    /// anew afterwards.
    pub(super) fn follow(&mut self, roster: &Roster) {
        self.marks.retain(|id, marks| {
            let member = roster.get(*id);
            if !member.is_some_and(|member| is_judged(member)) {
                marks.clear();
            }
            member.is_some()
        });
    }

    /// What was seen of an endpoint up to now.
    pub(super) fn observe(
        &mut self,
        member: &Member,
        probes: Probes,
        circuit: CircuitState,
        now: Instant,
    ) -> Observations {
        let (figures, standing) = (member.figures(), member.standing());
        let mark = Mark { at: now, traffic: figures.traffic(), probes };
        let marks = self.marks.entry(member.id()).or_insert_with(|| match figures.joined() {
            // Never seen before: nothing had passed through it when it joined.
            joined if now.saturating_duration_since(joined) <= self.length => [Mark::nothing(joined)].into(),
            _ => VecDeque::new(),
        });
        // The last mark before the window is where the window begins.
        while marks.get(1).is_some_and(|second| now.saturating_duration_since(second.at) >= self.length) {
            marks.pop_front();
        }
        let nothing = (Duration::ZERO, Traffic::default(), (0, 0));
        let (length, traffic, (probes_ok, probes_failed)) = marks.front().map_or(nothing, |first| {
            let length = now.saturating_duration_since(first.at);
            (length, mark.traffic.since(&first.traffic), probes.since(&first.probes))
        });
        if marks.back().is_none_or(|last| now.saturating_duration_since(last.at) >= self.length / PARTS) {
            marks.push_back(mark);
        }
        let p99 = traffic.latencies.quantile(0.99).unwrap_or_default();
        Observations {
            window_ms: narrow(millis(length)),
            probes_ok,
            probes_failed,
            consecutive_probes_ok: probes.ok_in_a_row,
            consecutive_probes_failed: probes.failed_in_a_row,
            requests_ok: narrow(traffic.ok),
            requests_failed: narrow(traffic.failed),
            consecutive_requests_failed: figures.failures_in_a_row(),
            latency_mean_us: narrow(traffic.latency_us.checked_div(traffic.latencies.count()).unwrap_or(0)),
            latency_p99_us: u32::try_from(p99.as_micros()).unwrap_or(u32::MAX),
            circuit,
            state: standing.verdict.state,
            age_ms: millis(now.saturating_duration_since(figures.joined())),
            state_age_ms: millis(now.saturating_duration_since(standing.since)),
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;

    use super::*;
    use crate::cluster::{Judged, LiveCluster};
    use crate::model::{
        Address, AdminState, ClusterName, EndpointName, EndpointSpec, Events, Failure, HealthState, Outcome, Verdict,
    };

    const LENGTH: Duration = Duration::from_secs(10);

    struct World {
        live: LiveCluster,
        windows: Windows,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            let live = LiveCluster::new(ClusterName::new("web").unwrap(), Events::nowhere());
            let now = Instant::now();
            let spec = EndpointSpec::new(EndpointName::new("a").unwrap(), Address::parse("a:80").unwrap());
            live.update(&[spec], now);
            Self { live, windows: Windows::new(LENGTH), now }
        }

        fn member(&self) -> Arc<Member> {
            Arc::clone(&self.live.roster().members()[0])
        }

        fn request(&self, latency_ms: u64, failed: bool) {
            let result = if failed { Err(Failure::Reset) } else { Ok(StatusCode::OK) };
            let outcome = Outcome { endpoint: EndpointId(0), latency: Duration::from_millis(latency_ms), result };
            self.member().observe(&outcome, Some(failed), self.now);
        }

        fn observe(&mut self, probes: Probes) -> Observations {
            self.windows.observe(&self.member(), probes, CircuitState::Closed, self.now)
        }

        /// Time passes, with a look every tenth of a second.
        fn pass(&mut self, time: Duration) -> Observations {
            let end = self.now + time;
            while self.now < end {
                self.now += Duration::from_millis(100);
                self.observe(Probes::default());
            }
            self.observe(Probes::default())
        }
    }

    #[test]
    fn what_passed_is_summed_up_and_forgotten_after_the_window() {
        let mut world = World::new();
        (0..98).for_each(|_| world.request(10, false));
        (0..2).for_each(|_| world.request(1000, true));
        let seen = world.pass(LENGTH / 2);
        assert_eq!((seen.requests_ok, seen.requests_failed, seen.consecutive_requests_failed), (98, 2, 2));
        assert_eq!((seen.latency_mean_us, seen.window_ms), (29_800, 5_000));
        assert!((800_000..1_200_000).contains(&seen.latency_p99_us), "{}", seen.latency_p99_us);
        let seen = world.pass(LENGTH / 2 + LENGTH / PARTS);
        assert_eq!((seen.requests_ok, seen.requests_failed), (0, 0));
        assert_eq!(seen.consecutive_requests_failed, 2, "in a row up to now, over all time");
        assert_eq!((seen.latency_mean_us, seen.latency_p99_us), (0, 0));
        assert!((10_000..=10_500).contains(&seen.window_ms), "{}", seen.window_ms);
        assert_eq!(seen.age_ms, 10_500);
    }

    #[test]
    fn the_totals_of_before_a_late_first_look_do_not_count() {
        let mut world = World::new();
        world.request(10, true);
        world.now += LENGTH * 2;
        assert_eq!(world.observe(Probes::default()).requests_failed, 0);
        world.request(10, true);
        assert_eq!(world.observe(Probes::default()).requests_failed, 1);
    }

    #[test]
    fn the_traffic_of_before_a_disable_does_not_count_again() {
        let mut world = World::new();
        world.request(10, true);
        assert_eq!(world.pass(LENGTH / 4).requests_failed, 1);
        for admin in [AdminState::Disabled, AdminState::Enabled] {
            assert!(world.live.command(EndpointId(0), admin));
            world.windows.follow(&world.live.roster());
        }
        let seen = world.observe(Probes::default());
        assert_eq!((seen.requests_failed, seen.window_ms), (0, 0));
        world.request(10, true);
        assert_eq!(world.pass(LENGTH / 4).requests_failed, 1, "it joined within the window all the same");
    }

    #[test]
    fn checks_that_begin_anew_count_from_nothing() {
        let mut world = World::new();
        world.observe(Probes { ok: 10, failed: 0, ok_in_a_row: 10, failed_in_a_row: 0 });
        world.now += LENGTH * 2;
        world.observe(Probes { ok: 10, failed: 0, ok_in_a_row: 10, failed_in_a_row: 0 });
        let seen = world.observe(Probes { ok: 2, failed: 1, ok_in_a_row: 0, failed_in_a_row: 1 });
        assert_eq!((seen.probes_ok, seen.probes_failed), (2, 1));
        assert_eq!((seen.consecutive_probes_ok, seen.consecutive_probes_failed), (0, 1));
    }

    #[test]
    fn the_state_is_that_of_the_last_verdict_and_as_old() {
        let mut world = World::new();
        world.now += Duration::from_secs(3);
        let verdict = Verdict { state: HealthState::Degraded, ..Verdict::default() };
        let judged = Judged { verdict, circuit: CircuitState::Closed, checked: true };
        world.live.judge(world.now, &[(EndpointId(0), judged)]);
        world.now += Duration::from_secs(1);
        let seen = world.observe(Probes::default());
        assert_eq!((seen.state, seen.state_age_ms, seen.age_ms), (HealthState::Degraded, 1000, 4000));
    }

    #[test]
    fn a_window_keeps_few_marks_however_often_it_is_looked_at() {
        let mut world = World::new();
        world.pass(LENGTH * 3);
        assert!(world.windows.marks[&EndpointId(0)].len() <= PARTS as usize + 2);
        world.windows.follow(&Roster::default());
        assert!(world.windows.marks.is_empty());
    }
}
