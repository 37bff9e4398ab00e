//! Owns the end of what a connection does: its deadline, that its client has left, and that it needs too much room. Asked by
//! SQLite itself while a statement runs, so that nothing has to be timed from outside; told by the sessions.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::InterruptHandle;

use super::room::Room;

/// Between two attempts to get a lock that another connection has.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// What one connection is at. Tasks are numbered, so that what ends one cannot hit the next.
#[derive(Default)]
pub(super) struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The task that is under way.
    task: u64,
    /// This task and all before it are not wanted any more.
    cancelled: u64,
    due: Option<Instant>,
    /// Stops what does not ask between its steps, such as counting a large table.
    handle: Option<InterruptHandle>,
    /// Where a statement has bounds.
    room: Option<Room>,
}

impl State {
    fn is_over(&self) -> bool {
        self.cancelled >= self.task || self.is_late() || self.is_full()
    }

    fn is_late(&self) -> bool {
        self.due.is_some_and(|due| Instant::now() >= due)
    }

    fn is_full(&self) -> bool {
        self.room.as_ref().is_some_and(Room::is_full)
    }
}

impl Watch {
    /// The connection that is watched from now on.
    pub(super) fn over(&self, handle: InterruptHandle) {
        self.state().handle = Some(handle);
    }

    /// Bounds what each task may write from now on; told by the thread of the connection.
    pub(super) fn bound(&self, room: Room) {
        self.state().room = Some(room);
    }

    /// A task begins; answers whether it still makes sense.
    pub(super) fn begin(&self, task: u64, due: Option<Instant>) -> bool {
        let mut state = self.state();
        (state.task, state.due) = (task, due);
        if let Some(room) = &mut state.room {
            room.begin();
        }
        !state.is_over()
    }

    /// A task has ended: nothing interrupts what comes behind it.
    pub(super) fn end(&self) {
        let mut state = self.state();
        (state.task, state.due) = (u64::MAX, None);
    }

    /// Nobody waits for this task any more.
    pub(super) fn cancel(&self, task: u64) {
        let mut state = self.state();
        state.cancelled = state.cancelled.max(task);
        if state.task == task
            && let Some(handle) = &state.handle
        {
            handle.interrupt();
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether the task under way is to stop.
    pub(super) fn is_over(&self) -> bool {
        let mut state = self.state();
        if let Some(room) = &mut state.room {
            room.look();
        }
        state.is_over()
    }

    /// Whether the deadline of the task under way has passed.
    pub(super) fn is_late(&self) -> bool {
        self.state().is_late()
    }

    /// Whether the task under way has written more than it may.
    pub(super) fn is_full(&self) -> bool {
        self.state().is_full()
    }

    /// Waits a little, as long as the task makes sense; answers whether it does.
    pub(super) fn pause(&self) -> bool {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, LOCK_PAUSE, |state| !state.is_over());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !state.is_over()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
