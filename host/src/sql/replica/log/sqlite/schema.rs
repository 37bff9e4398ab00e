//! Owns the tables of a log's file, what every connection to it is set to, and which files are taken for a log.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::storage_error;
use crate::sql::replica::log::{Identity, LogError, encode};

/// Marks a file as a log: `LFsl`.
const APPLICATION: i64 = 0x4c46_736c;
/// The version of the tables.
const VERSION: i64 = 1;

/// How long to wait for somebody who has the file locked, such as a person with a shell.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the write-ahead log is cut down to once it is copied into the file: it grows with the largest transaction.
const MOST_JOURNAL_BYTES: i64 = 64 << 20;

/// `statements` is for people: one row for each statement.
const TABLES: &str = "
CREATE TABLE log (
    identity TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    trimmed INTEGER NOT NULL,
    trimmed_sum BLOB NOT NULL,
    last INTEGER NOT NULL,
    last_sum BLOB NOT NULL,
    voided INTEGER NOT NULL
) STRICT;
CREATE TABLE entries (
    position INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    kind TEXT NOT NULL,
    moment INTEGER NOT NULL,
    statements TEXT NOT NULL,
    sum BLOB NOT NULL,
    outcome TEXT,
    outcome_sum BLOB
) STRICT;
CREATE TABLE counters (name TEXT PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE nodes (name TEXT PRIMARY KEY, watermark INTEGER NOT NULL, state TEXT) STRICT, WITHOUT ROWID;
CREATE VIEW statements AS
    SELECT position, one.key + 1 AS number, strftime('%Y-%m-%dT%H:%M:%fZ', moment / 1e6, 'unixepoch') AS at, kind,
        one.value ->> 'sql' AS sql, one.value -> 'params' AS params, outcome
    FROM entries, json_each(entries.statements) AS one;
";

/// A connection to a log, which is made where there is none.
pub(super) fn open(path: &Path) -> Result<Connection, LogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // What clients write is nobody else's to read. The files that SQLite puts beside it are as it is.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| LogError::Storage(format!("{}: {error}", path.display())))?;
    let mut connection = Connection::open_with_flags(path, flags).map_err(storage_error)?;
    connection.busy_timeout(PATIENCE).map_err(storage_error)?;
    check(&mut connection, path)?;
    settings(&connection).map_err(storage_error)?;
    Ok(connection)
}

/// A connection to a log that is open already, for reading.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, LogError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(storage_error)?;
    connection.busy_timeout(PATIENCE).map_err(storage_error)?;
    connection.pragma_update(None, "query_only", true).map_err(storage_error)?;
    Ok(connection)
}

fn settings(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", MOST_JOURNAL_BYTES)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    // Not an error of SQLite: it goes on with the journal that it had.
    if mode == "wal" { Ok(()) } else { Err(rusqlite::Error::InvalidParameterName(format!("journal_mode is {mode}"))) }
}

/// Makes the tables in an empty file; refuses one that has others.
fn check(connection: &mut Connection, path: &Path) -> Result<(), LogError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage_error)?;
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(storage_error);
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(storage_error)?;
    match (pragma("application_id")?, pragma("user_version")?, tables) {
        (APPLICATION, VERSION, _) => Ok(()),
        (0, 0, 0) => create(&transaction).and_then(|()| transaction.commit()).map_err(storage_error),
        _ => Err(LogError::Unknown(path.display().to_string())),
    }
}

fn create(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(TABLES)?;
    let identity = transaction.query_row("SELECT lower(hex(randomblob(16)))", [], |row| row.get(0))?;
    let identity = Identity(identity);
    transaction.execute("INSERT INTO log VALUES (?1, 0, 0, ?2, 0, ?2, 0)", (&identity.0, encode::origin(&identity)))?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)
}
