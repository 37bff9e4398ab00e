//! The load figures of one endpoint: atomics that every worker counts into and every strategy reads. They outlive the
//! member that holds them, so that a changed weight or label does not forget what is known of the endpoint.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::latency::{Latencies, LatencyBuckets};

/// How fast the latency average forgets: after this time a past sample counts a third (1/e). Ten seconds is what Finagle
/// and linkerd settled on for peak EWMA.
const LATENCY_DECAY: Duration = Duration::from_secs(10);

/// How much one request moves the error ratio: about the last twenty count.
const ERROR_GAIN: f32 = 0.05;

/// A reading of the figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Requests under way.
    pub in_flight: u32,
    /// Moving average of the response time in microseconds.
    pub latency_ewma_us: u32,
    /// Share of recent requests that failed, 0.0 to 1.0.
    pub error_ratio: f32,
    /// What health policies think, 0.0 to 1.0.
    pub health_score: f32,
    /// Requests since the endpoint joined.
    pub requests: u64,
}

/// What has passed through an endpoint since it joined. The difference of two readings is what passed between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that succeeded.
    pub ok: u64,
    /// Requests that failed.
    pub failed: u64,
    /// The response times together, in microseconds.
    pub latency_us: u64,
    /// The response times one by one.
    pub latencies: Latencies,
}

impl Traffic {
    /// What passed after an earlier reading of the same endpoint.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            ok: self.ok.wrapping_sub(earlier.ok),
            failed: self.failed.wrapping_sub(earlier.failed),
            latency_us: self.latency_us.wrapping_sub(earlier.latency_us),
            latencies: self.latencies.since(&earlier.latencies),
        }
    }
}

/// The figures. Aligned so that two endpoints never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Figures {
    joined: Instant,
    in_flight: AtomicU32,
    requests: AtomicU64,
    successes: AtomicU64,
    failures: AtomicU64,
    /// Failures since the last success.
    failures_in_a_row: AtomicU32,
    /// Microseconds of latency in the upper half, milliseconds since `joined` of the last sample in the lower.
    latency: AtomicU64,
    error_ratio: AtomicU32,
    health_score: AtomicU32,
    latency_us: AtomicU64,
    latencies: LatencyBuckets,
}

impl Figures {
    /// The figures of an endpoint that joins now: nothing known, taken to be sound.
    pub fn new(now: Instant) -> Self {
        Self {
            joined: now,
            in_flight: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            successes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            failures_in_a_row: AtomicU32::new(0),
            latency: AtomicU64::new(0),
            error_ratio: AtomicU32::new(0f32.to_bits()),
            health_score: AtomicU32::new(1f32.to_bits()),
            latency_us: AtomicU64::new(0),
            latencies: LatencyBuckets::default(),
        }
    }

    /// What the figures say at a moment.
    pub fn read(&self, now: Instant) -> Load {
        Load {
            in_flight: self.in_flight.load(Relaxed),
            latency_ewma_us: self.latency_at(now),
            error_ratio: f32::from_bits(self.error_ratio.load(Relaxed)),
            health_score: f32::from_bits(self.health_score.load(Relaxed)),
            requests: self.requests.load(Relaxed),
        }
    }

