//! Owns a statement that is under way: rows in batches while the server sends them, and killing it when nobody waits for them
//! any more.

use std::time::Instant;

use futures_util::FutureExt;
use futures_util::stream::{self, BoxStream};
use mysql_async::prelude::Queryable;
use mysql_async::{BinaryProtocol, Error, QueryResult};

use super::decode::{Decoder, decoders};
use super::link::{Link, sound};
use super::{bind, fault, places, shape};
use crate::sql::backend::lease::{BATCH_BYTES, BATCH_ROWS};
use crate::sql::backend::{Bound, Fault, FaultKind, ROW_BYTES, Rows, reach};
use crate::sql::dialect::Dialect;
use crate::sql::value::Row;

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Sent; the driver cannot be interrupted here and go on.
    Asked,
    /// Its rows come.
    Answered,
    /// Read to its end.
    Over,
}

/// A request to the server. Dropped before its end, it has the server stop.
pub(super) struct Flight<'a> {
    pub(super) link: &'a mut Link,
    due: Instant,
    stage: Stage,
}

impl<'a> Flight<'a> {
    pub(super) fn new(link: &'a mut Link, due: Instant) -> Self {
        Self { link, due, stage: Stage::Asked }
    }

    /// The answer has been read to its end.
    pub(super) fn land(&mut self) {
        self.stage = Stage::Over;
    }

    /// The server has refused, or the connection is broken.
    pub(super) fn fail(&mut self, error: &Error) -> Fault {
        let fault = fault::statement(error, self.due);
        if fault.kind == FaultKind::Lost {
            self.link.lose();
        }
        self.link.note_failure();
        self.stage = Stage::Over;
        fault
    }

    /// Sends texts of our own that answer nothing.
    pub(super) async fn say(&mut self, text: Option<String>) -> Result<(), Fault> {
        let Some(text) = text else { return Ok(()) };
        let due = self.due;
        let conn = self.link.conn()?;
        match tokio::time::timeout_at(due.into(), conn.query_drop(text)).await {
            Err(_) => Err(Fault::late()),
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                self.link.forget_settings();
                Err(self.fail(&error))
            }
        }
    }

    /// Runs a statement with parameters; rows, if any, are still to be read.
    pub(super) async fn run(&mut self, sql: &str, params: mysql_async::Params) -> Result<(), Fault> {
        let due = self.due;
        let conn = self.link.conn()?;
        match tokio::time::timeout_at(due.into(), conn.exec_iter(sql, params)).await {
            Err(_) => Err(Fault::late()),
            Ok(Ok(_)) => {
                self.stage = Stage::Answered;
                Ok(())
            }
            Ok(Err(error)) => Err(self.fail(&error)),
        }
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Asked => self.link.abandon(),
            Stage::Answered => self.link.untangle(),
            Stage::Over => {}
        }
    }
}

/// Runs a statement whose rows are wanted.
pub(super) async fn query<'a>(link: &'a mut Link, bound: Bound<'_>) -> Result<Rows<'a>, Fault> {
    let mut flight = start(link, bound, true).await?;
    let facts = std::sync::Arc::clone(&flight.link.facts);
    let described = answer(&mut flight)?.columns();
    let described = described.as_deref().unwrap_or_default();
    let columns = described.iter().map(|column| shape::column(column, &facts)).collect();
    let decoders = decoders(described, &facts)?;
    if decoders.is_empty() {
        flight.land();
    }
    Ok(Rows { columns, batches: batches(Streaming { decoders, flight }) })
}

/// Runs a statement for its effect.
pub(super) async fn execute(link: &mut Link, bound: Bound<'_>) -> Result<u64, Fault> {
    let mut flight = start(link, bound, false).await?;
    let due = bound.due.into();
    let result = answer(&mut flight)?;
    let touched = result.affected_rows();
    match tokio::time::timeout_at(due, result.drop_result()).await {
        Err(_) => Err(Fault::late()),
        Ok(Err(error)) => Err(flight.fail(&error)),
        Ok(Ok(())) => {
            flight.land();
            Ok(touched)
        }
    }
}

