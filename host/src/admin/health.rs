//! `GET /health`: whether Leverframe itself is well.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::server::Shared;

/// Whether Leverframe is well.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// How many clusters there are.
    pub(crate) clusters: usize,
    /// Whether the file as it is now serves.
    pub(crate) config: Freshness,
    /// Where each listener is.
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) listeners: BTreeMap<String, SocketAddr>,
    pub(crate) status: Status,
    pub(crate) version: &'static str,
    /// How many data-path threads run.
    pub(crate) workers: usize,
}

/// Whether the file as it is now serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Freshness {
    /// It does.
    Current,
    /// An earlier one does.
    Stale,
}

/// Whether requests are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = HealthStatus)]
pub(crate) enum Status {
    /// They are.
    Ok,
    /// It ends.
    Draining,
}

/// Whether it is well.
///
/// 200 whenever requests are served; 503 while Leverframe ends, so that nobody sends it more. A file that could not be
/// reloaded does not make it unhealthy, since the last good one serves; it shows as `config`.
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses(
    (status = 200, body = Health),
    (status = 503, body = Health, description = "It ends: what is under way is finished, and nothing new is taken."),
))]
pub(super) async fn health(State(shared): State<Shared>) -> (StatusCode, Json<Health>) {
    let health = read(&shared);
    let code = match health.status {
        Status::Draining => StatusCode::SERVICE_UNAVAILABLE,
        Status::Ok => StatusCode::OK,
    };
    (code, Json(health))
}

/// How it is now.
pub(crate) fn read(shared: &Shared) -> Health {
    let served = shared.served();
    let is_stale = shared.reload.borrow().last_error.is_some();
    Health {
        clusters: served.clusters.len(),
        config: if is_stale { Freshness::Stale } else { Freshness::Current },
        listeners: served.listeners.iter().map(|(name, at)| (name.to_string(), *at)).collect(),
        status: if shared.draining.load(Relaxed) { Status::Draining } else { Status::Ok },
        version: env!("CARGO_PKG_VERSION"),
        workers: shared.metrics.len(),
    }
}
