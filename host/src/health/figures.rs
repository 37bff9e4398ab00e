//! What a policy's work on one panel came to. Written by whoever judges, read by the control side: plain atomics, since
//! each count stands for itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::model::{CallReading, CallTimes, Fault};

/// Counters of one policy version at one position of one panel.
#[derive(Debug, Default)]
pub struct PolicyFigures {
    judged: AtomicU64,
    fallbacks: AtomicU64,
    traps: AtomicU64,
    deadlines: AtomicU64,
    bad_answers: AtomicU64,
    times: CallTimes,
}

/// The counters at one moment; readings of several panels add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyReading {
    /// Judgements asked for.
    pub judged: u64,
    /// Judgements that were made without it: it failed, or was being restarted.
    pub fallbacks: u64,
    /// Calls that trapped.
    pub traps: u64,
    /// Calls that ran out of time.
    pub deadlines: u64,
    /// Answers that could not be used.
    pub bad_answers: u64,
    /// Nanoseconds that the judgements took together.
    pub judged_ns: u64,
    /// What they took.
    pub times: CallReading,
}

impl PolicyReading {
    /// Calls that failed, of whatever kind.
    pub fn faults(&self) -> u64 {
        self.traps + self.deadlines + self.bad_answers
    }
}

impl std::ops::AddAssign for PolicyReading {
    fn add_assign(&mut self, other: Self) {
        self.judged += other.judged;
        self.fallbacks += other.fallbacks;
        self.traps += other.traps;
        self.deadlines += other.deadlines;
        self.bad_answers += other.bad_answers;
        self.judged_ns += other.judged_ns;
        self.times += other.times;
    }
}

impl PolicyFigures {
    /// Counts a judgement that was asked for, and the time that it took.
    pub(super) fn judged(&self, took: Duration) {
        self.judged.fetch_add(1, Relaxed);
        self.times.add(took);
    }

    pub(super) fn fallback(&self) {
        self.fallbacks.fetch_add(1, Relaxed);
    }

    pub(super) fn fault(&self, fault: &Fault) {
        let counter = match fault {
            Fault::Trap(_) => &self.traps,
            Fault::Deadline(_) => &self.deadlines,
            Fault::NotACandidate(_) | Fault::Answer(_) => &self.bad_answers,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// The counters now.
    pub fn read(&self) -> PolicyReading {
        let times = self.times.read();
        PolicyReading {
            judged: self.judged.load(Relaxed),
            fallbacks: self.fallbacks.load(Relaxed),
            traps: self.traps.load(Relaxed),
            deadlines: self.deadlines.load(Relaxed),
            bad_answers: self.bad_answers.load(Relaxed),
            judged_ns: times.sum_ns,
            times,
        }
    }
}
