//! Response times of one endpoint, sorted into buckets: atomics that workers count into, and the counts that the control
//! side takes the difference of. Four buckets to each doubling, so a quantile is off by a fifth at most.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// What is faster than 64 µs (2^6) shares a bucket: no endpoint behind a network is told apart down there.
const FIRST_POWER: u32 = 6;
/// What is slower than 134 s (2^27 µs) shares one too: every timeout has passed by then.
const LAST_POWER: u32 = 27;
/// Buckets to each doubling, as a power of two.
const SPLIT: u32 = 2;

const BUCKETS: usize = 1 + (((LAST_POWER - FIRST_POWER) as usize) << SPLIT);

/// The buckets that workers count into.
#[derive(Debug)]
pub(super) struct LatencyBuckets([AtomicU32; BUCKETS]);

impl Default for LatencyBuckets {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }
}

impl LatencyBuckets {
    pub(super) fn count(&self, latency: Duration) {
        if let Some(bucket) = self.0.get(bucket_of(latency)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn read(&self) -> Latencies {
        Latencies(std::array::from_fn(|at| self.0.get(at).map_or(0, |bucket| bucket.load(Relaxed))))
    }
}

/// How many response times fell into each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latencies([u32; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Latencies {
    /// What was counted after an earlier reading of the same endpoint.
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.clone();
        for (count, before) in counts.0.iter_mut().zip(earlier.0) {
            *count = count.wrapping_sub(before);
        }
        counts
    }

    /// How many response times there are.
    pub fn count(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    /// The time that this part of the responses, from 0.0 to 1.0, took at most; none without responses.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * part).ceil().max(1.0) as u64;
        let mut below = 0;
        for (at, count) in self.0.iter().copied().map(u64::from).enumerate() {
            if count > 0 && below + count >= rank {
                let (low, high) = bounds_of(at);
                // As if those in the bucket were spread over it evenly.
                let within = (rank - below) as f64 / count as f64;
                return Some(Duration::from_micros(low + ((high - low) as f64 * within) as u64));
            }
            below += count;
        }
        None
    }
}

impl AddAssign<&Self> for Latencies {
    fn add_assign(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.wrapping_add(more);
        }
    }
}

fn bucket_of(latency: Duration) -> usize {
    let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    let power = us.checked_ilog2().unwrap_or(0);
    if power < FIRST_POWER {
        return 0;
    }
    let within = (us >> (power - SPLIT)) as usize & ((1 << SPLIT) - 1);
    (1 + (((power - FIRST_POWER) as usize) << SPLIT) + within).min(BUCKETS - 1)
}

/// From where to where a bucket goes, in microseconds.
fn bounds_of(bucket: usize) -> (u64, u64) {
    let Some(at) = bucket.checked_sub(1) else { return (0, 1 << FIRST_POWER) };
    let shift = FIRST_POWER - SPLIT + (at >> SPLIT) as u32;
    let low = (1 << SPLIT) + (at as u64 & ((1 << SPLIT) - 1));
    (low << shift, (low + 1) << shift)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_lies_within_the_bounds_of_its_bucket(us in 0u64..1 << LAST_POWER) {
            let (low, high) = bounds_of(bucket_of(Duration::from_micros(us)));
            prop_assert!((low..high).contains(&us), "{low} {us} {high}");
        }
    }

    #[test]
    fn the_longest_times_share_the_last_bucket() {
        assert_eq!(bucket_of(Duration::MAX), BUCKETS - 1);
        assert_eq!(bucket_of(Duration::from_micros((1 << LAST_POWER) - 1)), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_close_and_only_of_what_came_since() {
        let buckets = LatencyBuckets::default();
        (0..50).for_each(|_| buckets.count(Duration::from_secs(9)));
        let before = buckets.read();
        assert_eq!(before.since(&before).quantile(0.99), None);
        (0..98).for_each(|_| buckets.count(Duration::from_millis(10)));
        (0..2).for_each(|_| buckets.count(Duration::from_secs(1)));
        let since = buckets.read().since(&before);
        let median = since.quantile(0.5).unwrap().as_secs_f64();
        let p99 = since.quantile(0.99).unwrap().as_secs_f64();
        assert_eq!(since.count(), 100);
        assert!((0.008..0.012).contains(&median), "{median}");
        assert!((0.8..1.2).contains(&p99), "{p99}");
    }
}
