//! `GET /metrics`: all figures, as one of the texts that Prometheus reads or as JSON for everyone else.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::problem::Problem;
use super::server::Shared;
use crate::observe::{Family, Scaled, Sources, TextFormat, collect, to_json, to_text};
use crate::scaling::{NodeState, Status};

/// In which form.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
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
    Openmetrics,
    Prometheus,
    Text,
}

/// How the figures are written.
enum Form {
    Json,
    Text(TextFormat),
}

/// All figures, as one of the texts that Prometheus reads or as JSON for everyone else.
///
/// In the form that the query says in `format`, or that `Accept` asks for where it says nothing.
#[utoipa::path(get, path = "/metrics", tag = "health", params(Wanted), responses(
    (status = 200, description = "All figures; as JSON by their names.", content(
        (String = "text/plain"),
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
    let form = match wanted.format.as_deref() {
        Some("json") => Form::Json,
        Some("prometheus" | "text") => Form::Text(TextFormat::Prometheus),
        Some("openmetrics") => Form::Text(TextFormat::OpenMetrics),
        Some(other) => {
            let message = format!("format is `prometheus`, `openmetrics` or `json`, not `{other}`");
            return Err(Problem::bad_request(message));
        }
        None if accept.contains("application/json") => Form::Json,
        None => Form::Text(TextFormat::accepted(accept)),
    };
    let families = read(&shared);
    let vary = (header::VARY, "accept");
    Ok(match form {
        Form::Json => ([vary], Json(to_json(&families))).into_response(),
        Form::Text(format) => {
            ([vary, (header::CONTENT_TYPE, format.media_type())], to_text(&families, format)).into_response()
        }
    })
}

/// All figures of this moment.
pub(super) fn read(shared: &Shared) -> Vec<Family> {
    let (served, traffic, guests) = (shared.served(), shared.traffic(), shared.supervisor.shared());
    let scalers = Arc::clone(&shared.scalers.borrow());
    let reload = shared.reload.borrow().clone();
    collect(&Sources {
        served: &served,
        traffic: &traffic,
        plugins: shared.supervisor.registry(),
        shared: &guests,
        events: &shared.events,
        sightings: &shared.directory.sightings(),
        reload: &reload,
        scaled: &scalers.values().map(|scaler| scaled(scaler.status())).collect::<Vec<_>>(),
    })
}

fn scaled(status: Status) -> Scaled {
    // That none runs is worth a line, too.
    let mut nodes = BTreeMap::from([(NodeState::Running.as_str(), 0)]);
    for node in &status.nodes {
        *nodes.entry(node.state.as_str()).or_default() += 1;
    }
    Scaled { cluster: status.cluster, desired: status.desired.len(), nodes, cooldown_left: status.cooldown_left }
}
