//! Seats: the places where strategies sit. Each worker has one seat for each cluster. The control side builds strategies
//! and sends them to their seats; a worker handles what is sent between two requests, so nothing is locked.
//!
//! A change of version takes two steps. Every worker installs the new strategy, keeps the old one aside and answers
//! whether the state was carried over; then all are told to keep the new one or to go back.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::figures::SeatFigures;
use super::selector::Selector;
use super::strategy::Strategy;
use crate::model::{Carried, ClusterName, Fault, ImportError, SeatHolder};

/// A strategy that is ready to sit.
pub struct Seat {
    /// Who it is.
    pub holder: SeatHolder,
    /// The instance.
    pub strategy: Box<dyn Strategy>,
    /// Where its work is counted.
    pub figures: Arc<SeatFigures>,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("holder", &self.holder).finish_non_exhaustive()
    }
}

/// What the control side tells a worker about a seat.
#[derive(Debug)]
pub enum SeatCommand {
    /// Seat a strategy; keep the one before aside until `Keep` or `GoBack`.
    Install {
        /// Whose seat.
        cluster: ClusterName,
        /// The strategy.
        seat: Seat,
        /// Answers with whether state was carried over; on an error the seat is as it was.
        reply: oneshot::Sender<Result<Carried, ImportError>>,
    },
    /// Seat a strategy if the seat is empty: after a failure.
    Refill {
        /// Whose seat.
        cluster: ClusterName,
        /// The strategy.
        seat: Seat,
    },
    /// Drop what was kept aside.
    Keep(ClusterName),
    /// Take back what was kept aside.
    GoBack(ClusterName),
}

impl SeatCommand {
    /// Whose seat it is about.
    pub fn cluster(&self) -> &ClusterName {
        match self {
            Self::Install { cluster, .. }
            | Self::Refill { cluster, .. }
            | Self::Keep(cluster)
            | Self::GoBack(cluster) => cluster,
        }
    }

    /// Does it.
    pub fn carry_out(self, selector: &mut Selector) {
        match self {
            Self::Install { seat, reply, .. } => {
                // Nobody waits for the answer any more: the change will be settled all the same.
                let _ = reply.send(selector.install(seat));
            }
            Self::Refill { seat, .. } => selector.refill(seat),
            Self::Keep(_) => selector.keep(),
            Self::GoBack(_) => selector.go_back(),
        }
    }
}

/// A worker lost the strategy of a seat and serves by fallback.
#[derive(Debug)]
pub struct SeatLost {
    /// The worker, counted from 0.
    pub worker: usize,
    /// The seat.
    pub cluster: ClusterName,
    /// Who sat there.
    pub holder: SeatHolder,
    /// Why.
    pub fault: Fault,
}

/// The way from the control side to the seats of all workers.
#[derive(Clone, Debug)]
pub struct Seats {
    workers: Vec<mpsc::UnboundedSender<SeatCommand>>,
}

impl Seats {
    /// The way to workers with these mailboxes, in the order of their numbers.
    pub fn new(workers: Vec<mpsc::UnboundedSender<SeatCommand>>) -> Self {
        Self { workers }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Sends a strategy to one worker's seat and waits for the answer. A worker that is gone, or does not have the
    /// cluster any more, has no seat to fill: that is no error.
    pub async fn install(&self, worker: usize, cluster: &ClusterName, seat: Seat) -> Result<Carried, ImportError> {
        let Some(mailbox) = self.workers.get(worker) else { return Ok(Carried::Nothing) };
        let (reply, answer) = oneshot::channel();
        let sent = mailbox.send(SeatCommand::Install { cluster: cluster.clone(), seat, reply });
        match sent {
            Ok(()) => answer.await.unwrap_or(Ok(Carried::Nothing)),
            Err(_) => Ok(Carried::Nothing),
        }
    }

    /// Sends a strategy to one worker's seat, for the case that it is empty.
    pub fn refill(&self, worker: usize, cluster: &ClusterName, seat: Seat) {
        if let Some(mailbox) = self.workers.get(worker) {
            // A worker that is gone has no seat to fill.
            let _ = mailbox.send(SeatCommand::Refill { cluster: cluster.clone(), seat });
        }
    }

    /// Ends a change: all workers keep what was installed, or go back to what sat there before.
    pub fn settle(&self, cluster: &ClusterName, keep: bool) {
        for mailbox in &self.workers {
            let command = if keep { SeatCommand::Keep(cluster.clone()) } else { SeatCommand::GoBack(cluster.clone()) };
            // A worker that is gone has nothing to settle.
            let _ = mailbox.send(command);
        }
    }
}
