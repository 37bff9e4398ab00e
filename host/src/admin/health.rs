//! Whether Leverframe itself is well, and what became of its configuration file.

use std::sync::atomic::Ordering::Relaxed;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::server::Shared;
use crate::config::{ReloadError, ReloadStatus};

/// `GET /health`: 200 whenever requests are served; 503 while Leverframe ends, so that nobody sends it more. A file that
/// could not be reloaded does not make it unhealthy, since the last good one serves; it shows as `config`.
pub(super) async fn health(State(shared): State<Shared>) -> (StatusCode, Json<Value>) {
    let served = shared.served();
    let config = if shared.reload.borrow().last_error.is_some() { "stale" } else { "current" };
    let (code, status) = match shared.draining.load(Relaxed) {
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        false => (StatusCode::OK, "ok"),
    };
    let body = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "workers": shared.metrics.len(),
        "listeners": served.listeners.iter().map(|(name, at)| (name.to_string(), json!(at))).collect::<serde_json::Map<_, _>>(),
        "clusters": served.clusters.len(),
        "config": config,
    });
    (code, Json(body))
}

/// `GET /api/config`: when the configuration that serves was loaded, and why the file as it is now does not serve.
pub(super) async fn config(State(shared): State<Shared>) -> Json<Value> {
    Json(reload(&shared.reload.borrow()))
}

fn reload(status: &ReloadStatus) -> Value {
    let last_error = status.last_error.as_ref().map(|failure| {
        let mistakes = match &failure.error {
            ReloadError::Config(errors) => errors
                .iter()
                .map(|mistake| {
                    json!({
                        "path": mistake.path,
                        "line": mistake.line,
                        "column": mistake.column,
                        "message": mistake.message,
                        "advice": mistake.advice,
                    })
                })
                .collect(),
            ReloadError::Apply(reason) => vec![json!({ "message": reason })],
        };
        json!({ "at": failure.at.to_string(), "message": failure.error.to_string(), "mistakes": mistakes })
    });
    json!({
        "generation": status.generation,
        "loaded_at": status.loaded_at.to_string(),
        "warnings": status.warnings,
        "last_error": last_error,
    })
}
