//! Requests that wait because every endpoint has as many as it may. Bounded over all workers, first come, first served:
//! only the first in the line looks for room, when a request ended. The queue for the cluster as a whole is
//! `cluster::Capacity`'s.

use std::time::Duration;

use super::line::{Line, Waiting};

/// Room also comes with a new endpoint, or one that is sound again, of which nobody tells: the first looks again after
/// this time.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The queue of a cluster.
#[derive(Debug, Default)]
pub(super) struct EndpointQueue(Line);

/// A request in the queue; leaves it on drop.
pub(super) struct Queued<'a>(Waiting<'a>);

impl EndpointQueue {
    /// Whether anybody waits.
    pub(super) fn is_in_use(&self) -> bool {
        self.0.waiting() > 0
    }

    /// A place in the queue, if fewer than so many wait.
    pub(super) fn enter(&self, most: u32) -> Option<Queued<'_>> {
        self.0.enter(most).map(Queued)
    }

    /// A request at an endpoint with a limit has ended.
    pub(super) fn free(&self) {
        if self.is_in_use() {
            self.0.free();
        }
    }
}

impl Queued<'_> {
    /// What `look` finds, which is asked when it is this request's turn and there may be room.
    pub(super) async fn wait<T>(&self, look: impl FnMut() -> Option<T>) -> T {
        self.0.served(LOOK_AGAIN, look).await
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
