//! Makes a point of two readings of the counters: what they differ by, over the time between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::flow::{Flow, Point, SqlFlow, percentiles, rate};
use crate::cluster::LiveCluster;
use crate::model::{ClusterName, SqlName};
use crate::proxy::{ClusterReading, ListenerReading, RESPONSE_TIME_BOUNDS_US, Reason, Snapshot};
use crate::sql::figures::{Reading, TIME_BOUNDS_US};

/// A histogram of response times.
type Times = [u64; RESPONSE_TIME_BOUNDS_US.len() + 1];

/// A histogram of the times of statements.
type SqlTimes = [u64; TIME_BOUNDS_US.len() + 1];

/// Why a request is refused before a cluster is found for it. Whatever is refused later has a response among its cluster's.
const BEFORE: [Reason; 8] = [
    Reason::BadRequest,
    Reason::HeadersTooLarge,
    Reason::NotImplemented,
    Reason::Expectation,
    Reason::TooManyConnections,
    Reason::TooManyConnectionsOfClient,
    Reason::TooManyRequests,
    Reason::NoRoute,
];

/// Remembers the last reading.
#[derive(Debug)]
pub struct Sampler {
    at: Instant,
    traffic: Snapshot,
    sql: BTreeMap<SqlName, Statements>,
}

/// What an entry has counted.
#[derive(Clone, Copy, Debug, Default)]
struct Statements {
    ended: u64,
    failed: u64,
    times: SqlTimes,
}

impl Statements {
    fn of(reading: &Reading) -> Self {
        let failed = reading.failed.values().sum();
        let mut times = SqlTimes::default();
        for answered in reading.answered.values() {
            times.iter_mut().zip(answered.buckets).for_each(|(sum, more)| *sum += more);
        }
        Self { ended: times.iter().sum::<u64>() + reading.explained + failed, failed, times }
    }
}

impl Sampler {
    /// Starts from a first reading.
    pub fn new(now: Instant, traffic: Snapshot) -> Self {
        Self { at: now, traffic, sql: BTreeMap::new() }
    }

    /// The point of what has passed since the last reading; `sql` are the readings of the entries that are served.
    pub fn sample(
        &mut self,
        now: Instant,
        clusters: &BTreeMap<ClusterName, Arc<LiveCluster>>,
        traffic: Snapshot,
        sql: &BTreeMap<SqlName, Reading>,
    ) -> Point {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        let before = std::mem::replace(&mut self.traffic, traffic);
        self.at = now;
        let (mut total, mut all) = (Passed::default(), Vec::with_capacity(clusters.len()));
        for (name, live) in clusters {
            let reading = |of: &Snapshot| of.clusters.get(name.as_str()).copied().unwrap_or_default();
            let passed = Passed::between(&reading(&before), &reading(&self.traffic), under_way(live));
            all.push((name.clone(), passed.flow(seconds)));
            total.add(&passed);
        }
        let refused = refused(&self.traffic).saturating_sub(refused(&before));
        total.responses += refused;
        total.errors += refused;
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Point {
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
            total: total.flow(seconds),
            clusters: all,
            sql: self.statements(sql, seconds),
        }
    }

    fn statements(&mut self, readings: &BTreeMap<SqlName, Reading>, seconds: f64) -> Vec<(SqlName, SqlFlow)> {
        let now: BTreeMap<_, _> =
            readings.iter().map(|(name, reading)| (name.clone(), Statements::of(reading))).collect();
        let before = std::mem::replace(&mut self.sql, now);
        let flow = |(name, now): (&SqlName, &Statements)| {
            // Of one that was not seen before nothing is known of the time before.
            let before = before.get(name).unwrap_or(now);
            let [p50_ms, p95_ms, p99_ms] = percentiles(&TIME_BOUNDS_US, &since(&now.times, &before.times));
            let flow = SqlFlow {
                per_second: rate(now.ended.saturating_sub(before.ended), seconds),
                failed_per_second: rate(now.failed.saturating_sub(before.failed), seconds),
                under_way: readings.get(name).map_or(0, |reading| reading.under_way),
                p50_ms,
                p95_ms,
                p99_ms,
            };
            (name.clone(), flow)
        };
        self.sql.iter().map(flow).collect()
    }
}

/// What passed between two readings.
#[derive(Default)]
struct Passed {
    responses: u64,
    errors: u64,
    in_flight: u64,
    times: Times,
}

impl Passed {
    fn between(before: &ClusterReading, now: &ClusterReading, in_flight: u64) -> Self {
        let classes = since(&now.responses, &before.responses);
        Self {
            responses: classes.iter().sum(),
            errors: classes.last().copied().unwrap_or(0),
            in_flight,
            times: since(&now.response_times, &before.response_times),
        }
    }

    fn add(&mut self, other: &Self) {
        self.responses += other.responses;
        self.errors += other.errors;
        self.in_flight += other.in_flight;
        self.times.iter_mut().zip(other.times).for_each(|(sum, more)| *sum += more);
    }

    fn flow(&self, seconds: f64) -> Flow {
        let [p50_ms, p95_ms, p99_ms] = percentiles(&RESPONSE_TIME_BOUNDS_US, &self.times);
        Flow {
            per_second: rate(self.responses, seconds),
            errors_per_second: rate(self.errors, seconds),
            in_flight: self.in_flight,
            p50_ms,
            p95_ms,
            p99_ms,
        }
    }
}

fn since<const N: usize>(now: &[u64; N], before: &[u64; N]) -> [u64; N] {
    let mut passed = *now;
    passed.iter_mut().zip(before).for_each(|(now, before)| *now = now.saturating_sub(*before));
    passed
}

/// Requests at the endpoints of a cluster.
fn under_way(live: &LiveCluster) -> u64 {
    live.roster().members().iter().map(|member| u64::from(member.figures().in_flight())).sum()
}

fn refused(traffic: &Snapshot) -> u64 {
    let of = |reading: &ListenerReading| BEFORE.iter().map(|reason| reading.refused_for(*reason)).sum::<u64>();
    traffic.listeners.values().map(of).sum()
}

#[cfg(test)]
mod tests;
