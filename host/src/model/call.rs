//! How long calls into plugins take: counted by size, so that a percentile can be told. Written by whoever calls, read by
//! the control side; atomics, since each count stands for itself.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the histograms of calls in nanoseconds; a last bucket takes the rest. From a tenth of a microsecond, what
/// the shortest pick takes, to a tenth of a second, what a call is given at most unless the configuration says otherwise.
pub const CALL_TIME_BOUNDS_NS: [u64; 14] =
    [100, 200, 400, 700, 1_000, 2_000, 5_000, 10_000, 50_000, 200_000, 1_000_000, 5_000_000, 20_000_000, 100_000_000];

const BUCKETS: usize = CALL_TIME_BOUNDS_NS.len() + 1;

/// The times of the calls of one kind.
#[derive(Debug, Default)]
pub struct CallTimes {
    buckets: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
}

/// The times at one moment; readings add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallReading {
    /// By `CALL_TIME_BOUNDS_NS`.
    pub buckets: [u64; BUCKETS],
    /// Nanoseconds together.
    pub sum_ns: u64,
}

impl CallTimes {
    /// Counts a call.
    pub fn add(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(CALL_TIME_BOUNDS_NS.partition_point(|bound| *bound < ns)) {
            bucket.fetch_add(1, Relaxed);
            self.sum_ns.fetch_add(ns, Relaxed);
        }
    }

    /// The times now.
    pub fn read(&self) -> CallReading {
        CallReading {
            buckets: std::array::from_fn(|at| self.buckets.get(at).map_or(0, |bucket| bucket.load(Relaxed))),
            sum_ns: self.sum_ns.load(Relaxed),
        }
    }
}

impl std::ops::AddAssign for CallReading {
    fn add_assign(&mut self, other: Self) {
        self.sum_ns += other.sum_ns;
        for (sum, more) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_their_time_and_the_last_bucket_has_no_end() {
        let times = CallTimes::default();
        for ns in [1, 100, 101, 100_000_000, 999_000_000] {
            times.add(Duration::from_nanos(ns));
        }
        let mut read = times.read();
        read += times.read();
        assert_eq!((read.buckets[0], read.buckets[1], read.buckets[13], read.buckets[14]), (4, 2, 2, 2));
        assert_eq!(read.sum_ns, 2 * (1 + 100 + 101 + 100_000_000 + 999_000_000));
    }
}
