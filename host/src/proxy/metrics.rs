//! What a worker counts. Written by one worker, read by the control side: plain atomics that nobody contends for, so a
//! count costs a store. Counters stay for the life of the worker, also when their cluster or listener goes.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

use super::error::Reason;
use super::retry::RetryReason;
use crate::model::{ClusterName, ListenerName};

/// Upper bounds of the response-time histogram in microseconds; a last bucket takes the rest.
pub const RESPONSE_TIME_BOUNDS_US: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// The status classes by which requests are counted.
pub const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const BUCKETS: usize = RESPONSE_TIME_BOUNDS_US.len() + 1;

/// As many as `Reason::ALL` has.
const REASONS: usize = Reason::ALL.len();

/// As many as `RetryReason::ALL` has.
const RETRY_REASONS: usize = RetryReason::ALL.len();

/// A counter with one writer: adding needs no locked instruction.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(by), Relaxed);
    }

    pub(super) fn subtract(&self, by: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(by), Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

fn read_all<const N: usize>(counts: &[Count; N]) -> [u64; N] {
    std::array::from_fn(|at| counts.get(at).map_or(0, Count::read))
}

fn time(buckets: &[Count; BUCKETS], sum: &Count, took: Duration) {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if let Some(bucket) = buckets.get(RESPONSE_TIME_BOUNDS_US.partition_point(|bound| *bound < us)) {
        bucket.add(1);
        sum.add(us);
    }
}

/// Counters of one cluster on one worker.
#[derive(Debug, Default)]
pub(super) struct ClusterCounters {
    responses: [Count; STATUS_CLASSES.len()],
    response_times: [Count; BUCKETS],
    response_time_us: Count,
    pub(super) opened: Count,
    pub(super) reused: Count,
    pub(super) failed: Count,
    retried: [Count; RETRY_REASONS],
    pub(super) budget_exhausted: Count,
    pub(super) circuit_refused: Count,
    queue_times: [Count; BUCKETS],
    queue_time_us: Count,
    pub(super) queue_refused: Count,
}

impl ClusterCounters {
    /// Counts a response that the client got, the host's own answers included.
    pub(super) fn response(&self, status: StatusCode, took: Duration) {
        if let Some(class) = self.responses.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            class.add(1);
        }
        time(&self.response_times, &self.response_time_us, took);
    }

    /// Counts a request that is sent again.
    pub(super) fn retry(&self, reason: RetryReason) {
        if let Some(count) = self.retried.get(reason as usize) {
            count.add(1);
        }
    }

    /// Counts how long a request waited for its turn, where there is a limit.
    pub(super) fn queued(&self, took: Duration) {
        time(&self.queue_times, &self.queue_time_us, took);
    }

    fn read(&self) -> ClusterReading {
        ClusterReading {
            responses: read_all(&self.responses),
            response_times: read_all(&self.response_times),
            response_time_us: self.response_time_us.read(),
            connections_opened: self.opened.read(),
            connections_reused: self.reused.read(),
            connections_failed: self.failed.read(),
            retries: read_all(&self.retried),
            retry_budget_exhausted: self.budget_exhausted.read(),
            circuit_refused: self.circuit_refused.read(),
            queue_times: read_all(&self.queue_times),
            queue_time_us: self.queue_time_us.read(),
            queue_refused: self.queue_refused.read(),
        }
    }
}

/// Counters of one listener on one worker.
#[derive(Debug, Default)]
pub(super) struct ListenerCounters {
    pub(super) accepted: Count,
    pub(super) open: Count,
    pub(super) received: Count,
    pub(super) sent: Count,
    refused: [Count; REASONS],
}

impl ListenerCounters {
    /// Counts a request that no endpoint answered.
    pub(super) fn refuse(&self, reason: Reason) {
        if let Some(count) = self.refused.get(reason as usize) {
            count.add(1);
        }
    }

    fn read(&self) -> ListenerReading {
        ListenerReading {
            connections_accepted: self.accepted.read(),
            connections_open: self.open.read(),
            bytes_received: self.received.read(),
            bytes_sent: self.sent.read(),
            refused: read_all(&self.refused),
        }
    }
}

