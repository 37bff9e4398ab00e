//! A second request when the first takes longer than most: the first good response is taken, the other request is dropped
//! and its connection closed. Only for reads, which do no harm when they are done twice. An endpoint whose requests are
//! all lost to another is not thought fast, nor sound.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use http::Method;
use tokio::time::timeout_at;

use super::body::{self, Origin};
use super::budget::Turn;
use super::course::{Course, Picked};
use super::deadline::Deadline;
use super::exchange::{Answer, Attempted, Exchange};
use super::outbox::Outbox;
use super::retry::RetryReason;
use crate::cluster::{Latencies, LiveCluster, Member};
use crate::model::{EndpointId, Failure, Outcome};

/// How often the time that most responses need is found out anew.
const EVERY: Duration = Duration::from_secs(1);

/// The same while it is not known yet.
const AT_FIRST: Duration = Duration::from_millis(100);

/// With fewer responses nothing is known: of 20, one is above the 95th percentile.
const LEAST: u64 = 20;

/// An endpoint is taken for frozen when it has had no success for so many times as long as another needed. Up to once is
/// what it loses by on a request that is slow everywhere.
const FROZEN_AFTER: u32 = 2;

/// The time that most of the recent responses of a cluster's endpoints needed.
#[derive(Default)]
pub(super) struct Quantile {
    looked: Cell<Option<Instant>>,
    /// What was counted when the time was last found out.
    before: RefCell<BTreeMap<EndpointId, Latencies>>,
    found: Cell<Option<Duration>>,
}

impl Quantile {
    /// The time that this percentage of the responses needed at most; none when too few came so far.
    pub(super) fn of(&self, percentile: u8, cluster: &LiveCluster, now: Instant) -> Option<Duration> {
        let every = if self.found.get().is_some() { EVERY } else { AT_FIRST };
        if self.looked.get().is_none_or(|looked| now.saturating_duration_since(looked) >= every) {
            self.looked.set(Some(now));
            let roster = cluster.roster();
            let counted = roster.members().iter().map(|member| (member.id(), member.figures().traffic().latencies));
            let counts: BTreeMap<_, _> = counted.collect();
            let (mut before, mut recent) = (self.before.borrow_mut(), Latencies::default());
            for (id, count) in &counts {
                match before.get(id) {
                    Some(earlier) => recent += &count.since(earlier),
                    None => recent += count,
                }
            }
            // Those of a quiet time go on counting until there are enough.
            if recent.count() >= LEAST {
                self.found.set(recent.quantile(f64::from(percentile) / 100.0));
                *before = counts;
            }
        }
        self.found.get()
    }
}

/// Since when endpoints lose every request that others answer: as long as an endpoint answers some, it is only slow. A
/// request that is lost is dropped, so that one alone does not tell how long it would have taken.
#[derive(Default)]
pub(super) struct Silences(RefCell<BTreeMap<EndpointId, (u64, Instant)>>);

impl Silences {
    /// Since when an endpoint, which lost a request that began at that time, has had no success.
    fn since(&self, member: &Member, began: Instant) -> Instant {
        let successes = member.figures().traffic().ok;
        let mut silences = self.0.borrow_mut();
        let silence = silences.entry(member.id()).or_insert((successes, began));
        if silence.0 != successes {
            *silence = (successes, began);
        }
        silence.1
    }

    /// Forgets the endpoints that are gone.
    pub(super) fn forget(&self, is_gone: impl Fn(EndpointId) -> bool) {
        self.0.borrow_mut().retain(|id, _| !is_gone(*id));
    }
}

/// How two attempts ended of which one was taken.
struct Raced {
    attempted: Attempted,
    by_second: bool,
    loser: Loser,
}

/// The attempt that was not taken.
enum Loser {
    /// It had no response yet.
    Pending,
    /// It has one, which came at that time.
    Answered(Box<Answer>, Instant),
    /// It failed, and that is told.
    Failed,
}

impl Exchange {
    /// How long to wait for the first response before a second request is sent; none when none is.
    pub(super) fn hedges_after(&self, course: &Course, now: Instant) -> Option<Duration> {
        let reads = |course: &Course| {
            course.head.as_ref().is_some_and(|head| matches!(head.method, Method::GET | Method::HEAD))
        };
        let delay = self.seat().hedges_after(now)?;
        // One that is to become a tunnel is not idempotent.
        (course.is_simple() && reads(course) && self.seat().live().roster().ready().len() > 1).then_some(delay)
    }

    /// An attempt, and a second one at another endpoint when the first has no response after a time.
    pub(super) async fn hedged(&self, course: &mut Course, picked: &mut Picked, delay: Duration) -> Attempted {
        let due = picked.trial.began() + delay;
        let Some(head) = course.head.clone() else { return self.attempt(course, picked).await };
        // Both send the very same bytes: it is one request.
        let mut outbox = Outbox::default();
        self.write_head(&mut outbox, &head, None);
        let mut other = Course::new(head, None, false);
        other.outbox = Some(outbox.clone());
        other.tried = vec![picked.trial.id()];
        other.attempts = course.attempts;
        other.cause = Some(RetryReason::Hedge);
        course.outbox = Some(outbox);
        let mut second_picked = None;
        let Raced { attempted, by_second, loser } = {
            let mut first = pin!(self.attempt(course, picked));
            if let Ok(attempted) = timeout_at(due.into(), &mut first).await {
                return attempted;
            }
            let Some((turn, next)) = self.second(&mut other) else { return first.await };
            let second = pin!(self.attempt(&mut other, second_picked.insert(next)));
            let raced = self.race(first, second).await;
            drop(turn);
            raced
        };
        let Some(mut lost) = second_picked else { return attempted };
        if by_second {
            // What comes after goes on from the one that has the say. Its deadline is the connection's again.
            other.deadline = None;
            *course = other;
            std::mem::swap(picked, &mut lost);
        } else {
            course.attempts = other.attempts;
            course.tried.push(lost.trial.id());
        }
        match loser {
            Loser::Pending => self.tell_loss(lost, by_second, picked.trial.began().elapsed().max(delay)),
            Loser::Answered(answer, came) => {
                let Answer { link, head } = *answer;
                lost.trial.answers(head.status, came);
                body::discard(head.framing, Origin { link, trial: lost.trial, upload: None });
            }
            Loser::Failed => {}
        }
        attempted
    }

