//! A log in a SQLite file, with a write-ahead log and `synchronous = FULL`: a transaction that was torn by a crash is not there
//! when the file is opened again, and one that was committed is. Every transaction of the writer checks the epoch first.

mod read;
mod schema;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior, ffi};

use super::{Changes, Flush, Identity, Known, LogError, NodeMark, Reader, Standing, Storage};
use read::{Link, SqliteReader};
use write::About;

/// A log in a SQLite file.
#[derive(Debug)]
pub struct SqliteStorage {
    path: PathBuf,
    connection: Connection,
    identity: Identity,
    epoch: u64,
    trimmed: Link,
    last: Link,
    /// Whether a commit failed in a way that may have left all of it in the write-ahead log: a process that opens the file
    /// would find it. The next transaction lies over it.
    is_in_doubt: bool,
}

impl SqliteStorage {
    /// Opens a log to write to it, or makes one: raises its epoch, and checks every record.
    ///
    /// # Errors
    /// Where the file cannot be opened, is no log, or has a record that is damaged.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let mut connection = schema::open(path)?;
        // First of all: no writer before this one adds anything to what is checked.
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage_error)?;
        // The time, so that the writers of two copies of a log never have the same one.
        let now = jiff::Timestamp::now().as_millisecond();
        transaction.execute("UPDATE log SET epoch = max(epoch + 1, ?1)", [now]).map_err(storage_error)?;
        transaction.commit().map_err(storage_error)?;

        let transaction = connection.transaction().map_err(storage_error)?;
        let About { identity, epoch, trimmed, last } = write::about(&transaction)?;
        read::walk(&transaction, trimmed, |_| Ok(true))?;
        drop(transaction);
        let path = path.to_owned();
        Ok(Self { path, connection, identity, epoch, trimmed, last, is_in_doubt: false })
    }

    /// Runs a transaction of this writer.
    fn transact<T>(
        &mut self,
        flush: Flush,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, LogError>,
    ) -> Result<T, LogError> {
        let synchronous = match flush {
            Flush::Now => "FULL",
            Flush::Later => "NORMAL",
        };
        self.connection.pragma_update(None, "synchronous", synchronous).map_err(storage_error)?;
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(storage_error)?;
        let epoch = write::about(&transaction)?.epoch;
        if epoch != self.epoch {
            return Err(LogError::Fenced(epoch));
        }
        let done = run(&transaction)?;
        transaction.commit().map_err(|error| {
            self.is_in_doubt |= !is_torn(&error);
            storage_error(error)
        })?;
        Ok(done)
    }

    /// Lays a transaction over what one that failed may have left in the write-ahead log. It begins where that one did, and
    /// what follows it there does not match its checksum.
    fn void(&mut self) -> Result<(), LogError> {
        if self.is_in_doubt {
            self.transact(Flush::Now, |transaction| {
                transaction.execute("UPDATE log SET voided = voided + 1", []).map_err(storage_error)
            })?;
            self.is_in_doubt = false;
        }
        Ok(())
    }

    /// What a transaction failed with, once it is certain that nothing is left of it, if it can be.
    fn settled(&mut self, failed: LogError) -> LogError {
        match self.void() {
            Ok(()) => failed,
            Err(_) => LogError::InDoubt(failed.to_string()),
        }
    }
}

/// What is seen of a log beside its writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Which log, and its last writer.
    pub known: Known,
    /// What is known of the nodes, by name.
    pub nodes: BTreeMap<String, NodeMark>,
}

/// Looks into a log that another process may write to. Waits for the disk.
///
/// # Errors
/// Where it is not there, is no log, or cannot be read.
pub fn look(path: &Path) -> Result<Look, LogError> {
    let failed = |error: LogError| LogError::Storage(format!("{}: {error}", path.display()));
    let mut connection = schema::open_to_read(path).map_err(failed)?;
    let About { identity, epoch, .. } = {
        let transaction = connection.transaction().map_err(storage_error)?;
        write::about(&transaction).map_err(|_| LogError::Unknown(path.display().to_string()))?
    };
    let nodes = SqliteReader(connection).nodes()?;
    Ok(Look { known: Known { identity, epoch }, nodes })
}

impl Storage for SqliteStorage {
    fn standing(&self) -> Standing {
        let Self { identity, epoch, trimmed, last, .. } = self;
        Standing { identity: identity.clone(), epoch: *epoch, trimmed: trimmed.position, last: last.position }
    }

    fn commit(&mut self, changes: &Changes) -> Result<(), LogError> {
        self.void()?;
        let (last, trimmed) = (self.last, self.trimmed);
        let done = self.transact(changes.flush, |transaction| {
            let last = write::write(transaction, changes, last)?;
            let trimmed = match changes.trim {
                Some(through) => write::trim(transaction, trimmed, through.min(last.position))?,
                None => trimmed,
            };
            Ok((last, trimmed))
        });
        match done {
            Ok((last, trimmed)) => {
                (self.last, self.trimmed) = (last, trimmed);
                Ok(())
            }
            Err(failed) => Err(self.settled(failed)),
        }
    }

    fn bytes(&self) -> Result<u64, LogError> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let bytes = || Ok((pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?);
        bytes().map(i64::cast_unsigned).map_err(storage_error)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, LogError> {
        Ok(Box::new(SqliteReader(schema::open_to_read(&self.path)?)))
    }
}

/// Whether a commit failed before the last of it was written, which alone would make it count: not where it was written and
/// could not be flushed.
fn is_torn(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_FULL | ffi::SQLITE_IOERR_WRITE))
}

fn storage_error(error: rusqlite::Error) -> LogError {
    LogError::Storage(error.to_string())
}
