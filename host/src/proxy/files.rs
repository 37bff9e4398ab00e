//! The file descriptors that the process may have, and how many connections that bears: after a reserve, one half for
//! those of clients and one for those to endpoints. Each side is held to its half, since a client of HTTP/2 has many
//! requests under way at endpoints, and a pool keeps connections that nobody uses. So no flood, of whichever kind, takes
//! anything from the admin API, checks and files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of the descriptors, an eighth is kept back: for listeners, the admin API, checks, the runtimes' own, and files ...
const RESERVED_SHARE: u64 = 8;
/// ... and at least so many: about what a process of some workers has open before the first client comes ...
const LEAST_RESERVE: u64 = 64;
/// ... and at most so many, since the need does not grow with the limit.
const MOST_RESERVE: u64 = 1024;

/// With fewer than these on each side there is no use in serving; a limit so low shows in the log.
const LEAST: u64 = 8;

/// How many connections there may be on each side, over all workers. Cloned, it is the same budget.
#[derive(Clone, Debug)]
pub struct FileBudget {
    clients: Arc<AtomicUsize>,
    endpoints: Arc<AtomicUsize>,
    /// Requests that wait because the endpoints' half is used up.
    wanting: Arc<AtomicUsize>,
    limit: usize,
}

impl Default for FileBudget {
    /// No limit.
    fn default() -> Self {
        Self::bearing(usize::MAX)
    }
}

impl FileBudget {
    /// Raises the process's limit of descriptors as far as it may go by itself, and says how many connections that bears.
    pub fn claim() -> Self {
        let before = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: before.maximum, maximum: before.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
        let files = getrlimit(Resource::Nofile).current;
        let half = files.map_or(u64::MAX, half_of);
        tracing::info!(
            files,
            before = before.current,
            clients = half,
            "open files allowed, and the client connections they bear"
        );
        Self::bearing(usize::try_from(half).unwrap_or(usize::MAX))
    }

    /// So many on each side.
    pub(super) fn bearing(limit: usize) -> Self {
        Self { clients: Arc::default(), endpoints: Arc::default(), wanting: Arc::default(), limit }
    }

    /// How many there may be on each side.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Counts one more of a client, if there is room for it.
    pub(super) fn client(&self) -> Option<Counted> {
        Counted::below(&self.clients, self.limit)
    }

    /// Counts one more to an endpoint, if there is room for it.
    pub(super) fn endpoint(&self) -> Option<Counted> {
        Counted::below(&self.endpoints, self.limit)
    }

    /// Says that a connection to an endpoint is waited for, until this is dropped.
    pub(super) fn want(&self) -> Counted {
        self.wanting.fetch_add(1, Relaxed);
        Counted(Arc::clone(&self.wanting))
    }

    /// Whether connections to endpoints are waited for: those that nobody uses are to be closed.
    pub(super) fn is_short(&self) -> bool {
        self.wanting.load(Relaxed) > 0
    }
}

/// The connections of one side for which so many descriptors are enough.
fn half_of(files: u64) -> u64 {
    let reserve = (files / RESERVED_SHARE).clamp(LEAST_RESERVE, MOST_RESERVE);
    (files.saturating_sub(reserve) / 2).max(LEAST)
}

/// One of something that is counted; taken back on drop.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// Counts one more, if it stays within a limit.
    pub(super) fn below(count: &Arc<AtomicUsize>, limit: usize) -> Option<Self> {
        let counted = Self(Arc::clone(count));
        (count.fetch_add(1, Relaxed) < limit).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_have_the_same_and_a_reserve_is_kept() {
        for (files, half) in [(0, 8), (64, 8), (256, 96), (1024, 448), (65_536, 32_256), (1 << 20, 523_776)] {
            assert_eq!(half_of(files), half, "{files}");
        }
    }

    #[test]
    fn what_is_over_the_limit_is_not_counted() {
        let budget = FileBudget::bearing(1);
        let (client, endpoint) = (budget.client(), budget.endpoint());
        assert!(client.is_some() && endpoint.is_some(), "each side has its own");
        assert!(budget.client().is_none() && budget.endpoint().is_none());
        drop((client, endpoint));
        assert!(budget.client().is_some() && budget.endpoint().is_some());
    }

    #[test]
    fn it_is_short_for_as_long_as_somebody_waits() {
        let budget = FileBudget::bearing(1);
        let waits = budget.want();
        assert!(budget.is_short());
        drop(waits);
        assert!(!budget.is_short());
    }
}
