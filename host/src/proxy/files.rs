//! The file descriptors that the process may have, and how many clients that bears. A connection is a descriptor, and the
//! request on it takes another one towards an endpoint; what is left over is for the admin API, checks and files, so that
//! a flood of clients takes nothing from them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of the descriptors, an eighth is kept back: for listeners, the admin API, checks, the runtimes' own, and files ...
const RESERVED_SHARE: u64 = 8;
/// ... and at least so many: about what a process of some workers has open before the first client comes ...
const LEAST_RESERVE: u64 = 64;
/// ... and at most so many, since the need does not grow with the limit.
const MOST_RESERVE: u64 = 1024;

/// With fewer than these there is no use in serving; a limit so low shows in the log.
const LEAST_CLIENTS: u64 = 8;

/// How many client connections there may be over all listeners. Cloned, it is the same budget.
#[derive(Clone, Debug)]
pub struct ClientBudget {
    open: Arc<AtomicUsize>,
    limit: usize,
}

impl Default for ClientBudget {
    /// No limit.
    fn default() -> Self {
        Self { open: Arc::default(), limit: usize::MAX }
    }
}

impl ClientBudget {
    /// Raises the process's limit of descriptors as far as it may go by itself, and says how many clients that bears.
    pub fn claim() -> Self {
        let before = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: before.maximum, maximum: before.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
        let files = getrlimit(Resource::Nofile).current;
        let clients = files.map_or(u64::MAX, clients_within);
        let budget = Self { open: Arc::default(), limit: usize::try_from(clients).unwrap_or(usize::MAX) };
        tracing::info!(
            files,
            before = before.current,
            clients,
            "open files allowed, and the client connections they bear"
        );
        budget
    }

    /// How many there may be.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Counts one more, if there is room for it.
    pub(super) fn enter(&self) -> Option<Counted> {
        Counted::below(&self.open, self.limit)
    }
}

/// The clients for which so many descriptors are enough.
fn clients_within(files: u64) -> u64 {
    let reserve = (files / RESERVED_SHARE).clamp(LEAST_RESERVE, MOST_RESERVE);
    (files.saturating_sub(reserve) / 2).max(LEAST_CLIENTS)
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
    fn each_client_has_two_descriptors_and_a_reserve_is_kept() {
        for (files, clients) in [(0, 8), (64, 8), (256, 96), (1024, 448), (65_536, 32_256), (1 << 20, 523_776)] {
            assert_eq!(clients_within(files), clients, "{files}");
        }
    }

    #[test]
    fn what_is_over_the_limit_is_not_counted() {
        let budget = ClientBudget { limit: 1, ..ClientBudget::default() };
        let first = budget.enter();
        assert!(first.is_some() && budget.enter().is_none());
        drop(first);
        assert!(budget.enter().is_some());
    }
}
