//! What came of the checks: what policies are told of them, and what operators are.

use std::time::{Duration, SystemTime};

use super::check::CheckError;
use crate::model::EndpointName;

/// Upper bounds of the check-time histogram in microseconds; a last bucket takes the rest. As far as timeouts usually go.
pub const CHECK_TIME_BOUNDS_US: [u64; 10] =
    [500, 1_000, 2_500, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000];

const BUCKETS: usize = CHECK_TIME_BOUNDS_US.len() + 1;

/// The checks of one endpoint so far, by what is asked now: another question begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Probes {
    pub(super) ok: u32,
    pub(super) failed: u32,
    pub(super) ok_in_a_row: u32,
    pub(super) failed_in_a_row: u32,
}

impl Probes {
    /// Counts a check; tells whether it came out otherwise than the one before, or is the first.
    pub(super) fn count(&mut self, good: bool) -> bool {
        let (total, row, other) = match good {
            true => (&mut self.ok, &mut self.ok_in_a_row, &mut self.failed_in_a_row),
            false => (&mut self.failed, &mut self.failed_in_a_row, &mut self.ok_in_a_row),
        };
        *total = total.wrapping_add(1);
        *row = row.saturating_add(1);
        *other = 0;
        *row == 1
    }

    /// How many succeeded and failed after an earlier reading.
    pub(super) fn since(&self, earlier: &Self) -> (u32, u32) {
        // Fewer than before: they were begun anew meanwhile.
        let since = |now: u32, before: u32| now.checked_sub(before).unwrap_or(now);
        (since(self.ok, earlier.ok), since(self.failed, earlier.failed))
    }
}

/// The last check of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCheck {
    /// When it was over.
    pub at: SystemTime,
    /// What came of it.
    pub result: Result<(), CheckError>,
}

/// The checks of an endpoint since it joined, as operators see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReading {
    /// Which endpoint.
    pub endpoint: EndpointName,
    /// Checks that succeeded.
    pub ok: u64,
    /// Checks that failed.
    pub failed: u64,
    /// The time that they took, by `CHECK_TIME_BOUNDS_US`.
    pub times: [u64; BUCKETS],
    /// Microseconds that they took together.
    pub time_us: u64,
    /// The last one.
    pub last: Option<LastCheck>,
}

impl std::ops::AddAssign<&Self> for CheckReading {
    fn add_assign(&mut self, other: &Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.times.iter_mut().zip(other.times).for_each(|(sum, count)| *sum += count);
        self.time_us += other.time_us;
    }
}

impl CheckReading {
    pub(super) fn of(endpoint: EndpointName) -> Self {
        Self { endpoint, ok: 0, failed: 0, times: [0; BUCKETS], time_us: 0, last: None }
    }

    pub(super) fn count(&mut self, result: Result<(), CheckError>, took: Duration) {
        match result {
            Ok(()) => self.ok += 1,
            Err(_) => self.failed += 1,
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = CHECK_TIME_BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(bucket) = self.times.get_mut(at) {
            *bucket += 1;
        }
        self.time_us = self.time_us.saturating_add(us);
        self.last = Some(LastCheck { at: SystemTime::now(), result });
    }
}
