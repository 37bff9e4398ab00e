//! Requests that wait because every endpoint has as many as it may. Bounded over all workers, first come, first served:
//! only the first in the line looks for room, when a request ended. The queue for the cluster as a whole is
//! `cluster::Capacity`'s.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

/// Room also comes with a new endpoint, or one that is sound again, of which nobody tells: the first looks again after
/// this time.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The queue of a cluster.
#[derive(Debug)]
pub(super) struct EndpointQueue {
    waiting: AtomicU32,
    /// Only the first in the line looks for room.
    line: Semaphore,
    freed: Notify,
}

/// A request in the queue; leaves it on drop.
pub(super) struct Queued<'a>(&'a EndpointQueue);

impl Default for EndpointQueue {
    fn default() -> Self {
        Self { waiting: AtomicU32::new(0), line: Semaphore::new(1), freed: Notify::new() }
    }
}

impl EndpointQueue {
    /// Whether anybody waits: whoever comes now has to wait behind them.
    pub(super) fn is_in_use(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    /// A place in the queue, if fewer than so many wait.
    pub(super) fn enter(&self, most: u32) -> Option<Queued<'_>> {
        let one_more = |waiting: u32| (waiting < most).then_some(waiting + 1);
        self.waiting.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Queued(self))
    }

    /// A request at an endpoint with a limit has ended.
    pub(super) fn free(&self) {
        if self.is_in_use() {
            self.freed.notify_one();
        }
    }
}

impl Queued<'_> {
    /// What `look` finds, which is asked when it is this request's turn and there may be room.
    pub(super) async fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        // The line is never closed.
        let _first = self.0.line.acquire().await;
        loop {
            if let Some(found) = look() {
                return found;
            }
            // What was freed since is not missed: it is kept for the first that asks.
            let _ = timeout(LOOK_AGAIN, self.0.freed.notified()).await;
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn they_are_served_as_they_came_and_only_the_first_looks() {
        let (queue, room) = (Rc::new(EndpointQueue::default()), Rc::new(Cell::new(0_u32)));
        let (looks, served) = (Rc::new(Cell::new(0_u32)), Rc::new(RefCell::new(Vec::new())));
        let tasks = LocalSet::new();
        for nth in 0..100_u32 {
            let (queue, room) = (Rc::clone(&queue), Rc::clone(&room));
            let (looks, served) = (Rc::clone(&looks), Rc::clone(&served));
            tasks.spawn_local(async move {
                let look = || {
                    looks.set(looks.get() + 1);
                    room.get().checked_sub(1).map(|left| room.set(left))
                };
                queue.enter(100).unwrap().wait(look).await;
                served.borrow_mut().push(nth);
            });
        }
        let driven = async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(queue.is_in_use() && queue.enter(100).is_none());
            assert!((2..=25).contains(&looks.get()), "{}", looks.get());
            // Two that end at once wake one, who lets the next look.
            room.set(100);
            queue.free();
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(!queue.is_in_use());
        };
        tasks.run_until(driven).await;
        assert_eq!(*served.borrow(), (0..100).collect::<Vec<_>>());
    }
}
