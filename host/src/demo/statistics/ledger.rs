//! The statistics file: one row of sums for each worker, in SQLite, written by several processes at once. Blocks; only
//! the recorder's own thread calls it.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, params};

use super::tally::Tally;
use crate::model::EndpointName;

/// The layout of the table, kept in the file as its `user_version`; 0 is that of a file that has none yet.
const VERSION: i64 = 1;
/// How long another process's transaction is waited for: far above what one takes, and below what a stop allows.
const BUSY: Duration = Duration::from_secs(1);
/// Between two attempts to open the file while others do so, for as long as a transaction is waited for. SQLite does not
/// wait for a lock by itself where that might never end, as when two make the same file one with a write-ahead log.
const PAUSE: Duration = Duration::from_millis(20);

/// What tells a file from every other: its device, and its number there.
type Identity = (u64, u64);

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum LedgerError {
    /// SQLite says so.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The file has a layout that this program does not know.
    #[error("the file has version {0} of the statistics; this program knows version {VERSION}")]
    Version(i64),
}

/// The open file, and whose row is written.
pub(super) struct Ledger {
    connection: Connection,
    /// Which file it is: its name may be another's by now.
    identity: Option<Identity>,
    worker: EndpointName,
}

impl Ledger {
    /// Opens the file, makes it where there is none, and gives the worker a row.
    #[allow(clippy::disallowed_methods, reason = "the recorder's thread serves nobody")]
    pub(super) fn open(file: &Path, worker: EndpointName) -> Result<Self, LedgerError> {
        let began = Instant::now();
        loop {
            match prepared(file, &worker) {
                Ok(connection) => return Ok(Self { connection, identity: identity(file), worker }),
                Err(error) if is_busy(&error) && began.elapsed() < BUSY => std::thread::sleep(PAUSE),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether it is the file of that name. SQLite goes on with one that was deleted, where nobody else sees what it has.
    pub(super) fn is_at(&self, file: &Path) -> bool {
        self.identity.is_some() && self.identity == identity(file)
    }

    /// Closes a file that is not at its name any more. By its name, SQLite would tidy away the log of the one that is.
    pub(super) fn forsake(self) {
        let kept = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        if let Err(error) = kept {
            tracing::warn!(node = %self.worker, %error, "a statistics file that was deleted is not let go of cleanly");
        }
    }

    /// Adds to the worker's row, all or nothing.
    pub(super) fn add(&mut self, tally: &Tally) -> Result<(), LedgerError> {
        let add = "INSERT INTO worker (id, succeeded, failed, micros) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (id) DO UPDATE SET succeeded = succeeded + excluded.succeeded, \
                   failed = failed + excluded.failed, micros = micros + excluded.micros";
        let Tally { succeeded, failed, micros } = *tally;
        let row = params![self.worker.as_str(), signed(succeeded), signed(failed), signed(micros)];
        self.connection.execute(add, row)?;
        Ok(())
    }

    /// What all workers have come to.
    pub(super) fn read(&self) -> Result<BTreeMap<String, Tally>, LedgerError> {
        let mut read = self.connection.prepare("SELECT id, succeeded, failed, micros FROM worker")?;
        let rows = read.query_map([], |row| {
            let sum = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            Ok((row.get(0)?, Tally { succeeded: sum(1)?, failed: sum(2)?, micros: sum(3)? }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn identity(file: &Path) -> Option<Identity> {
    let found = file.metadata().ok()?;
    Some((found.dev(), found.ino()))
}

fn prepared(file: &Path, worker: &EndpointName) -> Result<Connection, LedgerError> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A crash of the machine may lose the last sums, but never the file; and no write waits for the disk.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
        0 => {
            transaction.execute_batch(
                "CREATE TABLE worker (id TEXT PRIMARY KEY, succeeded INTEGER NOT NULL, failed INTEGER NOT NULL, \
                 micros INTEGER NOT NULL) STRICT, WITHOUT ROWID",
            )?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        other => return Err(LedgerError::Version(other)),
    }
    transaction.execute("INSERT OR IGNORE INTO worker VALUES (?1, 0, 0, 0)", [worker.as_str()])?;
    transaction.commit()?;
    Ok(connection)
}

fn is_busy(error: &LedgerError) -> bool {
    let LedgerError::Sqlite(error) = error else { return false };
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// SQLite's numbers have a sign. No sum gets there.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(file: &Path, name: &str) -> Ledger {
        Ledger::open(file, EndpointName::new(name).unwrap()).unwrap()
    }

    #[test]
    fn many_open_one_new_file_at_once_and_no_sum_is_lost() {
        const WORKERS: u64 = 8;
        const TIMES: u64 = 50;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("statistics.db");
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let file = &file;
                scope.spawn(move || {
                    // Two writers for each row.
                    let mut ledger = ledger(file, &format!("web-{}", worker / 2));
                    (0..TIMES).for_each(|_| ledger.add(&Tally { succeeded: 1, failed: 2, micros: 3 }).unwrap());
                });
            }
        });
        let seen = ledger(&file, "idle").read().unwrap();
        assert_eq!(seen.len(), 5);
        assert_eq!(seen["idle"], Tally::default());
        let each = Tally { succeeded: 2 * TIMES, failed: 4 * TIMES, micros: 6 * TIMES };
        assert!((0..4).all(|worker| seen[&format!("web-{worker}")] == each), "{seen:?}");
    }

    #[test]
    fn a_file_of_another_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("statistics.db");
        Connection::open(&file).unwrap().pragma_update(None, "user_version", 2).unwrap();
        let refused = Ledger::open(&file, EndpointName::new("web-1").unwrap()).err().unwrap();
        assert!(matches!(refused, LedgerError::Version(2)), "{refused}");
    }
}
