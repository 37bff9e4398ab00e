//! Owns a session: what the host asks of a connection, as tasks for its thread.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::pool::Pool;
use super::statement::{self, Allowed, Channel, Failure, Nowhere};
use super::tables;
use super::worker::{Pending, Worker};
use crate::sql::backend::{Bound, Fault, FaultKind, Rows, Session, Step};
use crate::sql::plan::Load;
use crate::sql::shape::ColumnShape;
use crate::sql::value::{Column, Row};

/// So many batches wait between the connection and whoever takes its rows: enough that neither waits for the other at every
/// batch, and few enough that rows do not pile up.
const BATCHES: usize = 2;

/// A connection that is taken from the pool, and goes back to it.
#[derive(Debug)]
pub struct SqliteSession {
    /// None only while it is being dropped.
    worker: Option<Worker>,
    permit: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
}

/// What came of a statement of any kind.
#[derive(Debug)]
pub struct Ran<'a> {
    /// Its rows; no columns where it answers none.
    pub rows: Rows<'a>,
    /// How many rows it has changed, told at its end.
    pub affected: oneshot::Receiver<u64>,
}

impl SqliteSession {
    pub(super) fn new(worker: Worker, permit: OwnedSemaphorePermit, pool: Arc<Pool>) -> Self {
        Self { worker: Some(worker), permit: Some(permit), pool }
    }

    /// Runs a statement of any kind that may come from outside, or, where it is told so, of none that writes.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub async fn run(&mut self, bound: Bound<'_>, is_reading: bool) -> Result<Ran<'_>, Fault> {
        self.stream(bound, if is_reading { Allowed::Reading } else { Allowed::All }).await
    }

    async fn stream(&mut self, bound: Bound<'_>, allowed: Allowed) -> Result<Ran<'_>, Fault> {
        let Bound { sql, params, due } = bound;
        let (sql, params) = (sql.to_owned(), params.to_vec());
        let (tells_columns, columns) = oneshot::channel();
        let (batches, taken) = mpsc::channel(BATCHES);
        let (tells_affected, affected) = oneshot::channel();
        let mut running = self.worker()?.run(due, move |seat| {
            let mut channel = Channel { columns: Some(tells_columns), batches };
            let changed = statement::run(seat, &sql, &params, allowed, &mut channel)?;
            // Whoever wants to know still listens.
            let _ = tells_affected.send(changed);
            Ok(())
        });
        // Whoever tells the columns is gone when the statement has ended, so this waits for the one or the other.
        let columns = match tokio::time::timeout_at(due.into(), columns).await {
            Ok(Ok(columns)) => columns,
            _ => match running.outcome(Some(due)).await? {
                // It ended without having told its columns, which only one that is cut off does.
                Ok(()) => return Err(Fault::new(FaultKind::Lost, "the statement was cut off")),
                Err(fault) => return Err(fault),
            },
        };
        Ok(Ran { rows: Rows { columns, batches: batches_of(taken, running, due) }, affected })
    }

    fn worker(&mut self) -> Result<&mut Worker, Fault> {
        self.worker.as_mut().ok_or_else(|| Fault::new(FaultKind::Lost, "the session is over"))
    }
}

/// The rows as they come, and then the failure that the statement ended with. Dropped, it ends the statement.
fn batches_of(
    taken: mpsc::Receiver<Vec<Row>>,
    running: Pending<Result<(), Fault>>,
    due: Instant,
) -> BoxStream<'static, Result<Vec<Row>, Fault>> {
    let batches = stream::unfold(Some((taken, running)), move |state| async move {
        let (mut taken, mut running) = state?;
        match tokio::time::timeout_at(due.into(), taken.recv()).await {
            Ok(Some(batch)) => Some((Ok(batch), Some((taken, running)))),
            Ok(None) => match running.outcome(Some(due)).await {
                Ok(Ok(())) => None,
                Ok(Err(fault)) | Err(fault) => Some((Err(fault), None)),
            },
            Err(_) => Some((Err(Fault::new(FaultKind::TimedOut, "its rows were not taken in time")), None)),
        }
    });
    batches.boxed()
}

impl Session for SqliteSession {
    fn query<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<Rows<'a>, Fault>> {
        Box::pin(async move { Ok(self.stream(bound, Allowed::Reading).await?.rows) })
    }

    fn execute<'a>(&'a mut self, bound: Bound<'a>) -> BoxFuture<'a, Result<u64, Fault>> {
        Box::pin(async move {
            let Bound { sql, params, due } = bound;
            let (sql, params) = (sql.to_owned(), params.to_vec());
            let task = move |seat: &mut _| statement::run(seat, &sql, &params, Allowed::All, &mut Nowhere);
            self.worker()?.run(due, task).outcome(Some(due)).await?
        })
    }

    fn transact(&mut self, step: Step, due: Instant) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async move {
            let task = move |seat: &mut super::worker::Seat| seat.transact(step);
            self.worker()?.run(due, task).outcome(Some(due)).await?
        })
    }

    fn load<'a>(
        &'a mut self,
        load: &'a Load,
        columns: &'a [Column],
        rows: Vec<Row>,
        due: Instant,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(async move {
            if columns.len() != load.columns.len() {
                let message = format!("{} columns for {}, not {}", columns.len(), load.name, load.columns.len());
                return Err(Fault::new(FaultKind::Statement, message));
            }
            // Types and collations are those of `load`: SQLite has no others.
            let load = load.clone();
            self.worker()?.run(due, move |seat| tables::load(seat, &load, &rows)).outcome(Some(due)).await?
        })
    }

    fn shape<'a>(&'a mut self, table: &'a str, due: Instant) -> BoxFuture<'a, Result<Vec<ColumnShape>, Fault>> {
        Box::pin(async move {
            let table = table.to_owned();
            self.worker()?.run(due, move |seat| tables::shape(seat, &table)).outcome(Some(due)).await?
        })
    }
}

impl super::worker::Seat {
    /// A step of a transaction. It takes the writer's place at once: one that had read before could not be sure to get it.
    fn transact(&mut self, step: Step) -> Result<(), Fault> {
        let wrong = |message| Err(Fault::new(FaultKind::Statement, message));
        let text = match (step, self.in_transaction) {
            (Step::Begin | Step::Snapshot, true) => return wrong("there is a transaction already"),
            (Step::Commit | Step::Rollback, false) => return wrong("there is no transaction"),
            (Step::Begin, false) => "BEGIN IMMEDIATE",
            (Step::Snapshot, false) => "BEGIN DEFERRED",
            (Step::Commit, true) => "COMMIT",
            (Step::Rollback, true) => "ROLLBACK",
        };
        if step != Step::Rollback {
            self.check()?;
        }
        // A failure may have taken it back already.
        let is_back = step == Step::Rollback && self.connection.is_autocommit();
        if !is_back {
            let done = self.guard.own(|| self.connection.execute_batch(text));
            done.map_err(|error| Failure::from(error).into_fault(self))?;
        }
        self.in_transaction = matches!(step, Step::Begin | Step::Snapshot);
        if step == Step::Rollback {
            self.loaded.clear();
        }
        Ok(())
    }
}

impl Drop for SqliteSession {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
            // Another may have its place once the connection can be had again, or is closed.
            worker.retire(move |worker| {
                pool.keep(worker);
                drop(permit);
            });
        }
    }
}
