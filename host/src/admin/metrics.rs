//! `GET /metrics`: all figures, as text for Prometheus or as JSON for everyone else.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::problem::Problem;
use super::server::Shared;
use crate::observe::{PROMETHEUS_TYPE, Sources, collect, to_json, to_prometheus};

/// In which form.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// In which form; without, as `Accept` asks.
    #[param(value_type = Option<Format>, inline)]
    format: Option<String>,
}

/// The forms that figures come in.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum Format {
    Json,
    Prometheus,
    Text,
}

/// All figures, as text for Prometheus or as JSON for everyone else.
///
/// JSON when the query says `format=json`, or when it says nothing and `Accept` asks for JSON.
#[utoipa::path(get, path = "/metrics", tag = "health", params(Wanted), responses(
    (status = 200, description = "All figures; as JSON by their names.", content(
        (String = "application/openmetrics-text"),
        (Object = "application/json"),
    )),
    (status = 400, description = "No such form."),
))]
pub(super) async fn metrics(
    State(shared): State<Shared>,
    Asked(wanted): Asked<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let json = match wanted.format.as_deref() {
        Some("json") => true,
        Some("prometheus" | "text") => false,
        Some(other) => {
            return Err(Problem::bad_request(format!("format is `prometheus` or `json`, not `{other}`")));
        }
        None => accept.contains("application/json"),
    };
    let (served, traffic, guests) = (shared.served(), shared.traffic(), shared.supervisor.shared());
    let plugins = shared.supervisor.registry();
    let families = collect(&Sources {
        served: &served,
        traffic: &traffic,
        plugins,
        shared: &guests,
        events: &shared.events,
        sightings: &shared.directory.sightings(),
    });
    Ok(match json {
        true => Json(to_json(&families)).into_response(),
        false => ([(header::CONTENT_TYPE, PROMETHEUS_TYPE)], to_prometheus(families)).into_response(),
    })
}