/// The counters of a cluster at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterReading {
    /// Responses by `STATUS_CLASSES`, the host's own answers included.
    pub responses: [u64; STATUS_CLASSES.len()],
    /// Responses by `RESPONSE_TIME_BOUNDS_US`: from the request's head to the response's head.
    pub response_times: [u64; BUCKETS],
    /// Microseconds that they took together.
    pub response_time_us: u64,
    /// Connections made to endpoints.
    pub connections_opened: u64,
    /// Requests sent on a connection that was there.
    pub connections_reused: u64,
    /// Connections that could not be made.
    pub connections_failed: u64,
    /// Attempts beyond the first of a request, by `RetryReason::ALL`.
    pub retries: [u64; RETRY_REASONS],
    /// Requests that were not sent again because too many were.
    pub retry_budget_exhausted: u64,
    /// Picks that an endpoint's circuit refused.
    pub circuit_refused: u64,
    /// Requests of a cluster with limits by the time that they waited for their turn, by `RESPONSE_TIME_BOUNDS_US`.
    pub queue_times: [u64; BUCKETS],
    /// Microseconds that they waited together.
    pub queue_time_us: u64,
    /// Requests that did not get their turn.
    pub queue_refused: u64,
}

impl ClusterReading {
    /// How many attempts were made for a reason.
    pub fn retries_for(&self, reason: RetryReason) -> u64 {
        self.retries.get(reason as usize).copied().unwrap_or(0)
    }
}

/// The counters of a listener at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerReading {
    /// Connections taken.
    pub connections_accepted: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Bytes from clients.
    pub bytes_received: u64,
    /// Bytes to clients.
    pub bytes_sent: u64,
    /// Requests that no endpoint answered, by `Reason::ALL`.
    pub refused: [u64; REASONS],
}

impl ListenerReading {
    /// How many requests were refused for a reason.
    pub fn refused_for(&self, reason: Reason) -> u64 {
        self.refused.get(reason as usize).copied().unwrap_or(0)
    }
}

fn add_all<const N: usize>(sums: &mut [u64; N], more: [u64; N]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

impl AddAssign for ClusterReading {
    fn add_assign(&mut self, other: Self) {
        add_all(&mut self.responses, other.responses);
        add_all(&mut self.response_times, other.response_times);
        self.response_time_us += other.response_time_us;
        self.connections_opened += other.connections_opened;
        self.connections_reused += other.connections_reused;
        self.connections_failed += other.connections_failed;
        add_all(&mut self.retries, other.retries);
        self.retry_budget_exhausted += other.retry_budget_exhausted;
        self.circuit_refused += other.circuit_refused;
        add_all(&mut self.queue_times, other.queue_times);
        self.queue_time_us += other.queue_time_us;
        self.queue_refused += other.queue_refused;
    }
}

impl AddAssign for ListenerReading {
    fn add_assign(&mut self, other: Self) {
        add_all(&mut self.refused, other.refused);
        self.connections_accepted += other.connections_accepted;
        self.connections_open += other.connections_open;
        self.bytes_received += other.bytes_received;
        self.bytes_sent += other.bytes_sent;
    }
}

/// All counters at one moment; snapshots of several workers add up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By cluster.
    pub clusters: BTreeMap<ClusterName, ClusterReading>,
    /// By listener.
    pub listeners: BTreeMap<ListenerName, ListenerReading>,
}

impl AddAssign for Snapshot {
    fn add_assign(&mut self, other: Self) {
        for (name, reading) in other.clusters {
            *self.clusters.entry(name).or_default() += reading;
        }
        for (name, reading) in other.listeners {
            *self.listeners.entry(name).or_default() += reading;
        }
    }
}

/// The counters of one worker. The lock is taken when the world changes and when a snapshot is read, never for a request.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    counters: Mutex<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    clusters: BTreeMap<ClusterName, Arc<ClusterCounters>>,
    listeners: BTreeMap<ListenerName, Arc<ListenerCounters>>,
}

impl WorkerMetrics {
    /// What was counted so far.
    pub fn snapshot(&self) -> Snapshot {
        let counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        Snapshot {
            clusters: counters.clusters.iter().map(|(name, counts)| (name.clone(), counts.read())).collect(),
            listeners: counters.listeners.iter().map(|(name, counts)| (name.clone(), counts.read())).collect(),
        }
    }

    pub(super) fn cluster(&self, name: &ClusterName) -> Arc<ClusterCounters> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(counters.clusters.entry(name.clone()).or_default())
    }

    pub(super) fn listener(&self, name: &ListenerName) -> Arc<ListenerCounters> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(counters.listeners.entry(name.clone()).or_default())
    }
}