    /// Requests that failed since the endpoint joined.
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    /// Requests that failed since the last one that did not.
    pub fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row.load(Relaxed)
    }

    /// What has passed through the endpoint since it joined.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            ok: self.successes.load(Relaxed),
            failed: self.failures.load(Relaxed),
            latency_us: self.latency_us.load(Relaxed),
            latencies: self.latencies.read(),
        }
    }

    /// When the endpoint joined.
    pub fn joined(&self) -> Instant {
        self.joined
    }

    /// Requests under way.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn set_health_score(&self, score: f32) {
        self.health_score.store(score.to_bits(), Relaxed);
    }

    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        self.requests.fetch_add(1, Relaxed);
    }

    /// Tells whether there was room below a cap.
    pub(super) fn begin_below(&self, cap: u32) -> bool {
        let one_more = |under_way: u32| (under_way < cap).then_some(under_way + 1);
        let began = self.in_flight.fetch_update(Relaxed, Relaxed, one_more).is_ok();
        if began {
            self.requests.fetch_add(1, Relaxed);
        }
        began
    }

    pub(super) fn end(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// Takes in one response time. Two workers that meet here may lose one of two samples; the average is none the worse.
    pub(super) fn observe_latency(&self, latency: Duration, now: Instant) {
        let sample = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.latencies.count(latency);
        self.latency_us.fetch_add(sample.into(), Relaxed);
        let before = self.latency_at(now);
        let after = if sample >= before {
            sample
        } else {
            let weight = self.decay_at(now);
            (f64::from(self.stored_latency()) * weight + f64::from(sample) * (1.0 - weight)) as u32
        };
        self.latency.store(u64::from(after.max(1)) << 32 | u64::from(self.stamp(now)), Relaxed);
    }

    pub(super) fn observe_result(&self, failed: bool) {
        if failed {
            self.failures.fetch_add(1, Relaxed);
            self.failures_in_a_row.fetch_add(1, Relaxed);
        } else {
            self.successes.fetch_add(1, Relaxed);
            // Most often it is 0 already, and a read leaves the cache line shared.
            if self.failures_in_a_row() != 0 {
                self.failures_in_a_row.store(0, Relaxed);
            }
        }
        let ratio = f32::from_bits(self.error_ratio.load(Relaxed));
        let sample = if failed { 1.0 } else { 0.0 };
        let after = ratio + (sample - ratio) * ERROR_GAIN;
        if after.to_bits() != ratio.to_bits() {
            self.error_ratio.store(after.to_bits(), Relaxed);
        }
    }

    fn stored_latency(&self) -> u32 {
        (self.latency.load(Relaxed) >> 32) as u32
    }

    fn stamp(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.joined).as_millis() as u32
    }

    /// The weight that what was known keeps: 1 right after a sample, towards 0 later. The stamp wraps after 49 days, which
    /// reads as a long silence.
    fn decay_at(&self, now: Instant) -> f64 {
        let elapsed = self.stamp(now).wrapping_sub(self.latency.load(Relaxed) as u32);
        (-f64::from(elapsed) / LATENCY_DECAY.as_millis() as f64).exp()
    }

    fn latency_at(&self, now: Instant) -> u32 {
        match self.stored_latency() {
            0 => 0,
            stored => (f64::from(stored) * self.decay_at(now)) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latency_rises_at_once_and_decays_over_ten_seconds() {
        let start = Instant::now();
        let figures = Figures::new(start);
        figures.observe_latency(Duration::from_millis(1), start);
        figures.observe_latency(Duration::from_millis(100), start);
        assert_eq!(figures.read(start).latency_ewma_us, 100_000);
        let later = start + LATENCY_DECAY;
        assert_eq!(figures.read(later).latency_ewma_us, 36_787); // 100,000 / e
        figures.observe_latency(Duration::from_millis(1), later);
        assert_eq!(figures.read(later).latency_ewma_us, 37_420); // 100,000 / e + 1,000 (1 - 1 / e)
    }

    #[test]
    fn a_failure_moves_the_ratio_a_twentieth_of_the_way() {
        let figures = Figures::new(Instant::now());
        figures.observe_result(true);
        figures.observe_result(true);
        let ratio = figures.read(Instant::now()).error_ratio;
        assert!((ratio - 0.0975).abs() < 1e-6, "{ratio}");
        assert_eq!(figures.failures(), 2);
    }

    #[test]
    fn a_success_ends_a_row_of_failures() {
        let figures = Figures::new(Instant::now());
        (0..2).for_each(|_| figures.observe_result(true));
        assert_eq!(figures.failures_in_a_row(), 2);
        figures.observe_result(false);
        assert_eq!(figures.failures_in_a_row(), 0);
        let traffic = figures.traffic();
        assert_eq!((traffic.ok, traffic.failed), (1, 2));
    }

    #[test]
    fn threads_never_begin_more_than_the_cap() {
        let figures = Figures::new(Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        if figures.begin_below(2) {
                            assert!(figures.read(Instant::now()).in_flight <= 2);
                            figures.end();
                        }
                    }
                });
            }
        });
        assert!(figures.begin_below(1) && !figures.begin_below(1));
    }
}
