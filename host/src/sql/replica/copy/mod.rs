//! Who fills a node with what another one holds at one position: `sessions` with what every session can do, for SQLite and HTTP
//! nodes; `servers` by the servers' own programs, piped into each other by `pipe`. Whatever fails in the middle, nothing but an
//! error comes of it; the watermark is the last that is written, or is lasting only together with all else.

mod pipe;
mod servers;
mod sessions;

use std::sync::Arc;

use super::mark::Marks;
use super::rebuild::Rebuild;
use crate::config::{BackendSpec, DatabaseSpec};
use crate::model::Address;
use crate::sql::backend::Backend;

/// How the data of a node is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Copier {
    /// By statements.
    Sessions,
    /// By `pg_dump` and `psql`.
    Postgres(DatabaseSpec),
    /// By `mariadb-dump` and `mariadb`.
    MySql(DatabaseSpec),
}

impl Copier {
    /// That of a kind of node.
    pub fn of(backend: &BackendSpec) -> Self {
        match backend {
            BackendSpec::Sqlite | BackendSpec::Http => Self::Sessions,
            BackendSpec::Postgres(database) => Self::Postgres(database.clone()),
            BackendSpec::MySql(database) => Self::MySql(database.clone()),
        }
    }
}

/// From where to where.
pub(super) struct Route {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) marks: Marks,
}

/// Replaces all that is at the one end by what is at the other.
pub(super) async fn copy(copier: &Copier, route: &Route, rebuild: &mut Rebuild) -> Result<(), String> {
    match copier {
        Copier::Sessions => sessions::copy(route, rebuild).await,
        Copier::Postgres(database) => servers::postgres(database, route, rebuild).await,
        Copier::MySql(database) => servers::mysql(database, route, rebuild).await,
    }
}
