//! Owns the one lock around the [`Board`], and carries out what it leaves to be done: events, answers to clients, and waking
//! whoever waits for a change. Never held across an await.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::time::Instant as Clock;

use super::board::Board;
use super::journal::Journal;
use super::slot::Outbox;
use crate::model::{Change, ClusterName, EndpointName, Events, ReplicaChange, Work, WorkKind};

/// What the appliers, the keeper and the handle share.
pub(super) struct Shared {
    board: Mutex<Board>,
    pub(super) journal: Arc<dyn Journal>,
    /// Something of what is known has changed.
    changed: Notify,
    /// There is something to note in the log.
    pub(super) to_note: Notify,
    events: Events,
    cluster: ClusterName,
    names: Vec<EndpointName>,
}

impl Shared {
    pub(super) fn new(
        board: Board,
        journal: Arc<dyn Journal>,
        (events, cluster): (Events, ClusterName),
        names: Vec<EndpointName>,
    ) -> Self {
        Self {
            board: Mutex::new(board),
            journal,
            changed: Notify::new(),
            to_note: Notify::new(),
            events,
            cluster,
            names,
        }
    }

    /// Reads or changes what is known.
    pub(super) fn with<T>(&self, run: impl FnOnce(&mut Board, Instant) -> T) -> T {
        let now = Clock::now().into_std();
        let durable = self.journal.durable();
        let (done, out) = {
            let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
            board.last = board.last.max(durable);
            let done = run(&mut board, now);
            (done, std::mem::take(&mut board.out))
        };
        self.carry_out(out);
        done
    }

    /// Waits until what is known is as it should be.
    pub(super) async fn until<T>(&self, mut check: impl FnMut(&mut Board, Instant) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(found) = self.with(&mut check) {
                return found;
            }
            changed.await;
        }
    }

    /// A node follows a later writer.
    pub(super) fn fenced(&self, node: usize, epoch: u64) {
        let is_news = self.with(|board, _| {
            board.out.changed = true;
            board.fenced.replace(epoch).is_none()
        });
        if is_news {
            let cause = format!("it follows a writer of epoch {epoch}: this one must not write any more");
            self.tell(node, ReplicaChange::Fenced, cause);
        }
    }

    fn carry_out(&self, out: Outbox) {
        for (waiter, told) in out.told {
            // Who waited may have left.
            let _ = waiter.send(told);
        }
        for (node, notice) in out.notices {
            self.tell(node, notice.change, notice.cause);
        }
        if out.to_note {
            self.to_note.notify_one();
        }
        if out.changed {
            self.changed.notify_waiters();
        }
    }

    /// Tells operators that something begins that takes its time: with one node, or with all.
    pub(super) fn work(&self, kind: WorkKind, node: Option<usize>, unit: &'static str) -> Work {
        let node = node.and_then(|node| self.names.get(node));
        let subject = node.map_or_else(|| self.cluster.to_string(), |node| format!("{}/{node}", self.cluster));
        self.events.works().begin(kind, subject, unit)
    }

    /// Tells operators something of a node.
    pub(super) fn tell(&self, node: usize, change: ReplicaChange, cause: String) {
        self.events.tell(&self.cluster, self.names.get(node), Change::Replica(change), cause);
    }
}
