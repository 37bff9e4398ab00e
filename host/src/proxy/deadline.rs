//! A deadline that moves with every step and seldom passes. Moving it later costs a store: the timer stays armed at the
//! earlier moment, and is armed anew only when it goes off too soon.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// A deadline of one task.
pub(super) struct Deadline {
    due: Cell<Instant>,
    armed: Cell<Instant>,
    /// The task is registered with the timer, so that polling it again is not needed.
    registered: Cell<bool>,
    sleep: RefCell<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) fn new(due: Instant) -> Self {
        Self {
            due: Cell::new(due),
            armed: Cell::new(due),
            registered: Cell::new(false),
            sleep: RefCell::new(Box::pin(tokio::time::sleep_until(due.into()))),
        }
    }

    /// Moves it.
    pub(super) fn set(&self, due: Instant) {
        self.due.set(due);
    }

    /// Ready when it has passed. Always to be polled by the same task.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.due.get();
        let mut sleep = self.sleep.borrow_mut();
        if due < self.armed.get() {
            self.arm(&mut sleep, due);
        }
        if self.registered.get() && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                self.registered.set(true);
                return Poll::Pending;
            }
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            self.arm(&mut sleep, due);
        }
    }

    fn arm(&self, sleep: &mut Pin<Box<Sleep>>, due: Instant) {
        sleep.as_mut().reset(due.into());
        self.armed.set(due);
        self.registered.set(false);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_passes_where_it_was_moved_to() {
        let start = Instant::now();
        let deadline = Deadline::new(start + Duration::from_secs(60));
        deadline.set(start + Duration::from_millis(5));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert!(start.elapsed() >= Duration::from_millis(5));
        deadline.set(start + Duration::from_millis(40));
        poll_fn(|cx| deadline.poll(cx)).await;
        assert!(start.elapsed() >= Duration::from_millis(40));
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
