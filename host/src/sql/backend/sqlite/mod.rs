//! SQLite: files of this machine as nodes, and the in-memory engine for final statements. Each connection has a thread of its
//! own; sessions hand it tasks and wait. Speaks of nothing but SQLite: who asks what, and why, is told.

mod database;
mod guard;
mod pool;
mod room;
mod session;
mod statement;
mod tables;
mod watch;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::BoxFuture;

pub use database::{Database, Keeper};
use pool::Pool;
pub use session::{Ran, SqliteSession};

use super::{Backend, Fault, FaultKind, Session};
use crate::model::Address;
use crate::sql::dialect::Dialect;

/// The backend of SQLite files: a pool of connections for each file.
#[derive(Debug)]
pub struct Sqlite {
    connections: usize,
    pools: Mutex<HashMap<Database, Arc<Pool>>>,
    engines: Engines,
}

impl Sqlite {
    /// At most so many connections to each file.
    pub fn new(connections: usize) -> Self {
        Self { connections, pools: Mutex::default(), engines: Engines::new(connections) }
    }

    /// A session with a database, from its pool: waits for a free one until `due`.
    ///
    /// # Errors
    /// `Busy` where none was free in time, `Connect` where the database cannot be opened.
    pub async fn lease(&self, database: &Database, due: Instant) -> Result<SqliteSession, Fault> {
        let pool = self.pool(database);
        pool.lease(due).await
    }

    fn pool(&self, database: &Database) -> Arc<Pool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        for pool in pools.values() {
            pool.close_idle();
        }
        if let Some(pool) = pools.get(database) {
            return Arc::clone(pool);
        }
        // Nodes come and go: a pool that nobody uses and that has no connection is not kept.
        pools.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.is_empty());
        let pool = Arc::new(Pool::new(database.clone(), self.connections));
        pools.insert(database.clone(), Arc::clone(&pool));
        pool
    }
}

impl Backend for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn session<'a>(&'a self, node: &'a Address, due: Instant) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            let Some(path) = node.file_path() else {
                return Err(Fault::new(FaultKind::Connect, format!("{node} is no file")));
            };
            let session = self.lease(&Database::File(path.to_owned()), due).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }

    fn engine(&self) -> Option<BoxFuture<'_, Result<Box<dyn Session>, Fault>>> {
        Some(self.engines.engine())
    }
}

/// In-memory databases for final statements. One is used by one statement at a time, and is empty before each.
#[derive(Debug)]
pub struct Engines(Arc<Pool>);

impl Engines {
    /// Keeps at most so many that are idle; there may be more in use.
    pub fn new(kept: usize) -> Self {
        Self(Arc::new(Pool::unlimited(Database::Private, kept)))
    }

    /// One that is empty.
    pub fn engine(&self) -> BoxFuture<'_, Result<Box<dyn Session>, Fault>> {
        Box::pin(async move {
            let session = Arc::clone(&self.0).open_now().await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}
