//! A second request when the first takes longer than most: the first response is taken, the other request is dropped and
//! its connection closed. Only for reads, which do no harm when they are done twice.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use http::Method;
use tokio::time::timeout_at;

use super::course::{Course, Picked};
use super::deadline::Deadline;
use super::exchange::{Attempted, Exchange};
use super::metrics::{BUCKETS, ClusterCounters, RESPONSE_TIME_BOUNDS_US};
use super::outbox::Outbox;
use super::retry::RetryReason;

/// How often the time that most responses need is found out anew.
const EVERY: Duration = Duration::from_secs(1);

/// With fewer responses nothing is known: of 20, one is above the 95th percentile.
const LEAST: u64 = 20;

/// The time that most of a cluster's recent responses needed on this worker.
#[derive(Default)]
pub(super) struct Quantile {
    looked: Cell<Option<Instant>>,
    /// What was counted when the time was last found out.
    before: RefCell<[u64; BUCKETS]>,
    found: Cell<Option<Duration>>,
}

impl Quantile {
    /// The time that this percentage of the responses needed at most; none when too few came so far.
    pub(super) fn of(&self, percentile: u8, counters: &ClusterCounters, now: Instant) -> Option<Duration> {
        if self.looked.get().is_none_or(|looked| now.saturating_duration_since(looked) >= EVERY) {
            let counts = counters.response_times();
            let mut before = self.before.borrow_mut();
            let recent = std::array::from_fn(|at| {
                let count = |counts: &[u64; BUCKETS]| counts.get(at).copied().unwrap_or(0);
                count(&counts).wrapping_sub(count(&before))
            });
            // Those of a quiet time go on counting until there are enough.
            if recent.iter().sum::<u64>() >= LEAST {
                self.looked.set(Some(now));
                self.found.set(quantile(&recent, percentile));
                *before = counts;
            }
        }
        self.found.get()
    }
}

/// As if those in a bucket were spread over it evenly.
fn quantile(counts: &[u64; BUCKETS], percentile: u8) -> Option<Duration> {
    let rank = (counts.iter().sum::<u64>() * u64::from(percentile)).div_ceil(100).max(1);
    let (mut below, mut low) = (0, 0);
    for (count, high) in counts.iter().zip(RESPONSE_TIME_BOUNDS_US) {
        if below + count >= rank {
            let within = (rank - below) as f64 / (*count).max(1) as f64;
            return Some(Duration::from_micros(low + ((high - low) as f64 * within) as u64));
        }
        (below, low) = (below + count, high);
    }
    // Longer than anything that is told apart: nothing is gained by a second request.
    None
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
        let (due, first_endpoint) = (picked.trial.began() + delay, picked.trial.id());
        let Some(head) = course.head.clone() else { return self.attempt(course, picked).await };
        // Both send the very same bytes: it is one request.
        let mut outbox = Outbox::default();
        self.write_head(&mut outbox, &head, None);
        let mut other = Course::new(head, None, false);
        other.outbox = Some(outbox.clone());
        other.tried = vec![first_endpoint];
        other.attempts = course.attempts;
        course.outbox = Some(outbox);
        let (mut failed, mut second_picked) = (None, None);
        let (attempted, by_other) = {
            let mut first = pin!(self.attempt(course, picked));
            if let Ok(attempted) = timeout_at(due.into(), &mut first).await {
                return attempted;
            }
            let Some(turn) = self.seat().shared().budget.try_take(self.seat().retries_allowed()) else {
                self.seat().counters.budget_exhausted.add(1);
                return first.await;
            };
            let now = Instant::now();
            let next = self.pick(&mut other, now).ok().filter(|next| next.trial.id() != first_endpoint);
            let Some(next) = next else { return first.await };
            let second_endpoint = next.trial.id();
            self.seat().counters.retry(RetryReason::Hedge);
            other.deadline = Some(Deadline::new(now + self.seat().timeouts().response_header));
            let second = pin!(self.attempt(&mut other, second_picked.insert(next)));
            let faster = match select(first, second).await {
                Either::Left((Err(_), second)) => (second.await, true),
                Either::Left((attempted, _)) => (attempted, false),
                Either::Right((Err(_), first)) => {
                    failed = Some(second_endpoint);
                    (first.await, false)
                }
                Either::Right((attempted, _)) => (attempted, true),
            };
            drop(turn);
            faster
        };
        if by_other {
            // What comes after goes on from the one that has the say. Its deadline is the connection's again.
            other.deadline = None;
            *course = other;
            if let Some(second) = second_picked {
                *picked = second;
            }
        } else {
            course.attempts = other.attempts;
            course.tried.extend(failed);
        }
        attempted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(times: &[(usize, u64)]) -> [u64; BUCKETS] {
        let mut counts = [0; BUCKETS];
        times.iter().for_each(|(bucket, count)| counts[*bucket] = *count);
        counts
    }

    #[test]
    fn the_time_lies_in_the_bucket_of_its_rank() {
        let fast_and_slow = counts(&[(3, 90), (9, 10)]);
        assert_eq!(quantile(&fast_and_slow, 90), Some(Duration::from_micros(1_000)));
        assert_eq!(quantile(&fast_and_slow, 95), Some(Duration::from_micros(75_000)));
        assert_eq!(quantile(&counts(&[(BUCKETS - 1, 5)]), 50), None);
    }

    #[test]
    fn it_is_found_out_anew_once_a_second_and_from_what_came_since() {
        let (quantile, counters, start) = (Quantile::default(), ClusterCounters::default(), Instant::now());
        let respond = |ms, n| (0..n).for_each(|_| counters.response(http::StatusCode::OK, Duration::from_millis(ms)));
        respond(1, 19);
        assert_eq!(quantile.of(95, &counters, start), None, "too few");
        respond(1, 1);
        assert!(quantile.of(95, &counters, start).unwrap() <= Duration::from_millis(1));
        respond(1_000, 20);
        assert!(quantile.of(95, &counters, start).unwrap() <= Duration::from_millis(1), "too soon");
        assert!(quantile.of(95, &counters, start + EVERY).unwrap() > Duration::from_millis(500));
    }
}
