//! A line of those who wait for the same thing, over all workers: first come, first served, and only the first looks
//! whether it is there. Knows nothing of what is waited for.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    waiting: AtomicU32,
    /// The place at its head.
    head: Semaphore,
    freed: Notify,
}

/// A place in the line; left on drop.
pub(super) struct Waiting<'a>(&'a Line);

impl Default for Line {
    fn default() -> Self {
        Self { waiting: AtomicU32::new(0), head: Semaphore::new(1), freed: Notify::new() }
    }
}

impl Line {
    /// How many wait.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// A place in the line, if fewer than so many wait.
    pub(super) fn enter(&self, most: u32) -> Option<Waiting<'_>> {
        let one_more = |waiting: u32| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Waiting(self))
    }

    /// What is waited for may be there.
    pub(super) fn free(&self) {
        self.freed.notify_one();
    }
}

impl Waiting<'_> {
    /// What `look` finds, which is asked at the head of the line: at once, whenever something was freed, and after this
    /// time all the same, since not everything that makes room tells of it.
    pub(super) async fn served<T>(&self, look_again: Duration, mut look: impl FnMut() -> Option<T>) -> T {
        // It is never closed.
        let _head = self.0.head.acquire().await;
        loop {
            if let Some(found) = look() {
                return found;
            }
            // What was freed since is not missed: it is kept for the first that asks.
            let _ = timeout(look_again, self.0.freed.notified()).await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
