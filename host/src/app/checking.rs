//! Checks of databases: what health asks for, done by what SQL can. Each check has a backend of its own, so that it never
//! waits for a connection behind the statements of clients.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{BackendSpec, SqlCheck};
use crate::health::{CheckError, Checker, Checking, SqlCheckers};
use crate::model::Address;
use crate::sql::backend::{Backend, http::Http, mysql::MySql, postgres::Postgres, sqlite::Sqlite};
use crate::sql::check::{check, is_unreachable};

/// Connections that checks keep to one node: one check of it is under way at a time, and one may still be closing.
const CONNECTIONS: usize = 2;

/// What a check gives a connection; whoever checks keeps the time of the whole, and gives up much sooner.
const CONNECT: Duration = Duration::from_secs(600);

/// Opens the nodes of an entry, or of a check; a connection is to be open within `connect`.
pub(crate) fn backend(spec: &BackendSpec, connections: usize, connect: Duration) -> Arc<dyn Backend> {
    match spec {
        BackendSpec::Sqlite => Arc::new(Sqlite::new(connections)),
        BackendSpec::Http => Arc::new(Http::new(connections, connect)),
        BackendSpec::Postgres(database) => Arc::new(Postgres::new(database, connections, connect)),
        BackendSpec::MySql(database) => Arc::new(MySql::new(database, connections, connect)),
    }
}

/// What keepers make their checkers with.
pub(super) fn sql_checkers() -> SqlCheckers {
    Arc::new(|check: &SqlCheck| {
        let backend = backend(&check.backend, CONNECTIONS, CONNECT);
        Arc::new(SqlChecker { backend, statement: check.statement.clone() })
    })
}

/// Asks by a statement.
struct SqlChecker {
    backend: Arc<dyn Backend>,
    statement: String,
}

impl Checker for SqlChecker {
    fn check<'a>(&'a self, at: &'a Address) -> Checking<'a> {
        Box::pin(async move {
            check(self.backend.as_ref(), at, &self.statement).await.map_err(|fault| match is_unreachable(&fault) {
                true => CheckError::Connect(fault.message),
                false => CheckError::Refused(fault.message),
            })
        })
    }
}