    /// Another endpoint, and a retry's turn to send the request there. What waits in the queue goes before.
    fn second(&self, other: &mut Course) -> Option<(Turn<'_>, Picked)> {
        let (seat, now) = (self.seat(), Instant::now());
        if seat.is_queued_for() {
            return None;
        }
        let Some(turn) = seat.shared().budget.try_take(seat.retries_allowed()) else {
            seat.counters.budget_exhausted.add(1);
            return None;
        };
        let next = self.pick(other, now).ok().filter(|next| !other.tried.contains(&next.trial.id()))?;
        seat.counters.retry(RetryReason::Hedge);
        other.deadline = Some(Deadline::new(now + seat.timeouts().response_header));
        Some((turn, next))
    }

    /// The first response, unless it is one after which the request would be sent again: the other may do better.
    async fn race(
        &self,
        first: impl Future<Output = Attempted> + Unpin,
        second: impl Future<Output = Attempted> + Unpin,
    ) -> Raced {
        let (early, by_second, rest) = match select(first, second).await {
            Either::Left((early, second)) => (early, false, Either::Right(second)),
            Either::Right((early, first)) => (early, true, Either::Left(first)),
        };
        if early.as_ref().is_ok_and(|answer| !self.seat().retries(answer.head.status)) {
            return Raced { attempted: early, by_second, loser: Loser::Pending };
        }
        let came = Instant::now();
        match (rest.await, early) {
            (Err(_), Ok(answer)) => Raced { attempted: Ok(answer), by_second, loser: Loser::Failed },
            (late, Ok(answer)) => {
                Raced { attempted: late, by_second: !by_second, loser: Loser::Answered(Box::new(answer), came) }
            }
            (late, Err(_)) => Raced { attempted: late, by_second: !by_second, loser: Loser::Failed },
        }
    }

    /// Tells of an attempt without a response, when the other's needed that time. Only one that had a lead can be blamed.
    fn tell_loss(&self, mut lost: Picked, had_lead: bool, needed: Duration) {
        let (seat, now, began) = (self.seat(), Instant::now(), lost.trial.began());
        let roster = seat.live().roster();
        let Some(member) = roster.get(lost.trial.id()) else { return };
        if had_lead && now.saturating_duration_since(seat.silences.since(member, began)) >= needed * FROZEN_AFTER {
            lost.trial.fail(Failure::Timeout, now);
            return;
        }
        // It needs longer than that, which is news if it is longer than was thought.
        let latency = now.saturating_duration_since(began);
        if latency.as_micros() > u128::from(member.load(now).latency_ewma_us) {
            member.observe(&Outcome { endpoint: member.id(), latency, result: Err(Failure::Timeout) }, None, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;

    use super::*;
    use crate::model::{Address, ClusterName, EndpointName, EndpointSpec, Events};

    fn cluster(now: Instant) -> LiveCluster {
        let endpoint =
            |name: &str| EndpointSpec::new(EndpointName::new(name).unwrap(), Address::parse("127.0.0.1:1").unwrap());
        let cluster = LiveCluster::new(ClusterName::new("web").unwrap(), Events::nowhere());
        cluster.update(&[endpoint("a"), endpoint("b")], now);
        cluster
    }

    fn respond(member: &Member, ms: u64, times: u32, now: Instant) {
        let (latency, result) = (Duration::from_millis(ms), Ok(StatusCode::OK));
        (0..times).for_each(|_| member.observe(&Outcome { endpoint: member.id(), latency, result }, Some(false), now));
    }

    #[test]
    fn it_is_found_out_anew_once_a_second_and_from_what_came_since() {
        let (quantile, start) = (Quantile::default(), Instant::now());
        let cluster = cluster(start);
        let members = cluster.roster().members().to_vec();
        respond(&members[0], 1, 19, start);
        assert_eq!(quantile.of(95, &cluster, start), None, "too few");
        respond(&members[1], 1, 1, start);
        assert_eq!(quantile.of(95, &cluster, start), None, "too soon");
        let known = start + AT_FIRST;
        assert!(quantile.of(95, &cluster, known).unwrap() < Duration::from_millis(2));
        respond(&members[1], 1_000, 20, start);
        assert!(quantile.of(95, &cluster, known + AT_FIRST).unwrap() < Duration::from_millis(2), "too soon");
        assert!(quantile.of(95, &cluster, known + EVERY).unwrap() > Duration::from_millis(500));
    }

    #[test]
    fn a_silence_ends_with_a_success() {
        let (silences, start) = (Silences::default(), Instant::now());
        let cluster = cluster(start);
        let member = Arc::clone(&cluster.roster().members()[0]);
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!([1, 2, 3].map(|at| silences.since(&member, later(at))), [1, 1, 1].map(later));
        respond(&member, 1, 1, start);
        assert_eq!(silences.since(&member, later(4)), later(4));
        silences.forget(|_| true);
        assert_eq!(silences.since(&member, later(5)), later(5));
    }
}
