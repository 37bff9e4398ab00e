//! Owns reading a log's file: records in order, each held against its checksum and its place in the chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Transaction};

use super::{storage_error, write};
use crate::sql::replica::log::encode::{self, Head, Sum};
use crate::sql::replica::log::{Entry, Kind, LogError, NodeMark, Outcome, Position, Reader, Record};

/// An end of the chain: a position with its checksum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) position: Position,
    pub(super) sum: Sum,
}

/// Reads beside the writer.
pub(super) struct SqliteReader(pub(super) Connection);

impl Reader for SqliteReader {
    fn read(&mut self, after: Position, most: usize, bytes: usize) -> Result<Vec<Record>, LogError> {
        // One transaction, so that what is read is of one moment.
        let transaction = self.0.transaction().map_err(storage_error)?;
        let link = link(&transaction, after)?;
        let (mut records, mut size) = (Vec::new(), 0);
        walk(&transaction, link, |raw| {
            let statements = encode::read_statements(raw.statements).map_err(|_| raw.corrupt("its statements"))?;
            let entry = Entry { statements, kind: raw.head.kind, moment: raw.head.moment };
            size += entry.bytes();
            records.push(Record { position: raw.head.position, epoch: raw.head.epoch, entry: Arc::new(entry) });
            Ok(records.len() < most && size < bytes)
        })?;
        Ok(records)
    }

    fn outcomes(&mut self, after: Position, through: Position) -> Result<BTreeMap<Position, Outcome>, LogError> {
        let mut statement = self
            .0
            .prepare(
                "SELECT position, sum, outcome, outcome_sum FROM entries
                 WHERE position > ?1 AND position <= ?2 AND outcome IS NOT NULL",
            )
            .map_err(storage_error)?;
        let range = (after.0.cast_signed(), through.0.cast_signed());
        let mut rows = statement.query(range).map_err(storage_error)?;
        let mut outcomes = BTreeMap::new();
        while let Some(row) = rows.next().map_err(storage_error)? {
            let position = position(row)?;
            let corrupt = LogError::Corrupt { position, why: "the checksum of its outcome" };
            let [sum, text, outcome_sum] = [1, 2, 3].map(|column| bytes(row, column));
            let (Some(sum), Some(text), Some(expected)) = (sum, text, outcome_sum) else { return Err(corrupt) };
            if encode::outcome_sum(sum, text) != expected {
                return Err(corrupt);
            }
            let outcome = encode::read_outcome(text).map_err(|_| LogError::Corrupt { position, why: "its outcome" })?;
            outcomes.insert(position, outcome);
        }
        Ok(outcomes)
    }

    fn nodes(&mut self) -> Result<BTreeMap<String, NodeMark>, LogError> {
        let mark = |row: &Row<'_>| {
            let watermark = Position(row.get::<_, i64>(1)?.cast_unsigned());
            Ok((row.get(0)?, NodeMark { watermark, state: row.get(2)? }))
        };
        all(&self.0, "SELECT name, watermark, state FROM nodes", mark)
    }

    fn counters(&mut self) -> Result<BTreeMap<String, i64>, LogError> {
        all(&self.0, "SELECT name, next FROM counters", |row| Ok((row.get(0)?, row.get(1)?)))
    }
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    pair: impl FnMut(&Row<'_>) -> rusqlite::Result<(String, T)>,
) -> Result<BTreeMap<String, T>, LogError> {
    let mut statement = connection.prepare(sql).map_err(storage_error)?;
    let pairs = statement.query_map([], pair).map_err(storage_error)?;
    pairs.collect::<Result<_, _>>().map_err(storage_error)
}

/// A record as it lies there.
pub(super) struct Raw<'a> {
    head: Head,
    statements: &'a [u8],
}

impl Raw<'_> {
    fn corrupt(&self, why: &'static str) -> LogError {
        LogError::Corrupt { position: self.head.position, why }
    }
}

/// Where the chain is at a position: the checksum of its record.
fn link(transaction: &Transaction<'_>, at: Position) -> Result<Link, LogError> {
    let trimmed = write::about(transaction)?.trimmed;
    if at < trimmed.position {
        return Err(LogError::Trimmed(trimmed.position));
    }
    if at == trimmed.position {
        return Ok(trimmed);
    }
    let sum = write::sum_at(transaction, at)?;
    sum.map(|sum| Link { position: at, sum }).ok_or(LogError::Corrupt { position: at, why: "it is not there" })
}

/// Hands over the records after a link of the chain, each checked, while it is told to go on; the last one is the one
/// that the log says is the last.
pub(super) fn walk(
    transaction: &Transaction<'_>,
    from: Link,
    mut each: impl FnMut(Raw<'_>) -> Result<bool, LogError>,
) -> Result<(), LogError> {
    let mut statement = transaction
        .prepare(
            "SELECT position, epoch, kind, moment, statements, sum FROM entries WHERE position > ?1 ORDER BY position",
        )
        .map_err(storage_error)?;
    let mut rows = statement.query([from.position.0.cast_signed()]).map_err(storage_error)?;
    let mut last = from;
    while let Some(row) = rows.next().map_err(storage_error)? {
        let expected = last.position.next();
        if position(row)? != expected {
            return Err(LogError::Corrupt { position: expected, why: "it is not there" });
        }
        let corrupt = |why| LogError::Corrupt { position: expected, why };
        let kind = match bytes(row, 2) {
            Some(b"change") => Kind::Change,
            Some(b"schema") => Kind::Schema,
            _ => return Err(corrupt("its kind")),
        };
        let epoch = row.get::<_, i64>(1).map_err(storage_error)?.cast_unsigned();
        let moment = row.get(3).map_err(storage_error)?;
        let head = Head { position: expected, epoch, kind, moment };
        let statements = bytes(row, 4).ok_or_else(|| corrupt("its statements"))?;
        let sum = encode::sum(&last.sum, head, statements);
        if bytes(row, 5) != Some(sum.as_slice()) {
            return Err(corrupt("its checksum"));
        }
        last = Link { position: expected, sum };
        if !each(Raw { head, statements })? {
            return Ok(());
        }
    }
    let end = write::about(transaction)?.last;
    if (last.position, last.sum) == (end.position, end.sum) {
        return Ok(());
    }
    Err(LogError::Corrupt { position: last.position.next(), why: "it is not there, or not what was last written" })
}

fn position(row: &Row<'_>) -> Result<Position, LogError> {
    Ok(Position(row.get::<_, i64>(0).map_err(storage_error)?.cast_unsigned()))
}

/// The bytes of a column, of whatever type: what is checked is what lies there.
fn bytes<'a>(row: &'a Row<'_>, column: usize) -> Option<&'a [u8]> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => Some(bytes),
        _ => None,
    }
}
