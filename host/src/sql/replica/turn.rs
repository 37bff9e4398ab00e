//! Owns a write on its way: its turn, its place in the log, and waiting until it is acknowledged.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{MutexGuard, oneshot, watch};
use tokio::time::{Instant as Clock, timeout_at};

use super::log::{Entry, LogError, Outcome, Position};
use super::shared::Shared;
use super::tally::{Rows, Told};

/// A write that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledged {
    /// Its place in the log.
    pub position: Position,
    /// Rows that each statement changed; none where only that it was done is known.
    pub affected: Vec<u64>,
    /// What its statements have answered with; none where none was to, or it was too much to be kept.
    pub rows: Option<Rows>,
    /// The nodes that have it by now.
    pub nodes: Vec<String>,
}

/// Why a write was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The databases refused it: nothing was changed.
    #[error("{message}")]
    Refused {
        /// Its place in the log.
        position: Position,
        /// What kind of error.
        class: String,
        /// What they said.
        message: String,
    },
    /// Too few nodes are up: nothing was done.
    #[error("{up} of {nodes} nodes are up, and a write needs {needed}")]
    TooFew {
        /// Nodes that are up.
        up: usize,
        /// Nodes that must be.
        needed: usize,
        /// Nodes there are.
        nodes: usize,
    },
    /// Another proxy writes now: nothing was done.
    #[error("another writer, of epoch {0}, has taken over")]
    Fenced(u64),
    /// The log is older than what the nodes hold: nothing was done.
    #[error("{0}")]
    Older(String),
    /// The log failed.
    #[error("{0}")]
    Log(LogError),
    /// It was not acknowledged in time. It is in the log, or may be, and will then be done.
    #[error("not acknowledged in time{}; it may be done yet", at(.position))]
    Late {
        /// Its place, if it is known.
        position: Option<Position>,
    },
    /// This is ending. The write may be done yet.
    #[error("the proxy is ending; the write may be done yet")]
    Ending,
}

fn at(position: &Option<Position>) -> String {
    position.map_or_else(String::new, |position| format!(" (it is entry {position} of the log)"))
}

/// The turn to write. Held while a statement is made the same for all nodes, and given back when its entry has its place.
pub struct Turn<'a> {
    shared: &'a Arc<Shared>,
    under_way: &'a watch::Sender<usize>,
    _guard: MutexGuard<'a, ()>,
}

impl<'a> Turn<'a> {
    pub(super) fn new(shared: &'a Arc<Shared>, under_way: &'a watch::Sender<usize>, guard: MutexGuard<'a, ()>) -> Self {
        Self { shared, under_way, _guard: guard }
    }

    /// Waits until all that was written before is durable; answers the last entry. A node that has that has all there is to
    /// be seen by what is decided in this turn.
    ///
    /// # Errors
    /// Where it is not in time.
    pub async fn last(&self, due: Instant) -> Result<Position, WriteError> {
        let mut under_way = self.under_way.subscribe();
        let quiet = timeout_at(Clock::from_std(due), under_way.wait_for(|count| *count == 0)).await;
        quiet.map_err(|_| WriteError::Late { position: None })?.map_err(|_| WriteError::Ending)?;
        Ok(self.shared.journal.durable())
    }

    /// Gives an entry its place, and the turn to the next.
    ///
    /// # Errors
    /// Where it has none; nothing was done.
    pub async fn submit(self, entry: Entry, ids: &[(String, i64)]) -> Result<Submitted, WriteError> {
        let durable = self.shared.journal.submit(entry, ids).await.map_err(WriteError::Log)?;
        let (placed, place) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let shared = Arc::clone(self.shared);
        let under_way = self.under_way.clone();
        under_way.send_modify(|count| *count += 1);
        // Of its own: an entry that is in the log has to be known here, whether its client stays or not.
        tokio::spawn(async move {
            let done = durable.await;
            under_way.send_modify(|count| *count = count.saturating_sub(1));
            if let Ok(position) = &done {
                shared.with(|board, _| board.wait(*position, tell));
            }
            // Who waited may have left.
            let _ = placed.send(done);
        });
        Ok(Submitted { place, told })
    }
}

/// An entry that has its place.
#[must_use = "it is not acknowledged yet"]
pub struct Submitted {
    place: oneshot::Receiver<Result<Position, LogError>>,
    told: oneshot::Receiver<Told>,
}

impl Submitted {
    /// Waits until it is acknowledged.
    ///
    /// # Errors
    /// Where it is not in time, or was refused.
    pub async fn acknowledged(self, due: Instant) -> Result<Acknowledged, WriteError> {
        let due = Clock::from_std(due);
        let position = match timeout_at(due, self.place).await {
            Err(_) => return Err(WriteError::Late { position: None }),
            Ok(Err(_)) => return Err(WriteError::Ending),
            Ok(Ok(placed)) => placed.map_err(WriteError::Log)?,
        };
        match timeout_at(due, self.told).await {
            Err(_) => Err(WriteError::Late { position: Some(position) }),
            Ok(Err(_)) => Err(WriteError::Ending),
            Ok(Ok(Told { outcome: Outcome::Refused { class, message }, .. })) => {
                Err(WriteError::Refused { position, class, message })
            }
            Ok(Ok(Told { outcome: Outcome::Applied { affected }, rows, nodes })) => {
                Ok(Acknowledged { position, affected, rows, nodes })
            }
        }
    }
}
