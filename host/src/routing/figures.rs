//! What a strategy's work on one seat came to. Written by one worker, read by the control side: plain atomics that
//! nobody contends for, so a count costs a store.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the pick-time histogram in nanoseconds: those of all calls.
pub use crate::model::CALL_TIME_BOUNDS_NS as PICK_TIME_BOUNDS_NS;
use crate::model::Fault;

const BUCKETS: usize = PICK_TIME_BOUNDS_NS.len() + 1;

/// Counters of one strategy version on one seat.
#[derive(Debug, Default)]
pub struct SeatFigures {
    picks: AtomicU64,
    fallbacks: AtomicU64,
    rejections: AtomicU64,
    traps: AtomicU64,
    deadlines: AtomicU64,
    bad_answers: AtomicU64,
    timed_picks: [AtomicU64; BUCKETS],
    timed_ns: AtomicU64,
}

/// The counters at one moment; readings of several seats add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeatReading {
    /// Decisions asked for.
    pub picks: u64,
    /// Decisions that the host took itself: the strategy declined, failed, or was being restarted.
    pub fallbacks: u64,
    /// Requests that the strategy turned away.
    pub rejections: u64,
    /// Calls that trapped.
    pub traps: u64,
    /// Calls that ran out of time.
    pub deadlines: u64,
    /// Answers that could not be used.
    pub bad_answers: u64,
    /// Timed picks by `PICK_TIME_BOUNDS_NS`. A sample of the picks, not all.
    pub timed_picks: [u64; BUCKETS],
    /// Nanoseconds that the timed picks took together.
    pub timed_ns: u64,
}

impl SeatReading {
    /// Calls that failed, of whatever kind.
    pub fn faults(&self) -> u64 {
        self.traps + self.deadlines + self.bad_answers
    }
}

impl std::ops::AddAssign for SeatReading {
    fn add_assign(&mut self, other: Self) {
        self.picks += other.picks;
        self.fallbacks += other.fallbacks;
        self.rejections += other.rejections;
        self.traps += other.traps;
        self.deadlines += other.deadlines;
        self.bad_answers += other.bad_answers;
        self.timed_ns += other.timed_ns;
        for (sum, more) in self.timed_picks.iter_mut().zip(other.timed_picks) {
            *sum += more;
        }
    }
}

/// Adds without a locked instruction: sound because each seat has one writer.
fn bump(counter: &AtomicU64, by: u64) -> u64 {
    let after = counter.load(Relaxed).wrapping_add(by);
    counter.store(after, Relaxed);
    after
}

impl SeatFigures {
    /// Counts a decision, and tells its number.
    pub(super) fn pick(&self) -> u64 {
        bump(&self.picks, 1)
    }

    pub(super) fn fallback(&self) {
        bump(&self.fallbacks, 1);
    }

    pub(super) fn rejection(&self) {
        bump(&self.rejections, 1);
    }

    pub(super) fn fault(&self, fault: &Fault) {
        let counter = match fault {
            Fault::Trap(_) => &self.traps,
            Fault::Deadline(_) => &self.deadlines,
            Fault::NotACandidate(_) | Fault::Answer(_) => &self.bad_answers,
        };
        bump(counter, 1);
    }

    pub(super) fn time(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = PICK_TIME_BOUNDS_NS.partition_point(|bound| *bound < ns);
        if let Some(bucket) = self.timed_picks.get(at) {
            bump(bucket, 1);
            bump(&self.timed_ns, ns);
        }
    }

    /// The counters now.
    pub fn read(&self) -> SeatReading {
        SeatReading {
            picks: self.picks.load(Relaxed),
            fallbacks: self.fallbacks.load(Relaxed),
            rejections: self.rejections.load(Relaxed),
            traps: self.traps.load(Relaxed),
            deadlines: self.deadlines.load(Relaxed),
            bad_answers: self.bad_answers.load(Relaxed),
            timed_picks: std::array::from_fn(|at| self.timed_picks.get(at).map_or(0, |bucket| bucket.load(Relaxed))),
            timed_ns: self.timed_ns.load(Relaxed),
        }
    }
}