async fn start<'a>(link: &'a mut Link, bound: Bound<'_>, read_only: bool) -> Result<Flight<'a>, Fault> {
    let (sql, params) = places::in_order(bound)?;
    let bound = Bound { sql: &sql, params: &params, ..bound };
    link.ready(bound.due).await?;
    sound(link)?;
    if bound.sql.trim().is_empty() {
        return Err(Fault::new(FaultKind::Statement, "the statement is empty"));
    }
    reach::check(bound.sql)?;
    if reach::may_stain(bound.sql, Dialect::MySql) {
        link.stain();
    }
    let text = bind::verbatim(bound.sql)?;
    let is_insert = !read_only && bind::is_plain_insert(bound.sql);
    let mut flight = Flight::new(link, bound.due);
    let taken = flight.prepare(&text, read_only).await?;
    let params = match bind::params(bound.params, taken, is_insert) {
        Ok(params) => params,
        Err(fault) => {
            flight.land();
            return Err(fault);
        }
    };
    flight.run(&text, params).await?;
    Ok(flight)
}

impl Flight<'_> {
    /// Prepares a statement, or finds it prepared; how many parameters it takes.
    async fn prepare(&mut self, sql: &str, read_only: bool) -> Result<usize, Fault> {
        let prologue = self.link.prologue(self.due, read_only);
        self.say(prologue).await?;
        let due = self.due;
        let conn = self.link.conn()?;
        match tokio::time::timeout_at(due.into(), conn.prep(sql)).await {
            Err(_) => Err(Fault::late()),
            Ok(Ok(statement)) => Ok(usize::from(statement.num_params())),
            Ok(Err(error)) => Err(self.fail(&error)),
        }
    }
}

fn answer<'r>(flight: &'r mut Flight<'_>) -> Result<QueryResult<'r, 'static, BinaryProtocol>, Fault> {
    Ok(QueryResult::new(flight.link.conn()?))
}

/// Rows on their way.
struct Streaming<'a> {
    decoders: Vec<Decoder>,
    flight: Flight<'a>,
}

impl Drop for Streaming<'_> {
    /// Where the rest has come already, there is nothing to kill.
    fn drop(&mut self) {
        for _ in 0..BATCH_ROWS {
            if self.flight.stage != Stage::Answered {
                return;
            }
            let came = match answer(&mut self.flight) {
                Ok(mut result) => result.next().now_or_never(),
                Err(_) => return,
            };
            match came {
                Some(Ok(None)) => self.flight.land(),
                Some(Ok(Some(_))) => {}
                Some(Err(error)) => drop(self.flight.fail(&error)),
                None => return,
            }
        }
    }
}

impl Streaming<'_> {
    /// The next rows: as many as have come, at least one; none at the end.
    async fn batch(&mut self) -> Result<Vec<Row>, Fault> {
        let due = self.flight.due.into();
        let mut result = answer(&mut self.flight)?;
        let mut next = tokio::time::timeout_at(due, result.next()).await.map_err(|_| Fault::late())?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        loop {
            match next {
                Ok(None) => {
                    self.flight.land();
                    return Ok(batch);
                }
                Err(error) => return Err(self.flight.fail(&error)),
                Ok(Some(row)) => batch.push(row_of(&self.decoders, row, &mut bytes)?),
            }
            if batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
                return Ok(batch);
            }
            match answer(&mut self.flight)?.next().now_or_never() {
                Some(came) => next = came,
                None => return Ok(batch),
            }
        }
    }
}

fn row_of(decoders: &[Decoder], row: mysql_async::Row, bytes: &mut usize) -> Result<Row, Fault> {
    let values = row.unwrap_raw();
    if values.len() != decoders.len() {
        return Err(Fault::new(FaultKind::Unsupported, "a row has not as many values as there are columns"));
    }
    let length = |value: &Option<mysql_async::Value>| match value {
        Some(mysql_async::Value::Bytes(text)) => text.len(),
        _ => 0,
    };
    if values.iter().map(length).sum::<usize>() > ROW_BYTES {
        return Err(Fault::long_row());
    }
    let each = decoders.iter().zip(values);
    each.map(|(decoder, value)| decoder.value(value.unwrap_or(mysql_async::Value::NULL), bytes)).collect()
}

fn batches(streaming: Streaming<'_>) -> BoxStream<'_, Result<Vec<Row>, Fault>> {
    let open = (streaming.flight.stage == Stage::Answered).then_some(streaming);
    Box::pin(stream::unfold(open, async |streaming| {
        let mut streaming = streaming?;
        match streaming.batch().await {
            Ok(batch) if batch.is_empty() => None,
            Ok(batch) => {
                let rest = (streaming.flight.stage == Stage::Answered).then_some(streaming);
                Some((Ok(batch), rest))
            }
            Err(fault) => Some((Err(fault), None)),
        }
    }))
}
