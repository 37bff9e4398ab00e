//! Owns what a transaction of the writer does to the tables.

use rusqlite::{OptionalExtension as _, Transaction};

use super::read::Link;
use super::storage_error;
use crate::sql::replica::log::encode::{self, Head, Sum};
use crate::sql::replica::log::{Changes, Identity, Kind, LogError, NodeMark, Outcome, Position, Record};

/// Entries that are removed in one transaction: a few milliseconds, for which appends wait.
const TRIM_AT_ONCE: u64 = 2_000;

/// What the log says of itself.
pub(super) struct About {
    pub(super) identity: Identity,
    pub(super) epoch: u64,
    pub(super) trimmed: Link,
    pub(super) last: Link,
}

/// Reads what the log says of itself.
pub(super) fn about(transaction: &Transaction<'_>) -> Result<About, LogError> {
    let sql = "SELECT identity, epoch, trimmed, trimmed_sum, last, last_sum FROM log";
    let mut statement = transaction.prepare(sql).map_err(storage_error)?;
    let about = statement.query_row([], |row| {
        let link = |position: &str, sum: &str| -> rusqlite::Result<Link> {
            Ok(Link { position: Position(row.get::<_, i64>(position)?.cast_unsigned()), sum: row.get(sum)? })
        };
        Ok(About {
            identity: Identity(row.get("identity")?),
            epoch: row.get::<_, i64>("epoch")?.cast_unsigned(),
            trimmed: link("trimmed", "trimmed_sum")?,
            last: link("last", "last_sum")?,
        })
    });
    about.map_err(storage_error)
}

/// Writes everything but what is removed; the last link of the chain then.
pub(super) fn write(transaction: &Transaction<'_>, changes: &Changes, last: Link) -> Result<Link, LogError> {
    let end = append(transaction, &changes.records, last)?;
    if end.position != last.position {
        execute(transaction, "UPDATE log SET last = ?1, last_sum = ?2", (end.position.0.cast_signed(), end.sum))?;
    }
    if changes.forget {
        execute(transaction, "DELETE FROM counters", ())?;
    }
    for (name, next) in &changes.counters {
        let sql = "INSERT INTO counters VALUES (?1, ?2) ON CONFLICT DO UPDATE SET next = max(next, excluded.next)";
        execute(transaction, sql, (name, next))?;
    }
    for (position, outcome) in &changes.outcomes {
        settle(transaction, *position, outcome)?;
    }
    for (name, mark) in &changes.marks {
        match mark {
            Some(NodeMark { watermark, state }) => {
                let sql = "INSERT OR REPLACE INTO nodes VALUES (?1, ?2, ?3)";
                execute(transaction, sql, (name, watermark.0.cast_signed(), state))?;
            }
            None => execute(transaction, "DELETE FROM nodes WHERE name = ?1", [name])?,
        }
    }
    Ok(end)
}

fn append(transaction: &Transaction<'_>, records: &[Record], mut last: Link) -> Result<Link, LogError> {
    let sql = "INSERT INTO entries (position, epoch, kind, moment, statements, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = transaction.prepare(sql).map_err(storage_error)?;
    for Record { position, epoch, entry } in records {
        if *position != last.position.next() {
            return Err(LogError::Storage(format!("position {position} does not follow {}", last.position)));
        }
        let statements = encode::statements(&entry.statements).map_err(|error| LogError::Storage(error.to_string()))?;
        let head = Head { position: *position, epoch: *epoch, kind: entry.kind, moment: entry.moment };
        let sum = encode::sum(&last.sum, head, statements.as_bytes());
        let kind = match entry.kind {
            Kind::Change => "change",
            Kind::Schema => "schema",
        };
        let values = (position.0.cast_signed(), epoch.cast_signed(), kind, entry.moment, statements, sum);
        insert.execute(values).map_err(storage_error)?;
        last = Link { position: *position, sum };
    }
    Ok(last)
}

/// What was settled stays: nodes and clients have gone by it.
fn settle(transaction: &Transaction<'_>, position: Position, outcome: &Outcome) -> Result<(), LogError> {
    let Some(sum) = sum_at(transaction, position)? else { return Ok(()) };
    let text = encode::outcome(outcome).map_err(|error| LogError::Storage(error.to_string()))?;
    let outcome_sum = encode::outcome_sum(&sum, text.as_bytes());
    let sql = "UPDATE entries SET outcome = ?2, outcome_sum = ?3 WHERE position = ?1 AND outcome IS NULL";
    execute(transaction, sql, (position.0.cast_signed(), text, outcome_sum))
}

/// Removes entries after `trimmed`, up to another or as many as are removed at once; the link of the chain that is left.
pub(super) fn trim(transaction: &Transaction<'_>, trimmed: Link, through: Position) -> Result<Link, LogError> {
    let through = through.min(Position(trimmed.position.0 + TRIM_AT_ONCE));
    if through <= trimmed.position {
        return Ok(trimmed);
    }
    let missing = LogError::Corrupt { position: through, why: "it is not there" };
    let sum = sum_at(transaction, through)?.ok_or(missing)?;
    execute(transaction, "DELETE FROM entries WHERE position <= ?1", [through.0.cast_signed()])?;
    execute(transaction, "UPDATE log SET trimmed = ?1, trimmed_sum = ?2", (through.0.cast_signed(), sum))?;
    Ok(Link { position: through, sum })
}

/// The checksum of the record at a position, if there is one.
pub(super) fn sum_at(transaction: &Transaction<'_>, position: Position) -> Result<Option<Sum>, LogError> {
    let sql = "SELECT sum FROM entries WHERE position = ?1";
    let mut statement = transaction.prepare(sql).map_err(storage_error)?;
    statement.query_row([position.0.cast_signed()], |row| row.get(0)).optional().map_err(storage_error)
}

fn execute(transaction: &Transaction<'_>, sql: &str, values: impl rusqlite::Params) -> Result<(), LogError> {
    let mut statement = transaction.prepare(sql).map_err(storage_error)?;
    statement.execute(values).map(drop).map_err(storage_error)
}
