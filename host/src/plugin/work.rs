//! What the instances of one component take, all of them together: how many there are, the memory that they hold, and the
//! time of every kind of call but a pick, which its seat counts. Nothing here is written while a request is routed, but for
//! one outcome in so many; memory is counted when it grows, which a limiter is told, and never looked up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use wasmtime::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};

use crate::config::PluginLimits;
use crate::model::{CallReading, CallTimes};

/// A kind of call into a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Who it is.
    Describe,
    /// Here is its configuration.
    Configure,
    /// There are other candidates.
    CandidatesChanged,
    /// What became of a request.
    OnOutcome,
    /// What it makes of an endpoint.
    Judge,
    /// What it knows.
    ExportState,
    /// What the version before knew.
    ImportState,
}

impl Call {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Describe,
        Self::Configure,
        Self::CandidatesChanged,
        Self::OnOutcome,
        Self::Judge,
        Self::ExportState,
        Self::ImportState,
    ];

    /// As the contract calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Configure => "configure",
            Self::CandidatesChanged => "candidates-changed",
            Self::OnOutcome => "on-outcome",
            Self::Judge => "judge",
            Self::ExportState => "export-state",
            Self::ImportState => "import-state",
        }
    }
}

/// What instances take.
#[derive(Debug, Default)]
pub struct Work {
    instances: AtomicUsize,
    memory: AtomicUsize,
    peak: AtomicUsize,
    calls: [Calls; Call::ALL.len()],
}

#[derive(Debug, Default)]
struct Calls {
    made: AtomicU64,
    times: CallTimes,
}

/// What instances take at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkReading {
    /// Instances that there are, those that are tried out included.
    pub instances: usize,
    /// Bytes of linear memory that they hold.
    pub memory: usize,
    /// The most that they have held at a time.
    pub peak: usize,
    /// Calls that were made, and the times of those that were timed.
    pub calls: Vec<(Call, u64, CallReading)>,
}

impl Work {
    /// What they take now.
    pub fn read(&self) -> WorkReading {
        let calls = Call::ALL.into_iter().zip(&self.calls);
        WorkReading {
            instances: self.instances.load(Relaxed),
            memory: self.memory.load(Relaxed),
            peak: self.peak.load(Relaxed),
            calls: calls.map(|(call, of)| (call, of.made.load(Relaxed), of.times.read())).collect(),
        }
    }

    /// Calls of one kind were made.
    pub(super) fn made(&self, call: Call, count: u64) {
        if let Some(of) = self.calls.get(call as usize) {
            of.made.fetch_add(count, Relaxed);
        }
    }

    /// One call took so long.
    pub(super) fn timed(&self, call: Call, took: Duration) {
        if let Some(of) = self.calls.get(call as usize) {
            of.times.add(took);
        }
    }
}

/// What one instance may use, and a count of what it does use: given back when it is dropped.
#[derive(Debug)]
pub(super) struct Meter {
    limits: StoreLimits,
    work: Arc<Work>,
    held: usize,
    /// What was last allowed, in case that it cannot be had.
    allowed: usize,
}

impl Meter {
    /// Of one more instance.
    pub(super) fn new(limits: &PluginLimits, work: Arc<Work>) -> Self {
        let limits = StoreLimitsBuilder::new()
            .memory_size(limits.memory_bytes)
            .table_elements(limits.table_elements)
            .trap_on_grow_failure(false)
            .build();
        work.instances.fetch_add(1, Relaxed);
        Self { limits, work, held: 0, allowed: 0 }
    }

    fn give_back(&mut self, bytes: usize) {
        self.held -= bytes;
        self.work.memory.fetch_sub(bytes, Relaxed);
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allow = self.limits.memory_growing(current, desired, maximum)?;
        self.allowed = if allow { desired.saturating_sub(current) } else { 0 };
        self.held += self.allowed;
        let before = self.work.memory.fetch_add(self.allowed, Relaxed);
        self.work.peak.fetch_max(before + self.allowed, Relaxed);
        Ok(allow)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        let allowed = std::mem::take(&mut self.allowed);
        self.give_back(allowed);
        self.limits.memory_grow_failed(error)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        self.limits.table_growing(current, desired, maximum)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.limits.table_grow_failed(error)
    }

    fn instances(&self) -> usize {
        self.limits.instances()
    }

    fn tables(&self) -> usize {
        self.limits.tables()
    }

    fn memories(&self) -> usize {
        self.limits.memories()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.give_back(self.held);
        self.work.instances.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_counted_as_it_grows_and_given_back_at_the_end() {
        let work = Arc::new(Work::default());
        let limits = PluginLimits { memory_bytes: 1_000, ..PluginLimits::default() };
        let (mut one, mut other) = (Meter::new(&limits, Arc::clone(&work)), Meter::new(&limits, Arc::clone(&work)));
        assert!(one.memory_growing(0, 600, None).unwrap() && other.memory_growing(0, 300, None).unwrap());
        assert!(!one.memory_growing(600, 1_001, None).unwrap(), "more than it may use");
        assert!(other.memory_growing(300, 800, None).unwrap());
        other.memory_grow_failed(wasmtime::Error::msg("there is none")).unwrap();
        let read = work.read();
        assert_eq!((read.instances, read.memory, read.peak), (2, 900, 1_400));
        drop(one);
        assert_eq!((work.read().instances, work.read().memory), (1, 300));
        drop(other);
        assert_eq!((work.read().instances, work.read().memory, work.read().peak), (0, 0, 1_400));
    }

    #[test]
    fn every_kind_of_call_has_a_place_of_its_own() {
        let work = Work::default();
        for (nth, call) in (1..).zip(Call::ALL) {
            work.made(call, nth);
            work.timed(call, Duration::from_nanos(nth));
        }
        for (nth, (call, made, times)) in (1..).zip(work.read().calls) {
            assert_eq!((made, times.sum_ns), (nth, nth), "{call:?}");
        }
    }
}
