//! How a connection to an endpoint is driven from within the task of the request that uses it.
//!
//! hyper means a connection to be a task of its own and wakes it through channels. Driven inside the request's task, such
//! a wake-up would only poll the same task again. So hyper is polled with a waker that raises a flag (`Flag`), which the
//! driver looks at before it goes to sleep, and only the socket and the request's body get the task's own waker (`Relay`).

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
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

/// Stands between the socket and the task that uses the connection now. The socket always knows the same waker, so that
/// nothing has to be registered anew for the next task, and what it woke is noted: a connection whose socket did not stir
/// while it was idle is as it was left.
pub(super) struct Relay {
    stirred: Arc<Stirred>,
    waker: Waker,
}

#[derive(Debug)]
struct Stirred {
    noted: AtomicBool,
    task: Mutex<Waker>,
}

impl Stirred {
    fn stir(&self) {
        self.noted.store(true, Relaxed);
        self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

impl Wake for Stirred {
    fn wake(self: Arc<Self>) {
        self.stir();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.stir();
    }
}

impl Relay {
    pub(super) fn new() -> Self {
        let stirred = Arc::new(Stirred { noted: AtomicBool::new(false), task: Mutex::new(Waker::noop().clone()) });
        Self { waker: Waker::from(Arc::clone(&stirred)), stirred }
    }

    /// From now on this task is woken.
    pub(super) fn aim(&self, waker: &Waker) {
        let mut task = self.stirred.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.will_wake(waker) {
            task.clone_from(waker);
        }
    }

    /// Polls something on behalf of the task.
    pub(super) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Whether anything woke the task since the connection was last driven.
    pub(super) fn has_stirred(&self) -> bool {
        self.stirred.noted.load(Relaxed)
    }

    /// The connection is about to be driven: what woke it so far is answered by that.
    pub(super) fn settle(&self) {
        self.stirred.noted.store(false, Relaxed);
    }
}
