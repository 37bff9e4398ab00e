//! Owns the keys of writes, which a client sends as `Idempotency-Key`: a key is kept in the transaction of the write that it came
//! with. So a client that did not hear what became of a write may send it once more, also after the node was killed: it is done
//! once, and the answer is that of the first time.

use std::time::Instant;

use futures_util::TryStreamExt as _;

use crate::sql::backend::http::wire::KEYS;
use crate::sql::backend::sqlite::SqliteSession;
use crate::sql::backend::{Bound, Fault, FaultKind, Session as _, Step};
use crate::sql::value::Value;

/// The longest key.
const LONGEST: usize = 255;

/// Seconds after which a key is forgotten: nobody repeats a write after a day.
const KEPT: i64 = 24 * 60 * 60;

/// Refuses what is no key.
pub(super) fn checked(key: &str) -> Result<&str, Fault> {
    match key.is_empty() || key.len() > LONGEST {
        true => Err(Fault::new(FaultKind::Statement, format!("a key has from 1 to {LONGEST} bytes"))),
        false => Ok(key),
    }
}

/// How many rows the write of a key has changed; none where no such write was done.
pub(super) async fn done(session: &mut SqliteSession, key: &str, due: Instant) -> Result<Option<u64>, Fault> {
    let there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    if number(session, there, KEYS, due).await? != Some(1) {
        return Ok(None);
    }
    number(session, &format!("SELECT affected FROM {KEYS} WHERE key = ?1"), key, due).await
}

/// Keeps the key of a write, in its transaction.
pub(super) async fn keep(session: &mut SqliteSession, key: &str, affected: u64, due: Instant) -> Result<(), Fault> {
    let table = format!("CREATE TABLE IF NOT EXISTS {KEYS} (key TEXT PRIMARY KEY, affected INTEGER, at INTEGER)");
    session.execute(Bound { sql: &table, params: &[], due }).await?;
    let index = format!("CREATE INDEX IF NOT EXISTS {KEYS}_at ON {KEYS} (at)");
    session.execute(Bound { sql: &index, params: &[], due }).await?;
    let old = format!("DELETE FROM {KEYS} WHERE at < unixepoch() - {KEPT}");
    session.execute(Bound { sql: &old, params: &[], due }).await?;
    let params = [Value::Text(key.to_owned()), Value::Integer(i64::try_from(affected).unwrap_or(i64::MAX))];
    let sql = format!("INSERT INTO {KEYS} VALUES (?1, ?2, unixepoch())");
    session.execute(Bound { sql: &sql, params: &params, due }).await.map(drop)
}

/// Does a write that is a transaction of its own, once; how many rows it has changed.
pub(super) async fn once(session: &mut SqliteSession, key: &str, bound: Bound<'_>) -> Result<u64, Fault> {
    let due = bound.due;
    session.transact(Step::Begin, due).await?;
    let written = async {
        if let Some(affected) = done(session, key, due).await? {
            return Ok(affected);
        }
        let affected = session.execute(bound).await?;
        keep(session, key, affected, due).await?;
        Ok(affected)
    };
    let written = written.await;
    let end = if written.is_ok() { Step::Commit } else { Step::Rollback };
    session.transact(end, due).await?;
    written
}

async fn number(session: &mut SqliteSession, sql: &str, param: &str, due: Instant) -> Result<Option<u64>, Fault> {
    let params = [Value::Text(param.to_owned())];
    let answer = session.query(Bound { sql, params: &params, due }).await?;
    let rows: Vec<_> = answer.batches.try_concat().await?;
    Ok(match rows.first().and_then(|row| row.first()) {
        Some(Value::Integer(number)) => u64::try_from(*number).ok(),
        _ => None,
    })
}
