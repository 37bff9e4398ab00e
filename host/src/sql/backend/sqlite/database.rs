//! Owns how a database is opened: which one, and the settings of every connection.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::guard::Guard;
use super::room::Room;
use super::watch::Watch;
use crate::sql::backend::{ENGINE_BYTES, ROW_BYTES};

/// So many steps of SQLite's machine are taken before it asks whether to go on; a step takes some 20 ns.
const STEPS: i32 = 2_000;

/// Kilobytes that an engine keeps in memory of each of its sorters, and of its tables; the rest is in temporary files.
const CACHE_KIB: i32 = 64 << 10;

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Database {
    /// A file, which must be there.
    File(PathBuf),
    /// One in memory that all connections of this process to the name share; it lives while a [`Keeper`] does.
    Shared(String),
    /// One in memory that a connection has to itself.
    Private,
}

/// Keeps a database in memory while nobody is connected.
#[derive(Debug)]
pub struct Keeper {
    /// Never used, only open; behind a lock since a connection is for one thread at a time.
    _connection: Mutex<Connection>,
}

/// What tells a file from every other: its device, and its number there. None for what is no file.
type Identity = Option<(u64, u64)>;

impl Database {
    /// A database in memory that others in this process can connect to by its name.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn keep(name: &str) -> rusqlite::Result<(Self, Keeper)> {
        let database = Self::Shared(name.to_owned());
        let keeper = Keeper { _connection: Mutex::new(database.connect()?) };
        Ok((database, keeper))
    }

    /// A connection of its own, for whoever fills the database: without the settings of sessions.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::File(path) => Connection::open_with_flags(path, flags),
            Self::Shared(name) => {
                // A name that begins with a slash is shared. What would end it in a URI is not part of any name.
                let name: String = name.chars().filter(|c| !matches!(c, '?' | '#' | '%' | '/')).collect();
                let flags = flags | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
                Connection::open_with_flags(format!("file:/{name}?vfs=memdb"), flags)
            }
            Self::Private => Connection::open_in_memory(),
        }
    }

    /// Which file it is at the moment: its name may be another's by now, and SQLite would go on with one that was deleted.
    pub(super) fn identity(&self) -> Identity {
        let Self::File(path) = self else { return None };
        identity(path)
    }

    /// A connection for sessions.
    pub(super) fn open(&self, watch: &Arc<Watch>, guard: &Guard) -> rusqlite::Result<Connection> {
        let mut connection = self.connect()?;
        watch.over(connection.get_interrupt_handle());
        let asked = Arc::clone(watch);
        connection.progress_handler(STEPS, Some(move || asked.is_over()))?;
        let asked = Arc::clone(watch);
        connection.busy_handler(Some(move |_| asked.pause()))?;
        // What a file says of itself is not trusted: views and triggers may not call what has effects.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        // Any statement can ask for a value of a gigabyte.
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(ROW_BYTES).unwrap_or(i32::MAX))?;
        match self {
            Self::File(_) => write_ahead(&connection)?,
            Self::Shared(_) => {}
            Self::Private => {
                // Files that have no names, in the folder that the system has for them: no statement can fill the memory.
                connection.pragma_update(None, "temp_store", "FILE")?;
                connection.pragma_update(Some("main"), "cache_size", -CACHE_KIB)?;
                connection.pragma_update(Some("temp"), "cache_size", -CACHE_KIB)?;
                watch.bound(Room::of_this_thread(ENGINE_BYTES as u64));
                // A name in double quotes that is no column would be a text: an engine knows only the columns it was given.
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
            }
        }
        guard.stand(&mut connection)?;
        Ok(connection)
    }
}

/// With a write-ahead log readers and a writer do not wait for each other. Where the file cannot have one (it cannot be
/// written, or others are at it) it is used as it is; that it can be read at all is seen here.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
    let readable = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()));
    if readable.is_ok() && mode != "wal" {
        let _ = connection.pragma_update(None, "journal_mode", "WAL");
    }
    readable
}

fn identity(path: &Path) -> Identity {
    let found = path.metadata().ok()?;
    Some((found.dev(), found.ino()))
}
