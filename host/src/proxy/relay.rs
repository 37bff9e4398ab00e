//! How a connection to an endpoint is driven from within the task of the request that uses it.
//!
//! hyper means a connection to be a task of its own and wakes it through channels. Driven inside the request's task, such
//! a wake-up would only poll the same task again. So hyper is polled with a waker that raises a flag (`Flag`), which the
//! driver looks at before it goes to sleep, and only the socket and the request's body get the task's own waker (`Relay`).

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};

/// Raised when something inside the connection can go on.
#[derive(Debug, Default)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn lower(&self) {
        self.0.store(false, Relaxed);
    }

    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// The waker of the task that uses the connection now.
#[derive(Debug)]
pub(super) struct Relay(RefCell<Waker>);

impl Relay {
    pub(super) fn new() -> Self {
        Self(RefCell::new(Waker::noop().clone()))
    }

    /// From now on this task is woken.
    pub(super) fn aim(&self, cx: &Context<'_>) {
        let mut waker = self.0.borrow_mut();
        if !waker.will_wake(cx.waker()) {
            *waker = cx.waker().clone();
        }
    }

    /// Polls something on behalf of the task.
    pub(super) fn with<R>(&self, poll: impl FnOnce(&mut Context<'_>) -> R) -> R {
        let waker = self.0.borrow();
        poll(&mut Context::from_waker(&waker))
    }
}
