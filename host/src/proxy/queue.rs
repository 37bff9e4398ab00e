//! Requests that wait because every endpoint has as many as it may. Bounded over all workers; whoever ends wakes the one
//! that waits longest, which picks again. The queue for the cluster as a whole is `cluster::Capacity`'s.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Two that end on other workers at the same moment may wake one only: whoever waits looks again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The queue of a cluster.
#[derive(Debug, Default)]
pub(super) struct EndpointQueue {
    waiting: AtomicU32,
    freed: Notify,
}

/// A request in the queue; leaves it on drop.
pub(super) struct Queued<'a>(&'a EndpointQueue);

impl EndpointQueue {
    /// A place in the queue, if fewer than so many wait.
    pub(super) fn enter(&self, most: u32) -> Option<Queued<'_>> {
        let one_more = |waiting: u32| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Queued(self))
    }

    /// A request at an endpoint with a limit has ended.
    pub(super) fn free(&self) {
        if self.waiting.load(Relaxed) > 0 {
            self.freed.notify_one();
        }
    }
}

impl Queued<'_> {
    /// Returns when there may be room.
    pub(super) async fn turn(&self) {
        // What was freed since the last look is not missed: it is kept for the first that asks.
        let _ = timeout(LOOK_AGAIN, self.0.freed.notified()).await;
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
