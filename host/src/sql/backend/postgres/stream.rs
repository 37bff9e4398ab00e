//! Owns a statement that is under way: rows in batches while the server sends them, and cancelling it when nobody waits for
//! them any more.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::stream::{self, BoxStream, Stream};
use futures_util::{FutureExt, StreamExt};
use tokio_postgres::{Error, RowStream, Statement};

use super::bind;
use super::decode::{Decoder, decoders};
use super::fault;
use super::link::Link;
use super::shape;
use crate::sql::backend::lease::{BATCH_BYTES, BATCH_ROWS, Transaction};
use crate::sql::backend::{Bound, Fault, FaultKind, ROW_BYTES, Rows, reach};
use crate::sql::dialect::Dialect;
use crate::sql::value::Row;

/// A request to the server. Dropped before its end, it has the server stop.
pub(super) struct Flight<'a> {
    pub(super) link: &'a mut Link,
    due: Instant,
    is_over: bool,
}

impl<'a> Flight<'a> {
    pub(super) fn new(link: &'a mut Link, due: Instant) -> Self {
        Self { link, due, is_over: false }
    }

    /// The answer has been read to its end.
    pub(super) fn land(&mut self) {
        self.is_over = true;
    }

    /// The server has refused.
    pub(super) fn fail(&mut self, error: &Error) -> Fault {
        let fault = fault::statement(error, self.due);
        if fault.kind == FaultKind::Lost {
            self.link.spoil();
        }
        self.link.note_failure();
        self.is_over = true;
        fault
    }

    /// Waits for the server until it is due.
    pub(super) async fn within<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Link) -> Result<T, Failure>,
    ) -> Result<T, Fault> {
        match tokio::time::timeout_at(self.due.into(), work(self.link)).await {
            Err(_) => Err(Fault::late()),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(Failure::Server(error))) => Err(self.fail(&error)),
            // Nothing of it was sent.
            Ok(Err(Failure::Own(fault))) => {
                self.land();
                Err(fault)
            }
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.link.untangle();
        }
    }
}

/// Why a statement did not start.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server or the way to it.
    Server(Error),
    /// It was not sent.
    Own(Fault),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Server(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Own(fault)
    }
}

/// Runs a statement whose rows are wanted.
pub(super) async fn query<'a>(link: &'a mut Link, bound: Bound<'_>) -> Result<Rows<'a>, Fault> {
    link.ready(bound.due).await?;
    let mut flight = Flight::new(link, bound.due);
    let (statement, rows) = flight.within(async |link| start(link, bound, true, open).await).await?;
    let columns = statement.columns().iter().map(shape::column).collect();
    let decoders = decoders(&statement)?;
    let streaming = Streaming { rows: Box::pin(rows), decoders, flight };
    Ok(Rows { columns, batches: batches(streaming) })
}

/// Runs a statement for its effect.
pub(super) async fn execute(link: &mut Link, bound: Bound<'_>) -> Result<u64, Fault> {
    link.ready(bound.due).await?;
    let mut flight = Flight::new(link, bound.due);
    let (_, touched) = flight.within(async |link| start(link, bound, false, effect).await).await?;
    flight.land();
    Ok(touched)
}

async fn open(link: &mut Link, statement: &Statement, bound: Bound<'_>) -> Result<RowStream, Failure> {
    decoders(statement)?;
    let params = bind::params(bound.params, statement.params())?;
    let prologue = link.prologue(bound.due, true);
    let client = Arc::clone(&link.client);
    Ok(link.ahead(prologue, client.query_raw(statement, params)).await?)
}

async fn effect(link: &mut Link, statement: &Statement, bound: Bound<'_>) -> Result<u64, Failure> {
    let params = bind::params(bound.params, statement.params())?;
    let prologue = link.prologue(bound.due, false);
    let client = Arc::clone(&link.client);
    Ok(link.ahead(prologue, client.execute_raw(statement, params)).await?)
}

/// Prepares and sends; once more where the prepared statement had grown old, which the server says before it does anything.
async fn start<T>(
    link: &mut Link,
    bound: Bound<'_>,
    read_only: bool,
    send: impl AsyncFn(&mut Link, &Statement, Bound<'_>) -> Result<T, Failure>,
) -> Result<(Statement, T), Failure> {
    if bound.sql.trim().is_empty() {
        return Err(Fault::new(FaultKind::Statement, "the statement is empty").into());
    }
    // What is prepared was let through before.
    if link.prepared(bound.sql).is_none() {
        reach::check(bound.sql)?;
    }
    if reach::may_stain(bound.sql, Dialect::Postgres) {
        link.stain();
    }
    let statement = link.prepare(bound.sql, bound.due, read_only).await?;
    match send(link, &statement, bound).await {
        Err(Failure::Server(error)) if fault::is_stale(&error) => {
            link.unprepare(bound.sql);
            if link.transaction != Transaction::None {
                return Err(Failure::Server(error));
            }
            let statement = link.prepare(bound.sql, bound.due, read_only).await?;
            let sent = send(link, &statement, bound).await?;
            Ok((statement, sent))
        }
        Ok(sent) => Ok((statement, sent)),
        Err(failure) => Err(failure),
    }
}

/// Rows on their way.
struct Streaming<'a> {
    rows: Pin<Box<RowStream>>,
    decoders: Vec<Decoder>,
    flight: Flight<'a>,
}

impl Drop for Streaming<'_> {
    /// Where the rest has come already, there is nothing to cancel.
    fn drop(&mut self) {
        for _ in 0..BATCH_ROWS {
            if self.flight.is_over {
                return;
            }
            match self.rows.next().now_or_never() {
                Some(None) => self.flight.land(),
                Some(Some(Ok(_))) => {}
                Some(Some(Err(error))) => drop(self.flight.fail(&error)),
                None => return,
            }
        }
    }
}

impl Streaming<'_> {
    /// The next rows: as many as have come, at least one; none at the end.
    async fn batch(&mut self) -> Result<Vec<Row>, Fault> {
        let due = self.flight.due.into();
        tokio::time::timeout_at(due, poll_fn(|cx| self.poll_batch(cx))).await.map_err(|_| Fault::late())?
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<Row>, Fault>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            match self.rows.as_mut().poll_next(cx) {
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(None) => {
                    self.flight.land();
                    break;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.flight.fail(&error))),
                Poll::Ready(Some(Ok(row))) => {
                    let length = row.raw_size_bytes();
                    if length > ROW_BYTES {
                        return Poll::Ready(Err(Fault::long_row()));
                    }
                    bytes += length;
                    batch.push(row_of(&self.decoders, &row)?);
                }
            }
        }
        Poll::Ready(Ok(batch))
    }
}

fn row_of(decoders: &[Decoder], row: &tokio_postgres::Row) -> Result<Row, Fault> {
    let mut values = Vec::with_capacity(decoders.len());
    for (index, decoder) in decoders.iter().enumerate() {
        values.push(decoder.value(row, index)?);
    }
    Ok(values)
}

fn batches(streaming: Streaming<'_>) -> BoxStream<'_, Result<Vec<Row>, Fault>> {
    Box::pin(stream::unfold(Some(streaming), async |streaming| {
        let mut streaming = streaming?;
        match streaming.batch().await {
            Ok(batch) if batch.is_empty() => None,
            Ok(batch) => {
                let rest = (!streaming.flight.is_over).then_some(streaming);
                Some((Ok(batch), rest))
            }
            Err(fault) => Some((Err(fault), None)),
        }
    }))
}
