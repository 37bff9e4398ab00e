//! Owns the connections to one database: how many there may be, which are free, and when they are closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::database::Database;
use super::session::SqliteSession;
use super::worker::Worker;
use crate::sql::backend::{Fault, FaultKind};

/// How long a connection that nobody uses is kept: longer than the gaps of usual traffic, and short enough that a file that is
/// no node any more is let go of.
const IDLE: Duration = Duration::from_secs(60);

/// The connections to one database.
#[derive(Debug)]
pub(super) struct Pool {
    database: Database,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Worker>>,
    /// How many idle ones are kept.
    kept: usize,
}

impl Pool {
    /// At most so many connections.
    pub(super) fn new(database: Database, connections: usize) -> Self {
        let connections = connections.clamp(1, Semaphore::MAX_PERMITS);
        Self { database, free: Arc::new(Semaphore::new(connections)), idle: Mutex::default(), kept: connections }
    }

    /// As many connections as are asked for, of which so many are kept.
    pub(super) fn unlimited(database: Database, kept: usize) -> Self {
        Self { kept, ..Self::new(database, Semaphore::MAX_PERMITS) }
    }

    /// A session, as soon as there may be another.
    pub(super) async fn lease(self: Arc<Self>, due: Instant) -> Result<SqliteSession, Fault> {
        let free = Arc::clone(&self.free).acquire_owned();
        match tokio::time::timeout_at(due.into(), free).await {
            Ok(Ok(permit)) => self.opened(permit, Some(due)).await,
            _ => Err(Fault::new(FaultKind::Busy, "no connection was free in time")),
        }
    }

    /// A session at once, of a pool without a limit.
    pub(super) async fn open_now(self: Arc<Self>) -> Result<SqliteSession, Fault> {
        match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => self.opened(permit, None).await,
            Err(error) => Err(Fault::new(FaultKind::Busy, error.to_string())),
        }
    }

    async fn opened(
        self: Arc<Self>,
        permit: OwnedSemaphorePermit,
        due: Option<Instant>,
    ) -> Result<SqliteSession, Fault> {
        let idle = self.idle().pop();
        let worker = match idle {
            Some(worker) => worker,
            None => Worker::start(self.database.clone(), due).await?,
        };
        Ok(SqliteSession::new(worker, permit, self))
    }

    /// Takes a connection back that can be used again.
    pub(super) fn keep(&self, worker: Worker) {
        let mut idle = self.idle();
        if idle.len() < self.kept {
            idle.push(worker);
        }
    }

    /// Closes what nobody has used for a while.
    pub(super) fn close_idle(&self) {
        self.idle().retain(|worker| worker.idle_since.elapsed() < IDLE);
    }

    /// Whether it has no idle connection.
    pub(super) fn is_empty(&self) -> bool {
        self.idle().is_empty()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
