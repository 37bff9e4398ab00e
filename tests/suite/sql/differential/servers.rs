//! The databases of a run: one plain one, and for each number of shards as many; files, or databases of one real server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use leverframe::config::DatabaseSpec;
use leverframe::model::Address;
use leverframe::sql::backend::{Backend, Fault, Session, sqlite};
use leverframe::sql::dialect::Dialect;
use tempfile::TempDir;

use super::plain::Plain;
use crate::world::{MariaDb, Postgres};

/// Connections to each database: a statement has one to a node and one more for what it loads.
pub(super) const CONNECTIONS: usize = 4;

/// How long opening one may take.
const CONNECT: Duration = Duration::from_secs(10);
/// What every session of a MySQL backend sets, too.
const SQL_MODE: &str =
    "SET SESSION sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";

/// What holds them.
pub(super) enum Servers {
    Files(TempDir),
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Servers {
    pub(super) async fn start(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => Self::Files(tempfile::tempdir().expect("a folder")),
            Dialect::Postgres => Self::Postgres(Postgres::start().await),
            Dialect::MySql => Self::MariaDb(MariaDb::start().await),
        }
    }

    /// A database of this name, made where it is not there.
    pub(super) async fn database(&self, name: &str) -> Plain {
        match self {
            Self::Files(folder) => {
                let lite = rusqlite::Connection::open(folder.path().join(name)).expect("a file");
                lite.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").expect("settings");
                Plain::Sqlite(lite)
            }
            Self::Postgres(server) => {
                let made = server.connect("postgres").await.batch_execute(&format!("CREATE DATABASE {name}")).await;
                made.unwrap_or_else(|error| panic!("CREATE DATABASE {name}: {error}"));
                Plain::Postgres(server.connect(name).await)
            }
            Self::MariaDb(server) => {
                let mut none = Plain::MySql(Box::new(server.connect(None).await));
                none.execute(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).await;
                let mut made = Plain::MySql(Box::new(server.connect(Some(name)).await));
                made.execute(SQL_MODE).await;
                made
            }
        }
    }

    /// A backend whose nodes are these databases, and their addresses.
    pub(super) fn backend(&self, names: &[String]) -> (Arc<dyn Backend>, Vec<Address>) {
        let spec =
            |name: &String, user: &str| DatabaseSpec { database: name.clone(), user: user.to_owned(), password: None };
        let inner: Vec<Arc<dyn Backend>> = match self {
            Self::Files(folder) => {
                let files = names.iter().map(|name| Address::file(folder.path().join(name)));
                return (Arc::new(sqlite::Sqlite::new(CONNECTIONS)), files.collect());
            }
            Self::Postgres(_) => names
                .iter()
                .map(|name| {
                    Arc::new(leverframe::sql::backend::postgres::Postgres::new(
                        &spec(name, Postgres::USER),
                        CONNECTIONS,
                        CONNECT,
                    )) as Arc<dyn Backend>
                })
                .collect(),
            Self::MariaDb(_) => names
                .iter()
                .map(|name| {
                    Arc::new(leverframe::sql::backend::mysql::MySql::new(
                        &spec(name, MariaDb::USER),
                        CONNECTIONS,
                        CONNECT,
                    )) as Arc<dyn Backend>
                })
                .collect(),
        };
        let server = match self {
            Self::Postgres(server) => server.address(),
            Self::MariaDb(server) => server.address(),
            Self::Files(_) => unreachable!("files have returned"),
        };
        let server = Address::parse(&server.to_string()).expect("an address");
        // Each database has a port of its own, which stands for it and is never connected to.
        let ports = (1..).take(inner.len()).map(|port| server.with_port(port)).collect();
        (Arc::new(Databases { server, inner }), ports)
    }
}

/// Nodes that are databases of one server: the port of an address tells which.
struct Databases {
    server: Address,
    inner: Vec<Arc<dyn Backend>>,
}

impl Backend for Databases {
    fn dialect(&self) -> Dialect {
        self.inner[0].dialect()
    }

    fn session<'a>(&'a self, node: &'a Address, due: Instant) -> BoxFuture<'a, Result<Box<dyn Session>, Fault>> {
        self.inner[usize::from(node.port()) - 1].session(&self.server, due)
    }

    fn engine(&self) -> Option<BoxFuture<'_, Result<Box<dyn Session>, Fault>>> {
        self.inner[0].engine()
    }
}
