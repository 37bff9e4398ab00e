//! Who fills a node with what another one holds at one position: `sessions` with what every session can do, for SQLite and HTTP
//! nodes; `servers` by the servers' own programs, piped into each other by `pipe`. Whatever fails in the middle, nothing but an
//! error comes of it; the watermark is the last that is written, or is lasting only together with all else.

mod pipe;
mod servers;
mod sessions;

use std::sync::Arc;

use super::mark::Marks;
use super::rebuild::Rebuild;
use crate::config::BackendSpec;
use crate::model::Address;
use crate::sql::backend::Backend;

/// From where to where.
pub(super) struct Route {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) marks: Marks,
}

/// Replaces all that is at the one end by what is at the other, in the way of this kind of node.
pub(super) async fn copy(kind: &BackendSpec, route: &Route, rebuild: &mut Rebuild) -> Result<(), String> {
    match kind {
        BackendSpec::Sqlite | BackendSpec::Http => sessions::copy(route, rebuild).await,
        BackendSpec::Postgres(database) => servers::postgres(database, route, rebuild).await,
        BackendSpec::MySql(database) => servers::mysql(database, route, rebuild).await,
    }
}
